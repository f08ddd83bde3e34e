// What calls have in common: a new call aborts the previous one, and each sends the filters and the box.

const LONGEST = 2000; // of a filter that the server accepts
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

/** The filters of the state, and what the visitor rejected, in the syntax of the API; "" without any. */
export function whereOf({ filters, currency, rejected }) {
  const unit = currency ? ` ${currency}` : "";
  const terms = [];
  if (filters.from) terms.push(`price >= ${filters.from}${unit}`);
  if (filters.to) terms.push(`price <= ${filters.to}${unit}`);
  if (filters.inStock) terms.push("availability = in_stock");
  if (filters.brands.length) terms.push(`brand in (${filters.brands.map(quoted).join(", ")})`);
  if (filters.colours.length) terms.push(`color in (${filters.colours.map(quoted).join(", ")})`);
  for (const word of filters.words) terms.push(`title contains ${quoted(word)}`);
  const where = (ids) => [...terms, ...(ids.length ? [`id not in (${ids.map(quoted).join(", ")})`] : [])].join(" and ");
  let ids = rejected;
  while (ids.length && where(ids).length > LONGEST) ids = ids.slice(1);
  return where(ids);
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
