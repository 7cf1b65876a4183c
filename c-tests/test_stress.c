/* Everything at once, at random: streams whose readers and writers are interrupted, timed out, woken for nothing and joined by news from a
 * second OS thread. No byte may be lost, doubled or out of order. The seed is printed; GT_SEED=N replays it. */
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { STREAMS = 40, BYTES = 20000 };

struct stream {
  int fds[2];
  int64_t reader, writer;
  uint32_t seed[2];
  int disturbed; /* how often a call of this stream was ended by something else than bytes */
};

static struct stream streams[STREAMS];
static int running;

static uint32_t draw(uint32_t *seed) {
  *seed ^= *seed << 13;
  *seed ^= *seed >> 17;
  *seed ^= *seed << 5;
  return *seed;
}

static uint32_t first_seed(void) {
  const char *given = getenv("GT_SEED");
  uint32_t seed = given ? (uint32_t)strtoul(given, NULL, 10) : (uint32_t)time(NULL) ^ (uint32_t)getpid() << 16;
  if (!seed) seed = 1;
  printf("GT_SEED=%u\n", seed);
  return seed;
}

static char byte_at(int stream, size_t at) { return (char)((size_t)stream * 31 + at * 7 + (at >> 8)); }

/* A call ended without bytes: only for a reason that was given, and the code of an interrupt can be had. */
static void allow(struct stream *stream, long got) {
  int code = 0;
  stream->disturbed++;
  if (got == -EINTR) {
    CHECK_EQ(gt_interrupt_take(&code), 0);
    CHECK_EQ(code, 7);
  } else {
    CHECK_EQ(got, -ETIMEDOUT);
  }
}

static int64_t some_deadline(uint32_t *seed) {
  switch (draw(seed) % 6) {
  case 0: return 0;
  case 1: return gt_now();
  case 2: return gt_now() + (int64_t)(draw(seed) % 2000000);
  default: return GT_NEVER;
  }
}

/* One call of a reader, by chance one of five kinds. The bytes it took, 0 for a look that took none, or an error. */
static ssize_t take(struct stream *stream, int which, size_t at, char *buf, size_t want) {
  uint32_t *seed = &stream->seed[0];
  int fd = stream->fds[0];
  ssize_t n;
  switch (draw(seed) % 8) {
  case 0:
    return gt_read_until(fd, buf, want, some_deadline(seed));
  case 1:
    n = gt_wait_fd_until(fd, POLLIN, some_deadline(seed));
    if (n > 0) CHECK_EQ(n, POLLIN);
    return n > 0 ? 0 : n;
  case 2:
    n = gt_recv_until(fd, buf, want, MSG_PEEK, some_deadline(seed));
    for (ssize_t i = 0; i < n; i++) CHECK_EQ(buf[i], byte_at(which, at + (size_t)i));
    return n > 0 ? 0 : n;
  case 3: {
    int64_t scope = gt_deadline_push(gt_now() + (int64_t)(draw(seed) % 1000000));
    n = gt_recv(fd, buf, want, 0);
    CHECK_EQ(gt_deadline_pop(scope), n == -ETIMEDOUT);
    return n;
  }
  default:
    return gt_recv_until(fd, buf, want, 0, some_deadline(seed));
  }
}

static void *read_all(void *arg) {
  struct stream *stream = arg;
  int which = (int)(stream - streams);
  char buf[700];
  for (size_t got = 0; got < BYTES;) {
    ssize_t n = take(stream, which, got, buf, 1 + draw(&stream->seed[0]) % sizeof buf);
    if (n < 0) allow(stream, n);
    if (n < 0 && gt_yield() == -EINTR) allow(stream, -EINTR);
    for (ssize_t i = 0; i < n; i++) CHECK_EQ(buf[i], byte_at(which, got + (size_t)i));
    if (n > 0) got += (size_t)n;
  }
  running--;
  return NULL;
}

