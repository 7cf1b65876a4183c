/* gt_select on one thread: how a wait ends otherwise, closed things, descriptors, bad input, fork. */
#include "select.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* -- closed things */

TEST(select_tells_of_a_closed_channel) {
  FOR_BOTH(kind) for (int parks_first = 0; parks_first < 2; parks_first++) {
      gt_chan_t *chan = s_chan(*kind, 1);
      int64_t out = 1, in = -1;
      struct call call = {.arms = {sending(chan, &out)}, .count = 1};
      CHECK_EQ(gt_chan_send(chan, &out), 0);
      int64_t task = parks_first ? s_select_parked(&call) : s_spawn(s_selects, &call);
      CHECK_EQ(gt_chan_close(chan), 0);
      s_join(task);
      CHECK_EQ(call.rc, 0);
      CHECK_EQ(call.arms[0].result, -EPIPE);
      call.arms[0] = receiving(chan, &in);
      for (int drained = 0; drained < 2; drained++) {
        s_join(s_spawn(s_selects, &call));
        CHECK_EQ(call.rc, 0);
        CHECK_EQ(call.arms[0].result, drained ? -EPIPE : 0);
      }
      CHECK_EQ(in, 1);
      CHECK_EQ(gt_chan_free(chan), 0);

      chan = s_chan(*kind, 0);
      call.arms[0] = receiving(chan, &in);
      task = parks_first ? s_select_parked(&call) : s_spawn(s_selects, &call);
      CHECK_EQ(gt_chan_close(chan), 0);
      CHECK_EQ(gt_chan_free(chan), 0);
      s_join(task);
      CHECK_EQ(call.rc, parks_first ? 0 : -EINVAL);
      CHECK_EQ(call.arms[0].result, parks_first ? -EPIPE : -EINVAL);
    }
}

TEST(select_tells_of_a_closed_descriptor) {
  for (int adopted = 0; adopted < 2; adopted++) {
    int fds[2];
    s_unix_pair(SOCK_STREAM, fds);
    if (adopted) s_adopt_pair(fds);
    gt_event_t *event = gt_event_new();
    struct call call = {.arms = {set(event), descriptor(fds[0], POLLIN)}, .count = 2};
    int64_t task = s_select_parked(&call);
    CHECK_EQ(gt_close(fds[0]), 0);
    CHECK_EQ(dup2(fds[1], fds[0]), fds[0]); /* the number is another's by now */
    s_join(task);
    CHECK_EQ(call.rc, 1);
    CHECK_EQ(call.arms[1].result, -EBADF);
    CHECK_EQ(call.arms[1].revents, 0);
    s_close_pair(fds);
    s_join(s_spawn(s_selects, &call));
    CHECK_EQ(call.rc, 1);
    CHECK_EQ(call.arms[1].result, -EBADF);
    CHECK_EQ(gt_event_free(event), 0);
  }
}

/* -- how a wait ends otherwise */

TEST(select_times_out) {
  FOR_BOTH(kind) {
    struct world w;
    s_world(&w, *kind);
    int64_t before = gt_now();
    CHECK_EQ(gt_select_until(w.arms, ALL, before + MS(5)), -ETIMEDOUT);
    CHECK_GE(gt_now(), before + MS(5));
    CHECK_EQ(gt_select_until(w.arms, ALL, 0), -ETIMEDOUT);
    CHECK_EQ(gt_select_until(w.arms, ALL, -5), -ETIMEDOUT);
    s_world_free(&w, -1);
  }
}

TEST(select_what_came_with_the_deadline_wins_over_it) {
  int fds[2];
  CHECK_EQ(gt_clock_virtual(0, 0), 0); /* it is parked before its deadline, however slow the machine */
  s_pipe(fds, 0);
  struct call call = {.arms = {descriptor(fds[0], POLLIN)}, .count = 1, .deadline = IN_MS(5)};
  int64_t task = s_select_parked(&call);
  CHECK_EQ(write(fds[1], "x", 1), 1);
  CHECK_EQ(gt_clock_advance(MS(5)), 0); /* nobody has polled meanwhile: it is woken by its deadline */
  s_join(task);
  CHECK_EQ(call.rc, 0);
  CHECK_EQ(call.arms[0].revents, POLLIN);
  s_close_pair(fds);
}

