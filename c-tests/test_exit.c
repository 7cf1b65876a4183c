/* The end of a process in unusual places: exit() on a task's stack, main returning with tasks parked, _exit, abort. */
#include "support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static void at_exit_handler(void) { printf("atexit ran\n"); }

static void *exit_here(void *arg) {
  printf("task says goodbye\n");
  exit(*(int *)arg);
}

static void *park(void *arg) {
  (void)arg;
  gt_park();
  printf("a parked task ran on\n");
  return NULL;
}

static void exit_in_task(void *arg) {
  atexit(at_exit_handler);
  s_spawn(park, NULL);
  gt_join(s_spawn(exit_here, arg), NULL);
  printf("not reached\n");
}

TEST(exit_on_a_tasks_stack_ends_the_process_cleanly) {
  static struct s_end end;
  int status = 23;
  s_child(exit_in_task, &status, &end);
  CHECK_EQ(end.status, 23);
  CHECK_STR(end.out, "task says goodbye\natexit ran\n");
}

static void exit_with_parked(void *arg) {
  int fds[2];
  (void)arg;
  atexit(at_exit_handler);
  for (int i = 0; i < 100; i++) s_spawn(park, NULL);
  s_settle();
  s_unix_pair(SOCK_STREAM, fds);
  s_adopt_pair(fds);
  exit(5);
}

TEST(exit_of_the_root_with_tasks_parked) {
  static struct s_end end;
  s_child(exit_with_parked, NULL, &end);
  CHECK_EQ(end.status, 5);
  CHECK_STR(end.out, "atexit ran\n");
}

static void shut_down_at_exit(void) { printf("shutdown %d\n", gt_shutdown()); }

static void exit_with_shutdown(void *arg) {
  (void)arg;
  atexit(shut_down_at_exit);
  s_spawn(park, NULL);
  s_settle();
  exit(0);
}

TEST(exit_handlers_may_shut_the_scheduler_down) {
  static struct s_end end;
  s_child(exit_with_shutdown, NULL, &end);
  CHECK_EQ(end.status, 0);
  CHECK_STR(end.out, "a parked task ran on\nshutdown 0\n");
}

static void *exit_body(void *arg) {
  gt_join(s_spawn(exit_here, arg), NULL);
  return NULL;
}

static void exit_on_second_thread(void *arg) {
  atexit(at_exit_handler);
  s_spawn(park, NULL);
  s_settle();
  s_thread_join(s_thread(exit_body, arg));
}

TEST(exit_on_a_task_of_a_second_thread) {
  static struct s_end end;
  int status = 7;
  s_child(exit_on_second_thread, &status, &end);
  CHECK_EQ(end.status, 7);
  CHECK_STR(end.out, "task says goodbye\natexit ran\n");
}

static void *abort_here(void *arg) {
  (void)arg;
  abort();
}

static void abort_in_task(void *arg) { gt_join(s_spawn(abort_here, arg), NULL); }

TEST(exit_by_abort_is_a_plain_abort) {
  static struct s_end end;
  s_child(abort_in_task, NULL, &end);
  CHECK_EQ(end.signal, SIGABRT);
}
