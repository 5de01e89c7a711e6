# Short names for the common commands. Every target installs what it needs, says so, and does nothing that was done already.
#
#   make build       the program: build/release/gristmill
#   make demo        the flights example, from raw tables to a registered, explained model that answers over HTTP
#   make test        all tests; the last line is `N passed, N failed, N skipped`   (ONLY=text: those whose name contains it)
#   make check       what to run before a commit: layout, layers, debug build, unit tests
#   make bench       every measurement, or one: make bench-NAME
#   make test-peers  compare with the programs that people use today (installs them into build/peers)
#   make fuzz        each fuzz target for a minute (FUZZ_SECONDS=...)
#   make tsan        the tests that use threads, with the thread sanitizer
#   make install     PREFIX=/usr/local, DESTDIR= for packages
#   make clean       everything that was built; the fetched libraries in deps/native stay (make distclean: these too)

SHELL := /bin/bash
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
ONLY ?=
# At a terminal ninja shows how far it is; elsewhere only what went wrong.
QUIET := $(if $(MAKE_TERMOUT),,-- --quiet)
PROGRAM := build/release/gristmill

.DEFAULT_GOAL := build
.PHONY: build test demo check bench test-peers fuzz tsan install clean distclean setup
.NOTPARALLEL:

setup:
	@tools/setup.sh
	@deps/fetch.sh
	@mkdir -p build

build: setup
	@cmake --preset release >build/.configure.log 2>&1 || { cat build/.configure.log; exit 1; }
	@echo "building build/release (a few minutes the first time)"
	@cmake --build build/release --target gristmill -j $(JOBS) $(QUIET)
	@echo "built $(PROGRAM)"

test: build
	@cmake --preset asan >build/.configure.log 2>&1 || { cat build/.configure.log; exit 1; }
	@echo "building build/asan (with the address and undefined-behaviour sanitizers)"
	@cmake --build build/asan -j $(JOBS) $(QUIET)
	@tools/run_tests.py --unit build/asan --program $(PROGRAM) --only '$(ONLY)'

demo: build
	@tools/fetch_demo.sh
	@tools/demo.sh $(PROGRAM)

check: setup
	@tools/check_format.sh
	@tools/check_layers.py
	@cmake --preset dev >build/.configure.log 2>&1 || { cat build/.configure.log; exit 1; }
	@cmake --build build/dev -j $(JOBS) $(QUIET)
	@tools/check_docs.py --program build/dev/gristmill
	@tools/run_tests.py --unit build/dev --only '$(ONLY)'

bench: build
	@tools/run_bench.sh

bench-%: build
	@tools/run_bench.sh $*

test-peers: build
	@tools/test_peers.sh

fuzz:
	@tools/setup.sh fuzz
	@deps/fetch.sh
	@tools/run_fuzz.sh $(FUZZ_SECONDS)

# The libraries that are not built here are not instrumented: only tests whose threads are our own.
TSAN_TESTS := test_store_threads test_trainers test_search test_http test_http_threads test_predlog
tsan: setup
	@cmake --preset tsan >build/.configure.log 2>&1 || { cat build/.configure.log; exit 1; }
	@cmake --build build/tsan --target $(TSAN_TESTS) -j $(JOBS) $(QUIET)
	@ctest --test-dir build/tsan --output-on-failure -R '^($(subst $(eval ) ,|,$(TSAN_TESTS)))$$'

install:
	@test -x $(PROGRAM) || { echo "run \`make build\` first"; exit 1; }
	@tools/install.sh "$(DESTDIR)$(PREFIX)"

clean:
	rm -rf build

distclean: clean
	rm -rf deps/native
