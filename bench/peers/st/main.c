/* state-threads: threads that hand over to each other, spawn + join, parked threads, and an echo server.
 * usage: st yield2|yield1000|spawn|memory|chan-round|chan-item COUNT, or st echo */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <st.h>
#include <sys/socket.h>

#include "channel.h"

static uint64_t rounds, started;
static unsigned members;
static st_cond_t *turns;

/* The library has no yield, and a sleep of 0 goes through its timer heap and a poll: a ring of threads, each waking the next
 * and waiting for its own turn, is its cheapest hand-over. */
static void *member(void *arg)
{
	unsigned self = (unsigned)(uintptr_t)arg;
	unsigned next = (self + 1) % members;
	for (uint64_t left = rounds; left != 0; left--) {
		st_cond_signal(turns[next]);
		if (left != 1)
			st_cond_wait(turns[self]);
	}
	return NULL;
}

static void yields(unsigned count, uint64_t operations)
{
	uint64_t plan[2] = {operations / count / 20 + 2, operations / count};
	st_thread_t *threads = calloc(count, sizeof *threads);
	turns = calloc(count, sizeof *turns);
	members = count;
	for (unsigned index = 0; index < count; index++)
		turns[index] = st_cond_new();
	for (int pass = 0; pass < 2; pass++) {
		int64_t start = bench_now();
		rounds = plan[pass];
		/* Started in order, so that only the last one's first wake finds its successor waiting: one turn goes round. */
		for (unsigned index = 0; index < count; index++)
			if ((threads[index] = st_thread_create(member, (void *)(uintptr_t)index, 1, STACK)) == NULL)
				bench_fail("st_thread_create", errno);
		for (unsigned index = 0; index < count; index++)
			st_thread_join(threads[index], NULL);
		if (pass == 1)
			bench_report(start, rounds * count);
	}
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
			st_thread_t thread = st_thread_create(nothing, NULL, 1, STACK);
			if (thread == NULL)
				bench_fail("st_thread_create", errno);
			st_thread_join(thread, NULL);
		}
		if (pass == 1)
			bench_report(start, operations);
	}
}

static void *sleeper(void *arg)
{
	started += bench_use_frames() != 0;
	st_sleep(3600);
	return arg;
}

static void parked(uint64_t count)
{
	struct bench_memory before = bench_memory();
	for (uint64_t index = 0; index < count; index++)
		if (st_thread_create(sleeper, NULL, 0, STACK) == NULL) {
			fprintf(stderr, "st_thread_create failed after %llu threads\n", (unsigned long long)index);
			exit(1);
		}
	while (started < count)
		st_usleep(1000);
	bench_report_memory(before, count);
	exit(0);
}

static void *serve(void *arg)
{
	st_netfd_t peer = arg;
	char buffer[4096];
	ssize_t length;
	while ((length = st_read(peer, buffer, sizeof buffer, ST_UTIME_NO_TIMEOUT)) > 0)
		if (st_write(peer, buffer, (size_t)length, ST_UTIME_NO_TIMEOUT) != length)
			break;
	st_netfd_close(peer);
	return NULL;
}

static void echo(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1024) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &length) != 0)
		bench_fail("listen", errno);
	st_netfd_t door = st_netfd_open_socket(listener);
	printf("port %d\n", ntohs(address.sin_port));
	fflush(stdout);
	for (;;) {
		st_netfd_t peer = st_accept(door, NULL, NULL, ST_UTIME_NO_TIMEOUT);
		if (peer == NULL || st_thread_create(serve, peer, 0, STACK) == NULL)
			bench_fail("st_accept", errno);
	}
}

int main(int argc, char **argv)
{
	const char *row = argc > 1 ? argv[1] : "";
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;

	st_set_eventsys(ST_EVENTSYS_ALT); /* epoll */
	if (st_init() != 0)
		bench_fail("st_init", errno);
	if (strcmp(row, "yield2") == 0)
		yields(2, count);
	else if (strcmp(row, "yield1000") == 0)
		yields(1000, count);
	else if (strcmp(row, "spawn") == 0)
		spawns(count);
	else if (strcmp(row, "memory") == 0)
		parked(count);
	else if (strcmp(row, "chan-round") == 0)
		channel(0, count);
	else if (strcmp(row, "chan-item") == 0)
		channel(1, count);
	else if (strcmp(row, "echo") == 0)
		echo();
	else
		bench_fail("row", 0);
	return 0;
}
