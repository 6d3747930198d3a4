//! The contracts' language: calls, answers, events and errors by name, from the compiled artifacts.

use std::sync::LazyLock;

use ethers_core::abi::{Abi, RawLog, Token};
use ethers_core::types::{H160, U256};
use starling_rollup::address::L1Address;

use super::error::hex;
use super::{L1Error, Log};

/// A compiled contract.
#[derive(Debug)]
pub struct Artifact {
    /// Its name.
    pub name: &'static str,
    /// Its interface.
    pub abi: Abi,
    /// Its creation code, without the constructor's arguments.
    pub bytecode: Vec<u8>,
}

macro_rules! artifact {
    ($name:literal) => {
        Artifact::read(
            $name,
            include_str!(concat!("../../../contracts/artifacts/", $name, ".json")),
        )
    };
}

/// The rollup.
pub static ROLLUP: LazyLock<Artifact> = LazyLock::new(|| artifact!("Rollup"));
/// The validators.
pub static STAKING: LazyLock<Artifact> = LazyLock::new(|| artifact!("Staking"));
/// The verifier.
pub static VERIFIER: LazyLock<Artifact> = LazyLock::new(|| artifact!("StarkVerifier"));
/// The verifier's evaluators of the kernel's constraints.
pub static EVALUATORS: LazyLock<Vec<Artifact>> = LazyLock::new(|| {
    vec![
        artifact!("KernelEvaluator0"),
        artifact!("KernelEvaluator1"),
        artifact!("KernelEvaluator2"),
    ]
});

impl Artifact {
    /// Artifacts are part of this program: one that does not parse is a mistake of the build, and a test would find it.
    fn read(name: &'static str, text: &str) -> Self {
        let json: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let abi = serde_json::from_value(json["abi"].clone()).unwrap_or_default();
        let bytecode = json["bytecode"].as_str().and_then(from_hex).unwrap_or_default();
        Self { name, abi, bytecode }
    }

    fn error(&self, function: &str, reason: impl ToString) -> L1Error {
        L1Error::Abi {
            what: format!("{}.{function}", self.name),
            reason: reason.to_string(),
        }
    }

    /// Calldata of a function.
    ///
    /// # Errors
    /// When the contract has no such function, or not with these arguments.
    pub fn encode(&self, function: &str, arguments: &[Token]) -> Result<Vec<u8>, L1Error> {
        let known = self
            .abi
            .function(function)
            .map_err(|error| self.error(function, error))?;
        known
            .encode_input(arguments)
            .map_err(|error| self.error(function, error))
    }

    /// What a function returned.
    ///
    /// # Errors
    /// When the bytes are not of the function's type.
    pub fn decode(&self, function: &str, output: &[u8]) -> Result<Vec<Token>, L1Error> {
        let known = self
            .abi
            .function(function)
            .map_err(|error| self.error(function, error))?;
        known.decode_output(output).map_err(|error| self.error(function, error))
    }

    /// The arguments of a function's call.
    ///
    /// # Errors
    /// When the bytes are not a call of it.
    pub fn decode_call(&self, function: &str, input: &[u8]) -> Result<Vec<Token>, L1Error> {
        let known = self
            .abi
            .function(function)
            .map_err(|error| self.error(function, error))?;
        let arguments = input
            .strip_prefix(&known.short_signature())
            .ok_or_else(|| self.error(function, "the calldata is of another function"))?;
        known
            .decode_input(arguments)
            .map_err(|error| self.error(function, error))
    }

    /// Name and arguments of one of the contract's events; `None` if it is another's.
    ///
    /// # Errors
    /// When the event's bytes are not of its type.
    pub fn event(&self, log: &Log) -> Result<Option<(String, Vec<Token>)>, L1Error> {
        let Some(first) = log.topics.first() else {
            return Ok(None);
        };
        let Some(event) = self.abi.events().find(|event| event.signature().0 == *first) else {
            return Ok(None);
        };
        let raw = RawLog {
            topics: log.topics.iter().map(|topic| (*topic).into()).collect(),
            data: log.data.clone(),
        };
        let parsed = event.parse_log(raw).map_err(|error| self.error(&event.name, error))?;
        let values = parsed.params.into_iter().map(|param| param.value).collect();
        Ok(Some((event.name.clone(), values)))
    }
}

