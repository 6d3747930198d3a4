//! A lying prover's tools: advice and statements built by hand, and the machine as the proof knows it.

use std::ops::Range;

use starling_rollup::account::Account;
use starling_rollup::data::BLOCK;
use starling_rollup::kernel::program;
use starling_rollup::state::{State, state_root};
use starling_rollup::tree::DEPTH;
use starling_vm::asm::{Source, assemble};
use starling_vm::executor::{Outcome, RunInputs, run};
use starling_vm::field::{Felt, Word};
use starling_vm::poseidon2::{Sponge, compress};
use starling_vm::program::Program;
use starling_vm::trap::Trap;

use crate::world::{address, key, owner, word};

pub(crate) const ZERO: Felt = Felt::new(0);

pub(crate) fn felt(value: u64) -> Felt {
    Felt::new(value)
}

/// A word whose other elements are zero.
pub(crate) fn single(value: u64) -> Word {
    [felt(value), ZERO, ZERO, ZERO]
}

// PROGRAMS
// ================================================================================================================

/// Assertions of the bits that stand for `mstep`'s: no checks of the kernel's.
pub(crate) const BIT: u64 = 999;

const FILES: [&str; 9] = [
    "kernel.sasm",
    "accounts.sasm",
    "binding.sasm",
    "codes.sasm",
    "entries.sasm",
    "layout.sasm",
    "operations.sasm",
    "records.sasm",
    "walk.sasm",
];

/// A kernel and the text that it was assembled from.
pub(crate) struct Kernel {
    pub(crate) program: Program,
    pub(crate) sources: Vec<(String, String)>,
    /// Whether the bits of `mstep` come from advice.
    pub(crate) free: bool,
}

impl Kernel {
    /// The rollup's.
    pub(crate) fn intact() -> Self {
        Self {
            program: program().clone(),
            sources: sources(),
            free: false,
        }
    }

    /// The kernel with every `mstep` replaced by what a proof shows of it: index = 2 index' + bit in the field, for a
    /// bit that the prover chooses. The executor takes the lowest bit of the index, and is no liar.
    pub(crate) fn free() -> Self {
        let mut sources = sources();
        for (name, text) in &mut sources {
            if name == "walk.sasm" {
                *text = freed(text);
            }
        }
        let list: Vec<Source> = sources.iter().map(|(name, text)| Source::new(name, text)).collect();
        Self {
            program: assemble(&list).unwrap(),
            sources,
            free: true,
        }
    }

    pub(crate) fn run(&self, forge: &Forge) -> Result<Outcome, Box<Trap>> {
        run(&self.program, &forge.inputs(self.free), 1 << 26)
    }
}

fn sources() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/kernel/");
    FILES
        .map(|name| (name.into(), std::fs::read_to_string(format!("{folder}{name}")).unwrap()))
        .into()
}

fn freed(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let Some(node) = line.trim().strip_prefix("mstep ").map(|rest| &rest[..2]) else {
            lines.push(line.into());
            continue;
        };
        lines.push(format!(
            "    st q3, [900]
    adv r13
    mul r14, r13, r13
    assert.eq r14, r13, {BIT}
    sub r12, r12, r13
    mul r12, r12, HALF
    st1 r12, [901]
    bz r13, left_{number}
    hash {node}, q2, {node}
    jmp done_{number}
left_{number}:
    hash {node}, {node}, q2
done_{number}:
    ld q3, [900]
    ld1 r12, [901]"
        ));
    }
    lines.join("\n") + "\n"
}

// ADVICE
// ================================================================================================================

/// What comes after a climb.
pub(crate) const WAIT: u64 = 0;
pub(crate) const JOIN: u64 = 1;
pub(crate) const END: u64 = 2;

#[derive(Clone)]
enum Item {
    Element(Felt),
    /// A bit of a walk's step, which only the free machine takes from advice.
    Bit(Felt),
}

/// A batch as the prover tells it.
#[derive(Clone)]
pub(crate) struct Data {
    /// Its length by advice.
    pub(crate) length: u64,
    /// Its words, and what stands in its padding.
    pub(crate) words: Vec<u64>,
    /// The advice of its operations.
    pub(crate) script: Vec<Felt>,
}

