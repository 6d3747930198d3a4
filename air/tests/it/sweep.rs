//! The sweep: changes of single cells, everywhere. Each one is caught, or the cell is free, for a reason that this file
//! gives and `specs/air.md` lists under "Free cells".

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use starling_air::check::Probe;
use starling_air::chips::{cpu, hash, memory, range, signature};
use starling_air::machine::Machine;
use starling_vm::field::{Felt, MODULUS};
use starling_vm::isa::flag;

use crate::forge::{Forgery, ONE, ZERO, felt};
use crate::samples::{Sample, challenges, edge, random, tour};
use crate::soak;

/// Why a cell is free to change, all others unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Free {
    /// The last row is dead: op word, immediate, operands, results and helpers of the cpu; flags and step of the memory;
    /// the multiplicities.
    LastRow,
    /// A result lane that the instruction does not use.
    Lane,
    /// `c` or `h` where the instruction does not use it.
    Helper,
    /// `h` of a comparison whose operands are equal.
    InverseOfZero,
    /// The cycle of a row that bridges a gap in memory, alone at its address.
    BridgeCycle,
    /// An entry of the byte table, repeated and without uses, may be one of its neighbours.
    IdleEntry,
    /// The multiplicity of a range pair or of a bitwise call stands in one row of the pair or group, the others ignore it.
    IdleMultiplicity,
    /// The inverse that shows a range pair canonical, when its low half is 0.
    LowHalfZero,
    /// The mode of the last range pair, whose high half is 0 and which nobody uses.
    LastPairMode,
    /// S-box cells of row 7 of a hash group, where they hold nothing.
    IdleSbox,
    /// The mode of a hash group that serves nobody.
    IdleMode,
    /// The result of a power before its last row.
    PowerOnTheWay,
    /// Cells of a signature block's finish that hold nothing.
    IdleFinish,
    /// The digit over G' in a row that has no digit may be the other one.
    NoDigit,
    /// The message, the last lane of the challenge and the inverse of the block's number where a block serves nothing.
    IdleBlock,
    /// The flag of a high half of ones in the first row, when the next bit is 0.
    OnesBefore,
}

/// [free] for the signature chip.
fn free_signature(
    l: &signature::Columns,
    columns: &[Vec<Felt>],
    column: usize,
    row: usize,
    value: Felt,
) -> Option<Free> {
    let length = columns[0].len();
    let t = (row + signature::ROWS - length % signature::ROWS) % signature::ROWS;
    let within = |first: usize, from: usize, to: usize| (first + from..first + to).contains(&column);
    let when = |condition: bool, reason: Free| condition.then_some(reason);
    if column == l.ones && row == 0 {
        return when(columns[l.sign][1] * columns[l.v][1] == -ONE, Free::OnesBefore);
    }
    let t = t.checked_sub(2 * signature::GROUP + signature::FINISH)?;
    if column == l.u {
        return when(!(7..11).contains(&t) && value == -columns[column][row], Free::NoDigit);
    }
    let unused = match t {
        0 => within(l.i, 0, 5) || within(l.j, 3, 5) || within(l.ty, 3, 5),
        2 | 4 => within(l.y, 0, 5) || within(l.i, 4, 5) || within(l.j, 3, 5) || within(l.ty, 2, 5),
        1 | 3 | 5 => {
            within(l.x, 4, 5) || within(l.y, 0, 5) || within(l.i, 4, 5) || within(l.j, 0, 5) || within(l.ty, 2, 5)
        }
        6 => within(l.i, 0, 5) || within(l.ty, 2, 5),
        7..=10 => within(l.j, 1, 5),
        11 => within(l.i, 0, 20),
        _ => within(l.x, 0, 30),
    };
    let active = t < 6 && columns[l.ty + 1][row] == ONE;
    let idle = match t {
        0 => within(l.ty, 2, 3),
        2 => within(l.x, 4, 5) || within(l.j, 0, 3),
        5 => within(l.x, 3, 4),
        _ => false,
    };
    when(unused, Free::IdleFinish).or(when(idle && !active, Free::IdleBlock))
}

