//! The integers of the standard library against native arithmetic.

use num_bigint::BigUint;
use proptest::prelude::*;
use starling_vm::trap::{Trap, TrapKind};

use crate::library::{Call, Called, unneeded_checks};
use crate::model::{inverse, mul, sub};

const OVERFLOW: u64 = 1001;
const DIVISION: u64 = 1002;

type Ran = Result<Called, Box<Trap>>;

fn limbs(value: &BigUint, count: usize) -> Vec<u64> {
    let digits = value.to_u32_digits();
    assert!(digits.len() <= count);
    (0..count)
        .map(|i| u64::from(digits.get(i).copied().unwrap_or(0)))
        .collect()
}

fn number(limbs: &[u64]) -> BigUint {
    limbs.iter().rev().fold(BigUint::from(0_u32), |value, limb| {
        assert!(*limb < 1 << 32, "{limb} is no limb");
        (value << 32_u32) + *limb
    })
}

/// Integers of `count` limbs, many of them with limbs at the ends of their range.
fn integer(count: usize) -> impl Strategy<Value = BigUint> {
    let limb = prop_oneof![4 => any::<u32>(), 2 => Just(0), 2 => Just(u32::MAX), 1 => 0..3_u32, 1 => Just(1 << 31)];
    (prop::collection::vec(limb, count), 0..=count).prop_map(|(mut limbs, used)| {
        limbs.truncate(used.max(1));
        BigUint::new(limbs)
    })
}

/// The three widths behave alike; they differ in where operands and results stand.
#[derive(Clone, Copy, Debug)]
struct Width {
    module: &'static str,
    limbs: usize,
}

const WIDTHS: [Width; 3] = [
    Width {
        module: "u64",
        limbs: 2,
    },
    Width {
        module: "u128",
        limbs: 4,
    },
    Width {
        module: "u256",
        limbs: 8,
    },
];

const A: u64 = 100;
const B: u64 = 200;
const RESULT: u64 = 300;
const REMAINDER: u64 = 400;

impl Width {
    fn bits(self) -> u32 {
        32 * self.limbs as u32
    }

    fn modulus(self) -> BigUint {
        BigUint::from(1_u32) << self.bits()
    }

    /// Calls a procedure with two operands.
    fn call(self, name: &str, a: &BigUint, b: &BigUint, lie: Option<Vec<u64>>) -> Ran {
        let procedure = format!("{}::{name}", self.module);
        let (a, b) = (limbs(a, self.limbs), limbs(b, self.limbs));
        let in_memory = self.limbs == 8;
        Call {
            procedure: &procedure,
            registers: if in_memory {
                vec![(0, vec![A, B, RESULT, REMAINDER])]
            } else {
                vec![(0, a.clone()), (self.limbs, b.clone())]
            },
            memory: if in_memory { vec![(A, a), (B, b)] } else { vec![] },
            look: if in_memory {
                vec![RESULT, RESULT + 1, REMAINDER, REMAINDER + 1]
            } else {
                vec![]
            },
            lie,
            ..Call::default()
        }
        .run()
    }

    fn shift(self, name: &str, a: &BigUint, n: u64) -> Ran {
        let procedure = format!("{}::{name}", self.module);
        let a = limbs(a, self.limbs);
        let in_memory = self.limbs == 8;
        Call {
            procedure: &procedure,
            registers: if in_memory {
                vec![(0, vec![A, n, RESULT])]
            } else {
                vec![(0, a.clone()), (self.limbs, vec![n])]
            },
            memory: if in_memory { vec![(A, a)] } else { vec![] },
            look: if in_memory { vec![RESULT, RESULT + 1] } else { vec![] },
            ..Call::default()
        }
        .run()
    }

    fn result(self, called: &Called) -> BigUint {
        match self.limbs {
            8 => number(&called.words[..2].concat()),
            n => number(&called.registers[..n]),
        }
    }

    /// The second result: a remainder.
    fn second(self, called: &Called) -> BigUint {
        match self.limbs {
            8 => number(&called.words[2..4].concat()),
            n => number(&called.registers[n..2 * n]),
        }
    }

