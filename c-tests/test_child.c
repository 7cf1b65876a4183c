/* gt_process_spawn: what the child finds (arguments, environment, directory, descriptors, group, signals), pipes both ways, and every
 * error. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char said[4096];

/* Reads until the end. */
static const char *hear(int fd) {
  size_t have = 0;
  ssize_t n;
  while ((n = gt_read(fd, said + have, sizeof said - 1 - have)) > 0) have += (size_t)n;
  CHECK_EQ(n, 0);
  said[have] = 0;
  CHECK_EQ(gt_close(fd), 0);
  return said;
}

static int ended(pid_t pid) {
  int status = -1;
  CHECK_EQ(gt_waitpid_until(pid, &status, 0, IN_MS(60000)), pid);
  CHECK(WIFEXITED(status));
  return WEXITSTATUS(status);
}

/* What `script` writes, run by sh with these wishes. */
static const char *script_with(const char *script, gt_process_opts_t *opts) {
  char text[1024], *argv[] = {"sh", "-c", text, "name", "first", "second argument", NULL};
  int out = -1;
  gt_process_fd_t fds[3] = {{1, GT_PROCESS_WRITES, &out}};
  for (size_t i = 0; i < opts->fds_count; i++) fds[i + 1] = opts->fds[i];
  gt_process_opts_t mine = *opts;
  mine.size = sizeof mine;
  mine.fds = fds;
  mine.fds_count++;
  snprintf(text, sizeof text, "%s", script);
  pid_t pid = gt_process_spawn("sh", argv, &mine);
  CHECK_OK(pid);
  hear(out);
  CHECK_EQ(ended(pid), 0);
  return said;
}

static const char *script(const char *text) {
  gt_process_opts_t opts = {0};
  return script_with(text, &opts);
}

TEST(child_ends_with_its_status) {
  char *yes[] = {"true", NULL}, *no[] = {"false", NULL};
  errno = 77;
  CHECK_EQ(ended(gt_process_spawn("true", yes, NULL)), 0);
  CHECK_EQ(ended(gt_process_spawn_until("false", no, NULL, IN_MS(60000))), 1);
  CHECK_EQ(errno, 77);
}

TEST(child_gets_its_arguments_and_the_environment) {
  setenv("GREENRT_TEST", "from here", 1);
  CHECK_STR(script("echo \"$0,$1,$2,$#\"; echo \"$GREENRT_TEST\""), "name,first,second argument,2\nfrom here\n");
}

TEST(child_gets_an_environment_of_its_own) {
  char *env[] = {"ONE=1", "TWO=two words", NULL}, *none[] = {NULL};
  gt_process_opts_t opts = {.env = env};
  CHECK_STR(script_with("echo \"$ONE,$TWO,$HOME\"", &opts), "1,two words,\n");
  opts.env = none;
  CHECK_STR(script_with("echo \"$ONE,$HOME\"", &opts), ",\n");
}

TEST(child_begins_in_its_directory) {
  gt_process_opts_t opts = {.cwd = "/usr/bin"};
  CHECK_STR(script_with("pwd", &opts), "/usr/bin\n");
  char *argv[] = {"env", "true", NULL};
  opts.size = sizeof opts;
  CHECK_EQ(ended(gt_process_spawn("./env", argv, &opts)), 0); /* a path belongs to it too */
}

/* Numbers that go crosswise: each is read before it is overwritten, also the copies, which would get the lowest free numbers. */
TEST(child_gets_descriptors_where_it_wants_them) {
  int a[2], b[2], out;
  char text[128], *argv[] = {"sh", "-c", text, NULL};
  CHECK_EQ(gt_sleep(1000), 0);
  for (int free_ones = 0; free_ones < 2; free_ones++) {
    s_pipe(a, O_CLOEXEC);
    s_pipe(b, O_CLOEXEC);
    CHECK_EQ(write(a[1], "from a\n", 7), 7);
    CHECK_EQ(write(b[1], "from b\n", 7), 7);
    close(a[1]);
    close(b[1]);
    int lowest = dup(0), next = dup(0), first = free_ones ? next : b[0], second = free_ones ? lowest : a[0];
    close(lowest);
    close(next);
    gt_process_fd_t fds[] = {{first, a[0], NULL}, {second, b[0], NULL}, {1, GT_PROCESS_WRITES, &out}};
    gt_process_opts_t opts = {.size = sizeof opts, .fds = fds, .fds_count = 3};
    snprintf(text, sizeof text, "cat /dev/fd/%d /dev/fd/%d", first, second);
    pid_t pid = gt_process_spawn("sh", argv, &opts);
    CHECK_OK(pid);
    CHECK_STR(hear(out), "from a\nfrom b\n");
    CHECK_EQ(ended(pid), 0);
    close(a[0]);
    close(b[0]);
  }
}

