//! The wire format of proofs: compact, canonical, and never a panic on what arrives.
//!
//! A winterfell [Proof] says many things twice. Here a proof is what the verifier cannot derive, and nothing else:
//!
//! 1. **Head**: log2 of the trace length (one byte), the three roots (main, auxiliary, quotients), the out-of-domain
//!    values at z and then at gz (main, auxiliary, quotients each), the roots of the FRI layers, the hash of the FRI
//!    remainder, the nonce of the proof of work.
//! 2. **Openings**: for each of the three trees, the rows at the query positions in ascending order, then the Merkle
//!    nodes, level by level from the leaves and left to right.
//! 3. **FRI**: for each layer the cosets in ascending order, without the values that the verifier has just computed,
//!    then the Merkle nodes in the same order; at the end the remainder, highest coefficient first.
//!
//! The positions follow from the transcript, and every length from the positions: there is no length field, so there is
//! one encoding. Field elements are eight big-endian bytes a limb, below the modulus.
//!
//! Decoding replays the transcript and the folding, because that is what derives the rest; it accepts nothing by
//! itself. [verify] decodes and then asks winterfell, and closes what winterfell leaves open: its verifier never
//! compares the FRI remainder with the commitment to it. Without that a prover may choose the remainder after the
//! queries, and as soon as it has as many coefficients as there are queries the low-degree test proves nothing.

use core::marker::PhantomData;

use starling_vm::field::{Felt, MODULUS};
use winter_air::proof::{Commitments, OodFrame, Proof, Queries, QuotientOodFrame, Table, TraceOodFrame};
use winter_air::{Air, FieldExtension, ProofOptions};
use winter_crypto::{BatchMerkleProof, Digest, ElementHasher, MerkleTree, RandomCoin};
use winter_fri::FriProof;
use winter_math::fields::CubeExtension;
use winter_math::{FieldElement, StarkField, ToElements, polynom};
use winter_utils::{ByteWriter, Deserializable, Serializable};
use winterfell::{AcceptableOptions, VerifierError};

use crate::adapter::{PublicInputs, Shape, StarkAir};
use crate::definition::Definition;

/// The extension field of every proof: cubic.
pub type Ext = CubeExtension<Felt>;

// ERRORS
// ================================================================================================

/// Why bytes are not a proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end early.
    #[error("the proof ends early: {needed} more bytes at {offset}")]
    Truncated {
        /// Where the missing bytes would start.
        offset: usize,
        /// How many were wanted there.
        needed: usize,
    },
    /// Bytes are left over.
    #[error("{0} bytes after the end of the proof")]
    TrailingBytes(usize),
    /// A limb is not below the modulus.
    #[error("the limb at byte {offset} is {value}, not below the modulus")]
    NotCanonical {
        /// Where it stands.
        offset: usize,
        /// What it says.
        value: u64,
    },
    /// The trace length is outside the accepted range.
    #[error("a trace of 2^{found} rows where 2^{least} to 2^{most} are accepted")]
    TraceLength {
        /// What the proof claims.
        found: u32,
        /// The shortest accepted.
        least: u32,
        /// The longest accepted.
        most: u32,
    },
    /// The transcript could not draw a challenge.
    #[error("the coin could not draw a challenge")]
    Coin,
    /// Only proofs over the cubic extension have a wire format.
    #[error("proofs are over the cubic extension, not the one of degree {0}")]
    Extension(usize),
    /// A proof handed over for encoding does not have the expected parts.
    #[error("the proof to encode is malformed: {0}")]
    Malformed(String),
}

/// Why a proof was refused.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is not well formed.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The remainder is not what the transcript committed to.
    #[error("the FRI remainder does not match its commitment")]
    Remainder,
    /// It does not prove the statement.
    #[error(transparent)]
    Verifier(#[from] VerifierError),
}

// PARTS
// ================================================================================================

