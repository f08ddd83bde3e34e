// The rows: the products of each category.

import { card, paintVotes } from "./card.js";
import { arrange, h, icon } from "./element.js";
import { numbers, texts } from "./locale.js";
import { get, listen } from "./state.js";
import { above, leaf } from "./words.js";

const drawn = new WeakMap();

/** Show the state in `host`, and follow its changes. */
export function mount(host, act) {
  const waiting = skeletons();
  const far = h("p", { class: "barren", role: "status" }, texts.rows.far);
  listen(
    ({ answer, phase, view, adding }) => [answer, phase, view, adding],
    (answer, phase, view, adding) => {
      host.hidden = view !== "rows" || phase === "failed" || phase === "start";
      host.setAttribute("aria-busy", String(phase === "loading"));
      if (!answer) return arrange(host, phase === "loading" ? waiting : []);
      const rows = answer.sections.map((section) => rowOf(section, act));
      arrange(host, [
        ...(answer.isFar ? [far] : []),
        ...rows,
        ...(adding ? [waiting[0]] : []),
        ...(isEmpty(answer.sections) && !adding ? [empty(answer.sections, act)] : []),
      ]);
    },
  );
  listen(
    ({ votes, answer }) => [votes, answer],
    (votes) => paintVotes(host, votes),
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

const isEmpty = (sections) => sections.every((section) => section.products.length === 0);

function rowOf(section, act) {
  if (!drawn.has(section)) drawn.set(section, row(section, act, get().votes));
  return drawn.get(section);
}

/** The row of a category with its products. */
export function row(section, act, votes) {
  const { category, products, requestId } = section;
  const name = leaf(category);
  const list = h(
    "ul",
    { class: "cards", role: "list" },
    products.map((each) => card(each, category, requestId, act, votes[each.id])),
  );
  const element = h(
    "section",
    {
      class: "row",
      data: { category },
      aria: { label: name },
      onpointerenter: (event) => event.pointerType === "mouse" && act.light(category),
      onpointerleave: (event) => event.pointerType === "mouse" && act.light(null),
      onfocusin: () => act.light(category),
      onfocusout: () => act.light(null),
    },
    h(
      "header",
      { class: "row-head" },
      h("div", { class: "row-words" }, h("h2", {}, name), h("p", {}, subtitle(section))),
      h(
        "div",
        { class: "row-actions" },
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
        ),
        ...slides(list, name),
        h(
          "button",
          {
            type: "button",
            class: "round",
            title: texts.rows.remove,
            aria: { label: texts.rows.removeRow(name) },
            onclick: () => act.removeCategory(category),
          },
          icon("close"),
        ),
      ),
    ),
    products.length ? list : h("p", { class: "barren" }, texts.rows.none),
  );
  return element;
}

function subtitle({ category, suggested, present }) {
  const unknown = suggested === undefined || suggested === null;
  const likely = present ? texts.rows.present : unknown ? null : texts.rows.likely(numbers.percent(suggested));
  return [likely, above(category)].filter(Boolean).join(" · ");
}

function slides(list, name) {
  const slide = (way) => () => list.scrollBy({ left: way * list.clientWidth * 0.8, behavior: "smooth" });
  const button = (way, label, symbol) =>
    h(
      "button",
      { type: "button", class: "round slide", aria: { label }, onclick: slide(way) },
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

function empty(sections, act) {
  if (!sections.length) {
    return h(
      "div",
      { class: "state" },
      h("h2", {}, texts.rows.noCategories),
      h("p", {}, texts.rows.addOne),
      h("button", { type: "button", class: "secondary", onclick: act.suggestAgain }, texts.rows.suggest),
    );
  }
  return h(
    "div",
    { class: "state" },
    h("h2", {}, texts.rows.nothing),
    h("p", {}, texts.rows.widen),
    h("button", { type: "button", class: "secondary", onclick: act.clearFilters }, texts.tools.clear),
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
