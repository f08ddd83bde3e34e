// A slot of the whole look: its product, to lock and to swap. It stays in place when the look changes.

import { priceOf, spoken, tile } from "./card.js";
import { arrange, h, icon, replace } from "./element.js";
import { numbers, texts } from "./locale.js";
import { counted, nameOf, paid, short, upright } from "./words.js";

/** The element of a category's slot, and `update(slot, {held, open, requestId})`, which draws what changed. */
export function slotOf(category, act) {
  const product = h("div", { class: "slot-product" });
  const actions = h("div", { class: "slot-actions" });
  const element = h(
    "li",
    {
      class: upright(category) ? "slot upright" : "slot",
      data: { category },
    },
    h("h2", { class: "slot-name" }, short(category)),
    product,
    actions,
  );
  let drawn = null;
  const update = (slot, { held, open, requestId }) => {
    element.classList.toggle("held", held);
    if (drawn?.product.id !== slot.product.id || drawn.quantity !== slot.quantity) {
      replace(product, opened(slot, requestId, act));
      if (drawn) product.firstChild.classList.add("changed");
    }
    drawn = slot;
    replace(actions, lock(slot, held, act), swap(slot, open, act));
  };
  return { element, update };
}

function opened({ category, product, quantity }, requestId, act) {
  const name = nameOf(product, category);
  return h(
    "button",
    {
      type: "button",
      class: "card-open",
      data: { key: `open ${category}` },
      aria: { label: spoken(product, counted(name, quantity)) },
      onclick: () => act.openProduct(product, category, requestId),
    },
    tile(product, 480),
    h("span", { class: "brand-line" }, product.brand ?? ""),
    h("span", { class: "card-name" }, name),
    h(
      "span",
      { class: "slot-price" },
      quantity > 1 ? h("span", { class: "quantity" }, texts.look.times(quantity)) : null,
      priceOf(product),
    ),
  );
}

const lock = (slot, held, act) =>
  h(
    "button",
    {
      type: "button",
      class: "pill lock",
      data: { key: `lock ${slot.category}` },
      aria: { pressed: String(held), label: texts.look.lockSlot(short(slot.category)) },
      onclick: () => act.toggleLock(slot),
    },
    icon(held ? "lock" : "open"),
    held ? texts.look.locked : texts.look.lock,
  );

const swap = ({ category, alternatives }, open, act) =>
  h(
    "button",
    {
      type: "button",
      class: "pill",
      disabled: !alternatives.length,
      data: { key: `swap ${category}` },
      aria: { expanded: String(open), label: texts.look.swapSlot(short(category)) },
      onclick: () => act.toggleSwap(category),
    },
    icon("swap"),
    texts.look.swap,
  );

/** The alternatives of a slot, below its row. */
export const tray = ({ category, product, alternatives }, act) =>
  h(
    "li",
    { class: "tray" },
    h("h3", {}, texts.look.insteadOf(nameOf(product, category))),
    h(
      "ul",
      { class: "others", role: "list", aria: { label: texts.look.others(short(category)) } },
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

/** Show the slots and the open tray in a list. Slots that stay are not moved. */
export function arrangeSlots(list, elements, opened) {
  arrange(
    list,
    elements.flatMap((each) => (each === opened?.after ? [each, opened.tray] : [each])),
  );
}
