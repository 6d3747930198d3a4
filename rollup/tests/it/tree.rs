//! The tree against a naive one.

use std::collections::BTreeMap;

use proptest::prelude::*;
use starling_rollup::account::EMPTY_LEAF;
use starling_rollup::tree::{DEPTH, Tree};
use starling_vm::field::{Felt, Word};
use starling_vm::poseidon2::compress;

/// The root of `leaves`, by recursion over the whole tree, empty subtrees cut short.
fn naive(leaves: &BTreeMap<u32, Word>, height: usize, index: u64) -> Word {
    let (first, last) = (index << height, ((index + 1) << height) - 1);
    if leaves.range(first as u32..=last as u32).next().is_none() {
        return (0..height).fold(EMPTY_LEAF, |node, _| compress(node, node));
    }
    match height {
        0 => leaves[&(index as u32)],
        _ => compress(
            naive(leaves, height - 1, 2 * index),
            naive(leaves, height - 1, 2 * index + 1),
        ),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn root_and_paths_match_the_naive_tree(batches in proptest::collection::vec(
        proptest::collection::vec((0u32..300, any::<[u64; 4]>()), 1..20), 1..5)) {
        let mut tree = Tree::default();
        let mut leaves = BTreeMap::new();
        for batch in batches {
            let batch: Vec<(u32, Word)> = batch.into_iter().map(|(i, w)| (i, w.map(Felt::new))).collect();
            leaves.extend(batch.iter().copied());
            tree.set_many(&batch);
            prop_assert_eq!(tree.root(), naive(&leaves, DEPTH, 0));
        }
        for index in [0, 1, 150, 299, 300, 70_000, u32::MAX] {
            let path = tree.path(index);
            prop_assert!(path.leads_to(tree.root()));
            prop_assert_eq!(path.leaf, leaves.get(&index).copied().unwrap_or(EMPTY_LEAF));
            let mut wrong = path.clone();
            wrong.index ^= 1;
            prop_assert!(!wrong.leads_to(tree.root()) || path.leaf == path.siblings[0]);
        }
    }
}
