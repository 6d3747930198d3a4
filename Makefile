# `make test` sets up and passes the tests; `make devnet` sets up and runs the main job. Both install what they need.

.PHONY: test soak bench devnet fmt lint

CARGO ?= cargo

test: lint
	$(CARGO) test --workspace --locked

# Everything that needs no run: formatting, lints, dependency policy.
lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	scripts/check-deps

# The randomised suites with ten times their counts.
soak:
	STARLING_SOAK=1 $(CARGO) test --workspace --locked

bench:
	$(CARGO) run --release --locked -p starling-air --example speed -- 16 local-100

devnet:
	$(CARGO) run --locked -p starling-air --example speed -- 12 settle-100

fmt:
	$(CARGO) fmt --all
