# Everything a developer types. `make help` lists it.

.DEFAULT_GOAL := help
.PHONY: help demo test model pairs prove hostile soak year real real-shop bench cards sqlx fmt lint ci postgres

help: ## list these targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: postgres ## 300 orders from three simulated shops to a balanced journal, in one go
	cargo run --features demo -- demo

test: postgres ## all tests, beside a throw-away PostgreSQL; ONLY="WORD…" for the binaries with these words in their names
	@scripts/test.sh $(ONLY)

model: ## random histories against the pure planner; STEPS=1000000, SEED= for a given one
	cargo run --profile proof -p hikiate-prove -- model --steps $(or $(STEPS),1000000) $(if $(SEED),--seed $(SEED))

SEEDS ?= 200
BASE ?= 1
prove: postgres ## SEEDS seeded worlds from BASE on: faults, crashes, two daemons, judged by the external systems
	CARGO_PROFILE_DEV_OPT_LEVEL=1 scripts/with-postgres.sh cargo run -p hikiate-prove --all-features -- world --seeds $(SEEDS) --base $(BASE)

hostile: postgres ## SECONDS of odd bytes for each parser, read and stored by the daemon's own steps
	CARGO_PROFILE_DEV_OPT_LEVEL=1 scripts/with-postgres.sh cargo run -p hikiate-prove --all-features -- hostile --seconds $(or $(SECONDS),120)

real: postgres ## 20 orders through real Medusa, SFTP and SMTP servers, 7 at a Stripe emulator (needs the lab)
	scripts/real.sh

real-shop: postgres ## N=20 orders of its own through a shop: KIND=woocommerce URL=… KEY=… SECRET=… [KEEP=1]
	@scripts/real-shop.sh

soak: postgres ## two daemons and their database killed, set back and failed over under load: MINUTES=10 [SEED=N]
	cargo build --bin hikiate --features demo
	cargo build -p hikiate-prove --all-features
	target="$${CARGO_TARGET_DIR:-target}/debug"; exec "$$target/hikiate-prove" soak --minutes $(or $(MINUTES),10) \
	  $(if $(SEED),--seed $(SEED)) $(SOAK)

year: postgres ## a year of a small merchant on a virtual clock, names and addresses deleted in time: DAYS=365 ORDERS=20
	CARGO_PROFILE_DEV_OPT_LEVEL=1 cargo build -p hikiate-prove --all-features
	scripts/with-postgres.sh $${CARGO_TARGET_DIR:-target}/debug/hikiate-prove year --days $(or $(DAYS),365) --orders $(or $(ORDERS),20)

bench: postgres ## 10,000 simulated orders to booked, then each connector by itself; optimised build
	cargo run --release --features demo -- demo --bench 10000
	cargo run --profile proof -p hikiate-prove -- bench

cards: ## rewrite the capability cards in docs/connectors.md after a change of a connector
	HIKIATE_CARDS=write cargo test --workspace --all-features --test cards every_connector

pairs: postgres ## every interleaving of every pair of things done at once, and the faults it must find
	cargo build -p hikiate-prove --all-features
	scripts/with-postgres.sh $${CARGO_TARGET_DIR:-target}/debug/hikiate-prove pairs --broken all
	scripts/with-postgres.sh $${CARGO_TARGET_DIR:-target}/debug/hikiate-prove pairs

sqlx: postgres ## rewrite .sqlx after a change of a query or a migration
	scripts/sqlx-prepare.sh

fmt: ## format the source
	cargo fmt --all

lint: ## what the gate says about the source, without running it
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings

ci: ## the whole gate
	.ci/run

postgres:
	@scripts/install-postgres.sh
