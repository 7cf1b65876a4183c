/* Tasks: spawn, join, detach, yield, exit, cleanup handlers, names. */
#include "support.h"

#include <errno.h>
#include <stdio.h>

static void *give_back(void *arg) { return arg; }

static void *park(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_park();
}

static void *log_thrice(void *arg) {
  for (int i = 0; i < 3; i++) {
    s_log(*(const char *)arg);
    CHECK_EQ(gt_yield(), 0);
  }
  return NULL;
}

TEST(task_result_reaches_the_joiner) {
  int here;
  CHECK(s_join(s_spawn(give_back, &here)) == &here);
  CHECK_EQ(gt_join(s_spawn(give_back, &here), NULL), 0);
}

TEST(task_spawn_queues_the_child_and_goes_on) {
  int64_t task = s_spawn(log_thrice, "a");
  CHECK_STR(s_logged(), "");
  s_join(task);
  CHECK_STR(s_logged(), "aaa");
}

TEST(task_yield_takes_turns_in_order) {
  int64_t tasks[] = {s_spawn(log_thrice, "a"), s_spawn(log_thrice, "b"), s_spawn(log_thrice, "c")};
  for (size_t i = 0; i < COUNT(tasks); i++) s_join(tasks[i]);
  CHECK_STR(s_logged(), "abcabcabc");
}

static void *own_id(void *arg) {
  *(int64_t *)arg = gt_self();
  return NULL;
}

TEST(task_knows_its_own_id_and_the_root_has_one_too) {
  int64_t seen = 0, root = gt_self(), task = s_spawn(own_id, &seen);
  CHECK_GT(root, 0);
  s_join(task);
  CHECK_EQ(seen, task);
  CHECK_NE(root, task);
  CHECK_EQ(gt_self(), root);
}

TEST(task_ids_do_not_come_again) {
  enum { N = 5000 };
  static int64_t old[N];
  for (int i = 0; i < N; i++) {
    old[i] = s_spawn(give_back, NULL);
    s_join(old[i]);
    if (i) CHECK_NE(old[i], old[i - 1]);
  }
  int64_t live = s_spawn(park, NULL);
  s_settle();
  for (int i = 0; i < N; i++) CHECK_EQ(gt_unpark(old[i]), -ESRCH);
  CHECK_EQ(s_stats().tasks_parked, 1);
  CHECK_EQ(gt_unpark(live), 0);
  s_join(live);
}

TEST(task_join_until_can_be_tried_again) {
  int64_t task = s_spawn(park, NULL);
  void *result = &task;
  CHECK_EQ(gt_join_until(task, &result, IN_MS(10)), -ETIMEDOUT);
  CHECK(result == &task); /* outputs are written only on success */
  CHECK_EQ(gt_join_until(task, &result, 0), -ETIMEDOUT);
  CHECK_EQ(gt_unpark(task), 0);
  s_settle();
  CHECK_EQ(gt_join_until(task, &result, 0), 0); /* finished already: the past deadline does not matter */
  CHECK(result == NULL);
}

TEST(task_join_of_nobody) {
  const int64_t nobody[] = {0, -1, 1LL << 40, INT64_MAX, INT64_MIN};
  for (size_t i = 0; i < COUNT(nobody); i++) CHECK_EQ(gt_join(nobody[i], NULL), -ESRCH);
  int64_t task = s_spawn(give_back, NULL);
  s_join(task);
  CHECK_EQ(gt_join(task, NULL), -ESRCH);
}

static void *join_self(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_join(gt_self(), NULL);
}

static void *join_other(void *arg) { return (void *)(intptr_t)gt_join(*(int64_t *)arg, NULL); }

TEST(task_join_of_oneself_and_of_the_root) {
  int64_t root = gt_self();
  CHECK_EQ((intptr_t)s_join(s_spawn(join_self, NULL)), -EDEADLK);
  CHECK_EQ(gt_join(root, NULL), -EDEADLK);
  CHECK_EQ((intptr_t)s_join(s_spawn(join_other, &root)), -EINVAL);
}

TEST(task_has_one_joiner) {
  int64_t target = s_spawn(park, NULL), joiner = s_spawn(join_other, &target);
  s_settle();
  CHECK_EQ(gt_join(target, NULL), -EINVAL);
  CHECK_EQ(gt_detach(target), -EINVAL);
  CHECK_EQ(gt_unpark(target), 0);
  CHECK_EQ((intptr_t)s_join(joiner), 0);
  CHECK_EQ(gt_join(target, NULL), -ESRCH);
}

TEST(task_joiner_that_gives_up_leaves_the_place_free) {
  int64_t target = s_spawn(park, NULL), joiner = s_spawn(join_other, &target);
  s_settle();
  CHECK_EQ(gt_cancel(joiner), 0);
  CHECK_EQ((intptr_t)s_join(joiner), -ECANCELED);
  CHECK_EQ(gt_unpark(target), 0);
  CHECK_EQ(gt_join(target, NULL), 0);
}

