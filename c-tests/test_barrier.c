/* gt_barrier: nobody goes on before all have come, round after round, and who leaves early has not come. */
#include "support.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static gt_barrier_t *barrier;

static void *waits(void *arg) {
  return (void *)(intptr_t)gt_barrier_wait_until(barrier, arg ? *(int64_t *)arg : GT_NEVER);
}

static void *three_rounds(void *arg) {
  for (int i = 0; i < 3; i++) {
    s_log((char)(intptr_t)arg);
    int got = gt_barrier_wait(barrier);
    CHECK(got == 0 || got == 1);
    if (got == 1) s_log('.');
  }
  return NULL;
}

TEST(barrier_lets_all_go_when_all_have_come) {
  int64_t tasks[3];
  barrier = gt_barrier_new(3);
  CHECK(barrier);
  CHECK_EQ(s_stats().objects, 1);
  for (int i = 0; i < 3; i++) tasks[i] = s_spawn(three_rounds, (void *)(intptr_t)('a' + i));
  for (int i = 0; i < 3; i++) s_join(tasks[i]);
  CHECK_EQ(strlen(s_logged()), 12);
  for (int i = 0; i < 3; i++) { /* three letters and the end of the round: the last one to come tells it */
    CHECK_EQ(s_logged()[i * 4 + 3], '.');
    CHECK(memchr(s_logged() + (size_t)i * 4, 'a', 3) && memchr(s_logged() + (size_t)i * 4, 'b', 3));
  }
  CHECK_EQ(gt_barrier_free(barrier), 0);
  CHECK_EQ(s_stats().objects, 0);
}

TEST(barrier_of_one_never_waits) {
  barrier = gt_barrier_new(1);
  for (int i = 0; i < 3; i++) CHECK_EQ(gt_barrier_wait(barrier), 1);
  CHECK_EQ(gt_barrier_wait_until(barrier, 0), 1);
  CHECK_EQ(gt_barrier_free(barrier), 0);
}

TEST(barrier_of_none_is_refused) {
  errno = 0;
  CHECK(!gt_barrier_new(0));
  CHECK_EQ(errno, EINVAL);
  CHECK_EQ(s_stats().objects, 0);
}

TEST(barrier_for_more_than_can_come_is_only_waited_at) {
  barrier = gt_barrier_new(UINT32_MAX);
  CHECK(barrier);
  CHECK_EQ(gt_barrier_wait_until(barrier, IN_MS(1)), -ETIMEDOUT);
  CHECK_EQ(gt_barrier_free(barrier), 0);
}

TEST(barrier_of_more_than_a_handful) {
  enum { MANY = 150 };
  int64_t tasks[MANY], last = 0;
  barrier = gt_barrier_new(MANY);
  for (int round = 0; round < 3; round++) {
    last = 0;
    for (int i = 0; i < MANY; i++) tasks[i] = s_spawn(waits, NULL);
    for (int i = 0; i < MANY; i++) {
      intptr_t got = (intptr_t)s_join(tasks[i]);
      CHECK(got == 0 || got == 1);
      last += got;
    }
    CHECK_EQ(last, 1);
  }
  CHECK_EQ(gt_barrier_free(barrier), 0);
}

TEST(barrier_who_leaves_early_has_not_come) {
  barrier = gt_barrier_new(3);
  int64_t soon = IN_MS(2), past = 0;
  int64_t a = s_spawn(waits, NULL);
  s_settle();
  int64_t b = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_cancel(a), 0);
  CHECK_EQ((intptr_t)s_join(a), -ECANCELED);
  int64_t c = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_interrupt(c, 9), 0);
  CHECK_EQ((intptr_t)s_join(c), -EINTR);
  CHECK_EQ((intptr_t)s_join(s_spawn(waits, &soon)), -ETIMEDOUT);
  CHECK_EQ((intptr_t)s_join(s_spawn(waits, &past)), -ETIMEDOUT);
  int64_t token = gt_deadline_push(IN_MS(1));
  CHECK_EQ(gt_barrier_wait(barrier), -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(token), 1);
  int64_t d = s_spawn(waits, NULL); /* b and d: one is missing */
  s_settle();
  CHECK_EQ(s_stats().tasks_live, 2);
  CHECK_EQ(gt_barrier_wait_until(barrier, 0), 1); /* the last one does not wait */
  CHECK_EQ((intptr_t)s_join(b), 0);
  CHECK_EQ((intptr_t)s_join(d), 0);
  CHECK_EQ(gt_barrier_free(barrier), 0);
}

TEST(barrier_complete_and_cancelled_at_once_is_complete) {
  barrier = gt_barrier_new(2);
  int64_t task = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ(gt_barrier_wait(barrier), 1); /* before it ran */
  CHECK_EQ((intptr_t)s_join(task), 0);
  CHECK_EQ(gt_barrier_free(barrier), 0);
}

static void *cancelled_on_entry(void *arg) {
  CHECK_EQ(gt_cancel(gt_self()), 0);
  CHECK_EQ(gt_barrier_wait(barrier), -ECANCELED);
  return arg;
}

TEST(barrier_wait_of_a_cancelled_task_does_not_count) {
  barrier = gt_barrier_new(2);
  int64_t task = s_spawn(waits, NULL);
  s_settle();
  s_join(s_spawn(cancelled_on_entry, NULL));
  CHECK_EQ(gt_join_until(task, NULL, IN_MS(1)), -ETIMEDOUT);
  CHECK_EQ(gt_barrier_wait(barrier), 1);
  CHECK_EQ((intptr_t)s_join(task), 0);
  CHECK_EQ(gt_barrier_free(barrier), 0);
}

