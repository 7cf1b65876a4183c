/* Locks, conditions, semaphores, events, wait groups and barriers against a model: who waits, and whose turn it is. */
#include <errno.h>
#include <stdio.h>

#include "model.h"

enum { ACTORS = 9, ROOT = ACTORS, NOBODY = -1, KINDS = 2, PARTIES = 3 };

/* Actors in the order in which they came. */
struct queue {
  int who[ACTORS], count;
};

enum op {
  SEM_WAIT, SEM_TRY, SEM_POST, LOCK, TRY_LOCK, UNLOCK, READ, TRY_READ, WRITE, TRY_WRITE, RW_UNLOCK, COND_WAIT, SIGNAL, BROADCAST,
  GROUP_ADD, GROUP_WAIT, BARRIER, EVENT_WAIT, EVENT_SET, EVENT_CLEAR, OPS
};
static const char *const names[] = {"wait for semaphore", "try semaphore", "post semaphore", "lock", "try lock", "unlock", "read", "try read",
                                    "write", "try write", "unlock rwlock", "wait for cond", "signal", "broadcast", "add to group",
                                    "wait for group", "barrier", "wait for event", "set event", "clear event"};

struct who {
  struct actor actor;
  enum op op;
  int object, n;
  /* the model: */
  int relocks, told; /* its wait for a condition is over, and came to `told`: it takes the mutex back */
};

static struct who whos[ACTORS + 1]; /* the last one is the root task */

/* The things, and what they should be. */
static struct {
  gt_sem_t *sem;
  int64_t value;
  gt_mutex_t *mutex;
  int owner;
  gt_rwlock_t *rwlock;
  int writer, readers, reads[ACTORS + 1];
  gt_cond_t *cond; /* with the mutex of the same number */
  gt_waitgroup_t *group;
  int64_t pending;
  gt_barrier_t *barrier;
  gt_event_t *event;
  int set;
  struct queue sem_queue, mutex_queue, rw_queue, cond_queue, group_queue, barrier_queue, event_queue;
} things[KINDS];

static void enqueue(struct queue *q, int who) { q->who[q->count++] = who; }

static int first_of(const struct queue *q) { return q->count ? q->who[0] : NOBODY; }

static int remove_from(struct queue *q, int who) {
  for (int i = 0; i < q->count; i++)
    if (q->who[i] == who) {
      memmove(&q->who[i], &q->who[i + 1], (size_t)(--q->count - i) * sizeof q->who[0]);
      return 1;
    }
  return 0;
}

static struct queue *queue_of(enum op op, int object) {
  switch (op) {
    case SEM_WAIT: return &things[object].sem_queue;
    case LOCK: return &things[object].mutex_queue;
    case READ:
    case WRITE: return &things[object].rw_queue;
    case COND_WAIT: return &things[object].cond_queue;
    case GROUP_WAIT: return &things[object].group_queue;
    case BARRIER: return &things[object].barrier_queue;
    default: return &things[object].event_queue;
  }
}

static void grant(struct queue *q, int rc) {
  int who = first_of(q);
  remove_from(q, who);
  m_granted(&whos[who].actor, rc);
}

/* -- each noun, in words */

static void give_units(int object) {
  while (things[object].value && things[object].sem_queue.count) {
    things[object].value--;
    grant(&things[object].sem_queue, 0);
  }
}

/* The mutex goes to the first who waits. One who takes it back after a condition has with it what the condition came to. */
static void hand_over(int object) {
  int next = first_of(&things[object].mutex_queue);
  things[object].owner = next;
  if (next == NOBODY) return;
  struct who *w = &whos[next];
  grant(&things[object].mutex_queue, w->relocks ? w->told : 0);
}

/* Readers at the head go together; a writer only when nobody reads. */
static void let_in(int object) {
  struct queue *q = &things[object].rw_queue;
  while (q->count && things[object].writer == NOBODY && whos[first_of(q)].op == READ) {
    things[object].readers++;
    things[object].reads[first_of(q)]++;
    grant(q, 0);
  }
  if (q->count && things[object].writer == NOBODY && !things[object].readers) {
    things[object].writer = first_of(q);
    grant(q, 0);
  }
}

