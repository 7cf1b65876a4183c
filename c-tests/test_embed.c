/* Living inside another event loop: gt_poll_fd, gt_next_deadline and gt_turn. */
#include "support.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

static int readable(int fd, int ms) {
  struct pollfd entry = {.fd = fd, .events = POLLIN};
  int n = poll(&entry, 1, ms);
  CHECK_OK(n);
  return n;
}

static void *reader(void *arg) {
  char byte = 0;
  CHECK_EQ(gt_recv(*(int *)arg, &byte, 1, 0), 1);
  s_log(byte);
  return NULL;
}

static void *napper(void *arg) {
  s_log(gt_sleep(*(int64_t *)arg) == 0 ? 'n' : 'c');
  return NULL;
}

static void *yielder(void *arg) {
  (void)arg;
  for (int i = 0; i < 3; i++) {
    s_log('y');
    CHECK_EQ(gt_yield(), 0);
  }
  return NULL;
}

static void *turn_in_task(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_turn(0);
}

static void *wake(void *arg) {
  s_real_sleep(20);
  CHECK_EQ(gt_waker_wake(arg), 0);
  return NULL;
}

TEST(embed_foreign_loop_drives_io_through_poll_fd) {
  int fds[2], loop = gt_poll_fd();
  CHECK_OK(loop);
  for (int adopted = 0; adopted < 2; adopted++) {
    s_log_clear();
    s_unix_pair(SOCK_STREAM, fds);
    if (adopted) s_adopt_pair(fds);
    int64_t task = s_spawn(reader, &fds[0]);
    CHECK_GT(gt_turn(0), 0);
    CHECK_EQ(gt_turn(0), 0);
    CHECK_EQ(readable(loop, 0), 0);
    CHECK_EQ(write(fds[1], "r", 1), 1);
    CHECK_EQ(readable(loop, 60000), 1);
    CHECK_STR(s_logged(), "");
    CHECK_GT(gt_turn(0), 0);
    CHECK_STR(s_logged(), "r");
    s_join(task);
    s_close_pair(fds);
  }
}

TEST(embed_foreign_thread_wakes_through_poll_fd) {
  int loop = gt_poll_fd();
  gt_waker_t *waker = gt_waker_new(gt_self());
  CHECK(waker != NULL);
  CHECK_EQ(gt_turn(0), 0);
  pthread_t thread = s_thread(wake, waker);
  CHECK_EQ(readable(loop, 60000), 1);
  s_thread_join(thread);
  CHECK_GE(gt_turn(0), 0);
  CHECK_EQ(readable(loop, 0), 0); /* heard once: the other loop must not spin */
  CHECK_EQ(gt_park_until(IN_MS(60000)), 0);
  gt_waker_free(waker);
}

TEST(embed_foreign_thread_is_heard_after_the_root_blocked_by_itself) {
  int loop = gt_poll_fd();
  gt_waker_t *waker = gt_waker_new(gt_self());
  CHECK_EQ(gt_turn(0), 0);
  CHECK_EQ(gt_sleep(MS(1)), 0); /* a wait of the root's own, outside gt_turn */
  CHECK_EQ(gt_next_deadline(), GT_NEVER);
  pthread_t thread = s_thread(wake, waker);
  CHECK_EQ(readable(loop, 60000), 1);
  s_thread_join(thread);
  CHECK_GE(gt_turn(0), 0);
  CHECK_EQ(gt_park_until(0), 0);
  gt_waker_free(waker);
}

TEST(embed_next_deadline_names_the_nearest_timer) {
  int64_t hour = MS(3600000), nap = MS(20);
  CHECK_EQ(gt_next_deadline(), GT_NEVER);
  int64_t far = s_spawn(napper, &hour);
  CHECK_EQ(gt_next_deadline(), 0); /* ready now */
  int64_t start = gt_now();
  CHECK_GT(gt_turn(0), 0);
  CHECK_GE(gt_next_deadline(), start + hour);
  CHECK_LE(gt_next_deadline(), gt_now() + hour);
  start = gt_now();
  int64_t near = s_spawn(napper, &nap);
  CHECK_GT(gt_turn(0), 0);
  CHECK_GE(gt_next_deadline(), start + nap);
  CHECK_LE(gt_next_deadline(), gt_now() + nap);
  for (int64_t due = gt_next_deadline(); gt_now() < due;) s_real_sleep(1);
  CHECK_GT(gt_turn(0), 0);
  CHECK_STR(s_logged(), "n");
  s_join(near);
  CHECK_EQ(gt_cancel(far), 0);
  gt_turn(0);
  gt_join(far, NULL);
  CHECK_EQ(gt_next_deadline(), GT_NEVER);
}

TEST(embed_turn_runs_what_is_ready_once) {
  int64_t a = s_spawn(yielder, NULL);
  CHECK_GT(gt_turn(0), 0);
  CHECK_STR(s_logged(), "y");
  CHECK_GT(gt_turn(0), 0);
  CHECK_STR(s_logged(), "yy");
  while (gt_turn(0) > 0) continue;
  CHECK_STR(s_logged(), "yyy");
  s_join(a);
}

TEST(embed_turn_waits_until_its_deadline_when_nothing_is_ready) {
  int64_t nap = MS(20), start = gt_now();
  CHECK_EQ(gt_turn(IN_MS(20)), 0);
  CHECK_GE(gt_now(), start + MS(20));
  start = gt_now();
  int64_t task = s_spawn(napper, &nap);
  while (strcmp(s_logged(), "n") != 0) CHECK_GE(gt_turn(IN_MS(60000)), 0);
  CHECK_GE(gt_now(), start + nap);
  CHECK_LT(gt_now(), start + MS(60000));
  s_join(task);
}

TEST(embed_turn_belongs_to_the_root) { CHECK_EQ((intptr_t)s_join(s_spawn(turn_in_task, NULL)), -EPERM); }
