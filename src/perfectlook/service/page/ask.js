// The actions on a scene: each changes the state and asks the server if needed.

import * as api from "./api.js";
import { keep } from "./kept.js";
import { lightened } from "./photo.js";
import { BEGINNING, get, set } from "./state.js";
import { failureOf } from "./failure.js";
import { askLook, show } from "./asklook.js";
import { endAll, exactly, fresh, options } from "./calls.js";
import { texts } from "./locale.js";
import { say, toast } from "./spoken.js";
import { short } from "./words.js";

const PER_ROW = 12;
const SPARE = 4;
const AROUND = 0.12;

/** Open a scene with the rest of an address: the categories, the filters, the box and the look. */
export async function open(
  scene,
  {
    categories = null,
    filters = BEGINNING.filters,
    box = null,
    view = "rows",
    locked = {},
    budget = "",
    at = 0,
    shown = {},
  } = {},
) {
  forget(get().scene);
  set({
    ...BEGINNING,
    scene: { ...scene, picture: pictureOf(scene) },
    categories,
    filters,
    box,
    view,
    locked,
    look: { ...BEGINNING.look, budget, at, shown },
    phase: "loading",
  });
  await askRows();
  if (view === "look" && get().phase === "done") await askLook({ at, shown });
}

/** Open a file that was dropped, pasted, picked or photographed. */
export async function openFile(file) {
  const blob = await lightened(file);
  await keep(blob, file.name);
  return open({ kind: "photo", blob, title: file.name });
}

/** Go back to the start. */
export function close() {
  endAll();
  forget(get().scene);
  set(BEGINNING);
}

const forget = (scene) => scene?.kind === "photo" && URL.revokeObjectURL(scene.picture);

function pictureOf(scene) {
  if (scene.kind === "photo") return URL.createObjectURL(scene.blob);
  if (scene.kind === "sample") return api.at(`/v1/samples/${encodeURIComponent(scene.name)}/picture`);
  return scene.url.startsWith("https:") ? scene.url : null; // the policy of the page allows no http pictures
}

/** Ask for all rows. */
export async function askRows() {
  const { scene, categories } = get();
  const signal = fresh("rows");
  set({ phase: "loading", failure: null });
  say(texts.spoken.looking);
  try {
    const wanted = categories ? { category: categories } : {};
    const answer = await api.complete(
      scene,
      options(get(), { k: PER_ROW + SPARE, attention: true, ...wanted }),
      signal,
    );
    if (signal.aborted) return;
    const sections = exactly(categories ?? [], answer.categories).map((each) => sectionOf(each, answer));
    set({
      phase: "done",
      answer: {
        sections,
        requestId: answer.request_id,
        isFar: answer.far_from_known,
        pieces: piecesOf(answer.in_scene ?? []),
      },
      size: answer.photo_size,
      ...filtersFor(sections),
    });
    say(
      sections.length
        ? texts.spoken.found(sections.map((each) => short(each.category)))
        : texts.spoken.nothing,
    );
  } catch (error) {
    if (error.name === "AbortError") return;
    set({ phase: "failed", failure: failureOf(error) });
  }
}

/**
 * A section with the products of its row, and spare ones, which replace those that the visitor rejects. If it is
 * `full`, there may be more products. It has attention only if the deletion test says that attention explains the
 * ranking.
 */
const sectionOf = (section, answer) => ({
  ...section,
  attention: section.attention?.holds ? section.attention : null,
  products: section.products.slice(0, PER_ROW),
  spare: section.products.slice(PER_ROW),
  full: section.products.length === PER_ROW + SPARE,
  requestId: answer.request_id,
});

/** The products that the photo already shows, by category: the nearest first, at the same part of the photo. */
function piecesOf(products) {
  const found = new Map();
  for (const each of products)
    found.set(each.category, [...(found.get(each.category) ?? []), each]);
  return [...found].map(([category, all]) => ({ category, region: all[0].region, products: all }));
}

/** Which filters apply to the catalogue's products, and the currency of most of their prices. */
function filtersFor(sections) {
  const products = sections.flatMap((section) => section.products);
  const { priced, stocked, currency } = get();
  const found = products.map((each) => / ([A-Z]{3})$/.exec(each.price ?? "")?.[1]).filter(Boolean);
  const times = (unit) => found.filter((each) => each === unit).length;
  const [most] = [...new Set(found)].toSorted((one, other) => times(other) - times(one));
  return {
    priced: priced || products.some((each) => each.price),
    stocked: stocked || products.some((each) => each.availability),
    currency: currency ?? most ?? null,
  };
}

/** Add a category: ask only for its row. */
export async function addCategory(category) {
  const { scene, answer } = get();
  const sections = answer?.sections ?? [];
  if (sections.some((each) => each.category === category)) return;
  const signal = fresh(`row ${category}`);
  set({ categories: [...sections.map((each) => each.category), category], adding: category });
  try {
    const found = await api.complete(
      scene,
      options(get(), { k: PER_ROW + SPARE, attention: true, category: [category] }),
      signal,
    );
    if (signal.aborted || get().scene !== scene) return;
    const added = found.categories
      .filter((each) => each.category === category)
      .map((each) => sectionOf(each, found));
    const now = get().answer;
    const after = [...now.sections, ...added];
    set({ adding: null, answer: { ...now, sections: after }, ...filtersFor(after) });
    say(texts.spoken.added(short(category)));
    renewLook();
  } catch (error) {
    set({ adding: null });
    if (error.name !== "AbortError") toast(failureOf(error).text);
  }
}

/** Remove a category. */
export function removeCategory(category) {
  const { answer } = get();
  const sections = answer.sections.filter((each) => each.category !== category);
  const { [category]: _, ...locked } = get().locked;
  set({
    answer: { ...answer, sections },
    categories: sections.map((each) => each.category),
    locked,
    pinned: null,
  });
  say(texts.spoken.removed(short(category)));
  renewLook();
}

/** After a change of categories the look is out of date. If it is shown, ask for it again now. */
function renewLook() {
  set({ look: { ...get().look, phase: "none" } });
  if (get().view === "look") show("look");
}

/** Use the categories that the server suggests. */
export function suggestAgain() {
  set({ categories: null, locked: {} });
  return again();
}

/** Change filters and ask again, if there are `categories` for them alone. */
export function filter(changes, categories = []) {
  set({ filters: { ...get().filters, ...changes }, ...(categories.length && { categories, locked: {} }) });
  return again();
}

/** Remove all filters. */
export const clearFilters = () => filter(BEGINNING.filters);

/** Use only a part of the photo; null uses all of it. */
export function setBox(box) {
  set({ box, draft: null });
  return again();
}

/** Use a part of the photo around a region, and close the product that was found there. */
export function completePart([left, top, right, bottom]) {
  set({ drawer: null });
  return setBox([left - AROUND, top - AROUND, right + AROUND, bottom + AROUND].map((edge) => Math.min(1, Math.max(0, edge))));
}

/** Ask again for the rows, and for the look if it is shown. */
export async function again() {
  set({ look: { ...get().look, phase: "none" } });
  await askRows();
  const { view, phase, look } = get();
  const first = { at: look.at, shown: look.shown }; // the look of the address, if none has come yet
  if (view === "look" && phase === "done") await askLook(look.slots.length ? {} : first);
}

/** Show the attention of a category over the photo, or stop. */
export const pin = (category) => set({ pinned: get().pinned === category ? null : category });
