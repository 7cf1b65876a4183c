/* gt_select on one thread: what each kind of arm does, and what a lost arm leaves behind. */
#include "select.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

TEST(select_takes_what_is_ready_at_once) {
  FOR_BOTH(kind) for (int which = 0; which < ALL; which++) for (int how = 0; how < 3; how++) {
      struct world w;
      s_world(&w, *kind);
      CHECK_EQ(gt_select_try(w.arms, ALL), -EAGAIN);
      CHECK_EQ(gt_select_until(w.arms, ALL, 0), -ETIMEDOUT);
      s_bring(&w, which);
      s_settle();
      int rc = how == 0 ? gt_select(w.arms, ALL) : how == 1 ? gt_select_until(w.arms, ALL, 0) : gt_select_try(w.arms, ALL);
      CHECK_EQ(rc, which);
      s_check_won(w.arms, ALL, (size_t)which);
      s_world_free(&w, which);
    }
}

TEST(select_waits_for_each_kind_and_a_lost_arm_leaves_nothing_behind) {
  FOR_BOTH(kind) for (int which = 0; which < ALL; which++) {
      struct world w;
      s_world(&w, *kind);
      struct call call = {.count = ALL};
      memcpy(call.arms, w.arms, sizeof w.arms);
      int64_t task = s_select_parked(&call);
      s_bring(&w, which);
      s_join(task);
      CHECK_EQ(call.rc, which);
      s_check_won(call.arms, ALL, (size_t)which);
      s_world_free(&w, which);
    }
}

/* All come about before the task has run: the first has it, the others stay as they are. */
TEST(select_has_one_of_many_that_come_about_together) {
  FOR_BOTH(kind) for (int first = 0; first < ALL; first++) {
      struct world w;
      s_world(&w, *kind);
      struct call call = {.count = ALL};
      memcpy(call.arms, w.arms, sizeof w.arms);
      int64_t task = s_select_parked(&call), got = 0;
      for (int i = 0; i < ALL; i++) s_bring(&w, (first + i) % ALL);
      s_join(task);
      CHECK_GE(call.rc, 0);
      /* descriptors and tasks of this thread only say "look again" */
      if (first != FD && first != TASK) CHECK_EQ(call.rc, first);
      CHECK_EQ(gt_chan_len(w.full), call.rc == SEND);
      if (call.rc == SEND) {
        CHECK_EQ(gt_chan_recv(w.full, &got), 0);
        CHECK_EQ(got, 2);
      }
      CHECK_EQ(gt_chan_len(w.empty), call.rc != RECV);
      CHECK_EQ(w.in, call.rc == RECV ? 3 : -1);
      CHECK_EQ(gt_sem_value(w.sem), call.rc != SEM);
      CHECK_EQ(gt_event_is_set(w.event), 1);
      CHECK_EQ(gt_join(w.task, NULL), 0);
      CHECK_EQ(gt_chan_free(w.full), 0);
      CHECK_EQ(gt_chan_free(w.empty), 0);
      CHECK_EQ(gt_event_free(w.event), 0);
      CHECK_EQ(gt_sem_free(w.sem), 0);
      s_close_pair(w.pipe);
    }
}

TEST(select_arms_are_used_again) {
  FOR_BOTH(kind) {
    gt_chan_t *chans[3] = {s_chan(*kind, 0), s_chan(*kind, 1), s_chan(*kind, 2)};
    struct call call = {.count = 3};
    int64_t items[3] = {0};
    for (int i = 0; i < 3; i++) call.arms[i] = receiving(chans[i], &items[i]);
    for (int64_t round = 0; round < 60; round++) {
      int64_t task = s_select_parked(&call);
      CHECK_EQ(gt_chan_send_try(chans[round % 3], &round), 0);
      s_join(task);
      CHECK_EQ(call.rc, round % 3);
      CHECK_EQ(items[round % 3], round);
    }
    for (int i = 0; i < 3; i++) CHECK_EQ(gt_chan_free(chans[i]), 0);
  }
}

TEST(select_passes_over_arms_that_are_not_in_use) {
  int64_t item = 5;
  gt_chan_t *chan = s_chan(gt_chan_new, 1);
  arm_t arms[5] = {{.kind = GT_SELECT_NONE, .result = 7, .revents = 7}, receiving(chan, &item), {.id = -9}, sending(chan, &item), {0}};
  CHECK_EQ(gt_select(arms, 5), 3);
  CHECK_EQ(gt_select(arms, 5), 1);
  CHECK_EQ(arms[0].result, 0);
  CHECK_EQ(arms[0].revents, 0);
  arms[3].kind = GT_SELECT_NONE;
  struct call call = {.count = 5};
  memcpy(call.arms, arms, sizeof arms);
  int64_t task = s_select_parked(&call);
  CHECK_EQ(gt_chan_send(chan, &item), 0);
  s_join(task);
  CHECK_EQ(call.rc, 1);
  CHECK_EQ(gt_chan_free(chan), 0);
}

