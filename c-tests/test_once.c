/* gt_once: the function is called once, everybody else waits until it has returned, and a call that never returned does not count. */
#include "support.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static gt_once_t once = GT_ONCE_INIT;
static int calls;
static volatile int returned;

static void counts(void *arg) {
  calls++;
  *(int *)arg += 1;
}

TEST(once_calls_the_function_once) {
  int given = 0;
  for (int i = 0; i < 3; i++) CHECK_EQ(gt_once_do(&once, counts, &given), 0);
  CHECK_EQ(gt_once_do_until(&once, counts, &given, 0), 0);
  CHECK_EQ(given, 1);
  gt_once_t zeroes;
  memset(&zeroes, 0, sizeof zeroes);
  CHECK_EQ(gt_once_do_until(&zeroes, counts, &given, 0), 0); /* the deadline is not the function's */
  CHECK_EQ(given, 2);
}

static void parks(void *arg) {
  calls++;
  CHECK_EQ(gt_park(), 0);
  returned = 1;
  (void)arg;
}

static void *does(void *arg) {
  int got = gt_once_do_until(&once, parks, NULL, arg ? *(int64_t *)arg : GT_NEVER);
  if (got == 0) CHECK_EQ(returned, 1);
  return (void *)(intptr_t)got;
}

TEST(once_the_others_wait_until_it_has_returned) {
  int64_t tasks[40];
  int64_t runner = s_spawn(does, NULL);
  s_settle();
  for (size_t i = 0; i < COUNT(tasks); i++) tasks[i] = s_spawn(does, NULL);
  s_settle();
  CHECK_EQ(s_stats().tasks_live, COUNT(tasks) + 1);
  CHECK_EQ(gt_unpark(runner), 0);
  CHECK_EQ(gt_once_do(&once, parks, NULL), 0);
  CHECK_EQ((intptr_t)s_join(runner), 0);
  for (size_t i = 0; i < COUNT(tasks); i++) CHECK_EQ((intptr_t)s_join(tasks[i]), 0);
  CHECK_EQ(calls, 1);
}

TEST(once_waits_for_it_end_for_every_reason) {
  int64_t soon = IN_MS(2), past = 0;
  int64_t runner = s_spawn(does, NULL);
  s_settle();
  int64_t a = s_spawn(does, NULL), b = s_spawn(does, NULL), c = s_spawn(does, &soon), d = s_spawn(does, NULL);
  s_settle();
  CHECK_EQ(gt_cancel(a), 0);
  CHECK_EQ(gt_interrupt(b, 4), 0);
  CHECK_EQ((intptr_t)s_join(a), -ECANCELED);
  CHECK_EQ((intptr_t)s_join(b), -EINTR);
  CHECK_EQ((intptr_t)s_join(c), -ETIMEDOUT);
  CHECK_EQ((intptr_t)s_join(s_spawn(does, &past)), -ETIMEDOUT);
  int64_t token = gt_deadline_push(IN_MS(1));
  CHECK_EQ(gt_once_do(&once, parks, NULL), -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(token), 1);
  CHECK_EQ(gt_unpark(runner), 0);
  CHECK_EQ((intptr_t)s_join(runner), 0);
  CHECK_EQ((intptr_t)s_join(d), 0);
  CHECK_EQ(calls, 1);
}

static void *cancelled_on_entry(void *arg) {
  CHECK_EQ(gt_cancel(gt_self()), 0);
  CHECK_EQ(gt_once_do(&once, counts, arg), -ECANCELED);
  return arg;
}

TEST(once_of_a_cancelled_task_calls_nothing) {
  int given = 0;
  s_join(s_spawn(cancelled_on_entry, &given));
  CHECK_EQ(given, 0);
  CHECK_EQ(gt_once_do(&once, counts, &given), 0);
  s_join(s_spawn(cancelled_on_entry, &given)); /* and fails when there is nothing to do any more, too */
  CHECK_EQ(given, 1);
}

static void again(void *arg) {
  CHECK_EQ(gt_once_do(&once, again, arg), -EDEADLK);
  CHECK_EQ(gt_once_do_until(&once, again, arg, IN_MS(1)), -EDEADLK);
  calls++;
}

TEST(once_within_itself_is_refused) {
  CHECK_EQ(gt_once_do(&once, again, NULL), 0);
  CHECK_EQ(gt_once_do(&once, again, NULL), 0);
  CHECK_EQ(calls, 1);
}

