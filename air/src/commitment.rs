//! What the prover commits to: the extended trace and the quotients, each with its tree.

use std::sync::{Arc, OnceLock};

use starling_vm::field::Felt;
use winter_air::proof::Queries;
use winter_air::{EvaluationFrame, TraceInfo};
use winter_crypto::VectorCommitment;
use winter_math::FieldElement;
use winter_prover::ConstraintCommitment;
use winterfell::matrix::ColMatrix;
use winterfell::{CompositionPoly, CompositionPolyTrace, StarkDomain, TraceLde, TracePolyTable};

use crate::segment::Segment;
use crate::tree::{EightHasher, Tree};

/// The extended segments of a trace, shared with the evaluator of the constraints: winterfell shows it rows only.
#[derive(Debug, Default)]
pub struct Segments {
    main: OnceLock<Segment>,
    aux: OnceLock<Segment>,
}

const ONCE: &str = "winterfell sets each segment once, the main one first";

impl Segments {
    /// The main segment.
    ///
    /// # Panics
    /// Before it is set.
    pub fn main(&self) -> &Segment {
        self.main.get().expect(ONCE)
    }

    /// The auxiliary segment.
    ///
    /// # Panics
    /// Before it is set.
    pub fn aux(&self) -> &Segment {
        self.aux.get().expect(ONCE)
    }
}

/// The extended trace and its trees.
pub struct ExtendedTrace<H: EightHasher> {
    info: TraceInfo,
    segments: Arc<Segments>,
    trees: Vec<Tree<H>>,
}

fn taken<E: FieldElement>(matrix: &ColMatrix<E>) -> Vec<&[E]> {
    matrix.columns().collect()
}

impl<H: EightHasher> ExtendedTrace<H> {
    /// Extends the main segment and commits to it.
    ///
    /// # Panics
    /// When `segments` has one already.
    pub fn new<E: FieldElement<BaseField = Felt>>(
        info: &TraceInfo,
        main: &ColMatrix<Felt>,
        domain: &StarkDomain<Felt>,
        segments: Arc<Segments>,
    ) -> (Self, TracePolyTable<E>) {
        let (segment, polynomials) = Segment::interpolate(&taken(main), domain.trace_to_lde_blowup(), domain.offset());
        let trees = vec![Tree::over(&segment)];
        segments.main.set(segment).expect(ONCE);
        let trace = Self {
            info: info.clone(),
            segments,
            trees,
        };
        (trace, TracePolyTable::new(ColMatrix::new(polynomials)))
    }
}

/// The rows at `positions`, and their paths.
fn opened<E, H>(segment: &Segment, tree: &Tree<H>, positions: &[usize]) -> Queries
where
    E: FieldElement<BaseField = Felt>,
    H: EightHasher,
{
    let (_, paths) = tree.open_many(positions).expect("positions below the domain's size");
    Queries::new::<H, E, Tree<H>>(paths, segment.rows(positions))
}

/// Evaluates all polynomials at two points: winterfell's trait asks for frames. Our evaluator reads whole cosets instead.
fn read_frame<E: FieldElement<BaseField = Felt>>(segment: &Segment, step: usize, frame: &mut EvaluationFrame<E>) {
    let rows = segment.rows(&[step, (step + segment.blowup()) % segment.domain()]);
    frame.current_mut().copy_from_slice(&rows[0]);
    frame.next_mut().copy_from_slice(&rows[1]);
}

impl<E, H> TraceLde<E> for ExtendedTrace<H>
where
    E: FieldElement<BaseField = Felt>,
    H: EightHasher,
{
    type HashFn = H;
    type VC = Tree<H>;

    fn get_main_trace_commitment(&self) -> H::Digest {
        self.trees[0].commitment()
    }

    fn set_aux_trace(&mut self, aux: &ColMatrix<E>, domain: &StarkDomain<Felt>) -> (ColMatrix<E>, H::Digest) {
        let (segment, polynomials) = Segment::interpolate(&taken(aux), domain.trace_to_lde_blowup(), domain.offset());
        let tree = Tree::over(&segment);
        let commitment = tree.commitment();
        self.segments.aux.set(segment).expect(ONCE);
        self.trees.push(tree);
        (ColMatrix::new(polynomials), commitment)
    }

    fn read_main_trace_frame_into(&self, step: usize, frame: &mut EvaluationFrame<Felt>) {
        read_frame(self.segments.main(), step, frame);
    }

    fn read_aux_trace_frame_into(&self, step: usize, frame: &mut EvaluationFrame<E>) {
        read_frame(self.segments.aux(), step, frame);
    }

    fn query(&self, positions: &[usize]) -> Vec<Queries> {
        let main = opened::<Felt, H>(self.segments.main(), &self.trees[0], positions);
        let mut queries = vec![main];
        if let (Some(aux), Some(tree)) = (self.segments.aux.get(), self.trees.get(1)) {
            queries.push(opened::<E, H>(aux, tree, positions));
        }
        queries
    }

    fn trace_len(&self) -> usize {
        self.segments.main().domain()
    }

    fn blowup(&self) -> usize {
        self.segments.main().blowup()
    }

    fn trace_info(&self) -> &TraceInfo {
        &self.info
    }
}

/// The extended quotients and their tree.
pub struct ExtendedQuotients<H: EightHasher> {
    segment: Segment,
    tree: Tree<H>,
}

impl<H: EightHasher> ExtendedQuotients<H> {
    /// Splits the composition polynomial into `columns` quotients, extends them and commits to them.
    pub fn new<E: FieldElement<BaseField = Felt>>(
        composition: CompositionPolyTrace<E>,
        columns: usize,
        domain: &StarkDomain<Felt>,
    ) -> (Self, CompositionPoly<E>) {
        let quotients = CompositionPoly::new(composition, domain, columns);
        let segment = Segment::of_polynomials(&taken(quotients.data()), domain.trace_to_lde_blowup(), domain.offset());
        let tree = Tree::over(&segment);
        (Self { segment, tree }, quotients)
    }
}

impl<E, H> ConstraintCommitment<E> for ExtendedQuotients<H>
where
    E: FieldElement<BaseField = Felt>,
    H: EightHasher,
{
    type HashFn = H;
    type VC = Tree<H>;

    fn commitment(&self) -> H::Digest {
        self.tree.commitment()
    }

    fn query(self, positions: &[usize]) -> Queries {
        opened::<E, H>(&self.segment, &self.tree, positions)
    }
}
