/* Descriptors: TCP, UDP, unix sockets, files sent, accept loops, polling, plain reads and writes. */
#include "faults.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static uint16_t port_of(int fd) {
  struct sockaddr_in a;
  socklen_t len = sizeof a;
  return getsockname(fd, (struct sockaddr *)&a, &len) == 0 ? ntohs(a.sin_port) : 0;
}

/* What fails on one end ends the other by its close, and never keeps it waiting. */
static void *echoes_one(void *arg) {
  int listener = *(int *)arg;
  char buf[64];
  int64_t n;
  int fd = (int)TRY(gt_accept_until(listener, NULL, NULL, f_soon()));
  if (fd < 0) return NULL;
  while ((n = TRY(gt_recv(fd, buf, sizeof buf, 0))) > 0)
    if (TRY(gt_send_all(fd, buf, (size_t)n, 0, NULL)) < 0) break;
  f_close(fd);
  return NULL;
}

static void converse(int listener, int64_t server, int fd) {
  char buf[64];
  if (fd >= 0 && TRY(gt_send(fd, "hello", 5, 0)) == 5) TRY(gt_recv_until(fd, buf, sizeof buf, 0, f_soon()));
  f_close(fd);
  f_close(listener);
  f_join(server);
}

SCENARIO(tcp_by_name) {
  static int listener;
  listener = (int)TRY(gt_listen_tcp("127.0.0.1", 0, 0));
  if (listener < 0) return;
  int64_t server = TRY(gt_spawn(echoes_one, &listener));
  int fd = server > 0 ? (int)TRY(gt_dial_tcp("localhost", port_of(listener))) : -1;
  converse(listener, server, fd);
}

SCENARIO(tcp_by_hand) {
  static int listener;
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  gt_listen_opts_t wishes = {.size = sizeof wishes, .backlog = 4};
  listener = (int)TRY(gt_listen_tcp_with("127.0.0.1", 0, &wishes));
  if (listener < 0) return;
  a.sin_port = htons(port_of(listener));
  int64_t server = TRY(gt_spawn(echoes_one, &listener));
  int fd = server > 0 ? (int)TRY(gt_socket(AF_INET, SOCK_STREAM, 0)) : -1;
  if (fd >= 0 && TRY(gt_connect(fd, (struct sockaddr *)&a, sizeof a)) < 0) f_close(fd), fd = -1;
  converse(listener, server, fd);
}

SCENARIO(tcp_on_every_address) {
  int listener = (int)TRY(gt_listen_tcp(NULL, 0, 0));
  f_close(listener);
}

static void *sends_a_message(void *arg) {
  struct iovec part = {.iov_base = (char[]){"message"}, .iov_len = 7};
  struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
  TRY(gt_sendmsg(*(int *)arg, &msg, 0));
  TRY(gt_half_close(*(int *)arg, SHUT_WR));
  return NULL;
}

SCENARIO(messages_between_foreign_sockets) {
  int fds[2];
  char buf[16];
  struct iovec part = {.iov_base = buf, .iov_len = sizeof buf};
  struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0) abort();
  int64_t task = TRY(gt_spawn(sends_a_message, &fds[1]));
  if (task > 0) TRY(gt_recvmsg_until(fds[0], &msg, 0, f_soon()));
  f_join(task);
  close(fds[0]);
  close(fds[1]);
}

SCENARIO(datagrams) {
  char texts[2][8] = {"one", "two"}, buf[2][8];
  struct iovec out[2], in[2];
  struct mmsghdr sent[2] = {0}, got[2] = {0};
  struct sockaddr_in a;
  socklen_t len = sizeof a;
  int fd = (int)TRY(gt_bind_udp("127.0.0.1", 0));
  if (fd < 0) return;
  getsockname(fd, (struct sockaddr *)&a, &len);
  for (int i = 0; i < 2; i++) {
    out[i] = (struct iovec){texts[i], 3};
    in[i] = (struct iovec){buf[i], sizeof buf[i]};
    sent[i].msg_hdr = (struct msghdr){.msg_iov = &out[i], .msg_iovlen = 1, .msg_name = &a, .msg_namelen = len};
    got[i].msg_hdr = (struct msghdr){.msg_iov = &in[i], .msg_iovlen = 1};
  }
  if (TRY(gt_sendmmsg(fd, sent, 2, 0)) == 2) TRY(gt_recvmmsg_until(fd, got, 2, 0, f_soon()));
  while (gt_recv(fd, buf, sizeof buf, MSG_DONTWAIT) >= 0) {
  }
  if (TRY(gt_sendto(fd, "x", 1, 0, (struct sockaddr *)&a, len)) == 1) TRY(gt_recvfrom_until(fd, buf, sizeof buf, 0, NULL, NULL, f_soon()));
  f_close(fd);
}

