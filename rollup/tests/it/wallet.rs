//! Typed data against EIP-712's published example; keys from a wallet's signatures.

use starling_rollup::address::L1Address;
use starling_rollup::eip712::{Domain, Struct, TypedData, Value};
use starling_rollup::l1_key::{L1Key, L1Signature, L1SignatureError, keccak256};
use starling_rollup::transaction::RollupId;
use starling_rollup::wallet::{WalletError, derive, request};

/// The example's signature, as the EIP and every wallet's tests give it.
const COW_SIGNATURE: &str = "0x4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d\
                             07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b915621c";

/// The order of secp256k1.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc,
    0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];

const ROLLUP: RollupId = RollupId {
    chain_id: 31_337,
    contract: L1Address([0x42; 20]),
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn l1(text: &str) -> L1Address {
    text.parse().unwrap()
}

fn mail() -> TypedData {
    let person = |name: &str, wallet: &str| {
        Value::Struct(Struct {
            name: "Person",
            fields: vec![
                ("name", Value::Text(name.to_owned())),
                ("wallet", Value::Address(l1(wallet))),
            ],
        })
    };
    TypedData {
        domain: Domain {
            name: "Ether Mail",
            version: "1",
            chain_id: 1,
            contract: L1Address([0xcc; 20]),
        },
        message: Struct {
            name: "Mail",
            fields: vec![
                ("from", person("Cow", "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826")),
                ("to", person("Bob", "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB")),
                ("contents", Value::Text("Hello, Bob!".to_owned())),
            ],
        },
    }
}

/// (r, s, v) with s replaced by the order less s, and the other v: valid for the same message and signer.
fn twin(signature: &[u8; 65]) -> [u8; 65] {
    let mut twin = *signature;
    let mut borrow = 0;
    for i in (0..32).rev() {
        let difference = i16::from(ORDER[i]) - i16::from(signature[32 + i]) - borrow;
        borrow = i16::from(difference < 0);
        twin[32 + i] = (difference & 0xff) as u8;
    }
    twin[64] = 27 + 28 - signature[64];
    twin
}

#[test]
fn the_published_example_of_eip_712() {
    let mail = mail();
    assert_eq!(
        mail.message.encode_type(),
        "Mail(Person from,Person to,string contents)Person(string name,address wallet)"
    );
    assert_eq!(
        hex(&mail.domain.separator()),
        "f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f"
    );
    assert_eq!(
        hex(&mail.message.hash()),
        "c52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e"
    );
    assert_eq!(
        hex(&mail.hash()),
        "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"
    );
    let cow = L1Key::from_bytes(&keccak256(&[b"cow"])).unwrap();
    let signature = L1Signature::from_hex(COW_SIGNATURE).unwrap();
    assert_eq!(signature.recover(&mail.hash()).unwrap(), cow.address());
    assert_eq!(cow.address(), l1("0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"));
    assert_eq!(cow.sign(&mail.hash()).unwrap(), signature);
}

#[test]
fn the_json_is_what_wallets_take() {
    let json = mail().to_json();
    assert_eq!(json["primaryType"], "Mail");
    assert_eq!(json["domain"]["chainId"], 1);
    assert_eq!(json["message"]["to"]["name"], "Bob");
    assert_eq!(json["types"]["Mail"][1]["type"], "Person");
    assert_eq!(json["types"]["EIP712Domain"][3]["name"], "verifyingContract");
    let request = request(&ROLLUP, 3).to_json();
    assert_eq!(request["message"]["number"], 3);
    assert_eq!(request["domain"]["verifyingContract"], ROLLUP.contract.to_string());
}

#[test]
fn a_key_belongs_to_one_wallet_chain_contract_and_number() {
    let rollups = [
        ROLLUP,
        RollupId { chain_id: 1, ..ROLLUP },
        RollupId {
            contract: L1Address([0x43; 20]),
            ..ROLLUP
        },
    ];
    let mut keys = Vec::new();
    for seed in [1u8, 2] {
        let wallet = L1Key::from_bytes(&[seed; 32]).unwrap();
        for rollup in &rollups {
            for number in [0, 1] {
                let signature = wallet.sign(&request(rollup, number).hash()).unwrap().to_bytes();
                let key = derive(rollup, number, &signature, &signature).unwrap();
                assert_eq!(key.owner, wallet.address());
                let again = derive(rollup, number, &signature, &signature).unwrap();
                assert_eq!(*key.secret.to_bytes(), *again.secret.to_bytes());
                assert!(!keys.contains(&*key.secret.to_bytes()));
                keys.push(*key.secret.to_bytes());
                // A signature of another request has another signer, if any.
                let other = derive(rollup, number + 1, &signature, &signature);
                assert!(other.is_err() || other.unwrap().owner != wallet.address());
            }
        }
    }
    assert_eq!(keys.len(), 12);
}

#[test]
fn a_raw_recovery_byte_gives_the_same_key() {
    let wallet = L1Key::from_bytes(&[5; 32]).unwrap();
    let signature = wallet.sign(&request(&ROLLUP, 0).hash()).unwrap().to_bytes();
    let mut raw = signature;
    raw[64] -= 27;
    let key = derive(&ROLLUP, 0, &signature, &raw).unwrap();
    assert_eq!(key.owner, wallet.address());
}

#[test]
fn a_wallet_that_signs_differently_each_time_is_refused() {
    use k256::ecdsa::hazmat::SignPrimitive;
    let hash = request(&ROLLUP, 0).hash();
    let secret = k256::Scalar::from(0x1234_5678u64);
    let mut signatures = [3u64, 5].into_iter().map(|nonce| {
        let (signature, recovery) = secret
            .try_sign_prehashed(k256::Scalar::from(nonce), &hash.into())
            .unwrap();
        let mut bytes = [0; 65];
        bytes[..64].copy_from_slice(&signature.to_bytes());
        bytes[64] = 27 + recovery.unwrap().to_byte();
        bytes
    });
    let (first, second) = (signatures.next().unwrap(), signatures.next().unwrap());
    let error = derive(&ROLLUP, 0, &first, &second).unwrap_err();
    assert!(matches!(error, WalletError::NotDeterministic { .. }), "{error}");
    assert!(error.to_string().contains("does not sign deterministically"));
}

#[test]
fn two_accounts_are_refused() {
    let hash = request(&ROLLUP, 0).hash();
    let sign = |seed: u8| L1Key::from_bytes(&[seed; 32]).unwrap().sign(&hash).unwrap().to_bytes();
    let error = derive(&ROLLUP, 0, &sign(1), &sign(2)).unwrap_err();
    assert!(matches!(error, WalletError::Signers { .. }), "{error}");
}

#[test]
fn malformed_signatures_are_refused_with_the_reason() {
    let wallet = L1Key::from_bytes(&[5; 32]).unwrap();
    let good = wallet.sign(&request(&ROLLUP, 0).hash()).unwrap().to_bytes();
    let with = |change: &dyn Fn(&mut [u8; 65])| {
        let mut bytes = good;
        change(&mut bytes);
        bytes.to_vec()
    };
    let cases: Vec<(Vec<u8>, L1SignatureError)> = vec![
        (Vec::new(), L1SignatureError::Length { found: 0 }),
        (good[..64].to_vec(), L1SignatureError::Length { found: 64 }),
        ([&good[..], &[0]].concat(), L1SignatureError::Length { found: 66 }),
        (with(&|b| b[64] = 29), L1SignatureError::RecoveryByte { found: 29 }),
        (with(&|b| b[..32].fill(0)), L1SignatureError::Range),
        (with(&|b| b[32..64].fill(0)), L1SignatureError::Range),
        (with(&|b| b[..32].fill(0xff)), L1SignatureError::Range),
        (with(&|b| b[32..64].copy_from_slice(&ORDER)), L1SignatureError::Range),
        (twin(&good).to_vec(), L1SignatureError::HighS),
    ];
    for (bytes, expected) in cases {
        let first = derive(&ROLLUP, 0, &bytes, &good).unwrap_err();
        let second = derive(&ROLLUP, 0, &good, &bytes).unwrap_err();
        let error = |number| WalletError::Signature {
            number,
            reason: expected.clone(),
        };
        assert_eq!((first, second), (error(1), error(2)));
    }
    // x = 5 is on no point of secp256k1.
    let no_point = with(&|b| {
        b[..32].fill(0);
        b[31] = 5;
    });
    let error = derive(&ROLLUP, 0, &no_point, &no_point).unwrap_err();
    let reason = L1SignatureError::NoSigner;
    assert_eq!(error, WalletError::Signature { number: 1, reason });
}

#[test]
fn signatures_as_text() {
    let signature = L1Signature::from_hex(COW_SIGNATURE).unwrap();
    assert_eq!(format!("0x{}", hex(&signature.to_bytes())), COW_SIGNATURE);
    assert_eq!(
        L1Signature::from_hex("0x12g4"),
        Err(L1SignatureError::NotHex {
            position: 4,
            found: 'g'
        })
    );
    assert_eq!(
        L1Signature::from_hex("0x123"),
        Err(L1SignatureError::Length { found: 1 })
    );
    assert!(L1Signature::from_hex("0x☃☃").is_err());
}
