//! The staking contract, in the rollup's own types.

use ethers_core::abi::Token;
use starling_rollup::address::L1Address;
use starling_rollup::block_header::{BlockHeader, SignedHeader};
use starling_rollup::schedule::Clock;

use super::abi::{self, Reader, STAKING};
use super::{Hash, L1, L1Error, Receipt, Request};

/// The parameters that clients need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StakingConstants {
    /// Slots and epochs.
    pub clock: Clock,
    /// Seconds in which the leader alone may commit.
    pub step_in: u64,
    /// Seconds of silence after which anyone may commit.
    pub silence: u64,
    /// Wei that a validator has at least.
    pub min_stake: u128,
    /// Seconds from the last epoch in which a stake counts until it is paid out.
    pub exit_delay: u64,
}

/// A validator as the contract keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validator {
    /// Wei.
    pub stake: u128,
    /// Units of the stake that do not count yet.
    pub waiting: u64,
    /// The epoch from which they may.
    pub entry: u64,
    /// Its leaf.
    pub index: u64,
    /// The epoch from which it may be out of the draw; 0 if it did not ask.
    pub exit: u64,
    /// Whether it was thrown out.
    pub ejected: bool,
    /// Who gets the stake back.
    pub beneficiary: L1Address,
    /// Until when it may not commit.
    pub jailed_until: u64,
    /// When the stake is free; 0 while it counts.
    pub free: u64,
}

impl Validator {
    /// Whether it may build blocks and commit at a time: enough stake, neither thrown out nor leaving nor in jail.
    pub fn in_office(&self, min_stake: u128, time: u64) -> bool {
        self.stake >= min_stake && !self.ejected && self.exit == 0 && self.jailed_until <= time
    }
}

/// Validators that stand in for a leader that is not in office, at most.
pub const STAND_INS: usize = 16;

/// Leaves that are looked through for them where the validators are not known.
const LEAVES: u64 = 64;

/// What the contract tells in events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StakingEvent {
    /// A validator came.
    Registered {
        /// Its L1 key.
        operator: L1Address,
        /// Its leaf.
        index: u64,
    },
    /// Where a validator's fees go, and its libp2p key.
    Contact {
        /// Its L1 key.
        operator: L1Address,
        /// The L2 account.
        fee_account: u32,
        /// The ed25519 key.
        peer_key: [u8; 32],
    },
    /// The weight of a leaf from an epoch on.
    Weight {
        /// The leaf.
        index: u64,
        /// Units of stake.
        weight: u64,
        /// The epoch.
        epoch: u64,
    },
    /// A validator leaves; its stake is free at a time.
    Exiting {
        /// Its L1 key.
        operator: L1Address,
        /// Seconds since 1970.
        free: u64,
    },
    /// A validator lost stake.
    Slashed {
        /// Its L1 key.
        operator: L1Address,
        /// Wei.
        amount: u128,
        /// Who reported it.
        reporter: L1Address,
        /// Whether it was thrown out.
        ejected: bool,
    },
    /// A validator may not commit for a while.
    Jailed {
        /// Its L1 key.
        operator: L1Address,
        /// Until when.
        until: u64,
    },
    /// A validator's stake was paid out.
    Withdrawn {
        /// Its L1 key.
        operator: L1Address,
        /// Wei.
        amount: u128,
    },
    /// An epoch's seed was brought.
    Seeded {
        /// The epoch.
        epoch: u64,
        /// The seed.
        seed: Hash,
    },
}

/// A client of a deployed staking contract.
#[derive(Clone, Copy)]
pub struct Staking<'a> {
    l1: &'a dyn L1,
    address: L1Address,
}

impl<'a> Staking<'a> {
    /// The contract at `address`.
    pub fn new(l1: &'a dyn L1, address: L1Address) -> Self {
        Self { l1, address }
    }

