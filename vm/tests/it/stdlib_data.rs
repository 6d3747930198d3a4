//! Hashing, Merkle trees and order: the standard library against native code.

use proptest::prelude::*;
use starling_vm::field::{Felt, Word};
use starling_vm::poseidon2::{compress, hash_bytes, hash_elements, pack_bytes};
use starling_vm::stdlib;
use starling_vm::trap::{Trap, TrapKind};

use crate::library::{Call, Called, doc, unneeded_checks};
use crate::support::{felts, ints, value};

const ROOT: u64 = 1003;
const INDEX: u64 = 1004;
const ORDER: u64 = 1005;
const PADDING: u64 = 1006;
const PACKING: u64 = 1007;

const AT: u64 = 5_000;

fn code(ran: Result<Called, Box<Trap>>) -> Option<u64> {
    match ran.expect_err("this must trap").kind {
        TrapKind::Assert { code, .. } => Some(code),
        _ => None,
    }
}

#[test]
fn every_procedure_is_documented_and_the_modules_are_known() {
    let docs = stdlib::procedures();
    assert!(docs.len() > 40, "{}", docs.len());
    for doc in &docs {
        for field in [
            &doc.about,
            &doc.takes,
            &doc.gives,
            &doc.clobbers,
            &doc.traps,
            &doc.cycles,
        ] {
            assert!(!field.is_empty(), "{doc:?}");
        }
    }
    let public: usize = stdlib::MODULES
        .iter()
        .map(|m| m.text.matches("\npub proc ").count())
        .sum();
    assert_eq!(docs.len(), public);
    assert!(stdlib::module("u64").is_some());
    assert!(stdlib::module("u65").is_none());
}

// HASHES
// ================================================================================================================

fn hash_words(elements: &[u64], length: u64, domain: u64) -> Result<Called, Box<Trap>> {
    Call {
        procedure: "hash::words",
        registers: vec![(0, vec![AT, length, domain])],
        memory: vec![(AT, elements.to_vec())],
        sizes: vec![("words", length / 4)],
        ..Call::default()
    }
    .run()
}

fn hash_packed(elements: &[u64], length: u64, domain: u64) -> Result<Called, Box<Trap>> {
    Call {
        procedure: "hash::bytes",
        registers: vec![(0, vec![AT, length, domain])],
        memory: vec![(AT, elements.to_vec())],
        sizes: vec![("words", elements.len().div_ceil(4) as u64)],
        ..Call::default()
    }
    .run()
}

proptest! {
    #![proptest_config(crate::support::cases(150))]

    #[test]
    fn lists_hash_as_natively(elements in prop::collection::vec(value(), 0..30), domain in value()) {
        let called = hash_words(&elements, elements.len() as u64, domain).unwrap();
        prop_assert_eq!(&called.registers[..4], ints(&hash_elements(domain, &felts(&elements))));
    }

    #[test]
    fn byte_strings_hash_as_natively(bytes in prop::collection::vec(any::<u8>(), 0..70), full in any::<bool>(), domain in value()) {
        let bytes = if full { vec![0xff; bytes.len()] } else { bytes };
        let packed = ints(&pack_bytes(&bytes));
        let called = hash_packed(&packed, bytes.len() as u64, domain).unwrap();
        prop_assert_eq!(&called.registers[..4], ints(&hash_bytes(domain, &bytes)));
    }
}

#[test]
fn stray_padding_is_found() {
    for length in 0..9_usize {
        let padded = length.div_ceil(4).max(1) * 4;
        for stray in length..padded {
            let mut elements = vec![7; length];
            elements.resize(padded, 0);
            elements[stray] = 1;
            assert_eq!(
                code(hash_words(&elements, length as u64, 1)),
                Some(PADDING),
                "{length} {stray}"
            );
        }
    }
}

#[test]
fn packings_that_are_no_packing_are_found() {
    // The largest packing of every length is accepted (above); one more in the last element is not.
    for length in 1..=28_usize {
        let mut packed = ints(&pack_bytes(&vec![0xff; length]));
        let last = packed.len() - 1;
        packed[last] += 1;
        let ran = hash_packed(&packed, length as u64, 1);
        let trap = ran.expect_err("too large an element");
        let expected = matches!(
            trap.kind,
            TrapKind::NotU32 { .. } | TrapKind::Assert { code: PACKING, .. }
        );
        assert!(expected, "{length}: {trap}");
    }
    // An element in the middle, the wrong length, an element too many.
    let mut packed = ints(&pack_bytes(&[1; 30]));
    packed[2] = 1 << 56;
    assert!(matches!(
        hash_packed(&packed, 30, 1).unwrap_err().kind,
        TrapKind::NotU32 { .. }
    ));
    let packed = ints(&pack_bytes(&[1; 30]));
    assert_eq!(code(hash_packed(&packed, 29, 1)), Some(PACKING));
    let mut packed = ints(&pack_bytes(&[1; 7]));
    packed.push(1);
    assert_eq!(code(hash_packed(&packed, 7, 1)), Some(PADDING));
}

