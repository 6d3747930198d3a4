//! Which network a node belongs to, and the names that follow from it.

use libp2p::StreamProtocol;
use libp2p::gossipsub::TopicHash;
use starling_rollup::transaction::RollupId;

use crate::message::Topic;
use crate::request::Kind;

/// The version of every protocol and topic of this crate. One name's version is raised alone when its bytes change.
pub const VERSION: u8 = 1;

/// What two nodes must agree on before they talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// Chain and rollup contract; they are part of every name.
    pub rollup: RollupId,
    /// Hash of the kernel. It is not in the names: peers exchange it and part if it differs, so that a node that runs
    /// another kernel learns why it stands alone.
    pub kernel: [u8; 32],
}

impl Genesis {
    /// `/starling/<chain id>/<rollup address>`, the address as 0x and lowercase hexadecimal digits.
    pub fn prefix(&self) -> String {
        format!("/starling/{}/{}", self.rollup.chain_id, self.rollup.contract)
    }

    /// The name of a topic.
    pub fn topic(&self, topic: Topic) -> TopicHash {
        TopicHash::from_raw(format!("{}/{}/{VERSION}", self.prefix(), topic.name()))
    }

    /// The name of a request protocol.
    pub fn protocol(&self, kind: Kind) -> StreamProtocol {
        self.stream(kind.name())
    }

    /// The name of the protocol that finds peers.
    pub fn discovery(&self) -> StreamProtocol {
        self.stream("kad")
    }

    /// What identify calls the network.
    pub fn network(&self) -> String {
        format!("{}/{VERSION}", self.prefix())
    }

    fn stream(&self, name: &str) -> StreamProtocol {
        StreamProtocol::try_from_owned(format!("{}/{name}/{VERSION}", self.prefix()))
            .expect("the name starts with a slash")
    }
}
