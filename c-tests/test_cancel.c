/* Cancel, interrupt and shield: one rule for every blocking call. */
#include "support.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

static void *park(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_park();
}

static void *body(void *arg) {
  int *got = arg;
  got[0] = gt_park();
  got[1] = gt_sleep(MS(1));
  got[2] = gt_yield();
  got[3] = gt_park_until(0);
  return NULL;
}

TEST(cancel_wakes_a_parked_task_and_stays) {
  int got[4];
  int64_t task = s_spawn(body, got);
  s_settle();
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ(gt_cancel(task), 0);
  s_join(task);
  for (size_t i = 0; i < COUNT(got); i++) CHECK_EQ(got[i], -ECANCELED);
}

TEST(cancel_of_nobody) {
  int64_t task = s_spawn(park, NULL);
  CHECK_EQ(gt_unpark(task), 0);
  s_settle();
  CHECK_EQ(gt_cancel(task), -ESRCH); /* finished, not joined yet */
  CHECK_EQ(gt_interrupt(task, 1), -ESRCH);
  s_join(task);
  const int64_t nobody[] = {task, 0, -1, INT64_MAX, INT64_MIN, 77};
  for (size_t i = 0; i < COUNT(nobody); i++) {
    CHECK_EQ(gt_cancel(nobody[i]), -ESRCH);
    CHECK_EQ(gt_interrupt(nobody[i], 1), -ESRCH);
    CHECK_EQ(gt_interrupt_at(nobody[i], 1, 0), -ESRCH);
    CHECK_EQ(gt_interrupt_withdraw(nobody[i], 1), -ESRCH);
    CHECK_EQ(gt_unpark(nobody[i]), -ESRCH);
    CHECK(gt_waker_new(nobody[i]) == NULL);
  }
}

static void *started(void *arg) {
  *(int *)arg = 1;
  return (void *)(intptr_t)gt_sleep(0);
}

TEST(cancel_before_the_start_lets_the_entry_run) {
  int ran = 0;
  int64_t task = s_spawn(started, &ran);
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ((intptr_t)s_join(task), -ECANCELED);
  CHECK_EQ(ran, 1);
}

static void *cancel_self(void *arg) {
  int fds[2];
  char byte;
  s_unix_pair(SOCK_STREAM, fds);
  CHECK_EQ(gt_send(fds[1], "x", 1, 0), 1);
  CHECK_EQ(gt_cancel(gt_self()), 0);
  CHECK_EQ(gt_recv(fds[0], &byte, 1, 0), -ECANCELED); /* on entry, though a byte is there */
  close(fds[0]);
  close(fds[1]);
  return arg;
}

TEST(cancel_is_checked_on_entry) { s_join(s_spawn(cancel_self, NULL)); }

TEST(cancel_comes_after_what_was_completed) {
  int64_t task = s_spawn(park, NULL);
  s_settle();
  CHECK_EQ(gt_unpark(task), 0);
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ((intptr_t)s_join(task), 0);
}

struct others {
  int fds[2];
  int64_t task;
};

/* Every blocking verb, called by a cancelled task. */
static void *every_verb(void *arg) {
  struct others *others = arg;
  int tcp[2], pipes[2], *fds = others->fds;
  char buf[8] = "";
  struct iovec iov = {buf, sizeof buf};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  struct pollfd entry = {.fd = fds[0], .events = POLLIN};
  struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = 9};
  uint16_t port;
  size_t sent = 99;
  s_tcp_pair(tcp);
  s_pipe(pipes, 0);
  int listener = s_listener(&port);
  CHECK_EQ(gt_cancel(gt_self()), 0);
  const long long got[] = {
      gt_recv(fds[0], buf, 8, 0), gt_recv_until(fds[0], buf, 8, 0, 0),
      gt_send(fds[0], buf, 8, 0), gt_send_until(fds[0], buf, 8, 0, 0),
      gt_send_all(fds[0], buf, 8, 0, &sent), gt_send_all_until(fds[0], buf, 8, 0, NULL, 0),
      gt_recvfrom(fds[0], buf, 8, 0, NULL, NULL), gt_recvfrom_until(fds[0], buf, 8, 0, NULL, NULL, 0),
      gt_sendto(fds[0], buf, 8, 0, NULL, 0), gt_sendto_until(fds[0], buf, 8, 0, NULL, 0, 0),
      gt_recvmsg(fds[0], &msg, 0), gt_recvmsg_until(fds[0], &msg, 0, 0),
      gt_sendmsg(fds[0], &msg, 0), gt_sendmsg_until(fds[0], &msg, 0, 0),
      gt_read(pipes[0], buf, 8), gt_read_until(pipes[0], buf, 8, 0),
      gt_write(pipes[1], buf, 8), gt_write_until(pipes[1], buf, 8, 0),
      gt_readv(pipes[0], &iov, 1), gt_readv_until(pipes[0], &iov, 1, 0),
      gt_writev(pipes[1], &iov, 1), gt_writev_until(pipes[1], &iov, 1, 0),
      gt_accept(listener, NULL, NULL), gt_accept_until(listener, NULL, NULL, 0),
      gt_connect(tcp[0], (struct sockaddr *)&addr, sizeof addr), gt_connect_until(tcp[0], (struct sockaddr *)&addr, sizeof addr, 0),
      gt_dial_tcp("127.0.0.1", port), gt_dial_tcp_until("127.0.0.1", port, 0),
      gt_wait_fd(fds[0], POLLIN), gt_wait_fd_until(fds[0], POLLIN, 0),
      gt_poll(&entry, 1), gt_poll_until(&entry, 1, 0),
      gt_sleep(0), gt_sleep(MS(1)), gt_sleep_until(0), gt_sleep_until(IN_MS(1)),
      gt_park(), gt_park_until(0), gt_yield(), gt_join(others->task, NULL), gt_join_until(others->task, NULL, 0),
  };
  for (size_t i = 0; i < COUNT(got); i++)
    if (got[i] != -ECANCELED) FAIL("call %zu of a cancelled task returned %lld (%s)", i, got[i], gt_strerror((int)got[i]));
  CHECK_EQ(sent, 0);
  s_close_pair(tcp);
  s_close_pair(pipes);
  CHECK_EQ(gt_close(listener), 0);
  return arg;
}

