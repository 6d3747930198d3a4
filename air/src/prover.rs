//! From a run to a proof.

use core::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

use starling_vm::executor::RunInputs;
use starling_vm::field::Felt;
use starling_vm::program::Program;
use winter_air::{AuxRandElements, EvaluationFrame, PartitionOptions, ProofOptions, TraceInfo};
use winter_crypto::RandomCoin;
use winter_math::FieldElement;
use winterfell::matrix::ColMatrix;
use winterfell::{
    CompositionPoly, CompositionPolyTrace, ConstraintCompositionCoefficients, Prover, ProverError, StarkDomain, Trace,
    TracePolyTable,
};

use crate::adapter::{PublicInputs, StarkAir};
use crate::auxiliary;
use crate::blake::{Blake, LocalCoin};
use crate::check::Statement;
use crate::commitment::{ExtendedQuotients, ExtendedTrace, Segments};
use crate::evaluator::TapeEvaluator;
use crate::keccak::{Keccak, KeccakCoin};
use crate::machine::{ChipSet, Machine};
use crate::preset::{Flavour, Preset};
use crate::trace::{self, ChipRows, TraceError};
use crate::tree::{EightHasher, Tree};
use crate::verifier::{self, Header};
use crate::wire::{Codec, WireError};

/// A proof, and what the prover knows of it.
#[derive(Clone, Debug)]
pub struct Proven {
    /// The proof.
    pub bytes: Vec<u8>,
    /// What it proves.
    pub statement: Statement,
    /// Its chips.
    pub chips: ChipSet,
    /// Instructions that ran.
    pub cycles: u64,
    /// Rows used in each chip.
    pub rows: ChipRows,
    /// Rows of the trace.
    pub trace_length: usize,
    /// Seconds for the run and the main trace.
    pub trace_seconds: f64,
    /// Seconds for the proof.
    pub prove_seconds: f64,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The run cannot be made into a trace.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The trace is longer than the preset admits.
    #[error("the run needs a trace of 2^{log_length} rows, {preset} admits at most 2^{longest}")]
    TooLong {
        /// Rows needed, as a power of two.
        log_length: u32,
        /// The preset's limit.
        longest: u32,
        /// The preset.
        preset: Preset,
    },
    /// The preset fixes other chips.
    #[error("the trace has the chips {found}, {preset} fixes {expected}")]
    Chips {
        /// The trace's.
        found: ChipSet,
        /// The preset's.
        expected: ChipSet,
        /// The preset.
        preset: Preset,
    },
    /// winterfell's prover refused.
    #[error("the prover failed: {0}")]
    Prover(#[from] ProverError),
    /// The proof does not encode.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// Runs `program` and proves the run.
///
/// # Errors
/// When the run traps, is too long for the preset, or uses a chip that the preset does not admit.
pub fn prove(program: &Program, inputs: &RunInputs, preset: Preset) -> Result<Proven, ProveError> {
    let started = Instant::now();
    let main = trace::build_with(program, inputs, u64::MAX, preset.chips())?;
    let statement = Statement {
        program: program.hash(),
        inputs: inputs.public.clone(),
        outputs: main.outcome.outputs.clone(),
    };
    let trace_seconds = started.elapsed().as_secs_f64();
    let (cycles, rows, trace_length) = (main.outcome.cycles, main.rows, main.columns[0].len());
    let started = Instant::now();
    let chips = main.chips;
    let bytes = prove_trace(main.columns, &statement, chips, preset)?;
    let prove_seconds = started.elapsed().as_secs_f64();
    Ok(Proven {
        bytes,
        statement,
        chips,
        cycles,
        rows,
        trace_length,
        trace_seconds,
        prove_seconds,
    })
}

/// Proves `statement` with the main trace `columns`. Whether the trace satisfies the constraints is not checked: if it
/// does not, the result is a proof that no verifier accepts.
///
/// # Errors
/// When the trace is too long for the preset or has other chips than it fixes, or winterfell's prover refuses it.
pub fn prove_trace(
    columns: Vec<Vec<Felt>>,
    statement: &Statement,
    chips: ChipSet,
    preset: Preset,
) -> Result<Vec<u8>, ProveError> {
    let log_length = columns[0].len().ilog2();
    let longest = preset.log_lengths().1;
    if log_length > longest {
        return Err(ProveError::TooLong {
            log_length,
            longest,
            preset,
        });
    }
    let expected = preset.chips().unwrap_or(chips);
    if chips != expected {
        return Err(ProveError::Chips {
            found: chips,
            expected,
            preset,
        });
    }
    match preset.flavour() {
        Flavour::Blake3 => prove_with::<Blake, LocalCoin>(columns, statement, chips, preset),
        Flavour::Keccak200 => prove_with::<Keccak<25>, KeccakCoin<25>>(columns, statement, chips, preset),
        Flavour::Keccak256 => prove_with::<Keccak<32>, KeccakCoin<32>>(columns, statement, chips, preset),
    }
}

fn prove_with<H, R>(
    columns: Vec<Vec<Felt>>,
    statement: &Statement,
    chips: ChipSet,
    preset: Preset,
) -> Result<Vec<u8>, ProveError>
where
    H: EightHasher,
    R: RandomCoin<BaseField = Felt, Hasher = H> + Send,
{
    let public = verifier::public_inputs(statement, chips, preset);
    let shape = preset.shape(chips);
    let info = shape.trace_info(columns[0].len().ilog2());
    let trace = MachineTrace {
        info,
        main: ColMatrix::new(columns),
    };
    let prover = MachineProver::<H, R> {
        public: public.clone(),
        options: preset.options(),
        segments: Arc::default(),
        _types: PhantomData,
    };
    let proof = prover.prove(trace)?;
    let mut bytes = Header { preset, chips }.to_bytes().to_vec();
    bytes.extend(Codec::<_, H, R>::new(&shape, &public)?.encode(&proof)?.concat());
    Ok(bytes)
}

// TRACE
// ================================================================================================================

struct MachineTrace {
    info: TraceInfo,
    main: ColMatrix<Felt>,
}

impl Trace for MachineTrace {
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

// PROVER
// ================================================================================================================

struct MachineProver<H, R> {
    public: PublicInputs<Machine>,
    options: ProofOptions,
    segments: Arc<Segments>,
    _types: PhantomData<(H, R)>,
}

impl<H, R> Prover for MachineProver<H, R>
where
    H: EightHasher,
    R: RandomCoin<BaseField = Felt, Hasher = H> + Send,
{
    type BaseField = Felt;
    type Air = StarkAir<Machine>;
    type Trace = MachineTrace;
    type HashFn = H;
    type VC = Tree<H>;
    type RandomCoin = R;
    type TraceLde<E: FieldElement<BaseField = Felt>> = ExtendedTrace<H>;
    type ConstraintEvaluator<'a, E: FieldElement<BaseField = Felt>> = TapeEvaluator<'a, Machine, E>;
    type ConstraintCommitment<E: FieldElement<BaseField = Felt>> = ExtendedQuotients<H>;

    fn get_pub_inputs(&self, _: &MachineTrace) -> PublicInputs<Machine> {
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
        _: PartitionOptions,
    ) -> (Self::TraceLde<E>, TracePolyTable<E>) {
        ExtendedTrace::new(trace_info, main_trace, domain, Arc::clone(&self.segments))
    }

    fn new_evaluator<'a, E: FieldElement<BaseField = Felt>>(
        &self,
        air: &'a Self::Air,
        challenges: Option<AuxRandElements<E>>,
        coefficients: ConstraintCompositionCoefficients<E>,
    ) -> Self::ConstraintEvaluator<'a, E> {
        TapeEvaluator::new(air, Arc::clone(&self.segments), challenges, coefficients)
    }

    fn build_constraint_commitment<E: FieldElement<BaseField = Felt>>(
        &self,
        composition: CompositionPolyTrace<E>,
        columns: usize,
        domain: &StarkDomain<Felt>,
        _: PartitionOptions,
    ) -> (Self::ConstraintCommitment<E>, CompositionPoly<E>) {
        ExtendedQuotients::new(composition, columns, domain)
    }

    fn build_aux_trace<E: FieldElement<BaseField = Felt>>(
        &self,
        trace: &MachineTrace,
        challenges: &AuxRandElements<E>,
    ) -> ColMatrix<E> {
        ColMatrix::new(auxiliary::columns(
            &self.public.definition,
            &trace.main,
            challenges.rand_elements(),
        ))
    }
}
