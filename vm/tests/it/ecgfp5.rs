//! The curve against the published vectors of its author, and against independent integers.
//!
//! Vectors: Thomas Pornin, https://github.com/pornin/ecgfp5 (MIT licence), rust/src/{field,scalar,curve}.rs.

use num_bigint::BigUint;
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use starling_vm::algebra::Algebra;
use starling_vm::ecgfp5::generator::{GENERATOR, times_generator};
use starling_vm::ecgfp5::gf5::CurveField;
use starling_vm::ecgfp5::scalar::ORDER;
use starling_vm::ecgfp5::{Affine, Gf5, Point, Quintic, Scalar, formulas};
use starling_vm::field::{Felt, MODULUS};

const A: Gf5 = Gf5::new([
    9788683869780751860,
    18176307314149915536,
    17581807048943060475,
    16706651231658143014,
    424516324638612383,
]);
const B: Gf5 = Gf5::new([
    1541862605911742196,
    5168181287870979863,
    10854086836664484156,
    11043707160649157424,
    943499178011708365,
]);

/// P1 to P7: a point, e P1, P1 + P2, 2 P1, 2 P2, 2 P1 + P2, P1 + 2 P2.
const W: [Gf5; 7] = [
    Gf5::new([
        12539254003028696409,
        15524144070600887654,
        15092036948424041984,
        11398871370327264211,
        10958391180505708567,
    ]),
    Gf5::new([
        11001943240060308920,
        17075173755187928434,
        3940989555384655766,
        15017795574860011099,
        5548543797011402287,
    ]),
    Gf5::new([
        246872606398642312,
        4900963247917836450,
        7327006728177203977,
        13945036888436667069,
        3062018119121328861,
    ]),
    Gf5::new([
        8058035104653144162,
        16041715455419993830,
        7448530016070824199,
        11253639182222911208,
        6228757819849640866,
    ]),
    Gf5::new([
        10523134687509281194,
        11148711503117769087,
        9056499921957594891,
        13016664454465495026,
        16494247923890248266,
    ]),
    Gf5::new([
        12173306542237620,
        6587231965341539782,
        17027985748515888117,
        17194831817613584995,
        10056734072351459010,
    ]),
    Gf5::new([
        9420857400785992333,
        4695934009314206363,
        14471922162341187302,
        13395190104221781928,
        16359223219913018041,
    ]),
];

const NOT_POINTS: [Gf5; 6] = [
    Gf5::new([
        13557832913345268708,
        15669280705791538619,
        8534654657267986396,
        12533218303838131749,
        5058070698878426028,
    ]),
    Gf5::new([
        135036726621282077,
        17283229938160287622,
        13113167081889323961,
        1653240450380825271,
        520025869628727862,
    ]),
    Gf5::new([
        6727960962624180771,
        17240764188796091916,
        3954717247028503753,
        1002781561619501488,
        4295357288570643789,
    ]),
    Gf5::new([
        4578929270179684956,
        3866930513245945042,
        7662265318638150701,
        9503686272550423634,
        12241691520798116285,
    ]),
    Gf5::new([
        16890297404904119082,
        6169724643582733633,
        9725973298012340311,
        5977049210035183790,
        11379332130141664883,
    ]),
    Gf5::new([
        13777379982711219130,
        14715168412651470168,
        17942199593791635585,
        6188824164976547520,
        15461469634034461986,
    ]),
];

fn gf5() -> impl Strategy<Value = Gf5> {
    // Values near the modulus and near 2^63 (where doublings wrap) as often as uniform ones.
    let word = prop_oneof![
        4 => any::<u64>(),
        1 => MODULUS - 3..=u64::MAX,
        1 => 0u64..3,
        1 => Just(1u64 << 63).prop_perturb(|x, mut rng| x.wrapping_add(rng.random::<u64>() % (1 << 33)).wrapping_sub(1 << 32)),
    ];
    let felt = prop_oneof![
        word.clone().prop_map(Felt::new),
        word.prop_map(|w| Felt::from_mont(w % MODULUS))
    ];
    proptest::array::uniform5(felt).prop_map(Gf5)
}

