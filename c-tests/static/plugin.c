/* A plugin that holds the archive. When it is closed, its OS thread has a scheduler, and a thread of the library's pool is there. */
#include <greenrt.h>

int plugin(void);

static int64_t job(void *arg) { return arg != NULL; }

static void *task(void *arg) { return gt_sleep(1000) == 0 ? arg : NULL; }

int plugin(void) {
  int place;
  void *result = NULL;
  return gt_offload(job, &place) == 1 && gt_join(gt_spawn(task, &place), &result) == 0 && result == &place;
}
