// Start the page: write its texts and mount its parts.

import * as around from "./around.js";
import * as adapt from "./adapt.js";
import * as api from "./api.js";
import * as ask from "./ask.js";
import * as asklook from "./asklook.js";
import * as askproduct from "./askproduct.js";
import * as askshortlist from "./askshortlist.js";
import * as chips from "./chips.js";
import * as compare from "./compare.js";
import * as drawer from "./drawer.js";
import * as filters from "./filters.js";
import * as key from "./key.js";
import * as look from "./look.js";
import * as peek from "./peek.js";
import * as problem from "./problem.js";
import * as rows from "./rows.js";
import * as scene from "./scene.js";
import * as share from "./share.js";
import * as shortlist from "./shortlist.js";
import * as start from "./start.js";
import * as tools from "./tools.js";
import { fill } from "./locale.js";
import { get, listen, set } from "./state.js";
import { short } from "./words.js";

const PATIENCE = 1500;
const at = (id) => document.getElementById(id);
const listed = new URLSearchParams(location.search).getAll("list");

function leave() {
  ask.close();
  history.pushState(null, "", location.pathname);
  at("main").focus({ preventScroll: true });
  scrollTo({ top: 0 });
}

function mountTheme(button) {
  const dark = () =>
    (document.documentElement.dataset.theme ??
      (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const paint = () => button.setAttribute("aria-pressed", String(dark()));
  button.addEventListener("click", () => {
    const next = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("theme", next);
    } catch {
      // without storage, the colours last until the page is closed
    }
    paint();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  paint();
}

function mountScreens() {
  listen(
    ({ phase, scene: shown }) => [phase === "start", shown],
    (starting) => {
      at("start").hidden = !starting;
      at("studio").hidden = starting;
      at("fresh").hidden = starting;
      at("share").hidden = starting;
      if (!starting) scrollTo({ top: 0 });
    },
  );
}

async function learn() {
  setTimeout(() => get().samples ?? set({ samples: [] }), PATIENCE);
  const facets = api.facets().catch(() => get().facets);
  const [known, samples] = await Promise.all([
    api.categories().catch(() => []),
    api.samples().catch(() => []),
  ]);
  const named = known.map((each) => ({ ...each, name: short(each.category) }));
  set({ known: named.toSorted((one, other) => one.name.localeCompare(other.name)), samples });
  set({ facets: await facets });
}

function entered() {
  const { phase, keys } = get();
  set({ keys: keys + 1 });
  if (phase === "failed") ask.again();
  askshortlist.restoreShortlist(listed);
  return learn();
}

fill(document);
const act = { ...ask, ...asklook, ...askproduct, ...askshortlist, ...adapt.mount(at("adapt")), leave };
mountTheme(at("theme"));
mountScreens();
start.mount(act);
scene.mount(at("scene"), act);
around.mount(at("around"), act);
tools.mount(at("tools"), act);
filters.mount(at("tools"), at("active"), act);
peek.mount(at("bar"), at("scene"), at("photo"));
chips.mount(at("bar"), act);
problem.mount(at("failure"), act);
rows.mount(at("rows"), act);
look.mount(at("look"), act);
drawer.mount(at("drawer"), act);
shortlist.mount(at("list"), at("shortlist"), act);
compare.mount(at("compare"), act);
key.mount(at("key"), entered);
at("fresh").addEventListener("click", leave);
at("home").addEventListener("click", (event) => {
  event.preventDefault();
  leave();
});
askshortlist.restoreShortlist(listed);
if (new URLSearchParams(location.search).size) share.restore(act);
share.mount(at("share"), act);
learn();
