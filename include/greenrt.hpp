// greenrt for C++17: tasks that run lambdas, exceptions that travel to the join, and the library's objects as classes that clean up
// after themselves. Header-only, on top of greenrt.h, where the meaning of each verb is told in full; link with greenrt.
//
// Errors. A verb that fails throws greenrt::error, a std::system_error with errno in the generic category; so
// `e.code() == std::errc::operation_canceled` works, and three errors have classes of their own: cancelled (ECANCELED), timed_out
// (ETIMEDOUT), interrupted (EINTR). closed is what a closed channel says to a sender. Forms that take a std::error_code & tell
// the error there and do not throw it.
//
// Time. Where a greenrt::deadline is taken, a duration (from now), a time_point of std::chrono::steady_clock, or nothing (for ever)
// will do. Verbs that end in _for or _until, or begin with try_, say false (or nothing) when their own deadline has passed; all others
// throw timed_out, and so do join_until() and offload_until(), which have a result to give. The deadline of a scope is always thrown.
//
// Cancel. A task that is cancelled gets the exception cancelled from the blocking verb it is in, and from each later one. It unwinds:
// destructors run, and its entry stops it, as it stops every exception: none crosses the C interface. Cancel is sticky, so a
// catch (...) that goes on only gets it again. A destructor that has to block in a cancelled task does so behind a
// greenrt::shield. gt_exit() leaves C++ frames without their destructors: this_task::exit() is for C++.
//
// Exceptions belong to tasks. A task may block inside a catch block, or in a destructor while an exception passes, and meanwhile
// others throw and catch: the first task made by this header on an OS thread asks gt_carry() for that. A program that makes its
// C++ tasks by the C functions alone calls attach_exceptions() on each OS thread first.
//
// Threads. As in greenrt.h: objects that several OS threads may use say so there. A task's handle stays on its home thread,
// unless it came from spawn_on() or spawn_any().
//
// Needs exceptions; does without RTTI. Objects that tasks wait in must outlive the wait: one that is destroyed all the same stays
// allocated in the library, so that those tasks find it.
#ifndef GREENRT_HPP
#define GREENRT_HPP

#include "greenrt.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cxxabi.h>
#include <exception>
#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

#include <netinet/in.h>

#if !defined(__GLIBCXX__) // the other library does not declare it
namespace __cxxabiv1 {
extern "C" struct __cxa_eh_globals *__cxa_get_globals();
}
#endif

namespace greenrt {

// ---- errors

// What a verb that failed throws.
class error : public std::system_error {
public:
  // `code` is -errno or errno; `call` says whose it is.
  error(int code, const char *call) : std::system_error(code < 0 ? -code : code, std::generic_category(), call) {}
};

// The task was cancelled. At a join it may also be the joined task's end: then the handle is empty.
class cancelled : public error {
public:
  explicit cancelled(const char *call) : error(ECANCELED, call) {}
};

// A deadline has passed: the call's own, or that of a scope.
class timed_out : public error {
public:
  explicit timed_out(const char *call) : error(ETIMEDOUT, call) {}
};

// The task was interrupted; gt_interrupt_take() has the code.
class interrupted : public error {
public:
  explicit interrupted(const char *call) : error(EINTR, call) {}
};

// The channel is closed.
class closed : public error {
public:
  explicit closed(const char *call) : error(EPIPE, call) {}
};

namespace detail {

[[noreturn]] inline void raise(int code, const char *call) {
  switch (code) {
  case -ECANCELED: throw cancelled(call);
  case -ETIMEDOUT: throw timed_out(call);
  case -EINTR: throw interrupted(call);
  default: throw error(code, call);
  }
}

// A result that is not an error.
template <class R> R check(R result, const char *call) {
  if (result < 0) raise(static_cast<int>(result), call);
  return result;
}

// The same told by `ec`; an error becomes `otherwise`.
template <class R> R tell(R result, std::error_code &ec, R otherwise = R()) {
  ec.assign(result < 0 ? static_cast<int>(-result) : 0, std::generic_category());
  return result < 0 ? otherwise : result;
}

template <class P> P *made(P *object, const char *call) {
  if (!object) throw error(errno, call);
  return object;
}

template <auto Free> struct freer {
  template <class P> void operator()(P *object) const noexcept { Free(object); }
};

// An object of the library's, freed at the end.
template <class P, auto Free> using owned = std::unique_ptr<P, freer<Free>>;

} // namespace detail

// ---- time

// Until when something is waited for.
class deadline {
public:
  constexpr deadline() noexcept = default; // for ever

  // So long from now.
  template <class R, class P> deadline(const std::chrono::duration<R, P> &wait) noexcept : ns_(from_now(nanoseconds(wait))) {}

  // Then. steady_clock is the library's clock.
  template <class D>
  constexpr deadline(const std::chrono::time_point<std::chrono::steady_clock, D> &then) noexcept
      : ns_(nanoseconds(then.time_since_epoch())) {}

  // As the C functions have it: absolute nanoseconds.
  static constexpr deadline at_ns(int64_t ns) noexcept { return deadline(ns); }

  constexpr int64_t ns() const noexcept { return ns_; }

  // Nanoseconds of a duration, rounded up; what is too long is GT_NEVER.
  template <class R, class P> static constexpr int64_t nanoseconds(const std::chrono::duration<R, P> &wait) noexcept {
    using scale = std::ratio_divide<P, std::nano>;
    constexpr int64_t never = GT_NEVER, least = std::numeric_limits<int64_t>::min();
    if constexpr (std::is_integral_v<R> && scale::den == 1) {
      int64_t ns = 0;
      return __builtin_mul_overflow(wait.count(), scale::num, &ns) ? wait.count() < 0 ? least : never : ns;
    } else {
      const long double exact = static_cast<long double>(wait.count()) * scale::num / scale::den;
      if (!(exact < 9.2e18L)) return never;
      if (exact < -9.2e18L) return least;
      const int64_t whole = static_cast<int64_t>(exact);
      return whole + (static_cast<long double>(whole) < exact ? 1 : 0);
    }
  }

private:
  explicit constexpr deadline(int64_t ns) noexcept : ns_(ns) {}

  static int64_t from_now(int64_t ns) noexcept {
    int64_t then = 0;
    if (ns <= 0) return 0; // try once
    return __builtin_add_overflow(gt_now(), ns, &then) ? GT_NEVER : then;
  }

  int64_t ns_ = GT_NEVER;
};

namespace detail {

// Whether a call has ended by its own deadline. If not, an error is thrown.
inline bool late(int result, deadline until, const char *call) {
  if (result == -ETIMEDOUT && gt_now() >= until.ns()) return true;
  check(result, call);
  return false;
}

} // namespace detail

// ---- what a call gives, and exceptions

// From now on the exceptions of this OS thread's tasks are kept apart. spawn() and its kin do this by themselves.
inline void attach_exceptions() {
  detail::check(gt_carry(abi::__cxa_get_globals(), 16), "gt_carry");
}

using unhandled_handler = void (*)(std::exception_ptr) noexcept;

namespace detail {

inline void report(std::exception_ptr thrown) noexcept {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception &e) {
    std::fprintf(stderr, "greenrt: a detached task has ended by an exception: %s\n", e.what());
  } catch (...) {
    std::fputs("greenrt: a detached task has ended by an exception\n", stderr);
  }
}

inline std::atomic<unhandled_handler> &unhandled() {
  static std::atomic<unhandled_handler> handler{report};
  return handler;
}

inline void nobody_looks(const std::exception_ptr &thrown) noexcept {
  if (!thrown) return;
  try {
    std::rethrow_exception(thrown);
  } catch (const cancelled &) {
    return; // its end was asked for
  } catch (...) {
  }
  unhandled().load()(thrown);
}

// A value, or void, or a reference, or an exception; or nothing yet.
template <class T> class outcome {
  static_assert(!std::is_rvalue_reference_v<T>, "a task cannot give an rvalue reference");
  using kept = std::conditional_t<std::is_void_v<T>, std::tuple<>,
                                  std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T> *, std::remove_cv_t<T>>>;

public:
  template <class F> void run(F &&call) noexcept {
    try {
      if constexpr (std::is_void_v<T>) {
        call();
        value_.emplace();
      } else if constexpr (std::is_reference_v<T>) {
        value_.emplace(std::addressof(call()));
      } else {
        value_.emplace(call());
      }
    } catch (...) {
      thrown_ = std::current_exception();
    }
  }

  T take(const char *call) {
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
    if (!value_) throw error(EOWNERDEAD, call); // it was ended by gt_exit()
    if constexpr (std::is_reference_v<T>) return **value_;
    else if constexpr (!std::is_void_v<T>) return std::move(*value_);
  }

  const std::exception_ptr &thrown() const noexcept { return thrown_; }

private:
  std::optional<kept> value_;
  std::exception_ptr thrown_;
};

// A function and its arguments, kept for later, called once.
template <class F, class... A> class call {
public:
  using result = std::invoke_result_t<std::decay_t<F>, std::decay_t<A>...>;

  template <class G, class... B>
  explicit call(std::in_place_t, G &&function, B &&...args) : parts_(std::in_place, std::forward<G>(function), std::forward<B>(args)...) {}

  result operator()() {
    return std::apply([](auto &...part) -> result { return std::invoke(std::move(part)...); }, *parts_);
  }

  void drop() noexcept { parts_.reset(); }

private:
  std::optional<std::tuple<std::decay_t<F>, std::decay_t<A>...>> parts_;
};

template <class F, class... A> using result_of = typename call<F, A...>::result;

} // namespace detail

