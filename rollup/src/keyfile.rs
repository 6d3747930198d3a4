//! Key files: a secret key under a password.
//!
//! JSON, version 1. Argon2id makes a key of the password, XChaCha20-Poly1305 encrypts the secret under it with all other
//! fields authenticated, and a BLAKE3 checksum over the whole file tells damage from a wrong password: damage breaks the
//! checksum, a wrong password does not. (Who changes the file on purpose can mend the checksum, and then learns nothing
//! but "wrong password".)
//!
//! ```
//! use starling_rollup::address::L1Address;
//! use starling_rollup::keyfile::{Cost, KeyFile};
//! use starling_vm::schnorr::SecretKey;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let key = SecretKey::derive(b"an example, not a secret");
//! let path = folder.path().join("alice.json");
//! KeyFile::seal_account(&key, L1Address([0x11; 20]), "correct horse", Cost::MINIMUM)?.create(&path)?;
//!
//! let file = KeyFile::read(&path)?;
//! println!("{}", file.holder());
//! let (key, owner) = file.open_account("correct horse")?;
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use starling_vm::schnorr::SecretKey;
use zeroize::{Zeroize, Zeroizing};

use crate::address::{Address, L1Address};
use crate::l1_key::L1Key;

/// The version of the format.
const VERSION: u32 = 1;

/// What the KDF and the cipher are called in the file.
const KDF: &str = "argon2id";
const CIPHER: &str = "xchacha20-poly1305";

/// Domain of the checksum.
const CHECKSUM_CONTEXT: &str = "starling 2026 key file checksum";

/// No key file is longer.
const MAX_FILE_BYTES: u64 = 16 << 10;

// COST
// ================================================================================================================

/// What one guess of the password costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Memory in KiB. A guess cannot be made with much less, so this is what makes guessing machines dear.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Parts of the memory that can be filled at once.
    pub lanes: u32,
}

impl Cost {
    /// The least that a file may have: for tests, and for passwords that cannot be guessed anyway.
    pub const MINIMUM: Self = Self {
        memory_kib: 8 << 10,
        iterations: 1,
        lanes: 1,
    };

    /// The most that a file may ask for, so that opening a file from elsewhere cannot exhaust the machine: 1 GiB, 16
    /// passes.
    pub const MAXIMUM: Self = Self {
        memory_kib: 1 << 20,
        iterations: 16,
        lanes: 16,
    };

    fn check(self) -> Result<Self, KeyFileError> {
        let (low, high) = (Self::MINIMUM, Self::MAXIMUM);
        let parts = [
            ("memory_kib", self.memory_kib, low.memory_kib, high.memory_kib),
            ("iterations", self.iterations, low.iterations, high.iterations),
            ("lanes", self.lanes, low.lanes, high.lanes),
        ];
        for (field, found, low, high) in parts {
            if !(low..=high).contains(&found) {
                return Err(KeyFileError::Cost {
                    field,
                    found,
                    low,
                    high,
                });
            }
        }
        Ok(self)
    }
}

/// RFC 9106's choice for machines without gigabytes to spare: 64 MiB, three passes, four lanes.
impl Default for Cost {
    fn default() -> Self {
        Self {
            memory_kib: 64 << 10,
            iterations: 3,
            lanes: 4,
        }
    }
}

// ERRORS
// ================================================================================================================

