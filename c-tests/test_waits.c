/* Every waiting verb, parked: interrupt, cancel, its own deadline and a scope's each end it with their own error, and nothing
 * that was to be moved is. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Descriptors on which each verb has to wait. */
static struct {
  int quiet[2];  /* nothing to read at 0 */
  int full[2];   /* no room at 0 */
  int drain[2];  /* a pipe without bytes */
  int flood[2];  /* a pipe without room */
  int listener;  /* nobody dials */
  int crowded;   /* its queue is full: a further connection stays in its handshake */
  int crowd[4];
  struct sockaddr_in address; /* crowded's */
  int64_t sleeper;
  pid_t child;   /* ends when it is killed */
  char fifo[64]; /* nobody opens its other end */
  gt_signals_t *signals;
  sigset_t blocked; /* and not pending */
} on;

typedef long long (*verb_t)(int64_t deadline, int door); /* door 0: without a deadline */

static char bytes[8];
static struct iovec vec = {bytes, sizeof bytes};

#define DOOR(plain, until) ((void)deadline, door == 0 ? (plain) : (until))

static long long v_recv(int64_t deadline, int door) {
  return DOOR(gt_recv(on.quiet[0], bytes, 8, 0), gt_recv_until(on.quiet[0], bytes, 8, 0, deadline));
}
static long long v_send(int64_t deadline, int door) {
  return DOOR(gt_send(on.full[0], bytes, 8, 0), gt_send_until(on.full[0], bytes, 8, 0, deadline));
}
static long long v_recvfrom(int64_t deadline, int door) {
  return DOOR(gt_recvfrom(on.quiet[0], bytes, 8, 0, NULL, NULL), gt_recvfrom_until(on.quiet[0], bytes, 8, 0, NULL, NULL, deadline));
}
static long long v_sendto(int64_t deadline, int door) {
  return DOOR(gt_sendto(on.full[0], bytes, 8, 0, NULL, 0), gt_sendto_until(on.full[0], bytes, 8, 0, NULL, 0, deadline));
}
static long long v_read(int64_t deadline, int door) {
  return DOOR(gt_read(on.drain[0], bytes, 8), gt_read_until(on.drain[0], bytes, 8, deadline));
}
static long long v_write(int64_t deadline, int door) {
  return DOOR(gt_write(on.flood[1], bytes, 8), gt_write_until(on.flood[1], bytes, 8, deadline));
}
static long long v_readv(int64_t deadline, int door) {
  return DOOR(gt_readv(on.drain[0], &vec, 1), gt_readv_until(on.drain[0], &vec, 1, deadline));
}
static long long v_writev(int64_t deadline, int door) {
  return DOOR(gt_writev(on.flood[1], &vec, 1), gt_writev_until(on.flood[1], &vec, 1, deadline));
}
static long long v_accept(int64_t deadline, int door) {
  return DOOR(gt_accept(on.listener, NULL, NULL), gt_accept_until(on.listener, NULL, NULL, deadline));
}
static long long v_wait_fd(int64_t deadline, int door) {
  return DOOR(gt_wait_fd(on.quiet[0], POLLIN), gt_wait_fd_until(on.quiet[0], POLLIN, deadline));
}
static long long v_dial(int64_t deadline, int door) {
  return DOOR(gt_dial_tcp("127.0.0.1", ntohs(on.address.sin_port)), gt_dial_tcp_until("127.0.0.1", ntohs(on.address.sin_port), deadline));
}
static long long v_join(int64_t deadline, int door) {
  return DOOR(gt_join(on.sleeper, NULL), gt_join_until(on.sleeper, NULL, deadline));
}
static long long v_park(int64_t deadline, int door) {
  return DOOR(gt_park(), gt_park_until(deadline));
}

static long long v_send_all(int64_t deadline, int door) {
  size_t sent = 99;
  int got = door == 0 ? gt_send_all(on.full[0], bytes, 8, 0, &sent) : gt_send_all_until(on.full[0], bytes, 8, 0, &sent, deadline);
  CHECK_EQ(sent, 0);
  return got;
}

static long long v_recvmsg(int64_t deadline, int door) {
  struct msghdr msg = {.msg_iov = &vec, .msg_iovlen = 1};
  return door == 0 ? gt_recvmsg(on.quiet[0], &msg, 0) : gt_recvmsg_until(on.quiet[0], &msg, 0, deadline);
}

