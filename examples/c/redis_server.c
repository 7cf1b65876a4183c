/* A small server that speaks the Redis protocol (PING ECHO SET GET MGET DEL EXISTS INCR), as arrays and as plain lines, pipelined: what came
 * together is answered together. A task for each connection. Texts have no NUL bytes, and a command fits into 1 MiB.
 *
 *   cc redis_server.c $(pkg-config --cflags --libs greenrt) -o redis_server && ./redis_server 7002
 *   (in another terminal)  redis-cli -p 7002 incr visits; redis-benchmark -p 7002 -t ping,set,get,incr -n 100000 -P 16 -q
 * Output of the server (with 0 or no number it picks a free port): port 7002
 */
#include <greenrt.h>
#include <netinet/in.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 1 << 20, ARGS = 1024 };
struct item { char *key, *value; };
static void *store; /* a tree of items; nobody else runs between two blocking calls, so it needs no lock */

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
static char *get(const char *key) {
  struct item **found = tfind(&key, &store, compare);
  return found ? (*found)->value : NULL;
}
static void set(const char *key, const char *value) { /* NULL: the key's place stays, without a value */
  struct item **found = tfind(&key, &store, compare), *item = found ? *found : calloc(1, sizeof *item);
  if (!found && !(item && (item->key = strdup(key)) && tsearch(item, &store, compare))) exit(1);
  free(item->value);
  item->value = value ? strdup(value) : NULL;
}
static void bulk(FILE *out, const char *text) {
  text ? fprintf(out, "$%zu\r\n%s\r\n", strlen(text), text) : fputs("$-1\r\n", out);
}

static void answer(FILE *out, int argc, char **argv) {
#define IS(name, fewest) (argc >= (fewest) && strcasecmp(argv[0], name) == 0)
  if (IS("PING", 1) || IS("ECHO", 2)) argc > 1 ? bulk(out, argv[1]) : (void)fputs("+PONG\r\n", out);
  else if (IS("SET", 3)) set(argv[1], argv[2]), fputs("+OK\r\n", out);
  else if (IS("GET", 2)) bulk(out, get(argv[1]));
  else if (IS("MGET", 2)) {
    fprintf(out, "*%d\r\n", argc - 1);
    for (int i = 1; i < argc; i++) bulk(out, get(argv[i]));
  } else if (IS("DEL", 2) || IS("EXISTS", 2)) {
    int there = 0;
    for (int i = 1; i < argc; i++)
      if (get(argv[i]) && ++there && IS("DEL", 2)) set(argv[i], NULL);
    fprintf(out, ":%d\r\n", there);
  } else if (IS("INCR", 2)) {
    char digits[32], *end = "", *value = get(argv[1]);
    long long before = value ? strtoll(value, &end, 10) : 0;
    if (*end || end == value || before == INT64_MAX) fputs("-ERR value is not an integer or out of range\r\n", out);
    else snprintf(digits, sizeof digits, "%lld", before + 1), set(argv[1], digits), fprintf(out, ":%s\r\n", digits);
  } else if (IS("CONFIG", 3)) fputs("*2\r\n", out), bulk(out, argv[2]), bulk(out, ""); /* redis-benchmark asks */
  else if (IS("COMMAND", 1)) fputs("*0\r\n", out); /* redis-cli asks */
  else fprintf(out, "-ERR unknown command or too few arguments: '%s'\r\n", argv[0]);
}

/* Finds the texts of one command: its length, 0 when more has to come, -1 when it is none. */
static long parse(char *in, char *end, int *argc, char **argv) {
  char *line = memchr(in, '\n', (size_t)(end - in)), *at = in, *rest;
  *argc = 0;
  if (line && *in != '*') /* words of a line */
    for (*line = 0; *argc < ARGS && (argv[*argc] = strtok_r(*argc ? NULL : in, " \r", &rest));) ++*argc;
  else if (line)
    for (long count = atol(in + 1), len; *argc < count; line += len + 2) {
      at = line + 1;
      if (!(line = memchr(at, '\n', (size_t)(end - at)))) return 0;
      if (*at != '$' || *argc == ARGS || (len = atol(at + 1)) < 0 || len > ROOM) return -1;
      if (end - line < len + 3) return 0;
      (argv[(*argc)++] = line + 1)[len] = 0;
    }
  return line ? line + 1 - in : 0;
}

static void serve(int fd, void *arg) {
  char **argv = arg, *in = malloc(ROOM), *at, *answers = NULL;
  size_t have = 0, size;
  FILE *out = open_memstream(&answers, &size);
  long n, used = in && out ? 0 : -1;
  for (int argc; used >= 0 && (n = gt_recv(fd, in + have, ROOM - have, 0)) > 0; memmove(in, at, have -= (size_t)(at - in))) {
    for (have += (size_t)n, at = in; (used = parse(at, in + have, &argc, argv)) > 0; at += used)
      if (argc) answer(out, argc, argv);
    if (used < 0) fputs("-ERR protocol error\r\n", out);
    if (fflush(out) != 0 || gt_send_all(fd, answers, size, 0, NULL) < 0) break;
    rewind(out);
  }
  free(in);
  if (out) fclose(out), free(answers);
}

int main(int argc, char **argv) {
  static char *texts[ARGS]; /* of one command; one for all tasks: used between two blocking calls */
  struct sockaddr_in addr;
  int result, listener = gt_listen_tcp("127.0.0.1", (uint16_t)(argc > 1 ? atoi(argv[1]) : 0), 0);
  if (listener >= 0 && getsockname(listener, (struct sockaddr *)&addr, &(socklen_t){sizeof addr}) == 0) printf("port %d\n", ntohs(addr.sin_port));
  fflush(stdout);
  result = gt_serve(listener, serve, texts, NULL); /* closes each descriptor when serve() returns */
  fprintf(stderr, "cannot serve: %s\n", gt_strerror(listener < 0 ? listener : result));
  return 1;
}
