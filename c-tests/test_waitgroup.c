/* gt_waitgroup: waiting ends when everything is done, and not before; a wrong count is refused and changes nothing. */
#include "support.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static gt_waitgroup_t *group;

static void *waits(void *arg) {
  return (void *)(intptr_t)gt_waitgroup_wait_until(group, arg ? *(int64_t *)arg : GT_NEVER);
}

static void *works(void *arg) {
  for (intptr_t i = 0; i < (intptr_t)arg; i++) CHECK_EQ(gt_yield(), 0);
  s_log('w');
  CHECK_EQ(gt_waitgroup_done(group), 0);
  return NULL;
}

TEST(waitgroup_waits_for_everything_that_was_added) {
  int64_t tasks[4];
  group = gt_waitgroup_new();
  CHECK(group);
  CHECK_EQ(s_stats().objects, 1);
  CHECK_EQ(gt_waitgroup_wait(group), 0); /* nothing to be done */
  for (int round = 0; round < 2; round++) {
    CHECK_EQ(gt_waitgroup_add(group, 4), 0);
    for (intptr_t i = 0; i < 4; i++) tasks[i] = s_spawn(works, (void *)(i * 3));
    CHECK_EQ(gt_waitgroup_wait(group), 0);
    s_log('.');
    CHECK_EQ(gt_waitgroup_wait_until(group, 0), 0);
    for (int i = 0; i < 4; i++) s_join(tasks[i]);
  }
  CHECK_STR(s_logged(), "wwww.wwww.");
  CHECK_EQ(gt_waitgroup_free(group), 0);
  CHECK_EQ(s_stats().objects, 0);
}

TEST(waitgroup_wakes_all_at_zero_and_not_before) {
  enum { MANY = 70 };
  int64_t tasks[MANY];
  group = gt_waitgroup_new();
  CHECK_EQ(gt_waitgroup_add(group, 3), 0);
  for (int i = 0; i < MANY; i++) tasks[i] = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_waitgroup_add(group, -1), 0);
  CHECK_EQ(gt_waitgroup_add(group, 2), 0);
  CHECK_EQ(gt_waitgroup_add(group, -3), 0);
  s_settle();
  CHECK_EQ(s_stats().tasks_live, MANY);
  CHECK_EQ(gt_waitgroup_done(group), 0);
  CHECK_EQ(gt_waitgroup_add(group, 1), 0); /* the next round does not hold up those of the last */
  for (int i = 0; i < MANY; i++) CHECK_EQ((intptr_t)s_join(tasks[i]), 0);
  CHECK_EQ(gt_waitgroup_wait_until(group, IN_MS(1)), -ETIMEDOUT);
  CHECK_EQ(gt_waitgroup_done(group), 0);
  CHECK_EQ(gt_waitgroup_free(group), 0);
}

TEST(waitgroup_below_zero_and_above_the_most_change_nothing) {
  group = gt_waitgroup_new();
  CHECK_EQ(gt_waitgroup_done(group), -EINVAL);
  CHECK_EQ(gt_waitgroup_add(group, -1), -EINVAL);
  CHECK_EQ(gt_waitgroup_add(group, INT64_MIN), -EINVAL);
  CHECK_EQ(gt_waitgroup_add(group, 0), 0);
  CHECK_EQ(gt_waitgroup_wait(group), 0);
  CHECK_EQ(gt_waitgroup_add(group, INT64_MAX), 0);
  CHECK_EQ(gt_waitgroup_add(group, 1), -EOVERFLOW);
  CHECK_EQ(gt_waitgroup_add(group, INT64_MAX), -EOVERFLOW);
  int64_t task = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_waitgroup_add(group, 1), -EOVERFLOW); /* with a waiter too */
  CHECK_EQ(gt_waitgroup_add(group, INT64_MIN), -EINVAL);
  CHECK_EQ(gt_waitgroup_add(group, -INT64_MAX), 0);
  CHECK_EQ((intptr_t)s_join(task), 0);
  CHECK_EQ(gt_waitgroup_free(group), 0);
}

