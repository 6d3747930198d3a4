//! The whole way, with nothing played: deposits, batches, proofs of the kernel, the contracts, payments.

use revm::primitives::Address as Account;
use starling_air::check::Statement;
use starling_air::prover::prove;
use starling_air::settlement::{PRESET, sections, verifier_parameters};
use starling_air::verifier::verify;
use starling_rollup::address::{Address, L1Address};
use starling_rollup::batch::{Batch, OpenBatch};
use starling_rollup::chain;
use starling_rollup::data::{claim, to_calldata};
use starling_rollup::entry::{Entry, Kind};
use starling_rollup::kernel::program;
use starling_rollup::kernel::witness::{Start, witness};
use starling_rollup::record::Record;
use starling_rollup::state::State;
use starling_rollup::transaction::{Operation, Transaction};
use starling_vm::field::{Felt, Word};
use starling_vm::schnorr::SecretKey;

use crate::contract::{BOND, FEE, FREEZE_WINDOW, GWEI, Rollup, account, bytes, operations_tree, path};
use crate::evm::{Argument, Chain, Outcome, SENDER, call, returned_words, selector, word};

const PAYEE: L1Address = L1Address([0xfe; 20]);

/// A rollup on its chain, and the operator's view of it.
struct World {
    rollup: Rollup,
    verifier: Account,
    state: State,
    /// The state that the contract knows, its chain digest, and the batches since.
    proven: State,
    digest: Word,
    number: u64,
    waiting: Vec<Batch>,
}

impl World {
    fn new() -> Self {
        let mut chain = Chain::new();
        let evaluators = chain.deploy_evaluators("Kernel");
        let addresses: Vec<[u8; 20]> = evaluators.iter().map(|address| address.into_array()).collect();
        let verifier = chain.deploy("StarkVerifier", &verifier_parameters().abi_encode(&addresses));
        let rollup = Rollup::with_verifier(chain, verifier, &program().hash());
        Self {
            rollup,
            verifier,
            state: State::default(),
            proven: State::default(),
            digest: chain::GENESIS,
            number: 1,
            waiting: vec![],
        }
    }

