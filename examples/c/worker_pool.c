/* A pool on several OS threads: jobs go into one shared channel, a task on each worker takes the next one when it is done with the last,
 * and results come back by a second channel. While the workers compute, other tasks of this thread would go on.
 *
 *   cc worker_pool.c $(pkg-config --cflags --libs greenrt) -o worker_pool && ./worker_pool 2
 *
 * Output (a number of workers may be given; 0 or none means one for each processor):
 *   78498 primes below 1000000, by 2 workers in 100 jobs
 */
#include <greenrt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { LIMIT = 1000000, JOBS = 100, STEP = LIMIT / JOBS };

struct job {
  int from, to, primes;
};

static gt_chan_t *jobs, *results;

static bool is_prime(int n) {
  for (int i = 2; i * i <= n; i++)
    if (n % i == 0) return false;
  return n > 1;
}

static void *work(void *arg) {
  struct job job;
  while (gt_chan_recv(jobs, &job) == 0) {
    for (int n = job.from; n < job.to; n++) job.primes += is_prime(n);
    if (gt_chan_send(results, &job) < 0) break;
  }
  return arg;
}

static void *give(void *arg) {
  for (int i = 0; i < JOBS; i++) {
    struct job job = {i * STEP, (i + 1) * STEP, 0};
    if (gt_chan_send(jobs, &job) < 0) break; /* waits while the channel is full */
  }
  gt_chan_close(jobs);
  return arg;
}

int main(int argc, char **argv) {
  int workers = gt_workers_start(argc > 1 ? (unsigned)atoi(argv[1]) : 0, NULL);
  int primes = 0;
  struct job done;

  jobs = gt_chan_new_shared(sizeof(struct job), 4);
  results = gt_chan_new_shared(sizeof(struct job), JOBS);
  if (workers < 0 || !jobs || !results) {
    fprintf(stderr, "cannot start: %s\n", workers < 0 ? gt_strerror(workers) : "out of memory");
    return 1;
  }
  for (int i = 0; i < workers; i++) gt_detach(gt_spawn_on(i, work, NULL));
  gt_detach(gt_spawn(give, NULL)); /* on this thread */
  for (int i = 0; i < JOBS && gt_chan_recv(results, &done) == 0; i++) primes += done.primes;
  gt_workers_stop(); /* waits for the tasks, whose channel is closed */
  printf("%d primes below %d, by %d workers in %d jobs\n", primes, LIMIT, workers, JOBS);
  gt_chan_free(jobs);
  gt_chan_free(results);
  return 0;
}
