/* greenrt's mutex and semaphore when nobody else wants them, on the public header only.
 * usage: locks mutex|sem COUNT */
#include <greenrt.h>

#include "bench.h"

static volatile uint64_t held;

static void mutex(uint64_t operations)
{
	gt_mutex_t *lock = gt_mutex_new();
	if (lock == NULL)
		bench_fail("gt_mutex_new", 0);
	for (uint64_t index = 0; index < operations; index++) {
		if (gt_mutex_lock(lock) != 0)
			bench_fail("gt_mutex_lock", 0);
		held++;
		if (gt_mutex_unlock(lock) != 0)
			bench_fail("gt_mutex_unlock", 0);
	}
	gt_mutex_free(lock);
}

static void sem(uint64_t operations)
{
	gt_sem_t *lock = gt_sem_new(1);
	if (lock == NULL)
		bench_fail("gt_sem_new", 0);
	for (uint64_t index = 0; index < operations; index++) {
		if (gt_sem_wait(lock) != 0)
			bench_fail("gt_sem_wait", 0);
		held++;
		if (gt_sem_post(lock) != 0)
			bench_fail("gt_sem_post", 0);
	}
	gt_sem_free(lock);
}

int main(int argc, char **argv)
{
	const char *row = argc > 1 ? argv[1] : "";
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	void (*loop)(uint64_t) = strcmp(row, "mutex") == 0 ? mutex : strcmp(row, "sem") == 0 ? sem : NULL;

	if (loop == NULL)
		bench_fail("row", 0);
	loop(count / 20 + 1);
	held = 0;
	int64_t start = bench_now();
	loop(count);
	bench_report(start, count);
	bench_sum(held);
	return 0;
}
