/* The host hooks, ridden by a toy VM: their order at each switch, the life of a state, the VM's lock around a sleeping poll. */
#include "toy_vm.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

static struct toy_thread vm;
static gt_host_t host;

static void *nothing(void *arg) { return arg; }

static void *yield_once(void *arg) {
  CHECK_EQ(gt_yield(), 0);
  return arg;
}

static void *sleep_a_little(void *arg) {
  CHECK_EQ(gt_sleep(MS(2)), 0);
  return arg;
}

TEST(hooks_come_in_order_for_one_task) {
  toy_begin(&vm, &host);
  host.stack_bounds = NULL;
  vm.keep_log = 1;
  CHECK_EQ(gt_host_set(&host), 0);
  s_join(s_spawn(nothing, NULL));
  CHECK_STR(vm.log, "new1 0>1 clear1 1>0 free1 ");
  toy_end(&vm);
}

TEST(hooks_swap_at_every_switch_and_only_there) {
  toy_begin(&vm, &host);
  host.stack_bounds = NULL;
  vm.keep_log = 1;
  CHECK_EQ(gt_host_set(&host), 0);
  int64_t a = s_spawn(yield_once, NULL), b = s_spawn(yield_once, NULL);
  CHECK_EQ(gt_yield(), 0);
  vm.logged = 0;
  CHECK_EQ(gt_unpark(gt_self()), 0);
  CHECK_EQ(gt_park(), 0); /* a permit is there: no switch */
  CHECK_EQ(vm.logged, 0);
  s_join(a);
  s_join(b);
  /* a and b finish one after the other; each state is freed only when another one is current */
  const char *clear1 = strstr(vm.log, "clear1 "), *free1 = strstr(vm.log, "free1 ");
  const char *clear2 = strstr(vm.log, "clear2 "), *free2 = strstr(vm.log, "free2 ");
  CHECK(clear1 && free1 && clear2 && free2);
  CHECK(clear1 < free1);
  CHECK(clear2 < free2);
  gt_stats_t stats = s_stats();
  CHECK_EQ(vm.swaps, stats.switches);
  toy_end(&vm);
}

TEST(hooks_tell_each_task_its_stack_bounds) {
  toy_begin(&vm, &host);
  vm.keep_log = 1;
  CHECK_EQ(gt_host_set(&host), 0);
  s_join(s_spawn(nothing, NULL));
  CHECK_HAS(vm.log, "bounds1 ");
  CHECK(strstr(vm.log, "new1 ") < strstr(vm.log, "bounds1 "));
  toy_end(&vm);
}

static uintptr_t bounds_base;
static size_t bounds_size;

static int note_bounds(void *state, void *base, size_t size) {
  CHECK(state != NULL);
  bounds_base = (uintptr_t)base;
  bounds_size = size;
  return 0;
}

static void *inside_bounds(void *arg) {
  char here;
  CHECK((uintptr_t)&here > bounds_base);
  CHECK((uintptr_t)&here < bounds_base + bounds_size);
  return arg;
}

TEST_WITH(hooks_stack_bounds_hold_the_running_frames, T_FIGURES, 0) {
  static char own[64 * 1024] __attribute__((aligned(64)));
  toy_begin(&vm, &host);
  host.stack_bounds = note_bounds;
  CHECK_EQ(gt_host_set(&host), 0);
  s_join(s_spawn(inside_bounds, NULL));
  CHECK_LE(bounds_size, 64 * 1024);
  s_join(s_spawn_stack(1u << 20, inside_bounds, NULL));
  CHECK_GT(bounds_size, 900 * 1024);
  gt_spawn_opts_t opts = {.size = sizeof opts, .stack = own, .stack_size = sizeof own};
  s_join(gt_spawn_with(inside_bounds, NULL, &opts));
  CHECK(bounds_base >= (uintptr_t)own && bounds_base + bounds_size <= (uintptr_t)own + sizeof own);
  toy_end(&vm);
}

