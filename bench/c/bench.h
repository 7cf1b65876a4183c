/* What the C and C++ benchmark programs share: the clock, the report lines that run.py reads, and the memory counters.
 * Every program takes a row name and a number of operations, and prints lines of "name value". */
#ifndef GREENRT_BENCH_H
#define GREENRT_BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* How often each task of the row "sleepers" sleeps, and the longest sleep. */
enum { BENCH_SLEEPS = 10, BENCH_LONGEST_SLEEP = 1000000000 };

/* The file of the row "pread". */
enum { BENCH_PAGES = 256, BENCH_PAGE = 4096 };

struct bench_memory {
	long rss;
	long pte;
};

static inline void bench_fail(const char *what, long code)
{
	fprintf(stderr, "%s failed: %ld\n", what, code);
	exit(1);
}

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

/* What the operations came to: the harness knows what it has to be. */
static inline void bench_sum(uint64_t sum)
{
	printf("sum %llu\n", (unsigned long long)sum);
	fflush(stdout);
}

/* The length of one sleep, from its numbers alone, so that every library's tasks sleep the same (the finaliser of
 * splitmix64, Steele, Lea and Flood 2014). */
static inline int64_t bench_sleep_ns(uint64_t task, uint64_t turn)
{
	uint64_t mixed = (task * BENCH_SLEEPS + turn + 1) * UINT64_C(0x9e3779b97f4a7c15);
	mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (int64_t)((mixed ^ (mixed >> 31)) % BENCH_LONGEST_SLEEP);
}

/* What a request of the workers rows costs to answer. */
__attribute__((noinline, unused)) static void bench_work(uint64_t rounds)
{
	volatile uint64_t kept;
	uint64_t state = 1;
	while (rounds-- != 0) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
	}
	kept = state;
	(void)kept;
}

/* CPU seconds of the process, and by how much the last task was later than the longest row of sleeps. */
__attribute__((unused)) static void bench_report_sleepers(int64_t start, uint64_t tasks)
{
	int64_t wall = bench_now() - start, longest = 0, all = 0;
	struct rusage used;
	getrusage(RUSAGE_SELF, &used);
	for (uint64_t task = 0; task < tasks; task++) {
		int64_t total = 0;
		for (unsigned turn = 0; turn < BENCH_SLEEPS; turn++)
			total += bench_sleep_ns(task, turn);
		all += total;
		longest = total > longest ? total : longest;
	}
	printf("cpu_s %.3f\n", (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
				    (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
	printf("overrun_s %.3f\nslept_s %.0f\n", (double)(wall - longest) / 1e9, (double)all / 1e9);
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

/* A file without a name whose pages, all in the page cache, begin with their numbers. */
__attribute__((unused)) static int bench_file(void)
{
	FILE *file = tmpfile();
	if (file == NULL)
		bench_fail("tmpfile", 0);
	for (uint64_t page = 0; page < BENCH_PAGES; page++) {
		uint64_t words[BENCH_PAGE / sizeof page] = {page};
		if (fwrite(words, sizeof words, 1, file) != 1)
			bench_fail("fwrite", 0);
	}
	if (fflush(file) != 0)
		bench_fail("fflush", 0);
	return fileno(file);
}

/* What one read adds to the sum: its number, if the page is the one that was asked for. */
static inline uint64_t bench_page_read(uint64_t index, uint64_t found)
{
	return index - index % BENCH_PAGES + found;
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

#endif
