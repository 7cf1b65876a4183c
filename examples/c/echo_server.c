/* A TCP echo server: one task per connection, written as if each call blocked. Thousands of them share one OS thread.
 *
 *   cc echo_server.c $(pkg-config --cflags --libs greenrt) -o echo_server && ./echo_server 7000
 *   (in another terminal)  printf 'hello\n' | nc -N 127.0.0.1 7000
 *
 * Output of the server (with 0 or no number it picks a free port):
 *   port 7000
 */
#include <greenrt.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void *serve(void *arg) {
  int fd = (int)(intptr_t)arg;
  char buf[4096];
  ssize_t n;
  while ((n = gt_recv(fd, buf, sizeof buf, 0)) > 0)
    if (gt_send_all(fd, buf, (size_t)n, 0, NULL) < 0) break;
  gt_close(fd);
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
    if (fd < 0) {
      fprintf(stderr, "accept: %s\n", gt_strerror(fd));
      if (gt_sleep(100000000) < 0) return 1; /* out of descriptors: some will come back */
      continue;
    }
    if (gt_spawn_with(serve, (void *)(intptr_t)fd, &detached) < 0) gt_close(fd);
  }
}
