/* For garbage-collected hosts: what a conservative collector sees of the stacks of all tasks, and of the library's memory, whenever it
 * stops the world. */
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "toy_gc.h"

/* -- what is told of each stack */

struct found {
  int64_t task;
  gt_stack_t stack;
  int count, all;
};

static void look_for(const gt_stack_t *stack, void *arg) {
  struct found *found = arg;
  CHECK_EQ(stack->size, sizeof *stack);
  CHECK_EQ(stack->reserved, 0);
  found->all++;
  if (stack->task != found->task) return;
  found->stack = *stack;
  found->count++;
}

static gt_stack_t stack_of(int64_t task) {
  struct found found = {.task = task};
  CHECK_EQ(gt_stacks_each(look_for, &found), found.all);
  CHECK_EQ(found.count, 1);
  return found.stack;
}

static void *local_of_parked;

/* AddressSanitizer keeps locals elsewhere; the frame itself is where it is. */
#define FRAME ((char *)__builtin_frame_address(0))

static void *park(void *arg) {
  local_of_parked = FRAME;
  CHECK_EQ(gt_park(), 0);
  return arg;
}

TEST(collect_the_stack_of_a_parked_task_is_live_from_its_last_frame_up) {
  int64_t task = s_spawn(park, NULL);
  s_settle();
  gt_stack_t stack = stack_of(task);
  CHECK_EQ(stack.thread, (uintptr_t)pthread_self());
  CHECK_EQ(stack.flags, 0);
  CHECK(stack.base < stack.low && stack.low < local_of_parked && local_of_parked < stack.top);
  CHECK_LT((char *)local_of_parked - (char *)stack.low, 2048);
  CHECK_EQ((char *)stack.top - (char *)stack.base, 64 * 1024);
  gt_task_info_t info = {.size = sizeof info};
  CHECK_EQ(gt_task_info(task, &info), 0);
  CHECK(info.stack_pointer == stack.low && info.stack_base == stack.base);
  CHECK_EQ(gt_unpark(task), 0);
  s_join(task);
}

static gt_stack_t seen_inside, own_inside;

static char *frame_of_root;

static void *look_at_myself(void *root) {
  char *here = FRAME;
  seen_inside = (gt_stack_t){.size = sizeof seen_inside};
  CHECK_EQ(gt_stack_at((uintptr_t)pthread_self(), here, &seen_inside), 0);
  CHECK_EQ(seen_inside.task, gt_self());
  CHECK(seen_inside.low == here && (char *)seen_inside.base < here && here < (char *)seen_inside.top);
  CHECK_EQ(seen_inside.flags, GT_STACK_RUNNING);
  own_inside = stack_of(*(int64_t *)root);
  CHECK(own_inside.low == seen_inside.own);
  CHECK((char *)seen_inside.own < frame_of_root);
  return NULL;
}

TEST(collect_a_stack_pointer_says_which_stack_is_live_from_it) {
  int64_t root = gt_self();
  gt_stack_t stack = {.size = sizeof stack};
  frame_of_root = FRAME;
  s_join(s_spawn(look_at_myself, &root));
  CHECK_EQ(own_inside.flags, GT_STACK_ROOT);
  CHECK(own_inside.base == NULL && own_inside.top == NULL && own_inside.own == NULL);
  CHECK_EQ(gt_stack_at((uintptr_t)pthread_self(), frame_of_root, &stack), 0);
  CHECK_EQ(stack.task, root);
  CHECK_EQ(stack.flags, GT_STACK_ROOT | GT_STACK_RUNNING);
  CHECK(stack.low == frame_of_root && stack.top == NULL && stack.own == NULL);
}

static void *nothing(void *arg) { return arg; }

TEST_WITH(collect_before_its_start_and_after_its_end_a_task_shows_its_argument_and_its_result, T_SCANS, 0) {
  static char own[64 * 1024] __attribute__((aligned(64)));
  toy_gc_begin();
  gt_spawn_opts_t opts = {.size = sizeof opts, .stack = own, .stack_size = sizeof own};
  int64_t tasks[] = {s_spawn(nothing, toy_secret(1)), s_spawn_stack(1 << 20, nothing, toy_secret(1)),
                     gt_spawn_with(nothing, toy_secret(1), &opts)};
  for (int ended = 0; ended < 2; ended++) {
    for (size_t i = 0; i < COUNT(tasks); i++) {
      gt_stack_t stack = stack_of(tasks[i]);
      CHECK_EQ(stack.flags, ended ? GT_STACK_ENDED : 0);
      CHECK_LT((char *)stack.top - (char *)stack.low, 2048);
      int there = 0;
      for (void **at = stack.low; at < (void **)stack.top; at++) there += *at == toy_secret(1);
      CHECK_GE(there, 1);
    }
    s_settle();
  }
  CHECK(stack_of(tasks[2]).base == own);
  for (size_t i = 0; i < COUNT(tasks); i++) CHECK(s_join(tasks[i]) == toy_secret(1));
  for (size_t i = 0; i < COUNT(tasks); i++) {
    struct found found = {.task = tasks[i]};
    CHECK_EQ(gt_stacks_each(look_for, &found), 1); /* the root's */
    CHECK_EQ(found.count, 0);
  }
}

