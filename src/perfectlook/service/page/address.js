// The page's address: the sample or web picture, the categories, the filters, the box and the whole look.

import { limit } from "./typed.js";

const HERE = "here";
const LISTS = [
  ["brand", "brands"],
  ["colour", "colours"],
  ["word", "words"],
];
const round = (value) => Number(value.toFixed(3));

/** The query of the address for a state. An own photo is not in it: only its tab has it. */
export function toAddress({ scene, categories, filters, box, view, locked, look }) {
  if (!scene) return "";
  const query = new URLSearchParams({ [scene.kind]: { sample: scene.name, url: scene.url }[scene.kind] ?? HERE });
  for (const category of categories ?? []) query.append("category", category);
  if (filters.from) query.set("from", filters.from);
  if (filters.to) query.set("to", filters.to);
  if (filters.inStock) query.set("stock", "in");
  for (const [name, field] of LISTS) for (const each of filters[field]) query.append(name, each);
  if (box) query.set("box", box.map(round).join(","));
  if (view === "look") query.set("view", "look");
  for (const [category, id] of Object.entries(locked)) query.append("lock", `${category}=${id}`);
  if (look.budget) query.set("budget", look.budget);
  if (view === "look") {
    if (look.at) query.set("other", look.at);
    for (const [category, id] of Object.entries(look.shown)) query.append("slot", `${category}=${id}`);
  }
  return `?${query}`;
}

/** Read an address. Without a scene, `scene` is null; invalid values are left out. */
export function fromAddress(search) {
  const query = new URLSearchParams(search);
  const categories = query.getAll("category");
  const products = (name) => Object.fromEntries(query.getAll(name).map(lockOf).filter(Boolean));
  return {
    scene: sceneOf(query),
    categories: categories.length ? categories : null,
    filters: {
      from: amount(query.get("from")),
      to: amount(query.get("to")),
      inStock: query.get("stock") === "in",
      ...Object.fromEntries(LISTS.map(([name, field]) => [field, query.getAll(name)])),
    },
    box: boxOf(query.get("box")),
    view: query.get("view") === "look" ? "look" : "rows",
    locked: products("lock"),
    shown: products("slot"),
    budget: limit(amount(query.get("budget"))),
    at: Number(/^[1-9]$/.exec(query.get("other") ?? "")?.[0] ?? 0),
  };
}

function sceneOf(query) {
  if (query.get("sample")) return { kind: "sample", name: query.get("sample") };
  if (query.get("photo") === HERE) return { kind: "photo" };
  const url = query.get("url") ?? "";
  return /^https?:\/\//i.test(url) ? { kind: "url", url } : null;
}

function lockOf(text) {
  const [category, ...id] = text.split("=");
  return id.length ? [category, id.join("=")] : null;
}

const amount = (text) => (/^\d+(\.\d+)?$/.test(text ?? "") ? text : "");

function boxOf(text) {
  const box = (text ?? "").split(",").map(Number);
  const [left, top, right, bottom] = box;
  return box.length === 4 &&
    left >= 0 &&
    top >= 0 &&
    right <= 1 &&
    bottom <= 1 &&
    left < right &&
    top < bottom
    ? box
    : null;
}