impl Data {
    pub(crate) fn new(words: Vec<u64>, script: Vec<Felt>) -> Self {
        Self {
            length: words.len() as u64,
            words,
            script,
        }
    }

    fn blocks(&self) -> Vec<Word> {
        let mut words: Vec<Felt> = self.words.iter().copied().map(Felt::new).collect();
        words.resize(self.words.len().next_multiple_of(BLOCK), ZERO);
        words
            .chunks_exact(BLOCK)
            .map(|c| core::array::from_fn(|i| c[i]))
            .collect()
    }

    /// The chain digest behind it, as a contract that checks nothing would compute it.
    fn extend(&self, previous: Word) -> Word {
        let mut sponge = Sponge::new(5, self.length);
        let mut values = [ZERO; 3];
        for block in self.blocks() {
            sponge.absorb(block);
            for element in block {
                values = core::array::from_fn(|k| values[k] * POINTS[k] + element);
            }
        }
        let [p0, p1, p2] = POINTS;
        let [e0, e1, e2] = values;
        compress(
            compress(previous, sponge.digest()),
            compress([p0, p1, p2, felt(self.length)], [e0, e1, e2, ZERO]),
        )
    }
}

/// Any points will do here: what they are is between the contract and the digest.
const POINTS: [Felt; 3] = [Felt::new(3), Felt::new(5), Felt::new(7)];

/// A run as its prover tells it.
#[derive(Clone)]
pub(crate) struct Forge {
    pub(crate) state: State,
    pub(crate) next: u64,
    /// The state root of the statement.
    pub(crate) root: Word,
    /// Public inputs that are one more than they should be.
    pub(crate) off_by_one: Vec<usize>,
    slots: Vec<Vec<Felt>>,
    pub(crate) batches: Vec<Data>,
    walk: Vec<Item>,
}

impl Forge {
    pub(crate) fn new(state: State) -> Self {
        Self {
            next: state.next(),
            root: state.root(),
            state,
            off_by_one: Vec::new(),
            slots: Vec::new(),
            batches: Vec::new(),
            walk: Vec::new(),
        }
    }

    /// An account's honest slot; returns its number, as all of these do.
    pub(crate) fn account(&mut self, index: u32) -> u64 {
        let account = *self.state.account(index).unwrap();
        self.slot(felt(index.into()), &account)
    }

    /// The slot of an account that is said to exist.
    pub(crate) fn slot(&mut self, index: Felt, account: &Account) -> u64 {
        let numbers = [u64::from(account.nonce), account.balance].map(Felt::new);
        self.push([&[felt(1), index], &account.address.to_word()[..], &numbers].concat())
    }

    /// A slot that is said to wait for its opening.
    pub(crate) fn unopened(&mut self, index: Felt) -> u64 {
        self.push(vec![ZERO, index])
    }

    fn push(&mut self, slot: Vec<Felt>) -> u64 {
        self.slots.push(slot);
        self.slots.len() as u64 - 1
    }

    pub(crate) fn batch(&mut self, data: Data) {
        self.batches.push(data);
    }

    /// A number of the walk.
    pub(crate) fn say(&mut self, number: u64) {
        self.walk.push(Item::Element(felt(number)));
    }

    /// Climbs these levels with the siblings of the leaf `old`, by whose bits the tree before is hashed; the tree after
    /// by those of `new`.
    pub(crate) fn climb(&mut self, levels: Range<usize>, old: u32, new: u32) {
        let odd = levels.len() % 2;
        self.say(levels.len() as u64 / 2);
        self.say(odd as u64);
        let bit = |index: u32, level: usize| Item::Bit(felt(u64::from(index) >> level & 1));
        for (number, level) in levels.enumerate() {
            let sibling = self.state.tree().node(level, (u64::from(old) >> level) as u32 ^ 1);
            self.walk.extend(sibling.map(Item::Element));
            let mut bits = [bit(old, level), bit(new, level)];
            // The second step of a pair takes the tree after first.
            if (number + odd) % 2 == 1 && number >= odd {
                bits.reverse();
            }
            self.walk.extend(bits);
        }
    }

