/* greenrt's timers, on the public header only: many tasks that sleep ten times each, and a timer that is set and cancelled
 * beside many that are armed. usage: timers sleepers TASKS, or timers timer-cancel COUNT ARMED */
#include <greenrt.h>

#include "bench.h"

static uint64_t ended, partner_left;
static int64_t partner;

static void *sleeper(void *arg)
{
	uint64_t task = (uint64_t)(uintptr_t)arg;
	for (unsigned turn = 0; turn < BENCH_SLEEPS; turn++)
		if (gt_sleep(bench_sleep_ns(task, turn)) != 0)
			bench_fail("gt_sleep", 0);
	ended++;
	return NULL;
}

static void sleepers(uint64_t tasks)
{
	static const gt_spawn_opts_t detached = {.size = sizeof detached, .flags = GT_SPAWN_DETACHED};
	int64_t start = bench_now();
	for (uint64_t index = 0; index < tasks; index++)
		if (gt_spawn_with(sleeper, (void *)(uintptr_t)index, &detached) < 0)
			bench_fail("gt_spawn_with", 0);
	while (ended < tasks)
		gt_sleep(1000000);
	bench_report_sleepers(start, tasks);
}

static void *long_sleeper(void *arg)
{
	gt_sleep(INT64_C(3600) * 1000000000 + bench_sleep_ns((uint64_t)(uintptr_t)arg, 0) * 1000);
	return NULL;
}

/* Sends its partner's wait to its end each time; the wait's own timer is set before and cancelled by that. */
static void *waker(void *arg)
{
	int64_t waiter = *(int64_t *)arg;
	while (partner_left != 0) {
		gt_unpark(waiter);
		gt_yield();
	}
	return NULL;
}

static void *waiter(void *arg)
{
	uint64_t left = *(uint64_t *)arg;
	for (uint64_t index = 0; index < left; index++)
		if (gt_park_until(gt_now() + INT64_C(1800) * 1000000000 + bench_sleep_ns(index, 1)) != 0)
			bench_fail("gt_park_until", 0);
	partner_left = 0;
	return NULL;
}

static void timer_cancel(uint64_t operations, uint64_t armed)
{
	uint64_t plan[2] = {operations / 20 + 1, operations};
	for (uint64_t index = 0; index < armed; index++)
		if (gt_spawn(long_sleeper, (void *)(uintptr_t)index) < 0)
			bench_fail("gt_spawn", 0);
	gt_sleep(1000000);
	for (int pass = 0; pass < 2; pass++) {
		partner_left = 1;
		int64_t start = bench_now();
		partner = gt_spawn(waiter, &plan[pass]);
		int64_t other = gt_spawn(waker, &partner);
		if (partner < 0 || other < 0 || gt_join(partner, NULL) != 0 || gt_join(other, NULL) != 0)
			bench_fail("gt_spawn", 0);
		if (pass == 1)
			bench_report(start, operations);
	}
	bench_sum(operations);
	fflush(stdout);
	_exit(0);
}

int main(int argc, char **argv)
{
	const char *row = argc > 1 ? argv[1] : "";
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;

	if (strcmp(row, "sleepers") == 0)
		sleepers(count);
	else if (strcmp(row, "timer-cancel") == 0)
		timer_cancel(count, argc > 3 ? strtoull(argv[3], NULL, 10) : 0);
	else
		bench_fail("row", 0);
	fflush(stdout);
	_exit(0);
}
