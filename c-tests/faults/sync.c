/* Locks, conditions, semaphores, events, wait groups, barriers, once; channels of both kinds; select. */
#include "faults.h"

#include <poll.h>
#include <unistd.h>

static struct {
  gt_mutex_t *mutex;
  gt_rwlock_t *rwlock;
  gt_cond_t *cond;
  gt_sem_t *sem;
  gt_event_t *event;
  gt_waitgroup_t *group;
  gt_barrier_t *barrier;
  int ready;
} o;

static int made_all(void) {
  o.mutex = MADE(gt_mutex_new());
  o.rwlock = MADE(gt_rwlock_new());
  o.cond = MADE(gt_cond_new());
  o.sem = MADE(gt_sem_new(0));
  o.event = MADE(gt_event_new());
  o.group = MADE(gt_waitgroup_new());
  o.barrier = MADE(gt_barrier_new(2));
  o.ready = 0;
  return o.mutex && o.rwlock && o.cond && o.sem && o.event && o.group && o.barrier;
}

static void free_all(void) {
  TRY(gt_mutex_free(o.mutex));
  TRY(gt_rwlock_free(o.rwlock));
  TRY(gt_cond_free(o.cond));
  TRY(gt_sem_free(o.sem));
  TRY(gt_event_free(o.event));
  TRY(gt_waitgroup_free(o.group));
  TRY(gt_barrier_free(o.barrier));
}

static void *uses_each(void *arg) {
  TRY(gt_sem_wait(o.sem));
  TRY(gt_event_wait(o.event));
  TRY(gt_rwlock_read_lock(o.rwlock));
  TRY(gt_rwlock_unlock(o.rwlock));
  TRY(gt_rwlock_write_lock(o.rwlock));
  TRY(gt_rwlock_unlock(o.rwlock));
  TRY(gt_mutex_lock(o.mutex));
  while (!o.ready) TRY(gt_cond_wait(o.cond, o.mutex));
  TRY(gt_mutex_unlock(o.mutex));
  TRY(gt_barrier_wait(o.barrier));
  TRY(gt_waitgroup_done(o.group));
  return arg;
}

SCENARIO(locks_and_their_family) {
  if (made_all()) {
    TRY(gt_waitgroup_add(o.group, 1));
    int64_t task = TRY(gt_spawn(uses_each, NULL));
    if (task > 0) {
      TRY(gt_rwlock_write_lock(o.rwlock));
      TRY(gt_yield());
      TRY(gt_sem_post(o.sem));
      TRY(gt_yield());
      TRY(gt_event_set(o.event));
      TRY(gt_yield());
      TRY(gt_rwlock_unlock(o.rwlock));
      TRY(gt_yield());
      TRY(gt_yield());
      TRY(gt_mutex_lock(o.mutex));
      o.ready = 1;
      TRY(gt_cond_broadcast(o.cond));
      TRY(gt_mutex_unlock(o.mutex));
      TRY(gt_barrier_wait(o.barrier));
      TRY(gt_waitgroup_wait(o.group));
      f_join(task);
    } else {
      TRY(gt_waitgroup_done(o.group));
    }
  }
  free_all();
}

SCENARIO(locks_that_are_late) {
  if (made_all()) {
    EXPECT(gt_sem_wait_until(o.sem, IN_MS(1)), -ETIMEDOUT);
    EXPECT(gt_event_wait_until(o.event, IN_MS(1)), -ETIMEDOUT);
    EXPECT(gt_barrier_wait_until(o.barrier, IN_MS(1)), -ETIMEDOUT);
    TRY(gt_mutex_lock(o.mutex));
    EXPECT(gt_cond_wait_until(o.cond, o.mutex, IN_MS(1)), -ETIMEDOUT);
    TRY(gt_mutex_unlock(o.mutex));
  }
  free_all();
}

static void set_ready(void *arg) {
  (void)arg;
  o.ready++;
}