/// A proof taken apart: exactly the values that travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts<G> {
    /// log2 of the trace length.
    pub log_length: u32,
    /// Roots: main, auxiliary, quotients.
    pub roots: [G; 3],
    /// Values at z, then at gz: main, auxiliary, quotients each.
    pub ood: [Vec<Ext>; 2],
    /// Roots of the FRI layers.
    pub fri_roots: Vec<G>,
    /// Hash of the FRI remainder.
    pub remainder_hash: G,
    /// Nonce of the proof of work.
    pub nonce: u64,
    /// Rows of the main segment at the query positions.
    pub main_rows: Vec<Vec<Felt>>,
    /// Rows of the auxiliary segment and of the quotients.
    pub ext_rows: [Vec<Vec<Ext>>; 2],
    /// Merkle nodes of the three trees.
    pub nodes: [Vec<G>; 3],
    /// For each FRI layer, the values of its cosets that do not follow from the layer before, and its Merkle nodes.
    pub layers: Vec<(Vec<Ext>, Vec<G>)>,
    /// Coefficients of the remainder, highest first.
    pub remainder: Vec<Ext>,
}

/// A proof's bytes, cut where a verification in several transactions cuts them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sections {
    /// Commitments and out-of-domain values.
    pub head: Vec<u8>,
    /// Openings of the three trees.
    pub openings: Vec<u8>,
    /// FRI layers and remainder.
    pub fri: Vec<u8>,
}

impl Sections {
    /// The proof in one piece.
    pub fn concat(&self) -> Vec<u8> {
        [&self.head[..], &self.openings, &self.fri].concat()
    }
}

impl<G: Digest> Parts<G> {
    /// The bytes of the proof.
    pub fn to_sections(&self) -> Sections {
        let mut sections = Sections::default();
        let head = &mut sections.head;
        head.push(self.log_length as u8);
        put_digests(head, &self.roots);
        self.ood.iter().for_each(|row| put_elements(head, row));
        put_digests(head, &self.fri_roots);
        put_digests(head, &[self.remainder_hash]);
        head.extend_from_slice(&self.nonce.to_be_bytes());

        let openings = &mut sections.openings;
        self.main_rows.iter().for_each(|row| put_elements(openings, row));
        put_digests(openings, &self.nodes[0]);
        for (rows, nodes) in self.ext_rows.iter().zip(&self.nodes[1..]) {
            rows.iter().for_each(|row| put_elements(openings, row));
            put_digests(openings, nodes);
        }

        for (values, nodes) in &self.layers {
            put_elements(&mut sections.fri, values);
            put_digests(&mut sections.fri, nodes);
        }
        put_elements(&mut sections.fri, &self.remainder);
        sections
    }
}

fn put_digests<G: Digest>(target: &mut Vec<u8>, digests: &[G]) {
    digests.iter().for_each(|digest| digest.write_into(target));
}

fn put_elements<E: FieldElement<BaseField = Felt>>(target: &mut Vec<u8>, elements: &[E]) {
    for limb in E::slice_as_base_elements(elements) {
        target.extend_from_slice(&limb.as_int().to_be_bytes());
    }
}

// READER
// ================================================================================================

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let rest = &self.bytes[self.offset..];
        if rest.len() < len {
            return Err(WireError::Truncated {
                offset: self.offset,
                needed: len - rest.len(),
            });
        }
        self.offset += len;
        Ok(&rest[..len])
    }

    fn u64(&mut self) -> Result<u64, WireError> {
        let bytes = self.take(8)?;
        Ok(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn felt(&mut self) -> Result<Felt, WireError> {
        let offset = self.offset;
        let value = self.u64()?;
        if value >= MODULUS {
            return Err(WireError::NotCanonical { offset, value });
        }
        Ok(Felt::new(value))
    }

    fn elements<E: FieldElement<BaseField = Felt>>(&mut self, len: usize) -> Result<Vec<E>, WireError> {
        let limbs: Vec<Felt> = (0..len * E::EXTENSION_DEGREE)
            .map(|_| self.felt())
            .collect::<Result<_, _>>()?;
        Ok(E::slice_from_base_elements(&limbs).to_vec())
    }

    fn digests<G: Digest>(&mut self, len: usize) -> Result<Vec<G>, WireError> {
        let size = G::default().to_bytes().len();
        (0..len)
            .map(|_| {
                let bytes = self.take(size)?;
                G::read_from_bytes(bytes).map_err(|error| WireError::Malformed(error.to_string()))
            })
            .collect()
    }
}

// CODEC
// ================================================================================================

/// Encodes, decodes and verifies the proofs of one AIR under one option set.
pub struct Codec<'a, D, H, R> {
    shape: &'a Shape,
    public: &'a PublicInputs<D>,
    _types: PhantomData<(H, R)>,
}

