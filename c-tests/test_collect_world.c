/* A collection at any moment: at each instruction of what tasks do, and with several OS threads stopped wherever they are. Everything
 * that a task or the library holds is a secret of the toy collector, which must find all of them each time. */
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "toy_gc.h"

#ifdef __x86_64__
enum { AT_EACH_INSTRUCTION = 1 };
#else
enum { AT_EACH_INSTRUCTION = 0 };
#endif

/* Keeps a secret while others run. */
static void *keep_and_yield(void *secret) {
  gt_yield();
  CHECK(secret == toy_secret((uintptr_t)secret & 0xffff));
  gt_yield();
  return secret;
}

/* -- every instruction, on one OS thread */

TEST_WITH(collect_sees_everything_at_each_instruction_of_spawn_yield_and_join, T_FAULTS, 180) {
  static char own[64 * 1024] __attribute__((aligned(64)));
  gt_spawn_opts_t on_own = {.size = sizeof on_own, .stack = own, .stack_size = sizeof own};
  gt_spawn_opts_t waits = {.size = sizeof waits, .flags = GT_SPAWN_SUSPENDED};
  void *result[4] = {NULL, NULL, NULL, NULL};
  int64_t tasks[4];
  toy_gc_begin();
  s_join(s_spawn(keep_and_yield, toy_secret(0))); /* a stack is warm */
  toy_step_begin();
  CHECK_GT(tasks[0] = gt_spawn(keep_and_yield, toy_hold(0)), 0);
  CHECK_GT(tasks[1] = gt_spawn(keep_and_yield, toy_hold(1)), 0); /* on a fresh stack */
  CHECK_GT(tasks[2] = gt_spawn_with(keep_and_yield, toy_hold(2), &on_own), 0);
  CHECK_GT(tasks[3] = gt_spawn_with(keep_and_yield, toy_hold(3), &waits), 0);
  CHECK_EQ(gt_yield(), 0);
  CHECK_EQ(gt_interrupt(tasks[3], 1), 0); /* it starts */
  for (unsigned i = 0; i < 4; i++) CHECK_EQ(gt_join(tasks[i], &result[i]), 0);
  for (unsigned i = 0; i < 4; i++) toy_let_go(result[i]);
  unsigned long steps = toy_step_end();
  for (unsigned i = 0; i < 4; i++) CHECK(result[i] == toy_secret(i));
  if (AT_EACH_INSTRUCTION) CHECK_GT(steps, 2000);
}

/* Only the channel has the items between the two. */
static __attribute__((noinline)) void put(gt_chan_t *chan, unsigned number) {
  void *items[2] = {toy_hold(number), toy_hold(number + 1)};
  CHECK_EQ(gt_chan_send(chan, &items[0]), 0);
  CHECK_EQ(gt_chan_send_many(chan, &items[1], 1, NULL), 0);
  items[0] = items[1] = NULL;
  S_KEEP(items);
}

static __attribute__((noinline)) void get(gt_chan_t *chan) {
  void *items[2] = {NULL, NULL};
  size_t got;
  CHECK_EQ(gt_chan_recv(chan, &items[0]), 0);
  CHECK_EQ(gt_chan_recv_many(chan, &items[1], 1, &got), 0);
  for (int i = 0; i < 2; i++) toy_let_go(items[i]);
  items[0] = items[1] = NULL;
  S_KEEP(items);
}

static void *put_some(void *chan) {
  for (unsigned number = 0; number < 8; number += 2) put(chan, number);
  return NULL;
}

static void *get_some(void *chan) {
  for (int i = 0; i < 4; i++) get(chan);
  return NULL;
}

static void at_each_instruction_of_a_channel(gt_chan_t *chan) {
  int64_t sender = s_spawn(put_some, chan), receiver;
  toy_step_begin();
  CHECK_EQ(gt_yield(), 0); /* the sender waits, or has filled the buffer */
  CHECK_GT(receiver = gt_spawn(get_some, chan), 0);
  CHECK_EQ(gt_join(sender, NULL), 0);
  CHECK_EQ(gt_join(receiver, NULL), 0);
  unsigned long steps = toy_step_end();
  if (AT_EACH_INSTRUCTION) CHECK_GT(steps, 2000);
  CHECK_EQ(gt_chan_free(chan), 0);
}

