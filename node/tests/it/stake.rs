//! Validators on a real L1: seeds from its own blocks, evidence that it checks, the commands.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use jsonrpsee::core::client::ClientT;
use jsonrpsee::core::params::ArrayParams;
use jsonrpsee_http_client::{HttpClient, HttpClientBuilder};
use serde_json::{Value, json};
use starling_node::l1::anvil::{Anvil, CHAIN_ID};
use starling_node::l1::deploy::{Deployment, Parameters, deploy};
use starling_node::l1::ethers::EthersL1;
use starling_node::l1::rollup::{Event, Rollup};
use starling_node::l1::staking::Staking;
use starling_node::l1::{Block, L1, L1Error};
use starling_node::mempool::{Limits, Mempool};
use starling_node::operator::journal::Journal;
use starling_node::operator::neglect::{self, Judgement, Neglect};
use starling_node::operator::prover::Policy;
use starling_node::operator::seeds;
use starling_node::operator::sequencer::{Sealing, Sequencer};
use starling_node::operator::settler::{Duties, Settler, Status, shared};
use starling_node::store::{self, Backend};
use starling_rollup::address::{Address, L1Address};
use starling_rollup::block_header::{BlockEnd, BlockHeader, headers};
use starling_rollup::chain::GENESIS;
use starling_rollup::data::BatchData;
use starling_rollup::keyfile::{Cost, KeyFile};
use starling_rollup::l1_key::L1Key;
use starling_rollup::schedule::{Clock, seed};
use starling_rollup::transaction::RollupId;
use tokio::sync::watch;

use crate::l1::{anvil, sender};

const ETHER: u128 = 1_000_000_000_000_000_000;
const COLD: L1Address = L1Address([0xc0; 20]);
const PASSWORD: &str = "only a test";

/// A rollup with one validator.
struct Ground {
    chain: Anvil,
    rpc: HttpClient,
    operator: EthersL1,
    reporter: EthersL1,
    deployment: Deployment,
    clock: Clock,
}

impl Ground {
    async fn new() -> Self {
        let chain = anvil();
        let (operator, reporter) = (sender(&chain, 0).await, sender(&chain, 1).await);
        let deployment = deploy(&reporter, &Parameters::patient()).await.unwrap();
        let clock = Staking::new(&operator, deployment.staking)
            .constants()
            .await
            .unwrap()
            .clock;
        let rpc = HttpClientBuilder::default().build(chain.url()).unwrap();
        Self {
            chain,
            rpc,
            operator,
            reporter,
            deployment,
            clock,
        }
    }

    async fn registered() -> Self {
        let ground = Self::new().await;
        let staking = Staking::new(&ground.operator, ground.deployment.staking);
        staking.register(COLD, 7, [1; 32], 20 * ETHER).await.unwrap();
        ground
    }

    fn staking(&self) -> Staking<'_> {
        Staking::new(&self.reporter, self.deployment.staking)
    }

    fn rollup(&self) -> Rollup<'_> {
        Rollup::new(&self.operator, self.deployment.rollup)
    }

    fn id(&self) -> RollupId {
        RollupId {
            chain_id: CHAIN_ID,
            contract: self.deployment.rollup,
        }
    }

    fn key(&self, number: usize) -> L1Key {
        self.chain.key(number).unwrap()
    }

    async fn ask(&self, method: &str, params: &[Value]) -> Value {
        let mut list = ArrayParams::new();
        params.iter().for_each(|param| list.insert(param).unwrap());
        self.rpc.request(method, list).await.unwrap()
    }

    /// The next block's time; without anything else in it.
    async fn mine_at(&self, time: u64) -> Block {
        self.ask("evm_setNextBlockTimestamp", &[json!(time)]).await;
        self.ask("evm_mine", &[]).await;
        self.operator.head().await.unwrap()
    }

    async fn prevrandao(&self, block: u64) -> [u8; 32] {
        let number = json!(format!("0x{block:x}"));
        let block = self.ask("eth_getBlockByNumber", &[number, json!(false)]).await;
        let random = starling_node::l1::abi::from_hex(block["mixHash"].as_str().unwrap()).unwrap();
        random.try_into().unwrap()
    }

    async fn stake(&self) -> (u128, bool) {
        let found = self.staking().validator(self.operator.sender()).await.unwrap().unwrap();
        (found.stake, found.ejected)
    }
}

