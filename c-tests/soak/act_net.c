/* Acts of descriptors: TCP, unix sockets, datagrams, pipes, accept loops, polls. */
#include "soak.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 5 };

static uint16_t port_of(int fd) {
  struct sockaddr_in addr;
  socklen_t len = sizeof addr;
  MUST_OK(getsockname(fd, (struct sockaddr *)&addr, &len));
  return ntohs(addr.sin_port);
}

static void fill(char *bytes, size_t count, unsigned from) {
  for (size_t i = 0; i < count; i++) bytes[i] = (char)(from + i);
}

static void must_be_filled(const char *bytes, size_t count, unsigned from) {
  for (size_t i = 0; i < count; i++) MUST_EQ(bytes[i], (char)(from + i));
}

/* -- echo over TCP */

static void echo(int fd, void *arg) {
  char bytes[4096];
  ssize_t got;
  (void)arg;
  while ((got = gt_recv(fd, bytes, sizeof bytes, 0)) > 0)
    if (gt_send_all(fd, bytes, (size_t)got, 0, NULL) < 0) break; /* the client has gone */
}

/* Sends and gets back; -ECANCELED wherever it meets it. */
static int talk(int fd, struct dice *dice) {
  char out[6000], in[6000];
  unsigned at = 0;
  for (int rounds = 1 + (int)so_roll(dice, 6); rounds > 0; rounds--) {
    size_t size = 1 + so_roll(dice, sizeof out), have = 0;
    fill(out, size, at);
    int sent = gt_send_all(fd, out, size, 0, NULL);
    if (sent < 0) return sent;
    while (have < size) {
      ssize_t got = gt_recv_until(fd, in + have, sizeof in - have, 0, so_roll(dice, 4) ? GT_NEVER : so_soon(dice));
      if (got == -ETIMEDOUT) continue;
      if (got < 0) return (int)got;
      MUST(got > 0);
      have += (size_t)got;
    }
    MUST_EQ(have, size);
    must_be_filled(in, size, at);
    at += (unsigned)size;
  }
  MUST_EQ(gt_half_close(fd, SHUT_WR), 0);
  return (int)gt_recv(fd, in, 1, 0);
}

static void *be_client(void *port) {
  struct dice dice = so_dice();
  int fd = gt_dial_tcp("127.0.0.1", (uint16_t)(uintptr_t)port);
  if (fd == -ECANCELED) return NULL;
  MUST_OK(fd);
  int said = talk(fd, &dice);
  MUST(said == 0 || said == -ECANCELED);
  MUST_EQ(gt_close(fd), 0);
  return NULL;
}

static void *serve(void *listener) {
  gt_serve_opts_t drain = {.size = sizeof drain, .flags = GT_SERVE_DRAIN};
  MUST_EQ(gt_serve(*(int *)listener, echo, NULL, &drain), 0);
  return NULL;
}

ACT(tcp_echo, 6) {
  int listener = gt_listen_tcp("127.0.0.1", 0, 16);
  MUST_OK(listener);
  int64_t server = so_here(serve, &listener), clients[CLIENTS];
  unsigned count = 1 + so_roll(dice, CLIENTS);
  MUST_EQ(gt_yield(), 0); /* it serves */
  for (unsigned i = 0; i < count; i++) clients[i] = so_anywhere(dice, be_client, (void *)(uintptr_t)port_of(listener));
  if (!so_roll(dice, 3)) {
    so_pause(dice);
    int got = gt_cancel(clients[so_roll(dice, count)]);
    MUST(got == 0 || got == -ESRCH);
  }
  so_join_all(clients, count);
  MUST_EQ(gt_serve_stop(listener), 0);
  so_join(server);
  MUST_EQ(gt_close(listener), 0);
}

/* -- a stream of bytes from one task to another */

struct flow {
  int in, out;
  size_t size;
};

static void *pour(void *arg) {
  struct flow *flow = arg;
  struct dice dice = so_dice();
  char bytes[3000];
  for (size_t at = 0; at < flow->size;) {
    size_t size = 1 + so_roll(&dice, sizeof bytes);
    if (size > flow->size - at) size = flow->size - at;
    fill(bytes, size, (unsigned)at);
    ssize_t got = gt_write_until(flow->in, bytes, size, so_roll(&dice, 4) ? GT_NEVER : so_soon(&dice));
    MUST(got > 0 || got == -ETIMEDOUT);
    if (got > 0) at += (size_t)got;
  }
  MUST_EQ(gt_close(flow->in), 0);
  return NULL;
}

static void drink(struct flow *flow, struct dice *dice) {
  char bytes[3000];
  size_t at = 0;
  ssize_t got;
  while ((got = gt_read_until(flow->out, bytes, 1 + so_roll(dice, sizeof bytes), so_roll(dice, 4) ? GT_NEVER : so_soon(dice))) != 0) {
    MUST(got > 0 || got == -ETIMEDOUT);
    if (got < 0) continue;
    must_be_filled(bytes, (size_t)got, (unsigned)at);
    at += (size_t)got;
  }
  MUST_EQ(at, flow->size);
  MUST_EQ(gt_close(flow->out), 0);
}

