/* A supervisor: three services run in a scope. When one of them fails, the scope cancels the others and waits until they have put
 * their things away; then the supervisor starts all of them again, three times at most.
 *
 *   cc supervisor.c $(pkg-config --cflags --libs greenrt) -o supervisor && ./supervisor
 *
 * Output:
 *   start 1
 *   mailer: Connection reset by peer
 *   clock: put away
 *   cache: put away
 *   start 2
 *   mailer: Connection reset by peer
 *   clock: put away
 *   cache: put away
 *   start 3
 *   mailer: all mail is sent
 *   clock: put away
 *   cache: put away
 *   done after 3 starts
 */
#include <errno.h>
#include <greenrt.h>
#include <stdio.h>
#include <string.h>

static gt_scope_t *scope;
static int starts;

static void put_away(void *name) {
  gt_sleep(1000000); /* cleanup handlers run under a shield: they may block, also when the task was cancelled */
  printf("%s: put away\n", (const char *)name);
}

/* Works until it is cancelled. */
static int serve(void *name) {
  int result;
  gt_cleanup_push(put_away, name);
  while ((result = gt_sleep(5000000)) == 0) {
  }
  return result; /* -ECANCELED, which is no error in a scope that was cancelled */
}

/* Fails at the first two starts; then its work gets done, and the others are not needed any more. */
static int send_mail(void *name) {
  int result = gt_sleep(20000000);
  if (result == 0 && starts < 3) result = -ECONNRESET;
  printf("%s: %s\n", (const char *)name, result < 0 ? strerror(-result) : "all mail is sent");
  if (result == 0) gt_scope_cancel(scope);
  return result;
}

/* 0 when the services have ended in peace, or the first error. */
static int run_all(void) {
  int64_t clock, cache, mailer;
  int result;
  scope = gt_scope_new(0);
  if (!scope) return -ENOMEM;
  printf("start %d\n", ++starts);
  clock = gt_scope_spawn(scope, serve, "clock");
  cache = gt_scope_spawn(scope, serve, "cache");
  mailer = gt_scope_spawn(scope, send_mail, "mailer");
  int64_t missing = clock < 0 ? clock : cache < 0 ? cache : mailer < 0 ? mailer : 0;
  if (missing < 0) gt_scope_cancel(scope); /* better none than some */
  result = gt_scope_join(scope);
  gt_scope_free(scope); /* all tasks have ended, whatever the join said */
  return missing < 0 ? (int)missing : result;
}

int main(void) {
  int result;
  while ((result = run_all()) < 0 && starts < 3) {
  }
  if (result < 0) {
    fprintf(stderr, "gave up: %s\n", gt_strerror(result));
    return 1;
  }
  printf("done after %d starts\n", starts);
  return 0;
}
