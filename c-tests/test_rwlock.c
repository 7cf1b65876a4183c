/* gt_rwlock: readers together, a writer alone, first come first served. */
#include "support.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static gt_rwlock_t *lock;

static void *reads(void *arg) {
  CHECK_EQ(gt_rwlock_read_lock(lock), 0);
  s_log((char)(intptr_t)arg);
  CHECK_EQ(gt_yield(), 0);
  s_log('-');
  CHECK_EQ(gt_rwlock_unlock(lock), 0);
  return NULL;
}

static void *writes(void *arg) {
  CHECK_EQ(gt_rwlock_write_lock(lock), 0);
  s_log((char)(intptr_t)arg);
  CHECK_EQ(gt_yield(), 0);
  s_log('+');
  CHECK_EQ(gt_rwlock_unlock(lock), 0);
  return NULL;
}

static int64_t start(void *(*what)(void *), char letter) { return s_spawn(what, (void *)(intptr_t)letter); }

static void *read_only(void *arg) {
  int got = arg ? gt_rwlock_read_lock_until(lock, *(int64_t *)arg) : gt_rwlock_read_lock(lock);
  if (got == 0) CHECK_EQ(gt_rwlock_unlock(lock), 0);
  return (void *)(intptr_t)got;
}

static void *write_only(void *arg) {
  int got = arg ? gt_rwlock_write_lock_until(lock, *(int64_t *)arg) : gt_rwlock_write_lock(lock);
  if (got == 0) CHECK_EQ(gt_rwlock_unlock(lock), 0);
  return (void *)(intptr_t)got;
}

TEST(rwlock_readers_share_and_writers_do_not) {
  lock = gt_rwlock_new();
  CHECK(lock);
  CHECK_EQ(gt_rwlock_read_lock(lock), 0);
  CHECK_EQ(gt_rwlock_try_read_lock(lock), 0);
  CHECK_EQ(gt_rwlock_try_write_lock(lock), -EBUSY);
  CHECK_EQ(gt_rwlock_unlock(lock), 0);
  CHECK_EQ(gt_rwlock_unlock(lock), 0);
  CHECK_EQ(gt_rwlock_write_lock(lock), 0);
  CHECK_EQ(gt_rwlock_unlock(lock), 0);
  CHECK_EQ(gt_rwlock_try_write_lock(lock), 0);
  CHECK_EQ(gt_rwlock_unlock(lock), 0);
  CHECK_EQ(gt_rwlock_read_lock_until(lock, 0), 0);
  CHECK_EQ(gt_rwlock_unlock(lock), 0);
  CHECK_EQ(gt_rwlock_write_lock_until(lock, 0), 0);
  CHECK_EQ(gt_rwlock_unlock(lock), 0);
  CHECK_EQ(gt_rwlock_free(lock), 0);
}

TEST(rwlock_is_first_come_first_served) {
  int64_t tasks[6];
  lock = gt_rwlock_new();
  CHECK_EQ(gt_rwlock_read_lock(lock), 0);
  tasks[0] = start(reads, 'a'); /* shares with the root */
  s_settle();
  CHECK_STR(s_logged(), "a-");
  tasks[1] = start(writes, 'W');
  tasks[2] = start(reads, 'b'); /* behind the writer, though the lock is held for reading */
  tasks[3] = start(reads, 'c');
  tasks[4] = start(writes, 'X');
  tasks[5] = start(reads, 'd');
  s_settle();
  CHECK_STR(s_logged(), "a-");
  CHECK_EQ(gt_rwlock_try_read_lock(lock), -EBUSY);
  CHECK_EQ(gt_rwlock_unlock(lock), 0);
  for (int i = 0; i < 6; i++) s_join(tasks[i]);
  CHECK_STR(s_logged(), "a-W+bc--X+d-");
  CHECK_EQ(gt_rwlock_free(lock), 0);
}

TEST(rwlock_readers_pass_when_the_writer_before_them_gives_up) {
  int64_t soon = IN_MS(3), reader, writer;
  lock = gt_rwlock_new();
  CHECK_EQ(gt_rwlock_read_lock(lock), 0);
  writer = s_spawn(write_only, &soon);
  s_settle();
  reader = s_spawn(read_only, NULL);
  CHECK_EQ((intptr_t)s_join(writer), -ETIMEDOUT);
  CHECK_EQ((intptr_t)s_join(reader), 0); /* while the root still reads */
  writer = s_spawn(write_only, NULL);
  s_settle();
  reader = s_spawn(read_only, NULL);
  s_settle();
  CHECK_EQ(gt_cancel(writer), 0);
  CHECK_EQ((intptr_t)s_join(writer), -ECANCELED);
  CHECK_EQ((intptr_t)s_join(reader), 0);
  CHECK_EQ(gt_rwlock_unlock(lock), 0);
  CHECK_EQ(gt_rwlock_free(lock), 0);
}