TEST(select_ends_with_a_deadline_scope) {
  gt_event_t *event = gt_event_new();
  arm_t arm = set(event);
  for (int own = 0; own < 3; own++) {
    int64_t token = gt_deadline_push(IN_MS(3)); /* own: none, one that is later, and one that has passed */
    CHECK_GT(token, 0);
    if (own == 2) s_real_sleep(4);
    CHECK_EQ(gt_select_until(&arm, 1, own == 0 ? GT_NEVER : own == 1 ? IN_MS(60000) : gt_now()), -ETIMEDOUT);
    CHECK_EQ(gt_deadline_pop(token), 1);
  }
  int64_t token = gt_deadline_push(IN_MS(60000));
  CHECK_EQ(gt_select_until(&arm, 1, IN_MS(1)), -ETIMEDOUT);
  CHECK_EQ(gt_select_until(&arm, 1, 0), -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(token), 0);
  token = gt_deadline_push(0); /* has passed: what is ready is done all the same */
  CHECK_EQ(gt_event_set(event), 0);
  CHECK_EQ(gt_select(&arm, 1), 0);
  CHECK_EQ(gt_deadline_pop(token), 0);
  CHECK_EQ(gt_event_free(event), 0);
}

TEST(select_ends_when_cancelled_or_interrupted) {
  FOR_BOTH(kind) for (int how = 0; how < 2; how++) {
      struct world w;
      s_world(&w, *kind);
      struct call call = {.count = ALL};
      memcpy(call.arms, w.arms, sizeof w.arms);
      int64_t task = s_select_parked(&call);
      CHECK_EQ(how ? gt_cancel(task) : gt_interrupt(task, 1), 0);
      s_join(task);
      CHECK_EQ(call.rc, how ? -ECANCELED : -EINTR);
      s_check_won(call.arms, ALL, ALL);
      s_world_free(&w, -1);
    }
}

TEST(select_done_wins_over_cancel_and_interrupt) {
  FOR_BOTH(kind) for (int how = 0; how < 2; how++) for (int which = 0; which < ALL; which++) for (int late = 0; late < 2; late++) {
        struct world w;
        s_world(&w, *kind);
        struct call call = {.count = ALL};
        memcpy(call.arms, w.arms, sizeof w.arms);
        int64_t task = s_select_parked(&call);
        if (late) CHECK_EQ(how ? gt_cancel(task) : gt_interrupt(task, 1), 0);
        s_bring(&w, which);
        if (which == TASK && !late) CHECK_EQ(gt_yield(), 0); /* it ends, and the select stands behind this task */
        if (!late) CHECK_EQ(how ? gt_cancel(task) : gt_interrupt(task, 1), 0);
        s_join(task);
        if (which == FD || (which == TASK && late)) { /* nobody had noticed yet */
          CHECK_EQ(call.rc, how ? -ECANCELED : -EINTR);
          s_world_free(&w, which);
          continue;
        }
        CHECK_EQ(call.rc, which);
        s_world_free(&w, which);
      }
}

static void *asked_before(void *arg) {
  struct call *call = arg;
  int code = 0;
  for (int i = 0; i < 3; i++) {
    int64_t deadline = i == 0 ? GT_NEVER : 0;
    CHECK_EQ(gt_interrupt(gt_self(), 5 + i), 0);
    CHECK_EQ(i == 2 ? gt_select_try(call->arms, call->count) : gt_select_until(call->arms, call->count, deadline), -EINTR);
    CHECK_EQ(gt_interrupt_take(&code), 0);
    CHECK_EQ(code, 5 + i);
  }
  CHECK_EQ(gt_cancel(gt_self()), 0);
  CHECK_EQ(gt_select(call->arms, call->count), -ECANCELED);
  CHECK_EQ(gt_select_until(call->arms, call->count, 0), -ECANCELED);
  CHECK_EQ(gt_select_try(call->arms, call->count), -ECANCELED);
  gt_shield_push();
  CHECK_EQ(gt_select(call->arms, call->count), 0);
  call->arms[0].kind = GT_SELECT_NONE;
  CHECK_EQ(gt_select_until(call->arms, call->count, IN_MS(1)), -ETIMEDOUT);
  CHECK_EQ(gt_shield_pop(), 0);
  return NULL;
}

TEST(select_asks_for_cancel_and_interrupt_first) {
  gt_sem_t *sem = gt_sem_new(1), *none = gt_sem_new(0);
  struct call call = {.arms = {unit(sem), unit(none)}, .count = 2};
  s_join(s_spawn(asked_before, &call));
  CHECK_EQ(gt_sem_value(sem), 0);
  CHECK_EQ(gt_sem_free(sem), 0);
  CHECK_EQ(gt_sem_free(none), 0);
}