    /// Calls the rollup; prints what it costs.
    fn pay(&mut self, value: u128, signature: &str, arguments: &[Argument<'_>]) -> Outcome {
        let data = call(signature, arguments);
        let outcome = self.rollup.chain.pay(self.rollup.address, value, data);
        if outcome.result.is_ok() {
            println!(
                "{}: {} gas",
                signature.split('(').next().unwrap_or_default(),
                outcome.used
            );
        }
        outcome
    }

    fn send(&mut self, signature: &str, arguments: &[Argument<'_>]) -> Outcome {
        self.pay(0, signature, arguments)
    }

    fn deposit(&mut self, address: Address, amount: u64) -> Entry {
        let value = u128::from(amount) * GWEI + FEE;
        let auth = Argument::Word(address.to_bytes());
        self.pay(value, "deposit(bytes32)", &[auth]).result.expect("queues");
        let kind = Kind::DepositNew { amount };
        let sender = L1Address(SENDER.into_array());
        Entry { kind, sender, address }
    }

    /// Seals and commits a batch.
    fn commit(&mut self, fill: impl FnOnce(&mut OpenBatch, &State, &Word)) {
        let mut open = OpenBatch::new(&self.state, 0);
        fill(&mut open, &self.state, &self.rollup.id().word());
        let batch = open.seal(&mut self.state).expect("fees have a place");
        let words = batch.data().to_words();
        let outcome = self.rollup.commit_bytes(&to_calldata(&words), &bytes(&claim(&words)));
        outcome.result.expect("commits");
        self.waiting.push(batch);
    }

    /// Proves all batches that wait, in one transaction or in three, and settles them.
    fn settle(&mut self, steps: bool) {
        let start = Start {
            rollup: self.rollup.id(),
            number: self.number,
            digest: self.digest,
            payee: PAYEE,
        };
        let witness = witness(&self.proven, &start, &self.waiting).expect("a witness");
        let proof = prove(program(), &witness.inputs, PRESET).expect("proves");
        println!("2^{} rows, {:.1} s", proof.trace_length.ilog2(), proof.prove_seconds);
        verify(&proof.statement, &[PRESET], &proof.bytes).expect("verifies");
        let last = self.number + self.waiting.len() as u64 - 1;
        let arguments = [
            Argument::Word(word(last)),
            Argument::Word(bytes(&witness.root)),
            Argument::Word(account(Account::from(PAYEE.0))),
        ];
        let not_proven = self.send("prove(uint256,bytes32,address)", &arguments);
        assert_eq!(not_proven.error(), Some(selector("Rollup__NotProven(bytes32)")));
        let gas = self.show(&proof.statement, &proof.bytes, steps);
        // For nobody else, and nothing else.
        let mut other = arguments;
        other[2] = Argument::Word(account(SENDER));
        assert!(self.send("prove(uint256,bytes32,address)", &other).result.is_err());
        other = arguments;
        other[1] = Argument::Word(bytes(&[1, 2, 3, 4].map(Felt::new)));
        assert!(self.send("prove(uint256,bytes32,address)", &other).result.is_err());
        let settled = self.send("prove(uint256,bytes32,address)", &arguments);
        println!("verified for {gas} gas");
        settled.result.expect("settles");
        self.proven = self.state.clone();
        self.digest = witness.digest;
        self.number = last + 1;
        assert_eq!(self.proven.root(), witness.root);
        assert_eq!(self.rollup.batch(last).0, bytes(&witness.digest));
    }

    fn show(&mut self, statement: &Statement, proof: &[u8], steps: bool) -> u64 {
        let sections = sections(statement, proof).expect("for L1");
        let whole = sections.concat();
        let head = if steps { &sections.head } else { &whole };
        let arguments = [
            Argument::Word(bytes(&statement.program)),
            Argument::Words(&statement.inputs),
            Argument::Words(&statement.outputs),
            Argument::Bytes(head),
        ];
        let mut gas = 0;
        let mut take = |name: &str, arguments: &[Argument<'_>]| {
            let outcome = self.rollup.chain.call(self.verifier, call(name, arguments));
            gas += outcome.used;
            outcome.result.expect("the verifier accepts")
        };
        if steps {
            let session = returned_words(&take("begin(bytes32,uint64[],uint64[],bytes)", &arguments));
            let session = Argument::RawWords(&session);
            let opened = take("open(uint256[],bytes)", &[session, Argument::Bytes(&sections.openings)]);
            let values = returned_words(&opened);
            let arguments = [session, Argument::RawWords(&values), Argument::Bytes(&sections.fri)];
            take("finish(uint256[],uint256[],bytes)", &arguments);
        } else {
            take("prove(bytes32,uint64[],uint64[],bytes)", &arguments);
        }
        gas
    }

    /// Claims the operation at `position` of a batch.
    fn claim(&mut self, number: u64, batch: &Batch, position: usize) -> Outcome {
        let data = batch.data();
        let entries = data.entries.iter().map(|(entry, moved)| entry.encode(*moved));
        let operations: Vec<Vec<u64>> = entries.chain(data.records.iter().map(Record::encode)).collect();
        let words: Vec<u8> = operations[position]
            .iter()
            .flat_map(|word| word.to_be_bytes())
            .collect();
        let path = path(&operations_tree(&operations), position);
        let arguments = [
            Argument::Word(word(number)),
            Argument::Word(word(position as u64)),
            Argument::Bytes(&words),
            Argument::RawWords(&path),
        ];
        self.send("claim(uint256,uint256,bytes,bytes32[])", &arguments)
    }

    /// The account at `index` of the proven state, as the contract wants to see it: `first`, then nonce, balance, next index and
    /// siblings.
    fn account(&mut self, signature: &str, index: u32, first: &[[u8; 32]], balance: u64) -> Outcome {
        let proven = self.proven.account(index).expect("an account");
        let mut words = vec![word(u64::from(index))];
        words.extend_from_slice(first);
        words.extend([u64::from(proven.nonce), balance, self.proven.next()].map(word));
        words.extend(self.proven.tree().path(index).siblings.iter().map(bytes));
        let arguments: Vec<Argument<'_>> = words.into_iter().map(Argument::Word).collect();
        self.send(signature, &arguments)
    }

    fn is_proven(&mut self, index: u32, balance: u64) -> bool {
        let auth = self.proven.account(index).expect("an account").address.to_bytes();
        let signature = "accountProven(uint32,bytes32,uint32,uint64,uint64,bytes32[32])";
        self.account(signature, index, &[auth], balance)
            .result
            .expect("an answer")[31]
            == 1
    }

    fn balance(&mut self, address: L1Address) -> u128 {
        self.rollup.chain.balance(Account::from(address.0))
    }
}

#[test]
fn money_goes_in_moves_and_comes_out() {
    let mut world = World::new();
    let me = L1Address(SENDER.into_array());
    let (alice, bob) = (SecretKey::derive(b"alice"), SecretKey::derive(b"bob"));
    let (recipient, owner) = (L1Address([0xaa; 20]), L1Address([0xbb; 20]));
    let address = Address::new(alice.public_key(), me);
    let bobs = Address::new(bob.public_key(), owner);

    // Two deposits open accounts, one to an account that is not there comes back; a transfer, a withdrawal.
    let mut entries = vec![world.deposit(address, 1_000_000), world.deposit(bobs, 500)];
    let place = [word(9), address.to_bytes()].map(Argument::Word);
    let value = 77 * GWEI + FEE;
    world
        .pay(value, "depositTo(uint32,bytes32)", &place)
        .result
        .expect("queues");
    entries.push(Entry {
        kind: Kind::Deposit { index: 9, amount: 77 },
        sender: me,
        address,
    });
    let signed = |from: u32, nonce: u32, operation: Operation, key: &SecretKey, owner: L1Address, rollup: &Word| {
        let transaction = Transaction {
            from,
            nonce,
            fee: 10,
            operation,
        };
        transaction.sign(rollup, key, owner)
    };
    let transfer = Operation::Transfer {
        to: 1,
        address: bobs,
        amount: 2_000,
    };
    let withdraw = Operation::Withdraw {
        recipient,
        amount: 30_000,
    };
    world.commit(|open, state, rollup| {
        let moved: Vec<u64> = entries
            .iter()
            .map(|entry| open.enter(state, *entry).expect("room"))
            .collect();
        assert_eq!(moved, [1_000_000, 500, 0]);
        let first = signed(0, 0, transfer, &alice, me, rollup);
        open.apply(state, rollup, &first).expect("a transfer");
        let second = signed(0, 1, withdraw, &alice, me, rollup);
        open.apply(state, rollup, &second).expect("a withdrawal");
    });
    // A second batch, proven together with the first: alice is forced out.
    let key = alice
        .public_key()
        .to_elements()
        .map(|limb| Argument::Word(word(limb.as_int())));
    let arguments = [&[Argument::Word(word(0))], &key[..]].concat();
    world
        .pay(FEE, "forceExit(uint32,uint64[5])", &arguments)
        .result
        .expect("queues");
    let exit = Entry {
        kind: Kind::Exit { index: 0 },
        sender: me,
        address,
    };
    let mut left = 0;
    world.commit(|open, state, rollup| {
        left = open.enter(state, exit).expect("room");
        let back = Operation::Transfer {
            to: 0,
            address,
            amount: 400,
        };
        let signed = signed(1, 0, back, &bob, owner, rollup);
        open.apply(state, rollup, &signed).expect("a transfer");
    });
    // Fees went to account 0, before the exit and after it.
    assert_eq!(left, 1_000_000 - 2_000 - 30_000);
    let batches = world.waiting.clone();
    world.settle(true);
    world.waiting.clear();

    // What the batches pay, once.
    let already = Some(selector("Rollup__AlreadyPaid()"));
    world.claim(1, &batches[0], 4).result.expect("the withdrawal");
    assert_eq!(world.balance(recipient), 30_000 * GWEI);
    assert_eq!(world.claim(1, &batches[0], 4).error(), already);
    let before = world.balance(me);
    world.claim(1, &batches[0], 2).result.expect("the refund");
    world.claim(2, &batches[1], 0).result.expect("the exit");
    assert_eq!(world.balance(me), before + (77 + u128::from(left)) * GWEI);
    assert_eq!(world.claim(2, &batches[1], 0).error(), already);
    let nothing = Some(selector("Rollup__NothingToPay()"));
    assert_eq!(world.claim(1, &batches[0], 0).error(), nothing);
    assert_eq!(world.claim(1, &batches[0], 3).error(), nothing);
    // The first bond and all fees are whose proof it was, the other bond is its committer's.
    let payee = Argument::Word(self::account(Account::from(PAYEE.0)));
    world.send("collect(address)", &[payee]).result.expect("collects");
    assert_eq!(world.balance(PAYEE), 4 * FEE + BOND);

    // The proven state is the one that the operator has.
    assert!(world.is_proven(0, 410) && !world.is_proven(0, 411));
    assert!(world.is_proven(1, 2_090) && !world.is_proven(1, 2_089));

    // Another proof on top, in one transaction; then silence, and everybody leaves.
    world.commit(|open, state, rollup| {
        let transfer = signed(1, 1, transfer_to(0, address), &bob, owner, rollup);
        open.apply(state, rollup, &transfer).expect("a transfer");
    });
    world.settle(false);
    world.waiting.clear();
    assert!(world.is_proven(1, 2_090 - 15) && world.is_proven(0, 410 + 15));
    world.deposit(bobs, 5);
    assert!(world.send("freeze()", &[]).result.is_err());
    world.rollup.chain.wait(FREEZE_WINDOW + 1);
    world.send("freeze()", &[]).result.expect("freezes");
    let escape = "escape(uint32,uint64[5],address,uint32,uint64,uint64,bytes32[32])";
    for (index, key, owner, balance) in [(0, &alice, me, 425), (1, &bob, owner, 2_075)] {
        let mut first = key.public_key().to_elements().map(|limb| word(limb.as_int())).to_vec();
        first.push(self::account(Account::from(owner.0)));
        let before = world.balance(owner);
        assert!(world.account(escape, index, &first, balance + 1).result.is_err());
        let outcome = world.account(escape, index, &first, balance);
        outcome.result.expect("escapes");
        assert_eq!(world.balance(owner), before + u128::from(balance) * GWEI);
        assert_eq!(world.account(escape, index, &first, balance).error(), already);
    }
    // What is left is what was never consumed, and the bonds that nobody has collected: the committer's, and the last proof's.
    let rollup = L1Address(world.rollup.address.into_array());
    assert_eq!(world.balance(rollup), 5 * GWEI + FEE + 2 * BOND);
}

fn transfer_to(to: u32, address: Address) -> Operation {
    Operation::Transfer { to, address, amount: 5 }
}
