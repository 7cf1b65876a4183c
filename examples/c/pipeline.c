/* A pipeline of channels: the first task counts, each further one passes on what its own prime does not divide, and what comes out at the
 * end is the next prime. The pipeline grows by a task for each one. At the end the last channel is closed: each sender finds
 * that out, and closes the channel before it.
 *
 *   cc pipeline.c $(pkg-config --cflags --libs greenrt) -o pipeline && ./pipeline 10
 *
 * Output:
 *   2 3 5 7 11 13 17 19 23 29
 *   10 primes by 11 tasks
 */
#include <greenrt.h>
#include <stdio.h>
#include <stdlib.h>

struct stage {
  gt_chan_t *in, *out;
  int prime;
  int64_t task;
};

static void *count(void *arg) {
  const struct stage *me = arg;
  for (int n = 2; gt_chan_send(me->out, &n) == 0; n++) {
  }
  return NULL;
}

static void *filter(void *arg) {
  const struct stage *me = arg;
  int n;
  while (gt_chan_recv(me->in, &n) == 0)
    if (n % me->prime && gt_chan_send(me->out, &n) < 0) break; /* -EPIPE: nobody wants more */
  gt_chan_close(me->in);
  return NULL;
}

/* Starts a task behind the one before it; `in` is NULL for the first. */
static void begin(struct stage *stage, gt_chan_t *in, int prime, gt_entry_t entry) {
  stage->in = in;
  stage->prime = prime;
  stage->out = gt_chan_new(sizeof(int), 0); /* no room: each number is handed over */
  stage->task = stage->out ? gt_spawn(entry, stage) : -1;
  if (stage->task > 0) return;
  fprintf(stderr, "cannot start a task\n");
  exit(1);
}

int main(int argc, char **argv) {
  int wanted = argc > 1 ? atoi(argv[1]) : 10, n;
  struct stage *stages = wanted > 0 ? calloc((size_t)wanted + 1, sizeof *stages) : NULL;
  if (!stages) return 1;
  begin(&stages[0], NULL, 0, count);
  for (int i = 0; i < wanted; i++) {
    if (gt_chan_recv(stages[i].out, &n) < 0) return 1;
    printf(i ? " %d" : "%d", n);
    begin(&stages[i + 1], stages[i].out, n, filter);
  }
  gt_chan_close(stages[wanted].out);
  for (int i = wanted; i >= 0; i--) {
    gt_join(stages[i].task, NULL);
    gt_chan_free(stages[i].out);
  }
  printf("\n%d primes by %d tasks\n", wanted, wanted + 1);
  free(stages);
  return 0;
}
