//! Expressions as a straight-line program that runs on many points at once.
//!
//! A [Graph] shares what its expressions have in common; the tape orders its nodes so that values are used soon after
//! they are made, and gives each a place in a small memory. Running the tape costs one decision per step, for
//! `8 * UNROLL` points each.

use starling_vm::field::Felt;

use crate::codegen::symbol::{Graph, Node, Symbol};
use crate::lanes::{self, Kernel, Lanes, Row, WIDTH};

/// Rows that one step computes.
pub const UNROLL: usize = 4;

/// Points that one run of a tape computes.
pub const POINTS: usize = UNROLL * WIDTH;

/// What a step computes from the cells `a`, `b` and `c`; `k` is a constant cell, one row instead of [UNROLL].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    /// a + b
    Add,
    /// a - b
    Sub,
    /// a b
    Mul,
    /// a b + c
    MulAdd,
    /// c - a b
    MulSub,
    /// a + k
    AddConstant,
    /// k - a
    SubConstant,
    /// a k
    MulConstant,
    /// a k + c
    MulAddConstant,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    op: Op,
    a: u32,
    b: u32,
    c: u32,
    to: u32,
}

/// A program over a memory of rows: the inputs first, then what it needs itself.
#[derive(Clone, Debug)]
pub struct Tape {
    steps: Vec<Step>,
    /// Constants and where they stand.
    constants: Vec<(usize, Felt)>,
    /// Where each result stands.
    results: Vec<usize>,
    size: usize,
}

/// Assigns cells while nodes are emitted.
struct Emitter<'g> {
    graph: &'g Graph,
    /// First row of each input.
    inputs: &'g [usize],
    /// Uses of each node that are still to come.
    uses: Vec<u32>,
    cell: Vec<Option<u32>>,
    free: Vec<u32>,
    tape: Tape,
}

impl Tape {
    /// The tape that computes `results`. Input `i` stands in the [UNROLL] rows from `inputs[i]` on; inputs may overlap.
    pub fn new(graph: &Graph, results: &[Symbol], inputs: &[usize]) -> Self {
        let mut uses = vec![0; graph.nodes().len()];
        let mut pending: Vec<Symbol> = results.to_vec();
        while let Some(symbol) = pending.pop() {
            uses[symbol.0 as usize] += 1;
            if uses[symbol.0 as usize] == 1
                && let Some((a, b)) = operands(graph.node(symbol))
            {
                pending.extend([a, b]);
            }
        }
        let size = inputs.iter().map(|first| first + UNROLL).max().unwrap_or(0);
        let mut emitter = Emitter {
            graph,
            inputs,
            uses,
            cell: vec![None; graph.nodes().len()],
            free: Vec::new(),
            tape: Self {
                steps: Vec::new(),
                constants: Vec::new(),
                results: Vec::new(),
                size,
            },
        };
        for &result in results {
            let cell = match graph.node(result) {
                Node::Constant(value) => emitter.wide_constant(Felt::new(value)),
                _ => {
                    emitter.emit(result);
                    emitter.cell_of(result) as usize
                }
            };
            emitter.tape.results.push(cell);
        }
        emitter.tape
    }

    /// A memory for this tape, its constants in place.
    pub fn memory(&self) -> Vec<Row> {
        let mut memory = vec![Row::default(); self.size];
        for &(at, constant) in &self.constants {
            memory[at] = Row([constant.inner(); WIDTH]);
        }
        memory
    }

    /// Computes the results from the inputs in `memory`.
    pub fn run(&self, memory: &mut [Row]) {
        lanes::run(Run {
            steps: &self.steps,
            memory,
        });
    }

    /// Where result `i` stands in the memory: its first row.
    pub fn result(&self, i: usize) -> usize {
        self.results[i]
    }

    /// Number of steps, and of rows of memory.
    pub fn size(&self) -> (usize, usize) {
        (self.steps.len(), self.size)
    }
}

