/* gt_offload: C functions on other OS threads; limits, cancelled waiters, who frees what, the ends of processes and threads. */
#include "support.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct job {
  atomic_int begun, go, ended, released;
  pthread_t thread;
};

static int64_t forty_two(void *arg) {
  *(pthread_t *)arg = pthread_self();
  return 42;
}

/* Blocks its OS thread until it is told to go on. */
static int64_t hold(void *arg) {
  struct job *job = arg;
  job->thread = pthread_self();
  atomic_fetch_add(&job->begun, 1);
  while (!atomic_load(&job->go)) s_real_sleep(1);
  atomic_fetch_add(&job->ended, 1);
  return 7;
}

static void released(void *arg) { atomic_fetch_add(&((struct job *)arg)->released, 1); }

static void *wait_for_hold(void *arg) {
  int64_t got = gt_offload(hold, arg);
  return (void *)(intptr_t)got;
}

static void *own_hold(void *arg) { return (void *)(intptr_t)gt_offload_owned(hold, arg, released); }

static void until(atomic_int *value, int least) {
  int64_t limit = IN_MS(60000);
  while (atomic_load(value) < least) {
    CHECK_LT(gt_now(), limit);
    CHECK_EQ(gt_sleep(MS(1)), 0);
  }
}

static void no_jobs(void) {
  int64_t limit = IN_MS(60000);
  while (s_stats().offload_jobs) {
    CHECK_LT(gt_now(), limit);
    CHECK_EQ(gt_sleep(MS(1)), 0);
  }
}

static void limits(unsigned threads, unsigned queue, int64_t linger) {
  gt_config_t config = {.size = sizeof config, .offload_threads = threads, .offload_queue = queue, .offload_linger = linger};
  CHECK_EQ(gt_config(&config), 0);
}

TEST(offload_runs_on_another_thread_and_returns_its_result) {
  pthread_t thread = pthread_self();
  errno = 77;
  CHECK_EQ(gt_offload(forty_two, &thread), 42);
  CHECK(!pthread_equal(thread, pthread_self()));
  CHECK_EQ(errno, 77);
  CHECK_EQ(gt_offload_until(forty_two, &thread, IN_MS(60000)), 42);
  CHECK_GE(s_stats().offload_threads, 1);
  CHECK_EQ(s_stats().offload_queued, 0);
}

static int64_t minus(void *arg) { return *(int *)arg; }

TEST(offload_hands_a_negative_result_on) {
  int value = -ENOENT;
  CHECK_EQ(gt_offload(minus, &value), -ENOENT);
}

static void *tick(void *arg) {
  struct job *job = arg;
  until(&job->begun, 1);
  s_log('t');
  atomic_store(&job->go, 1);
  return NULL;
}

TEST(offload_lets_other_tasks_run) {
  struct job job = {0};
  int64_t task = s_spawn(tick, &job);
  CHECK_EQ(gt_offload(hold, &job), 7);
  CHECK_STR(s_logged(), "t");
  s_join(task);
}

static void *offload_one(void *arg) { return (void *)(intptr_t)gt_offload(forty_two, arg); }

TEST(offload_from_many_tasks_at_once) {
  enum { N = 200 };
  static pthread_t threads[N];
  static int64_t tasks[N];
  for (int i = 0; i < N; i++) tasks[i] = s_spawn(offload_one, &threads[i]);
  for (int i = 0; i < N; i++) CHECK_EQ((intptr_t)s_join(tasks[i]), 42);
  CHECK_GE(s_stats().offload_threads, 1);
  CHECK_LE(s_stats().offload_threads, 16);
}

TEST(offload_refuses_what_it_cannot_call) {
  struct job job = {0};
  CHECK_EQ(gt_offload(NULL, NULL), -EINVAL);
  CHECK_EQ(gt_offload_until(NULL, NULL, GT_NEVER), -EINVAL);
  CHECK_EQ(gt_offload_owned(hold, &job, NULL), -EINVAL);
  CHECK_EQ(job.released, 0);
  CHECK_EQ(gt_offload_owned(NULL, &job, released), -EINVAL);
  CHECK_EQ(job.released, 1);
  CHECK_EQ(gt_offload_owned_until(NULL, &job, released, GT_NEVER), -EINVAL);
  CHECK_EQ(job.released, 2);
}

TEST(offload_deadline_in_the_past_calls_nothing) {
  struct job job = {0};
  CHECK_EQ(gt_offload_until(hold, &job, 0), -ETIMEDOUT);
  CHECK_EQ(gt_offload_owned_until(hold, &job, released, 0), -ETIMEDOUT);
  CHECK_EQ(job.released, 1);
  CHECK_EQ(s_stats().offload_threads, 0);
  CHECK_EQ(job.begun, 0);
}

TEST_WITH(offload_deadline_leaves_the_job_running, T_HASTE, 0) {
  static struct job job;
  int64_t time = MS(100);
  do CHECK_EQ(gt_offload_until(hold, &job, gt_now() + time), -ETIMEDOUT);
  while (s_stats().offload_jobs == 0 && (time *= 2) < MS(60000)); /* it was over before there was a job */
  CHECK_EQ(s_stats().offload_jobs, 1);
  until(&job.begun, 1);
  CHECK_EQ(job.ended, 0);
  atomic_store(&job.go, 1);
  until(&job.ended, 1);
  no_jobs();
}

TEST(offload_scope_deadline_ends_the_wait) {
  static struct job job;
  int64_t token = gt_deadline_push(IN_MS(20));
  CHECK_EQ(gt_offload(hold, &job), -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(token), 1);
  atomic_store(&job.go, 1);
  no_jobs();
}

TEST(offload_cancelled_waiter_leaves_the_job_and_its_argument) {
  struct job *job = calloc(1, sizeof *job);
  int64_t task = s_spawn(own_hold, job);
  until(&job->begun, 1);
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ((intptr_t)s_join(task), -ECANCELED);
  CHECK_EQ(job->released, 0);
  CHECK_EQ(job->ended, 0);
  atomic_store(&job->go, 1);
  until(&job->released, 1);
  CHECK_EQ(job->ended, 1);
  no_jobs();
  free(job);
}

TEST(offload_interrupted_waiter_leaves_the_job) {
  static struct job job;
  int code = 0;
  CHECK_EQ(gt_interrupt_at(gt_self(), 9, IN_MS(20)), 0);
  CHECK_EQ(gt_offload(hold, &job), -EINTR);
  CHECK_EQ(gt_interrupt_take(&code), 0);
  CHECK_EQ(code, 9);
  atomic_store(&job.go, 1);
  no_jobs();
}

static void *cancelled_before(void *arg) {
  CHECK_EQ(gt_cancel(gt_self()), 0);
  CHECK_EQ(gt_offload_owned(hold, arg, released), -ECANCELED);
  return NULL;
}

TEST(offload_of_a_cancelled_task_calls_nothing) {
  struct job job = {0};
  s_join(s_spawn(cancelled_before, &job));
  CHECK_EQ(job.begun, 0);
  CHECK_EQ(job.released, 1);
}

TEST(offload_releases_before_it_returns) {
  struct job job = {.go = 1};
  CHECK_EQ(gt_offload_owned(hold, &job, released), 7);
  CHECK_EQ(job.released, 1);
}

TEST(offload_queue_full_is_eagain) {
  static struct job first, second, third;
  limits(1, 1, 0);
  int64_t a = s_spawn(wait_for_hold, &first);
  until(&first.begun, 1);
  int64_t b = s_spawn(wait_for_hold, &second);
  s_settle();
  CHECK_EQ(s_stats().offload_queued, 1);
  CHECK_EQ(s_stats().offload_jobs, 2);
  CHECK_EQ(gt_offload(hold, &third), -EAGAIN);
  CHECK_EQ(gt_offload_owned(hold, &third, released), -EAGAIN);
  CHECK_EQ(third.released, 1);
  CHECK_EQ(s_stats().offload_jobs, 2);
  atomic_store(&first.go, 1);
  atomic_store(&second.go, 1);
  CHECK_EQ((intptr_t)s_join(a), 7);
  CHECK_EQ((intptr_t)s_join(b), 7);
  CHECK_EQ(third.begun, 0);
  CHECK(pthread_equal(first.thread, second.thread));
}

