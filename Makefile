# `make test` sets up and passes the tests; `make devnet` sets up and runs the main job. Both install what they need.

.PHONY: test soak bench devnet fmt lint contracts

CARGO ?= cargo

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

bench:
	$(CARGO) run --release --locked --manifest-path bench/Cargo.toml

# Until the rollup runs: a program of the machine, run, proven with the settlement preset, and verified.
devnet:
	$(CARGO) build --locked -p starling-node
	scripts/prove-example

fmt:
	$(CARGO) fmt --all
	cd contracts && tools/foundry forge fmt
