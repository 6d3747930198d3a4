//! Nothing of the AIR is idle: for every constraint, boundary value, message and bus there is a lie that goes unnoticed
//! when it alone is switched off. Where there is none, this file says why.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use starling_air::bus::tag;
use starling_air::check::{Report, Switch, report, sites};
use starling_air::chips::{bitwise, cpu, hash, signature};
use starling_air::definition::{Definition, MainFrame};
use starling_air::machine::{ChipSet, Machine};
use starling_air::trace::build;
use starling_vm::asm::{Source, assemble};
use starling_vm::executor::RunInputs;
use starling_vm::field::Felt;

use crate::forge::{Forgery, ONE, ZERO, felt};
use crate::lies::{self, Lie};
use crate::samples::{Sample, challenges};

/// Main constraints, boundary values and message sites of the largest chip set.
const CONSTRAINTS: usize = 231;
const ASSERTIONS: usize = 38;
const SITES: usize = 25;

/// Columns of the chips that every chip set has.
const CORE_WIDTH: usize = hash::FIRST + hash::WIDTH;

/// The tags of the points that the second block of a signature chip, which the lies are about, has for itself.
const POINT_TAGS: [u64; 4] = {
    let middle = signature::POINT_TAG + 16;
    [middle - 3, middle - 1, middle + 1, middle + 3]
};

/// What has no lie, and why: what it forbids is impossible anyway, or without it nothing can be proven at all.
const IMPLIED: &[(&str, &str)] = &[
    (
        "constraint 81, memory: the write flag is 0 or 1",
        "an active row's flag must be that of an instruction, an inactive one's is 0",
    ),
    (
        "constraint 82, memory: the activity flag is 0 or 1",
        "address and cycle of a row occur once in the memory and once in the cpu, so each row answers once or never",
    ),
    (
        "constraint 114, hash: the program flag is 0 or 1",
        "only the last program group's flag could be t, and the digest of the group before it would count 1 - t",
    ),
    (
        "constraint 115, hash: a program group serves no call",
        "its output would go to the PROGRAM bus under its number, and group 0 has no instruction that asks for cycle 0",
    ),
    (
        "constraint 117, hash: a program group follows only a program group",
        "the group before it takes an output off the HASH_OUT bus, and nobody can put one there: inputs and outputs of \
         active groups are equally many, but for the last group, which only takes off, too",
    ),
    (
        "constraint 125, signature: a group's flag is 0 or 1",
        "the flags rotate, so what is the first in one group is the second in the next",
    ),
    (
        "constraint 126, signature: a group's flag is 0 or 1",
        "the flags rotate, so what is the second in one group was the first in the one before, or is it two groups later",
    ),
    (
        "constraint 220, bitwise: every bit and the mode are 0 or 1",
        "under a mode that is neither, the result is a AND b and 2^b at once, and b < 2^b",
    ),
    (
        "boundary value 31, (91, First, 1)",
        "only groups from the first on can be the program's, and the verifier asks for its digest",
    ),
    ("message 0", "no permutation could be asked for"),
    ("message 15", "no byte could be looked up"),
    ("message 17", "no program would have a digest"),
    ("message 18", "no instruction at an even address could run"),
    ("message 19", "no instruction at an odd address could run"),
    ("message 21", "no permutation of a challenge could be asked for"),
    ("message 22", "no permutation of a challenge could be answered"),
];

fn machine() -> Machine {
    Machine::new(ChipSet::All)
}

// LIES FOUND BY SEARCH
// ================================================================================================================

/// Instructions under test, with r0..r15 as given in [registers].
const INSTRUCTIONS: &[&str] = &[
    "add r8, r5, r6",
    "sub r8, r5, r6",
    "mul r8, r5, r6",
    "mov r8, 5",
    "mov r8, r6",
    "madd r8, r5, r6",
    "inv r8, r5",
    "eq r8, r5, r6",
    "eq r8, r5, r5",
    "sel r8, r0, r6",
    "sel r8, r2, r6",
    "adv r8",
    "advq q2",
    "q.horner q2, q1, r6",
    "q.mov q2, q1",
    "q.emadd q2, q1, q3",
    "q.add q2, q1, q3",
    "u32.add r8, r5, r6",
    "u32.addw r8, r5, r6",
    "u32.addp p4, r5, r6",
    "u32.sub r8, r6, r5",
    "u32.subw r8, r5, r6",
    "u32.subp p4, r5, r6",
    "u32.lt r8, r5, r6",
    "u32.mul r8, r5, r6",
    "u32.mulw r8, r5, r6",
    "u32.mulh r8, r5, r6",
    "u32.mulp p4, r5, r6",
    "u32.maddp p4, r5, r6",
    "u32.div r8, r6, r5",
    "u32.rem r8, r6, r5",
    "u32.divp p4, r6, r5",
    "u32.lo r8, r5",
    "u32.hi r8, r5",
    "u32.split p4, r5",
    "u32.chk r5",
    "u63.chk r5",
    "u63.lt r8, r5, r6",
    "u63.lt r8, r6, r5",
    "u32.and r8, r5, r6",
    "u32.xor r8, r5, r6",
    "u32.or r8, r5, r6",
    "pow2 r8, r4",
    "ld q2, [r4]",
    "ld1 r8, [r4]",
    "st q3, [r4]",
    "st1 r9, [r4]",
    "hash q2, q0, q1",
    "mstep q2, q0, q1",
    "perm q1, q3",
    "absorb q1",
    "in r8, 0",
    "out r5, 0",
    "jmp next",
    "jal r8, next",
    "beq r5, r6, next",
    "beq r5, r5, next",
    "bne r5, r6, next",
    "bz r5, next",
    "bz r2, next",
    "bnz r5, next",
    "u32.blt r5, r6, next",
    "u32.bge r5, r6, next",
    "assert.eq r5, r5, 1",
    "assert.z r2, 1",
    "hint 1",
];