fn scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        8 => any::<[[u8; 32]; 2]>().prop_map(|b| Scalar::from_wide_bytes(b.as_flattened().try_into().unwrap())),
        1 => (0u64..4).prop_map(Scalar::from_u64),
        1 => (0u64..4).prop_map(|x| -Scalar::from_u64(x)),
    ]
}

fn random_scalar(rng: &mut impl Rng) -> Scalar {
    let mut bytes = [0; 64];
    rng.fill(&mut bytes[..]);
    Scalar::from_wide_bytes(&bytes)
}

fn random_point(rng: &mut impl Rng) -> Point {
    times_generator(&random_scalar(rng))
}

fn order() -> BigUint {
    ORDER.iter().rev().fold(BigUint::ZERO, |n, &word| (n << 64) + word)
}

fn integer(s: &Scalar) -> BigUint {
    BigUint::from_bytes_le(&s.to_bytes())
}

// FIELD
// ================================================================================================================

#[test]
fn field_vectors() {
    let sum = Gf5::new([
        11330546475692494056,
        4897744532606311078,
        9989149816192960310,
        9303614322892716117,
        1368015502650320748,
    ]);
    let difference = Gf5::new([
        8246821263869009664,
        13008126026278935673,
        6727720212278576319,
        5662944071008985590,
        17927761216041488339,
    ]);
    let product = Gf5::new([
        5924286846078684570,
        12564682493825924142,
        17116577152380521223,
        5260948460973948760,
        15673927150284637712,
    ]);
    let quotient = Gf5::new([
        6854214528917216670,
        4676163378868226016,
        7338977912708396522,
        9922012834063967541,
        11413717840889184601,
    ]);
    assert_eq!(A + B, sum);
    assert_eq!(A - B, difference);
    assert_eq!(A * B, product);
    assert_eq!(A * B.inverse_or_zero(), quotient);
}

