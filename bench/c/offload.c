/* greenrt's offload: a task hands an almost empty job to another OS thread and waits for its result.
 * usage: offload offload COUNT */
#include <greenrt.h>

#include "bench.h"

static int64_t job(void *arg)
{
	return (int64_t)(intptr_t)arg;
}

static uint64_t loop(uint64_t operations)
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
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;

	loop(count / 20 + 1);
	int64_t start = bench_now();
	uint64_t sum = loop(count);
	bench_report(start, count);
	bench_sum(sum);
	return 0;
}
