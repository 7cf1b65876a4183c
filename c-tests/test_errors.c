/* Every error that the header names for a function is provoked here once, function by function, in the header's order. What a function
 * does in between (waits, wakes, orders) is told in the file of its noun. */
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <unistd.h>

static void *nothing(void *arg) { return arg; }

static void *park(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_park();
}

static void *call(void *arg) {
  union {
    void *data;
    intptr_t (*code)(void);
  } function = {arg};
  return (void *)function.code();
}

/* The result of `code`, called on a task of its own. */
static intptr_t in_task(intptr_t (*code)(void)) {
  union {
    intptr_t (*code)(void);
    void *data;
  } function = {code};
  return (intptr_t)s_join(s_spawn(call, function.data));
}

/* A task that has ended and was joined: its id is stale. */
static int64_t stale(void) {
  int64_t task = s_spawn(nothing, NULL);
  s_join(task);
  return task;
}

TEST(errors_of_gt_config) {
  gt_config_t config = {.size = sizeof config};
  CHECK_EQ(gt_config(NULL), -EINVAL);
  CHECK_EQ(gt_config(&config), 0);
  CHECK_EQ(gt_yield(), 0);
  CHECK_EQ(gt_config(&config), -EBUSY);
}

static intptr_t shutdown_here(void) { return gt_shutdown(); }
static intptr_t shutdown_until_here(void) { return gt_shutdown_until(0); }
static intptr_t turn_here(void) { return gt_turn(0); }
static intptr_t exit_here(void) { return gt_exit((void *)(intptr_t)5); }

TEST(errors_of_what_belongs_to_the_root) {
  CHECK_EQ(in_task(shutdown_here), -EPERM);
  CHECK_EQ(in_task(shutdown_until_here), -EPERM);
  CHECK_EQ(in_task(turn_here), -EPERM);
  CHECK_EQ(gt_exit(NULL), -EPERM);
  CHECK_EQ(in_task(exit_here), 5);
}

static intptr_t join_self(void) { return gt_join(gt_self(), NULL); }

TEST(errors_of_join_and_detach) {
  int64_t old = stale(), live = s_spawn(park, NULL), root = gt_self();
  void *untouched = &live;
  CHECK_EQ(gt_join(old, &untouched), -ESRCH);
  CHECK_EQ(gt_join_until(old, &untouched, GT_NEVER), -ESRCH);
  CHECK_EQ(in_task(join_self), -EDEADLK);
  CHECK_EQ(gt_join_until(live, &untouched, IN_MS(1)), -ETIMEDOUT);
  CHECK_EQ(gt_interrupt(root, 1), 0);
  CHECK_EQ(gt_join(live, &untouched), -EINTR);
  CHECK_EQ(gt_detach(old), -ESRCH);
  CHECK_EQ(gt_detach(root), -EINVAL);
  CHECK_EQ(gt_detach(live), 0);
  CHECK_EQ(gt_detach(live), -EINVAL);
  CHECK_EQ(gt_join(live, &untouched), -EINVAL);
  CHECK(untouched == &live);
  CHECK_EQ(gt_unpark(live), 0);
  s_settle();
}

TEST_WITH(errors_of_spawn_without_memory, T_LIMITS, 0) {
  struct rlimit limit = {(rlim_t)256 << 20, RLIM_INFINITY};
  gt_spawn_opts_t opts = {.size = sizeof opts, .stack_size = (size_t)1 << 29};
  CHECK_OK(setrlimit(RLIMIT_AS, &limit));
  CHECK_EQ(gt_spawn_with(nothing, NULL, &opts), -ENOMEM);
  s_join(s_spawn(nothing, NULL));
}

