/** The page of `aimessage-server --console`: agents that live in this browser. */
import { BackError } from "../back/port.ts";
import { BrowserAgents } from "./browser-agents.ts";
import { BrowserBack } from "./browser-back.ts";
import { open } from "./open.tsx";
import { place } from "./state.ts";

await open(async () => {
  if (!isSecureContext)
    throw new BackError({
      code: "usage",
      message: "this page is not served securely, so that it can keep no keys",
      hint: "open it by https://, or by http://localhost",
    });
  // Whoever serves the page is the relay, or says which one is.
  const told = document.querySelector<HTMLMetaElement>('meta[name="relay"]')?.content;
  const agents = new BrowserAgents(told ?? `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/ws`);
  place.value = {
    relay: told,
    isKept: await navigator.storage.persisted(),
    register: (name, invite) => agents.register(name, invite),
    restore: (sealed, passphrase) => agents.restore(sealed, passphrase),
    backup: (name, passphrase) => agents.backup(name, passphrase),
    remove: (name) => agents.remove(name),
  };
  return new BrowserBack(agents);
});
