/* gt_event: set, everybody passes; not set, everybody waits; and each wait ends when something ends it. */
#include "support.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static gt_event_t *event;

static void *waits(void *arg) { return (void *)(intptr_t)gt_event_wait_until(event, arg ? *(int64_t *)arg : GT_NEVER); }

static void *waits_and_logs(void *arg) {
  CHECK_EQ(gt_event_wait(event), 0);
  s_log((char)(intptr_t)arg);
  return NULL;
}

TEST(event_lets_everybody_through_while_it_is_set) {
  int64_t tasks[4];
  event = gt_event_new();
  CHECK(event);
  CHECK_EQ(s_stats().objects, 1);
  CHECK_EQ(gt_event_is_set(event), 0);
  for (int i = 0; i < 4; i++) tasks[i] = s_spawn(waits_and_logs, (void *)(intptr_t)('a' + i));
  s_settle();
  CHECK_STR(s_logged(), "");
  CHECK_EQ(gt_event_set(event), 0);
  CHECK_EQ(gt_event_is_set(event), 1);
  s_settle();
  CHECK_STR(s_logged(), "abcd");
  for (int i = 0; i < 4; i++) s_join(tasks[i]);
  CHECK_EQ(gt_event_set(event), 0); /* again: nothing new */
  CHECK_EQ(gt_event_wait(event), 0);
  CHECK_EQ(gt_event_wait_until(event, 0), 0);
  CHECK_EQ(gt_event_clear(event), 0);
  CHECK_EQ(gt_event_clear(event), 0);
  CHECK_EQ(gt_event_is_set(event), 0);
  CHECK_EQ(gt_event_wait_until(event, 0), -ETIMEDOUT);
  CHECK_EQ(gt_event_free(event), 0);
  CHECK_EQ(s_stats().objects, 0);
}

TEST(event_set_and_cleared_at_once_lets_those_through_who_waited) {
  event = gt_event_new();
  int64_t before = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_event_set(event), 0);
  CHECK_EQ(gt_event_clear(event), 0);
  int64_t after = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ((intptr_t)s_join(before), 0);
  CHECK_EQ(gt_join_until(after, NULL, IN_MS(2)), -ETIMEDOUT);
  CHECK_EQ(gt_event_set(event), 0);
  CHECK_EQ((intptr_t)s_join(after), 0);
  CHECK_EQ(gt_event_free(event), 0);
}

TEST(event_wakes_more_than_a_handful) {
  enum { MANY = 150 };
  int64_t tasks[MANY];
  event = gt_event_new();
  for (int i = 0; i < MANY; i++) tasks[i] = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_event_set(event), 0);
  CHECK_EQ(gt_event_free(event), 0); /* all of them have what they waited for */
  for (int i = 0; i < MANY; i++) CHECK_EQ((intptr_t)s_join(tasks[i]), 0);
}

TEST(event_waits_end_for_every_reason) {
  event = gt_event_new();
  int64_t soon = IN_MS(2);
  int64_t a = s_spawn(waits, NULL), b = s_spawn(waits, NULL), c = s_spawn(waits, &soon), d = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_cancel(a), 0);
  CHECK_EQ(gt_interrupt(b, 7), 0);
  CHECK_EQ((intptr_t)s_join(a), -ECANCELED);
  CHECK_EQ((intptr_t)s_join(b), -EINTR);
  CHECK_EQ((intptr_t)s_join(c), -ETIMEDOUT);
  CHECK_EQ(gt_event_set(event), 0);
  CHECK_EQ((intptr_t)s_join(d), 0);
  CHECK_EQ(gt_event_clear(event), 0);
  int64_t token = gt_deadline_push(IN_MS(1));
  CHECK_EQ(gt_event_wait(event), -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(token), 1);
  CHECK_EQ(gt_event_free(event), 0);
}

TEST(event_set_and_cancelled_at_once_is_set) {
  event = gt_event_new();
  int64_t task = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ(gt_event_set(event), 0); /* before it ran */
  CHECK_EQ(gt_event_clear(event), 0);
  CHECK_EQ((intptr_t)s_join(task), 0);
  CHECK_EQ(gt_event_free(event), 0);
}

static void *cancelled_on_entry(void *arg) {
  CHECK_EQ(gt_cancel(gt_self()), 0);
  CHECK_EQ(gt_event_wait(event), -ECANCELED);
  return arg;
}

TEST(event_wait_of_a_cancelled_task_fails_though_the_event_is_set) {
  event = gt_event_new();
  CHECK_EQ(gt_event_set(event), 0);
  s_join(s_spawn(cancelled_on_entry, NULL));
  CHECK_EQ(gt_event_free(event), 0);
}

TEST(event_waited_on_is_not_freed_and_a_freed_one_is_recognised) {
  CHECK_EQ(gt_event_free(NULL), 0);
  event = gt_event_new();
  int64_t task = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_event_free(event), -EBUSY);
  CHECK_EQ(gt_event_set(event), 0);
  CHECK_EQ((intptr_t)s_join(task), 0);
  CHECK_EQ(gt_event_free(event), 0);
  gt_sem_t *sem = gt_sem_new(0);
  gt_event_t *none[] = {event, NULL, (gt_event_t *)(void *)sem, (gt_event_t *)((char *)event + 4)};
  for (size_t i = 0; i < COUNT(none); i++) {
    if (none[i]) CHECK_EQ(gt_event_free(none[i]), -EINVAL);
    CHECK_EQ(gt_event_set(none[i]), -EINVAL);
    CHECK_EQ(gt_event_clear(none[i]), -EINVAL);
    CHECK_EQ(gt_event_is_set(none[i]), -EINVAL);
    CHECK_EQ(gt_event_wait(none[i]), -EINVAL);
    CHECK_EQ(gt_event_wait_until(none[i], 0), -EINVAL);
  }
  CHECK_EQ(gt_sem_free(sem), 0);
}

