/* Channels and gt_select against a model: random calls of every verb, with cancels, interrupts and deadlines in between. */
#include <errno.h>
#include <stdio.h>

#include "model.h"
#include "select.h"

enum { CHANS = 4, SEMS = 2, EVENTS = 1, OBJECTS = CHANS + SEMS + EVENTS, ACTORS = 9, ARMS = 5, MOST = 7, WIDE = 40, QUEUE = ACTORS * ARMS };

struct entry {
  struct side *side;
  int arm;
};

/* First come, first served. */
struct queue {
  struct entry entries[QUEUE];
  int count;
};

/* What is sent is a number, spread over the whole item. */
struct channel {
  gt_chan_t *chan;
  make_t kind;
  size_t size, capacity, len;
  unsigned items[8];
  int closed;
  struct queue senders, receivers;
};

enum verb { SEND_ONE, RECV_ONE, SEND_MANY, RECV_MANY, CHOOSE };
static const char *const verbs[] = {"send", "recv", "send many", "recv many", "select"};

/* One who calls: an actor, or the root task, which never waits. */
struct side {
  struct actor actor;
  enum verb verb;
  int object, n; /* of the first four verbs */
  size_t size;   /* of its items, also when the channel is another one by now */
  arm_t arms[ARMS];
  int objects[ARMS], arm_count;
  size_t sizes[ARMS];
  char buffers[ARMS][WIDE]; /* of a select */
  char items[MOST * WIDE];
  size_t moved;
  /* the model: */
  unsigned numbers[MOST]; /* sent, or to be received */
  int should_move;
  int said;           /* of the arm of a select that came about: its result */
  int holds[OBJECTS]; /* entries that it still has to take back */
};

static struct channel channels[CHANS];
static gt_sem_t *sems[SEMS];
static int64_t values[SEMS];
static gt_event_t *event;
static int event_set;
static struct queue sem_queues[SEMS], event_queue;
static struct side sides[ACTORS], root;
static unsigned next_number;

static void write_item(char *item, size_t size, unsigned number) {
  memcpy(item, &number, sizeof number);
  for (size_t i = sizeof number; i < size; i++) item[i] = (char)(number * 31 + i);
}

static void check_item(const char *item, size_t size, unsigned number) {
  unsigned got;
  memcpy(&got, item, sizeof got);
  if (got != number) M_FAIL("item %u was received, and %u should be", got, number);
  for (size_t i = sizeof number; i < size; i++)
    if (item[i] != (char)(number * 31 + i)) M_FAIL("item %u: byte %zu is wrong", number, i);
}

/* -- queues */

static void enqueue(struct queue *q, struct side *side, int arm, int object) {
  q->entries[q->count++] = (struct entry){side, arm};
  side->holds[object]++;
}

static void remove_side(struct queue *q, const struct side *side) {
  int kept = 0;
  for (int i = 0; i < q->count; i++)
    if (q->entries[i].side != side) q->entries[kept++] = q->entries[i];
  q->count = kept;
}

static void leave_all(struct side *side) {
  for (int c = 0; c < CHANS; c++) {
    remove_side(&channels[c].senders, side);
    remove_side(&channels[c].receivers, side);
  }
  for (int i = 0; i < SEMS; i++) remove_side(&sem_queues[i], side);
  remove_side(&event_queue, side);
}

/* The entry has what it waited for: nobody else of that call can have anything. It has yet to take the other entries back. */
static void grant(struct entry e, int object, int said) {
  leave_all(e.side);
  e.side->holds[object]--;
  e.side->said = said;
  m_granted(&e.side->actor, e.side->verb == CHOOSE ? e.arm : said);
}

/* -- channels, in words */

static unsigned next_of(struct side *sender) { return sender->numbers[sender->should_move]; }

