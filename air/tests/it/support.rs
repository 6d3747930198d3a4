//! Honest toy proofs for the tests.

use starling_air::adapter::{PublicInputs, Shape, seed_words};
use starling_air::codegen::Recording;
use starling_air::keccak::{KeccakDigest, SettleCoin, SettleHasher};
use starling_air::toy::{Toy, ToyProver};
use starling_air::wire::{Codec, Ext, Parts, settle_options};
use starling_vm::field::Felt;
use winter_air::ProofOptions;
use winterfell::Prover;
use winterfell::math::{FieldElement, StarkField, polynom};

pub(crate) type ToyCodec<'a> = Codec<'a, Toy, SettleHasher, SettleCoin>;

/// A statement about the toy.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) program: [Felt; 4],
    pub(crate) inputs: Vec<Felt>,
    pub(crate) outputs: Vec<Felt>,
}

impl Statement {
    pub(crate) fn example() -> Self {
        let program = [1, 2, 3, 0xffff_ffff_0000_0000].map(Felt::new);
        Self {
            program,
            inputs: vec![Felt::new(9), Felt::ZERO],
            outputs: vec![Felt::new(77)],
        }
    }

    /// The words that the transcript absorbs, in the order of the machine's statements; the toy is chip set 0.
    pub(crate) fn words(&self) -> Vec<Felt> {
        let mut words = [&self.program[..], &[Felt::ZERO]].concat();
        for list in [&self.inputs, &self.outputs] {
            words.push(Felt::new(list.len() as u64));
            words.extend_from_slice(list);
        }
        words
    }

    pub(crate) fn public(&self, toy: Toy, identity: &[u8; 32], options: &ProofOptions) -> PublicInputs<Toy> {
        PublicInputs {
            definition: toy,
            seed: seed_words(identity, options, &self.words()),
            messages: Toy::messages(&self.program, &self.inputs, &self.outputs),
        }
    }
}

/// An AIR, its options, a statement and a proof of it.
pub(crate) struct Honest {
    pub(crate) shape: Shape,
    pub(crate) public: PublicInputs<Toy>,
    pub(crate) proof: winterfell::Proof,
}

impl Honest {
    pub(crate) fn new(toy: Toy, log_length: u32, options: ProofOptions) -> Self {
        let statement = Statement::example();
        let shape = Shape::new(&toy, &options, (9, 20));
        let public = statement.public(toy, &Recording::new(&toy).identity(&shape), &options);
        let trace = toy.trace(1 << log_length, &public.messages);
        let prover = ToyProver::<SettleHasher, SettleCoin>::new(public.clone(), options.clone());
        let proof = prover.prove(trace).expect("the toy proves");
        Self {
            shape: Shape::new(&toy, &options, (9, 20)),
            public,
            proof,
        }
    }

    pub(crate) fn settle(toy: Toy, log_length: u32) -> Self {
        Self::new(toy, log_length, settle_options(41, 16, 127))
    }

    pub(crate) fn codec(&self) -> ToyCodec<'_> {
        Codec::new(&self.shape, &self.public).expect("cubic")
    }

    /// The proof with a remainder chosen after the queries: it differs by a polynomial that vanishes at all of them.
    pub(crate) fn with_chosen_remainder(&self) -> Parts<KeccakDigest<25>> {
        let mut parts = self.codec().parts(&self.proof).expect("takes apart");
        let positions = self.codec().positions(&parts).expect("a transcript");
        let domain = self.shape.options.blowup_factor() * parts.remainder.len();
        let generator = Felt::get_root_of_unity(domain.ilog2());
        let mut roots: Vec<usize> = positions.iter().map(|position| position % domain).collect();
        roots.sort_unstable();
        roots.dedup();
        let roots: Vec<Felt> = roots
            .iter()
            .map(|&root| Felt::GENERATOR * generator.exp_vartime(root as u64))
            .collect();
        assert!(roots.len() < parts.remainder.len());
        let vanishing = polynom::poly_from_roots(&roots);
        for (coefficient, addend) in parts.remainder.iter_mut().rev().zip(vanishing) {
            *coefficient += Ext::from(addend);
        }
        parts
    }
}
