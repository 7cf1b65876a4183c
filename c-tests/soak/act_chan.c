/* Acts of channels and selects: what went in comes out, whoever was cancelled or late. */
#include <poll.h>

#include "soak.h"

enum { CREW = 4, ITEMS = 40 };

/* -- a pipeline on one OS thread: each stage adds one */

struct stage {
  gt_chan_t *in, *out;
};

static void *add_one(void *arg) {
  struct stage *stage = arg;
  uint64_t item;
  int got;
  while ((got = gt_chan_recv(stage->in, &item)) == 0) {
    item++;
    MUST_EQ(gt_chan_send(stage->out, &item), 0);
  }
  MUST_EQ(got, -EPIPE);
  MUST_EQ(gt_chan_close(stage->out), 0);
  return NULL;
}

static void *feed(void *chan) {
  for (uint64_t item = 0; item < ITEMS; item++) MUST_EQ(gt_chan_send(chan, &item), 0);
  MUST_EQ(gt_chan_close(chan), 0);
  return NULL;
}

ACT(pipeline, 8) {
  gt_chan_t *chans[CREW + 1];
  struct stage stages[CREW];
  int64_t tasks[CREW + 1];
  for (int i = 0; i <= CREW; i++) MUST((chans[i] = gt_chan_new(sizeof(uint64_t), so_roll(dice, 5))) != NULL);
  for (int i = 0; i < CREW; i++) {
    stages[i] = (struct stage){chans[i], chans[i + 1]};
    tasks[i] = so_here(add_one, &stages[i]);
  }
  tasks[CREW] = so_here(feed, chans[0]);
  for (uint64_t expected = CREW, item; expected < CREW + ITEMS; expected++) {
    MUST_EQ(gt_chan_recv(chans[CREW], &item), 0);
    MUST_EQ(item, expected);
  }
  so_join_all(tasks, CREW + 1);
  for (int i = 0; i <= CREW; i++) MUST_EQ(gt_chan_free(chans[i]), 0);
}

/* -- one shared channel, many on both sides */

struct traffic {
  gt_chan_t *chan;
  atomic_llong sum, count; /* sent, less received */
};

static void note(struct traffic *traffic, const uint64_t *items, size_t count, int sign) {
  for (size_t i = 0; i < count; i++) traffic->sum += sign * (long long)items[i];
  traffic->count += sign * (long long)count;
}

static void *send_many_ways(void *arg) {
  struct traffic *traffic = arg;
  struct dice dice = so_dice();
  for (int i = 0; i < ITEMS; i++) {
    uint64_t items[5];
    size_t sent = 0;
    int got;
    for (size_t k = 0; k < COUNT(items); k++) items[k] = so_roll(&dice, 1000);
    switch (so_roll(&dice, 4)) {
      case 0: sent = (got = gt_chan_send_until(traffic->chan, items, so_soon(&dice))) == 0; break;
      case 1: sent = (got = gt_chan_send_try(traffic->chan, items)) == 0; break;
      case 2: got = gt_chan_send_many(traffic->chan, items, 1 + so_roll(&dice, COUNT(items)), &sent); break;
      default: sent = (got = gt_chan_send(traffic->chan, items)) == 0; break;
    }
    note(traffic, items, sent, 1);
    MUST(got == 0 || got == -ETIMEDOUT || got == -EAGAIN || got == -EINTR || got == -ECANCELED);
    if (got == -ECANCELED) break;
    so_pause(&dice);
  }
  return NULL;
}

static void *recv_many_ways(void *arg) {
  struct traffic *traffic = arg;
  struct dice dice = so_dice();
  for (int got = 0; got != -EPIPE;) {
    uint64_t items[5];
    size_t received = 0;
    switch (so_roll(&dice, 4)) {
      case 0: received = (got = gt_chan_recv_until(traffic->chan, items, so_soon(&dice))) == 0; break;
      case 1: received = (got = gt_chan_recv_try(traffic->chan, items)) == 0; break;
      case 2: got = gt_chan_recv_many(traffic->chan, items, 1 + so_roll(&dice, COUNT(items)), &received); break;
      default: received = (got = gt_chan_recv(traffic->chan, items)) == 0; break;
    }
    note(traffic, items, received, -1);
    MUST(got == 0 || got == -ETIMEDOUT || got == -EAGAIN || got == -EPIPE || got == -EINTR);
    if (got == -EAGAIN) gt_yield();
  }
  return NULL;
}

ACT(many_to_many, 10) {
  struct traffic traffic = {.chan = gt_chan_new_shared(sizeof(uint64_t), so_roll(dice, 6))};
  int64_t senders[CREW], receivers[CREW];
  unsigned count = 1 + so_roll(dice, CREW);
  for (unsigned i = 0; i < count; i++) {
    senders[i] = so_anywhere(dice, send_many_ways, &traffic);
    receivers[i] = so_anywhere(dice, recv_many_ways, &traffic);
  }
  so_torment(dice, senders, count);
  so_join_all(senders, count);
  MUST_EQ(gt_chan_close(traffic.chan), 0);
  so_join_all(receivers, count);
  MUST_EQ(traffic.count, 0);
  MUST_EQ(traffic.sum, 0);
  MUST_EQ(gt_chan_free(traffic.chan), 0);
}

/* -- selects on both sides of several channels */

enum { CHANNELS = 3 };

struct crossing {
  gt_chan_t *chans[CHANNELS];
  gt_event_t *stop;
  gt_sem_t *tickets;
  atomic_llong sum, count, taken;
};

