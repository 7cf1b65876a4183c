"""CPython's own tests that do not pass when everything is patched, each with its reason.

Strict both ways: a failure that is not here fails the run, and so does one that is here and passes on every version it exists
in. `LEFT_OUT` are not run at all, because they would not come to an end.
"""

import sys

# An installed 3.11.7 or 3.12.1 lacks some of these modules. Debian's libpython3.x-testsuite has them.
ELSEWHERE = "/usr/lib/python{}.{}/test".format(*sys.version_info)

NATIVE_ID = "threads are tasks of one OS thread, so get_native_id is the same for all"
DUMMY = "what threading remembers of a task that it did not start is forgotten when the task ends, not kept"
TIGHT = "a loop that never waits is not interrupted: tasks take turns where they wait"
# test -> reason
FAILS = {
    "test_fork1.ForkTest.test_threaded_import_lock_fork": "the import lock of the imp module belongs to the OS thread",
    "test_poll.PollTests.test_threaded_poll": "two tasks may poll one object at a time; CPython refuses that to threads",
    "test_threading.ExceptHookTests.test_excepthook_thread_None": "a hook called without its thread says the OS thread's ident",
    "test_threading.ThreadTests.test_foreign_thread": DUMMY,
    "test_threading.ThreadTests.test_ident_of_no_threading_threads": DUMMY,
    "test_threading.ThreadTests.test_various_ops": NATIVE_ID,
    "test_threading.ThreadTests.test_various_ops_large_stack": NATIVE_ID,
    "test_threading.ThreadTests.test_various_ops_small_stack": NATIVE_ID,
}

# Those of FAILS that pass on some versions: the first version on which they do.
PASSES_FROM = {
    "test_threading.ThreadTests.test_foreign_thread": (3, 13),
    "test_threading.ThreadTests.test_ident_of_no_threading_threads": (3, 13),
}

# beginning of a test's name -> reason
LEFT_OUT = {
    "test_asyncio.test_base_events.BaseEventLoopTests.test_asyncgen_finalization_by_gc_in_other_thread": TIGHT,
    "test_asyncio.test_base_events.BaseEventLoopTests.test_check_thread": TIGHT,
    "test_asyncio.test_base_events.BaseEventLoopTests.test_run_in_executor": TIGHT,
    "test_asyncio.test_base_events.BaseEventLoopTests.test_shutdown_default_executor_timeout": TIGHT,
    "test_asyncio.test_selector_events.BaseSelectorEventLoopTests.test_sock_connect_resolve_using_socket_params": TIGHT,
    "test_multiprocessing_fork.WithProcessesTestFinalize.test_thread_safety": TIGHT,
    "test_multiprocessing_fork.test_processes.WithProcessesTestFinalize.test_thread_safety": TIGHT,
    "test_signal.StressTest.test_stress_modifying_handlers": TIGHT,
    "test_socket.ThreadedVSOCKSocketStreamTest": "needs a vsock device; hangs without one on every Python",
    "test_threading.InterruptMainTests.test_can_interrupt_tight_loops": TIGHT,
    "test_threading.ThreadTests.test_import_from_another_thread": "fails without greenrt too where a .pth file imports threading",
}

# Tests that set signal handlers, or whose handlers raise, which Python has happen in the main thread only, or that look for the main
# thread: they run in the root task.
MAIN_THREAD = [
    "test_asyncio.*",
    "test_fork1.*",
    "test_io.*SignalsTest.*",
    "test_multiprocessing_*.WithProcessesTestCondition.test_wait_result",
    "test_multiprocessing_*.test_shared_memory_SharedMemoryServer_ignores_sigint",
    "test_multiprocessing_*.WithThreadsTestProcess.*",
    "test_selectors.*.test_select_interrupt_*",
    "test_signal.*",
    "test_socket.*.test_sendall_interrupted*",
    "test_socket.*.testInterruptedTimeout",
    "test_socket.Interrupted*",
    "test_threading.InterruptMainTests.*",
    "test_threading.ThreadTests.test_main_thread",
    "test_threadsignals.*",
]

MODULES = [
    "test_asyncio.test_base_events",
    "test_asyncio.test_buffered_proto",
    "test_asyncio.test_context",
    "test_asyncio.test_events",
    "test_asyncio.test_futures",
    "test_asyncio.test_futures2",
    "test_asyncio.test_locks",
    "test_asyncio.test_pep492",
    "test_asyncio.test_protocols",
    "test_asyncio.test_queues",
    "test_asyncio.test_runners",
    "test_asyncio.test_selector_events",
    "test_asyncio.test_sendfile",
    "test_asyncio.test_server",
    "test_asyncio.test_sock_lowlevel",
    "test_asyncio.test_ssl",
    "test_asyncio.test_sslproto",
    "test_asyncio.test_streams",
    "test_asyncio.test_subprocess",
    "test_asyncio.test_taskgroups",
    "test_asyncio.test_tasks",
    "test_asyncio.test_threads",
    "test_asyncio.test_timeouts",
    "test_asyncio.test_transports",
    "test_asyncio.test_unix_events",
    "test_asyncio.test_waitfor",
    "test_context",
    "test_contextlib",
    "test_concurrent_futures",
    "test_concurrent_futures.test_deadlock",
    "test_concurrent_futures.test_future",
    "test_concurrent_futures.test_init",
    "test_concurrent_futures.test_process_pool",
    "test_concurrent_futures.test_shutdown",
    "test_concurrent_futures.test_thread_pool",
    "test_concurrent_futures.test_wait",
    "test_epoll",
    "test_fork1",
    "test_ftplib",
    "test_httplib",
    "test_httpservers",
    "test_imaplib",
    "test_io",
    "test_logging",
    "test_multiprocessing_fork",
    "test_multiprocessing_fork.test_misc",
    "test_multiprocessing_fork.test_processes",
    "test_multiprocessing_fork.test_threads",
    "test_multiprocessing_main_handling",
    "test_multiprocessing_spawn.test_threads",
    "test_os",
    "test_poll",
    "test_poplib",
    "test_queue",
    "test_sched",
    "test_select",
    "test_selectors",
    "test_signal",
    "test_smtplib",
    "test_socket",
    "test_socketserver",
    "test_ssl",
    "test_subprocess",
    "test_thread",
    "test_threadedtempfile",
    "test_threading",
    "test_threading_local",
    "test_threadsignals",
    "test_time",
    "test_urllib2_localnet",
]
