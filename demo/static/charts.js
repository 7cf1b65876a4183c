// Charts drawn by hand: lines over the last minute, and the map of all devices.

const SECONDS = 60;
const AXIS = { left: 40, right: 8, top: 8, bottom: 20 };

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// A canvas has as many pixels as the screen has where it stands.
function prepared(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = "12px system-ui, sans-serif";
  return { pen, width, height };
}

// Round numbers for the axis: at most five steps that cover low to high.
export function steps(low, high) {
  const span = Math.max(high - low, 1e-6);
  const power = 10 ** Math.floor(Math.log10(span / 4));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => span / one <= 4.5) || 10 * power;
  const found = [];
  for (let value = Math.floor(low / step) * step; value < high + step; value += step) found.push(Number(value.toFixed(6)));
  return found;
}

// `band`: names of the low and high value of a shaded band, or nothing: then the area under the line is shaded.
export class LineChart {
  constructor(canvas, { value, band = null, fromZero = false }) {
    Object.assign(this, { canvas, value, band, fromZero });
  }

  draw(ticks, now) {
    const { pen, width, height } = prepared(this.canvas);
    const shown = ticks.filter((tick) => tick[this.value] !== null && tick.at > now - SECONDS - 2);
    const names = [this.value, ...(this.band || [])];
    const values = shown.flatMap((tick) => names.map((name) => tick[name]));
    const low = this.fromZero ? 0 : Math.min(...(values.length ? values : [0]));
    const high = Math.max(...(values.length ? values : [1]), low + 1);
    const marks = steps(low, high);
    const [bottom, top] = [marks[0], marks[marks.length - 1]];
    const x = (at) => AXIS.left + (1 - (now - at) / SECONDS) * (width - AXIS.left - AXIS.right);
    const y = (value) => height - AXIS.bottom - ((value - bottom) / (top - bottom)) * (height - AXIS.top - AXIS.bottom);

    pen.lineWidth = 1;
    pen.strokeStyle = colour("--line");
    pen.fillStyle = colour("--soft");
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const mark of marks) {
      pen.beginPath();
      pen.moveTo(AXIS.left, Math.round(y(mark)) + 0.5);
      pen.lineTo(width - AXIS.right, Math.round(y(mark)) + 0.5);
      pen.stroke();
      pen.fillText(mark.toLocaleString("en"), AXIS.left - 7, y(mark));
    }
    pen.textBaseline = "bottom";
    for (const [ago, align] of [[SECONDS, "left"], [SECONDS / 2, "center"], [0, "right"]]) {
      pen.textAlign = align;
      pen.fillText(ago ? `${ago} s ago` : "now", x(now - ago), height);
    }
    if (shown.length < 2) return;

    pen.save();
    pen.beginPath();
    pen.rect(AXIS.left, 0, width - AXIS.left - AXIS.right + 1, height);
    pen.clip();
    const [under, over] = this.band || [null, this.value];
    pen.beginPath();
    shown.forEach((tick, index) => pen[index ? "lineTo" : "moveTo"](x(tick.at), y(tick[over])));
    for (const tick of [...shown].reverse()) pen.lineTo(x(tick.at), under ? y(tick[under]) : y(bottom));
    pen.closePath();
    pen.fillStyle = colour("--band");
    pen.fill();
    pen.beginPath();
    shown.forEach((tick, index) => pen[index ? "lineTo" : "moveTo"](x(tick.at), y(tick[this.value])));
    pen.strokeStyle = colour("--accent");
    pen.lineWidth = 2;
    pen.lineJoin = "round";
    pen.stroke();
    pen.restore();
  }
}

const CELL = 11, GAP = 2;

function mixed(from, to, part) {
  const [a, b] = [from, to].map((text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)));
  return `rgb(${a.map((one, index) => Math.round(one + (b[index] - one) * part)).join(" ")})`;
}

// One cell a device. Bytes: 0 not connected, 1 to 255 from the coldest to the hottest that is told.
export class DeviceMap {
  constructor(canvas, { coldest, hottest, hot }) {
    Object.assign(this, { canvas, coldest, hottest, hot, bytes: new Uint8Array() });
  }

  temperature(byte) {
    return this.coldest + ((byte - 1) / 254) * (this.hottest - this.coldest);
  }

  update(bytes) {
    this.bytes = bytes;
    this.draw();
  }

  draw() {
    this.columns = Math.max(1, Math.floor((this.canvas.clientWidth + GAP) / (CELL + GAP)));
    this.canvas.style.height = `${Math.ceil(this.bytes.length / this.columns) * (CELL + GAP)}px`;
    const { pen } = prepared(this.canvas);
    const [cool, warm, off, bad] = ["--cool", "--warm", "--off", "--bad"].map(colour);
    this.bytes.forEach((byte, index) => {
      const temperature = this.temperature(byte);
      const part = Math.min(1, Math.max(0, (temperature - this.coldest) / (this.hot - this.coldest)));
      pen.fillStyle = !byte ? off : temperature >= this.hot ? bad : mixed(cool, warm, part);
      pen.fillRect((index % this.columns) * (CELL + GAP), Math.floor(index / this.columns) * (CELL + GAP), CELL, CELL);
    });
  }

  // The device under a pointer, or -1.
  at(x, y) {
    const column = Math.floor(x / (CELL + GAP));
    const index = Math.floor(y / (CELL + GAP)) * this.columns + column;
    return column < this.columns && index >= 0 && index < this.bytes.length ? index : -1;
  }
}
