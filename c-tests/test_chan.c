/* Channels, of both kinds. How the quick way and the whole one meet: test_chan_ways.c. */
#include "support.h"

#include <errno.h>
#include <stdlib.h>

typedef gt_chan_t *(*make_t)(size_t, size_t);
static const make_t kinds[] = {gt_chan_new, gt_chan_new_shared};

static gt_chan_t *make(make_t kind, size_t size, size_t capacity) {
  gt_chan_t *chan = kind(size, capacity);
  CHECK(chan != NULL);
  return chan;
}

#define FOR_BOTH(kind) for (const make_t *kind = kinds; kind < kinds + COUNT(kinds); kind++)

struct side {
  gt_chan_t *chan;
  int64_t value, deadline;
  size_t count, moved;
  int rc;
  const char *letter;
};

static void *send_one(void *arg) {
  struct side *side = arg;
  side->rc = gt_chan_send_until(side->chan, &side->value, side->deadline ? side->deadline : GT_NEVER);
  if (side->letter) s_log(*side->letter);
  return NULL;
}

static void *recv_one(void *arg) {
  struct side *side = arg;
  side->rc = gt_chan_recv_until(side->chan, &side->value, side->deadline ? side->deadline : GT_NEVER);
  if (side->letter) s_log(*side->letter);
  return NULL;
}

TEST(chan_unbuffered_hands_the_item_over) {
  FOR_BOTH(kind) {
    struct side sender = {.chan = make(*kind, 8, 0), .value = 42, .rc = 1};
    int64_t task = s_spawn(send_one, &sender), got = 0;
    s_settle();
    CHECK_EQ(sender.rc, 1);
    CHECK_EQ(gt_chan_len(sender.chan), 0);
    CHECK_EQ(gt_chan_recv(sender.chan, &got), 0);
    CHECK_EQ(got, 42);
    CHECK_EQ(sender.rc, 1); /* it runs when the receiver blocks or yields */
    s_join(task);
    CHECK_EQ(sender.rc, 0);

    struct side receiver = {.chan = sender.chan, .rc = 1};
    task = s_spawn(recv_one, &receiver);
    s_settle();
    int64_t item = 43;
    CHECK_EQ(gt_chan_send(receiver.chan, &item), 0);
    CHECK_EQ(receiver.value, 43);
    s_join(task);
    CHECK_EQ(receiver.rc, 0);
    CHECK_EQ(gt_chan_free(sender.chan), 0);
  }
}

TEST(chan_buffered_keeps_the_order_and_the_capacity) {
  FOR_BOTH(kind) {
    gt_chan_t *chan = make(*kind, 4, 3);
    CHECK_EQ(gt_chan_capacity(chan), 3);
    for (int round = 0; round < 5; round++) {
      for (int i = 0; i < 3; i++) {
        CHECK_EQ(gt_chan_len(chan), i);
        CHECK_EQ(gt_chan_send(chan, &i), 0);
      }
      int more = 9;
      CHECK_EQ(gt_chan_send_try(chan, &more), -EAGAIN);
      for (int i = 0, got = -1; i < 3; i++) {
        CHECK_EQ(gt_chan_recv(chan, &got), 0);
        CHECK_EQ(got, i);
      }
      CHECK_EQ(gt_chan_recv_try(chan, &more), -EAGAIN);
      CHECK_EQ(more, 9); /* written on success only */
    }
    CHECK_EQ(gt_chan_free(chan), 0);
  }
}

TEST(chan_items_of_every_size_arrive_whole) {
  FOR_BOTH(kind) for (size_t size = 1; size <= 40; size++) for (size_t capacity = 0; capacity < 4; capacity += 3) {
      unsigned char sent[41], got[41];
      gt_chan_t *chan = make(*kind, size, capacity);
      for (size_t i = 0; i <= size; i++) sent[i] = (unsigned char)(i * 7 + size);
      memset(got, 0xEE, sizeof got);
      struct side receiver = {.chan = chan};
      (void)receiver;
      if (capacity) {
        CHECK_EQ(gt_chan_send(chan, sent + 1), 0); /* not aligned */
        CHECK_EQ(gt_chan_send(chan, sent), 0);
        CHECK_EQ(gt_chan_recv(chan, got + 1), 0);
        CHECK_MEM(got + 1, sent + 1, size);
        CHECK_EQ(got[0], 0xEE);
        if (size < 40) CHECK_EQ(got[size + 1], 0xEE);
      } else {
        CHECK_EQ(gt_chan_send_try(chan, sent), -EAGAIN);
        CHECK_EQ(gt_chan_recv_try(chan, got), -EAGAIN);
      }
      CHECK_EQ(gt_chan_free(chan), 0);
    }
}

