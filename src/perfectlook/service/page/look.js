// The whole look: one product for each slot, with the total price and the budget.

import { arrange, h, pace, replace } from "./element.js";
import { numbers, texts } from "./locale.js";
import { noProducts } from "./rows.js";
import { arrangeSlots, slotOf, tray } from "./slot.js";
import { isEmpty, listen } from "./state.js";
import { toast } from "./spoken.js";
import { amount, limit } from "./typed.js";
import { money, short, sum } from "./words.js";

/** Show the state in `host`, and follow its changes. */
export function mount(host, act) {
  const head = h("div", { class: "look-head" });
  const list = h("ul", { class: "slots", role: "list" });
  const notes = h("div", { class: "look-notes" });
  const bar = h("div", { class: "totals" });
  const wait = waiting();
  const slots = new Map();
  let opened = null;
  const slot = (category) => {
    if (!slots.has(category)) slots.set(category, slotOf(category, act));
    return slots.get(category);
  };
  const drawSlots = (look, locked, swapping) => {
    for (const each of look.slots)
      slot(each.category).update(each, {
        held: Boolean(locked[each.category]),
        open: swapping === each.category,
        requestId: look.requestId,
      });
    const open = look.slots.find((each) => each.category === swapping);
    const inTray = Boolean(document.activeElement?.closest(".tray"));
    const shown = open && { after: slot(swapping).element, tray: tray(open, act) };
    arrangeSlots(list, look.slots.map((each) => slot(each.category).element), shown);
    if (shown && swapping !== opened) shown.tray.scrollIntoView({ block: "nearest", behavior: pace() });
    if (inTray && !shown) slot(opened).element.querySelector(".pill:last-child").focus();
    opened = swapping;
  };
  listen(
    ({ scene }) => [scene],
    () => slots.clear(),
  );
  listen(
    ({ look, locked, swapping, view, currency, phase, kept }) => [
      look,
      locked,
      swapping,
      view,
      currency,
      phase,
      kept,
    ],
    (look, locked, swapping, view, currency, phase, kept) => {
      host.hidden = view !== "look" || phase === "start" || phase === "failed";
      if (host.hidden) return;
      host.setAttribute("aria-busy", String(look.phase === "loading"));
      replace(bar, ...totals(look, currency, act));
      const hasBudget = bar.querySelector("label") !== null;
      if (look.phase === "failed") return arrange(host, [refused(look, locked, act), ...(hasBudget ? [bar] : [])]);
      if (!look.slots.length) return arrange(host, [look.phase === "loading" ? wait : nothing(act)]);
      replace(head, ...heading(look, locked, kept, act));
      replace(notes, ...left(look));
      drawSlots(look, locked, swapping);
      return arrange(host, [head, list, notes, bar]);
    },
  );
}

const button = (kind, key, label, onclick, disabled = false) =>
  h("button", { type: "button", class: kind, data: { key }, disabled, onclick }, label);

function heading(look, locked, kept, act) {
  const busy = look.phase === "loading";
  return [
    h("p", {}, texts.look.lead),
    h(
      "div",
      { class: "look-actions" },
      Object.keys(locked).length
        ? button("primary small", "rebuild", texts.look.rebuild, act.askLook, busy)
        : null,
      kept && kept.slots !== look.slots
        ? button("secondary small", "compare", texts.compare.open, () => act.compare(true), busy)
        : button("secondary small", "keep", texts.compare.keep, act.keepLook, busy || Boolean(kept)),
      button("secondary small", "another", texts.look.another, act.anotherLook, busy),
    ),
  ];
}

/** What the look does not have, and why. */
const left = ({ missing, excluded }) =>
  [
    missing.length ? texts.look.missing(missing.map(short)) : null,
    excluded.length ? texts.look.excluded(excluded.map(short)) : null,
  ]
    .filter(Boolean)
    .map((text) => h("p", { class: "barren" }, text));

function totals(look, currency, act) {
  const { total, unpriced } = sum(look.slots);
  const count = look.slots.reduce((all, { quantity }) => all + (quantity ?? 1), 0);
  const budget = h("input", {
    type: "text",
    inputmode: "decimal",
    class: "amount",
    id: "budget",
    value: look.budget,
    placeholder: texts.look.noBudget,
    data: { key: "budget" },
    onchange: ({ target }) => {
      const value = amount(target.value);
      if (value === null) toast(texts.look.noNumber(target.value));
      act.setBudget(value === null ? look.budget : limit(value));
    },
    onkeydown: ({ key, target }) => key === "Enter" && target.blur(),
  });
  const known = look.phase === "done" || (look.phase === "loading" && look.slots.length);
  return [
    h(
      "div",
      { class: "total", role: "status" },
      known && h("strong", {}, total ?? texts.look.products(count)),
      known &&
        total &&
        h("span", {}, unpriced ? texts.look.unpriced(count, unpriced) : texts.look.products(count)),
    ),
    total || look.budget
      ? h("label", { class: "budget", for: "budget" }, texts.look.budget(currency), budget)
      : null,
  ];
}

function refused(look, locked, act) {
  const { over } = look;
  if (over) return tooDear(over, act);
  const isHeld = Object.keys(locked).length > 0;
  return h(
    "div",
    { class: "state", role: "alert" },
    h("h2", {}, look.failure.title),
    h("p", {}, look.failure.text),
    look.failure.again ? button("secondary", "again", texts.failure.again, act.askLook) : null,
    isHeld && !look.failure.again ? button("secondary", "unlock", texts.look.unlockAll, act.unlockAll) : null,
  );
}

/** What the cheapest look costs, and two ways on. */
function tooDear({ budget, cheapest, dearest, drop_suffices: suffices }, act) {
  const price = money(cheapest.price);
  const asked = numbers.money(money(budget));
  return h(
    "div",
    { class: "state", role: "alert" },
    h("h2", {}, texts.look.tooDear(asked)),
    h("p", {}, texts.look.cheapest(numbers.money(price))),
    h(
      "div",
      { class: "state-actions" },
      button("primary small", "cheapest", texts.look.useCheapest(numbers.money(price)), () =>
        act.setBudget(String(price.cents / 100)),
      ),
      suffices
        ? button("secondary small", "drop", texts.look.drop(short(dearest)), () => act.removeCategory(dearest))
        : null,
    ),
  );
}

const nothing = (act) =>
  h(
    "div",
    { class: "state" },
    ...(isEmpty()
      ? noProducts()
      : [
          h("h2", {}, texts.look.none),
          h("p", {}, texts.rows.widen),
          button("secondary", "clear", texts.tools.clear, act.clearFilters),
        ]),
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