    /// A flag: the result of a comparison (`first`), or a carry beside a result.
    fn flag(self, called: &Called, first: bool) -> u64 {
        match self.limbs {
            8 => called.registers[3],
            _ if first => called.registers[0],
            n => called.registers[n],
        }
    }

    fn has(self, name: &str) -> bool {
        let full = format!("{}::{name}", self.module);
        starling_vm::stdlib::procedures().iter().any(|doc| doc.name == full)
    }
}

fn overflows(ran: &Ran) -> bool {
    matches!(
        ran,
        Err(trap) if matches!(trap.kind, TrapKind::U32Overflow | TrapKind::Assert { code: OVERFLOW, .. })
    )
}

/// What a checked operation must give: the value if it fits.
fn checked(width: Width, name: &str, ran: Ran, expected: Option<BigUint>) {
    match expected {
        Some(expected) => assert_eq!(width.result(&ran.unwrap()), expected, "{name}"),
        None => assert!(overflows(&ran), "{width:?} {name}: {ran:?}"),
    }
}

fn arithmetic(width: Width, a: &BigUint, b: &BigUint) {
    let modulus = width.modulus();
    let run = |name: &str| width.call(name, a, b, None);
    let fits = |value: BigUint| Some(value).filter(|value| *value < modulus);
    checked(width, "add", run("add"), fits(a + b));
    checked(width, "mul", run("mul"), fits(a * b));
    checked(width, "sub", run("sub"), (a >= b).then(|| a - b));
    for (name, value) in [
        ("wrapping_add", (a + b) % &modulus),
        ("wrapping_sub", (a + &modulus - b) % &modulus),
        ("wrapping_mul", a * b % &modulus),
    ] {
        if width.has(name) {
            assert_eq!(width.result(&run(name).unwrap()), value, "{width:?} {name}");
        }
    }
    for (name, value, flag) in [
        ("overflowing_add", a + b, a + b >= modulus),
        ("overflowing_sub", a + &modulus - b, a < b),
    ] {
        let called = run(name).unwrap();
        assert_eq!(width.result(&called), value % &modulus, "{width:?} {name}");
        assert_eq!(width.flag(&called, false), u64::from(flag), "{width:?} {name}");
    }
    for (name, value) in [("lt", a < b), ("le", a <= b), ("eq", a == b)] {
        if width.has(name) {
            assert_eq!(
                width.flag(&run(name).unwrap(), true),
                u64::from(value),
                "{width:?} {name}"
            );
        }
    }
    if width.has("widening_mul") {
        let called = run("widening_mul").unwrap();
        assert_eq!(
            number(&called.registers[..2 * width.limbs]),
            a * b,
            "{width:?} widening_mul"
        );
    }
    let zero = BigUint::from(0_u32);
    if *b == zero {
        let trap = run("divmod").unwrap_err();
        assert!(matches!(trap.kind, TrapKind::HintOperands { .. }), "{trap}");
    } else {
        let called = run("divmod").unwrap();
        assert_eq!(width.result(&called), a / b, "{width:?} divmod");
        assert_eq!(width.second(&called), a % b, "{width:?} divmod");
    }
    run("check").unwrap();
}

fn shifts(width: Width, a: &BigUint, n: u64) {
    assert_eq!(
        width.result(&width.shift("shl", a, n).unwrap()),
        (a << n) % width.modulus(),
        "{width:?} << {n}"
    );
    assert_eq!(
        width.result(&width.shift("shr", a, n).unwrap()),
        a >> n,
        "{width:?} >> {n}"
    );
}