static void *send_big(void *arg) {
  static char item[300];
  memset(item, 5, sizeof item);
  CHECK_EQ(gt_chan_send(arg, item), 0);
  return NULL;
}

TEST(chan_big_items_go_from_stack_to_stack) {
  char got[301];
  gt_chan_t *chan = make(gt_chan_new, 300, 0);
  int64_t task = s_spawn(send_big, chan);
  got[300] = 1;
  CHECK_EQ(gt_chan_recv(chan, got), 0);
  CHECK_EQ(got[0] + got[299] + got[300], 11);
  s_join(task);
  CHECK_EQ(gt_chan_free(chan), 0);
}

TEST(chan_serves_those_who_wait_in_the_order_they_came) {
  FOR_BOTH(kind) for (int full = 0; full < 2; full++) {
      struct side sides[5];
      int64_t tasks[5], item = 100;
      gt_chan_t *chan = make(*kind, 8, full ? 2 : 0);
      s_log_clear();
      if (full) {
        CHECK_EQ(gt_chan_send(chan, &item), 0);
        CHECK_EQ(gt_chan_send(chan, &item), 0);
      }
      for (int i = 0; i < 5; i++) {
        sides[i] = (struct side){.chan = chan, .value = full ? i : -1, .letter = &"abcde"[i]};
        tasks[i] = s_spawn(full ? send_one : recv_one, &sides[i]);
      }
      s_settle();
      CHECK_STR(s_logged(), "");
      for (int64_t i = 0; i < 5; i++) {
        if (full)
          CHECK_EQ(gt_chan_recv(chan, &item), 0);
        else
          CHECK_EQ(gt_chan_send(chan, &i), 0);
      }
      for (int i = 0; i < 5; i++) s_join(tasks[i]);
      CHECK_STR(s_logged(), "abcde");
      for (int64_t i = 0; i < 5; i++) {
        CHECK_EQ(sides[i].rc, 0);
        CHECK_EQ(sides[i].value, i);
      }
      for (int64_t i = 3; full && i < 5; i++) {
        CHECK_EQ(gt_chan_recv(chan, &item), 0);
        CHECK_EQ(item, i);
      }
      CHECK_EQ(gt_chan_free(chan), 0);
    }
}

/* -- close */

TEST(chan_close_lets_receivers_drain) {
  FOR_BOTH(kind) {
    int item = 1, got = 0;
    gt_chan_t *chan = make(*kind, sizeof item, 2);
    CHECK_EQ(gt_chan_send(chan, &item), 0);
    item = 2;
    CHECK_EQ(gt_chan_send(chan, &item), 0);
    CHECK_EQ(gt_chan_close(chan), 0);
    CHECK_EQ(gt_chan_close(chan), -EALREADY);
    CHECK_EQ(gt_chan_send(chan, &item), -EPIPE);
    CHECK_EQ(gt_chan_send_try(chan, &item), -EPIPE);
    CHECK_EQ(gt_chan_send_until(chan, &item, 0), -EPIPE);
    CHECK_EQ(gt_chan_recv(chan, &got), 0);
    CHECK_EQ(got, 1);
    CHECK_EQ(gt_chan_recv_try(chan, &got), 0);
    CHECK_EQ(got, 2);
    CHECK_EQ(gt_chan_recv(chan, &got), -EPIPE);
    CHECK_EQ(gt_chan_recv_try(chan, &got), -EPIPE);
    CHECK_EQ(gt_chan_recv_until(chan, &got, 0), -EPIPE);
    CHECK_EQ(got, 2);
    CHECK_EQ(gt_chan_free(chan), 0);
  }
}

