//! The rollup's contracts, in the rollup's own types.

use ethers_core::abi::Token;
use starling_air::check::Statement;
use starling_air::wire::Sections;
use starling_rollup::account::{AMOUNT_LIMIT, Account};
use starling_rollup::address::{Address, L1Address};
use starling_rollup::block_header::{BlockEnd, decode_blocks, encode_blocks};
use starling_rollup::chain::word_bytes;
use starling_rollup::data::{DataError, claim, from_calldata, to_calldata};
use starling_rollup::entry::Entry;
use starling_rollup::tree::Path;
use starling_vm::field::{Felt, Word};
use starling_vm::schnorr::PublicKey;

use super::abi::{self, ROLLUP, Reader, VERIFIER};
use super::{Hash, L1, L1Error, Log, Receipt, Request, TIP};

/// Wei in a gwei.
pub const GWEI: u128 = 1_000_000_000;

/// How far batches have come on L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The last committed batch.
    pub committed: u64,
    /// The last proven batch.
    pub proven: u64,
    /// Entries ever queued.
    pub queue_length: u64,
    /// Whether the rollup is frozen.
    pub frozen: bool,
    /// When somebody last committed, or batches were last pruned.
    pub quiet_since: u64,
}

/// A batch as the contract keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchInfo {
    /// Chain digest after it.
    pub digest: Word,
    /// Root of its operations.
    pub operations_root: Hash,
    /// Hash of its last block's header.
    pub head: Hash,
    /// Who posted its bond.
    pub committer: L1Address,
    /// When it was committed.
    pub committed_at: u64,
    /// The queue's next entry after it.
    pub queue_end: u64,
}

/// What a commit's transaction says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitSent {
    /// The slot that its blocks were built for.
    pub slot: u64,
    /// Its blocks.
    pub blocks: Vec<BlockEnd>,
    /// Its words.
    pub words: Vec<u64>,
}

/// What the contract tells in events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An entry was queued.
    Enqueued {
        /// Its number.
        number: u64,
        /// The entry.
        entry: Entry,
    },
    /// A batch was committed.
    Committed {
        /// Its number.
        batch: u64,
        /// Who committed it.
        committer: L1Address,
        /// Chain digest after it.
        digest: Word,
        /// The transaction that holds its data.
        transaction: Hash,
    },
    /// Batches were proven.
    Proven {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
        /// State root after the last.
        root: Word,
    },
    /// Batches were dropped.
    Pruned {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// A payment was claimed.
    Claimed {
        /// The batch.
        batch: u64,
        /// The operation's position.
        position: u64,
    },
    /// The rollup was frozen.
    Frozen,
    /// An account left the frozen rollup.
    Escaped {
        /// Its index.
        index: u32,
    },
    /// An entry of the frozen rollup's queue was given back.
    Refunded {
        /// Its number.
        number: u64,
    },
}

/// The parameters that clients need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constants {
    /// The verifier.
    pub verifier: L1Address,
    /// Says whose turn it is to commit.
    pub staking: L1Address,
    /// Wei that a commit posts.
    pub bond: u128,
    /// Wei that a queue entry pays.
    pub queue_fee: u128,
    /// Seconds after which a commit must not pass over a queue entry.
    pub queue_window: u64,
    /// Entries that a batch must consume, at most.
    pub queue_cap: u64,
    /// Seconds from a commit to its deadline.
    pub prove_window: u64,
    /// Seconds from a commit in which only its committer can be paid for its proof.
    pub exclusive_window: u64,
    /// Program hash of the kernel.
    pub kernel: Word,
    /// Domain word of chain and rollup.
    pub domain: Word,
}

/// A client of a deployed rollup.
#[derive(Clone, Copy)]
pub struct Rollup<'a> {
    l1: &'a dyn L1,
    address: L1Address,
}

impl<'a> Rollup<'a> {
    /// The rollup at `address`.
    pub fn new(l1: &'a dyn L1, address: L1Address) -> Self {
        Self { l1, address }
    }

    async fn view(&self, function: &'static str, arguments: &[Token]) -> Result<Reader, L1Error> {
        let output = self.l1.call(self.address, ROLLUP.encode(function, arguments)?).await?;
        if output.is_empty() {
            return Err(L1Error::History(format!(
                "there is no rollup contract at {}",
                self.address
            )));
        }
        Ok(Reader::new(function, ROLLUP.decode(function, &output)?))
    }

