/* Nobody starves: neither timers and descriptors behind busy tasks, nor quiet descriptors behind busy ones.
 *
 * The bounds count turns of the busy party, not time, so a slow machine changes nothing. */
#include "support.h"

#include <errno.h>
#include <unistd.h>

static volatile int over;
static long turns;

static void *busy(void *arg) {
  while (!over) {
    turns++;
    CHECK_EQ(gt_yield(), 0);
  }
  return arg;
}

TEST(fairness_busy_tasks_do_not_starve_timers) {
  int64_t tasks[10];
  for (size_t i = 0; i < COUNT(tasks); i++) tasks[i] = s_spawn(busy, NULL);
  int64_t start = gt_now();
  for (int i = 0; i < 20; i++) CHECK_EQ(gt_sleep(MS(1)), 0);
  CHECK_LT(gt_now() - start, MS(60000));
  over = 1;
  for (size_t i = 0; i < COUNT(tasks); i++) s_join(tasks[i]);
}

static void *echo(void *arg) {
  int fd = *(int *)arg;
  char byte;
  while (gt_recv(fd, &byte, 1, 0) == 1) CHECK_EQ(gt_send(fd, &byte, 1, 0), 1);
  return NULL;
}

TEST(fairness_busy_tasks_do_not_starve_descriptors) {
  for (int adopted = 0; adopted < 2; adopted++) {
    int64_t tasks[10];
    int fds[2];
    char byte = 'x';
    over = 0;
    s_unix_pair(SOCK_STREAM, fds);
    if (adopted) s_adopt_pair(fds);
    for (size_t i = 0; i < COUNT(tasks); i++) tasks[i] = s_spawn(busy, NULL);
    int64_t server = s_spawn(echo, &fds[1]);
    turns = 0;
    for (int i = 0; i < 100; i++) {
      CHECK_EQ(gt_send(fds[0], &byte, 1, 0), 1);
      CHECK_EQ(gt_recv(fds[0], &byte, 1, 0), 1);
    }
    CHECK_LT(turns, 200 * 20000L); /* a poll comes every so many switches */
    over = 1;
    for (size_t i = 0; i < COUNT(tasks); i++) s_join(tasks[i]);
    CHECK_EQ(gt_close(fds[0]), 0);
    s_join(server);
    CHECK_EQ(gt_close(fds[1]), 0);
  }
}

static void *unpark_soon(void *arg) {
  s_real_sleep(10);
  CHECK_EQ(gt_unpark(*(int64_t *)arg), 0);
  return NULL;
}

TEST(fairness_busy_tasks_do_not_starve_wakes_from_other_threads) {
  int64_t root = gt_self(), task = s_spawn(busy, NULL);
  over = 0;
  pthread_t thread = s_thread(unpark_soon, &root);
  CHECK_EQ(gt_park_until(IN_MS(60000)), 0);
  over = 1;
  s_join(task);
  s_thread_join(thread);
}

static long served[4];

static void *always_ready(void *arg) {
  int *fds = arg, which = fds[2];
  char block[512] = {0};
  while (!over) {
    CHECK_EQ(gt_send(fds[0], block, sizeof block, 0), (ssize_t)sizeof block);
    CHECK_EQ(gt_recv(fds[1], block, sizeof block, MSG_WAITALL), (ssize_t)sizeof block);
    served[which]++;
  }
  return NULL;
}

/* A task whose calls all succeed at once never parks: it must give way after a budget of operations. */
TEST(fairness_always_ready_descriptor_does_not_starve_others) {
  int hot[3] = {0, 0, 0}, quiet[2];
  char byte = 'q';
  over = 0;
  s_unix_pair(SOCK_STREAM, hot);
  s_adopt_pair(hot);
  s_tcp_pair(quiet);
  s_adopt_pair(quiet);
  int64_t task = s_spawn(always_ready, hot), server = s_spawn(echo, &quiet[1]);
  for (int i = 0; i < 50; i++) {
    long before = served[0];
    CHECK_EQ(gt_send(quiet[0], &byte, 1, 0), 1);
    CHECK_EQ(gt_recv(quiet[0], &byte, 1, 0), 1);
    CHECK_LT(served[0] - before, 20000);
  }
  CHECK_EQ(gt_sleep(MS(1)), 0);
  over = 1;
  s_join(task);
  CHECK_EQ(gt_close(quiet[0]), 0);
  s_join(server);
  CHECK_EQ(gt_close(quiet[1]), 0);
  s_close_pair(hot);
}

TEST(fairness_always_ready_descriptors_share_evenly) {
  int fds[4][3];
  int64_t tasks[4];
  over = 0;
  for (int i = 0; i < 4; i++) {
    s_unix_pair(SOCK_STREAM, fds[i]);
    fds[i][2] = i;
    if (i % 2) s_adopt_pair(fds[i]);
    tasks[i] = s_spawn(always_ready, fds[i]);
  }
  for (int i = 0; i < 4; i++) /* nobody waits for ever */
    while (served[i] < 200) CHECK_EQ(gt_sleep(MS(1)), 0);
  over = 1;
  for (int i = 0; i < 4; i++) s_join(tasks[i]);
  for (int i = 0; i < 4; i++) {
    CHECK_LT(served[i], 20 * served[(i + 1) % 4]);
    s_close_pair(fds[i]);
  }
}
