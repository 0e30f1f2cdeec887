/* account.js - the practice account: its balances, open orders and trades. */

import { clock, day, element, fixed, short } from "./format.js";
import { get, post, remove } from "./server.js";

const POLL_MS = 15000;
const SOON_MS = 400;

export class Account {
  /* on: { change(), message(text, kind) } */
  constructor(settings, on) {
    this.settings = settings;
    this.on = on;
    this.data = null; // null: nobody
    this.soon = 0;
    this.asked = 0;
    for (const id of ["welcome", "closed", "order", "open", "no-account", "holdings", "balances", "orders",
      "no-orders", "fills", "no-fills"]) {
      this[id] = document.getElementById(id);
    }
    this.open.addEventListener("click", () => this.create());
    setInterval(() => { if (this.data && !document.hidden) this.refresh(); }, POLL_MS);
  }

  async create() {
    this.open.disabled = true;
    try {
      await post(this.settings.account, {});
      await this.refresh();
      this.on.message("Your account is open. Good luck!", "good");
      document.querySelector('#order input[name="side"]').focus();
    } catch (error) {
      this.on.message(error.message, "bad");
    }
    this.open.disabled = false;
  }

  async refresh() {
    const asked = ++this.asked;
    try {
      const { account } = await get(this.settings.account);
      if (asked === this.asked) this.data = account;
    } catch {
      return; // what is shown stays; the state of the stream tells that something is wrong
    }
    this.draw();
    this.on.change();
  }

  /* After something happened that may concern its orders: once, for many events. */
  refreshSoon() {
    if (!this.data || this.soon) return;
    this.soon = setTimeout(() => {
      this.soon = 0;
      this.refresh();
    }, SOON_MS);
  }

  free(code) {
    return Number(this.data?.balances.find((b) => b.code === code)?.free ?? 0);
  }

  /* Prices of its open orders in a market, by side. */
  prices(product) {
    const own = { buy: new Set(), sell: new Set() };
    for (const o of this.data?.orders ?? []) {
      if (o.product_id === product) own[o.side].add(Number(o.price));
    }
    return own;
  }

  draw() {
    const has = this.data !== null;
    this.welcome.hidden = has || !this.settings.allows_accounts;
    this.closed.hidden = has || this.settings.allows_accounts;
    this.order.hidden = !has;
    this.holdings.hidden = !has;
    this["no-account"].hidden = has;
    if (!has) return;
    this.drawBalances();
    this.drawOrders();
    this.drawFills();
  }

  drawBalances() {
    const some = this.data.balances.filter((b) => Number(b.amount) !== 0);
    this.balances.replaceChildren(...some.map((b) => {
      const held = Number(b.amount) - Number(b.free);
      const digits = b.code === "USD" ? 2 : 6;
      return element("li", {}, element("span", {}, b.code), element("span", {},
        b.code === "USD" ? fixed(b.amount, 2) : short(b.amount, digits),
        held > 0 ? element("small", {}, `${short(held, digits)} in orders`) : ""));
    }));
  }

  /* Who has the focus would lose it with a row that is put in anew, also at the same place: rows
     stay where they are, and what they say is changed. */
  drawOrders() {
    const { orders } = this.data;
    const before = new Map([...this.orders.children].map((li) => [li.dataset.id, li]));
    const rows = orders.map((o) => before.get(o.id) ?? this.row(o.id));
    for (const li of before.values()) {
      if (!rows.includes(li)) li.remove();
    }
    rows.forEach((li, i) => {
      if (this.orders.children[i] !== li) this.orders.insertBefore(li, this.orders.children[i] ?? null);
      this.fillRow(li, orders[i]);
    });
    this["no-orders"].hidden = orders.length > 0;
  }

  row(id) {
    const button = element("button", { type: "button", class: "quiet" }, "Cancel");
    button.onclick = () => this.cancel(id, button);
    return element("li", { "data-id": id },
      element("div", {}, element("span"), element("small")), button);
  }

  fillRow(li, o) {
    const words = `${o.side === "buy" ? "Buy" : "Sell"} ${short(Number(o.size) - Number(o.filled), 6)} ${o.product_id.split("-")[0]} at ${short(o.price, 8)}`;
    const what = li.querySelector("span");
    what.className = o.side === "buy" ? "up" : "down";
    what.textContent = words;
    li.querySelector("small").textContent = `${Number(o.filled) > 0 ? `${short(o.filled, 6)} filled · ` : ""}${clock(o.time)}`;
    li.querySelector("button").setAttribute("aria-label", `Cancel: ${words}`);
  }

  drawFills() {
    const { fills } = this.data;
    const today = day(Date.now());
    this.fills.replaceChildren(...fills.map((f) => element("li", {},
      element("div", {}, element("span", { class: f.side === "buy" ? "up" : "down" },
        `${f.side === "buy" ? "Bought" : "Sold"} ${short(f.size, 6)} ${f.product_id.split("-")[0]} at ${short(f.price, 8)}`),
      element("small", {}, `Fee ${short(f.fee, 4)} · ${day(f.time) === today ? clock(f.time) : day(f.time)}`)))));
    this["no-fills"].hidden = fills.length > 0;
  }

  async cancel(id, button) {
    button.disabled = true;
    try {
      await remove(`${this.settings.orders}/${encodeURIComponent(id)}`);
      this.on.message("Your order is canceled.", "good");
      document.getElementById("account-title").focus();
    } catch (error) {
      this.on.message(error.message, "bad");
      button.disabled = false;
    }
    this.refresh();
  }
}
