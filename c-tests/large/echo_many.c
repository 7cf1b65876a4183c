/* Many TCP connections at once: one task each on one OS thread here, a client on a raw epoll loop in a second process.
 *
 *   echo_many [CONNECTIONS [MESSAGES]]        10000 and 100 unless said otherwise
 *
 * All connections are open before the first message goes out. Each message has a content of its own, and the client compares every byte
 * that comes back, in order. Exit status 0 only when nothing was lost. The memory of the server is read when every message was answered
 * and all connections are still open. */
#include "large.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <greenrt.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 64 };

static long connections, messages;

/* -- the client: a second process, no line of the library */

struct peer {
  int fd;
  long sent; /* messages */
  size_t got; /* bytes of the answer to the last one */
};

static void content(char *text, long peer, long message) {
  uint32_t seed = (uint32_t)(peer * 7919 + message * 104729 + 1);
  for (int i = 0; i < SIZE; i++) {
    seed = seed * 1664525 + 1013904223;
    text[i] = (char)(seed >> 24);
  }
}

static void send_next(struct peer *peer, long index) {
  char text[SIZE];
  content(text, index, peer->sent++);
  peer->got = 0;
  if (send(peer->fd, text, SIZE, MSG_NOSIGNAL) != SIZE) GIVE_UP("client: send: %s", strerror(errno));
}

/* Reads what is there; true when this peer has had its last answer. */
static int take_answer(struct peer *peer, long index) {
  char text[SIZE], expected[SIZE];
  for (;;) {
    ssize_t n = recv(peer->fd, text, SIZE - peer->got, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n <= 0) GIVE_UP("client: connection %ld lost at message %ld: %s", index, peer->sent, n ? strerror(errno) : "closed");
    content(expected, index, peer->sent - 1);
    if (memcmp(text, expected + peer->got, (size_t)n) != 0) GIVE_UP("client: connection %ld got wrong bytes in message %ld", index, peer->sent);
    peer->got += (size_t)n;
    if (peer->got < SIZE) continue;
    if (peer->sent == messages) return 1;
    send_next(peer, index);
  }
}

static void client(uint16_t port, int measured) {
  struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct peer *peers = calloc((size_t)connections, sizeof *peers);
  struct epoll_event events[256];
  int loop = epoll_create1(0), one = 1;
  long left = connections;
  char byte;
  if (!peers || loop < 0) GIVE_UP("client: cannot begin");
  for (long i = 0; i < connections; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)i};
    peers[i].fd = socket(AF_INET, SOCK_STREAM, 0);
    if (peers[i].fd < 0 || connect(peers[i].fd, (struct sockaddr *)&addr, sizeof addr) < 0)
      GIVE_UP("client: connection %ld: %s", i, strerror(errno));
    setsockopt(peers[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (epoll_ctl(loop, EPOLL_CTL_ADD, peers[i].fd, &event) < 0) GIVE_UP("client: epoll: %s", strerror(errno));
  }
  for (long i = 0; i < connections; i++) send_next(&peers[i], i);
  while (left) {
    int n = epoll_wait(loop, events, 256, 30000);
    if (n == 0) GIVE_UP("client: %ld connections still wait for an answer", left);
    for (int i = 0; i < n; i++) left -= take_answer(&peers[events[i].data.u64], (long)events[i].data.u64);
  }
  if (read(measured, &byte, 1) != 1) GIVE_UP("client: the server is gone");
  for (long i = 0; i < connections; i++) close(peers[i].fd);
  exit(0);
}

/* -- the server */

static long long answered;
static long open_now, most_open;
static int64_t root;

static void *serve(void *arg) {
  int fd = (int)(intptr_t)arg;
  char buf[SIZE * 4];
  ssize_t n;
  if (++open_now > most_open) most_open = open_now;
  while ((n = gt_recv(fd, buf, sizeof buf, 0)) > 0) {
    if (gt_send_all(fd, buf, (size_t)n, 0, NULL) < 0) GIVE_UP("server: cannot answer");
    answered += n;
    if (answered == connections * messages * SIZE) gt_unpark(root);
  }
  if (n < 0) GIVE_UP("server: recv: %s", gt_strerror((int)n));
  gt_close(fd);
  if (--open_now == 0) gt_unpark(root);
  return NULL;
}

static void *accept_all(void *arg) {
  gt_spawn_opts_t detached = {.size = sizeof detached, .flags = GT_SPAWN_DETACHED};
  for (long i = 0; i < connections; i++) {
    int fd = gt_accept(*(int *)arg, NULL, NULL);
    if (fd < 0) GIVE_UP("server: accept: %s", gt_strerror(fd));
    if (gt_spawn_with(serve, (void *)(intptr_t)fd, &detached) < 0) GIVE_UP("server: no more tasks");
  }
  return NULL;
}

int main(int argc, char **argv) {
  struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof addr;
  int measured[2], listener = socket(AF_INET, SOCK_STREAM, 0), status;
  connections = number(argc > 1 ? argv[1] : NULL, 10000);
  messages = number(argc > 2 ? argv[2] : NULL, 100);
  allow_descriptors(connections + 100);
  if (listener < 0 || bind(listener, (struct sockaddr *)&addr, len) < 0 || listen(listener, 4096) < 0) GIVE_UP("cannot listen");
  getsockname(listener, (struct sockaddr *)&addr, &len);
  if (pipe(measured) < 0) GIVE_UP("no pipe");
  pid_t pid = fork();
  if (pid < 0) GIVE_UP("no second process");
  if (pid == 0) {
    close(listener);
    client(ntohs(addr.sin_port), measured[0]);
  }
  root = gt_self();
  gt_fd_adopt(listener);
  long long before = resident();
  int64_t start = gt_now(), acceptor = gt_spawn(accept_all, &listener);
  while (answered < connections * messages * SIZE)
    if (gt_park_until(gt_now() + 60000000000) < 0) GIVE_UP("server: %lld bytes were answered, then nothing for a minute", answered);
  double seconds = (double)(gt_now() - start) / 1e9;
  long long after = resident();
  gt_join(acceptor, NULL);
  if (most_open != connections) GIVE_UP("server: only %ld connections were open at once", most_open);
  if (write(measured[1], "x", 1) != 1) GIVE_UP("server: the client is gone");
  while (open_now)
    if (gt_park_until(gt_now() + 60000000000) < 0) GIVE_UP("server: %ld connections never ended", open_now);
  gt_close(listener);
  if (waitpid(pid, &status, 0) != pid || status != 0) GIVE_UP("the client failed");
  printf("echo: %ld connections x %ld messages of %d bytes: %lld echoed, 0 lost, %.2f s (%.0f a second), %lld bytes resident per connection\n",
         connections, messages, SIZE, answered / SIZE, seconds, (double)(answered / SIZE) / seconds, (after - before) / connections);
  return gt_shutdown() == 0 ? 0 : 1;
}
