/* The load generator of the echo and HTTP rows: N connections, each with one message of SIZE bytes under way, on one core.
 * Every answer is compared with what was sent, and each message differs from the one before it. The CPU time of the server,
 * and of this program, is read from /proc at both ends of the measured window.
 *
 * usage: load PORT CONNECTIONS SECONDS WARM_UP_SECONDS SERVER_PID [ws | http]
 * With "ws" the connections are WebSockets, and each message is a binary one. With "http" the messages are requests of HTTP, and
 * the answers are looked at instead: status and body.
 * It connects, says "ready" and waits for a line on stdin; runs; prints "name value" lines and "done"; and waits for a second
 * line before it hangs up, so that whoever counts the server's system calls can attach and detach in between. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "load.h"

enum { SIZE = 64, WORDS = SIZE / 8, EVENTS = 512, ANSWER = 512 };

static const char request[] = "GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nUser-Agent: load\r\n\r\n";
static const char status[] = "HTTP/1.1 200 OK\r\n", body[] = "\r\n\r\nHello, world!";
static int http;

/* What stands before a message: nothing, or the head of a frame, with a mask on the way there. */
enum { HEAD = 2, MASK = 4 };
static unsigned there, back;

struct connection {
	int fd;
	uint32_t have; /* bytes of the current answer */
	uint64_t number;
	uint64_t sent[WORDS];
	unsigned char got[HEAD + SIZE];
	char text[ANSWER];
};

static uint64_t answered, wrong;

/* The handshake of a WebSocket. */
static void upgrade(int fd)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
	char answer[4096];
	size_t have = 0;

	if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)sizeof request - 1)
		bench_fail("send", errno);
	do {
		ssize_t length = recv(fd, answer + have, sizeof answer - 1 - have, 0);
		if (length <= 0)
			bench_fail("recv: no answer to the handshake", errno);
		have += (size_t)length;
		answer[have] = 0;
	} while (strstr(answer, "\r\n\r\n") == NULL);
	if (strncmp(answer, "HTTP/1.1 101", 12) != 0)
		bench_fail("the server refuses the handshake", 0);
}

static int dial(uint16_t port)
{
	int fd = load_dial(port);

	if (there)
		upgrade(fd);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		bench_fail("fcntl", errno);
	return fd;
}

static void ask(struct connection *connection)
{
	unsigned char frame[HEAD + MASK + SIZE] = {0x82, 0x80 | SIZE};

	connection->number++;
	if (http) {
		connection->have = 0;
		if (send(connection->fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)sizeof request - 1)
			bench_fail("send", errno);
		return;
	}
	for (unsigned index = 0; index < WORDS; index++)
		connection->sent[index] = connection->number * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)connection->fd + index;
	connection->have = 0;
	memcpy(frame + HEAD, connection->sent, MASK); /* any four bytes will do */
	for (unsigned index = 0; index < SIZE; index++)
		frame[HEAD + MASK + index] = ((unsigned char *)connection->sent)[index] ^ frame[HEAD + index % MASK];
	const void *message = there ? (const void *)frame : connection->sent;
	if (send(connection->fd, message, there + SIZE, MSG_NOSIGNAL) != (ssize_t)(there + SIZE))
		bench_fail("send", errno);
}

/* Takes what has come of an answer of HTTP, which ends with the body. */
static void read_answer(struct connection *connection, int go)
{
	ssize_t length = recv(connection->fd, connection->text + connection->have, ANSWER - connection->have, 0);
	if (length < 0 && errno == EAGAIN)
		return;
	if (length <= 0)
		bench_fail("recv: the server hung up, or says too much", errno);
	connection->have += (uint32_t)length;
	if (connection->have < sizeof body - 1 ||
	    memcmp(connection->text + connection->have - (sizeof body - 1), body, sizeof body - 1) != 0)
		return;
	answered++;
	if (memcmp(connection->text, status, sizeof status - 1) != 0)
		wrong++;
	if (go)
		ask(connection);
}

/* Takes what has come; a whole answer is checked and, while `go` is set, followed by the next message. */
static void answer(struct connection *connection, int go)
{
	ssize_t length =
	    recv(connection->fd, connection->got + connection->have, back + SIZE - connection->have, 0);
	if (length < 0 && errno == EAGAIN)
		return;
	if (length <= 0)
		bench_fail("recv: the server hung up", errno);
	connection->have += (uint32_t)length;
	if (connection->have < back + SIZE)
		return;
	answered++;
	if (memcmp(connection->sent, connection->got + back, SIZE) != 0 || (back && memcmp(connection->got, "\x82\x40", HEAD) != 0))
		wrong++;
	if (go)
		ask(connection);
}

/* Answers events until `end`, or, with `go` unset, until nothing is under way any more. */
static void run(int poller, struct connection *connections, int go, int64_t end, uint64_t stop_at)
{
	struct epoll_event events[EVENTS];
	while (go ? bench_now() < end : answered < stop_at) {
		int count = epoll_wait(poller, events, EVENTS, 5000);
		if (count == 0)
			bench_fail("epoll_wait: no answer for 5 s", 0);
		for (int index = 0; index < count; index++)
			(http ? read_answer : answer)(&connections[events[index].data.u32], go);
	}
}

int main(int argc, char **argv)
{
	const char *how = argc == 7 ? argv[6] : "";
	if (argc != 6 && strcmp(how, "ws") != 0 && strcmp(how, "http") != 0)
		bench_fail("usage: load PORT CONNECTIONS SECONDS WARM_UP PID [ws | http]", argc);
	http = strcmp(how, "http") == 0;
	uint16_t port = (uint16_t)atoi(argv[1]);
	unsigned count = (unsigned)atoi(argv[2]);
	int64_t window = (int64_t)(atof(argv[3]) * 1e9);
	int64_t warm_up = (int64_t)(atof(argv[4]) * 1e9);
	int pid = atoi(argv[5]);
	there = *how == 'w' ? HEAD + MASK : 0;
	back = *how == 'w' ? HEAD : 0;
	int poller = epoll_create1(EPOLL_CLOEXEC);
	struct connection *connections = calloc(count, sizeof *connections);

	for (unsigned index = 0; index < count; index++) {
		struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u32 = index};
		connections[index].fd = dial(port);
		if (epoll_ctl(poller, EPOLL_CTL_ADD, connections[index].fd, &event) != 0)
			bench_fail("epoll_ctl", errno);
	}
	puts("ready");
	load_wait_for_line();
	for (unsigned index = 0; index < count; index++)
		ask(&connections[index]);
	run(poller, connections, 1, bench_now() + warm_up, 0);

	uint64_t before = answered;
	struct load_window measured = load_begin(pid);
	run(poller, connections, 1, measured.start + window, 0);
	load_report(measured, pid, answered - before);

	uint64_t asked = 0;
	for (unsigned index = 0; index < count; index++)
		asked += connections[index].number;
	run(poller, connections, 0, 0, asked);
	printf("all_requests %llu\n", (unsigned long long)answered);
	printf("wrong %llu\n", (unsigned long long)wrong);
	puts("done");
	load_wait_for_line();
	return wrong != 0;
}