/// False quotients and remainders of a / b.
fn lies(width: Width, a: &BigUint, b: &BigUint, random: &BigUint, element: u64) {
    let one = BigUint::from(1_u32);
    let modulus = width.modulus();
    let try_lie = |lie: Vec<u64>| {
        let ran = width.call("divmod", a, b, Some(lie.clone()));
        let trap = ran.expect_err("a lie is accepted");
        let expected = matches!(
            trap.kind,
            TrapKind::Assert {
                code: DIVISION | OVERFLOW,
                ..
            } | TrapKind::NotU32 { .. }
                | TrapKind::U32Overflow
        );
        assert!(expected, "{trap}");
    };
    let pack = |q: &BigUint, r: &BigUint| [limbs(q, width.limbs), limbs(r, width.limbs)].concat();
    if *b == BigUint::from(0_u32) {
        // Nothing is a quotient by zero.
        try_lie(pack(random, a));
        try_lie(pack(&(random % &modulus), &(random % &modulus)));
        return;
    }
    let (q, r) = (a / b, a % b);
    let truth = pack(&q, &r);
    let ran = width.call("divmod", a, b, Some(truth.clone())).unwrap();
    assert_eq!(width.result(&ran), q);
    if q > BigUint::from(0_u32) && &r + b < modulus {
        try_lie(pack(&(&q - &one), &(&r + b)));
    }
    if &q + &one < modulus {
        try_lie(pack(&(&q + &one), &r));
    }
    // quotient * b + remainder = a only modulo 2^bits.
    let other = (random + &one) % &modulus;
    let wrapped = (a + &modulus - &other * b % &modulus) % &modulus;
    if other != q {
        try_lie(pack(&other, &wrapped));
    }
    if *random != r {
        try_lie(pack(&q, random));
    }
    forgeries(width, a, b, &q, &r, &try_lie);
    for i in 0..truth.len() {
        // One element too large, so that another is too small: right in the field, wrong in limbs.
        let mut lie = truth.clone();
        lie[i] += 1 << 32;
        try_lie(lie.clone());
        lie[i] = 0xffff_ffff_0000_0000;
        try_lie(lie.clone());
        if element != truth[i] {
            lie[i] = element;
            try_lie(lie);
        }
    }
}

/// Lies that satisfy the equations in the field, with elements that are no limbs.
fn forgeries(width: Width, a: &BigUint, b: &BigUint, q: &BigUint, r: &BigUint, try_lie: &dyn Fn(Vec<u64>)) {
    let one = BigUint::from(1_u32);
    let n = width.limbs;
    let truth = [limbs(q, n), limbs(r, n)].concat();
    // The true numbers with 2^32 moved down from one limb to the next.
    for i in (0..2 * n - 1).filter(|i| i % n != n - 1 && truth[i + 1] > 0) {
        let mut lie = truth.clone();
        lie[i] += 1 << 32;
        lie[i + 1] -= 1;
        try_lie(lie);
    }
    // The next quotient and a negative remainder: its limbs from below, the top one negative.
    if q + &one < width.modulus() {
        let mut lie = limbs(&(q + &one), n);
        let wrapped = limbs(&(r + width.modulus() - b), n);
        lie.extend(&wrapped[..n - 1]);
        lie.push(sub(wrapped[n - 1], 1 << 32));
        try_lie(lie);
    }
    // A small odd divisor and another remainder: all limbs of the quotient but the top one by division modulo a power of
    // two, the top one by division in the field.
    let other = r + &one;
    if b.bits() <= 32 && b.bit(0) && other < *b && other <= *a {
        let low = BigUint::from(1_u32) << (32 * (n as u32 - 1));
        let product = a - &other;
        let inverse_of_b = b.modinv(&low).unwrap();
        let quotient = &product * &inverse_of_b % &low;
        let carry = (&quotient * b) / &low;
        let (top, carry) = (limbs(&(&product / &low), 1)[0], limbs(&carry, 1)[0]);
        let mut lie = limbs(&quotient, n - 1);
        lie.push(mul(sub(top, carry), inverse(limbs(b, 1)[0])));
        lie.extend(limbs(&other, n));
        try_lie(lie);
    }
}

fn pair(count: usize) -> impl Strategy<Value = (BigUint, BigUint)> {
    let same = integer(count).prop_map(|a| (a.clone(), a));
    let small = (integer(count), 1..=count).prop_flat_map(|(a, n)| (Just(a), integer(n)));
    prop_oneof![4 => (integer(count), integer(count)), 4 => small, 1 => same]
}

