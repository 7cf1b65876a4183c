/* gt_cond: no signal is missed, and the mutex is the waiter's again however the wait ended. */
#include "support.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static gt_mutex_t *mutex;
static gt_cond_t *cond;

static void make(void) {
  mutex = gt_mutex_new();
  cond = gt_cond_new();
  CHECK(mutex && cond);
}

static void drop(void) {
  CHECK_EQ(gt_cond_free(cond), 0);
  CHECK_EQ(gt_mutex_free(mutex), 0);
}

/* Waits once; the mutex must be held afterwards. */
static void *waits(void *arg) {
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  int got = gt_cond_wait_until(cond, mutex, arg ? *(int64_t *)arg : GT_NEVER);
  CHECK_EQ(gt_mutex_unlock(mutex), 0); /* -EPERM if it were not ours */
  return (void *)(intptr_t)got;
}

static void *waits_and_logs(void *arg) {
  CHECK_EQ((intptr_t)waits(NULL), 0);
  s_log((char)(intptr_t)arg);
  return NULL;
}

TEST(cond_signal_wakes_one_in_order_and_broadcast_all) {
  int64_t tasks[6];
  make();
  CHECK_EQ(gt_cond_signal(cond), 0); /* nobody there: nothing is kept */
  CHECK_EQ(gt_cond_broadcast(cond), 0);
  for (int i = 0; i < 6; i++) tasks[i] = s_spawn(waits_and_logs, (void *)(intptr_t)('a' + i));
  s_settle();
  CHECK_STR(s_logged(), "");
  CHECK_EQ(gt_cond_signal(cond), 0);
  s_settle();
  CHECK_STR(s_logged(), "a");
  CHECK_EQ(gt_cond_signal(cond), 0);
  CHECK_EQ(gt_cond_signal(cond), 0);
  s_settle();
  CHECK_STR(s_logged(), "abc");
  CHECK_EQ(gt_cond_broadcast(cond), 0);
  s_settle();
  CHECK_STR(s_logged(), "abcdef");
  for (int i = 0; i < 6; i++) s_join(tasks[i]);
  drop();
}

TEST(cond_broadcast_to_more_than_a_handful) {
  enum { MANY = 150 };
  int64_t tasks[MANY];
  make();
  for (int i = 0; i < MANY; i++) tasks[i] = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_cond_broadcast(cond), 0);
  for (int i = 0; i < MANY; i++) CHECK_EQ((intptr_t)s_join(tasks[i]), 0);
  drop();
}

static void *sends_with_the_mutex_held(void *arg) {
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  CHECK_EQ(gt_cond_signal(cond), 0);
  s_log('s');
  CHECK_EQ(gt_yield(), 0);
  s_log('u');
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  return arg;
}

TEST(cond_waiter_goes_on_when_it_has_the_mutex) {
  make();
  int64_t waiter = s_spawn(waits_and_logs, (void *)(intptr_t)'w');
  s_settle();
  s_join(s_spawn(sends_with_the_mutex_held, NULL));
  s_join(waiter);
  CHECK_STR(s_logged(), "suw");
  drop();
}

TEST(cond_waits_end_for_every_reason_with_the_mutex_held) {
  CHECK_EQ(gt_clock_virtual(0, 0), 0); /* the deadline passes when all wait, however slow the machine */
  int64_t soon = IN_MS(60), past = 0;
  make();
  int64_t a = s_spawn(waits, NULL), b = s_spawn(waits, NULL), c = s_spawn(waits, &soon);
  s_settle();
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  CHECK_EQ(gt_cancel(a), 0);
  CHECK_EQ(gt_interrupt(b, 3), 0);
  CHECK_EQ(gt_sleep(MS(80)), 0); /* all three want the mutex now, cancelled or late as they are */
  CHECK_EQ(s_stats().tasks_live, 3);
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  CHECK_EQ((intptr_t)s_join(a), -ECANCELED);
  CHECK_EQ((intptr_t)s_join(b), -EINTR);
  CHECK_EQ((intptr_t)s_join(c), -ETIMEDOUT);
  CHECK_EQ((intptr_t)s_join(s_spawn(waits, &past)), -ETIMEDOUT);
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  int64_t token = gt_deadline_push(IN_MS(1));
  CHECK_EQ(gt_cond_wait(cond, mutex), -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(token), 1);
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  drop();
}

static void *cancelled_while_it_locks_again(void *arg) {
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  CHECK_EQ(gt_cond_wait(cond, mutex), 0); /* told, then cancelled: told */
  CHECK_EQ(gt_mutex_lock(mutex), -ECANCELED);
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  return arg;
}

TEST(cond_cancel_does_not_keep_a_waiter_from_its_mutex) {
  make();
  int64_t task = s_spawn(cancelled_while_it_locks_again, NULL);
  s_settle();
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  CHECK_EQ(gt_cond_signal(cond), 0);
  s_settle(); /* it waits for the mutex */
  CHECK_EQ(gt_cancel(task), 0);
  s_settle();
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  s_join(task);
  drop();
}

TEST(cond_signal_to_a_cancelled_waiter_goes_to_the_next) {
  make();
  int64_t a = s_spawn(waits, NULL), b = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_cancel(a), 0);
  s_settle(); /* it has left */
  CHECK_EQ(gt_cond_signal(cond), 0);
  CHECK_EQ((intptr_t)s_join(a), -ECANCELED);
  CHECK_EQ((intptr_t)s_join(b), 0);
  a = s_spawn(waits, NULL), b = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_cancel(a), 0);
  CHECK_EQ(gt_cond_signal(cond), 0); /* before it ran: it was told, and says so */
  CHECK_EQ((intptr_t)s_join(a), 0);
  CHECK_EQ(gt_cond_signal(cond), 0);
  CHECK_EQ((intptr_t)s_join(b), 0);
  drop();
}

