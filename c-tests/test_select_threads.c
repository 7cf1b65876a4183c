/* gt_select across OS threads: who wins, ends of tasks of workers, nothing lost or doubled under load, threads that end. */
#include "select.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

static gt_chan_t *shared(size_t capacity) {
  gt_chan_t *chan = gt_chan_new_shared(sizeof(int64_t), capacity);
  CHECK(chan != NULL);
  return chan;
}

static void start(unsigned count) { CHECK_EQ(gt_workers_start(count, NULL), (int)count); }

static int64_t on(int worker, gt_entry_t entry, void *arg) {
  int64_t task = gt_spawn_on(worker, entry, arg);
  CHECK_GT(task, 0);
  return task;
}

/* -- each kind, brought about by another OS thread */

struct order {
  struct world *world;
  int which;
};

static void *bring(void *arg) {
  struct order *order = arg;
  s_bring(order->world, order->which);
  return NULL;
}

TEST(select_is_won_from_another_thread) {
  start(2);
  for (int which = 0; which < ALL; which++) for (int rounds = 0; rounds < 30; rounds++) {
      struct world w;
      struct order order = {&w, which};
      s_world(&w, gt_chan_new_shared);
      CHECK_EQ(gt_unpark(w.task), 0);
      s_join(w.task);
      w.task = on(1, s_parks, NULL);
      w.arms[TASK] = ended(w.task);
      int64_t task = on(0, bring, &order);
      CHECK_EQ(gt_select(w.arms, ALL), which);
      s_check_won(w.arms, ALL, (size_t)which);
      s_join(task);
      s_world_free(&w, which);
    }
  CHECK_EQ(gt_workers_stop(), 0);
}

static void *closes(void *arg) {
  CHECK_EQ(gt_chan_close(arg), 0);
  return NULL;
}

TEST(select_hears_that_another_thread_closed_the_channel) {
  start(1);
  for (int way = 0; way < 2; way++) {
    int64_t item = 0;
    gt_chan_t *chan = shared(0);
    arm_t arm = way ? sending(chan, &item) : receiving(chan, &item);
    int64_t task = on(0, closes, chan);
    CHECK_EQ(gt_select(&arm, 1), 0);
    CHECK_EQ(arm.result, -EPIPE);
    s_join(task);
    CHECK_EQ(gt_chan_free(chan), 0);
  }
  CHECK_EQ(gt_workers_stop(), 0);
}

/* -- ends of tasks of workers */

TEST(select_waits_for_the_end_of_a_workers_task) {
  start(1);
  gt_event_t *event = gt_event_new();
  int64_t task = on(0, s_parks, NULL);
  arm_t arms[4] = {ended(task), set(event), ended(task), ended(task)};
  CHECK_EQ(gt_select_try(arms, 4), -EAGAIN);
  CHECK_EQ(gt_select_until(arms, 4, IN_MS(2)), -ETIMEDOUT);
  CHECK_EQ(gt_event_set(event), 0);
  CHECK_EQ(gt_select(arms, 4), 1);
  CHECK_EQ(gt_event_clear(event), 0);
  CHECK_EQ(gt_unpark(task), 0);
  int won = gt_select(arms, 4);
  CHECK_OK(won);
  CHECK_NE(won, 1);
  CHECK_OK(gt_select(arms, 4)); /* it stays so until it is joined */
  s_join(task);
  CHECK_EQ(gt_select(arms, 4), -ESRCH);
  CHECK_EQ(arms[0].result, -ESRCH);
  CHECK_EQ(gt_event_free(event), 0);
  CHECK_EQ(gt_workers_stop(), 0);
}

struct meeting {
  int64_t task;
  int rc;
};

static void *selects_task(void *arg) {
  struct meeting *m = arg;
  arm_t arm = ended(m->task);
  m->rc = gt_select(&arm, 1);
  return NULL;
}

