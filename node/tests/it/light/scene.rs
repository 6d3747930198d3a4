//! A rollup on a real L1 with proven batches, a committed one, and a soft block; and all that a full node would serve of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use starling_node::answers::account::{AccountProof, Origin, StateView, account_body};
use starling_node::answers::operation::operation_body;
use starling_node::answers::proof::{Point, proof_body};
use starling_node::l1::L1;
use starling_node::l1::anvil::CHAIN_ID;
use starling_node::l1::ethers::{EthersL1, Settings};
use starling_node::l1::rollup::Rollup;
use starling_node::l1::staking::Staking;
use starling_node::operator::journal::Journal;
use starling_node::rebuild;
use starling_node::store::{self, Backend};
use starling_p2p::Genesis;
use starling_p2p::request::{Request, StateAt};
use starling_rollup::account::Account;
use starling_rollup::batch::OpenBatch;
use starling_rollup::block_header::{BlockEnd, BlockHeader, headers};
use starling_rollup::chain::word_bytes;
use starling_rollup::data::BatchData;
use starling_rollup::envelope::TransactionId;
use starling_rollup::kernel;
use starling_rollup::schedule::Clock;
use starling_rollup::state::State;
use starling_rollup::transaction::{Operation, RollupId, SignedTransaction, Transaction};
use starling_vm::field::Word;

use crate::world::World;

/// What a liar has.
pub(crate) const RICH: u64 = 1_234_567_890_123;

/// What a full node has.
pub(crate) struct Bodies {
    proven: (u64, State),
    committed: (BlockHeader, State),
    soft: (starling_rollup::block_header::SignedHeader, State),
    data: BTreeMap<u64, BatchData>,
    /// By first and last batch.
    proofs: BTreeMap<(u64, u64), Vec<u8>>,
}

impl Bodies {
    pub(crate) fn view(&self, at: StateAt) -> StateView<'_> {
        let (origin, state) = match at {
            StateAt::Proven => (Origin::Proven { batch: self.proven.0 }, &self.proven.1),
            StateAt::Committed => (Origin::Committed(self.committed.0), &self.committed.1),
            StateAt::Soft => (Origin::Soft(self.soft.0), &self.soft.1),
        };
        StateView { state, origin }
    }

    /// The honest answer.
    pub(crate) fn body(&self, request: &Request) -> Option<Vec<u8>> {
        match request {
            Request::Account { index, at } => account_body(&self.view(*at), *index),
            Request::Operation { batch, position } => operation_body(self.data.get(batch)?, *position),
            Request::Proof { first, last } => self.proofs.get(&(*first, *last)).cloned(),
            Request::Batch { .. } | Request::BlocksByRange { .. } => None,
        }
    }
}

pub(crate) struct Scene {
    pub(crate) world: World,
    /// The last proven batch; the next one is committed.
    pub(crate) proven: u64,
    /// The batches with which proofs ended, in order; at least two.
    pub(crate) ends: Vec<u64>,
    /// States and chain digests after proven batches.
    pub(crate) states: BTreeMap<u64, State>,
    pub(crate) digests: BTreeMap<u64, Word>,
    /// A transaction that no batch has.
    pub(crate) transfer: SignedTransaction,
    bodies: Arc<Bodies>,
}

/// L1 as the account with this number sees it.
async fn sender(world: &World, key: usize) -> EthersL1 {
    let settings = Settings {
        poll: Duration::from_millis(20),
        ..Settings::default()
    };
    let key = world.chain.key(key).unwrap();
    EthersL1::connect(world.chain.url(), Some(CHAIN_ID), Some(key), settings)
        .await
        .unwrap()
}

impl Scene {
    pub(crate) async fn l1_with(&self, key: usize) -> EthersL1 {
        sender(&self.world, key).await
    }

