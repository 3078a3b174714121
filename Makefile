# Weir. `make serve` runs the main job on this machine alone; `make test`
# passes the tests, installing what they need.
#
# Caches (Go's own, the Python environment, node modules) lie outside the tree.

CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/weir
WEIR   = bin/weir
GO    ?= go

export CGO_ENABLED = 0

# The draws of tests are the same in every run; RAPID_SEED=0 draws others, and
# `make fuzz` always does. A test that fails says how to draw the same again.
export RAPID_SEED ?= 1

.PHONY: help serve demo build test test-go test-faults faults-against faults-models test-share test-servers test-clients test-kubernetes test-keda soak race fuzz mutants lint bench bench-share bench-index bench-semantic bench-policies bench-fairness manifests release reproducible clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

serve: build ## run the gateway with two models on emulated replicas; nothing else needed
	$(WEIR) serve $(ARGS)

demo: build ## the same, with ten minutes of a real trace played at it, and the replicas drawn
	$(WEIR) serve --demo $(ARGS)

build: ## build bin/weir, a static binary
	$(GO) build -trimpath -o $(WEIR) ./cmd/weir

test: ## all tests: Go packages, faults on the wire, shared limits, a real Kubernetes control plane, the real SDKs
	@scripts/stages "Go packages" "$(MAKE) -s test-go" "faults on the wire" "$(MAKE) -s test-faults" \
		"shared limits" "$(MAKE) -s test-share" "Kubernetes" "$(MAKE) -s test-kubernetes" \
		"servers as they are" "$(MAKE) -s test-servers" "SDKs" "$(MAKE) -s test-clients"

# Some packages are tested against real servers that the tests start.
# Three packages at a time: many wait for their servers.
test-go:
	scripts/server-deps
	$(GO) test -p 3 ./...

# llama.cpp's own HTTP server with a model of random weights, behind Weir. Needs
# python3 with venv.
test-servers: build
	CACHE=$(CACHE) scripts/llama-deps
	cd test/servers && WEIR_BIN=$(CURDIR)/$(WEIR) WEIR_LLAMA=$(CACHE)/servers/llama $(GO) test -count=1 .

# The replicas of fleet/kubernetes on a real API server. The first time it builds
# one: see scripts/kube-deps.
test-kubernetes: build ## replicas as pods, on a real API server with its controllers and scheduler
	scripts/server-deps
	CACHE=$(CACHE) scripts/kube-deps
	CACHE=$(CACHE) scripts/helm-deps
	cd test/kubernetes && WEIR_BIN=$(CURDIR)/$(WEIR) WEIR_KUBERNETES=$(CACHE)/kubernetes/bin $(GO) test -count=1 -parallel 12 -timeout 10m .

# KEDA's own operator and metrics adapter, which follow what Weir decides. Not part
# of `make test`: the first time it builds KEDA, see scripts/keda-deps.
test-keda: build ## KEDA's own operator follows what Weir decides, on a real API server
	CACHE=$(CACHE) scripts/kube-deps
	CACHE=$(CACHE) scripts/keda-deps
	cd test/kubernetes && WEIR_BIN=$(CURDIR)/$(WEIR) WEIR_KUBERNETES=$(CACHE)/kubernetes/bin WEIR_KEDA=$(CACHE)/keda/bin \
		$(GO) test -count=1 -timeout 10m -tags keda -v -run TestKEDA .

# The SDKs of Python, Node and Go. Needs python3 with venv and node with npm;
# as root, a missing one is installed from Debian's packages.
test-clients: build
	CACHE=$(CACHE) scripts/client-deps
	cd test/clients && WEIR_BIN=$(CURDIR)/$(WEIR) WEIR_CLIENTS=$(CACHE)/clients $(GO) test -count=1 -v .

# What inference servers and callers can do wrong, as scenarios against a
# running Weir. docs/benchmarks/faults.md is its report (add -update).
test-faults: build
	scripts/server-deps
	cd test/faults && WEIR_BIN=$(CURDIR)/$(WEIR) $(GO) test -count=1 -timeout 15m .

# The same scenarios against any gateway, by its address: test/faults/README.md
# says what it must be given. The table is the result; that a scenario does not
# hold is no error of this command.
faults-against: ## what any gateway makes of the faults: GATEWAY=http://... KEY=... (PORT=19000 LACKS=hedges,mirrors OUT=file.md)
	@[ -n "$(GATEWAY)" ] || { echo 'faults-against needs GATEWAY=http://host:port, the base URL without /v1; see test/faults/README.md'; exit 2; }
	@rm -f "$(AGAINST)"
	cd test/faults && { $(GO) test -count=1 -timeout 30m -run 'TestScenarios|TestLives' . -gateway "$(GATEWAY)" -key "$(KEY)" \
		-port $(or $(PORT),19000) $(if $(LACKS),-lacks "$(LACKS)") -out "$(AGAINST)" || [ -s "$(AGAINST)" ]; }
	@sed -n '3,5p' "$(AGAINST)" && echo "The table is in $(AGAINST)."

