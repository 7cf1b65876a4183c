/* gt_mutex: one owner at a time, in the order of arrival, and nothing lost when a waiter is cancelled, late, or on another OS thread. */
#include "support.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static gt_mutex_t *mutex;

/* Locks, writes its letter, lets others run, unlocks. */
static void *turn(void *arg) {
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  s_log((char)(intptr_t)arg);
  CHECK_EQ(gt_yield(), 0);
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  return NULL;
}

/* Locks and returns what that said; unlocks if it has it. */
static void *lock_only(void *arg) {
  int64_t *deadline = arg;
  int got = gt_mutex_lock_until(mutex, deadline ? *deadline : GT_NEVER);
  if (got == 0) CHECK_EQ(gt_mutex_unlock(mutex), 0);
  return (void *)(intptr_t)got;
}

TEST(mutex_is_locked_and_unlocked) {
  mutex = gt_mutex_new();
  CHECK(mutex);
  CHECK_EQ(s_stats().objects, 1);
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  CHECK_EQ(gt_mutex_try_lock(mutex), 0);
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  CHECK_EQ(gt_mutex_lock_until(mutex, 0), 0); /* free: a deadline in the past is no matter */
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  CHECK_EQ(gt_mutex_free(mutex), 0);
  CHECK_EQ(s_stats().objects, 0);
}

TEST(mutex_goes_to_the_waiters_in_their_order) {
  int64_t tasks[5];
  mutex = gt_mutex_new();
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  for (int i = 0; i < 5; i++) tasks[i] = s_spawn(turn, (void *)(intptr_t)('a' + i));
  s_settle();
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  CHECK_EQ(gt_mutex_try_lock(mutex), -EBUSY); /* it is the first waiter's already */
  CHECK_EQ(gt_mutex_lock(mutex), 0);          /* behind all of them */
  s_log('r');
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  for (int i = 0; i < 5; i++) s_join(tasks[i]);
  CHECK_STR(s_logged(), "abcder");
  CHECK_EQ(gt_mutex_free(mutex), 0);
}

static void *try_and_unlock(void *arg) {
  CHECK_EQ(gt_mutex_try_lock(mutex), -EBUSY);
  CHECK_EQ(gt_mutex_unlock(mutex), -EPERM);
  return arg;
}

TEST(mutex_is_its_owners) {
  mutex = gt_mutex_new();
  CHECK_EQ(gt_mutex_unlock(mutex), -EPERM); /* nobody's */
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  CHECK_EQ(gt_mutex_lock(mutex), -EDEADLK);
  CHECK_EQ(gt_mutex_lock_until(mutex, IN_MS(1)), -EDEADLK);
  CHECK_EQ(gt_mutex_try_lock(mutex), -EDEADLK);
  s_join(s_spawn(try_and_unlock, NULL));
  s_thread_join(s_thread(try_and_unlock, NULL));
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  CHECK_EQ(gt_mutex_unlock(mutex), -EPERM);
  CHECK_EQ(gt_mutex_free(mutex), 0);
}

static void *only_unlock(void *arg) {
  CHECK_EQ(gt_mutex_unlock(mutex), -EPERM);
  return arg;
}

TEST(mutex_unlock_by_a_thread_without_tasks_is_refused) {
  mutex = gt_mutex_new();
  s_thread_join(s_thread(only_unlock, NULL));
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  s_thread_join(s_thread(only_unlock, NULL));
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  CHECK_EQ(gt_mutex_free(mutex), 0);
}

TEST(mutex_waiters_leave_for_every_reason_and_the_others_keep_their_turn) {
  CHECK_EQ(gt_clock_virtual(0, 0), 0); /* no deadline passes before its turn, however slow the machine */
  mutex = gt_mutex_new();
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  int64_t soon = IN_MS(2);
  int64_t a = s_spawn(lock_only, NULL), b = s_spawn(lock_only, NULL), c = s_spawn(lock_only, &soon), d = s_spawn(lock_only, NULL);
  s_settle();
  CHECK_EQ(gt_cancel(a), 0);
  CHECK_EQ(gt_interrupt(b, 7), 0);
  CHECK_EQ((intptr_t)s_join(a), -ECANCELED);
  CHECK_EQ((intptr_t)s_join(b), -EINTR);
  CHECK_EQ((intptr_t)s_join(c), -ETIMEDOUT);
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  CHECK_EQ((intptr_t)s_join(d), 0);
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  int64_t token = gt_deadline_push(IN_MS(2));
  int64_t past = 0;
  CHECK_EQ((intptr_t)s_join(s_spawn(lock_only, &past)), -ETIMEDOUT);
  CHECK_GE(gt_deadline_pop(token), 0);
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  CHECK_EQ(gt_mutex_lock(mutex), 0); /* nobody is left */
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  CHECK_EQ(gt_mutex_free(mutex), 0);
}

