/* A chat room over TCP: the first line a client sends is its name, every further one goes to all the others. Each client has a task that
 * reads and a task that writes from a queue, so a client that does not read stalls nobody: when its queue is full, it is cut off.
 *
 *   cc chat.c $(pkg-config --cflags --libs greenrt) -o chat && ./chat 7001
 *   (in two other terminals)  nc 127.0.0.1 7001
 *
 * Output of the server (with 0 or no number it picks a free port):
 *   port 7001
 * and at a client, after it typed "ann", and bob joined and typed "hi":
 *   * ann joined
 *   * bob joined
 *   bob: hi
 */
#include <greenrt.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUE = 4 << 20 };

struct client {
  int fd;
  bool gone;
  char name[32], *queue; /* what the writer has not taken yet */
  size_t queued, room;
  int64_t writer;
  struct client *next;
};

static struct client *everybody;

static void post(struct client *to, const char *text, size_t len) {
  if (to->queued + len > to->room) {
    char *more = to->queued + len > QUEUE ? NULL : realloc(to->queue, 2 * (to->queued + len));
    if (!more) { /* too slow: its reader and its writer find out */
      to->gone = true;
      shutdown(to->fd, SHUT_RDWR);
      return;
    }
    to->queue = more;
    to->room = 2 * (to->queued + len);
  }
  memcpy(to->queue + to->queued, text, len);
  to->queued += len;
  gt_unpark(to->writer);
}

static void announce(const struct client *except, const char *format, const char *name, const char *text) {
  char line[4200];
  int len = snprintf(line, sizeof line, format, name, text);
  for (struct client *to = everybody; to; to = to->next)
    if (to != except && !to->gone) post(to, line, (size_t)len);
}

static void *write_queue(void *arg) {
  struct client *client = arg;
  while (!client->gone && (client->queued || gt_park() == 0)) {
    char *batch = client->queue;
    size_t len = client->queued;
    client->queue = NULL; /* a new one fills up while this one is sent */
    client->queued = client->room = 0;
    if (gt_send_all(client->fd, batch, len, 0, NULL) < 0) client->gone = true;
    free(batch);
  }
  return NULL;
}

static void hear(struct client *client, char *line) {
  line[strcspn(line, "\r")] = 0;
  if (client->name[0]) {
    announce(client, "%s: %s\n", client->name, line);
  } else {
    snprintf(client->name, sizeof client->name, "%.31s", *line ? line : "nobody");
    client->next = everybody;
    everybody = client;
    announce(NULL, "* %s joined%s\n", client->name, "");
  }
}

static void *serve(void *arg) {
  struct client *client = arg, **at = &everybody;
  char buf[4096], *line, *end;
  size_t have = 0;
  ssize_t n;
  client->writer = gt_spawn(write_queue, client);
  while (!client->gone && (n = gt_recv(client->fd, buf + have, sizeof buf - have, 0)) > 0) {
    for (have += (size_t)n, line = buf; (end = memchr(line, '\n', have - (size_t)(line - buf))); line = end + 1) {
      *end = 0;
      hear(client, line);
    }
    have -= (size_t)(line - buf); /* a line longer than the buffer ends the connection: 0 bytes fit */
    memmove(buf, line, have);
  }
  while (*at && *at != client) at = &(*at)->next;
  if (*at) *at = client->next;
  client->gone = true;
  gt_cancel(client->writer);
  gt_join(client->writer, NULL);
  if (client->name[0]) announce(NULL, "* %s left%s\n", client->name, "");
  gt_close(client->fd);
  free(client->queue);
  free(client);
  return NULL;
}

int main(int argc, char **argv) {
  gt_spawn_opts_t detached = {.size = sizeof detached, .flags = GT_SPAWN_DETACHED};
  struct sockaddr_in addr;
  socklen_t len = sizeof addr;
  int listener = gt_listen_tcp("127.0.0.1", (uint16_t)(argc > 1 ? atoi(argv[1]) : 0), 1024);
  if (listener < 0) {
    fprintf(stderr, "cannot listen: %s\n", gt_strerror(listener));
    return 1;
  }
  getsockname(listener, (struct sockaddr *)&addr, &len);
  printf("port %d\n", ntohs(addr.sin_port));
  fflush(stdout);
  for (;;) {
    int fd = gt_accept(listener, NULL, NULL);
    struct client *client = fd < 0 ? NULL : calloc(1, sizeof *client);
    if (client) client->fd = fd;
    if (client && gt_spawn_with(serve, client, &detached) > 0) continue;
    if (fd >= 0) gt_close(fd);
    free(client);
    gt_sleep(10000000); /* out of something: some will come back */
  }
}