// Who hears of exceptions that end a detached task (cancelled is none of them); the default writes a line to stderr. Returns the
// handler from before. It runs on the task.
inline unhandled_handler set_unhandled(unhandled_handler handler) noexcept {
  return detail::unhandled().exchange(handler ? handler : detail::report);
}

// ---- the running task

namespace this_task {

inline int64_t id() { return detail::check(gt_self(), "gt_self"); }

// Lets the other ready tasks run first.
inline void yield() { detail::check(gt_yield(), "gt_yield"); }

// Sleeps so long, or until then.
inline void sleep(deadline until) { detail::check(gt_sleep_until(until.ns()), "gt_sleep"); }
inline void sleep(deadline until, std::error_code &ec) { detail::tell(gt_sleep_until(until.ns()), ec); }

// Waits for the permit that gt_unpark() or a waker gives.
inline void park(deadline until = {}) { detail::check(gt_park_until(until.ns()), "gt_park"); }

inline void name(const char *text) { detail::check(gt_task_set_name(id(), text), "gt_task_set_name"); }

// Ends the running task by unwinding it, as if it had been cancelled here: join() throws cancelled. Not on the root task.
[[noreturn]] inline void exit() { throw cancelled("greenrt::this_task::exit"); }

} // namespace this_task

// Cancel, interrupts and deadlines of scopes are not delivered to the running task while one of these lives.
class shield {
public:
  shield() { detail::check(gt_shield_push(), "gt_shield_push"); }
  ~shield() { gt_shield_pop(); }
  shield(const shield &) = delete;
  shield &operator=(const shield &) = delete;
};

// While it lives, each blocking verb of the running task throws timed_out at its deadline at the latest. They nest.
class deadline_scope {
public:
  explicit deadline_scope(deadline until) : token_(detail::check(gt_deadline_push(until.ns()), "gt_deadline_push")) {}
  ~deadline_scope() {
    if (token_) gt_deadline_pop(token_);
  }
  deadline_scope(const deadline_scope &) = delete;
  deadline_scope &operator=(const deadline_scope &) = delete;

  // Ends it early, the innermost first; whether its deadline has ended a call.
  bool close() { return detail::check(gt_deadline_pop(std::exchange(token_, 0)), "gt_deadline_pop") == 1; }

private:
  int64_t token_;
};

// The right to wake a task from any OS thread: this_task::park() returns.
class waker {
public:
  explicit waker(int64_t task) : waker_(gt_waker_new(task)) {
    if (!waker_) throw error(ESRCH, "gt_waker_new");
  }
  void wake() { detail::check(gt_waker_wake(waker_.get()), "gt_waker_wake"); }
  gt_waker_t *native() const noexcept { return waker_.get(); }

private:
  detail::owned<gt_waker_t, gt_waker_free> waker_;
};

// ---- tasks

// Wishes for a task, as in gt_spawn_opts_t; zero means the default.
struct spawn_options {
  const char *name = nullptr;
  size_t stack_size = 0;
  size_t guard_size = 0;
};

namespace detail {

inline gt_spawn_opts_t native(const spawn_options &options) {
  gt_spawn_opts_t opts{};
  opts.size = sizeof opts;
  opts.name = options.name;
  opts.stack_size = options.stack_size;
  opts.guard_size = options.guard_size;
  return opts;
}

// What a task and its handle share. Who comes last frees it: the handle, unless it was given up before the task's end.
template <class T> class job {
public:
  virtual ~job() = default;
  job() = default;
  job(const job &) = delete;
  job &operator=(const job &) = delete;

  static void *enter(void *arg) noexcept {
    static_cast<job *>(arg)->run();
    static_cast<job *>(arg)->leave(ended);
    return nullptr;
  }

  // The handle leaves while the task may still run.
  void give_up() noexcept { leave(given_up); }

  outcome<T> result;

protected:
  virtual void run() noexcept = 0;

private:
  enum side : int { neither, ended, given_up };

  void leave(side mine) noexcept {
    if (first_.exchange(mine, std::memory_order_acq_rel) == neither) return;
    nobody_looks(result.thrown());
    delete this;
  }

  std::atomic<int> first_{neither};
};

enum class place : bool { home, worker };

template <place Where, class F, class... A> class job_of final : public job<result_of<F, A...>> {
public:
  template <class... B> explicit job_of(B &&...parts) : call_(std::in_place, std::forward<B>(parts)...) {}

private:
  void run() noexcept override {
    this->result.run([this]() -> result_of<F, A...> {
      if constexpr (Where == place::worker) attach_exceptions();
      return call_();
    });
    call_.drop(); // what was captured ends on the task
  }

  call<F, A...> call_;
};

struct launcher;

} // namespace detail

// A task and the right to join it. Destroying one that was neither joined nor detached cancels the task and waits, under a
// shield, for its end; what it gave or threw is lost then.
template <class T = void> class [[nodiscard]] task {
public:
  task() noexcept = default;
  task(task &&other) noexcept
      : job_(std::exchange(other.job_, nullptr)), id_(std::exchange(other.id_, 0)), ended_(std::exchange(other.ended_, false)) {}
  task &operator=(task &&other) noexcept {
    task old(std::move(other)); // goes with what was here
    std::swap(job_, old.job_);
    std::swap(id_, old.id_);
    std::swap(ended_, old.ended_);
    return *this;
  }
  ~task() { finish(); }

  // Whether there is something to join.
  bool joinable() const noexcept { return job_; }
  int64_t id() const noexcept { return id_; }

  // Waits for the end and gives the task's result, or throws what it threw; the handle is empty then. When the wait itself is
  // ended (cancelled, interrupted, timed_out), the handle stays as it is. error(EOWNERDEAD): the task was ended by gt_exit().
  T join(deadline until = {}) {
    wait(until);
    std::unique_ptr<detail::job<T>> job(release());
    return job->result.take("greenrt::task::join");
  }
  T join_until(deadline until) { return join(until); }

  // Waits for the end and leaves the result for join().
  void wait(deadline until = {}) { detail::check(wait_for_end(until), "gt_join"); }
  void wait(std::error_code &ec, deadline until = {}) { detail::tell(wait_for_end(until), ec); }
  bool wait_until(deadline until) { return !detail::late(wait_for_end(until), until, "gt_join"); }
  bool wait_for(deadline until) { return wait_until(until); }

  // Gives up the right to join. What the task throws goes to the handler of set_unhandled().
  void detach() {
    if (!job_) throw error(EINVAL, "greenrt::task::detach");
    if (!ended_) detail::check(gt_detach(id_), "gt_detach");
    release()->give_up();
  }

  // Any thread; nothing happens if the task has ended.
  void cancel() noexcept {
    if (job_) gt_cancel(id_);
  }
  void interrupt(int code) { detail::check(gt_interrupt(id_, code), "gt_interrupt"); }

private:
  friend struct detail::launcher;

  task(detail::job<T> *job, int64_t id) noexcept : job_(job), id_(id) {}

  int wait_for_end(deadline until) noexcept {
    if (!job_) return -EINVAL;
    if (ended_) return 0;
    const int result = gt_join_until(id_, nullptr, until.ns());
    ended_ = result == 0;
    return result;
  }

  detail::job<T> *release() noexcept {
    id_ = 0;
    ended_ = false;
    return std::exchange(job_, nullptr);
  }

  void finish() noexcept {
    if (!job_) return;
    if (!ended_) {
      gt_cancel(id_);
      gt_shield_push();
      int result = wait_for_end({});
      if (result == -ENOMEM) result = wait_for_end({}); // it could not be started, which is told once
      gt_shield_pop();
      ended_ = result == 0 || result == -ESRCH; // no such task: it never started, or ended with its scheduler
    }
    if (ended_) {
      delete release();
    } else { // it cannot be waited for here: the task itself, another OS thread
      gt_detach(id_);
      release()->give_up();
    }
  }

  detail::job<T> *job_ = nullptr;
  int64_t id_ = 0;
  bool ended_ = false;
};

