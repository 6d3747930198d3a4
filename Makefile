# `make test` sets up and passes the tests; `make devnet` sets up and runs the main job. Both install what they need.

.PHONY: test soak fuzz bench devnet chaos starling fmt lint contracts p2p-js

CARGO ?= cargo

# The tests start anvil, which comes with the contracts' packages, and a peer on js-libp2p.
test: lint contracts p2p-js
	$(CARGO) test --workspace --locked

# The generated Solidity is what the constraints give, the artifacts that Rust reads are what the sources give; forge's tests.
contracts: contracts/node_modules/.installed
	scripts/check-contracts

# Not `npm ci`: it wants every platform's optional binary in the lock file, and registries may lack some of them.
contracts/node_modules/.installed: contracts/package.json contracts/package-lock.json
	cd contracts && npm install --no-save --no-fund --no-audit
	touch $@

# The peer on js-libp2p. Its packages ask for Node 22; `p2p/tests/js/node20.mjs` is what Node 20 lacks.
p2p-js: p2p/tests/js/node_modules/.installed

p2p/tests/js/node_modules/.installed: p2p/tests/js/package.json p2p/tests/js/package-lock.json
	cd p2p/tests/js && npm install --no-save --no-fund --no-audit
	touch $@

# Everything that needs no run: formatting, lints, dependency policy.
lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	scripts/check-deps

# The randomised suites with ten times their counts.
soak: p2p-js
	STARLING_SOAK=1 $(CARGO) test --workspace --locked

# Each fuzz target for so many seconds; `make test` only replays their corpus.
FUZZ_SECONDS ?= 60
fuzz:
	scripts/fuzz $(FUZZ_SECONDS)

bench: contracts/node_modules/.installed
	$(CARGO) run --release --locked --manifest-path bench/Cargo.toml

# Cargo gives a package the features that the packages of one command ask for together, those of tests only if the command
# builds something with them. So the binary is built for all of the workspace, with an example: it is the tests' own then, and `make
# test` leaves nothing to compile here.
STARLING = $(or $(CARGO_TARGET_DIR),target)/debug/starling

starling: contracts/node_modules/.installed
	$(CARGO) build --workspace --locked --bin starling --example follow

# A rollup on a development chain, four operators, a prover, a full node and a light node: deposits, signed transfers, proofs that
# a contract verifies, withdrawals; then it runs on.
devnet: starling
	$(STARLING) devnet --operators 4 --l1-port 8545 --rpc-port 8645

# The same while a leader is killed, an operator is cut off, a header is signed twice, L1 is reorganised and a commit stays unproven;
# judged by L1's data. Six minutes at most.
TRANSFERS ?= 200
chaos: starling
	$(STARLING) devnet --operators 4 --transfers $(TRANSFERS) --chaos --exit --json

fmt:
	$(CARGO) fmt --all
	cd contracts && tools/foundry forge fmt
