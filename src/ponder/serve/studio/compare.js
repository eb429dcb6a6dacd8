// One prompt, two strategies, side by side: through the same API that any client uses.

import { events, get } from "./api.js";
import { dollars, el, number } from "./dom.js";
import { Run } from "./run.js";
import { show } from "./view.js";

const form = document.getElementById("ask"), prompt = document.getElementById("prompt"), model = document.getElementById("model");

export function offer(about) {
  model.replaceChildren(...about.models.map((name) => el("option", {}, name)));
  document.getElementById("strategies").replaceChildren(...about.strategies.map((one) => el("option", { value: one.name }, one.about)));
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const [strategies, budgets] = ["strategy", "budget"].map((name) => [...form.querySelectorAll(`[name=${name}]`)].map((input) => input.value.trim()));
  ["left", "right"].forEach((side, place) => ask(document.getElementById(side), strategies[place], budgets[place]));
});

prompt.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});

async function ask(target, strategy, budget) {
  const answer = el("div", { class: "answer", "aria-live": "polite" }), thinking = el("div", { class: "thinking" }), facts = el("p", { class: "facts" }, "asking…");
  const search = el("div");
  target.replaceChildren(el("h2", {}, strategy || "the server's choice"), answer, facts, thinking, search);
  const ponder = { ...(strategy && { strategy }), ...(budget && { budget: { tokens: Number(budget) } }) };
  const body = JSON.stringify({ model: model.value, messages: [{ role: "user", content: prompt.value }], stream: true, stream_options: { include_usage: true }, ponder });
  try {
    let last = {};
    for await (const chunk of events("v1/chat/completions", { method: "POST", headers: { "Content-Type": "application/json" }, body })) {
      if (chunk.error) throw new Error(chunk.error.message);
      const delta = chunk.choices?.[0]?.delta ?? {};
      answer.append(delta.content ?? "");
      thinking.append(delta.reasoning_content ?? "");
      last = { ...last, ...(chunk.usage && { usage: chunk.usage }), ...(chunk.ponder && { ponder: chunk.ponder }) };
    }
    facts.replaceChildren(...billed(last));
    await tree(search, last.ponder?.trace);
  } catch (error) {
    facts.replaceChildren(el("span", { class: "bad" }, error.message));
  }
}

function billed({ usage, ponder }) {
  const pairs = { strategy: ponder?.strategy, stopped: ponder?.stopped, "completion tokens": usage && number(usage.completion_tokens), "of them hidden": usage && number(usage.completion_tokens_details.reasoning_tokens),
    "prompt tokens": usage && number(usage.prompt_tokens), cost: ponder && dollars(ponder.usd), seconds: ponder?.seconds?.toFixed(2) };
  return Object.entries(pairs).filter(([, value]) => value !== undefined).map(([name, value]) => el("span", {}, `${name} `, el("b", {}, String(value))));
}

async function tree(target, trace) {
  if (!trace) return;
  const run = new Run(trace);
  (await get(`v1/ponder/traces/${trace}`)).forEach(({ events }, choice) => events.forEach((event) => run.hear(event, choice)));
  show(target, run);
}
