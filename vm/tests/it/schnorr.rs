//! Signatures: against the definition computed with complete formulas and big integers, against our own vectors, and
//! every refusal.

use std::collections::HashSet;

use num_bigint::BigUint;
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde_json::{Value, json};
use starling_vm::ecgfp5::generator::{GENERATOR, times_generator};
use starling_vm::ecgfp5::scalar::ORDER;
use starling_vm::ecgfp5::{Affine, Gf5, Point, Scalar};
use starling_vm::field::{Felt, MODULUS, Word};
use starling_vm::poseidon2::compress;
use starling_vm::schnorr::ladder::{Digits, Table, Walk, run_batch};
use starling_vm::schnorr::{
    Challenge, CheckError, KeyError, PublicKey, SecretKey, Signature, SignatureError, VerifyError, check, constants,
    verify, verify_batch,
};

fn signed(seed: u64) -> (SecretKey, Word, Signature) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let key = SecretKey::derive(&rng.random::<[u8; 32]>());
    let message = core::array::from_fn(|_| Felt::new(rng.random()));
    let signature = key.sign(&message);
    (key, message, signature)
}

fn order() -> BigUint {
    ORDER.iter().rev().fold(BigUint::ZERO, |n, &word| (n << 64) + word)
}

fn to_scalar(x: &BigUint) -> Scalar {
    let mut bytes = (x % order()).to_bytes_le();
    bytes.resize(40, 0);
    Scalar::from_bytes(&bytes.try_into().unwrap()).unwrap()
}

fn limbs(x: &BigUint) -> [u32; 10] {
    let mut limbs = x.to_u32_digits();
    limbs.resize(10, 0);
    limbs.try_into().unwrap()
}

/// (2s + 1 - 2^320) G + (2e + 1 - 2^160) Q + 2^160 U, with complete formulas.
fn end_by_definition(s: &[u32; 10], challenge: &Challenge, q: &Affine) -> Point {
    let (n, one) = (order(), BigUint::from(1u32));
    let s = s.iter().rev().fold(BigUint::ZERO, |s, &limb| (s << 32) + limb);
    let [e0, e1, e2] = challenge.words;
    let e = (BigUint::from(e0) + (BigUint::from(e1) << 64) + (BigUint::from(e2) << 128)) >> 32;
    let odd = |x: BigUint, bits: u32| to_scalar(&(2u32 * x + 1u32 + 4u32 * &n - (&one << bits)));
    let u = Point::from(constants::derive_u());
    let high = u.times_vartime(&to_scalar(&(&one << 160)));
    times_generator(&odd(s, 320)) + Point::from(*q).times_vartime(&odd(e, 160)) + high
}

fn random_limbs(rng: &mut impl Rng) -> [u32; 10] {
    let mut s: [u32; 10] = rng.random();
    s[9] >>= 2;
    s
}

fn challenge_of_words(words: [u64; 3]) -> Challenge {
    Challenge {
        inputs: [[Felt::new(0); 8]; 3],
        outputs: [[Felt::new(0); 8]; 3],
        words,
    }
}

// CONSTANTS
// ================================================================================================================

#[test]
fn the_constants_are_what_they_are_said_to_be() {
    let power = to_scalar(&(BigUint::from(1u32) << 160));
    let g = Point::decode(GENERATOR).unwrap();
    let high = g.times_vartime(&power);
    let u = constants::derive_u();
    assert_eq!(Some(constants::G), g.to_affine());
    assert_eq!(Some(constants::G_HIGH), high.to_affine());
    assert_eq!(Some(constants::G_SUM), (g + high).to_affine());
    assert_eq!(Some(constants::G_DIFFERENCE), (g - high).to_affine());
    assert_eq!(constants::U, u);
    assert_eq!(
        Some(constants::U_HIGH),
        Point::from(u).times_vartime(&power).to_affine()
    );
    for p in [
        constants::G,
        constants::G_HIGH,
        constants::G_SUM,
        constants::G_DIFFERENCE,
        constants::U,
        constants::U_HIGH,
    ] {
        assert!(p.is_valid());
    }
    assert_eq!(constants::CHALLENGE_DOMAIN.to_be_bytes(), *b"sl-sig/1");
    const { assert!(constants::CHALLENGE_DOMAIN < MODULUS) };
}

// THE DEFINITION
// ================================================================================================================

