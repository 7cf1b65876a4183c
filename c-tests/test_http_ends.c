/* HTTP: limits, and other ends that go away at every stage. Time is virtual: hours pass when nothing else can happen. */
#include "support.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"

#define SECONDS(n) ((int64_t)(n)*1000000000)
#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void has_status(const char *answer, int status) {
  char first[32];
  snprintf(first, sizeof first, "HTTP/1.1 %d ", status);
  if (strncmp(answer, first, strlen(first)) != 0) FAIL("not %d: %s", status, answer);
  CHECK_HAS(answer, "\r\nConnection: close\r\n");
}

/* -- sizes. At the limit all is well, one more is too much */

struct sized {
  size_t line, headers, bytes;
  uint64_t body;
  const char *fits, *too_much;
  int status;
};

TEST(http_limits_sizes) {
#define TEN "0123456789"
  static const struct sized rows[] = {
      {.line = 26, .fits = "GET /0123456789 HTTP/1.1\r\nHost: a\r\n\r\n", .too_much = "GET /0123456789x HTTP/1.1\r\nHost: a\r\n\r\n", .status = 414},
      {.line = 20, .fits = "GET / HTTP/1.1\r\nHost: a\r\nLong: " TEN "12\r\n\r\n", .too_much = "GET / HTTP/1.1\r\nHost: a\r\nLong: " TEN "123\r\n\r\n", .status = 431},
      {.headers = 3, .fits = "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nA: b\r\n\r\n", .too_much = "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nA: b\r\nA: b\r\n\r\n", .status = 431},
      {.bytes = 42, .fits = "GET / HTTP/1.1\r\nHost: a\r\nA: " TEN "\r\n\r\n", .too_much = "GET / HTTP/1.1\r\nHost: a\r\nA: " TEN TEN "\r\n\r\n", .status = 431},
      {.body = 10, .fits = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n" TEN, .too_much = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n" TEN "x", .status = 413},
      {.body = UINT64_MAX, .fits = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", .too_much = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n", .status = 413},
      {.body = 10, .fits = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n01234\r\n0\r\n\r\n",
       .too_much = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n6\r\n012345\r\n0\r\n\r\n", .status = 413},
      {.bytes = 70, .fits = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: " TEN TEN TEN "\r\n\r\n",
       .too_much = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: " TEN TEN TEN "\r\nA: " TEN TEN TEN TEN "\r\n\r\n", .status = 431},
      {.headers = 2, .fits = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\nA: b\r\n\r\n",
       .too_much = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\nA: b\r\nA: b\r\n\r\n", .status = 431},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    for (int turn = 0; turn < 2; turn++) {
      const char *request = turn ? rows[i].too_much : rows[i].fits;
      for (size_t at = 0; at < strlen(request); at += 7) {
        struct http http = {.limits = {.max_line = rows[i].line, .max_headers = rows[i].headers, .max_header_bytes = rows[i].bytes, .max_body = rows[i].body}};
        const char *answer = s_http_cut(&http, request, strlen(request), at);
        if (turn) {
          has_status(answer, rows[i].status);
        } else if (strncmp(answer, "HTTP/1.1 200 ", 13) != 0 && strncmp(answer, "HTTP/1.1 404 ", 13) != 0) {
          FAIL("row %zu cut at %zu: %s", i, at, answer);
        }
      }
    }
  }
}

/* A head without an end is given up at the limit, not when memory is. */
TEST(http_gives_up_heads_without_an_end) {
  static const struct {
    const char *begin, *more;
    int status;
  } rows[] = {{"GET /", "xxxxxxxxxxxxxxxx", 414}, {"GET / HTTP/1.1\r\nA: ", "xxxxxxxxxxxxxxxx", 431}, {"GET / HTTP/1.1\r\n", "A: bcdefghijklmno\r\n", 431}};
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct http http = {.limits = {.max_headers = 1 << 20}};
    size_t sent = strlen(rows[i].begin);
    s_http_start(&http);
    s_http_send(&http, rows[i].begin, sent);
    for (; http.conn && sent < (1 << 20); sent += strlen(rows[i].more)) {
      if (gt_send_all(http.peer, rows[i].more, strlen(rows[i].more), 0, NULL) < 0) break;
      CHECK_EQ(gt_yield(), 0);
      if (http.status) break;
      char byte;
      if (recv(http.peer, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1) break;
    }
    CHECK_LT(sent, 70000);
    shutdown(http.peer, SHUT_WR);
    has_status(s_http_answers(&http), rows[i].status);
    s_http_end(&http);
  }
}

/* -- times */

static void begin(void) { CHECK_EQ(gt_clock_virtual(SECONDS(1000), 0), 0); }

/* How long the server waited, after the test sent these bytes. */
static int64_t waited(struct http *http, const char *bytes) {
  int64_t before = gt_now();
  s_http_start(http);
  if (*bytes) s_http_send(http, bytes, strlen(bytes));
  const char *answers = s_http_answers(http);
  (void)answers;
  int64_t after = gt_now();
  s_http_end(http);
  return after - before;
}

static void about(int64_t is, int64_t should) {
  CHECK_GE(is, should - MS(100));
  CHECK_LE(is, should + MS(100));
}

TEST(http_limits_times) {
  begin();
  struct http first = {.limits = {.first_byte = SECONDS(7)}}, idle = {.limits = {.idle = SECONDS(8)}}, head = {.limits = {.head = SECONDS(9)}}, body = {.limits = {.body = SECONDS(10)}};
  about(waited(&first, ""), SECONDS(7));
  CHECK_EQ(first.results[0], 0);
  CHECK_EQ(first.status, 0);
  about(waited(&idle, GET("/")), SECONDS(8));
  CHECK_EQ(idle.results[0], 0);
  about(waited(&head, "GET / HTTP/1.1\r\nHos"), SECONDS(9));
  CHECK_EQ(head.results[0], -ETIMEDOUT);
  CHECK_EQ(head.status, 408);
  about(waited(&body, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc"), SECONDS(10));
  CHECK_HAS(body.seen, "!ETIMEDOUT");
  CHECK_EQ(body.results[0], 0);
}

TEST(http_has_usual_limits_on_times_too) {
  begin();
  struct http first = {0}, idle = {0}, none = {.limits = {.first_byte = GT_NEVER, .idle = SECONDS(1)}};
  about(waited(&first, ""), SECONDS(30));
  about(waited(&idle, GET("/")), SECONDS(75));
  s_http_start(&none);
  CHECK_EQ(gt_sleep(SECONDS(100000)), 0);
  CHECK_EQ(none.ends, 0);
  s_http_send(&none, GET("/"), strlen(GET("/")));
  CHECK_HAS(s_http_answers(&none), "hello");
  s_http_end(&none);
}

/* A byte now and then does not stretch the limit on the whole head. */
TEST(http_head_that_drips_is_given_up) {
  static const char head[] = "GET / HTTP/1.1\r\nHost: a\r\nX: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n\r\n";
  begin();
  struct http http = {.limits = {.head = SECONDS(20), .first_byte = SECONDS(2)}};
  s_http_start(&http);
  for (size_t i = 0; i < sizeof head - 1 && !http.ends; i++) {
    if (gt_send_all(http.peer, head + i, 1, 0, NULL) < 0) break;
    CHECK_EQ(gt_sleep(SECONDS(1)), 0);
  }
  has_status(s_http_answers(&http), 408);
  CHECK_EQ(http.status, 408);
  CHECK_EQ(http.requests, 0);
  CHECK_LE(gt_now(), SECONDS(1000 + 25));
  s_http_end(&http);
}

/* A request with a body of 60 bytes, of which so many come each second. Returns how long the server had patience. */
static int64_t dripped(struct http *http, size_t each) {
  static const char head[] = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 60\r\n\r\n";
  int64_t began = gt_now();
  s_http_send(http, head, sizeof head - 1);
  for (size_t sent = 0; sent < 60 && !http->ends; sent += each) {
    if (gt_send_all(http->peer, "xxxxxx", each, 0, NULL) < 0) break;
    CHECK_EQ(gt_sleep(SECONDS(1)), 0);
  }
  return gt_now() - began;
}

/* So does a body, where there is a limit on the whole of it. Each request has all of the time. */
TEST(http_body_that_drips_is_given_up) {
  begin();
  struct http usual = {.limits = {.body = SECONDS(5)}}, http = {.limits = {.body = SECONDS(5), .body_total = SECONDS(40)}};
  s_http_start(&usual);
  about(dripped(&usual, 1), SECONDS(60));
  CHECK_EQ(strstr(usual.seen, "!"), NULL);
  s_http_end(&usual);
  s_http_start(&http);
  about(dripped(&http, 2), SECONDS(30));
  CHECK_EQ(strstr(http.seen, "!"), NULL);
  int64_t patience = dripped(&http, 1); /* the connection lingers for a while */
  CHECK_GE(patience, SECONDS(40) - MS(100));
  CHECK_LE(patience, SECONDS(45));
  CHECK_HAS(http.seen, "!ETIMEDOUT");
  CHECK_EQ(http.requests, 2);
  s_http_end(&http);
}

/* A slow reader may be slow, but not stand still. */
TEST(http_reader_that_is_slow_gets_everything) {
  begin();
  struct http http = {.limits = {.write = SECONDS(5)}};
  static char buf[16384];
  size_t got = 0;
  ssize_t n;
  s_http_start(&http);
  s_http_send(&http, GET("/large"), strlen(GET("/large")));
  shutdown(http.peer, SHUT_WR);
  while ((n = gt_recv(http.peer, buf, sizeof buf, 0)) > 0) {
    got += (size_t)n;
    CHECK_EQ(gt_sleep(SECONDS(1)), 0);
  }
  CHECK_GT(got, 1 << 20);
  CHECK_EQ(http.rc, 0);
  s_http_end(&http);
}

/* -- the other end goes away */

static void vanish(const char *bytes, int next, const char *seen) {
  struct http http = {0};
  s_http_start(&http);
  if (*bytes) s_http_send(&http, bytes, strlen(bytes));
  CHECK_EQ(gt_close(http.peer), 0);
  s_join(http.task);
  CHECK_EQ(http.ends, 1);
  if (http.results[0] != next) FAIL("%s: %d", bytes, http.results[0]);
  if (seen) CHECK_HAS(http.seen, seen);
}

TEST(http_other_end_goes_away_at_each_stage) {
  vanish("", 0, NULL);
  vanish("\r", -ECONNRESET, NULL);
  vanish("\r\n", 0, NULL);
  vanish("G", -ECONNRESET, NULL);
  vanish("GET / HTTP/1.1\r\nHost: a\r\n", -ECONNRESET, NULL);
  vanish(GET("/"), 0, "GET / 1\n");
  vanish(GET("/") "GET", -ECONNRESET, "GET / 1\n");
  vanish("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n123", 0, "!ECONNRESET");
  vanish("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123", 0, "!ECONNRESET");
  vanish("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n123\r\n0\r\n", 0, "!ECONNRESET");
  vanish("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", 0, "!ECONNRESET");
  vanish("POST /skip HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n123", 0, NULL);
}

TEST(http_other_end_that_waited_for_100_and_left_can_be_answered_in_vain) {
  struct http http = {0};
  s_http_start(&http);
  static const char head[] = "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
  s_http_send(&http, head, strlen(head));
  CHECK_EQ(gt_close(http.peer), 0);
  s_join(http.task);
  CHECK_HAS(http.seen, "!ECONNRESET");
  CHECK_EQ(http.rc, -EPIPE); /* not -EINVAL: the program did nothing wrong */
}

TEST(http_other_end_goes_away_while_it_is_answered) {
  struct http http = {0};
  s_http_start(&http);
  s_http_send(&http, GET("/large"), strlen(GET("/large")));
  CHECK_GT(gt_recv(http.peer, (char[100]){0}, 100, 0), 0);
  CHECK_EQ(gt_close(http.peer), 0);
  s_join(http.task);
  CHECK(http.rc == -EPIPE || http.rc == -ECONNRESET);
  CHECK_EQ(http.results[0], 0);
}

/* -- ends that must be seen as such */

TEST(http_answers_that_were_given_up_do_not_look_whole) {
  struct http chunks = {0}, length = {0}, close = {0};
  CHECK_STR(s_http_talk(&chunks, GET("/abort") GET("/")), "HTTP/1.1 200 OK\r\nServer: greenrt\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
  CHECK_EQ(chunks.requests, 1);
  CHECK_STR(s_http_talk(&length, GET("/short") GET("/")), "HTTP/1.1 200 OK\r\nServer: greenrt\r\nContent-Length: 10\r\n\r\nfirst");
  CHECK_EQ(length.rc, -EMSGSIZE);
  CHECK_EQ(length.requests, 1);
  /* An end like any other would be taken for the answer's: the connection is reset. */
  int fds[2];
  char buf[256];
  ssize_t n;
  s_tcp_pair(fds);
  close.fd = fds[0];
  close.peer = fds[1];
  s_http_start(&close);
  s_http_send(&close, "GET /abort HTTP/1.0\r\n\r\n", 23);
  while ((n = gt_recv(close.peer, buf, sizeof buf, 0)) > 0) continue;
  CHECK_EQ(n, -ECONNRESET);
  s_http_end(&close);
}

/* The other end is still sending when it is refused. If the server closed at once, a reset would take the answer away. */
TEST(http_refusal_reaches_those_who_are_still_sending) {
  static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n";
  static char much[3000000];
  int fds[2];
  CHECK_EQ(gt_clock_virtual(SECONDS(1000), SECONDS(60)), 0); /* the server listens for two seconds, which a slow machine may need */
  s_tcp_pair(fds);
  struct http http = {.fd = fds[0], .peer = fds[1], .limits = {.max_body = 1000}};
  s_http_start(&http);
  s_http_send(&http, head, sizeof head - 1);
  CHECK_EQ(gt_send_all(http.peer, much, sizeof much, 0, NULL), 0);
  CHECK_OK(shutdown(http.peer, SHUT_WR));
  has_status(s_http_answers(&http), 413);
  CHECK_EQ(http.last, 0); /* and not a reset */
  s_http_end(&http);
}

TEST(http_answer_reaches_those_whose_body_nobody_reads) {
  static const char head[] = "POST /skip HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n";
  static char much[3000000];
  int fds[2];
  CHECK_EQ(gt_clock_virtual(SECONDS(1000), SECONDS(60)), 0); /* the server listens for two seconds, which a slow machine may need */
  s_tcp_pair(fds);
  struct http http = {.fd = fds[0], .peer = fds[1]};
  s_http_start(&http);
  s_http_send(&http, head, sizeof head - 1);
  CHECK_EQ(gt_send_all(http.peer, much, sizeof much, 0, NULL), 0);
  CHECK_OK(shutdown(http.peer, SHUT_WR));
  has_status(s_http_answers(&http), 200);
  CHECK_EQ(http.last, 0);
  s_http_end(&http);
}

/* -- many who only wait. Counts, not times: while 5,000 heads stay unfinished, each real request is answered before any of them ends */

enum { SLOW = 5000 };

struct slow {
  int fds[2];
  gt_http_conn_t *conn;
  int result;
};

static void *wait_slowly(void *arg) {
  struct slow *slow = arg;
  gt_http_request_t r = {.size = sizeof r};
  slow->result = gt_http_next(slow->conn, &r);
  gt_http_free(slow->conn);
  CHECK_EQ(gt_close(slow->fds[0]), 0);
  return NULL;
}

TEST_WITH(http_thousands_of_unfinished_heads_hold_nobody_up, T_ALONE | T_LIMITS, 60) {
  static struct slow slow[SLOW];
  static int64_t tasks[SLOW];
  gt_http_limits_t limits = {.size = sizeof limits, .head = SECONDS(60)};
  struct rlimit files;
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &files));
  files.rlim_cur = files.rlim_max;
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &files));
  if (files.rlim_max < 2 * SLOW + 100) SKIP("fewer than %d descriptors", 2 * SLOW + 100);
  begin();
  for (int i = 0; i < SLOW; i++) {
    s_unix_pair(SOCK_STREAM, slow[i].fds);
    CHECK_EQ(gt_fd_adopt(slow[i].fds[0]), 0);
    CHECK((slow[i].conn = gt_http_new(slow[i].fds[0], &limits)) != NULL);
    tasks[i] = s_spawn(wait_slowly, &slow[i]);
    CHECK_EQ(send(slow[i].fds[1], "GET / HTTP/1.1\r\n", 16, 0), 16);
  }
  s_settle();
  struct http real = {0};
  s_http_start(&real);
  uint64_t switches = s_stats().switches;
  for (int round = 0; round < 100; round++) {
    for (int i = round; i < SLOW; i += 100) CHECK_EQ(send(slow[i].fds[1], "X: y\r\n", 6, 0), 6); /* they say a little */
    s_http_send(&real, GET("/"), strlen(GET("/")));
    CHECK_HAS(s_http_so_far(&real), "\r\n\r\nhello\n");
    CHECK_EQ(real.requests, round + 1);
  }
  /* What a round costs does not depend on how many wait, but on how many said something. */
  CHECK_LE(s_stats().switches - switches, 100 * (2 * SLOW / 100 + 30));
  CHECK_LE(gt_now(), SECONDS(1000) + SECONDS(1));
  shutdown(real.peer, SHUT_WR);
  s_http_end(&real);
  for (int i = 0; i < SLOW; i++) {
    CHECK_OK(shutdown(slow[i].fds[1], SHUT_WR));
    s_join(tasks[i]);
    CHECK_EQ(slow[i].result, -ECONNRESET);
    CHECK_EQ(gt_close(slow[i].fds[1]), 0);
  }
}

/* -- an interrupt while the other end is heard at the end */

static void *refused_then_sleeps(void *arg) {
  gt_http_request_t r = {.size = sizeof r};
  int rc = gt_http_next(arg, &r);
  CHECK_EQ(rc, -EBADMSG);
  return (void *)(intptr_t)gt_sleep(SECONDS(100));
}

TEST(http_interrupt_at_the_end_is_not_lost) {
  int fds[2];
  begin();
  s_unix_pair(SOCK_STREAM, fds);
  gt_http_conn_t *conn = gt_http_new(fds[0], NULL);
  int64_t task = s_spawn(refused_then_sleeps, conn);
  CHECK_EQ(gt_send_all(fds[1], "nonsense\r\n\r\n", 12, 0, NULL), 0);
  s_settle();
  CHECK_EQ(gt_interrupt(task, 7), 0); /* it listens for 2 s more */
  int64_t before = gt_now();
  CHECK_EQ((intptr_t)s_join(task), -EINTR);
  CHECK_LE(gt_now() - before, SECONDS(1));
  CHECK_EQ(gt_http_free(conn), 0);
  s_close_pair(fds);
}
