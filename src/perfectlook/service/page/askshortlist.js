// The actions on the shortlist, which the tab keeps: it survives a reload, and is gone with the tab.

import * as api from "./api.js";
import { report } from "./feedback.js";
import { texts } from "./locale.js";
import { say, toast } from "./spoken.js";
import { get, set } from "./state.js";
import { nameOf } from "./words.js";

const NAME = "shortlist";
const restored = new Set();

/** Put a product on the shortlist, or take it off. */
export function keep(product, category, requestId) {
  const { shortlist } = get();
  const others = shortlist.filter((each) => each.product.id !== product.id);
  const isNew = others.length === shortlist.length;
  store(isNew ? [...shortlist, { product, category }] : others);
  if (isNew) report(requestId, product, category, "kept");
  say(isNew ? texts.spoken.kept(nameOf(product, category)) : texts.spoken.dropped(nameOf(product, category)));
}

function store(shortlist) {
  set({ shortlist });
  try {
    sessionStorage.setItem(NAME, JSON.stringify(shortlist));
  } catch {
    // without storage, the shortlist lasts until the page is loaded again
  }
}

/** Read the shortlist of the tab, and add the products of an address, each once: the visitor may take it off. */
export async function restoreShortlist(ids) {
  let shortlist = [];
  try {
    shortlist = JSON.parse(sessionStorage.getItem(NAME)) ?? [];
  } catch {
    // as above
  }
  const known = new Set(shortlist.map(({ product }) => product.id));
  const wanted = ids.filter((id) => !restored.has(id));
  const asked = wanted.filter((id) => !known.has(id)).map((id) => api.product(id).catch(() => null));
  const found = (await Promise.all(asked)).filter(Boolean);
  store([...shortlist, ...found.map((product) => ({ product, category: product.category }))]);
  for (const id of [...wanted.filter((each) => known.has(each)), ...found.map((each) => each.id)]) restored.add(id);
  if (wanted.some((id) => restored.has(id))) set({ listed: true });
}

/** Show the shortlist, or close it. */
export const list = (listed) => set({ listed });

/** The address that opens the page with the shortlist. */
export function linkOf(shortlist) {
  const query = new URLSearchParams(shortlist.map(({ product }) => ["list", product.id]));
  return `${location.origin}${location.pathname}?${query}`;
}

/** Copy a text, and say so. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(texts.shortlist.copied);
  } catch {
    toast(texts.shortlist.notCopied);
  }
}
