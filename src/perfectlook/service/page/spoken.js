// Announcements: for screen readers, and as short notes at the edge of the page.

import { h } from "./element.js";

const HOLD = 4000;
let timer = 0;

/** Announce a text to screen readers. */
export function say(text) {
  document.getElementById("spoken").textContent = text;
}

/** Show a note for a few seconds, with a button if there is an `action` {label, act}. Screen readers read it too. */
export function toast(text, action = null) {
  const host = document.getElementById("toast");
  const hide = () => host.classList.remove("shown");
  const press = () => {
    hide();
    action.act();
  };
  host.replaceChildren(
    text,
    ...(action ? [h("button", { type: "button", class: "toast-action", onclick: press }, action.label)] : []),
  );
  host.classList.add("shown");
  clearTimeout(timer);
  timer = setTimeout(hide, action ? 2 * HOLD : HOLD);
}
