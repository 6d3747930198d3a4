//! Low-degree extensions of columns, eight columns to a row.

use core::mem::MaybeUninit;

use rayon::prelude::*;
use starling_vm::field::{Felt, MODULUS};
use winter_math::{FieldElement, StarkField};

use crate::lanes::{self, Kernel, Lanes, Row, WIDTH};
use crate::pages;
use crate::transform::{Order, Split, Transform};

/// The low-degree extension of a segment of the trace, or of the quotients.
///
/// The evaluation domain is `blowup` cosets of the subgroup of the trace's length; its point `i` is point `i / blowup` of
/// coset `i % blowup`. Columns are grouped by eight, the last group filled up with zeros. For each coset, for each group,
/// there is one stretch of rows, in the order in which a transform leaves it ([Split::place]): neighbours in memory are
/// what the hash functions and the constraints take eight at a time.
#[derive(Debug)]
pub struct Segment {
    rows: Vec<Row>,
    split: Split,
    columns: usize,
    blowup: usize,
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

/// Columns of `E` from those of the base field.
fn joined<E: FieldElement<BaseField = Felt>>(columns: Vec<Vec<Felt>>) -> Vec<Vec<E>> {
    let parts: Vec<&[Vec<Felt>]> = columns.chunks(E::EXTENSION_DEGREE).collect();
    parts
        .into_par_iter()
        .map(|parts| match parts {
            [column] => E::slice_from_base_elements(column).to_vec(),
            _ => (0..parts[0].len())
                .map(|row| {
                    let mut limbs = [Felt::ZERO; 3];
                    for (limb, part) in limbs.iter_mut().zip(parts) {
                        *limb = part[row];
                    }
                    E::slice_from_base_elements(&limbs[..parts.len()])[0]
                })
                .collect(),
        })
        .collect()
}

impl Segment {
    /// Extends columns of values on the subgroup to the domain of `blowup` cosets, the first of them shifted by `offset`.
    /// Returns the columns' coefficients too.
    pub fn extend<E>(values: &[&[E]], blowup: usize, offset: Felt) -> (Self, Vec<Vec<E>>)
    where
        E: FieldElement<BaseField = Felt>,
    {
        let split = Split::new(values[0].len());
        let interpolate = Transform::interpolate(split.reversed());
        let (segment, coefficients) = Self::build(&base_columns(values), split, blowup, offset, |columns| {
            let values = pages::filled(split.length(), |to| packed(columns, to));
            let coefficients = pages::filled(split.length(), |to| interpolate.run(&values, Order::Natural, to));
            let columns = unpacked(&coefficients, split.reversed(), columns.len());
            (coefficients, Order::Split, columns)
        });
        (segment, joined(coefficients))
    }

    /// Evaluates polynomials, given by their coefficients, on the same domain.
    pub fn evaluate<E>(coefficients: &[&[E]], blowup: usize, offset: Felt) -> Self
    where
        E: FieldElement<BaseField = Felt>,
    {
        let split = Split::new(coefficients[0].len());
        let columns = base_columns(coefficients);
        let (segment, _) = Self::build(&columns, split, blowup, offset, |columns| {
            let rows = pages::filled(split.length(), |to| packed(columns, to));
            (rows, Order::Natural, Vec::new())
        });
        segment
    }

