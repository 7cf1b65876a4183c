/* Owned and foreign descriptors: adopt, release, close; numbers that are reused; none left. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

static int nonblocking(int fd) { return fcntl(fd, F_GETFL) & O_NONBLOCK; }

TEST(descriptor_adopt_and_release_set_and_clear_nonblock) {
  int fds[2];
  s_unix_pair(SOCK_STREAM, fds);
  CHECK_EQ(gt_fd_adopt(fds[0]), 0);
  CHECK(nonblocking(fds[0]));
  CHECK(!nonblocking(fds[1]));
  CHECK_EQ(gt_fd_release(fds[0]), 0);
  CHECK(!nonblocking(fds[0]));
  CHECK_EQ(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  CHECK_EQ(gt_fd_adopt(-1), -EBADF);
  CHECK_EQ(gt_fd_adopt(1 << 20), -EBADF);
  CHECK_EQ(gt_fd_release(-1), -EBADF);
  s_close_pair(fds);
}

TEST(descriptor_foreign_never_gets_nonblock) {
  int pairs[3][2];
  char byte;
  s_unix_pair(SOCK_STREAM, pairs[0]);
  s_tcp_pair(pairs[1]);
  s_pipe(pairs[2], 0);
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(gt_read_until(pairs[i][0], &byte, 1, IN_MS(3)), -ETIMEDOUT);
    CHECK_EQ(gt_wait_fd_until(pairs[i][0], POLLIN, IN_MS(3)), -ETIMEDOUT);
    CHECK_EQ(gt_write(pairs[i][1], "x", 1), 1);
    CHECK_EQ(gt_read(pairs[i][0], &byte, 1), 1);
    CHECK(!nonblocking(pairs[i][0]));
    CHECK(!nonblocking(pairs[i][1]));
    s_close_pair(pairs[i]);
  }
}

static void *receive(void *arg) {
  char byte;
  return (void *)(intptr_t)gt_recv(*(int *)arg, &byte, 1, 0);
}

static void *wait_pri(void *arg) { return (void *)(intptr_t)gt_wait_fd(*(int *)arg, POLLPRI); }

static void *poll_it(void *arg) {
  struct pollfd entry = {*(int *)arg, POLLIN, 0};
  int got = gt_poll(&entry, 1);
  return (void *)(intptr_t)(got == 1 ? entry.revents : got);
}

static void *read_one(void *arg) {
  char byte;
  return (void *)(intptr_t)gt_read(*(int *)arg, &byte, 1);
}

static void *wait_in(void *arg) { return (void *)(intptr_t)gt_wait_fd(*(int *)arg, POLLIN); }

static void *send_much(void *arg) {
  static char block[65536];
  ssize_t got;
  do got = gt_send(*(int *)arg, block, sizeof block, 0);
  while (got > 0);
  return (void *)(intptr_t)got;
}

TEST(descriptor_close_wakes_every_waiter) {
  for (int adopted = 0; adopted < 2; adopted++) {
    int fds[2];
    s_unix_pair(SOCK_STREAM, fds);
    if (adopted) s_adopt_pair(fds);
    int64_t tasks[] = {s_spawn(receive, &fds[0]), s_spawn(receive, &fds[0]), s_spawn(send_much, &fds[0]), s_spawn(wait_pri, &fds[0])};
    s_settle();
    CHECK_EQ(gt_sleep(MS(2)), 0);
    int fd = fds[0];
    CHECK_EQ(gt_close(fd), 0);
    for (size_t i = 0; i < COUNT(tasks); i++) CHECK_EQ((intptr_t)s_join(tasks[i]), -EBADF);
    CHECK_EQ(gt_close(fd), -EBADF);
    CHECK_EQ(gt_close(fds[1]), 0);
  }
}

TEST(descriptor_close_ends_a_poll_of_it) {
  int fds[2];
  s_unix_pair(SOCK_STREAM, fds);
  s_adopt_pair(fds);
  int64_t task = s_spawn(poll_it, &fds[0]);
  s_settle();
  CHECK_EQ(gt_close(fds[0]), 0);
  intptr_t got = (intptr_t)s_join(task);
  CHECK(got == -EBADF || got == POLLNVAL);
  CHECK_EQ(gt_close(fds[1]), 0);
}

TEST(descriptor_release_wakes_every_waiter) {
  int fds[2];
  char byte;
  s_unix_pair(SOCK_STREAM, fds);
  s_adopt_pair(fds);
  int64_t tasks[] = {s_spawn(receive, &fds[0]), s_spawn(wait_pri, &fds[0])};
  s_settle();
  CHECK_EQ(gt_fd_release(fds[0]), 0);
  for (size_t i = 0; i < COUNT(tasks); i++) CHECK_EQ((intptr_t)s_join(tasks[i]), -EBADF);
  CHECK_EQ(gt_send(fds[1], "x", 1, 0), 1);
  CHECK_EQ(read(fds[0], &byte, 1), 1); /* a plain blocking descriptor again */
  CHECK_EQ(gt_send(fds[1], "y", 1, 0), 1);
  CHECK_EQ(gt_recv(fds[0], &byte, 1, 0), 1); /* and the library still serves it, as a foreign one */
  s_close_pair(fds);
}

