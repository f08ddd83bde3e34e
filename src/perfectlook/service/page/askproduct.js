// The actions on one product: rate it, open it, find similar products.

import * as api from "./api.js";
import { again } from "./ask.js";
import { fresh, whereOf } from "./calls.js";
import { failureOf } from "./failure.js";
import { report } from "./feedback.js";
import { texts } from "./locale.js";
import { say, toast } from "./spoken.js";
import { get, set } from "./state.js";
import { nameOf } from "./words.js";

const ALIKE = 12;

/**
 * Take a product out of its row, and out of later answers; another one takes its place. The visitor can undo it.
 */
export function reject(product, category, requestId) {
  const row = get().answer?.sections.find((each) => each.category === category);
  const at = row?.products.findIndex((each) => each.id === product.id) ?? -1;
  if (at < 0) return;
  report(requestId, product, category, "rejected");
  const [next, ...spare] = row.spare;
  change({ ...row, products: row.products.toSpliced(at, 1, ...(next ? [next] : [])), spare });
  leave(product);
  toast(texts.spoken.rejected(nameOf(product, category)), { label: texts.product.undo, act: () => undo(row, product) });
}

/** Keep a product out of later answers. A look that has it is out of date, and not kept. */
function leave({ id }) {
  const { look, kept, locked, rejected } = get();
  const has = (shown) =>
    [shown, ...shown.looks].some(({ slots }) =>
      slots.some(({ product, alternatives }) => [product, ...alternatives].some((each) => each.id === id)),
    );
  set({
    rejected: [...rejected, id],
    locked: Object.fromEntries(Object.entries(locked).filter(([, held]) => held !== id)),
    ...(has(look) && { look: { ...look, phase: "none" } }),
    ...(kept && has(kept) && { kept: null }),
  });
}

function undo(row, { id }) {
  const { answer, rejected } = get();
  if (!rejected.includes(id)) return null; // the visitor has left the scene
  set({ rejected: rejected.filter((each) => each !== id) });
  const now = answer?.sections.find((each) => each.category === row.category);
  if (now?.requestId !== row.requestId) return again(); // the row is of another answer by now
  change(row);
  document.querySelector(`.row [data-product="${CSS.escape(id)}"] .card-open`)?.focus();
  say(texts.spoken.undone);
  return null;
}

function change(section) {
  const { answer } = get();
  const sections = answer.sections.map((each) => (each.category === section.category ? section : each));
  set({ answer: { ...answer, sections } });
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

/** Open a piece that the photo shows: its product, and the part of the photo that looks like it. */
export function openPiece({ products: [product], category, region }, requestId) {
  report(requestId, product, category, "clicked");
  return openDrawer({ product, category, requestId, region, trail: [] });
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
