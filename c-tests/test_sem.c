/* gt_sem: what is posted is taken once, by those who wait in the order in which they came, whatever becomes of the others. */
#include "support.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static gt_sem_t *sem;

/* Waits at most until *arg, if there is one; returns what the wait said. */
static void *waits(void *arg) { return (void *)(intptr_t)gt_sem_wait_until(sem, arg ? *(int64_t *)arg : GT_NEVER); }

static void *waits_and_logs(void *arg) {
  CHECK_EQ(gt_sem_wait(sem), 0);
  s_log((char)(intptr_t)arg);
  return NULL;
}

TEST(sem_counts_posts_and_waits) {
  sem = gt_sem_new(2);
  CHECK(sem);
  CHECK_EQ(s_stats().objects, 1);
  CHECK_EQ(gt_sem_value(sem), 2);
  CHECK_EQ(gt_sem_wait(sem), 0);
  CHECK_EQ(gt_sem_wait_until(sem, 0), 0); /* there is one: a deadline in the past is no matter */
  CHECK_EQ(gt_sem_value(sem), 0);
  CHECK_EQ(gt_sem_try_wait(sem), -EAGAIN);
  CHECK_EQ(gt_sem_wait_until(sem, 0), -ETIMEDOUT);
  CHECK_EQ(gt_sem_post(sem), 0);
  CHECK_EQ(gt_sem_post_many(sem, 3), 0);
  CHECK_EQ(gt_sem_post_many(sem, 0), 0);
  CHECK_EQ(gt_sem_value(sem), 4);
  CHECK_EQ(gt_sem_try_wait(sem), 0);
  CHECK_EQ(gt_sem_value(sem), 3);
  CHECK_EQ(gt_sem_free(sem), 0);
  CHECK_EQ(s_stats().objects, 0);
}

TEST(sem_new_refuses_a_negative_value) {
  errno = 0;
  CHECK(!gt_sem_new(-1));
  CHECK_EQ(errno, EINVAL);
  errno = 0;
  CHECK(!gt_sem_new(INT64_MIN));
  CHECK_EQ(errno, EINVAL);
  CHECK_EQ(s_stats().objects, 0);
}

TEST(sem_overflow_and_negative_counts_change_nothing) {
  sem = gt_sem_new(INT64_MAX);
  CHECK(sem);
  CHECK_EQ(gt_sem_post(sem), -EOVERFLOW);
  CHECK_EQ(gt_sem_post_many(sem, INT64_MAX), -EOVERFLOW);
  CHECK_EQ(gt_sem_value(sem), INT64_MAX);
  CHECK_EQ(gt_sem_wait(sem), 0);
  CHECK_EQ(gt_sem_post_many(sem, 2), -EOVERFLOW);
  CHECK_EQ(gt_sem_post_many(sem, -1), -EINVAL);
  CHECK_EQ(gt_sem_post_many(sem, INT64_MIN), -EINVAL);
  CHECK_EQ(gt_sem_value(sem), INT64_MAX - 1);
  CHECK_EQ(gt_sem_post(sem), 0);
  CHECK_EQ(gt_sem_value(sem), INT64_MAX);
  CHECK_EQ(gt_sem_free(sem), 0);
}

TEST(sem_posts_of_all_there_can_be_reach_the_waiters_first) {
  sem = gt_sem_new(0);
  int64_t a = s_spawn(waits, NULL), b = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_sem_post_many(sem, -1), -EINVAL); /* with waiters too */
  CHECK_EQ(gt_sem_post_many(sem, INT64_MAX), 0);
  CHECK_EQ(gt_sem_value(sem), INT64_MAX - 2);
  CHECK_EQ((intptr_t)s_join(a), 0);
  CHECK_EQ((intptr_t)s_join(b), 0);
  CHECK_EQ(gt_sem_free(sem), 0);
}

