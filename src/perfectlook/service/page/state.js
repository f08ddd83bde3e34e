// The only mutable state of the page. Parts read it with `get`, change it with `set`, and follow it with `listen`.

/** The state at the start.
 *
 * scene: {kind: "photo" | "sample" | "url", ...} or null; categories: null (the server suggests) or paths;
 * box: [left, top, right, bottom] in 0..1 or null; draft: a box that is being drawn; lit: the category whose
 * attention is shown; votes: product id -> "kept" | "rejected". The state also has the categories of the
 * catalogue (`known`), the samples, and how many keys were entered (`keys`).
 */
export const BEGINNING = Object.freeze({
  scene: null,
  size: null,
  priced: false,
  stocked: false,
  currency: null,
  adding: null,
  categories: null,
  box: null,
  draft: null,
  filters: Object.freeze({ from: "", to: "", inStock: false }),
  view: "rows",
  phase: "start",
  failure: null,
  answer: null,
  look: Object.freeze({ phase: "none", failure: null, requestId: null, slots: [], missing: [], budget: "" }),
  locked: Object.freeze({}),
  swapping: null,
  lit: null,
  pinned: null,
  votes: Object.freeze({}),
  drawer: null,
});

let state = { ...BEGINNING, known: [], samples: [], keys: 0 };
const listeners = new Set();

/** The current state. Never change it in place. */
export const get = () => state;

/** Change a part of the state and call the listeners. */
export function set(changes) {
  state = { ...state, ...changes };
  for (const listener of [...listeners]) listener(state);
}

/** Call `listener` now, and whenever a value that `select` picks has changed. */
export function listen(select, listener) {
  let last = null;
  const check = () => {
    const next = select(state);
    if (last !== null && next.every((value, place) => value === last[place])) return;
    last = next;
    listener(...next);
  };
  listeners.add(check);
  check();
}
