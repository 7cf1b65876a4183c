/* gt_read, gt_write, gt_readv, gt_writev: on pipes, regular files, terminals and devices. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *write_later(void *arg) {
  CHECK_EQ(gt_sleep(MS(5)), 0);
  s_log('w');
  CHECK_EQ(gt_write(*(int *)arg, "later", 5), 5);
  return NULL;
}

TEST(io_read_of_a_pipe_parks_until_there_is_something) {
  for (int adopted = 0; adopted < 2; adopted++) {
    int fds[2];
    char buf[16] = "";
    s_pipe(fds, 0);
    if (adopted) s_adopt_pair(fds);
    int64_t task = s_spawn(write_later, &fds[1]);
    CHECK_EQ(gt_read(fds[0], buf, sizeof buf), 5);
    CHECK_STR(buf, "later");
    s_join(task);
    CHECK_EQ(gt_close(fds[1]), 0);
    CHECK_EQ(gt_read(fds[0], buf, sizeof buf), 0);
    CHECK_EQ(gt_close(fds[0]), 0);
  }
}

struct flow {
  int fd;
  size_t total;
};

static void *drain(void *arg) {
  struct flow *flow = arg;
  unsigned char buf[3000];
  size_t got = 0;
  while (got < flow->total) {
    ssize_t n = gt_read(flow->fd, buf, sizeof buf);
    CHECK_GT(n, 0);
    for (ssize_t i = 0; i < n; i++) CHECK_EQ(buf[i], (unsigned char)((got + (size_t)i) * 31 >> 4));
    got += (size_t)n;
  }
  return NULL;
}

TEST(io_write_of_a_full_pipe_parks_until_there_is_room) {
  static unsigned char data[1 << 20];
  for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 31 >> 4);
  for (int adopted = 0; adopted < 2; adopted++) {
    int fds[2];
    s_pipe(fds, 0);
    if (adopted) s_adopt_pair(fds);
    struct flow flow = {fds[0], sizeof data};
    int64_t task = s_spawn(drain, &flow);
    for (size_t at = 0; at < sizeof data;) {
      size_t left = sizeof data - at, part = left < 40000 ? left : 40000;
      ssize_t n = gt_write(fds[1], data + at, part);
      CHECK_GT(n, 0);
      at += (size_t)n;
    }
    s_join(task);
    s_close_pair(fds);
  }
}

TEST(io_vectors_are_read_and_written_in_order) {
  int fds[2];
  char a[2], b[3], c[8];
  char hello[] = "hel", world[] = "lo, world";
  struct iovec out[] = {{hello, 3}, {NULL, 0}, {world, 9}}, in[] = {{a, 2}, {b, 3}, {c, 8}};
  s_pipe(fds, 0);
  CHECK_EQ(gt_writev(fds[1], out, 3), 12);
  CHECK_EQ(gt_readv(fds[0], in, 3), 12);
  CHECK_MEM(a, "he", 2);
  CHECK_MEM(b, "llo", 3);
  CHECK_MEM(c, ", world", 7);
  CHECK_EQ(gt_readv_until(fds[0], in, 3, IN_MS(5)), -ETIMEDOUT);
  CHECK_EQ(gt_readv(fds[0], in, -1), -EINVAL);
  CHECK_EQ(gt_writev(fds[1], in, -1), -EINVAL);
  CHECK_EQ(gt_readv(fds[0], NULL, 1), -EINVAL);
  CHECK_EQ(gt_writev(fds[1], NULL, 1), -EINVAL);
  CHECK_EQ(gt_readv(fds[0], in, IOV_MAX + 1), -EINVAL);
  s_close_pair(fds);
}

TEST(io_regular_file_reads_though_epoll_refuses_it) {
  char path[] = "/tmp/greenrt-test-XXXXXX", buf[32];
  int fd = mkstemp(path);
  CHECK_OK(fd);
  unlink(path);
  CHECK_EQ(gt_write(fd, "file body", 9), 9);
  CHECK_OK(lseek(fd, 0, SEEK_SET));
  CHECK_EQ(gt_read(fd, buf, sizeof buf), 9);
  CHECK_MEM(buf, "file body", 9);
  CHECK_EQ(gt_read(fd, buf, sizeof buf), 0);
  CHECK_OK(lseek(fd, 0, SEEK_SET));
  struct iovec iov = {buf, 4};
  CHECK_EQ(gt_readv_until(fd, &iov, 1, 0), 4);
  CHECK_EQ(gt_wait_fd(fd, POLLIN), POLLIN); /* as poll says of a regular file */
  struct pollfd entry = {.fd = fd, .events = POLLIN | POLLOUT};
  CHECK_EQ(gt_poll(&entry, 1), 1);
  CHECK_EQ(entry.revents, POLLIN | POLLOUT);
  CHECK_EQ(gt_fd_adopt(fd), 0); /* owned or not makes no difference */
  CHECK_OK(lseek(fd, 0, SEEK_SET));
  CHECK_EQ(gt_read(fd, buf, sizeof buf), 9);
  CHECK_EQ(gt_read(fd, buf, sizeof buf), 0);
  CHECK_EQ(gt_wait_fd(fd, POLLIN | POLLOUT), POLLIN | POLLOUT);
  CHECK_EQ(gt_close(fd), 0);
}