TEST(select_keeps_others_from_joining_a_workers_task) {
  start(1);
  struct meeting m = {.task = on(0, s_parks, NULL), .rc = -1};
  int64_t task = s_spawn(selects_task, &m);
  s_settle();
  arm_t arm = ended(m.task);
  CHECK_EQ(gt_join(m.task, NULL), -EINVAL);
  CHECK_EQ(gt_detach(m.task), -EINVAL);
  CHECK_EQ(gt_select(&arm, 1), -EINVAL);
  CHECK_EQ(arm.result, -EINVAL);
  CHECK_EQ(gt_unpark(m.task), 0);
  s_join(task);
  CHECK_EQ(m.rc, 0);
  CHECK_EQ(gt_detach(m.task), 0);
  CHECK_EQ(gt_workers_stop(), 0);
}

static void *selects_itself(void *arg) {
  (void)arg;
  arm_t arm = ended(gt_self());
  return (void *)(intptr_t)gt_select(&arm, 1);
}

TEST(select_refuses_its_own_task_on_a_worker_and_a_detached_one) {
  start(1);
  CHECK_EQ((intptr_t)s_join(on(0, selects_itself, NULL)), -EDEADLK);
  gt_spawn_opts_t opts = {.size = sizeof opts, .flags = GT_SPAWN_DETACHED};
  int64_t detached = gt_spawn_on_with(0, s_parks, NULL, &opts);
  CHECK_GT(detached, 0);
  arm_t arm = ended(detached);
  CHECK_EQ(gt_select(&arm, 1), -EINVAL);
  CHECK_EQ(gt_unpark(detached), 0);
  CHECK_EQ(gt_workers_stop(), 0);
}

/* -- what belongs to another OS thread */

struct foreign {
  gt_chan_t *chan;
  int64_t task;
};

static void *select_elsewhere(void *arg) {
  struct foreign *f = arg;
  int64_t item = 0;
  gt_sem_t *sem = gt_sem_new(1);
  const arm_t wrong[] = {sending(f->chan, &item), receiving(f->chan, &item), ended(f->task)};
  for (size_t i = 0; i < COUNT(wrong); i++) {
    arm_t arms[2] = {unit(sem), wrong[i]};
    CHECK_EQ(gt_select(arms, 2), -EXDEV);
    CHECK_EQ(arms[1].result, -EXDEV);
    CHECK_EQ(gt_select_try(arms, 2), -EXDEV);
  }
  arm_t arm = unit(sem);
  CHECK_EQ(gt_select(&arm, 1), 0);
  CHECK_EQ(gt_sem_free(sem), 0);
  CHECK_EQ(gt_shutdown(), 0);
  return NULL;
}

TEST(select_refuses_what_belongs_to_another_thread) {
  struct foreign f = {gt_chan_new(8, 1), s_spawn(s_parks, NULL)};
  s_settle();
  s_thread_join(s_thread(select_elsewhere, &f));
  CHECK_EQ(gt_unpark(f.task), 0);
  s_join(f.task);
  CHECK_EQ(gt_chan_free(f.chan), 0);
}

/* The first call of an OS thread that never used the library before is a select. */
static void *first_call(void *arg) {
  int64_t item = 0;
  arm_t arms[2] = {receiving(arg, &item), receiving(arg, &item)};
  CHECK_OK(gt_select(arms, 2));
  CHECK_EQ(gt_shutdown(), 0);
  return (void *)(intptr_t)item;
}

TEST(select_is_the_first_call_of_a_thread) {
  gt_chan_t *chan = shared(0);
  pthread_t thread = s_thread(first_call, chan);
  int64_t item = 77;
  CHECK_EQ(gt_chan_send(chan, &item), 0);
  CHECK_EQ((intptr_t)s_thread_join(thread), 77);
  CHECK_EQ(gt_chan_free(chan), 0);
}

static void *posts_later(void *arg) {
  s_real_sleep(20);
  CHECK_EQ(gt_sem_post(arg), 0);
  return NULL;
}

