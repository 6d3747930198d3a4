//! Low-degree extensions of columns, eight columns to a row, one coset at a time.

use rayon::prelude::*;
use starling_vm::field::{Felt, MODULUS};
use winter_math::{FieldElement, StarkField};

use crate::lanes::{self, Kernel, Lanes, Row, WIDTH};
use crate::pages;
use crate::transform::{Order, Split, Transform};

/// The columns of a segment of the trace, or the quotients, as polynomials.
///
/// Their evaluation domain is `blowup` cosets of the subgroup of the trace's length; its point `i` is point
/// `i / blowup` of coset `i % blowup`. The values on the whole domain are never held at once: transforming a coset again
/// costs less than memory for all of them, on a machine whose pages must first be found.
///
/// Columns are grouped by eight, the last group filled up with zeros.
#[derive(Debug)]
pub struct Segment {
    groups: Vec<Vec<Row>>,
    order: Order,
    split: Split,
    columns: usize,
    cosets: Vec<Transform>,
    offset: Felt,
}

/// A column of the base field: every `step`-th element, from `at` on. Columns of an extension field are `step` such.
#[derive(Clone, Copy, Debug)]
struct Column<'a> {
    elements: &'a [Felt],
    step: usize,
    at: usize,
}

fn base_columns<'a, E: FieldElement<BaseField = Felt>>(columns: &[&'a [E]]) -> Vec<Column<'a>> {
    let step = E::EXTENSION_DEGREE;
    columns
        .iter()
        .flat_map(|column| {
            let elements = E::slice_as_base_elements(column);
            (0..step).map(move |at| Column { elements, step, at })
        })
        .collect()
}

/// The element with these limbs.
pub(crate) fn element<E: FieldElement<BaseField = Felt>>(limb: impl Fn(usize) -> Felt) -> E {
    let mut limbs = [Felt::ZERO; 3];
    for (i, slot) in limbs[..E::EXTENSION_DEGREE].iter_mut().enumerate() {
        *slot = limb(i);
    }
    E::slice_from_base_elements(&limbs[..E::EXTENSION_DEGREE])[0]
}

/// Columns of `E` from those of the base field.
fn joined<E: FieldElement<BaseField = Felt>>(columns: &[Vec<Felt>]) -> Vec<Vec<E>> {
    columns
        .par_chunks(E::EXTENSION_DEGREE)
        .map(|parts| (0..parts[0].len()).map(|row| element(|i| parts[i][row])).collect())
        .collect()
}

impl Segment {
    /// Interpolates columns of values on the subgroup. Returns the columns' coefficients too.
    pub fn interpolate<E>(values: &[&[E]], blowup: usize, offset: Felt) -> (Self, Vec<Vec<E>>)
    where
        E: FieldElement<BaseField = Felt>,
    {
        let split = Split::new(values[0].len());
        let interpolate = Transform::interpolate(split.reversed());
        let columns = base_columns(values);
        let (groups, coefficients): (Vec<_>, Vec<_>) = columns
            .par_chunks(WIDTH)
            .map(|columns| {
                let values = packed(columns, split.length());
                let mut rows = pages::zeros(split.length());
                interpolate.run(&values, Order::Natural, &mut rows);
                let coefficients = unpacked(&rows, split.reversed(), columns.len());
                (rows, coefficients)
            })
            .unzip();
        let segment = Self::new(groups, Order::Split, columns.len(), blowup, offset);
        (segment, joined(&coefficients.concat()))
    }

    /// Polynomials given by their coefficients.
    pub fn of_polynomials<E>(coefficients: &[&[E]], blowup: usize, offset: Felt) -> Self
    where
        E: FieldElement<BaseField = Felt>,
    {
        let columns = base_columns(coefficients);
        let length = coefficients[0].len();
        let groups = columns
            .par_chunks(WIDTH)
            .map(|columns| packed(columns, length))
            .collect();
        Self::new(groups, Order::Natural, columns.len(), blowup, offset)
    }

