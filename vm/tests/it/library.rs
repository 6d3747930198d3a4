//! Calls procedures of the standard library, and holds every call to what stands above the procedure.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use starling_vm::executor::{RunInputs, run};
use starling_vm::isa::{Instruction, Op};
use starling_vm::program::Program;
use starling_vm::stdlib::{ProcedureDoc, procedures};
use starling_vm::trap::Trap;

use crate::support::{LIMIT, felts, ints, program};

/// Programs assembled so far, by their text.
static PROGRAMS: Mutex<BTreeMap<String, Program>> = Mutex::new(BTreeMap::new());

thread_local! {
    /// The check that calls made by this thread run without, to see that it is needed.
    static IDLE: Cell<Option<usize>> = const { Cell::new(None) };
}

/// A call of a library procedure.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call<'a> {
    pub(crate) procedure: &'a str,
    /// Registers before the call: first register and the values from there on.
    pub(crate) registers: Vec<(usize, Vec<u64>)>,
    /// Memory before the call: first word's address and elements from there on.
    pub(crate) memory: Vec<(u64, Vec<u64>)>,
    /// Words of memory to look at after the call.
    pub(crate) look: Vec<u64>,
    pub(crate) advice: Vec<u64>,
    /// Advice in place of what the hints of the procedure supply.
    pub(crate) lie: Option<Vec<u64>>,
    /// What the names in the documented cycles mean.
    pub(crate) sizes: Vec<(&'a str, u64)>,
}

/// What a call leaves.
#[derive(Clone, Debug)]
pub(crate) struct Called {
    pub(crate) registers: Vec<u64>,
    pub(crate) words: Vec<[u64; 4]>,
}

/// Values with which the registers that are no operands are filled, so that a procedure cannot rely on zeros.
fn filler(register: usize) -> u64 {
    0xdead_0000_0000 + register as u64
}

pub(crate) fn doc(procedure: &str) -> ProcedureDoc {
    let found = procedures().into_iter().find(|doc| doc.name == procedure);
    found.unwrap_or_else(|| panic!("{procedure} is not in the library"))
}

impl Call<'_> {
    pub(crate) fn run(&self) -> Result<Called, Box<Trap>> {
        let mut before: Vec<u64> = (0..16).map(filler).collect();
        for (first, values) in &self.registers {
            before[*first..][..values.len()].copy_from_slice(values);
        }
        // What the call finds comes from the advice tape, so that the program depends on the shape of the call alone.
        let mut advice: Vec<u64> = Vec::new();
        for (_, elements) in &self.memory {
            advice.extend(elements);
            advice.resize(advice.len().next_multiple_of(4), 0);
        }
        advice.extend(&before[..15]);
        advice.extend(self.lie.iter().flatten());
        advice.extend(&self.advice);
        let inputs = RunInputs {
            public: vec![],
            advice: felts(&advice),
        };
        let words: usize = self.memory.iter().map(|(_, elements)| elements.len().div_ceil(4)).sum();
        let around = (2 * words + 15 + 1 + 15 + 5 * self.look.len() + 1) as u64;
        let outcome = run(&self.program(), &inputs, LIMIT)?;
        assert_eq!(outcome.advice_left, 0, "{self:?}");
        let outputs = ints(&outcome.outputs);
        let after = &outputs[..15];
        self.check_doc(&before, after, outcome.cycles - around);
        Ok(Called {
            registers: after.to_vec(),
            words: outputs[15..].chunks(4).map(|word| word.try_into().unwrap()).collect(),
        })
    }

    /// The program that sets up the call, makes it, and puts out what it leaves.
    fn program(&self) -> Program {
        let (module, name) = self.procedure.split_once("::").unwrap();
        let mut text = format!("use std::{module}\nproc main\n");
        for (address, elements) in &self.memory {
            for k in 0..elements.len().div_ceil(4) as u64 {
                text.push_str(&format!("advq q0\nst q0, [{}]\n", address + k));
            }
        }
        for register in 0..15 {
            text.push_str(&format!("adv r{register}\n"));
        }
        text.push_str(&format!("call {module}::{name}\n"));
        for register in 0..15 {
            text.push_str(&format!("out r{register}, {register}\n"));
        }
        for (k, address) in self.look.iter().enumerate() {
            text.push_str(&format!("ld q0, [{address}]\n"));
            for lane in 0..4 {
                text.push_str(&format!("out r{lane}, {}\n", 15 + 4 * k + lane));
            }
        }
        text.push_str("halt\nend\n");
        let mut known = PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
        let program = known.entry(text).or_insert_with_key(|text| program(text));
        let program = match self.lie {
            Some(_) => without_hints(program),
            None => program.clone(),
        };
        match IDLE.get() {
            Some(check) => without_check(&program, check).unwrap_or(program),
            None => program,
        }
    }

    /// Only the documented registers change, and it takes the documented number of cycles.
    fn check_doc(&self, before: &[u64], after: &[u64], cycles: u64) {
        let doc = doc(self.procedure);
        let changed: BTreeSet<usize> = (0..15).filter(|r| before[*r] != after[*r]).collect();
        let mut allowed = registers(&doc.gives);
        allowed.extend(registers(&doc.clobbers));
        assert!(changed.is_subset(&allowed), "{} changes {changed:?}", doc.name);
        let (exact, formula) = match doc.cycles.strip_prefix("at most ") {
            Some(formula) => (false, formula),
            None => (true, doc.cycles.as_str()),
        };
        let bound: u64 = formula.split(" + ").map(|term| self.term(term)).sum();
        if exact {
            assert_eq!(cycles, bound, "{}: cycles", doc.name);
        } else {
            assert!(cycles <= bound, "{}: {cycles} cycles", doc.name);
        }
    }

    fn term(&self, term: &str) -> u64 {
        term.split(" * ")
            .map(|factor| {
                let named = self
                    .sizes
                    .iter()
                    .find(|(name, _)| *name == factor)
                    .map(|(_, size)| *size);
                named.unwrap_or_else(|| {
                    factor
                        .parse()
                        .unwrap_or_else(|_| panic!("{}: {factor}?", self.procedure))
                })
            })
            .product()
    }
}

