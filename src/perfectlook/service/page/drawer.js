// The drawer: one product in detail, and similar products.

import { picture } from "./api.js";
import { card, heart, paintHearts, priceOf, why } from "./card.js";
import { h, icon } from "./element.js";
import { closed, opened as layered } from "./layers.js";
import { texts } from "./locale.js";
import { arrived, missing, show } from "./picture.js";
import { get, listen } from "./state.js";
import { nameOf, stock } from "./words.js";

/** Show the state in the dialog, and follow its changes. */
export function mount(dialog, act) {
  let opener = null;
  const close = () => dialog.close();
  dialog.addEventListener("close", () => {
    closed(close);
    if (get().drawer) act.closeProduct();
    if (opener?.isConnected) opener.focus();
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  let shown = null;
  listen(
    ({ drawer }) => [drawer],
    (drawer) => {
      if (!drawer) return dialog.open && dialog.close();
      const moved = shown !== drawer.product;
      shown = drawer.product;
      if (!dialog.open) opener = document.activeElement;
      if (moved || !dialog.open) dialog.replaceChildren(...inside(drawer, act));
      dialog.querySelector(".alike")?.replaceWith(alike(drawer, act));
      paintHearts(dialog, get().shortlist);
      if (!dialog.open) {
        dialog.showModal();
        layered(close);
      }
      if (moved) {
        dialog.scrollTop = 0;
        dialog.querySelector("h2").focus();
      }
      return null;
    },
  );
  listen(
    ({ shortlist }) => [shortlist],
    (shortlist) => paintHearts(dialog, shortlist),
  );
}

function inside(drawer, act) {
  const { product, category, requestId, trail } = drawer;
  const name = nameOf(product, category);
  return [
    h(
      "div",
      { class: "drawer-bar" },
      trail.length
        ? h("button", { type: "button", class: "quiet", onclick: act.backInDrawer }, icon("left"), texts.product.back)
        : h("span", {}),
      h(
        "button",
        {
          type: "button",
          class: "round",
          aria: { label: texts.product.close },
          onclick: ({ target }) => target.closest("dialog").close(),
        },
        icon("close"),
      ),
    ),
    h(
      "div",
      { class: "drawer-product", data: { product: product.id } },
      h(
        "div",
        { class: "tile large", data: { empty: texts.product.noPicture } },
        show(
          h("img", { alt: name, onload: arrived, onerror: missing }),
          picture(product, 640),
        ),
        h("div", { class: "card-marks" }, heart(product, category, requestId, act)),
      ),
      h(
        "div",
        { class: "drawer-words" },
        product.brand && h("p", { class: "brand-line" }, product.brand),
        h("h2", { id: "drawer-title", tabIndex: -1 }, name),
        priceOf(product),
        stock(product) && h("p", { class: "drawer-stock" }, stock(product)),
        product.reason && h("p", { class: "drawer-reason" }, product.reason.text),
      ),
      isExplained(get().answer) ? why(product.why) : null,
      h(
        "div",
        { class: "drawer-actions" },
        product.link &&
          linked(product.link) &&
          h(
            "a",
            { class: "primary small", href: linked(product.link), target: "_blank", rel: "noopener noreferrer" },
            texts.product.visit,
            icon("out"),
          ),
        get().scene &&
          h(
            "button",
            { type: "button", class: "secondary small", onclick: () => act.useInLook(product, category) },
            icon("look"),
            texts.product.useInLook,
          ),
        drawer.region &&
          h(
            "button",
            { type: "button", class: "secondary small", onclick: () => act.completePart(drawer.region) },
            icon("crop"),
            texts.scene.completePart,
          ),
      ),
    ),
    h("h3", {}, texts.product.alike),
    h("div", { class: "alike" }),
  ];
}

/** Whether shares explain an answer: not far from known photos, nor of a model that sees no regions. */
const isExplained = (answer) =>
  !answer?.isFar && answer?.sections.some(({ products }) => products.some((each) => each.why?.regions));

/** The address of a link of the feed, which can be relative to the service; null if it is not http(s). */
function linked(link) {
  try {
    const url = new URL(link, document.baseURI);
    return /^https?:$/.test(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

function alike({ phase, alike: products, alikeId, category, failure }, act) {
  const busy = { class: "alike", aria: { busy: String(phase === "loading") } };
  if (phase === "failed")
    return h("div", { ...busy, role: "alert" }, h("p", { class: "barren" }, failure.text));
  if (phase === "loading")
    return h(
      "div",
      busy,
      h(
        "div",
        { class: "alike-list" },
        [0, 1, 2, 3].map(() =>
          h("div", { class: "card" }, h("div", { class: "tile bone" }), h("div", { class: "bone line" })),
        ),
      ),
    );
  if (!products.length) return h("div", busy, h("p", { class: "barren" }, texts.product.noneAlike));
  return h(
    "div",
    busy,
    h(
      "ul",
      { class: "alike-list", role: "list" },
      products.map((each) =>
        card(each, each.category ?? category, alikeId, act),
      ),
    ),
  );
}
