/* The runner of the C suite: each test in a child process with a time limit, TAP on stdout, output shown only when a test failed.
 *
 *   tests [--list] [--timeout SECONDS] [-j N] [--tool TOOL] [NAME...]     NAME: any part of a test's name or of its file's name
 *
 * TOOL: asan, tsan, valgrind, ubsan: what the program runs under. Time limits grow, and tests that cannot run there are skipped.
 *
 * A test that returns is looked at once more from inside its process: gt_stats must show that it left nothing behind. Exit status of a
 * test: 0 passed, 77 skipped (the last line "skip: reason" says why), anything else failed. */
#include "test.h"

#include <errno.h>
#include <greenrt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { JOBS_MAX = 64, SHOWN_MAX = 16384 };

struct job {
  const struct t_test *test;
  pid_t pid; /* 0: free */
  FILE *output;
  double limit; /* on the monotonic clock */
  int timed_out;
};

/* What a tool does to time, and to tests with certain flags. */
struct tool {
  const char *name;
  int slower;
  unsigned skips;
};

static const struct tool tools[] = {
    {"none", 1, 0},
    {"ubsan", 2, T_SHIPPED},
    {"asan", 6, T_FIGURES | T_FAULTS | T_LIMITS | T_SHIPPED},
    {"tsan", 10, T_QUEUES | T_HANDS_LOCKS | T_FIGURES | T_FAULTS | T_LIMITS | T_SHIPPED},
    {"valgrind", 25, T_QUEUES | T_SCANS | T_VFORK | T_HASTE | T_FIGURES | T_FAULTS | T_LIMITS | T_SHIPPED},
};

static const struct tool *tool = &tools[0];
static struct t_test *tests;
static struct job jobs[JOBS_MAX];
static int passed, failed, skipped, printed;

static int before(const struct t_test *a, const struct t_test *b) {
  int order = strcmp(a->file, b->file);
  return order ? order < 0 : a->line < b->line;
}

void t_register(struct t_test *test) {
  struct t_test **at = &tests;
  while (*at && before(*at, test)) at = &(*at)->next;
  test->next = *at;
  *at = test;
}

int t_slower(void) {
  return tool->slower;
}