#[test]
fn zero_in_the_field() {
    assert_eq!(Gf5::ZERO.inverse_or_zero(), Gf5::ZERO);
    assert_eq!(Gf5::ZERO.sqrt_vartime(), Some(Gf5::ZERO));
    assert!(Gf5::ZERO.is_square());
    let mut with_zero = [A, Gf5::ZERO, B];
    assert_eq!(Gf5::invert_all(&mut with_zero), Err(1));
    assert_eq!(with_zero, [A, Gf5::ZERO, B]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn native_products_are_the_generic_ones(a in gf5(), b in gf5()) {
        let (x, y) = (Quintic(a.0), Quintic(b.0));
        prop_assert_eq!((a * b).0, (x.clone() * y).0);
        prop_assert_eq!(a.square().0, x.squared().0);
        prop_assert_eq!(a.square(), a * a);
        prop_assert_eq!(a.doubled(), a.times(2));
        prop_assert_eq!(a.times(263), a * Gf5::new([263, 0, 0, 0, 0]));
        // Results are canonical inside, or comparisons and sums would go wrong later.
        for c in (a * b).0.iter().chain(&a.square().0).chain(&(a - b).0).chain(&(-a).0) {
            prop_assert!(c.inner() < MODULUS);
        }
    }

    #[test]
    fn products_are_those_of_integer_polynomials(a in gf5(), b in gf5()) {
        let p = BigUint::from(MODULUS);
        let mut c = [const { BigUint::ZERO }; 5];
        for i in 0..5 {
            for j in 0..5 {
                let times = BigUint::from(if i + j < 5 { 1u32 } else { 3 });
                c[(i + j) % 5] += times * a.to_u64s()[i] * b.to_u64s()[j];
            }
        }
        prop_assert_eq!((a * b).to_u64s().map(BigUint::from), c.map(|c| c % &p));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn inverses_roots_and_encodings(a in gf5()) {
        prop_assume!(!a.is_zero());
        prop_assert_eq!(a * a.inverse_or_zero(), Gf5::ONE);
        let square = a.square();
        prop_assert!(square.is_square());
        let root = square.sqrt_vartime().unwrap();
        prop_assert!(root == a || root == -a);
        let other = square.times(7);
        prop_assert!(!other.is_square());
        prop_assert_eq!(other.sqrt_vartime(), None);
        prop_assert_eq!(Gf5::from_bytes(&a.to_bytes()), Ok(a));
        let mut three = [a, square, other];
        Gf5::invert_all(&mut three).unwrap();
        prop_assert_eq!(three, [a, square, other].map(Gf5::inverse_or_zero));
    }

    #[test]
    fn coefficients_from_the_modulus_up_are_refused(a in gf5(), i in 0usize..5, excess in 0..u64::MAX - MODULUS) {
        let mut bytes = a.to_bytes();
        bytes[8 * i..8 * i + 8].copy_from_slice(&(MODULUS + excess).to_le_bytes());
        prop_assert_eq!(Gf5::from_bytes(&bytes), Err(i));
    }
}

// SCALARS
// ================================================================================================================

const BUF4: [u8; 64] = [
    0xB5, 0xDD, 0x28, 0xB8, 0xD2, 0x9B, 0x6F, 0xF8, 0x15, 0x65, 0x3F, 0x89, 0xDB, 0x7B, 0xA9, 0xDE, 0x33, 0x7D, 0xA8,
    0x27, 0x82, 0x26, 0xB4, 0xD6, 0x9E, 0x1F, 0xFA, 0x97, 0x3D, 0x9E, 0x01, 0x9C, 0x77, 0xC9, 0x63, 0x5C, 0xB8, 0x34,
    0xD8, 0x1A, 0x4D, 0xCB, 0x03, 0x48, 0x62, 0xCD, 0xEE, 0xC9, 0x8E, 0xC8, 0xC9, 0xA7, 0xB3, 0x6E, 0xDA, 0xCE, 0x18,
    0x75, 0x1B, 0xDD, 0x4F, 0x94, 0x67, 0xB5,
];
/// BUF4 mod n.
const BUF5: [u8; 40] = [
    0x89, 0x01, 0x7A, 0x52, 0xBD, 0xDF, 0x45, 0x60, 0xCE, 0x5B, 0xBA, 0xE5, 0x5D, 0x25, 0x96, 0x5A, 0x0A, 0x4F, 0x0A,
    0x27, 0x1A, 0x7A, 0xE8, 0x1D, 0x7D, 0xBF, 0xE3, 0xE3, 0xFA, 0x5E, 0x17, 0xE0, 0x44, 0xD9, 0xA5, 0x37, 0x9B, 0xF8,
    0x38, 0x74,
];
/// BUF4^256 mod n.
const BUF6: [u8; 40] = [
    0x27, 0x7E, 0x2C, 0xAB, 0x6D, 0xAD, 0x8D, 0xA0, 0x15, 0x44, 0x02, 0x0F, 0xFA, 0xD5, 0x4F, 0x15, 0xBF, 0x6D, 0x1D,
    0x76, 0x22, 0x73, 0xCD, 0xDA, 0x23, 0xFE, 0x5A, 0xED, 0xCA, 0x75, 0xD7, 0x04, 0x05, 0x66, 0x87, 0x3D, 0x37, 0x5B,
    0x24, 0x13,
];

#[test]
fn scalar_vectors() {
    let mut s = Scalar::from_wide_bytes(&BUF4);
    assert_eq!(s.to_bytes(), BUF5);
    for _ in 0..8 {
        s = s * s;
    }
    assert_eq!(s.to_bytes(), BUF6);
}

#[test]
fn scalars_from_the_order_up_are_refused() {
    let n = order();
    let bytes = |x: &BigUint| -> [u8; 40] {
        let mut b = x.to_bytes_le();
        b.resize(40, 0);
        b.try_into().unwrap()
    };
    assert_eq!(Scalar::from_bytes(&bytes(&(&n - 1u32))), Some(-Scalar::ONE));
    assert_eq!(Scalar::from_bytes(&bytes(&n)), None);
    assert_eq!(Scalar::from_bytes(&bytes(&(&n + 1u32))), None);
    assert_eq!(Scalar::from_bytes(&[0xff; 40]), None);
}

#[test]
fn a_scalar_is_not_printed() {
    assert_eq!(format!("{:?}", Scalar::from_u64(123_456)), "Scalar(..)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn scalars_are_integers_modulo_the_order(a in scalar(), b in scalar(), wide in any::<[[u8; 32]; 2]>()) {
        let (n, x, y) = (order(), integer(&a), integer(&b));
        prop_assert_eq!(integer(&(a + b)), (&x + &y) % &n);
        prop_assert_eq!(integer(&(a - b)), (&x + &n - &y) % &n);
        prop_assert_eq!(integer(&(-a)), (&n - &x) % &n);
        prop_assert_eq!(integer(&(a * b)), (&x * &y) % &n);
        prop_assert_eq!(a.halved() + a.halved(), a);
        prop_assert_eq!(Scalar::from_bytes(&a.to_bytes()), Some(a));
        let wide: &[u8; 64] = wide.as_flattened().try_into().unwrap();
        prop_assert_eq!(integer(&Scalar::from_wide_bytes(wide)), BigUint::from_bytes_le(wide) % &n);
    }

    #[test]
    fn signed_nibbles_add_up(a in scalar()) {
        let digits = a.signed_nibbles();
        let mut sum = Scalar::ZERO;
        for &d in digits.iter().rev() {
            prop_assert!((-8..=8).contains(&d));
            let digit = Scalar::from_u64(d.unsigned_abs() as u64);
            sum = sum * Scalar::from_u64(16) + if d < 0 { -digit } else { digit };
        }
        prop_assert!(digits[79] >= 0);
        prop_assert_eq!(sum, a);
    }
}

// CURVE
// ================================================================================================================

#[test]
fn curve_vectors() {
    let p: Vec<Point> = W.iter().map(|&w| Point::decode(w).unwrap()).collect();
    for (p, w) in p.iter().zip(W) {
        assert_eq!(p.encode(), w);
        assert!(!p.is_neutral());
        let affine = Affine::decode(w).unwrap();
        assert!(affine.is_valid());
        assert_eq!(affine.encode(), w);
        assert_eq!(p.to_affine(), Some(affine));
        assert_eq!(p.affine_x(), affine.x);
    }
    for w in NOT_POINTS {
        assert!(Point::decode(w).is_none());
        assert!(Affine::decode(w).is_none());
    }
    assert_eq!((p[0] + p[1]).encode(), W[2]);
    assert_eq!((p[0] + p[0]).encode(), W[3]);
    assert_eq!(p[0].doubled().encode(), W[3]);
    assert_eq!(p[1].doubled().encode(), W[4]);
    assert_eq!((p[0].doubled() + p[1]).encode(), W[5]);
    assert_eq!((p[0] + p[1] + p[1]).encode(), W[6]);
}

#[test]
fn multiplication_vectors() {
    // From the Rust and from the Python implementation.
    let w1 = Gf5::new([
        7534507442095725921,
        16658460051907528927,
        12417574136563175256,
        2750788641759288856,
        620002843272906439,
    ]);
    let e = [
        0x1B, 0x18, 0x51, 0xC8, 0x1D, 0x22, 0xD4, 0x0D, 0x6D, 0x36, 0xEC, 0xCE, 0x54, 0x27, 0x41, 0x66, 0x08, 0x14,
        0x2F, 0x8F, 0xFF, 0x64, 0xB4, 0x76, 0x28, 0xCD, 0x3F, 0xF8, 0xAA, 0x25, 0x16, 0xD4, 0xBA, 0xD0, 0xCC, 0x02,
        0x1A, 0x44, 0x7C, 0x03,
    ];
    let w2 = Gf5::new([
        9486104512504676657,
        14312981644741144668,
        5159846406177847664,
        15978863787033795628,
        3249948839313771192,
    ]);
    let product = Point::decode(w1)
        .unwrap()
        .times_vartime(&Scalar::from_bytes(&e).unwrap());
    assert_eq!(product.encode(), w2);

    let e: BigUint = "841809598287430541331763924924406256080383779033370172527955679319982746101779529382447999363236"
        .parse()
        .unwrap();
    let mut bytes = e.to_bytes_le();
    bytes.resize(40, 0);
    let e = Scalar::from_bytes(&bytes.try_into().unwrap()).unwrap();
    assert_eq!(Point::decode(W[0]).unwrap().times_vartime(&e).encode(), W[1]);
}

#[test]
fn the_order_is_the_papers_and_kills_the_generator() {
    let n: BigUint =
        "1067993516717146951041484916571792702745057740581727230159139685185762082554198619328292418486241"
            .parse()
            .unwrap();
    assert_eq!(order(), n);
    let g = Point::decode(GENERATOR).unwrap();
    // n itself is no scalar: (n - 1) G + G.
    assert!((g.times_vartime(&-Scalar::ONE) + g).is_neutral());
    assert!(!g.is_neutral());
}

#[test]
fn neutral_point() {
    let zero = Point::NEUTRAL;
    let p = Point::decode(W[0]).unwrap();
    assert_eq!(zero.encode(), Gf5::ZERO);
    assert!(Point::decode(Gf5::ZERO).unwrap().is_neutral());
    assert!(Affine::decode(Gf5::ZERO).is_none());
    assert!(zero.to_affine().is_none());
    for sum in [p + zero, zero + p] {
        assert_eq!(sum, p);
    }
    assert!((zero + zero).is_neutral() && zero.doubled().is_neutral());
    assert!((p - p).is_neutral() && (p + -p).is_neutral());
    assert!(times_generator(&Scalar::ZERO).is_neutral());
}

#[test]
fn group_laws() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for _ in 0..50 {
        let [p, q, r] = core::array::from_fn(|_| random_point(&mut rng));
        assert_eq!(p + q, q + p);
        assert_eq!((p + q) + r, p + (q + r));
        assert_eq!(p.doubled(), p + p);
        assert_eq!(Point::decode(p.encode()), Some(p));
        // Multiples commute with sums.
        let (a, b) = (random_scalar(&mut rng), random_scalar(&mut rng));
        assert_eq!(p.times_vartime(&a) + p.times_vartime(&b), p.times_vartime(&(a + b)));
        assert_eq!(p.times_vartime(&a).times_vartime(&b), p.times_vartime(&(a * b)));
    }
}

#[test]
fn the_constant_time_multiples_are_the_plain_ones() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let g = Point::decode(GENERATOR).unwrap();
    let edges = (0..20).flat_map(|k| [Scalar::from_u64(k), -Scalar::from_u64(k)]);
    for s in edges.chain((0..50).map(|_| random_scalar(&mut rng))) {
        assert_eq!(times_generator(&s), g.times_vartime(&s));
    }
}

