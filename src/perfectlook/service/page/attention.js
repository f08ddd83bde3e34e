// The attention of the model, drawn over the photo: regions without attention are darker.

import { h } from "./element.js";
import { texts } from "./locale.js";
import { place, short } from "./words.js";

const NAMED = 3;
const STRONG = 0.35;
const NEARLY_EVEN = 1.5;
const DARKEST = 140;

/** The strongest regions as {row, column, weight}: at most three, none much weaker than the first. */
function strongest({ rows, columns, weights }) {
  const ordered = weights.map((weight, at) => ({
    row: Math.floor(at / columns),
    column: at % columns,
    weight,
  }));
  ordered.sort((one, other) => other.weight - one.weight);
  return ordered
    .slice(0, NAMED)
    .filter(({ weight }) => weight >= STRONG * ordered[0].weight && weight > 1.05 / (rows * columns));
}

/** Draw the attention over a photo in `glow`; nothing without attention. `box`: the part that it is of. */
export function paint(glow, attention, box) {
  glow.classList.toggle("shown", Boolean(attention));
  if (!attention) return;
  const canvas = h("canvas", {});
  veil(canvas, attention);
  glow.replaceChildren(canvas);
  const [left, top, right, bottom] = box ?? [0, 0, 1, 1];
  Object.assign(glow.style, {
    left: `${left * 100}%`,
    top: `${top * 100}%`,
    width: `${(right - left) * 100}%`,
    height: `${(bottom - top) * 100}%`,
  });
}

/** Draw the veil on a small canvas: the less attention, the darker. The browser smooths it. */
function veil(canvas, { rows, columns, weights }) {
  const grid = new OffscreenCanvas(columns, rows);
  const pen = grid.getContext("2d");
  const pixels = pen.createImageData(columns, rows);
  const most = Math.max(...weights);
  weights.forEach((weight, at) =>
    pixels.data.set([14, 11, 8, DARKEST * (1 - (weight / most) ** 0.55)], 4 * at),
  );
  pen.putImageData(pixels, 0, 0);
  canvas.width = columns * 24;
  canvas.height = rows * 24;
  const over = canvas.getContext("2d");
  over.imageSmoothingEnabled = true;
  over.imageSmoothingQuality = "high";
  over.clearRect(0, 0, canvas.width, canvas.height);
  over.drawImage(grid, 0, 0, canvas.width, canvas.height);
}

/** A sentence that says where the model looked for a category. */
export function inWords(category, attention) {
  const { rows, columns } = attention;
  const found = strongest(attention);
  const places = [...new Set(found.map(({ row, column }) => place(row, column, rows, columns)))];
  const even = found.every(({ weight }) => weight < NEARLY_EVEN / (rows * columns));
  return texts.scene.attention(short(category), places, even);
}
