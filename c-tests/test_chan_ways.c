/* Channels: the quick way and the whole one meet, and a wait goes back to where it was called from (docs/decisions/0052). */
#include "support.h"

#include <errno.h>

static gt_chan_t *make(size_t size, size_t capacity) {
  gt_chan_t *chan = gt_chan_new(size, capacity);
  CHECK(chan != NULL);
  return chan;
}

/* -- the way back */

enum { TURNS = 200 };

struct partner {
  gt_chan_t *in, *out;
  uint64_t number, checks;
};

/* Each has its own lines of code, and values that the compiler would like to keep in registers over the calls. */
#define WAITER(name, turn)                                                                         \
  DEEP static uint64_t name(struct partner *p, unsigned depth) {                                   \
    uint64_t a = p->number * 3 + depth, b = a * 5 + 1, c = b * 7 + 2, d = c * 11 + 3, e = d ^ a, item; \
    if (depth) return name(p, depth - 1) + e - (d ^ a);                                            \
    for (uint64_t i = 0; i < TURNS; i++) {                                                         \
      turn;                                                                                        \
      p->checks += e == (d ^ a) && d == c * 11 + 3 && c == b * 7 + 2 && b == a * 5 + 1 && a == p->number * 3; \
    }                                                                                              \
    return p->checks;                                                                              \
  }

static void get(int rc, uint64_t got, uint64_t wanted) {
  CHECK_EQ(rc, 0);
  CHECK_EQ(got, wanted);
}

WAITER(receives, {
  int rc = gt_chan_recv(p->in, &item);
  get(rc, item, i);
  CHECK_EQ(gt_chan_send(p->out, &item), 0);
})
WAITER(receives_in_time, {
  int rc = gt_chan_recv_until(p->in, &item, IN_MS(60000));
  get(rc, item, i);
  CHECK_EQ(gt_chan_send_until(p->out, &item, IN_MS(60000)), 0);
})
WAITER(receives_elsewhere, {
  int rc;
  if (i % 3 == 0) {
    rc = gt_chan_recv(p->in, &item);
  } else {
    rc = gt_chan_recv(p->in, &item);
  }
  get(rc, item, i);
  CHECK_EQ(i % 2 ? gt_chan_send(p->out, &item) : gt_chan_send_until(p->out, &item, GT_NEVER), 0);
})

static void *receives_flat(void *arg) { return (void *)(uintptr_t)receives(arg, 0); }
static void *receives_deep(void *arg) { return (void *)(uintptr_t)receives(arg, 9); }
static void *in_time(void *arg) { return (void *)(uintptr_t)receives_in_time(arg, 2); }
static void *elsewhere(void *arg) { return (void *)(uintptr_t)receives_elsewhere(arg, 5); }

/* A ring of tasks that hand a number on: behind the same line, behind different lines, at different depths. */
TEST(chan_waits_return_to_where_they_were_called_from) {
  static void *(*const bodies[])(void *) = {receives_flat, receives_flat, receives_deep, in_time, elsewhere, in_time, receives_flat};
  struct partner partners[COUNT(bodies)];
  int64_t tasks[COUNT(bodies)];
  gt_chan_t *chans[COUNT(bodies) + 1];
  for (size_t capacity = 0; capacity < 2; capacity++) {
    for (size_t i = 0; i <= COUNT(bodies); i++) chans[i] = make(sizeof(uint64_t), capacity);
    for (size_t i = 0; i < COUNT(bodies); i++) {
      partners[i] = (struct partner){chans[i], chans[i + 1], i, 0};
      tasks[i] = s_spawn(bodies[i], &partners[i]);
    }
    for (uint64_t i = 0; i < TURNS; i++) {
      uint64_t item = 0;
      CHECK_EQ(gt_chan_send(chans[0], &i), 0);
      CHECK_EQ(gt_chan_recv(chans[COUNT(bodies)], &item), 0);
      CHECK_EQ(item, i);
    }
    for (size_t i = 0; i < COUNT(bodies); i++) CHECK_EQ((uintptr_t)s_join(tasks[i]), TURNS);
    for (size_t i = 0; i <= COUNT(bodies); i++) CHECK_EQ(gt_chan_free(chans[i]), 0);
  }
}