static atomic_int on_worker;

static void *stay(void *arg) {
  on_worker++;
  CHECK_EQ(gt_park(), 0);
  return arg;
}

/* Stops workers for a look: a task on each blocks the OS thread, behind all that was there before. */
static struct {
  int64_t tasks[2];
  int count;
  atomic_int stopped;
  sem_t go;
} world;

static void *stop_here(void *arg) {
  world.stopped++;
  while (sem_wait(&world.go) != 0) CHECK_EQ(errno, EINTR);
  return arg;
}

static void stop_workers(int count) {
  world.count = count;
  CHECK_EQ(sem_init(&world.go, 0, 0), 0);
  for (int i = 0; i < count; i++) CHECK_GT(world.tasks[i] = gt_spawn_on((unsigned)i, stop_here, NULL), 0);
  while (world.stopped < count) gt_sleep(MS(1));
}

static void go_on(void) {
  for (int i = 0; i < world.count; i++) sem_post(&world.go);
  for (int i = 0; i < world.count; i++) s_join(world.tasks[i]);
  sem_destroy(&world.go);
}

TEST(collect_stacks_of_all_os_threads_are_visited) {
  int64_t guests[4];
  CHECK_GT(gt_self(), 0); /* this thread has a root, too */
  CHECK_EQ(gt_workers_start(2, NULL), 2);
  for (int i = 0; i < 4; i++) CHECK_GT(guests[i] = gt_spawn_on((unsigned)i % 2, stay, NULL), 0);
  while (on_worker < 4) gt_sleep(MS(1));
  stop_workers(2);
  uintptr_t threads[2];
  for (int i = 0; i < 4; i++) {
    gt_stack_t stack = stack_of(guests[i]);
    CHECK(stack.top != NULL && stack.own != NULL);
    CHECK_NE(stack.thread, (uintptr_t)pthread_self());
    if (i < 2)
      threads[i] = stack.thread;
    else
      CHECK_EQ(stack.thread, threads[i % 2]);
  }
  CHECK_NE(threads[0], threads[1]);
  struct found found = {.task = gt_self()};
  CHECK_EQ(gt_stacks_each(look_for, &found), 9); /* four guests, three roots, and those that block */
  go_on();
  for (int i = 0; i < 4; i++) CHECK_EQ(gt_unpark(guests[i]), 0);
  for (int i = 0; i < 4; i++) s_join(guests[i]);
  CHECK_EQ(gt_workers_stop(), 0);
  CHECK_EQ(gt_stacks_each(look_for, &found), 1);
}

static void *end_at_once(void *arg) {
  on_worker++;
  return arg;
}

/* Its result is in the library's memory by then, and its stack is the next task's. */
TEST(collect_a_task_that_ended_elsewhere_shows_no_stack_any_more) {
  CHECK_GT(gt_self(), 0);
  CHECK_EQ(gt_workers_start(1, NULL), 1);
  int64_t ended = gt_spawn_on(0, end_at_once, &on_worker), parked;
  CHECK_GT(ended, 0);
  while (on_worker < 1) gt_sleep(MS(1));
  CHECK_GT(parked = gt_spawn_on(0, stay, NULL), 0);
  while (on_worker < 2) gt_sleep(MS(1));
  stop_workers(1);
  struct found found = {.task = ended};
  CHECK_EQ(gt_stacks_each(look_for, &found), 4); /* two roots, the parked one, and the one that blocks */
  CHECK_EQ(found.count, 0);
  go_on();
  CHECK(s_join(ended) == &on_worker);
  CHECK_EQ(gt_unpark(parked), 0);
  s_join(parked);
  CHECK_EQ(gt_workers_stop(), 0);
}

TEST(collect_bad_arguments_are_refused) {
  gt_stack_t stack = {.size = 15};
  CHECK_EQ(gt_stacks_each(NULL, NULL), -EINVAL);
  CHECK_EQ(gt_stack_at((uintptr_t)pthread_self(), &stack, NULL), -EINVAL);
  CHECK_EQ(gt_stack_at((uintptr_t)pthread_self(), &stack, &stack), -EINVAL);
  stack.size = sizeof stack;
  CHECK_EQ(gt_stack_at((uintptr_t)pthread_self(), &stack, &stack), -ESRCH); /* no call has made a scheduler yet */
  CHECK_GT(gt_self(), 0);
  struct {
    gt_stack_t stack;
    uint64_t more;
  } larger = {{.size = sizeof larger}, 7};
  CHECK_EQ(gt_stack_at((uintptr_t)pthread_self(), &larger, &larger.stack), 0);
  CHECK_EQ(larger.more, 0);
  CHECK_EQ(larger.stack.size, sizeof larger);
  CHECK_EQ(larger.stack.task, gt_self());
}
