// A small photo with the attention, shown while the photo itself is scrolled out of sight. It opens the photo.

import { paint } from "./attention.js";
import { h, icon } from "./element.js";
import { closed, opened } from "./layers.js";
import { texts } from "./locale.js";
import { show } from "./picture.js";
import { get, listen } from "./state.js";

/** Show the small photo in `host`. While it is open, the content of `scene` is in `dialog`. */
export function mount(host, scene, dialog) {
  const image = h("img", { alt: "", draggable: false });
  const glow = h("span", { class: "small-glow", aria: { hidden: "true" } });
  const button = h(
    "button",
    { type: "button", class: "peek", hidden: true, aria: { label: texts.scene.open }, onclick: () => open() },
    image,
    glow,
  );
  host.append(button);
  const shut = () => dialog.close();
  const close = h(
    "button",
    { type: "button", class: "round photo-close", aria: { label: texts.product.close }, onclick: shut },
    icon("close"),
  );
  function open() {
    scene.style.minHeight = `${scene.offsetHeight}px`; // nothing moves behind the dialog
    dialog.replaceChildren(close, ...scene.childNodes);
    dialog.showModal();
    opened(shut);
  }
  dialog.addEventListener("close", () => {
    closed(shut);
    close.remove();
    scene.append(...dialog.childNodes);
    scene.style.minHeight = "";
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  new IntersectionObserver(([{ isIntersecting }]) => (button.hidden = isIntersecting || dialog.open), {
    rootMargin: "-56px 0px 0px",
  }).observe(scene);
  listen(
    ({ scene: shown, keys }) => [shown, keys],
    (shown) => {
      show(image, shown?.picture);
      image.hidden = !shown?.picture;
    },
  );
  listen(
    ({ phase }) => [phase],
    (phase) => phase === "loading" && dialog.open && dialog.close(),
  );
  listen(
    ({ pinned, answer }) => [pinned, answer],
    (category, answer) =>
      paint(glow, answer?.sections.find((each) => each.category === category)?.attention, get().box),
  );
}