TEST(chan_close_ends_all_who_wait) {
  FOR_BOTH(kind) for (int way = 0; way < 2; way++) {
      struct side sides[40];
      int64_t tasks[40];
      gt_chan_t *chan = make(*kind, 8, 0);
      for (int i = 0; i < 40; i++) {
        sides[i] = (struct side){.chan = chan, .value = -7};
        tasks[i] = s_spawn(way ? send_one : recv_one, &sides[i]);
      }
      s_settle();
      CHECK_EQ(gt_chan_close(chan), 0);
      for (int i = 0; i < 40; i++) {
        s_join(tasks[i]);
        CHECK_EQ(sides[i].rc, -EPIPE);
        CHECK_EQ(sides[i].value, -7);
      }
      CHECK_EQ(gt_chan_free(chan), 0);
    }
}

/* -- deadlines, cancel, interrupt */

TEST(chan_deadline_passes) {
  FOR_BOTH(kind) {
    int item = 3;
    gt_chan_t *chan = make(*kind, sizeof item, 0);
    int64_t until = IN_MS(5);
    CHECK_EQ(gt_chan_recv_until(chan, &item, until), -ETIMEDOUT);
    CHECK_GE(gt_now(), until);
    CHECK_EQ(gt_chan_send_until(chan, &item, IN_MS(2)), -ETIMEDOUT);
    CHECK_EQ(gt_chan_send_until(chan, &item, 0), -ETIMEDOUT); /* tries once */
    CHECK_EQ(gt_chan_recv_until(chan, &item, -1), -ETIMEDOUT);
    int64_t scope = gt_deadline_push(IN_MS(2));
    CHECK_EQ(gt_chan_recv(chan, &item), -ETIMEDOUT);
    CHECK_EQ(gt_deadline_pop(scope), 1);
    CHECK_EQ(item, 3);
    CHECK_EQ(gt_chan_free(chan), 0); /* nobody is left in it */
  }
}

TEST(chan_past_deadline_takes_what_is_there) {
  FOR_BOTH(kind) {
    int item = 3, got = 0;
    gt_chan_t *chan = make(*kind, sizeof item, 1);
    CHECK_EQ(gt_chan_send_until(chan, &item, 0), 0);
    CHECK_EQ(gt_chan_recv_until(chan, &got, 0), 0);
    CHECK_EQ(got, 3);
    CHECK_EQ(gt_chan_free(chan), 0);
  }
}

TEST(chan_cancel_and_interrupt_end_a_wait) {
  FOR_BOTH(kind) for (int way = 0; way < 2; way++) {
      gt_chan_t *chan = make(*kind, 8, 0);
      struct side a = {.chan = chan, .value = 1}, b = a, c = a;
      void *(*entry)(void *) = way ? send_one : recv_one;
      int64_t cancelled = s_spawn(entry, &a), interrupted = s_spawn(entry, &b), third = s_spawn(entry, &c);
      s_settle();
      CHECK_EQ(gt_cancel(cancelled), 0);
      CHECK_EQ(gt_interrupt(interrupted, 5), 0);
      s_settle();
      CHECK_EQ(a.rc, -ECANCELED);
      CHECK_EQ(b.rc, -EINTR);
      /* the third is the first now */
      CHECK_EQ(way ? gt_chan_recv_try(chan, &a.value) : gt_chan_send_try(chan, &a.value), 0);
      s_join(cancelled);
      s_join(interrupted);
      s_join(third);
      CHECK_EQ(c.rc, 0);
      CHECK_EQ(gt_chan_free(chan), 0);
    }
}

TEST(chan_cancelled_before_is_told_at_once) {
  FOR_BOTH(kind) {
    struct side a = {.chan = make(*kind, 8, 1)};
    int64_t task = s_spawn(send_one, &a);
    CHECK_EQ(gt_cancel(task), 0);
    s_join(task);
    CHECK_EQ(a.rc, -ECANCELED);
    CHECK_EQ(gt_chan_len(a.chan), 0);
    CHECK_EQ(gt_chan_free(a.chan), 0);
  }
}

static int interrupt_left;

