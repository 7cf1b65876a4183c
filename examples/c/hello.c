/* Two tasks that take turns on one OS thread, and give a result to whoever joins them.
 *
 *   cc hello.c $(pkg-config --cflags --libs greenrt) -o hello && ./hello
 *
 * Output:
 *   ping 1
 *   pong 1
 *   ping 2
 *   pong 2
 *   ping 3
 *   pong 3
 *   both done: 6 lines
 */
#include <greenrt.h>
#include <stdint.h>
#include <stdio.h>

static void *speak(void *arg) {
  const char *word = arg;
  intptr_t lines = 0;
  while (lines < 3) {
    printf("%s %d\n", word, (int)++lines);
    gt_yield(); /* the other task's turn */
  }
  return (void *)lines;
}

int main(void) {
  int64_t ping = gt_spawn(speak, "ping");
  int64_t pong = gt_spawn(speak, "pong");
  void *first = NULL, *second = NULL;

  if (ping < 0 || pong < 0) {
    fprintf(stderr, "cannot start a task: %s\n", gt_strerror((int)(ping < 0 ? ping : pong)));
    return 1;
  }
  gt_join(ping, &first);
  gt_join(pong, &second);
  printf("both done: %d lines\n", (int)((intptr_t)first + (intptr_t)second));
  return 0;
}