AGAINST = $(abspath $(or $(OUT),faults-against.md))

# What that gateway must serve, and where: YAML=1 as the models of a weir.yaml.
faults-models: ## the models and upstreams a gateway under faults-against must be given (PORT=19000)
	@cd test/faults && $(GO) test -v -count=1 . -list-$(if $(YAML),yaml,models) -port $(or $(PORT),19000) | grep -v '^ok '

# Several gateways that share their limits through a Redis that hangs.
test-share: build
	scripts/server-deps
	cd bench/share && WEIR_BIN=$(CURDIR)/$(WEIR) $(GO) test -count=1 -timeout 15m .

soak: build ## two minutes at a high rate with faults on: memory flat, goroutines back to the baseline
	cd test/clients && WEIR_SOAK=2m WEIR_BIN=$(CURDIR)/$(WEIR) $(GO) test -count=1 -v -timeout 10m -run TestSoak .

# A pure package has no goroutines (internal/arch), so there is nothing to race:
# fleet/mem below fleet/ is one.
race: ## the tests of the concurrent packages under the race detector
	scripts/server-deps
	CGO_ENABLED=1 $(GO) test -race -short -p 3 ./gateway/... ./front ./upstream/... ./http1 ./sse ./control/... \
		$$($(GO) list ./fleet/... | grep -v '/fleet/mem$$') ./store/... ./peers/... ./observe/... ./emulate/... ./load/... ./scrape/... ./limits/...

fuzz: ## laws with a drawn seed (SEED=n repeats one), 10,000 executions of every fuzz target (FUZZTIME=1m for more)
	scripts/fuzz

mutants: ## small wrong changes to what comments promise: do the tests catch them? half an hour (ARGS="-run dispatch", "-sample 12")
	$(GO) run ./internal/mutants $(ARGS)

lint: ## formatting, vet, staticcheck, and known vulnerabilities where their data can be had
	CACHE=$(CACHE) scripts/lint

bench: build ## gateway side by side with nginx and a bare ReverseProxy; needs nginx
	cd bench/gateway && WEIR_BIN=$(CURDIR)/$(WEIR) $(GO) run .

bench-share: build ## three gateways, one Redis, 500 callers on one limit, Redis paused for 30 s
	scripts/server-deps
	cd bench/share && WEIR_BIN=$(CURDIR)/$(WEIR) $(GO) run . -out ../../docs/benchmarks/share.md

bench-index: ## an index of 100,000 vectors, and 10,000 documents of which 1 % change
	cd bench/index && $(GO) run . -out ../../docs/benchmarks/index.md

# A real embedding model, installed the first time: see scripts/semantic-deps.
bench-semantic: ## stored answers by meaning beside fixed thresholds, with a real embedding model
	CACHE=$(CACHE) scripts/semantic-deps
	cd bench/semantic && $(GO) run . -python $(CACHE)/semantic/python/bin/python -models $(CACHE)/semantic/models -out ../../docs/benchmarks/semantic.md

bench-fairness: ## one tenant's burst beside another, on weir serve with emulated replicas; 12 minutes
	cd bench/fairness && $(GO) run . -out ../../docs/benchmarks/fairness.md

# The policies of `weir simulate` beside each other and the clairvoyant schedule,
# on the traces in TRACES: hours of processor time; DONE lets it go on.
bench-policies: ## compare the autoscaling policies on recorded traces (TRACES=folder)
	cd bench/sim && $(GO) run . -traces $(TRACES) -done $(or $(DONE),$(CACHE)/policies.jsonl) -out ../../docs/benchmarks/policies.md

manifests: ## deploy/kubernetes again, from the Helm chart in deploy/helm
	CACHE=$(CACHE) scripts/helm-deps
	CACHE=$(CACHE) scripts/manifests

release: ## static binaries for each platform, bills of materials and checksums, in dist/ (VERSION=v1.2.3)
	scripts/release dist

reproducible: ## build the release of this commit twice, in two folders, the second with an empty cache: the same bytes
	scripts/reproducible

clean: ## remove what was built here
	rm -rf bin dist
