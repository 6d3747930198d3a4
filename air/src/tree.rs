//! Merkle trees whose nodes are hashed eight at a time.

use rayon::prelude::*;
use starling_vm::field::Felt;
use winter_crypto::{BatchMerkleProof, ElementHasher, Hasher, MerkleTree, MerkleTreeError, VectorCommitment};

use crate::lanes::{Row, WIDTH};
use crate::segment::{Coset, Segment, spread};

/// A hash function that hashes eight inputs of one length at once. The results are those of the single calls.
pub trait EightHasher: ElementHasher<BaseField = Felt> + Sync + Send {
    /// [ElementHasher::hash_elements] of eight lists: lane `i` of `words` is the `i`-th, in winter-math's representation.
    fn hash_eight(words: &[Row]) -> [Self::Digest; WIDTH];

    /// [Hasher::merge] of eight pairs.
    fn merge_eight(pairs: &[[Self::Digest; 2]; WIDTH]) -> [Self::Digest; WIDTH];
}

/// [EightHasher::hash_eight] by single calls: the better way where lanes are no registers.
pub(crate) fn one_by_one<H: EightHasher>(words: &[Row]) -> [H::Digest; WIDTH] {
    core::array::from_fn(|lane| {
        let elements: Vec<Felt> = words.iter().map(|word| Felt::from_mont(word.0[lane])).collect();
        H::hash_elements(&elements)
    })
}

/// winterfell's Merkle tree, with its nodes hashed eight at a time.
#[derive(Debug)]
pub struct Tree<H: Hasher>(MerkleTree<H>);

/// Nodes that one task hashes.
const BATCH: usize = 1024;

impl<H: EightHasher> Tree<H> {
    /// The tree over the rows of a segment.
    pub fn over(segment: &Segment) -> Self {
        let (split, blowup) = (segment.split(), segment.blowup());
        let mut leaves = vec![H::Digest::default(); segment.domain()];
        let mut values = Coset::of(segment);
        let mut digests = vec![H::Digest::default(); split.length()];
        for coset in 0..blowup {
            values.fill(segment, coset);
            digests
                .par_chunks_mut(split.second)
                .enumerate()
                .for_each(|(run, digests)| {
                    let mut words = vec![Row::default(); segment.columns()];
                    for (tile, digests) in digests.chunks_exact_mut(WIDTH).enumerate() {
                        values.read_eight(run * split.second + tile * WIDTH, &mut words);
                        digests.copy_from_slice(&H::hash_eight(&words));
                    }
                });
            spread(&digests, split, coset, blowup, &mut leaves);
        }
        Self::new_unchecked(leaves)
    }

    fn new_unchecked(leaves: Vec<H::Digest>) -> Self {
        Self::new(leaves).expect("a power of two of leaves")
    }

    fn nodes(leaves: &[H::Digest]) -> Vec<H::Digest> {
        let mut nodes = vec![H::Digest::default(); leaves.len()];
        let mut level = leaves.len() / 2;
        while level > 0 {
            // The nodes of a level stand at `level..2 * level`, their children twice as far.
            let (parents, below) = nodes.split_at_mut(2 * level);
            let children = if 2 * level == leaves.len() {
                leaves
            } else {
                &below[..2 * level]
            };
            parents[level..]
                .par_chunks_mut(BATCH)
                .zip(children.par_chunks(2 * BATCH))
                .for_each(|(parents, children)| merge_all::<H>(children, parents));
            level /= 2;
        }
        nodes
    }
}

/// Each of `parents` from two of `children`.
fn merge_all<H: EightHasher>(children: &[H::Digest], parents: &mut [H::Digest]) {
    for (children, parents) in children.chunks(2 * WIDTH).zip(parents.chunks_mut(WIDTH)) {
        let mut pairs = [[H::Digest::default(); 2]; WIDTH];
        for (pair, children) in pairs.iter_mut().zip(children.chunks_exact(2)) {
            pair.copy_from_slice(children);
        }
        match parents {
            [one] => *one = H::merge(&pairs[0]),
            _ => parents.copy_from_slice(&H::merge_eight(&pairs)[..parents.len()]),
        }
    }
}

