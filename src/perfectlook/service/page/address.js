// The page's address: it names the sample or web picture, the categories, the filters and the box.

const round = (value) => Number(value.toFixed(3));

/** The query of the address for a state; "" for an own photo, which only this page has. */
export function toAddress({ scene, categories, filters, box }) {
  if (!scene || scene.kind === "photo") return "";
  const query = new URLSearchParams({ [scene.kind]: scene.kind === "sample" ? scene.name : scene.url });
  for (const category of categories ?? []) query.append("category", category);
  if (filters.from) query.set("from", filters.from);
  if (filters.to) query.set("to", filters.to);
  if (filters.inStock) query.set("stock", "in");
  if (box) query.set("box", box.map(round).join(","));
  return `?${query}`;
}

/** Read an address. Without a scene, `scene` is null; invalid values are left out. */
export function fromAddress(search) {
  const query = new URLSearchParams(search);
  const categories = query.getAll("category");
  return {
    scene: sceneOf(query),
    categories: categories.length ? categories : null,
    filters: {
      from: amount(query.get("from")),
      to: amount(query.get("to")),
      inStock: query.get("stock") === "in",
    },
    box: boxOf(query.get("box")),
  };
}

function sceneOf(query) {
  if (query.get("sample")) return { kind: "sample", name: query.get("sample") };
  const url = query.get("url") ?? "";
  return /^https?:\/\//i.test(url) ? { kind: "url", url } : null;
}

const amount = (text) => (/^\d+(\.\d+)?$/.test(text ?? "") ? text : "");

function boxOf(text) {
  const box = (text ?? "").split(",").map(Number);
  const [left, top, right, bottom] = box;
  return box.length === 4 &&
    left >= 0 &&
    top >= 0 &&
    right <= 1 &&
    bottom <= 1 &&
    left < right &&
    top < bottom
    ? box
    : null;
}
