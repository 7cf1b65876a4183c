/* Tasks under libgc, by the glue of examples/c/gc_host.h. The tests of test_collect_gc.c run it: `collector SCENARIO`; it prints what does
 * not hold, and ends with 1 then.
 *
 * What must survive are lists: each node knows its place in its list, so memory that was collected and used again shows. Whether an object
 * was collected is told by its hidden address, which libgc clears. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

#include "../../examples/c/gc_host.h"

enum { COUNT = 100, LENGTH = 20 };

#define MUST(holds)                                                         \
  do {                                                                      \
    if (!(holds)) {                                                         \
      printf("%s:%d: %s does not hold\n", __FILE__, __LINE__, #holds);      \
      exit(1);                                                              \
    }                                                                       \
  } while (0)

struct node {
  struct node *next;
  unsigned list, place;
  char more[40];
};

static GC_word hidden[COUNT];

/* Returns a list. Its first node is watched if it is one of the first COUNT. */
static __attribute__((noinline)) struct node *make(unsigned list) {
  struct node *first = NULL;
  for (unsigned place = LENGTH; place-- > 0;) {
    struct node *node = GC_malloc(sizeof *node);
    MUST(node != NULL);
    *node = (struct node){.next = first, .list = list, .place = place};
    first = node;
  }
  if (list < COUNT) {
    hidden[list] = GC_HIDE_POINTER(first);
    GC_general_register_disappearing_link((void **)&hidden[list], first);
  }
  return first;
}

static __attribute__((noinline)) void check(const struct node *first, unsigned list) {
  unsigned place = 0;
  for (const struct node *node = first; node; node = node->next, place++) MUST(node->list == list && node->place == place);
  MUST(place == LENGTH);
}

/* Overwrites what earlier calls have left below this frame. */
static __attribute__((noinline)) void wipe_stack(void) {
  volatile char frame[4096];
  for (size_t i = 0; i < sizeof frame; i++) frame[i] = 0;
}

static unsigned left(void) {
  unsigned count = 0;
  wipe_stack();
  GC_gcollect();
  for (int i = 0; i < COUNT; i++) make(COUNT); /* takes what was freed */
  for (int i = 0; i < COUNT; i++) count += hidden[i] != 0;
  return count;
}

/* A conservative collector may take a stray word for an address. */
static void must_be_gone(void) { MUST(left() < COUNT / 5); }

static int64_t spawn(gt_entry_t entry, void *arg) {
  int64_t task = gt_spawn(entry, arg);
  MUST(task > 0);
  return task;
}

static void join(int64_t task) { MUST(gt_join(task, NULL) == 0); }

/* -- what holds an object */

static void *make_and_park(void *list) {
  struct node *mine = make((unsigned)(uintptr_t)list);
  MUST(gt_park() == 0);
  check(mine, (unsigned)(uintptr_t)list);
  return NULL;
}

static void parked(void) {
  int64_t tasks[COUNT];
  for (uintptr_t i = 0; i < COUNT; i++) tasks[i] = spawn(make_and_park, (void *)i);
  MUST(gt_yield() == 0);
  MUST(left() == COUNT);
  for (int i = 0; i < COUNT; i++) gt_unpark(tasks[i]);
  for (int i = 0; i < COUNT; i++) join(tasks[i]);
  must_be_gone();
}

static void *hand_through(void *first) { return first; }

static void *check_own(void *first) {
  check(first, ((struct node *)first)->list);
  return NULL;
}

static void unstarted(void) {
  int64_t tasks[COUNT];
  for (unsigned i = 0; i < COUNT; i++) tasks[i] = spawn(check_own, make(i));
  MUST(left() == COUNT);
  for (int i = 0; i < COUNT; i++) join(tasks[i]);
  must_be_gone();
}

static void ended(void) {
  int64_t tasks[COUNT];
  for (unsigned i = 0; i < COUNT; i++) tasks[i] = spawn(hand_through, make(i));
  MUST(gt_yield() == 0);
  MUST(left() == COUNT);
  for (unsigned i = 0; i < COUNT; i++) {
    void *result;
    MUST(gt_join(tasks[i], &result) == 0);
    check(result, i);
  }
  must_be_gone();
}

