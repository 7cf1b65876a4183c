/* Task-local slots, and the order in which handlers and destructors run at a task's end. */
#include "support.h"

#include <errno.h>
#include <stdlib.h>

static int key_a, key_b, key_c;

static int new_key(gt_destructor_t destructor) {
  int key = gt_local_new(destructor);
  CHECK_GT(key, 0);
  return key;
}

static void log_value(void *value) { s_log(*(const char *)value); }

static void *keeps_its_own(void *arg) {
  CHECK(gt_local_get(key_a) == NULL);
  CHECK_EQ(gt_local_set(key_a, arg), 0);
  for (int i = 0; i < 3; i++) {
    gt_yield();
    CHECK(gt_local_get(key_a) == arg);
  }
  return NULL;
}

TEST(local_each_task_has_its_own_value) {
  int64_t tasks[8];
  key_a = new_key(NULL);
  CHECK_EQ(gt_local_set(key_a, &tasks), 0); /* the root has one too */
  for (size_t i = 0; i < COUNT(tasks); i++) tasks[i] = s_spawn(keeps_its_own, &tasks[i]);
  for (size_t i = 0; i < COUNT(tasks); i++) s_join(tasks[i]);
  CHECK(gt_local_get(key_a) == (void *)tasks);
  CHECK_EQ(gt_local_free(key_a), 0);
}

/* -- the end of a task */

static void handler(void *arg) {
  CHECK_EQ(gt_yield(), 0); /* shielded */
  CHECK_STR(gt_local_get(key_a) ? gt_local_get(key_a) : "-", "a"); /* slots are still there */
  s_log(*(char *)arg);
}

static void set_all(void) {
  CHECK_EQ(gt_cleanup_push(handler, "1"), 0);
  CHECK_EQ(gt_local_set(key_a, "a"), 0);
  CHECK_EQ(gt_cleanup_push(handler, "2"), 0);
  CHECK_EQ(gt_local_set(key_b, "b"), 0);
  CHECK_EQ(gt_local_set(key_c, "c"), 0);
  CHECK_EQ(gt_local_set(key_a, "a"), 0); /* its place stays */
}

static void *returns(void *arg) {
  set_all();
  return arg;
}

static void *exits(void *arg) {
  set_all();
  gt_exit(arg);
  return NULL;
}

static void *cancelled(void *arg) {
  set_all();
  CHECK_EQ(gt_park(), -ECANCELED);
  return arg;
}

static void new_keys(gt_destructor_t destructor) {
  key_a = new_key(destructor);
  key_b = new_key(destructor);
  key_c = new_key(destructor);
}

static void free_keys(void) {
  CHECK_EQ(gt_local_free(key_a), 0);
  CHECK_EQ(gt_local_free(key_b), 0);
  CHECK_EQ(gt_local_free(key_c), 0);
}

static void slow_log(void *value) {
  CHECK_EQ(gt_sleep(MS(1)), 0); /* shielded, on the task's stack */
  CHECK_EQ(gt_shield_pop(), -EINVAL);
  s_log(*(const char *)value);
}

TEST(local_destructors_run_after_handlers_last_set_first) {
  const gt_entry_t bodies[] = {returns, exits, cancelled};
  new_keys(slow_log);
  for (size_t i = 0; i < COUNT(bodies); i++) {
    s_log_clear();
    int64_t task = s_spawn(bodies[i], &key_a);
    s_settle();
    gt_cancel(task); /* the others have ended or are ending */
    CHECK(s_join(task) == (void *)&key_a);
    CHECK_STR(s_logged(), "21cba");
  }
  free_keys();
}

static void look_around(void *value) {
  const char *c = value;
  if (*c == 'b') {
    CHECK(gt_local_get(key_b) == NULL); /* from its own destructor on */
    CHECK(gt_local_get(key_a) != NULL); /* set before: destroyed later */
    CHECK(gt_local_get(key_c) == NULL);
  }
  s_log(*c);
}

TEST(local_slot_is_null_from_its_destructor_on) {
  new_keys(look_around);
  s_log_clear();
  s_join(s_spawn(returns, NULL));
  CHECK_STR(s_logged(), "21cba");
  free_keys();
}

