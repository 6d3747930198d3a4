//! Formats: one value, one encoding; names as the page has them.

use std::num::NonZeroU8;

use proptest::prelude::*;
use starling_p2p::message::{Message, MessageId, Opaque, Topic};
use starling_p2p::request::{Kind, MAX_BLOCKS, Refusal, Request, Response, StateAt};
use starling_p2p::status::{Head, Heads, Role, Status};
use starling_p2p::wire::WireError;

use crate::world::{GENESIS, transaction};

#[test]
fn names_are_what_the_page_says() {
    let prefix = "/starling/31337/0x4242424242424242424242424242424242424242";
    assert_eq!(GENESIS.prefix(), prefix);
    for topic in Topic::ALL {
        let name = format!("{prefix}/{}/1", topic.name());
        assert_eq!(GENESIS.topic(topic).as_str(), name);
    }
    for kind in Kind::ALL {
        assert_eq!(GENESIS.protocol(kind).as_ref(), format!("{prefix}/{}/1", kind.name()));
    }
    assert_eq!(GENESIS.discovery().as_ref(), format!("{prefix}/kad/1"));
}

#[test]
fn a_messages_name_depends_on_where_the_topic_ends() {
    assert_ne!(MessageId::new("ab", b"c"), MessageId::new("a", b"bc"));
    assert_ne!(MessageId::new("a", b"c"), MessageId::new("b", b"c"));
    // Computed with another implementation of BLAKE3, from the page.
    let id = MessageId::new("/starling/1/0x00/blocks/1", b"block");
    assert_eq!(id.to_string(), include_str!("message_id.txt").trim());
}

#[test]
fn a_transactions_envelope_must_be_all_there_is() {
    let bytes = transaction(1).to_bytes();
    let read = |bytes: &[u8]| Message::from_bytes(Topic::Transactions, bytes.to_vec(), &Opaque);
    assert_eq!(read(&bytes).unwrap().to_bytes(), bytes);
    assert!(read(&[&bytes[..], &[0]].concat()).is_err());
    assert!(read(&bytes[..bytes.len() - 1]).is_err());
    assert!(Message::from_bytes(Topic::Blocks, Vec::new(), &Opaque).is_err());
}

/// Published again it is another message, and says the same.
#[test]
fn a_transaction_that_is_published_again_has_another_name() {
    let times = NonZeroU8::new(3).unwrap();
    let (once, again) = (
        Message::Transaction(Box::new(transaction(1))),
        Message::Again(Box::new(transaction(1)), times),
    );
    assert_eq!(again.topic(), Topic::Transactions);
    assert_ne!(again.to_bytes(), once.to_bytes());
    let read = |bytes: &[u8]| Message::from_bytes(Topic::Transactions, bytes.to_vec(), &Opaque);
    let found = read(&again.to_bytes()).unwrap();
    assert!(matches!(&found, Message::Transaction(_)));
    assert_eq!(found.to_bytes(), once.to_bytes());
    // Never is not again, and twice again is nothing.
    assert!(read(&[&[0, 0], &once.to_bytes()[..]].concat()).is_err());
    assert!(read(&[&[0, 3], &again.to_bytes()[..]].concat()).is_err());
}

fn head() -> impl Strategy<Value = Head> {
    any::<(u64, [u8; 32])>().prop_map(|(number, digest)| Head { number, digest })
}

fn status() -> impl Strategy<Value = Status> {
    let roles = [Role::Full, Role::Light, Role::Operator, Role::Prover];
    (
        head(),
        head(),
        head(),
        any::<[u8; 32]>(),
        prop::sample::select(roles.to_vec()),
    )
        .prop_map(|(proven, committed, soft, kernel, role)| Status {
            genesis: starling_p2p::Genesis { kernel, ..GENESIS },
            role,
            heads: Heads {
                proven,
                committed,
                soft,
            },
        })
}

