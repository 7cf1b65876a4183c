/* The virtual clock: hours in no time, in the order that the deadlines say; nothing that happens for real is outrun. */
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECONDS(n) ((int64_t)(n)*1000000000)
#define MINUTES(n) SECONDS(60 * (int64_t)(n))
#define HOURS(n) MINUTES(60 * (int64_t)(n))
#define START HOURS(100)

static void begin(void) {
  CHECK_EQ(gt_clock_virtual(START, 0), 0);
  CHECK_EQ(gt_now(), START);
}

static int64_t kernel_now(void) {
  struct timespec ts;
  CHECK_OK(clock_gettime(CLOCK_MONOTONIC, &ts));
  return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* -- sleeping */

TEST(clock_sleeps_for_a_year_and_it_is_a_year_later) {
  int64_t real = kernel_now();
  begin();
  for (int day = 1; day <= 365; day++) {
    CHECK_EQ(gt_sleep(HOURS(24)), 0);
    CHECK_EQ(gt_now(), START + day * HOURS(24));
  }
  CHECK_LT(kernel_now() - real, MINUTES(1)); /* the test would not have ended */
  CHECK_EQ(gt_sleep(0), 0);
  CHECK_EQ(gt_sleep_until(0), 0);
  CHECK_EQ(gt_now(), START + 365 * HOURS(24));
}

struct sleeper {
  int64_t until, woke;
  int order;
};
static int woken;

static void *sleep_until(void *arg) {
  struct sleeper *s = arg;
  CHECK_EQ(gt_sleep_until(s->until), 0);
  s->woke = gt_now();
  s->order = woken++;
  return NULL;
}

/* Distances from a nanosecond to a year, many of them in one tick of the wheel. */
TEST(clock_wakes_everybody_at_his_nanosecond_and_in_order) {
  enum { N = 2000 };
  static struct sleeper sleepers[N];
  static int64_t tasks[N];
  begin();
  uint64_t x = 88172645463325252u;
  for (int i = 0; i < N; i++) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    int64_t span = i % 4 == 0 ? HOURS(24 * 365) : i % 4 == 1 ? SECONDS(1) : i % 4 == 2 ? 10000 : 300;
    sleepers[i].until = START + 1 + (int64_t)(x % (uint64_t)span);
    tasks[i] = s_spawn(sleep_until, &sleepers[i]);
  }
  for (int i = 0; i < N; i++) s_join(tasks[i]);
  for (int i = 0; i < N; i++) {
    CHECK_EQ(sleepers[i].woke, sleepers[i].until);
    for (int k = 0; k < N; k += 7)
      if (sleepers[i].until < sleepers[k].until) CHECK_LT(sleepers[i].order, sleepers[k].order);
  }
}

static void *spin(void *arg) {
  for (int i = 0; i < 5000; i++) {
    CHECK_EQ(gt_yield(), 0);
    CHECK_EQ(gt_now(), *(int64_t *)arg);
  }
  return NULL;
}

TEST(clock_stands_still_while_a_task_is_ready) {
  begin();
  int64_t now = gt_now(), task = s_spawn(spin, &now);
  CHECK_EQ(gt_sleep(1), 0);
  CHECK_EQ(gt_now(), now + 1); /* the spinner had ended */
  s_join(task);
}

/* -- what is made of time */

static void *sleep_an_hour(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_sleep(HOURS(1));
}

TEST(clock_rules_deadlines_scopes_and_timed_interrupts) {
  begin();
  int64_t task = s_spawn(sleep_an_hour, NULL), start = gt_now();
  CHECK_EQ(gt_join_until(task, NULL, start + MINUTES(59)), -ETIMEDOUT);
  CHECK_EQ(gt_now(), start + MINUTES(59));
  CHECK_EQ(gt_join_until(task, NULL, start + MINUTES(61)), 0);
  CHECK_EQ(gt_now(), start + HOURS(1));

  int64_t outer = gt_deadline_push(gt_now() + MINUTES(10)), inner = gt_deadline_push(gt_now() + HOURS(2));
  CHECK_EQ(gt_sleep(HOURS(1)), -ETIMEDOUT);
  CHECK_EQ(gt_now(), start + MINUTES(70));
  CHECK_EQ(gt_deadline_pop(inner), 0);
  CHECK_EQ(gt_deadline_pop(outer), 1);

  int code = 0;
  CHECK_EQ(gt_interrupt_at(gt_self(), 5, gt_now() + MINUTES(5)), 0);
  CHECK_EQ(gt_sleep(HOURS(1)), -EINTR);
  CHECK_EQ(gt_interrupt_take(&code), 0);
  CHECK_EQ(code, 5);
  CHECK_EQ(gt_now(), start + MINUTES(75));
  CHECK_EQ(gt_park_until(gt_now() + MINUTES(5)), -ETIMEDOUT);
  CHECK_EQ(gt_now(), start + MINUTES(80));
}

