/* Select with a deadline: a question goes to two servers, the first answer counts, the slower server is cancelled, and nobody waits longer
 * than 50 ms. A server that shall not answer in time takes ten seconds here.
 *
 *   cc select_timeout.c $(pkg-config --cflags --libs greenrt) -o select_timeout && ./select_timeout
 *
 * Output:
 *   quick and slow: answer 42 by server a
 *   slow and quick: answer 42 by server b
 *   slow and slow: no answer in 50 ms
 */
#include <errno.h>
#include <greenrt.h>
#include <stdio.h>
#include <string.h>

struct server {
  const char *speed;
  gt_chan_t *answers;
  int64_t task;
};

static void *think(void *arg) {
  const struct server *me = arg;
  int answer = 42;
  if (strcmp(me->speed, "slow") == 0 && gt_sleep(10000000000) < 0) return NULL; /* cancelled */
  gt_chan_send(me->answers, &answer);
  return NULL;
}

static int start(struct server *server, const char *speed) {
  server->speed = speed;
  server->answers = gt_chan_new(sizeof(int), 1); /* room for one: who comes too late need not wait for a reader */
  server->task = server->answers ? gt_spawn(think, server) : -ENOMEM;
  return (int)(server->task < 0 ? server->task : 0);
}

static void stop(struct server *server) {
  gt_cancel(server->task);
  gt_join(server->task, NULL);
  gt_chan_free(server->answers);
}

static int ask(const char *speed_of_a, const char *speed_of_b) {
  struct server a, b;
  int answer = 0, first = start(&a, speed_of_a);
  if (first < 0 || (first = start(&b, speed_of_b)) < 0) return first;
  gt_select_arm_t arms[] = {
      {.kind = GT_SELECT_RECV, .object = a.answers, .item = &answer},
      {.kind = GT_SELECT_RECV, .object = b.answers, .item = &answer},
  };
  first = gt_select_until(arms, 2, gt_now() + 50000000);
  stop(&a);
  stop(&b);
  if (first == -ETIMEDOUT)
    printf("%s and %s: no answer in 50 ms\n", speed_of_a, speed_of_b);
  else if (first >= 0)
    printf("%s and %s: answer %d by server %c\n", speed_of_a, speed_of_b, answer, 'a' + first);
  return first == -ETIMEDOUT ? 0 : first;
}

int main(void) {
  int results[] = {ask("quick", "slow"), ask("slow", "quick"), ask("slow", "slow")};
  for (int i = 0; i < 3; i++) {
    if (results[i] >= 0) continue;
    fprintf(stderr, "%s\n", gt_strerror(results[i]));
    return 1;
  }
  return 0;
}