namespace detail {

struct launcher {
  template <place Where, class Make, class F, class... A> static auto launch(Make make, const char *what, F &&function, A &&...args) {
    using T = result_of<F, A...>;
    auto made = std::make_unique<job_of<Where, F, A...>>(std::forward<F>(function), std::forward<A>(args)...);
    job<T> *base = made.get();
    const int64_t id = check(make(&job<T>::enter, static_cast<void *>(base)), what);
    made.release();
    return task<T>(base, id);
  }
};

} // namespace detail

// Makes a task of this OS thread that calls `function(args...)`, which are copied or moved as by std::thread. It runs when the
// caller blocks. Its result, or what it throws, is join()'s.
template <class F, class... A> task<detail::result_of<F, A...>> spawn(F &&function, A &&...args) {
  attach_exceptions();
  return detail::launcher::launch<detail::place::home>([](gt_entry_t entry, void *arg) { return gt_spawn(entry, arg); }, "gt_spawn",
                                             std::forward<F>(function), std::forward<A>(args)...);
}

// As spawn(), with wishes.
template <class F, class... A>
task<detail::result_of<F, A...>> spawn_with(const spawn_options &options, F &&function, A &&...args) {
  attach_exceptions();
  const gt_spawn_opts_t opts = detail::native(options);
  return detail::launcher::launch<detail::place::home>([&](gt_entry_t entry, void *arg) { return gt_spawn_with(entry, arg, &opts); },
                                             "gt_spawn_with", std::forward<F>(function), std::forward<A>(args)...);
}

// Workers: OS threads that run tasks, one for each processor if `count` is 0. One set at a time in a process.
class workers {
public:
  explicit workers(unsigned count = 0, bool pin = false) {
    gt_workers_opts_t opts{};
    opts.size = sizeof opts;
    opts.flags = pin ? GT_WORKERS_PIN : 0;
    count_ = detail::check(gt_workers_start(count, &opts), "gt_workers_start");
  }
  // Cancels the tasks of the workers and waits for their end, under a shield.
  ~workers() {
    if (!count_) return;
    gt_shield_push();
    gt_workers_stop_until(0);
    gt_shield_pop();
  }
  workers(const workers &) = delete;
  workers &operator=(const workers &) = delete;

  int count() const noexcept { return count_; }

  // Waits until all tasks of the workers have ended; at the deadline they are cancelled, and when they have ended timed_out is thrown.
  void stop(deadline until = {}) {
    const int result = gt_workers_stop_until(until.ns());
    if (gt_workers_count() == 0) count_ = 0;
    detail::check(result, "gt_workers_stop");
  }

private:
  int count_ = 0;
};

// Makes a task on the worker with that number.
template <class F, class... A> task<detail::result_of<F, A...>> spawn_on(int worker, F &&function, A &&...args) {
  return detail::launcher::launch<detail::place::worker>([=](gt_entry_t entry, void *arg) { return gt_spawn_on(worker, entry, arg); },
                                               "gt_spawn_on", std::forward<F>(function), std::forward<A>(args)...);
}

// Makes a task on whichever worker comes to it first.
template <class F, class... A> task<detail::result_of<F, A...>> spawn_any(F &&function, A &&...args) {
  return detail::launcher::launch<detail::place::worker>([](gt_entry_t entry, void *arg) { return gt_spawn_any(entry, arg); },
                                               "gt_spawn_any", std::forward<F>(function), std::forward<A>(args)...);
}

// Calls `function()` on an OS thread of the library's pool while other tasks run here, and gives its result or throws what it threw.
// When the wait is ended (cancelled, interrupted, timed_out), a call that has begun runs on: it owns the function, and what
// that captured by reference must still be there.
template <class F> detail::result_of<F> offload_until(deadline until, F &&function) {
  struct work {
    detail::call<F> call;
    detail::outcome<detail::result_of<F>> result;
    explicit work(F &&f) : call(std::in_place, std::forward<F>(f)) {}
  };
  using both = std::shared_ptr<work>;
  auto mine = std::make_shared<work>(std::forward<F>(function));
  auto *theirs = new both(mine);
  const int64_t result = gt_offload_owned_until(
      [](void *arg) noexcept -> int64_t {
        work &job = **static_cast<both *>(arg);
        job.result.run([&]() -> detail::result_of<F> { return job.call(); });
        job.call.drop();
        return 0;
      },
      theirs, [](void *arg) noexcept { delete static_cast<both *>(arg); }, until.ns());
  detail::check(result, "gt_offload");
  return mine->result.take("greenrt::offload");
}
template <class F> detail::result_of<F> offload(F &&function) { return offload_until({}, std::forward<F>(function)); }

// ---- scopes

enum class on_error { cancel_others, keep_going };

// Tasks that end together. When one throws, the others are cancelled (unless keep_going), and join() throws what the first one threw.
// The end of the scope cancels what still runs and waits for it, under a shield: no task outlives it, so tasks may refer
// to what lives around the scope. Home thread only.
class scope {
public:
  explicit scope(on_error policy = on_error::cancel_others)
      : scope_(detail::made(gt_scope_new(policy == on_error::keep_going ? GT_SCOPE_KEEP_GOING : 0), "gt_scope_new")) {}
  ~scope() {
    gt_scope_cancel(scope_);
    gt_shield_push();
    gt_scope_join(scope_);
    gt_shield_pop();
    gt_scope_free(scope_);
  }
  scope(const scope &) = delete;
  scope &operator=(const scope &) = delete;

  // Makes a task of the scope; its result is dropped. Tasks of the scope may spawn into it. cancelled: the scope was cancelled.
  template <class F, class... A> int64_t spawn(F &&function, A &&...args) {
    attach_exceptions();
    auto made = std::make_unique<child_of<F, A...>>(*this, std::forward<F>(function), std::forward<A>(args)...);
    child *base = made.get();
    const int64_t id = detail::check(gt_scope_spawn(scope_, &child::enter, static_cast<void *>(base)), "gt_scope_spawn");
    made.release();
    return id;
  }

  // Waits until all tasks have ended. timed_out by its own deadline leaves them running; when the wait is ended otherwise,
  // they are cancelled and have ended.
  void join(deadline until = {}) {
    int first = 0;
    const int result = gt_scope_join_until(scope_, until.ns());
    if (result < 0 && gt_scope_error(scope_, &first, nullptr) == 1 && first == result) {
      const std::exception_ptr &thrown = first == -ECANCELED ? cancelled_ : thrown_;
      if (thrown) std::rethrow_exception(thrown);
    }
    detail::check(result, "gt_scope_join");
  }

  // Nothing can be spawned any more.
  void cancel() { detail::check(gt_scope_cancel(scope_), "gt_scope_cancel"); }

  // How many tasks have not ended.
  size_t size() const { return static_cast<size_t>(detail::check(gt_scope_count(scope_), "gt_scope_count")); }

  gt_scope_t *native() const noexcept { return scope_; }

private:
  static constexpr int threw = -ENOTRECOVERABLE;

  class child {
  public:
    explicit child(scope &owner) : owner_(owner) {}
    virtual ~child() = default;
    child(const child &) = delete;
    child &operator=(const child &) = delete;

    static int enter(void *arg) noexcept {
      std::unique_ptr<child> me(static_cast<child *>(arg));
      try {
        me->run();
        return 0;
      } catch (const cancelled &) {
        if (!me->owner_.cancelled_) me->owner_.cancelled_ = std::current_exception();
        return -ECANCELED;
      } catch (...) {
        if (!me->owner_.thrown_) me->owner_.thrown_ = std::current_exception();
        return threw;
      }
    }