TEST(select_deadlock_is_reported) {
  gt_config_t config = {.size = sizeof config, .deadlock = GT_DEADLOCK_ERROR};
  CHECK_EQ(gt_config(&config), 0);
  FOR_BOTH(kind) {
    struct world w;
    s_world(&w, *kind);
    w.arms[FD].kind = GT_SELECT_NONE; /* something may come of a descriptor */
    CHECK_EQ(gt_select(w.arms, ALL), -EDEADLK);
    s_world_free(&w, -1);
  }
}

/* -- descriptors */

TEST(select_descriptor_says_what_was_seen) {
  int fds[2];
  s_unix_pair(SOCK_STREAM, fds);
  arm_t arm = descriptor(fds[0], POLLIN | POLLOUT);
  CHECK_EQ(gt_select(&arm, 1), 0);
  CHECK_EQ(arm.revents, POLLOUT);
  CHECK_EQ(write(fds[1], "x", 1), 1);
  CHECK_EQ(gt_select(&arm, 1), 0);
  CHECK_EQ(arm.revents, POLLIN | POLLOUT);
  struct call call = {.arms = {descriptor(fds[0], 0)}, .count = 1}; /* an error or a hang-up alone */
  int64_t task = s_select_parked(&call);
  CHECK_EQ(gt_close(fds[1]), 0);
  s_join(task);
  CHECK_EQ(call.rc, 0);
  CHECK_EQ(call.arms[0].revents, POLLHUP);
  CHECK_EQ(gt_close(fds[0]), 0);
}

TEST(select_descriptor_is_waited_for_in_both_directions_and_twice) {
  for (int adopted = 0; adopted < 2; adopted++) for (int way = 0; way < 3; way++) {
      int fds[2];
      char block[4096];
      s_unix_pair(SOCK_STREAM, fds);
      if (adopted) s_adopt_pair(fds);
      s_fill(fds[0]);
      struct call call = {.arms = {descriptor(fds[0], POLLIN), descriptor(fds[0], POLLIN), descriptor(fds[0], POLLOUT)}, .count = 3};
      if (way == 2) call = (struct call){.arms = {descriptor(fds[0], POLLIN | POLLOUT)}, .count = 1};
      int64_t task = s_select_parked(&call);
      if (way == 1) {
        while (recv(fds[1], block, sizeof block, MSG_DONTWAIT) > 0) continue;
      } else {
        CHECK_EQ(send(fds[1], "x", 1, 0), 1);
      }
      s_join(task);
      CHECK_EQ(way == 0 ? call.rc / 2 : call.rc, way == 1 ? 2 : 0);
      CHECK_EQ(call.arms[call.rc].revents, way == 1 ? POLLOUT : POLLIN);
      s_close_pair(fds);
    }
}

static void *read_byte(void *arg) {
  char byte;
  CHECK_EQ(gt_recv(*(int *)arg, &byte, 1, 0), 1);
  s_log('r');
  return NULL;
}

TEST(select_that_has_lost_passes_its_turn_at_a_descriptor_on) {
  for (int adopted = 0; adopted < 2; adopted++) {
    int fds[2];
    s_unix_pair(SOCK_STREAM, fds);
    if (adopted) s_adopt_pair(fds);
    gt_event_t *event = gt_event_new();
    struct call call = {.arms = {descriptor(fds[0], POLLIN), set(event)}, .count = 2};
    int64_t first = s_select_parked(&call), second = s_spawn(read_byte, &fds[0]);
    s_settle();
    CHECK_EQ(gt_event_set(event), 0); /* the select is on its way out when the byte comes */
    CHECK_EQ(send(fds[1], "x", 1, 0), 1);
    s_join(first);
    CHECK_EQ(call.rc, 1);
    s_join(second);
    CHECK_EQ(gt_event_free(event), 0);
    s_close_pair(fds);
  }
}

struct theft {
  int bait, prey, rounds;
};

/* Wakes up in the same poll as whoever waits for the other descriptor, but first, and takes what is there. */
static void *steal(void *arg) {
  struct theft *theft = arg;
  char byte;
  for (; theft->rounds > 0; theft->rounds--) {
    CHECK_EQ(gt_recv(theft->bait, &byte, 1, 0), 1);
    CHECK_EQ(recv(theft->prey, &byte, 1, MSG_DONTWAIT), 1);
  }
  return NULL;
}