/* Whoever waits goes on waiting, only differently. */
TEST(descriptor_adopt_disturbs_no_waiter) {
  for (int before = 0; before < 2; before++) {
    int fds[2];
    s_unix_pair(SOCK_STREAM, fds);
    if (before) CHECK_EQ(gt_fd_adopt(fds[0]), 0);
    int64_t tasks[] = {s_spawn(receive, &fds[0]), s_spawn(receive, &fds[0]), s_spawn(poll_it, &fds[0])};
    CHECK_EQ(gt_sleep(MS(2)), 0);
    CHECK_EQ(gt_fd_adopt(fds[0]), 0);
    CHECK_EQ(gt_sleep(MS(2)), 0);
    CHECK_EQ(s_stats().tasks_parked, 3);
    CHECK_EQ(s_stats().descriptors, 1);
    CHECK_EQ(gt_send(fds[1], "abc", 3, 0), 3);
    for (int i = 0; i < 2; i++) CHECK_EQ((intptr_t)s_join(tasks[i]), 1);
    CHECK_EQ((intptr_t)s_join(tasks[2]), POLLIN);
    s_close_pair(fds);
  }
}

TEST(descriptor_watch_leaves_the_flags_alone) {
  int fds[2];
  char byte;
  for (int tcp = 0; tcp < 2; tcp++) {
    if (tcp)
      s_tcp_pair(fds);
    else
      s_unix_pair(SOCK_STREAM, fds);
    CHECK_EQ(gt_fd_watch(fds[0]), 0);
    CHECK_EQ(s_stats().descriptors, 1);
    CHECK(!nonblocking(fds[0]));
    for (int round = 0; round < 5; round++) {
      int64_t task = s_spawn(receive, &fds[0]);
      CHECK_EQ(gt_sleep(MS(1)), 0);
      CHECK_EQ(gt_recv_until(fds[0], &byte, 1, 0, 0), -ETIMEDOUT);
      CHECK_EQ(gt_send(fds[1], "x", 1, 0), 1);
      CHECK_EQ((intptr_t)s_join(task), 1);
      CHECK(!nonblocking(fds[0]));
    }
    /* A full buffer parks the sender, and does not block the thread. */
    int64_t sender = s_spawn(send_much, &fds[0]);
    do CHECK_EQ(gt_sleep(MS(2)), 0);
    while (s_stats().tasks_parked != 1); /* TCP may find a little more room */
    int fd = fds[0];
    CHECK_EQ(gt_close(fd), 0);
    CHECK_EQ((intptr_t)s_join(sender), -EBADF);
    CHECK_EQ(s_stats().descriptors, 0);
    CHECK_EQ(gt_close(fds[1]), 0);
  }
}

