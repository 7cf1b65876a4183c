/* gt_pipe: bytes between tasks, ends, and every error. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MUCH = 1 << 20 };

static void *write_much(void *arg) {
  static char bytes[MUCH];
  int fd = *(int *)arg;
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * 7);
  for (size_t done = 0; done < sizeof bytes;) {
    ssize_t n = gt_write(fd, bytes + done, sizeof bytes - done);
    CHECK_GT(n, 0);
    done += (size_t)n;
  }
  CHECK_EQ(gt_close(fd), 0);
  return NULL;
}

TEST(pipe_carries_bytes_between_tasks) {
  int fds[2];
  char buf[1000];
  size_t have = 0;
  ssize_t n;
  errno = 77;
  CHECK_EQ(gt_pipe(fds), 0);
  CHECK_EQ(errno, 77);
  int64_t task = s_spawn(write_much, &fds[1]);
  while ((n = gt_read(fds[0], buf, sizeof buf)) > 0) {
    for (ssize_t i = 0; i < n; i++) CHECK_EQ(buf[i], (char)((have + (size_t)i) * 7));
    have += (size_t)n;
  }
  CHECK_EQ(n, 0);
  CHECK_EQ(have, MUCH);
  s_join(task);
  CHECK_EQ(gt_close(fds[0]), 0);
}

TEST(pipe_ends_are_owned) {
  int fds[2];
  char byte;
  CHECK_EQ(gt_pipe(fds), 0);
  CHECK_EQ(s_stats().descriptors, 2);
  for (int i = 0; i < 2; i++) {
    CHECK_EQ(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(fds[i], F_GETFL), (i ? O_WRONLY : O_RDONLY) | O_NONBLOCK);
  }
  CHECK_EQ(gt_read_until(fds[0], &byte, 1, IN_MS(2)), -ETIMEDOUT);
  CHECK_EQ(gt_close(fds[0]), 0);
  signal(SIGPIPE, SIG_IGN);
  CHECK_EQ(gt_write(fds[1], "x", 1), -EPIPE);
  CHECK_EQ(gt_close(fds[1]), 0);
}

TEST(pipe_errors) {
  struct rlimit was, few;
  int fds[2] = {-5, -6};
  CHECK_EQ(gt_pipe(NULL), -EINVAL);
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &was));
  int last = dup(0);
  few = (struct rlimit){(rlim_t)last + 2, was.rlim_max}; /* room for one */
  close(last);
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &few));
  CHECK_EQ(gt_pipe(fds), -EMFILE);
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &was));
  CHECK_EQ(fds[0], -5);
  CHECK_EQ(fds[1], -6);
}
