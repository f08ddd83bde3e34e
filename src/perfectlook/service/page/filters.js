// The filters: a box for words, a sheet that their button opens, and a line with those that apply.

import { h, icon, replace } from "./element.js";
import { numbers, texts } from "./locale.js";
import { get, listen } from "./state.js";
import { rove } from "./roving.js";
import { checked, understood } from "./typed.js";

const MOST_VALUES = 12;
const WIDE = matchMedia("(min-width: 861px)");

/** Show the state in `host` (the box, the button) and in `line` (what applies), and follow its changes. */
export function mount(host, line, act) {
  const problem = h("p", { class: "filter-problem", id: "filter-problem", role: "alert" });
  const fields = h("div", { class: "filters" });
  const words = wordsForm(act);
  const top = h("div", { class: "sheet-words" });
  const total = h("span", { class: "found", aria: { hidden: "true" } }); // the line below says it
  const sheet = h(
    "div",
    { class: "sheet", id: "filters", popover: "auto", role: "group", aria: { label: texts.tools.filters } },
    h(
      "header",
      { class: "sheet-head" },
      h("h2", {}, texts.tools.filters),
      h(
        "button",
        { type: "button", class: "round", aria: { label: texts.tools.done }, onclick: () => sheet.hidePopover() },
        icon("close"),
      ),
    ),
    top,
    fields,
    problem,
    h(
      "div",
      { class: "sheet-actions" },
      h("button", { type: "button", class: "secondary small", onclick: act.clearFilters }, texts.tools.reset),
      total,
      h("button", { type: "button", class: "primary small", onclick: () => sheet.hidePopover() }, texts.tools.done),
    ),
  );
  const button = h("button", {
    type: "button",
    class: "secondary small filter-open",
    aria: { label: texts.tools.filters, expanded: "false", controls: "filters" },
    onclick: () => sheet.togglePopover(),
  });
  sheet.addEventListener("beforetoggle", ({ newState }) => {
    button.setAttribute("aria-expanded", String(newState === "open"));
    const { bottom, right } = button.getBoundingClientRect();
    sheet.style.setProperty("--top", `${bottom + 8}px`);
    sheet.style.setProperty("--right", `${document.documentElement.clientWidth - right}px`);
  });
  host.append(button, sheet);
  const place = () => (WIDE.matches ? host.insertBefore(words, button) : top.append(words));
  WIDE.addEventListener("change", place);
  place();
  listen(
    ({ filters }) => [filters],
    (wanted) => {
      const count = applied(wanted, null, act).length;
      replace(
        button,
        icon("filter"),
        h("span", { class: "words" }, texts.tools.filters),
        count ? h("span", { class: "badge" }, String(count)) : null,
      );
    },
  );
  listen(
    ({ filters, priced, stocked, currency, facets }) => [filters, priced, stocked, currency, facets],
    (wanted, ...known) => {
      problem.textContent = "";
      replace(fields, ...filterFields(wanted, ...known, problem, act));
    },
  );
  listen(
    ({ filters, answer, phase, currency }) => [filters, answer, phase, currency],
    (wanted, answer, phase, currency) => {
      const chips = applied(wanted, currency, act);
      const wasInLine = line.contains(document.activeElement);
      line.hidden = !chips.length || phase === "failed";
      total.textContent = foundWords(answer, phase);
      replace(line, ...chips, ...(chips.length ? [clear(act), counted(answer, phase)] : []));
      if (wasInLine && !chips.length) button.focus();
    },
  );
  rove(line, () => [[...line.querySelectorAll("button")]]);
}

function wordsForm(act) {
  const problem = h("p", { class: "words-problem", id: "words-problem", role: "alert" });
  const refuse = (text = "") => {
    problem.textContent = text;
    field.setAttribute("aria-invalid", String(Boolean(text)));
  };
  const field = h("input", {
    type: "search",
    name: "words",
    placeholder: texts.tools.wordsHint,
    autocomplete: "off",
    aria: { label: texts.tools.words, describedby: "words-problem" },
    oninput: () => refuse(),
  });
  const submit = (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (!text) return;
    const { filters, facets, known } = get();
    const { brands, colours, words, categories, ...rest } = understood(text, facets, known);
    const more = (field_, values) => [...new Set([...filters[field_], ...values])];
    const changes = checked(filters, rest);
    if (changes.problem) return refuse(changes.problem);
    const wanted = {
      ...changes,
      brands: more("brands", brands),
      colours: more("colours", colours),
      words: more("words", words),
    };
    field.value = "";
    return act.filter(wanted, categories);
  };
  return h("form", { class: "words-form", role: "search", onsubmit: submit }, icon("search"), field, problem);
}

