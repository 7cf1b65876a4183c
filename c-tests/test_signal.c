/* Channels of signals: what is received, in which order, by whom; what was done about the signals before; children; every error. */
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static gt_signals_t *taken(int a, int b) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, a);
  if (b) sigaddset(&set, b);
  gt_signals_t *signals = gt_signals_new(&set);
  CHECK(signals != NULL);
  return signals;
}

static int refused(int a, int b) {
  sigset_t set;
  sigemptyset(&set);
  if (a) sigaddset(&set, a);
  if (b) sigaddset(&set, b);
  errno = 0;
  CHECK(gt_signals_new(&set) == NULL);
  return errno;
}

typedef void (*handler_t)(int);

static handler_t handler_of(int number) {
  struct sigaction now;
  CHECK_OK(sigaction(number, NULL, &now));
  return now.sa_handler;
}

static void send_value(int number, int value) {
  union sigval val = {.sival_int = value};
  CHECK_OK(sigqueue(getpid(), number, val));
}

static int nothing_waits(gt_signals_t *signals) { return gt_signals_recv_until(signals, NULL, 0) == -ETIMEDOUT; }

TEST(signal_is_received_with_what_is_known_of_it) {
  gt_signals_t *signals = taken(SIGUSR1, SIGTERM);
  gt_signal_info_t info = {.size = sizeof info};
  CHECK_OK(kill(getpid(), SIGTERM));
  errno = 77;
  CHECK_EQ(gt_signals_recv(signals, &info), SIGTERM);
  CHECK_EQ(errno, 77);
  CHECK_EQ(info.size, sizeof info);
  CHECK_EQ(info.number, SIGTERM);
  CHECK_EQ(info.code, SI_USER);
  CHECK_EQ(info.pid, getpid());
  CHECK_EQ(info.uid, getuid());
  CHECK_EQ(info.value, 0);
  CHECK_EQ(info.status, 0);
  CHECK_EQ(info.lost, 0);
  CHECK_OK(raise(SIGUSR1));
  CHECK_EQ(gt_signals_recv(signals, NULL), SIGUSR1);
  CHECK(nothing_waits(signals));
  CHECK_EQ(gt_signals_free(signals), 0);
}

TEST(signal_info_of_an_older_program_is_filled_as_far_as_it_goes) {
  gt_signals_t *signals = taken(SIGUSR1, 0);
  gt_signal_info_t info;
  memset(&info, 0x55, sizeof info);
  info.size = offsetof(gt_signal_info_t, value);
  CHECK_OK(raise(SIGUSR1));
  CHECK_EQ(gt_signals_recv(signals, &info), SIGUSR1);
  CHECK_EQ(info.pid, getpid());
  CHECK_EQ(info.value, 0x5555555555555555);
  info.size = 15;
  CHECK_EQ(gt_signals_recv(signals, &info), -EINVAL);
  CHECK_EQ(gt_signals_free(signals), 0);
}

TEST_WITH(signal_realtime_ones_come_all_and_in_order, T_QUEUES, 0) {
  gt_signals_t *signals = taken(SIGRTMIN, SIGRTMIN + 1);
  gt_signal_info_t info = {.size = sizeof info};
  for (int i = 0; i < 50; i++) send_value(SIGRTMIN + i % 2, 1000 + i);
  for (int i = 0; i < 50; i++) {
    CHECK_EQ(gt_signals_recv(signals, &info), SIGRTMIN + i % 2);
    CHECK_EQ(info.code, SI_QUEUE);
    CHECK_EQ((int)info.value, 1000 + i);
  }
  CHECK_EQ(gt_signals_free(signals), 0);
}

