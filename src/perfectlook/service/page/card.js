// One product: its picture, name, price and why it is here.

import { picture } from "./api.js";
import { h, icon } from "./element.js";
import { watch } from "./feedback.js";
import { show } from "./picture.js";
import { money, nameOf, percent, said, stock } from "./words.js";

/** A product of a row. `act`: {openProduct, vote}. */
export function card(product, category, requestId, act, judgement = null) {
  const name = nameOf(product, category);
  const element = h(
    "li",
    { class: "card", data: { product: product.id } },
    h(
      "button",
      {
        type: "button",
        class: "card-open",
        aria: { label: spoken(product, name) },
        onclick: () => act.openProduct(product, category, requestId),
      },
      tile(product),
      h("span", { class: "card-name" }, name),
      priceOf(product),
    ),
    why(product.why),
    h(
      "div",
      { class: "votes", role: "group", aria: { label: `Judge ${name}` } },
      thumb("up", "kept", "Good match", judgement, () => act.vote(product, category, requestId, "kept")),
      thumb("down", "rejected", "Not a match", judgement, () =>
        act.vote(product, category, requestId, "rejected"),
      ),
    ),
  );
  return watch(element, product, category, requestId);
}

function spoken(product, name) {
  const price = money(product.sale_price) ?? money(product.price);
  return [name, price && said(price), stock(product), "details and more like this"]
    .filter(Boolean)
    .join(", ");
}

/** A product's picture on its tile, with what a shopper must know first. */
export function tile(product, size = 320) {
  const note = notable(product);
  return h(
    "span",
    { class: "tile" },
    show(
      h("img", {
        alt: "",
        loading: "lazy",
        decoding: "async",
        draggable: false,
        onload: ({ target }) => target.classList.add("here"),
        onerror: ({ target }) => target.closest(".tile").classList.add("broken"),
      }),
      picture(product, size),
    ),
    note && h("span", { class: `note ${note.kind}` }, note.text),
  );
}

function notable(product) {
  const [price, sale] = [money(product.price), money(product.sale_price)];
  if (price && sale && sale.cents < price.cents)
    return { kind: "sale", text: `−${percent(1 - sale.cents / price.cents)}` };
  return product.availability && product.availability !== "in_stock"
    ? { kind: "stock", text: stock(product) }
    : null;
}

/** What a product costs, the old price struck through beside a sale price. */
export function priceOf(product) {
  const [price, sale] = [money(product.price), money(product.sale_price)];
  if (!price && !sale) return h("span", { class: "price" }, product.brand ?? "");
  const reduced = price && sale && sale.cents < price.cents;
  return h(
    "span",
    { class: "price" },
    h("span", { class: reduced ? "reduced" : null }, said(sale ?? price)),
    reduced && h("del", {}, said(price)),
    product.brand && h("span", { class: "by" }, product.brand),
  );
}

/** Why a product is near: how much of that is the whole scene's, how much its regions'. */
export function why(shares, { long = false } = {}) {
  if (!shares) return null;
  const text = `Why: ${percent(shares.whole)} the whole scene, ${percent(shares.regions)} its regions`;
  const bar = h("span", { class: "why-bar", aria: { hidden: "true" } }, h("span", { class: "why-whole" }));
  bar.firstChild.style.width = `${100 * shares.whole}%`;
  return h(
    "div",
    { class: long ? "why long" : "why", title: text },
    long && h("h3", { class: "why-title" }, "Why this one"),
    bar,
    h("span", { class: "unseen" }, text),
    h(
      "span",
      { class: "why-words", aria: { hidden: "true" } },
      h("span", {}, `${long ? "The whole scene" : "Scene"} ${percent(shares.whole)}`),
      h("span", {}, `${long ? "Regions of the photo" : "Regions"} ${percent(shares.regions)}`),
    ),
  );
}

/** A thumb that is pressed where the product has been judged so. */
export const thumb = (name, judgement, label, now, onclick) =>
  h(
    "button",
    {
      type: "button",
      class: "thumb",
      aria: { pressed: String(now === judgement), label },
      title: label,
      data: { vote: judgement },
      onclick,
    },
    icon(name),
  );

/** Press the thumbs below `root` as the votes say. */
export function paintVotes(root, votes) {
  for (const host of root.querySelectorAll("[data-product]")) {
    const now = votes[host.dataset.product] ?? null;
    host.classList.toggle("rejected", now === "rejected");
    for (const each of host.querySelectorAll("[data-vote]"))
      each.setAttribute("aria-pressed", String(each.dataset.vote === now));
  }
}
