/* fork: the child keeps only the forking task, the parent never notices. */
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void *receive(void *arg) {
  char byte;
  CHECK_EQ(gt_recv(*(int *)arg, &byte, 1, 0), 1);
  s_log(byte);
  return NULL;
}

static void *nap(void *arg) {
  (void)arg;
  CHECK_EQ(gt_sleep(MS(30)), 0);
  s_log('n');
  return NULL;
}

static void *park(void *arg) {
  (void)arg;
  CHECK_EQ(gt_park(), 0);
  s_log('p');
  return NULL;
}

static void reap(pid_t pid) {
  int status;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK(WIFEXITED(status));
  CHECK_EQ(WEXITSTATUS(status), 0);
}

struct waits {
  int owned[2], foreign[2];
  int64_t tasks[4];
};

static void begin(struct waits *waits) {
  s_unix_pair(SOCK_STREAM, waits->owned);
  s_adopt_pair(waits->owned);
  s_unix_pair(SOCK_STREAM, waits->foreign);
  waits->tasks[0] = s_spawn(receive, &waits->owned[0]);
  waits->tasks[1] = s_spawn(receive, &waits->foreign[0]);
  waits->tasks[2] = s_spawn(nap, NULL);
  waits->tasks[3] = s_spawn(park, NULL);
  s_settle();
  CHECK_EQ(gt_sleep(MS(1)), 0);
}

static void end(struct waits *waits) {
  CHECK_EQ(gt_send(waits->owned[1], "o", 1, 0), 1);
  CHECK_EQ(gt_sleep(MS(2)), 0);
  CHECK_EQ(gt_send(waits->foreign[1], "f", 1, 0), 1);
  CHECK_EQ(gt_unpark(waits->tasks[3]), 0);
  for (int i = 0; i < 4; i++) CHECK_EQ(gt_join_until(waits->tasks[i], NULL, IN_MS(60000)), 0);
  CHECK_EQ(strlen(s_logged()), 4);
  s_close_pair(waits->owned);
  s_close_pair(waits->foreign);
}

/* What a child does: it has one task, and everything works anew. */
static void child_life(struct waits *waits) {
  int fds[2];
  char byte;
  s_log_clear(); /* what the parent's tasks logged before the fork */
  for (int i = 0; i < 4; i++) CHECK_EQ(gt_unpark(waits->tasks[i]), -ESRCH);
  CHECK_LE(s_stats().tasks_live, 1); /* the forking task, when it is not the root */
  CHECK_EQ(s_stats().timers, 0);
  s_tcp_pair(fds);
  s_adopt_pair(fds);
  int64_t reader = s_spawn(receive, &fds[0]);
  CHECK_EQ(gt_sleep(MS(5)), 0);
  CHECK_EQ(gt_send(fds[1], "c", 1, 0), 1);
  CHECK_EQ(gt_join_until(reader, NULL, IN_MS(60000)), 0);
  CHECK_STR(s_logged(), "c");
  s_close_pair(fds);
  /* the inherited sockets: closing them here must not touch the parent's registrations */
  CHECK_EQ(gt_recv_until(waits->owned[0], &byte, 1, 0, IN_MS(2)), -ETIMEDOUT);
  CHECK_EQ(gt_close(waits->owned[0]), 0);
  close(waits->foreign[0]);
  CHECK_EQ(gt_sleep(MS(30)), 0);
  CHECK_STR(s_logged(), "c"); /* nobody else ran here */
}

TEST(fork_by_the_root_leaves_the_parents_waits_alone) {
  struct waits waits;
  begin(&waits);
  pid_t pid = fork();
  CHECK_OK(pid);
  if (pid == 0) {
    child_life(&waits);
    _exit(0);
  }
  reap(pid); /* the child is gone before anything happens in the parent */
  end(&waits);
}

static void *fork_in_task(void *arg) {
  pid_t pid = fork();
  CHECK_OK(pid);
  if (pid == 0) {
    child_life(arg);
    CHECK_EQ(gt_yield(), 0);
    _exit(0);
  }
  reap(pid);
  return NULL;
}

