/* The soak for some seconds, and what it must notice. `make soak` plays it for ten minutes. */
#include <stdio.h>

#include "support.h"

static struct s_end end;

static void soak(const char *seconds, const char *fault, const char *patience) {
  const char *argv[] = {s_beside("soak"), "--seconds", seconds, fault ? "--fault" : NULL, fault, "--patience", patience, NULL};
  s_run(&end, argv);
}

TEST_WITH(soak_of_a_few_seconds_passes, T_SHIPPED, 180) {
  soak("4", NULL, NULL);
  if (end.status) FAIL("signal %d, status %d\n%s", end.signal, end.status, end.out);
  CHECK_HAS(end.out, " passed, 0 failed\n");
}

TEST_WITH(soak_notices_a_wake_that_never_comes_and_shows_who_waits, T_SHIPPED, 180) {
  const char *script = "\"$0\" --seconds 60 --fault wake --patience 10 2>&1 | grep -e 'a wake was lost' -e 'waits on park' -e passed";
  const char *argv[] = {"sh", "-c", script, s_beside("soak"), NULL};
  s_run(&end, argv);
  CHECK_HAS(end.out, " has not ended for ");
  CHECK_HAS(end.out, " s: a wake was lost");
  CHECK_HAS(end.out, "parked, waits on park for ");
  CHECK_HAS(end.out, "0 passed, 1 failed\n");
}

TEST_WITH(soak_notices_memory_that_is_not_given_back, T_SHIPPED, 180) {
  soak("4", "leak", "60");
  CHECK_EQ(end.status, 1);
  CHECK_HAS(end.out, "not ok - resident KiB");
}

TEST_WITH(soak_notices_descriptors_that_are_not_closed, T_SHIPPED, 180) {
  soak("4", "descriptor", "60");
  CHECK_EQ(end.status, 1);
  CHECK_HAS(end.out, "not ok - descriptors");
}

TEST_WITH(soak_ends_with_the_first_thing_that_does_not_hold, T_SHIPPED, 180) {
  soak("30", "sum", "60");
  CHECK_EQ(end.status, 1);
  CHECK_HAS(end.out, "does not hold");
  CHECK_HAS(end.out, ", seed ");
}