TEST_WITH(signal_ones_without_room_are_merged_and_counted, T_QUEUES, 0) {
  enum { ROOM = 128 };
  gt_signals_t *signals = taken(SIGRTMIN, SIGUSR1);
  gt_signal_info_t info = {.size = sizeof info};
  for (int i = 0; i < ROOM + 72; i++) send_value(SIGRTMIN, i);
  CHECK_OK(raise(SIGUSR1));
  for (int i = 0; i < ROOM; i++) {
    CHECK_EQ(gt_signals_recv(signals, &info), SIGRTMIN);
    CHECK_EQ(info.value, i);
    CHECK_EQ(info.lost, 0);
  }
  CHECK_EQ(gt_signals_recv(signals, &info), SIGUSR1);
  CHECK_EQ(info.lost, 0);
  CHECK_EQ(gt_signals_recv(signals, &info), SIGRTMIN);
  CHECK_EQ(info.lost, 71);
  CHECK_EQ(info.pid, 0);
  CHECK(nothing_waits(signals));
  send_value(SIGRTMIN, 5);
  CHECK_EQ(gt_signals_recv(signals, &info), SIGRTMIN);
  CHECK_EQ(info.value, 5);
  CHECK_EQ(gt_signals_free(signals), 0);
}

static void *receive(void *arg) {
  int number = gt_signals_recv(arg, NULL);
  CHECK(number == SIGUSR1 || number == SIGUSR2 || number == -ECANCELED);
  s_log(number == SIGUSR1 ? '1' : '2');
  return (void *)(intptr_t)number;
}

TEST(signal_wait_lets_other_tasks_run) {
  gt_signals_t *signals = taken(SIGUSR1, SIGUSR2);
  int64_t first = s_spawn(receive, signals), second = s_spawn(receive, signals);
  s_settle();
  CHECK_EQ(gt_sleep(MS(2)), 0);
  CHECK_STR(s_logged(), "");
  CHECK_OK(raise(SIGUSR1));
  CHECK_EQ((intptr_t)s_join(first), SIGUSR1); /* who waits longest has the first */
  CHECK_OK(raise(SIGUSR2));
  CHECK_EQ((intptr_t)s_join(second), SIGUSR2);
  CHECK_EQ(gt_signals_free(signals), 0);
}

TEST(signal_each_goes_to_one_of_several_receivers) {
  gt_signals_t *signals = taken(SIGUSR1, SIGUSR2);
  int64_t tasks[3];
  for (int i = 0; i < 3; i++) tasks[i] = s_spawn(receive, signals);
  CHECK_EQ(gt_sleep(MS(2)), 0);
  for (int i = 0; i < 3; i++) CHECK_OK(raise(i == 1 ? SIGUSR2 : SIGUSR1));
  for (int i = 0; i < 3; i++) CHECK_GT((intptr_t)s_join(tasks[i]), 0);
  CHECK_EQ(strlen(s_logged()), 3);
  CHECK(nothing_waits(signals));
  CHECK_EQ(gt_signals_free(signals), 0);
}

static pthread_barrier_t met;
static atomic_int got, counted;

static void *thread_receives(void *arg) {
  gt_signal_info_t info = {.size = sizeof info};
  pthread_barrier_wait(&met);
  for (;;) {
    int number = gt_signals_recv_until(arg, &info, IN_MS(60000));
    CHECK(number == SIGRTMIN || number == SIGUSR1);
    if (number == SIGUSR1) return NULL;
    atomic_fetch_add(&counted, 1 + (int)info.lost);
  }
}

static void *thread_sends(void *arg) {
  (void)arg;
  for (int i = 0; i < 1000; i++) send_value(SIGRTMIN, i);
  return NULL;
}

TEST_WITH(signal_from_many_threads_to_many_threads, T_QUEUES, 60) {
  pthread_t receivers[2], senders[3];
  gt_signals_t *signals = taken(SIGRTMIN, SIGUSR1);
  CHECK_EQ(pthread_barrier_init(&met, NULL, 3), 0);
  for (int i = 0; i < 2; i++) receivers[i] = s_thread(thread_receives, signals);
  pthread_barrier_wait(&met);
  for (int i = 0; i < 3; i++) senders[i] = s_thread(thread_sends, NULL);
  for (int i = 0; i < 3; i++) s_thread_join(senders[i]);
  while (atomic_load(&counted) < 3000) s_real_sleep(1); /* none is lost, but those of one number may be merged */
  for (int i = 0; i < 2; i++) {
    CHECK_OK(raise(SIGUSR1));
    s_real_sleep(5);
  }
  for (int i = 0; i < 2; i++) s_thread_join(receivers[i]);
  CHECK_EQ(counted, 3000);
  CHECK_EQ(gt_signals_free(signals), 0);
}

