/* Time: the clock, sleeping, timers in order, deadline scopes. */
#include "support.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

TEST(time_now_is_the_monotonic_clock) {
  struct timespec ts;
  int64_t before = gt_now();
  CHECK_OK(clock_gettime(CLOCK_MONOTONIC, &ts));
  int64_t kernel = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
  CHECK_LE(before, kernel);
  CHECK_LE(kernel, gt_now());
}

TEST(time_sleep_is_never_short) {
  for (int ms = 0; ms < 20; ms += 3) {
    int64_t start = gt_now();
    CHECK_EQ(gt_sleep(MS(ms)), 0);
    CHECK_GE(gt_now() - start, MS(ms));
    int64_t until = IN_MS(ms);
    CHECK_EQ(gt_sleep_until(until), 0);
    CHECK_GE(gt_now(), until);
  }
}

TEST(time_sleep_of_odd_lengths) {
  CHECK_EQ(gt_sleep(-1), -EINVAL);
  CHECK_EQ(gt_sleep(INT64_MIN), -EINVAL);
  CHECK_EQ(gt_sleep(1), 0);
  CHECK_EQ(gt_sleep_until(0), 0);
  CHECK_EQ(gt_sleep_until(gt_now() - MS(1000)), 0);
  CHECK_EQ(gt_sleep_until(-5), 0);
}

static void *log_one(void *arg) {
  s_log(*(const char *)arg);
  return NULL;
}

TEST(time_sleep_of_nothing_lets_others_run) {
  int64_t task = s_spawn(log_one, "t");
  CHECK_EQ(gt_sleep(0), 0);
  CHECK_STR(s_logged(), "t");
  s_join(task);
}

static void *sleep_for_ever(void *arg) {
  return (void *)(intptr_t)(arg ? gt_sleep_until(GT_NEVER) : gt_sleep(INT64_MAX));
}

TEST(time_sleep_for_ever_can_be_cancelled) {
  for (int door = 0; door < 2; door++) {
    int64_t task = s_spawn(sleep_for_ever, door ? &door : NULL);
    s_settle();
    CHECK_EQ(gt_sleep(MS(5)), 0);
    CHECK_EQ(gt_cancel(task), 0);
    CHECK_EQ((intptr_t)s_join(task), -ECANCELED);
  }
}

enum { SLEEPERS = 10000 };
TEST(time_far_deadlines_are_not_near) {
  const int64_t far[] = {INT64_MAX - 1, INT64_MAX / 2, INT64_C(1) << 61, IN_MS(1000) * 1000};
  for (size_t i = 0; i < COUNT(far); i++) {
    int64_t scope = gt_deadline_push(far[i]);
    CHECK_GT(scope, 0);
    CHECK_EQ(gt_interrupt_at(gt_self(), 1, far[i]), 0);
    CHECK_EQ(gt_park_until(IN_MS(3)), -ETIMEDOUT);
    CHECK_EQ(gt_sleep(MS(1)), 0);
    CHECK_EQ(gt_deadline_pop(scope), 0);
    CHECK_EQ(gt_interrupt_withdraw(gt_self(), 1), 0);
    CHECK_EQ(s_stats().timers, 0);
  }
}

static int64_t base, wakes[SLEEPERS], times[SLEEPERS];
static int awake;

static void *sleeper(void *arg) {
  int64_t at = *(int64_t *)arg;
  CHECK_EQ(gt_sleep_until(at), 0);
  CHECK_GE(gt_now(), at);
  wakes[awake++] = at;
  return NULL;
}

TEST_WITH(time_timers_fire_in_the_order_of_their_deadlines, T_FIGURES, 0) {
  static int64_t tasks[SLEEPERS];
  srand(7);
  for (int64_t lead = MS(200), late = 1; late; lead *= 2) {
    awake = 0;
    base = gt_now() + lead;
    for (int i = 0; i < SLEEPERS; i++) {
      times[i] = base + rand() % MS(300);
      tasks[i] = s_spawn(sleeper, &times[i]);
    }
    CHECK_EQ(gt_yield(), 0);
    late = gt_now() >= base; /* not all were asleep in time: a slow machine gets a longer lead */
    for (int i = 0; i < SLEEPERS; i++) s_join(tasks[i]);
    CHECK_EQ(awake, SLEEPERS);
    for (int i = 1; i < SLEEPERS && !late; i++) CHECK_LE(wakes[i - 1], wakes[i]);
  }
}

static void *letter(void *arg) {
  CHECK_EQ(gt_sleep_until(base), 0);
  s_log(*(const char *)arg);
  return NULL;
}

TEST(time_equal_deadlines_fire_first_come_first_served) {
  static const char names[] = "abcdefghijklmnopqrstuvwxyz";
  static int64_t tasks[26];
  CHECK_EQ(gt_clock_virtual(0, 0), 0); /* all of them sleep when it comes, however slow the machine */
  base = IN_MS(20);
  for (int i = 0; i < 26; i++) tasks[i] = s_spawn(letter, (void *)(uintptr_t)&names[i]);
  for (int i = 0; i < 26; i++) s_join(tasks[i]);
  CHECK_STR(s_logged(), names);
}