static void *write_all(void *arg) {
  struct stream *stream = arg;
  int which = (int)(stream - streams);
  uint32_t *seed = &stream->seed[1];
  char buf[900];
  for (size_t put = 0; put < BYTES;) {
    size_t len = 1 + draw(seed) % sizeof buf, sent = 0;
    if (len > BYTES - put) len = BYTES - put;
    for (size_t i = 0; i < len; i++) buf[i] = byte_at(which, put + i);
    long got;
    if (draw(seed) % 3) {
      got = gt_send_all_until(stream->fds[1], buf, len, 0, &sent, some_deadline(seed));
      if (got == 0) CHECK_EQ(sent, len);
    } else {
      got = gt_send_until(stream->fds[1], buf, len, 0, some_deadline(seed));
      if (got > 0) sent = (size_t)got;
    }
    put += sent;
    if (got < 0) allow(stream, got);
    if (draw(seed) % 4 == 0 && (got = gt_sleep((int64_t)(draw(seed) % 300000))) < 0) allow(stream, got);
  }
  running--;
  return NULL;
}

static _Atomic int over;

/* Wakes anybody for nothing, from another OS thread. */
static void *wake_anybody(void *arg) {
  uint32_t seed = *(uint32_t *)arg | 1;
  while (!over) {
    struct stream *stream = &streams[draw(&seed) % STREAMS];
    int got = gt_unpark(draw(&seed) % 2 ? stream->reader : stream->writer);
    CHECK(got == 0 || got == -ESRCH);
    if (draw(&seed) % 64 == 0) s_real_sleep(1);
  }
  return NULL;
}

TEST_WITH(stress_streams_survive_every_disturbance, 0, 60) {
  uint32_t seed = first_seed(), others_seed = draw(&seed);
  int fds_before = s_fd_count(), disturbed = 0;
  for (int i = 0; i < STREAMS; i++) {
    struct stream *stream = &streams[i];
    if (i % 2)
      s_tcp_pair(stream->fds);
    else
      s_unix_pair(SOCK_STREAM, stream->fds);
    if (i % 3) s_adopt_pair(stream->fds);
    stream->seed[0] = draw(&seed);
    stream->seed[1] = draw(&seed);
    running += 2;
    stream->reader = s_spawn(read_all, stream);
    stream->writer = s_spawn(write_all, stream);
  }
  pthread_t thread = s_thread(wake_anybody, &others_seed);
  while (running) {
    struct stream *stream = &streams[draw(&seed) % STREAMS];
    int64_t victim = draw(&seed) % 2 ? stream->reader : stream->writer;
    int got = 0;
    switch (draw(&seed) % 4) {
    case 0: got = gt_interrupt(victim, 7); break;
    case 1: got = gt_interrupt_at(victim, 7, gt_now() + (int64_t)(draw(&seed) % 3000000)); break;
    case 2: got = gt_interrupt_withdraw(victim, 7); break;
    default: CHECK_EQ(gt_sleep((int64_t)(draw(&seed) % 200000)), 0); break;
    }
    CHECK(got == 0 || got == -ESRCH || got == -ENOENT);
    if (draw(&seed) % 2) CHECK_EQ(gt_yield(), 0);
  }
  over = 1;
  s_thread_join(thread);
  for (int i = 0; i < STREAMS; i++) {
    s_join(streams[i].reader);
    s_join(streams[i].writer);
    s_close_pair(streams[i].fds);
    disturbed += streams[i].disturbed;
  }
  CHECK_GT(disturbed, 10);
  CHECK_LE(s_fd_count(), fds_before + 8); /* the scheduler's own */
}

enum { PARTIES = 300 };
static int64_t parties[PARTIES];
static long rounds_left = 60000;

/* Tasks that start, wake, join, cancel and end each other at random, while ids go stale under everybody's hands. */
static void *party(void *arg) {
  uint32_t seed = (uint32_t)(uintptr_t)arg | 1;
  while (rounds_left-- > 0) {
    int which = (int)(draw(&seed) % PARTIES);
    int got = 0;
    switch (draw(&seed) % 8) {
    case 0: got = gt_unpark(parties[which]); break;
    case 1: got = gt_park_until(gt_now() + (int64_t)(draw(&seed) % 100000)); break;
    case 2: got = gt_sleep((int64_t)(draw(&seed) % 50000)); break;
    case 3: if (draw(&seed) % 16 == 0) got = gt_cancel(parties[which]); break;
    case 4: if (draw(&seed) % 64 == 0) return NULL; break;
    case 5: if (draw(&seed) % 64 == 0) gt_exit(NULL); break;
    default: got = gt_yield(); break;
    }
    if (got == -ECANCELED) return NULL;
    CHECK(got == 0 || got == -ESRCH || got == -ETIMEDOUT);
  }
  return NULL;
}