static int take_mutex(int object, int who, int busy) {
  if (things[object].owner == who) return -EDEADLK;
  if (things[object].owner != NOBODY) return busy;
  things[object].owner = who;
  return 0;
}

enum { WAIT = 2 }; /* what no call returns: it would wait */

static int take_rwlock(int object, int who, int write, int busy) {
  if (things[object].writer == who) return -EDEADLK;
  if (things[object].writer != NOBODY || things[object].rw_queue.count || (write && things[object].readers)) return busy;
  if (write) {
    things[object].writer = who;
  } else {
    things[object].readers++;
    things[object].reads[who]++;
  }
  return 0;
}

static int release_rwlock(int object, int who) {
  if (things[object].writer == who) {
    things[object].writer = NOBODY;
  } else if (things[object].writer != NOBODY || !things[object].readers) {
    return -EPERM;
  } else {
    things[object].readers--;
    things[object].reads[who]--;
  }
  let_in(object);
  return 0;
}

static int is_wait(enum op op) {
  return op == SEM_WAIT || op == LOCK || op == READ || op == WRITE || op == COND_WAIT || op == GROUP_WAIT || op == BARRIER || op == EVENT_WAIT;
}

/* What the call does now: what it returns, or WAIT. */
static int attempt(int who) {
  struct who *w = &whos[who];
  int o = w->object;
  switch (w->op) {
    case SEM_WAIT:
    case SEM_TRY:
      if (!things[o].value) return w->op == SEM_WAIT ? WAIT : -EAGAIN;
      things[o].value--;
      return 0;
    case SEM_POST:
      things[o].value += w->n;
      give_units(o);
      return 0;
    case LOCK: return take_mutex(o, who, WAIT);
    case TRY_LOCK: return take_mutex(o, who, -EBUSY);
    case UNLOCK:
      if (things[o].owner != who) return -EPERM;
      hand_over(o);
      return 0;
    case READ: return take_rwlock(o, who, 0, WAIT);
    case TRY_READ: return take_rwlock(o, who, 0, -EBUSY);
    case WRITE: return take_rwlock(o, who, 1, WAIT);
    case TRY_WRITE: return take_rwlock(o, who, 1, -EBUSY);
    case RW_UNLOCK: return release_rwlock(o, who);
    case COND_WAIT: return WAIT; /* by one who has the mutex */
    case SIGNAL:
      if (things[o].cond_queue.count) grant(&things[o].cond_queue, 0);
      return 0;
    case BROADCAST:
      while (things[o].cond_queue.count) grant(&things[o].cond_queue, 0);
      return 0;
    case GROUP_ADD:
      if (things[o].pending + w->n < 0) return -EINVAL;
      things[o].pending += w->n;
      while (!things[o].pending && things[o].group_queue.count) grant(&things[o].group_queue, 0);
      return 0;
    case GROUP_WAIT: return things[o].pending ? WAIT : 0;
    case BARRIER:
      if (things[o].barrier_queue.count + 1 < PARTIES) return WAIT;
      while (things[o].barrier_queue.count) grant(&things[o].barrier_queue, 0);
      return 1; /* the last */
    case EVENT_WAIT: return things[o].set ? 0 : WAIT;
    case EVENT_SET:
      things[o].set = 1;
      while (things[o].event_queue.count) grant(&things[o].event_queue, 0);
      return 0;
    default: things[o].set = 0; return 0;
  }
}

/* -- calls */

