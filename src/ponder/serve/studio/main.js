// The page: views by tab or number, the key, and what the server has to offer.

import { get, key } from "./api.js";
import { el } from "./dom.js";
import { listen } from "./live.js";
import { offer } from "./compare.js";
import { recall } from "./history.js";
import { policies } from "./policies.js";

const VIEWS = ["live", "compare", "history", "policies"];
const status = document.getElementById("status");
const opened = { history: recall, policies: (about) => policies(about.policies) };
let about = null;

function open(view) {
  for (const name of VIEWS) {
    document.getElementById(name).hidden = name !== view;
    const tab = document.getElementById(`tab-${name}`);
    tab.setAttribute("aria-selected", String(name === view));
    tab.tabIndex = name === view ? 0 : -1;
  }
  history.replaceState(null, "", `#${view}`);
  if (about) opened[view]?.(about);
}

async function connect() {
  try {
    about = await get("studio/about");
    say(`${about.models.join(", ")} · ponder ${about.version}`);
    offer(about);
    open(current());
    listen(say);
  } catch (error) {
    about = null;
    say(error.message, true);
  }
}

function say(text, bad = false) {
  status.replaceChildren(el("span", {}, text));
  status.classList.toggle("bad", bad);
}

const current = () => (VIEWS.includes(location.hash.slice(1)) ? location.hash.slice(1) : "live");

for (const tab of document.querySelectorAll("[role=tab]")) tab.addEventListener("click", () => open(tab.dataset.view));

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, textarea, select");
  const tab = event.target.closest("[role=tab]");
  if (!typing && !event.ctrlKey && !event.metaKey && !event.altKey && VIEWS[event.key - 1]) open(VIEWS[event.key - 1]);
  else if (tab && ["ArrowLeft", "ArrowRight"].includes(event.key)) {
    const step = event.key === "ArrowRight" ? 1 : VIEWS.length - 1;
    const next = VIEWS[(VIEWS.indexOf(tab.dataset.view) + step) % VIEWS.length];
    open(next);
    document.getElementById(`tab-${next}`).focus();
  }
});

document.getElementById("access").addEventListener("submit", (event) => {
  event.preventDefault();
  key.set(document.getElementById("key").value.trim());
  connect();
});

open(current());
connect();
