/* HTTP: what is refused. Whoever disagrees with the server in front about where a request ends takes a stranger's bytes for a request, so
 * nothing that could be read in two ways is read at all. Each row is sent in two pieces, cut at every byte. */
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"

struct row {
  const char *bytes;
  size_t len;
  int status;
};
#define ROW(status, bytes) {bytes, sizeof(bytes) - 1, status}
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define AFTER "\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

static void refused(const struct row *row) {
  for (size_t at = 0; at < row->len; at++) {
    struct http http = {0};
    char first[32];
    const char *answer = s_http_cut(&http, row->bytes, row->len, at);
    snprintf(first, sizeof first, "HTTP/1.1 %d ", row->status);
    if (strncmp(answer, first, strlen(first)) != 0) FAIL("%s\ncut at %zu: %d expected: %s", row->bytes, at, row->status, answer);
    CHECK_HAS(answer, "\r\nConnection: close\r\n");
    if (strstr(answer, "\nHTTP/1.1 ")) FAIL("%s\ncut at %zu: more than one answer: %s", row->bytes, at, answer);
    if (strstr(http.seen, "smuggled")) FAIL("%s\ncut at %zu: smuggled", row->bytes, at);
    CHECK_EQ(http.status, row->status);
    CHECK_EQ(http.results[0], row->status == 413 || row->status == 414 || row->status == 431 ? -EMSGSIZE : -EBADMSG);
  }
}

#define REFUSES(name, ...)                                                                                 \
  TEST(name) {                                                                                             \
    static const struct row rows[] = {__VA_ARGS__};                                                        \
    for (size_t i = 0; i < COUNT(rows); i++) refused(&rows[i]);                                            \
  }

/* RFC 9112, 6.1 and 6.3 */
REFUSES(http_refuses_lengths_that_can_be_read_in_two_ways,
        ROW(400, POST "Content-Length: 5\r\nContent-Length: 6" AFTER),
        ROW(400, POST "Content-Length: 5\r\nContent-Length: 5" AFTER),
        ROW(400, POST "Content-Length: 5, 5" AFTER),
        ROW(400, POST "Content-Length: 5\r\nTransfer-Encoding: chunked" AFTER),
        ROW(400, POST "Transfer-Encoding: chunked\r\nContent-Length: 0" AFTER),
        ROW(400, POST "Content-Length:" AFTER),
        ROW(400, POST "Content-Length: +5" AFTER),
        ROW(400, POST "Content-Length: -5" AFTER),
        ROW(400, POST "Content-Length: 0x5" AFTER),
        ROW(400, POST "Content-Length: 5 5" AFTER),
        ROW(400, POST "Content-Length: 5_0" AFTER),
        ROW(400, POST "Content-Length: \xd9\xa5" AFTER),
        ROW(400, POST "Content-Length: 5;x" AFTER),
        ROW(413, POST "Content-Length: 18446744073709551616" AFTER),
        ROW(413, POST "Content-Length: 9223372036854775808" AFTER))

