/* Datagrams: sockets bound by name, and batches. The messages of a batch carry their number, so that order and loss show. */
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MANY 3000

/* `count` messages of one int each. */
struct batch {
  struct mmsghdr messages[MANY];
  struct iovec vectors[MANY];
  int numbers[MANY];
  size_t count;
};

static struct batch *batch(size_t count, struct sockaddr_in *to) {
  struct batch *b = calloc(1, sizeof *b);
  CHECK(b != NULL);
  b->count = count;
  for (size_t i = 0; i < count; i++) {
    b->numbers[i] = (int)i;
    b->vectors[i] = (struct iovec){&b->numbers[i], sizeof(int)};
    b->messages[i].msg_hdr = (struct msghdr){.msg_iov = &b->vectors[i], .msg_iovlen = 1};
    if (to) {
      b->messages[i].msg_hdr.msg_name = to;
      b->messages[i].msg_hdr.msg_namelen = sizeof *to;
    }
  }
  return b;
}

static struct sockaddr_in address(int fd) {
  struct sockaddr_in addr;
  socklen_t len = sizeof addr;
  CHECK_OK(getsockname(fd, (struct sockaddr *)&addr, &len));
  return addr;
}

TEST(datagram_bind_and_send_both_ways) {
  int a = gt_bind_udp("127.0.0.1", 0), b = gt_bind_udp("localhost", 0);
  char buf[8];
  CHECK_OK(a);
  CHECK_OK(b);
  struct sockaddr_in to = address(a), from;
  socklen_t len = sizeof from;
  if (address(b).sin_family == AF_INET) {
    CHECK_EQ(gt_sendto(b, "ping", 4, 0, (struct sockaddr *)&to, sizeof to), 4);
    CHECK_EQ(gt_recvfrom(a, buf, sizeof buf, 0, (struct sockaddr *)&from, &len), 4);
    CHECK_EQ(from.sin_port, address(b).sin_port);
    CHECK_MEM(buf, "ping", 4);
  }
  s_close_pair((int[]){a, b});
}

TEST(datagram_bind_to_all_addresses_hears_both_families) {
  int any = gt_bind_udp(NULL, 0), sender = gt_bind_udp("127.0.0.1", 0);
  char buf[8];
  CHECK_OK(any);
  CHECK_OK(sender);
  struct sockaddr_in6 addr;
  socklen_t len = sizeof addr;
  CHECK_OK(getsockname(any, (struct sockaddr *)&addr, &len)); /* the port is at the same place in both families */
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = addr.sin6_port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  CHECK_EQ(gt_sendto(sender, "4", 1, 0, (struct sockaddr *)&to, sizeof to), 1);
  CHECK_EQ(gt_recv(any, buf, sizeof buf, 0), 1);
  s_close_pair((int[]){any, sender});
}

TEST(datagram_bind_errors) {
  int fd = gt_bind_udp("127.0.0.1", 0);
  CHECK_OK(fd);
  CHECK_EQ(gt_bind_udp("127.0.0.1", s_port(fd)), -EADDRINUSE);
  CHECK_EQ(gt_bind_udp("192.0.2.1", 0), -EADDRNOTAVAIL); /* TEST-NET-1: nobody's */
  /* No name, so the resolver asks nobody: a server that does not answer would be -EAGAIN. */
  CHECK_EQ(gt_bind_udp("a-label-that-is-much-longer-than-the-sixty-three-bytes-that-a-label-may-have.example", 0), -EADDRNOTAVAIL);
  CHECK_EQ(gt_bind_udp_until("localhost", 0, 0), -ETIMEDOUT); /* a name is not looked up in the past */
  int other = gt_bind_udp_until("127.0.0.1", 0, 0);           /* an address needs no time */
  CHECK_OK(other);
  CHECK_EQ(gt_close(other), 0);
  CHECK_EQ(gt_interrupt(gt_self(), 1), 0);
  CHECK_EQ(gt_bind_udp("127.0.0.1", 0), -EINTR);
  CHECK_EQ(gt_cancel(gt_self()), 0);
  CHECK_EQ(gt_bind_udp("127.0.0.1", 0), -ECANCELED);
  CHECK_EQ(gt_close(fd), 0);
}

