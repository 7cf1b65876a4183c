/* sendfile, half close, listeners with wishes. */
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define BIG ((size_t)12 << 20)

static unsigned char at(size_t i) { return (unsigned char)(i * 13 >> 5); }

/* A file without a name whose bytes say where they stand. */
static int file(size_t size) {
  static unsigned char block[1 << 16];
  char path[] = "/tmp/greenrt-test-XXXXXX";
  int fd = mkstemp(path);
  CHECK_OK(fd);
  CHECK_OK(unlink(path));
  CHECK_OK(fcntl(fd, F_SETFD, FD_CLOEXEC));
  for (size_t done = 0; done < size;) {
    size_t n = size - done < sizeof block ? size - done : sizeof block;
    for (size_t i = 0; i < n; i++) block[i] = at(done + i);
    CHECK_EQ(write(fd, block, n), (long)n);
    done += n;
  }
  CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
  return fd;
}

struct sink {
  int fd;
  size_t from, total, got;
};

static void *take(void *arg) {
  struct sink *sink = arg;
  static unsigned char buf[100000];
  for (sink->got = 0; sink->got < sink->total;) {
    ssize_t n = gt_read(sink->fd, buf, sizeof buf);
    CHECK_GT(n, 0);
    for (ssize_t i = 0; i < n; i++) CHECK_EQ(buf[i], at(sink->from + sink->got + (size_t)i));
    sink->got += (size_t)n;
  }
  return NULL;
}

/* Kinds of outputs: TCP, unix, pipe; each foreign in blocking mode, foreign and non-blocking, owned. */
static void outputs(int kind, int fds[2]) {
  if (kind / 3 == 0)
    s_tcp_pair(fds);
  else if (kind / 3 == 1)
    s_unix_pair(SOCK_STREAM, fds);
  else {
    int pipes[2];
    s_pipe(pipes, 0);
    fds[0] = pipes[1];
    fds[1] = pipes[0];
  }
  if (kind % 3 == 1) CHECK_OK(fcntl(fds[0], F_SETFL, fcntl(fds[0], F_GETFL) | O_NONBLOCK));
  if (kind % 3 == 2) s_adopt_pair(fds);
}

TEST(transfer_sendfile_moves_everything_to_every_kind) {
  int in = file(BIG);
  for (int kind = 0; kind < 9; kind++) {
    int fds[2];
    size_t sent = 0;
    outputs(kind, fds);
    int flags = fcntl(fds[0], F_GETFL);
    struct sink sink = {fds[1], 1000, BIG - 3000, 0};
    int64_t task = s_spawn(take, &sink), offset = 1000;
    CHECK_EQ(gt_sendfile(fds[0], in, &offset, BIG - 3000, &sent), 0);
    CHECK_EQ(sent, BIG - 3000);
    CHECK_EQ(offset, (int64_t)BIG - 2000);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 0); /* the file's own position stays */
    CHECK_EQ(fcntl(fds[0], F_GETFL), flags);
    s_join(task);
    s_close_pair(fds);
  }
  CHECK_EQ(close(in), 0);
}

TEST(transfer_sendfile_without_offset_moves_the_position_and_ends_with_the_file) {
  for (int kind = 0; kind < 9; kind++) {
    int fds[2], in = file(5000);
    size_t sent = 0;
    char buf[5000];
    outputs(kind, fds);
    CHECK_EQ(lseek(in, 100, SEEK_SET), 100);
    CHECK_EQ(gt_sendfile(fds[0], in, NULL, 900, &sent), 0);
    CHECK_EQ(sent, 900);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 1000);
    CHECK_EQ(gt_sendfile(fds[0], in, NULL, SIZE_MAX, &sent), 0);
    CHECK_EQ(sent, 4000);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 5000);
    CHECK_EQ(gt_sendfile(fds[0], in, NULL, 10, &sent), 0);
    CHECK_EQ(sent, 0);
    CHECK_EQ(gt_sendfile(fds[0], in, NULL, 0, NULL), 0);
    struct sink sink = {fds[1], 100, 4900, 0};
    take(&sink);
    CHECK_EQ(gt_close(fds[0]), 0);
    CHECK_EQ(gt_read(fds[1], buf, sizeof buf), 0);
    CHECK_EQ(gt_close(fds[1]), 0);
    CHECK_EQ(close(in), 0);
  }
}

