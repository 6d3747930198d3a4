//! A definition's constraints, recorded.

use sha3::{Digest, Keccak256};
use starling_vm::algebra::Algebra;
use starling_vm::field::Felt;
use winter_math::{FieldElement, StarkField};

use super::symbol::{Graph, Node, Symbol, record};
use crate::adapter::Shape;
use crate::definition::{AuxFrame, Definition, MainFrame, Row};

/// Where the evaluator finds its inputs: indexes into one list of extension elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// Columns of the main segment.
    pub main: usize,
    /// Columns of the auxiliary segment.
    pub aux: usize,
    /// Challenges.
    pub challenges: usize,
    /// Composition coefficients.
    pub coefficients: usize,
}

impl Inputs {
    /// Row 0 is the row at z, row 1 the row at gz: main columns, then auxiliary ones.
    pub fn row(&self, row: usize) -> usize {
        row * (self.main + self.aux)
    }

    /// The challenges of the auxiliary segment.
    pub fn challenge(&self) -> usize {
        self.row(2)
    }

    /// z to the power of the trace length over the longest period.
    pub fn cycle(&self) -> usize {
        self.challenge() + self.challenges
    }

    /// What the accumulator must hold at the last row.
    pub fn sum(&self) -> usize {
        self.cycle() + 1
    }

    /// The coefficients: main transitions, auxiliary transitions, boundaries in winterfell's order.
    pub fn coefficient(&self) -> usize {
        self.sum() + 1
    }

    /// All inputs.
    pub fn len(&self) -> usize {
        self.coefficient() + self.coefficients
    }

    /// Never: there are always columns.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The constraints of a definition as graph nodes, and how they combine.
///
/// With coefficients `c_i`, the composition at z is
/// `T (z - g^(n-1)) / (z^n - 1) + F / (z - 1) + L / (z - g^(n-1))`, where `T` combines the transition constraints, and
/// `F` and `L` the boundary constraints of the first and the last row.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The expressions.
    pub graph: Graph,
    /// The inputs.
    pub inputs: Inputs,
    /// The longest period of the periodic columns.
    pub max_cycle: usize,
    /// Transition constraints, main then auxiliary; constraint `i` goes with coefficient `i`.
    pub transitions: Vec<Symbol>,
    /// For each boundary constraint, in the order of its coefficients: its row, and value minus expected value.
    pub boundaries: Vec<(Row, Symbol)>,
}

impl Recording {
    /// Records `definition`.
    pub fn new<D: Definition>(definition: &D) -> Self {
        let periodic = definition.periodic_columns();
        let max_cycle = periodic.iter().map(Vec::len).max().unwrap_or(1);
        let (main_count, aux_count) = (definition.main_degrees().len(), definition.aux_degrees().len());
        let mut assertions: Vec<(Row, usize, u64)> = definition
            .main_assertions()
            .into_iter()
            .map(|(column, row, value)| (row, column, value))
            .collect();
        // winterfell sorts its assertions by row, then column, before it hands out the coefficients.
        assertions.sort_unstable();
        let inputs = Inputs {
            main: definition.main_width(),
            aux: definition.aux_width(),
            challenges: definition.num_challenges(),
            coefficients: main_count + aux_count + assertions.len() + 2,
        };
        let ((transitions, boundaries), graph) = record(|| {
            let list = |start: usize, len: usize| (start..start + len).map(Symbol::input).collect::<Vec<_>>();
            let rows = [0, 1].map(|row| list(inputs.row(row), inputs.main + inputs.aux));
            let challenges = list(inputs.challenge(), inputs.challenges);
            let periodic = periodic_values(&periodic, max_cycle, Symbol::input(inputs.cycle()));
            let main = MainFrame {
                current: &rows[0][..inputs.main],
                next: &rows[1][..inputs.main],
                periodic: &periodic,
            };
            let aux = AuxFrame {
                current: &rows[0][inputs.main..],
                next: &rows[1][inputs.main..],
                challenges: &challenges,
            };
            let mut transitions = vec![Symbol::constant(0); main_count + aux_count];
            let (main_out, aux_out) = transitions.split_at_mut(main_count);
            definition.eval_main(&main, main_out);
            definition.eval_aux(&main, &aux, aux_out);

            let mut boundaries: Vec<(Row, Symbol)> = assertions
                .iter()
                .map(|&(row, column, value)| (row, main.current[column] - Symbol::constant(value)))
                .collect();
            let accumulator = aux.current[definition.accumulator()];
            boundaries.push((Row::First, accumulator));
            boundaries.push((Row::Last, accumulator - Symbol::input(inputs.sum())));
            (transitions, boundaries)
        });
        Self {
            graph,
            inputs,
            max_cycle,
            transitions,
            boundaries,
        }
    }

    /// Evaluates every node at `values`, which is as long as [Inputs::len].
    pub fn interpret<E: FieldElement<BaseField = Felt>>(&self, values: &[E]) -> Vec<E> {
        let mut results: Vec<E> = Vec::with_capacity(self.graph.nodes().len());
        let at = |results: &[E], symbol: Symbol| results[symbol.0 as usize];
        for node in self.graph.nodes() {
            let value = match *node {
                Node::Constant(value) => E::from(Felt::new(value)),
                Node::Input(index) => values[index as usize],
                Node::Add(a, b) => at(&results, a) + at(&results, b),
                Node::Sub(a, b) => at(&results, a) - at(&results, b),
                Node::Mul(a, b) => at(&results, a) * at(&results, b),
            };
            results.push(value);
        }
        results
    }

