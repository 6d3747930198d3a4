//! What nodes read from each other.

use starling_node::answers::account::{AccountProof, Leaf, Origin, StateView, account_body};
use starling_node::answers::operation::{OperationProof, operation_body};
use starling_node::answers::proof::ProofAnswer;
use starling_node::batch_body::BatchBody;
use starling_node::block::Block;
use starling_node::gossip::{Evidence, Forms, ProofNotice};
use starling_node::operator::journal::{Body, Sealed};
use starling_p2p::message::{Decode, Message, MessageId, Topic};
use starling_p2p::request::{Kind, MAX_BLOCKS, Request, Response, StateAt};
use starling_p2p::status::Status;
use starling_rollup::block_header::SignedHeader;
use starling_rollup::chain::GENESIS;
use starling_rollup::operations;

use crate::echo;
use crate::honest::{BATCH, HEADER, ROLLUP, STATE};

// GOSSIP
// ================================================================================================================

/// Whether the form of a message is that of its topic, which its reader has found to be so or not.
fn has_form(topic: Topic, bytes: &[u8], read: bool) -> bool {
    let checked = Forms.check(topic, bytes);
    assert_eq!(checked.is_ok(), read, "the network and the node do not agree");
    if let Err(error) = checked {
        assert!(!error.to_string().is_empty());
    }
    read
}

/// A signed block: one block, one encoding. Whoever signed it can be asked for.
pub fn block(bytes: &[u8]) -> bool {
    let read = Block::from_bytes(bytes);
    if let Ok(block) = &read {
        assert_eq!(block.to_bytes(), bytes);
        let header = block.header();
        assert_eq!(block.opening.is_some(), header.index == 0);
        let entries = block.opening.map_or(0, |opening| opening.entries);
        assert!(entries > 0 || !block.transactions.is_empty(), "an empty block is read");
        assert!(block.position() >= header.batch, "the position is wrapped around");
        if let Err(error) = block.signer(&ROLLUP) {
            assert!(!error.to_string().is_empty());
        }
    }
    has_form(Topic::Blocks, bytes, read.is_ok())
}

