/* The watchdog: who holds the thread is reported, with its calls. */
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT MS(40)    /* for those that are to be reported: they hold until they are */

/* -- what was reported, for the thread that holds */

static volatile unsigned after_call; /* what follows a call keeps it from becoming a jump */

/* Who is to be reported. On a busy machine somebody else may have to wait for a processor for the limit, or the holder before it gets
 * to where it holds: such reports are passed over. */
static struct {
  _Atomic int64_t task;                    /* 0: whoever is reported */
  const char *_Atomic innermost;           /* the call that it holds in; NULL: any */
  atomic_int reports;                      /* of this hold */
} holder;
enum { NOBODY_YET = -1 };

static void holds_in(const char *innermost) {
  holder.innermost = innermost;
  holder.reports = 0;
  holder.task = gt_self();
}

static int is_another(const gt_watchdog_report_t *report) {
  const char *innermost = holder.innermost;
  if (!holder.task) return 0;
  if (report->task != holder.task || (innermost && !strstr(report->text, innermost))) return 1;
  return 0;
}

static struct {
  gt_watchdog_report_t report[8];
  char text[8192]; /* of the first */
  uintptr_t addresses[64];
  size_t address_count;
} seen;
static atomic_int reports;

static void keep(const gt_watchdog_report_t *report, void *arg) {
  CHECK(arg == &seen);
  CHECK_EQ(report->size, sizeof *report);
  if (is_another(report)) return;
  if (reports == 0) {
    snprintf(seen.text, sizeof seen.text, "%s", report->text);
    seen.address_count = report->address_count;
    for (size_t i = 0; i < report->address_count; i++) seen.addresses[i] = (uintptr_t)report->addresses[i];
  }
  if (reports < (int)COUNT(seen.report)) seen.report[reports] = *report;
  __sync_synchronize();
  reports++;
  holder.reports++;
}

static void watch(int64_t ns) {
  if (ns == LIMIT) holder.task = NOBODY_YET;
  CHECK_EQ(gt_watchdog_start(ns, keep, &seen), 0);
}
static void stop(void) { CHECK_EQ(gt_watchdog_stop(), 0); }

/* -- holding, three calls deep */

DEEP static void third_spins(int until) {
  while (holder.reports < until) after_call++;
}

DEEP static void second_calls(int until) {
  volatile char room[3000];
  room[until] = 1;
  third_spins(until);
  after_call += room[until];
}

DEEP static void first_calls(int until) {
  holds_in(" third_spins");
  second_calls(until);
  after_call++;
}

static void *hold(void *arg) {
  first_calls(*(int *)arg);
  after_call++;
  return NULL;
}

static int one_report = 1;

/* The addresses lie in these functions, in this order. */
static void check_calls(void) {
  uintptr_t functions[] = {(uintptr_t)third_spins, (uintptr_t)second_calls, (uintptr_t)first_calls, (uintptr_t)hold};
  CHECK_EQ(s_calls_among(seen.addresses, seen.address_count, functions, 4), 4);
}

TEST(watchdog_reports_a_task_that_holds_with_its_calls) {
  int64_t task = s_spawn_named("holder", hold, &one_report);
  watch(LIMIT);
  s_join(task);
  stop();
  const gt_watchdog_report_t *r = &seen.report[0];
  CHECK_EQ(r->task, task);
  CHECK_STR(r->name, "holder");
  CHECK(r->entry == (const void *)(uintptr_t)hold);
  CHECK_GE(r->held, LIMIT);
  CHECK_GE(r->ran, 0);
  CHECK_LE(r->ran, r->held);
  CHECK_EQ(r->count, 1);
  CHECK_EQ(r->thread, (int)gettid());
  CHECK_HAS(seen.text, "greenrt: watchdog: task ");
  CHECK_HAS(seen.text, "'holder' of OS thread ");
  CHECK_HAS(seen.text, "has not switched for ");
  const char *third = strstr(seen.text, "third_spins"), *second = strstr(seen.text, "second_calls");
  CHECK(third && second && third < second);
  CHECK_HAS(second, "first_calls");
  CHECK_HAS(seen.text, "  entry ");
  check_calls();
}

