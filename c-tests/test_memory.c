/* Memory: one touched page per parked task at every colour, stacks reused and given back, running out of memory said and survived. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PAGE = 4096 };

static uintptr_t tops[512];
static int parked_fds[2];

static void *work_then_sleep(void *arg) {
  char here;
  *(uintptr_t *)arg = (uintptr_t)&here;
  s_use_stack(1);
  return (void *)(intptr_t)gt_sleep(MS(3600000));
}

static void *work_then_recv(void *arg) {
  char here;
  *(uintptr_t *)arg = (uintptr_t)&here;
  s_use_stack(1);
  return (void *)(intptr_t)gt_recv(parked_fds[0], &here, 1, 0);
}

/* How many pages of a task's stack are touched. */
static int touched_pages(int pagemap, int64_t task) {
  gt_task_info_t info = {.size = sizeof info};
  CHECK_EQ(gt_task_info(task, &info), 0);
  int count = 0;
  uint64_t first = (uintptr_t)info.stack_base / PAGE, last = ((uintptr_t)info.stack_base + info.stack_size - 1) / PAGE;
  for (uint64_t p = first; p <= last; p++) {
    uint64_t entry = 0;
    CHECK_EQ(pread(pagemap, &entry, sizeof entry, (off_t)(p * sizeof entry)), sizeof entry);
    count += entry >> 63 & 1; /* present; a guard marker counts as swapped out, bit 62 */
  }
  return count;
}

static void one_page_each(gt_entry_t entry) {
  int64_t tasks[COUNT(tops)];
  char seen[PAGE / 64] = "";
  int colours = 0, pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  CHECK_OK(pagemap);
  for (size_t i = 0; i < COUNT(tops); i++) tasks[i] = s_spawn(entry, &tops[i]);
  s_settle();
  for (size_t i = 0; i < COUNT(tops); i++) {
    size_t colour = tops[i] % PAGE / 64;
    int pages = touched_pages(pagemap, tasks[i]);
    if (pages != 1) FAIL("task %zu, stack at offset %zu of its page, touched %d pages", i, (size_t)tops[i] % PAGE, pages);
    colours += !seen[colour];
    seen[colour] = 1;
  }
  CHECK_GE(colours, 8); /* tops are spread, or the tasks' hot lines share cache sets */
  for (size_t i = 0; i < COUNT(tops); i++) CHECK_EQ(gt_cancel(tasks[i]), 0);
  for (size_t i = 0; i < COUNT(tops); i++) CHECK_EQ((intptr_t)s_join(tasks[i]), -ECANCELED);
  close(pagemap);
}

TEST_WITH(memory_one_page_per_task_parked_in_sleep_at_every_colour, T_FIGURES, 0) { one_page_each(work_then_sleep); }

TEST_WITH(memory_one_page_per_task_parked_in_recv_at_every_colour, T_FIGURES, 0) {
  s_unix_pair(SOCK_STREAM, parked_fds);
  s_adopt_pair(parked_fds);
  one_page_each(work_then_recv);
  s_close_pair(parked_fds);
}

static long resident_kib(void) {
  char line[256];
  long kib = -1;
  FILE *file = fopen("/proc/self/status", "r");
  CHECK(file != NULL);
  while (kib < 0 && fgets(line, sizeof line, file)) sscanf(line, "VmRSS: %ld", &kib);
  fclose(file);
  CHECK_GT(kib, 0);
  return kib;
}

static void *nothing(void *arg) { return arg; }

TEST_WITH(memory_finished_tasks_cost_nothing_for_ever, T_FIGURES, 0) {
  for (int i = 0; i < 10000; i++) s_join(s_spawn(nothing, NULL));
  long before = resident_kib();
  for (int i = 0; i < 300000; i++) s_join(s_spawn(nothing, NULL));
  CHECK_LT(resident_kib(), before + 2048);
  CHECK_LE(s_stats().stacks_mapped, 20000);
}

static void *grow_then_finish(void *arg) {
  s_use_stack(800);
  return arg;
}

struct watched {
  long limit;
  gt_waker_t *sleeper;
};

/* Until the memory went back; then wakes the root task. */
static void *watch_resident(void *arg) {
  struct watched *watched = arg;
  for (int i = 0; i < 600 && resident_kib() >= watched->limit; i++) usleep(100000);
  CHECK_LT(resident_kib(), watched->limit);
  CHECK_EQ(gt_waker_wake(watched->sleeper), 0);
  return NULL;
}

TEST_WITH(memory_stacks_that_grew_go_back_while_the_thread_sleeps, T_FIGURES, 120) {
  int64_t tasks[400];
  long before = resident_kib();
  for (int round = 0; round < 2; round++) {
    int64_t begun = gt_now();
    for (size_t i = 0; i < COUNT(tasks); i++) tasks[i] = s_spawn_stack(1u << 20, grow_then_finish, NULL);
    for (size_t i = 0; i < COUNT(tasks); i++) s_join(tasks[i]);
    for (int i = 0; i < 50; i++) CHECK_EQ(gt_sleep(MS(1)), 0);
    long more = resident_kib() - before; /* a next burst finds them warm, unless a slow machine took as long as they take to cool */
    if (gt_now() - begun < MS(4000)) CHECK_GT(more, (long)COUNT(tasks) * 700);
  }
  /* Most of what they touched. */
  struct watched watched = {before + (long)COUNT(tasks) * 800 / 4, gt_waker_new(gt_self())};
  pthread_t watcher = s_thread(watch_resident, &watched);
  CHECK_EQ(gt_park(), 0);
  s_thread_join(watcher);
  gt_waker_free(watched.sleeper);
}

static void *park(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_park();
}

TEST_WITH(memory_out_of_memory_for_stacks_is_an_error_and_not_the_end, T_LIMITS, 0) {
  enum { MOST = 4000 };
  static int64_t tasks[MOST];
  struct rlimit limit = {(rlim_t)1 << 30, RLIM_INFINITY};
  int count = 0;
  int64_t got = 0;
  s_join(s_spawn(nothing, NULL));
  CHECK_OK(setrlimit(RLIMIT_AS, &limit));
  gt_spawn_opts_t opts = {.size = sizeof opts, .stack_size = 8u << 20};
  while (count < MOST && (got = gt_spawn_with(park, NULL, &opts)) > 0) tasks[count++] = got;
  CHECK_LT(count, MOST);
  CHECK_GT(count, 8);
  CHECK_EQ(got, -ENOMEM);
  CHECK_EQ(s_stats().tasks_live, count);
  s_settle();
  for (int i = 0; i < count; i++) CHECK_EQ(gt_unpark(tasks[i]), 0);
  for (int i = 0; i < count; i++) s_join(tasks[i]);
  s_join(s_spawn(nothing, NULL)); /* and everything works again */
}
