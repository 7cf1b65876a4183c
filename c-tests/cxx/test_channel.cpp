// Channels of any movable type, and select over them and the rest.
#include "cxx.hpp"

#include <poll.h>
#include <unistd.h>
#include <vector>

namespace gt = greenrt;

TEST(cxx_channel_carries_what_is_trivially_copyable_as_it_is) {
  struct point {
    short x;
    double y;
  };
  gt::channel<point> points(2);
  points.send({1, 1.5});
  const point second{2, 2.5};
  points.send(second);
  CHECK_EQ(points.size(), 2);
  CHECK_EQ(points.capacity(), 2);
  CHECK_EQ(points.recv()->x, 1);
  CHECK(points.try_recv()->y == 2.5);
  CHECK(!points.try_recv());
}

TEST(cxx_channel_carries_what_can_only_be_moved) {
  gt::channel<std::unique_ptr<int>> pointers;
  gt::channel<counted> things(4);
  gt::channel<std::string> texts; // short ones point into themselves
  auto sender = gt::spawn([&] {
    pointers.send(std::make_unique<int>(1));
    for (int i = 0; i < 3; i++) things.send(counted(i));
    texts.send("short");
    texts.send(std::string(100, 'x'));
  });
  CHECK_EQ(**pointers.recv(), 1);
  CHECK_STR(texts.recv()->c_str(), "short");
  CHECK_EQ(texts.recv()->size(), 100);
  for (int i = 0; i < 3; i++) CHECK_EQ(things.recv()->number(), i);
  sender.join();
  CHECK_EQ(counted::living, 0);
}

TEST(cxx_channel_destroys_what_nobody_received) {
  {
    gt::channel<counted> things(8);
    gt::channel<std::shared_ptr<counted>> shared(8);
    gt::channel<std::unique_ptr<counted>> pointers(8);
    for (int i = 0; i < 5; i++) {
      things.send(counted(i));
      shared.send(std::make_shared<counted>(i));
      pointers.send(std::make_unique<counted>(i));
    }
    CHECK_EQ(counted::living, 15);
  }
  CHECK_EQ(counted::living, 0);
}

TEST(cxx_channel_destroys_what_nobody_received_in_a_cancelled_task_too) {
  for (int way = 0; way < 2; way++) {
    auto owner = gt::spawn([] {
      gt::channel<counted> things(8);
      gt::channel<std::unique_ptr<counted>> pointers(8, gt::shared);
      for (int i = 0; i < 5; i++) {
        things.send(counted(i));
        pointers.send(std::make_unique<counted>(i));
      }
      gt::this_task::park();
    });
    s_settle();
    CHECK_EQ(counted::living, 10);
    if (way) owner.interrupt(1);
    owner.cancel();
    CHECK_THROWS(gt::cancelled, owner.join());
    CHECK_EQ(counted::living, 0);
  }
}

TEST(cxx_channel_that_goes_sends_its_tasks_away) {
  auto *numbers = new gt::channel<int>;
  auto sender = gt::spawn([numbers] { numbers->send(1); });
  gt::this_task::yield();
  delete numbers;
  CHECK_THROWS(gt::closed, sender.join());
}

TEST(cxx_channel_gives_back_what_it_did_not_send) {
  gt::channel<std::unique_ptr<int>> pointers;
  gt::channel<counted> things;
  auto pointer = std::make_unique<int>(1);
  counted thing(2);
  std::error_code ec;
  CHECK(!pointers.try_send(std::move(pointer)));
  CHECK_EQ(*pointer, 1);
  CHECK_THROWS(gt::timed_out, things.send(std::move(thing), 1ms));
  CHECK_EQ(thing.number(), 2);
  things.send(std::move(thing), ec, 1ms);
  CHECK(ec == std::errc::timed_out);
  CHECK_EQ(thing.number(), 2);
  things.close();
  CHECK_THROWS(gt::closed, things.send(std::move(thing)));
  CHECK_ERROR(EPIPE, things.try_send(std::move(thing)));
  CHECK_EQ(thing.number(), 2);
  auto task = gt::spawn([&] {
    CHECK_THROWS(gt::cancelled, pointers.send(std::move(pointer)));
    CHECK_EQ(*pointer, 1);
  });
  gt::this_task::yield();
  task.cancel();
  task.join();
}