/// A run of one instruction, and its row; `None` if it traps.
fn case(instruction: &str, big: bool) -> Option<(Forgery, usize)> {
    let mut text = String::new();
    for r in 0..16_u64 {
        let small = [1_u64, 3, 0, 7, 9, 100, 2000, 11, 12, 13, 14, 15, 16, 17, 18, 19][r as usize];
        let value = if big && r > 3 {
            0xfff0_0000_1234_5678 - (small << 40)
        } else {
            small
        };
        text += &format!("mov r{r}, {value}\n");
    }
    text += &format!("{instruction}\nnext:\nhalt\n");
    let program = assemble(&[Source::new("main.sasm", text.clone())]).unwrap_or_else(|errors| panic!("{}", errors[0]));
    let public = if instruction.starts_with("in ") {
        vec![9]
    } else {
        vec![]
    };
    let inputs = RunInputs {
        public: public.iter().map(|x| Felt::new(*x)).collect(),
        advice: [5, 6, 7, 8].map(felt).to_vec(),
    };
    build(&program, &inputs, 1000).ok()?;
    let f = Forgery::of(&Sample::of(program, &public, &[5, 6, 7, 8]));
    let row = f.row_at(17);
    Some((f, row))
}

/// The constraints that are violated in one row.
fn violated(f: &Forgery, row: usize, values: &mut [Felt]) -> Vec<usize> {
    let line = |i: usize| f.columns.iter().map(|column| column[i]).collect::<Vec<_>>();
    let (current, next) = (line(row), line(row + 1));
    let periodic: Vec<Felt> = f
        .machine
        .periodic_columns()
        .iter()
        .map(|c| felt(c[row % c.len()]))
        .collect();
    let frame = MainFrame {
        current: &current,
        next: &next,
        periodic: &periodic,
    };
    f.machine.eval_main(&frame, values);
    (0..values.len()).filter(|i| values[*i] != ZERO).collect()
}

/// Changes one or two of the operand, result and helper cells of an instruction, in every case, and keeps those lies
/// that exactly one constraint catches: at most two for each constraint.
fn searched() -> Vec<Lie> {
    let mut found: BTreeMap<usize, usize> = BTreeMap::new();
    let mut lies = vec![];
    for (instruction, big) in INSTRUCTIONS.iter().flat_map(|i| [(i, false), (i, true)]) {
        let Some((honest, row)) = case(instruction, big) else {
            continue;
        };
        let mut f = honest.clone();
        let mut values = vec![ZERO; f.machine.main_degrees().len()];
        let cells: Vec<usize> = (cpu::VA..=cpu::H).collect();
        let choices = |column: usize| {
            let old = honest.columns[column][row];
            let other = honest.columns[cpu::VB][row];
            [old, old + ONE, old - ONE, ZERO, ONE, felt(2), other].map(|value| (column, value))
        };
        let singles = cells.iter().flat_map(|column| choices(*column)).map(|one| [one, one]);
        let pairs = cells.iter().flat_map(|first| {
            let later = cells.iter().filter(move |second| *second > first);
            later.flat_map(|second| {
                choices(*first)
                    .into_iter()
                    .flat_map(|one| choices(*second).map(|two| [one, two]))
            })
        });
        for changes in singles.chain(pairs) {
            for (column, value) in changes {
                f.columns[column][row] = value;
            }
            let before: Vec<Felt> = (0..16).map(|r| f.register(row + 1, r)).collect();
            write_next(&mut f, row);
            let violations = violated(&f, row, &mut values);
            if let [only] = violations[..] {
                let count = found.entry(only).or_default();
                if *count < 2 {
                    let mut forgery = f.clone();
                    forgery.write_back(row);
                    forgery.settle();
                    if forgery.report().accepted_without(Switch::Constraint(only)) {
                        *count += 1;
                        let cells: Vec<String> = changes
                            .iter()
                            .map(|(column, value)| format!("column {column} = {value}"))
                            .collect();
                        lies.push(Lie {
                            name: format!("{instruction}: {}", cells.join(", ")),
                            forgery,
                        });
                    }
                }
            }
            for (r, value) in before.into_iter().enumerate() {
                f.columns[cpu::REGISTERS + r][row + 1] = value;
            }
            for (column, _) in changes {
                f.columns[column][row] = honest.columns[column][row];
            }
        }
    }
    lies
}