    pub(crate) async fn new() -> Self {
        let world = World::new("").await;
        let id = RollupId {
            chain_id: CHAIN_ID,
            contract: world.deployment.rollup,
        };
        let operator = world.operator();
        world.ready(&operator).await;
        world
            .until("the deposits are proven", async || {
                let progress = world.progress().await;
                progress.proven == progress.committed && progress.proven > 0
            })
            .await;
        let mut ids = Vec::new();
        for amount in 1..=3 {
            ids.push(world.transfer(&operator, 1, 2, amount).await.unwrap());
        }
        world.settled(&operator, &ids).await;
        world
            .until("everything is proven", async || {
                let progress = world.progress().await;
                let sealed = world.status(&operator).await.sealed;
                progress.proven == progress.committed && progress.proven == sealed
            })
            .await;
        drop(operator);

        // What a full node finds on L1.
        let mut data = BTreeMap::new();
        let rebuilt = rebuild::replay(&world.l1, &id, world.deployment.block, |batch, _, found| {
            data.insert(batch, found.clone());
        })
        .await
        .unwrap();
        let proven = rebuilt.batch;
        let contract = world.contract();
        let (mut state, mut states, mut digests) = (State::default(), BTreeMap::new(), BTreeMap::new());
        let mut ends = vec![];
        for batch in 0..=proven {
            if let Some(data) = data.get(&batch) {
                state.replay(data).unwrap();
            }
            states.insert(batch, state.clone());
            digests.insert(batch, contract.batch(batch).await.unwrap().digest);
            if contract.root(batch).await.unwrap().is_some() {
                ends.push(batch);
            }
        }
        let genesis = Point::genesis();
        assert_eq!((states[&0].root(), digests[&0]), (genesis.root, genesis.digest));
        assert!(ends.len() >= 3, "two proofs and the genesis: {ends:?}");
        let proofs = {
            let folder = world.folder.path().join("data");
            let store = store::open(&folder, Backend::Redb, &store::Options::default()).unwrap();
            let journal = Journal::open(Arc::from(store), id).unwrap();
            let proofs = journal.proofs(0, usize::MAX).unwrap().into_iter();
            let of = |number: u64| (states[&number].root(), digests[&number]);
            let body = |proof: starling_node::operator::journal::StoredProof| {
                let (root, digest) = of(proof.first - 1);
                let run = (proof.first, proof.last);
                (run, proof_body(&proof, root, digest, digests[&proof.last]))
            };
            proofs.map(body).collect::<BTreeMap<_, _>>()
        };
        assert!(ends.windows(2).all(|run| proofs.contains_key(&(run[0] + 1, run[1]))));

        // A batch that is committed and not proven, and a block behind it.
        let key = world.chain.key(0).unwrap();
        let l1 = sender(&world, 0).await;
        let rollup = Rollup::new(&l1, id.contract);
        let staking = Staking::new(&l1, rollup.constants().await.unwrap().staking);
        let clock = staking.constants().await.unwrap().clock;
        let transfer = |state: &State, amount: u64| {
            let nonce = state.account(1).unwrap().nonce;
            let operation = Operation::Transfer {
                to: 2,
                address: state.account(2).unwrap().address,
                amount,
            };
            let transaction = Transaction {
                from: 1,
                nonce,
                fee: 1,
                operation,
            };
            // The account at index 1 is that of the user with the address there.
            let owner = (0..3).find(|user| world.address(*user) == state.account(1).unwrap().address);
            transaction.sign(&id.word(), &world.keys[owner.unwrap()], world.owner)
        };
        let before = contract.batch(proven).await.unwrap();
        let mut committed = states[&proven].clone();
        let words = fill(&mut committed, &id, transfer(&states[&proven], 10));
        data.insert(proven + 1, BatchData::from_words(&words).unwrap());
        let blocks = [BlockEnd {
            end: words.len() as u16,
            state: word_bytes(&committed.root()),
        }];
        let bond = rollup.constants().await.unwrap().bond;
        let mut slot = 0;
        world
            .until("it is our turn", async || {
                slot = clock.slot_at(l1.head().await.unwrap().timestamp);
                let parent = before.digest;
                rollup.commit(&parent, slot, &blocks, &words, bond).await.is_ok()
            })
            .await;
        let header = headers(before.head, slot, proven + 1, &words, &blocks).unwrap()[0];
        assert_eq!(contract.batch(proven + 1).await.unwrap().head, header.hash());

        let mut soft = committed.clone();
        fill(&mut soft, &id, transfer(&committed, 20));
        let signed = BlockHeader {
            slot: slot_now(&l1, &clock).await,
            batch: proven + 2,
            index: 0,
            parent: header.hash(),
            operations: [3; 32],
            state: word_bytes(&soft.root()),
        }
        .sign(&id, &key)
        .unwrap();
        let next = transfer(&soft, 30);
        let bodies = Bodies {
            proven: (proven, states[&proven].clone()),
            committed: (header, committed),
            soft: (signed, soft),
            data,
            proofs,
        };
        Self {
            proven,
            ends,
            states,
            digests,
            transfer: next,
            bodies: Arc::new(bodies),
            world,
        }
    }

    pub(crate) fn l1(&self) -> &str {
        self.world.chain.url()
    }

    pub(crate) fn id(&self) -> RollupId {
        RollupId {
            chain_id: CHAIN_ID,
            contract: self.world.deployment.rollup,
        }
    }

    pub(crate) fn genesis(&self) -> Genesis {
        Genesis {
            rollup: self.id(),
            kernel: word_bytes(&kernel::program().hash()),
        }
    }

    pub(crate) fn bodies(&self) -> Arc<Bodies> {
        self.bodies.clone()
    }

    pub(crate) fn body(&self, request: &Request) -> Option<Vec<u8>> {
        self.bodies.body(request)
    }

    pub(crate) fn view(&self, at: StateAt) -> StateView<'_> {
        self.bodies.view(at)
    }

    pub(crate) fn balance(&self, at: StateAt, index: u32) -> u64 {
        self.view(at).state.account(index).unwrap().balance
    }

    pub(crate) fn transfer_id(&self) -> String {
        TransactionId::new(&self.transfer.transaction, &self.id().word()).to_string()
    }

    /// A state in which somebody is rich.
    pub(crate) fn enriched(&self, at: StateAt, index: usize) -> State {
        let mut accounts: Vec<Account> = self.view(at).state.accounts().to_vec();
        accounts[index].balance = RICH;
        State::from_accounts(accounts)
    }
}

async fn slot_now(l1: &EthersL1, clock: &Clock) -> u64 {
    clock.slot_at(l1.head().await.unwrap().timestamp)
}

/// The path of an account in one state, passed off as another's.
pub(crate) fn forged(state: &State, origin: Origin, index: u32) -> Vec<u8> {
    let view = StateView {
        state,
        origin: Origin::Proven { batch: 0 },
    };
    let body = account_body(&view, index).unwrap();
    let mut proof = AccountProof::from_bytes(index, StateAt::Proven, &body).unwrap();
    proof.origin = origin;
    proof.to_bytes()
}

/// A batch with one transaction; its words.
fn fill(state: &mut State, id: &RollupId, signed: SignedTransaction) -> Vec<u64> {
    let mut open = OpenBatch::new(state, 0);
    open.apply(state, &id.word(), &signed).unwrap();
    open.seal(state).unwrap().data().to_words()
}