TEST(child_finds_what_is_closed_and_what_is_null) {
  gt_process_fd_t fds[] = {{0, GT_PROCESS_NULL, NULL}, {2, GT_PROCESS_CLOSED, NULL}};
  gt_process_opts_t opts = {.fds = fds, .fds_count = 2};
  CHECK_STR(script_with("cat; [ -e /proc/$$/fd/2 ] || echo closed; readlink /proc/$$/fd/0", &opts), "closed\n/dev/null\n");
}

TEST(child_gets_no_descriptors_unasked) {
  int fds[2];
  char text[128];
  CHECK_EQ(gt_pipe(fds), 0);
  snprintf(text, sizeof text, "[ -e /proc/$$/fd/%d ] && echo one; [ -e /proc/$$/fd/%d ] && echo two; true", fds[0], fds[1]);
  CHECK_STR(script(text), "");
  CHECK_EQ(gt_close(fds[0]), 0);
  CHECK_EQ(gt_close(fds[1]), 0);
}

TEST(child_finds_its_pipes_in_blocking_mode) {
  int in;
  gt_process_fd_t fds[] = {{0, GT_PROCESS_READS, &in}};
  gt_process_opts_t opts = {.fds = fds, .fds_count = 1};
  CHECK_STR(script_with("grep flags /proc/$$/fdinfo/0 /proc/$$/fdinfo/1 | grep -o '[0-7]$' | tr -d '\\n'", &opts), "01");
  CHECK_EQ(fcntl(in, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  CHECK_EQ(gt_close(in), 0);
}

enum { MUCH = 4 << 20 };

static char body[MUCH];

static void *feed(void *arg) {
  for (size_t done = 0; done < MUCH;) {
    ssize_t n = gt_write(*(int *)arg, body + done, MUCH - done);
    CHECK_GT(n, 0);
    done += (size_t)n;
  }
  CHECK_EQ(gt_close(*(int *)arg), 0);
  return NULL;
}

static void *drain(void *arg) {
  static char buf[65536];
  size_t have = 0;
  ssize_t n;
  while ((n = gt_read(*(int *)arg, buf, sizeof buf)) > 0) {
    CHECK_MEM(buf, body + have, (size_t)n);
    have += (size_t)n;
    CHECK_EQ(gt_yield(), 0);
  }
  CHECK_EQ(n, 0);
  CHECK_EQ(have, MUCH);
  CHECK_EQ(gt_close(*(int *)arg), 0);
  return NULL;
}

TEST_WITH(child_with_three_pipes_and_much_both_ways, 0, 60) {
  char *argv[] = {"sh", "-c", "tee /dev/stderr", NULL};
  int in, out, err;
  gt_process_fd_t fds[] = {{0, GT_PROCESS_READS, &in}, {1, GT_PROCESS_WRITES, &out}, {2, GT_PROCESS_WRITES, &err}};
  gt_process_opts_t opts = {.size = sizeof opts, .fds = fds, .fds_count = 3};
  for (size_t i = 0; i < MUCH; i++) body[i] = (char)(i * 13 + (i >> 16));
  pid_t pid = gt_process_spawn("sh", argv, &opts);
  CHECK_OK(pid);
  int64_t tasks[] = {s_spawn(feed, &in), s_spawn(drain, &out), s_spawn(drain, &err)};
  CHECK_EQ(ended(pid), 0);
  for (int i = 0; i < 3; i++) s_join(tasks[i]);
}

static void *run_one(void *arg) {
  char *argv[] = {"sh", "-c", "cat; exit 4", NULL};
  int in, out;
  gt_process_fd_t fds[] = {{0, GT_PROCESS_READS, &in}, {1, GT_PROCESS_WRITES, &out}};
  gt_process_opts_t opts = {.size = sizeof opts, .fds = fds, .fds_count = 2};
  char back[16];
  pid_t pid = gt_process_spawn("sh", argv, &opts);
  CHECK_OK(pid);
  CHECK_EQ(gt_write(in, "hello", 5), 5);
  CHECK_EQ(gt_close(in), 0);
  CHECK_EQ(gt_read(out, back, sizeof back), 5);
  CHECK_EQ(gt_read(out, back, sizeof back), 0);
  CHECK_EQ(gt_close(out), 0);
  CHECK_EQ(ended(pid), 4);
  return arg;
}

TEST_WITH(child_of_each_of_many_tasks, 0, 60) {
  int64_t tasks[20];
  CHECK_EQ(gt_sleep(1000), 0);
  int count = s_fd_count();
  for (size_t i = 0; i < COUNT(tasks); i++) tasks[i] = s_spawn(run_one, NULL);
  for (size_t i = 0; i < COUNT(tasks); i++) s_join(tasks[i]);
  CHECK_EQ(s_fd_count(), count);
  CHECK_EQ(s_stats().descriptors, 0);
}

TEST(child_leads_a_group_or_a_session) {
  char *argv[] = {"sleep", "1000", NULL};
  gt_process_opts_t opts = {.size = sizeof opts, .flags = GT_PROCESS_GROUP};
  int status;
  pid_t pid = gt_process_spawn("sleep", argv, &opts);
  CHECK_OK(pid);
  CHECK_EQ(getpgid(pid), pid);
  CHECK_EQ(getsid(pid), getsid(0));
  CHECK_OK(kill(-pid, SIGKILL));
  CHECK_EQ(gt_waitpid(-pid, &status, 0), pid);
  opts.flags = GT_PROCESS_SESSION;
  pid = gt_process_spawn("sleep", argv, &opts);
  CHECK_OK(pid);
  CHECK_EQ(getsid(pid), pid);
  CHECK_OK(kill(pid, SIGKILL));
  CHECK_EQ(gt_waitpid(pid, &status, 0), pid);
}

static unsigned long long bit(int signal) { return 1ULL << (signal - 1); }

TEST(child_has_the_callers_signals_or_plain_ones) {
  sigset_t some;
  gt_process_opts_t opts = {0};
  const char *show = "grep -E 'Sig(Blk|Ign)' /proc/self/status | tr -dc '0-9a-f\\n'";
  unsigned long long blocked, ignored, ours = bit(SIGPIPE) | bit(SIGUSR2); /* and what this process was born with */
  sigemptyset(&some);
  sigaddset(&some, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &some, NULL);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGUSR2, SIG_IGN);
  script_with(show, &opts);
  CHECK_EQ(sscanf(said, "%llx %llx", &blocked, &ignored), 2);
  CHECK_EQ(blocked, bit(SIGUSR1));
  CHECK_EQ(ignored & ours, ours);
  opts.flags = GT_PROCESS_SIGNALS;
  script_with(show, &opts);
  CHECK_EQ(sscanf(said, "%llx %llx", &blocked, &ignored), 2);
  CHECK_EQ(blocked, 0);
  CHECK_EQ(ignored & ours, 0);
}

TEST(child_errors_of_arguments) {
  char *argv[] = {"true", NULL}, *none[] = {NULL};
  int end;
  struct {
    gt_process_opts_t opts;
    uint64_t more;
  } larger = {.opts.size = sizeof larger, .more = 1};
  gt_process_fd_t fds[] = {{5, 1, NULL}, {5, 1, NULL}};
  gt_process_opts_t opts = {.size = 4};
  CHECK_EQ(gt_process_spawn(NULL, argv, NULL), -EINVAL);
  CHECK_EQ(gt_process_spawn("true", NULL, NULL), -EINVAL);
  CHECK_EQ(gt_process_spawn("true", none, NULL), -EINVAL);
  CHECK_EQ(gt_process_spawn("true", argv, &opts), -EINVAL);
  opts = (gt_process_opts_t){.size = sizeof opts, .flags = 8};
  CHECK_EQ(gt_process_spawn("true", argv, &opts), -EINVAL);
  opts = (gt_process_opts_t){.size = sizeof opts, .reserved = 1};
  CHECK_EQ(gt_process_spawn("true", argv, &opts), -EINVAL);
  opts = (gt_process_opts_t){.size = sizeof opts, .fds_count = 1};
  CHECK_EQ(gt_process_spawn("true", argv, &opts), -EINVAL);
  opts = (gt_process_opts_t){.size = sizeof opts, .fds = fds, .fds_count = 1025};
  CHECK_EQ(gt_process_spawn("true", argv, &opts), -EINVAL);
  opts.fds_count = 2; /* one number twice */
  CHECK_EQ(gt_process_spawn("true", argv, &opts), -EINVAL);
  opts.fds_count = 1;
  fds[0].child = -1;
  CHECK_EQ(gt_process_spawn("true", argv, &opts), -EINVAL);
  fds[0].child = 1 << 30;
  CHECK_EQ(gt_process_spawn("true", argv, &opts), -EINVAL);
  fds[0] = (gt_process_fd_t){5, -9, &end};
  CHECK_EQ(gt_process_spawn("true", argv, &opts), -EINVAL);
  fds[0] = (gt_process_fd_t){5, GT_PROCESS_READS, NULL};
  CHECK_EQ(gt_process_spawn("true", argv, &opts), -EINVAL);
  fds[0] = (gt_process_fd_t){5, GT_PROCESS_WRITES, NULL};
  CHECK_EQ(gt_process_spawn("true", argv, &opts), -EINVAL);
  fds[0] = (gt_process_fd_t){5, 999, NULL};
  CHECK_EQ(gt_process_spawn("true", argv, &opts), -EBADF);
  CHECK_EQ(gt_process_spawn("true", argv, &larger.opts), -E2BIG);
  larger.more = 0;
  CHECK_EQ(ended(gt_process_spawn("true", argv, &larger.opts)), 0);
}

TEST_WITH(child_errors_of_programs, T_VFORK, 0) {
  static char long_text[3 << 20];
  char *argv[] = {"x", NULL, NULL}, path[] = "/tmp/greenrt-child-XXXXXX";
  int out = -7, fd = mkstemp(path);
  gt_process_fd_t fds[] = {{1, GT_PROCESS_WRITES, &out}};
  gt_process_opts_t opts = {.size = sizeof opts, .fds = fds, .fds_count = 1};
  /* A folder on the path that this user may not search would be told of instead, as execvp(3) has it. */
  CHECK_OK(setenv("PATH", "/usr/bin:/bin", 1));
  CHECK_EQ(gt_sleep(1000), 0);
  int count = s_fd_count();
  CHECK_EQ(gt_process_spawn("greenrt-no-such-program", argv, &opts), -ENOENT);
  CHECK_EQ(gt_process_spawn("/etc", argv, &opts), -EACCES);
  CHECK_EQ(gt_process_spawn("/etc/passwd/x", argv, &opts), -ENOTDIR);
  CHECK_EQ(write(fd, "no program\n", 11), 11);
  CHECK_OK(fchmod(fd, 0700));
  close(fd);
  CHECK_EQ(gt_process_spawn(path, argv, &opts), -ENOEXEC);
  unlink(path);
  memset(long_text, 'x', sizeof long_text - 1);
  argv[1] = long_text;
  CHECK_EQ(gt_process_spawn("true", argv, &opts), -E2BIG);
  argv[1] = NULL;
  opts.cwd = "/no/such/directory";
  CHECK_EQ(gt_process_spawn("true", argv, &opts), -ENOENT);
  opts.cwd = "/etc/passwd";
  CHECK_EQ(gt_process_spawn("true", argv, &opts), -ENOTDIR);
  CHECK_EQ(out, -7); /* outputs on success only */
  CHECK_EQ(s_fd_count(), count - 1);
  CHECK_EQ(gt_waitpid(-1, NULL, 0), -ECHILD); /* nothing was left behind */
}

TEST(child_errors_of_numbers_running_out) {
  struct rlimit was, few;
  char *argv[] = {"true", NULL};
  int end;
  gt_process_fd_t fds[] = {{1, GT_PROCESS_WRITES, &end}};
  gt_process_opts_t opts = {.size = sizeof opts, .fds = fds, .fds_count = 1};
  CHECK_EQ(gt_sleep(1000), 0);
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &was));
  int last = dup(0);
  for (int more = 0; more < 3; more++) { /* the pipe, and the copy of its end, want three */
    few = (struct rlimit){(rlim_t)(last + more), was.rlim_max};
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &few));
    if (more == 0) close(last);
    CHECK_EQ(gt_process_spawn("true", argv, &opts), -EMFILE);
  }
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &was));
  CHECK_EQ(s_stats().descriptors, 0);
}

