/* Looking in: lists, what a task waits on and since when, backtraces of parked tasks, dumps, dumps on a signal. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- a task parked three calls deep, in functions that stay calls */

static volatile int after_call; /* what follows a call keeps it from becoming a jump */

DEEP static int third_parks(void) {
  int result = gt_park();
  after_call++;
  return result;
}

DEEP static int second_calls(int x) {
  volatile char room[200];
  room[x] = 1;
  int result = third_parks();
  after_call += room[x];
  return result;
}

DEEP static int first_calls(int x) {
  int result = second_calls(x + 1);
  after_call++;
  return result;
}

static void *deep_entry(void *arg) {
  intptr_t result = first_calls(*(int *)arg);
  after_call++;
  return (void *)result;
}

static int zero;

static void *park(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_park();
}

static void end(int64_t task) {
  gt_unpark(task);
  CHECK_EQ((intptr_t)s_join(task), 0);
}

/* What a call writes to a descriptor. */
static char text[1 << 20];

static const char *read_file(int fd) {
  ssize_t n = pread(fd, text, sizeof text - 1, 0);
  CHECK_OK(n);
  text[n] = 0;
  return text;
}

static const char *dumped(void) {
  FILE *file = tmpfile();
  CHECK(file != NULL);
  CHECK_EQ(gt_dump(fileno(file)), 0);
  read_file(fileno(file));
  fclose(file);
  return text;
}

static gt_task_info_t info_of(int64_t task) {
  gt_task_info_t info = {.size = sizeof info};
  CHECK_EQ(gt_task_info(task, &info), 0);
  CHECK_EQ(info.id, task);
  return info;
}

/* -- lists */

TEST(task_list_has_every_task_and_the_root) {
  int64_t ids[8], tasks[3];
  CHECK_EQ(gt_task_list(ids, COUNT(ids)), 1);
  CHECK_EQ(ids[0], gt_self());
  for (int i = 0; i < 3; i++) tasks[i] = s_spawn(park, NULL);
  s_settle();
  CHECK_EQ(gt_task_list(ids, COUNT(ids)), 4);
  for (int i = 0; i < 3; i++) {
    int found = 0;
    for (int k = 0; k < 4; k++) found += ids[k] == tasks[i];
    CHECK_EQ(found, 1);
  }
  ids[2] = -7;
  CHECK_EQ(gt_task_list(ids, 2), 4);
  CHECK_EQ(ids[2], -7);
  CHECK_EQ(gt_task_list(NULL, 0), 4);
  for (int i = 0; i < 3; i++) end(tasks[i]);
  CHECK_EQ(gt_task_list(NULL, 0), 1);
}

static void *list_in_task(void *arg) {
  int64_t ids[4];
  CHECK_EQ(gt_task_list(ids, 4), 2);
  return arg;
}

TEST(task_list_has_no_ended_task) {
  int64_t task = s_spawn(list_in_task, NULL);
  s_settle();
  CHECK_EQ(gt_task_list(NULL, 0), 1);
  CHECK_EQ(info_of(task).state, GT_TASK_ENDED);
  s_join(task);
}

TEST(task_list_without_a_place_is_refused) {
  CHECK_EQ(gt_task_list(NULL, 1), -EINVAL);
  int64_t id;
  CHECK_EQ(gt_task_list(&id, SIZE_MAX), -EINVAL);
}

/* -- info */

TEST(task_info_tells_a_parked_task) {
  int64_t before = gt_now(), task = s_spawn_named("sleeper", park, NULL);
  gt_task_info_t ready = info_of(task);
  CHECK_EQ(ready.state, GT_TASK_READY);
  CHECK_EQ(ready.waits, GT_WAIT_OTHER);
  CHECK_EQ(ready.since, 0);
  CHECK_EQ(gt_sleep(MS(20)), 0);
  gt_task_info_t info = info_of(task);
  CHECK_EQ(info.state, GT_TASK_PARKED);
  CHECK_EQ(info.waits, GT_WAIT_PARK);
  CHECK_EQ(info.deadline, GT_NEVER);
  CHECK_GE(info.since, before - MS(20));
  CHECK_LE(info.since, gt_now());
  CHECK_STR(info.name, "sleeper");
  CHECK(info.entry == (const void *)(uintptr_t)park);
  CHECK_EQ(info.flags, 0);
  char *base = info.stack_base, *pointer = info.stack_pointer;
  CHECK(pointer > base && pointer < base + info.stack_size);
  CHECK_GE(info.stack_size, 64 * 1024);
  CHECK_GE(info.stack_used, (size_t)(base + info.stack_size - pointer));
  CHECK_LE(info.stack_used, 8192);
  end(task);
}

