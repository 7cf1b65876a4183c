/* Generators: values one by one, the end, freed early, nested, wrong use. */
#include "support.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static gt_generator_t *generator(gt_generator_body_t body, void *arg) {
  gt_generator_t *gen = gt_generator_new(body, arg);
  CHECK(gen != NULL);
  return gen;
}

static intptr_t next(gt_generator_t *gen) {
  void *value = NULL;
  CHECK_EQ(gt_generator_next(gen, &value), 1);
  return (intptr_t)value;
}

static int count_to(gt_generator_t *gen, void *arg) {
  for (intptr_t i = 1; i <= (intptr_t)arg; i++) {
    int got = gt_generator_yield(gen, (void *)i);
    if (got < 0) return got;
  }
  return 1; /* not negative: no error */
}

TEST(generator_gives_values_then_the_end) {
  gt_generator_t *gen = generator(count_to, (void *)3);
  void *value = &value;
  for (int i = 1; i <= 3; i++) CHECK_EQ(next(gen), i);
  CHECK_EQ(gt_generator_next(gen, &value), 0);
  CHECK_EQ(gt_generator_next(gen, &value), 0);
  CHECK(value == &value);
  CHECK_EQ(gt_generator_free(gen), 0);
}

TEST(generator_value_costs_two_switches) {
  gt_generator_t *gen = generator(count_to, (void *)100000);
  next(gen);
  uint64_t before = s_stats().switches;
  for (int i = 0; i < 10000; i++) next(gen);
  CHECK_EQ(s_stats().switches - before, 20000);
  CHECK_EQ(gt_generator_free(gen), 0);
}

static int gives_null_then_fails(gt_generator_t *gen, void *arg) {
  CHECK_EQ(gt_generator_yield(gen, NULL), 0);
  return -(int)(intptr_t)arg;
}

TEST(generator_error_is_told_from_end_and_value) {
  gt_generator_t *gen = generator(gives_null_then_fails, (void *)EIO);
  CHECK_EQ(next(gen), 0);
  CHECK_EQ(gt_generator_next(gen, NULL), -EIO);
  CHECK_EQ(gt_generator_next(gen, NULL), -EIO);
  CHECK_EQ(gt_generator_free(gen), 0);
}

static int exits(gt_generator_t *gen, void *arg) {
  CHECK_EQ(gt_generator_yield(gen, arg), 0);
  gt_exit((void *)(intptr_t)-EPIPE);
  return 0;
}

TEST(generator_hears_of_gt_exit) {
  gt_generator_t *gen = generator(exits, NULL);
  next(gen);
  CHECK_EQ(gt_generator_next(gen, NULL), -EPIPE);
  CHECK_EQ(gt_generator_free(gen), 0);
}

/* -- freed before the end */

static void log_cleanup(void *arg) {
  CHECK_EQ(gt_sleep(MS(1)), 0);
  s_log(*(char *)arg);
}

static int cleans(gt_generator_t *gen, void *arg) {
  CHECK_EQ(gt_cleanup_push(log_cleanup, "c"), 0);
  CHECK_EQ(gt_generator_yield(gen, arg), -ECANCELED);
  CHECK_EQ(gt_generator_yield(gen, arg), -ECANCELED);
  CHECK_EQ(gt_sleep(MS(1)), -ECANCELED);
  s_log('r');
  return 0;
}

TEST(generator_freed_early_is_cancelled_and_finished) {
  s_log_clear();
  gt_generator_t *gen = generator(cleans, NULL);
  next(gen);
  CHECK_EQ(gt_generator_free(gen), 0);
  CHECK_STR(s_logged(), "rc");
}

static void *cancelled_frees(void *arg) {
  gt_cancel(gt_self());
  return (void *)(intptr_t)gt_generator_free(arg);
}

