/* Acts of what blocks or is outside: jobs, names, files, children, signals. */
#include "soak.h"

#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The pool may be busy: a call that found no place is made again. */
#define WHILE_BUSY(result, call)                                                  \
  while ((result = (call)) == -EAGAIN) MUST_EQ(gt_sleep(MS(1)), 0)

/* -- jobs */

struct work {
  atomic_int *released;
  int64_t number;
};

static int64_t square(void *arg) {
  struct timespec pause = {0, 200000};
  int64_t number = ((struct work *)arg)->number;
  if (number % 3 == 0) nanosleep(&pause, NULL);
  return number * number;
}

static void release(void *arg) {
  struct work *work = arg;
  atomic_fetch_add(work->released, 1);
  free(work);
}

static atomic_int released;

static void *have_it_squared(void *arg) {
  struct dice dice = so_dice();
  int64_t number = (int64_t)(intptr_t)arg;
  struct work *work = malloc(sizeof *work);
  *work = (struct work){&released, number};
  int64_t got = gt_offload_owned_until(square, work, release, so_roll(&dice, 3) ? GT_NEVER : so_soon(&dice));
  MUST(got == number * number || got == -ETIMEDOUT || got == -ECANCELED || got == -EINTR || got == -EAGAIN);
  return NULL;
}

ACT(jobs, 5) {
  int64_t tasks[8];
  for (unsigned i = 0; i < COUNT(tasks); i++) tasks[i] = so_anywhere(dice, have_it_squared, (void *)(intptr_t)so_roll(dice, 10000));
  so_torment(dice, tasks, COUNT(tasks));
  so_join_all(tasks, COUNT(tasks));
}

/* -- names of numeric hosts */

ACT(names, 3) {
  struct addrinfo wish = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *list = NULL;
  const char *host = so_roll(dice, 2) ? "127.0.0.1" : "::1";
  char back[64], service[16];
  int got;
  WHILE_BUSY(got, gt_getaddrinfo(host, "80", &wish, &list, NULL));
  MUST_EQ(got, 0);
  WHILE_BUSY(got, gt_getnameinfo(list->ai_addr, list->ai_addrlen, back, sizeof back, service, sizeof service,
                                 NI_NUMERICHOST | NI_NUMERICSERV, NULL));
  MUST_EQ(got, 0);
  MUST(strcmp(back, host) == 0 && strcmp(service, "80") == 0);
  gt_freeaddrinfo(list);
}

/* -- files, in a directory of their own */

static atomic_uint directories;

static void write_and_read(const char *path, struct dice *dice) {
  char out[5000], in[5000];
  size_t size = 1 + so_roll(dice, sizeof out);
  int64_t offset = so_roll(dice, 100000);
  int fd;
  ssize_t got;
  struct stat st;
  memset(out, 'a' + (int)so_roll(dice, 26), size);
  WHILE_BUSY(fd, gt_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  MUST_OK(fd);
  WHILE_BUSY(got, gt_pwrite(fd, out, size, offset));
  MUST_EQ(got, size);
  if (!so_roll(dice, 8)) {
    WHILE_BUSY(got, gt_fdatasync(fd));
    MUST_EQ(got, 0);
  }
  WHILE_BUSY(got, gt_pread(fd, in, sizeof in, offset));
  MUST_EQ(got, size);
  MUST(memcmp(in, out, size) == 0);
  WHILE_BUSY(got, gt_fstat(fd, &st));
  MUST_EQ(st.st_size, offset + (int64_t)size);
  MUST_EQ(gt_close(fd), 0);
}

ACT(files, 4) {
  char directory[64], from[96], to[96];
  struct gt_dirent_t entry;
  gt_dir_t *dir = NULL;
  int got;
  snprintf(directory, sizeof directory, "/tmp/greenrt-soak-%d-%u", (int)getpid(), directories++);
  snprintf(from, sizeof from, "%s/from", directory);
  snprintf(to, sizeof to, "%s/to", directory);
  WHILE_BUSY(got, gt_mkdir(directory, 0700));
  MUST_EQ(got, 0);
  write_and_read(from, dice);
  WHILE_BUSY(got, gt_rename(from, to));
  MUST_EQ(got, 0);
  WHILE_BUSY(got, gt_dir_open(directory, &dir));
  MUST_EQ(got, 0);
  MUST_EQ(gt_dir_next(dir, &entry), 1);
  MUST(strcmp(entry.name, "to") == 0);
  MUST_EQ(gt_dir_next(dir, &entry), 0);
  MUST_EQ(gt_dir_free(dir), 0);
  WHILE_BUSY(got, gt_unlink(to));
  MUST_EQ(got, 0);
  WHILE_BUSY(got, gt_rmdir(directory));
  MUST_EQ(got, 0);
}

/* -- a file that is sent through a pipe by the kernel */

static void *send_file(void *arg) {
  int *fds = arg; /* a pipe's end, a file */
  int64_t at = 0;
  size_t sent;
  MUST_EQ(gt_sendfile(fds[0], fds[1], &at, 100000, &sent), 0);
  MUST_EQ(sent, 100000);
  MUST_EQ(gt_close(fds[0]), 0);
  return NULL;
}

ACT(sendfile_through_a_pipe, 3) {
  FILE *file = tmpfile();
  char bytes[8192];
  int fds[2];
  ssize_t got;
  size_t have = 0;
  MUST(file != NULL);
  MUST_OK(ftruncate(fileno(file), 100000));
  MUST_EQ(gt_pipe(fds), 0);
  int64_t sender = so_here(send_file, (int[]){fds[1], fileno(file)});
  while ((got = gt_read(fds[0], bytes, sizeof bytes)) > 0) have += (size_t)got;
  MUST_EQ(have, 100000);
  so_join(sender);
  MUST_EQ(gt_close(fds[0]), 0);
  fclose(file);
}

/* -- children */

ACT(children, 1) {
  char *const yes[] = {"true", NULL}, *const no[] = {"false", NULL};
  int wanted = (int)so_roll(dice, 2), status = -1;
  pid_t child;
  WHILE_BUSY(child, gt_process_spawn(wanted ? "false" : "true", wanted ? no : yes, NULL));
  MUST_OK(child);
  MUST_EQ(gt_waitpid(child, &status, 0), child);
  MUST(WIFEXITED(status) && WEXITSTATUS(status) == wanted);
}

/* -- signals: one of these acts at a time has the signal */

ACT(signals, 2) {
  struct gt_signal_info_t info = {.size = sizeof info};
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  gt_signals_t *signals = gt_signals_new(&set);
  if (!signals) {
    MUST_EQ(errno, EBUSY);
    return;
  }
  so_pause(dice);
  MUST_OK(kill(getpid(), SIGUSR2));
  MUST_EQ(gt_signals_recv(signals, &info), SIGUSR2);
  MUST_EQ(info.pid, getpid());
  MUST_EQ(gt_signals_free(signals), 0);
}
