/* The soak: drivers on two workers play acts, chosen at random, for as long as they are told. An act makes what it needs, has helpers
 * do something with it, here and on other OS threads, checks what must hold, and leaves nothing behind. soak.c has the rest: the
 * watch for waits that do not end, the figures, the closing line. */
#ifndef GREENRT_SOAK_H
#define GREENRT_SOAK_H

#include <errno.h>
#include <greenrt.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define US(n) ((int64_t)(n)*1000)
#define MS(n) ((int64_t)(n)*1000000)
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* -- chance */
struct dice {
  uint64_t state;
};
struct dice so_dice(void);                              /* another one each time, from the seed */
unsigned so_roll(struct dice *dice, unsigned sides);    /* 0 to sides - 1 */
void so_pause(struct dice *dice);                       /* mostly nothing, or a yield, or a short sleep; what ends it is not looked at */
int64_t so_soon(struct dice *dice);                     /* a deadline that passes soon, or has passed */

/* -- acts */
struct act {
  const char *name;
  unsigned weight; /* how often, beside the others */
  void (*play)(struct dice *dice);
  atomic_ulong played;
  struct act *next;
};
void so_register(struct act *act);
#define ACT(name, weight)                                                                        \
  static void name(struct dice *dice);                                                           \
  static struct act so_act_##name = {#name, (weight), name, 0, NULL};                            \
  __attribute__((constructor)) static void so_enter_##name(void) { so_register(&so_act_##name); } \
  static void name(__attribute__((unused)) struct dice *dice)

/* -- what must hold: the soak ends with the first that does not */
_Noreturn void so_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define MUST(holds)                                                          \
  do {                                                                       \
    if (!(holds)) so_fail(__FILE__, __LINE__, "%s does not hold", #holds);   \
  } while (0)
#define MUST_EQ(a, b)                                                                                                     \
  do {                                                                                                                    \
    long long so_a = (long long)(a), so_b = (long long)(b);                                                               \
    if (so_a != so_b) so_fail(__FILE__, __LINE__, "%s == %s does not hold: %lld and %lld", #a, #b, so_a, so_b);           \
  } while (0)
#define MUST_OK(a)                                                                                                        \
  do {                                                                                                                    \
    long long so_a = (long long)(a);                                                                                      \
    if (so_a < 0) so_fail(__FILE__, __LINE__, "%s is %lld (%s)", #a, so_a, gt_strerror((int)-so_a));                      \
  } while (0)

/* -- helpers of an act: each is joined by it */
int64_t so_here(gt_entry_t entry, void *arg);                         /* on this OS thread */
int64_t so_anywhere(struct dice *dice, gt_entry_t entry, void *arg);  /* here, on a worker, on any worker */
void *so_join(int64_t task);
void so_join_all(const int64_t *tasks, unsigned count);
/* Cancels or interrupts some of them, at some time. Whether a task was cancelled it sees itself. */
void so_torment(struct dice *dice, const int64_t *tasks, unsigned count);

#endif
