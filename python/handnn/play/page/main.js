// The laboratory's page: requests frames, draws them, and sends the user's actions.

import { ask, download, follow, link, linkedState, pauseAtEnd, upload } from "./api.js";
import { drawBricks } from "./bricks.js";
import { $, element, onTheme, short, write } from "./drawing.js";
import { choice, options } from "./forms.js";
import { redrawLesson, startLessons } from "./lessons.js";
import { chosenUnit, closeUnit, drawNetwork, onNetwork, redrawLines } from "./network.js";
import { drawResults } from "./results.js";
import { ENDED, attempt, lastSaid, numberOf, say } from "./messages.js";
import { loadWords, offerLanguages, t, told, translate } from "./words.js";

const LIVE = ["lr", "weight_decay"];
const URL_EVERY = 1000;
const SECONDS_HIDDEN = 1;
const MAX_TARGETS = 8; // the columns of a table that are tried as its target, from the last

let catalog = null;
let rows = null;
let session = -1;
let state = null; // the state as the forms show it; loading starts from it
let frame = null;
let linkedAt = 0;

const load = (changes) => loadState(() => ({ ...state, ...changes, step: 0, events: [] }));

// Start another state. Loads run one after another, so that the last one wins.
let loading = Promise.resolve();
let nLoading = 0;

function loadState(wantedState) {
  nLoading += 1;
  document.body.setAttribute("aria-busy", "true");
  loading = loading.then(async () => {
    const loaded = await attempt(() => ask("load", { state: wantedState(), adapt: true }));
    nLoading -= 1;
    if (loaded) {
      take(loaded); // the first frame of the new state ends the wait
      if (frame?.session === session) draw(); // it came before the answer
    } else {
      forms();
      document.body.setAttribute("aria-busy", String(nLoading > 0));
    }
    return loaded;
  });
  return loading;
}

function take(loaded) {
  rows = loaded.rows;
  session = loaded.session;
  state = loaded.state;
  catalog.suited_losses = loaded.suited_losses;
  closeUnit();
  $("unit").hidden = $("tip").hidden = true;
  forms();
}

function forms() {
  const data = state.data;
  const names = catalog.file ? [...catalog.data, "file"] : catalog.data;
  options($("data"), names, data.name, t);
  if (catalog.file) $("data").lastChild.textContent = catalog.file;
  const isFile = data.name === "file";
  $("target-label").hidden = !isFile;
  options($("target"), catalog.columns, data.target);
  $("noise").value = data.noise;
  $("noise").disabled = !rows.plane || isFile || data.name === "notebook";
  $("noise-value").textContent = data.noise.toFixed(2);
  $("held").value = data.held_out;
  $("held-value").textContent = t("{} %", Math.round(100 * data.held_out));
  $("batch").value = state.batch_size;
  $("note").textContent = `${t("{} rows to train on, {} held out.", rows.n_train, rows.n_held_out)} `
    + (rows.note ? `${told(rows.note)}${t(".")}` : "");
  $("start").textContent = beginning(state.weights);
  $("seed").value = state.seed;
  choice($("loss"), "Loss", state.loss, catalog.losses, catalog.suited_losses,
    (loss) => load({ loss }));
  choice($("optimizer"), "Optimizer", state.optimizer, catalog.optimizers,
    Object.keys(catalog.optimizers), changeOptimizer);
  choice($("schedule"), "Schedule", state.schedule, catalog.schedules,
    Object.keys(catalog.schedules), (schedule) => load({ schedule }));
  drawBricks(state.bricks, catalog.bricks, changeBricks);
}

function beginning({ file, networks }) {
  if (!file) return "";
  return networks ? t("It begins with the first of the networks ({}) of {}.", networks, file)
    : t("It begins with the weights of {}.", file);
}

async function changeOptimizer(optimizer, name, value) {
  if (!LIVE.includes(name) || !frame?.step) return load({ optimizer });
  const before = state;
  state = { ...state, optimizer };
  const edited = await attempt(() => ask("edit", { name, index: [], value }));
  if (edited) return edited;
  state = before;
  return forms();
}

