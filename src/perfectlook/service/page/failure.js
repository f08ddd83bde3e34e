// What went wrong, in words that say what to do.

const TOO_LARGE = {
  title: "This photo is too large",
  text: "Choose a smaller one, or a screenshot of it.",
  again: false,
};
const NO_PICTURE = {
  title: "This is not a photo we can read",
  text: "Use a JPEG, PNG, WebP, AVIF or HEIC picture.",
  again: false,
};
const BUSY = { title: "Many people are here just now", text: "Please try again in a moment.", again: true };

const UNREACHABLE = {
  title: "The server cannot be reached",
  text: "Check the connection and try again.",
  again: true,
};
const GONE = { title: "This is not here any more", text: "Choose another scene.", again: false };
const KEY = "Try again to enter it, or ask whoever runs this server for one.";
const NOT_FETCHED = "This picture could not be fetched";

/** {title, text, again} of a Refusal: `again` where trying the same once more can help. */
export function failureOf({ status, message, retryAfter }) {
  if (status === 0) return UNREACHABLE;
  if (status === 413) return TOO_LARGE;
  if (status === 415) return NO_PICTURE;
  if (status === 404) return GONE;
  if (status === 503 || status === 429) return { ...BUSY, text: wait(retryAfter) };
  const text = sentence(message ?? "");
  if (status === 502) return { title: NOT_FETCHED, text, again: true };
  if (status === 401) return { title: "A key is needed here", text: KEY, again: true };
  if (status >= 400 && status < 500) return { title: "That did not work", text, again: false };
  return { title: "Something went wrong", text, again: true };
}

const wait = (seconds) => (seconds > 1 ? `Please try again in ${seconds} seconds.` : BUSY.text);

const sentence = (text) =>
  text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) || !text ? "" : ".");
