// The network: a column of units for each brick, weights as lines between them.

import { $, element, paintBars, paintLines, paintUnits, short, svg, unpack } from "./drawing.js";
import { language } from "./api.js";
import { named, t } from "./words.js";

const HINT = "A picture shows what a unit gives for every input, a line is a weight:";
const TABLE_HINT = "A picture is the histogram of what a unit gives for the training rows, "
  + "a line is a weight:";
const STEPS = 64; // the number of line thicknesses

let shape = "";
let columns = [];
let lines = [];
let chosen = null;
const listeners = { choose: () => {}, hover: () => {}, leave: () => {}, resize: () => {} };

export const onNetwork = (calls) => Object.assign(listeners, calls);
export const chosenUnit = () => chosen;

export function drawNetwork(frame, rows) {
  const wanted = JSON.stringify([language(), ...frame.bricks.map((b) => [b.name, b.units])]);
  if (wanted !== shape) {
    shape = wanted;
    build(frame.bricks, rows);
  }
  frame.bricks.forEach((brick, at) => drawUnits(brick, columns[at], rows, !frame.playing));
  drawLines(frame.bricks);
}

export function closeUnit() {
  chosen = null;
  for (const column of columns) {
    for (const unit of column.units) unit.setAttribute("aria-pressed", "false");
  }
}

export const redrawLines = () => { lines = []; };

function build(bricks, rows) {
  chosen = null;
  const box = $("columns");
  box.replaceChildren(svg("svg", { "aria-hidden": "true" }));
  columns = bricks.map((brick, at) => column(brick, at, rows, at === bricks.length - 1));
  box.append(...columns.map((c) => c.box));
  columns[0].units[0].tabIndex = 0;
  lines = [];
  const hint = t(rows.plane ? HINT : TABLE_HINT);
  $("hint").textContent = hint.endsWith("：") ? hint : `${hint} `;
  const space = $("hint").nextSibling;
  if (space.nodeType === Node.TEXT_NODE && !space.data.trim()) space.remove();
}

function column(brick, at, rows, isLast) {
  const shown = Math.min(brick.units, brick.range.length);
  const title = brick.place < 0 ? t("Inputs") : isLast ? t("{} (output)", brick.name) : brick.name;
  const box = element("div", { class: "column" }, element("p", { class: "title" }, title));
  const canvas = element("canvas", { "aria-hidden": "true" });
  const stack = element("div", { class: "units" }, canvas);
  const units = [];
  for (let i = 0; i < shown; i += 1) {
    const unit = element("button", {
      type: "button", class: "unit", "aria-pressed": "false", tabindex: "-1",
      onclick: () => choose(at, i, brick),
      onkeydown: (event) => move(event, at, i),
    });
    unit.dataset.label = brick.place < 0
      ? t("Input {}", named(rows, brick.names[i] ?? String(i)))
      : t("Unit {} of {}", i, brick.name);
    units.push(unit);
    stack.append(unit);
  }
  box.append(stack);
  if (brick.units > shown) {
    box.append(element("span", { class: "more" }, t("and {} more", brick.units - shown)));
  }
  return { box, canvas, units };
}

function choose(at, i, brick) {
  closeUnit();
  columns[at].units[i].setAttribute("aria-pressed", "true");
  chosen = { place: brick.place, unit: i, name: columns[at].units[i].dataset.label };
  listeners.choose(chosen);
}

function move(event, at, i) {
  const [across, down] = {
    ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1],
  }[event.key] ?? [0, 0];
  const column = columns[at + across];
  if (!column || (across === 0 && down === 0)) return;
  event.preventDefault();
  const target = column.units[Math.max(0, Math.min(i + down, column.units.length - 1))];
  columns[at].units[i].tabIndex = -1;
  target.tabIndex = 0;
  target.focus();
}

function drawUnits(brick, { canvas, units }, rows, isStill) {
  const levels = unpack(brick.maps ?? brick.histograms);
  if (!brick.maps) paintBars(canvas, levels, brick.range, units.length);
  else if (rows.inputs.length === 1) paintLines(canvas, levels, units.length);
  else paintUnits(canvas, levels, units.length);
  units.forEach((unit, i) => {
    if (!isStill && unit.hasAttribute("aria-label")) return;
    const [low, high] = brick.range[i];
    unit.setAttribute("aria-label", t("{}: {} to {}", unit.dataset.label, short(low), short(high)));
  });
}

function drawLines(bricks) {
  if (!lines.length) layLines(bricks);
  for (const line of lines) {
    if (!line.weights) continue;
    const value = bricks[line.at].w[line.from][line.to];
    const size = Math.min(1, Math.abs(value ?? 0) / 2);
    const name = `${value >= 0 ? "up" : "down"} s${Math.round(STEPS * size)}`;
    if (line.name === name) continue;
    line.name = name;
    line.path.setAttribute("class", value >= 0 ? "up" : "down");
    line.path.setAttribute("stroke-width", (0.4 + 5 * size).toFixed(2));
    line.path.setAttribute("stroke-opacity", (0.25 + 0.75 * Math.sqrt(size)).toFixed(2));
  }
}

function layLines(bricks) {
  const canvas = $("columns").firstChild;
  const origin = $("columns").getBoundingClientRect();
  canvas.replaceChildren();
  bricks.forEach((brick, at) => {
    if (at === 0) return;
    const before = columns[at - 1].units;
    columns[at].units.forEach((unit, to) => {
      const sources = brick.w ? before.map((_, i) => i) : before.length > to ? [to] : [];
      for (const from of sources) {
        const path = svg("path", {
          d: between(before[from].getBoundingClientRect(), unit.getBoundingClientRect(), origin),
          class: "plain",
        });
        canvas.append(path);
        lines.push({ path, at, from, to, weights: Boolean(brick.w) });
        if (brick.w) listen(path, brick.place, from, to);
      }
    });
  });
}

function listen(path, place, from, to) {
  path.addEventListener("pointerenter", (event) => listeners.hover({ place, from, to }, event));
  path.addEventListener("pointerleave", () => listeners.leave());
  path.addEventListener("click", () => {
    const column = columns[place + 1];
    column.units[to].click();
    listeners.hover(null);
    listeners.edit?.(from);
  });
}

function between(a, b, origin) {
  const x = [a.right - origin.left, b.left - origin.left];
  const y = [a, b].map((box) => box.top + box.height / 2 - origin.top);
  const middle = (x[0] + x[1]) / 2;
  return `M${x[0]},${y[0]} C${middle},${y[0]} ${middle},${y[1]} ${x[1]},${y[1]}`;
}
