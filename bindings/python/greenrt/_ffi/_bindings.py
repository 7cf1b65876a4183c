"""Signatures of libgreenrt. GENERATED from include/greenrt.h by gen_bindings.py: do not edit."""

# ruff: noqa
# fmt: off
from __future__ import annotations

import ctypes
from typing import Any

GT_VERSION = "0.1.0"
GT_VERSION_MAJOR = 0
GT_VERSION_MINOR = 1
GT_VERSION_PATCH = 0
GT_ABI_VERSION = 1
GT_OVERFLOW_DEFAULT = 0
GT_OVERFLOW_ON = 1
GT_OVERFLOW_OFF = 2
GT_DEADLOCK_DEFAULT = 0
GT_DEADLOCK_REPORT = 1
GT_DEADLOCK_ERROR = 2
GT_DEADLOCK_OFF = 3
GT_SPAWN_DETACHED = 1
GT_SPAWN_SUSPENDED = 2
GT_NEVER = 9223372036854775807
GT_SELECT_NONE = 0
GT_SELECT_SEND = 1
GT_SELECT_RECV = 2
GT_SELECT_FD = 3
GT_SELECT_TASK = 4
GT_SELECT_EVENT = 5
GT_SELECT_SEM = 6
GT_SELECT_MAX = 65536
GT_SCOPE_KEEP_GOING = 1
GT_WORKERS_PIN = 1
GT_PROCESS_CLOSED = -1
GT_PROCESS_NULL = -2
GT_PROCESS_READS = -3
GT_PROCESS_WRITES = -4
GT_PROCESS_GROUP = 1
GT_PROCESS_SESSION = 2
GT_PROCESS_SIGNALS = 4
GT_FDS_MAX = 253
GT_LISTEN_REUSEPORT = 1
GT_LISTEN_V6ONLY = 2
GT_SERVE_DRAIN = 1
GT_HTTP_HOSTLESS = 1
GT_HTTP_KEEP_ALIVE = 1
GT_HTTP_EXPECT = 2
GT_HTTP_UPGRADE = 4
GT_WS_TEXT = 1
GT_WS_BINARY = 2
GT_WS_CLOSE = 8
GT_WS_PING = 9
GT_WS_PONG = 10
GT_WS_CLIENT = 1
GT_WS_DEFLATE = 2
GT_WS_ALONE = 4
GT_WS_PEER_ALONE = 8
GT_TASK_READY = 0
GT_TASK_RUNNING = 1
GT_TASK_PARKED = 2
GT_TASK_ENDED = 3
GT_WAIT_OTHER = 0
GT_WAIT_PARK = 1
GT_WAIT_SLEEP = 2
GT_WAIT_READ = 3
GT_WAIT_WRITE = 4
GT_WAIT_POLL = 5
GT_WAIT_JOIN = 6
GT_WAIT_SHUTDOWN = 7
GT_WAIT_OFFLOAD = 8
GT_WAIT_MUTEX = 9
GT_WAIT_READ_LOCK = 10
GT_WAIT_WRITE_LOCK = 11
GT_WAIT_COND = 12
GT_WAIT_SEM = 13
GT_WAIT_EVENT = 14
GT_WAIT_WAITGROUP = 15
GT_WAIT_BARRIER = 16
GT_WAIT_ONCE = 17
GT_WAIT_SEND = 18
GT_WAIT_RECV = 19
GT_WAIT_SELECT = 20
GT_WAIT_SCOPE = 21
GT_WAIT_HAND_OVER = 22
GT_WAIT_SIGNAL = 23
GT_WAIT_PROCESS = 24
GT_WAIT_WORKERS = 25
GT_TASK_CANCELLED = 1
GT_TASK_DETACHED = 2
GT_TASK_ROOT = 4
GT_TASK_SHIELDED = 8
GT_STACK_ROOT = 1
GT_STACK_RUNNING = 2
GT_STACK_ENDED = 4


