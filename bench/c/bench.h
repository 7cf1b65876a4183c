/* What the C and C++ benchmark programs share: the clock, the report lines that run.py reads, and the memory counters.
 * Every program takes a row name and a number of operations, and prints lines of "name value". */
#ifndef GREENRT_BENCH_H
#define GREENRT_BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct bench_memory {
	long rss;
	long pte;
};

static inline int64_t bench_now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static inline void bench_report(int64_t start, uint64_t operations)
{
	printf("ns_per_op %.3f\n", (double)(bench_now() - start) / (double)operations);
	fflush(stdout);
}

/* Resident bytes and page-table bytes of this process. */
static inline struct bench_memory bench_memory(void)
{
	struct bench_memory memory = {0, 0};
	char line[256];
	FILE *status = fopen("/proc/self/status", "r");
	if (status == NULL)
		abort();
	while (fgets(line, sizeof line, status) != NULL) {
		if (strncmp(line, "VmRSS:", 6) == 0)
			memory.rss = strtol(line + 6, NULL, 10) * 1024;
		if (strncmp(line, "VmPTE:", 6) == 0)
			memory.pte = strtol(line + 6, NULL, 10) * 1024;
	}
	fclose(status);
	return memory;
}

static inline void bench_report_memory(struct bench_memory before, uint64_t count)
{
	struct bench_memory now = bench_memory();
	printf("count %llu\n", (unsigned long long)count);
	printf("rss_per_task %.1f\n", (double)(now.rss - before.rss) / (double)count);
	printf("pte_per_task %.1f\n", (double)(now.pte - before.pte) / (double)count);
	fflush(stdout);
}

/* Uses 1 KiB of the caller's stack, as every parked task of the memory rows does. */
__attribute__((noinline, unused)) static unsigned bench_use_frames(void)
{
	volatile unsigned char bytes[1024];
	unsigned sum = 0;
	for (unsigned index = 0; index < sizeof bytes; index++)
		bytes[index] = (unsigned char)index;
	for (unsigned index = 0; index < sizeof bytes; index++)
		sum += bytes[index];
	return sum;
}

static inline void bench_fail(const char *what, long code)
{
	fprintf(stderr, "%s failed: %ld\n", what, code);
	exit(1);
}

#endif
