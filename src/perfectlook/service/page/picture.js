// Pictures of the server: an image cannot send a key, so where there is one they are fetched with it.

import { headers } from "./key.js";

const wanted = new WeakMap();

/** Give an image the picture at an address, or none; returns the image. */
export function show(image, address) {
  wanted.set(image, address);
  if (!address) image.removeAttribute("src");
  else if (address.startsWith("/") && headers().Authorization) fetched(image, address);
  else image.src = address;
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
  image.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
  image.src = url;
}
