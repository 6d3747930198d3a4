//! The winterfell adapter: any [Definition] as a winterfell [Air], and the checks that must come before it.

use starling_vm::field::Felt;
use winter_air::{
    Air, AirContext, Assertion, AuxRandElements, EvaluationFrame, FieldExtension, PartitionOptions, ProofOptions,
    TraceInfo, TransitionConstraintDegree,
};
use winter_math::{ExtensionOf, FieldElement, StarkField, ToElements};

use crate::bus::{self, PublicMessage};
use crate::definition::{AuxFrame, Definition, MainFrame, Row};

// PUBLIC INPUTS
// ================================================================================================

/// What a proof is about: the AIR, the words that seed the transcript, and the messages that the verifier adds.
#[derive(Clone, Debug)]
pub struct PublicInputs<D> {
    /// The AIR.
    pub definition: D,
    /// Everything that the transcript absorbs beside winterfell's own context: see [seed_words].
    pub seed: Vec<Felt>,
    /// The verifier's side of the buses.
    pub messages: Vec<PublicMessage>,
}

impl<D> ToElements<Felt> for PublicInputs<D> {
    fn to_elements(&self) -> Vec<Felt> {
        self.seed.clone()
    }
}

/// The words that seed a transcript: the AIR's identity, the options that winterfell leaves out, the public words.
///
/// winterfell absorbs widths, length, modulus, number of constraints, extension, folding, remainder, blowup, grinding
/// and queries. It does not absorb the batching methods and the partitions, nor which AIR this is.
pub fn seed_words(identity: &[u8; 32], options: &ProofOptions, words: &[Felt]) -> Vec<Felt> {
    let mut seed = Vec::with_capacity(9 + words.len());
    for limb in identity.chunks_exact(4) {
        seed.push(Felt::new(u64::from(u32::from_be_bytes([
            limb[0], limb[1], limb[2], limb[3],
        ]))));
    }
    seed.push(Felt::new(unabsorbed_options(options)));
    seed.extend_from_slice(words);
    seed
}

/// The options that winterfell's context leaves out, packed into one element.
pub fn unabsorbed_options(options: &ProofOptions) -> u64 {
    let single = PartitionOptions::new(1, 1) == options.partition_options();
    let partitions = u64::from(!single);
    (options.constraint_batching_method() as u64) << 16 | (options.deep_poly_batching_method() as u64) << 8 | partitions
}

// AIR
// ================================================================================================

/// A [Definition] as winterfell sees it.
///
/// The constructor does not check the trace information that a proof claims: build it only from a [Shape]'s own
/// [TraceInfo], as `wire` does, or after [Shape::check].
pub struct StarkAir<D> {
    context: AirContext<Felt>,
    definition: D,
    messages: Vec<PublicMessage>,
}

impl<D> StarkAir<D> {
    /// The AIR.
    pub fn definition(&self) -> &D {
        &self.definition
    }

    /// The verifier's side of the buses.
    pub fn messages(&self) -> &[PublicMessage] {
        &self.messages
    }
}

impl<D: Definition> Air for StarkAir<D> {
    type BaseField = Felt;
    type PublicInputs = PublicInputs<D>;

    fn new(trace_info: TraceInfo, public: Self::PublicInputs, options: ProofOptions) -> Self {
        let PublicInputs {
            definition, messages, ..
        } = public;
        let context = context(&definition, trace_info, options);
        Self {
            context,
            definition,
            messages,
        }
    }

    fn context(&self) -> &AirContext<Felt> {
        &self.context
    }

    fn evaluate_transition<E: FieldElement<BaseField = Felt>>(
        &self,
        frame: &EvaluationFrame<E>,
        periodic: &[E],
        result: &mut [E],
    ) {
        let frame = MainFrame {
            current: frame.current(),
            next: frame.next(),
            periodic,
        };
        self.definition.eval_main(&frame, result);
    }

    fn evaluate_aux_transition<F, E>(
        &self,
        main: &EvaluationFrame<F>,
        aux: &EvaluationFrame<E>,
        periodic: &[F],
        challenges: &AuxRandElements<E>,
        result: &mut [E],
    ) where
        F: FieldElement<BaseField = Felt>,
        E: FieldElement<BaseField = Felt> + ExtensionOf<F>,
    {
        let main = MainFrame {
            current: main.current(),
            next: main.next(),
            periodic,
        };
        let aux = AuxFrame {
            current: aux.current(),
            next: aux.next(),
            challenges: challenges.rand_elements(),
        };
        self.definition.eval_aux(&main, &aux, result);
    }

    fn get_assertions(&self) -> Vec<Assertion<Felt>> {
        let last = self.context.trace_len() - 1;
        let assertions = self.definition.main_assertions().into_iter();
        assertions
            .map(|(column, row, value)| {
                let row = match row {
                    Row::First => 0,
                    Row::Last => last,
                };
                Assertion::single(column, row, Felt::new(value))
            })
            .collect()
    }