/// Whether the cell may hold `value`, all others unchanged.
pub(crate) fn free(machine: &Machine, columns: &[Vec<Felt>], column: usize, row: usize, value: Felt) -> Option<Free> {
    let at = |column: usize, row: usize| columns[column][row];
    let last = columns[0].len() - 1;
    let is = |flag: u32| at(cpu::WORD_BITS + flag.ilog2() as usize, row) == ONE;
    let when = |condition: bool, reason: Free| condition.then_some(reason);
    let half = |row: usize| (0..4).fold(ZERO, |sum, i| sum + at(range::BYTES + i, row) * felt(1 << (8 * i)));
    let boolean = value == ZERO || value == ONE;
    match column {
        cpu::CLK | cpu::PC | cpu::REGISTERS..cpu::WORD_BITS => None,
        cpu::WORD_BITS..=cpu::H if row == last => Some(Free::LastRow),
        cpu::WORD_BITS..cpu::X => None,
        cpu::X..cpu::C => {
            let lane = column - cpu::X;
            let unused = if is(flag::ME) && is(flag::CA) {
                true
            } else if is(flag::AL) {
                lane > 0 && !(is(flag::WA) && is(flag::WB))
            } else if is(flag::HA) {
                is(flag::O1) && !is(flag::ME)
            } else if is(flag::CA) {
                lane == 3
            } else if is(flag::BR) && !is(flag::SP) {
                lane > 0 || !(is(flag::O2) || is(flag::O3))
            } else {
                false
            };
            when(unused, Free::Lane)
        }
        cpu::C => when(!is(flag::SP) && !is(flag::HA), Free::Helper),
        cpu::H => {
            let difference = at(cpu::VA, row) - at(cpu::VB, row);
            if is(flag::AL) && is(flag::O2) && is(flag::O0) && !is(flag::O1) && !is(flag::O3) {
                when(difference == ZERO, Free::InverseOfZero)
            } else if is(flag::BR) && is(flag::O3) && !is(flag::SP) {
                let zero_test = if is(flag::IM) { at(cpu::IMM, row) } else { ZERO };
                when(difference + zero_test == ZERO, Free::InverseOfZero)
            } else {
                when(
                    !(is(flag::SP) && is(flag::O0) && is(flag::O1) && is(flag::O2)),
                    Free::Helper,
                )
            }
        }
        memory::CLK => {
            let new = |row: usize| at(memory::NEW, row) == ONE;
            let alone = (row == 0 || new(row - 1)) && (row == last || new(row));
            when(
                alone && (row == last || at(memory::ACTIVE, row) == ZERO),
                Free::BridgeCycle,
            )
        }
        memory::WRITE..range::FIRST => when(row == last, Free::LastRow),
        range::TABLE if row > 0 && row < last => {
            let fits = |step: Felt| step == ZERO || step == ONE;
            let stays = fits(value - at(range::TABLE, row - 1)) && fits(at(range::TABLE, row + 1) - value);
            when(stays && at(range::TABLE_USES, row) == ZERO, Free::IdleEntry)
        }
        range::TABLE_USES => when(row == last, Free::LastRow),
        range::USES => when(row % 2 == 1, Free::IdleMultiplicity),
        range::HX if row == last => when(boolean && at(range::USES, row - 1) == ZERO, Free::LastPairMode),
        range::HX => when(row.is_multiple_of(2) && half(row) == ZERO, Free::LowHalfZero),
        hash::SBOX..hash::ID if row % hash::GROUP == 7 => {
            if row == last {
                Some(Free::LastRow)
            } else if column > hash::FULL {
                Some(Free::IdleSbox)
            } else if column == hash::FULL {
                let served = at(hash::ACTIVE, row) + at(hash::ROM, row) - at(hash::ROM, row + 1);
                when(boolean && served == ZERO, Free::IdleMode)
            } else {
                None
            }
        }
        _ => {
            if let Some(layout) = machine.signature()
                && (layout.x..layout.x + signature::WIDTH).contains(&column)
            {
                return free_signature(&layout, columns, column, row, value);
            }
            let layout = machine.bitwise()?;
            if column == layout.uses {
                when(row % 8 != 7 || row == last, Free::IdleMultiplicity)
            } else if column == layout.result {
                when(row % 8 != 7 && at(layout.mode, row) == ONE, Free::PowerOnTheWay)
            } else {
                None
            }
        }
    }
}

