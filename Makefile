# Two targets are all a user needs: `make run` and `make test`. The rest is for those who change the code.

CARGO ?= cargo
BIN := target/release/millrace

.DEFAULT_GOAL := help
.PHONY: help run image build test test-rust test-clients test-kube verify lint fix bench setup

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## build the release and start a broker on 127.0.0.1:9092, data in ./millrace-data
	exec $(BIN) serve

build: ## the release binary, target/release/millrace
	$(CARGO) build --release --locked --package millrace

image: ## the container image without Docker, target/image/millrace.tar, for `docker load`, `ctr` and `kind`
	$(CARGO) build --release --locked --package millrace --package millrace-operator
	.ci/image

setup: ## what the tests need: Debian packages (as root), Python, Java, Node and Go parts, helm, a Kubernetes node
	tests/setup

test: setup image ## everything this machine can run; says plainly what it left out
	tests/bin/test-all

test-rust: build ## only the Rust tests
	tests/bin/test-all --only rust

test-clients: setup build ## only the client matrix and the worked example
	tests/bin/test-all --only clients

test-kube: setup image ## only the operator on a real Kubernetes: KUBECONFIG, else kind, else a node of its own
	tests/bin/test-all --only kube

lint: ## rustfmt, clippy, and what else needs no running broker
	tests/bin/lint

verify: ## everything that CI runs
	.ci/run

fix: ## format, and what clippy can mend by itself
	$(CARGO) fmt --all
	$(CARGO) clippy --workspace --all-targets --fix --allow-dirty --allow-staged

bench: build ## codec, log and end to end, beside Apache Kafka where it is installed
	tests/bin/bench