static void *send_in_an_hour(void *arg) {
  int item = 7;
  CHECK_EQ(gt_sleep(HOURS(1)), 0);
  CHECK_EQ(gt_chan_send(arg, &item), 0);
  return NULL;
}

TEST(clock_rules_select_and_channels) {
  begin();
  gt_chan_t *chan = gt_chan_new(sizeof(int), 0);
  int item = 0;
  int64_t task = s_spawn(send_in_an_hour, chan);
  gt_select_arm_t arms[] = {{.kind = GT_SELECT_RECV, .object = chan, .item = &item}};
  CHECK_EQ(gt_select_until(arms, 1, START + MINUTES(30)), -ETIMEDOUT);
  CHECK_EQ(gt_now(), START + MINUTES(30));
  CHECK_EQ(gt_select_until(arms, 1, START + HOURS(3)), 0);
  CHECK_EQ(gt_now(), START + HOURS(1));
  CHECK_EQ(item, 7);
  s_join(task);
  CHECK_EQ(gt_chan_free(chan), 0);
}

TEST(clock_dates_what_a_task_waits_for) {
  begin();
  int64_t task = s_spawn(sleep_an_hour, NULL);
  CHECK_EQ(gt_sleep(MINUTES(20)), 0);
  gt_task_info_t info = {.size = sizeof info};
  CHECK_EQ(gt_task_info(task, &info), 0);
  CHECK_EQ(info.since, START);
  CHECK_EQ(info.deadline, START + HOURS(1));
  s_join(task);
}

/* -- what happens for real */

static void *answer_after(void *arg) {
  int *fds = arg;
  char byte;
  while (gt_recv(fds[1], &byte, 1, 0) == 1) {
    CHECK_EQ(gt_sleep(MINUTES(20)), 0);
    CHECK_EQ(gt_send(fds[1], &byte, 1, 0), 1);
  }
  return NULL;
}

static void ask_and_be_answered(int fds[2], int rounds) {
  char byte = 'q';
  int64_t task = s_spawn(answer_after, fds), start = gt_now();
  for (int round = 0; round < rounds; round++) {
    CHECK_EQ(gt_send(fds[0], &byte, 1, 0), 1);
    CHECK_EQ(gt_recv_until(fds[0], &byte, 1, 0, gt_now() + MINUTES(15)), -ETIMEDOUT);
    CHECK_EQ(gt_recv_until(fds[0], &byte, 1, 0, gt_now() + MINUTES(15)), 1);
    CHECK_EQ(gt_now(), start + (round + 1) * MINUTES(20));
  }
  CHECK_EQ(gt_close(fds[0]), 0);
  s_join(task);
  CHECK_EQ(gt_close(fds[1]), 0);
}

TEST(clock_does_not_outrun_a_socket) {
  int fds[2];
  begin();
  s_unix_pair(SOCK_STREAM, fds);
  ask_and_be_answered(fds, 50);
  s_unix_pair(SOCK_STREAM, fds);
  s_adopt_pair(fds);
  ask_and_be_answered(fds, 50);
}

TEST(clock_with_a_grace_does_not_outrun_tcp) {
  int fds[2];
  CHECK_EQ(gt_clock_virtual(START, MS(200)), 0);
  s_tcp_pair(fds);
  s_adopt_pair(fds);
  ask_and_be_answered(fds, 5);
}

static int64_t work_for_real(void *arg) {
  int64_t before = gt_now();
  s_real_sleep(80);
  CHECK_EQ(gt_now(), before);
  return *(int *)arg;
}