DEEP static int innermost(gt_chan_t *chan) {
  int64_t item;
  int rc = gt_chan_recv(chan, &item);
  S_KEEP(&item);
  return rc;
}

DEEP static int middle(gt_chan_t *chan) {
  int rc = innermost(chan);
  S_KEEP(&rc);
  return rc;
}

static void *outermost(void *arg) {
  int rc = middle(arg);
  S_KEEP(&rc);
  return (void *)(intptr_t)rc;
}

TEST(chan_wait_has_its_calls_in_a_backtrace) {
  gt_chan_t *chan = make(8, 0);
  int64_t task = s_spawn(outermost, chan), item = 1;
  s_settle();
  void *at[64];
  int n = gt_backtrace(task, at, 64);
  CHECK_GE(n, 4);
  uintptr_t functions[] = {(uintptr_t)innermost, (uintptr_t)middle, (uintptr_t)outermost};
  CHECK_EQ(s_calls_among((const uintptr_t *)at, (size_t)n, functions, COUNT(functions)), COUNT(functions));
  CHECK_EQ(gt_chan_send(chan, &item), 0);
  CHECK_EQ((intptr_t)s_join(task), 0);
  CHECK_EQ(gt_chan_free(chan), 0);
}

/* -- one item, met by whoever waits in another way */

struct end {
  gt_chan_t *chan, *other;
  size_t size, count, moved;
  unsigned char items[3][16];
  int rc;
};

static void *sends_many(void *arg) {
  struct end *end = arg;
  unsigned char flat[3 * 16];
  for (size_t i = 0; i < 3; i++) memcpy(flat + i * end->size, end->items[i], end->size);
  end->rc = gt_chan_send_many(end->chan, flat, 3, &end->moved);
  return NULL;
}

static void *receives_many(void *arg) {
  struct end *end = arg;
  end->rc = gt_chan_recv_many(end->chan, end->items, 3, &end->moved);
  return NULL;
}

static void *selects(void *arg) {
  struct end *end = arg;
  gt_select_arm_t arms[2] = {{.kind = GT_SELECT_RECV, .object = end->other, .item = end->items[1]},
                             {.kind = end->count ? GT_SELECT_SEND : GT_SELECT_RECV, .object = end->chan, .item = end->items[0]}};
  end->rc = gt_select(arms, 2);
  return NULL;
}

static const size_t sizes[] = {1, 4, 8, 12, 16};

TEST(chan_one_item_meets_those_who_move_many) {
  for (size_t s = 0; s < COUNT(sizes); s++) {
    struct end end = {.chan = make(sizes[s], 0), .size = sizes[s], .rc = 1};
    unsigned char got[17];
    for (size_t i = 0; i < 3; i++) memset(end.items[i], (int)(10 + i), 16);
    int64_t task = s_spawn(sends_many, &end);
    s_settle();
    for (size_t i = 0; i < 3; i++) {
      memset(got, 0xEE, sizeof got);
      CHECK_EQ(gt_chan_recv(end.chan, got), 0);
      CHECK_MEM(got, end.items[i], end.size);
      CHECK_EQ(got[end.size], 0xEE);
    }
    s_join(task);
    CHECK_EQ(end.rc, 0);
    CHECK_EQ(end.moved, 3);

    memset(end.items, 0xEE, sizeof end.items);
    task = s_spawn(receives_many, &end);
    s_settle();
    memset(got, 77, sizeof got);
    CHECK_EQ(gt_chan_send(end.chan, got), 0); /* one is enough for it */
    s_join(task);
    CHECK_EQ(end.rc, 0);
    CHECK_EQ(end.moved, 1);
    CHECK_MEM(end.items, got, end.size);
    CHECK_EQ(((unsigned char *)end.items)[end.size], 0xEE);
    CHECK_EQ(gt_chan_free(end.chan), 0);
  }
}