/// Why a key file cannot be written, read or opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The password is empty.
    #[error("the password is empty: whoever reads the file would have the key")]
    EmptyPassword,
    /// The cost is out of bounds.
    #[error("the key file's {field} is {found}, between {low} and {high} are possible")]
    Cost {
        /// Which part of the cost.
        field: &'static str,
        /// What it is.
        found: u32,
        /// The least.
        low: u32,
        /// The most.
        high: u32,
    },
    /// Not a key file at all.
    #[error("this is not a key file, or a damaged one: {0}")]
    Format(String),
    /// A key file of another version.
    #[error("the key file has version {found}, this program reads version {VERSION}")]
    Version {
        /// The version.
        found: u64,
    },
    /// The contents are not what was written.
    #[error("the key file is damaged: its checksum does not fit; restore it from a copy")]
    Damaged,
    /// The password does not open the file.
    #[error("wrong password (the file itself is undamaged)")]
    WrongPassword,
    /// The secret is not the key of the address in the file.
    #[error("the key file holds a key that is not {holder}'s: it was not written by this program")]
    WrongSecret {
        /// Whom the file names.
        holder: String,
    },
    /// The file is for another purpose.
    #[error("this is the key file of {found}; {wanted} is needed")]
    Kind {
        /// Whom the file names.
        found: String,
        /// What was asked for.
        wanted: &'static str,
    },
    /// There is a file already.
    #[error("{} exists and is not overwritten: choose another name or move it away", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Reading or writing failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// The system gives no randomness.
    #[error("the operating system gives no randomness: {0}")]
    Randomness(String),
    /// The memory that the cost asks for is not there.
    #[error("opening the key file takes {memory_kib} KiB of memory, which this machine does not give")]
    Memory {
        /// The memory.
        memory_kib: u32,
    },
}

// HOLDERS
// ================================================================================================================

/// Whose key a file holds. Readable without the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// An account of the rollup.
    Account {
        /// Its address.
        address: Address,
        /// Its L1 owner.
        owner: L1Address,
    },
    /// An account of L1.
    L1(L1Address),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account { address, .. } => write!(f, "the account {address}"),
            Self::L1(address) => write!(f, "the L1 account {address}"),
        }
    }
}

// FILES
// ================================================================================================================

/// The file's fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    version: u32,
    /// `account` or `l1`.
    kind: String,
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    kdf: String,
    cost: Cost,
    salt: String,
    cipher: String,
    nonce: String,
    secret: String,
    checksum: String,
}

/// A key file: the holder in the clear, the secret encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    holder: Holder,
    cost: Cost,
    salt: [u8; 32],
    nonce: [u8; 24],
    secret: Vec<u8>,
}

impl KeyFile {
    /// Encrypts an account's key.
    ///
    /// # Errors
    /// When the password is empty, the cost out of bounds, or the system lacks memory or randomness.
    pub fn seal_account(key: &SecretKey, owner: L1Address, password: &str, cost: Cost) -> Result<Self, KeyFileError> {
        let address = Address::new(key.public_key(), owner);
        Self::seal(Holder::Account { address, owner }, &*key.to_bytes(), password, cost)
    }

    /// Encrypts an L1 key.
    ///
    /// # Errors
    /// As [KeyFile::seal_account].
    pub fn seal_l1(key: &L1Key, password: &str, cost: Cost) -> Result<Self, KeyFileError> {
        Self::seal(Holder::L1(key.address()), &*key.to_bytes(), password, cost)
    }

    fn seal(holder: Holder, secret: &[u8], password: &str, cost: Cost) -> Result<Self, KeyFileError> {
        if password.is_empty() {
            return Err(KeyFileError::EmptyPassword);
        }
        let mut file = Self {
            holder,
            cost: cost.check()?,
            salt: random()?,
            nonce: random()?,
            secret: Vec::new(),
        };
        let (msg, aad) = (secret, &*file.associated());
        file.secret = file
            .cipher(password)?
            .encrypt(XNonce::from_slice(&file.nonce), Payload { msg, aad })
            .map_err(|_| KeyFileError::Format("the secret is too long".to_owned()))?;
        Ok(file)
    }

    /// Whose key it is.
    pub fn holder(&self) -> Holder {
        self.holder
    }

    /// The account's key and its L1 owner.
    ///
    /// # Errors
    /// When the password is wrong, or the file is not an account's.
    pub fn open_account(&self, password: &str) -> Result<(SecretKey, L1Address), KeyFileError> {
        let Holder::Account { address, owner } = self.holder else {
            return Err(self.kind_error("the key file of an account of the rollup"));
        };
        let secret = self.open(password)?;
        match SecretKey::from_bytes(&secret) {
            Ok(key) if Address::new(key.public_key(), owner) == address => Ok((key, owner)),
            _ => Err(self.secret_error()),
        }
    }

