// Keep the address of the page up to date, and share it.

import { fromAddress, toAddress } from "./address.js";
import { kept } from "./kept.js";
import { back } from "./layers.js";
import { texts } from "./locale.js";
import { get, listen } from "./state.js";
import { toast } from "./spoken.js";

let restoring = false;

/** Write the state to the address, and restore it when the visitor goes back or forward. */
export function mount(button, act) {
  let last = get().scene;
  listen(
    ({ scene, categories, filters, box, view, locked, look }) => [
      scene,
      categories,
      filters,
      box,
      view,
      locked,
      look.budget,
      look.at,
      look.shown,
    ],
    (scene) => {
      if (scene !== last && scene && !restoring)
        history.pushState(null, "", location.pathname + toAddress(get()));
      else write();
      last = scene;
    },
  );
  addEventListener("popstate", () => (back() ? write() : restore(act)));
  button.addEventListener("click", share);
}

/** Write the state to the current entry of the history. */
function write() {
  if (get().scene) history.replaceState(history.state, "", location.pathname + toAddress(get()));
}

/** Open the scene of the address; without a scene, the start. */
export async function restore(act) {
  if (get().scene && toAddress(get()) === location.search) return;
  const { scene, ...further } = fromAddress(location.search);
  const photo = scene?.kind === "photo" ? kept() : {};
  if (!scene || !photo) {
    act.close();
    return;
  }
  const title = get().samples?.find((each) => each.name === scene.name)?.title;
  restoring = true; // the address is there already
  const opening = act.open({ title, ...scene, ...photo }, further);
  restoring = false;
  await opening;
}

async function share() {
  if (get().scene?.kind === "photo") {
    toast(texts.share.own);
    return;
  }
  try {
    if (navigator.share && matchMedia("(pointer: coarse)").matches)
      await navigator.share({ title: document.title, url: location.href });
    else {
      await navigator.clipboard.writeText(location.href);
      toast(texts.share.copied);
    }
  } catch (error) {
    if (error.name !== "AbortError") toast(texts.share.copyYourself);
  }
}
