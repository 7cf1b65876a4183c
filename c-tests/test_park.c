/* gt_park and gt_unpark, wakers, and wakes that come from another OS thread. */
#include "support.h"

#include <errno.h>

static void *park(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_park();
}

TEST(park_takes_a_permit_that_came_first) {
  int64_t root = gt_self();
  CHECK_EQ(gt_unpark(root), 0);
  CHECK_EQ(gt_park(), 0);
  CHECK_EQ(gt_park_until(0), -ETIMEDOUT);
}

TEST(park_keeps_one_permit_not_two) {
  int64_t root = gt_self();
  for (int i = 0; i < 5; i++) CHECK_EQ(gt_unpark(root), 0);
  CHECK_EQ(gt_park_until(0), 0);
  CHECK_EQ(gt_park_until(IN_MS(5)), -ETIMEDOUT);
}

TEST(park_permit_outlives_other_waits) {
  CHECK_EQ(gt_unpark(gt_self()), 0);
  CHECK_EQ(gt_sleep(MS(5)), 0); /* an unpark ends a park, not a sleep */
  CHECK_EQ(gt_yield(), 0);
  CHECK_EQ(gt_park(), 0);
}

static void *unpark_root(void *arg) {
  CHECK_EQ(gt_unpark(*(int64_t *)arg), 0);
  return NULL;
}

TEST(park_of_the_root_is_ended_by_a_task) {
  int64_t root = gt_self(), task = s_spawn(unpark_root, &root);
  CHECK_EQ(gt_park(), 0);
  s_join(task);
}

TEST(park_until_comes_back_in_time) {
  int64_t until = IN_MS(15);
  CHECK_EQ(gt_park_until(until), -ETIMEDOUT);
  CHECK_GE(gt_now(), until);
  CHECK_EQ(gt_park_until(-1), -ETIMEDOUT);
}

static void *partner(void *arg) {
  int64_t other = *(int64_t *)arg;
  for (int i = 0; i < 100000; i++) {
    CHECK_EQ(gt_park(), 0);
    CHECK_EQ(gt_unpark(other), 0);
  }
  return NULL;
}

TEST(park_ping_pong_loses_no_wake) {
  int64_t root = gt_self(), task = s_spawn(partner, &root);
  for (int i = 0; i < 100000; i++) {
    CHECK_EQ(gt_unpark(task), 0);
    CHECK_EQ(gt_park(), 0);
  }
  s_join(task);
}

TEST(waker_wakes_its_task) {
  int64_t task = s_spawn(park, NULL);
  gt_waker_t *waker = gt_waker_new(task);
  CHECK(waker != NULL);
  s_settle();
  CHECK_EQ(gt_waker_wake(waker), 0);
  CHECK_EQ((intptr_t)s_join(task), 0);
  CHECK_EQ(gt_waker_wake(waker), -ESRCH);
  gt_waker_free(waker);
}

static void *wakes_late(void *waker) {
  usleep(20000);
  CHECK_EQ(gt_waker_wake(waker), 0);
  return NULL;
}

TEST(waker_that_was_freed_is_recognised) {
  gt_waker_t *waker = gt_waker_new(gt_self()), *other = gt_waker_new(gt_self());
  gt_sem_t *sem = gt_sem_new(0);
  CHECK(waker && other && sem);
  CHECK_EQ(s_stats().objects, 3);
  gt_waker_free(waker);
  CHECK_EQ(s_stats().objects, 2);
  gt_waker_free(waker);
  CHECK_EQ(s_stats().objects, 2);
  CHECK_EQ(gt_waker_wake(waker), -EINVAL);
  CHECK_EQ(gt_park_until(IN_MS(1)), -ETIMEDOUT); /* no permit came of it */
  gt_waker_free((gt_waker_t *)(void *)sem); /* something else */
  CHECK_EQ(gt_waker_wake((gt_waker_t *)(void *)sem), -EINVAL);
  CHECK_EQ(gt_sem_value(sem), 0);
  CHECK_EQ(gt_waker_wake(other), 0);
  CHECK_EQ(gt_park(), 0);
  gt_waker_free(other);
  CHECK_EQ(gt_sem_free(sem), 0);
}

/* A waker that is freed twice is counted out once: the other one still keeps a silence from being a deadlock. */
TEST(waker_freed_twice_counts_once) {
  gt_config_t config = {.size = sizeof config, .deadlock = GT_DEADLOCK_ERROR};
  CHECK_EQ(gt_config(&config), 0);
  gt_waker_t *waker = gt_waker_new(gt_self()), *other = gt_waker_new(gt_self());
  CHECK(waker && other);
  gt_waker_free(waker);
  gt_waker_free(waker);
  CHECK_EQ(gt_park_until(IN_MS(20)), -ETIMEDOUT);
  pthread_t thread = s_thread(wakes_late, other);
  CHECK_EQ(gt_park(), 0); /* not -EDEADLK */
  s_thread_join(thread);
  gt_waker_free(other);
  CHECK_EQ(gt_park(), -EDEADLK);
}

