/* Several OS threads, each with a scheduler of its own: at the same time, waking each other, ending with tasks parked. */
#include "support.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

static void *echo(void *arg) {
  int fd = *(int *)arg;
  char buf[64];
  ssize_t n;
  while ((n = gt_recv(fd, buf, sizeof buf, 0)) > 0) CHECK_EQ(gt_send(fd, buf, (size_t)n, 0), n);
  return NULL;
}

static void *whole_life(void *arg) {
  int fds[2];
  char buf[64];
  s_tcp_pair(fds);
  s_adopt_pair(fds);
  int64_t task = s_spawn(echo, &fds[1]);
  for (int i = 0; i < 2000; i++) {
    CHECK_EQ(gt_send(fds[0], "0123456789", 10, 0), 10);
    CHECK_EQ(gt_recv(fds[0], buf, sizeof buf, 0), 10);
    if (i % 100 == 0) CHECK_EQ(gt_sleep(100000), 0);
  }
  CHECK_EQ(gt_close(fds[0]), 0);
  s_join(task);
  CHECK_EQ(gt_close(fds[1]), 0);
  CHECK_EQ(s_stats().tasks_live, 0);
  CHECK_EQ(gt_shutdown(), 0);
  return arg;
}

TEST(threads_each_with_a_scheduler_work_at_the_same_time) {
  pthread_t threads[4];
  for (size_t i = 0; i < COUNT(threads); i++) threads[i] = s_thread(whole_life, NULL);
  whole_life(NULL);
  for (size_t i = 0; i < COUNT(threads); i++) s_thread_join(threads[i]);
}

struct side {
  int64_t task;
  int64_t other;
  volatile int ready;
  int rounds;
};

static struct side sides[2];
static pthread_barrier_t barrier;

static void *ping_pong(void *arg) {
  struct side *side = arg;
  for (int i = 0; i < side->rounds; i++) {
    if (side == &sides[0]) CHECK_EQ(gt_unpark(side->other), 0);
    CHECK_EQ(gt_park_until(IN_MS(60000)), 0);
    if (side == &sides[1]) CHECK_EQ(gt_unpark(side->other), 0);
  }
  return NULL;
}

static void *host_of_side(void *arg) {
  struct side *side = arg, *peer = side == &sides[0] ? &sides[1] : &sides[0];
  side->rounds = 10000;
  side->task = s_spawn(ping_pong, side);
  pthread_barrier_wait(&barrier);
  side->other = peer->task;
  pthread_barrier_wait(&barrier);
  s_join(side->task);
  pthread_barrier_wait(&barrier); /* the other side may still be waking */
  CHECK_EQ(gt_shutdown(), 0);
  return NULL;
}

TEST_WITH(threads_tasks_of_two_schedulers_wake_each_other, 0, 60) {
  CHECK_EQ(pthread_barrier_init(&barrier, NULL, 2), 0);
  pthread_t threads[] = {s_thread(host_of_side, &sides[0]), s_thread(host_of_side, &sides[1])};
  for (size_t i = 0; i < COUNT(threads); i++) s_thread_join(threads[i]);
}

static void *park(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_park();
}

static void *try_foreign_task(void *arg) {
  int64_t task = *(int64_t *)arg;
  char name[8];
  void *result = arg;
  CHECK_EQ(gt_join(task, &result), -EXDEV);
  CHECK_EQ(gt_join_until(task, &result, 0), -EXDEV);
  CHECK(result == arg);
  CHECK_EQ(gt_detach(task), -EXDEV);
  CHECK_EQ(gt_interrupt_at(task, 1, 0), -EXDEV);
  CHECK_EQ(gt_interrupt_withdraw(task, 1), -EXDEV);
  CHECK_EQ(gt_task_set_name(task, "x"), -EXDEV);
  CHECK_EQ(gt_task_name(task, name, sizeof name), -EXDEV);
  CHECK_EQ(gt_shutdown(), 0);
  return NULL;
}

TEST(threads_what_belongs_to_the_home_thread_is_refused_elsewhere) {
  int64_t task = s_spawn(park, NULL);
  s_settle();
  s_thread_join(s_thread(try_foreign_task, &task));
  CHECK_EQ(gt_unpark(task), 0);
  s_join(task);
}

struct left_behind {
  int64_t task;
  gt_waker_t *waker;
  int fds[2];
};

static void *park_on_descriptor(void *arg) {
  struct left_behind *left = arg;
  char byte;
  return (void *)(intptr_t)gt_recv(left->fds[0], &byte, 1, 0);
}