proptest! {
    #![proptest_config(crate::support::cases(200))]

    #[test]
    fn u64_arithmetic((a, b) in pair(2)) {
        arithmetic(WIDTHS[0], &a, &b);
    }

    #[test]
    fn u128_arithmetic((a, b) in pair(4)) {
        arithmetic(WIDTHS[1], &a, &b);
    }

    #[test]
    fn u256_arithmetic((a, b) in pair(8)) {
        arithmetic(WIDTHS[2], &a, &b);
    }

    #[test]
    fn lying_division_hints_are_caught((a, b) in pair(2), random in integer(2), element in any::<u32>()) {
        lies(WIDTHS[0], &a, &b, &random, element.into());
    }

    #[test]
    fn lying_u128_division_hints_are_caught((a, b) in pair(4), random in integer(4), element in any::<u32>()) {
        lies(WIDTHS[1], &a, &b, &random, element.into());
    }
}

proptest! {
    #![proptest_config(crate::support::cases(60))]

    #[test]
    fn lying_u256_division_hints_are_caught((a, b) in pair(8), random in integer(8), element in any::<u32>()) {
        lies(WIDTHS[2], &a, &b, &random, element.into());
    }

    #[test]
    fn u64_bits_and_elements(a in any::<u64>(), b in any::<u64>()) {
        let width = WIDTHS[0];
        let (x, y) = (BigUint::from(a), BigUint::from(b));
        for (name, value) in [("and", a & b), ("or", a | b), ("xor", a ^ b)] {
            prop_assert_eq!(width.result(&width.call(name, &x, &y, None).unwrap()), BigUint::from(value));
        }
        let felt = a % starling_vm::field::MODULUS;
        let one = |name, registers| Call { procedure: name, registers: vec![(0, registers)], ..Call::default() }.run();
        let split = one("u64::from_felt", vec![felt]).unwrap();
        prop_assert_eq!(&split.registers[..2], &[felt & 0xffff_ffff, felt >> 32]);
        prop_assert_eq!(one("u64::to_felt", split.registers[..2].to_vec()).unwrap().registers[0], felt);
        let high = vec![1 + (a & 0xffff_fffe), 0xffff_ffff];
        let trap = one("u64::to_felt", high).unwrap_err();
        let overflow = matches!(trap.kind, TrapKind::Assert { code: OVERFLOW, .. });
        prop_assert!(overflow, "{}", trap);
    }
}

#[test]
fn every_shift() {
    for width in WIDTHS {
        let a = (BigUint::from(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835_u128) * 0x1234_5678_9abc_def1_u64).pow(2)
            % width.modulus();
        for n in 0..u64::from(width.bits()) {
            shifts(width, &a, n);
            shifts(width, &(width.modulus() - 1_u32), n);
        }
        for n in [u64::from(width.bits()), 300, 1 << 32, 1 << 40, u64::MAX >> 1] {
            for name in ["shl", "shr"] {
                let trap = width.shift(name, &a, n).unwrap_err();
                let expected = matches!(
                    trap.kind,
                    TrapKind::ShiftTooLarge { .. } | TrapKind::NotU32 { .. } | TrapKind::U32Overflow
                );
                assert!(expected, "{width:?} {name} {n}: {trap}");
            }
        }
    }
}

#[test]
fn limbs_out_of_range_are_found() {
    for (procedure, count) in [("u64::check", 2), ("u128::check", 4)] {
        for i in 0..count {
            let mut limbs = vec![5; count];
            limbs[i] = 1 << 32;
            let call = Call {
                procedure,
                registers: vec![(0, limbs)],
                ..Call::default()
            };
            assert!(matches!(call.run().unwrap_err().kind, TrapKind::NotU32 { .. }));
        }
    }
    for i in 0..8 {
        let mut limbs = vec![5; 8];
        limbs[i] = 1 << 32;
        let call = Call {
            procedure: "u256::check",
            registers: vec![(0, vec![A])],
            memory: vec![(A, limbs)],
            ..Call::default()
        };
        assert!(matches!(call.run().unwrap_err().kind, TrapKind::NotU32 { .. }));
    }
}

