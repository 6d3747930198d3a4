//! The rollup's protocol.
//!
//! In reading order: [address] names accounts; [account], [tree] and [state] are the state; [amount] packs numbers; [record] and
//! [entry] are the public data of an operation; [transaction] is what a user signs, [envelope] its bytes; [rules] is what
//! operations do; [data], [batch] and [chain] are what goes to L1; [kernel] proves it; [schedule] says whose turn it is,
//! [block_header] is what they sign. Keys: [l1_key] for L1's, [eip712] and
//! [wallet] for keys from an Ethereum wallet, [keyfile] for keys under a password. The pages are `specs/state.md`,
//! `specs/transactions.md` and `specs/kernel.md`.
//!
//! ```
//! use starling_rollup::account::Account;
//! use starling_rollup::address::{Address, L1Address};
//! use starling_rollup::tree::Tree;
//! use starling_vm::schnorr::SecretKey;
//!
//! let key = SecretKey::derive(b"an example, not a secret");
//! let address = Address::new(key.public_key(), L1Address([0x11; 20]));
//! let mut tree = Tree::default();
//! tree.set(0, Account::new(address, 1_000).leaf());
//! assert!(tree.path(0).leads_to(tree.root()));
//! ```

pub mod account;
pub mod address;
pub mod amount;
pub mod batch;
pub mod batch_file;
pub mod block_header;
pub mod chain;
pub mod data;
pub mod eip712;
pub mod entry;
pub mod envelope;
pub mod kernel;
pub mod keyfile;
pub mod l1_key;
pub mod operations;
pub mod record;
pub mod rules;
pub mod schedule;
pub mod state;
pub mod transaction;
pub mod tree;
pub mod wallet;
