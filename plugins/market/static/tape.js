/* tape.js - the last trades, the newest first. */

import { clock, element, fixed, short } from "./format.js";
import { reducedMotion } from "./canvas.js";

const MOST = 60;

export class Tape {
  constructor() {
    this.body = document.getElementById("tape");
    this.none = document.getElementById("no-trades");
    this.last = 0; // the newest trade's id
  }

  row({ price, size, side, time }, digits) {
    const isBuy = side === "buy";
    return element("tr", {},
      element("td", {}, clock(time)),
      element("td", { class: isBuy ? "up" : "down" },
        element("span", { "aria-hidden": "true" }, isBuy ? "▲ " : "▼ "),
        element("span", { class: "hidden" }, isBuy ? "bought at " : "sold at "), fixed(price, digits)),
      element("td", {}, short(size, 3)));
  }

  /* list: the newest first, with the maker's side, as the dialect has it. */
  reset(list, digits) {
    this.digits = digits;
    this.last = list[0]?.trade_id ?? 0;
    this.body.replaceChildren(...list.slice(0, MOST).map((t) => this.row({
      price: t.price, size: t.size, side: t.side === "buy" ? "sell" : "buy", time: Date.parse(t.time),
    }, digits)));
    this.none.hidden = list.length > 0;
  }

  trade(t) {
    if (t.id !== undefined && Number(t.id) <= this.last) return;
    this.last = Number(t.id ?? this.last);
    const row = this.row(t, this.digits);
    this.body.prepend(row);
    while (this.body.children.length > MOST) this.body.lastElementChild.remove();
    this.none.hidden = true;
    if (!reducedMotion()) {
      row.animate([{ background: `var(--${t.side === "buy" ? "buy" : "sell"}-fill)` }, { background: "transparent" }], 900);
    }
  }
}