static void wait_for_the_other(void *arg) {
  (void)arg;
  gt_config_t config = {.size = sizeof config, .deadlock = GT_DEADLOCK_ERROR};
  CHECK_EQ(gt_config(&config), 0);
  gt_sem_t *sem = gt_sem_new(0);
  arm_t arm = unit(sem);
  pthread_t thread = s_thread(posts_later, sem);
  CHECK_EQ(gt_select(&arm, 1), 0);
  s_thread_join(thread);
  CHECK_EQ(gt_sem_free(sem), 0);
}

TEST(select_is_no_deadlock_while_another_thread_may_end_it) {
  struct s_end end;
  s_child(wait_for_the_other, NULL, &end);
  CHECK_STR(end.out, ""); /* no report either */
  CHECK_EQ(end.status, 0);
}

/* -- an OS thread that ends with a task in a select */

static void *select_for_ever(void *arg) {
  struct world *w = arg;
  int64_t item = 0;
  arm_t arms[4] = {receiving(w->empty, &item), set(w->event), unit(w->sem), receiving(w->full, &item)};
  FAIL("a task of a thread that has ended went on: %d", gt_select(arms, 4));
  return NULL;
}

static void *ends_with_a_select(void *arg) {
  struct order *order = arg;
  struct world *w = order->world;
  int64_t item = 5;
  s_spawn(select_for_ever, w);
  s_settle();
  if (order->which) { /* the select has lost at all but one, which it never comes to know */
    CHECK_EQ(gt_chan_send(w->empty, &item), 0);
    CHECK_EQ(gt_event_set(w->event), 0);
    CHECK_EQ(gt_sem_post(w->sem), 0);
    CHECK_EQ(gt_chan_send_try(w->full, &item), -EAGAIN);
  }
  return NULL;
}

TEST_WITH(select_of_a_thread_that_has_ended_holds_nothing_up, T_LEAVES, 0) {
  for (int lost = 0; lost < 2; lost++) {
    struct world w = {.full = shared(0), .empty = shared(0), .event = gt_event_new(), .sem = gt_sem_new(0)};
    struct order order = {&w, lost};
    s_thread_join(s_thread(ends_with_a_select, &order));
    int64_t item = 6;
    CHECK_EQ(gt_chan_send_try(w.empty, &item), -EAGAIN); /* nobody is there */
    if (!lost) CHECK_EQ(gt_sem_post(w.sem), 0);
    CHECK_EQ(gt_sem_value(w.sem), 1);
    CHECK_EQ(gt_chan_free(w.empty), 0);
    CHECK_EQ(gt_chan_free(w.full), 0);
    CHECK_EQ(gt_event_free(w.event), 0);
    CHECK_EQ(gt_sem_free(w.sem), 0);
  }
}

/* -- what comes between the first look and the last arm that is linked: many arms make that time long, and the other threads are wide
 * awake and come at any moment of it */

struct cue {
  gt_chan_t *chan;
  gt_event_t *event;
  gt_sem_t *sem;
  atomic_int round; /* begun; negative: no more */
};

/* What comes in a round: one of the three, or two at once, an item and, from the second thread, a unit. */
enum { SETS, SENDS, POSTS, BOTH, WAYS };

struct part {
  struct cue *cue;
  int second;
};

static void *acts_on_cue(void *arg) {
  const struct part *part = arg;
  struct cue *cue = part->cue;
  int second = part->second;
  for (int done = 0, now;; done = now) {
    for (int looks = 0; (now = cue->round) == done; looks++)
      if (looks > 20000) s_real_sleep(1); /* nobody is in a hurry */
    if (now < 0) break;
    for (volatile int delay = now * 7919 % 30000; delay > 0; delay--) continue;
    int which = now % WAYS;
    int64_t item = 8;
    if (!second && which == SETS) CHECK_EQ(gt_event_set(cue->event), 0);
    if (!second && (which == SENDS || which == BOTH)) CHECK_EQ(gt_chan_send(cue->chan, &item), 0);
    if (second ? which == BOTH : which == POSTS) CHECK_EQ(gt_sem_post(cue->sem), 0);
  }
  CHECK_EQ(gt_shutdown(), 0);
  return NULL;
}

