/* Every kind of wait says what it is: gt_task_info() its kind and object, the dump its word. */
#include "support.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What the waiting tasks wait on; the root has taken or left everything so that each has to. */
static struct {
  gt_mutex_t *mutex;
  gt_rwlock_t *read_lock, *write_lock;
  gt_cond_t *cond;
  gt_mutex_t *cond_mutex;
  gt_sem_t *sem;
  gt_event_t *event;
  gt_waitgroup_t *group;
  gt_barrier_t *barrier;
  gt_once_t once;
  gt_chan_t *chan, *shared;
  int full[2];
} on;

static int64_t w_mutex(void *item) { return (void)item, gt_mutex_lock(on.mutex); }
static int64_t w_read_lock(void *item) { return (void)item, gt_rwlock_read_lock(on.read_lock); }
static int64_t w_write_lock(void *item) { return (void)item, gt_rwlock_write_lock(on.write_lock); }
static int64_t w_sem(void *item) { return (void)item, gt_sem_wait(on.sem); }
static int64_t w_event(void *item) { return (void)item, gt_event_wait(on.event); }
static int64_t w_group(void *item) { return (void)item, gt_waitgroup_wait(on.group); }
static int64_t w_barrier(void *item) { return (void)item, gt_barrier_wait(on.barrier); }
static int64_t w_send(void *item) { return gt_chan_send(on.chan, item); }
static int64_t w_recv(void *item) { return gt_chan_recv(on.chan, item); }
static int64_t w_shared_send(void *item) { return gt_chan_send(on.shared, item); }
static int64_t w_shared_recv(void *item) { return gt_chan_recv(on.shared, item); }
static int64_t w_recv_many(void *item) { return gt_chan_recv_many(on.chan, item, 1, &(size_t){0}); }
static int64_t w_shared_send_many(void *item) { return gt_chan_send_many(on.shared, item, 1, &(size_t){0}); }

static int64_t w_cond(void *item) {
  (void)item;
  int got = gt_mutex_lock(on.cond_mutex);
  CHECK_EQ(got, 0);
  got = gt_cond_wait(on.cond, on.cond_mutex);
  CHECK_EQ(gt_mutex_unlock(on.cond_mutex), 0);
  return got;
}

static void never_ends(void *arg) {
  (void)arg;
  gt_park();
}

static int64_t w_once(void *item) { return (void)item, gt_once_do(&on.once, never_ends, NULL); }

static int64_t w_select(void *item) {
  gt_select_arm_t arms[] = {
      {.kind = GT_SELECT_RECV, .object = on.chan, .item = item},
      {.kind = GT_SELECT_EVENT, .object = on.event},
      {.kind = GT_SELECT_SEM, .object = on.sem},
  };
  return gt_select(arms, COUNT(arms));
}

static int sleeps(void *arg) {
  (void)arg;
  return gt_park();
}

static int64_t w_scope(void *item) {
  (void)item;
  gt_scope_t *scope = gt_scope_new(0);
  CHECK(scope != NULL);
  CHECK_OK(gt_scope_spawn(scope, sleeps, NULL));
  int got = gt_scope_join(scope);
  CHECK_EQ(gt_scope_free(scope), 0);
  return got;
}

static void *hand_nothing_back(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_park();
}

static int64_t partner;
static int64_t w_hand_over(void *item) {
  (void)item;
  gt_spawn_opts_t opts = {.size = sizeof opts, .flags = GT_SPAWN_SUSPENDED};
  CHECK_OK(partner = gt_spawn_with(hand_nothing_back, NULL, &opts));
  return gt_hand_over(partner, NULL, NULL);
}

static int value_of_late(gt_generator_t *gen, void *arg) {
  (void)arg;
  int got = gt_park();
  return got < 0 ? got : gt_generator_yield(gen, NULL);
}

static int64_t w_generator(void *item) {
  (void)item;
  gt_generator_t *gen = gt_generator_new(value_of_late, NULL);
  CHECK(gen != NULL);
  int got = gt_generator_next(gen, NULL);
  CHECK_EQ(gt_generator_free(gen), 0);
  return got;
}

static atomic_int job_may_end;
static int64_t in_the_pool(void *arg) {
  while (!job_may_end) s_real_sleep(1);
  return (int64_t)(intptr_t)arg;
}
static int64_t w_offload(void *item) { return (void)item, gt_offload(in_the_pool, NULL); }

static int64_t w_write(void *item) { return gt_send(on.full[0], item, 1, 0); }
static int64_t w_park(void *item) { return (void)item, gt_park(); }
static int64_t w_sleep(void *item) { return (void)item, gt_sleep(MS(600000)); }

