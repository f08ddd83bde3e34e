// What can be done with a scene: each action changes the state and asks the server where it must.

import * as api from "./api.js";
import { lightened } from "./photo.js";
import { BEGINNING, get, set } from "./state.js";
import { failureOf } from "./failure.js";
import { askLook, show } from "./asklook.js";
import { endAll, exactly, fresh, options } from "./calls.js";
import { leaf } from "./words.js";
import { say, toast } from "./spoken.js";

const PER_ROW = 12;

/** Open a scene, with what an address said of it. */
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

/** Back to the start. */
export function close() {
  endAll();
  forget(get().scene);
  const { known, samples } = get();
  set({ ...BEGINNING, known, samples });
}

const forget = (scene) => scene?.kind === "photo" && URL.revokeObjectURL(scene.picture);

function pictureOf(scene) {
  if (scene.kind === "photo") return URL.createObjectURL(scene.blob);
  if (scene.kind === "sample") return `/v1/samples/${encodeURIComponent(scene.name)}/picture`;
  return scene.url.startsWith("https:") ? scene.url : null; // the page may show no picture that came unencrypted
}

/** Ask for all rows anew. */
export async function askRows() {
  const { scene, categories } = get();
  const signal = fresh("rows");
  set({ phase: "loading", failure: null });
  say("Looking at the photo.");
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
      answer: { sections, timings: answer.timings, model: answer.model },
      size: answer.photo_size,
      ...seen(sections),
    });
    say(
      sections.length
        ? `${sections.length} categories: ${sections.map((each) => leaf(each.category)).join(", ")}.`
        : "Nothing found.",
    );
  } catch (error) {
    if (error.name === "AbortError") return;
    set({ phase: "failed", failure: failureOf(error) });
  }
}

/** Which filters the catalogue's products can answer, and in which currency. */
function seen(sections) {
  const products = sections.flatMap((section) => section.products);
  const { priced, stocked, currency } = get();
  const said = products.map((each) => / ([A-Z]{3})$/.exec(each.price ?? "")?.[1]).find(Boolean);
  return {
    priced: priced || products.some((each) => each.price),
    stocked: stocked || products.some((each) => each.availability),
    currency: currency ?? said ?? null,
  };
}

/** Add a category: only its row is asked for. */
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
    set({ adding: null, answer: { ...now, sections: [...now.sections, ...added] }, ...seen(added) });
    say(`${leaf(category)} added.`);
    restyle();
  } catch (error) {
    set({ adding: null });
    if (error.name !== "AbortError") toast(failureOf(error).text);
  }
}

/** Take a category away. */
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
  say(`${leaf(category)} removed.`);
  restyle();
}

/** The categories have changed, so has the look: at once where it is shown. */
function restyle() {
  set({ look: { ...get().look, phase: "none" } });
  if (get().view === "look") show("look");
}

/** Let the server suggest the categories again. */
export function suggestAgain() {
  set({ categories: null, locked: {} });
  return again();
}

/** Change filters and ask again. */
export function filter(changes) {
  set({ filters: { ...get().filters, ...changes } });
  return again();
}

/** Take all filters away. */
export const clearFilters = () => filter(BEGINNING.filters);

/** Complete only a part of the photo, or with null all of it. */
export function setBox(box) {
  set({ box, draft: null });
  return again();
}

/** Ask again for what is seen. */
export async function again() {
  set({ look: { ...get().look, phase: "none" } });
  await askRows();
  if (get().view === "look" && get().phase === "done") await askLook();
}

/** Light up the regions that counted for a category while it is pointed at. */
export const light = (category) => get().lit === category || set({ lit: category });

/** Keep a category's regions lit, or let go of them. */
export const pin = (category) => set({ pinned: get().pinned === category ? null : category });