/// The registers that a piece of documentation names; what stands behind "but" is not meant.
fn registers(text: &str) -> BTreeSet<usize> {
    let text = text.split(" but ").next().unwrap_or_default();
    text.split([' ', ','])
        .filter_map(|word| {
            let number: usize = word.get(1..)?.parse().ok()?;
            match &word[..1] {
                "r" => Some(number..number + 1),
                "q" => Some(4 * number..4 * number + 4),
                _ => None,
            }
        })
        .flatten()
        .collect()
}

/// The same program, its hints made idle.
fn without_hints(program: &Program) -> Program {
    let code = program.instructions().iter().map(|i| match i.op {
        Op::Hint => Instruction::new(Op::Mov),
        _ => *i,
    });
    let idle = Program::from_instructions(code.collect()).unwrap();
    idle.with_debug(program.debug().clone())
}

/// The same program, the library's check of number `wanted` made idle.
fn without_check(program: &Program, wanted: usize) -> Option<Program> {
    let mut code = program.instructions().to_vec();
    let at = checks(program).nth(wanted)?;
    code[at] = Instruction::new(Op::Mov);
    Some(
        Program::from_instructions(code)
            .unwrap()
            .with_debug(program.debug().clone()),
    )
}

/// Addresses of the library's assertions and range checks.
fn checks(program: &Program) -> impl Iterator<Item = usize> {
    program.instructions().iter().enumerate().filter_map(|(at, i)| {
        let library = program.debug().spans[at].is_some_and(|span| span.file != 0);
        let check = matches!(i.op, Op::AssertEq | Op::AssertZ | Op::U32chk | Op::U63chk);
        (library && check).then_some(at)
    })
}

/// Makes each check that `call` links idle in turn and sees whether `attacks`, which panics when a lie is accepted, notices.
/// Returns the checks, as `file:line`, that it does not notice.
pub(crate) fn unneeded_checks(call: &Call, attacks: impl Fn()) -> Vec<String> {
    attacks();
    let program = call.program();
    let debug = program.debug();
    let places: Vec<String> = checks(&program)
        .map(|at| {
            let span = debug.spans[at].unwrap();
            let line = program.instructions()[at];
            format!("{}:{} {line}", debug.files[span.file as usize], span.line)
        })
        .collect();
    assert!(!places.is_empty());
    let unnoticed = (0..places.len()).filter(|check| {
        IDLE.set(Some(*check));
        let noticed = catch_unwind(AssertUnwindSafe(&attacks)).is_err();
        IDLE.set(None);
        !noticed
    });
    unnoticed.map(|check| places[check].clone()).collect()
}
