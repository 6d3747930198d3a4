//! Provers that depart from the protocol at one point and follow it everywhere else: each check has one that only it
//! stops.
//!
//! A lying coin gives the prover a challenge that the verifier does not draw. It leaves the seeds alone, so that all
//! later challenges, the proof of work and the positions are the verifier's.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use starling_air::codegen::Recording;
use starling_air::keccak::{KeccakDigest, SettleCoin, SettleHasher};
use starling_air::toy::{Toy, ToyProver};
use starling_air::wire::{VerifyError, settle_options};
use starling_vm::field::Felt;
use winterfell::Prover;
use winterfell::crypto::{RandomCoin, RandomCoinError};
use winterfell::math::FieldElement;

use crate::chain::{Verifier, selector};
use crate::settle::TOY;
use crate::support::{Honest, Statement};

/// The lie being told: the number of a challenge over the whole proof, or one of the two below. One test at a time.
static LIE: AtomicUsize = AtomicUsize::new(NOTHING);
static DRAWS: AtomicUsize = AtomicUsize::new(0);
const NOTHING: usize = usize::MAX;
const PROOF_OF_WORK: usize = usize::MAX - 1;

struct LyingCoin(SettleCoin);

impl RandomCoin for LyingCoin {
    type BaseField = Felt;
    type Hasher = SettleHasher;

    fn new(seed: &[Felt]) -> Self {
        DRAWS.store(0, Relaxed);
        Self(SettleCoin::new(seed))
    }

    fn reseed(&mut self, data: KeccakDigest<25>) {
        self.0.reseed(data);
    }

    fn check_leading_zeros(&self, nonce: u64) -> u32 {
        match LIE.load(Relaxed) {
            // One bit too few, and with certainty.
            PROOF_OF_WORK if self.0.check_leading_zeros(nonce) == 19 => 20,
            PROOF_OF_WORK => 0,
            _ => self.0.check_leading_zeros(nonce),
        }
    }

    fn draw<E: FieldElement<BaseField = Felt>>(&mut self) -> Result<E, RandomCoinError> {
        let lie = if DRAWS.fetch_add(1, Relaxed) == LIE.load(Relaxed) {
            E::ONE
        } else {
            E::ZERO
        };
        Ok(self.0.draw::<E>()? + lie)
    }

    fn draw_integers(&mut self, count: usize, domain: usize, nonce: u64) -> Result<Vec<usize>, RandomCoinError> {
        self.0.draw_integers(count, domain, nonce)
    }
}

#[test]
fn every_departure_is_refused_by_its_own_check() {
    const LOG_LENGTH: u32 = 11;
    let options = settle_options(41, 16, 31);
    let honest = Honest::new(TOY, LOG_LENGTH, options.clone());
    let codec = honest.codec();
    let shape = &honest.shape;
    let mut verifier = Verifier::toy(&Recording::new(&TOY), shape);
    let statement = Statement::example();

    let coefficients = shape.num_challenges;
    let z = coefficients + shape.num_constraints();
    let deep = z + 1;
    let alphas = deep + shape.columns();
    let lies = [
        (NOTHING, ""),
        (0, "StarkVerifier__Constraints()"),
        (1, "StarkVerifier__Constraints()"),
        (coefficients, "StarkVerifier__Constraints()"),
        (z - 1, "StarkVerifier__Constraints()"),
        (z, "StarkVerifier__Constraints()"),
        (deep, "Fri__LayerRoot(uint256)"),
        (alphas - 1, "Fri__LayerRoot(uint256)"),
        (alphas, "Fri__LayerRoot(uint256)"),
        (alphas + 1, "Fri__Remainder()"),
        (PROOF_OF_WORK, "StarkVerifier__ProofOfWork()"),
    ];
    assert_eq!(shape.num_layers(LOG_LENGTH), 2);
    for (lie, error) in lies {
        let trace = TOY.trace(1 << LOG_LENGTH, &honest.public.messages);
        let prover = ToyProver::<SettleHasher, LyingCoin>::new(honest.public.clone(), options.clone());
        LIE.store(lie, Relaxed);
        let proof = prover.prove(trace).expect("the prover does not notice");
        let bytes = codec.encode(&proof).expect("encodes").concat();
        let ours = codec.verify(&bytes);
        let theirs = verifier.verify(&statement, &bytes);
        assert_eq!(ours.is_ok(), lie == NOTHING, "{lie}: {ours:?}");
        assert_eq!(theirs.error(), (lie != NOTHING).then(|| selector(error)), "{lie}");
    }
}

/// A false trace, proven by the rules.
#[test]
fn false_traces_are_refused() {
    let options = settle_options(41, 16, 31);
    let honest = Honest::new(TOY, 9, options.clone());
    let mut verifier = Verifier::toy(&Recording::new(&TOY), &honest.shape);
    let mut others = Statement::example();
    others.outputs[0] += Felt::ONE;
    // The trace puts other messages on the bus than the statement's.
    let messages = Toy::messages(&others.program, &others.inputs, &others.outputs);
    let trace = TOY.trace(1 << 9, &messages);
    let prover = ToyProver::<SettleHasher, SettleCoin>::new(honest.public.clone(), options);
    let proof = prover.prove(trace).expect("the prover does not notice");
    let bytes = honest.codec().encode(&proof).expect("encodes").concat();
    assert!(honest.codec().verify(&bytes).is_err());
    let error = verifier.verify(&Statement::example(), &bytes).error();
    assert_eq!(error, Some(selector("StarkVerifier__Constraints()")));
}

/// So many queries that some positions repeat.
#[test]
fn repeated_positions_are_opened_once() {
    let honest = Honest::new(TOY, 9, settle_options(160, 16, 31));
    let parts = honest.codec().parts(&honest.proof).expect("takes apart");
    assert!(parts.main_rows.len() < 160);
    let bytes = parts.to_sections().concat();
    honest.codec().verify(&bytes).expect("accepts");
    let mut verifier = Verifier::toy(&Recording::new(&TOY), &honest.shape);
    verifier.verify(&Statement::example(), &bytes).result.expect("accepts");
}

/// The remainder is chosen after the queries. Nothing else is wrong with this proof: the values agree with it.
#[test]
fn a_remainder_chosen_after_the_queries_is_refused() {
    let honest = Honest::settle(TOY, 10);
    let bytes = honest.with_chosen_remainder().to_sections().concat();
    assert!(matches!(honest.codec().verify(&bytes), Err(VerifyError::Remainder)));
    let mut verifier = Verifier::toy(&Recording::new(&TOY), &honest.shape);
    let error = verifier.verify(&Statement::example(), &bytes).error();
    assert_eq!(error, Some(selector("Fri__RemainderHash()")));
}
