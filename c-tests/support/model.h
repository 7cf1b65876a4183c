/* What the model tests share: dice with a seed that a failure prints, a trace of the last operations, and actors, tasks that do one
 * call after another as they are told.
 *
 * A model test draws an operation, does it, lets everybody run until nobody can, and compares what each actor has come to with what
 * the model says. Time is virtual and passes when the test says so, so all is the same each time. GT_MODEL_SEED and GT_MODEL_COUNT in
 * the environment set the seed and the number of operations. */
#ifndef GREENRT_TEST_MODEL_H
#define GREENRT_TEST_MODEL_H

#include "support.h"

/* The number of operations of a round, and each seed that is to be gone through: `seeds` of them, or the one that was asked for. */
uint64_t m_count(uint64_t usual);
uint64_t m_seeds(uint64_t usual);
uint64_t m_first_seed(void);
#define M_FOR_SEEDS(seed, usual) for (uint64_t seed = m_first_seed(), m_end = seed + m_seeds(usual); seed < m_end; seed++)

void m_begin(const char *what, uint64_t seed); /* shakes the dice, begins a new trace and, the first time, a clock */
uint64_t m_below(uint64_t end);
static inline int m_chance(uint64_t in) { return m_below(in) == 0; }
void m_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void m_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
void m_check_int(const char *file, int line, const char *what, long long is, long long should);
#define M_EQ(is, should) m_check_int(__FILE__, __LINE__, #is, (long long)(is), (long long)(should))
#define M_FAIL(...) m_fail(__FILE__, __LINE__, __VA_ARGS__)

/* -- actors */

enum { CODES = 8 };
enum reason { NOT_WOKEN, BY_CANCEL, BY_INTERRUPT, BY_DEADLINE };

struct actor {
  int index;
  int64_t task;
  int (*call)(struct actor *); /* what it does when told, in the way the next three fields say */
  int64_t deadline;            /* of the call */
  int64_t scope;               /* of a scope around it; GT_NEVER: none */
  int shielded;
  /* what it came to */
  int busy; /* it has not come back yet */
  int rc, code, scope_expired;
  /* the model: */
  int waits;   /* it should not have come back */
  int granted; /* it waits no more, and has not run since */
  enum reason reason;
  uint64_t armed;   /* its place among those that wait until the same time */
  uint64_t woken;   /* its place among those that were woken and have not run since; 0: it was not */
  int inner_shield; /* its call goes on under a shield of its own */
  int should, should_code, should_expire;
  int cancelled;
  int codes[CODES], code_count;
};

void m_actor_start(struct actor *actor, int index);
void m_actor_end(struct actor *actor); /* it is idle */
void m_actor_tell(struct actor *actor, int (*call)(struct actor *));
void m_actor_draw_limits(struct actor *actor, int may_shield); /* a deadline, a scope, a shield, or none of them */
const char *m_actor_limits(const struct actor *actor);

/* Whether a call ends before it begins: cancelled or interrupted. `should` says how. */
int m_ends_at_once(struct actor *actor);
/* It cannot be done now: waits, or has its deadline behind it. Whether it waits. */
int m_would_wait(struct actor *actor);
/* It waits on in the same call, under a shield of the call's own, and for ever. */
void m_waits_shielded(struct actor *actor);
/* The waiting actor has what it waited for. */
void m_granted(struct actor *actor, int rc);
/* Cancels, interrupts, or lets time pass, and notes what comes of it. */
void m_pass(int64_t ns);
void m_cancel(struct actor *actor);
void m_interrupt(struct actor *actor, int code);
void m_withdraw(struct actor *actor);
/* Everybody has run. Of an actor that waited: what it should have come to. 1: it has left without what it waited for, and the model
 * takes it out; 0: otherwise. */
int m_has_left(struct actor *actor);
/* What it came to is what it should have. */
void m_check_actor(struct actor *actor);

#endif
