/* greenrt's tasks, on the public header only: yield among 2 and 1,000 tasks, spawn + join, memory of parked tasks.
 * usage: tasks yield2|yield1000|spawn|memory COUNT */
#include <greenrt.h>

#include "bench.h"

static uint64_t rounds;
static uint64_t started;

static void *yielder(void *arg)
{
	uint64_t left = *(uint64_t *)arg;
	while (left-- != 0)
		gt_yield();
	return NULL;
}

static uint64_t switches(void)
{
	gt_stats_t stats = {.size = sizeof stats};
	if (gt_stats(&stats) != 0)
		bench_fail("gt_stats", 0);
	return stats.switches;
}

static void yields(unsigned tasks, uint64_t operations)
{
	int64_t *ids = calloc(tasks, sizeof *ids);
	uint64_t each = operations / tasks;
	uint64_t warm = each / 20 + 1;
	uint64_t plan[2] = {warm, each};

	for (int pass = 0; pass < 2; pass++) {
		uint64_t before = switches();
		int64_t start = bench_now();
		rounds = plan[pass];
		for (unsigned index = 0; index < tasks; index++)
			if ((ids[index] = gt_spawn(yielder, &rounds)) < 0)
				bench_fail("gt_spawn", (long)ids[index]);
		for (unsigned index = 0; index < tasks; index++) {
			int result = gt_join(ids[index], NULL);
			if (result < 0)
				bench_fail("gt_join", result);
		}
		if (pass == 1)
			bench_report(start, each * tasks);
		if (switches() - before < plan[pass] * tasks)
			bench_fail("to yield is to switch", (long)(switches() - before));
	}
	free(ids);
}

static void *nothing(void *arg)
{
	return arg;
}

static void spawns(uint64_t operations)
{
	uint64_t plan[2] = {operations / 20 + 1, operations};

	for (int pass = 0; pass < 2; pass++) {
		int64_t start = bench_now();
		for (uint64_t index = 0; index < plan[pass]; index++) {
			void *result = NULL;
			int64_t id = gt_spawn(nothing, &rounds);
			if (id < 0)
				bench_fail("gt_spawn", (long)id);
			if (gt_join(id, &result) < 0 || result != &rounds)
				bench_fail("gt_join", 0);
		}
		if (pass == 1)
			bench_report(start, operations);
	}
}

static void *sleeper(void *arg)
{
	(void)arg;
	started += bench_use_frames() != 0;
	gt_sleep(INT64_C(3600) * 1000000000);
	return NULL;
}

static void parked(uint64_t count)
{
	gt_sleep(1000000);
	struct bench_memory before = bench_memory();
	for (uint64_t index = 0; index < count; index++) {
		int64_t id = gt_spawn(sleeper, NULL);
		if (id < 0)
			bench_fail("gt_spawn", (long)id);
	}
	while (started < count)
		gt_sleep(1000000);
	bench_report_memory(before, count);
	exit(0);
}

int main(int argc, char **argv)
{
	const char *row = argc > 1 ? argv[1] : "";
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;

	if (strcmp(row, "yield2") == 0)
		yields(2, count);
	else if (strcmp(row, "yield1000") == 0)
		yields(1000, count);
	else if (strcmp(row, "spawn") == 0)
		spawns(count);
	else if (strcmp(row, "memory") == 0)
		parked(count);
	else
		bench_fail("row", 0);
	return 0;
}
