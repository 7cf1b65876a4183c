/* Sorts numbers by sleeping: one task per number, each wakes after as many hundredths of a second. All sleep at the same time.
 *
 *   cc sleep_sort.c $(pkg-config --cflags --libs greenrt) -o sleep_sort && ./sleep_sort 5 1 4 2 3
 *
 * Output:
 *   1 2 3 4 5
 *   sorted 5 numbers in 0.05 s
 */
#include <greenrt.h>
#include <stdio.h>
#include <stdlib.h>

static int64_t start;

static void *sleeper(void *arg) {
  const char *number = arg;
  gt_sleep_until(start + (int64_t)atoi(number) * 10000000);
  printf("%s ", number);
  return NULL;
}

int main(int argc, char **argv) {
  int64_t *tasks = calloc((size_t)argc, sizeof *tasks);
  if (!tasks) return 1;
  start = gt_now();
  for (int i = 1; i < argc; i++) {
    tasks[i] = gt_spawn(sleeper, argv[i]);
    if (tasks[i] < 0) {
      fprintf(stderr, "cannot start a task: %s\n", gt_strerror((int)tasks[i]));
      return 1;
    }
  }
  for (int i = 1; i < argc; i++) gt_join(tasks[i], NULL);
  printf("\nsorted %d numbers in %.2f s\n", argc - 1, (double)(gt_now() - start) / 1e9);
  free(tasks);
  return 0;
}
