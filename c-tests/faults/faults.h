/* The fault loops: a scenario runs again and again, each time in a fresh process, and the 1st, 2nd, 3rd … allocation, mapping or
 * system call of the library fails, until a run passes untouched (docs/TESTING.md).
 *
 * A scenario calls the public header through TRY and MADE, gives back what it made, and returns, whatever failed. After it nothing may
 * be left, a second run without faults must succeed, and after gt_shutdown the library holds no more memory than after two runs
 * without any fault. An error that the header does not promise for the function is a failure. */
#ifndef GREENRT_FAULTS_H
#define GREENRT_FAULTS_H

#include <errno.h>
#include <greenrt.h>
#include <stddef.h>
#include <stdint.h>

/* The library of these tests exports the seam too (src/ffi/faults.rs). */
enum fault { FAULT_ALLOCATION, FAULT_MAPPING, FAULT_CALL, FAULT_KINDS };
void gt_fault_arm(int kind, int variant, int64_t nth);
int64_t gt_fault_disarm(void);
const char *gt_fault_fired(int *error);
int64_t gt_fault_live(int kind);
void gt_fault_list(void);

#define F_FIRST_CALL 1u /* the scheduler is not made before: its making fails as well */
#define F_MANY 2u       /* from the 64th on not every one fails, but one in each further sixteenth of the way */

struct f_scenario {
  const char *name;
  void (*fn)(void);
  unsigned flags;
  struct f_scenario *next;
};

void f_register(struct f_scenario *scenario);
int64_t f_try(const char *file, int line, const char *call, int64_t result);
void *f_made(const char *file, int line, const char *call, void *result);
/* Whether something was made to fail in this run. */
int f_fired(void);

#define SCENARIO_WITH(name, flags)                                                                         \
  static void name(void);                                                                                  \
  static struct f_scenario f_entry_##name = {#name, name, (flags), 0};                                     \
  __attribute__((constructor)) static void f_enter_##name(void) { f_register(&f_entry_##name); }           \
  static void name(void)
#define SCENARIO(name) SCENARIO_WITH(name, 0)

/* The result of a call, which must be >= 0 or an error that the header promises and a fault explains. */
#define TRY(call) f_try(__FILE__, __LINE__, #call, (int64_t)(call))
/* The same of a call that makes an object: NULL and errno. */
#define MADE(call) (errno = 0, f_made(__FILE__, __LINE__, #call, (call)))

/* Where the scenario's point is another result: that one, or a fault's. */
#define EXPECT(call, wanted)                                                                               \
  do {                                                                                                     \
    int64_t f_got = (int64_t)(call);                                                                       \
    if (f_got != (int64_t)(wanted)) f_unexpected(__FILE__, __LINE__, #call, f_got, (int64_t)(wanted));     \
  } while (0)
void f_unexpected(const char *file, int line, const char *call, int64_t got, int64_t wanted);

/* Small helps. */
void f_join(int64_t task);           /* joins what was spawned, if it was; a fault may end the wait early: then again */
void f_close(int fd);
/* A deadline for what a fault may keep from coming; far off where nothing fails. */
int64_t f_soon(void);
#define IN_MS(n) (gt_now() + (int64_t)(n)*1000000)

#endif
