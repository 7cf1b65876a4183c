/* A forked child uses everything: what it makes itself, and what the parent made, whatever the parent's tasks and OS threads did with
 * it at that moment. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- one use of each noun: two tasks that need each other */

static struct {
  gt_chan_t *bound, *shared;
  gt_mutex_t *mutex;
  gt_rwlock_t *rwlock;
  gt_cond_t *cond;
  gt_sem_t *sem;
  gt_event_t *event;
  gt_waitgroup_t *group;
  gt_barrier_t *barrier;
  gt_signals_t *signals;
  int local;
} its;

static void make(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  CHECK((its.bound = gt_chan_new(sizeof(int), 0)) != NULL);
  CHECK((its.shared = gt_chan_new_shared(sizeof(int), 1)) != NULL);
  CHECK((its.mutex = gt_mutex_new()) != NULL);
  CHECK((its.rwlock = gt_rwlock_new()) != NULL);
  CHECK((its.cond = gt_cond_new()) != NULL);
  CHECK((its.sem = gt_sem_new(0)) != NULL);
  CHECK((its.event = gt_event_new()) != NULL);
  CHECK((its.group = gt_waitgroup_new()) != NULL);
  CHECK((its.barrier = gt_barrier_new(2)) != NULL);
  CHECK((its.signals = gt_signals_new(&set)) != NULL);
  CHECK_OK(its.local = gt_local_new(NULL));
}

static void forget(void) {
  CHECK_EQ(gt_chan_free(its.bound), 0);
  CHECK_EQ(gt_chan_free(its.shared), 0);
  CHECK_EQ(gt_mutex_free(its.mutex), 0);
  CHECK_EQ(gt_rwlock_free(its.rwlock), 0);
  CHECK_EQ(gt_cond_free(its.cond), 0);
  CHECK_EQ(gt_sem_free(its.sem), 0);
  CHECK_EQ(gt_event_free(its.event), 0);
  CHECK_EQ(gt_waitgroup_free(its.group), 0);
  CHECK_EQ(gt_barrier_free(its.barrier), 0);
  CHECK_EQ(gt_signals_free(its.signals), 0);
  CHECK_EQ(gt_local_free(its.local), 0);
}

static void *other_side(void *arg) {
  int item = 5;
  (void)arg;
  CHECK(gt_local_get(its.local) == NULL);
  CHECK_EQ(gt_chan_send(its.bound, &item), 0);
  CHECK_EQ(gt_chan_recv(its.shared, &item), 0);
  CHECK_EQ(item, 6);
  CHECK_EQ(gt_mutex_lock(its.mutex), 0);
  CHECK_EQ(gt_cond_signal(its.cond), 0);
  CHECK_EQ(gt_mutex_unlock(its.mutex), 0);
  CHECK_EQ(gt_rwlock_write_lock(its.rwlock), 0);
  CHECK_EQ(gt_rwlock_unlock(its.rwlock), 0);
  CHECK_EQ(gt_sem_post(its.sem), 0);
  CHECK_EQ(gt_event_set(its.event), 0);
  CHECK_EQ(gt_waitgroup_done(its.group), 0);
  CHECK_GE(gt_barrier_wait(its.barrier), 0);
  CHECK_OK(raise(SIGUSR1));
  return NULL;
}

static void objects(void) {
  int item = 0;
  gt_select_arm_t arm = {.kind = GT_SELECT_EVENT, .object = its.event};
  CHECK_EQ(gt_local_set(its.local, &item), 0);
  CHECK_EQ(gt_waitgroup_add(its.group, 1), 0);
  CHECK_EQ(gt_rwlock_read_lock(its.rwlock), 0);
  CHECK_EQ(gt_mutex_lock(its.mutex), 0);
  int64_t task = s_spawn(other_side, NULL);
  CHECK_EQ(gt_chan_recv(its.bound, &item), 0);
  CHECK_EQ(item, 5);
  item = 6;
  CHECK_EQ(gt_chan_send(its.shared, &item), 0);
  CHECK_EQ(gt_cond_wait(its.cond, its.mutex), 0);
  CHECK_EQ(gt_mutex_unlock(its.mutex), 0);
  CHECK_EQ(gt_rwlock_unlock(its.rwlock), 0);
  CHECK_EQ(gt_sem_wait(its.sem), 0);
  CHECK_EQ(gt_select(&arm, 1), 0);
  CHECK_EQ(gt_event_wait(its.event), 0);
  CHECK_EQ(gt_event_clear(its.event), 0);
  CHECK_EQ(gt_waitgroup_wait(its.group), 0);
  CHECK_GE(gt_barrier_wait(its.barrier), 0);
  CHECK_EQ(gt_signals_recv(its.signals, NULL), SIGUSR1);
  s_join(task);
  CHECK(gt_local_get(its.local) == &item);
  CHECK_EQ(gt_local_set(its.local, NULL), 0);
}