fn reverted(result: Result<impl Sized, L1Error>, name: &str) {
    match result {
        Err(L1Error::Reverted { error, .. }) => assert!(error.starts_with(name), "{error}"),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("accepted, {name} was expected"),
    }
}

// SEEDS
// ================================================================================================================

/// The contract takes the header of the first block of an epoch from L1's own history, and no other.
#[tokio::test(flavor = "multi_thread")]
async fn seeds_come_from_l1s_own_blocks() {
    let ground = Ground::new().await;
    let staking = ground.staking();
    let start = ground.clock.epoch_start(5);
    ground.mine_at(start - 3).await;
    let before = ground.mine_at(start - 1).await;
    let first = ground.mine_at(start + 1).await;
    let head = ground.mine_at(start + 2).await;
    assert_eq!(staking.seed(6).await.unwrap(), None);

    // One block too early, one too late.
    let header = async |number: u64| ground.operator.header(number).await.unwrap().unwrap();
    for number in [before.number, head.number] {
        let wrong = staking.bring_seed(6, header(number - 1).await, header(number).await);
        reverted(wrong.await, "Schedule__NotTheFirstBlock");
    }
    // A header that is no block's, one that is not the block's parent, the other epochs.
    let mut forged = header(first.number).await;
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let wrong = staking.bring_seed(6, header(before.number).await, forged);
    reverted(wrong.await, "L1Header__NotInHistory");
    let wrong = staking.bring_seed(6, header(before.number - 1).await, header(first.number).await);
    reverted(wrong.await, "Schedule__NotTheFirstBlock");
    for epoch in [5, 7] {
        let wrong = staking.bring_seed(epoch, header(before.number).await, header(first.number).await);
        reverted(wrong.await, "Schedule__NotNow");
    }

    assert!(
        seeds::bring(&ground.reporter, &staking, &ground.clock, &head)
            .await
            .unwrap()
    );
    let expected = seed(&ground.prevrandao(first.number).await, 6);
    assert_eq!(staking.seed(6).await.unwrap(), Some(expected));
    let head = ground.operator.head().await.unwrap();
    assert!(
        !seeds::bring(&ground.reporter, &staking, &ground.clock, &head)
            .await
            .unwrap()
    );
    let again = staking.bring_seed(6, header(before.number).await, header(first.number).await);
    reverted(again.await, "Schedule__NotNow");
    // Nobody brings the next one: it follows from this one.
    ground.mine_at(ground.clock.epoch_start(7)).await;
    assert_eq!(staking.seed(7).await.unwrap(), Some(seed(&expected, 7)));
}

// EVIDENCE
// ================================================================================================================

