/* book.js - the order book of one market: what it is, and the ladder that shows it. */

import { element, fixed, short } from "./format.js";

const ROWS = 11;

export class Book {
  constructor() {
    this.sides = { buy: new Map(), sell: new Map() };
    this.sorted = { buy: null, sell: null };
  }

  reset({ bids, asks }) {
    this.sides = { buy: new Map(bids), sell: new Map(asks) };
    this.sorted = { buy: null, sell: null };
  }

  /* size: of the whole level; 0 takes it away. */
  set(side, price, size) {
    const levels = this.sides[side];
    if (!levels) return;
    if (size > 0) levels.set(price, size);
    else levels.delete(price);
    this.sorted[side] = null;
  }

  /* [[price, size]…], the best one first. */
  levels(side) {
    const sign = side === "buy" ? -1 : 1;
    this.sorted[side] ??= [...this.sides[side]].sort((a, b) => sign * (a[0] - b[0]));
    return this.sorted[side];
  }

  best(side) {
    return this.levels(side)[0]?.[0] ?? null;
  }
}

/* A fixed number of rows whose text changes: nothing is built or torn down while the market moves. */
class Ladder {
  constructor(body, side, onPick) {
    this.side = side;
    this.rows = [];
    body.replaceChildren();
    for (let i = 0; i < ROWS; i++) {
      const cells = [element("td"), element("td"), element("td")];
      const row = element("tr", { class: "blank" }, ...cells);
      row.addEventListener("click", () => { if (row.price !== undefined) onPick(row.price); });
      body.append(row);
      this.rows.push({ row, cells });
    }
  }

  draw(levels, market, own, most) {
    let total = 0;
    for (let i = 0; i < ROWS; i++) {
      const { row, cells } = this.rows[this.side === "sell" ? ROWS - 1 - i : i];
      const level = levels[i];
      total += level ? level[1] : 0;
      row.price = level?.[0];
      row.className = level ? (own.has(level[0]) ? "own" : "") : "blank";
      row.title = level && own.has(level[0]) ? "You have an order at this price" : "";
      row.style.setProperty("--share", level ? `${(100 * total) / most}%` : "0%");
      const text = level ? [fixed(level[0], market.price_scale), short(level[1], 3), short(total, 3)]
        : ["\u00a0", "", ""];
      cells.forEach((cell, n) => { if (cell.textContent !== text[n]) cell.textContent = text[n]; });
    }
  }
}

export class BookView {
  constructor(onPick) {
    this.asks = new Ladder(document.getElementById("asks"), "sell", onPick);
    this.bids = new Ladder(document.getElementById("bids"), "buy", onPick);
    this.gap = document.getElementById("gap");
  }

  /* own: prices at which somebody who looks at this has orders, by side. */
  draw(book, market, own, last) {
    const bids = book.levels("buy").slice(0, ROWS);
    const asks = book.levels("sell").slice(0, ROWS);
    const sum = (levels) => levels.reduce((all, level) => all + level[1], 0);
    const most = Math.max(sum(bids), sum(asks), 1e-9);

    this.asks.draw(asks, market, own.sell, most);
    this.bids.draw(bids, market, own.buy, most);
    if (bids.length === 0 && asks.length === 0) {
      this.gap.replaceChildren(element("span", {}, "Nobody is here yet: place the first order."));
      return;
    }
    const spread = bids.length && asks.length ? asks[0][0] - bids[0][0] : null;
    this.gap.replaceChildren(
      element("strong", {}, last === null ? "–" : fixed(last, market.price_scale)),
      element("span", { class: "soft" }, spread === null ? "" : `spread ${fixed(spread, market.price_scale)}`));
  }
}
