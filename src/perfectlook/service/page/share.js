// Keep the address of the page up to date, and share it.

import { fromAddress, toAddress } from "./address.js";
import { texts } from "./locale.js";
import { get, listen } from "./state.js";
import { toast } from "./spoken.js";

/** Write the state to the address, and restore it when the visitor goes back or forward. */
export function mount(button, act) {
  let last = get().scene;
  listen(
    ({ scene, categories, filters, box }) => [scene, categories, filters, box],
    (scene) => {
      const address = location.pathname + toAddress(get());
      if (scene !== last && scene) history.pushState(null, "", address);
      else if (scene) history.replaceState(null, "", address);
      last = scene;
    },
  );
  addEventListener("popstate", () => restore(act));
  button.addEventListener("click", share);
}

/** Open the scene of the address; without a scene, the start. */
export function restore(act) {
  const { scene, ...further } = fromAddress(location.search);
  if (!scene) return act.close();
  const title = get().samples.find((each) => each.name === scene.name)?.title;
  return act.open({ ...scene, title }, further);
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