    /// The combinations `T`, `F` and `L`.
    pub fn combine<E: FieldElement<BaseField = Felt>>(&self, values: &[E]) -> [E; 3] {
        let results = self.interpret(values);
        let mut combined = [E::ZERO; 3];
        let mut coefficients = values[self.inputs.coefficient()..].iter();
        let mut add = |slot: usize, symbol: Symbol| {
            combined[slot] += results[symbol.0 as usize] * coefficients.next().copied().unwrap_or(E::ZERO);
        };
        self.transitions.iter().for_each(|&symbol| add(0, symbol));
        self.boundaries.iter().for_each(|&(row, symbol)| add(slot(row), symbol));
        combined
    }

    /// The composition polynomial at `z` over a trace of 2^`log_length` rows.
    pub fn compose<E: FieldElement<BaseField = Felt>>(&self, values: &[E], z: E, log_length: u32) -> E {
        let [transitions, first, last] = self.combine(values);
        let last_point = E::from(Felt::get_root_of_unity(log_length).inv());
        let vanishing = (0..log_length).fold(z, |power, _| power.square()) - E::ONE;
        transitions * (z - last_point) / vanishing + first / (z - E::ONE) + last / (z - last_point)
    }

    /// A digest of everything that the constraints are: what the transcript absorbs as the AIR's identity. Of `shape` only
    /// the number of quotients enters, which options do not change.
    pub fn identity(&self, shape: &Shape) -> [u8; 32] {
        let mut hasher = Keccak256::new_with_prefix(b"starling air 1");
        let mut put = |value: u64| hasher.update(value.to_be_bytes());
        let inputs = &self.inputs;
        for value in [
            inputs.main,
            inputs.aux,
            inputs.challenges,
            inputs.coefficients,
            self.max_cycle,
            shape.quotients,
        ] {
            put(value as u64);
        }
        put(self.graph.nodes().len() as u64);
        for node in self.graph.nodes() {
            let (kind, a, b) = match *node {
                Node::Constant(value) => (0, value, 0),
                Node::Input(index) => (1, u64::from(index), 0),
                Node::Add(a, b) => (2, u64::from(a.0), u64::from(b.0)),
                Node::Sub(a, b) => (3, u64::from(a.0), u64::from(b.0)),
                Node::Mul(a, b) => (4, u64::from(a.0), u64::from(b.0)),
            };
            [kind, a, b].into_iter().for_each(&mut put);
        }
        put(self.transitions.len() as u64);
        self.transitions.iter().for_each(|symbol| put(u64::from(symbol.0)));
        put(self.boundaries.len() as u64);
        for (row, symbol) in &self.boundaries {
            put(slot(*row) as u64);
            put(u64::from(symbol.0));
        }
        hasher.finalize().into()
    }
}

/// Which of the combinations `T`, `F`, `L` a boundary constraint belongs to.
pub(super) fn slot(row: Row) -> usize {
    match row {
        Row::First => 1,
        Row::Last => 2,
    }
}

/// The periodic columns at z, from `cycle` = z^(n / max_cycle).
///
/// A column of period k is `sum_i v_i L_i(y)` with y = z^(n / k) and the Lagrange polynomials of the k-th roots of
/// unity: columns of zeros and ones then cost additions only.
fn periodic_values(columns: &[Vec<u64>], max_cycle: usize, cycle: Symbol) -> Vec<Symbol> {
    let mut bases: Vec<(usize, Vec<Symbol>)> = vec![];
    columns
        .iter()
        .map(|column| {
            let period = column.len();
            if !bases.iter().any(|(of, _)| *of == period) {
                let y = (0..(max_cycle / period).ilog2()).fold(cycle, |power, _| power.squared());
                bases.push((period, lagrange(period, y)));
            }
            let basis = bases
                .iter()
                .find(|(of, _)| *of == period)
                .map(|(_, basis)| basis.as_slice());
            let terms = column.iter().zip(basis.unwrap_or_default());
            terms.fold(Symbol::constant(0), |sum, (&value, &term)| {
                sum + term * Symbol::constant(value)
            })
        })
        .collect()
}

/// The Lagrange polynomials of the roots of unity of order `period` = 2^m, at `y`.
///
/// `L_i(y) = 1/period prod_j (1 + w^(-i 2^j) y^(2^j))`, and the factor `j` depends on `i` modulo 2^(m-j) only, with its
/// second half of values the first with the other sign: one product makes two polynomials of the next level.
fn lagrange(period: usize, y: Symbol) -> Vec<Symbol> {
    let root = Felt::get_root_of_unity(period.ilog2().max(1)).inv();
    let share = Felt::new(period as u64).inv();
    let powers: Vec<Symbol> = (0..period.ilog2())
        .scan(y, |power, _| {
            let this = *power;
            *power = this.squared();
            Some(this)
        })
        .collect();
    let mut products = vec![Symbol::constant(share.as_int())];
    for (j, power) in powers.iter().enumerate().rev() {
        let terms: Vec<Symbol> = products
            .iter()
            .enumerate()
            .map(|(i, product)| {
                let constant = root.exp((i << j) as u64).as_int();
                *product * (*power * Symbol::constant(constant))
            })
            .collect();
        let pairs = products.iter().zip(&terms);
        let (plus, minus): (Vec<Symbol>, Vec<Symbol>) =
            pairs.map(|(&product, &term)| (product + term, product - term)).unzip();
        products = [plus, minus].concat();
    }
    products
}
