/* Acts of locks and the like: helpers on all OS threads, some of them cancelled or interrupted, some in haste. */
#include "soak.h"

enum { CREW = 10 };

/* What a wait may come to for a helper that is tormented, or in haste. Returns 1 if it has what it waited for, -1 if it must end. */
static int came(int got) {
  MUST(got == 0 || got == -ECANCELED || got == -EINTR || got == -ETIMEDOUT);
  return got == 0 ? 1 : got == -ECANCELED ? -1 : 0;
}

/* -- a mutex: nobody else is inside, and nothing is lost */

struct counted {
  gt_mutex_t *mutex;
  long plain;
  int inside;
  atomic_long counts;
};

static void *count_under_lock(void *arg) {
  struct counted *counted = arg;
  struct dice dice = so_dice();
  for (int i = 0; i < 30; i++) {
    int got = came(so_roll(&dice, 3) ? gt_mutex_lock(counted->mutex) : gt_mutex_lock_until(counted->mutex, so_soon(&dice)));
    if (got < 0) break;
    if (got == 0) continue;
    MUST_EQ(counted->inside++, 0);
    counted->plain++;
    so_pause(&dice);
    counted->inside--;
    counted->counts++;
    MUST_EQ(gt_mutex_unlock(counted->mutex), 0);
  }
  return NULL;
}

ACT(mutex, 6) {
  struct counted counted = {.mutex = gt_mutex_new()};
  int64_t tasks[CREW];
  unsigned count = 2 + so_roll(dice, CREW - 1);
  for (unsigned i = 0; i < count; i++) tasks[i] = so_anywhere(dice, count_under_lock, &counted);
  so_torment(dice, tasks, count);
  so_join_all(tasks, count);
  MUST_EQ(counted.plain, counted.counts);
  MUST_EQ(gt_mutex_free(counted.mutex), 0);
}

/* -- a rwlock: readers see both halves alike */

struct halves {
  gt_rwlock_t *lock;
  volatile long left, right;
  atomic_long writes;
};

static void *read_and_write(void *arg) {
  struct halves *halves = arg;
  struct dice dice = so_dice();
  for (int i = 0; i < 30; i++) {
    int writes = !so_roll(&dice, 4), hasty = !so_roll(&dice, 3);
    int64_t until = hasty ? so_soon(&dice) : GT_NEVER;
    int got = came(writes ? gt_rwlock_write_lock_until(halves->lock, until) : gt_rwlock_read_lock_until(halves->lock, until));
    if (got < 0) break;
    if (got == 0) continue;
    MUST_EQ(halves->left, halves->right);
    halves->left += writes;
    so_pause(&dice);
    if (writes) halves->right++;
    halves->writes += writes;
    if (!writes) MUST_EQ(halves->left, halves->right);
    MUST_EQ(gt_rwlock_unlock(halves->lock), 0);
  }
  return NULL;
}

ACT(rwlock, 6) {
  struct halves halves = {.lock = gt_rwlock_new()};
  int64_t tasks[CREW];
  unsigned count = 2 + so_roll(dice, CREW - 1);
  for (unsigned i = 0; i < count; i++) tasks[i] = so_anywhere(dice, read_and_write, &halves);
  so_torment(dice, tasks, count);
  so_join_all(tasks, count);
  MUST_EQ(halves.left, halves.writes);
  MUST_EQ(gt_rwlock_free(halves.lock), 0);
}

/* -- conditions: a queue of our own */

struct queue {
  gt_mutex_t *mutex;
  gt_cond_t *not_empty, *not_full;
  long items[4], put, got, to_come;
  long sum;
};

static void *produce(void *arg) {
  struct queue *queue = arg;
  struct dice dice = so_dice();
  for (int i = 0; i < 25; i++) {
    MUST_EQ(gt_mutex_lock(queue->mutex), 0);
    while (queue->put - queue->got == (long)COUNT(queue->items)) {
      int got = gt_cond_wait_until(queue->not_full, queue->mutex, so_roll(&dice, 3) ? GT_NEVER : so_soon(&dice));
      MUST(got == 0 || got == -ETIMEDOUT);
    }
    queue->items[queue->put++ % (long)COUNT(queue->items)] = i;
    queue->sum += i;
    MUST_EQ(gt_cond_signal(queue->not_empty), 0);
    MUST_EQ(gt_mutex_unlock(queue->mutex), 0);
    so_pause(&dice);
  }
  return NULL;
}

static void *consume(void *arg) {
  struct queue *queue = arg;
  struct dice dice = so_dice();
  MUST_EQ(gt_mutex_lock(queue->mutex), 0);
  while (queue->got < queue->to_come) {
    if (queue->got == queue->put) {
      int got = gt_cond_wait_until(queue->not_empty, queue->mutex, so_roll(&dice, 3) ? GT_NEVER : so_soon(&dice));
      MUST(got == 0 || got == -ETIMEDOUT);
      continue;
    }
    queue->sum -= queue->items[queue->got++ % (long)COUNT(queue->items)];
    MUST_EQ(queue->got == queue->to_come ? gt_cond_broadcast(queue->not_empty) : gt_cond_signal(queue->not_full), 0);
  }
  MUST_EQ(gt_mutex_unlock(queue->mutex), 0);
  return NULL;
}

