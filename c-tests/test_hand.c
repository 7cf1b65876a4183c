/* Hand-over: a switch to a task of one's choice, with a value; tasks that start suspended. */
#include "support.h"

#include <errno.h>

static int64_t suspended(gt_entry_t entry, void *arg) {
  gt_spawn_opts_t opts = {.size = sizeof opts, .flags = GT_SPAWN_SUSPENDED};
  int64_t task = gt_spawn_with(entry, arg, &opts);
  CHECK_GT(task, 0);
  return task;
}

static int64_t back_to;

static void *echo(void *arg) {
  void *value = arg;
  for (int i = 0; i < 3; i++) CHECK_EQ(gt_hand_over(back_to, (char *)value + 1, &value), 0);
  gt_exit(value);
  return NULL;
}

static void *bystander(void *arg) {
  s_log('b');
  return arg;
}

TEST(hand_over_switches_at_once_with_a_value) {
  back_to = gt_self();
  int64_t task = suspended(echo, (void *)10), other = s_spawn(bystander, NULL);
  void *value = NULL;
  uint64_t before = s_stats().switches;
  CHECK_EQ(gt_hand_over(task, (void *)77, &value), 0); /* its first value is the argument of its spawn */
  CHECK_EQ((intptr_t)value, 11);
  CHECK_EQ(gt_hand_over(task, (void *)20, &value), 0);
  CHECK_EQ((intptr_t)value, 21);
  CHECK_EQ(s_stats().switches - before, 4); /* two each; nobody else ran */
  CHECK_STR(s_logged(), "");
  CHECK_EQ(gt_hand_over(task, NULL, NULL), 0);
  CHECK_EQ(gt_hand_over_until(task, (void *)30, &value, IN_MS(1)), -ETIMEDOUT); /* it ends */
  CHECK_EQ((intptr_t)value, 21);
  CHECK_EQ((intptr_t)s_join(task), 30);
  CHECK_STR(s_logged(), "b");
  CHECK_EQ(gt_join(other, NULL), 0);
}

static void *ring_member(void *arg) {
  int64_t *next = arg;
  void *count = NULL;
  for (;;) {
    int got = gt_hand_over(*next, (char *)count + 1, &count);
    if (got < 0) return (void *)(intptr_t)got;
  }
}

TEST(hand_over_goes_round) {
  int64_t tasks[5], next[5];
  void *count = NULL;
  back_to = gt_self();
  for (int i = 0; i < 5; i++) tasks[i] = suspended(ring_member, &next[i]);
  for (int i = 0; i < 5; i++) next[i] = i < 4 ? tasks[i + 1] : back_to;
  for (int i = 0; i < 1000; i++) CHECK_EQ(gt_hand_over(tasks[0], count, &count), 0);
  /* On the first round each member started with nothing. */
  CHECK_EQ((intptr_t)count, 1 + 999 * 5);
  for (int i = 0; i < 5; i++) {
    gt_cancel(tasks[i]);
    CHECK_EQ((intptr_t)s_join(tasks[i]), -ECANCELED);
  }
}

static int turns;

static void *counts(void *arg) {
  while (gt_yield() == 0)
    if (++turns == 3) CHECK_EQ(gt_interrupt(*(int64_t *)arg, 1), 0);
  return NULL;
}

static void *pings(void *arg) {
  int64_t *other = arg;
  int got;
  while ((got = gt_hand_over(*other, NULL, NULL)) == 0) {
  }
  return (void *)(intptr_t)got;
}

TEST(hand_over_for_ever_starves_nobody) {
  int64_t a, b, root = gt_self(), counter = s_spawn(counts, &root);
  a = suspended(pings, &b);
  b = suspended(pings, &a);
  CHECK_EQ(gt_hand_over(a, NULL, NULL), -EINTR); /* others have their turns */
  CHECK_EQ(gt_sleep(MS(1)), 0);                  /* and timers are looked at */
  const int64_t tasks[] = {a, b, counter};
  for (int i = 0; i < 3; i++) {
    gt_cancel(tasks[i]);
    s_join(tasks[i]);
  }
}

static void *waits(void *arg) {
  void *value = NULL;
  int got = gt_hand_over_until(back_to, NULL, &value, *(int64_t *)arg);
  return (void *)(intptr_t)(got ? got : (int)(intptr_t)value);
}

TEST(hand_over_waits_until_cancelled_or_interrupted_or_late) {
  int64_t never = GT_NEVER, soon = IN_MS(2);
  back_to = gt_self();
  int64_t cancelled = suspended(waits, &never), interrupted = suspended(waits, &never), late = suspended(waits, &soon);
  CHECK_EQ(gt_hand_over(cancelled, NULL, NULL), 0);
  CHECK_EQ(gt_hand_over(interrupted, NULL, NULL), 0);
  CHECK_EQ(gt_hand_over(late, NULL, NULL), 0);
  gt_cancel(cancelled);
  gt_interrupt(interrupted, 1);
  CHECK_EQ(gt_hand_over(cancelled, NULL, NULL), -EBUSY); /* not any more */
  CHECK_EQ((intptr_t)s_join(cancelled), -ECANCELED);
  CHECK_EQ((intptr_t)s_join(interrupted), -EINTR);
  CHECK_EQ((intptr_t)s_join(late), -ETIMEDOUT);
}

static void *scoped(void *arg) {
  int64_t token = gt_deadline_push(IN_MS(2));
  int got = gt_hand_over(back_to, arg, NULL);
  CHECK_EQ(gt_deadline_pop(token), 1);
  return (void *)(intptr_t)got;
}

