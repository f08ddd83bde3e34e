// The actions on a scene: each changes the state and asks the server if needed.

import * as api from "./api.js";
import { lightened } from "./photo.js";
import { BEGINNING, get, set } from "./state.js";
import { failureOf } from "./failure.js";
import { askLook, show } from "./asklook.js";
import { endAll, exactly, fresh, options } from "./calls.js";
import { texts } from "./locale.js";
import { say, toast } from "./spoken.js";
import { leaf } from "./words.js";

const PER_ROW = 12;

/** Open a scene with the categories, the filters and the box of an address. */
export function open(scene, { categories = null, filters = BEGINNING.filters, box = null } = {}) {
  forget(get().scene);
  const { known, samples } = get();
  set({
    ...BEGINNING,
    known,
    samples,
    scene: { ...scene, picture: pictureOf(scene) },
    categories,
    filters,
    box,
    phase: "loading",
  });
  return askRows();
}

/** Open a file that was dropped, pasted, picked or photographed. */
export async function openFile(file) {
  return open({ kind: "photo", blob: await lightened(file), title: file.name });
}

/** Go back to the start. */
export function close() {
  endAll();
  forget(get().scene);
  const { known, samples } = get();
  set({ ...BEGINNING, known, samples });
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
      options(get(), { k: PER_ROW, attention: true, ...wanted }),
      signal,
    );
    if (signal.aborted) return;
    const sections = exactly(categories ?? [], answer.categories).map((section) => ({
      ...section,
      requestId: answer.request_id,
    }));
    set({
      phase: "done",
      answer: { sections, timings: answer.timings, model: answer.model, isFar: answer.far_from_known },
      size: answer.photo_size,
      ...filtersFor(sections),
    });
    say(
      sections.length
        ? texts.spoken.found(sections.map((each) => leaf(each.category)))
        : texts.spoken.nothing,
    );
  } catch (error) {
    if (error.name === "AbortError") return;
    set({ phase: "failed", failure: failureOf(error) });
  }
}

/** Which filters apply to the catalogue's products, and the currency of their prices. */
function filtersFor(sections) {
  const products = sections.flatMap((section) => section.products);
  const { priced, stocked, currency } = get();
  const found = products.map((each) => / ([A-Z]{3})$/.exec(each.price ?? "")?.[1]).find(Boolean);
  return {
    priced: priced || products.some((each) => each.price),
    stocked: stocked || products.some((each) => each.availability),
    currency: currency ?? found ?? null,
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
      options(get(), { k: PER_ROW, attention: true, category: [category] }),
      signal,
    );
    if (signal.aborted || get().scene !== scene) return;
    const added = found.categories
      .filter((each) => each.category === category)
      .map((each) => ({ ...each, requestId: found.request_id }));
    const now = get().answer;
    set({ adding: null, answer: { ...now, sections: [...now.sections, ...added] }, ...filtersFor(added) });
    say(texts.spoken.added(leaf(category)));
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
    lit: null,
    pinned: null,
  });
  say(texts.spoken.removed(leaf(category)));
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

/** Change filters and ask again. */
export function filter(changes) {
  set({ filters: { ...get().filters, ...changes } });
  return again();
}

/** Remove all filters. */
export const clearFilters = () => filter(BEGINNING.filters);

/** Use only a part of the photo; null uses all of it. */
export function setBox(box) {
  set({ box, draft: null });
  return again();
}

/** Ask again for the rows, and for the look if it is shown. */
export async function again() {
  set({ look: { ...get().look, phase: "none" } });
  await askRows();
  if (get().view === "look" && get().phase === "done") await askLook();
}

/** Show the attention of a category while the pointer is on its row. */
export const light = (category) => get().lit === category || set({ lit: category });

/** Keep showing the attention of a category, or stop. */
export const pin = (category) => set({ pinned: get().pinned === category ? null : category });