fn operands(node: Node) -> Option<(Symbol, Symbol)> {
    match node {
        Node::Constant(_) | Node::Input(_) => None,
        Node::Add(a, b) | Node::Sub(a, b) | Node::Mul(a, b) => Some((a, b)),
    }
}

impl Emitter<'_> {
    /// Emits what `symbol` needs and then itself, operands first.
    fn emit(&mut self, symbol: Symbol) {
        // Not recursive: sums of all constraints are long chains.
        let mut pending = vec![(symbol, false)];
        while let Some((symbol, ready)) = pending.pop() {
            if self.cell[symbol.0 as usize].is_some() {
                continue;
            }
            let node = self.graph.node(symbol);
            let Some((a, b)) = operands(node) else {
                self.leaf(symbol, node);
                continue;
            };
            let product = self.fusible(node);
            if ready {
                self.step(symbol, node, product);
                continue;
            }
            pending.push((symbol, true));
            // The left operand is emitted first: it is the sum so far.
            match product {
                Some((product, other)) => {
                    let (x, y) = operands(self.graph.node(product)).unwrap_or((a, b));
                    pending.extend([(y, false), (x, false), (other, false)]);
                }
                None => pending.extend([(b, false), (a, false)]),
            }
        }
    }

    /// For a sum or difference with a product that nothing else needs: the product, and the other operand.
    fn fusible(&self, node: Node) -> Option<(Symbol, Symbol)> {
        let lone = |s: Symbol| {
            matches!(self.graph.node(s), Node::Mul(..))
                && self.uses[s.0 as usize] == 1
                && self.cell[s.0 as usize].is_none()
        };
        let constant = |s: Symbol| matches!(self.graph.node(s), Node::Constant(_));
        match node {
            Node::Add(a, b) if lone(b) && !constant(a) => Some((b, a)),
            Node::Add(a, b) if lone(a) && !constant(b) => Some((a, b)),
            Node::Sub(a, b) if lone(b) && !constant(a) && !self.scaled(b) => Some((b, a)),
            _ => None,
        }
    }

    /// Whether a product has a constant factor.
    fn scaled(&self, product: Symbol) -> bool {
        match operands(self.graph.node(product)) {
            Some((_, b)) => matches!(self.graph.node(b), Node::Constant(_)),
            None => false,
        }
    }

    fn leaf(&mut self, symbol: Symbol, node: Node) {
        let cell = match node {
            Node::Input(index) => self.inputs[index as usize],
            Node::Constant(value) => {
                let at = self.tape.size;
                self.tape.constants.push((at, Felt::new(value)));
                self.tape.size += 1;
                at
            }
            _ => unreachable!("a leaf has no operands"),
        };
        self.cell[symbol.0 as usize] = Some(cell as u32);
    }

    /// A constant as a result: in as many rows as any.
    fn wide_constant(&mut self, value: Felt) -> usize {
        let at = self.tape.size;
        self.tape.constants.extend((at..at + UNROLL).map(|at| (at, value)));
        self.tape.size += UNROLL;
        at
    }

    fn cell_of(&self, symbol: Symbol) -> u32 {
        self.cell[symbol.0 as usize].expect("operands come before the nodes that use them")
    }

    fn step(&mut self, symbol: Symbol, node: Node, product: Option<(Symbol, Symbol)>) {
        let is_constant = |s: Symbol| matches!(self.graph.node(s), Node::Constant(_));
        let (op, used) = match (node, product) {
            (Node::Add(..), Some((product, other))) => {
                let (a, b) = operands(self.graph.node(product)).unwrap_or((other, other));
                let op = if is_constant(b) { Op::MulAddConstant } else { Op::MulAdd };
                (op, vec![a, b, other])
            }
            (Node::Sub(..), Some((product, other))) => {
                let (a, b) = operands(self.graph.node(product)).unwrap_or((other, other));
                (Op::MulSub, vec![a, b, other])
            }
            // The graph has constants on the right of sums and products, and in no difference's right.
            (Node::Add(a, b), _) => (if is_constant(b) { Op::AddConstant } else { Op::Add }, vec![a, b]),
            (Node::Mul(a, b), _) => (if is_constant(b) { Op::MulConstant } else { Op::Mul }, vec![a, b]),
            (Node::Sub(a, b), _) if is_constant(a) => (Op::SubConstant, vec![b, a]),
            (Node::Sub(a, b), _) => (Op::Sub, vec![a, b]),
            _ => unreachable!("a leaf is no step"),
        };
        let cells: Vec<u32> = used.iter().map(|&s| self.cell_of(s)).collect();
        for s in used {
            self.release(s);
        }
        let to = self.free.pop().unwrap_or_else(|| {
            self.tape.size += UNROLL;
            (self.tape.size - UNROLL) as u32
        });
        self.tape.steps.push(Step {
            op,
            a: cells[0],
            b: cells[1],
            c: cells.get(2).copied().unwrap_or(0),
            to,
        });
        self.cell[symbol.0 as usize] = Some(to);
    }

    /// One use less; a value that is not needed any more leaves its cell.
    fn release(&mut self, symbol: Symbol) {
        let uses = &mut self.uses[symbol.0 as usize];
        *uses -= 1;
        if *uses == 0 && operands(self.graph.node(symbol)).is_some() {
            self.free.push(self.cell_of(symbol));
        }
    }
}

