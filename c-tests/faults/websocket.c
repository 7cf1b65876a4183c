/* Frames of a WebSocket; without compression, whose library takes its windows as a whole. */
#include "faults.h"

/* A message in two pieces, with a mask of zeroes. */
static const char PIECES[] = "\x02\x83\0\0\0\0abc\x80\x83\0\0\0\0def";

SCENARIO(frames_of_a_websocket) {
  gt_ws_event_t event;
  const void *bytes;
  gt_ws_opts_t opts = {.size = sizeof opts, .flags = GT_WS_CLIENT};
  gt_ws_t *server = MADE(gt_ws_new(NULL)), *client = MADE(gt_ws_new(&opts));
  if (server && client) {
    if (TRY(gt_ws_put(client, GT_WS_TEXT, "hello", 5)) >= 0) {
      ssize_t count = gt_ws_output(client, &bytes);
      if (TRY(gt_ws_feed(server, bytes, (size_t)count)) >= 0) EXPECT(gt_ws_next(server, &event), 1);
      TRY(gt_ws_written(client, (size_t)count));
    }
    if (TRY(gt_ws_put_fragment(client, GT_WS_TEXT, "hel", 3, 0)) >= 0 && TRY(gt_ws_put_fragment(client, GT_WS_TEXT, "lo", 2, 1)) >= 0) {
      ssize_t count = gt_ws_output(client, &bytes);
      if (TRY(gt_ws_feed(server, bytes, (size_t)count)) >= 0) TRY(gt_ws_next(server, &event));
      TRY(gt_ws_written(client, (size_t)count));
    }
    if (TRY(gt_ws_feed(server, PIECES, sizeof PIECES - 1)) >= 0) TRY(gt_ws_next(server, &event));
  }
  TRY(gt_ws_free(server));
  TRY(gt_ws_free(client));
}