TEST(task_detached_ends_by_itself) {
  int64_t finished = s_spawn(give_back, NULL), parked = s_spawn(park, NULL);
  s_settle();
  CHECK_EQ(gt_detach(finished), 0);
  CHECK_EQ(gt_detach(finished), -ESRCH);
  CHECK_EQ(gt_detach(parked), 0);
  CHECK_EQ(gt_detach(parked), -EINVAL);
  CHECK_EQ(gt_join(parked, NULL), -EINVAL);
  CHECK_EQ(gt_unpark(parked), 0);
  s_settle();
  CHECK_EQ(gt_detach(parked), -ESRCH);
  CHECK_EQ(s_stats().tasks_live, 0);
}

TEST(task_spawned_detached_leaves_nothing) {
  gt_spawn_opts_t opts = {.size = sizeof opts, .flags = GT_SPAWN_DETACHED};
  for (int i = 0; i < 100; i++) CHECK_GT(gt_spawn_with(give_back, NULL, &opts), 0);
  s_settle();
  CHECK_EQ(s_stats().tasks_live, 0);
  CHECK_EQ(s_stats().tasks_spawned, 100);
}

static void log_it(void *arg) { s_log(*(const char *)arg); }

static void *exit_deep(void *arg) {
  CHECK_EQ(gt_cleanup_push(log_it, "1"), 0);
  CHECK_EQ(gt_cleanup_push(log_it, "2"), 0);
  if (arg) gt_exit(arg);
  s_log('r');
  return arg;
}

TEST(task_exit_gives_the_result_and_runs_cleanups_last_first) {
  int here;
  CHECK(s_join(s_spawn(exit_deep, &here)) == &here);
  CHECK_STR(s_logged(), "21");
}

TEST(task_return_runs_cleanups_too) {
  s_join(s_spawn(exit_deep, NULL));
  CHECK_STR(s_logged(), "r21");
}

static void exit_again(void *arg) {
  s_log('x');
  gt_exit(arg);
}

static void *exit_in_cleanup(void *arg) {
  CHECK_EQ(gt_cleanup_push(log_it, "1"), 0);
  CHECK_EQ(gt_cleanup_push(exit_again, arg), 0);
  CHECK_EQ(gt_cleanup_push(log_it, "2"), 0);
  return NULL;
}

TEST(task_exit_in_a_cleanup_handler_runs_the_others_and_counts) {
  int here;
  CHECK(s_join(s_spawn(exit_in_cleanup, &here)) == &here);
  CHECK_STR(s_logged(), "2x1");
}

static void spawn_and_join(void *arg) { s_join(s_spawn(give_back, arg)); }

static void *work_in_cleanup(void *arg) {
  CHECK_EQ(gt_cleanup_push(log_it, "1"), 0);
  CHECK_EQ(gt_cleanup_push(spawn_and_join, arg), 0);
  return arg;
}

TEST(task_cleanup_handlers_may_spawn_and_join) {
  int here;
  CHECK(s_join(s_spawn(work_in_cleanup, &here)) == &here);
  CHECK_STR(s_logged(), "1");
}

TEST(task_exit_of_the_root_is_refused) { CHECK_EQ(gt_exit(NULL), -EPERM); }

static void *pop_some(void *arg) {
  (void)arg;
  CHECK_EQ(gt_cleanup_pop(0), -EINVAL);
  CHECK_EQ(gt_cleanup_push(log_it, "a"), 0);
  CHECK_EQ(gt_cleanup_push(log_it, "b"), 0);
  CHECK_EQ(gt_cleanup_push(log_it, "c"), 0);
  CHECK_EQ(gt_cleanup_pop(0), 0);
  CHECK_EQ(gt_cleanup_pop(1), 0);
  s_log('.');
  return NULL;
}

TEST(task_cleanup_pop_runs_it_only_when_asked) {
  s_join(s_spawn(pop_some, NULL));
  CHECK_STR(s_logged(), "b.a");
  CHECK_EQ(gt_cleanup_push(NULL, NULL), -EINVAL);
}

static void sleep_in_cleanup(void *arg) { *(int *)arg = gt_sleep(MS(1)); }

static void *cancelled_with_cleanup(void *arg) {
  CHECK_EQ(gt_cleanup_push(sleep_in_cleanup, arg), 0);
  CHECK_EQ(gt_park(), -ECANCELED);
  CHECK_EQ(gt_sleep(MS(1)), -ECANCELED);
  return NULL;
}

TEST(task_cleanup_runs_shielded) {
  int result = 1;
  int64_t task = s_spawn(cancelled_with_cleanup, &result);
  s_settle();
  CHECK_EQ(gt_cancel(task), 0);
  s_join(task);
  CHECK_EQ(result, 0);
}