TEST(cancel_ends_every_blocking_verb) {
  struct others others = {.task = s_spawn(park, NULL)};
  s_unix_pair(SOCK_STREAM, others.fds);
  CHECK_EQ(gt_send(others.fds[1], "ready", 5, 0), 5);
  s_join(s_spawn(every_verb, &others));
  CHECK_EQ(gt_unpark(others.task), 0);
  s_join(others.task);
  s_close_pair(others.fds);
}

static void *cancel_by_thread(void *arg) {
  s_real_sleep(20);
  return (void *)(intptr_t)gt_cancel(*(int64_t *)arg);
}

TEST(cancel_from_another_thread_wakes_a_sleeping_scheduler) {
  int64_t task = s_spawn(park, NULL);
  pthread_t thread = s_thread(cancel_by_thread, &task);
  CHECK_EQ((intptr_t)s_join(task), -ECANCELED);
  CHECK_EQ((intptr_t)s_thread_join(thread), 0);
}

static void *interrupted_once(void *arg) {
  int code = 0;
  CHECK_EQ(gt_park(), -EINTR);
  CHECK_EQ(gt_interrupt_take(&code), 0);
  CHECK_EQ(code, -42);
  CHECK_EQ(gt_interrupt_take(&code), -EAGAIN);
  CHECK_EQ(code, -42);
  CHECK_EQ(gt_sleep(MS(1)), 0);
  return arg;
}

TEST(interrupt_ends_one_call_and_gives_its_code) {
  int64_t task = s_spawn(interrupted_once, NULL);
  s_settle();
  CHECK_EQ(gt_interrupt(task, -42), 0);
  s_join(task);
}

TEST(interrupt_codes_queue_and_each_ends_one_call) {
  int64_t root = gt_self();
  int code = 0;
  for (int i = 1; i <= 3; i++) CHECK_EQ(gt_interrupt(root, i), 0);
  CHECK_EQ(gt_interrupt_take(&code), -EAGAIN); /* not delivered yet */
  for (int i = 1; i <= 3; i++) {
    CHECK_EQ(i == 2 ? gt_yield() : gt_park_until(IN_MS(60000)), -EINTR);
    if (i != 1) continue;
    CHECK_EQ(gt_interrupt_take(&code), 0);
    CHECK_EQ(code, 1);
  }
  for (int i = 2; i <= 3; i++) { /* delivered both, read later */
    CHECK_EQ(gt_interrupt_take(&code), 0);
    CHECK_EQ(code, i);
  }
  CHECK_EQ(gt_sleep(MS(1)), 0);
  CHECK_EQ(gt_interrupt_take(NULL), -EINVAL);
}

TEST(interrupt_can_be_withdrawn_until_it_is_delivered) {
  int64_t root = gt_self();
  int code = 0;
  CHECK_EQ(gt_interrupt_withdraw(root, 5), -ENOENT);
  for (int i = 5; i <= 7; i++) CHECK_EQ(gt_interrupt(root, i), 0);
  CHECK_EQ(gt_interrupt_withdraw(root, 6), 0);
  CHECK_EQ(gt_interrupt_withdraw(root, 6), -ENOENT);
  CHECK_EQ(gt_yield(), -EINTR);
  CHECK_EQ(gt_interrupt_withdraw(root, 5), -ENOENT); /* delivered */
  CHECK_EQ(gt_yield(), -EINTR);
  CHECK_EQ(gt_yield(), 0);
  CHECK_EQ(gt_interrupt_take(&code), 0);
  CHECK_EQ(code, 5);
  CHECK_EQ(gt_interrupt_take(&code), 0);
  CHECK_EQ(code, 7);
}

