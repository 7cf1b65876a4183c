/* What an older kernel or a strict sandbox refuses has a second way: epoll_pwait2 (Linux 5.11), RWF_NOWAIT of pipes (6.4), guard
 * markers (6.13). A seccomp filter plays the old kernel. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support.h"

enum { GUARD_INSTALL = 102 };

static void *echo_one(void *arg) {
  char byte;
  CHECK_EQ(gt_recv(*(int *)arg, &byte, 1, 0), 1);
  CHECK_EQ(gt_send(*(int *)arg, &byte, 1, 0), 1);
  return NULL;
}

static void waits_work(void) {
  int fds[2];
  char byte = 'x';
  int64_t start = gt_now();
  CHECK_EQ(gt_sleep(1500000), 0);
  CHECK_GE(gt_now() - start, 1500000);
  s_unix_pair(SOCK_STREAM, fds);
  s_adopt_pair(fds);
  int64_t task = s_spawn(echo_one, &fds[1]);
  s_settle();
  CHECK_EQ(gt_send(fds[0], &byte, 1, 0), 1);
  CHECK_EQ(gt_recv(fds[0], &byte, 1, 0), 1);
  s_join(task);
  s_close_pair(fds);
}

#ifdef SYS_epoll_pwait2
static void without_pwait2(unsigned error) {
  if (s_refuse(SYS_epoll_pwait2, 0, error) != 0) SKIP("no seccomp here");
  errno = 0;
  CHECK_EQ(syscall(SYS_epoll_pwait2, -1, NULL, 1, NULL, NULL, 0), -1);
  CHECK_EQ(errno, error);
  waits_work();
}

TEST(oldkernel_without_epoll_pwait2_waits_in_milliseconds) { without_pwait2(ENOSYS); }

TEST_WITH(oldkernel_sandbox_that_forbids_epoll_pwait2, T_LIMITS, 0) { without_pwait2(EPERM); }
#endif

static void *write_one(void *arg) {
  CHECK_EQ(gt_write(*(int *)arg, "x", 1), 1);
  return NULL;
}

/* Pipes know RWF_NOWAIT since Linux 6.4: before, poll(2) is asked, which says nothing of a wrong end. */
TEST(oldkernel_without_nowait_reads_and_writes_pipes) {
  if (s_refuse(SYS_preadv2, 0, EOPNOTSUPP) != 0) SKIP("no seccomp here");
  if (s_refuse(SYS_pwritev2, 0, EOPNOTSUPP) != 0) SKIP("no seccomp here");
  for (int adopted = 0; adopted < 2; adopted++) {
    static char block[65536];
    int fds[2];
    char byte;
    s_pipe(fds, 0);
    if (adopted) s_adopt_pair(fds);
    int64_t task = s_spawn(write_one, &fds[1]);
    CHECK_EQ(gt_read(fds[0], &byte, 1), 1);
    s_join(task);
    ssize_t got;
    while ((got = gt_write_until(fds[1], block, sizeof block, 0)) > 0) continue;
    CHECK_EQ(got, -ETIMEDOUT); /* full, and nobody was held up */
    CHECK_EQ(gt_read(fds[1], &byte, 1), -EBADF);
    CHECK_EQ(gt_write(fds[0], &byte, 1), -EBADF);
    s_close_pair(fds);
  }
}

__attribute__((noinline)) static int recurse(int depth) {
  volatile char frame[1024];
  frame[0] = (char)depth;
  S_KEEP(frame);
  if (depth < 1000000) recurse(depth + 1);
  return frame[0];
}

static void *overflow(void *arg) {
  recurse(0);
  return arg;
}

static void overflow_without_markers(void *arg) {
  (void)arg;
  if (s_refuse(SYS_madvise, GUARD_INSTALL, EINVAL) != 0) exit(77);
  gt_join(gt_spawn(overflow, NULL), NULL);
  printf("nobody noticed\n");
}

TEST_WITH(oldkernel_without_guard_markers_still_guards, T_FAULTS, 0) {
  static struct s_end end;
  s_child(overflow_without_markers, NULL, &end);
  if (end.status == 77) SKIP("no seccomp here");
  CHECK_EQ(end.signal, SIGSEGV);
  CHECK_HAS(end.out, "stack overflow");
}

static int echo_in_scope(void *arg) {
  (void)arg;
  return 0;
}

/* Guards by protection split the mapping: running out says so, and what was there goes on. */
TEST_WITH(oldkernel_running_out_of_mappings_says_so, T_LIMITS, 0) {
  if (s_refuse(SYS_madvise, GUARD_INSTALL, EINVAL) != 0) SKIP("no seccomp here");
  if (s_refuse(SYS_mprotect, 0, ENOMEM) != 0) SKIP("no seccomp here");
  int64_t task = gt_spawn(echo_one, NULL);
  CHECK_EQ(task, -ENOSPC);
  CHECK_HAS(gt_strerror((int)task), "vm.max_map_count");
  gt_scope_t *scope = gt_scope_new(0);
  CHECK_EQ(gt_scope_spawn(scope, echo_in_scope, NULL), -ENOSPC);
  CHECK_EQ(gt_scope_count(scope), 0);
  CHECK_EQ(gt_scope_free(scope), 0);
  CHECK_EQ(gt_sleep(MS(1)), 0);
}
