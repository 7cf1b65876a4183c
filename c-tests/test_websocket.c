/* gt_ws: bytes of the other side in, messages out; messages in, bytes for the other side out. */
#include "support.h"

#include <errno.h>
#include <stdlib.h>

static gt_ws_t *server, *client;

static void make(uint32_t flags, uint64_t max_size) {
  gt_ws_opts_t opts = {.size = sizeof opts, .flags = flags, .max_size = max_size};
  server = gt_ws_new(&opts);
  opts.flags |= GT_WS_CLIENT;
  client = gt_ws_new(&opts);
  CHECK(server && client);
}

static void unmake(void) {
  CHECK_EQ(gt_ws_free(server), 0);
  CHECK_EQ(gt_ws_free(client), 0);
}

/* Carries what one side has to say to the other, in pieces of so many bytes. How many bytes that were. */
static size_t carry(gt_ws_t *from, gt_ws_t *to, size_t piece) {
  const void *bytes;
  size_t total = 0;
  ssize_t count;
  while ((count = gt_ws_output(from, &bytes)) > 0) {
    size_t n = (size_t)count < piece ? (size_t)count : piece;
    CHECK_EQ(gt_ws_feed(to, bytes, n), 0);
    CHECK_EQ(gt_ws_written(from, n), 0);
    total += n;
  }
  CHECK_EQ(count, 0);
  return total;
}

static void expect(gt_ws_t *ws, int kind, int code, const char *data, size_t len) {
  gt_ws_event_t event = {0};
  CHECK_EQ(gt_ws_next(ws, &event), 1);
  CHECK_EQ(event.kind, kind);
  CHECK_EQ(event.code, code);
  CHECK_EQ(event.len, len);
  CHECK_MEM(event.data, data, len);
}

static int nothing(gt_ws_t *ws) {
  gt_ws_event_t event;
  return gt_ws_next(ws, &event);
}

TEST(ws_carries_messages_and_control_frames_in_both_directions) {
  make(0, 0);
  CHECK_EQ(s_stats().objects, 2);
  for (int turn = 0; turn < 2; turn++) {
    gt_ws_t *from = turn ? server : client, *to = turn ? client : server;
    CHECK_EQ(gt_ws_put(from, GT_WS_TEXT, "hello", 5), 0);
    CHECK_EQ(gt_ws_put(from, GT_WS_BINARY, "\0\xff", 2), 0);
    CHECK_EQ(gt_ws_put(from, GT_WS_PING, "?", 1), 0);
    CHECK_EQ(gt_ws_put(from, GT_WS_PONG, NULL, 0), 0);
    CHECK_EQ(gt_ws_put(from, GT_WS_CLOSE, "\x03\xe8" "bye", 5), 0);
    CHECK_EQ(nothing(to), 0);
    /* A client masks what it sends: four bytes for each of the five frames. */
    CHECK_EQ(carry(from, to, turn ? 3 : 1000), turn ? 23 : 43);
    expect(to, GT_WS_TEXT, 0, "hello", 5);
    expect(to, GT_WS_BINARY, 0, "\0\xff", 2);
    expect(to, GT_WS_PING, 0, "?", 1);
    expect(to, GT_WS_PONG, 0, "", 0);
    expect(to, GT_WS_CLOSE, 1000, "bye", 3);
    CHECK_EQ(nothing(to), 0);
    CHECK_EQ(gt_ws_feed(to, "\xff", 1), 0); /* after the close nothing counts */
    CHECK_EQ(nothing(to), 0);
  }
  unmake();
  CHECK_EQ(s_stats().objects, 0);
}

TEST(ws_a_mask_is_never_the_same) {
  make(0, 0);
  char first[11];
  const void *bytes;
  CHECK_EQ(gt_ws_put(client, GT_WS_TEXT, "hello", 5), 0);
  CHECK_EQ(gt_ws_output(client, &bytes), 11);
  memcpy(first, bytes, 11);
  CHECK_EQ(gt_ws_written(client, 11), 0);
  int same = 0;
  for (int i = 0; i < 40; i++) {
    CHECK_EQ(gt_ws_put(client, GT_WS_TEXT, "hello", 5), 0);
    CHECK_EQ(gt_ws_output(client, &bytes), 11);
    same += memcmp(first + 2, (const char *)bytes + 2, 4) == 0;
    CHECK_EQ(gt_ws_written(client, 11), 0);
  }
  CHECK_EQ(same, 0);
  unmake();
}

