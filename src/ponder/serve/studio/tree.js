// The draws of a run as a tree, laid out from left to right: a leaf a row, a parent in the middle of its children.

import { el, number, svg } from "./dom.js";

const ROW = 24, LEVEL = 190, MOST = 600;

export function layout(nodes) {
  const children = new Map([[null, []]]);
  const shown = [...nodes.values()].slice(0, MOST);
  const known = new Set(shown.map((node) => node.id));
  for (const node of shown) {
    const parent = known.has(node.parent) ? node.parent : null;
    if (!children.has(parent)) children.set(parent, []);
    children.get(parent).push(node);
  }
  const placed = [];
  let row = 0;
  const place = (node, depth) => {
    const below = (children.get(node?.id ?? null) ?? []).map((child) => place(child, depth + 1));
    const y = below.length ? (below[0].y + below.at(-1).y) / 2 : ROW * row++;
    const spot = { node, x: LEVEL * depth, y, below };
    placed.push(spot);
    return spot;
  };
  place(null, 0);
  return { placed, rows: row, left: nodes.size - shown.length };
}

export function draw(run, { chosen = null, pick = () => {} } = {}) {
  const { placed, rows, left } = layout(run.nodes);
  const depth = Math.max(...placed.map((spot) => spot.x));
  const picture = svg("svg", { width: depth + 260, height: Math.max(1, rows) * ROW + 16, role: "group", "aria-label": `search tree of ${run.nodes.size} draws` });
  const links = svg("g", { transform: "translate(16,20)" }), spots = svg("g", { transform: "translate(16,20)" });
  for (const spot of placed) {
    for (const { x, y } of spot.below) links.append(svg("path", { d: `M${spot.x},${spot.y}C${spot.x + LEVEL / 2},${spot.y} ${x - LEVEL / 2},${y} ${x},${y}` }));
    spots.append(spot.node ? mark(spot, run, chosen, pick) : svg("circle", { cx: spot.x, cy: spot.y, r: 5, fill: "var(--dim)" }));
  }
  picture.append(links, spots);
  return el("div", { class: "tree" }, picture, left > 0 ? el("p", { class: "empty" }, `${number(left)} more draws are not shown`) : null);
}

function mark({ node, x, y }, run, chosen, pick) {
  const said = node.error ? `failed: ${node.error}` : (node.text || node.reasoning || "").trim().split("\n").at(-1);
  const best = run.answer !== null && (node.text ?? "") !== "" && run.leading?.text?.endsWith(node.text);
  const label = `${said.slice(0, 24)}${said.length > 24 ? "…" : ""}${node.score === undefined || node.score === null ? "" : `  ${node.score.toFixed(2)}`}`;
  const open = () => pick(node.id);
  const keys = (event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), open());
  return svg("g", { class: `node${node.pruned || node.ended === "cancelled" ? " pruned" : ""}${best ? " chosen" : ""}`, transform: `translate(${x},${y})`, tabindex: 0, role: "button",
    "aria-pressed": String(chosen === node.id), "aria-label": `draw ${node.id}: ${label}`, "data-node": node.id, onclick: open, onkeydown: keys },
    svg("circle", { r: 6, fill: colour(node) }), svg("text", { x: 11, y: 4 }, label));
}

function colour(node) {
  if (node.error) return "var(--bad)";
  if (node.score === undefined || node.score === null) return "var(--policy)";
  return `color-mix(in oklab, var(--good) ${Math.round(100 * node.score)}%, var(--bad))`;
}

export function note(node) {
  const facts = [`draw ${node.id}`, `${number(node.tokens)} tokens`, node.cached ? `${number(node.cached)} cached` : null,
    node.score === undefined ? null : `score ${node.score === null ? "unknown" : node.score.toFixed(3)} by ${node.verifier}`, node.pruned ? "given up" : null, node.ended === "cancelled" ? "cancelled" : null, node.error].filter(Boolean);
  return el("div", { class: "note", tabindex: 0 }, facts.join(" · "), "\n\n", node.reasoning ? `[thinking]\n${node.reasoning}\n[answer]\n` : "", node.text || "(no text)");
}
