/* Scopes: no task outlives the join, whatever ends it. */
#include "support.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static gt_scope_t *new_scope(uint32_t flags) {
  gt_scope_t *scope = gt_scope_new(flags);
  CHECK(scope != NULL);
  return scope;
}

static void spawn(gt_scope_t *scope, gt_scope_entry_t entry, void *arg) { CHECK_GT(gt_scope_spawn(scope, entry, arg), 0); }

static int ok(void *arg) {
  gt_yield();
  s_log((char)(intptr_t)arg);
  return 7; /* not negative: no error */
}

TEST(scope_join_waits_for_all) {
  gt_scope_t *scope = new_scope(0);
  s_log_clear();
  for (char c = 'a'; c < 'e'; c++) spawn(scope, ok, (void *)(intptr_t)c);
  CHECK_EQ(gt_scope_count(scope), 4);
  CHECK_EQ(gt_scope_join(scope), 0);
  CHECK_STR(s_logged(), "abcd");
  CHECK_EQ(gt_scope_count(scope), 0);
  CHECK_EQ(gt_scope_error(scope, NULL, NULL), 0);
  spawn(scope, ok, (void *)'z'); /* and again */
  CHECK_EQ(gt_scope_join(scope), 0);
  CHECK_STR(s_logged(), "abcdz");
  CHECK_EQ(gt_scope_free(scope), 0);
}

TEST(scope_without_tasks_joins_at_once) {
  gt_scope_t *scope = new_scope(GT_SCOPE_KEEP_GOING);
  CHECK_EQ(gt_scope_join(scope), 0);
  CHECK_EQ(gt_scope_join_until(scope, 0), 0);
  CHECK_EQ(gt_scope_free(scope), 0);
}

static int forever(void *arg) {
  int got = gt_park();
  if (arg) *(int *)arg += 1;
  return got;
}

static int fails(void *arg) {
  gt_yield();
  return -(int)(intptr_t)arg;
}

TEST(scope_first_error_cancels_the_others) {
  gt_scope_t *scope = new_scope(0);
  int ended = 0, error = 1;
  int64_t task = 1;
  spawn(scope, forever, &ended);
  int64_t failing = gt_scope_spawn(scope, fails, (void *)EPIPE);
  spawn(scope, fails, (void *)EIO);
  spawn(scope, forever, &ended);
  CHECK_EQ(gt_scope_join(scope), -EPIPE);
  CHECK_EQ(ended, 2);
  CHECK_EQ(gt_scope_error(scope, &error, &task), 1);
  CHECK_EQ(error, -EPIPE);
  CHECK_EQ(task, failing);
  CHECK_EQ(gt_scope_spawn(scope, forever, NULL), -ECANCELED);
  CHECK_EQ(gt_scope_join(scope), -EPIPE);
  CHECK_EQ(gt_scope_free(scope), 0);
}

TEST(scope_that_keeps_going_leaves_the_others) {
  gt_scope_t *scope = new_scope(GT_SCOPE_KEEP_GOING);
  s_log_clear();
  spawn(scope, fails, (void *)EPIPE);
  spawn(scope, ok, (void *)'a');
  spawn(scope, fails, (void *)EIO);
  spawn(scope, ok, (void *)'b');
  CHECK_EQ(gt_scope_join(scope), -EPIPE);
  CHECK_STR(s_logged(), "ab");
  spawn(scope, ok, (void *)'c');
  CHECK_EQ(gt_scope_join(scope), -EPIPE); /* the first error stands */
  CHECK_EQ(gt_scope_free(scope), 0);
}

static int exits(void *arg) {
  gt_exit((void *)(intptr_t)-(intptr_t)arg);
  return 0;
}

TEST(scope_hears_of_gt_exit) {
  gt_scope_t *scope = new_scope(0);
  spawn(scope, exits, (void *)ENOENT);
  CHECK_EQ(gt_scope_join(scope), -ENOENT);
  CHECK_EQ(gt_scope_free(scope), 0);
}

TEST(scope_cancel_is_no_error_of_the_tasks) {
  gt_scope_t *scope = new_scope(0);
  int ended = 0;
  spawn(scope, forever, &ended);
  spawn(scope, forever, &ended);
  s_settle();
  CHECK_EQ(gt_scope_cancel(scope), 0);
  CHECK_EQ(gt_scope_spawn(scope, forever, NULL), -ECANCELED);
  CHECK_EQ(gt_scope_join(scope), 0);
  CHECK_EQ(ended, 2);
  CHECK_EQ(gt_scope_cancel(scope), 0);
  CHECK_EQ(gt_scope_free(scope), 0);
}

