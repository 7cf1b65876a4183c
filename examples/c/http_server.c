/* An HTTP server for the files of a folder: what HTTP is, and its limits, is the library's affair; which file a path names is decided
 * here.
 *
 *   cc http_server.c $(pkg-config --cflags --libs greenrt) -o http_server && ./http_server 8080 .
 *   (in another terminal)  curl -i http://127.0.0.1:8080/http_server.c
 *
 * Output of the server (with 0 or no number it picks a free port):
 *   port 8080
 */
#include <ctype.h>
#include <fcntl.h>
#include <greenrt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int root;

/* Decodes a path into a name relative to the root. 0: there is no such name, and none that leads out of the root. */
static int name_of(const gt_http_request_t *r, char *name, size_t room) {
  size_t n = 0;
  for (size_t i = 1; i < r->path_len; i++) {
    char c = r->path[i];
    if (c == '%') {
      char hex[3] = {0};
      if (i + 2 >= r->path_len || !isxdigit((unsigned char)r->path[i + 1]) || !isxdigit((unsigned char)r->path[i + 2])) return 0;
      memcpy(hex, r->path + i + 1, 2);
      c = (char)strtol(hex, NULL, 16);
      i += 2;
    }
    if (c == 0 || n + sizeof "index.html" > room) return 0;
    name[n++] = c;
  }
  strcpy(name + n, n == 0 || name[n - 1] == '/' ? "index.html" : "");
  if (name[0] == '/') return 0;
  for (char *part = name; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL)
    if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == 0)) return 0;
  return 1;
}

static int text(gt_http_conn_t *conn, int status, const char *body) { return gt_http_respond(conn, status, NULL, NULL, 0, body, strlen(body)); }

static int answer(gt_http_conn_t *conn, const gt_http_request_t *r) {
  static const gt_http_header_t allow = {"Allow", 5, "GET, HEAD", 9};
  char name[1024], length[24];
  struct stat st;
  if (!(r->method_len == 3 && memcmp(r->method, "GET", 3) == 0) && !(r->method_len == 4 && memcmp(r->method, "HEAD", 4) == 0))
    return gt_http_respond(conn, 405, NULL, &allow, 1, "GET and HEAD only\n", 18);
  int file = name_of(r, name, sizeof name) ? openat(root, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
  if (file < 0 || gt_fstat(file, &st) < 0 || !S_ISREG(st.st_mode)) {
    if (file >= 0) gt_close(file);
    return text(conn, 404, "no such file\n");
  }
  snprintf(length, sizeof length, "%lld", (long long)st.st_size);
  gt_http_header_t header = {"Content-Length", 14, length, strlen(length)};
  int rc = gt_http_start(conn, 200, NULL, &header, 1);
  if (rc == 0) rc = gt_http_sendfile(conn, file, 0, (size_t)st.st_size) < 0 ? -1 : gt_http_finish(conn);
  gt_close(file);
  return rc; /* an answer that broke off ends the connection */
}

static void serve(int fd, void *arg) {
  gt_http_request_t request = {.size = sizeof request};
  gt_http_conn_t *conn = gt_http_new(fd, arg);
  while (conn && gt_http_next(conn, &request) == 1 && answer(conn, &request) == 0) continue;
  gt_http_free(conn);
}

int main(int argc, char **argv) {
  gt_http_limits_t limits = {.size = sizeof limits, .max_body = 1 << 20};
  struct sockaddr_in addr;
  socklen_t len = sizeof addr;
  int listener = gt_listen_tcp("127.0.0.1", (uint16_t)(argc > 1 ? atoi(argv[1]) : 0), 1024);
  root = open(argc > 2 ? argv[2] : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0 || listener < 0) return fprintf(stderr, "cannot serve this folder at this port\n"), 1;
  getsockname(listener, (struct sockaddr *)&addr, &len);
  printf("port %d\n", ntohs(addr.sin_port)), fflush(stdout);
  return gt_serve(listener, serve, &limits, NULL) < 0;
}