TEST(barrier_waited_at_is_not_freed_and_a_freed_one_is_recognised) {
  CHECK_EQ(gt_barrier_free(NULL), 0);
  barrier = gt_barrier_new(2);
  int64_t task = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_barrier_free(barrier), -EBUSY);
  CHECK_EQ(gt_barrier_wait(barrier), 1);
  CHECK_EQ(gt_barrier_free(barrier), 0); /* the other one has been let go */
  CHECK_EQ((intptr_t)s_join(task), 0);
  gt_sem_t *sem = gt_sem_new(0);
  gt_barrier_t *none[] = {barrier, NULL, (gt_barrier_t *)(void *)sem, (gt_barrier_t *)((char *)barrier + 4)};
  for (size_t i = 0; i < COUNT(none); i++) {
    if (none[i]) CHECK_EQ(gt_barrier_free(none[i]), -EINVAL);
    CHECK_EQ(gt_barrier_wait(none[i]), -EINVAL);
    CHECK_EQ(gt_barrier_wait_until(none[i], 0), -EINVAL);
  }
  CHECK_EQ(gt_sem_free(sem), 0);
}

TEST(barrier_waits_for_ever_is_a_deadlock_that_the_root_may_be_told) {
  gt_config_t config = {.size = sizeof config, .deadlock = GT_DEADLOCK_ERROR};
  CHECK_EQ(gt_config(&config), 0);
  barrier = gt_barrier_new(2);
  CHECK_EQ(gt_barrier_wait(barrier), -EDEADLK);
  CHECK_EQ(gt_barrier_free(barrier), 0);
}

/* -- several OS threads: nobody is ever a round ahead */

enum { THREADS = 3, TASKS = 3, ROUNDS = 200 };
static int64_t come, lasts;

static void *keeps_step(void *arg) {
  for (int64_t i = 1; i <= ROUNDS; i++) {
    __atomic_fetch_add(&come, 1, __ATOMIC_SEQ_CST);
    int got = -ETIMEDOUT;
    if (i % 7 == (intptr_t)arg % 7) got = gt_barrier_wait_until(barrier, gt_now() + 1000); /* in vain, mostly */
    if (got == -ETIMEDOUT) got = gt_barrier_wait(barrier);
    CHECK(got == 0 || got == 1);
    __atomic_fetch_add(&lasts, got, __ATOMIC_SEQ_CST);
    CHECK_GE(__atomic_load_n(&come, __ATOMIC_SEQ_CST), i * THREADS * TASKS);
  }
  return NULL;
}

static void *thread_keeps_step(void *arg) {
  int64_t tasks[TASKS];
  for (intptr_t i = 0; i < TASKS; i++) tasks[i] = s_spawn(keeps_step, (void *)((intptr_t)arg * TASKS + i));
  for (int i = 0; i < TASKS; i++) s_join(tasks[i]);
  CHECK_EQ(gt_shutdown(), 0);
  return NULL;
}

TEST_WITH(barrier_between_threads_keeps_everybody_in_step, 0, 60) {
  pthread_t threads[THREADS];
  barrier = gt_barrier_new(THREADS * TASKS);
  for (int i = 0; i < THREADS; i++) threads[i] = s_thread(thread_keeps_step, (void *)(intptr_t)i);
  for (int i = 0; i < THREADS; i++) s_thread_join(threads[i]);
  CHECK_EQ(lasts, ROUNDS);
  CHECK_EQ(gt_barrier_free(barrier), 0);
}

static void *root_waits(void *arg) {
  CHECK_GE(gt_barrier_wait(barrier), 0); /* the thread's first call: it gets a scheduler */
  CHECK_EQ(gt_shutdown(), 0);
  return arg;
}

TEST(barrier_wait_of_a_thread_without_tasks) {
  barrier = gt_barrier_new(2);
  pthread_t thread = s_thread(root_waits, NULL);
  CHECK_GE(gt_barrier_wait(barrier), 0);
  s_thread_join(thread);
  CHECK_EQ(gt_barrier_free(barrier), 0);
}

static void *ends_early(void *arg) {
  s_spawn(waits, NULL);
  s_settle();
  return arg;
}

TEST(barrier_does_not_count_a_waiter_whose_thread_has_ended) {
  barrier = gt_barrier_new(2);
  s_thread_join(s_thread(ends_early, NULL));
  CHECK_EQ(gt_barrier_wait_until(barrier, IN_MS(1)), -ETIMEDOUT);
  int64_t task = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_barrier_wait(barrier), 1);
  CHECK_EQ((intptr_t)s_join(task), 0);
  s_thread_join(s_thread(ends_early, NULL));
  CHECK_EQ(gt_barrier_free(barrier), 0);
}

TEST(barrier_in_a_forked_child_nobody_has_come) {
  barrier = gt_barrier_new(3);
  int64_t a = s_spawn(waits, NULL), b = s_spawn(waits, NULL);
  s_settle();
  pid_t child = fork();
  if (child == 0) {
    CHECK_EQ(gt_barrier_wait_until(barrier, IN_MS(1)), -ETIMEDOUT);
    a = s_spawn(waits, NULL), b = s_spawn(waits, NULL);
    s_settle();
    CHECK_EQ(gt_barrier_wait(barrier), 1);
    CHECK_EQ((intptr_t)s_join(a), 0);
    CHECK_EQ((intptr_t)s_join(b), 0);
    CHECK_EQ(gt_barrier_free(barrier), 0);
    _exit(0);
  }
  int status;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  CHECK_EQ(gt_barrier_wait(barrier), 1);
  CHECK_EQ((intptr_t)s_join(a), 0);
  CHECK_EQ((intptr_t)s_join(b), 0);
  CHECK_EQ(gt_barrier_free(barrier), 0);
}
