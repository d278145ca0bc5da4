// Forms of settings, made from the catalog.

import { element } from "./drawing.js";
import { numberOf } from "./messages.js";
import { t } from "./words.js";

export function options(select, names, chosen, shown = (name) => name) {
  select.replaceChildren(...names.map((name) => element("option", { value: name }, shown(name))));
  select.value = chosen;
}

// Fields for the settings of an entry, such as {"name": "Adam", "lr": 0.01}.
export function settings(entry, described, change) {
  return described.map((setting) => {
    const set = (value) => change(setting.name, value);
    const value = entry[setting.name] ?? setting.default;
    const name = setting.name.replaceAll("_", " ");
    if (setting.kind === "bool") {
      const box = element("input", { type: "checkbox", checked: value,
        onchange: () => set(box.checked) });
      return element("label", { class: "check" }, box, name);
    }
    if (setting.kind === "choice") {
      const select = element("select", { onchange: () => set(select.value) });
      options(select, setting.choices, value);
      return element("label", {}, name, select);
    }
    const field = element("input", { type: "number", value: String(value), step: "any",
      onchange: () => {
        const number = numberOf(field);
        if (number !== null) set(number);
      } });
    field.dataset.setting = setting.name;
    return element("label", {}, name, field);
  });
}

// A selection of a name, and the settings of the selected entry.
export function choice(box, label, entry, catalog, names, change) {
  const select = element("select", {
    "aria-label": t(label),
    onchange: () => change({ name: select.value }),
  });
  options(select, names, entry.name);
  box.replaceChildren(select, ...settings(entry, catalog[entry.name], (name, value) =>
    change({ ...entry, [name]: value }, name, value)));
}