  private:
    virtual void run() = 0;
    scope &owner_;
  };

  template <class F, class... A> class child_of final : public child {
  public:
    template <class... B> explicit child_of(scope &owner, B &&...parts) : child(owner), call_(std::in_place, std::forward<B>(parts)...) {}

  private:
    void run() override { static_cast<void>(call_()); }
    detail::call<F, A...> call_;
  };

  gt_scope_t *scope_;
  std::exception_ptr thrown_, cancelled_;
};

// ---- locks and their kin. As their namesakes in the standard library, for tasks of one OS thread or of several.

// A Lockable and TimedLockable: std::unique_lock, std::lock_guard and std::scoped_lock take it. Belongs to the task that locked it. lock()
// is a cancellation point: code that must lock in a cancelled task needs a shield. Not for std::lock(): see greenrt::lock().
class mutex {
public:
  mutex() : mutex_(detail::made(gt_mutex_new(), "gt_mutex_new")) {}
  mutex(const mutex &) = delete;
  mutex &operator=(const mutex &) = delete;

  void lock() { detail::check(gt_mutex_lock(native()), "gt_mutex_lock"); }
  bool try_lock() {
    const int result = gt_mutex_try_lock(native());
    return result != -EBUSY && detail::check(result, "gt_mutex_try_lock") == 0;
  }
  bool try_lock_until(deadline until) {
    return !detail::late(gt_mutex_lock_until(native(), until.ns()), until, "gt_mutex_lock");
  }
  bool try_lock_for(deadline until) { return try_lock_until(until); }
  void unlock() { detail::check(gt_mutex_unlock(native()), "gt_mutex_unlock"); }

  gt_mutex_t *native() const noexcept { return mutex_.get(); }

private:
  detail::owned<gt_mutex_t, gt_mutex_free> mutex_;
};

// A SharedLockable: std::shared_lock and std::unique_lock take it. First come, first served; do not lock it shared twice.
class shared_mutex {
public:
  shared_mutex() : lock_(detail::made(gt_rwlock_new(), "gt_rwlock_new")) {}
  shared_mutex(const shared_mutex &) = delete;
  shared_mutex &operator=(const shared_mutex &) = delete;

  void lock() { detail::check(gt_rwlock_write_lock(native()), "gt_rwlock_write_lock"); }
  bool try_lock() {
    const int result = gt_rwlock_try_write_lock(native());
    return result != -EBUSY && detail::check(result, "gt_rwlock_try_write_lock") == 0;
  }
  bool try_lock_until(deadline until) {
    return !detail::late(gt_rwlock_write_lock_until(native(), until.ns()), until, "gt_rwlock_write_lock");
  }
  bool try_lock_for(deadline until) { return try_lock_until(until); }
  void unlock() { detail::check(gt_rwlock_unlock(native()), "gt_rwlock_unlock"); }

  void lock_shared() { detail::check(gt_rwlock_read_lock(native()), "gt_rwlock_read_lock"); }
  bool try_lock_shared() {
    const int result = gt_rwlock_try_read_lock(native());
    return result != -EBUSY && detail::check(result, "gt_rwlock_try_read_lock") == 0;
  }
  bool try_lock_shared_until(deadline until) {
    return !detail::late(gt_rwlock_read_lock_until(native(), until.ns()), until, "gt_rwlock_read_lock");
  }
  bool try_lock_shared_for(deadline until) { return try_lock_shared_until(until); }
  void unlock_shared() { unlock(); }

  gt_rwlock_t *native() const noexcept { return lock_.get(); }

private:
  detail::owned<gt_rwlock_t, gt_rwlock_free> lock_;
};

namespace detail {

template <class M> inline constexpr bool is_lock = std::is_same_v<M, mutex> || std::is_same_v<M, shared_mutex>;

// One of several locks.
class any_lock {
public:
  template <class M>
  explicit any_lock(M &lock) noexcept
      : lock_(std::addressof(lock)), try_([](void *l, deadline until) { return static_cast<M *>(l)->try_lock_until(until); }),
        unlock_([](void *l) { static_cast<M *>(l)->unlock(); }) {}
  bool try_lock_until(deadline until) const { return try_(lock_, until); }
  void unlock() const { unlock_(lock_); }
  friend bool operator<(const any_lock &a, const any_lock &b) noexcept { return std::less<>()(a.lock_, b.lock_); }

private:
  void *lock_;
  bool (*try_)(void *, deadline);
  void (*unlock_)(void *);
};

} // namespace detail

// Locks several mutexes and shared_mutexes, whatever the order in which they are named and in which others lock them; std::scoped_lock
// does it in this way. std::lock() tries the second one and begins again if it is not free: a lock that tasks wait for is handed
// on and never is, so three tasks could go on like that for ever. A cancellation point; after an exception none is locked.
template <class First, class Second, class... More> void lock(First &first, Second &second, More &...more) {
  static_assert(detail::is_lock<First> && detail::is_lock<Second> && (detail::is_lock<More> && ...), "for greenrt's own locks");
  std::array<detail::any_lock, 2 + sizeof...(More)> each{detail::any_lock(first), detail::any_lock(second), detail::any_lock(more)...};
  std::sort(each.begin(), each.end());
  // In one order, so that those who come this way do not wait in a circle; and for some time only, for the sake of others.
  const std::chrono::nanoseconds longest = std::chrono::seconds(1);
  for (std::chrono::nanoseconds patience = std::chrono::milliseconds(1);; patience = std::min(2 * patience, longest)) {
    size_t have = 0;
    try {
      while (have < each.size() && each[have].try_lock_until(have == 0 ? deadline() : deadline(patience))) have++;
    } catch (...) {
      while (have > 0) each[--have].unlock();
      throw;
    }
    if (have == each.size()) return;
    while (have > 0) each[--have].unlock();
  }
}

namespace detail {

// What std::scoped_lock is for several locks of which the first is one of these.
template <class... M> class scoped_locks {
public:
  explicit scoped_locks(M &...locks) : locks_(locks...) {
    if constexpr ((is_lock<M> && ...)) greenrt::lock(locks...);
    else std::lock(locks...);
  }
  explicit scoped_locks(std::adopt_lock_t, M &...locks) noexcept : locks_(locks...) {}
  ~scoped_locks() {
    std::apply([](M &...locks) { (locks.unlock(), ...); }, locks_);
  }
  scoped_locks(const scoped_locks &) = delete;
  scoped_locks &operator=(const scoped_locks &) = delete;

private:
  std::tuple<M &...> locks_;
};

} // namespace detail

} // namespace greenrt

template <class Second, class... More>
class std::scoped_lock<greenrt::mutex, Second, More...> : greenrt::detail::scoped_locks<greenrt::mutex, Second, More...> {
  using greenrt::detail::scoped_locks<greenrt::mutex, Second, More...>::scoped_locks;
};
template <class Second, class... More>
class std::scoped_lock<greenrt::shared_mutex, Second, More...> : greenrt::detail::scoped_locks<greenrt::shared_mutex, Second, More...> {
  using greenrt::detail::scoped_locks<greenrt::shared_mutex, Second, More...>::scoped_locks;
};

namespace greenrt {

// Waits with a std::unique_lock<greenrt::mutex>, which is locked again whatever ends the wait.
class condition_variable {
public:
  condition_variable() : cond_(detail::made(gt_cond_new(), "gt_cond_new")) {}
  condition_variable(const condition_variable &) = delete;
  condition_variable &operator=(const condition_variable &) = delete;

  void wait(std::unique_lock<mutex> &lock) { detail::check(wait_rc(lock, {}), "gt_cond_wait"); }
  template <class P> void wait(std::unique_lock<mutex> &lock, P ready) {
    while (!ready()) wait(lock);
  }
  std::cv_status wait_until(std::unique_lock<mutex> &lock, deadline until) {
    return detail::late(wait_rc(lock, until), until, "gt_cond_wait") ? std::cv_status::timeout : std::cv_status::no_timeout;
  }
  // Whether it is ready.
  template <class P> bool wait_until(std::unique_lock<mutex> &lock, deadline until, P ready) {
    while (!ready())
      if (wait_until(lock, until) == std::cv_status::timeout) return ready();
    return true;
  }
  std::cv_status wait_for(std::unique_lock<mutex> &lock, deadline until) { return wait_until(lock, until); }
  template <class P> bool wait_for(std::unique_lock<mutex> &lock, deadline until, P ready) {
    return wait_until(lock, until, std::move(ready));
  }

