/* Deadlock: reported only where it is provable, and turned into -EDEADLK when asked. */
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static void *park(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_park();
}

static void ask_for(uint32_t mode) {
  gt_config_t config = {.size = sizeof config, .deadlock = mode};
  CHECK_EQ(gt_config(&config), 0);
}

TEST(deadlock_mode_error_ends_the_roots_call) {
  ask_for(GT_DEADLOCK_ERROR);
  int64_t task = s_spawn(park, NULL);
  CHECK_EQ(gt_join(task, NULL), -EDEADLK);
  CHECK_EQ(gt_park(), -EDEADLK);
  CHECK_EQ(gt_unpark(task), 0);
  CHECK_EQ(gt_join(task, NULL), 0);
}

/* In error mode each of these would end the root's wait at once if it were taken for a deadlock. */
static void *wake_later(void *arg) {
  s_real_sleep(30);
  CHECK_EQ(gt_waker_wake(arg), 0);
  return NULL;
}

TEST(deadlock_is_not_seen_while_a_foreign_waker_is_out) {
  ask_for(GT_DEADLOCK_ERROR);
  gt_waker_t *waker = gt_waker_new(gt_self());
  pthread_t thread = s_thread(wake_later, waker);
  CHECK_EQ(gt_park(), 0);
  s_thread_join(thread);
  gt_waker_free(waker);
  CHECK_EQ(gt_park(), -EDEADLK); /* the last waker is gone */
}

static void *sleep_then_unpark(void *arg) {
  CHECK_EQ(gt_sleep(MS(10)), 0);
  CHECK_EQ(gt_unpark(*(int64_t *)arg), 0);
  return NULL;
}

TEST(deadlock_is_not_seen_while_a_timer_runs) {
  ask_for(GT_DEADLOCK_ERROR);
  int64_t root = gt_self(), task = s_spawn(sleep_then_unpark, &root);
  CHECK_EQ(gt_park(), 0);
  s_join(task);
}

static void *read_then_unpark(void *arg) {
  int64_t *both = arg;
  char byte;
  CHECK_EQ(gt_recv((int)both[1], &byte, 1, 0), 1);
  CHECK_EQ(gt_unpark(both[0]), 0);
  return NULL;
}

static void *write_later(void *arg) {
  s_real_sleep(20);
  CHECK_EQ(write(*(int *)arg, "x", 1), 1);
  return NULL;
}

TEST(deadlock_is_not_seen_while_a_descriptor_is_waited_for) {
  ask_for(GT_DEADLOCK_ERROR);
  for (int adopted = 0; adopted < 2; adopted++) {
    int fds[2];
    s_unix_pair(SOCK_STREAM, fds);
    if (adopted) CHECK_EQ(gt_fd_adopt(fds[0]), 0);
    int64_t both[] = {gt_self(), fds[0]}, task = s_spawn(read_then_unpark, both);
    pthread_t thread = s_thread(write_later, &fds[1]);
    CHECK_EQ(gt_park(), 0);
    s_join(task);
    s_thread_join(thread);
    s_close_pair(fds);
  }
}

static volatile int64_t root_of_first;

static atomic_bool has_scheduler;

static void *other_scheduler(void *arg) {
  CHECK_GT(gt_self(), 0);
  atomic_store(&has_scheduler, true);
  CHECK_EQ(gt_sleep(MS(30)), 0);
  CHECK_EQ(gt_unpark(root_of_first), 0);
  CHECK_EQ(gt_shutdown(), 0);
  return arg;
}

TEST(deadlock_is_not_seen_while_another_scheduler_lives) {
  ask_for(GT_DEADLOCK_ERROR);
  root_of_first = gt_self();
  pthread_t thread = s_thread(other_scheduler, NULL);
  while (!atomic_load(&has_scheduler)) s_real_sleep(1);
  CHECK_EQ(gt_park(), 0);
  s_thread_join(thread);
}

TEST(deadlock_is_not_seen_while_a_name_is_resolved) {
  ask_for(GT_DEADLOCK_ERROR);
  uint16_t port;
  int listener = s_listener(&port), fd = gt_dial_tcp("localhost", port);
  CHECK_OK(fd);
  s_close_pair((int[]){fd, listener});
}

static void report_and_wait(void *arg) {
  if (arg) ask_for(*(uint32_t *)arg);
  if (arg) alarm(1); /* nothing is written that tells the parent to end it */
  s_spawn_named("left-waiting", park, NULL);
  s_spawn_named("also-waiting", park, NULL);
  gt_park();
  printf("came back\n");
}

TEST(deadlock_is_reported_once_and_waits_on) {
  static struct s_end end;
  s_child_until("end of deadlock report", report_and_wait, NULL, &end); /* the default is to go on waiting */
  CHECK_EQ(end.signal, SIGALRM);
  CHECK_HAS(end.out, "deadlock");
  CHECK_HAS(end.out, "left-waiting");
  CHECK_HAS(end.out, "also-waiting");
  CHECK(strstr(strstr(end.out, "left-waiting") + 1, "left-waiting") == NULL);
}

TEST(deadlock_report_can_be_switched_off) {
  static struct s_end end;
  uint32_t off = GT_DEADLOCK_OFF;
  s_child(report_and_wait, &off, &end);
  CHECK_EQ(end.signal, SIGALRM);
  CHECK_STR(end.out, "");
}

static gt_waker_t *left_over;

static void *leave_a_waker(void *arg) {
  left_over = gt_waker_new(gt_self());
  CHECK(left_over != NULL);
  CHECK_EQ(gt_shutdown(), 0);
  return arg;
}

static void *free_it_and_wait_in_vain(void *arg) {
  CHECK_EQ(gt_sleep(1000), 0);
  gt_waker_free(left_over);
  CHECK_EQ(gt_park(), -EDEADLK);
  CHECK_EQ(gt_shutdown(), 0);
  return arg;
}

/* The waker was counted in by a scheduler that is gone: freeing it is no matter of the one that took its place. */
TEST(deadlock_count_of_wakers_belongs_to_one_scheduler) {
  ask_for(GT_DEADLOCK_ERROR);
  s_thread_join(s_thread(leave_a_waker, NULL));
  s_thread_join(s_thread(free_it_and_wait_in_vain, NULL));
}

static void *free_waker_later(void *waker) {
  s_real_sleep(20); /* the root sleeps by now, as a rule */
  gt_waker_free(waker);
  return NULL;
}

TEST(deadlock_is_seen_when_the_last_waker_goes_while_the_root_sleeps) {
  ask_for(GT_DEADLOCK_ERROR);
  gt_waker_t *waker = gt_waker_new(gt_self());
  CHECK(waker);
  pthread_t thread = s_thread(free_waker_later, waker);
  CHECK_EQ(gt_park(), -EDEADLK);
  s_thread_join(thread);
}