/// The contracts' error in the data of a revert, by name.
pub fn revert_reason(data: &[u8]) -> String {
    let Some((selector, arguments)) = data.split_first_chunk::<4>() else {
        return "without a reason".to_owned();
    };
    for artifact in [&*ROLLUP, &*STAKING, &*VERIFIER] {
        for error in artifact.abi.errors() {
            if error.signature().0[..4] == *selector {
                let values = error.decode(arguments).unwrap_or_default();
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                return format!("{}({})", error.name, values.join(", "));
            }
        }
    }
    format!("0x{}", hex(data))
}

/// Bytes of `0x` and hexadecimal digits.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x")?.as_bytes();
    if digits.len() % 2 != 0 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    digits
        .chunks_exact(2)
        .map(|pair| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8))
        .collect()
}

// TOKENS
// ================================================================================================================

/// An unsigned integer.
pub fn uint(value: u64) -> Token {
    Token::Uint(value.into())
}

/// Wei.
pub fn wei(value: u128) -> Token {
    Token::Uint(value.into())
}

/// A bytes32.
pub fn bytes32(value: [u8; 32]) -> Token {
    Token::FixedBytes(value.to_vec())
}

/// An address.
pub fn address(value: L1Address) -> Token {
    Token::Address(H160(value.0))
}

/// A list of uint64.
pub fn uints(values: impl IntoIterator<Item = u64>) -> Token {
    Token::Array(values.into_iter().map(uint).collect())
}

/// Takes values out of tokens, one after the other.
#[derive(Debug)]
pub struct Reader {
    what: &'static str,
    tokens: std::vec::IntoIter<Token>,
}

impl Reader {
    /// A reader of the tokens of `what`.
    pub fn new(what: &'static str, tokens: Vec<Token>) -> Self {
        Self {
            what,
            tokens: tokens.into_iter(),
        }
    }

    fn take<T>(&mut self, kind: &str, read: impl FnOnce(Token) -> Option<T>) -> Result<T, L1Error> {
        self.tokens.next().and_then(read).ok_or_else(|| L1Error::Abi {
            what: self.what.to_owned(),
            reason: format!("{kind} is missing"),
        })
    }

    /// An unsigned integer below 2^64.
    ///
    /// # Errors
    /// When the next token is none.
    pub fn uint(&mut self) -> Result<u64, L1Error> {
        self.take("a number below 2^64", |token| token.into_uint().and_then(small))
    }

    /// An unsigned integer below 2^128.
    ///
    /// # Errors
    /// When the next token is none.
    pub fn wei(&mut self) -> Result<u128, L1Error> {
        let below = |value: U256| (value.bits() <= 128).then(|| value.as_u128());
        self.take("a number below 2^128", |token| token.into_uint().and_then(below))
    }

    /// A bytes32.
    ///
    /// # Errors
    /// When the next token is none.
    pub fn bytes32(&mut self) -> Result<[u8; 32], L1Error> {
        self.take("32 bytes", |token| token.into_fixed_bytes()?.try_into().ok())
    }

    /// Bytes.
    ///
    /// # Errors
    /// When the next token is none.
    pub fn bytes(&mut self) -> Result<Vec<u8>, L1Error> {
        self.take("bytes", Token::into_bytes)
    }

    /// An address.
    ///
    /// # Errors
    /// When the next token is none.
    pub fn address(&mut self) -> Result<L1Address, L1Error> {
        self.take("an address", |token| Some(L1Address(token.into_address()?.0)))
    }

    /// A boolean.
    ///
    /// # Errors
    /// When the next token is none.
    pub fn flag(&mut self) -> Result<bool, L1Error> {
        self.take("a boolean", Token::into_bool)
    }

    /// A list of unsigned integers below 2^64, of fixed or variable length.
    ///
    /// # Errors
    /// When the next token is none.
    pub fn uints(&mut self) -> Result<Vec<u64>, L1Error> {
        self.take("a list of numbers", |token| match token {
            Token::Array(list) | Token::FixedArray(list) => {
                list.into_iter().map(|item| item.into_uint().and_then(small)).collect()
            }
            _ => None,
        })
    }

    /// The next token as it is.
    ///
    /// # Errors
    /// When there is none.
    pub fn token(&mut self) -> Result<Token, L1Error> {
        self.take("a value", Some)
    }
}

fn small(value: U256) -> Option<u64> {
    (value.bits() <= 64).then(|| value.as_u64())
}
