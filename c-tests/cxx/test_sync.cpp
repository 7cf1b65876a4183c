// Locks and their kin as classes: what the standard's own guards make of them, deadlines, cancel, and each error.
#include "cxx.hpp"

#include <shared_mutex>
#include <vector>

namespace gt = greenrt;

TEST(cxx_mutex_is_what_the_standard_guards_take) {
  gt::mutex mutex, second;
  {
    const std::lock_guard<gt::mutex> guard(mutex);
    CHECK_EQ(gt_mutex_try_lock(mutex.native()), -EDEADLK);
    CHECK(gt::spawn([&mutex] { return !mutex.try_lock(); }).join());
  }
  {
    std::unique_lock<gt::mutex> lock(mutex, std::try_to_lock);
    CHECK(lock.owns_lock());
    CHECK(gt::spawn([&mutex] { return !std::unique_lock<gt::mutex>(mutex, 2ms).owns_lock(); }).join());
    CHECK(gt::spawn([&mutex] {
            return !std::unique_lock<gt::mutex>(mutex, std::chrono::steady_clock::now() + 1ms).owns_lock();
          }).join());
  }
  const std::scoped_lock both(mutex, second);
}

// In every order: with std::lock() three tasks would hand the two to each other for ever.
TEST(cxx_several_locks_are_taken_whatever_their_order) {
  gt::mutex a, b;
  gt::shared_mutex c;
  std::mutex other; // one that knows no tasks, with one of those that do
  int inside = 0, rounds = 0;
  auto alone = [&] {
    CHECK_EQ(++inside, 1);
    gt::this_task::yield();
    inside--;
    rounds++;
  };
  std::vector<gt::task<>> tasks;
  for (int i = 0; i < 12; i++)
    tasks.push_back(gt::spawn([&, i] {
      for (int j = 0; j < 20; j++) switch (i % 4) {
          case 0: {
            const std::scoped_lock all(a, b);
            alone();
            break;
          }
          case 1: {
            const std::scoped_lock all(b, a);
            alone();
            break;
          }
          case 2: {
            const std::scoped_lock all(c, a, b);
            alone();
            break;
          }
          default: {
            gt::lock(b, c, a);
            const std::scoped_lock all(std::adopt_lock, a, b, c);
            alone();
          }
        }
    }));
  for (auto &task : tasks) task.join();
  CHECK_EQ(rounds, 240);
  const std::scoped_lock both(a, other);
}

TEST(cxx_several_locks_give_way_to_who_nests_them_the_other_way) {
  gt::mutex pair[2]; // taken by the order of their addresses
  std::unique_lock second(pair[1]);
  auto both = gt::spawn([&] { const std::scoped_lock all(pair[0], pair[1]); });
  gt::this_task::yield();
  const std::lock_guard first(pair[0]); // that task has it, and waits for the other one
  second.unlock();
  gt::this_task::yield();
  CHECK(both.joinable());
  both.cancel();
  CHECK_THROWS(gt::cancelled, both.join());
  CHECK(pair[1].try_lock()); // it has left none locked
  pair[1].unlock();
}

TEST(cxx_mutex_keeps_tasks_apart_in_order) {
  gt::mutex mutex;
  std::string order;
  std::vector<gt::task<>> tasks;
  for (char c = 'a'; c < 'f'; c++)
    tasks.push_back(gt::spawn([&, c] {
      const std::lock_guard<gt::mutex> guard(mutex);
      order += c;
      gt::this_task::sleep(1ms);
      order += c;
    }));
  for (auto &task : tasks) task.join();
  CHECK_STR(order.c_str(), "aabbccddee");
}

TEST(cxx_mutex_errors) {
  gt::mutex mutex;
  CHECK_ERROR(EPERM, mutex.unlock());
  mutex.lock();
  CHECK_ERROR(EDEADLK, mutex.lock());
  CHECK_ERROR(EDEADLK, mutex.try_lock());
  CHECK_ERROR(EDEADLK, mutex.try_lock_for(1ms));
  auto task = gt::spawn([&mutex] { mutex.lock(); });
  gt::this_task::yield();
  task.cancel();
  CHECK_THROWS(gt::cancelled, task.join());
  auto late = gt::spawn([&mutex] {
    const gt::deadline_scope scope(1ms);
    CHECK_THROWS(gt::timed_out, mutex.lock());
    CHECK_THROWS(gt::timed_out, mutex.try_lock_for(1h)); // the scope's deadline, not its own
  });
  late.join();
  mutex.unlock();
}

