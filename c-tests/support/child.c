/* Child processes whose death, status and words are the subject of a test. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Until it ends; when it has written `until`, it is ended a second later. */
static void collect(pid_t pid, int from, struct s_end *end, const char *until) {
  size_t have = 0;
  int status;
  for (;;) {
    char spill[512];
    size_t room = sizeof end->out - 1 - have;
    ssize_t n = room ? read(from, end->out + have, room) : read(from, spill, sizeof spill);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    if (room) have += (size_t)n;
    end->out[have] = 0;
    if (!until || !strstr(end->out, until)) continue;
    until = NULL;
    s_real_sleep(1000);
    CHECK_OK(kill(pid, SIGALRM));
  }
  end->out[have] = 0;
  close(from);
  while (waitpid(pid, &status, 0) < 0) CHECK_EQ(errno, EINTR);
  end->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  end->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static pid_t fork_with_pipe(int *from) {
  int fds[2];
  pid_t pid;
  s_pipe(fds, 0);
  fflush(stdout);
  fflush(stderr);
  CHECK_OK(pid = fork());
  if (pid == 0) {
    dup2(fds[1], STDOUT_FILENO);
    dup2(fds[1], STDERR_FILENO);
    close(fds[0]);
    close(fds[1]);
  } else {
    close(fds[1]);
    *from = fds[0];
  }
  return pid;
}

void s_child_until(const char *until, void (*body)(void *), void *arg, struct s_end *end) {
  int from;
  pid_t pid = fork_with_pipe(&from);
  if (pid == 0) {
    body(arg);
    fflush(stdout);
    _exit(0);
  }
  collect(pid, from, end, until);
}

void s_child(void (*body)(void *), void *arg, struct s_end *end) { s_child_until(NULL, body, arg, end); }

void s_run(struct s_end *end, const char *const argv[]) {
  int from;
  pid_t pid = fork_with_pipe(&from);
  if (pid == 0) {
    union {
      const char *const *in;
      char *const *out;
    } args = {argv};
    execvp(argv[0], args.out);
    fprintf(stderr, "cannot start %s: %s\n", argv[0], strerror(errno));
    fflush(stderr);
    _exit(127);
  }
  collect(pid, from, end, NULL);
}

const char *s_beside(const char *name) {
  static char path[4096];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  CHECK_OK(n);
  path[n] = 0;
  char *slash = strrchr(path, '/');
  CHECK(slash != NULL);
  snprintf(slash + 1, sizeof path - (size_t)(slash + 1 - path), "%s", name);
  return path;
}

int s_have_program(const char *name) {
  const char *path = getenv("PATH");
  while (path && *path) {
    char full[4096];
    size_t n = strcspn(path, ":");
    snprintf(full, sizeof full, "%.*s/%s", (int)n, path, name);
    if (access(full, X_OK) == 0) return 1;
    path += n + (path[n] == ':');
  }
  return 0;
}