TEST(sem_goes_to_the_waiters_in_their_order) {
  int64_t tasks[5];
  sem = gt_sem_new(0);
  for (int i = 0; i < 5; i++) tasks[i] = s_spawn(waits_and_logs, (void *)(intptr_t)('a' + i));
  s_settle();
  CHECK_EQ(gt_sem_post(sem), 0);
  CHECK_EQ(gt_sem_value(sem), 0);          /* it was given, not counted */
  CHECK_EQ(gt_sem_try_wait(sem), -EAGAIN); /* nobody slips in */
  s_settle();
  CHECK_STR(s_logged(), "a");
  CHECK_EQ(gt_sem_post_many(sem, 3), 0);
  CHECK_EQ(gt_sem_try_wait(sem), -EAGAIN);
  s_settle();
  CHECK_STR(s_logged(), "abcd");
  CHECK_EQ(gt_sem_post_many(sem, 3), 0);
  CHECK_EQ(gt_sem_value(sem), 2);
  s_settle();
  CHECK_STR(s_logged(), "abcde");
  for (int i = 0; i < 5; i++) s_join(tasks[i]);
  CHECK_EQ(gt_sem_free(sem), 0);
}

TEST(sem_posts_for_more_than_a_handful) {
  enum { MANY = 150 };
  int64_t tasks[MANY];
  sem = gt_sem_new(0);
  for (int i = 0; i < MANY; i++) tasks[i] = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_sem_post_many(sem, MANY + 7), 0);
  for (int i = 0; i < MANY; i++) CHECK_EQ((intptr_t)s_join(tasks[i]), 0);
  CHECK_EQ(gt_sem_value(sem), 7);
  CHECK_EQ(gt_sem_free(sem), 0);
}

TEST(sem_waiters_leave_for_every_reason_and_the_others_keep_their_turn) {
  sem = gt_sem_new(0);
  int64_t soon = IN_MS(2);
  int64_t a = s_spawn(waits, NULL), b = s_spawn(waits, NULL), c = s_spawn(waits, &soon), d = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_cancel(a), 0);
  CHECK_EQ(gt_interrupt(b, 7), 0);
  CHECK_EQ((intptr_t)s_join(a), -ECANCELED);
  CHECK_EQ((intptr_t)s_join(b), -EINTR);
  CHECK_EQ((intptr_t)s_join(c), -ETIMEDOUT);
  CHECK_EQ(gt_sem_post(sem), 0);
  CHECK_EQ((intptr_t)s_join(d), 0);
  int64_t token = gt_deadline_push(IN_MS(1));
  CHECK_EQ(gt_sem_wait(sem), -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(token), 1);
  CHECK_EQ(gt_sem_post(sem), 0);
  CHECK_EQ(gt_sem_value(sem), 1); /* nobody is left: it is counted */
  CHECK_EQ(gt_sem_free(sem), 0);
}

TEST(sem_granted_and_cancelled_at_once_is_granted) {
  sem = gt_sem_new(0);
  int64_t task = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_sem_post(sem), 0);
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ((intptr_t)s_join(task), 0);
  task = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ(gt_sem_post(sem), 0); /* before it ran */
  CHECK_EQ((intptr_t)s_join(task), 0);
  CHECK_EQ(gt_sem_value(sem), 0);
  CHECK_EQ(gt_sem_free(sem), 0);
}

static void *interrupted_but_granted(void *arg) {
  int code = 0;
  CHECK_EQ(gt_sem_wait(sem), 0);
  CHECK_EQ(gt_interrupt_take(&code), -EAGAIN);
  CHECK_EQ(gt_sem_wait(sem), -EINTR); /* still to come */
  CHECK_EQ(gt_interrupt_take(&code), 0);
  CHECK_EQ(code, 5);
  return arg;
}

TEST(sem_granted_and_interrupted_at_once_keeps_the_interrupt_for_the_next_call) {
  sem = gt_sem_new(0);
  int64_t task = s_spawn(interrupted_but_granted, NULL);
  s_settle();
  CHECK_EQ(gt_interrupt(task, 5), 0);
  CHECK_EQ(gt_sem_post(sem), 0);
  s_join(task);
  CHECK_EQ(gt_sem_free(sem), 0);
}

