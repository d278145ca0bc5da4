// Colors, pictures of units, and small helpers for elements.

import { t } from "./words.js";

export const $ = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const dark = matchMedia("(prefers-color-scheme: dark)");
export const onTheme = (call) => dark.addEventListener("change", call);

const LIGHT = { zero: [250, 250, 250], high: [224, 112, 16], low: [38, 110, 196] };
const DARK = { zero: [28, 32, 38], high: [255, 152, 56], low: [84, 158, 240] };
const tables = new Map();

const GAP = -128; // the level of what is transparent

// The color of every level from -127 to 127, at level + 128.
export function palette() {
  const { zero, high, low } = dark.matches ? DARK : LIGHT;
  if (tables.has(dark.matches)) return tables.get(dark.matches);
  const table = [];
  for (let level = -128; level <= 127; level += 1) {
    const end = level >= 0 ? high : low;
    const share = Math.min(1, Math.abs(level) / 127) ** 0.8;
    table.push(zero.map((from, i) => Math.round(from + share * (end[i] - from))));
  }
  tables.set(dark.matches, table);
  return table;
}

export const CLASS_COLORS = [
  [38, 110, 196], [224, 112, 16], [0, 140, 110], [200, 120, 170], [120, 120, 120], [190, 160, 0],
  [86, 180, 233], [150, 80, 20], [90, 60, 160], [60, 60, 60],
];

export function unpack(text) {
  const bytes = atob(text);
  const levels = new Int8Array(bytes.length);
  for (let i = 0; i < bytes.length; i += 1) levels[i] = bytes.charCodeAt(i);
  return levels;
}

// Set the text of an element if it differs.
export function write(id, text) {
  const target = $(id);
  if (target.textContent !== text) target.textContent = text;
}

// Show an element in a box: change the one that is there if it has the same structure.
export function show(box, made) {
  if (box.childNodes.length !== 1 || !adopt(box.firstChild, made)) box.replaceChildren(made);
}

function adopt(shown, made) {
  if (shown.nodeName !== made.nodeName || shown.childNodes.length !== made.childNodes.length) {
    return false;
  }
  if (shown.nodeType === Node.TEXT_NODE) {
    if (shown.data !== made.data) shown.data = made.data;
    return true;
  }
  for (const { name } of [...shown.attributes]) {
    if (!made.hasAttribute(name)) shown.removeAttribute(name);
  }
  for (const { name, value } of made.attributes) {
    if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
  }
  const wanted = [...made.childNodes];
  [...shown.childNodes].forEach((child, i) => {
    if (!adopt(child, wanted[i])) child.replaceWith(wanted[i]);
  });
  return true;
}

const painted = new WeakMap(); // what each canvas shows

// Whether a canvas already shows these levels; the settings are numbers or tables of colors.
function isPainted(canvas, levels, ...settings) {
  const wanted = [palette(), levels.length, ...settings];
  const last = painted.get(canvas);
  painted.set(canvas, { wanted, levels });
  return last !== undefined && wanted.length === last.wanted.length
    && wanted.every((value, i) => value === last.wanted[i])
    && levels.every((level, i) => level === last.levels[i]);
}

const packed = new Map(); // the colors of a table as 32-bit pixels

function pixelsOf(colors, alpha) {
  if (!packed.has(colors)) {
    const bytes = Uint8Array.from(colors.flatMap((color) => [...color, alpha]));
    const pixels = new Uint32Array(bytes.buffer);
    if (pixels.length === 256) pixels[GAP + 128] = 0;
    packed.set(colors, pixels);
  }
  return packed.get(colors);
}

const pictures = new WeakMap(); // one for each canvas, reused

export function paint(canvas, levels, width, height, colors = null) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
    pictures.delete(canvas);
    painted.delete(canvas);
  }
  if (isPainted(canvas, levels, colors)) return;
  if (!pictures.has(canvas)) {
    const context = canvas.getContext("2d");
    const picture = context.createImageData(width, height);
    pictures.set(canvas, { context, picture, pixels: new Uint32Array(picture.data.buffer) });
  }
  const { context, picture, pixels } = pictures.get(canvas);
  const table = pixelsOf(colors ?? palette(), colors ? 230 : 255);
  const first = colors ? 0 : 128;
  for (let i = 0; i < pixels.length; i += 1) pixels[i] = table[(levels[i] + first) % table.length];
  context.putImageData(picture, 0, 0);
}

// The pictures of a column of units are one canvas below its buttons: the browser composes a canvas
// in every frame, so that one for each unit would take most of the time.
const PICTURE = 36; // the sides of a picture, and of its button with a gap, as in play.css
const PITCH = 46;

// Show n square pictures below each other; the sides divide those of the page.
export function paintUnits(canvas, levels, n) {
  const side = Math.round(Math.sqrt(levels.length / n));
  const pitch = (side * PITCH) / PICTURE;
  const picture = new Int8Array(side * pitch * n).fill(GAP);
  for (let i = 0; i < n; i += 1) {
    picture.set(levels.subarray(i * side * side, (i + 1) * side * side), i * pitch * side);
  }
  paint(canvas, picture, side, pitch * n);
}

// Lines from -127 to 127 over the input, each with the zero line.
export function paintLines(canvas, levels, n) {
  if (isPainted(canvas, levels)) return;
  const context = fresh(canvas, n);
  const size = levels.length / n;
  for (let unit = 0; unit < n; unit += 1) {
    const middle = unit * PITCH + PICTURE / 2;
    context.strokeStyle = ink(0.3);
    context.lineWidth = 0.5;
    context.beginPath();
    context.moveTo(0, middle);
    context.lineTo(PICTURE, middle);
    context.stroke();
    context.strokeStyle = `rgb(${palette()[255].join()})`;
    context.lineWidth = 1.5;
    context.beginPath();
    for (let i = 0; i < size; i += 1) {
      const level = levels[unit * size + i];
      context.lineTo((i / (size - 1)) * PICTURE, middle - (level / 127) * (PICTURE / 2 - 1.5));
    }
    context.stroke();
  }
}

// Histograms; the ranges of the units give the sign of each bar.
export function paintBars(canvas, levels, ranges, n) {
  if (isPainted(canvas, levels, ...ranges.flat())) return;
  const context = fresh(canvas, n);
  const table = palette();
  const size = levels.length / n;
  levels.forEach((level, at) => {
    const [unit, i] = [Math.floor(at / size), at % size];
    const [low, high] = ranges[unit];
    const middle = low + ((i + 0.5) / size) * (high - low);
    context.fillStyle = `rgb(${table[middle >= 0 ? 255 : 1].join()})`;
    const height = (level / 127) * (PICTURE - 2);
    const width = PICTURE / size;
    context.fillRect(i * width, unit * PITCH + PICTURE - height, width - 0.25, height);
  });
}

function fresh(canvas, n) {
  canvas.width = 2 * PICTURE;
  canvas.height = 2 * PITCH * n;
  const context = canvas.getContext("2d");
  context.scale(2, 2);
  return context;
}

export function ink(alpha = 1) {
  return dark.matches ? `rgb(233 237 241 / ${alpha})` : `rgb(27 31 36 / ${alpha})`;
}

export function short(value, digits = 3) {
  if (value === null || value === undefined) return t("not finite");
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e5 || size < 1e-3)) return value.toExponential(digits - 2);
  return String(Number(value.toPrecision(digits)));
}
