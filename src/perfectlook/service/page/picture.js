// Pictures of the server. An <img> cannot send a key: with a key, pictures are fetched by script.

import { headers } from "./key.js";

const wanted = new WeakMap();
const near = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      fetched(target, wanted.get(target));
    }
  },
  { rootMargin: "600px" },
);

/** Show the picture of an address in an image, or nothing; returns the image. */
export function show(image, address) {
  wanted.set(image, address);
  near.unobserve(image);
  if (!address) image.removeAttribute("src");
  else if (headers().Authorization && new URL(address, location).origin === location.origin) {
    image.loading = "eager"; // the observer fetches it when it comes near the screen
    near.observe(image);
  } else image.src = address;
  return image;
}

/** Reveal a picture that has arrived. A photo fills its tile; a product on white has a margin. */
export function arrived({ target }) {
  target.closest(".tile")?.classList.toggle("photo", fills(target));
  target.classList.add("here");
}

/** Say that a picture is missing. */
export const missing = ({ target }) => target.closest(".tile").classList.add("broken");

const SIDE = 64; // its edge is narrower than the margin of trimmed pictures
const WHITE = 225;

/** Whether most of a picture's edge is not white. */
function fills(image) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff"; // a transparent picture has nothing at its edge
  context.fillRect(0, 0, SIDE, SIDE);
  context.drawImage(image, 0, 0, SIDE, SIDE);
  const { data } = context.getImageData(0, 0, SIDE, SIDE);
  let dark = 0;
  for (let at = 0; at < SIDE * SIDE; at++) {
    const [row, column] = [Math.floor(at / SIDE), at % SIDE];
    if (row % (SIDE - 1) && column % (SIDE - 1)) continue;
    dark += Math.min(...data.subarray(4 * at, 4 * at + 3)) < WHITE;
  }
  return dark > 2 * SIDE; // of 4 * SIDE - 4
}

async function fetched(image, address) {
  const response = await fetch(address, { headers: headers() }).catch(() => null);
  const blob = response?.ok ? await response.blob() : null;
  if (wanted.get(image) !== address) return;
  if (!blob) {
    image.dispatchEvent(new Event("error"));
    return;
  }
  const url = URL.createObjectURL(blob);
  for (const end of ["load", "error"])
    image.addEventListener(end, () => URL.revokeObjectURL(url), { once: true });
  image.src = url;
}
