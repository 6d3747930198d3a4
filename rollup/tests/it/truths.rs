//! Runs that no check may refuse, told like lies: among them what no random run comes upon.

use starling_rollup::account::{AMOUNT_LIMIT, Account};
use starling_rollup::state::State;
use starling_rollup::tree::CAPACITY;
use starling_vm::field::Felt;
use starling_vm::poseidon2::compress;

use crate::forge::{Data, END, Forge, JOIN, Message, WAIT, felt, spend, to, words};
use crate::lies::{accounts, deposit, eight, exit, largest, new, one, open, record, rekey, short, transfer, withdraw};
use crate::world::address;

pub(crate) fn all() -> Vec<Forge> {
    let messages = [transfer(10, 1), open(10, 1), withdraw(10, 1), rekey(1)];
    let mut runs: Vec<Forge> = messages.iter().map(|m| one(eight(), record(m), m)).collect();
    runs.push(one(eight(), short(7, 2), &transfer(700, 0)));
    runs.extend((0..19).map(packed));
    let (short, long) = (short(7, 2), record(&transfer(700, 0)));
    runs.extend([short, long].map(far));
    runs.extend([entries(), full_tree(), after_a_rekey(), nothing()]);
    runs
}

fn entries() -> Forge {
    let mut forge = Forge::new(eight());
    let slots: Vec<u64> = (2..5).map(|index| forge.account(index)).collect();
    let opened = forge.unopened(felt(8));
    let queue = [
        exit(2, 2, 1_000),
        deposit(3, 3, 5, 5),
        deposit(4, 5, 5, 0),
        new(5, 5),
        exit(9, 9, 0),
    ];
    let script: Vec<Felt> = slots.into_iter().chain([opened]).map(Felt::new).collect();
    forge.batch(Data::new(words(0, &queue, &[]), script));
    forge.walk_to_root(&[2, 3, 4, 8]);
    forge
}

/// The largest amount of an exponent.
fn packed(exponent: u32) -> Forge {
    let mantissa = largest(exponent);
    let state = accounts(|a| (a[1].balance, a[2].balance) = (AMOUNT_LIMIT - 1, 0));
    let message = transfer(mantissa * 10u64.pow(exponent), 0);
    one(state, short(mantissa, exponent.into()), &message)
}

/// A transfer, to account 2 by its record, that goes to account 2^31 + 2.
fn far(mut record: Vec<u64>) -> Forge {
    let index = (1 << 31) + 2;
    record[1] |= 1 << 4;
    let recipient = Account::new(address(2), 0);
    let mut forge = Forge::new(eight());
    let (sender, payee) = (forge.account(1), forge.slot(felt(index), &recipient));
    let message = Message {
        recipient: to(index, 2),
        ..transfer(700, 0)
    };
    let script = [vec![felt(payee)], spend(sender, 1, &message)].concat();
    forge.batch(Data::new(words(0, &[], &[record]), script));
    let (tree, index) = (forge.state.tree().clone(), index as u32);
    let mut node = recipient.leaf();
    for height in 0..31 {
        let sibling = tree.node(height, index >> height ^ 1);
        node = if index >> height & 1 == 0 {
            compress(node, sibling)
        } else {
            compress(sibling, node)
        };
    }
    forge.tree_root(compress(tree.node(31, 0), node));
    forge.climb(0..31, 1, 1);
    forge.say(WAIT);
    forge.climb(0..31, index, index);
    forge.say(JOIN);
    forge.climb(32..32, 0, 0);
    forge.say(END);
    forge
}

/// After a deposit that moved something a new account finds no place.
fn full_tree() -> Forge {
    let mut forge = Forge::new(State::with_next(eight().accounts().to_vec(), CAPACITY));
    let slot = forge.account(1);
    let queue = [deposit(1, 1, 5, 5), new(5, 0)];
    forge.batch(Data::new(words(0, &queue, &[]), vec![felt(slot)]));
    forge.walk_to_root(&[1]);
    forge
}

/// A second batch, begun with the registers that a change of key leaves.
fn after_a_rekey() -> Forge {
    let message = rekey(0);
    let mut forge = one(eight(), record(&message), &message);
    forge.batch(Data::new(words(0, &[exit(9, 9, 0)], &[]), Vec::new()));
    forge
}

fn nothing() -> Forge {
    let mut forge = Forge::new(eight());
    forge.no_walk();
    forge
}
