/* What a host needs to run tasks under libgc, a conservative collector that stops the world by signals. Call host_begin() before
 * any other function of greenrt, and host_enter() on each OS thread that touches the collector's memory outside of tasks. Collections
 * may then begin anywhere: on a task, on a root, on a thread without tasks.
 *
 * libgc scans a thread from its stack pointer up to the thread's "bottom". Each collection moves that to the end of the task's stack
 * on which it has found the thread, and has the stacks of all other tasks scanned as further roots. */
#ifndef GC_HOST_H
#define GC_HOST_H

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>
#include <gc/gc_mark.h>
#include <greenrt.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* An OS thread. The list changes with libgc's lock held, so never during a collection. */
static struct thread {
  struct thread *next;
  pthread_t self;
  void *handle;              /* libgc's name for it */
  struct GC_stack_base own;  /* the end of its own stack */
  void *volatile sp;         /* where it was stopped */
  int ours;                  /* registered here */
} *threads;
static __thread struct thread *me;
static pthread_key_t at_end;
static struct sigaction suspend; /* libgc's handler of the signal that stops a thread */
static GC_push_other_roots_proc push_threads;

static void *link_thread(void *thread) {
  me = thread;
  me->next = threads;
  return threads = me;
}

static void *unlink_thread(void *thread) {
  struct thread **at = &threads;
  while (*at != thread) at = &(*at)->next;
  *at = me->next;
  GC_set_stackbottom(me->handle, &me->own);
  return me = NULL;
}

/* Workers come here by their first allocation. A function for gt_offload() calls it itself. */
static void host_enter(void) {
  struct thread *thread = me ? NULL : calloc(1, sizeof *thread);
  sigset_t signals;
  if (!thread) return;
  sigemptyset(&signals);
  sigaddset(&signals, GC_get_suspend_signal());
  sigaddset(&signals, GC_get_thr_restart_signal());
  pthread_sigmask(SIG_UNBLOCK, &signals, NULL); /* threads of gt_offload() begin with all signals blocked */
  thread->self = pthread_self();
  GC_get_stack_base(&thread->own);
  thread->ours = GC_register_my_thread(&thread->own) == GC_SUCCESS;
  thread->handle = GC_get_my_stackbottom(&thread->own);
  GC_call_with_alloc_lock(link_thread, thread);
  pthread_setspecific(at_end, thread);
}

static void host_leave(void *thread) {
  int ours = ((struct thread *)thread)->ours;
  GC_call_with_alloc_lock(unlink_thread, thread);
  if (ours) GC_unregister_my_thread();
  free(thread);
}

static void note_and_suspend(int signo, siginfo_t *info, void *context) {
  if (me) me->sp = __builtin_frame_address(0);
  if (suspend.sa_flags & SA_SIGINFO)
    suspend.sa_sigaction(signo, info, context);
  else
    suspend.sa_handler(signo);
}

static void push_stack(const gt_stack_t *stack, void *arg) {
  (void)arg;
  if (stack->top) GC_push_all_eager(stack->low, stack->top);
}

/* The world is stopped. */
static void push_roots(void) {
  for (struct thread *t = threads; t; t = t->next) {
    gt_stack_t stack = {.size = sizeof stack};
    struct GC_stack_base bottom = t->own;
    if (gt_stack_at((uintptr_t)t->self, t == me ? __builtin_frame_address(0) : t->sp, &stack) == 0 && stack.top) {
      bottom.mem_base = stack.top;
      if (stack.own) GC_push_all_eager(stack.own, t->own.mem_base);
    }
    GC_set_stackbottom(t->handle, &bottom);
  }
  push_threads();
  gt_stacks_each(push_stack, NULL);
}

/* The library's memory is scanned and never collected. */
static void *host_alloc(size_t size, size_t align, void *arg) {
  (void)arg;
  host_enter();
  size_t more = align > 16 ? align : 0;
  char *block = GC_malloc_uncollectable(size + more);
  return block && more ? (char *)(((uintptr_t)block + align) & ~(uintptr_t)(align - 1)) : block;
}

static void host_dealloc(void *old, size_t size, size_t align, void *arg) {
  (void)size, (void)align, (void)arg;
  GC_free(GC_base(old));
}

static void *host_realloc(void *old, size_t old_size, size_t size, size_t align, void *arg) {
  void *block = host_alloc(size, align, arg);
  if (!block) return NULL;
  memcpy(block, old, old_size < size ? old_size : size);
  host_dealloc(old, old_size, align, arg);
  return block;
}

static int host_begin(void) {
  gt_config_t config = {.size = sizeof config, .alloc = host_alloc, .realloc = host_realloc, .dealloc = host_dealloc};
  GC_INIT();
  GC_allow_register_threads();
  GC_set_finalize_on_demand(1); /* finalizers would run in the midst of an allocation of the library's */
  pthread_key_create(&at_end, host_leave);
  sigaction(GC_get_suspend_signal(), NULL, &suspend);
  struct sigaction noting = suspend;
  noting.sa_flags |= SA_SIGINFO;
  noting.sa_sigaction = note_and_suspend;
  sigaction(GC_get_suspend_signal(), &noting, NULL);
  push_threads = GC_get_push_other_roots();
  GC_set_push_other_roots(push_roots);
  host_enter();
  return gt_config(&config);
}

#endif
