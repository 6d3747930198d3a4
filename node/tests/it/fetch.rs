//! Batches that L1 has and whose data it has forgotten: from peers, and only what L1's contract knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use starling_node::batch_body::BatchBody;
use starling_node::operator::chain::{Adopted, Commit, Grounds};
use starling_node::operator::fetch::{Anchor, Fetch, Misfit, Silence, verified};
use starling_node::operator::journal::Sealed;
use starling_p2p::conduct::Offence;
use starling_p2p::request::{Refusal, Request, Response};
use starling_p2p::{Config, Event, Genesis, Handle, Keypair, Multiaddr, Network, PeerId};
use starling_rollup::address::L1Address;
use starling_rollup::transaction::RollupId;
use tokio::time::{sleep, timeout};

use crate::chain::{Node, ROLLUP, begun, pay};
use crate::world::PATIENCE;

/// Two batches of a leader, as L1 has them; the first has three blocks, and the second two.
fn batches() -> [(Anchor, Sealed, Commit); 2] {
    let (mut leader, _) = begun();
    leader.sequencer.close_before(6).unwrap();
    for nonce in 0..2 {
        leader.submit(pay(3, nonce, 4, 77));
        leader.build(6);
    }
    leader.sequencer.close_before(7).unwrap();
    [1, 2].map(|number| {
        let journal = leader.sequencer.journal();
        let sealed = journal.sealed(number).unwrap().unwrap();
        let before = journal.sealed(number - 1).unwrap();
        let anchor = Anchor {
            number,
            parent_digest: sealed.parent_digest,
            parent_head: before.map_or([0; 32], |before| before.head),
            digest: sealed.digest,
            head: sealed.head,
        };
        assert_eq!(sealed.blocks.len(), 4 - number as usize);
        (anchor, sealed, leader.commit(number))
    })
}

fn read(sealed: &Sealed) -> BatchBody {
    BatchBody::from_bytes(&BatchBody::of(sealed)).unwrap()
}

// CHECKING
// ================================================================================================================

type Change = fn(&mut BatchBody);

/// What cannot be the words that L1 has.
const OTHER_WORDS: [(&str, Change); 4] = [
    ("a transaction less", |body| {
        body.data.records.pop();
    }),
    ("a transaction twice", |body| {
        let again = body.data.records[0];
        body.data.records.push(again);
    }),
    ("a transaction's fee", |body| body.data.records[0].fee += 1),
    ("who gets the fees", |body| body.data.fee_account += 1),
];

/// What cannot be the blocks that L1 has.
const OTHER_BLOCKS: [(&str, Change); 6] = [
    ("the slot after", |body| body.slot += 1),
    ("the slot before", |body| body.slot -= 1),
    ("a block's end", |body| body.blocks[0].end += 1),
    ("a block's state", |body| body.blocks[0].state[31] ^= 1),
    ("the last state", |body| body.blocks.last_mut().unwrap().state[0] ^= 1),
    ("a block less", |body| {
        body.blocks.remove(0);
    }),
];

/// What cuts no words.
const NO_BLOCKS: [(&str, Change); 3] = [
    ("no blocks", |body| body.blocks.clear()),
    ("an end before the last", |body| {
        body.blocks.last_mut().unwrap().end -= 1
    }),
    ("blocks in another order", |body| body.blocks.reverse()),
];

#[test]
fn what_is_not_l1s_batch_is_refused() {
    let batches = batches();
    for (anchor, sealed, commit) in &batches {
        assert_eq!(anchor.check(&ROLLUP, &read(sealed)).as_ref(), Ok(commit));
        let refused = |what: &str, change: Change| {
            let mut body = read(sealed);
            change(&mut body);
            anchor.check(&ROLLUP, &body).expect_err(what)
        };
        for (what, change) in OTHER_WORDS {
            let found = refused(what, change);
            assert!(matches!(found, Misfit::Digest { .. }), "{what}: {found}");
        }
        for (what, change) in OTHER_BLOCKS {
            let found = refused(what, change);
            assert!(matches!(found, Misfit::Head { .. }), "{what}: {found}");
        }
        for (what, change) in NO_BLOCKS {
            let found = refused(what, change);
            assert!(matches!(found, Misfit::Blocks(_)), "{what}: {found}");
        }
        // The same batch elsewhere.
        let mut elsewhere = [*anchor; 3];
        elsewhere[0].number += 1;
        elsewhere[1].parent_digest = batches[1].1.digest;
        elsewhere[2].parent_head[0] ^= 1;
        for other in elsewhere {
            other.check(&ROLLUP, &read(sealed)).expect_err("another place");
        }
        let other = RollupId {
            contract: L1Address([0x43; 20]),
            ..ROLLUP
        };
        anchor.check(&other, &read(sealed)).expect_err("another rollup");
    }
    let [(first, ..), (second, last, _)] = &batches;
    first.check(&ROLLUP, &read(last)).expect_err("another batch");
    assert!(second.check(&ROLLUP, &read(last)).is_ok());
}