TEST(offload_cancelled_in_the_queue_is_never_begun) {
  static struct job first, queued[3];
  int64_t tasks[3];
  limits(1, 8, 0);
  int64_t a = s_spawn(wait_for_hold, &first);
  until(&first.begun, 1);
  for (int i = 0; i < 3; i++) tasks[i] = s_spawn(own_hold, &queued[i]);
  s_settle();
  CHECK_EQ(s_stats().offload_queued, 3);
  CHECK_EQ(gt_cancel(tasks[1]), 0); /* in the middle */
  CHECK_EQ((intptr_t)s_join(tasks[1]), -ECANCELED);
  CHECK_EQ(queued[1].released, 1);
  CHECK_EQ(s_stats().offload_queued, 2);
  CHECK_EQ(gt_cancel(tasks[2]), 0); /* the last */
  CHECK_EQ((intptr_t)s_join(tasks[2]), -ECANCELED);
  CHECK_EQ(gt_cancel(tasks[0]), 0); /* the only one */
  CHECK_EQ((intptr_t)s_join(tasks[0]), -ECANCELED);
  CHECK_EQ(s_stats().offload_queued, 0);
  CHECK_EQ(s_stats().offload_jobs, 1);
  atomic_store(&first.go, 1);
  CHECK_EQ((intptr_t)s_join(a), 7);
  for (int i = 0; i < 3; i++) CHECK_EQ(queued[i].begun, 0);
}

TEST(offload_grows_to_its_limit_and_no_further) {
  static struct job jobs[5];
  int64_t tasks[5];
  limits(3, 0, 0);
  for (int i = 0; i < 5; i++) tasks[i] = s_spawn(wait_for_hold, &jobs[i]);
  for (int i = 0; i < 3; i++) until(&jobs[i].begun, 1);
  CHECK_EQ(s_stats().offload_threads, 3);
  CHECK_EQ(s_stats().offload_queued, 2);
  CHECK_EQ(jobs[3].begun + jobs[4].begun, 0);
  for (int i = 0; i < 5; i++) atomic_store(&jobs[i].go, 1);
  for (int i = 0; i < 5; i++) CHECK_EQ((intptr_t)s_join(tasks[i]), 7);
}

static int64_t thread_id(void *arg) {
  (void)arg;
  return gettid();
}

/* Whether it sleeps, also after it had time to go on. */
static int sits(int64_t thread) {
  for (int look = 0; look < 3; look++) {
    if (s_state(thread) != 'S') return 0;
    s_real_sleep(1);
  }
  return 1;
}

TEST(offload_prefers_the_thread_that_is_idle) {
  int64_t first = gt_offload(thread_id, NULL);
  for (int i = 0; i < 50; i++) {
    while (!sits(first)) continue;
    CHECK_EQ(gt_offload(thread_id, NULL), first);
  }
  CHECK_EQ(s_stats().offload_threads, 1);
}

TEST(offload_trims_idle_threads) {
  static struct job jobs[3];
  int64_t tasks[3], limit = IN_MS(60000);
  limits(0, 0, MS(20));
  for (int i = 0; i < 3; i++) tasks[i] = s_spawn(wait_for_hold, &jobs[i]);
  for (int i = 0; i < 3; i++) until(&jobs[i].begun, 1);
  for (int i = 0; i < 3; i++) atomic_store(&jobs[i].go, 1);
  for (int i = 0; i < 3; i++) s_join(tasks[i]);
  while (s_stats().offload_threads) {
    CHECK_LT(gt_now(), limit);
    CHECK_EQ(gt_sleep(MS(5)), 0);
  }
  jobs[0].go = 1;
  CHECK_EQ(gt_offload(hold, &jobs[0]), 7);
}