    // VIEWS
    // ============================================================================================================

    /// How far batches have come.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub async fn progress(&self) -> Result<Progress, L1Error> {
        Ok(Progress {
            committed: self.view("committed", &[]).await?.uint()?,
            proven: self.view("proven", &[]).await?.uint()?,
            queue_length: self.view("queueLength", &[]).await?.uint()?,
            frozen: self.view("frozen", &[]).await?.flag()?,
            quiet_since: self.view("quietSince", &[]).await?.uint()?,
        })
    }

    /// The last second in which the first unproven batch cannot be pruned.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub async fn deadline(&self) -> Result<u64, L1Error> {
        self.view("deadline", &[]).await?.uint()
    }

    /// The contract's parameters.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub async fn constants(&self) -> Result<Constants, L1Error> {
        Ok(Constants {
            verifier: self.view("VERIFIER", &[]).await?.address()?,
            staking: self.view("STAKING", &[]).await?.address()?,
            bond: self.view("BOND", &[]).await?.wei()?,
            queue_fee: self.view("QUEUE_FEE", &[]).await?.wei()?,
            queue_window: self.view("QUEUE_WINDOW", &[]).await?.uint()?,
            queue_cap: self.view("QUEUE_CAP", &[]).await?.uint()?,
            prove_window: self.view("PROVE_WINDOW", &[]).await?.uint()?,
            exclusive_window: self.view("EXCLUSIVE_WINDOW", &[]).await?.uint()?,
            kernel: word(self.view("KERNEL", &[]).await?.bytes32()?)?,
            domain: word(self.view("DOMAIN", &[]).await?.bytes32()?)?,
        })
    }

    /// A committed batch; batch 0 is the genesis.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub async fn batch(&self, number: u64) -> Result<BatchInfo, L1Error> {
        let mut found = self.view("batches", &[abi::uint(number)]).await?;
        Ok(BatchInfo {
            digest: word(found.bytes32()?)?,
            operations_root: found.bytes32()?,
            head: found.bytes32()?,
            committer: found.address()?,
            committed_at: found.uint()?,
            queue_end: found.uint()?,
        })
    }

    /// The state root after a batch with which a proof ended; `None` for another batch.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub async fn root(&self, batch: u64) -> Result<Option<Word>, L1Error> {
        let root = self.view("roots", &[abi::uint(batch)]).await?.bytes32()?;
        (root != [0; 32]).then(|| word(root)).transpose()
    }

    /// When an entry was queued; `None` if there is none with this number.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub async fn queued_at(&self, entry: u64) -> Result<Option<u64>, L1Error> {
        let time = self.view("queuedAt", &[abi::uint(entry)]).await?.uint()?;
        Ok((time > 0).then_some(time))
    }

    /// Wei that the contract owes to an address.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub async fn owed(&self, to: L1Address) -> Result<u128, L1Error> {
        self.view("owed", &[abi::address(to)]).await?.wei()
    }

    /// The events in blocks `from` to `to`, with their blocks.
    ///
    /// # Errors
    /// When L1 does not answer, or an event is not what the contract emits.
    pub async fn events(&self, from: u64, to: u64) -> Result<Vec<(u64, Event)>, L1Error> {
        let logs = self.l1.logs(self.address, from, to).await?;
        let events = logs.iter().map(|log| Ok(event(log)?.map(|event| (log.block, event))));
        Ok(events
            .collect::<Result<Vec<_>, L1Error>>()?
            .into_iter()
            .flatten()
            .collect())
    }

    /// The words of a committed batch, from the calldata of its transaction.
    ///
    /// # Errors
    /// When L1 does not answer, or the transaction is not a commit.
    pub async fn batch_words(&self, transaction: Hash) -> Result<Vec<u64>, L1Error> {
        Ok(self.commit_sent(transaction).await?.words)
    }

    /// What a commit's transaction says.
    ///
    /// # Errors
    /// [L1Error::NoData] when L1 answers that it does not have the transaction, or what it has is no plain commit; another error
    /// when it does not answer.
    pub async fn commit_sent(&self, transaction: Hash) -> Result<CommitSent, L1Error> {
        let no_data = |reason: String| L1Error::NoData { transaction, reason };
        let found = self.l1.input(transaction).await?;
        let gone = || no_data("it is in no block there (pruned, or L1 was reorganised)".to_owned());
        let (to, input) = found.ok_or_else(gone)?;
        if to != Some(self.address) {
            // The contract takes no such commit: the endpoint shows another transaction.
            return Err(no_data("it was not sent to the rollup".to_owned()));
        }
        read_commit(&input).map_err(no_data)
    }

    /// Wei that a gas costs now: the newest block's base fee, and the tip with which a transaction is sent at first.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub async fn gas_price(&self) -> Result<u128, L1Error> {
        Ok(self.l1.head().await?.base_fee.saturating_add(TIP))
    }

    // TRANSACTIONS
    // ============================================================================================================

    async fn send(&self, function: &str, arguments: &[Token], value: u128) -> Result<Receipt, L1Error> {
        let data = ROLLUP.encode(function, arguments)?;
        let to = Some(self.address);
        self.l1.send(Request { to, data, value }).await
    }

    /// Commits a batch behind the chain digest `parent`.
    ///
    /// # Arguments
    /// `slot`: the slot that its blocks were built for. `blocks`: where they end, and their state roots.
    ///
    /// # Errors
    /// When L1 does not take it.
    pub async fn commit(
        &self,
        parent: &Word,
        slot: u64,
        blocks: &[BlockEnd],
        words: &[u64],
        bond: u128,
    ) -> Result<Receipt, L1Error> {
        let arguments = [
            abi::bytes32(word_bytes(parent)),
            abi::uint(slot),
            Token::Bytes(encode_blocks(blocks)),
            Token::Bytes(to_calldata(words)),
            abi::bytes32(word_bytes(&claim(words))),
        ];
        self.send("commit", &arguments, bond).await
    }

    /// Settles the batches to `last`; the verifier must know the statement.
    ///
    /// # Errors
    /// When L1 does not take it.
    pub async fn prove(&self, last: u64, root: &Word, payee: L1Address) -> Result<Receipt, L1Error> {
        let arguments = [abi::uint(last), abi::bytes32(word_bytes(root)), abi::address(payee)];
        self.send("prove", &arguments, 0).await
    }

    /// Drops unproven batches past their deadline.
    ///
    /// # Errors
    /// When L1 does not take it.
    pub async fn prune(&self) -> Result<Receipt, L1Error> {
        self.send("prune", &[], 0).await
    }

    /// Queues a deposit of `gwei` to a new account.
    ///
    /// # Errors
    /// When L1 does not take it.
    pub async fn deposit(&self, to: &Address, gwei: u64, queue_fee: u128) -> Result<Receipt, L1Error> {
        debug_assert!(gwei < AMOUNT_LIMIT);
        let value = u128::from(gwei) * GWEI + queue_fee;
        self.send("deposit", &[abi::bytes32(to.to_bytes())], value).await
    }

    /// Queues a deposit of `gwei` to the account `index`.
    ///
    /// # Errors
    /// When L1 does not take it.
    pub async fn deposit_to(&self, index: u32, to: &Address, gwei: u64, queue_fee: u128) -> Result<Receipt, L1Error> {
        let value = u128::from(gwei) * GWEI + queue_fee;
        let arguments = [abi::uint(u64::from(index)), abi::bytes32(to.to_bytes())];
        self.send("depositTo", &arguments, value).await
    }

    /// Queues the exit of the account `index`, which must be the sender's.
    ///
    /// # Errors
    /// When L1 does not take it.
    pub async fn force_exit(&self, index: u32, key: &PublicKey, queue_fee: u128) -> Result<Receipt, L1Error> {
        let limbs = key.to_elements().map(|limb| abi::uint(limb.as_int()));
        let arguments = [abi::uint(u64::from(index)), Token::FixedArray(limbs.to_vec())];
        self.send("forceExit", &arguments, queue_fee).await
    }

    /// Claims what an operation of a proven batch pays.
    ///
    /// # Errors
    /// When L1 does not take it.
    pub async fn claim(&self, batch: u64, position: u64, words: &[u64], path: &[Hash]) -> Result<Receipt, L1Error> {
        self.send("claim", &claim_arguments(batch, position, words, path), 0)
            .await
    }

    /// Whether an operation stands at a position of a committed batch.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub async fn included(&self, batch: u64, position: u64, words: &[u64], path: &[Hash]) -> Result<bool, L1Error> {
        self.view("included", &claim_arguments(batch, position, words, path))
            .await?
            .flag()
    }

    /// Freezes the rollup, if an entry of the queue has waited for too long.
    ///
    /// # Errors
    /// When L1 does not take it.
    pub async fn freeze(&self) -> Result<Receipt, L1Error> {
        self.send("freeze", &[], 0).await
    }

    /// Pays the proven balance of an account of a frozen rollup to its owner.
    ///
    /// # Arguments
    /// `next`: the next free index of the proven state. `path`: that of the account's leaf in it.
    ///
    /// # Errors
    /// When L1 does not take it.
    pub async fn escape(
        &self,
        key: &PublicKey,
        owner: L1Address,
        account: &Account,
        next: u64,
        path: &Path,
    ) -> Result<Receipt, L1Error> {
        let limbs = key.to_elements().map(|limb| abi::uint(limb.as_int()));
        let siblings = path.siblings.iter().map(|word| abi::bytes32(word_bytes(word)));
        let arguments = [
            abi::uint(u64::from(path.index)),
            Token::FixedArray(limbs.to_vec()),
            abi::address(owner),
            abi::uint(u64::from(account.nonce)),
            abi::uint(account.balance),
            abi::uint(next),
            Token::FixedArray(siblings.collect()),
        ];
        self.send("escape", &arguments, 0).await
    }

    /// Gives back what an entry of a frozen rollup brought.
    ///
    /// # Errors
    /// When L1 does not take it.
    pub async fn refund(&self, number: u64, entry: &Entry) -> Result<Receipt, L1Error> {
        let mut words = entry.encode(0);
        words.pop();
        let words = words.into_iter().map(abi::uint).collect();
        self.send("refund", &[abi::uint(number), Token::FixedArray(words)], 0)
            .await
    }

    /// Pays what the contract owes to `account`.
    ///
    /// # Errors
    /// When L1 does not take it.
    pub async fn collect(&self, account: L1Address) -> Result<Receipt, L1Error> {
        self.send("collect", &[abi::address(account)], 0).await
    }
}