/* -- fairness. The choice is drawn from a sequence that begins alike in every process, so the counts are the same each time. */

static void check_fair(const int *counts, int ready, int rounds) {
  for (int i = 0; i < ready; i++) {
    CHECK_GT(counts[i], rounds / ready * 8 / 10);
    CHECK_LT(counts[i], rounds / ready * 12 / 10);
  }
}

TEST(select_chooses_each_of_the_ready_ones_as_often) {
  enum { ARMS = 12, ROUNDS = 6000 };
  static const unsigned ready[] = {0x003, 0x801, 0x007, 0x0A1, 0xFFF, 0x830, 0x0F0};
  for (size_t set_of = 0; set_of < COUNT(ready); set_of++)
    for (int unused = 0; unused < 2; unused++) {
      arm_t arms[ARMS];
      gt_sem_t *sems[ARMS];
      int counts[ARMS] = {0}, n = 0;
      for (int i = 0; i < ARMS; i++) {
        int is_ready = ready[set_of] >> i & 1;
        CHECK((sems[i] = gt_sem_new(is_ready ? ROUNDS : 0)) != NULL);
        arms[i] = unused && !is_ready ? (arm_t){.kind = GT_SELECT_NONE} : unit(sems[i]);
      }
      for (int i = 0; i < ROUNDS; i++) {
        int won = gt_select(arms, ARMS);
        CHECK_OK(won);
        counts[won]++;
      }
      for (int i = 0; i < ARMS; i++) {
        if (ready[set_of] >> i & 1)
          counts[n++] = counts[i];
        else
          CHECK_EQ(counts[i], 0);
        CHECK_EQ(gt_sem_free(sems[i]), 0);
      }
      check_fair(counts, n, ROUNDS);
    }
}

static void *nothing(void *arg) { return arg; }

TEST(select_of_other_kinds_is_as_fair) {
  enum { ROUNDS = 4000 };
  int counts[5] = {0};
  gt_chan_t *chan = s_chan(gt_chan_new, 1), *shared = s_chan(gt_chan_new_shared, 1);
  gt_event_t *event = gt_event_new();
  int64_t task = s_spawn(nothing, NULL), item = 0, other = 0;
  int fds[2];
  s_pipe(fds, 0);
  s_settle();
  CHECK_EQ(gt_event_set(event), 0);
  arm_t arms[5] = {sending(chan, &item), receiving(shared, &other), set(event), ended(task), descriptor(fds[1], POLLOUT)};
  CHECK_EQ(gt_chan_send(shared, &item), 0);
  for (int i = 0; i < ROUNDS; i++) {
    int won = gt_select(arms, 5);
    CHECK_OK(won);
    counts[won]++;
    if (won == 0) CHECK_EQ(gt_chan_recv(chan, &item), 0);
    if (won == 1) CHECK_EQ(gt_chan_send(shared, &item), 0);
  }
  check_fair(counts, 5, ROUNDS);
  s_join(task);
  CHECK_EQ(gt_chan_free(chan), 0);
  CHECK_EQ(gt_chan_free(shared), 0);
  CHECK_EQ(gt_event_free(event), 0);
  s_close_pair(fds);
}

static volatile int others_turn;

static void *take_turns(void *arg) {
  (void)arg;
  others_turn++;
  return NULL;
}

TEST(select_that_never_waits_gives_way_now_and_then) {
  gt_event_t *event = gt_event_new();
  arm_t arm = set(event);
  CHECK_EQ(gt_event_set(event), 0);
  int64_t task = s_spawn(take_turns, NULL);
  for (int i = 0; i < 1000 && !others_turn; i++) CHECK_EQ(gt_select(&arm, 1), 0);
  CHECK_EQ(others_turn, 1);
  s_join(task);
  CHECK_EQ(gt_event_free(event), 0);
}

/* -- the same thing in several arms, and in several calls */

