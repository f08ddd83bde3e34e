// The actions on a whole look.

import * as api from "./api.js";
import { exactly, fresh, options } from "./calls.js";
import { failureOf } from "./failure.js";
import { report } from "./feedback.js";
import { texts } from "./locale.js";
import { say } from "./spoken.js";
import { get, set } from "./state.js";
import { leaf } from "./words.js";

const MOST_SLOTS = 12;

/** Show the rows or the whole look. */
export function show(view) {
  set({ view });
  if (view === "look" && get().look.phase === "none" && get().phase === "done") askLook();
}

/** Ask for a whole look around the locked products. */
export async function askLook() {
  const { scene, answer, locked, look } = get();
  const signal = fresh("look");
  const shown = (answer?.sections ?? []).map((section) => section.category);
  const named = [...new Set([...Object.keys(locked), ...shown])].slice(0, MOST_SLOTS);
  set({ look: { ...look, phase: "loading", failure: null }, swapping: null });
  try {
    const request = {
      look: true,
      k: 1,
      ...(named.length && { category: named }),
      ...(look.budget && { budget: look.budget }),
      ...(Object.keys(locked).length && {
        locked: Object.entries(locked).map(([category, id]) => `${category}=${id}`),
      }),
    };
    const found = await api.complete(scene, options(get(), request), signal);
    if (signal.aborted) return;
    const slots = exactly(named, found.look?.slots ?? []);
    set({
      look: {
        phase: "done",
        failure: null,
        requestId: found.request_id,
        slots,
        missing: found.look?.missing ?? [],
        budget: look.budget,
      },
    });
    say(texts.spoken.look(slots.length));
  } catch (error) {
    if (error.name === "AbortError") return;
    set({ look: { ...get().look, phase: "failed", failure: failureOf(error) } });
  }
}

/** Set the maximum price of the look; "" removes the limit. */
export function setBudget(budget) {
  const { currency, look } = get();
  set({ look: { ...look, budget: budget && currency ? `${budget} ${currency}` : budget } });
  return askLook();
}

/** Lock a slot's product, or unlock it. */
export function toggleLock(slot) {
  const { [slot.category]: held, ...others } = get().locked;
  set({ locked: held ? others : { ...others, [slot.category]: slot.product.id } });
  if (!held) report(get().look.requestId, slot.product, slot.category, "kept");
  say(held ? texts.spoken.unlocked(leaf(slot.category)) : texts.spoken.locked(leaf(slot.category)));
}

/** Show the alternatives of a slot, or hide them. */
export const toggleSwap = (category) => set({ swapping: get().swapping === category ? null : category });

/** Replace a slot's product by one of its alternatives, and lock it. */
export function swap(category, product) {
  const { look, locked } = get();
  const slots = look.slots.map((slot) =>
    slot.category === category
      ? {
          ...slot,
          product,
          alternatives: slot.alternatives.map((each) => (each.id === product.id ? slot.product : each)),
        }
      : slot,
  );
  report(look.requestId, product, category, "clicked");
  set({ look: { ...look, slots }, locked: { ...locked, [category]: product.id }, swapping: null });
  say(texts.spoken.swapped(leaf(category)));
}

/** Build the look around a product. */
export function useInLook(product, category) {
  set({ locked: { ...get().locked, [category]: product.id }, view: "look", drawer: null });
  return askLook();
}