TEST(cxx_channel_is_received_until_it_is_closed) {
  gt::channel<std::string> words;
  auto sender = gt::spawn([&words] {
    for (const char *word : {"a", "b", "c"}) words.send(word);
    words.close();
    words.close(); // twice is fine
  });
  std::string all;
  for (const std::string &word : words) all += word;
  CHECK_STR(all.c_str(), "abc");
  CHECK(!words.recv());
  std::error_code ec;
  CHECK(!words.recv(ec));
  CHECK(ec == std::errc::broken_pipe);
  CHECK(!words.try_recv(ec));
  CHECK(ec == std::errc::broken_pipe);
  CHECK(!words.try_recv());
  words.send("x", ec);
  CHECK(ec == std::errc::broken_pipe);
  sender.join();
}

TEST(cxx_channel_waits_with_a_deadline) {
  gt::channel<int> numbers;
  std::error_code ec;
  CHECK_THROWS(gt::timed_out, numbers.recv(1ms));
  CHECK(!numbers.recv(ec, std::chrono::steady_clock::now()));
  CHECK(ec == std::errc::timed_out);
  CHECK(!numbers.try_recv(ec));
  CHECK(ec == std::errc::resource_unavailable_try_again);
  CHECK(!numbers.try_send(1));
  auto receiver = gt::spawn([&numbers] { return *numbers.recv(10s); });
  gt::this_task::yield();
  CHECK(numbers.try_send(5));
  CHECK_EQ(receiver.join(), 5);
}

TEST(cxx_channel_moves_batches) {
  gt::channel<int> numbers(4);
  const int out[] = {1, 2, 3, 4, 5, 6};
  int in[8];
  std::error_code ec;
  CHECK_EQ(numbers.send_many(out, 6, ec, 1ms), 4);
  CHECK(ec == std::errc::timed_out);
  CHECK_EQ(numbers.recv_many(in, 8), 4);
  CHECK_EQ(in[3], 4);
  CHECK_THROWS(gt::timed_out, numbers.recv_many(in, 8, 1ms));
  numbers.close();
  CHECK_EQ(numbers.recv_many(in, 8), 0);
}

static void *send_from_a_thread(void *arg) {
  auto &things = *static_cast<gt::channel<counted> *>(arg);
  for (int i = 0; i < 100; i++) things.send(counted(i));
  things.close();
  CHECK_EQ(gt_shutdown(), 0);
  return nullptr;
}

TEST(cxx_channel_shared_crosses_threads) {
  gt::channel<counted> things(3, gt::shared);
  pthread_t thread = s_thread(send_from_a_thread, &things);
  int expected = 0;
  for (const counted &thing : things) CHECK_EQ(thing.number(), expected++);
  CHECK_EQ(expected, 100);
  s_thread_join(thread);
  CHECK_EQ(counted::living, 0);
}

static void *misuse_from_a_thread(void *arg) {
  auto &numbers = *static_cast<gt::channel<int> *>(arg);
  CHECK_ERROR(EXDEV, numbers.send(1));
  CHECK_ERROR(EXDEV, numbers.recv());
  CHECK_ERROR(EXDEV, numbers.try_recv());
  CHECK_ERROR(EXDEV, numbers.close());
  CHECK_ERROR(EXDEV, numbers.size());
  CHECK_EQ(gt_shutdown(), 0);
  return nullptr;
}

TEST(cxx_channel_of_another_thread_says_so) {
  gt::channel<int> numbers;
  s_thread_join(s_thread(misuse_from_a_thread, &numbers));
  CHECK_ERROR(EOVERFLOW, gt::channel<int>(SIZE_MAX));
}

