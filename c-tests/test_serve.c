/* The accept loop: what it hands over, what it survives, and how it ends. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static int live, most, served;

static void echo(int fd, void *arg) {
  char buf[64];
  ssize_t n;
  CHECK(arg == &live);
  served++;
  if (++live > most) most = live;
  while ((n = gt_recv(fd, buf, sizeof buf, 0)) > 0 && gt_send_all(fd, buf, (size_t)n, 0, NULL) == 0) {}
  live--;
}

/* A server on a task of its own. */
struct server {
  int listener;
  uint16_t port;
  gt_serve_opts_t opts;
  gt_handler_t handler;
  int64_t deadline, task;
  int result;
};

static void *run(void *arg) {
  struct server *server = arg;
  server->result = gt_serve_until(server->listener, server->handler, &live, &server->opts, server->deadline);
  return NULL;
}

static void start(struct server *server) {
  server->opts.size = sizeof server->opts;
  if (!server->handler) server->handler = echo;
  if (!server->deadline) server->deadline = GT_NEVER;
  if (!server->port) server->listener = s_listener(&server->port);
  server->task = s_spawn(run, server);
  s_settle();
}

static int finish(struct server *server) {
  s_join(server->task);
  return server->result;
}

static int dial(const struct server *server) {
  int fd = gt_dial_tcp("127.0.0.1", server->port);
  CHECK_OK(fd);
  return fd;
}

static void talk(int fd) {
  char buf[8];
  CHECK_EQ(gt_send(fd, "hello", 5, 0), 5);
  CHECK_EQ(gt_recv_until(fd, buf, sizeof buf, 0, IN_MS(60000)), 5);
}

static void *client(void *arg) {
  int fd = dial(arg);
  for (int i = 0; i < 5; i++) talk(fd);
  CHECK_EQ(gt_close(fd), 0);
  return NULL;
}

/* Waits until the tasks of the connections are gone. */
static void wait_for_tasks(uint64_t count) {
  while (s_stats().tasks_live > count) CHECK_EQ(gt_sleep(MS(1)), 0);
}

TEST(serve_gives_each_connection_a_task) {
  struct server server = {0};
  int64_t tasks[100];
  start(&server);
  uint64_t before = s_stats().tasks_live;
  for (size_t i = 0; i < COUNT(tasks); i++) tasks[i] = s_spawn(client, &server);
  for (size_t i = 0; i < COUNT(tasks); i++) s_join(tasks[i]);
  CHECK_EQ(served, 100);
  CHECK_GT(most, 1);
  wait_for_tasks(before);
  CHECK_EQ(s_stats().descriptors, 1); /* closed for them */
  CHECK_EQ(gt_serve_stop(server.listener), 0);
  CHECK_EQ(finish(&server), 0);
  CHECK_EQ(gt_serve_stop(server.listener), -ESRCH);
  CHECK_EQ(gt_close(server.listener), 0);
}

TEST(serve_adopts_a_listener_in_blocking_mode) {
  struct server server = {0};
  int own = s_listener(&server.port);
  CHECK_EQ(gt_fd_release(own), 0);
  CHECK(!(fcntl(own, F_GETFL) & O_NONBLOCK));
  server.listener = own;
  start(&server);
  client(&server);
  CHECK_EQ(gt_serve_stop(own), 0);
  CHECK_EQ(finish(&server), 0);
  CHECK_EQ(gt_fd_release(own), 0); /* owned now */
  CHECK_EQ(close(own), 0);
  wait_for_tasks(0);
}

TEST(serve_keeps_to_its_number_of_connections) {
  struct server server = {.opts.max_connections = 3};
  int64_t tasks[20];
  start(&server);
  for (size_t i = 0; i < COUNT(tasks); i++) tasks[i] = s_spawn(client, &server);
  for (size_t i = 0; i < COUNT(tasks); i++) s_join(tasks[i]);
  CHECK_EQ(served, 20);
  CHECK_EQ(most, 3);
  CHECK_EQ(gt_serve_stop(server.listener), 0);
  CHECK_EQ(finish(&server), 0);
  CHECK_EQ(gt_close(server.listener), 0);
  wait_for_tasks(0);
}