TEST(io_regular_file_takes_a_large_write_at_once) {
  static char out[1 << 20], back[1 << 20];
  char path[] = "/tmp/greenrt-test-XXXXXX";
  int fd = mkstemp(path);
  CHECK_OK(fd);
  unlink(path);
  memset(out, 'r', sizeof out);
  CHECK_EQ(gt_write(fd, out, sizeof out), sizeof out);
  CHECK_OK(lseek(fd, 0, SEEK_SET));
  for (size_t have = 0; have < sizeof back;) {
    ssize_t n = gt_read(fd, back + have, sizeof back - have);
    CHECK_GT(n, 0);
    have += (size_t)n;
  }
  CHECK_MEM(back, out, sizeof out);
  CHECK_EQ(gt_close(fd), 0);
}

/* As if nothing were in the page cache. */
TEST(io_regular_file_is_fetched_by_another_thread) {
  char path[] = "/tmp/greenrt-test-XXXXXX", buf[8];
  int fd = mkstemp(path);
  CHECK_OK(fd);
  unlink(path);
  CHECK_EQ(write(fd, "file", 4), 4);
  CHECK_OK(lseek(fd, 1, SEEK_SET));
  if (s_refuse(SYS_preadv2, 0, EAGAIN) != 0) SKIP("no seccomp here");
  CHECK_EQ(gt_read(fd, buf, sizeof buf), 3);
  CHECK_MEM(buf, "ile", 3);
  CHECK_EQ(s_stats().offload_threads, 1);
  CHECK_EQ(gt_read(fd, buf, sizeof buf), 0);
  CHECK_EQ(gt_close(fd), 0);
}

TEST(io_terminal_reads_a_line) {
  char buf[32] = "";
  int master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0) SKIP("no pseudo terminal: errno %d", errno);
  CHECK_OK(grantpt(master));
  CHECK_OK(unlockpt(master));
  int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
  CHECK_OK(slave);
  CHECK_EQ(gt_read_until(slave, buf, sizeof buf, IN_MS(5)), -ETIMEDOUT);
  CHECK_EQ(gt_write(master, "line\n", 5), 5);
  CHECK_EQ(gt_read(slave, buf, sizeof buf), 5);
  CHECK_MEM(buf, "line\n", 5);
  CHECK_EQ(gt_close(slave), 0);
  CHECK_EQ(gt_close(master), 0);
}

TEST(io_device_that_is_always_ready) {
  char buf[64];
  int zero = open("/dev/zero", O_RDWR | O_CLOEXEC), null = open("/dev/null", O_RDWR | O_CLOEXEC);
  CHECK_OK(zero);
  CHECK_OK(null);
  CHECK_EQ(gt_read(zero, buf, sizeof buf), sizeof buf);
  CHECK_EQ(gt_read(null, buf, sizeof buf), 0);
  CHECK_EQ(gt_write(null, buf, sizeof buf), sizeof buf);
  s_close_pair((int[]){zero, null});
}

static void *ring(void *arg) {
  uint64_t one = 1;
  CHECK_EQ(gt_write(*(int *)arg, &one, sizeof one), sizeof one);
  return NULL;
}