async function changeBricks(bricks, focused = null) {
  await load({ bricks });
  if (focused !== null) $("bricks").children[focused]?.querySelector("button")?.focus();
}

// Draw frames as they come: the newest at each repaint of the screen, and one a second when hidden.
async function frames() {
  for (;;) {
    const stream = new AbortController();
    const restart = () => stream.abort();
    document.addEventListener("visibilitychange", restart, { once: true });
    try {
      const seconds = document.hidden ? SECONDS_HIDDEN : 0;
      await follow("frames", { after: -1, seconds }, arrived, stream.signal);
      throw new TypeError("the server ended the stream");
    } catch (error) {
      if (!stream.signal.aborted) {
        say(error instanceof TypeError ? ENDED : error.message);
        await new Promise((done) => setTimeout(done, 1000));
      }
    }
    stream.abort();
    document.removeEventListener("visibilitychange", restart);
  }
}

let coming = null; // what the next repaint shows

function arrived(next) {
  if (next.step === undefined) throw new Error(next.error);
  if (lastSaid() === ENDED) say("");
  const isNew = coming === null;
  coming = next.session === coming?.session ? { ...coming, ...next } : next;
  if (isNew) requestAnimationFrame(repaint);
}

async function repaint() {
  if (coming.session !== session) { // from another tab
    const hello = await attempt(() => ask("hello"));
    if (hello) take(hello);
  }
  const news = coming;
  coming = null;
  frame = news.session === frame?.session ? { ...frame, ...news } : news;
  draw(news);
}

// Draw a frame, or only the parts of it that are new: results come with some frames only.
function draw(news = frame) {
  write("play", t(frame.playing ? "Pause" : "Play"));
  write("epoch-count", frame.epoch.toLocaleString("en"));
  write("step-count", frame.step.toLocaleString("en"));
  write("rate", short(frame.rate));
  $("back").disabled = frame.step === 0;
  write("parameters", t("{} parameters", frame.parameters.toLocaleString("en")));
  if (frame.error) say(frame.error);
  if (frame.sha256) $("hash").textContent = frame.sha256;
  document.body.dataset.step = frame.goal === null ? frame.step : "";
  document.body.setAttribute("aria-busy", String(nLoading > 0 || frame.session !== session));
  if (frame.session !== session) return; // a frame of the previous state
  drawNetwork(frame, rows);
  drawResults(news, rows, $("log").checked);
  const isStill = !frame.playing && frame.goal === null;
  if (isStill || Date.now() - linkedAt > URL_EVERY) {
    if (frame.goal === null && frame.state) link(frame.state);
    linkedAt = Date.now();
  }
  if (isStill && chosenUnit() && $("unit").dataset.version !== String(frame.version)) showUnit();
}

async function showUnit(focused = null) {
  const { place, unit, name } = chosenUnit();
  const version = String(frame.version);
  const facts = await attempt(() => ask("unit", { place, unit }));
  if (!facts || chosenUnit()?.name !== name) return;
  const box = $("unit");
  if (box.contains(document.activeElement) && focused === null && box.dataset.name === name) {
    focused = document.activeElement.dataset.at ?? null;
  }
  box.dataset.version = version;
  box.dataset.name = name;
  box.hidden = false;
  const close = element("button", { type: "button", onclick: () => { closeUnit(); box.hidden = true; } },
    t("Close"));
  const parts = [element("h3", {}, name)];
  if (facts.formula) parts.push(element("p", { class: "note" }, element("code", {}, facts.formula)));
  if (facts.entries.length) parts.push(entries(facts.entries));
  if (facts.more) parts.push(element("p", { class: "note" }, t("and {} more", facts.more)));
  box.replaceChildren(...parts, close);
  if (focused !== null) box.querySelector(`[data-at="${focused}"]`)?.focus();
}

