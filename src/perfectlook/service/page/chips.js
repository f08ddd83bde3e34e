// The bar of categories: a chip for each, which scrolls to its row, and a picker that adds others.

import { h, icon, pace, replace } from "./element.js";
import { numbers, texts } from "./locale.js";
import { rove } from "./roving.js";
import { get, listen } from "./state.js";
import { above, likely, short } from "./words.js";

/** Show the state in `host`, and follow its changes. */
export function mount(host, act) {
  const chips = h("ul", { class: "chips", role: "list", aria: { label: texts.tools.categories } });
  const picker = h("div", { class: "picker" });
  host.append(picker, chips);
  listen(
    ({ answer, categories }) => [answer, categories],
    (answer, categories) =>
      replace(
        chips,
        ...(answer?.sections ?? []).map((section) => chip(section, act)),
        categories && chipSuggest(act),
      ),
  );
  rove(chips, () => [[...chips.querySelectorAll("button")]]);
  mountPicker(picker, act);
}

function chip(section, act) {
  const { category } = section;
  const name = short(category);
  return h(
    "li",
    { class: "chip" },
    h(
      "button",
      {
        type: "button",
        class: "chip-go",
        title: likely(section, get().answer?.isFar),
        data: { key: `go ${category}` },
        onclick: () => scrollToRow(category),
      },
      name,
    ),
    h(
      "button",
      {
        type: "button",
        class: "chip-off",
        data: { key: `off ${category}` },
        aria: { label: texts.tools.removeCategory(name) },
        onclick: () => act.removeCategory(category),
      },
      icon("close"),
    ),
  );
}

/** Scroll to the row, or to the slot, of a category. */
export const scrollToRow = (category) =>
  document
    .querySelector(`:is(.row, .slot)[data-category="${CSS.escape(category)}"]`)
    ?.scrollIntoView({ block: "start", behavior: pace() });

const chipSuggest = (act) =>
  h(
    "li",
    {},
    h(
      "button",
      { type: "button", class: "chip-reset", data: { key: "suggest" }, onclick: act.suggestAgain },
      texts.tools.suggested,
    ),
  );

function mountPicker(host, act) {
  const list = h("ul", { class: "picker-list", role: "list" });
  const search = h("input", {
    type: "search",
    class: "picker-search",
    placeholder: texts.tools.find,
    autocomplete: "off",
    aria: { label: texts.tools.find },
  });
  const panel = h("div", { class: "picker-panel", id: "picker-panel", hidden: true }, search, list);
  const button = h(
    "button",
    { type: "button", class: "chip-add", aria: { expanded: "false", controls: "picker-panel" } },
    icon("plus"),
    texts.tools.category,
  );
  host.append(button, panel);
  const toggle = (open) => {
    panel.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    if (open) {
      search.value = "";
      fill();
      search.focus();
    }
  };
  const pick = (category) => {
    toggle(false);
    button.focus();
    act.addCategory(category).then(() => scrollToRow(category));
  };
  const fill = () => list.replaceChildren(...choices(get(), search.value, pick));
  search.addEventListener("input", fill);
  button.addEventListener("click", () => toggle(panel.hidden));
  host.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !panel.hidden) {
      toggle(false);
      button.focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") step(event, search, list);
    else if (event.key === "Enter" && event.target === search) {
      event.preventDefault(); // the focus moves to the button, which Enter would press
      list.querySelector("button")?.click();
    }
  });
  document.addEventListener(
    "pointerdown",
    (event) => host.contains(event.target) || panel.hidden || toggle(false),
  );
  host.addEventListener(
    "focusout",
    (event) => event.relatedTarget && !host.contains(event.relatedTarget) && toggle(false),
  );
}

function step(event, search, list) {
  const stops = [search, ...list.querySelectorAll("button")];
  const at = stops.indexOf(document.activeElement);
  if (at < 0) return;
  event.preventDefault();
  stops[Math.min(stops.length - 1, Math.max(0, at + (event.key === "ArrowDown" ? 1 : -1)))].focus();
}

/** The categories that contain the typed text and are not on the page yet. */
function choices({ known, answer }, words, pick) {
  const shown = new Set((answer?.sections ?? []).map((section) => section.category));
  const wanted = words.trim().toLowerCase();
  const found = known.filter(
    ({ category }) => !shown.has(category) && `${short(category)} ${category}`.toLowerCase().includes(wanted),
  );
  const alone = (name) => known.filter((each) => short(each.category) === name).length < 2;
  if (!found.length) return [h("li", { class: "picker-none" }, texts.tools.noneLeft)];
  return found.map(({ category, products }) =>
    h(
      "li",
      {},
      h(
        "button",
        { type: "button", class: "picker-choice", onclick: () => pick(category) },
        h("span", {}, short(category), alone(short(category)) ? null : h("small", {}, above(category))),
        h("span", { class: "count" }, numbers.count(products)),
      ),
    ),
  );
}