static void buffer_of(gt_chan_t *chan) {
  struct node *item;
  for (unsigned i = 0; i < COUNT; i++) {
    item = make(i);
    MUST(gt_chan_send(chan, &item) == 0);
  }
  item = NULL;
  MUST(left() == COUNT);
  for (unsigned i = 0; i < COUNT; i++) {
    MUST(gt_chan_recv(chan, &item) == 0);
    check(item, i);
  }
  item = NULL;
  MUST(gt_chan_free(chan) == 0);
  must_be_gone();
}

static void buffered(void) {
  buffer_of(gt_chan_new(sizeof(void *), COUNT));
  buffer_of(gt_chan_new_shared(sizeof(void *), COUNT));
}

static int key;

static void *keep_in_slots(void *list) {
  MUST(gt_local_set(key, make((unsigned)(uintptr_t)list)) == 0);
  MUST(gt_park() == 0);
  check(gt_local_get(key), (unsigned)(uintptr_t)list);
  return NULL;
}

static void check_late(void *first) { check(first, ((struct node *)first)->list); }

static void *keep_for_later(void *list) {
  MUST(gt_cleanup_push(check_late, make((unsigned)(uintptr_t)list)) == 0);
  wipe_stack();
  MUST(gt_park() == 0);
  return NULL;
}

static void structures(void) {
  int64_t tasks[COUNT];
  MUST((key = gt_local_new(NULL)) >= 0);
  for (uintptr_t i = 0; i < COUNT; i++) tasks[i] = spawn(i % 2 ? keep_in_slots : keep_for_later, (void *)i);
  MUST(gt_yield() == 0);
  MUST(left() == COUNT);
  for (int i = 0; i < COUNT; i++) gt_unpark(tasks[i]);
  for (int i = 0; i < COUNT; i++) join(tasks[i]);
  must_be_gone();
}

static atomic_int block;

static void *hold_up(void *arg) {
  block = 1;
  while (block == 1) {
    struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
  }
  return arg;
}

static void ordered(void) {
  int64_t tasks[COUNT], first;
  MUST(gt_workers_start(1, NULL) == 1);
  MUST((first = gt_spawn_on(0, hold_up, NULL)) > 0);
  while (!block) gt_sleep(1000000);
  for (unsigned i = 0; i < COUNT; i++) MUST((tasks[i] = gt_spawn_on(0, i % 2 ? check_own : hand_through, make(i))) > 0);
  MUST(left() == COUNT);
  block = 2;
  join(first);
  gt_sleep(20000000);
  left();
  for (unsigned i = 0; i < COUNT; i++) {
    void *result;
    MUST(gt_join(tasks[i], &result) == 0);
    if (i % 2 == 0) check(result, i); /* also those that ended before the collection */
  }
  MUST(gt_workers_stop() == 0);
  must_be_gone();
}

static atomic_int working, worked, may_go_on;

/* On a thread that the collector does not know until it asks to be known. */
static int64_t work(void *first) {
  struct timespec pause = {0, 1000000};
  working++;
  while (!may_go_on) nanosleep(&pause, NULL);
  host_enter();
  check(first, ((struct node *)first)->list);
  worked++;
  return 7;
}

static void *let_work(void *list) {
  int64_t result = gt_offload(work, make((unsigned)(uintptr_t)list));
  MUST(result == 7 || result == -ECANCELED);
  return NULL;
}

/* Those who wait are cancelled: only the jobs have their arguments. */
static void offloaded(void) {
  int64_t tasks[8];
  for (uintptr_t i = 0; i < 8; i++) tasks[i] = spawn(let_work, (void *)i);
  while (working < 8) MUST(gt_sleep(1000000) == 0);
  for (int i = 0; i < 8; i++) MUST(gt_cancel(tasks[i]) == 0);
  for (int i = 0; i < 8; i++) join(tasks[i]);
  for (int i = 0; i < 3; i++) MUST(left() >= 8);
  may_go_on = 1;
  while (worked < 8) MUST(gt_sleep(1000000) == 0);
}