TEST(waitgroup_waits_end_for_every_reason) {
  group = gt_waitgroup_new();
  CHECK_EQ(gt_waitgroup_add(group, 1), 0);
  int64_t soon = IN_MS(2);
  int64_t a = s_spawn(waits, NULL), b = s_spawn(waits, NULL), c = s_spawn(waits, &soon), d = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_cancel(a), 0);
  CHECK_EQ(gt_interrupt(b, 7), 0);
  CHECK_EQ((intptr_t)s_join(a), -ECANCELED);
  CHECK_EQ((intptr_t)s_join(b), -EINTR);
  CHECK_EQ((intptr_t)s_join(c), -ETIMEDOUT);
  CHECK_EQ(gt_cancel(d), 0);
  CHECK_EQ(gt_waitgroup_done(group), 0); /* before it ran: done wins */
  CHECK_EQ((intptr_t)s_join(d), 0);
  CHECK_EQ(gt_waitgroup_add(group, 1), 0);
  int64_t token = gt_deadline_push(IN_MS(1));
  CHECK_EQ(gt_waitgroup_wait(group), -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(token), 1);
  CHECK_EQ(gt_waitgroup_free(group), 0); /* a count is no waiter */
}

static void *cancelled_on_entry(void *arg) {
  CHECK_EQ(gt_cancel(gt_self()), 0);
  CHECK_EQ(gt_waitgroup_wait(group), -ECANCELED);
  return arg;
}

TEST(waitgroup_wait_is_a_cancellation_point_when_there_is_nothing_to_wait_for) {
  group = gt_waitgroup_new();
  s_join(s_spawn(cancelled_on_entry, NULL));
  CHECK_EQ(gt_waitgroup_free(group), 0);
}

TEST(waitgroup_waited_on_is_not_freed_and_a_freed_one_is_recognised) {
  CHECK_EQ(gt_waitgroup_free(NULL), 0);
  group = gt_waitgroup_new();
  CHECK_EQ(gt_waitgroup_add(group, 1), 0);
  int64_t task = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_waitgroup_free(group), -EBUSY);
  CHECK_EQ(gt_waitgroup_done(group), 0);
  CHECK_EQ(gt_waitgroup_free(group), 0);
  CHECK_EQ((intptr_t)s_join(task), 0);
  gt_sem_t *sem = gt_sem_new(0);
  gt_waitgroup_t *none[] = {group, NULL, (gt_waitgroup_t *)(void *)sem, (gt_waitgroup_t *)((char *)group + 4)};
  for (size_t i = 0; i < COUNT(none); i++) {
    if (none[i]) CHECK_EQ(gt_waitgroup_free(none[i]), -EINVAL);
    CHECK_EQ(gt_waitgroup_add(none[i], 1), -EINVAL);
    CHECK_EQ(gt_waitgroup_done(none[i]), -EINVAL);
    CHECK_EQ(gt_waitgroup_wait(none[i]), -EINVAL);
    CHECK_EQ(gt_waitgroup_wait_until(none[i], 0), -EINVAL);
  }
  CHECK_EQ(gt_sem_free(sem), 0);
}

TEST(waitgroup_waits_for_ever_is_a_deadlock_that_the_root_may_be_told) {
  gt_config_t config = {.size = sizeof config, .deadlock = GT_DEADLOCK_ERROR};
  CHECK_EQ(gt_config(&config), 0);
  group = gt_waitgroup_new();
  CHECK_EQ(gt_waitgroup_add(group, 1), 0);
  CHECK_EQ(gt_waitgroup_wait(group), -EDEADLK);
  CHECK_EQ(gt_waitgroup_free(group), 0);
}

/* -- several OS threads */

enum { THREADS = 4, ROUNDS = 300 };
static int64_t done;

static void *finishes(void *arg) {
  __atomic_fetch_add(&done, 1, __ATOMIC_RELAXED); /* made visible by the wait group */
  CHECK_EQ(gt_waitgroup_done(group), 0);
  return arg;
}

