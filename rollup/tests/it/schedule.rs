//! Whose turn it is: the contract and Rust agree, and stake decides in proportion.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use revm::primitives::Address as Account;
use starling_rollup::schedule::{Clock, EPOCHS_AHEAD, STAKE_UNIT, leader, seed};

use crate::contract::{CLOCK, MIN_STAKE, Rollup};
use crate::evm::{Argument, SENDER, call, word};

fn view(rollup: &mut Rollup, signature: &str, value: u64) -> [u8; 32] {
    let data = call(signature, &[Argument::Word(word(value))]);
    let output = rollup.chain.call(rollup.staking, data).result.expect("an answer");
    output[..32].try_into().expect("a word")
}

/// Sets that change from epoch to epoch: leaders of every slot, seeds, the clock.
#[test]
fn the_contract_draws_the_same_leaders() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut rollup = Rollup::new();
    let genesis = rollup.chain.time();
    let clock = Clock {
        genesis,
        slot: CLOCK.0,
        slots: CLOCK.1,
    };
    let first = view(&mut rollup, "seed(uint256)", 0);
    let mut operators = vec![SENDER];
    let mut weights = vec![MIN_STAKE / STAKE_UNIT];
    // The weights of each epoch.
    let mut sets = vec![vec![]; EPOCHS_AHEAD as usize];
    for epoch in 0..crate::soak(12) as u64 {
        rollup.chain.wait(clock.epoch_start(epoch) - rollup.chain.time());
        for _ in 0..rng.random_range(0..3) {
            let operator = Account::from(rng.random::<[u8; 20]>());
            let stake = MIN_STAKE + u128::from(rng.random_range(0..1_000_000u64)) * STAKE_UNIT;
            rollup.register(operator, stake);
            operators.push(operator);
            weights.push(stake / STAKE_UNIT);
        }
        sets.push(weights.iter().map(|weight| *weight as u64).collect());
        let brought = if epoch == 0 { first } else { seed(&first, epoch) };
        assert_eq!(view(&mut rollup, "seed(uint256)", epoch), brought);
        for slot in epoch * clock.slots..(epoch + 1) * clock.slots {
            assert_eq!(clock.slot_at(rollup.chain.time()), slot);
            let now = rollup.chain.time();
            assert_eq!(view(&mut rollup, "slotAt(uint256)", now), word(slot));
            let expected =
                leader(&brought, slot, &sets[epoch as usize]).map_or(Account::ZERO, |index| operators[index]);
            let found = view(&mut rollup, "leader(uint256)", slot);
            assert_eq!(Account::from_slice(&found[12..]), expected);
            rollup.chain.wait(clock.slot);
        }
    }
}

/// 100,000 draws over twenty stakes of very different size: the chi-square statistic with 19 degrees of freedom stays below
/// 43.8, which a fair draw passes but once in a thousand seeds. The seed is fixed: this is not a matter of luck.
#[test]
fn stake_decides_in_proportion() {
    let weights: Vec<u64> = (1..=20u64).map(|i| i * i * 32_000_000).collect();
    let total: u64 = weights.iter().sum();
    let source = [0x5e; 32];
    let mut counts = [0u32; 20];
    let draws = 100_000;
    for slot in 0..draws {
        counts[leader(&seed(&source, slot / 32), slot, &weights).expect("stake")] += 1;
    }
    let chi_square: f64 = counts
        .iter()
        .zip(&weights)
        .map(|(count, weight)| {
            let expected = draws as f64 * *weight as f64 / total as f64;
            (f64::from(*count) - expected).powi(2) / expected
        })
        .sum();
    println!("chi-square {chi_square:.1}");
    assert!(chi_square < 43.8, "{chi_square}");
}

#[test]
fn without_stake_nobody_leads() {
    assert_eq!(leader(&[1; 32], 3, &[]), None);
    assert_eq!(leader(&[1; 32], 3, &[0, 0]), None);
    for slot in 0..50 {
        assert_eq!(leader(&[1; 32], slot, &[0, 5, 0]), Some(1));
    }
}
