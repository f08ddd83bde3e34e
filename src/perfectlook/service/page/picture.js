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
