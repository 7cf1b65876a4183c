// Scopes, task-local values, generators, deadlines and shields.
#include "cxx.hpp"

#include <vector>

namespace gt = greenrt;

TEST(cxx_scope_waits_for_all) {
  int sum = 0;
  gt::scope scope;
  for (int i = 0; i < 5; i++)
    scope.spawn([&, i] {
      gt::this_task::yield();
      sum += i;
      if (i == 0) scope.spawn([&sum] { sum += 100; });
    });
  CHECK_EQ(scope.size(), 5);
  scope.join();
  CHECK_EQ(sum, 110);
  CHECK_EQ(scope.size(), 0);
  scope.spawn([&sum](std::unique_ptr<int> more) { sum += *more; }, std::make_unique<int>(5));
  scope.join();
  CHECK_EQ(sum, 115);
}

TEST(cxx_scope_first_exception_cancels_the_others_and_is_thrown) {
  int cancelled = 0;
  gt::scope scope;
  for (int i = 0; i < 3; i++)
    scope.spawn([&cancelled] {
      try {
        gt::this_task::sleep(1h);
      } catch (const gt::cancelled &) {
        cancelled++;
        throw std::string("second");
      }
    });
  scope.spawn([] {
    gt::this_task::yield();
    throw std::runtime_error("first");
  });
  CHECK_THROWS(std::runtime_error, scope.join());
  CHECK_EQ(cancelled, 3);
  CHECK_THROWS(std::runtime_error, scope.join()); // it stays the scope's
  CHECK_THROWS(gt::cancelled, scope.spawn([] {}));
}

TEST(cxx_scope_keeps_going_if_it_shall) {
  int ended = 0;
  gt::scope scope(gt::on_error::keep_going);
  scope.spawn([] { throw 1; });
  scope.spawn([&ended] {
    gt::this_task::sleep(2ms);
    ended++;
  });
  CHECK_THROWS(int, scope.join());
  CHECK_EQ(ended, 1);
}

TEST(cxx_scope_end_cancels_and_waits) {
  s_log_clear();
  {
    gt::scope scope;
    const leaves after_nothing{'l'};
    scope.spawn([] {
      const leaves end{'t'};
      gt::this_task::sleep(1h);
    });
    gt::this_task::yield();
  }
  CHECK_STR(s_logged(), "lt");
  CHECK_THROWS(int, [] {
    gt::scope scope;
    scope.spawn([] { gt::this_task::sleep(1h); });
    throw 1;
  }());
}

TEST(cxx_scope_joiner_that_is_cancelled_takes_its_tasks_along) {
  s_log_clear();
  auto owner = gt::spawn([] {
    gt::scope scope;
    scope.spawn([] {
      const leaves end{'c'};
      gt::this_task::sleep(1h);
    });
    scope.join();
  });
  s_settle();
  owner.cancel();
  CHECK_THROWS(gt::cancelled, owner.join());
  CHECK_STR(s_logged(), "c");
}

TEST(cxx_scope_errors) {
  gt::scope scope;
  CHECK_THROWS(gt::timed_out, (scope.spawn([] { gt::this_task::sleep(10ms); }), scope.join(1ms)));
  CHECK_EQ(scope.size(), 1); // its own deadline leaves them running
  const int64_t alone = scope.spawn([] { gt::this_task::sleep(1h); });
  s_settle();
  CHECK_EQ(gt_cancel(alone), 0);
  CHECK_THROWS(gt::cancelled, scope.join()); // one task of it was cancelled, and said so
  gt::scope itself;
  itself.spawn([&itself] { CHECK_ERROR(EDEADLK, itself.join()); });
  itself.join();
  itself.cancel();
  CHECK_THROWS(gt::cancelled, itself.spawn([] {}));
  gt::scope odd;
  CHECK_GT(gt_scope_spawn(odd.native(), [](void *) { return -EDOM; }, nullptr), 0); // a task in C
  CHECK_ERROR(EDOM, odd.join());
}