/* The first sender gives one item. */
static unsigned draw(struct channel *c, int object) {
  struct entry first = c->senders.entries[0];
  struct side *s = first.side;
  if (s->verb == CHOOSE) {
    unsigned number = s->numbers[first.arm];
    grant(first, object, 0);
    return number;
  }
  unsigned number = next_of(s);
  if (++s->should_move == s->n) grant(first, object, 0);
  return number;
}

static int put(int object, const unsigned *numbers, int n) {
  struct channel *c = &channels[object];
  if (c->closed) return -1;
  if (c->receivers.count) {
    struct entry first = c->receivers.entries[0];
    struct side *r = first.side;
    int k = r->verb == RECV_MANY && n > r->n ? r->n : r->verb == RECV_MANY ? n : 1;
    if (r->verb == CHOOSE)
      r->numbers[first.arm] = numbers[0];
    else
      for (int i = 0; i < k; i++) r->numbers[i] = numbers[i];
    r->should_move = k;
    grant(first, object, 0);
    return k;
  }
  if (c->len == c->capacity) return 0;
  c->items[c->len++] = numbers[0];
  return 1;
}

static int take(int object, unsigned *number) {
  struct channel *c = &channels[object];
  if (c->len) {
    *number = c->items[0];
    memmove(c->items, c->items + 1, --c->len * sizeof c->items[0]);
    if (c->senders.count) c->items[c->len++] = draw(c, object);
    return 1;
  }
  if (c->senders.count) {
    *number = draw(c, object);
    return 1;
  }
  return c->closed ? -1 : 0;
}

/* What a call of the first four verbs does before it would wait. Whether it is over; `should` says how. */
static int transfer(struct side *s) {
  int sends = s->verb == SEND_ONE || s->verb == SEND_MANY, step = 1;
  while (s->should_move < s->n) {
    step = sends ? put(s->object, s->numbers + s->should_move, s->n - s->should_move) : take(s->object, s->numbers + s->should_move);
    if (step <= 0) break;
    s->should_move += step;
  }
  s->actor.should = step < 0 ? -EPIPE : 0;
  if (!sends && s->should_move) s->actor.should = 0;
  return step != 0 || (!sends && s->should_move);
}

/* -- select, in words */

static int is_ready(const struct side *s, int arm) {
  int object = s->objects[arm], kind = s->arms[arm].kind;
  if (kind == GT_SELECT_SEM) return values[object - CHANS] > 0;
  if (kind == GT_SELECT_EVENT) return event_set;
  if (kind == GT_SELECT_NONE) return 0;
  const struct channel *c = &channels[object];
  if (kind == GT_SELECT_SEND) return c->closed || c->receivers.count || c->len < c->capacity;
  return c->closed || c->senders.count || c->len;
}

/* Does what the arm that the library chose does; it must be a ready one. */
static void choose(struct side *s, int arm) {
  if (arm < 0 || arm >= s->arm_count || !is_ready(s, arm)) M_FAIL("select chose arm %d, which is not ready", arm);
  int object = s->objects[arm], went = 1;
  s->actor.should = arm;
  switch (s->arms[arm].kind) {
    case GT_SELECT_SEND: went = put(object, &s->numbers[arm], 1); break;
    case GT_SELECT_RECV: went = take(object, &s->numbers[arm]); break;
    case GT_SELECT_SEM: values[object - CHANS]--; break;
    default: break;
  }
  s->said = went > 0 ? 0 : -EPIPE;
}

static int any_ready(const struct side *s) {
  for (int i = 0; i < s->arm_count; i++)
    if (is_ready(s, i)) return 1;
  return 0;
}

static void link_arms(struct side *s) {
  for (int i = 0; i < s->arm_count; i++) {
    int object = s->objects[i];
    switch (s->arms[i].kind) {
      case GT_SELECT_SEND: enqueue(&channels[object].senders, s, i, object); break;
      case GT_SELECT_RECV: enqueue(&channels[object].receivers, s, i, object); break;
      case GT_SELECT_SEM: enqueue(&sem_queues[object - CHANS], s, i, object); break;
      case GT_SELECT_EVENT: enqueue(&event_queue, s, i, object); break;
      default: break;
    }
  }
}

