/* The toy VM behind toy_vm.h. Every hook checks that it was called at the right moment. */
#include "toy_vm.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local struct toy_thread *self;
long toy_shared;

static __attribute__((format(printf, 1, 2))) void note(const char *format, ...) {
  va_list list;
  if (!self->keep_log) return;
  va_start(list, format);
  self->logged += (size_t)vsnprintf(self->log + self->logged, sizeof self->log - self->logged, format, list);
  va_end(list);
  CHECK_LT(self->logged, sizeof self->log);
}

struct toy_thread *toy_thread(void) { return self; }
struct toy_state *toy_current(void) { return self->current; }

static void *state_new(void *ctx) {
  CHECK(ctx == self);
  CHECK(self->holds_lock);
  if (self->fail_next_new) {
    self->fail_next_new = 0;
    note("fail ");
    return NULL;
  }
  struct toy_state *state = calloc(1, sizeof *state);
  CHECK(state != NULL);
  state->number = ++self->started;
  note("new%d ", state->number);
  return state;
}

static void *swap(void *incoming) {
  struct toy_state *out = self->current, *in = incoming;
  CHECK(self->holds_lock);
  CHECK(in != NULL);
  CHECK(!in->freed);
  CHECK(!in->cleared);
  CHECK(in != out);
  if (self->key) CHECK(pthread_getspecific(self->key) == in);
  note("%d>%d ", out->number, in->number);
  self->swaps++;
  self->current = in;
  return out;
}

static void state_clear(void *state) {
  struct toy_state *it = state;
  CHECK(self->holds_lock);
  CHECK(self->current == it);
  CHECK(!it->cleared);
  it->cleared = 1;
  note("clear%d ", it->number);
}

static void state_free(void *state) {
  struct toy_state *it = state;
  CHECK(self->holds_lock);
  CHECK(self->current != it);
  CHECK(it->cleared);
  CHECK(!it->freed);
  it->freed = 1;
  self->finished++;
  note("free%d ", it->number);
  free(it);
}

static void *release(void) {
  CHECK(self->holds_lock);
  self->holds_lock = 0;
  self->releases++;
  note("release ");
  CHECK_EQ(pthread_mutex_unlock(&lock), 0);
  return self->current;
}

static void acquire(void *released) {
  CHECK(!self->holds_lock);
  CHECK_EQ(pthread_mutex_lock(&lock), 0);
  CHECK(released == self->current);
  self->holds_lock = 1;
  note("acquire ");
}

static int stack_bounds(void *state, void *base, size_t size) {
  struct toy_state *it = state;
  CHECK(it != NULL);
  CHECK(base != NULL);
  CHECK_GE(size, 16 * 1024);
  note("bounds%d ", it->number);
  return 0;
}

static int interrupted(void) {
  CHECK(self->holds_lock);
  CHECK(self->current == &self->root);
  self->polls_interrupted++;
  return self->answer;
}

void toy_begin(struct toy_thread *thread, gt_host_t *host) {
  memset(thread, 0, sizeof *thread);
  self = thread;
  self->current = &self->root;
  CHECK_EQ(pthread_mutex_lock(&lock), 0);
  self->holds_lock = 1;
  *host = (gt_host_t){
      .size = sizeof *host,
      .ctx = thread,
      .state_new = state_new,
      .swap = swap,
      .state_clear = state_clear,
      .state_free = state_free,
      .release = release,
      .acquire = acquire,
      .stack_bounds = stack_bounds,
      .interrupted = interrupted,
  };
}

void toy_end(struct toy_thread *thread) {
  CHECK(thread == self);
  CHECK_EQ(gt_host_set(NULL), 0);
  CHECK(self->current == &self->root);
  CHECK_EQ(self->started, self->finished);
  CHECK(self->holds_lock);
  self->holds_lock = 0;
  CHECK_EQ(pthread_mutex_unlock(&lock), 0);
}
