"""eventlet's tests that do not pass on the drop-in, by reason.

Strict both ways: a failure that is not here fails the run, and so does one that is here and passes. docs/EVENTLET.md says of each
reason what a program sees of it.
"""

from __future__ import annotations

# reason -> tests
BY_REASON: dict[str, list[str]] = {
    "nothing is replaced: functions and locks of the standard library are patched in place": [
        "asyncio_test.test_make_sure_monkey_patching_asyncio_is_restricted",
        "patcher_test.MonkeyPatch.test_patched_modules",
        "patcher_test.test_blocking_select_methods_are_deleted",
        "patcher_test.test_patcher_existing_locks",
        "patcher_test.test_patcher_existing_logging_module_lock",
    ],
    "a greenthread is a thread of its own for `threading`, not a wrapper with `_g`": [
        "patcher_test.GreenThreadWrapper.test_ident",
        "patcher_test.GreenThreadWrapper.test_is_alive",
        "patcher_test.GreenThreadWrapper.test_is_daemon",
        "patcher_test.GreenThreadWrapper.test_join",
        "patcher_test.GreenThreadWrapper.test_name",
        "patcher_test.Threading.test_greenlet",
        "patcher_test.Threading.test_greenthread",
        "patcher_test.Threading.test_orig_thread",
        "patcher_test.Threading.test_tpool",
    ],
    "after a fork the child has the greenthread that forked, and no other": [
        "patcher_test.test_fork_after_monkey_patch",
        "patcher_test.test_fork_after_monkey_patch_threading",
    ],
    "select(), accept() and open() wait in the runtime; they do not ask the hub, nor tell it": [
        "green_select_test.test_select_mark_file_as_reopened",
        "greenio_test.TestGreenSocket.test_blocking_accept_mark_as_reopened",
        "greenio_test.TestGreenSocket.test_nonblocking_accept_mark_as_reopened",
        "patcher_test.test_builtin",
    ],
    "two readers of one socket are both served": [
        "greenio_test.TestGreenSocket.test_raised_multiple_readers",
    ],
    "a socket is non-blocking when it has a timeout, as Python has it": [
        "greenio_test.TestGreenSocket.test_default_nonblocking",
        "greenio_test.TestGreenSocket.test_dup_nonblocking",
    ],
    "recv() on a connection that was reset is a ConnectionResetError, as Python has it": [
        "convenience_test.TestServe.test_exiting_server",
        "socket_test.test_recv_into_type",
        "socket_test.test_recv_type",
    ],
    "truncate() leaves the position where it is, as Python has it": [
        "greenio_test.TestGreenPipe.test_truncate",
    ],
    "Timeout(0) comes after what is ready": [
        "greenpool_test.GreenPile.test_pile_spawn_times_out",
        "greenpool_test.GreenPool.test_exceptions",
        "greenpool_test.Stress.test_imap_50",
        "pools_test.TestIntPool.test_put_with_timed_out_getters",
        "queue_test.TestQueue.test_two_bogus_waiters",
        "queue_test.TestQueue.test_two_waiters_one_dies",
    ],
    "a coroutine can be awaited whichever hub was asked for": [
        "not_asyncio_test.test_spawn_from_coroutine_errors",
    ],
    "what a message or a trace says, word by word": [
        "debug_test.TestSpew.test_line_global",
        "debug_test.TestSpew.test_line_nofile",
        "env_test.test_tpool_negative",
        "env_test.test_tpool_zero",
    ],
    "it expects that one object is kept; none is": [
        "thread_test.Locals.test_no_leaking",
    ],
    "names are looked up by the C library; a resolver put in its place, or a hosts file of its own, is not asked": [
        "greendns_test.TestGetaddrinfo.test_AI_ADDRCONFIG",
        "greendns_test.TestGetaddrinfo.test_canonname",
        "greendns_test.TestGetaddrinfo.test_getaddrinfo",
        "greendns_test.TestGetaddrinfo.test_getaddrinfo_bytes",
        "greendns_test.TestGetaddrinfo.test_getaddrinfo_hosts_only_ans_with_error",
        "greendns_test.TestGetaddrinfo.test_getaddrinfo_hosts_only_ans_with_timeout",
        "greendns_test.TestGetaddrinfo.test_getaddrinfo_idn",
        "greendns_test.TestGetaddrinfo.test_getaddrinfo_inet",
        "greendns_test.TestGetaddrinfo.test_getaddrinfo_inet6",
        "greendns_test.TestGetaddrinfo.test_getaddrinfo_only_a_ans",
        "greendns_test.TestGetaddrinfo.test_getaddrinfo_only_aaaa_ans",
        "greendns_test.TestGetaddrinfo.test_noport",
        "greendns_test.TestGetaddrinfo.test_v4mapped",
        "greendns_test.TestGetaddrinfo.test_v4mapped_all",
        "greendns_test.TestGethostbyname.test_name",
        "greendns_test.TestGethostbyname_ex.test_multiple_addrs",
        "greendns_test.TestGethostbyname_ex.test_name",
        "greendns_test.test_hosts_no_network",
        "socket_test.test_dns_methods_are_green",
    ],
    "what the resolver is made of: names that begin with `_`, and answers that are not dnspython's": [
        "greendns_test.TestHostsResolver.test_getaliases",
        "greendns_test.TestHostsResolver.test_getaliases_fqdn",
        "greendns_test.TestHostsResolver.test_load_v6_link_local",
        "greendns_test.TestHostsResolver.test_query_A",
        "greendns_test.TestHostsResolver.test_query_AAAA",
        "greendns_test.TestHostsResolver.test_query_CNAME",
        "greendns_test.TestHostsResolver.test_query_ans_types",
        "greendns_test.TestHostsResolver.test_query_unknown_no_raise",
        "greendns_test.TestProxyResolver.test_clear",
        "greendns_test.TestProxyResolver.test_hosts_noanswer",
        "greendns_test.TestRaiseErrors.test_raise_new_error",
        "greendns_test.TestUdp.test_udp_ipv4_timeout",
        "greendns_test.TestUdp.test_udp_ipv4_wrong_addr_ignore",
        "greendns_test.TestUdp.test_udp_ipv6_timeout",
        "greendns_test.TestUdp.test_udp_ipv6_wrong_addr_ignore",
        "greendns_test.test_proxy_resolve_unqualified",
    ],
    "classes that begin with `_`; green threads ask the socket in turn instead": [
        "zmq_test.TestBlockedThread.test_block",
        "zmq_test.TestQueueLock.test_count",
        "zmq_test.TestQueueLock.test_errors",
        "zmq_test.TestQueueLock.test_nested_acquire",
        "zmq_test.TestQueueLock.test_queue_lock_order",
    ],
    "methods and fields of a WebSocket that begin with `_`, or that a test sets during its life": [
        "websocket_new_test.TestWebSocketWithCompression.test_client_compress_no_context_takeover_13",
        "websocket_new_test.TestWebSocketWithCompression.test_client_compress_with_context_takeover_13",
        "websocket_new_test.TestWebSocketWithCompression.test_large_frame_size_uncompressed_13",
        "websocket_new_test.TestWebSocketWithCompression.test_send_uncompressed_msg_13",
        "websocket_new_test.TestWebSocketWithCompression.test_server_compress_no_context_takeover_13",
        "websocket_new_test.TestWebSocketWithCompression.test_server_compress_with_context_takeover_13",
    ],
    "an offer of compression with wrong parameters is declined; the server says that it compresses with 12 bits": [
        "websocket_new_test.TestWebSocketWithCompression.test_accept_deflate_ext_window_max_bits_13",
        "websocket_new_test.TestWebSocketWithCompression.test_reject_max_window_bits_out_of_range_13",
    ],
    "WebSocket drafts 75 and 76, which came before RFC 6455: no browser has spoken them since 2012; they get a 426": [
        "websocket_test.TestWebSocket.test_app_socket_errors_75",
        "websocket_test.TestWebSocket.test_app_socket_errors_76",
        "websocket_test.TestWebSocket.test_client_invalid_packet_76",
        "websocket_test.TestWebSocket.test_close_idle",
        "websocket_test.TestWebSocket.test_correct_upgrade_request_75",
        "websocket_test.TestWebSocket.test_correct_upgrade_request_76",
        "websocket_test.TestWebSocket.test_empty_query_string",
        "websocket_test.TestWebSocket.test_getting_messages_from_websocket_75",
        "websocket_test.TestWebSocket.test_getting_messages_from_websocket_76",
        "websocket_test.TestWebSocket.test_incomplete_headers_75",
        "websocket_test.TestWebSocket.test_incomplete_headers_76",
        "websocket_test.TestWebSocket.test_query_string",
        "websocket_test.TestWebSocket.test_sending_messages_to_websocket_75",
        "websocket_test.TestWebSocket.test_sending_messages_to_websocket_76",
        "websocket_test.TestWebSocket.test_server_closing_connect_76",
        "websocket_test.TestWebSocket.test_wrapped_wsgi",
        "websocket_test.TestWebSocketObject.test_close_ws",
        "websocket_test.TestWebSocketObject.test_recieve",
        "websocket_test.TestWebSocketObject.test_send_to_ws",
        "websocket_test.TestWebSocketSSL.test_ssl_sending_messages",
    ],
    "HTTP/1.1 keeps connections anyway: an answer does not say keep-alive": [
        "wsgi_test.TestHttpd.test_no_transfer_encoding_in_empty_response",
    ],
    "a control character in the extension of a chunk gets a 400": [
        "wsgi_test.TestChunkedInput.test_dirt",
    ],
    "chunks in HTTP/1.0 get a 400: what such a body is cannot be said for sure (RFC 9112, 6.1)": [
        "wsgi_test.TestHttpd.test_aborted_chunked_post",
        "wsgi_test.TestHttpd.test_aborted_chunked_post_bad_chunks",
        "wsgi_test.TestHttpd.test_aborted_chunked_post_between_chunks",
    ],
    "100 Continue goes to a client that waits, once and by HTTP/1.1": [
        "wsgi_test.TestHttpd.test_018b_http_10_keepalive_framing",
        "wsgi_test.TestHttpd.test_024_expect_100_continue",
        "wsgi_test.TestHttpd.test_024b_expect_100_continue_with_headers_multiple_chunked",
    ],
    "what is too long gets 431, what is too slow 408": [
        "wsgi_test.TestHttpd.test_030_reject_long_header_lines",
        "wsgi_test.TestHttpd.test_031_reject_large_headers",
        "wsgi_test.TestHttpd.test_server_connection_timeout_exception",
        "wsgi_test.TestHttpd.test_server_socket_timeout",
    ],
    "names and values of headers are as HTTP has them, or the answer is a 500": [
        "wsgi_test.TestHttpd.test_header_name_capitalization",
        "wsgi_test.TestHttpd.test_non_latin1_response_header_value_raises",
    ],
    "an answer without a byte has Content-Length: 0, not chunks": [
        "wsgi_test.IterableAlreadyHandledTest.test_iterable_app_keeps_socket_open_unless_connection_close_sent",
        "wsgi_test.ProxiedIterableAlreadyHandledTest.test_iterable_app_keeps_socket_open_unless_connection_close_sent",
        "wsgi_test.TestHttpd.test_zero_length_chunked_response",
    ],
    "asyncio.ensure_future() outside of a coroutine belongs to asyncio's own loop, not to that of the greenthreads": [
        "asyncio_test.test_cancelling_future_kills_greenthread",
        "asyncio_test.test_future_and_task",
        "asyncio_test.test_kill_greenthread",
    ],
    "a listener that does not listen ends the server, which says so a moment later": [
        "wsgi_test.TestHttpd.test_025_accept_errors",
    ],
}

# test -> reason
FAILS = {test: reason for reason, tests in BY_REASON.items() for test in tests}

# Tests whose outcome depends on the machine -> what it depends on
MAY_FAIL = {
    "asyncio_test.CallingAsyncFunctionsFromGreenletsHighLevelTests.test_aiohttp_client": "aiohttp must be there",
    "greenio_test.TestGreenSocket.test_connect_ex_timeout": "the network must drop what is sent to 192.0.2.1",
    "greenio_test.TestGreenSocket.test_connect_timeout": "the network must drop what is sent to 192.0.2.1",
    "hub_test.TestScheduleCall.test_global": "a timer of a millisecond must have run two milliseconds later",
    "zmq_test.TestUpstreamDownStream.test_send_1k_pub_sub": "a publisher drops what a subscriber does not take in time",
    "zmq_test.TestUpstreamDownStream.test_send_1k_push_pull": "the sender must be done when the receiver is",
}

# Those of FAILS that fail on some versions of Python only: the first one on which they do, and the first on which they do not.
FROM: dict[str, tuple[int, int]] = {}
UNTIL: dict[str, tuple[int, int]] = {}