TEST(cxx_task_local_is_each_tasks_own) {
  gt::task_local<std::string> name;
  CHECK(name.find() == nullptr);
  *name = "root";
  std::vector<gt::task<std::string>> tasks;
  for (char c = 'a'; c < 'd'; c++)
    tasks.push_back(gt::spawn([&name, c] {
      CHECK(name.find() == nullptr);
      name->assign(3, c);
      gt::this_task::yield();
      return *name;
    }));
  CHECK_STR(tasks[0].join().c_str(), "aaa");
  CHECK_STR(tasks[1].join().c_str(), "bbb");
  CHECK_STR(tasks[2].join().c_str(), "ccc");
  CHECK_STR(name.get().c_str(), "root");
  name.reset();
  CHECK(name.find() == nullptr);
}

TEST(cxx_task_local_ends_with_its_task) {
  gt::task_local<counted> slot;
  auto task = gt::spawn([&slot] {
    CHECK_EQ(slot.emplace(1).number(), 1);
    CHECK_EQ(slot.emplace(2).number(), 2); // in place of the first
    CHECK_EQ(counted::living, 1);
    gt::this_task::sleep(1h);
  });
  gt::this_task::yield();
  task.cancel();
  CHECK_THROWS(gt::cancelled, task.join());
  CHECK_EQ(counted::living, 0);
}

TEST(cxx_generator_gives_values_to_a_loop) {
  gt::generator<int> squares([](auto &yield) {
    for (int i = 0; i < 5; i++) yield(i * i);
  });
  int sum = 0;
  for (int square : squares) sum += square;
  CHECK_EQ(sum, 30);
  CHECK(squares.next() == nullptr);
}

TEST(cxx_generator_gives_what_can_only_be_moved_or_changed) {
  gt::generator<std::unique_ptr<int>> pointers([](auto &yield) {
    for (int i = 1; i < 3; i++) yield(std::make_unique<int>(i));
  });
  std::vector<std::unique_ptr<int>> taken;
  for (auto &pointer : pointers) taken.push_back(std::move(pointer));
  CHECK_EQ(taken.size(), 2);
  CHECK_EQ(*taken[1], 2);
  gt::generator<int> asks([](gt::generator<int>::yielder &yield) {
    int value = 1;
    while (value < 100) yield(value); // who asked may change it
  });
  int rounds = 0;
  for (int &value : asks) {
    value *= 3;
    rounds++;
  }
  CHECK_EQ(rounds, 5);
  const std::string word = "w";
  gt::generator<std::string> words([&word](auto &yield) { yield(word); });
  CHECK_STR(words.next()->c_str(), "w");
}

TEST(cxx_generator_throws_what_its_function_throws) {
  gt::generator<int> breaks([](auto &yield) {
    yield(1);
    throw std::string("broken");
  });
  CHECK_EQ(*breaks.next(), 1);
  CHECK_THROWS(std::string, breaks.next());
  CHECK_THROWS(std::string, breaks.next()); // each time
}

TEST(cxx_generator_that_goes_early_unwinds_its_function) {
  s_log_clear();
  {
    gt::generator<int> endless([](auto &yield) {
      const leaves end{'e'};
      for (int i = 0;; i++) yield(i);
    });
    CHECK_EQ(*endless.next(), 0);
    CHECK_EQ(*endless.next(), 1);
    gt::generator<int> moved(std::move(endless));
    CHECK_EQ(*moved.next(), 2);
    CHECK_ERROR(EINVAL, endless.next()); // NOLINT: a moved-from generator is empty, and says so
    s_log('o');
  }
  CHECK_STR(s_logged(), "oe");
  {
    const gt::generator<int> untouched([part = counted(1)](auto &yield) { yield(part.number()); });
    CHECK_EQ(counted::living, 1);
  }
  CHECK_EQ(counted::living, 0);
}