  void notify_one() { detail::check(gt_cond_signal(native()), "gt_cond_signal"); }
  void notify_all() { detail::check(gt_cond_broadcast(native()), "gt_cond_broadcast"); }

  gt_cond_t *native() const noexcept { return cond_.get(); }

private:
  int wait_rc(std::unique_lock<mutex> &lock, deadline until) {
    if (!lock.owns_lock()) throw error(EPERM, "greenrt::condition_variable::wait");
    const int result = gt_cond_wait_until(native(), lock.mutex()->native(), until.ns());
    // The only end that may come without the mutex. Who has it cannot lock it again.
    if (result == -EDEADLK && gt_mutex_try_lock(lock.mutex()->native()) == -EBUSY) lock.release();
    return result;
  }

  detail::owned<gt_cond_t, gt_cond_free> cond_;
};

class semaphore {
public:
  explicit semaphore(int64_t value) : sem_(detail::made(gt_sem_new(value), "gt_sem_new")) {}
  semaphore(const semaphore &) = delete;
  semaphore &operator=(const semaphore &) = delete;

  void acquire(deadline until = {}) { detail::check(gt_sem_wait_until(native(), until.ns()), "gt_sem_wait"); }
  void acquire(std::error_code &ec, deadline until = {}) { detail::tell(gt_sem_wait_until(native(), until.ns()), ec); }
  bool try_acquire() {
    const int result = gt_sem_try_wait(native());
    return result != -EAGAIN && detail::check(result, "gt_sem_try_wait") == 0;
  }
  bool try_acquire_until(deadline until) {
    return !detail::late(gt_sem_wait_until(native(), until.ns()), until, "gt_sem_wait");
  }
  bool try_acquire_for(deadline until) { return try_acquire_until(until); }
  void release(int64_t n = 1) { detail::check(gt_sem_post_many(native(), n), "gt_sem_post_many"); }
  int64_t value() const { return detail::check(gt_sem_value(native()), "gt_sem_value"); }

  gt_sem_t *native() const noexcept { return sem_.get(); }

private:
  detail::owned<gt_sem_t, gt_sem_free> sem_;
};

// While it is set, everybody passes.
class event {
public:
  event() : event_(detail::made(gt_event_new(), "gt_event_new")) {}
  event(const event &) = delete;
  event &operator=(const event &) = delete;

  void set() { detail::check(gt_event_set(native()), "gt_event_set"); }
  void clear() { detail::check(gt_event_clear(native()), "gt_event_clear"); }
  bool is_set() const { return detail::check(gt_event_is_set(native()), "gt_event_is_set") == 1; }
  void wait(deadline until = {}) { detail::check(gt_event_wait_until(native(), until.ns()), "gt_event_wait"); }
  void wait(std::error_code &ec, deadline until = {}) { detail::tell(gt_event_wait_until(native(), until.ns()), ec); }
  bool wait_until(deadline until) { return !detail::late(gt_event_wait_until(native(), until.ns()), until, "gt_event_wait"); }
  bool wait_for(deadline until) { return wait_until(until); }

  gt_event_t *native() const noexcept { return event_.get(); }

private:
  detail::owned<gt_event_t, gt_event_free> event_;
};

class wait_group {
public:
  explicit wait_group(int64_t n = 0) : group_(detail::made(gt_waitgroup_new(), "gt_waitgroup_new")) { add(n); }
  wait_group(const wait_group &) = delete;
  wait_group &operator=(const wait_group &) = delete;

  void add(int64_t n = 1) { detail::check(gt_waitgroup_add(native(), n), "gt_waitgroup_add"); }
  void done() { detail::check(gt_waitgroup_done(native()), "gt_waitgroup_done"); }
  void wait(deadline until = {}) { detail::check(gt_waitgroup_wait_until(native(), until.ns()), "gt_waitgroup_wait"); }
  void wait(std::error_code &ec, deadline until = {}) { detail::tell(gt_waitgroup_wait_until(native(), until.ns()), ec); }
  bool wait_until(deadline until) {
    return !detail::late(gt_waitgroup_wait_until(native(), until.ns()), until, "gt_waitgroup_wait");
  }
  bool wait_for(deadline until) { return wait_until(until); }

  gt_waitgroup_t *native() const noexcept { return group_.get(); }

private:
  detail::owned<gt_waitgroup_t, gt_waitgroup_free> group_;
};

class barrier {
public:
  explicit barrier(uint32_t count) : barrier_(detail::made(gt_barrier_new(count), "gt_barrier_new")) {}
  barrier(const barrier &) = delete;
  barrier &operator=(const barrier &) = delete;

  // True for the task that came last. One that leaves by an exception has not come.
  bool arrive_and_wait(deadline until = {}) {
    return detail::check(gt_barrier_wait_until(native(), until.ns()), "gt_barrier_wait") == 1;
  }
  bool arrive_and_wait(std::error_code &ec, deadline until = {}) {
    return detail::tell(gt_barrier_wait_until(native(), until.ns()), ec) == 1;
  }

  gt_barrier_t *native() const noexcept { return barrier_.get(); }

private:
  detail::owned<gt_barrier_t, gt_barrier_free> barrier_;
};

// Something that is done once; constant-initialised, so it may be static. A call that throws has not done it: the next one tries again.
class once {
public:
  constexpr once() noexcept = default;
  ~once() { gt_mutex_free(mutex_.load(std::memory_order_acquire)); }
  once(const once &) = delete;
  once &operator=(const once &) = delete;

  // When it returns, the function has returned. error(EDEADLK): the function calls this itself.
  template <class F, class... A> void call(F &&function, A &&...args) {
    if (done()) return;
    gt_mutex_t *mutex = its_mutex();
    detail::check(gt_mutex_lock(mutex), "greenrt::once::call");
    const detail::owned<gt_mutex_t, gt_mutex_unlock> unlock(mutex);
    if (done()) return;
    std::invoke(std::forward<F>(function), std::forward<A>(args)...);
    done_.store(true, std::memory_order_release);
  }

  bool done() const noexcept { return done_.load(std::memory_order_acquire); }

private:
  gt_mutex_t *its_mutex() {
    gt_mutex_t *there = mutex_.load(std::memory_order_acquire);
    if (there) return there;
    detail::owned<gt_mutex_t, gt_mutex_free> fresh(detail::made(gt_mutex_new(), "gt_mutex_new"));
    return mutex_.compare_exchange_strong(there, fresh.get(), std::memory_order_acq_rel) ? fresh.release() : there;
  }

