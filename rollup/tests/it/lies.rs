//! The lies: runs that no honest prover could make, each meant for one check of the kernel.

use starling_rollup::account::{AMOUNT_LIMIT, Account};
use starling_rollup::address::Address;
use starling_rollup::entry::{Entry, Kind};
use starling_rollup::kernel::witness::MAX_SLOTS;
use starling_rollup::state::State;
use starling_rollup::tree::{CAPACITY, DEPTH};
use starling_vm::field::{Felt, MODULUS, Word};
use starling_vm::poseidon2::compress;

use crate::forge::{Data, END, Forge, JOIN, Message, WAIT, ZERO, felt, preimage, single, spend, spend_as, to, words};
use crate::walk_lies::walks;
use crate::world::{address, owner};

/// A lie, and whether some check alone stands in its way: if not, two of them do.
pub(crate) struct Lie {
    pub(crate) name: String,
    pub(crate) alone: bool,
    /// Whether it is in the bits of the walk alone.
    pub(crate) bits: bool,
    pub(crate) forge: Forge,
}

/// Gwei of a large account, and a number that does not fit.
const LARGE: u64 = (1 << 63) - 5;
const TOO_LARGE: u64 = 1 << 63;

/// Eight accounts with 1,000 gwei each, account i with key i, some of them changed.
pub(crate) fn accounts(change: impl Fn(&mut [Account])) -> State {
    let mut accounts: Vec<Account> = (0..8).map(|k| Account::new(address(k), 1_000)).collect();
    change(&mut accounts);
    State::from_accounts(accounts)
}

pub(crate) fn eight() -> State {
    accounts(|_| ())
}

pub(crate) fn all() -> Vec<Lie> {
    let mut lies = Vec::new();
    let mut tell = |name: &str, forge| {
        let (mark, rest) = name.split_once(": ").unwrap_or_default();
        let (alone, bits) = (mark != "twice", mark == "bits");
        let name = if alone && !bits { name } else { rest }.into();
        lies.push(Lie {
            name,
            alone,
            bits,
            forge,
        });
    };
    slots(&mut tell);
    data(&mut tell);
    entries(&mut tell);
    packed_words(&mut tell);
    operations(&mut tell);
    statement(&mut tell);
    walks(&mut tell);
    lies
}

pub(crate) type Tell<'a> = dyn FnMut(&str, Forge) + 'a;

// ONE OPERATION
// ================================================================================================================

const TRANSFER: Message = Message {
    tag: 1,
    from: 1,
    nonce: 0,
    amount: 10,
    fee: 1,
    recipient: [ZERO; 4],
};

pub(crate) fn transfer(amount: u64, fee: u64) -> Message {
    Message {
        amount,
        fee,
        recipient: to(2, 2),
        ..TRANSFER
    }
}

/// A message that opens an account with the address of key 9.
pub(crate) fn open(amount: u64, fee: u64) -> Message {
    Message {
        tag: 3,
        recipient: to(1 << 32, 9),
        ..transfer(amount, fee)
    }
}

pub(crate) fn withdraw(amount: u64, fee: u64) -> Message {
    Message {
        tag: 4,
        recipient: [felt(7), felt(8), felt(9), ZERO],
        ..transfer(amount, fee)
    }
}

pub(crate) fn rekey(fee: u64) -> Message {
    Message {
        tag: 5,
        recipient: address(9).to_word(),
        ..transfer(0, fee)
    }
}

/// The record of a message; transfers go to account 2, in the long form.
pub(crate) fn record(message: &Message) -> Vec<u64> {
    let Message {
        tag, from, amount, fee, ..
    } = *message;
    let new = address(9).to_word().map(|element| element.as_int());
    match tag {
        1 => vec![from | 2 << 32, 2, amount, fee],
        3 => [&[from, 3, amount, fee], &new[..]].concat(),
        4 => vec![from, 4 | 9 << 4, 7, 8, amount, fee],
        _ => [&[from, 5, fee], &new[..]].concat(),
    }
}

/// A transfer of `mantissa` times a power of ten to account 2 in the short form, without a fee.
pub(crate) fn short(mantissa: u64, exponent: u64) -> Vec<u64> {
    vec![1 | 2 << 32, 1 | exponent << 21 | mantissa << 26]
}

/// The largest mantissa of an amount below 2^63 with this exponent.
pub(crate) fn largest(exponent: u32) -> u64 {
    let most = (((1 << 63) - 1) / 10u64.pow(exponent)).min((1 << 35) - 1);
    most - u64::from(most.is_multiple_of(10))
}

/// A batch of account 1's operation; account 2 gets the fee, and what is transferred.
pub(crate) fn one(state: State, record: Vec<u64>, message: &Message) -> Forge {
    by(state, record, message, spend(0, 1, message))
}

