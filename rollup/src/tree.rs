//! The sparse Merkle tree of accounts, depth 32.
//!
//! Indices are handed out in order, so the used part of every level is a prefix: it is kept in one vector a level, and
//! everything past it has the level's empty value.

use starling_vm::field::Word;
use starling_vm::poseidon2::compress;

use crate::account::EMPTY_LEAF;

/// Levels between leaves and root.
pub const DEPTH: usize = 32;

/// Leaves of a full tree.
pub const CAPACITY: u64 = 1 << DEPTH;

/// The tree.
#[derive(Clone, Debug)]
pub struct Tree {
    /// `levels[h][i]`: the node at height h with index i.
    levels: Vec<Vec<Word>>,
    /// The value of an empty subtree of each height.
    empty: [Word; DEPTH + 1],
}

/// A leaf's siblings, lowest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The leaf's index.
    pub index: u32,
    /// The leaf.
    pub leaf: Word,
    /// The siblings.
    pub siblings: [Word; DEPTH],
}

impl Path {
    /// The root that leaf and siblings give.
    pub fn root(&self) -> Word {
        let mut node = self.leaf;
        for (height, sibling) in self.siblings.iter().enumerate() {
            node = if self.index >> height & 1 == 0 {
                compress(node, *sibling)
            } else {
                compress(*sibling, node)
            };
        }
        node
    }

    /// Whether the path leads to `root`.
    pub fn leads_to(&self, root: Word) -> bool {
        self.root() == root
    }
}

impl Default for Tree {
    fn default() -> Self {
        let mut empty = [EMPTY_LEAF; DEPTH + 1];
        for height in 0..DEPTH {
            empty[height + 1] = compress(empty[height], empty[height]);
        }
        Self {
            levels: vec![Vec::new(); DEPTH + 1],
            empty,
        }
    }
}

impl Tree {
    /// The tree with these leaves, at the indices from 0.
    pub fn from_leaves(leaves: Vec<Word>) -> Self {
        let mut tree = Self::default();
        tree.levels[0] = leaves;
        for height in 0..DEPTH {
            let half = tree.levels[height].len().div_ceil(2) as u32;
            tree.levels[height + 1] = (0..half)
                .map(|index| compress(tree.node(height, 2 * index), tree.node(height, 2 * index + 1)))
                .collect();
        }
        tree
    }

    /// The node at `height` with index `index`.
    pub fn node(&self, height: usize, index: u32) -> Word {
        self.levels[height]
            .get(index as usize)
            .copied()
            .unwrap_or(self.empty[height])
    }

    /// The leaf at `index`.
    pub fn leaf(&self, index: u32) -> Word {
        self.node(0, index)
    }

    /// The root.
    pub fn root(&self) -> Word {
        self.node(DEPTH, 0)
    }

    /// The siblings of a leaf.
    pub fn path(&self, index: u32) -> Path {
        let siblings = core::array::from_fn(|height| self.node(height, (index >> height) ^ 1));
        Path {
            index,
            leaf: self.leaf(index),
            siblings,
        }
    }

    /// Replaces one leaf.
    pub fn set(&mut self, index: u32, leaf: Word) {
        self.set_many(&[(index, leaf)]);
    }

    /// Replaces leaves; of several for one index the last counts. Shared nodes are hashed once.
    pub fn set_many(&mut self, leaves: &[(u32, Word)]) {
        let mut touched: Vec<u32> = Vec::with_capacity(leaves.len());
        for (index, leaf) in leaves {
            self.put(0, *index, *leaf);
            touched.push(*index);
        }
        touched.sort_unstable();
        for height in 0..DEPTH {
            touched
                .iter_mut()
                .for_each(|index| *index = index.checked_shr(1).unwrap_or(0));
            touched.dedup();
            for index in &touched {
                let node = compress(self.node(height, 2 * index), self.node(height, 2 * index + 1));
                self.put(height + 1, *index, node);
            }
        }
    }

    /// The root that the tree would have with these leaves, at ascending indices, in place of its own.
    pub fn root_with(&self, leaves: &[(u32, Word)]) -> Word {
        let mut nodes = leaves.to_vec();
        for height in 0..DEPTH {
            let mut above: Vec<(u32, Word)> = Vec::with_capacity(nodes.len());
            let mut rest = nodes.as_slice();
            while let [(index, node), later @ ..] = rest {
                let sibling = index ^ 1;
                let (other, later) = match later {
                    [(next, value), later @ ..] if *next == sibling => (*value, later),
                    _ => (self.node(height, sibling), later),
                };
                let parent = if index & 1 == 0 {
                    compress(*node, other)
                } else {
                    compress(other, *node)
                };
                above.push((index >> 1, parent));
                rest = later;
            }
            nodes = above;
        }
        nodes.first().map_or_else(|| self.root(), |(_, root)| *root)
    }

    fn put(&mut self, height: usize, index: u32, node: Word) {
        let level = &mut self.levels[height];
        if level.len() <= index as usize {
            level.resize(index as usize + 1, self.empty[height]);
        }
        level[index as usize] = node;
    }
}