static long long v_sendmsg(int64_t deadline, int door) {
  struct msghdr msg = {.msg_iov = &vec, .msg_iovlen = 1};
  return door == 0 ? gt_sendmsg(on.full[0], &msg, 0) : gt_sendmsg_until(on.full[0], &msg, 0, deadline);
}

static long long v_poll(int64_t deadline, int door) {
  struct pollfd entry = {.fd = on.quiet[0], .events = POLLIN};
  return door == 0 ? gt_poll(&entry, 1) : gt_poll_until(&entry, 1, deadline);
}

static long long v_connect(int64_t deadline, int door) {
  int fd = gt_socket(AF_INET, SOCK_STREAM, 0);
  CHECK_OK(fd);
  const struct sockaddr *to = (struct sockaddr *)&on.address;
  int got = door == 0 ? gt_connect(fd, to, sizeof on.address) : gt_connect_until(fd, to, sizeof on.address, deadline);
  CHECK_EQ(gt_close(fd), 0);
  return got;
}

/* A name that no hosts file has: asking for it takes another OS thread, and with it a wait. */
static long long v_listen(int64_t deadline, int door) {
  return DOOR(gt_listen_tcp("no-such-host.invalid", 0, 1), gt_listen_tcp_until("no-such-host.invalid", 0, 1, deadline));
}

static long long v_waitpid(int64_t deadline, int door) {
  int status = 99;
  pid_t got = door == 0 ? gt_waitpid(on.child, &status, 0) : gt_waitpid_until(on.child, &status, 0, deadline);
  CHECK_EQ(status, 99);
  return got;
}
static long long v_waitpid_any(int64_t deadline, int door) {
  return DOOR(gt_waitpid(-1, NULL, WUNTRACED), gt_waitpid_until(-1, NULL, WUNTRACED, deadline));
}
static long long v_signals_recv(int64_t deadline, int door) {
  return DOOR(gt_signals_recv(on.signals, NULL), gt_signals_recv_until(on.signals, NULL, deadline));
}
static long long v_signal_wait(int64_t deadline, int door) {
  return DOOR(gt_signal_wait(&on.blocked, NULL), gt_signal_wait_until(&on.blocked, NULL, deadline));
}
static long long v_open(int64_t deadline, int door) {
  return DOOR(gt_open(on.fifo, O_RDONLY, 0), gt_open_until(on.fifo, O_RDONLY, 0, deadline));
}

static const struct {
  const char *name;
  verb_t call;
} verbs[] = {
    {"gt_waitpid", v_waitpid},   {"gt_waitpid, any", v_waitpid_any}, {"gt_open", v_open},
    {"gt_signals_recv", v_signals_recv}, {"gt_signal_wait", v_signal_wait},
    {"gt_recv", v_recv},         {"gt_send", v_send},       {"gt_send_all", v_send_all}, {"gt_recvfrom", v_recvfrom},
    {"gt_sendto", v_sendto},     {"gt_recvmsg", v_recvmsg}, {"gt_sendmsg", v_sendmsg},   {"gt_read", v_read},
    {"gt_write", v_write},       {"gt_readv", v_readv},     {"gt_writev", v_writev},     {"gt_accept", v_accept},
    {"gt_connect", v_connect},   {"gt_dial_tcp", v_dial},   {"gt_wait_fd", v_wait_fd},   {"gt_poll", v_poll},
    {"gt_join", v_join},         {"gt_park", v_park},       {"gt_listen_tcp", v_listen},
};

static void *sleep_for_ever(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_sleep_until(GT_NEVER);
}