fn by(state: State, record: Vec<u64>, message: &Message, spend: Vec<Felt>) -> Forge {
    one_of(state, words(2, &[], &[record]), message, spend)
}

fn one_of(state: State, words: Vec<u64>, message: &Message, spend: Vec<Felt>) -> Forge {
    let mut forge = Forge::new(state);
    let (_, payee) = (forge.account(1), forge.account(2));
    let mut script = Vec::new();
    if message.tag == 1 {
        script.push(felt(payee));
    }
    script.extend(spend);
    let mut touched = vec![1, 2];
    if message.tag == 3 {
        script.push(felt(forge.unopened(felt(8))));
        touched.push(8);
    }
    if message.fee > 0 {
        script.push(felt(payee));
    }
    forge.batch(Data::new(words, script));
    forge.walk_to_root(&touched);
    forge
}

fn patched(mut words: Vec<u64>, place: usize, bits: u64) -> Vec<u64> {
    words[place] |= bits;
    words
}

// ENTRIES
// ================================================================================================================

fn entry(kind: Kind, k: usize, moved: u64) -> Vec<u64> {
    let (sender, address) = (owner(k), address(k));
    Entry { kind, sender, address }.encode(moved)
}

pub(crate) fn exit(index: u32, k: usize, moved: u64) -> Vec<u64> {
    entry(Kind::Exit { index }, k, moved)
}

pub(crate) fn deposit(index: u32, k: usize, amount: u64, moved: u64) -> Vec<u64> {
    entry(Kind::Deposit { index, amount }, k, moved)
}

pub(crate) fn new(amount: u64, moved: u64) -> Vec<u64> {
    entry(Kind::DepositNew { amount }, 9, moved)
}

/// A batch of one entry that names account 1.
fn enters(state: State, entry: Vec<u64>) -> Forge {
    let mut forge = Forge::new(state);
    let slot = forge.account(1);
    forge.batch(Data::new(words(0, &[entry], &[]), vec![felt(slot)]));
    forge.walk_to_root(&[1]);
    forge
}

/// A batch of entries that touch nothing, with this advice for slots.
fn untouched(entries: &[Vec<u64>], script: Vec<Felt>) -> Forge {
    let mut forge = Forge::new(eight());
    forge.batch(Data::new(words(0, entries, &[]), script));
    forge.no_walk();
    forge
}

fn entries(tell: &mut Tell<'_>) {
    tell("an exit that moves nothing", enters(eight(), exit(1, 1, 0)));
    tell("a deposit that moves half", enters(eight(), deposit(1, 1, 10, 5)));
    for k in 0..4 {
        let mut other = deposit(1, 1, 10, 10);
        other[5 + k] ^= 1;
        tell(
            &format!("a deposit to another address, element {k}"),
            enters(eight(), other),
        );
    }
    let rich = || accounts(|a| a[1].balance = LARGE);
    tell("a deposit over 2^63", enters(rich(), deposit(1, 1, 10, 10)));
    tell(
        "a record among the entries",
        enters(eight(), {
            let mut words = deposit(1, 1, 10, 10);
            words[1] -= 1;
            words
        }),
    );
    // A leaf at the next free index: no state has one.
    let mut ghost = Forge::new(State::with_next(eight().accounts().to_vec(), 7));
    let slot = ghost.account(7);
    ghost.batch(Data::new(words(0, &[exit(7, 7, 1_000)], &[]), vec![felt(slot)]));
    ghost.walk_to_root(&[7]);
    tell("an exit of an account that is not yet", ghost);
    // A full tree: the slot's key becomes 2^32, and its subtree joins the tree as the right half of a larger one.
    let mut full = Forge::new(State::with_next(eight().accounts().to_vec(), CAPACITY));
    let message = Message {
        recipient: to(1 << 32, 9),
        ..open(0, 0)
    };
    let (sender, slot) = (
        full.account(1),
        full.slot(felt(2 * CAPACITY), &Account::new(address(9), 5)),
    );
    let script = [spend(sender, 1, &message), vec![felt(slot)]].concat();
    full.batch(Data::new(words(0, &[], &[record(&message)]), script));
    full.climb(0..DEPTH, 1, 1);
    full.say(WAIT);
    full.climb(0..DEPTH, 0, 0);
    full.say(JOIN);
    full.climb(0..0, 0, 0);
    full.say(END);
    tell("twice: an account behind the last index", full);
}

// SLOTS
// ================================================================================================================