/// What the transcript gives away once all commitments are known.
struct Replay {
    z: Ext,
    deep: Vec<Ext>,
    alphas: Vec<Ext>,
    positions: Vec<usize>,
}

impl<'a, D, H, R> Codec<'a, D, H, R>
where
    D: Definition,
    H: ElementHasher<BaseField = Felt> + Sync,
    R: RandomCoin<BaseField = Felt, Hasher = H>,
{
    /// The codec for proofs of the statement `public`.
    pub fn new(shape: &'a Shape, public: &'a PublicInputs<D>) -> Result<Self, WireError> {
        if shape.options.field_extension() != FieldExtension::Cubic {
            return Err(WireError::Extension(shape.extension_degree()));
        }
        Ok(Self {
            shape,
            public,
            _types: PhantomData,
        })
    }

    /// Takes the prover's proof apart.
    pub fn parts(&self, proof: &Proof) -> Result<Parts<H::Digest>, WireError> {
        let malformed = |what: &str| WireError::Malformed(what.to_string());
        let shape = self.shape;
        let length = proof.trace_info().length();
        let log_length = length.ilog2();
        self.check_length(log_length)?;
        if proof.context != shape.context(log_length) || proof.trace_queries.len() != 2 {
            return Err(malformed("another context"));
        }
        let domain = length * shape.options.blowup_factor();
        let folding = shape.options.to_fri_options().folding_factor();
        let unique = usize::from(proof.num_unique_queries);

        let (trace_roots, quotient_root, mut fri_roots) = proof
            .commitments
            .clone()
            .parse::<H>(2, shape.num_layers(log_length))
            .map_err(|_| malformed("commitments"))?;
        let remainder_hash = fri_roots.pop().ok_or_else(|| malformed("commitments"))?;
        let (trace, quotients) = proof
            .ood_frame
            .clone()
            .parse::<Ext>(shape.main_width, shape.aux_width, shape.quotients)
            .map_err(|_| malformed("out-of-domain frame"))?;
        let mut parts = Parts {
            log_length,
            roots: [trace_roots[0], trace_roots[1], quotient_root],
            ood: [
                [trace.current_row(), quotients.current_row()].concat(),
                [trace.next_row(), quotients.next_row()].concat(),
            ],
            fri_roots,
            remainder_hash,
            nonce: proof.pow_nonce,
            main_rows: vec![],
            ext_rows: [vec![], vec![]],
            nodes: [vec![], vec![], vec![]],
            layers: vec![],
            remainder: proof.fri_proof.parse_remainder().map_err(|_| malformed("remainder"))?,
        };
        let replay = self.replay(&parts)?;
        if replay.positions.len() != unique {
            return Err(malformed("number of unique queries"));
        }

        let queries = proof.trace_queries[0].clone();
        let (path, table) = queries
            .parse::<Felt, H, MerkleTree<H>>(domain, unique, shape.main_width)
            .map_err(|_| malformed("main queries"))?;
        parts.main_rows = rows(&table);
        parts.nodes[0] = flatten(&replay.positions, &path)?;
        let tables = [
            (&proof.trace_queries[1], shape.aux_width),
            (&proof.constraint_queries, shape.quotients),
        ];
        for (i, (queries, width)) in tables.into_iter().enumerate() {
            let (path, table) = queries
                .clone()
                .parse::<Ext, H, MerkleTree<H>>(domain, unique, width)
                .map_err(|_| malformed("queries"))?;
            parts.ext_rows[i] = rows(&table);
            parts.nodes[i + 1] = flatten(&replay.positions, &path)?;
        }

        let (values, paths) = proof
            .fri_proof
            .clone()
            .parse_layers::<Ext, H, MerkleTree<H>>(domain, folding)
            .map_err(|_| malformed("FRI layers"))?;
        let mut layer = Layer::first(&replay.positions, domain, folding);
        for (values, path) in values.iter().zip(&paths) {
            if values.len() != folding * layer.folded.len() {
                return Err(malformed("a FRI layer"));
            }
            let mut sent = vec![];
            for (i, known) in layer.known.iter().enumerate() {
                let start = folding * layer.arrival[i];
                sent.extend((0..folding).filter(|k| !known.contains(k)).map(|k| values[start + k]));
            }
            parts.layers.push((sent, flatten(&layer.folded, path)?));
            layer = layer.next(folding);
        }
        Ok(parts)
    }

    /// Reads a proof's values from its bytes.
    pub fn read(&self, bytes: &[u8]) -> Result<Parts<H::Digest>, WireError> {
        let shape = self.shape;
        let mut reader = Reader { bytes, offset: 0 };
        let log_length = u32::from(reader.take(1)?[0]);
        self.check_length(log_length)?;
        let roots = reader.digests(3)?;
        let ood = [reader.elements(shape.columns())?, reader.elements(shape.columns())?];
        let fri_roots = reader.digests(shape.num_layers(log_length))?;
        let mut parts = Parts {
            log_length,
            roots: [roots[0], roots[1], roots[2]],
            ood,
            fri_roots,
            remainder_hash: reader.digests(1)?[0],
            nonce: reader.u64()?,
            main_rows: vec![],
            ext_rows: [vec![], vec![]],
            nodes: [vec![], vec![], vec![]],
            layers: vec![],
            remainder: vec![],
        };
        let Replay { positions, .. } = self.replay(&parts)?;

        let domain = (1 << log_length) * shape.options.blowup_factor();
        let siblings = sibling_plan(&positions, domain.ilog2()).len();
        parts.main_rows = positions
            .iter()
            .map(|_| reader.elements(shape.main_width))
            .collect::<Result<_, WireError>>()?;
        parts.nodes[0] = reader.digests(siblings)?;
        for (i, width) in [shape.aux_width, shape.quotients].into_iter().enumerate() {
            parts.ext_rows[i] = positions
                .iter()
                .map(|_| reader.elements(width))
                .collect::<Result<_, WireError>>()?;
            parts.nodes[i + 1] = reader.digests(siblings)?;
        }

        let folding = shape.options.to_fri_options().folding_factor();
        let mut layer = Layer::first(&positions, domain, folding);
        for _ in 0..shape.num_layers(log_length) {
            let known: usize = layer.known.iter().map(Vec::len).sum();
            let values = reader.elements(folding * layer.folded.len() - known)?;
            let siblings = sibling_plan(&layer.folded, layer.domain.ilog2()).len();
            parts.layers.push((values, reader.digests(siblings)?));
            layer = layer.next(folding);
        }
        parts.remainder = reader.elements(shape.remainder_len(log_length))?;
        match bytes.len() - reader.offset {
            0 => Ok(parts),
            extra => Err(WireError::TrailingBytes(extra)),
        }
    }

    /// Rebuilds winterfell's proof.
    pub fn proof(&self, parts: &Parts<H::Digest>) -> Result<Proof, WireError> {
        let shape = self.shape;
        let replay = self.replay(parts)?;
        let positions = &replay.positions;
        let domain = (1 << parts.log_length) * shape.options.blowup_factor();
        let folding = shape.options.to_fri_options().folding_factor();

        let tree = |indexes: &[usize], depth, nodes: &[H::Digest]| unflatten::<H>(indexes, depth, nodes);
        let depth = domain.ilog2();
        let main_path = tree(positions, depth, &parts.nodes[0])?;
        let aux_path = tree(positions, depth, &parts.nodes[1])?;
        let quotient_path = tree(positions, depth, &parts.nodes[2])?;

        let mut layers = vec![];
        let mut layer = Layer::first(positions, domain, folding);
        let mut evaluations = self.deep(parts, &replay);
        let mut generator = shape.domain_generator(parts.log_length);
        for (depth, (sent, nodes)) in parts.layers.iter().enumerate() {
            let mut sent = sent.iter();
            let cosets: Vec<Vec<Ext>> = layer
                .known
                .iter()
                .zip(&layer.sources)
                .map(|(known, sources)| {
                    (0..folding)
                        .map(|k| match known.iter().position(|&index| index == k) {
                            Some(found) => Some(evaluations[sources[found]]),
                            None => sent.next().copied(),
                        })
                        .collect::<Option<_>>()
                })
                .collect::<Option<_>>()
                .ok_or_else(|| WireError::Malformed("a FRI layer".into()))?;
            let alpha = replay.alphas[depth];
            evaluations = layer
                .folded
                .iter()
                .zip(&cosets)
                .map(|(&position, coset)| fold(coset, generator, layer.domain, position, alpha))
                .collect();

            let mut by_arrival: Vec<(usize, &Vec<Ext>)> = layer.arrival.iter().copied().zip(&cosets).collect();
            by_arrival.sort_by_key(|(arrival, _)| *arrival);
            let values: Vec<Ext> = by_arrival
                .into_iter()
                .flat_map(|(_, coset)| coset.iter().copied())
                .collect();
            layers.push((values, tree(&layer.folded, layer.domain.ilog2(), nodes)?));
            generator = generator.exp_vartime(folding as u64);
            layer = layer.next(folding);
        }

        let mut ood_frame = OodFrame::default();
        let (trace_width, main_width) = (shape.main_width + shape.aux_width, shape.main_width);
        let split = |row: &[Ext]| (row[..trace_width].to_vec(), row[trace_width..].to_vec());
        let ((current, quotients), (next, next_quotients)) = (split(&parts.ood[0]), split(&parts.ood[1]));
        ood_frame.set_trace_states(&TraceOodFrame::new(current, next, main_width));
        ood_frame.set_quotient_states(&QuotientOodFrame::new(quotients, next_quotients));

        let mut fri_roots = parts.fri_roots.clone();
        fri_roots.push(parts.remainder_hash);
        Ok(Proof {
            context: shape.context(parts.log_length),
            num_unique_queries: positions.len() as u8,
            commitments: Commitments::new::<H>(parts.roots[..2].to_vec(), parts.roots[2], fri_roots),
            trace_queries: vec![
                Queries::new::<H, Felt, MerkleTree<H>>(main_path, parts.main_rows.clone()),
                Queries::new::<H, Ext, MerkleTree<H>>(aux_path, parts.ext_rows[0].clone()),
            ],
            constraint_queries: Queries::new::<H, Ext, MerkleTree<H>>(quotient_path, parts.ext_rows[1].clone()),
            ood_frame,
            fri_proof: fri_proof(&layers, &parts.remainder)?,
            pow_nonce: parts.nonce,
        })
    }

    /// Encodes a proof.
    pub fn encode(&self, proof: &Proof) -> Result<Sections, WireError> {
        self.parts(proof).map(|parts| parts.to_sections())
    }

    /// Decodes a proof.
    pub fn decode(&self, bytes: &[u8]) -> Result<Proof, WireError> {
        self.proof(&self.read(bytes)?)
    }

    /// Verifies a proof: the relation that the contract checks too.
    pub fn verify(&self, bytes: &[u8]) -> Result<(), VerifyError> {
        let parts = self.read(bytes)?;
        if H::hash_elements(&parts.remainder) != parts.remainder_hash {
            return Err(VerifyError::Remainder);
        }
        let proof = self.proof(&parts)?;
        let options = AcceptableOptions::OptionSet(vec![self.shape.options.clone()]);
        winterfell::verify::<StarkAir<D>, H, R, MerkleTree<H>>(proof, self.public.clone(), &options)?;
        Ok(())
    }

    /// The query positions of a proof, ascending and without repetitions.
    pub fn positions(&self, parts: &Parts<H::Digest>) -> Result<Vec<usize>, WireError> {
        self.replay(parts).map(|replay| replay.positions)
    }

    fn check_length(&self, found: u32) -> Result<(), WireError> {
        let (least, most) = self.shape.log_lengths;
        match (least..=most).contains(&found) {
            true => Ok(()),
            false => Err(WireError::TraceLength { found, least, most }),
        }
    }

    /// Runs the transcript. Challenges that only the constraints need are not drawn: a draw does not change the seed.
    fn replay(&self, parts: &Parts<H::Digest>) -> Result<Replay, WireError> {
        let shape = self.shape;
        let context = shape.context(parts.log_length);
        let mut seed: Vec<Felt> = context.to_elements();
        seed.extend(self.public.to_elements());
        let mut coin = R::new(&seed);
        parts.roots.iter().for_each(|root| coin.reseed(*root));
        let z: Ext = coin.draw().map_err(|_| WireError::Coin)?;
        coin.reseed(H::hash_elements(&parts.ood.concat()));
        let air = StarkAir::new(
            shape.trace_info(parts.log_length),
            self.public.clone(),
            shape.options.clone(),
        );
        let deep = air
            .get_deep_composition_coefficients::<Ext, R>(&mut coin)
            .map_err(|_| WireError::Coin)?;
        let mut alphas = vec![];
        for root in &parts.fri_roots {
            coin.reseed(*root);
            alphas.push(coin.draw().map_err(|_| WireError::Coin)?);
        }
        coin.reseed(parts.remainder_hash);
        let domain = air.lde_domain_size();
        let queries = shape.options.num_queries();
        let mut positions = coin
            .draw_integers(queries, domain, parts.nonce)
            .map_err(|_| WireError::Coin)?;
        positions.sort_unstable();
        positions.dedup();
        Ok(Replay {
            z,
            deep: [deep.trace, deep.constraints].concat(),
            alphas,
            positions,
        })
    }

    /// The values of the DEEP polynomial at the query positions.
    fn deep(&self, parts: &Parts<H::Digest>, replay: &Replay) -> Vec<Ext> {
        let generator = self.shape.domain_generator(parts.log_length);
        let trace_generator = Felt::get_root_of_unity(parts.log_length);
        let points = [replay.z, replay.z * Ext::from(trace_generator)];
        let combine = |row: &mut dyn Iterator<Item = Ext>| {
            row.zip(&replay.deep)
                .fold(Ext::ZERO, |sum, (value, coefficient)| sum + value * *coefficient)
        };
        let at_points = [0, 1].map(|i| combine(&mut parts.ood[i].iter().copied()));
        let mut result = vec![];
        for (i, &position) in replay.positions.iter().enumerate() {
            let x = Ext::from(Felt::GENERATOR * generator.exp_vartime(position as u64));
            let main = parts.main_rows[i].iter().map(|&value| Ext::from(value));
            let rest = parts.ext_rows[0][i].iter().chain(&parts.ext_rows[1][i]).copied();
            let row = combine(&mut main.chain(rest));
            result.push((row - at_points[0]) / (x - points[0]) + (row - at_points[1]) / (x - points[1]));
        }
        result
    }
}