#[test]
fn walks_end_where_the_definition_says() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for i in 0..30 {
        let q = *SecretKey::derive(&[i]).public_key().point();
        let table = Table::new(&q).unwrap();
        let mut s = random_limbs(&mut rng);
        let mut words = rng.random::<[u64; 3]>();
        match i {
            0 => s = [0; 10],
            1 => s = [u32::MAX; 10],
            2 => words = [0; 3],
            3 => words = [u64::MAX; 3],
            _ => {}
        }
        let challenge = challenge_of_words(words);
        let digits = Digits {
            s: &s,
            challenge: &challenge,
        };
        let walk = Walk { table: &table, digits };
        let end = end_by_definition(&s, &challenge, &q).to_affine().unwrap();
        assert!(walk.run().unwrap().has_x(&end.x));
        assert!(!walk.run().unwrap().has_x(&q.x));
        assert_eq!(run_batch(&[walk], |_, _, _| ()), [Ok(end)]);
    }
}

#[test]
fn the_challenge_is_three_compressions() {
    let (key, m, signature) = signed(2);
    let (r, w) = (signature.r().0, key.public_key().to_elements());
    let challenge = Challenge::new(signature.r(), &Gf5(w), &m);
    let domain = Felt::new(constants::CHALLENGE_DOMAIN);
    let h1 = compress([r[0], r[1], r[2], r[3]], [r[4], w[0], w[1], w[2]]);
    let h2 = compress([w[3], w[4], domain, Felt::new(0)], m);
    let digest = compress(h1, h2);
    assert_eq!(challenge.words, [digest[0], digest[1], digest[2]].map(|x| x.as_int()));
    // The bits are those of the words, most significant first.
    let bits = (0..192).fold(BigUint::ZERO, |x, j| 2u32 * x + challenge.bit(j) as u32);
    let words = challenge.words.iter().rev().fold(BigUint::ZERO, |x, &w| (x << 64) + w);
    assert_eq!(bits, words);
}

#[test]
fn valid_signatures_satisfy_the_definition_and_others_do_not() {
    for seed in 0..20 {
        let (key, message, signature) = signed(seed);
        let public = key.public_key();
        let holds = |signature: &Signature, message: &Word| {
            let challenge = Challenge::new(signature.r(), &Gf5(public.to_elements()), message);
            end_by_definition(signature.s(), &challenge, public.point()).affine_x() == *signature.r()
        };
        assert!(holds(&signature, &message));
        let mut other = message;
        other[0] += Felt::new(1);
        assert!(!holds(&signature, &other));
        assert_eq!(verify(public, &other, &signature), Err(VerifyError::Mismatch));
    }
}

// EXCEPTIONAL CASES
// ================================================================================================================

/// A key for which, with the digits of `s` and `challenge`, step `j` meets A = T (`case` 0), A = -T (1) or T = -2A (2).
fn key_that_fails_at(j: usize, case: usize, s: &[u32; 10], challenge: &Challenge) -> Option<Affine> {
    let digits = Digits { s, challenge };
    // The coefficients of G, G' and Q in A before step j, and in T.
    let mut a = [Scalar::ZERO; 3];
    let mut t = [Scalar::ZERO; 3];
    let mut u = Scalar::ONE;
    for i in 0..=j {
        let digit = digits.get(i);
        let sign = |b: bool| if b { Scalar::ONE } else { -Scalar::ONE };
        t = [
            sign(digit.positive),
            sign(digit.positive == digit.u),
            sign(digit.positive == digit.v),
        ];
        if i < j {
            a = core::array::from_fn(|k| a[k] + a[k] + t[k]);
            u = u + u;
        }
    }
    // u U + a = c t, with c = 1 or -1; or 2 (u U + a) = -t.
    let [g, high, q] = match case {
        0 => core::array::from_fn(|k| a[k] - t[k]),
        1 => core::array::from_fn(|k| a[k] + t[k]),
        _ => {
            u = u + u;
            core::array::from_fn(|k| a[k] + a[k] + t[k])
        }
    };
    if bool::from(q.is_zero()) {
        return None;
    }
    let rest = Point::from(constants::U).times_vartime(&u)
        + Point::from(constants::G).times_vartime(&g)
        + Point::from(constants::G_HIGH).times_vartime(&high);
    // 1/q = q^(n - 2).
    let exponent = order() - 2u32;
    let inverse = (0..exponent.bits()).rev().fold(Scalar::ONE, |x, i| {
        let square = x * x;
        if exponent.bit(i) { square * q } else { square }
    });
    rest.times_vartime(&-inverse).to_affine()
}