TEST(once_without_a_once_or_a_function) {
  CHECK_EQ(gt_once_do(NULL, counts, NULL), -EINVAL);
  CHECK_EQ(gt_once_do(&once, NULL, NULL), -EINVAL);
  CHECK_EQ(gt_once_do_until(NULL, counts, NULL, 0), -EINVAL);
  CHECK_EQ(gt_once_do_until(&once, NULL, NULL, 0), -EINVAL);
  int given = 0;
  CHECK_EQ(gt_once_do(&once, counts, &given), 0); /* it was not used up */
  CHECK_EQ(given, 1);
}

static void ends_the_task(void *arg) {
  calls++;
  CHECK_EQ(gt_yield(), 0);
  gt_exit(arg);
}

static void *does_and_ends(void *arg) {
  gt_once_do(&once, ends_the_task, arg);
  FAIL("gt_exit returned");
}

TEST(once_whose_function_ended_its_task_is_called_again) {
  int given = 0;
  int64_t runner = s_spawn(does_and_ends, &given);
  s_settle();
  CHECK_EQ(calls, 1);
  CHECK_EQ(gt_once_do(&once, counts, &given), 0); /* waits, and then it is its turn */
  CHECK_EQ(calls, 2);
  CHECK_EQ(given, 1);
  CHECK(s_join(runner) == &given);
}

static void waits_for_ever(void *arg) {
  CHECK_EQ(gt_park(), -ECANCELED);
  (void)arg;
}

static void *does_for_ever(void *arg) {
  CHECK_EQ(gt_once_do(&once, waits_for_ever, arg), 0);
  return arg;
}

TEST(once_waited_for_in_vain_is_a_deadlock_that_the_root_may_be_told) {
  gt_config_t config = {.size = sizeof config, .deadlock = GT_DEADLOCK_ERROR};
  CHECK_EQ(gt_config(&config), 0);
  int64_t runner = s_spawn(does_for_ever, NULL);
  s_settle();
  CHECK_EQ(gt_once_do(&once, waits_for_ever, NULL), -EDEADLK);
  CHECK_EQ(gt_cancel(runner), 0);
  s_join(runner);
}

/* -- several OS threads */

enum { THREADS = 4, ROUNDS = 100 };
static gt_once_t many[ROUNDS];
static int64_t results[ROUNDS];

static void slowly(void *arg) {
  int64_t *result = arg;
  int64_t seen = *result;
  for (int i = 0; i < 3; i++) gt_yield();
  *result = seen + 1;
}

static void *does_all(void *arg) {
  for (int i = 0; i < ROUNDS; i++) {
    CHECK_EQ(gt_once_do(&many[i], slowly, &results[i]), 0);
    CHECK_EQ(results[i], 1);
  }
  return arg;
}

static void *thread_does_all(void *arg) {
  int64_t a = s_spawn(does_all, NULL), b = s_spawn(does_all, NULL);
  s_join(a);
  s_join(b);
  CHECK_EQ(gt_shutdown(), 0);
  return arg;
}

TEST_WITH(once_between_threads_is_once, 0, 60) {
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) threads[i] = s_thread(thread_does_all, NULL);
  for (int i = 0; i < THREADS; i++) s_thread_join(threads[i]);
}

static void *root_does(void *arg) {
  CHECK_EQ(gt_once_do(&once, counts, arg), 0); /* the thread's first call: it gets a scheduler */
  CHECK_EQ(gt_shutdown(), 0);
  return arg;
}

TEST(once_of_a_thread_without_tasks) {
  int given = 0;
  s_thread_join(s_thread(root_does, &given));
  s_thread_join(s_thread(root_does, &given));
  CHECK_EQ(given, 1);
}

static void *ends_early(void *arg) {
  s_spawn(does, NULL);
  s_settle();
  return arg;
}

TEST(once_of_a_thread_that_has_ended_is_called_again) {
  int given = 0;
  s_thread_join(s_thread(ends_early, NULL));
  CHECK_EQ(gt_once_do(&once, counts, &given), 0);
  CHECK_EQ(given, 1);
}

TEST(once_that_another_task_ran_is_not_begun_in_a_forked_child) {
  int64_t runner = s_spawn(does, NULL), waiter = s_spawn(does, NULL);
  int given = 0;
  s_settle();
  pid_t child = fork();
  if (child == 0) {
    CHECK_EQ(gt_once_do(&once, counts, &given), 0);
    CHECK_EQ(given, 1);
    _exit(0);
  }
  int status;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  CHECK_EQ(gt_unpark(runner), 0);
  CHECK_EQ((intptr_t)s_join(runner), 0);
  CHECK_EQ((intptr_t)s_join(waiter), 0);
  CHECK_EQ(calls, 1);
}