class gt_config_t(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("stack_size", ctypes.c_size_t),
        ("guard_size", ctypes.c_size_t),
        ("alloc", ctypes.c_void_p),
        ("realloc", ctypes.c_void_p),
        ("dealloc", ctypes.c_void_p),
        ("alloc_arg", ctypes.c_void_p),
        ("overflow_handler", ctypes.c_uint32),
        ("deadlock", ctypes.c_uint32),
        ("offload_threads", ctypes.c_uint32),
        ("offload_queue", ctypes.c_uint32),
        ("offload_linger", ctypes.c_int64),
    ]


class gt_spawn_opts_t(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("name", ctypes.c_char_p),
        ("stack_size", ctypes.c_size_t),
        ("stack", ctypes.c_void_p),
        ("guard_size", ctypes.c_size_t),
        ("priority", ctypes.c_int32),
        ("flags", ctypes.c_uint32),
    ]


class gt_once_t(ctypes.Structure):
    _fields_ = [
        ("state", ctypes.c_int64),
        ("reserved", ctypes.c_uint64 * 7),
    ]


class gt_select_arm_t(ctypes.Structure):
    _fields_ = [
        ("kind", ctypes.c_int),
        ("result", ctypes.c_int),
        ("object", ctypes.c_void_p),
        ("item", ctypes.c_void_p),
        ("id", ctypes.c_int64),
        ("events", ctypes.c_short),
        ("revents", ctypes.c_short),
        ("own", ctypes.c_uint16 * 2),
        ("place", ctypes.c_uint64 * 12),
    ]


