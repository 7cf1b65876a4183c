/* The socket verbs: both doors of each, on owned and on foreign descriptors. */
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static void *send_later(void *arg) {
  CHECK_EQ(gt_sleep(MS(5)), 0);
  CHECK_EQ(gt_send(*(int *)arg, "later", 5, 0), 5);
  return NULL;
}

TEST(socket_recv_parks_until_bytes_come) {
  for (int kind = 0; kind < 4; kind++) {
    int fds[2];
    char buf[16];
    if (kind & 1)
      s_tcp_pair(fds);
    else
      s_unix_pair(SOCK_STREAM, fds);
    if (kind & 2) s_adopt_pair(fds);
    for (int round = 0; round < 5; round++) {
      int64_t task = s_spawn(send_later, &fds[1]);
      CHECK_EQ(gt_recv(fds[0], buf, sizeof buf, 0), 5);
      CHECK_MEM(buf, "later", 5);
      CHECK_EQ(gt_recv_until(fds[0], buf, sizeof buf, 0, 0), -ETIMEDOUT);
      s_join(task);
    }
    CHECK_EQ(gt_close(fds[1]), 0);
    CHECK_EQ(gt_recv(fds[0], buf, sizeof buf, 0), 0);
    CHECK_EQ(gt_recv(fds[0], buf, sizeof buf, 0), 0);
    CHECK_EQ(gt_close(fds[0]), 0);
  }
}

static void *answer_all(void *arg) {
  char byte;
  while (gt_recv(*(int *)arg, &byte, 1, 0) == 1) CHECK_EQ(gt_send(*(int *)arg, &byte, 1, 0), 1);
  return NULL;
}

/* A foreign socket whose reads used to find nothing behind a short one waits before it reads; the kernel corrects a wrong guess. */
TEST(socket_foreign_reads_that_wait_first_miss_nothing) {
  for (int kind = 0; kind < 2; kind++) {
    int fds[2], others[2];
    char buf[16];
    if (kind)
      s_tcp_pair(fds);
    else
      s_unix_pair(SOCK_STREAM, fds);
    int64_t task = s_spawn(answer_all, &fds[1]);
    for (int round = 0; round < 100; round++) {
      CHECK_EQ(gt_send(fds[0], "x", 1, 0), 1);
      CHECK_EQ(gt_recv(fds[0], buf, sizeof buf, 0), 1);
      if (round % 7) continue;
      /* Bytes that are there: for a wait, and for one look. */
      for (int look = 0; look < 2; look++) {
        CHECK_EQ(gt_send(fds[0], "y", 1, 0), 1);
        CHECK_EQ(gt_sleep(MS(1)), 0);
        CHECK_EQ(gt_recv_until(fds[0], buf, sizeof buf, 0, look ? 0 : GT_NEVER), 1);
        CHECK_EQ(gt_recv_until(fds[0], buf, sizeof buf, 0, 0), -ETIMEDOUT);
      }
    }
    /* Another socket under the same number, unannounced, with bytes and the end of the stream in it. */
    s_unix_pair(SOCK_STREAM, others);
    CHECK_EQ(gt_send(others[1], "other", 5, 0), 5);
    CHECK_EQ(gt_close(others[1]), 0);
    CHECK_OK(dup2(others[0], fds[0]));
    CHECK_EQ(gt_recv(fds[0], buf, sizeof buf, 0), 5);
    CHECK_MEM(buf, "other", 5);
    CHECK_EQ(gt_recv(fds[0], buf, sizeof buf, 0), 0);
    CHECK_EQ(gt_close(fds[0]), 0);
    CHECK_EQ(gt_close(others[0]), 0);
    s_join(task);
    CHECK_EQ(gt_close(fds[1]), 0);
  }
}