static atomic_int heard;

/* Asleep, and not at a barrier: ThreadSanitizer delivers signals there. */
static void *thread_without_tasks(void *arg) {
  pthread_barrier_wait(&met);
  while (!heard) s_real_sleep(1);
  return arg;
}

TEST(signal_caught_on_a_thread_without_tasks) {
  gt_signals_t *signals = taken(SIGUSR1, 0);
  CHECK_EQ(pthread_barrier_init(&met, NULL, 2), 0);
  pthread_t thread = s_thread(thread_without_tasks, NULL);
  int64_t task = s_spawn(receive, signals);
  CHECK_EQ(gt_sleep(MS(2)), 0);
  pthread_barrier_wait(&met);
  CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
  CHECK_EQ((intptr_t)s_join(task), SIGUSR1);
  heard = 1;
  s_thread_join(thread);
  CHECK_EQ(gt_signals_free(signals), 0);
}

static int64_t one(void *arg) {
  (void)arg;
  return 1;
}

TEST(signal_that_every_thread_blocks_stays_pending) {
  gt_signals_t *signals = taken(SIGUSR1, 0);
  sigset_t set, pending;
  CHECK_EQ(gt_offload(one, NULL), 1); /* a thread of the pool, which blocks all */
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  CHECK_OK(kill(getpid(), SIGUSR1));
  CHECK_EQ(gt_signals_recv_until(signals, NULL, IN_MS(5)), -ETIMEDOUT);
  sigpending(&pending);
  CHECK_EQ(sigismember(&pending, SIGUSR1), 1);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  CHECK_EQ(gt_signals_recv(signals, NULL), SIGUSR1);
  CHECK_EQ(gt_signals_free(signals), 0);
}

static void note(int number) { atomic_store(&got, number); }

TEST(signal_actions_from_before_are_back) {
  signal(SIGUSR2, SIG_IGN);
  gt_signals_t *signals = taken(SIGUSR1, SIGUSR2);
  CHECK(handler_of(SIGUSR1) == handler_of(SIGUSR2));
  CHECK_OK(raise(SIGUSR1));
  CHECK_EQ(gt_signals_free(signals), 0);
  CHECK(handler_of(SIGUSR1) == SIG_DFL);
  CHECK(handler_of(SIGUSR2) == SIG_IGN);
  CHECK_OK(raise(SIGUSR2));
  signals = taken(SIGUSR1, SIGUSR2); /* they can be taken again, without what nobody received */
  CHECK(nothing_waits(signals));
  CHECK_OK(raise(SIGUSR2));
  CHECK_EQ(gt_signals_recv(signals, NULL), SIGUSR2);
  CHECK_EQ(gt_signals_free(signals), 0);
}

TEST(signal_handlers_put_in_later_stay) {
  gt_signals_t *signals = taken(SIGUSR1, SIGUSR2);
  signal(SIGUSR1, note);
  CHECK_EQ(gt_signals_free(signals), 0);
  CHECK(handler_of(SIGUSR2) == SIG_DFL);
  CHECK_OK(raise(SIGUSR1));
  CHECK_EQ(atomic_load(&got), SIGUSR1);
}

TEST(signal_taken_already_is_busy) {
  gt_signals_t *signals = taken(SIGUSR1, 0);
  CHECK_EQ(refused(SIGUSR1, 0), EBUSY);
  CHECK_EQ(refused(SIGTERM, SIGUSR1), EBUSY);
  CHECK(handler_of(SIGTERM) == SIG_DFL); /* none was taken */
  signal(SIGUSR2, note);
  CHECK_EQ(refused(SIGUSR2, 0), EBUSY);
  CHECK_OK(raise(SIGUSR2));
  CHECK_EQ(atomic_load(&got), SIGUSR2);
  CHECK_EQ(gt_dump_on_signal(SIGHUP), 0);
  CHECK_EQ(refused(SIGHUP, 0), EBUSY);
  CHECK_EQ(gt_dump_on_signal(0), 0);
  CHECK_EQ(gt_dump_on_signal(SIGUSR1), -EBUSY);
  CHECK_EQ(gt_signals_free(signals), 0);
}