TEST(ws_compresses_when_agreed) {
  enum { SIZE = 100000 };
  char *message = malloc(SIZE);
  memset(message, 'a', SIZE);
  uint32_t flags[] = {GT_WS_DEFLATE, GT_WS_DEFLATE | GT_WS_ALONE | GT_WS_PEER_ALONE};
  for (int i = 0; i < 2; i++) {
    make(flags[i], 0);
    for (int turn = 0; turn < 4; turn++) {
      CHECK_EQ(gt_ws_put(client, GT_WS_TEXT, message, SIZE), 0);
      CHECK_LT(carry(client, server, 100), 1000);
      expect(server, GT_WS_TEXT, 0, message, SIZE);
      CHECK_EQ(gt_ws_put(server, GT_WS_BINARY, "", 0), 0);
      carry(server, client, 100);
      expect(client, GT_WS_BINARY, 0, "", 0);
    }
    unmake();
  }
  free(message);
}

TEST(ws_a_message_in_fragments_arrives_as_one) {
  enum { SIZE = 20000 };
  uint32_t flags[] = {0, GT_WS_DEFLATE, GT_WS_DEFLATE | GT_WS_ALONE | GT_WS_PEER_ALONE};
  char *message = malloc(SIZE);
  for (int i = 0; i < SIZE; i += 4) memcpy(message + i, i % 3 ? "\xf0\x9f\x8c\xb1" : "tree", 4); /* four bytes a character */
  srand(1);
  for (int i = 0; i < 3; i++) {
    make(flags[i], 0);
    for (int turn = 0; turn < 60; turn++) {
      gt_ws_t *from = turn % 2 ? server : client, *to = turn % 2 ? client : server;
      int kind = turn % 3 ? GT_WS_TEXT : GT_WS_BINARY;
      size_t most = turn < 20 ? 5 : SIZE / 2, at = 0, size = turn < 20 ? 40 : SIZE;
      while (at < size) {
        size_t n = (size_t)rand() % (most + 1);
        if (n > size - at) n = size - at;
        int last = at + n == size && turn % 4 > 1; /* else an empty one is the last */
        CHECK_EQ(gt_ws_put_fragment(from, kind, message + at, n, last), 0);
        at += n;
        if (at < size) CHECK_EQ(gt_ws_put(from, GT_WS_PING, NULL, 0), 0);
        carry(from, to, 777);
        if (at < size) expect(to, GT_WS_PING, 0, "", 0);
        if (at == size && !last) CHECK_EQ(gt_ws_put_fragment(from, kind, NULL, 0, 1), 0);
      }
      carry(from, to, 777);
      expect(to, kind, 0, message, size);
      /* What follows a message in fragments is understood, in fragments and as a whole; one of nothing as well. */
      CHECK_EQ(gt_ws_put_fragment(from, GT_WS_TEXT, NULL, 0, 0), 0);
      CHECK_EQ(gt_ws_put_fragment(from, GT_WS_TEXT, NULL, 0, 1), 0);
      CHECK_EQ(gt_ws_put(from, GT_WS_TEXT, message, size), 0);
      carry(from, to, 777);
      expect(to, GT_WS_TEXT, 0, "", 0);
      expect(to, GT_WS_TEXT, 0, message, size);
      CHECK_EQ(nothing(to), 0);
    }
    unmake();
  }
  free(message);
}

TEST(ws_the_frames_of_a_message_in_fragments) {
  static const char frames[] = "\x01\x02" "ab" "\x89\0" "\0\0" "\x80\x01" "c" "\x82\0";
  const void *bytes;
  make(0, 0);
  CHECK_EQ(gt_ws_put_fragment(server, GT_WS_TEXT, "ab", 2, 0), 0);
  CHECK_EQ(gt_ws_put(server, GT_WS_PING, NULL, 0), 0);
  CHECK_EQ(gt_ws_put_fragment(server, GT_WS_TEXT, NULL, 0, 0), 0);
  CHECK_EQ(gt_ws_put_fragment(server, GT_WS_TEXT, "c", 1, 1), 0);
  CHECK_EQ(gt_ws_put_fragment(server, GT_WS_BINARY, NULL, 0, 1), 0); /* the first and the last */
  CHECK_EQ(gt_ws_output(server, &bytes), (ssize_t)sizeof frames - 1);
  CHECK_MEM(bytes, frames, sizeof frames - 1);
  unmake();
}

