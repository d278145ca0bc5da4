// The words of the page in another language: words-zh.json maps the English ones.

import { language, setFragment } from "./api.js";

let words = {};
let templates = []; // a pattern for each text with values, those with the most fixed letters first
const originals = new WeakMap();
const NAMED = ["aria-label", "title"];

// Return text in the reader's language, or English without a translation; values replace {}.
export function t(text, ...values) {
  let at = 0;
  return (words[text] ?? text).replaceAll("{}", () => `\0${values[at++]}\0`)
    .replace(SPACE, "").replaceAll("\0", "");
}

// Translate a text that already contains its values, such as a message of the server.
export function told(text) {
  if (words[text] !== undefined) return words[text];
  for (const { pattern, key } of templates) {
    const found = pattern.exec(text);
    if (found) return t(key, ...found.slice(1).map(told));
  }
  return text;
}

// The name of a column: in the reader's language for our own data, as it is for the user's.
export const named = (rows, name) => (rows.built_in ? told(name) : name);

export async function loadWords() {
  document.documentElement.lang = language();
  words = language() === "en" ? {} : globalThis.WORDS?.[language()]
    ?? await fetch(`/page/words-${language()}.json`)
      .then((response) => (response.ok ? response.json() : {}), () => ({}));
  const letters = (key) => key.replaceAll("{}", "").length;
  templates = Object.keys(words).filter((key) => key.includes("{}"))
    .sort((a, b) => letters(b) - letters(a))
    .map((key) => ({ key, pattern: new RegExp(`^${key.split("{}").map(escaped)
      .join("(.+?)")}$`, "s") }));
  document.title = translated(document, "title", document.title);
  translate(document.body);
}

// A space before or after a value (in \0) that is Chinese, too.
const SPACE = /(?<=[\u4e00-\u9fff]\0?) (?=\0[\u4e00-\u9fff])|(?<=[\u4e00-\u9fff]\0) (?=[\u4e00-\u9fff])/g;

// The spaces around a text beside Chinese punctuation, which contains its space, or another text.
const EDGE = /^\s+(?=[，。：；（])|(?<=[，。：；])\s+$/g;
const EDGE_IN_TEXT = /^\s+(?=[，。：；（\u4e00-\u9fff])|(?<=[，。：；])\s+$/g;

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

// Offer the languages; `redraw` is called after a change.
export function offerLanguages(select, redraw) {
  select.value = language();
  select.addEventListener("change", async () => {
    setFragment("lang", select.value);
    await loadWords();
    redraw();
  });
}

// Translate all text and labels within an element from English.
export function translate(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT,
    (node) => (["CODE", "PRE"].includes(node.tagName) ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT));
  for (let node = walker.currentNode; node; node = walker.nextNode()) {
    if (node.nodeType === Node.TEXT_NODE) {
      const made = translated(node, "text", node.data);
      if (made !== node.data) node.data = made;
      continue;
    }
    for (const name of NAMED) {
      const shown = node.getAttribute(name);
      if (shown !== null) node.setAttribute(name, translated(node, name, shown));
    }
  }
}

// Translate a part of a node from its original English text, if it still shows a translation of it.
function translated(node, part, shown) {
  const known = originals.get(node) ?? {};
  const english = known[part]?.made === shown ? known[part].english : shown;
  const short = english.replace(/\s+/g, " ").trim();
  if (!short) return shown;
  const edge = /[\u4e00-\u9fff]$/.test(node.previousSibling?.textContent) ? EDGE_IN_TEXT : EDGE;
  const made = english.replace(english.trim(), () => told(short)).replace(edge, "");
  originals.set(node, { ...known, [part]: { made, english } });
  return made;
}
