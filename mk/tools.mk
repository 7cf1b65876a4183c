# The C suite under the tools that watch memory and threads, the fault loops and the models. Included by the Makefile; docs/TESTING.md
# says what each proves.
#
#   make test-asan, test-ubsan, test-tsan, test-valgrind     the C suite under a tool      ... TESTS="socket"   a part of it
#   make test-faults                                         the Nth allocation or system call fails
#   make test-loom                                           what crosses threads, in every order
#
# Each first proves that its tool is in: faults on purpose must be reported (c-tests/tools/prove.sh).

TOOL_HOST   = $(shell rustc -vV | sed -n 's/^host: //p')
TOOL_RT     = $(shell rustc --print sysroot)/lib/rustlib/$(TOOL_HOST)/lib/librustc-stable_rt
# gcc compiles the checks in, and rustc's runtime serves both: two copies of a runtime in one process would not do.
TOOL_LIBS   = -fno-sanitize=all -Wl,--whole-archive $(TOOL_RT).$(1).a -Wl,--no-whole-archive -Wl,--export-dynamic -pthread -ldl -lm -lrt
TOOL_SUPPRESS = c-tests/tools/suppressions

ASAN_OPTIONS_TEST = detect_leaks=1:detect_stack_use_after_return=1:abort_on_error=0:exitcode=99:allocator_may_return_null=1:handle_segv=0:handle_sigbus=0:handle_abort=0
TSAN_OPTIONS_TEST = suppressions=$(abspath $(TOOL_SUPPRESS)/tsan):exitcode=99:allocator_may_return_null=1:atexit_sleep_ms=10:die_after_fork=0:report_mutex_bugs=0:report_thread_leaks=0:handle_segv=0:handle_sigbus=0:handle_abort=0
# Leaks are AddressSanitizer's part: memcheck would report what a forked child inherits from threads that it does not have.
VALGRIND    = valgrind -q --error-exitcode=99 --leak-check=no --num-callers=30 --fair-sched=yes

.PHONY: test-loom test-loom-faults test-asan test-ubsan test-tsan test-valgrind test-tool test-faults

# Programs linked with a library of the tool's own: $(1) the tool, $(2) flags for rustc, $(3) features, $(4) more arguments for cargo.
define TOOL_LIBRARY
build/$(1)/lib/libgreenrt.so: $$(RUST_SRC)
	RUSTC_BOOTSTRAP=1 RUSTFLAGS="$(2) -Cforce-frame-pointers=yes" $$(CARGO) build --profile checked --features "$(3)" \
	  --target $$(TOOL_HOST) --target-dir target/$(1)
	@mkdir -p $$(@D)
	cp target/$(1)/$$(TOOL_HOST)/checked/libgreenrt.so $$@.$$(ABI)
	ln -sf libgreenrt.so.$$(ABI) $$@
	@touch $$@
endef
$(eval $(call TOOL_LIBRARY,asan,-Zsanitizer=address,asan))
$(eval $(call TOOL_LIBRARY,tsan,-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer,tsan))
$(eval $(call TOOL_LIBRARY,ubsan,,))
$(eval $(call TOOL_LIBRARY,valgrind,,valgrind))
$(eval $(call TOOL_LIBRARY,faults,,fault-injection))

$(C_BUILD)/shared/seeded: c-tests/tools/seeded.c $(HEADER) $(LIB_SHARED)
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) -Wno-array-bounds -Wno-stringop-overflow -Wno-dangling-pointer -O1 $(C_PATHS) -c $< -o $@.o
	$(CC) $(CFLAGS) $@.o -o $@ $(C_LINK_shared)

# One tool's programs; called with the variables that follow.
TOOL_PROGRAMS = $(addprefix $(C_BUILD)/shared/,tests selftest seeded) $(addprefix $(C_BUILD)/shared/examples/,$(C_EXAMPLES)) \
	$(addprefix $(C_BUILD)/shared/examples/cxx/,$(CXX_EXAMPLES)) \
	$(addprefix $(C_BUILD)/shared/large/,$(C_LARGE))
