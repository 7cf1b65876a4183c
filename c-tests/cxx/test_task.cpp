// Tasks of lambdas: captures, arguments and results of every kind, the handle's end, cancel as an exception.
#include "cxx.hpp"

#include <vector>

namespace gt = greenrt;

TEST(cxx_task_gives_results_of_every_kind) {
  static int there = 7;
  auto number = gt::spawn([] { return 42; });
  auto text = gt::spawn([](const std::string &a, int b) { return a + std::to_string(b); }, "a", 5);
  auto pointer = gt::spawn([] { return std::make_unique<int>(9); });
  auto reference = gt::spawn([]() -> int & { return there; });
  gt::task<> nothing = gt::spawn([] { gt::this_task::yield(); });
  CHECK_EQ(number.join(), 42);
  CHECK_STR(text.join().c_str(), "a5");
  CHECK_EQ(*pointer.join(), 9);
  CHECK(&reference.join() == &there);
  nothing.join();
  CHECK(!nothing.joinable());
}

TEST(cxx_task_takes_captures_and_arguments_as_thread_does) {
  int here = 1;
  auto captured = std::make_unique<int>(2);
  auto argument = std::make_unique<int>(3);
  auto task = gt::spawn(
      [&here, captured = std::move(captured)](std::unique_ptr<int> moved, int &referred) {
        referred = 10;
        return here + *captured + *moved;
      },
      std::move(argument), std::ref(here));
  CHECK_EQ(here, 1); // it has not run yet
  CHECK_EQ(task.join(), 15);
  struct number {
    int add(int n) const { return value + n; }
    int value;
  };
  CHECK_EQ(gt::spawn(&number::add, number{4}, 5).join(), 9);
}

TEST(cxx_task_destroys_its_captures_on_the_task_at_its_end) {
  int64_t where = 0;
  auto log = std::shared_ptr<int>(new int, [&where](int *p) {
    where = gt::this_task::id();
    delete p;
  });
  auto task = gt::spawn([log = std::move(log)] {});
  task.wait();
  CHECK_EQ(where, task.id());
  task.join();
}

TEST(cxx_task_many_are_joined_in_any_order) {
  std::vector<gt::task<size_t>> tasks;
  for (size_t i = 0; i < 1000; i++)
    tasks.push_back(gt::spawn([i] {
      gt::this_task::yield();
      return i;
    }));
  size_t sum = 0;
  for (size_t i = tasks.size(); i-- > 0;) sum += tasks[i].join();
  CHECK_EQ(sum, 499500);
}

TEST(cxx_task_handle_is_moved) {
  gt::task<int> empty;
  CHECK(!empty.joinable());
  auto first = gt::spawn([] { return 1; });
  const int64_t id = first.id();
  gt::task<int> second(std::move(first));
  CHECK(!first.joinable()); // NOLINT: a moved-from handle is empty, and says so
  CHECK_EQ(second.id(), id);
  second = gt::spawn([] { return 2; }); // the first task is cancelled and waited for
  CHECK_EQ(gt_cancel(id), -ESRCH);
  CHECK_EQ(second.join(), 2);
}

TEST(cxx_task_without_a_task_says_so) {
  gt::task<> none;
  CHECK_ERROR(EINVAL, none.join());
  CHECK_ERROR(EINVAL, none.detach());
  CHECK_ERROR(ESRCH, none.interrupt(1));
  none.cancel();
}

TEST(cxx_task_destructor_cancels_and_waits) {
  s_log_clear();
  {
    auto task = gt::spawn([] {
      const leaves end{'e'};
      s_log('b');
      gt::this_task::sleep(1h);
      s_log('x');
    });
    gt::this_task::yield();
    s_log('d');
  }
  s_log('o');
  CHECK_STR(s_logged(), "bdeo");
}

TEST(cxx_task_destructor_waits_though_its_own_task_is_cancelled) {
  s_log_clear();
  auto outer = gt::spawn([] {
    const leaves end{'o'};
    auto inner = gt::spawn([] {
      const leaves end_of_inner{'i'};
      try {
        gt::this_task::sleep(1h);
      } catch (const gt::cancelled &) {
        const gt::shield slow;
        gt::this_task::sleep(1ms);
        s_log('c');
        throw;
      }
    });
    gt::this_task::sleep(1h);
  });
  s_settle();
  outer.cancel();
  CHECK_THROWS(gt::cancelled, outer.join());
  CHECK_STR(s_logged(), "cio");
}

TEST(cxx_task_destructor_loses_what_the_task_throws) {
  gt::task<int> task = gt::spawn([]() -> int { throw std::string("lost"); });
  s_settle();
}

TEST(cxx_task_cancel_is_an_exception_that_comes_again) {
  int caught = 0;
  auto task = gt::spawn([&caught] {
    for (int i = 0; i < 3; i++) try {
        gt::this_task::yield();
        gt::this_task::sleep(1h);
      } catch (const gt::cancelled &e) {
        CHECK(e.code() == std::errc::operation_canceled);
        caught++;
      }
    return 5;
  });
  gt::this_task::yield();
  task.cancel();
  CHECK_EQ(task.join(), 5);
  CHECK_EQ(caught, 3);
  task.cancel(); // of nothing
}

TEST(cxx_task_exit_unwinds) {
  s_log_clear();
  auto task = gt::spawn([] {
    const leaves end{'e'};
    gt::this_task::exit();
  });
  CHECK_THROWS(gt::cancelled, task.join());
  CHECK_STR(s_logged(), "e");
}