static void begin(void) {
  s_unix_pair(SOCK_STREAM, on.quiet);
  s_unix_pair(SOCK_STREAM, on.full);
  s_fill(on.full[0]);
  s_pipe(on.drain, 0);
  s_pipe(on.flood, 0);
  s_fill(on.flood[1]);
  uint16_t port;
  on.listener = s_listener(&port);
  CHECK_OK(on.crowded = gt_listen_tcp("127.0.0.1", 0, 1));
  on.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(s_port(on.crowded)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  for (size_t i = 0; i < COUNT(on.crowd); i++) {
    CHECK_OK(on.crowd[i] = gt_socket(AF_INET, SOCK_STREAM, 0));
    int got = gt_connect_until(on.crowd[i], (struct sockaddr *)&on.address, sizeof on.address, IN_MS(20));
    CHECK(got == 0 || got == -ETIMEDOUT);
  }
  on.sleeper = s_spawn(sleep_for_ever, NULL);
  CHECK_OK(on.child = fork());
  if (on.child == 0)
    for (;;) pause();
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  CHECK((on.signals = gt_signals_new(&set)) != NULL);
  sigemptyset(&on.blocked);
  sigaddset(&on.blocked, SIGUSR1);
  CHECK_EQ(pthread_sigmask(SIG_BLOCK, &on.blocked, NULL), 0);
  strcpy(on.fifo, "/tmp/greenrt-waits-XXXXXX");
  close(mkstemp(on.fifo));
  unlink(on.fifo);
  CHECK_OK(mkfifo(on.fifo, 0600));
}

static void end(void) {
  /* the jobs that were left waiting for the fifo's other end */
  int fifo = open(on.fifo, O_RDWR);
  CHECK_OK(fifo);
  while (s_stats().offload_jobs) CHECK_EQ(gt_sleep(MS(1)), 0);
  close(fifo);
  unlink(on.fifo);
  CHECK_EQ(gt_signals_free(on.signals), 0);
  CHECK_OK(kill(on.child, SIGKILL));
  CHECK_EQ(gt_waitpid(on.child, NULL, 0), on.child);
  CHECK_EQ(gt_cancel(on.sleeper), 0);
  CHECK_EQ((intptr_t)s_join(on.sleeper), -ECANCELED);
  for (size_t i = 0; i < COUNT(on.crowd); i++) CHECK_EQ(gt_close(on.crowd[i]), 0);
  s_close_pair((int[]){on.listener, on.crowded});
  s_close_pair(on.quiet);
  s_close_pair(on.full);
  s_close_pair(on.drain);
  s_close_pair(on.flood);
}

struct wait {
  verb_t call;
  int64_t deadline;
  int door;
};

static void *carry_out(void *arg) {
  struct wait *wait = arg;
  return (void *)(intptr_t)wait->call(wait->deadline, wait->door);
}

static void each(int (*ended)(int64_t task), int error) {
  begin();
  for (size_t i = 0; i < COUNT(verbs); i++) {
    for (int door = 0; door < 2; door++) {
      struct wait wait = {verbs[i].call, GT_NEVER, door};
      int64_t task = s_spawn(carry_out, &wait);
      s_settle(); /* it waits */
      int told = ended(task);
      if (told != 0) CHECK(told == -ESRCH && verbs[i].call == v_listen); /* it is over already */
      intptr_t got = (intptr_t)s_join(task);
      if (verbs[i].call == v_listen && (got == -EADDRNOTAVAIL || got == -EAGAIN)) continue; /* the answer was first: done wins */
      if (got != error) FAIL("%s, door %d: %zd", verbs[i].name, door, (ssize_t)got);
    }
  }
  end();
}

static int interrupt(int64_t task) { return gt_interrupt(task, 7); }

TEST(waits_of_every_verb_are_interrupted) { each(interrupt, -EINTR); }

TEST(waits_of_every_verb_are_cancelled) { each(gt_cancel, -ECANCELED); }

TEST(waits_of_every_verb_end_at_their_deadline) {
  begin();
  for (size_t i = 0; i < COUNT(verbs); i++) {
    if (verbs[i].call == v_listen) continue; /* it may be answered before */
    long long got = verbs[i].call(IN_MS(2), 1);
    if (got != -ETIMEDOUT) FAIL("%s: %lld", verbs[i].name, got);
  }
  CHECK_EQ(gt_listen_tcp_until("no-such-host.invalid", 0, 1, 0), -ETIMEDOUT);
  end();
}

TEST(waits_of_every_verb_end_at_a_scopes_deadline) {
  begin();
  for (size_t i = 0; i < COUNT(verbs); i++) {
    if (verbs[i].call == v_listen) continue;
    for (int door = 0; door < 2; door++) {
      int64_t scope = gt_deadline_push(IN_MS(2));
      long long got = verbs[i].call(GT_NEVER, door);
      CHECK_EQ(gt_deadline_pop(scope), 1);
      if (got != -ETIMEDOUT) FAIL("%s, door %d: %lld", verbs[i].name, door, got);
    }
  }
  end();
}