  std::atomic<bool> done_{false};
  std::atomic<gt_mutex_t *> mutex_{nullptr};
};

// ---- channels

namespace detail {

// An item on its way, in the bytes that a channel carries: the item itself if its bytes are all of it, else a pointer to it, which
// owns it. Empty, or full.
template <class T> class parcel {
  static constexpr bool plain = std::is_trivially_copyable_v<T>;
  using bytes_t = std::conditional_t<plain, T, T *>;

public:
  static constexpr size_t size = sizeof(bytes_t);

  parcel() noexcept {}
  explicit parcel(T &&item) : full_(true) { pack(std::move(item)); }
  ~parcel() {
    if constexpr (!plain) {
      if (full_) delete bytes_.value;
    }
  }
  parcel(parcel &&other) noexcept : full_(std::exchange(other.full_, false)) {
    if (full_) bytes_.set(std::move(other.bytes_.value));
  }
  parcel &operator=(parcel &&) = delete;

  void *bytes() noexcept { return std::addressof(bytes_); }
  void received() noexcept { full_ = true; }
  void sent() noexcept { full_ = false; }

  T take() {
    full_ = false;
    if constexpr (plain) {
      return std::move(bytes_.value);
    } else {
      const std::unique_ptr<T> box(bytes_.value);
      return std::move(*box);
    }
  }

  // What was not sent, back where it came from.
  void put_back(T &item) {
    if constexpr (!plain && std::is_move_assignable_v<T>) item = take();
  }

private:
  void pack(T &&item) {
    if constexpr (plain) bytes_.set(std::move(item));
    else bytes_.set(new T(std::move(item)));
  }

  union storage {
    char none;
    bytes_t value;
    storage() noexcept : none() {}
    void set(bytes_t &&from) noexcept { new (std::addressof(value)) bytes_t(std::move(from)); }
  } bytes_;
  bool full_ = false;
};

// unique_ptr is its own pointer: nothing is allocated for the way.
template <class T> class parcel<std::unique_ptr<T>> {
public:
  static constexpr size_t size = sizeof(T *);

  parcel() noexcept = default;
  explicit parcel(std::unique_ptr<T> &&item) noexcept : pointer_(item.release()) {}
  ~parcel() { delete pointer_; }
  parcel(parcel &&other) noexcept : pointer_(std::exchange(other.pointer_, nullptr)) {}
  parcel &operator=(parcel &&) = delete;

  void *bytes() noexcept { return &pointer_; }
  void received() noexcept {}
  void sent() noexcept { pointer_ = nullptr; }
  std::unique_ptr<T> take() noexcept { return std::unique_ptr<T>(std::exchange(pointer_, nullptr)); }
  void put_back(std::unique_ptr<T> &item) noexcept { item = take(); }

private:
  T *pointer_ = nullptr;
};

} // namespace detail

struct shared_t {
  explicit shared_t() = default;
};
// For a channel that tasks of several OS threads use.
inline constexpr shared_t shared{};

// Carries items from task to task, first in, first out; with capacity 0 a send waits for its receiver. Items that are trivially
// copyable go as they are, others travel behind a pointer, allocated for the way (a unique_ptr as itself); so a T only has to be
// movable. Items that nobody received are destroyed with the channel, which is to be used by nobody else then. (A channel without
// `shared` goes before its OS thread's scheduler: afterwards nobody can reach what lies in it.)
template <class T> class channel {
  static_assert(std::is_object_v<T> && !std::is_const_v<T>, "a channel carries objects");
  static_assert(std::is_move_constructible_v<T>, "an item has to be movable");
  using parcel = detail::parcel<T>;

public:
  using value_type = T;

  explicit channel(size_t capacity = 0) : chan_(detail::made(gt_chan_new(parcel::size, capacity), "gt_chan_new")) {}
  channel(size_t capacity, shared_t)
      : chan_(detail::made(gt_chan_new_shared(parcel::size, capacity), "gt_chan_new_shared")) {}
  ~channel() {
    gt_chan_close(chan_);
    const int shielded = gt_shield_push(); // a cancelled task can receive nothing else
    while (drop_one()) {
    }
    if (shielded == 0) gt_shield_pop();
    gt_chan_free(chan_);
  }
  channel(const channel &) = delete;
  channel &operator=(const channel &) = delete;

  // Sends; throws closed. What an exception kept from being sent is in `item` again (if T can be assigned).
  void send(T &&item, deadline until = {}) { sent(send_rc(item, until)); }
  void send(const T &item, deadline until = {}) {
    T copy(item);
    sent(send_rc(copy, until));
  }
  void send(T &&item, std::error_code &ec, deadline until = {}) { detail::tell(send_rc(item, until), ec); }
  void send(const T &item, std::error_code &ec, deadline until = {}) { send(T(item), ec, until); }

  // Whether there was room, or a receiver; throws closed.
  bool try_send(T &&item) {
    parcel way(std::move(item));
    const int result = gt_chan_send_try(chan_, way.bytes());
    settle(result, way, item);
    return result != -EAGAIN && (sent(result), true);
  }
  bool try_send(const T &item) { return try_send(T(item)); }

  // Receives; nothing when the channel is closed and empty.
  std::optional<T> recv(deadline until = {}) { return received(gt_chan_recv_until, until); }
  // As above, and `ec` says why there is nothing: EPIPE for closed and empty.
  std::optional<T> recv(std::error_code &ec, deadline until = {}) {
    parcel way;
    const int result = gt_chan_recv_until(chan_, way.bytes(), until.ns());
    detail::tell(result, ec);
    return open(result, way);
  }

  // What is there now, if anything; `ec` tells EAGAIN from EPIPE.
  std::optional<T> try_recv() {
    std::error_code ec;
    auto item = try_recv(ec);
    const int error = ec.value();
    if (error && error != EAGAIN && error != EPIPE) detail::raise(-error, "gt_chan_recv_try");
    return item;
  }
  std::optional<T> try_recv(std::error_code &ec) {
    parcel way;
    const int result = gt_chan_recv_try(chan_, way.bytes());
    detail::tell(result, ec);
    return open(result, way);
  }

  // Batches, for items that go as they are. How many were sent before `ec` happened; up to `max` received, 0: closed and empty.
  size_t send_many(const T *items, size_t n, std::error_code &ec, deadline until = {}) {
    static_assert(std::is_trivially_copyable_v<T>, "batches are for trivially copyable items");
    size_t done = 0;
    detail::tell(gt_chan_send_many_until(chan_, items, n, &done, until.ns()), ec);
    return done;
  }
  size_t recv_many(T *items, size_t max, deadline until = {}) {
    static_assert(std::is_trivially_copyable_v<T>, "batches are for trivially copyable items");
    size_t done = 0;
    const int result = gt_chan_recv_many_until(chan_, items, max, &done, until.ns());
    if (result != -EPIPE) detail::check(result, "gt_chan_recv_many");
    return done;
  }

  // Senders get closed from now on, receivers what is in it. Closing twice is fine.
  void close() {
    const int result = gt_chan_close(chan_);
    if (result != -EALREADY) detail::check(result, "gt_chan_close");
  }
  size_t size() const { return static_cast<size_t>(detail::check(gt_chan_len(chan_), "gt_chan_len")); }
  size_t capacity() const { return static_cast<size_t>(detail::check(gt_chan_capacity(chan_), "gt_chan_capacity")); }
  gt_chan_t *native() const noexcept { return chan_; }

  // for (T &item : channel) receives until it is closed and empty.
  class iterator {
  public:
    using iterator_category = std::input_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = T *;
    using reference = T &;

    iterator() noexcept = default;
    explicit iterator(channel &from) : from_(&from) { ++*this; }
    T &operator*() const noexcept { return *item_; }
    T *operator->() const noexcept { return &*item_; }
    iterator &operator++() {
      if (auto next = from_->recv()) item_.emplace(std::move(*next));
      else from_ = nullptr;
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator &a, const iterator &b) noexcept { return a.from_ == b.from_; }
    friend bool operator!=(const iterator &a, const iterator &b) noexcept { return a.from_ != b.from_; }

  private:
    channel *from_ = nullptr;
    mutable std::optional<T> item_;
  };
  iterator begin() { return iterator(*this); }
  iterator end() noexcept { return {}; }

private:
  static void sent(int result) {
    if (result == -EPIPE) throw closed("gt_chan_send");
    detail::check(result, "gt_chan_send");
  }

  static void settle(int result, parcel &way, T &item) {
    if (result == 0) way.sent();
    else way.put_back(item);
  }

  int send_rc(T &item, deadline until) {
    parcel way(std::move(item));
    const int result = gt_chan_send_until(chan_, way.bytes(), until.ns());
    settle(result, way, item);
    return result;
  }

  static std::optional<T> open(int result, parcel &way) {
    if (result < 0) return std::nullopt;
    way.received();
    return std::optional<T>(way.take());
  }

  template <class R> std::optional<T> received(R verb, deadline until) {
    parcel way;
    const int result = verb(chan_, way.bytes(), until.ns());
    if (result != -EPIPE) detail::check(result, "gt_chan_recv");
    return open(result, way);
  }

  bool drop_one() noexcept {
    parcel way;
    if (gt_chan_recv_try(chan_, way.bytes()) < 0) return false;
    way.received();
    return true;
  }

  gt_chan_t *chan_;
};

// ---- select

namespace detail {

// One case of a select: arms itself, hears whether it came about (anything but `nothing` may be undone then), and acts.
template <class T, class F> class recv_case {
public:
  recv_case(channel<T> &from, F action) : chan_(from.native()), action_(std::move(action)) {}
  void arm(gt_select_arm_t &arm) {
    arm.kind = GT_SELECT_RECV;
    arm.object = chan_;
    arm.item = way_.bytes();
  }
  void chosen(const gt_select_arm_t &arm) noexcept {
    if (arm.result == 0) way_.received();
  }
  void act(const gt_select_arm_t &arm) {
    if (arm.result == 0) action_(std::optional<T>(way_.take()));
    else if (arm.result == -EPIPE) action_(std::optional<T>());
    else raise(arm.result, "gt_select");
  }

private:
  gt_chan_t *chan_;
  parcel<T> way_;
  F action_;
};

template <class T, class F> class send_case {
public:
  send_case(channel<T> &to, T &&item, F action) : chan_(to.native()), way_(std::move(item)), action_(std::move(action)) {}
  void arm(gt_select_arm_t &arm) {
    arm.kind = GT_SELECT_SEND;
    arm.object = chan_;
    arm.item = way_.bytes();
  }
  void chosen(const gt_select_arm_t &arm) noexcept {
    if (arm.result == 0) way_.sent();
  }
  void act(const gt_select_arm_t &arm) {
    if (arm.result == -EPIPE) throw closed("gt_select");
    check(arm.result, "gt_select");
    action_();
  }

private:
  gt_chan_t *chan_;
  parcel<T> way_;
  F action_;
};

// A descriptor, a task's end, an event, a semaphore: nothing to carry.
template <class F> class plain_case {
public:
  plain_case(int kind, void *object, int64_t id, short events, F action)
      : kind_(kind), events_(events), object_(object), id_(id), action_(std::move(action)) {}
  void arm(gt_select_arm_t &arm) const noexcept {
    arm.kind = kind_;
    arm.object = object_;
    arm.id = id_;
    arm.events = events_;
  }
  void chosen(const gt_select_arm_t &) const noexcept {}
  void act(const gt_select_arm_t &arm) {
    check(arm.result, "gt_select");
    if constexpr (std::is_invocable_v<F, int>) action_(static_cast<int>(arm.revents));
    else action_();
  }

private:
  int kind_;
  short events_;
  void *object_;
  int64_t id_;
  F action_;
};

template <class Verb, class... C> int select_by(Verb verb, C &...cases) {
  static_assert(sizeof...(C) > 0, "nothing to select from");
  gt_select_arm_t arms[sizeof...(C)] = {};
  int at = 0;
  (cases.arm(arms[at++]), ...);
  const int chosen = verb(arms, sizeof...(C));
  at = 0;
  ((at++ == chosen ? cases.chosen(arms[chosen]) : void()), ...);
  at = 0;
  ((at++ == chosen ? cases.act(arms[chosen]) : void()), ...);
  return chosen;
}

} // namespace detail

// The cases of select(): what is waited for, and what is called if it comes about.
// A receive calls action(std::optional<T>), which is empty when the channel is closed.
template <class T, class F> auto on_recv(channel<T> &from, F action) { return detail::recv_case<T, F>(from, std::move(action)); }
// A send calls action(). An item that was not sent goes with the case. closed is thrown.
template <class T, class F> auto on_send(channel<T> &to, typename channel<T>::value_type item, F action) {
  return detail::send_case<T, F>(to, std::move(item), std::move(action));
}
// One of `events` of poll(2), or an error or hang-up: calls action(revents) or action().
template <class F> auto on_fd(int fd, short events, F action) {
  return detail::plain_case<F>(GT_SELECT_FD, nullptr, fd, events, std::move(action));
}
// The end of a task, which is still to be joined.
template <class T, class F> auto on_end(const task<T> &of, F action) {
  return detail::plain_case<F>(GT_SELECT_TASK, nullptr, of.id(), 0, std::move(action));
}
template <class F> auto on_event(event &of, F action) {
  return detail::plain_case<F>(GT_SELECT_EVENT, of.native(), 0, 0, std::move(action));
}
// A unit of a semaphore, which is taken.
template <class F> auto on_acquire(semaphore &of, F action) {
  return detail::plain_case<F>(GT_SELECT_SEM, of.native(), 0, 0, std::move(action));
}

// Waits until one of the cases comes about, does it, calls its action, and gives its index. If several are ready, each is as likely as
// the others.
template <class... C> size_t select(C &&...cases) {
  const int chosen = detail::select_by([](gt_select_arm_t *arms, size_t n) { return gt_select(arms, n); }, cases...);
  return static_cast<size_t>(detail::check(chosen, "gt_select"));
}
// As select(), at most until then: nothing.
template <class... C> std::optional<size_t> select_until(deadline until, C &&...cases) {
  const int chosen =
      detail::select_by([=](gt_select_arm_t *arms, size_t n) { return gt_select_until(arms, n, until.ns()); }, cases...);
  if (detail::late(chosen, until, "gt_select")) return std::nullopt;
  return static_cast<size_t>(chosen);
}
// As select(), without waiting: nothing.
template <class... C> std::optional<size_t> try_select(C &&...cases) {
  const int chosen = detail::select_by([](gt_select_arm_t *arms, size_t n) { return gt_select_try(arms, n); }, cases...);
  if (chosen == -EAGAIN) return std::nullopt;
  return static_cast<size_t>(detail::check(chosen, "gt_select_try"));
}

// ---- task-local values

// A T for each task, made when the task asks first and destroyed at its end. Give it static life: what it made is not destroyed when
// it goes before the tasks.
template <class T> class task_local {
public:
  task_local() : key_(detail::check(gt_local_new([](void *value) noexcept { delete static_cast<T *>(value); }), "gt_local_new")) {}
  ~task_local() { gt_local_free(key_); }
  task_local(const task_local &) = delete;
  task_local &operator=(const task_local &) = delete;

  // The running task's; null if it has none yet.
  T *find() const noexcept { return static_cast<T *>(gt_local_get(key_)); }

  // The running task's, made by T() if need be.
  T &get() {
    if (T *there = find()) return *there;
    return emplace();
  }
  T &operator*() { return get(); }
  T *operator->() { return &get(); }

  // A new one in place of the old one.
  template <class... A> T &emplace(A &&...args) {
    auto fresh = std::make_unique<T>(std::forward<A>(args)...);
    T *old = find();
    detail::check(gt_local_set(key_, fresh.get()), "gt_local_set");
    T &value = *fresh.release();
    delete old;
    return value;
  }

  void reset() noexcept {
    const std::unique_ptr<T> old(find());
    gt_local_set(key_, nullptr);
  }

private:
  int key_;
};

// ---- generators

// Values made one by one, as they are asked for, by a function on a stack of its own:
//
//   greenrt::generator<int> squares([](auto &yield) { for (int i = 0; i < 5; i++) yield(i * i); });
//   for (int square : squares) ...
//
// What the function throws goes to who asks. It may block; who asks waits then. When the generator goes before the end, its
// yield throws cancelled: the function unwinds. Home thread only.
template <class T> class generator {
  static_assert(std::is_object_v<T>, "a generator gives objects");

public:
  using value_type = T;

  // What the function calls to give a value, which who asked may change or move from, and wait until the next one is asked for.
  class yielder {
  public:
    void operator()(T &&value) const { give(value); }
    void operator()(T &value) const { give(value); }
    void operator()(const T &value) const {
      T copy(value);
      give(copy);
    }

  private:
    friend class generator;
    explicit yielder(gt_generator_t *own) noexcept : own_(own) {}
    void give(T &value) const { detail::check(gt_generator_yield(own_, std::addressof(value)), "gt_generator_yield"); }
    gt_generator_t *own_;
  };

  template <class F, class = std::enable_if_t<std::is_invocable_v<F &, yielder &>>> explicit generator(F function) {
    attach_exceptions();
    auto made = std::make_unique<body_of<F>>(std::move(function));
    body *base = made.get();
    generator_ = detail::made(gt_generator_new(&body::enter, static_cast<void *>(base)), "gt_generator_new");
    body_ = made.release();
  }
  generator(generator &&other) noexcept
      : generator_(std::exchange(other.generator_, nullptr)), body_(std::exchange(other.body_, nullptr)) {}
  generator &operator=(generator &&other) noexcept {
    generator old(std::move(other));
    std::swap(generator_, old.generator_);
    std::swap(body_, old.body_);
    return *this;
  }
  ~generator() {
    if (generator_ && gt_generator_free(generator_) == 0) delete body_;
  }

  // The next value, good until the one after it is asked for; null at the end.
  T *next(deadline until = {}) {
    void *value = nullptr;
    const int result = gt_generator_next_until(generator_, &value, until.ns());
    if (result < 0 && body_ && body_->thrown) std::rethrow_exception(body_->thrown);
    detail::check(result, "gt_generator_next");
    return static_cast<T *>(value);
  }

  class iterator {
  public:
    using iterator_category = std::input_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = T *;
    using reference = T &;

    iterator() noexcept = default;
    explicit iterator(generator &from) : from_(&from), value_(from.next()) {}
    T &operator*() const noexcept { return *value_; }
    T *operator->() const noexcept { return value_; }
    iterator &operator++() {
      value_ = from_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator &a, const iterator &b) noexcept { return a.value_ == b.value_; }
    friend bool operator!=(const iterator &a, const iterator &b) noexcept { return a.value_ != b.value_; }

  private:
    generator *from_ = nullptr;
    T *value_ = nullptr;
  };
  iterator begin() { return iterator(*this); }
  iterator end() noexcept { return {}; }

  gt_generator_t *native() const noexcept { return generator_; }

private:
  class body {
  public:
    body() = default;
    virtual ~body() = default;
    body(const body &) = delete;
    body &operator=(const body &) = delete;

    static int enter(gt_generator_t *own, void *arg) noexcept {
      body *me = static_cast<body *>(arg);
      try {
        yielder yield(own);
        me->run(yield);
        return 0;
      } catch (...) {
        me->thrown = std::current_exception();
        return -ENOTRECOVERABLE;
      }
    }

    std::exception_ptr thrown;

  private:
    virtual void run(yielder &yield) = 0;
  };

  template <class F> class body_of final : public body {
  public:
    explicit body_of(F &&function) : function_(std::move(function)) {}

  private:
    void run(yielder &yield) override { static_cast<void>(function_(yield)); }
    F function_;
  };

  gt_generator_t *generator_ = nullptr;
  body *body_ = nullptr;
};

// ---- descriptors

// A descriptor, closed at the end; -1 is none.
class fd {
public:
  fd() noexcept = default;
  explicit fd(int number) noexcept : fd_(number) {}
  fd(fd &&other) noexcept : fd_(other.release()) {}
  fd &operator=(fd &&other) noexcept {
    reset(other.release());
    return *this;
  }
  ~fd() { reset(); }

