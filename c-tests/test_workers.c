/* Workers: tasks spawned on other OS threads, by number or on whichever is idle; joined, cancelled and woken from anywhere. */
#include "support.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void *where(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_worker_self();
}

static void *self_id(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_self();
}

static void *sleep_for_ever(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_sleep_until(GT_NEVER);
}

static void start(unsigned count) { CHECK_EQ(gt_workers_start(count, NULL), (int)count); }

static int64_t on(int worker, gt_entry_t entry, void *arg) {
  int64_t task = gt_spawn_on(worker, entry, arg);
  CHECK_GT(task, 0);
  return task;
}

static intptr_t join_int(int64_t task) {
  void *result = (void *)(intptr_t)-12345;
  CHECK_EQ(gt_join(task, &result), 0);
  return (intptr_t)result;
}

TEST(workers_run_what_is_spawned_on_them_by_number) {
  start(3);
  CHECK_EQ(gt_workers_count(), 3);
  CHECK_EQ(gt_worker_self(), -ESRCH);
  for (int i = 0; i < 30; i++) CHECK_EQ(join_int(on(i % 3, where, NULL)), i % 3);
  CHECK_EQ(gt_workers_stop(), 0);
  CHECK_EQ(gt_workers_count(), 0);
}

TEST(workers_task_has_the_id_that_its_spawner_got) {
  start(2);
  for (int i = 0; i < 20; i++) {
    int64_t task = i & 1 ? on(i & 1, self_id, NULL) : gt_spawn_any(self_id, NULL);
    CHECK_GT(task, 0);
    CHECK_EQ((int64_t)join_int(task), task);
    CHECK_EQ(gt_join(task, NULL), -ESRCH);
    CHECK_EQ(gt_cancel(task), -ESRCH);
  }
  CHECK_EQ(gt_workers_stop(), 0);
}

TEST(workers_zero_means_one_for_each_processor) {
  cpu_set_t may;
  CHECK_EQ(sched_getaffinity(0, sizeof may, &may), 0);
  int count = gt_workers_start(0, NULL);
  CHECK_GE(count, 1);
  CHECK_LE(count, CPU_COUNT(&may));
  CHECK_EQ(gt_workers_stop(), 0);
}

static void *processors(void *arg) {
  (void)arg;
  cpu_set_t may;
  CHECK_EQ(sched_getaffinity(0, sizeof may, &may), 0);
  return (void *)(intptr_t)CPU_COUNT(&may);
}

TEST(workers_pinned_stay_on_one_processor) {
  gt_workers_opts_t opts = {.size = sizeof opts, .flags = GT_WORKERS_PIN};
  CHECK_EQ(gt_workers_start(2, &opts), 2);
  CHECK_EQ(join_int(on(0, processors, NULL)), 1);
  CHECK_EQ(join_int(on(1, processors, NULL)), 1);
  CHECK_EQ(gt_workers_stop(), 0);
}

TEST(workers_start_and_stop_again_and_again) {
  for (int i = 0; i < 10; i++) {
    start(2);
    CHECK_EQ(join_int(on(1, where, NULL)), 1);
    CHECK_EQ(gt_workers_stop(), 0);
  }
}

TEST(workers_errors_of_start_and_stop) {
  gt_workers_opts_t opts = {.size = sizeof opts, .flags = 4};
  CHECK_EQ(gt_workers_stop(), -ESRCH);
  CHECK_EQ(gt_workers_start(1, &opts), -EINVAL);
  opts.flags = 0;
  opts.reserved = 1;
  CHECK_EQ(gt_workers_start(1, &opts), -EINVAL);
  opts.reserved = 0;
  opts.size = 4;
  CHECK_EQ(gt_workers_start(1, &opts), -EINVAL);
  struct {
    gt_workers_opts_t opts;
    uint64_t more;
  } later = {{.size = sizeof later}, 1};
  CHECK_EQ(gt_workers_start(1, &later.opts), -E2BIG);
  CHECK_EQ(gt_workers_start(1025, NULL), -EINVAL);
  CHECK_EQ(gt_workers_count(), 0);
  start(1);
  CHECK_EQ(gt_workers_start(1, NULL), -EALREADY);
  CHECK_EQ(gt_workers_stop(), 0);
}

/* After an error no worker is left over, and the next start is a whole one. */
TEST_WITH(workers_that_find_no_descriptors_are_not_started, T_LIMITS, 0) {
  struct rlimit all, limit;
  CHECK_EQ(gt_yield(), 0);
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &all), 0);
  limit = all;
  limit.rlim_cur = 8; /* enough for one scheduler or two, not for eight */
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  CHECK_EQ(gt_workers_start(8, NULL), -EMFILE);
  CHECK_EQ(gt_workers_count(), 0);
  CHECK_EQ(gt_spawn_any(where, NULL), -ESRCH);
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &all), 0);
  start(2);
  CHECK_EQ(gt_workers_stop(), 0);
}

static void start_without_threads(void *arg) {
  (void)arg;
  CHECK_EQ(gt_yield(), 0);
  if (s_refuse(SYS_clone3, 0, EAGAIN) != 0 || s_refuse(SYS_clone, 0, EAGAIN) != 0) exit(77);
  CHECK_EQ(gt_workers_start(2, NULL), -EAGAIN);
  CHECK_EQ(gt_workers_count(), 0);
  exit(0);
}

TEST_WITH(workers_that_find_no_threads_are_not_started, T_LIMITS, 0) {
  struct s_end end;
  s_child(start_without_threads, NULL, &end);
  if (end.status == 77) SKIP("no seccomp here");
  CHECK_STR(end.out, "");
  CHECK_EQ(end.signal, 0);
  CHECK_EQ(end.status, 0);
}

static void *try_to_stop(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_workers_stop();
}

TEST(workers_are_not_stopped_by_one_of_them) {
  start(1);
  CHECK_EQ(join_int(on(0, try_to_stop, NULL)), -EDEADLK);
  CHECK_EQ(gt_workers_stop(), 0);
}

TEST(workers_errors_of_spawning) {
  CHECK_EQ(gt_spawn_on(0, where, NULL), -ESRCH);
  CHECK_EQ(gt_spawn_any(where, NULL), -ESRCH);
  start(2);
  CHECK_EQ(gt_spawn_on(2, where, NULL), -EINVAL);
  CHECK_EQ(gt_spawn_on(-1, where, NULL), -EINVAL);
  CHECK_EQ(gt_spawn_on(0, NULL, NULL), -EINVAL);
  CHECK_EQ(gt_spawn_any(NULL, NULL), -EINVAL);
  gt_spawn_opts_t opts = {.size = sizeof opts, .priority = 1};
  CHECK_EQ(gt_spawn_on_with(0, where, NULL, &opts), -EINVAL);
  opts = (gt_spawn_opts_t){.size = sizeof opts, .stack_size = 1};
  CHECK_EQ(gt_spawn_any_with(where, NULL, &opts), -EINVAL);
  CHECK_EQ(gt_workers_stop(), 0);
}

static char heard[64];

static void *say_name(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_task_name(gt_self(), heard, sizeof heard);
}

TEST(workers_tasks_take_wishes) {
  start(1);
  gt_spawn_opts_t opts = {.size = sizeof opts, .name = "far away", .stack_size = 256 * 1024};
  int64_t task = gt_spawn_on_with(0, say_name, NULL, &opts);
  CHECK_GE(join_int(task), 0);
  CHECK_STR(heard, "far away");
  void *stack = aligned_alloc(4096, 65536);
  opts = (gt_spawn_opts_t){.size = sizeof opts, .stack = stack, .stack_size = 65536};
  CHECK_EQ(join_int(gt_spawn_any_with(where, NULL, &opts)), 0);
  free(stack); /* joined: ours again */
  opts = (gt_spawn_opts_t){.size = sizeof opts, .flags = GT_SPAWN_DETACHED};
  task = gt_spawn_on_with(0, sleep_for_ever, NULL, &opts);
  CHECK_GT(task, 0);
  CHECK_EQ(gt_join(task, NULL), -EINVAL);
  CHECK_EQ(gt_detach(task), -EINVAL);
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ(gt_workers_stop(), 0);
}

TEST(workers_join_waits_and_times_out_and_can_be_asked_again) {
  start(1);
  int64_t task = on(0, sleep_for_ever, NULL);
  CHECK_EQ(gt_join_until(task, NULL, IN_MS(10)), -ETIMEDOUT);
  CHECK_EQ(gt_join_until(task, NULL, 0), -ETIMEDOUT);
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ(join_int(task), -ECANCELED);
  CHECK_EQ(gt_workers_stop(), 0);
}

static void *join_it(void *arg) { return (void *)(intptr_t)gt_join(*(int64_t *)arg, NULL); }

TEST(workers_second_joiner_is_told_and_a_cancelled_one_leaves_the_join_to_others) {
  start(1);
  int64_t task = on(0, sleep_for_ever, NULL);
  int64_t first = s_spawn(join_it, &task);
  s_settle();
  CHECK_EQ(gt_join(task, NULL), -EINVAL);
  CHECK_EQ(gt_detach(task), -EINVAL);
  CHECK_EQ(gt_cancel(first), 0);
  CHECK_EQ((intptr_t)s_join(first), -ECANCELED);
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ(join_int(task), -ECANCELED);
  CHECK_EQ(gt_workers_stop(), 0);
}

TEST(workers_task_joined_by_a_task_of_another_worker) {
  start(2);
  int64_t task = on(0, sleep_for_ever, NULL);
  int64_t joiner = on(1, join_it, &task);
  CHECK_EQ(gt_sleep(MS(5)), 0);
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ(join_int(joiner), 0);
  CHECK_EQ(gt_workers_stop(), 0);
}

static void *join_self(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_join(gt_self(), NULL);
}

TEST(workers_task_cannot_join_itself) {
  start(1);
  CHECK_EQ(join_int(on(0, join_self, NULL)), -EDEADLK);
  CHECK_EQ(gt_workers_stop(), 0);
}

static void *interrupted(void *arg) {
  (void)arg;
  CHECK_EQ(gt_sleep_until(GT_NEVER), -EINTR);
  int code = 0;
  CHECK_EQ(gt_interrupt_take(&code), 0);
  return (void *)(intptr_t)code;
}

static void *permitted(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_park();
}

TEST(workers_tasks_are_interrupted_and_unparked_from_outside_also_before_they_start) {
  start(2);
  for (int i = 0; i < 200; i++) {
    int64_t a = on(i & 1, interrupted, NULL), b = gt_spawn_any(permitted, NULL);
    if (i % 3 == 0) CHECK_EQ(gt_sleep(100000), 0);
    CHECK_EQ(gt_interrupt(a, 1000 + i), 0);
    CHECK_EQ(gt_unpark(b), 0);
    CHECK_EQ(join_int(a), 1000 + i);
    CHECK_EQ(join_int(b), 0);
  }
  CHECK_EQ(gt_workers_stop(), 0);
}

TEST(workers_task_cancelled_before_it_starts_still_runs_and_is_told) {
  start(1);
  for (int i = 0; i < 100; i++) {
    int64_t task = on(0, sleep_for_ever, NULL);
    CHECK_EQ(gt_cancel(task), 0);
    CHECK_EQ(join_int(task), -ECANCELED);
  }
  CHECK_EQ(gt_workers_stop(), 0);
}

static atomic_int hogging;

static void *busy(void *arg) {
  atomic_int *stop = arg;
  atomic_store(&hogging, 1);
  while (!atomic_load(stop)) sched_yield(); /* hogs its worker */
  return NULL;
}

TEST(workers_tasks_that_have_not_started_go_to_the_idle_one) {
  start(2);
  atomic_int stop = 0;
  int64_t hog = on(0, busy, &stop);
  while (!atomic_load(&hogging)) sched_yield();
  for (int i = 0; i < 50; i++) CHECK_EQ(join_int(gt_spawn_any(where, NULL)), 1);
  atomic_store(&stop, 1);
  CHECK_EQ(join_int(hog), 0);
  CHECK_EQ(gt_workers_stop(), 0);
}

static void *spawn_many(void *arg) {
  intptr_t sum = 0;
  int64_t tasks[64];
  for (int i = 0; i < 64; i++) tasks[i] = i & 1 ? gt_spawn_any(where, arg) : gt_spawn_on(gt_worker_self(), where, arg);
  for (int i = 0; i < 64; i++) sum += join_int(tasks[i]) >= 0;
  return (void *)sum;
}

TEST(workers_spawn_on_each_other_and_on_themselves) {
  start(3);
  int64_t tasks[12];
  for (int i = 0; i < 12; i++) tasks[i] = on(i % 3, spawn_many, NULL);
  for (int i = 0; i < 12; i++) CHECK_EQ(join_int(tasks[i]), 64);
  CHECK_EQ(gt_workers_stop(), 0);
}

static atomic_int finished;

static void *nap(void *arg) {
  int result = gt_sleep((int64_t)(intptr_t)arg);
  if (result == 0) atomic_fetch_add(&finished, 1);
  return (void *)(intptr_t)result;
}

TEST(workers_stop_waits_for_what_was_ordered) {
  start(2);
  for (int i = 0; i < 40; i++) CHECK_EQ(gt_detach(i & 1 ? gt_spawn_any(nap, (void *)(intptr_t)MS(5)) : on(0, nap, (void *)(intptr_t)MS(i))), 0);
  CHECK_EQ(gt_workers_stop(), 0);
  CHECK_EQ(finished, 40);
}

TEST(workers_stop_cancels_what_is_left_at_its_deadline) {
  start(2);
  int64_t tasks[10];
  for (int i = 0; i < 10; i++) tasks[i] = on(i & 1, sleep_for_ever, NULL);
  CHECK_EQ(gt_workers_stop_until(IN_MS(20)), -ETIMEDOUT);
  CHECK_EQ(gt_workers_count(), 0);
  for (int i = 0; i < 10; i++) CHECK_EQ(join_int(tasks[i]), -ECANCELED); /* results outlive the workers */
}

TEST(workers_stop_in_the_past_cancels_what_has_not_started) {
  start(1);
  int64_t tasks[50];
  for (int i = 0; i < 50; i++) tasks[i] = i & 1 ? gt_spawn_any(sleep_for_ever, NULL) : on(0, sleep_for_ever, NULL);
  CHECK_EQ(gt_workers_stop_until(0), -ETIMEDOUT);
  for (int i = 0; i < 50; i++) CHECK_EQ(join_int(tasks[i]), -ECANCELED);
}

static void *stop_them(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_workers_stop();
}

TEST(workers_cancelled_stopper_cancels_the_workers_tasks) {
  start(1);
  int64_t task = on(0, sleep_for_ever, NULL);
  int64_t stopper = s_spawn(stop_them, NULL);
  s_settle();
  CHECK_EQ(gt_workers_stop(), -EALREADY);
  CHECK_EQ(gt_spawn_any(where, NULL), -ESRCH);
  CHECK_EQ(gt_workers_start(1, NULL), -EALREADY);
  CHECK_EQ(gt_cancel(stopper), 0);
  CHECK_EQ((intptr_t)s_join(stopper), -ECANCELED);
  CHECK_EQ(join_int(task), -ECANCELED);
}

static void *from_a_thread(void *arg) {
  (void)arg;
  for (int i = 0; i < 200; i++) {
    int64_t task = gt_spawn_any(where, NULL);
    CHECK_GT(task, 0);
    if (i % 2)
      CHECK_GE(join_int(task), 0);
    else
      CHECK_EQ(gt_detach(task), 0);
  }
  return NULL;
}

TEST(workers_take_orders_from_threads_without_tasks) {
  start(2);
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) threads[i] = s_thread(from_a_thread, NULL);
  for (int i = 0; i < 4; i++) s_thread_join(threads[i]);
  CHECK_EQ(gt_workers_stop(), 0);
}

