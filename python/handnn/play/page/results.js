// Predictions, loss curve, confusion matrix, and predicted against true.

import { $, element, short, show, svg, write } from "./drawing.js";
import { drawSurface } from "./surface.js";
import { named, t, told } from "./words.js";

// Draw the results that a frame contains.
export function drawResults(frame, rows, isLog) {
  drawSurface(frame.prediction, rows);
  if (frame.curve) {
    drawScores(frame, rows);
    show($("curve"), curve(frame.curve, isLog));
    if (frame.confusion) drawConfusion(frame.confusion, rows);
    else drawPairs(frame.pairs, rows);
  }
  if (frame.warnings) {
    const found = frame.warnings.length ? frame.warnings.map(told) : [t("none")];
    $("warnings").replaceChildren(...found.map((text) => element("li", {}, text)));
  }
}

function drawScores(frame, rows) {
  const percent = (value) => (value === null ? "–" : t("{} %", (100 * value).toFixed(1)));
  const shown = frame.scores.name === "error" ? percent : (value) => short(value);
  const name = frame.scores.name === "error" ? "error" : frame.scores.name;
  write("train-score-name", t("Training {}", t(name)));
  write("held-score-name", t("Held-out {}", t(name)));
  ["train-loss", "held-loss"].forEach((id, i) => write(id, short(frame.losses[i], 4)));
  ["train-score", "held-score"].forEach((id, i) => write(id, shown(frame.scores.values[i])));
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
  const low = isLog ? Math.min(...values) : Math.min(0, ...values);
  const high = Math.max(...values, low + 1e-9);
  const last = Math.max(1, points.at(-1)[0]);
  const chart = axes([t("step"), t("loss")], [0, last], [low, high], (v) => (isLog ? 10 ** v : v));
  const across = (step) => BOX.left + (step / last) * (BOX.right - BOX.left);
  const up = (v) => BOX.bottom - ((use(v) - low) / (high - low || 1)) * (BOX.bottom - BOX.top);
  for (const [place, name] of [[1, "train"], [2, "held"]]) {
    const line = points.filter((p) => p[place] !== null);
    if (!line.length) continue;
    const d = line.map((p) => `${across(p[0]).toFixed(1)},${up(p[place]).toFixed(1)}`).join(" L");
    chart.append(svg("path", { class: name, d: `M${d} h0` }));
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
  write("detail-title", t("Held-out rows: true (down) and predicted (across)"));
  const head = element("tr", {}, element("td", {}), ...rows.classes.map((label) =>
    element("th", { scope: "col" }, label)));
  const body = counts.map((row, i) => element("tr", {},
    element("th", { scope: "row" }, rows.classes[i]),
    ...row.map((count, j) =>
      element("td", { class: i === j ? "right" : count ? "wrong" : "" }, String(count)))));
  const size = rows.classes.length > 6 ? "dense" : "";
  const table = element("table", { class: size }, element("thead", {}, head), element("tbody", {}, ...body));
  const box = element("div", { class: "wide", tabindex: "0", role: "region",
    "aria-label": t("Confusion matrix") }, table);
  show($("detail"), box);
}

function drawPairs(pairs, rows) {
  write("detail-title", t("Held-out rows: predicted and true"));
  const known = pairs.filter(([, guess]) => guess !== null);
  if (!known.length) return show($("detail"), element("p", { class: "note" }, t("not finite")));
  const target = named(rows, rows.target);
  const all = known.flat();
  const low = Math.min(...all), high = Math.max(...all);
  const chart = axes([t("true {}", target), t("predicted")], [low, high], [low, high], (v) => v);
  const across = (v) => BOX.left + ((v - low) / (high - low || 1)) * (BOX.right - BOX.left);
  const up = (v) => BOX.bottom - ((v - low) / (high - low || 1)) * (BOX.bottom - BOX.top);
  chart.append(svg("path", { class: "same", d: `M${BOX.left},${BOX.bottom} L${BOX.right},${BOX.top}` }));
  for (const [truth, guess] of known) {
    chart.append(svg("circle", { cx: across(truth), cy: up(guess), r: 2.5 }));
  }
  chart.setAttribute("aria-label", t("Predicted against true {} of {} rows", target,
    known.length));
  return show($("detail"), chart);
}
