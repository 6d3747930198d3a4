//! EIP-712: typed data that an Ethereum wallet shows to its user before it signs.
//!
//! Values carry their types, so a message cannot be hashed as something else than what the wallet is shown: both
//! [TypedData::hash] and [TypedData::to_json] are made from the same fields.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::address::L1Address;
use crate::l1_key::keccak256;

/// A value of typed data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `string`.
    Text(String),
    /// An unsigned integer of 8 to 256 bits, as far as 64 bits carry it.
    Uint {
        /// The bits of its type: a multiple of 8.
        bits: u16,
        /// The value.
        value: u64,
    },
    /// `address`.
    Address(L1Address),
    /// `bytes32`.
    Bytes32([u8; 32]),
    /// A structure.
    Struct(Struct),
}

impl Value {
    fn type_name(&self) -> String {
        match self {
            Self::Text(_) => "string".to_owned(),
            Self::Uint { bits, .. } => format!("uint{bits}"),
            Self::Address(_) => "address".to_owned(),
            Self::Bytes32(_) => "bytes32".to_owned(),
            Self::Struct(inner) => inner.name.to_owned(),
        }
    }

    fn encode(&self) -> [u8; 32] {
        let mut word = [0; 32];
        match self {
            Self::Text(text) => return keccak256(&[text.as_bytes()]),
            Self::Uint { value, .. } => word[24..].copy_from_slice(&value.to_be_bytes()),
            Self::Address(address) => word[12..].copy_from_slice(&address.0),
            Self::Bytes32(bytes) => return *bytes,
            Self::Struct(inner) => return inner.hash(),
        }
        word
    }

    fn to_json(&self) -> Json {
        match self {
            Self::Text(text) => json!(text),
            // Beyond 2^53 JSON's readers round numbers; wallets take decimal strings there.
            Self::Uint { value, .. } if *value <= 1 << 53 => json!(value),
            Self::Uint { value, .. } => json!(value.to_string()),
            Self::Address(address) => json!(address.to_string()),
            Self::Bytes32(bytes) => json!(format!(
                "0x{}",
                bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
            )),
            Self::Struct(inner) => inner.to_json(),
        }
    }
}

/// A structure: its type's name and its fields, each a name and a value, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Struct {
    /// The type's name.
    pub name: &'static str,
    /// The fields.
    pub fields: Vec<(&'static str, Value)>,
}

impl Struct {
    fn own_type(&self) -> String {
        let fields: Vec<_> = self
            .fields
            .iter()
            .map(|(name, value)| format!("{} {name}", value.type_name()))
            .collect();
        format!("{}({})", self.name, fields.join(","))
    }

    fn collect<'a>(&'a self, found: &mut BTreeMap<&'static str, &'a Self>) {
        found.insert(self.name, self);
        for (_, value) in &self.fields {
            if let Value::Struct(inner) = value {
                inner.collect(found);
            }
        }
    }

    /// `encodeType`: the structure's type, then those that it refers to, sorted by name.
    pub fn encode_type(&self) -> String {
        let mut types = BTreeMap::new();
        self.collect(&mut types);
        types.remove(self.name);
        types
            .values()
            .fold(self.own_type(), |text, inner| text + &inner.own_type())
    }

    /// `hashStruct`.
    pub fn hash(&self) -> [u8; 32] {
        let type_hash = keccak256(&[self.encode_type().as_bytes()]);
        let values: Vec<[u8; 32]> = self.fields.iter().map(|(_, value)| value.encode()).collect();
        keccak256(&[&type_hash, values.as_flattened()])
    }

    fn to_json(&self) -> Json {
        let fields = self
            .fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.to_json()));
        Json::Object(fields.collect())
    }

    fn type_json(&self) -> Json {
        self.fields
            .iter()
            .map(|(name, value)| json!({ "name": name, "type": value.type_name() }))
            .collect()
    }
}

/// What a signature is for: application, chain and contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// The application.
    pub name: &'static str,
    /// The version of its messages.
    pub version: &'static str,
    /// L1's chain id.
    pub chain_id: u64,
    /// The contract.
    pub contract: L1Address,
}

impl Domain {
    fn to_struct(&self) -> Struct {
        let (bits, value) = (256, self.chain_id);
        Struct {
            name: "EIP712Domain",
            fields: vec![
                ("name", Value::Text(self.name.to_owned())),
                ("version", Value::Text(self.version.to_owned())),
                ("chainId", Value::Uint { bits, value }),
                ("verifyingContract", Value::Address(self.contract)),
            ],
        }
    }

    /// The domain separator.
    pub fn separator(&self) -> [u8; 32] {
        self.to_struct().hash()
    }
}

/// A message in its domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedData {
    /// The domain.
    pub domain: Domain,
    /// The message.
    pub message: Struct,
}

impl TypedData {
    /// What is signed.
    pub fn hash(&self) -> [u8; 32] {
        keccak256(&[b"\x19\x01", &self.domain.separator(), &self.message.hash()])
    }

    /// The second argument of `eth_signTypedData_v4`.
    pub fn to_json(&self) -> Json {
        let domain = self.domain.to_struct();
        let mut types = BTreeMap::new();
        domain.collect(&mut types);
        self.message.collect(&mut types);
        let types: Map<String, Json> = types
            .into_iter()
            .map(|(name, shape)| (name.to_owned(), shape.type_json()))
            .collect();
        json!({
            "types": types,
            "primaryType": self.message.name,
            "domain": domain.to_json(),
            "message": self.message.to_json(),
        })
    }
}