function entries(found) {
  const lines = found.map(({ name, index, label, value, gradient }, at) => {
    const field = element("input", { type: "number", step: "any", "aria-label": label,
      value: String(value), onchange: async () => {
        const number = numberOf(field);
        if (number === null) return;
        const edited = await attempt(() => ask("edit", { name, index, value: number }));
        if (!edited) field.value = field.defaultValue;
      } });
    field.dataset.at = at;
    return element("tr", {}, element("th", { scope: "row" }, label), element("td", {}, field),
      element("td", {}, short(gradient)));
  });
  const head = element("tr", {}, ...["param", "value", "gradient"].map((text) =>
    element("th", { scope: "col" }, t(text))));
  return element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": t("Weights") },
    element("table", {}, element("thead", {}, head), element("tbody", {}, ...lines)));
}

let hovered = null;
async function hover(line, event) {
  hovered = line;
  $("tip").hidden = true;
  if (!line) return;
  const { clientX, clientY } = event;
  const facts = await ask("unit", { place: line.place, unit: line.to }).catch(() => null);
  if (hovered !== line || !facts) return;
  const entry = facts.entries.find((one) => one.index.length === 2 && one.index[0] === line.from);
  if (!entry) return;
  $("tip").textContent = `${entry.label}\n${t("weight")} ${short(entry.value, 4)}\n`
    + `${t("gradient")} ${short(entry.gradient, 4)}`;
  $("tip").hidden = false;
  $("tip").style.left = `${Math.min(clientX + 14, innerWidth - 170)}px`;
  $("tip").style.top = `${Math.min(clientY + 14, innerHeight - 80)}px`;
}

function showDialog(title, content, text) {
  $("dialog-title").textContent = title;
  $("dialog-body").replaceChildren(content);
  $("copy").hidden = !text;
  $("copy").textContent = t("Copy");
  $("copy").onclick = async () => {
    await navigator.clipboard.writeText(text);
    $("copy").textContent = t("Copied");
  };
  $("dialog").showModal();
}

async function showInside() {
  const step = await attempt(() => ask("inside"));
  if (!step) return;
  const box = element("div", {});
  box.innerHTML = step.html; // written and escaped by handnn.trace
  translate(box);
  showDialog(t("One training step"), box, "");
}

async function showScript() {
  const { script } = await attempt(() => ask("script")) ?? {};
  if (script) showDialog(t("The same network in Python"), element("pre", {}, script), script);
}

// Take files that were dropped or chosen; a table comes before a model of it.
async function receive(files) {
  const isNetwork = (file) => file.name.endsWith(".safetensors");
  for (const file of [...files].sort((a, b) => isNetwork(a) - isNetwork(b))) await receiveOne(file);
}

async function receiveOne(file) {
  const taken = await attempt(() => upload(file));
  if (!taken) return;
  if (taken.state) { // a saved network
    await loadState(() => ({ ...taken.state, step: 0, events: [] }));
    return;
  }
  catalog.file = taken.file;
  catalog.columns = taken.columns;
  let problem = "";
  for (const target of taken.columns.toReversed().slice(0, MAX_TARGETS)) {
    const data = { ...state.data, name: "file", noise: 0, file: taken.file, sha256: taken.sha256,
      target };
    const loaded = await load({ data });
    if (loaded) break;
    problem ||= lastSaid();
    if (!/: target '|' has \d+ classes/.test(lastSaid())) break; // another target is no better
  }
  if (problem) say(problem);
}

const play = () => attempt(() => (frame?.playing
  ? ask("pause")
  : ask("play", { speed: Number($("speed").value) })));
const step = () => attempt(() => ask("step", { steps: 1 }));
const epoch = () => attempt(() => ask("step", { epoch: true }));
const back = () => attempt(() => ask("back", { steps: 1 }));
const reset = () => load({});

