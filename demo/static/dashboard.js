// The page: figures, charts and the chat, from one connection that comes back by itself.

import { DeviceMap, LineChart } from "./charts.js";
import { Socket } from "./socket.js";

const find = (id) => document.getElementById(id);
const facts = document.body.dataset;
const sites = facts.sites.split(",");
const rate = new LineChart(find("rate-chart"), { value: "rate", fromZero: true });
const heat = new LineChart(find("heat-chart"), { value: "mean", band: ["low", "high"] });
const map = new DeviceMap(find("map"), {
  coldest: Number(facts.coldest), hottest: Number(facts.hottest), hot: Number(facts.hot),
});
const asked = new URLSearchParams(location.search);
// A tick comes twice a second, so a few seconds without anything mean that the connection is dead.
const socket = new Socket({ silence: 6000, transport: asked.get("transport") === "polling" ? 1 : 0 });
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let ticks = [];
let offset = 0;

const whole = (value) => Math.round(value).toLocaleString("en");
const clock = (at) => new Date(at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

// ---- the connection

let countdown;

socket.on("state", (state, pause) => {
  clearInterval(countdown);
  const label = { connecting: "Connecting", open: "Live", lost: "Connection lost" }[state];
  find("connection").dataset.state = state;
  find("connection").textContent = label;
  document.body.classList.toggle("stale", state !== "open");
  if (state === "open") {
    find("lost").hidden = true;
    join();
  }
  if (state === "lost") {
    const end = Date.now() + pause;
    const show = () => {
      const left = Math.max(0, Math.ceil((end - Date.now()) / 1000));
      find("lost-text").textContent = `Connection lost. Trying again${left ? ` in ${left} s` : ""}.`;
    };
    show();
    countdown = setInterval(show, 500);
    find("lost").hidden = false;
  }
});
find("retry").addEventListener("click", () => socket.retry());

// ---- the dashboard

function site(name, mean) {
  const line = document.createElement("li");
  const bar = document.createElement("i");
  const fill = document.createElement("b");
  fill.style.width = mean === null ? "0" : `${Math.min(100, (mean / 40) * 100)}%`;
  bar.append(fill);
  line.append(element("span", name), bar, element("span", mean === null ? "–" : mean.toFixed(1)));
  return line;
}

function figures(tick) {
  find("devices").textContent = whole(tick.devices);
  find("rate").textContent = whole(tick.rate);
  find("mean").textContent = tick.mean === null ? "–" : tick.mean.toFixed(1);
  find("threads").textContent = tick.threads;
  find("process").textContent = `OS thread${tick.threads === 1 ? "" : "s"}, ${whole(tick.memory / 2 ** 20)} MiB`;
  find("sites").replaceChildren(...sites.map((name, index) => site(name, tick.sites[index])));
  find("rate-chart").setAttribute("aria-label", `Messages a second over the last minute: now ${whole(tick.rate)}`);
}

function draw() {
  const now = Date.now() / 1000 - offset;
  rate.draw(ticks, now);
  heat.draw(ticks, now);
}

socket.on("tick", (tick) => {
  // The clocks of server and browser may differ; what counts is how long ago a tick was.
  offset = Date.now() / 1000 - tick.at;
  ticks.push(tick);
  ticks = ticks.slice(-130);
  figures(tick);
  if (calm.matches) draw();
});

function animate() {
  if (!calm.matches && socket.open) draw();
  requestAnimationFrame(animate);
}

socket.on("map", (bytes) => map.update(new Uint8Array(bytes)));
addEventListener("resize", () => { map.draw(); draw(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { map.draw(); draw(); });

find("map").addEventListener("pointermove", (event) => {
  const device = map.at(event.offsetX, event.offsetY);
  if (device < 0) return;
  const byte = map.bytes[device];
  const state = byte ? `${map.temperature(byte).toFixed(1)} °C` : "offline";
  const place = sites[Math.floor((device * sites.length) / map.bytes.length)];
  find("cell").textContent = `Device ${device}, ${place}: ${state}`;
});

function alerts(list) {
  const lines = list.slice(-5).reverse().map((alert) => {
    const line = element("li", `${clock(alert.at)}  Device ${alert.device}, ${alert.site}: `);
    line.append(element("b", `${alert.temperature.toFixed(1)} °C`));
    return line;
  });
  if (lines.length) find("alerts").replaceChildren(...lines);
}

let alerted = [];
socket.on("alert", (alert) => alerts((alerted = [...alerted, alert].slice(-8))));

// ---- the chat

let name = localStorage.getItem("name") || `guest ${Math.floor(1000 + Math.random() * 9000)}`;
const waiting = new Map();
find("name").value = name;

function join() {
  socket.emit("join", name).then((answer) => {
    ticks = answer.ticks;
    if (ticks.length) figures(ticks[ticks.length - 1]);
    alerts((alerted = answer.alerts));
    crowd(answer.people);
    find("talk").replaceChildren();
    answer.talk.forEach(said);
    for (const [id, text] of waiting) deliver(id, text);
  }, () => {});
}

function crowd(count) {
  find("people").textContent = count === 1 ? "only you" : `${whole(count)} people`;
}
socket.on("people", crowd);

function show(line) {
  const talk = find("talk");
  const atEnd = talk.scrollHeight - talk.scrollTop - talk.clientHeight < 40;
  talk.append(line);
  while (talk.children.length > 200) talk.firstChild.remove();
  if (atEnd) talk.scrollTop = talk.scrollHeight;
}

function said({ id, name: speaker, text, at }) {
  waiting.delete(id);
  document.querySelector(`#talk [data-id="${CSS.escape(id)}"]`)?.remove();
  const line = element("li", "");
  line.dataset.id = id;
  line.append(element("b", speaker), text, element("time", clock(at)));
  show(line);
}
socket.on("said", said);

// What was said while the connection was away is kept, shown as waiting, and said when it is back.
function deliver(id, text) {
  if (!document.querySelector(`#talk [data-id="${CSS.escape(id)}"]`)) {
    const line = element("li", text, "waiting");
    line.dataset.id = id;
    show(line);
  }
  socket.emit("say", id, text).catch(() => {});
}

find("speak").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = find("text").value.trim();
  if (!text) return;
  const id = `${Date.now()}-${Math.random().toString(36).slice(2)}`;
  waiting.set(id, text);
  find("text").value = "";
  deliver(id, text);
});

find("who").addEventListener("submit", (event) => {
  event.preventDefault();
  name = find("name").value.trim() || name;
  localStorage.setItem("name", name);
  if (socket.open) join();
});

socket.connect();
requestAnimationFrame(animate);
