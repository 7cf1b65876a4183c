/* See http.h. */
#include "http.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static char big[1 << 20];

static void note(struct http *http, const char *format, ...) {
  size_t at = strlen(http->seen);
  va_list args;
  va_start(args, format);
  vsnprintf(http->seen + at, sizeof http->seen - at, format, args);
  va_end(args);
}

#define HEADER(name, value) ((gt_http_header_t){name, strlen(name), value, strlen(value)})

static int is(const gt_http_request_t *r, const char *path) {
  return r->path && strlen(path) == r->path_len && memcmp(r->path, path, r->path_len) == 0;
}

/* Reads the body in pieces of a size that says nothing. */
static ssize_t read_all(struct http *http, char *body, size_t room) {
  size_t got = 0;
  for (;;) {
    ssize_t n = gt_http_read(http->conn, body + got, room - got < 7 ? room - got : 7);
    if (n < 0) return n;
    if (n == 0) return (ssize_t)got;
    got += (size_t)n;
  }
}

static void upgraded(struct http *http, const void *early, size_t len) {
  char buf[64];
  ssize_t n;
  CHECK_EQ(gt_send_all(http->fd, early, len, 0, NULL), 0);
  while ((n = gt_recv(http->fd, buf, sizeof buf, 0)) > 0) CHECK_EQ(gt_send_all(http->fd, buf, (size_t)n, 0, NULL), 0);
}

static void answer(struct http *http, const gt_http_request_t *r) {
  gt_http_conn_t *conn = http->conn;
  gt_http_header_t plain = HEADER("Content-Type", "text/plain"), ten = HEADER("Content-Length", "10");
  static char body[sizeof http->seen];
  const void *early;
  size_t early_len;
  ssize_t n = 0;
  int keep = gt_http_keeps_alive(conn);
  CHECK_EQ(keep, (r->flags & GT_HTTP_KEEP_ALIVE) != 0);
  if (!is(r, "/skip") && !is(r, "/late") && !is(r, "/upgrade")) {
    n = read_all(http, body, sizeof body);
    if (n < 0) {
      note(http, "!%s", gt_strerror((int)n));
      if (strchr(http->seen, '!')) *strchr(strrchr(http->seen, '!'), ':') = 0;
    } else if (r->content_length != 0) {
      note(http, "=%.*s", (int)n, body);
    }
  }
  note(http, "\n");
  if (n < 0) {
    int status = gt_http_status(conn);
    http->rc = gt_http_respond(conn, status ? status : 500, NULL, NULL, 0, "", 0);
  } else if (is(r, "/") || is(r, "/skip")) {
    http->rc = gt_http_respond(conn, 200, NULL, &plain, 1, "hello\n", 6);
  } else if (is(r, "/echo")) {
    http->rc = gt_http_respond(conn, 200, "Yes", NULL, 0, body, (size_t)n);
  } else if (is(r, "/none")) {
    http->rc = gt_http_respond(conn, 204, NULL, NULL, 0, NULL, 0);
  } else if (is(r, "/stream") || is(r, "/length") || is(r, "/abort") || is(r, "/short")) {
    int said = is(r, "/length") || is(r, "/short");
    CHECK_EQ(gt_http_start(conn, 200, NULL, &ten, said ? 1 : 0), 0);
    CHECK_EQ(gt_http_has_begun(conn), 0);
    CHECK_EQ(gt_http_write(conn, "first", 5), 5);
    CHECK_EQ(gt_http_has_begun(conn), 1);
    if (is(r, "/abort")) {
      http->rc = gt_http_abort(conn);
      return;
    }
    if (!is(r, "/short")) CHECK_EQ(gt_http_write(conn, "other", 5), 5);
    http->rc = gt_http_finish(conn);
  } else if (is(r, "/large")) {
    memset(big, 'x', sizeof big);
    http->rc = gt_http_respond(conn, 200, NULL, NULL, 0, big, sizeof big);
  } else if (is(r, "/close")) {
    gt_http_header_t close = HEADER("Connection", "close");
    http->rc = gt_http_respond(conn, 200, NULL, &close, 1, "bye\n", 4);
    CHECK_EQ(gt_http_keeps_alive(conn), 0);
  } else if (is(r, "/late")) {
    CHECK_EQ(gt_http_start(conn, 200, NULL, NULL, 0), 0);
    CHECK_EQ(gt_http_write(conn, NULL, 0), 0);
    while ((n = gt_http_read(conn, body, 5)) > 0) CHECK_EQ(gt_http_write(conn, body, (size_t)n), n);
    http->rc = gt_http_finish(conn);
  } else if (is(r, "/upgrade")) {
    gt_http_header_t to = HEADER("Upgrade", "echo");
    http->rc = gt_http_upgrade(conn, 101, &to, 1, &early, &early_len);
    if (http->rc == 0) upgraded(http, early, early_len);
  } else {
    http->rc = gt_http_respond(conn, 404, NULL, NULL, 0, "no\n", 3);
  }
}