    /// The L1 key.
    ///
    /// # Errors
    /// When the password is wrong, or the file is not an L1 account's.
    pub fn open_l1(&self, password: &str) -> Result<L1Key, KeyFileError> {
        let Holder::L1(address) = self.holder else {
            return Err(self.kind_error("the key file of an L1 account"));
        };
        let secret = self.open(password)?;
        match L1Key::from_bytes(&secret) {
            Ok(key) if key.address() == address => Ok(key),
            _ => Err(self.secret_error()),
        }
    }

    fn kind_error(&self, wanted: &'static str) -> KeyFileError {
        let found = self.holder.to_string();
        KeyFileError::Kind { found, wanted }
    }

    fn secret_error(&self) -> KeyFileError {
        let holder = self.holder.to_string();
        KeyFileError::WrongSecret { holder }
    }

    fn open(&self, password: &str) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        let (msg, aad) = (&*self.secret, &*self.associated());
        self.cipher(password)?
            .decrypt(XNonce::from_slice(&self.nonce), Payload { msg, aad })
            .map(Zeroizing::new)
            .map_err(|_| KeyFileError::WrongPassword)
    }

    fn cipher(&self, password: &str) -> Result<XChaCha20Poly1305, KeyFileError> {
        let Cost {
            memory_kib,
            iterations,
            lanes,
        } = self.cost;
        let fault = |error: argon2::Error| KeyFileError::Format(error.to_string());
        let params = Params::new(memory_kib, iterations, lanes, Some(32)).map_err(fault)?;
        let mut memory: Vec<Block> = Vec::new();
        memory
            .try_reserve_exact(params.block_count())
            .map_err(|_| KeyFileError::Memory { memory_kib })?;
        memory.resize(params.block_count(), Block::default());
        let mut key = Zeroizing::new([0; 32]);
        let result = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into_with_memory(
            password.as_bytes(),
            &self.salt,
            &mut *key,
            &mut memory,
        );
        memory.iter_mut().for_each(Zeroize::zeroize);
        result.map_err(fault)?;
        Ok(XChaCha20Poly1305::new((&*key).into()))
    }

    /// The head is the holder: salt and cost make the key, and the nonce is the cipher's own.
    fn associated(&self) -> Vec<u8> {
        match &self.holder {
            Holder::Account { address, owner } => [b"account", &address.to_bytes()[..], &owner.0].concat(),
            Holder::L1(address) => [b"l1", &address.0[..]].concat(),
        }
    }
}

// ENCODING
// ================================================================================================================

