/* Unix sockets by path and by abstract name, and descriptors that travel over them. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* A fresh path in the directory for temporary files, or an abstract name. */
static const char *name(int abstract) {
  static char path[64];
  snprintf(path, sizeof path, abstract ? "@greenrt-test-%d" : "/tmp/greenrt-test-%d.sock", (int)getpid());
  return path;
}

static void *dial_and_say(void *arg) {
  int fd = gt_dial_unix(arg);
  CHECK_OK(fd);
  CHECK_EQ(gt_send(fd, "hello", 5, 0), 5);
  CHECK_EQ(gt_close(fd), 0);
  return NULL;
}

TEST(unix_listen_and_dial_by_path_and_by_name) {
  for (int abstract = 0; abstract < 2; abstract++) {
    char path[64], buf[8];
    strcpy(path, name(abstract));
    int listener = gt_listen_unix(path, 0);
    CHECK_OK(listener);
    CHECK(fcntl(listener, F_GETFL) & O_NONBLOCK);
    CHECK(fcntl(listener, F_GETFD) & FD_CLOEXEC);
    int64_t task = s_spawn(dial_and_say, path);
    int fd = gt_accept(listener, NULL, NULL);
    CHECK_OK(fd);
    CHECK_EQ(gt_recv(fd, buf, sizeof buf, 0), 5);
    CHECK_MEM(buf, "hello", 5);
    s_join(task);
    s_close_pair((int[]){fd, listener});
    if (!abstract) CHECK_OK(unlink(path));
  }
}

TEST(unix_a_stale_file_is_in_use_until_it_is_unlinked) {
  const char *path = name(0);
  int listener = gt_listen_unix(path, 0);
  CHECK_OK(listener);
  CHECK_EQ(gt_listen_unix(path, 0), -EADDRINUSE);
  CHECK_EQ(gt_close(listener), 0);
  CHECK_EQ(gt_listen_unix(path, 0), -EADDRINUSE);
  CHECK_EQ(gt_dial_unix(path), -ECONNREFUSED); /* so it is stale */
  CHECK_OK(unlink(path));
  CHECK_OK(listener = gt_listen_unix(path, 0));
  CHECK_EQ(gt_close(listener), 0);
  CHECK_OK(unlink(path));
}

TEST(unix_abstract_names_go_with_their_listener) {
  const char *path = name(1);
  int listener = gt_listen_unix(path, 0);
  CHECK_OK(listener);
  CHECK_EQ(gt_listen_unix(path, 0), -EADDRINUSE);
  CHECK_EQ(gt_close(listener), 0);
  CHECK_EQ(gt_dial_unix(path), -ECONNREFUSED);
  CHECK_OK(listener = gt_listen_unix(path, 0));
  CHECK_EQ(gt_close(listener), 0);
}

TEST(unix_name_errors) {
  char path[128];
  CHECK_EQ(gt_listen_unix(NULL, 0), -EINVAL);
  CHECK_EQ(gt_dial_unix(NULL), -EINVAL);
  CHECK_EQ(gt_listen_unix("", 0), -EINVAL);
  CHECK_EQ(gt_dial_unix(""), -EINVAL);
  CHECK_EQ(gt_listen_unix("@", 0), -EINVAL);
  CHECK_EQ(gt_dial_unix("/tmp/greenrt-no-such-socket"), -ENOENT);
  CHECK_EQ(gt_listen_unix("/greenrt-no-such-directory/x", 0), -ENOENT);
  CHECK_EQ(gt_listen_unix("/dev/null/x", 0), -ENOTDIR);
  for (int abstract = 0; abstract < 2; abstract++) {
    memset(path, 'x', sizeof path);
    path[0] = abstract ? '@' : '/';
    path[108 + abstract] = 0; /* one too many */
    CHECK_EQ(gt_listen_unix(path, 0), -ENAMETOOLONG);
    CHECK_EQ(gt_dial_unix(path), -ENAMETOOLONG);
  }
  path[108] = 0;
  int longest = gt_listen_unix(path, 0);
  CHECK_OK(longest);
  int other = gt_dial_unix(path);
  CHECK_OK(other);
  path[107] = 'y';
  CHECK_EQ(gt_dial_unix(path), -ECONNREFUSED); /* its last letter counts */
  s_close_pair((int[]){longest, other});
  struct sockaddr_un addr = {.sun_family = AF_UNIX};
  strcpy(addr.sun_path, name(0));
  int dgram = gt_socket(AF_UNIX, SOCK_DGRAM, 0);
  CHECK_OK(bind(dgram, (struct sockaddr *)&addr, sizeof addr));
  CHECK_EQ(gt_dial_unix(name(0)), -EPROTOTYPE);
  CHECK_EQ(gt_close(dgram), 0);
  CHECK_OK(unlink(name(0)));
  if (geteuid() != 0) {
    int listener = gt_listen_unix(name(0), 0);
    CHECK_OK(chmod(name(0), 0));
    CHECK_EQ(gt_dial_unix(name(0)), -EACCES);
    CHECK_EQ(gt_close(listener), 0);
    CHECK_OK(unlink(name(0)));
  }
  CHECK_EQ(gt_interrupt(gt_self(), 1), 0);
  CHECK_EQ(gt_dial_unix("@x"), -EINTR);
  CHECK_EQ(gt_cancel(gt_self()), 0);
  CHECK_EQ(gt_dial_unix("@x"), -ECANCELED);
}