TEST_WITH(select_hears_what_comes_while_it_joins_the_queues, T_HASTE, 60) {
  enum { FIRST = 0, MIDDLE = 400, LAST = 801 };
  static arm_t arms[LAST + 1];
  gt_sem_t *never = gt_sem_new(0);
  struct cue cue = {.chan = shared(0), .event = gt_event_new(), .sem = gt_sem_new(0)};
  struct part parts[2] = {{&cue, 0}, {&cue, 1}};
  pthread_t threads[2] = {s_thread(acts_on_cue, &parts[0]), s_thread(acts_on_cue, &parts[1])};
  int64_t got;
  for (int i = 0; i <= LAST; i++) arms[i] = unit(never);
  for (int i = 1; i <= 4000; i++) {
    int which = i % WAYS;
    arms[MIDDLE] = which == SETS ? set(cue.event) : unit(never);
    arms[FIRST] = which == BOTH ? receiving(cue.chan, &got) : unit(never);
    arms[LAST] = which == SENDS ? receiving(cue.chan, &got) : unit(cue.sem);
    cue.round = i;
    int won = gt_select(arms, LAST + 1);
    CHECK(won == (which == SETS ? MIDDLE : LAST) || (which == BOTH && won == FIRST));
    if (which == BOTH) CHECK_EQ(gt_select(arms, LAST + 1), won == FIRST ? LAST : FIRST);
    CHECK_EQ(gt_event_clear(cue.event), 0);
    CHECK_EQ(gt_select_try(arms, LAST + 1), -EAGAIN); /* nothing is left over */
  }
  cue.round = -1;
  for (int i = 0; i < 2; i++) s_thread_join(threads[i]);
  CHECK_EQ(gt_sem_value(cue.sem), 0);
  CHECK_EQ(gt_chan_free(cue.chan), 0);
  CHECK_EQ(gt_event_free(cue.event), 0);
  CHECK_EQ(gt_sem_free(cue.sem), 0);
  CHECK_EQ(gt_sem_free(never), 0);
}

/* -- under load: what goes in comes out once */

enum { CHANS = 3, SIDES = 4, EACH = 10000 };

struct load {
  gt_chan_t *chans[CHANS];
  atomic_int seen[SIDES * EACH];
  atomic_int taken, sending;
  gt_event_t *over;
};

struct sender {
  struct load *load;
  int first;
};

/* Sends its numbers, each by a select over all channels; every third call has a deadline that may well pass. */
static void *send_all(void *arg) {
  struct sender *me = arg;
  arm_t arms[CHANS];
  for (int i = 0; i < EACH;) {
    int64_t item = me->first + i;
    for (int c = 0; c < CHANS; c++) arms[c] = sending(me->load->chans[c], &item);
    int rc = i % 3 ? gt_select(arms, CHANS) : gt_select_until(arms, CHANS, gt_now() + 20000);
    if (rc == -ETIMEDOUT) continue;
    CHECK_OK(rc);
    CHECK_EQ(arms[rc].result, 0);
    i++;
  }
  atomic_fetch_sub(&me->load->sending, 1);
  return NULL;
}

static void *take_all(void *arg) {
  struct load *load = arg;
  arm_t arms[CHANS + 1];
  for (int round = 0;; round++) {
    int64_t items[CHANS];
    for (int c = 0; c < CHANS; c++) arms[c] = receiving(load->chans[c], &items[c]);
    arms[CHANS] = set(load->over);
    int rc = round % 3 ? gt_select(arms, CHANS + 1) : gt_select_until(arms, CHANS + 1, gt_now() + 20000);
    if (rc == -ETIMEDOUT) continue;
    CHECK_OK(rc);
    if (rc == CHANS) return NULL;
    CHECK_EQ(atomic_fetch_add(&load->seen[items[rc]], 1), 0);
    if (atomic_fetch_add(&load->taken, 1) + 1 == SIDES * EACH) CHECK_EQ(gt_event_set(load->over), 0);
  }
}

