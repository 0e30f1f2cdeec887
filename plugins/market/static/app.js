/*
 * app.js - puts the page together: which market is looked at, and what goes where.
 *
 * What changes is drawn once for each frame at most, however many events come.
 */

import { Account } from "./account.js";
import { Book, BookView } from "./book.js";
import { Candles } from "./candles.js";
import { Depth } from "./depth.js";
import { openFeed } from "./feed.js";
import { OrderForm } from "./form.js";
import { Headline, List, order } from "./list.js";
import { get } from "./server.js";
import { Tape } from "./tape.js";

const POLL_MS = 5000;
const connection = document.getElementById("connection");

const page = {
  settings: null,
  markets: [],
  market: null, // the one that is looked at
  book: new Book(),
  endFeed: null,
  feedState: "lost", // "live", "lost", "none"
  isAway: false, // the server did not answer the last request
  isQueued: false,
};

function message(text, kind) {
  const box = document.getElementById("message");
  box.className = `message ${kind}`;
  box.textContent = text;
}

function showState() {
  const words = { live: "Live", lost: "Reconnecting…", none: "Not live" };
  const state = page.isAway ? "lost" : page.feedState;
  if (connection.textContent === words[state]) return; // a status is read aloud
  connection.className = `connection ${state}`;
  connection.textContent = words[state];
}

/* What a request came to says whether the server is there, until the next one. */
async function watched(request) {
  try {
    await request;
    page.isAway = false;
  } catch {
    page.isAway = true;
  }
  showState();
}

function drawSoon() {
  if (page.isQueued) return;
  page.isQueued = true;
  requestAnimationFrame(() => {
    page.isQueued = false;
    draw();
  });
}

function draw() {
  if (page.market === null) return;
  const { market, book } = page;
  page.headline.draw(market, book);
  page.bookView.draw(book, market, page.account.prices(market.id), market.last);
  page.depth.draw(book, market.price_scale);
  page.form.draw();
}

function describe() {
  page.candles.describe(page.market.name);
  page.depth.describe(page.market.name);
}

/* --- what comes from the server -------------------------------------------------------- */

function onTrade(trade) {
  const { market } = page;
  market.last = trade.price;
  market.open ??= trade.price;
  market.high = market.high === null ? trade.price : Math.max(market.high, trade.price);
  market.low = market.low === null ? trade.price : Math.min(market.low, trade.price);
  market.volume = Number(market.volume) + trade.size;
  page.candles.trade(trade);
  page.tape.trade(trade);
  page.list.draw([market], market.id);
}

function onEvent(event) {
  const own = page.account.prices(page.market.id);
  let isOwn = event.trade !== null && (own.buy.has(event.trade.price) || own.sell.has(event.trade.price));
  for (const [side, price, size] of event.changes) {
    page.book.set(side, price, size);
    isOwn ||= own[side]?.has(price) ?? false;
  }
  if (event.trade) onTrade(event.trade);
  if (isOwn) page.account.refreshSoon();
  drawSoon();
}

async function loadCandles() {
  const { market, settings } = page;
  const seconds = Number(document.querySelector('input[name="granularity"]:checked').value);
  const rows = await get(`${settings.products}/${market.id}/candles?granularity=${seconds}`);
  if (market !== page.market) return;
  page.candles.reset(rows, seconds, market.price_scale);
  page.candles.describe(market.name);
}

async function loadTrades() {
  const { market, settings } = page;
  const list = await get(`${settings.products}/${market.id}/trades?limit=60`);
  if (market === page.market) page.tape.reset(list, market.price_scale);
}

function follow(market) {
  page.endFeed?.();
  if (!page.settings.stream) {
    page.feedState = "none";
    showState();
    return;
  }
  page.endFeed = openFeed(page.settings.stream + encodeURIComponent(market.id), {
    snapshot(s) {
      page.book.reset(s);
      /* Trades that happened while nobody listened. */
      watched(Promise.all([loadCandles(), loadTrades()]));
      drawSoon();
      describe();
    },
    event: onEvent,
    state(state) {
      page.feedState = state;
      showState();
    },
  });
}

/* --- which market ------------------------------------------------------------------------- */

function chosen() {
  const id = decodeURIComponent(location.hash.slice(1));
  return page.markets.find((m) => m.id === id) ?? page.market ?? order(page.markets)[0];
}

function choose() {
  const market = chosen();
  if (market === page.market) return;
  page.market = market;
  page.book.reset({ bids: [], asks: [] });
  page.tape.reset([], market.price_scale);
  page.candles.reset([], 60, market.price_scale);
  page.headline.choose(market);
  page.form.choose(market);
  page.list.draw(page.markets, market.id);
  page.list.reveal(market.id);
  draw();
  follow(market);
}

async function refreshMarkets() {
  if (document.hidden) return;
  const fresh = await get(page.settings.instruments);
  for (const market of fresh) {
    const known = page.markets.find((m) => m.id === market.id);
    if (known) Object.assign(known, market);
    else page.markets.push(market);
  }
  page.list.draw(page.markets, page.market?.id);
  if (page.market) drawSoon();
}

async function start() {
  page.settings = await get("market/settings");
  page.headline = new Headline();
  page.list = new List();
  page.candles = new Candles();
  page.depth = new Depth();
  page.tape = new Tape();
  page.account = new Account(page.settings, { change: drawSoon, message });
  page.form = new OrderForm(page.settings, page.account, () => page, message);
  page.bookView = new BookView((price) => page.form.pick(price));
  await Promise.all([refreshMarkets(), page.account.refresh()]);
  choose();
  addEventListener("hashchange", choose);
  document.getElementById("granularity").addEventListener("change", () => watched(loadCandles()));
  setInterval(() => watched(refreshMarkets()), POLL_MS);
  document.documentElement.dataset.ready = "true";
}

start().catch((error) => {
  page.isAway = true;
  showState();
  message(error.message, "bad");
});