TEST(scope_task_cancelled_alone_is_an_error) {
  gt_scope_t *scope = new_scope(0);
  int64_t task = gt_scope_spawn(scope, forever, NULL);
  s_settle();
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ(gt_scope_join(scope), -ECANCELED);
  CHECK_EQ(gt_scope_error(scope, NULL, NULL), 1);
  CHECK_EQ(gt_scope_free(scope), 0);
}

/* -- a join that is told to stop */

static int stubborn(void *arg) {
  gt_shield_push();
  CHECK_EQ(gt_sleep(MS(5)), 0);
  gt_shield_pop();
  *(int *)arg += 1;
  return gt_yield();
}

struct joining {
  gt_scope_t *scope;
  int ended, joined;
};

static void *join(void *arg) {
  struct joining *j = arg;
  spawn(j->scope, stubborn, &j->ended);
  spawn(j->scope, forever, &j->ended);
  j->joined = gt_scope_join(j->scope);
  CHECK_EQ(j->ended, 2); /* not before all have ended */
  return NULL;
}

TEST(scope_join_cancelled_cancels_and_still_waits) {
  struct joining j = {.scope = new_scope(0)};
  int64_t task = s_spawn(join, &j);
  s_settle();
  CHECK_EQ(gt_cancel(task), 0);
  s_join(task);
  CHECK_EQ(j.joined, -ECANCELED);
  CHECK_EQ(gt_scope_error(j.scope, NULL, NULL), 0);
  CHECK_EQ(gt_scope_free(j.scope), 0);
}

TEST(scope_join_cancelled_on_entry_cancels_and_still_waits) {
  struct joining j = {.scope = new_scope(0)};
  int64_t task = s_spawn(join, &j);
  CHECK_EQ(gt_cancel(task), 0);
  s_join(task);
  CHECK_EQ(j.joined, -ECANCELED);
  CHECK_EQ(gt_scope_free(j.scope), 0);
}

TEST(scope_join_interrupted_cancels_and_still_waits) {
  struct joining j = {.scope = new_scope(0)};
  int64_t task = s_spawn(join, &j);
  s_settle();
  CHECK_EQ(gt_interrupt(task, 5), 0);
  s_join(task);
  CHECK_EQ(j.joined, -EINTR);
  CHECK_EQ(gt_scope_free(j.scope), 0);
}

TEST(scope_join_under_a_deadline_scope_ends_the_tasks) {
  gt_scope_t *scope = new_scope(0);
  int ended = 0;
  spawn(scope, forever, &ended);
  int64_t token = gt_deadline_push(IN_MS(2));
  CHECK_EQ(gt_scope_join(scope), -ETIMEDOUT);
  CHECK_EQ(ended, 1);
  CHECK_EQ(gt_deadline_pop(token), 1);
  CHECK_EQ(gt_scope_free(scope), 0);
}

TEST(scope_join_until_leaves_the_tasks_alone) {
  gt_scope_t *scope = new_scope(0);
  int ended = 0;
  int64_t task = gt_scope_spawn(scope, forever, &ended);
  CHECK_EQ(gt_scope_join_until(scope, IN_MS(2)), -ETIMEDOUT);
  CHECK_EQ(gt_scope_join_until(scope, 0), -ETIMEDOUT);
  CHECK_EQ(ended, 0);
  CHECK_EQ(gt_unpark(task), 0);
  CHECK_EQ(gt_scope_join(scope), 0);
  CHECK_EQ(ended, 1);
  CHECK_EQ(gt_scope_free(scope), 0);
}

TEST(scope_join_without_hope_says_so) {
  gt_config_t config = {.size = sizeof config, .deadlock = GT_DEADLOCK_ERROR};
  CHECK_EQ(gt_config(&config), 0);
  gt_scope_t *scope = new_scope(0);
  spawn(scope, forever, NULL);
  CHECK_EQ(gt_scope_join(scope), -EDEADLK);
  CHECK_EQ(gt_scope_cancel(scope), 0);
  CHECK_EQ(gt_scope_join(scope), 0);
  CHECK_EQ(gt_scope_free(scope), 0);
}

/* -- tasks that use their own scope */

static gt_scope_t *own;

static int tree(void *arg) {
  intptr_t depth = (intptr_t)arg;
  if (depth > 0)
    for (int i = 0; i < 2; i++) spawn(own, tree, (void *)(depth - 1));
  s_log('t');
  return 0;
}