TEST(rwlock_many_readers_at_once_behind_a_writer) {
  enum { READERS = 100 };
  int64_t tasks[READERS];
  lock = gt_rwlock_new();
  CHECK_EQ(gt_rwlock_write_lock(lock), 0);
  for (int i = 0; i < READERS; i++) tasks[i] = start(reads, 'r');
  int64_t writer = start(writes, 'W');
  s_settle();
  CHECK_EQ(gt_rwlock_unlock(lock), 0);
  for (int i = 0; i < READERS; i++) s_join(tasks[i]);
  s_join(writer);
  const char *log = s_logged();
  for (int i = 0; i < READERS; i++) CHECK_EQ(log[i], 'r'); /* all of them before the first ends */
  for (int i = 0; i < READERS; i++) CHECK_EQ(log[READERS + i], '-');
  CHECK_STR(log + 2 * READERS, "W+");
  CHECK_EQ(gt_rwlock_free(lock), 0);
}

static void *foreign_unlock(void *arg) {
  CHECK_EQ(gt_rwlock_unlock(lock), -EPERM);
  return arg;
}

TEST(rwlock_errors) {
  int64_t past = 0;
  CHECK_EQ(gt_rwlock_free(NULL), 0);
  lock = gt_rwlock_new();
  CHECK_EQ(gt_rwlock_unlock(lock), -EPERM); /* nobody has it */
  CHECK_EQ(gt_rwlock_write_lock(lock), 0);
  CHECK_EQ(gt_rwlock_write_lock(lock), -EDEADLK);
  CHECK_EQ(gt_rwlock_read_lock(lock), -EDEADLK);
  CHECK_EQ(gt_rwlock_try_write_lock(lock), -EDEADLK);
  CHECK_EQ(gt_rwlock_try_read_lock(lock), -EDEADLK);
  s_join(s_spawn(foreign_unlock, NULL));
  s_thread_join(s_thread(foreign_unlock, NULL));
  CHECK_EQ(gt_rwlock_free(lock), -EBUSY);
  CHECK_EQ((intptr_t)s_join(s_spawn(read_only, &past)), -ETIMEDOUT);
  CHECK_EQ((intptr_t)s_join(s_spawn(write_only, &past)), -ETIMEDOUT);
  int64_t reader = s_spawn(read_only, NULL), writer = s_spawn(write_only, NULL);
  s_settle();
  CHECK_EQ(gt_interrupt(reader, 1), 0);
  CHECK_EQ(gt_interrupt(writer, 1), 0);
  CHECK_EQ((intptr_t)s_join(reader), -EINTR);
  CHECK_EQ((intptr_t)s_join(writer), -EINTR);
  CHECK_EQ(gt_rwlock_unlock(lock), 0);
  CHECK_EQ(gt_rwlock_read_lock(lock), 0);
  CHECK_EQ(gt_rwlock_free(lock), -EBUSY);
  writer = s_spawn(write_only, NULL);
  s_settle();
  CHECK_EQ(gt_rwlock_unlock(lock), 0);
  CHECK_EQ(gt_rwlock_free(lock), -EBUSY); /* the writer's now */
  s_join(writer);
  CHECK_EQ(gt_rwlock_free(lock), 0);
  CHECK_EQ(gt_rwlock_free(lock), -EINVAL);
  gt_rwlock_t *none[] = {lock, NULL};
  for (int i = 0; i < 2; i++) {
    CHECK_EQ(gt_rwlock_read_lock(none[i]), -EINVAL);
    CHECK_EQ(gt_rwlock_read_lock_until(none[i], 0), -EINVAL);
    CHECK_EQ(gt_rwlock_try_read_lock(none[i]), -EINVAL);
    CHECK_EQ(gt_rwlock_write_lock(none[i]), -EINVAL);
    CHECK_EQ(gt_rwlock_write_lock_until(none[i], 0), -EINVAL);
    CHECK_EQ(gt_rwlock_try_write_lock(none[i]), -EINVAL);
    CHECK_EQ(gt_rwlock_unlock(none[i]), -EINVAL);
  }
}

static void *cancelled_on_entry(void *arg) {
  CHECK_EQ(gt_cancel(gt_self()), 0);
  CHECK_EQ(gt_rwlock_read_lock(lock), -ECANCELED);
  CHECK_EQ(gt_rwlock_write_lock(lock), -ECANCELED);
  CHECK_EQ(gt_rwlock_try_read_lock(lock), 0);
  CHECK_EQ(gt_rwlock_unlock(lock), 0);
  return arg;
}

TEST(rwlock_locks_are_cancellation_points_and_tries_are_not) {
  lock = gt_rwlock_new();
  s_join(s_spawn(cancelled_on_entry, NULL));
  CHECK_EQ(gt_rwlock_free(lock), 0);
}

static volatile int readers, writers;

