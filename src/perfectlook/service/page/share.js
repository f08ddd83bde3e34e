// The address of what is seen, and giving it away.

import { fromAddress, toAddress } from "./address.js";
import { get, listen } from "./state.js";
import { toast } from "./spoken.js";

/** Keep the browser's address as the state says, and the state as the browser's back and forward say. */
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

/** Open what the browser's address names; without a scene, the start. */
export function restore(act) {
  const { scene, ...further } = fromAddress(location.search);
  if (!scene) return act.close();
  const title = get().samples.find((each) => each.name === scene.name)?.title;
  return act.open({ ...scene, title }, further);
}

async function share() {
  if (get().scene?.kind === "photo") {
    toast("Your own photo stays with you: only samples and pictures on the web have an address to share.");
    return;
  }
  try {
    if (navigator.share && matchMedia("(pointer: coarse)").matches)
      await navigator.share({ title: document.title, url: location.href });
    else {
      await navigator.clipboard.writeText(location.href);
      toast("The address is copied.");
    }
  } catch (error) {
    if (error.name !== "AbortError") toast("Copy the address from the browser's address bar.");
  }
}