static void *thread_of_rounds(void *arg) {
  gt_barrier_t *rounds = arg;
  for (int i = 0; i < ROUNDS; i++) {
    CHECK_GE(gt_barrier_wait(rounds), 0);
    s_join(s_spawn(finishes, NULL));
  }
  CHECK_EQ(gt_shutdown(), 0);
  return NULL;
}

TEST_WITH(waitgroup_between_threads_is_zero_when_all_are_done, 0, 60) {
  pthread_t threads[THREADS];
  gt_barrier_t *rounds = gt_barrier_new(THREADS + 1);
  group = gt_waitgroup_new();
  for (int i = 0; i < THREADS; i++) threads[i] = s_thread(thread_of_rounds, rounds);
  for (int i = 1; i <= ROUNDS; i++) {
    CHECK_EQ(gt_waitgroup_add(group, THREADS), 0);
    CHECK_GE(gt_barrier_wait(rounds), 0);
    CHECK_EQ(gt_waitgroup_wait(group), 0);
    CHECK_EQ(__atomic_load_n(&done, __ATOMIC_RELAXED), (int64_t)i * THREADS);
  }
  for (int i = 0; i < THREADS; i++) s_thread_join(threads[i]);
  CHECK_EQ(gt_waitgroup_free(group), 0);
  CHECK_EQ(gt_barrier_free(rounds), 0);
}

static void *only_done(void *arg) {
  CHECK_EQ(gt_waitgroup_done(group), 0); /* no scheduler here, and none is made */
  return arg;
}

static void *root_waits(void *arg) {
  CHECK_EQ(gt_waitgroup_wait(group), 0); /* the thread's first call: it gets a scheduler */
  CHECK_EQ(gt_shutdown(), 0);
  return arg;
}

TEST(waitgroup_of_threads_without_tasks) {
  group = gt_waitgroup_new();
  CHECK_EQ(gt_waitgroup_add(group, 1), 0);
  pthread_t thread = s_thread(root_waits, NULL);
  int64_t task = s_spawn(waits, NULL);
  CHECK_EQ(gt_sleep(MS(5)), 0);
  s_thread_join(s_thread(only_done, NULL));
  CHECK_EQ((intptr_t)s_join(task), 0);
  s_thread_join(thread);
  CHECK_EQ(gt_waitgroup_free(group), 0);
}

static void *ends_early(void *arg) {
  s_spawn(waits, NULL);
  s_settle();
  return arg;
}

TEST(waitgroup_passes_over_a_waiter_whose_thread_has_ended) {
  group = gt_waitgroup_new();
  CHECK_EQ(gt_waitgroup_add(group, 1), 0);
  s_thread_join(s_thread(ends_early, NULL));
  int64_t task = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_waitgroup_done(group), 0);
  CHECK_EQ((intptr_t)s_join(task), 0);
  CHECK_EQ(gt_waitgroup_add(group, 1), 0);
  s_thread_join(s_thread(ends_early, NULL));
  CHECK_EQ(gt_waitgroup_free(group), 0);
}

TEST(waitgroup_in_a_forked_child_has_its_count_and_no_waiters) {
  group = gt_waitgroup_new();
  CHECK_EQ(gt_waitgroup_add(group, 2), 0);
  int64_t task = s_spawn(waits, NULL);
  s_settle();
  pid_t child = fork();
  if (child == 0) {
    CHECK_EQ(gt_waitgroup_done(group), 0);
    CHECK_EQ(gt_waitgroup_wait_until(group, IN_MS(1)), -ETIMEDOUT);
    CHECK_EQ(gt_waitgroup_done(group), 0);
    CHECK_EQ(gt_waitgroup_done(group), -EINVAL);
    CHECK_EQ(gt_waitgroup_wait(group), 0);
    CHECK_EQ(gt_waitgroup_free(group), 0);
    _exit(0);
  }
  int status;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  CHECK_EQ(gt_waitgroup_add(group, -2), 0);
  CHECK_EQ((intptr_t)s_join(task), 0);
  CHECK_EQ(gt_waitgroup_free(group), 0);
}
