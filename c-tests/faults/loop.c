/* The loop around the scenarios. See faults.h.
 *
 *   faults [--list] [--trace] [--seen] [NAME...]     NAME: any part of a scenario's name
 *
 * --trace names each call that was made to fail, --seen each error that came of it. A run of all scenarios must have seen those that
 * c-tests/faults/seen.txt lists: tools/covered.py takes them for tested. */
#include "faults.h"

#include <dirent.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS = 60, VARIANTS = 4 };

static const struct promise {
  const char *function, *errors;
  int passed_on;
} promises[] = {
#include "promises.inc"
};

/* What the first call of an OS thread may say in the place of every other (the header's first comment). */
static const char first_call_errors[] = " ENOMEM EMFILE ENFILE EAGAIN ";

/* What the kernel says of a connection whose other end a fault has closed. */
static const char torn[] = " ECONNRESET ECONNREFUSED EPIPE ";

static const char *const kind_words[FAULT_KINDS] = {"allocation", "mapping", "call"};

/* What a child tells its parent. */
static struct told {
  int64_t live[2];
  int fds;
  int fired;
  char name[64];
} *told;

/* What the library holds after runs without a fault. */
static struct told usual;

static int is_more_than(const struct told *before) {
  return told->live[0] > before->live[0] || told->live[1] > before->live[1] || told->fds > before->fds;
}

/* The errors that came of all faults: "function ERROR". */
static struct seen {
  atomic_flag busy;
  int count;
  char lines[1024][64];
} *seen;

static const char *const must_be_seen[] = {
#include "seen.inc"
};

static struct f_scenario *scenarios;
static const struct f_scenario *running;
static int armed, trace;

void f_register(struct f_scenario *scenario) {
  struct f_scenario **at = &scenarios;
  while (*at && strcmp((*at)->name, scenario->name) < 0) at = &(*at)->next;
  scenario->next = *at;
  *at = scenario;
}

static const char *error_name(int64_t error) {
  const char *name = strerrorname_np((int)error);
  return name ? name : "?";
}

/* Tells the parent what was made to fail. */
static void tell(void) {
  int error;
  const char *name = armed ? gt_fault_fired(&error) : NULL;
  if (!name) return;
  told->fired = 1;
  snprintf(told->name, sizeof told->name, "%s: %s", name, error_name(error));
}

static void out_of_time(int signal) {
  (void)signal;
  tell();
  write(STDERR_FILENO, "still running at its time limit\n", 32) < 0 ? _exit(2) : _exit(1);
}

static _Noreturn void fail(const char *format, ...) {
  va_list list;
  va_start(list, format);
  vfprintf(stderr, format, list);
  va_end(list);
  fprintf(stderr, "\n");
  fflush(stderr);
  tell();
  _exit(1);
}

int f_fired(void) {
  int error;
  return armed && gt_fault_fired(&error) != NULL;
}

static int is_listed(const char *list, int64_t error) {
  char word[64];
  snprintf(word, sizeof word, " %s ", error_name(error));
  return strstr(list, word) != NULL;
}

static int is_promised(const char *call, int64_t error) {
  size_t n = strcspn(call, "( ");
  int fault;
  if ((running->flags & F_FIRST_CALL) && is_listed(first_call_errors, error)) return 1;
  for (size_t i = 0; i < sizeof promises / sizeof promises[0]; i++) {
    if (strlen(promises[i].function) != n || memcmp(promises[i].function, call, n) != 0) continue;
    if (is_listed(promises[i].errors, error)) return 1;
    return promises[i].passed_on && (is_listed(torn, error) || (gt_fault_fired(&fault) && fault == error));
  }
  fail("%.*s is not in the header", (int)n, call);
}

static int was_seen(const char *line) {
  for (int i = 0; i < seen->count; i++)
    if (strcmp(seen->lines[i], line) == 0) return 1;
  return 0;
}

static void note_seen(const char *call, int64_t error) {
  char line[64];
  snprintf(line, sizeof line, "%.*s %s", (int)strcspn(call, "( "), call, error_name(error));
  while (atomic_flag_test_and_set(&seen->busy)) {
  }
  if (!was_seen(line) && seen->count < (int)(sizeof seen->lines / sizeof seen->lines[0])) strcpy(seen->lines[seen->count++], line);
  atomic_flag_clear(&seen->busy);
}

