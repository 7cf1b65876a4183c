//! The calls into the C face that this room makes, gathered so that its wall towards the runtime is one list. The room
//! sees what `greenrt.h` shows, no more.

pub use crate::ffi::answer::{
    gt_http_abort, gt_http_finish, gt_http_inform, gt_http_respond, gt_http_sendfile, gt_http_sent, gt_http_start,
    gt_http_upgrade, gt_http_write,
};
pub use crate::ffi::generator::{gt_hand_await, gt_hand_over};
pub use crate::ffi::hooks::{gt_carry_from, gt_host_notify, gt_host_set, gt_host_t as Host, gt_host_yield};
pub use crate::ffi::http::{
    gt_http_conn_t as HttpConn, gt_http_free, gt_http_header_t as HttpHeader, gt_http_io_t as HttpIo,
    gt_http_keeps_alive, gt_http_limits_t as HttpLimits, gt_http_new, gt_http_new_io, gt_http_next, gt_http_read,
    gt_http_request_t as HttpRequest, gt_http_status,
};
pub use crate::ffi::inspect::{gt_task_info, gt_task_info_t as TaskInfo};
pub use crate::ffi::io::{
    gt_close, gt_fd_watch, gt_poll_until, gt_read_until, gt_readv_until, gt_wait_fd_until, gt_write_until,
    gt_writev_until,
};
pub use crate::ffi::name::{gt_freeaddrinfo, gt_getaddrinfo, gt_getnameinfo};
pub use crate::ffi::offload::gt_offload_owned;
pub use crate::ffi::runtime::gt_shutdown_until;
pub use crate::ffi::socket::{gt_recv_until, gt_send_all_until, gt_send_until};
pub use crate::ffi::task::{
    gt_interrupt, gt_interrupt_at, gt_interrupt_take, gt_interrupt_withdraw, gt_self, gt_shield_pop, gt_shield_push,
    gt_spawn_opts_t as SpawnOpts, gt_spawn_with, gt_task_set_name, gt_yield, GT_SPAWN_DETACHED as SPAWN_DETACHED,
    GT_SPAWN_SUSPENDED as SPAWN_SUSPENDED,
};
pub use crate::ffi::time::{gt_now, gt_sleep_until, GT_NEVER as NEVER};
pub use crate::ffi::transfer::gt_sendfile;
pub use crate::ffi::wake::{gt_park_until, gt_unpark};
pub use crate::ffi::watchdog::{gt_watchdog_report_t as Report, gt_watchdog_start, gt_watchdog_stop};
pub use crate::ffi::websocket::{
    gt_ws_event_t as WebSocketEvent, gt_ws_feed, gt_ws_free, gt_ws_new, gt_ws_next, gt_ws_opts_t as WebSocketOptions,
    gt_ws_output, gt_ws_put, gt_ws_put_fragment, gt_ws_t as WebSocket, gt_ws_written, GT_WS_ALONE, GT_WS_BINARY,
    GT_WS_CLIENT, GT_WS_CLOSE, GT_WS_DEFLATE, GT_WS_PEER_ALONE, GT_WS_TEXT,
};
