/* gt_config and gt_shutdown: what is set before the first call, and what is left after the last. */
#include "support.h"

#include <errno.h>
#include <stdlib.h>

static void *give_back(void *arg) { return arg; }

static void *park(void *arg) {
  int got = gt_park();
  if (arg) *(int *)arg = got;
  return NULL;
}

static void *use_500_kib(void *arg) {
  s_use_stack(500);
  return arg;
}

TEST(config_sets_the_default_stack_size) {
  gt_config_t config = {.size = sizeof config, .stack_size = 1u << 20};
  CHECK_EQ(gt_config(&config), 0);
  CHECK(s_join(s_spawn(use_500_kib, &config)) == &config);
}

TEST(config_is_refused_after_the_first_task) {
  gt_config_t config = {.size = sizeof config};
  s_join(s_spawn(give_back, NULL));
  CHECK_EQ(gt_config(&config), -EBUSY);
}

TEST(config_refuses_what_it_does_not_understand) {
  struct {
    gt_config_t known;
    char tail[16];
  } longer = {.known = {.size = sizeof longer}};
  gt_config_t config = {.size = sizeof config};
  CHECK_EQ(gt_config(NULL), -EINVAL);
  config.size = 0;
  CHECK_EQ(gt_config(&config), -EINVAL);
  config.size = sizeof config.size / 2;
  CHECK_EQ(gt_config(&config), -EINVAL);
  config.size = sizeof config;
  config.stack_size = 16 * 1024 - 1;
  CHECK_EQ(gt_config(&config), -EINVAL);
  config.stack_size = ((size_t)1 << 30) + 1;
  CHECK_EQ(gt_config(&config), -EINVAL);
  config.stack_size = 0;
  config.overflow_handler = 3;
  CHECK_EQ(gt_config(&config), -EINVAL);
  config.overflow_handler = 0;
  config.deadlock = 4;
  CHECK_EQ(gt_config(&config), -EINVAL);
  longer.tail[15] = 1;
  CHECK_EQ(gt_config(&longer.known), -E2BIG);
  longer.tail[15] = 0;
  CHECK_EQ(gt_config(&longer.known), 0); /* the refusals before did not count as the one call */
}

struct arena {
  long long live, allocs;
  int wrong;
};

/* Each block is preceded by its size and alignment, so that a free with other figures is seen. */
static void *arena_alloc(size_t size, size_t align, void *arg) {
  struct arena *arena = arg;
  size_t head = align < 32 ? 32 : align;
  char *block = NULL;
  if (posix_memalign((void **)&block, head, head + size)) return NULL;
  memcpy(block + head - 16, &size, 8);
  memcpy(block + head - 8, &align, 8);
  __atomic_add_fetch(&arena->live, (long long)size, __ATOMIC_SEQ_CST);
  __atomic_add_fetch(&arena->allocs, 1, __ATOMIC_SEQ_CST);
  return block + head;
}

static void arena_dealloc(void *old, size_t size, size_t align, void *arg) {
  struct arena *arena = arg;
  size_t head = align < 32 ? 32 : align, had_size, had_align;
  char *block = (char *)old - head;
  memcpy(&had_size, block + head - 16, 8);
  memcpy(&had_align, block + head - 8, 8);
  if (had_size != size || had_align != align) __atomic_store_n(&arena->wrong, 1, __ATOMIC_SEQ_CST);
  __atomic_sub_fetch(&arena->live, (long long)size, __ATOMIC_SEQ_CST);
  free(block);
}

static void *arena_realloc(void *old, size_t old_size, size_t size, size_t align, void *arg) {
  void *block = arena_alloc(size, align, arg);
  if (!block) return NULL;
  memcpy(block, old, old_size < size ? old_size : size);
  arena_dealloc(old, old_size, align, arg);
  return block;
}

static void *napper(void *arg) {
  CHECK_EQ(gt_sleep(MS(1)), 0);
  return arg;
}