/* -- and of what takes other OS threads and processes */

static void *one(void *arg) {
  (void)arg;
  return (void *)1;
}

static int in_scope(void *arg) {
  (void)arg;
  return 0;
}

static int64_t offloaded(void *arg) { return *(int *)arg; }

static void once(void *arg) { ++*(int *)arg; }

static int values(gt_generator_t *generator, void *arg) {
  return gt_generator_yield(generator, arg);
}

static void machinery(void) {
  char path[] = "/tmp/greenrt-fork-XXXXXX", back[8], *argv[] = {"true", NULL};
  int number = 7, fds[2], count = 0;
  gt_once_t ones = GT_ONCE_INIT;
  struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list;
  void *value;
  CHECK_EQ(gt_once_do(&ones, once, &count), 0);
  CHECK_EQ(count, 1);
  gt_scope_t *scope = gt_scope_new(0);
  CHECK(scope != NULL);
  CHECK_GT(gt_scope_spawn(scope, in_scope, NULL), 0);
  CHECK_GE(gt_scope_join(scope), 0);
  CHECK_EQ(gt_scope_free(scope), 0);
  gt_generator_t *generator = gt_generator_new(values, &number);
  CHECK(generator != NULL);
  CHECK_EQ(gt_generator_next(generator, &value), 1);
  CHECK(value == &number);
  CHECK_EQ(gt_generator_free(generator), 0);
  CHECK_EQ(gt_offload(offloaded, &number), 7);
  CHECK_EQ(gt_getaddrinfo("localhost", NULL, &hints, &list, NULL), 0);
  gt_freeaddrinfo(list);
  int fd = mkstemp(path);
  CHECK_EQ(gt_pwrite(fd, "file", 4, 0), 4);
  CHECK_EQ(gt_pread(fd, back, 8, 0), 4);
  CHECK_EQ(gt_unlink(path), 0);
  CHECK_EQ(gt_close(fd), 0);
  CHECK_EQ(gt_pipe(fds), 0);
  CHECK_EQ(gt_write(fds[1], "pipe", 4), 4);
  CHECK_EQ(gt_read(fds[0], back, 8), 4);
  s_close_pair(fds);
  pid_t pid = gt_process_spawn("true", argv, NULL);
  CHECK_OK(pid);
  CHECK_EQ(gt_waitpid(pid, NULL, 0), pid);
  CHECK_EQ(gt_workers_start(1, NULL), 1);
  int64_t task = gt_spawn_any(one, NULL);
  CHECK_GT(task, 0);
  CHECK_EQ(gt_join(task, &value), 0);
  CHECK(value == (void *)1);
  CHECK_EQ(gt_workers_stop(), 0);
}

static void reap(pid_t pid) {
  int status = -1;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK_EQ(status, 0);
}

/* The child's life: what the parent made, then its own. */
static void child_life(void) {
  uint64_t live = s_stats().objects; /* those of the parent's OS threads too */
  objects();
  forget();
  make();
  objects();
  forget();
  machinery();
  CHECK_EQ(s_stats().objects, live - 10);
  CHECK_EQ(gt_shutdown(), 0);
  _exit(0);
}

static void *fork_here(void *arg) {
  pid_t pid = fork();
  CHECK_OK(pid);
  if (pid == 0) child_life();
  reap(pid);
  return arg;
}

TEST_WITH(afterfork_child_of_the_root_uses_everything, 0, 120) {
  make();
  objects();
  machinery();
  fork_here(NULL);
  objects();
  forget();
}

TEST_WITH(afterfork_child_of_a_task_uses_everything, 0, 120) {
  make();
  s_join(s_spawn(fork_here, NULL));
  objects();
  machinery();
  forget();
}

/* -- with tasks that wait in everything */

static void *waits_for_item(void *arg) {
  int item;
  return (void *)(intptr_t)gt_chan_recv(arg, &item);
}
static void *waits_for_permit(void *arg) { return (void *)(intptr_t)gt_sem_wait(arg); }
static void *waits_for_event(void *arg) { return (void *)(intptr_t)gt_event_wait(arg); }
static void *waits_for_group(void *arg) { return (void *)(intptr_t)gt_waitgroup_wait(arg); }
static void *waits_at_barrier(void *arg) { return (void *)(intptr_t)gt_barrier_wait(arg); }
static void *waits_for_signal(void *arg) { return (void *)(intptr_t)gt_signals_recv(arg, NULL); }