    fn get_aux_assertions<E: FieldElement<BaseField = Felt>>(
        &self,
        challenges: &AuxRandElements<E>,
    ) -> Vec<Assertion<E>> {
        let column = self.definition.accumulator();
        let sum = bus::final_accumulator(challenges.rand_elements(), &self.messages);
        vec![
            Assertion::single(column, 0, E::ZERO),
            Assertion::single(column, self.context.trace_len() - 1, sum),
        ]
    }

    fn get_periodic_column_values(&self) -> Vec<Vec<Felt>> {
        let columns = self.definition.periodic_columns().into_iter();
        columns
            .map(|column| column.into_iter().map(Felt::new).collect())
            .collect()
    }
}

fn degrees(list: Vec<(usize, Vec<usize>)>) -> Vec<TransitionConstraintDegree> {
    list.into_iter()
        .map(|(base, cycles)| match cycles.is_empty() {
            true => TransitionConstraintDegree::new(base),
            false => TransitionConstraintDegree::with_cycles(base, cycles),
        })
        .collect()
}

fn context<D: Definition>(definition: &D, trace_info: TraceInfo, options: ProofOptions) -> AirContext<Felt> {
    AirContext::new_multi_segment(
        trace_info,
        degrees(definition.main_degrees()),
        degrees(definition.aux_degrees()),
        definition.main_assertions().len(),
        2,
        options,
    )
}

// SHAPE
// ================================================================================================

/// Everything about a proof that follows from the AIR and the options, before any of its bytes is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Columns of the main segment.
    pub main_width: usize,
    /// Columns of the auxiliary segment.
    pub aux_width: usize,
    /// Challenges drawn for the auxiliary segment.
    pub num_challenges: usize,
    /// Columns of the composition polynomial.
    pub quotients: usize,
    /// Transition constraints, main then auxiliary.
    pub transitions: (usize, usize),
    /// Assertions, main then auxiliary.
    pub assertions: (usize, usize),
    /// The one option set that is accepted.
    pub options: ProofOptions,
    /// The shortest and the longest trace, as powers of two.
    pub log_lengths: (u32, u32),
}

impl Shape {
    /// The shape of the proofs of `definition` under `options`, with traces of 2^`log_lengths.0` to 2^`log_lengths.1`
    /// rows.
    pub fn new<D: Definition>(definition: &D, options: &ProofOptions, log_lengths: (u32, u32)) -> Self {
        let trace_info = |log_length: u32| {
            let (main, aux) = (definition.main_width(), definition.aux_width());
            TraceInfo::new_multi_segment(main, aux, definition.num_challenges(), 1 << log_length, vec![])
        };
        let columns = |log_length| {
            context(definition, trace_info(log_length), options.clone()).num_constraint_composition_columns()
        };
        assert_eq!(
            columns(log_lengths.0),
            columns(log_lengths.1),
            "as many quotients at every length"
        );
        Self {
            main_width: definition.main_width(),
            aux_width: definition.aux_width(),
            num_challenges: definition.num_challenges(),
            quotients: columns(log_lengths.0),
            transitions: (definition.main_degrees().len(), definition.aux_degrees().len()),
            assertions: (definition.main_assertions().len(), 2),
            options: options.clone(),
            log_lengths,
        }
    }

    /// The trace information of a proof over 2^`log_length` rows.
    pub fn trace_info(&self, log_length: u32) -> TraceInfo {
        TraceInfo::new_multi_segment(
            self.main_width,
            self.aux_width,
            self.num_challenges,
            1 << log_length,
            vec![],
        )
    }

    /// All constraints: transitions and assertions.
    pub fn num_constraints(&self) -> usize {
        self.transitions.0 + self.transitions.1 + self.assertions.0 + self.assertions.1
    }

    /// Columns opened at the out-of-domain point.
    pub fn columns(&self) -> usize {
        self.main_width + self.aux_width + self.quotients
    }

    /// FRI layers of a proof over 2^`log_length` rows, without the remainder.
    pub fn num_layers(&self, log_length: u32) -> usize {
        let domain = (1usize << log_length) * self.options.blowup_factor();
        self.options.to_fri_options().num_fri_layers(domain)
    }

    /// Coefficients of the FRI remainder of a proof over 2^`log_length` rows.
    pub fn remainder_len(&self, log_length: u32) -> usize {
        let folding = self.options.to_fri_options().folding_factor().ilog2();
        1 << (log_length - folding * self.num_layers(log_length) as u32)
    }

    /// The context that a proof over 2^`log_length` rows must carry.
    pub fn context(&self, log_length: u32) -> winter_air::proof::Context {
        let trace_info = self.trace_info(log_length);
        winter_air::proof::Context::new::<Felt>(trace_info, self.options.clone(), self.num_constraints())
    }

    /// The degree of the field extension.
    pub fn extension_degree(&self) -> usize {
        match self.options.field_extension() {
            FieldExtension::None => 1,
            FieldExtension::Quadratic => 2,
            FieldExtension::Cubic => 3,
        }
    }

    /// The generator of the evaluation domain over 2^`log_length` rows.
    pub fn domain_generator(&self, log_length: u32) -> Felt {
        Felt::get_root_of_unity(log_length + self.options.blowup_factor().ilog2())
    }
}