    fn new(groups: Vec<Vec<Row>>, order: Order, columns: usize, blowup: usize, offset: Felt) -> Self {
        let split = Split::new(groups[0].len());
        let generator = Felt::get_root_of_unity((split.length() * blowup).ilog2());
        let cosets = (0..blowup)
            .map(|coset| Transform::evaluate(split, offset * generator.exp_vartime(coset as u64)))
            .collect();
        Self {
            groups,
            order,
            split,
            columns,
            cosets,
            offset,
        }
    }

    /// Columns of the base field.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Points of the domain.
    pub fn domain(&self) -> usize {
        self.split.length() * self.blowup()
    }

    /// Cosets of the domain.
    pub fn blowup(&self) -> usize {
        self.cosets.len()
    }

    /// Where the values of each coset stand.
    pub fn split(&self) -> Split {
        self.split
    }

    /// The rows at points of the domain.
    pub fn rows<E: FieldElement<BaseField = Felt>>(&self, points: &[usize]) -> Vec<Vec<E>> {
        let generator = Felt::get_root_of_unity(self.domain().ilog2());
        let points: Vec<Felt> = points
            .iter()
            .map(|&point| self.offset * generator.exp_vartime(point as u64))
            .collect();
        // How far apart the coefficients of neighbouring powers stand, and the other way round.
        let powers = match self.order {
            Order::Natural => self.split.length(),
            Order::Split => self.split.first,
        };
        let values: Vec<Vec<Row>> = self
            .groups
            .par_iter()
            .map(|rows| {
                let evaluate = |points: &[Felt]| {
                    lanes::run(Horner {
                        rows,
                        run: powers,
                        points,
                    })
                };
                points.par_chunks(WIDTH).flat_map_iter(evaluate).collect()
            })
            .collect();
        (0..points.len())
            .map(|point| {
                let limb = |column: usize| Felt::from_mont(values[column / WIDTH][point].0[column % WIDTH]);
                (0..self.columns / E::EXTENSION_DEGREE)
                    .map(|column| element(|i| limb(column * E::EXTENSION_DEGREE + i)))
                    .collect()
            })
            .collect()
    }
}

/// The values at up to eight points of the polynomials whose coefficients are `rows`.
///
/// The rows come in runs of length `run`. Within a run, the exponent grows by the number of runs; from one run to the
/// next, it grows by one.
struct Horner<'a> {
    rows: &'a [Row],
    run: usize,
    points: &'a [Felt],
}

impl Kernel for Horner<'_> {
    type Output = Vec<Row>;

    #[inline(always)]
    fn on<L: Lanes>(self, lanes: L) -> Vec<Row> {
        let runs = self.rows.len() / self.run;
        let mut outer = [lanes.splat(0); WIDTH];
        let mut inner = outer;
        for (i, point) in self.points.iter().enumerate() {
            outer[i] = lanes.splat(point.inner());
            inner[i] = lanes.splat(point.exp_vartime(runs as u64).inner());
        }
        let mut totals = [lanes.splat(0); WIDTH];
        for run in self.rows.chunks_exact(self.run).rev() {
            let mut sums = [lanes.splat(0); WIDTH];
            for row in run.iter().rev() {
                let row = lanes.load(row);
                for i in 0..WIDTH {
                    sums[i] = lanes.add(lanes.mul(sums[i], inner[i]), row);
                }
            }
            for i in 0..WIDTH {
                totals[i] = lanes.add(lanes.mul(totals[i], outer[i]), sums[i]);
            }
        }
        let mut out = vec![Row::default(); self.points.len()];
        for (row, total) in out.iter_mut().zip(totals) {
            lanes.store(total, row);
        }
        out
    }
}

/// The word of an element. winter-math leaves a sum unreduced where it doubles; lanes take reduced words only.
pub(crate) fn reduced(element: Felt) -> u64 {
    let inner = element.inner();
    if inner >= MODULUS { inner - MODULUS } else { inner }
}