function listen() {
  for (const [id, call] of Object.entries({ play, step, epoch, back, reset })) {
    $(id).addEventListener("click", call);
  }
  const keys = { p: play, s: step, e: epoch, b: back, r: reset };
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, select, textarea, dialog");
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    keys[event.key]();
  });
  $("speed").addEventListener("change", () => { if (frame.playing) attempt(() => ask("play", { speed: Number($("speed").value) })); });
  $("data").addEventListener("change", () => load({ data: data($("data").value) }));
  $("target").addEventListener("change", () => load({ data: { ...state.data, target: $("target").value } }));
  $("noise").addEventListener("change", () => load({ data: { ...state.data, noise: Number($("noise").value) } }));
  $("held").addEventListener("change", () => load({ data: { ...state.data, held_out: Number($("held").value) } }));
  $("batch").addEventListener("change", () => load({ batch_size: Number($("batch").value) }));
  $("seed").addEventListener("change", () => load({ seed: Number($("seed").value) }));
  $("reseed").addEventListener("click", () => load({ seed: state.seed + 1 }));
  $("add").addEventListener("click", () => changeBricks([...state.bricks, { brick: $("new-brick").value }]));
  $("log").addEventListener("change", () => draw());
  $("inside").addEventListener("click", showInside);
  $("script").addEventListener("click", showScript);
  $("close").addEventListener("click", () => $("dialog").close());
  $("file").addEventListener("change", async () => {
    await receive($("file").files);
    $("file").value = ""; // so that the same file can be chosen again
  });
  const drop = $("drop");
  document.addEventListener("dragover", (event) => {
    if (event.dataTransfer.types.includes("Files")) {
      event.preventDefault();
      drop.classList.add("over");
    }
  });
  document.addEventListener("drop", (event) => {
    drop.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    receive(event.dataTransfer.files);
  });
  $("dialog-body").addEventListener("click", (event) => { // the fragment holds token and state
    const link = event.target.closest("a[href^='#']");
    if (!link) return;
    event.preventDefault();
    const target = document.getElementById(link.getAttribute("href").slice(1));
    target?.scrollIntoView();
  });
  addEventListener("pagehide", pauseAtEnd);
  addEventListener("hashchange", () => openAddress()); // another address in the same tab
  addEventListener("resize", redrawLines);
  onTheme(() => draw());
  onNetwork({ choose: () => showUnit(), hover, leave: () => hover(null), edit: (from) => showUnit(from) });
}

// Draw the page in another language.
function redraw() {
  say(lastSaid());
  redrawLesson();
  closeUnit();
  $("unit").replaceChildren();
  $("unit").hidden = true;
  forms();
  draw();
}

function data(name) {
  const isFile = name === "file";
  return { ...state.data, name, file: isFile ? catalog.file : "", sha256: "",
    target: isFile ? catalog.columns.at(-1) : "" };
}

const isReloaded = () => performance.getEntriesByType("navigation")[0]?.type === "reload";

// Show the state of the address.
async function openAddress() {
  let linked = null;
  try {
    linked = linkedState();
  } catch {
    say("The address does not hold a state that can be read.");
  }
  if (!linked) return;
  const loaded = await attempt(() => ask("load", { state: linked }));
  if (loaded) take(loaded);
}

async function start() {
  [catalog] = await Promise.all([attempt(() => ask("hello")), loadWords()]);
  if (!catalog) return;
  take(catalog);
  // a page that is loaded again shows the current step, which its address may not hold yet
  if (!isReloaded() || catalog.session === 0) await openAddress();
  options($("new-brick"), Object.keys(catalog.bricks), "Affine");
  $("downloads").append(...catalog.formats.map((form) => element("button", { type: "button",
    onclick: () => attempt(() => download(form)) },
  t({ safetensors: "Download the weights", c: "Download a C header", onnx: "Download ONNX" }[form]))));
  listen();
  offerLanguages($("language"), redraw);
  frames();
  if (catalog.lessons.length) await startLessons((wanted) => loadState(() => wanted));
}

start();
