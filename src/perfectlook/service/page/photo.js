// Prepare files for sending.

const HEAVY = 3 * 1024 * 1024;
const LONGEST = 2048;

/** Scale a large photo down if the browser can read it: the model needs no more pixels. */
export const lightened = (file) => (file.size <= HEAVY ? file : shrunk(file, LONGEST));

/** A photo whose longer side has at most this many pixels, as a JPEG; the file itself if it cannot be read. */
export async function shrunk(file, longest) {
  try {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, longest / Math.max(bitmap.width, bitmap.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(bitmap.width * scale);
    canvas.height = Math.round(bitmap.height * scale);
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
    return blob ?? file;
  } catch {
    return file; // the server reads more formats than browsers do
  }
}

/** The first picture that was dropped or pasted, otherwise the first file, or null. */
export function pictureIn(transfer) {
  const files = [...(transfer?.files ?? [])];
  return files.find((file) => file.type.startsWith("image/")) ?? files[0] ?? null;
}
