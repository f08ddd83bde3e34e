// The whole look: one product for each slot, to lock and to swap, with the total price.

import { priceOf, tile } from "./card.js";
import { h, icon, replace } from "./element.js";
import { numbers, texts } from "./locale.js";
import { listen } from "./state.js";
import { leaf, nameOf, paid, sum } from "./words.js";
import { amount } from "./tools.js";

/** Show the state in `host`, and follow its changes. */
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
      texts.look.lead,
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
      ? h("p", { class: "barren" }, texts.look.missing(look.missing.map(leaf)))
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
        aria: { label: texts.product.spoken(nameOf(product, category)) },
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
          aria: { pressed: String(held), label: texts.look.lockSlot(name) },
          onclick: () => act.toggleLock(slot),
        },
        icon(held ? "lock" : "open"),
        held ? texts.look.locked : texts.look.lock,
      ),
      h(
        "button",
        {
          type: "button",
          class: "pill",
          disabled: !alternatives.length,
          data: { key: `swap ${category}` },
          aria: { expanded: String(open), label: texts.look.swapSlot(name) },
          onclick: () => act.toggleSwap(category),
        },
        icon("swap"),
        texts.look.swap,
      ),
    ),
  );
}

/** The alternatives of a slot, below its row. */
const tray = ({ category, product, alternatives }, act) =>
  h(
    "li",
    { class: "tray" },
    h("h3", {}, texts.look.insteadOf(nameOf(product, category))),
    h(
      "ul",
      { class: "others", role: "list", aria: { label: texts.look.others(leaf(category)) } },
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
  return texts.look.use(nameOf(product, category), price && numbers.money(price));
}

function totals(look, anyLocked, currency, act) {
  const { total, unpriced } = sum(look.slots.map((slot) => slot.product));
  const count = look.slots.length;
  const budget = h("input", {
    type: "text",
    inputmode: "decimal",
    class: "amount",
    id: "budget",
    value: look.budget.split(" ")[0],
    placeholder: texts.look.noBudget,
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
      h("strong", {}, total ?? texts.look.products(count)),
      h(
        "span",
        {},
        total ? (unpriced ? texts.look.unpriced(count, unpriced) : texts.look.products(count)) : "",
      ),
    ),
    h(
      "div",
      { class: "totals-actions" },
      (total || look.budget) &&
        h("label", { class: "budget", for: "budget" }, texts.look.budget(currency), budget),
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
          texts.look.rebuild,
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
      ? h("button", { type: "button", class: "secondary", onclick: act.askLook }, texts.failure.again)
      : null,
  );

const nothing = (act) =>
  h(
    "div",
    { class: "state" },
    h("h2", {}, texts.look.none),
    h("p", {}, texts.rows.widen),
    h("button", { type: "button", class: "secondary", onclick: act.clearFilters }, texts.tools.clear),
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