static void *sleep_on(void *arg) {
  while (!*(volatile int *)arg) CHECK_EQ(gt_sleep(SECONDS(1)), 0);
  return NULL;
}

TEST(clock_stands_still_while_a_job_runs) {
  begin();
  int done = 0, five = 5;
  int64_t task = s_spawn(sleep_on, &done), start;
  CHECK_EQ(gt_sleep(1), 0);
  start = gt_now();
  CHECK_EQ(gt_offload_until(work_for_real, &five, gt_now() + 1), 5);
  CHECK_EQ(gt_now(), start);
  done = 1;
  s_join(task);
}

static int64_t sleep_in_a_job(void *arg) {
  CHECK_EQ(gt_sleep(*(int64_t *)arg), 0);
  return 0;
}

TEST(clock_moves_while_a_job_sleeps_on_a_scheduler_of_its_own) {
  int64_t pause = HOURS(2);
  begin();
  CHECK_EQ(gt_offload_until(sleep_in_a_job, &pause, START + HOURS(3)), 0);
  CHECK_EQ(gt_now(), START + HOURS(2));
}

static void *wake_for_real(void *arg) {
  s_real_sleep(80);
  CHECK_EQ(gt_waker_wake(arg), 0);
  return NULL;
}

TEST(clock_stands_still_while_a_waker_exists) {
  begin();
  gt_waker_t *waker = gt_waker_new(gt_self());
  pthread_t thread = s_thread(wake_for_real, waker);
  CHECK_EQ(gt_park_until(gt_now() + 1), 0);
  CHECK_EQ(gt_now(), START);
  s_thread_join(thread);
  gt_waker_free(waker);
  CHECK_EQ(gt_park_until(gt_now() + HOURS(1)), -ETIMEDOUT);
  CHECK_EQ(gt_now(), START + HOURS(1));
}

static void *unpark_soon(void *arg) {
  s_real_sleep(30);
  CHECK_EQ(gt_unpark(*(int64_t *)arg), 0);
  return NULL;
}

/* A thread that nobody knows of: the grace is what is left. Long, as this machine may be slow. */
TEST(clock_with_a_grace_waits_for_other_threads) {
  int64_t root = gt_self();
  CHECK_EQ(gt_clock_virtual(0, SECONDS(60)), 0);
  int64_t start = gt_now();
  pthread_t thread = s_thread(unpark_soon, &root);
  CHECK_EQ(gt_park_until(gt_now() + 1), 0);
  CHECK_EQ(gt_now(), start);
  s_thread_join(thread);
}

static atomic_int alarms;
static void on_alarm(int number) {
  (void)number;
  atomic_fetch_add(&alarms, 1);
}

static void *ends_at_once(void *arg) { return arg; }

static void *unpark_after_signals(void *arg) {
  int64_t since = kernel_now();
  while (alarms < 5 || kernel_now() - since < MS(1300)) s_real_sleep(5); /* the runtime has looked at long waits meanwhile */
  CHECK_EQ(gt_unpark(*(int64_t *)arg), 0);
  return NULL;
}

static void *receive_one(void *arg) {
  char byte;
  CHECK_EQ(gt_recv(*(int *)arg, &byte, 1, 0), 1);
  return NULL;
}

/* What ends a sleep in the kernel early does not end the silence: signals, stacks that are given back, a look at long waits. */
TEST(clock_grace_is_not_cut_short) {
  struct sigaction action = {.sa_handler = on_alarm}; /* no SA_RESTART */
  struct itimerval often = {{0, 50000}, {0, 50000}}, never = {{0, 0}, {0, 0}};
  int64_t root = gt_self(), tasks[500];
  int fds[2];
  CHECK_EQ(gt_clock_virtual(START, SECONDS(60)), 0);
  s_unix_pair(SOCK_STREAM, fds);
  int64_t reader = s_spawn(receive_one, &fds[0]);
  for (int way = 0; way < 2; way++) {
    for (size_t i = 0; i < COUNT(tasks); i++) tasks[i] = s_spawn(ends_at_once, NULL);
    for (size_t i = 0; i < COUNT(tasks); i++) s_join(tasks[i]);
    alarms = way == 0 ? 5 : 0;
    CHECK_OK(sigaction(SIGALRM, &action, NULL));
    if (way == 1) CHECK_OK(setitimer(ITIMER_REAL, &often, NULL));
    pthread_t thread = s_thread(unpark_after_signals, &root);
    CHECK_EQ(gt_park_until(gt_now() + 1), 0);
    CHECK_EQ(gt_now(), START);
    CHECK_OK(setitimer(ITIMER_REAL, &never, NULL));
    s_thread_join(thread);
  }
  CHECK_EQ(gt_send(fds[1], "x", 1, 0), 1);
  s_join(reader);
  s_close_pair(fds);
}