TEST(interrupt_at_a_time) {
  int64_t root = gt_self(), start = gt_now();
  int code = 0;
  CHECK_EQ(gt_interrupt_at(root, 9, start + MS(20)), 0);
  CHECK_EQ(gt_sleep(MS(600000)), -EINTR);
  CHECK_GE(gt_now(), start + MS(20));
  CHECK_LT(gt_now(), start + MS(300000));
  CHECK_EQ(gt_interrupt_take(&code), 0);
  CHECK_EQ(code, 9);
  CHECK_EQ(gt_interrupt_at(root, 10, gt_now()), 0);
  CHECK_EQ(gt_sleep(MS(600000)), -EINTR);
  CHECK_EQ(gt_interrupt_take(&code), 0);
  CHECK_EQ(gt_interrupt_at(root, 11, IN_MS(10)), 0);
  CHECK_EQ(gt_interrupt_withdraw(root, 11), 0);
  CHECK_EQ(gt_interrupt_withdraw(root, 11), -ENOENT);
  CHECK_EQ(gt_sleep(MS(30)), 0);
  CHECK_EQ(s_stats().timers, 0);
}

static void *give_back(void *arg) { return arg; }

TEST(interrupt_at_a_time_after_the_task_is_gone) {
  int64_t task = s_spawn(give_back, NULL);
  CHECK_EQ(gt_interrupt_at(task, 1, IN_MS(10)), 0);
  s_join(task);
  CHECK_EQ(s_stats().timers, 0);
  CHECK_EQ(gt_sleep(MS(20)), 0);
}

static void *interrupt_by_thread(void *arg) {
  for (int i = 0; i < 1000; i++) CHECK_EQ(gt_interrupt(*(int64_t *)arg, i), 0);
  return NULL;
}

TEST(interrupts_from_another_thread_arrive_in_order) {
  int64_t root = gt_self();
  pthread_t thread = s_thread(interrupt_by_thread, &root);
  for (int i = 0, code = -1; i < 1000; i++) {
    CHECK_EQ(gt_park_until(IN_MS(60000)), -EINTR);
    CHECK_EQ(gt_interrupt_take(&code), 0);
    CHECK_EQ(code, i);
  }
  s_thread_join(thread);
}

/* The permit was given in the same turn as the interrupt: the call succeeds, and the interrupt is still to come. */
static void *done_and_interrupted(void *arg) {
  int code = 0;
  CHECK_EQ(gt_park(), 0);
  CHECK_EQ(gt_interrupt_take(&code), -EAGAIN);
  CHECK_EQ(gt_sleep(MS(1)), -EINTR);
  CHECK_EQ(gt_interrupt_take(&code), 0);
  CHECK_EQ(code, 3);
  CHECK_EQ(gt_sleep(MS(1)), 0);
  return arg;
}

TEST(interrupt_is_not_lost_when_the_call_it_came_to_succeeds) {
  for (int first = 0; first < 2; first++) {
    int64_t task = s_spawn(done_and_interrupted, NULL);
    s_settle();
    if (first) CHECK_EQ(gt_unpark(task), 0);
    CHECK_EQ(gt_interrupt(task, 3), 0);
    if (!first) CHECK_EQ(gt_unpark(task), 0);
    s_join(task);
  }
}

struct joining {
  int64_t target;
  int got, after;
};

static void *join_interrupted(void *arg) {
  struct joining *joining = arg;
  joining->got = gt_join(joining->target, NULL);
  joining->after = gt_sleep(MS(1));
  return NULL;
}

static void *wait_for_unpark(void *arg) {
  CHECK_EQ(gt_park(), 0);
  return arg;
}

TEST(interrupt_is_not_lost_when_the_join_it_came_to_succeeds) {
  struct joining joining = {.target = s_spawn(wait_for_unpark, NULL)};
  int64_t joiner = s_spawn(join_interrupted, &joining);
  s_settle();
  CHECK_EQ(gt_unpark(joining.target), 0); /* ends before the joiner's turn */
  CHECK_EQ(gt_interrupt(joiner, 1), 0);
  s_join(joiner);
  CHECK_EQ(joining.got, 0);
  CHECK_EQ(joining.after, -EINTR);
}

