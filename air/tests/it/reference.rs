//! Our prover and winterfell's own give the same proofs, byte for byte.

use core::marker::PhantomData;

use starling_air::adapter::{PublicInputs, StarkAir};
use starling_air::blake::{Blake, LocalCoin};
use starling_air::bus::BusColumns;
use starling_air::check::Statement;
use starling_air::definition::{Definition, MainFrame};
use starling_air::keccak::{Keccak, KeccakCoin};
use starling_air::machine::{ChipSet, Machine};
use starling_air::preset::{Flavour, Preset};
use starling_air::prover::prove_trace;
use starling_air::verifier::{Header, public_inputs};
use starling_air::wire::Codec;
use starling_vm::field::Felt;
use winter_air::{AuxRandElements, EvaluationFrame, PartitionOptions, ProofOptions, TraceInfo};
use winter_crypto::{ElementHasher, MerkleTree, RandomCoin};
use winter_math::FieldElement;
use winterfell::matrix::ColMatrix;
use winterfell::{
    CompositionPoly, CompositionPolyTrace, ConstraintCompositionCoefficients, DefaultConstraintCommitment,
    DefaultConstraintEvaluator, DefaultTraceLde, Prover, StarkDomain, Trace, TracePolyTable,
};

use crate::auxiliary::AuxLie;
use crate::samples::{random, tour};

/// The auxiliary columns, row by row.
pub(crate) fn aux_columns<E: FieldElement<BaseField = Felt>>(
    machine: &Machine,
    main: &ColMatrix<Felt>,
    challenges: &[E],
) -> Vec<Vec<E>> {
    let (length, accumulator) = (main.num_rows(), machine.accumulator());
    let periodic = machine.periodic_columns();
    let mut columns = vec![vec![E::ZERO; length]; machine.aux_width()];
    let mut sum = E::ZERO;
    for row in 0..length {
        let cells = |row: usize| main.columns().map(|column| column[row]).collect::<Vec<_>>();
        let (current, next) = (cells(row), cells((row + 1) % length));
        let periodic: Vec<Felt> = periodic.iter().map(|c| Felt::new(c[row % c.len()])).collect();
        let frame = MainFrame {
            current: &current,
            next: &next,
            periodic: &periodic,
        };
        let mut bus = BusColumns::new(challenges, machine.aux_width());
        machine.messages::<Felt, E>(&frame, &mut bus);
        let before = sum;
        for (column, fractions) in columns.iter_mut().zip(bus.columns()) {
            let (numerator, denominator) = fractions.parts();
            column[row] = numerator / denominator;
            sum += column[row];
        }
        columns[accumulator][row] = before;
    }
    columns
}

struct ReferenceTrace {
    info: TraceInfo,
    main: ColMatrix<Felt>,
}

