/* canvas.js - what both charts need: a canvas as sharp as the screen, in the colours of the page. */

export const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/* Draws again whenever its size or the colours change. */
export class Canvas {
  constructor(id, draw) {
    this.element = document.getElementById(id);
    this.paint = draw;
    this.isQueued = false;
    new ResizeObserver(() => this.queue()).observe(this.element.parentElement);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.queue());
  }

  /* Many changes, one drawing for each frame. */
  queue() {
    if (this.isQueued) return;
    this.isQueued = true;
    requestAnimationFrame(() => {
      this.isQueued = false;
      this.draw();
    });
  }

  draw() {
    const ratio = devicePixelRatio || 1;
    const { width, height } = this.element.getBoundingClientRect();
    const w = Math.round(width * ratio);
    const h = Math.round(height * ratio);
    if (w === 0 || h === 0) return;
    if (this.element.width !== w || this.element.height !== h) {
      this.element.width = w;
      this.element.height = h;
    }
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const g = this.element.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, width, height);
    g.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    g.textBaseline = "middle";
    this.paint(g, width, height, colour);
  }
}

/* About n round numbers between two. */
export function ticks(low, high, n) {
  const raw = (high - low) / Math.max(n, 1);
  if (!(raw > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const list = [];
  for (let v = Math.ceil(low / step) * step; v <= high; v += step) list.push(v);
  return list;
}

export function say(g, text, x, y, align = "left") {
  g.textAlign = align;
  g.fillText(text, x, y);
}