TEST(select_send_does_not_meet_the_receive_of_its_own_call) {
  FOR_BOTH(kind) {
    gt_chan_t *chan = s_chan(*kind, 0);
    int64_t out = 1, in = -1, got = 0;
    arm_t arms[2] = {sending(chan, &out), receiving(chan, &in)};
    CHECK_EQ(gt_select_try(arms, 2), -EAGAIN);
    CHECK_EQ(gt_select_until(arms, 2, IN_MS(2)), -ETIMEDOUT);
    CHECK_EQ(in, -1);

    struct call a = {.arms = {arms[0], arms[1]}, .count = 2};
    int64_t task = s_select_parked(&a);
    CHECK_EQ(gt_chan_recv(chan, &got), 0);
    CHECK_EQ(got, 1);
    got = 7;
    CHECK_EQ(gt_chan_send_try(chan, &got), -EAGAIN); /* its receive has lost, though it has not run yet */
    s_join(task);
    CHECK_EQ(a.rc, 0);
    task = s_select_parked(&a);
    CHECK_EQ(gt_chan_send(chan, &got), 0);
    CHECK_EQ(gt_chan_recv_try(chan, &got), -EAGAIN);
    s_join(task);
    CHECK_EQ(a.rc, 1);
    CHECK_EQ(in, 7);
    CHECK_EQ(gt_chan_free(chan), 0);
  }
}

TEST(select_calls_of_both_ways_meet_each_other) {
  FOR_BOTH(kind) for (int turned = 0; turned < 2; turned++) {
      gt_chan_t *chan = s_chan(*kind, 0);
      int64_t out[2] = {1, 2}, in[2] = {-1, -1}, tasks[2];
      struct call calls[2];
      for (int i = 0; i < 2; i++) {
        calls[i] = (struct call){.count = 2};
        calls[i].arms[i & turned] = sending(chan, &out[i]);
        calls[i].arms[!(i & turned)] = receiving(chan, &in[i]);
      }
      tasks[0] = s_select_parked(&calls[0]);
      tasks[1] = s_spawn(s_selects, &calls[1]);
      for (int i = 0; i < 2; i++) s_join(tasks[i]);
      int sender = calls[0].arms[calls[0].rc].kind == GT_SELECT_SEND ? 0 : 1;
      CHECK_EQ(calls[!sender].arms[calls[!sender].rc].kind, GT_SELECT_RECV);
      CHECK_EQ(calls[sender].arms[calls[sender].rc].kind, GT_SELECT_SEND);
      CHECK_EQ(in[!sender], out[sender]);
      CHECK_EQ(in[sender], -1);
      CHECK_EQ(gt_chan_free(chan), 0);
    }
}

TEST(select_of_one_thing_in_many_arms_takes_one) {
  FOR_BOTH(kind) {
    gt_chan_t *chan = s_chan(*kind, 2);
    gt_sem_t *sem = gt_sem_new(0);
    gt_event_t *event = gt_event_new();
    int64_t item = 4, in[2] = {-1, -1}, sleeper = s_spawn(s_parks, NULL);
    int fds[2];
    s_pipe(fds, 0);
    struct call call = {.arms = {receiving(chan, &in[0]), unit(sem), set(event), receiving(chan, &in[1]), unit(sem), ended(sleeper),
                                 ended(sleeper), descriptor(fds[0], POLLIN)},
                        .count = 8};
    int64_t task = s_select_parked(&call);
    CHECK_EQ(gt_chan_send(chan, &item), 0);
    CHECK_EQ(gt_chan_send(chan, &item), 0);
    s_join(task);
    CHECK_EQ(call.rc, 0);
    CHECK_EQ(in[1], -1);
    CHECK_EQ(gt_chan_len(chan), 1);
    CHECK_EQ(gt_chan_recv(chan, &item), 0);

    task = s_select_parked(&call);
    CHECK_EQ(gt_sem_post_many(sem, 2), 0);
    s_join(task);
    CHECK_EQ(call.rc, 1);
    CHECK_EQ(gt_sem_value(sem), 1);
    CHECK_EQ(gt_sem_wait(sem), 0);

    task = s_select_parked(&call);
    CHECK_EQ(gt_unpark(sleeper), 0);
    s_join(task);
    CHECK(call.rc == 5 || call.rc == 6);
    s_join(sleeper);
    CHECK_EQ(gt_chan_free(chan), 0);
    CHECK_EQ(gt_sem_free(sem), 0);
    CHECK_EQ(gt_event_free(event), 0);
    s_close_pair(fds);
  }
}

static void *wait_unit(void *arg) {
  CHECK_EQ(gt_sem_wait(arg), 0);
  s_log('w');
  return NULL;
}

TEST(select_that_has_lost_does_not_hold_up_those_behind_it) {
  gt_sem_t *sem = gt_sem_new(0), *other = gt_sem_new(0);
  struct call call = {.arms = {unit(sem), unit(other)}, .count = 2};
  int64_t first = s_select_parked(&call), second = s_spawn(wait_unit, sem);
  s_settle();
  CHECK_EQ(gt_sem_post(other), 0); /* the select has it, and has not run yet */
  CHECK_EQ(gt_sem_post(sem), 0);
  s_join(second);
  s_join(first);
  CHECK_EQ(call.rc, 1);
  CHECK_EQ(gt_sem_value(sem) + gt_sem_value(other), 0);
  CHECK_EQ(gt_sem_free(sem), 0);
  CHECK_EQ(gt_sem_free(other), 0);
}

