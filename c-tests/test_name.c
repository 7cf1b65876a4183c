/* gt_getaddrinfo and gt_getnameinfo: the C library's results, both names of a failure, waits that end early. No network: only what
 * the machine knows by itself. */
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};

static uint16_t port_of(const struct addrinfo *info) { return ntohs(((struct sockaddr_in *)(void *)info->ai_addr)->sin_port); }

TEST(name_finds_addresses_as_getaddrinfo_does) {
  struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *ours = NULL, *theirs = NULL;
  int eai = 99;
  CHECK_EQ(gt_getaddrinfo("localhost", "80", &hints, &ours, &eai), 0);
  CHECK_EQ(eai, 0);
  CHECK_EQ(getaddrinfo("localhost", "80", &hints, &theirs), 0);
  CHECK_EQ(ours->ai_addrlen, theirs->ai_addrlen);
  CHECK_MEM(ours->ai_addr, theirs->ai_addr, theirs->ai_addrlen);
  CHECK_EQ(port_of(ours), 80);
  gt_freeaddrinfo(ours);
  freeaddrinfo(theirs);
}

TEST(name_host_service_hints_and_code_may_be_missing) {
  struct addrinfo *list = NULL;
  CHECK_EQ(gt_getaddrinfo("127.0.0.1", NULL, NULL, &list, NULL), 0);
  CHECK_EQ(list->ai_family, AF_INET);
  gt_freeaddrinfo(list);
  CHECK_EQ(gt_getaddrinfo(NULL, "4711", &numeric, &list, NULL), 0);
  CHECK_EQ(port_of(list), 4711);
  gt_freeaddrinfo(list);
  gt_freeaddrinfo(NULL);
}

struct failure {
  const char *host, *service;
  struct addrinfo hints;
  int eai, error;
};

TEST(name_failures_have_a_code_and_an_errno) {
  struct failure failures[] = {
      {"no address", NULL, {.ai_flags = AI_NUMERICHOST}, EAI_NONAME, -EADDRNOTAVAIL},
      {NULL, NULL, {.ai_flags = 0}, EAI_NONAME, -EADDRNOTAVAIL},
      {"127.0.0.1", "80", {.ai_flags = 1 << 30}, EAI_BADFLAGS, -EINVAL},
      {"127.0.0.1", "80", {.ai_family = 12345}, EAI_FAMILY, -EAFNOSUPPORT},
      {"127.0.0.1", "80", {.ai_socktype = 12345}, EAI_SOCKTYPE, -EPROTOTYPE},
      {"127.0.0.1", "no-such-service", {.ai_socktype = SOCK_STREAM}, EAI_SERVICE, -EPROTONOSUPPORT},
  };
  for (size_t i = 0; i < COUNT(failures); i++) {
    struct failure *f = &failures[i];
    struct addrinfo *list = (void *)f;
    int eai = 99;
    CHECK_EQ(gt_getaddrinfo(f->host, f->service, &f->hints, &list, &eai), f->error);
    CHECK_EQ(eai, f->eai);
    CHECK(list == (void *)f); /* outputs on success only */
    CHECK_EQ(gt_getaddrinfo(f->host, f->service, &f->hints, &list, NULL), f->error);
  }
}

TEST(name_bad_arguments) {
  int eai = 99;
  CHECK_EQ(gt_getaddrinfo("127.0.0.1", NULL, NULL, NULL, &eai), -EINVAL);
  CHECK_EQ(eai, 0);
  CHECK_EQ(gt_getaddrinfo_until("127.0.0.1", NULL, NULL, NULL, NULL, GT_NEVER), -EINVAL);
}

TEST(name_deadline_in_the_past_looks_nothing_up) {
  struct addrinfo *list = NULL;
  int eai = 99;
  CHECK_EQ(gt_getaddrinfo_until("127.0.0.1", NULL, NULL, &list, &eai, 0), -ETIMEDOUT);
  CHECK_EQ(eai, 0);
  CHECK(list == NULL);
  CHECK_EQ(gt_getaddrinfo_until("127.0.0.1", NULL, &numeric, &list, &eai, IN_MS(60000)), 0);
  gt_freeaddrinfo(list);
}

