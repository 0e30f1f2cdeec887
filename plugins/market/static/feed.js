/*
 * feed.js - the stream of one market, and the only place that knows how its events look.
 *
 * The server sends a snapshot, then each event with its sequence as the id; after a break the browser
 * asks to go on behind the last id it has seen.  Where a number is missing the stream is opened anew,
 * which begins with a snapshot.
 */

const FIRST_WAIT_MS = 1000;
const MAX_WAIT_MS = 15000;

const levels = (list) => list.map(([price, size]) => [Number(price), Number(size)]);

function changes(data) {
  const one = (level) => [level.side, Number(level.price), Number(level.size)];
  if (data.level) return [one(data.level)];
  return (data.changes ?? data.levels ?? []).map((c) => (Array.isArray(c)
    ? [c[0], Number(c[1]), Number(c[2])] : one(c)));
}

/* { seq, kind, time, changes: [[side, price, size of the level]…], trade: null or { … } } */
export function read(kind, data) {
  const time = Date.parse(data.time) || Date.now();
  const taker = data.maker_side ? (data.maker_side === "buy" ? "sell" : "buy") : data.side;
  return {
    seq: Number(data.sequence),
    kind,
    time,
    changes: changes(data),
    trade: kind !== "match" ? null : {
      id: data.trade_id, price: Number(data.price), size: Number(data.size), side: taker, time,
    },
  };
}

/* on: { snapshot({seq, bids, asks}), event(e), state("live" | "lost") }.  Returns a function that ends it. */
export function openFeed(url, on) {
  let source = null;
  let timer = 0;
  let waitMs = FIRST_WAIT_MS;
  let seq = null; // of the last event or the snapshot

  function again() {
    source.close();
    on.state("lost");
    clearTimeout(timer);
    timer = setTimeout(connect, waitMs);
    waitMs = Math.min(2 * waitMs, MAX_WAIT_MS);
  }

  function receive(kind, message) {
    const e = read(kind, JSON.parse(message.data));
    if (seq === null || e.seq <= seq) return;
    if (e.seq > seq + 1) {
      again();
      return;
    }
    seq = e.seq;
    on.event(e);
  }

  function connect() {
    seq = null;
    source = new EventSource(url);
    source.addEventListener("snapshot", (message) => {
      const data = JSON.parse(message.data);
      seq = Number(data.sequence);
      waitMs = FIRST_WAIT_MS;
      on.snapshot({ seq, bids: levels(data.bids), asks: levels(data.asks) });
      on.state("live");
    });
    for (const kind of ["received", "match", "done", "change"]) {
      source.addEventListener(kind, (message) => receive(kind, message));
    }
    source.addEventListener("open", () => { if (seq !== null) on.state("live"); });
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) again();
      else on.state("lost"); // the browser comes back by itself
    });
  }

  connect();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}