TEST_WITH(afterfork_child_uses_what_the_parents_tasks_wait_in, 0, 120) {
  make();
  CHECK_EQ(gt_waitgroup_add(its.group, 1), 0);
  const struct {
    gt_entry_t entry;
    void *arg;
  } waits[] = {{waits_for_item, its.bound}, {waits_for_item, its.shared},   {waits_for_permit, its.sem}, {waits_for_event, its.event},
               {waits_for_group, its.group}, {waits_at_barrier, its.barrier}, {waits_for_signal, its.signals}};
  int64_t tasks[COUNT(waits)];
  for (size_t i = 0; i < COUNT(waits); i++) tasks[i] = s_spawn(waits[i].entry, waits[i].arg);
  CHECK_EQ(gt_sleep(MS(1)), 0);
  pid_t pid = fork();
  CHECK_OK(pid);
  if (pid == 0) {
    CHECK_EQ(gt_waitgroup_done(its.group), 0);
    child_life();
  }
  reap(pid);
  for (size_t i = 0; i < COUNT(waits); i++) {
    CHECK_EQ(gt_cancel(tasks[i]), 0);
    CHECK_EQ((intptr_t)s_join(tasks[i]), -ECANCELED);
  }
  CHECK_EQ(gt_waitgroup_done(its.group), 0);
  objects();
  forget();
}

/* -- with OS threads that are in the middle of everything */

static atomic_int stop;

static void *busy_with_objects(void *arg) {
  int item = 1;
  while (!atomic_load(&stop)) {
    gt_event_t *event = gt_event_new();
    gt_chan_send_try(arg, &item);
    gt_chan_recv_try(arg, &item);
    CHECK_EQ(gt_event_free(event), 0);
  }
  return NULL;
}

static void *busy_with_tasks_and_files(void *arg) {
  char path[] = "/tmp/greenrt-busy-XXXXXX", byte;
  int fd = mkstemp(path), turns = 0;
  unlink(path);
  while (!atomic_load(&stop)) {
    CHECK_EQ(gt_pwrite(fd, "b", 1, 0), 1);
    CHECK_EQ(gt_pread(fd, &byte, 1, 0), 1);
    s_join(s_spawn(one, NULL));
    if (++turns % 16 == 0) CHECK_EQ(gt_shutdown(), 0);
  }
  CHECK_EQ(gt_close(fd), 0);
  return arg;
}

TEST_WITH(afterfork_child_of_a_busy_process_uses_everything, 0, 120) {
  enum { FORKS = 60 };
  pthread_t threads[3];
  int item = 2;
  make();
  gt_chan_t *chan = gt_chan_new_shared(sizeof(int), 4);
  for (int i = 0; i < 3; i++) threads[i] = s_thread(i < 2 ? busy_with_objects : busy_with_tasks_and_files, chan);
  for (int i = 0; i < FORKS; i++) {
    CHECK_EQ(gt_sleep(MS(1)), 0);
    pid_t pid = fork();
    CHECK_OK(pid);
    if (pid == 0) {
      CHECK_NE(gt_chan_send_try(chan, &item), -EINVAL); /* wherever they were in it */
      if (i % 10 == 0) child_life();
      objects();
      forget();
      _exit(0);
    }
    reap(pid);
  }
  atomic_store(&stop, 1);
  for (int i = 0; i < 3; i++) s_thread_join(threads[i]);
  CHECK_EQ(gt_chan_free(chan), 0);
  objects();
  forget();
}

static void *keeps_its_own(void *arg) {
  int64_t scope = gt_deadline_push(IN_MS(60000));
  gt_shield_push();
  CHECK_EQ(gt_interrupt_at(gt_self(), 9, IN_MS(20)), 0);
  pid_t pid = fork();
  CHECK_OK(pid);
  if (pid == 0) {
    int code;
    CHECK_EQ(gt_shield_pop(), 0);
    CHECK_EQ(gt_sleep(MS(60000)), -EINTR); /* its timed interrupt */
    CHECK_EQ(gt_interrupt_take(&code), 0);
    CHECK_EQ(code, 9);
    CHECK_EQ(gt_deadline_pop(scope), 0);
    CHECK_EQ(gt_exit(NULL), -EPERM); /* it is the root */
    _exit(0);
  }
  reap(pid);
  CHECK_EQ(gt_interrupt_withdraw(gt_self(), 9), 0);
  CHECK_EQ(gt_shield_pop(), 0);
  CHECK_EQ(gt_deadline_pop(scope), 0);
  return arg;
}

TEST(afterfork_task_keeps_what_is_its_own) { s_join(s_spawn(keeps_its_own, NULL)); }
