/* Files, directories, pipes, child processes, signals. */
#include "faults.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64], a[96], b[96];

static void begin(void) {
  strcpy(dir, "/tmp/greenrt-faults-XXXXXX");
  if (!mkdtemp(dir)) abort();
  snprintf(a, sizeof a, "%s/a", dir);
  snprintf(b, sizeof b, "%s/b", dir);
}

static void end(void) {
  unlink(a);
  unlink(b);
  rmdir(a);
  rmdir(b);
  rmdir(dir);
}

SCENARIO(files) {
  enum { MUCH = 300000 };
  static char bytes[MUCH];
  struct stat st;
  begin();
  int fd = (int)TRY(gt_open(a, O_RDWR | O_CREAT, 0600));
  if (fd >= 0) {
    TRY(gt_pwrite(fd, bytes, MUCH, 0));
    TRY(gt_pread(fd, bytes, MUCH, 0));
    TRY(gt_read(fd, bytes, 10));
    TRY(gt_ftruncate(fd, 5));
    TRY(gt_fdatasync(fd));
    TRY(gt_fsync(fd));
    TRY(gt_fstat(fd, &st));
    f_close(fd);
  }
  TRY(gt_stat(dir, &st));
  TRY(gt_lstat(dir, &st));
  end();
}

SCENARIO(names_of_files) {
  gt_dir_t *all;
  gt_dirent_t entry;
  begin();
  TRY(gt_mkdir(a, 0700));
  TRY(gt_rename(a, b));
  if (TRY(gt_dir_open(dir, &all)) == 0) {
    while (TRY(gt_dir_next(all, &entry)) == 1) continue;
    TRY(gt_dir_free(all));
  }
  TRY(gt_rmdir(b));
  rmdir(a); /* where the new name failed */
  int fd = open(a, O_CREAT | O_WRONLY, 0600);
  if (fd < 0) abort();
  close(fd);
  TRY(gt_unlink(a));
  end();
}

static void *opens_a_fifo(void *arg) {
  int fd = gt_open(a, O_RDONLY, 0);
  if (fd >= 0) f_close(fd);
  return arg;
}

/* The job ends when nobody waits for it any more. */
SCENARIO(an_open_that_is_cancelled) {
  begin();
  if (mkfifo(a, 0600) != 0) abort();
  int64_t task = TRY(gt_spawn(opens_a_fifo, NULL));
  if (task > 0) {
    TRY(gt_sleep(2000000));
    TRY(gt_cancel(task));
    f_join(task);
  }
  int other = open(a, O_RDWR);
  if (other < 0) abort();
  gt_stats_t stats = {.size = sizeof stats};
  while (gt_stats(&stats) == 0 && stats.offload_jobs) usleep(1000);
  close(other);
  end();
}

static void reap(pid_t pid) {
  int status;
  if (TRY(gt_waitpid(pid, &status, 0)) != pid) waitpid(pid, &status, 0);
}

SCENARIO(children) {
  char *argv[] = {"cat", NULL}, back[8];
  int in = -1, out = -1;
  gt_process_fd_t fds[] = {{0, GT_PROCESS_READS, &in}, {1, GT_PROCESS_WRITES, &out}, {2, GT_PROCESS_NULL, NULL}, {9, GT_PROCESS_CLOSED, NULL}};
  gt_process_opts_t opts = {.size = sizeof opts, .fds = fds, .fds_count = 4, .cwd = "/"};
  pid_t pid = (pid_t)TRY(gt_process_spawn("cat", argv, &opts));
  if (pid < 0) return;
  TRY(gt_write(in, "hello", 5));
  f_close(in);
  TRY(gt_read_until(out, back, sizeof back, f_soon()));
  f_close(out);
  reap(pid);
}

SCENARIO(children_that_are_stopped) {
  pid_t pid = fork();
  if (pid == 0)
    for (;;) pause();
  kill(pid, SIGSTOP);
  TRY(gt_waitpid(pid, NULL, WUNTRACED));
  kill(pid, SIGKILL);
  reap(pid);
}

SCENARIO(owned_pipes) {
  int fds[2];
  char byte;
  if (TRY(gt_pipe(fds)) < 0) return;
  TRY(gt_write(fds[1], "x", 1));
  TRY(gt_read_until(fds[0], &byte, 1, f_soon()));
  f_close(fds[0]);
  f_close(fds[1]);
}

static void *raises(void *arg) {
  raise((int)(intptr_t)arg);
  return NULL;
}

SCENARIO(signals) {
  gt_signal_info_t info = {.size = sizeof info};
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  gt_signals_t *channel = MADE(gt_signals_new(&set));
  if (!channel) return;
  int64_t task = TRY(gt_spawn(raises, (void *)(intptr_t)SIGUSR1));
  TRY(gt_signals_recv_until(channel, &info, f_soon()));
  if (task > 0) f_join(task);
  TRY(gt_signals_free(channel));
}

SCENARIO(signals_that_are_blocked) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  int64_t task = TRY(gt_spawn(raises, (void *)(intptr_t)SIGUSR2));
  TRY(gt_signal_wait_until(&set, NULL, f_soon()));
  if (task > 0) f_join(task);
}
