/** The mood dial: a score of -1..1 as a barometer's needle, with a mark where it stood earlier. */

import { svg } from "./dom.js";
import { signed } from "./format.js";

const CENTRE = { x: 150, y: 140 };
const RADIUS = 108;
const ZONES = [[-1, -0.6], [-0.6, -0.2], [-0.2, 0.2], [0.2, 0.6], [0.6, 1]];

function at(score, radius) {
  const angle = Math.PI * (1 - (score + 1) / 2);
  return [CENTRE.x + radius * Math.cos(angle), CENTRE.y - radius * Math.sin(angle)];
}

function arc(from, to, radius) {
  const [x0, y0] = at(from, radius);
  const [x1, y1] = at(to, radius);
  return `M${x0.toFixed(1)} ${y0.toFixed(1)}A${radius} ${radius} 0 0 1 ${x1.toFixed(1)} ${y1.toFixed(1)}`;
}

const degrees = (score) => Math.max(-1, Math.min(1, score)) * 90;

function scale() {
  const nodes = ZONES.map(([from, to], i) =>
    svg("path", { class: `zone zone-${i}`, d: arc(from + (i && 0.012), to - (i < 4 && 0.012), RADIUS) }));
  for (let tenth = -10; tenth <= 10; tenth++) {
    const major = tenth % 5 === 0;
    const [x1, y1] = at(tenth / 10, RADIUS - 15);
    const [x2, y2] = at(tenth / 10, RADIUS - (major ? 25 : 20));
    nodes.push(svg("line", { class: major ? "tick major" : "tick", x1, y1, x2, y2 }));
  }
  const label = (x, text) => svg("text", { x, y: 162, class: "dial-label", "text-anchor": "middle" }, text);
  nodes.push(label(CENTRE.x - RADIUS, "negative"), label(CENTRE.x + RADIUS, "positive"));
  return nodes;
}

/** Draws the dial into a container; the function it returns takes `(score | null, moved | null)` as `change()` gives it. */
export function moodDial(container) {
  const [x, y] = [CENTRE.x, CENTRE.y];
  const tip = y - RADIUS + 20;
  const needle = svg("g", { class: "needle" },
    svg("path", { d: `M${x - 5} ${y}L${x} ${tip}L${x + 5} ${y}Z` }), svg("circle", { cx: x, cy: y, r: 9 }));
  const earlier = svg("g", { class: "earlier" },
    svg("path", { d: `M${x} ${y - RADIUS - 11}l-6 -10h12Z` }));
  const root = svg("svg", { viewBox: "0 6 300 162", role: "img", class: "dial-svg" }, ...scale(), earlier, needle);
  container.replaceChildren(root);
  return (score, moved) => {
    root.classList.toggle("without", score === null);
    root.classList.toggle("compared", score !== null && moved !== null);
    needle.style.transform = `rotate(${degrees(score ?? 0)}deg)`;
    earlier.style.transform = `rotate(${degrees(moved?.earlier ?? 0)}deg)`;
    const comparison = moved ? ` The triangle marks ${signed(moved.earlier)}, where it stood earlier in the window.` : "";
    root.setAttribute("aria-label", score === null
      ? "Mood dial without a reading."
      : `Mood score ${signed(score)} on a scale from −1, negative, to +1, positive.${comparison}`);
  };
}