TEST(errors_of_yield_sleep_and_park) {
  int64_t root = gt_self();
  CHECK_EQ(gt_sleep(-1), -EINVAL);
  CHECK_EQ(gt_interrupt(root, 1), 0);
  CHECK_EQ(gt_yield(), -EINTR);
  CHECK_EQ(gt_interrupt(root, 1), 0);
  CHECK_EQ(gt_sleep(MS(1000)), -EINTR);
  CHECK_EQ(gt_interrupt(root, 1), 0);
  CHECK_EQ(gt_sleep_until(GT_NEVER), -EINTR);
  CHECK_EQ(gt_interrupt(root, 1), 0);
  CHECK_EQ(gt_park(), -EINTR);
  CHECK_EQ(gt_interrupt(root, 1), 0);
  CHECK_EQ(gt_park_until(IN_MS(60000)), -EINTR);
  CHECK_EQ(gt_park_until(IN_MS(1)), -ETIMEDOUT);
  int64_t scope = gt_deadline_push(IN_MS(1));
  CHECK_EQ(gt_park(), -ETIMEDOUT);
  CHECK_EQ(gt_sleep(MS(1000)), -ETIMEDOUT);
  CHECK_EQ(gt_sleep_until(GT_NEVER), -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(scope), 1);
}

TEST(errors_of_cancel_and_interrupt) {
  int64_t old = stale();
  int code;
  CHECK_EQ(gt_cancel(old), -ESRCH);
  CHECK_EQ(gt_interrupt(old, 1), -ESRCH);
  CHECK_EQ(gt_interrupt_at(old, 1, GT_NEVER), -ESRCH);
  CHECK_EQ(gt_interrupt_withdraw(old, 1), -ESRCH);
  CHECK_EQ(gt_interrupt_withdraw(gt_self(), 1), -ENOENT);
  CHECK_EQ(gt_interrupt_take(&code), -EAGAIN);
  CHECK_EQ(gt_interrupt_take(NULL), -EINVAL);
  CHECK_EQ(gt_shield_pop(), -EINVAL);
  CHECK_EQ(gt_cleanup_pop(1), -EINVAL);
  CHECK_EQ(gt_cleanup_push(NULL, NULL), -EINVAL);
}

TEST(errors_of_names_wakers_and_scopes) {
  int64_t old = stale();
  char name[8];
  CHECK_EQ(gt_task_set_name(old, "x"), -ESRCH);
  CHECK_EQ(gt_task_set_name(gt_self(), NULL), -EINVAL);
  CHECK_EQ(gt_task_name(old, name, sizeof name), -ESRCH);
  CHECK_EQ(gt_task_name(gt_self(), NULL, 8), -EINVAL);
  CHECK_EQ(gt_unpark(old), -ESRCH);
  CHECK_EQ(gt_waker_wake(NULL), -EINVAL);
  CHECK(gt_waker_new(old) == NULL);
  CHECK_EQ(gt_deadline_pop(1), -EINVAL);
}

TEST(errors_of_null_buffers) {
  int fds[2];
  struct msghdr msg = {.msg_iov = NULL, .msg_iovlen = 0};
  size_t sent = 7;
  socklen_t len = sizeof(struct sockaddr_in);
  s_unix_pair(SOCK_STREAM, fds);
  CHECK_EQ(gt_recv(fds[0], NULL, 1, 0), -EINVAL);
  CHECK_EQ(gt_send(fds[0], NULL, 1, 0), -EINVAL);
  CHECK_EQ(gt_send_all(fds[0], NULL, 1, 0, &sent), -EINVAL);
  CHECK_EQ(sent, 0);
  CHECK_EQ(gt_recvfrom(fds[0], NULL, 1, 0, NULL, NULL), -EINVAL);
  CHECK_EQ(gt_recvfrom_until(fds[0], &msg, 1, 0, (struct sockaddr *)&msg, NULL, 0), -EINVAL); /* an address without its length */
  CHECK_EQ(gt_sendto(fds[0], NULL, 1, 0, NULL, 0), -EINVAL);
  CHECK_EQ(gt_recvmsg(fds[0], NULL, 0), -EINVAL);
  CHECK_EQ(gt_sendmsg(fds[0], NULL, 0), -EINVAL);
  CHECK_EQ(gt_read(fds[0], NULL, 1), -EINVAL);
  CHECK_EQ(gt_write(fds[0], NULL, 1), -EINVAL);
  CHECK_EQ(gt_readv(fds[0], NULL, 1), -EINVAL);
  CHECK_EQ(gt_writev(fds[0], NULL, 1), -EINVAL);
  CHECK_EQ(gt_connect(fds[0], NULL, len), -EINVAL);
  CHECK_EQ(gt_poll(NULL, 1), -EINVAL);
  CHECK_EQ(gt_accept(fds[0], (struct sockaddr *)&msg, NULL), -EINVAL);
  CHECK_EQ(gt_dial_tcp(NULL, 1), -EINVAL);
  CHECK_EQ(gt_stats(NULL), -EINVAL);
  s_close_pair(fds);
}