static void *recv_then_sleep(void *arg) {
  recv_one(arg);
  interrupt_left = gt_sleep(MS(1000));
  return NULL;
}

/* Work that was done wins, and the interrupt is still to come. */
TEST(chan_item_that_was_handed_over_is_never_lost) {
  FOR_BOTH(kind) for (int first = 0; first < 2; first++) for (int way = 0; way < 2; way++) {
        gt_chan_t *chan = make(*kind, 8, 0);
        int64_t item = 77;
        struct side a = {.chan = chan};
        int64_t task = s_spawn(recv_then_sleep, &a);
        s_settle();
        if (first) CHECK_EQ(way ? gt_cancel(task) : gt_interrupt(task, 1), 0);
        CHECK_EQ(gt_chan_send_try(chan, &item), 0);
        if (!first) CHECK_EQ(way ? gt_cancel(task) : gt_interrupt(task, 1), 0);
        s_join(task);
        CHECK_EQ(a.rc, 0);
        CHECK_EQ(a.value, 77);
        CHECK_EQ(interrupt_left, way ? -ECANCELED : -EINTR);
        CHECK_EQ(gt_chan_free(chan), 0);
      }
}

/* -- many */

static void *send_some(void *arg) {
  struct side *side = arg;
  int64_t items[64];
  for (size_t i = 0; i < side->count; i++) items[i] = side->value + (int64_t)i;
  side->rc = gt_chan_send_many_until(side->chan, items, side->count, &side->moved, side->deadline ? side->deadline : GT_NEVER);
  return NULL;
}

TEST(chan_many_moves_all_and_counts) {
  FOR_BOTH(kind) for (size_t capacity = 0; capacity < 9; capacity += 4) {
      struct side sender = {.chan = make(*kind, 8, capacity), .count = 50, .value = 1000};
      int64_t task = s_spawn(send_some, &sender), got[64], next = 1000;
      while (next < 1050) {
        size_t received = 99;
        CHECK_EQ(gt_chan_recv_many(sender.chan, got, 7, &received), 0);
        CHECK(received > 0 && received <= 7);
        for (size_t i = 0; i < received; i++) CHECK_EQ(got[i], next++);
      }
      s_join(task);
      CHECK_EQ(sender.rc, 0);
      CHECK_EQ(sender.moved, 50);
      CHECK_EQ(gt_chan_free(sender.chan), 0);
    }
}

TEST(chan_many_wakes_many) {
  FOR_BOTH(kind) {
    struct side sides[40];
    int64_t tasks[40], got[64];
    size_t received = 0, total = 0, sent = 0;
    gt_chan_t *chan = make(*kind, 8, 3);
    for (int i = 0; i < 40; i++) {
      sides[i] = (struct side){.chan = chan, .value = i};
      tasks[i] = s_spawn(send_one, &sides[i]);
    }
    s_settle();
    CHECK_EQ(gt_chan_recv_many_try(chan, got, 64, &received), 0);
    CHECK_EQ(received, 40); /* those in the ring and those who waited, in order */
    for (int i = 0; i < 40; i++) CHECK_EQ(got[i], i);
    for (int i = 0; i < 40; i++) s_join(tasks[i]);

    for (int i = 0; i < 40; i++) {
      sides[i] = (struct side){.chan = chan};
      tasks[i] = s_spawn(recv_one, &sides[i]);
    }
    s_settle();
    CHECK_EQ(gt_chan_send_many_try(chan, got, 64, &sent), -EAGAIN);
    CHECK_EQ(sent, 43); /* 40 who waited, 3 in the ring */
    for (int i = 0; i < 40; i++) {
      s_join(tasks[i]);
      CHECK_EQ(sides[i].value, i);
      total++;
    }
    CHECK_EQ(total, 40);
    CHECK_EQ(gt_chan_free(chan), 0);
  }
}