#[tokio::test(flavor = "multi_thread")]
async fn two_signatures_for_one_place_cost_half_the_stake() {
    let ground = Ground::registered().await;
    let (staking, id) = (ground.staking(), ground.id());
    let header = BlockHeader {
        slot: 3,
        batch: 1,
        index: 2,
        parent: [1; 32],
        operations: [2; 32],
        state: [3; 32],
    };
    let other = BlockHeader {
        state: [4; 32],
        ..header
    };
    let sign = |header: BlockHeader, key: usize| header.sign(&id, &ground.key(key)).unwrap();
    let one = sign(header, 0);
    assert_eq!(one.signer(&id).unwrap(), ground.operator.sender());
    reverted(staking.report_equivocation(&one, &one).await, "Staking__NoEquivocation");
    let strangers = [sign(header, 5), sign(other, 5)];
    reverted(
        staking.report_equivocation(&strangers[0], &strangers[1]).await,
        "Staking__NotGuilty",
    );
    let next = sign(BlockHeader { index: 3, ..other }, 0);
    reverted(
        staking.report_equivocation(&one, &next).await,
        "Staking__NoEquivocation",
    );
    let elsewhere = RollupId {
        chain_id: CHAIN_ID + 1,
        ..id
    };
    let foreign = other.sign(&elsewhere, &ground.key(0)).unwrap();
    reverted(
        staking.report_equivocation(&one, &foreign).await,
        "Staking__NoEquivocation",
    );

    staking.report_equivocation(&one, &sign(other, 0)).await.unwrap();
    assert_eq!(ground.stake().await, (10 * ETHER, true));
    assert_eq!(staking.owed(ground.reporter.sender()).await.unwrap(), ETHER);
    assert!(
        !staking
            .may_commit(ground.operator.sender(), u64::from(u32::MAX))
            .await
            .unwrap()
    );
    let again = staking.report_equivocation(&one, &sign(other, 0)).await;
    reverted(again, "Staking__NotGuilty");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_differs_from_what_was_signed_costs_half_the_stake() {
    let ground = Ground::registered().await;
    let (staking, id) = (ground.staking(), ground.id());
    let now = ground.operator.head().await.unwrap().timestamp;
    let slot = ground.clock.slot_at(now) + 2;
    let words = [7, 0, 0, 2, 1, 3, 1];
    let ends = [(5, [1; 32]), (7, [2; 32])];
    let blocks = ends.map(|(end, state)| BlockEnd { end, state });
    let bond = ground.rollup().constants().await.unwrap().bond;
    let time = ground.clock.slot_start(slot);
    ground.ask("evm_setNextBlockTimestamp", &[json!(time)]).await;
    ground
        .rollup()
        .commit(&GENESIS, slot, &blocks, &words, bond)
        .await
        .unwrap();
    let committed = headers([0; 32], slot, 1, &words, &blocks).unwrap();
    let batch = ground.rollup().batch(1).await.unwrap();
    assert_eq!((batch.head, batch.committed_at), (committed[1].hash(), time));

    let sign = |header: BlockHeader| header.sign(&id, &ground.key(0)).unwrap();
    // What it did sign is no offence, nor what it signed for another slot.
    for index in 0..2 {
        let own = staking
            .report_contradiction(&sign(committed[index]), &committed[index..])
            .await;
        reverted(own, "Staking__NoContradiction");
    }
    let other = BlockHeader {
        state: [9; 32],
        ..committed[0]
    };
    let another_slot = sign(BlockHeader {
        slot: slot - 1,
        ..other
    });
    let none = staking.report_contradiction(&another_slot, &committed).await;
    reverted(none, "Staking__NoContradiction");
    // Headers that are not the commit's.
    let none = staking.report_contradiction(&sign(other), &[other, committed[1]]).await;
    reverted(none, "Staking__NoContradiction");
    let none = staking.report_contradiction(&sign(other), &committed[..1]).await;
    reverted(none, "Staking__NoContradiction");

    // A block that was promised, and is not in the commit.
    let beyond = BlockHeader {
        index: 2,
        ..committed[1]
    };
    let snapshot = ground.ask("evm_snapshot", &[]).await;
    staking
        .report_contradiction(&sign(beyond), &committed[1..])
        .await
        .unwrap();
    assert_eq!(ground.stake().await, (10 * ETHER, true));
    ground.ask("evm_revert", &[snapshot]).await;
    assert_eq!(ground.stake().await, (20 * ETHER, false));
    staking.report_contradiction(&sign(other), &committed).await.unwrap();
    assert_eq!(ground.stake().await, (10 * ETHER, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_looks_away_from_the_queue_pays() {
    let ground = Ground::registered().await;
    let staking = ground.staking();
    let fee = ground.rollup().constants().await.unwrap().queue_fee;
    let address = Address::from_word(Default::default());
    ground.rollup().deposit(&address, 5, fee).await.unwrap();
    let due = ground.operator.head().await.unwrap().timestamp + Parameters::patient().queue_window;
    // The stake counts from epoch 3 on.
    let slot = (ground.clock.slot_at(due) + 2).max(3 * ground.clock.slots + 1);
    let start = ground.clock.slot_start(slot);
    // The slot before: the entry became due in it.
    let earlier = [start - 2, start - 1];
    let mut blocks = Vec::new();
    for time in [earlier[0], earlier[1], start, start + 1] {
        blocks.push(ground.mine_at(time).await.number);
    }
    let header = async |number: u64| ground.operator.header(number).await.unwrap().unwrap();
    let (early, late) = (header(blocks[2]).await, header(blocks[3]).await);
    reverted(
        staking.report_neglect(slot, 1, early.clone(), late.clone()).await,
        "Staking__NotReportable",
    );
    ground.mine_at(ground.clock.slot_start(slot + 1)).await;
    // Blocks of another slot, one block twice.
    let outside = staking.report_neglect(slot, 1, header(blocks[1]).await, late.clone());
    reverted(outside.await, "Staking__NoNeglect(6)");
    let one = staking.report_neglect(slot, 1, early.clone(), early.clone());
    reverted(one.await, "Staking__NoNeglect(6)");
    staking
        .report_neglect(slot, 1, early.clone(), late.clone())
        .await
        .unwrap();
    assert_eq!(ground.stake().await, (20 * ETHER - ETHER / 10, false));
    assert_eq!(staking.owed(ground.reporter.sender()).await.unwrap(), ETHER / 100);
    reverted(
        staking.report_neglect(slot, 1, early, late).await,
        "Staking__NotReportable",
    );
}

/// L1 drops the block that a seed came from and the transaction that brought it: the seed is another now, and is brought again.
#[tokio::test(flavor = "multi_thread")]
async fn a_seed_that_l1_takes_back_is_brought_again() {
    let ground = Ground::registered().await;
    let staking = ground.staking();
    let folder = tempfile::tempdir().unwrap();
    let mut keeper = keeper(&ground, 2, folder.path()).await;
    let start = ground.clock.epoch_start(3);
    let before = ground.mine_at(start - 2).await.number;
    let mut brought = async |time: u64| {
        let first = ground.mine_at(time).await.number;
        ground.mine_at(time + 1).await;
        for _ in 0..400 {
            keeper.step().await.unwrap();
            if let Some(found) = staking.seed(4).await.unwrap() {
                assert_eq!(found, seed(&ground.prevrandao(first).await, 4));
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no seed is brought");
    };
    let one = brought(start + 1).await;
    let depth = ground.operator.head().await.unwrap().number - before;
    ground.ask("anvil_rollback", &[json!(depth)]).await;
    assert_eq!(staking.seed(4).await.unwrap(), None);
    // Anvil gives the block behind the same one the same prevrandao again.
    ground.mine_at(start - 1).await;
    let other = brought(start + 2).await;
    assert_ne!(one, other);
}

/// A settler that keeps order, and neither builds nor proves.
async fn keeper(ground: &Ground, key: usize, folder: &Path) -> Settler {
    let l1 = Arc::new(sender(&ground.chain, key).await);
    let store = store::open(folder, Backend::Redb, &store::Options::default()).unwrap();
    let journal = Journal::open(Arc::from(store), ground.id()).unwrap();
    let fees = Address::from_word(Default::default());
    let pool = Mempool::new(Limits::default());
    let sealing = Sealing {
        operations: 64,
        age: Duration::from_secs(1),
    };
    let sequencer = Sequencer::recover(journal.clone(), sealing, fees, pool).unwrap();
    let (status, _) = watch::channel(Status::default());
    let block = ground.deployment.block;
    let made = Settler::new(l1, ground.id(), block, 0, journal, shared(sequencer), status);
    let mut settler = made.await.unwrap();
    let duties = Duties {
        keeps_order: true,
        ..Duties::default()
    };
    let policy = Policy {
        enabled: false,
        ..Policy::default()
    };
    settler.take_on(duties, policy);
    settler
}

/// Looks at L1 until the validator's stake is what it should be, or nothing can change any more.
async fn steps(ground: &Ground, settler: &mut Settler, stake: u128) {
    for _ in 0..400 {
        settler.step().await.unwrap();
        if ground.stake().await.0 == stake {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the stake is {}, not {stake}", ground.stake().await.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_show_a_leader_that_looks_away_from_the_queue() {
    let ground = Ground::registered().await;
    let (staking, rollup) = (ground.staking(), ground.rollup());
    let constants = rollup.constants().await.unwrap();
    let window = constants.queue_window;
    let judged = async |slot| {
        let progress = rollup.progress().await.unwrap();
        let judged = neglect::judge(&rollup, &staking, &ground.clock, window, &progress, slot);
        judged.await.unwrap()
    };
    let address = Address::from_word(Default::default());
    rollup.deposit(&address, 5, constants.queue_fee).await.unwrap();
    let due = ground.operator.head().await.unwrap().timestamp + window;
    let slot = (ground.clock.slot_at(due) + 2).max(3 * ground.clock.slots + 1);
    let start = ground.clock.slot_start(slot);
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    // The guilty one keeps order, too: it does not show itself.
    let mut own = keeper(&ground, 0, folders[0].path()).await;
    let mut other = keeper(&ground, 2, folders[1].path()).await;
    // Two blocks in the slot, none in the one before it: who has no block has no chance.
    for time in [start, start + 1] {
        ground.mine_at(time).await;
    }
    ground.mine_at(ground.clock.slot_start(slot + 1)).await;
    // The entry was not due when the slot at its deadline began; before the stake counted, nobody led.
    assert_eq!(judged(ground.clock.slot_at(due)).await, Judgement::Served);
    let guilty = Neglect {
        slot,
        leader: ground.operator.sender(),
        batch: 1,
    };
    assert_eq!(judged(slot).await, Judgement::Neglected(guilty));
    for _ in 0..20 {
        own.step().await.unwrap();
    }
    assert_eq!(ground.stake().await, (20 * ETHER, false));
    steps(&ground, &mut other, 20 * ETHER - ETHER / 10).await;
    // Once: what is shown is shown.
    for _ in 0..20 {
        other.step().await.unwrap();
    }
    assert_eq!(ground.stake().await, (20 * ETHER - ETHER / 10, false));

    // A leader that commits serves the queue, whatever comes after; and in the slots behind its batch nobody knows whether there was
    // anything to build on before that is proven.
    let head = ground.operator.head().await.unwrap();
    let events = rollup.events(ground.deployment.block, head.number).await.unwrap();
    let queued = events.into_iter().find_map(|(_, event)| match event {
        Event::Enqueued { entry, .. } => Some(entry),
        _ => None,
    });
    let data = BatchData {
        fee_account: 0,
        entries: vec![(queued.unwrap(), 5)],
        records: Vec::new(),
    };
    let words = data.to_words();
    let blocks = [BlockEnd {
        end: words.len() as u16,
        state: [1; 32],
    }];
    let served = ground.clock.slot_at(head.timestamp) + 2;
    let time = ground.clock.slot_start(served);
    ground.ask("evm_setNextBlockTimestamp", &[json!(time)]).await;
    rollup
        .commit(&GENESIS, served, &blocks, &words, constants.bond)
        .await
        .unwrap();
    rollup.deposit(&address, 5, constants.queue_fee).await.unwrap();
    let due = ground.operator.head().await.unwrap().timestamp + window;
    let behind = ground.clock.slot_at(due) + 2;
    ground.mine_at(ground.clock.slot_start(behind + 1)).await;
    assert_eq!(judged(served).await, Judgement::Served);
    assert_eq!(judged(behind).await, Judgement::Open);
    // What it did before stays.
    assert_eq!(judged(slot).await, Judgement::Neglected(guilty));
}

// COMMANDS
// ================================================================================================================

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_comes_and_goes() {
    let ground = Ground::new().await;
    let folder = tempfile::tempdir().unwrap();
    let key = ground.key(0);
    KeyFile::seal_l1(&key, PASSWORD, Cost::MINIMUM)
        .unwrap()
        .create(&folder.path().join("l1.json"))
        .unwrap();
    let place = [
        "--l1",
        ground.chain.url(),
        "--rollup",
        &ground.deployment.rollup.to_string(),
    ]
    .map(str::to_owned);
    let run = |command: &str, more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_starling"))
            .args(["stake", command])
            .args(&place)
            .args(more)
            .current_dir(folder.path())
            .env("STARLING_PASSWORD", PASSWORD)
            .output()
            .unwrap();
        let value = serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default();
        (
            output.status.code().unwrap(),
            value,
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (me, cold) = (key.address().to_string(), COLD.to_string());
    let peer = format!("0x{}", "ab".repeat(32));
    let register = |amount: &'static str| {
        let own = [
            "--l1-key",
            "l1.json",
            "--beneficiary",
            &cold,
            "--fee-account",
            "3",
            "--peer-key",
            &peer,
        ];
        run("register", &[&own[..], &["--amount", amount, "--json"]].concat())
    };
    let own = ["--l1-key", "l1.json", "--json"];
    let status = || run("status", &["--operator", &me, "--json"]).1;

    let (code, _, said) = register("9999999999");
    assert!(code == 1 && said.contains("10000000000 gwei at least"), "{said}");
    let (code, _, said) = run("exit", &own);
    assert!(code == 1 && said.contains("Staking__Unknown"), "{said}");
    let (code, value, said) = register("10000000000");
    assert!(
        code == 0 && value["validator"]["state"] == "in office",
        "{value} {said}"
    );
    assert_eq!(status()["validator"]["stake_gwei"], "10000000000");
    assert_eq!(register("10000000000").0, 1);
    let (code, value, _) = run("top-up", &[&own[..], &["--amount", "5"]].concat());
    assert!(code == 1 && value.is_null(), "units are whole");
    let (_, value, _) = run("top-up", &[&own[..], &["--amount", "5000"]].concat());
    assert_eq!(value["validator"]["stake_gwei"], "10000005000");

    // In office: it leads every slot that is left of the epoch whose seed is known.
    let two = ground.clock.epoch_start(4) - 2 * ground.clock.slot;
    ground.mine_at(two).await;
    let shown = status();
    let leads = shown["leads"].as_array().unwrap().len();
    assert_eq!((&shown["epoch"], leads), (&json!(3), 2));

    let (code, value, _) = run("exit", &own);
    assert!(code == 0 && value["validator"]["state"] == "leaving", "{value}");
    let free = value["validator"]["free_at"].as_u64().unwrap();
    let (code, _, said) = run("withdraw", &own);
    assert!(code == 1 && said.contains("Staking__Locked"), "{said}");
    ground.mine_at(free).await;
    assert_eq!(run("withdraw", &own).0, 0);
    assert_eq!(
        ground.operator.balance(COLD).await.unwrap(),
        10 * ETHER + 5_000_000_000_000
    );
    assert_eq!(status()["validator"]["state"], "no validator");

    // What happens meanwhile.
    let (code, value, _) = run("watch", &["--lines", "1", "--json"]);
    assert!(
        code == 0 && value["slot"].is_u64() && value["leader"].is_null(),
        "{value}"
    );
}
