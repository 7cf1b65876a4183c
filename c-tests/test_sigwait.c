/* gt_signal_wait: signals that the program blocks, taken when they are pending, as by sigwaitinfo(2). */
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static sigset_t set_of(int a, int b) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, a);
  if (b) sigaddset(&set, b);
  return set;
}

static sigset_t blocked(int a, int b) {
  sigset_t set = set_of(a, b);
  CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
  return set;
}

TEST(sigwait_takes_what_is_pending) {
  sigset_t set = blocked(SIGUSR1, SIGRTMIN);
  gt_signal_info_t info = {.size = sizeof info};
  union sigval val = {.sival_int = 42};
  CHECK_OK(kill(getpid(), SIGUSR1));
  CHECK_OK(sigqueue(getpid(), SIGRTMIN, val));
  errno = 77;
  CHECK_EQ(gt_signal_wait(&set, &info), SIGUSR1);
  CHECK_EQ(errno, 77);
  CHECK_EQ(info.number, SIGUSR1);
  CHECK_EQ(info.pid, getpid());
  CHECK_EQ(gt_signal_wait_until(&set, &info, 0), SIGRTMIN);
  CHECK_EQ(info.code, SI_QUEUE);
  CHECK_EQ((int)info.value, 42);
  CHECK_EQ(gt_signal_wait_until(&set, NULL, 0), -ETIMEDOUT);
}

static void *raise_soon(void *arg) {
  s_log('t');
  CHECK_EQ(gt_sleep(MS(3)), 0);
  CHECK_OK(kill(getpid(), (int)(intptr_t)arg));
  return NULL;
}

TEST(sigwait_lets_other_tasks_run) {
  sigset_t set = blocked(SIGUSR1, SIGCHLD); /* the second one is ignored by default: blocked, it is kept all the same */
  CHECK_EQ(gt_sleep(1000), 0);
  int count = s_fd_count();
  int64_t task = s_spawn(raise_soon, (void *)(intptr_t)SIGUSR1);
  CHECK_EQ(gt_signal_wait(&set, NULL), SIGUSR1);
  CHECK_STR(s_logged(), "t");
  s_join(task);
  pid_t pid = fork();
  if (pid == 0) _exit(0);
  gt_signal_info_t info = {.size = sizeof info};
  CHECK_EQ(gt_signal_wait(&set, &info), SIGCHLD);
  CHECK_EQ(info.pid, pid);
  CHECK_EQ(info.code, CLD_EXITED);
  CHECK_EQ(gt_waitpid(pid, NULL, 0), pid);
  CHECK_EQ(s_fd_count(), count);
}

TEST(sigwait_realtime_signals_come_all_and_in_order) {
  enum { N = 300 };
  sigset_t set = blocked(SIGRTMIN, 0);
  gt_signal_info_t info = {.size = sizeof info};
  for (int i = 0; i < N; i++) {
    union sigval val = {.sival_int = i};
    CHECK_OK(sigqueue(getpid(), SIGRTMIN, val));
  }
  for (int i = 0; i < N; i++) {
    CHECK_EQ(gt_signal_wait(&set, &info), SIGRTMIN);
    CHECK_EQ((int)info.value, i);
  }
}

static void *wait_for(void *arg) {
  sigset_t set = set_of((int)(intptr_t)arg, 0);
  return (void *)(intptr_t)gt_signal_wait(&set, NULL);
}

TEST(sigwait_of_several_tasks_for_several_signals) {
  blocked(SIGUSR1, SIGUSR2);
  int64_t one = s_spawn(wait_for, (void *)(intptr_t)SIGUSR1), two = s_spawn(wait_for, (void *)(intptr_t)SIGUSR2);
  CHECK_EQ(gt_sleep(MS(2)), 0);
  CHECK_OK(kill(getpid(), SIGUSR2));
  CHECK_EQ((intptr_t)s_join(two), SIGUSR2);
  CHECK_OK(kill(getpid(), SIGUSR1));
  CHECK_EQ((intptr_t)s_join(one), SIGUSR1);
}

static void *thread_waits(void *arg) {
  int64_t task = s_spawn(wait_for, arg);
  return s_join(task);
}

TEST(sigwait_on_another_thread) {
  blocked(SIGUSR1, SIGUSR2); /* inherited by the thread */
  pthread_t thread = s_thread(thread_waits, (void *)(intptr_t)SIGUSR1);
  s_real_sleep(2);
  CHECK_EQ(pthread_kill(thread, SIGUSR1), 0); /* for that thread alone */
  CHECK_EQ((intptr_t)s_thread_join(thread), SIGUSR1);
  thread = s_thread(thread_waits, (void *)(intptr_t)SIGUSR2);
  s_real_sleep(2);
  CHECK_OK(kill(getpid(), SIGUSR2));
  CHECK_EQ((intptr_t)s_thread_join(thread), SIGUSR2);
}

