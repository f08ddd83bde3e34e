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
const RANGE = texts.typed.range;
const UNDER = texts.typed.under;
const MONEY = "(?:€|\\$|£|(?:eur|euros?|usd|gbp|chf)(?![a-z]))";
const NUMBER = `${MONEY}?\\s*(\\d[\\d.,]*)\\s*${MONEY}?`;
const PRICE = `${NUMBER}(?![\\d.,]*\\d)(?!\\s*-?\\s*(?:${escaped(texts.typed.units)})(?!\\p{L}))`; // "2 m" and "3-seater" are none
const TO = `\\s*(?:-|–|${escaped(RANGE)})\\s*`;
const notAfterNumber = (word) => (RANGE.includes(word) ? "(?<!\\d\\s*)" : ""); // the second of "120 bis 160"

/**
 * The changes of filters that a text means: "oak, under 300" is {to: "300", words: ["oak"]}. Amounts are as they
 * were typed. Two numbers, as in "shoes 38-39", are prices only after a word such as "between", with a currency, or
 * alone. `facets`: the known brands and colours.
 */
export function understood(text, facets) {
  const changes = { brands: [], colours: [], words: [] };
  let rest = text;
  const take = (pattern, use) => {
    rest = rest.replace(new RegExp(`(?<![\\p{L}\\d])${pattern}`, "giu"), (...found) =>
      use(...found.slice(1), found[0]) === false ? found[0] : ",",
    );
  };
  const value = (found) => found.replace(/[.,]+$/, "");
  const from = escaped([...texts.typed.between, ...texts.typed.over]);
  const prices = `(${from})?\\s*${NUMBER}(?:${TO}|\\s*(?:${escaped(UNDER)})\\s*)${PRICE}`;
  take(prices, (word, least, to, at, whole, all) => {
    const isAlone = /(^|[,;])\s*$/.test(whole.slice(0, at)) && /^\s*([,;]|$)/.test(whole.slice(at + all.length));
    if (!word && !isAlone && !new RegExp(MONEY, "iu").test(all)) return false;
    return Object.assign(changes, { from: value(least), to: value(to) });
  });
  const most = UNDER.map((word) => notAfterNumber(word) + escaped([word])).join("|");
  take(`(?:${most})\\s*${PRICE}`, (to) => (changes.to = value(to)));
  take(`(?:${escaped(texts.typed.over)})\\s*${PRICE}(?!${TO}\\d)`, (from) => (changes.from = value(from)));
  take(`(?:${escaped(texts.typed.inStock)})(?!\\p{L})`, () => (changes.inStock = true));
  for (const field of ["brands", "colours"])
    for (const known of [...facets[field].keys()].toSorted((one, other) => other.length - one.length))
      take(`${escaped([known])}(?!\\p{L})`, () => changes[field].push(known));
  const empty = new Set([...texts.typed.filler, ...RANGE]);
  changes.words = rest.split(/[\s,;]+/).filter((word) => word && !empty.has(word.toLowerCase()));
  return changes;
}