/* A thread of the pool wakes who waits first, and lets go of the job then. */
static void no_jobs(void) {
  int64_t limit = IN_MS(60000);
  while (s_stats().offload_jobs) {
    CHECK_LT(gt_now(), limit);
    CHECK_EQ(gt_sleep(MS(1)), 0);
  }
}

static void *look(void *arg) {
  struct addrinfo *list = NULL;
  int got = gt_getaddrinfo("127.0.0.1", "1", &numeric, &list, NULL);
  if (got == 0) gt_freeaddrinfo(list);
  (void)arg;
  return (void *)(intptr_t)got;
}

static int64_t hold(void *arg) {
  while (!atomic_load((atomic_int *)arg)) s_real_sleep(1);
  return 0;
}

static void *hold_pool(void *arg) { return (void *)(intptr_t)gt_offload(hold, arg); }

/* One thread, busy: lookups wait in the queue, where cancel and a deadline find them; what the leak checker would see is freed. */
TEST(name_cancelled_lookups_leave_nothing) {
  static atomic_int go;
  static int64_t tasks[50];
  gt_config_t config = {.size = sizeof config, .offload_threads = 1};
  CHECK_EQ(gt_config(&config), 0);
  int64_t busy = s_spawn(hold_pool, (void *)(uintptr_t)&go);
  for (int i = 0; i < 50; i++) tasks[i] = s_spawn(look, NULL);
  s_settle();
  CHECK_EQ(s_stats().offload_queued, 50);
  for (int i = 0; i < 25; i++) CHECK_EQ(gt_cancel(tasks[i]), 0);
  for (int i = 0; i < 25; i++) CHECK_EQ((intptr_t)s_join(tasks[i]), -ECANCELED);
  CHECK_EQ(s_stats().offload_queued, 25);
  go = 1;
  s_join(busy);
  for (int i = 25; i < 50; i++) CHECK_EQ((intptr_t)s_join(tasks[i]), 0);
  no_jobs();
}

/* Deadlines of all lengths against the lookup: whoever wins, the list is freed once. */
TEST(name_deadlines_race_the_answer) {
  int late = 0;
  for (int i = 0; i < 400; i++) {
    struct addrinfo *list = NULL;
    int got = gt_getaddrinfo_until("127.0.0.1", "1", &numeric, &list, NULL, gt_now() + i * 250);
    CHECK(got == 0 || got == -ETIMEDOUT);
    CHECK_EQ(got == 0, list != NULL);
    gt_freeaddrinfo(list);
    late += got != 0;
  }
  CHECK_GT(late, 0);
  no_jobs();
}

TEST(name_queue_full_is_told_from_a_busy_server) {
  static atomic_int go;
  struct addrinfo *list = NULL;
  int eai = 99;
  gt_config_t config = {.size = sizeof config, .offload_threads = 1, .offload_queue = 1};
  CHECK_EQ(gt_config(&config), 0);
  int64_t busy = s_spawn(hold_pool, (void *)(uintptr_t)&go), next = s_spawn(look, NULL);
  s_settle();
  CHECK_EQ(gt_getaddrinfo("127.0.0.1", NULL, &numeric, &list, &eai), -EAGAIN);
  CHECK_EQ(eai, 0);
  CHECK_EQ(gt_dial_tcp("localhost", 1), -EAGAIN);
  CHECK_EQ(gt_listen_tcp("localhost", 0, 1), -EAGAIN);
  CHECK_EQ(gt_bind_udp("localhost", 0), -EAGAIN);
  go = 1;
  s_join(busy);
  s_join(next);
}

