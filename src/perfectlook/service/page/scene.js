// The scene: the photo with the attention over it, the box, and a caption.

import { inWords, paint } from "./attention.js";
import { boxElement, draggable } from "./box.js";
import { mount as mountDots } from "./dots.js";
import { h, icon, replace } from "./element.js";
import { texts } from "./locale.js";
import { show } from "./picture.js";
import { get, listen, set } from "./state.js";

const FIRST = [0.25, 0.25, 0.75, 0.75];

/** Show the state in `host`, and follow its changes. */
export function mount(host, act) {
  const image = h("img", { class: "scene-photo", alt: "", draggable: false });
  const glow = h("div", { class: "glow", aria: { hidden: "true" } });
  const marks = h("div", { class: "marks" });
  const dots = h("div", { class: "dots" });
  const frame = h(
    "div",
    { class: "frame", data: { empty: texts.scene.noPhoto } },
    image,
    glow,
    dots,
    marks,
    h("div", { class: "scan", aria: { hidden: "true" } }),
  );
  const caption = h("figcaption", { class: "caption" });
  const tools = h("div", { class: "scene-tools" });
  host.append(h("figure", { class: "scene" }, frame, caption), tools);
  const drawDots = mountDots(dots, frame, tools, act);
  const boxed = {
    draft: (draft) => set({ draft }),
    done: act.setBox,
    gone: () => (get().box ? act.setBox(null) : set({ draft: null })),
  };
  draggable(frame, { now: () => get().draft ?? get().box, choosing: () => get().draft !== null, act: boxed });
  image.addEventListener("load", () => {
    frame.classList.remove("blank");
    ratio(host, image.naturalWidth / image.naturalHeight);
  });
  image.addEventListener("error", () => {
    frame.classList.add("blank");
    ratio(host, 4 / 3);
  });
  listen(
    ({ scene, keys }) => [scene, keys],
    (scene) => {
      image.alt = texts.scene.photo(scene?.title);
      show(image, scene?.picture);
      host.classList.toggle("unsized", Boolean(scene?.picture));
      frame.classList.toggle("blank", Boolean(scene) && !scene.picture);
    },
  );
  listen(
    ({ size }) => [size],
    (size) => size && ratio(host, size.width / size.height),
  );
  listen(
    ({ phase }) => [phase],
    (phase) => frame.classList.toggle("looking", phase === "loading"),
  );
  listen(
    ({ answer, box, draft }) => [answer, box ?? draft],
    (answer, box) => drawDots(box ? null : answer),
  );
  listen(
    ({ box, draft }) => [box, draft],
    (box, draft) => {
      const shown = draft ?? box;
      frame.classList.toggle("choosing", draft !== null);
      replace(marks, shown ? boxElement(shown, boxed) : null);
    },
  );
  listen(
    ({ box, draft, phase }) => [box, draft, phase],
    (box, draft, phase) => replace(tools, ...sceneTools(box, draft, phase, boxed)),
  );
  listen(
    ({ pinned, answer, box, draft }) => [pinned, answer, box, draft],
    (category, answer, box, draft) => {
      const section = draft ? null : answer?.sections.find((each) => each.category === category);
      paint(glow, section?.attention, box);
      caption.textContent = section?.attention ? inWords(category, section.attention) : hint(answer);
    },
  );
}

const isTouch = matchMedia("(hover: none)").matches;

/** What to do with the photo. Only some models have attention to show. */
function hint(answer) {
  if (answer && !answer.sections.some(({ attention }) => attention)) return isTouch ? "" : texts.scene.hintPart;
  return isTouch ? texts.scene.hintTouch : texts.scene.hint;
}

/** Set the ratio of the photo. Until it is known, what is below the photo is hidden, so that nothing jumps. */
function ratio(host, value) {
  host.style.setProperty("--ratio", value.toFixed(4));
  host.classList.toggle("tall", value < 0.9);
  host.classList.remove("unsized");
}

function sceneTools(box, draft, phase, boxed) {
  const button = (label, symbol, kind, key, onclick) =>
    h("button", { type: "button", class: kind, data: { key }, onclick }, icon(symbol), label);
  if (draft) {
    return [
      button(texts.scene.usePart, "crop", "primary small", "apply", () => boxed.done(draft)),
      button(texts.scene.cancel, "close", "quiet", "cancel", () => set({ draft: null })),
    ];
  }
  const choose = () => {
    set({ draft: box ?? FIRST });
    document.querySelector(".box")?.focus();
  };
  return [
    button(box ? texts.scene.changePart : texts.scene.choosePart, "crop", "quiet", "choose", choose),
    box && button(texts.scene.wholePhoto, "photo", "quiet", "whole", () => boxed.done(null)),
  ].filter(Boolean);
}
