//! The constraints' composition, evaluated on cosets.
//!
//! The constraints are recorded once a proof, with the challenges and the coefficients as constants; the tape that comes
//! of it runs on [POINTS] points at a time. The result is what winterfell's evaluator gives: with coefficients `c_i`,
//! `T (x - h) / (x^n - 1) + F / (x - 1) + L / (x - h)`, where T combines the transition constraints, F and L the boundary
//! constraints of the first and the last row, and h is the last row's point.

use std::sync::Arc;

use rayon::prelude::*;
use starling_vm::algebra::Algebra;
use starling_vm::field::Felt;
use winter_air::AuxRandElements;
use winter_math::{FieldElement, StarkField, batch_inversion};
use winterfell::{CompositionPolyTrace, ConstraintCompositionCoefficients, ConstraintEvaluator, StarkDomain, TraceLde};

use crate::adapter::StarkAir;
use crate::bus;
use crate::codegen::symbol::{Symbol, record};
use crate::commitment::Segments;
use crate::cubic::Cubic;
use crate::definition::{AuxFrame, Definition, Extends, MainFrame, Row as Boundary};
use crate::lanes::{Row, WIDTH};
use crate::segment::{Coset, Segment, element, spread};
use crate::tape::{POINTS, Tape, UNROLL};

/// Where the tape finds its inputs.
///
/// A column takes `UNROLL + 1` rows: its values in as many neighbouring runs of the coset and one more, so that the values
/// at the next points are the same rows, one further.
struct Inputs {
    main: usize,
    aux: usize,
    periodic: usize,
}

/// Rows of a column.
const STEP: usize = UNROLL + 1;

impl Inputs {
    fn column(&self, index: usize) -> usize {
        STEP * index
    }

    fn periodic(&self, index: usize) -> usize {
        self.column(self.main + self.aux) + UNROLL * index
    }

    /// The factors of T, F and L.
    fn factor(&self, index: usize) -> usize {
        self.periodic(self.periodic) + UNROLL * index
    }

    /// First rows of all inputs: the columns at the current and at the next points, periodic columns, factors.
    fn rows(&self) -> Vec<usize> {
        let columns = 0..self.main + self.aux;
        let current = columns.clone().map(|i| self.column(i));
        let next = columns.map(|i| self.column(i) + 1);
        let periodic = (0..self.periodic).map(|i| self.periodic(i));
        let factors = (0..3).map(|i| self.factor(i));
        current.chain(next).chain(periodic).chain(factors).collect()
    }
}

/// Evaluates the constraints of `D`.
pub struct TapeEvaluator<'a, D, E: FieldElement> {
    air: &'a StarkAir<D>,
    segments: Arc<Segments>,
    challenges: Vec<E>,
    coefficients: ConstraintCompositionCoefficients<E>,
}

impl<'a, D: Definition, E: FieldElement<BaseField = Felt>> TapeEvaluator<'a, D, E> {
    /// An evaluator that reads the trace from `segments`.
    ///
    /// # Panics
    /// When `E` is not the cubic extension, which every preset names.
    pub fn new(
        air: &'a StarkAir<D>,
        segments: Arc<Segments>,
        challenges: Option<AuxRandElements<E>>,
        coefficients: ConstraintCompositionCoefficients<E>,
    ) -> Self {
        assert_eq!(E::EXTENSION_DEGREE, 3, "challenges are of the cubic extension");
        Self {
            air,
            segments,
            challenges: challenges.map_or_else(Vec::new, |list| list.rand_elements().to_vec()),
            coefficients,
        }
    }