static void *serve(void *arg) {
  struct http *http = arg;
  gt_http_request_t r = {.size = sizeof r};
  for (int i = 0; i < 1000; i++) {
    int rc = gt_http_next(http->conn, &r);
    if (rc != 1) {
      CHECK_LT(http->ends, (int)COUNT(http->results));
      http->results[http->ends++] = rc;
      http->status = gt_http_status(http->conn);
      /* After a cancel or an interrupt it can be asked again; a task that was cancelled gets the same. */
      if (rc == -EINTR) continue;
      break;
    }
    CHECK_EQ(r.size, sizeof r);
    http->requests++;
    http->head_time = gt_now();
    note(http, "%.*s %.*s %d", (int)r.method_len, r.method, (int)r.target_len, r.target, r.minor);
    for (size_t h = 0; h < r.header_count; h++) {
      if (r.headers[h].name_len == 4 && memcmp(r.headers[h].name, "Host", 4) == 0) continue;
      note(http, " %.*s:%.*s", (int)r.headers[h].name_len, r.headers[h].name, (int)r.headers[h].value_len, r.headers[h].value);
    }
    answer(http, &r);
    if (gt_http_next(http->conn, NULL) != -EINVAL) FAIL("a request without a place for it");
    if (http->rc == 0 && is(&r, "/upgrade")) break;
  }
  CHECK_EQ(gt_http_free(http->conn), 0);
  http->conn = NULL;
  if (!http->io) CHECK_EQ(gt_close(http->fd), 0);
  return NULL;
}

void s_http_start(struct http *http) {
  http->limits.size = sizeof http->limits;
  if (!http->fd && !http->io) {
    int fds[2];
    s_unix_pair(SOCK_STREAM, fds);
    http->fd = fds[0];
    http->peer = fds[1];
  }
  if (!http->plain && !http->io) CHECK_EQ(gt_fd_adopt(http->fd), 0);
  http->conn = http->io ? gt_http_new_io(http->io, &http->limits) : gt_http_new(http->fd, &http->limits);
  CHECK(http->conn != NULL);
  http->task = s_spawn(serve, http);
  s_settle();
}

void s_http_send(struct http *http, const void *bytes, size_t len) {
  CHECK_EQ(gt_send_all(http->peer, bytes, len, 0, NULL), 0);
  s_settle();
}

static const char *answers(struct http *http, int64_t deadline) {
  static char all[(1 << 20) + 65536];
  size_t got = 0;
  ssize_t n;
  while ((n = gt_recv_until(http->peer, all + got, sizeof all - 1 - got, 0, deadline)) > 0) got += (size_t)n;
  http->last = n;
  all[got] = 0;
  for (char *date; (date = strstr(all, "Date: "));) memmove(date, strstr(date, "\r\n") + 2, strlen(strstr(date, "\r\n") + 2) + 1);
  return all;
}

const char *s_http_answers(struct http *http) { return answers(http, GT_NEVER); }

const char *s_http_so_far(struct http *http) { return answers(http, gt_now() + 1); }

void s_http_end(struct http *http) {
  s_join(http->task);
  CHECK_EQ(gt_close(http->peer), 0);
}

const char *s_http_cut(struct http *http, const char *requests, size_t len, size_t at) {
  const char *answers;
  s_http_start(http);
  if (at > 0) s_http_send(http, requests, at);
  if (gt_send_all(http->peer, requests + at, len - at, 0, NULL) == 0) shutdown(http->peer, SHUT_WR);
  s_settle();
  answers = s_http_answers(http);
  s_http_end(http);
  return answers;
}

const char *s_http_talk(struct http *http, const char *requests) { return s_http_cut(http, requests, strlen(requests), 0); }
