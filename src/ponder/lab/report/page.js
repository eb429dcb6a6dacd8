"use strict";
const dark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 560px)");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const SVG = "http://www.w3.org/2000/svg";

/* The horizontal axis of a chart whose data hold several. */
function turned(spec, axis) {
  const param = (spec.params || []).find((one) => one.name === "axis");
  if (!param || !axis) return spec;
  param.value = axis;
  for (const { encoding } of spec.layer || [spec]) {
    if (encoding.x && encoding.x.scale && encoding.x.scale.type === "log") {
      encoding.x.axis.title = page.titles[axis];
      [encoding.x.scale.base, encoding.x.axis.format] = page.scales[axis];
    }
  }
  return spec;
}

function draw(element, axis) {
  const spec = turned(structuredClone(page.charts[element.dataset.chart]), axis);
  const soft = colour("--soft");
  Object.assign(spec.config.axis, { labelColor: soft, titleColor: soft });
  Object.assign(spec.config.legend, { labelColor: soft, columns: narrow.matches ? 1 : 3 });
  const actions = { export: true, source: false, compiled: false, editor: false };
  return vegaEmbed(element, spec, { actions, renderer: "svg", tooltip: { theme: dark.matches ? "dark" : "light" } });
}

function drawAll() {
  return Promise.all([...document.querySelectorAll("[data-axes]")].flatMap((group) => {
    const pressed = group.querySelector("button[aria-pressed=true]");
    return [...group.querySelectorAll("[data-chart]")].map((chart) => draw(chart, pressed && pressed.dataset.axis));
  }));
}

for (const group of document.querySelectorAll("[data-axes]")) {
  const buttons = [...group.querySelectorAll("button[data-axis]")];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      for (const one of buttons) one.setAttribute("aria-pressed", one === button);
      for (const chart of group.querySelectorAll("[data-chart]")) draw(chart, button.dataset.axis);
    });
  }
}

/* The grid of problems and samples: one path a kind of outcome. */
function grid(box) {
  const { problems, outcomes, shares, order } = page.grids[box.dataset.grid];
  const cells = box.querySelector(".cells"), status = box.querySelector("[role=status]"), gather = box.querySelector("[data-gather]");
  const buttons = [...box.querySelectorAll("[data-sort]")];
  const sorts = {
    difficulty: (a, b) => shares[b] - shares[a] || order[a] - order[b],
    order: (a, b) => order[a] - order[b],
    name: (a, b) => problems[a].localeCompare(problems[b], undefined, { numeric: true }),
  };
  const side = 34, bar = 46, columns = Math.max(...outcomes.map((row) => row.length));
  let shown = [];
  function paint() {
    const room = box.clientWidth - 36 - side - bar;
    const width = Math.max(4, Math.min(16, Math.floor(room / columns)));
    const height = Math.max(4, Math.min(14, Math.floor(900 / outcomes.length)));
    const gap = width > 5 && height > 5 ? 1 : 0.5;
    const sort = buttons.find((one) => one.getAttribute("aria-pressed") === "true").dataset.sort;
    const rows = problems.map((_, at) => at).sort(sorts[sort]);
    const gathered = gather.getAttribute("aria-pressed") === "true";
    const rank = { 1: 0, 0: 1, "-": 2 };
    shown = rows.map((at) => {
      const places = [...outcomes[at]].map((_, place) => place);
      return [at, gathered ? places.sort((a, b) => rank[outcomes[at][a]] - rank[outcomes[at][b]] || a - b) : places];
    });
    const paths = { right: "", wrong: "", none: "", share: "" }, kinds = { 1: "right", 0: "wrong", "-": "none" };
    shown.forEach(([at, places], row) => {
      const y = row * height + 14, h = height - gap;
      places.forEach((place, column) => {
        const kind = kinds[outcomes[at][place]], inset = kind === "none" ? 0.4 : 0;
        const w = width - gap - 2 * inset;
        paths[kind] += `M${side + column * width + inset} ${y + inset}h${w}v${h - 2 * inset}h-${w}z`;
      });
      paths.share += `M${side + columns * width + 6} ${y}h${(shares[at] * (bar - 8)).toFixed(1)}v${h}H${side + columns * width + 6}z`;
    });
    const full = side + columns * width + bar, tall = rows.length * height + 16;
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("width", full);
    svg.setAttribute("height", tall);
    svg.setAttribute("viewBox", `0 0 ${full} ${tall}`);
    for (const [kind, d] of Object.entries(paths)) {
      const path = svg.appendChild(document.createElementNS(SVG, "path"));
      path.setAttribute("class", kind);
      path.setAttribute("d", d);
    }
    function label(x, y, words, anchor) {
      const element = svg.appendChild(document.createElementNS(SVG, "text"));
      for (const [name, value] of [["x", x], ["y", y], ["text-anchor", anchor]]) element.setAttribute(name, value);
      element.textContent = words;
    }
    const every = [1, 5, 10, 20, 50, 100].find((step) => step * height >= 14);
    rows.forEach((_, row) => { if ((row + 1) % every === 0 || row === 0) label(side - 5, row * height + 14 + Math.min(height, 10), row + 1, "end"); });
    for (let column = 1; column <= columns; column *= 2) label(side + (column - 0.5) * width, 9, column, "middle");
    label(full, 9, "right", "end");
    svg.addEventListener("pointermove", (event) => {
      const spot = svg.getBoundingClientRect();
      const row = Math.floor((event.clientY - spot.top - 14) / height), column = Math.floor((event.clientX - spot.left - side) / width);
      if (!shown[row]) return;
      const [at, places] = shown[row];
      const said = { 1: "right", 0: "wrong", "-": "no answer" }[outcomes[at][places[column]]];
      const share = `${(100 * shares[at]).toFixed(1)} % right`;
      status.textContent = `${problems[at]}: ${share}` + (said ? ` · sample ${places[column] + 1}: ${said}` : "");
    });
    cells.replaceChildren(svg);
  }
  for (const button of buttons) {
    button.addEventListener("click", () => {
      for (const one of buttons) one.setAttribute("aria-pressed", one === button);
      paint();
    });
  }
  gather.addEventListener("click", () => { gather.setAttribute("aria-pressed", gather.getAttribute("aria-pressed") !== "true"); paint(); });
  paint();
  return paint;
}

/* A dot of a search opens its node. */
document.addEventListener("click", (event) => {
  const link = event.target.closest(".map a");
  if (!link) return;
  event.preventDefault();
  const node = document.getElementById(link.getAttribute("href").slice(1));
  for (const one of node.parentElement.querySelectorAll(".seen")) one.classList.remove("seen");
  node.open = true;
  node.classList.add("seen");
  node.scrollIntoView({ block: "nearest" });
});

const grids = [...document.querySelectorAll("[data-grid]")].map(grid);
const redraw = () => { drawAll(); for (const paint of grids) paint(); };
dark.addEventListener("change", drawAll);
narrow.addEventListener("change", redraw);
drawAll().then(() => { document.documentElement.dataset.drawn = "yes"; });
