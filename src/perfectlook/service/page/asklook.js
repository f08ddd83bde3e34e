// The actions on a whole look.

import * as api from "./api.js";
import { exactly, fresh, options } from "./calls.js";
import { failureOf } from "./failure.js";
import { report } from "./feedback.js";
import { texts } from "./locale.js";
import { say, toast } from "./spoken.js";
import { get, set } from "./state.js";
import { short } from "./words.js";

const MOST_SLOTS = 12;
const OTHERS = 3;

/** Show the rows or the whole look. */
export function show(view) {
  set({ view });
  if (view === "look" && get().look.phase === "none" && get().phase === "done") return askLook();
  return null;
}

/** Ask for a whole look around the locked products. `at`: which one, 0 for the best; `shown`: or exactly this one. */
export async function askLook({ at = 0, shown = {} } = {}) {
  const { scene, answer, locked, look, currency } = get();
  const signal = fresh("look");
  const fixed = { ...shown, ...locked };
  const sections = (answer?.sections ?? []).map((section) => section.category);
  const named = [...new Set([...Object.keys(fixed), ...sections])].slice(0, MOST_SLOTS);
  const isShown = Object.keys(shown).length > 0;
  set({ look: { ...look, phase: "loading", failure: null, over: null, shown }, swapping: null });
  try {
    const request = {
      look: true,
      k: 1,
      ...(named.length && { category: named }),
      ...(look.budget && { budget: currency ? `${look.budget} ${currency}` : look.budget }),
      ...(at && !isShown && { alternatives: OTHERS }),
      ...(Object.keys(fixed).length && {
        locked: Object.entries(fixed).map(([category, id]) => `${category}=${id}`),
      }),
    };
    const found = await api.complete(scene, options(get(), request), signal);
    if (signal.aborted) return;
    const { alternatives = [], ...best } = found.look ?? { slots: [] };
    const looks = [best, ...alternatives].map((each) => ({ ...each, slots: exactly(named, each.slots) }));
    take(looks, isShown ? 0 : at % looks.length, found.request_id);
    if (isShown) set({ look: { ...get().look, looks: [], at, shown } });
    else if (at && looks.length === 1) toast(texts.look.noOther);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.status === 422 && Object.keys(fixed).length && !signal.aborted) {
      const left = await stillThere(fixed);
      if (signal.aborted) return;
      if (Object.keys(left).length < Object.keys(fixed).length) {
        const only = (products) => Object.fromEntries(Object.entries(products).filter(([name]) => name in left));
        set({ locked: only(locked) });
        toast(texts.look.gone);
        return askLook({ at, shown: only(shown) });
      }
    }
    const over = error.details?.problem === "over_budget" ? error.details : null;
    set({ look: { ...get().look, phase: "failed", failure: failureOf(error), over } });
  }
}

/** Those of {category: id} that the catalogue still has. Without an answer, a product counts as there. */
async function stillThere(products) {
  const found = await Promise.all(
    Object.entries(products).map(async ([category, id]) => {
      const now = await api.product(id).catch((error) => (error.status === 404 ? {} : { category }));
      return now.category === category && [category, id];
    }),
  );
  return Object.fromEntries(found.filter(Boolean));
}

/** The products of slots by category. */
const productsOf = (slots) => Object.fromEntries(slots.map(({ category, product }) => [category, product.id]));

/** Show one of the looks of an answer. Slots that were there before keep their order. */
function take(looks, at, requestId) {
  const { look } = get();
  const before = look.slots.length ? look.slots.map((slot) => slot.category) : Object.keys(look.shown);
  const place = ({ category }) => (before.includes(category) ? before.indexOf(category) : before.length);
  const { slots, missing = [], excluded = [] } = looks[at];
  set({
    look: {
      ...look,
      phase: "done",
      requestId,
      looks,
      at,
      shown: at ? productsOf(slots) : {},
      slots: slots.toSorted((one, other) => place(one) - place(other)),
      missing,
      excluded,
    },
    swapping: null,
  });
  say(texts.spoken.look(slots.length));
}

/** Show the next of the looks that differ in at least half of their slots; after the last one, the first. */
export function anotherLook() {
  const { look } = get();
  if (look.looks.length < 2) return askLook({ at: look.at + 1 });
  return take(look.looks, (look.at + 1) % look.looks.length, look.requestId);
}

/** Set the maximum price of the look; "" removes the limit. */
export function setBudget(budget) {
  set({ look: { ...get().look, budget } });
  return askLook();
}

/** Lock a slot's product, or unlock it. */
export function toggleLock(slot) {
  const { look } = get();
  const { [slot.category]: held, ...others } = get().locked;
  set({
    locked: held ? others : { ...others, [slot.category]: slot.product.id },
    look: { ...look, looks: [], shown: productsOf(look.slots) }, // other looks were for other locks
  });
  if (!held) report(look.requestId, slot.product, slot.category, "kept");
  say(held ? texts.spoken.unlocked(short(slot.category)) : texts.spoken.locked(short(slot.category)));
}

/** Unlock every product, and choose again. */
export function unlockAll() {
  set({ locked: {} });
  return askLook();
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
  set({
    look: { ...look, slots, looks: [], shown: productsOf(slots) },
    locked: { ...locked, [category]: product.id },
    swapping: null,
  });
  say(texts.spoken.swapped(short(category)));
}

/** Keep the look, to compare it with another one. */
export function keepLook() {
  const { look, locked } = get();
  set({ kept: { ...look, locked } });
  toast(texts.compare.keptNow);
}

/** Show the kept look next to the one on the page, or close both. */
export const compare = (compared) => set({ compared });

/** Go back to the look that was kept. */
export function useKept() {
  const { kept: { locked, ...look }, look: now } = get();
  set({ look, locked, kept: { ...now, locked: get().locked }, compared: false, swapping: null });
}

/** Build the look around a product. */
export function useInLook(product, category) {
  set({ locked: { ...get().locked, [category]: product.id }, view: "look", drawer: null, listed: false });
  return askLook();
}
