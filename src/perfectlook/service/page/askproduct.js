// What can be done with one product: judge it, open it, see what is like it.

import * as api from "./api.js";
import { fresh, whereOf } from "./calls.js";
import { failureOf } from "./failure.js";
import { report } from "./feedback.js";
import { say } from "./spoken.js";
import { get, set } from "./state.js";

const ALIKE = 12;

/** Judge a product; the same judgement again takes it back on the page. */
export function vote(product, category, requestId, judgement) {
  const { [product.id]: before, ...others } = get().votes;
  const taken = before === judgement;
  set({ votes: taken ? others : { ...others, [product.id]: judgement } });
  if (taken) return;
  report(requestId, product, category, judgement);
  say(judgement === "kept" ? "Noted: a good match." : "Noted: not a match.");
}

/** Open a product with what is like it. */
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
