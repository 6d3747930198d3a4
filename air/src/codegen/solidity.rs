//! Prints a recording as contracts.
//!
//! An extension element is one word of three 80-bit lanes. A lane holds 64 bits after a multiplication and may grow by
//! additions: the printer knows a bound for every expression and reduces only where a lane could overflow. A
//! difference adds a multiple of the modulus first, so that no lane borrows.
//!
//! A contract takes the inputs as words, and returns the three combinations `T`, `F` and `L` of its share of the
//! constraints. Constraints are shared out so that no contract exceeds the code size limit.

use core::fmt::Write;

use starling_vm::field::MODULUS;

use super::recording::{Recording, slot as slot_of};
use super::symbol::{Node, Symbol};

/// Bits of a lane.
pub const LANE: u32 = 80;
/// A lane may grow to this many times the modulus.
const MAX_BOUND: u64 = 1 << 15;
/// Nested calls in one statement.
const MAX_DEPTH: usize = 10;
/// Rough size at which a contract is closed; the limit of the protocol is 24,576.
const MAX_BYTES: usize = 20_000;

/// A generated contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// Its name, and that of its file without the extension.
    pub name: String,
    /// Its Solidity source.
    pub source: String,
}

/// Prints the contracts of one recording.
#[derive(Clone, Debug)]
pub struct Emitter<'a> {
    recording: &'a Recording,
    name: String,
}

impl<'a> Emitter<'a> {
    /// An emitter of contracts `{name}Evaluator{i}`.
    pub fn new(recording: &'a Recording, name: &str) -> Self {
        Self {
            recording,
            name: name.to_string(),
        }
    }

    /// The contracts. Their sums are the combinations over all constraints.
    pub fn contracts(&self) -> Vec<Contract> {
        let recording = self.recording;
        let transitions = recording.transitions.iter().map(|&symbol| (0, symbol));
        let boundaries = recording.boundaries.iter().map(|&(row, symbol)| (slot_of(row), symbol));
        let terms: Vec<Term> = transitions
            .chain(boundaries)
            .enumerate()
            .map(|(i, (slot, symbol))| Term {
                coefficient: recording.inputs.coefficient() + i,
                slot,
                symbol,
            })
            .collect();

        let mut bodies = vec![];
        let mut start = 0;
        while start < terms.len() {
            let mut end = start + 1;
            let mut body = Body::of(recording, &terms[start..end]);
            while end < terms.len() {
                let longer = Body::of(recording, &terms[start..=end]);
                if longer.bytes > MAX_BYTES {
                    break;
                }
                (body, end) = (longer, end + 1);
            }
            bodies.push(body);
            start = end;
        }
        let count = bodies.len();
        bodies
            .iter()
            .enumerate()
            .map(|(i, body)| self.contract(i, count, body))
            .collect()
    }

