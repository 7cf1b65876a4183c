/* Child processes: gt_waitpid in all its forms, gt_process_spawn and what its child finds. */
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child that ends with `status`, if `go` is not NULL when it is let go. */
static pid_t child(int status, int *go) {
  int fds[2] = {-1, -1};
  char byte;
  if (go) s_pipe(fds, 0);
  pid_t pid = fork();
  CHECK_OK(pid);
  if (pid == 0) {
    if (go) {
      while (read(fds[0], &byte, 1) < 0) continue;
    }
    _exit(status);
  }
  if (go) {
    close(fds[0]);
    *go = fds[1];
  }
  return pid;
}

static void let_go(int go) {
  CHECK_EQ(write(go, "g", 1), 1);
  close(go);
}

static void *let_go_soon(void *arg) {
  s_log('t');
  CHECK_EQ(gt_sleep(MS(5)), 0);
  let_go(*(int *)arg);
  return NULL;
}

/* Waits while others run. */
static void waits(int options) {
  int go, status = 0;
  pid_t pid = child(7, &go);
  int64_t task = s_spawn(let_go_soon, &go);
  errno = 77;
  CHECK_EQ(gt_waitpid(pid, &status, options), pid);
  CHECK_EQ(errno, 77);
  CHECK(WIFEXITED(status));
  CHECK_EQ(WEXITSTATUS(status), 7);
  CHECK_STR(s_logged(), "t");
  CHECK_EQ(gt_waitpid(pid, &status, options), -ECHILD); /* it is told once */
  s_join(task);
}

TEST(process_wait_lets_other_tasks_run) {
  CHECK_EQ(gt_sleep(1000), 0);
  int count = s_fd_count();
  waits(0);
  CHECK_EQ(s_fd_count(), count);
}

TEST(process_wait_without_pidfd_looks_again) {
  if (s_refuse(SYS_pidfd_open, 0, ENOSYS) != 0) SKIP("no seccomp here");
  waits(0);
}

TEST(process_wait_in_a_sandbox_without_pidfd) {
  if (s_refuse(SYS_pidfd_open, 0, EPERM) != 0) SKIP("no seccomp here");
  waits(0);
}

TEST(process_wait_of_a_child_that_has_ended_already) {
  int status = 0;
  pid_t pid = child(3, NULL);
  CHECK_EQ(gt_waitpid_until(pid, &status, 0, IN_MS(60000)), pid);
  CHECK_EQ(WEXITSTATUS(status), 3);
  CHECK_EQ(gt_waitpid(pid, &status, 0), -ECHILD); /* that one was reaped */
  CHECK_EQ(gt_waitpid_until(pid, &status, WNOHANG, 0), -ECHILD);
  pid = child(4, NULL);
  siginfo_t info;
  CHECK_OK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
  CHECK_EQ(gt_waitpid_until(pid, NULL, 0, 0), pid); /* looks once */
}

TEST(process_wait_of_a_killed_child) {
  int go, status = 0;
  pid_t pid = child(0, &go);
  CHECK_OK(kill(pid, SIGKILL));
  CHECK_EQ(gt_waitpid(pid, &status, 0), pid);
  CHECK(WIFSIGNALED(status));
  CHECK_EQ(WTERMSIG(status), SIGKILL);
  close(go);
}

TEST(process_wait_that_does_not_hang) {
  int go, status = 99;
  pid_t pid = child(2, &go);
  CHECK_EQ(gt_waitpid(pid, &status, WNOHANG), 0);
  CHECK_EQ(gt_waitpid(-1, &status, WNOHANG), 0);
  CHECK_EQ(status, 99);
  let_go(go);
  while (gt_waitpid(pid, &status, WNOHANG) == 0) CHECK_EQ(gt_sleep(MS(1)), 0);
  CHECK_EQ(WEXITSTATUS(status), 2);
  CHECK_EQ(gt_waitpid(pid, &status, WNOHANG), -ECHILD);
}

TEST(process_wait_for_stops_and_continuations) {
  int go, status = 0;
  pid_t pid = child(1, &go);
  CHECK_OK(kill(pid, SIGSTOP));
  CHECK_EQ(gt_waitpid(pid, &status, WUNTRACED), pid);
  CHECK(WIFSTOPPED(status));
  CHECK_EQ(WSTOPSIG(status), SIGSTOP);
  CHECK_EQ(gt_waitpid_until(pid, &status, WUNTRACED | WCONTINUED, IN_MS(5)), -ETIMEDOUT);
  CHECK_OK(kill(pid, SIGCONT));
  CHECK_EQ(gt_waitpid(pid, &status, WUNTRACED | WCONTINUED), pid);
  CHECK(WIFCONTINUED(status));
  let_go(go);
  CHECK_EQ(gt_waitpid(pid, &status, WUNTRACED | WCONTINUED), pid);
  CHECK(WIFEXITED(status));
}

