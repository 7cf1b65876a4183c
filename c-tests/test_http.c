/* HTTP: requests come out of a connection however the bytes of it are cut, answers go in. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"

#define OK "HTTP/1.1 200 OK\r\nServer: greenrt\r\n"
#define HELLO OK "Content-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n"
#define HELLO_CLOSE OK "Content-Type: text/plain\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

/* What one connection is asked, what comes back, and what the server saw. */
static void check(const char *requests, const char *answers, const char *seen) {
  struct http http = {0};
  CHECK_STR(s_http_talk(&http, requests), answers);
  CHECK_STR(http.seen, seen);
  CHECK_EQ(http.ends, 1);
  CHECK_EQ(http.results[0], 0);
}

TEST(http_answers_a_request) { check(GET("/"), HELLO, "GET / 1\n"); }

TEST(http_keeps_a_connection_and_answers_in_order) {
  check(GET("/") GET("/none") GET("/"), HELLO "HTTP/1.1 204 No Content\r\nServer: greenrt\r\n\r\n" HELLO, "GET / 1\nGET /none 1\nGET / 1\n");
}

TEST(http_closes_when_it_is_asked_to) {
  check("GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n" GET("/"), HELLO_CLOSE, "GET / 1 Connection:foo, Close\n");
  check(GET("/close") GET("/"), OK "Connection: close\r\nContent-Length: 4\r\n\r\nbye\n", "GET /close 1\n");
}

TEST(http_1_0_stays_only_when_it_is_asked_to) {
  check("GET / HTTP/1.0\r\n\r\n" GET("/"), HELLO_CLOSE, "GET / 0\n");
  check("GET / HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
        OK "Content-Type: text/plain\r\nContent-Length: 6\r\nConnection: keep-alive\r\n\r\nhello\n" HELLO_CLOSE,
        "GET / 0 connection:Keep-Alive\nGET / 0\n");
}

TEST(http_head_has_the_headers_of_get_and_no_body) {
  check("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nHEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n" GET("/"),
        OK "Content-Type: text/plain\r\nContent-Length: 6\r\n\r\n" OK "\r\n" HELLO, "HEAD / 1\nHEAD /stream 1\nGET / 1\n");
}

TEST(http_reads_bodies_of_both_kinds) {
  check("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789"
        "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0000A;x=y\r\n0123456789\r\n0\r\nX: y\r\n\r\n"
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 Yes\r\nServer: greenrt\r\nContent-Length: 10\r\n\r\n0123456789"
        "HTTP/1.1 200 Yes\r\nServer: greenrt\r\nContent-Length: 13\r\n\r\nabc0123456789"
        "HTTP/1.1 200 Yes\r\nServer: greenrt\r\nContent-Length: 0\r\n\r\n",
        "POST /echo 1 Content-Length:10=0123456789\nPUT /echo 1 Transfer-Encoding:Chunked=abc0123456789\nPOST /echo 1 Content-Length:0\n");
}

TEST(http_streams_in_chunks_or_with_a_length) {
  check(GET("/stream") GET("/length"),
        OK "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n5\r\nother\r\n0\r\n\r\n" OK "Content-Length: 10\r\n\r\nfirstother",
        "GET /stream 1\nGET /length 1\n");
  check("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", OK "Connection: close\r\n\r\nfirstother", "GET /stream 0 Connection:keep-alive\n");
}

TEST(http_body_may_be_read_when_the_answer_has_begun) {
  check("POST /late HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n" GET("/"),
        OK "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n1\r\nf\r\n0\r\n\r\n" HELLO, "POST /late 1 Transfer-Encoding:chunked\nGET / 1\n");
}

TEST(http_goes_past_a_body_that_nobody_read) {
  check("POST /skip HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nGET " GET("/")
        "POST /skip HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" GET("/"),
        HELLO HELLO HELLO HELLO, "POST /skip 1 Content-Length:4\nGET / 1\nPOST /skip 1 Transfer-Encoding:chunked\nGET / 1\n");
}

TEST(http_passes_over_one_empty_line) { check(GET("/") "\r\n" GET("/"), HELLO HELLO, "GET / 1\nGET / 1\n"); }

