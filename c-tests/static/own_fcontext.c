/* A program with a jump_fcontext of its own, as every user of a context library has one: the runtime must not switch through it, and its
 * calls must not reach the runtime's. */
#include <greenrt.h>
#include <stdio.h>

static int own_calls;

long jump_fcontext(long a, long b);
long jump_fcontext(long a, long b) {
  own_calls++;
  return a + b;
}

void *make_fcontext(void *stack, unsigned long size, void *entry);
void *make_fcontext(void *stack, unsigned long size, void *entry) {
  own_calls++;
  (void)size;
  (void)entry;
  return stack;
}

long ontop_fcontext(long a, long b);
long ontop_fcontext(long a, long b) {
  own_calls++;
  return a - b;
}

static void *count(void *arg) {
  for (int i = 0; i < 1000; i++) {
    ++*(int *)arg;
    if (gt_yield() != 0) return NULL;
  }
  return arg;
}

int main(void) {
  int counts[3] = {0, 0, 0};
  int64_t tasks[3];
  for (int i = 0; i < 3; i++) tasks[i] = gt_spawn(count, &counts[i]);
  for (int i = 0; i < 3; i++) {
    void *result = NULL;
    if (gt_join(tasks[i], &result) != 0 || result != &counts[i] || counts[i] != 1000) return 1;
  }
  if (own_calls != 0) return 2;
  if (jump_fcontext(40, 2) != 42 || ontop_fcontext(44, 2) != 42 || make_fcontext(counts, 1, NULL) != counts) return 3;
  printf("both are themselves\n");
  return 0;
}
