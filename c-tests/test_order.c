/* Who runs next: woken tasks first in, first out; waiters of one descriptor in the order they came, the baton passed on. */
#include "support.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void *park_and_log(void *arg) {
  CHECK_EQ(gt_park(), 0);
  s_log(*(const char *)arg);
  return NULL;
}

TEST(order_woken_tasks_run_in_the_order_of_their_wakes) {
  static const char names[] = "abcdefgh";
  int64_t tasks[8];
  for (int i = 0; i < 8; i++) tasks[i] = s_spawn(park_and_log, (void *)(uintptr_t)&names[i]);
  s_settle();
  const int order[] = {3, 1, 4, 0, 7, 6, 2, 5};
  for (int i = 0; i < 8; i++) CHECK_EQ(gt_unpark(tasks[order[i]]), 0);
  for (int i = 0; i < 8; i++) s_join(tasks[i]);
  CHECK_STR(s_logged(), "dbeahgcf");
}

static void *wake_from_thread(void *arg) {
  int64_t *tasks = arg;
  const int order[] = {5, 2, 6, 7, 0, 4, 1, 3};
  for (int i = 0; i < 8; i++) CHECK_EQ(gt_unpark(tasks[order[i]]), 0);
  return NULL;
}

TEST(order_wakes_from_another_thread_keep_their_order) {
  static const char names[] = "abcdefgh";
  int64_t tasks[8];
  for (int i = 0; i < 8; i++) tasks[i] = s_spawn(park_and_log, (void *)(uintptr_t)&names[i]);
  s_settle();
  s_thread_join(s_thread(wake_from_thread, tasks));
  for (int i = 0; i < 8; i++) s_join(tasks[i]);
  CHECK_STR(s_logged(), "fcghaebd");
}

struct waiter {
  int fd;
  char name;
};

static void *receive_and_log(void *arg) {
  struct waiter *waiter = arg;
  char byte;
  CHECK_EQ(gt_recv(waiter->fd, &byte, 1, 0), 1);
  s_log(waiter->name);
  s_log(byte);
  return NULL;
}

static void until_logged(size_t length) {
  while (strlen(s_logged()) < length) CHECK_EQ(gt_sleep(MS(1)), 0);
}

TEST(order_several_readers_of_one_descriptor_are_served_in_turn) {
  for (int adopted = 0; adopted < 2; adopted++) {
    struct waiter waiters[6];
    int64_t tasks[6];
    int fds[2];
    s_log_clear();
    s_unix_pair(SOCK_STREAM, fds);
    if (adopted) s_adopt_pair(fds);
    for (int i = 0; i < 6; i++) {
      waiters[i] = (struct waiter){fds[0], (char)('a' + i)};
      tasks[i] = s_spawn(receive_and_log, &waiters[i]);
    }
    s_settle();
    CHECK_EQ(gt_send(fds[1], "123", 3, 0), 3); /* one event, three bytes: the baton goes on */
    until_logged(6);
    CHECK_STR(s_logged(), "a1b2c3");
    for (int i = 3; i < 6; i++) {
      CHECK_EQ(gt_send(fds[1], "x", 1, 0), 1);
      until_logged(2 * (size_t)i + 2);
    }
    CHECK_STR(s_logged(), "a1b2c3dxexfx");
    for (int i = 0; i < 6; i++) s_join(tasks[i]);
    s_close_pair(fds);
  }
}

static void *receive_once(void *arg) {
  char byte;
  return (void *)(intptr_t)gt_recv(*(int *)arg, &byte, 1, 0);
}

/* The others have parked, and the reactor has heard of it. A sleep alone may be over before either has happened. */
static void settle_and_poll(void) {
  s_settle();
  const uint64_t before = s_stats().polls;
  do CHECK_EQ(gt_sleep(MS(2)), 0);
  while (s_stats().polls == before);
}

TEST(order_a_waiter_that_is_cancelled_passes_the_baton) {
  for (int adopted = 0; adopted < 2; adopted++) {
    int fds[2];
    s_unix_pair(SOCK_STREAM, fds);
    if (adopted) s_adopt_pair(fds);
    int64_t first = s_spawn(receive_once, &fds[0]), second = s_spawn(receive_once, &fds[0]), third = s_spawn(receive_once, &fds[0]);
    settle_and_poll();
    CHECK_EQ(gt_send(fds[1], "x", 1, 0), 1);
    CHECK_EQ(gt_cancel(first), 0);
    CHECK_EQ(gt_cancel(third), 0);
    intptr_t a = (intptr_t)s_join(first);
    CHECK(a == 1 || a == -ECANCELED);
    if (a == 1) CHECK_EQ(gt_send(fds[1], "y", 1, 0), 1);
    CHECK_EQ((intptr_t)s_join(second), 1);
    CHECK_EQ((intptr_t)s_join(third), -ECANCELED);
    s_close_pair(fds);
  }
}