TEST(scope_grows_from_within) {
  own = new_scope(0);
  s_log_clear();
  spawn(own, tree, (void *)4);
  CHECK_EQ(gt_scope_join(own), 0);
  CHECK_EQ(strlen(s_logged()), 31);
  CHECK_EQ(gt_scope_free(own), 0);
}

static int from_within(void *arg) {
  (void)arg;
  CHECK_EQ(gt_scope_join(own), -EDEADLK);
  CHECK_EQ(gt_scope_free(own), -EBUSY);
  CHECK_EQ(gt_scope_cancel(own), 0); /* the caller too */
  CHECK_EQ(gt_yield(), -ECANCELED);
  return 0;
}

TEST(scope_joined_or_freed_from_within_is_refused) {
  own = new_scope(0);
  spawn(own, from_within, NULL);
  CHECK_EQ(gt_scope_join(own), 0);
  CHECK_EQ(gt_scope_free(own), 0);
}

static void *join_it(void *arg) { return (void *)(intptr_t)gt_scope_join(arg); }

TEST(scope_has_many_joiners) {
  gt_scope_t *scope = new_scope(0);
  int64_t task = gt_scope_spawn(scope, forever, NULL), joiners[3];
  for (int i = 0; i < 3; i++) joiners[i] = s_spawn(join_it, scope);
  s_settle();
  CHECK_EQ(gt_scope_free(scope), -EBUSY);
  CHECK_EQ(gt_join(task, NULL), -EINVAL); /* the scope's to join */
  CHECK_EQ(gt_detach(task), -EINVAL);
  CHECK_EQ(gt_unpark(task), 0);
  for (int i = 0; i < 3; i++) CHECK_EQ((intptr_t)s_join(joiners[i]), 0);
  CHECK_EQ(gt_scope_free(scope), 0);
}

static int nested(void *arg) {
  gt_scope_t *inner = new_scope(0);
  for (int i = 0; i < 3; i++) spawn(inner, forever, arg);
  int joined = gt_scope_join(inner);
  CHECK_EQ(gt_scope_free(inner), 0);
  return joined;
}

TEST(scope_cancel_reaches_inner_scopes) {
  gt_scope_t *scope = new_scope(0);
  int ended = 0;
  for (int i = 0; i < 3; i++) spawn(scope, nested, &ended);
  s_settle();
  CHECK_EQ(gt_scope_cancel(scope), 0);
  CHECK_EQ(gt_scope_join(scope), 0);
  CHECK_EQ(ended, 9);
  CHECK_EQ(gt_scope_free(scope), 0);
}

static void cleanup(void *arg) {
  CHECK_EQ(gt_sleep(MS(1)), 0); /* shielded */
  s_log(*(char *)arg);
}

static int cleans(void *arg) {
  CHECK_EQ(gt_cleanup_push(cleanup, arg), 0);
  return gt_park();
}

TEST(scope_join_comes_after_the_cleanup_handlers) {
  gt_scope_t *scope = new_scope(0);
  s_log_clear();
  spawn(scope, cleans, "x");
  spawn(scope, cleans, "y");
  s_settle();
  gt_scope_cancel(scope);
  CHECK_EQ(gt_scope_join(scope), 0);
  CHECK_STR(s_logged(), "xy");
  CHECK_EQ(gt_scope_free(scope), 0);
}

TEST(scope_spawn_with_wishes) {
  gt_scope_t *scope = new_scope(0);
  char name[32], *stack = malloc(64 * 1024);
  gt_spawn_opts_t opts = {.size = sizeof opts, .name = "child", .stack = stack, .stack_size = 64 * 1024};
  int64_t task = gt_scope_spawn_with(scope, forever, NULL, &opts);
  CHECK_GT(task, 0);
  CHECK_EQ(gt_task_name(task, name, sizeof name), 5);
  CHECK_STR(name, "child");
  CHECK_EQ(gt_unpark(task), 0);
  CHECK_EQ(gt_scope_join(scope), 0);
  memset(stack, 0, 64 * 1024);
  free(stack);
  opts.stack = NULL;
  opts.flags = GT_SPAWN_DETACHED;
  CHECK_EQ(gt_scope_spawn_with(scope, forever, NULL, &opts), -EINVAL);
  opts.flags = GT_SPAWN_SUSPENDED;
  CHECK_EQ(gt_scope_spawn_with(scope, forever, NULL, &opts), -EINVAL);
  opts.flags = 0;
  opts.stack_size = 1;
  CHECK_EQ(gt_scope_spawn_with(scope, forever, NULL, &opts), -EINVAL);
  opts.size = 3;
  CHECK_EQ(gt_scope_spawn_with(scope, forever, NULL, &opts), -EINVAL);
  struct {
    gt_spawn_opts_t known;
    uint64_t unknown;
  } longer = {{.size = sizeof longer}, 1};
  CHECK_EQ(gt_scope_spawn_with(scope, forever, NULL, &longer.known), -E2BIG);
  CHECK_EQ(gt_scope_count(scope), 0);
  CHECK_EQ(gt_scope_free(scope), 0);
}

