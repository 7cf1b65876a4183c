/* greenrt's offload: a task hands an almost empty job to another OS thread and waits for its result. And reads of a file that
 * is in the page cache: by gt_pread(), and by a job on another OS thread, which is what gt_pread() does where it is not.
 * usage: offload offload|pread|pread-pool COUNT */
#include <greenrt.h>

#include "bench.h"

static int64_t job(void *arg)
{
	return (int64_t)(intptr_t)arg;
}

static int file;
static uint64_t words[BENCH_PAGE / sizeof(uint64_t)];

static void check(ssize_t length)
{
	if (length != BENCH_PAGE)
		bench_fail("a read", (long)length);
}

static uint64_t reads(uint64_t operations)
{
	uint64_t sum = 0;
	for (uint64_t index = 0; index < operations; index++) {
		check(gt_pread(file, words, BENCH_PAGE, (int64_t)(index % BENCH_PAGES) * BENCH_PAGE));
		sum += bench_page_read(index, words[0]);
	}
	return sum;
}

static int64_t read_job(void *arg)
{
	return pread(file, words, BENCH_PAGE, (off_t)(intptr_t)arg);
}

static uint64_t reads_by_jobs(uint64_t operations)
{
	uint64_t sum = 0;
	for (uint64_t index = 0; index < operations; index++) {
		check(gt_offload(read_job, (void *)(intptr_t)(index % BENCH_PAGES * BENCH_PAGE)));
		sum += bench_page_read(index, words[0]);
	}
	return sum;
}

static uint64_t jobs(uint64_t operations)
{
	uint64_t sum = 0;
	for (uint64_t index = 0; index < operations; index++) {
		int64_t result = gt_offload(job, (void *)(intptr_t)index);
		if (result < 0)
			bench_fail("gt_offload", (long)result);
		sum += (uint64_t)result;
	}
	return sum;
}

int main(int argc, char **argv)
{
	const char *row = argc > 1 ? argv[1] : "";
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	uint64_t (*loop)(uint64_t) = strcmp(row, "offload") == 0      ? jobs
				     : strcmp(row, "pread") == 0      ? reads
				     : strcmp(row, "pread-pool") == 0 ? reads_by_jobs
								      : NULL;

	if (loop == NULL)
		bench_fail("row", 0);
	file = bench_file();
	loop(count / 20 + 1);
	int64_t start = bench_now();
	uint64_t sum = loop(count);
	bench_report(start, count);
	bench_sum(sum);
	return 0;
}