TEST(select_waits_its_turn_among_others) {
  FOR_BOTH(kind) {
    gt_chan_t *chan = s_chan(*kind, 0);
    struct call calls[4];
    int64_t tasks[4], items[4] = {-1, -1, -1, -1};
    for (int i = 0; i < 4; i++) {
      calls[i] = (struct call){.arms = {receiving(chan, &items[i])}, .count = 1};
      tasks[i] = s_select_parked(&calls[i]);
    }
    for (int64_t i = 0; i < 4; i++) CHECK_EQ(gt_chan_send(chan, &i), 0);
    for (int i = 0; i < 4; i++) {
      s_join(tasks[i]);
      CHECK_EQ(items[i], i);
    }
    CHECK_EQ(gt_chan_free(chan), 0);
  }
}

TEST(select_keeps_its_things_from_being_freed) {
  FOR_BOTH(kind) {
    gt_chan_t *chan = s_chan(*kind, 0), *won = s_chan(*kind, 0);
    gt_event_t *event = gt_event_new();
    gt_sem_t *sem = gt_sem_new(0);
    int64_t item = 0;
    struct call call = {.arms = {receiving(chan, &item), set(event), unit(sem), receiving(won, &item)}, .count = 4};
    int64_t task = s_select_parked(&call);
    for (int lost = 0; lost < 2; lost++) {
      CHECK_EQ(gt_chan_free(chan), -EBUSY);
      CHECK_EQ(gt_event_free(event), -EBUSY);
      CHECK_EQ(gt_sem_free(sem), -EBUSY);
      if (lost) break;
      CHECK_EQ(gt_chan_free(won), -EBUSY);
      CHECK_EQ(gt_chan_send(won, &item), 0);
      /* whoever is told now passes the select over; it still comes back to leave */
      CHECK_EQ(gt_chan_send_try(chan, &item), -EAGAIN);
      CHECK_EQ(gt_event_set(event), 0);
      CHECK_EQ(gt_sem_post(sem), 0);
      CHECK_EQ(gt_sem_value(sem), 1);
    }
    CHECK_EQ(gt_chan_free(won), 0); /* it was told, and does not come back to this one */
    s_join(task);
    CHECK_EQ(call.rc, 3);
    CHECK_EQ(gt_chan_free(chan), 0);
    CHECK_EQ(gt_event_free(event), 0);
    CHECK_EQ(gt_sem_free(sem), 0);
  }
}

/* -- many arms */

TEST(select_of_ten_thousand_arms_works) {
  enum { N = 10000 };
  arm_t *arms = calloc(GT_SELECT_MAX + 1, sizeof *arms);
  gt_sem_t **sems = calloc(N, sizeof *sems);
  CHECK(arms && sems);
  for (int i = 0; i < N; i++) {
    CHECK((sems[i] = gt_sem_new(0)) != NULL);
    arms[i] = unit(sems[i]);
  }
  CHECK_EQ(gt_select_try(arms, N), -EAGAIN);
  CHECK_EQ(gt_select_until(arms, N, IN_MS(1)), -ETIMEDOUT);
  for (int i = 0; i < N; i += 999) {
    CHECK_EQ(gt_sem_post(sems[i]), 0);
    CHECK_EQ(gt_select(arms, N), i);
    CHECK_EQ(gt_sem_value(sems[i]), 0);
  }
  for (int i = 0; i < N; i++) CHECK_EQ(gt_sem_free(sems[i]), 0);

  FOR_BOTH(kind) { /* and all about one channel, the most there may be */
    gt_chan_t *chan = s_chan(*kind, 0);
    int64_t item = 0, sent = 6;
    for (int i = 0; i < (int)GT_SELECT_MAX; i++) arms[i] = receiving(chan, &item);
    CHECK_EQ(gt_select_until(arms, GT_SELECT_MAX, IN_MS(1)), -ETIMEDOUT);
    struct call other = {.arms = {sending(chan, &sent)}, .count = 1};
    int64_t task = s_select_parked(&other);
    CHECK_OK(gt_select(arms, GT_SELECT_MAX));
    CHECK_EQ(item, 6);
    s_join(task);
    arms[GT_SELECT_MAX] = arms[0];
    CHECK_EQ(gt_select(arms, GT_SELECT_MAX + 1), -EINVAL);
    CHECK_EQ(gt_chan_free(chan), 0);
  }
  free(sems);
  free(arms);
}

