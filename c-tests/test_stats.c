/* gt_stats: the counters are right, and the struct may grow. */
#include "support.h"

#include <errno.h>

static void *park(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_park();
}

static void *yielder(void *arg) {
  for (int i = 0; i < 100; i++) CHECK_EQ(gt_yield(), 0);
  return arg;
}

static void *nap(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_sleep(MS(60000));
}

TEST(stats_count_tasks_by_what_they_do) {
  int64_t parked[3], ready[2];
  CHECK_EQ(s_stats().tasks_live, 0);
  for (int i = 0; i < 3; i++) parked[i] = s_spawn(park, NULL);
  s_settle();
  for (int i = 0; i < 2; i++) ready[i] = s_spawn(yielder, NULL);
  gt_stats_t stats = s_stats();
  CHECK_EQ(stats.tasks_live, 5);
  CHECK_EQ(stats.tasks_parked, 3);
  CHECK_EQ(stats.tasks_ready, 2);
  CHECK_EQ(stats.tasks_spawned, 5);
  CHECK_EQ(stats.stacks_in_use, 5);
  CHECK_GE(stats.stacks_mapped, 5);
  for (int i = 0; i < 3; i++) CHECK_EQ(gt_unpark(parked[i]), 0);
  for (int i = 0; i < 3; i++) s_join(parked[i]);
  for (int i = 0; i < 2; i++) s_join(ready[i]);
  stats = s_stats();
  CHECK_EQ(stats.tasks_live, 0);
  CHECK_EQ(stats.tasks_spawned, 5);
  CHECK_EQ(stats.stacks_in_use, 0);
  CHECK_GT(stats.stacks_cached, 0);
}

static void *look_from_inside(void *arg) {
  gt_stats_t stats = s_stats();
  CHECK_EQ(stats.tasks_live, 3);
  CHECK_EQ(stats.tasks_parked, 1);
  CHECK_EQ(stats.tasks_ready, 1);
  return arg;
}

TEST(stats_look_the_same_from_inside_a_task) {
  int64_t parked = s_spawn(park, NULL);
  s_settle();
  int64_t looker = s_spawn(look_from_inside, NULL), ready = s_spawn(yielder, NULL);
  s_join(looker); /* the root is parked meanwhile */
  CHECK_EQ(gt_unpark(parked), 0);
  s_join(parked);
  s_join(ready);
  parked = s_spawn(park, NULL);
  s_settle();
  looker = s_spawn(look_from_inside, NULL);
  ready = s_spawn(yielder, NULL);
  CHECK_EQ(gt_yield(), 0); /* the root is ready meanwhile */
  CHECK_EQ(gt_unpark(parked), 0);
  s_join(looker);
  s_join(parked);
  s_join(ready);
}

TEST_WITH(stats_count_switches_and_polls, T_HASTE, 0) {
  int64_t task = s_spawn(yielder, NULL);
  uint64_t before = s_stats().switches;
  s_join(task);
  gt_stats_t stats = s_stats();
  CHECK_GE(stats.switches - before, 2);
  CHECK_LE(stats.switches - before, 220);
  uint64_t polls = stats.polls;
  CHECK_EQ(gt_sleep(MS(2)), 0);
  CHECK_GT(s_stats().polls, polls);
}

TEST(stats_count_timers_and_descriptors) {
  int fds[2];
  char byte;
  int64_t tasks[4];
  for (int i = 0; i < 4; i++) tasks[i] = s_spawn(nap, NULL);
  s_settle();
  CHECK_EQ(s_stats().timers, 4);
  for (int i = 0; i < 4; i++) CHECK_EQ(gt_cancel(tasks[i]), 0);
  for (int i = 0; i < 4; i++) s_join(tasks[i]);
  CHECK_EQ(s_stats().timers, 0);
  s_unix_pair(SOCK_STREAM, fds);
  s_adopt_pair(fds);
  CHECK_EQ(gt_recv_until(fds[0], &byte, 1, 0, IN_MS(1)), -ETIMEDOUT);
  CHECK_GE(s_stats().descriptors, 1);
  s_close_pair(fds);
  CHECK_EQ(s_stats().descriptors, 0);
}

TEST(stats_of_an_older_and_a_newer_caller) {
  struct {
    gt_stats_t known;
    uint64_t tail[4];
  } longer = {.known = {.size = sizeof longer}, .tail = {7, 7, 7, 7}};
  gt_stats_t shorter;
  int got = gt_stats(&longer.known);
  CHECK(got == 0 || got == -E2BIG); /* an unknown tail that is not zero */
  memset(longer.tail, 0, sizeof longer.tail);
  CHECK_EQ(gt_stats(&longer.known), 0);
  memset(&shorter, 0xaa, sizeof shorter);
  shorter.size = offsetof(gt_stats_t, tasks_ready);
  CHECK_EQ(gt_stats(&shorter), 0);
  CHECK_EQ(shorter.tasks_live, 0);
  CHECK_EQ(shorter.tasks_ready, 0xaaaaaaaaaaaaaaaall);
  CHECK_EQ(gt_stats(NULL), -EINVAL);
  shorter.size = 0;
  CHECK_EQ(gt_stats(&shorter), -EINVAL);
}
