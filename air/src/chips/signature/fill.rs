//! Filling the signature chip's columns.

use std::sync::LazyLock;

use rayon::prelude::*;
use starling_vm::ecgfp5::{Affine, Gf5};
use starling_vm::field::{Felt, Word};
use starling_vm::schnorr::ladder::{Digit, Digits, Walk, run_batch};
use starling_vm::schnorr::{Challenge, PublicKey, SecretKey, Signature};

use super::{Columns, FINISH, GROUP, HashCall, ROWS, WIDTH, capacity, hash_id};

const ZERO: Felt = Felt::new(0);
const ONE: Felt = Felt::new(1);

/// A signature that the run checked.
#[derive(Clone, Debug)]
pub struct Request {
    /// The cycle of the instruction.
    pub clk: u64,
    /// The key.
    pub key: PublicKey,
    /// The message.
    pub message: Word,
    /// The signature.
    pub signature: Signature,
}

impl Request {
    /// What the chip's rows are made of.
    pub fn witness(&self) -> Witness {
        Witness {
            clk: self.clk,
            key: self.key,
            s: *self.signature.s(),
            challenge: Challenge::new(self.signature.r(), &Gf5(self.key.to_elements()), &self.message),
        }
    }

    /// The permutations that the chip asks for when it serves this request.
    pub fn hash_calls(&self) -> [HashCall; 3] {
        let challenge = self.witness().challenge;
        core::array::from_fn(|k| HashCall {
            id: hash_id(self.clk, k as u64 + 1),
            input: challenge.inputs[k],
        })
    }
}

/// What the rows of a block are made of. The commitment and the message stand in the challenge's inputs.
#[derive(Clone, Debug)]
pub struct Witness {
    /// The cycle of the instruction.
    pub clk: u64,
    /// The key.
    pub key: PublicKey,
    /// The scalar.
    pub s: [u32; 10],
    /// The challenge.
    pub challenge: Challenge,
}

impl Witness {
    fn digits(&self) -> Digits<'_> {
        Digits {
            s: &self.s,
            challenge: &self.challenge,
        }
    }
}

/// A request in whose rows something cannot be filled: its signature is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature checked in cycle {clk} is not valid")]
pub struct Invalid {
    /// The request's cycle.
    pub clk: u64,
}

/// The rows of one block, with columns counted from 0.
type Block = Vec<[Felt; WIDTH]>;

/// A valid signature for blocks that serve no request.
static IDLE: LazyLock<Request> = LazyLock::new(|| {
    let key = SecretKey::derive(b"idle signature block");
    let message = [ZERO; 4];
    Request {
        clk: 0,
        key: *key.public_key(),
        message,
        signature: key.sign(&message),
    }
});

/// Signatures whose inversions are done together.
const BATCH: usize = 32;

/// Fills the chip's columns of a trace, whose length must be a power of two that has room for all requests
/// ([capacity]).
///
/// # Errors
/// When a signature is not valid.
///
/// # Panics
/// When there is no room.
pub fn fill(columns: &mut [Vec<Felt>], layout: &Columns, requests: &[Request]) -> Result<(), Invalid> {
    let witnesses: Vec<Witness> = requests.iter().map(Request::witness).collect();
    fill_with(columns, layout, &witnesses)
}

/// As [fill], from witnesses that need not belong to a valid signature: only the schedule must have no exceptional case
/// and end at the commitment. For tests that play a cheating prover.
///
/// # Errors
/// When there is an exceptional case, or the end is not the commitment.
///
/// # Panics
/// When there is no room.
pub fn fill_with(columns: &mut [Vec<Felt>], layout: &Columns, witnesses: &[Witness]) -> Result<(), Invalid> {
    let length = columns[layout.x].len();
    let blocks = capacity(length);
    assert!(
        witnesses.len() <= blocks,
        "{} requests in {length} rows",
        witnesses.len()
    );
    let served: Vec<Block> = witnesses
        .par_chunks(BATCH)
        .map(|witnesses| block_rows(witnesses, true))
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flatten()
        .collect();
    let idle = block_rows(&[IDLE.witness()], false)?.remove(0);

    // Block 0 is cut at its start, so that the last block ends with the trace.
    let cut = ROWS - length % ROWS;
    let block = |number: usize| number.checked_sub(1).and_then(|n| served.get(n)).unwrap_or(&idle);
    for i in 0..length {
        let (number, row) = ((i + cut) / ROWS, (i + cut) % ROWS);
        for (k, value) in block(number)[row].iter().enumerate() {
            columns[layout.x + k][i] = *value;
        }
        columns[layout.block][i] = Felt::new(number as u64);
        // The words that the block before left.
        if number > 0 && row < 2 * GROUP {
            let before = block(number - 1)[ROWS - 1][LANE];
            columns[layout.kept[1]][i] = before;
            if row < GROUP {
                columns[layout.kept[0]][i] = before;
            }
        }
        // Row 32 of the third group: the inverse of the block's number.
        if row == 2 * GROUP + FINISH {
            columns[layout.ty + 2][i] = winter_math::FieldElement::inv(Felt::new(number as u64));
        }
    }
    // The points of block 0 are read by the digits that the trace shows.
    for row in FIRST_POINT..FIRST_POINT + 4 {
        if let Some(i) = row.checked_sub(cut) {
            let same = |k: usize| idle[k][31] == idle[row][31] && idle[k][32] == idle[row][32];
            let uses = (cut..2 * GROUP + FINISH).filter(|&k| same(k)).count();
            columns[layout.j][i] = Felt::new(uses as u64);
        }
    }
    Ok(())
}

/// The column `lane`, counted from 0.
const LANE: usize = 33;

