// Predictions, loss curve, confusion matrix, and predicted against true.

import { $, CLASS_COLORS, element, ink, paint, palette, short, svg, unpack } from "./drawing.js";
import { t } from "./words.js";

const SIDE = 320;

const CHARTS_EVERY = 100; // milliseconds, while training
let chartedAt = 0;

export function drawResults(frame, rows, isLog) {
  drawSurface(frame.prediction, rows);
  drawScores(frame, rows);
  if (frame.playing && Date.now() - chartedAt < CHARTS_EVERY && !frame.warnings) return;
  chartedAt = Date.now();
  $("curve").replaceChildren(curve(frame.curve, isLog));
  if (frame.prediction.confusion) drawConfusion(frame.prediction.confusion, rows);
  else drawPairs(frame.prediction.pairs, rows);
  if (frame.warnings) {
    const found = frame.warnings.length ? frame.warnings : [t("none")];
    $("warnings").replaceChildren(...found.map((text) => element("li", {}, text)));
  }
}

function drawSurface(prediction, rows) {
  $("surface-box").hidden = !rows.plane;
  $("legend").hidden = !rows.plane;
  if (!rows.plane) return;
  const canvas = $("surface");
  const context = canvas.getContext("2d");
  canvas.width = canvas.height = 2 * SIDE;
  if (prediction.line) drawLine(context, prediction.line, rows);
  else drawPlane(context, prediction, rows);
  canvas.setAttribute("aria-label", t("Predictions of {} over {}", rows.target, rows.inputs.join(", ")));
}

function drawPlane(context, prediction, rows) {
  const levels = unpack(prediction.surface ?? prediction.classes);
  const small = document.createElement("canvas");
  const side = Math.round(Math.sqrt(levels.length));
  paint(small, levels, side, side, prediction.classes ? CLASS_COLORS : null);
  context.imageSmoothingEnabled = !prediction.classes;
  context.globalAlpha = 0.6; // points of the same color stand out
  context.drawImage(small, 0, 0, 2 * SIDE, 2 * SIDE);
  context.globalAlpha = 1;
  context.drawImage(pointsOf(rows), 0, 0);
  const names = rows.classes.length
    ? rows.classes.map((label, i) => `${i ? "■" : "●"} ${t("class {}", label)}`).join("  ")
    : t("color: {}", rows.target);
  $("legend").textContent = t("Across: {}, up: {}. {}. Held-out points have a dark rim.",
    rows.inputs[0], rows.inputs[1], names);
}

let layer = { canvas: null, rows: null, colors: null };

// The points, drawn once for these rows and colors.
function pointsOf(rows) {
  if (layer.rows === rows && layer.colors === palette()) return layer.canvas;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 2 * SIDE;
  const context = canvas.getContext("2d");
  for (const name of ["train", "held_out"]) {
    for (const [x, y, value] of rows[name]) drawPoint(context, rows, x, y, value, name);
  }
  layer = { canvas, rows, colors: palette() };
  return canvas;
}

function drawPoint(context, rows, x, y, value, name) {
  const [[left, right], [bottom, top]] = rows.domain;
  const at = [((x - left) / (right - left)) * 2 * SIDE, ((top - y) / (top - bottom)) * 2 * SIDE];
  const [low, high] = rows.y_range;
  const level = rows.task === "multiclass" ? 0 : Math.round(((value - low) / (high - low || 1)) * 254) - 127;
  const color = rows.task === "multiclass" ? CLASS_COLORS[value % 10] : palette()[level + 128];
  context.fillStyle = `rgb(${color.join()})`;
  context.strokeStyle = name === "train" ? "rgb(255 255 255 / .9)" : "#14171b";
  context.lineWidth = name === "train" ? 1.5 : 2.5;
  context.beginPath();
  if (rows.task === "binary" && value > 0) context.rect(at[0] - 6, at[1] - 6, 12, 12);
  else context.arc(at[0], at[1], 7, 0, 7);
  context.fill();
  context.stroke();
}

function drawLine(context, line, rows) {
  const values = rows.train.concat(rows.held_out).map((row) => row[1]);
  const low = Math.min(...values), high = Math.max(...values);
  const margin = 0.1 * (high - low || 1);
  const [left, right] = rows.domain[0];
  const across = (x) => ((x - left) / (right - left)) * 2 * SIDE;
  const up = (y) => ((high + margin - y) / (high - low + 2 * margin)) * 2 * SIDE;
  context.clearRect(0, 0, 2 * SIDE, 2 * SIDE);
  for (const name of ["train", "held_out"]) {
    context.fillStyle = name === "train" ? ink(0.35) : ink(0.9);
    for (const [x, y] of rows[name]) {
      context.beginPath();
      context.arc(across(x), up(y), 5, 0, 7);
      context.fill();
    }
  }
  context.strokeStyle = `rgb(${palette()[255].join()})`;
  context.lineWidth = 6;
  context.beginPath();
  line.forEach((y, i) => context.lineTo(across(left + (i / (line.length - 1)) * (right - left)), up(y ?? 0)));
  context.stroke();
  $("legend").textContent = t("Across: {}, up: {}. The line is the prediction; held-out points are "
    + "dark.", rows.inputs[0], rows.target);
}

