# Everything here can be run from a clean checkout with Go, make and, for the
# images, Docker. `make` alone lists the targets.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-print-directory

GO       ?= go
DOCKER   ?= docker
FUZZTIME ?= 20s
SOURCE   ?=

VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
REVISION := $(shell git rev-parse HEAD 2>/dev/null)
CREATED  := $(shell git log -1 --format=%cI 2>/dev/null)
LDFLAGS  := -s -w -X main.buildVersion=$(VERSION)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the static binary build/divvy
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o build/divvy ./cmd/divvy

.PHONY: test
test: ## run the tests
	$(GO) test ./...

.PHONY: check
check: ## run every check that a change must pass
	.ci/run

.PHONY: bench
bench: ## run the benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: simulate
simulate: ## simulate how often verdicts are wrong, and how late, beside other rules
	SIMULATE=1 $(GO) test ./metrics/stats -run TheREADMEHasTheAlarms -count 1 -v -timeout 1h

COMPARE ?= --path /
.PHONY: compare
compare: build ## measure processor time per request beside nginx and HAProxy
ifneq ($(filter --tls --h2,$(COMPARE)),)
	testdata/bench/compare --ours "build/divvy run -c @DIR@/tls.toml" $(COMPARE)
else
	testdata/bench/compare --ours "build/divvy run -c testdata/bench/plain.toml" $(COMPARE)
	testdata/bench/compare --only haproxy --ours "build/divvy run -c testdata/bench/full.toml" -H "Cookie: divvy-shop=0123456789abcdef" $(COMPARE)
endif

# `go test` fuzzes one function of one package at a time, so they are listed
# first. A run may fail when its time is over, without a finding and saying
# only "context deadline exceeded" (go.dev/issue/75804, fixed in Go 1.27):
# that, and nothing else, is tried once more.
.PHONY: fuzz
fuzz: ## fuzz every fuzz function for FUZZTIME (20s)
	@mkdir -p build
	list=$$($(GO) test -list '^Fuzz' ./...) || { echo "$$list"; exit 1; }
	targets=$$(awk '/^Fuzz/ {name[n++] = $$1} /^ok/ {for (i = 0; i < n; i++) print $$2, name[i]; n = 0}' <<<"$$list")
	[[ $$targets ]] || { echo "no fuzz functions found"; exit 1; }
	fuzz() { $(GO) test -run '^$$' -fuzz "^$$2\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 2s "$$1" 2>&1 | tee build/fuzz.log; }
	while read -r package name; do
		echo "fuzzing $$package $$name"
		fuzz "$$package" "$$name" </dev/null && continue
		grep -q '^ *context deadline exceeded$$' build/fuzz.log || exit 1
		! grep -qE 'Failing input written|^panic|^fatal error|DATA RACE' build/fuzz.log || exit 1
		echo "out of time without a finding, once more"
		fuzz "$$package" "$$name" </dev/null
	done <<<"$$targets"

.PHONY: image
image: build ## build the images divvy:dev, divvy-demo:v1 and divvy-demo:v2
	mkdir -p build/state
	$(DOCKER) build --tag divvy:dev --target divvy \
		--build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) \
		--build-arg CREATED=$(CREATED) --build-arg SOURCE=$(SOURCE) .
	for version in v1 v2; do
		$(DOCKER) build --tag divvy-demo:$$version --target demo-$$version \
			--build-arg REVISION=$(REVISION) --build-arg CREATED=$(CREATED) .
	done

.PHONY: demo
demo: ## show three versions of an application behind divvy
	$(GO) run ./cmd/divvy demo

.PHONY: clean
clean: ## remove what was built
	rm -rf build

.ONESHELL:
