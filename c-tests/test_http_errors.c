/* HTTP: every error of every function, and what can still be done after it. */
#include "support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
#define PLAIN "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

/* A connection of functions that give what they are told to. */
struct script {
  const char *in; /* what is still to be read */
  int no_read, no_write; /* an error of the next read, of the next write */
  int reads, writes;
  size_t out;
};

static ssize_t script_read(void *ctx, void *buf, size_t len) {
  struct script *s = ctx;
  s->reads++;
  size_t n = strlen(s->in) < len ? strlen(s->in) : len;
  if (n == 0 && s->no_read) return s->no_read;
  memcpy(buf, s->in, n);
  s->in += n;
  return (ssize_t)n;
}

static ssize_t script_write(void *ctx, const void *buf, size_t len) {
  struct script *s = ctx;
  (void)buf;
  s->writes++;
  if (s->no_write) return s->no_write;
  s->out += len;
  return (ssize_t)len;
}

static int file_of(const void *bytes, size_t len) {
  int fd = memfd_create("file", MFD_CLOEXEC);
  CHECK_OK(fd);
  CHECK_EQ(write(fd, bytes, len), (ssize_t)len);
  return fd;
}

static gt_http_conn_t *play(struct script *script) {
  gt_http_io_t io = {.size = sizeof io, .read = script_read, .write = script_write, .ctx = script};
  gt_http_conn_t *conn = gt_http_new_io(&io, NULL);
  CHECK(conn != NULL);
  return conn;
}

static int next(gt_http_conn_t *conn) {
  gt_http_request_t r = {.size = sizeof r};
  return gt_http_next(conn, &r);
}

static gt_http_conn_t *asked(struct script *script, const char *bytes) {
  script->in = bytes;
  gt_http_conn_t *conn = play(script);
  CHECK_EQ(next(conn), 1);
  return conn;
}

TEST(http_new_refuses_what_is_no_connection) {
  gt_http_limits_t limits = {.size = sizeof limits};
  gt_http_io_t io = {.size = sizeof io, .read = script_read};
  struct {
    gt_http_limits_t limits;
    uint64_t more;
  } larger = {.limits = {.size = sizeof larger}, .more = 1};
  int pipe[2], fds[2];
  CHECK(gt_http_new(-1, NULL) == NULL && errno == EBADF);
  s_pipe(pipe, 0);
  CHECK(gt_http_new(pipe[0], NULL) == NULL && errno == ENOTSOCK);
  s_close_pair(pipe);
  s_unix_pair(SOCK_STREAM, fds);
  CHECK(gt_http_new(fds[0], &larger.limits) == NULL && errno == E2BIG);
  limits.size = 8;
  CHECK(gt_http_new(fds[0], &limits) == NULL && errno == EINVAL);
  limits.size = sizeof limits;
  limits.idle = -1;
  CHECK(gt_http_new(fds[0], &limits) == NULL && errno == EINVAL);
  limits.idle = 0;
  limits.body_total = -1;
  CHECK(gt_http_new(fds[0], &limits) == NULL && errno == EINVAL);
  limits.body_total = 0;
  limits.max_headers = (size_t)1 << 40;
  CHECK(gt_http_new(fds[0], &limits) == NULL && errno == EINVAL);
  limits.max_headers = 0;
  limits.flags = GT_HTTP_HOSTLESS << 1;
  CHECK(gt_http_new(fds[0], &limits) == NULL && errno == EINVAL);
  limits.flags = GT_HTTP_HOSTLESS;
  limits.reserved = 1;
  CHECK(gt_http_new(fds[0], &limits) == NULL && errno == EINVAL);
  CHECK(gt_http_new_io(NULL, NULL) == NULL && errno == EINVAL);
  CHECK(gt_http_new_io(&io, NULL) == NULL && errno == EINVAL);
  s_close_pair(fds);
}

static void all_say(gt_http_conn_t *conn, int error) {
  gt_http_request_t r = {.size = sizeof r};
  char buf[8];
  const void *early;
  size_t len;
  CHECK_EQ(gt_http_next(conn, &r), error);
  CHECK_EQ(gt_http_read(conn, buf, sizeof buf), error);
  CHECK_EQ(gt_http_respond(conn, 200, NULL, NULL, 0, "", 0), error);
  CHECK_EQ(gt_http_start(conn, 200, NULL, NULL, 0), error);
  CHECK_EQ(gt_http_write(conn, "x", 1), error);
  CHECK_EQ(gt_http_sendfile(conn, 0, 0, 1), error);
  CHECK_EQ(gt_http_finish(conn), error);
  CHECK_EQ(gt_http_inform(conn, 103, NULL, 0), error);
  CHECK_EQ(gt_http_upgrade(conn, 101, NULL, 0, &early, &len), error);
  CHECK_EQ(gt_http_abort(conn), error);
  CHECK_EQ(gt_http_status(conn), error);
  CHECK_EQ(gt_http_sent(conn), error);
  CHECK_EQ(gt_http_has_begun(conn), error);
  CHECK_EQ(gt_http_keeps_alive(conn), error);
}

TEST(http_knows_a_connection_that_is_none) {
  struct script script = {.in = ""};
  gt_http_conn_t *conn = play(&script);
  all_say(NULL, -EINVAL);
  CHECK_EQ(gt_http_free(NULL), 0);
  CHECK_EQ(gt_http_free(conn), 0);
  all_say(conn, -EINVAL);
  CHECK_EQ(gt_http_free(conn), -EINVAL);
}

static void *waits(void *conn) { return (void *)(intptr_t)next(conn); }

TEST(http_is_used_by_one_task_at_a_time) {
  int fds[2];
  s_unix_pair(SOCK_STREAM, fds);
  gt_http_conn_t *conn = gt_http_new(fds[0], NULL);
  int64_t task = s_spawn(waits, conn);
  s_settle();
  all_say(conn, -EBUSY);
  CHECK_EQ(gt_http_free(conn), -EBUSY);
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ((intptr_t)s_join(task), -ECANCELED);
  CHECK_EQ(gt_http_free(conn), 0);
  s_close_pair(fds);
}

TEST(http_calls_have_their_order) {
  struct script script = {0};
  gt_http_request_t small = {.size = 8}, r = {.size = sizeof r};
  char buf[8];
  const void *early;
  size_t len;
  script.in = "";
  gt_http_conn_t *conn = play(&script);
  CHECK_EQ(gt_http_read(conn, buf, sizeof buf), -EINVAL);
  CHECK_EQ(gt_http_respond(conn, 200, NULL, NULL, 0, "", 0), -EINVAL);
  CHECK_EQ(gt_http_start(conn, 200, NULL, NULL, 0), -EINVAL);
  CHECK_EQ(gt_http_write(conn, "", 0), -EINVAL);
  CHECK_EQ(gt_http_sendfile(conn, 0, 0, 1), -EINVAL);
  CHECK_EQ(gt_http_finish(conn), -EINVAL);
  CHECK_EQ(gt_http_inform(conn, 103, NULL, 0), -EINVAL);
  CHECK_EQ(gt_http_upgrade(conn, 101, NULL, 0, &early, &len), -EINVAL);
  CHECK_EQ(gt_http_next(conn, &small), -EINVAL);
  script.in = REQUEST "12345" PLAIN;
  CHECK_EQ(next(conn), 1);
  CHECK_EQ(next(conn), -EINVAL); /* no answer yet */
  CHECK_EQ(gt_http_write(conn, "", 0), -EINVAL);
  CHECK_EQ(gt_http_upgrade(conn, 101, NULL, 0, &early, &len), -EINVAL); /* it has a body */
  CHECK_EQ(gt_http_read(conn, NULL, 1), -EINVAL);
  CHECK_EQ(gt_http_start(conn, 200, NULL, NULL, 0), 0);
  CHECK_EQ(gt_http_start(conn, 200, NULL, NULL, 0), -EINVAL);
  CHECK_EQ(gt_http_respond(conn, 200, NULL, NULL, 0, "", 0), -EINVAL);
  CHECK_EQ(gt_http_write(conn, NULL, 1), -EINVAL);
  CHECK_EQ(gt_http_sendfile(conn, 0, -1, 1), -EINVAL);
  CHECK_EQ(gt_http_inform(conn, 103, NULL, 0), 1); /* the head is held back */
  CHECK_EQ(gt_http_write(conn, NULL, 0), 0);
  CHECK_EQ(gt_http_inform(conn, 103, NULL, 0), -EINVAL);
  CHECK_EQ(gt_http_finish(conn), 0);
  CHECK_EQ(gt_http_finish(conn), -EINVAL);
  CHECK_EQ(next(conn), 1);
  CHECK_EQ(gt_http_inform(conn, 103, NULL, 1), -EINVAL);
  CHECK_EQ(gt_http_upgrade(conn, 200, NULL, 0, &early, &len), -EINVAL);
  CHECK_EQ(gt_http_upgrade(conn, 101, NULL, 0, NULL, &len), -EINVAL);
  CHECK_EQ(gt_http_upgrade(conn, 101, NULL, 0, &early, NULL), -EINVAL);
  CHECK_EQ(gt_http_upgrade(conn, 0, NULL, 0, &early, &len), 0);
  CHECK_EQ(len, 0);
  CHECK_EQ(next(conn), -EINVAL);
  CHECK_EQ(gt_http_respond(conn, 200, NULL, NULL, 0, "", 0), -EINVAL);
  CHECK_EQ(gt_http_free(conn), 0);
  conn = asked(&script, "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
  CHECK_EQ(gt_http_upgrade(conn, 101, NULL, 0, &early, &len), -EINVAL);
  CHECK_EQ(gt_http_free(conn), 0);
  /* What may be in the middle of a tunnel is no answer. */
  conn = asked(&script, "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK_EQ(gt_http_respond(conn, 200, NULL, NULL, 0, "", 0), -EINVAL);
  CHECK_EQ(gt_http_start(conn, 200, NULL, NULL, 0), -EINVAL);
  CHECK_EQ(gt_http_upgrade(conn, 200, NULL, 0, &early, &len), 0);
  CHECK_EQ(gt_http_free(conn), 0);
}

/* Whoever chooses a value does not get to write lines of his own. */
TEST(http_refuses_headers_that_are_none) {
  static const struct {
    int status;
    const char *reason;
    gt_http_header_t header;
    size_t len;
  } rows[] = {
#define H(name, value) {name, sizeof(name) - 1, value, sizeof(value) - 1}
      {200, NULL, H("X", "a\r\nSet-Cookie: b"), 0},
      {200, NULL, H("X", "a\nb"), 0},
      {200, NULL, H("X", "a\rb"), 0},
      {200, NULL, H("X", "a\0b"), 0},
      {200, NULL, H("X", "a\x7f"), 0},
      {200, NULL, H("X", "\x1b[m"), 0},
      {200, NULL, H("X\r\nY", "a"), 0},
      {200, NULL, H("X:", "a"), 0},
      {200, NULL, H("X Y", "a"), 0},
      {200, NULL, H("", "a"), 0},
      {200, NULL, H("\xc3\xa9", "a"), 0},
      {200, NULL, {NULL, 1, "a", 1}, 0},
      {200, NULL, {"X", 1, NULL, 1}, 0},
      {200, "a\r\nb", H("X", "a"), 0},
      {199, NULL, H("X", "a"), 0},
      {1000, NULL, H("X", "a"), 0},
      {-1, NULL, H("X", "a"), 0},
      {65736, NULL, H("X", "a"), 0},
      {200, NULL, H("Content-Length", "4"), 5},
      {200, NULL, H("Content-Length", "-5"), 5},
      {200, NULL, H("Content-Length", "+5"), 5},
      {200, NULL, H("Content-Length", ""), 0},
      {200, NULL, H("Content-Length", "99999999999999999999"), 0},
      {204, NULL, H("Content-Length", "0"), 0},
      {200, NULL, H("Transfer-Encoding", "gzip"), 0},
      {200, NULL, H("Transfer-Encoding", "gzip, chunked"), 0},
  };
  struct script script = {0};
  gt_http_conn_t *conn = asked(&script, PLAIN);
  const void *early;
  size_t len;
  for (size_t i = 0; i < COUNT(rows); i++) {
    if (gt_http_respond(conn, rows[i].status, rows[i].reason, &rows[i].header, 1, "12345", rows[i].len) != -EINVAL) FAIL("respond: row %zu", i);
    if (i < 18 && gt_http_start(conn, rows[i].status, rows[i].reason, &rows[i].header, 1) != -EINVAL) FAIL("start: row %zu", i);
    if (i < 13 && gt_http_inform(conn, 103, &rows[i].header, 1) != -EINVAL) FAIL("inform: row %zu", i);
    if (i < 13 && gt_http_upgrade(conn, 101, &rows[i].header, 1, &early, &len) != -EINVAL) FAIL("upgrade: row %zu", i);
  }
  gt_http_header_t twice[] = {H("Content-Length", "5"), H("content-length", "5")};
  CHECK_EQ(gt_http_respond(conn, 200, NULL, twice, 2, "12345", 5), -EINVAL);
  CHECK_EQ(gt_http_respond(conn, 200, NULL, NULL, 1, "", 0), -EINVAL);
  CHECK_EQ(gt_http_respond(conn, 200, NULL, NULL, 0, NULL, 5), -EINVAL);
  gt_http_header_t not_yet[] = {H("Content-Length", "0"), H("Connection", "close")};
  CHECK_EQ(gt_http_inform(conn, 103, not_yet, 1), -EINVAL);
  CHECK_EQ(gt_http_inform(conn, 103, not_yet + 1, 1), -EINVAL);
  static const int no_interim[] = {-1, 0, 99, 101, 200, 404, 65736};
  for (size_t i = 0; i < COUNT(no_interim); i++) CHECK_EQ(gt_http_inform(conn, no_interim[i], NULL, 0), -EINVAL);
  CHECK_EQ(script.writes, 0);
  /* And these are some. */
  gt_http_header_t fine[] = {H("X", ""), H("Y", "\xc3\xa9\t x"), H("!#$%&'*+-.^_`|~09", "a"), H("Transfer-Encoding", "Chunked"), {"Z", 1, NULL, 0}};
  CHECK_EQ(gt_http_respond(conn, 200, "\xc3\xa9", fine, COUNT(fine), "12345", 5), 0);
  CHECK_EQ(gt_http_free(conn), 0);
}

TEST(http_holds_an_answer_to_its_length) {
  struct script script = {0};
  gt_http_header_t five = {"Content-Length", 14, "5", 1};
  int pipe[2];
  gt_http_conn_t *conn = asked(&script, PLAIN);
  CHECK_EQ(gt_http_start(conn, 200, NULL, &five, 1), 0);
  CHECK_EQ(gt_http_write(conn, "123456", 6), -EMSGSIZE);
  CHECK_EQ(gt_http_write(conn, "1234", 4), 4);
  CHECK_EQ(gt_http_write(conn, "56", 2), -EMSGSIZE);
  int file = file_of("abc", 3);
  CHECK_EQ(gt_http_sendfile(conn, file, 0, 3), -EMSGSIZE);
  CHECK_EQ(gt_http_sendfile(conn, -1, 0, 3), -EBADF);
  s_pipe(pipe, 0);
  CHECK_EQ(gt_http_sendfile(conn, pipe[0], 0, 3), -EINVAL);
  s_close_pair(pipe);
  CHECK_EQ(gt_http_keeps_alive(conn), 1);
  CHECK_EQ(gt_http_finish(conn), -EMSGSIZE);
  CHECK_EQ(gt_http_keeps_alive(conn), 0);
  CHECK_EQ(next(conn), 0);
  CHECK_EQ(gt_http_free(conn), 0);
  close(file);
}

/* What ends a wait leaves everything as it was. */
TEST(http_next_and_read_go_on_after_they_were_ended) {
  static const int ends[] = {-EINTR, -ECANCELED, -ENOMEM};
  for (size_t i = 0; i < COUNT(ends); i++) {
    struct script script = {.in = "POST / HTT", .no_read = ends[i]};
    char buf[8];
    gt_http_conn_t *conn = play(&script);
    CHECK_EQ(next(conn), ends[i]);
    script.in = "P/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12";
    CHECK_EQ(next(conn), 1);
    CHECK_EQ(gt_http_read(conn, buf, sizeof buf), 2);
    CHECK_EQ(gt_http_read(conn, buf, sizeof buf), ends[i]);
    script.in = "345";
    CHECK_EQ(gt_http_read(conn, buf, sizeof buf), 3);
    CHECK_EQ(gt_http_read(conn, buf, sizeof buf), 0);
    CHECK_EQ(gt_http_respond(conn, 200, NULL, NULL, 0, "", 0), 0);
    CHECK_EQ(gt_http_keeps_alive(conn), 1);
    CHECK_EQ(gt_http_free(conn), 0);
  }
}

TEST(http_scopes_end_a_wait_too) {
  int fds[2];
  char buf[8];
  CHECK_EQ(gt_clock_virtual(MS(1), 0), 0);
  s_unix_pair(SOCK_STREAM, fds);
  gt_http_conn_t *conn = gt_http_new(fds[0], NULL);
  int64_t scope = gt_deadline_push(gt_now() + MS(10));
  CHECK_EQ(next(conn), -ETIMEDOUT);
  CHECK_EQ(gt_http_status(conn), 0);
  CHECK_EQ(gt_deadline_pop(scope), 1);
  CHECK_EQ(gt_send_all(fds[1], REQUEST, strlen(REQUEST), 0, NULL), 0);
  CHECK_EQ(next(conn), 1);
  scope = gt_deadline_push(gt_now() + MS(10));
  CHECK_EQ(gt_http_read(conn, buf, sizeof buf), -ETIMEDOUT);
  CHECK_EQ(gt_http_status(conn), 0);
  CHECK_EQ(gt_deadline_pop(scope), 1);
  CHECK_EQ(gt_send_all(fds[1], "12345", 5, 0, NULL), 0);
  CHECK_EQ(gt_http_read(conn, buf, sizeof buf), 5);
  CHECK_EQ(gt_http_keeps_alive(conn), 1);
  CHECK_EQ(gt_http_free(conn), 0);
  s_close_pair(fds);
}

/* Nothing was sent: it can be tried again. Another error, and the connection is over. */
TEST(http_writes_that_fail) {
  static const int errors[] = {-EINTR, -ECANCELED, -EPIPE, -ECONNRESET, -ETIMEDOUT};
  static char much[100000];
  const void *early;
  size_t len;
  int file = file_of(much, sizeof much);
  for (size_t i = 0; i < COUNT(errors); i++) {
    int again = i < 2;
    for (int verb = 0; verb < 6; verb++) {
      struct script script = {.no_write = errors[i]};
      gt_http_conn_t *conn = asked(&script, PLAIN);
      for (int turn = 0; turn < 2; turn++) {
        long rc = 0, should = turn ? again ? 0 : -EINVAL : errors[i];
        if (verb == 0) rc = gt_http_respond(conn, 200, NULL, NULL, 0, much, sizeof much);
        if (verb == 1) rc = gt_http_upgrade(conn, 101, NULL, 0, &early, &len);
        if (verb > 1 && verb < 5 && !turn) CHECK_EQ(gt_http_start(conn, 200, NULL, NULL, 0), 0);
        if (verb == 2) rc = gt_http_write(conn, much, sizeof much);
        if (verb == 3) rc = gt_http_finish(conn);
        if (verb == 4) rc = gt_http_sendfile(conn, file, 0, sizeof much);
        if (verb == 5) rc = gt_http_inform(conn, 103, NULL, 0);
        if ((verb == 2 || verb == 4) && turn && again) should = sizeof much;
        if (verb == 5 && turn && again) should = 1;
        CHECK_EQ(rc, should);
        script.no_write = 0;
      }
      if (!again) CHECK_EQ(next(conn), 0);
      CHECK_EQ(gt_http_free(conn), 0);
    }
  }
  close(file);
}

/* -- a file that becomes shorter when its length has been promised */

static int shrinking;

static ssize_t script_shrink(void *ctx, const void *buf, size_t len) {
  CHECK_OK(ftruncate(shrinking, 3));
  return script_write(ctx, buf, len);
}

TEST(http_files_that_fail) {
  struct script script = {.in = PLAIN PLAIN};
  gt_http_io_t io = {.size = sizeof io, .read = script_read, .write = script_shrink, .ctx = &script};
  gt_http_conn_t *conn = gt_http_new_io(&io, NULL);
  CHECK_EQ(next(conn), 1);
  shrinking = file_of("0123456789", 10);
  CHECK_EQ(gt_http_start(conn, 200, NULL, NULL, 0), 0);
  CHECK_EQ(gt_http_sendfile(conn, shrinking, 0, 10), -EIO);
  CHECK_EQ(next(conn), 0);
  CHECK_EQ(gt_http_free(conn), 0);
  close(shrinking);
  conn = asked(&script, PLAIN);
  shrinking = file_of("0123456789", 10);
  script.no_write = -ENOMEM;
  CHECK_EQ(gt_http_start(conn, 200, NULL, NULL, 0), 0);
  CHECK_EQ(gt_http_sendfile(conn, shrinking, 0, 10), -ENOMEM);
  CHECK_EQ(gt_http_free(conn), 0);
  close(shrinking);
}

/* -- no memory: an allocator that has none left */

static int none_left;
static long given;

static void *give(size_t size, size_t align, void *arg) {
  (void)arg;
  given++;
  return none_left ? NULL : aligned_alloc(align, (size + align - 1) / align * align);
}
static void *give_more(void *old, size_t old_size, size_t size, size_t align, void *arg) {
  void *new = give(size, align, arg);
  if (!new) return NULL;
  memcpy(new, old, old_size < size ? old_size : size);
  free(old);
  return new;
}
static void take(void *old, size_t size, size_t align, void *arg) {
  (void)size, (void)align, (void)arg;
  free(old);
}

TEST(http_without_memory_loses_nothing) {
  gt_config_t config = {.size = sizeof config, .alloc = give, .realloc = give_more, .dealloc = take};
  struct script script = {.in = PLAIN "GET / HTTP/1.1\r\nHost: a\r\nLarge: "};
  static char large[5001];
  const void *early;
  size_t len;
  CHECK_EQ(gt_config(&config), 0);
  gt_http_conn_t *conn = play(&script);
  none_left = 1;
  for (int i = 0; i < 100; i++) {
    gt_http_conn_t *more = gt_http_new_io(NULL, NULL);
    CHECK(more == NULL);
  }
  CHECK_EQ(next(conn), -ENOMEM);
  none_left = 0;
  CHECK_EQ(gt_yield(), 0);
  CHECK_EQ(next(conn), 1);
  none_left = 1;
  CHECK_EQ(gt_http_respond(conn, 200, NULL, NULL, 0, "x", 1), -ENOMEM);
  CHECK_EQ(gt_http_start(conn, 200, NULL, NULL, 0), -ENOMEM);
  CHECK_EQ(gt_http_inform(conn, 103, NULL, 0), -ENOMEM);
  CHECK_EQ(gt_http_upgrade(conn, 101, NULL, 0, &early, &len), -ENOMEM);
  none_left = 0;
  CHECK_EQ(gt_http_respond(conn, 200, NULL, NULL, 0, "x", 1), 0);
  CHECK_EQ(script.writes, 1);
  script.no_read = -EINTR;
  CHECK_EQ(next(conn), -EINTR); /* half of the next one is in the buffer, which is full soon */
  memset(large, 'x', sizeof large - 1);
  script.in = large;
  none_left = 1;
  CHECK_EQ(next(conn), -ENOMEM);
  CHECK_EQ(next(conn), -ENOMEM);
  none_left = 0;
  CHECK_EQ(next(conn), -EINTR);
  script.in = "\r\n\r\n";
  CHECK_EQ(next(conn), 1);
  CHECK_EQ(gt_http_respond(conn, 200, NULL, NULL, 0, "x", 1), 0);
  CHECK_EQ(gt_http_free(conn), 0);
}

TEST(http_request_costs_a_read_a_write_and_no_memory) {
  gt_config_t config = {.size = sizeof config, .alloc = give, .realloc = give_more, .dealloc = take};
  struct script script = {.in = PLAIN};
  char buf[16];
  CHECK_EQ(gt_config(&config), 0);
  gt_http_conn_t *conn = play(&script);
  for (int i = 0; i < 100; i++) {
    long before = given;
    int with_body = i % 2;
    script.in = with_body ? REQUEST "12345" : PLAIN;
    CHECK_EQ(next(conn), 1);
    if (with_body) CHECK_EQ(gt_http_read(conn, buf, sizeof buf), 5);
    CHECK_EQ(gt_http_respond(conn, 200, NULL, NULL, 0, "hello", 5), 0);
    CHECK_EQ(script.reads, i + 1);
    CHECK_EQ(script.writes, i + 1);
    if (i > 1) CHECK_EQ(given, before);
  }
  CHECK_EQ(gt_http_free(conn), 0);
}

/* -- what the other end does */

static void wrong(const char *bytes, int error, int status) {
  struct script script = {.in = bytes};
  gt_http_conn_t *conn = play(&script);
  CHECK_EQ(next(conn), error);
  CHECK_EQ(gt_http_status(conn), status);
  CHECK_EQ(script.writes > 0, status > 0);
  CHECK_EQ(next(conn), 0);
  CHECK_EQ(gt_http_free(conn), 0);
}

TEST(http_next_tells_what_was_wrong) {
  static char large[9000] = "GET /";
  memset(large + 5, 'x', sizeof large - 6);
  wrong("nonsense\r\n\r\n", -EBADMSG, 400);
  wrong(large, -EMSGSIZE, 414);
  wrong("GET / HTTP/1.1\r\nHo", -ECONNRESET, 0);
  wrong("", 0, 0);
}

TEST(http_read_tells_what_was_wrong) {
  static const struct {
    const char *body;
    int error, status;
  } rows[] = {{"5\r\n1234", -ECONNRESET, 0}, {"x", -EBADMSG, 400}, {"fffffffff\r\n", -EMSGSIZE, 413}};
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct script script = {0};
    char buf[8];
    ssize_t n;
    gt_http_conn_t *conn = asked(&script, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    script.in = rows[i].body;
    while ((n = gt_http_read(conn, buf, sizeof buf)) > 0) {}
    CHECK_EQ(n, rows[i].error);
    CHECK_EQ(gt_http_status(conn), rows[i].status);
    CHECK_EQ(gt_http_respond(conn, 400, NULL, NULL, 0, "", 0), 0); /* and can still be told so */
    CHECK_EQ(script.writes, 1);
    CHECK_EQ(next(conn), 0);
    CHECK_EQ(gt_http_free(conn), 0);
  }
}

TEST(http_other_end_that_has_gone_away) {
  static char much[1 << 20];
  for (int verb = 0; verb < 6; verb++) {
    const void *early;
    size_t len;
    int fds[2], rc = 0, file = file_of(much, sizeof much);
    s_unix_pair(SOCK_STREAM, fds);
    gt_http_conn_t *conn = gt_http_new(fds[0], NULL);
    CHECK_EQ(gt_send_all(fds[1], PLAIN, strlen(PLAIN), 0, NULL), 0);
    CHECK_EQ(next(conn), 1);
    CHECK_EQ(gt_close(fds[1]), 0);
    if (verb > 1 && verb < 5) CHECK_EQ(gt_http_start(conn, 200, NULL, NULL, 0), 0);
    if (verb == 0) rc = gt_http_respond(conn, 200, NULL, NULL, 0, much, sizeof much);
    if (verb == 1) rc = gt_http_upgrade(conn, 101, NULL, 0, &early, &len);
    if (verb == 2) rc = (int)gt_http_write(conn, much, sizeof much);
    if (verb == 3) rc = (int)gt_http_sendfile(conn, file, 0, sizeof much);
    if (verb == 4) rc = gt_http_finish(conn);
    if (verb == 5) rc = gt_http_inform(conn, 103, NULL, 0);
    CHECK_EQ(rc, -EPIPE);
    CHECK_EQ(next(conn), 0);
    CHECK_EQ(gt_http_free(conn), 0);
    CHECK_EQ(gt_close(fds[0]), 0);
    close(file);
  }
}

/* It takes nothing, and the server does not wait for ever. */
TEST(http_other_end_that_does_not_read) {
  static char much[1 << 22];
  gt_http_limits_t limits = {.size = sizeof limits, .write = MS(500)};
  CHECK_EQ(gt_clock_virtual(MS(1), 0), 0);
  for (int verb = 0; verb < 3; verb++) {
    int fds[2], rc = 0, file = file_of(much, sizeof much);
    s_unix_pair(SOCK_STREAM, fds);
    gt_http_conn_t *conn = gt_http_new(fds[0], &limits);
    CHECK_EQ(gt_send_all(fds[1], PLAIN, strlen(PLAIN), 0, NULL), 0);
    CHECK_EQ(next(conn), 1);
    int64_t before = gt_now();
    if (verb > 0) CHECK_EQ(gt_http_start(conn, 200, NULL, NULL, 0), 0);
    if (verb == 0) rc = gt_http_respond(conn, 200, NULL, NULL, 0, much, sizeof much);
    if (verb == 1) rc = (int)gt_http_write(conn, much, sizeof much);
    if (verb == 2) rc = (int)gt_http_sendfile(conn, file, 0, sizeof much);
    CHECK_EQ(rc, -ETIMEDOUT);
    CHECK_GE(gt_now() - before, MS(500));
    CHECK_LE(gt_now() - before, MS(1500));
    CHECK_EQ(next(conn), 0);
    CHECK_EQ(gt_http_free(conn), 0);
    s_close_pair(fds);
    close(file);
  }
}
