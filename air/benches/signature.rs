//! The signature chip by itself: `cargo bench -p starling-air --bench signature`, with `RAYON_NUM_THREADS=1` for one core.

use std::hint::black_box;
use std::time::Instant;

use starling_air::chips::Values;
use starling_air::chips::signature::fill::{Request, fill};
use starling_air::chips::signature::{Columns, PERIODIC_COLUMNS, WIDTH, capacity, constraints, periodic_columns};
use starling_air::definition::MainFrame;
use starling_vm::field::Felt;
use starling_vm::schnorr::SecretKey;

fn main() {
    let length = 1 << 16;
    let layout = Columns::new(0, 0, 0);
    let requests: Vec<Request> = (0..capacity(length) as u64)
        .map(|clk| {
            let key = SecretKey::derive(&clk.to_le_bytes());
            let message = [clk, 0, 0, 0].map(Felt::new);
            Request {
                clk,
                key: *key.public_key(),
                message,
                signature: key.sign(&message),
            }
        })
        .collect();
    let mut columns = vec![vec![Felt::new(0); length]; WIDTH];
    let best = (0..5)
        .map(|_| {
            let start = Instant::now();
            fill(&mut columns, &layout, &requests).expect("valid signatures");
            start.elapsed()
        })
        .min()
        .expect("rounds");
    println!(
        "filling {} signatures: {best:?}, {:?} each",
        requests.len(),
        best / requests.len() as u32
    );

    let periodic = periodic_columns();
    let rows = 1 << 12;
    let mut out = vec![Felt::new(0); 200];
    let best = (0..5)
        .map(|_| {
            let start = Instant::now();
            for i in 0..rows {
                let row = |i: usize| -> [Felt; WIDTH] { core::array::from_fn(|c| columns[c][i]) };
                let p: [Felt; PERIODIC_COLUMNS] = core::array::from_fn(|k| Felt::new(periodic[k][i % 64]));
                let frame = MainFrame {
                    current: &row(i),
                    next: &row(i + 1),
                    periodic: &p,
                };
                constraints(&layout, black_box(&frame), &mut Values::new(&mut out));
                black_box(&out);
            }
            start.elapsed()
        })
        .min()
        .expect("rounds");
    println!("constraints of one row: {:?}", best / rows as u32);
}