  // Handed over to this OS thread's scheduler (gt_fd_adopt): non-blocking, registered once.
  static fd adopt(int number) {
    detail::check(gt_fd_adopt(number), "gt_fd_adopt");
    return fd(number);
  }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  int release() noexcept { return std::exchange(fd_, -1); }
  void reset(int number = -1) noexcept {
    const int old = std::exchange(fd_, number);
    if (old >= 0) gt_close(old);
  }
  void close() { detail::check(gt_close(release()), "gt_close"); }

  // Bytes read, 0 at the end; bytes written, which may be fewer than asked.
  size_t read(void *to, size_t len, deadline until = {}) { return size(gt_read_until(fd_, to, len, until.ns()), "gt_read"); }
  size_t read(void *to, size_t len, std::error_code &ec, deadline until = {}) {
    return size(gt_read_until(fd_, to, len, until.ns()), ec);
  }
  size_t write(const void *from, size_t len, deadline until = {}) {
    return size(gt_write_until(fd_, from, len, until.ns()), "gt_write");
  }
  size_t write(const void *from, size_t len, std::error_code &ec, deadline until = {}) {
    return size(gt_write_until(fd_, from, len, until.ns()), ec);
  }
  void write_all(std::string_view bytes, deadline until = {}) {
    while (!bytes.empty()) bytes.remove_prefix(write(bytes.data(), bytes.size(), until));
  }

