//! The smallest AIR with every feature of the real one: tests and measurements of the verifier stand on it.
//!
//! A counter, some columns with constraints up to degree 9 and periodic factors, and one bus on which the trace puts
//! the messages that the verifier knows.

use core::marker::PhantomData;

use starling_vm::algebra::Algebra;
use starling_vm::field::Felt;
use winter_air::{AuxRandElements, EvaluationFrame, PartitionOptions, ProofOptions, TraceInfo};
use winter_crypto::{ElementHasher, MerkleTree, RandomCoin};
use winter_math::{FieldElement, StarkField};
use winterfell::matrix::ColMatrix;
use winterfell::{
    CompositionPoly, CompositionPolyTrace, ConstraintCompositionCoefficients, DefaultConstraintCommitment,
    DefaultConstraintEvaluator, DefaultTraceLde, Prover, StarkDomain, Trace, TracePolyTable,
};

use crate::adapter::{PublicInputs, StarkAir};
use crate::bus::{self, PublicMessage, Side};
use crate::definition::{AuxFrame, Definition, Extends, MainFrame, Row};

/// Fields of a message, its tag included.
const FIELDS: usize = 7;
const CLOCK: usize = 0;
const FLAG: usize = 1;
const MULTIPLICITY: usize = 2;
const MESSAGE: usize = 3;
const PAIRS: usize = MESSAGE + FIELDS;
const MAIN_HELPER: usize = 0;
const MAIN_SUM: usize = 1;

/// The toy AIR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Toy {
    /// Copies of its pair of high-degree columns; 42 of them make it as wide as the machine.
    pub copies: usize,
}

impl Definition for Toy {
    fn main_width(&self) -> usize {
        PAIRS + 2 * self.copies
    }

    fn aux_width(&self) -> usize {
        2
    }

    fn num_challenges(&self) -> usize {
        2
    }

    fn accumulator(&self) -> usize {
        MAIN_SUM
    }

    fn periodic_columns(&self) -> Vec<Vec<u64>> {
        vec![
            vec![0, 1],
            vec![1, 0, 0, 0, 0, 0, 0, 1],
            vec![7, 11, 1 << 63, 13, 17, 19, 23, Felt::MODULUS - 1],
        ]
    }

    fn main_degrees(&self) -> Vec<(usize, Vec<usize>)> {
        let mut degrees = vec![(1, vec![]), (2, vec![]), (1, vec![2])];
        for _ in 0..self.copies {
            degrees.extend([(8, vec![8]), (2, vec![])]);
        }
        degrees
    }

    fn aux_degrees(&self) -> Vec<(usize, Vec<usize>)> {
        vec![(2, vec![]), (1, vec![])]
    }

    fn main_assertions(&self) -> Vec<(usize, Row, u64)> {
        vec![(FLAG, Row::Last, 1), (CLOCK, Row::First, 0), (FLAG, Row::First, 0)]
    }

    fn eval_main<A: Algebra>(&self, frame: &MainFrame<'_, A>, out: &mut [A]) {
        let [parity, ends, constant] = [0, 1, 2].map(|i| frame.periodic[i].clone());
        let (current, next) = (frame.current, frame.next);
        out[0] = next[CLOCK].clone() - current[CLOCK].clone() - A::one();
        out[1] = current[FLAG].clone() * (A::one() - current[FLAG].clone());
        out[2] = current[FLAG].clone() - parity;
        for copy in 0..self.copies {
            let at = PAIRS + 2 * copy;
            let (x, y) = (current[at].clone(), current[at + 1].clone());
            let power = (x.clone() + constant.clone()).pow7();
            out[3 + 2 * copy] =
                next[at].clone() - (power * y.clone() * ends.clone() + (x.clone() + y.clone()) * A::constant(3));
            out[4 + 2 * copy] = next[at + 1].clone() - (y - x.squared() - current[CLOCK].clone());
        }
    }

    fn eval_aux<A: Algebra, X: Extends<A>>(&self, main: &MainFrame<'_, A>, aux: &AuxFrame<'_, X>, out: &mut [X]) {
        let [alpha, beta] = [&aux.challenges[0], &aux.challenges[1]];
        let message = bus::denominator(alpha, beta, &main.current[MESSAGE..PAIRS]);
        let helper = aux.current[MAIN_HELPER].clone();
        out[0] = helper.clone() * message - X::embed(main.current[MULTIPLICITY].clone());
        out[1] = aux.next[MAIN_SUM].clone() - aux.current[MAIN_SUM].clone() - helper;
    }
}

impl Toy {
    /// Public messages for any words, laid out as the machine's: one for the program, one for each input and output.
    pub fn messages(program: &[Felt; 4], inputs: &[Felt], outputs: &[Felt]) -> Vec<PublicMessage> {
        let zeros = [Felt::ZERO; 2];
        let tagged = |tag: u64, side, rest: &[Felt]| PublicMessage {
            side,
            fields: [&[Felt::new(tag)], rest].concat(),
        };
        let mut messages = vec![tagged(1, Side::Plus, &[&zeros[..], program].concat())];
        for (tag, words, side) in [(2, inputs, Side::Plus), (3, outputs, Side::Minus)] {
            let words = words.iter().enumerate();
            messages.extend(words.map(|(i, word)| tagged(tag, side, &[Felt::new(i as u64), *word])));
        }
        messages
    }

