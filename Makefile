# Gateway 301. Everything here can be typed by hand; this only saves typing.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
# sshd and others lie where only root looks by default.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 30s

.PHONY: help build test peers lint bench benchmarks fuzz demo

help: ## what can be made (this list)
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## the static binary ./gateway
	CGO_ENABLED=0 go build -trimpath -o gateway ./cmd/gateway

test: peers lint ## everything a change must pass; brings the real peers first
	GATEWAY_PEERS=required go test -race -timeout 15m ./...
	@echo "every fault point of the road, of which the race detector's slowness leaves a sample:"
	GATEWAY_PEERS=required go test -timeout 10m ./pipeline
	@echo "edifact without its assembly, and on arm64 in an emulator:"
	go test -tags purego ./edifact
	CGO_ENABLED=0 GOARCH=arm64 go test -exec qemu-aarch64 ./edifact

peers: ## install the programs that tests talk to (root on Debian), or list what is missing
	@.ci/peers

lint: ## gofmt, go vet, staticcheck
	@echo "gofmt -l ."; found=$$(gofmt -l .); if [ -n "$$found" ]; then echo "not formatted:"; echo "$$found"; exit 1; fi
	go vet ./...
	go run $(STATICCHECK) ./...

bench: ## the comparisons with peers and limits, as tables
	@if command -v npm >/dev/null; then npm --prefix bench/npm install --silent --no-audit --no-fund; fi
	go -C bench test -run '^$$' -bench 'Table$$' -benchtime 1x ./...

benchmarks: ## all benchmarks, one by one
	go test -run '^$$' -bench . ./...
	go -C bench test -run '^$$' -bench . ./...

fuzz: ## every fuzz target for FUZZTIME (30s)
	@go test -list '^Fuzz' ./... \
	| awk '/^Fuzz/ {target[n++] = $$1} /^ok/ {while (i < n) print $$2, target[i++]; i = n = 0}' \
	| while read -r package target; do \
		echo "$$package $$target"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x "$$package" </dev/null; \
	done

demo: ## one night between a hospital and an Annahmestelle, on this machine
	go run ./cmd/gateway demo
