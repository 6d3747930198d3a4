//! The journal's records as bytes.

use starling_rollup::account::Account;
use starling_rollup::address::{Address, L1Address};
use starling_rollup::batch::Batch;
use starling_rollup::batch_file::BatchFileError;
use starling_rollup::block_header::{BLOCK_BYTES, SignedHeader, decode_blocks, encode_blocks};
use starling_rollup::chain::word_bytes;
use starling_rollup::data::BatchData;
use starling_rollup::envelope::TransactionId;
use starling_rollup::transaction::SignedTransaction;
use starling_vm::field::Word;

use super::{Body, Sealed, StoredProof};

const ACCOUNT_BYTES: usize = 44;

pub(super) fn write_account(account: &Account) -> Vec<u8> {
    let mut bytes = account.address.to_bytes().to_vec();
    bytes.extend(account.nonce.to_be_bytes());
    bytes.extend(account.balance.to_be_bytes());
    bytes
}

pub(super) fn read_account(bytes: &[u8]) -> Option<Account> {
    let (address, rest) = bytes.split_first_chunk::<32>()?;
    let (nonce, balance) = rest.split_first_chunk::<4>()?;
    Some(Account {
        address: Address::from_bytes(address)?,
        nonce: u32::from_be_bytes(*nonce),
        balance: u64::from_be_bytes(balance.try_into().ok()?),
    })
}

pub(super) fn write_sealed(sealed: &Sealed) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [&sealed.root, &sealed.parent_digest, &sealed.digest] {
        bytes.extend(word_bytes(word));
    }
    bytes.extend(sealed.queue_end.to_be_bytes());
    bytes.extend(sealed.sealed_at.to_be_bytes());
    bytes.extend(sealed.slot.to_be_bytes());
    bytes.extend(sealed.head);
    bytes.push(u8::from(sealed.signed.is_some()));
    bytes.extend(sealed.signed.iter().flat_map(SignedHeader::to_bytes));
    bytes.extend((sealed.blocks.len() as u32).to_be_bytes());
    bytes.extend(encode_blocks(&sealed.blocks));
    bytes.extend((sealed.undo.len() as u32).to_be_bytes());
    for (index, before) in &sealed.undo {
        bytes.extend(index.to_be_bytes());
        bytes.push(u8::from(before.is_some()));
        bytes.extend(before.as_ref().map_or(vec![0; ACCOUNT_BYTES], write_account));
    }
    match &sealed.body {
        Body::Signed(batch) => {
            bytes.push(0);
            bytes.extend(batch.to_bytes());
        }
        Body::Public { data, ids, known } => {
            bytes.push(1);
            bytes.extend((ids.len() as u32).to_be_bytes());
            bytes.extend(ids.iter().flat_map(|id| id.0));
            bytes.extend((known.len() as u32).to_be_bytes());
            for signed in known {
                let signed = signed.to_bytes();
                bytes.extend((signed.len() as u32).to_be_bytes());
                bytes.extend(signed);
            }
            bytes.extend(data.to_words().iter().flat_map(|word| word.to_be_bytes()));
        }
    }
    bytes
}

pub(super) fn read_sealed(number: u64, bytes: &[u8]) -> Result<Sealed, String> {
    let short = || "it is too short".to_owned();
    let mut rest = bytes;
    let mut word = || -> Result<Word, String> {
        let bytes: [u8; 32] = take(&mut rest).ok_or_else(short)?;
        Ok(Address::from_bytes(&bytes)
            .ok_or("a digest is not canonical")?
            .to_word())
    };
    let (root, parent_digest, digest) = (word()?, word()?, word()?);
    let queue_end = u64::from_be_bytes(take(&mut rest).ok_or_else(short)?);
    let sealed_at = u64::from_be_bytes(take(&mut rest).ok_or_else(short)?);
    let slot = u64::from_be_bytes(take(&mut rest).ok_or_else(short)?);
    let head: [u8; 32] = take(&mut rest).ok_or_else(short)?;
    let [known] = take(&mut rest).ok_or_else(short)?;
    let signed = match known {
        0 => None,
        _ => {
            let bytes: [u8; SignedHeader::BYTES] = take(&mut rest).ok_or_else(short)?;
            Some(SignedHeader::from_bytes(&bytes).map_err(|error| error.to_string())?)
        }
    };
    let count = u32::from_be_bytes(take(&mut rest).ok_or_else(short)?) as usize;
    let blocks = rest.split_off(..count.saturating_mul(BLOCK_BYTES)).ok_or_else(short)?;
    let blocks = decode_blocks(blocks).map_err(|error| error.to_string())?;
    let count = u32::from_be_bytes(take(&mut rest).ok_or_else(short)?);
    let mut undo = Vec::new();
    for _ in 0..count {
        let index = u32::from_be_bytes(take(&mut rest).ok_or_else(short)?);
        let [present] = take(&mut rest).ok_or_else(short)?;
        let account: [u8; ACCOUNT_BYTES] = take(&mut rest).ok_or_else(short)?;
        let before = match present {
            0 => None,
            _ => Some(read_account(&account).ok_or("an account is damaged")?),
        };
        undo.push((index, before));
    }
    let [kind] = take(&mut rest).ok_or_else(short)?;
    let body = match kind {
        0 => Body::Signed(Batch::from_bytes(rest).map_err(|error: BatchFileError| error.to_string())?),
        1 => {
            let count = u32::from_be_bytes(take(&mut rest).ok_or_else(short)?);
            let mut ids = Vec::new();
            for _ in 0..count {
                ids.push(TransactionId(take(&mut rest).ok_or_else(short)?));
            }
            let count = u32::from_be_bytes(take(&mut rest).ok_or_else(short)?);
            let mut known = Vec::new();
            for _ in 0..count {
                let length = u32::from_be_bytes(take(&mut rest).ok_or_else(short)?) as usize;
                let bytes = rest.split_off(..length).ok_or_else(short)?;
                known.push(SignedTransaction::from_bytes(bytes).map_err(|error| error.to_string())?);
            }
            let (words, left) = rest.as_chunks::<8>();
            if !left.is_empty() {
                return Err("its words are cut off".to_owned());
            }
            let words: Vec<u64> = words.iter().map(|word| u64::from_be_bytes(*word)).collect();
            let data = BatchData::from_words(&words).map_err(|error| error.to_string())?;
            Body::Public { data, ids, known }
        }
        other => return Err(format!("its kind is {other}")),
    };
    Ok(Sealed {
        number,
        root,
        parent_digest,
        digest,
        queue_end,
        sealed_at,
        slot,
        blocks,
        head,
        signed,
        undo,
        body,
    })
}

pub(super) fn write_proof(proof: &StoredProof) -> Vec<u8> {
    let mut bytes = word_bytes(&proof.root).to_vec();
    bytes.extend(proof.payee.0);
    for number in [proof.first, proof.rows, proof.prove_ms, proof.peak_bytes] {
        bytes.extend(number.to_be_bytes());
    }
    bytes.extend(&proof.bytes);
    bytes
}

pub(super) fn read_proof(last: u64, bytes: &[u8]) -> Option<StoredProof> {
    let mut rest = bytes;
    let root = Address::from_bytes(&take(&mut rest)?)?.to_word();
    let payee = L1Address(take(&mut rest)?);
    let mut number = || take(&mut rest).map(u64::from_be_bytes);
    let (first, rows, prove_ms, peak_bytes) = (number()?, number()?, number()?, number()?);
    Some(StoredProof {
        first,
        last,
        root,
        payee,
        rows,
        prove_ms,
        peak_bytes,
        bytes: rest.to_vec(),
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}