static int call(struct who *w, int64_t deadline) {
  int o = w->object, for_ever = deadline == GT_NEVER;
  switch (w->op) {
    case SEM_WAIT: return for_ever ? gt_sem_wait(things[o].sem) : gt_sem_wait_until(things[o].sem, deadline);
    case SEM_TRY: return gt_sem_try_wait(things[o].sem);
    case SEM_POST: return w->n == 1 ? gt_sem_post(things[o].sem) : gt_sem_post_many(things[o].sem, w->n);
    case LOCK: return for_ever ? gt_mutex_lock(things[o].mutex) : gt_mutex_lock_until(things[o].mutex, deadline);
    case TRY_LOCK: return gt_mutex_try_lock(things[o].mutex);
    case UNLOCK: return gt_mutex_unlock(things[o].mutex);
    case READ: return for_ever ? gt_rwlock_read_lock(things[o].rwlock) : gt_rwlock_read_lock_until(things[o].rwlock, deadline);
    case TRY_READ: return gt_rwlock_try_read_lock(things[o].rwlock);
    case WRITE: return for_ever ? gt_rwlock_write_lock(things[o].rwlock) : gt_rwlock_write_lock_until(things[o].rwlock, deadline);
    case TRY_WRITE: return gt_rwlock_try_write_lock(things[o].rwlock);
    case RW_UNLOCK: return gt_rwlock_unlock(things[o].rwlock);
    case COND_WAIT:
      return for_ever ? gt_cond_wait(things[o].cond, things[o].mutex) : gt_cond_wait_until(things[o].cond, things[o].mutex, deadline);
    case SIGNAL: return gt_cond_signal(things[o].cond);
    case BROADCAST: return gt_cond_broadcast(things[o].cond);
    case GROUP_ADD: return w->n == -1 ? gt_waitgroup_done(things[o].group) : gt_waitgroup_add(things[o].group, w->n);
    case GROUP_WAIT: return for_ever ? gt_waitgroup_wait(things[o].group) : gt_waitgroup_wait_until(things[o].group, deadline);
    case BARRIER: return for_ever ? gt_barrier_wait(things[o].barrier) : gt_barrier_wait_until(things[o].barrier, deadline);
    case EVENT_WAIT: return for_ever ? gt_event_wait(things[o].event) : gt_event_wait_until(things[o].event, deadline);
    case EVENT_SET: return gt_event_set(things[o].event);
    default: return gt_event_clear(things[o].event);
  }
}

static int act(struct actor *actor) { return call((struct who *)actor, actor->deadline); }

/* How many locks it has. */
static int holds(int who) {
  int count = 0;
  for (int o = 0; o < KINDS; o++) count += (things[o].owner == who) + (things[o].writer == who) + things[o].reads[who];
  return count;
}

static int holds_any_of(int who, int o) { return things[o].owner == who || things[o].writer == who || things[o].reads[who]; }

/* A call that makes sense for one who has what it has: gives back more often than not, and never what it has not, save a few times. */
static void draw_op(int who) {
  struct who *w = &whos[who];
  w->object = (int)m_below(KINDS);
  static const int often[OPS] = {
      [SEM_WAIT] = 4, [SEM_TRY] = 1, [SEM_POST] = 2, [LOCK] = 6, [TRY_LOCK] = 1, [UNLOCK] = 1, [READ] = 5, [TRY_READ] = 1, [WRITE] = 5,
      [TRY_WRITE] = 1, [RW_UNLOCK] = 1, [COND_WAIT] = 4, [SIGNAL] = 2, [BROADCAST] = 1, [GROUP_ADD] = 3, [GROUP_WAIT] = 3, [BARRIER] = 2,
      [EVENT_WAIT] = 3, [EVENT_SET] = 1, [EVENT_CLEAR] = 2};
  int drawn = (int)m_below(49);
  for (w->op = SEM_WAIT; drawn >= often[w->op]; w->op++) drawn -= often[w->op];
  int o = w->object;
  if (holds(who) && is_wait(w->op) && !m_chance(4)) { /* seldom waits for one thing with another one in its hands */
    while (!holds_any_of(who, o)) o = w->object = (int)m_below(KINDS);
    w->op = things[o].owner != who ? RW_UNLOCK : m_chance(4) ? UNLOCK : COND_WAIT;
  }
  if (w->op == RW_UNLOCK && things[o].writer == NOBODY && things[o].readers && !things[o].reads[who]) w->op = TRY_READ; /* not noticed */
  if (w->op == COND_WAIT && (who == ROOT || holds(who) > 1)) w->op = UNLOCK; /* else nothing might ever end its wait */
  if (w->op == COND_WAIT && things[o].owner != who) w->op = LOCK;
  w->n = w->op == GROUP_ADD ? (int)m_below(4) - 2 : w->op == SEM_POST ? (int)m_below(3) : 1;
  w->relocks = 0;
}