TEST_WITH(collect_sees_items_of_channels_at_each_instruction, T_FAULTS, 180) {
  toy_gc_begin();
  at_each_instruction_of_a_channel(gt_chan_new(sizeof(void *), 0));
  at_each_instruction_of_a_channel(gt_chan_new(sizeof(void *), 3));
  at_each_instruction_of_a_channel(gt_chan_new_shared(sizeof(void *), 0));
  at_each_instruction_of_a_channel(gt_chan_new_shared(sizeof(void *), 3));
}

static int64_t waiting;

static int give_one(gt_generator_t *generator, void *secret) {
  CHECK_EQ(gt_generator_yield(generator, secret), 0);
  CHECK_EQ(gt_generator_yield(generator, toy_hold(2)), 0);
  return 0;
}

static int in_a_scope(void *secret) {
  CHECK_EQ(gt_yield(), 0);
  toy_let_go(secret);
  return 0;
}

static void *answer(void *secret) {
  void *brought = NULL;
  toy_let_go(secret);
  CHECK_EQ(gt_hand_over(waiting, toy_hold(5), &brought), 0);
  toy_let_go(brought);
  CHECK_EQ(gt_hand_over(waiting, NULL, NULL), -ECANCELED);
  return NULL;
}

static void *with_slots(void *key) {
  CHECK_EQ(gt_local_set(*(int *)key, toy_hold(6)), 0);
  CHECK_EQ(gt_cleanup_push(toy_let_go, toy_hold(7)), 0);
  CHECK_EQ(gt_yield(), 0);
  CHECK(gt_local_get(*(int *)key) == toy_secret(6));
  return NULL;
}

TEST_WITH(collect_sees_what_structures_keep_at_each_instruction, T_FAULTS, 180) {
  gt_spawn_opts_t waits = {.size = sizeof waits, .flags = GT_SPAWN_SUSPENDED};
  gt_generator_t *generator;
  gt_scope_t *scope;
  int64_t task;
  void *value;
  int key;
  toy_gc_begin();
  CHECK_OK(key = gt_local_new(toy_let_go));
  CHECK((scope = gt_scope_new(0)) != NULL);
  waiting = gt_self();
  toy_step_begin();
  CHECK((generator = gt_generator_new(give_one, toy_hold(1))) != NULL);
  CHECK_EQ(gt_generator_next(generator, &value), 1);
  toy_let_go(value);
  CHECK_EQ(gt_generator_next(generator, &value), 1);
  toy_let_go(value);
  CHECK_EQ(gt_generator_next(generator, &value), 0);
  CHECK_GT(gt_scope_spawn(scope, in_a_scope, toy_hold(3)), 0);
  CHECK_EQ(gt_scope_join(scope), 0);
  CHECK_GT(task = gt_spawn_with(answer, toy_hold(4), &waits), 0);
  CHECK_EQ(gt_hand_over(task, NULL, &value), 0);
  toy_let_go(value);
  CHECK_EQ(gt_hand_over(task, toy_hold(8), &value), 0);
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ(gt_join(task, NULL), 0);
  CHECK_GT(task = gt_spawn(with_slots, &key), 0);
  CHECK_EQ(gt_join(task, NULL), 0);
  unsigned long steps = toy_step_end();
  if (AT_EACH_INSTRUCTION) CHECK_GT(steps, 5000);
  for (unsigned i = 1; i < 9; i++) CHECK(!toy_held(i));
  CHECK_EQ(gt_generator_free(generator), 0);
  CHECK_EQ(gt_scope_free(scope), 0);
  CHECK_EQ(gt_local_free(key), 0);
}

/* -- any moment, on several OS threads: each is stopped by a signal, as a collector does it */

enum { THREADS = 3, HANDS = 8, LOOKS = 300 };

static struct toy_stopped stopped[THREADS];
static sem_t arrived;
static atomic_uint released, asked;
static atomic_int registered, over;
static gt_chan_t *between;

