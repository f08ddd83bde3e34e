// What was shown, clicked, kept and rejected: collected and sent in batches, soon and when the page is left.

import { feedback } from "./api.js";

const SOON = 800;
const AT_ONCE = 100;
const waiting = new Map();
const shown = new Set();
let timer = 0;

/** Note an event of a product that an answer gave. */
export function report(requestId, product, category, event) {
  if (!requestId) return;
  const events = waiting.get(requestId) ?? [];
  events.push({ product: product.id, category, rank: product.rank ?? 0, event });
  waiting.set(requestId, events);
  clearTimeout(timer);
  timer = setTimeout(send, SOON);
}

/** Send what is waiting; what the server did not take is dropped, since judging again is easy. */
export function send() {
  for (const [requestId, events] of waiting) {
    for (let from = 0; from < events.length; from += AT_ONCE)
      feedback(requestId, events.slice(from, from + AT_ONCE));
  }
  waiting.clear();
}

const seen = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      const { product, category, requestId } = cards.get(target);
      const key = `${requestId} ${category} ${product.id}`;
      if (!shown.has(key)) report(requestId, product, category, "shown");
      shown.add(key);
    }
  },
  { threshold: 0.6 },
);
const cards = new WeakMap();

/** Report a card as shown once most of it has been on the screen. */
export function watch(card, product, category, requestId) {
  cards.set(card, { product, category, requestId });
  seen.observe(card);
  return card;
}

addEventListener("visibilitychange", () => document.visibilityState === "hidden" && send());