int64_t f_try(const char *file, int line, const char *call, int64_t result) {
  if (result >= 0) return result;
  if (!f_fired()) fail("%s:%d: %s is -%s, and nothing was made to fail", file, line, call, error_name(-result));
  if (!is_promised(call, -result)) fail("%s:%d: %s is -%s, which the header does not promise", file, line, call, error_name(-result));
  note_seen(call, -result);
  return result;
}

void *f_made(const char *file, int line, const char *call, void *result) {
  if (!result) f_try(file, line, call, errno ? -errno : -EIO);
  return result;
}

void f_unexpected(const char *file, int line, const char *call, int64_t got, int64_t wanted) {
  if (!f_fired()) fail("%s:%d: %s is %lld, expected %lld", file, line, call, (long long)got, (long long)wanted);
  if (got < 0) f_try(file, line, call, got);
}

void f_join(int64_t task) {
  if (task < 0) return;
  for (int turn = 0; turn < 100; turn++) {
    int rc = gt_join(task, NULL);
    if (rc == 0) return;
    if (rc != -EINTR && rc != -ETIMEDOUT) fail("a join says %d", rc);
  }
}

int64_t f_soon(void) {
  return IN_MS(f_fired() ? 700 : armed ? 5000 : 50000);
}

void f_close(int fd) {
  if (fd >= 0) gt_close(fd); /* closed, whatever it says */
}

static int open_descriptors(void) {
  int n = 0;
  DIR *dir = opendir("/proc/self/fd");
  if (!dir) fail("/proc/self/fd cannot be read");
  while (readdir(dir)) n++;
  closedir(dir);
  return n;
}

static void look_behind(const char *when) {
  gt_stats_t stats = {.size = sizeof stats};
  for (int turn = 0;; turn++) {
    int rc = gt_stats(&stats);
    if (rc < 0) fail("%s: gt_stats says %d", when, rc);
    int jobs = stats.offload_jobs || stats.offload_queued;
    int others = stats.tasks_live || stats.stacks_in_use || stats.descriptors || stats.timers || stats.objects;
    if (!jobs && !others) return;
    if (turn >= (others ? 64 : 3000)) break;
    gt_yield();
    if (!others) usleep(1000); /* a thread of the pool is letting go of its job */
  }
  fail("left behind %s: %llu tasks, %llu stacks, %llu descriptors, %llu timers, %llu objects, %llu jobs", when,
       (unsigned long long)stats.tasks_live, (unsigned long long)stats.stacks_in_use, (unsigned long long)stats.descriptors,
       (unsigned long long)stats.timers, (unsigned long long)stats.objects, (unsigned long long)stats.offload_jobs);
}

/* One run with a fault, one or more without, and the end: what is left is told. */
static void run_child(const struct f_scenario *scenario, int kind, int variant, int64_t nth) {
  struct rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  running = scenario;
  if (!(scenario->flags & F_FIRST_CALL) && gt_self() <= 0) fail("no scheduler");
  if (nth) {
    armed = 1;
    gt_fault_arm(kind, variant, nth);
    scenario->fn();
    gt_fault_disarm();
    tell();
    look_behind("by the run with a fault");
    armed = 0;
  } else {
    scenario->fn();
    look_behind("by a run");
  }
  for (int again = 0; again < 2; again++) {
    scenario->fn();
    look_behind("by a later run");
  }
  int rc = gt_shutdown();
  if (rc < 0) fail("gt_shutdown says %d", rc);
  /* A thread of the pool may still be letting go of its last job. */
  for (int turn = 0;; turn++) {
    for (int i = 0; i < 2; i++) told->live[i] = gt_fault_live(i);
    told->fds = open_descriptors();
    if (!is_more_than(&usual) || turn == 200) break;
    usleep(turn < 100 ? 100 : 5000);
  }
  if (getenv("FAULTS_LIST")) gt_fault_list();
}

