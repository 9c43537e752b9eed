// What is done when: a row a label, a cell a window, the likelier the stronger. The same stands in a table beside it.

import { draw, make, table } from "./make.js";
import { call } from "./wire.js";

const MOST_ROWS = 6;
const MOST_WINDOWS = 2000;
const PAGE = 500;
const TICKS = 5;

export const percent = (probability) => `${(100 * probability).toFixed(1)} %`;
const seconds = (time) => `${Number(time.toFixed(2))} s`;

// The windows of an action job about one video; of a very long one the first.
export async function windowsOf(jobId, video) {
  const found = [];
  let cursor = null;
  do {
    const query = new URLSearchParams({ video, limit: String(PAGE), ...(cursor ? { cursor } : {}) });
    const page = await (await call(`/jobs/${encodeURIComponent(jobId)}/predictions?${query}`)).json();
    found.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor && found.length < MOST_WINDOWS);
  return found;
}

// A window speaks for the time around its middle: the first from the beginning, the last to its own end.
function spans(windows) {
  const middles = windows.map((each) => (each.start_s + each.end_s) / 2);
  const edges = [0, ...middles.slice(1).map((middle, index) => (middle + middles[index]) / 2), windows.at(-1).end_s];
  return windows.map((each, index) => [edges[index], edges[index + 1]]);
}

function rowsOf(windows) {
  const mean = new Map();
  for (const { labels } of windows) {
    for (const { label, probability } of labels) mean.set(label, (mean.get(label) ?? 0) + probability);
  }
  return [...mean].sort(([, one], [, other]) => other - one).slice(0, MOST_ROWS).map(([label]) => label);
}

function strip(label, windows, times, end) {
  const cells = windows.map(({ labels }) => labels.find((each) => each.label === label)?.probability ?? 0);
  const highest = cells.indexOf(Math.max(...cells));
  const told = `${label}: at most ${percent(cells[highest])}, at ${seconds(times[highest][0])}`;
  const svg = draw("svg", { viewBox: `0 0 ${end} 1`, preserveAspectRatio: "none", role: "img", "aria-label": told, class: "strip" });
  cells.forEach((probability, index) => {
    const [from, to] = times[index];
    const best = windows[index].labels[0].label === label;
    svg.append(draw("rect", { class: best ? "best" : "other", x: from, y: 0, width: to - from, height: 1, "fill-opacity": (0.06 + 0.94 * probability).toFixed(3) }));
  });
  return make("li", {}, make("span", {}, label), svg);
}

export function showTimeline(windows, place) {
  if (windows.length === 0) {
    place.replaceChildren();
    return;
  }
  const times = spans(windows);
  const end = times.at(-1)[1];
  const rows = rowsOf(windows).map((label) => strip(label, windows, times, end));
  const ticks = Array.from({ length: TICKS }, (_, index) => make("span", {}, seconds((end * index) / (TICKS - 1))));
  rows.push(make("li", { class: "axis", "aria-hidden": "true" }, make("span", {}), make("span", { class: "ticks" }, ...ticks)));
  const cells = windows.map(({ start_s: from, end_s: to, labels }) => [
    `${from.toFixed(2)} to ${to.toFixed(2)}`, ...labels.slice(0, 3).map(({ label, probability }) => `${label} ${percent(probability)}`),
  ]);
  const columns = ["seconds", "likeliest", "second", "third"].slice(0, 1 + Math.min(3, windows[0].labels.length));
  place.replaceChildren(
    make("h3", {}, "Labels over time"),
    make("ol", { class: "strips" }, ...rows),
    make("ul", { class: "keys" }, make("li", { class: "key s0" }, "the likeliest"), make("li", { class: "key s1" }, "another, the stronger the likelier")),
    make("details", {}, make("summary", {}, "Second by second as a table"), make("div", { class: "wide", role: "region", "aria-label": "Labels second by second", tabindex: "0" }, table("Windows of the video and what is done in them", columns, cells))),
  );
}