#[test]
fn exceptional_cases_are_refused_by_both_walks() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let (mut met, mut exactly) = (0, 0);
    for j in [0, 1, 2, 3, 31, 32, 80, 158, 159] {
        for case in 0..3 {
            let s = random_limbs(&mut rng);
            let challenge = challenge_of_words(rng.random());
            let Some(q) = key_that_fails_at(j, case, &s, &challenge) else {
                continue;
            };
            met += 1;
            let table = Table::new(&q).unwrap();
            let digits = Digits {
                s: &s,
                challenge: &challenge,
            };
            let walk = Walk { table: &table, digits };
            assert!(walk.run().is_none(), "step {j}, case {case}");
            // A walk that fails leaves its neighbours alone.
            let (key, message, signature) = signed(4);
            let good = Challenge::new(signature.r(), &Gf5(key.public_key().to_elements()), &message);
            let neighbour = starling_vm::schnorr::walk(key.public_key(), &signature, &good);
            let ends = run_batch(&[neighbour.clone(), walk, neighbour], |_, _, _| ());
            // It may fail earlier: 2A + T is -T already when A = -T.
            assert!(ends[1].is_err_and(|step| step <= j), "step {j}, case {case}");
            exactly += (ends[1] == Err(j)) as usize;
            assert_eq!(ends[0].unwrap().x, *signature.r());
            assert_eq!(ends[2], ends[0]);
            // Complete formulas have an answer: the definition alone is not what is checked.
            let neutral = end_by_definition(&s, &challenge, &q).is_neutral();
            assert_eq!(neutral, case == 2 && j == 159);
        }
    }
    assert!(met >= 20 && exactly >= 15, "{met} {exactly}");
}

#[test]
fn the_excluded_keys_are_refused() {
    for p in [constants::G_SUM, constants::G_DIFFERENCE] {
        for p in [p, -p] {
            assert!(Table::new(&p).is_none());
            assert_eq!(PublicKey::from_elements(&p.encode().0), Err(KeyError::Excluded));
        }
    }
    let power = to_scalar(&(BigUint::from(1u32) << 160));
    let secret = power + Scalar::ONE;
    assert_eq!(
        SecretKey::from_bytes(&secret.to_bytes()).unwrap_err(),
        KeyError::Excluded
    );
}

// SIGNING AND VERIFYING
// ================================================================================================================

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_is_signed_verifies(secret in any::<[u8; 32]>(), message in any::<[u64; 4]>()) {
        let key = SecretKey::derive(&secret);
        let message = message.map(Felt::new);
        let signature = key.sign(&message);
        let public = PublicKey::from_bytes(&key.public_key().to_bytes()).unwrap();
        prop_assert_eq!(&public, key.public_key());
        prop_assert_eq!(verify(&public, &message, &signature), Ok(()));
        prop_assert_eq!(verify_batch(&[(&public, &message, &signature)]), vec![Ok(())]);
        prop_assert_eq!(Signature::from_bytes(&signature.to_bytes()), Ok(signature));
        prop_assert_eq!(Signature::from_elements(&signature.to_elements()), Ok(signature));
        prop_assert_eq!(check(&public.to_elements(), &message, &signature.to_elements()), Ok(()));
        // Deterministic, and the key survives its encoding.
        let again = SecretKey::from_bytes(&*key.to_bytes()).unwrap();
        prop_assert_eq!(again.sign(&message), signature);
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let (key, message, signature) = signed(5);
    let public = key.public_key();
    let bytes = signature.to_bytes();
    let mut decoded = 0;
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes;
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(flipped) = Signature::from_bytes(&flipped) {
            assert_eq!(
                verify(public, &message, &flipped),
                Err(VerifyError::Mismatch),
                "bit {bit}"
            );
            decoded += 1;
        }
    }
    assert!(decoded > 620);
    for bit in 0..256 {
        let mut other = message;
        other[bit / 64] = Felt::new(message[bit / 64].as_int() ^ 1 << (bit % 64));
        assert_eq!(
            verify(public, &other, &signature),
            Err(VerifyError::Mismatch),
            "message bit {bit}"
        );
    }
    let (other, ..) = signed(6);
    assert_eq!(
        verify(other.public_key(), &message, &signature),
        Err(VerifyError::Mismatch)
    );
}

