/* The yardstick of the echo and HTTP rows: an epoll loop with nothing on top. Each connection is registered once,
 * edge-triggered; a short read says that the socket is empty, so no read is made only to be told EAGAIN.
 * Two system calls a request (recv, send) and a share of one epoll_wait. Prints "port N", serves until killed.
 * usage: raw-echo [http]: with a word it does not look at what came and says the same thing each time: an answer of HTTP. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../c/bench.h"

enum { EVENTS = 512 };

static const char hello[] = "HTTP/1.1 200 OK\r\nDate: Fri, 27 Nov 2026 08:25:24 GMT\r\nServer: greenrt\r\n"
			    "Content-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world!";
static int http;

/* Reads until a short read, and sends back what came. 64-byte requests never fill a socket's send buffer; a peer
 * that does not read its answers is closed. Returns 0 when the connection is over. */
static int serve(int fd)
{
	char buffer[4096];
	for (;;) {
		ssize_t length = recv(fd, buffer, sizeof buffer, 0);
		if (length < 0)
			return errno == EAGAIN;
		if (length == 0)
			return 0;
		const char *answer = http ? hello : buffer;
		size_t size = http ? sizeof hello - 1 : (size_t)length;
		if (send(fd, answer, size, MSG_NOSIGNAL) != (ssize_t)size)
			return 0;
		if ((size_t)length < sizeof buffer)
			return 1;
	}
}

static void accept_all(int poller, int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.fd = fd};
		if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0)
			bench_fail("epoll_ctl", errno);
	}
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int poller = epoll_create1(EPOLL_CLOEXEC);

	(void)argv;
	http = argc > 1;
	if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1024) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &length) != 0)
		bench_fail("listen", errno);
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = listener};
	if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) != 0)
		bench_fail("epoll_ctl", errno);
	printf("port %d\n", ntohs(address.sin_port));
	fflush(stdout);
	for (;;) {
		int count = epoll_wait(poller, events, EVENTS, -1);
		for (int index = 0; index < count; index++) {
			int fd = events[index].data.fd;
			if (fd == listener)
				accept_all(poller, listener);
			else if (!serve(fd))
				close(fd);
		}
	}
}
