// What has been answered, from the store.

import { get } from "./api.js";
import { dollars, el, number } from "./dom.js";
import { Run } from "./run.js";
import { show } from "./view.js";

const list = document.getElementById("kept"), detail = document.getElementById("history-detail");

export async function recall() {
  try {
    const { traces, kept } = await get("studio/history");
    list.replaceChildren(...traces.map(item));
    if (!traces.length) list.append(el("li", { class: "empty" }, kept ? "Nothing has been answered yet." : "This server keeps no traces; start it without --no-store to have them here."));
  } catch (error) {
    list.replaceChildren(el("li", { class: "bad" }, error.message));
  }
}

function item(one) {
  const button = el("button", { onclick: () => open(one.id, button) },
    el("b", {}, one.question),
    el("small", {}, `${new Date(1000 * one.at).toLocaleString()} · ${one.strategy} · ${number(one.tokens)} tokens · ${dollars(one.usd)}${one.answer === null ? "" : ` · ${one.answer.slice(0, 40)}`}`));
  return el("li", {}, button);
}

async function open(id, button) {
  for (const other of list.querySelectorAll("button")) other.setAttribute("aria-current", String(other === button));
  const run = new Run(id);
  (await get(`v1/ponder/traces/${id}`)).forEach(({ events }, choice) => events.forEach((event) => run.hear(event, choice)));
  show(detail, run, {});
}
