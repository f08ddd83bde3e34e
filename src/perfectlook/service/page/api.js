// The server's calls, and what it says when it refuses.

import { headers, wanted } from "./key.js";

/** A call that did not succeed; `status` is 0 where no server answered. */
export class Refusal extends Error {
  constructor(code, message, status = 0, retryAfter = null) {
    super(message);
    Object.assign(this, { code, status, retryAfter });
  }
}

async function call(path, options = {}) {
  const sent = headers();
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...options.headers, ...sent } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("no_server", "The server cannot be reached.");
  }
  if (response.ok) return response.json();
  if (response.status === 401) {
    if (sent.Authorization !== headers().Authorization) return call(path, options); // a key came meanwhile
    wanted();
  }
  const said = await response.json().catch(() => ({}));
  const after = Number(response.headers.get("Retry-After")) || null;
  throw new Refusal(
    said.error?.code ?? "failed",
    said.error?.message ?? `The server answered ${response.status}.`,
    response.status,
    after,
  );
}

const asJson = (body, signal) => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
  signal,
});

/** The products that go with a scene; options as the API names them. */
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

/** The products most like one of the catalogue. */
export const similar = (id, options, signal) => call("/v1/similar", asJson({ id, ...options }, signal));

/** All categories of the catalogue with how many products each has. */
export const categories = async () => (await call("/v1/categories")).categories;

/** The scenes that the server offers to try. */
export async function samples() {
  const found = await call("/v1/samples");
  return Array.isArray(found) ? found : (found.samples ?? []);
}

/** Send what was shown and judged; outlives the page. True once the server has it. */
export async function feedback(requestId, events) {
  try {
    const body = asJson({ request_id: requestId, events });
    const sent = await fetch("/v1/feedback", {
      ...body,
      headers: { ...body.headers, ...headers() },
      keepalive: true,
    });
    return sent.ok;
  } catch {
    return false;
  }
}

/** Where a product's picture is, `size` pixels wide. */
export const picture = (product, size) => `${product.picture}?size=${size}`;
