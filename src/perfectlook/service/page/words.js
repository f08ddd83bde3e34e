// Read categories, amounts of money and places of the photo.

import { names, numbers, texts } from "./locale.js";

/** The short name of a category: "Rugs" for "Home & Garden|Decor|Rugs". Without one, its last level. */
export const short = (category) => names[category] ?? category.split("|").at(-1);

/** Whether a category's pictures are of people or clothes, which are higher than wide. */
export const upright = (category) => /^Apparel & Accessories\|/.test(category ?? "");

/** The levels above the last one: "Home & Garden › Decor". */
export const above = (category) => category.split("|").slice(0, -1).join(" › ");

/** The path of a category, and how likely it completes the photo, if that is known. */
export function likely({ category, suggested, present }, isFar = false) {
  const unknown = suggested === undefined || suggested === null || present || isFar;
  return [
    category.replaceAll("|", " › "),
    present ? texts.rows.present : unknown ? null : texts.rows.likely(numbers.percent(suggested)),
  ]
    .filter(Boolean)
    .join(" · ");
}

/** Read "49.90 EUR" as {cents, currency}; null without an amount. */
export function money(text) {
  const found = /^\s*(\d+(?:\.\d+)?)\s*([A-Z]{3})?\s*$/.exec(text ?? "");
  return found && { cents: Math.round(Number(found[1]) * 100), currency: found[2] ?? "" };
}

/** The price that a customer pays for a product; null if the catalogue has none. */
export const paid = (product) => money(product.sale_price) ?? money(product.price);

/** Add up the prices of {product, quantity}: {total: a text or null, unpriced: how many have no price}. */
export function sum(slots) {
  const prices = slots.map(({ product, quantity = 1 }) => {
    const price = paid(product);
    return price && { ...price, cents: price.cents * quantity };
  });
  const priced = prices.filter((price) => price !== null);
  const byCurrency = Map.groupBy ? Map.groupBy(priced, (price) => price.currency) : grouped(priced);
  const parts = [...byCurrency].map(([currency, each]) =>
    numbers.money({ currency, cents: each.reduce((all, one) => all + one.cents, 0) }),
  );
  return { total: parts.length ? parts.join(" + ") : null, unpriced: prices.length - priced.length };
}

function grouped(prices) {
  const found = new Map();
  for (const price of prices) found.set(price.currency, [...(found.get(price.currency) ?? []), price]);
  return found;
}

/** The title of a product; without a title, its category and its rank. */
export const nameOf = (product, category) =>
  product.title || `${short(category ?? product.category ?? texts.product.product)} ${product.rank ?? ""}`.trim();

/** A name with the quantity of its slot, if there are several: "4 × Chair". */
export const counted = (name, quantity = 1) => (quantity > 1 ? `${texts.look.times(quantity)} ${name}` : name);

/** The availability of a product; null if the catalogue has none. */
export const stock = (product) => texts.product.stock[product.availability] ?? null;

/** The place of a region in a grid: "upper left", "centre". */
export const place = (row, column, rows = 7, columns = 7) =>
  texts.scene.place(third(row, rows), third(column, columns));

const third = (at, of) => Math.min(2, Math.floor(((at + 0.5) / of) * 3)) - 1;
