# Two commands are all there is to know: the README's run command, and
#
#	make test
#
# which installs what is missing and runs everything. It fails where a part is
# missing; it never skips.

GO ?= go
export PATH := $(PATH):/usr/sbin:/sbin

.PHONY: build test deps lint bench proof floods timing fuzz vuln

build:
	$(GO) build -trimpath -o bin/turnpike ./cmd/turnpike

test: deps lint
	$(GO) test -run 'AllocatesNothing|NoAllocs|AgainstModel' ./...
	$(GO) test -run '^$$' -bench . -benchtime 50ms ./auth ./ratelimit ./pkg/netpolicy ./pkg/issuer ./relay/...
	$(GO) test -race -timeout 15m ./...

# The Debian packages that the tests drive for real (Chromium over its own
# protocol, without Node), and the C compiler that -race needs.
deps:
	@./scripts/deps chromium=chromium ip=iproute2 curl=curl redis-server=redis-server cc=gcc turnutils_uclient=coturn openssl=openssl systemd-analyze=systemd nft=nftables prosody=prosody lua5.4=lua5.4 janus=janus node=nodejs python3=python3

lint:
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	cd relay/relaytest/stockpion && $(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	GOOS=windows $(GO) build ./...
	GOOS=windows $(GO) vet ./relay/dataplane/...

# VERSUS="--quick" or "--cells REGEXP" for less than half an hour; it needs root.
bench:
	@./scripts/deps turnserver=coturn ip=iproute2 taskset=util-linux nsenter=util-linux
	$(GO) test -run '^$$' -bench . ./...
	$(GO) run ./relay/relaytest/versus $(VERSUS)

# Many rounds of what make test runs once, the fleets' at full length (docs/redis.md),
# and the floods at their full rate (docs/attacks.md), which take root.
proof: floods
	TURNPIKE_PROOF=1 $(GO) test -count=1 -v -timeout 30m -run '^TestFleet' ./cmd/turnpike
	$(GO) test -race -count=10 -timeout 80m ./...

FLOODS ?= --rounds 5 --repeat 2
floods:
	@./scripts/deps turnserver=coturn ip=iproute2 taskset=util-linux nsenter=util-linux
	$(GO) run ./relay/relaytest/versus --cells '^under attack' $(FLOODS)

# 100,000 samples of how long each refusal takes, judged purely and over UDP. It
# wants a machine that does nothing else.
timing:
	TURNPIKE_TIMING=1 $(GO) test -count=1 -v -run '^(TestTiming|TestRefusalsAreAlike)$$' ./relay/gate ./cmd/turnpike

FUZZTIME ?= 60s
fuzz:
	@set -e; for p in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
			$(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$p; \
		done; \
	done

# Needs the vulnerability database, which not every build machine reaches.
vuln:
	$(GO) tool govulncheck ./...