TEST(cxx_shared_mutex_is_shared_by_readers) {
  gt::shared_mutex lock;
  {
    const std::shared_lock<gt::shared_mutex> mine(lock);
    CHECK(gt::spawn([&lock] { return std::shared_lock<gt::shared_mutex>(lock, std::try_to_lock).owns_lock(); }).join());
    CHECK(gt::spawn([&lock] { return !lock.try_lock(); }).join());
    CHECK(gt::spawn([&lock] { return !lock.try_lock_for(1ms); }).join());
    CHECK(gt::spawn([&lock] { return !std::unique_lock<gt::shared_mutex>(lock, 1ms).owns_lock(); }).join());
  }
  const std::unique_lock<gt::shared_mutex> mine(lock);
  CHECK(gt::spawn([&lock] { return !lock.try_lock_shared(); }).join());
  CHECK(gt::spawn([&lock] { return !lock.try_lock_shared_for(1ms); }).join());
  CHECK_ERROR(EDEADLK, lock.lock());
  CHECK_ERROR(EDEADLK, lock.lock_shared());
  CHECK_ERROR(EDEADLK, lock.try_lock_shared());
}

TEST(cxx_shared_mutex_errors) {
  gt::shared_mutex lock;
  CHECK_ERROR(EPERM, lock.unlock());
  CHECK_ERROR(EPERM, lock.unlock_shared());
  lock.lock();
  auto reader = gt::spawn([&lock] { lock.lock_shared(); });
  gt::this_task::yield();
  reader.cancel();
  CHECK_THROWS(gt::cancelled, reader.join());
  lock.unlock();
}

TEST(cxx_condition_variable_waits_for_its_predicate) {
  gt::mutex mutex;
  gt::condition_variable changed;
  int value = 0;
  auto waiter = gt::spawn([&] {
    std::unique_lock<gt::mutex> lock(mutex);
    changed.wait(lock, [&] { return value == 3; });
    CHECK(lock.owns_lock());
    CHECK_EQ(gt_mutex_try_lock(mutex.native()), -EDEADLK); // it is ours indeed
    return value;
  });
  for (int i = 0; i < 3; i++) {
    gt::this_task::yield();
    const std::lock_guard<gt::mutex> guard(mutex);
    value++;
    if (i < 2) changed.notify_one();
    else changed.notify_all();
  }
  CHECK_EQ(waiter.join(), 3);
}

TEST(cxx_condition_variable_deadline_and_cancel_leave_the_lock_locked) {
  gt::mutex mutex;
  gt::condition_variable never;
  std::unique_lock<gt::mutex> lock(mutex);
  CHECK(never.wait_for(lock, 1ms) == std::cv_status::timeout);
  CHECK(never.wait_until(lock, std::chrono::steady_clock::now()) == std::cv_status::timeout);
  CHECK(!never.wait_for(lock, 1ms, [] { return false; }));
  CHECK(never.wait_until(lock, gt::deadline::at_ns(0), [] { return true; }));
  lock.unlock();
  auto waiter = gt::spawn([&] {
    std::unique_lock<gt::mutex> own(mutex);
    CHECK_THROWS(gt::cancelled, never.wait(own));
    CHECK(own.owns_lock());
    CHECK_EQ(gt_mutex_try_lock(mutex.native()), -EDEADLK);
  });
  gt::this_task::yield();
  waiter.cancel();
  waiter.join();
  CHECK_ERROR(EPERM, never.wait(lock)); // not locked
}

TEST(cxx_condition_variable_lock_that_was_lost_is_not_unlocked) {
  gt_config_t config{};
  config.size = sizeof config;
  config.deadlock = GT_DEADLOCK_ERROR;
  CHECK_EQ(gt_config(&config), 0);
  gt::mutex mutex;
  gt::condition_variable never;
  auto holder = gt::spawn([&mutex] {
    const std::lock_guard<gt::mutex> guard(mutex);
    gt::this_task::park(); // for ever, as far as anybody knows
  });
  std::unique_lock<gt::mutex> lock(mutex);
  CHECK_ERROR(EDEADLK, never.wait(lock));
  CHECK(!lock.owns_lock());
  CHECK_EQ(gt_unpark(holder.id()), 0);
  holder.join();
}

