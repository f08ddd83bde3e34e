// The calls of the API, and the errors that the server answers with.

import { headers, wanted } from "./key.js";
import { texts } from "./locale.js";

/** A failed call; `status` is 0 if no server answered. */
export class Refusal extends Error {
  constructor(code, message, status = 0, retryAfter = null, details = null) {
    super(message);
    Object.assign(this, { code, status, retryAfter, details });
  }
}

/** An address of the server. The page may be below a path of a proxy. */
export const at = (path) => new URL(path.replace(/^\//, ""), document.baseURI).href;

async function call(path, options = {}) {
  const sent = headers();
  let response;
  try {
    response = await fetch(at(path), { ...options, headers: { ...options.headers, ...sent } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("no_server", texts.failure.unreachable.title);
  }
  if (response.ok) return response.json();
  if (response.status === 401) {
    if (sent.Authorization !== headers().Authorization) return call(path, options); // a key was entered meanwhile
    wanted();
  }
  const answer = await response.json().catch(() => ({}));
  const after = Number(response.headers.get("Retry-After")) || null;
  throw new Refusal(
    answer.error?.code ?? "failed",
    answer.error?.message ?? texts.failure.status(response.status),
    response.status,
    after,
    answer.error?.details ?? null,
  );
}

const asJson = (body, signal) => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
  signal,
});

/** Ask for the products that go with a scene; the options have the names of the API. */
export function complete(scene, options, signal) {
  if (scene.kind === "photo") {
    const form = new FormData();
    form.append("photo", scene.blob, "photo");
    for (const [name, value] of Object.entries(options))
      for (const each of [value].flat()) form.append(name, String(each));
    return call("/v1/complete", { method: "POST", body: form, signal });
  }
  const named = scene.kind === "sample" ? { sample: scene.name } : { url: scene.url };
  return call("/v1/complete", asJson({ ...named, ...options }, signal));
}

/** Ask for the products most similar to a product of the catalogue. */
export const similar = (id, options, signal) => call("/v1/similar", asJson({ id, ...options }, signal));

/** Ask for the record of a product. */
export const product = (id) => call(`/v1/products/${encodeURIComponent(id)}`);

/** Ask for the categories of the catalogue with their numbers of products. */
export const categories = async () => (await call("/v1/categories")).categories;

/** Ask for the brands and colours of the catalogue: Maps from values to their numbers of products. */
export async function facets() {
  const { facets: found } = await call("/v1/facets");
  const of = (field) => {
    const values = found.find((each) => each.field === field)?.values ?? [];
    return new Map(values.map(({ value, products }) => [value, products]));
  };
  return { brands: of("brand"), colours: of("color") };
}

/** Ask for the sample scenes of the server. */
export async function samples() {
  const found = await call("/v1/samples");
  const listed = Array.isArray(found) ? found : (found.samples ?? []);
  return listed.map((each) => ({ ...each, picture: at(each.picture) }));
}

/** Send feedback, even while the page is closing. True if the server stored it. */
export async function feedback(requestId, events) {
  try {
    const body = asJson({ request_id: requestId, events });
    const sent = await fetch(at("/v1/feedback"), {
      ...body,
      headers: { ...body.headers, ...headers() },
      keepalive: true,
    });
    return sent.ok;
  } catch {
    return false;
  }
}

/** The address of a product's picture, `size` pixels wide. */
export const picture = (product, size) => at(`${product.picture}?size=${size}`);