TEST(task_info_tells_the_running_root) {
  gt_task_info_t info = info_of(gt_self());
  CHECK_EQ(info.state, GT_TASK_RUNNING);
  CHECK_EQ(info.flags, GT_TASK_ROOT | GT_TASK_DETACHED);
  CHECK_STR(info.name, "root");
  char *here = __builtin_frame_address(0); /* a local may stand elsewhere, under a tool */
  CHECK(here > (char *)info.stack_base && here < (char *)info.stack_base + info.stack_size);
  CHECK(info.stack_pointer == NULL && info.entry == NULL);
}

static void *sleep_long(void *arg) { return (void *)(intptr_t)gt_sleep_until(*(int64_t *)arg); }
static void *read_byte(void *arg) {
  char byte;
  return (void *)(intptr_t)(gt_read(*(int *)arg, &byte, 1) < 0);
}
static void *join_it(void *arg) { return (void *)(intptr_t)gt_join(*(int64_t *)arg, NULL); }
static void *poll_two(void *arg) {
  int *fds = arg;
  struct pollfd both[] = {{.fd = fds[0], .events = POLLIN}, {.fd = fds[1], .events = POLLIN}};
  return (void *)(intptr_t)(gt_poll(both, 2) != 1);
}

TEST(task_info_names_each_kind_of_wait) {
  int64_t until = IN_MS(60000), task = s_spawn(sleep_long, &until);
  s_settle();
  gt_task_info_t info = info_of(task);
  CHECK_EQ(info.waits, GT_WAIT_SLEEP);
  CHECK_EQ(info.deadline, until);
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ(info_of(task).state, GT_TASK_READY);
  CHECK_EQ(info_of(task).waits, GT_WAIT_OTHER);
  CHECK_EQ(info_of(task).flags, GT_TASK_CANCELLED);
  CHECK_EQ((intptr_t)s_join(task), -ECANCELED);

  int fds[2];
  s_unix_pair(SOCK_STREAM, fds);
  task = s_spawn(read_byte, &fds[0]);
  s_settle();
  info = info_of(task);
  CHECK_EQ(info.waits, GT_WAIT_READ);
  CHECK_EQ(info.object, fds[0]);

  int64_t joined = task, joiner = s_spawn(join_it, &joined);
  s_settle();
  info = info_of(joiner);
  CHECK_EQ(info.waits, GT_WAIT_JOIN);
  CHECK_EQ(info.object, task);
  CHECK_EQ(write(fds[1], "x", 1), 1);
  CHECK_EQ((intptr_t)s_join(joiner), 0);

  task = s_spawn(poll_two, fds);
  s_settle();
  info = info_of(task);
  CHECK_EQ(info.waits, GT_WAIT_POLL);
  CHECK_EQ(info.object, 2);
  CHECK_EQ(write(fds[1], "x", 1), 1);
  CHECK_EQ((intptr_t)s_join(task), 0);
  s_close_pair(fds);
}

static void *park_then_block(void *arg) {
  CHECK_EQ(gt_park(), 0);
  uint64_t one = 1;
  ssize_t n = gt_read(*(int *)arg, &one, sizeof one);
  return (void *)(intptr_t)(n != sizeof one);
}

TEST(task_info_forgets_the_wait_before) {
  int fd = eventfd(0, EFD_CLOEXEC);
  int64_t task = s_spawn(park_then_block, &fd);
  s_settle();
  CHECK_EQ(info_of(task).waits, GT_WAIT_PARK);
  CHECK_EQ(gt_unpark(task), 0);
  s_settle();
  gt_task_info_t info = info_of(task);
  CHECK_EQ(info.waits, GT_WAIT_READ);
  CHECK_EQ(info.object, fd);
  uint64_t one = 1;
  CHECK_EQ(write(fd, &one, sizeof one), (ssize_t)sizeof one);
  CHECK_EQ((intptr_t)s_join(task), 0);
  close(fd);
}

