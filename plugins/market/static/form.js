/* form.js - the order form: what it would cost, and what became of it. */

import { decimal, fixed, short, typed } from "./format.js";
import { post } from "./server.js";

const byId = (id) => document.getElementById(id);

export class OrderForm {
  /* context(): { market, book }; account: an Account; message(text, kind) */
  constructor(settings, account, context, message) {
    Object.assign(this, { settings, account, context, message });
    for (const id of ["order", "price", "size", "submit", "estimate", "price-field", "price-unit", "size-unit"]) {
      this[id] = byId(id);
    }
    this.order.addEventListener("input", () => this.draw());
    this.order.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.price.addEventListener("keydown", (event) => this.nudge(event));
    byId("take-bid").addEventListener("click", () => this.take("buy"));
    byId("take-ask").addEventListener("click", () => this.take("sell"));
    for (const button of this.order.querySelectorAll("[data-share]")) {
      button.addEventListener("click", () => this.share(Number(button.dataset.share)));
    }
  }

  get side() { return this.order.elements.side.value; }

  get isMarket() { return this.order.elements.type.value === "market"; }

  choose(market) {
    this["price-unit"].textContent = `in ${market.quote}`;
    this["size-unit"].textContent = `in ${market.base}`;
    this.price.value = "";
    this.size.value = "";
    this.clear();
    this.draw();
  }

  pick(price) {
    this.price.value = fixed(price, this.context().market.price_scale).replace(/,/g, "");
    this.draw();
  }

  take(side) {
    const best = this.context().book.best(side);
    if (best !== null) this.pick(best);
  }

  nudge(event) {
    const { market, book } = this.context();
    const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    const from = Number(typed(this.price.value)) || market.last || book.best("buy") || 0;
    if (!step) return;
    event.preventDefault();
    const price = Number(from) + (step * (event.shiftKey ? 10 : 1)) / 10 ** market.price_scale;
    if (price > 0) this.pick(price);
  }

  /* The price one reckons with: the own one, or the best across. */
  expected() {
    const { book } = this.context();
    return this.isMarket ? book.best(this.side === "buy" ? "sell" : "buy") : Number(typed(this.price.value)) || null;
  }

  share(part) {
    const { market } = this.context();
    const price = this.expected() ?? this.context().book.best(this.side === "buy" ? "sell" : "buy");
    const has = this.account.free(this.side === "buy" ? market.quote : market.base);
    /* A market order goes through the book: leave some room for its price. */
    const room = this.isMarket ? 1.01 : 1;
    const units = this.side === "sell" ? has : price ? has / (price * room * (1 + market.taker_percent / 100)) : 0;
    this.size.value = decimal(units * part, market.size_scale);
    this.draw();
  }

  clear() {
    this.price.removeAttribute("aria-invalid");
    this.size.removeAttribute("aria-invalid");
  }

  draw() {
    const { market } = this.context();
    const size = Number(typed(this.size.value));
    const price = this.expected();
    const isBuy = this.side === "buy";
    this["price-field"].hidden = this.isMarket;
    this.submit.className = `primary ${this.side}`;
    this.submit.textContent = `${isBuy ? "Buy" : "Sell"}${size > 0 ? ` ${short(size, 6)}` : ""} ${market.base}`;
    if (!(size > 0) || !price) {
      this.estimate.textContent = `${short(this.account.free(isBuy ? market.quote : market.base), isBuy ? 2 : 6)} `
        + `${isBuy ? market.quote : market.base} free`;
      return;
    }
    const value = size * price;
    const fee = (value * market.taker_percent) / 100;
    this.estimate.textContent = `${this.isMarket ? "About" : isBuy ? "At most" : "At least"} `
      + `${fixed(isBuy ? value + fee : value - fee, 2)} ${market.quote}, a fee of up to ${fixed(fee, 2)} included`;
  }

  complain(input, text) {
    input.setAttribute("aria-invalid", "true");
    input.focus();
    this.message(text, "bad");
  }

  async send() {
    const { market } = this.context();
    const order = { product_id: market.id, side: this.side, type: this.isMarket ? "market" : "limit", size: typed(this.size.value) };
    this.clear();
    if (!this.isMarket) {
      order.price = typed(this.price.value);
      if (!(Number(order.price) > 0)) return this.complain(this.price, "Say at which price, as a number above zero.");
    }
    if (!(Number(order.size) > 0)) return this.complain(this.size, "Say how much, as a number above zero.");
    this.submit.disabled = true;
    try {
      this.tell(await post(this.settings.orders, order), market);
      this.size.value = "";
    } catch (error) {
      this.message(error.message, "bad");
    }
    this.submit.disabled = false;
    this.submit.focus();
    this.draw();
    return this.account.refresh();
  }

  /* What became of an order, in a sentence. */
  tell(o, market) {
    const filled = Number(o.filled);
    const left = Number(o.size) - filled;
    const did = o.side === "buy" ? "Bought" : "Sold";
    const average = filled > 0 ? fixed(Number(o.value) / filled, market.price_scale) : null;
    const past = `${did} ${short(filled, 6)} ${market.base} at ${average}`;
    if (o.open) {
      this.message(filled > 0 ? `${past}; ${short(left, 6)} wait in the book.`
        : `Your order waits in the book: ${o.side} ${short(left, 6)} ${market.base} at ${short(o.price, 8)}.`, "good");
    } else if (filled > 0) {
      this.message(left > 0 ? `${past}; there was no more to be had.` : `${past}.`, "good");
    } else {
      this.message("Nobody is there to trade with: nothing happened.", "bad");
    }
  }
}
