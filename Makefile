# `make test` sets up and passes the tests; `make devnet` sets up and runs the main job. Both install what they need.

.PHONY: test soak fuzz bench devnet fmt lint contracts

CARGO ?= cargo

# The tests start anvil, which comes with the contracts' packages.
test: lint contracts
	$(CARGO) test --workspace --locked

# The generated Solidity is what the constraints give, the artifacts that Rust reads are what the sources give; forge's tests.
contracts: contracts/node_modules/.installed
	scripts/check-contracts

# Not `npm ci`: it wants every platform's optional binary in the lock file, and registries may lack some of them.
contracts/node_modules/.installed: contracts/package.json contracts/package-lock.json
	cd contracts && npm install --no-save --no-fund --no-audit
	touch $@

# Everything that needs no run: formatting, lints, dependency policy.
lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	scripts/check-deps

# The randomised suites with ten times their counts.
soak:
	STARLING_SOAK=1 $(CARGO) test --workspace --locked

# Each fuzz target for so many seconds; `make test` only replays their corpus.
FUZZ_SECONDS ?= 60
fuzz:
	scripts/fuzz $(FUZZ_SECONDS)

bench:
	$(CARGO) run --release --locked --manifest-path bench/Cargo.toml

# A rollup on a development chain: deposits, signed transfers, proofs that a contract verifies, withdrawals; then it runs on.
devnet: contracts/node_modules/.installed
	$(CARGO) run --locked -p starling-node -- devnet --l1-port 8545 --rpc-port 8645

fmt:
	$(CARGO) fmt --all
	cd contracts && tools/foundry forge fmt
