// Boost.Context's bare switch, and Boost.Fiber with its round-robin scheduler.
// usage: boost bare|yield2|yield1000|spawn|memory|chan-round|chan-item|mutex COUNT
#include <boost/context/fiber.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <boost/fiber/all.hpp>
#include <chrono>
#include <csignal>
#include <string>
#include <vector>

#include "../../c/bench.h"

namespace fibers = boost::fibers;

static void bare(uint64_t switches)
{
	namespace context = boost::context;
	context::fiber partner([](context::fiber &&caller) {
		for (;;)
			caller = std::move(caller).resume();
		return std::move(caller);
	});
	for (uint64_t index = 0; index < switches / 20; index++)
		partner = std::move(partner).resume();
	int64_t start = bench_now();
	for (uint64_t index = 0; index < switches / 2; index++)
		partner = std::move(partner).resume();
	bench_report(start, switches / 2 * 2);
}

static fibers::fiber spawn(void (*entry)(uint64_t), uint64_t arg)
{
	return fibers::fiber(std::allocator_arg, boost::context::fixedsize_stack(64 * 1024), entry, arg);
}

static void yields(unsigned count, uint64_t operations)
{
	for (uint64_t rounds : {operations / count / 20 + 1, operations / count}) {
		std::vector<fibers::fiber> members;
		int64_t start = bench_now();
		for (unsigned index = 0; index < count; index++)
			members.push_back(spawn(
			    [](uint64_t left) {
				    while (left-- != 0)
					    boost::this_fiber::yield();
			    },
			    rounds));
		for (auto &member : members)
			member.join();
		if (rounds == operations / count)
			bench_report(start, rounds * count);
	}
}

static void spawns(uint64_t operations)
{
	for (uint64_t rounds : {operations / 20 + 1, operations}) {
		int64_t start = bench_now();
		for (uint64_t index = 0; index < rounds; index++)
			spawn([](uint64_t) {}, 0).join();
		if (rounds == operations)
			bench_report(start, rounds);
	}
}

static uint64_t started, made;

// The library asserts when a guard cannot be made, which is an abort: say first how far it came.
static void at_abort(int)
{
	fprintf(stderr, "failed after %llu fibers\n", (unsigned long long)made);
	_Exit(1);
}

static void parked(uint64_t count)
{
	std::signal(SIGABRT, at_abort);
	struct bench_memory before = bench_memory();
	for (; made < count; made++)
		// With a guard page, as greenrt's stacks have.
		fibers::fiber(std::allocator_arg, boost::context::protected_fixedsize_stack(64 * 1024), [] {
			started += bench_use_frames() != 0;
			boost::this_fiber::sleep_for(std::chrono::hours(1));
		}).detach();
	while (started < count)
		boost::this_fiber::sleep_for(std::chrono::milliseconds(1));
	bench_report_memory(before, count);
	fflush(stdout);
	_Exit(0);
}

// The capacity has to be a power of two, and the channel holds one item less.
static uint64_t buffered(uint64_t count)
{
	fibers::buffered_channel<uint64_t> there(128);
	uint64_t sum = 0;
	fibers::fiber producer(std::allocator_arg, boost::context::fixedsize_stack(64 * 1024), [&] {
		for (uint64_t index = 0; index < count; index++)
			there.push(index);
	});
	for (uint64_t left = count; left != 0; left--)
		sum += there.value_pop();
	producer.join();
	return sum;
}

static uint64_t rounds_there_and_back(uint64_t count)
{
	fibers::unbuffered_channel<uint64_t> there, back;
	uint64_t sum = 0;
	fibers::fiber partner(std::allocator_arg, boost::context::fixedsize_stack(64 * 1024), [&] {
		for (uint64_t left = count; left != 0; left--)
			back.push(there.value_pop());
	});
	for (uint64_t index = 0; index < count; index++) {
		there.push(index);
		sum += back.value_pop();
	}
	partner.join();
	return sum;
}

static uint64_t mutex(uint64_t count)
{
	fibers::mutex lock;
	volatile uint64_t held = 0;
	for (uint64_t left = count; left != 0; left--) {
		lock.lock();
		held = held + 1;
		lock.unlock();
	}
	return held;
}

static void measured(uint64_t (*pass)(uint64_t), uint64_t operations)
{
	pass(operations / 20 + 1);
	int64_t start = bench_now();
	uint64_t sum = pass(operations);
	bench_report(start, operations);
	bench_sum(sum);
}

int main(int argc, char **argv)
{
	std::string row = argc > 1 ? argv[1] : "";
	uint64_t count = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0;

	if (row == "bare")
		bare(count);
	else if (row == "yield2")
		yields(2, count);
	else if (row == "yield1000")
		yields(1000, count);
	else if (row == "spawn")
		spawns(count);
	else if (row == "memory")
		parked(count);
	else if (row == "chan-round")
		measured(rounds_there_and_back, count);
	else if (row == "chan-item")
		measured(buffered, count);
	else if (row == "mutex")
		measured(mutex, count);
	else
		bench_fail("row", 0);
	return 0;
}