TEST_WITH(unix_what_the_kernel_refuses_is_passed_on, T_LIMITS, 0) {
  int pair[2], zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
  s_unix_pair(SOCK_STREAM, pair);
  if (s_refuse(SYS_bind, 0, EROFS) != 0) SKIP("no seccomp here");
  CHECK_EQ(gt_listen_unix(name(0), 0), -EROFS);
  if (s_refuse(SYS_sendmsg, 0, ENOMEM) != 0) SKIP("no seccomp here");
  CHECK_EQ(gt_send_fds(pair[0], "x", 1, &zero, 1), -ENOMEM);
  CHECK_EQ(close(zero), 0);
  s_close_pair(pair);
}

static void *accept_and_close(void *arg) {
  CHECK_EQ(gt_sleep(MS(10)), 0);
  int fd = gt_accept(*(int *)arg, NULL, NULL);
  CHECK_OK(fd);
  CHECK_EQ(gt_close(fd), 0);
  return NULL;
}

TEST(unix_dial_waits_for_a_full_queue) {
  int fds[16], count = 0, last, listener = gt_listen_unix(name(1), 1);
  CHECK_OK(listener);
  do {
    CHECK_LT(count, COUNT(fds));
    fds[count] = gt_dial_unix_until(name(1), IN_MS(10));
  } while (fds[count++] >= 0);
  CHECK_EQ(fds[--count], -ETIMEDOUT);
  CHECK_GT(count, 0);
  int64_t task = s_spawn(accept_and_close, &listener);
  CHECK_OK(last = gt_dial_unix(name(1)));
  s_join(task);
  CHECK_EQ(gt_close(last), 0);
  while (count) CHECK_EQ(gt_close(fds[--count]), 0);
  CHECK_EQ(gt_close(listener), 0);
}

/* -- descriptors */

