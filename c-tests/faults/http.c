/* HTTP: a server and its client, with bodies in both framings, a large head, a file, an upgrade. */
#include "faults.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static int ends[2];

static const char requests[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
                               "POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
                               "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
                               "GET /file HTTP/1.1\r\nHost: a\r\nLarge: ";
static const char last[] = "\r\n\r\nGET /up HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nearly";

static void *client(void *arg) {
  static char large[6000], buf[8192];
  (void)arg;
  memset(large, 'x', sizeof large);
  if (TRY(gt_send_all(ends[1], requests, sizeof requests - 1, 0, NULL)) >= 0 && TRY(gt_send_all(ends[1], large, sizeof large, 0, NULL)) >= 0)
    TRY(gt_send_all(ends[1], last, sizeof last - 1, 0, NULL));
  shutdown(ends[1], SHUT_WR);
  while (TRY(gt_recv_until(ends[1], buf, sizeof buf, 0, f_soon())) > 0) continue;
  f_close(ends[1]);
  return NULL;
}

static int64_t answer(gt_http_conn_t *conn, const gt_http_request_t *r, int file) {
  char buf[64];
  const void *early;
  size_t len;
  int64_t n;
  if (r->path_len == 6) return TRY(gt_http_respond(conn, 200, NULL, NULL, 0, "hello", 5));
  if (r->path_len == 3) return TRY(gt_http_upgrade(conn, 101, NULL, 0, &early, &len)) < 0 ? -1 : -2;
  while ((n = TRY(gt_http_read(conn, buf, sizeof buf))) > 0) continue;
  if (n < 0 || TRY(gt_http_start(conn, 200, NULL, NULL, 0)) < 0) return -1;
  if (file >= 0 && TRY(gt_http_sendfile(conn, file, 0, 4096)) < 0) return -1;
  if (TRY(gt_http_write(conn, "hello", 5)) < 0) return -1;
  return TRY(gt_http_finish(conn));
}

static void serve(gt_http_conn_t *conn, int file) {
  gt_http_request_t r = {.size = sizeof r};
  while (TRY(gt_http_next(conn, &r)) == 1 && answer(conn, &r, file) >= 0) continue;
  TRY(gt_http_free(conn));
}

static ssize_t reads(void *ctx, void *buf, size_t len) { return gt_recv_until(*(int *)ctx, buf, len, 0, f_soon()); }
static ssize_t writes(void *ctx, const void *buf, size_t len) { return gt_send(*(int *)ctx, buf, len, 0); }

enum way { OWNED, FOREIGN, FUNCTIONS };

static void converse(enum way way) {
  static const gt_http_io_t io = {.size = sizeof io, .read = reads, .write = writes, .ctx = &ends[0]};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return;
  int file = memfd_create("file", MFD_CLOEXEC);
  if (file >= 0 && ftruncate(file, 5000) < 0) return;
  int64_t task = TRY(gt_spawn(client, NULL));
  if (task < 0) f_close(ends[1]);
  if (way == OWNED) TRY(gt_fd_adopt(ends[0]));
  gt_http_conn_t *conn = way == FUNCTIONS ? MADE(gt_http_new_io(&io, NULL)) : MADE(gt_http_new(ends[0], NULL));
  if (conn) serve(conn, file);
  if (file >= 0) close(file);
  f_close(ends[0]);
  if (task > 0) f_join(task);
}

SCENARIO(http_on_an_owned_socket) { converse(OWNED); }

SCENARIO(http_on_a_foreign_socket) { converse(FOREIGN); }

SCENARIO(http_through_functions) { converse(FUNCTIONS); }