static void again(void *value) {
  s_log(*(const char *)value);
  CHECK_EQ(gt_local_set(key_a, value), 0);
}

static void *set_one(void *arg) {
  CHECK_EQ(gt_local_set(key_a, arg), 0);
  return NULL;
}

TEST(local_destructor_that_sets_again_runs_four_times) {
  key_a = new_key(again);
  s_log_clear();
  s_join(s_spawn(set_one, "r"));
  CHECK_STR(s_logged(), "rrrr");
  CHECK_EQ(gt_local_free(key_a), 0);
}

static void late_handler(void *arg) {
  s_log('h');
  CHECK_EQ(gt_local_set(key_b, arg), 0);
}

static void pushes(void *value) {
  s_log(*(const char *)value);
  if (*(const char *)value == 'a') CHECK_EQ(gt_cleanup_push(late_handler, "b"), 0);
}

TEST(local_destructor_may_push_a_handler) {
  new_keys(pushes);
  s_log_clear();
  s_join(s_spawn(set_one, "a"));
  CHECK_STR(s_logged(), "ahb");
  free_keys();
}

TEST(local_null_is_not_destroyed) {
  key_a = new_key(log_value);
  s_log_clear();
  s_join(s_spawn(set_one, NULL));
  CHECK_STR(s_logged(), "");
  CHECK_EQ(gt_local_free(key_a), 0);
}

static void *frees_key(void *arg) {
  set_one(arg);
  CHECK_EQ(gt_local_free(key_a), 0);
  CHECK(gt_local_get(key_a) == NULL);
  CHECK_EQ(gt_local_set(key_a, arg), -EINVAL);
  int next = new_key(log_value); /* the same place, another key */
  CHECK_NE(next, key_a);
  CHECK(gt_local_get(next) == NULL);
  CHECK_EQ(gt_local_free(next), 0);
  return NULL;
}

TEST(local_freed_key_is_forgotten) {
  key_a = new_key(log_value);
  s_log_clear();
  s_join(s_spawn(frees_key, "x"));
  CHECK_STR(s_logged(), "");
  CHECK_EQ(gt_local_free(key_a), -EINVAL);
}

TEST(local_wrong_keys) {
  const int wrong[] = {0, -1, 1, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < COUNT(wrong); i++) {
    CHECK(gt_local_get(wrong[i]) == NULL);
    CHECK_EQ(gt_local_set(wrong[i], "x"), -EINVAL);
    CHECK_EQ(gt_local_free(wrong[i]), -EINVAL);
  }
}

static void count(void *value) { ++*(int *)value; }

static void *sets_many(void *arg) {
  int *keys = arg;
  static int destroyed;
  for (int i = 0; i < 1024; i++) CHECK_EQ(gt_local_set(keys[i], &destroyed), 0);
  for (int i = 0; i < 1024; i++) CHECK(gt_local_get(keys[i]) == &destroyed);
  return &destroyed;
}

TEST(local_sixteen_thousand_keys) {
  enum { KEYS = 16384 };
  int *keys = calloc(KEYS, sizeof *keys);
  for (int i = 0; i < KEYS; i++) keys[i] = new_key(count);
  CHECK_EQ(gt_local_new(NULL), -EAGAIN);
  int *destroyed = s_join(s_spawn(sets_many, keys));
  CHECK_EQ(*destroyed, 1024);
  for (int i = 0; i < KEYS; i++) CHECK_EQ(gt_local_free(keys[i]), 0);
  free(keys);
}

static void *other_thread(void *arg) {
  CHECK(gt_local_get(key_a) == NULL); /* no scheduler needed to look */
  CHECK_EQ(gt_local_set(key_a, arg), 0);
  CHECK(gt_local_get(key_a) == arg);
  s_log_clear();
  CHECK_EQ(gt_shutdown(), 0);
  CHECK_STR(s_logged(), "z"); /* the root task's, by gt_shutdown */
  return NULL;
}

TEST(local_key_is_good_on_every_thread) {
  key_a = new_key(slow_log);
  CHECK_EQ(gt_local_set(key_a, "m"), 0);
  s_thread_join(s_thread(other_thread, "z"));
  CHECK_STR(gt_local_get(key_a), "m");
  CHECK_EQ(gt_local_free(key_a), 0);
}
