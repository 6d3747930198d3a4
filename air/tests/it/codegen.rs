//! The recorded constraints against winterfell's own evaluation.

use rand::{Rng, SeedableRng};
use starling_air::adapter::{PublicInputs, Shape, StarkAir};
use starling_air::bus::{self, PublicMessage};
use starling_air::codegen::Recording;
use starling_air::definition::Definition;
use starling_air::machine::{ChipSet, Machine};
use starling_air::toy::Toy;
use starling_air::wire::{Ext, settle_options};
use starling_vm::field::{Felt, MODULUS};
use winter_air::{Air, AuxRandElements, ConstraintCompositionCoefficients, EvaluationFrame};
use winterfell::math::{FieldElement, polynom};

use crate::support::Statement;

/// A random element of the extension, with extreme limbs now and then.
pub(crate) fn element(rng: &mut impl Rng) -> Ext {
    let mut limb = || match rng.random_range(0..8) {
        0 => Felt::new(MODULUS - 1),
        1 => Felt::ZERO,
        _ => Felt::new(rng.random_range(0..MODULUS)),
    };
    Ext::new(limb(), limb(), limb())
}

/// Random inputs of the recording, and z; the accumulator's final value is the one of `public`.
pub(crate) fn inputs(
    recording: &Recording,
    messages: &[PublicMessage],
    log_length: u32,
    rng: &mut impl Rng,
) -> (Vec<Ext>, Ext) {
    let layout = recording.inputs;
    let mut values: Vec<Ext> = (0..layout.len()).map(|_| element(rng)).collect();
    let z = element(rng);
    values[layout.cycle()] = z.exp_vartime((1u64 << log_length) / recording.max_cycle as u64);
    let challenges = &values[layout.challenge()..layout.challenge() + layout.challenges];
    values[layout.sum()] = bus::final_accumulator(challenges, messages);
    (values, z)
}

/// The composition polynomial at `z` as winterfell's verifier computes it.
fn winterfell_composition<D: Definition>(air: &StarkAir<D>, recording: &Recording, values: &[Ext], z: Ext) -> Ext {
    let layout = recording.inputs;
    let row = |i: usize| values[layout.row(i)..layout.row(i + 1)].to_vec();
    let split = |i: usize| (row(i)[..layout.main].to_vec(), row(i)[layout.main..].to_vec());
    let ((main, aux), (main_next, aux_next)) = (split(0), split(1));
    let main = EvaluationFrame::from_rows(main, main_next);
    let aux = EvaluationFrame::from_rows(aux, aux_next);
    let challenges = values[layout.challenge()..layout.challenge() + layout.challenges].to_vec();
    let challenges = AuxRandElements::new(challenges);
    let coefficients = &values[layout.coefficient()..];
    let transitions = air.context().num_transition_constraints();
    let coefficients = ConstraintCompositionCoefficients {
        transition: coefficients[..transitions].to_vec(),
        boundary: coefficients[transitions..].to_vec(),
    };
    let periodic: Vec<Ext> = air
        .get_periodic_column_polys()
        .iter()
        .map(|poly| polynom::eval(poly, z.exp_vartime((air.trace_length() / poly.len()) as u64)))
        .collect();
    let constraints = air.get_transition_constraints(&coefficients.transition);
    let mut main_values = vec![Ext::ZERO; constraints.num_main_constraints()];
    let mut aux_values = vec![Ext::ZERO; constraints.num_aux_constraints()];
    air.evaluate_transition(&main, &periodic, &mut main_values);
    air.evaluate_aux_transition(&main, &aux, &periodic, &challenges, &mut aux_values);
    let mut result = constraints.combine_evaluations::<Ext>(&main_values, &aux_values, z);
    let boundaries = air.get_boundary_constraints(Some(&challenges), &coefficients.boundary);
    for group in boundaries.main_constraints() {
        result += group.evaluate_at(main.current(), z);
    }
    for group in boundaries.aux_constraints() {
        result += group.evaluate_at(aux.current(), z);
    }
    result
}

/// The interpreter against winterfell on 1,000 random frames.
fn compare<D: Definition>(definition: &D) {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let options = settle_options(41, 16, 127);
    let shape = Shape::new(definition, &options, (9, 20));
    let recording = Recording::new(definition);
    let statement = Statement::example();
    let messages = Toy::messages(&statement.program, &statement.inputs, &statement.outputs);
    for i in 0..1000 {
        let log_length = 9 + i % 12;
        let public = PublicInputs {
            definition: definition.clone(),
            seed: vec![],
            messages: messages.clone(),
        };
        let air = StarkAir::new(shape.trace_info(log_length), public, options.clone());
        let (values, z) = inputs(&recording, &messages, log_length, &mut rng);
        let ours = recording.compose(&values, z, log_length);
        assert_eq!(ours, winterfell_composition(&air, &recording, &values, z));
    }
}

#[test]
fn interpreter_agrees_with_winterfell_on_the_toy() {
    compare(&Toy { copies: 3 });
}

#[test]
fn interpreter_agrees_with_winterfell_on_the_machine() {
    ChipSet::EVERY
        .into_iter()
        .for_each(|chips| compare(&Machine::new(chips)));
}