function drawScores(frame, rows) {
  const percent = (value) => (value === null ? "–" : `${(100 * value).toFixed(1)} %`);
  const shown = frame.scores.name === "error" ? percent : (value) => short(value);
  const name = frame.scores.name === "error" ? "error" : frame.scores.name;
  $("train-score-name").textContent = t("Training {}", t(name));
  $("held-score-name").textContent = t("Held-out {}", t(name));
  [$("train-loss").textContent, $("held-loss").textContent] = frame.losses.map((v) => short(v, 4));
  [$("train-score").textContent, $("held-score").textContent] = frame.scores.values.map(shown);
}

const BOX = { left: 44, right: 306, top: 20, bottom: 128 };

function axes(names, [left, right], [low, high], ticks) {
  const chart = svg("svg", { viewBox: "0 0 320 165", class: "chart", role: "img" });
  chart.append(
    svg("path", { class: "axis", d: `M${BOX.left},${BOX.top} V${BOX.bottom} H${BOX.right}` }),
    svg("text", { x: 175, y: 160, "text-anchor": "middle" }, names[0]),
    svg("text", { x: 11, y: 68, "text-anchor": "middle", transform: "rotate(-90 11 68)" }, names[1]),
  );
  const texts = [[BOX.left, "start", left], [BOX.right, "end", right]];
  for (const [x, anchor, value] of texts) {
    chart.append(svg("text", { x, y: 143, "text-anchor": anchor }, short(value)));
  }
  for (const [y, value] of [[BOX.bottom, low], [BOX.top + 8, high]]) {
    chart.append(svg("text", { x: BOX.left - 4, y, "text-anchor": "end" }, short(ticks(value))));
  }
  return chart;
}

function curve(points, isLog) {
  const use = (value) => (isLog ? Math.log10(Math.max(value, 1e-12)) : value);
  const values = points.flatMap(([, a, b]) => [a, b]).filter((v) => v !== null).map(use);
  const low = isLog ? Math.min(...values) : 0;
  const high = Math.max(...values, low + 1e-9);
  const last = Math.max(1, points.at(-1)[0]);
  const chart = axes([t("step"), t("loss")], [0, last], [low, high], (v) => (isLog ? 10 ** v : v));
  const across = (step) => BOX.left + (step / last) * (BOX.right - BOX.left);
  const up = (v) => BOX.bottom - ((use(v) - low) / (high - low || 1)) * (BOX.bottom - BOX.top);
  for (const [place, name] of [[1, "train"], [2, "held"]]) {
    const line = points.filter((p) => p[place] !== null);
    const d = line.map((p) => `${across(p[0]).toFixed(1)},${up(p[place]).toFixed(1)}`).join(" L");
    chart.append(svg("path", { class: name, d: `M${d}` }));
  }
  chart.append(
    svg("path", { class: "train", d: "M130,6 h22" }), svg("text", { x: 156, y: 10 }, t("training")),
    svg("path", { class: "held", d: "M220,6 h22" }), svg("text", { x: 246, y: 10 }, t("held out")),
  );
  chart.setAttribute("aria-label", t("Loss over steps: training {}, held out {} after step {}",
    short(points.at(-1)[1]), short(points.at(-1)[2]), points.at(-1)[0]));
  return chart;
}

function drawConfusion(counts, rows) {
  $("detail-title").textContent = t("Held-out rows: true (down) and predicted (across)");
  const head = element("tr", {}, element("td", {}), ...rows.classes.map((label) =>
    element("th", { scope: "col" }, label)));
  const body = counts.map((row, i) => element("tr", {},
    element("th", { scope: "row" }, rows.classes[i]),
    ...row.map((count, j) =>
      element("td", { class: i === j ? "right" : count ? "wrong" : "" }, String(count)))));
  const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
  const box = element("div", { class: "wide", tabindex: "0", role: "region",
    "aria-label": t("Confusion matrix") }, table);
  $("detail").replaceChildren(box);
}

function drawPairs(pairs, rows) {
  $("detail-title").textContent = t("Held-out rows: predicted and true");
  const known = pairs.filter(([, guess]) => guess !== null);
  const all = known.flat();
  const low = Math.min(...all), high = Math.max(...all);
  const chart = axes([t("true {}", rows.target), t("predicted")], [low, high], [low, high], (v) => v);
  const across = (v) => BOX.left + ((v - low) / (high - low || 1)) * (BOX.right - BOX.left);
  const up = (v) => BOX.bottom - ((v - low) / (high - low || 1)) * (BOX.bottom - BOX.top);
  chart.append(svg("path", { class: "same", d: `M${BOX.left},${BOX.bottom} L${BOX.right},${BOX.top}` }));
  for (const [truth, guess] of known) {
    chart.append(svg("circle", { cx: across(truth), cy: up(guess), r: 2.5 }));
  }
  chart.setAttribute("aria-label", t("Predicted against true {} of {} rows", rows.target,
    known.length));
  $("detail").replaceChildren(chart);
}
