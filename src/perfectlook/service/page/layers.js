// What lies over the page, such as the drawer: the browser's Back closes it before it leaves the page.

import { h, icon } from "./element.js";
import { texts } from "./locale.js";

const open = [];
let own = 0;

/** Report that a layer was opened. `close` closes it. */
export function opened(close) {
  open.push(close);
  history.pushState({ layer: open.length }, "", location.href);
}

/** Report that a layer was closed in another way than by Back: its entry of the history goes too. */
export function closed(close) {
  const at = open.indexOf(close);
  if (at < 0) return;
  open.splice(at, 1);
  own += 1;
  history.back();
}

/** Handle a step back: close the top layer. False if it was a step of the page itself. */
export function back() {
  if (own > 0) {
    own -= 1;
    return true;
  }
  const close = open.pop();
  close?.();
  return Boolean(close);
}

/** The top of a layer: its title, which `id` names for its label, and the button that closes it. */
export function titleBar(id, title, close) {
  return h(
    "div",
    { class: "drawer-bar" },
    h("h2", { id }, title),
    h(
      "button",
      { type: "button", class: "round", data: { key: "close" }, aria: { label: texts.product.close }, onclick: close },
      icon("close"),
    ),
  );
}
