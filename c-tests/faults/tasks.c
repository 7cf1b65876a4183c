/* Tasks: the first call of a thread, spawn with and without wishes, names, locals, cleanup, interrupts, deadlines, parking. */
#include "faults.h"

#include <stdlib.h>

static void *nothing(void *arg) {
  return arg;
}

static void *yields(void *arg) {
  TRY(gt_yield());
  return arg;
}

SCENARIO_WITH(first_call_of_a_thread, F_FIRST_CALL) {
  TRY(gt_sleep(100000));
  TRY(gt_yield());
}

SCENARIO_WITH(first_call_is_a_spawn, F_FIRST_CALL) {
  f_join(TRY(gt_spawn(nothing, NULL)));
}

SCENARIO_WITH(first_call_is_a_socket, F_FIRST_CALL) {
  f_close((int)TRY(gt_socket(AF_INET, SOCK_STREAM, 0)));
}

SCENARIO(spawn_and_join) {
  int64_t tasks[20];
  for (int i = 0; i < 20; i++) tasks[i] = TRY(gt_spawn(yields, NULL));
  for (int i = 0; i < 20; i++) f_join(tasks[i]);
}

SCENARIO_WITH(spawn_many_so_that_everything_grows, F_MANY) {
  enum { COUNT = 6000 };
  static int64_t tasks[COUNT];
  for (int i = 0; i < COUNT; i++) tasks[i] = TRY(gt_spawn(nothing, NULL));
  for (int i = 0; i < COUNT; i++) f_join(tasks[i]);
}

SCENARIO(spawn_with_wishes) {
  gt_spawn_opts_t large = {.size = sizeof large, .stack_size = 1 << 20, .name = "large"};
  gt_spawn_opts_t small = {.size = sizeof small, .stack_size = 16 << 10, .name = "small"};
  gt_spawn_opts_t own = {.size = sizeof own, .stack_size = 64 << 10};
  int64_t a = TRY(gt_spawn_with(yields, NULL, &large));
  int64_t b = TRY(gt_spawn_with(yields, NULL, &small));
  own.stack = malloc(64 << 10);
  int64_t c = TRY(gt_spawn_with(yields, NULL, &own));
  f_join(a);
  f_join(b);
  f_join(c);
  free(own.stack);
  int64_t detached = TRY(gt_spawn(yields, NULL));
  if (detached > 0) TRY(gt_detach(detached));
}

static void count_one(void *arg) {
  ++*(int *)arg;
}

static void *with_cleanups(void *arg) {
  for (int i = 0; i < 20; i++)
    if (TRY(gt_cleanup_push(count_one, arg)) < 0) --*(int *)arg;
  gt_exit(NULL);
  return NULL;
}

SCENARIO(cleanup_handlers) {
  int count = 0;
  int64_t task = TRY(gt_spawn(with_cleanups, &count));
  f_join(task);
  if (task > 0 && !f_fired()) EXPECT(count, 20);
}

static void *with_locals(void *arg) {
  int32_t *keys = arg;
  for (int i = 0; i < 12; i++)
    if (keys[i] >= 0) TRY(gt_local_set(keys[i], keys));
  return NULL;
}

static void destructor(void *value) {
  (void)value;
}

SCENARIO(task_locals) {
  int32_t keys[12];
  for (int i = 0; i < 12; i++) keys[i] = (int32_t)TRY(gt_local_new(destructor));
  f_join(TRY(gt_spawn(with_locals, keys)));
  for (int i = 0; i < 12; i++)
    if (keys[i] >= 0) TRY(gt_local_free(keys[i]));
}

static void *sleeps(void *arg) {
  (void)arg;
  int32_t code;
  int rc;
  while ((rc = gt_sleep_until(GT_NEVER)) == -EINTR)
    while (gt_interrupt_take(&code) == 0) {
    }
  EXPECT(rc, -ECANCELED);
  return NULL;
}

SCENARIO(interrupts_and_cancel) {
  int64_t task = TRY(gt_spawn(sleeps, NULL));
  TRY(gt_yield());
  if (task <= 0) return;
  for (int i = 0; i < 10; i++) TRY(gt_interrupt(task, i));
  TRY(gt_yield());
  for (int i = 0; i < 10; i++) TRY(gt_interrupt_at(task, i, IN_MS(i < 5 ? 0 : 1000000)));
  TRY(gt_sleep(1000));
  int rc = gt_interrupt_withdraw(task, 7);
  if (rc != -ENOENT) EXPECT(rc, 0);
  TRY(gt_cancel(task));
  f_join(task);
}

SCENARIO(deadline_scopes) {
  int64_t tokens[10];
  for (int i = 0; i < 10; i++) tokens[i] = TRY(gt_deadline_push(IN_MS(1000000)));
  int64_t now = TRY(gt_deadline_push(1));
  if (now >= 0) {
    EXPECT(gt_sleep(1000000000), -ETIMEDOUT);
    TRY(gt_deadline_pop(now));
  }
  for (int i = 9; i >= 0; i--)
    if (tokens[i] >= 0) TRY(gt_deadline_pop(tokens[i]));
}

static void *parks(void *arg) {
  (void)arg;
  int rc = gt_park_until(IN_MS(5000));
  EXPECT(rc, 0);
  return NULL;
}

SCENARIO(park_and_wakers) {
  int64_t task = TRY(gt_spawn(parks, NULL));
  if (task <= 0) return;
  gt_waker_t *waker = MADE(gt_waker_new(task));
  TRY(gt_yield());
  if (waker) {
    TRY(gt_waker_wake(waker));
    gt_waker_free(waker);
  } else {
    TRY(gt_unpark(task));
  }
  f_join(task);
}

SCENARIO(sleeping_tasks_and_timers) {
  int64_t tasks[50];
  for (int i = 0; i < 50; i++) tasks[i] = TRY(gt_spawn(sleeps, NULL));
  TRY(gt_sleep(1000));
  TRY(gt_sleep(0));
  for (int i = 0; i < 50; i++)
    if (tasks[i] > 0) TRY(gt_cancel(tasks[i]));
  for (int i = 0; i < 50; i++) f_join(tasks[i]);
}

SCENARIO(names_and_figures) {
  gt_task_info_t info = {.size = sizeof info};
  int64_t ids[64];
  int64_t task = TRY(gt_spawn(yields, NULL));
  if (task > 0) {
    TRY(gt_task_set_name(task, "named"));
    TRY(gt_task_info(task, &info));
  }
  TRY(gt_task_list(ids, 64));
  f_join(task);
}

SCENARIO(shutdown_with_tasks_alive) {
  for (int i = 0; i < 20; i++) {
    int64_t task = TRY(gt_spawn(sleeps, NULL));
    if (task > 0) TRY(gt_detach(task));
  }
  TRY(gt_yield());
  TRY(gt_shutdown());
}

SCENARIO(embedded_in_another_loop) {
  TRY(gt_poll_fd());
  int64_t task = TRY(gt_spawn(yields, NULL));
  TRY(gt_next_deadline());
  for (int i = 0; i < 4; i++) TRY(gt_turn(0));
  f_join(task);
}