#[test]
fn packing_is_seven_bytes_an_element() {
    assert_eq!(ints(&pack_bytes(b"")), [0]);
    assert_eq!(ints(&pack_bytes(b"abcdefgh")), [8, 0x67_6665_6463_6261, 0x68]);
}

// MERKLE TREES
// ================================================================================================================

fn word(seed: u64) -> Word {
    hash_elements(seed, &[])
}

fn climb(leaf: Word, index: u64, siblings: &[Word]) -> Word {
    siblings
        .iter()
        .enumerate()
        .fold(leaf, |node, (level, sibling)| match index >> level & 1 {
            0 => compress(node, *sibling),
            _ => compress(*sibling, node),
        })
}

fn path(depth: u64) -> Vec<Word> {
    (0..depth).map(|level| word(1_000 + level)).collect()
}

fn merkle(procedure: &str, first: &[Word], root: Word, index: u64, siblings: &[Word]) -> Result<Called, Box<Trap>> {
    let depth = siblings.len() as u64;
    let mut registers = vec![(8, ints(&root)), (12, vec![index, depth])];
    registers.extend(first.iter().enumerate().map(|(k, word)| (4 * k, ints(word))));
    Call {
        procedure,
        registers,
        advice: siblings.iter().flat_map(|s| ints(s)).collect(),
        sizes: vec![("depth", depth)],
        ..Call::default()
    }
    .run()
}

proptest! {
    #![proptest_config(crate::support::cases(60))]

    #[test]
    fn merkle_paths(depth in 1..=63_u64, index in any::<u64>(), wrong in 0..4_usize) {
        let index = index % (1 << depth);
        let siblings = path(depth);
        let (old, new) = (word(1), word(2));
        let (root, next) = (climb(old, index, &siblings), climb(new, index, &siblings));

        let called = merkle("merkle::root", &[old], root, index, &siblings).unwrap();
        prop_assert_eq!(&called.registers[..4], ints(&root));
        prop_assert!(merkle("merkle::verify", &[old], root, index, &siblings).is_ok());
        let called = merkle("merkle::update", &[old, new], root, index, &siblings).unwrap();
        prop_assert_eq!(&called.registers[..4], ints(&next));

        // Another leaf, index, sibling or root.
        let mut false_root = root;
        false_root[wrong] += Felt::new(1);
        let mut false_siblings = siblings.clone();
        false_siblings[(index % depth) as usize][wrong] += Felt::new(1);
        for name in ["merkle::verify", "merkle::update"] {
            let leaves = if name == "merkle::verify" { vec![old] } else { vec![old, new] };
            let false_leaves = if name == "merkle::verify" { vec![new] } else { vec![new, new] };
            prop_assert_eq!(code(merkle(name, &false_leaves, root, index, &siblings)), Some(ROOT));
            prop_assert_eq!(code(merkle(name, &leaves, false_root, index, &siblings)), Some(ROOT));
            prop_assert_eq!(code(merkle(name, &leaves, root, index, &false_siblings)), Some(ROOT));
            prop_assert_eq!(code(merkle(name, &leaves, root, index ^ 1, &siblings)), Some(ROOT));
            prop_assert_eq!(code(merkle(name, &leaves, root, index + (1 << depth), &siblings)), Some(INDEX));
        }
    }
}

#[test]
fn trees_deeper_than_63_are_refused() {
    for depth in [64, 65, 100] {
        for name in ["merkle::root", "merkle::verify"] {
            assert!(merkle(name, &[word(1)], word(2), 0, &path(depth)).is_err());
        }
        assert!(merkle("merkle::update", &[word(1), word(1)], word(2), 0, &path(depth)).is_err());
    }
}

// ORDER
// ================================================================================================================

fn sorted(procedure: &str, list: &[u64]) -> Result<Called, Box<Trap>> {
    Call {
        procedure,
        registers: vec![(0, vec![AT, list.len() as u64])],
        memory: vec![(AT, list.iter().flat_map(|v| [*v, 9, 9, 9]).collect())],
        sizes: vec![("length", list.len() as u64)],
        ..Call::default()
    }
    .run()
}

proptest! {
    #![proptest_config(crate::support::cases(150))]

    #[test]
    fn order_is_what_it_is_natively(
        list in prop::collection::vec(prop_oneof![0..6_u64, 0..1_u64 << 63], 0..8),
        arrange in any::<bool>(),
    ) {
        let mut list = list;
        if arrange {
            list.sort();
        }
        let ascending = sorted("sort::ascending", &list);
        let strictly = sorted("sort::strictly_ascending", &list);
        prop_assert_eq!(ascending.is_ok(), list.is_sorted());
        prop_assert_eq!(strictly.is_ok(), list.windows(2).all(|w| w[0] < w[1]));
        for ran in [ascending, strictly] {
            prop_assert!(ran.is_ok() || code(ran) == Some(ORDER));
        }
    }
}