/* Every way to cut these bytes in two gives the same. */
TEST(http_does_not_mind_where_bytes_are_cut) {
  static const char requests[] = "\r\nPOST /echo?x=%20 HTTP/1.1\r\nHost: a\r\nX:  y z \t\r\nEmpty:\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 "a;ext=\"1\"\r\n0123456789\r\n0\r\nTrailer: no\r\n\r\nPOST /echo HTTP/1.1\r\nContent-Length: 3\r\nHost: b\r\n\r\nxyz" GET("/stream");
  static const char seen[] = "POST /echo?x=%20 1 X:y z Empty: Transfer-Encoding:chunked=0123456789\nPOST /echo 1 Content-Length:3=xyz\nGET /stream 1\n";
  char first[4096] = "";
  for (size_t at = 0; at < sizeof requests - 1; at++) {
    struct http http = {0};
    const char *answers = s_http_cut(&http, requests, sizeof requests - 1, at);
    if (at == 0) snprintf(first, sizeof first, "%s", answers);
    CHECK_STR(answers, first);
    CHECK_STR(http.seen, seen);
    CHECK_EQ(http.results[0], 0);
  }
}

TEST(http_takes_bytes_one_by_one) {
  static const char requests[] = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n" GET("/");
  struct http http = {0};
  s_http_start(&http);
  for (size_t i = 0; i < sizeof requests - 1; i++) s_http_send(&http, requests + i, 1);
  shutdown(http.peer, SHUT_WR);
  CHECK_STR(s_http_answers(&http), "HTTP/1.1 200 Yes\r\nServer: greenrt\r\nContent-Length: 16\r\n\r\n0123456789abcdef" HELLO);
  CHECK_EQ(http.requests, 2);
  s_http_end(&http);
}

TEST(http_sends_100_when_the_body_is_wanted) {
  struct http http = {0};
  static const char head[] = "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n";
  CHECK_EQ(gt_clock_virtual(MS(1), 0), 0);
  s_http_start(&http);
  s_http_send(&http, head, sizeof head - 1);
  CHECK_STR(s_http_so_far(&http), "HTTP/1.1 100 Continue\r\n\r\n");
  s_http_send(&http, "abc", 3);
  CHECK_STR(s_http_so_far(&http), "HTTP/1.1 200 Yes\r\nServer: greenrt\r\nContent-Length: 3\r\n\r\nabc");
  shutdown(http.peer, SHUT_WR);
  s_http_end(&http);
  /* It did not wait; it came from HTTP/1.0; there is no body. */
  check("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 Yes\r\nServer: greenrt\r\nContent-Length: 3\r\n\r\nabc", "POST /echo 1 Expect:100-continue Content-Length:3=abc\n");
}

