// What calls have in common: a new call aborts the previous one, and each sends the filters and the box.

const running = {};

/** A signal for a new call. It aborts the previous call of the same kind. */
export function fresh(kind) {
  running[kind]?.abort();
  running[kind] = new AbortController();
  return running[kind].signal;
}

/** Abort every running call. */
export function endAll() {
  for (const each of Object.values(running)) each.abort();
}

/** The filters of the state in the syntax of the API; "" without filters. */
export function whereOf({ filters, currency }) {
  const unit = currency ? ` ${currency}` : "";
  const terms = [];
  if (filters.from) terms.push(`price >= ${filters.from}${unit}`);
  if (filters.to) terms.push(`price <= ${filters.to}${unit}`);
  if (filters.inStock) terms.push("availability = in_stock");
  if (filters.brands.length) terms.push(`brand in (${filters.brands.map(quoted).join(", ")})`);
  if (filters.colours.length) terms.push(`color in (${filters.colours.map(quoted).join(", ")})`);
  for (const word of filters.words) terms.push(`title contains ${quoted(word)}`);
  return terms.join(" and ");
}

const quoted = (text) => `"${text.replaceAll(/["\\]/g, "\\$&")}"`;

/** The options of a call, besides the scene. */
export function options(state, further = {}) {
  const where = whereOf(state);
  return {
    ...(where && { where }),
    ...(state.box && { box: state.box.map((edge) => edge.toFixed(4)).join(",") }),
    locale: document.documentElement.lang,
    ...further,
  };
}

/** Leave out categories below a named one that was found: on this page a whole path means only itself. */
export function exactly(named, found) {
  const there = new Set(found.map((each) => each.category));
  const above = (category) => named.some((each) => there.has(each) && category.startsWith(`${each}|`));
  return found.filter(({ category }) => named.includes(category) || !above(category));
}