/// Writes the result lanes into the next row only.
fn write_next(f: &mut Forgery, row: usize) {
    use starling_vm::isa::flag;
    let (wa, wb, sp) = (f.is(row, flag::WA), f.is(row, flag::WB), f.is(row, flag::SP));
    let d = (0..4).fold(0, |sum, i| {
        sum | (f.columns[cpu::WORD_BITS + 8 + i][row].as_int() as usize) << i
    });
    let x = [0, 1, 2, 3].map(|lane| f.x(row, lane));
    match (wa, wb) {
        (false, false) => {}
        (true, false) => (0..2).for_each(|i| f.columns[cpu::REGISTERS + (d & 14) + i][row + 1] = x[2 + i]),
        (true, true) if !sp => (0..4).for_each(|i| f.columns[cpu::REGISTERS + (d & 12) + i][row + 1] = x[i]),
        _ => f.columns[cpu::REGISTERS + d][row + 1] = x[0],
    }
}

// TESTS
// ================================================================================================================

/// Every lie, with what it violates.
pub(crate) static LIES: LazyLock<Vec<(Lie, Report)>> = LazyLock::new(|| {
    let lies = lies::all().into_iter().chain(searched());
    lies.map(|lie| {
        let report = widened(&lie.forgery);
        (lie, report)
    })
    .collect()
});

/// What a lie violates in the machine with all chips, those that its program does not need being idle.
fn widened(f: &Forgery) -> Report {
    let (machine, length) = (machine(), f.length());
    let mut columns = vec![vec![ZERO; length]; machine.main_width()];
    columns[..CORE_WIDTH].clone_from_slice(&f.columns[..CORE_WIDTH]);
    let all = machine.signature().expect("all chips");
    match f.machine.signature() {
        Some(given) => {
            columns[all.x..all.x + signature::WIDTH].clone_from_slice(&f.columns[given.x..given.x + signature::WIDTH])
        }
        None => signature::fill::fill(&mut columns, &all, &[]).expect("an idle chip"),
    }
    // An idle bitwise chip holds zeros.
    let first = all.x + signature::WIDTH;
    if f.machine.bitwise().is_some() {
        let given = f.columns.len() - bitwise::WIDTH;
        columns[first..].clone_from_slice(&f.columns[given..]);
    }
    report(&machine, &columns, &f.statement, &challenges(7))
}

#[test]
fn every_lie_is_caught() {
    let accepted: Vec<&str> = LIES
        .iter()
        .filter(|(_, report)| report.accepted())
        .map(|(lie, _)| lie.name.as_str())
        .collect();
    assert!(accepted.is_empty(), "{accepted:#?}");
    println!("{} lies", LIES.len());
}

fn label(switch: Switch) -> String {
    let machine = machine();
    match switch {
        Switch::Constraint(i) => format!("constraint {i}, {}", machine.main_constraints()[i].0),
        Switch::Assertion(i) => format!("boundary value {i}, {:?}", machine.main_assertions()[i]),
        Switch::Site(i) => format!("message {i}"),
        Switch::Tag(tag) => format!("bus {tag}"),
    }
}

#[test]
fn everything_that_is_switched_off_lets_a_lie_pass() {
    let machine = machine();
    assert_eq!(machine.main_degrees().len(), CONSTRAINTS);
    assert_eq!(machine.main_assertions().len(), ASSERTIONS);
    assert_eq!(sites(&machine), SITES);
    let switches = (0..CONSTRAINTS)
        .map(Switch::Constraint)
        .chain((0..ASSERTIONS).map(Switch::Assertion))
        .chain((0..SITES).map(Switch::Site))
        .chain((tag::ROM..=tag::SIGNATURE).chain(POINT_TAGS).map(Switch::Tag));
    let mut idle = vec![];
    for switch in switches {
        let passes = LIES.iter().filter(|(_, report)| report.accepted_without(switch));
        let names: Vec<&str> = passes.map(|(lie, _)| lie.name.as_str()).collect();
        let label = label(switch);
        match names.first() {
            Some(name) => println!("{label}: {} lies, {name}", names.len()),
            None => idle.push(label),
        }
    }
    let expected: Vec<&str> = IMPLIED.iter().map(|(label, _)| *label).collect();
    assert_eq!(idle, expected, "{idle:#?}");
}

/// Honest runs need every message and every bus: none can be left out by mistake.
#[test]
fn honest_runs_need_every_message() {
    let reports: Vec<Report> = crate::samples::tour()
        .iter()
        .map(|(_, s)| widened(&Forgery::of(s)))
        .collect();
    // The signature chip both asks for points and offers them at one site, which adds up to 0 by itself.
    for site in (0..SITES).filter(|site| *site != 20) {
        let needed = |report: &&Report| !report.accepted_without(Switch::Site(site));
        assert!(reports.iter().any(|report| needed(&report)), "message {site}");
    }
    for report in reports {
        assert!(report.accepted());
    }
}
