/* errno belongs to the task: a switch in between changes nothing, and no call of the library spoils it. */
#include "support.h"

#include <errno.h>

static void *keep_own_errno(void *arg) {
  int mine = *(int *)arg;
  for (int i = 0; i < 100; i++) {
    errno = mine;
    CHECK_EQ(gt_yield(), 0);
    CHECK_EQ(errno, mine);
    CHECK_EQ(gt_sleep(10000), 0);
    CHECK_EQ(errno, mine);
    CHECK_EQ(gt_park_until(0), -ETIMEDOUT);
    CHECK_EQ(errno, mine);
  }
  return NULL;
}

TEST(errno_is_kept_per_task) {
  int values[10];
  int64_t tasks[10];
  for (int i = 0; i < 10; i++) {
    values[i] = 100 + i;
    tasks[i] = s_spawn(keep_own_errno, &values[i]);
  }
  errno = 99;
  for (int i = 0; i < 50; i++) {
    CHECK_EQ(gt_yield(), 0);
    CHECK_EQ(errno, 99);
  }
  for (int i = 0; i < 10; i++) s_join(tasks[i]);
}

static void *send_later(void *arg) {
  CHECK_EQ(gt_sleep(MS(2)), 0);
  errno = 55;
  CHECK_EQ(gt_send(*(int *)arg, "x", 1, 0), 1);
  CHECK_EQ(errno, 55);
  return NULL;
}

TEST(errno_survives_calls_that_fail_and_calls_that_wait) {
  int fds[2];
  char byte;
  s_unix_pair(SOCK_STREAM, fds);
  s_adopt_pair(fds);
  errno = 77;
  CHECK_EQ(gt_recv_until(fds[0], &byte, 1, 0, IN_MS(1)), -ETIMEDOUT);
  CHECK_EQ(errno, 77);
  CHECK_EQ(gt_recv(-1, &byte, 1, 0), -EBADF);
  CHECK_EQ(errno, 77);
  CHECK_EQ(gt_spawn(NULL, NULL), -EINVAL);
  CHECK_EQ(errno, 77);
  int64_t task = gt_spawn(send_later, &fds[1]);
  CHECK_EQ(gt_recv(fds[0], &byte, 1, 0), 1);
  CHECK_EQ(errno, 77);
  CHECK_EQ(gt_join(task, NULL), 0);
  CHECK_EQ(errno, 77);
  s_close_pair(fds);
}