static struct sockaddr_in loopback(uint16_t port) {
  return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

TEST(name_of_an_address) {
  struct sockaddr_in address = loopback(4711);
  char host[64] = "", service[16] = "";
  int eai = 99, flags = NI_NUMERICHOST | NI_NUMERICSERV;
  CHECK_EQ(gt_getnameinfo((void *)&address, sizeof address, host, sizeof host, service, sizeof service, flags, &eai), 0);
  CHECK_EQ(eai, 0);
  CHECK_STR(host, "127.0.0.1");
  CHECK_STR(service, "4711");
  service[0] = 0;
  CHECK_EQ(gt_getnameinfo_until((void *)&address, sizeof address, NULL, 0, service, 5, flags, NULL, IN_MS(60000)), 0);
  CHECK_STR(service, "4711");
}

TEST(name_of_an_address_errors) {
  struct sockaddr_in address = loopback(4711);
  struct sockaddr_storage unknown = {.ss_family = 999};
  char host[64] = "before", small[4] = "abc";
  int eai = 99, flags = NI_NUMERICHOST | NI_NUMERICSERV;
  struct sockaddr *at = (void *)&address;
  socklen_t len = sizeof address;
  CHECK_EQ(gt_getnameinfo(NULL, len, host, sizeof host, NULL, 0, flags, &eai), -EINVAL);
  CHECK_EQ(eai, 0);
  CHECK_EQ(gt_getnameinfo(at, 4096, host, sizeof host, NULL, 0, flags, &eai), -EINVAL);
  CHECK_EQ(gt_getnameinfo(at, len, NULL, 5, NULL, 0, flags, &eai), -EINVAL);
  CHECK_EQ(gt_getnameinfo(at, len, host, sizeof host, NULL, 5, flags, &eai), -EINVAL);
  CHECK_EQ(gt_getnameinfo(at, len, small, sizeof small, NULL, 0, flags, &eai), -EOVERFLOW);
  CHECK_EQ(eai, EAI_OVERFLOW);
  CHECK_STR(small, "abc");
  CHECK_EQ(gt_getnameinfo((void *)&unknown, sizeof unknown, host, sizeof host, NULL, 0, flags, &eai), -EAFNOSUPPORT);
  CHECK_EQ(eai, EAI_FAMILY);
  CHECK_EQ(gt_getnameinfo(at, len, NULL, 0, NULL, 0, flags | NI_NAMEREQD, &eai), -EADDRNOTAVAIL);
  CHECK_EQ(eai, EAI_NONAME);
  CHECK_EQ(gt_getnameinfo(at, len, host, sizeof host, NULL, 0, 1 << 30, &eai), -EINVAL);
  CHECK_EQ(eai, EAI_BADFLAGS);
  CHECK_EQ(gt_getnameinfo_until(at, len, host, sizeof host, NULL, 0, flags, &eai, 0), -ETIMEDOUT);
  CHECK_EQ(eai, 0);
  CHECK_STR(host, "before");
}

static void *cancelled(void *arg) {
  struct addrinfo *list = NULL;
  CHECK_EQ(gt_cancel(gt_self()), 0);
  CHECK_EQ(gt_getaddrinfo("127.0.0.1", NULL, &numeric, &list, NULL), -ECANCELED);
  return arg;
}

TEST(name_of_a_cancelled_task) { s_join(s_spawn(cancelled, NULL)); }

TEST(name_interrupt_ends_the_wait) {
  static atomic_int go;
  struct addrinfo *list = NULL;
  int code = 0;
  gt_config_t config = {.size = sizeof config, .offload_threads = 1};
  CHECK_EQ(gt_config(&config), 0);
  int64_t busy = s_spawn(hold_pool, (void *)(uintptr_t)&go);
  s_settle();
  CHECK_EQ(gt_interrupt_at(gt_self(), 5, IN_MS(10)), 0);
  CHECK_EQ(gt_getaddrinfo("127.0.0.1", NULL, &numeric, &list, NULL), -EINTR);
  CHECK_EQ(gt_interrupt_take(&code), 0);
  go = 1;
  s_join(busy);
}