/// The columns side by side, in natural order.
fn packed(columns: &[Column<'_>], length: usize) -> Vec<Row> {
    let mut rows = pages::zeros(length);
    for (i, row) in rows.iter_mut().enumerate() {
        for (word, column) in row.0.iter_mut().zip(columns) {
            *word = reduced(column.elements[i * column.step + column.at]);
        }
    }
    rows
}

/// The first `columns` columns of `rows`, which are in split order.
fn unpacked(rows: &[Row], split: Split, columns: usize) -> Vec<Vec<Felt>> {
    let mut out: Vec<Vec<Felt>> = (0..columns).map(|_| Vec::with_capacity(rows.len())).collect();
    for k in 0..rows.len() {
        for (column, word) in out.iter_mut().zip(rows[split.place(k)].0) {
            column.push(Felt::from_mont(word));
        }
    }
    out
}

// COSET
// ================================================================================================================

/// The values of a segment on one coset: for each group of columns a stretch of rows, in the order in which a transform
/// leaves it ([Split::place]). Neighbours in memory are what the hash functions and the constraints take eight at a time.
#[derive(Debug)]
pub struct Coset {
    rows: Vec<Row>,
    split: Split,
}

impl Coset {
    /// Room for a coset of `segment`.
    pub fn of(segment: &Segment) -> Self {
        Self {
            rows: pages::zeros(segment.groups.len() * segment.split.length()),
            split: segment.split,
        }
    }

    /// Evaluates `segment` on its coset number `coset`.
    ///
    /// # Panics
    /// When this is a coset of another segment's shape.
    pub fn fill(&mut self, segment: &Segment, coset: usize) {
        assert_eq!(self.rows.len(), segment.groups.len() * segment.split.length());
        let transform = &segment.cosets[coset];
        self.rows
            .par_chunks_mut(self.split.length())
            .zip(&segment.groups)
            .for_each(|(rows, group)| transform.run(group, segment.order, rows));
    }

    /// The eight values of every column at the places from `place` on, transposed: lane `i` of `words[c]` is column `c` at
    /// the `i`-th of them.
    pub fn read_eight(&self, place: usize, words: &mut [Row]) {
        let places = core::array::from_fn(|i| place + i);
        lanes::run(ReadEight {
            coset: self,
            places,
            words,
            step: 1,
        });
    }

    /// The same at any places, and with column `c` in `words[step * c]`.
    pub fn read_places(&self, places: [usize; WIDTH], words: &mut [Row], step: usize) {
        lanes::run(ReadEight {
            coset: self,
            places,
            words,
            step,
        });
    }
}

/// Brings what belongs to the places of a coset into the order of the domain: value `k` becomes number
/// `cosets * k + coset`.
pub(crate) fn spread<T: Copy + Send + Sync>(placed: &[T], split: Split, coset: usize, cosets: usize, to: &mut [T]) {
    let step = split.first * cosets;
    to.par_chunks_mut(WIDTH * step).enumerate().for_each(|(tile, to)| {
        for run in 0..split.first {
            let neighbours = &placed[run * split.second + tile * WIDTH..][..WIDTH];
            for (i, value) in neighbours.iter().enumerate() {
                to[i * step + run * cosets + coset] = *value;
            }
        }
    });
}

struct ReadEight<'a> {
    coset: &'a Coset,
    places: [usize; WIDTH],
    words: &'a mut [Row],
    step: usize,
}