static void *answers_on_a_watched(void *arg) {
  char c;
  if (TRY(gt_recv_until(*(int *)arg, &c, 1, 0, f_soon())) == 1) TRY(gt_send(*(int *)arg, &c, 1, 0));
  return NULL;
}

SCENARIO(sockets_that_are_watched) {
  int fds[2], watched[2];
  char c = 'x';
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0) abort();
  for (int i = 0; i < 2; i++) watched[i] = TRY(gt_fd_watch(fds[i])) >= 0;
  int64_t task = TRY(gt_spawn(answers_on_a_watched, &fds[1]));
  TRY(gt_yield());
  if (TRY(gt_send(fds[0], &c, 1, 0)) == 1 && task > 0) TRY(gt_recv_until(fds[0], &c, 1, 0, f_soon()));
  f_join(task);
  if (watched[0]) TRY(gt_fd_release(fds[0]));
  close(fds[0]);
  if (watched[1]) f_close(fds[1]);
  else close(fds[1]);
}

static char path[64];

static void *sends_a_descriptor(void *arg) {
  (void)arg;
  int fd = (int)TRY(gt_dial_unix_until(path, f_soon()));
  if (fd < 0) return NULL;
  int pipes[2];
  if (pipe(pipes) < 0) abort();
  TRY(gt_send_fds(fd, "x", 1, pipes, 2));
  close(pipes[0]);
  close(pipes[1]);
  f_close(fd);
  return NULL;
}

SCENARIO(unix_sockets_with_descriptors) {
  int fds[4], truncated;
  size_t received = 0;
  char buf[4];
  snprintf(path, sizeof path, "/tmp/gt-faults-%d", (int)getpid());
  int listener = (int)TRY(gt_listen_unix(path, 0));
  if (listener >= 0) {
    int64_t task = TRY(gt_spawn(sends_a_descriptor, NULL));
    int fd = task > 0 ? (int)TRY(gt_accept_until(listener, NULL, NULL, f_soon())) : -1;
    if (fd >= 0 && TRY(gt_recv_fds_until(fd, buf, sizeof buf, fds, 4, &received, &truncated, f_soon())) > 0)
      for (size_t i = 0; i < received; i++) f_close(fds[i]);
    f_close(fd);
    f_join(task);
    f_close(listener);
  }
  unlink(path);
}

static void *sends_a_file(void *arg) {
  int *ends = arg;
  size_t sent;
  int64_t at = 0;
  TRY(gt_sendfile(ends[1], ends[2], &at, 100000, &sent));
  TRY(gt_half_close(ends[1], SHUT_WR));
  return NULL;
}

static void send_file(int owned) {
  int ends[3];
  static char buf[65536];
  FILE *file = tmpfile();
  if (!file || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 || ftruncate(fileno(file), 100000) < 0) abort();
  ends[2] = fileno(file);
  int adopted = owned && TRY(gt_fd_adopt(ends[1])) >= 0;
  int64_t task = TRY(gt_spawn(sends_a_file, ends));
  while (task > 0) {
    int64_t n = gt_recv_until(ends[0], buf, sizeof buf, 0, f_soon());
    if (n == -EINTR) continue;
    if (n <= 0) break;
  }
  close(ends[0]);
  f_join(task);
  if (adopted) f_close(ends[1]);
  else close(ends[1]);
  fclose(file);
}

SCENARIO(files_sent_to_an_owned_socket) {
  send_file(1);
}

SCENARIO(files_sent_to_a_foreign_socket) {
  send_file(0);
}

static void handles(int fd, void *arg) {
  char c;
  (void)arg;
  if (TRY(gt_recv_until(fd, &c, 1, 0, f_soon())) == 1) TRY(gt_send(fd, &c, 1, 0));
}

static void *serves(void *arg) {
  gt_serve_opts_t wishes = {.size = sizeof wishes, .flags = GT_SERVE_DRAIN, .name = "served"};
  TRY(gt_serve(*(int *)arg, handles, NULL, &wishes));
  return NULL;
}