ACT(pipes, 6) {
  int fds[2];
  MUST_EQ(gt_pipe(fds), 0);
  struct flow flow = {fds[1], fds[0], so_roll(dice, 200000)};
  int64_t writer = so_here(pour, &flow);
  drink(&flow, dice);
  so_join(writer);
}

ACT(unix_streams, 6) {
  int fds[2];
  MUST_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
  for (int i = 0; i < 2; i++)
    if (so_roll(dice, 2)) MUST_EQ(gt_fd_adopt(fds[i]), 0); /* the others are foreign: armed for each wait */
  struct flow flow = {fds[1], fds[0], so_roll(dice, 200000)};
  int64_t writer = so_here(pour, &flow);
  drink(&flow, dice);
  so_join(writer);
}

/* -- descriptors sent along: the pipe's end is used by who gets it */

static void *write_into_what_comes(void *socket) {
  struct flow flow = {.size = 1000};
  size_t received;
  char byte;
  MUST_EQ(gt_recv_fds(*(int *)socket, &byte, 1, &flow.in, 1, &received, NULL), 1);
  MUST_EQ(received, 1);
  return pour(&flow);
}

ACT(descriptors_sent, 3) {
  int pipe[2], sockets[2];
  MUST_EQ(gt_pipe(pipe), 0);
  MUST_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
  struct flow flow = {-1, pipe[0], 1000};
  int64_t receiver = so_anywhere(dice, write_into_what_comes, &sockets[1]);
  so_pause(dice);
  MUST_EQ(gt_send_fds(sockets[0], "x", 1, &pipe[1], 1), 1);
  MUST_EQ(gt_close(pipe[1]), 0);
  drink(&flow, dice);
  so_join(receiver);
  for (int i = 0; i < 2; i++) MUST_EQ(gt_close(sockets[i]), 0);
}

/* -- datagrams in batches */

enum { BATCH = 12 };

static void *send_batch(void *arg) {
  int *fds = arg;
  struct mmsghdr messages[BATCH];
  struct iovec parts[BATCH];
  char bytes[BATCH];
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port_of(fds[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  memset(messages, 0, sizeof messages);
  fill(bytes, BATCH, 0);
  for (int i = 0; i < BATCH; i++) {
    parts[i] = (struct iovec){&bytes[i], 1};
    messages[i].msg_hdr = (struct msghdr){.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &parts[i], .msg_iovlen = 1};
  }
  for (int sent = 0; sent < BATCH;) {
    int got = gt_sendmmsg(fds[0], messages + sent, (size_t)(BATCH - sent), 0);
    MUST(got > 0);
    sent += got;
  }
  return NULL;
}

ACT(datagrams, 4) {
  int fds[2];
  for (int i = 0; i < 2; i++) MUST_OK(fds[i] = gt_bind_udp("127.0.0.1", 0));
  int64_t sender = so_here(send_batch, fds);
  for (int have = 0; have < BATCH;) {
    char bytes[BATCH];
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < BATCH; i++) {
      parts[i] = (struct iovec){&bytes[i], 1};
      messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    int got = gt_recvmmsg(fds[1], messages, BATCH, 0);
    MUST(got > 0);
    must_be_filled(bytes, (size_t)got, (unsigned)have);
    have += got;
  }
  so_join(sender);
  for (int i = 0; i < 2; i++) MUST_EQ(gt_close(fds[i]), 0);
}

/* -- polls, and a descriptor that is closed under a reader */

static void *write_byte(void *fd) {
  gt_yield();
  MUST_EQ(gt_write(*(int *)fd, "x", 1), 1);
  return NULL;
}

ACT(polls, 4) {
  int pipes[4][2];
  struct pollfd polled[COUNT(pipes)];
  unsigned chosen = so_roll(dice, COUNT(pipes));
  for (unsigned i = 0; i < COUNT(pipes); i++) {
    MUST_EQ(gt_pipe(pipes[i]), 0);
    polled[i] = (struct pollfd){.fd = pipes[i][0], .events = POLLIN};
  }
  MUST_EQ(gt_poll_until(polled, COUNT(pipes), so_soon(dice)), -ETIMEDOUT);
  int64_t writer = so_here(write_byte, &pipes[chosen][1]);
  MUST_EQ(gt_poll(polled, COUNT(pipes)), 1);
  MUST_EQ(polled[chosen].revents, POLLIN);
  so_join(writer);
  for (unsigned i = 0; i < COUNT(pipes); i++)
    for (int end = 0; end < 2; end++) MUST_EQ(gt_close(pipes[i][end]), 0);
}

static void *read_in_vain(void *fd) {
  char byte;
  MUST_EQ(gt_read(*(int *)fd, &byte, 1), -EBADF);
  return NULL;
}

ACT(closed_under_a_reader, 3) {
  int fds[2];
  int64_t readers[3];
  MUST_EQ(gt_pipe(fds), 0);
  for (unsigned i = 0; i < COUNT(readers); i++) readers[i] = so_here(read_in_vain, &fds[0]);
  MUST_EQ(gt_yield(), 0);
  so_pause(dice);
  MUST_EQ(gt_close(fds[0]), 0);
  so_join_all(readers, COUNT(readers));
  MUST_EQ(gt_close(fds[1]), 0);
}