fn slots(tell: &mut Tell<'_>) {
    // The fee account's slot is the batch's own words, of which the third names the fee account.
    let (mut forge, message) = (Forge::new(eight()), transfer(10, 1));
    let (sender, payee) = (forge.account(1), forge.account(2));
    let negative = ZERO - felt(3 << 16);
    let script = [&[felt(payee)], &spend(sender, 1, &message)[..], &[negative]].concat();
    forge.batch(Data::new(words(3, &[], &[record(&message)]), script));
    forge.walk_to_root(&[1, 2]);
    tell("a slot before the table", forge);
    // Memory behind the table is zero: account 0 without an address, which cannot leave.
    let gone = [exit(0, 0, 0)];
    tell("a slot behind the table", untouched(&gone, vec![ZERO]));
    tell("an address for a slot", untouched(&gone, vec![felt(1 << 21)]));
    tell("another account's slot", enters(eight(), exit(0, 0, 0)));

    let message = Message {
        recipient: compress(single(20), [ZERO; 4]),
        ..transfer(5, 0)
    };
    let mut forge = Forge::new(eight());
    let (sender, payee) = (forge.account(1), forge.unopened(felt(20) - felt(1 << 32)));
    let script = [vec![felt(payee)], spend(sender, 1, &message)].concat();
    forge.batch(Data::new(words(0, &[], &[vec![1 | 20 << 32, 2, 5, 0]]), script));
    forge.walk_to_root(&[1, 20]);
    tell("an unopened slot as an account", forge);

    let count = MAX_SLOTS + 1;
    let leaf = |k: usize| Account::new(Address::from_word(single(k as u64)), 1);
    let mut forge = Forge::new(State::from_accounts((0..count).map(leaf).collect()));
    let indices: Vec<u32> = (0..count as u32).collect();
    indices.iter().for_each(|index| {
        forge.account(*index);
    });
    forge.walk_to_root(&indices);
    tell("too many slots", forge);
}

// DATA
// ================================================================================================================

fn data(tell: &mut Tell<'_>) {
    let absent = |count| vec![exit(9, 9, 0); count];
    tell("a batch above the limit", untouched(&absent(1_639), Vec::new()));
    let mut forge = Forge::new(eight());
    forge.batch(Data {
        length: 2,
        ..Data::new(vec![2, 0, 0, 0], Vec::new())
    });
    forge.no_walk();
    tell("twice: a batch without its header", forge);
    let mut forge = Forge::new(eight());
    forge.batch(Data {
        length: 3,
        ..Data::new(vec![3, 0, 0, 1], Vec::new())
    });
    forge.no_walk();
    tell("padding that says something", forge);
    let mut forge = Forge::new(eight());
    forge.batch(Data::new(vec![4, 0, 0], Vec::new()));
    forge.no_walk();
    tell("another length", forge);
    let message = transfer(700, 0);
    let mut padded = one(eight(), short(7, 2), &message);
    padded.batches[0].words.extend([0, 1]);
    tell("padding that says something later", padded);
    let mut forge = Forge::new(eight());
    forge.batch(Data::new(vec![3, 0, 1 << 32], Vec::new()));
    forge.no_walk();
    tell("a fee account that is no index", forge);
    let message = transfer(0, 0);
    let cut = record(&message)[..2].to_vec();
    tell("a record across the end", one(eight(), cut, &message));
}

/// Bits that belong to no field, numbers that are too large.
fn packed_words(tell: &mut Tell<'_>) {
    for (place, bit) in [(0, 63), (1, 61)] {
        let words = patched(short(7, 2), place, 1 << bit);
        tell(
            &format!("transfer: bit {bit} of word {place}"),
            one(eight(), words, &transfer(700, 0)),
        );
    }
    let kinds = [
        ("transfer_long", transfer(10, 1), vec![(0, 63), (1, 5), (1, 32)]),
        ("open", open(10, 1), vec![(1, 4), (1, 32)]),
        ("withdraw", withdraw(10, 1), vec![(1, 52), (2, 56), (3, 56)]),
        ("rekey", rekey(1), vec![(1, 4), (1, 32)]),
    ];
    for (name, message, bits) in kinds {
        for (place, bit) in bits {
            let words = patched(record(&message), place, 1 << bit);
            tell(
                &format!("{name}: bit {bit} of word {place}"),
                one(eight(), words, &message),
            );
        }
        let large = Message {
            fee: TOO_LARGE,
            ..message
        };
        tell(
            &format!("twice: {name}: a fee of 2^63"),
            one(eight(), record(&large), &large),
        );
        if message.amount > 0 {
            let large = Message {
                amount: TOO_LARGE,
                ..message
            };
            tell(
                &format!("twice: {name}: 2^63 gwei"),
                one(eight(), record(&large), &large),
            );
        }
    }
    for (place, bit) in [(1, 52), (2, 56), (3, 56)] {
        let words = patched(deposit(1, 1, 10, 10), place, 1 << bit);
        tell(&format!("entry: bit {bit} of word {place}"), enters(eight(), words));
    }
    let far = patched(exit(9, 9, 0), 0, 1 << 32);
    tell("entry: an index of 33 bits", untouched(&[far], Vec::new()));
    let large = patched(exit(9, 9, 0), 4, TOO_LARGE);
    tell("entry: an amount of 2^63", untouched(&[large], Vec::new()));
    let large = patched(exit(9, 9, 0), 9, TOO_LARGE);
    tell("twice: entry: 2^63 moved", untouched(&[large], Vec::new()));

    // A sender of 33 bits is the key of an unopened slot, whose address is zero and nobody's. A leaf where no account is
    // yet, which no state has, gives such a slot an address.
    for message in [open(0, 0), withdraw(0, 0), rekey(0)] {
        let mut forge = Forge::new(State::with_next(eight().accounts().to_vec(), 7));
        let seventh = *forge.state.account(7).unwrap();
        let (sender, ghost) = (forge.account(1), forge.slot(felt(7 + CAPACITY), &seventh));
        let message = Message {
            from: 7 + CAPACITY,
            ..message
        };
        let (mut records, mut script) = (vec![record(&message)], spend(ghost, 7, &message));
        if message.tag != 3 {
            records.push(record(&open(0, 0)));
            script.extend(spend(sender, 1, &open(0, 0)));
        }
        script.push(felt(ghost));
        forge.batch(Data::new(words(0, &[], &records), script));
        forge.walk_to_root(&[1, 7]);
        tell(&format!("a sender of 33 bits, tag {}", message.tag), forge);
    }
}

