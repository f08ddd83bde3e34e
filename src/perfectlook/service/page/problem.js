// The message of a failed answer: what went wrong and what to do.

import { h, replace } from "./element.js";
import { texts } from "./locale.js";
import { listen } from "./state.js";

/** Show the state in `host`, and follow its changes. */
export function mount(host, act) {
  listen(
    ({ phase, failure }) => [phase, failure],
    (phase, failure) => {
      document.getElementById("studio").classList.toggle("failed", phase === "failed");
      replace(
        host,
        phase === "failed"
          ? h(
              "div",
              { class: "state problem", role: "alert" },
              h("h2", {}, failure.title),
              h("p", {}, failure.text),
              h(
                "div",
                { class: "state-actions" },
                failure.again
                  ? h("button", { type: "button", class: "primary small", onclick: act.again }, texts.failure.again)
                  : null,
                h(
                  "button",
                  { type: "button", class: "secondary small", onclick: act.leave },
                  texts.failure.otherPhoto,
                ),
              ),
            )
          : null,
      );
    },
  );
}
