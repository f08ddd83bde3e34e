// The key that a server may ask for: it lies in this tab until that is closed, and goes with every call.

import { h } from "./element.js";

const NAME = "key";
const UNKNOWN = "This key is not known here.";
const listeners = new Set();
let key = kept();

function kept() {
  try {
    return sessionStorage.getItem(NAME);
  } catch {
    return null; // a browser that keeps nothing asks again when the page is loaded again
  }
}

function use(said) {
  key = said;
  try {
    sessionStorage.setItem(NAME, said);
  } catch {
    // as above
  }
}

/** The headers that every call has: the key, where there is one. */
export const headers = () => (key ? { Authorization: `Bearer ${key}` } : {});

/** Say that the server wants a key, or another one than it was given. */
export function wanted() {
  for (const listener of listeners) listener(key !== null);
}

/** Ask for the key in `dialog` whenever one is wanted, then call `entered`. */
export function mount(dialog, entered) {
  const problem = h("p", { class: "key-problem", id: "key-problem", role: "alert" });
  const field = h("input", {
    type: "password",
    id: "key-field",
    autocomplete: "off",
    spellcheck: false,
    required: true,
    aria: { describedby: "key-problem" },
  });
  const complain = (refused) => {
    problem.textContent = refused ? UNKNOWN : "";
    field.setAttribute("aria-invalid", String(refused));
  };
  const submit = (event) => {
    event.preventDefault();
    const said = field.value.trim();
    if (!/^[\x21-\x7e]+$/.test(said)) return complain(true);
    use(said);
    field.value = "";
    dialog.close();
    return entered();
  };
  dialog.append(
    h(
      "form",
      { class: "key-form", onsubmit: submit },
      h("h2", { id: "key-title" }, "This server asks for a key"),
      h("p", {}, "Whoever runs it can give you one. It is kept until this tab is closed."),
      h("label", { class: "unseen", for: "key-field" }, "Key"),
      field,
      problem,
      h(
        "div",
        { class: "state-actions" },
        h("button", { type: "submit", class: "primary small" }, "Use it"),
        h("button", { type: "button", class: "secondary small", onclick: () => dialog.close() }, "Not now"),
      ),
    ),
  );
  listeners.add((refused) => {
    complain(refused);
    if (!dialog.open) dialog.showModal();
  });
}