static void *spend_stack(void *arg) {
  s_use_stack(*(int *)arg);
  return (void *)(intptr_t)gt_park();
}

TEST(task_info_stack_used_is_the_high_water_mark) {
  int few = 1, many = 40;
  int64_t small = s_spawn(spend_stack, &few), large = s_spawn(spend_stack, &many);
  s_settle();
  CHECK_LT(info_of(small).stack_used, 12 * 1024);
  CHECK_GE(info_of(large).stack_used, 36 * 1024);
  CHECK_LE(info_of(large).stack_used, 48 * 1024);
  end(small);
  end(large);
}

TEST(task_info_of_a_stack_of_the_callers_own_has_no_mark) {
  size_t size = 64 * 1024;
  char *stack = aligned_alloc(4096, size);
  gt_spawn_opts_t opts = {.size = sizeof opts, .stack = stack, .stack_size = size};
  int64_t task = gt_spawn_with(park, NULL, &opts);
  CHECK_OK(task);
  s_settle();
  gt_task_info_t info = info_of(task);
  CHECK(info.stack_base == stack && info.stack_size == size);
  CHECK_EQ(info.stack_used, 0);
  end(task);
  free(stack);
}

static void *other_thread(void *arg) {
  gt_task_info_t info = {.size = sizeof info};
  void *address;
  CHECK_EQ(gt_task_info(*(int64_t *)arg, &info), -EXDEV);
  CHECK_EQ(gt_backtrace(*(int64_t *)arg, &address, 1), -EXDEV);
  CHECK_EQ(gt_shutdown(), 0);
  return NULL;
}

TEST(task_info_errors) {
  int64_t self = gt_self();
  gt_task_info_t info = {.size = sizeof info};
  CHECK_EQ(gt_task_info(self, NULL), -EINVAL);
  info.size = 8;
  CHECK_EQ(gt_task_info(self, &info), -EINVAL);
  info.size = sizeof info;
  CHECK_EQ(gt_task_info(0, &info), -ESRCH);
  CHECK_EQ(gt_task_info(-1, &info), -ESRCH);
  CHECK_EQ(gt_task_info(self + 12345, &info), -ESRCH);
  s_thread_join(s_thread(other_thread, &self));
}

TEST(task_info_fills_smaller_and_larger_structs) {
  struct {
    gt_task_info_t info;
    char more[16];
  } large = {.info = {.size = sizeof large}, .more = {1, 2, 3}};
  CHECK_EQ(gt_task_info(gt_self(), &large.info), 0);
  CHECK_EQ(large.more[0], 0);
  gt_task_info_t small = {.size = 16, .state = 77};
  CHECK_EQ(gt_task_info(gt_self(), &small), 0);
  CHECK_EQ(small.id, gt_self());
  CHECK_EQ(small.state, 77);
}

/* -- backtraces */

/* The lines of one task in a dump. */
static const char *part_of(int64_t task, const char *dump) {
  static char part[32768], head[40];
  snprintf(head, sizeof head, "task %lld ", (long long)task);
  const char *begin = strstr(dump, head);
  CHECK(begin != NULL);
  const char *end = strstr(begin, "\ntask ");
  size_t n = end ? (size_t)(end - begin) : strlen(begin);
  if (n >= sizeof part) n = sizeof part - 1;
  memcpy(part, begin, n);
  part[n] = 0;
  return part;
}

TEST(dump_names_the_calls_of_a_task_parked_three_deep) {
  int64_t task = s_spawn_named("deep", deep_entry, &zero);
  s_settle();
  const char *part = part_of(task, dumped());
  CHECK_HAS(part, "'deep': parked, waits on park");
  const char *third = strstr(part, "third_parks"), *second = strstr(part, "second_calls"), *first = strstr(part, "first_calls");
  CHECK_HAS(part, "third_parks");
  CHECK_HAS(part, "second_calls");
  CHECK_HAS(part, "first_calls");
  CHECK_HAS(strstr(part, "  entry "), " deep_entry\n");
  CHECK(third < second && second < first && strstr(first, "deep_entry") != NULL);
  end(task);
}

