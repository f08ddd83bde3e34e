// The rows: the products of each category. Rows and cards that stay are not drawn again.

import { card, paintHearts } from "./card.js";
import { arrange, h, icon, pace } from "./element.js";
import { texts } from "./locale.js";
import { rove } from "./roving.js";
import { get, isEmpty, listen } from "./state.js";
import { likely, short } from "./words.js";

/** Show the state in `host`, and follow its changes. */
export function mount(host, act) {
  const waiting = skeletons();
  const drawn = new Map();
  const notes = h("div", { class: "row-notes" });
  listen(
    ({ answer, phase, view, adding }) => [answer, phase, view, adding],
    (answer, phase, view, adding) => {
      host.hidden = view !== "rows" || phase === "failed" || phase === "start";
      host.setAttribute("aria-busy", String(phase === "loading"));
      if (!answer) {
        drawn.clear();
        return arrange(host, phase === "loading" ? waiting : []);
      }
      const [full, barren] = parted(answer.sections);
      arrange(notes, full.length && barren.length ? [none(barren)] : []);
      arrange(host, [
        ...(answer.isFar ? [far(act)] : []),
        ...full.map((section) => rowOf(section, answer, drawn, act)),
        ...(adding ? [waiting[0]] : []),
        ...(full.length || adding ? [notes] : [empty(answer.sections, act)]),
      ]);
      return paintHearts(host, get().shortlist);
    },
  );
  listen(
    ({ shortlist }) => [shortlist],
    (shortlist) => paintHearts(host, shortlist),
  );
  listen(
    ({ pinned, answer }) => [pinned, answer],
    (pinned) => {
      for (const row of host.querySelectorAll(".row")) {
        row.querySelector(".where")?.setAttribute("aria-pressed", String(row.dataset.category === pinned));
      }
    },
  );
}

/** The sections with products, and those without. */
const parted = (sections) => [
  sections.filter(({ products }) => products.length),
  sections.filter(({ products }) => !products.length),
];

/** The row of a section: the one of before if it is of the same answer, with its cards where they were. */
function rowOf(section, answer, drawn, act) {
  const known = drawn.get(section.category);
  const here = known?.requestId === section.requestId ? known : { ...row(section, answer, act), ...section };
  drawn.set(section.category, here);
  here.update(section);
  return here.element;
}

/** The element of a category's row, and `update(section)`, which shows its products. */
export function row(section, answer, act) {
  const { category, requestId } = section;
  const name = short(category);
  const cards = new Map();
  const list = h("ul", { class: "cards", role: "list" });
  const eye =
    section.attention &&
    h(
      "button",
      {
        type: "button",
        class: "round where",
        title: texts.rows.where,
        aria: { pressed: "false", label: texts.rows.whereFor(name) },
        onclick: () => act.pin(category),
      },
      icon("eye"),
    );
  const remove = h(
    "button",
    {
      type: "button",
      class: "round",
      title: texts.rows.remove,
      aria: { label: texts.rows.removeRow(name) },
      onclick: () => act.removeCategory(category),
    },
    icon("close"),
  );
  const actions = eye ? [eye, remove] : [remove];
  const element = h(
    "section",
    {
      class: "row",
      data: { category },
      aria: { label: name },
    },
    h(
      "header",
      { class: "row-head" },
      h("h2", { title: likely(section, answer.isFar) }, name),
      section.present ? h("span", { class: "tag" }, texts.rows.present) : null,
      h("div", { class: "row-actions" }, eye, ...slides(list, name), remove),
    ),
    list,
  );
  const update = ({ products }) => {
    for (const each of products)
      if (!cards.has(each.id))
        cards.set(each.id, card(each, category, requestId, act, { rejectable: true }));
    arrange(
      list,
      products.map(({ id }) => cards.get(id)),
    );
  };
  update(section); // the first product is the tab stop
  rove(
    element,
    () => [actions, ...[".card-open", ".heart", ".reject"].map((control) => [...list.querySelectorAll(control)])],
    ([, products]) => products[0] ?? actions[0],
    (control) => (list.tabIndex = actions.includes(control) ? 0 : -1), // a list that scrolls is always reachable
  );
  list.addEventListener("focus", () => list.querySelector(".card-open")?.focus({ preventScroll: true }));
  return { element, update };
}

function slides(list, name) {
  const slide = (way) => () => list.scrollBy({ left: way * list.clientWidth * 0.8, behavior: pace() });
  const button = (way, label, symbol) =>
    h(
      "button",
      { type: "button", class: "round slide", tabIndex: -1, aria: { label }, onclick: slide(way) },
      icon(symbol),
    );
  const [back, on] = [button(-1, texts.rows.previous(name), "left"), button(1, texts.rows.next(name), "right")];
  const check = () => {
    back.disabled = list.scrollLeft < 4;
    on.disabled = list.scrollLeft + list.clientWidth > list.scrollWidth - 4;
  };
  list.addEventListener("scroll", check, { passive: true });
  new ResizeObserver(check).observe(list);
  return [back, on];
}

/** A photo that is far from what the model knows: said plainly, with what helps. */
const far = (act) =>
  h(
    "div",
    { class: "barren far", role: "status" },
    h("div", {}, h("h2", {}, texts.rows.far), h("p", {}, texts.rows.farText)),
    h("button", { type: "button", class: "secondary small", onclick: act.explainAdapting }, texts.rows.adapt),
  );

/** The categories without products, after the others. */
const none = (sections) =>
  h("p", { class: "barren" }, texts.rows.none(sections.map(({ category }) => short(category))));

/** What an empty catalogue says. */
export const noProducts = () => [h("h2", {}, texts.rows.emptyShop), h("p", {}, texts.rows.emptyText)];

function empty(sections, act) {
  if (isEmpty()) return h("div", { class: "state" }, ...noProducts());
  const [title, text, label, action] = sections.length
    ? [texts.rows.nothing, texts.rows.widen, texts.tools.clear, act.clearFilters]
    : [texts.rows.noCategories, texts.rows.addOne, texts.rows.suggest, act.suggestAgain];
  return h(
    "div",
    { class: "state" },
    h("h2", {}, title),
    h("p", {}, text),
    h("button", { type: "button", class: "secondary", onclick: action }, label),
  );
}

const skeletons = () =>
  [0, 1, 2].map(() =>
    h(
      "div",
      { class: "row skeleton", aria: { hidden: "true" } },
      h("div", { class: "bone title" }),
      h(
        "div",
        { class: "cards" },
        [0, 1, 2, 3, 4, 5].map(() =>
          h(
            "div",
            { class: "card" },
            h("div", { class: "tile bone" }),
            h("div", { class: "bone line" }),
            h("div", { class: "bone line short" }),
          ),
        ),
      ),
    ),
  );
