// Below the photo: the pieces of the catalogue that the photo already shows.

import { picture } from "./api.js";
import { h, replace } from "./element.js";
import { texts } from "./locale.js";
import { show } from "./picture.js";
import { listen } from "./state.js";
import { nameOf, short } from "./words.js";

/** Show the state in `host`, and follow its changes. */
export function mount(host, act) {
  listen(
    ({ answer }) => [answer],
    (answer) => replace(host, answer?.pieces.length ? pieces(answer, act) : null),
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
            h("span", { class: "tile" }, show(thumbnail(), picture(first, 160))),
            h("span", {}, short(category)),
          ),
        );
      }),
    ),
  );

const thumbnail = () =>
  h("img", { alt: "", loading: "lazy", onload: ({ target }) => target.classList.add("here") });