TEST(unix_descriptors_arrive_owned_and_work) {
  for (int adopted = 0; adopted < 2; adopted++) {
    int pair[2], pipes[2], got[4] = {-1, -1, -1, -1}, truncated = -1;
    size_t received = 99;
    char buf[8];
    s_unix_pair(SOCK_STREAM, pair);
    if (adopted) s_adopt_pair(pair);
    s_pipe(pipes, 0);
    CHECK_EQ(gt_send_fds(pair[0], "fd", 2, pipes, 2), 2);
    s_close_pair(pipes); /* the receiver has its own */
    CHECK_EQ(gt_recv_fds(pair[1], buf, sizeof buf, got, 4, &received, &truncated), 2);
    CHECK_MEM(buf, "fd", 2);
    CHECK_EQ(received, 2);
    CHECK_EQ(truncated, 0);
    CHECK_EQ(got[2], -1);
    for (int i = 0; i < 2; i++) {
      CHECK(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
      CHECK(fcntl(got[i], F_GETFL) & O_NONBLOCK);
    }
    CHECK_EQ(s_stats().descriptors, adopted ? 4 : 2);
    CHECK_EQ(gt_write(got[1], "through", 7), 7);
    CHECK_EQ(gt_read(got[0], buf, sizeof buf), 7);
    s_close_pair(got);

    /* A message without descriptors, and the end. */
    CHECK_EQ(gt_send(pair[0], "x", 1, 0), 1);
    CHECK_EQ(gt_recv_fds(pair[1], buf, sizeof buf, got, 4, &received, NULL), 1);
    CHECK_EQ(received, 0);
    CHECK_EQ(gt_close(pair[0]), 0);
    CHECK_EQ(gt_recv_fds(pair[1], buf, sizeof buf, got, 4, &received, NULL), 0);
    CHECK_EQ(gt_close(pair[1]), 0);
  }
}

static void *send_two_later(void *arg) {
  int zeroes[2] = {open("/dev/zero", O_RDONLY | O_CLOEXEC), open("/dev/zero", O_RDONLY | O_CLOEXEC)};
  CHECK_EQ(gt_sleep(MS(5)), 0);
  CHECK_EQ(gt_send_fds(*(int *)arg, "late", 4, zeroes, 2), 4);
  s_close_pair(zeroes);
  return NULL;
}

TEST(unix_descriptors_are_waited_for) {
  int pair[2], got[2];
  size_t received;
  char buf[8];
  s_unix_pair(SOCK_STREAM, pair);
  s_adopt_pair(pair);
  CHECK_EQ(gt_recv_fds_until(pair[1], buf, sizeof buf, got, 2, &received, NULL, IN_MS(2)), -ETIMEDOUT);
  int64_t task = s_spawn(send_two_later, &pair[0]);
  CHECK_EQ(gt_recv_fds(pair[1], buf, sizeof buf, got, 2, &received, NULL), 4);
  CHECK_EQ(received, 2);
  s_join(task);
  s_close_pair(got);
  s_close_pair(pair);
}

TEST(unix_descriptors_beyond_the_room_are_closed_and_told) {
  int pair[2], many[253], got[253], truncated = -1;
  size_t received = 0;
  char buf[4];
  s_unix_pair(SOCK_STREAM, pair);
  s_adopt_pair(pair);
  int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC), before = s_fd_count();
  CHECK_OK(zero);
  for (size_t i = 0; i < COUNT(many); i++) many[i] = zero;
  for (size_t room = 0; room < 4; room++) {
    CHECK_EQ(gt_send_fds(pair[0], "x", 1, many, 3), 1);
    CHECK_EQ(gt_recv_fds(pair[1], buf, 4, room ? got : NULL, room, &received, &truncated), 1);
    CHECK_EQ(received, room);
    CHECK_EQ(truncated, room < 3);
    CHECK_EQ(s_fd_count(), before + (int)room);
    for (size_t i = 0; i < received; i++) CHECK_EQ(gt_close(got[i]), 0);
  }
  /* All that a message can carry; one more is refused. */
  CHECK_EQ(gt_send_fds(pair[0], "x", 1, many, 253), 1);
  CHECK_EQ(gt_recv_fds(pair[1], buf, 4, got, 253, &received, &truncated), 1);
  CHECK_EQ(received, 253);
  CHECK_EQ(truncated, 0);
  for (size_t i = 0; i < received; i++) CHECK_EQ(gt_close(got[i]), 0);
  CHECK_EQ(s_fd_count(), before);
  CHECK_EQ(close(zero), 0);
  s_close_pair(pair);
}

TEST_WITH(unix_no_numbers_left_is_told_as_truncated, T_LIMITS, 0) {
  int pair[2], got[8], zero = open("/dev/zero", O_RDONLY | O_CLOEXEC), truncated = 0;
  int many[8] = {zero, zero, zero, zero, zero, zero, zero, zero};
  size_t received = 99;
  char buf[4];
  s_unix_pair(SOCK_STREAM, pair);
  s_adopt_pair(pair);
  CHECK_EQ(gt_send_fds(pair[0], "x", 1, many, 8), 1);
  int next = dup(zero);
  CHECK_OK(next);
  CHECK_EQ(close(next), 0);
  struct rlimit old, few;
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &old));
  few = old;
  few.rlim_cur = (rlim_t)next + 2; /* room for some of them: those below may be free, too */
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &few));
  CHECK_EQ(gt_recv_fds(pair[1], buf, 4, got, 8, &received, &truncated), 1);
  CHECK_EQ(truncated, 1);
  CHECK_LT(received, 8);
  for (size_t i = 0; i < received; i++) CHECK_EQ(gt_close(got[i]), 0);
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &old));
  CHECK_EQ(close(zero), 0);
  s_close_pair(pair);
}

TEST(unix_credentials_beside_descriptors_do_not_disturb) {
  int pair[2], got[2], one = 1, zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
  size_t received = 0;
  char buf[4];
  s_unix_pair(SOCK_STREAM, pair);
  CHECK_OK(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof one));
  CHECK_EQ(gt_send_fds(pair[0], "x", 1, &zero, 1), 1);
  CHECK_EQ(gt_recv_fds(pair[1], buf, 4, got, 2, &received, NULL), 1);
  CHECK_EQ(received, 1);
  CHECK_EQ(gt_close(got[0]), 0);
  CHECK_EQ(close(zero), 0);
  s_close_pair(pair);
}