    /// The tape of the composition, in three results.
    fn tape(&self, inputs: &Inputs) -> Tape {
        let definition = self.air.definition();
        let (main_count, aux_count) = (definition.main_degrees().len(), definition.aux_degrees().len());
        let mut assertions: Vec<(Boundary, usize, u64)> = definition
            .main_assertions()
            .into_iter()
            .map(|(column, row, value)| (row, column, value))
            .collect();
        // winterfell sorts its assertions by row, then column, before it hands out the coefficients.
        assertions.sort_unstable();
        let sum = bus::final_accumulator(&self.challenges, self.air.messages());
        let (results, graph) = record(|| {
            let mut next = 0;
            let mut list = |count: usize| {
                next += count;
                (next - count..next).map(Symbol::input).collect::<Vec<_>>()
            };
            let (main, aux) = (list(inputs.main), list(inputs.aux));
            let (next_main, next_aux) = (list(inputs.main), list(inputs.aux));
            let (periodic, factors) = (list(inputs.periodic), list(3));
            let cubic = |limbs: &[Symbol]| -> Vec<_> { limbs.chunks(3).map(|l| Cubic([l[0], l[1], l[2]])).collect() };
            let (aux, next_aux) = (cubic(&aux), cubic(&next_aux));
            let challenges: Vec<_> = self.challenges.iter().map(|&x| Cubic::recorded(x)).collect();
            let frame = MainFrame {
                current: &main,
                next: &next_main,
                periodic: &periodic,
            };
            let aux_frame = AuxFrame {
                current: &aux,
                next: &next_aux,
                challenges: &challenges,
            };
            let mut main_out = vec![Symbol::zero(); main_count];
            definition.eval_main(&frame, &mut main_out);
            let mut aux_out = vec![Cubic::zero(); aux_count];
            definition.eval_aux(&frame, &aux_frame, &mut aux_out);

            let (of_main, of_aux) = self.coefficients.transition.split_at(main_count);
            let mut transitions = Cubic::<Symbol>::zero();
            for (value, &coefficient) in main_out.into_iter().zip(of_main) {
                transitions = transitions + Cubic::recorded(coefficient).scale(value);
            }
            for (value, &coefficient) in aux_out.into_iter().zip(of_aux) {
                transitions = transitions + value * Cubic::recorded(coefficient);
            }

            let mut boundaries = [Cubic::<Symbol>::zero(), Cubic::zero()];
            let side = |row: Boundary| usize::from(row == Boundary::Last);
            let mut coefficients = self.coefficients.boundary.iter();
            for ((row, column, value), &coefficient) in assertions.iter().zip(coefficients.by_ref()) {
                let boundary = &mut boundaries[side(*row)];
                *boundary = *boundary + Cubic::recorded(coefficient).scale(main[*column] - Symbol::constant(*value));
            }
            let accumulator = aux[definition.accumulator()];
            for ((boundary, value), &coefficient) in boundaries.iter_mut().zip([E::ZERO, sum]).zip(coefficients) {
                *boundary = *boundary + (accumulator - Cubic::recorded(value)) * Cubic::recorded(coefficient);
            }
            let [first, last] = boundaries;
            let total = transitions.scale(factors[0]) + first.scale(factors[1]) + last.scale(factors[2]);
            total.0
        });
        Tape::new(&graph, &results, &inputs.rows())
    }
}

impl<D: Definition, E: FieldElement<BaseField = Felt>> ConstraintEvaluator<E> for TapeEvaluator<'_, D, E> {
    type Air = StarkAir<D>;

    fn evaluate<T: TraceLde<E>>(self, _: &T, domain: &StarkDomain<Felt>) -> CompositionPolyTrace<E> {
        let (main, aux) = (self.segments.main(), self.segments.aux());
        let periodic = self.air.definition().periodic_columns();
        let inputs = Inputs {
            main: main.columns(),
            aux: aux.columns(),
            periodic: periodic.len(),
        };
        let tape = self.tape(&inputs);
        let mut out = vec![E::ZERO; domain.ce_domain_size()];
        let (mut main_values, mut aux_values) = (Coset::of(main), Coset::of(aux));
        let (split, cosets) = (main.split(), domain.trace_to_ce_blowup());
        let mut placed = vec![E::ZERO; split.length()];
        for coset in 0..cosets {
            // The evaluation domain is every so many-th point of the extended one.
            main_values.fill(main, coset * domain.ce_to_lde_blowup());
            aux_values.fill(aux, coset * domain.ce_to_lde_blowup());
            let points = Points::new(main, coset, domain, &periodic);
            placed
                .par_chunks_mut(UNROLL * split.second)
                .enumerate()
                .for_each(|(runs, placed)| {
                    let mut memory = tape.memory();
                    for tile in 0..split.second / WIDTH {
                        let run = runs * UNROLL;
                        points.read(run, tile, &main_values, &mut memory[..inputs.column(inputs.main)]);
                        let aux_rows = inputs.column(inputs.main)..inputs.periodic(0);
                        points.read(run, tile, &aux_values, &mut memory[aux_rows]);
                        points.fill_periodic(run, tile, &mut memory[inputs.periodic(0)..inputs.factor(0)]);
                        points.fill_factors(run, tile, &mut memory[inputs.factor(0)..]);
                        tape.run(&mut memory);
                        let results = [0, 1, 2].map(|i| &memory[tape.result(i)..][..UNROLL]);
                        for i in 0..POINTS {
                            let (unrolled, lane) = (i / WIDTH, i % WIDTH);
                            placed[unrolled * split.second + tile * WIDTH + lane] =
                                element(|limb| Felt::from_mont(results[limb][unrolled].0[lane]));
                        }
                    }
                });
            spread(&placed, split, coset, cosets, &mut out);
        }
        CompositionPolyTrace::new(out)
    }
}