#ifdef __x86_64__
/* Its saved register lies below the stack pointer by now, where it is still described: so do functions on their way out. */
int on_its_way_out(const atomic_int *count, int until);
__asm__(".text\n"
        ".type on_its_way_out, @function\n"
        "on_its_way_out:\n"
        "  .cfi_startproc\n"
        "  push %rbx\n"
        "  .cfi_adjust_cfa_offset 8\n"
        "  .cfi_offset %rbx, -16\n"
        "  pop %rbx\n"
        "  .cfi_adjust_cfa_offset -8\n"
        "1: cmp %esi, (%rdi)\n"
        "  jl 1b\n"
        "  xor %eax, %eax\n"
        "  ret\n"
        "  .cfi_endproc\n"
        ".size on_its_way_out, .-on_its_way_out\n");

DEEP static void calls_one_on_its_way_out(void) { after_call += on_its_way_out(&holder.reports, 1); }

TEST_WITH(watchdog_shows_the_callers_of_a_function_on_its_way_out, T_QUEUES, 0) {
  CHECK_EQ(gt_yield(), 0); /* there is a scheduler to look at */
  watch(LIMIT);
  holds_in(" on_its_way_out");
  calls_one_on_its_way_out();
  stop();
  const char *inner = strstr(seen.text, " on_its_way_out");
  CHECK(inner != NULL);
  CHECK_HAS(inner, "calls_one_on_its_way_out");
  CHECK_HAS(inner, "watchdog_shows_the_callers");
}
#endif

TEST(watchdog_reports_again_at_doubling_distances_and_each_hold_anew) {
  int three = 3;
  int64_t task = s_spawn(hold, &three);
  watch(LIMIT);
  s_join(task);
  int first = reports; /* three, or more where it did not get to run again soon */
  s_join(s_spawn(hold, &one_report));
  stop();
  CHECK_GE(first, 3);
  CHECK_LT(first, (int)COUNT(seen.report));
  for (int i = 0; i < first; i++) {
    CHECK_EQ(seen.report[i].count, (unsigned)i + 1);
    CHECK_EQ(seen.report[i].task, task);
    CHECK_GE(seen.report[i].held, LIMIT << i);
  }
  CHECK_EQ(seen.report[first].count, 1);
  CHECK_NE(seen.report[first].task, task);
}

TEST(watchdog_reports_the_root_too) {
  int64_t root = gt_self();
  watch(LIMIT);
  first_calls(1);
  stop();
  CHECK_EQ(seen.report[0].task, root);
  CHECK(seen.report[0].entry == NULL);
  CHECK_HAS(seen.text, "'root'");
  CHECK_HAS(seen.text, "first_calls");
}

/* On the smallest stack there is room for what the signal puts on it, also without the alternate stack. */
TEST(watchdog_asks_on_the_smallest_stack) {
  gt_config_t config = {.size = sizeof config, .overflow_handler = GT_OVERFLOW_OFF};
  CHECK_EQ(gt_config(&config), 0);
  int64_t task = s_spawn_stack(16 * 1024, hold, &one_report);
  watch(LIMIT);
  s_join(task);
  stop();
  check_calls();
}

static int64_t held_on_the_other;

static void *other_thread(void *arg) {
  held_on_the_other = s_spawn_named("elsewhere", hold, &one_report);
  s_join(held_on_the_other);
  *(int *)arg = (int)gettid();
  CHECK_EQ(gt_shutdown(), 0);
  return NULL;
}

TEST(watchdog_looks_at_every_os_thread) {
  int id = 0;
  watch(LIMIT);
  pthread_t thread = s_thread(other_thread, &id);
  while (!reports) CHECK_EQ(gt_sleep(MS(2)), 0);
  s_thread_join(thread);
  stop();
  CHECK_EQ(seen.report[0].task, held_on_the_other);
  CHECK_EQ(seen.report[0].thread, id);
  check_calls();
}

