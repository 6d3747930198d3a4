//! Records: one operation has one encoding.

use proptest::prelude::*;
use starling_rollup::account::AMOUNT_LIMIT;
use starling_rollup::address::{Address, L1Address};
use starling_rollup::amount::{AMOUNT, FEE, PackError};
use starling_rollup::record::{Body, LAYOUTS, Record, RecordError, WordLayout};
use starling_vm::field::{Felt, MODULUS};

fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..AMOUNT_LIMIT,
        0..1u64 << 20,
        (0..1u64 << 30, 0u32..10).prop_map(|(m, e)| m * 10u64.pow(e))
    ]
}

fn address() -> impl Strategy<Value = Address> {
    any::<[u64; 4]>().prop_map(|limbs| Address::from_word(limbs.map(Felt::new)))
}

fn record() -> impl Strategy<Value = Record> {
    let body = prop_oneof![
        (any::<u32>(), amount(), any::<bool>()).prop_map(|(to, amount, long)| Body::Transfer { to, amount, long }),
        (address(), amount()).prop_map(|(address, amount)| Body::Open { address, amount }),
        (any::<[u8; 20]>(), amount()).prop_map(|(recipient, amount)| Body::Withdraw {
            recipient: L1Address(recipient),
            amount
        }),
        address().prop_map(|address| Body::Rekey { address }),
    ];
    (any::<u32>(), amount(), body).prop_map(|(from, fee, mut body)| {
        if let Body::Transfer { amount, long, .. } = &mut body {
            // What only the long form holds is in no form that it could do without.
            *long &= AMOUNT.pack(*amount).is_some() && FEE.pack(fee).is_some();
        }
        Record { from, fee, body }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn records_round_trip(record in record(), tail in proptest::collection::vec(any::<u64>(), 0..3)) {
        let words = record.encode();
        let longer = [&words[..], &tail].concat();
        prop_assert_eq!(Record::decode(&longer), Ok((record, words.len())));
        for short in 0..words.len() {
            prop_assert!(Record::decode(&words[..short]).is_err());
        }
    }

    #[test]
    fn what_decodes_is_canonical(record in record(), word in 0usize..8, bit in 0u32..64) {
        let mut words = record.encode();
        let at = word % words.len();
        words[at] ^= 1 << bit;
        words.resize(8, 0);
        if let Ok((decoded, used)) = Record::decode(&words) {
            prop_assert_eq!(decoded.encode(), &words[..used]);
        }
    }

    #[test]
    fn random_words_never_panic(words in proptest::collection::vec(any::<u64>(), 0..10)) {
        if let Ok((decoded, used)) = Record::decode(&words) {
            prop_assert_eq!(decoded.encode(), &words[..used]);
        }
    }

    #[test]
    fn packing_is_exact_or_refused(value in amount()) {
        for packing in [AMOUNT, FEE] {
            if let Some(bits) = packing.pack(value) {
                prop_assert!(bits >> packing.bits() == 0);
                prop_assert_eq!(packing.unpack(bits), Ok(value));
            }
        }
    }

    #[test]
    fn unpacking_is_canonical(bits in 0u64..1 << 40) {
        for packing in [AMOUNT, FEE] {
            if let Ok(value) = packing.unpack(bits) {
                prop_assert_eq!(packing.pack(value), Some(bits));
            }
        }
    }
}

#[test]
fn a_common_transfer_takes_sixteen_bytes() {
    let record = Record {
        from: u32::MAX,
        fee: 2_047,
        body: Body::Transfer {
            to: u32::MAX,
            amount: 1_500_000_000,
            long: false,
        },
    };
    let words = record.encode();
    assert_eq!(words.len(), 2);
    assert!(words.iter().all(|word| word >> 63 == 0));
}

/// One transfer in both forms, and one that has the long form alone.
#[test]
fn a_record_remembers_its_form() {
    let record = |amount, long| Record {
        from: 1,
        fee: 3,
        body: Body::Transfer { to: 2, amount, long },
    };
    // Ten is a mantissa of 1 with the exponent 1.
    let short = vec![1 | 2 << 32, 1 | 3 << 10 | 1 << 21 | 1 << 26];
    let long = [1 | 2 << 32, 2, 10, 3];
    assert_eq!(record(10, false).encode(), short);
    assert_eq!(record(10, true).encode(), long);
    assert_eq!(Record::decode(&short), Ok((record(10, false), 2)));
    assert_eq!(Record::decode(&long), Ok((record(10, true), 4)));
    let much = (1 << 40) + 1;
    let only = [1 | 2 << 32, 2, much, 3];
    assert_eq!(record(much, false).encode(), only);
    assert_eq!(Record::decode(&only), Ok((record(much, false), 4)));
}

#[test]
fn every_refusal_is_reached() {
    assert_eq!(Record::decode(&[0, 9]), Err(RecordError::Tag(9)));
    assert_eq!(Record::decode(&[0, 7]), Err(RecordError::Misplaced("deposit_new")));
    assert_eq!(Record::decode(&[0]), Err(RecordError::Short { wanted: 2, left: 1 }));
    assert_eq!(
        Record::decode(&[1 << 63, 1]),
        Err(RecordError::StrayBits {
            record: "transfer",
            word: 0
        })
    );
    assert_eq!(
        Record::decode(&[0, 3, 0, 0, MODULUS, 0, 0, 0]),
        Err(RecordError::NotCanonical {
            record: "open",
            word: 4
        })
    );
    // Ten with exponent 0, zero with exponent 1, 10^19.
    for (bits, error) in [
        (10 << 5, PackError::NotCanonical { bits: 10 << 5 }),
        (1, PackError::NotCanonical { bits: 1 }),
        (1 << 5 | 19, PackError::OutOfRange { bits: 1 << 5 | 19 }),
    ] {
        assert_eq!(AMOUNT.unpack(bits), Err(error));
    }
    assert_eq!(FEE.unpack(1 << 16), Err(PackError::OutOfRange { bits: 1 << 16 }));
}

#[test]
fn the_table_fits_its_words() {
    for layout in LAYOUTS {
        for word in layout.words {
            if let WordLayout::Packed(fields) = word {
                assert!(
                    fields.iter().map(|field| field.bits).sum::<u32>() <= 63,
                    "{}",
                    layout.name
                );
            }
        }
    }
}
