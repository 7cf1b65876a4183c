/* A toy collector: it never frees anything, but looks whether everything that must survive a collection can be seen from the stacks
 * that the library shows, the registers, and the memory that the library got from its allocator, all scanned conservatively.
 *
 * What must survive are secrets: words that stand nowhere in the test's own data, only where the test hands them over. */
#ifndef GREENRT_TOY_GC_H
#define GREENRT_TOY_GC_H

#include "support.h"

enum { TOY_SECRETS = 4096 };

/* An OS thread that is stopped. */
struct toy_stopped {
  uintptr_t self;  /* pthread_self() */
  uintptr_t sp;    /* its stack pointer; registers lie above, or were marked */
  uintptr_t end;   /* of its own stack */
};

void toy_gc_begin(void); /* gt_config: the library's memory comes from the toy. Before any other call of the library */
uintptr_t toy_own_end(void); /* where the calling OS thread's own stack ends */

void *toy_secret(unsigned number); /* the word */
void *toy_hold(unsigned number);   /* the word, which must be seen from now on */
void toy_let_go(void *secret);     /* it need not be seen any more */
int toy_held(unsigned number);

/* One look, in a signal handler or while others are stopped. Returns a held secret that was not seen, or -1. */
void toy_look_begin(void);
void toy_mark(uintptr_t low, uintptr_t high);
int toy_look_end(const struct toy_stopped *threads, int count);

/* Looks at every instruction of the calling OS thread from begin to end, in a trap handler. Returns how many instructions there were;
 * fails the test if a secret was not seen at one of them. Returns 0 where the processor is not x86-64. */
void toy_step_begin(void);
unsigned long toy_step_end(void);

#endif
