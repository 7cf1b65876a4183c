/* What the tests of gt_select share: arms, a task that selects, and one thing of each kind. */
#ifndef GREENRT_TEST_SELECT_H
#define GREENRT_TEST_SELECT_H

#include "support.h"

typedef gt_select_arm_t arm_t;

static inline arm_t sending(gt_chan_t *chan, void *item) { return (arm_t){.kind = GT_SELECT_SEND, .object = chan, .item = item}; }
static inline arm_t receiving(gt_chan_t *chan, void *item) { return (arm_t){.kind = GT_SELECT_RECV, .object = chan, .item = item}; }
static inline arm_t descriptor(int fd, int events) { return (arm_t){.kind = GT_SELECT_FD, .id = fd, .events = (short)events}; }
static inline arm_t ended(int64_t task) { return (arm_t){.kind = GT_SELECT_TASK, .id = task}; }
static inline arm_t set(gt_event_t *event) { return (arm_t){.kind = GT_SELECT_EVENT, .object = event}; }
static inline arm_t unit(gt_sem_t *sem) { return (arm_t){.kind = GT_SELECT_SEM, .object = sem}; }

/* Channels of int64_t, of both kinds. */
typedef gt_chan_t *(*make_t)(size_t, size_t);
extern const make_t s_chan_kinds[2];
#define FOR_BOTH(kind) for (const make_t *kind = s_chan_kinds; kind < s_chan_kinds + 2; kind++)
gt_chan_t *s_chan(make_t kind, size_t capacity);

/* A task that selects, and its spawn until it is seen to wait for just that. */
struct call {
  arm_t arms[8];
  size_t count;
  int64_t deadline; /* 0: none */
  int rc;           /* -1 meanwhile */
};
void *s_selects(void *call);
int64_t s_select_parked(struct call *call);

void *s_parks(void *arg); /* a task that waits for its permit */

/* One thing of each kind, none of them ready. */
enum { SEND, RECV, FD, TASK, EVENT, SEM, ALL };
struct world {
  gt_chan_t *full, *empty;
  gt_event_t *event;
  gt_sem_t *sem;
  int pipe[2];
  int64_t task, out, in;
  arm_t arms[ALL];
};
void s_world(struct world *world, make_t kind);
void s_bring(struct world *world, int which);                  /* brings about what that arm waits for */
void s_check_won(const arm_t *arms, size_t count, size_t won); /* no arm says anything but that one */
void s_world_free(struct world *world, int won); /* everything is as if nobody had waited, save the arm that came about */

#endif