#[test]
fn elements_of_63_bits_and_more_are_in_no_order() {
    for list in [
        vec![1 << 63],
        vec![5, 1 << 63],
        vec![1 << 63, (1 << 63) + 1],
        vec![1, 1 << 62, (1 << 63) + 5],
    ] {
        for name in ["sort::ascending", "sort::strictly_ascending"] {
            let trap = sorted(name, &list).unwrap_err();
            assert!(matches!(trap.kind, TrapKind::NotU63 { .. }), "{list:?}: {trap}");
        }
    }
}

#[test]
fn documentation_is_found_by_name() {
    assert_eq!(doc("u64::add").takes, "a = r0 r1, b = r2 r3");
}

// IS EVERY CHECK NEEDED?
// ================================================================================================================

fn refused(ran: Result<Called, Box<Trap>>) {
    assert!(ran.is_err(), "a lie is accepted");
}

fn unneeded(procedure: &str, attacks: impl Fn()) -> Vec<String> {
    unneeded_checks(
        &Call {
            procedure,
            ..Call::default()
        },
        attacks,
    )
}

#[test]
fn every_check_of_a_merkle_path_is_needed() {
    let siblings = path(3);
    let (old, new) = (word(1), word(2));
    let root = climb(old, 5, &siblings);
    let attacks = |name: &str, leaves: &[Word]| {
        for lane in 0..4 {
            let mut false_root = root;
            false_root[lane] += Felt::new(1);
            refused(merkle(name, leaves, false_root, 5, &siblings));
        }
        refused(merkle(name, leaves, root, 5 + 8, &siblings));
    };
    assert!(unneeded("merkle::verify", || attacks("merkle::verify", &[old])).is_empty());
    assert!(
        unneeded("merkle::root", || refused(merkle(
            "merkle::root",
            &[old],
            root,
            5 + 8,
            &siblings
        )))
        .is_empty()
    );
    // That both paths halve the index alike can only be false in a dishonest proof: the executor is honest.
    let unneeded = unneeded("merkle::update", || attacks("merkle::update", &[old, new]));
    assert_eq!(unneeded.len(), 1, "{unneeded:?}");
    assert!(unneeded[0].contains("assert.eq r12, r15"), "{unneeded:?}");
}

#[test]
fn every_check_of_hashing_and_order_is_needed() {
    let stray = || {
        for length in 0..4_usize {
            for lane in length.max(usize::from(length > 0))..4 {
                let mut elements = vec![7; length];
                elements.resize(4, 0);
                elements[lane] = 1;
                refused(hash_words(&elements, length as u64, 1));
            }
        }
    };
    assert_eq!(unneeded("hash::words", stray), Vec::<String>::new());
    let packings = || {
        // Nothing at all, and something behind it.
        for lane in 1..4 {
            let mut packed = vec![0; 4];
            packed[lane] = 1;
            refused(hash_packed(&packed, 0, 1));
        }
        // Every lane of a word, one element too large, but as long as the length says.
        for lane in 1..5 {
            let mut packed = ints(&pack_bytes(&[1; 30]));
            packed[lane] = 1 << 56;
            refused(hash_packed(&packed, 30, 1));
        }
        // The last element, in either half; and the stated length.
        for length in 1..14 {
            let mut packed = ints(&pack_bytes(&vec![0xff; length]));
            let last = packed.len() - 1;
            packed[last] += 1;
            refused(hash_packed(&packed, length as u64, 1));
            packed[last] = 1 << 33;
            if length % 7 < 5 && length % 7 > 0 {
                refused(hash_packed(&packed, length as u64, 1));
            }
        }
        refused(hash_packed(&ints(&pack_bytes(&[1; 6])), 7, 1));
        // The packed string's own padding.
        for length in [1, 8, 15] {
            let packed = ints(&pack_bytes(&vec![1; length]));
            for lane in packed.len()..4 {
                let mut packed = packed.clone();
                packed.resize(4, 0);
                packed[lane] = 1;
                refused(hash_packed(&packed, length as u64, 1));
            }
        }
    };
    // `bytes` never hashes an empty list: its first element is the length.
    let unneeded_by_bytes = unneeded("hash::bytes", packings);
    assert_eq!(unneeded_by_bytes.len(), 1, "{unneeded_by_bytes:?}");
    assert!(
        unneeded_by_bytes[0].contains("assert.z r8, 1006"),
        "{unneeded_by_bytes:?}"
    );
    for name in ["sort::ascending", "sort::strictly_ascending"] {
        let orders = || {
            refused(sorted(name, &[3, 2]));
            refused(sorted(name, &[5, 1 << 63]));
        };
        assert_eq!(unneeded(name, orders), Vec::<String>::new());
    }
}