    /// `prepare` makes the coefficients of a group of columns, and whatever columns are to be returned.
    fn build(
        columns: &[Column<'_>],
        split: Split,
        blowup: usize,
        offset: Felt,
        prepare: impl Fn(&[Column<'_>]) -> (Vec<Row>, Order, Vec<Vec<Felt>>) + Sync,
    ) -> (Self, Vec<Vec<Felt>>) {
        let n = split.length();
        let generator = Felt::get_root_of_unity((n * blowup).ilog2());
        let cosets: Vec<Transform> = (0..blowup)
            .map(|coset| Transform::evaluate(split, offset * generator.exp_vartime(coset as u64)))
            .collect();
        let groups = columns.len().div_ceil(WIDTH);
        let total = groups * blowup * n;
        let mut rows = pages::with_room(total);
        let mut stretches: Vec<Vec<&mut [MaybeUninit<Row>]>> = (0..groups).map(|_| Vec::new()).collect();
        for (i, stretch) in rows.spare_capacity_mut()[..total].chunks_exact_mut(n).enumerate() {
            stretches[i % groups].push(stretch);
        }
        let kept = columns
            .par_chunks(WIDTH)
            .zip(stretches)
            .map(|(columns, stretches)| {
                let (coefficients, order, kept) = prepare(columns);
                stretches.into_par_iter().zip(&cosets).for_each(|(stretch, coset)| {
                    coset.run(&coefficients, order, stretch);
                });
                kept
            })
            .collect::<Vec<_>>();
        // SAFETY: the stretches are all of the first `total` rows, and a transform has filled each.
        unsafe { rows.set_len(total) };
        let segment = Self {
            rows,
            split,
            columns: columns.len(),
            blowup,
        };
        (segment, kept.into_iter().flatten().collect())
    }

    /// Columns of the base field.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Points of the domain.
    pub fn domain(&self) -> usize {
        self.split.length() * self.blowup
    }

    /// Cosets of the domain.
    pub fn blowup(&self) -> usize {
        self.blowup
    }

    /// Where the values of each coset stand.
    pub fn split(&self) -> Split {
        self.split
    }

    /// The first words of the row at point `point` of the domain, as elements of `E`.
    pub fn read_row<E: FieldElement<BaseField = Felt>>(&self, point: usize, row: &mut [E]) {
        let place = self.split.place(point / self.blowup);
        let mut limbs = [Felt::ZERO; 3];
        let mut at = 0;
        for element in row {
            for limb in &mut limbs[..E::EXTENSION_DEGREE] {
                let word = self.stretch(point % self.blowup, at / WIDTH)[place].0[at % WIDTH];
                *limb = Felt::from_mont(word);
                at += 1;
            }
            *element = E::slice_from_base_elements(&limbs[..E::EXTENSION_DEGREE])[0];
        }
    }

    /// The rows of a coset that hold the columns of a group.
    #[inline(always)]
    pub fn stretch(&self, coset: usize, group: usize) -> &[Row] {
        let groups = self.columns.div_ceil(WIDTH);
        let n = self.split.length();
        &self.rows[(coset * groups + group) * n..][..n]
    }

    /// The eight points at `place` and after, transposed: lane `i` of `words[c]` is column `c` at the `i`-th of them.
    pub fn read_eight(&self, coset: usize, place: usize, words: &mut [Row]) {
        lanes::run(ReadEight {
            segment: self,
            coset,
            place,
            words,
        });
    }
}

struct ReadEight<'a> {
    segment: &'a Segment,
    coset: usize,
    place: usize,
    words: &'a mut [Row],
}

impl Kernel for ReadEight<'_> {
    type Output = ();

    #[inline(always)]
    fn on<L: Lanes>(self, lanes: L) {
        for (group, words) in self.words.chunks_mut(WIDTH).enumerate() {
            let rows = &self.segment.stretch(self.coset, group)[self.place..][..WIDTH];
            let mut tile = [lanes.splat(0); WIDTH];
            for i in 0..WIDTH {
                tile[i] = lanes.load(&rows[i]);
            }
            let tile = lanes.transpose(tile);
            for (i, word) in words.iter_mut().enumerate() {
                lanes.store(tile[i], word);
            }
        }
    }
}

/// The columns side by side, in natural order.
fn packed<'a>(columns: &[Column<'_>], to: &'a mut [MaybeUninit<Row>]) -> &'a mut [Row] {
    for (i, row) in to.iter_mut().enumerate() {
        let mut words = Row::default();
        for (word, column) in words.0.iter_mut().zip(columns) {
            let inner = column.elements[i * column.step + column.at].inner();
            // winter-math leaves a sum unreduced where it doubles.
            *word = if inner >= MODULUS { inner - MODULUS } else { inner };
        }
        row.write(words);
    }
    // SAFETY: the loop has written every row.
    unsafe { &mut *(core::ptr::from_mut(to) as *mut [Row]) }
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