static struct wait {
  const char *word;
  int64_t (*verb)(void *item);
  unsigned kind;
  const void *const *object; /* where the address of what is waited on stands */
  int64_t number;            /* or the number; -1: not known here */
} waits[] = {
    {"park", w_park, GT_WAIT_PARK, NULL, 0},
    {"sleep", w_sleep, GT_WAIT_SLEEP, NULL, 0},
    {"mutex", w_mutex, GT_WAIT_MUTEX, (const void *const *)&on.mutex, 0},
    {"rwlock-read", w_read_lock, GT_WAIT_READ_LOCK, (const void *const *)&on.read_lock, 0},
    {"rwlock-write", w_write_lock, GT_WAIT_WRITE_LOCK, (const void *const *)&on.write_lock, 0},
    {"cond", w_cond, GT_WAIT_COND, (const void *const *)&on.cond, 0},
    {"sem", w_sem, GT_WAIT_SEM, (const void *const *)&on.sem, 0},
    {"event", w_event, GT_WAIT_EVENT, (const void *const *)&on.event, 0},
    {"waitgroup", w_group, GT_WAIT_WAITGROUP, (const void *const *)&on.group, 0},
    {"barrier", w_barrier, GT_WAIT_BARRIER, (const void *const *)&on.barrier, 0},
    {"once", w_once, GT_WAIT_ONCE, NULL, -1},
    {"chan-send", w_send, GT_WAIT_SEND, (const void *const *)&on.chan, 0},
    {"chan-recv", w_recv, GT_WAIT_RECV, (const void *const *)&on.chan, 0},
    {"chan-send", w_shared_send, GT_WAIT_SEND, (const void *const *)&on.shared, 0},
    {"chan-recv", w_shared_recv, GT_WAIT_RECV, (const void *const *)&on.shared, 0},
    {"chan-recv", w_recv_many, GT_WAIT_RECV, (const void *const *)&on.chan, 0},
    {"chan-send", w_shared_send_many, GT_WAIT_SEND, (const void *const *)&on.shared, 0},
    {"select of 3", w_select, GT_WAIT_SELECT, NULL, 3},
    {"scope", w_scope, GT_WAIT_SCOPE, NULL, -1},
    {"hand-over", w_hand_over, GT_WAIT_HAND_OVER, NULL, -1},
    {"hand-over", w_generator, GT_WAIT_HAND_OVER, NULL, -1},
    {"write of descriptor", w_write, GT_WAIT_WRITE, NULL, -1},
    {"offload", w_offload, GT_WAIT_OFFLOAD, NULL, 0},
};

static void *wait_on_it(void *arg) {
  int item = 0;
  int64_t got = ((struct wait *)arg)->verb(&item);
  return (void *)(intptr_t)got;
}

static void begin(void) {
  CHECK((on.mutex = gt_mutex_new()) && (on.read_lock = gt_rwlock_new()) && (on.write_lock = gt_rwlock_new()));
  CHECK((on.cond = gt_cond_new()) && (on.cond_mutex = gt_mutex_new()) && (on.sem = gt_sem_new(0)));
  CHECK((on.event = gt_event_new()) && (on.group = gt_waitgroup_new()) && (on.barrier = gt_barrier_new(2)));
  CHECK((on.chan = gt_chan_new(sizeof(int), 0)) && (on.shared = gt_chan_new_shared(sizeof(int), 0)));
  CHECK_EQ(gt_mutex_lock(on.mutex), 0);
  CHECK_EQ(gt_rwlock_write_lock(on.read_lock), 0);
  CHECK_EQ(gt_rwlock_read_lock(on.write_lock), 0);
  CHECK_EQ(gt_waitgroup_add(on.group, 1), 0);
  s_unix_pair(SOCK_STREAM, on.full);
  s_fill(on.full[0]);
  on.once = (gt_once_t)GT_ONCE_INIT;
}