TEST(generator_freed_by_a_cancelled_task_is_finished) {
  s_log_clear();
  gt_generator_t *gen = generator(cleans, NULL);
  next(gen);
  CHECK_EQ((intptr_t)s_join(s_spawn(cancelled_frees, gen)), 0);
  CHECK_STR(s_logged(), "rc");
}

static int shielded(gt_generator_t *gen, void *arg) {
  gt_shield_push();
  CHECK_EQ(gt_generator_yield(gen, arg), -ECANCELED); /* also under a shield */
  CHECK_EQ(gt_generator_yield(gen, arg), -ECANCELED);
  gt_shield_pop();
  return 0;
}

TEST(generator_freed_under_its_shield) {
  gt_generator_t *gen = generator(shielded, NULL);
  next(gen);
  CHECK_EQ(gt_generator_free(gen), 0);
}

TEST(generator_never_asked_never_starts) {
  s_log_clear();
  CHECK_EQ(gt_generator_free(generator(cleans, NULL)), 0);
  CHECK_STR(s_logged(), "");
}

static int sleeper(gt_generator_t *gen, void *arg) {
  (void)gen;
  *(int *)arg = gt_park();
  return 0;
}

TEST(generator_freed_while_its_body_blocks) {
  int got = 0;
  gt_generator_t *gen = generator(sleeper, &got);
  CHECK_EQ(gt_generator_next_until(gen, NULL, IN_MS(1)), -ETIMEDOUT);
  CHECK_EQ(gt_generator_free(gen), 0);
  CHECK_EQ(got, -ECANCELED);
}

/* -- askers */

static void *ask(void *arg) { return (void *)next(arg); }

TEST(generator_is_driven_by_one_task_after_another) {
  gt_generator_t *gen = generator(count_to, (void *)100);
  for (int i = 0; i < 10; i++) {
    CHECK_EQ(next(gen), 2 * i + 1);
    CHECK_EQ((intptr_t)s_join(s_spawn(ask, gen)), 2 * i + 2);
  }
  CHECK_EQ(gt_generator_free(gen), 0);
}

static int slow(gt_generator_t *gen, void *arg) {
  for (intptr_t i = 1;; i++) {
    int got = gt_sleep(*(int64_t *)arg);
    if (got == 0) got = gt_generator_yield(gen, (void *)i);
    if (got < 0) return got;
  }
}

static void *ask_code(void *arg) { return (void *)(intptr_t)gt_generator_next(arg, NULL); }

TEST(generator_loses_nothing_when_an_asker_gives_up) {
  CHECK_EQ(gt_clock_virtual(0, 0), 0); /* the pause is over when all have asked, however slow the machine */
  int64_t pause = MS(5);
  gt_generator_t *gen = generator(slow, &pause);
  CHECK_EQ(gt_generator_next_until(gen, NULL, IN_MS(1)), -ETIMEDOUT);
  int64_t cancelled = s_spawn(ask_code, gen), second;
  s_settle();
  second = s_spawn(ask_code, gen);
  s_settle();
  CHECK_EQ((intptr_t)s_join(second), -EBUSY);
  CHECK_EQ(gt_generator_next(gen, NULL), -EBUSY);
  CHECK_EQ(gt_generator_free(gen), -EBUSY);
  gt_cancel(cancelled);
  CHECK_EQ((intptr_t)s_join(cancelled), -ECANCELED);
  int64_t interrupted = s_spawn(ask_code, gen);
  s_settle();
  gt_interrupt(interrupted, 3);
  CHECK_EQ((intptr_t)s_join(interrupted), -EINTR);
  CHECK_EQ(gt_sleep(MS(20)), 0); /* the body comes to its value alone */
  CHECK_EQ(next(gen), 1);
  CHECK_EQ(next(gen), 2);
  CHECK_EQ(gt_generator_free(gen), 0);
}

TEST(generator_asked_under_a_deadline_scope) {
  int64_t pause = MS(1000);
  gt_generator_t *gen = generator(slow, &pause);
  int64_t token = gt_deadline_push(IN_MS(2));
  CHECK_EQ(gt_generator_next(gen, NULL), -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(token), 1);
  CHECK_EQ(gt_generator_free(gen), 0);
}