TEST(offload_limits_out_of_range) {
  gt_config_t config = {.size = sizeof config, .offload_threads = 1025};
  CHECK_EQ(gt_config(&config), -EINVAL);
  config = (gt_config_t){.size = sizeof config, .offload_queue = (1u << 20) + 1};
  CHECK_EQ(gt_config(&config), -EINVAL);
  config = (gt_config_t){.size = sizeof config, .offload_linger = -1};
  CHECK_EQ(gt_config(&config), -EINVAL);
  limits(1024, 1u << 20, GT_NEVER);
  pthread_t thread;
  CHECK_EQ(gt_offload(forty_two, &thread), 42);
  config.offload_linger = 0;
  CHECK_EQ(gt_config(&config), -EBUSY);
}

static void *nap(void *arg) {
  CHECK_EQ(gt_sleep(MS(5)), 0);
  *(int *)arg += 1;
  return NULL;
}

static void *endless(void *arg) {
  *(int *)arg += 1;
  int r = gt_park();
  *(int *)arg += r == -ECANCELED;
  return NULL;
}

static int64_t uses_tasks(void *arg) {
  int *count = arg;
  int64_t a = gt_spawn(nap, count), b = gt_spawn(nap, count);
  if (gt_join(a, NULL) || gt_join(b, NULL)) return -1;
  gt_detach(gt_spawn(endless, count));
  gt_yield();
  return *count;
}

TEST(offload_job_may_use_tasks_of_its_own) {
  int count = 0;
  CHECK_EQ(gt_offload(uses_tasks, &count), 3);
  CHECK_EQ(count, 4); /* the one that it left was cancelled before the call returned */
  CHECK_EQ(gt_offload(uses_tasks, &count), 7);
}

static int64_t offloads(void *arg) { return gt_offload(forty_two, arg); }

TEST(offload_within_an_offload) {
  pthread_t thread;
  CHECK_EQ(gt_offload(offloads, &thread), 42);
}

static int64_t blocked_signals(void *arg) {
  sigset_t now;
  pthread_sigmask(SIG_SETMASK, NULL, &now);
  (void)arg;
  return sigismember(&now, SIGTERM) && sigismember(&now, SIGUSR1) && sigismember(&now, SIGCHLD);
}