/* -- wrong use */

TEST(scope_wrong_arguments) {
  errno = 0;
  CHECK(gt_scope_new(2) == NULL);
  CHECK_EQ(errno, EINVAL);
  gt_scope_t *scope = new_scope(0);
  CHECK_EQ(gt_scope_spawn(scope, NULL, NULL), -EINVAL);
  CHECK_EQ(gt_scope_free(scope), 0);
  gt_scope_t *wrong[] = {NULL, scope};
  for (size_t i = 0; i < COUNT(wrong); i++) {
    CHECK_EQ(gt_scope_spawn(wrong[i], ok, NULL), -EINVAL);
    CHECK_EQ(gt_scope_join(wrong[i]), -EINVAL);
    CHECK_EQ(gt_scope_cancel(wrong[i]), -EINVAL);
    CHECK_EQ(gt_scope_error(wrong[i], NULL, NULL), -EINVAL);
    CHECK_EQ(gt_scope_count(wrong[i]), -EINVAL);
  }
  CHECK_EQ(gt_scope_free(scope), -EINVAL);
  CHECK_EQ(gt_scope_free(NULL), 0);
}

static void *elsewhere(void *arg) {
  CHECK_EQ(gt_scope_spawn(arg, ok, NULL), -EXDEV);
  CHECK_EQ(gt_scope_join(arg), -EXDEV);
  CHECK_EQ(gt_scope_cancel(arg), -EXDEV);
  CHECK_EQ(gt_scope_error(arg, NULL, NULL), -EXDEV);
  CHECK_EQ(gt_scope_count(arg), -EXDEV);
  CHECK_EQ(gt_scope_free(arg), -EXDEV);
  gt_shutdown();
  return NULL;
}

TEST(scope_belongs_to_its_thread) {
  gt_scope_t *scope = new_scope(0);
  s_thread_join(s_thread(elsewhere, scope));
  CHECK_EQ(gt_scope_free(scope), 0);
}

static void *abandon(void *arg) {
  *(gt_scope_t **)arg = new_scope(0);
  spawn(*(gt_scope_t **)arg, forever, NULL);
  gt_yield();
  return NULL; /* without gt_shutdown: the task is abandoned */
}

TEST(scope_of_a_thread_that_ended_can_be_freed) {
  gt_scope_t *scope;
  s_thread_join(s_thread(abandon, &scope));
  CHECK_EQ(gt_scope_count(scope), 0);
  CHECK_EQ(gt_scope_free(scope), 0);
}

static int forks(void *arg) {
  pid_t pid = fork();
  if (pid == 0) {
    /* The tasks of the parent are not here; the scope can be used. */
    int count = (int)gt_scope_count(arg);
    spawn(arg, ok, (void *)'f');
    _exit(count == 0 && gt_scope_join(arg) == 0 && gt_scope_free(arg) == 0 ? 0 : 1);
  }
  int status = -1;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK_EQ(status, 0);
  return 0;
}

TEST(scope_in_a_forked_child_starts_empty) {
  gt_scope_t *scope = new_scope(0);
  int64_t parked = gt_scope_spawn(scope, forever, NULL);
  spawn(scope, forks, scope);
  while (gt_scope_count(scope) > 1) CHECK_EQ(gt_sleep(MS(1)), 0);
  CHECK_EQ(gt_scope_join_until(scope, IN_MS(20)), -ETIMEDOUT);
  CHECK_EQ(gt_scope_count(scope), 1);
  CHECK_EQ(gt_unpark(parked), 0);
  CHECK_EQ(gt_scope_join(scope), 0);
  CHECK_EQ(gt_scope_free(scope), 0);
}

TEST(scope_ten_thousand_tasks) {
  gt_scope_t *scope = new_scope(0);
  int ended = 0;
  for (int i = 0; i < 10000; i++) spawn(scope, forever, &ended);
  s_settle();
  gt_scope_cancel(scope);
  CHECK_EQ(gt_scope_join(scope), 0);
  CHECK_EQ(ended, 10000);
  CHECK_EQ(gt_scope_free(scope), 0);
}