static void *cancelled_on_entry(void *arg) {
  CHECK_EQ(gt_cancel(gt_self()), 0);
  CHECK_EQ(gt_mutex_lock(mutex), -ECANCELED);
  CHECK_EQ(gt_mutex_try_lock(mutex), 0); /* no cancellation point */
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  return arg;
}

TEST(mutex_lock_of_a_cancelled_task_fails_though_the_mutex_is_free) {
  mutex = gt_mutex_new();
  s_join(s_spawn(cancelled_on_entry, NULL));
  CHECK_EQ(gt_mutex_free(mutex), 0);
}

static void *owner_when_cancelled(void *arg) {
  int *state = arg;
  int got = gt_mutex_lock(mutex);
  *state = got;
  if (got == 0) {
    CHECK_EQ(gt_sleep(1), -ECANCELED); /* the cancel comes with the next call */
    CHECK_EQ(gt_mutex_unlock(mutex), 0);
  }
  return NULL;
}

TEST(mutex_granted_and_cancelled_at_once_is_granted) {
  int state = 1;
  mutex = gt_mutex_new();
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  int64_t task = s_spawn(owner_when_cancelled, &state);
  s_settle();
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  CHECK_EQ(gt_cancel(task), 0);
  s_join(task);
  CHECK_EQ(state, 0);
  /* The other way round: the cancel woke it first, but the mutex came before it ran. */
  state = 1;
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  task = s_spawn(owner_when_cancelled, &state);
  s_settle();
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  s_join(task);
  CHECK_EQ(state, 0);
  CHECK_EQ(gt_mutex_free(mutex), 0);
}

static void *interrupted_but_granted(void *arg) {
  int code = 0;
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  CHECK_EQ(gt_interrupt_take(&code), -EAGAIN);
  CHECK_EQ(gt_sleep(MS(1000)), -EINTR); /* still to come */
  CHECK_EQ(gt_interrupt_take(&code), 0);
  CHECK_EQ(code, 5);
  return arg;
}

TEST(mutex_granted_and_interrupted_at_once_keeps_the_interrupt_for_the_next_call) {
  mutex = gt_mutex_new();
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  int64_t task = s_spawn(interrupted_but_granted, NULL);
  s_settle();
  CHECK_EQ(gt_interrupt(task, 5), 0);
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  s_join(task);
  CHECK_EQ(gt_mutex_free(mutex), 0);
}

TEST(mutex_in_use_is_not_freed_and_a_freed_one_is_recognised) {
  CHECK_EQ(gt_mutex_free(NULL), 0);
  mutex = gt_mutex_new();
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  CHECK_EQ(gt_mutex_free(mutex), -EBUSY);
  int64_t task = s_spawn(lock_only, NULL);
  s_settle();
  CHECK_EQ(gt_mutex_free(mutex), -EBUSY);
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  CHECK_EQ(gt_mutex_free(mutex), -EBUSY); /* handed over, not taken yet */
  s_join(task);
  CHECK_EQ(gt_mutex_free(mutex), 0);
  CHECK_EQ(gt_mutex_free(mutex), -EINVAL);
  CHECK_EQ(gt_mutex_lock(mutex), -EINVAL);
  CHECK_EQ(gt_mutex_lock_until(mutex, 0), -EINVAL);
  CHECK_EQ(gt_mutex_try_lock(mutex), -EINVAL);
  CHECK_EQ(gt_mutex_unlock(mutex), -EINVAL);
  CHECK_EQ(gt_mutex_lock(NULL), -EINVAL);
  CHECK_EQ(gt_mutex_try_lock(NULL), -EINVAL);
  CHECK_EQ(gt_mutex_unlock(NULL), -EINVAL);
  gt_sem_t *sem = gt_sem_new(0);
  CHECK_EQ(gt_mutex_lock((gt_mutex_t *)(void *)sem), -EINVAL); /* something else */
  CHECK_EQ(gt_mutex_free((gt_mutex_t *)(void *)sem), -EINVAL);
  CHECK_EQ(gt_sem_free(sem), 0);
  CHECK_EQ(gt_mutex_lock((gt_mutex_t *)((char *)mutex + 8)), -EINVAL); /* inside one */
}

static void *lock_and_end(void *arg) {
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  return arg;
}

TEST(mutex_of_a_task_that_ended_may_be_freed) {
  mutex = gt_mutex_new();
  s_join(s_spawn(lock_and_end, NULL));
  CHECK_EQ(gt_mutex_try_lock(mutex), -EBUSY);
  CHECK_EQ(gt_mutex_free(mutex), 0);
}

TEST(mutex_the_next_sixty_four_leave_a_freed_one_alone) {
  gt_mutex_t *first = gt_mutex_new(), *others[64];
  CHECK_EQ(gt_mutex_free(first), 0);
  for (int i = 0; i < 64; i++) {
    others[i] = gt_mutex_new();
    CHECK(others[i] && others[i] != first);
    CHECK_EQ(gt_mutex_free(first), -EINVAL);
  }
  for (int i = 0; i < 64; i++) CHECK_EQ(gt_mutex_free(others[i]), 0);
}

/* -- several OS threads */

