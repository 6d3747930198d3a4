//! A deployed verifier.

use revm::primitives::Address;
use starling_air::adapter::Shape;
use starling_air::bus::Side;
use starling_air::codegen::{PublicBuses, Recording, VerifierParameters};

pub(crate) use crate::evm::*;
use crate::support::Statement;

/// The buses of the toy's public words.
pub(crate) const TOY_BUSES: PublicBuses = PublicBuses([(1, Side::Plus), (2, Side::Plus), (3, Side::Minus)]);

// VERIFIER
// ================================================================================================

/// A deployed verifier.
pub(crate) struct Verifier {
    pub(crate) chain: Chain,
    pub(crate) address: Address,
}

impl Verifier {
    /// A verifier of toy proofs.
    pub(crate) fn toy(recording: &Recording, shape: &Shape) -> Self {
        Self::new(
            "Toy",
            &VerifierParameters::new(recording, shape, recording.identity(shape), 0, TOY_BUSES),
        )
    }

    pub(crate) fn new(name: &str, parameters: &VerifierParameters) -> Self {
        let mut chain = Chain::new();
        let evaluators = chain.deploy_evaluators(name);
        let addresses: Vec<[u8; 20]> = evaluators.iter().map(|address| address.into_array()).collect();
        let address = chain.deploy("StarkVerifier", &parameters.abi_encode(&addresses));
        Self { chain, address }
    }

    /// The one-transaction path.
    pub(crate) fn verify(&mut self, statement: &Statement, proof: &[u8]) -> Outcome {
        self.send(
            "verify(bytes32,uint64[],uint64[],bytes)",
            &statement.arguments(&[Argument::Bytes(proof)]),
        )
    }

    /// The one-transaction path that keeps the fact.
    pub(crate) fn prove(&mut self, statement: &Statement, proof: &[u8]) -> Outcome {
        self.send(
            "prove(bytes32,uint64[],uint64[],bytes)",
            &statement.arguments(&[Argument::Bytes(proof)]),
        )
    }

    /// Whether the statement's fact was left.
    pub(crate) fn is_proven(&mut self, statement: &Statement) -> bool {
        let digest = self.query("statementOf(bytes32,uint64[],uint64[])", &statement.arguments(&[]));
        let digest: [u8; 32] = digest.try_into().expect("a word");
        self.query("isProven(bytes32)", &[Argument::Word(digest)])[31] == 1
    }

    /// The first of three steps.
    pub(crate) fn begin(&mut self, statement: &Statement, head: &[u8]) -> Outcome {
        self.send(
            "begin(bytes32,uint64[],uint64[],bytes)",
            &statement.arguments(&[Argument::Bytes(head)]),
        )
    }

    /// The second of three steps.
    pub(crate) fn open(&mut self, session: &[[u8; 32]], openings: &[u8]) -> Outcome {
        self.send(
            "open(uint256[],bytes)",
            &[Argument::RawWords(session), Argument::Bytes(openings)],
        )
    }

    /// The last of three steps.
    pub(crate) fn finish(&mut self, session: &[[u8; 32]], values: &[[u8; 32]], fri: &[u8]) -> Outcome {
        let arguments = [
            Argument::RawWords(session),
            Argument::RawWords(values),
            Argument::Bytes(fri),
        ];
        self.send("finish(uint256[],uint256[],bytes)", &arguments)
    }

    /// A call that only reads.
    pub(crate) fn query(&mut self, signature: &str, arguments: &[Argument<'_>]) -> Vec<u8> {
        self.send(signature, arguments).result.expect("a view")
    }

    /// A call that changes state.
    pub(crate) fn send(&mut self, signature: &str, arguments: &[Argument<'_>]) -> Outcome {
        self.chain.call(self.address, call(signature, arguments))
    }
}

impl Statement {
    pub(crate) fn arguments<'a>(&'a self, rest: &[Argument<'a>]) -> Vec<Argument<'a>> {
        let mut program = [0; 32];
        for (bytes, limb) in program.chunks_exact_mut(8).zip(self.program) {
            bytes.copy_from_slice(&limb.as_int().to_be_bytes());
        }
        [
            &[
                Argument::Word(program),
                Argument::Words(&self.inputs),
                Argument::Words(&self.outputs),
            ],
            rest,
        ]
        .concat()
    }
}