/* -- where a collection begins */

static void *collect_here(void *arg) {
  host_enter();
  MUST(left() == COUNT);
  return arg;
}

static void anywhere(void) {
  int64_t tasks[COUNT], one;
  pthread_t thread;
  struct node *mine = make(0);
  for (uintptr_t i = 1; i < COUNT; i++) tasks[i] = spawn(make_and_park, (void *)i);
  MUST(gt_yield() == 0);
  MUST(gt_workers_start(1, NULL) == 1);
  collect_here(NULL);
  join(spawn(collect_here, NULL));
  MUST((one = gt_spawn_on(0, collect_here, NULL)) > 0);
  join(one);
  MUST(pthread_create(&thread, NULL, collect_here, NULL) == 0);
  MUST(pthread_join(thread, NULL) == 0);
  for (int i = 1; i < COUNT; i++) gt_unpark(tasks[i]);
  for (int i = 1; i < COUNT; i++) join(tasks[i]);
  check(mine, 0);
  mine = NULL;
  MUST(gt_workers_stop() == 0);
  must_be_gone();
}

/* -- everything at once, while tasks switch on three OS threads and a fourth collects */

static atomic_int over;
static atomic_uint lists = COUNT;
static gt_chan_t *between;

static void *pass(void *first) {
  struct node *node = first;
  unsigned kind = node->list % 4;
  if (kind == 1) gt_yield();
  if (kind == 2) gt_sleep(1000000);
  if (kind == 3) {
    MUST(gt_chan_send(between, &node) == 0);
    MUST(gt_chan_recv(between, &node) == 0);
  }
  check(node, node->list);
  return node;
}

static void *churn(void *arg) {
  while (!over) {
    int64_t tasks[8];
    for (unsigned i = 0; i < 8; i++) {
      struct node *list = make(lists++);
      tasks[i] = i % 4 ? gt_spawn(pass, list) : gt_spawn_any(pass, list);
      MUST(tasks[i] > 0);
    }
    for (unsigned i = 0; i < 8; i++) {
      void *node;
      MUST(gt_join(tasks[i], &node) == 0);
      check(node, ((struct node *)node)->list);
    }
  }
  return arg;
}

static void *collect_often(void *arg) {
  struct timespec pause = {0, 1000000};
  host_enter();
  while (!over) {
    GC_gcollect();
    nanosleep(&pause, NULL);
  }
  return arg;
}

static void stress(void) {
  int64_t tasks[6];
  pthread_t thread;
  MUST((between = gt_chan_new_shared(sizeof(void *), 4)) != NULL);
  MUST(gt_workers_start(2, NULL) == 2);
  for (unsigned i = 0; i < 6; i++) MUST((tasks[i] = i < 4 ? gt_spawn_on(i % 2, churn, NULL) : gt_spawn(churn, NULL)) > 0);
  MUST(pthread_create(&thread, NULL, collect_often, NULL) == 0);
  gt_sleep(3000000000);
  over = 1;
  for (int i = 0; i < 6; i++) join(tasks[i]);
  MUST(pthread_join(thread, NULL) == 0);
  MUST(gt_workers_stop() == 0);
  MUST(gt_chan_free(between) == 0);
  MUST(lists > 2 * COUNT && GC_get_gc_no() > 20);
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*run)(void);
  } scenarios[] = {
      {"parked", parked},         {"unstarted", unstarted}, {"ended", ended},         {"buffered", buffered}, {"structures", structures},
      {"ordered", ordered},       {"offloaded", offloaded}, {"anywhere", anywhere},   {"stress", stress},
  };
  MUST(host_begin() == 0);
  for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
    if (argc == 2 && strcmp(argv[1], scenarios[i].name) == 0) {
      scenarios[i].run();
      return 0;
    }
  printf("usage: collector SCENARIO\n");
  return 2;
}