/// What a cell is changed to.
fn values(rng: &mut ChaCha8Rng, columns: &[Vec<Felt>], column: usize, row: usize) -> Felt {
    let old = columns[column][row];
    let other_row = if row == 0 { 1 } else { row - 1 };
    match rng.random_range(0..9) {
        0 => old + ONE,
        1 => old - ONE,
        2 => ZERO,
        3 => ONE,
        4 => felt(MODULUS - 1),
        5 => columns[column][other_row],
        6 => columns[rng.random_range(0..columns.len())][row],
        7 => felt(edge(rng)),
        _ => felt(rng.random::<u64>() % MODULUS),
    }
}

/// Changes cells of a trace one at a time; counts what happens by reason.
struct Sweep<'a> {
    machine: &'a Machine,
    probe: Probe<'a>,
    counts: BTreeMap<Option<Free>, usize>,
}

impl<'a> Sweep<'a> {
    fn change(&mut self, column: usize, row: usize, value: Felt) {
        if self.probe.columns()[column][row] == value {
            return;
        }
        let free = free(self.machine, self.probe.columns(), column, row, value);
        let caught = self.probe.caught(&[(column, row, value)]);
        let old = self.probe.columns()[column][row];
        assert_eq!(
            caught,
            free.is_none(),
            "column {column}, row {row}: {old} becomes {value}, free: {free:?}"
        );
        *self.counts.entry(free).or_default() += 1;
    }
}

fn samples() -> Vec<(String, Sample)> {
    let mut out: Vec<_> = tour()
        .into_iter()
        .map(|(name, sample)| (name.to_owned(), sample))
        .collect();
    out.extend((0..4).map(|seed| (format!("seed {seed}"), random(100 + seed, 90))));
    out
}

fn print(counts: &BTreeMap<Option<Free>, usize>) -> usize {
    let all: usize = counts.values().sum();
    for (reason, count) in counts {
        let reason = reason.map_or_else(|| String::from("caught"), |reason| format!("{reason:?}"));
        println!("{reason}: {count}, {:.2} %", 100.0 * *count as f64 / all as f64);
    }
    all
}

/// 2,700 tries in each of twelve traces, thrice as many in those with signatures, as many in each column; ten times as
/// many when soaking.
#[test]
fn every_change_is_caught_or_of_a_free_cell() {
    let challenges = challenges(2);
    let mut counts = BTreeMap::new();
    for (seed, (_, sample)) in samples().into_iter().enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
        let machine = sample.machine();
        let probe = Probe::new(&machine, sample.trace.columns.clone(), &sample.statement, &challenges);
        let mut sweep = Sweep {
            machine: &machine,
            probe,
            counts: core::mem::take(&mut counts),
        };
        let (width, length) = (sample.trace.columns.len(), sample.trace.columns[0].len());
        let tries = if machine.signature().is_some() { 8100 } else { 2700 };
        for i in 0..soak(tries) {
            let column = i % width;
            // Half of the changes in the rows where something happens.
            let row = match rng.random_range(0..4) {
                0 | 1 => rng.random_range(0..length),
                2 => rng.random_range(0..length.min(80)),
                _ => length - 1 - rng.random_range(0..3),
            };
            let value = values(&mut rng, sweep.probe.columns(), column, row);
            sweep.change(column, row, value);
        }
        counts = sweep.counts;
    }
    let all = print(&counts);
    let free = all - counts[&None];
    println!(
        "{all} changes, of which {:.2} % are of free cells",
        100.0 * free as f64 / all as f64
    );
    assert!(all >= soak(30_000), "{all} changes");
}

