//! The lies about the tree: walks whose parts do not belong together.

use starling_rollup::account::Account;
use starling_rollup::state::State;
use starling_rollup::tree::DEPTH;
use starling_vm::poseidon2::compress;

use crate::forge::{Data, END, Forge, JOIN, WAIT, ZERO, felt, words};
use crate::lies::{Tell, eight, exit, new};
use crate::world::address;

/// A run that touches nothing but these slots.
fn touches(state: State, slots: &[(u64, Account)]) -> Forge {
    let mut forge = Forge::new(state);
    for (index, account) in slots {
        forge.slot(felt(*index), account);
    }
    forge
}

pub(crate) fn walks(tell: &mut Tell<'_>) {
    let state = eight();
    let account = |index: u32| *state.account(index).unwrap();
    let deep = compress(state.tree().root(), state.tree().node(DEPTH, 1));
    let mut forge = touches(state.clone(), &[(3, account(3))]);
    forge.tree_root(deep);
    forge.climb(0..DEPTH + 1, 3, 3);
    forge.say(END);
    tell("a tree of 33 levels", forge);

    // Account 3 as account 2, whose exit then takes its funds; account 3, which the tree after has at 2.
    for (key, mark) in [(2, ""), (3, "bits: ")] {
        let mut forge = touches(state.clone(), &[(key, account(3))]);
        forge.batch(Data::new(words(0, &[exit(key as u32, 3, 1_000)], &[]), vec![ZERO]));
        forge.climb(0..DEPTH, 3, 2);
        forge.say(END);
        tell(&format!("{mark}another place in the tree"), forge);
        let mut forge = touches(state.clone(), &[(key - 2, account(1)), (2, account(2))]);
        forge.batch(Data::new(words(0, &[exit(key as u32 - 2, 1, 1_000)], &[]), vec![ZERO]));
        forge.climb(0..1, 1, 0);
        forge.say(WAIT);
        forge.climb(0..1, 2, 2);
        forge.say(JOIN);
        forge.climb(2..DEPTH, 2, 2);
        forge.say(END);
        tell(&format!("{mark}another place in the tree, left of a join"), forge);
    }
    // Somebody's invented million leaves, and the walk leaves them out.
    let million = Account::new(address(5), 1_000_000);
    let leaves = |slot| Data::new(words(0, &[exit(5, 5, 1_000_000)], &[]), vec![felt(slot)]);
    let mut forge = touches(state.clone(), &[(5, million), (6, account(6))]);
    forge.batch(leaves(0));
    forge.climb(0..0, 0, 0);
    forge.say(WAIT);
    forge.walk_to_root(&[6]);
    tell("a subtree that is never joined", forge);
    let mut forge = touches(state.clone(), &[(6, account(6)), (5, million)]);
    forge.batch(leaves(1));
    forge.walk_to_root(&[6]);
    tell("a slot that is never walked", forge);

    let tree = state.tree();
    let mut lopsided = compress(account(0).leaf(), tree.node(1, 1));
    for height in 2..DEPTH {
        lopsided = compress(lopsided, tree.node(height, 1));
    }
    let mut forge = touches(state.clone(), &[(0, account(0)), (2, account(2))]);
    forge.tree_root(lopsided);
    forge.climb(0..0, 0, 0);
    forge.say(WAIT);
    forge.climb(0..1, 2, 2);
    forge.say(JOIN);
    forge.climb(2..DEPTH, 2, 2);
    forge.say(END);
    tell("a leaf beside a node", forge);

    // Below the bottom of the stack stands nothing, which looks like a left leaf that is empty before and after. With
    // it, the first account of all gets lost or, as here, the second.
    let mut forge = Forge::new(State::default());
    let slots = [forge.unopened(felt(1)), forge.unopened(ZERO)];
    let script = vec![felt(slots[1]), felt(slots[0])];
    forge.batch(Data::new(words(0, &[new(5, 5), new(6, 6)], &[]), script));
    forge.climb(0..0, 1, 1);
    forge.say(JOIN);
    forge.climb(1..1, 0, 0);
    forge.say(WAIT);
    forge.walk_to_root(&[0]);
    tell("a join with what is below the stack", forge);
}