/// Evidence: one pair of headers, one encoding. Nobody is guilty but who has signed two headers of one place, and whoever has signed
/// one only is not, whatever else is put beside it.
pub fn evidence(bytes: &[u8]) -> bool {
    let read = Evidence::from_bytes(bytes);
    if let Ok(evidence) = &read {
        assert_eq!(evidence.to_bytes(), bytes);
        let (one, other) = (evidence.one, evidence.other);
        assert_eq!(Evidence::new(other, one).as_ref(), Ok(evidence));
        let place = |signed: &SignedHeader| signed.to_bytes()[..20].to_vec();
        assert_eq!(place(&one), place(&other), "headers of two places are evidence");
        assert_ne!(one.header, other.header, "one header is evidence");
        match evidence.guilty(&ROLLUP) {
            Ok(guilty) => {
                assert_eq!(one.signer(&ROLLUP), Ok(guilty));
                assert_eq!(other.signer(&ROLLUP), Ok(guilty));
                assert_ne!(Ok(guilty), HEADER.signer(&ROLLUP), "an honest signer is guilty");
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    has_form(Topic::Evidence, bytes, read.is_ok())
}

/// A proof's announcement: one, one encoding.
pub fn proof_notice(bytes: &[u8]) -> bool {
    let read = ProofNotice::from_bytes(bytes);
    if let Ok(notice) = &read {
        assert_eq!(notice.to_bytes(), bytes);
        assert!(1 <= notice.first && notice.first <= notice.last);
    }
    has_form(Topic::Proofs, bytes, read.is_ok())
}

// FRAMES
// ================================================================================================================

/// What a stream or a topic carries. The first byte says which: a question or an answer of one of the six kinds, or a message of one of
/// the four topics.
pub fn p2p_frames(bytes: &[u8]) -> bool {
    let Some((&which, frame)) = bytes.split_first() else {
        return false;
    };
    let which = usize::from(which);
    let kinds = Kind::ALL.len();
    match which.checked_sub(2 * kinds) {
        None => match (Kind::ALL[which % kinds], which / kinds) {
            (Kind::Status, _) => status(frame),
            (kind, 0) => question(kind, frame),
            (kind, _) => answer(kind, frame),
        },
        Some(topic) => Topic::ALL.get(topic).is_some_and(|topic| message(*topic, frame)),
    }
}

fn status(bytes: &[u8]) -> bool {
    assert!(Request::from_bytes(Kind::Status, bytes).is_err());
    let Ok(status) = Status::from_bytes(bytes) else {
        return false;
    };
    assert_eq!(status.to_bytes(), bytes);
    assert_eq!(bytes.len(), Status::BYTES);
    true
}

fn question(kind: Kind, bytes: &[u8]) -> bool {
    let Ok(request) = Request::from_bytes(kind, bytes) else {
        return false;
    };
    assert_eq!(request.to_bytes(), bytes);
    assert_eq!(request.kind(), kind);
    assert!(bytes.len() <= Request::MAX_BYTES);
    if let Request::BlocksByRange { count, .. } = request {
        assert!((1..=MAX_BLOCKS).contains(&count), "{count} blocks are asked for");
    }
    true
}

fn answer(kind: Kind, bytes: &[u8]) -> bool {
    let Ok(response) = Response::from_bytes(kind, bytes) else {
        return false;
    };
    assert_eq!(response.to_bytes(), bytes);
    assert_eq!(response.bytes(), bytes.len());
    assert!(response.fits(kind), "an answer to another question is read");
    if let Response::Blocks(blocks) = &response {
        blocks.iter().for_each(|bytes| drop(Block::from_bytes(bytes)));
    }
    true
}

/// A message's name is its bytes', and these are one message's, but for how often a transaction was published before.
fn message(topic: Topic, bytes: &[u8]) -> bool {
    let read = match Message::from_bytes(topic, bytes.to_vec(), &Forms) {
        Ok(read) => read,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    assert_eq!(read.topic(), topic);
    let written = read.to_bytes();
    match (&read, bytes) {
        (Message::Transaction(_), [0, times, envelope @ ..]) => {
            assert!(*times > 0, "published again, no time before");
            assert_eq!(written, envelope);
            let name = topic.name();
            assert_ne!(MessageId::new(name, bytes), MessageId::new(name, &written));
        }
        _ => assert_eq!(written, bytes),
    }
    true
}

// BATCHES
// ================================================================================================================

/// A batch as peers answer for it: one batch, one encoding.
pub fn batch_body(bytes: &[u8]) -> bool {
    let body = match BatchBody::from_bytes(bytes) {
        Ok(body) => body,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    let sealed = Sealed {
        number: 1,
        root: GENESIS,
        parent_digest: GENESIS,
        digest: GENESIS,
        queue_end: 0,
        sealed_at: 0,
        slot: body.slot,
        blocks: body.blocks,
        head: [0; 32],
        signed: None,
        undo: Vec::new(),
        body: match body.batch {
            Some(batch) => Body::Signed(batch),
            None => Body::Public {
                data: body.data.clone(),
                ids: Vec::new(),
                known: Vec::new(),
            },
        },
    };
    assert_eq!(BatchBody::of(&sealed), bytes);
    assert_eq!(sealed.data(), body.data);
    match sealed.headers([0; 32]) {
        Ok(headers) => assert_eq!(headers.len(), sealed.blocks.len()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    true
}

// ANSWERS FOR LIGHT NODES
// ================================================================================================================

/// The leader of [HEADER]'s batch answers for it; a light node knows only the batch's number, the header's hash and the leader.
pub fn view(at: StateAt) -> StateView<'static> {
    StateView {
        state: &STATE,
        origin: match at {
            StateAt::Proven => Origin::Proven {
                batch: HEADER.header.batch,
            },
            StateAt::Committed => Origin::Committed(HEADER.header),
            StateAt::Soft => Origin::Soft(*HEADER),
        },
    }
}

/// Answers to a light node. The first byte says which one: an account in one of the three states, an operation, a proof; the second is the
/// index or the position that was asked for. One answer has one encoding, and none passes a check but the honest one.
pub fn light_answers(bytes: &[u8]) -> bool {
    let [which, place, body @ ..] = bytes else {
        return false;
    };
    let place = u32::from(*place);
    match which {
        0 => account(place, StateAt::Proven, body),
        1 => account(place, StateAt::Committed, body),
        2 => account(place, StateAt::Soft, body),
        3 => operation(place, body),
        4 => proof_answer(body),
        _ => false,
    }
}

fn account(index: u32, at: StateAt, bytes: &[u8]) -> bool {
    let answer = match AccountProof::from_bytes(index, at, bytes) {
        Ok(answer) => answer,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    assert_eq!(answer.to_bytes(), bytes);
    assert_eq!(
        matches!(answer.leaf, Leaf::Account { .. }),
        u64::from(index) < answer.next
    );
    let body = account_body(&view(at), index).expect("the header claims this state");
    let honest = AccountProof::from_bytes(index, at, &body).expect("an honest answer");
    let same_leaf = (answer.next, &answer.leaf) == (honest.next, &honest.leaf);
    // A header's claim of the state is not the signature's: the hash binds it, not who signed it.
    let (batch, hash) = (HEADER.header.batch, HEADER.header.hash());
    let leader = HEADER.signer(&ROLLUP).expect("an honest signature");
    let same_header = match (&answer.origin, &honest.origin) {
        (Origin::Soft(one), Origin::Soft(other)) => one.header == other.header,
        (one, other) => one == other,
    };
    let checks = [
        ("the root", answer.check_root(&STATE.root()), same_leaf),
        (
            "the head",
            answer.check_head(batch, &hash),
            same_leaf && same_header && at != StateAt::Proven,
        ),
        (
            "the leader",
            answer.check_leader(&ROLLUP, leader),
            bytes == body && at == StateAt::Soft,
        ),
    ];
    for (what, checked, honest) in checks {
        assert_eq!(checked.is_ok(), honest, "checked against {what}: {checked:?}");
    }
    assert!(
        answer.check_head(batch + 1, &hash).is_err(),
        "the header of another batch"
    );
    true
}

fn operation(position: u32, bytes: &[u8]) -> bool {
    let answer = match OperationProof::from_bytes(position, bytes) {
        Ok(answer) => answer,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    assert_eq!(answer.to_bytes(), bytes);
    let data = BATCH.data();
    let root = operations::root(&operations::operations(&data));
    let honest = operation_body(&data, position).is_some_and(|body| body == bytes);
    assert_eq!(answer.check(position, &root).is_ok(), honest);
    true
}

fn proof_answer(bytes: &[u8]) -> bool {
    let answer = match ProofAnswer::from_bytes(bytes) {
        Ok(answer) => answer,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    assert_eq!(answer.to_bytes(), bytes);
    assert!(1 <= answer.first() && answer.first() <= answer.after.batch);
    // The statement says what the answer says.
    let kernel = echo().hash();
    let statement = answer.statement(&ROLLUP, kernel);
    let points = [answer.before.root, answer.before.digest, ROLLUP.word()].concat();
    assert_eq!(statement.inputs[..12], points);
    assert_eq!(statement.outputs, answer.after.root);
    // With this program for a kernel nobody has proven anything of a rollup.
    let refused = answer.verify(&ROLLUP, kernel);
    assert!(refused.is_err(), "a proof that nobody made is accepted");
    true
}