TEST(fork_by_a_task_keeps_that_task_only) {
  struct waits waits;
  begin(&waits);
  s_join(s_spawn(fork_in_task, &waits));
  end(&waits);
}

static void *fork_and_return(void *arg) {
  pid_t pid = fork();
  CHECK_OK(pid);
  if (pid == 0) {
    printf("child returns\n");
    return arg;
  }
  reap(pid);
  printf("parent goes on\n");
  return arg;
}

static void forking_program(void *arg) {
  s_join(s_spawn(fork_and_return, arg));
  printf("root of the parent\n");
}

TEST(fork_child_ends_when_its_task_returns) {
  struct s_end end_of;
  s_child(forking_program, NULL, &end_of);
  CHECK_EQ(end_of.status, 0);
  CHECK_HAS(end_of.out, "child returns\n");
  CHECK_HAS(end_of.out, "parent goes on\nroot of the parent\n");
  CHECK(strstr(strstr(end_of.out, "root of the parent") + 1, "root of the parent") == NULL);
}

static void forget(void *arg) { (void)arg; }

static void *fork_and_shut_down(void *arg) {
  pid_t pid = fork();
  CHECK_OK(pid);
  if (pid == 0) {
    CHECK_EQ(gt_cleanup_push(forget, NULL), 0);
    CHECK_EQ(gt_shutdown(), 0); /* it is the root here */
    if (!arg) return NULL;
    CHECK_EQ(gt_sleep(1000), 0); /* a new scheduler, on this stack */
    s_join(s_spawn(nap, NULL));
    gt_exit(NULL);
    CHECK_EQ(gt_exit(NULL), -EPERM);
    return arg;
  }
  reap(pid);
  return NULL;
}

static void *plain_alloc(size_t size, size_t align, void *arg) {
  (void)arg;
  return aligned_alloc(align, (size + align - 1) / align * align);
}

/* Freed memory shows. */
static void spoiling_dealloc(void *old, size_t size, size_t align, void *arg) {
  (void)align;
  (void)arg;
  memset(old, 0xa5, size);
  S_KEEP(old); /* or the compiler leaves it out */
  free(old);
}

static void *moving_realloc(void *old, size_t old_size, size_t size, size_t align, void *arg) {
  void *block = plain_alloc(size, align, arg);
  if (!block) return NULL;
  memcpy(block, old, old_size < size ? old_size : size);
  spoiling_dealloc(old, old_size, align, arg);
  return block;
}

TEST(fork_child_may_shut_down_and_return) {
  gt_config_t config = {.size = sizeof config, .alloc = plain_alloc, .realloc = moving_realloc, .dealloc = spoiling_dealloc};
  CHECK_EQ(gt_config(&config), 0);
  s_join(s_spawn(fork_and_shut_down, NULL));
  s_join(s_spawn(fork_and_shut_down, "again"));
}

static void *other_thread(void *arg) {
  int64_t task = s_spawn(nap, NULL);
  s_join(task);
  return arg;
}

TEST(fork_beside_a_second_scheduler) {
  pthread_t thread = s_thread(other_thread, NULL);
  for (int i = 0; i < 5; i++) {
    pid_t pid = fork();
    CHECK_OK(pid);
    if (pid == 0) {
      CHECK_EQ(gt_sleep(MS(1)), 0);
      CHECK_EQ(s_stats().tasks_live, 0);
      _exit(0);
    }
    reap(pid);
    CHECK_EQ(gt_sleep(MS(1)), 0);
  }
  s_thread_join(thread);
}

static void *park_until_now(void *arg) {
  CHECK_EQ(gt_park_until(0), -ETIMEDOUT);
  return arg;
}

static void *first_call(void *arg) {
  for (int i = 0; i < 3; i++) {
    s_join(s_spawn(park_until_now, arg));
    CHECK_EQ(gt_shutdown(), 0);
  }
  return arg;
}

/* The first scheduler of the process is being made on another thread. */
static void fork_at_once(void *arg) {
  pthread_t thread = s_thread(first_call, arg);
  for (volatile int i = 0; i < *(int *)arg; i++) continue;
  pid_t pid = fork();
  CHECK_OK(pid);
  if (pid == 0) {
    CHECK_EQ(gt_sleep(1000), 0);
    _exit(0);
  }
  reap(pid);
  s_thread_join(thread);
}

