// The page's only mutable state. Parts read it by `get`, change it by `set` and hear of changes by `listen`.

/** What everything begins with.
 *
 * scene: {kind: "photo" | "sample" | "url", ...} or null; categories: null (the server suggests) or paths;
 * box: [left, top, right, bottom] in 0..1 or null; draft: a box that is being drawn; lit: the category whose
 * attention is shown; votes: product id -> "kept" | "rejected". Beside it stand the catalogue's categories
 * (`known`), the samples, and how many keys have been entered.
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

/** The state as it is; never change it in place. */
export const get = () => state;

/** Replace some of the state and tell everyone. */
export function set(changes) {
  state = { ...state, ...changes };
  for (const listener of [...listeners]) listener(state);
}

/** Call `listener` after every change of what `select` picks (compared value by value), and once now. */
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
