/* Under a real collector, libgc: the scenarios of c-tests/collector, each in a process of its own, and the example. */
#include <stdio.h>
#include <unistd.h>

#include "support.h"

static struct s_end end;

static void play(const char *scenario) {
  const char *argv[] = {s_beside("collector"), scenario, NULL};
  if (access(argv[0], X_OK) != 0) SKIP("libgc's header was not there when the tests were built");
  s_run(&end, argv);
  if (end.signal || end.status) FAIL("collector %s: signal %d, status %d\n%s", scenario, end.signal, end.status, end.out);
}

TEST_WITH(gc_what_only_a_parked_task_points_to_survives_and_goes_with_it, T_SHIPPED, 0) { play("parked"); }

TEST_WITH(gc_the_argument_of_a_task_that_has_not_started_survives, T_SHIPPED, 0) { play("unstarted"); }

TEST_WITH(gc_the_result_of_a_task_that_was_not_joined_survives, T_SHIPPED, 0) { play("ended"); }

TEST_WITH(gc_items_in_a_channel_survive, T_SHIPPED, 0) { play("buffered"); }

TEST_WITH(gc_slots_and_arguments_of_cleanup_handlers_survive, T_SHIPPED, 0) { play("structures"); }

TEST_WITH(gc_arguments_and_results_of_tasks_for_other_os_threads_survive, T_SHIPPED, 0) { play("ordered"); }

TEST_WITH(gc_the_argument_of_a_job_survives_whose_task_has_gone, T_SHIPPED, 0) { play("offloaded"); }

TEST_WITH(gc_a_collection_may_begin_on_a_task_a_root_a_worker_or_a_thread_without_tasks, T_SHIPPED, 0) { play("anywhere"); }

TEST_WITH(gc_collections_at_any_moment_find_everything_while_three_os_threads_switch, T_SHIPPED, 60) { play("stress"); }

TEST_WITH(example_gc_host_keeps_what_parked_tasks_hold, T_SHIPPED, 0) {
  const char *argv[] = {s_beside("examples/gc_host"), NULL};
  if (access(argv[0], X_OK) != 0) SKIP("libgc's header was not there when the tests were built");
  s_run(&end, argv);
  CHECK_EQ(end.status, 0);
  CHECK_STR(end.out, "100 of 100 objects of parked tasks are there after a collection\n"
                     "most are gone when the tasks have ended: yes\n");
}