/// What the calldata of a commit says.
fn read_commit(input: &[u8]) -> Result<CommitSent, String> {
    let said = |error: L1Error| error.to_string();
    let mut arguments = Reader::new("commit", ROLLUP.decode_call("commit", input).map_err(said)?);
    arguments.bytes32().map_err(said)?;
    let slot = arguments.uint().map_err(said)?;
    let blocks = decode_blocks(&arguments.bytes().map_err(said)?).map_err(|error| error.to_string())?;
    let words = arguments.bytes().map_err(said)?;
    let words = from_calldata(&words).map_err(|error: DataError| error.to_string())?;
    Ok(CommitSent { slot, blocks, words })
}

fn claim_arguments(batch: u64, position: u64, words: &[u64], path: &[Hash]) -> [Token; 4] {
    let bytes = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    let path = path.iter().map(|hash| abi::bytes32(*hash)).collect();
    [
        abi::uint(batch),
        abi::uint(position),
        Token::Bytes(bytes),
        Token::Array(path),
    ]
}

/// The four elements of a bytes32.
fn word(bytes: [u8; 32]) -> Result<Word, L1Error> {
    let found = Address::from_bytes(&bytes).map(Address::to_word);
    found.ok_or_else(|| L1Error::History("a word is not four canonical elements".to_owned()))
}

