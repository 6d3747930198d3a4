//! Gossip frames by hand, so that they can be wrong: protobuf behind a length.

use starling_p2p::message::{MessageId, Topic};
use starling_p2p::request::Kind;
use starling_p2p::{Keypair, PeerId};

use crate::world::GENESIS;

pub(crate) fn name(topic: Topic) -> String {
    GENESIS.topic(topic).into_string()
}

pub(crate) fn id(topic: Topic, data: &[u8]) -> MessageId {
    MessageId::new(&name(topic), data)
}

pub(crate) fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A field of bytes.
fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn number(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

/// What identify says of a peer that speaks all of our protocols.
pub(crate) fn identity(key: &Keypair) -> Vec<u8> {
    let parts = [
        field(1, &key.public().encode_protobuf()),
        field(3, GENESIS.protocol(Kind::Status).as_ref().as_bytes()),
        field(5, b"raw/1"),
        field(6, b"raw"),
    ];
    frame(&parts.concat())
}

/// A frame with its length.
pub(crate) fn frame(rpc: &[u8]) -> Vec<u8> {
    [varint(rpc.len() as u64), rpc.to_vec()].concat()
}

pub(crate) fn subscribe(topic: Topic) -> Vec<u8> {
    field(1, &[number(1, 1), field(2, name(topic).as_bytes())].concat())
}

pub(crate) fn subscribe_to_all() -> Vec<u8> {
    frame(&Topic::ALL.map(subscribe).concat())
}

pub(crate) fn publish(topic: Topic, data: &[u8]) -> Vec<u8> {
    frame(&field(2, &[field(2, data), field(4, name(topic).as_bytes())].concat()))
}

/// A message that says who made it, which anonymous gossip must refuse.
pub(crate) fn publish_as(author: PeerId, topic: Topic, data: &[u8]) -> Vec<u8> {
    let parts = [
        field(1, &author.to_bytes()),
        field(2, data),
        field(4, name(topic).as_bytes()),
    ];
    frame(&field(2, &parts.concat()))
}

fn control(body: &[u8]) -> Vec<u8> {
    frame(&field(3, body))
}

pub(crate) fn ihave(topic: Topic, ids: &[MessageId]) -> Vec<u8> {
    let ids: Vec<u8> = ids.iter().flat_map(|id| field(2, &id.0)).collect();
    control(&field(1, &[field(1, name(topic).as_bytes()), ids].concat()))
}

pub(crate) fn iwant(ids: &[MessageId]) -> Vec<u8> {
    let ids: Vec<u8> = ids.iter().flat_map(|id| field(1, &id.0)).collect();
    control(&field(2, &ids))
}

pub(crate) fn graft(topic: Topic) -> Vec<u8> {
    control(&field(3, &field(1, name(topic).as_bytes())))
}

pub(crate) fn prune(topic: Topic, backoff_s: u64) -> Vec<u8> {
    control(&field(
        4,
        &[field(1, name(topic).as_bytes()), number(3, backoff_s)].concat(),
    ))
}