TEST(cxx_semaphore_counts) {
  gt::semaphore units(2);
  units.acquire();
  CHECK(units.try_acquire());
  CHECK(!units.try_acquire());
  CHECK(!units.try_acquire_for(1ms));
  CHECK_THROWS(gt::timed_out, units.acquire(1ms));
  std::error_code ec;
  units.acquire(ec, 1ms);
  CHECK(ec == std::errc::timed_out);
  auto waiter = gt::spawn([&units] { units.acquire(); });
  gt::this_task::yield();
  units.release(3);
  waiter.join();
  CHECK_EQ(units.value(), 2);
  units.acquire(ec);
  CHECK(!ec);
  CHECK_ERROR(EINVAL, units.release(-1));
  CHECK_ERROR(EOVERFLOW, units.release(INT64_MAX));
  CHECK_ERROR(EINVAL, gt::semaphore(-1));
}

TEST(cxx_event_opens_and_closes) {
  gt::event gate;
  std::error_code ec;
  CHECK(!gate.is_set());
  CHECK(!gate.wait_for(1ms));
  CHECK_THROWS(gt::timed_out, gate.wait(1ms));
  gate.wait(ec, gt::deadline::at_ns(0));
  CHECK(ec == std::errc::timed_out);
  auto waiter = gt::spawn([&gate] { gate.wait(); });
  gt::this_task::yield();
  gate.set();
  waiter.join();
  gate.wait();
  CHECK(gate.wait_until(std::chrono::steady_clock::now()));
  gate.clear();
  CHECK(!gate.is_set());
}

TEST(cxx_wait_group_waits_for_all) {
  gt::wait_group group(2);
  std::error_code ec;
  CHECK(!group.wait_for(1ms));
  CHECK_THROWS(gt::timed_out, group.wait(1ms));
  group.wait(ec, 1ms);
  CHECK(ec == std::errc::timed_out);
  for (int i = 0; i < 2; i++) gt::spawn([&group] { group.done(); }).detach();
  group.wait();
  group.add();
  group.done();
  CHECK_ERROR(EINVAL, group.done());
  CHECK_ERROR(EOVERFLOW, (group.add(INT64_MAX), group.add(1)));
  group.add(-INT64_MAX);
  CHECK(group.wait_until(gt::deadline::at_ns(0)));
  s_settle();
}

TEST(cxx_barrier_lets_all_pass_together) {
  gt::barrier barrier(3);
  int last = 0;
  std::vector<gt::task<>> tasks;
  for (int i = 0; i < 3; i++)
    tasks.push_back(gt::spawn([&] { last += barrier.arrive_and_wait(); }));
  for (auto &task : tasks) task.join();
  CHECK_EQ(last, 1);
  std::error_code ec;
  CHECK(!barrier.arrive_and_wait(ec, 1ms));
  CHECK(ec == std::errc::timed_out);
  CHECK_THROWS(gt::timed_out, barrier.arrive_and_wait(1ms));
  CHECK_ERROR(EINVAL, gt::barrier(0));
}

static int made;
static constexpr auto make_it = [] {
  gt::this_task::yield();
  made++;
};

TEST(cxx_once_is_done_once) {
  gt::once once;
  made = 0;
  std::vector<gt::task<>> tasks;
  for (int i = 0; i < 5; i++)
    tasks.push_back(gt::spawn([&once] {
      once.call(make_it);
      CHECK_EQ(made, 1); // whoever returns finds it done
    }));
  for (auto &task : tasks) task.join();
  CHECK(once.done());
  once.call([](int) { FAIL("done already"); }, 1);
}

TEST(cxx_once_that_throws_is_not_done) {
  gt::once once;
  CHECK_THROWS(int, once.call([] { throw 1; }));
  CHECK(!once.done());
  CHECK_ERROR(EDEADLK, once.call([&once] { once.call([] {}); }));
  int ran = 0;
  once.call([&ran] { ran++; });
  CHECK_EQ(ran, 1);
}

// Constant-initialised: it may be used before any constructor has run. It was never called, so it holds nothing of the library's.
static gt::once untouched;

TEST(cxx_once_may_be_static) { CHECK(!untouched.done()); }

static void *post_from_a_thread(void *arg) {
  auto *event = static_cast<gt::event *>(arg);
  s_real_sleep(2);
  event->set();
  return nullptr;
}

TEST(cxx_event_comes_from_another_thread) {
  gt::event event;
  pthread_t thread = s_thread(post_from_a_thread, &event);
  event.wait();
  s_thread_join(thread);
}

TEST(cxx_object_that_is_waited_for_outlives_its_class) {
  auto *event = new gt::event;
  auto *native = event->native();
  auto waiter = gt::spawn([event] { event->wait(); });
  gt::this_task::yield();
  delete event; // stays allocated in the library: the waiter is still there
  CHECK_EQ(gt_event_set(native), 0);
  waiter.join();
  CHECK_EQ(gt_event_free(native), 0);
}