TEST(time_a_million_closed_scopes_leave_no_timer) {
  gt_stats_t before = s_stats();
  for (int i = 0; i < 1000000; i++) {
    int64_t scope = gt_deadline_push(IN_MS(3600000));
    CHECK_GT(scope, 0);
    if (i % 1000 == 0) CHECK_EQ(gt_park_until(0), -ETIMEDOUT);
    CHECK_EQ(gt_deadline_pop(scope), 0);
  }
  CHECK_EQ(s_stats().timers, before.timers);
}

TEST(deadline_scope_ends_a_blocking_call_and_says_so) {
  int fds[2];
  char byte;
  s_unix_pair(SOCK_STREAM, fds);
  int64_t start = gt_now(), scope = gt_deadline_push(start + MS(20));
  CHECK_GT(scope, 0);
  CHECK_EQ(gt_recv(fds[0], &byte, 1, 0), -ETIMEDOUT);
  CHECK_GE(gt_now(), start + MS(20));
  CHECK_EQ(gt_recv(fds[0], &byte, 1, 0), -ETIMEDOUT); /* still over */
  CHECK_EQ(gt_sleep(MS(1)), -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(scope), 1);
  CHECK_EQ(gt_sleep(MS(1)), 0);
  s_close_pair(fds);
}

TEST(deadline_scope_that_was_not_needed_returns_0) {
  int64_t scope = gt_deadline_push(IN_MS(60000));
  CHECK_EQ(gt_sleep(MS(1)), 0);
  CHECK_EQ(gt_park_until(IN_MS(1)), -ETIMEDOUT); /* the call's own deadline */
  CHECK_EQ(gt_deadline_pop(scope), 0);
}

TEST(deadline_scope_in_the_past_still_takes_what_is_there) {
  int fds[2];
  char bytes[4];
  s_unix_pair(SOCK_STREAM, fds);
  CHECK_EQ(gt_send(fds[1], "abc", 3, 0), 3);
  int64_t scope = gt_deadline_push(gt_now() - MS(1));
  CHECK_EQ(gt_recv(fds[0], bytes, 4, 0), 3);
  CHECK_EQ(gt_recv(fds[0], bytes, 4, 0), -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(scope), 1);
  s_close_pair(fds);
}

static void *unpark_late(void *arg) {
  s_real_sleep(20); /* the scope's time is over before its task can run */
  CHECK_EQ(gt_unpark(*(int64_t *)arg), 0);
  return NULL;
}

TEST(deadline_scope_that_came_too_late_for_the_call_did_not_end_it) {
  int64_t root = gt_self(), task = s_spawn(unpark_late, &root), scope = gt_deadline_push(IN_MS(10));
  int got = gt_park();
  CHECK(got == 0 || got == -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(scope), got == -ETIMEDOUT);
  s_join(task);
  CHECK_EQ(gt_park_until(0), got == 0 ? -ETIMEDOUT : 0);
}

TEST(deadline_scopes_nest_and_the_nearest_counts) {
  int64_t start = gt_now();
  int64_t outer = gt_deadline_push(start + MS(20)), inner = gt_deadline_push(start + MS(600000));
  CHECK_EQ(gt_sleep(MS(600000)), -ETIMEDOUT);
  CHECK_LT(gt_now(), start + MS(300000));
  CHECK_EQ(gt_deadline_pop(inner), 0);
  CHECK_EQ(gt_deadline_pop(outer), 1);
  outer = gt_deadline_push(start + MS(600000));
  inner = gt_deadline_push(gt_now() + MS(10));
  CHECK_EQ(gt_sleep(MS(600000)), -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(inner), 1);
  CHECK_EQ(gt_sleep(MS(1)), 0);
  CHECK_EQ(gt_deadline_pop(outer), 0);
}

TEST(deadline_scopes_are_popped_in_order) {
  int64_t outer = gt_deadline_push(GT_NEVER), inner = gt_deadline_push(GT_NEVER);
  CHECK_EQ(gt_deadline_pop(outer), -EINVAL);
  CHECK_EQ(gt_deadline_pop(0), -EINVAL);
  CHECK_EQ(gt_deadline_pop(-1), -EINVAL);
  CHECK_EQ(gt_deadline_pop(INT64_MAX), -EINVAL);
  CHECK_EQ(gt_deadline_pop(inner), 0);
  CHECK_EQ(gt_deadline_pop(inner), -EINVAL);
  CHECK_EQ(gt_deadline_pop(outer), 0);
}

static void *sleep_in_peace(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_sleep(MS(20));
}

static void *leave_a_scope(void *arg) {
  CHECK_GT(gt_deadline_push(IN_MS(1)), 0);
  return arg;
}

TEST(deadline_scope_belongs_to_its_task) {
  int64_t other = s_spawn(sleep_in_peace, NULL);
  int64_t scope = gt_deadline_push(gt_now());
  CHECK_EQ(gt_yield(), 0);
  CHECK_EQ(gt_deadline_pop(scope), 0);
  CHECK_EQ((intptr_t)s_join(other), 0);
  s_join(s_spawn(leave_a_scope, NULL));
  CHECK_EQ(gt_sleep(MS(5)), 0);
}

TEST(deadline_scope_waits_behind_a_shield) {
  int64_t scope = gt_deadline_push(IN_MS(5));
  CHECK_EQ(gt_shield_push(), 0);
  CHECK_EQ(gt_sleep(MS(20)), 0);
  CHECK_EQ(gt_shield_pop(), 0);
  CHECK_EQ(gt_sleep(MS(1)), -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(scope), 1);
}