/* -- several OS threads */

struct shift {
  int64_t every;
  int times;
};

static int64_t last_seen;
static int rounds_seen;

static void *work_in_shifts(void *arg) {
  struct shift *s = arg;
  for (int i = 1; i <= s->times; i++) {
    int64_t until = START + i * s->every;
    CHECK_EQ(gt_sleep_until(until), 0);
    CHECK_EQ(gt_now(), until);
    int64_t before = __atomic_exchange_n(&last_seen, until, __ATOMIC_SEQ_CST);
    CHECK_LE(before, until); /* nobody of a later time was before us */
    __atomic_add_fetch(&rounds_seen, 1, __ATOMIC_SEQ_CST);
  }
  return NULL;
}

TEST(clock_is_the_same_for_workers_which_agree_when_it_moves) {
  enum { N = 6, TIMES = 40 };
  int64_t tasks[N];
  struct shift shifts[N];
  begin();
  gt_self(); /* this thread has a scheduler: time waits for it, too */
  CHECK_EQ(gt_workers_start(2, NULL), 2);
  for (int i = 0; i < N; i++) {
    shifts[i] = (struct shift){MINUTES(7 + 3 * i) + i, TIMES};
    tasks[i] = i < 4 ? gt_spawn_on(i % 2, work_in_shifts, &shifts[i]) : s_spawn(work_in_shifts, &shifts[i]);
    CHECK_OK(tasks[i]);
  }
  for (int i = 0; i < N; i++) s_join(tasks[i]);
  CHECK_EQ(rounds_seen, N * TIMES);
  CHECK_EQ(gt_workers_stop(), 0);
}

static void *echo_items(void *arg) {
  gt_chan_t **chans = arg;
  int item;
  while (gt_chan_recv(chans[0], &item) == 0) {
    CHECK_EQ(gt_sleep(MINUTES(1)), 0);
    CHECK_EQ(gt_chan_send(chans[1], &item), 0);
  }
  return NULL;
}

/* What one thread sends the other is on its way when both are quiet. */
TEST(clock_does_not_outrun_a_channel_between_threads) {
  begin();
  CHECK_EQ(gt_workers_start(1, NULL), 1);
  gt_chan_t *chans[] = {gt_chan_new_shared(sizeof(int), 0), gt_chan_new_shared(sizeof(int), 0)};
  int64_t task = gt_spawn_on(0, echo_items, chans);
  CHECK_OK(task);
  for (int i = 0; i < 200; i++) {
    int item = i;
    CHECK_EQ(gt_chan_send_until(chans[0], &item, gt_now() + 1), 0);
    CHECK_EQ(gt_chan_recv_until(chans[1], &item, gt_now() + MINUTES(1) + 1), 0);
    CHECK_EQ(item, i);
  }
  CHECK_EQ(gt_now(), START + MINUTES(200));
  CHECK_EQ(gt_chan_close(chans[0]), 0);
  s_join(task);
  for (int i = 0; i < 2; i++) CHECK_EQ(gt_chan_free(chans[i]), 0);
  CHECK_EQ(gt_workers_stop(), 0);
}

/* And what goes over a descriptor. */
static void *echo_bytes(void *arg) {
  int fd = *(int *)arg;
  char byte;
  while (gt_read(fd, &byte, 1) == 1) CHECK_EQ(gt_send_all(fd, &byte, 1, 0, NULL), 0);
  return NULL;
}

