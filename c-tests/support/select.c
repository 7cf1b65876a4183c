/* What the tests of gt_select share. */
#include "select.h"

#include <poll.h>
#include <unistd.h>

const make_t s_chan_kinds[2] = {gt_chan_new, gt_chan_new_shared};

gt_chan_t *s_chan(make_t kind, size_t capacity) {
  gt_chan_t *chan = kind(sizeof(int64_t), capacity);
  CHECK(chan != NULL);
  return chan;
}

void *s_selects(void *arg) {
  struct call *call = arg;
  call->rc = -1;
  call->rc = gt_select_until(call->arms, call->count, call->deadline ? call->deadline : GT_NEVER);
  return NULL;
}

int64_t s_select_parked(struct call *call) {
  int64_t task = s_spawn(s_selects, call);
  s_settle();
  gt_task_info_t info = {.size = sizeof info};
  CHECK_EQ(gt_task_info(task, &info), 0);
  CHECK_EQ(info.state, GT_TASK_PARKED);
  CHECK_EQ(info.waits, GT_WAIT_SELECT);
  CHECK_EQ(info.object, call->count);
  return task;
}

void *s_parks(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_park();
}

void s_world(struct world *w, make_t kind) {
  int64_t first = 1;
  *w = (struct world){.full = s_chan(kind, 1), .empty = s_chan(kind, 1), .event = gt_event_new(), .sem = gt_sem_new(0), .out = 2, .in = -1};
  CHECK(w->event && w->sem);
  CHECK_EQ(gt_chan_send(w->full, &first), 0);
  s_pipe(w->pipe, 0);
  w->task = s_spawn(s_parks, NULL);
  w->arms[SEND] = sending(w->full, &w->out);
  w->arms[RECV] = receiving(w->empty, &w->in);
  w->arms[FD] = descriptor(w->pipe[0], POLLIN);
  w->arms[TASK] = ended(w->task);
  w->arms[EVENT] = set(w->event);
  w->arms[SEM] = unit(w->sem);
  s_settle();
}

void s_bring(struct world *w, int which) {
  int64_t item = 3;
  if (which == SEND) CHECK_EQ(gt_chan_recv(w->full, &item), 0);
  if (which == RECV) CHECK_EQ(gt_chan_send(w->empty, &item), 0);
  if (which == FD) CHECK_EQ(write(w->pipe[1], "x", 1), 1);
  if (which == TASK) CHECK_EQ(gt_unpark(w->task), 0);
  if (which == EVENT) CHECK_EQ(gt_event_set(w->event), 0);
  if (which == SEM) CHECK_EQ(gt_sem_post(w->sem), 0);
}

void s_check_won(const arm_t *arms, size_t count, size_t won) {
  for (size_t i = 0; i < count; i++) {
    CHECK_EQ(arms[i].result, 0);
    CHECK_EQ(arms[i].revents, i == won && arms[i].kind == GT_SELECT_FD ? POLLIN : 0);
  }
}

void s_world_free(struct world *w, int won) {
  int64_t got = 0;
  CHECK_EQ(gt_chan_len(w->full), 1);
  CHECK_EQ(gt_chan_recv_try(w->full, &got), 0);
  CHECK_EQ(got, won == SEND ? 2 : 1);
  CHECK_EQ(gt_chan_len(w->empty), 0);
  CHECK_EQ(w->in, won == RECV ? 3 : -1);
  got = 4;
  CHECK_EQ(gt_chan_send_try(w->full, &got), 0);
  CHECK_EQ(gt_chan_send_try(w->empty, &got), 0);
  CHECK_EQ(gt_chan_len(w->empty), 1);
  CHECK_EQ(gt_sem_value(w->sem), 0);
  CHECK_EQ(gt_sem_post(w->sem), 0);
  CHECK_EQ(gt_sem_value(w->sem), 1);
  CHECK_EQ(gt_chan_free(w->full), 0);
  CHECK_EQ(gt_chan_free(w->empty), 0);
  CHECK_EQ(gt_event_free(w->event), 0);
  CHECK_EQ(gt_sem_free(w->sem), 0);
  s_close_pair(w->pipe);
  if (won != TASK) CHECK_EQ(gt_unpark(w->task), 0);
  CHECK_EQ(gt_join(w->task, NULL), 0); /* it may be joined: nobody else does any more */
}