static void *end_with_parked_tasks(void *arg) {
  struct left_behind *left = arg;
  left->task = s_spawn(park, NULL);
  left->waker = gt_waker_new(left->task);
  CHECK(left->waker != NULL);
  s_spawn(park_on_descriptor, left);
  s_settle();
  CHECK_EQ(gt_sleep(MS(1)), 0);
  return NULL;
}

TEST(threads_may_end_with_tasks_parked) {
  for (int round = 0; round < 20; round++) {
    struct left_behind left;
    s_unix_pair(SOCK_STREAM, left.fds);
    s_thread_join(s_thread(end_with_parked_tasks, &left));
    CHECK_EQ(gt_unpark(left.task), -ESRCH);
    CHECK_EQ(gt_cancel(left.task), -ESRCH);
    CHECK_EQ(gt_waker_wake(left.waker), -ESRCH);
    gt_waker_free(left.waker);
    CHECK_EQ(gt_sleep(MS(1)), 0);
    close(left.fds[0]);
    close(left.fds[1]);
  }
}

static void *short_life(void *arg) {
  CHECK_EQ(gt_sleep(1000), 0);
  return arg;
}

TEST(threads_that_end_leave_no_descriptor_and_no_id_that_lives) {
  s_thread_join(s_thread(short_life, NULL));
  int before = s_fd_count();
  for (int i = 0; i < 50; i++) s_thread_join(s_thread(short_life, NULL));
  CHECK_EQ(s_fd_count(), before);
}

/* One thread uses a descriptor after another one registered it. */
static void *serve_once(void *arg) {
  char byte;
  ssize_t n = gt_recv_until(*(int *)arg, &byte, 1, 0, IN_MS(60000));
  if (n == 1) n = gt_send(*(int *)arg, &byte, 1, 0);
  CHECK_EQ(gt_shutdown(), 0);
  return (void *)(intptr_t)n;
}

TEST(threads_hand_a_descriptor_on) {
  for (int adopted = 0; adopted < 2; adopted++) {
    int fds[2];
    char byte;
    s_unix_pair(SOCK_STREAM, fds);
    if (adopted) s_adopt_pair(fds);
    CHECK_EQ(gt_recv_until(fds[1], &byte, 1, 0, IN_MS(1)), -ETIMEDOUT);
    pthread_t thread = s_thread(serve_once, &fds[1]);
    s_real_sleep(5);
    CHECK_EQ(gt_send(fds[0], "h", 1, 0), 1);
    intptr_t got = (intptr_t)s_thread_join(thread);
    CHECK(got == 1 || got == -EXDEV);
    if (got == 1) CHECK_EQ(gt_recv_until(fds[0], &byte, 1, 0, IN_MS(60000)), 1);
    s_close_pair(fds);
  }
}

static void *use_all_kinds(void *arg) {
  int *fds = arg;
  char byte = 'a';
  CHECK_EQ(pthread_cancel(pthread_self()), 0);
  CHECK_EQ(gt_write(fds[1], &byte, 1), 1);
  CHECK_EQ(gt_read(fds[0], &byte, 1), 1);
  CHECK_EQ(gt_read_until(fds[0], &byte, 1, IN_MS(1)), -ETIMEDOUT);
  CHECK_EQ(gt_poll_until(NULL, 0, IN_MS(1)), -ETIMEDOUT);
  CHECK_EQ(gt_sleep(1), 0);
  CHECK_EQ(gt_close(fds[0]), 0);
  return arg;
}

static void *cancelled_meanwhile(void *arg) {
  use_all_kinds(arg);
  int *fds = arg;
  CHECK_EQ(gt_pipe(fds), 0);
  s_join(s_spawn(use_all_kinds, fds));
  CHECK_EQ(gt_close(fds[1]), 0);
  CHECK_EQ(gt_shutdown(), 0);
  pthread_testcancel();
  return arg;
}

TEST(threads_act_on_pthread_cancel_when_they_have_shut_down) {
  int fds[2];
  CHECK_EQ(pipe(fds), 0);
  int other = fds[1];
  gt_yield();
  CHECK(s_thread_join(s_thread(cancelled_meanwhile, fds)) == PTHREAD_CANCELED);
  CHECK_EQ(close(other), 0);
}

static void *wake_others(void *arg) {
  int64_t task = *(int64_t *)arg;
  int old;
  s_real_sleep(20); /* until it sleeps in the kernel: its bell has to be rung */
  CHECK_EQ(pthread_cancel(pthread_self()), 0);
  CHECK_EQ(gt_unpark(task), 0);
  CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old), 0);
  return arg;
}

TEST(threads_without_a_scheduler_wake_in_spite_of_pthread_cancel) {
  int64_t me = gt_self();
  pthread_t thread = s_thread(wake_others, &me);
  CHECK_EQ(gt_park_until(IN_MS(60000)), 0);
  CHECK(s_thread_join(thread) == &me);
}