impl KeyFile {
    fn fields(&self) -> Fields {
        let (kind, address, owner) = match &self.holder {
            Holder::Account { address, owner } => ("account", address.to_string(), Some(owner.to_string())),
            Holder::L1(address) => ("l1", address.to_string(), None),
        };
        let mut fields = Fields {
            version: VERSION,
            kind: kind.to_owned(),
            address,
            owner,
            kdf: KDF.to_owned(),
            cost: self.cost,
            salt: hex(&self.salt),
            cipher: CIPHER.to_owned(),
            nonce: hex(&self.nonce),
            secret: hex(&self.secret),
            checksum: String::new(),
        };
        fields.checksum = fields.compute_checksum();
        fields
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        // A structure of strings and numbers is always valid JSON.
        serde_json::to_string_pretty(&self.fields()).unwrap_or_default() + "\n"
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// When it is not a key file, or damaged.
    pub fn from_json(text: &str) -> Result<Self, KeyFileError> {
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|error| KeyFileError::Format(error.to_string()))?;
        match value.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {}
            Some(found) => return Err(KeyFileError::Version { found }),
            None => return Err(KeyFileError::Format("it has no version".to_owned())),
        }
        let fields: Fields = serde_json::from_value(value).map_err(|error| KeyFileError::Format(error.to_string()))?;
        // From here on the file is one of ours; whatever does not fit is damage.
        if fields.checksum != fields.compute_checksum() {
            return Err(KeyFileError::Damaged);
        }
        let format = |what: &str| KeyFileError::Format(what.to_owned());
        if fields.kdf != KDF || fields.cipher != CIPHER {
            return Err(format(&format!("its kdf and cipher must be {KDF} and {CIPHER}")));
        }
        let address = |error: crate::address::AddressError| KeyFileError::Format(error.to_string());
        let holder = match (fields.kind.as_str(), &fields.owner) {
            ("account", Some(owner)) => Holder::Account {
                address: fields.address.parse().map_err(address)?,
                owner: owner.parse().map_err(address)?,
            },
            ("l1", None) => Holder::L1(fields.address.parse().map_err(address)?),
            _ => {
                return Err(format(
                    "its kind must be \"account\", with an owner, or \"l1\", without",
                ));
            }
        };
        Ok(Self {
            holder,
            cost: fields.cost.check()?,
            salt: exact(&fields.salt).ok_or_else(|| format("its salt must be 64 hexadecimal digits"))?,
            nonce: exact(&fields.nonce).ok_or_else(|| format("its nonce must be 48 hexadecimal digits"))?,
            secret: unhex(&fields.secret).ok_or_else(|| format("its secret must be hexadecimal"))?,
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is not a key file, or damaged.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let io = |source| KeyFileError::Io {
            path: path.to_owned(),
            source,
        };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(io)?;
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(KeyFileError::Format(format!(
                "it is longer than {MAX_FILE_BYTES} bytes"
            )));
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| KeyFileError::Format("it is not text".to_owned()))?;
        Self::from_json(text)
    }

    /// Writes a new file, readable by its owner only. Either all of it is there and on disk afterwards, or nothing.
    ///
    /// # Errors
    /// When there is a file of this name, or writing fails.
    pub fn create(&self, path: &Path) -> Result<(), KeyFileError> {
        let io = |source| KeyFileError::Io {
            path: path.to_owned(),
            source,
        };
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        // Created with mode 0600 and a random name; takes its name only if nothing has it.
        let mut file = tempfile::Builder::new()
            .prefix(".key-")
            .tempfile_in(folder)
            .map_err(io)?;
        file.write_all(self.to_json().as_bytes()).map_err(io)?;
        file.as_file().sync_all().map_err(io)?;
        file.persist_noclobber(path).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => KeyFileError::Exists { path: path.to_owned() },
            _ => io(error.error),
        })?;
        if cfg!(unix) {
            fs::File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(io)?;
        }
        Ok(())
    }
}

impl Fields {
    /// BLAKE3 over all fields but the checksum, each with its length.
    fn compute_checksum(&self) -> String {
        let mut hasher = blake3::Hasher::new_derive_key(CHECKSUM_CONTEXT);
        for number in [
            self.version,
            self.cost.memory_kib,
            self.cost.iterations,
            self.cost.lanes,
        ] {
            hasher.update(&number.to_le_bytes());
        }
        let owner = self.owner.as_deref().unwrap_or_default();
        for text in [
            &self.kind,
            &self.address,
            owner,
            &self.kdf,
            &self.salt,
            &self.cipher,
            &self.nonce,
            &self.secret,
        ] {
            hasher
                .update(&(text.len() as u64).to_le_bytes())
                .update(text.as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }
}

fn random<const N: usize>() -> Result<[u8; N], KeyFileError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| KeyFileError::Randomness(error.to_string()))?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).map(|digit| digit as u8))
        .collect::<Option<_>>()?;
    match digits.as_chunks::<2>() {
        (pairs, []) => Some(pairs.iter().map(|[high, low]| high << 4 | low).collect()),
        _ => None,
    }
}

fn exact<const N: usize>(text: &str) -> Option<[u8; N]> {
    unhex(text)?.try_into().ok()
}