fn event(log: &Log) -> Result<Option<Event>, L1Error> {
    let Some((name, values)) = ROLLUP.event(log)? else {
        return Ok(None);
    };
    let mut values = Reader::new("an event", values);
    Ok(Some(match name.as_str() {
        "Enqueued" => {
            let number = values.uint()?;
            let mut words = values.uints()?;
            words.push(0);
            let entry = Entry::decode(&words).map_err(|error| L1Error::History(format!("entry {number}: {error}")))?;
            Event::Enqueued { number, entry: entry.0 }
        }
        "Committed" => Event::Committed {
            batch: values.uint()?,
            committer: values.address()?,
            digest: word(values.bytes32()?)?,
            transaction: log.transaction,
        },
        "Proven" => Event::Proven {
            first: values.uint()?,
            last: values.uint()?,
            root: word(values.bytes32()?)?,
        },
        "Pruned" => Event::Pruned {
            first: values.uint()?,
            last: values.uint()?,
        },
        "Claimed" => Event::Claimed {
            batch: values.uint()?,
            position: values.uint()?,
        },
        "Frozen" => Event::Frozen,
        "Escaped" => Event::Escaped {
            index: values.uint()? as u32,
        },
        "Refunded" => Event::Refunded { number: values.uint()? },
        _ => return Ok(None),
    }))
}