TEST(chan_one_item_meets_those_who_select) {
  for (size_t s = 0; s < COUNT(sizes); s++) for (size_t sends = 0; sends < 2; sends++) {
      struct end end = {.chan = make(sizes[s], 0), .other = make(16, 0), .size = sizes[s], .count = sends, .rc = -1};
      unsigned char item[16];
      memset(end.items[0], 33, 16);
      memset(item, 44, 16);
      int64_t task = s_spawn(selects, &end);
      s_settle();
      CHECK_EQ(sends ? gt_chan_recv(end.chan, item) : gt_chan_send(end.chan, item), 0);
      CHECK_MEM(item, end.items[0], end.size);
      CHECK_EQ(item[0], sends ? 33 : 44);
      s_join(task);
      CHECK_EQ(end.rc, 1);

      /* One that has been won elsewhere does not count any more. */
      task = s_spawn(selects, &end);
      s_settle();
      CHECK_EQ(gt_chan_send(end.other, item), 0);
      int rc = sends ? gt_chan_recv_until(end.chan, item, 1) : gt_chan_send_until(end.chan, item, 1);
      CHECK_EQ(rc, -ETIMEDOUT);
      s_join(task);
      CHECK_EQ(end.rc, 0);
      CHECK_EQ(gt_chan_free(end.chan), 0);
      CHECK_EQ(gt_chan_free(end.other), 0);
    }
}

/* -- what has to be looked at before an item moves */

static void *shielded(void *arg) {
  gt_chan_t *chan = arg;
  int64_t item = 5, got = 0;
  CHECK_EQ(gt_cancel(gt_self()), 0);
  CHECK_EQ(gt_chan_send(chan, &item), -ECANCELED);
  CHECK_EQ(gt_chan_recv(chan, &item), -ECANCELED);
  CHECK_EQ(gt_shield_push(), 0);
  CHECK_EQ(gt_chan_send(chan, &item), 0);
  CHECK_EQ(gt_chan_recv(chan, &got), 0);
  CHECK_EQ(got, 5);
  CHECK_EQ(gt_chan_recv_until(chan, &got, IN_MS(1)), -ETIMEDOUT);
  CHECK_EQ(gt_shield_pop(), 0);
  return NULL;
}

TEST(chan_asks_for_cancel_before_the_quick_way) {
  gt_chan_t *chan = make(8, 4);
  int64_t item = 1;
  for (int i = 0; i < 2; i++) CHECK_EQ(gt_chan_send(chan, &item), 0);
  for (int i = 0; i < 2; i++) CHECK_EQ(gt_chan_recv(chan, &item), 0);
  s_join(s_spawn(shielded, chan));
  CHECK_EQ(gt_chan_len(chan), 0);
  CHECK_EQ(gt_chan_free(chan), 0);
}

static void *waits_to_send(void *arg) {
  int64_t item = 9;
  CHECK_EQ(gt_chan_send(arg, &item), 0);
  return NULL;
}

static void *waits_to_receive(void *arg) {
  int64_t item = 0;
  CHECK_EQ(gt_chan_recv(arg, &item), 0);
  CHECK_EQ(item, 6);
  return NULL;
}

static void in_child(void *arg) {
  gt_chan_t *const *chans = arg;
  int64_t item = 4;
  CHECK_EQ(gt_chan_recv_until(chans[0], &item, 1), -ETIMEDOUT);
  CHECK_EQ(gt_chan_send_until(chans[1], &item, 1), -ETIMEDOUT);
}

TEST(chan_quick_way_forgets_the_waiters_of_a_parent) {
  gt_chan_t *chans[] = {make(8, 0), make(8, 0)};
  int64_t sender = s_spawn(waits_to_send, chans[0]), receiver = s_spawn(waits_to_receive, chans[1]), item = 6;
  struct s_end end;
  s_settle();
  s_child(in_child, chans, &end);
  CHECK_STR(end.out, "");
  CHECK_EQ(end.status, 0);
  CHECK_EQ(gt_chan_send(chans[1], &item), 0);
  CHECK_EQ(gt_chan_recv(chans[0], &item), 0);
  CHECK_EQ(item, 9);
  s_join(sender);
  s_join(receiver);
  CHECK_EQ(gt_chan_free(chans[0]), 0);
  CHECK_EQ(gt_chan_free(chans[1]), 0);
}