TEST(clock_does_not_outrun_a_socket_between_threads) {
  int fds[2];
  char byte = 0;
  begin();
  s_unix_pair(SOCK_STREAM, fds);
  CHECK_EQ(gt_workers_start(1, NULL), 1);
  int64_t task = gt_spawn_on(0, echo_bytes, &fds[1]);
  CHECK_OK(task);
  for (int i = 0; i < 300; i++) {
    CHECK_EQ(gt_send_all(fds[0], &byte, 1, 0, NULL), 0);
    CHECK_EQ(gt_read_until(fds[0], &byte, 1, gt_now() + 1), 1);
  }
  CHECK_EQ(gt_now(), START);
  CHECK_EQ(gt_close(fds[0]), 0);
  s_join(task);
  close(fds[1]);
  CHECK_EQ(gt_workers_stop(), 0);
}

static void *other_thread(void *arg) {
  CHECK_EQ(gt_now(), START);
  CHECK_EQ(gt_sleep(HOURS(1)), 0);
  CHECK_EQ(gt_unpark(*(int64_t *)arg), 0);
  CHECK_EQ(gt_shutdown(), 0);
  return NULL;
}

TEST(clock_is_the_same_for_a_thread_that_comes_later) {
  int64_t root = gt_self();
  begin();
  pthread_t thread = s_thread(other_thread, &root);
  CHECK_EQ(gt_park(), 0); /* in pthread_join it would be a thread that is busy */
  CHECK_EQ(gt_now(), START + HOURS(1));
  s_thread_join(thread);
}

/* -- in another loop, by hand, in a child */

TEST(clock_moves_by_gt_turn) {
  begin();
  CHECK_OK(gt_poll_fd());
  int64_t task = s_spawn(sleep_an_hour, NULL);
  CHECK_OK(gt_turn(0));
  CHECK_EQ(gt_next_deadline(), START + HOURS(1));
  CHECK_OK(gt_turn(START + MINUTES(10)));
  CHECK_EQ(gt_now(), START + MINUTES(10));
  CHECK_OK(gt_turn(gt_next_deadline()));
  CHECK_OK(gt_turn(0));
  CHECK_EQ(gt_now(), START + HOURS(1));
  CHECK_EQ((intptr_t)s_join(task), 0);
}

static void *note_time(void *arg) {
  CHECK_EQ(gt_sleep(SECONDS(5)), 0);
  *(int64_t *)arg = gt_now();
  return NULL;
}

TEST(clock_moves_by_hand_as_if_a_task_had_taken_so_long) {
  int64_t woke = 0;
  begin();
  int64_t task = s_spawn(note_time, &woke);
  s_settle();
  CHECK_EQ(gt_clock_advance(0), 0);
  CHECK_EQ(gt_clock_advance(SECONDS(5) - 1), 0);
  s_settle();
  CHECK_EQ(woke, 0);
  CHECK_EQ(gt_clock_advance(SECONDS(3)), 0);
  s_settle();
  CHECK_EQ(woke, START + SECONDS(8) - 1); /* late, as it would have been */
  s_join(task);
}

TEST(clock_of_a_forked_child_goes_its_own_way) {
  int status;
  begin();
  CHECK_EQ(gt_sleep(HOURS(1)), 0);
  pid_t pid = fork();
  if (pid == 0) {
    CHECK_EQ(gt_now(), START + HOURS(1));
    CHECK_EQ(gt_sleep(HOURS(9)), 0);
    CHECK_EQ(gt_now(), START + HOURS(10));
    _exit(0);
  }
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK_EQ(status, 0);
  CHECK_EQ(gt_now(), START + HOURS(1));
}

/* -- the watchdog looks at real time */

static atomic_int reports, again;
static void count_report(const gt_watchdog_report_t *report, void *arg) {
  (void)arg;
  CHECK_LT(report->held, HOURS(1)); /* nobody held the thread for days */
  atomic_fetch_add(&reports, 1);
  atomic_fetch_add(&again, report->count > 1);
}

static void *wake_after_long(void *arg) {
  s_real_sleep(900);
  CHECK_EQ(gt_waker_wake(arg), 0);
  return NULL;
}

