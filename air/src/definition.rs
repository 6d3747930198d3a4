//! What an AIR is, said once: widths, periodic columns, constraints over the small algebra, boundary values.
//!
//! The winterfell adapter runs a [Definition] on field elements; the generator of the on-chain evaluator runs the same
//! code on symbols. Nothing about a constraint is written anywhere else.

use starling_vm::algebra::Algebra;
use starling_vm::field::Felt;
use winter_math::{ExtensionOf, FieldElement};

/// An algebra that contains `A`: the extension field over the base field, or symbols over symbols.
pub trait Extends<A: Algebra>: Algebra {
    /// The element `a` of the smaller algebra.
    fn embed(a: A) -> Self;

    /// `self * a`, cheaper than embedding first.
    fn scale(self, a: A) -> Self;
}

impl<F, E> Extends<F> for E
where
    F: FieldElement<BaseField = Felt>,
    E: FieldElement<BaseField = Felt> + ExtensionOf<F>,
{
    #[inline(always)]
    fn embed(a: F) -> Self {
        E::from(a)
    }

    #[inline(always)]
    fn scale(self, a: F) -> Self {
        self.mul_base(a)
    }
}

/// Two neighbouring rows of the main trace, and the periodic columns at the first of them.
#[derive(Clone, Copy, Debug)]
pub struct MainFrame<'a, A> {
    /// The row at which the constraints are evaluated.
    pub current: &'a [A],
    /// The row after it.
    pub next: &'a [A],
    /// The periodic columns' values at `current`.
    pub periodic: &'a [A],
}

/// Two neighbouring rows of the auxiliary trace, and the challenges drawn after the main trace was committed.
#[derive(Clone, Copy, Debug)]
pub struct AuxFrame<'a, X> {
    /// The row at which the constraints are evaluated.
    pub current: &'a [X],
    /// The row after it.
    pub next: &'a [X],
    /// The challenges.
    pub challenges: &'a [X],
}

/// A row that an assertion names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// Row 0.
    First,
    /// The last row of the trace.
    Last,
}

/// An AIR of one main and one auxiliary segment.
///
/// Every transition constraint holds on all rows but the last. Main assertions are constants of the AIR. The auxiliary
/// assertions are: [Definition::accumulator] is 0 at the first row, and at the last row it is the sum that the verifier
/// computes from the public words (see `bus`).
pub trait Definition: Clone + Send + Sync + 'static {
    /// Columns of the main segment.
    fn main_width(&self) -> usize;

    /// Columns of the auxiliary segment, each over the cubic extension.
    fn aux_width(&self) -> usize;

    /// Challenges drawn for the auxiliary segment.
    fn num_challenges(&self) -> usize;

    /// The auxiliary column that accumulates the buses.
    fn accumulator(&self) -> usize;

    /// The periodic columns; each one's length is a power of two.
    fn periodic_columns(&self) -> Vec<Vec<u64>>;

    /// For each main constraint, a bound on its degree: base degree and the cycles of periodic factors.
    fn main_degrees(&self) -> Vec<(usize, Vec<usize>)>;

    /// The same for the auxiliary constraints.
    fn aux_degrees(&self) -> Vec<(usize, Vec<usize>)>;

    /// Values that cells of the first and the last row must have, as (column, row, value).
    fn main_assertions(&self) -> Vec<(usize, Row, u64)>;

    /// Evaluates the main constraints into `out`, which is as long as [Definition::main_degrees].
    fn eval_main<A: Algebra>(&self, frame: &MainFrame<'_, A>, out: &mut [A]);

    /// Evaluates the auxiliary constraints into `out`, which is as long as [Definition::aux_degrees].
    fn eval_aux<A: Algebra, X: Extends<A>>(&self, main: &MainFrame<'_, A>, aux: &AuxFrame<'_, X>, out: &mut [X]);
}
