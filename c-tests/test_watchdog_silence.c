/* The watchdog: who waits is not reported, however long, nor is a program that stood still as a whole. */
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENT MS(250) /* the machine may be slow */

static struct {
  unsigned most; /* reports of one hold */
  int64_t longest;
} reported;

static void note(const gt_watchdog_report_t *report, void *arg) {
  (void)arg;
  if (report->count > reported.most) reported.most = report->count;
  if (report->held > reported.longest) reported.longest = report->held;
}

static void watch(void) { CHECK_EQ(gt_watchdog_start(PATIENT, note, NULL), 0); }
static void stop(void) { CHECK_EQ(gt_watchdog_stop(), 0); }

/* Nobody was reported, unless a slow machine kept the thread from running for the limit: hardly for twice that, and what must not be
 * reported lasts longer. */
static void check_silence(void) { CHECK(reported.most <= 1); }

static void *yield_on(void *arg) {
  while (!*(volatile int *)arg) CHECK_EQ(gt_yield(), 0);
  return NULL;
}

static void *stop_later(void *arg) {
  s_real_sleep(900);
  *(volatile int *)arg = 1;
  return NULL;
}

TEST(watchdog_is_silent_while_tasks_sleep_switch_or_yield_alone) {
  volatile int done = 0;
  watch();
  CHECK_EQ(gt_sleep(MS(700)), 0);
  pthread_t thread = s_thread(stop_later, (void *)&done);
  yield_on((void *)&done); /* nobody to switch to */
  s_thread_join(thread);
  done = 0;
  thread = s_thread(stop_later, (void *)&done);
  int64_t task = s_spawn(yield_on, (void *)&done);
  s_join(task);
  s_thread_join(thread);
  stop();
  check_silence();
}

/* A host whose lock another thread keeps: the thread wakes up and waits for the lock, in no task's name. */
static pthread_mutex_t host_lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int lock_taken;

static void *no_state(void *ctx) {
  static int state;
  (void)ctx;
  return &state;
}
static void *swap_nothing(void *incoming) {
  static void *current;
  void *outgoing = current ? current : incoming;
  current = incoming;
  return outgoing;
}
static void nothing(void *state) { (void)state; }
static void *release(void) {
  pthread_mutex_unlock(&host_lock);
  return NULL;
}
static void acquire(void *released) {
  (void)released;
  pthread_mutex_lock(&host_lock);
}

static void *keep_the_lock(void *arg) {
  pthread_mutex_lock(&host_lock);
  lock_taken = 1;
  CHECK_EQ(gt_unpark(*(int64_t *)arg), 0);
  s_real_sleep(900);
  pthread_mutex_unlock(&host_lock);
  return NULL;
}

TEST_WITH(watchdog_is_silent_while_the_hosts_lock_is_waited_for, T_HANDS_LOCKS, 0) {
  gt_host_t host = {.size = sizeof host, .state_new = no_state, .swap = swap_nothing, .state_clear = nothing, .state_free = nothing,
                    .release = release, .acquire = acquire};
  pthread_mutex_lock(&host_lock);
  CHECK_EQ(gt_host_set(&host), 0);
  watch();
  int64_t root = gt_self();
  pthread_t thread = s_thread(keep_the_lock, &root);
  CHECK_EQ(gt_park(), 0);
  CHECK_EQ(lock_taken, 1);
  CHECK_EQ(gt_host_set(NULL), 0);
  pthread_mutex_unlock(&host_lock);
  s_thread_join(thread);
  stop();
  check_silence();
}

static void *unpark_it(void *arg) {
  CHECK_EQ(gt_unpark(*(int64_t *)arg), 0); /* rings: the scheduler counts as awake from then on */
  return NULL;
}

/* Reads all of a pipe, after so long that a watchdog would have spoken. */
static void *read_late(void *arg) {
  int fd = *(int *)arg;
  char text[4096];
  s_real_sleep(1000);
  while (read(fd, text, sizeof text) > 0) {
  }
  return NULL;
}

TEST(watchdog_is_silent_while_a_dump_is_written) {
  int ends[2];
  char full[4096] = "";
  CHECK_EQ(pipe2(ends, O_NONBLOCK), 0);
  while (write(ends[1], full, sizeof full) > 0) {
  }
  CHECK_EQ(fcntl(ends[0], F_SETFL, 0), 0); /* the pipe is full: the dump waits for its reader */
  CHECK_EQ(fcntl(ends[1], F_SETFL, 0), 0);
  pthread_t reader = s_thread(read_late, &ends[0]);
  watch();
  CHECK_EQ(gt_dump(ends[1]), 0);
  CHECK_EQ(gt_yield(), 0);
  stop();
  close(ends[1]);
  s_thread_join(reader);
  close(ends[0]);
  check_silence();
}

TEST(watchdog_is_silent_while_another_loop_has_the_thread) {
  int64_t root = gt_self();
  CHECK_OK(gt_poll_fd());
  watch();
  for (int turn = 0; turn < 2; turn++) {
    s_thread_join(s_thread(unpark_it, &root));
    s_real_sleep(700);
    CHECK_OK(gt_turn(0));
  }
  CHECK_EQ(gt_park(), 0);
  stop();
  check_silence();
}

static void stopped_for_a_while(void *arg) {
  (void)arg;
  watch();
  CHECK_EQ(gt_yield(), 0);
  printf("ready\n");
  fflush(stdout);
  s_real_sleep(100); /* the watchdog has looked */
  raise(SIGSTOP);
  s_real_sleep(60); /* time enough for a hasty report */
  CHECK_EQ(gt_sleep(1), 0);
  stop();
  printf("%s\n", reported.longest < MS(1500) ? "silent" : "the stop counted");
}

/* Stopped as a whole, as by a debugger: nobody held the thread meanwhile. */
TEST(watchdog_is_silent_after_the_process_was_stopped) {
  int fds[2], status;
  char text[64] = "";
  s_pipe(fds, 0);
  pid_t pid = fork();
  if (pid == 0) {
    dup2(fds[1], STDOUT_FILENO);
    stopped_for_a_while(NULL);
    fflush(stdout);
    _exit(0);
  }
  close(fds[1]);
  CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
  CHECK(WIFSTOPPED(status));
  s_real_sleep(1500);
  CHECK_OK(kill(pid, SIGCONT));
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK_EQ(status, 0);
  CHECK_OK(read(fds[0], text, sizeof text - 1));
  CHECK_HAS(text, "\nsilent");
  close(fds[0]);
}