/// Every column of the first rows, where the instructions are, and of the last three: one and a random value more.
#[test]
fn every_cell_of_the_working_rows_is_bound_or_free() {
    let challenges = challenges(3);
    let mut counts = BTreeMap::new();
    for (name, sample) in tour() {
        let mut rng = ChaCha8Rng::seed_from_u64(name.len() as u64);
        let machine = sample.machine();
        let probe = Probe::new(&machine, sample.trace.columns.clone(), &sample.statement, &challenges);
        let mut sweep = Sweep {
            machine: &machine,
            probe,
            counts: core::mem::take(&mut counts),
        };
        let (width, length) = (sample.trace.columns.len(), sample.trace.columns[0].len());
        let working = sample.trace.outcome.cycles as usize + 2;
        for row in (0..working).chain(length - 3..length) {
            for column in 0..width {
                let old = sweep.probe.columns()[column][row];
                sweep.change(column, row, old + ONE);
                sweep.change(column, row, felt(rng.random::<u64>() % MODULUS));
            }
        }
        counts = sweep.counts;
    }
    print(&counts);
    for reason in [
        Free::LastRow,
        Free::Lane,
        Free::Helper,
        Free::InverseOfZero,
        Free::IdleMultiplicity,
        Free::LowHalfZero,
    ] {
        assert!(counts.contains_key(&Some(reason)), "{reason:?}");
    }
}

/// Every cell of the signature chip, with a served block, an idle one, the end of block 0, and the last row.
#[test]
fn every_cell_of_the_signature_chip_is_bound_or_free() {
    let challenges = challenges(5);
    let (_, sample) = tour().pop().expect("the sample with every chip");
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let machine = sample.machine();
    let first = machine.signature().expect("all chips").x;
    let length = sample.trace.columns[0].len();
    // The idle block is the last one.
    assert_eq!((length, sample.trace.rows.signature), (512, signature::ROWS));
    let probe = Probe::new(&machine, sample.trace.columns.clone(), &sample.statement, &challenges);
    let mut sweep = Sweep {
        machine: &machine,
        probe,
        counts: BTreeMap::new(),
    };
    for row in 0..length {
        for column in first..first + signature::WIDTH {
            let old = sweep.probe.columns()[column][row];
            sweep.change(column, row, felt(rng.random::<u64>() % MODULUS));
            sweep.change(column, row, if rng.random() { -old } else { ONE - old });
        }
    }
    let all = print(&sweep.counts);
    assert!(all > 39_000, "{all}");
    for reason in [Free::IdleFinish, Free::NoDigit, Free::IdleBlock] {
        assert!(sweep.counts.contains_key(&Some(reason)), "{reason:?}");
    }
}

/// An entry of the byte table that repeats another may be the next one.
#[test]
fn an_idle_entry_is_free() {
    let (_, sample) = tour().swap_remove(1);
    let mut forgery = Forgery::of(&sample);
    for row in 8..forgery.length() {
        forgery.columns[range::TABLE][row] = felt((row as u64 - 1).min(255));
    }
    forgery.settle_bytes();
    let (machine, challenges) = (sample.machine(), challenges(4));
    let probe = Probe::new(&machine, forgery.columns, &sample.statement, &challenges);
    let mut sweep = Sweep {
        machine: &machine,
        probe,
        counts: BTreeMap::new(),
    };
    for row in 5..12 {
        (0..14).for_each(|value| sweep.change(range::TABLE, row, felt(value)));
    }
    assert_eq!(sweep.counts[&Some(Free::IdleEntry)], 1);
}