TEST(transfer_sendfile_reports_what_went_before_an_error) {
  for (int kind = 0; kind < 9; kind++) {
    int fds[2], in = file(BIG);
    size_t sent = 0;
    int64_t offset = 0;
    outputs(kind, fds);
    CHECK_EQ(gt_sendfile_until(fds[0], in, &offset, BIG, &sent, IN_MS(20)), -ETIMEDOUT);
    CHECK_GT(sent, 0);
    CHECK_LT(sent, BIG);
    CHECK_EQ(offset, (int64_t)sent);
    struct sink sink = {fds[1], 0, sent, 0};
    take(&sink); /* exactly those */
    CHECK_EQ(gt_close(fds[1]), 0);
    if (kind < 6) { /* a socket says it by an error, never by the signal */
      sigset_t pending;
      while ((offset = 0, gt_sendfile(fds[0], in, &offset, 10, &sent)) == 0) CHECK_EQ(gt_yield(), 0);
      CHECK_EQ(gt_sendfile(fds[0], in, &offset, 10, &sent), -EPIPE);
      CHECK_EQ(sent, 0);
      CHECK_OK(sigpending(&pending));
      CHECK_EQ(sigismember(&pending, SIGPIPE), 0);
    }
    CHECK_EQ(gt_close(fds[0]), 0);
    CHECK_EQ(close(in), 0);
  }
}

TEST(transfer_sendfile_leaves_a_pending_sigpipe_alone) {
  int fds[2], in = file(10);
  sigset_t pipe, pending;
  s_unix_pair(SOCK_STREAM, fds);
  s_adopt_pair(fds);
  CHECK_EQ(gt_close(fds[1]), 0);
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  CHECK_OK(sigprocmask(SIG_BLOCK, &pipe, NULL));
  CHECK_OK(raise(SIGPIPE));
  CHECK_EQ(gt_sendfile(fds[0], in, NULL, 10, NULL), -EPIPE);
  CHECK_OK(sigpending(&pending));
  CHECK_EQ(sigismember(&pending, SIGPIPE), 1);
  CHECK_EQ(gt_close(fds[0]), 0);
  CHECK_EQ(close(in), 0);
}

TEST(transfer_sendfile_to_a_file) {
  int in = file(300000), out = file(0);
  size_t sent = 0;
  CHECK_EQ(gt_sendfile(out, in, NULL, SIZE_MAX, &sent), 0);
  CHECK_EQ(sent, 300000);
  CHECK_EQ(lseek(out, 0, SEEK_SET), 0);
  struct sink sink = {out, 0, 300000, 0};
  take(&sink);
  CHECK_OK(fcntl(out, F_SETFL, O_APPEND));
  CHECK_EQ(lseek(in, 0, SEEK_SET), 0);
  CHECK_EQ(gt_sendfile(out, in, NULL, 10, &sent), -EINVAL);
  CHECK_EQ(close(in), 0);
  CHECK_EQ(close(out), 0);
}