static void finish(void) {
  CHECK_EQ(gt_mutex_unlock(on.mutex), 0);
  CHECK_EQ(gt_rwlock_unlock(on.read_lock), 0);
  CHECK_EQ(gt_rwlock_unlock(on.write_lock), 0);
  CHECK_EQ(gt_waitgroup_done(on.group), 0);
  CHECK_EQ(gt_mutex_free(on.mutex), 0);
  CHECK_EQ(gt_mutex_free(on.cond_mutex), 0);
  CHECK_EQ(gt_rwlock_free(on.read_lock), 0);
  CHECK_EQ(gt_rwlock_free(on.write_lock), 0);
  CHECK_EQ(gt_cond_free(on.cond), 0);
  CHECK_EQ(gt_sem_free(on.sem), 0);
  CHECK_EQ(gt_event_free(on.event), 0);
  CHECK_EQ(gt_waitgroup_free(on.group), 0);
  CHECK_EQ(gt_barrier_free(on.barrier), 0);
  CHECK_EQ(gt_chan_free(on.chan), 0);
  CHECK_EQ(gt_chan_free(on.shared), 0);
  s_close_pair(on.full);
}

static void check_dump(int64_t task, const struct wait *w) {
  static char text[1 << 18], wanted[128], head[64];
  FILE *file = tmpfile();
  CHECK(file != NULL);
  CHECK_EQ(gt_dump(fileno(file)), 0);
  ssize_t n = pread(fileno(file), text, sizeof text - 1, 0);
  CHECK_OK(n);
  text[n] = 0;
  fclose(file);
  snprintf(head, sizeof head, "task %lld ", (long long)task);
  snprintf(wanted, sizeof wanted, "parked, waits on %s", w->word);
  char *line = strstr(text, head);
  CHECK(line != NULL);
  line[strcspn(line, "\n")] = 0;
  CHECK_HAS(line, wanted);
  CHECK_HAS(line, " s"); /* since when */
}

static void check_wait(const struct wait *w) {
  int64_t runner = w->verb == w_once ? s_spawn(wait_on_it, (void *)w) : 0; /* the first one runs it */
  s_settle();
  int64_t task = s_spawn(wait_on_it, (void *)w);
  s_settle();
  gt_task_info_t info = {.size = sizeof info};
  CHECK_EQ(gt_task_info(task, &info), 0);
  if (info.state != GT_TASK_PARKED || info.waits != w->kind) FAIL("%s: state %u, waits on %u", w->word, info.state, info.waits);
  if (w->object && info.object != (int64_t)(intptr_t)*w->object) FAIL("%s: another object", w->word);
  if (!w->object && w->number >= 0) CHECK_EQ(info.object, w->number);
  if (w->kind == GT_WAIT_WRITE) CHECK_EQ(info.object, on.full[0]);
  check_dump(task, w);
  CHECK_EQ(gt_cancel(task), 0);
  if (runner) gt_cancel(runner);
  intptr_t got = (intptr_t)s_join(task);
  if (got != -ECANCELED) FAIL("%s: %d", w->word, (int)got);
  if (runner) s_join(runner);
  if (w->verb == w_hand_over) { /* the partner waits in gt_park */
    gt_cancel(partner);
    s_join(partner);
  }
}

TEST_WITH(waits_on_says_what_and_since_when_for_every_noun, 0, 180) {
  begin();
  for (size_t i = 0; i < COUNT(waits); i++) check_wait(&waits[i]);
  job_may_end = 1;
  while (s_stats().offload_jobs) CHECK_EQ(gt_sleep(MS(1)), 0);
  finish();
}

/* -- waiting for others to end */

static int64_t root;
static unsigned seen;

static void *look_at_the_root(void *arg) {
  gt_task_info_t info = {.size = sizeof info};
  CHECK_EQ(gt_park(), -ECANCELED);
  CHECK_EQ(gt_task_info(root, &info), 0);
  CHECK_EQ(info.state, GT_TASK_PARKED);
  seen = info.waits;
  return arg;
}

TEST(waits_on_names_the_shutdown) {
  root = gt_self();
  CHECK_EQ(gt_detach(s_spawn(look_at_the_root, NULL)), 0);
  s_settle();
  CHECK_EQ(gt_shutdown(), 0);
  CHECK_EQ(seen, GT_WAIT_SHUTDOWN);
}

static void *park(void *arg) {
  gt_park();
  return arg;
}
static void *stop_workers(void *arg) {
  CHECK_EQ(gt_workers_stop(), 0);
  return arg;
}

TEST(waits_on_names_the_workers) {
  CHECK_EQ(gt_workers_start(1, NULL), 1);
  int64_t stays = gt_spawn_on(0, park, NULL), stopper = s_spawn(stop_workers, NULL);
  CHECK_OK(stays);
  s_settle();
  gt_task_info_t info = {.size = sizeof info};
  CHECK_EQ(gt_task_info(stopper, &info), 0);
  CHECK_EQ(info.waits, GT_WAIT_WORKERS);
  CHECK_EQ(gt_unpark(stays), 0);
  s_join(stays);
  s_join(stopper);
}