TEST(select_that_was_woken_in_vain_waits_on) {
  for (int adopted = 0; adopted < 2; adopted++) {
    int bait[2], prey[2];
    s_unix_pair(SOCK_STREAM, bait);
    s_unix_pair(SOCK_STREAM, prey);
    if (adopted) s_adopt_pair(prey);
    gt_event_t *event = gt_event_new();
    struct call call = {.arms = {descriptor(prey[0], POLLIN), set(event)}, .count = 2};
    struct theft theft = {bait[0], prey[0], 3};
    int64_t task = s_select_parked(&call), thief = s_spawn(steal, &theft);
    while (theft.rounds > 0) {
      int before = theft.rounds;
      s_settle();
      CHECK_EQ(send(bait[1], "x", 1, 0), 1);
      CHECK_EQ(send(prey[1], "x", 1, 0), 1);
      while (theft.rounds == before) CHECK_EQ(gt_sleep(MS(1)), 0);
      CHECK_EQ(call.rc, -1);
    }
    CHECK_EQ(gt_event_set(event), 0);
    s_join(task);
    s_join(thief);
    CHECK_EQ(call.rc, 1);
    CHECK_EQ(gt_event_free(event), 0);
    s_close_pair(bait);
    s_close_pair(prey);
  }
}

/* epoll does not take regular files: they are ready for reading and writing from the beginning, and for nothing else ever. */
TEST(select_of_a_regular_file_does_not_spin) {
  int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  CHECK_OK(fd);
  arm_t arm = descriptor(fd, POLLIN | POLLPRI);
  CHECK_EQ(gt_select(&arm, 1), 0);
  CHECK_EQ(arm.revents, POLLIN);
  struct call call = {.arms = {descriptor(fd, POLLPRI), descriptor(fd, 0)}, .count = 2};
  int64_t task = s_select_parked(&call);
  CHECK_EQ(gt_cancel(task), 0);
  s_join(task);
  CHECK_EQ(call.rc, -ECANCELED);
  CHECK_EQ(gt_select_until(call.arms, 2, IN_MS(1)), -ETIMEDOUT);
  CHECK_EQ(gt_close(fd), 0);
}

/* -- bad input */

TEST(select_refuses_bad_arguments) {
  gt_event_t *event = gt_event_new(), *gone = gt_event_new();
  gt_chan_t *chan = s_chan(gt_chan_new, 1), *freed = s_chan(gt_chan_new_shared, 1);
  gt_sem_t *sem = gt_sem_new(1);
  int64_t item = 0;
  CHECK_EQ(gt_event_free(gone), 0);
  CHECK_EQ(gt_chan_free(freed), 0);
  arm_t good = unit(sem), unused = {0};
  CHECK_EQ(gt_select(NULL, 1), -EINVAL);
  CHECK_EQ(gt_select_until(NULL, 1, 0), -EINVAL);
  CHECK_EQ(gt_select_try(NULL, 1), -EINVAL);
  CHECK_EQ(gt_select(&good, 0), -EINVAL);
  CHECK_EQ(gt_select(NULL, 0), -EINVAL);
  CHECK_EQ(gt_select(&good, SIZE_MAX), -EINVAL);
  CHECK_EQ(gt_select(&unused, 1), -EINVAL);
  const arm_t bad[] = {
      {.kind = -1},
      {.kind = GT_SELECT_SEM + 1},
      {.kind = 1 << 30},
      sending(NULL, &item),
      receiving(NULL, &item),
      sending(chan, NULL),
      receiving(chan, NULL),
      sending(freed, &item),
      receiving(freed, &item),
      receiving((gt_chan_t *)sem, &item),
      receiving((gt_chan_t *)((char *)chan + 4), &item),
      set(NULL),
      set(gone),
      set((gt_event_t *)chan),
      unit(NULL),
      unit((gt_sem_t *)event),
  };
  for (size_t i = 0; i < COUNT(bad); i++) {
    arm_t arms[3] = {good, bad[i], {.kind = GT_SELECT_NONE, .result = 9, .revents = 9}};
    CHECK_EQ(gt_select_try(arms, 3), -EINVAL);
    CHECK_EQ(arms[0].result, 0);
    CHECK_EQ(arms[1].result, -EINVAL);
    CHECK_EQ(arms[2].result, 0);
    CHECK_EQ(arms[2].revents, 0);
  }
  CHECK_EQ(gt_sem_value(sem), 1); /* all arms are looked at before any is tried */
  CHECK_EQ(gt_event_free(event), 0);
  CHECK_EQ(gt_chan_free(chan), 0);
  CHECK_EQ(gt_sem_free(sem), 0);
}