fn rows<E: FieldElement>(table: &Table<E>) -> Vec<Vec<E>> {
    table.rows().map(<[E]>::to_vec).collect()
}

// FRI
// ================================================================================================

/// The cosets that one FRI layer opens.
struct Layer {
    /// Size of the folded domain: leaves of the layer's tree.
    domain: usize,
    /// Positions in the folded domain, ascending.
    folded: Vec<usize>,
    /// For each of them, the indexes within the coset whose values are known from the layer before.
    known: Vec<Vec<usize>>,
    /// Where those values stand in the list of the layer before.
    sources: Vec<Vec<usize>>,
    /// For each of them, its place in winterfell's order, which is that of first occurrence.
    arrival: Vec<usize>,
    /// The folded positions in winterfell's order.
    in_order: Vec<usize>,
    /// The place of each of those in ascending order.
    rank: Vec<usize>,
}

impl Layer {
    fn first(positions: &[usize], domain: usize, folding: usize) -> Self {
        let sources: Vec<usize> = (0..positions.len()).collect();
        Self::new(positions, &sources, domain, folding)
    }

    fn next(&self, folding: usize) -> Self {
        Self::new(&self.in_order, &self.rank, self.domain, folding)
    }

    /// Folds `positions`, whose values stand at `sources`.
    fn new(positions: &[usize], sources: &[usize], domain: usize, folding: usize) -> Self {
        let domain = domain / folding;
        let mut in_order: Vec<usize> = vec![];
        for position in positions {
            if !in_order.contains(&(position % domain)) {
                in_order.push(position % domain);
            }
        }
        let mut folded = in_order.clone();
        folded.sort_unstable();
        let arrival = folded
            .iter()
            .map(|f| in_order.iter().position(|p| p == f).unwrap_or(0))
            .collect();
        let rank = in_order.iter().map(|p| folded.binary_search(p).unwrap_or(0)).collect();
        let of = |f: usize| {
            positions
                .iter()
                .zip(sources)
                .filter(move |(position, _)| **position % domain == f)
        };
        let known = folded
            .iter()
            .map(|&f| of(f).map(|(position, _)| position / domain).collect())
            .collect();
        let sources = folded
            .iter()
            .map(|&f| of(f).map(|(_, source)| *source).collect())
            .collect();
        Self {
            domain,
            folded,
            known,
            sources,
            arrival,
            in_order,
            rank,
        }
    }
}

