// What touches the world outside: descriptors and sockets, other OS threads by offload() and workers.
#include "cxx.hpp"

#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

namespace gt = greenrt;

TEST(cxx_socket_serves_by_tcp) {
  auto listener = gt::socket::listen_tcp("127.0.0.1", 0);
  auto server = gt::spawn([&listener] {
    gt::socket peer = listener.accept();
    char buf[64];
    while (const size_t n = peer.recv(buf, sizeof buf)) peer.send_all({buf, n});
  });
  auto client = gt::socket::dial_tcp("localhost", listener.local_port(), 10s);
  client.send_all("hello ");
  CHECK_EQ(client.send("you", 3), 3);
  client.half_close(SHUT_WR);
  std::string heard;
  char buf[4];
  while (const size_t n = client.recv(buf, sizeof buf)) heard.append(buf, n);
  CHECK_STR(heard.c_str(), "hello you");
  server.join();
  client.close();
  CHECK(!client);
}

TEST(cxx_socket_errors) {
  std::error_code ec;
  char c = 0;
  auto listener = gt::socket::listen_tcp("127.0.0.1", 0);
  const uint16_t port = listener.local_port();
  CHECK_ERROR(EADDRINUSE, gt::socket::listen_tcp("127.0.0.1", port));
  CHECK_THROWS(gt::timed_out, listener.accept(1ms));
  CHECK(!listener.accept(ec, 1ms));
  CHECK(ec == std::errc::timed_out);
  listener.reset();
  CHECK_ERROR(ECONNREFUSED, gt::socket::dial_tcp("127.0.0.1", port));
  CHECK(!gt::socket::dial_tcp("127.0.0.1", port, ec));
  CHECK(ec == std::errc::connection_refused);
  CHECK_ERROR(EBADF, listener.close());
  CHECK_ERROR(EBADF, listener.recv(&c, 1));
  CHECK_ERROR(EBADF, listener.local_port());
  CHECK_ERROR(EBADF, gt::fd::adopt(-1));
  CHECK_ERROR(EAFNOSUPPORT, gt::socket(-1, SOCK_STREAM, 0));
  CHECK_ERROR(ENOENT, gt::socket::dial_unix("/nowhere/at/all"));

  int fds[2];
  s_unix_pair(SOCK_STREAM, fds);
  gt::socket a(fds[0]), b(fds[1]);
  CHECK_THROWS(gt::timed_out, a.recv(&c, 1, 1ms));
  CHECK_EQ(a.recv(&c, 1, ec, 1ms), 0);
  CHECK(ec == std::errc::timed_out);
  auto reader = gt::spawn([&a, &c] { a.recv(&c, 1); });
  gt::this_task::yield();
  reader.cancel();
  CHECK_THROWS(gt::cancelled, reader.join());
  CHECK_EQ(b.wait(POLLOUT), POLLOUT);
  CHECK_EQ(b.wait(POLLIN, ec, 1ms), 0);
  CHECK(ec == std::errc::timed_out);
  CHECK_THROWS(gt::timed_out, b.wait(POLLIN, 1ms));
  b.reset();
  CHECK_ERROR(EPIPE, a.send_all("x"));
  CHECK_EQ(a.send_all("x", ec), 0);
  CHECK(ec == std::errc::broken_pipe);
  CHECK_EQ(a.send("x", 1, ec), 0);
  CHECK(ec == std::errc::broken_pipe);
  CHECK_ERROR(EAFNOSUPPORT, a.local_port());
}

TEST(cxx_socket_sends_datagrams_and_speaks_unix) {
  auto a = gt::socket::bind_udp("127.0.0.1", 0), b = gt::socket::bind_udp("127.0.0.1", 0);
  sockaddr_in to{}, from{};
  socklen_t len = sizeof from;
  to.sin_family = AF_INET;
  to.sin_port = htons(b.local_port());
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  char buf[8];
  CHECK_EQ(a.send_to("abc", 3, reinterpret_cast<sockaddr *>(&to), sizeof to), 3);
  CHECK_EQ(b.recv_from(buf, sizeof buf, reinterpret_cast<sockaddr *>(&from), &len, 10s), 3);
  CHECK_EQ(ntohs(from.sin_port), a.local_port());
  a.connect(reinterpret_cast<sockaddr *>(&to), sizeof to);
  CHECK_EQ(a.send("de", 2), 2);
  CHECK_EQ(b.recv(buf, sizeof buf), 2);

  const std::string name = "@greenrt-cxx-" + std::to_string(getpid());
  auto listener = gt::socket::listen_unix(name.c_str());
  auto client = gt::socket::dial_unix(name.c_str());
  auto peer = listener.accept();
  client.send_all("unix");
  CHECK_EQ(peer.recv(buf, sizeof buf), 4);
}

