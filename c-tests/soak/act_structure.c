/* Acts of scopes, generators and hand-over. */
#include "soak.h"

struct sum {
  gt_scope_t *scope;
  long total;
  int wrong; /* how many of the tasks end with an error */
};

static int add_later(void *arg) {
  struct sum *sum = arg;
  struct dice dice = so_dice();
  so_pause(&dice);
  sum->total++;
  if (!so_roll(&dice, 6) && gt_scope_spawn(sum->scope, add_later, sum) > 0) sum->total -= 1000;
  return 0;
}

ACT(scopes, 6) {
  struct sum sum = {.scope = gt_scope_new(0)};
  unsigned count = 1 + so_roll(dice, 12);
  for (unsigned i = 0; i < count; i++) MUST_OK(gt_scope_spawn(sum.scope, add_later, &sum));
  int got;
  while ((got = gt_scope_join_until(sum.scope, so_soon(dice))) == -ETIMEDOUT) continue;
  MUST_EQ(got, 0);
  MUST_EQ((sum.total - (long)count) % 999, 0); /* each one more has added 1 and taken 1000 */
  MUST_EQ(gt_scope_count(sum.scope), 0);
  MUST_EQ(gt_scope_free(sum.scope), 0);
}

static int wait_or_fail(void *arg) {
  struct sum *sum = arg;
  struct dice dice = so_dice();
  so_pause(&dice);
  if (sum->wrong && !so_roll(&dice, 3)) {
    sum->wrong = 0;
    return -77;
  }
  int got = gt_sleep(MS(60000));
  MUST_EQ(got, -ECANCELED);
  sum->total++;
  return got;
}

ACT(scopes_that_fail, 6) {
  struct sum sum = {.scope = gt_scope_new(0), .wrong = so_roll(dice, 2) != 0};
  unsigned count = 1 + so_roll(dice, 12);
  int may_fail = sum.wrong, started = 0;
  for (unsigned i = 0; i < count; i++) {
    int64_t task = gt_scope_spawn(sum.scope, wait_or_fail, &sum);
    MUST(task > 0 || task == -ECANCELED);
    started += task > 0;
    so_pause(dice);
  }
  int got = may_fail ? gt_scope_join_until(sum.scope, so_soon(dice)) : -ETIMEDOUT;
  if (got == -ETIMEDOUT) {
    MUST_EQ(gt_scope_cancel(sum.scope), 0);
    got = gt_scope_join(sum.scope);
  }
  MUST_EQ(got, may_fail && !sum.wrong ? -77 : 0);
  MUST_EQ(sum.total, started - (may_fail && !sum.wrong));
  MUST_EQ(gt_scope_free(sum.scope), 0);
}

/* -- generators */

static int count_up(gt_generator_t *generator, void *limit) {
  struct dice dice = so_dice();
  for (uintptr_t number = 1; number <= (uintptr_t)limit; number++) {
    so_pause(&dice);
    int got = gt_generator_yield(generator, (void *)number);
    if (got == -ECANCELED) return got;
    MUST_EQ(got, 0);
  }
  return 0;
}

static int double_up(gt_generator_t *generator, void *inner) {
  void *number;
  int got;
  while ((got = gt_generator_next(inner, &number)) == 1) {
    got = gt_generator_yield(generator, (void *)(2 * (uintptr_t)number));
    if (got < 0) return got;
  }
  return got;
}

ACT(generators, 6) {
  uintptr_t limit = so_roll(dice, 30), asked = so_roll(dice, 40);
  gt_generator_t *inner = gt_generator_new(count_up, (void *)limit), *outer = gt_generator_new(double_up, inner);
  for (uintptr_t number = 1; number <= asked; number++) {
    void *value = NULL;
    int got = gt_generator_next(outer, &value);
    MUST_EQ(got, number <= limit);
    if (got) MUST_EQ((uintptr_t)value, 2 * number);
  }
  MUST_EQ(gt_generator_free(outer), 0);
  MUST_EQ(gt_generator_free(inner), 0);
}

/* -- coroutines by hand-over */

static void *echo_until_null(void *first) {
  int64_t back = *(int64_t *)first;
  void *value = NULL;
  MUST_EQ(gt_hand_over(back, NULL, &value), 0);
  while (value) MUST_EQ(gt_hand_over(back, value, &value), 0);
  MUST_EQ(gt_hand_over(back, NULL, NULL), -ECANCELED);
  return NULL;
}

ACT(hand_over, 5) {
  gt_spawn_opts_t suspended = {.size = sizeof suspended, .flags = GT_SPAWN_SUSPENDED};
  int64_t me = gt_self(), partner = gt_spawn_with(echo_until_null, &me, &suspended);
  void *value;
  MUST_OK(partner);
  MUST_EQ(gt_hand_over(partner, NULL, NULL), 0);
  for (uintptr_t i = 1 + so_roll(dice, 50); i > 0; i--) {
    MUST_EQ(gt_hand_over(partner, (void *)i, &value), 0);
    MUST_EQ((uintptr_t)value, i);
  }
  MUST_EQ(gt_hand_over(partner, NULL, &value), 0);
  MUST_EQ(gt_cancel(partner), 0);
  so_join(partner);
}
