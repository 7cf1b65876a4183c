/* Every program of examples/c is run here as its opening comment says, and its output compared. The clients of the servers are tasks. */
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct s_end end;

static void run(const char *name, const char *a, const char *b, const char *c) {
  const char *argv[] = {s_beside(name), a, b, c, NULL};
  s_run(&end, argv);
}

TEST(example_hello_takes_turns) {
  run("examples/hello", NULL, NULL, NULL);
  CHECK_EQ(end.status, 0);
  CHECK_STR(end.out, "ping 1\npong 1\nping 2\npong 2\nping 3\npong 3\nboth done: 6 lines\n");
}

TEST(example_sleep_sort_sorts) {
  run("examples/sleep_sort", "200", "1", "100"); /* two seconds until the first of them begins too late */
  CHECK_EQ(end.status, 0);
  CHECK_HAS(end.out, "1 100 200 \nsorted 3 numbers in ");
}

TEST(example_file_copy_copies_and_lets_others_go_on) {
  enum { SIZE = 3 * 1024 * 1024 + 17 };
  static char bytes[SIZE], back[SIZE + 1];
  char dir[] = "/tmp/greenrt-copy-XXXXXX", from[64], to[64];
  struct stat st;
  CHECK(mkdtemp(dir) != NULL);
  snprintf(from, sizeof from, "%s/from", dir);
  snprintf(to, sizeof to, "%s/to", dir);
  for (size_t i = 0; i < SIZE; i++) bytes[i] = (char)(i * 11 + (i >> 14));
  FILE *file = fopen(from, "w");
  CHECK_EQ(fwrite(bytes, 1, SIZE, file), SIZE);
  fclose(file);
  CHECK_OK(chmod(from, 0640));
  run("examples/file_copy", from, to, NULL);
  CHECK_EQ(end.status, 0);
  CHECK_HAS(end.out, "3145745 bytes copied, ");
  CHECK_OK(stat(to, &st));
  CHECK_EQ(st.st_mode & 0077, 0040);
  CHECK((file = fopen(to, "r")) != NULL);
  CHECK_EQ(fread(back, 1, sizeof back, file), SIZE);
  fclose(file);
  CHECK_MEM(back, bytes, SIZE);
  run("examples/file_copy", dir, to, NULL);
  CHECK_EQ(end.status, 1);
  CHECK_HAS(end.out, gt_strerror(EISDIR));
  unlink(from);
  unlink(to);
  run("examples/file_copy", from, to, NULL);
  CHECK_EQ(end.status, 1);
  CHECK_HAS(end.out, gt_strerror(ENOENT));
  CHECK_OK(rmdir(dir)); /* no half copy was left */
}

/* Reads lines until one has `part`. */
static void await(int fd, const char *part) {
  static char line[256];
  for (;;) {
    size_t have = 0;
    while (have == 0 || line[have - 1] != '\n') {
      CHECK_LT(have, sizeof line - 1);
      CHECK_EQ(read(fd, line + have, 1), 1);
      have++;
    }
    line[have] = 0;
    if (strstr(line, part)) return;
  }
}

TEST(example_signals_serves_and_ends_in_good_order) {
  int fds[2], status;
  char text[64];
  const char *path = s_beside("examples/signals");
  s_pipe(fds, 0);
  pid_t pid = fork();
  CHECK_OK(pid);
  if (pid == 0) {
    dup2(fds[1], STDOUT_FILENO);
    execl(path, path, (char *)NULL);
    _exit(127);
  }
  close(fds[1]);
  snprintf(text, sizeof text, "ready, process %d\n", (int)pid);
  await(fds[0], text);
  await(fds[0], "ended with status 3\n");
  CHECK_OK(kill(pid, SIGHUP));
  snprintf(text, sizeof text, "SIGHUP from process %d: settings read again\n", (int)getpid());
  await(fds[0], text);
  CHECK_OK(kill(pid, SIGTERM));
  await(fds[0], "SIGTERM: 0 of 2 jobs left\n");
  close(fds[0]);
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK_EQ(status, 0);
}

