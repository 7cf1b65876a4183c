/* The first call of an OS thread makes its scheduler. Where there is no memory for one, each call that waits says so, and nothing
 * else has happened. */
#include "support.h"

#include <errno.h>
#include <sys/resource.h>

static gt_mutex_t *mutex;
static gt_rwlock_t *lock;
static gt_sem_t *sem;
static gt_event_t *event;
static gt_waitgroup_t *group;
static gt_barrier_t *barrier;
static gt_once_t once = GT_ONCE_INIT;
static pthread_barrier_t limited;
static int64_t carried[2];

static void never(void *arg) {
  (void)arg;
  FAIL("the function of a call that failed was called");
}

static void *calls_each(void *arg) {
  pthread_barrier_wait(&limited);
  pthread_barrier_wait(&limited);
  CHECK_EQ(gt_mutex_lock(mutex), -ENOMEM);
  CHECK_EQ(gt_mutex_lock_until(mutex, 0), -ENOMEM);
  CHECK_EQ(gt_mutex_try_lock(mutex), -ENOMEM);
  CHECK_EQ(gt_rwlock_read_lock(lock), -ENOMEM);
  CHECK_EQ(gt_rwlock_read_lock_until(lock, 0), -ENOMEM);
  CHECK_EQ(gt_rwlock_write_lock(lock), -ENOMEM);
  CHECK_EQ(gt_rwlock_write_lock_until(lock, 0), -ENOMEM);
  CHECK_EQ(gt_rwlock_try_write_lock(lock), -ENOMEM);
  CHECK_EQ(gt_sem_wait(sem), -ENOMEM);
  CHECK_EQ(gt_sem_wait_until(sem, 0), -ENOMEM);
  CHECK_EQ(gt_event_wait(event), -ENOMEM);
  CHECK_EQ(gt_event_wait_until(event, 0), -ENOMEM);
  CHECK_EQ(gt_waitgroup_wait(group), -ENOMEM);
  CHECK_EQ(gt_waitgroup_wait_until(group, 0), -ENOMEM);
  CHECK_EQ(gt_barrier_wait(barrier), -ENOMEM);
  CHECK_EQ(gt_barrier_wait_until(barrier, 0), -ENOMEM);
  CHECK_EQ(gt_once_do(&once, never, NULL), -ENOMEM);
  CHECK_EQ(gt_once_do_until(&once, never, NULL, 0), -ENOMEM);
  CHECK_EQ(gt_carry(carried, sizeof carried), -ENOMEM);
  CHECK_EQ(gt_carry_from(carried, sizeof carried, carried), -ENOMEM);
  /* What needs no task works all the same. */
  CHECK_EQ(gt_mutex_unlock(mutex), -EPERM);
  CHECK_EQ(gt_sem_try_wait(sem), 0);
  CHECK_EQ(gt_sem_post(sem), 0);
  CHECK_EQ(gt_event_set(event), 0);
  CHECK_EQ(gt_waitgroup_add(group, 1), 0);
  pthread_barrier_wait(&limited);
  pthread_barrier_wait(&limited);
  CHECK_EQ(gt_mutex_lock(mutex), 0);
  CHECK_EQ(gt_mutex_unlock(mutex), 0);
  CHECK_EQ(gt_shutdown(), 0);
  return arg;
}

TEST_WITH(first_call_of_a_thread_without_memory_is_refused_and_the_next_one_served, T_LIMITS, 0) {
  struct rlimit before, limit;
  mutex = gt_mutex_new();
  lock = gt_rwlock_new();
  sem = gt_sem_new(1);
  event = gt_event_new();
  group = gt_waitgroup_new();
  barrier = gt_barrier_new(1);
  pthread_barrier_init(&limited, NULL, 2);
  pthread_t thread = s_thread(calls_each, NULL);
  pthread_barrier_wait(&limited);
  CHECK_OK(getrlimit(RLIMIT_AS, &before));
  limit = before;
  limit.rlim_cur = 1u << 20; /* less than there is: nothing more is mapped */
  CHECK_OK(setrlimit(RLIMIT_AS, &limit));
  pthread_barrier_wait(&limited);
  pthread_barrier_wait(&limited);
  CHECK_OK(setrlimit(RLIMIT_AS, &before));
  pthread_barrier_wait(&limited);
  s_thread_join(thread);
  pthread_barrier_destroy(&limited);
  CHECK_EQ(gt_event_is_set(event), 1);
  CHECK_EQ(gt_mutex_free(mutex), 0);
  CHECK_EQ(gt_rwlock_free(lock), 0);
  CHECK_EQ(gt_sem_free(sem), 0);
  CHECK_EQ(gt_event_free(event), 0);
  CHECK_EQ(gt_waitgroup_free(group), 0);
  CHECK_EQ(gt_barrier_free(barrier), 0);
}
