// How things are said: categories, money, shares, places of the photo.

/** The last level of a taxonomy path: "Home & Garden|Decor|Rugs" is "Rugs". */
export const leaf = (category) => category.split("|").at(-1);

/** What is above the last level, for people. */
export const above = (category) => category.split("|").slice(0, -1).join(" › ");

/** "49.90 EUR" as {cents, currency}; null where there is no amount. */
export function money(text) {
  const found = /^\s*(\d+(?:\.\d+)?)\s*([A-Z]{3})?\s*$/.exec(text ?? "");
  return found && { cents: Math.round(Number(found[1]) * 100), currency: found[2] ?? "" };
}

/** An amount as a reader of this browser's language writes it. */
export function said({ cents, currency }) {
  const amount = cents / 100;
  const digits = cents % 100 === 0 ? 0 : 2;
  const format = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  if (!currency) return new Intl.NumberFormat(undefined, format).format(amount);
  try {
    return new Intl.NumberFormat(undefined, { style: "currency", currency, ...format }).format(amount);
  } catch {
    return `${amount.toFixed(digits)} ${currency}`;
  }
}

/** What a customer pays for a product, as money; null where the catalogue does not say. */
export const paid = (product) => money(product.sale_price) ?? money(product.price);

/** The sum of what products cost: {total: text or null, unpriced: how many have no price}. */
export function sum(products) {
  const prices = products.map(paid);
  const priced = prices.filter((price) => price !== null);
  const byCurrency = Map.groupBy ? Map.groupBy(priced, (price) => price.currency) : grouped(priced);
  const parts = [...byCurrency].map(([currency, each]) =>
    said({ currency, cents: each.reduce((all, one) => all + one.cents, 0) }),
  );
  return { total: parts.length ? parts.join(" + ") : null, unpriced: prices.length - priced.length };
}

function grouped(prices) {
  const found = new Map();
  for (const price of prices) found.set(price.currency, [...(found.get(price.currency) ?? []), price]);
  return found;
}

/** A share of 0..1 in whole percent. */
export const percent = (share) => `${Math.round(share * 100)} %`;

/** A product's name; where a catalogue has no titles, its category and its rank. */
export const nameOf = (product, category) =>
  product.title || `${leaf(category ?? product.category ?? "Product")} ${product.rank ?? ""}`.trim();

const STOCK = {
  in_stock: "In stock",
  out_of_stock: "Sold out",
  preorder: "Pre-order",
  backorder: "On back-order",
};

/** How a product's availability is said; null where the catalogue does not say. */
export const stock = (product) => STOCK[product.availability] ?? null;

/** "a", "a and b", "a, b and c". */
export const listed = (words) =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;

/** Where a region of a 7×7 grid is, in words: "upper left", "centre". */
export function place(row, column, rows = 7, columns = 7) {
  const down = third(row, rows, ["upper", "", "lower"]);
  const across = third(column, columns, ["left", "", "right"]);
  if (down && across) return `${down} ${across}`;
  if (down) return down === "upper" ? "top" : "bottom";
  return across || "centre";
}

const third = (at, of, names) => names[Math.min(2, Math.floor(((at + 0.5) / of) * 3))];
