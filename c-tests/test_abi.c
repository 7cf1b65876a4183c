/* The ABI of the header: sizes and offsets that bindings rely on, and that it compiles alone in every language it is meant for. */
#include "support.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A change here is a change of the ABI: raise GT_ABI_VERSION. Checked for 64-bit Linux. */
#define AT(type, member, offset) _Static_assert(offsetof(type, member) == (offset), #type "." #member " moved")
_Static_assert(GT_ABI_VERSION == 1, "the offsets below are those of ABI 1");
_Static_assert(GT_NEVER == INT64_MAX, "never is the last moment");
_Static_assert(GT_SPAWN_DETACHED == 1, "flags keep their bits");
_Static_assert(GT_OVERFLOW_DEFAULT == 0 && GT_OVERFLOW_ON == 1 && GT_OVERFLOW_OFF == 2, "overflow modes");
_Static_assert(GT_DEADLOCK_DEFAULT == 0 && GT_DEADLOCK_REPORT == 1 && GT_DEADLOCK_ERROR == 2 && GT_DEADLOCK_OFF == 3, "deadlock modes");
AT(gt_config_t, size, 0);
AT(gt_config_t, stack_size, 8);
AT(gt_config_t, guard_size, 16);
AT(gt_config_t, alloc, 24);
AT(gt_config_t, realloc, 32);
AT(gt_config_t, dealloc, 40);
AT(gt_config_t, alloc_arg, 48);
AT(gt_config_t, overflow_handler, 56);
AT(gt_config_t, deadlock, 60);
AT(gt_config_t, offload_threads, 64);
AT(gt_config_t, offload_queue, 68);
AT(gt_config_t, offload_linger, 72);
_Static_assert(sizeof(gt_config_t) == 80, "gt_config_t grew");
AT(gt_spawn_opts_t, size, 0);
AT(gt_spawn_opts_t, name, 8);
AT(gt_spawn_opts_t, stack_size, 16);
AT(gt_spawn_opts_t, stack, 24);
AT(gt_spawn_opts_t, guard_size, 32);
AT(gt_spawn_opts_t, priority, 40);
AT(gt_spawn_opts_t, flags, 44);
_Static_assert(sizeof(gt_spawn_opts_t) == 48, "gt_spawn_opts_t grew");
AT(gt_host_t, size, 0);
AT(gt_host_t, ctx, 8);
AT(gt_host_t, state_new, 16);
AT(gt_host_t, swap, 24);
AT(gt_host_t, state_clear, 32);
AT(gt_host_t, state_free, 40);
AT(gt_host_t, release, 48);
AT(gt_host_t, acquire, 56);
AT(gt_host_t, stack_bounds, 64);
AT(gt_host_t, interrupted, 72);
AT(gt_host_t, tls_key, 80);
AT(gt_host_t, trace, 88);
AT(gt_host_t, deadlocked, 96);
_Static_assert(sizeof(gt_host_t) == 104, "gt_host_t grew");
AT(gt_stats_t, size, 0);
AT(gt_stats_t, tasks_live, 8);
AT(gt_stats_t, tasks_parked, 16);
AT(gt_stats_t, tasks_ready, 24);
AT(gt_stats_t, tasks_spawned, 32);
AT(gt_stats_t, switches, 40);
AT(gt_stats_t, polls, 48);
AT(gt_stats_t, descriptors, 56);
AT(gt_stats_t, timers, 64);
AT(gt_stats_t, stacks_mapped, 72);
AT(gt_stats_t, stacks_in_use, 80);
AT(gt_stats_t, stacks_cached, 88);
AT(gt_stats_t, wakes_remote, 96);
AT(gt_stats_t, offload_jobs, 104);
AT(gt_stats_t, objects, 112);
AT(gt_stats_t, offload_threads, 120);
AT(gt_stats_t, offload_queued, 128);
_Static_assert(sizeof(gt_stats_t) == 136, "gt_stats_t grew");

/* Two units of this program (abi/twice_a.c, abi/twice_b.c) include the header, one of them twice. */
uint32_t abi_seen_by_a(void);
uint32_t abi_seen_by_b(void);

TEST(abi_header_is_included_twice_and_in_two_units) {
  CHECK_EQ(abi_seen_by_a(), GT_ABI_VERSION);
  CHECK_EQ(abi_seen_by_b(), GT_ABI_VERSION);
}

static void compile(const char *compiler, const char *language, const char *standard) {
  static struct s_end end;
  char command[512];
  if (!s_have_program(compiler)) SKIP("no %s here", compiler);
  const char *header = access("include/greenrt.h", R_OK) == 0 ? "include/greenrt.h" : NULL;
  if (!header) SKIP("not run from the top of the tree");
  snprintf(command, sizeof command, "%s -x %s -std=%s -fsyntax-only -Wall -Wextra -Wpedantic -Werror %s -include %s /dev/null", compiler, language,
           standard, strstr(standard, "++") ? "-Wno-unused" : "", header);
  const char *argv[] = {"sh", "-c", command, NULL};
  s_run(&end, argv);
  if (end.status != 0) FAIL("%s: status %d\n%s", command, end.status, end.out);
}

TEST(abi_header_compiles_alone_as_gnu89) { compile("gcc", "c", "gnu89"); }
TEST(abi_header_compiles_alone_as_c99) { compile("gcc", "c", "c99"); }
TEST(abi_header_compiles_alone_as_c11) { compile("gcc", "c", "c11"); }
TEST(abi_header_compiles_alone_as_c17) { compile("gcc", "c", "c17"); }
TEST(abi_header_compiles_alone_as_cxx11) { compile("g++", "c++", "c++11"); }
TEST(abi_header_compiles_alone_as_cxx17) { compile("g++", "c++", "c++17"); }
TEST(abi_header_compiles_alone_as_cxx20) { compile("g++", "c++", "c++20"); }
TEST(abi_header_compiles_alone_as_c99_by_clang) { compile("clang", "c", "c99"); }
TEST(abi_header_compiles_alone_as_cxx17_by_clang) { compile("clang++", "c++", "c++17"); }

TEST(abi_cxx_program_links_and_runs) {
  static struct s_end end;
  const char *path = s_beside("abi_cxx");
  if (access(path, X_OK) != 0) SKIP("no C++ compiler when this was built");
  const char *argv[] = {path, NULL};
  s_run(&end, argv);
  CHECK_EQ(end.status, 0);
  CHECK_STR(end.out, "sum 499500\n");
}
