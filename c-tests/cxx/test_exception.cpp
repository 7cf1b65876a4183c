// Exceptions belong to tasks: a task blocks while it handles one, or while one passes, and others throw and catch meanwhile.
#include "cxx.hpp"

#include <vector>

namespace gt = greenrt;

TEST(cxx_exception_travels_to_the_join) {
  auto task = gt::spawn([]() -> int { throw std::string("from the task"); });
  try {
    task.join();
    FAIL("nothing was thrown");
  } catch (const std::string &text) {
    CHECK_STR(text.c_str(), "from the task");
  }
  CHECK(!task.joinable());
  CHECK_EQ(std::uncaught_exceptions(), 0);
}

TEST(cxx_exception_of_a_destructor_free_throw_is_copied_by_nobody) {
  struct heavy {
    std::unique_ptr<int> value; // an exception object that cannot be copied
  };
  auto task = gt::spawn([] {
    heavy thrown{std::make_unique<int>(3)};
    throw std::make_shared<heavy>(std::move(thrown));
  });
  try {
    task.join();
  } catch (const std::shared_ptr<heavy> &caught) {
    CHECK_EQ(*caught->value, 3);
  }
}

// Parks in a catch block, as often as asked; then the exception it handles must still be its own.
static void park_while_handling(int number, gt::event &go, int rounds) {
  try {
    throw number;
  } catch (int caught) {
    for (int round = 0; round < rounds; round++) {
      go.wait();
      gt::this_task::yield();
      CHECK_EQ(caught, number);
      try {
        std::rethrow_exception(std::current_exception());
      } catch (int again) {
        CHECK_EQ(again, number);
      }
    }
    throw;
  }
}

TEST(cxx_exception_tasks_that_park_in_catch_blocks_rethrow_their_own) {
  gt::event go;
  std::vector<gt::task<>> tasks;
  for (int i = 0; i < 20; i++) tasks.push_back(gt::spawn([&go, i] { park_while_handling(i, go, 3); }));
  gt::this_task::yield(); // all of them are in their catch blocks now
  CHECK(std::current_exception() == nullptr);
  go.set();
  for (int i = 0; i < 20; i++) { // first in, first out: the stack of caught exceptions would be unwound from the wrong end
    try {
      tasks[static_cast<size_t>(i)].join();
      FAIL("task %d threw nothing", i);
    } catch (int number) {
      CHECK_EQ(number, i);
    }
  }
  CHECK(std::current_exception() == nullptr);
}

TEST(cxx_exception_of_the_root_survives_what_tasks_throw) {
  auto task = gt::spawn([] {
    for (int i = 0; i < 5; i++) try {
        throw i;
      } catch (int) {
        gt::this_task::yield();
      }
  });
  try {
    throw std::string("mine");
  } catch (const std::string &) {
    for (int i = 0; i < 10; i++) gt::this_task::yield();
    try {
      throw;
    } catch (const std::string &text) {
      CHECK_STR(text.c_str(), "mine");
    }
  }
  task.join();
}

TEST(cxx_exception_first_task_is_made_inside_a_catch_block) {
  try {
    throw 8;
  } catch (int) {
    gt::spawn([] {
      CHECK(std::current_exception() == nullptr); // a new task handles nothing
      park_while_handling(9, *std::make_unique<gt::event>(), 0);
    }).wait();
    try {
      throw;
    } catch (int mine) {
      CHECK_EQ(mine, 8);
    }
  }
}

namespace {
// Blocks while an exception passes.
struct waits_at_its_end {
  int depth;
  ~waits_at_its_end() {
    CHECK_EQ(std::uncaught_exceptions(), depth);
    for (int i = 0; i < 3; i++) gt_yield();
    CHECK_EQ(std::uncaught_exceptions(), depth);
    if (depth > 2) return;
    try {
      const waits_at_its_end deeper{depth + 1};
      throw depth;
    } catch (int caught) {
      CHECK_EQ(caught, depth);
    }
    CHECK_EQ(std::uncaught_exceptions(), depth);
  }
};
} // namespace

TEST(cxx_exception_passes_destructors_that_block) {
  std::vector<gt::task<>> tasks;
  for (int i = 0; i < 10; i++)
    tasks.push_back(gt::spawn([i] {
      const waits_at_its_end end{1};
      throw i;
    }));
  for (int i = 0; i < 10; i++) {
    CHECK_EQ(std::uncaught_exceptions(), 0);
    CHECK_THROWS(int, tasks[static_cast<size_t>(i)].join());
  }
}

TEST_WITH(cxx_exception_task_ended_in_a_catch_block_leaves_others_alone, T_FAULTS, 0) { // it leaks the exception
  auto ends = gt::spawn([] {
    try {
      throw 1;
    } catch (int) {
      gt_exit(nullptr); // its exception is never freed, and never seen
    }
  });
  gt::event go;
  auto other = gt::spawn([&go] { park_while_handling(2, go, 1); });
  CHECK_ERROR(EOWNERDEAD, ends.join());
  CHECK(std::current_exception() == nullptr);
  go.set();
  CHECK_THROWS(int, other.join());
}

static void *c_entry(void *arg) {
  park_while_handling(static_cast<int>(reinterpret_cast<intptr_t>(arg)), *std::make_unique<gt::event>(), 0);
  return arg;
}

static void *catches_itself(void *arg) {
  try {
    throw arg;
  } catch (void *) {
    gt_yield();
    try {
      c_entry(arg);
    } catch (int) {
    }
    gt_yield();
    try {
      throw;
    } catch (void *mine) {
      CHECK(mine == arg);
    }
  }
  return arg;
}

TEST(cxx_exception_tasks_of_the_c_functions_are_kept_apart_on_request) {
  int64_t tasks[8];
  gt::attach_exceptions();
  for (size_t i = 0; i < COUNT(tasks); i++) tasks[i] = s_spawn(catches_itself, reinterpret_cast<void *>(i + 1));
  for (int64_t task : tasks) s_join(task);
}

TEST(cxx_exception_cannot_be_kept_where_something_else_is) {
  static int64_t words[2];
  CHECK_EQ(gt_carry(words, sizeof words), 0);
  CHECK_ERROR(EBUSY, gt::attach_exceptions());
  CHECK_ERROR(EBUSY, gt::spawn([] {}));
  CHECK_EQ(gt_carry(nullptr, 0), 0);
  gt::spawn([] {}).join();
}

TEST(cxx_exception_deep_throw_fits_a_small_stack) {
  gt::spawn_options small;
  small.stack_size = 32 << 10;
  auto task = gt::spawn_with(small, [] {
    struct climb {
      static int up(int left) {
        const leaves end{'.'};
        if (left == 0) throw std::runtime_error("top");
        return up(left - 1) + 1;
      }
    };
    return climb::up(50);
  });
  CHECK_THROWS(std::runtime_error, task.join());
}
