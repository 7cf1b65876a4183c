/* Faults on purpose, one for each name on the command line: a tool that does not report them was not in (c-tests/tools/prove.sh).
 *
 *   seeded NAME       clean, use-after-end, use-after-return, heap-overflow, uninitialised, leak, overflow, race */
#include <greenrt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile int sink;

static void run(gt_entry_t entry, void *arg) {
  void *result;
  int64_t task = gt_spawn(entry, arg);
  if (task < 0 || gt_join(task, &result) != 0) exit(3);
}

/* Deep frames on a stack of the pool, and switches in between: nothing to report. */
static int deep(int depth) {
  volatile char frame[512];
  memset((char *)frame, depth, sizeof frame);
  if (depth % 4 == 0) gt_yield();
  if (depth > 0) deep(depth - 1);
  return frame[511];
}

static void *dives(void *arg) {
  for (int i = 0; i < 20; i++) deep(40);
  return arg;
}

static void clean(void) {
  int64_t tasks[50];
  for (int round = 0; round < 4; round++) {
    for (int i = 0; i < 50; i++) tasks[i] = gt_spawn(dives, NULL);
    for (int i = 0; i < 50; i++)
      if (gt_join(tasks[i], NULL) != 0) exit(3);
  }
}

static void *shows_its_stack(void *arg) {
  volatile int local = 42;
  *(volatile int **)arg = &local;
  gt_yield();
  return NULL;
}

static void use_after_end(void) {
  volatile int *left = NULL;
  run(shows_its_stack, &left);
  sink = *left;
}

static volatile int *returned;

__attribute__((noinline)) static void lends_its_frame(void) {
  volatile int local = 42;
  returned = &local;
}

static void *reads_a_dead_frame(void *arg) {
  lends_its_frame();
  gt_yield();
  sink = *returned;
  return arg;
}

static void *writes_too_far(void *arg) {
  volatile char *block = malloc(16);
  gt_yield();
  block[16 + (arg == NULL)] = 1;
  free((void *)block);
  return NULL;
}

static void *asks_garbage(void *arg) {
  volatile int *block = malloc(16);
  gt_yield();
  if (block[1] == 12345) sink = 1;
  free((void *)block);
  return arg;
}

static void *forgets(void *arg) {
  volatile char *block = malloc(1000);
  block[0] = 1;
  block = NULL;
  gt_yield();
  return arg;
}

static void *counts_too_far(void *arg) {
  volatile int big = 2147483647;
  gt_yield();
  sink = big + 1;
  return arg;
}

static volatile int shared;
static int arrived, left;

/* Relaxed: the adders are there at one time, and nothing orders one before another. Asleep: the tool knows only so much of the past. */
static void wait_for_all(int *count) {
  __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
  while (__atomic_load_n(count, __ATOMIC_RELAXED) < 3) gt_sleep(1000000);
}

static void *adds(void *arg) {
  wait_for_all(&arrived);
  for (int i = 0; i < 2000; i++) {
    shared++;
    gt_yield();
  }
  wait_for_all(&left);
  return arg;
}

static void *two_adders(void *arg) {
  int64_t a = gt_spawn(adds, NULL), b = gt_spawn(adds, NULL);
  gt_join(a, NULL);
  gt_join(b, NULL);
  gt_shutdown();
  return arg;
}

static void race(void) {
  pthread_t other;
  pthread_create(&other, NULL, two_adders, NULL);
  run(adds, NULL);
  pthread_join(other, NULL);
}

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  setvbuf(stdout, NULL, _IONBF, 0);
  if (strcmp(name, "clean") == 0)
    clean();
  else if (strcmp(name, "use-after-end") == 0)
    use_after_end();
  else if (strcmp(name, "use-after-return") == 0)
    run(reads_a_dead_frame, NULL);
  else if (strcmp(name, "heap-overflow") == 0)
    run(writes_too_far, NULL);
  else if (strcmp(name, "uninitialised") == 0)
    run(asks_garbage, NULL);
  else if (strcmp(name, "leak") == 0)
    run(forgets, NULL);
  else if (strcmp(name, "overflow") == 0)
    run(counts_too_far, NULL);
  else if (strcmp(name, "race") == 0)
    race();
  else
    return 2;
  gt_shutdown();
  puts("the end was reached");
  return 0;
}
