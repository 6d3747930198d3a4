//! Times of the signature primitives on one core: `cargo bench -p starling-vm --bench schnorr`.

use std::hint::black_box;
use std::time::Instant;

use starling_vm::ecgfp5::generator::times_generator;
use starling_vm::ecgfp5::{Gf5, Quintic, Scalar};
use starling_vm::field::{Felt, Word};
use starling_vm::schnorr::{PublicKey, SecretKey, Signature, verify, verify_batch};

/// Prints the least time of one call over several rounds, which other load on the machine disturbs least.
fn time<T>(name: &str, calls: usize, per_call: usize, mut f: impl FnMut() -> T) {
    let best = (0..15)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..calls {
                black_box(f());
            }
            start.elapsed()
        })
        .min()
        .expect("rounds");
    let nanoseconds = best.as_nanos() as f64 / (calls * per_call) as f64;
    println!("{name:<36} {:>10.3} µs", nanoseconds / 1000.0);
}

fn main() {
    let keys: Vec<SecretKey> = (0..64u32).map(|i| SecretKey::derive(&i.to_le_bytes())).collect();
    let messages: Vec<Word> = (0..64).map(|i| [i, 1, 2, 3].map(Felt::new)).collect();
    let signatures: Vec<Signature> = keys.iter().zip(&messages).map(|(k, m)| k.sign(m)).collect();
    let (key, message, signature) = (&keys[0], &messages[0], &signatures[0]);
    let public = *key.public_key();
    let (a, b) = (public.point().x, public.point().y);
    let scalar = Scalar::from_bytes(&key.to_bytes()).expect("a scalar");
    let all: Vec<(&PublicKey, &Word, &Signature)> = (0..64)
        .map(|i| (keys[i].public_key(), &messages[i], &signatures[i]))
        .collect();

    let mut x = a;
    time("GF(p^5) product", 10_000, 1, || x *= b);
    let mut generic = Quintic(a.0);
    let other = Quintic(b.0);
    time("GF(p^5) product, over any algebra", 10_000, 1, || {
        generic = generic.clone() * other.clone();
    });
    black_box(&generic);
    time("GF(p^5) square", 10_000, 1, || x = x.square());
    time("GF(p^5) inverse", 1_000, 1, || x = x.inverse_or_zero());
    time("GF(p^5) square root", 200, 1, || {
        black_box(Gf5::square(a)).sqrt_vartime()
    });
    time("multiple of G, constant time", 200, 1, || {
        times_generator(black_box(&scalar))
    });
    time("public key from its encoding", 100, 1, || {
        PublicKey::from_elements(&black_box(public.to_elements()))
    });
    let mut counter = 0;
    time("sign (checked; two attempts)", 200, 1, || {
        counter += 1;
        key.sign(&[counter, 0, 0, 0].map(Felt::new))
    });
    time("verify, key decoded", 50, 1, || {
        verify(&public, black_box(message), signature)
    });
    for size in [1, 8, 64] {
        time(&format!("verify in a batch of {size}"), 64 / size, size, || {
            verify_batch(black_box(&all[..size]))
        });
    }
}