TEST(descriptor_watch_wants_an_open_socket) {
  int fds[2];
  CHECK_EQ(gt_fd_watch(-1), -EBADF);
  CHECK_EQ(gt_fd_watch(1 << 20), -EBADF);
  s_pipe(fds, 0);
  CHECK_EQ(gt_fd_watch(fds[0]), -ENOTSOCK);
  s_close_pair(fds);
}

TEST(descriptor_watch_ends_by_release_without_a_touch) {
  int fds[2];
  s_unix_pair(SOCK_STREAM, fds);
  CHECK_EQ(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
  CHECK_EQ(gt_fd_watch(fds[0]), 0);
  int64_t task = s_spawn(receive, &fds[0]);
  s_settle();
  CHECK_EQ(gt_fd_release(fds[0]), 0);
  CHECK_EQ((intptr_t)s_join(task), -EBADF);
  CHECK(nonblocking(fds[0])); /* as it was */
  CHECK_EQ(gt_fd_release(fds[0]), -EINVAL);
  s_close_pair(fds);
}

/* Another door than a socket's own verbs: the wait may be for another file under the number. */
TEST(descriptor_watch_that_became_another_file_is_noticed_by_other_doors) {
  for (int door = 0; door < 3; door++) {
    int fds[2], pipes[2];
    char byte;
    s_tcp_pair(fds);
    CHECK_EQ(gt_fd_watch(fds[0]), 0);
    CHECK_EQ(gt_send(fds[1], "x", 1, 0), 1);
    CHECK_EQ(gt_recv_until(fds[0], &byte, 1, 0, GT_NEVER), 1);
    CHECK_EQ(gt_recv_until(fds[0], &byte, 1, 0, IN_MS(1)), -ETIMEDOUT); /* registered, and known to be drained */
    s_pipe(pipes, 0);
    CHECK_OK(dup2(pipes[0], fds[0])); /* the socket is gone, unannounced */
    long begun = s_moments();
    int64_t task = s_spawn(door == 0 ? poll_it : door == 1 ? read_one : wait_in, &fds[0]);
    CHECK_EQ(gt_sleep(MS(2)), 0);
    CHECK_EQ(gt_write(pipes[1], "yz", 2), 2);
    CHECK((intptr_t)s_join(task) > 0);
    CHECK_LT(s_moments() - begun, S_PROMPT); /* before the audit would have come by */
    CHECK_EQ(gt_read(fds[0], &byte, 1), 1);
    CHECK_EQ(byte, door == 1 ? 'z' : 'y');
    CHECK_EQ(s_stats().descriptors, 0);
    CHECK_EQ(gt_close(fds[0]), 0);
    s_close_pair(pipes);
    CHECK_EQ(gt_close(fds[1]), 0);
  }
}

/* Sockets that a poll waits on are armed for each wait from then on; whoever waited goes on waiting. */
TEST(descriptor_watch_ends_by_a_poll_and_disturbs_no_waiter) {
  int fds[2];
  s_tcp_pair(fds);
  CHECK_EQ(gt_fd_watch(fds[0]), 0);
  int64_t tasks[] = {s_spawn(receive, &fds[0]), s_spawn(receive, &fds[0])};
  CHECK_EQ(gt_sleep(MS(2)), 0);
  CHECK_EQ(s_stats().descriptors, 1);
  int64_t poller = s_spawn(poll_it, &fds[0]);
  CHECK_EQ(gt_sleep(MS(2)), 0);
  CHECK_EQ(s_stats().descriptors, 0);
  CHECK_EQ(gt_send(fds[1], "abc", 3, 0), 3);
  for (int i = 0; i < 2; i++) CHECK_EQ((intptr_t)s_join(tasks[i]), 1);
  CHECK_EQ((intptr_t)s_join(poller), POLLIN);
  s_close_pair(fds);
}

TEST(descriptor_watched_can_be_adopted_and_back) {
  int fds[2];
  s_unix_pair(SOCK_STREAM, fds);
  CHECK_EQ(gt_fd_watch(fds[0]), 0);
  int64_t task = s_spawn(receive, &fds[0]);
  s_settle();
  CHECK_EQ(gt_fd_adopt(fds[0]), 0);
  CHECK(nonblocking(fds[0]));
  CHECK_EQ(s_stats().descriptors, 1);
  s_settle();
  CHECK_EQ(gt_fd_watch(fds[0]), 0);
  s_settle();
  CHECK_EQ(gt_send(fds[1], "x", 1, 0), 1);
  CHECK_EQ((intptr_t)s_join(task), 1);
  s_close_pair(fds);
}

TEST(descriptor_number_comes_again_after_gt_close) {
  int first = -1;
  for (int round = 0; round < 50; round++) {
    int fds[2];
    char byte;
    s_unix_pair(SOCK_STREAM, fds);
    if (round % 3) s_adopt_pair(fds);
    if (!round) first = fds[0];
    CHECK_EQ(fds[0], first);
    CHECK_EQ(gt_recv_until(fds[0], &byte, 1, 0, IN_MS(1)), -ETIMEDOUT);
    CHECK_EQ(gt_send(fds[1], "x", 1, 0), 1);
    CHECK_EQ(gt_recv(fds[0], &byte, 1, 0), 1);
    s_close_pair(fds);
  }
}

/* Foreign code closes a number the library knows and opens another file under it. */
TEST(descriptor_number_reused_by_foreign_code_between_waits) {
  for (int adopted = 0; adopted < 2; adopted++) {
    int old[2], new[2];
    char byte = 0;
    s_unix_pair(SOCK_STREAM, old);
    if (adopted) CHECK_EQ(gt_fd_adopt(old[0]), 0);
    CHECK_EQ(gt_recv_until(old[0], &byte, 1, 0, IN_MS(2)), -ETIMEDOUT);
    s_unix_pair(SOCK_STREAM, new);
    CHECK_OK(dup3(new[0], old[0], O_CLOEXEC)); /* closes old[0] behind the library's back */
    close(new[0]);
    CHECK_EQ(gt_recv_until(old[0], &byte, 1, 0, IN_MS(2)), -ETIMEDOUT);
    int64_t task = s_spawn(receive, &old[0]);
    s_settle();
    CHECK_EQ(gt_send(new[1], "n", 1, 0), 1);
    CHECK_EQ((intptr_t)s_join(task), 1);
    CHECK_EQ(gt_close(old[0]), 0);
    s_close_pair((int[]){old[1], new[1]});
  }
}

TEST(descriptor_number_reused_by_foreign_code_during_a_wait) {
  for (int adopted = 0; adopted < 2; adopted++) {
    int old[2], new[2];
    s_unix_pair(SOCK_STREAM, old);
    if (adopted) CHECK_EQ(gt_fd_adopt(old[0]), 0);
    int64_t task = s_spawn(receive, &old[0]);
    CHECK_EQ(gt_sleep(MS(2)), 0);
    s_unix_pair(SOCK_STREAM, new);
    CHECK_OK(dup3(new[0], old[0], O_CLOEXEC));
    close(new[0]);
    CHECK_EQ(write(new[1], "n", 1), 1);
    CHECK_EQ((intptr_t)s_join(task), 1); /* seen when the wait is looked at again, after about a second */
    CHECK_EQ(gt_close(old[0]), 0);
    s_close_pair((int[]){old[1], new[1]});
  }
}

TEST(descriptor_duplicate_keeps_working_after_the_first_is_closed) {
  int fds[2], twin;
  char byte;
  s_unix_pair(SOCK_STREAM, fds);
  CHECK_EQ(gt_fd_adopt(fds[0]), 0);
  CHECK_EQ(gt_recv_until(fds[0], &byte, 1, 0, IN_MS(2)), -ETIMEDOUT);
  CHECK_OK(twin = dup(fds[0]));
  CHECK_EQ(gt_close(fds[0]), 0);
  int64_t task = s_spawn(receive, &twin);
  CHECK_EQ(gt_sleep(MS(2)), 0);
  CHECK_EQ(gt_send(fds[1], "x", 1, 0), 1);
  CHECK_EQ((intptr_t)s_join(task), 1);
  s_close_pair((int[]){twin, fds[1]});
}

TEST(descriptor_high_numbers_are_served) {
  struct rlimit limit;
  int fds[2];
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
  int high = (int)limit.rlim_cur - 1;
  char byte;
  s_unix_pair(SOCK_STREAM, fds);
  CHECK_OK(dup2(fds[0], high));
  int64_t task = s_spawn(receive, &high);
  s_settle();
  CHECK_EQ(gt_send(fds[1], "x", 1, 0), 1);
  CHECK_EQ((intptr_t)s_join(task), 1);
  CHECK_EQ(gt_recv_until(high, &byte, 1, 0, 0), -ETIMEDOUT);
  CHECK_EQ(gt_close(high), 0);
  s_close_pair(fds);
}

static int dialled, over;

static void *dial_many(void *arg) {
  uint16_t port = *(uint16_t *)arg;
  int fds[8];
  for (size_t i = 0; i < COUNT(fds); i++) {
    fds[i] = gt_dial_tcp("127.0.0.1", port);
    CHECK_OK(fds[i]);
  }
  dialled = 1;
  while (!over) CHECK_EQ(gt_sleep(MS(1)), 0);
  for (size_t i = 0; i < COUNT(fds); i++) CHECK_EQ(gt_close(fds[i]), 0);
  return NULL;
}

TEST_WITH(descriptor_accept_without_free_numbers_says_emfile_and_recovers, T_LIMITS, 0) {
  struct rlimit limit;
  uint16_t port;
  int listener = s_listener(&port), spent[64], count = 0;
  int64_t task = s_spawn(dial_many, &port);
  while (!dialled) CHECK_EQ(gt_sleep(MS(1)), 0); /* all eight are in the queue */
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
  limit.rlim_cur = 64;
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
  for (int fd; (fd = dup(listener)) >= 0;) spent[count++] = fd;
  CHECK_EQ(errno, EMFILE);
  CHECK_EQ(gt_accept(listener, NULL, NULL), -EMFILE);
  CHECK_EQ(gt_accept(listener, NULL, NULL), -EMFILE); /* at once each time, and nothing lost: */
  CHECK_EQ(gt_socket(AF_INET, SOCK_STREAM, 0), -EMFILE);
  CHECK_EQ(gt_dial_tcp("127.0.0.1", port), -EMFILE);
  while (count) close(spent[--count]);
  for (int i = 0; i < 8; i++) {
    int fd = gt_accept_until(listener, NULL, NULL, IN_MS(60000));
    CHECK_OK(fd);
    CHECK_EQ(gt_close(fd), 0);
  }
  over = 1;
  s_join(task);
  CHECK_EQ(gt_close(listener), 0);
}

TEST(descriptor_count_returns_to_where_it_was) {
  char byte;
  CHECK_EQ(gt_sleep(MS(1)), 0);
  int before = s_fd_count();
  for (int round = 0; round < 20; round++) {
    int fds[2];
    s_tcp_pair(fds);
    s_adopt_pair(fds);
    CHECK_EQ(gt_recv_until(fds[0], &byte, 1, 0, IN_MS(1)), -ETIMEDOUT);
    s_close_pair(fds);
    CHECK_EQ(gt_shutdown(), 0);
    CHECK_EQ(gt_sleep(MS(1)), 0);
  }
  CHECK_EQ(s_fd_count(), before);
}
