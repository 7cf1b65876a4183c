/* Acts of tasks: spawn, join, cancel, interrupt, permits, deadlines, slots, names. */
#include "soak.h"

enum { CREW = 16 };

static void *live_shortly(void *arg) {
  uintptr_t number = (uintptr_t)arg;
  switch (number % 5) {
    case 1: MUST_EQ(gt_yield(), 0); break;
    case 2: MUST_EQ(gt_sleep(US(number % 1000)), 0); break;
    case 3:
      for (uintptr_t i = 0; i < number % 20; i++) MUST_EQ(gt_yield(), 0);
      break;
    case 4: gt_exit(arg); break;
    default: break;
  }
  return arg;
}

ACT(spawn_and_join, 10) {
  gt_spawn_opts_t wishes = {.size = sizeof wishes, .name = "wishes"};
  int64_t tasks[CREW];
  unsigned count = 1 + so_roll(dice, CREW);
  uintptr_t sum = 0;
  void *own = NULL;
  for (unsigned i = 0; i < count; i++) {
    uintptr_t number = so_roll(dice, 10000);
    sum += number;
    if (so_roll(dice, 3)) {
      tasks[i] = so_anywhere(dice, live_shortly, (void *)number);
      continue;
    }
    wishes.stack_size = (size_t)(16 * 1024) << 2 * so_roll(dice, 3);
    wishes.stack = own ? NULL : (own = aligned_alloc(64, wishes.stack_size));
    MUST_OK(tasks[i] = gt_spawn_with(live_shortly, (void *)number, &wishes));
  }
  for (unsigned i = 0; i < count; i++) sum -= (uintptr_t)so_join(tasks[i]);
  MUST_EQ(sum, 0);
  free(own);
}

static void *end_and_tell(void *group) {
  gt_yield();
  MUST_EQ(gt_waitgroup_done(group), 0);
  return NULL;
}

ACT(detached, 4) {
  gt_spawn_opts_t wishes = {.size = sizeof wishes, .flags = GT_SPAWN_DETACHED};
  gt_waitgroup_t *group = gt_waitgroup_new();
  unsigned count = 1 + so_roll(dice, CREW);
  MUST_EQ(gt_waitgroup_add(group, count), 0);
  for (unsigned i = 0; i < count; i++) {
    if (so_roll(dice, 2))
      MUST_OK(gt_spawn_any_with(end_and_tell, group, &wishes));
    else
      MUST_EQ(gt_detach(so_here(end_and_tell, group)), 0);
  }
  MUST_EQ(gt_waitgroup_wait(group), 0);
  int freed;
  while ((freed = gt_waitgroup_free(group)) == -EBUSY) gt_yield();
  MUST_EQ(freed, 0);
}

/* -- cancel */

struct victim {
  gt_event_t *never;
  unsigned how;
  int cleaned;
};

static void clean(void *arg) { ((struct victim *)arg)->cleaned++; }

static void *suffer(void *arg) {
  struct victim *victim = arg;
  int got;
  MUST_EQ(gt_cleanup_push(clean, victim), 0);
  do {
    switch (victim->how) {
      case 0: got = gt_sleep_until(GT_NEVER); break;
      case 1: got = gt_park(); break;
      case 2: got = gt_event_wait(victim->never); break;
      case 3: got = gt_sleep(US(200)); break;
      default: got = gt_yield(); break;
    }
  } while (got == 0 || got == -EINTR);
  MUST_EQ(got, -ECANCELED);
  MUST_EQ(gt_yield(), -ECANCELED);
  return NULL;
}

ACT(cancelled, 8) {
  struct victim victims[CREW];
  int64_t tasks[CREW];
  gt_event_t *never = gt_event_new();
  unsigned count = 1 + so_roll(dice, CREW);
  for (unsigned i = 0; i < count; i++) {
    victims[i] = (struct victim){never, so_roll(dice, 5), 0};
    tasks[i] = so_anywhere(dice, suffer, &victims[i]);
  }
  so_pause(dice);
  so_torment(dice, tasks, count);
  for (unsigned i = count; i-- > 0;) {
    int got = gt_cancel(tasks[i]);
    MUST(got == 0 || got == -ESRCH);
    so_pause(dice);
  }
  so_join_all(tasks, count);
  int never_started = 0;
  for (unsigned i = 0; i < count; i++) never_started += victims[i].cleaned == 0;
  MUST_EQ(never_started, 0);
  MUST_EQ(gt_event_free(never), 0);
}

/* -- interrupts: each code arrives once, in order */

enum { LAST_CODE = 1000000 };

static void *hear_codes(void *arg) {
  int32_t last = 0, code = 0;
  uintptr_t heard = 0;
  (void)arg;
  while (code != LAST_CODE) {
    int got = gt_sleep(MS(1));
    MUST(got == 0 || got == -EINTR);
    while (gt_interrupt_take(&code) == 0) {
      MUST(code > last);
      last = code;
      heard++;
    }
  }
  return (void *)heard;
}

ACT(interrupted, 6) {
  int64_t task = so_anywhere(dice, hear_codes, NULL);
  unsigned sent = so_roll(dice, 20);
  for (unsigned i = 1; i <= sent; i++) {
    MUST_EQ(gt_interrupt(task, (int)i), 0);
    so_pause(dice);
  }
  MUST_EQ(gt_interrupt(task, LAST_CODE), 0);
  MUST_EQ((uintptr_t)so_join(task), sent + 1);
}

