/* The load generator of the Flask-SocketIO row: N clients over WebSockets, each with one event of 64 bytes under way, on one core.
 * Every answer is compared with what was sent. It takes the same arguments, and says the same, as load.c.
 *
 * usage: events PORT CONNECTIONS SECONDS WARM_UP_SECONDS SERVER_PID */
#define _GNU_SOURCE
#include <sys/epoll.h>

#include "load.h"

enum { SIZE = 64, ROOM = 16384, EVENTS = 512, FIN_TEXT = 0x81, MASKED = 0x80, SHORT = 125 };

struct connection {
	int fd;
	size_t have;
	uint64_t number;
	char sent[128];
	char got[ROOM];
};

static uint64_t answered, wrong;

static void say(struct connection *connection, const char *text)
{
	static const unsigned char mask[4] = {0x3c, 0x71, 0x0f, 0xe2};
	unsigned char frame[6 + SHORT];
	size_t length = strlen(text);
	frame[0] = FIN_TEXT;
	frame[1] = (unsigned char)(MASKED | length);
	memcpy(frame + 2, mask, sizeof mask);
	for (size_t index = 0; index < length; index++)
		frame[6 + index] = (unsigned char)text[index] ^ mask[index % 4];
	if (send(connection->fd, frame, 6 + length, MSG_NOSIGNAL) != (ssize_t)(6 + length))
		bench_fail("send", errno);
}

static void receive(struct connection *connection, int flags)
{
	ssize_t length = recv(connection->fd, connection->got + connection->have, ROOM - connection->have, flags);
	if (length < 0 && errno == EAGAIN)
		return;
	if (length <= 0)
		bench_fail("recv: the server hung up", errno);
	connection->have += (size_t)length;
}

static void drop(struct connection *connection, size_t length)
{
	connection->have -= length;
	memmove(connection->got, connection->got + length, connection->have);
}

/* Copies a whole frame's text out of what has come; 0 if there is none yet. */
static int next_text(struct connection *connection, char *text, size_t room)
{
	const unsigned char *bytes = (const unsigned char *)connection->got;
	size_t head = 2, length;
	if (connection->have < 2)
		return 0;
	length = bytes[1];
	if (length == 126) {
		head = 4;
		if (connection->have < head)
			return 0;
		length = (size_t)bytes[2] << 8 | bytes[3];
	}
	if (bytes[0] != FIN_TEXT || length > SHORT + (head == 4 ? 4000U : 0U) || length >= room)
		bench_fail("a frame that is not expected", bytes[0]);
	if (connection->have < head + length)
		return 0;
	memcpy(text, bytes + head, length);
	text[length] = '\0';
	drop(connection, head + length);
	return 1;
}

static void expect(struct connection *connection, const char *beginning)
{
	char text[4200];
	while (!next_text(connection, text, sizeof text))
		receive(connection, 0);
	if (strncmp(text, beginning, strlen(beginning)) != 0)
		bench_fail("the server said something else than expected", text[0]);
}

/* Handshake, and the connection of the namespace. */
static void enter(struct connection *connection, uint16_t port)
{
	static const char request[] = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
				      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
				      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
	char *end;
	connection->fd = load_dial(port);
	if (send(connection->fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)(sizeof request - 1))
		bench_fail("send", errno);
	do {
		receive(connection, 0);
		end = memmem(connection->got, connection->have, "\r\n\r\n", 4);
	} while (end == NULL);
	if (memcmp(connection->got, "HTTP/1.1 101", 12) != 0)
		bench_fail("no WebSocket", 0);
	drop(connection, (size_t)(end + 4 - connection->got));
	expect(connection, "0{");
	say(connection, "40");
	expect(connection, "40{");
}

static void ask(struct connection *connection)
{
	connection->number++;
	snprintf(connection->sent, sizeof connection->sent, "42[\"echo\",\"%0*llx\"]", SIZE,
		 (unsigned long long)(connection->number * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)connection->fd));
	say(connection, connection->sent);
}

static void answer(struct connection *connection, int go)
{
	char text[4200];
	receive(connection, MSG_DONTWAIT);
	while (next_text(connection, text, sizeof text)) {
		if (strcmp(text, "2") == 0) {
			say(connection, "3");
			continue;
		}
		answered++;
		if (strcmp(text, connection->sent) != 0)
			wrong++;
		if (go)
			ask(connection);
	}
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
			answer(&connections[events[index].data.u32], go);
	}
}

int main(int argc, char **argv)
{
	if (argc != 6)
		bench_fail("usage: events PORT CONNECTIONS SECONDS WARM_UP PID", argc);
	unsigned count = (unsigned)atoi(argv[2]);
	int64_t window = (int64_t)(atof(argv[3]) * 1e9);
	int64_t warm_up = (int64_t)(atof(argv[4]) * 1e9);
	int pid = atoi(argv[5]);
	int poller = epoll_create1(EPOLL_CLOEXEC);
	struct connection *connections = calloc(count, sizeof *connections);

	for (unsigned index = 0; index < count; index++) {
		struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
		enter(&connections[index], (uint16_t)atoi(argv[1]));
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