static void *count_for_itself(void *arg) {
  struct toy_state *mine = toy_current();
  for (int i = 0; i < 500; i++) {
    CHECK(toy_current() == mine);
    CHECK_EQ(mine->value, i);
    mine->value++;
    if (i % 50 == 7)
      CHECK_EQ(gt_sleep(MS(1)), 0);
    else
      CHECK_EQ(gt_yield(), 0);
  }
  return arg;
}

TEST(hooks_each_task_finds_its_own_state) {
  int64_t tasks[100];
  toy_begin(&vm, &host);
  CHECK_EQ(gt_host_set(&host), 0);
  for (size_t i = 0; i < COUNT(tasks); i++) tasks[i] = s_spawn(count_for_itself, NULL);
  for (size_t i = 0; i < COUNT(tasks); i++) s_join(tasks[i]);
  CHECK_EQ(vm.started, COUNT(tasks));
  toy_end(&vm);
}

static void *receive_one(void *arg) {
  char byte;
  return (void *)(intptr_t)gt_recv(*(int *)arg, &byte, 1, 0);
}

TEST_WITH(hooks_release_only_around_a_poll_that_sleeps, T_HASTE, 0) {
  int fds[2];
  char byte;
  s_unix_pair(SOCK_STREAM, fds);
  toy_begin(&vm, &host);
  CHECK_EQ(gt_host_set(&host), 0);
  int64_t task = s_spawn(yield_once, NULL);
  for (int i = 0; i < 5000; i++) CHECK_EQ(gt_yield(), 0); /* alone or in turn: nothing to sleep for */
  CHECK_EQ(gt_send(fds[1], "x", 1, 0), 1);
  CHECK_EQ(gt_recv(fds[0], &byte, 1, 0), 1);
  CHECK_EQ(gt_recv_until(fds[0], &byte, 1, 0, 0), -ETIMEDOUT);
  s_join(task);
  task = s_spawn(receive_one, &fds[0]);
  uint64_t polls = s_stats().polls;
  for (int i = 0; i < 5000; i++) CHECK_EQ(gt_yield(), 0);
  CHECK_GT(s_stats().polls, polls); /* it looked at the descriptor, but did not sleep for it */
  CHECK_EQ(vm.releases, 0);
  CHECK_EQ(gt_send(fds[1], "x", 1, 0), 1);
  while (s_stats().tasks_live && s_stats().tasks_parked) CHECK_EQ(gt_yield(), 0);
  s_join(task);
  CHECK_EQ(vm.releases, 0);
  CHECK_EQ(gt_sleep(MS(3)), 0);
  CHECK_GT(vm.releases, 0);
  int before = vm.releases;
  task = s_spawn(sleep_a_little, NULL);
  s_join(task);
  CHECK_GT(vm.releases, before);
  CHECK(vm.holds_lock);
  toy_end(&vm);
  s_close_pair(fds);
}

/* Two OS threads, each with its own scheduler, contend for the one lock of the VM. */
static void *add_many(void *arg) {
  for (int i = 0; i < 200; i++) {
    long before = toy_shared; /* only the lock guards it: no switch, no release in between */
    for (volatile int spin = 0; spin < 50; spin++) continue;
    toy_shared = before + 1;
    if (i % 20 == 3)
      CHECK_EQ(gt_sleep(100000), 0);
    else
      CHECK_EQ(gt_yield(), 0);
  }
  return arg;
}

static void *vm_thread(void *arg) {
  struct toy_thread mine;
  gt_host_t table;
  int64_t tasks[20];
  toy_begin(&mine, &table);
  CHECK_EQ(gt_host_set(&table), 0);
  for (size_t i = 0; i < COUNT(tasks); i++) tasks[i] = s_spawn(add_many, NULL);
  for (size_t i = 0; i < COUNT(tasks); i++) s_join(tasks[i]);
  CHECK_GT(mine.releases, 0);
  toy_end(&mine);
  CHECK_EQ(gt_shutdown(), 0);
  return arg;
}