// POINTS
// ================================================================================================================

/// What depends on a point and not on the trace, on one coset.
///
/// Points are visited by `run` and `tile`: value `k` of the coset is that of run `k % first`, and the tile holds eight
/// neighbours `k / first`.
struct Points {
    split: crate::transform::Split,
    /// The subgroup's generator, and the coset's shift.
    generator: Felt,
    shift: Felt,
    /// The last row's point, and the inverse of x^n - 1.
    last: Felt,
    vanishing: Felt,
    /// The periodic columns' values by `k` modulo their period.
    periodic: Vec<Vec<u64>>,
}

impl Points {
    fn new(segment: &Segment, coset: usize, domain: &StarkDomain<Felt>, periodic: &[Vec<u64>]) -> Self {
        let split = segment.split();
        let n = split.length();
        let generator = Felt::get_root_of_unity(n.ilog2());
        let shift = domain.offset() * domain.ce_domain_generator().exp_vartime(coset as u64);
        Self {
            split,
            generator,
            shift,
            last: generator.inv(),
            vanishing: (shift.exp_vartime(n as u64) - Felt::ONE).inv(),
            periodic: periodic
                .iter()
                .map(|column| shifted(column, shift.exp_vartime((n / column.len()) as u64)))
                .collect(),
        }
    }

    /// Reads [STEP] runs of a segment's values, the first of them `run`.
    fn read(&self, run: usize, tile: usize, values: &Coset, memory: &mut [Row]) {
        let (runs, length) = (self.split.first, self.split.second);
        for i in 0..STEP {
            // After the last run come the next values of the first one.
            let (run, next) = if run + i < runs {
                (run + i, 0)
            } else {
                (run + i - runs, 1)
            };
            let place = |lane: usize| run * length + (tile * WIDTH + lane + next) % length;
            values.read_places(core::array::from_fn(place), &mut memory[i..], STEP);
        }
    }

    fn fill_periodic(&self, run: usize, tile: usize, memory: &mut [Row]) {
        for (column, rows) in self.periodic.iter().zip(memory.chunks_exact_mut(UNROLL)) {
            for (i, row) in rows.iter_mut().enumerate() {
                *row = Row(core::array::from_fn(|lane| {
                    let k = run + i + (tile * WIDTH + lane) * self.split.first;
                    column[k & (column.len() - 1)]
                }));
            }
        }
    }

    /// The factors of transitions, first row and last row.
    fn fill_factors(&self, run: usize, tile: usize, memory: &mut [Row]) {
        let mut points = [Felt::ZERO; POINTS];
        for i in 0..UNROLL {
            let start = self.shift
                * self
                    .generator
                    .exp_vartime((run + i + tile * WIDTH * self.split.first) as u64);
            let step = self.generator.exp_vartime(self.split.first as u64);
            let mut point = start;
            for slot in &mut points[i * WIDTH..][..WIDTH] {
                *slot = point;
                point *= step;
            }
        }
        let differences: Vec<Felt> = points
            .iter()
            .map(|&x| x - Felt::ONE)
            .chain(points.iter().map(|&x| x - self.last))
            .collect();
        let inverses = batch_inversion(&differences);
        for i in 0..POINTS {
            let (unrolled, lane) = (i / WIDTH, i % WIDTH);
            memory[unrolled].0[lane] = ((points[i] - self.last) * self.vanishing).inner();
            memory[UNROLL + unrolled].0[lane] = inverses[i].inner();
            memory[2 * UNROLL + unrolled].0[lane] = inverses[POINTS + i].inner();
        }
    }
}

/// The values at `shift * w^k` of the polynomial through `values` at `w^k`, for w of the values' order.
fn shifted(values: &[u64], shift: Felt) -> Vec<u64> {
    let n = values.len();
    let power = |list: &[Felt], x: Felt| list.iter().rev().fold(Felt::ZERO, |sum, &c| sum * x + c);
    let root = Felt::get_root_of_unity(n.ilog2());
    let inverse = Felt::new(n as u64).inv();
    let values: Vec<Felt> = values.iter().map(|&value| Felt::new(value)).collect();
    let coefficients: Vec<Felt> = (0..n)
        .map(|i| power(&values, root.exp_vartime((n - i) as u64)) * inverse)
        .collect();
    (0..n)
        .map(|k| power(&coefficients, shift * root.exp_vartime(k as u64)).inner())
        .collect()
}