TEST(select_refuses_bad_descriptors) {
  gt_sem_t *sem = gt_sem_new(1);
  const int64_t numbers[] = {-1, INT64_MIN, (int64_t)INT32_MAX + 1, (int64_t)1 << 32};
  for (size_t i = 0; i < COUNT(numbers); i++) {
    arm_t arms[2] = {unit(sem), {.kind = GT_SELECT_FD, .id = numbers[i], .events = POLLIN}};
    CHECK_EQ(gt_select(arms, 2), -EBADF);
    CHECK_EQ(arms[1].result, -EBADF);
  }
  CHECK_EQ(gt_sem_value(sem), 1);
  arm_t closed = descriptor(1 << 20, POLLIN);
  CHECK_EQ(gt_select(&closed, 1), 0); /* one that is not open has come about: it will never say anything else */
  CHECK_EQ(closed.result, -EBADF);
  CHECK_EQ(gt_sem_free(sem), 0);
}

static void *waits_for(void *arg) { return (void *)(intptr_t)gt_join(*(int64_t *)arg, NULL); }

static void *nothing(void *arg) { return arg; }

TEST(select_refuses_tasks_that_it_cannot_wait_for) {
  gt_spawn_opts_t opts = {.size = sizeof opts, .flags = GT_SPAWN_DETACHED};
  int64_t gone = s_spawn(nothing, NULL), detached = gt_spawn_with(s_parks, NULL, &opts), joined = s_spawn(s_parks, NULL);
  CHECK_GT(detached, 0);
  int64_t joiner = s_spawn(waits_for, &joined);
  s_join(gone);
  s_settle();
  const struct {
    int64_t task;
    int error;
  } wrong[] = {{gone, -ESRCH}, {0, -ESRCH}, {-1, -ESRCH}, {gt_self(), -EDEADLK}, {detached, -EINVAL}, {joined, -EINVAL}};
  for (size_t i = 0; i < COUNT(wrong); i++) {
    arm_t arm = ended(wrong[i].task);
    CHECK_EQ(gt_select(&arm, 1), wrong[i].error);
    CHECK_EQ(arm.result, wrong[i].error);
    CHECK_EQ(gt_select_try(&arm, 1), wrong[i].error);
  }
  CHECK_EQ(gt_unpark(detached), 0);
  CHECK_EQ(gt_unpark(joined), 0);
  s_join(joiner);
}

TEST(select_keeps_others_from_joining_its_task) {
  gt_event_t *event = gt_event_new();
  int64_t task = s_spawn(s_parks, NULL);
  struct call call = {.arms = {ended(task), set(event)}, .count = 2}, second = call;
  int64_t selecting = s_select_parked(&call);
  CHECK_EQ(gt_join(task, NULL), -EINVAL);
  CHECK_EQ(gt_detach(task), -EINVAL);
  CHECK_EQ(gt_select(second.arms, 2), -EINVAL);
  CHECK_EQ(gt_event_set(event), 0);
  s_join(selecting);
  CHECK_EQ(gt_unpark(task), 0);
  CHECK_EQ(gt_join(task, NULL), 0);
  CHECK_EQ(gt_event_free(event), 0);
}

/* -- fork */

static void in_child(void *arg) {
  struct world *w = arg;
  int64_t item = 5;
  CHECK_EQ(gt_chan_send_try(w->empty, &item), 0); /* into the channel: the parent's select does not exist here */
  CHECK_EQ(gt_chan_len(w->empty), 1);
  CHECK_EQ(gt_sem_post(w->sem), 0);
  CHECK_EQ(gt_sem_value(w->sem), 1);
  CHECK_EQ(gt_select_try(&w->arms[TASK], 1), -ESRCH);
  CHECK_EQ(gt_select(&w->arms[SEM], 1), 0);
  CHECK_EQ(gt_event_set(w->event), 0);
  CHECK_EQ(gt_chan_free(w->empty), 0);
  CHECK_EQ(gt_chan_free(w->full), 0);
  CHECK_EQ(gt_event_free(w->event), 0);
  CHECK_EQ(gt_sem_free(w->sem), 0);
}

TEST(select_of_the_parent_is_forgotten_in_a_forked_child) {
  FOR_BOTH(kind) for (int lost = 0; lost < 2; lost++) {
      struct world w;
      struct s_end end;
      s_world(&w, *kind);
      struct call call = {.count = ALL};
      memcpy(call.arms, w.arms, sizeof w.arms);
      int64_t task = s_select_parked(&call);
      if (lost) {
        s_bring(&w, EVENT);
        CHECK_EQ(gt_chan_recv(w.full, &w.in), 0); /* passes the select over */
        CHECK_EQ(gt_chan_send(w.full, &w.in), 0);
        w.in = -1;
      }
      s_child(in_child, &w, &end);
      CHECK_STR(end.out, "");
      CHECK_EQ(end.status, 0);
      if (!lost) s_bring(&w, EVENT);
      s_join(task);
      CHECK_EQ(call.rc, EVENT);
      s_world_free(&w, EVENT);
    }
}