TEST_WITH(hooks_two_threads_contend_for_the_vms_lock, T_HANDS_LOCKS | T_HASTE, 60) {
  pthread_t threads[] = {s_thread(vm_thread, NULL), s_thread(vm_thread, NULL)};
  for (size_t i = 0; i < COUNT(threads); i++) s_thread_join(threads[i]);
  CHECK_EQ(toy_shared, 2 * 20 * 200);
}

/* A VM may hand its lock over inside swap: another OS thread then runs and wakes tasks of this scheduler. */
static int64_t woken_in_swap;
static int wake_now;
static void *(*plain_swap)(void *);

static void *wake_it(void *arg) {
  CHECK_EQ(gt_unpark(woken_in_swap), 0);
  return arg;
}

static void *swap_with_foreign_wake(void *incoming) {
  if (wake_now) {
    wake_now = 0;
    s_thread_join(s_thread(wake_it, NULL));
  }
  return plain_swap(incoming);
}

static void *park_once(void *arg) {
  CHECK_EQ(gt_park(), 0);
  return arg;
}

TEST(hooks_foreign_wake_during_swap_is_not_lost) {
  toy_begin(&vm, &host);
  plain_swap = host.swap;
  host.swap = swap_with_foreign_wake;
  CHECK_EQ(gt_host_set(&host), 0);
  for (int i = 0; i < 200; i++) {
    woken_in_swap = s_spawn(park_once, NULL);
    if (i % 2) s_settle();
    int64_t other = s_spawn(yield_once, NULL);
    wake_now = 1;
    CHECK_EQ(gt_yield(), 0);
    CHECK_EQ(wake_now, 0);
    CHECK_EQ(gt_join_until(woken_in_swap, NULL, IN_MS(60000)), 0);
    s_join(other);
  }
  toy_end(&vm);
}

static void *check_key(void *arg) {
  const struct toy_thread *thread = arg;
  for (int i = 0; i < 20; i++) {
    CHECK(pthread_getspecific(thread->key) == toy_current());
    CHECK_EQ(gt_yield(), 0);
  }
  return NULL;
}

TEST(hooks_keep_a_pthread_key_in_step) {
  pthread_key_t key;
  uint32_t number;
  do CHECK_EQ(pthread_key_create(&key, NULL), 0);
  while (key == 0); /* the toy uses 0 for "none" */
  toy_begin(&vm, &host);
  number = (uint32_t)key;
  CHECK_EQ(pthread_setspecific(key, &vm.root), 0);
  vm.key = number;
  host.tls_key = &number;
  CHECK_EQ(gt_host_set(&host), 0);
  number = 0; /* the table is copied whole: the number may go */
  int64_t tasks[10];
  for (size_t i = 0; i < COUNT(tasks); i++) tasks[i] = s_spawn(check_key, &vm);
  for (size_t i = 0; i < COUNT(tasks); i++) s_join(tasks[i]);
  CHECK(pthread_getspecific(key) == &vm.root);
  toy_end(&vm);
}

TEST(hooks_failing_state_leaves_a_task_that_never_ran) {
  toy_begin(&vm, &host);
  CHECK_EQ(gt_host_set(&host), 0);
  vm.fail_next_new = 1;
  int64_t task = gt_spawn(yield_once, &vm);
  if (task > 0) {
    void *result = &vm;
    CHECK_EQ(gt_join(task, &result), 0);
    CHECK(result == NULL);
  } else {
    CHECK_EQ(task, -ENOMEM);
  }
  CHECK_EQ(vm.started, 0);
  CHECK_EQ(s_stats().tasks_live, 0);
  s_join(s_spawn(nothing, NULL));
  toy_end(&vm);
}

static volatile sig_atomic_t signals;

static void on_signal(int number) {
  (void)number;
  signals++;
}

