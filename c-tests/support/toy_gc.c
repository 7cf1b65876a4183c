#include "toy_gc.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

/* -- the library's memory: blocks of powers of two, from one mapping that is scanned as a whole; what is freed is wiped */

enum { CLASSES = 30 };
static char *arena;
static size_t used;
static const size_t arena_size = (size_t)1 << 30;
static struct spare {
  struct spare *next;
} *spare[CLASSES];
static pthread_mutex_t arena_lock = PTHREAD_MUTEX_INITIALIZER;

static int class_of(size_t size, size_t align) {
  int class = 4;
  while (((size_t)1 << class) < size || ((size_t)1 << class) < align) class++;
  return class;
}

static void *toy_alloc(size_t size, size_t align, void *arg) {
  int class = class_of(size, align);
  (void)arg;
  pthread_mutex_lock(&arena_lock);
  void *block = spare[class];
  if (block) {
    spare[class] = spare[class]->next;
    memset(block, 0, sizeof(struct spare));
  } else {
    size_t at = (used + ((size_t)1 << class) - 1) & ~(((size_t)1 << class) - 1);
    if (at + ((size_t)1 << class) <= arena_size) {
      block = arena + at;
      used = at + ((size_t)1 << class);
    }
  }
  pthread_mutex_unlock(&arena_lock);
  return block;
}

static void toy_dealloc(void *old, size_t size, size_t align, void *arg) {
  int class = class_of(size, align);
  (void)arg;
  struct spare *block = memset(old, 0, (size_t)1 << class);
  pthread_mutex_lock(&arena_lock);
  block->next = spare[class];
  spare[class] = block;
  pthread_mutex_unlock(&arena_lock);
}

static void *toy_realloc(void *old, size_t old_size, size_t size, size_t align, void *arg) {
  void *block = toy_alloc(size, align, arg);
  if (!block) return NULL;
  memcpy(block, old, old_size < size ? old_size : size);
  toy_dealloc(old, old_size, align, arg);
  return block;
}

void toy_gc_begin(void) {
  gt_config_t config = {.size = sizeof config, .alloc = toy_alloc, .realloc = toy_realloc, .dealloc = toy_dealloc};
  arena = mmap(NULL, arena_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(arena != MAP_FAILED);
  CHECK_EQ(gt_config(&config), 0);
}

uintptr_t toy_own_end(void) {
  pthread_attr_t attr;
  void *base;
  size_t size;
  CHECK_EQ(pthread_getattr_np(pthread_self(), &attr), 0);
  CHECK_EQ(pthread_attr_getstack(&attr, &base, &size), 0);
  pthread_attr_destroy(&attr);
  return (uintptr_t)base + size;
}

/* -- secrets */

static const uintptr_t pattern = 0x0BAD5EED1234;
static atomic_char held[TOY_SECRETS];
static char seen[TOY_SECRETS];

__attribute__((noinline)) void *toy_secret(unsigned number) { return (void *)(pattern << 16 | number); }

/* The word is in a register before it is held, and until it is held no more. */
__attribute__((noinline)) void *toy_hold(unsigned number) {
  void *secret = toy_secret(number);
  __asm__ volatile("" : "+r"(secret));
  held[number] = 1;
  return secret;
}

__attribute__((noinline)) void toy_let_go(void *secret) {
  CHECK((uintptr_t)secret >> 16 == pattern);
  held[(uintptr_t)secret & 0xffff] = 0;
  __asm__ volatile("" : : "r"(secret));
}

int toy_held(unsigned number) { return held[number]; }

/* -- a look */

__attribute__((no_sanitize("address"))) void toy_mark(uintptr_t low, uintptr_t high) {
  for (uintptr_t at = (low + 7) & ~(uintptr_t)7; at + 8 <= high; at += 8) {
    uintptr_t word = *(const volatile uintptr_t *)at;
    if (word >> 16 == pattern && (word & 0xffff) < TOY_SECRETS) seen[word & 0xffff] = 1;
  }
}

static int missing(void) {
  for (int i = 0; i < TOY_SECRETS; i++)
    if (held[i] && !seen[i]) return i;
  return -1;
}

struct look {
  const struct toy_stopped *threads;
  int count;
};

static void visit(const gt_stack_t *stack, void *arg) {
  const struct look *look = arg;
  if (!stack->top) return;
  for (int i = 0; i < look->count; i++)
    if (look->threads[i].sp >= (uintptr_t)stack->base && look->threads[i].sp < (uintptr_t)stack->top) return;
  toy_mark((uintptr_t)stack->low, (uintptr_t)stack->top);
}

void toy_look_begin(void) { memset(seen, 0, sizeof seen); }

int toy_look_end(const struct toy_stopped *threads, int count) {
  struct look look = {threads, count};
  for (int i = 0; i < count; i++) {
    gt_stack_t stack = {.size = sizeof stack};
    int known = gt_stack_at(threads[i].self, (void *)threads[i].sp, &stack) == 0;
    toy_mark(threads[i].sp, known && stack.top ? (uintptr_t)stack.top : threads[i].end);
    if (known && stack.own) toy_mark((uintptr_t)stack.own, threads[i].end);
  }
  gt_stacks_each(visit, &look);
  if (missing() >= 0) toy_mark((uintptr_t)arena, (uintptr_t)arena + used);
  return missing();
}

/* -- instruction by instruction */

#ifdef __x86_64__

static struct toy_stopped stepped;
static unsigned long steps;
static int lost = -1;
static void *lost_at;

static void trap(int signo, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  const greg_t *regs = uc->uc_mcontext.gregs;
  (void)signo, (void)info;
  steps++;
  if (lost >= 0) return;
  toy_look_begin();
  toy_mark((uintptr_t)regs, (uintptr_t)(regs + NGREG));
  toy_mark((uintptr_t)uc->uc_mcontext.fpregs, (uintptr_t)(uc->uc_mcontext.fpregs + 1));
  stepped.sp = (uintptr_t)regs[REG_RSP] - 128; /* what leaf functions keep below it */
  lost = toy_look_end(&stepped, 1);
  lost_at = (void *)regs[REG_RIP];
}

#define FLAGS(instruction) \
  __asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\t" instruction "\n\tpopfq\n\tlea 128(%%rsp), %%rsp" ::: "memory", "cc")

void toy_step_begin(void) {
  struct sigaction action = {.sa_sigaction = trap, .sa_flags = SA_SIGINFO};
  CHECK_OK(sigaction(SIGTRAP, &action, NULL));
  stepped.self = (uintptr_t)pthread_self();
  stepped.end = toy_own_end();
  steps = 0;
  FLAGS("orq $0x100, (%%rsp)");
}

unsigned long toy_step_end(void) {
  FLAGS("andq $~0x100, (%%rsp)");
  if (lost >= 0) FAIL("secret %d was not seen at %p, after %lu instructions", lost, lost_at, steps);
  return steps;
}

#else

void toy_step_begin(void) {}
unsigned long toy_step_end(void) { return 0; }

#endif
