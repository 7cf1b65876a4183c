/* Looks up many names at once: a task for each, while the resolver blocks OS threads of the library's pool and not this one. All together
 * have two seconds; what is not known by then says so.
 *
 *   cc parallel_dns.c $(pkg-config --cflags --libs greenrt) -o parallel_dns && ./parallel_dns localhost 127.0.0.1 ::1
 *
 * Output (the addresses of names depend on /etc/hosts and the network):
 *   localhost: ::1 127.0.0.1
 *   127.0.0.1: 127.0.0.1
 *   ::1: ::1
 *   3 names, 3 known
 */
#include <greenrt.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lookup {
  const char *name;
  int64_t task, deadline;
  int result, eai; /* the library's error, and the resolver's */
  struct addrinfo *list;
};

static void *look_up(void *arg) {
  struct lookup *me = arg;
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}; /* or each address comes once for each kind of socket */
  me->result = gt_getaddrinfo_until(me->name, NULL, &hints, &me->list, &me->eai, me->deadline);
  return NULL;
}

static void show(const struct lookup *lookup) {
  printf("%s:", lookup->name);
  if (lookup->result < 0) printf(" %s", lookup->eai ? gai_strerror(lookup->eai) : gt_strerror(lookup->result));
  for (const struct addrinfo *at = lookup->result < 0 ? NULL : lookup->list; at; at = at->ai_next) {
    char text[256];
    if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0) printf(" %s", text);
  }
  printf("\n");
}

int main(int argc, char **argv) {
  static char *usual[] = {"parallel_dns", "localhost", "127.0.0.1", "::1"};
  int count = (argc > 1 ? argc : 4) - 1, known = 0;
  char **names = (argc > 1 ? argv : usual) + 1;
  struct lookup *lookups = calloc((size_t)count, sizeof *lookups);
  int64_t deadline = gt_now() + 10000000000;
  if (!lookups) return 1;
  for (int i = 0; i < count; i++) {
    lookups[i] = (struct lookup){.name = names[i], .deadline = deadline};
    lookups[i].task = gt_spawn(look_up, &lookups[i]);
    if (lookups[i].task < 0) lookups[i].result = (int)lookups[i].task;
  }
  for (int i = 0; i < count; i++) { /* they run side by side; shown in the order they were named */
    if (lookups[i].task > 0) gt_join(lookups[i].task, NULL);
    show(&lookups[i]);
    known += lookups[i].result == 0;
    if (lookups[i].result == 0) gt_freeaddrinfo(lookups[i].list);
  }
  printf("%d names, %d known\n", count, known);
  free(lookups);
  return known == count ? 0 : 1;
}
