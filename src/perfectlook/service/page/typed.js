// What a visitor types, as a filter: amounts, prices, known values, and the rest as words of the title.

import { texts } from "./locale.js";
import { short } from "./words.js";

const MOST = 1e12;

/** An amount in the syntax of filters, from "1.299,50", "1,299.50" or "1299"; "" for none, null for no amount. */
export function amount(text) {
  const plain = text.replaceAll(/[\s\u00a0€$£]/g, "");
  if (!plain) return "";
  const found = /^(\d[\d.,]*?)(?:[.,](\d{1,2}))?$/.exec(plain);
  if (!found || !/^\d+$|^\d{1,3}([.,]\d{3})+$/.test(found[1])) return null;
  const whole = found[1].replaceAll(/[.,]/g, "");
  return found[2] ? `${whole}.${found[2]}` : whole;
}

/** An amount as a budget. Nothing, and more than the server reads, is none. */
export const limit = (text) => (Number(text) > 0 && Number(text) <= MOST ? text : "");

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
 * alone. `facets`: the known brands and colours. `known`: the catalogue's categories. A text can name some:
 * "white rugs, under 50". Words between quotes stay together.
 */
export function understood(text, facets, known = []) {
  const changes = { brands: [], colours: [], words: [], categories: [] };
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
  const before = { brands: `(?:(?:${escaped(texts.typed.by)})\\s+)?`, colours: "" };
  const endings = { brands: "", colours: `(?:${escaped(texts.typed.endings)})?` };
  for (const field of ["brands", "colours"])
    for (const each of longestFirst([...facets[field].keys()]))
      take(`${before[field]}${escaped([each])}${endings[field]}(?!\\p{L})`, () => changes[field].push(each));
  takeCategories(known, take, changes.categories);
  const empty = new Set([...texts.typed.filler, ...RANGE]);
  changes.words = [...rest.matchAll(/["“„”]([^"“„”]+)["“„”]|[^\s,;"“„”]+/gu)]
    .map(([word, quoted]) => (quoted ?? word).trim())
    .filter((word) => word && !empty.has(word.toLowerCase()));
  return changes;
}

/** Take categories that are named last: "rug", "coffee table", and with "lamps" those whose names end so. */
function takeCategories(known, take, taken) {
  const after = `(?=\\s*(?:$|[,;]|(?:${escaped([...texts.typed.filler, ...texts.typed.by])})(?!\\p{L})))`;
  const paths = known.map(({ category }) => category);
  for (const name of longestFirst([...new Set(paths.map(short))])) {
    const named = paths.filter((each) => short(each) === name);
    take(`(?:${escaped(longestFirst([name, ...texts.typed.forms(name)]))})${after}`, () => taken.push(...named));
  }
  take(`(\\p{L}{4,})${after}`, (word) => {
    const named = paths.filter((each) => short(each).toLowerCase().endsWith(word.toLowerCase()));
    return named.length > 0 && taken.push(...named);
  });
}

const longestFirst = (words) => words.toSorted((one, other) => other.length - one.length);