/// No byte of an answer is free: a change is no batch, another batch, another signature, or leads to the very same chain.
#[test]
fn every_byte_of_an_answer_is_bound() {
    let [(anchor, sealed, commit), _] = batches();
    let bytes = BatchBody::of(&sealed);
    let mut follower = Node::follower();
    let (mut form, mut misfit, mut signature, mut key) = (0, 0, 0, 0);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        let Ok(body) = BatchBody::from_bytes(&changed) else {
            form += 1;
            continue;
        };
        let Ok(found) = anchor.check(&ROLLUP, &body) else {
            misfit += 1;
            continue;
        };
        assert_eq!(found, commit, "byte {at}");
        let Ok(signed) = verified(&ROLLUP, body) else {
            signature += 1;
            continue;
        };
        // Signed by somebody, and not by the account's key and owner.
        let adopted = follower
            .sequencer
            .adopt(&found, signed.unwrap(), Grounds::Signatures)
            .unwrap();
        assert!(matches!(adopted, Adopted::Unsigned(_)), "byte {at}: {adopted:?}");
        key += 1;
    }
    println!("{form} no form, {misfit} another batch, {signature} another signature, {key} another key");
    assert!(
        form > 0 && misfit > 200 && signature > 100,
        "{form} {misfit} {signature} {key}"
    );
    let given = verified(&ROLLUP, read(&sealed)).unwrap().unwrap();
    assert_eq!(
        follower.sequencer.adopt(&commit, given, Grounds::Signatures).unwrap(),
        Adopted::Done
    );
}

// ASKING
// ================================================================================================================

/// A peer that answers for batches what it is told to.
struct Peer {
    handle: Handle,
    address: Multiaddr,
    asked: Arc<AtomicUsize>,
}

async fn network() -> (Handle, starling_p2p::Events) {
    let mut config = Config {
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        ..Config::default()
    };
    config.connections.per_address = 100;
    config.discovery.enabled = false;
    config.discovery.private = true;
    let genesis = Genesis {
        rollup: ROLLUP,
        kernel: [5; 32],
    };
    Network::start(config, Keypair::generate_ed25519(), genesis)
        .await
        .unwrap()
}