/** The fields of the sheet, each only if the catalogue has such data. */
function filterFields(wanted, priced, stocked, currency, facets, problem, act) {
  const refuse = (field, text) => {
    field.setAttribute("aria-invalid", "true");
    problem.textContent = text;
  };
  const change = (name) => ({ target }) => {
    const changes = checked(wanted, { [name]: target.value });
    return changes.problem ? refuse(target, changes.problem) : act.filter(changes);
  };
  const field = (name, label) =>
    h("input", {
      type: "text",
      inputmode: "decimal",
      class: "amount",
      value: wanted[name],
      placeholder: texts.tools[name],
      data: { key: name },
      aria: { label, describedby: "filter-problem" },
      onchange: change(name),
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
    values("brands", texts.tools.brand, wanted, facets, act),
    values("colours", texts.tools.colour, wanted, facets, act),
  ].filter(Boolean);
}

const unfolded = new Set();

/** The values of a field to choose, with their numbers of products in the catalogue. Rarer ones are folded. */
function values(field, title, wanted, facets, act) {
  const names = [...new Set([...facets[field].keys(), ...wanted[field]])]; // in place: nothing moves below a finger
  if (names.length < 2) return null;
  const isRare = (name, place) => place >= MOST_VALUES && !wanted[field].includes(name);
  const folded = unfolded.has(field) ? [] : names.filter(isRare);
  const unfold = ({ target }) => {
    unfolded.add(field);
    const { parentElement: group } = target;
    for (const each of group.children) each.hidden = false;
    target.remove();
    group.querySelectorAll(".value")[MOST_VALUES].focus();
  };
  const toggle = (name) => {
    const others = wanted[field].filter((each) => each !== name);
    act.filter({ [field]: others.length < wanted[field].length ? others : [...others, name] });
  };
  const group = h(
    "div",
    { class: "values", role: "group", aria: { label: title } },
    h("h3", {}, title),
    names.map((name) =>
      h(
        "button",
        {
          type: "button",
          class: "value",
          hidden: folded.includes(name),
          data: { key: `${field} ${name}` },
          aria: { pressed: String(wanted[field].includes(name)) },
          onclick: () => toggle(name),
        },
        name,
        facets[field].has(name) && h("span", { class: "count" }, numbers.count(facets[field].get(name))),
      ),
    ),
    folded.length > 0 &&
      h(
        "button",
        { type: "button", class: "value more", data: { key: `more ${field}` }, onclick: unfold },
        texts.tools.more(folded.length),
      ),
  );
  rove(group, () => [[...group.querySelectorAll(".value:not([hidden])")]]);
  return group;
}

/** The filters that apply, each with a button that removes it. */
function applied(wanted, currency, act) {
  const price = (text) => numbers.money({ cents: Math.round(100 * Number(text)), currency: currency ?? "" });
  const chip = (text, changes) =>
    h(
      "span",
      { class: "chip" },
      h("span", { class: "chip-text" }, text),
      h(
        "button",
        {
          type: "button",
          class: "chip-off",
          data: { key: `filter ${text}` },
          aria: { label: texts.tools.removeFilter(text) },
          onclick: () => act.filter(changes),
        },
        icon("close"),
      ),
    );
  const each = (field, text) =>
    wanted[field].map((value) =>
      chip(text(value), { [field]: wanted[field].filter((other) => other !== value) }),
    );
  return [
    ...(wanted.from ? [chip(texts.tools.atLeast(price(wanted.from)), { from: "" })] : []),
    ...(wanted.to ? [chip(texts.tools.atMost(price(wanted.to)), { to: "" })] : []),
    ...(wanted.inStock ? [chip(texts.tools.inStock, { inStock: false })] : []),
    ...each("brands", (value) => value),
    ...each("colours", (value) => value),
    ...each("words", (value) => texts.tools.titled(value)),
  ];
}

const clear = (act) =>
  h(
    "button",
    { type: "button", class: "chip-reset", data: { key: "clear" }, onclick: act.clearFilters },
    texts.tools.reset,
  );

const counted = (answer, phase) => h("span", { class: "found", role: "status" }, foundWords(answer, phase));

/** How many products were found: the rows', the spare ones, and perhaps more. */
function foundWords(answer, phase) {
  const sections = answer?.sections ?? [];
  const count = sections.reduce((all, { products, spare }) => all + products.length + spare.length, 0);
  return phase === "done" ? texts.tools.found(count, sections.some(({ full }) => full)) : "";
}
