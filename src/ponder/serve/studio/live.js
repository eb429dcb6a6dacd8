// Requests as they run. The server sends what has happened so far of those that run, and then every event.

import { events } from "./api.js";
import { el, number } from "./dom.js";
import { Run } from "./run.js";
import { PAUSE, show } from "./view.js";

const MOST = 100;
const runs = new Map();
const list = document.getElementById("running"), detail = document.getElementById("live-detail");
const state = { run: null, following: true, waiting: false };
let hearing = null;

export async function listen(say) {
  hearing?.abort();
  hearing = new AbortController();
  const { signal } = hearing;
  while (!signal.aborted) {
    try {
      for await (const { request, choice, event } of events("studio/live", { signal })) hear(request, choice, event);
    } catch (error) {
      if (signal.aborted) return;
      say(`${error.message}; trying again`, true);
    }
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

function hear(request, choice, event) {
  if (!runs.has(request)) {
    runs.set(request, new Run(request));
    if (runs.size > MOST) runs.delete(runs.keys().next().value);
    if (state.following) choose(request);
  }
  const run = runs.get(request);
  run.hear(event, choice);
  if (state.run === request) show(detail, run, state);
  redraw();
}

function redraw() {
  if (state.waiting) return;
  state.waiting = true;
  setTimeout(() => {
    state.waiting = false;
    list.replaceChildren(...[...runs.values()].reverse().map(item));
    if (!runs.size) list.append(el("li", { class: "empty" }, "No request yet. Ask one under Compare, or through the API."));
  }, PAUSE);
}

function item(run) {
  const { asked, answered } = run;
  const mark = answered ? "✓" : "…";
  return el("li", {}, el("button", { "data-run": run.id, "aria-current": String(state.run === run.id), onclick: () => { state.following = false; choose(run.id); } },
    el("b", {}, `${mark} ${asked.question ?? run.id}`),
    el("small", {}, `${run.plan?.strategy ?? asked.strategy ?? ""} · ${number(run.tokens)} tokens${run.answer === null ? "" : ` · ${String(run.answer).slice(0, 40)}`}`)));
}

function choose(request) {
  state.run = request;
  state.picked = null;
  show(detail, runs.get(request), state);
  redraw();
}

redraw();
