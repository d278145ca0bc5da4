// Requests to the laboratory, and the fragment of the address: the token and the state.

const LANGUAGES = ["en", "zh"];
let fragment = new URLSearchParams(location.hash.slice(1));
const token = fragment.get("token") ?? "";

export const fragmentOf = (name) => fragment.get(name);

// Set an entry of the address, or remove it with null.
export function setFragment(name, value) {
  if (value === null) fragment.delete(name);
  else fragment.set(name, value);
  history.replaceState(null, "", `#${fragment}`);
}

// The language of the lessons: that of the address, or else of the browser.
export function language() {
  const wanted = fragment.get("lang") ?? navigator.language.slice(0, 2);
  return LANGUAGES.includes(wanted) ? wanted : "en";
}

async function send(path, body, headers = {}, more = {}) {
  const response = await fetch(`/api/${path}`, {
    method: "POST",
    headers: { "x-handnn-token": token, ...headers },
    body,
    ...more,
  });
  if (!response.ok) {
    const told = await response.json().catch(() => ({}));
    if (response.status === 403) {
      throw new Error("This page was opened without the address that handnn play printed.");
    }
    throw new Error(told.error ?? `error ${response.status}`);
  }
  return response;
}

export async function ask(name, document = {}) {
  return (await send(name, JSON.stringify(document))).json();
}

// Call `take` with every document of a stream, one a line, until it ends or the signal aborts it.
export async function follow(name, document, take, signal) {
  const { body } = await send(name, JSON.stringify(document), {}, { signal });
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) take(JSON.parse(line));
  }
}

export function pauseAtEnd() {
  send("pause", "{}", {}, { keepalive: true }).catch(() => {});
}

export async function upload(file) {
  return (await send("upload", file, { "x-handnn-name": encodeURIComponent(file.name) })).json();
}

export async function download(form) {
  const response = await send(`download/${form}`, "");
  const name = /filename="([^"]+)"/.exec(response.headers.get("content-disposition"))[1];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

export function linkedState() {
  fragment = new URLSearchParams(location.hash.slice(1));
  const text = fragment.get("state");
  if (!text) return null;
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) =>
    c.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

export function link(state) {
  const bytes = new TextEncoder().encode(JSON.stringify(state));
  const text = btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_")
    .replaceAll("=", "");
  setFragment("state", text);
}