static int interrupts_itself(gt_generator_t *gen, void *arg) {
  (void)arg;
  gt_interrupt(gt_self(), 1);
  CHECK_EQ(gt_generator_yield(gen, (void *)1), -EINTR); /* on entry: not given */
  for (int i = 2; i < 5; i++) CHECK_EQ(gt_generator_yield(gen, (void *)(intptr_t)i), 0);
  return 0;
}

TEST(generator_body_interrupted) {
  gt_generator_t *gen = generator(interrupts_itself, NULL);
  for (int i = 2; i < 5; i++) CHECK_EQ(next(gen), i);
  CHECK_EQ(gt_generator_next(gen, NULL), 0);
  CHECK_EQ(gt_generator_free(gen), 0);
}

static int64_t body_task;

static int interrupted_body(gt_generator_t *gen, void *arg) {
  (void)arg;
  body_task = gt_self();
  CHECK_EQ(gt_generator_yield(gen, (void *)1), -EINTR); /* after 1 was given */
  CHECK_EQ(gt_generator_yield(gen, (void *)2), -EINTR); /* nobody asks yet: kept */
  CHECK_EQ(gt_generator_yield(gen, (void *)3), 0);      /* not over the one that is kept */
  return 0;
}

TEST(generator_body_interrupted_keeps_every_value) {
  gt_generator_t *gen = generator(interrupted_body, NULL);
  CHECK_EQ(next(gen), 1);
  gt_interrupt(body_task, 1);
  s_settle();
  gt_interrupt(body_task, 2);
  s_settle();
  CHECK_EQ(next(gen), 2);
  CHECK_EQ(next(gen), 3);
  CHECK_EQ(gt_generator_next(gen, NULL), 0);
  CHECK_EQ(gt_generator_free(gen), 0);
}

/* -- nested */

struct node {
  struct node *left, *right;
  int value;
};

static int walk(gt_generator_t *gen, void *arg) {
  const struct node *node = arg;
  struct node *sides[] = {node->left, node->right};
  int got = 0;
  for (int i = 0; i < 2 && got >= 0; i++) {
    if (sides[i]) {
      gt_generator_t *inner = generator(walk, sides[i]);
      void *value;
      while (got >= 0 && (got = gt_generator_next(inner, &value)) == 1) got = gt_generator_yield(gen, value);
      CHECK_EQ(gt_generator_free(inner), 0);
    }
    if (i == 0 && got >= 0) got = gt_generator_yield(gen, (void *)(intptr_t)node->value);
  }
  return got;
}

static struct node *tree(int from, int to) {
  if (from >= to) return NULL;
  struct node *node = malloc(sizeof *node);
  int middle = (from + to) / 2;
  *node = (struct node){tree(from, middle), tree(middle + 1, to), middle};
  return node;
}

static void cut(struct node *node) {
  if (!node) return;
  cut(node->left);
  cut(node->right);
  free(node);
}

TEST(generators_nest) {
  struct node *root = tree(0, 100);
  gt_generator_t *gen = generator(walk, root);
  for (int i = 0; i < 100; i++) CHECK_EQ(next(gen), i);
  CHECK_EQ(gt_generator_next(gen, NULL), 0);
  CHECK_EQ(gt_generator_free(gen), 0);
  gen = generator(walk, root);
  for (int i = 0; i < 37; i++) CHECK_EQ(next(gen), i); /* freed with seven others inside it */
  CHECK_EQ(gt_generator_free(gen), 0);
  cut(root);
}

static gt_generator_t *outer;

static int asks_outer(gt_generator_t *gen, void *arg) {
  (void)arg;
  CHECK_EQ(gt_generator_next(outer, NULL), -EDEADLK);
  CHECK_EQ(gt_generator_free(outer), -EDEADLK);
  return gt_generator_yield(gen, (void *)1);
}