/* -- calls */

static int call_once(struct side *s, int try, int64_t deadline) {
  gt_chan_t *c = channels[s->object].chan;
  size_t n = (size_t)s->n;
  switch (s->verb) {
    case SEND_ONE:
      return try ? gt_chan_send_try(c, s->items) : deadline == GT_NEVER ? gt_chan_send(c, s->items) : gt_chan_send_until(c, s->items, deadline);
    case RECV_ONE:
      return try ? gt_chan_recv_try(c, s->items) : deadline == GT_NEVER ? gt_chan_recv(c, s->items) : gt_chan_recv_until(c, s->items, deadline);
    case SEND_MANY:
      return try ? gt_chan_send_many_try(c, s->items, n, &s->moved) : gt_chan_send_many_until(c, s->items, n, &s->moved, deadline);
    case RECV_MANY:
      return try ? gt_chan_recv_many_try(c, s->items, n, &s->moved) : gt_chan_recv_many_until(c, s->items, n, &s->moved, deadline);
    default:
      return try ? gt_select_try(s->arms, (size_t)s->arm_count) : gt_select_until(s->arms, (size_t)s->arm_count, deadline);
  }
}

static int act(struct actor *actor) {
  struct side *s = (struct side *)actor;
  return call_once(s, 0, actor->deadline);
}

static void draw_arms(struct side *s) {
  s->arm_count = 1 + (int)m_below(ARMS);
  for (int i = 0; i < s->arm_count; i++) {
    int object = (int)m_below(OBJECTS), kind = object < CHANS ? (m_chance(2) ? GT_SELECT_SEND : GT_SELECT_RECV) : object < CHANS + SEMS ? GT_SELECT_SEM : GT_SELECT_EVENT;
    if (i > 0 && m_chance(10)) kind = GT_SELECT_NONE;
    if (kind == GT_SELECT_EVENT && i > 0 && m_chance(2)) kind = GT_SELECT_NONE;
    s->objects[i] = object;
    s->arms[i] = (arm_t){.kind = kind, .item = s->buffers[i]};
    if (object < CHANS) s->arms[i].object = channels[object].chan, s->sizes[i] = channels[object].size;
    if (kind == GT_SELECT_SEM) s->arms[i].object = sems[object - CHANS];
    if (kind == GT_SELECT_EVENT) s->arms[i].object = event;
    if (kind == GT_SELECT_SEND) write_item(s->buffers[i], channels[object].size, s->numbers[i] = next_number++);
  }
}

static void draw_call(struct side *s) {
  s->verb = (enum verb)m_below(5);
  s->should_move = 0;
  s->moved = 0;
  s->object = (int)m_below(CHANS);
  s->size = channels[s->object].size;
  s->n = s->verb == SEND_MANY || s->verb == RECV_MANY ? (int)m_below(MOST) + !m_chance(8) : 1;
  if (s->n > MOST) s->n = MOST;
  memset(s->items, 0xEE, sizeof s->items);
  if (s->verb == CHOOSE) {
    draw_arms(s);
  } else if (s->verb == SEND_ONE || s->verb == SEND_MANY) {
    for (int i = 0; i < s->n; i++) write_item(s->items + (size_t)i * s->size, s->size, s->numbers[i] = next_number++);
  }
}

static void note_call(const char *who, int index, const struct side *s, const char *limits) {
  char text[128] = "";
  if (s->verb == CHOOSE) {
    size_t at = 0;
    for (int i = 0; i < s->arm_count; i++) at += (size_t)snprintf(text + at, sizeof text - at, " %c%d", "-SRfteu"[s->arms[i].kind], s->objects[i]);
  } else {
    snprintf(text, sizeof text, " channel %d, %d from %u", s->object, s->n, s->numbers[0]);
  }
  m_note("%s %d: %s%s%s", who, index, verbs[s->verb], text, limits);
}

