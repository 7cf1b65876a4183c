/* Tasks under a garbage collector: what only a parked task points to survives a collection, and is collected when the task is gone.
 * gc_host.h is all that a host needs for that.
 *
 *   cc gc_host.c $(pkg-config --cflags --libs greenrt bdw-gc) -o gc_host && ./gc_host
 *
 * Output:
 *   100 of 100 objects of parked tasks are there after a collection
 *   most are gone when the tasks have ended: yes
 */
#include <stdio.h>

#include "gc_host.h"

enum { COUNT = 100 };
static GC_word objects[COUNT]; /* hidden, so these are no references; libgc clears them when the objects go */

static int left(void) {
  int count = 0;
  GC_gcollect();
  for (int i = 0; i < COUNT; i++) count += objects[i] != 0;
  return count;
}

static void *holder(void *index) {
  GC_word *object = GC_malloc(1000);
  *object = (GC_word)(intptr_t)index;
  objects[*object] = GC_HIDE_POINTER(object);
  GC_general_register_disappearing_link((void **)&objects[*object], object);
  gt_park();
  return *object == (GC_word)(intptr_t)index ? NULL : object;
}

int main(void) {
  int64_t tasks[COUNT];
  if (host_begin() < 0) return 1;
  for (intptr_t i = 0; i < COUNT; i++) tasks[i] = gt_spawn(holder, (void *)i);
  gt_yield();
  printf("%d of %d objects of parked tasks are there after a collection\n", left(), COUNT);
  for (int i = 0; i < COUNT; i++) gt_unpark(tasks[i]);
  for (int i = 0; i < COUNT; i++) gt_join(tasks[i], NULL);
  printf("most are gone when the tasks have ended: %s\n", left() < COUNT / 10 ? "yes" : "no");
  return 0;
}