static void *cancelled_on_entry(void *arg) {
  CHECK_EQ(gt_cancel(gt_self()), 0);
  CHECK_EQ(gt_sem_wait(sem), -ECANCELED);
  CHECK_EQ(gt_sem_try_wait(sem), 0); /* no cancellation point */
  return arg;
}

TEST(sem_wait_of_a_cancelled_task_takes_nothing) {
  sem = gt_sem_new(1);
  s_join(s_spawn(cancelled_on_entry, NULL));
  CHECK_EQ(gt_sem_value(sem), 0);
  CHECK_EQ(gt_sem_free(sem), 0);
}

TEST(sem_waited_on_is_not_freed_and_a_freed_one_is_recognised) {
  CHECK_EQ(gt_sem_free(NULL), 0);
  sem = gt_sem_new(0);
  int64_t task = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_sem_free(sem), -EBUSY);
  CHECK_EQ(gt_sem_post(sem), 0);
  CHECK_EQ(gt_sem_free(sem), 0); /* it has what it waited for, and does not come back */
  CHECK_EQ((intptr_t)s_join(task), 0);
  gt_event_t *event = gt_event_new();
  gt_sem_t *none[] = {sem, NULL, (gt_sem_t *)(void *)event, (gt_sem_t *)((char *)sem + 4)};
  for (size_t i = 0; i < COUNT(none); i++) {
    if (none[i]) CHECK_EQ(gt_sem_free(none[i]), -EINVAL);
    CHECK_EQ(gt_sem_wait(none[i]), -EINVAL);
    CHECK_EQ(gt_sem_wait_until(none[i], 0), -EINVAL);
    CHECK_EQ(gt_sem_try_wait(none[i]), -EINVAL);
    CHECK_EQ(gt_sem_post(none[i]), -EINVAL);
    CHECK_EQ(gt_sem_post_many(none[i], 1), -EINVAL);
    CHECK_EQ(gt_sem_value(none[i]), -EINVAL);
  }
  CHECK_EQ(gt_event_free(event), 0);
}

TEST(sem_waits_for_ever_is_a_deadlock_that_the_root_may_be_told) {
  gt_config_t config = {.size = sizeof config, .deadlock = GT_DEADLOCK_ERROR};
  CHECK_EQ(gt_config(&config), 0);
  sem = gt_sem_new(0);
  CHECK_EQ(gt_sem_wait(sem), -EDEADLK);
  CHECK_EQ(gt_sem_post(sem), 0); /* it has left the queue */
  CHECK_EQ(gt_sem_value(sem), 1);
  CHECK_EQ(gt_sem_free(sem), 0);
}

/* -- several OS threads */

enum { TASKS = 4, ROUNDS = 400 };
static int64_t taken;

static void *takes_and_gives(void *arg) {
  unsigned seed = (unsigned)(intptr_t)arg;
  for (int i = 0; i < ROUNDS; i++) {
    seed = seed * 1103515245u + 12345u;
    int64_t deadline = seed >> 16 & 1 ? GT_NEVER : gt_now() + (seed >> 17 & 0xffff);
    int got = gt_sem_wait_until(sem, deadline);
    if (got == -ETIMEDOUT) continue;
    CHECK_EQ(got, 0);
    int64_t now = __atomic_add_fetch(&taken, 1, __ATOMIC_SEQ_CST);
    CHECK(now >= 1 && now <= 3);
    if (i % 4 == 0) CHECK_EQ(gt_yield(), 0);
    __atomic_sub_fetch(&taken, 1, __ATOMIC_SEQ_CST);
    CHECK_EQ(gt_sem_post(sem), 0);
  }
  return NULL;
}