fn request() -> impl Strategy<Value = Request> {
    let states = [StateAt::Proven, StateAt::Committed, StateAt::Soft];
    prop_oneof![
        (any::<u64>(), 1..=MAX_BLOCKS).prop_map(|(first, count)| Request::BlocksByRange { first, count }),
        any::<u64>().prop_map(|number| Request::Batch { number }),
        any::<(u64, u64)>().prop_map(|(first, last)| Request::Proof { first, last }),
        (any::<u32>(), prop::sample::select(states.to_vec())).prop_map(|(index, at)| Request::Account { index, at }),
        any::<(u64, u32)>().prop_map(|(batch, position)| Request::Operation { batch, position }),
    ]
}

fn response() -> impl Strategy<Value = (Kind, Response)> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    let refusals = [Refusal::Unknown, Refusal::Busy, Refusal::OverQuota];
    prop_oneof![
        prop::collection::vec(bytes(), 1..5).prop_map(|blocks| (Kind::Blocks, Response::Blocks(blocks))),
        bytes().prop_map(|body| (Kind::Proof, Response::Found(body))),
        prop::sample::select(refusals.to_vec()).prop_map(|refusal| (Kind::Batch, Response::Refused(refusal))),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(status in status(), request in request(), (kind, response) in response()) {
        let bytes = status.to_bytes();
        prop_assert_eq!(bytes.len(), Status::BYTES);
        prop_assert_eq!(Status::from_bytes(&bytes), Ok(status));
        let bytes = request.to_bytes();
        prop_assert!(bytes.len() <= Request::MAX_BYTES);
        prop_assert_eq!(Request::from_bytes(request.kind(), &bytes), Ok(request));
        let bytes = response.to_bytes();
        prop_assert_eq!(bytes.len(), response.bytes());
        prop_assert!(response.fits(kind));
        prop_assert_eq!(Response::from_bytes(kind, &bytes), Ok(response));
    }

    #[test]
    fn what_is_read_is_written_so(mut bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0..6_usize) {
        let kind = Kind::ALL[kind];
        if let Some(first) = bytes.first_mut() {
            *first %= 4;
        }
        if let Ok(status) = Status::from_bytes(&bytes) {
            prop_assert_eq!(&status.to_bytes(), &bytes);
        }
        if let Ok(request) = Request::from_bytes(kind, &bytes) {
            prop_assert_eq!(&request.to_bytes(), &bytes);
        }
        if kind != Kind::Status && let Ok(response) = Response::from_bytes(kind, &bytes) {
            prop_assert_eq!(&response.to_bytes(), &bytes);
            prop_assert!(response.fits(kind));
        }
    }

    #[test]
    fn a_missing_or_an_extra_byte_is_refused(status in status(), request in request()) {
        let (status, kind, request) = (status.to_bytes(), request.kind(), request.to_bytes());
        for length in 0..status.len() {
            prop_assert!(Status::from_bytes(&status[..length]).is_err());
        }
        for length in 0..request.len() {
            prop_assert!(Request::from_bytes(kind, &request[..length]).is_err());
        }
        prop_assert_eq!(Status::from_bytes(&[&status[..], &[0]].concat()), Err(WireError::Trailing { found: 1 }));
        prop_assert_eq!(Request::from_bytes(kind, &[&request[..], &[0]].concat()), Err(WireError::Trailing { found: 1 }));
    }
}

#[test]
fn blocks_are_some_and_not_too_many() {
    let none = Request::from_bytes(Kind::Blocks, &[0; 12]);
    assert!(matches!(none, Err(WireError::Limit { found: 0, .. })));
    let many = [&[0; 8][..], &(MAX_BLOCKS + 1).to_be_bytes()].concat();
    assert!(matches!(
        Request::from_bytes(Kind::Blocks, &many),
        Err(WireError::Limit { .. })
    ));
    assert!(Response::from_bytes(Kind::Blocks, &[0]).is_err());
    let many = Response::Blocks(vec![vec![]; MAX_BLOCKS as usize + 1]).to_bytes();
    assert!(matches!(
        Response::from_bytes(Kind::Blocks, &many),
        Err(WireError::Limit { .. })
    ));
    // A length that is not there takes no memory.
    let long = [0, 0xff, 0xff, 0xff, 0xff];
    assert!(matches!(
        Response::from_bytes(Kind::Blocks, &long),
        Err(WireError::Short { .. })
    ));
}
