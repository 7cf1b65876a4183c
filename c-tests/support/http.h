/* What the tests of gt_http share: a server task that does what the path of a request says and writes down what it saw, and a client that
 * sends bytes and takes what comes. */
#ifndef GREENRT_TEST_HTTP_H
#define GREENRT_TEST_HTTP_H

#include "support.h"

/* Both ends of a connection: the test writes to `peer`, the server's end is `fd`. */
struct http {
  int fd, peer;
  gt_http_limits_t limits;
  const gt_http_io_t *io; /* instead of fd */
  gt_http_conn_t *conn;
  int64_t task;
  int plain;         /* fd stays foreign */
  int results[8];    /* of gt_http_next, those that are not 1 */
  int ends;          /* how many */
  int status;        /* of the last one */
  int rc;            /* of the last answer */
  int requests;
  ssize_t last; /* what ended the answers: 0, or an error */
  int64_t head_time; /* of the last request: when it came */
  char seen[16384];  /* the requests */
};

/* Starts the server. Whatever is 0 in `http` is as usual: a pair of unix sockets, the usual limits. The paths it knows:
 *   /            "hello\n" at once                /skip      the same, without a look at the body
 *   /echo        the body                         /none      204
 *   /stream      two pieces, in chunks            /length    two pieces of a length that was said
 *   /short       fewer bytes than it says         /abort     a piece, and no end
 *   /large       a megabyte                       /close     and no more
 *   /late        reads the body after the answer's head went out
 *   /upgrade     out of HTTP: an echo of the bytes that follow
 * and all the others are 404. */
void s_http_start(struct http *http);
/* Waits for its end, frees and closes everything. */
void s_http_end(struct http *http);
void s_http_send(struct http *http, const void *bytes, size_t len);
/* All that comes until the end; or, with a virtual clock, until nothing more comes. Without Date. */
const char *s_http_answers(struct http *http);
const char *s_http_so_far(struct http *http);
/* All in one: sends, ends the stream, and returns the answers. What the server saw is in `http`. */
const char *s_http_talk(struct http *http, const char *requests);
/* The same with the bytes cut at `at`. */
const char *s_http_cut(struct http *http, const char *requests, size_t len, size_t at);

#endif