TEST(process_wait_does_not_hear_of_stops_unasked) {
  int go, status = 0;
  pid_t pid = child(1, &go);
  CHECK_OK(kill(pid, SIGSTOP));
  CHECK_EQ(gt_waitpid_until(pid, &status, 0, IN_MS(10)), -ETIMEDOUT);
  CHECK_OK(kill(pid, SIGCONT));
  let_go(go);
  CHECK_EQ(gt_waitpid(pid, &status, 0), pid);
}

TEST(process_wait_for_any_child) {
  int go[3], status = 0;
  pid_t pids[3];
  for (int i = 0; i < 3; i++) pids[i] = child(i, &go[i]);
  let_go(go[1]);
  CHECK_EQ(gt_waitpid(-1, &status, 0), pids[1]);
  CHECK_EQ(WEXITSTATUS(status), 1);
  int64_t task = s_spawn(let_go_soon, &go[2]);
  CHECK_EQ(gt_waitpid(-1, &status, 0), pids[2]);
  let_go(go[0]);
  CHECK_EQ(gt_waitpid(-1, &status, 0), pids[0]);
  CHECK_EQ(gt_waitpid(-1, &status, 0), -ECHILD);
  s_join(task);
}

TEST(process_wait_for_a_group) {
  int go[2], status = 0;
  pid_t mine = child(5, &go[0]), other = child(6, &go[1]);
  CHECK_OK(setpgid(other, other));
  let_go(go[0]);
  let_go(go[1]);
  CHECK_EQ(gt_waitpid(-other, &status, 0), other);
  CHECK_EQ(WEXITSTATUS(status), 6);
  CHECK_EQ(gt_waitpid(-other, &status, 0), -ECHILD);
  CHECK_EQ(gt_waitpid(0, &status, 0), mine); /* of the caller's group */
  CHECK_EQ(WEXITSTATUS(status), 5);
}

TEST(process_wait_errors) {
  int go, status = 0;
  CHECK_EQ(gt_waitpid(-1, &status, 0), -ECHILD);
  CHECK_EQ(gt_waitpid(getpid(), &status, 0), -ECHILD);
  CHECK_EQ(gt_waitpid(1, NULL, 0), -ECHILD);
  CHECK_EQ(gt_waitpid(-1, &status, 1 << 20), -EINVAL);
  pid_t pid = child(0, &go);
  CHECK_EQ(gt_waitpid_until(pid, &status, 0, IN_MS(2)), -ETIMEDOUT);
  CHECK_EQ(gt_interrupt(gt_self(), 5), 0);
  CHECK_EQ(gt_waitpid(pid, &status, 0), -EINTR);
  let_go(go);
  CHECK_EQ(gt_waitpid(pid, &status, 0), pid); /* nothing was taken by those that failed */
  CHECK_EQ(gt_cancel(gt_self()), 0);
  CHECK_EQ(gt_waitpid(pid, &status, WNOHANG), -ECANCELED);
}

static int no_memory;

static void *alloc_or_not(size_t size, size_t align, void *arg) {
  (void)arg;
  return no_memory ? NULL : aligned_alloc(align, (size + align - 1) / align * align);
}

static void *realloc_or_not(void *old, size_t old_size, size_t size, size_t align, void *arg) {
  void *block = alloc_or_not(size, align, arg);
  if (!block) return NULL;
  memcpy(block, old, old_size < size ? old_size : size);
  free(old);
  return block;
}

static void dealloc(void *old, size_t size, size_t align, void *arg) {
  (void)size;
  (void)align;
  (void)arg;
  free(old);
}

static char *truth[] = {"true", NULL};

/* Without them a wait looks from time to time, and has no name. */
static void need_pidfds(void) {
  int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
  if (fd < 0) SKIP("no pidfd_open(2) here");
  close(fd);
}