TEST(backtrace_has_an_address_in_each_function) {
  int64_t task = s_spawn(deep_entry, &zero);
  s_settle();
  void *at[64];
  int n = gt_backtrace(task, at, 64);
  CHECK_GE(n, 5);
  CHECK_LT(n, 32);
  uintptr_t functions[] = {(uintptr_t)third_parks, (uintptr_t)second_calls, (uintptr_t)first_calls, (uintptr_t)deep_entry};
  uintptr_t most = t_slower() > 1 ? 1000 : 200; /* tools make code longer */
  int next = 0;
  for (int i = 0; i < n && next < 4; i++)
    if ((uintptr_t)at[i] > functions[next] && (uintptr_t)at[i] < functions[next] + most) next++;
  CHECK_EQ(next, 4);
  CHECK_EQ(gt_backtrace(task, at, 2), 2);
  end(task);
}

static int own_frames;
DEEP static int trace_self(void) {
  void *at[64];
  own_frames = gt_backtrace(gt_self(), at, 64);
  for (int i = 0; i < own_frames; i++)
    if ((uintptr_t)at[i] > (uintptr_t)trace_self && (uintptr_t)at[i] < (uintptr_t)trace_self + 200) return 1;
  return 0;
}

static void *trace_in_task(void *arg) {
  (void)arg;
  return (void *)(intptr_t)trace_self();
}

TEST(backtrace_of_the_running_task_and_root) {
  CHECK_EQ(trace_self(), 1);
  CHECK_GE(own_frames, 4);
  CHECK_EQ((intptr_t)s_join(s_spawn(trace_in_task, NULL)), 1);
  CHECK_GE(own_frames, 3);
  CHECK_EQ((intptr_t)s_join(s_spawn_stack(16 * 1024, trace_in_task, NULL)), 1);
}

static int root_seen;
static void *trace_the_root(void *arg) {
  void *at[64];
  int n = gt_backtrace(*(int64_t *)arg, at, 64);
  CHECK_GE(n, 4);
  root_seen = n;
  return NULL;
}

TEST(backtrace_of_the_parked_root) {
  int64_t root = gt_self();
  s_join(s_spawn(trace_the_root, &root));
  CHECK_GE(root_seen, 4);
}

TEST(backtrace_errors) {
  void *at[4];
  CHECK_EQ(gt_backtrace(gt_self(), NULL, 4), -EINVAL);
  CHECK_EQ(gt_backtrace(gt_self(), at, 0), -EINVAL);
  CHECK_EQ(gt_backtrace(0, at, 4), -ESRCH);
  CHECK_EQ(gt_backtrace(gt_self() + 999, at, 4), -ESRCH);
}

TEST(backtrace_of_an_ended_task_is_empty) {
  void *at[4];
  int64_t task = s_spawn(list_in_task, NULL);
  s_settle();
  CHECK_EQ(gt_backtrace(task, at, 4), 0);
  s_join(task);
}

/* -- dumps */

TEST(dump_says_state_wait_and_time_of_every_task) {
  int fds[2];
  s_unix_pair(SOCK_STREAM, fds);
  int64_t until = IN_MS(60000);
  int64_t sleeper = s_spawn_named("sleeper", sleep_long, &until), reader = s_spawn_named("reader", read_byte, &fds[0]);
  int64_t never_ran;
  CHECK_EQ(gt_sleep(MS(30)), 0);
  never_ran = s_spawn_named("fresh\n'one", park, NULL);
  const char *dump = dumped();
  CHECK_EQ(strncmp(dump, "greenrt: dump of 4 tasks at ", 28), 0);
  CHECK_HAS(dump, "greenrt: end of dump\n");
  CHECK_HAS(part_of(sleeper, dump), "'sleeper': parked, waits on sleep for ");
  CHECK_HAS(part_of(sleeper, dump), " s left");
  char wanted[64];
  snprintf(wanted, sizeof wanted, "waits on read of descriptor %d", fds[0]);
  CHECK_HAS(part_of(reader, dump), wanted);
  CHECK_HAS(part_of(never_ran, dump), "'fresh..one': ready\n");
  CHECK_HAS(part_of(gt_self(), dump), "'root': running");
  CHECK_HAS(part_of(gt_self(), dump), "gt_dump");
  gt_cancel(sleeper);
  CHECK_EQ(gt_unpark(never_ran), 0);
  CHECK_HAS(part_of(sleeper, dumped()), "'sleeper': ready, cancelled");
  CHECK_EQ((intptr_t)s_join(sleeper), -ECANCELED);
  CHECK_EQ(write(fds[1], "x", 1), 1);
  s_join(reader);
  s_join(never_ran);
  s_close_pair(fds);
}

