//! The fixed points of the signature scheme and their derivation.
//!
//! `vm/tests/it/schnorr.rs` recomputes every one of them.

use crate::ecgfp5::{Affine, Gf5};

/// The third element of the challenge's second compression: the bytes "sl-sig/1", big-endian.
pub const CHALLENGE_DOMAIN: u64 = u64::from_be_bytes(*b"sl-sig/1");

/// BLAKE3 `derive_key` context of the key that nonces are derived with.
pub const NONCE_CONTEXT: &str = "starling schnorr v1: nonce";

/// BLAKE3 `derive_key` context of secret keys derived from other secrets.
pub const SECRET_KEY_CONTEXT: &str = "starling schnorr v1: secret key";

/// BLAKE3 `derive_key` context of the derivation of U.
pub const U_CONTEXT: &str = "starling schnorr v1: point U of unknown discrete logarithm";

/// Derives U, which nobody knows a multiple of G to be: for i = 0, 1, ... take 40 bytes of BLAKE3 in `derive_key` mode
/// with the context [U_CONTEXT] on the four little-endian bytes of i, read them as five little-endian words, and take the
/// point that they encode; the first i whose words are all below the modulus and encode a point other than the neutral
/// one gives U.
pub fn derive_u() -> Affine {
    (0u32..)
        .find_map(|i| {
            let mut bytes = [0; Gf5::BYTES];
            blake3::Hasher::new_derive_key(U_CONTEXT)
                .update(&i.to_le_bytes())
                .finalize_xof()
                .fill(&mut bytes);
            Affine::decode(Gf5::from_bytes(&bytes).ok()?)
        })
        .expect("half of all candidates encode a point")
}

/// The conventional generator G as a point of order n; its encoding is 4.
pub const G: Affine = Affine {
    x: Gf5::new([
        5563608483237702766,
        14090224426659529053,
        13197813503519687414,
        16280770174934269299,
        15998333998318935536,
    ]),
    y: Gf5::new([
        14639054205878357578,
        17426078571020221072,
        2548978194165003307,
        8663895577921260088,
        9793640284382595140,
    ]),
};

/// G' = 2^160 G, the base of the high half of s.
pub const G_HIGH: Affine = Affine {
    x: Gf5::new([
        14507146575512762457,
        11107586778504642310,
        2258749970660463787,
        11665666498683166976,
        3651960988688827972,
    ]),
    y: Gf5::new([
        4148192577599771107,
        15041274705967719236,
        8110839238789030054,
        15459743892401857750,
        5204208935321289194,
    ]),
};

/// G + G'. No key may have its x-coordinate.
pub const G_SUM: Affine = Affine {
    x: Gf5::new([
        14643016656848441749,
        12314748405218494543,
        1786392312332037572,
        8822445747273896639,
        6117556552821302498,
    ]),
    y: Gf5::new([
        17943868930462554733,
        13987481407639187686,
        17034732480829904036,
        9895767109621439440,
        4074864638328542262,
    ]),
};

/// G - G'. No key may have its x-coordinate.
pub const G_DIFFERENCE: Affine = Affine {
    x: Gf5::new([
        8515771137034826343,
        7470387810525130297,
        4849823600757133991,
        16898955117681835700,
        963919179456504443,
    ]),
    y: Gf5::new([
        3072511065637048608,
        11558398692861747496,
        10627380962298890907,
        995673495386034255,
        9875760883865760757,
    ]),
};

/// U, the result of [derive_u]: where the accumulator starts.
pub const U: Affine = Affine {
    x: Gf5::new([
        13094738317821513003,
        3460658603416180012,
        7711339756436354594,
        7182322176788691596,
        2234138149525655654,
    ]),
    y: Gf5::new([
        12783145933958310974,
        6043674814219451714,
        15578941651075558090,
        11093741670948093975,
        16360222464104526072,
    ]),
};

/// 2^160 U, what U has become when the digits are used up.
pub const U_HIGH: Affine = Affine {
    x: Gf5::new([
        2045404428408074125,
        13676415550175635427,
        10916405220130506769,
        15220848503324747867,
        3301795165765123156,
    ]),
    y: Gf5::new([
        3485775843512608524,
        16473044107156389615,
        8890919905394758985,
        13027459129020551659,
        4573022042729975946,
    ]),
};
