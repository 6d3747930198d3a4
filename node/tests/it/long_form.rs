//! A committer that writes a transfer in more words than it needs, and proves the batch itself: the kernel and L1 take it, and what
//! everybody else says of the batch must lead to what L1 holds.

use std::process::Command;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use starling_air::check::Statement;
use starling_air::prover::prove;
use starling_air::settlement::{PRESET, sections};
use starling_air::wire::Sections;
use starling_node::escape;
use starling_node::l1::L1;
use starling_node::l1::anvil::CHAIN_ID;
use starling_node::l1::deploy::Parameters;
use starling_node::l1::ethers::EthersL1;
use starling_node::l1::rollup::{GWEI, Rollup, Verifier};
use starling_node::light;
use starling_node::rebuild::rebuild;
use starling_node::rpc::Stage;
use starling_rollup::address::L1Address;
use starling_rollup::batch::{Batch, OpenBatch};
use starling_rollup::block_header::BlockEnd;
use starling_rollup::chain;
use starling_rollup::data::BLOCK;
use starling_rollup::entry::{Entry, Kind};
use starling_rollup::envelope::TransactionId;
use starling_rollup::kernel;
use starling_rollup::kernel::witness::{Start, Witness, witness};
use starling_rollup::keyfile::{Cost, KeyFile};
use starling_rollup::record::{Body, Record};
use starling_rollup::state::State;
use starling_rollup::transaction::{Operation, RollupId, SignedTransaction, Transaction};
use starling_vm::field::{Felt, Word};

use crate::cluster::{Cluster, DEPOSIT, USERS, settings};
use crate::l1::tell;
use crate::sync::{agree, forgetful};
use crate::world::PASSWORD;

/// The withdrawals of batch 2, in gwei: to somebody whom the wallet's `claim` pays, and to the owner, who leaves with `escape`.
const CLAIMED: u64 = 1_234_000;
const ESCAPED: u64 = 567_000;
const RECIPIENT: L1Address = L1Address([0x99; 20]);

/// Who commits, with operator 0's key: the batches and their words.
struct Committer<'a> {
    cluster: &'a Cluster,
    l1: EthersL1,
    batches: Vec<Batch>,
    words: Vec<Vec<u64>>,
}

impl<'a> Committer<'a> {
    async fn new(cluster: &'a Cluster) -> Self {
        let key = cluster.chain.key(0).unwrap();
        let l1 = EthersL1::connect(cluster.chain.url(), Some(CHAIN_ID), Some(key), settings());
        Self {
            cluster,
            l1: l1.await.unwrap(),
            batches: Vec::new(),
            words: Vec::new(),
        }
    }

    fn contract(&self) -> Rollup<'_> {
        Rollup::new(&self.l1, self.cluster.deployment.rollup)
    }

    /// Adds a batch in these words, and commits it.
    async fn add(&mut self, batch: Batch, words: Vec<u64>) {
        self.batches.push(batch);
        self.words.push(words);
        self.commit().await;
    }

    /// Commits the last batch, again if L1 has lost it.
    async fn commit(&self) {
        let (Some(words), number) = (self.words.last(), self.words.len() as u64) else {
            panic!("there is a batch");
        };
        let parent = self.contract().batch(number - 1).await.unwrap().digest;
        let end = BlockEnd {
            end: words.len() as u16,
            state: [3; 32],
        };
        let bond = self.contract().constants().await.unwrap().bond;
        let contract = self.contract();
        contract.commit(&parent, 0, &[end], words, bond).await.unwrap();
        let digest = chain::next(&parent, words, &self.cluster.rollup(), number);
        assert_eq!(contract.batch(number).await.unwrap().digest, digest);
    }

    /// Proves both batches.
    async fn prove(&self) -> Proof {
        let start = Start {
            rollup: self.cluster.rollup(),
            number: 1,
            digest: chain::GENESIS,
            payee: self.l1.sender(),
        };
        let mut witness = witness(&State::default(), &start, &self.batches).unwrap();
        spell_out(&mut witness, &start.rollup, &self.batches, &self.words);
        let root = witness.root;
        let statement = Statement {
            program: kernel::program().hash(),
            outputs: witness.outputs(),
            inputs: witness.inputs.public.clone(),
        };
        let inputs = witness.inputs;
        let proof = tokio::task::spawn_blocking(move || prove(kernel::program(), &inputs, PRESET).unwrap());
        let sections = sections(&statement, &proof.await.unwrap().bytes).unwrap();
        Proof {
            statement,
            sections,
            root,
        }
    }

    /// Shows L1 the proof.
    async fn settle(&self, proof: &Proof) {
        let contract = self.contract();
        let verifier = contract.constants().await.unwrap().verifier;
        let verifier = Verifier::new(&self.l1, verifier);
        verifier.submit(&proof.statement, &proof.sections).await.unwrap();
        contract.prove(2, &proof.root, self.l1.sender()).await.unwrap();
    }
}