TEST(cxx_fd_reads_writes_and_is_moved) {
  int fds[2];
  std::error_code ec;
  char buf[8];
  s_pipe(fds, 0);
  auto in = gt::fd::adopt(fds[0]);
  gt::fd out(fds[1]), empty;
  CHECK(!empty);
  auto reader = gt::spawn([&] { return in.read(buf, sizeof buf); });
  gt::this_task::yield();
  out.write_all("word");
  CHECK_EQ(reader.join(), 4);
  CHECK_EQ(in.read(buf, sizeof buf, ec, 1ms), 0);
  CHECK(ec == std::errc::timed_out);
  CHECK_EQ(out.write("x", 1, ec), 1);
  CHECK(!ec);
  gt::fd moved(std::move(out));
  empty = std::move(moved);
  CHECK_EQ(empty.get(), fds[1]);
  const int raw = empty.release();
  CHECK_EQ(raw, fds[1]);
  CHECK_EQ(::close(raw), 0);
  CHECK_EQ(in.read(buf, sizeof buf), 1);
  CHECK_EQ(in.read(buf, sizeof buf), 0);
}

TEST(cxx_offload_runs_elsewhere_and_brings_back) {
  const pthread_t here = pthread_self();
  CHECK(gt::offload([here] { return !pthread_equal(here, pthread_self()); }));
  auto other = gt::spawn([] { return 1; });
  auto pointer = gt::offload([part = std::make_unique<int>(5)]() mutable {
    s_real_sleep(2);
    return std::move(part);
  });
  CHECK_EQ(*pointer, 5);
  CHECK_EQ(other.join(), 1);
  CHECK_THROWS(std::string, gt::offload([] { throw std::string("over there"); }));
  gt::offload([] {});
  bool elsewhere = false; // what was captured goes where it was used
  gt::offload([part = std::shared_ptr<int>(new int, [&elsewhere, here](int *p) {
                 elsewhere = !pthread_equal(here, pthread_self());
                 delete p;
               })] {});
  CHECK(elsewhere);
  CHECK_EQ(gt::offload([] { return gt::spawn([] { return 3; }).join(); }), 3);
}

TEST(cxx_offload_owns_what_it_runs_when_nobody_waits_any_more) {
  static std::atomic<int> step;
  step = 0;
  auto held = std::make_shared<int>(7);
  const std::weak_ptr<int> seen = held;
  auto waiter = gt::spawn([&held] {
    gt::offload([held = std::move(held)] {
      step = 1;
      while (step == 1) s_real_sleep(1);
      step = *held;
    });
  });
  while (step == 0) gt::this_task::sleep(1ms);
  waiter.cancel();
  CHECK_THROWS(gt::cancelled, waiter.join());
  CHECK(!seen.expired()); // the call runs on, and has what it was given
  step = 2;
  while (!seen.expired()) gt::this_task::sleep(1ms);
  CHECK_EQ(step, 7);
  CHECK_THROWS(gt::timed_out, gt::offload_until(gt::deadline::at_ns(0), [] { FAIL("too late to begin"); }));
}

