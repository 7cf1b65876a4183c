/* Threads that answer each other stay awake for the answer, and a process in which nothing happens uses no processor. */
#include "support.h"

#include <time.h>

enum { TURNS = 20000 };

static gt_chan_t *there, *back;

static int64_t used(void) {
  struct timespec time;
  CHECK_EQ(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time), 0);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Everybody is parked for 300 ms; a thread that stayed awake would use them all. */
static void check_idle(void) {
  gt_sleep(MS(5));
  gt_stats_t before = s_stats();
  int64_t start = used();
  gt_sleep(MS(300));
  CHECK_LT(used() - start, MS(100));
  CHECK_LT(s_stats().polls - before.polls, 20);
}

static void *ask(void *arg) {
  uint64_t sum = 0, item;
  for (uint64_t i = 0; i < TURNS; i++) {
    CHECK_EQ(gt_chan_send(there, &i), 0);
    CHECK_EQ(gt_chan_recv(back, &item), 0);
    sum += item;
  }
  CHECK_EQ(sum, (uint64_t)TURNS * (TURNS - 1) / 2);
  return arg;
}

static void *answer(void *arg) {
  uint64_t item;
  while (gt_chan_recv(there, &item) == 0) CHECK_EQ(gt_chan_send(back, &item), 0);
  return arg;
}

TEST(wake_threads_that_answered_each_other_sleep_when_nothing_comes) {
  there = gt_chan_new_shared(sizeof(uint64_t), 0);
  back = gt_chan_new_shared(sizeof(uint64_t), 0);
  CHECK_EQ(gt_workers_start(2, NULL), 2);
  int64_t asker = gt_spawn_on(0, ask, NULL), answerer = gt_spawn_on(1, answer, NULL);
  s_join(asker);
  check_idle();
  CHECK_EQ(gt_chan_close(there), 0);
  s_join(answerer);
  CHECK_EQ(gt_workers_stop(), 0);
  CHECK_EQ(gt_chan_free(there), 0);
  CHECK_EQ(gt_chan_free(back), 0);
}

static int64_t number(void *arg) {
  return (int64_t)(intptr_t)arg;
}

TEST(wake_pool_that_was_busy_sleeps_when_nothing_comes) {
  int64_t sum = 0;
  for (intptr_t i = 0; i < TURNS; i++) sum += gt_offload(number, (void *)i);
  CHECK_EQ(sum, (int64_t)TURNS * (TURNS - 1) / 2);
  check_idle();
}

static void *parked(void *arg) {
  for (int i = 0; i < TURNS; i++) CHECK_EQ(gt_park(), 0);
  return arg;
}

static int64_t ended;

static void *unpark(void *arg) {
  int64_t task = *(int64_t *)arg;
  while (!__atomic_load_n(&ended, __ATOMIC_ACQUIRE)) gt_unpark(task);
  return NULL;
}

/* The descriptor's news comes although posts never stop. */
static void *reader(void *arg) {
  char byte;
  CHECK_EQ(gt_read(*(int *)arg, &byte, 1), 1);
  return NULL;
}

TEST_WITH(wake_descriptors_are_heard_of_beside_a_flood_of_wakes, 0, 180) {
  int fds[2];
  s_pipe(fds, 0);
  int64_t task = s_spawn(parked, NULL), other = s_spawn(reader, &fds[0]);
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, unpark, &task), 0);
  s_settle();
  CHECK_EQ(gt_write(fds[1], "x", 1), 1);
  s_join(other);
  s_join(task);
  __atomic_store_n(&ended, 1, __ATOMIC_RELEASE);
  CHECK_EQ(pthread_join(thread, NULL), 0);
  s_close_pair(fds);
}
