# The targets a person needs. `.ci/run` calls `make test` and nothing else.
.PHONY: help demo test lint ledger fuzz mutants bench doc fmt clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## build, then watch a letter travel from end to end (ONCE=1: exit when done)
	@ONCE=$(ONCE) scripts/demo

test: ## install what the tests need, run every check and every test
	@scripts/test

lint: ## only the checks that need no test run: fmt, clippy, rustdoc, deny
	@scripts/test lint

ledger: ## print the counts of the clause ledger, write docs/conformance.md
	@cargo run --quiet -p pillarbox-testkit --bin ledger

fuzz: ## fuzz every machine, SECONDS_EACH=300 seconds each unless told
	@scripts/fuzz $(or $(SECONDS_EACH),300)

mutants: ## break what a login stands on, see whether a test tells (hours; PART=policy for one part)
	@scripts/mutants $(PART)

bench: ## measure, beside the machine's limits and Debian's peers, in one run
	@scripts/bench

doc: ## the API documentation, in target/doc
	@cargo doc --workspace --no-deps --document-private-items

fmt: ## format the code
	@cargo fmt --all

clean: ## remove what was built
	@cargo clean
	@rm -rf fuzz/target fuzz/corpus-work demo-data