TEST(serve_two_full_loops_on_one_listener_rest) {
  struct server a = {.opts.max_connections = 1}, b = a;
  int fds[3];
  start(&a);
  b.port = a.port;
  b.listener = a.listener;
  start(&b);
  for (int i = 0; i < 2; i++) talk(fds[i] = dial(&a));
  fds[2] = dial(&a); /* waits in the queue */
  double before = s_cpu();
  CHECK_EQ(gt_sleep(MS(200)), 0);
  CHECK_LT((s_cpu() - before) * 1000, 100);
  CHECK_EQ(gt_close(fds[0]), 0);
  talk(fds[2]);
  CHECK_EQ(gt_serve_stop(a.listener), 0); /* both */
  CHECK_EQ(finish(&a), 0);
  CHECK_EQ(finish(&b), 0);
  s_close_pair(fds + 1);
  CHECK_EQ(gt_close(a.listener), 0);
  wait_for_tasks(0);
}

static void set_limit(rlim_t count) {
  struct rlimit limit;
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
  limit.rlim_cur = count;
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
}

TEST_WITH(serve_out_of_descriptors_pauses_and_goes_on, T_ALONE | T_LIMITS, 0) {
  struct server server = {0};
  int fds[4], spare[64];
  start(&server);
  /* Sockets that are not connected yet, then no number left for the server's side of them. */
  for (int i = 0; i < 4; i++) CHECK_OK(fds[i] = gt_socket(AF_INET, SOCK_STREAM, 0));
  size_t count = 0;
  set_limit(64);
  while (count < COUNT(spare) && (spare[count] = dup(0)) >= 0) count++;
  CHECK_EQ(errno, EMFILE);
  struct sockaddr_storage addr;
  socklen_t len = sizeof addr;
  CHECK_OK(getsockname(server.listener, (struct sockaddr *)&addr, &len));
  for (int i = 0; i < 4; i++) CHECK_EQ(gt_connect(fds[i], (struct sockaddr *)&addr, len), 0);
  double before = s_cpu();
  uint64_t switches = s_stats().switches;
  CHECK_EQ(gt_sleep(MS(300)), 0);
  CHECK_EQ(served, 0);
  CHECK_LT((s_cpu() - before) * 1000, 150); /* it does not spin */
  CHECK_LT(s_stats().switches - switches, 200);
  for (int i = 0; i < 2; i++) CHECK_EQ(close(spare[--count]), 0);
  talk(fds[0]); /* the same connections, later */
  talk(fds[1]);
  CHECK_EQ(served, 2);
  CHECK_EQ(gt_close(fds[0]), 0); /* two numbers come back: this one and the server's */
  talk(fds[2]);
  talk(fds[3]);
  while (count) CHECK_EQ(close(spare[--count]), 0);
  CHECK_EQ(gt_serve_stop(server.listener), 0);
  CHECK_EQ(finish(&server), 0);
  for (int i = 1; i < 4; i++) CHECK_EQ(gt_close(fds[i]), 0);
  CHECK_EQ(gt_close(server.listener), 0);
  wait_for_tasks(0);
}

TEST_WITH(serve_out_of_memory_for_stacks_keeps_the_connection, T_ALONE | T_LIMITS, 0) {
  struct server server = {.opts.stack_size = (size_t)512 << 20};
  struct rlimit old, tight;
  start(&server);
  CHECK_OK(getrlimit(RLIMIT_AS, &old));
  tight = old;
  tight.rlim_cur = (rlim_t)300 << 20; /* no address space for one such stack */
  CHECK_OK(setrlimit(RLIMIT_AS, &tight));
  int fd = dial(&server);
  double before = s_cpu();
  CHECK_EQ(gt_sleep(MS(100)), 0);
  CHECK_LT((s_cpu() - before) * 1000, 80);
  CHECK_EQ(served, 0);
  CHECK_OK(setrlimit(RLIMIT_AS, &old));
  talk(fd);
  CHECK_EQ(served, 1);
  CHECK_EQ(gt_serve_stop(server.listener), 0);
  CHECK_EQ(finish(&server), 0);
  s_close_pair((int[]){fd, server.listener});
  wait_for_tasks(0);
}