/// A result may stand where an operand stands; those of a division, anywhere.
#[test]
fn u256_results_over_operands() {
    let (a, b) = (BigUint::from(7_u32).pow(85), BigUint::from(3_u32).pow(70));
    let modulus = BigUint::from(1_u32) << 256_u32;
    for (name, expected) in [
        ("u256::overflowing_add", (&a + &b) % &modulus),
        ("u256::overflowing_sub", (&a + &modulus - &b) % &modulus),
        ("u256::wrapping_mul", &a * &b % &modulus),
        ("u256::divmod", &a / &b),
    ] {
        for result in [A, B] {
            let call = Call {
                procedure: name,
                registers: vec![(0, vec![A, B, result, REMAINDER])],
                memory: vec![(A, limbs(&a, 8)), (B, limbs(&b, 8))],
                look: vec![result, result + 1],
                ..Call::default()
            };
            assert_eq!(number(&call.run().unwrap().words.concat()), expected, "{name}");
        }
    }
}

// IS EVERY CHECK NEEDED?
// ================================================================================================================

/// Lies over a fixed set of operands: corners, and numbers from a generator.
fn many_lies(width: Width) {
    use rand::{RngCore, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let n = width.limbs;
    for round in 0..24 {
        let mut number = |limbs: usize| BigUint::new((0..limbs).map(|_| rng.next_u32()).collect());
        let (mut a, mut b, random) = (number(n), number(1 + round % n), number(n));
        match round {
            0..4 => b = (b % 1_000_u32) * 2_u32 + 3_u32,
            4..8 => a = BigUint::from(0_u32),
            8..12 => b = a.clone(),
            12..14 => b = BigUint::from(1_u32) << (32 * (n as u32 - 1)),
            _ => {}
        }
        lies(width, &a, &b, &random, 5);
    }
}

/// 1 / (2^64 - 1) = 2^32 - 1, remainder 2^33: the column of the high limbs adds up to p.
fn wrapping_column() {
    let (n, m) = (BigUint::from(1_u32), BigUint::from(u64::MAX));
    let ran = WIDTHS[0].call("divmod", &n, &m, Some(vec![0xffff_ffff, 0, 0, 2]));
    assert!(ran.is_err(), "a lie is accepted");
}

#[test]
fn every_check_of_a_division_is_needed() {
    for width in WIDTHS {
        let procedure = format!("{}::divmod", width.module);
        let call = Call {
            procedure: &procedure,
            lie: Some(vec![]),
            ..Call::default()
        };
        let unneeded = unneeded_checks(&call, || {
            many_lies(width);
            if width.limbs == 2 {
                wrapping_column();
            }
        });
        assert_eq!(unneeded, Vec::<String>::new(), "{width:?}");
    }
}

#[test]
fn every_check_of_a_product_is_needed() {
    for width in WIDTHS {
        let procedure = format!("{}::mul", width.module);
        let half = BigUint::from(1_u32) << (width.bits() / 2);
        let attacks = || {
            for (a, b) in [
                (&half * 3_u32, half.clone()),
                (half.clone(), &half << 3_u32),
                (&half - 1_u32, &half * 5_u32),
            ] {
                assert!(width.call("mul", &a, &b, None).is_err(), "a lie is accepted");
            }
        };
        let call = Call {
            procedure: &procedure,
            ..Call::default()
        };
        let unneeded = unneeded_checks(&call, attacks);
        assert!(unneeded.is_empty(), "{unneeded:?}");
    }
    let too_large = || {
        for limbs in [vec![1, 0xffff_ffff], vec![0xffff_ffff, 0xffff_ffff]] {
            let call = Call {
                procedure: "u64::to_felt",
                registers: vec![(0, limbs)],
                ..Call::default()
            };
            assert!(call.run().is_err(), "a lie is accepted");
        }
    };
    let call = Call {
        procedure: "u64::to_felt",
        ..Call::default()
    };
    let unneeded = unneeded_checks(&call, too_large);
    assert!(unneeded.is_empty(), "{unneeded:?}");
}
