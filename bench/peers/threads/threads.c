/* What the system's own threads take: a mutex and a semaphore nobody else wants, and a job handed to another thread and
 * back by futex words alone, and a read of a file that is in the page cache. usage: threads mutex|sem|offload|pread COUNT */
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "../../c/bench.h"

static volatile uint64_t held;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sem_t permits;

static uint64_t mutex(uint64_t operations)
{
	held = 0;
	for (uint64_t index = 0; index < operations; index++) {
		pthread_mutex_lock(&lock);
		held++;
		pthread_mutex_unlock(&lock);
	}
	return held;
}

static uint64_t sem(uint64_t operations)
{
	held = 0;
	for (uint64_t index = 0; index < operations; index++) {
		sem_wait(&permits);
		held++;
		sem_post(&permits);
	}
	return held;
}

static _Atomic uint32_t asked, answered;
static uint64_t argument, result;

static void wait_for(_Atomic uint32_t *word, uint32_t old)
{
	while (atomic_load_explicit(word, memory_order_acquire) == old)
		syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
}

static void advance(_Atomic uint32_t *word)
{
	atomic_fetch_add_explicit(word, 1, memory_order_release);
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *worker(void *arg)
{
	for (uint32_t turn = 0;; turn++) {
		wait_for(&asked, turn);
		result = argument;
		advance(&answered);
	}
	return arg;
}

static uint64_t offload(uint64_t operations)
{
	uint64_t sum = 0;
	for (uint64_t index = 0; index < operations; index++) {
		uint32_t turn = atomic_load(&answered);
		argument = index;
		advance(&asked);
		wait_for(&answered, turn);
		sum += result;
	}
	return sum;
}

static int file;

static uint64_t reads(uint64_t operations)
{
	uint64_t sum = 0, words[BENCH_PAGE / sizeof(uint64_t)];
	for (uint64_t index = 0; index < operations; index++) {
		if (pread(file, words, BENCH_PAGE, (off_t)(index % BENCH_PAGES * BENCH_PAGE)) != BENCH_PAGE)
			bench_fail("pread", 0);
		sum += bench_page_read(index, words[0]);
	}
	return sum;
}

int main(int argc, char **argv)
{
	const char *row = argc > 1 ? argv[1] : "";
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 0, sum;
	uint64_t (*loop)(uint64_t) = NULL;
	pthread_t thread;

	sem_init(&permits, 0, 1);
	file = bench_file();
	if (strcmp(row, "mutex") == 0)
		loop = mutex;
	else if (strcmp(row, "sem") == 0)
		loop = sem;
	else if (strcmp(row, "offload") == 0)
		loop = offload;
	else if (strcmp(row, "pread") == 0)
		loop = reads;
	else
		bench_fail("row", 0);
	/* In every row there is a second thread: the C library takes short cuts where there is none. */
	if (pthread_create(&thread, NULL, worker, NULL) != 0)
		bench_fail("pthread_create", 0);
	loop(count / 20 + 1);
	int64_t start = bench_now();
	sum = loop(count);
	bench_report(start, count);
	bench_sum(sum);
	return 0;
}