TEST(signal_errors_of_sets) {
  const int no[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
  CHECK_EQ(refused(0, 0), EINVAL);
  for (size_t i = 0; i < COUNT(no); i++) CHECK_EQ(refused(SIGUSR1, no[i]), EINVAL);
  CHECK(handler_of(SIGUSR1) == SIG_DFL);
  errno = 0;
  CHECK(gt_signals_new(NULL) == NULL);
  CHECK_EQ(errno, EINVAL);
}

TEST(signal_errors_of_descriptors) {
  struct rlimit was, few;
  CHECK_EQ(gt_sleep(1000), 0);
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &was));
  int last = dup(0);
  few = (struct rlimit){(rlim_t)last, was.rlim_max};
  close(last);
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &few));
  CHECK_EQ(refused(SIGUSR1, 0), EMFILE);
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &was));
  CHECK(handler_of(SIGUSR1) == SIG_DFL);
}

TEST(signal_errors_of_channels) {
  gt_signals_t *signals = taken(SIGUSR1, 0);
  CHECK_EQ(gt_signals_recv(NULL, NULL), -EINVAL);
  CHECK_EQ(gt_signals_fd(NULL), -EINVAL);
  CHECK_EQ(gt_signals_free(NULL), 0);
  int64_t task = s_spawn(receive, signals);
  s_settle();
  CHECK_EQ(gt_signals_free(signals), -EBUSY);
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ((intptr_t)s_join(task), -ECANCELED);
  CHECK_EQ(gt_signals_recv_until(signals, NULL, IN_MS(2)), -ETIMEDOUT);
  int64_t scope = gt_deadline_push(IN_MS(2));
  CHECK_EQ(gt_signals_recv(signals, NULL), -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(scope), 1);
  CHECK_EQ(gt_interrupt_at(gt_self(), 3, IN_MS(2)), 0);
  CHECK_EQ(gt_signals_recv(signals, NULL), -EINTR);
  CHECK_EQ(gt_signals_free(signals), 0);
  CHECK_EQ(gt_signals_free(signals), -EINVAL);
  CHECK_EQ(gt_signals_recv(signals, NULL), -EINVAL);
  CHECK_EQ(gt_signals_fd(signals), -EINVAL);
}

static int no_memory;

static void *alloc_or_not(size_t size, size_t align, void *arg) {
  (void)arg;
  return no_memory ? NULL : aligned_alloc(align, (size + align - 1) / align * align);
}

static void *realloc_or_not(void *old, size_t old_size, size_t size, size_t align, void *arg) {
  void *block = alloc_or_not(size, align, arg);
  if (!block) return NULL;
  memcpy(block, old, old_size < size ? old_size : size);
  free(old);
  return block;
}

static void dealloc(void *old, size_t size, size_t align, void *arg) {
  (void)size;
  (void)align;
  (void)arg;
  free(old);
}

TEST(signal_errors_of_memory) {
  gt_config_t config = {.size = sizeof config, .alloc = alloc_or_not, .realloc = realloc_or_not, .dealloc = dealloc};
  CHECK_EQ(gt_config(&config), 0);
  no_memory = 1;
  CHECK_EQ(refused(SIGUSR1, 0), ENOMEM);
  no_memory = 0;
  CHECK(handler_of(SIGUSR1) == SIG_DFL);
  gt_signals_t *signals = taken(SIGUSR1, 0);
  CHECK_EQ(gt_sleep(1000), 0);
  no_memory = 1; /* the table of descriptors has to be made */
  int received = gt_signals_recv_until(signals, NULL, IN_MS(60000));
  no_memory = 0;
  CHECK_EQ(received, -ENOMEM);
  CHECK_EQ(gt_signals_free(signals), 0);
}

