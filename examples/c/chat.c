/* A chat room over TCP: the first line a client sends is its name, every further one goes to all the others. Each client has a task that
 * reads and a task that writes what comes out of a channel, so a client that does not read stalls nobody: when its channel is full, it
 * is cut off.
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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES = 4096 }; /* that may wait for one client */

struct client {
  int fd;
  char name[32];
  gt_chan_t *outbox; /* of lines, each on the heap */
  struct client *next;
};

static struct client *everybody;

static void announce(const struct client *except, const char *format, const char *name, const char *text) {
  char line[4200];
  snprintf(line, sizeof line, format, name, text);
  for (struct client *to = everybody; to; to = to->next) {
    char *copy = to == except ? NULL : strdup(line);
    if (!copy || gt_chan_send_try(to->outbox, &copy) == 0) continue;
    free(copy);
    gt_half_close(to->fd, SHUT_RDWR); /* too slow: its reader and its writer find out */
  }
}

static void *write_lines(void *arg) {
  const struct client *client = arg;
  char *line;
  while (gt_chan_recv(client->outbox, &line) == 0) {
    int sent = gt_send_all(client->fd, line, strlen(line), 0, NULL);
    free(line);
    if (sent < 0) break;
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

static void serve(int fd, void *arg) {
  struct client client = {.fd = fd, .outbox = gt_chan_new(sizeof(char *), LINES)}, **at = arg;
  char buf[4096], *line, *end;
  int64_t writer = client.outbox ? gt_spawn(write_lines, &client) : -1;
  size_t have = 0;
  ssize_t n;
  while (writer > 0 && (n = gt_recv(fd, buf + have, sizeof buf - have, 0)) > 0) {
    for (have += (size_t)n, line = buf; (end = memchr(line, '\n', have - (size_t)(line - buf))); line = end + 1) {
      *end = 0;
      hear(&client, line);
    }
    have -= (size_t)(line - buf); /* a line longer than the buffer ends the connection: 0 bytes fit */
    memmove(buf, line, have);
  }
  while (*at && *at != &client) at = &(*at)->next;
  if (*at) *at = client.next;
  gt_cancel(writer);
  gt_join(writer, NULL);
  while (gt_chan_recv_try(client.outbox, &line) == 0) free(line);
  gt_chan_free(client.outbox);
  if (client.name[0]) announce(NULL, "* %s left%s\n", client.name, "");
}

int main(int argc, char **argv) {
  struct sockaddr_in addr;
  socklen_t len = sizeof addr;
  int result, listener = gt_listen_tcp("127.0.0.1", (uint16_t)(argc > 1 ? atoi(argv[1]) : 0), 1024);
  if (listener >= 0 && getsockname(listener, (struct sockaddr *)&addr, &len) == 0) printf("port %d\n", ntohs(addr.sin_port));
  fflush(stdout);
  result = gt_serve(listener, serve, &everybody, NULL); /* a task for each connection */
  fprintf(stderr, "cannot serve: %s\n", gt_strerror(listener < 0 ? listener : result));
  return 1;
}
