/* What the load generators share: how they connect, the CPU time of a process, and how they are told to go on. */
#ifndef GREENRT_LOAD_H
#define GREENRT_LOAD_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "../c/bench.h"

/* Some servers say their port before they listen. */
enum { LOAD_TRIES = 500, LOAD_PAUSE_US = 20000 };

/* A blocking connection, without delays. */
static inline int load_dial(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int tries = 0; connect(fd, (struct sockaddr *)&address, sizeof address) != 0; tries++) {
		if (errno != ECONNREFUSED || tries == LOAD_TRIES)
			bench_fail("connect", errno);
		usleep(LOAD_PAUSE_US);
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

/* CPU time of all threads of a process, in nanoseconds. */
static inline uint64_t load_cpu_time(int pid)
{
	char path[300];
	uint64_t sum = 0;
	snprintf(path, sizeof path, "/proc/%d/task", pid);
	DIR *folder = opendir(path);
	if (folder == NULL)
		return 0;
	for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
		unsigned long long spent = 0;
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, entry->d_name);
		FILE *file = fopen(path, "r");
		if (file != NULL) {
			if (fscanf(file, "%llu", &spent) == 1)
				sum += spent;
			fclose(file);
		}
	}
	closedir(folder);
	return sum;
}

static inline void load_wait_for_line(void)
{
	char byte = 0;
	fflush(stdout);
	while (byte != '\n')
		if (read(STDIN_FILENO, &byte, 1) != 1)
			exit(0);
}

/* A measured window: what was done in it, and what the server and this program took for it. */
struct load_window {
	int64_t start;
	uint64_t spent, own;
};

static inline struct load_window load_begin(int pid)
{
	struct load_window window = {.spent = load_cpu_time(pid), .own = load_cpu_time(getpid())};
	window.start = bench_now();
	return window;
}

static inline void load_report(struct load_window window, int pid, uint64_t requests)
{
	int64_t taken = bench_now() - window.start;
	uint64_t spent = load_cpu_time(pid) - window.spent, own = load_cpu_time(getpid()) - window.own;
	printf("requests %llu\n", (unsigned long long)requests);
	printf("req_per_s %.0f\n", (double)requests * 1e9 / (double)taken);
	printf("cpu_ns_per_req %.1f\n", (double)spent / (double)requests);
	printf("load_ns_per_req %.1f\n", (double)own / (double)requests);
}

#endif