/* -- what happens when everybody runs: in the order in which they were woken */

/* One whose wait for a condition is over takes the mutex back, shielded. */
static void relock(int who) {
  struct who *w = &whos[who];
  w->relocks = 1;
  w->told = w->actor.should;
  if (things[w->object].owner == NOBODY) {
    things[w->object].owner = who;
    return;
  }
  enqueue(&things[w->object].mutex_queue, who);
  m_waits_shielded(&w->actor);
}

static void leave(int who) {
  struct who *w = &whos[who];
  if (!w->relocks) remove_from(queue_of(w->op, w->object), who);
  if (w->op == READ || w->op == WRITE) let_in(w->object);
  if (w->op == COND_WAIT) relock(who);
}

static void run_woken(void) {
  for (;;) {
    struct who *next = NULL;
    for (int i = 0; i < ACTORS; i++) {
      struct actor *a = &whos[i].actor;
      if (a->woken && (!next || a->woken < next->actor.woken)) next = &whos[i];
    }
    if (!next) return;
    int who = next->actor.index;
    next->actor.woken = 0;
    if (m_has_left(&next->actor))
      leave(who);
    else if (next->actor.granted && next->op == COND_WAIT && !next->relocks)
      relock(who);
  }
}

static void compare(int caller) {
  s_settle();
  run_woken();
  if (caller != NOBODY) {
    struct who *w = &whos[caller];
    int waits = is_wait(w->op);
    if (!waits || !m_ends_at_once(&w->actor)) {
      int rc = attempt(caller);
      if (rc != WAIT) {
        w->actor.should = rc;
      } else {
        if (w->op == COND_WAIT) hand_over(w->object);
        if (m_would_wait(&w->actor))
          enqueue(queue_of(w->op, w->object), caller);
        else if (w->op == COND_WAIT)
          relock(caller);
      }
    }
    run_woken();
  }
  for (int i = 0; i < ACTORS; i++) m_check_actor(&whos[i].actor);
  for (int o = 0; o < KINDS; o++) {
    M_EQ(gt_sem_value(things[o].sem), things[o].value);
    M_EQ(gt_event_is_set(things[o].event), things[o].set);
  }
}

/* -- what the root task does, without letting anybody run */

static void note(const char *who, int index, const struct who *w, const char *limits) {
  m_note("%s %d: %s %d%s%s", who, index, names[w->op], w->object, w->n == 1 ? "" : w->n == 0 ? " by 0" : w->n < 0 ? " by less" : " by 2", limits);
}

static void root_call(void) {
  struct who *w = &whos[ROOT];
  draw_op(ROOT);
  note("root", 0, w, "");
  int rc = call(w, 0), should = attempt(ROOT);
  if (rc != (should == WAIT ? -ETIMEDOUT : should)) M_FAIL("root: its call returned %d and should return %d", rc, should == WAIT ? -ETIMEDOUT : should);
}

static void disturb(void) {
  struct actor *a = &whos[m_below(ACTORS)].actor;
  switch (m_below(5)) {
    case 0:
      m_note("root: cancel %d", a->index);
      m_cancel(a);
      break;
    case 1:
      m_note("root: withdraw an interrupt of %d", a->index);
      m_withdraw(a);
      break;
    default:
      m_note("root: interrupt %d", a->index);
      m_interrupt(a, (int)m_below(100));
  }
}

static void pass(void) {
  int64_t ns = (int64_t)m_below(8) * 100000;
  m_note("root: %d us pass", (int)(ns / 1000));
  m_pass(ns);
}

static void burst(void) {
  for (uint64_t left = 1 + m_below(5); left; left--) {
    uint64_t drawn = m_below(12);
    if (drawn < 2)
      disturb();
    else if (drawn == 2)
      pass();
    else
      root_call();
  }
  compare(NOBODY);
}

