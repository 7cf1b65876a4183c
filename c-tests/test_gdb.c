/* The gdb script: lists the tasks of all OS threads and shows the calls of any of them, in a live process and in a core file. */
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>


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

static void *end_at_once(void *arg) { return arg; }

static void *join_it(void *arg) { return (void *)(intptr_t)gt_join(*(int64_t *)arg, NULL); }

static atomic_int spinning;

DEEP static void spin_for_ever(void) {
  atomic_store(&spinning, 1);
  for (;;) after_call++;
}

static void *other_thread(void *arg) {
  s_spawn_named("beside", deep_entry, arg);
  gt_yield();
  spin_for_ever();
  return NULL;
}

/* A program with something of everything. It tells the ids and waits to be killed. */
static void program(int out) {
  static int64_t ids[4];
  s_thread(other_thread, &zero);
  CHECK_EQ(gt_workers_start(1, NULL), 1);
  ids[0] = s_spawn_named("deep one", deep_entry, &zero);
  ids[1] = s_spawn_named("joiner", join_it, &ids[0]);
  ids[2] = gt_spawn_on(0, deep_entry, &zero);
  ids[3] = s_spawn_named("gone", end_at_once, NULL);
  CHECK_EQ(gt_join(gt_spawn_on(0, end_at_once, NULL), NULL), 0); /* it comes after the deep one of the worker, which is parked by now */
  while (!atomic_load(&spinning)) CHECK_EQ(gt_sleep(MS(1)), 0);
  gt_yield(); /* a join whose task has ended does not switch: now each task of this thread has had its turn, and the thread waits on the root's stack */
  CHECK_EQ(write(out, ids, sizeof ids), (ssize_t)sizeof ids);
  close(out);
  for (;;) gt_park();
}

static struct s_end end;

struct target {
  pid_t pid;
  int64_t ids[4];
};

static void nothing_before(void) {}

/* Starts the program; `before` prepares its process. */
static struct target begin(void (*before)(void)) {
  struct target t;
  int fds[2];
  s_pipe(fds, 0);
  CHECK_OK(t.pid = fork());
  if (t.pid == 0) {
    close(fds[0]);
    alarm(600);
    before();
    program(fds[1]);
  }
  close(fds[1]);
  CHECK_EQ(read(fds[0], t.ids, sizeof t.ids), (ssize_t)sizeof t.ids);
  close(fds[0]);
  return t;
}

static void skip_without_gdb(void) {
  if (!s_have_program("gdb")) SKIP("no gdb here");
  if (access("bindings/gdb/greenrt-gdb.py", R_OK) != 0) SKIP("not run from the top of the tree");
}

static void finish(struct target t) {
  int status;
  CHECK_OK(kill(t.pid, SIGKILL));
  CHECK_EQ(waitpid(t.pid, &status, 0), t.pid);
}

/* Runs gdb on a process or a core file, with up to four commands after the script. */
static const char *gdb(const char *target, const char *a, const char *b, const char *c, const char *d) {
  char exe[4096];
  const char *argv[32] = {"gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set auto-load safe-path /"};
  int n = 7;
  snprintf(exe, sizeof exe, "%s", s_beside("tests"));
  argv[n++] = exe;
  argv[n++] = target;
  const char *commands[] = {"source bindings/gdb/greenrt-gdb.py", a, b, c, d};
  for (size_t i = 0; i < COUNT(commands); i++)
    if (commands[i]) argv[n++] = "-ex", argv[n++] = commands[i];
  argv[n] = NULL;
  s_run(&end, argv);
  if (strstr(end.out, "ptrace: Operation not permitted") || strstr(end.out, "Could not attach")) SKIP("gdb may not attach here");
  return end.out;
}

static const char *command(char text[64], const char *what, int64_t id) {
  snprintf(text, 64, "greenrt %s %lld", what, (long long)id);
  return text;
}

/* The line of a list that begins with an id. */
static const char *line_of(const char *list, int64_t id) {
  static char line[512];
  char head[32];
  snprintf(head, sizeof head, "\n%lld ", (long long)id);
  const char *at = strstr(list, head);
  if (!at) FAIL("no task %lld in\n%s", (long long)id, list);
  snprintf(line, sizeof line, "%.*s", (int)strcspn(at + 1, "\n"), at + 1);
  return line;
}

