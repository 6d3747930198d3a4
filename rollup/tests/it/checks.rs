//! Every check of the kernel is needed: without it, alone, a lie gets through that the kernel refuses.

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use starling_rollup::kernel::witness::witness;
use starling_vm::executor::{Outcome, RunInputs, run};
use starling_vm::isa::{Instruction, Op};
use starling_vm::program::Program;

use crate::differential::batches;
use crate::forge::{BIT, Kernel, felt};
use crate::lies;
use crate::truths;
use crate::world::{start, state};

/// Checks that no lie can get past if they alone are missing, and why they stay.
const EXEMPT: [(&str, &str); 10] = [
    (
        "binding::bind: u32.chk r0",
        "a length below the header's would end in PADDING, or never end the loop over the blocks: kept, once a batch, \
         so that the argument stands in one place",
    ),
    (
        "entries::run: bz r9, settled",
        "no check: it is how a deposit into a full tree has an outcome",
    ),
    ("records::entry: u63.chk r0 (2)", MOVED),
    ("records::open: u63.chk r0", FUNDS),
    ("records::open: u63.chk r0 (2)", FUNDS),
    ("records::rekey: u63.chk r0", FUNDS),
    ("records::transfer_long: u63.chk r0", FUNDS),
    ("records::transfer_long: u63.chk r0 (2)", FUNDS),
    ("records::withdraw: u63.chk r0", FUNDS),
    ("records::withdraw: u63.chk r0 (2)", FUNDS),
];

/// The parser checks every field by itself, so that nobody has to look for what bounds one; short transfers, which are what
/// rows are counted for, have no such field.
const FUNDS: &str =
    "amount and fee are compared with a balance below 2^63, as integers: kept for a parser that is whole";
const MOVED: &str = "it is compared with what moved, which is below 2^63: kept for a parser that is whole";

/// A check: an instruction that traps, or a step that leads to a refusal.
struct Check {
    name: String,
    address: usize,
    /// What stands there when the check is missing.
    without: Instruction,
    /// Whether it traps by itself.
    traps: bool,
}

impl Kernel {
    /// The source line of an instruction, without its comment.
    fn text(&self, address: usize) -> &str {
        let debug = self.program.debug();
        let Some(span) = debug.spans[address] else { return "" };
        let file = &debug.files[span.file as usize];
        let (_, text) = self.sources.iter().find(|(name, _)| name == file).unwrap();
        let line = text.lines().nth(span.line as usize - 1).unwrap();
        line.split('#').next().unwrap().trim()
    }

    /// The procedure that an instruction belongs to.
    fn procedure(&self, address: usize) -> &str {
        let labels = self.program.debug().labels.iter();
        let mut before = labels
            .rev()
            .filter(|(start, name)| *start as usize <= address && !name.contains('.'));
        &before.next().unwrap().1
    }

    /// The instructions' names: procedure, source line, number among equals.
    fn names(&self) -> Vec<String> {
        let mut seen = BTreeMap::new();
        (0..self.program.instructions().len())
            .map(|address| {
                let name = format!("{}: {}", self.procedure(address), self.text(address));
                let number = seen.entry(name.clone()).or_insert(0);
                *number += 1;
                if *number > 1 {
                    format!("{name} ({number})")
                } else {
                    name
                }
            })
            .collect()
    }

    fn checks(&self) -> Vec<Check> {
        let mut checks: Vec<Check> = Vec::new();
        let names = self.names();
        for (address, (instruction, name)) in self.program.instructions().iter().zip(names).enumerate() {
            let text = self.text(address);
            let nop = Instruction::new(Op::Mov);
            let unchecked = |op| Instruction { op, ..*instruction };
            let (without, traps) = match instruction.op {
                Op::AssertEq | Op::AssertZ if instruction.imm == felt(BIT) => continue,
                Op::AssertEq | Op::AssertZ | Op::U32chk | Op::U63chk | Op::Sig => (nop, true),
                Op::U32add => (unchecked(Op::Add), true),
                Op::U32sub => (unchecked(Op::Sub), true),
                Op::Bge | Op::Blt | Op::Beq | Op::Bne | Op::Bz | Op::Bnz
                    if text.ends_with(" wrong") || text.ends_with(" settled") =>
                {
                    (nop, false)
                }
                // What stands below the bottom of the walk's stack.
                Op::St if text.ends_with("[layout::STACK - 1]") => (nop, false),
                // What keeps the walk's two chains of indices apart.
                Op::Mov if name == "walk::walk: mov r12, r15" => (nop, false),
                _ => continue,
            };
            checks.push(Check {
                name,
                address,
                without,
                traps,
            });
        }
        checks
    }