TEST(chan_recv_many_that_waits_gets_a_whole_batch) {
  FOR_BOTH(kind) {
    int64_t got[8] = {0};
    size_t received = 0;
    struct side sender = {.chan = make(*kind, 8, 0), .count = 5, .value = 10};
    int64_t task = s_spawn(send_some, &sender); /* runs when the root waits */
    CHECK_EQ(gt_chan_recv_many(sender.chan, got, 8, &received), 0);
    CHECK_EQ(received, 5);
    CHECK_EQ(got[4], 14);
    s_join(task);
    CHECK_EQ(sender.moved, 5);
    CHECK_EQ(gt_chan_free(sender.chan), 0);
  }
}

TEST(chan_many_reports_partial_counts_with_every_error) {
  CHECK_EQ(gt_clock_virtual(0, 0), 0); /* the deadline passes when four items are through, however slow the machine */
  FOR_BOTH(kind) for (int how = 0; how < 4; how++) {
      struct side sender = {.chan = make(*kind, 8, 0), .count = 10, .value = 5, .deadline = how == 3 ? IN_MS(10) : 0};
      int64_t task = s_spawn(send_some, &sender), got = 0;
      for (int i = 0; i < 4; i++) {
        CHECK_EQ(gt_chan_recv(sender.chan, &got), 0);
        CHECK_EQ(got, 5 + i);
      }
      if (how == 0) CHECK_EQ(gt_cancel(task), 0);
      if (how == 1) CHECK_EQ(gt_interrupt(task, 1), 0);
      if (how == 2) CHECK_EQ(gt_chan_close(sender.chan), 0);
      s_join(task);
      static const int errors[] = {-ECANCELED, -EINTR, -EPIPE, -ETIMEDOUT};
      CHECK_EQ(sender.rc, errors[how]);
      CHECK_EQ(sender.moved, 4);
      CHECK_EQ(gt_chan_free(sender.chan), 0);
    }
}

TEST(chan_many_without_items_is_done) {
  FOR_BOTH(kind) {
    gt_chan_t *chan = make(*kind, 8, 1);
    size_t count = 9;
    CHECK_EQ(gt_chan_send_many(chan, NULL, 0, &count), 0);
    CHECK_EQ(count, 0);
    CHECK_EQ(gt_chan_recv_many(chan, NULL, 0, NULL), 0);
    CHECK_EQ(gt_chan_recv_many_try(chan, &count, 1, NULL), -EAGAIN);
    CHECK_EQ(gt_chan_recv_many_until(chan, &count, 1, NULL, 0), -ETIMEDOUT);
    CHECK_EQ(gt_chan_close(chan), 0);
    count = 9;
    int64_t item = 0;
    CHECK_EQ(gt_chan_recv_many(chan, &item, 1, &count), -EPIPE);
    CHECK_EQ(count, 0);
    CHECK_EQ(gt_chan_send_many(chan, &item, 1, &count), -EPIPE);
    CHECK_EQ(gt_chan_free(chan), 0);
  }
}

/* -- fairness */

static volatile int others_turn;

static void *take_turns(void *arg) {
  (void)arg;
  others_turn++;
  return NULL;
}

TEST(chan_task_that_never_waits_gives_way_now_and_then) {
  FOR_BOTH(kind) {
    gt_chan_t *chan = make(*kind, 8, 1);
    others_turn = 0;
    int64_t task = s_spawn(take_turns, NULL), item = 0;
    for (int i = 0; i < 1000 && !others_turn; i++) {
      CHECK_EQ(gt_chan_send(chan, &item), 0);
      CHECK_EQ(gt_chan_recv(chan, &item), 0);
    }
    CHECK_EQ(others_turn, 1);
    s_join(task);
    CHECK_EQ(gt_chan_free(chan), 0);
  }
}

/* -- bad input */

