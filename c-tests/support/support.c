/* Tasks, logs, descriptors and OS threads for the tests: each helper fails the test itself, so callers read straight on. */
#include "support.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int64_t s_spawn(gt_entry_t entry, void *arg) {
  int64_t task = gt_spawn(entry, arg);
  CHECK_GT(task, 0);
  return task;
}

int64_t s_spawn_named(const char *name, gt_entry_t entry, void *arg) {
  gt_spawn_opts_t opts = {.size = sizeof opts, .name = name};
  int64_t task = gt_spawn_with(entry, arg, &opts);
  CHECK_GT(task, 0);
  return task;
}

int64_t s_spawn_stack(size_t stack_size, gt_entry_t entry, void *arg) {
  gt_spawn_opts_t opts = {.size = sizeof opts, .stack_size = stack_size};
  int64_t task = gt_spawn_with(entry, arg, &opts);
  CHECK_GT(task, 0);
  return task;
}

void *s_join(int64_t task) {
  void *result = NULL;
  CHECK_EQ(gt_join(task, &result), 0);
  return result;
}

void s_settle(void) {
  for (int turn = 0; turn < 4; turn++) CHECK_EQ(gt_yield(), 0);
}

gt_stats_t s_stats(void) {
  gt_stats_t stats = {.size = sizeof stats};
  CHECK_EQ(gt_stats(&stats), 0);
  return stats;
}

static char events[4096];
static size_t event_count;

void s_log(char c) {
  CHECK_LT(event_count, sizeof events - 1);
  events[event_count++] = c;
  events[event_count] = 0;
}

void s_log_clear(void) { events[event_count = 0] = 0; }

const char *s_logged(void) { return events; }

void s_unix_pair(int type, int fds[2]) { CHECK_OK(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds)); }

void s_tcp_pair(int fds[2]) {
  struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof addr;
  int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK_OK(listener);
  CHECK_OK(bind(listener, (struct sockaddr *)&addr, sizeof addr));
  CHECK_OK(listen(listener, 1));
  CHECK_OK(getsockname(listener, (struct sockaddr *)&addr, &len));
  CHECK_OK(fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CHECK_OK(connect(fds[0], (struct sockaddr *)&addr, sizeof addr));
  CHECK_OK(fds[1] = accept(listener, NULL, NULL));
  for (int i = 0; i < 2; i++) CHECK_OK(setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
  close(listener);
}

void s_adopt_pair(int fds[2]) {
  CHECK_EQ(gt_fd_adopt(fds[0]), 0);
  CHECK_EQ(gt_fd_adopt(fds[1]), 0);
}

void s_pipe(int fds[2], int flags) { CHECK_OK(pipe2(fds, flags | O_CLOEXEC)); }

void s_close_pair(int fds[2]) {
  CHECK_EQ(gt_close(fds[0]), 0);
  CHECK_EQ(gt_close(fds[1]), 0);
}

uint16_t s_port(int fd) {
  struct sockaddr_in addr;
  socklen_t len = sizeof addr;
  CHECK_OK(getsockname(fd, (struct sockaddr *)&addr, &len));
  return ntohs(addr.sin_port);
}

int s_listener(uint16_t *port) {
  int fd = gt_listen_tcp("127.0.0.1", 0, 0);
  CHECK_OK(fd);
  *port = s_port(fd);
  return fd;
}

void s_fill(int fd) {
  static char block[65536];
  int flags = fcntl(fd, F_GETFL);
  CHECK_OK(flags);
  CHECK_OK(fcntl(fd, F_SETFL, flags | O_NONBLOCK));
  for (int quiet = 0; quiet < 3; quiet++) { /* a TCP window may open once more a moment later */
    for (size_t size = sizeof block; size; size /= 2)
      while (write(fd, block, size) > 0) quiet = 0;
    CHECK_EQ(errno, EAGAIN);
    s_real_sleep(2);
  }
  CHECK_OK(fcntl(fd, F_SETFL, flags));
}

int s_fd_count(void) {
  DIR *dir = opendir("/proc/self/fd");
  int count = 0;
  CHECK(dir != NULL);
  while (readdir(dir)) count++;
  closedir(dir);
  return count - 3; /* "." and ".." and the directory itself */
}

__attribute__((noinline)) void s_use_stack(int kib) {
  volatile char frame[1024 - 64]; /* the rest is the frame's own */
  for (size_t i = 0; i < sizeof frame; i += 64) frame[i] = (char)kib;
  S_KEEP(frame);
  if (kib > 1) s_use_stack(kib - 1);
  S_KEEP(frame);
}

pthread_t s_thread(void *(*body)(void *), void *arg) {
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, body, arg), 0);
  return thread;
}

void *s_thread_join(pthread_t thread) {
  void *result;
  CHECK_EQ(pthread_join(thread, &result), 0);
  return result;
}

void s_real_sleep(int ms) {
  struct timespec rest = {ms / 1000, (long)(ms % 1000) * 1000000};
  while (nanosleep(&rest, &rest) < 0) CHECK_EQ(errno, EINTR);
}

static atomic_long moments;

static int stat_of(int64_t thread) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)thread);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  CHECK_OK(fd);
  return fd;
}

static int state_in(int fd) {
  char line[512], *at;
  ssize_t n = pread(fd, line, sizeof line - 1, 0);
  CHECK_GT(n, 0);
  line[n] = 0;
  CHECK((at = strrchr(line, ')')) != NULL);
  return at[2];
}

int s_state(int64_t thread) {
  int fd = stat_of(thread), state = state_in(fd);
  close(fd);
  return state;
}

static void *count_moments(void *arg) {
  int fd = *(int *)arg;
  for (;;) {
    s_real_sleep(1);
    if (state_in(fd) == 'S') atomic_fetch_add(&moments, 1);
  }
  return NULL;
}

long s_moments(void) {
  static int of_caller; /* its descriptor stays: numbers that a test counts on are not in use for a moment again and again */
  if (!of_caller) {
    of_caller = stat_of(gettid());
    CHECK_EQ(pthread_detach(s_thread(count_moments, &of_caller)), 0);
  }
  return atomic_load(&moments);
}

double s_cpu(void) {
  struct timespec ts;
  CHECK_OK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts));
  return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

size_t s_calls_among(const uintptr_t *addresses, size_t count, const uintptr_t *functions, size_t wanted) {
  size_t next = 0;
  for (size_t i = 0; i < count && next < wanted; i++) {
    size_t nearest = wanted; /* the function that begins last before the address */
    for (size_t k = 0; k < wanted; k++)
      if (functions[k] < addresses[i] && (nearest == wanted || functions[k] > functions[nearest])) nearest = k;
    if (nearest == next && addresses[i] - functions[next] < 8192) next++;
  }
  return next;
}
