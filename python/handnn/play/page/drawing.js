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
    packed.set(colors, new Uint32Array(bytes.buffer));
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

// A line from -127 to 127 over the input, with the zero line.
export function paintLine(canvas, levels) {
  if (isPainted(canvas, levels)) return;
  const context = fresh(canvas, 68, 68);
  context.strokeStyle = ink(0.3);
  context.beginPath();
  context.moveTo(0, 34);
  context.lineTo(68, 34);
  context.stroke();
  context.strokeStyle = `rgb(${palette()[255].join()})`;
  context.lineWidth = 3;
  context.beginPath();
  levels.forEach((level, i) => {
    context.lineTo((i / (levels.length - 1)) * 68, 34 - (level / 127) * 31);
  });
  context.stroke();
}

export function paintBars(canvas, levels, [low, high]) {
  if (isPainted(canvas, levels, low, high)) return;
  const context = fresh(canvas, 72, 72);
  const table = palette();
  levels.forEach((level, i) => {
    const middle = low + ((i + 0.5) / levels.length) * (high - low);
    context.fillStyle = `rgb(${table[middle >= 0 ? 255 : 1].join()})`;
    const height = (level / 127) * 68;
    context.fillRect((i * 72) / levels.length, 72 - height, 72 / levels.length - 0.5, height);
  });
}

function fresh(canvas, width, height) {
  canvas.width = width;
  canvas.height = height;
  return canvas.getContext("2d");
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
