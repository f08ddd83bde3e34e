// One product: its picture, its name, its price and why it is near.

import { picture } from "./api.js";
import { h, icon } from "./element.js";
import { watch } from "./feedback.js";
import { numbers, texts } from "./locale.js";
import { show } from "./picture.js";
import { money, nameOf, stock } from "./words.js";

/** The card of a product. `act`: {openProduct, vote}. */
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
      { class: "votes", role: "group", aria: { label: texts.product.rate(name) } },
      thumb("up", "kept", texts.product.good, judgement, () => act.vote(product, category, requestId, "kept")),
      thumb("down", "rejected", texts.product.bad, judgement, () =>
        act.vote(product, category, requestId, "rejected"),
      ),
    ),
  );
  return watch(element, product, category, requestId);
}

function spoken(product, name) {
  const price = money(product.sale_price) ?? money(product.price);
  return texts.product.spoken(name, price && numbers.money(price), stock(product));
}

/** A product's picture, with a note if it is reduced or not in stock. */
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
    return { kind: "sale", text: texts.product.reduced(numbers.percent(1 - sale.cents / price.cents)) };
  return product.availability && product.availability !== "in_stock"
    ? { kind: "stock", text: stock(product) }
    : null;
}

/** The price of a product. Next to a sale price, the regular price is struck through. */
export function priceOf(product) {
  const [price, sale] = [money(product.price), money(product.sale_price)];
  if (!price && !sale) return h("span", { class: "price" }, product.brand ?? "");
  const reduced = price && sale && sale.cents < price.cents;
  return h(
    "span",
    { class: "price" },
    h("span", { class: reduced ? "reduced" : null }, numbers.money(sale ?? price)),
    reduced && h("del", {}, numbers.money(price)),
    product.brand && h("span", { class: "by" }, product.brand),
  );
}

/** Why a product is near: the shares of the whole scene and of its regions. */
export function why(shares, { long = false } = {}) {
  if (!shares) return null;
  const [whole, regions] = [numbers.percent(shares.whole), numbers.percent(shares.regions)];
  const text = texts.product.why(whole, regions);
  const bar = h("span", { class: "why-bar", aria: { hidden: "true" } }, h("span", { class: "why-whole" }));
  bar.firstChild.style.width = `${100 * shares.whole}%`;
  return h(
    "div",
    { class: long ? "why long" : "why", title: text },
    long && h("h3", { class: "why-title" }, texts.product.whyTitle),
    bar,
    h("span", { class: "unseen" }, text),
    h(
      "span",
      { class: "why-words", aria: { hidden: "true" } },
      h("span", {}, long ? texts.product.wholeLong(whole) : texts.product.whole(whole)),
      h("span", {}, long ? texts.product.regionsLong(regions) : texts.product.regions(regions)),
    ),
  );
}

/** A thumb, pressed if it is the current rating. */
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

/** Show the ratings on all cards below `root`. */
export function paintVotes(root, votes) {
  for (const host of root.querySelectorAll("[data-product]")) {
    const now = votes[host.dataset.product] ?? null;
    host.classList.toggle("rejected", now === "rejected");
    for (const each of host.querySelectorAll("[data-vote]"))
      each.setAttribute("aria-pressed", String(each.dataset.vote === now));
  }
}