/* Whichever is seen first, both are seen, once each. */
static void *recv_interrupted(void *arg) {
  char byte;
  ssize_t first = gt_recv(*(int *)arg, &byte, 1, 0);
  if (first == 1) {
    CHECK_EQ(gt_sleep(MS(1)), -EINTR);
  } else {
    CHECK_EQ(first, -EINTR);
    CHECK_EQ(gt_recv(*(int *)arg, &byte, 1, 0), 1);
  }
  CHECK_EQ(gt_sleep(MS(1)), 0);
  return NULL;
}

static void *end_the_recv(void *arg) {
  struct joining *both = arg;
  CHECK_EQ(gt_interrupt(both->target, 1), 0); /* it is ready now, and has not run */
  CHECK_EQ(gt_send(both->got, "x", 1, 0), 1);
  return NULL;
}

TEST(interrupt_is_not_lost_when_bytes_come_in_the_same_turn) {
  for (int adopted = 0; adopted < 2; adopted++) {
    int fds[2];
    s_unix_pair(SOCK_STREAM, fds);
    if (adopted) s_adopt_pair(fds);
    struct joining both = {.target = s_spawn(recv_interrupted, &fds[0]), .got = fds[1]};
    s_settle();
    int64_t task = s_spawn(end_the_recv, &both);
    s_join(both.target);
    s_join(task);
    s_close_pair(fds);
  }
}

static void *cancelled_and_interrupted(void *arg) {
  int code;
  CHECK_EQ(gt_park(), -ECANCELED);
  CHECK_EQ(gt_interrupt_take(&code), -EAGAIN);
  return arg;
}

TEST(cancel_goes_before_interrupt) {
  int64_t task = s_spawn(cancelled_and_interrupted, NULL);
  s_settle();
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ(gt_interrupt(task, 1), 0);
  s_join(task);
}

TEST(cancel_goes_before_an_interrupt_that_came_first_in_the_same_turn) {
  int64_t task = s_spawn(cancelled_and_interrupted, NULL);
  s_settle();
  CHECK_EQ(gt_interrupt(task, 1), 0);
  CHECK_EQ(gt_cancel(task), 0);
  s_join(task);
}

TEST(interrupt_goes_before_a_scope_deadline) {
  int64_t scope = gt_deadline_push(gt_now());
  CHECK_EQ(gt_interrupt(gt_self(), 1), 0);
  CHECK_EQ(gt_sleep(MS(10)), -EINTR);
  CHECK_EQ(gt_sleep(MS(10)), -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(scope), 1);
}

static int asked; /* both have been asked for */

static void *shielded(void *arg) {
  CHECK_EQ(gt_shield_push(), 0);
  CHECK_EQ(gt_shield_push(), 0);
  s_log('p');
  while (!asked) CHECK_EQ(gt_sleep(MS(1)), 0);
  int64_t start = gt_now();
  CHECK_EQ(gt_sleep(MS(30)), 0);
  CHECK_GE(gt_now(), start + MS(30));
  CHECK_EQ(gt_shield_pop(), 0);
  CHECK_EQ(gt_yield(), 0);
  CHECK_EQ(gt_shield_pop(), 0);
  CHECK_EQ(gt_shield_pop(), -EINVAL);
  CHECK_EQ(gt_yield(), -ECANCELED);
  return arg;
}

TEST(shield_holds_cancel_and_interrupt_back) {
  int64_t task = s_spawn(shielded, NULL);
  s_settle();
  CHECK_STR(s_logged(), "p");
  CHECK_EQ(gt_interrupt(task, 1), 0);
  CHECK_EQ(gt_cancel(task), 0);
  asked = 1;
  s_join(task);
}

static volatile sig_atomic_t alarms;

static void on_alarm(int signal) {
  (void)signal;
  alarms++;
}

TEST(signals_never_end_a_blocking_call) {
  struct sigaction action = {.sa_handler = on_alarm}; /* no SA_RESTART */
  struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
  int fds[2];
  char byte;
  s_unix_pair(SOCK_STREAM, fds);
  CHECK_OK(sigaction(SIGALRM, &action, NULL));
  CHECK_OK(setitimer(ITIMER_REAL, &often, NULL));
  for (int heard = 0; heard <= 5; heard += alarms) { /* those of a process that does not get to run are merged */
    alarms = 0;
    CHECK_EQ(gt_sleep(MS(40)), 0);
    CHECK_EQ(gt_recv_until(fds[0], &byte, 1, 0, IN_MS(40)), -ETIMEDOUT);
    CHECK_EQ(gt_fd_adopt(fds[0]), 0);
    CHECK_EQ(gt_recv_until(fds[0], &byte, 1, 0, IN_MS(40)), -ETIMEDOUT);
    CHECK_EQ(gt_park_until(IN_MS(40)), -ETIMEDOUT);
    CHECK_EQ(gt_fd_release(fds[0]), 0);
  }
  CHECK_OK(setitimer(ITIMER_REAL, &never, NULL));
  s_close_pair(fds);
}