    /// A trace of `length` rows that puts the other side of every message on the bus.
    pub fn trace(&self, length: usize, messages: &[PublicMessage]) -> ToyTrace {
        assert!(
            messages.len() < length,
            "a row for every message, and the last row is dead"
        );
        let info = TraceInfo::new_multi_segment(self.main_width(), 2, 2, length, vec![]);
        let mut columns = vec![vec![Felt::ZERO; length]; self.main_width()];
        let periodic = self.periodic_columns();
        for copy in 0..self.copies {
            columns[PAIRS + 2 * copy][0] = Felt::new(3 + copy as u64);
            columns[PAIRS + 2 * copy + 1][0] = Felt::new(5 + copy as u64);
        }
        for row in 0..length {
            columns[CLOCK][row] = Felt::new(row as u64);
            columns[FLAG][row] = Felt::new(row as u64 % 2);
            if let Some(message) = messages.get(row) {
                columns[MULTIPLICITY][row] = if message.side == Side::Plus {
                    -Felt::ONE
                } else {
                    Felt::ONE
                };
                for (i, field) in message.fields.iter().enumerate() {
                    columns[MESSAGE + i][row] = *field;
                }
            }
            if row + 1 < length {
                for at in (PAIRS..self.main_width()).step_by(2) {
                    let (x, y) = (columns[at][row], columns[at + 1][row]);
                    let power = Algebra::pow7(&(x + Felt::new(periodic[2][row % 8])));
                    let ends = Felt::new(periodic[1][row % 8]);
                    columns[at][row + 1] = power * y * ends + (x + y) * Felt::new(3);
                    columns[at + 1][row + 1] = y - x * x - columns[CLOCK][row];
                }
            }
        }
        ToyTrace {
            info,
            main: ColMatrix::new(columns),
        }
    }
}

// PROVER
// ================================================================================================

/// The main segment of a toy trace.
pub struct ToyTrace {
    info: TraceInfo,
    main: ColMatrix<Felt>,
}

impl Trace for ToyTrace {
    type BaseField = Felt;

    fn info(&self) -> &TraceInfo {
        &self.info
    }

    fn main_segment(&self) -> &ColMatrix<Felt> {
        &self.main
    }

    fn read_main_frame(&self, row: usize, frame: &mut EvaluationFrame<Felt>) {
        self.main.read_row_into(row, frame.current_mut());
        self.main
            .read_row_into((row + 1) % self.info.length(), frame.next_mut());
    }
}

/// A prover for [Toy].
pub struct ToyProver<H, R> {
    public: PublicInputs<Toy>,
    options: ProofOptions,
    _types: PhantomData<(H, R)>,
}

impl<H, R> ToyProver<H, R> {
    /// A prover of the statement `public`.
    pub fn new(public: PublicInputs<Toy>, options: ProofOptions) -> Self {
        Self {
            public,
            options,
            _types: PhantomData,
        }
    }
}

impl<H, R> Prover for ToyProver<H, R>
where
    H: ElementHasher<BaseField = Felt> + Sync + Send,
    R: RandomCoin<BaseField = Felt, Hasher = H> + Send,
{
    type BaseField = Felt;
    type Air = StarkAir<Toy>;
    type Trace = ToyTrace;
    type HashFn = H;
    type VC = MerkleTree<H>;
    type RandomCoin = R;
    type TraceLde<E: FieldElement<BaseField = Felt>> = DefaultTraceLde<E, H, MerkleTree<H>>;
    type ConstraintEvaluator<'a, E: FieldElement<BaseField = Felt>> = DefaultConstraintEvaluator<'a, Self::Air, E>;
    type ConstraintCommitment<E: FieldElement<BaseField = Felt>> = DefaultConstraintCommitment<E, H, MerkleTree<H>>;

    fn get_pub_inputs(&self, _trace: &ToyTrace) -> PublicInputs<Toy> {
        self.public.clone()
    }

    fn options(&self) -> &ProofOptions {
        &self.options
    }

    fn new_trace_lde<E: FieldElement<BaseField = Felt>>(
        &self,
        trace_info: &TraceInfo,
        main_trace: &ColMatrix<Felt>,
        domain: &StarkDomain<Felt>,
        partitions: PartitionOptions,
    ) -> (Self::TraceLde<E>, TracePolyTable<E>) {
        DefaultTraceLde::new(trace_info, main_trace, domain, partitions)
    }

    fn new_evaluator<'a, E: FieldElement<BaseField = Felt>>(
        &self,
        air: &'a Self::Air,
        challenges: Option<AuxRandElements<E>>,
        coefficients: ConstraintCompositionCoefficients<E>,
    ) -> Self::ConstraintEvaluator<'a, E> {
        DefaultConstraintEvaluator::new(air, challenges, coefficients)
    }

    fn build_constraint_commitment<E: FieldElement<BaseField = Felt>>(
        &self,
        composition: CompositionPolyTrace<E>,
        columns: usize,
        domain: &StarkDomain<Felt>,
        partitions: PartitionOptions,
    ) -> (Self::ConstraintCommitment<E>, CompositionPoly<E>) {
        DefaultConstraintCommitment::new(composition, columns, domain, partitions)
    }

    fn build_aux_trace<E: FieldElement<BaseField = Felt>>(
        &self,
        trace: &ToyTrace,
        challenges: &AuxRandElements<E>,
    ) -> ColMatrix<E> {
        let [alpha, beta] = [challenges.rand_elements()[0], challenges.rand_elements()[1]];
        let length = trace.info.length();
        let (mut helpers, mut sums) = (vec![E::ZERO; length], vec![E::ZERO; length]);
        for row in 0..length {
            let multiplicity = trace.main.get(MULTIPLICITY, row);
            if multiplicity != Felt::ZERO {
                let message: Vec<E> = (MESSAGE..PAIRS)
                    .map(|column| E::from(trace.main.get(column, row)))
                    .collect();
                helpers[row] = E::from(multiplicity) / bus::denominator::<E, E>(&alpha, &beta, &message);
            }
            if row + 1 < length {
                sums[row + 1] = sums[row] + helpers[row];
            }
        }
        ColMatrix::new(vec![helpers, sums])
    }
}