TEST(socket_deadlines_are_kept_by_every_door) {
  int fds[2];
  char buf[8] = "";
  uint16_t port;
  size_t sent = 99;
  struct iovec iov = {buf, sizeof buf};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  s_unix_pair(SOCK_STREAM, fds);
  s_fill(fds[0]);
  int listener = s_listener(&port);
  for (int past = 0; past < 2; past++) {
    int64_t wait = past ? -MS(1000) : MS(5), start = gt_now();
    CHECK_EQ(gt_recv_until(fds[0], buf, 8, 0, gt_now() + wait), -ETIMEDOUT);
    CHECK_EQ(gt_recvfrom_until(fds[0], buf, 8, 0, NULL, NULL, gt_now() + wait), -ETIMEDOUT);
    CHECK_EQ(gt_recvmsg_until(fds[0], &msg, 0, gt_now() + wait), -ETIMEDOUT);
    CHECK_EQ(gt_read_until(fds[0], buf, 8, gt_now() + wait), -ETIMEDOUT);
    CHECK_EQ(gt_readv_until(fds[0], &iov, 1, gt_now() + wait), -ETIMEDOUT);
    CHECK_EQ(gt_send_until(fds[0], buf, 8, 0, gt_now() + wait), -ETIMEDOUT);
    CHECK_EQ(gt_sendto_until(fds[0], buf, 8, 0, NULL, 0, gt_now() + wait), -ETIMEDOUT);
    CHECK_EQ(gt_sendmsg_until(fds[0], &msg, 0, gt_now() + wait), -ETIMEDOUT);
    CHECK_EQ(gt_write_until(fds[0], buf, 8, gt_now() + wait), -ETIMEDOUT);
    CHECK_EQ(gt_writev_until(fds[0], &iov, 1, gt_now() + wait), -ETIMEDOUT);
    CHECK_EQ(gt_send_all_until(fds[0], buf, 8, 0, &sent, gt_now() + wait), -ETIMEDOUT);
    CHECK_EQ(sent, 0);
    CHECK_EQ(gt_accept_until(listener, NULL, NULL, gt_now() + wait), -ETIMEDOUT);
    CHECK_EQ(gt_wait_fd_until(fds[0], POLLIN, gt_now() + wait), -ETIMEDOUT);
    if (!past) CHECK_GE(gt_now() - start, 13 * MS(5));
  }
  s_close_pair(fds);
  CHECK_EQ(gt_close(listener), 0);
}

struct flow {
  int fd;
  size_t total;
};

static void *drain(void *arg) {
  struct flow *flow = arg;
  unsigned char buf[8192];
  size_t got = 0;
  while (got < flow->total) {
    ssize_t n = gt_recv(flow->fd, buf, sizeof buf, 0);
    CHECK_GT(n, 0);
    for (ssize_t i = 0; i < n; i++) CHECK_EQ(buf[i], (unsigned char)((got + (size_t)i) * 7 >> 3));
    got += (size_t)n;
  }
  return NULL;
}

TEST(socket_send_all_sends_all) {
  static unsigned char data[8 << 20];
  for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 7 >> 3);
  for (int kind = 0; kind < 4; kind++) {
    int fds[2];
    size_t sent = 0;
    if (kind & 1)
      s_tcp_pair(fds);
    else
      s_unix_pair(SOCK_STREAM, fds);
    if (kind & 2) s_adopt_pair(fds);
    struct flow flow = {fds[0], sizeof data};
    int64_t task = s_spawn(drain, &flow);
    CHECK_EQ(gt_send_all(fds[1], data, sizeof data, 0, &sent), 0);
    CHECK_EQ(sent, sizeof data);
    s_join(task);
    s_close_pair(fds);
  }
}

TEST(socket_send_all_reports_what_went_before_an_error) {
  static char data[4 << 20];
  int fds[2];
  size_t sent = 0;
  s_unix_pair(SOCK_STREAM, fds);
  CHECK_EQ(gt_send_all_until(fds[0], data, sizeof data, 0, &sent, IN_MS(20)), -ETIMEDOUT);
  CHECK_GT(sent, 0);
  CHECK_LT(sent, sizeof data);
  CHECK_EQ(gt_close(fds[1]), 0);
  CHECK_EQ(gt_send_all(fds[0], data, sizeof data, 0, &sent), -EPIPE);
  CHECK_EQ(sent, 0);
  CHECK_EQ(gt_close(fds[0]), 0);
}

