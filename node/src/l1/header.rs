//! Headers of L1's blocks in the encoding that their hash is of (RLP; execution specifications, Prague): contracts know blocks
//! by their hashes.

use alloy_rlp::{Encodable, Header};
use serde_json::Value;
use starling_rollup::l1_key::keccak256;

use super::abi::from_hex;
use super::{Hash, L1Error, hex};

/// The fields of a header, in order, and whether it is a number. Those behind the nonce came with later forks.
const FIELDS: [(&str, bool); 21] = [
    ("parentHash", false),
    ("sha3Uncles", false),
    ("miner", false),
    ("stateRoot", false),
    ("transactionsRoot", false),
    ("receiptsRoot", false),
    ("logsBloom", false),
    ("difficulty", true),
    ("number", true),
    ("gasLimit", true),
    ("gasUsed", true),
    ("timestamp", true),
    ("extraData", false),
    ("mixHash", false),
    ("nonce", false),
    ("baseFeePerGas", true),
    ("withdrawalsRoot", false),
    ("blobGasUsed", true),
    ("excessBlobGas", true),
    ("parentBeaconBlockRoot", false),
    ("requestsHash", false),
];
const REQUIRED: usize = 15;

/// The bytes of a field.
fn field(value: &Value, number: bool) -> Option<Vec<u8>> {
    let text = value.as_str()?;
    if !number {
        return from_hex(text);
    }
    let digits = text.strip_prefix("0x")?.trim_start_matches('0');
    let even = format!("0x{}{digits}", if digits.len() % 2 == 0 { "" } else { "0" });
    from_hex(&even)
}

/// The header of a block as `eth_getBlockByNumber` describes it; what is returned hashes to the block's hash.
///
/// # Errors
/// When a field is missing, or the block has fields that are not known here.
pub fn encode(block: &Value) -> Result<Vec<u8>, L1Error> {
    let mut payload = Vec::new();
    for (place, (name, number)) in FIELDS.iter().enumerate() {
        match block.get(name).filter(|value| !value.is_null()) {
            None if place >= REQUIRED => break,
            value => {
                let missing = || L1Error::History(format!("a block's header has no `{name}`"));
                let bytes = value.and_then(|value| field(value, *number)).ok_or_else(missing)?;
                bytes.as_slice().encode(&mut payload);
            }
        }
    }
    let mut encoded = Vec::with_capacity(payload.len() + 4);
    Header {
        list: true,
        payload_length: payload.len(),
    }
    .encode(&mut encoded);
    encoded.extend(payload);
    let hash: Hash = keccak256(&[&encoded]);
    let expected = block.get("hash").and_then(|hash| hash.as_str()).unwrap_or_default();
    if expected != format!("0x{}", hex(&hash)) {
        return Err(L1Error::History(format!(
            "block {expected} has a header that this version cannot encode: L1 had a fork"
        )));
    }
    Ok(encoded)
}