TEST(cxx_workers_run_tasks_and_are_joined_from_here) {
  gt::workers workers(2);
  CHECK_EQ(workers.count(), 2);
  CHECK_ERROR(EALREADY, gt::workers(1));
  CHECK_EQ(gt::spawn_on(1, [] { return gt_worker_self(); }).join(), 1);
  CHECK_EQ(gt::spawn_any([](std::unique_ptr<int> n) { return *n + 1; }, std::make_unique<int>(4)).join(), 5);
  CHECK_THROWS(std::string, gt::spawn_on(0, [] { throw std::string("worker 0"); }).join());
  CHECK_ERROR(EINVAL, gt::spawn_on(7, [part = counted(1)] {}));
  CHECK_EQ(counted::living, 0);
  auto sleeper = gt::spawn_any([] { gt::this_task::sleep(1h); });
  CHECK_THROWS(gt::timed_out, sleeper.join(1ms));
  sleeper.cancel();
  CHECK_THROWS(gt::cancelled, sleeper.join());
  workers.stop();
  CHECK_EQ(workers.count(), 0);
  CHECK_ERROR(ESRCH, gt::spawn_any([] {}));
  CHECK_ERROR(ESRCH, workers.stop());
}

TEST(cxx_workers_end_cancels_their_tasks) {
  static std::atomic<int> ended;
  ended = 0;
  gt::task<> left;
  {
    gt::workers workers(2, true);
    for (int i = 0; i < 4; i++)
      gt::spawn_on(i % 2, [] {
        try {
          gt::this_task::sleep(1h);
        } catch (const gt::cancelled &) {
          ended++;
          throw;
        }
      }).detach();
    left = gt::spawn_any([] { gt::this_task::sleep(1h); });
  }
  CHECK_EQ(ended, 4);
  CHECK_THROWS(gt::cancelled, left.join());
  gt::workers again(1);
  gt::spawn_any([] { gt::this_task::sleep(1h); }).detach();
  CHECK_THROWS(gt::timed_out, again.stop(1ms));
  CHECK_EQ(again.count(), 0);
}

TEST_WITH(cxx_workers_task_that_could_not_start_says_so, T_LIMITS, 0) {
  gt_config_t config{};
  config.size = sizeof config;
  config.stack_size = size_t{1} << 30;
  CHECK_EQ(gt_config(&config), 0);
  rlimit before, limit;
  {
    gt::workers workers(1);
    gt::spawn_on(0, [] {}).join();
    CHECK_EQ(getrlimit(RLIMIT_AS, &before), 0);
    limit = before;
    limit.rlim_cur = size_t{64} << 20; // less than is mapped already
    CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
    std::vector<gt::task<>> sleepers; // on the stacks that are mapped
    std::error_code ec;
    while (!ec || ec == std::errc::timed_out) {
      sleepers.push_back(gt::spawn_on(0, [part = counted(1)] { gt::this_task::sleep(1h); }));
      sleepers.back().wait(ec, 10ms);
      CHECK_LT(sleepers.size(), 1000);
    }
    const auto all = static_cast<int>(sleepers.size());
    CHECK(ec == std::errc::not_enough_memory);
    CHECK_ERROR(ESRCH, sleepers.back().join()); // it was told once
    CHECK_EQ(counted::living, all);
    sleepers.pop_back();
    CHECK_EQ(counted::living, all - 1); // what it had captured goes with the handle
    static_cast<void>(gt::spawn_on(0, [part = counted(2)] {})); // one that nobody asks about, too
    CHECK_EQ(counted::living, all - 1);
    CHECK_EQ(setrlimit(RLIMIT_AS, &before), 0);
  }
  CHECK_EQ(counted::living, 0);
}

// Exceptions are kept apart on each worker, and objects cross.
TEST(cxx_workers_handle_exceptions_side_by_side) {
  gt::workers workers(2);
  gt::channel<std::string> words(1, gt::shared);
  std::vector<gt::task<>> tasks;
  for (int i = 0; i < 16; i++)
    tasks.push_back(gt::spawn_on(i % 2, [i, &words] {
      try {
        throw i;
      } catch (int) {
        words.send(std::to_string(i));
        gt::this_task::yield();
        throw;
      }
    }));
  size_t letters = 0;
  for (int i = 0; i < 16; i++) letters += words.recv()->size();
  CHECK_EQ(letters, 22);
  for (int i = 0; i < 16; i++) try {
      tasks[static_cast<size_t>(i)].join();
      FAIL("task %d threw nothing", i);
    } catch (int number) {
      CHECK_EQ(number, i);
    }
}
