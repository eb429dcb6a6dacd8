// What a run looks like: question, plan, answer, spend, tree. Drawn anew at most 25 times a second.

import { dollars, el, number } from "./dom.js";
import { draw, note } from "./tree.js";

export const PAUSE = 40; // milliseconds
const ROLES = ["policy", "verifier", "judge", "replayed"];

export function show(target, run, state = {}) {
  target.shown = [run, state];
  target.pending ??= setTimeout(() => {
    target.pending = null;
    render(target, ...target.shown);
  }, PAUSE);
}

function render(target, run, state) {
  const tree = target.querySelector(".tree"), at = tree ? [tree.scrollLeft, tree.scrollTop] : [0, 0];
  const focused = target.contains(document.activeElement) ? document.activeElement.dataset.node : null;
  target.dataset.run = run.id;
  target.replaceChildren(...parts(target, run, state));
  const again = target.querySelector(".tree");
  if (again) [again.scrollLeft, again.scrollTop] = at;
  if (focused) target.querySelector(`[data-node="${focused}"]`)?.focus({ preventScroll: true });
}

function parts(target, run, state) {
  const { asked, plan, answered, refused } = run;
  const strategy = plan ? `${asked.strategy} → ${plan.strategy}` : asked.strategy;
  const pick = (id) => { state.picked = state.picked === id ? null : id; show(target, run, state); };
  const chosen = run.nodes.get(state.picked);
  return [
    el("h2", {}, asked.question ?? "…"),
    facts({ strategy, model: asked.model, verifier: asked.verifier, budget: budget(asked.budget), state: answered ? (answered.stopped === "done" ? "done" : `stopped: ${answered.stopped}`) : "running" }),
    run.answer === null ? null : el("div", { class: "answer", "aria-live": "polite" }, `${answered ? "" : "leading: "}${run.answer}`),
    ...spend(run),
    refused ? el("p", { class: "bad" }, `the limit of ${refused.allowed} ${refused.limit} was reached`) : null,
    el("h3", {}, `${number(run.nodes.size)} draws`),
    run.nodes.size ? draw(run, { chosen: state.picked, pick }) : el("p", { class: "empty" }, "nothing drawn yet"),
    chosen ? note(chosen) : null,
  ].filter(Boolean);
}

function facts(pairs) {
  const known = Object.entries(pairs).filter(([, value]) => value);
  return el("div", { class: "facts" }, ...known.map(([name, value]) => el("span", {}, `${name} `, el("b", {}, String(value)))));
}

const budget = (limits) => Object.entries(limits ?? {}).filter(([, value]) => value !== null).map(([name, value]) => `${number(value)} ${name}`).join(", ");

export function spend(run) {
  const total = Object.values(run.roles).reduce((sum, tokens) => sum + tokens, 0) || 1;
  const used = ROLES.filter((role) => run.roles[role]);
  const paint = (role) => `background:var(--${role})`;
  return [
    el("div", { class: "bar", role: "img", "aria-label": used.map((role) => `${role} ${run.roles[role]} tokens`).join(", ") },
      ...used.map((role) => styled(el("i"), `${paint(role)};width:${(100 * run.roles[role]) / total}%`))),
    el("div", { class: "legend" }, ...used.map((role) => el("span", {}, styled(el("i"), paint(role)), `${role} ${number(run.roles[role])}`)),
      el("span", {}, `${number(run.tokens)} computed tokens, ${dollars(run.usd)}`)),
  ];
}

function styled(element, css) {
  element.style.cssText = css; // by script, which the page's policy allows, and no attribute, which it does not
  return element;
}