test-tool: $(TOOL_PROGRAMS)

# $(1) the tool, $(2) flags for gcc, $(3) libraries.
TOOL_MAKE = $(MAKE) --no-print-directory test-tool C_BUILD=build/c-$(1) LIB_DIR=build/$(1)/lib CFLAGS="$(2) -fno-omit-frame-pointer" \
	CXXFLAGS="$(2) -fno-omit-frame-pointer" \
	$(if $(3),C_LIBS='$(3)')

test-asan: ## the C suite under AddressSanitizer, leaks included
	@+$(call TOOL_MAKE,asan,-fsanitize=address,$(call TOOL_LIBS,asan))
	@ASAN_OPTIONS=$(ASAN_OPTIONS_TEST) c-tests/tools/prove.sh asan build/c-asan/shared/seeded
	@ASAN_OPTIONS=$(ASAN_OPTIONS_TEST) build/c-asan/shared/tests --tool asan -j $(C_JOBS) $(TESTS)

test-ubsan: ## the C suite with checks for undefined behaviour, in C and in the library
	@+$(call TOOL_MAKE,ubsan,-fsanitize=undefined -fno-sanitize-recover=all)
	@c-tests/tools/prove.sh ubsan build/c-ubsan/shared/seeded
	@build/c-ubsan/shared/tests --tool ubsan -j $(C_JOBS) $(TESTS)

test-tsan: ## what crosses OS threads, under ThreadSanitizer
	@+$(call TOOL_MAKE,tsan,-fsanitize=thread,$(call TOOL_LIBS,tsan))
	@TSAN_OPTIONS=$(TSAN_OPTIONS_TEST) c-tests/tools/prove.sh tsan build/c-tsan/shared/seeded
	@TSAN_OPTIONS=$(TSAN_OPTIONS_TEST) build/c-tsan/shared/tests --tool tsan -j $(C_JOBS) $(TESTS)

test-valgrind: ## the C suite under valgrind memcheck
	@+$(call TOOL_MAKE,valgrind,)
	@c-tests/tools/prove.sh valgrind build/c-valgrind/shared/seeded $(VALGRIND)
	@$(VALGRIND) build/c-valgrind/shared/tests --tool valgrind -j $(C_JOBS) $(TESTS)

# The fault loops: a library whose calls can be made to fail, and programs on the public header.
FAULTS      = build/c-faults
FAULT_SRC   = $(wildcard c-tests/faults/*.c)

$(FAULTS)/promises.inc: c-tests/faults/promises.py $(HEADER)
	@mkdir -p $(@D)
	$(PYTHON) $< < $(HEADER) > $@.new
	mv $@.new $@

$(FAULTS)/seen.inc: c-tests/faults/seen.txt
	@mkdir -p $(@D)
	sed -n 's/^[a-z].*/"&",/p' $< > $@

$(FAULTS)/faults: $(FAULT_SRC) c-tests/faults/faults.h $(FAULTS)/promises.inc $(FAULTS)/seen.inc $(HEADER) build/faults/lib/libgreenrt.so
	$(CC) $(C_FLAGS) -I$(C_INCLUDE) -I$(FAULTS) $(FAULT_SRC) -o $@ -Wl,-z,now -Lbuild/faults/lib -lgreenrt \
	  -Wl,-rpath,$(abspath build/faults/lib) $(C_LIBS)

# The files that cross OS threads, compiled with loom's atomics behind their door (tests/loom).
LOOM = $(CARGO) run --quiet --release --manifest-path tests/loom/Cargo.toml --target-dir target/loom --

test-loom: ## what crosses OS threads, in every order that the memory model allows
	@$(LOOM) $(TESTS)

test-loom-faults: ## which orders, weakened one at a time, the models notice; minutes
	@$(LOOM) --faults $(TESTS)

test-faults: $(FAULTS)/faults ## the 1st, 2nd, 3rd … allocation, mapping or system call of the library fails
	@$(PYTHON) c-tests/faults/seam.py build/faults/lib/libgreenrt.so
	@$(FAULTS)/faults $(TESTS)