TEST_WITH(select_under_load_loses_and_doubles_nothing, T_HASTE, 60) {
  static struct load load;
  struct sender senders[SIDES];
  int64_t tasks[2 * SIDES];
  start(2);
  load.over = gt_event_new();
  load.sending = SIDES;
  for (int c = 0; c < CHANS; c++) load.chans[c] = shared((size_t)c); /* unbuffered, one place, two places */
  for (int i = 0; i < SIDES; i++) {
    senders[i] = (struct sender){&load, i * EACH};
    tasks[i] = on(i % 2, send_all, &senders[i]);
    tasks[SIDES + i] = on(i / 2 % 2, take_all, &load);
  }
  for (int i = 0; i < 2 * SIDES; i++) s_join(tasks[i]);
  CHECK_EQ(load.taken, SIDES * EACH);
  for (int i = 0; i < SIDES * EACH; i++) CHECK_EQ(load.seen[i], 1);
  for (int c = 0; c < CHANS; c++) {
    CHECK_EQ(gt_chan_len(load.chans[c]), 0);
    CHECK_EQ(gt_chan_free(load.chans[c]), 0);
  }
  CHECK_EQ(gt_event_free(load.over), 0);
  CHECK_EQ(gt_workers_stop(), 0);
}

/* Tasks that both send and receive in one call, on unbuffered channels: each item goes from one to another. */
struct trade {
  gt_chan_t *chans[2];
  gt_event_t *over;
  atomic_long given, got, sum;
};

static void *trades(void *arg) {
  struct trade *t = arg;
  for (int64_t n = 1;; n++) {
    int64_t out = n, in = 0;
    arm_t arms[5] = {sending(t->chans[0], &out), receiving(t->chans[0], &in), set(t->over), sending(t->chans[1], &out), receiving(t->chans[1], &in)};
    int rc = gt_select(arms, 5);
    CHECK_OK(rc);
    if (rc == 2) return NULL;
    if (arms[rc].kind == GT_SELECT_SEND) {
      CHECK_EQ(in, 0);
      atomic_fetch_add(&t->given, 1);
      atomic_fetch_add(&t->sum, out);
    } else {
      CHECK_GT(in, 0);
      atomic_fetch_sub(&t->sum, in);
      if (atomic_fetch_add(&t->got, 1) == 4000) CHECK_EQ(gt_event_set(t->over), 0);
    }
  }
}

TEST_WITH(select_of_both_ways_under_load_hands_each_item_over_once, 0, 60) {
  struct trade t = {{shared(0), shared(0)}, gt_event_new(), 0, 0, 0};
  int64_t tasks[6];
  start(2);
  for (int i = 0; i < 6; i++) tasks[i] = on(i % 2, trades, &t);
  for (int i = 0; i < 6; i++) s_join(tasks[i]);
  CHECK_EQ(t.given, t.got);
  CHECK_EQ(t.sum, 0);
  CHECK_EQ(gt_chan_free(t.chans[0]), 0);
  CHECK_EQ(gt_chan_free(t.chans[1]), 0);
  CHECK_EQ(gt_event_free(t.over), 0);
  CHECK_EQ(gt_workers_stop(), 0);
}

/* Units go round between three semaphores, whose waiters are cancelled and interrupted all the time: their number stays. */
struct units {
  gt_sem_t *sems[3];
  atomic_int moves, over;
};

static void *moves_units(void *arg) {
  struct units *u = arg;
  while (!u->over) {
    arm_t arms[3] = {unit(u->sems[0]), unit(u->sems[1]), unit(u->sems[2])};
    int rc = gt_select_until(arms, 3, gt_now() + 50000);
    if (rc == -ECANCELED) return NULL;
    if (rc == -ETIMEDOUT || rc == -EINTR) continue;
    CHECK_OK(rc);
    atomic_fetch_add(&u->moves, 1);
    CHECK_EQ(gt_sem_post(u->sems[(rc + 1) % 3]), 0);
  }
  return NULL;
}