static void *mixed(void *arg) {
  unsigned seed = (unsigned)(intptr_t)arg;
  for (int i = 0; i < 300; i++) {
    seed = seed * 1103515245u + 12345u;
    if (seed >> 16 & 3) {
      CHECK_EQ(gt_rwlock_read_lock(lock), 0);
      __atomic_fetch_add(&readers, 1, __ATOMIC_SEQ_CST);
      CHECK_EQ(writers, 0);
      if (seed >> 20 & 1) CHECK_EQ(gt_yield(), 0);
      CHECK_EQ(writers, 0);
      __atomic_fetch_sub(&readers, 1, __ATOMIC_SEQ_CST);
    } else {
      int got = gt_rwlock_write_lock_until(lock, seed >> 20 & 1 ? IN_MS(1) : GT_NEVER);
      if (got == -ETIMEDOUT) continue;
      CHECK_EQ(got, 0);
      CHECK_EQ(__atomic_add_fetch(&writers, 1, __ATOMIC_SEQ_CST), 1);
      CHECK_EQ(readers, 0);
      if (seed >> 21 & 1) CHECK_EQ(gt_yield(), 0);
      CHECK_EQ(readers, 0);
      CHECK_EQ(__atomic_sub_fetch(&writers, 1, __ATOMIC_SEQ_CST), 0);
    }
    CHECK_EQ(gt_rwlock_unlock(lock), 0);
  }
  return NULL;
}

static void *mixed_thread(void *arg) {
  int64_t tasks[4];
  for (intptr_t i = 0; i < 4; i++) tasks[i] = s_spawn(mixed, (void *)((intptr_t)arg * 10 + i));
  for (int i = 0; i < 4; i++) s_join(tasks[i]);
  CHECK_EQ(gt_shutdown(), 0);
  return NULL;
}

TEST_WITH(rwlock_between_several_threads, 0, 60) {
  pthread_t threads[4];
  lock = gt_rwlock_new();
  for (intptr_t i = 0; i < 4; i++) threads[i] = s_thread(mixed_thread, (void *)(i + 1));
  for (int i = 0; i < 4; i++) s_thread_join(threads[i]);
  CHECK_EQ(gt_rwlock_free(lock), 0);
}

static volatile int stop;

static void *reads_all_the_time(void *arg) {
  while (!stop) {
    CHECK_EQ(gt_rwlock_read_lock(lock), 0);
    CHECK_EQ(gt_yield(), 0);
    CHECK_EQ(gt_rwlock_unlock(lock), 0);
  }
  return arg;
}

static void *writes_all_the_time(void *arg) {
  while (!stop) {
    CHECK_EQ(gt_rwlock_write_lock(lock), 0);
    CHECK_EQ(gt_yield(), 0);
    CHECK_EQ(gt_rwlock_unlock(lock), 0);
  }
  return arg;
}

TEST(rwlock_starves_neither_side) {
  int64_t tasks[6];
  lock = gt_rwlock_new();
  for (int i = 0; i < 3; i++) tasks[i] = s_spawn(reads_all_the_time, NULL); /* overlapping: never free of readers by itself */
  s_settle();
  CHECK_EQ(gt_rwlock_write_lock(lock), 0);
  CHECK_EQ(gt_rwlock_unlock(lock), 0);
  for (int i = 3; i < 6; i++) tasks[i] = s_spawn(writes_all_the_time, NULL);
  for (int i = 0; i < 100; i++) {
    CHECK_EQ(gt_rwlock_read_lock(lock), 0);
    CHECK_EQ(gt_rwlock_unlock(lock), 0);
  }
  stop = 1;
  for (int i = 0; i < 6; i++) s_join(tasks[i]);
  CHECK_EQ(gt_rwlock_free(lock), 0);
}

static void *waits_and_is_gone(void *arg) {
  gt_rwlock_write_lock(lock);
  FAIL("a task of a thread that has ended ran");
  return arg;
}

static void *ends_early(void *arg) {
  s_spawn(waits_and_is_gone, NULL);
  s_settle();
  return arg;
}

TEST(rwlock_passes_over_a_writer_whose_thread_has_ended) {
  lock = gt_rwlock_new();
  CHECK_EQ(gt_rwlock_read_lock(lock), 0);
  s_thread_join(s_thread(ends_early, NULL));
  CHECK_EQ((intptr_t)s_join(s_spawn(read_only, NULL)), 0); /* the writer that was before it will not come */
  s_thread_join(s_thread(ends_early, NULL));
  int64_t writer = s_spawn(write_only, NULL);
  s_settle();
  CHECK_EQ(gt_rwlock_unlock(lock), 0);
  CHECK_EQ((intptr_t)s_join(writer), 0);
  CHECK_EQ(gt_rwlock_free(lock), 0);
}

TEST(rwlock_in_a_forked_child) {
  lock = gt_rwlock_new();
  CHECK_EQ(gt_rwlock_write_lock(lock), 0);
  int64_t reader = s_spawn(read_only, NULL);
  s_settle();
  pid_t child = fork();
  if (child == 0) {
    CHECK_EQ(gt_rwlock_unlock(lock), 0);
    CHECK_EQ(gt_rwlock_read_lock(lock), 0);
    CHECK_EQ(gt_rwlock_unlock(lock), 0);
    CHECK_EQ(gt_rwlock_free(lock), 0);
    _exit(0);
  }
  int status;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  CHECK_EQ(gt_rwlock_unlock(lock), 0);
  CHECK_EQ((intptr_t)s_join(reader), 0);
  CHECK_EQ(gt_rwlock_free(lock), 0);
}
