/* gt_wait_fd and gt_poll: readiness of one and of many descriptors. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

TEST(wait_fd_reports_what_is_ready_now) {
  int fds[2];
  s_unix_pair(SOCK_STREAM, fds);
  CHECK_EQ(gt_wait_fd(fds[0], POLLOUT), POLLOUT);
  CHECK_EQ(gt_wait_fd(fds[0], POLLIN | POLLOUT), POLLOUT);
  CHECK_EQ(gt_wait_fd_until(fds[0], POLLIN, 0), -ETIMEDOUT);
  CHECK_EQ(gt_send(fds[1], "x", 1, 0), 1);
  CHECK_EQ(gt_wait_fd(fds[0], POLLIN), POLLIN);
  CHECK_EQ(gt_wait_fd(fds[0], POLLIN), POLLIN); /* a look takes nothing */
  CHECK_EQ(gt_wait_fd(fds[0], POLLIN | POLLOUT), POLLIN | POLLOUT);
  s_close_pair(fds);
}

static void *send_later(void *arg) {
  CHECK_EQ(gt_sleep(MS(5)), 0);
  CHECK_EQ(gt_send(*(int *)arg, "x", 1, 0), 1);
  return NULL;
}

TEST(wait_fd_parks_on_owned_and_foreign) {
  for (int adopted = 0; adopted < 2; adopted++) {
    int fds[2];
    char byte;
    s_unix_pair(SOCK_STREAM, fds);
    if (adopted) s_adopt_pair(fds);
    for (int round = 0; round < 3; round++) {
      int64_t task = s_spawn(send_later, &fds[1]);
      CHECK_EQ(gt_wait_fd(fds[0], POLLIN), POLLIN);
      CHECK_EQ(gt_recv(fds[0], &byte, 1, 0), 1);
      s_join(task);
    }
    s_close_pair(fds);
  }
}

TEST(wait_fd_tells_of_a_hang_up) {
  int fds[2];
  s_unix_pair(SOCK_STREAM, fds);
  CHECK_EQ(gt_close(fds[1]), 0);
  CHECK(gt_wait_fd(fds[0], POLLIN) & (POLLIN | POLLHUP));
  CHECK(gt_wait_fd(fds[0], POLLPRI) & POLLHUP);
  CHECK_EQ(gt_close(fds[0]), 0);
}

TEST(wait_fd_of_wrong_things) {
  int fds[2];
  s_unix_pair(SOCK_STREAM, fds);
  CHECK_EQ(gt_wait_fd(-1, POLLIN), -EBADF);
  CHECK_EQ(gt_wait_fd(1 << 20, POLLIN), -EBADF);
  CHECK_EQ(gt_wait_fd(fds[0], 1 << 20), -EINVAL);
  CHECK_EQ(gt_wait_fd(fds[0], 0), -EINVAL);
  s_close_pair(fds);
}

static void *poll_for_nothing(void *arg) {
  struct pollfd one = {*(int *)arg, 0, 0};
  return (void *)(intptr_t)gt_poll(&one, 1);
}

/* epoll does not take regular files: they are ready for reading and writing from the beginning, and for nothing else ever. */
TEST(poll_of_a_regular_file_for_nothing_does_not_spin) {
  int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  CHECK_OK(fd);
  CHECK_EQ(gt_wait_fd(fd, POLLIN), POLLIN);
  CHECK_EQ(gt_wait_fd_until(fd, POLLPRI, IN_MS(1)), -ETIMEDOUT);
  int64_t task = s_spawn(poll_for_nothing, &fd);
  s_settle();
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ((intptr_t)s_join(task), -ECANCELED);
  CHECK_EQ(gt_close(fd), 0);
}

TEST(poll_counts_ready_entries_and_clears_the_others) {
  int a[2], b[2];
  s_unix_pair(SOCK_STREAM, a);
  s_pipe(b, 0);
  struct pollfd set[] = {{a[0], POLLIN, 77}, {a[1], POLLOUT, 77}, {b[0], POLLIN, 77}, {b[1], POLLOUT, 77}, {-1, POLLIN, 77}};
  CHECK_EQ(gt_poll(set, COUNT(set)), 2);
  const short seen[] = {0, POLLOUT, 0, POLLOUT, 0};
  for (size_t i = 0; i < COUNT(set); i++) CHECK_EQ(set[i].revents, seen[i]);
  s_close_pair(a);
  s_close_pair(b);
}

TEST(poll_parks_until_the_first_of_many) {
  enum { N = 50 };
  int pairs[N][2];
  struct pollfd set[N];
  char byte;
  for (int i = 0; i < N; i++) {
    s_unix_pair(SOCK_STREAM, pairs[i]);
    if (i % 2) s_adopt_pair(pairs[i]);
    set[i] = (struct pollfd){pairs[i][0], POLLIN, 0};
  }
  for (int i = 0; i < N; i += 7) {
    int64_t task = s_spawn(send_later, &pairs[i][1]);
    CHECK_EQ(gt_poll(set, N), 1);
    for (int j = 0; j < N; j++) CHECK_EQ(set[j].revents, i == j ? POLLIN : 0);
    CHECK_EQ(gt_recv(pairs[i][0], &byte, 1, 0), 1);
    s_join(task);
  }
  for (int i = 0; i < N; i++) s_close_pair(pairs[i]);
}