/// First row of a block that holds a digit point.
const FIRST_POINT: usize = 2 * GROUP + 39;

/// The rows of blocks, but for what depends on the block's number.
fn block_rows(witnesses: &[Witness], active: bool) -> Result<Vec<Block>, Invalid> {
    let layout = Columns::new(0, 0, 0);
    let walks: Vec<Walk<'_>> = witnesses
        .iter()
        .map(|witness| Walk {
            table: witness.key.table(),
            digits: witness.digits(),
        })
        .collect();
    let mut blocks = vec![vec![[ZERO; WIDTH]; ROWS]; witnesses.len()];
    let ends = run_batch(&walks, |n, j, step| {
        let row = &mut blocks[n][j];
        let t = witnesses[n].key.table().points[step.digit.index()];
        let t = if step.digit.positive { t } else { -t };
        put_point(row, layout.x, &step.a);
        put(row, layout.i, &step.first_inverse);
        put(row, layout.j, &step.second_inverse);
        put_point(row, layout.tx, &t);
    });
    for (n, witness) in witnesses.iter().enumerate() {
        let invalid = Invalid { clk: witness.clk };
        let end = ends[n].map_err(|_| invalid)?;
        if end.x.0[..] != witness.challenge.inputs[0][..5] {
            return Err(invalid);
        }
        digits_and_words(&layout, &mut blocks[n], witness);
        finish(&layout, &mut blocks[n], witness, &end, active).ok_or(invalid)?;
    }
    Ok(blocks)
}

fn put(row: &mut [Felt; WIDTH], column: usize, value: &Gf5) {
    row[column..column + 5].copy_from_slice(&value.0);
}

fn put_point(row: &mut [Felt; WIDTH], column: usize, point: &Affine) {
    put(row, column, &point.x);
    put(row, column + 5, &point.y);
}

fn sign(positive: bool) -> Felt {
    if positive { ONE } else { -ONE }
}

/// The columns that run through all rows of a block: digits, words, group flags.
fn digits_and_words(layout: &Columns, block: &mut Block, witness: &Witness) {
    let (digits, challenge) = (witness.digits(), &witness.challenge);
    let (mut lane, mut ones, mut kept) = (ZERO, ONE, [ZERO; 2]);
    for (j, row) in block.iter_mut().enumerate() {
        let (group, t) = (j / GROUP, j % GROUP);
        let bit = challenge.bit(j);
        let digit = match j.checked_sub(FIRST_POINT) {
            // A point row names its point, and has the sign that the challenge's bit leaves.
            Some(point @ 0..4) => {
                let (u, v) = (point & 1 == 1, point & 2 == 2);
                Digit {
                    u,
                    v,
                    positive: v == bit,
                }
            }
            _ if j < 2 * GROUP + FINISH => digits.get(j),
            _ => Digit::new(bit, bit, bit),
        };
        row[layout.sign] = sign(digit.positive);
        row[layout.u] = sign(digit.u);
        row[layout.v] = sign(digit.v);
        if t == 0 {
            kept = [lane, kept[0]];
            (lane, ones) = (ZERO, ONE);
        }
        let bit = Felt::new(u64::from(bit));
        lane = lane + lane + bit;
        if t < 32 {
            ones *= bit;
        }
        if j == 2 * GROUP + 38 {
            kept[0] = Felt::new(challenge.words[0]);
        }
        row[layout.lane] = lane;
        row[layout.ones] = ones;
        for k in 0..2 {
            row[layout.kept[k]] = kept[k];
            row[layout.phase[k]] = Felt::new(u64::from(group == k));
        }
    }
}

/// The finishing rows.
fn finish(layout: &Columns, block: &mut Block, witness: &Witness, end: &Affine, active: bool) -> Option<()> {
    let challenge = &witness.challenge;
    let w = Gf5(witness.key.to_elements());
    let first = 2 * GROUP + FINISH;
    put_point(&mut block[first], layout.x, end);
    for k in 0..3 {
        let (input, output) = (challenge.inputs[k], challenge.outputs[k]);
        for (lanes, row) in [(input, first + 2 * k), (output, first + 2 * k + 1)] {
            let row = &mut block[row];
            row[layout.x..layout.x + 5].copy_from_slice(&lanes[..5]);
            row[layout.j..layout.j + 3].copy_from_slice(&lanes[5..]);
            put(row, layout.tx, &w);
            row[layout.ty] = Felt::new(witness.clk);
            row[layout.ty + 1] = Felt::new(u64::from(active));
        }
    }
    // h1 stands from the first output on.
    for row in &mut block[first + 1..first + 6] {
        row[layout.i..layout.i + 4].copy_from_slice(&challenge.inputs[2][..4]);
    }

    let (q, root) = Affine::decode_with_root(w)?;
    let row = &mut block[first + 6];
    put_point(row, layout.x, &q);
    put(row, layout.j, &root);
    put(row, layout.tx, &w);
    row[layout.ty] = Felt::new(witness.clk);
    row[layout.ty + 1] = Felt::new(u64::from(active));
    let table = witness.key.table();
    let mut uses = [0u64; 4];
    for row in &block[..first] {
        uses[(row[layout.u] == ONE) as usize + 2 * (row[layout.v] == ONE) as usize] += 1;
    }
    for index in 0..4 {
        let row = &mut block[FIRST_POINT + index];
        let point = table.points[index];
        let signed = if row[layout.sign] == ONE { point } else { -point };
        put_point(row, layout.x, &q);
        put(row, layout.i, &table.inverses[index & 1]);
        put_point(row, layout.tx, &signed);
        row[layout.j] = Felt::new(uses[index]);
    }
    put_point(&mut block[FIRST_POINT + 4], layout.x, &q);
    Some(())
}