impl Kernel for ReadEight<'_> {
    type Output = ();

    #[inline(always)]
    fn on<L: Lanes>(self, lanes: L) {
        let stretches = self.coset.rows.chunks_exact(self.coset.split.length());
        for (words, rows) in self.words.chunks_mut(WIDTH * self.step).zip(stretches) {
            let mut tile = [lanes.splat(0); WIDTH];
            for i in 0..WIDTH {
                tile[i] = lanes.load(&rows[self.places[i]]);
            }
            let tile = lanes.transpose(tile);
            for (i, word) in words.iter_mut().step_by(self.step).enumerate() {
                lanes.store(tile[i], word);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use winter_math::fields::CubeExtension;
    use winter_math::polynom;

    use super::*;
    use crate::lanes::Portable;

    type Ext = CubeExtension<Felt>;

    const LENGTH: usize = 1 << 7;
    const BLOWUP: usize = 4;

    fn column(seed: u64) -> Vec<Ext> {
        let felt = |i: u64| Felt::new(i + 2).exp_vartime(1 << 20 | i);
        (0..LENGTH as u64)
            .map(|i| Ext::new(felt(seed + i), felt(seed + 2 * i), Felt::ZERO - Felt::new(i % 2)))
            .collect()
    }

    /// A coset's values are those of the polynomials, rows at any points too, whichever way the segment came to be.
    #[test]
    fn values_are_those_of_the_polynomials() {
        let offset = Felt::new(7);
        let columns = [column(1), column(2), column(3), column(4)];
        let slices: Vec<&[Ext]> = columns.iter().map(Vec::as_slice).collect();
        let (interpolated, polynomials) = Segment::interpolate(&slices, BLOWUP, offset);
        let root = Felt::get_root_of_unity(LENGTH.ilog2());
        for row in [0, 1, LENGTH - 1] {
            let point = Ext::from(root.exp_vartime(row as u64));
            assert_eq!(polynom::eval(&polynomials[1], point), columns[1][row]);
        }
        let slices: Vec<&[Ext]> = polynomials.iter().map(Vec::as_slice).collect();
        let given = Segment::of_polynomials(&slices, BLOWUP, offset);
        let generator = Felt::get_root_of_unity((LENGTH * BLOWUP).ilog2());
        let points: Vec<usize> = (0..LENGTH * BLOWUP).collect();
        for segment in [interpolated, given] {
            assert_eq!((segment.columns(), segment.domain()), (12, LENGTH * BLOWUP));
            let rows = segment.rows::<Ext>(&points);
            for (point, row) in rows.iter().enumerate().step_by(37) {
                let x = Ext::from(offset * generator.exp_vartime(point as u64));
                let expected: Vec<Ext> = polynomials.iter().map(|p| polynom::eval(p, x)).collect();
                assert_eq!(row, &expected);
            }
            let mut coset = Coset::of(&segment);
            for i in 0..BLOWUP {
                coset.fill(&segment, i);
                for place in (0..LENGTH).step_by(WIDTH) {
                    let mut words = vec![Row::default(); segment.columns()];
                    coset.read_eight(place, &mut words);
                    let mut portable = words.clone();
                    ReadEight {
                        coset: &coset,
                        places: core::array::from_fn(|i| place + i),
                        words: &mut portable,
                        step: 1,
                    }
                    .on(Portable);
                    assert_eq!(words, portable);
                    for lane in 0..WIDTH {
                        let row = &rows[i + BLOWUP * segment.split().value(place + lane)];
                        let limbs = Ext::slice_as_base_elements(row);
                        assert!(words.iter().zip(limbs).all(|(word, limb)| word.0[lane] == limb.inner()));
                    }
                }
            }
        }
    }

    #[test]
    fn spreading_visits_every_point() {
        let split = Split::new(LENGTH);
        let mut out = vec![usize::MAX; LENGTH * BLOWUP];
        for coset in 0..BLOWUP {
            let placed: Vec<usize> = (0..LENGTH).map(|place| split.value(place) * BLOWUP + coset).collect();
            spread(&placed, split, coset, BLOWUP, &mut out);
        }
        assert!(out.iter().enumerate().all(|(i, &value)| i == value));
    }

    #[test]
    fn unreduced_words_are_reduced() {
        assert_eq!(reduced(Felt::from_mont(MODULUS)), 0);
        assert_eq!(reduced(Felt::from_mont(u64::MAX)), u64::MAX - MODULUS);
        assert_eq!(reduced(Felt::from_mont(MODULUS - 1)), MODULUS - 1);
    }

    #[test]
    fn horner_runs_on_portable_lanes() {
        let rows: Vec<Row> = (0..LENGTH as u64)
            .map(|i| Row(core::array::from_fn(|lane| i + lane as u64)))
            .collect();
        let points = [3, 5, 7].map(Felt::new);
        for run in [8, LENGTH] {
            let job = || Horner {
                rows: &rows,
                run,
                points: &points,
            };
            assert_eq!(job().on(Portable), lanes::run(job()));
        }
    }
}