TEST(ws_refuses_what_is_no_fragment_of_a_message) {
  for (int deflate = 0; deflate < 2; deflate++) {
    make(deflate ? GT_WS_DEFLATE : 0, 0);
    CHECK_EQ(gt_ws_put_fragment(server, GT_WS_PING, NULL, 0, 0), -EINVAL);
    CHECK_EQ(gt_ws_put_fragment(server, 0, NULL, 0, 0), -EINVAL);
    CHECK_EQ(gt_ws_put_fragment(server, 256 + GT_WS_TEXT, NULL, 0, 0), -EINVAL);
    CHECK_EQ(gt_ws_put_fragment(server, GT_WS_TEXT, NULL, 1, 0), -EINVAL);
    CHECK_EQ(gt_ws_put_fragment(server, GT_WS_TEXT, "\xff", 1, 0), -EILSEQ);
    CHECK_EQ(gt_ws_put_fragment(server, GT_WS_TEXT, "\xc3", 1, 1), -EILSEQ); /* cut, and nothing follows */
    CHECK_EQ(gt_ws_put(server, GT_WS_TEXT, "whole", 5), 0);                  /* none was begun */
    CHECK_EQ(gt_ws_put_fragment(server, GT_WS_TEXT, "\xc3", 1, 0), 0);
    CHECK_EQ(gt_ws_put(server, GT_WS_TEXT, "between", 7), -EBUSY);
    CHECK_EQ(gt_ws_put(server, GT_WS_BINARY, NULL, 0), -EBUSY);
    CHECK_EQ(gt_ws_put_fragment(server, GT_WS_BINARY, "\xa4", 1, 1), -EINVAL);
    CHECK_EQ(gt_ws_put_fragment(server, GT_WS_TEXT, "a", 1, 0), -EILSEQ);
    CHECK_EQ(gt_ws_put_fragment(server, GT_WS_TEXT, NULL, 0, 1), -EILSEQ);
    CHECK_EQ(gt_ws_put_fragment(server, GT_WS_TEXT, "\xa4!", 2, 1), 0); /* none of that has touched it */
    CHECK_EQ(gt_ws_put(server, GT_WS_BINARY, "whole", 5), 0);
    carry(server, client, 1000);
    expect(client, GT_WS_TEXT, 0, "whole", 5);
    expect(client, GT_WS_TEXT, 0, "\xc3\xa4!", 3);
    expect(client, GT_WS_BINARY, 0, "whole", 5);
    CHECK_EQ(gt_ws_put_fragment(server, GT_WS_BINARY, "x", 1, 0), 0);
    CHECK_EQ(gt_ws_put(server, GT_WS_CLOSE, "\x03\xf3", 2), 0); /* a message may be left without an end */
    carry(server, client, 1000);
    expect(client, GT_WS_CLOSE, 1011, "", 0);
    unmake();
  }
}

TEST(ws_a_bomb_stops_at_the_limit) {
  enum { SIZE = 10000000 };
  char *message = calloc(1, SIZE);
  gt_ws_opts_t opts = {.size = sizeof opts, .flags = GT_WS_DEFLATE, .max_size = 10000, .level = 9, .window = 9, .peer_window = 9};
  server = gt_ws_new(&opts);
  opts.flags |= GT_WS_CLIENT;
  client = gt_ws_new(&opts);
  CHECK(server && client);
  CHECK_EQ(gt_ws_put(client, GT_WS_BINARY, message, SIZE), 0);
  CHECK_LT(carry(client, server, SIZE), 100000);
  CHECK_EQ(nothing(server), -EMSGSIZE);
  CHECK_EQ(nothing(server), -EMSGSIZE);
  unmake();
  free(message);
}

