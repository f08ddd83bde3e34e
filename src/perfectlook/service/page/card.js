// One product: its picture, its name, its price and why it is near.

import { picture } from "./api.js";
import { h, icon } from "./element.js";
import { watch } from "./feedback.js";
import { numbers, texts } from "./locale.js";
import { arrived, missing, show } from "./picture.js";
import { money, nameOf, paid, stock, upright } from "./words.js";

/** The card of a product. `act`: {openProduct, keep, reject}; `rejectable`: another one can take its place. */
export function card(product, category, requestId, act, { rejectable = false } = {}) {
  const name = nameOf(product, category);
  const element = h(
    "li",
    { class: upright(category) ? "card upright" : "card", data: { product: product.id } },
    h(
      "button",
      {
        type: "button",
        class: "card-open",
        aria: { label: spoken(product, name) },
        onclick: () => act.openProduct(product, category, requestId),
      },
      tile(product),
      h("span", { class: "brand-line" }, product.brand ?? ""),
      h("span", { class: "card-name" }, name),
      priceOf(product),
      h("span", { class: "reason", title: product.reason?.text }, product.reason?.text ?? ""),
    ),
    h(
      "div",
      { class: "card-marks" },
      heart(product, category, requestId, act),
      rejectable &&
        h(
          "button",
          {
            type: "button",
            class: "mark reject",
            title: texts.product.reject,
            aria: { label: texts.product.rejectThis(name) },
            onclick: () => act.reject(product, category, requestId),
          },
          icon("close"),
        ),
    ),
  );
  return watch(element, product, category, requestId);
}

/** What a screen reader says of a product, instead of what is on its card. */
export function spoken(product, name) {
  const price = paid(product);
  const reason = product.reason?.text.replace(/\.$/, "");
  return texts.product.spoken(name, product.brand, price && numbers.money(price), stock(product), reason);
}

/** A product's picture, with a note if it is reduced or not in stock. */
export function tile(product, size = 320) {
  const note = notable(product);
  return h(
    "span",
    { class: "tile", data: { empty: texts.product.noPicture } },
    show(
      h("img", {
        alt: "",
        loading: "lazy",
        decoding: "async",
        draggable: false,
        onload: arrived,
        onerror: missing,
      }),
      picture(product, size),
    ),
    note && h("span", { class: `note ${note.kind}` }, note.text),
  );
}

function notable(product) {
  const [price, sale] = [money(product.price), money(product.sale_price)];
  if (price && sale && sale.cents < price.cents)
    return { kind: "sale", text: texts.product.reduced(numbers.percent(1 - sale.cents / price.cents)) };
  return product.availability && product.availability !== "in_stock"
    ? { kind: "stock", text: stock(product) }
    : null;
}

/** The price of a product. Next to a sale price, the regular price is struck through. */
export function priceOf(product) {
  const [price, sale] = [money(product.price), money(product.sale_price)];
  if (!price && !sale) return h("span", { class: "price" });
  const reduced = price && sale && sale.cents < price.cents;
  return h(
    "span",
    { class: "price" },
    h("span", { class: reduced ? "reduced" : null }, numbers.money(sale ?? price)),
    reduced && h("del", {}, numbers.money(price)),
  );
}

/** Why a product is near: the shares of the whole scene and of its regions. Nothing if it is not nearer than usual. */
export function why(shares) {
  if (!shares || !(shares.whole + shares.regions)) return null;
  const [whole, regions] = [numbers.percent(shares.whole), numbers.percent(shares.regions)];
  const bar = h("span", { class: "why-bar", aria: { hidden: "true" } }, h("span", { class: "why-whole" }));
  bar.firstChild.style.width = `${100 * shares.whole}%`;
  return h(
    "div",
    { class: "why" },
    h("h3", { class: "why-title" }, texts.product.whyTitle),
    bar,
    h("span", { class: "unseen" }, texts.product.why(whole, regions)),
    h(
      "span",
      { class: "why-words", aria: { hidden: "true" } },
      h("span", {}, texts.product.whole(whole)),
      h("span", {}, texts.product.regions(regions)),
    ),
  );
}

/** A heart, which puts a product on the shortlist. `paintHearts` fills it. */
export const heart = (product, category, requestId, act) =>
  h(
    "button",
    {
      type: "button",
      class: "mark heart",
      title: texts.product.keep,
      aria: { pressed: "false", label: texts.product.keepThis(nameOf(product, category)) },
      data: { heart: product.id },
      onclick: () => act.keep(product, category, requestId),
    },
    icon("heart"),
  );

/** Fill the hearts of the shortlist's products below `root`. */
export function paintHearts(root, shortlist) {
  const kept = new Set(shortlist.map(({ product }) => product.id));
  for (const each of root.querySelectorAll("[data-heart]"))
    each.setAttribute("aria-pressed", String(kept.has(each.dataset.heart)));
}
