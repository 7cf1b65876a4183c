/* A million parked tasks: each ran 1 KiB of its own frames, then parks. Default stack size, guards on, vm.max_map_count as it is.
 *
 *   million_parked [TASKS [LIMIT]]        1000000 tasks, at most LIMIT (4300) bytes of VmRSS + VmPTE each
 *
 * Once with all of them in gt_sleep, once in gt_recv (1,000 sockets, many tasks on each), each round in a process of its own. Then all are
 * cancelled and joined. Exit status 0 only when each round was within the limit and every task came back. */
#include "large.h"

#include <errno.h>
#include <greenrt.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOCKETS = 1000 };

static long tasks, limit;
static int fds[SOCKETS][2];

__attribute__((noinline)) static int use_1_kib(int seed) {
  volatile char frame[1024];
  for (size_t i = 0; i < sizeof frame; i += 64) frame[i] = (char)seed;
  __asm__ volatile("" : : "r"(frame) : "memory"); /* the compiler must keep it all */
  return frame[512];
}

static void *in_sleep(void *arg) {
  use_1_kib(1);
  (void)arg;
  return (void *)(intptr_t)gt_sleep(INT64_C(86400000000000));
}

static void *in_recv(void *arg) {
  char byte;
  use_1_kib(2);
  return (void *)(intptr_t)gt_recv(fds[(intptr_t)arg % SOCKETS][0], &byte, 1, 0);
}

static void round_of(const char *name, gt_entry_t entry) {
  int64_t *ids = malloc((size_t)tasks * sizeof *ids), turn = gt_now();
  if (!ids) GIVE_UP("no memory for the ids");
  memset(ids, 1, (size_t)tasks * sizeof *ids);
  if (entry == in_recv)
    for (int i = 0; i < SOCKETS; i++)
      if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]) < 0 || gt_fd_adopt(fds[i][0]) < 0) GIVE_UP("no sockets");
  gt_yield();
  long long before = resident();
  for (long i = 0; i < tasks; i++) {
    ids[i] = gt_spawn(entry, (void *)(intptr_t)i);
    if (ids[i] < 0) GIVE_UP("task %ld: %s", i, gt_strerror((int)ids[i]));
  }
  gt_stats_t stats = {.size = sizeof stats};
  do gt_yield();
  while (gt_stats(&stats) == 0 && stats.tasks_ready > 0);
  if (stats.tasks_parked != (uint64_t)tasks) GIVE_UP("only %llu tasks are parked", (unsigned long long)stats.tasks_parked);
  long long each = (resident() - before) / tasks;
  int64_t parked = gt_now();
  for (long i = 0; i < tasks; i++)
    if (gt_cancel(ids[i]) < 0) GIVE_UP("task %ld cannot be cancelled", i);
  for (long i = 0; i < tasks; i++) {
    void *result = NULL;
    if (gt_join(ids[i], &result) < 0 || (intptr_t)result != -ECANCELED) GIVE_UP("task %ld did not come back cancelled", i);
  }
  printf("%ld tasks parked in %s: %lld bytes each (limit %ld); started in %.2f s, cancelled and joined in %.2f s\n", tasks, name, each, limit,
         (double)(parked - turn) / 1e9, (double)(gt_now() - parked) / 1e9);
  fflush(stdout);
  if (gt_shutdown() < 0) GIVE_UP("cannot shut down");
  exit(each <= limit ? 0 : 1);
}

static int in_child(const char *name, gt_entry_t entry) {
  int status;
  pid_t pid = fork();
  if (pid < 0) GIVE_UP("no child process");
  if (pid == 0) round_of(name, entry);
  return waitpid(pid, &status, 0) != pid || status != 0;
}

int main(int argc, char **argv) {
  tasks = number(argc > 1 ? argv[1] : NULL, 1000000);
  limit = number(argc > 2 ? argv[2] : NULL, 4300);
  allow_descriptors(2 * SOCKETS + 100);
  return in_child("gt_sleep", in_sleep) + in_child("gt_recv", in_recv);
}