TEST(signal_wait_is_no_deadlock) {
  gt_config_t config = {.size = sizeof config, .deadlock = GT_DEADLOCK_ERROR};
  CHECK_EQ(gt_config(&config), 0);
  gt_signals_t *signals = taken(SIGUSR1, 0);
  CHECK_EQ(gt_signals_recv_until(signals, NULL, IN_MS(20)), -ETIMEDOUT);
  int64_t task = s_spawn(receive, signals);
  pid_t pid = fork();
  if (pid == 0) {
    usleep(20000);
    kill(getppid(), SIGUSR1);
    _exit(0);
  }
  CHECK_EQ(gt_join(task, NULL), 0);
  CHECK_EQ(gt_waitpid(pid, NULL, 0), pid);
  CHECK_EQ(gt_park(), -EDEADLK); /* a channel that nobody waits on keeps nobody waiting */
  CHECK_EQ(gt_signals_free(signals), 0);
}

TEST(signal_wait_is_named_in_the_list) {
  gt_task_info_t info = {.size = sizeof info};
  gt_signals_t *signals = taken(SIGUSR1, 0);
  int64_t task = s_spawn(receive, signals);
  s_settle();
  CHECK_EQ(gt_task_info(task, &info), 0);
  CHECK_EQ(info.waits, GT_WAIT_SIGNAL);
  CHECK_EQ(info.object, (intptr_t)signals);
  CHECK_OK(raise(SIGUSR1));
  s_join(task);
  CHECK_EQ(gt_signals_free(signals), 0);
}

TEST(signal_descriptor_is_for_select_and_poll) {
  gt_signals_t *signals = taken(SIGUSR1, 0);
  gt_select_arm_t arm = {.kind = GT_SELECT_FD, .id = gt_signals_fd(signals), .events = POLLIN};
  CHECK_EQ(gt_select_until(&arm, 1, IN_MS(2)), -ETIMEDOUT);
  CHECK_OK(raise(SIGUSR1));
  CHECK_OK(raise(SIGUSR1));
  CHECK_EQ(gt_select(&arm, 1), 0);
  CHECK_EQ(gt_signals_recv_until(signals, NULL, 0), SIGUSR1);
  CHECK_EQ(gt_wait_fd(gt_signals_fd(signals), POLLIN), POLLIN); /* the second */
  CHECK_EQ(gt_signals_recv_until(signals, NULL, 0), SIGUSR1);
  CHECK_EQ(gt_wait_fd_until(gt_signals_fd(signals), POLLIN, 0), -ETIMEDOUT);
  CHECK_EQ(gt_signals_free(signals), 0);
}

static int ended(pid_t pid) {
  int status = -1;
  CHECK_EQ(gt_waitpid_until(pid, &status, 0, IN_MS(60000)), pid);
  return status;
}

TEST(signal_of_a_child_tells_which_and_how) {
  gt_signals_t *signals = taken(SIGCHLD, 0);
  gt_signal_info_t info = {.size = sizeof info};
  char *exits[] = {"sh", "-c", "exit 7", NULL}, *dies[] = {"sh", "-c", "kill -TERM $$", NULL};
  pid_t pid = gt_process_spawn("sh", exits, NULL);
  CHECK_OK(pid);
  CHECK_EQ(gt_signals_recv(signals, &info), SIGCHLD);
  CHECK_EQ(info.code, CLD_EXITED);
  CHECK_EQ(info.pid, pid);
  CHECK_EQ(info.status, 7);
  CHECK_EQ(ended(pid), 7 << 8);
  CHECK_OK(pid = gt_process_spawn("sh", dies, NULL));
  CHECK_EQ(gt_signals_recv(signals, &info), SIGCHLD);
  CHECK_EQ(info.code, CLD_KILLED);
  CHECK_EQ(info.status, SIGTERM);
  CHECK_EQ(ended(pid), SIGTERM);
  CHECK_EQ(gt_signals_free(signals), 0);
}

