// Every template of greenrt.hpp, instantiated in full, members that nobody calls included.
#include <greenrt.hpp>
#include <greenrt.hpp>

#include <shared_mutex>
#include <string>

using namespace std::chrono_literals;

struct only_movable {
  only_movable(only_movable &&) = default;
  only_movable &operator=(only_movable &&) = default;
};
struct plain {
  int a;
  double b;
};
struct never_assigned {
  explicit never_assigned(int n) : number(n) {}
  never_assigned(never_assigned &&) = default;
  const int number;
};

template class greenrt::task<>;
template class greenrt::task<int>;
template class greenrt::task<int &>;
template class greenrt::task<const std::string>;
template class greenrt::task<only_movable>;
template class greenrt::task<never_assigned>;
template class greenrt::channel<plain>;
template class greenrt::channel<int>;
template class greenrt::generator<int>;
template class greenrt::generator<std::string>;
template class greenrt::task_local<std::string>;
template class greenrt::detail::parcel<only_movable>;
template class greenrt::detail::parcel<never_assigned>;
template class greenrt::detail::parcel<std::unique_ptr<plain>>;

static_assert(!std::is_copy_constructible_v<greenrt::task<int>> && std::is_nothrow_move_constructible_v<greenrt::task<int>>);
static_assert(!std::is_move_constructible_v<greenrt::mutex> && !std::is_move_constructible_v<greenrt::channel<int>>);
static_assert(std::is_nothrow_move_assignable_v<greenrt::socket> && !std::is_copy_constructible_v<greenrt::socket>);
static_assert(std::is_base_of_v<std::system_error, greenrt::cancelled>);
static_assert(std::is_convertible_v<std::chrono::hours, greenrt::deadline>);
static_assert(std::is_convertible_v<std::chrono::steady_clock::time_point, greenrt::deadline>);
static_assert(!std::is_convertible_v<std::chrono::system_clock::time_point, greenrt::deadline>);
static_assert(!std::is_convertible_v<int64_t, greenrt::deadline>, "a number of what?");

void use();
void use() {
  greenrt::channel<only_movable> moved(1);
  greenrt::channel<never_assigned> fixed(1, greenrt::shared);
  greenrt::event event;
  greenrt::semaphore semaphore(1);
  std::error_code ec;
  fixed.send(never_assigned(1), ec, 1s);
  fixed.try_send(never_assigned(2));
  for (auto &item : fixed) static_cast<void>(item.number);
  auto task = greenrt::spawn_with(greenrt::spawn_options(), [](only_movable) {}, *moved.recv());
  greenrt::select(greenrt::on_recv(moved, [](std::optional<only_movable>) {}), greenrt::on_event(event, [] {}),
                  greenrt::on_end(task, [] {}), greenrt::on_acquire(semaphore, [] {}), greenrt::on_fd(0, 1, [](int) {}));
  greenrt::select_until(1s, greenrt::on_send(fixed, never_assigned(3), [] {}));
  greenrt::try_select(greenrt::on_recv(fixed, [](auto) {}));
  greenrt::offload_until(1s, [] { return 1; });
  greenrt::spawn_any([] {}).detach();
  greenrt::spawn_on(0, [] { return 1; }).join();
  greenrt::shared_mutex shared;
  const std::shared_lock<greenrt::shared_mutex> lock(shared, 1ms);
  greenrt::mutex mutex;
  greenrt::condition_variable condition;
  std::unique_lock<greenrt::mutex> locked(mutex, 1ms);
  condition.wait_for(locked, 1ms, [] { return true; });
  greenrt::once once;
  once.call([](int, const std::string &) {}, 1, "x");
  greenrt::scope scope;
  scope.spawn([](only_movable &&) { return 1; }, *moved.recv());
}