/// Folds one coset: the value at `alpha` of the polynomial through its values.
fn fold(coset: &[Ext], generator: Felt, folded_domain: usize, position: usize, alpha: Ext) -> Ext {
    let start = Felt::GENERATOR * generator.exp_vartime(position as u64);
    let step = generator.exp_vartime(folded_domain as u64);
    let points: Vec<Ext> = (0..coset.len())
        .map(|k| Ext::from(start * step.exp_vartime(k as u64)))
        .collect();
    polynom::eval(&polynom::interpolate(&points, coset, false), alpha)
}

/// winterfell builds its FRI proofs only from their bytes.
fn fri_proof<H: ElementHasher>(
    layers: &[(Vec<Ext>, BatchMerkleProof<H>)],
    remainder: &[Ext],
) -> Result<FriProof, WireError> {
    let mut bytes = vec![layers.len() as u8];
    for (values, path) in layers {
        for part in [
            values.iter().flat_map(Serializable::to_bytes).collect::<Vec<u8>>(),
            path.to_bytes(),
        ] {
            bytes.write_u32(part.len() as u32);
            bytes.write_bytes(&part);
        }
    }
    let remainder: Vec<u8> = remainder.iter().flat_map(Serializable::to_bytes).collect();
    bytes.write_u16(remainder.len() as u16);
    bytes.write_bytes(&remainder);
    bytes.write_u8(0);
    FriProof::read_from_bytes(&bytes).map_err(|error| WireError::Malformed(error.to_string()))
}

