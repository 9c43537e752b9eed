// Curves over steps as SVG. Colours and strokes are the style sheet's; the same figures stand in a table beside it.

import { draw, figure, make, table } from "./make.js";

const WIDTH = 560;
const HEIGHT = 240;
const LEFT = 52;
const BOTTOM = 30;
const TOP = 12;
const RIGHT = 12;

const isLoss = (name) => name.endsWith("loss");
const isRate = (name) => /accuracy|pdj|pcp|pck/.test(name);

function namesIn(rows) {
  return [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) => name !== "step");
}

function points(rows, name) {
  return rows.filter((row) => Number.isFinite(row[name])).map((row) => [row.step, row[name]]);
}

// Round numbers that cover a range, about four of them.
function ticks(low, high) {
  const raw = (high - low) / 4 || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= raw);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-6; at += step) found.push(Number(at.toPrecision(6)));
  return found;
}

function panel(title, series, { chance } = {}) {
  const all = series.flatMap((each) => each.points);
  const steps = all.map(([step]) => step);
  const values = all.map(([, value]) => value).concat(chance === undefined ? [] : [chance]);
  const [first, last] = [Math.min(...steps), Math.max(...steps)];
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const x = (step) => LEFT + ((step - first) / (last - first || 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => TOP + ((high - value) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const told = series.map((each) => `${each.name}, at the end ${figure(each.points.at(-1)[1])}`).join("; ");
  const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title} over steps: ${told}`, class: "chart" });
  for (const value of ticks(low, high)) {
    svg.append(draw("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }));
    svg.append(draw("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, figure(value)));
  }
  for (const step of ticks(first, last).filter(Number.isInteger)) {
    svg.append(draw("text", { x: x(step), y: HEIGHT - 8, "text-anchor": "middle" }, String(step)));
  }
  if (chance !== undefined) svg.append(draw("line", { class: "chance", x1: LEFT, x2: WIDTH - RIGHT, y1: y(chance), y2: y(chance) }));
  series.forEach((each, index) => {
    const path = each.points.map(([step, value], at) => `${at ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join("");
    svg.append(draw("path", { class: `series s${index % 4}`, d: path }));
    if (each.points.length < 40) {
      for (const [step, value] of each.points) svg.append(draw("circle", { class: `dot s${index % 4}`, cx: x(step), cy: y(value), r: 3 }));
    }
  });
  const keys = series.map((each, index) => make("li", { class: `key s${index % 4}` }, each.name));
  if (chance !== undefined) keys.push(make("li", { class: "key chance" }, `chance ${figure(chance)}`));
  return make("figure", { class: "panel" }, make("figcaption", {}, title), svg, make("ul", { class: "keys" }, ...keys));
}

// Draws what there is into `charts`, and all of it into `place` as a table.
export function showCurves(rows, charts, place, chance) {
  if (rows.length === 0) {
    charts.replaceChildren(make("p", { class: "faint" }, "No figures yet."));
    return;
  }
  const names = namesIn(rows);
  const series = (chosen) => chosen.map((name) => ({ name, points: points(rows, name) })).filter((each) => each.points.length);
  const [losses, rates] = [series(names.filter(isLoss)), series(names.filter(isRate))];
  const panels = [];
  if (losses.length) panels.push(panel("Loss", losses));
  if (rates.length) panels.push(panel(rates.some((each) => each.name.includes("accuracy")) ? "Accuracy" : "Rate", rates, { chance }));
  charts.replaceChildren(...panels);
  const cells = rows.slice(-500).map((row) => [row.step, ...names.map((name) => (name in row ? figure(row[name]) : ""))]);
  place.replaceChildren(table("Figures by step", ["step", ...names], cells));
}
