/* The guard below each stack: a touch is reported by name and the process dies with SIGSEGV, never silently corrupted. */
#include "guard_frame.h"
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static int recurse(int depth) {
  volatile char frame[512];
  frame[0] = (char)depth;
  S_KEEP(frame);
  if (depth < 1000000) recurse(depth + 1);
  return frame[0];
}

static void *overflow(void *arg) {
  printf("id=%lld.\n", (long long)gt_self());
  fflush(stdout);
  recurse(0);
  return arg;
}

static void overflow_here(void *arg) {
  gt_spawn_opts_t opts = {.size = sizeof opts, .name = "deep-thinker", .stack_size = *(size_t *)arg};
  gt_join(gt_spawn_with(overflow, NULL, &opts), NULL);
}

static void *overflow_body(void *arg) {
  overflow_here(arg);
  return NULL;
}

static void overflow_on_second_thread(void *arg) {
  CHECK_EQ(gt_sleep(MS(1)), 0); /* the first thread has a scheduler, too */
  s_thread_join(s_thread(overflow_body, arg));
}

static void check_report(const struct s_end *end) {
  long long id = 0;
  char text[64];
  CHECK_EQ(end->signal, SIGSEGV);
  CHECK_EQ(sscanf(strstr(end->out, "id="), "id=%lld", &id), 1);
  snprintf(text, sizeof text, "%lld", id);
  const char *report = strstr(end->out, ".\n");
  CHECK(report != NULL);
  CHECK_HAS(report, "stack overflow");
  CHECK_HAS(report, "deep-thinker");
  CHECK_HAS(report, text);
  CHECK_HAS(report, "stack_size"); /* how to enlarge it */
}

TEST_WITH(guard_touch_is_reported_and_kills, T_FAULTS, 0) {
  static struct s_end end;
  size_t size = 0;
  s_child(overflow_here, &size, &end);
  check_report(&end);
  CHECK_HAS(end.out, "65536");
  size = 256 * 1024;
  s_child(overflow_here, &size, &end);
  check_report(&end);
  CHECK_HAS(end.out, "262144");
}

TEST_WITH(guard_touch_on_a_second_thread_is_reported_too, T_FAULTS, 0) {
  static struct s_end end;
  size_t size = 0;
  s_child(overflow_on_second_thread, &size, &end);
  check_report(&end);
}