static double now(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* What a test that returned may have left behind. A detached task that was ready to end gets a few turns to do so, and a thread of the
 * pool some time to let go of a job whose result has been taken, or that nobody waits for any more. */
static void look_behind(const struct t_test *test) {
  gt_stats_t stats = {.size = sizeof stats};
  for (int turn = 0;; turn++) {
    int got = gt_stats(&stats);
    if (got < 0) t_fail(test->file, test->line, "gt_stats after the test: %d", got);
    int at_work = stats.offload_jobs || stats.offload_queued;
    int others = stats.tasks_live || stats.stacks_in_use || stats.descriptors || stats.timers || stats.objects;
    if (!at_work && !others) return;
    if (turn >= (others ? 16 : 3000)) break;
    gt_yield();
    if (!others) usleep(1000);
  }
  t_fail(test->file, test->line, "left behind by the test: %llu tasks, %llu stacks, %llu descriptors, %llu timers, %llu objects, %llu jobs, %llu of them queued",
         (unsigned long long)stats.tasks_live, (unsigned long long)stats.stacks_in_use, (unsigned long long)stats.descriptors,
         (unsigned long long)stats.timers, (unsigned long long)stats.objects, (unsigned long long)stats.offload_jobs,
         (unsigned long long)stats.offload_queued);
}

static _Noreturn void run(const struct t_test *test, FILE *output) {
  struct rlimit no_core;
  sigset_t none;
  setpgid(0, 0);
  getrlimit(RLIMIT_CORE, &no_core);
  no_core.rlim_cur = 0; /* a test that wants one can raise it again */
  setrlimit(RLIMIT_CORE, &no_core);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  dup2(fileno(output), STDOUT_FILENO);
  dup2(fileno(output), STDERR_FILENO);
  fclose(output);
  test->fn();
  if (!(test->flags & T_LEAVES)) look_behind(test);
  exit(0);
}

/* A test's own limit, or the runner's: a minute unless said otherwise, for a machine may stand still for seconds. */
static int limit_of(const struct t_test *test, int seconds) {
  if (test->seconds || seconds) return (test->seconds ? test->seconds : seconds) * tool->slower;
  return tool->slower > 3 ? 20 * tool->slower : 60;
}

static void start(struct job *job, const struct t_test *test, int seconds) {
  job->test = test;
  job->timed_out = 0;
  job->output = tmpfile();
  if (!job->output) {
    perror("tmpfile");
    exit(2);
  }
  fflush(stdout);
  fflush(stderr);
  job->limit = now() + limit_of(test, seconds);
  job->pid = fork();
  if (job->pid < 0) {
    perror("fork");
    exit(2);
  }
  if (job->pid == 0) run(test, job->output);
  setpgid(job->pid, job->pid);
}

static size_t output_of(struct job *job, char *text) {
  long size;
  fseek(job->output, 0, SEEK_END);
  size = ftell(job->output);
  fseek(job->output, size > SHOWN_MAX ? size - SHOWN_MAX : 0, SEEK_SET);
  size_t n = fread(text, 1, SHOWN_MAX, job->output);
  text[n] = 0;
  return n;
}

static void show(const char *text) {
  while (*text) {
    size_t n = strcspn(text, "\n");
    printf("#   %.*s\n", (int)n, text);
    text += n + (text[n] == '\n');
  }
}

static void skip_line(const char *name, const char *text) {
  const char *reason = "no reason given", *at = text;
  while ((at = strstr(at, "skip: "))) reason = at += 6;
  printf("ok %d - %s # SKIP %.*s\n", printed, name, (int)strcspn(reason, "\n"), reason);
}

static void finish(struct job *job, int status) {
  static char text[SHOWN_MAX + 1];
  const char *name = job->test->name;
  pid_t pid = job->pid;
  kill(-job->pid, SIGKILL); /* what the test started and did not end */
  output_of(job, text);
  fclose(job->output);
  job->pid = 0;
  printed++;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    passed++;
    printf("ok %d - %s\n", printed, name);
  } else if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    skipped++;
    skip_line(name, text);
  } else {
    failed++;
    printf("not ok %d - %s\n", printed, name);
    if (job->timed_out)
      printf("#   still running at its time limit\n");
    else if (WIFSIGNALED(status))
      printf("#   died of signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
      printf("#   ended with status %d, process %d\n", WEXITSTATUS(status), (int)pid);
    show(text);
  }
  fflush(stdout);
}

/* Why a test cannot run under the tool; NULL if it can. */
static const char *obstacle(const struct t_test *test) {
  unsigned skips = test->flags & tool->skips;
  if (skips & T_FIGURES) return "it measures memory, stack use or time, which the tool changes";
  if (skips & T_FAULTS) return "it provokes a fault that the tool would report in its own way";
  if (skips & T_LIMITS) return "it sets limits that the tool cannot live with";
  if (skips & T_QUEUES) return "signals must come at once, all of them and in order, and the tool delivers them in its own way";
  if (skips & T_HANDS_LOCKS) return "one task takes a pthread mutex and another gives it back, which the tool takes for two threads";
  if (skips & T_SCANS) return "it reads stacks as a collector does, also what was never written";
  if (skips & T_VFORK) return "a child tells its parent by memory why it could not start, and the tool gives it a copy";
  if (skips & T_HASTE) return "it has a short deadline that must not pass before the machine gets there";
  if (skips & T_SHIPPED) return "it looks at the libraries and programs as they are shipped";
  return NULL;
}

