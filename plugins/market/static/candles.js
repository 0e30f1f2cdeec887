/* candles.js - open, high, low, close and volume; the last candle grows with each trade. */

import { Canvas, say, ticks } from "./canvas.js";
import { compact, day, fixed, minute } from "./format.js";

const NARROW = 9; // pixels for each candle: as many as fit
const WIDE = 16; // while there are few
const AXIS = 62; // to the right, for prices
const FOOT = 20; // below, for times
const MOST = 600;

export class Candles {
  constructor() {
    this.list = []; // { t, open, high, low, close, volume }, ascending
    this.seconds = 60;
    this.digits = 2;
    this.hovered = null; // a place among the candles that are shown
    this.slot = WIDE; // pixels for each of them
    this.readout = document.getElementById("readout");
    this.canvas = new Canvas("candles", (...args) => this.paint(...args));
    const e = this.canvas.element;
    e.addEventListener("pointermove", (event) => this.hover(event.offsetX));
    e.addEventListener("pointerleave", () => this.hover(null));
  }

  /* rows: [[t, low, high, open, close, volume]…], the newest first. */
  reset(rows, seconds, digits) {
    this.seconds = seconds;
    this.digits = digits;
    this.hovered = null;
    this.list = rows.map(([t, low, high, open, close, volume]) => ({
      t: Number(t), low: Number(low), high: Number(high), open: Number(open), close: Number(close), volume: Number(volume),
    })).reverse();
    this.queue();
  }

  trade({ price, size, time }) {
    const t = Math.floor(time / 1000 / this.seconds) * this.seconds;
    const last = this.list.at(-1);
    if (last && t < last.t) return;
    if (last && t === last.t) {
      last.high = Math.max(last.high, price);
      last.low = Math.min(last.low, price);
      last.close = price;
      last.volume += size;
    } else {
      this.list.push({ t, open: price, high: price, low: price, close: price, volume: size });
      if (this.list.length > MOST) this.list.shift();
    }
    this.queue();
  }

  queue() {
    this.canvas.queue();
  }

  hover(x) {
    if (x === null || !this.shown) this.hovered = null;
    else {
      const at = Math.floor((x - this.left) / this.slot);
      this.hovered = at >= 0 && at < this.shown.length ? at : null;
    }
    this.queue();
  }

  tell(candle) {
    if (!candle) {
      this.readout.textContent = "";
      return;
    }
    const f = (v) => fixed(v, this.digits);
    this.readout.textContent = `${minute(candle.t * 1000)}  O ${f(candle.open)}  H ${f(candle.high)}  `
      + `L ${f(candle.low)}  C ${f(candle.close)}  Vol ${compact(candle.volume)}`;
  }

  /* For who does not see it: told when the chart is loaded, not with each trade. */
  describe(name) {
    const { list } = this;
    this.canvas.element.setAttribute("aria-label", list.length === 0 ? `${name}: no trades yet`
      : `${name}: ${list.length} candles, the first opened at ${fixed(list[0].open, this.digits)}, the last one closed at `
        + `${fixed(list.at(-1).close, this.digits)}`);
  }

  paint(g, width, height, colour) {
    const room = width - AXIS;
    const shown = this.list.slice(-Math.max(1, Math.floor(room / NARROW)));
    const bottom = height - FOOT;
    this.shown = shown;
    this.slot = Math.min(WIDE, Math.max(NARROW, room / Math.max(shown.length, 1)));
    this.left = room - shown.length * this.slot;
    if (shown.length === 0) {
      g.fillStyle = colour("soft");
      say(g, "No trades yet", width / 2, height / 2, "center");
      this.tell(null);
      return;
    }
    const low = Math.min(...shown.map((c) => c.low));
    const high = Math.max(...shown.map((c) => c.high));
    const margin = Math.max((high - low) * 0.12, high * 0.0005);
    const volumes = bottom * 0.2;
    const y = (price) => 8 + ((high + margin - price) / (high - low + 2 * margin)) * (bottom - 16 - volumes * 0.5);
    this.paintAxes(g, { width, room, bottom, low: low - margin, high: high + margin, y, shown }, colour);
    this.paintCandles(g, { bottom, volumes, y, shown }, colour);
    this.paintLast(g, { room, width, y, price: shown.at(-1).close, isUp: shown.at(-1).close >= shown.at(-1).open }, colour);
    if (this.hovered !== null) this.paintCross(g, { bottom, at: this.left + (this.hovered + 0.5) * this.slot }, colour);
    this.tell(shown[this.hovered ?? shown.length - 1]);
  }

  paintAxes(g, { room, bottom, low, high, y, shown }, colour) {
    g.strokeStyle = colour("line");
    g.fillStyle = colour("soft");
    g.lineWidth = 1;
    for (const price of ticks(low, high, bottom / 56)) {
      const at = Math.round(y(price)) + 0.5;
      if (at > bottom) continue;
      g.beginPath();
      g.moveTo(0, at);
      g.lineTo(room, at);
      g.stroke();
      if (Math.abs(at - y(shown.at(-1).close)) > 14) say(g, fixed(price, this.digits), room + 8, at);
    }
    const every = Math.ceil(84 / this.slot);
    for (let i = shown.length - 1; i >= 0; i--) {
      const n = Math.round(shown[i].t / this.seconds);
      const x = this.left + (i + 0.5) * this.slot;
      if (n % every !== 0 || x < 24 || x > room - 20) continue;
      say(g, this.seconds < 3600 ? minute(shown[i].t * 1000) : day(shown[i].t * 1000).slice(0, 6), x, bottom + FOOT / 2 + 2, "center");
    }
  }

  paintCandles(g, { bottom, volumes, y, shown }, colour) {
    const most = Math.max(...shown.map((c) => c.volume), 1e-9);
    shown.forEach((c, i) => {
      const x = this.left + i * this.slot;
      const isUp = c.close >= c.open;
      const tall = (c.volume / most) * volumes;
      g.fillStyle = colour(isUp ? "buy-fill" : "sell-fill");
      g.fillRect(x + 1, bottom - tall, this.slot - 2, tall);
      g.fillStyle = colour(isUp ? "buy" : "sell");
      g.fillRect(Math.floor(x + this.slot / 2) - 0.5, y(c.high), 1, Math.max(1, y(c.low) - y(c.high)));
      const top = y(Math.max(c.open, c.close));
      const body = Math.max(1.5, y(Math.min(c.open, c.close)) - top);
      g.fillRect(x + 1.5, top, this.slot - 3, body);
    });
  }

  paintLast(g, { room, width, y, price, isUp }, colour) {
    const at = Math.round(y(price)) + 0.5;
    g.strokeStyle = colour(isUp ? "buy" : "sell");
    g.setLineDash([3, 3]);
    g.beginPath();
    g.moveTo(0, at);
    g.lineTo(room, at);
    g.stroke();
    g.setLineDash([]);
    g.fillStyle = colour(isUp ? "buy" : "sell");
    g.beginPath();
    g.roundRect(room + 3, at - 9, width - room - 3, 18, 4);
    g.fill();
    g.fillStyle = colour("on-side");
    say(g, fixed(price, this.digits), room + 8, at + 0.5);
  }

  paintCross(g, { bottom, at }, colour) {
    g.strokeStyle = colour("soft");
    g.setLineDash([2, 3]);
    g.beginPath();
    g.moveTo(Math.round(at) + 0.5, 0);
    g.lineTo(Math.round(at) + 0.5, bottom);
    g.stroke();
    g.setLineDash([]);
  }
}
