// A small Socket.IO client for the page: Engine.IO 4, Socket.IO 5, one namespace, acknowledgements, binary that comes in.
//
// It begins with a WebSocket. Where one cannot be opened it goes by long-polling, and where that fails it tries the other
// again. A connection that breaks, or is silent for too long, is made anew, later and later up to a few seconds.
// `on("state", ...)` tells "connecting", "open" and "lost" (with the milliseconds until the next try).

const OPEN = "0", CLOSE = "1", PING = "2", PONG = "3", MESSAGE = "4";
const CONNECT = 0, DISCONNECT = 1, EVENT = 2, ACK = 3, CONNECT_ERROR = 4, BINARY_EVENT = 5, BINARY_ACK = 6;
const SEPARATOR = "\x1e";
const FIRST_DELAY = 400, LONGEST_DELAY = 4000;

function fromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
}

// Both transports have send(text) and close(), and call `incoming` with each packet and `gone` once, when they end.
class WebSocketTransport {
  constructor(address, incoming, gone) {
    this.socket = new WebSocket(address.replace(/^http/, "ws") + "?EIO=4&transport=websocket");
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = (event) => incoming(event.data);
    this.socket.onclose = () => gone();
  }
  send(text) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(text);
  }
  close() {
    this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
  }
}

class PollingTransport {
  constructor(address, incoming, gone) {
    this.address = address + "?EIO=4&transport=polling";
    this.incoming = incoming;
    this.gone = gone;
    this.over = false;
    this.stop = new AbortController();
    this.waiting = [];
    this.sending = false;
    this.listen();
  }
  async request(options) {
    const answer = await fetch(this.address, { ...options, cache: "no-store", signal: this.stop.signal });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    return answer.text();
  }
  async listen() {
    try {
      while (!this.over) {
        for (const packet of (await this.request({})).split(SEPARATOR)) {
          if (this.over) return;
          if (packet[0] === OPEN) this.address += "&sid=" + JSON.parse(packet.slice(1)).sid;
          this.incoming(packet[0] === "b" ? fromBase64(packet.slice(1)) : packet);
          // Who waits for an answer hears it before what came behind it, as with a WebSocket.
          await null;
        }
      }
    } catch {
      this.end();
    }
  }
  // One request at a time, with all that has gathered meanwhile: order is kept.
  async send(text) {
    this.waiting.push(text);
    if (this.sending) return;
    this.sending = true;
    try {
      while (this.waiting.length && !this.over) {
        await this.request({ method: "POST", body: this.waiting.splice(0).join(SEPARATOR) });
      }
    } catch {
      this.end();
    }
    this.sending = false;
  }
  end() {
    if (this.over) return;
    this.over = true;
    this.gone();
  }
  close() {
    this.over = true;
    this.stop.abort();
  }
}

const TRANSPORTS = [WebSocketTransport, PollingTransport];

export class Socket {
  // `silence` (ms): after so long without any packet the connection counts as lost.
  constructor({ address = location.origin + "/socket.io/", silence = 0, transport = 0 } = {}) {
    this.address = address;
    this.silence = silence;
    this.kind = transport;
    this.listeners = new Map();
    this.acknowledgements = new Map();
    this.number = 0;
    this.generation = 0;
    this.delay = FIRST_DELAY;
    this.open = false;
    addEventListener("online", () => this.retry());
  }

  on(event, listener) {
    this.listeners.set(event, [...(this.listeners.get(event) || []), listener]);
    return this;
  }

  tell(event, ...values) {
    for (const listener of this.listeners.get(event) || []) listener(...values);
  }

  connect() {
    clearTimeout(this.timer);
    this.tell("state", "connecting");
    this.welcomed = false;
    this.partial = null;
    this.limit = this.silence || 20000;
    const mine = ++this.generation;
    const guarded = (step) => (...values) => mine === this.generation && step(...values);
    this.transport = new TRANSPORTS[this.kind](
      this.address,
      guarded((packet) => this.packet(packet)),
      guarded(() => this.lost()),
    );
    this.heard();
  }

  // Resolves with what the server's handler returned; rejects when the connection is lost before that.
  emit(event, ...values) {
    return new Promise((resolve, reject) => {
      if (!this.open) {
        reject(new Error("not connected"));
        return;
      }
      const id = this.number++;
      this.acknowledgements.set(id, { resolve, reject });
      this.transport.send(`${MESSAGE}${EVENT}${id}${JSON.stringify([event, ...values])}`);
    });
  }

  // Does not wait for the rest of the pause after a loss.
  retry() {
    if (!this.open && this.pausing) {
      this.pausing = false;
      this.connect();
    }
  }

  heard() {
    clearTimeout(this.watch);
    this.watch = setTimeout(() => this.lost(), this.limit);
  }

  lost() {
    clearTimeout(this.watch);
    this.generation++;
    this.transport.close();
    if (!this.welcomed) this.kind = (this.kind + 1) % TRANSPORTS.length;
    this.open = false;
    for (const { reject } of this.acknowledgements.values()) reject(new Error("connection lost"));
    this.acknowledgements.clear();
    const pause = this.delay * (0.75 + Math.random() / 2);
    this.delay = Math.min(this.delay * 2, LONGEST_DELAY);
    this.pausing = true;
    this.timer = setTimeout(() => this.retry(), pause);
    this.tell("state", "lost", pause);
  }

  // One Engine.IO packet: text, or the bytes of an attachment.
  packet(data) {
    this.heard();
    if (typeof data !== "string") {
      this.attach(data);
      return;
    }
    const rest = data.slice(1);
    switch (data[0]) {
      case OPEN: {
        const said = JSON.parse(rest);
        this.welcomed = true;
        if (!this.silence) this.limit = said.pingInterval + said.pingTimeout;
        this.transport.send(MESSAGE + CONNECT);
        break;
      }
      case PING:
        this.transport.send(PONG + rest);
        break;
      case CLOSE:
        this.lost();
        break;
      case MESSAGE:
        this.message(rest);
        break;
    }
  }

  // One Socket.IO packet: type, attachments "-", namespace ",", id, JSON.
  message(text) {
    const parts = /^(\d)(?:(\d+)-)?(?:(\/[^,]*),)?(\d+)?(.*)$/s.exec(text);
    if (!parts) return;
    const packet = {
      type: Number(parts[1]),
      id: parts[4] === undefined ? null : Number(parts[4]),
      body: parts[5] ? JSON.parse(parts[5]) : null,
      attachments: [],
      missing: Number(parts[2] || 0),
    };
    if (packet.missing) this.partial = packet;
    else this.deliver(packet);
  }

  attach(bytes) {
    const packet = this.partial;
    if (!packet) return;
    packet.attachments.push(bytes);
    if (--packet.missing) return;
    this.partial = null;
    const fill = (value) => {
      if (value === null || typeof value !== "object") return value;
      if (value._placeholder) return packet.attachments[value.num];
      if (Array.isArray(value)) return value.map(fill);
      return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, fill(inner)]));
    };
    packet.body = fill(packet.body);
    this.deliver(packet);
  }

  deliver({ type, id, body }) {
    switch (type) {
      case CONNECT:
        this.open = true;
        this.delay = FIRST_DELAY;
        this.tell("state", "open");
        break;
      case DISCONNECT:
      case CONNECT_ERROR:
        this.lost();
        break;
      case EVENT:
      case BINARY_EVENT:
        this.tell(...body);
        break;
      case ACK:
      case BINARY_ACK:
        this.acknowledgements.get(id)?.resolve(body.length > 1 ? body : body[0]);
        this.acknowledgements.delete(id);
        break;
    }
  }
}
