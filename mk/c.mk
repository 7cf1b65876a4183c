# The C suite, the C examples and the pkg-config file. Included by the Makefile; everything lands in build/c, once linked with the shared
# and once with the static library.
#
#   make test-c        all tests of c-tests/, both ways        make test-c TESTS="socket order"   those whose name or file says so
#   make test-c-clang, make test-c-ubsan                       the tests by clang; with checks for undefined behaviour
#   make test-large    the large programs in full              make examples-c                    the programs of examples/c
#   make soak          everything at once for ten minutes      make soak SOAK_SECONDS=30          or as long as you like
#
# The Makefile has the rules for the two libraries and the header.

LIB_DIR    ?= build/lib
LIB_SHARED ?= $(LIB_DIR)/libgreenrt.so
LIB_STATIC ?= $(LIB_DIR)/libgreenrt.a
HEADER     ?= include/greenrt.h
C_INCLUDE  ?= include
C_BUILD    ?= build/c
C_JOBS     ?= 2
TESTS      ?=

C_WARN      = -Wall -Wextra -Wpedantic -Werror
C_FLAGS     = -std=c11 -D_GNU_SOURCE -O2 -g $(C_WARN) -Wshadow -Wstrict-prototypes -Wmissing-prototypes $(CFLAGS)
C_PATHS     = -I$(C_INCLUDE) -Ic-tests/runner -Ic-tests/support -Ic-tests
C_LIBS      = -pthread -ldl
# What a Rust static library asks for: `rustc --print native-static-libs`.
C_STATIC_LIBS = $(LIB_STATIC) -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc
C_SHARED_LIBS = -L$(LIB_DIR) -lgreenrt -Wl,-rpath,$(abspath $(LIB_DIR))
# Bound at start: a symbol looked up lazily on a task's stack would touch a second page of it (test_memory).
C_LINK_shared = -Wl,-z,now $(C_SHARED_LIBS) $(C_LIBS)
C_LINK_static = -Wl,-z,now $(C_STATIC_LIBS) $(C_LIBS)

