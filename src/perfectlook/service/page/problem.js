// The state where there is no answer: what went wrong and what can be done.

import { h, replace } from "./element.js";
import { listen } from "./state.js";

/** Keep `host` as the state says. */
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
                  ? h("button", { type: "button", class: "primary small", onclick: act.again }, "Try again")
                  : null,
                h(
                  "button",
                  { type: "button", class: "secondary small", onclick: act.leave },
                  "Use another photo",
                ),
              ),
            )
          : null,
      );
    },
  );
}