struct server {
  pid_t pid;
  uint16_t port;
};

/* Starts an example that prints "port N" and serves until it is ended. */
static struct server start(const char *name) {
  struct server server = {0, 0};
  int fds[2], port = 0;
  char line[64] = "";
  const char *path = s_beside(name);
  s_pipe(fds, 0);
  CHECK_OK(server.pid = fork());
  if (server.pid == 0) {
    dup2(fds[1], STDOUT_FILENO);
    execl(path, path, "0", (char *)NULL);
    _exit(127);
  }
  close(fds[1]);
  CHECK_GT(read(fds[0], line, sizeof line - 1), 0);
  CHECK_EQ(sscanf(line, "port %d\n", &port), 1);
  close(fds[0]);
  server.port = (uint16_t)port;
  return server;
}

static void stop(struct server server) {
  int status;
  CHECK_EQ(waitpid(server.pid, &status, WNOHANG), 0); /* still serving */
  CHECK_OK(kill(server.pid, SIGTERM));
  CHECK_EQ(waitpid(server.pid, &status, 0), server.pid);
}

static void *echo_client(void *arg) {
  const struct server *server = arg;
  char out[1000], in[1000];
  int fd = gt_dial_tcp("127.0.0.1", server->port);
  CHECK_OK(fd);
  for (int round = 0; round < 20; round++) {
    memset(out, 'a' + round, sizeof out);
    CHECK_EQ(gt_send_all(fd, out, sizeof out, 0, NULL), 0);
    for (size_t got = 0; got < sizeof in;) {
      ssize_t n = gt_recv(fd, in + got, sizeof in - got, 0);
      CHECK_GT(n, 0);
      got += (size_t)n;
    }
    CHECK_MEM(in, out, sizeof in);
  }
  CHECK_EQ(gt_close(fd), 0);
  return NULL;
}

TEST(example_echo_server_serves_many_at_once) {
  struct server server = start("examples/echo_server");
  int64_t tasks[200];
  for (size_t i = 0; i < COUNT(tasks); i++) tasks[i] = s_spawn(echo_client, &server);
  for (size_t i = 0; i < COUNT(tasks); i++) s_join(tasks[i]);
  stop(server);
}

/* One request, one connection; what the server says until it ends it. */
static const char *get(struct server server, const char *target) {
  static char all[8192];
  char request[1024];
  ssize_t n;
  size_t got = 0;
  int fd = gt_dial_tcp("127.0.0.1", server.port);
  CHECK_OK(fd);
  snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", target);
  CHECK_EQ(gt_send_all(fd, request, strlen(request), 0, NULL), 0);
  while ((n = gt_recv(fd, all + got, sizeof all - 1 - got, 0)) > 0) got += (size_t)n;
  all[got] = 0;
  CHECK_EQ(gt_close(fd), 0);
  return all;
}

static void write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  CHECK(file != NULL);
  fputs(text, file);
  fclose(file);
}

