/* usage: soak [--seconds N] [--seed N] [--patience SECONDS] [--fault wake|leak|descriptor|sum]
 *
 * Plays acts on two workers until the time is up, and fails when something does not hold, when an act takes longer than the patience (a
 * lost wake: all tasks are dumped then), or when what the process uses at the end is more than it was after a warm-up. --fault makes
 * one of these come about, to see that it is noticed. */
#include "soak.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "figures.h"

enum { WORKERS = 2, DRIVERS = 16 };

static struct act *acts;
static unsigned weights;
static uint64_t seed;
static atomic_ullong dice_made;
static int64_t seconds = 600, patience = 60;
static const char *fault = "";
static atomic_int over, failing;
static atomic_uint playing; /* drivers that are in an act */
static gt_event_t *go;      /* set while acts may begin */
static atomic_int wanted;   /* how many drivers may: the others wait for the next phase */
static gt_event_t *busy;    /* set while all of them may */
static unsigned passed, failed;

static struct driver {
  _Atomic(struct act *) act; /* NULL: between two */
  _Atomic int64_t since;
} drivers[DRIVERS];

/* -- chance */

static uint64_t next_random(uint64_t *state) { /* splitmix64: Steele, Lea, Flood, OOPSLA 2014 */
  uint64_t x = *state += 0x9E3779B97F4A7C15;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
  x = (x ^ x >> 27) * 0x94D049BB133111EB;
  return x ^ x >> 31;
}

struct dice so_dice(void) {
  struct dice dice = {seed + 0x5851F42D4C957F2D * ++dice_made};
  next_random(&dice.state);
  return dice;
}

unsigned so_roll(struct dice *dice, unsigned sides) { return (unsigned)((next_random(&dice->state) >> 32) * sides >> 32); }

void so_pause(struct dice *dice) {
  switch (so_roll(dice, 12)) {
    case 0: gt_yield(); break;
    case 1: gt_sleep(US(so_roll(dice, 300))); break;
    case 2: gt_sleep(0); break;
    default: break;
  }
}

int64_t so_soon(struct dice *dice) { return gt_now() + US(so_roll(dice, 500)) - US(50); }

/* -- the end, good or bad */

static void closing_line(void) {
  printf("%u passed, %u failed\n", passed, failed);
  fflush(stdout);
}