static void *spawn_here(void *arg) {
  char *argv[] = {"sh", "-c", "read forever", NULL};
  (void)arg;
  return (void *)(intptr_t)gt_process_spawn("/bin/sh", argv, NULL);
}

static void no_jobs(void) {
  int64_t limit = IN_MS(60000);
  while (s_stats().offload_jobs) {
    CHECK_LT(gt_now(), limit);
    CHECK_EQ(gt_sleep(MS(1)), 0);
  }
}

/* It is held back before it becomes the program: posix_spawn(3) has not returned. */
TEST(child_of_a_cancelled_call_is_killed) {
  int64_t task;
  CHECK_EQ(gt_sleep(1000), 0);
  int listener = s_hold(SYS_execve), count = s_fd_count();
  if (listener < 0) SKIP("no system call can be held back here");
  task = s_spawn(spawn_here, NULL);
  uint64_t held = s_held(listener);
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ((intptr_t)s_join(task), -ECANCELED);
  s_let_go(listener, held);
  no_jobs();
  int64_t limit = IN_MS(60000);
  while (waitpid(-1, NULL, WNOHANG) == 0) { /* the job takes its status, too */
    CHECK_LT(gt_now(), limit);
    CHECK_EQ(gt_sleep(MS(1)), 0);
  }
  CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
  CHECK_EQ(errno, ECHILD);
  CHECK_EQ(s_fd_count(), count);
  close(listener);
}