TEST(serve_ends_by_cancel_interrupt_and_deadlines) {
  struct server server = {0};
  int code = 0;
  start(&server);
  CHECK_EQ(gt_cancel(server.task), 0);
  CHECK_EQ(finish(&server), -ECANCELED);
  start(&server);
  CHECK_EQ(gt_interrupt(server.task, 5), 0);
  CHECK_EQ(finish(&server), -EINTR);
  server.deadline = IN_MS(10);
  start(&server);
  CHECK_EQ(finish(&server), -ETIMEDOUT);
  CHECK_EQ(gt_serve_until(server.listener, echo, &live, NULL, 0), -ETIMEDOUT);
  int64_t scope = gt_deadline_push(IN_MS(5));
  CHECK_EQ(gt_serve(server.listener, echo, &live, NULL), -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(scope), 1);
  CHECK_EQ(gt_interrupt(gt_self(), 6), 0);
  CHECK_EQ(gt_serve(server.listener, echo, &live, NULL), -EINTR);
  CHECK_EQ(gt_interrupt_take(&code), 0);
  CHECK_EQ(code, 6);
  CHECK_EQ(gt_close(server.listener), 0);
}

/* The same while it waits for a connection to end. */
TEST(serve_ends_at_its_limit_too) {
  for (int how = 0; how < 4; how++) {
    struct server server = {.opts.max_connections = 1};
    start(&server);
    int fd = dial(&server), waiting = dial(&server);
    talk(fd);
    if (how == 0) CHECK_EQ(gt_cancel(server.task), 0);
    if (how == 1) CHECK_EQ(gt_close(server.listener), 0);
    if (how == 2) CHECK_EQ(gt_serve_stop(server.listener), 0);
    if (how == 3) CHECK_EQ(gt_interrupt(server.task, 1), 0);
    CHECK_EQ(finish(&server), ((int[]){-ECANCELED, -EBADF, 0, -EINTR})[how]);
    talk(fd); /* connections go on */
    s_close_pair((int[]){fd, waiting});
    if (how != 1) CHECK_EQ(gt_close(server.listener), 0);
    wait_for_tasks(0);
  }
}

TEST(serve_ends_when_the_listener_is_closed_and_its_number_reused) {
  struct server server = {0};
  start(&server);
  CHECK_EQ(gt_close(server.listener), 0);
  CHECK_EQ(finish(&server), -EBADF);

  /* Closed in the same turn in which a connection ends, and another listener gets the number. */
  struct server full = {.opts.max_connections = 1};
  start(&full);
  int fd = dial(&full);
  talk(fd);
  uint16_t port;
  CHECK_EQ(gt_close(full.listener), 0);
  int other = s_listener(&port);
  CHECK_EQ(other, full.listener);
  CHECK_EQ(gt_close(fd), 0);
  CHECK_EQ(finish(&full), -EBADF);
  CHECK_EQ(gt_close(other), 0);
  wait_for_tasks(0);
}

static void *stop_soon(void *arg) {
  CHECK_EQ(gt_sleep(MS(20)), 0);
  s_log('c');
  CHECK_EQ(gt_close(*(int *)arg), 0);
  return NULL;
}

TEST(serve_drains_with_patience_when_stopped) {
  for (int closed = 0; closed < 2; closed++) {
    struct server server = {.opts.flags = GT_SERVE_DRAIN};
    s_log_clear();
    start(&server);
    int fd = dial(&server);
    talk(fd);
    int64_t task = s_spawn(stop_soon, &fd);
    CHECK_EQ(closed ? gt_close(server.listener) : gt_serve_stop(server.listener), 0);
    CHECK_EQ(finish(&server), closed ? -EBADF : 0);
    CHECK_STR(s_logged(), "c"); /* not before the connection had ended */
    CHECK_EQ(live, 0);
    s_join(task);
    if (!closed) CHECK_EQ(gt_close(server.listener), 0);
  }
}

