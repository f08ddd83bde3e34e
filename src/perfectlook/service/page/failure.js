// What a failed call means for the visitor, and what to do.

import { texts } from "./locale.js";

/** {title, text, again} of a Refusal. `again`: trying again can help. */
export function failureOf({ status, message, retryAfter }) {
  const { failure } = texts;
  if (status === 0) return { ...failure.unreachable, again: true };
  if (status === 413) return { ...failure.tooLarge, again: false };
  if (status === 415) return { ...failure.noPicture, again: false };
  if (status === 404) return { ...failure.gone, again: false };
  if (status === 503 || status === 429) return { ...failure.busy, ...wait(retryAfter), again: true };
  if (status === 401) return { ...failure.noKey, again: true };
  const text = sentence(message ?? "");
  if (status === 502) return { title: failure.notFetched, text, again: true };
  if (status >= 400 && status < 500) return { title: failure.refused, text, again: false };
  return { title: failure.other, text, again: true };
}

const wait = (seconds) => (seconds > 1 ? { text: texts.failure.wait(seconds) } : {});

const sentence = (text) =>
  text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) || !text ? "" : ".");