struct cancelling {
  int64_t task;
  _Atomic int stage;
};

static void *cancel_it(void *arg) {
  struct cancelling *it = arg;
  CHECK_EQ(gt_cancel(it->task), 0);
  it->stage = 1;
  return NULL;
}

static void *compute_alone(void *arg) {
  struct cancelling *it = arg;
  it->task = gt_self();
  pthread_t thread = s_thread(cancel_it, it);
  while (it->stage == 0) continue;
  int more = 0;
  while (gt_yield() == 0) more++;
  s_thread_join(thread);
  CHECK_LE(more, 1);
  return NULL;
}

TEST(threads_cancel_a_task_that_only_yields) {
  struct cancelling it = {0};
  s_join(s_spawn(compute_alone, &it));
}

static void *unpark_it(void *arg) {
  CHECK_EQ(gt_unpark(*(int64_t *)arg), 0);
  return NULL;
}

TEST(threads_give_a_permit_that_is_there_when_they_have_ended) {
  int64_t me = gt_self();
  s_thread_join(s_thread(unpark_it, &me));
  CHECK_EQ(gt_park_until(0), 0); /* tries once, and finds it */
  CHECK_EQ(gt_park_until(0), -ETIMEDOUT);
}

static void *interrupt_it(void *arg) {
  CHECK_EQ(gt_interrupt(*(int64_t *)arg, 5), 0);
  return NULL;
}

TEST(threads_send_interrupts_that_can_be_withdrawn_when_they_have_ended) {
  int64_t me = gt_self();
  s_thread_join(s_thread(interrupt_it, &me));
  CHECK_EQ(gt_interrupt_withdraw(me, 5), 0);
  CHECK_EQ(gt_interrupt_withdraw(me, 5), -ENOENT);
  CHECK_EQ(gt_sleep(1), 0);
}

static void *in_and_out(void *arg) {
  for (int i = 0; i < 50; i++) {
    int64_t task = s_spawn(short_life, NULL);
    s_join(task);
    CHECK_EQ(gt_unpark(task), -ESRCH);
    CHECK_EQ(gt_shutdown(), 0);
  }
  return arg;
}

TEST(threads_start_and_shut_down_schedulers_all_the_time) {
  pthread_t threads[8];
  for (size_t i = 0; i < COUNT(threads); i++) threads[i] = s_thread(in_and_out, NULL);
  for (size_t i = 0; i < COUNT(threads); i++) s_thread_join(threads[i]);
}

enum { CROWD = 2100 };
static volatile int served, refused;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* closed until all may leave */

static void *one_of_many(void *arg) {
  int64_t self = gt_self();
  if (self > 0) {
    s_join(s_spawn(short_life, arg));
    __atomic_add_fetch(&served, 1, __ATOMIC_SEQ_CST);
  } else {
    CHECK_EQ(self, -EAGAIN);
    CHECK_EQ(gt_yield(), -EAGAIN);
    CHECK_EQ(gt_spawn(short_life, arg), -EAGAIN);
    __atomic_add_fetch(&refused, 1, __ATOMIC_SEQ_CST);
  }
  CHECK_EQ(pthread_mutex_lock(&gate), 0);
  CHECK_EQ(pthread_mutex_unlock(&gate), 0);
  return NULL;
}

/* There is room for 2,048 schedulers at a time. Who comes too late is told, and may try again when others have gone. */
TEST_WITH(threads_beyond_the_room_for_schedulers_are_told, T_ALONE | T_LIMITS, 60) {
  static pthread_t threads[CROWD];
  struct rlimit limit;
  pthread_attr_t small;
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
  if (limit.rlim_max < 10000) SKIP("%ld descriptors are too few", (long)limit.rlim_max);
  limit.rlim_cur = limit.rlim_max;
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
  CHECK_EQ(pthread_attr_init(&small), 0);
  CHECK_EQ(pthread_attr_setstacksize(&small, 128 * 1024), 0);
  CHECK_EQ(pthread_mutex_lock(&gate), 0);
  for (int i = 0; i < CROWD; i++)
    if (pthread_create(&threads[i], &small, one_of_many, NULL) != 0) SKIP("only %d threads to be had here", i);
  while (__atomic_load_n(&served, __ATOMIC_SEQ_CST) + __atomic_load_n(&refused, __ATOMIC_SEQ_CST) < CROWD) s_real_sleep(5);
  CHECK_EQ(served, 2047);
  CHECK_EQ(pthread_mutex_unlock(&gate), 0);
  for (int i = 0; i < CROWD; i++) s_thread_join(threads[i]);
  CHECK_EQ(gt_sleep(1000), 0);
}
