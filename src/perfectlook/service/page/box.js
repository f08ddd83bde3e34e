// A box on the photo, drawn, moved and resized by pointer or keyboard. Only the part in it is used.

import { h } from "./element.js";
import { texts } from "./locale.js";

const LEAST = 0.08;
const STEP = 0.02;
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** The box between two corners, limited to the photo. */
export function between([x0, y0], [x1, y1]) {
  return [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)].map((edge) =>
    clamp(edge, 0, 1),
  );
}

/** Whether a box is large enough not to be an accident. */
export const meant = ([left, top, right, bottom]) => right - left >= LEAST && bottom - top >= LEAST;

/** A box moved as a whole, within the photo. */
export function moved([left, top, right, bottom], dx, dy) {
  const x = clamp(dx, -left, 1 - right);
  const y = clamp(dy, -top, 1 - bottom);
  return [left + x, top + y, right + x, bottom + y];
}

/** A box with its lower right corner moved, at least as large as the minimum. */
export function resized([left, top, right, bottom], dx, dy) {
  return [left, top, clamp(right + dx, left + LEAST, 1), clamp(bottom + dy, top + LEAST, 1)];
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** The effect of a key on a box: {draft}, {done: box}, {gone: true} or null. */
export function keyed(box, key, shift) {
  if (ARROWS[key]) {
    const [dx, dy] = ARROWS[key].map((way) => way * STEP);
    return { draft: shift ? resized(box, dx, dy) : moved(box, dx, dy) };
  }
  if (key === "Enter") return { done: box };
  return key === "Escape" ? { gone: true } : null;
}

const spoken = (box) => texts.scene.box(...box.map((edge) => Math.round(edge * 100)));

/** The element of a box. `act`: {draft(box), done(box), gone()}. */
export function boxElement(box, act) {
  const element = h(
    "div",
    {
      class: "box",
      tabIndex: 0,
      role: "group",
      data: { key: "box" },
      aria: { label: spoken(box) },
      onkeydown: (event) => {
        const made = keyed(box, event.key, event.shiftKey);
        if (!made) return;
        event.preventDefault();
        if (made.draft) act.draft(made.draft);
        else if (made.done) act.done(made.done);
        else act.gone();
      },
    },
    ["nw", "ne", "sw", "se"].map((corner) => h("span", { class: `corner ${corner}`, data: { corner } })),
  );
  const [left, top, right, bottom] = box;
  Object.assign(element.style, {
    left: `${left * 100}%`,
    top: `${top * 100}%`,
    width: `${(right - left) * 100}%`,
    height: `${(bottom - top) * 100}%`,
  });
  return element;
}

/** Let a pointer draw, move and resize the box `now()` on `frame`. A finger does so only while `choosing()`. */
export function draggable(frame, { now, choosing, act }) {
  let drag = null;
  const at = (event) => {
    const { left, top, width, height } = frame.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  };
  frame.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || (event.pointerType === "touch" && !choosing() && !event.target.closest(".box")))
      return;
    if (event.target.closest("button")) return;
    const from = at(event);
    drag = { from, last: null, change: changeOf(event.target, now(), from) };
    frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const next = drag.change(at(event));
    if (!meant(next)) return;
    drag.last = next;
    act.draft(next);
  });
  const end = (keep) => () => {
    const last = drag?.last;
    drag = null;
    if (last) keep ? act.done(last) : act.draft(null);
  };
  frame.addEventListener("pointerup", end(true));
  frame.addEventListener("pointercancel", end(false));
}

function changeOf(target, box, from) {
  const corner = target.dataset?.corner;
  if (box && corner) {
    const [left, top, right, bottom] = box;
    const fixed = [corner.includes("w") ? right : left, corner.includes("n") ? bottom : top];
    return (to) => between(fixed, to);
  }
  if (box && target.closest(".box")) return (to) => moved(box, to[0] - from[0], to[1] - from[1]);
  return (to) => between(from, to);
}