static void workload(void) {
  int64_t tasks[64];
  int fds[2];
  char byte = 'x';
  for (size_t i = 0; i < COUNT(tasks); i++) tasks[i] = s_spawn(napper, NULL);
  for (size_t i = 0; i < COUNT(tasks); i++) s_join(tasks[i]);
  s_unix_pair(SOCK_STREAM, fds);
  s_adopt_pair(fds);
  CHECK_EQ(gt_recv_until(fds[0], &byte, 1, 0, IN_MS(1)), -ETIMEDOUT);
  s_close_pair(fds);
  gt_waker_t *waker = gt_waker_new(gt_self());
  CHECK(waker != NULL);
  gt_waker_free(waker);
  CHECK_EQ(gt_shutdown(), 0);
}

TEST(config_allocator_serves_all_and_gets_all_back) {
  static struct arena arena;
  gt_config_t config = {.size = sizeof config, .alloc = arena_alloc, .realloc = arena_realloc, .dealloc = arena_dealloc, .alloc_arg = &arena};
  CHECK_EQ(gt_config(&config), 0);
  workload();
  long long after_first = arena.live;
  CHECK_GT(arena.allocs, 0);
  for (int round = 0; round < 20; round++) workload();
  CHECK_EQ(arena.wrong, 0);
  CHECK_EQ(arena.live, after_first); /* what a process keeps for ever is bounded */
}

TEST(config_allocator_is_all_three_or_none) {
  static struct arena arena;
  gt_config_t config = {.size = sizeof config, .alloc = arena_alloc, .alloc_arg = &arena};
  CHECK_EQ(gt_config(&config), -EINVAL);
  config.dealloc = arena_dealloc;
  CHECK_EQ(gt_config(&config), -EINVAL);
  config.alloc = NULL;
  config.realloc = arena_realloc;
  CHECK_EQ(gt_config(&config), -EINVAL);
}

TEST(shutdown_without_a_scheduler_is_fine) {
  CHECK_EQ(gt_shutdown(), 0);
  CHECK_EQ(gt_shutdown(), 0);
}

TEST(shutdown_cancels_and_joins_every_task) {
  static int results[100];
  int64_t last = 0;
  for (size_t i = 0; i < COUNT(results); i++) last = s_spawn(park, &results[i]);
  s_settle();
  CHECK_EQ(s_stats().tasks_live, COUNT(results));
  CHECK_EQ(gt_shutdown(), 0);
  for (size_t i = 0; i < COUNT(results); i++) CHECK_EQ(results[i], -ECANCELED);
  CHECK_EQ(gt_cancel(last), -ESRCH);
  CHECK_EQ(gt_unpark(last), -ESRCH);
}

TEST(shutdown_makes_room_for_a_new_scheduler) {
  for (int round = 0; round < 10; round++) {
    CHECK(s_join(s_spawn(napper, &round)) == &round);
    CHECK_EQ(gt_shutdown(), 0);
  }
}

static void *shut_down(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_shutdown();
}

TEST(shutdown_in_a_task_is_refused) { CHECK_EQ((intptr_t)s_join(s_spawn(shut_down, NULL)), -EPERM); }

static int let_go;

static void *stubborn(void *arg) {
  CHECK_EQ(gt_shield_push(), 0);
  while (!let_go) CHECK_EQ(gt_sleep(MS(1)), 0);
  CHECK_EQ(gt_shield_pop(), 0);
  return arg;
}

TEST(shutdown_until_gives_up_and_frees_nothing) {
  int64_t task = s_spawn(stubborn, NULL);
  CHECK_EQ(gt_shutdown_until(IN_MS(30)), -ETIMEDOUT);
  CHECK_EQ(s_stats().tasks_live, 1);
  let_go = 1;
  s_join(task);
  CHECK_EQ(gt_shutdown_until(IN_MS(60000)), 0);
}
