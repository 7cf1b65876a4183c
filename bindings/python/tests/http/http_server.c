/* A server for the tests with tools: /hello, /echo (the body, streamed back), /size/N (N bytes), /wait (an answer in two pieces). */
#include <greenrt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int begins(const gt_http_request_t *r, const char *with) {
  return r->path && r->path_len >= strlen(with) && memcmp(r->path, with, strlen(with)) == 0;
}

static int answer(gt_http_conn_t *conn, const gt_http_request_t *r) {
  static char bytes[1 << 16];
  char buf[5000];
  ssize_t n;
  if (begins(r, "/echo")) {
    int rc = gt_http_start(conn, 200, NULL, NULL, 0);
    while (rc == 0 && (n = gt_http_read(conn, buf, sizeof buf)) != 0)
      if (n < 0 || gt_http_write(conn, buf, (size_t)n) < 0) return gt_http_abort(conn), -1;
    return rc < 0 ? rc : gt_http_finish(conn);
  }
  if (begins(r, "/size/")) {
    size_t left = (size_t)strtoull(r->path + 6, NULL, 10);
    int rc = gt_http_start(conn, 200, NULL, NULL, 0);
    memset(bytes, 'x', sizeof bytes);
    for (; rc == 0 && left > 0; left -= (size_t)n)
      if ((n = gt_http_write(conn, bytes, left < sizeof bytes ? left : sizeof bytes)) < 0) return -1;
    return rc < 0 ? rc : gt_http_finish(conn);
  }
  if (begins(r, "/wait")) {
    if (gt_http_start(conn, 200, NULL, NULL, 0) < 0 || gt_http_write(conn, "first\n", 6) < 0 || gt_sleep(50000000) < 0) return -1;
    if (gt_http_write(conn, "second\n", 7) < 0) return -1;
    return gt_http_finish(conn);
  }
  if (begins(r, "/hello")) return gt_http_respond(conn, 200, NULL, NULL, 0, "hello\n", 6);
  return gt_http_respond(conn, 404, NULL, NULL, 0, "no\n", 3);
}

static void serve(int fd, void *limits) {
  gt_http_request_t request = {.size = sizeof request};
  gt_http_conn_t *conn = gt_http_new(fd, limits);
  while (conn && gt_http_next(conn, &request) == 1 && answer(conn, &request) == 0) continue;
  gt_http_free(conn);
}

int main(void) {
  gt_http_limits_t limits = {.size = sizeof limits, .max_body = 100 << 20};
  struct sockaddr_in addr;
  socklen_t len = sizeof addr;
  int listener = gt_listen_tcp("127.0.0.1", 0, 1024);
  if (listener < 0) return 1;
  getsockname(listener, (struct sockaddr *)&addr, &len);
  printf("port %d\n", ntohs(addr.sin_port));
  fflush(stdout);
  return gt_serve(listener, serve, &limits, NULL) < 0;
}