/* An answer before the answer; the engine's own 100 is not said after the program's. */
TEST(http_informs_before_it_answers) {
  static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
  gt_http_header_t link = {"Link", 4, "</a>", 4}, mine = {"X-Mine", 6, "1", 1};
  gt_http_request_t r = {.size = sizeof r};
  struct http http = {0};
  char body[8];
  int fds[2];
  CHECK_EQ(gt_clock_virtual(MS(1), 0), 0);
  s_unix_pair(SOCK_STREAM, fds);
  http.peer = fds[1];
  gt_http_conn_t *conn = gt_http_new(fds[0], NULL);
  s_http_send(&http, head, sizeof head - 1);
  CHECK_EQ(gt_http_next(conn, &r), 1);
  CHECK_EQ(gt_http_inform(conn, 103, &link, 1), 1);
  CHECK_STR(s_http_so_far(&http), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
  CHECK_EQ(gt_http_inform(conn, 100, &mine, 1), 1);
  CHECK_STR(s_http_so_far(&http), "HTTP/1.1 100 Continue\r\nX-Mine: 1\r\n\r\n");
  s_http_send(&http, "abc", 3);
  CHECK_EQ(gt_http_read(conn, body, sizeof body), 3);
  CHECK_EQ(gt_http_read(conn, body, sizeof body), 0);
  CHECK_EQ(gt_http_start(conn, 200, NULL, &mine, 1), 0);
  CHECK_EQ(gt_http_inform(conn, 102, NULL, 0), 1);
  CHECK_EQ(gt_http_has_begun(conn), 0);
  CHECK_EQ(gt_http_status(conn), 200);
  CHECK_EQ(gt_http_finish(conn), 0);
  CHECK_EQ(gt_http_sent(conn), 0);
  CHECK_STR(s_http_so_far(&http), "HTTP/1.1 102 Processing\r\n\r\n" OK "X-Mine: 1\r\nContent-Length: 0\r\n\r\n");
  /* The body was not wanted when the answer went out, and yet asked for: the connection stays. */
  s_http_send(&http, head, sizeof head - 1);
  CHECK_EQ(gt_http_next(conn, &r), 1);
  CHECK_EQ(gt_http_inform(conn, 100, NULL, 0), 1);
  CHECK_EQ(gt_http_respond(conn, 204, NULL, NULL, 0, NULL, 0), 0);
  CHECK_EQ(gt_http_keeps_alive(conn), 1);
  CHECK_STR(s_http_so_far(&http), "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nServer: greenrt\r\n\r\n");
  s_http_send(&http, "abcGET / HTTP/1.0\r\n\r\n", 21);
  CHECK_EQ(gt_http_next(conn, &r), 1);
  CHECK_EQ(gt_http_inform(conn, 103, &link, 1), 0); /* HTTP/1.0 would take it for the answer */
  CHECK_EQ(gt_http_respond(conn, 204, NULL, NULL, 0, NULL, 0), 0);
  CHECK_STR(s_http_so_far(&http), "HTTP/1.1 204 No Content\r\nServer: greenrt\r\nConnection: close\r\n\r\n");
  CHECK_EQ(gt_http_free(conn), 0);
  s_close_pair(fds);
}

/* The body may come or not: what follows cannot be told from it. */
TEST(http_ends_when_a_body_was_neither_wanted_nor_sent) {
  struct http http = {0};
  CHECK_STR(s_http_talk(&http, "POST /skip HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"), HELLO_CLOSE);
  CHECK_EQ(http.results[0], 0);
}

TEST(http_hands_over_what_came_behind_an_upgrade) {
  struct http http = {0};
  CHECK_STR(s_http_talk(&http, "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: x, upgrade\r\nUpgrade: echo\r\n\r\n\x01\x02\r\nfoo"),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n\x01\x02\r\nfoo");
  CHECK_EQ(http.ends, 0);
}

TEST(http_sends_large_answers_whole) {
  struct http http = {0};
  const char *answer = s_http_talk(&http, GET("/large"));
  CHECK_EQ(strlen(answer), strlen(OK "Content-Length: 1048576\r\n\r\n") + (1 << 20));
  CHECK_EQ(strspn(strstr(answer, "\r\n\r\n") + 4, "x"), 1 << 20);
}

TEST(http_date_is_the_date) {
  struct http http = {0};
  char buf[512] = "", expected[64];
  time_t before = time(NULL), now;
  s_http_start(&http);
  s_http_send(&http, GET("/"), strlen(GET("/")));
  CHECK_GT(gt_recv(http.peer, buf, sizeof buf - 1, 0), 0);
  for (now = before; now <= before + 60; now++) {
    strftime(expected, sizeof expected, "\r\nDate: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime(&now));
    if (strstr(buf, expected)) break;
  }
  CHECK_LE(now, before + 60);
  shutdown(http.peer, SHUT_WR);
  s_http_end(&http);
}

/* -- one request in the test's own hands */

struct one {
  int peer;
  int fd;
  gt_http_conn_t *conn;
  gt_http_request_t request;
};

static struct one ask_with(const char *bytes, const gt_http_limits_t *limits) {
  struct one one = {.request = {.size = sizeof one.request}};
  int fds[2];
  s_unix_pair(SOCK_STREAM, fds);
  one.peer = fds[1];
  one.fd = fds[0];
  one.conn = gt_http_new(one.fd, limits);
  CHECK(one.conn != NULL);
  CHECK_EQ(gt_send_all(one.peer, bytes, strlen(bytes), 0, NULL), 0);
  CHECK_EQ(gt_http_next(one.conn, &one.request), 1);
  return one;
}

static struct one ask(const char *bytes) { return ask_with(bytes, NULL); }

static const char *end(struct one *one) {
  static char all[65536];
  ssize_t n = 0, got = 0;
  if (one->conn) CHECK_EQ(gt_http_free(one->conn), 0);
  CHECK_EQ(gt_close(one->fd), 0);
  while ((n = gt_recv(one->peer, all + got, sizeof all - 1 - (size_t)got, 0)) > 0) got += n;
  all[got] = 0;
  for (char *date; (date = strstr(all, "Date: "));) memmove(date, strstr(date, "\r\n") + 2, strlen(strstr(date, "\r\n") + 2) + 1);
  CHECK_EQ(gt_close(one->peer), 0);
  return all;
}

static void text(const char *at, size_t len, const char *expected) {
  if (!expected) {
    CHECK(at == NULL);
    return;
  }
  CHECK_EQ(len, strlen(expected));
  CHECK_MEM(at, expected, len);
}

TEST(http_takes_targets_apart) {
  static const struct {
    const char *request, *path, *query, *host;
  } rows[] = {
      {"GET /a/b%2f?c=d?e HTTP/1.1\r\nHost: h:1\r\n\r\n", "/a/b%2f", "c=d?e", "h:1"},
      {"GET /? HTTP/1.1\r\nHost:\r\n\r\n", "/", "", ""},
      {"GET //x HTTP/1.0\r\n\r\n", "//x", NULL, NULL},
      {"GET http://other:80/p?q HTTP/1.1\r\nHost: h\r\n\r\n", "/p", "q", "other:80"},
      {"GET HTTPS://[::1]?q HTTP/1.1\r\nHost: h\r\n\r\n", "/", "q", "[::1]"},
      {"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "*", NULL, "h"},
      {"CONNECT h.example:443 HTTP/1.1\r\nHost: x\r\n\r\n", NULL, NULL, "h.example:443"},
      {"M-SEARCH /x HTTP/1.1\r\nHost: h\r\n\r\n", "/x", NULL, "h"},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct one one = ask(rows[i].request);
    text(one.request.path, one.request.path_len, rows[i].path);
    text(one.request.query, one.request.query_len, rows[i].query);
    text(one.request.host, one.request.host_len, rows[i].host);
    CHECK_EQ(one.request.content_length, 0);
    end(&one);
  }
}

TEST(http_flags_say_what_the_other_end_wants) {
  struct one one = ask("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
  CHECK_EQ(one.request.flags, GT_HTTP_KEEP_ALIVE | GT_HTTP_EXPECT | GT_HTTP_UPGRADE);
  CHECK_EQ(one.request.content_length, -1);
  CHECK_EQ(one.request.minor, 1);
  CHECK_EQ(one.request.header_count, 5);
  end(&one);
  one = ask("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
  CHECK_EQ(one.request.flags, 0);
  CHECK_EQ(one.request.content_length, 5);
  CHECK_EQ(one.request.minor, 0);
  end(&one);
}

/* Texts of a request stay while its body is read and its answer is sent. */
TEST(http_request_stays_where_it_is) {
  struct one one = ask("POST /where HTTP/1.1\r\nHost: a\r\nX-Here: still\r\nTransfer-Encoding: chunked\r\n\r\n");
  char body[2000], chunk[2100];
  const char *path = one.request.path;
  for (int i = 0; i < 50; i++) {
    int n = snprintf(chunk, sizeof chunk, "3e8\r\n%01000d\r\n", i);
    CHECK_EQ(gt_send_all(one.peer, chunk, (size_t)n, 0, NULL), 0);
    CHECK_GT(gt_http_read(one.conn, body, i % 2 ? 7 : sizeof body), 0);
  }
  text(path, one.request.path_len, "/where");
  text(one.request.headers[1].name, one.request.headers[1].name_len, "X-Here");
  text(one.request.headers[1].value, one.request.headers[1].value_len, "still");
  end(&one);
}

TEST(http_sets_nodelay_and_works_on_tcp) {
  struct http http = {0};
  int fds[2], zero = 0, on = 0;
  socklen_t len = sizeof on;
  s_tcp_pair(fds);
  http.fd = fds[0];
  http.peer = fds[1];
  CHECK_OK(setsockopt(http.fd, IPPROTO_TCP, TCP_NODELAY, &zero, sizeof zero));
  CHECK_STR((s_http_start(&http), ""), "");
  CHECK_OK(getsockopt(http.fd, IPPROTO_TCP, TCP_NODELAY, &on, &len));
  CHECK_EQ(on, 1);
  s_http_send(&http, GET("/") GET("/stream"), strlen(GET("/") GET("/stream")));
  CHECK_OK(shutdown(http.peer, SHUT_WR));
  CHECK_STR(s_http_answers(&http), HELLO OK "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n5\r\nother\r\n0\r\n\r\n");
  s_http_end(&http);
}

/* Python's own socket, say: in blocking mode, and not handed over. */
TEST(http_works_on_a_foreign_socket) {
  struct http http = {.plain = 1};
  CHECK_STR(s_http_talk(&http, GET("/") GET("/")), HELLO HELLO);
  CHECK_EQ(http.requests, 2);
}

/* -- through functions */

struct io {
  int fd;
  int reads, writes;
};

static ssize_t io_read(void *ctx, void *buf, size_t len) {
  struct io *io = ctx;
  io->reads++;
  return gt_recv(io->fd, buf, len, 0);
}

static ssize_t io_write(void *ctx, const void *buf, size_t len) {
  struct io *io = ctx;
  io->writes++;
  return gt_send(io->fd, buf, len < 1000 ? len : 1000, 0);
}

TEST(http_goes_through_functions) {
  int fds[2];
  s_unix_pair(SOCK_STREAM, fds);
  struct io io = {.fd = fds[0]};
  gt_http_io_t table = {.size = sizeof table, .read = io_read, .write = io_write, .ctx = &io};
  struct http http = {.io = &table, .peer = fds[1]};
  s_http_start(&http);
  s_http_send(&http, GET("/") GET("/stream") GET("/large"), strlen(GET("/") GET("/stream") GET("/large")));
  CHECK_EQ(io.reads, 1);
  CHECK_OK(shutdown(http.peer, SHUT_WR));
  while (http.conn) CHECK_GT(gt_recv(http.peer, (char[4096]){0}, 4096, 0), 0);
  s_join(http.task);
  CHECK_EQ(http.requests, 3);
  CHECK_GT(io.writes, 1000); /* in pieces of a thousand */
  s_close_pair(fds);
}

/* -- answers of the test's own */

static gt_http_header_t header(const char *name, const char *value) {
  return (gt_http_header_t){name, strlen(name), value, strlen(value)};
}

TEST(http_headers_that_are_given_are_not_added) {
  struct one one = ask(GET("/"));
  gt_http_header_t headers[] = {header("date", "today"), header("SERVER", "me"), header("content-length", "2"), header("connection", "Close")};
  CHECK_EQ(gt_http_respond(one.conn, 299, NULL, headers, 4, "ab", 2), 0);
  CHECK_EQ(gt_http_status(one.conn), 299);
  CHECK_EQ(gt_http_sent(one.conn), 2);
  CHECK_EQ(gt_http_next(one.conn, &one.request), 0);
  CHECK_STR(end(&one), "HTTP/1.1 299 \r\ndate: today\r\nSERVER: me\r\ncontent-length: 2\r\nconnection: Close\r\n\r\nab");
}

TEST(http_counts_what_was_sent) {
  struct one one = ask(GET("/"));
  CHECK_EQ(gt_http_start(one.conn, 200, NULL, NULL, 0), 0);
  CHECK_EQ(gt_http_sent(one.conn), 0);
  CHECK_EQ(gt_http_write(one.conn, "abc", 3), 3);
  CHECK_EQ(gt_http_sent(one.conn), 3);
  CHECK_EQ(gt_http_write(one.conn, (char[5000]){0}, 5000), 5000);
  CHECK_EQ(gt_http_sent(one.conn), 5003);
  CHECK_EQ(gt_http_finish(one.conn), 0);
  CHECK_EQ(gt_http_sent(one.conn), 5003);
  end(&one);
}

TEST(http_start_without_a_piece_is_an_empty_body) {
  struct one one = ask(GET("/"));
  CHECK_EQ(gt_http_start(one.conn, 200, NULL, NULL, 0), 0);
  CHECK_EQ(gt_http_finish(one.conn), 0);
  CHECK_STR(end(&one), OK "Content-Length: 0\r\n\r\n");
}

static int file_of(const char *text) {
  int fd = memfd_create("file", MFD_CLOEXEC);
  CHECK_OK(fd);
  CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
  return fd;
}

TEST(http_sends_files) {
  int file = file_of("0123456789");
  gt_http_header_t length = header("Content-Length", "13");
  for (int way = 0; way < 3; way++) { /* in blocking mode, owned, in chunks */
    struct one one = ask(GET("/"));
    if (way == 1) CHECK_EQ(gt_fd_adopt(one.fd), 0);
    CHECK_EQ(gt_http_start(one.conn, 200, NULL, &length, way < 2), 0);
    if (way) CHECK_EQ(gt_http_write(one.conn, "abc", 3), 3);
    CHECK_EQ(gt_http_sendfile(one.conn, file, 0, 4), 4);
    if (!way) CHECK_EQ(gt_http_write(one.conn, "abc", 3), 3);
    CHECK_EQ(gt_http_sendfile(one.conn, file, 4, 1000), 6);
    CHECK_EQ(gt_http_sendfile(one.conn, file, 10, 1000), 0);
    CHECK_EQ(gt_http_sent(one.conn), 13);
    CHECK_EQ(gt_http_finish(one.conn), 0);
    const char *expected[] = {OK "Content-Length: 13\r\n\r\n0123abc456789", OK "Content-Length: 13\r\n\r\nabc0123456789",
                              OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n"};
    CHECK_STR(end(&one), expected[way]);
  }
  CHECK_EQ(lseek(file, 0, SEEK_CUR), 10); /* where it was */
  close(file);
}

TEST(http_sends_files_through_functions) {
  int fds[2], file = file_of("0123456789");
  char buf[512];
  s_unix_pair(SOCK_STREAM, fds);
  struct io io = {.fd = fds[0]};
  gt_http_io_t table = {.size = sizeof table, .read = io_read, .write = io_write, .ctx = &io};
  gt_http_conn_t *conn = gt_http_new_io(&table, NULL);
  gt_http_request_t r = {.size = sizeof r};
  CHECK_EQ(gt_send_all(fds[1], GET("/"), strlen(GET("/")), 0, NULL), 0);
  CHECK_EQ(gt_http_next(conn, &r), 1);
  CHECK_EQ(gt_http_start(conn, 200, NULL, NULL, 0), 0);
  CHECK_EQ(gt_http_sendfile(conn, file, 2, 5), 5);
  CHECK_EQ(gt_http_finish(conn), 0);
  CHECK_EQ(gt_http_free(conn), 0);
  ssize_t n = gt_recv(fds[1], buf, sizeof buf - 1, 0);
  buf[n] = 0;
  CHECK_HAS(buf, "chunked\r\n\r\n5\r\n23456\r\n0\r\n\r\n");
  close(file);
  s_close_pair(fds);
}

/* However a head fills the buffer, the lines of chunks behind it find room. */
TEST(http_reads_chunks_behind_a_head_that_fills_the_buffer) {
  static char pad[4200];
  for (size_t len = 2900; len < 4150; len += len < 3900 ? 97 : 1) {
    struct http http = {0};
    static char request[8192];
    memset(pad, 'x', len);
    pad[len] = 0;
    int head = snprintf(request, sizeof request, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nPad: %s\r\n\r\n", pad);
    int all = head + snprintf(request + head, sizeof request - (size_t)head, "5\r\nhello\r\n0\r\n\r\n");
    http.limits.max_line = 8192;
    CHECK_STR(s_http_cut(&http, request, (size_t)all, (size_t)head), "HTTP/1.1 200 Yes\r\nServer: greenrt\r\nContent-Length: 5\r\n\r\nhello");
  }
}

static void *cancelled_between(void *arg) {
  struct one *one = arg;
  CHECK_EQ(gt_cancel(gt_self()), 0);
  return (void *)(intptr_t)gt_http_next(one->conn, &one->request);
}

/* That the next request has come already is no way around a cancel. */
TEST(http_cancel_comes_before_a_request_that_is_there) {
  struct one one = ask(GET("/") GET("/"));
  CHECK_EQ(gt_http_respond(one.conn, 200, NULL, NULL, 0, "", 0), 0);
  CHECK_EQ((intptr_t)s_join(s_spawn(cancelled_between, &one)), -ECANCELED);
  CHECK_EQ(gt_http_next(one.conn, &one.request), 1); /* and it is still there */
  end(&one);
}