TEST(chan_refuses_bad_sizes) {
  FOR_BOTH(kind) {
    errno = 0;
    CHECK((*kind)(0, 5) == NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK((*kind)(8, SIZE_MAX / 4) == NULL);
    CHECK_EQ(errno, EOVERFLOW);
    CHECK((*kind)(SIZE_MAX, 0) == NULL);
    CHECK_EQ(errno, EOVERFLOW);
    CHECK((*kind)(2, (size_t)1 << 62) == NULL);
    CHECK_EQ(errno, EOVERFLOW);
    CHECK((*kind)(1, (size_t)1 << 62) == NULL);
    CHECK_EQ(errno, ENOMEM);
  }
  CHECK(gt_chan_new(SIZE_MAX / 2, 3) == NULL);
  CHECK_EQ(errno, EOVERFLOW);
}

TEST(chan_refuses_null) {
  int item = 0;
  size_t n = 7;
  CHECK_EQ(gt_chan_free(NULL), 0);
  CHECK_EQ(gt_chan_send(NULL, &item), -EINVAL);
  CHECK_EQ(gt_chan_recv(NULL, &item), -EINVAL);
  CHECK_EQ(gt_chan_send_until(NULL, &item, 0), -EINVAL);
  CHECK_EQ(gt_chan_recv_until(NULL, &item, 0), -EINVAL);
  CHECK_EQ(gt_chan_send_try(NULL, &item), -EINVAL);
  CHECK_EQ(gt_chan_recv_try(NULL, &item), -EINVAL);
  CHECK_EQ(gt_chan_send_many(NULL, &item, 1, &n), -EINVAL);
  CHECK_EQ(n, 0);
  CHECK_EQ(gt_chan_recv_many(NULL, &item, 1, &n), -EINVAL);
  CHECK_EQ(gt_chan_close(NULL), -EINVAL);
  CHECK_EQ(gt_chan_len(NULL), -EINVAL);
  CHECK_EQ(gt_chan_capacity(NULL), -EINVAL);
  FOR_BOTH(kind) {
    gt_chan_t *chan = make(*kind, sizeof item, 1);
    CHECK_EQ(gt_chan_send(chan, NULL), -EINVAL);
    CHECK_EQ(gt_chan_recv(chan, NULL), -EINVAL);
    CHECK_EQ(gt_chan_send_try(chan, NULL), -EINVAL);
    CHECK_EQ(gt_chan_recv_try(chan, NULL), -EINVAL);
    CHECK_EQ(gt_chan_send_many(chan, NULL, 1, NULL), -EINVAL);
    CHECK_EQ(gt_chan_recv_many(chan, NULL, 1, NULL), -EINVAL);
    CHECK_EQ(gt_chan_free(chan), 0);
  }
}

TEST(chan_freed_twice_is_recognised) {
  FOR_BOTH(kind) {
    int item = 0;
    gt_chan_t *chan = make(*kind, sizeof item, 1);
    CHECK_EQ(gt_chan_free(chan), 0);
    CHECK_EQ(gt_chan_free(chan), -EINVAL);
    CHECK_EQ(gt_chan_send(chan, &item), -EINVAL);
    CHECK_EQ(gt_chan_recv_try(chan, &item), -EINVAL);
    CHECK_EQ(gt_chan_close(chan), -EINVAL);
    CHECK_EQ(gt_chan_len(chan), -EINVAL);
  }
}

TEST(chan_in_use_is_not_freed) {
  FOR_BOTH(kind) for (int way = 0; way < 2; way++) {
      struct side a = {.chan = make(*kind, 8, 0)};
      int64_t task = s_spawn(way ? send_one : recv_one, &a);
      s_settle();
      CHECK_EQ(gt_chan_free(a.chan), -EBUSY);
      CHECK_EQ(gt_chan_close(a.chan), 0);
      CHECK_EQ(gt_chan_free(a.chan), 0); /* it was told, and does not come back to the channel */
      s_join(task);
      CHECK_EQ(a.rc, -EPIPE);
    }
}

static void *close_each(void *arg) {
  gt_chan_t *todo = arg, *chan;
  while (gt_chan_recv(todo, &chan) == 0) CHECK_EQ(gt_chan_close(chan), 0);
  CHECK_EQ(gt_shutdown(), 0);
  return NULL;
}

TEST(chan_can_be_freed_by_who_is_told_that_it_is_closed) {
  gt_chan_t *todo = make(gt_chan_new_shared, sizeof(gt_chan_t *), 0);
  pthread_t closer = s_thread(close_each, todo);
  for (int i = 0; i < 5000; i++) {
    gt_chan_t *chan = make(gt_chan_new_shared, 8, 0);
    int64_t item;
    CHECK_EQ(gt_chan_send(todo, &chan), 0);
    CHECK_EQ(gt_chan_recv(chan, &item), -EPIPE);
    CHECK_EQ(gt_chan_free(chan), 0); /* though gt_chan_close() may not have returned yet */
  }
  CHECK_EQ(gt_chan_close(todo), 0);
  s_thread_join(closer);
  CHECK_EQ(gt_chan_free(todo), 0);
}

static void *use_elsewhere(void *arg) {
  gt_chan_t *chan = arg;
  int64_t item = 0;
  CHECK_EQ(gt_chan_send(chan, &item), -EXDEV);
  CHECK_EQ(gt_chan_recv(chan, &item), -EXDEV);
  CHECK_EQ(gt_chan_send_try(chan, &item), -EXDEV);
  CHECK_EQ(gt_chan_recv_until(chan, &item, 0), -EXDEV);
  CHECK_EQ(gt_chan_send_many(chan, &item, 1, NULL), -EXDEV);
  CHECK_EQ(gt_chan_recv_many_try(chan, &item, 1, NULL), -EXDEV);
  CHECK_EQ(gt_chan_close(chan), -EXDEV);
  CHECK_EQ(gt_chan_len(chan), -EXDEV);
  CHECK_EQ(gt_chan_capacity(chan), 1);
  CHECK_EQ(gt_chan_free(chan), -EXDEV);
  CHECK_EQ(gt_shutdown(), 0);
  return NULL;
}

TEST(chan_of_another_thread_is_refused) {
  gt_chan_t *chan = make(gt_chan_new, 8, 1);
  s_thread_join(s_thread(use_elsewhere, chan));
  CHECK_EQ(gt_chan_free(chan), 0);
}

static void *leave_one_behind(void *arg) {
  gt_chan_t **chan = arg;
  *chan = make(gt_chan_new, 8, 1);
  int64_t item = 1;
  CHECK_EQ(gt_chan_send(*chan, &item), 0);
  CHECK_EQ(gt_shutdown(), 0);
  return NULL;
}

TEST(chan_whose_thread_has_ended_can_be_freed) {
  gt_chan_t *chan = NULL;
  int64_t item;
  s_thread_join(s_thread(leave_one_behind, &chan));
  CHECK_EQ(gt_chan_recv(chan, &item), -EXDEV); /* also when a new scheduler lies where the old one lay */
  CHECK_EQ(gt_chan_free(chan), 0);
}

TEST(chan_deadlock_is_reported) {
  int item;
  gt_config_t config = {.size = sizeof config, .deadlock = GT_DEADLOCK_ERROR};
  CHECK_EQ(gt_config(&config), 0);
  gt_chan_t *chan = make(gt_chan_new, sizeof item, 0);
  CHECK_EQ(gt_chan_recv(chan, &item), -EDEADLK);
  CHECK_EQ(gt_chan_send(chan, &item), -EDEADLK);
  CHECK_EQ(gt_chan_free(chan), 0);
}

/* -- fork */

static void in_child(void *arg) {
  gt_chan_t *chan = arg;
  int64_t item = 5;
  /* the parent's tasks that wait in it do not exist here */
  CHECK_EQ(gt_chan_send_try(chan, &item), -EAGAIN);
  struct side a = {.chan = chan};
  int64_t task = s_spawn(recv_one, &a);
  CHECK_EQ(gt_chan_send(chan, &item), 0);
  s_join(task);
  CHECK_EQ(a.value, 5);
  CHECK_EQ(gt_chan_free(chan), 0);
}

TEST(chan_in_a_forked_child_has_no_waiters) {
  FOR_BOTH(kind) {
    struct side a = {.chan = make(*kind, 8, 0)};
    int64_t task = s_spawn(recv_one, &a), item = 9;
    struct s_end end;
    s_settle();
    s_child(in_child, a.chan, &end);
    CHECK_STR(end.out, "");
    CHECK_EQ(end.status, 0);
    CHECK_EQ(gt_chan_send_try(a.chan, &item), 0);
    s_join(task);
    CHECK_EQ(a.value, 9);
    CHECK_EQ(gt_chan_free(a.chan), 0);
  }
}
