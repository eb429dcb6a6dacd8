// What `auto` follows: the choices, and how they did on problems that no choice has seen.

import { el, number, percent, svg } from "./dom.js";

const target = document.getElementById("policies");

export function policies(all) {
  target.replaceChildren(...all.map(page));
  if (!all.length) target.append(el("p", { class: "empty" }, "No policy is in use. Make one with `ponder tune TASK`."));
}

function page(policy) {
  const proof = policy.evidence.held_out;
  return el("article", { class: "detail" },
    el("h2", {}, `${policy.task} with ${policy.model}${policy.verifier ? `, judged by ${policy.verifier}` : ""}`),
    el("p", {}, `${proof.problems} problems of “${proof.split}”, which no choice has seen:`), curve(proof.budgets),
    el("div", { class: "legend" }, line("auto", "auto, with its 95 % interval"), line("verifier", "the best fixed strategy at each budget")),
    scroll(table(["budget", "auto", "95 % interval", "tokens", "best fixed strategy", "its accuracy", "its tokens"],
      proof.budgets.map((row) => [number(row.budget), percent(row.accuracy), row.interval.map(percent).join(" – "), number(row.tokens), spec(row.fixed), percent(row.fixed.accuracy), number(row.fixed.tokens)]))),
    el("h3", {}, "What a problem takes at each effort, in tokens"), el("p", {}, Object.entries(policy.efforts).map(([name, budget]) => `${name} ${number(budget)}`).join(" · ")),
    el("h3", {}, "What is run"),
    scroll(table(["difficulty", "budget", "strategy", "accuracy", "tokens"], policy.bins.flatMap((bin) => bin.choices.map((choice) =>
      [bin.difficulty.map((edge) => edge.toFixed(2)).join(" – "), number(choice.budget), spec(choice), percent(choice.accuracy), number(choice.tokens)])))));
}

const scroll = (content) => el("div", { class: "scroll" }, content);
const spec = ({ strategy, parameters }) => `${strategy}${Object.keys(parameters).length ? `(${Object.entries(parameters).map(([name, value]) => `${name}=${value}`).join(", ")})` : ""}`;

function line(role, text) {
  const sample = el("i");
  sample.style.background = role === "auto" ? "var(--accent)" : `var(--${role})`;
  return el("span", {}, sample, text);
}

function table(names, rows) {
  return el("table", {}, el("thead", {}, el("tr", {}, ...names.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((cell) => el("td", {}, cell))))));
}

// Accuracy against computed tokens, on a logarithmic axis.
function curve(rows) {
  const [width, height, left, bottom] = [640, 300, 48, 36];
  const spent = rows.flatMap((row) => [row.tokens, row.fixed.tokens]);
  const [low, high] = [Math.log(Math.min(...spent)), Math.log(Math.max(...spent))];
  const x = (tokens) => left + ((Math.log(tokens) - low) / (high - low || 1)) * (width - left - 16);
  const y = (share) => (height - bottom) - share * (height - bottom - 16);
  const path = (points) => `M${points.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join("L")}`;
  const ours = rows.map((row) => [x(row.tokens), y(row.accuracy)]), theirs = rows.map((row) => [x(row.fixed.tokens), y(row.fixed.accuracy)]);
  const band = [...rows.map((row) => [x(row.tokens), y(row.interval[1])]), ...rows.toReversed().map((row) => [x(row.tokens), y(row.interval[0])])];
  const grid = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [svg("line", { class: "axis", x1: left, x2: width - 16, y1: y(share), y2: y(share) }), svg("text", { x: 4, y: y(share) + 4 }, `${100 * share} %`)]);
  const ticks = round(Math.exp(low), Math.exp(high)).map((tokens) => svg("text", { x: x(tokens), y: height - 18, "text-anchor": "middle" }, number(tokens)));
  return svg("svg", { class: "curve", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "accuracy against tokens; the table below has the same figures" },
    ...grid, ...ticks, svg("text", { x: width / 2, y: height - 2, "text-anchor": "middle" }, "computed tokens a problem"),
    svg("path", { class: "band", d: `${path(band)}Z` }), svg("path", { class: "fixed", d: path(theirs.toSorted((a, b) => a[0] - b[0])) }), svg("path", { class: "auto", d: path(ours) }));
}

// 1, 2 and 5 times a power of ten, between two numbers.
function round(low, high) {
  const powers = Array.from({ length: 12 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();
  return powers.filter((value) => value >= low * 0.99 && value <= high * 1.01);
}