impl<H: EightHasher> VectorCommitment<H> for Tree<H> {
    type Options = ();
    type Proof = Vec<H::Digest>;
    type MultiProof = BatchMerkleProof<H>;
    type Error = MerkleTreeError;

    fn with_options(leaves: Vec<H::Digest>, (): ()) -> Result<Self, MerkleTreeError> {
        if leaves.len() < 2 || !leaves.len().is_power_of_two() {
            return MerkleTree::new(leaves).map(Self);
        }
        MerkleTree::from_raw_parts(Self::nodes(&leaves), leaves).map(Self)
    }

    fn commitment(&self) -> H::Digest {
        *self.0.root()
    }

    fn domain_len(&self) -> usize {
        1 << self.0.depth()
    }

    fn get_proof_domain_len(proof: &Self::Proof) -> usize {
        1 << proof.len()
    }

    fn get_multiproof_domain_len(proof: &Self::MultiProof) -> usize {
        1 << proof.depth
    }

    fn open(&self, index: usize) -> Result<(H::Digest, Self::Proof), MerkleTreeError> {
        self.0.prove(index)
    }

    fn open_many(&self, indexes: &[usize]) -> Result<(Vec<H::Digest>, Self::MultiProof), MerkleTreeError> {
        self.0.prove_batch(indexes)
    }

    fn verify(
        commitment: H::Digest,
        index: usize,
        item: H::Digest,
        proof: &Self::Proof,
    ) -> Result<(), MerkleTreeError> {
        MerkleTree::<H>::verify(commitment, index, item, proof)
    }

    fn verify_many(
        commitment: H::Digest,
        indexes: &[usize],
        items: &[H::Digest],
        proof: &Self::MultiProof,
    ) -> Result<(), MerkleTreeError> {
        MerkleTree::<H>::verify_batch(&commitment, indexes, items, proof)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blake::Blake;
    use crate::keccak::Keccak;

    fn check<H: EightHasher>() {
        for length in [1, 15, 16, 17, 24, 127, 128, 145, 255] {
            let word = |i: usize| Felt::new(i as u64).inner();
            let words: Vec<Row> = (0..length)
                .map(|i| Row(core::array::from_fn(|lane| word(1000 * i + lane))))
                .collect();
            let digests = H::hash_eight(&words);
            assert_eq!(digests, one_by_one::<H>(&words), "{length} elements");
            let pairs = core::array::from_fn(|lane| [digests[lane], digests[(lane + length) % WIDTH]]);
            assert_eq!(
                H::merge_eight(&pairs),
                core::array::from_fn(|lane| H::merge(&pairs[lane]))
            );
        }
    }

    #[test]
    fn eight_digests_are_those_of_single_calls() {
        check::<Blake>();
        check::<Keccak<25>>();
        check::<Keccak<32>>();
    }

    #[test]
    fn trees_are_those_of_the_library() {
        for length in [2, 4, 16, 32, 4096] {
            let leaves: Vec<_> = (0..length).map(|i: u64| Blake::hash(&i.to_le_bytes())).collect();
            let theirs = MerkleTree::<Blake>::new(leaves.clone()).expect("a tree");
            let ours = Tree::<Blake>::new(leaves).expect("a tree");
            assert_eq!(ours.commitment(), *theirs.root());
            let opened = ours.open_many(&[0, length as usize - 1]).expect("leaves");
            let expected = theirs.prove_batch(&[0, length as usize - 1]).expect("leaves");
            assert_eq!((opened.0, opened.1.nodes), (expected.0, expected.1.nodes));
        }
        for length in [0, 1, 3] {
            let leaves = vec![Blake::hash(&[]); length];
            assert!(Tree::<Blake>::new(leaves).is_err(), "{length} leaves");
        }
    }
}