// MERKLE PATHS
// ================================================================================================

/// For every sibling that the verifier lacks, in wire order, the list of winterfell's batch proof that holds it.
fn sibling_plan(indexes: &[usize], depth: u32) -> Vec<usize> {
    let mut plan = vec![];
    let mut level = indexes.to_vec();
    for height in 0..depth {
        let mut parents = vec![];
        let mut i = 0;
        while i < level.len() {
            let paired = i + 1 < level.len() && level[i] ^ 1 == level[i + 1];
            if !paired {
                // On the lowest level winterfell counts pairs, on the others the nodes of the level.
                plan.push(if height == 0 { parents.len() } else { i });
            }
            parents.push(level[i] >> 1);
            i += 1 + usize::from(paired);
        }
        level = parents;
    }
    plan
}

fn flatten<H: ElementHasher>(indexes: &[usize], path: &BatchMerkleProof<H>) -> Result<Vec<H::Digest>, WireError> {
    let mut lists: Vec<_> = path.nodes.iter().map(|list| list.iter()).collect();
    let nodes = sibling_plan(indexes, u32::from(path.depth))
        .into_iter()
        .map(|list| lists.get_mut(list).and_then(Iterator::next).copied())
        .collect::<Option<_>>();
    match lists.iter_mut().all(|list| list.next().is_none()) {
        true => nodes,
        false => None,
    }
    .ok_or_else(|| WireError::Malformed("a Merkle path".into()))
}

fn unflatten<H: ElementHasher>(
    indexes: &[usize],
    depth: u32,
    nodes: &[H::Digest],
) -> Result<BatchMerkleProof<H>, WireError> {
    let plan = sibling_plan(indexes, depth);
    if plan.len() != nodes.len() {
        return Err(WireError::Malformed("a Merkle path".into()));
    }
    let mut pairs: Vec<usize> = indexes.iter().map(|index| index >> 1).collect();
    pairs.dedup();
    let mut lists = vec![vec![]; pairs.len()];
    plan.into_iter()
        .zip(nodes)
        .for_each(|(list, node)| lists[list].push(*node));
    Ok(BatchMerkleProof {
        nodes: lists,
        depth: depth as u8,
    })
}

/// The settlement options that the estimator must approve; see `specs/l1.md`.
pub fn settle_options(queries: usize, blowup: usize, remainder_max_degree: usize) -> ProofOptions {
    use winter_air::BatchingMethod::Linear;
    ProofOptions::new(
        queries,
        blowup,
        20,
        FieldExtension::Cubic,
        8,
        remainder_max_degree,
        Linear,
        Linear,
    )
}