static void dump_at_the_end(void *arg) {
  (void)arg;
  const char *dump = dumped();
  CHECK_HAS(dump, "'ending': running, shielded");
}

static void *at_once(void *arg) { return arg; }

static void *end_dumping(void *arg) {
  CHECK_EQ(gt_cleanup_push(dump_at_the_end, NULL), 0);
  gt_park();
  return arg;
}

TEST_WITH(dump_while_tasks_are_cancelled_and_end, 0, 120) {
  int64_t ending = s_spawn_named("ending", end_dumping, NULL), tasks[20];
  for (int i = 0; i < 20; i++) tasks[i] = s_spawn(i % 3 ? park : at_once, NULL);
  gt_cancel(tasks[1]);
  gt_unpark(ending);
  for (int i = 0; i < 20; i += 3) CHECK_EQ(gt_cancel(tasks[i]), 0);
  dumped();
  for (int i = 0; i < 20; i++) gt_unpark(tasks[i]);
  CHECK_EQ(gt_detach(tasks[19]), 0);
  s_settle();
  dumped(); /* of some only the result is left */
  s_join(ending);
  for (int i = 0; i < 19; i++) s_join(tasks[i]);
  dumped();
}

static void *dump_small(void *arg) {
  *(int *)arg = gt_dump(*(int *)arg);
  return NULL;
}

TEST(dump_runs_on_the_smallest_stack) {
  FILE *file = tmpfile();
  int fd = fileno(file);
  s_join(s_spawn_stack(16 * 1024, dump_small, &fd));
  CHECK_EQ(fd, 0);
  CHECK_HAS(read_file(fileno(file)), "dump_small");
  fclose(file);
}

TEST(dump_errors) {
  CHECK_EQ(gt_dump(-1), -EBADF);
  CHECK_EQ(gt_dump(999), -EBADF);
  int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
  CHECK_OK(fd);
  errno = 5;
  CHECK_EQ(gt_dump(fd), -ENOSPC);
  CHECK_EQ(errno, 5);
  close(fd);
  fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  CHECK_EQ(gt_dump(fd), -EBADF);
  close(fd);
  int ends[2];
  s_pipe(ends, 0);
  close(ends[0]);
  signal(SIGPIPE, SIG_IGN);
  CHECK_EQ(gt_dump(ends[1]), -EPIPE);
  close(ends[1]);
}

TEST(dump_in_a_forked_child_has_the_forking_task_only) {
  int64_t task = s_spawn(park, NULL);
  s_settle();
  dumped();
  pid_t pid = fork();
  if (pid == 0) {
    const char *dump = dumped();
    CHECK_HAS(dump, "greenrt: dump of 1 tasks");
    _exit(0);
  }
  int status;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK_EQ(status, 0);
  end(task);
}

/* -- on request */

static void *dumping_thread(void *arg) {
  int64_t task = s_spawn_named("on-the-other-thread", deep_entry, &zero);
  s_settle();
  atomic_store((atomic_int *)arg, 1);
  while (atomic_load((atomic_int *)arg) == 1) CHECK_EQ(gt_sleep(MS(5)), 0);
  end(task);
  CHECK_EQ(gt_shutdown(), 0);
  return NULL;
}