TEST(example_http_server_gives_files_and_nothing_outside_of_its_folder) {
  static const char *outside[] = {"/../secret", "/sub/../../secret", "/%2e%2e/secret", "/..%2fsecret", "/sub/%2e%2e%2f..%2fsecret", "/./../secret", "//secret",
                                  "/%2fsecret", "/sub/..", "/..", "/../", "/secret%00", "/%", "/%2", "/%zz", "/sub", "/%2fetc%2fpasswd", "//etc/passwd"};
  char dir[] = "/tmp/greenrt-http-XXXXXX", path[64];
  CHECK(mkdtemp(dir) != NULL);
  CHECK_OK(chdir(dir));
  write_file("secret", "secret");
  CHECK_OK(mkdir("root", 0700));
  CHECK_OK(chdir("root"));
  CHECK_OK(mkdir("sub", 0700));
  write_file("index.html", "<p>hello");
  write_file("sub/a b.txt", "a file");
  struct server server = start("examples/http_server");
  CHECK_HAS(get(server, "GET /"), "\r\n\r\n<p>hello");
  CHECK_HAS(get(server, "GET /sub/a%20b.txt?x=y"), "\r\nContent-Length: 6\r\nConnection: close\r\n\r\na file");
  CHECK_HAS(get(server, "GET /..index.html"), "HTTP/1.1 404 ");
  CHECK_HAS(get(server, "HEAD /index.html"), "\r\nContent-Length: 8\r\nConnection: close\r\n\r\n");
  CHECK(strstr(get(server, "HEAD /index.html"), "hello") == NULL);
  CHECK_HAS(get(server, "POST /"), "HTTP/1.1 405 ");
  CHECK_HAS(get(server, "POST /"), "\r\nAllow: GET, HEAD\r\n");
  for (size_t i = 0; i < COUNT(outside); i++) {
    snprintf(path, sizeof path, "GET %s", outside[i]);
    const char *answer = get(server, path);
    if (strncmp(answer, "HTTP/1.1 404 ", 13) != 0 || strstr(answer, "secret")) FAIL("%s: %s", outside[i], answer);
  }
  stop(server);
  CHECK_OK(unlink("sub/a b.txt"));
  CHECK_OK(unlink("index.html"));
  CHECK_OK(rmdir("sub"));
  CHECK_OK(chdir("/"));
  snprintf(path, sizeof path, "%s/root", dir);
  CHECK_OK(rmdir(path));
  snprintf(path, sizeof path, "%s/secret", dir);
  CHECK_OK(unlink(path));
  CHECK_OK(rmdir(dir));
}

/* A chat client that reads line by line. */
struct chatter {
  int fd;
  char buf[8192];
  size_t have;
};

static void say(struct chatter *chatter, const char *text) { CHECK_EQ(gt_send_all(chatter->fd, text, strlen(text), 0, NULL), 0); }

static const char *hear(struct chatter *chatter) {
  static char line[4096];
  char *newline;
  while (!(newline = memchr(chatter->buf, '\n', chatter->have))) {
    ssize_t n = gt_recv_until(chatter->fd, chatter->buf + chatter->have, sizeof chatter->buf - chatter->have, 0, IN_MS(60000));
    CHECK_GT(n, 0);
    chatter->have += (size_t)n;
  }
  size_t len = (size_t)(newline - chatter->buf);
  memcpy(line, chatter->buf, len);
  line[len] = 0;
  chatter->have -= len + 1;
  memmove(chatter->buf, newline + 1, chatter->have);
  return line;
}

static void join_room(struct chatter *chatter, struct server server, const char *name) {
  char line[64];
  chatter->have = 0;
  CHECK_OK(chatter->fd = gt_dial_tcp("localhost", server.port));
  snprintf(line, sizeof line, "%s\n", name);
  say(chatter, line);
  snprintf(line, sizeof line, "* %s joined", name);
  CHECK_STR(hear(chatter), line);
}

TEST(example_chat_names_and_broadcasts) {
  static struct chatter ann, bob, cyd;
  struct server server = start("examples/chat");
  join_room(&ann, server, "ann");
  join_room(&bob, server, "bob");
  CHECK_STR(hear(&ann), "* bob joined");
  join_room(&cyd, server, "cyd");
  CHECK_STR(hear(&ann), "* cyd joined");
  CHECK_STR(hear(&bob), "* cyd joined");
  say(&bob, "hi\nand ");
  say(&bob, "again\r\n");
  CHECK_STR(hear(&ann), "bob: hi");
  CHECK_STR(hear(&ann), "bob: and again");
  CHECK_STR(hear(&cyd), "bob: hi");
  say(&ann, "hello bob\n");
  CHECK_STR(hear(&bob), "ann: hello bob");
  CHECK_EQ(gt_close(cyd.fd), 0);
  CHECK_STR(hear(&ann), "* cyd left");
  CHECK_STR(hear(&bob), "* cyd left");
  s_close_pair((int[]){ann.fd, bob.fd});
  stop(server);
}