TEST(event_waits_for_ever_is_a_deadlock_that_the_root_may_be_told) {
  gt_config_t config = {.size = sizeof config, .deadlock = GT_DEADLOCK_ERROR};
  CHECK_EQ(gt_config(&config), 0);
  event = gt_event_new();
  CHECK_EQ(gt_event_wait(event), -EDEADLK);
  CHECK_EQ(gt_event_free(event), 0);
}

/* -- several OS threads: rounds of set and clear, each of which everybody sees */

enum { THREADS = 3, TASKS = 3, ROUNDS = 200 };
static gt_event_t *begins[2];
static gt_sem_t *seen;

static void *sees_every_round(void *arg) {
  for (int i = 0; i < ROUNDS; i++) {
    CHECK_EQ(gt_event_wait(begins[i % 2]), 0);
    CHECK_EQ(gt_sem_post(seen), 0);
  }
  return arg;
}

static void *thread_sees(void *arg) {
  int64_t tasks[TASKS];
  for (int i = 0; i < TASKS; i++) tasks[i] = s_spawn(sees_every_round, NULL);
  for (int i = 0; i < TASKS; i++) s_join(tasks[i]);
  CHECK_EQ(gt_shutdown(), 0);
  return arg;
}

TEST_WITH(event_between_threads_reaches_everybody, 0, 60) {
  pthread_t threads[THREADS];
  for (int i = 0; i < 2; i++) begins[i] = gt_event_new();
  seen = gt_sem_new(0);
  for (int i = 0; i < THREADS; i++) threads[i] = s_thread(thread_sees, NULL);
  for (int i = 0; i < ROUNDS; i++) {
    CHECK_EQ(gt_event_set(begins[i % 2]), 0);
    for (int k = 0; k < THREADS * TASKS; k++) CHECK_EQ(gt_sem_wait(seen), 0);
    CHECK_EQ(gt_event_clear(begins[i % 2]), 0);
  }
  for (int i = 0; i < THREADS; i++) s_thread_join(threads[i]);
  for (int i = 0; i < 2; i++) CHECK_EQ(gt_event_free(begins[i]), 0);
  CHECK_EQ(gt_sem_free(seen), 0);
}

static void *sets(void *arg) {
  CHECK_EQ(gt_event_is_set(event), 0); /* no scheduler here, and none is made */
  CHECK_EQ(gt_event_set(event), 0);
  return arg;
}

TEST(event_set_by_a_thread_without_tasks) {
  event = gt_event_new();
  int64_t task = s_spawn(waits, NULL);
  s_settle();
  s_thread_join(s_thread(sets, NULL));
  CHECK_EQ((intptr_t)s_join(task), 0);
  CHECK_EQ(gt_event_free(event), 0);
}

static void *root_waits(void *arg) {
  CHECK_EQ(gt_event_wait(event), 0); /* the thread's first call: it gets a scheduler */
  CHECK_EQ(gt_shutdown(), 0);
  return arg;
}

TEST(event_wait_of_a_thread_without_tasks) {
  event = gt_event_new();
  pthread_t thread = s_thread(root_waits, NULL);
  CHECK_EQ(gt_sleep(MS(5)), 0);
  CHECK_EQ(gt_event_set(event), 0);
  s_thread_join(thread);
  CHECK_EQ(gt_event_free(event), 0);
}

static void *ends_early(void *arg) {
  s_spawn(waits, NULL);
  s_settle();
  return arg;
}

TEST(event_passes_over_a_waiter_whose_thread_has_ended) {
  event = gt_event_new();
  s_thread_join(s_thread(ends_early, NULL));
  int64_t task = s_spawn(waits, NULL);
  s_settle();
  CHECK_EQ(gt_event_set(event), 0);
  CHECK_EQ((intptr_t)s_join(task), 0);
  CHECK_EQ(gt_event_clear(event), 0);
  s_thread_join(s_thread(ends_early, NULL));
  CHECK_EQ(gt_event_free(event), 0);
}

TEST(event_in_a_forked_child_has_its_state_and_no_waiters) {
  event = gt_event_new();
  gt_event_t *other = gt_event_new();
  CHECK_EQ(gt_event_set(other), 0);
  int64_t task = s_spawn(waits, NULL);
  s_settle();
  pid_t child = fork();
  if (child == 0) {
    CHECK_EQ(gt_event_wait(other), 0);
    CHECK_EQ(gt_event_free(other), 0);
    CHECK_EQ(gt_event_wait_until(event, IN_MS(1)), -ETIMEDOUT);
    CHECK_EQ(gt_event_set(event), 0);
    CHECK_EQ(gt_event_wait(event), 0);
    CHECK_EQ(gt_event_free(event), 0);
    _exit(0);
  }
  int status;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  CHECK_EQ(gt_event_is_set(event), 0);
  CHECK_EQ(gt_event_set(event), 0);
  CHECK_EQ((intptr_t)s_join(task), 0);
  CHECK_EQ(gt_event_free(event), 0);
  CHECK_EQ(gt_event_free(other), 0);
}