/* As many descriptors may be on their way as the user may have open, unless he is the superuser: so that is given up first. */
static void send_too_many(void *arg) {
  int pair[2], zero = open("/dev/zero", O_RDONLY | O_CLOEXEC), n = 0;
  const struct rlimit few = {40, 40};
  (void)arg;
  if (setrlimit(RLIMIT_NOFILE, &few) != 0) exit(77);
  if (geteuid() == 0 && setresuid(65533, 65533, 65533) != 0) exit(77);
  s_unix_pair(SOCK_STREAM, pair);
  while ((n = (int)gt_send_fds(pair[0], "x", 1, (int[]){zero, zero, zero, zero}, 4)) == 1) continue;
  CHECK_EQ(n, -ETOOMANYREFS);
  s_close_pair(pair);
}

TEST(unix_too_many_descriptors_on_their_way_are_refused) {
  static struct s_end end;
  s_child(send_too_many, NULL, &end);
  if (end.status == 77) SKIP("the limit cannot be set, or the superuser's rights not be given up here");
  CHECK_STR(end.out, "");
  CHECK_EQ(end.status, 0);
}

TEST(unix_descriptor_errors) {
  int pair[2], tcp[2], pipes[2], fd = -1, bad = 9999, zero = open("/dev/zero", O_RDONLY | O_CLOEXEC), got[2];
  int many[254];
  size_t received;
  char buf[4] = "abc";
  for (size_t i = 0; i < COUNT(many); i++) many[i] = zero;
  s_unix_pair(SOCK_STREAM, pair);
  s_adopt_pair(pair);
  CHECK_EQ(gt_send_fds(pair[0], NULL, 1, &zero, 1), -EINVAL);
  CHECK_EQ(gt_send_fds(pair[0], buf, 0, &zero, 1), -EINVAL);
  CHECK_EQ(gt_send_fds(pair[0], buf, 1, NULL, 1), -EINVAL);
  CHECK_EQ(gt_send_fds(pair[0], buf, 1, &zero, 0), -EINVAL);
  CHECK_EQ(gt_send_fds(pair[0], buf, 1, many, 254), -EINVAL);
  CHECK_EQ(gt_send_fds(pair[0], buf, 1, &fd, 1), -EBADF);
  CHECK_EQ(gt_send_fds(pair[0], buf, 1, &bad, 1), -EBADF);
  CHECK_EQ(gt_send_fds(-1, buf, 1, &zero, 1), -EBADF);
  CHECK_EQ(gt_recv_fds(pair[0], NULL, 1, got, 2, &received, NULL), -EINVAL);
  CHECK_EQ(gt_recv_fds(pair[0], buf, 0, got, 2, &received, NULL), -EINVAL);
  CHECK_EQ(gt_recv_fds(pair[0], buf, 1, NULL, 2, &received, NULL), -EINVAL);
  CHECK_EQ(gt_recv_fds(pair[0], buf, 1, got, 2, NULL, NULL), -EINVAL);
  CHECK_EQ(gt_recv_fds(-1, buf, 1, got, 2, &received, NULL), -EBADF);
  s_tcp_pair(tcp);
  CHECK_EQ(gt_send_fds(tcp[0], buf, 1, &zero, 1), -EOPNOTSUPP);
  s_close_pair(tcp);
  s_pipe(pipes, 0);
  CHECK_EQ(gt_send_fds(pipes[1], buf, 1, &zero, 1), -ENOTSOCK);
  CHECK_EQ(gt_recv_fds(pipes[0], buf, 1, got, 2, &received, NULL), -ENOTSOCK);
  s_close_pair(pipes);
  CHECK_EQ(gt_recv_fds_until(pair[0], buf, 1, got, 2, &received, NULL, 0), -ETIMEDOUT);
  s_fill(pair[0]);
  CHECK_OK(fcntl(pair[0], F_SETFL, O_NONBLOCK));
  CHECK_EQ(gt_send_fds_until(pair[0], buf, 1, &zero, 1, IN_MS(5)), -ETIMEDOUT);
  CHECK_EQ(gt_close(pair[1]), 0);
  CHECK_EQ(gt_send_fds(pair[0], buf, 1, &zero, 1), -EPIPE);
  CHECK_EQ(gt_interrupt(gt_self(), 1), 0);
  CHECK_EQ(gt_send_fds(pair[0], buf, 1, &zero, 1), -EINTR);
  CHECK_EQ(gt_interrupt(gt_self(), 2), 0);
  CHECK_EQ(gt_recv_fds(pair[0], buf, 1, got, 2, &received, NULL), -EINTR);
  CHECK_EQ(gt_cancel(gt_self()), 0);
  CHECK_EQ(gt_send_fds(pair[0], buf, 1, &zero, 1), -ECANCELED);
  CHECK_EQ(gt_recv_fds(pair[0], buf, 1, got, 2, &received, NULL), -ECANCELED);
  CHECK_EQ(gt_close(pair[0]), 0);
  CHECK_EQ(close(zero), 0);
}