struct Run<'a> {
    steps: &'a [Step],
    memory: &'a mut [Row],
}

impl Kernel for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn on<L: Lanes>(self, lanes: L) {
        let memory = self.memory;
        for step in self.steps {
            let (a, b, c) = (step.a as usize, step.b as usize, step.c as usize);
            let mut out = [lanes.splat(0); UNROLL];
            for i in 0..UNROLL {
                out[i] = lanes.load(&memory[a..a + UNROLL][i]);
            }
            match step.op {
                Op::Add => {
                    for i in 0..UNROLL {
                        out[i] = lanes.add(out[i], lanes.load(&memory[b..b + UNROLL][i]));
                    }
                }
                Op::Sub => {
                    for i in 0..UNROLL {
                        out[i] = lanes.sub(out[i], lanes.load(&memory[b..b + UNROLL][i]));
                    }
                }
                Op::Mul => {
                    for i in 0..UNROLL {
                        out[i] = lanes.mul(out[i], lanes.load(&memory[b..b + UNROLL][i]));
                    }
                }
                Op::MulAdd => {
                    for i in 0..UNROLL {
                        let product = lanes.mul(out[i], lanes.load(&memory[b..b + UNROLL][i]));
                        out[i] = lanes.add(product, lanes.load(&memory[c..c + UNROLL][i]));
                    }
                }
                Op::MulSub => {
                    for i in 0..UNROLL {
                        let product = lanes.mul(out[i], lanes.load(&memory[b..b + UNROLL][i]));
                        out[i] = lanes.sub(lanes.load(&memory[c..c + UNROLL][i]), product);
                    }
                }
                Op::AddConstant => {
                    let k = lanes.load(&memory[b]);
                    for i in 0..UNROLL {
                        out[i] = lanes.add(out[i], k);
                    }
                }
                Op::SubConstant => {
                    let k = lanes.load(&memory[b]);
                    for i in 0..UNROLL {
                        out[i] = lanes.sub(k, out[i]);
                    }
                }
                Op::MulConstant => {
                    let k = lanes.load(&memory[b]);
                    for i in 0..UNROLL {
                        out[i] = lanes.mul(out[i], k);
                    }
                }
                Op::MulAddConstant => {
                    let k = lanes.load(&memory[b]);
                    for i in 0..UNROLL {
                        out[i] = lanes.add(lanes.mul(out[i], k), lanes.load(&memory[c..c + UNROLL][i]));
                    }
                }
            }
            let to = step.to as usize;
            for (row, words) in memory[to..to + UNROLL].iter_mut().zip(out) {
                lanes.store(words, row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use starling_vm::algebra::Algebra;
    use starling_vm::field::MODULUS;
    use winter_math::FieldElement;

    use super::*;
    use crate::codegen::symbol::record;
    use crate::lanes::Portable;

    const INPUTS: usize = 6;

    /// Formulas that come to every kind of step, on any algebra.
    fn formulas<A: Algebra>(x: &[A]) -> Vec<A> {
        let c = |i: usize| x[i].clone();
        let k = A::constant;
        let shared = c(0) * c(1) + c(2);
        let mut sum = shared.clone();
        for i in 0..40 {
            sum = sum + c(i % INPUTS) * k(1000 + i as u64) - c((i + 1) % INPUTS) * c((i + 2) % INPUTS);
        }
        vec![
            c(0) + c(1),
            c(2) - c(3),
            c(4) * c(5),
            c(0) * c(1) - c(2),
            c(2) - c(0) * c(3),
            c(1) + k(7),
            k(9) - c(1),
            c(1) * k(MODULUS - 5_000_000),
            c(1) * k(77) + c(3),
            -c(1),
            shared.clone() * shared.clone() - shared,
            sum,
            k(5),
            c(3),
            k(12) - c(1) * c(2),
            (c(1) * c(2)) * (c(1) * c(2)) + c(1) * c(2),
        ]
    }

    #[test]
    fn a_tape_computes_what_the_field_does() {
        let (results, graph) = record(|| formulas(&core::array::from_fn::<_, INPUTS, _>(Symbol::input)));
        // The second input is the first, one row on.
        let rows: Vec<usize> = (0..INPUTS).map(|i| if i == 1 { 1 } else { (UNROLL + 1) * i }).collect();
        let tape = Tape::new(&graph, &results, &rows);
        let mut memory = tape.memory();
        let edges = [0, 1, MODULUS - 1, MODULUS - 2, u64::from(u32::MAX), 1 << 32];
        for (i, row) in memory[..rows[INPUTS - 1] + UNROLL].iter_mut().enumerate() {
            *row = Row(core::array::from_fn(|lane| match i + lane {
                at if at % 3 == 0 => Felt::new(edges[(at / 3) % edges.len()]).inner(),
                at => Felt::new(3).exp_vartime((1 << 20 | at) as u64).inner(),
            }));
        }
        let mut portable = memory.clone();
        let inputs: Vec<Vec<Felt>> = (0..POINTS)
            .map(|point| {
                let word = |first: &usize| memory[first + point / WIDTH].0[point % WIDTH];
                rows.iter().map(|first| Felt::from_mont(word(first))).collect()
            })
            .collect();
        tape.run(&mut memory);
        Run {
            steps: &tape.steps,
            memory: &mut portable,
        }
        .on(Portable);
        assert!(memory == portable, "the lanes differ");
        for (point, inputs) in inputs.iter().enumerate() {
            for (i, expected) in formulas(inputs).into_iter().enumerate() {
                let row = memory[tape.result(i) + point / WIDTH];
                assert_eq!(Felt::from_mont(row.0[point % WIDTH]), expected, "result {i}");
            }
        }
    }

    #[test]
    fn cells_are_used_again() {
        let (results, graph) = record(|| formulas(&core::array::from_fn::<_, INPUTS, _>(Symbol::input)));
        let rows: Vec<usize> = (0..INPUTS).map(|i| UNROLL * i).collect();
        let tape = Tape::new(&graph, &results, &rows);
        let constants = tape.constants.len();
        // Inputs, results, and a few values on their way.
        assert!(
            tape.size <= UNROLL * (INPUTS + results.len() + 6) + constants,
            "{}",
            tape.size
        );
    }
}