static void check_three_calls(const char *text) {
  const char *third = strstr(text, "third_parks"), *second = strstr(text, "second_calls");
  if (!third || !second) FAIL("no calls in\n%s", text);
  CHECK(third < second);
  CHECK_HAS(second, "first_calls");
  CHECK_HAS(strstr(second, "first_calls"), "deep_entry");
  CHECK(strstr(text, "corrupt stack") == NULL);
}

static void check_list(const struct target *t, const char *list) {
  char joins[64];
  snprintf(joins, sizeof joins, "join of task %lld", (long long)t->ids[0]);
  CHECK_HAS(list, "task ");
  CHECK_HAS(line_of(list, t->ids[0]), "parked");
  CHECK_HAS(line_of(list, t->ids[0]), "park  ");
  CHECK_HAS(line_of(list, t->ids[0]), "deep one");
  CHECK_HAS(line_of(list, t->ids[1]), joins);
  CHECK_HAS(line_of(list, t->ids[2]), "parked");
  CHECK_HAS(line_of(list, t->ids[3]), "ended");
  CHECK_HAS(list, "beside"); /* of the other OS thread */
  CHECK_HAS(list, "running"); /* its root */
  CHECK_HAS(list, "*");
}

TEST_WITH(gdb_lists_tasks_and_shows_their_calls_in_a_live_process, T_SHIPPED, 300) {
  char pid[32], a[64], b[64];
  skip_without_gdb();
  struct target t = begin(nothing_before);
  snprintf(pid, sizeof pid, "%d", (int)t.pid);
  check_list(&t, gdb(pid, "greenrt tasks", NULL, NULL, NULL));
  check_three_calls(gdb(pid, command(a, "bt", t.ids[0]), NULL, NULL, NULL));
  check_three_calls(gdb(pid, command(a, "bt", t.ids[2]), NULL, NULL, NULL)); /* on the worker */
  CHECK_HAS(gdb(pid, command(a, "bt", t.ids[1]), NULL, NULL, NULL), "join_it");
  CHECK_HAS(gdb(pid, "greenrt bt all", NULL, NULL, NULL), "spin_for_ever"); /* the root that runs */
  check_three_calls(gdb(pid, command(a, "select", t.ids[0]), "bt", NULL, NULL));
  /* Its frames can be gone into; afterwards the thread's own are back. */
  CHECK_HAS(gdb(pid, command(a, "select", t.ids[0]), "frame function second_calls", "info locals", NULL), "room = ");
  gdb(pid, command(a, "select", t.ids[0]), "greenrt select off", "bt", NULL);
  CHECK(strstr(end.out, "deep_entry") == NULL);
  CHECK_HAS(end.out, "program (");
  CHECK_HAS(gdb(pid, command(b, "bt", t.ids[0] + 12345), NULL, NULL, NULL), "no task ");
  CHECK_HAS(gdb(pid, "greenrt bt", NULL, NULL, NULL), "which task?");
  CHECK_HAS(gdb(pid, command(b, "select", t.ids[3]), NULL, NULL, NULL), "it has no calls");
  CHECK_EQ(kill(t.pid, 0), 0); /* it lives on, unharmed */
  finish(t);
}

/* -- core files */

static char folder[] = "/tmp/greenrt-core-XXXXXX", core[64];

static void core_in_a_folder(void) {
  CHECK(mkdtemp(folder) != NULL);
  snprintf(core, sizeof core, "%s/core", folder);
}

static void check_core(const struct target *t) {
  char a[64], b[64];
  check_list(t, gdb(core, "greenrt tasks", command(a, "bt", t->ids[0]), NULL, NULL));
  check_three_calls(end.out);
  check_three_calls(gdb(core, command(b, "bt", t->ids[2]), NULL, NULL, NULL));
  CHECK_HAS(gdb(core, "greenrt bt all", NULL, NULL, NULL), "spin_for_ever");
  CHECK_OK(unlink(core));
  CHECK_OK(rmdir(folder));
}