#[test]
fn the_chord_formulas_are_the_group_law() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    for _ in 0..50 {
        let (p, q) = (random_point(&mut rng), random_point(&mut rng));
        let (a, t) = (p.to_affine().unwrap(), q.to_affine().unwrap());
        let (i, w) = ((t.x - a.x).inverse_or_zero(), a.encode());
        let slope = formulas::chord_slope(&a.y, &t.y, &i);
        let x = formulas::sum_x(&slope, &a.x, &t.x);
        let y = formulas::sum_y(&slope, &a.x, &a.y, &x);
        assert_eq!(Some(Affine { x, y }), (p + q).to_affine());
        let second = formulas::second_slope(&slope, &a.y, &(a.x - x).inverse_or_zero());
        let x2 = formulas::sum_x(&second, &a.x, &x);
        let y2 = formulas::sum_y(&second, &a.x, &a.y, &x2);
        assert_eq!(Some(Affine { x: x2, y: y2 }), (p.doubled() + q).to_affine());
        assert!(formulas::curve_residue(&w, &a.x, &a.y).is_zero());
        assert!(!formulas::curve_residue(&w, &a.x, &-a.y).is_zero());
        // The same formulas on the generic elements.
        let generic = formulas::sum_x(&Quintic(slope.0), &Quintic(a.x.0), &Quintic(t.x.0));
        assert_eq!(generic.0, x.0);
    }
}

#[test]
fn points_of_the_other_coset_are_not_valid() {
    // P + N for P of order n: on the curve, with an x that is no square.
    let p = Affine::decode(W[0]).unwrap();
    let b = Gf5::new(formulas::B);
    let x = b * p.x.inverse_or_zero();
    let y = -(x * p.y * p.x.inverse_or_zero());
    assert!(formulas::curve_residue(&-(y * x.inverse_or_zero()), &x, &y).is_zero());
    assert!(!Affine { x, y }.is_valid());
    assert!(!Affine { x: p.x, y: p.x }.is_valid());
    assert!(Affine { x: p.x, y: -p.y }.is_valid());
    assert_eq!(Felt::constant(2), Felt::one() + Felt::one());
}