static void tell(int who, const char *limits) {
  note("actor", who, &whos[who], limits);
  m_actor_tell(&whos[who].actor, act);
  compare(who);
}

static void tell_any(void) {
  int who = (int)m_below(ACTORS);
  struct who *w = &whos[who];
  if (w->actor.waits) return;
  if (w->actor.cancelled && !holds(who)) {
    m_note("actor %d ends, another begins", who);
    m_actor_end(&w->actor);
    m_actor_start(&w->actor, who);
    return;
  }
  draw_op(who);
  /* Nothing ends the wait of one who is shielded and has what others wait for, or of one at a barrier that nobody else comes to. */
  m_actor_draw_limits(&w->actor, !holds(who) && w->op != BARRIER);
  tell(who, m_actor_limits(&w->actor));
}

static void step(void) {
  if (m_below(100) < 75)
    tell_any();
  else
    burst();
}

static void give_back(int who) {
  for (int o = 0; o < KINDS; o++) {
    struct who *w = &whos[who];
    w->object = o;
    w->n = 1;
    w->op = UNLOCK;
    while (holds_any_of(who, o)) {
      if (things[o].owner != who) w->op = RW_UNLOCK;
      if (who != ROOT) {
        tell(who, "");
        continue;
      }
      note("root", 0, w, "");
      M_EQ(call(w, 0), attempt(ROOT));
    }
  }
}

static void root_does(enum op op, int object, int n) {
  struct who *w = &whos[ROOT];
  w->op = op;
  w->object = object;
  w->n = n;
  note("root", 0, w, "");
  M_EQ(call(w, 0), attempt(ROOT));
}

static void make_all(void) {
  memset(things, 0, sizeof things);
  for (int o = 0; o < KINDS; o++) {
    things[o].owner = things[o].writer = NOBODY;
    CHECK((things[o].sem = gt_sem_new(things[o].value = o)) != NULL);
    CHECK((things[o].mutex = gt_mutex_new()) != NULL);
    CHECK((things[o].rwlock = gt_rwlock_new()) != NULL);
    CHECK((things[o].cond = gt_cond_new()) != NULL);
    CHECK((things[o].group = gt_waitgroup_new()) != NULL);
    CHECK((things[o].barrier = gt_barrier_new(PARTIES)) != NULL);
    CHECK((things[o].event = gt_event_new()) != NULL);
  }
  for (int i = 0; i < ACTORS; i++) {
    memset(&whos[i], 0, sizeof whos[i]);
    m_actor_start(&whos[i].actor, i);
  }
}

/* Whoever waits comes back, whatever is held is given back, and everything can be freed. */
static void end_all(void) {
  for (int i = 0; i < ACTORS; i++) m_cancel(&whos[i].actor);
  give_back(ROOT);
  for (int o = 0; o < KINDS; o++) {
    root_does(SEM_POST, o, 2 * ACTORS);
    root_does(BROADCAST, o, 1);
    root_does(GROUP_ADD, o, (int)-things[o].pending);
    root_does(EVENT_SET, o, 1);
  }
  compare(NOBODY);
  for (int round = 0; round < ACTORS; round++)
    for (int i = 0; i < ACTORS; i++)
      if (!whos[i].actor.waits) give_back(i);
  for (int i = 0; i < ACTORS; i++) m_actor_end(&whos[i].actor);
  for (int o = 0; o < KINDS; o++) {
    M_EQ(gt_sem_free(things[o].sem), 0);
    M_EQ(gt_mutex_free(things[o].mutex), 0);
    M_EQ(gt_rwlock_free(things[o].rwlock), 0);
    M_EQ(gt_cond_free(things[o].cond), 0);
    M_EQ(gt_waitgroup_free(things[o].group), 0);
    M_EQ(gt_barrier_free(things[o].barrier), 0);
    M_EQ(gt_event_free(things[o].event), 0);
  }
}

TEST_WITH(model_of_the_wait_queues_holds, 0, 300) {
  M_FOR_SEEDS(seed, 12) {
    m_begin("wait queues", seed);
    make_all();
    for (uint64_t left = m_count(2000); left; left--) step();
    end_all();
  }
}
