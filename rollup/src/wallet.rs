//! Keys from an Ethereum wallet: no new seed to keep.
//!
//! The wallet signs the typed data of [request], twice. The signature is the secret that the key is derived from, so it
//! must come out the same every time: a wallet whose two signatures differ would lose its user's account, and is refused.
//! The signer becomes the account's L1 owner.
//!
//! ```
//! use starling_rollup::address::L1Address;
//! use starling_rollup::l1_key::L1Key;
//! use starling_rollup::transaction::RollupId;
//! use starling_rollup::wallet;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let rollup = RollupId { chain_id: 31_337, contract: L1Address([0x42; 20]) };
//! let wallet_key = L1Key::from_bytes(&[7; 32])?; // stands for MetaMask here
//! let hash = wallet::request(&rollup, 0).hash();
//! let key = wallet::derive(&rollup, 0, &wallet_key.sign(&hash)?.to_bytes(), &wallet_key.sign(&hash)?.to_bytes())?;
//! assert_eq!(key.owner, wallet_key.address());
//! println!("{}", key.address());
//! # Ok(())
//! # }
//! ```

use core::fmt;

use starling_vm::schnorr::SecretKey;
use zeroize::Zeroizing;

use crate::address::{Address, L1Address};
use crate::eip712::{Domain, Struct, TypedData, Value};
use crate::l1_key::{L1Signature, L1SignatureError};
use crate::transaction::RollupId;

/// First bytes of what a key is derived from; a change of the derivation changes them.
const PREFIX: &[u8] = b"starling wallet key 1";

/// What the wallet's user reads.
const WARNING: &str = "This signature is the key of your Starling account: whoever has it can spend everything in it. \
                       Sign only where you trust the application, and never send the signature to anybody.";

/// Why a wallet's signatures give no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// One of the signatures is unusable.
    #[error("signature {number} of 2: {reason}")]
    Signature {
        /// 1 or 2.
        number: u8,
        /// What is wrong with it.
        reason: L1SignatureError,
    },
    /// The signatures have different signers.
    #[error(
        "the signatures are by two accounts, {first} and {second}: sign both with the same one, for the same request"
    )]
    Signers {
        /// Who gave the first.
        first: L1Address,
        /// Who gave the second.
        second: L1Address,
    },
    /// The wallet does not sign deterministically.
    #[error(
        "{signer} signed the same request twice and the signatures differ: this wallet does not sign deterministically \
         (RFC 6979), so the key could not be found again; use another wallet, or a key file"
    )]
    NotDeterministic {
        /// The signer.
        signer: L1Address,
    },
}

/// A key that a wallet's signature gives, with its L1 owner.
pub struct WalletKey {
    /// The key.
    pub secret: SecretKey,
    /// The wallet's address.
    pub owner: L1Address,
}

impl WalletKey {
    /// The address of key and owner.
    pub fn address(&self) -> Address {
        Address::new(self.secret.public_key(), self.owner)
    }
}

impl fmt::Debug for WalletKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WalletKey")
            .field("owner", &self.owner)
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}

/// What the wallet signs for its key number `number` (0 for the first) in `rollup`.
pub fn request(rollup: &RollupId, number: u32) -> TypedData {
    TypedData {
        domain: Domain {
            name: "Starling",
            version: "1",
            chain_id: rollup.chain_id,
            contract: rollup.contract,
        },
        message: Struct {
            name: "StarlingKey",
            fields: vec![
                ("warning", Value::Text(WARNING.to_owned())),
                (
                    "number",
                    Value::Uint {
                        bits: 32,
                        value: u64::from(number),
                    },
                ),
            ],
        },
    }
}

/// The key from two signatures of [request].
///
/// # Errors
/// When a signature is malformed, or the two are not the same one.
pub fn derive(rollup: &RollupId, number: u32, first: &[u8], second: &[u8]) -> Result<WalletKey, WalletError> {
    let hash = request(rollup, number).hash();
    let read = |number: u8, bytes: &[u8]| {
        let fault = |reason| WalletError::Signature { number, reason };
        let signature = L1Signature::from_bytes(bytes).map_err(fault)?;
        let signer = signature.recover(&hash).map_err(fault)?;
        Ok((signature, signer))
    };
    let (first, owner) = read(1, first)?;
    let (second, other) = read(2, second)?;
    if owner != other {
        return Err(WalletError::Signers {
            first: owner,
            second: other,
        });
    }
    if first != second {
        return Err(WalletError::NotDeterministic { signer: owner });
    }
    let bytes = Zeroizing::new(first.to_bytes());
    let secret = Zeroizing::new([PREFIX, &hash, &bytes[..64]].concat());
    Ok(WalletKey {
        secret: SecretKey::derive(&secret),
        owner,
    })
}