TEST(task_names_are_kept_cut_and_changed) {
  char name[64] = "before";
  int64_t task = s_spawn_named("first", park, NULL);
  CHECK_EQ(gt_task_name(task, name, sizeof name), 5);
  CHECK_STR(name, "first");
  CHECK_EQ(gt_task_set_name(task, "0123456789012345678901234567890123456789"), 0);
  CHECK_EQ(gt_task_name(task, name, sizeof name), 31);
  CHECK_STR(name, "0123456789012345678901234567890");
  CHECK_EQ(gt_task_set_name(task, ""), 0);
  CHECK_EQ(gt_task_name(task, name, sizeof name), 0);
  CHECK_STR(name, "");
  CHECK_EQ(gt_task_set_name(task, "abcdef"), 0);
  memset(name, '#', sizeof name);
  CHECK_EQ(gt_task_name(task, name, 4), 6);
  CHECK_MEM(name, "abc\0#", 5);
  CHECK_EQ(gt_task_set_name(gt_self(), "main"), 0);
  CHECK_EQ(gt_task_name(gt_self(), name, sizeof name), 4);
  CHECK_EQ(gt_unpark(task), 0);
  s_join(task);
  CHECK_EQ(gt_task_name(task, name, sizeof name), -ESRCH);
  CHECK_EQ(gt_task_set_name(task, "late"), -ESRCH);
}

static void *use_900_kib(void *arg) {
  s_use_stack(900);
  return arg;
}

TEST_WITH(task_stack_size_is_honoured, T_FIGURES, 0) { s_join(s_spawn_stack(1u << 20, use_900_kib, NULL)); }

static void *where(void *arg) {
  char here;
  *(uintptr_t *)arg = (uintptr_t)&here;
  CHECK_EQ(gt_yield(), 0);
  return NULL;
}

TEST_WITH(task_runs_on_the_users_own_stack, T_FIGURES, 0) {
  static char stack[64 * 1024] __attribute__((aligned(4096)));
  uintptr_t at = 0;
  gt_spawn_opts_t opts = {.size = sizeof opts, .stack = stack, .stack_size = sizeof stack};
  for (int round = 0; round < 3; round++) {
    int64_t task = gt_spawn_with(where, &at, &opts);
    CHECK_GT(task, 0);
    s_join(task);
    CHECK(at > (uintptr_t)stack && at < (uintptr_t)stack + sizeof stack);
    CHECK_EQ(s_stats().stacks_in_use, 0);
  }
}

static void *print_numbers(void *arg) {
  char text[64];
  snprintf(text, sizeof text, "%.3f %Lg", 2.5, 1.25L); /* aligned moves onto the stack */
  CHECK_STR(text, "2.500 1.25");
  return arg;
}

TEST(task_users_stack_need_not_be_aligned) {
  static char memory[64 * 1024 + 64];
  for (size_t shift = 0; shift < 64; shift += 7) {
    gt_spawn_opts_t opts = {.size = sizeof opts, .stack = memory + shift, .stack_size = 64 * 1024 - shift};
    int64_t task = gt_spawn_with(print_numbers, NULL, &opts);
    CHECK_GT(task, 0);
    s_join(task);
  }
}

TEST(task_options_out_of_range_are_refused) {
  static char stack[64 * 1024];
  struct {
    gt_spawn_opts_t known;
    char tail[8];
  } longer = {.known = {.size = sizeof longer}, .tail = {1}};
  CHECK_EQ(gt_spawn(NULL, NULL), -EINVAL);
  CHECK_EQ(gt_spawn_with(NULL, NULL, &longer.known), -EINVAL);
  CHECK_EQ(gt_spawn_with(give_back, NULL, &longer.known), -E2BIG);
  gt_spawn_opts_t wrong[] = {
      {.size = 0},
      {.size = sizeof wrong[0], .stack_size = 1},
      {.size = sizeof wrong[0], .stack_size = 4096},
      {.size = sizeof wrong[0], .stack_size = 16 * 1024 - 1},
      {.size = sizeof wrong[0], .stack_size = ((size_t)1 << 30) + 1},
      {.size = sizeof wrong[0], .stack_size = SIZE_MAX},
      {.size = sizeof wrong[0], .stack = stack},
      {.size = sizeof wrong[0], .stack = stack, .stack_size = 1024},
      {.size = sizeof wrong[0], .guard_size = SIZE_MAX},
      {.size = sizeof wrong[0], .priority = 1},
      {.size = sizeof wrong[0], .flags = ~GT_SPAWN_DETACHED},
  };
  for (size_t i = 0; i < COUNT(wrong); i++) {
    int64_t got = gt_spawn_with(give_back, NULL, &wrong[i]);
    if (got != -EINVAL) FAIL("wrong[%zu]: %lld instead of -EINVAL", i, (long long)got);
  }
  longer.tail[0] = 0;
  int64_t task = gt_spawn_with(give_back, NULL, &longer.known);
  CHECK_GT(task, 0);
  s_join(task);
  task = gt_spawn_with(give_back, NULL, NULL);
  CHECK_GT(task, 0);
  s_join(task);
}