static void host_handler(int number, siginfo_t *info, void *context) {
  static const char text[] = "the host's own handler ran\n";
  (void)context;
  if (info->si_addr && write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(3);
  signal(number, SIG_DFL);
}

static void with_host_handler(void *arg) {
  static char alternate[65536];
  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  struct sigaction action = {.sa_sigaction = host_handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  CHECK_OK(sigaltstack(&stack, NULL));
  CHECK_OK(sigaction(SIGSEGV, &action, NULL));
  overflow_here(arg);
}

TEST_WITH(guard_lets_a_host_handler_run_that_was_there_before, T_FAULTS, 0) {
  static struct s_end end;
  size_t size = 0;
  s_child(with_host_handler, &size, &end);
  check_report(&end);
  const char *report = strstr(end.out, "deep-thinker"), *host = strstr(end.out, "the host's own handler ran\n");
  CHECK(host != NULL);
  CHECK(report < host);
}

/* The lowest address of this stack that may be touched: write(2) from a guard says EFAULT, from a fresh page it does not. */
static uintptr_t lowest_usable(void) {
  int fds[2];
  char here = 0;
  uintptr_t page = (uintptr_t)&here & ~(uintptr_t)4095;
  s_pipe(fds, 0);
  for (;;) {
    union {
      uintptr_t number;
      const void *pointer;
    } below = {page - 4096};
    char drop;
    if (write(fds[1], below.pointer, 1) < 0) {
      CHECK_EQ(errno, EFAULT);
      break;
    }
    CHECK_EQ(read(fds[0], &drop, 1), 1);
    page -= 4096;
  }
  close(fds[0]);
  close(fds[1]);
  return page;
}

/* Goes down in small frames until little more than a page is left, then takes one frame that would step over a one-page guard. */
__attribute__((noinline)) static char step_down(uintptr_t lowest) {
  volatile char frame[256];
  frame[0] = 1;
  S_KEEP(frame);
  if ((uintptr_t)frame > lowest + 2048) return (char)(step_down(lowest) + frame[0]);
  return big_frame((char)(frame[0] + 1));
}

static void *one_big_frame(void *arg) {
  printf("id=%lld.\n", (long long)gt_self());
  fflush(stdout);
  step_down(lowest_usable());
  return arg;
}

static void neighbour_and_big_frame(void *arg) {
  gt_spawn_opts_t opts = {.size = sizeof opts, .name = "deep-thinker"};
  int64_t tasks[3];
  (void)arg;
  for (size_t i = 0; i < COUNT(tasks); i++) {
    tasks[i] = gt_spawn_with(one_big_frame, NULL, &opts);
    CHECK_GT(tasks[i], 0);
  }
  for (size_t i = 0; i < COUNT(tasks); i++) gt_join(tasks[i], NULL);
  printf("nobody noticed\n");
}

TEST_WITH(guard_is_wide_enough_for_one_frame_of_24_kib, T_FAULTS, 0) {
  static struct s_end end;
  s_child(neighbour_and_big_frame, NULL, &end);
  CHECK(strstr(end.out, "nobody noticed") == NULL);
  check_report(&end);
}

static void *wild_write(void *arg) {
  volatile char *nowhere = arg;
  *nowhere = 1;
  return NULL;
}

static void wild_program(void *arg) {
  (void)arg;
  gt_join(s_spawn_named("wild", wild_write, (void *)(uintptr_t)4096), NULL);
}

TEST_WITH(guard_handler_leaves_other_faults_alone, T_FAULTS, 0) {
  static struct s_end end;
  s_child(wild_program, NULL, &end);
  CHECK_EQ(end.signal, SIGSEGV);
  CHECK(strstr(end.out, "stack overflow") == NULL);
}

static void wild_program_with_host(void *arg) {
  struct sigaction action = {.sa_sigaction = host_handler, .sa_flags = SA_SIGINFO};
  CHECK_OK(sigaction(SIGSEGV, &action, NULL));
  wild_program(arg);
}

TEST_WITH(guard_handler_hands_other_faults_to_the_host, T_FAULTS, 0) {
  static struct s_end end;
  s_child(wild_program_with_host, NULL, &end);
  CHECK_EQ(end.signal, SIGSEGV);
  CHECK_STR(end.out, "the host's own handler ran\n");
}

/* Nothing faults where a signal was sent, so nothing would fault again: it has to be sent on. */
static void *sends_itself_the_signal(void *arg) {
  raise(SIGSEGV);
  printf("lived on\n");
  return arg;
}

static void sent_program(void *arg) {
  if (arg) CHECK(signal(SIGSEGV, SIG_IGN) != SIG_ERR);
  gt_join(gt_spawn(sends_itself_the_signal, NULL), NULL);
}

TEST_WITH(guard_handler_lets_a_signal_kill_that_was_sent, T_FAULTS, 0) {
  static struct s_end end;
  s_child(sent_program, NULL, &end);
  CHECK_EQ(end.signal, SIGSEGV);
  CHECK_STR(end.out, "");
}

TEST_WITH(guard_handler_leaves_an_ignored_signal_ignored_that_was_sent, T_FAULTS, 0) {
  static struct s_end end;
  s_child(sent_program, &end, &end);
  CHECK_EQ(end.signal, 0);
  CHECK_STR(end.out, "lived on\n");
}

static void switched_off(void *arg) {
  gt_config_t config = {.size = sizeof config, .overflow_handler = GT_OVERFLOW_OFF};
  struct sigaction action;
  CHECK_EQ(gt_config(&config), 0);
  CHECK_EQ(gt_sleep(MS(1)), 0);
  CHECK_OK(sigaction(SIGSEGV, NULL, &action));
  CHECK(action.sa_handler == SIG_DFL);
  overflow_here(arg);
}

TEST_WITH(guard_handler_can_be_switched_off, T_FAULTS, 0) {
  static struct s_end end;
  size_t size = 0;
  s_child(switched_off, &size, &end);
  CHECK_EQ(end.signal, SIGSEGV); /* the guard itself stays */
  CHECK(strstr(end.out, "stack overflow") == NULL);
}

static void *sender(void *arg) {
  uintptr_t lowest = lowest_usable();
  union {
    uintptr_t number;
    void *pointer;
  } inside = {lowest - 4096};
  int *fds = arg;
  CHECK_EQ(gt_send(fds[1], "x", 1, 0), 1);
  CHECK_EQ(gt_recv(fds[0], inside.pointer, 64, 0), -EFAULT);
  return NULL;
}

TEST_WITH(guard_refuses_a_buffer_inside_it, T_FAULTS, 0) {
  int fds[2];
  s_unix_pair(SOCK_STREAM, fds);
  s_join(s_spawn(sender, fds));
  s_close_pair(fds);
}
