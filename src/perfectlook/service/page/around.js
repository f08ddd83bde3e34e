// Below the photo: the total of the look and of the shortlist, and the pieces that the photo already shows.

import { picture } from "./api.js";
import { h, icon, replace } from "./element.js";
import { texts } from "./locale.js";
import { arrived, missing, show } from "./picture.js";
import { rove } from "./roving.js";
import { listen } from "./state.js";
import { nameOf, short, sum } from "./words.js";

/** Show the state in `host`, and follow its changes. */
export function mount(host, act) {
  const totals = h("div", { class: "sums" });
  const shown = h("div");
  host.append(totals, shown);
  rove(shown, () => [[...shown.querySelectorAll(".piece")]]);
  listen(
    ({ look, view, shortlist }) => [look, view, shortlist],
    ({ slots, phase }, view, shortlist) =>
      replace(
        totals,
        view === "rows" && phase === "done" && slots.length
          ? total("look", texts.tools.look, slots, () => act.show("look"))
          : null,
        shortlist.length ? total("heart", texts.shortlist.title, shortlist, () => act.list(true)) : null,
      ),
  );
  listen(
    ({ answer }) => [answer],
    (answer) => replace(shown, answer?.pieces.length ? pieces(answer, act) : null),
  );
}

/** What products cost together, as a button that shows them. */
function total(symbol, title, slots, onclick) {
  const count = slots.reduce((all, { quantity }) => all + (quantity ?? 1), 0);
  return h(
    "button",
    { type: "button", class: "sum", data: { key: `sum ${symbol}` }, onclick },
    icon(symbol),
    h(
      "span",
      {},
      h("span", { class: "sum-title" }, title),
      h("span", { class: "sum-words" }, [texts.look.products(count), sum(slots).total].filter(Boolean).join(" · ")),
    ),
  );
}

const pieces = ({ pieces: found, requestId }, act) =>
  h(
    "section",
    { class: "pieces" },
    h("h2", {}, texts.scene.pieces),
    h(
      "ul",
      { role: "list" },
      found.map((piece) => {
        const { category, products } = piece;
        const [first] = products;
        return h(
          "li",
          {},
          h(
            "button",
            {
              type: "button",
              class: "piece",
              data: { key: `piece ${category}` },
              aria: { label: texts.scene.piece(short(category), nameOf(first, category)) },
              onclick: () => act.openPiece(piece, requestId),
            },
            h("span", { class: "tile", data: { empty: texts.product.noPicture } }, show(thumbnail(), picture(first, 160))),
            h("span", {}, short(category)),
          ),
        );
      }),
    ),
  );

const thumbnail = () =>
  h("img", { alt: "", loading: "lazy", onload: arrived, onerror: missing });
