/* greenrt inside another event loop: a plain poll(2) loop with a timer and a descriptor of its own. The library gives it one descriptor to
 * watch and one moment to wake up at; gt_turn() runs the tasks. Each line of standard input is handed to a task, which takes its time.
 *
 *   cc embed_loop.c $(pkg-config --cflags --libs greenrt) -o embed_loop && printf 'one\ntwo\n' | ./embed_loop
 *
 * Output:
 *   the loop read: one
 *   the loop read: two
 *   a task answers: one
 *   a task answers: two
 *   the loop's own timer
 *   2 lines answered
 */
#include <greenrt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int asked, answered;

static void *answer(void *arg) {
  gt_sleep(10000000); /* the loop goes on meanwhile */
  printf("a task answers: %s\n", (char *)arg);
  free(arg);
  answered++;
  return NULL;
}

/* Reads what is there; 0 at the end. */
static int read_lines(void) {
  static char buf[4096];
  static size_t have;
  char *end, *line = buf;
  ssize_t n = read(STDIN_FILENO, buf + have, sizeof buf - have);
  if (n <= 0) return 0;
  for (have += (size_t)n; (end = memchr(line, '\n', have - (size_t)(line - buf))); line = end + 1) {
    char *copy = strndup(line, (size_t)(end - line));
    int64_t task = copy ? gt_spawn(answer, copy) : -1;
    if (task < 0) return 0;
    gt_detach(task);
    printf("the loop read: %s\n", copy);
    asked++;
  }
  have -= (size_t)(line - buf);
  memmove(buf, line, have);
  return 1;
}

/* Milliseconds for poll(2) until a moment, rounded up; -1 for ever. */
static int until(int64_t deadline) {
  int64_t wait = deadline - gt_now();
  if (deadline == GT_NEVER) return -1;
  return wait <= 0 ? 0 : wait > 1000000000000 ? 1000000 : (int)((wait + 999999) / 1000000);
}

int main(void) {
  int reading = 1, library = gt_poll_fd();
  int64_t timer = gt_now() + 500000000; /* the loop's own, once */
  if (library < 0) {
    fprintf(stderr, "%s\n", gt_strerror(library));
    return 1;
  }
  while (reading || answered < asked || timer != GT_NEVER) {
    struct pollfd watched[] = {{library, POLLIN, 0}, {reading ? STDIN_FILENO : -1, POLLIN, 0}};
    int64_t tasks = gt_next_deadline(); /* 0: tasks are ready now */
    if (poll(watched, 2, until(tasks < timer ? tasks : timer)) < 0) return 1;
    if (watched[1].revents) reading = read_lines();
    if (gt_now() >= timer) {
      printf("the loop's own timer\n");
      timer = GT_NEVER;
    }
    if (gt_turn(0) < 0) return 1;
  }
  printf("%d lines answered\n", answered);
  gt_shutdown();
  return 0;
}
