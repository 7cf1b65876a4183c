// A C++17 program on the C header: tasks that add up, started from a vector, with a C++ object living on a task's stack.
#include <greenrt.h>

#include <cstdio>
#include <string>
#include <vector>

namespace {
long sum;

void *add(void *arg) {
  std::string text(64, 'x'); // destroyed when the entry returns
  gt_yield();
  sum += static_cast<long>(reinterpret_cast<intptr_t>(arg)) + static_cast<long>(text.size()) - 64;
  return nullptr;
}

void *throw_and_catch(void *) {
  try {
    gt_yield();
    throw 7;
  } catch (int number) {
    gt_yield();
    return reinterpret_cast<void *>(static_cast<intptr_t>(number));
  }
}
} // namespace

int main() {
  std::vector<int64_t> tasks;
  for (intptr_t i = 0; i < 1000; i++) tasks.push_back(gt_spawn(add, reinterpret_cast<void *>(i)));
  int64_t thrower[3];
  for (int64_t &task : thrower) task = gt_spawn(throw_and_catch, nullptr);
  for (int64_t task : tasks)
    if (gt_join(task, nullptr) != 0) return 1;
  for (int64_t task : thrower) {
    void *result = nullptr;
    if (gt_join(task, &result) != 0 || reinterpret_cast<intptr_t>(result) != 7) return 2;
  }
  std::printf("sum %ld\n", sum);
  return 0;
}
