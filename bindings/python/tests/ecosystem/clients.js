// A client of the real socket.io-client package: clients.js URL TRANSPORT [full]. Prints "pass", or what went wrong.
//
// Without "full" it connects and leaves. With it, it uses all that flask_server.py has for it.
const { io } = require("socket.io-client");
const assert = require("node:assert");

const [url, transport, kind] = process.argv.slice(2);
const transports = transport === "upgrade" ? ["polling", "websocket"] : [transport];
const socket = io(url, { transports, reconnection: false, timeout: 120000 });
const next = (event) => new Promise((resolve) => socket.once(event, resolve));
const guard = setTimeout(() => fail("nothing happened for 120 s"), 120000);

function fail(why) {
  console.log(`fail: ${why instanceof Error ? why.stack : why}`);
  process.exit(1);
}

async function everything() {
  const echoed = next("echo");
  assert.deepStrictEqual(await socket.emitWithAck("echo", 1, "zwei \u4f60", { three: [null, true] }), [1, "zwei \u4f60", { three: [null, true] }]);
  assert.deepStrictEqual(await echoed, [1, "zwei \u4f60", { three: [null, true] }]);

  const sent = Buffer.from(Array.from({ length: 70000 }, (_, index) => index % 251));
  const came = next("bytes");
  assert.strictEqual(await socket.emitWithAck("bytes", sent), sent.length);
  const { back, also } = await came;
  assert.ok(Buffer.from(back).equals(Buffer.from(sent).reverse()));
  assert.deepStrictEqual([...Buffer.from(also[0])], [0, 255]);

  socket.once("question", (question, answer) => answer(question, "is answered"));
  const heard = next("you answered");
  socket.emit("ask me", "what?");
  assert.deepStrictEqual(await heard, ["what?", "is answered"]);

  const room = `room of ${socket.id}`;
  await socket.emitWithAck("join", room);
  const told = next("told");
  await socket.emitWithAck("tell", room, "in the room");
  assert.strictEqual(await told, "in the room");

  const counted = next("counted");
  await socket.emitWithAck("count", 5);
  await counted;
}

socket.on("connect_error", fail);
socket.on("connect", async () => {
  try {
    if (transport === "upgrade" && socket.io.engine.transport.name !== "websocket") {
      await new Promise((resolve) => socket.io.engine.once("upgrade", resolve));
    }
    if (kind === "full") await everything();
    if (transport !== "upgrade") assert.strictEqual(socket.io.engine.transport.name, transport);
    socket.disconnect();
    clearTimeout(guard);
    console.log("pass");
  } catch (error) {
    fail(error);
  }
});