static void *select_to_send(void *arg) {
  struct crossing *crossing = arg;
  struct dice dice = so_dice();
  for (int i = 0; i < ITEMS; i++) {
    gt_select_arm_t arms[CHANNELS + 1];
    uint64_t item = so_roll(&dice, 1000);
    memset(arms, 0, sizeof arms);
    for (int k = 0; k < CHANNELS; k++) arms[k] = (gt_select_arm_t){.kind = GT_SELECT_SEND, .object = crossing->chans[k], .item = &item};
    arms[CHANNELS] = (gt_select_arm_t){.kind = GT_SELECT_SEM, .object = crossing->tickets};
    int got = so_roll(&dice, 3) ? gt_select(arms, CHANNELS + 1) : gt_select_until(arms, CHANNELS + 1, so_soon(&dice));
    MUST(got >= 0 || got == -ETIMEDOUT || got == -EINTR || got == -ECANCELED);
    if (got == -ECANCELED) break;
    if (got < 0) continue;
    MUST_EQ(arms[got].result, 0);
    if (got == CHANNELS) {
      crossing->taken++;
    } else {
      crossing->sum += (long long)item;
      crossing->count++;
    }
    so_pause(&dice);
  }
  return NULL;
}

static void *select_to_receive(void *arg) {
  struct crossing *crossing = arg;
  struct dice dice = so_dice();
  uint64_t items[CHANNELS];
  gt_select_arm_t arms[CHANNELS + 1];
  int open = CHANNELS;
  memset(arms, 0, sizeof arms);
  for (int k = 0; k < CHANNELS; k++) arms[k] = (gt_select_arm_t){.kind = GT_SELECT_RECV, .object = crossing->chans[k], .item = &items[k]};
  arms[CHANNELS] = (gt_select_arm_t){.kind = GT_SELECT_EVENT, .object = crossing->stop};
  while (open > 0) {
    int got = so_roll(&dice, 3) ? gt_select(arms, CHANNELS + 1) : gt_select_until(arms, CHANNELS + 1, so_soon(&dice));
    MUST(got >= 0 || got == -ETIMEDOUT);
    if (got == CHANNELS) {
      arms[CHANNELS].kind = GT_SELECT_NONE; /* it is over: what is left in the channels, and their ends */
    } else if (got >= 0 && arms[got].result == -EPIPE) {
      arms[got].kind = GT_SELECT_NONE;
      open--;
    } else if (got >= 0) {
      MUST_EQ(arms[got].result, 0);
      crossing->sum -= (long long)items[got];
      crossing->count--;
    }
  }
  return NULL;
}

ACT(selects, 10) {
  struct crossing crossing = {.stop = gt_event_new(), .tickets = gt_sem_new(5)};
  int64_t senders[CREW], receivers[CREW];
  unsigned count = 1 + so_roll(dice, CREW);
  for (int k = 0; k < CHANNELS; k++) MUST((crossing.chans[k] = gt_chan_new_shared(sizeof(uint64_t), so_roll(dice, 4))) != NULL);
  for (unsigned i = 0; i < count; i++) {
    senders[i] = so_anywhere(dice, select_to_send, &crossing);
    receivers[i] = so_anywhere(dice, select_to_receive, &crossing);
  }
  so_torment(dice, senders, count);
  so_join_all(senders, count);
  MUST_EQ(gt_event_set(crossing.stop), 0);
  for (int k = 0; k < CHANNELS; k++) MUST_EQ(gt_chan_close(crossing.chans[k]), 0);
  so_join_all(receivers, count);
  MUST_EQ(crossing.count, 0);
  MUST_EQ(crossing.sum, 0);
  MUST_EQ(crossing.taken + gt_sem_value(crossing.tickets), 5);
  for (int k = 0; k < CHANNELS; k++) MUST_EQ(gt_chan_free(crossing.chans[k]), 0);
  MUST_EQ(gt_event_free(crossing.stop), 0);
  MUST_EQ(gt_sem_free(crossing.tickets), 0);
}

/* -- a select over unlike things: a descriptor, a task, an event */

struct unlike {
  int pipe[2];
  gt_event_t *event;
};

static void *write_one(void *arg) {
  gt_yield();
  MUST_EQ(gt_write(((struct unlike *)arg)->pipe[1], "x", 1), 1);
  return NULL;
}

static void *set_event(void *arg) {
  gt_yield();
  MUST_EQ(gt_event_set(((struct unlike *)arg)->event), 0);
  return NULL;
}

ACT(selects_of_unlike_things, 5) {
  struct unlike unlike = {.event = gt_event_new()};
  char byte;
  MUST_EQ(gt_pipe(unlike.pipe), 0);
  int64_t writer = so_here(write_one, &unlike), setter = so_anywhere(dice, set_event, &unlike);
  gt_select_arm_t arms[3];
  memset(arms, 0, sizeof arms);
  arms[0] = (gt_select_arm_t){.kind = GT_SELECT_FD, .id = unlike.pipe[0], .events = POLLIN};
  arms[1] = (gt_select_arm_t){.kind = GT_SELECT_TASK, .id = writer};
  arms[2] = (gt_select_arm_t){.kind = GT_SELECT_EVENT, .object = unlike.event};
  for (int left = 3; left > 0; left--) {
    int got = gt_select(arms, 3);
    MUST_OK(got);
    MUST_EQ(arms[got].result, 0);
    arms[got].kind = GT_SELECT_NONE;
  }
  MUST_EQ(gt_read(unlike.pipe[0], &byte, 1), 1);
  so_join(writer);
  so_join(setter);
  MUST_EQ(gt_close(unlike.pipe[0]), 0);
  MUST_EQ(gt_close(unlike.pipe[1]), 0);
  MUST_EQ(gt_event_free(unlike.event), 0);
}
