/* The runner itself: a suite that cannot fail proves nothing. It runs a program of tests that misbehave on purpose. */
#include "support.h"

#include <stdio.h>

static void self(struct s_end *end, const char *a, const char *b, const char *c) {
  const char *argv[] = {s_beside("selftest"), a, b, c, NULL};
  s_run(end, argv);
}

TEST(runner_tells_pass_fail_hang_crash_and_skip_apart) {
  struct s_end end;
  self(&end, NULL, NULL, NULL); /* the one that hangs has a limit of its own */
  CHECK_EQ(end.status, 1);
  CHECK_HAS(end.out, "1..10\n");
  CHECK_HAS(end.out, " - self_passes\n");
  CHECK_HAS(end.out, "self_fails\n#   ended with status 1, process ");
  CHECK_HAS(end.out, "self_hangs\n#   still running at its time limit\n");
  CHECK_HAS(end.out, "self_crashes\n#   died of signal 7 ");
  CHECK_HAS(end.out, "self_exits\n#   ended with status 3, process ");
  CHECK_HAS(end.out, "self_skips # SKIP no moon here\n");
  CHECK_HAS(end.out, "\n2 passed, 7 failed, 1 skipped\n");
}

TEST(runner_shows_expressions_values_and_output_of_a_failed_test_only) {
  struct s_end end;
  self(&end, "self_passes", "self_fails", NULL);
  CHECK_HAS(end.out, "#   seen because it failed\n");
  CHECK_HAS(end.out, "three + 1 == 5 does not hold\n");
  CHECK_HAS(end.out, "left:  4\n");
  CHECK_HAS(end.out, "right: 5\n");
  CHECK(strstr(end.out, "nobody should see this") == NULL);
}

TEST_WITH(runner_notices_what_was_left_behind, 0, 180) {
  struct s_end end;
  self(&end, "self_leaves_a_task", NULL, NULL);
  CHECK_EQ(end.status, 1);
  CHECK_HAS(end.out, "left behind by the test: 1 tasks, 1 stacks, 0 descriptors, 0 timers");
  self(&end, "self_leaves_an_object", NULL, NULL);
  CHECK_EQ(end.status, 1);
  CHECK_HAS(end.out, "0 timers, 1 objects, 0 jobs");
  self(&end, "self_leaves_a_job", NULL, NULL);
  CHECK_EQ(end.status, 1);
  CHECK_HAS(end.out, "0 objects, 1 jobs");
  self(&end, "self_may_leave_a_task", NULL, NULL);
  CHECK_EQ(end.status, 0);
  CHECK_HAS(end.out, "\n1 passed, 0 failed\n");
}

TEST(runner_lists_filters_and_runs_side_by_side) {
  struct s_end end;
  self(&end, "--list", "self_ski", NULL);
  CHECK_HAS(end.out, "self_skips  ");
  CHECK(strstr(end.out, "self_fails") == NULL);
  self(&end, "-j", "4", "self_passes");
  CHECK_HAS(end.out, "1..1\nok 1 - self_passes\n1 passed, 0 failed\n");
  self(&end, "no_such_test", NULL, NULL);
  CHECK_EQ(end.status, 1);
  CHECK_HAS(end.out, "0 passed, 0 failed\n");
}