TEST(socket_send_to_a_closed_peer_is_an_error_not_a_signal) {
  int fds[2];
  char byte = 'x';
  struct iovec iov = {&byte, 1};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  for (int adopted = 0; adopted < 2; adopted++) {
    s_unix_pair(SOCK_STREAM, fds);
    if (adopted) s_adopt_pair(fds);
    CHECK_EQ(gt_close(fds[1]), 0);
    CHECK_EQ(gt_send(fds[0], &byte, 1, 0), -EPIPE);
    CHECK_EQ(gt_sendto(fds[0], &byte, 1, 0, NULL, 0), -EPIPE);
    CHECK_EQ(gt_sendmsg(fds[0], &msg, 0), -EPIPE);
    CHECK_EQ(gt_send_all(fds[0], &byte, 1, 0, NULL), -EPIPE);
    CHECK_EQ(gt_close(fds[0]), 0);
  }
}

struct dialer {
  const char *host;
  uint16_t port;
};

static void *dial_and_send(void *arg) {
  struct dialer *to = arg;
  int fd = gt_dial_tcp(to->host, to->port);
  CHECK_OK(fd);
  CHECK_EQ(gt_send(fd, "hi", 2, 0), 2);
  CHECK_EQ(gt_close(fd), 0);
  return NULL;
}

TEST(socket_accept_parks_until_somebody_dials) {
  struct dialer to = {"localhost", 0};
  struct sockaddr_in peer;
  socklen_t len = sizeof peer;
  char buf[8];
  int listener = s_listener(&to.port);
  int64_t task = s_spawn(dial_and_send, &to);
  int fd = gt_accept(listener, (struct sockaddr *)&peer, &len);
  CHECK_OK(fd);
  CHECK_EQ(len, sizeof peer);
  CHECK_EQ(peer.sin_family, AF_INET);
  CHECK_EQ(ntohl(peer.sin_addr.s_addr), INADDR_LOOPBACK);
  CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
  CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  CHECK_EQ(gt_recv(fd, buf, sizeof buf, 0), 2);
  CHECK_EQ(gt_recv(fd, buf, sizeof buf, 0), 0);
  s_join(task);
  CHECK_EQ(gt_close(fd), 0);
  CHECK_EQ(gt_close(listener), 0);
}

TEST(socket_listen_on_any_address_and_twice_on_one_port) {
  int any = gt_listen_tcp(NULL, 0, 4);
  CHECK_OK(any);
  struct sockaddr_storage addr;
  socklen_t len = sizeof addr;
  CHECK_OK(getsockname(any, (struct sockaddr *)&addr, &len));
  uint16_t port = addr.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&addr)->sin6_port) : s_port(any);
  CHECK_GT(port, 0);
  struct dialer to = {"127.0.0.1", port};
  int64_t task = s_spawn(dial_and_send, &to);
  int fd = gt_accept(any, NULL, NULL);
  CHECK_OK(fd);
  s_join(task);
  CHECK_EQ(gt_listen_tcp("127.0.0.1", port, 4), -EADDRINUSE);
  s_close_pair((int[]){fd, any});
}

TEST(socket_connect_to_nobody_is_refused) {
  uint16_t port;
  int listener = s_listener(&port);
  CHECK_EQ(gt_close(listener), 0);
  CHECK_EQ(gt_dial_tcp("127.0.0.1", port), -ECONNREFUSED);
  struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  for (int owned = 0; owned < 2; owned++) {
    int fd = owned ? gt_socket(AF_INET, SOCK_STREAM, 0) : socket(AF_INET, SOCK_STREAM, 0);
    CHECK_OK(fd);
    CHECK_EQ(gt_connect(fd, (struct sockaddr *)&addr, sizeof addr), -ECONNREFUSED);
    CHECK_EQ(gt_close(fd), 0);
  }
}

static void connect_refused_by_the_kernel(void *arg) {
  const int *error = arg;
  struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = gt_socket(AF_INET, SOCK_STREAM, 0);
  CHECK_OK(fd);
  if (s_refuse(SYS_connect, 0, (unsigned)-*error) != 0) exit(77);
  CHECK_EQ(gt_connect(fd, (struct sockaddr *)&addr, sizeof addr), *error);
  CHECK_EQ(gt_dial_tcp("127.0.0.1", 9), *error);
  CHECK_EQ(gt_close(fd), 0);
  exit(0);
}

/* What the kernel says is what the caller hears. */
TEST(socket_connect_passes_the_kernels_errors_on) {
  const int errors[] = {-ENETUNREACH, -EHOSTUNREACH};
  for (size_t i = 0; i < COUNT(errors); i++) {
    struct s_end end;
    s_child(connect_refused_by_the_kernel, (void *)&errors[i], &end);
    if (end.status == 77) SKIP("no seccomp here");
    CHECK_EQ(end.signal, 0);
    CHECK_EQ(end.status, 0);
  }
}

