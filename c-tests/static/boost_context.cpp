// A program that uses Boost.Context beside the runtime: a fiber of Boost inside each of several tasks, both kinds of switch interleaved.
#include <greenrt.h>

#include <boost/context/fiber.hpp>
#include <cstdio>

namespace ctx = boost::context;

static void *count(void *arg) {
  int *total = static_cast<int *>(arg);
  ctx::fiber fiber{[total](ctx::fiber &&back) {
    for (int i = 0; i < 500; i++) {
      ++*total;
      back = std::move(back).resume();
    }
    return std::move(back);
  }};
  for (int i = 0; i < 500; i++) {
    fiber = std::move(fiber).resume();
    ++*total;
    if (gt_yield() != 0) return nullptr;
  }
  fiber = std::move(fiber).resume(); // lets it end
  return fiber ? nullptr : arg;
}

int main() {
  int totals[4] = {0, 0, 0, 0};
  int64_t tasks[4];
  for (int i = 0; i < 4; i++) {
    gt_spawn_opts_t opts = {};
    opts.size = sizeof opts;
    opts.stack_size = 256 * 1024;
    tasks[i] = gt_spawn_with(count, &totals[i], &opts);
  }
  for (int i = 0; i < 4; i++) {
    void *result = nullptr;
    if (gt_join(tasks[i], &result) != 0 || result != &totals[i] || totals[i] != 1000) return 1;
  }
  std::printf("both switch\n");
  return 0;
}