TEST(order_end_of_stream_reaches_every_reader) {
  for (int adopted = 0; adopted < 2; adopted++) {
    int fds[2];
    int64_t tasks[10];
    s_unix_pair(SOCK_STREAM, fds);
    if (adopted) s_adopt_pair(fds);
    for (int i = 0; i < 10; i++) tasks[i] = s_spawn(receive_once, &fds[0]);
    s_settle();
    CHECK_EQ(gt_close(fds[1]), 0);
    for (int i = 0; i < 10; i++) CHECK_EQ((intptr_t)s_join(tasks[i]), 0);
    CHECK_EQ(gt_close(fds[0]), 0);
  }
}

static void *accept_once(void *arg) {
  int fd = gt_accept(*(int *)arg, NULL, NULL);
  CHECK_OK(fd);
  CHECK_EQ(gt_close(fd), 0);
  s_log('a');
  return NULL;
}

TEST(order_several_acceptors_share_one_listener) {
  uint16_t port;
  int listener = s_listener(&port), fds[5];
  int64_t tasks[5];
  for (int i = 0; i < 5; i++) tasks[i] = s_spawn(accept_once, &listener);
  s_settle();
  for (int i = 0; i < 5; i++) CHECK_OK(fds[i] = gt_dial_tcp("127.0.0.1", port));
  for (int i = 0; i < 5; i++) s_join(tasks[i]);
  CHECK_STR(s_logged(), "aaaaa");
  for (int i = 0; i < 5; i++) CHECK_EQ(gt_close(fds[i]), 0);
  CHECK_EQ(gt_close(listener), 0);
}

static void *reader_of_pair(void *arg) {
  char byte;
  int fd = *(int *)arg;
  for (int i = 0; i < 1000; i++) CHECK_EQ(gt_recv(fd, &byte, 1, 0), 1);
  return NULL;
}

static void *writer_of_pair(void *arg) {
  int fd = *(int *)arg;
  for (int i = 0; i < 1000; i++) {
    CHECK_EQ(gt_send(fd, "w", 1, 0), 1);
    if (i % 5 == 0) CHECK_EQ(gt_yield(), 0);
  }
  return NULL;
}

TEST(order_reading_and_writing_one_descriptor_do_not_disturb_each_other) {
  int fds[2];
  s_unix_pair(SOCK_STREAM, fds);
  s_adopt_pair(fds);
  int64_t tasks[] = {s_spawn(reader_of_pair, &fds[0]), s_spawn(writer_of_pair, &fds[0]), s_spawn(reader_of_pair, &fds[1]),
                     s_spawn(writer_of_pair, &fds[1])};
  for (size_t i = 0; i < COUNT(tasks); i++) s_join(tasks[i]);
  s_close_pair(fds);
}

struct thief {
  int own, victims;
  int64_t victim;
  int interrupt;
};

/* Woken in the same poll as the victim, and before it: takes the victim's byte away and ends its wait. */
static void *steal_and_end(void *arg) {
  struct thief *thief = arg;
  char byte;
  CHECK_EQ(gt_recv(thief->own, &byte, 1, 0), 1);
  CHECK_EQ(recv(thief->victims, &byte, 1, MSG_DONTWAIT), 1);
  if (thief->interrupt)
    CHECK_EQ(gt_interrupt(thief->victim, 1), 0);
  else
    CHECK_EQ(gt_cancel(thief->victim), 0);
  return NULL;
}

TEST(order_cancel_of_a_waiter_that_was_woken_in_vain_is_not_lost) {
  for (int round = 0; round < 4; round++) {
    int own[2], victims[2];
    s_unix_pair(SOCK_STREAM, own);
    s_unix_pair(SOCK_STREAM, victims);
    if (round & 1) s_adopt_pair(own);
    if (round & 1) s_adopt_pair(victims);
    struct thief thief = {.own = own[0], .victims = victims[0], .victim = s_spawn(receive_once, &victims[0]), .interrupt = round & 2};
    int64_t task = s_spawn(steal_and_end, &thief);
    settle_and_poll();
    CHECK_EQ(gt_send(own[1], "t", 1, 0), 1);
    CHECK_EQ(gt_send(victims[1], "v", 1, 0), 1);
    CHECK_EQ((intptr_t)s_join(thief.victim), round & 2 ? -EINTR : -ECANCELED);
    s_join(task);
    s_close_pair(own);
    s_close_pair(victims);
  }
}