TEST_WITH(select_under_load_keeps_the_number_of_units, T_HASTE, 60) {
  struct units u = {{gt_sem_new(1), gt_sem_new(0), gt_sem_new(1)}, 0, 0};
  int64_t tasks[6];
  start(2);
  for (int i = 0; i < 6; i++) tasks[i] = on(i % 2, moves_units, &u);
  for (int i = 0; u.moves < 4000; i++) {
    int rc = gt_interrupt(tasks[i % 6], i);
    CHECK(rc == 0 || rc == -ENOMEM);
    if (i % 50 == 0) { /* cancelled, and another one takes its place */
      int at = i / 50 % 6;
      CHECK_EQ(gt_cancel(tasks[at]), 0);
      s_join(tasks[at]);
      tasks[at] = on(at % 2, moves_units, &u);
    }
    CHECK_EQ(gt_sleep(50000), 0);
  }
  u.over = 1;
  for (int i = 0; i < 6; i++) s_join(tasks[i]);
  CHECK_EQ(gt_sem_value(u.sems[0]) + gt_sem_value(u.sems[1]) + gt_sem_value(u.sems[2]), 2);
  for (int i = 0; i < 3; i++) CHECK_EQ(gt_sem_free(u.sems[i]), 0);
  CHECK_EQ(gt_workers_stop(), 0);
}

static void *posts(void *arg) {
  CHECK_EQ(gt_sem_post(arg), 0);
  return NULL;
}

/* Ends of tasks, waited for by selects with other arms, while those others come about as well. */
static void *short_life(void *arg) {
  for (intptr_t i = (intptr_t)arg; i > 0; i--) CHECK_EQ(gt_yield(), 0);
  return NULL;
}

TEST_WITH(select_of_ends_under_load_sees_each_end, 0, 60) {
  start(2);
  gt_sem_t *sem = gt_sem_new(0);
  for (int i = 0; i < 1500; i++) {
    int64_t task = on(0, short_life, (void *)(intptr_t)(i % 5)), poster = on(1, posts, sem);
    arm_t arms[3] = {ended(task), unit(sem), ended(task)};
    int taken = 0, rc;
    while ((rc = gt_select(arms, 3)) == 1) taken++;
    CHECK(rc == 0 || rc == 2);
    s_join(task);
    s_join(poster);
    CHECK_EQ(gt_sem_value(sem), !taken);
    if (!taken) CHECK_EQ(gt_sem_wait(sem), 0);
  }
  CHECK_EQ(gt_sem_free(sem), 0);
  CHECK_EQ(gt_workers_stop(), 0);
}

/* A channel that has lost a select is freed as soon as the select has left: by the task itself, while others still send. */
static void *sends_once(void *arg) {
  int64_t item = 9;
  int rc = gt_chan_send_until(arg, &item, 0);
  CHECK(rc == 0 || rc == -ETIMEDOUT);
  return NULL;
}

TEST_WITH(select_under_load_leaves_channels_that_can_be_freed, 0, 60) {
  start(2);
  for (int i = 0; i < 1500; i++) {
    gt_chan_t *chans[2] = {shared(0), shared(1)};
    int64_t items[2], tasks[2];
    arm_t arms[2] = {receiving(chans[0], &items[0]), receiving(chans[1], &items[1])};
    for (int c = 0; c < 2; c++) tasks[c] = on(c, sends_once, chans[c]);
    int rc = gt_select(arms, 2); /* the one with a place gets its item in any case */
    CHECK_OK(rc);
    CHECK_EQ(items[rc], 9);
    for (int c = 0; c < 2; c++) s_join(tasks[c]);
    for (int c = 0; c < 2; c++) CHECK_EQ(gt_chan_free(chans[c]), 0);
  }
  CHECK_EQ(gt_workers_stop(), 0);
}
