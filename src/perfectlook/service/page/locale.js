// The texts of the page's language. Each language is one file of the folder `locale`.

const root = document.documentElement;
const file = await import(`./locale/${root.dataset.locale ?? root.lang}.js`);
root.lang = file.language;

// A shop's own file can be of an earlier version: what it lacks is in English.
const english = root.dataset.locale ? await import("./locale/en.js") : {};
const isPart = (value) => Boolean(value) && typeof value === "object" && !Array.isArray(value);
const over = (base, own) => {
  if (!isPart(base) || !isPart(own)) return own ?? base;
  return { ...base, ...Object.fromEntries(Object.keys(own).map((name) => [name, over(base[name], own[name])])) };
};

/** The texts by part of the page. Those with values in them are functions. */
export const texts = over(english.texts, file.texts);

/** The short names of categories by their paths. */
export const names = over(english.names, file.names) ?? {};

/** The name of the shop, which is the title of the page. */
export const title = root.dataset.name ?? texts.page.title;

if (file.accent && !root.dataset.accent) accent(file.accent);

/** Use a colour of the shop for buttons and marks, lighter on dark paper. theme.js does the same earlier. */
function accent(colour) {
  root.style.setProperty("--brand", colour);
  root.style.setProperty("--bright", `color-mix(in oklab, ${colour} 35%, white)`);
}

const formats = new Map();
function format(number, options = {}) {
  const key = JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat(file.language, options));
  return formats.get(key).format(number);
}

/** Counts, shares and amounts of money as the language writes them. */
export const numbers = {
  count: (count) => format(count),
  percent: (share) => format(share, { style: "percent" }),
  money: ({ cents, currency }) => {
    const digits = cents % 100 === 0 ? 0 : 2;
    const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    if (!currency) return format(cents / 100, options);
    try {
      return format(cents / 100, { style: "currency", currency, ...options });
    } catch {
      return `${format(cents / 100, options)} ${currency}`; // no currency that the browser knows
    }
  },
};

const TEXT = "text";

/** Write the texts that elements name: `data-text="start.lead"`, and `data-text-title="..."` for attributes. */
export function fill(root) {
  for (const element of root.querySelectorAll("*")) {
    for (const [attribute, key] of Object.entries(element.dataset)) {
      if (!attribute.startsWith(TEXT)) continue;
      const [part, name] = key.split(".");
      const text = key === "page.title" ? title : texts[part][name];
      const target = attribute.slice(TEXT.length).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      if (target) element.setAttribute(target.slice(1), text);
      else element.textContent = text;
    }
  }
}