TEST(cxx_select_does_the_case_that_is_ready) {
  gt::channel<std::string> words(1);
  gt::channel<counted> things(1);
  gt::event event;
  gt::semaphore units(0);
  int fds[2];
  s_pipe(fds, 0);
  auto never = gt::spawn([] { gt::this_task::park(); });
  std::string seen;
  auto round = [&] {
    return gt::select_until(
        gt::deadline::at_ns(0), gt::on_recv(words, [&](std::optional<std::string> word) { seen += word ? *word : "closed"; }),
        gt::on_recv(things, [&](std::optional<counted> thing) { seen += std::to_string(thing->number()); }),
        gt::on_event(event, [&] { seen += "event"; }), gt::on_acquire(units, [&] { seen += "unit"; }),
        gt::on_fd(fds[0], POLLIN, [&](int revents) { seen += revents & POLLIN ? "fd" : "?"; }), gt::on_end(never, [&] { seen += "end"; }));
  };
  CHECK(!round());
  words.send("word");
  CHECK_EQ(*round(), 0);
  things.send(counted(7));
  CHECK_EQ(*round(), 1);
  event.set();
  CHECK_EQ(*round(), 2);
  event.clear();
  units.release();
  CHECK_EQ(*round(), 3);
  CHECK_EQ(units.value(), 0);
  CHECK_EQ(write(fds[1], "x", 1), 1);
  CHECK_EQ(*round(), 4);
  char c;
  CHECK_EQ(read(fds[0], &c, 1), 1);
  CHECK_EQ(gt_unpark(never.id()), 0);
  s_settle();
  CHECK_EQ(*round(), 5);
  never.join();
  CHECK_STR(seen.c_str(), "word7eventunitfdend");
  s_close_pair(fds);
  CHECK_EQ(counted::living, 0);
}

TEST(cxx_select_sends_or_keeps) {
  gt::channel<counted> full, open(1);
  const size_t chosen = gt::select(gt::on_send(full, counted(1), [] { FAIL("nobody receives"); }), gt::on_send(open, counted(2), [] {}));
  CHECK_EQ(chosen, 1);
  CHECK_EQ(counted::living, 1); // what was not sent went with its case
  CHECK_EQ(open.recv()->number(), 2);
  CHECK(!gt::try_select(gt::on_send(full, counted(3), [] {})));
  CHECK(gt::try_select(gt::on_send(open, counted(4), [] {})));
  open.close();
  CHECK_THROWS(gt::closed, gt::select(gt::on_send(open, counted(5), [] {})));
  open.recv();
  bool told = false;
  gt::select(gt::on_recv(open, [&told](std::optional<counted> thing) { told = !thing; }));
  CHECK(told);
  CHECK_EQ(counted::living, 0);
}

TEST(cxx_select_ends_by_deadline_cancel_and_errors) {
  gt::channel<int> numbers;
  auto nothing = [](std::optional<int>) {};
  CHECK(!gt::select_until(1ms, gt::on_recv(numbers, nothing)));
  auto task = gt::spawn([&] { gt::select(gt::on_recv(numbers, nothing)); });
  gt::this_task::yield();
  task.cancel();
  CHECK_THROWS(gt::cancelled, task.join());
  {
    const gt::deadline_scope scope(1ms);
    CHECK_THROWS(gt::timed_out, gt::select_until(1h, gt::on_recv(numbers, nothing)));
  }
  CHECK_ERROR(EBADF, gt::select(gt::on_fd(-1, POLLIN, [] {})));
  gt::task<> none;
  CHECK_ERROR(ESRCH, gt::select(gt::on_end(none, [] {})));
  numbers.close();
  CHECK_THROWS(int, gt::select(gt::on_recv(numbers, [](std::optional<int>) { throw 1; }))); // an action's own
}