static void stop_here(int signo) {
  unsigned turn = asked;
  (void)signo;
  for (int i = 0; i < THREADS; i++)
    if (stopped[i].self == (uintptr_t)pthread_self()) stopped[i].sp = (uintptr_t)__builtin_frame_address(0);
  sem_post(&arrived);
  while (released != turn) {
    const struct timespec pause = {0, 20000};
    nanosleep(&pause, NULL);
  }
}

static void *collect(void *arg) {
  for (int look = 0; look < LOOKS && !over; look++) {
    asked++;
    for (int i = 0; i < THREADS; i++) CHECK_EQ(pthread_kill((pthread_t)stopped[i].self, SIGUSR1), 0);
    for (int i = 0; i < THREADS; i++)
      while (sem_wait(&arrived) < 0) CHECK_EQ(errno, EINTR);
    toy_look_begin();
    int lost = toy_look_end(stopped, THREADS);
    if (lost >= 0) FAIL("secret %d was not seen, at look %d", lost, look);
    released = asked;
    s_real_sleep(look % 3);
  }
  over = 1;
  return arg;
}

static int64_t take_time(void *secret) {
  int64_t number = (int64_t)((uintptr_t)secret & 0xffff);
  s_real_sleep(1);
  toy_let_go(secret);
  return number;
}

static void *pass_on(void *secret) {
  uintptr_t kind = (uintptr_t)secret % 4;
  if (kind == 1) gt_yield();
  if (kind == 2) gt_sleep(MS(1));
  if (kind == 3) {
    CHECK_EQ(gt_chan_send(between, &secret), 0);
    CHECK_EQ(gt_chan_recv(between, &secret), 0); /* another one's, as good as ours */
  }
  return secret;
}

/* A task of each OS thread: spawns others here and elsewhere, each with a secret, and takes their secrets back. */
static void *churn(void *arg) {
  unsigned me = (unsigned)registered++, next = 0;
  (void)arg;
  stopped[me].end = toy_own_end();
  stopped[me].self = (uintptr_t)pthread_self();
  while (registered < THREADS) CHECK_EQ(gt_sleep(MS(1)), 0);
  while (!over) {
    int64_t tasks[HANDS];
    for (unsigned i = 0; i < HANDS; i++) {
      unsigned number = me * 1024 + next++ % 1024;
      tasks[i] = i % 3 ? gt_spawn(pass_on, toy_hold(number)) : gt_spawn_on((me + i) % 2, pass_on, toy_hold(number));
      CHECK_GT(tasks[i], 0);
    }
    if (next % 64 == 0) {
      unsigned number = TOY_SECRETS - 1 - me;
      CHECK_EQ(gt_offload(take_time, toy_hold(number)), number);
    }
    for (unsigned i = 0; i < HANDS; i++) {
      void *secret = NULL;
      CHECK_EQ(gt_join(tasks[i], &secret), 0);
      toy_let_go(secret);
    }
  }
  return NULL;
}

TEST_WITH(collect_sees_everything_wherever_several_os_threads_were_stopped, T_FAULTS, 180) {
  struct sigaction action = {.sa_handler = stop_here, .sa_flags = SA_RESTART};
  int64_t tasks[THREADS];
  toy_gc_begin();
  CHECK_OK(sigaction(SIGUSR1, &action, NULL));
  CHECK_OK(sem_init(&arrived, 0, 0));
  CHECK((between = gt_chan_new_shared(sizeof(void *), 4)) != NULL);
  CHECK_EQ(gt_workers_start(2, NULL), 2);
  for (unsigned i = 0; i < 2; i++) CHECK_GT(tasks[i] = gt_spawn_on(i, churn, NULL), 0);
  tasks[2] = s_spawn(churn, NULL);
  while (registered < THREADS) CHECK_EQ(gt_sleep(MS(1)), 0);
  pthread_t collector = s_thread(collect, NULL);
  for (int i = 0; i < THREADS; i++) s_join(tasks[i]);
  s_thread_join(collector);
  CHECK_EQ(gt_chan_free(between), 0);
  CHECK_EQ(gt_workers_stop(), 0);
}