TEST(hooks_interrupted_poll_asks_the_host) {
  struct sigaction action = {.sa_handler = on_signal};
  struct itimerval often = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
  int code;
  toy_begin(&vm, &host);
  CHECK_EQ(gt_host_set(&host), 0);
  CHECK_OK(sigaction(SIGALRM, &action, NULL));
  CHECK_OK(setitimer(ITIMER_REAL, &often, NULL));
  while (!vm.polls_interrupted) CHECK_EQ(gt_sleep(MS(60)), 0); /* the host says: go on */
  vm.answer = 1;
  CHECK_EQ(gt_sleep(MS(60000)), -EINTR); /* the host says: the root must come back */
  CHECK_EQ(gt_interrupt_take(&code), -EAGAIN);
  int64_t task = s_spawn(park_once, NULL); /* a signal while a task polls still ends the root's call */
  CHECK_EQ(gt_join_until(task, NULL, IN_MS(60000)), -EINTR);
  vm.answer = 0;
  CHECK_OK(setitimer(ITIMER_REAL, &never, NULL));
  CHECK_EQ(gt_unpark(task), 0);
  s_join(task);
  CHECK_GT(signals, 2);
  toy_end(&vm);
}

TEST(hooks_table_is_checked) {
  toy_begin(&vm, &host);
  gt_host_t wrong = host;
  wrong.size = 8;
  CHECK_EQ(gt_host_set(&wrong), -EINVAL);
  wrong = host;
  wrong.swap = NULL;
  CHECK_EQ(gt_host_set(&wrong), -EINVAL);
  wrong = host;
  wrong.state_new = NULL;
  CHECK_EQ(gt_host_set(&wrong), -EINVAL);
  wrong = host;
  wrong.state_clear = NULL;
  CHECK_EQ(gt_host_set(&wrong), -EINVAL);
  wrong = host;
  wrong.state_free = NULL;
  CHECK_EQ(gt_host_set(&wrong), -EINVAL);
  struct {
    gt_host_t host;
    uint64_t more;
  } later = {host, 1};
  later.host.size = sizeof later;
  CHECK_EQ(gt_host_set(&later.host), -E2BIG);
  int64_t task = s_spawn(yield_once, NULL);
  CHECK_EQ(gt_host_set(&host), -EBUSY);
  CHECK_EQ(gt_host_set(NULL), -EBUSY);
  s_join(task);
  CHECK_EQ(gt_host_set(&host), 0);
  task = s_spawn(yield_once, NULL);
  CHECK_EQ(gt_host_set(NULL), -EBUSY);
  s_join(task);
  toy_end(&vm);
  CHECK_EQ(gt_host_set(NULL), 0);
  s_join(s_spawn(nothing, NULL));
}

/* -- time slices */

static volatile int slept, spinners;

static void *spin_politely(void *arg) {
  while (!slept) gt_host_yield();
  spinners--;
  return arg;
}

static void *sleep_and_say(void *arg) {
  CHECK_EQ(gt_sleep(MS(1)), 0);
  slept = 1;
  return arg;
}

TEST(host_yield_lets_a_sleeper_run_among_tasks_that_spin) {
  int64_t tasks[3];
  CHECK_EQ(gt_host_yield(), 0);
  int64_t sleeper = s_spawn(sleep_and_say, NULL);
  CHECK_EQ(gt_host_yield(), 1);
  s_real_sleep(2);
  CHECK_EQ(gt_host_yield(), 1); /* at once, though nobody polls by itself */
  CHECK(slept);
  s_join(sleeper);
  slept = 0;
  spinners = 3;
  for (int i = 0; i < 3; i++) tasks[i] = s_spawn(spin_politely, NULL);
  s_join(s_spawn(sleep_and_say, NULL));
  for (int i = 0; i < 3; i++) s_join(tasks[i]);
  CHECK_EQ(spinners, 0);
}

static void *yields_and_is_not_told(void *arg) {
  CHECK_EQ(gt_host_yield(), 1);
  CHECK_EQ(gt_host_yield(), 0);
  CHECK_EQ(gt_yield(), -ECANCELED);
  return arg;
}

