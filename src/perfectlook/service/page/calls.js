// Calls that end the one before them, and what all of them say: the filters and the box.

const running = {};

/** A signal for a new call that ends the one before it of the same kind. */
export function fresh(kind) {
  running[kind]?.abort();
  running[kind] = new AbortController();
  return running[kind].signal;
}

/** End every call that is under way. */
export function endAll() {
  for (const each of Object.values(running)) each.abort();
}

/** The filter of the state in the server's syntax; "" for none. */
export function whereOf({ filters, currency }) {
  const unit = currency ? ` ${currency}` : "";
  const said = [];
  if (filters.from) said.push(`price >= ${filters.from}${unit}`);
  if (filters.to) said.push(`price <= ${filters.to}${unit}`);
  if (filters.inStock) said.push("availability = in_stock");
  return said.join(" and ");
}

/** What a call says besides the scene. */
export function options(state, further = {}) {
  const where = whereOf(state);
  return {
    ...(where && { where }),
    ...(state.box && { box: state.box.map((edge) => edge.toFixed(4)).join(",") }),
    ...further,
  };
}

/** Leave out what only lies below a category that was named and found: a whole path means itself. */
export function exactly(named, found) {
  const there = new Set(found.map((each) => each.category));
  const above = (category) => named.some((each) => there.has(each) && category.startsWith(`${each}|`));
  return found.filter(({ category }) => named.includes(category) || !above(category));
}