TEST(hand_over_ends_with_a_deadline_scope) {
  back_to = gt_self();
  int64_t task = suspended(scoped, NULL);
  CHECK_EQ(gt_hand_over(task, NULL, NULL), 0);
  CHECK_EQ((intptr_t)s_join(task), -ETIMEDOUT);
}

static void *parks(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_park();
}

static void *elsewhere(void *arg) {
  CHECK_EQ(gt_hand_over(*(int64_t *)arg, NULL, NULL), -EXDEV);
  gt_shutdown();
  return NULL;
}

static void *when_cancelled(void *arg) {
  gt_cancel(gt_self());
  return (void *)(intptr_t)gt_hand_over(*(int64_t *)arg, NULL, NULL);
}

TEST(hand_over_refused) {
  void *kept = &kept;
  int64_t parked = s_spawn(parks, NULL), ended, never = GT_NEVER, task = suspended(waits, &never);
  back_to = gt_self();
  ended = s_spawn(parks, NULL);
  CHECK_EQ(gt_hand_over(parked, NULL, &kept), -EBUSY); /* ready */
  s_settle();
  CHECK_EQ(gt_hand_over(parked, NULL, &kept), -EBUSY);
  gt_unpark(ended);
  s_settle();
  CHECK_EQ(gt_hand_over(ended, NULL, &kept), -ESRCH); /* ended, not joined */
  s_join(ended);
  CHECK_EQ(gt_hand_over(ended, NULL, &kept), -ESRCH);
  CHECK_EQ(gt_hand_over(0, NULL, &kept), -ESRCH);
  CHECK_EQ(gt_hand_over(-1, NULL, &kept), -ESRCH);
  CHECK_EQ(gt_hand_over(gt_self(), NULL, &kept), -EDEADLK);
  s_thread_join(s_thread(elsewhere, &task));
  CHECK_EQ((intptr_t)s_join(s_spawn(when_cancelled, &task)), -ECANCELED); /* on entry: not handed */
  CHECK(kept == &kept);
  CHECK_EQ(gt_hand_over(task, NULL, &kept), 0);
  CHECK(kept == NULL);
  CHECK_EQ(gt_hand_over_until(task, (void *)5, NULL, 0), -ETIMEDOUT); /* handed, and not waited */
  CHECK_EQ((intptr_t)s_join(task), 5);
  gt_unpark(parked);
  s_join(parked);
}

static void *awaits(void *arg) {
  void *value = NULL;
  int got = gt_hand_await(&value);
  if (got == -EINTR) got = gt_hand_await_until(&value, *(int64_t *)arg); /* goes on */
  return (void *)(intptr_t)(got ? got : (int)(intptr_t)value);
}

TEST(hand_await_waits_for_a_hand_over) {
  int64_t never = GT_NEVER, soon = IN_MS(2);
  int64_t handed = s_spawn(awaits, &never), cancelled = s_spawn(awaits, &never), late = s_spawn(awaits, &soon);
  s_settle();
  CHECK_EQ(gt_hand_over_until(handed, (void *)7, NULL, 0), -ETIMEDOUT); /* handed, and not waited */
  gt_cancel(cancelled);
  gt_interrupt(late, 1);
  CHECK_EQ((intptr_t)s_join(handed), 7);
  CHECK_EQ((intptr_t)s_join(cancelled), -ECANCELED);
  CHECK_EQ((intptr_t)s_join(late), -ETIMEDOUT);
  int64_t interrupted = s_spawn(awaits, &never);
  s_settle();
  gt_interrupt(interrupted, 1);
  s_settle();
  CHECK_EQ(gt_hand_over_until(interrupted, (void *)8, NULL, 0), -ETIMEDOUT); /* it waits again */
  CHECK_EQ((intptr_t)s_join(interrupted), 8);
  int64_t token = gt_deadline_push(IN_MS(1));
  CHECK_EQ(gt_hand_await(NULL), -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(token), 1);
}

TEST(hand_await_is_told_of_a_deadlock) {
  gt_config_t config = {.size = sizeof config, .deadlock = GT_DEADLOCK_ERROR};
  CHECK_EQ(gt_config(&config), 0);
  CHECK_EQ(gt_hand_await(NULL), -EDEADLK);
}

TEST(suspended_task_starts_when_cancelled) {
  int64_t task = suspended(parks, NULL);
  s_settle();
  CHECK_EQ(s_stats().tasks_parked, 1);
  CHECK_EQ(gt_unpark(task), 0); /* a permit, no start */
  s_settle();
  gt_cancel(task);
  CHECK_EQ((intptr_t)s_join(task), -ECANCELED);
}

TEST(suspended_task_ends_with_shutdown) {
  suspended(parks, NULL);
  CHECK_EQ(gt_shutdown(), 0);
}

static void *errno_echo(void *arg) {
  errno = 5;
  CHECK_EQ(gt_hand_over(back_to, arg, NULL), 0);
  CHECK_EQ(errno, 5);
  return NULL;
}

TEST(hand_over_keeps_errno) {
  back_to = gt_self();
  int64_t task = suspended(errno_echo, NULL);
  errno = 4;
  CHECK_EQ(gt_hand_over(task, NULL, NULL), 0);
  CHECK_EQ(errno, 4);
  CHECK_EQ(gt_hand_over_until(task, NULL, NULL, IN_MS(1)), -ETIMEDOUT);
  CHECK_EQ(errno, 4);
  s_join(task);
}