// PROOFS
// ================================================================================================================

/// A client of a deployed verifier.
#[derive(Clone, Copy)]
pub struct Verifier<'a> {
    l1: &'a dyn L1,
    address: L1Address,
}

/// A statement, as the verifier takes it.
fn tokens(statement: &Statement) -> [Token; 3] {
    let words = |list: &[Felt]| abi::uints(list.iter().map(|element| element.as_int()));
    let program = abi::bytes32(word_bytes(&statement.program));
    [program, words(&statement.inputs), words(&statement.outputs)]
}

impl<'a> Verifier<'a> {
    /// The verifier at `address`.
    pub fn new(l1: &'a dyn L1, address: L1Address) -> Self {
        Self { l1, address }
    }

    async fn view(&self, function: &'static str, arguments: &[Token]) -> Result<Reader, L1Error> {
        let output = self
            .l1
            .call(self.address, VERIFIER.encode(function, arguments)?)
            .await?;
        Ok(Reader::new(function, VERIFIER.decode(function, &output)?))
    }

    /// Whether the verifier knows the statement.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub async fn is_proven(&self, statement: &Statement) -> Result<bool, L1Error> {
        let digest = self.view("statementOf", &tokens(statement)).await?.bytes32()?;
        self.view("isProven", &[abi::bytes32(digest)]).await?.flag()
    }

    /// Checks a whole proof in a call that leaves nothing.
    ///
    /// # Errors
    /// [L1Error::Reverted] with the verifier's reason when the proof is not accepted.
    pub async fn check(&self, statement: &Statement, proof: &[u8]) -> Result<(), L1Error> {
        let [program, inputs, outputs] = tokens(statement);
        let arguments = [program, inputs, outputs, Token::Bytes(proof.to_vec())];
        self.view("verify", &arguments).await.map(drop)
    }

    /// Has a proof verified in three transactions. Steps that have been taken already are taken again: they are idempotent.
    ///
    /// # Errors
    /// When L1 does not take a step.
    pub async fn submit(&self, statement: &Statement, sections: &Sections) -> Result<Vec<Receipt>, L1Error> {
        let bytes = |section: &[u8]| Token::Bytes(section.to_vec());
        let [program, inputs, outputs] = tokens(statement);
        let begun = self
            .step("begin", &[program, inputs, outputs, bytes(&sections.head)])
            .await?;
        let session = left(&begun, "Begun")?;
        let opened = self.step("open", &[session.clone(), bytes(&sections.openings)]).await?;
        let values = left(&opened, "Opened")?;
        let finished = self.step("finish", &[session, values, bytes(&sections.fri)]).await?;
        Ok(vec![begun, opened, finished])
    }

    async fn step(&self, function: &str, arguments: &[Token]) -> Result<Receipt, L1Error> {
        self.l1
            .send(Request::call(self.address, VERIFIER.encode(function, arguments)?))
            .await
    }
}

/// What a step left for the next ones: the second value of its event.
fn left(receipt: &Receipt, event: &str) -> Result<ethers_core::abi::Token, L1Error> {
    for log in &receipt.logs {
        if let Some((name, values)) = VERIFIER.event(log)?
            && name == event
        {
            let mut values = Reader::new("a step's event", values);
            values.token()?;
            return values.token();
        }
    }
    Err(L1Error::History(format!("the verifier's step left no {event} event")))
}