static int asks_itself(gt_generator_t *gen, void *arg) {
  (void)arg;
  CHECK_EQ(gt_generator_next(gen, NULL), -EDEADLK);
  CHECK_EQ(gt_generator_free(gen), -EDEADLK);
  gt_generator_t *inner = generator(asks_outer, NULL);
  CHECK_EQ(next(inner), 1);
  CHECK_EQ(gt_generator_free(inner), 0);
  return 0;
}

TEST(generator_asked_from_within_is_refused) {
  outer = generator(asks_itself, NULL);
  CHECK_EQ(gt_generator_next(outer, NULL), 0);
  CHECK_EQ(gt_generator_free(outer), 0);
}

/* -- wrong use */

static void *gen_elsewhere(void *arg) {
  CHECK_EQ(gt_generator_next(arg, NULL), -EXDEV);
  CHECK_EQ(gt_generator_yield(arg, NULL), -EXDEV);
  CHECK_EQ(gt_generator_free(arg), -EXDEV);
  gt_shutdown();
  return NULL;
}

TEST(generator_wrong_use) {
  errno = 0;
  CHECK(gt_generator_new(NULL, NULL) == NULL);
  CHECK_EQ(errno, EINVAL);
  gt_spawn_opts_t opts = {.size = sizeof opts, .name = "gen", .stack_size = 32 * 1024};
  gt_generator_t *gen = gt_generator_new_with(count_to, (void *)9, &opts);
  CHECK_EQ(next(gen), 1);
  CHECK_EQ(gt_generator_yield(gen, NULL), -EPERM);
  s_thread_join(s_thread(gen_elsewhere, gen));
  CHECK_EQ(gt_generator_free(gen), 0);
  gt_generator_t *wrong[] = {NULL, gen};
  for (size_t i = 0; i < COUNT(wrong); i++) {
    CHECK_EQ(gt_generator_next(wrong[i], NULL), -EINVAL);
    CHECK_EQ(gt_generator_yield(wrong[i], NULL), -EINVAL);
  }
  CHECK_EQ(gt_generator_free(gen), -EINVAL);
  CHECK_EQ(gt_generator_free(NULL), 0);
  const uint32_t flags[] = {GT_SPAWN_DETACHED, GT_SPAWN_SUSPENDED, 64};
  for (size_t i = 0; i < COUNT(flags); i++) {
    opts.flags = flags[i];
    errno = 0;
    CHECK(gt_generator_new_with(count_to, NULL, &opts) == NULL);
    CHECK_EQ(errno, EINVAL);
  }
}

static void *abandon(void *arg) {
  *(gt_generator_t **)arg = generator(count_to, (void *)9);
  CHECK_EQ(next(*(gt_generator_t **)arg), 1);
  return NULL; /* without gt_shutdown */
}

TEST(generator_of_a_thread_that_ended) {
  gt_generator_t *gen;
  s_thread_join(s_thread(abandon, &gen));
  CHECK_EQ(gt_generator_next(gen, NULL), -EOWNERDEAD);
  CHECK_EQ(gt_generator_free(gen), 0);
}

TEST(generator_in_a_forked_child_is_dead) {
  gt_generator_t *gen = generator(count_to, (void *)9);
  CHECK_EQ(next(gen), 1);
  pid_t pid = fork();
  if (pid == 0) _exit(gt_generator_next(gen, NULL) == -EOWNERDEAD && gt_generator_free(gen) == 0 ? 0 : 1);
  int status = -1;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK_EQ(status, 0);
  CHECK_EQ(next(gen), 2);
  CHECK_EQ(gt_generator_free(gen), 0);
}

TEST(generator_ended_by_shutdown) {
  gt_generator_t *gen = generator(count_to, (void *)9);
  CHECK_EQ(next(gen), 1);
  CHECK_EQ(gt_shutdown(), 0);
  CHECK_EQ(gt_generator_free(gen), 0);
}