TEST(process_errors_of_memory) {
  need_pidfds();
  gt_config_t config = {.size = sizeof config, .alloc = alloc_or_not, .realloc = realloc_or_not, .dealloc = dealloc};
  int go, fds[2], status;
  CHECK_EQ(gt_config(&config), 0);
  CHECK_EQ(gt_sleep(1000), 0);
  pid_t pid = child(0, &go);
  no_memory = 1;
  CHECK_EQ(gt_process_spawn("true", truth, NULL), -ENOMEM);
  int got = gt_waitpid_until(pid, &status, 0, IN_MS(5)), piped = gt_pipe(fds);
  no_memory = 0;
  CHECK_EQ(got, -ENOMEM); /* the table of descriptors has to be made */
  CHECK_EQ(piped, -ENOMEM);
  let_go(go);
  CHECK_EQ(gt_waitpid(pid, &status, 0), pid);
}

static void *wait_for(void *arg) {
  int status = -1;
  pid_t pid = *(pid_t *)arg, got = gt_waitpid(pid, &status, 0);
  if (got > 0) CHECK_EQ(WEXITSTATUS(status), 9);
  return (void *)(intptr_t)got;
}

TEST(process_several_waiters_and_one_child) {
  int go, winners = 0;
  int64_t tasks[5];
  pid_t pid = child(9, &go);
  for (int i = 0; i < 5; i++) tasks[i] = s_spawn(wait_for, &pid);
  s_settle();
  let_go(go);
  for (int i = 0; i < 5; i++) {
    intptr_t got = (intptr_t)s_join(tasks[i]);
    CHECK(got == pid || got == -ECHILD);
    winners += got == pid;
  }
  CHECK_EQ(winners, 1);
}

static void *thread_waits(void *arg) { return wait_for(arg); }

TEST(process_child_of_one_thread_is_waited_for_by_another) {
  int go;
  pid_t pid = child(9, &go);
  pthread_t thread = s_thread(thread_waits, &pid);
  s_real_sleep(5);
  let_go(go);
  CHECK_EQ((intptr_t)s_thread_join(thread), pid);
}

TEST(process_child_taken_by_plain_waitpid_is_gone) {
  int go, status;
  pid_t pid = child(9, &go);
  int64_t task = s_spawn(wait_for, &pid);
  s_settle();
  let_go(go);
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK_EQ((intptr_t)s_join(task), -ECHILD);
}

TEST(process_children_nobody_keeps) {
  int go, status;
  signal(SIGCHLD, SIG_IGN);
  pid_t pid = child(9, &go);
  int64_t task = s_spawn(wait_for, &pid);
  s_settle();
  let_go(go);
  CHECK_EQ((intptr_t)s_join(task), -ECHILD);
  CHECK_EQ(gt_waitpid(-1, &status, 0), -ECHILD);
}

TEST(process_wait_is_no_deadlock) {
  gt_config_t config = {.size = sizeof config, .deadlock = GT_DEADLOCK_ERROR};
  int go, status;
  CHECK_EQ(gt_config(&config), 0);
  pid_t pid = child(9, &go);
  CHECK_EQ(gt_waitpid_until(pid, &status, 0, IN_MS(20)), -ETIMEDOUT);
  int64_t task = s_spawn(wait_for, &pid);
  s_settle();
  let_go(go);
  CHECK_EQ(gt_join(task, NULL), 0);
}

TEST(process_wait_is_named_in_the_list) {
  need_pidfds();
  int go;
  gt_task_info_t info = {.size = sizeof info};
  pid_t pid = child(9, &go);
  int64_t task = s_spawn(wait_for, &pid);
  CHECK_EQ(gt_sleep(MS(2)), 0);
  CHECK_EQ(gt_task_info(task, &info), 0);
  CHECK_EQ(info.waits, GT_WAIT_PROCESS);
  CHECK_EQ(info.object, pid);
  let_go(go);
  s_join(task);
}

TEST(process_forked_child_has_children_of_its_own) {
  int go, status, grandchild_status;
  pid_t pid = child(9, &go), fork_pid = fork();
  CHECK_OK(fork_pid);
  if (fork_pid == 0) {
    CHECK_EQ(gt_waitpid(pid, &status, 0), -ECHILD);
    pid_t own = gt_process_spawn("true", truth, NULL);
    CHECK_GT(own, 0);
    CHECK_EQ(gt_waitpid(own, &grandchild_status, 0), own);
    _exit(11);
  }
  CHECK_EQ(gt_waitpid(fork_pid, &status, 0), fork_pid);
  CHECK_EQ(status, 11 << 8);
  let_go(go);
  CHECK_EQ(gt_waitpid(pid, &status, 0), pid);
}