  // The events of poll(2) that are true.
  int wait(int events, deadline until = {}) { return detail::check(gt_wait_fd_until(fd_, events, until.ns()), "gt_wait_fd"); }
  int wait(int events, std::error_code &ec, deadline until = {}) {
    return detail::tell(gt_wait_fd_until(fd_, events, until.ns()), ec);
  }

protected:
  static size_t size(ssize_t n, const char *call) { return static_cast<size_t>(detail::check(n, call)); }
  static size_t size(ssize_t n, std::error_code &ec) { return static_cast<size_t>(detail::tell(n, ec)); }

private:
  int fd_ = -1;
};

// A socket. `flags` are those of recv(2) and send(2); no verb raises SIGPIPE.
class socket : public fd {
public:
  using fd::fd;
  socket() noexcept = default;
  socket(int domain, int type, int protocol) : fd(detail::check(gt_socket(domain, type, protocol), "gt_socket")) {}

  static socket listen_tcp(const char *host, uint16_t port, int backlog = 0, deadline until = {}) {
    return socket(detail::check(gt_listen_tcp_until(host, port, backlog, until.ns()), "gt_listen_tcp"));
  }
  static socket dial_tcp(const char *host, uint16_t port, deadline until = {}) {
    return socket(detail::check(gt_dial_tcp_until(host, port, until.ns()), "gt_dial_tcp"));
  }
  static socket dial_tcp(const char *host, uint16_t port, std::error_code &ec, deadline until = {}) {
    return socket(detail::tell(gt_dial_tcp_until(host, port, until.ns()), ec, -1));
  }
  static socket listen_unix(const char *path, int backlog = 0) {
    return socket(detail::check(gt_listen_unix(path, backlog), "gt_listen_unix"));
  }
  static socket dial_unix(const char *path, deadline until = {}) {
    return socket(detail::check(gt_dial_unix_until(path, until.ns()), "gt_dial_unix"));
  }
  static socket bind_udp(const char *host, uint16_t port, deadline until = {}) {
    return socket(detail::check(gt_bind_udp_until(host, port, until.ns()), "gt_bind_udp"));
  }

  socket accept(deadline until = {}) { return socket(detail::check(gt_accept_until(get(), nullptr, nullptr, until.ns()), "gt_accept")); }
  socket accept(std::error_code &ec, deadline until = {}) {
    return socket(detail::tell(gt_accept_until(get(), nullptr, nullptr, until.ns()), ec, -1));
  }
  void connect(const sockaddr *to, socklen_t len, deadline until = {}) {
    detail::check(gt_connect_until(get(), to, len, until.ns()), "gt_connect");
  }

  // Bytes received, 0 at the end.
  size_t recv(void *to, size_t len, deadline until = {}, int flags = 0) {
    return size(gt_recv_until(get(), to, len, flags, until.ns()), "gt_recv");
  }
  size_t recv(void *to, size_t len, std::error_code &ec, deadline until = {}, int flags = 0) {
    return size(gt_recv_until(get(), to, len, flags, until.ns()), ec);
  }
  size_t send(const void *from, size_t len, deadline until = {}, int flags = 0) {
    return size(gt_send_until(get(), from, len, flags, until.ns()), "gt_send");
  }
  size_t send(const void *from, size_t len, std::error_code &ec, deadline until = {}, int flags = 0) {
    return size(gt_send_until(get(), from, len, flags, until.ns()), ec);
  }
  void send_all(std::string_view bytes, deadline until = {}, int flags = 0) {
    detail::check(gt_send_all_until(get(), bytes.data(), bytes.size(), flags, nullptr, until.ns()), "gt_send_all");
  }
  // How many bytes were sent before `ec` happened.
  size_t send_all(std::string_view bytes, std::error_code &ec, deadline until = {}, int flags = 0) {
    size_t done = 0;
    detail::tell(gt_send_all_until(get(), bytes.data(), bytes.size(), flags, &done, until.ns()), ec);
    return done;
  }

  size_t recv_from(void *to, size_t len, sockaddr *from, socklen_t *from_len, deadline until = {}, int flags = 0) {
    return size(gt_recvfrom_until(get(), to, len, flags, from, from_len, until.ns()), "gt_recvfrom");
  }
  size_t send_to(const void *from, size_t len, const sockaddr *to, socklen_t to_len, deadline until = {}, int flags = 0) {
    return size(gt_sendto_until(get(), from, len, flags, to, to_len, until.ns()), "gt_sendto");
  }

  // Half, or all, of a connection for everybody (SHUT_WR: the other end reads the end).
  void half_close(int how) { detail::check(gt_half_close(get(), how), "gt_half_close"); }

  // The port it is bound to.
  uint16_t local_port() const {
    sockaddr_storage bound{};
    socklen_t len = sizeof bound;
    if (getsockname(get(), reinterpret_cast<sockaddr *>(&bound), &len) < 0) throw error(errno, "getsockname");
    if (bound.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6 &>(bound).sin6_port);
    if (bound.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in &>(bound).sin_port);
    throw error(EAFNOSUPPORT, "greenrt::socket::local_port");
  }
};

} // namespace greenrt

#endif // GREENRT_HPP