ACT(conditions, 6) {
  struct queue queue = {.mutex = gt_mutex_new(), .not_empty = gt_cond_new(), .not_full = gt_cond_new()};
  int64_t tasks[6];
  unsigned producers = 1 + so_roll(dice, 3);
  queue.to_come = 25 * producers;
  for (unsigned i = 0; i < COUNT(tasks); i++) tasks[i] = so_anywhere(dice, i < producers ? produce : consume, &queue);
  so_join_all(tasks, COUNT(tasks));
  MUST_EQ(queue.sum, 0);
  MUST_EQ(queue.put, queue.got);
  MUST_EQ(gt_cond_free(queue.not_empty), 0);
  MUST_EQ(gt_cond_free(queue.not_full), 0);
  MUST_EQ(gt_mutex_free(queue.mutex), 0);
}

/* -- a semaphore: never more inside than it has units */

struct room {
  gt_sem_t *sem;
  int units;
  atomic_int inside;
};

static void *enter_room(void *arg) {
  struct room *room = arg;
  struct dice dice = so_dice();
  for (int i = 0; i < 25; i++) {
    int got = came(so_roll(&dice, 3) ? gt_sem_wait(room->sem) : gt_sem_wait_until(room->sem, so_soon(&dice)));
    if (got < 0) break;
    if (got == 0) continue;
    MUST(++room->inside <= room->units);
    so_pause(&dice);
    room->inside--;
    MUST_EQ(gt_sem_post(room->sem), 0);
  }
  return NULL;
}

ACT(semaphore, 6) {
  struct room room = {.units = 1 + (int)so_roll(dice, 4)};
  int64_t tasks[CREW];
  unsigned count = 2 + so_roll(dice, CREW - 1);
  room.sem = gt_sem_new(room.units);
  for (unsigned i = 0; i < count; i++) tasks[i] = so_anywhere(dice, enter_room, &room);
  so_torment(dice, tasks, count);
  so_join_all(tasks, count);
  MUST_EQ(gt_sem_value(room.sem), room.units);
  MUST_EQ(gt_sem_free(room.sem), 0);
}

/* -- events, barriers, once */

static void *wait_for_event(void *event) {
  struct dice dice = so_dice();
  int got;
  do {
    got = gt_event_wait_until(event, so_roll(&dice, 2) ? GT_NEVER : so_soon(&dice));
  } while (got == -ETIMEDOUT || got == -EINTR);
  MUST(got == 0 || got == -ECANCELED);
  return NULL;
}

ACT(events, 6) {
  int64_t tasks[CREW];
  unsigned count = 1 + so_roll(dice, CREW);
  gt_event_t *event = gt_event_new();
  for (unsigned i = 0; i < count; i++) tasks[i] = so_anywhere(dice, wait_for_event, event);
  so_torment(dice, tasks, count);
  MUST_EQ(gt_event_set(event), 0);
  so_join_all(tasks, count);
  MUST_EQ(gt_event_free(event), 0);
}

struct rounds {
  gt_barrier_t *barrier;
  unsigned count, rounds;
  atomic_uint came[16], last;
};

static void *come_round(void *arg) {
  struct rounds *rounds = arg;
  struct dice dice = so_dice();
  for (unsigned round = 0; round < rounds->rounds; round++) {
    so_pause(&dice);
    rounds->came[round]++;
    int got = gt_barrier_wait(rounds->barrier);
    MUST_OK(got);
    rounds->last += (unsigned)got;
    MUST_EQ(rounds->came[round], rounds->count);
  }
  return NULL;
}

ACT(barrier, 5) {
  struct rounds rounds = {.count = 1 + so_roll(dice, 6), .rounds = 1 + so_roll(dice, 16)};
  int64_t tasks[6];
  MUST((rounds.barrier = gt_barrier_new(rounds.count)) != NULL);
  for (unsigned i = 0; i < rounds.count; i++) tasks[i] = so_anywhere(dice, come_round, &rounds);
  so_join_all(tasks, rounds.count);
  MUST_EQ(rounds.last, rounds.rounds);
  MUST_EQ(gt_barrier_free(rounds.barrier), 0);
}

struct first {
  gt_once_t once;
  atomic_int runs, done;
};

static void run_once(void *arg) {
  struct first *first = arg;
  struct dice dice = so_dice();
  first->runs++;
  so_pause(&dice);
  first->done = 1;
}

static void *do_once(void *arg) {
  struct first *first = arg;
  MUST_EQ(gt_once_do(&first->once, run_once, first), 0);
  MUST_EQ(first->done, 1);
  return NULL;
}

ACT(once, 4) {
  struct first first = {.once = GT_ONCE_INIT};
  int64_t tasks[CREW];
  for (unsigned i = 0; i < CREW; i++) tasks[i] = so_anywhere(dice, do_once, &first);
  so_join_all(tasks, CREW);
  MUST_EQ(first.runs, 1);
}