static void *listen_and_accept(void *arg) {
  int fd = *(int *)arg;
  int one = gt_accept_until(fd, NULL, NULL, IN_MS(60000));
  if (one >= 0) gt_close(one);
  return (void *)(intptr_t)(one >= 0);
}

TEST(workers_share_a_listener) {
  start(2);
  uint16_t port;
  int listener = s_listener(&port), own[2];
  CHECK_EQ(gt_fd_release(listener), 0);
  own[0] = listener;
  own[1] = dup(listener);
  int64_t a = on(0, listen_and_accept, &own[0]), b = on(1, listen_and_accept, &own[1]);
  int c = gt_dial_tcp("127.0.0.1", port), d = gt_dial_tcp("127.0.0.1", port);
  CHECK_OK(c);
  CHECK_OK(d);
  CHECK_EQ(join_int(a), 1);
  CHECK_EQ(join_int(b), 1);
  gt_close(c);
  gt_close(d);
  close(own[0]);
  close(own[1]);
  CHECK_EQ(gt_workers_stop(), 0);
}

TEST(workers_do_not_exist_in_a_forked_child) {
  start(2);
  int64_t parked = on(1, sleep_for_ever, NULL);
  CHECK_EQ(join_int(on(0, where, NULL)), 0);
  pid_t child = fork();
  if (child == 0) {
    int ok = gt_workers_count() == 0 && gt_spawn_any(where, NULL) == -ESRCH && gt_cancel(parked) == -ESRCH &&
             gt_workers_stop() == -ESRCH && gt_workers_start(1, NULL) == 1 && join_int(on(0, where, NULL)) == 0 &&
             gt_workers_stop() == 0;
    _exit(ok ? 0 : 1);
  }
  int status;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  CHECK_EQ(gt_cancel(parked), 0);
  CHECK_EQ(join_int(parked), -ECANCELED);
  CHECK_EQ(gt_workers_stop(), 0);
}

static void *fork_here(void *arg) {
  (void)arg;
  int64_t me = gt_self();
  pid_t child = fork();
  if (child == 0) _exit(gt_self() == me && gt_worker_self() == -ESRCH && gt_sleep(1000) == 0 ? 0 : 1);
  int status = -1;
  CHECK_EQ(waitpid(child, &status, 0), child);
  return (void *)(intptr_t)status;
}

TEST(workers_task_that_forks_is_the_childs_root) {
  start(2);
  CHECK_EQ(join_int(on(1, fork_here, NULL)), 0);
  CHECK_EQ(gt_workers_stop(), 0);
}

static void *churn(void *arg) {
  unsigned seed = (unsigned)(intptr_t)arg;
  int64_t open[32];
  int n = 0;
  for (int i = 0; i < 3000; i++) {
    if (n < 32 && rand_r(&seed) % 2) {
      open[n] = rand_r(&seed) % 2 ? gt_spawn_any(nap, (void *)(intptr_t)(rand_r(&seed) % 100000)) : on(rand_r(&seed) % 2, permitted, NULL);
      CHECK_GT(open[n], 0);
      n++;
    } else if (n > 0) {
      int64_t task = open[--n];
      gt_unpark(task);
      if (rand_r(&seed) % 2) gt_cancel(task);
      CHECK_EQ(gt_join(task, NULL), 0);
    }
  }
  while (n > 0) {
    gt_cancel(open[--n]);
    CHECK_EQ(gt_join(open[n], NULL), 0);
  }
  return NULL;
}

TEST_WITH(workers_churn_of_spawns_cancels_and_joins_loses_nobody, 0, 60) {
  start(2);
  int64_t tasks[6];
  for (int i = 0; i < 6; i++) tasks[i] = on(i & 1, churn, (void *)(intptr_t)(i + 1));
  churn((void *)(intptr_t)77);
  for (int i = 0; i < 6; i++) CHECK_EQ(join_int(tasks[i]), 0);
  CHECK_EQ(gt_workers_stop(), 0);
}