impl Peer {
    async fn start(says: impl Fn(usize, u64) -> Option<Vec<u8>> + Send + 'static) -> Self {
        let (handle, mut events) = network().await;
        let address = handle.addresses().await.unwrap().swap_remove(0);
        let address = address.with_p2p(handle.peer_id()).unwrap();
        let asked = Arc::<AtomicUsize>::default();
        let (server, count) = (handle.clone(), asked.clone());
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if let Event::Request {
                    request: Request::Batch { number },
                    responder,
                    ..
                } = event
                {
                    let answer = says(count.fetch_add(1, Ordering::Relaxed), number);
                    let unknown = Response::Refused(Refusal::Unknown);
                    let _ = server.respond(responder, answer.map_or(unknown, Response::Found)).await;
                }
            }
        });
        Self { handle, address, asked }
    }

    fn id(&self) -> PeerId {
        self.handle.peer_id()
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

/// A node that asks, and what it thinks of its peers.
struct Asker(Handle);

impl Asker {
    async fn start() -> Self {
        let (handle, mut events) = network().await;
        tokio::spawn(async move { while events.next().await.is_some() {} });
        Self(handle)
    }

    async fn meet(&self, peer: &Peer) {
        self.0.dial(peer.address.clone()).await.unwrap();
        let met = async {
            while self.score(peer).await.is_none() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, met).await.expect("they meet");
    }

    async fn score(&self, peer: &Peer) -> Option<f64> {
        let peers = self.0.peers().await.unwrap();
        peers.iter().find(|info| info.peer == peer.id()).map(|info| info.score)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_lies_is_noted_and_the_next_is_asked() {
    let [(anchor, sealed, commit), (_, other, _)] = batches();
    let changed = |change: Change| {
        let mut sealed = sealed.clone();
        let mut body = read(&sealed);
        change(&mut body);
        (sealed.slot, sealed.blocks) = (body.slot, body.blocks);
        BatchBody::of(&sealed)
    };
    // What an honest node may have: another batch, another slot, other blocks. What none has: other signatures, and no batch at all.
    let mut forged = BatchBody::of(&sealed);
    *forged.last_mut().unwrap() ^= 1;
    let answers = [
        BatchBody::of(&other),
        changed(OTHER_BLOCKS[0].1),
        changed(OTHER_BLOCKS[2].1),
        forged,
        vec![1, 2, 3],
    ];
    let count = answers.len();
    let liar = Peer::start(move |time, _| Some(answers[time % count].clone())).await;
    let asker = Asker::start().await;
    asker.meet(&liar).await;
    // Each without memory: one that has just asked waits.
    let new = || Fetch::new(ROLLUP, Some(asker.0.clone()));
    let mut score = asker.score(&liar).await.unwrap();
    for number in 0..count {
        let found = new().from_peers(&anchor, false).await;
        assert_eq!(found.unwrap_err(), Silence { asked: 1, wrong: 1 }, "answer {number}");
        let now = asker.score(&liar).await.unwrap();
        match number < 3 {
            true => assert_eq!(now, score, "answer {number}"),
            false => assert!(now < score - 5.0, "answer {number} is not noted: {score}, {now}"),
        }
        score = now;
    }
    assert_eq!(liar.asked(), count);

    // Whoever asks again at once asks nobody, unless there is somebody new.
    let mut fetch = new();
    for _ in 0..3 {
        let silence = fetch.from_peers(&anchor, false).await.unwrap_err();
        assert_eq!(silence, Silence { asked: 1, wrong: 1 });
    }
    assert_eq!(liar.asked(), count + 1);

    // One that has nothing is not noted.
    let empty = Peer::start(|_, _| None).await;
    asker.meet(&empty).await;
    assert_eq!(
        fetch.from_peers(&anchor, false).await.unwrap_err(),
        Silence { asked: 2, wrong: 1 }
    );
    assert_eq!(asker.score(&empty).await, Some(0.0));

    // Somebody has it, and is asked first, for all his bad score: the others have had nothing before.
    let bytes = BatchBody::of(&sealed);
    let honest = Peer::start(move |_, number| (number == 1).then(|| bytes.clone())).await;
    asker.meet(&honest).await;
    for _ in 0..3 {
        asker.0.note(honest.id(), Offence::Malformed).await.unwrap();
    }
    let before = [liar.asked(), empty.asked(), honest.asked()];
    let fetched = fetch.from_peers(&anchor, false).await.unwrap();
    assert_eq!((fetched.commit, honest.asked()), (commit, 1));
    assert_eq!([liar.asked(), empty.asked()], before[..2]);
    let mut follower = Node::follower();
    let commit = anchor.check(&ROLLUP, &read(&sealed)).unwrap();
    let adopted = follower
        .sequencer
        .adopt(&commit, fetched.signed.unwrap(), Grounds::Signatures)
        .unwrap();
    assert_eq!(adopted, Adopted::Done);

    // Our quota with it is waited for.
    for _ in 0..40 {
        let given = fetch.signatures(&anchor).await.unwrap();
        assert_eq!(given.1.len(), sealed.operations());
    }
    assert_eq!(honest.asked(), 41);
    // One that has shown signatures of other keys is noted, and not asked again.
    let before = asker.score(&honest).await;
    fetch.caught(honest.id()).await;
    assert!(fetch.signatures(&anchor).await.is_err());
    assert_eq!(honest.asked(), 41);
    assert!(asker.score(&honest).await < before);
    let nobody = Fetch::new(ROLLUP, None).from_peers(&anchor, false).await;
    assert_eq!(nobody.unwrap_err(), Silence { asked: 0, wrong: 0 });
}