REFUSES(http_refuses_codings_that_it_does_not_know,
        ROW(400, POST "Transfer-Encoding: gzip" AFTER),
        ROW(501, POST "Transfer-Encoding: gzip, chunked" AFTER),
        ROW(400, POST "Transfer-Encoding: chunked, gzip" AFTER),
        ROW(400, POST "Transfer-Encoding: chunked, chunked" AFTER),
        ROW(400, POST "Transfer-Encoding: chunked, identity" AFTER),
        ROW(400, POST "Transfer-Encoding: identity" AFTER),
        ROW(400, POST "Transfer-Encoding:" AFTER),
        ROW(400, POST "Transfer-Encoding: xchunked" AFTER),
        ROW(400, POST "Transfer-Encoding: chunked;q=1" AFTER),
        ROW(400, POST "Transfer-Encoding: \x0b" "chunked" AFTER),
        ROW(400, POST "Transfer-Encoding: \"chunked\"" AFTER),
        ROW(400, POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked" AFTER),
        ROW(400, POST "Transfer-Encoding: chunked\r\nTransfer-encoding: x" AFTER),
        ROW(400, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked" AFTER))

/* RFC 9112, 2.2 and 5; RFC 9110, 5.5 */
REFUSES(http_refuses_lines_that_are_none,
        ROW(400, "GET / HTTP/1.1\nHost: a" AFTER),
        ROW(400, "GET / HTTP/1.1\r\nHost: a\nX: y" AFTER),
        ROW(400, "GET / HTTP/1.1\r\nHost: a\n\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
        ROW(400, "GET / HTTP/1.1\r\nHost: a\r\n\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
        ROW(400, "GET / HTTP/1.1\r\nHost: a\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
        ROW(400, "GET / HTTP/1.1\rHost: a\r\r"),
        ROW(400, POST "X: a\rb" AFTER),
        ROW(400, POST "X: a\r\r\n" AFTER),
        ROW(400, POST "X: a\0b" AFTER),
        ROW(400, POST "X\0: ab" AFTER),
        ROW(400, POST "X: \x01" AFTER),
        ROW(400, POST "X: \x7f" AFTER),
        ROW(400, POST "X : y" AFTER),
        ROW(400, POST "X\t: y" AFTER),
        ROW(400, POST "Content-Length : 5" AFTER),
        ROW(400, POST " X: y" AFTER),
        ROW(400, POST "X: y\r\n folded" AFTER),
        ROW(400, POST "X: y\r\n\tfolded" AFTER),
        ROW(400, "GET / HTTP/1.1\r\n folded: x\r\nHost: a" AFTER),
        ROW(400, POST "nothing" AFTER),
        ROW(400, POST ": x" AFTER),
        ROW(400, POST "X\xc3\xa9: y" AFTER),
        ROW(400, POST "(X): y" AFTER),
        ROW(400, "\r\n\r\nGET / HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "\nGET / HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "\rGET / HTTP/1.1\r\nHost: a" AFTER))

/* RFC 9112, 3 */
REFUSES(http_refuses_request_lines_that_are_none,
        ROW(400, "GET /" AFTER),
        ROW(400, "GET" AFTER),
        ROW(400, "GET  / HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "GET /  HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "GET / HTTP/1.1 \r\nHost: a" AFTER),
        ROW(400, " GET / HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "GET\t/ HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "GET /a b HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "G(T / HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "G\xc3\x89T / HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "GET / http/1.1\r\nHost: a" AFTER),
        ROW(400, "GET / HTTP/1\r\nHost: a" AFTER),
        ROW(400, "GET / HTTP/11.1\r\nHost: a" AFTER),
        ROW(400, "GET / HTTP/1.11\r\nHost: a" AFTER),
        ROW(400, "GET / HTTPS/1.1\r\nHost: a" AFTER),
        ROW(505, "GET / HTTP/1.2\r\nHost: a" AFTER),
        ROW(505, "GET / HTTP/0.9\r\nHost: a" AFTER),
        ROW(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ROW(400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\r\n"))

/* RFC 9112, 3.2 */
REFUSES(http_refuses_targets_and_hosts_that_are_none,
        ROW(400, "GET / HTTP/1.1" AFTER),
        ROW(400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a" AFTER),
        ROW(400, "GET / HTTP/1.0\r\nHost: a\r\nHost: b" AFTER),
        ROW(400, "GET / HTTP/1.1\r\nHost: a b" AFTER),
        ROW(400, "GET / HTTP/1.1\r\nHost: a/b" AFTER),
        ROW(400, "GET / HTTP/1.1\r\nHost: b@a" AFTER),
        ROW(400, "GET / HTTP/1.1\r\nHost: a, b" AFTER),
        ROW(400, "GET / HTTP/1.1\r\nHost: \xc3\xa9" AFTER),
        ROW(400, "GET x HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "GET * HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "OPTIONS ** HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "GET a:80 HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "GET ftp://a/ HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "GET http:///x HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "GET http://b@a/x HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "GET /#x HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "GET /\xc3\xa9 HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "GET /\xff HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "GET /\x7f HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "CONNECT / HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "CONNECT a HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "CONNECT a: HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "CONNECT :80 HTTP/1.1\r\nHost: a" AFTER),
        ROW(400, "CONNECT a:8x HTTP/1.1\r\nHost: a" AFTER))

/* A body that is not what it says: the program hears of it and answers; what follows is nobody's request. RFC 9112, 7.1. */
TEST(http_refuses_chunks_that_can_be_read_in_two_ways) {
  static const struct row rows[] = {
#define CHUNKS(status, bytes) ROW(status, POST "Transfer-Encoding: chunked\r\n\r\n" bytes AFTER)
      CHUNKS(400, "5\nhello\r\n0"),          CHUNKS(400, "5\r\nhello\n0"),         CHUNKS(400, "5 \r\nhello\r\n0"),
      CHUNKS(400, " 5\r\nhello\r\n0"),       CHUNKS(400, "0x5\r\nhello\r\n0"),     CHUNKS(400, "+5\r\nhello\r\n0"),
      CHUNKS(400, "5;a\nb\r\nhello\r\n0"),   CHUNKS(400, "5;a\rb\r\nhello\r\n0"),  CHUNKS(400, "5;\0\r\nhello\r\n0"),
      CHUNKS(400, "6\r\nhello\r\n0"),        CHUNKS(400, "4\r\nhello\r\n0"),       CHUNKS(400, "\r\n5\r\nhello\r\n0"),
      CHUNKS(400, "00000000000000005\r\n"),  CHUNKS(400, "10000000000000005\r\n"), CHUNKS(413, "ffffffffffffffff\r\n"),
      CHUNKS(413, "8000000000000000\r\n"),   CHUNKS(400, "5,\r\nhello\r\n0"),      CHUNKS(400, "5\r\nhello\r\n0\r\nX : y"),
      CHUNKS(400, "0\r\nX: a\nb"),           CHUNKS(400, "0\r\n folded"),          CHUNKS(400, "0\r\nX: \0"),
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    for (size_t at = 0; at < rows[i].len; at++) {
      struct http http = {0};
      char first[32];
      const char *answer = s_http_cut(&http, rows[i].bytes, rows[i].len, at);
      snprintf(first, sizeof first, "HTTP/1.1 %d ", rows[i].status);
      if (strncmp(answer, first, strlen(first)) != 0 || strstr(answer, "\nHTTP/1.1 ")) FAIL("row %zu cut at %zu: %s", i, at, answer);
      CHECK_HAS(answer, "\r\nConnection: close\r\n");
      CHECK_EQ(http.requests, 1);
      CHECK_EQ(http.results[0], 0);
    }
  }
}

/* What looks odd and is not: RFC 9112 allows it, and nothing about it can be read in two ways. */
TEST(http_takes_what_is_only_odd) {
  static const char *rows[] = {
      "get / HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET / HTTP/1.1\r\nhOST:\ta \t\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nX: \x80\xff\tq\r\nX: again\r\n!#$%&'*+-.^_`|~: x\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 000\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\tCHUNKED \r\n\r\n000;a=\"b;\";c\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: [::1]:80\r\nConnection: , ,x\r\n\r\n",
      "GET /%00%0d%0a?\"<>\\^`{|} HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n",
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct http http = {0};
    const char *answer = s_http_talk(&http, rows[i]);
    if (strncmp(answer, "HTTP/1.1 200 ", 13) && strncmp(answer, "HTTP/1.1 404 ", 13))
      FAIL("%s: %s", rows[i], answer);
    CHECK_EQ(http.requests, 1);
    CHECK_EQ(http.results[0], 0);
  }
}

/* RFC 9112, 3.2, left out on purpose: small clients exist that have never sent Host. */
TEST(http_takes_requests_without_host_where_that_is_allowed) {
  struct http http = {.limits = {.flags = GT_HTTP_HOSTLESS}}, twice = http, usual = {0};
  const char *answer = s_http_talk(&http, "GET / HTTP/1.1\r\n\r\nPOST /echo HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc");
  CHECK_HAS(answer, "\r\n\r\nhello");
  CHECK_HAS(answer, "abc");
  CHECK_EQ(http.results[0], 0);
  CHECK_HAS(s_http_talk(&twice, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), "HTTP/1.1 400 ");
  CHECK_HAS(s_http_talk(&usual, "GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 400 ");
}
