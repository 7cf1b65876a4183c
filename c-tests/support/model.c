/* Dice, trace and actors of the model tests. */
#include "model.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { TRACE = 60 };
static char trace[TRACE][256];
static uint64_t noted, state, the_seed;
static const char *the_test;

static uint64_t wish(const char *name, uint64_t usual) {
  const char *text = getenv(name);
  char *end;
  if (!text || !*text) return usual;
  uint64_t value = strtoull(text, &end, 10);
  if (*end) FAIL("%s=%s: no number", name, text);
  return value;
}

uint64_t m_count(uint64_t usual) { return wish("GT_MODEL_COUNT", usual); }
uint64_t m_first_seed(void) { return wish("GT_MODEL_SEED", 1); }
uint64_t m_seeds(uint64_t usual) { return getenv("GT_MODEL_SEED") ? 1 : usual; }

static struct actor *actors[32];
static size_t actor_count;

void m_begin(const char *what, uint64_t seed) {
  if (!the_test) CHECK_EQ(gt_clock_virtual(INT64_C(1000000000000), 0), 0);
  actor_count = 0;
  the_test = what;
  the_seed = seed;
  state = seed * 0x9E3779B97F4A7C15u | 1;
  noted = 0;
  /* Also a crash or a hang tells which round it was: the runner shows this of a test that failed. */
  printf("%s: GT_MODEL_SEED=%llu\n", what, (unsigned long long)seed);
  fflush(stdout);
}

/* Marsaglia, "Xorshift RNGs", 2003. */
uint64_t m_below(uint64_t end) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (state >> 11) % end;
}

void m_note(const char *format, ...) {
  va_list list;
  va_start(list, format);
  vsnprintf(trace[noted++ % TRACE], sizeof trace[0], format, list);
  va_end(list);
}

void m_fail(const char *file, int line, const char *format, ...) {
  char text[512];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  for (uint64_t i = noted < TRACE ? 0 : noted - TRACE; i < noted; i++) fprintf(stderr, "  %llu: %s\n", (unsigned long long)i, trace[i % TRACE]);
  t_fail(file, line, "%s, after operation %llu; again with GT_MODEL_SEED=%llu (%s)", text, (unsigned long long)noted,
         (unsigned long long)the_seed, the_test);
}

void m_check_int(const char *file, int line, const char *what, long long is, long long should) {
  if (is != should) m_fail(file, line, "%s is %lld and should be %lld", what, is, should);
}

/* -- actors */

static void *act(void *arg) {
  struct actor *me = arg;
  for (;;) {
    gt_shield_push(); /* only its calls are disturbed */
    M_EQ(gt_park(), 0);
    gt_shield_pop();
    if (!me->call) return NULL;
    int64_t token = me->scope == GT_NEVER ? 0 : gt_deadline_push(me->scope);
    CHECK_GE(token, 0);
    if (me->shielded) gt_shield_push();
    me->rc = me->call(me);
    if (me->shielded) gt_shield_pop();
    if (me->rc == -EINTR) M_EQ(gt_interrupt_take(&me->code), 0);
    me->scope_expired = token ? gt_deadline_pop(token) : 0;
    me->busy = 0;
  }
}

void m_actor_start(struct actor *a, int index) {
  a->index = index;
  a->call = NULL;
  a->busy = a->waits = a->granted = a->cancelled = a->code_count = 0;
  a->woken = 0;
  CHECK_LT(index, COUNT(actors));
  actors[index] = a;
  if (actor_count <= (size_t)index) actor_count = (size_t)index + 1;
  a->task = s_spawn(act, a);
  s_settle();
}

void m_actor_end(struct actor *a) {
  a->call = NULL;
  M_EQ(gt_unpark(a->task), 0);
  M_EQ(gt_join(a->task, NULL), 0);
}

void m_actor_tell(struct actor *a, int (*call)(struct actor *)) {
  a->call = call;
  a->busy = 1;
  a->rc = a->should = a->should_expire = 0;
  a->reason = NOT_WOKEN;
  a->inner_shield = 0;
  M_EQ(gt_unpark(a->task), 0);
}

/* A time: past, soon, some time, or never. Few of them, so that many wait until the same. */
static int64_t draw_time(uint64_t of) {
  uint64_t drawn = m_below(of);
  return drawn == 0 ? 0 : drawn < 4 ? gt_now() + (int64_t)m_below(20) * 100000 : drawn == 4 ? gt_now() + MS(1000) : GT_NEVER;
}

void m_actor_draw_limits(struct actor *a, int may_shield) {
  a->deadline = draw_time(14);
  a->scope = draw_time(25);
  a->shielded = m_chance(10) && may_shield;
}

