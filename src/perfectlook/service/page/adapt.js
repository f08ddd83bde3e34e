// How to adapt the model to photos that are unlike those it knows.

import { h, replace } from "./element.js";
import { closed, opened } from "./layers.js";
import { texts } from "./locale.js";

/** Prepare the dialog, and return the action that opens it. */
export function mount(dialog) {
  const close = () => dialog.close();
  dialog.addEventListener("close", () => closed(close));
  return {
    explainAdapting: () => {
      replace(
        dialog,
        h("h2", { id: "adapt-title" }, texts.adapt.title),
        h("p", {}, texts.adapt.text),
        h("pre", { tabIndex: 0 }, h("code", {}, texts.adapt.commands)),
        h("p", {}, texts.adapt.more),
        h("button", { type: "button", class: "primary small", onclick: close }, texts.product.close),
      );
      dialog.showModal();
      opened(close);
    },
  };
}
