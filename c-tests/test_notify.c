/* gt_host_notify: what a VM's signal handler calls. A signal that comes before the poll must not be slept through. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

static int64_t root;
static volatile sig_atomic_t handled;
static int looked, answer;

static void on_signal(int signal) {
  (void)signal;
  handled++;
  gt_host_notify(root);
}

static int interrupted(void) {
  looked++;
  CHECK_EQ(gt_self(), root);
  return answer;
}

static void prepare(void) {
  gt_host_t host = {.size = sizeof host, .interrupted = interrupted};
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  CHECK_EQ(gt_host_set(&host), 0);
  CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
  root = gt_self();
}

/* The signal comes while the task runs; the root is parked, and the poll that follows would sleep for ever. */
static void *raise_and_park(void *arg) {
  raise(SIGUSR1);
  CHECK_EQ(gt_park(), -ECANCELED);
  return arg;
}

TEST(notify_before_the_poll_ends_the_roots_call) {
  prepare();
  answer = 1;
  int64_t task = s_spawn(raise_and_park, NULL);
  CHECK_EQ(gt_park(), -EINTR);
  CHECK_EQ(handled, 1);
  CHECK_EQ(looked, 1);
  int code;
  CHECK_EQ(gt_interrupt_take(&code), -EAGAIN);
  CHECK_EQ(gt_cancel(task), 0);
  s_join(task);
  CHECK_EQ(gt_host_set(NULL), 0);
}

TEST_WITH(notify_that_the_host_makes_nothing_of_keeps_the_root_waiting, T_HASTE, 0) {
  prepare();
  int64_t task = s_spawn(raise_and_park, NULL), start = gt_now();
  CHECK_EQ(gt_sleep(MS(30)), 0);
  CHECK_GE(gt_now() - start, MS(30));
  CHECK_EQ(looked, 1);
  CHECK_EQ(gt_cancel(task), 0);
  s_join(task);
  CHECK_EQ(gt_host_set(NULL), 0);
}

TEST(notify_of_nobody) {
  CHECK_EQ(gt_host_notify(-1), -ESRCH);
  CHECK_EQ(gt_host_notify(12345), -ESRCH);
}