TEST(cxx_generator_may_wait_and_be_waited_for) {
  CHECK_EQ(gt_clock_virtual(0, 0), 0); // the deadline passes before the value comes, however slow the machine
  gt::generator<int> slow([](auto &yield) {
    gt::this_task::sleep(5ms);
    yield(1);
  });
  CHECK_THROWS(gt::timed_out, slow.next(1ms));
  CHECK_EQ(*slow.next(10s), 1); // the value was kept
  gt::generator<int> self([&self](auto &yield) {
    CHECK_ERROR(EDEADLK, self.next());
    yield(1);
  });
  CHECK_EQ(*self.next(), 1);
  gt::generator<int> outer([](auto &yield) {
    gt::generator<int> inner([](auto &give) {
      give(1);
      give(2);
    });
    for (int value : inner) yield(value * 10);
  });
  CHECK_EQ(*outer.next(), 10);
  CHECK_EQ(*outer.next(), 20);
  CHECK(outer.next() == nullptr);
}

TEST(cxx_deadline_scope_ends_what_is_in_it) {
  bool expired = false;
  CHECK_THROWS(gt::timed_out, [] {
    const gt::deadline_scope limit(1ms);
    gt::this_task::sleep(1h);
  }());
  gt::deadline_scope outer(1h);
  {
    gt::deadline_scope inner(1ms);
    CHECK_THROWS(gt::timed_out, gt::this_task::sleep(1h));
    CHECK_ERROR(EINVAL, gt_deadline_pop(0) < 0 ? throw gt::error(EINVAL, "gt_deadline_pop") : 0);
    expired = inner.close();
  }
  CHECK(expired);
  gt::this_task::sleep(1ms);
  CHECK(!outer.close());
}

TEST(cxx_shield_holds_cancel_back) {
  auto task = gt::spawn([] {
    {
      const gt::shield shield;
      gt::this_task::sleep(2ms);
    }
    CHECK_THROWS(gt::cancelled, gt::this_task::yield());
  });
  gt::this_task::yield();
  task.cancel();
  task.join();
}

TEST(cxx_sleep_is_interrupted_and_told) {
  auto task = gt::spawn([] {
    int32_t code = 0;
    CHECK_THROWS(gt::interrupted, gt::this_task::sleep(1h));
    CHECK_EQ(gt_interrupt_take(&code), 0);
    CHECK_EQ(code, 6);
    std::error_code ec;
    gt::this_task::sleep(1h, ec);
    CHECK(ec == std::errc::operation_canceled);
  });
  gt::this_task::yield();
  task.interrupt(6);
  gt::this_task::yield();
  task.cancel();
  task.join();
}

TEST(cxx_deadline_takes_every_duration_and_moment) {
  using gt::deadline;
  CHECK_EQ(deadline().ns(), GT_NEVER);
  CHECK_EQ(deadline(std::chrono::hours::max()).ns(), GT_NEVER);
  CHECK_EQ(deadline(std::chrono::nanoseconds::max()).ns(), GT_NEVER);
  CHECK_EQ(deadline(0s).ns(), 0);
  CHECK_EQ(deadline(-5s).ns(), 0);
  CHECK_EQ(deadline(std::chrono::hours::min()).ns(), 0);
  CHECK_EQ(deadline(std::chrono::steady_clock::time_point::max()).ns(), GT_NEVER);
  CHECK_EQ(deadline(std::chrono::steady_clock::time_point(5ms)).ns(), 5000000);
  CHECK_EQ(deadline::nanoseconds(std::chrono::duration<double>(0.25)), 250000000);
  CHECK_EQ(deadline::nanoseconds(std::chrono::duration<double>(1e300)), GT_NEVER);
  CHECK_EQ(deadline::nanoseconds(std::chrono::duration<double>(-1e300)), INT64_MIN);
  CHECK_EQ(deadline::nanoseconds(std::chrono::duration<int, std::pico>(1)), 1); // never early
  CHECK_EQ(deadline::nanoseconds(std::chrono::duration<long, std::ratio<1, 3>>(1)), 333333334);
  const int64_t before = gt_now();
  const deadline soon(1s);
  CHECK_GE(soon.ns(), before + 1000000000);
  CHECK_LE(soon.ns(), gt_now() + 1000000000);
  /* The two clocks are one. */
  const auto now = std::chrono::steady_clock::now();
  CHECK_GE(gt_now(), deadline(now).ns());
  CHECK_GE(deadline(now).ns(), before);
}
