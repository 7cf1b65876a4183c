/* The large programs at a size for every day. `make test-large` runs them in full. */
#include "support.h"

static void large(const char *name, const char *a, const char *b, const char *expected) {
  static struct s_end end;
  const char *argv[] = {s_beside(name), a, b, NULL};
  s_run(&end, argv);
  if (end.status == 77) SKIP("%s", end.out);
  if (end.status != 0) FAIL("%s: status %d, signal %d\n%s", name, end.status, end.signal, end.out);
  CHECK_HAS(end.out, expected);
}

TEST_WITH(large_echo_with_many_connections, T_ALONE, 60) {
  large("large/echo_many", "2000", "20", "echo: 2000 connections x 20 messages of 64 bytes: 40000 echoed, 0 lost");
}

/* A tenth of the full size: what does not grow with the tasks weighs ten times as much, so the limit is a little higher. */
TEST_WITH(large_many_parked_tasks, T_ALONE | T_FIGURES, 60) {
  large("large/million_parked", "100000", "4350", "100000 tasks parked in gt_recv: ");
}
