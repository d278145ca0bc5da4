// The lessons beside the laboratory: a text, a state to start from, and something to do.

import { fragmentOf, language, setFragment } from "./api.js";
import { $, element } from "./drawing.js";
import { options } from "./forms.js";
import { t } from "./words.js";

let lessons = [];
let current = null;
let setState = () => {};

// Draw the lesson in another language.
export function redrawLesson() {
  if (current) show(current);
}

// Prepare the lessons; `set` loads a state.
export async function startLessons(set) {
  setState = set;
  const isLinked = Boolean(fragmentOf("state")); // the first frame will write it there
  lessons = await (await fetch("/page/lessons.json")).json();
  $("lessons").hidden = false;
  $("lessons").addEventListener("click", () => (current ? close() : open()));
  $("lesson-close").addEventListener("click", close);
  $("lesson-set").addEventListener("click", () => setState(current.state));
  $("lesson-choice").addEventListener("change", () => choose(Number($("lesson-choice").value)));
  $("lesson-previous").addEventListener("click", () => choose(lessons.indexOf(current) - 1));
  $("lesson-next").addEventListener("click", () => choose(lessons.indexOf(current) + 1));
  const linked = lessons.find((lesson) => lesson.name === fragmentOf("lesson"));
  if (linked) show(linked);
  if (linked && !isLinked) await setState(linked.state);
}

function open() {
  show(lessons[0]);
  $("lesson-choice").focus();
}

function choose(place) {
  show(lessons[place]);
  $("lesson").scrollTop = 0;
  setState(current.state);
}

function close() {
  current = null;
  setFragment("lesson", null);
  $("lesson").hidden = true;
  $("lessons").setAttribute("aria-expanded", "false");
  document.body.classList.remove("teaching");
  $("lessons").focus();
  dispatchEvent(new Event("resize")); // redraws the lines of the network
}

function show(lesson) {
  current = lesson;
  setFragment("lesson", lesson.name);
  const { title, text, tasks } = lesson[language()] ?? lesson.en;
  const place = lessons.indexOf(lesson);
  $("lesson").hidden = false;
  $("lessons").setAttribute("aria-expanded", "true");
  document.body.classList.add("teaching");
  options($("lesson-choice"), lessons.map((_, i) => String(i)), String(place));
  lessons.forEach((one, i) => {
    $("lesson-choice").options[i].textContent = `${i + 1}. ${(one[language()] ?? one.en).title}`;
  });
  $("lesson-title").textContent = title;
  $("lesson-text").replaceChildren(...text.map((paragraph) => element("p", {}, ...marked(paragraph))));
  $("lesson-tasks").replaceChildren(...tasks.map(task));
  $("lesson-previous").disabled = place === 0;
  $("lesson-next").disabled = place === lessons.length - 1;
  dispatchEvent(new Event("resize"));
}

function task({ do: action, see, state }) {
  const parts = [element("p", {}, ...marked(action))];
  if (state) {
    parts.push(element("button", { type: "button", onclick: () => setState(state) },
      t("Set the laboratory for this")));
  }
  if (see) {
    parts.push(element("details", {}, element("summary", {}, t("What happens?")),
      element("p", {}, ...marked(see))));
  }
  return element("li", {}, ...parts);
}

// Convert text with `code` and **names of buttons** to elements.
function marked(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).filter(Boolean).map((part) => {
    if (part.startsWith("`")) return element("code", {}, part.slice(1, -1));
    if (part.startsWith("**")) return element("b", {}, part.slice(2, -2));
    return part;
  });
}
