// The words of the page in another language: words-zh.json maps the English ones.

import { language } from "./api.js";

let words = {};
const originals = new WeakMap();
const NAMED = ["aria-label", "title"];

// The text in the reader's language, English if it has no translation; each {} is a value.
export function t(text, ...values) {
  let at = 0;
  return (words[text] ?? text).replaceAll("{}", () => values[at++]);
}

export async function loadWords() {
  document.documentElement.lang = language();
  words = language() === "en" ? {} : await fetch(`/page/words-${language()}.json`)
    .then((response) => (response.ok ? response.json() : {}), () => ({}));
  translate(document.body);
}

// Translate all texts and names within an element, from the English that it was written in.
function translate(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
  for (let node = walker.currentNode; node; node = walker.nextNode()) {
    if (node.nodeType === Node.TEXT_NODE) {
      const text = originals.get(node)?.[node.data] ?? node.data;
      const short = text.replace(/\s+/g, " ").trim();
      if (!short) continue;
      const made = text.replace(text.trim(), t(short));
      originals.set(node, { [made]: text });
      if (made !== node.data) node.data = made;
      continue;
    }
    for (const name of NAMED) {
      const known = node.getAttribute(name);
      if (known === null) continue;
      const english = node.getAttribute(`data-english-${name}`) ?? known;
      node.setAttribute(`data-english-${name}`, english);
      node.setAttribute(name, t(english));
    }
  }
}
