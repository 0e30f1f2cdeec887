/* depth.js - how much could be bought or sold up to each price. */

import { Canvas, say, ticks } from "./canvas.js";
import { compact, fixed } from "./format.js";

const FOOT = 20;
const REACH = 0.06; // of the middle, to both sides at most

export class Depth {
  constructor() {
    this.book = null;
    this.digits = 2;
    this.canvas = new Canvas("depth", (...args) => this.paint(...args));
  }

  draw(book, digits) {
    this.book = book;
    this.digits = digits;
    this.canvas.queue();
  }

  describe(name) {
    const bid = this.book?.best("buy") ?? null;
    const ask = this.book?.best("sell") ?? null;
    this.canvas.element.setAttribute("aria-label", `${name}: depth of the book; the best offer to buy is at `
      + `${fixed(bid, this.digits)}, to sell at ${fixed(ask, this.digits)}`);
  }

  /* [[price, total up to there]…] of one side, within reach. */
  static steps(levels, middle, reach) {
    let total = 0;
    const list = [];
    for (const [price, size] of levels) {
      if (Math.abs(price - middle) > reach) break;
      total += size;
      list.push([price, total]);
    }
    return list;
  }

  paint(g, width, height, colour) {
    const bid = this.book?.best("buy") ?? null;
    const ask = this.book?.best("sell") ?? null;
    if (bid === null && ask === null) {
      g.fillStyle = colour("soft");
      say(g, "The book is empty", width / 2, height / 2, "center");
      return;
    }
    const middle = bid === null ? ask : ask === null ? bid : (bid + ask) / 2;
    const far = (levels) => Math.abs((levels.at(-1)?.[0] ?? middle) - middle);
    const reach = Math.max(Math.min(Math.max(far(this.book.levels("buy")), far(this.book.levels("sell"))) * 1.05,
      middle * REACH), middle * 0.002);
    const bids = Depth.steps(this.book.levels("buy"), middle, reach);
    const asks = Depth.steps(this.book.levels("sell"), middle, reach);
    const most = Math.max(bids.at(-1)?.[1] ?? 0, asks.at(-1)?.[1] ?? 0, 1e-9) * 1.08;
    const bottom = height - FOOT;
    const x = (price) => ((price - middle + reach) / (2 * reach)) * width;
    const y = (total) => bottom - (total / most) * (bottom - 6);

    this.paintSide(g, { list: bids, edge: 0, x, y, bottom }, colour("buy"), colour("buy-fill"));
    this.paintSide(g, { list: asks, edge: width, x, y, bottom }, colour("sell"), colour("sell-fill"));
    this.paintAxes(g, { width, bottom, middle, reach, most, x, y }, colour);
  }

  paintAxes(g, { width, bottom, middle, reach, most, x, y }, colour) {
    g.fillStyle = colour("soft");
    for (const total of ticks(0, most, 3).slice(1)) {
      /* In the middle, where the sides leave room. */
      say(g, `${compact(total)} –`, width / 2, y(total), "center");
    }
    for (const price of ticks(middle - reach, middle + reach, width / 90)) {
      const at = x(price);
      if (at > 24 && at < width - 24) say(g, fixed(price, this.digits), at, bottom + FOOT / 2 + 2, "center");
    }
  }

  paintSide(g, { list, edge, x, y, bottom }, line, fill) {
    if (list.length === 0) return;
    const trace = () => {
      let at = bottom;
      for (const [price, total] of list) {
        g.lineTo(x(price), at);
        at = y(total);
        g.lineTo(x(price), at);
      }
      g.lineTo(edge, at);
    };
    g.beginPath();
    g.moveTo(x(list[0][0]), bottom);
    trace();
    g.lineTo(edge, bottom);
    g.fillStyle = fill;
    g.fill();
    g.beginPath();
    g.moveTo(x(list[0][0]), bottom);
    trace();
    g.strokeStyle = line;
    g.lineWidth = 1.75;
    g.stroke();
  }
}