TEST(waker_of_nobody_and_null) {
  int64_t task = s_spawn(park, NULL);
  CHECK_EQ(gt_unpark(task), 0);
  s_join(task);
  CHECK(gt_waker_new(task) == NULL);
  CHECK(gt_waker_new(0) == NULL);
  CHECK_EQ(gt_waker_wake(NULL), -EINVAL);
  gt_waker_free(NULL);
}

struct rounds {
  gt_waker_t *waker;
  volatile int turn; /* whose turn: 0 the task, 1 the thread */
  int count;
};

static void *wake_each_round(void *arg) {
  struct rounds *rounds = arg;
  for (int i = 0; i < rounds->count; i++) {
    while (!__atomic_load_n(&rounds->turn, __ATOMIC_ACQUIRE)) sched_yield();
    if (i % 16 == 0) s_real_sleep(1); /* the scheduler sleeps in its poll by now */
    __atomic_store_n(&rounds->turn, 0, __ATOMIC_RELEASE);
    CHECK_EQ(gt_waker_wake(rounds->waker), 0);
  }
  return NULL;
}

static void *park_each_round(void *arg) {
  struct rounds *rounds = arg;
  for (int i = 0; i < rounds->count; i++) {
    __atomic_store_n(&rounds->turn, 1, __ATOMIC_RELEASE);
    do CHECK_EQ(gt_park_until(IN_MS(60000)), 0);
    while (__atomic_load_n(&rounds->turn, __ATOMIC_ACQUIRE));
  }
  return NULL;
}

TEST_WITH(waker_from_a_plain_thread_is_never_lost, 0, 180) {
  struct rounds rounds = {.count = 5000};
  int64_t task = s_spawn(park_each_round, &rounds);
  rounds.waker = gt_waker_new(task);
  CHECK(rounds.waker != NULL);
  pthread_t thread = s_thread(wake_each_round, &rounds);
  s_join(task);
  s_thread_join(thread);
  gt_waker_free(rounds.waker);
}

enum { STORM = 50, STORM_THREADS = 4 };
static int64_t storm_tasks[STORM];
static int storm_hits[STORM];
static _Atomic int storm_over, storm_ends;

static void *storm_task(void *arg) {
  int *hits = arg;
  while (!storm_over) {
    CHECK_EQ(gt_park(), 0);
    ++*hits;
  }
  return NULL;
}

static void *storm_thread(void *arg) {
  (void)arg;
  for (int i = 0; i < 20000 || !storm_ends; i++) CHECK_EQ(gt_unpark(storm_tasks[i % STORM]), 0);
  return NULL;
}

TEST(unpark_from_many_threads_at_once) {
  pthread_t threads[STORM_THREADS];
  for (int i = 0; i < STORM; i++) storm_tasks[i] = s_spawn(storm_task, &storm_hits[i]);
  for (int i = 0; i < STORM_THREADS; i++) threads[i] = s_thread(storm_thread, NULL);
  while (storm_hits[STORM - 1] < 3) CHECK_EQ(gt_sleep(MS(1)), 0);
  storm_ends = 1;
  for (int i = 0; i < STORM_THREADS; i++) s_thread_join(threads[i]);
  storm_over = 1;
  for (int i = 0; i < STORM; i++) CHECK_EQ(gt_unpark(storm_tasks[i]), 0);
  for (int i = 0; i < STORM; i++) s_join(storm_tasks[i]);
  for (int i = 0; i < STORM; i++) CHECK_GT(storm_hits[i], 0);
  CHECK_GT(s_stats().wakes_remote, 0);
}

/* Wakers that outlive their task are freed by another thread after the task's slot was used again. */
static void *free_wakers(void *arg) {
  gt_waker_t **wakers = arg;
  for (int i = 0; i < 100; i++) {
    CHECK_EQ(gt_waker_wake(wakers[i]), -ESRCH);
    gt_waker_free(wakers[i]);
  }
  return NULL;
}

TEST(waker_that_outlives_its_task_wakes_nobody_else) {
  gt_waker_t *wakers[100];
  for (int i = 0; i < 100; i++) {
    int64_t task = s_spawn(park, NULL);
    wakers[i] = gt_waker_new(task);
    CHECK_EQ(gt_unpark(task), 0);
    s_join(task);
  }
  int64_t innocent = s_spawn(park, NULL);
  s_settle();
  s_thread_join(s_thread(free_wakers, wakers));
  s_settle();
  CHECK_EQ(s_stats().tasks_parked, 1);
  CHECK_EQ(gt_unpark(innocent), 0);
  s_join(innocent);
}
