/* What nobody else wants is had at once: each verb of the locks and their family that need not wait neither switches nor polls, though
 * another task is ready all the while. */
#include "support.h"

static void *runs(void *arg) {
  ++*(int *)arg;
  return arg;
}

static void once(void *arg) { ++*(int *)arg; }

TEST(quick_ways_of_locks_and_their_family_do_not_switch) {
  enum { TIMES = 10000 };
  gt_once_t done = GT_ONCE_INIT;
  gt_mutex_t *mutex = gt_mutex_new();
  gt_rwlock_t *rwlock = gt_rwlock_new();
  gt_cond_t *cond = gt_cond_new();
  gt_sem_t *sem = gt_sem_new(1);
  gt_event_t *event = gt_event_new();
  gt_waitgroup_t *group = gt_waitgroup_new();
  gt_barrier_t *barrier = gt_barrier_new(1);
  CHECK(mutex && rwlock && cond && sem && event && group && barrier);
  CHECK_EQ(gt_event_set(event), 0);
  int ran = 0, onces = 0;
  int64_t ready = s_spawn(runs, &ran);
  gt_stats_t before = s_stats();
  for (int i = 0; i < TIMES; i++) {
    CHECK_EQ(gt_mutex_lock(mutex), 0);
    CHECK_EQ(gt_cond_signal(cond), 0);
    CHECK_EQ(gt_mutex_unlock(mutex), 0);
    CHECK_EQ(gt_rwlock_read_lock(rwlock), 0);
    CHECK_EQ(gt_rwlock_unlock(rwlock), 0);
    CHECK_EQ(gt_rwlock_write_lock(rwlock), 0);
    CHECK_EQ(gt_rwlock_unlock(rwlock), 0);
    CHECK_EQ(gt_sem_wait(sem), 0);
    CHECK_EQ(gt_sem_post(sem), 0);
    CHECK_EQ(gt_event_wait(event), 0);
    CHECK_EQ(gt_waitgroup_add(group, 1), 0);
    CHECK_EQ(gt_waitgroup_done(group), 0);
    CHECK_EQ(gt_waitgroup_wait(group), 0);
    CHECK_EQ(gt_barrier_wait(barrier), 1);
    CHECK_EQ(gt_once_do(&done, once, &onces), 0);
  }
  CHECK_EQ(s_stats().switches, before.switches);
  CHECK_EQ(s_stats().polls, before.polls);
  CHECK_EQ(ran, 0);
  CHECK_EQ(onces, 1);
  s_join(ready);
  CHECK_EQ(ran, 1);
  CHECK_EQ(gt_mutex_free(mutex), 0);
  CHECK_EQ(gt_rwlock_free(rwlock), 0);
  CHECK_EQ(gt_cond_free(cond), 0);
  CHECK_EQ(gt_sem_free(sem), 0);
  CHECK_EQ(gt_event_free(event), 0);
  CHECK_EQ(gt_waitgroup_free(group), 0);
  CHECK_EQ(gt_barrier_free(barrier), 0);
}