class gt_workers_opts_t(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("flags", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
    ]


class gt_dirent_t(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("inode", ctypes.c_uint64),
        ("kind", ctypes.c_int),
        ("reserved", ctypes.c_uint32),
    ]


class gt_process_fd_t(ctypes.Structure):
    _fields_ = [
        ("child", ctypes.c_int),
        ("fd", ctypes.c_int),
        ("end", ctypes.POINTER(ctypes.c_int)),
    ]


class gt_process_opts_t(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("env", ctypes.POINTER(ctypes.c_char_p)),
        ("cwd", ctypes.c_char_p),
        ("fds", ctypes.POINTER(gt_process_fd_t)),
        ("fds_count", ctypes.c_size_t),
        ("flags", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
    ]


class gt_signal_info_t(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("number", ctypes.c_int),
        ("code", ctypes.c_int),
        ("pid", ctypes.c_int),
        ("uid", ctypes.c_uint),
        ("value", ctypes.c_int64),
        ("status", ctypes.c_int),
        ("lost", ctypes.c_uint32),
    ]


class gt_listen_opts_t(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("backlog", ctypes.c_int),
        ("flags", ctypes.c_uint32),
        ("defer_accept", ctypes.c_int),
        ("reserved", ctypes.c_uint32),
    ]


class gt_serve_opts_t(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("max_connections", ctypes.c_size_t),
        ("stack_size", ctypes.c_size_t),
        ("name", ctypes.c_char_p),
        ("flags", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
    ]


class gt_http_limits_t(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("max_line", ctypes.c_size_t),
        ("max_headers", ctypes.c_size_t),
        ("max_header_bytes", ctypes.c_size_t),
        ("max_body", ctypes.c_uint64),
        ("first_byte", ctypes.c_int64),
        ("idle", ctypes.c_int64),
        ("head", ctypes.c_int64),
        ("body", ctypes.c_int64),
        ("write", ctypes.c_int64),
        ("flags", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("body_total", ctypes.c_int64),
    ]


class gt_http_io_t(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("read", ctypes.c_void_p),
        ("write", ctypes.c_void_p),
        ("ctx", ctypes.c_void_p),
    ]


class gt_http_header_t(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("name_len", ctypes.c_size_t),
        ("value", ctypes.c_char_p),
        ("value_len", ctypes.c_size_t),
    ]


class gt_http_request_t(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("method", ctypes.c_char_p),
        ("method_len", ctypes.c_size_t),
        ("target", ctypes.c_char_p),
        ("target_len", ctypes.c_size_t),
        ("path", ctypes.c_char_p),
        ("path_len", ctypes.c_size_t),
        ("query", ctypes.c_char_p),
        ("query_len", ctypes.c_size_t),
        ("host", ctypes.c_char_p),
        ("host_len", ctypes.c_size_t),
        ("headers", ctypes.POINTER(gt_http_header_t)),
        ("header_count", ctypes.c_size_t),
        ("content_length", ctypes.c_int64),
        ("minor", ctypes.c_int),
        ("flags", ctypes.c_uint32),
    ]


class gt_ws_opts_t(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("flags", ctypes.c_uint32),
        ("level", ctypes.c_uint32),
        ("max_size", ctypes.c_uint64),
        ("window", ctypes.c_uint32),
        ("peer_window", ctypes.c_uint32),
    ]


class gt_ws_event_t(ctypes.Structure):
    _fields_ = [
        ("kind", ctypes.c_int),
        ("code", ctypes.c_int),
        ("data", ctypes.c_void_p),
        ("len", ctypes.c_size_t),
    ]


class gt_host_t(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("ctx", ctypes.c_void_p),
        ("state_new", ctypes.c_void_p),
        ("swap", ctypes.c_void_p),
        ("state_clear", ctypes.c_void_p),
        ("state_free", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("acquire", ctypes.c_void_p),
        ("stack_bounds", ctypes.c_void_p),
        ("interrupted", ctypes.c_void_p),
        ("tls_key", ctypes.POINTER(ctypes.c_uint32)),
        ("trace", ctypes.c_void_p),
        ("deadlocked", ctypes.c_void_p),
    ]


class gt_stats_t(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("tasks_live", ctypes.c_uint64),
        ("tasks_parked", ctypes.c_uint64),
        ("tasks_ready", ctypes.c_uint64),
        ("tasks_spawned", ctypes.c_uint64),
        ("switches", ctypes.c_uint64),
        ("polls", ctypes.c_uint64),
        ("descriptors", ctypes.c_uint64),
        ("timers", ctypes.c_uint64),
        ("stacks_mapped", ctypes.c_uint64),
        ("stacks_in_use", ctypes.c_uint64),
        ("stacks_cached", ctypes.c_uint64),
        ("wakes_remote", ctypes.c_uint64),
        ("offload_jobs", ctypes.c_uint64),
        ("objects", ctypes.c_uint64),
        ("offload_threads", ctypes.c_uint64),
        ("offload_queued", ctypes.c_uint64),
    ]


class gt_task_info_t(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("id", ctypes.c_int64),
        ("state", ctypes.c_uint32),
        ("waits", ctypes.c_uint32),
        ("object", ctypes.c_int64),
        ("deadline", ctypes.c_int64),
        ("since", ctypes.c_int64),
        ("entry", ctypes.c_void_p),
        ("stack_base", ctypes.c_void_p),
        ("stack_size", ctypes.c_size_t),
        ("stack_used", ctypes.c_size_t),
        ("stack_pointer", ctypes.c_void_p),
        ("flags", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("name", ctypes.c_char * 32),
    ]


class gt_watchdog_report_t(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("task", ctypes.c_int64),
        ("held", ctypes.c_int64),
        ("ran", ctypes.c_int64),
        ("entry", ctypes.c_void_p),
        ("addresses", ctypes.POINTER(ctypes.c_void_p)),
        ("address_count", ctypes.c_size_t),
        ("text", ctypes.c_char_p),
        ("count", ctypes.c_uint32),
        ("thread", ctypes.c_int32),
        ("name", ctypes.c_char * 32),
        ("host", ctypes.c_char_p),
    ]


class gt_stack_t(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("task", ctypes.c_int64),
        ("thread", ctypes.c_size_t),
        ("low", ctypes.c_void_p),
        ("base", ctypes.c_void_p),
        ("top", ctypes.c_void_p),
        ("own", ctypes.c_void_p),
        ("flags", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
    ]


# name: (result, parameters)
SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "gt_version": (ctypes.c_char_p, []),
    "gt_abi_version": (ctypes.c_uint32, []),
    "gt_strerror": (ctypes.c_char_p, [ctypes.c_int]),
    "gt_config": (ctypes.c_int, [ctypes.POINTER(gt_config_t)]),
    "gt_shutdown": (ctypes.c_int, []),
    "gt_shutdown_until": (ctypes.c_int, [ctypes.c_int64]),
    "gt_poll_fd": (ctypes.c_int, []),
    "gt_next_deadline": (ctypes.c_int64, []),
    "gt_turn": (ctypes.c_int, [ctypes.c_int64]),
    "gt_spawn": (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p]),
    "gt_spawn_with": (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(gt_spawn_opts_t)]),
    "gt_self": (ctypes.c_int64, []),
    "gt_join": (ctypes.c_int, [ctypes.c_int64, ctypes.POINTER(ctypes.c_void_p)]),
    "gt_join_until": (ctypes.c_int, [ctypes.c_int64, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int64]),
    "gt_detach": (ctypes.c_int, [ctypes.c_int64]),
    "gt_yield": (ctypes.c_int, []),
    "gt_exit": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_cancel": (ctypes.c_int, [ctypes.c_int64]),
    "gt_interrupt": (ctypes.c_int, [ctypes.c_int64, ctypes.c_int]),
    "gt_interrupt_at": (ctypes.c_int, [ctypes.c_int64, ctypes.c_int, ctypes.c_int64]),
    "gt_interrupt_take": (ctypes.c_int, [ctypes.POINTER(ctypes.c_int32)]),
    "gt_interrupt_withdraw": (ctypes.c_int, [ctypes.c_int64, ctypes.c_int]),
    "gt_shield_push": (ctypes.c_int, []),
    "gt_shield_pop": (ctypes.c_int, []),
    "gt_cleanup_push": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p]),
    "gt_cleanup_pop": (ctypes.c_int, [ctypes.c_int]),
    "gt_task_set_name": (ctypes.c_int, [ctypes.c_int64, ctypes.c_char_p]),
    "gt_task_name": (ctypes.c_int, [ctypes.c_int64, ctypes.c_void_p, ctypes.c_size_t]),
    "gt_park": (ctypes.c_int, []),
    "gt_park_until": (ctypes.c_int, [ctypes.c_int64]),
    "gt_unpark": (ctypes.c_int, [ctypes.c_int64]),
    "gt_waker_new": (ctypes.c_void_p, [ctypes.c_int64]),
    "gt_waker_wake": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_waker_free": (None, [ctypes.c_void_p]),
    "gt_now": (ctypes.c_int64, []),
    "gt_sleep": (ctypes.c_int, [ctypes.c_int64]),
    "gt_sleep_until": (ctypes.c_int, [ctypes.c_int64]),
    "gt_deadline_push": (ctypes.c_int64, [ctypes.c_int64]),
    "gt_deadline_pop": (ctypes.c_int, [ctypes.c_int64]),
    "gt_mutex_new": (ctypes.c_void_p, []),
    "gt_mutex_free": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_mutex_lock": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_mutex_lock_until": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int64]),
    "gt_mutex_try_lock": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_mutex_unlock": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_rwlock_new": (ctypes.c_void_p, []),
    "gt_rwlock_free": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_rwlock_read_lock": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_rwlock_read_lock_until": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int64]),
    "gt_rwlock_try_read_lock": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_rwlock_write_lock": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_rwlock_write_lock_until": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int64]),
    "gt_rwlock_try_write_lock": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_rwlock_unlock": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_cond_new": (ctypes.c_void_p, []),
    "gt_cond_free": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_cond_wait": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p]),
    "gt_cond_wait_until": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]),
    "gt_cond_signal": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_cond_broadcast": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_sem_new": (ctypes.c_void_p, [ctypes.c_int64]),
    "gt_sem_free": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_sem_wait": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_sem_wait_until": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int64]),
    "gt_sem_try_wait": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_sem_post": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_sem_post_many": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int64]),
    "gt_sem_value": (ctypes.c_int64, [ctypes.c_void_p]),
    "gt_event_new": (ctypes.c_void_p, []),
    "gt_event_free": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_event_set": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_event_clear": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_event_is_set": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_event_wait": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_event_wait_until": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int64]),
    "gt_waitgroup_new": (ctypes.c_void_p, []),
    "gt_waitgroup_free": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_waitgroup_add": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int64]),
    "gt_waitgroup_done": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_waitgroup_wait": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_waitgroup_wait_until": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int64]),
    "gt_barrier_new": (ctypes.c_void_p, [ctypes.c_uint32]),
    "gt_barrier_free": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_barrier_wait": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_barrier_wait_until": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int64]),
    "gt_once_do": (ctypes.c_int, [ctypes.POINTER(gt_once_t), ctypes.c_void_p, ctypes.c_void_p]),
    "gt_once_do_until": (ctypes.c_int, [ctypes.POINTER(gt_once_t), ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]),
    "gt_chan_new": (ctypes.c_void_p, [ctypes.c_size_t, ctypes.c_size_t]),
    "gt_chan_new_shared": (ctypes.c_void_p, [ctypes.c_size_t, ctypes.c_size_t]),
    "gt_chan_free": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_chan_send": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p]),
    "gt_chan_send_until": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]),
    "gt_chan_send_try": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p]),
    "gt_chan_recv": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p]),
    "gt_chan_recv_until": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]),
    "gt_chan_recv_try": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p]),
    "gt_chan_send_many": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_size_t)]),
    "gt_chan_send_many_until": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_size_t), ctypes.c_int64]),
    "gt_chan_send_many_try": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_size_t)]),
    "gt_chan_recv_many": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_size_t)]),
    "gt_chan_recv_many_until": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_size_t), ctypes.c_int64]),
    "gt_chan_recv_many_try": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_size_t)]),
    "gt_chan_close": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_chan_len": (ctypes.c_int64, [ctypes.c_void_p]),
    "gt_chan_capacity": (ctypes.c_int64, [ctypes.c_void_p]),
    "gt_select": (ctypes.c_int, [ctypes.POINTER(gt_select_arm_t), ctypes.c_size_t]),
    "gt_select_until": (ctypes.c_int, [ctypes.POINTER(gt_select_arm_t), ctypes.c_size_t, ctypes.c_int64]),
    "gt_select_try": (ctypes.c_int, [ctypes.POINTER(gt_select_arm_t), ctypes.c_size_t]),
    "gt_scope_new": (ctypes.c_void_p, [ctypes.c_uint32]),
    "gt_scope_free": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_scope_spawn": (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]),
    "gt_scope_spawn_with": (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(gt_spawn_opts_t)]),
    "gt_scope_join": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_scope_join_until": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int64]),
    "gt_scope_cancel": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_scope_error": (ctypes.c_int, [ctypes.c_void_p, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int64)]),
    "gt_scope_count": (ctypes.c_int64, [ctypes.c_void_p]),
    "gt_local_new": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_local_free": (ctypes.c_int, [ctypes.c_int]),
    "gt_local_set": (ctypes.c_int, [ctypes.c_int, ctypes.c_void_p]),
    "gt_local_get": (ctypes.c_void_p, [ctypes.c_int]),
    "gt_hand_over": (ctypes.c_int, [ctypes.c_int64, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)]),
    "gt_hand_over_until": (ctypes.c_int, [ctypes.c_int64, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int64]),
    "gt_hand_await": (ctypes.c_int, [ctypes.POINTER(ctypes.c_void_p)]),
    "gt_hand_await_until": (ctypes.c_int, [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int64]),
    "gt_generator_new": (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_void_p]),
    "gt_generator_new_with": (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(gt_spawn_opts_t)]),
    "gt_generator_next": (ctypes.c_int, [ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)]),
    "gt_generator_next_until": (ctypes.c_int, [ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int64]),
    "gt_generator_yield": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p]),
    "gt_generator_free": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_workers_start": (ctypes.c_int, [ctypes.c_uint, ctypes.POINTER(gt_workers_opts_t)]),
    "gt_workers_stop": (ctypes.c_int, []),
    "gt_workers_stop_until": (ctypes.c_int, [ctypes.c_int64]),
    "gt_workers_count": (ctypes.c_int, []),
    "gt_worker_self": (ctypes.c_int, []),
    "gt_spawn_on": (ctypes.c_int64, [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]),
    "gt_spawn_on_with": (ctypes.c_int64, [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(gt_spawn_opts_t)]),
    "gt_spawn_any": (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p]),
    "gt_spawn_any_with": (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(gt_spawn_opts_t)]),
    "gt_recv": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]),
    "gt_recv_until": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int64]),
    "gt_send": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]),
    "gt_send_until": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int64]),
    "gt_send_all": (ctypes.c_int, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.POINTER(ctypes.c_size_t)]),
    "gt_send_all_until": (ctypes.c_int, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.POINTER(ctypes.c_size_t), ctypes.c_int64]),
    "gt_recvfrom": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint32)]),
    "gt_recvfrom_until": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint32), ctypes.c_int64]),
    "gt_sendto": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32]),
    "gt_sendto_until": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int64]),
    "gt_recvmsg": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]),
    "gt_recvmsg_until": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64]),
    "gt_sendmsg": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]),
    "gt_sendmsg_until": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64]),
    "gt_socket": (ctypes.c_int, [ctypes.c_int, ctypes.c_int, ctypes.c_int]),
    "gt_accept": (ctypes.c_int, [ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint32)]),
    "gt_accept_until": (ctypes.c_int, [ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint32), ctypes.c_int64]),
    "gt_connect": (ctypes.c_int, [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32]),
    "gt_connect_until": (ctypes.c_int, [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int64]),
    "gt_listen_tcp": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_uint16, ctypes.c_int]),
    "gt_listen_tcp_until": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_uint16, ctypes.c_int, ctypes.c_int64]),
    "gt_dial_tcp": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_uint16]),
    "gt_dial_tcp_until": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_uint16, ctypes.c_int64]),
    "gt_read": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]),
    "gt_read_until": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64]),
    "gt_write": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]),
    "gt_write_until": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64]),
    "gt_readv": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]),
    "gt_readv_until": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64]),
    "gt_writev": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]),
    "gt_writev_until": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64]),
    "gt_wait_fd": (ctypes.c_int, [ctypes.c_int, ctypes.c_int]),
    "gt_wait_fd_until": (ctypes.c_int, [ctypes.c_int, ctypes.c_int, ctypes.c_int64]),
    "gt_poll": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_ulong]),
    "gt_poll_until": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int64]),
    "gt_fd_adopt": (ctypes.c_int, [ctypes.c_int]),
    "gt_fd_watch": (ctypes.c_int, [ctypes.c_int]),
    "gt_fd_release": (ctypes.c_int, [ctypes.c_int]),
    "gt_close": (ctypes.c_int, [ctypes.c_int]),
    "gt_offload": (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p]),
    "gt_offload_until": (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]),
    "gt_offload_owned": (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]),
    "gt_offload_owned_until": (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]),
    "gt_getaddrinfo": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_int)]),
    "gt_getaddrinfo_until": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_int), ctypes.c_int64]),
    "gt_freeaddrinfo": (None, [ctypes.c_void_p]),
    "gt_getnameinfo": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.POINTER(ctypes.c_int)]),
    "gt_getnameinfo_until": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.c_int64]),
    "gt_open": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_int, ctypes.c_uint]),
    "gt_open_until": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_int64]),
    "gt_pread": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64]),
    "gt_pread_until": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64, ctypes.c_int64]),
    "gt_pwrite": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64]),
    "gt_pwrite_until": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64, ctypes.c_int64]),
    "gt_fsync": (ctypes.c_int, [ctypes.c_int]),
    "gt_fsync_until": (ctypes.c_int, [ctypes.c_int, ctypes.c_int64]),
    "gt_fdatasync": (ctypes.c_int, [ctypes.c_int]),
    "gt_fdatasync_until": (ctypes.c_int, [ctypes.c_int, ctypes.c_int64]),
    "gt_ftruncate": (ctypes.c_int, [ctypes.c_int, ctypes.c_int64]),
    "gt_ftruncate_until": (ctypes.c_int, [ctypes.c_int, ctypes.c_int64, ctypes.c_int64]),
    "gt_stat": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_void_p]),
    "gt_stat_until": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int64]),
    "gt_lstat": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_void_p]),
    "gt_lstat_until": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int64]),
    "gt_fstat": (ctypes.c_int, [ctypes.c_int, ctypes.c_void_p]),
    "gt_fstat_until": (ctypes.c_int, [ctypes.c_int, ctypes.c_void_p, ctypes.c_int64]),
    "gt_rename": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_char_p]),
    "gt_rename_until": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int64]),
    "gt_unlink": (ctypes.c_int, [ctypes.c_char_p]),
    "gt_unlink_until": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_int64]),
    "gt_mkdir": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_uint]),
    "gt_mkdir_until": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_uint, ctypes.c_int64]),
    "gt_rmdir": (ctypes.c_int, [ctypes.c_char_p]),
    "gt_rmdir_until": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_int64]),
    "gt_dir_open": (ctypes.c_int, [ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p)]),
    "gt_dir_open_until": (ctypes.c_int, [ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int64]),
    "gt_dir_next": (ctypes.c_int, [ctypes.c_void_p, ctypes.POINTER(gt_dirent_t)]),
    "gt_dir_free": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_pipe": (ctypes.c_int, [ctypes.POINTER(ctypes.c_int)]),
    "gt_waitpid": (ctypes.c_int, [ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.c_int]),
    "gt_waitpid_until": (ctypes.c_int, [ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.c_int, ctypes.c_int64]),
    "gt_process_spawn": (ctypes.c_int, [ctypes.c_char_p, ctypes.POINTER(ctypes.c_char_p), ctypes.POINTER(gt_process_opts_t)]),
    "gt_process_spawn_until": (ctypes.c_int, [ctypes.c_char_p, ctypes.POINTER(ctypes.c_char_p), ctypes.POINTER(gt_process_opts_t), ctypes.c_int64]),
    "gt_signals_new": (ctypes.c_void_p, [ctypes.c_void_p]),
    "gt_signals_free": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_signals_recv": (ctypes.c_int, [ctypes.c_void_p, ctypes.POINTER(gt_signal_info_t)]),
    "gt_signals_recv_until": (ctypes.c_int, [ctypes.c_void_p, ctypes.POINTER(gt_signal_info_t), ctypes.c_int64]),
    "gt_signals_fd": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_signal_wait": (ctypes.c_int, [ctypes.c_void_p, ctypes.POINTER(gt_signal_info_t)]),
    "gt_signal_wait_until": (ctypes.c_int, [ctypes.c_void_p, ctypes.POINTER(gt_signal_info_t), ctypes.c_int64]),
    "gt_bind_udp": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_uint16]),
    "gt_bind_udp_until": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_uint16, ctypes.c_int64]),
    "gt_recvmmsg": (ctypes.c_int, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]),
    "gt_recvmmsg_until": (ctypes.c_int, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int64]),
    "gt_sendmmsg": (ctypes.c_int, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]),
    "gt_sendmmsg_until": (ctypes.c_int, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int64]),
    "gt_listen_unix": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_int]),
    "gt_dial_unix": (ctypes.c_int, [ctypes.c_char_p]),
    "gt_dial_unix_until": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_int64]),
    "gt_send_fds": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int), ctypes.c_size_t]),
    "gt_send_fds_until": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int), ctypes.c_size_t, ctypes.c_int64]),
    "gt_recv_fds": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int), ctypes.c_size_t, ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(ctypes.c_int)]),
    "gt_recv_fds_until": (ctypes.c_ssize_t, [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int), ctypes.c_size_t, ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(ctypes.c_int), ctypes.c_int64]),
    "gt_sendfile": (ctypes.c_int, [ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_int64), ctypes.c_size_t, ctypes.POINTER(ctypes.c_size_t)]),
    "gt_sendfile_until": (ctypes.c_int, [ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_int64), ctypes.c_size_t, ctypes.POINTER(ctypes.c_size_t), ctypes.c_int64]),
    "gt_half_close": (ctypes.c_int, [ctypes.c_int, ctypes.c_int]),
    "gt_listen_tcp_with": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_uint16, ctypes.POINTER(gt_listen_opts_t)]),
    "gt_listen_tcp_with_until": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_uint16, ctypes.POINTER(gt_listen_opts_t), ctypes.c_int64]),
    "gt_serve": (ctypes.c_int, [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(gt_serve_opts_t)]),
    "gt_serve_until": (ctypes.c_int, [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(gt_serve_opts_t), ctypes.c_int64]),
    "gt_serve_stop": (ctypes.c_int, [ctypes.c_int]),
    "gt_http_new": (ctypes.c_void_p, [ctypes.c_int, ctypes.POINTER(gt_http_limits_t)]),
    "gt_http_new_io": (ctypes.c_void_p, [ctypes.POINTER(gt_http_io_t), ctypes.POINTER(gt_http_limits_t)]),
    "gt_http_next": (ctypes.c_int, [ctypes.c_void_p, ctypes.POINTER(gt_http_request_t)]),
    "gt_http_read": (ctypes.c_ssize_t, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]),
    "gt_http_status": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_http_keeps_alive": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_http_free": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_http_respond": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(gt_http_header_t), ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t]),
    "gt_http_start": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(gt_http_header_t), ctypes.c_size_t]),
    "gt_http_write": (ctypes.c_ssize_t, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]),
    "gt_http_sendfile": (ctypes.c_ssize_t, [ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_size_t]),
    "gt_http_finish": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_http_inform": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(gt_http_header_t), ctypes.c_size_t]),
    "gt_http_upgrade": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(gt_http_header_t), ctypes.c_size_t, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_size_t)]),
    "gt_http_abort": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_http_sent": (ctypes.c_int64, [ctypes.c_void_p]),
    "gt_http_has_begun": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_ws_new": (ctypes.c_void_p, [ctypes.POINTER(gt_ws_opts_t)]),
    "gt_ws_free": (ctypes.c_int, [ctypes.c_void_p]),
    "gt_ws_feed": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]),
    "gt_ws_next": (ctypes.c_int, [ctypes.c_void_p, ctypes.POINTER(gt_ws_event_t)]),
    "gt_ws_put": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]),
    "gt_ws_put_fragment": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]),
    "gt_ws_output": (ctypes.c_ssize_t, [ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)]),
    "gt_ws_written": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_size_t]),
    "gt_host_set": (ctypes.c_int, [ctypes.POINTER(gt_host_t)]),
    "gt_host_notify": (ctypes.c_int, [ctypes.c_int64]),
    "gt_host_yield": (ctypes.c_int, []),
    "gt_carry": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_size_t]),
    "gt_carry_from": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]),
    "gt_stats": (ctypes.c_int, [ctypes.POINTER(gt_stats_t)]),
    "gt_task_list": (ctypes.c_ssize_t, [ctypes.POINTER(ctypes.c_int64), ctypes.c_size_t]),
    "gt_task_info": (ctypes.c_int, [ctypes.c_int64, ctypes.POINTER(gt_task_info_t)]),
    "gt_backtrace": (ctypes.c_int, [ctypes.c_int64, ctypes.POINTER(ctypes.c_void_p), ctypes.c_size_t]),
    "gt_dump": (ctypes.c_int, [ctypes.c_int]),
    "gt_dump_on_signal": (ctypes.c_int, [ctypes.c_int]),
    "gt_watchdog_start": (ctypes.c_int, [ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p]),
    "gt_watchdog_stop": (ctypes.c_int, []),
    "gt_stacks_each": (ctypes.c_ssize_t, [ctypes.c_void_p, ctypes.c_void_p]),
    "gt_stack_at": (ctypes.c_int, [ctypes.c_size_t, ctypes.c_void_p, ctypes.POINTER(gt_stack_t)]),
    "gt_clock_virtual": (ctypes.c_int, [ctypes.c_int64, ctypes.c_int64]),
    "gt_clock_advance": (ctypes.c_int, [ctypes.c_int64]),
    "gt_clock_real": (ctypes.c_int, []),
    "gt_python_builtins": (ctypes.c_void_p, []),
}