/* Whether the child did well; else its words are in `said`. */
static int child(const struct f_scenario *scenario, int kind, int variant, int64_t nth, char *said, size_t room) {
  FILE *output = tmpfile();
  if (!output) {
    perror("tmpfile");
    exit(2);
  }
  memset(told, 0, sizeof *told);
  fflush(stdout);
  pid_t pid = fork();
  if (pid < 0) {
    perror("fork");
    exit(2);
  }
  if (pid == 0) {
    dup2(fileno(output), STDOUT_FILENO);
    dup2(fileno(output), STDERR_FILENO);
    fclose(output);
    signal(SIGALRM, out_of_time);
    alarm(SECONDS);
    run_child(scenario, kind, variant, nth);
    fflush(stderr);
    _exit(0);
  }
  int status;
  while (waitpid(pid, &status, 0) < 0) {
  }
  rewind(output);
  size_t n = fread(said, 1, room - 1, output);
  said[n] = 0;
  fclose(output);
  if (WIFSIGNALED(status))
    snprintf(said + n, room - n, "died of signal %d: %s\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void show(const char *text) {
  while (*text) {
    size_t n = strcspn(text, "\n");
    printf("#   %.*s\n", (int)n, text);
    text += n + (text[n] == '\n');
  }
}

/* Runs the loop of one scenario; how many runs went wrong. */
static int loop(const struct f_scenario *scenario, int64_t made[FAULT_KINDS]) {
  static char said[16384];
  int bad = 0;
  usual = (struct told){0};
  if (!child(scenario, 0, 0, 0, said, sizeof said)) {
    printf("# %s, without a fault:\n", scenario->name);
    show(said);
    return 1;
  }
  usual = *told;
  for (int kind = 0; kind < FAULT_KINDS; kind++)
    for (int variant = 0; variant < VARIANTS; variant++)
      for (int64_t nth = 1;; nth += scenario->flags & F_MANY && nth > 64 ? nth / 16 : 1) {
        if (kind == FAULT_ALLOCATION && variant == 2) break; /* once, and from then on, is all there is */
        int well = child(scenario, kind, variant, nth, said, sizeof said);
        int leaks = well && is_more_than(&usual);
        if (trace) printf("# %s %s %d.%lld %s\n", scenario->name, kind_words[kind], variant, (long long)nth, told->name);
        if (!well || leaks) {
          bad++;
          printf("# %s, %s %lld, variant %d (%s):\n", scenario->name, kind_words[kind], (long long)nth, variant, told->name);
          show(said);
          if (leaks)
            printf("#   left: %lld allocations, %lld mappings, %d descriptors more than usual\n",
                   (long long)(told->live[0] - usual.live[0]), (long long)(told->live[1] - usual.live[1]), told->fds - usual.fds);
        }
        if (well && !told->fired) break;
        if (bad > 40) return bad;
        made[kind]++;
      }
  if (!made[FAULT_ALLOCATION] && !made[FAULT_MAPPING] && !made[FAULT_CALL]) {
    bad++;
    printf("# %s: nothing could be made to fail\n", scenario->name);
  }
  return bad;
}

static int wanted(const char *name, char **names, int count) {
  for (int i = 0; i < count; i++)
    if (strstr(name, names[i])) return 1;
  return count == 0;
}

int main(int argc, char **argv) {
  int at = 1, list = 0, show_seen = 0, passed = 0, failed = 0, number = 0;
  for (; at < argc && argv[at][0] == '-'; at++) {
    if (strcmp(argv[at], "--list") == 0) list = 1;
    else if (strcmp(argv[at], "--trace") == 0) trace = 1;
    else if (strcmp(argv[at], "--seen") == 0) show_seen = 1;
    else return fprintf(stderr, "usage: faults [--list] [--trace] [--seen] [NAME...]\n"), 2;
  }
  told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (told == MAP_FAILED || seen == MAP_FAILED) return perror("mmap"), 2;
  for (const struct f_scenario *s = scenarios; s; s = s->next) {
    if (!wanted(s->name, argv + at, argc - at)) continue;
    if (list) {
      printf("%s\n", s->name);
      continue;
    }
    int64_t made[FAULT_KINDS] = {0};
    int bad = loop(s, made);
    bad ? failed++ : passed++;
    printf("%s %d - %s: %lld allocations, %lld mappings, %lld calls made to fail\n", bad ? "not ok" : "ok", ++number, s->name,
           (long long)made[0], (long long)made[1], (long long)made[2]);
    fflush(stdout);
  }
  if (list) return 0;
  for (int i = 0; i < seen->count && show_seen; i++) printf("%s\n", seen->lines[i]);
  if (at == argc) {
    int missing = 0;
    for (size_t i = 0; i < sizeof must_be_seen / sizeof must_be_seen[0]; i++) {
      if (was_seen(must_be_seen[i])) continue;
      missing++;
      printf("# c-tests/faults/seen.txt: %s was not seen\n", must_be_seen[i]);
    }
    missing ? failed++ : passed++;
    printf("%s %d - errors_that_count_as_tested_were_seen\n", missing ? "not ok" : "ok", ++number);
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed || !passed;
}