const char *m_actor_limits(const struct actor *a) {
  static char text[128];
  snprintf(text, sizeof text, "%s%s%s%s%s", a->deadline == 0 ? " late" : a->deadline == GT_NEVER ? "" : " with a deadline",
           a->scope == 0 ? " in a late scope" : a->scope == GT_NEVER ? "" : " in a scope", a->shielded ? " shielded" : "",
           a->cancelled ? " (cancelled)" : "", a->code_count ? " (interrupted)" : "");
  return text;
}

static int take_code(struct actor *a) {
  int code = a->codes[0];
  memmove(a->codes, a->codes + 1, sizeof a->codes - sizeof a->codes[0]);
  a->code_count--;
  return code;
}

/* The call ends by an interrupt: the next code is its. */
static void interrupted(struct actor *a) {
  a->should = -EINTR;
  a->should_code = take_code(a);
}

int m_ends_at_once(struct actor *a) {
  if (a->shielded) return 0;
  if (a->cancelled)
    a->should = -ECANCELED;
  else if (a->code_count)
    interrupted(a);
  else
    return 0;
  return 1;
}

static int64_t limit(const struct actor *a) {
  if (a->inner_shield) return GT_NEVER;
  return a->shielded || a->deadline < a->scope ? a->deadline : a->scope;
}

static void timed_out(struct actor *a) {
  a->should = -ETIMEDOUT;
  a->should_expire = !a->shielded && a->scope <= a->deadline;
}

static void waits(struct actor *a) {
  static uint64_t count;
  a->waits = 1;
  a->granted = 0;
  a->reason = NOT_WOKEN;
  a->armed = ++count;
}

int m_would_wait(struct actor *a) {
  if (limit(a) <= gt_now())
    timed_out(a);
  else
    waits(a);
  return a->waits;
}

void m_waits_shielded(struct actor *a) {
  a->inner_shield = 1;
  waits(a);
}

static void woken(struct actor *a) {
  static uint64_t count;
  if (!a->woken) a->woken = ++count;
}

void m_granted(struct actor *a, int rc) {
  a->waits = 0;
  a->granted = 1;
  a->should = rc;
  woken(a);
}

static void disturbed(struct actor *a, enum reason reason) {
  if (!a->waits || a->reason != NOT_WOKEN || (reason != BY_DEADLINE && (a->shielded || a->inner_shield))) return;
  a->reason = reason; /* the first one stands */
  woken(a);
}

void m_cancel(struct actor *a) {
  M_EQ(gt_cancel(a->task), 0);
  a->cancelled = 1;
  disturbed(a, BY_CANCEL);
}

void m_interrupt(struct actor *a, int code) {
  if (a->code_count == CODES) return;
  M_EQ(gt_interrupt(a->task, code), 0);
  a->codes[a->code_count++] = code;
  disturbed(a, BY_INTERRUPT);
}

void m_pass(int64_t ns) {
  M_EQ(gt_clock_advance(ns), 0);
  int64_t now = gt_now();
  for (struct actor *next;;) {
    next = NULL;
    for (size_t i = 0; i < actor_count; i++) {
      struct actor *a = actors[i];
      if (!a->waits || a->reason != NOT_WOKEN || limit(a) > now) continue;
      if (!next || limit(a) < limit(next) || (limit(a) == limit(next) && a->armed < next->armed)) next = a;
    }
    if (!next) return;
    disturbed(next, BY_DEADLINE);
  }
}

void m_withdraw(struct actor *a) {
  int code = a->code_count ? a->codes[0] : 9999;
  M_EQ(gt_interrupt_withdraw(a->task, code), a->code_count ? 0 : -ENOENT);
  if (a->code_count) take_code(a);
}

int m_has_left(struct actor *a) {
  if (!a->waits || a->reason == NOT_WOKEN) return 0;
  /* an interrupt that was withdrawn is none: it looks what else there is, or waits on */
  if (a->reason == BY_CANCEL || (a->reason == BY_INTERRUPT && a->cancelled)) /* also one that came after the interrupt */
    a->should = -ECANCELED;
  else if (a->reason == BY_INTERRUPT && a->code_count)
    interrupted(a);
  else if (limit(a) <= gt_now())
    timed_out(a);
  else
    return waits(a), 0;
  a->waits = 0;
  return 1;
}

void m_check_actor(struct actor *a) {
  if (a->busy != a->waits) M_FAIL("actor %d %s", a->index, a->busy ? "waits, and should not" : "came back, and should wait");
  a->woken = 0;
  if (a->busy) return;
  if (a->rc != a->should) M_FAIL("actor %d: its call returned %d and should return %d", a->index, a->rc, a->should);
  if (a->rc == -EINTR && a->code != a->should_code)
    M_FAIL("actor %d was interrupted with %d and should be with %d", a->index, a->code, a->should_code);
  if (a->scope_expired != a->should_expire) M_FAIL("actor %d: its scope has expired: %d", a->index, a->scope_expired);
  a->granted = 0;
}