TEST(socket_listen_without_the_right_to_the_port) {
  if (s_refuse(SYS_bind, 0, EACCES) != 0) SKIP("no seccomp here");
  CHECK_EQ(gt_listen_tcp("127.0.0.1", 80, 1), -EACCES);
}

TEST_WITH(socket_verbs_without_a_free_descriptor, T_LIMITS, 0) {
  CHECK_EQ(gt_yield(), 0); /* the scheduler has its own */
  struct rlimit limit = {3, 3};
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  CHECK_EQ(gt_listen_tcp("127.0.0.1", 0, 1), -EMFILE);
  CHECK_EQ(gt_dial_tcp("127.0.0.1", 9), -EMFILE);
  CHECK_EQ(gt_socket(AF_INET, SOCK_STREAM, 0), -EMFILE);
}

static void *accept_one(void *arg) {
  int fd = gt_accept(*(int *)arg, NULL, NULL);
  CHECK_OK(fd);
  return (void *)(intptr_t)fd;
}

TEST(socket_connect_reaches_owned_and_foreign_alike) {
  uint16_t port;
  int listener = s_listener(&port);
  struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  for (int owned = 0; owned < 2; owned++) {
    int fd = owned ? gt_socket(AF_INET, SOCK_STREAM, 0) : socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char byte;
    CHECK_OK(fd);
    int64_t task = s_spawn(accept_one, &listener);
    CHECK_EQ(gt_connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    gt_connect(fd, (struct sockaddr *)&addr, sizeof addr); /* Linux says once that a connection begun earlier is made, then: */
    CHECK_EQ(gt_connect(fd, (struct sockaddr *)&addr, sizeof addr), -EISCONN);
    int peer = (int)(intptr_t)s_join(task);
    CHECK_EQ(gt_send(peer, "c", 1, 0), 1);
    CHECK_EQ(gt_recv(fd, &byte, 1, 0), 1);
    if (!owned) CHECK(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
    s_close_pair((int[]){fd, peer});
  }
  CHECK_EQ(gt_close(listener), 0);
}

/* A listener whose queue is full leaves a further connection in its handshake. */
TEST(socket_connect_keeps_its_deadline_and_its_scope) {
  int plain[6], listener = gt_listen_tcp("127.0.0.1", 0, 1);
  CHECK_OK(listener);
  struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(s_port(listener)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  for (size_t i = 0; i < COUNT(plain); i++) {
    CHECK_OK(plain[i] = gt_socket(AF_INET, SOCK_STREAM, 0));
    int got = gt_connect_until(plain[i], (struct sockaddr *)&addr, sizeof addr, IN_MS(20));
    CHECK(got == 0 || got == -ETIMEDOUT);
    if (i + 1 < COUNT(plain)) continue;
    CHECK_EQ(got, -ETIMEDOUT);
    CHECK_EQ(gt_dial_tcp_until("127.0.0.1", s_port(listener), IN_MS(20)), -ETIMEDOUT);
    int64_t scope = gt_deadline_push(IN_MS(20));
    CHECK_EQ(gt_dial_tcp("127.0.0.1", s_port(listener)), -ETIMEDOUT);
    CHECK_EQ(gt_deadline_pop(scope), 1);
  }
  for (size_t i = 0; i < COUNT(plain); i++) CHECK_EQ(gt_close(plain[i]), 0);
  CHECK_EQ(gt_close(listener), 0);
}

static void *tick(void *arg) {
  int *ticks = arg;
  while (*ticks >= 0) {
    ++*ticks;
    if (gt_sleep(MS(1)) < 0) break;
  }
  return NULL;
}

TEST(socket_dial_resolves_beside_running_tasks) {
  int ticks = 0;
  int64_t task = s_spawn(tick, &ticks);
  int fd = gt_dial_tcp("no-such-host.invalid", 80);
  CHECK_LT(fd, 0);
  CHECK_NE(fd, -ECANCELED);
  CHECK_EQ(gt_dial_tcp(NULL, 80), -EINVAL);
  CHECK_LT(gt_dial_tcp("", 80), 0);
  CHECK_EQ(gt_cancel(task), 0);
  s_join(task);
  CHECK_LT(gt_listen_tcp("no-such-host.invalid", 0, 1), 0);
  CHECK_EQ(gt_listen_tcp("203.0.113.7", 0, 1), -EADDRNOTAVAIL); /* not an address of this machine */
}

/* RFC 1035 2.3.4: a label has at most 63 bytes, so the resolver says no without asking anybody. */
TEST(socket_dial_of_what_is_no_name) {
  CHECK_EQ(gt_dial_tcp("a-label-that-is-much-longer-than-the-sixty-three-bytes-that-a-label-may-have.example", 80), -EADDRNOTAVAIL);
}

static void *dial_to_nowhere(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_dial_tcp("no-such-host.invalid", 80);
}

static void *dial_by_name(void *arg) {
  int fd = gt_dial_tcp("localhost", *(uint16_t *)arg);
  CHECK_OK(fd);
  return (void *)(intptr_t)fd;
}

static void *accept_many(void *arg) {
  for (int i = 0; i < 300; i++) {
    int fd = gt_accept(*(int *)arg, NULL, NULL);
    CHECK_OK(fd);
    CHECK_EQ(gt_close(fd), 0);
  }
  return NULL;
}

TEST_WITH(socket_dial_resolves_many_names_at_once, T_FIGURES, 0) {
  enum { N = 300 };
  uint16_t port;
  int listener = s_listener(&port);
  int64_t tasks[N], acceptor = s_spawn(accept_many, &listener), cancelled[20];
  for (int i = 0; i < N; i++) tasks[i] = s_spawn(dial_by_name, &port);
  for (size_t i = 0; i < COUNT(cancelled); i++) cancelled[i] = s_spawn(dial_to_nowhere, NULL);
  CHECK_EQ(gt_yield(), 0);
  CHECK_GT(s_stats().offload_jobs, 0);
  for (size_t i = 0; i < COUNT(cancelled); i++) CHECK_EQ(gt_cancel(cancelled[i]), 0);
  for (size_t i = 0; i < COUNT(cancelled); i++) {
    intptr_t said = (intptr_t)s_join(cancelled[i]);
    /* The resolver may have been quicker: what is done wins, also when it says that it has no server to ask. */
    CHECK(said == -ECANCELED || said == -EADDRNOTAVAIL || said == -EAGAIN);
  }
  for (int i = 0; i < N; i++) CHECK_EQ(gt_close((int)(intptr_t)s_join(tasks[i])), 0);
  s_join(acceptor);
  CHECK_EQ(gt_close(listener), 0);
  while (s_stats().offload_jobs) CHECK_EQ(gt_sleep(MS(1)), 0); /* the cancelled ones end by themselves */
}

TEST(socket_datagrams_keep_their_borders) {
  int fds[2];
  char buf[16];
  struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, from;
  socklen_t len = sizeof addr;
  CHECK_OK(fds[0] = gt_socket(AF_INET, SOCK_DGRAM, 0));
  CHECK_OK(fds[1] = gt_socket(AF_INET, SOCK_DGRAM, 0));
  CHECK_OK(bind(fds[0], (struct sockaddr *)&addr, sizeof addr));
  CHECK_OK(getsockname(fds[0], (struct sockaddr *)&addr, &len));
  CHECK_EQ(gt_recvfrom_until(fds[0], buf, sizeof buf, 0, NULL, NULL, IN_MS(2)), -ETIMEDOUT);
  CHECK_EQ(gt_sendto(fds[1], "one", 3, 0, (struct sockaddr *)&addr, len), 3);
  CHECK_EQ(gt_sendto(fds[1], "", 0, 0, (struct sockaddr *)&addr, len), 0);
  CHECK_EQ(gt_sendto(fds[1], "three", 5, 0, (struct sockaddr *)&addr, len), 5);
  len = sizeof from;
  CHECK_EQ(gt_recvfrom(fds[0], buf, sizeof buf, 0, (struct sockaddr *)&from, &len), 3);
  CHECK_EQ(len, sizeof from);
  CHECK_EQ(from.sin_port, htons(s_port(fds[1])));
  CHECK_EQ(gt_recv(fds[0], buf, sizeof buf, 0), 0);
  CHECK_EQ(gt_recv(fds[0], buf, 2, MSG_TRUNC), 5);
  CHECK_EQ(gt_recv_until(fds[0], buf, sizeof buf, 0, 0), -ETIMEDOUT);
  s_close_pair(fds);
}

static void *send_in_pieces(void *arg) {
  for (int i = 0; i < 4; i++) {
    CHECK_EQ(gt_send(*(int *)arg, "piece", 5, 0), 5);
    CHECK_EQ(gt_sleep(MS(2)), 0);
  }
  return NULL;
}

TEST(socket_waitall_waits_for_all) {
  for (int kind = 0; kind < 4; kind++) {
    int fds[2];
    char buf[32];
    if (kind & 1)
      s_tcp_pair(fds);
    else
      s_unix_pair(SOCK_STREAM, fds);
    if (kind & 2) s_adopt_pair(fds);
    int64_t task = s_spawn(send_in_pieces, &fds[1]);
    CHECK_EQ(gt_recv(fds[0], buf, 12, MSG_WAITALL), 12);
    CHECK_MEM(buf, "piecepiecepi", 12);
    s_join(task);
    CHECK_EQ(gt_recv_until(fds[0], buf, sizeof buf, MSG_WAITALL, IN_MS(30)), 8); /* what came before the deadline */
    CHECK_MEM(buf, "ecepiece", 8);
    CHECK_EQ(gt_recv_until(fds[0], buf, sizeof buf, MSG_WAITALL, IN_MS(2)), -ETIMEDOUT);
    CHECK_EQ(gt_send(fds[1], "half", 4, 0), 4);
    CHECK_EQ(gt_interrupt_at(gt_self(), 1, IN_MS(40)), 0);
    CHECK_EQ(gt_recv(fds[0], buf, sizeof buf, MSG_WAITALL), 4); /* the bytes win, and the interrupt is not lost */
    CHECK_EQ(gt_sleep(MS(1)), -EINTR);
    CHECK_EQ(gt_sleep(MS(1)), 0);
    CHECK_EQ(gt_send(fds[1], "end", 3, 0), 3);
    CHECK_EQ(gt_close(fds[1]), 0);
    CHECK_EQ(gt_recv(fds[0], buf, sizeof buf, MSG_WAITALL), 3);
    CHECK_EQ(gt_recv(fds[0], buf, sizeof buf, MSG_WAITALL), 0);
    CHECK_EQ(gt_close(fds[0]), 0);
  }
}

TEST(socket_flags_go_through) {
  int fds[2];
  char buf[8];
  s_tcp_pair(fds);
  s_adopt_pair(fds);
  CHECK_EQ(gt_send(fds[1], "abc", 3, 0), 3);
  CHECK_EQ(gt_recv(fds[0], buf, 2, MSG_PEEK), 2);
  CHECK_EQ(gt_recv(fds[0], buf, 8, 0), 3);
  CHECK_EQ(gt_recv(fds[0], buf, 8, MSG_DONTWAIT), -EAGAIN); /* asked not to wait: does not */
  s_close_pair(fds);
  s_unix_pair(SOCK_STREAM, fds);
  s_fill(fds[0]);
  CHECK_EQ(gt_send(fds[0], buf, 8, MSG_DONTWAIT), -EAGAIN);
  s_close_pair(fds);
}

TEST(socket_made_by_the_library_is_owned) {
  int fd = gt_socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK_OK(fd);
  CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
  CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  CHECK_EQ(gt_close(fd), 0);
  CHECK_EQ(gt_socket(-1, SOCK_STREAM, 0), -EAFNOSUPPORT);
  CHECK_LT(gt_socket(AF_INET, -1, 0), 0);
}

TEST(socket_unix_path_and_errors_of_connect) {
  struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "/nonexistent/greenrt.sock"};
  int fd = gt_socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK_OK(fd);
  CHECK_EQ(gt_connect(fd, (struct sockaddr *)&addr, sizeof addr), -ENOENT);
  CHECK_EQ(gt_connect(fd, NULL, 0), -EINVAL);
  CHECK_EQ(gt_accept(fd, NULL, NULL), -EINVAL); /* not listening */
  CHECK_EQ(gt_close(fd), 0);
}