TEST(errors_of_closed_and_negative_descriptors) {
  struct sockaddr_in addr = {.sin_family = AF_INET};
  int pair[2];
  CHECK_EQ(gt_yield(), 0); /* the scheduler has its own descriptors by now, and takes no number that we close */
  s_unix_pair(SOCK_STREAM, pair);
  close(pair[0]);
  const int wrong[] = {-1, -1000, pair[0], 100000};
  for (size_t i = 0; i < COUNT(wrong); i++) {
    int fd = wrong[i];
    char buf[4] = "abc";
    struct iovec iov = {buf, 4};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    size_t sent = 7;
    CHECK_EQ(gt_recv(fd, buf, 4, 0), -EBADF);
    CHECK_EQ(gt_send(fd, buf, 4, 0), -EBADF);
    CHECK_EQ(gt_send_all(fd, buf, 4, 0, &sent), -EBADF);
    CHECK_EQ(sent, 0);
    CHECK_EQ(gt_recvfrom(fd, buf, 4, 0, NULL, NULL), -EBADF);
    CHECK_EQ(gt_sendto(fd, buf, 4, 0, NULL, 0), -EBADF);
    CHECK_EQ(gt_recvmsg(fd, &msg, 0), -EBADF);
    CHECK_EQ(gt_sendmsg(fd, &msg, 0), -EBADF);
    CHECK_EQ(gt_read(fd, buf, 4), -EBADF);
    CHECK_EQ(gt_write(fd, buf, 4), -EBADF);
    CHECK_EQ(gt_readv(fd, &iov, 1), -EBADF);
    CHECK_EQ(gt_writev(fd, &iov, 1), -EBADF);
    CHECK_EQ(gt_accept(fd, NULL, NULL), -EBADF);
    CHECK_EQ(gt_connect(fd, (struct sockaddr *)&addr, sizeof addr), -EBADF);
    CHECK_EQ(gt_wait_fd(fd, POLLIN), -EBADF);
    CHECK_EQ(gt_fd_adopt(fd), -EBADF);
    CHECK_EQ(gt_fd_release(fd), -EBADF);
    CHECK_EQ(gt_close(fd), -EBADF);
  }
  close(pair[1]);
}

TEST(errors_of_what_is_not_a_socket) {
  int fds[2];
  char byte = 'x';
  struct sockaddr_in addr = {.sin_family = AF_INET};
  s_pipe(fds, 0);
  CHECK_EQ(gt_recv(fds[0], &byte, 1, 0), -ENOTSOCK);
  CHECK_EQ(gt_send(fds[1], &byte, 1, 0), -ENOTSOCK);
  CHECK_EQ(gt_accept(fds[0], NULL, NULL), -ENOTSOCK);
  CHECK_EQ(gt_connect(fds[0], (struct sockaddr *)&addr, sizeof addr), -ENOTSOCK);
  s_close_pair(fds);
}

TEST(errors_of_a_socket_that_is_not_connected) {
  char byte = 'x';
  int fd = gt_socket(AF_INET, SOCK_STREAM, 0);
  CHECK_OK(fd);
  CHECK_EQ(gt_recv(fd, &byte, 1, 0), -ENOTCONN);
  CHECK_EQ(gt_send(fd, &byte, 1, 0), -EPIPE);
  CHECK_EQ(gt_close(fd), 0);
}

/* A NULL buffer of no length is a fine one. */
TEST(errors_none_for_nothing) {
  int fds[2];
  s_unix_pair(SOCK_STREAM, fds);
  CHECK_EQ(gt_send(fds[0], NULL, 0, 0), 0);
  CHECK_EQ(gt_send_all(fds[0], NULL, 0, 0, NULL), 0);
  CHECK_EQ(gt_write(fds[0], NULL, 0), 0);
  CHECK_EQ(gt_writev(fds[0], NULL, 0), 0);
  CHECK_EQ(gt_read(fds[0], NULL, 0), 0);
  s_close_pair(fds);
}