/// A proof of the two batches, as L1 takes it.
struct Proof {
    statement: Statement,
    sections: Sections,
    root: Word,
}

/// What the kernel is told of a batch's words: how many, the words in whole blocks, and where they are evaluated.
fn told(words: &[u64], rollup: &RollupId, number: u64, digest: &Word) -> Vec<Felt> {
    let mut told = vec![words.len() as u64];
    told.extend(words);
    told.resize(1 + words.len().next_multiple_of(BLOCK), 0);
    let mut told: Vec<Felt> = told.into_iter().map(Felt::new).collect();
    told.extend(chain::points(words, rollup, number, digest));
    told
}

/// Puts the words that are committed in the place of those that an honest operator would have committed.
fn spell_out(witness: &mut Witness, rollup: &RollupId, batches: &[Batch], committed: &[Vec<u64>]) {
    let (mut honest_digest, mut digest) = (chain::GENESIS, chain::GENESIS);
    for (number, (batch, words)) in (1..).zip(batches.iter().zip(committed)) {
        let honest = batch.data().to_words();
        let old = told(&honest, rollup, number, &honest_digest);
        let advice = &mut witness.inputs.advice;
        let at = advice.windows(old.len()).position(|window| window == old).unwrap();
        advice.splice(at..at + old.len(), told(words, rollup, number, &digest));
        honest_digest = chain::next(&honest_digest, &honest, rollup, number);
        digest = chain::next(&digest, words, rollup, number);
    }
    assert_eq!(witness.digest, honest_digest);
    let from = witness.inputs.public.len() - digest.len();
    witness.inputs.public[from..].copy_from_slice(&digest);
    witness.digest = digest;
}

/// The batch that opens the users' accounts.
fn deposits(cluster: &Cluster, state: &mut State) -> Batch {
    let mut open = OpenBatch::new(state, 0);
    for user in 0..USERS {
        let entry = Entry {
            kind: Kind::DepositNew { amount: DEPOSIT },
            sender: cluster.l1.sender(),
            address: cluster.address(user),
        };
        open.enter(state, entry).unwrap();
    }
    open.seal(state).unwrap()
}

/// A transfer and two withdrawals.
fn payments(cluster: &Cluster, state: &mut State) -> Batch {
    let sign = |from: usize, operation| {
        let transaction = Transaction {
            from: from as u32,
            nonce: 0,
            fee: 1,
            operation,
        };
        transaction.sign(&cluster.rollup().word(), &cluster.keys[from], cluster.owner)
    };
    let withdraw = |recipient, amount| Operation::Withdraw { recipient, amount };
    let transfer = Operation::Transfer {
        to: 2,
        address: cluster.address(2),
        amount: 40,
    };
    let mut open = OpenBatch::new(state, 0);
    let signed: [SignedTransaction; 3] = [
        sign(1, transfer),
        sign(2, withdraw(RECIPIENT, CLAIMED)),
        sign(3, withdraw(cluster.owner, ESCAPED)),
    ];
    for signed in &signed {
        open.apply(state, &cluster.rollup().word(), signed).unwrap();
    }
    open.seal(state).unwrap()
}

