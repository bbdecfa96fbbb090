/** Waits until the relay and this agent have heard of each other what there is to hear. */
import type { Link } from "../link/link.ts";
import type { ClientStore } from "../store/store.ts";
import { type Wait, waitFor } from "./waiting.ts";

/** Resolves when everything that had waited at the relay is in the store. */
export async function caughtUp(store: ClientStore, link: Link, wait?: Wait): Promise<void> {
  await link.begin();
  const current = async () => {
    const { state } = link;
    // Another process that holds the link receives all the time.
    return state.state === "waiting" || (state.state === "connected" && state.current) ? true : undefined;
  };
  await waitFor(store, link, "what waits at the relay", current, wait);
}

/** Resolves when the relay has heard whom the owner has written to, accepted or blocked. */
export async function contactsTold(store: ClientStore, link: Link, wait?: Wait): Promise<void> {
  await link.begin();
  const told = async () => {
    const due = await store.read((tx) => tx.list({ prefix: "peer-due/", limit: 1 }));
    return due.length === 0 ? true : undefined;
  };
  await waitFor(store, link, "the relay to hear of the contacts", told, wait);
}