TEST_WITH(stress_tasks_come_and_go, 0, 60) {
  uint32_t seed = first_seed();
  gt_spawn_opts_t opts = {.size = sizeof opts, .flags = GT_SPAWN_DETACHED};
  long started = 0;
  while (rounds_left > 0) {
    gt_stats_t stats = s_stats();
    while (stats.tasks_live < PARTIES) {
      opts.stack_size = draw(&seed) % 5 ? 0 : (size_t)(16 + draw(&seed) % 200) * 1024;
      int64_t task = gt_spawn_with(party, (void *)(uintptr_t)draw(&seed), &opts);
      CHECK_GT(task, 0);
      parties[draw(&seed) % PARTIES] = task;
      started++;
      stats.tasks_live++;
    }
    CHECK_EQ(gt_sleep((int64_t)(draw(&seed) % 100000)), 0);
  }
  while (s_stats().tasks_live) CHECK_EQ(gt_sleep(MS(1)), 0);
  CHECK_GT(started, PARTIES);
  CHECK_EQ(s_stats().tasks_spawned, started);
}

enum { TARGETS = 64 };
static _Atomic int64_t targets[TARGETS];
static _Atomic int calm;

/* Does to foreign tasks whatever any thread may do, with ids that go stale at every moment. */
static void *torment(void *arg) {
  uint32_t seed = *(uint32_t *)arg | 1;
  while (!calm) {
    int64_t task = targets[draw(&seed) % TARGETS];
    int got = 0;
    gt_waker_t *waker;
    switch (draw(&seed) % 5) {
    case 0: got = gt_unpark(task); break;
    case 1: got = gt_interrupt(task, 3); break;
    case 2: got = draw(&seed) % 8 ? 0 : gt_cancel(task); break;
    case 3:
      if ((waker = gt_waker_new(task))) {
        got = gt_waker_wake(waker);
        gt_waker_free(waker);
      }
      break;
    default: got = gt_join_until(task, NULL, 0) == 0; break; /* never ours to join */
    }
    CHECK(got == 0 || got == -ESRCH);
  }
  CHECK_EQ(gt_shutdown(), 0);
  return NULL;
}

static void *tormented(void *arg) {
  uint32_t seed = (uint32_t)(uintptr_t)arg | 1;
  int code;
  for (int i = 0; i < 20; i++) {
    int got = draw(&seed) % 2 ? gt_park_until(gt_now() + draw(&seed) % 50000) : gt_sleep(draw(&seed) % 20000);
    if (got == -EINTR) CHECK_EQ(gt_interrupt_take(&code), 0);
    if (got == -EINTR) CHECK_EQ(code, 3);
    if (got == -ECANCELED) return NULL;
    CHECK(got == 0 || got == -EINTR || got == -ETIMEDOUT);
  }
  return NULL;
}

static void *home_of_tormented(void *arg) {
  uint32_t seed = *(uint32_t *)arg | 1;
  for (int life = 0; life < 60; life++) { /* each in a new scheduler */
    int64_t tasks[TARGETS];
    for (int i = 0; i < TARGETS; i++) {
      tasks[i] = s_spawn(tormented, (void *)(uintptr_t)draw(&seed));
      if (draw(&seed) % 2) targets[draw(&seed) % TARGETS] = tasks[i];
    }
    CHECK_EQ(gt_sleep(MS(1)), 0);
    if (life % 3) CHECK_EQ(gt_shutdown(), 0);
    for (int i = 0; i < TARGETS && life % 3 == 0; i++) s_join(tasks[i]);
  }
  CHECK_EQ(gt_shutdown(), 0);
  return NULL;
}

TEST_WITH(stress_tasks_live_and_die_under_the_hands_of_other_threads, 0, 60) {
  uint32_t seed = first_seed(), seeds[4];
  pthread_t homes[2], others[2];
  for (size_t i = 0; i < COUNT(seeds); i++) seeds[i] = draw(&seed);
  for (size_t i = 0; i < COUNT(homes); i++) homes[i] = s_thread(home_of_tormented, &seeds[i]);
  for (size_t i = 0; i < COUNT(others); i++) others[i] = s_thread(torment, &seeds[2 + i]);
  for (size_t i = 0; i < COUNT(homes); i++) s_thread_join(homes[i]);
  calm = 1;
  for (size_t i = 0; i < COUNT(others); i++) s_thread_join(others[i]);
}
