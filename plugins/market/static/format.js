/* format.js - numbers and times as people read them; decimal text as programs send it. */

const cache = new Map();

function formatter(least, most) {
  const key = `${least}/${most}`;
  if (!cache.has(key)) {
    cache.set(key, new Intl.NumberFormat("en-US",
      { minimumFractionDigits: least, maximumFractionDigits: most }));
  }
  return cache.get(key);
}

/* value: a number or decimal text; null and "" are shown as a dash. */
export function fixed(value, digits) {
  return value === null || value === undefined || value === "" ? "–"
    : formatter(digits, digits).format(Number(value));
}

/* As many digits as it has, at most as many as given. */
export function short(value, most) {
  return value === null || value === undefined ? "–" : formatter(0, most).format(Number(value));
}

export function compact(value) {
  const n = Number(value);
  return n >= 1e6 ? `${fixed(n / 1e6, 2)}M` : n >= 1e4 ? `${fixed(n / 1e3, 1)}k` : short(n, n < 10 ? 3 : 1);
}

/* "+1.25%"; null where there is nothing to compare. */
export function percent(now, before) {
  if (now === null || before === null || Number(before) === 0) return null;
  const change = (Number(now) / Number(before) - 1) * 100;
  return { text: `${change < 0 ? "−" : "+"}${fixed(Math.abs(change), 2)}%`, sign: Math.sign(change) };
}

/* Decimal text for the server: a number cut to digits, without an exponent. */
export function decimal(value, digits) {
  const scale = 10 ** digits;
  return (Math.floor(value * scale + 1e-6) / scale).toFixed(digits).replace(/\.?0+$/, (m) => (m.includes(".") ? "" : m));
}

/* What somebody typed: spaces and signs of thousands go, a decimal comma becomes a point. */
export function typed(text) {
  const plain = text.replace(/[\s_']/g, "");
  return /^\d{1,3}(,\d{3})+(\.\d*)?$/.test(plain) ? plain.replace(/,/g, "") : plain.replace(",", ".");
}

export const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");
export const minute = (ms) => clock(ms).slice(0, 5);
export const day = (ms) => new Date(ms).toLocaleDateString("en-GB",
  { day: "numeric", month: "short", year: "numeric" });

/* The same two colours for the same code, everywhere. */
export function hue(code) {
  let h = 7;
  for (const c of code) h = (h * 31 + c.charCodeAt(0)) % 3600;
  return h % 360;
}

export const initials = (name) => name.split(/[^\p{L}\p{N}]+/u).filter(Boolean).slice(0, 2)
  .map((word) => word[0].toUpperCase()).join("");

/* An element with its attributes and children, which are nodes or text. */
export function element(name, attributes = {}, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) e.setAttribute(key, value === true ? "" : value);
  }
  e.append(...children);
  return e;
}