    async fn view(&self, function: &'static str, arguments: &[Token]) -> Result<Reader, L1Error> {
        let output = self.l1.call(self.address, STAKING.encode(function, arguments)?).await?;
        if output.is_empty() {
            return Err(L1Error::History(format!(
                "there is no staking contract at {}",
                self.address
            )));
        }
        Ok(Reader::new(function, STAKING.decode(function, &output)?))
    }

    // VIEWS
    // ============================================================================================================

    /// The contract's parameters.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub async fn constants(&self) -> Result<StakingConstants, L1Error> {
        Ok(StakingConstants {
            clock: Clock {
                genesis: self.view("GENESIS", &[]).await?.uint()?,
                slot: self.view("SLOT", &[]).await?.uint()?.max(1),
                slots: self.view("SLOTS", &[]).await?.uint()?.max(1),
            },
            step_in: self.view("STEP_IN", &[]).await?.uint()?,
            silence: self.view("SILENCE", &[]).await?.uint()?,
            min_stake: self.view("MIN_STAKE", &[]).await?.wei()?,
            exit_delay: self.view("EXIT_DELAY", &[]).await?.uint()?,
        })
    }

    /// The validator with this L1 key.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub async fn validator(&self, operator: L1Address) -> Result<Option<Validator>, L1Error> {
        let mut found = self.view("validators", &[abi::address(operator)]).await?;
        let validator = Validator {
            stake: found.wei()?,
            waiting: found.uint()?,
            entry: found.uint()?,
            index: found.uint()?,
            exit: found.uint()?,
            ejected: found.flag()?,
            beneficiary: found.address()?,
            jailed_until: found.uint()?,
            free: found.uint()?,
        };
        Ok((validator.beneficiary != L1Address::default()).then_some(validator))
    }

    /// Whether `sender` may commit in the next block.
    ///
    /// # Arguments
    /// `quiet_since`: when somebody last committed, or batches were last pruned.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub async fn may_commit(&self, sender: L1Address, quiet_since: u64) -> Result<bool, L1Error> {
        let arguments = [abi::address(sender), abi::uint(quiet_since)];
        self.view("mayCommit", &arguments).await?.flag()
    }

    /// The validator that leads a slot; `None` if the slot's epoch has none.
    ///
    /// # Errors
    /// When L1 does not answer, or the epoch's seed is not known.
    pub async fn leader(&self, slot: u64) -> Result<Option<L1Address>, L1Error> {
        let found = self.view("leader", &[abi::uint(slot)]).await?.address()?;
        Ok((found != L1Address::default()).then_some(found))
    }

    /// Those of `operators` that are in office at a time, as many as may stand in for others.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub async fn in_office(
        &self,
        operators: impl IntoIterator<Item = L1Address>,
        min_stake: u128,
        time: u64,
    ) -> Result<Vec<L1Address>, L1Error> {
        let mut office = Vec::new();
        for operator in operators {
            if office.len() == STAND_INS {
                break;
            }
            let found = self.validator(operator).await?;
            if found.is_some_and(|found| found.in_office(min_stake, time)) {
                office.push(operator);
            }
        }
        Ok(office)
    }

    /// The validators of the first leaves.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub async fn first_operators(&self) -> Result<Vec<L1Address>, L1Error> {
        let mut operators = Vec::new();
        for leaf in 0..LEAVES {
            let operator = self.view("operators", &[abi::uint(leaf)]).await?.address()?;
            if operator != L1Address::default() {
                operators.push(operator);
            }
        }
        Ok(operators)
    }

    /// Who builds a slot (`specs/pos.md`); `None` if nobody does, or its epoch's seed is not known.
    ///
    /// # Arguments
    /// `office`: who is in office at `time`.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub async fn builder(
        &self,
        slot: u64,
        office: &[L1Address],
        min_stake: u128,
        time: u64,
    ) -> Result<Option<L1Address>, L1Error> {
        let leader = match self.leader(slot).await {
            Ok(leader) => leader,
            Err(L1Error::Reverted { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        if let Some(leader) = leader
            && (office.contains(&leader) || !self.in_office([leader], min_stake, time).await?.is_empty())
        {
            return Ok(Some(leader));
        }
        Ok(match office.len() {
            0 => None,
            count => Some(office[(slot % count as u64) as usize]),
        })
    }

    /// The seed of an epoch, if it is known.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub async fn seed(&self, epoch: u64) -> Result<Option<Hash>, L1Error> {
        match self.view("seed", &[abi::uint(epoch)]).await {
            Ok(mut found) => Ok(Some(found.bytes32()?)),
            Err(L1Error::Reverted { error, .. }) if error.starts_with("Schedule__NotYet") => Ok(None),
            Err(error) => Err(error),
        }
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
    pub async fn events(&self, from: u64, to: u64) -> Result<Vec<(u64, StakingEvent)>, L1Error> {
        let mut events = Vec::new();
        for log in self.l1.logs(self.address, from, to).await? {
            let Some((name, values)) = STAKING.event(&log)? else {
                continue;
            };
            if let Some(event) = event(&name, Reader::new("an event", values))? {
                events.push((log.block, event));
            }
        }
        Ok(events)
    }

    // TRANSACTIONS
    // ============================================================================================================

    async fn send(&self, function: &str, arguments: &[Token], value: u128) -> Result<Receipt, L1Error> {
        let data = STAKING.encode(function, arguments)?;
        let to = Some(self.address);
        self.l1.send(Request { to, data, value }).await
    }

    /// Makes the sender a validator with a stake of `value` wei.
    ///
    /// # Errors
    /// When L1 does not take it.
    pub async fn register(
        &self,
        beneficiary: L1Address,
        fee_account: u32,
        peer_key: [u8; 32],
        value: u128,
    ) -> Result<Receipt, L1Error> {
        let arguments = [
            abi::address(beneficiary),
            abi::uint(u64::from(fee_account)),
            abi::bytes32(peer_key),
        ];
        self.send("register", &arguments, value).await
    }

    /// Changes where the sender's fees go, and its libp2p key.
    ///
    /// # Errors
    /// When L1 does not take it.
    pub async fn set_contact(&self, fee_account: u32, peer_key: [u8; 32]) -> Result<Receipt, L1Error> {
        let arguments = [abi::uint(u64::from(fee_account)), abi::bytes32(peer_key)];
        self.send("setContact", &arguments, 0).await
    }

    /// Adds `value` wei to a validator's stake.
    ///
    /// # Errors
    /// When L1 does not take it.
    pub async fn top_up(&self, operator: L1Address, value: u128) -> Result<Receipt, L1Error> {
        self.send("topUp", &[abi::address(operator)], value).await
    }

    /// Starts a validator's exit; the sender is the operator or its beneficiary.
    ///
    /// # Errors
    /// When L1 does not take it.
    pub async fn request_exit(&self, operator: L1Address) -> Result<Receipt, L1Error> {
        self.send("requestExit", &[abi::address(operator)], 0).await
    }

    /// Carries out what a validator has a place for.
    ///
    /// # Errors
    /// When L1 does not take it.
    pub async fn settle(&self, operator: L1Address) -> Result<Receipt, L1Error> {
        self.send("settle", &[abi::address(operator)], 0).await
    }

    /// Pays a free stake to its beneficiary.
    ///
    /// # Errors
    /// When L1 does not take it.
    pub async fn withdraw(&self, operator: L1Address) -> Result<Receipt, L1Error> {
        self.send("withdraw", &[abi::address(operator)], 0).await
    }

    /// Pays what the contract owes to `account`.
    ///
    /// # Errors
    /// When L1 does not take it.
    pub async fn collect(&self, account: L1Address) -> Result<Receipt, L1Error> {
        self.send("collect", &[abi::address(account)], 0).await
    }

    /// Brings the seed of an epoch: the headers of the first block of the epoch before, and of its parent.
    ///
    /// # Errors
    /// When L1 does not take it.
    pub async fn bring_seed(&self, epoch: u64, parent: Vec<u8>, block: Vec<u8>) -> Result<Receipt, L1Error> {
        let arguments = [abi::uint(epoch), Token::Bytes(parent), Token::Bytes(block)];
        self.send("bringSeed", &arguments, 0).await
    }

    /// Shows two different headers of one place that one validator signed.
    ///
    /// # Errors
    /// When L1 does not take it.
    pub async fn report_equivocation(&self, one: &SignedHeader, other: &SignedHeader) -> Result<Receipt, L1Error> {
        let signature = |signed: &SignedHeader| Token::Bytes(signed.signature.to_bytes().to_vec());
        let arguments = [
            header(&one.header),
            signature(one),
            header(&other.header),
            signature(other),
        ];
        self.send("equivocation", &arguments, 0).await
    }

    /// Shows a signed header that its signer's own commit contradicts.
    ///
    /// # Arguments
    /// `committed`: the headers of the commit from the place on.
    ///
    /// # Errors
    /// When L1 does not take it.
    pub async fn report_contradiction(
        &self,
        signed: &SignedHeader,
        committed: &[BlockHeader],
    ) -> Result<Receipt, L1Error> {
        let arguments = [
            header(&signed.header),
            Token::Bytes(signed.signature.to_bytes().to_vec()),
            Token::Array(committed.iter().map(header).collect()),
        ];
        self.send("contradiction", &arguments, 0).await
    }

    /// Shows that a slot's leader let it pass although an entry of the queue was due.
    ///
    /// # Arguments
    /// `batch`: the first batch that was committed after the slot. `early`, `late`: headers of two L1 blocks in the slot.
    ///
    /// # Errors
    /// When L1 does not take it.
    pub async fn report_neglect(
        &self,
        slot: u64,
        batch: u64,
        early: Vec<u8>,
        late: Vec<u8>,
    ) -> Result<Receipt, L1Error> {
        let arguments = [
            abi::uint(slot),
            abi::uint(batch),
            Token::Bytes(early),
            Token::Bytes(late),
        ];
        self.send("neglect", &arguments, 0).await
    }
}

/// A header as the contract takes it.
fn header(header: &BlockHeader) -> Token {
    Token::Tuple(vec![
        abi::uint(header.slot),
        abi::uint(header.batch),
        abi::uint(u64::from(header.index)),
        abi::bytes32(header.parent),
        abi::bytes32(header.operations),
        abi::bytes32(header.state),
    ])
}

fn event(name: &str, mut values: Reader) -> Result<Option<StakingEvent>, L1Error> {
    Ok(Some(match name {
        "Registered" => StakingEvent::Registered {
            operator: values.address()?,
            index: values.uint()?,
        },
        "Contact" => StakingEvent::Contact {
            operator: values.address()?,
            fee_account: values.uint()? as u32,
            peer_key: values.bytes32()?,
        },
        "Weight" => StakingEvent::Weight {
            index: values.uint()?,
            weight: values.uint()?,
            epoch: values.uint()?,
        },
        "Exiting" => StakingEvent::Exiting {
            operator: values.address()?,
            free: values.uint()?,
        },
        "Slashed" => StakingEvent::Slashed {
            operator: values.address()?,
            amount: values.wei()?,
            reporter: values.address()?,
            ejected: values.flag()?,
        },
        "Jailed" => StakingEvent::Jailed {
            operator: values.address()?,
            until: values.uint()?,
        },
        "Withdrawn" => {
            let operator = values.address()?;
            values.address()?;
            StakingEvent::Withdrawn {
                operator,
                amount: values.wei()?,
            }
        }
        "Seeded" => StakingEvent::Seeded {
            epoch: values.uint()?,
            seed: values.bytes32()?,
        },
        _ => return Ok(None),
    }))
}
