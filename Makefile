# make run    examine the embedded example, as the agent would: no GitHub, no database to install
# make demo   walk the example's history; every commit must get its own verdict (DEMO='-only failure': the bad ones)
# make test   all tests, with real git, SQLite and Lean (Postgres and a browser where installed)
# make lint   gofumpt, vet, staticcheck
# make build  bin/holdfast
# make arm64  the tests of what calls C once more, on an emulated linux/arm64
# make lean   a real Lean 4 for Linux x86-64 without elan, under .cache/lean

SHELL := /bin/sh
export CGO_ENABLED ?= 0
GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LEAN_HOME ?= $(CURDIR)/.cache/lean
EXAMPLE := examples/streampool/.work/streampool

.PHONY: run demo test lint build lean example cross arm64 clean

run: build example
	@$(MAKE) --no-print-directory lean || echo "going on without Lean: the proofs stage will say error"
	@bin/holdfast run --config agent.toml --repo streampool --markdown .holdfast/report.md --json .holdfast/report.json
	@echo "report: .holdfast/report.md (and .json)"

demo: build example lean
	@$(GO) run ./tools/demo -holdfast bin/holdfast -config agent.toml -repo streampool $(DEMO) examples/streampool/demo.tsv

test:
	@$(MAKE) --no-print-directory lean || echo "going on without Lean: its tests are skipped, in CI they fail"
	HOLDFAST_LEAN='$(LEAN_HOME)' $(GO) test -timeout 15m ./...

lint:
	@files=$$($(GO) tool gofumpt -l $$(git ls-files -co --exclude-standard '*.go')); \
	  if [ -n "$$files" ]; then echo "not formatted (go tool gofumpt -w FILE):" >&2; echo "$$files" >&2; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

build:
	@[ -x bin/holdfast ] || echo "building bin/holdfast (the first time this downloads modules and takes a few minutes)"
	@$(GO) build -trimpath -ldflags '-s -w -X github.com/holdfast-ci/holdfast/agent.Version=$(VERSION)' -o bin/holdfast .

# Where elan is, its toolchains are used. Elsewhere only Linux on x86-64 can get one here;
# without any, the proofs stage says "error: no Lean", it does not pass.
lean:
	@if [ -d "$${ELAN_HOME:-$$HOME/.elan}/toolchains" ] && [ -n "$$(ls "$${ELAN_HOME:-$$HOME/.elan}/toolchains")" ]; then :; \
	elif [ "$$(uname -s)-$$(uname -m)" = Linux-x86_64 ]; then tools/lean/install.sh '$(LEAN_HOME)'; \
	else echo "no Lean: install elan (https://lean-lang.org/install), then: elan toolchain install $$(cat examples/streampool/files/lean/lean-toolchain)"; fi

example:
	@examples/streampool/lay.sh $(EXAMPLE)

cross:
	GOOS=darwin GOARCH=arm64 $(GO) build -o /dev/null . && GOOS=darwin GOARCH=arm64 $(GO) vet ./...
	GOOS=linux GOARCH=arm64 $(GO) build -o /dev/null . && GOOS=linux GOARCH=arm64 $(GO) vet ./...

# What calls C is of one architecture: its tests run on arm64 too, Apple's, under emulation.
# Debian: qemu-user, g++-aarch64-linux-gnu, libc6-dev-arm64-cross.
arm64: EMULATE := qemu-aarch64 -L /usr/aarch64-linux-gnu
arm64:
	GOOS=linux GOARCH=arm64 CC=aarch64-linux-gnu-gcc CXX=aarch64-linux-gnu-g++ FAKEMETAL_EXEC='$(EMULATE)' \
	  $(GO) test -short -exec '$(EMULATE)' ./metal/objc ./metal/fakemetal ./metal/mtl

clean:
	rm -rf bin .holdfast examples/streampool/.work
