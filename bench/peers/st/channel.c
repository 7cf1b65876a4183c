/* state-threads: what its condition variables make of a channel. Every item is a number, and the receiver adds them up. */
#include <st.h>

#include "channel.h"

enum { ROOM = 128 };

/* A ring with two conditions; with room for one item it is the cheapest hand-over from thread to thread. */
struct ring {
	uint64_t items[ROOM];
	unsigned room, first, held;
	st_cond_t filled, emptied;
};

static struct ring there, back;
static uint64_t count, sum;

static void make(struct ring *ring, unsigned room)
{
	*ring = (struct ring){.room = room, .filled = st_cond_new(), .emptied = st_cond_new()};
}

static inline void put(struct ring *ring, uint64_t item)
{
	while (ring->held == ring->room)
		st_cond_wait(ring->emptied);
	ring->items[(ring->first + ring->held++) & (ROOM - 1)] = item;
	if (ring->held == 1)
		st_cond_signal(ring->filled);
}

static inline uint64_t take(struct ring *ring)
{
	while (ring->held == 0)
		st_cond_wait(ring->filled);
	uint64_t item = ring->items[ring->first];
	ring->first = (ring->first + 1) & (ROOM - 1);
	if (ring->held-- == ring->room)
		st_cond_signal(ring->emptied);
	return item;
}

static void *answer(void *arg)
{
	for (uint64_t left = count; left != 0; left--)
		put(&back, take(&there));
	return arg;
}

static void *ask(void *arg)
{
	for (uint64_t index = 0; index < count; index++) {
		put(&there, index);
		sum += take(&back);
	}
	return arg;
}

static void *produce(void *arg)
{
	for (uint64_t index = 0; index < count; index++)
		put(&there, index);
	return arg;
}

static void *consume(void *arg)
{
	for (uint64_t left = count; left != 0; left--)
		sum += take(&there);
	return arg;
}

void channel(int buffered, uint64_t operations)
{
	uint64_t plan[2] = {operations / 20 + 1, operations};
	make(&there, buffered ? ROOM : 1);
	make(&back, 1);
	for (int pass = 0; pass < 2; pass++) {
		int64_t start = bench_now();
		count = plan[pass];
		sum = 0;
		st_thread_t one = st_thread_create(buffered ? produce : answer, NULL, 1, STACK);
		st_thread_t other = st_thread_create(buffered ? consume : ask, NULL, 1, STACK);
		st_thread_join(one, NULL);
		st_thread_join(other, NULL);
		if (pass == 1)
			bench_report(start, operations);
	}
	bench_sum(sum);
}
