/* What a test file of the C suite sees: TEST() registers a test where it is written, the CHECK macros print both sides.
 *
 * A test runs in a process of its own, so it may crash, exit, set limits or call gt_config without harm to the next one. A failed
 * check ends that process at once, from any task and any OS thread. */
#ifndef GREENRT_TEST_H
#define GREENRT_TEST_H

#include <stdint.h>
#include <string.h>

#ifdef __cplusplus /* c-tests/cxx */
#define T_NORETURN [[noreturn]]
extern "C" {
#else
#define T_NORETURN _Noreturn
#endif

struct t_test {
  const char *name;
  const char *file;
  int line;
  unsigned flags;
  int seconds; /* own time limit, 0 = the runner's */
  void (*fn)(void);
  struct t_test *next;
};

/* The test leaves tasks, stacks or descriptors behind on purpose: no look at gt_stats after it. */
#define T_LEAVES 1u
/* The test takes the whole machine (memory, descriptors, timing): never run beside another one. */
#define T_ALONE 2u
/* What a test is about that is not the same under a tool; there the runner skips it and says why. */
#define T_FIGURES 4u /* memory, stack use or time are measured */
#define T_FAULTS 8u  /* a fault is provoked and must be seen as it is */
#define T_LIMITS 16u /* the process gets limits that the tool itself cannot live with, or uses up what the tool needs */
#define T_HANDS_LOCKS 64u /* a task gives back a pthread mutex that another one took: ThreadSanitizer takes tasks for threads */
#define T_HASTE 128u /* a short deadline must not pass before the machine gets there: twenty times slower is too slow */
#define T_QUEUES 256u /* signals come at once, all and in order: ThreadSanitizer keeps one of each number for later, valgrind changes the order */
#define T_SCANS 1024u /* it reads stacks as a collector does, also what was never written: valgrind reports that */
#define T_VFORK 512u /* what a child of posix_spawn(3) says of its exec: valgrind makes it a fork with a memory of its own */
#define T_SHIPPED 32u /* it looks at the libraries and programs as they are shipped */

void t_register(struct t_test *test);
T_NORETURN void t_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
T_NORETURN void t_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
void t_check_int(const char *file, int line, const char *left, const char *op, const char *right, int holds, long long l, long long r);
void t_check_ok(const char *file, int line, const char *expression, long long value);
void t_check_str(const char *file, int line, const char *left, const char *right, const char *l, const char *r);
void t_check_mem(const char *file, int line, const char *left, const char *right, const void *l, const void *r, size_t n);
void t_check_has(const char *file, int line, const char *text, const char *part, const char *t, const char *p);

#ifdef __cplusplus
}
#endif

/* How many times longer things may take under the tool that the program runs under; 1 without one. */
int t_slower(void);

#define TEST(name) TEST_WITH(name, 0, 0)
#define TEST_WITH(name, flags, seconds)                                                                    \
  static void name(void);                                                                                  \
  static struct t_test t_entry_##name = {#name, __FILE__, __LINE__, (flags), (seconds), name, 0};          \
  __attribute__((constructor)) static void t_enter_##name(void) { t_register(&t_entry_##name); }           \
  static void name(void)

#define T_COMPARE(a, op, b)                                                                                \
  do {                                                                                                     \
    long long t_l = (long long)(a), t_r = (long long)(b);                                                  \
    t_check_int(__FILE__, __LINE__, #a, #op, #b, t_l op t_r, t_l, t_r);                                    \
  } while (0)
#define CHECK_EQ(a, b) T_COMPARE(a, ==, b)
#define CHECK_NE(a, b) T_COMPARE(a, !=, b)
#define CHECK_LT(a, b) T_COMPARE(a, <, b)
#define CHECK_LE(a, b) T_COMPARE(a, <=, b)
#define CHECK_GT(a, b) T_COMPARE(a, >, b)
#define CHECK_GE(a, b) T_COMPARE(a, >=, b)
#define CHECK_OK(a) t_check_ok(__FILE__, __LINE__, #a, (long long)(a))
#define CHECK_STR(a, b) t_check_str(__FILE__, __LINE__, #a, #b, (a), (b))
#define CHECK_MEM(a, b, n) t_check_mem(__FILE__, __LINE__, #a, #b, (a), (b), (n))
#define CHECK_HAS(text, part) t_check_has(__FILE__, __LINE__, #text, #part, (text), (part))
#define CHECK(a)                                                                                           \
  do {                                                                                                     \
    if (!(a)) t_fail(__FILE__, __LINE__, "%s is false", #a);                                               \
  } while (0)
#define FAIL(...) t_fail(__FILE__, __LINE__, __VA_ARGS__)
#define SKIP(...) t_skip(__VA_ARGS__)

#endif