/* A call that blocks the OS thread: reported from inside the kernel's call, which ran for nothing. */
DEEP static void block(int fd) {
  char byte;
  while (read(fd, &byte, 1) != 1) CHECK_EQ(errno, EINTR);
  after_call++;
}

static void *block_in_read(void *arg) {
  holds_in(" block");
  block(*(int *)arg);
  return NULL;
}

static void let_go(const gt_watchdog_report_t *report, void *arg) {
  int before = reports;
  keep(report, &seen);
  if (reports == before + 1 && before == 0) CHECK_EQ(write(*(int *)arg, "x", 1), 1);
}

TEST(watchdog_reports_a_call_that_blocks) {
  int fds[2];
  s_pipe(fds, 0);
  int64_t task = s_spawn(block_in_read, &fds[0]);
  holder.task = NOBODY_YET;
  CHECK_EQ(gt_watchdog_start(LIMIT, let_go, &fds[1]), 0);
  s_join(task);
  stop();
  CHECK_EQ(seen.report[0].task, task);
  CHECK_HAS(seen.text, "block");
  CHECK_LT(seen.report[0].ran, seen.report[0].held / 2);
  s_close_pair(fds);
}

static void *hold_deaf(void *arg) {
  sigset_t all, old;
  sigfillset(&all);
  CHECK_EQ(pthread_sigmask(SIG_BLOCK, &all, &old), 0);
  holder.task = 0;
  holder.innermost = NULL;
  second_calls(1);
  CHECK_EQ(pthread_sigmask(SIG_SETMASK, &old, NULL), 0); /* the signal that waited comes here, late */
  return arg;
}

TEST(watchdog_reports_a_thread_that_blocks_the_signal) {
  int64_t task = s_spawn(hold_deaf, NULL);
  watch(LIMIT);
  s_join(task);
  stop();
  CHECK_EQ(seen.report[0].task, 0);
  CHECK_EQ(seen.report[0].thread, (int)gettid());
  CHECK_EQ(seen.address_count, 0);
  CHECK_HAS(seen.text, "did not take the signal");
}

/* -- what a callback may do */

static void cancel_it(const gt_watchdog_report_t *report, void *arg) {
  (void)arg;
  if (is_another(report)) return;
  CHECK_EQ(gt_cancel(report->task), 0);
  CHECK_EQ(gt_watchdog_stop(), -EDEADLK);
  CHECK_EQ(gt_watchdog_start(LIMIT, NULL, NULL), -EALREADY);
  holder.reports++;
}

static void *hold_then_park(void *arg) {
  hold(arg);
  return (void *)(intptr_t)gt_park();
}

TEST(watchdog_callback_may_cancel_the_task) {
  int64_t task = s_spawn(hold_then_park, &one_report);
  holder.task = NOBODY_YET;
  CHECK_EQ(gt_watchdog_start(LIMIT, cancel_it, NULL), 0);
  CHECK_EQ((intptr_t)s_join(task), -ECANCELED);
  stop();
}

static void *read_stderr(void *arg) {
  static char text[65536];
  size_t have = 0;
  while (!strstr(text, "'reader' of ") || !strstr(strstr(text, "'reader' of "), "read_stderr")) {
    ssize_t n = read(*(int *)arg, text + have, sizeof text - 1 - have);
    if (n < 0) CHECK_EQ(errno, EINTR);
    if (n > 0) have += (size_t)n;
  }
  fwrite(text, 1, have, stdout);
  return NULL;
}

static void hold_until_stderr_says_so(void *arg) {
  int fds[2];
  (void)arg;
  s_pipe(fds, 0);
  dup2(fds[1], STDERR_FILENO);
  CHECK_EQ(gt_watchdog_start(LIMIT, NULL, NULL), 0);
  s_join(s_spawn_named("reader", read_stderr, &fds[0]));
  stop();
}