enum { TASKS = 4, ROUNDS = 300 };
static volatile int64_t inside, counter;

static void *worker(void *arg) {
  for (int i = 0; i < ROUNDS; i++) {
    CHECK_EQ(gt_mutex_lock(mutex), 0);
    CHECK_EQ(inside, 0);
    inside = gt_self();
    if (i % 16 == 0) CHECK_EQ(gt_yield(), 0);
    CHECK_EQ(inside, gt_self());
    counter++;
    inside = 0;
    CHECK_EQ(gt_mutex_unlock(mutex), 0);
    if (i % 8 == 0) CHECK_EQ(gt_yield(), 0);
  }
  return arg;
}

static void *workers(void *arg) {
  int64_t tasks[TASKS];
  for (int i = 0; i < TASKS; i++) tasks[i] = s_spawn(worker, NULL);
  for (int i = 0; i < TASKS; i++) s_join(tasks[i]);
  CHECK_EQ(gt_shutdown(), 0);
  return arg;
}

TEST_WITH(mutex_keeps_tasks_of_several_threads_apart, 0, 60) {
  pthread_t threads[4];
  mutex = gt_mutex_new();
  for (size_t i = 0; i < COUNT(threads); i++) threads[i] = s_thread(workers, NULL);
  for (size_t i = 0; i < COUNT(threads); i++) s_thread_join(threads[i]);
  CHECK_EQ(counter, (int64_t)COUNT(threads) * TASKS * ROUNDS);
  CHECK_EQ(gt_mutex_free(mutex), 0);
}

static void *waiter_of_a_thread_that_ends(void *arg) {
  gt_mutex_lock(mutex);
  FAIL("a task of a thread that has ended ran");
  return arg;
}

/* Ends with a task parked in the queue. */
static void *ends_early(void *arg) {
  s_spawn(waiter_of_a_thread_that_ends, NULL);
  s_settle();
  return arg;
}

TEST_WITH(mutex_passes_over_a_waiter_whose_thread_has_ended, 0, 0) {
  mutex = gt_mutex_new();
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  s_thread_join(s_thread(ends_early, NULL));
  int64_t task = s_spawn(lock_only, NULL);
  s_settle();
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  CHECK_EQ((intptr_t)s_join(task), 0);
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  s_thread_join(s_thread(ends_early, NULL));
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  CHECK_EQ(gt_mutex_free(mutex), 0);
}

static void *root_waits(void *arg) {
  CHECK_EQ(gt_mutex_lock(mutex), 0); /* the thread's first call: it gets a scheduler */
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  CHECK_EQ(gt_shutdown(), 0);
  return arg;
}

TEST(mutex_wait_of_a_thread_without_tasks) {
  mutex = gt_mutex_new();
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  pthread_t thread = s_thread(root_waits, NULL);
  CHECK_EQ(gt_sleep(MS(5)), 0);
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  s_thread_join(thread);
  CHECK_EQ(gt_mutex_free(mutex), 0);
}

/* -- fork */

static gt_mutex_t *others;

static void *holds_the_other(void *arg) {
  CHECK_EQ(gt_mutex_lock(others), 0);
  CHECK_EQ(gt_park(), 0);
  CHECK_EQ(gt_mutex_unlock(others), 0);
  return arg;
}

TEST(mutex_in_a_forked_child) {
  mutex = gt_mutex_new();
  others = gt_mutex_new();
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  int64_t holder = s_spawn(holds_the_other, NULL), waiter = s_spawn(lock_only, NULL);
  s_settle();
  pid_t child = fork();
  if (child == 0) {
    /* Its own is still its own, the waiters are gone; the other has no owner. */
    CHECK_EQ(gt_mutex_lock(mutex), -EDEADLK);
    CHECK_EQ(gt_mutex_unlock(mutex), 0);
    CHECK_EQ(gt_mutex_lock(mutex), 0);
    CHECK_EQ(gt_mutex_unlock(mutex), 0);
    CHECK_EQ(gt_mutex_free(mutex), 0);
    CHECK_EQ(gt_mutex_lock_until(others, IN_MS(1)), -ETIMEDOUT);
    CHECK_EQ(gt_mutex_free(others), 0);
    _exit(0);
  }
  int status;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  CHECK_EQ((intptr_t)s_join(waiter), 0);
  CHECK_EQ(gt_unpark(holder), 0);
  s_join(holder);
  CHECK_EQ(gt_mutex_free(mutex), 0);
  CHECK_EQ(gt_mutex_free(others), 0);
}

TEST(mutex_waits_for_ever_is_a_deadlock_that_the_root_may_be_told) {
  gt_config_t config = {.size = sizeof config, .deadlock = GT_DEADLOCK_ERROR};
  CHECK_EQ(gt_config(&config), 0);
  mutex = gt_mutex_new();
  s_join(s_spawn(lock_and_end, NULL));
  CHECK_EQ(gt_mutex_lock(mutex), -EDEADLK);
  CHECK_EQ(gt_mutex_free(mutex), 0);
}