TEST(offload_threads_take_no_signals_and_ours_keeps_its_mask) {
  sigset_t before, after;
  pthread_sigmask(SIG_SETMASK, NULL, &before);
  CHECK_EQ(gt_offload(blocked_signals, NULL), 1);
  pthread_sigmask(SIG_SETMASK, NULL, &after);
  CHECK_EQ(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
}

TEST(offload_job_is_no_deadlock) {
  static struct job job;
  gt_config_t config = {.size = sizeof config, .deadlock = GT_DEADLOCK_ERROR};
  CHECK_EQ(gt_config(&config), 0);
  int64_t task = s_spawn(wait_for_hold, &job);
  until(&job.begun, 1);
  CHECK_EQ(gt_sleep(MS(10)), 0);
  atomic_store(&job.go, 1);
  CHECK_EQ(gt_join(task, NULL), 0);
  CHECK_EQ(gt_park(), -EDEADLK);
}

TEST(offload_shutdown_does_not_wait_for_a_running_job) {
  struct job *job = calloc(1, sizeof *job);
  s_spawn(own_hold, job);
  until(&job->begun, 1);
  CHECK_EQ(gt_shutdown(), 0);
  CHECK_EQ(job->ended, 0);
  atomic_store(&job->go, 1); /* it ends into a home that is left, or another scheduler's by now */
  until(&job->released, 1);
  pthread_t thread;
  CHECK_EQ(gt_offload(forty_two, &thread), 42);
  free(job);
}

static void *leave_thread(void *arg) {
  int64_t task = gt_spawn(own_hold, arg);
  CHECK_GT(task, 0);
  until(&((struct job *)arg)->begun, 1);
  return NULL; /* with the task parked */
}

TEST(offload_thread_ends_while_its_job_runs) {
  struct job *job = calloc(1, sizeof *job);
  s_thread_join(s_thread(leave_thread, job));
  CHECK_EQ(job->ended, 0);
  atomic_store(&job->go, 1);
  until(&job->released, 1);
  no_jobs();
  free(job);
}

static void reap(pid_t pid, int expected) {
  int status;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK(WIFEXITED(status));
  CHECK_EQ(WEXITSTATUS(status), expected);
}

TEST(offload_fork_while_jobs_run_and_wait) {
  static struct job running, waiting;
  pthread_t thread;
  limits(1, 8, 0);
  int64_t a = s_spawn(wait_for_hold, &running);
  until(&running.begun, 1);
  int64_t b = s_spawn(wait_for_hold, &waiting);
  s_settle();
  pid_t pid = fork();
  CHECK_OK(pid);
  if (pid == 0) {
    CHECK_EQ(s_stats().offload_jobs, 0);
    CHECK_EQ(s_stats().offload_threads, 0);
    CHECK_EQ(s_stats().offload_queued, 0);
    CHECK_EQ(gt_offload(forty_two, &thread), 42);
    CHECK_EQ(waiting.begun, 0);
    CHECK_EQ(gt_shutdown(), 0);
    _exit(0);
  }
  reap(pid, 0);
  CHECK_EQ(s_stats().offload_jobs, 2);
  atomic_store(&running.go, 1);
  atomic_store(&waiting.go, 1);
  CHECK_EQ((intptr_t)s_join(a), 7);
  CHECK_EQ((intptr_t)s_join(b), 7);
}

static int64_t forks(void *arg) {
  (void)arg;
  return fork();
}

static int64_t forks_with_tasks(void *arg) {
  static int count; /* the task that is left counts when this has returned */
  if (uses_tasks(&count) < 0) return -1;
  pid_t pid = fork();
  if (pid == 0) _exit(uses_tasks(&count) == 6 ? 5 : 1);
  (void)arg;
  return pid;
}

TEST(offload_job_that_forks) {
  int64_t pid = gt_offload(forks, NULL);
  CHECK_GT(pid, 0);
  reap((pid_t)pid, 0);
  pid = gt_offload(forks_with_tasks, NULL);
  CHECK_GT(pid, 0);
  reap((pid_t)pid, 5);
}

static void exits(void *arg) {
  static struct job job;
  (void)arg;
  s_spawn(wait_for_hold, &job);
  until(&job.begun, 1);
  printf("gone\n");
  exit(3);
}

TEST(offload_exit_while_a_job_runs) {
  static struct s_end end;
  s_child(exits, NULL, &end);
  CHECK_EQ(end.status, 3);
  CHECK_STR(end.out, "gone\n");
}

static void *offload_much(void *arg) {
  pthread_t thread;
  for (int i = 0; i < 300; i++) CHECK_EQ(gt_offload(forty_two, &thread), 42);
  return arg;
}

static void *thread_with_tasks(void *arg) {
  int64_t tasks[4];
  for (int i = 0; i < 4; i++) tasks[i] = s_spawn(offload_much, NULL);
  for (int i = 0; i < 4; i++) s_join(tasks[i]);
  CHECK_EQ(gt_shutdown(), 0);
  return arg;
}

TEST(offload_stress_from_several_threads) {
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) threads[i] = s_thread(thread_with_tasks, NULL);
  thread_with_tasks(NULL);
  for (int i = 0; i < 3; i++) s_thread_join(threads[i]);
}

static int64_t shortly(void *arg) {
  for (int i = 0; i < (int)(intptr_t)arg; i++) sched_yield();
  return 1;
}

static void *race_deadline(void *arg) {
  for (int i = 0; i < 300; i++) {
    int64_t got = gt_offload_until(shortly, (void *)(intptr_t)(i % 7), gt_now() + i % 97 * 500);
    CHECK(got == 1 || got == -ETIMEDOUT);
  }
  return arg;
}

TEST(offload_deadline_races_the_result) {
  int64_t tasks[8];
  limits(2, 0, 0);
  for (int i = 0; i < 8; i++) tasks[i] = s_spawn(race_deadline, NULL);
  for (int i = 0; i < 8; i++) s_join(tasks[i]);
  no_jobs();
}