    fn contract(&self, i: usize, count: usize, body: &Body<'_>) -> Contract {
        let name = format!("{}Evaluator{i}", self.name);
        let mut source = String::new();
        let biases: String = body.biases.iter().fold(String::new(), |mut text, &(bias, slot)| {
            let _ = writeln!(
                text,
                "            mstore({slot:#x}, {})",
                packed(u128::from(MODULUS) * u128::from(bias))
            );
            text
        });
        let _ = write!(
            source,
            r#"// SPDX-License-Identifier: MIT OR Apache-2.0
// Generated from the constraints in `air`. Do not edit: change the constraints and generate again.
pragma solidity 0.8.37;

/// @title Part {part} of {count} of the constraints of the {air} AIR, at a point outside the domain.
/// @notice Takes the frame, the challenges and the coefficients as words of three 80-bit lanes, and returns this part's
/// share of the combinations of the transition, first-row and last-row constraints. It keeps no state and trusts its
/// caller to pass canonical values: only the verifier that was built for it gives its answer a meaning.
contract {name} {{
    fallback() external {{
        assembly {{
            if iszero(eq(calldatasize(), {size:#x})) {{ revert(0, 0) }}
            // a * b modulo x^3 - x - 1
            function m(a, b) -> c {{
                let a1 := and(shr(80, a), 0xffffffffffffffffffff)
                let a2 := shr(160, a)
                a := and(a, 0xffffffffffffffffffff)
                let b1 := and(shr(80, b), 0xffffffffffffffffffff)
                let b2 := shr(160, b)
                b := and(b, 0xffffffffffffffffffff)
                let c4 := mul(a2, b2)
                let c3 := add(mul(a1, b2), mul(a2, b1))
                c := or(
                    mod(add(mul(a, b), c3), {p:#x}),
                    or(
                        shl(80, mod(add(add(mul(a, b1), mul(a1, b)), add(c3, c4)), {p:#x})),
                        shl(160, mod(add(add(mul(a, b2), mul(a1, b1)), add(mul(a2, b), c4)), {p:#x}))
                    )
                )
            }}
            // a * a
            function q(a) -> c {{
                let a1 := and(shr(80, a), 0xffffffffffffffffffff)
                let a2 := shr(160, a)
                a := and(a, 0xffffffffffffffffffff)
                let c4 := mul(a2, a2)
                let c3 := shl(1, mul(a1, a2))
                c := or(
                    mod(add(mul(a, a), c3), {p:#x}),
                    or(
                        shl(80, mod(add(shl(1, mul(a, a1)), add(c3, c4)), {p:#x})),
                        shl(160, mod(add(shl(1, mul(a, a2)), add(mul(a1, a1), c4)), {p:#x}))
                    )
                )
            }}
            // a * k for k in the base field
            function s(a, k) -> c {{
                c := or(
                    mod(mul(and(a, 0xffffffffffffffffffff), k), {p:#x}),
                    or(
                        shl(80, mod(mul(and(shr(80, a), 0xffffffffffffffffffff), k), {p:#x})),
                        shl(160, mod(mul(shr(160, a), k), {p:#x}))
                    )
                )
            }}
            // a with reduced lanes
            function r(a) -> c {{
                c := or(
                    mod(and(a, 0xffffffffffffffffffff), {p:#x}),
                    or(
                        shl(80, mod(and(shr(80, a), 0xffffffffffffffffffff), {p:#x})),
                        shl(160, mod(shr(160, a), {p:#x}))
                    )
                )
            }}
            mstore(0x40, 0)
{biases}{statements}            mstore(0x00, r(mload(0x00)))
            mstore(0x20, r(mload(0x20)))
            mstore(0x40, r(mload(0x40)))
            return(0x00, 0x60)
        }}
    }}
}}
"#,
            part = i + 1,
            air = self.name,
            size = 32 * self.recording.inputs.len(),
            p = MODULUS,
            statements = body.statements,
        );
        Contract { name, source }
    }
}

/// The word whose three lanes hold `value`.
fn packed(value: u128) -> String {
    format!("0x{value:x}{value:020x}{value:020x}")
}

/// One constraint and where it goes.
#[derive(Clone, Copy)]
struct Term {
    coefficient: usize,
    slot: usize,
    symbol: Symbol,
}

/// An expression that has not been printed in a statement yet.
struct Expression {
    code: String,
    /// Its lanes are below this many times the modulus.
    bound: u64,
    depth: usize,
    bytes: usize,
    /// Stored nodes that it reads, once for each use. A slot is free only when the last of these is printed: until
    /// then an expression that waits may still read it.
    reads: Vec<Symbol>,
}

/// The statements of one contract.
struct Body<'a> {
    recording: &'a Recording,
    statements: String,
    bytes: usize,
    /// How often each node is used by statements that have not been printed.
    uses: Vec<u32>,
    stored: Vec<Option<(usize, u64)>>,
    free: Vec<usize>,
    next_slot: usize,
    /// Multiples of the modulus, by memory slot.
    biases: Vec<(u64, usize)>,
}

impl<'a> Body<'a> {
    fn of(recording: &'a Recording, terms: &[Term]) -> Self {
        let count = recording.graph.nodes().len();
        let mut uses = vec![0u32; count];
        terms.iter().for_each(|term| uses[term.symbol.0 as usize] += 1);
        for i in (0..count).rev() {
            if let (1.., Node::Add(a, b) | Node::Sub(a, b) | Node::Mul(a, b)) = (uses[i], recording.graph.nodes()[i]) {
                uses[a.0 as usize] += 1;
                uses[b.0 as usize] += 1;
            }
        }
        // Slots: three sums, then the multiples of the modulus, then values.
        let (next_slot, biases) = (0x60 + 0x20 * 16, vec![]);
        let stored = vec![None; count];
        let mut body = Self {
            recording,
            statements: String::new(),
            bytes: 700,
            uses,
            stored,
            free: vec![],
            next_slot,
            biases,
        };
        for term in terms {
            let value = body.read(term.symbol);
            let (slot, coefficient) = (0x20 * term.slot, 0x20 * term.coefficient);
            let code = format!(
                "mstore({slot:#x}, add(mload({slot:#x}), m(calldataload({coefficient:#x}), {})))",
                value.code
            );
            body.statement(&code, value.bytes + 20, value.reads);
        }
        body
    }

    fn statement(&mut self, code: &str, bytes: usize, reads: Vec<Symbol>) {
        let _ = writeln!(self.statements, "            {code}");
        self.bytes += bytes;
        for symbol in reads {
            let i = symbol.0 as usize;
            self.uses[i] -= 1;
            if let (0, Some((slot, _))) = (self.uses[i], self.stored[i]) {
                self.free.push(slot);
            }
        }
    }

    /// An expression for `symbol`.
    fn read(&mut self, symbol: Symbol) -> Expression {
        let i = symbol.0 as usize;
        let load = |(slot, bound): (usize, u64)| {
            let code = format!("mload({slot:#x})");
            Expression {
                code,
                bound,
                depth: 0,
                bytes: 4,
                reads: vec![symbol],
            }
        };
        if let Some(stored) = self.stored[i] {
            return load(stored);
        }
        let expression = match self.recording.graph.node(symbol) {
            Node::Constant(value) => {
                return Expression {
                    code: format!("{value:#x}"),
                    bound: 1,
                    depth: 0,
                    bytes: 9,
                    reads: vec![],
                };
            }
            Node::Input(index) => {
                let code = format!("calldataload({:#x})", 32 * index);
                return Expression {
                    code,
                    bound: 1,
                    depth: 0,
                    bytes: 4,
                    reads: vec![],
                };
            }
            Node::Add(a, b) => self.sum(a, b),
            Node::Sub(a, b) => self.difference(a, b),
            Node::Mul(a, b) => self.product(a, b),
        };
        if self.uses[i] == 1 && expression.depth < MAX_DEPTH {
            return expression;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.next_slot += 0x20;
            self.next_slot - 0x20
        });
        let Expression {
            code,
            bound,
            bytes,
            reads,
            ..
        } = expression;
        self.statement(&format!("mstore({slot:#x}, {code})"), bytes + 4, reads);
        self.stored[i] = Some((slot, bound));
        load((slot, bound))
    }

    fn sum(&mut self, a: Symbol, b: Symbol) -> Expression {
        let (mut a, mut b) = (self.read(a), self.read(b));
        if a.bound + b.bound > MAX_BOUND {
            if a.bound > b.bound {
                a = reduced(a)
            } else {
                b = reduced(b)
            }
        }
        let bound = a.bound + b.bound;
        join(|a, b| format!("add({a}, {b})"), a, b, bound, 1)
    }

    fn difference(&mut self, a: Symbol, b: Symbol) -> Expression {
        let (mut a, mut b) = (self.read(a), self.read(b));
        if a.bound + b.bound.next_power_of_two() > MAX_BOUND {
            if a.bound > b.bound {
                a = reduced(a)
            } else {
                b = reduced(b)
            }
        }
        let bias = b.bound.next_power_of_two();
        let slot = 0x60 + 0x20 * bias.ilog2() as usize;
        if !self.biases.contains(&(bias, slot)) {
            self.biases.push((bias, slot));
            self.bytes += 35;
        }
        let bound = a.bound + bias;
        if a.code == "0x0" {
            let code = format!("sub(mload({slot:#x}), {})", b.code);
            return Expression {
                code,
                bound: bias,
                bytes: b.bytes + 5,
                ..b
            };
        }
        join(|a, b| format!("sub(add({a}, mload({slot:#x})), {b})"), a, b, bound, 6)
    }

    fn product(&mut self, a: Symbol, b: Symbol) -> Expression {
        if a == b {
            let mut a = self.read(a);
            // Two uses, one read.
            a.reads.extend_from_within(..);
            return Expression {
                code: format!("q({})", a.code),
                bound: 1,
                depth: a.depth + 1,
                bytes: a.bytes + 8,
                ..a
            };
        }
        if let Node::Constant(value) = self.recording.graph.node(b) {
            let a = self.read(a);
            return match a.bound.checked_mul(value) {
                Some(bound) if bound <= MAX_BOUND => {
                    let code = format!("mul({}, {value:#x})", a.code);
                    Expression {
                        code,
                        bound,
                        bytes: a.bytes + 4,
                        ..a
                    }
                }
                _ => {
                    let code = format!("s({}, {value:#x})", a.code);
                    Expression {
                        code,
                        bound: 1,
                        depth: a.depth + 1,
                        bytes: a.bytes + 17,
                        ..a
                    }
                }
            };
        }
        let (a, b) = (self.read(a), self.read(b));
        join(|a, b| format!("m({a}, {b})"), a, b, 1, 8)
    }
}

fn reduced(a: Expression) -> Expression {
    Expression {
        code: format!("r({})", a.code),
        bound: 1,
        depth: a.depth + 1,
        bytes: a.bytes + 8,
        ..a
    }
}

fn join(code: impl FnOnce(&str, &str) -> String, a: Expression, b: Expression, bound: u64, bytes: usize) -> Expression {
    Expression {
        code: code(&a.code, &b.code),
        bound,
        depth: a.depth.max(b.depth) + 1,
        bytes: a.bytes + b.bytes + bytes,
        reads: [a.reads, b.reads].concat(),
    }
}