static int passed_over(const struct t_test *test) {
  const char *why = obstacle(test);
  if (!why) return 0;
  printed++;
  skipped++;
  printf("ok %d - %s # SKIP under %s: %s\n", printed, test->name, tool->name, why);
  return 1;
}

/* Waits until a child ended or a limit passed. Children are found by waitpid on each, so nothing else is reaped by mistake. */
static void wait_for_any(int count) {
  const struct timespec pause = {0, 2000000};
  for (;;) {
    for (int i = 0; i < count; i++) {
      int status;
      if (!jobs[i].pid) continue;
      if (waitpid(jobs[i].pid, &status, WNOHANG) == jobs[i].pid) {
        finish(&jobs[i], status);
        return;
      }
      if (now() > jobs[i].limit && !jobs[i].timed_out) {
        jobs[i].timed_out = 1;
        kill(-jobs[i].pid, SIGKILL);
        kill(jobs[i].pid, SIGKILL);
      }
    }
    nanosleep(&pause, NULL);
  }
}

static int wanted(const struct t_test *test, char **names, int count) {
  for (int i = 0; i < count; i++)
    if (strstr(test->name, names[i]) || strstr(test->file, names[i])) return 1;
  return count == 0;
}

static int busy(int count) {
  int n = 0;
  for (int i = 0; i < count; i++) n += jobs[i].pid != 0;
  return n;
}

static void run_all(char **names, int name_count, int width, int seconds) {
  for (int alone = 0; alone < 2; alone++) {
    int most = alone ? 1 : width;
    for (const struct t_test *test = tests; test; test = test->next) {
      if (!wanted(test, names, name_count) || !(test->flags & T_ALONE) != !alone || passed_over(test)) continue;
      while (busy(width) >= most) wait_for_any(width);
      int slot = 0;
      while (jobs[slot].pid) slot++;
      start(&jobs[slot], test, seconds);
    }
    while (busy(width)) wait_for_any(width);
  }
}

static const struct tool *tool_named(const char *name) {
  for (size_t i = 0; i < sizeof tools / sizeof tools[0]; i++)
    if (strcmp(tools[i].name, name) == 0) return &tools[i];
  return NULL;
}

static void *nothing(void *arg) { return arg; }

/* ThreadSanitizer starts a thread of its own with the first of ours and one in each forked child. Begun here, each test has one of
 * them, whatever it does. */
static void first_thread(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, nothing, NULL) == 0) pthread_join(thread, NULL);
}

static int usage(void) {
  fprintf(stderr, "usage: tests [--list] [--timeout SECONDS] [-j N] [--tool TOOL] [NAME...]\n");
  return 2;
}

int main(int argc, char **argv) {
  int width = 1, seconds = 0, list = 0, at = 1, count = 0;
  for (; at < argc && argv[at][0] == '-'; at++) {
    if (strcmp(argv[at], "--list") == 0)
      list = 1;
    else if (strcmp(argv[at], "--timeout") == 0 && at + 1 < argc && atoi(argv[at + 1]) > 0)
      seconds = atoi(argv[++at]);
    else if (strcmp(argv[at], "-j") == 0 && at + 1 < argc)
      width = atoi(argv[++at]);
    else if (strcmp(argv[at], "--tool") == 0 && at + 1 < argc && tool_named(argv[at + 1]))
      tool = tool_named(argv[++at]);
    else
      return usage();
  }
  if (width < 1 || width > JOBS_MAX) return usage();
  for (const struct t_test *test = tests; test; test = test->next) {
    if (!wanted(test, argv + at, argc - at)) continue;
    count++;
    if (list) printf("%s  %s:%d\n", test->name, test->file, test->line);
  }
  if (list) return 0;
  if (strcmp(tool->name, "tsan") == 0) first_thread();
  printf("TAP version 13\n1..%d\n", count);
  run_all(argv + at, argc - at, width, seconds);
  if (skipped)
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  else
    printf("%d passed, %d failed\n", passed, failed);
  return failed || !count;
}
