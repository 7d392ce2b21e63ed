/** The API key, for a service that wants one: asked for once, kept as long as this tab is open. */

import { byId } from "./dom.js";

const NAME = "barometer-key";

export const key = () => sessionStorage.getItem(NAME);

/** The subprotocols that a WebSocket offers: a page cannot set its headers, and addresses are logged. */
export const liveProtocols = () => (key() ? ["barometer", `barometer.key.${key()}`] : []);

/** Shows the dialog, unless it is open; the page begins anew with the key that is given. */
export function askForKey() {
  const [dialog, form, input, problem] = ["key-dialog", "key-form", "key-input", "key-problem"].map(byId);
  if (dialog.open) return;
  problem.textContent = "This key is not known.";
  problem.hidden = !key();
  form.addEventListener("submit", () => {
    sessionStorage.setItem(NAME, input.value.trim());
    location.reload();
  });
  dialog.addEventListener("cancel", (event) => event.preventDefault()); // without a key there is nothing to see
  dialog.showModal();
}
