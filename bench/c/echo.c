/* greenrt's echo server: one task per connection, on the public header only. Prints "port N", serves until killed. */
#include <greenrt.h>

#include <netinet/in.h>

#include "bench.h"

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buffer[4096];
	ssize_t length;

	while ((length = gt_recv(fd, buffer, sizeof buffer, 0)) > 0)
		if (gt_send_all(fd, buffer, (size_t)length, 0, NULL) < 0)
			break;
	gt_close(fd);
	return NULL;
}

int main(void)
{
	static const gt_spawn_opts_t detached = {.size = sizeof detached, .flags = GT_SPAWN_DETACHED};
	struct sockaddr_in address;
	socklen_t length = sizeof address;
	int listener = gt_listen_tcp("127.0.0.1", 0, 1024);

	if (listener < 0)
		bench_fail("gt_listen_tcp", listener);
	if (getsockname(listener, (struct sockaddr *)&address, &length) != 0)
		bench_fail("getsockname", 0);
	printf("port %d\n", ntohs(address.sin_port));
	fflush(stdout);
	for (;;) {
		int fd = gt_accept(listener, NULL, NULL);
		if (fd < 0)
			bench_fail("gt_accept", fd);
		int64_t id = gt_spawn_with(serve, (void *)(intptr_t)fd, &detached);
		if (id < 0)
			bench_fail("gt_spawn_with", (long)id);
	}
}