static int64_t hold(void *arg) {
  while (!atomic_load((atomic_int *)arg)) s_real_sleep(1);
  return 0;
}

static void *hold_the_pool(void *arg) {
  CHECK_EQ(gt_offload(hold, arg), 0);
  return NULL;
}

TEST(child_waits_of_the_call_end_as_all_do) {
  gt_config_t config = {.size = sizeof config, .offload_threads = 1, .offload_queue = 1};
  char *argv[] = {"true", NULL};
  atomic_int go = 0;
  CHECK_EQ(gt_config(&config), 0);
  int64_t holder = s_spawn(hold_the_pool, &go), task;
  s_settle();
  CHECK_EQ(gt_process_spawn_until("true", argv, NULL, IN_MS(2)), -ETIMEDOUT);
  CHECK_EQ(gt_process_spawn_until("true", argv, NULL, 0), -ETIMEDOUT);
  int64_t scope = gt_deadline_push(IN_MS(2));
  CHECK_EQ(gt_process_spawn("true", argv, NULL), -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(scope), 1);
  CHECK_EQ(gt_interrupt_at(gt_self(), 3, IN_MS(2)), 0);
  CHECK_EQ(gt_process_spawn("true", argv, NULL), -EINTR);
  task = s_spawn(spawn_here, NULL);
  s_settle();
  CHECK_EQ(gt_process_spawn("true", argv, NULL), -EAGAIN); /* the queue is full */
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ((intptr_t)s_join(task), -ECANCELED);
  atomic_store(&go, 1);
  s_join(holder);
  CHECK_EQ(gt_waitpid(-1, NULL, WNOHANG), -ECHILD);
}
