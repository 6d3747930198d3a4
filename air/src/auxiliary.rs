//! The auxiliary columns: each one's sum of fractions, and the accumulator.

use rayon::prelude::*;
use starling_vm::field::Felt;
use winter_math::{FieldElement, batch_inversion};
use winterfell::matrix::ColMatrix;

use crate::bus::BusColumns;
use crate::codegen::symbol::{Symbol, record};
use crate::cubic::Cubic;
use crate::definition::{Definition, MainFrame};
use crate::lanes::{Row, WIDTH};
use crate::machine::Machine;
use crate::segment::{element, reduced};
use crate::tape::{POINTS, Tape, UNROLL};

/// Rows whose fractions are inverted together.
const BATCH: usize = 512;

/// The tape of all numerators and denominators, three results each, column by column. Its inputs are the current row, the
/// next row and the periodic columns.
fn tape<E: FieldElement<BaseField = Felt>>(machine: &Machine, challenges: &[E]) -> Tape {
    let (main, periodic) = (machine.main_width(), machine.periodic_columns().len());
    let (results, graph) = record(|| {
        let list = |from: usize, count: usize| (from..from + count).map(Symbol::input).collect::<Vec<_>>();
        let (current, next, periodic) = (list(0, main), list(main, main), list(2 * main, periodic));
        let challenges: Vec<_> = challenges.iter().map(|&x| Cubic::recorded(x)).collect();
        let mut bus = BusColumns::new(&challenges, machine.aux_width());
        let frame = MainFrame {
            current: &current,
            next: &next,
            periodic: &periodic,
        };
        machine.messages(&frame, &mut bus);
        let parts = bus.columns().iter().map(|column| column.parts());
        parts.flat_map(|(n, d)| [n.0, d.0]).flatten().collect::<Vec<_>>()
    });
    let inputs: Vec<usize> = (0..2 * main + periodic).map(|i| UNROLL * i).collect();
    Tape::new(&graph, &results, &inputs)
}

/// Fills the auxiliary columns of a main trace.
///
/// # Panics
/// When `E` is not the cubic extension.
pub fn columns<E: FieldElement<BaseField = Felt>>(
    machine: &Machine,
    main: &ColMatrix<Felt>,
    challenges: &[E],
) -> Vec<Vec<E>> {
    assert_eq!(E::EXTENSION_DEGREE, 3, "challenges are of the cubic extension");
    let (length, width, accumulator) = (main.num_rows(), machine.aux_width(), machine.accumulator());
    let tape = tape(machine, challenges);
    let main: Vec<&[Felt]> = main.columns().collect();
    let periodic: Vec<Vec<u64>> = machine
        .periodic_columns()
        .iter()
        .map(|column| column.iter().map(|&value| Felt::new(value).inner()).collect())
        .collect();
    let batches: Vec<Vec<E>> = (0..length)
        .into_par_iter()
        .step_by(BATCH)
        .map(|first| {
            let mut numerators = Vec::with_capacity(BATCH * width);
            let mut denominators = Vec::with_capacity(BATCH * width);
            let mut memory = tape.memory();
            for first in (first..length.min(first + BATCH)).step_by(POINTS) {
                fill(&main, &periodic, first, &mut memory);
                tape.run(&mut memory);
                for point in 0..POINTS {
                    let limb = |i: usize| {
                        let row = memory[tape.result(i) + point / WIDTH];
                        Felt::from_mont(row.0[point % WIDTH])
                    };
                    for column in 0..width {
                        numerators.push(element::<E>(|i| limb(6 * column + i)));
                        denominators.push(element::<E>(|i| limb(6 * column + 3 + i)));
                    }
                }
            }
            let inverses = batch_inversion(&denominators);
            numerators.into_iter().zip(inverses).map(|(n, d)| n * d).collect()
        })
        .collect();
    let mut columns = vec![vec![E::ZERO; length]; width];
    let mut sum = E::ZERO;
    for (row, values) in batches.iter().flat_map(|batch| batch.chunks_exact(width)).enumerate() {
        for (column, value) in values.iter().enumerate() {
            columns[column][row] = *value;
        }
        columns[accumulator][row] = sum;
        sum += values.iter().fold(E::ZERO, |total, value| total + *value);
    }
    columns
}

/// The tape's inputs for the points from row `first` on.
fn fill(main: &[&[Felt]], periodic: &[Vec<u64>], first: usize, memory: &mut [Row]) {
    let length = main[0].len();
    let mut inputs = memory.chunks_exact_mut(UNROLL);
    for column in main {
        write(inputs.next(), |i| reduced(column[first + i]));
    }
    for column in main {
        write(inputs.next(), |i| reduced(column[(first + i + 1) % length]));
    }
    for column in periodic {
        write(inputs.next(), |i| column[(first + i) % column.len()]);
    }
}

fn write(rows: Option<&mut [Row]>, word: impl Fn(usize) -> u64) {
    for (i, row) in rows.into_iter().flatten().enumerate() {
        *row = Row(core::array::from_fn(|lane| word(i * WIDTH + lane)));
    }
}
