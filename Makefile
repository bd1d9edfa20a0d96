# SPDX-License-Identifier: GPL-2.0-or-later
#
#   make            build rstap and staprun into target/release
#   make demo       all set-up, then a real script on a real kernel in a virtual machine
#   make check      all set-up, then formatting, lints, unit tests, scripts on a real kernel
#   make smoke      some of them on an older and a newer kernel (a part of make check)
#   make bench      costs of probes in guest instructions, times of the compiler
#   make stress     the tests of faults and loads, a hundred times as long
#   make differential  random programs from SEED on, COUNT of them, against an interpreter
#   make fuzz       libFuzzer for FUZZ_SECONDS on each of FUZZ_TARGETS (make fuzz-corpus keeps the best)
#   make published  the scripts that SystemTap publishes as examples, up to pass 3
#   make matrix     the scripts on the kernels of four suites
#   make sanitize   the scripts on a kernel that checks itself, which is built first (takes long)
#   make lab        the set-up alone: programs, and this suite's kernel with its debug files
#   make install    PREFIX=/usr/local, DESTDIR=

CARGO ?= cargo
PREFIX ?= /usr/local
DESTDIR ?=
# Suites of `make matrix`: kernels 5.10, 6.1, 6.12, 7.x.
SUITES ?= bullseye bookworm trixie sid
# FETCH=--with-debug has `make matrix` fetch their debug files, too (1.7 GB each).
FETCH ?=
# Scripts of `make check` and `make matrix` whose path holds this; all if empty.
TESTS ?=
# Programs of `make differential`.
SEED ?= 1
COUNT ?= 1000
# What `make fuzz` does (tests/fuzz/src/lib.rs).
FUZZ_TARGETS ?= script translate elf btf stream module
FUZZ_SECONDS ?= 600
# Options of `make bench`: --no-bpftrace, one of --cost --pause --latency --time, names of scripts.
BENCH ?=

TARGET := $(or $(CARGO_TARGET_DIR),target)
BIN := $(abspath $(TARGET))/release
LAB := $(BIN)/rstap-lab
SHARE := $(DESTDIR)$(PREFIX)/share/rstap

.PHONY: all demo check lint unit vm-tests smoke published stress differential fuzz fuzz-build fuzz-corpus bench matrix sanitize lab install clean

all:
	$(CARGO) build --release -p rstap -p rstap-staprun

$(LAB): FORCE
	$(CARGO) build --release -p rstap-vm
.PHONY: FORCE
FORCE:

lab: $(LAB)
	$(LAB) deps
	$(LAB) fetch --with-debug

demo: all lab
	$(BIN)/rstap --remote=vm -v examples/demo.stp -c 'sh examples/demo.sh'

check: lint unit vm-tests smoke

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

# Tests that need no virtual machine. The runtime's pure parts are C, tested in user space.
unit:
	$(CARGO) test --workspace --exclude rstap-tests
	$(CARGO) test -p rstap-tests --lib
	if [ -f runtime/tests/Makefile ]; then $(MAKE) -C runtime/tests check; fi

vm-tests: all lab
	$(LAB) deps --tests
	RSTAP_BIN_DIR=$(BIN) $(CARGO) test -p rstap-tests --no-fail-fast --test guest --test systemd \
		--test signing --test ssh --test privileges --test summary
	RSTAP_BIN_DIR=$(BIN) $(CARGO) test -p rstap-tests --test cli --test ui --test listing --test tapset \
		--test session --test run --no-fail-fast -- $(TESTS)
	RSTAP_BIN_DIR=$(BIN) SEED=1 COUNT=20 $(CARGO) run -q -p rstap-tests --bin rstap-differential

# The mechanisms on an older and a newer kernel. A kernel that its mirror no longer has is told and
# not tested; sid's changes by itself, so that `make matrix` alone has it.
SMOKE_SUITES ?= bullseye trixie
SMOKE_TESTS ?= probes/ output/ user/ reliability/two_scripts
smoke: all $(LAB)
	$(LAB) deps --all
	@set -e; for suite in $(SMOKE_SUITES); do \
		if $(LAB) fetch --suite $$suite >/dev/null; then \
			RSTAP_BIN_DIR=$(BIN) RSTAP_TEST_KERNEL=$$suite \
				$(CARGO) test -q -p rstap-tests --test run -- $(SMOKE_TESTS); \
		else \
			echo "smoke: NOT TESTED on the kernel of $$suite, which cannot be fetched"; \
		fi; \
	done

# Coverage of branches and compared values, as libFuzzer wants it; for the host's target alone, so
# that build scripts and macros are not instrumented. The readers of files keep what they have
# mapped, and a process may have 65,530 mappings (vm.max_map_count): behind that malloc() fails. So
# it does so many inputs and no more. The compiler wants a large stack.
FUZZ_HOST = $(shell rustc -vV | sed -n 's/^host: //p')
FUZZ_FLAGS := -Cpasses=sancov-module $(addprefix -Cllvm-args=-sanitizer-coverage-,level=4 \
	inline-8bit-counters pc-table trace-compares)
FUZZ_FOLDER := $(abspath $(TARGET))/fuzz-inputs
FUZZER = $(abspath $(TARGET))/$(FUZZ_HOST)/fuzz/rstap-fuzz
fuzz-build:
	RUSTFLAGS="$(FUZZ_FLAGS)" $(CARGO) build --profile fuzz --target $(FUZZ_HOST) \
		-p rstap-fuzz --features libfuzzer

