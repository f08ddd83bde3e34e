// The tools above the products: the view, the filters and the categories.

import { h, icon, replace } from "./element.js";
import { numbers, texts } from "./locale.js";
import { get, listen } from "./state.js";
import { above, leaf } from "./words.js";

/** Show the state in `host`, and follow its changes. */
export function mount(host, act) {
  const views = h("div", { class: "segments", role: "group", aria: { label: texts.tools.views } });
  const filters = h("div", { class: "filters", role: "group", aria: { label: texts.tools.filters } });
  const chips = h("ul", { class: "chips", role: "list", aria: { label: texts.tools.categories } });
  const picker = h("div", { class: "picker" });
  host.append(
    h("div", { class: "tools-line" }, views, filters),
    h("div", { class: "categories" }, chips, picker),
  );
  listen(
    ({ view }) => [view],
    (view) => replace(views, ...segments(view, act)),
  );
  listen(
    ({ filters: wanted, priced, stocked, currency }) => [wanted, priced, stocked, currency],
    (...wanted) => replace(filters, ...filterFields(...wanted, act)),
  );
  listen(
    ({ answer, categories }) => [answer, categories],
    (answer, categories) =>
      replace(
        chips,
        ...(answer?.sections ?? []).map(({ category }) => chip(category, act)),
        categories && chipSuggest(act),
      ),
  );
  mountPicker(picker, act);
}

const segments = (view, act) =>
  [
    ["rows", texts.tools.rows],
    ["look", texts.tools.look],
  ].map(([name, label]) =>
    h(
      "button",
      {
        type: "button",
        class: "segment",
        data: { key: `view ${name}` },
        aria: { pressed: String(view === name) },
        onclick: () => act.show(name),
      },
      label,
    ),
  );

/** The filters for price and stock, each only if the catalogue has such data. */
function filterFields(wanted, priced, stocked, currency, act) {
  const field = (name, label) =>
    h("input", {
      type: "text",
      inputmode: "decimal",
      class: "amount",
      value: wanted[name],
      placeholder: texts.tools[name],
      data: { key: name },
      aria: { label },
      onchange: ({ target }) => act.filter({ [name]: amount(target.value) }),
      onkeydown: ({ key, target }) => key === "Enter" && target.blur(),
    });
  return [
    (priced || wanted.from || wanted.to) &&
      h(
        "div",
        { class: "price-range" },
        h("span", { aria: { hidden: "true" } }, texts.tools.price(currency)),
        field("from", texts.tools.priceFrom(currency)),
        h("span", { aria: { hidden: "true" } }, "–"),
        field("to", texts.tools.priceTo(currency)),
      ),
    (stocked || wanted.inStock) &&
      h(
        "button",
        {
          type: "button",
          class: "switch",
          role: "switch",
          data: { key: "stock" },
          aria: { checked: String(wanted.inStock) },
          onclick: () => act.filter({ inStock: !wanted.inStock }),
        },
        h("span", { class: "knob", aria: { hidden: "true" } }),
        texts.tools.inStock,
      ),
  ].filter(Boolean);
}

/** A typed amount in the syntax of filters; "" if it is not an amount. */
export function amount(text) {
  const found = /^\s*(\d+)(?:[.,](\d{1,2}))?\s*$/.exec(text);
  return found ? found[1] + (found[2] ? `.${found[2]}` : "") : "";
}

function chip(category, act) {
  const name = leaf(category);
  const go = () =>
    document
      .querySelector(`.row[data-category="${CSS.escape(category)}"]`)
      ?.scrollIntoView({ block: "start", behavior: "smooth" });
  return h(
    "li",
    { class: "chip" },
    h(
      "button",
      {
        type: "button",
        class: "chip-go",
        title: category.replaceAll("|", " › "),
        data: { key: `go ${category}` },
        onclick: go,
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
    act.addCategory(category);
  };
  const fill = () => list.replaceChildren(...choices(get(), search.value, pick));
  search.addEventListener("input", fill);
  button.addEventListener("click", () => toggle(panel.hidden));
  host.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !panel.hidden) {
      toggle(false);
      button.focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") step(event, search, list);
    else if (event.key === "Enter" && event.target === search) list.querySelector("button")?.click();
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
    ({ category }) => !shown.has(category) && category.toLowerCase().includes(wanted),
  );
  if (!found.length) return [h("li", { class: "picker-none" }, texts.tools.noneLeft)];
  return found.map(({ category, products }) =>
    h(
      "li",
      {},
      h(
        "button",
        { type: "button", class: "picker-choice", onclick: () => pick(category) },
        h("span", {}, leaf(category), h("small", {}, above(category))),
        h("span", { class: "count" }, numbers.count(products)),
      ),
    ),
  );
}
