//! Lying traces, built by hand: each breaks as little as it can, usually one constraint, boundary value or bus.
//!
//! A file a chip; `boundaries` and `buses` are about what lies between them, `schedule` about all of them.

use starling_air::chips;
use starling_vm::field::Felt;

use crate::forge::{Forgery, ZERO};

mod bitwise;
mod boundaries;
mod buses;
mod cpu;
mod hash;
mod memory;
mod range;
mod schedule;
mod signature;

/// A lie and what it says.
#[derive(Debug)]
pub(crate) struct Lie {
    pub(crate) name: String,
    pub(crate) forgery: Forgery,
}

/// All of them.
pub(crate) fn all() -> Vec<Lie> {
    let mut lies = Lies::default();
    cpu::op_word(&mut lies);
    cpu::cpu_by_hand(&mut lies);
    memory::memory_chip(&mut lies);
    range::range_chip(&mut lies);
    hash::hash_chip(&mut lies);
    bitwise::bitwise_chip(&mut lies);
    boundaries::boundaries(&mut lies);
    buses::buses(&mut lies);
    schedule::schedules(&mut lies);
    lies.0.extend(signature::all());
    lies.0
}

#[derive(Debug, Default)]
struct Lies(Vec<Lie>);

impl Lies {
    fn add(&mut self, name: impl Into<String>, forgery: Forgery) {
        let name = name.into();
        self.0.push(Lie { name, forgery });
    }
}

// WHAT SEVERAL OF THEM USE
// ================================================================================================================

/// A program of one instruction after `setup`, its forgery, and the row of the instruction.
fn one(setup: &str, instruction: &str, advice: &[u64]) -> (Forgery, usize) {
    let f = Forgery::assemble(&format!("{setup}\n{instruction}\nnext:\nhalt"), &[], advice);
    let pc = f.blocks[0][0].as_int() - 2;
    let row = f.row_at(pc);
    (f, row)
}

/// Puts `value` where the first instruction, an `adv`, put advice, and into the operands of later rows.
fn advise(f: &mut Forgery, value: Felt) {
    advise_at(f, 1, value);
}

/// The same for the `adv` at `pc`.
fn advise_at(f: &mut Forgery, pc: u64, value: Felt) {
    let row = f.row_at(pc);
    f.columns[chips::cpu::X][row] = value;
    f.write_back(row);
}

/// `u32.chk` of a value that is no u32, in which the halves are as if it were one.
fn checked(value: Felt) -> Forgery {
    let (mut f, row) = one("adv r5", "u32.chk r5", &[0]);
    advise(&mut f, value);
    f.set_x(row, [value, ZERO, value, ZERO]);
    f.settle();
    f
}

/// A hash of q0 and q1 into q2 whose result is `output` (all eight lanes of a permutation), less the feed-forward.
fn hash_gives(output: [Felt; 8]) -> (Forgery, usize) {
    let (mut f, row) = one("advq q0\n advq q1", "hash q2, q0, q1", &[1, 2, 3, 4, 5, 6, 7, 8]);
    let left = f.quad(row, 0);
    f.set_x(row, core::array::from_fn(|i| output[i] + left[i]));
    f.write_back(row);
    f.settle();
    (f, row)
}
