// Feedback: products that were shown, clicked, kept and rejected, sent in batches and when the page is left.

import { feedback } from "./api.js";

const SOON = 800;
const AT_ONCE = 100;
const waiting = new Map();
const shown = new Set();
let timer = 0;

/** Add an event of a product to the next batch. */
export function report(requestId, product, category, event) {
  if (!requestId) return;
  const events = waiting.get(requestId) ?? [];
  events.push({ product: product.id, category, rank: product.rank ?? 0, event });
  waiting.set(requestId, events);
  clearTimeout(timer);
  timer = setTimeout(send, SOON);
}

/** Send all waiting events. Events that the server does not store are dropped. */
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

/** Report a card as shown when most of it is on the screen. */
export function watch(card, product, category, requestId) {
  cards.set(card, { product, category, requestId });
  seen.observe(card);
  return card;
}

addEventListener("visibilitychange", () => document.visibilityState === "hidden" && send());