struct late {
  int fd;
  struct sockaddr_in to;
  int count;
};

static void *send_one_by_one(void *arg) {
  struct late *late = arg;
  for (int i = 0; i < late->count; i++) {
    CHECK_EQ(gt_sendto(late->fd, &i, sizeof i, 0, (struct sockaddr *)&late->to, sizeof late->to), (long)sizeof i);
    CHECK_EQ(gt_yield(), 0);
  }
  return NULL;
}

TEST(datagram_recvmmsg_waits_for_all_of_them) {
  int a = gt_bind_udp("127.0.0.1", 0), b = gt_bind_udp("127.0.0.1", 0);
  struct late late = {b, address(a), 50};
  struct batch *in = batch(50, NULL);
  memset(in->numbers, 0xff, sizeof in->numbers);
  int64_t task = s_spawn(send_one_by_one, &late);
  CHECK_EQ(gt_recvmmsg(a, in->messages, 50, 0), 50);
  for (int i = 0; i < 50; i++) {
    CHECK_EQ(in->numbers[i], i);
    CHECK_EQ(in->messages[i].msg_len, sizeof(int));
  }
  s_join(task);
  free(in);
  s_close_pair((int[]){a, b});
}

TEST(datagram_waitforone_takes_what_is_there) {
  int fds[2];
  struct batch *out = batch(7, NULL), *in = batch(50, NULL);
  s_unix_pair(SOCK_DGRAM, fds);
  s_adopt_pair(fds);
  CHECK_EQ(gt_sendmmsg(fds[0], out->messages, 7, 0), 7);
  CHECK_EQ(gt_recvmmsg(fds[1], in->messages, 50, MSG_WAITFORONE), 7);
  CHECK_EQ(gt_recvmmsg_until(fds[1], in->messages, 50, MSG_WAITFORONE, IN_MS(5)), -ETIMEDOUT);
  CHECK_EQ(gt_recvmmsg(fds[1], in->messages, 50, MSG_WAITFORONE | MSG_DONTWAIT), -EAGAIN);
  free(in);
  free(out);
  s_close_pair(fds);
}

static void *send_many(void *arg) {
  struct late *late = arg;
  struct batch *out = batch(MANY, NULL);
  CHECK_EQ(gt_sendmmsg(late->fd, out->messages, MANY, 0), MANY);
  for (int i = 0; i < MANY; i++) CHECK_EQ(out->messages[i].msg_len, sizeof(int));
  free(out);
  return NULL;
}

/* The kernel takes 1,024 at once; a unix socket's short queue makes both sides wait many times besides. */
TEST(datagram_batches_beyond_the_kernels_limit_are_whole) {
  for (int adopted = 0; adopted < 2; adopted++) {
    int fds[2];
    s_unix_pair(SOCK_SEQPACKET, fds);
    if (adopted) s_adopt_pair(fds);
    struct late late = {.fd = fds[0]};
    struct batch *in = batch(MANY, NULL);
    memset(in->numbers, 0xff, sizeof in->numbers);
    int64_t task = s_spawn(send_many, &late);
    CHECK_EQ(gt_recvmmsg(fds[1], in->messages, MANY, 0), MANY);
    for (int i = 0; i < MANY; i++) CHECK_EQ(in->numbers[i], i);
    s_join(task);
    free(in);
    s_close_pair(fds);
  }
}

TEST(datagram_waitforone_goes_on_beyond_the_kernels_limit) {
  int fds[2], room = 8 << 20;
  s_tcp_pair(fds); /* a stream of one int each: 1,500 can be there at once */
  s_adopt_pair(fds);
  CHECK_OK(setsockopt(fds[1], SOL_SOCKET, SO_RCVBUF, &room, sizeof room));
  struct batch *out = batch(1500, NULL), *in = batch(MANY, NULL);
  CHECK_EQ(gt_sendmmsg(fds[0], out->messages, 1500, 0), 1500);
  for (int ready = 0; ready < 6000;) { /* all of it is there */
    static int peeked[1500];
    ready = (int)gt_recv(fds[1], peeked, sizeof peeked, MSG_PEEK);
    CHECK_GT(ready, 0);
  }
  CHECK_EQ(gt_recvmmsg(fds[1], in->messages, MANY, MSG_WAITFORONE), 1500);
  for (int i = 0; i < 1500; i++) CHECK_EQ(in->numbers[i], i);
  free(in);
  free(out);
  s_close_pair(fds);
}