TEST(ws_refuses_what_the_other_side_may_not_send) {
  struct {
    const char *bytes;
    size_t len;
    int error;
  } cases[] = {
      {"\x81\x01x", 3, -EBADMSG},                                  /* no mask */
      {"\xc1\x80", 2, -EBADMSG},                                   /* a reserved bit */
      {"\x83\x80", 2, -EBADMSG},                                   /* no such kind */
      {"\x80\x80\0\0\0\0", 6, -EBADMSG},                           /* nothing was begun */
      {"\x09\x80", 2, -EBADMSG},                                   /* a control frame in pieces */
      {"\x88\x81\0\0\0\0x", 7, -EBADMSG},                          /* half a code */
      {"\x88\x82\0\0\0\0\x03\xed", 8, -EBADMSG},                   /* 1005 */
      {"\x81\x81\0\0\0\0\xff", 7, -EILSEQ},                        /* no UTF-8 */
      {"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 14, -EMSGSIZE}, /* nothing of it is there yet */
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    make(0, 1000);
    CHECK_EQ(gt_ws_feed(server, cases[i].bytes, cases[i].len), 0);
    CHECK_EQ(nothing(server), cases[i].error);
    CHECK_EQ(nothing(server), cases[i].error);
    unmake();
  }
}

TEST(ws_refuses_what_may_not_be_sent) {
  make(0, 0);
  char long_ping[126] = {0};
  const void *bytes;
  CHECK_EQ(gt_ws_put(server, GT_WS_PING, long_ping, 126), -EINVAL);
  CHECK_EQ(gt_ws_put(server, 3, NULL, 0), -EINVAL);
  CHECK_EQ(gt_ws_put(server, 0, NULL, 0), -EINVAL);
  CHECK_EQ(gt_ws_put(server, 256 + GT_WS_TEXT, NULL, 0), -EINVAL);
  CHECK_EQ(gt_ws_put(server, GT_WS_CLOSE, "\x03\xee", 2), -EINVAL);
  CHECK_EQ(gt_ws_put(server, GT_WS_CLOSE, "\x03", 1), -EINVAL);
  CHECK_EQ(gt_ws_put(server, GT_WS_CLOSE, "\x03\xe8\xff", 3), -EILSEQ);
  CHECK_EQ(gt_ws_put(server, GT_WS_TEXT, "\xc3", 1), -EILSEQ);
  CHECK_EQ(gt_ws_put(server, GT_WS_TEXT, NULL, 1), -EINVAL);
  CHECK_EQ(gt_ws_output(server, &bytes), 0);
  CHECK_EQ(gt_ws_written(server, 1), -EINVAL);
  CHECK_EQ(gt_ws_put(server, GT_WS_PING, long_ping, 125), 0);
  CHECK_EQ(gt_ws_put(server, GT_WS_CLOSE, NULL, 0), 0);
  CHECK_EQ(gt_ws_output(server, &bytes), 129);
  CHECK_EQ(gt_ws_written(server, 130), -EINVAL);
  unmake();
}

TEST(ws_checks_its_arguments) {
  gt_ws_event_t event;
  const void *bytes;
  struct {
    gt_ws_opts_t opts;
    char more[8];
  } wishes = {.opts = {.size = sizeof wishes}};
  CHECK(!gt_ws_new(&(gt_ws_opts_t){.size = 8}));
  CHECK_EQ(errno, EINVAL);
  CHECK(!gt_ws_new(&(gt_ws_opts_t){.size = sizeof(gt_ws_opts_t), .flags = 16}));
  CHECK_EQ(errno, EINVAL);
  CHECK(!gt_ws_new(&(gt_ws_opts_t){.size = sizeof(gt_ws_opts_t), .level = 10}));
  CHECK_EQ(errno, EINVAL);
  CHECK(!gt_ws_new(&(gt_ws_opts_t){.size = sizeof(gt_ws_opts_t), .window = 8}));
  CHECK_EQ(errno, EINVAL);
  CHECK(!gt_ws_new(&(gt_ws_opts_t){.size = sizeof(gt_ws_opts_t), .peer_window = 16}));
  CHECK_EQ(errno, EINVAL);
  wishes.more[7] = 1;
  CHECK(!gt_ws_new(&wishes.opts));
  CHECK_EQ(errno, E2BIG);
  wishes.more[7] = 0;
  server = gt_ws_new(&wishes.opts);
  CHECK(server);
  CHECK_EQ(gt_ws_free(server), 0);

  server = gt_ws_new(NULL);
  CHECK(server);
  CHECK_EQ(gt_ws_feed(server, NULL, 1), -EINVAL);
  CHECK_EQ(gt_ws_feed(server, NULL, 0), 0);
  CHECK_EQ(gt_ws_next(server, NULL), -EINVAL);
  CHECK_EQ(gt_ws_output(server, NULL), -EINVAL);
  CHECK_EQ(gt_ws_free(server), 0);
  CHECK_EQ(gt_ws_free(NULL), 0);
  gt_ws_t *wrong[] = {NULL, server, (gt_ws_t *)gt_event_new()};
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(gt_ws_feed(wrong[i], "", 0), -EINVAL);
    CHECK_EQ(gt_ws_next(wrong[i], &event), -EINVAL);
    CHECK_EQ(gt_ws_put(wrong[i], GT_WS_TEXT, "", 0), -EINVAL);
    CHECK_EQ(gt_ws_put_fragment(wrong[i], GT_WS_TEXT, "", 0, 1), -EINVAL);
    CHECK_EQ(gt_ws_output(wrong[i], &bytes), -EINVAL);
    CHECK_EQ(gt_ws_written(wrong[i], 0), -EINVAL);
    if (wrong[i]) CHECK_EQ(gt_ws_free(wrong[i]), -EINVAL);
  }
  CHECK_EQ(gt_event_free((gt_event_t *)wrong[2]), 0);
}