TEST(poll_keeps_its_deadline) {
  int fds[2];
  s_unix_pair(SOCK_STREAM, fds);
  struct pollfd set = {fds[0], POLLIN, 77};
  int64_t until = IN_MS(10);
  CHECK_EQ(gt_poll_until(&set, 1, until), -ETIMEDOUT);
  CHECK_GE(gt_now(), until);
  CHECK_EQ(gt_poll_until(&set, 1, 0), -ETIMEDOUT);
  until = IN_MS(10);
  CHECK_EQ(gt_poll_until(NULL, 0, until), -ETIMEDOUT); /* nobody to wait for: a sleep */
  CHECK_GE(gt_now(), until);
  CHECK_EQ(gt_poll_until(NULL, 1, 0), -EINVAL);
  s_close_pair(fds);
}

TEST(poll_marks_a_closed_descriptor_as_poll_does) {
  int fds[2];
  s_unix_pair(SOCK_STREAM, fds);
  struct pollfd set[] = {{1 << 20, POLLIN, 0}, {fds[0], POLLIN, 0}};
  CHECK_EQ(gt_poll(set, 2), 1);
  CHECK_EQ(set[0].revents, POLLNVAL);
  CHECK_EQ(set[1].revents, 0);
  CHECK_EQ(gt_close(fds[1]), 0);
  CHECK_EQ(gt_poll(set + 1, 1), 1);
  CHECK(set[1].revents & POLLHUP);
  CHECK_EQ(gt_close(fds[0]), 0);
}

TEST(poll_same_descriptor_twice) {
  int fds[2];
  s_unix_pair(SOCK_STREAM, fds);
  struct pollfd set[] = {{fds[0], POLLIN, 0}, {fds[0], POLLIN | POLLPRI, 0}};
  int64_t task = s_spawn(send_later, &fds[1]);
  CHECK_EQ(gt_poll(set, 2), 2);
  CHECK_EQ(set[0].revents, POLLIN);
  CHECK_EQ(set[1].revents, POLLIN);
  s_join(task);
  s_close_pair(fds);
}

static void *wait_for(void *arg) {
  int *what = arg; /* descriptor, events */
  return (void *)(intptr_t)gt_wait_fd(what[0], what[1]);
}

/* One waits for urgent data or a hang-up, bytes are there: who reads gets them at once. */
TEST(wait_fd_for_rare_events_hides_no_bytes_from_readers) {
  const int rare[] = {POLLPRI, POLLRDHUP, POLLPRI | POLLRDHUP};
  for (size_t i = 0; i < 2 * COUNT(rare); i++) {
    int fds[2];
    char buf[16];
    s_tcp_pair(fds);
    if (i % 2) s_adopt_pair(fds);
    CHECK_EQ(gt_recv_until(fds[0], buf, sizeof buf, 0, IN_MS(2)), -ETIMEDOUT); /* registered, if owned */
    CHECK_EQ(gt_send(fds[1], "abcdef", 6, 0), 6);
    CHECK_EQ(gt_sleep(MS(2)), 0); /* the edge is heard */
    int64_t task = s_spawn(wait_for, (int[]){fds[0], rare[i / 2]});
    long start = s_moments();
    s_settle();
    CHECK_EQ(gt_recv(fds[0], buf, 3, 0), 3);
    s_settle();
    CHECK_EQ(gt_recv(fds[0], buf, sizeof buf, 0), 3);
    CHECK_LT(s_moments() - start, S_PROMPT);
    CHECK_EQ(gt_cancel(task), 0);
    CHECK_EQ((intptr_t)s_join(task), -ECANCELED);
    s_close_pair(fds);
  }
}

TEST(wait_fd_for_a_hang_up_sleeps_while_bytes_wait) {
  for (int adopted = 0; adopted < 2; adopted++) {
    int fds[2];
    s_tcp_pair(fds);
    if (adopted) s_adopt_pair(fds);
    CHECK_EQ(gt_send(fds[1], "unread", 6, 0), 6);
    CHECK_EQ(gt_sleep(MS(2)), 0);
    int64_t task = s_spawn(wait_for, (int[]){fds[0], POLLRDHUP});
    CHECK_EQ(gt_sleep(MS(2)), 0);
    uint64_t polls = s_stats().polls;
    CHECK_EQ(gt_sleep(MS(50)), 0);
    CHECK_LT(s_stats().polls - polls, 20); /* it does not spin */
    CHECK_OK(shutdown(fds[1], SHUT_WR));
    CHECK((intptr_t)s_join(task) & POLLRDHUP);
    s_close_pair(fds);
  }
}
