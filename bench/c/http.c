/* greenrt's HTTP server: one task per connection, on the public header only. Prints "port N", serves until killed. */
#include <greenrt.h>

#include <netinet/in.h>

#include "bench.h"

static void serve(int fd, void *arg)
{
	static const gt_http_header_t type = {"Content-Type", 12, "text/plain", 10};
	gt_http_request_t request = {.size = sizeof request};
	gt_http_conn_t *conn = gt_http_new(fd, NULL);

	(void)arg;
	while (conn != NULL && gt_http_next(conn, &request) == 1)
		if (gt_http_respond(conn, 200, NULL, &type, 1, "Hello, world!", 13) < 0)
			break;
	gt_http_free(conn);
}

int main(void)
{
	struct sockaddr_in address;
	socklen_t length = sizeof address;
	int listener = gt_listen_tcp("127.0.0.1", 0, 1024);

	if (listener < 0)
		bench_fail("gt_listen_tcp", listener);
	if (getsockname(listener, (struct sockaddr *)&address, &length) != 0)
		bench_fail("getsockname", 0);
	printf("port %d\n", ntohs(address.sin_port));
	fflush(stdout);
	return gt_serve(listener, serve, NULL, NULL) < 0;
}
