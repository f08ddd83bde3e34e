// The only mutable state of the page. Parts read it with `get`, change it with `set`, and follow it with `listen`.

/** The state at the start.
 *
 * scene: {kind: "photo" | "sample" | "url", ...} or null; categories: null (the server suggests) or paths;
 * box: [left, top, right, bottom] in 0..1 or null; draft: a box that is being drawn; pinned: the category
 * whose attention is shown; look: the slots on the page, `looks` of the last answer and which of them (`at`), `shown`:
 * their products by category if the server would now choose others, and `over`: why nothing fits the budget;
 * kept: a look to compare with the one on the page; rejected: ids of products that no answer may have.
 *
 * Beyond a scene there are the categories of the catalogue (`known`), its brands and colours (`facets`, each a
 * Map from a value to its number of products), the samples (null
 * until they are known), how many keys were entered (`keys`), the shortlist
 * of {product, category} and whether it is open (`listed`).
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
  filters: Object.freeze({
    from: "",
    to: "",
    inStock: false,
    brands: Object.freeze([]),
    colours: Object.freeze([]),
    words: Object.freeze([]),
  }),
  view: "rows",
  phase: "start",
  failure: null,
  answer: null,
  look: Object.freeze({
    phase: "none",
    failure: null,
    over: null,
    requestId: null,
    looks: [],
    at: 0,
    shown: Object.freeze({}),
    slots: [],
    missing: [],
    excluded: [],
    budget: "",
  }),
  kept: null,
  compared: false,
  locked: Object.freeze({}),
  rejected: Object.freeze([]),
  swapping: null,
  pinned: null,
  drawer: null,
});

let state = {
  ...BEGINNING,
  known: [],
  samples: null,
  facets: { brands: new Map(), colours: new Map() },
  keys: 0,
  shortlist: [],
  listed: false,
};
const listeners = new Set();

/** The current state. Never change it in place. */
export const get = () => state;

/** Whether the catalogue has no products. */
export const isEmpty = () => !state.known.length && state.answer?.sections.length === 0;

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