TEST(watchdog_reports_on_stderr_by_itself) {
  static struct s_end end;
  s_child(hold_until_stderr_says_so, NULL, &end);
  CHECK_EQ(end.status, 0);
  CHECK_HAS(end.out, "greenrt: watchdog: task ");
  CHECK_HAS(end.out, "'reader' of OS thread ");
  CHECK_HAS(end.out, "read_stderr");
}

/* -- the program's own signals */

static volatile int handled;
static void own_handler(int signal) {
  (void)signal;
  handled++;
}

/* Some signals are taken by the tools that tests run under. */
static void handle(int number) {
  if (signal(number, own_handler) == SIG_ERR) CHECK_EQ(errno, EINVAL);
}

static void handler_of(int signal, void (**handler)(int)) {
  struct sigaction now;
  CHECK_EQ(sigaction(signal, NULL, &now), 0);
  *handler = now.sa_handler;
}

TEST(watchdog_leaves_the_programs_handlers_alone) {
  void (*now)(int);
  handle(SIGURG);
  handle(SIGRTMAX);
  gt_yield();
  watch(LIMIT);
  first_calls(1);
  stop();
  handler_of(SIGURG, &now);
  CHECK(now == own_handler);
  CHECK_EQ(handled, 0);
  CHECK_HAS(seen.text, "first_calls");
}

TEST(watchdog_gives_way_to_a_handler_that_comes_later) {
  void (*now)(int);
  gt_yield();
  watch(LIMIT);
  handler_of(SIGURG, &now);
  CHECK(now != SIG_DFL);
  handle(SIGURG);
  first_calls(1);
  stop();
  handler_of(SIGURG, &now);
  CHECK(now == own_handler);
  CHECK_EQ(handled, 0);
  CHECK_HAS(seen.text, "first_calls");
}

TEST(watchdog_restores_the_action_of_before) {
  void (*now)(int);
  watch(LIMIT);
  stop();
  handler_of(SIGURG, &now);
  CHECK(now == SIG_DFL);
}

TEST(watchdog_without_a_free_signal_is_refused) {
  handle(SIGURG);
  for (int s = SIGRTMIN; s <= SIGRTMAX; s++) handle(s);
  CHECK_EQ(gt_watchdog_start(LIMIT, NULL, NULL), -EBUSY);
  CHECK(signal(SIGRTMIN + 3, SIG_DFL) != SIG_ERR);
  watch(LIMIT);
  stop();
}

/* -- errors and ends */

TEST(watchdog_errors) {
  CHECK_EQ(gt_watchdog_stop(), -ESRCH);
  CHECK_EQ(gt_watchdog_start(0, NULL, NULL), -EINVAL);
  CHECK_EQ(gt_watchdog_start(-1, NULL, NULL), -EINVAL);
  CHECK_EQ(gt_watchdog_start(999999, NULL, NULL), -EINVAL);
  CHECK_EQ(gt_watchdog_start(INT64_MAX, NULL, NULL), -EINVAL);
  CHECK_EQ(gt_watchdog_start(86400 * 1000000000LL + 1, NULL, NULL), -EINVAL);
  for (int round = 0; round < 3; round++) {
    CHECK_EQ(gt_watchdog_start(1000000 + round, NULL, NULL), 0);
    CHECK_EQ(gt_watchdog_start(LIMIT, NULL, NULL), -EALREADY);
    CHECK_EQ(gt_watchdog_stop(), 0);
    CHECK_EQ(gt_watchdog_stop(), -ESRCH);
  }
}

static atomic_int may_go_on;
static void report_slowly(const gt_watchdog_report_t *report, void *arg) {
  (void)report, (void)arg;
  reports++;
  holder.reports++;
  while (!may_go_on) usleep(1000);
}