SCENARIO(once) {
  gt_once_t once = GT_ONCE_INIT;
  o.ready = 0;
  TRY(gt_once_do(&once, set_ready, NULL));
  TRY(gt_once_do(&once, set_ready, NULL));
  EXPECT(o.ready, 1);
}

/* More objects than one chunk holds. */
SCENARIO(many_objects) {
  enum { COUNT = 100 };
  static gt_mutex_t *all[COUNT];
  for (int i = 0; i < COUNT; i++) all[i] = MADE(gt_mutex_new());
  for (int i = 0; i < COUNT; i++) TRY(gt_mutex_free(all[i]));
}

static gt_chan_t *chan;

static void *sends(void *arg) {
  for (int i = 0; i < 10; i++) TRY(gt_chan_send(chan, &i));
  TRY(gt_chan_close(chan));
  return arg;
}

static void through(gt_chan_t *given) {
  chan = given;
  if (!chan) return;
  int64_t task = TRY(gt_spawn(sends, NULL));
  if (task > 0) {
    int item, wanted = 0, rc;
    while ((rc = gt_chan_recv(chan, &item)) == 0) EXPECT(item, wanted++);
    EXPECT(rc, -EPIPE);
    f_join(task);
  }
  TRY(gt_chan_free(chan));
}

SCENARIO(channels_of_one_thread) {
  through(MADE(gt_chan_new(sizeof(int), 0)));
  through(MADE(gt_chan_new(sizeof(int), 3)));
}

SCENARIO(channels_of_all_threads) {
  through(MADE(gt_chan_new_shared(sizeof(int), 0)));
  through(MADE(gt_chan_new_shared(sizeof(int), 3)));
}

SCENARIO(channels_in_batches) {
  int items[1000] = {0}, back[1000];
  size_t sent, got;
  chan = MADE(gt_chan_new(sizeof(int), 1000));
  if (!chan) return;
  TRY(gt_chan_send_many(chan, items, 1000, &sent));
  TRY(gt_chan_recv_many(chan, back, 1000, &got));
  EXPECT(gt_chan_recv_until(chan, back, IN_MS(1)), -ETIMEDOUT);
  TRY(gt_chan_free(chan));
}

static void *ends_soon(void *arg) {
  TRY(gt_yield());
  return arg;
}

SCENARIO(select_over_everything) {
  int pipes[2], item = 0;
  if (pipe(pipes) < 0) return;
  gt_chan_t *in = MADE(gt_chan_new(sizeof(int), 0)), *shared = MADE(gt_chan_new_shared(sizeof(int), 0));
  gt_event_t *event = MADE(gt_event_new());
  gt_sem_t *sem = MADE(gt_sem_new(0));
  int64_t task = TRY(gt_spawn(ends_soon, NULL));
  if (in && shared && event && sem && task > 0) {
    gt_select_arm_t arms[6] = {
        {.kind = GT_SELECT_RECV, .object = in, .item = &item},
        {.kind = GT_SELECT_RECV, .object = shared, .item = &item},
        {.kind = GT_SELECT_EVENT, .object = event},
        {.kind = GT_SELECT_SEM, .object = sem},
        {.kind = GT_SELECT_FD, .id = pipes[0], .events = POLLIN},
        {.kind = GT_SELECT_TASK, .id = task},
    };
    char c = 'x';
    EXPECT(gt_select_try(arms, 5), -EAGAIN);
    EXPECT(gt_select_until(arms, 5, IN_MS(1)), -ETIMEDOUT);
    EXPECT(write(pipes[1], &c, 1), 1);
    EXPECT(gt_select_until(arms, 5, IN_MS(5000)), 4);
    EXPECT(read(pipes[0], &c, 1), 1);
    EXPECT(gt_select_until(arms, 6, IN_MS(5000)), 5);
  }
  f_join(task);
  TRY(gt_chan_free(in));
  TRY(gt_chan_free(shared));
  TRY(gt_event_free(event));
  TRY(gt_sem_free(sem));
  close(pipes[0]);
  close(pipes[1]);
}