/* The call is over, and its actor has been seen to have come back. */
static void check_items(struct side *s) {
  int rc = s->actor.rc;
  if (s->verb == CHOOSE) {
    for (int i = 0; i < s->arm_count; i++) M_EQ(s->arms[i].result, i == rc ? s->said : 0);
    if (rc >= 0 && s->arms[rc].kind == GT_SELECT_RECV && s->said == 0) check_item(s->buffers[rc], s->sizes[rc], s->numbers[rc]);
    return;
  }
  if (s->verb == SEND_MANY || s->verb == RECV_MANY) M_EQ(s->moved, s->should_move);
  if (s->verb == RECV_MANY || (s->verb == RECV_ONE && rc == 0))
    for (int i = 0; i < s->should_move; i++) check_item(s->items + (size_t)i * s->size, s->size, s->numbers[i]);
}

/* Everybody runs until nobody can; then all is compared. `caller` was told to do its call just now. */
static void compare(struct side *caller) {
  s_settle();
  for (int i = 0; i < ACTORS; i++)
    if (m_has_left(&sides[i].actor)) leave_all(&sides[i]);
  if (caller && !m_ends_at_once(&caller->actor)) {
    int over = caller->verb == CHOOSE ? any_ready(caller) : transfer(caller);
    if (over && caller->verb == CHOOSE) choose(caller, caller->actor.rc);
    if (!over && m_would_wait(&caller->actor)) {
      if (caller->verb == CHOOSE)
        link_arms(caller);
      else
        enqueue(caller->verb == SEND_ONE || caller->verb == SEND_MANY ? &channels[caller->object].senders : &channels[caller->object].receivers, caller, 0,
                caller->object);
    }
  }
  for (int i = 0; i < ACTORS; i++) {
    int was_busy = caller == &sides[i] || sides[i].actor.granted || sides[i].actor.waits;
    m_check_actor(&sides[i].actor);
    if (!sides[i].actor.busy) {
      if (was_busy) check_items(&sides[i]);
      memset(sides[i].holds, 0, sizeof sides[i].holds);
    }
  }
  for (int c = 0; c < CHANS; c++) M_EQ(gt_chan_len(channels[c].chan), channels[c].len);
  for (int i = 0; i < SEMS; i++) M_EQ(gt_sem_value(sems[i]), values[i]);
}

/* -- what the root task does, without letting anybody run */

static void root_call(void) {
  draw_call(&root);
  note_call("root", 0, &root, "");
  root.actor.rc = call_once(&root, 1, 0);
  if (root.verb == CHOOSE) {
    if (any_ready(&root))
      choose(&root, root.actor.rc);
    else
      root.actor.should = -EAGAIN;
  } else if (!transfer(&root)) {
    root.actor.should = -EAGAIN;
  }
  M_EQ(root.actor.rc, root.actor.should);
  check_items(&root);
}

static int is_held(int object) {
  for (int i = 0; i < ACTORS; i++)
    if (sides[i].holds[object]) return 1;
  return 0;
}

static void open_channel(int object) {
  struct channel *c = &channels[object];
  static const size_t sizes[] = {4, 8, 16, 24, 40}, capacities[] = {0, 0, 1, 2, 3, 8};
  *c = (struct channel){.kind = s_chan_kinds[m_below(2)], .size = sizes[m_below(COUNT(sizes))], .capacity = capacities[m_below(COUNT(capacities))]};
  c->chan = c->kind(c->size, c->capacity);
  CHECK(c->chan != NULL);
  m_note("channel %d: %s, items of %zu, %zu places", object, c->kind == gt_chan_new ? "bound" : "shared", c->size, c->capacity);
}

