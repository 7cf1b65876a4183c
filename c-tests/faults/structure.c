/* Scopes, generators, hand-over. */
#include "faults.h"

static int ends_well(void *arg) {
  TRY(gt_yield());
  (void)arg;
  return 0;
}

static int sleeps(void *arg) {
  (void)arg;
  EXPECT(gt_sleep_until(GT_NEVER), -ECANCELED);
  return -ECANCELED;
}

SCENARIO(scopes) {
  gt_spawn_opts_t wishes = {.size = sizeof wishes, .stack_size = 128 << 10, .name = "wished"};
  gt_scope_t *scope = MADE(gt_scope_new(0));
  if (!scope) return;
  for (int i = 0; i < 5; i++) TRY(gt_scope_spawn(scope, ends_well, NULL));
  TRY(gt_scope_spawn_with(scope, ends_well, NULL, &wishes));
  TRY(gt_scope_join(scope));
  TRY(gt_scope_free(scope));
}

SCENARIO(scopes_that_are_cancelled) {
  gt_scope_t *scope = MADE(gt_scope_new(GT_SCOPE_KEEP_GOING));
  if (!scope) return;
  for (int i = 0; i < 5; i++) TRY(gt_scope_spawn(scope, sleeps, NULL));
  TRY(gt_yield());
  TRY(gt_scope_cancel(scope));
  TRY(gt_scope_join(scope));
  TRY(gt_scope_free(scope));
}

static int counts(gt_generator_t *generator, void *arg) {
  for (intptr_t i = 1; i <= 5; i++) {
    int rc = gt_generator_yield(generator, (void *)i);
    if (rc == -ECANCELED) return rc; /* it is freed before its end */
    TRY(rc);
  }
  (void)arg;
  return 0;
}

SCENARIO(generators) {
  void *value;
  gt_generator_t *whole = MADE(gt_generator_new(counts, NULL)), *left = MADE(gt_generator_new(counts, NULL));
  if (whole) {
    intptr_t sum = 0;
    while (TRY(gt_generator_next(whole, &value)) > 0) sum += (intptr_t)value;
    EXPECT(sum, 15);
  }
  if (left) TRY(gt_generator_next(left, &value));
  TRY(gt_generator_free(whole));
  TRY(gt_generator_free(left));
}

SCENARIO(generators_with_wishes) {
  gt_spawn_opts_t wishes = {.size = sizeof wishes, .stack_size = 128 << 10, .name = "wished"};
  gt_generator_t *generator = MADE(gt_generator_new_with(counts, NULL, &wishes));
  void *value;
  if (generator)
    while (TRY(gt_generator_next(generator, &value)) > 0) continue;
  TRY(gt_generator_free(generator));
}

static void *answers(void *arg) {
  int rc;
  while ((rc = gt_hand_over(*(int64_t *)arg, arg, NULL)) == 0) {
  }
  EXPECT(rc, -ECANCELED);
  return NULL;
}

SCENARIO(hand_over) {
  gt_spawn_opts_t wishes = {.size = sizeof wishes, .flags = GT_SPAWN_SUSPENDED};
  int64_t me = gt_self();
  void *got;
  int64_t task = TRY(gt_spawn_with(answers, &me, &wishes));
  if (task <= 0) return;
  for (int i = 0; i < 3; i++) TRY(gt_hand_over_until(task, &me, &got, IN_MS(5000)));
  TRY(gt_cancel(task));
  f_join(task);
}