#[test]
fn a_batch_says_what_single_checks_say() {
    let signed: Vec<_> = (0..7).map(signed).collect();
    let mut batch: Vec<(&PublicKey, &Word, &Signature)> =
        signed.iter().map(|(k, m, s)| (k.public_key(), m, s)).collect();
    batch[3].1 = &signed[4].1;
    batch[5].0 = signed[6].0.public_key();
    let single: Vec<_> = batch.iter().map(|(k, m, s)| verify(k, m, s)).collect();
    assert_eq!(verify_batch(&batch), single);
    assert_eq!(single.iter().filter(|r| r.is_ok()).count(), 5);
    assert_eq!(verify_batch(&[]), []);
}

#[test]
fn the_scalar_has_one_encoding() {
    let (key, message, signature) = signed(7);
    let s = signature
        .s()
        .iter()
        .rev()
        .fold(BigUint::ZERO, |s, &limb| (s << 32) + limb);
    // s + n satisfies the equation but is no signature.
    let twin = limbs(&(&s + order()));
    let challenge = Challenge::new(signature.r(), &Gf5(key.public_key().to_elements()), &message);
    let end = end_by_definition(&twin, &challenge, key.public_key().point());
    assert_eq!(end.affine_x(), *signature.r());
    let mut bytes = signature.to_bytes();
    for (chunk, limb) in bytes[40..].chunks_exact_mut(4).zip(twin) {
        chunk.copy_from_slice(&limb.to_le_bytes());
    }
    assert_eq!(
        Signature::from_bytes(&bytes),
        Err(SignatureError::Scalar { highest_limb: twin[9] })
    );
    // The bound is 2^318 exactly.
    for (limb, ok) in [
        (0x3fff_ffff, true),
        (0x4000_0000, false),
        (0x7fff_fffd, false),
        (u32::MAX, false),
    ] {
        bytes[76..].copy_from_slice(&u32::to_le_bytes(limb));
        assert_eq!(Signature::from_bytes(&bytes).is_ok(), ok, "{limb:#x}");
        let mut elements = signature.to_elements();
        elements[14] = Felt::new(limb as u64);
        assert_eq!(Signature::from_elements(&elements).is_ok(), ok, "{limb:#x}");
    }
}

#[test]
fn nonces_differ_between_messages_and_keys() {
    let mut commitments = HashSet::new();
    for seed in 0..8u8 {
        let key = SecretKey::derive(&[seed]);
        for i in 0..8 {
            commitments.insert(key.sign(&[i, 0, 0, 0].map(Felt::new)).r().to_bytes());
        }
    }
    assert_eq!(commitments.len(), 64);
}

// ENCODINGS
// ================================================================================================================

#[test]
fn malformed_keys_are_refused() {
    let (key, ..) = signed(8);
    let bytes = key.public_key().to_bytes();
    for length in [0, 39, 41, 80] {
        let found = vec![0; length];
        let expected = KeyError::Length {
            expected: 40,
            found: length,
        };
        assert_eq!(PublicKey::from_bytes(&found), Err(expected));
        assert_eq!(SecretKey::from_bytes(&found).unwrap_err(), expected);
    }
    for coefficient in 0..5 {
        for value in [MODULUS, MODULUS + 1, u64::MAX] {
            let mut bytes = bytes;
            bytes[8 * coefficient..8 * coefficient + 8].copy_from_slice(&value.to_le_bytes());
            assert_eq!(
                PublicKey::from_bytes(&bytes),
                Err(KeyError::NonCanonical { coefficient })
            );
        }
    }
    // The neutral point, and values that encode nothing.
    assert_eq!(PublicKey::from_bytes(&[0; 40]), Err(KeyError::NotAPoint));
    let none =
        (1..40u64).filter(|&w| PublicKey::from_elements(&[w, 0, 0, 0, 0].map(Felt::new)) == Err(KeyError::NotAPoint));
    assert!((10..30).contains(&none.count()));
    // Secret keys from 1 to n - 1.
    assert_eq!(SecretKey::from_bytes(&[0; 40]).unwrap_err(), KeyError::SecretRange);
    assert!(SecretKey::from_bytes(&Scalar::ONE.to_bytes()).is_ok());
    assert!(SecretKey::from_bytes(&(-Scalar::ONE).to_bytes()).is_ok());
    let mut n = order().to_bytes_le();
    n.resize(40, 0);
    assert_eq!(SecretKey::from_bytes(&n).unwrap_err(), KeyError::SecretRange);
}