static int emptied;

/* When the root has taken all there is, and waits for more. */
static void *interrupt_soon(void *arg) {
  char byte;
  do CHECK_EQ(gt_sleep(MS(1)), 0);
  while (recv(emptied, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0);
  CHECK_EQ(gt_interrupt(*(int64_t *)arg, 7), 0);
  return NULL;
}

TEST(datagram_partial_counts_are_reported) {
  int fds[2], code = 0;
  int64_t me = gt_self();
  struct batch *out = batch(3, NULL), *in = batch(10, NULL);
  s_unix_pair(SOCK_DGRAM, fds);
  s_adopt_pair(fds);
  CHECK_EQ(gt_sendmmsg(fds[0], out->messages, 3, 0), 3);
  CHECK_EQ(gt_recvmmsg_until(fds[1], in->messages, 10, 0, IN_MS(5)), 3);
  CHECK_EQ(gt_recvmmsg_until(fds[1], in->messages, 10, 0, IN_MS(5)), -ETIMEDOUT);
  CHECK_EQ(gt_sendmmsg(fds[0], out->messages, 3, 0), 3);
  CHECK_EQ(gt_recvmmsg(fds[1], in->messages, 10, MSG_DONTWAIT), 3);
  CHECK_EQ(gt_sendmmsg(fds[0], out->messages, 3, 0), 3);
  emptied = fds[1];
  int64_t task = s_spawn(interrupt_soon, &me);
  CHECK_EQ(gt_recvmmsg(fds[1], in->messages, 10, 0), 3);
  CHECK_EQ(gt_recvmmsg(fds[1], in->messages, 10, 0), -EINTR); /* was still to come */
  CHECK_EQ(gt_interrupt_take(&code), 0);
  CHECK_EQ(code, 7);
  s_join(task);

  /* What is sent before an error: here the second message is too long for any socket. */
  static char huge[16 << 20];
  out->vectors[1] = (struct iovec){huge, sizeof huge};
  CHECK_EQ(gt_sendmmsg(fds[0], out->messages, 3, 0), 1);
  CHECK_EQ(gt_sendmmsg(fds[0], out->messages + 1, 2, 0), -EMSGSIZE);
  free(in);
  free(out);
  s_close_pair(fds);
}

TEST(datagram_sendmmsg_waits_for_room) {
  int fds[2];
  struct batch *out = batch(MANY, NULL);
  s_unix_pair(SOCK_DGRAM, fds);
  s_adopt_pair(fds);
  int went = gt_sendmmsg_until(fds[0], out->messages, MANY, 0, IN_MS(5));
  CHECK_GT(went, 0);
  CHECK_LT(went, MANY);
  CHECK_EQ(gt_sendmmsg_until(fds[0], out->messages, 1, 0, IN_MS(5)), -ETIMEDOUT);
  CHECK_EQ(gt_sendmmsg(fds[0], out->messages, 1, MSG_DONTWAIT), -EAGAIN);
  free(out);
  s_close_pair(fds);
}

TEST(datagram_batch_errors) {
  int fd = gt_bind_udp("127.0.0.1", 0), pipes[2];
  struct batch *b = batch(4, NULL);
  CHECK_OK(fd);
  CHECK_EQ(gt_recvmmsg(fd, NULL, 1, 0), -EINVAL);
  CHECK_EQ(gt_sendmmsg(fd, NULL, 1, 0), -EINVAL);
  CHECK_EQ(gt_recvmmsg(fd, b->messages, (size_t)1 << 31, 0), -EOVERFLOW);
  CHECK_EQ(gt_sendmmsg(fd, b->messages, (size_t)1 << 31, 0), -EOVERFLOW);
  CHECK_EQ(gt_recvmmsg(fd, NULL, 0, 0), 0);
  CHECK_EQ(gt_sendmmsg(fd, NULL, 0, 0), 0);
  CHECK_EQ(gt_sendmmsg(fd, b->messages, 4, 0), -EDESTADDRREQ);
  CHECK_EQ(gt_recvmmsg(-1, b->messages, 4, 0), -EBADF);
  CHECK_EQ(gt_sendmmsg(-1, b->messages, 4, 0), -EBADF);
  s_pipe(pipes, 0);
  CHECK_EQ(gt_recvmmsg(pipes[0], b->messages, 4, 0), -ENOTSOCK);
  CHECK_EQ(gt_sendmmsg(pipes[1], b->messages, 4, 0), -ENOTSOCK);
  s_close_pair(pipes);
  CHECK_EQ(gt_recvmmsg_until(fd, b->messages, 4, 0, 0), -ETIMEDOUT);
  int64_t scope = gt_deadline_push(IN_MS(5));
  CHECK_EQ(gt_recvmmsg(fd, b->messages, 4, 0), -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(scope), 1);
  CHECK_EQ(gt_cancel(gt_self()), 0);
  CHECK_EQ(gt_recvmmsg(fd, b->messages, 4, 0), -ECANCELED);
  CHECK_EQ(gt_sendmmsg(fd, b->messages, 4, 0), -ECANCELED);
  free(b);
  CHECK_EQ(gt_close(fd), 0);
}

static void *close_soon(void *arg) {
  CHECK_EQ(gt_sleep(MS(5)), 0);
  CHECK_EQ(gt_close(*(int *)arg), 0);
  return NULL;
}

TEST_WITH(datagram_what_the_kernel_refuses_is_passed_on, T_LIMITS, 0) {
  static const unsigned calls[] = {SYS_sendto, SYS_sendmsg, SYS_sendmmsg};
  int fd = gt_bind_udp("127.0.0.1", 0);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(s_port(fd))};
  struct iovec iov = {"x", 1};
  struct mmsghdr message = {.msg_hdr = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &iov, .msg_iovlen = 1}};
  CHECK_EQ(gt_sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to), 1);
  for (size_t i = 0; i < COUNT(calls); i++)
    if (s_refuse(calls[i], 0, ENOMEM) != 0) SKIP("no seccomp here");
  CHECK_EQ(gt_sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to), -ENOMEM);
  CHECK_EQ(gt_sendmsg(fd, &message.msg_hdr, 0), -ENOMEM);
  CHECK_EQ(gt_sendmmsg(fd, &message, 1, 0), -ENOMEM);
  CHECK_EQ(gt_close(fd), 0);
}

TEST(datagram_closing_ends_a_batch) {
  int fd = gt_bind_udp("127.0.0.1", 0);
  struct batch *b = batch(4, NULL);
  int64_t task = s_spawn(close_soon, &fd);
  CHECK_EQ(gt_recvmmsg(fd, b->messages, 4, 0), -EBADF);
  s_join(task);
  free(b);
}

static void *turn(void *arg) {
  for (; !*(volatile int *)arg; s_log('.')) CHECK_EQ(gt_yield(), 0);
  return NULL;
}

TEST(datagram_batches_that_never_wait_let_others_run) {
  int fds[2], over = 0;
  s_unix_pair(SOCK_STREAM, fds);
  s_adopt_pair(fds);
  struct batch *b = batch(64, NULL);
  int64_t task = s_spawn(turn, &over);
  for (int i = 0; i < 100; i++) {
    CHECK_EQ(gt_sendmmsg(fds[0], b->messages, 64, 0), 64);
    static char sink[64 * sizeof(int)];
    CHECK_EQ(read(fds[1], sink, sizeof sink), (long)sizeof sink);
  }
  over = 1;
  CHECK_GE(strlen(s_logged()), 3);
  s_join(task);
  free(b);
  s_close_pair(fds);
}