TEST_WITH(example_chat_slow_client_stalls_nobody_and_is_cut_off, 0, 60) {
  static struct chatter ann, bob, slow;
  struct server server = start("examples/chat");
  char text[1002];
  join_room(&slow, server, "slow");
  join_room(&ann, server, "ann");
  join_room(&bob, server, "bob");
  CHECK_STR(hear(&ann), "* bob joined");
  memset(text, 'x', sizeof text - 2);
  text[sizeof text - 2] = '\n';
  text[sizeof text - 1] = 0;
  int cut_off = 0, heard = 0;
  for (int i = 0; i < 30000 && !cut_off; i++) { /* about 30 MB that slow never reads */
    say(&ann, text);
    const char *line = hear(&bob);
    if (strcmp(line, "* slow left") == 0) {
      cut_off = 1;
      line = hear(&bob);
    }
    CHECK_EQ(strlen(line), 5 + 1000);
    heard++;
  }
  CHECK_EQ(cut_off, 1);
  CHECK_GT(heard, 1000);
  CHECK_EQ(gt_close(slow.fd), 0);
  s_close_pair((int[]){ann.fd, bob.fd});
  stop(server);
}

/* What redis-cli prints for its lines of commands. */
static const char *redis(struct server server, const char *commands) {
  static struct s_end said;
  char script[1024];
  snprintf(script, sizeof script, "printf '%s' | redis-cli -p %d", commands, server.port);
  const char *argv[] = {"sh", "-c", script, NULL};
  s_run(&said, argv);
  CHECK_EQ(said.status, 0);
  return said.out;
}

TEST(example_redis_server_answers_redis_cli) {
  if (!s_have_program("redis-cli")) SKIP("no redis-cli here");
  struct server server = start("examples/redis_server");
  CHECK_STR(redis(server, "PING\nPING there\nECHO hi\n"), "PONG\nthere\nhi\n");
  CHECK_STR(redis(server, "GET a\nSET a \"hello world\"\nGET a\nSET a 2\nGET a\n"), "\nOK\nhello world\nOK\n2\n");
  CHECK_STR(redis(server, "SET b x\nMGET a no b\nEXISTS a no b b\nDEL a no\nEXISTS a\nGET a\nDEL a\n"), "OK\n2\n\nx\n3\n1\n0\n\n0\n");
  CHECK_STR(redis(server, "INCR n\nINCR n\nSET n 41\nINCR n\nINCR b\n"), "1\n2\nOK\n42\nERR value is not an integer or out of range\n\n");
  CHECK_STR(redis(server, "SET n 9223372036854775806\nINCR n\nINCR n\nGET n\n"),
            "OK\n9223372036854775807\nERR value is not an integer or out of range\n\n9223372036854775807\n");
  CHECK_STR(redis(server, "FROB\nSET a\nCONFIG GET save\n"), "ERR unknown command or too few arguments: 'FROB'\n\n"
                                                             "ERR unknown command or too few arguments: 'SET'\n\nsave\n\n");
  stop(server);
}

/* Sends bytes, ends, and hears what comes back. */
static const char *raw(struct server server, const char *bytes, size_t len) {
  static char heard[4096];
  size_t have = 0;
  ssize_t n;
  int fd = gt_dial_tcp("127.0.0.1", server.port);
  CHECK_OK(fd);
  for (size_t at = 0; at < len; at++) { /* one by one: a command may come in any pieces */
    CHECK_EQ(gt_send_all(fd, bytes + at, 1, 0, NULL), 0);
    CHECK_EQ(gt_sleep(MS(1)), 0);
  }
  CHECK_EQ(gt_half_close(fd, SHUT_WR), 0);
  while ((n = gt_recv_until(fd, heard + have, sizeof heard - 1 - have, 0, IN_MS(60000))) > 0) have += (size_t)n;
  CHECK_EQ(gt_close(fd), 0);
  heard[have] = 0;
  return heard;
}

