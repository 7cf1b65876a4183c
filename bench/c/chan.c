/* greenrt's channels, on the public header only. Every item is a number, 0 to COUNT - 1, and the receiver adds them up.
 * usage: chan chan-round|chan-item|chan-shared|chan-cross|select8|select8-wait COUNT */
#include <greenrt.h>

#include "bench.h"

enum { ROOM = 128, ARMS = 8, ARM_ROOM = 16 };

static gt_chan_t *there, *back, *many[ARMS];
static uint64_t count, sum;

static void must(const char *what, int64_t result)
{
	if (result < 0)
		bench_fail(what, (long)result);
}

static void *answer(void *arg)
{
	uint64_t item;
	for (uint64_t left = count; left != 0; left--) {
		must("gt_chan_recv", gt_chan_recv(there, &item));
		must("gt_chan_send", gt_chan_send(back, &item));
	}
	return arg;
}

static void *ask(void *arg)
{
	uint64_t item;
	for (uint64_t index = 0; index < count; index++) {
		must("gt_chan_send", gt_chan_send(there, &index));
		must("gt_chan_recv", gt_chan_recv(back, &item));
		sum += item;
	}
	return arg;
}

static void *produce(void *arg)
{
	for (uint64_t index = 0; index < count; index++)
		must("gt_chan_send", gt_chan_send(there, &index));
	return arg;
}

static void *consume(void *arg)
{
	uint64_t item, total = 0;
	for (uint64_t left = count; left != 0; left--) {
		must("gt_chan_recv", gt_chan_recv(there, &item));
		total += item;
	}
	sum = total;
	return arg;
}

static void *produce_many(void *arg)
{
	for (uint64_t index = 0; index < count; index++)
		must("gt_chan_send", gt_chan_send(many[index % ARMS], &index));
	return arg;
}

static void *consume_many(void *arg)
{
	uint64_t items[ARMS], total = 0;
	gt_select_arm_t arms[ARMS];
	memset(arms, 0, sizeof arms);
	for (int index = 0; index < ARMS; index++) {
		arms[index].kind = GT_SELECT_RECV;
		arms[index].object = many[index];
		arms[index].item = &items[index];
	}
	for (uint64_t left = count; left != 0; left--) {
		int won = gt_select(arms, ARMS);
		must("gt_select", won);
		total += items[won];
	}
	sum = total;
	return arg;
}

static gt_chan_t *make(gt_chan_t *chan)
{
	if (chan == NULL)
		bench_fail("gt_chan_new", 0);
	return chan;
}

/* Two tasks, on the workers if there are any; a short pass first. */
static void both(void *(*one)(void *), void *(*other)(void *), uint64_t operations)
{
	uint64_t plan[2] = {operations / 20 + 1, operations};
	for (int pass = 0; pass < 2; pass++) {
		int64_t ids[2], start = bench_now();
		int apart = gt_workers_count() == 2;
		count = plan[pass];
		sum = 0;
		must("gt_spawn", ids[0] = apart ? gt_spawn_on(0, one, NULL) : gt_spawn(one, NULL));
		must("gt_spawn", ids[1] = apart ? gt_spawn_on(1, other, NULL) : gt_spawn(other, NULL));
		for (int index = 0; index < 2; index++)
			must("gt_join", gt_join(ids[index], NULL));
		if (pass == 1)
			bench_report(start, operations);
	}
	bench_sum(sum);
}

static void with_many(size_t room, uint64_t operations)
{
	for (int index = 0; index < ARMS; index++)
		many[index] = make(gt_chan_new(sizeof(uint64_t), room));
	both(produce_many, consume_many, operations);
}

int main(int argc, char **argv)
{
	const char *row = argc > 1 ? argv[1] : "";
	uint64_t operations = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;

	if (strcmp(row, "chan-round") == 0) {
		there = make(gt_chan_new(sizeof(uint64_t), 0));
		back = make(gt_chan_new(sizeof(uint64_t), 0));
		both(answer, ask, operations);
	} else if (strcmp(row, "chan-item") == 0) {
		there = make(gt_chan_new(sizeof(uint64_t), ROOM));
		both(produce, consume, operations);
	} else if (strcmp(row, "chan-shared") == 0) {
		there = make(gt_chan_new_shared(sizeof(uint64_t), ROOM));
		both(produce, consume, operations);
	} else if (strcmp(row, "chan-cross") == 0) {
		must("gt_workers_start", gt_workers_start(2, NULL));
		there = make(gt_chan_new_shared(sizeof(uint64_t), ROOM));
		both(produce, consume, operations);
		must("gt_workers_stop", gt_workers_stop());
	} else if (strcmp(row, "select8") == 0) {
		with_many(ARM_ROOM, operations);
	} else if (strcmp(row, "select8-wait") == 0) {
		with_many(0, operations);
	} else {
		bench_fail("row", 0);
	}
	return 0;
}
