// Predictions over the inputs: a plane or a line that changes, and points that do not.

import { language } from "./api.js";
import { $, CLASS_COLORS, ink, paint, palette, unpack, write } from "./drawing.js";
import { named, t } from "./words.js";

const SIDE = 640;
let drawn = {}; // the rows and the colors of the points on the page

export function drawSurface(prediction, rows) {
  $("surface-box").hidden = $("legend").hidden = !rows.plane;
  if (!rows.plane) return;
  const canvas = $("predictions");
  const isLine = Boolean(prediction.line);
  canvas.className = isLine ? "line" : prediction.classes ? "classes" : "";
  drawPoints(rows, isLine);
  if (isLine) drawLine(canvas, prediction.line, rows);
  else {
    const levels = unpack(prediction.surface ?? prediction.classes);
    const side = Math.round(Math.sqrt(levels.length));
    paint(canvas, levels, side, side, prediction.classes ? CLASS_COLORS : null);
  }
  write("legend", legend(rows, isLine));
}

function legend(rows, isLine) {
  if (isLine) {
    return t("Across: {}, up: {}. The line is the prediction; held-out points stand out.",
      named(rows, rows.inputs[0]), named(rows, rows.target));
  }
  const names = rows.classes.length
    ? rows.classes.map((label, i) => `${i ? "■" : "●"} ${t("class {}", label)}`).join("  ")
    : t("color: {}", named(rows, rows.target));
  return t("Across: {}, up: {}. {}. Held-out points have a dark rim.", named(rows, rows.inputs[0]),
    named(rows, rows.inputs[1]), names);
}

function drawPoints(rows, isLine) {
  if (drawn.rows === rows && drawn.colors === palette() && drawn.language === language()) return;
  drawn = { rows, colors: palette(), language: language() };
  write("axis-across", `${named(rows, rows.inputs[0])} →`);
  write("axis-up", `↑ ${isLine ? named(rows, rows.target) : named(rows, rows.inputs[1])}`);
  const canvas = $("surface");
  canvas.setAttribute("aria-label", t("Predictions of {} over {}", named(rows, rows.target),
    rows.inputs.map((name) => named(rows, name)).join(t(", "))));
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext("2d");
  const { across, up } = isLine ? scales(rows) : {};
  for (const name of ["train", "held_out"]) {
    context.fillStyle = name === "train" ? ink(0.35) : ink(0.9);
    for (const [x, y, value] of rows[name]) {
      if (!isLine) {
        drawPoint(context, rows, x, y, value, name);
        continue;
      }
      context.beginPath();
      context.arc(across(x), up(y), 5, 0, 7);
      context.fill();
    }
  }
}

function drawPoint(context, rows, x, y, value, name) {
  const [[left, right], [bottom, top]] = rows.domain;
  const at = [((x - left) / (right - left)) * SIDE, ((top - y) / (top - bottom)) * SIDE];
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

function scales(rows) {
  const values = rows.train.concat(rows.held_out).map((row) => row[1]);
  const low = Math.min(...values), high = Math.max(...values);
  const margin = 0.1 * (high - low || 1);
  const [left, right] = rows.domain[0];
  return {
    across: (x) => ((x - left) / (right - left)) * SIDE,
    up: (y) => ((high + margin - y) / (high - low + 2 * margin)) * SIDE,
  };
}

function drawLine(canvas, line, rows) {
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext("2d");
  const { across, up } = scales(rows);
  const [left, right] = rows.domain[0];
  context.strokeStyle = `rgb(${palette()[255].join()})`;
  context.lineWidth = 6;
  context.beginPath();
  line.forEach((y, i) => context.lineTo(across(left + (i / (line.length - 1)) * (right - left)), up(y ?? 0)));
  context.stroke();
}
