// The list of bricks: add, remove, resize and reorder them.

import { $, element } from "./drawing.js";
import { settings } from "./forms.js";
import { t } from "./words.js";

let dragged = null;

export function drawBricks(entries, catalog, change) {
  const cards = entries.map((entry, at) => card(entries, entry, at, catalog, change));
  cards.push(element("li", {}, element("span", { class: "name" }, "Affine"), t("output")));
  $("bricks").replaceChildren(...cards);
}

function card(entries, entry, at, catalog, change) {
  const replace = (made) => change(entries.map((old, i) => (i === at ? made : old)));
  const moveTo = (place) => {
    const rest = entries.filter((_, i) => i !== at);
    change([...rest.slice(0, place), entry, ...rest.slice(place)], place);
  };
  const button = (text, label, call, disabled) => element("button", {
    type: "button", "aria-label": t(`${label} brick {}: {}`, at, entry.brick), onclick: call, disabled,
  }, text);
  const item = element("li", { draggable: "true",
    ondragstart: (event) => { dragged = at; event.dataTransfer.setData("text/plain", entry.brick); },
    ondragover: (event) => { if (dragged !== null) { event.preventDefault(); item.classList.add("over"); } },
    ondragleave: () => item.classList.remove("over"),
    ondrop: (event) => {
      if (dragged === null) return;
      event.preventDefault();
      const moved = entries[dragged];
      const rest = entries.filter((_, i) => i !== dragged);
      dragged = null;
      change([...rest.slice(0, at), moved, ...rest.slice(at)], at);
    },
    ondragend: () => { dragged = null; },
  },
  element("span", { class: "name" }, entry.brick),
  ...settings(entry, catalog[entry.brick], (name, value) => replace({ ...entry, [name]: value })),
  element("div", { class: "row" },
    button("←", "Move to the left", () => moveTo(at - 1), at === 0),
    button("→", "Move to the right", () => moveTo(at + 1), at === entries.length - 1),
    button("×", "Remove", () => change(entries.filter((_, i) => i !== at)), false)));
  return item;
}
