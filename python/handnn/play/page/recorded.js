// A recorded run: the frames of a training, to scrub through without a server.

import { $, onTheme, short, write } from "./drawing.js";
import { drawNetwork, redrawLines } from "./network.js";
import { drawResults } from "./results.js";
import { loadWords, offerLanguages, t } from "./words.js";

const { rows, frames } = globalThis.RECORDING;
const FRAME_EVERY = 80; // milliseconds
let playing = null;

function draw() {
  const frame = frames[Number($("scrub").value)];
  write("epoch-count", frame.epoch.toLocaleString("en"));
  write("step-count", frame.step.toLocaleString("en"));
  write("rate", short(frame.rate));
  write("parameters", t("{} parameters", frame.parameters.toLocaleString("en")));
  $("scrub").setAttribute("aria-valuetext", t("after step {}", frame.step));
  write("play", t(playing ? "Pause" : "Play"));
  document.body.dataset.step = frame.step;
  drawNetwork(frame, rows);
  drawResults(frame, rows, $("log").checked);
}

function pause() {
  clearInterval(playing);
  playing = null;
  draw();
}

function play() {
  if (playing) return pause();
  const slider = $("scrub");
  if (Number(slider.value) === frames.length - 1) slider.value = 0;
  playing = setInterval(() => {
    slider.value = Number(slider.value) + 1;
    draw();
    if (Number(slider.value) === frames.length - 1) pause();
  }, FRAME_EVERY);
  return undefined;
}

$("scrub").max = frames.length - 1;
$("scrub").value = frames.length - 1;
$("scrub").addEventListener("input", pause);
$("play").addEventListener("click", play);
$("log").addEventListener("change", draw);
addEventListener("resize", () => { redrawLines(); draw(); });
onTheme(draw);
offerLanguages($("language"), draw);
loadWords().then(draw);
