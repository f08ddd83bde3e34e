// The visitor's own photo, kept by the browser for this tab alone: it is there after a reload, and gone with the tab.

import { shrunk } from "./photo.js";

const NAME = "photo";
const SMALLER = 1280;

/** Keep a photo. One that is too large for the browser's storage is kept smaller, or not at all. */
export async function keep(blob, title) {
  for (const smaller of [(each) => each, (each) => shrunk(each, SMALLER)]) {
    try {
      sessionStorage.removeItem(NAME);
      sessionStorage.setItem(NAME, JSON.stringify({ title, url: await read(await smaller(blob)) }));
      return;
    } catch {
      // no room, or no storage at all: then the photo is gone after a reload
    }
  }
}

const read = (blob) =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = reject;
    reader.readAsDataURL(blob);
  });

/** The photo that is kept, as {blob, title}, or null. */
export function kept() {
  try {
    const { title, url } = JSON.parse(sessionStorage.getItem(NAME));
    const [head, bytes] = url.split(",");
    const type = /^data:([^;]*)/.exec(head)[1];
    return { title, blob: new Blob([Uint8Array.from(atob(bytes), (each) => each.charCodeAt(0))], { type }) };
  } catch {
    return null;
  }
}