/* One of the two that stop it waits for the report; the other one is told, and lets the report end. */
static void *stop_it(void *arg) {
  int result = gt_watchdog_stop();
  if (result == -EALREADY) {
    CHECK_EQ(gt_watchdog_start(LIMIT, NULL, NULL), -EALREADY);
    may_go_on = 1;
  } else {
    CHECK_EQ(result, 0);
    CHECK_EQ(may_go_on, 1); /* it did not come back while the report went on */
  }
  atomic_fetch_add((atomic_int *)arg, result == 0);
  return NULL;
}

TEST(watchdog_stop_waits_for_a_report_under_way) {
  static atomic_int stopped;
  gt_yield();
  CHECK_EQ(gt_watchdog_start(LIMIT, report_slowly, NULL), 0);
  first_calls(1);
  pthread_t thread = s_thread(stop_it, &stopped);
  stop_it(&stopped);
  s_thread_join(thread);
  CHECK_EQ(stopped, 1);
  CHECK_EQ(gt_watchdog_stop(), -ESRCH);
}

TEST_WITH(watchdog_without_a_thread_is_refused, T_LIMITS, 0) {
  void (*now)(int);
  if (s_refuse(SYS_clone3, 0, EAGAIN) != 0 || s_refuse(SYS_clone, 0, EAGAIN) != 0) SKIP("no seccomp here");
  CHECK_EQ(gt_watchdog_start(LIMIT, NULL, NULL), -EAGAIN);
  CHECK_EQ(gt_watchdog_stop(), -ESRCH);
  handler_of(SIGURG, &now);
  CHECK(now == SIG_DFL);
}

static volatile int no_memory;
static void *scarce_alloc(size_t size, size_t align, void *arg) {
  (void)arg;
  return no_memory ? NULL : aligned_alloc(align, (size + align - 1) / align * align);
}
static void *scarce_realloc(void *old, size_t old_size, size_t size, size_t align, void *arg) {
  void *block = scarce_alloc(size, align, arg);
  if (!block) return NULL;
  memcpy(block, old, old_size < size ? old_size : size);
  free(old);
  return block;
}
static void scarce_dealloc(void *old, size_t size, size_t align, void *arg) {
  (void)size, (void)align, (void)arg;
  free(old);
}

TEST(watchdog_without_memory_is_refused) {
  gt_config_t config = {.size = sizeof config, .alloc = scarce_alloc, .realloc = scarce_realloc, .dealloc = scarce_dealloc};
  CHECK_EQ(gt_config(&config), 0);
  no_memory = 1;
  CHECK_EQ(gt_watchdog_start(LIMIT, NULL, NULL), -ENOMEM);
  CHECK_EQ(gt_watchdog_start(LIMIT, keep, &seen), -ENOMEM);
  no_memory = 0;
  CHECK_EQ(gt_watchdog_stop(), -ESRCH);
}

static void in_the_child(void) {
  CHECK_EQ(gt_watchdog_stop(), -ESRCH);
  watch(LIMIT);
  first_calls(1);
  stop();
  CHECK_HAS(seen.text, "first_calls");
  _exit(0);
}

TEST(watchdog_is_not_in_a_forked_child_which_may_have_its_own) {
  int status;
  gt_yield();
  watch(LIMIT);
  pid_t pid = fork();
  if (pid == 0) in_the_child();
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK_EQ(status, 0);
  first_calls(1);
  stop();
}

/* A lock that nobody can give back, in a process whose only other thread watches: still a deadlock. */
TEST(watchdog_does_not_hide_a_deadlock) {
  gt_config_t config = {.size = sizeof config, .deadlock = GT_DEADLOCK_ERROR};
  CHECK_EQ(gt_config(&config), 0);
  gt_event_t *event = gt_event_new();
  CHECK(event != NULL);
  watch(MS(250));
  CHECK_EQ(gt_event_wait(event), -EDEADLK);
  stop();
  CHECK_EQ(gt_event_free(event), 0);
}