TEST(transfer_sendfile_errors) {
  int fds[2], pipes[2], in = file(100), directory = open("/", O_RDONLY | O_CLOEXEC);
  int writing = open("/proc/self/fd", O_RDONLY | O_CLOEXEC);
  int64_t offset = -1;
  size_t sent = 99;
  s_unix_pair(SOCK_STREAM, fds);
  s_pipe(pipes, 0);
  CHECK_EQ(gt_sendfile(fds[0], in, &offset, 10, &sent), -EINVAL);
  CHECK_EQ(sent, 0);
  CHECK_EQ(offset, -1);
  CHECK_EQ(gt_sendfile(fds[0], pipes[0], NULL, 10, &sent), -EINVAL);
  CHECK_EQ(gt_sendfile(fds[0], fds[1], NULL, 10, &sent), -EINVAL);
  CHECK_EQ(gt_sendfile(fds[0], directory, NULL, 10, &sent), -EINVAL);
  CHECK_EQ(gt_sendfile(fds[0], -1, NULL, 10, &sent), -EBADF);
  CHECK_EQ(gt_sendfile(-1, in, NULL, 10, &sent), -EBADF);
  CHECK_EQ(gt_sendfile(pipes[0], in, NULL, 10, &sent), -EBADF); /* not open for writing */
  s_adopt_pair(fds);
  s_fill(fds[0]);
  CHECK_OK(fcntl(fds[0], F_SETFL, O_NONBLOCK));
  CHECK_EQ(gt_sendfile_until(fds[0], in, NULL, 10, &sent, 0), -ETIMEDOUT);
  int64_t scope = gt_deadline_push(IN_MS(5));
  CHECK_EQ(gt_sendfile(fds[0], in, NULL, 10, &sent), -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(scope), 1);
  CHECK_EQ(gt_interrupt(gt_self(), 3), 0);
  CHECK_EQ(gt_sendfile(fds[0], in, NULL, 10, &sent), -EINTR);
  CHECK_EQ(gt_cancel(gt_self()), 0);
  CHECK_EQ(gt_sendfile(fds[0], in, NULL, 10, &sent), -ECANCELED);
  s_close_pair(fds);
  s_close_pair(pipes);
  CHECK_EQ(close(in), 0);
  CHECK_EQ(close(directory), 0);
  CHECK_EQ(close(writing), 0);
}

static void *tick(void *arg) {
  for (; !*(volatile int *)arg; s_log('.')) CHECK_EQ(gt_yield(), 0);
  return NULL;
}

TEST(transfer_sendfile_does_not_starve_others) {
  int in = file(BIG), null = open("/dev/null", O_WRONLY | O_CLOEXEC | O_NONBLOCK), over = 0;
  size_t sent;
  int64_t task = s_spawn(tick, &over);
  CHECK_EQ(gt_sendfile(null, in, NULL, BIG, &sent), 0); /* always ready */
  over = 1;
  CHECK_EQ(sent, BIG);
  CHECK_GE(strlen(s_logged()), 5); /* every 2 MiB */
  s_join(task);
  CHECK_EQ(close(null), 0);
  CHECK_EQ(close(in), 0);
}

/* -- half close */

static void *read_to_the_end(void *arg) {
  char buf[64];
  ssize_t n, total = 0;
  while ((n = gt_recv(*(int *)arg, buf, sizeof buf, 0)) > 0) total += n;
  CHECK_EQ(n, 0);
  return (void *)(intptr_t)total;
}

TEST(transfer_half_close_ends_one_direction_only) {
  for (int kind = 0; kind < 4; kind++) {
    int fds[2];
    char buf[8];
    if (kind & 1)
      s_tcp_pair(fds);
    else
      s_unix_pair(SOCK_STREAM, fds);
    if (kind & 2) s_adopt_pair(fds);
    int64_t task = s_spawn(read_to_the_end, &fds[1]);
    CHECK_EQ(gt_send(fds[0], "12345", 5, 0), 5);
    s_settle();
    CHECK_EQ(gt_half_close(fds[0], SHUT_WR), 0);
    CHECK_EQ((intptr_t)s_join(task), 5);
    CHECK_EQ(gt_send(fds[0], "x", 1, 0), -EPIPE);
    CHECK_EQ(gt_send(fds[1], "back", 4, 0), 4);
    CHECK_EQ(gt_recv(fds[0], buf, sizeof buf, 0), 4);
    s_close_pair(fds);
  }
}

