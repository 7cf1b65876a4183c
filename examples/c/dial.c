/* Fetches a page from a server by name. The name is resolved beside the running tasks, each address is tried in turn, and one deadline
 * covers the whole exchange. A second task prints dots meanwhile, to show that nothing stands still.
 *
 *   cc dial.c $(pkg-config --cflags --libs greenrt) -o dial && ./dial localhost 8000 /
 *
 * Output (dots and headers vary):
 *   .
 *   HTTP/1.0 200 OK
 *   ...
 *   150 bytes from localhost
 */
#include <greenrt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *dots(void *arg) {
  do {
    fputc('.', stdout);
    fflush(stdout);
  } while (gt_sleep(10000000) == 0); /* until it is cancelled */
  fputc('\n', stdout);
  return arg;
}

static long fetch(const char *host, uint16_t port, const char *path) {
  char buf[4096];
  long total = 0, n;
  int fd = gt_dial_tcp(host, port);
  if (fd < 0) return fd;
  int length = snprintf(buf, sizeof buf, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path, host);
  n = length < (int)sizeof buf ? gt_send_all(fd, buf, (size_t)length, 0, NULL) : -1;
  while (n >= 0 && (n = gt_recv(fd, buf, sizeof buf, 0)) > 0) {
    fwrite(buf, 1, (size_t)n, stdout);
    total += n;
  }
  gt_close(fd);
  return n < 0 ? n : total;
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: dial HOST PORT [PATH]\n");
    return 2;
  }
  int64_t busy = gt_spawn(dots, NULL);
  int64_t scope = gt_deadline_push(gt_now() + 5000000000);
  long got = fetch(argv[1], (uint16_t)atoi(argv[2]), argc > 3 ? argv[3] : "/");
  int late = gt_deadline_pop(scope);
  gt_cancel(busy);
  gt_join(busy, NULL);
  if (got < 0) {
    fprintf(stderr, "%s: %s%s\n", argv[1], gt_strerror((int)got), late == 1 ? " (five seconds were over)" : "");
    return 1;
  }
  printf("%ld bytes from %s\n", got, argv[1]);
  return 0;
}