static void verdict(int ok, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void verdict(int ok, const char *format, ...) {
  va_list args;
  va_start(args, format);
  printf("%sok - ", ok ? "" : "not ");
  vprintf(format, args);
  printf("\n");
  va_end(args);
  *(ok ? &passed : &failed) += 1;
}

static void sleep_really(int64_t ns) {
  struct timespec rest = {ns / 1000000000, ns % 1000000000};
  while (nanosleep(&rest, &rest) < 0) continue;
}

/* Has every scheduler dump its tasks; those that sleep are woken for it. On a busy machine the names of functions take a while. */
static _Noreturn void dump_and_end(void) {
  fflush(stdout);
  kill(getpid(), SIGUSR1);
  sleep_really(MS(10000));
  failed++;
  closing_line();
  _exit(1);
}

_Noreturn void so_fail(const char *file, int line, const char *format, ...) {
  va_list args;
  if (atomic_exchange(&failing, 1))
    for (;;) pause(); /* another one is telling */
  fflush(stdout);
  gt_dump(STDERR_FILENO);
  va_start(args, format);
  printf("not ok - %s:%d: ", file, line);
  vprintf(format, args);
  printf(", seed %llu\n", (unsigned long long)seed);
  va_end(args);
  failed++;
  closing_line();
  _exit(1);
}

/* A plain OS thread, which needs nothing of the library. */
static void *watch(void *arg) {
  int64_t start = gt_now();
  (void)arg;
  for (;;) {
    sleep_really(MS(200));
    int64_t now = gt_now();
    if (now - start > MS(1000) * (seconds + 2 * patience + 30) && !atomic_exchange(&failing, 1)) {
      printf("not ok - the soak itself has not ended in its time; seed %llu\n", (unsigned long long)seed);
      dump_and_end();
    }
    for (int i = 0; i < DRIVERS; i++) {
      struct act *act = drivers[i].act;
      int64_t took = now - drivers[i].since;
      if (!act || took < patience * MS(1000) || drivers[i].act != act || atomic_exchange(&failing, 1)) continue;
      printf("not ok - %s has not ended for %lld s: a wake was lost; seed %llu\n", act->name, (long long)(took / MS(1000)),
             (unsigned long long)seed);
      dump_and_end();
    }
  }
}

/* -- helpers */

int64_t so_here(gt_entry_t entry, void *arg) {
  int64_t task = gt_spawn(entry, arg);
  MUST_OK(task);
  return task;
}

int64_t so_anywhere(struct dice *dice, gt_entry_t entry, void *arg) {
  unsigned where = so_roll(dice, 4);
  int64_t task = where == 0 ? gt_spawn_any(entry, arg) : where == 1 ? gt_spawn(entry, arg) : gt_spawn_on((int)where - 2, entry, arg);
  MUST_OK(task);
  return task;
}

void *so_join(int64_t task) {
  void *result = NULL;
  MUST_EQ(gt_join(task, &result), 0);
  return result;
}

void so_join_all(const int64_t *tasks, unsigned count) {
  for (unsigned i = 0; i < count; i++) so_join(tasks[i]);
}

void so_torment(struct dice *dice, const int64_t *tasks, unsigned count) {
  for (unsigned i = so_roll(dice, 4); i > 0; i--) {
    int64_t task = tasks[so_roll(dice, count)];
    so_pause(dice);
    int got = so_roll(dice, 3) ? gt_interrupt(task, 1) : gt_cancel(task);
    MUST(got == 0 || got == -ESRCH);
  }
}

/* -- drivers */

void so_register(struct act *act) {
  struct act **at = &acts;
  while (*at && strcmp((*at)->name, act->name) < 0) at = &(*at)->next;
  act->next = *at;
  *at = act;
  weights += act->weight;
}

static struct act *choose(struct dice *dice) {
  unsigned ticket = so_roll(dice, weights);
  struct act *act = acts;
  while (ticket >= act->weight) {
    ticket -= act->weight;
    act = act->next;
  }
  return act;
}

static void make_fault(struct dice *dice) {
  static atomic_int once;
  if (strcmp(fault, "leak") == 0) {
    void *memory = malloc(16384);
    if (memory) memset(memory, 1, 16384);
    __asm__ volatile("" : : "r"(memory) : "memory"); /* or the compiler leaves out what nobody reads */
  }
  if (strcmp(fault, "descriptor") == 0 && !so_roll(dice, 200)) MUST_OK(dup(STDERR_FILENO));
  if (strcmp(fault, "sum") == 0) MUST_EQ(so_roll(dice, 2), 2);
  if (strcmp(fault, "wake") == 0 && !atomic_exchange(&once, 1)) gt_park();
}

static void *drive(void *arg) {
  struct driver *me = arg;
  struct dice dice = so_dice();
  while (!over) {
    playing++;
    if (gt_event_is_set(go) && me - drivers < wanted) {
      struct act *act = choose(&dice);
      me->since = gt_now();
      me->act = act;
      if (*fault) make_fault(&dice);
      act->play(&dice);
      act->played++;
      me->act = NULL;
    }
    playing--;
    MUST_EQ(gt_event_wait(me - drivers < wanted ? go : busy), 0);
    MUST_EQ(gt_yield(), 0);
  }
  return NULL;
}

/* Busy and quiet seconds. In a quiet one an OS thread mostly sleeps, and a wake that is lost is not made good by the next. */
static void play_until(int64_t end) {
  for (int phase = 0; gt_now() < end; phase++) {
    int64_t left = end - gt_now(), length = MS(500) < left ? MS(500) : left;
    wanted = phase % 4 == 3 ? 1 : phase % 4 == 1 ? WORKERS : DRIVERS;
    MUST_EQ(wanted == DRIVERS ? gt_event_set(busy) : gt_event_clear(busy), 0);
    MUST_EQ(gt_sleep(length), 0);
  }
  MUST_EQ(gt_event_set(busy), 0);
  wanted = DRIVERS;
}

/* Whether what acts keep for the next one can be in the figures. */
static int each_was_played(void) {
  for (struct act *act = acts; act; act = act->next)
    if (act->played == 0) return 0;
  return 1;
}

/* Nobody is in an act, and the pool has no threads: then what the process uses can be compared. */
static void measure(struct figures *figures) {
  MUST_EQ(gt_event_clear(go), 0);
  while (playing) MUST_EQ(gt_sleep(MS(5)), 0);
  so_figures(figures, WORKERS);
  MUST_EQ(gt_event_set(go), 0);
}

static void compare(const struct figures *before, const struct figures *after) {
  for (unsigned i = 0; i < FIGURES; i++) {
    long bound = so_bound(before, i);
    verdict(after->value[i] <= bound, "%s: %ld after the warm-up, %ld at the end, at most %ld", so_figure_name(i), before->value[i],
            after->value[i], bound);
  }
}

static void options(int argc, char **argv) {
  for (int i = 1; i < argc; i += 2) {
    char *value = i + 1 < argc ? argv[i + 1] : "", *rest = value;
    int64_t number = strtoll(value, &rest, 10);
    if (strcmp(argv[i], "--seconds") == 0 && number > 0 && !*rest)
      seconds = number;
    else if (strcmp(argv[i], "--seed") == 0 && *value && !*rest)
      seed = (uint64_t)number;
    else if (strcmp(argv[i], "--patience") == 0 && number > 0 && !*rest)
      patience = number;
    else if (strcmp(argv[i], "--fault") == 0 && *value)
      fault = value;
    else {
      fprintf(stderr, "usage: soak [--seconds N] [--seed N] [--patience SECONDS] [--fault wake|leak|descriptor|sum]\n");
      exit(2);
    }
  }
}

int main(int argc, char **argv) {
  gt_config_t config = {.size = sizeof config, .stack_size = 128 * 1024, .offload_threads = 8, .offload_linger = MS(100)};
  struct figures warm, end;
  int64_t tasks[DRIVERS];
  pthread_t watcher;
  struct rlimit no_core = {0, 0};
  seed = (uint64_t)gt_now();
  options(argc, argv);
  setrlimit(RLIMIT_CORE, &no_core);
  int64_t warm_up = seconds / 4 < 60 ? MS(1000) * seconds / 4 : MS(60000), rest = MS(1000) * seconds - warm_up;
  printf("soak: seed %llu, %lld s, %d drivers on %d workers\n", (unsigned long long)seed, (long long)seconds, DRIVERS, WORKERS);
  fflush(stdout);
  so_count_memory(&config);
  MUST_EQ(gt_config(&config), 0);
  MUST_EQ(gt_dump_on_signal(SIGUSR1), 0);
  MUST((go = gt_event_new()) != NULL && (busy = gt_event_new()) != NULL);
  MUST_EQ(gt_event_set(go), 0);
  MUST_EQ(gt_workers_start(WORKERS, NULL), WORKERS);
  MUST_EQ(pthread_create(&watcher, NULL, watch, NULL), 0);
  for (int i = 0; i < DRIVERS; i++) MUST_OK(tasks[i] = gt_spawn_on(i % WORKERS, drive, &drivers[i]));
  play_until(gt_now() + warm_up);
  while (!each_was_played()) play_until(gt_now() + MS(500)); /* a slow machine takes longer to get warm */
  measure(&warm);
  play_until(gt_now() + rest);
  measure(&end);
  over = 1;
  so_join_all(tasks, DRIVERS);
  MUST_EQ(gt_workers_stop(), 0);
  for (struct act *act = acts; act; act = act->next) verdict(act->played > 0, "%s, %lu times", act->name, act->played);
  compare(&warm, &end);
  closing_line();
  return failed != 0;
}
