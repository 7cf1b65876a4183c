/* Introspection: lists, backtraces, dumps, the watchdog, the stacks for collectors; the virtual clock. */
#include "faults.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static void *parks(void *arg) {
  (void)arg;
  EXPECT(gt_park(), -ECANCELED);
  return NULL;
}

SCENARIO(backtraces_and_dumps) {
  void *addresses[32];
  int64_t tasks[3];
  int fd = open("/dev/null", O_WRONLY);
  for (int i = 0; i < 3; i++) tasks[i] = TRY(gt_spawn(parks, NULL));
  TRY(gt_yield());
  if (tasks[0] > 0) TRY(gt_backtrace(tasks[0], addresses, 32));
  TRY(gt_dump(fd));
  for (int i = 0; i < 3; i++)
    if (tasks[i] > 0) TRY(gt_cancel(tasks[i]));
  for (int i = 0; i < 3; i++) f_join(tasks[i]);
  close(fd);
}

SCENARIO(dumps_on_a_signal) {
  int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);
  if (TRY(gt_dump_on_signal(SIGUSR1)) == 0) {
    dup2(null, STDERR_FILENO);
    raise(SIGUSR1);
    TRY(gt_sleep(2000000));
    dup2(saved, STDERR_FILENO);
    TRY(gt_dump_on_signal(0));
  }
  close(saved);
  close(null);
}

static atomic_int reports;

static void reported(const gt_watchdog_report_t *report, void *arg) {
  (void)report;
  (void)arg;
  reports++;
}

/* Holds its OS thread until the watchdog has said so; where a fault keeps it from that, not for long. */
static void *holds(void *arg) {
  for (int64_t begun = gt_now(); !reports && gt_now() - begun < (f_fired() ? INT64_C(100000000) : INT64_C(8000000000));) continue;
  return arg;
}

/* One report in each process: to name calls for the first time takes long. */
SCENARIO(a_watchdog_that_reports) {
  if (TRY(gt_watchdog_start(1000000, reported, NULL)) < 0) return;
  f_join(TRY(gt_spawn(holds, NULL)));
  if (!f_fired() && !reports) EXPECT(reports, 1);
  TRY(gt_watchdog_stop());
}

static void visited(const gt_stack_t *stack, void *arg) {
  (void)stack;
  ++*(int *)arg;
}

SCENARIO(stacks_for_a_collector) {
  int count = 0;
  int64_t task = TRY(gt_spawn(parks, NULL));
  TRY(gt_yield());
  TRY(gt_stacks_each(visited, &count));
  EXPECT(count >= 1 + (task > 0), 1);
  if (task > 0) TRY(gt_cancel(task));
  f_join(task);
}

static void *sleeps_an_hour(void *arg) {
  TRY(gt_sleep(INT64_C(3600000000000)));
  return arg;
}

SCENARIO(time_that_is_virtual) {
  if (TRY(gt_clock_virtual(1000, 0)) < 0) return;
  int64_t a = TRY(gt_spawn(sleeps_an_hour, NULL)), b = TRY(gt_spawn(sleeps_an_hour, NULL));
  TRY(gt_yield());
  TRY(gt_clock_advance(1000000));
  f_join(a);
  f_join(b);
  TRY(gt_clock_real());
}