fuzz: fuzz-build
	@set -e; ulimit -s 262144; for target in $(FUZZ_TARGETS); do \
		echo "== $$target"; mkdir -p $(FUZZ_FOLDER)/$$target; \
		case $$target in \
			script|translate) more="tests/run tests/ui examples -dict=tests/fuzz/script.dict";; \
			*) more=;; \
		esac; \
		end=$$(($$(date +%s) + $(FUZZ_SECONDS))); \
		while left=$$((end - $$(date +%s))) && [ $$left -gt 0 ]; do \
			RSTAP_FUZZ_TARGET=$$target nice -n 5 $(FUZZER) \
				$(FUZZ_FOLDER)/$$target tests/fuzz/corpus/$$target $$more \
				-artifact_prefix=$(FUZZ_FOLDER)/$$target- -max_total_time=$$left \
				-runs=20000 -timeout=20 -rss_limit_mb=3000; \
		done; \
	done

# The tests of faults, a hundred times as much of everything: 10,000 loads and unloads, minutes under load.
STRESS ?= 100
stress: all lab
	RSTAP_BIN_DIR=$(BIN) RSTAP_STRESS=$(STRESS) $(CARGO) test -p rstap-tests --test run -- $(or $(TESTS),stress/)

# Programs that nobody wrote: what they do on a kernel, and what the language says (tests/src/differential.rs).
differential: all lab
	RSTAP_BIN_DIR=$(BIN) SEED=$(SEED) COUNT=$(COUNT) \
		$(CARGO) run -q -p rstap-tests --bin rstap-differential

# The few inputs that reach as much code as all that were found, into the corpus.
fuzz-corpus: fuzz-build
	@set -e; ulimit -s 262144; for target in $(FUZZ_TARGETS); do \
		case $$target in elf|btf|module) longest=20000;; *) longest=1500;; esac; \
		RSTAP_FUZZ_TARGET=$$target $(FUZZER) -set_cover_merge=1 -use_counters=0 -max_len=$$longest \
			tests/fuzz/corpus/$$target $(FUZZ_FOLDER)/$$target; \
	done

# Needs Debian's package of SystemTap's documentation, which it downloads and does not install.
published: all lab
	RSTAP_BIN_DIR=$(BIN) $(CARGO) run -q --release -p rstap-tests --bin rstap-published -- $(TESTS)

bench: all lab
	$(LAB) deps --bench
	RSTAP_BIN_DIR=$(BIN) $(CARGO) run --release -p rstap-tests --bin rstap-bench -- $(BENCH)

# One suite that fails does not keep the others from running; the table is for docs/reliability.md.
matrix: all $(LAB)
	$(LAB) deps --all
	@for suite in $(SUITES); do \
		{ $(LAB) fetch --suite $$suite $(FETCH) >/dev/null && \
			RSTAP_BIN_DIR=$(BIN) RSTAP_TEST_KERNEL=$$suite \
			$(CARGO) test -q -p rstap-tests --test run -- $(TESTS); \
		} 2>&1 | tee $(abspath $(TARGET))/matrix-$$suite.log; \
		RSTAP_BIN_DIR=$(BIN) RSTAP_TEST_KERNEL=$$suite $(CARGO) test -q -p rstap-tests --test tapset \
			2>&1 | tee $(abspath $(TARGET))/matrix-$$suite-library.log; \
	done; bad=0; printf '\n| kernel | passed | failed | skipped |\n|---|---|---|---|\n'; \
	for suite in $(SUITES); do \
		log=$(abspath $(TARGET))/matrix-$$suite.log; \
		grep '^| ' $$log || echo "| $$suite | did not run | | |"; \
		grep -q ' passed, 0 failed' $$log || bad=1; \
		grep -q ' passed, 0 failed' $${log%.log}-library.log || \
			{ echo "the library on $$suite: $${log%.log}-library.log"; bad=1; }; \
	done; exit $$bad

# KASAN, lockdep, UBSAN and more find what a kernel that is not asked to look does not show.
sanitize: all $(LAB)
	$(LAB) deps --build
	$(LAB) build
	RSTAP_BIN_DIR=$(BIN) $(CARGO) test -p rstap-tests --test run -- --kernel sanitize $(TESTS)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)
	install -m 755 $(BIN)/rstap $(BIN)/staprun $(BIN)/stap-merge $(DESTDIR)$(PREFIX)/bin
	rm -rf $(SHARE)/tapsets $(SHARE)/runtime
	cp -R tapsets $(SHARE)/tapsets
	cp -R runtime $(SHARE)/runtime
	rm -rf $(SHARE)/runtime/tests
	set -e; for page in docs/man/*.[1-8]; do \
		[ -f "$$page" ] || continue; \
		section=$${page##*.}; \
		install -D -m 644 "$$page" \
			"$(DESTDIR)$(PREFIX)/share/man/man$$section/$${page##*/}"; \
	done
	set -e; for unit in staprun/units/*.service; do \
		[ -f "$$unit" ] || continue; \
		install -D -m 644 "$$unit" "$(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/}"; \
	done

clean:
	$(CARGO) clean