    /// The kernel without a check.
    fn without(&self, check: &Check) -> Self {
        let mut code = self.program.instructions().to_vec();
        code[check.address] = check.without;
        Self {
            program: Program::from_instructions(code).unwrap(),
            sources: Vec::new(),
            free: self.free,
        }
    }
}

#[test]
fn the_forge_can_tell_the_truth() {
    for forge in truths::all() {
        let [intact, free] = [Kernel::intact(), Kernel::free()].map(|kernel| kernel.run(&forge).unwrap());
        assert_eq!(intact.outputs, free.outputs);
        assert_eq!((intact.advice_left, free.advice_left), (0, 0));
    }
}

#[test]
fn every_check_is_needed() {
    let (intact, free) = (Kernel::intact(), Kernel::free());
    let checks = free.checks();
    let names = |checks: &[Check]| -> Vec<String> { checks.iter().map(|check| check.name.clone()).collect() };
    assert_eq!(names(&checks), names(&intact.checks()));
    println!("{} checks", checks.len());
    let lies = lies::all();
    println!("{} lies", lies.len());
    // For each lie the checks that alone stand in its way, and what is wrong with the lie, if anything.
    let results: Vec<(Vec<&str>, Option<String>)> = lies
        .par_iter()
        .map(|lie| {
            // A lie that is only in the bits is the truth to the executor, which takes its own.
            let truth = intact.run(&lie.forge).map(|outcome| outcome.outputs).ok();
            let believed = |kernel: &Kernel| {
                let outcome = kernel.run(&lie.forge);
                outcome.is_ok_and(|outcome| truth.as_ref() != Some(&outcome.outputs))
            };
            if truth.is_some() && !lie.bits {
                return (Vec::new(), Some("the kernel believes it".into()));
            }
            let Err(trap) = free.run(&lie.forge) else {
                return (Vec::new(), Some("the free machine's kernel believes it".into()));
            };
            // A run is the same up to the check that refuses it: no other one that traps can matter.
            let Some(refuser) = checks.iter().find(|check| check.address as u64 == trap.pc) else {
                return (Vec::new(), Some(format!("no check refuses it: {trap}")));
            };
            let alone: Vec<&str> = checks
                .iter()
                .filter(|check| check.address == refuser.address || !check.traps)
                .filter(|check| believed(&free.without(check)))
                .map(|check| check.name.as_str())
                .collect();
            let wrong = (alone.is_empty() == lie.alone).then(|| {
                let second = free.without(refuser).run(&lie.forge).err();
                let second = second.map(|trap| trap.to_string()).unwrap_or_default();
                format!("refused by {}, believed without {alone:?}; {second}", refuser.name)
            });
            (alone, wrong)
        })
        .collect();
    let wrong = lies.iter().zip(&results);
    let wrong: Vec<String> = wrong
        .filter_map(|(lie, (_, wrong))| Some(format!("{}: {}", lie.name, wrong.as_ref()?)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let mut needed: BTreeSet<&str> = results.iter().flat_map(|(alone, _)| alone.iter().copied()).collect();
    for (name, reason) in EXEMPT {
        assert!(needed.insert(name), "{name} is needed, and no exception: {reason}");
    }
    let all: BTreeSet<&str> = checks.iter().map(|check| check.name.as_str()).collect();
    let idle: Vec<_> = all.symmetric_difference(&needed).collect();
    assert!(
        idle.is_empty(),
        "checks that no lie needs, or exceptions that are none: {idle:?}"
    );
}

/// Instructions, checks aside, without which every honest run is what it was and every lie refused, and why they stay.
const IDLE: [(&str, &[&str]); 5] = [
    (
        "registers are zero at the start, and the first batches leave these so",
        &["accounts::load: mov r7, 0", "operations::run: mov r3, 0 (2)"],
    ),
    (
        "part of a check that is an exception",
        &["binding::bind: sub r0, r13, 3"],
    ),
    (
        "no mantissa of 35 bits reaches these, nor the table's next smaller one",
        &[
            "operations::powers: mov r1, 922337203685477580",
            "operations::powers: mov r1, 92233720368547758",
            "operations::powers: mov r1, 9223372036854775",
            "operations::powers: mov r1, 922337203685477",
            "operations::powers: mov r1, 92233720368547",
            "operations::powers: mov r1, 9223372036854",
            "operations::powers: mov r1, 922337203685",
            "operations::powers: mov r1, 92233720368",
        ],
    ),
    (
        "who sent an entry is L1's business: the kernel looks at the bits above alone",
        &[
            "records::entry: u32.divp p2, r2, 1 << 4",
            "records::entry: mov r6, r4",
            "records::entry: mul r5, r5, 1 << 28",
            "records::entry: add r5, r5, r6",
            "records::entry: st1 r5, [L1_2]",
            "records::entry: mov r6, r2",
            "records::entry: mul r5, r5, 1 << 32",
            "records::entry: add r5, r5, r6 (2)",
            "records::entry: st1 r5, [L1_0]",
            "records::entry: mov r6, r2 (2)",
            "records::entry: mul r5, r5, 1 << 32 (2)",
            "records::entry: add r5, r5, r6 (3)",
            "records::entry: st1 r5, [L1_1]",
        ],
    ),
    (
        "the bottom of the stack is no index either",
        &["walk::walk: mov r2, -1"],
    ),
];

/// No other instruction can be missing without an honest run that fails or ends elsewhere, or a lie that gets through.
#[test]
fn every_instruction_matters() {
    let intact = Kernel::intact();
    let checks: BTreeSet<usize> = intact.checks().iter().map(|check| check.address).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(21);
    let mut runs: Vec<RunInputs> = truths::all().iter().map(|forge| forge.inputs(false)).collect();
    let most = runs.len() + 12;
    while runs.len() < most {
        let before = state(&mut rng, 20);
        let start = start(&mut rng);
        if let Some(batches) = batches(&mut rng, &mut before.clone(), 12) {
            runs.push(witness(&before, &start, &batches).unwrap().inputs);
        }
    }
    let outcomes: Vec<Outcome> = runs
        .iter()
        .map(|inputs| run(&intact.program, inputs, 1 << 20).unwrap())
        .collect();
    let code = intact.program.instructions();
    let lies: Vec<RunInputs> = lies::all()
        .iter()
        .filter(|lie| !lie.bits)
        .map(|lie| lie.forge.inputs(false))
        .filter(|inputs| inputs.advice.len() < 1 << 16)
        .collect();
    let names = intact.names();
    let idle: BTreeSet<String> = (1..code.len())
        .into_par_iter()
        .filter(|address| !checks.contains(address))
        .filter(|address| {
            let mut code = code.to_vec();
            code[*address] = Instruction::new(Op::Mov);
            let program = Program::from_instructions(code).unwrap();
            runs.iter().zip(&outcomes).all(|(inputs, honest)| {
                run(&program, inputs, 2 * honest.cycles).is_ok_and(|outcome| outcome.outputs == honest.outputs)
            }) && lies.iter().all(|inputs| run(&program, inputs, 1 << 20).is_err())
        })
        .map(|address| names[address].clone())
        .collect();
    let exempt = IDLE
        .iter()
        .flat_map(|(_, names)| names.iter().map(|name| String::from(*name)));
    let exempt: BTreeSet<String> = exempt.collect();
    let wrong: Vec<_> = idle.symmetric_difference(&exempt).collect();
    assert!(
        wrong.is_empty(),
        "nobody notices without these, or the exception is none: {wrong:?}"
    );
}