TEST(host_yield_delivers_nothing) {
  int64_t task = s_spawn(yields_and_is_not_told, NULL);
  CHECK_EQ(gt_yield(), 0);
  CHECK_EQ(gt_cancel(task), 0);
  s_join(task);
}

static void *without_tasks(void *arg) {
  CHECK_EQ(gt_host_yield(), 0);
  return arg;
}

TEST(host_yield_is_nothing_on_a_thread_without_tasks) { s_thread_join(s_thread(without_tasks, NULL)); }

/* -- what the VM tells of its own calls */

static size_t trace(void *state, char *place, size_t max) {
  struct toy_state *it = state ? state : toy_current();
  return (size_t)snprintf(place, max, "  toy calls of state %d%s\n", it->number, state ? "" : ", which runs");
}

static const char *dumped(void) {
  static char text[65536];
  FILE *file = tmpfile();
  CHECK(file != NULL);
  CHECK_EQ(gt_dump(fileno(file)), 0);
  ssize_t n = pread(fileno(file), text, sizeof text - 1, 0);
  CHECK_OK(n);
  text[n] = 0;
  fclose(file);
  return text;
}

TEST(hooks_trace_has_its_lines_in_a_dump) {
  toy_begin(&vm, &host);
  host.trace = trace;
  CHECK_EQ(gt_host_set(&host), 0);
  int64_t a = s_spawn(park_once, NULL), b = s_spawn(park_once, NULL);
  CHECK_EQ(gt_yield(), 0);
  int64_t fresh = s_spawn(nothing, NULL); /* has a state, and no call yet */
  const char *text = dumped();
  CHECK_HAS(text, "  toy calls of state 0, which runs\n");
  CHECK_HAS(text, "  toy calls of state 1\ntask ");
  CHECK_HAS(text, "  toy calls of state 2\ntask ");
  CHECK_HAS(text, "  toy calls of state 3\ngreenrt: end of dump");
  CHECK_EQ(gt_unpark(a), 0);
  CHECK_EQ(gt_unpark(b), 0);
  s_join(a);
  s_join(b);
  s_join(fresh);
  toy_end(&vm);
}

static size_t trace_a_lot(void *state, char *place, size_t max) {
  (void)state;
  memset(place, 'x', max);
  return max + 1000;
}

TEST(hooks_trace_that_says_too_much_is_cut) {
  toy_begin(&vm, &host);
  host.trace = trace_a_lot;
  CHECK_EQ(gt_host_set(&host), 0);
  CHECK_HAS(dumped(), "xxxx\ngreenrt: end of dump");
  toy_end(&vm);
}

static struct {
  char host[200], text[4096];
  atomic_int count;
} report;

static void keep_report(const gt_watchdog_report_t *r, void *arg) {
  (void)arg;
  if (!strstr(r->text, " hold")) return; /* it had to wait for a processor before */
  if (report.count == 0) {
    snprintf(report.host, sizeof report.host, "%s", r->host);
    snprintf(report.text, sizeof report.text, "%s", r->text);
  }
  report.count++;
}

static void *hold(void *arg) {
  while (report.count == 0) vm.answer = 0;
  return arg;
}

TEST(hooks_trace_has_its_lines_in_a_watchdog_report) {
  toy_begin(&vm, &host);
  host.trace = trace;
  CHECK_EQ(gt_host_set(&host), 0);
  CHECK_EQ(gt_watchdog_start(MS(40), keep_report, NULL), 0);
  s_join(s_spawn(hold, NULL));
  CHECK_EQ(gt_watchdog_stop(), 0);
  CHECK_STR(report.host, "  toy calls of state 1, which runs\n");
  CHECK_HAS(report.text, " hold");
  CHECK_HAS(report.text, report.host);
  toy_end(&vm);
}

/* -- the VM's word in what is a deadlock */