/* Until it fails: a full TCP buffer may have room again a moment later. */
static void *send_into_a_full_one(void *arg) {
  ssize_t n;
  while ((n = gt_send(*(int *)arg, "x", 1, 0)) == 1) {}
  return (void *)(intptr_t)n;
}

/* A unix socket that is full says nothing to a poll when its own writing half is closed. */
TEST(transfer_half_close_wakes_own_readers_and_writers) {
  for (int kind = 0; kind < 4; kind++) {
    int fds[2];
    if (kind & 1)
      s_tcp_pair(fds);
    else
      s_unix_pair(SOCK_STREAM, fds);
    if (kind & 2) s_adopt_pair(fds);
    s_fill(fds[0]);
    if (kind & 2) CHECK_OK(fcntl(fds[0], F_SETFL, O_NONBLOCK));
    int64_t reader = s_spawn(read_to_the_end, &fds[0]), writer = s_spawn(send_into_a_full_one, &fds[0]);
    int64_t second = s_spawn(send_into_a_full_one, &fds[0]);
    s_settle();
    CHECK_EQ(gt_half_close(fds[0], SHUT_WR), 0);
    CHECK_EQ((intptr_t)s_join(writer), -EPIPE);
    CHECK_EQ((intptr_t)s_join(second), -EPIPE);
    CHECK_EQ(gt_send(fds[0], "x", 1, 0), -EPIPE);
    CHECK_EQ(gt_half_close(fds[0], SHUT_RD), 0);
    CHECK_EQ((intptr_t)s_join(reader), 0);
    s_close_pair(fds);
  }
}

TEST(transfer_half_close_errors) {
  int fds[2], pipes[2], fresh = gt_socket(AF_INET, SOCK_STREAM, 0);
  s_unix_pair(SOCK_STREAM, fds);
  s_pipe(pipes, 0);
  CHECK_EQ(gt_half_close(fds[0], 3), -EINVAL);
  CHECK_EQ(gt_half_close(fds[0], -1), -EINVAL);
  CHECK_EQ(gt_half_close(fresh, SHUT_WR), -ENOTCONN);
  CHECK_EQ(gt_half_close(pipes[0], SHUT_RD), -ENOTSOCK);
  CHECK_EQ(gt_half_close(-1, SHUT_RD), -EBADF);
  CHECK_EQ(gt_half_close(fds[0], SHUT_RDWR), 0);
  s_close_pair(fds);
  s_close_pair(pipes);
  CHECK_EQ(gt_close(fresh), 0);
}

/* -- listeners with wishes */

static int option(int fd, int level, int name) {
  int value = -1;
  socklen_t len = sizeof value;
  CHECK_OK(getsockopt(fd, level, name, &value, &len));
  return value;
}