TEST(clock_does_not_confuse_the_watchdog) {
  begin();
  gt_yield();
  CHECK_EQ(gt_watchdog_start(MS(250), count_report, NULL), 0);
  for (int i = 0; i < 100; i++) CHECK_EQ(gt_sleep(HOURS(24)), 0);
  gt_waker_t *waker = gt_waker_new(gt_self()); /* time held: quiet for longer than the limit, and no task's fault */
  pthread_t thread = s_thread(wake_after_long, waker);
  CHECK_EQ(gt_park(), 0);
  s_thread_join(thread);
  gt_waker_free(waker);
  CHECK_EQ(again, 0); /* a machine that let nobody run for the limit is reported once */
  while (!again) continue; /* held for real */
  CHECK_EQ(gt_watchdog_stop(), 0);
}

/* -- coming and going */

TEST(clock_begins_where_it_stands_unless_told) {
  int64_t before = gt_now();
  CHECK_EQ(gt_clock_virtual(0, 0), 0);
  CHECK_GE(gt_now(), before);
  CHECK_LE(gt_now(), kernel_now());
  int64_t now = gt_now();
  s_real_sleep(5);
  CHECK_EQ(gt_now(), now);
}

TEST(clock_comes_back_to_the_kernels) {
  for (int round = 0; round < 3; round++) {
    CHECK_EQ(gt_clock_virtual(kernel_now() + HOURS(1000), 0), 0);
    CHECK_EQ(gt_sleep(HOURS(1)), 0);
    CHECK_EQ(gt_clock_real(), 0);
    int64_t kernel = kernel_now();
    CHECK_GE(gt_now(), kernel);
    CHECK_LT(gt_now(), kernel + HOURS(1));
    CHECK_EQ(gt_sleep(MS(3)), 0);
    CHECK_GE(gt_now(), kernel + MS(3));
    CHECK_EQ(gt_clock_virtual(1, 0), 0); /* long before the present */
    CHECK_EQ(gt_sleep(MINUTES(1)), 0);
    CHECK_EQ(gt_now(), 1 + MINUTES(1));
    CHECK_EQ(gt_clock_real(), 0);
  }
}

static void *park(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_park();
}

static void *try_both(void *arg) {
  (void)arg;
  CHECK_EQ(gt_clock_virtual(0, 0), -EBUSY); /* the root's scheduler is another one */
  return NULL;
}

TEST(clock_does_not_change_under_those_who_count_on_it) {
  int64_t task = s_spawn(park, NULL);
  CHECK_EQ(gt_clock_virtual(0, 0), -EBUSY);
  gt_unpark(task);
  s_join(task);
  int64_t scope = gt_deadline_push(gt_now() + HOURS(1));
  CHECK_EQ(gt_clock_virtual(0, 0), -EBUSY);
  CHECK_EQ(gt_deadline_pop(scope), 0);
  CHECK_EQ(gt_interrupt_at(gt_self(), 1, gt_now() + HOURS(1)), 0);
  CHECK_EQ(gt_clock_virtual(0, 0), -EBUSY);
  CHECK_EQ(gt_interrupt_withdraw(gt_self(), 1), 0);
  s_thread_join(s_thread(try_both, NULL));
  begin();
  task = s_spawn(park, NULL);
  CHECK_EQ(gt_clock_real(), -EBUSY);
  gt_unpark(task);
  s_join(task);
  CHECK_EQ(gt_workers_start(1, NULL), 1);
  CHECK_EQ(gt_clock_real(), -EBUSY);
  CHECK_EQ(gt_workers_stop(), 0);
  CHECK_EQ(gt_clock_real(), 0);
}

TEST(clock_errors) {
  CHECK_EQ(gt_clock_real(), -EPERM);
  CHECK_EQ(gt_clock_advance(1), -EPERM);
  CHECK_EQ(gt_clock_advance(-1), -EINVAL);
  CHECK_EQ(gt_clock_virtual(-1, 0), -EINVAL);
  CHECK_EQ(gt_clock_virtual(GT_NEVER, 0), -EINVAL);
  CHECK_EQ(gt_clock_virtual(0, -1), -EINVAL);
  begin();
  CHECK_EQ(gt_clock_virtual(START, 0), -EALREADY);
  CHECK_EQ(gt_clock_advance(-1), -EINVAL);
  CHECK_EQ(gt_clock_advance(INT64_MAX), -EINVAL);
  CHECK_EQ(gt_clock_advance(INT64_MAX - START), -EINVAL);
  CHECK_EQ(gt_now(), START);
}