static int asked, answer;

static int deadlocked(void) {
  CHECK(toy_thread()->holds_lock);
  asked++;
  return answer;
}

/* Never wakes anybody, and is there until the pipe is closed. */
static void *only_watches(void *arg) {
  char byte;
  ssize_t n;
  while ((n = read(*(int *)arg, &byte, 1)) < 0) CHECK_EQ(errno, EINTR); /* the alarm may come to any thread */
  CHECK_EQ(n, 0);
  return NULL;
}

TEST(hooks_deadlock_is_one_beside_threads_of_the_host_that_wake_nobody) {
  struct sigaction action = {.sa_handler = on_signal};
  struct itimerval often = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
  gt_config_t config = {.size = sizeof config, .deadlock = GT_DEADLOCK_ERROR};
  pthread_t watchers[2];
  int ends[2];
  CHECK_EQ(gt_config(&config), 0);
  toy_begin(&vm, &host);
  host.deadlocked = deadlocked;
  CHECK_EQ(gt_host_set(&host), 0);
  CHECK_OK(pipe(ends));
  for (int i = 0; i < 2; i++) CHECK_EQ(pthread_create(&watchers[i], NULL, only_watches, &ends[0]), 0);
  answer = 3;
  CHECK_EQ(gt_park(), -EDEADLK);
  CHECK_OK(sigaction(SIGALRM, &action, NULL));
  CHECK_OK(setitimer(ITIMER_REAL, &often, NULL));
  vm.answer = 1;
  for (answer = -1; answer <= 2; answer++) CHECK_EQ(gt_park(), -EINTR); /* no, no, and yes, but then somebody is unknown */
  CHECK_OK(setitimer(ITIMER_REAL, &never, NULL));
  vm.answer = 0;
  CHECK_OK(close(ends[1]));
  for (int i = 0; i < 2; i++) CHECK_EQ(pthread_join(watchers[i], NULL), 0);
  CHECK_OK(close(ends[0]));
  toy_end(&vm);
}

TEST(hooks_deadlock_is_one_when_the_host_agrees) {
  struct sigaction action = {.sa_handler = on_signal};
  struct itimerval often = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
  gt_config_t config = {.size = sizeof config, .deadlock = GT_DEADLOCK_ERROR};
  CHECK_EQ(gt_config(&config), 0);
  toy_begin(&vm, &host);
  host.deadlocked = deadlocked;
  CHECK_EQ(gt_host_set(&host), 0);
  CHECK_OK(sigaction(SIGALRM, &action, NULL));
  CHECK_OK(setitimer(ITIMER_REAL, &often, NULL));
  vm.answer = 1;
  CHECK_EQ(gt_park(), -EINTR); /* the host says: somebody can end it */
  CHECK_GT(asked, 0);
  CHECK_OK(setitimer(ITIMER_REAL, &never, NULL));
  answer = 1;
  CHECK_EQ(gt_park(), -EDEADLK);
  host.deadlocked = NULL;
  CHECK_EQ(gt_host_set(&host), 0);
  CHECK_OK(setitimer(ITIMER_REAL, &often, NULL));
  CHECK_EQ(gt_park(), -EINTR); /* a host that is not asked may have threads that wake */
  CHECK_OK(setitimer(ITIMER_REAL, &never, NULL));
  vm.answer = 0;
  toy_end(&vm);
}

static void *park_any(void *arg) {
  CHECK_EQ(gt_park(), -ECANCELED);
  return arg;
}

TEST(hooks_states_go_with_cancelled_tasks_at_shutdown) {
  toy_begin(&vm, &host);
  CHECK_EQ(gt_host_set(&host), 0);
  for (int i = 0; i < 50; i++) s_spawn(park_any, NULL);
  s_settle();
  CHECK_EQ(gt_shutdown(), 0);
  CHECK_EQ(vm.started, 50);
  CHECK_EQ(vm.finished, 50);
  toy_end(&vm);
}