SCENARIO(accept_loops) {
  static int listener;
  char c = 'x';
  listener = (int)TRY(gt_listen_tcp("127.0.0.1", 0, 0));
  if (listener < 0) return;
  int64_t server = TRY(gt_spawn(serves, &listener));
  for (int i = 0; i < 2 && server > 0; i++) {
    int fd = (int)TRY(gt_dial_tcp("127.0.0.1", port_of(listener)));
    if (fd >= 0 && TRY(gt_send(fd, &c, 1, 0)) == 1)
      TRY(gt_recv_until(fd, &c, 1, 0, f_soon()));
    f_close(fd);
  }
  int rc = gt_serve_stop(listener);
  if (rc != -ESRCH) TRY(rc);
  f_join(server);
  f_close(listener);
}

static char page[4096];

/* Two waits for room: the pipe holds a page, and is full before each. */
static void *writes_into_full(void *arg) {
  struct iovec parts[2] = {{"one", 3}, {"two", 3}};
  TRY(gt_write(*(int *)arg, "zero", 4));
  while (gt_write_until(*(int *)arg, page, sizeof page, 0) > 0) continue;
  TRY(gt_writev(*(int *)arg, parts, 2));
  close(*(int *)arg);
  return NULL;
}

SCENARIO(a_pipe_that_is_full) {
  int fds[2];
  signal(SIGPIPE, SIG_IGN); /* a reader that failed leaves */
  if (pipe(fds) < 0 || fcntl(fds[1], F_SETPIPE_SZ, sizeof page) < 0 || write(fds[1], page, sizeof page) < 0) abort();
  int64_t task = TRY(gt_spawn(writes_into_full, &fds[1]));
  if (task > 0) {
    TRY(gt_yield());
    for (int i = 0; i < 2; i++) {
      TRY(gt_read_until(fds[0], page, sizeof page, f_soon()));
      TRY(gt_yield());
    }
    f_close(fds[0]);
    f_join(task);
  } else {
    close(fds[1]);
    f_close(fds[0]);
  }
}

static void *writes(void *arg) {
  struct iovec parts[2] = {{"one", 3}, {"two", 3}};
  TRY(gt_write(*(int *)arg, "zero", 4));
  TRY(gt_sleep(1000));
  TRY(gt_writev(*(int *)arg, parts, 2));
  close(*(int *)arg);
  return NULL;
}

SCENARIO(pipes) {
  int fds[2];
  char a[16], b[16];
  struct iovec parts[2] = {{a, sizeof a}, {b, sizeof b}};
  if (pipe(fds) < 0) abort();
  int64_t task = TRY(gt_spawn(writes, &fds[1]));
  if (task > 0) {
    TRY(gt_read_until(fds[0], a, sizeof a, f_soon()));
    TRY(gt_readv_until(fds[0], parts, 2, f_soon()));
    TRY(gt_wait_fd_until(fds[0], POLLIN, f_soon()));
    f_join(task);
  } else {
    close(fds[1]);
  }
  close(fds[0]);
}

SCENARIO(many_polled) {
  enum { COUNT = 100 };
  struct pollfd list[COUNT];
  int fds[2];
  if (pipe(fds) < 0) abort();
  for (int i = 0; i < COUNT; i++) list[i] = (struct pollfd){.fd = fds[0], .events = POLLIN};
  EXPECT(gt_poll_until(list, COUNT, IN_MS(1)), -ETIMEDOUT);
  EXPECT(write(fds[1], "x", 1), 1);
  EXPECT(gt_poll_until(list, COUNT, IN_MS(5000)), COUNT);
  close(fds[0]);
  close(fds[1]);
}

/* The table of descriptors grows with the number. */
SCENARIO(descriptors_with_high_numbers) {
  int fds[2];
  char c;
  if (pipe(fds) < 0) abort();
  int high = fcntl(fds[0], F_DUPFD_CLOEXEC, 900);
  if (high < 0) abort();
  EXPECT(gt_wait_fd_until(high, POLLIN, IN_MS(1)), -ETIMEDOUT);
  int adopted = TRY(gt_fd_adopt(high)) >= 0;
  EXPECT(write(fds[1], "x", 1), 1);
  TRY(gt_read(high, &c, 1));
  if (adopted) TRY(gt_fd_release(high));
  close(high);
  close(fds[0]);
  close(fds[1]);
}