TEST(example_redis_server_takes_pieces_lines_and_nonsense) {
  struct server server = start("examples/redis_server");
#define RAW(bytes) raw(server, bytes, sizeof bytes - 1)
  CHECK_STR(RAW("*2\r\n$4\r\nECHO\r\n$5\r\n1\r\n45\r\n*1\r\n$4\r\nPI"), "$5\r\n1\r\n45\r\n");
  CHECK_STR(RAW("SET k v\r\n\r\nGET k\n  \nPING"), "+OK\r\n$1\r\nv\r\n");
  CHECK_STR(RAW("*0\r\n*1\r\n+PING\r\n"), "-ERR protocol error\r\n");
  CHECK_STR(RAW("*1\r\n$-5\r\n"), "-ERR protocol error\r\n");
  CHECK_STR(RAW("*-1\r\nPING\r\n"), "+PONG\r\n");
  stop(server);
}

TEST_WITH(example_redis_server_stands_the_real_benchmark, 0, 60) {
  if (!s_have_program("redis-benchmark")) SKIP("no redis-benchmark here");
  struct server server = start("examples/redis_server");
  char command[256];
  for (int pipelined = 1; pipelined <= 16; pipelined += 15) {
    snprintf(command, sizeof command, "redis-benchmark -p %d -t ping,set,get,incr -n 5000 -c 20 -P %d --csv 2>&1", server.port, pipelined);
    const char *argv[] = {"sh", "-c", command, NULL};
    s_run(&end, argv);
    if (end.status != 0) FAIL("%s", end.out);
    for (size_t i = 0; i < 5; i++) {
      static const char *names[] = {"PING_INLINE", "PING_MBULK", "SET", "GET", "INCR"};
      snprintf(command, sizeof command, "\"%s\",\"", names[i]); /* its name, then its rate */
      CHECK_HAS(end.out, command);
    }
    CHECK(!strstr(end.out, "rror") && !strstr(end.out, "WARN"));
  }
  /* Its clients send some more than they wait for. */
  if (s_have_program("redis-cli")) CHECK_GE(atoi(redis(server, "GET counter:__rand_int__\n")), 10000);
  stop(server);
}

static void *serve_one_page(void *arg) {
  static const char page[] = "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";
  char request[1024] = "";
  int fd = gt_accept(*(int *)arg, NULL, NULL);
  CHECK_OK(fd);
  CHECK_GT(gt_recv(fd, request, sizeof request - 1, 0), 0);
  CHECK_HAS(request, "GET /page HTTP/1.0\r\nHost: localhost\r\n");
  CHECK_EQ(gt_sleep(MS(50)), 0);
  CHECK_EQ(gt_send_all(fd, page, sizeof page - 1, 0, NULL), 0);
  CHECK_EQ(gt_close(fd), 0);
  return NULL;
}

static void *run_dial(void *arg) {
  char port[16];
  snprintf(port, sizeof port, "%d", *(uint16_t *)arg);
  run("examples/dial", "localhost", port, "/page");
  return NULL;
}

TEST(example_dial_fetches_by_name) {
  uint16_t port;
  int listener = s_listener(&port);
  int64_t task = s_spawn(serve_one_page, &listener);
  pthread_t thread = s_thread(run_dial, &port);
  s_join(task);
  s_thread_join(thread);
  CHECK_EQ(end.status, 0);
  CHECK_EQ(end.out[0], '.');
  CHECK_HAS(end.out, "HTTP/1.0 200 OK\r\n");
  CHECK_HAS(end.out, "\r\n\r\nhello\n");
  CHECK_HAS(end.out, "44 bytes from localhost\n");
  CHECK_EQ(gt_close(listener), 0);
}

TEST(example_dial_says_what_went_wrong) {
  uint16_t port;
  char text[16];
  int listener = s_listener(&port);
  CHECK_EQ(gt_close(listener), 0);
  snprintf(text, sizeof text, "%d", port);
  run("examples/dial", "127.0.0.1", text, NULL);
  CHECK_EQ(end.status, 1);
  CHECK_HAS(end.out, gt_strerror(ECONNREFUSED));
}