static void close_channel(int object) {
  struct channel *c = &channels[object];
  m_note("root: close %d", object);
  M_EQ(gt_chan_close(c->chan), c->closed ? -EALREADY : 0);
  c->closed = 1;
  while (c->senders.count) grant(c->senders.entries[0], object, -EPIPE);
  while (c->receivers.count) grant(c->receivers.entries[0], object, -EPIPE);
}

static void free_channel(int object) {
  m_note("root: free %d", object);
  M_EQ(gt_chan_free(channels[object].chan), is_held(object) ? -EBUSY : 0);
  if (!is_held(object)) open_channel(object);
}

static void post(int i) {
  int64_t n = (int64_t)m_below(3);
  m_note("root: post %d to semaphore %d", (int)n, i);
  M_EQ(gt_sem_post_many(sems[i], n), 0);
  values[i] += n;
  while (values[i] && sem_queues[i].count) {
    grant(sem_queues[i].entries[0], CHANS + i, 0);
    values[i]--;
  }
}

static void flip_event(void) {
  m_note("root: %s the event", event_set ? "clear" : "set");
  M_EQ(event_set ? gt_event_clear(event) : gt_event_set(event), 0);
  event_set = !event_set;
  while (event_set && event_queue.count) grant(event_queue.entries[0], CHANS + SEMS, 0);
}

static void disturb(void) {
  struct actor *a = &sides[m_below(ACTORS)].actor;
  switch (m_below(4)) {
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
    int object = (int)m_below(CHANS);
    switch (m_below(16)) {
      case 0: close_channel(object); break;
      case 1: free_channel(object); break;
      case 2:
      case 3: post((int)m_below(SEMS)); break;
      case 4: flip_event(); break;
      case 5:
      case 6: disturb(); break;
      case 7: pass(); break;
      default: root_call();
    }
  }
  compare(NULL);
}

static void tell(void) {
  struct side *s = &sides[m_below(ACTORS)];
  if (s->actor.waits) return;
  if (s->actor.cancelled && m_chance(2)) {
    m_note("actor %d ends, another begins", s->actor.index);
    m_actor_end(&s->actor);
    m_actor_start(&s->actor, s->actor.index);
    return;
  }
  draw_call(s);
  m_actor_draw_limits(&s->actor, 1);
  note_call("actor", s->actor.index, s, m_actor_limits(&s->actor));
  m_actor_tell(&s->actor, act);
  compare(s);
}

static void step(void) {
  if (m_below(100) < 60)
    tell();
  else
    burst();
}

/* Whoever waits comes back, and everything can be freed. */
static void end_all(void) {
  for (int c = 0; c < CHANS; c++) close_channel(c);
  for (int i = 0; i < ACTORS; i++) m_cancel(&sides[i].actor);
  compare(NULL);
  for (int i = 0; i < ACTORS; i++) m_actor_end(&sides[i].actor);
  for (int c = 0; c < CHANS; c++) M_EQ(gt_chan_free(channels[c].chan), 0);
  for (int i = 0; i < SEMS; i++) M_EQ(gt_sem_free(sems[i]), 0);
  M_EQ(gt_event_free(event), 0);
}

TEST_WITH(model_of_channels_and_select_holds, 0, 300) {
  M_FOR_SEEDS(seed, 12) {
    m_begin("channels and select", seed);
    memset(values, 0, sizeof values);
    event_set = 0;
    for (int c = 0; c < CHANS; c++) open_channel(c);
    for (int i = 0; i < SEMS; i++) CHECK((sems[i] = gt_sem_new(0)) != NULL);
    CHECK((event = gt_event_new()) != NULL);
    for (int i = 0; i < ACTORS; i++) {
      memset(&sides[i], 0, sizeof sides[i]);
      m_actor_start(&sides[i].actor, i);
    }
    for (uint64_t left = m_count(2000); left; left--) step();
    end_all();
  }
}
