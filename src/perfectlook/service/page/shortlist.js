// The shortlist: the products that the visitor keeps, with their total, to copy as a list, a table or a link.

import { picture } from "./api.js";
import { linkOf } from "./askshortlist.js";
import { priceOf } from "./card.js";
import { h, icon, replace } from "./element.js";
import { closed, opened, titleBar } from "./layers.js";
import { numbers, texts } from "./locale.js";
import { arrived, missing, show } from "./picture.js";
import { listen } from "./state.js";
import { nameOf, paid, short, sum } from "./words.js";

/** Show the state in the dialog and on the button that opens it, and follow its changes. */
export function mount(button, dialog, act) {
  const close = () => dialog.close();
  dialog.addEventListener("close", () => {
    closed(close);
    act.list(false);
  });
  dialog.addEventListener("click", (event) => event.target === dialog && close());
  button.addEventListener("click", () => act.list(true));
  listen(
    ({ shortlist, phase }) => [shortlist, phase],
    (shortlist, phase) => {
      button.hidden = phase === "start" && !shortlist.length;
      button.setAttribute("aria-label", texts.shortlist.open(shortlist.length));
      replace(
        button,
        icon("heart"),
        shortlist.length ? h("span", { class: "badge", aria: { hidden: "true" } }, String(shortlist.length)) : null,
      );
    },
  );
  listen(
    ({ shortlist, listed }) => [shortlist, listed],
    (shortlist, listed) => {
      if (!listed) return dialog.open && close();
      replace(dialog, ...inside(shortlist, close, act));
      if (!dialog.open) {
        dialog.showModal();
        opened(close);
      }
      return null;
    },
  );
}

function inside(shortlist, close, act) {
  return [
    titleBar("shortlist-title", texts.shortlist.title, close),
    ...(shortlist.length ? kept(shortlist, act) : [h("p", { class: "barren" }, texts.shortlist.empty)]),
  ];
}

function kept(shortlist, act) {
  const { total, unpriced } = sum(shortlist);
  const button = (label, text) =>
    h(
      "button",
      { type: "button", class: "secondary small", data: { key: label }, onclick: () => act.copy(text(shortlist)) },
      label,
    );
  return [
    h("ul", { class: "kept", role: "list" }, shortlist.map((each) => item(each, act))),
    h(
      "p",
      { class: "total" },
      h("strong", {}, total ?? texts.look.products(shortlist.length)),
      h("span", {}, unpriced ? texts.look.unpriced(shortlist.length, unpriced) : texts.look.products(shortlist.length)),
    ),
    h(
      "div",
      { class: "state-actions" },
      button(texts.shortlist.asList, asList),
      button(texts.shortlist.asTable, asTable),
      button(texts.shortlist.asLink, linkOf),
    ),
  ];
}

function item({ product, category }, act) {
  const name = nameOf(product, category);
  return h(
    "li",
    {},
    h(
      "button",
      {
        type: "button",
        class: "kept-open",
        data: { key: `open ${product.id}` },
        onclick: () => act.openProduct(product, category, null),
      },
      h(
        "span",
        { class: "tile", data: { empty: texts.product.noPicture } },
        show(h("img", { alt: "", onload: arrived, onerror: missing }), picture(product, 160)),
      ),
      h(
        "span",
        {},
        h("span", { class: "brand-line" }, product.brand ?? short(category)),
        h("span", { class: "card-name" }, name),
        priceOf(product),
      ),
    ),
    h(
      "button",
      {
        type: "button",
        class: "round",
        data: { key: `off ${product.id}` },
        aria: { label: texts.shortlist.remove(name) },
        onclick: () => act.keep(product, category, null),
      },
      icon("close"),
    ),
  );
}

const written = ({ product }) => paid(product) && numbers.money(paid(product));

/** One line a product: its brand, name, price and address. */
export const asList = (shortlist) =>
  shortlist
    .map((each) => {
      const { product, category } = each;
      return [product.brand, nameOf(product, category), written(each), product.link].filter(Boolean).join(", ");
    })
    .join("\n");

/** A table in CSV (RFC 4180): the id, title, brand, category, price and link of each product. */
export function asTable(shortlist) {
  const names = ["id", "title", "brand", "category", "price", "link"];
  const lines = shortlist.map(({ product, category }) => [
    product.id,
    nameOf(product, category),
    product.brand,
    category,
    product.sale_price ?? product.price,
    product.link,
  ]);
  // a leading =, +, - or @ would be a formula in a spreadsheet
  const cell = (value) => `"${String(value ?? "").replace(/^[=+\-@]/, "'$&").replaceAll('"', '""')}"`;
  return [names, ...lines].map((line) => line.map(cell).join(",")).join("\r\n");
}