#[test]
fn malformed_signatures_are_refused() {
    let (key, message, signature) = signed(9);
    for length in [0, 79, 81, 40] {
        assert_eq!(
            Signature::from_bytes(&vec![0; length]),
            Err(SignatureError::Length {
                expected: 80,
                found: length
            })
        );
    }
    for coefficient in 0..5 {
        let mut bytes = signature.to_bytes();
        bytes[8 * coefficient..8 * coefficient + 8].copy_from_slice(&MODULUS.to_le_bytes());
        assert_eq!(
            Signature::from_bytes(&bytes),
            Err(SignatureError::NonCanonical { coefficient })
        );
    }
    for limb in 0..10 {
        let mut elements = signature.to_elements();
        elements[5 + limb] = Felt::new(1 << 32);
        let error = SignatureError::Limb { limb, value: 1 << 32 };
        assert_eq!(Signature::from_elements(&elements), Err(error));
        let w = key.public_key().to_elements();
        assert_eq!(check(&w, &message, &elements), Err(CheckError::Signature(error)));
    }
    assert_eq!(
        check(&[Felt::new(0); 5], &message, &signature.to_elements()),
        Err(CheckError::Key(KeyError::NotAPoint))
    );
    // A commitment that is the x-coordinate of no point.
    let mut elements = signature.to_elements();
    elements[0] += Felt::new(1);
    assert_eq!(
        check(&key.public_key().to_elements(), &message, &elements),
        Err(CheckError::Verify(VerifyError::Mismatch))
    );
}

#[test]
fn secrets_are_not_printed() {
    let (key, ..) = signed(10);
    assert_eq!(format!("{key:?}"), "SecretKey { .. }");
}

// VECTORS
// ================================================================================================================

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
        .collect()
}

fn words(value: &Value) -> Vec<u64> {
    let list = value.as_array().unwrap();
    list.iter().map(|x| x.as_str().unwrap().parse().unwrap()).collect()
}

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/schnorr.json");

fn vectors() -> Value {
    let strings = |words: &[u64]| words.iter().map(u64::to_string).collect::<Vec<_>>();
    let valid: Vec<Value> = (0..16u64)
        .map(|i| {
            let secret = match i {
                0 => Scalar::ONE,
                1 => -Scalar::ONE,
                _ => Scalar::from_wide_bytes(&core::array::from_fn(|j| (i * 64 + j as u64) as u8)),
            };
            let key = SecretKey::from_bytes(&secret.to_bytes()).unwrap();
            let message = match i {
                2 => [0; 4],
                3 => [MODULUS - 1; 4],
                _ => [i, i * i, i << 60, u64::MAX >> i],
            };
            let message = message.map(Felt::new);
            let signature = key.sign(&message);
            let challenge = Challenge::new(signature.r(), &Gf5(key.public_key().to_elements()), &message);
            json!({
                "secret_key": hex(&*key.to_bytes()),
                "public_key": hex(&key.public_key().to_bytes()),
                "message": strings(&message.map(|x| x.as_int())),
                "challenge_words": strings(&challenge.words),
                "signature": hex(&signature.to_bytes()),
            })
        })
        .collect();
    json!({
        "about": "Schnorr signatures over ecGFp5 as specified in specs/signature.md. Keys and signatures are hexadecimal \
            bytes, messages and the canonical challenge words E0, E1, E2 decimal integers.",
        "valid": valid,
    })
}

/// `UPDATE_VECTORS=1 cargo test -p starling-vm vectors` writes the file anew, after a deliberate change of the scheme.
#[test]
fn the_vectors_are_met() {
    let ours = vectors();
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(VECTORS, serde_json::to_string_pretty(&ours).unwrap() + "\n").unwrap();
    }
    let file: Value = serde_json::from_str(&std::fs::read_to_string(VECTORS).unwrap()).unwrap();
    assert_eq!(file, ours);
    for vector in file["valid"].as_array().unwrap() {
        let key = PublicKey::from_bytes(&bytes(&vector["public_key"])).unwrap();
        let message: Vec<Felt> = words(&vector["message"]).into_iter().map(Felt::new).collect();
        let signature = Signature::from_bytes(&bytes(&vector["signature"])).unwrap();
        assert_eq!(verify(&key, &message.try_into().unwrap(), &signature), Ok(()));
    }
}