TEST(sigwait_is_no_deadlock) {
  gt_config_t config = {.size = sizeof config, .deadlock = GT_DEADLOCK_ERROR};
  sigset_t set = blocked(SIGUSR1, 0);
  CHECK_EQ(gt_config(&config), 0);
  pid_t pid = fork();
  if (pid == 0) {
    usleep(20000);
    kill(getppid(), SIGUSR1);
    _exit(0);
  }
  CHECK_EQ(gt_signal_wait(&set, NULL), SIGUSR1);
  CHECK_EQ(gt_waitpid(pid, NULL, 0), pid);
}

TEST(sigwait_is_named_in_the_list) {
  gt_task_info_t info = {.size = sizeof info};
  blocked(SIGUSR1, 0);
  int64_t task = s_spawn(wait_for, (void *)(intptr_t)SIGUSR1);
  s_settle();
  CHECK_EQ(gt_task_info(task, &info), 0);
  CHECK_EQ(info.waits, GT_WAIT_SIGNAL);
  CHECK_OK(kill(getpid(), SIGUSR1));
  s_join(task);
}

TEST(sigwait_works_in_a_forked_child) {
  sigset_t set = blocked(SIGUSR1, 0);
  int64_t task = s_spawn(wait_for, (void *)(intptr_t)SIGUSR1);
  s_settle();
  pid_t pid = fork();
  CHECK_OK(pid);
  if (pid == 0) {
    CHECK_EQ(gt_signal_wait_until(&set, NULL, IN_MS(2)), -ETIMEDOUT);
    int64_t own = s_spawn(raise_soon, (void *)(intptr_t)SIGUSR1);
    CHECK_EQ(gt_signal_wait(&set, NULL), SIGUSR1);
    s_join(own);
    _exit(0);
  }
  int status;
  CHECK_EQ(gt_waitpid(pid, &status, 0), pid);
  CHECK_EQ(status, 0);
  CHECK_OK(kill(getpid(), SIGUSR1));
  CHECK_EQ((intptr_t)s_join(task), SIGUSR1);
}

TEST(sigwait_errors) {
  struct rlimit was, few;
  sigset_t set = set_of(SIGUSR1, 0), none, both = set_of(SIGUSR1, SIGUSR2), unblockable = set_of(SIGUSR1, SIGKILL);
  gt_signal_info_t info = {.size = 15};
  sigemptyset(&none);
  CHECK_EQ(gt_signal_wait(&set, NULL), -EINVAL); /* not blocked */
  blocked(SIGUSR1, 0);
  CHECK_EQ(gt_signal_wait(NULL, NULL), -EINVAL);
  CHECK_EQ(gt_signal_wait(&none, NULL), -EINVAL);
  CHECK_EQ(gt_signal_wait(&both, NULL), -EINVAL);
  CHECK_EQ(gt_signal_wait(&unblockable, NULL), -EINVAL);
  CHECK_EQ(gt_signal_wait(&set, &info), -EINVAL);
  CHECK_EQ(gt_signal_wait_until(&set, NULL, IN_MS(2)), -ETIMEDOUT);
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &was));
  int last = dup(0);
  few = (struct rlimit){(rlim_t)last, was.rlim_max};
  close(last);
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &few));
  CHECK_EQ(gt_signal_wait(&set, NULL), -EMFILE);
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &was));
  int64_t scope = gt_deadline_push(IN_MS(2));
  CHECK_EQ(gt_signal_wait(&set, NULL), -ETIMEDOUT);
  CHECK_EQ(gt_deadline_pop(scope), 1);
  CHECK_EQ(gt_interrupt_at(gt_self(), 3, IN_MS(2)), 0);
  CHECK_EQ(gt_signal_wait(&set, NULL), -EINTR);
  CHECK_OK(kill(getpid(), SIGUSR1)); /* taken by nobody yet */
  CHECK_EQ(gt_cancel(gt_self()), 0);
  CHECK_EQ(gt_signal_wait(&set, NULL), -ECANCELED);
  gt_shield_push();
  CHECK_EQ(gt_signal_wait(&set, NULL), SIGUSR1);
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

TEST(sigwait_error_of_memory) {
  gt_config_t config = {.size = sizeof config, .alloc = alloc_or_not, .realloc = realloc_or_not, .dealloc = dealloc};
  sigset_t set = blocked(SIGUSR1, 0);
  CHECK_EQ(gt_config(&config), 0);
  CHECK_EQ(gt_sleep(1000), 0);
  no_memory = 1;
  int got = gt_signal_wait_until(&set, NULL, IN_MS(60000)); /* the table of descriptors has to be made */
  no_memory = 0;
  CHECK_EQ(got, -ENOMEM);
}
