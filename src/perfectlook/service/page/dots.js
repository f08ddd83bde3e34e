// Quiet dots on the pieces that the photo shows. No dot is below another, or below a button in the photo's corner.

import { h, replace } from "./element.js";
import { texts } from "./locale.js";
import { rove } from "./roving.js";
import { nameOf, short } from "./words.js";

const RINGS = [0, 1, 1.5, 2, 2.5, 3];
const WAYS = 12;

/** Show dots in `host` over `photo`. Returns `draw(answer)`; null is no dots. `above`: what can be over the photo. */
export function mount(host, photo, above, act) {
  const settle = () => spread([...host.children], photo.getBoundingClientRect(), above.getBoundingClientRect());
  const resized = new ResizeObserver(settle);
  for (const each of [photo, above]) resized.observe(each);
  rove(host, () => [[...host.children]]);
  return (answer) => {
    replace(host, ...(answer?.pieces ?? []).map((each) => dot(each, answer, act)));
    settle();
  };
}

function dot(piece, { requestId }, act) {
  const { category, products, region } = piece;
  const [left, top, right, bottom] = region;
  const element = h("button", {
    type: "button",
    class: "dot",
    data: { key: `dot ${category}` },
    title: short(category),
    aria: { label: texts.scene.piece(short(category), nameOf(products[0], category)) },
    onclick: () => act.openPiece(piece, requestId),
  });
  element.middle = [(left + right) / 2, (top + bottom) / 2];
  return element;
}

/** Put each dot in the middle of its region, or in the nearest place that is free. */
function spread(dots, frame, cover) {
  const placed = [];
  for (const each of dots) {
    const size = each.offsetWidth;
    const [x, y] = [each.middle[0] * frame.width, each.middle[1] * frame.height];
    const free = ([across, down]) =>
      placed.every((one) => Math.hypot(one[0] - across, one[1] - down) >= size) && !covers(cover, frame, across, down, size);
    const place = around(x, y, size).filter(inside(frame, size)).find(free) ?? [x, y];
    placed.push(place);
    each.style.left = `${(100 * place[0]) / (frame.width || 1)}%`;
    each.style.top = `${(100 * place[1]) / (frame.height || 1)}%`;
  }
}

/** Places around a point, the nearest first. */
const around = (x, y, size) =>
  RINGS.flatMap((ring) =>
    Array.from({ length: ring ? WAYS : 1 }, (_, way) => {
      const turn = (2 * Math.PI * way) / WAYS;
      return [x + ring * size * Math.cos(turn), y + ring * size * Math.sin(turn)];
    }),
  );

const inside =
  ({ width, height }, size) =>
  ([x, y]) =>
    x >= size / 2 && y >= size / 2 && x <= width - size / 2 && y <= height - size / 2;

/** Whether a dot would touch what is over the photo. */
function covers(cover, frame, x, y, size) {
  const [left, top] = [cover.left - frame.left, cover.top - frame.top];
  const [near, low] = [Math.max(left - x, x - left - cover.width), Math.max(top - y, y - top - cover.height)];
  return cover.width > 0 && near < size / 2 && low < size / 2;
}