TEST(serve_drains_at_once_when_cancelled) {
  for (int later = 0; later < 3; later++) {
    struct server server = {.opts.flags = GT_SERVE_DRAIN};
    if (later == 2) CHECK_EQ(gt_clock_virtual(0, MS(60000)), 0); /* the deadline comes when the test says so, however slow the machine */
    if (later == 2) server.deadline = IN_MS(30);
    start(&server);
    int fds[2] = {dial(&server), dial(&server)};
    talk(fds[0]);
    talk(fds[1]);
    CHECK_EQ(live, 2);
    if (later) CHECK_EQ(gt_serve_stop(server.listener), 0);
    s_settle(); /* waits for them */
    CHECK_EQ(later < 2 ? gt_cancel(server.task) : gt_clock_advance(MS(30)), 0);
    CHECK_EQ(finish(&server), later < 2 ? -ECANCELED : -ETIMEDOUT);
    CHECK_EQ(live, 0);
    s_close_pair(fds);
    CHECK_EQ(gt_close(server.listener), 0);
  }
}

/* -- who closes the descriptor */

static void close_it(int fd, void *arg) {
  (void)arg;
  CHECK_EQ(gt_send(fd, "hello", 5, 0), 5);
  CHECK_EQ(gt_close(fd), 0);
  CHECK_EQ(gt_sleep(MS(20)), 0); /* meanwhile the number is somebody else's */
  served++;
}

TEST(serve_handler_may_close_and_the_number_is_left_alone) {
  struct server server = {.handler = close_it};
  char buf[8];
  start(&server);
  int fd = dial(&server), others[8];
  CHECK_EQ(gt_recv(fd, buf, sizeof buf, 0), 5);
  CHECK_EQ(gt_recv(fd, buf, sizeof buf, 0), 0);
  for (int i = 0; i < 8; i++) CHECK_OK(others[i] = gt_socket(AF_INET, SOCK_STREAM, 0));
  while (!served) CHECK_EQ(gt_sleep(MS(1)), 0);
  wait_for_tasks(1);
  for (int i = 0; i < 8; i++) CHECK_EQ(gt_close(others[i]), 0);
  CHECK_EQ(gt_close(fd), 0);
  CHECK_EQ(gt_serve_stop(server.listener), 0);
  CHECK_EQ(finish(&server), 0);
  CHECK_EQ(gt_close(server.listener), 0);
}

static int handed = -1;

static void hand_on(int fd, void *arg) {
  (void)arg;
  CHECK_EQ(gt_fd_release(fd), 0);
  CHECK_EQ(gt_fd_adopt(fd), 0);
  handed = fd;
}

TEST(serve_handler_may_hand_the_connection_on) {
  struct server server = {.handler = hand_on};
  char buf[8];
  start(&server);
  int fd = dial(&server);
  while (handed < 0) CHECK_EQ(gt_sleep(MS(1)), 0);
  wait_for_tasks(1);
  CHECK_EQ(gt_send(handed, "still", 5, 0), 5);
  CHECK_EQ(gt_recv(fd, buf, sizeof buf, 0), 5);
  s_close_pair((int[]){fd, handed});
  CHECK_EQ(gt_serve_stop(server.listener), 0);
  CHECK_EQ(finish(&server), 0);
  CHECK_EQ(gt_close(server.listener), 0);
}

static void leave(int fd, void *arg) {
  (void)fd, (void)arg;
  gt_exit(NULL);
}

TEST(serve_closes_also_when_the_handler_exits_its_task) {
  struct server server = {.handler = leave};
  char buf[8];
  start(&server);
  int fd = dial(&server);
  CHECK_EQ(gt_recv(fd, buf, sizeof buf, 0), 0);
  CHECK_EQ(gt_close(fd), 0);
  CHECK_EQ(gt_serve_stop(server.listener), 0);
  CHECK_EQ(finish(&server), 0);
  CHECK_EQ(gt_close(server.listener), 0);
}