/* The pattern for any child: a signal says that there are some, WNOHANG which. */
TEST(signal_of_children_and_waits_without_hanging) {
  enum { N = 20 };
  gt_signals_t *signals = taken(SIGCHLD, 0);
  char *argv[] = {"true", NULL};
  int left = N;
  pid_t mine = 0;
  for (int i = 0; i < N; i++) CHECK_OK(mine = gt_process_spawn("true", argv, NULL));
  CHECK_EQ(ended(mine), 0); /* a wait for one of them does not care */
  left--;
  while (left > 0) {
    pid_t pid;
    while ((pid = gt_waitpid(-1, NULL, WNOHANG)) > 0) left--;
    if (left > 0) {
      CHECK_EQ(pid, 0);
      CHECK_EQ(gt_signals_recv_until(signals, NULL, IN_MS(60000)), SIGCHLD);
    }
  }
  CHECK_EQ(gt_waitpid(-1, NULL, WNOHANG), -ECHILD);
  CHECK_EQ(gt_signals_free(signals), 0);
}

TEST(signal_taken_here_is_a_plain_one_in_programs) {
  gt_signals_t *signals = taken(SIGTERM, 0);
  char *argv[] = {"sleep", "1000", NULL};
  pid_t pid = gt_process_spawn("sleep", argv, NULL);
  CHECK_OK(pid);
  CHECK_OK(kill(pid, SIGTERM));
  CHECK_EQ(ended(pid), SIGTERM);
  CHECK(nothing_waits(signals));
  CHECK_EQ(gt_signals_free(signals), 0);
}

TEST(signal_channel_of_a_forked_child_is_its_own) {
  gt_signals_t *signals = taken(SIGUSR1, SIGUSR2);
  int64_t task;
  CHECK_OK(raise(SIGUSR2));
  pid_t pid = fork();
  CHECK_OK(pid);
  if (pid == 0) {
    CHECK(nothing_waits(signals)); /* what waits is the parent's */
    task = s_spawn(receive, signals);
    CHECK_EQ(gt_sleep(MS(2)), 0);
    CHECK_OK(raise(SIGUSR1));
    CHECK_EQ((intptr_t)s_join(task), SIGUSR1);
    CHECK_EQ(gt_signals_free(signals), 0);
    signals = taken(SIGUSR1, SIGTERM);
    CHECK_OK(raise(SIGTERM));
    CHECK_EQ(gt_signals_recv(signals, NULL), SIGTERM);
    _exit(0);
  }
  CHECK_EQ(ended(pid), 0);
  CHECK_EQ(gt_signals_recv(signals, NULL), SIGUSR2);
  CHECK(nothing_waits(signals)); /* what the child was sent is the child's */
  CHECK_EQ(gt_signals_free(signals), 0);
}

/* Those who waited in the parent do not exist in the child, and do not keep it from freeing. */
TEST(signal_channel_with_waiters_is_freed_by_a_forked_child) {
  gt_signals_t *signals = taken(SIGUSR1, 0);
  int64_t task = s_spawn(receive, signals);
  s_settle();
  pid_t pid = fork();
  CHECK_OK(pid);
  if (pid == 0) {
    CHECK_EQ(gt_signals_free(signals), 0);
    _exit(0);
  }
  CHECK_EQ(ended(pid), 0);
  CHECK_EQ(gt_signals_free(signals), -EBUSY);
  CHECK_OK(raise(SIGUSR1));
  CHECK_EQ((intptr_t)s_join(task), SIGUSR1);
  CHECK_EQ(gt_signals_free(signals), 0);
}

static void *receive_and_end_the_thread(void *arg) {
  int64_t task = gt_spawn(receive, arg);
  CHECK_GT(task, 0);
  CHECK_EQ(gt_yield(), 0);
  return NULL; /* with the task parked */
}

TEST(signal_channel_is_freed_after_the_thread_of_its_waiters) {
  gt_signals_t *signals = taken(SIGUSR1, 0);
  s_thread_join(s_thread(receive_and_end_the_thread, signals));
  CHECK_EQ(gt_signals_free(signals), 0);
}

TEST(signal_channels_use_their_descriptors_again) {
  gt_signals_t *signals = taken(SIGUSR1, 0);
  int count = s_fd_count();
  for (int i = 0; i < 100; i++) {
    CHECK_EQ(gt_signals_free(signals), 0);
    signals = taken(SIGUSR1, SIGUSR2);
  }
  CHECK_EQ(s_fd_count(), count);
  CHECK_EQ(gt_signals_free(signals), 0);
}