TEST_WITH(fork_while_the_first_scheduler_is_made, 0, 180) {
  static struct s_end end_of;
  for (int i = 0; i < 150; i++) {
    int spin = i * 500;
    s_child(fork_at_once, &spin, &end_of);
    if (end_of.status != 0) FAIL("status %d\n%s", end_of.status, end_of.out);
  }
}

static void *dial_in_child(void *arg) {
  int fd = gt_dial_tcp("localhost", *(uint16_t *)arg);
  CHECK_OK(fd);
  CHECK_EQ(gt_close(fd), 0);
  return NULL;
}

/* The offload pool's threads do not live in a child: it must start its own. */
TEST(fork_child_resolves_names) {
  uint16_t port;
  int listener = s_listener(&port);
  s_join(s_spawn(dial_in_child, &port)); /* the parent's pool runs */
  pid_t pid = fork();
  CHECK_OK(pid);
  if (pid == 0) {
    s_join(s_spawn(dial_in_child, &port));
    _exit(0);
  }
  reap(pid);
  s_join(s_spawn(dial_in_child, &port));
  for (int i = 0; i < 3; i++) CHECK_EQ(gt_close(gt_accept(listener, NULL, NULL)), 0);
  CHECK_EQ(gt_close(listener), 0);
}

static volatile int64_t foreign_task;
static pthread_barrier_t met;

static void *keep_a_task(void *arg) {
  foreign_task = s_spawn(park, NULL);
  s_settle();
  pthread_barrier_wait(&met);
  pthread_barrier_wait(&met);
  CHECK_EQ(gt_unpark(foreign_task), 0);
  s_join(foreign_task);
  return arg;
}

static void *same_slot_again(void *arg) {
  for (int i = 0; i < 5; i++) {
    int64_t task = s_spawn(park, NULL);
    CHECK_NE(task, foreign_task);
    s_settle();
    CHECK_EQ(gt_cancel(foreign_task), -ESRCH);
    CHECK_EQ(gt_unpark(task), 0);
    s_join(task);
  }
  return arg;
}

TEST(fork_child_never_gives_an_id_of_the_parents_other_threads_again) {
  CHECK_EQ(pthread_barrier_init(&met, NULL, 2), 0);
  CHECK_EQ(gt_sleep(1000), 0);
  pthread_t thread = s_thread(keep_a_task, NULL);
  pthread_barrier_wait(&met);
  pid_t pid = fork();
  CHECK_OK(pid);
  if (pid == 0) {
    CHECK_EQ(gt_unpark(foreign_task), -ESRCH);
    s_thread_join(s_thread(same_slot_again, NULL));
    _exit(0);
  }
  reap(pid);
  pthread_barrier_wait(&met);
  s_thread_join(thread);
}

static void *fork_and_count(void *arg) {
  int depth = *(int *)arg - 1, count = s_fd_count();
  if (depth == 0) return NULL;
  pid_t pid = fork();
  CHECK_OK(pid);
  if (pid == 0) {
    CHECK_EQ(gt_sleep(1000), 0);
    CHECK_LE(s_fd_count(), count);
    fork_and_count(&depth);
    _exit(0);
  }
  reap(pid);
  return NULL;
}

TEST(fork_generations_do_not_pile_up_descriptors) {
  int generations = 5;
  CHECK_EQ(gt_sleep(1000), 0);
  fork_and_count(&generations);
}

TEST(fork_grandchildren) {
  int64_t task = s_spawn(nap, NULL);
  pid_t pid = fork();
  CHECK_OK(pid);
  if (pid == 0) {
    CHECK_EQ(gt_sleep(MS(1)), 0);
    pid_t grandchild = fork();
    CHECK_OK(grandchild);
    if (grandchild == 0) {
      s_join(s_spawn(nap, NULL));
      _exit(0);
    }
    reap(grandchild);
    CHECK_EQ(gt_sleep(MS(1)), 0);
    _exit(0);
  }
  reap(pid);
  s_join(task);
}