// OPERATIONS
// ================================================================================================================

fn operations(tell: &mut Tell<'_>) {
    tell("a packed number over 2^63", one(eight(), short(1, 19), &transfer(0, 0)));
    tell(
        "a mantissa with a zero at its end",
        one(eight(), short(10, 0), &transfer(10, 0)),
    );
    // 2.2 times the largest amount wraps around the modulus. Below 10^9 mantissas have not the bits for that.
    for exponent in 9..19 {
        let most = largest(exponent);
        let mantissa = 2 * most + most / 5;
        let mantissa = mantissa + u64::from(mantissa.is_multiple_of(10));
        let wrapped = u128::from(mantissa) * 10u128.pow(exponent) % u128::from(MODULUS);
        let message = transfer(wrapped as u64, 0);
        let state = accounts(|a| (a[1].balance, a[2].balance) = (AMOUNT_LIMIT - 1, 0));
        let name = format!("a packed number that wraps around, exponent {exponent}");
        tell(&name, one(state, short(mantissa, exponent.into()), &message));
    }
    tell("zero with an exponent", one(eight(), short(0, 5), &transfer(0, 0)));
    let message = rekey(1);
    let mut unknown = record(&message);
    unknown[1] = 9;
    tell("an unknown tag", one(eight(), unknown, &message));
    tell("amount and fee that wrap around", {
        let poor = accounts(|a| a[2].balance = 0);
        let message = withdraw((1 << 63) - 1, (1 << 63) - (1 << 32));
        one(poor, record(&message), &message)
    });
    let message = withdraw(0, 1_001);
    tell("a fee above the funds", one(eight(), record(&message), &message));
    let message = transfer(6, 0);
    let rich = accounts(|a| a[2].balance = LARGE);
    tell("a balance over 2^63", one(rich, record(&message), &message));
    let message = Message {
        nonce: u64::from(u32::MAX),
        ..transfer(10, 0)
    };
    let last = accounts(|a| a[1].nonce = u32::MAX);
    tell("one nonce too many", one(last, record(&message), &message));

    let message = transfer(10, 0);
    let signed = message.word();
    for domain in [0, 2] {
        let [left, right] = preimage(1, domain);
        let state = accounts(|a| a[1].address = Address::from_word(compress(left, right)));
        let forge = by(state, record(&message), &message, spend_as(0, 1, domain, signed));
        tell(&format!("an address of domain {domain}"), forge);
    }
    for k in 0..4 {
        let mut other: Word = address(1).to_word();
        other[k] += felt(1);
        let state = accounts(|a| a[1].address = Address::from_word(other));
        let name = format!("a key for another address, element {k}");
        tell(&name, one(state, record(&message), &message));
    }
    // Without its check nothing takes the signature from advice.
    let mut unsigned = spend(0, 1, &message);
    unsigned.truncate(1 + 8);
    tell("no signature", by(eight(), record(&message), &message, unsigned));
}

// STATEMENT
// ================================================================================================================

fn statement(tell: &mut Tell<'_>) {
    for input in (0..4).chain(15..19) {
        let mut forge = untouched(&[exit(9, 9, 0)], Vec::new());
        forge.off_by_one.push(input);
        tell(&format!("input {input}"), forge);
    }
}
