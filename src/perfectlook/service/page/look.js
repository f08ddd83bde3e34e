// A whole look: one product for each slot, to lock, swap and add up.

import { priceOf, tile } from "./card.js";
import { h, icon, replace } from "./element.js";
import { listen } from "./state.js";
import { leaf, nameOf, paid, said, sum } from "./words.js";
import { amount } from "./tools.js";

/** Keep `host` as the state says. */
export function mount(host, act) {
  let opened = null;
  listen(
    ({ look, locked, swapping, view, currency, phase }) => [look, locked, swapping, view, currency, phase],
    (look, locked, swapping, view, currency, phase) => {
      host.hidden = view !== "look" || phase === "start" || phase === "failed";
      if (host.hidden) return;
      host.setAttribute("aria-busy", String(look.phase === "loading"));
      replace(host, ...panel(look, locked, swapping, currency, act));
      if (swapping && swapping !== opened)
        host.querySelector(".tray")?.scrollIntoView({ block: "nearest", behavior: "smooth" });
      opened = swapping;
    },
  );
}

function panel(look, locked, swapping, currency, act) {
  if (look.phase === "failed") return [refused(look, act), totals(look, false, currency, act)];
  if (!look.slots.length) return [look.phase === "loading" ? waiting() : nothing(act)];
  return [
    h(
      "p",
      { class: "look-lead" },
      "One piece for each place, chosen to go with the scene and with each other.",
    ),
    h(
      "ul",
      { class: "slots", role: "list" },
      look.slots.flatMap((slot) => [
        slotCard(slot, look, locked, swapping, act),
        swapping === slot.category ? tray(slot, act) : null,
      ]),
    ),
    look.missing.length
      ? h("p", { class: "barren" }, `Nothing fits the filters in ${look.missing.map(leaf).join(", ")}.`)
      : null,
    totals(look, Object.keys(locked).length > 0, currency, act),
  ];
}

function slotCard(slot, look, locked, swapping, act) {
  const { category, product, alternatives } = slot;
  const name = leaf(category);
  const held = Boolean(locked[category]);
  const open = swapping === category;
  return h(
    "li",
    {
      class: held ? "slot held" : "slot",
      data: { category },
      onpointerenter: (event) => event.pointerType === "mouse" && act.light(category),
      onpointerleave: (event) => event.pointerType === "mouse" && act.light(null),
    },
    h("h2", { class: "slot-name" }, name),
    h(
      "button",
      {
        type: "button",
        class: "card-open",
        data: { key: `open ${category}` },
        aria: { label: `${nameOf(product, category)}, details and more like this` },
        onclick: () => act.openProduct(product, category, look.requestId),
      },
      tile(product, 480),
      h("span", { class: "card-name" }, nameOf(product, category)),
      priceOf(product),
    ),
    h(
      "div",
      { class: "slot-actions" },
      h(
        "button",
        {
          type: "button",
          class: "pill lock",
          data: { key: `lock ${category}` },
          aria: { pressed: String(held), label: `Lock ${name}` },
          onclick: () => act.toggleLock(slot),
        },
        icon(held ? "lock" : "open"),
        held ? "Locked" : "Lock",
      ),
      h(
        "button",
        {
          type: "button",
          class: "pill",
          disabled: !alternatives.length,
          data: { key: `swap ${category}` },
          aria: { expanded: String(open), label: `Swap ${name}` },
          onclick: () => act.toggleSwap(category),
        },
        icon("swap"),
        "Swap",
      ),
    ),
  );
}

/** What else would fit a slot, below its row. */
const tray = ({ category, product, alternatives }, act) =>
  h(
    "li",
    { class: "tray" },
    h("h3", {}, `Instead of ${nameOf(product, category)}`),
    h(
      "ul",
      { class: "others", role: "list", aria: { label: `Other ${leaf(category)}` } },
      alternatives.map((each) =>
        h(
          "li",
          {},
          h(
            "button",
            {
              type: "button",
              class: "other",
              data: { key: `other ${each.id}` },
              aria: { label: otherWords(each, category) },
              onclick: () => act.swap(category, each),
            },
            tile(each, 320),
            priceOf(each),
          ),
        ),
      ),
    ),
  );

function otherWords(product, category) {
  const price = paid(product);
  return ["Take " + nameOf(product, category), price && said(price)].filter(Boolean).join(", ");
}

function totals(look, anyLocked, currency, act) {
  const { total, unpriced } = sum(look.slots.map((slot) => slot.product));
  const budget = h("input", {
    type: "text",
    inputmode: "decimal",
    class: "amount",
    id: "budget",
    value: look.budget.split(" ")[0],
    placeholder: "none",
    data: { key: "budget" },
    onchange: ({ target }) => act.setBudget(amount(target.value)),
    onkeydown: ({ key, target }) => key === "Enter" && target.blur(),
  });
  return h(
    "div",
    { class: "totals" },
    h(
      "div",
      { class: "total", role: "status" },
      h("strong", {}, total ?? `${look.slots.length} pieces`),
      h(
        "span",
        {},
        total ? `${look.slots.length} pieces${unpriced ? `, ${unpriced} without a price` : ""}` : "",
      ),
    ),
    h(
      "div",
      { class: "totals-actions" },
      (total || look.budget) &&
        h("label", { class: "budget", for: "budget" }, currency ? `Budget ${currency}` : "Budget", budget),
      anyLocked &&
        h(
          "button",
          {
            type: "button",
            class: "primary small",
            data: { key: "rebuild" },
            disabled: look.phase === "loading",
            onclick: act.askLook,
          },
          "Restyle the rest",
        ),
    ),
  );
}

const refused = (look, act) =>
  h(
    "div",
    { class: "state", role: "alert" },
    h("h2", {}, look.failure.title),
    h("p", {}, look.failure.text),
    look.failure.again
      ? h("button", { type: "button", class: "secondary", onclick: act.askLook }, "Try again")
      : null,
  );

const nothing = (act) =>
  h(
    "div",
    { class: "state" },
    h("h2", {}, "No look with these filters"),
    h("p", {}, "Widen the price or allow what is not in stock."),
    h("button", { type: "button", class: "secondary", onclick: act.clearFilters }, "Clear filters"),
  );

const waiting = () =>
  h(
    "ul",
    { class: "slots skeleton", aria: { hidden: "true" } },
    [0, 1, 2, 3, 4].map(() =>
      h(
        "li",
        { class: "slot" },
        h("div", { class: "bone line short" }),
        h("div", { class: "tile bone" }),
        h("div", { class: "bone line" }),
      ),
    ),
  );
