// The actions on one product: rate it, open it, find similar products.

import * as api from "./api.js";
import { fresh, whereOf } from "./calls.js";
import { failureOf } from "./failure.js";
import { report } from "./feedback.js";
import { texts } from "./locale.js";
import { say } from "./spoken.js";
import { get, set } from "./state.js";

const ALIKE = 12;

/** Rate a product. The same rating again removes the mark on the page. */
export function vote(product, category, requestId, judgement) {
  const { [product.id]: before, ...others } = get().votes;
  const taken = before === judgement;
  set({ votes: taken ? others : { ...others, [product.id]: judgement } });
  if (taken) return;
  report(requestId, product, category, judgement);
  say(judgement === "kept" ? texts.spoken.good : texts.spoken.bad);
}

/** Open a product with similar products. */
export async function openProduct(product, category, requestId) {
  const before = get().drawer;
  const trail = before
    ? [...before.trail, { product: before.product, category: before.category, requestId: before.requestId }]
    : [];
  report(requestId, product, category, "clicked");
  return openDrawer({ product, category, requestId, trail });
}

/** Go back to the product before this one. */
export function backInDrawer() {
  const { trail } = get().drawer;
  return openDrawer({ ...trail.at(-1), trail: trail.slice(0, -1) });
}

async function openDrawer(drawer) {
  const signal = fresh("similar");
  set({ drawer: { ...drawer, phase: "loading", alike: [] } });
  try {
    const where = whereOf(get());
    const found = await api.similar(drawer.product.id, { k: ALIKE, ...(where && { where }) }, signal);
    if (signal.aborted || !get().drawer) return;
    set({ drawer: { ...get().drawer, phase: "done", alike: found.products, alikeId: found.request_id } });
  } catch (error) {
    if (error.name === "AbortError" || !get().drawer) return;
    set({ drawer: { ...get().drawer, phase: "failed", failure: failureOf(error) } });
  }
}

/** Close the drawer. */
export const closeProduct = () => set({ drawer: null });