static void dump_core_here(void) {
  struct rlimit limit;
  CHECK_OK(chdir(folder));
  CHECK_OK(getrlimit(RLIMIT_CORE, &limit));
  limit.rlim_cur = limit.rlim_max;
  CHECK_OK(setrlimit(RLIMIT_CORE, &limit));
}

TEST_WITH(gdb_lists_tasks_and_shows_their_calls_in_a_core_of_the_kernels, T_SHIPPED, 300) {
  char pattern[256] = "";
  struct rlimit limit;
  int status;
  skip_without_gdb();
  FILE *file = fopen("/proc/sys/kernel/core_pattern", "r");
  if (!file || !fgets(pattern, sizeof pattern, file) || strcmp(pattern, "core\n") != 0) SKIP("cores go elsewhere here: %s", pattern);
  fclose(file);
  CHECK_OK(getrlimit(RLIMIT_CORE, &limit));
  if (limit.rlim_max != RLIM_INFINITY) SKIP("the size of cores is limited here");
  core_in_a_folder();
  struct target t = begin(dump_core_here);
  CHECK_OK(kill(t.pid, SIGABRT));
  CHECK_EQ(waitpid(t.pid, &status, 0), t.pid);
  CHECK(WIFSIGNALED(status));
  if (!WCOREDUMP(status)) SKIP("the kernel made no core");
  check_core(&t);
}

/* gdb's own gcore stops reading a mapping at the first page that faults, so it needs guards of the older kind. */
static void guards_by_mprotect(void) {
  enum { GUARD_INSTALL = 102 };
  if (s_refuse(SYS_madvise, GUARD_INSTALL, EINVAL) != 0) exit(77);
}

TEST_WITH(gdb_lists_tasks_and_shows_their_calls_in_a_core_of_gcore, T_SHIPPED, 300) {
  char gcore[128], pid[32];
  skip_without_gdb();
  core_in_a_folder();
  struct target t = begin(guards_by_mprotect);
  snprintf(gcore, sizeof gcore, "gcore %s", core);
  snprintf(pid, sizeof pid, "%d", (int)t.pid);
  gdb(pid, gcore, NULL, NULL, NULL);
  finish(t);
  if (access(core, R_OK) != 0) SKIP("gdb made no core file: %.200s", end.out);
  check_core(&t);
}

/* -- without a program */

TEST_WITH(gdb_script_says_when_there_is_nothing_to_show, T_SHIPPED, 60) {
  skip_without_gdb();
  const char *argv[] = {"gdb", "-nx", "-batch", "-ex", "source bindings/gdb/greenrt-gdb.py", "-ex", "greenrt tasks", NULL};
  s_run(&end, argv);
  CHECK_HAS(end.out, "greenrt is not in this program, or not loaded yet");
}

/* What `make install` leaves is loaded by gdb itself, and works on a library without its debug information. */
TEST_WITH(gdb_script_is_installed_where_gdb_finds_it, T_SHIPPED, 300) {
  char root[] = "/tmp/greenrt-gdb-XXXXXX";
  skip_without_gdb();
  if (!s_have_program("strip")) SKIP("no strip here");
  CHECK(mkdtemp(root) != NULL);
  const char *script = "make -s install-c PREFIX=$1 && strip $1/lib/libgreenrt.so.1 && "
                       "cc examples/c/sleep_sort.c -g -I$1/include -L$1/lib -lgreenrt -o $1/prog && "
                       "LD_LIBRARY_PATH=$1/lib gdb -nx -batch -iex 'set debuginfod enabled off' -iex \"add-auto-load-safe-path $1\" "
                       "-iex \"add-auto-load-scripts-directory $1/share/gdb/auto-load\" -ex 'break gt_sleep_until' -ex run "
                       "-ex 'greenrt tasks' -ex 'greenrt bt all' --args $1/prog 3 1 2; rm -r $1";
  const char *argv[] = {"sh", "-c", script, "sh", root, NULL};
  s_run(&end, argv);
  CHECK_HAS(end.out, "OS thread");
  CHECK_HAS(end.out, "main (");
}