static atomic_int serving;

static void *serve_here(void *arg) {
  struct server *server = arg;
  start(server);
  serving++;
  CHECK_EQ(finish(server), -ECANCELED);
  wait_for_tasks(0);
  CHECK_EQ(gt_close(server->listener), 0);
  CHECK_EQ(gt_shutdown(), 0);
  return NULL;
}

TEST(serve_on_several_threads_with_a_listener_each) {
  gt_listen_opts_t shared = {.size = sizeof shared, .flags = GT_LISTEN_REUSEPORT};
  struct server servers[2] = {{.handler = leave}, {.handler = leave}};
  pthread_t threads[2];
  int answered = 0;
  for (int i = 0; i < 2; i++) {
    CHECK_OK(servers[i].listener = gt_listen_tcp_with("127.0.0.1", i ? servers[0].port : 0, &shared));
    servers[i].port = s_port(servers[i].listener);
    CHECK_EQ(gt_fd_release(servers[i].listener), 0);
    threads[i] = s_thread(serve_here, &servers[i]);
  }
  for (int i = 0; i < 32; i++) {
    char byte;
    int fd = dial(&servers[0]);
    answered += gt_recv_until(fd, &byte, 1, 0, IN_MS(60000)) == 0;
    CHECK_EQ(gt_close(fd), 0);
  }
  CHECK_EQ(answered, 32);
  while (serving < 2) CHECK_EQ(gt_sleep(MS(1)), 0);
  for (int i = 0; i < 2; i++) {
    CHECK_EQ(gt_cancel(servers[i].task), 0); /* from another OS thread: the way to stop a server */
    s_thread_join(threads[i]);
  }
}

TEST(serve_errors) {
  int plain = gt_socket(AF_INET, SOCK_STREAM, 0), pipes[2];
  uint16_t port;
  int listener = s_listener(&port);
  struct {
    gt_serve_opts_t opts;
    uint64_t more;
  } larger = {.opts.size = sizeof larger, .more = 1};
  gt_serve_opts_t opts = {.size = 8};
  s_pipe(pipes, 0);
  CHECK_EQ(gt_serve(listener, NULL, NULL, NULL), -EINVAL);
  CHECK_EQ(gt_serve(plain, echo, NULL, NULL), -EINVAL);
  CHECK_EQ(gt_serve(pipes[0], echo, NULL, NULL), -ENOTSOCK);
  CHECK_EQ(gt_serve(-1, echo, NULL, NULL), -EBADF);
  CHECK_EQ(gt_serve(listener, echo, NULL, &opts), -EINVAL);
  opts = (gt_serve_opts_t){.size = sizeof opts, .flags = 2};
  CHECK_EQ(gt_serve(listener, echo, NULL, &opts), -EINVAL);
  opts = (gt_serve_opts_t){.size = sizeof opts, .reserved = 1};
  CHECK_EQ(gt_serve(listener, echo, NULL, &opts), -EINVAL);
  opts = (gt_serve_opts_t){.size = sizeof opts, .stack_size = 1000};
  CHECK_EQ(gt_serve(listener, echo, NULL, &opts), -EINVAL);
  opts.stack_size = (size_t)2 << 30;
  CHECK_EQ(gt_serve(listener, echo, NULL, &opts), -EINVAL);
  CHECK_EQ(gt_serve(listener, echo, NULL, &larger.opts), -E2BIG);
  CHECK_EQ(gt_serve_stop(listener), -ESRCH);
  CHECK_EQ(gt_serve_stop(-1), -ESRCH);
  CHECK_EQ(gt_cancel(gt_self()), 0);
  CHECK_EQ(gt_serve(listener, echo, NULL, NULL), -ECANCELED);
  s_close_pair(pipes);
  s_close_pair((int[]){plain, listener});
}
