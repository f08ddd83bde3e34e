// What a visitor types, as a filter: amounts, prices, known values, and the rest as words of the title.

import { texts } from "./locale.js";

/** An amount in the syntax of filters, from "1.299,50", "1,299.50" or "1299"; "" for none, null for no amount. */
export function amount(text) {
  const plain = text.replaceAll(/[\s\u00a0€$£]/g, "");
  if (!plain) return "";
  const found = /^(\d[\d.,]*?)(?:[.,](\d{1,2}))?$/.exec(plain);
  if (!found || !/^\d+$|^\d{1,3}([.,]\d{3})+$/.test(found[1])) return null;
  const whole = found[1].replaceAll(/[.,]/g, "");
  return found[2] ? `${whole}.${found[2]}` : whole;
}

/** The filters with changed amounts, which are texts as typed, or {problem}: why they cannot be. */
export function checked(filters, changes) {
  const names = ["from", "to"].filter((name) => name in changes);
  const amounts = Object.fromEntries(names.map((name) => [name, amount(changes[name])]));
  const wrong = names.find((name) => amounts[name] === null);
  if (wrong) return { problem: texts.tools.noNumber(changes[wrong]) };
  const { from, to } = { ...filters, ...amounts };
  if (from && to && Number(from) > Number(to)) return { problem: texts.tools.inverted(from, to) };
  return { ...changes, ...amounts };
}

const escaped = (words) => words.map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
const CURRENCY = "(?:€|\\$|£|(?:eur|euros?|usd|gbp|chf)(?![a-z]))?";
const NUMBER = `${CURRENCY}\\s*(\\d[\\d.,]*)\\s*${CURRENCY}`;

/**
 * The changes of filters that a text means: "oak, under 300" is {to: "300", words: ["oak"]}. Amounts are as they
 * were typed. `facets`: the known brands and colours.
 */
export function understood(text, facets) {
  const changes = { brands: [], colours: [], words: [] };
  let rest = text;
  const take = (pattern, use) => {
    rest = rest.replace(new RegExp(`(?<!\\p{L})${pattern}`, "giu"), (...found) => {
      use(...found.slice(1));
      return ",";
    });
  };
  const value = (found) => found.replace(/[.,]+$/, "");
  take(`(?:${escaped(texts.typed.between)})?\\s*${NUMBER}\\s*(?:-|–|${escaped(texts.typed.range)})\\s*${NUMBER}`, (from, to) =>
    Object.assign(changes, { from: value(from), to: value(to) }),
  );
  take(`(?:${escaped(texts.typed.under)})\\s*${NUMBER}`, (to) => (changes.to = value(to)));
  take(`(?:${escaped(texts.typed.over)})\\s*${NUMBER}`, (from) => (changes.from = value(from)));
  take(`(?:${escaped(texts.typed.inStock)})(?!\\p{L})`, () => (changes.inStock = true));
  for (const field of ["brands", "colours"])
    for (const known of [...facets[field].keys()].toSorted((one, other) => other.length - one.length))
      take(`${escaped([known])}(?!\\p{L})`, () => changes[field].push(known));
  const filler = new Set(texts.typed.filler);
  changes.words = rest.split(/[\s,;]+/).filter((word) => word && !filler.has(word.toLowerCase()));
  return changes;
}
