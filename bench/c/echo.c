/* greenrt's echo server: one task per connection, on the public header only. Prints "port N", serves until killed.
 * usage: echo [WORKERS [ROUNDS]]: the connections are dealt out to so many workers; each request has so many rounds of work. */
#include <greenrt.h>

#include <netinet/in.h>

#include "bench.h"

static uint64_t rounds;

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buffer[4096];
	ssize_t length;

	while ((length = gt_recv(fd, buffer, sizeof buffer, 0)) > 0) {
		bench_work(rounds);
		if (gt_send_all(fd, buffer, (size_t)length, 0, NULL) < 0)
			break;
	}
	gt_close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	static const gt_spawn_opts_t detached = {.size = sizeof detached, .flags = GT_SPAWN_DETACHED};
	struct sockaddr_in address;
	socklen_t length = sizeof address;
	int workers = argc > 1 ? atoi(argv[1]) : 0;
	int listener = gt_listen_tcp("127.0.0.1", 0, 1024);

	rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	if (workers != 0 && gt_workers_start((unsigned)workers, NULL) != workers)
		bench_fail("gt_workers_start", 0);

	if (listener < 0)
		bench_fail("gt_listen_tcp", listener);
	if (getsockname(listener, (struct sockaddr *)&address, &length) != 0)
		bench_fail("getsockname", 0);
	printf("port %d\n", ntohs(address.sin_port));
	fflush(stdout);
	for (int turn = 0;; turn++) {
		int fd = gt_accept(listener, NULL, NULL);
		if (fd < 0)
			bench_fail("gt_accept", fd);
		void *arg = (void *)(intptr_t)fd;
		int64_t id = workers != 0 ? gt_spawn_on_with(turn % workers, serve, arg, &detached)
					  : gt_spawn_with(serve, arg, &detached);
		if (id < 0)
			bench_fail("gt_spawn_with", (long)id);
	}
}