TEST(transfer_listeners_share_a_port) {
  gt_listen_opts_t opts = {.size = sizeof opts, .flags = GT_LISTEN_REUSEPORT, .backlog = 7};
  int a = gt_listen_tcp_with("127.0.0.1", 0, &opts);
  CHECK_OK(a);
  int b = gt_listen_tcp_with("127.0.0.1", s_port(a), &opts);
  CHECK_OK(b);
  CHECK_EQ(option(b, SOL_SOCKET, SO_REUSEPORT), 1);
  CHECK_EQ(gt_listen_tcp("127.0.0.1", s_port(a), 0), -EADDRINUSE);
  int got[2] = {0, 0};
  for (int i = 0; i < 64; i++) { /* each connection comes to one of the two */
    int fd = gt_dial_tcp("127.0.0.1", s_port(a)), peer;
    CHECK_OK(fd);
    struct pollfd both[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
    CHECK_EQ(gt_poll(both, 2), 1);
    int which = both[1].revents != 0;
    CHECK_OK(peer = gt_accept(which ? b : a, NULL, NULL));
    got[which]++;
    s_close_pair((int[]){fd, peer});
  }
  CHECK_GT(got[0], 0);
  CHECK_GT(got[1], 0);
  s_close_pair((int[]){a, b});
}

TEST(transfer_listener_for_ipv6_only) {
  gt_listen_opts_t opts = {.size = sizeof opts, .flags = GT_LISTEN_V6ONLY};
  int fd = gt_listen_tcp_with(NULL, 0, &opts);
  if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) SKIP("no IPv6 here");
  CHECK_OK(fd);
  struct sockaddr_in6 addr;
  socklen_t len = sizeof addr;
  CHECK_OK(getsockname(fd, (struct sockaddr *)&addr, &len));
  CHECK_EQ(addr.sin6_family, AF_INET6);
  CHECK_EQ(option(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
  CHECK_EQ(gt_dial_tcp("127.0.0.1", ntohs(addr.sin6_port)), -ECONNREFUSED);
  CHECK_EQ(gt_listen_tcp_with("127.0.0.1", 0, &opts), -EADDRNOTAVAIL);
  CHECK_EQ(gt_close(fd), 0);
}

TEST(transfer_listener_defers_until_bytes_come) {
  gt_listen_opts_t opts = {.size = sizeof opts, .defer_accept = 30};
  int listener = gt_listen_tcp_with("127.0.0.1", 0, &opts), fd, peer;
  CHECK_OK(listener);
  CHECK_GT(option(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
  CHECK_OK(fd = gt_dial_tcp("127.0.0.1", s_port(listener)));
  CHECK_EQ(gt_accept_until(listener, NULL, NULL, IN_MS(20)), -ETIMEDOUT);
  CHECK_EQ(gt_send(fd, "x", 1, 0), 1);
  CHECK_OK(peer = gt_accept(listener, NULL, NULL));
  s_close_pair((int[]){fd, peer});
  CHECK_EQ(gt_close(listener), 0);
}

TEST(transfer_listener_errors) {
  struct {
    gt_listen_opts_t opts;
    uint64_t more;
  } larger = {.opts.size = sizeof larger, .more = 1};
  gt_listen_opts_t opts = {.size = 4};
  CHECK_EQ(gt_listen_tcp_with("127.0.0.1", 0, &opts), -EINVAL);
  opts = (gt_listen_opts_t){.size = sizeof opts, .flags = 4};
  CHECK_EQ(gt_listen_tcp_with("127.0.0.1", 0, &opts), -EINVAL);
  opts = (gt_listen_opts_t){.size = sizeof opts, .defer_accept = -1};
  CHECK_EQ(gt_listen_tcp_with("127.0.0.1", 0, &opts), -EINVAL);
  opts.defer_accept = 3601;
  CHECK_EQ(gt_listen_tcp_with("127.0.0.1", 0, &opts), -EINVAL);
  opts = (gt_listen_opts_t){.size = sizeof opts, .reserved = 1};
  CHECK_EQ(gt_listen_tcp_with("127.0.0.1", 0, &opts), -EINVAL);
  CHECK_EQ(gt_listen_tcp_with("127.0.0.1", 0, &larger.opts), -E2BIG);
  larger.more = 0;
  int fd = gt_listen_tcp_with("127.0.0.1", 0, &larger.opts);
  CHECK_OK(fd);
  CHECK_EQ(gt_close(fd), 0);
  CHECK_OK(fd = gt_listen_tcp_with("127.0.0.1", 0, NULL));
  CHECK_EQ(gt_close(fd), 0);
  CHECK_EQ(gt_listen_tcp_with("192.0.2.1", 0, NULL), -EADDRNOTAVAIL);
  CHECK_EQ(gt_listen_tcp_with_until("no.such.host.invalid", 0, NULL, 0), -ETIMEDOUT);
  CHECK_EQ(gt_cancel(gt_self()), 0);
  CHECK_EQ(gt_listen_tcp_with("127.0.0.1", 0, NULL), -ECANCELED);
}
