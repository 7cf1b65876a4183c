/* A service that is run by signals: SIGHUP reads the settings again, SIGCHLD tells of a child, SIGTERM and SIGINT end it in good order. One
 * task receives them all and may do anything, which a signal handler may not; the others do not notice.
 *
 *   cc signals.c $(pkg-config --cflags --libs greenrt) -o signals && ./signals
 *
 * and from another terminal `kill -HUP`, then `kill -TERM` with the number that it prints. Output:
 *   ready, process 4711
 *   child 4712 ended with status 3
 *   SIGHUP from process 4713: settings read again
 *   SIGTERM: 0 of 2 jobs left
 */
#include <greenrt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int jobs;

/* Works until it is told to stop, and then puts its things in order. */
static void *job(void *arg) {
  jobs++;
  while (gt_sleep(5000000) == 0) continue;
  gt_shield_push(); /* what comes now may wait, in spite of the cancel */
  gt_sleep(1000000);
  jobs--;
  return arg;
}

/* Signals of one number may be merged: all that have ended are asked for. */
static void children_ended(void) {
  int status;
  pid_t pid;
  while ((pid = gt_waitpid(-1, &status, WNOHANG)) > 0) printf("child %d ended with status %d\n", (int)pid, WEXITSTATUS(status));
}

int main(void) {
  char *child[] = {"sh", "-c", "exit 3", NULL};
  const int numbers[] = {SIGHUP, SIGCHLD, SIGTERM, SIGINT};
  gt_signal_info_t info = {.size = sizeof info};
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < 4; i++) sigaddset(&set, numbers[i]);
  gt_signals_t *signals = gt_signals_new(&set);
  if (!signals) {
    perror("cannot have the signals");
    return 1;
  }
  int64_t tasks[] = {gt_spawn(job, NULL), gt_spawn(job, NULL)};
  printf("ready, process %d\n", (int)getpid());
  fflush(stdout);
  int error = gt_process_spawn("sh", child, NULL);
  if (error < 0) fprintf(stderr, "no child: %s\n", gt_strerror(error));

  int number;
  while ((number = gt_signals_recv(signals, &info)) != SIGTERM && number != SIGINT) {
    if (number < 0) break;
    if (number == SIGCHLD) children_ended();
    if (number == SIGHUP) printf("SIGHUP from process %d: settings read again\n", (int)info.pid);
    fflush(stdout);
  }
  for (int i = 0; i < 2; i++) gt_cancel(tasks[i]);
  for (int i = 0; i < 2; i++) gt_join(tasks[i], NULL);
  printf("%s: %d of 2 jobs left\n", number == SIGINT ? "SIGINT" : "SIGTERM", jobs);
  gt_signals_free(signals);
  return 0;
}
