// The line of messages below the header.

import { $ } from "./drawing.js";
import { t, told } from "./words.js";

export const ENDED = "The laboratory has ended: start handnn play again.";

let said = "";

export const lastSaid = () => said;

// Show a message, in English if it has no translation.
export function say(text) {
  said = text;
  const shown = told(text);
  const isEnglish = text && shown === text && document.documentElement.lang !== "en";
  $("message").lang = isEnglish ? "en" : document.documentElement.lang;
  $("message").textContent = isEnglish ? t("In English: {}", text) : shown;
}

// Return what a call returns; show its error, and return null.
export async function attempt(call) {
  try {
    say("");
    return await call();
  } catch (error) {
    say(error instanceof TypeError ? ENDED : error.message);
    return null;
  }
}

// Return the number in a field, or null with a message: browsers return "" for text and for 1e999.
export function numberOf(field) {
  if (field.value !== "" && Number.isFinite(Number(field.value))) return Number(field.value);
  say("Enter a number, such as 0.01.");
  field.value = field.defaultValue;
  return null;
}