impl Trace for ReferenceTrace {
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

/// The machine's prover made of winterfell's default parts.
struct Reference<H, R> {
    public: PublicInputs<Machine>,
    options: ProofOptions,
    lie: Option<AuxLie>,
    _types: PhantomData<(H, R)>,
}

impl<H, R> Prover for Reference<H, R>
where
    H: ElementHasher<BaseField = Felt> + Sync + Send,
    R: RandomCoin<BaseField = Felt, Hasher = H> + Send,
{
    type BaseField = Felt;
    type Air = StarkAir<Machine>;
    type Trace = ReferenceTrace;
    type HashFn = H;
    type VC = MerkleTree<H>;
    type RandomCoin = R;
    type TraceLde<E: FieldElement<BaseField = Felt>> = DefaultTraceLde<E, H, MerkleTree<H>>;
    type ConstraintEvaluator<'a, E: FieldElement<BaseField = Felt>> = DefaultConstraintEvaluator<'a, Self::Air, E>;
    type ConstraintCommitment<E: FieldElement<BaseField = Felt>> = DefaultConstraintCommitment<E, H, MerkleTree<H>>;

    fn get_pub_inputs(&self, _: &ReferenceTrace) -> PublicInputs<Machine> {
        self.public.clone()
    }

    fn options(&self) -> &ProofOptions {
        &self.options
    }

    fn new_trace_lde<E: FieldElement<BaseField = Felt>>(
        &self,
        info: &TraceInfo,
        main: &ColMatrix<Felt>,
        domain: &StarkDomain<Felt>,
        partitions: PartitionOptions,
    ) -> (Self::TraceLde<E>, TracePolyTable<E>) {
        DefaultTraceLde::new(info, main, domain, partitions)
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
        trace: &ReferenceTrace,
        challenges: &AuxRandElements<E>,
    ) -> ColMatrix<E> {
        let (machine, challenges) = (&self.public.definition, challenges.rand_elements());
        let mut columns = aux_columns(machine, &trace.main, challenges);
        if let Some(lie) = self.lie {
            lie.tell(&mut columns, machine.accumulator(), challenges, &self.public.messages);
        }
        ColMatrix::new(columns)
    }
}

/// A proof by winterfell's own prover, whose auxiliary columns may lie.
pub(crate) fn reference<H, R>(
    columns: Vec<Vec<Felt>>,
    statement: &Statement,
    chips: ChipSet,
    preset: Preset,
    lie: Option<AuxLie>,
) -> Vec<u8>
where
    H: ElementHasher<BaseField = Felt> + Sync + Send,
    R: RandomCoin<BaseField = Felt, Hasher = H> + Send,
{
    let public = public_inputs(statement, chips, preset);
    let shape = preset.shape(chips);
    let trace = ReferenceTrace {
        info: shape.trace_info(columns[0].len().ilog2()),
        main: ColMatrix::new(columns),
    };
    let prover = Reference::<H, R> {
        public: public.clone(),
        options: preset.options(),
        lie,
        _types: PhantomData,
    };
    let proof = prover.prove(trace).expect("a proof");
    let mut bytes = Header { preset, chips }.to_bytes().to_vec();
    let codec = Codec::<_, H, R>::new(&shape, &public).expect("a statement");
    bytes.extend(codec.encode(&proof).expect("an encoding").concat());
    bytes
}

fn same_proof(columns: &[Vec<Felt>], statement: &Statement, chips: ChipSet, preset: Preset) {
    let ours = prove_trace(columns.to_vec(), statement, chips, preset).expect("a proof");
    let reference = match preset.flavour() {
        Flavour::Blake3 => reference::<Blake, LocalCoin>,
        Flavour::Keccak200 => reference::<Keccak<25>, KeccakCoin<25>>,
        Flavour::Keccak256 => reference::<Keccak<32>, KeccakCoin<32>>,
    };
    let theirs = reference(columns.to_vec(), statement, chips, preset, None);
    // Not `assert_eq`: nobody wants to read the bytes.
    assert!(ours == theirs, "{preset}, {chips:?}: the proofs differ");
}

/// On one thread: several race for the nonce of the proof of work, also where any will do.
#[test]
fn proofs_are_those_of_winterfell() {
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let mut samples: Vec<_> = tour().into_iter().map(|(_, sample)| sample).collect();
    // Lengths of an even and of an odd power of two.
    samples.extend([random(1, 300), random(2, 2000)]);
    for (i, sample) in samples.iter().enumerate() {
        let (columns, statement, chips) = (&sample.trace.columns, &sample.statement, sample.trace.chips);
        alone.install(|| same_proof(columns, statement, chips, Preset::DevFast));
        let admits = |preset: &Preset| preset.chips().is_none_or(|fixed| fixed == chips);
        let presets: Vec<Preset> = Preset::SECURE.into_iter().filter(admits).collect();
        let preset = presets[i % presets.len()];
        alone.install(|| same_proof(columns, statement, chips, preset));
    }
}
