// The API key: the tab keeps it until it is closed, and sends it with every call.

import { h } from "./element.js";
import { texts } from "./locale.js";

const NAME = "key";
const listeners = new Set();
let key = kept();

function kept() {
  try {
    return sessionStorage.getItem(NAME);
  } catch {
    return null; // without storage, the page asks for the key at every load
  }
}

function use(entered) {
  key = entered;
  try {
    sessionStorage.setItem(NAME, entered);
  } catch {
    // as above
  }
}

/** The headers of every call: the key, if there is one. */
export const headers = () => (key ? { Authorization: `Bearer ${key}` } : {});

/** Report that the server requires a key, or another one. */
export function wanted() {
  for (const listener of listeners) listener(key !== null);
}

/** Ask for the key in `dialog` when the server requires one, then call `entered`. */
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
    problem.textContent = refused ? texts.key.unknown : "";
    field.setAttribute("aria-invalid", String(refused));
  };
  const submit = (event) => {
    event.preventDefault();
    const typed = field.value.trim();
    if (!/^[\x21-\x7e]+$/.test(typed)) return complain(true);
    use(typed);
    field.value = "";
    dialog.close();
    return entered();
  };
  dialog.append(
    h(
      "form",
      { class: "key-form", onsubmit: submit },
      h("h2", { id: "key-title" }, texts.key.title),
      h("p", {}, texts.key.text),
      h("label", { class: "unseen", for: "key-field" }, texts.key.label),
      field,
      problem,
      h(
        "div",
        { class: "state-actions" },
        h("button", { type: "submit", class: "primary small" }, texts.key.use),
        h("button", { type: "button", class: "secondary small", onclick: () => dialog.close() }, texts.key.notNow),
      ),
    ),
  );
  listeners.add((refused) => {
    complain(refused);
    if (!dialog.open) dialog.showModal();
  });
}