/* -- permits */

struct match {
  int64_t players[2];
  gt_event_t *start;
  atomic_uint turn;
  unsigned rounds;
};

static void play_ball(struct match *match, unsigned me) {
  MUST_EQ(gt_event_wait(match->start), 0);
  for (unsigned round = 0; round < match->rounds; round++) {
    while (match->turn % 2 != me) MUST_EQ(gt_park(), 0);
    match->turn++;
    int got = gt_unpark(match->players[!me]);
    MUST(got == 0 || got == -ESRCH);
  }
}

static void *play_first(void *match) {
  play_ball(match, 0);
  return NULL;
}

static void *play_second(void *match) {
  play_ball(match, 1);
  return NULL;
}

ACT(permits, 6) {
  struct match match = {.start = gt_event_new(), .rounds = 1 + so_roll(dice, 60)};
  match.players[0] = so_anywhere(dice, play_first, &match);
  match.players[1] = so_anywhere(dice, play_second, &match);
  MUST_EQ(gt_event_set(match.start), 0);
  so_join_all(match.players, 2);
  MUST_EQ(match.turn, 2 * match.rounds);
  MUST_EQ(gt_event_free(match.start), 0);
}

static int64_t wake_from_outside(void *waker) { return gt_waker_wake(waker); }

static void *wait_for_permit(void *arg) {
  MUST_EQ(gt_park(), 0);
  return arg;
}

ACT(woken_by_a_plain_thread, 2) {
  int64_t task = so_anywhere(dice, wait_for_permit, NULL);
  gt_waker_t *waker = gt_waker_new(task);
  MUST(waker != NULL);
  MUST_EQ(gt_offload(wake_from_outside, waker), 0);
  so_join(task);
  gt_waker_free(waker);
}

/* -- time */

static void *sleep_some(void *arg) {
  struct dice dice = so_dice();
  for (int i = 0; i < 10; i++) {
    int64_t until = gt_now() + US(so_roll(&dice, 3000));
    MUST_EQ(gt_sleep_until(until), 0);
    MUST(gt_now() >= until);
  }
  return arg;
}

ACT(sleepers, 4) {
  int64_t tasks[CREW];
  for (unsigned i = 0; i < CREW; i++) tasks[i] = so_anywhere(dice, sleep_some, NULL);
  so_join_all(tasks, CREW);
}

ACT(deadlines, 4) {
  int64_t task = so_here(sleep_some, NULL);
  int64_t outer = gt_deadline_push(gt_now() + MS(2 + so_roll(dice, 4))), inner = gt_deadline_push(so_soon(dice));
  MUST_EQ(gt_sleep(MS(60000)), -ETIMEDOUT);
  MUST_EQ(gt_deadline_pop(outer), -EINVAL);
  int ended = gt_deadline_pop(inner);
  while (!so_roll(dice, 3)) so_pause(dice);
  MUST(ended == 1 || gt_deadline_pop(outer) == 1);
  if (ended == 1) MUST_OK(gt_deadline_pop(outer));
  MUST_EQ(gt_yield(), 0);
  int got = gt_join_until(task, NULL, so_soon(dice));
  MUST(got == 0 || got == -ETIMEDOUT);
  if (got) so_join(task);
}

/* -- slots, and what is told of a task */

static void destroy(void *count) { atomic_fetch_add((atomic_int *)count, 1); }

struct slots {
  int keys[3];
  atomic_int set, destroyed;
};

static void *use_slots(void *arg) {
  struct slots *slots = arg;
  struct dice dice = so_dice();
  for (int i = 0; i < 3; i++) {
    if (so_roll(&dice, 2)) continue;
    MUST_EQ(gt_local_set(slots->keys[i], &slots->destroyed), 0);
    slots->set++;
    so_pause(&dice);
    MUST(gt_local_get(slots->keys[i]) == &slots->destroyed);
  }
  return NULL;
}

ACT(task_local_slots, 4) {
  struct slots slots = {.set = 0};
  int64_t tasks[8];
  for (int i = 0; i < 3; i++) MUST_OK(slots.keys[i] = gt_local_new(destroy));
  for (unsigned i = 0; i < COUNT(tasks); i++) tasks[i] = so_anywhere(dice, use_slots, &slots);
  so_join_all(tasks, COUNT(tasks));
  MUST_EQ(slots.set, slots.destroyed);
  for (int i = 0; i < 3; i++) MUST_EQ(gt_local_free(slots.keys[i]), 0);
}

ACT(looked_at, 2) {
  int64_t ids[256], task = so_here(wait_for_permit, NULL);
  gt_task_info_t info = {.size = sizeof info};
  void *calls[16];
  char name[32];
  MUST_EQ(gt_task_set_name(task, "looked at"), 0);
  MUST_EQ(gt_yield(), 0);
  MUST(gt_task_list(ids, COUNT(ids)) >= 3); /* the root, the driver, and this one */
  MUST_EQ(gt_task_info(task, &info), 0);
  MUST_EQ(gt_task_name(task, name, sizeof name), strlen("looked at"));
  MUST(strcmp(name, "looked at") == 0 && strcmp(info.name, name) == 0);
  MUST(info.state == GT_TASK_READY || (info.state == GT_TASK_PARKED && info.waits == GT_WAIT_PARK));
  if (!so_roll(dice, 8)) MUST(gt_backtrace(task, calls, COUNT(calls)) >= 0);
  MUST_EQ(gt_unpark(task), 0);
  so_join(task);
}