C_TEST_SRC  = $(wildcard c-tests/test_*.c) $(wildcard c-tests/support/*.c) c-tests/guard_frame.c c-tests/abi/twice_a.c c-tests/abi/twice_b.c
C_RUN_SRC   = c-tests/runner/runner.c c-tests/runner/check.c
C_HEADERS   = $(HEADER) $(wildcard c-tests/*.h c-tests/runner/*.h c-tests/support/*.h c-tests/large/*.h)
C_OBJ       = $(patsubst c-tests/%.c,$(C_BUILD)/obj/%.o,$(C_TEST_SRC) $(C_RUN_SRC))
C_RUN_OBJ   = $(patsubst c-tests/%.c,$(C_BUILD)/obj/%.o,$(C_RUN_SRC))
# libgc (Debian: libgc-dev), for the tests with a collector and the example with one.
C_GC        = $(shell printf '\043include <gc/gc.h>\n' | $(CC) -x c -fsyntax-only - 2>/dev/null && echo yes)
C_EXAMPLES  = $(filter-out $(if $(C_GC),,gc_host),$(basename $(notdir $(wildcard examples/c/*.c))))
C_EXAMPLE_LIBS_gc_host = -lgc
C_LARGE     = $(basename $(notdir $(wildcard c-tests/large/*.c)))
C_CXX       = $(shell command -v $(CXX) 2>/dev/null)
# Without a C++ compiler the tests of greenrt.hpp are not in the program, and test_cxx says so.
CXX_FLAGS   = -std=c++17 -D_GNU_SOURCE -O2 -g $(C_WARN) -Wshadow $(CXXFLAGS)
CXX_HEADERS = include/greenrt.hpp $(wildcard c-tests/cxx/*.hpp)
CXX_OBJ     = $(if $(C_CXX),$(patsubst c-tests/%.cpp,$(C_BUILD)/obj/%.o,$(wildcard c-tests/cxx/*.cpp)))
CXX_LIBS    = $(if $(C_CXX),-lstdc++)
CXX_EXAMPLES = $(if $(C_CXX),$(basename $(notdir $(wildcard examples/cxx/*.cpp))))
C_BOOST     = $(shell printf '\043include <boost/context/fiber.hpp>\n' | $(CXX) -std=c++17 -x c++ -fsyntax-only - 2>/dev/null && echo yes)

$(C_BUILD)/obj/%.o: c-tests/%.c $(C_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) $(C_PATHS) -c $< -o $@

$(C_BUILD)/obj/cxx/%.o: c-tests/cxx/%.cpp $(C_HEADERS) $(CXX_HEADERS)
	@mkdir -p $(@D)
	$(CXX) $(CXX_FLAGS) $(C_PATHS) -c $< -o $@

$(C_BUILD)/obj/guard_frame.o: C_FLAGS += -fno-stack-clash-protection

# Programs of one link kind: $(1) is shared or static, $(2) the library they wait for.
define C_PROGRAMS
$(C_BUILD)/$(1)/tests: $(C_OBJ) $(CXX_OBJ) $(2)
	@mkdir -p $$(@D)
	$(CC) $(CFLAGS) $(C_OBJ) $(CXX_OBJ) -o $$@ $(C_LINK_$(1)) $(CXX_LIBS)

$(C_BUILD)/$(1)/selftest: $(C_BUILD)/obj/runner/selftest.o $(C_RUN_OBJ) $(2)
	@mkdir -p $$(@D)
	$(CC) $(CFLAGS) $(C_BUILD)/obj/runner/selftest.o $(C_RUN_OBJ) -o $$@ $(C_LINK_$(1))

$(C_BUILD)/$(1)/examples/%: examples/c/%.c $(HEADER) $(2)
	@mkdir -p $$(@D)
	$(CC) -std=gnu11 -O2 -g $(C_WARN) $(CFLAGS) -I$(C_INCLUDE) $$< -o $$@ $$(C_EXAMPLE_LIBS_$$*) $(C_LINK_$(1))

$(C_BUILD)/$(1)/examples/gc_host: examples/c/gc_host.h

$(C_BUILD)/$(1)/soak: $(wildcard c-tests/soak/*.c c-tests/soak/*.h) $(HEADER) $(2)
	@mkdir -p $$(@D)
	$(CC) $(C_FLAGS) -I$(C_INCLUDE) $$(filter %.c,$$^) -o $$@ $(C_LINK_$(1))

$(C_BUILD)/$(1)/collector: c-tests/collector/collector.c examples/c/gc_host.h $(HEADER) $(2)
	@mkdir -p $$(@D)
	$(CC) -std=gnu11 -O2 -g $(C_WARN) $(CFLAGS) -I$(C_INCLUDE) $$< -o $$@ -lgc $(C_LINK_$(1))

$(C_BUILD)/$(1)/examples/cxx/%: examples/cxx/%.cpp $(HEADER) $(CXX_HEADERS) $(2)
	@mkdir -p $$(@D)
	$(CXX) -std=c++17 -O2 -g $(C_WARN) $(CXXFLAGS) -I$(C_INCLUDE) $$< -o $$@ $(C_LINK_$(1))

$(C_BUILD)/$(1)/large/%: $(C_BUILD)/obj/large/%.o $(2)
	@mkdir -p $$(@D)
	$(CC) $(CFLAGS) $$< -o $$@ $(C_LINK_$(1))

$(C_BUILD)/$(1)/own_fcontext: c-tests/static/own_fcontext.c $(HEADER) $(2)
	@mkdir -p $$(@D)
	$(CC) $(C_FLAGS) $(C_PATHS) $$< -o $$@ $(C_LINK_$(1))

$(C_BUILD)/$(1)/boost_context: c-tests/static/boost_context.cpp $(HEADER) $(2)
	@mkdir -p $$(@D)
	$(CXX) -std=c++17 -O2 -g -Wall -Wextra -Werror $(CXXFLAGS) -I$(C_INCLUDE) $$< -o $$@ $(C_LINK_$(1)) -lboost_context

$(C_BUILD)/$(1)/abi_cxx: c-tests/abi/abi_cxx.cpp $(HEADER) $(2)
	@mkdir -p $$(@D)
	$(CXX) -std=c++17 -O2 -g $(C_WARN) $(CXXFLAGS) -I$(C_INCLUDE) $$< -o $$@ $(C_LINK_$(1))

C_ALL_$(1) = $(addprefix $(C_BUILD)/$(1)/,tests selftest own_fcontext soak) \
	$(addprefix $(C_BUILD)/$(1)/examples/,$(C_EXAMPLES)) $(addprefix $(C_BUILD)/$(1)/examples/cxx/,$(CXX_EXAMPLES)) \
	$(addprefix $(C_BUILD)/$(1)/large/,$(C_LARGE)) \
	$(if $(C_GC),$(C_BUILD)/$(1)/collector) $(if $(C_CXX),$(C_BUILD)/$(1)/abi_cxx) $(if $(C_BOOST),$(C_BUILD)/$(1)/boost_context)
endef
$(eval $(call C_PROGRAMS,shared,$(LIB_SHARED)))
$(eval $(call C_PROGRAMS,static,$(LIB_STATIC)))

.PHONY: build-c test-c test-c-shared test-c-static test-c-clang test-c-ubsan test-models test-large soak examples-c install-c
.SECONDARY: $(C_OBJ)

build-c: $(C_ALL_shared) $(C_ALL_static)

test-c-shared: $(C_ALL_shared)
	@echo "# c-tests, shared library"
	@$(C_BUILD)/shared/tests -j $(C_JOBS) $(TESTS)

test-c-static: $(C_ALL_static)
	@echo "# c-tests, static library"
	@$(C_BUILD)/static/tests -j $(C_JOBS) $(TESTS)

# Both run even when the first fails.
test-c: build-c
	@status=0; for kind in shared static; do \
	  echo "# c-tests, $$kind library"; \
	  $(C_BUILD)/$$kind/tests -j $(C_JOBS) $(TESTS) || status=1; \
	done; exit $$status

# The same tests by another compiler, and with the checks for undefined behaviour, whose runtime must be in the program.
test-c-clang:
	@command -v clang >/dev/null || { echo "no clang here" >&2; exit 1; }
	@$(MAKE) --no-print-directory test-c-static CC=clang CXX=clang++ C_BUILD=build/c-clang

test-c-ubsan:
	@$(MAKE) --no-print-directory build-c C_BUILD=build/c-checks CFLAGS="-fsanitize=undefined -fno-sanitize-recover=all" CXXFLAGS="-fsanitize=undefined"
	@nm build/c-checks/shared/tests | grep -q __ubsan_ || { echo "the checks are not in the program" >&2; exit 1; }
	@build/c-checks/shared/tests -j $(C_JOBS) $(TESTS)

# Channels, select, the wait queues and timers against their models: many operations from a new seed, or from the one that is given.
# The usual suites go through a few fixed seeds.
MODEL_COUNT ?= 300000
test-models: $(C_BUILD)/shared/tests ## the model tests at length, from a new seed (or GT_MODEL_SEED)
	@export GT_MODEL_SEED=$${GT_MODEL_SEED:-$$(date +%s)} GT_MODEL_COUNT=$(MODEL_COUNT); \
	echo "# GT_MODEL_SEED=$$GT_MODEL_SEED GT_MODEL_COUNT=$$GT_MODEL_COUNT"; \
	$(C_BUILD)/shared/tests model_ && $(CARGO) test --release -q --lib timers

# Full size: 10,000 and 15,000 connections, a million tasks parked in each of two ways.
test-large: $(addprefix $(C_BUILD)/shared/large/,$(C_LARGE))
	@passed=0; failed=0; skipped=0; \
	for command in "echo_many 10000 100" "echo_many 15000 20" "million_parked 1000000 4300"; do \
	  $(C_BUILD)/shared/large/$$command; \
	  case $$? in 0) passed=$$((passed + 1));; 77) skipped=$$((skipped + 1));; *) failed=$$((failed + 1)); echo "failed: $$command";; esac; \
	done; \
	if [ $$skipped -gt 0 ]; then echo "$$passed passed, $$failed failed, $$skipped skipped"; else echo "$$passed passed, $$failed failed"; fi; \
	[ $$failed -eq 0 ]

# A random mix of everything on two workers, with flat memory and no lost wake. SOAK_ARGS="--seed N" plays with the same dice again.
SOAK_SECONDS ?= 600
SOAK_ARGS    ?=
soak: $(C_BUILD)/shared/soak ## everything at once on two workers, SOAK_SECONDS=600
	@$(C_BUILD)/shared/soak --seconds $(SOAK_SECONDS) $(SOAK_ARGS)

examples-c: $(addprefix $(C_BUILD)/shared/examples/,$(C_EXAMPLES))

# Writes greenrt.pc for PREFIX; `make install` calls it with DESTDIR and PREFIX set. Shells leave the tilde of PREFIX=~/x alone, and
# greenrt.pc is read from other folders: the paths in it are whole.
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
WHOLE    = $(abspath $(patsubst ~/%,$(HOME)/%,$(patsubst ~,$(HOME),$(1))))
ifneq ($(filter ~%,$(filter-out ~ ~/%,$(PREFIX) $(LIBDIR))),)
  $(error PREFIX=$(PREFIX) LIBDIR=$(LIBDIR): of the paths with a tilde only ~/... is understood)
endif
override PREFIX := $(call WHOLE,$(PREFIX))
override LIBDIR := $(call WHOLE,$(LIBDIR))
install-c:
	install -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(LIBDIR)/pkgconfig
	install -m 644 $(HEADER) $(DESTDIR)$(PREFIX)/include/greenrt.h
	install -m 644 include/greenrt.hpp $(DESTDIR)$(PREFIX)/include/greenrt.hpp
	install -m 755 $(LIB_DIR)/libgreenrt.so.1 $(DESTDIR)$(LIBDIR)/libgreenrt.so.1
	ln -sf libgreenrt.so.1 $(DESTDIR)$(LIBDIR)/libgreenrt.so
	install -m 644 $(LIB_STATIC) $(DESTDIR)$(LIBDIR)/libgreenrt.a
	install -d $(DESTDIR)$(PREFIX)/share/gdb/auto-load$(LIBDIR)
	install -m 644 bindings/gdb/greenrt-gdb.py $(DESTDIR)$(PREFIX)/share/gdb/auto-load$(LIBDIR)/libgreenrt.so.1-gdb.py
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
	  -e "s|@VERSION@|$$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)|" \
	  bindings/c/greenrt.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/greenrt.pc
