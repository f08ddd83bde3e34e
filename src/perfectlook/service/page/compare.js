// Two looks side by side: the one that was kept, and the one on the page.

import { priceOf, tile } from "./card.js";
import { h, replace } from "./element.js";
import { closed, opened, titleBar } from "./layers.js";
import { texts } from "./locale.js";
import { listen } from "./state.js";
import { counted, nameOf, short, sum } from "./words.js";

/** Show the state in the dialog, and follow its changes. */
export function mount(dialog, act) {
  const close = () => dialog.close();
  dialog.addEventListener("close", () => {
    closed(close);
    act.compare(false);
  });
  dialog.addEventListener("click", (event) => event.target === dialog && close());
  listen(
    ({ compared, kept, look }) => [compared, kept, look],
    (compared, kept, look) => {
      if (!compared || !kept) return dialog.open && close();
      replace(dialog, ...inside(kept, look, close, act));
      if (!dialog.open) {
        dialog.showModal();
        opened(close);
      }
      return null;
    },
  );
}

function inside(kept, look, close, act) {
  const categories = [...new Set([...kept.slots, ...look.slots].map((slot) => slot.category))];
  const of = ({ slots }, category) => slots.find((slot) => slot.category === category);
  return [
    titleBar("compare-title", texts.compare.title, close),
    h(
      "table",
      { class: "looks" },
      h("thead", {}, h("tr", {}, head(texts.compare.kept, kept), head(texts.compare.now, look))),
      h(
        "tbody",
        {},
        categories.map((category) => {
          const [one, other] = [of(kept, category), of(look, category)];
          const same = one?.product.id === other?.product.id;
          return h("tr", { class: same ? "same" : null }, cell(one, category), cell(other, category));
        }),
      ),
    ),
    h(
      "div",
      { class: "state-actions" },
      h("button", { type: "button", class: "primary small", onclick: act.useKept }, texts.compare.useKept),
      h("button", { type: "button", class: "secondary small", onclick: close }, texts.compare.stay),
    ),
  ];
}

const head = (title, { slots }) =>
  h("th", { scope: "col" }, h("span", {}, title), h("strong", {}, sum(slots).total ?? texts.look.products(slots.length)));

function cell(slot, category) {
  if (!slot) return h("td", { class: "barren" }, texts.compare.without(short(category)));
  return h(
    "td",
    {},
    tile(slot.product, 160),
    h("span", { class: "brand-line" }, short(category)),
    h("span", { class: "card-name" }, counted(nameOf(slot.product, category), slot.quantity)),
    priceOf(slot.product),
  );
}