static void ask_by_signal(void *arg) {
  atomic_int ready = 0;
  FILE *told = tmpfile();
  CHECK(told != NULL);
  (void)arg;
  CHECK_OK(dup2(fileno(told), STDERR_FILENO));
  CHECK_EQ(gt_dump_on_signal(SIGUSR1), 0);
  int64_t task = s_spawn_named("on-the-first-thread", deep_entry, &zero);
  pthread_t thread = s_thread(dumping_thread, &ready);
  while (!atomic_load(&ready)) CHECK_EQ(gt_sleep(MS(5)), 0);
  CHECK_EQ(kill(getpid(), SIGUSR1), 0);
  for (const char *once = NULL; !once || !strstr(once + 1, "end of dump"); once = strstr(read_file(fileno(told)), "end of dump"))
    CHECK_EQ(gt_sleep(MS(5)), 0);
  printf("%s", text);
  fflush(stdout);
  atomic_store(&ready, 2);
  end(task);
  s_thread_join(thread);
  CHECK_EQ(gt_dump_on_signal(0), 0);
  CHECK_EQ(kill(getpid(), SIGUSR1), 0); /* the default action is back */
}

TEST(dump_on_signal_asks_every_scheduler) {
  static struct s_end end;
  s_child(ask_by_signal, NULL, &end);
  CHECK_EQ(end.signal, SIGUSR1);
  CHECK_HAS(end.out, "on-the-first-thread");
  CHECK_HAS(end.out, "on-the-other-thread");
  CHECK_HAS(end.out, "third_parks");
  const char *once = strstr(end.out, "end of dump");
  CHECK(once && strstr(once + 1, "end of dump") != NULL);
}

static void busy_and_asked(void *arg) {
  (void)arg;
  CHECK_EQ(gt_dump_on_signal(SIGUSR2), 0);
  CHECK_EQ(gt_dump_on_signal(SIGUSR2), 0);
  CHECK_EQ(gt_dump_on_signal(SIGUSR1), 0); /* moves: SIGUSR2 has its default action again */
  struct sigaction now;
  CHECK_EQ(sigaction(SIGUSR2, NULL, &now), 0);
  CHECK(now.sa_handler == SIG_DFL);
  int64_t task = s_spawn_named("waits", park, NULL);
  s_settle();
  CHECK_EQ(raise(SIGUSR1), 0);
  for (int i = 0; i < 300; i++) CHECK_EQ(gt_yield(), 0); /* never sleeps */
  end(task);
}

TEST(dump_on_signal_comes_to_a_scheduler_that_only_switches) {
  static struct s_end end;
  s_child(busy_and_asked, NULL, &end);
  CHECK_EQ(end.signal, 0);
  CHECK_EQ(end.status, 0);
  CHECK_HAS(end.out, "'waits': parked, waits on park");
}

static void host_handler(int signal) { (void)signal; }

TEST(dump_on_signal_errors) {
  CHECK_EQ(gt_dump_on_signal(-1), -EINVAL);
  CHECK_EQ(gt_dump_on_signal(4096), -EINVAL);
  CHECK_EQ(gt_dump_on_signal(SIGKILL), -EINVAL);
  CHECK_EQ(gt_dump_on_signal(SIGSEGV), -EINVAL);
  signal(SIGUSR1, host_handler);
  CHECK_EQ(gt_dump_on_signal(SIGUSR1), -EBUSY);
  CHECK_EQ(gt_dump_on_signal(0), 0);
  CHECK_EQ(gt_dump_on_signal(SIGUSR2), 0);
  signal(SIGUSR2, host_handler); /* the program takes it: what it put there stays */
  CHECK_EQ(gt_dump_on_signal(0), 0);
  struct sigaction now;
  CHECK_EQ(sigaction(SIGUSR2, NULL, &now), 0);
  CHECK(now.sa_handler == host_handler);
}

/* -- the deadlock report has the same */

static void wait_in_vain(void *arg) {
  (void)arg;
  s_spawn_named("left-alone", deep_entry, &zero);
  gt_park();
}

TEST(deadlock_report_says_what_each_waits_on_and_where) {
  static struct s_end end;
  s_child_until("end of deadlock report", wait_in_vain, NULL, &end);
  CHECK_EQ(end.signal, SIGALRM);
  CHECK_HAS(end.out, "deadlock");
  CHECK_HAS(end.out, "'left-alone': parked, waits on park");
  CHECK_HAS(end.out, "third_parks");
  CHECK_HAS(end.out, "'root'");
}
