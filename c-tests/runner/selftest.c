/* Tests that fail, hang, crash and leave things behind on purpose: test_runner.c runs this program and looks at what the runner said. */
#include "test.h"

#include <greenrt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *park(void *arg) {
  gt_park();
  return arg;
}

TEST(self_passes) { printf("nobody should see this\n"); }

TEST(self_fails) {
  int three = 3;
  printf("seen because it failed\n");
  CHECK_EQ(three + 1, 5);
}

TEST_WITH(self_hangs, 0, 1) {
  for (;;) pause();
}

TEST(self_crashes) { raise(SIGBUS); }

TEST(self_exits) { exit(3); }

TEST(self_skips) { SKIP("no %s here", "moon"); }

TEST(self_leaves_a_task) { gt_spawn(park, NULL); }

static atomic_int begun;

static int64_t sleeps(void *arg) {
  (void)arg;
  begun = 1;
  return sleep(600);
}

static void *offloads(void *arg) {
  gt_offload(sleeps, NULL);
  return arg;
}

/* Its waiter is cancelled once it has begun: before, it would be taken back. */
TEST_WITH(self_leaves_a_job, 0, 120) {
  int64_t task = gt_spawn(offloads, NULL);
  while (!begun) gt_sleep(1000000);
  gt_cancel(task);
  gt_join(task, NULL);
}

TEST(self_leaves_an_object) { gt_mutex_new(); }

TEST_WITH(self_may_leave_a_task, T_LEAVES, 0) { gt_spawn(park, NULL); }
