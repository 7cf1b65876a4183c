/* What runs on other OS threads: workers, jobs, name resolution, wakes from outside. */
#include "faults.h"

#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void *yields(void *arg) {
  TRY(gt_yield());
  return arg;
}

SCENARIO(workers) {
  int64_t tasks[8];
  gt_spawn_opts_t wishes = {.size = sizeof wishes, .stack_size = 128 << 10, .name = "wished"};
  gt_workers_opts_t pinned = {.size = sizeof pinned, .flags = GT_WORKERS_PIN};
  if (TRY(gt_workers_start(2, &pinned)) < 0) {
    EXPECT(gt_workers_count(), 0);
    return;
  }
  for (int i = 0; i < 4; i++) tasks[i] = TRY(gt_spawn_on(i % 2, yields, NULL));
  tasks[4] = TRY(gt_spawn_on_with(0, yields, NULL, &wishes));
  tasks[5] = TRY(gt_spawn_any(yields, NULL));
  tasks[6] = TRY(gt_spawn_any_with(yields, NULL, &wishes));
  tasks[7] = TRY(gt_spawn_any(yields, NULL));
  for (int i = 0; i < 8; i++)
    if (tasks[i] > 0) TRY(gt_join(tasks[i], NULL));
  TRY(gt_workers_stop());
}

static void *sleeps(void *arg) {
  int rc;
  while ((rc = gt_sleep_until(GT_NEVER)) == -EINTR) {
    int32_t code;
    TRY(gt_interrupt_take(&code));
  }
  EXPECT(rc, -ECANCELED);
  return arg;
}

SCENARIO(workers_that_are_stopped_early) {
  if (TRY(gt_workers_start(1, NULL)) < 0) return;
  for (int i = 0; i < 3; i++) {
    int64_t task = TRY(gt_spawn_any(sleeps, NULL));
    if (task <= 0) continue;
    TRY(gt_interrupt(task, 1));
    TRY(gt_detach(task));
  }
  EXPECT(gt_workers_stop_until(IN_MS(5)), -ETIMEDOUT);
}

static int64_t answers(void *arg) {
  return *(int *)arg;
}

SCENARIO(jobs) {
  int value = 7;
  EXPECT(gt_offload(answers, &value), 7);
  EXPECT(gt_offload(answers, &value), 7);
}

static void *one_job(void *arg) {
  EXPECT(gt_offload_owned(answers, memcpy(malloc(sizeof(int)), arg, sizeof(int)), free), 7);
  return NULL;
}

SCENARIO(jobs_of_many_tasks) {
  int value = 7;
  int64_t tasks[6];
  for (int i = 0; i < 6; i++) tasks[i] = TRY(gt_spawn(one_job, &value));
  for (int i = 0; i < 6; i++) f_join(tasks[i]);
}

SCENARIO(names) {
  struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list = NULL;
  char host[256], service[32];
  int eai;
  if (TRY(gt_getaddrinfo("localhost", "80", &hints, &list, &eai)) < 0) return;
  TRY(gt_getnameinfo(list->ai_addr, list->ai_addrlen, host, sizeof host, service, sizeof service, NI_NUMERICSERV, &eai));
  gt_freeaddrinfo(list);
}

static void *parks(void *arg) {
  (void)arg;
  int rc;
  while ((rc = gt_park()) == -EINTR) {
    int32_t code;
    TRY(gt_interrupt_take(&code));
  }
  EXPECT(rc, -ECANCELED);
  return NULL;
}

static void *from_outside(void *arg) {
  int64_t task = *(int64_t *)arg;
  for (int i = 0; i < 10; i++) TRY(gt_interrupt(task, i));
  TRY(gt_cancel(task));
  return NULL;
}

SCENARIO(requests_from_another_thread) {
  pthread_t thread;
  int64_t task = TRY(gt_spawn(parks, NULL));
  if (task <= 0) return;
  TRY(gt_yield());
  if (pthread_create(&thread, NULL, from_outside, &task) != 0) abort();
  f_join(task);
  pthread_join(thread, NULL);
}

static void *has_its_own(void *arg) {
  (void)arg;
  f_join(TRY(gt_spawn(yields, NULL)));
  TRY(gt_shutdown());
  return NULL;
}

SCENARIO_WITH(a_thread_with_a_scheduler_of_its_own, F_FIRST_CALL) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, has_its_own, NULL) != 0) abort();
  pthread_join(thread, NULL);
}

static void *has_its_own_and_just_ends(void *arg) {
  f_join(TRY(gt_spawn(yields, NULL)));
  return arg;
}

SCENARIO_WITH(a_thread_that_ends_without_shutdown, F_FIRST_CALL) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, has_its_own_and_just_ends, NULL) != 0) abort();
  pthread_join(thread, NULL);
}