static void *does_not_own(void *arg) {
  CHECK_EQ(gt_cond_wait(cond, mutex), -EPERM);
  return arg;
}

TEST(cond_errors) {
  CHECK_EQ(gt_cond_free(NULL), 0);
  make();
  CHECK_EQ(gt_cond_wait(cond, mutex), -EPERM); /* not locked */
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  s_join(s_spawn(does_not_own, NULL));
  s_thread_join(s_thread(does_not_own, NULL));
  CHECK_EQ(gt_cond_wait(NULL, mutex), -EINVAL);
  CHECK_EQ(gt_cond_wait(cond, NULL), -EINVAL);
  CHECK_EQ(gt_cond_wait_until(cond, (gt_mutex_t *)(void *)cond, 0), -EINVAL);
  CHECK_EQ(gt_cond_signal(NULL), -EINVAL);
  CHECK_EQ(gt_cond_broadcast(NULL), -EINVAL);
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  int64_t task = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_cond_free(cond), -EBUSY);
  CHECK_EQ(gt_cond_signal(cond), 0);
  s_join(task);
  CHECK_EQ(gt_cond_free(cond), 0);
  CHECK_EQ(gt_cond_free(cond), -EINVAL);
  CHECK_EQ(gt_cond_signal(cond), -EINVAL);
  CHECK_EQ(gt_cond_broadcast(cond), -EINVAL);
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  CHECK_EQ(gt_cond_wait(cond, mutex), -EINVAL);
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  CHECK_EQ(gt_mutex_free(mutex), 0);
}

/* -- a queue of one place between OS threads: every item arrives once */

enum { ITEMS = 2000 };
static int full, item;
static gt_cond_t *emptied;

static void *producer(void *arg) {
  for (int i = 1; i <= ITEMS; i++) {
    CHECK_EQ(gt_mutex_lock(mutex), 0);
    while (full) CHECK_EQ(gt_cond_wait(emptied, mutex), 0);
    full = 1;
    item = i;
    CHECK_EQ(gt_cond_signal(cond), 0);
    CHECK_EQ(gt_mutex_unlock(mutex), 0);
  }
  CHECK_EQ(gt_shutdown(), 0);
  return arg;
}

static void *consumer(void *arg) {
  int64_t sum = 0;
  for (int i = 0; i < ITEMS; i++) {
    CHECK_EQ(gt_mutex_lock(mutex), 0);
    while (!full) CHECK_EQ(gt_cond_wait(cond, mutex), 0);
    full = 0;
    sum += item;
    CHECK_EQ(gt_cond_signal(emptied), 0);
    CHECK_EQ(gt_mutex_unlock(mutex), 0);
  }
  *(int64_t *)arg = sum;
  CHECK_EQ(gt_shutdown(), 0);
  return NULL;
}

TEST_WITH(cond_between_threads_loses_no_signal, 0, 60) {
  int64_t sums[2];
  pthread_t threads[4];
  make();
  emptied = gt_cond_new();
  for (int i = 0; i < 2; i++) threads[i] = s_thread(producer, NULL);
  for (int i = 0; i < 2; i++) threads[2 + i] = s_thread(consumer, &sums[i]);
  for (int i = 0; i < 4; i++) s_thread_join(threads[i]);
  CHECK_EQ(sums[0] + sums[1], (int64_t)ITEMS * (ITEMS + 1));
  CHECK_EQ(gt_cond_free(emptied), 0);
  drop();
}

static void *signals(void *arg) {
  CHECK_EQ(gt_cond_signal(cond), 0); /* no scheduler here, and none is made */
  return arg;
}

TEST(cond_signal_of_a_thread_without_tasks) {
  make();
  int64_t task = s_spawn(waits, NULL);
  s_settle();
  s_thread_join(s_thread(signals, NULL));
  CHECK_EQ((intptr_t)s_join(task), 0);
  drop();
}

static void *ends_early(void *arg) {
  s_spawn(waits, NULL);
  s_settle();
  return arg;
}

TEST(cond_signal_passes_over_a_waiter_whose_thread_has_ended) {
  make();
  s_thread_join(s_thread(ends_early, NULL));
  int64_t task = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_cond_signal(cond), 0);
  CHECK_EQ((intptr_t)s_join(task), 0);
  s_thread_join(s_thread(ends_early, NULL));
  drop();
}

TEST(cond_in_a_forked_child_has_no_waiters) {
  make();
  int64_t task = s_spawn(waits, NULL);
  s_settle();
  pid_t child = fork();
  if (child == 0) {
    CHECK_EQ(gt_cond_broadcast(cond), 0);
    CHECK_EQ(gt_mutex_lock(mutex), 0);
    CHECK_EQ(gt_cond_wait_until(cond, mutex, IN_MS(1)), -ETIMEDOUT);
    CHECK_EQ(gt_mutex_unlock(mutex), 0);
    drop();
    _exit(0);
  }
  int status;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  CHECK_EQ(gt_cond_signal(cond), 0);
  CHECK_EQ((intptr_t)s_join(task), 0);
  drop();
}

TEST(cond_waits_for_ever_is_a_deadlock_that_the_root_may_be_told) {
  gt_config_t config = {.size = sizeof config, .deadlock = GT_DEADLOCK_ERROR};
  CHECK_EQ(gt_config(&config), 0);
  make();
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  CHECK_EQ(gt_cond_wait(cond, mutex), -EDEADLK);
  CHECK_EQ(gt_mutex_unlock(mutex), 0); /* nobody had it meanwhile: it is locked again */
  drop();
}
