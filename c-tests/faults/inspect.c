/* Introspection: lists, backtraces, dumps, the deadlock report. */
#include "faults.h"

#include <fcntl.h>
#include <signal.h>
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
