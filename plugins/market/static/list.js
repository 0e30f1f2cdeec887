/* list.js - all instruments, as links; and the headline of the one that is looked at. */

import { compact, day, element, fixed, hue, initials, percent } from "./format.js";

const arrow = (sign) => (sign > 0 ? "▲ " : sign < 0 ? "▼ " : "");
const classOf = (sign) => (sign > 0 ? "change up" : sign < 0 ? "change down" : "change soft");

function show(target, change) {
  target.className = classOf(change?.sign ?? 0);
  target.replaceChildren(...(change ? [element("span", { "aria-hidden": "true" }, arrow(change.sign)), change.text] : ["–"]));
}

export function cover(target, market) {
  target.textContent = market.genre ? initials(market.name) : market.base.slice(0, 3);
  target.style.setProperty("--hue", hue(market.base));
}

/* Artists by their ranking, then the others. */
export const order = (markets) => [...markets].sort((a, b) =>
  (a.ranking ?? 1e9) - (b.ranking ?? 1e9) || a.id.localeCompare(b.id));

export class List {
  constructor() {
    this.list = document.getElementById("list");
    this.items = new Map();
  }

  item(market) {
    const parts = {
      cover: element("span", { class: "cover", "aria-hidden": "true" }),
      last: element("span", { class: "last" }),
      change: element("span", { class: "change" }),
    };
    const link = element("a", { href: `#${market.id}` }, parts.cover,
      element("span", { class: "name" }, market.name),
      element("span", { class: "genre" }, market.genre ? `#${market.ranking} · ${market.genre}` : market.id),
      parts.last, parts.change);
    cover(parts.cover, market);
    this.list.append(element("li", {}, link));
    this.items.set(market.id, { link, ...parts });
  }

  draw(markets, chosen) {
    for (const market of order(markets)) {
      if (!this.items.has(market.id)) this.item(market);
      const { link, last, change } = this.items.get(market.id);
      last.textContent = fixed(market.last, market.price_scale);
      show(change, percent(market.last, market.open));
      if (market.id === chosen) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }

  reveal(id) {
    const link = this.items.get(id)?.link;
    if (link) this.list.scrollTo({ left: link.parentElement.offsetLeft - this.list.offsetLeft - 12 });
  }
}

export class Headline {
  constructor() {
    for (const id of ["name", "about", "cover", "last", "change", "high", "low", "volume", "spread", "until", "until-fact"]) {
      this[id] = document.getElementById(id);
    }
  }

  choose(market) {
    this.name.textContent = market.name;
    this.about.textContent = market.genre
      ? `${market.base} · ${market.genre} · Ranked ${market.ranking}` : `${market.base} against ${market.quote}`;
    this["until-fact"].hidden = !market.genre;
    this.until.textContent = market.genre ? day(market.expires) : "";
    cover(this.cover, market);
  }

  draw(market, book) {
    const bid = book.best("buy");
    const ask = book.best("sell");
    this.last.textContent = fixed(market.last, market.price_scale);
    show(this.change, percent(market.last, market.open));
    this.high.textContent = fixed(market.high, market.price_scale);
    this.low.textContent = fixed(market.low, market.price_scale);
    this.volume.textContent = `${compact(market.volume)} ${market.base}`;
    this.spread.textContent = bid === null || ask === null ? "–" : `${fixed(((ask - bid) / ask) * 100, 2)}%`;
    document.title = `${fixed(market.last, market.price_scale)} ${market.base} · Market`;
  }
}
