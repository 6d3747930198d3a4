//! What is gossiped: topics, messages, their names, and what the node says of them.

use std::fmt;
use std::num::NonZeroU8;

use libp2p::gossipsub::MessageId as GossipId;
use starling_rollup::envelope::EnvelopeError;
use starling_rollup::transaction::SignedTransaction;

/// Stands before the envelope of a transaction that is published again: no envelope's version. How often follows, so that gossip does
/// not take it for what it has had.
const AGAIN: u8 = 0;

/// What [MessageId] is hashed under.
const ID_CONTEXT: &str = "starling 2026 gossip message id";

// TOPICS
// ================================================================================================================

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Users' signed transactions.
    Transactions,
    /// Signed blocks.
    Blocks,
    /// Evidence against operators.
    Evidence,
    /// Announcements of proofs. The proofs themselves are asked for.
    Proofs,
}

impl Topic {
    /// All of them, in the order of `Topic as usize`.
    pub const ALL: [Self; 4] = [Self::Transactions, Self::Blocks, Self::Evidence, Self::Proofs];

    /// Its part in the topic's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transactions => "transactions",
            Self::Blocks => "blocks",
            Self::Evidence => "evidence",
            Self::Proofs => "proofs",
        }
    }
}

// MESSAGES
// ================================================================================================================

/// A message that is well formed. What only the node can know (signatures, nonces, leaders) is not checked.
#[derive(Clone, Debug)]
pub enum Message {
    /// A signed transaction.
    Transaction(Box<SignedTransaction>),
    /// A signed transaction that was published before, perhaps while nobody could take it, and how often. What is read is a
    /// [Message::Transaction].
    Again(Box<SignedTransaction>, NonZeroU8),
    /// A signed block's bytes.
    Block(Vec<u8>),
    /// Evidence's bytes.
    Evidence(Vec<u8>),
    /// The bytes of a proof's announcement.
    Proof(Vec<u8>),
}

/// Why bytes are not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not a transaction's envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// No message is empty.
    #[error("a message on the topic {} is empty", .topic.name())]
    Empty {
        /// The topic.
        topic: Topic,
    },
    /// What the node's decoder says.
    #[error("{0}")]
    Refused(String),
}

/// The node's knowledge of formats: size, version, structure and canonical encoding, nothing that needs state. A message
/// that it refuses is rejected, and whoever sent it loses score, so it must refuse only what no honest node would send.
///
/// It runs in the network's task: keep it under 100 microseconds.
pub trait Decode: Send + Sync + 'static {
    /// Checks the bytes of a block, a piece of evidence or a proof's announcement.
    ///
    /// # Errors
    /// When they are not such a message's one encoding.
    fn check(&self, topic: Topic, bytes: &[u8]) -> Result<(), DecodeError>;
}

/// Takes everything that is not empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opaque;

impl Decode for Opaque {
    fn check(&self, topic: Topic, bytes: &[u8]) -> Result<(), DecodeError> {
        if bytes.is_empty() {
            return Err(DecodeError::Empty { topic });
        }
        Ok(())
    }
}

impl Message {
    /// Where it is published.
    pub fn topic(&self) -> Topic {
        match self {
            Self::Transaction(_) | Self::Again(..) => Topic::Transactions,
            Self::Block(_) => Topic::Blocks,
            Self::Evidence(_) => Topic::Evidence,
            Self::Proof(_) => Topic::Proofs,
        }
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Transaction(transaction) => transaction.to_bytes(),
            Self::Again(transaction, times) => [&[AGAIN, times.get()], &transaction.to_bytes()[..]].concat(),
            Self::Block(bytes) | Self::Evidence(bytes) | Self::Proof(bytes) => bytes.clone(),
        }
    }

    /// The message with these bytes.
    ///
    /// # Errors
    /// When they are not its one encoding.
    pub fn from_bytes(topic: Topic, bytes: Vec<u8>, decoder: &dyn Decode) -> Result<Self, DecodeError> {
        let checked = |bytes: Vec<u8>| decoder.check(topic, &bytes).map(|()| bytes);
        Ok(match topic {
            Topic::Transactions => {
                let envelope = match bytes.as_slice() {
                    [AGAIN, times, envelope @ ..] if *times > 0 => envelope,
                    envelope => envelope,
                };
                Self::Transaction(Box::new(SignedTransaction::from_bytes(envelope)?))
            }
            Topic::Blocks => Self::Block(checked(bytes)?),
            Topic::Evidence => Self::Evidence(checked(bytes)?),
            Topic::Proofs => Self::Proof(checked(bytes)?),
        })
    }
}

// NAMES AND VERDICTS
// ================================================================================================================

/// A message's name: 20 bytes of BLAKE3 over its topic's name and its data.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(pub [u8; 20]);

impl MessageId {
    /// The name of data under a topic's name. The topic's length goes first, so that no two pairs have one preimage.
    pub fn new(topic: &str, data: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(ID_CONTEXT);
        hasher.update(&(topic.len() as u64).to_le_bytes());
        hasher.update(topic.as_bytes());
        hasher.update(data);
        let mut id = [0; 20];
        hasher.finalize_xof().fill(&mut id);
        Self(id)
    }

    pub(crate) fn to_gossip(self) -> GossipId {
        GossipId::new(&self.0)
    }

    pub(crate) fn from_gossip(id: &GossipId) -> Option<Self> {
        id.0.as_slice().try_into().ok().map(Self)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the node says of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Valid: it goes on to other peers.
    Accept,
    /// Invalid for every honest node: it stops here, and whoever sent it loses score. Bad signatures, not bad nonces.
    Reject,
    /// Stale, already known, not decidable now: it stops here, and nobody loses anything.
    Ignore,
}