TEST(cxx_task_ended_by_gt_exit_has_no_result) {
  auto part = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = part;
  auto task = gt::spawn([part = std::move(part)]() -> int {
    gt_exit(nullptr);
    return 1;
  });
  CHECK_ERROR(EOWNERDEAD, task.join());
  CHECK(seen.expired()); // what it had captured goes with the handle
}

TEST(cxx_task_join_ended_early_leaves_the_handle) {
  gt::event go;
  auto slow = gt::spawn([&go] {
    go.wait();
    return 3;
  });
  CHECK_THROWS(gt::timed_out, slow.join(1ms));
  CHECK_THROWS(gt::timed_out, slow.join_until(std::chrono::steady_clock::now()));
  CHECK(!slow.wait_for(1ms));
  CHECK(!slow.wait_until(gt::deadline::at_ns(0)));
  std::error_code ec;
  slow.wait(ec, 1ms);
  CHECK(ec == std::errc::timed_out);
  auto joiner = gt::spawn([&slow] {
    CHECK_THROWS(gt::cancelled, slow.join());
    CHECK(slow.joinable());
  });
  gt::this_task::yield();
  joiner.cancel();
  joiner.join();
  auto disturbed = gt::spawn([&slow] {
    CHECK_THROWS(gt::interrupted, slow.join());
    CHECK(slow.joinable());
  });
  gt::this_task::yield();
  disturbed.interrupt(4);
  disturbed.join();
  go.set();
  CHECK(slow.wait_for(10s));
  slow.wait(ec);
  CHECK(!ec);
  CHECK_EQ(slow.join(), 3);
}

TEST(cxx_task_cannot_join_itself) {
  gt::task<> self;
  self = gt::spawn([&self] { CHECK_ERROR(EDEADLK, self.join()); });
  self.join();
}

TEST(cxx_task_handle_that_goes_on_its_own_task_leaves_it) {
  auto box = std::make_unique<gt::task<counted>>();
  auto *keeps = box.get();
  const int64_t id = (*keeps = gt::spawn([&box] {
    box.reset();
    return counted(1);
  })).id();
  s_settle();
  CHECK_EQ(gt_cancel(id), -ESRCH);
  CHECK_EQ(counted::living, 0); // nor was its result left behind
}

TEST(cxx_task_detached_goes_on_alone) {
  int ran = 0;
  gt::spawn([&ran] {
    gt::this_task::yield();
    ran++;
  }).detach();
  auto ended = gt::spawn([&ran] { ran++; });
  ended.wait();
  ended.detach();
  s_settle();
  CHECK_EQ(ran, 2);
}

static std::string told;

TEST(cxx_task_detached_tells_a_handler_what_it_throws) {
  told.clear();
  auto *before = gt::set_unhandled([](std::exception_ptr thrown) noexcept {
    try {
      std::rethrow_exception(thrown);
    } catch (int number) {
      told += std::to_string(number);
    }
  });
  gt::spawn([] { throw 1; }).detach();
  auto ended = gt::spawn([] { throw 2; });
  ended.wait();
  ended.detach();
  auto quiet = gt::spawn([] { gt::this_task::sleep(1h); });
  quiet.cancel();
  quiet.detach(); // cancelled is nothing to tell
  s_settle();
  CHECK_STR(told.c_str(), "12");
  CHECK(gt::set_unhandled(nullptr) != before);
}

TEST(cxx_task_detached_reports_by_default) {
  static struct s_end end;
  s_child(
      [](void *) {
        gt::spawn([] { throw std::runtime_error("no more tea"); }).detach();
        gt::spawn([] { throw 5; }).detach();
        s_settle();
      },
      nullptr, &end);
  CHECK_EQ(end.status, 0);
  CHECK_STR(end.out, "greenrt: a detached task has ended by an exception: no more tea\n"
                     "greenrt: a detached task has ended by an exception\n");
}

TEST(cxx_task_takes_wishes) {
  gt::spawn_options wishes;
  wishes.name = "reader";
  wishes.stack_size = 256 << 10;
  auto task = gt::spawn_with(wishes, [] {
    char name[32];
    CHECK_EQ(gt_task_name(gt_self(), name, sizeof name), 6);
    CHECK_STR(name, "reader");
    s_use_stack(128);
    gt::this_task::name("writer");
    CHECK_EQ(gt_task_name(gt_self(), name, sizeof name), 6);
    CHECK_STR(name, "writer");
  });
  task.join();
  wishes.stack_size = 1;
  const int here = counted::living;
  CHECK_ERROR(EINVAL, gt::spawn_with(wishes, [part = counted(1)] {}));
  CHECK_EQ(counted::living, here); // what it was to capture is gone
}

TEST(cxx_task_runs_down_at_shutdown_before_its_handle) {
  {
    gt::task<counted> task = gt::spawn([] {
      CHECK_THROWS(gt::cancelled, gt::this_task::sleep(1h));
      return counted(1);
    });
    CHECK_EQ(gt_shutdown(), 0);
    CHECK_ERROR(ESRCH, task.join());
    CHECK_EQ(counted::living, 1);
  }
  CHECK_EQ(counted::living, 0);
}

TEST(cxx_task_parks_until_a_waker_comes) {
  auto sleeper = gt::spawn([] {
    gt::this_task::park();
    CHECK_THROWS(gt::timed_out, gt::this_task::park(1ms));
  });
  {
    gt::waker waker(sleeper.id());
    gt::this_task::yield();
    waker.wake();
    sleeper.join();
    CHECK_ERROR(ESRCH, waker.wake());
  }
  CHECK_ERROR(ESRCH, gt::waker(int64_t{123456789}));
}
