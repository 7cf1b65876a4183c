/* Valgrind's client requests, for builds with the feature `valgrind`: they are macros of inline assembly, so C has to say them. Outside
 * valgrind each is a handful of instructions without effect. Without the header the functions are there and do nothing, which the
 * seeded fault of `make test-valgrind` notices. */
#define HIDDEN __attribute__((visibility("hidden")))

#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define HAVE_VALGRIND 1
#endif
#endif

HIDDEN unsigned gt_valgrind_stack(const char *base, const char *top);
HIDDEN void gt_valgrind_no_stack(unsigned id);
HIDDEN void gt_valgrind_undefined(const char *base, const char *top);
HIDDEN void gt_valgrind_no_access(const char *base, const char *top);
HIDDEN void gt_valgrind_judge(unsigned on);

#ifdef HAVE_VALGRIND
/* The highest address of a stack is its last byte: the byte behind it may be another stack's first. */
unsigned gt_valgrind_stack(const char *base, const char *top) { return VALGRIND_STACK_REGISTER(base, top - 1); }
void gt_valgrind_no_stack(unsigned id) { VALGRIND_STACK_DEREGISTER(id); }
void gt_valgrind_undefined(const char *base, const char *top) { VALGRIND_MAKE_MEM_UNDEFINED(base, top - base); }
void gt_valgrind_no_access(const char *base, const char *top) { VALGRIND_MAKE_MEM_NOACCESS(base, top - base); }
void gt_valgrind_judge(unsigned on) {
  if (on) VALGRIND_ENABLE_ERROR_REPORTING;
  else VALGRIND_DISABLE_ERROR_REPORTING;
}
#else
unsigned gt_valgrind_stack(const char *base, const char *top) { return (void)base, (void)top, 0; }
void gt_valgrind_no_stack(unsigned id) { (void)id; }
void gt_valgrind_undefined(const char *base, const char *top) { (void)base, (void)top; }
void gt_valgrind_no_access(const char *base, const char *top) { (void)base, (void)top; }
void gt_valgrind_judge(unsigned on) { (void)on; }
#endif