    /// The honest walk over the leaves at these ascending indices.
    pub(crate) fn walk_to_root(&mut self, indices: &[u32]) {
        self.walk_below(indices, DEPTH);
        self.say(END);
    }

    fn walk_below(&mut self, indices: &[u32], height: usize) {
        let (first, last) = (indices[0], indices[indices.len() - 1]);
        let from = (first ^ last).checked_ilog2().map_or(0, |bit| {
            let bit = bit as usize;
            let split = indices.partition_point(|index| index >> bit & 1 == 0);
            self.walk_below(&indices[..split], bit);
            self.say(WAIT);
            self.walk_below(&indices[split..], bit);
            self.say(JOIN);
            bit + 1
        });
        self.climb(from..height, first, first);
    }

    /// The end of a run that touches nothing.
    pub(crate) fn no_walk(&mut self) {
        let root = self.state.tree().root();
        self.walk.extend(root.map(Item::Element));
    }

    /// The statement's root is of a tree with this root.
    pub(crate) fn tree_root(&mut self, root: Word) {
        self.root = state_root(root, self.next);
    }

    pub(crate) fn inputs(&self, free: bool) -> RunInputs {
        let mut advice = vec![felt(self.next), felt(self.slots.len() as u64)];
        advice.extend(self.slots.iter().flatten());
        let mut digest = [ZERO; 4];
        for data in &self.batches {
            advice.extend([felt(1), felt(data.length)]);
            advice.extend(data.blocks().into_iter().flatten());
            advice.extend(POINTS);
            advice.push(ZERO);
            advice.extend(&data.script);
            digest = data.extend(digest);
        }
        advice.push(ZERO);
        advice.extend(self.walk.iter().filter_map(|item| match item {
            Item::Element(element) => Some(*element),
            Item::Bit(bit) => free.then_some(*bit),
        }));
        let payee = [felt(1), felt(2), felt(3)];
        let mut public = [&self.root[..], &[ZERO; 4], &word(), &payee, &digest].concat();
        for input in &self.off_by_one {
            public[*input] += felt(1);
        }
        RunInputs { public, advice }
    }
}

// OPERATIONS
// ================================================================================================================

/// A signed message's parts, as the kernel puts them together.
#[derive(Clone, Copy)]
pub(crate) struct Message {
    pub(crate) tag: u64,
    pub(crate) from: u64,
    pub(crate) nonce: u64,
    pub(crate) amount: u64,
    pub(crate) fee: u64,
    pub(crate) recipient: Word,
}

impl Message {
    pub(crate) fn word(&self) -> Word {
        let first = felt(self.tag) + felt(self.from) * felt(256);
        let numbers = [first, felt(self.nonce), felt(self.amount), felt(self.fee)];
        compress(compress(word(), numbers), self.recipient)
    }
}

/// What is hashed under the address of key `k`, with this domain.
pub(crate) fn preimage(k: usize, domain: u64) -> [Word; 2] {
    let [q0, q1, q2, q3, q4] = key(k).public_key().to_elements();
    let [o0, o1, o2] = owner(k).to_elements();
    [[q0, q1, q2, q3], [q4, o0, o1, o2 + felt(domain << 48)]]
}

/// The advice of a spending: the sender's slot, its key `k` and owner, the signature.
pub(crate) fn spend(slot: u64, k: usize, message: &Message) -> Vec<Felt> {
    spend_as(slot, k, 1, message.word())
}

pub(crate) fn spend_as(slot: u64, k: usize, domain: u64, message: Word) -> Vec<Felt> {
    let signature = key(k).sign(&message).to_elements();
    [&[felt(slot)], &preimage(k, domain).concat()[..], &signature].concat()
}

/// The last word under the message of a transfer to account `to`, whose key is `to`.
pub(crate) fn to(index: u64, k: usize) -> Word {
    compress(single(index), address(k).to_word())
}

/// The words of a batch.
pub(crate) fn words(fee_account: u64, entries: &[Vec<u64>], records: &[Vec<u64>]) -> Vec<u64> {
    let mut words = vec![0, entries.len() as u64, fee_account];
    words.extend(entries.iter().chain(records).flatten());
    words[0] = words.len() as u64;
    words
}