/// The batch's words, each transfer in the long form.
fn long(batch: &Batch) -> Vec<u64> {
    let mut data = batch.data();
    for Record { body, .. } in &mut data.records {
        if let Body::Transfer { long, .. } = body {
            *long = true;
        }
    }
    let words = data.to_words();
    assert_eq!(words.len(), batch.data().to_words().len() + 2);
    words
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawals_of_a_batch_in_a_needless_form_are_paid() {
    let cluster = Cluster::new(1, &Parameters::patient()).await;
    let full = cluster.node("full", "full", None, &[]);
    let mut committer = Committer::new(&cluster).await;
    let mut state = State::default();
    let batch = deposits(&cluster, &mut state);
    let words = batch.data().to_words();
    committer.add(batch, words).await;
    let batch = payments(&cluster, &mut state);
    let withdrawal = TransactionId::new(&batch.transactions[1].transaction, &cluster.rollup().word());
    let words = long(&batch);
    let deposited = tell(&cluster.chain, "evm_snapshot", json!([])).await;
    committer.add(batch, words).await;
    let proof = committer.prove().await;
    let root = proof.root;
    assert_eq!(root, state.root());

    // While it is not proven, it is waited for, and then counts for nobody's word but the committer's.
    let said = "batch 2 of L1 yet (a transfer in it has a longer form than it needs";
    cluster
        .until("the node says why it waits", &[&full], async || {
            full.status().await.trouble.unwrap_or_default().contains(said)
        })
        .await;
    let unverified = async || {
        cluster
            .until("the node vouches for nothing in it", &[&full], async || {
                let status = full.status().await;
                let trouble = status.trouble.unwrap_or_default();
                (status.sealed, status.unverified) == (2, Some(2)) && trouble.contains("by its committer alone")
            })
            .await;
        assert_eq!(full.stage(&withdrawal.to_string()).await, Stage::Unverified);
    };
    unverified().await;
    committer.settle(&proof).await;
    agree(&cluster, &[&full]).await;
    assert_eq!(full.status().await.unverified, None);
    // L1 loses proof and commit: nobody commits the batch again who cannot prove it. Then the proof alone.
    tell(&cluster.chain, "evm_revert", json!([deposited])).await;
    cluster
        .until("the node has taken the batch back", &[&full], async || {
            let status = full.status().await;
            (status.sealed, status.trouble) == (1, None)
        })
        .await;
    committer.commit().await;
    unverified().await;
    let committed = tell(&cluster.chain, "evm_snapshot", json!([])).await;
    committer.settle(&proof).await;
    agree(&cluster, &[&full]).await;
    tell(&cluster.chain, "evm_revert", json!([committed])).await;
    unverified().await;
    committer.settle(&proof).await;
    agree(&cluster, &[&full]).await;

    // Who cannot have it from L1 has it from a peer, word for word.
    let head = cluster.l1.head().await.unwrap().number;
    let (l1, forgotten) = forgetful(&cluster, head);
    let through = [(cluster.chain.url(), l1.url())];
    let late = cluster.node_with("late", "full", None, &full.peers, &through);
    agree(&cluster, &[&full, &late]).await;
    assert!(forgotten.load(Ordering::Relaxed) >= 2);

    // A light node takes each of its operations from either, and bans nobody.
    let light = cluster.light(&[&full, &late]).await;
    for (position, length) in [4, 6, 6].into_iter().enumerate() {
        let answer = light.operation(2, position as u32).await.unwrap();
        assert_eq!(answer.checked.stage, light::Stage::Proven);
        assert_eq!(answer.proof.words.len(), length);
    }
    let seen = light.status().await.unwrap();
    assert_eq!((seen.peers.len(), seen.banned), (2, 0));
    light.shutdown().await;

    // The wallet's claim, with what a node says.
    let home = cluster.home("wallet");
    std::fs::create_dir_all(&home).unwrap();
    let payer = cluster.chain.key(5).unwrap();
    KeyFile::seal_l1(&payer, PASSWORD, Cost::MINIMUM)
        .unwrap()
        .create(&home.join("l1.json"))
        .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_starling"))
        .args([
            "claim",
            "--rpc",
            &late.url,
            "--l1",
            cluster.chain.url(),
            "--l1-key",
            "l1.json",
        ])
        .args(["--transaction", &withdrawal.to_string(), "--json"])
        .current_dir(&home)
        .env("STARLING_PASSWORD", PASSWORD)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(serde_json::from_slice::<Value>(&output.stdout).is_ok());
    let paid = u128::from(CLAIMED) * GWEI;
    assert_eq!(cluster.l1.balance(RECIPIENT).await.unwrap(), paid);

    // With L1 alone: the state, and the owner's payment.
    let rollup = cluster.rollup();
    let rebuilt = rebuild(&cluster.l1, &rollup, cluster.deployment.block, |_, _| ())
        .await
        .unwrap();
    assert_eq!((rebuilt.batch, rebuilt.state.root()), (2, root));
    let key = cluster.keys[3].public_key();
    let found = escape::assets(
        &cluster.l1,
        &rollup,
        cluster.deployment.block,
        Some(key),
        cluster.owner,
        |_, _| (),
    );
    let found = found.await.unwrap();
    let payments: Vec<(u64, u64, u64)> = found
        .payments
        .iter()
        .map(|at| (at.batch, at.position, at.amount))
        .collect();
    assert_eq!(payments, [(2, 2, ESCAPED)]);
    let left = escape::leave(&cluster.contract(), &found, Some(key), cluster.owner, 0, true, |_| ())
        .await
        .unwrap();
    assert_eq!((left.done.len(), left.left.len()), (1, 0));
    let paid = u128::from(ESCAPED) * GWEI;
    assert_eq!(cluster.l1.balance(cluster.owner).await.unwrap(), paid);

    // An honest operator goes on from there.
    let operator = cluster.node("operator", "operator", Some(0), &full.peers);
    agree(&cluster, &[&full, &late, &operator]).await;
    let id = cluster.transfer(&late, 1, 2, 7).await;
    cluster
        .until(
            "a transfer is proven behind it",
            &[&full, &late, &operator],
            async || late.stage(&id).await == Stage::Proven,
        )
        .await;
    agree(&cluster, &[&full, &late, &operator]).await;
}