static void *thread_takes_and_gives(void *arg) {
  int64_t tasks[TASKS];
  for (intptr_t i = 0; i < TASKS; i++) tasks[i] = s_spawn(takes_and_gives, (void *)((intptr_t)arg * TASKS + i));
  for (int i = 0; i < TASKS; i++) s_join(tasks[i]);
  CHECK_EQ(gt_shutdown(), 0);
  return NULL;
}

TEST_WITH(sem_between_threads_keeps_its_count, 0, 60) {
  pthread_t threads[4];
  sem = gt_sem_new(3);
  for (size_t i = 0; i < COUNT(threads); i++) threads[i] = s_thread(thread_takes_and_gives, (void *)i);
  for (size_t i = 0; i < COUNT(threads); i++) s_thread_join(threads[i]);
  CHECK_EQ(gt_sem_value(sem), 3);
  CHECK_EQ(gt_sem_free(sem), 0);
}

static void *posts(void *arg) {
  CHECK_EQ(gt_sem_post(sem), 0); /* no scheduler here, and none is made */
  CHECK_EQ(gt_sem_value(sem), 0);
  CHECK_EQ(gt_sem_try_wait(sem), -EAGAIN);
  return arg;
}

TEST(sem_post_of_a_thread_without_tasks) {
  sem = gt_sem_new(0);
  int64_t task = s_spawn(waits, NULL);
  s_settle();
  s_thread_join(s_thread(posts, NULL));
  CHECK_EQ((intptr_t)s_join(task), 0);
  CHECK_EQ(gt_sem_free(sem), 0);
}

static void *root_waits(void *arg) {
  CHECK_EQ(gt_sem_wait(sem), 0); /* the thread's first call: it gets a scheduler */
  CHECK_EQ(gt_shutdown(), 0);
  return arg;
}

TEST(sem_wait_of_a_thread_without_tasks) {
  sem = gt_sem_new(0);
  pthread_t thread = s_thread(root_waits, NULL);
  CHECK_EQ(gt_sleep(MS(5)), 0);
  CHECK_EQ(gt_sem_post(sem), 0);
  s_thread_join(thread);
  CHECK_EQ(gt_sem_value(sem), 0);
  CHECK_EQ(gt_sem_free(sem), 0);
}

static void *ends_early(void *arg) {
  s_spawn(waits, NULL);
  s_settle();
  return arg;
}

TEST(sem_passes_over_a_waiter_whose_thread_has_ended) {
  sem = gt_sem_new(0);
  s_thread_join(s_thread(ends_early, NULL));
  int64_t task = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_sem_post_many(sem, 2), 0);
  CHECK_EQ((intptr_t)s_join(task), 0);
  CHECK_EQ(gt_sem_value(sem), 1);
  CHECK_EQ(gt_sem_wait(sem), 0);
  s_thread_join(s_thread(ends_early, NULL));
  CHECK_EQ(gt_sem_free(sem), 0); /* nobody that could still come waits */
}

TEST(sem_in_a_forked_child_has_its_value_and_no_waiters) {
  sem = gt_sem_new(0);
  gt_sem_t *other = gt_sem_new(4);
  int64_t task = s_spawn(waits, NULL);
  s_settle();
  pid_t child = fork();
  if (child == 0) {
    CHECK_EQ(gt_sem_value(other), 4);
    CHECK_EQ(gt_sem_free(other), 0);
    CHECK_EQ(gt_sem_post(sem), 0);
    CHECK_EQ(gt_sem_value(sem), 1);
    CHECK_EQ(gt_sem_wait(sem), 0);
    CHECK_EQ(gt_sem_wait_until(sem, IN_MS(1)), -ETIMEDOUT);
    CHECK_EQ(gt_sem_free(sem), 0);
    _exit(0);
  }
  int status;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  CHECK_EQ(gt_sem_post(sem), 0);
  CHECK_EQ((intptr_t)s_join(task), 0);
  CHECK_EQ(gt_sem_free(sem), 0);
  CHECK_EQ(gt_sem_free(other), 0);
}