TEST(io_eventfd_rings_each_time) {
  int fd = eventfd(0, EFD_CLOEXEC);
  CHECK_OK(fd);
  for (int i = 0; i < 100; i++) {
    uint64_t count = 0;
    int64_t task = s_spawn(ring, &fd);
    CHECK_EQ(gt_read(fd, &count, sizeof count), sizeof count);
    CHECK_EQ(count, 1);
    s_join(task);
  }
  CHECK_EQ(gt_close(fd), 0);
}

TEST(io_of_nothing_and_of_nowhere) {
  int fds[2];
  char buf[4] = {0};
  s_pipe(fds, 0);
  const int closed = fds[1];
  CHECK_EQ(gt_close(fds[1]), 0);
  CHECK_EQ(gt_close(closed), -EBADF);
  CHECK_EQ(gt_read(fds[0], NULL, 4), -EINVAL);
  CHECK_EQ(gt_write(fds[0], NULL, 4), -EINVAL);
  CHECK_EQ(gt_read(fds[0], NULL, 0), 0);
  const int wrong[] = {-1, INT_MIN, INT_MAX, 1 << 20, closed};
  for (size_t i = 0; i < COUNT(wrong); i++) {
    struct iovec iov = {buf, 4};
    CHECK_EQ(gt_read(wrong[i], buf, 4), -EBADF);
    CHECK_EQ(gt_write(wrong[i], buf, 4), -EBADF);
    CHECK_EQ(gt_readv(wrong[i], &iov, 1), -EBADF);
    CHECK_EQ(gt_writev(wrong[i], &iov, 1), -EBADF);
    CHECK_EQ(gt_close(wrong[i]), -EBADF);
  }
  CHECK_EQ(gt_write(fds[0], buf, 1), -EBADF); /* the reading end */
  CHECK_EQ(gt_close(fds[0]), 0);
}

/* Nothing would ever come there: who asked gets told, and does not wait. */
TEST(io_at_the_wrong_end_is_an_error_at_once) {
  for (int adopted = 0; adopted < 2; adopted++) {
    int fds[2];
    char byte = 'x';
    struct iovec iov = {&byte, 1};
    s_pipe(fds, 0);
    if (adopted) s_adopt_pair(fds);
    CHECK_EQ(gt_read(fds[1], &byte, 1), -EBADF);
    CHECK_EQ(gt_readv(fds[1], &iov, 1), -EBADF);
    CHECK_EQ(gt_write(fds[0], &byte, 1), -EBADF);
    CHECK_EQ(gt_writev(fds[0], &iov, 1), -EBADF);
    s_close_pair(fds);
  }
  int master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0) SKIP("no pseudo terminal: errno %d", errno);
  CHECK_OK(grantpt(master));
  CHECK_OK(unlockpt(master));
  int slave = open(ptsname(master), O_WRONLY | O_NOCTTY);
  char byte;
  CHECK_OK(slave);
  CHECK_EQ(gt_read(slave, &byte, 1), -EBADF);
  s_close_pair((int[]){slave, master});
}

static void write_to_nobody(void *arg) {
  int fds[2];
  s_pipe(fds, 0);
  if (arg) CHECK_EQ(gt_fd_adopt(fds[1]), 0);
  close(fds[0]);
  gt_write(fds[1], "x", 1);
}

/* gt_write is write(2): the signal comes unless the program ignores it. Sockets have gt_send, which never raises it. */
TEST(io_write_without_a_reader_is_what_it_is_in_write_2) {
  static struct s_end end;
  int fds[2];
  for (int adopted = 0; adopted < 2; adopted++) {
    s_child(write_to_nobody, adopted ? fds : NULL, &end);
    CHECK_EQ(end.signal, SIGPIPE);
  }
  signal(SIGPIPE, SIG_IGN);
  for (int adopted = 0; adopted < 2; adopted++) {
    s_pipe(fds, 0);
    if (adopted) CHECK_EQ(gt_fd_adopt(fds[1]), 0);
    close(fds[0]);
    CHECK_EQ(gt_write(fds[1], "x", 1), -EPIPE);
    CHECK_EQ(gt_close(fds[1]), 0);
  }
}
