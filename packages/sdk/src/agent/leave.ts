import { AgentError } from "../errors.ts";
import type { ClientStore } from "../store/store.ts";
import { isForgotten } from "../account/account.ts";
import { ask } from "./asks.ts";
import type { Link } from "../link/link.ts";
import { erase } from "./message.ts";
import { failAllWaiting } from "./settling.ts";
import type { Account } from "../records/own-account.ts";
import { endFiles } from "../records/files.ts";
import { giveUp } from "../records/outbox-records.ts";
import { find, get, rowsUnder } from "../records/records.ts";
import { type Wait, waitFor } from "./waiting.ts";

/** How long what others shall still hear of a leaving agent may take. Milliseconds. */
const LEAVE_MS = 5_000;

export interface LeaveOptions extends Wait {
  /** The name may be registered again. */
  release?: boolean;
}

interface Parts {
  store: ClientStore;
  account: Account;
  link: Link;
  /** Resolves when what waits at the relay is here. */
  sync: () => Promise<void>;
  /** Ends what files are under way. */
  files: () => Promise<void>;
}

/**
 * Removes the agent at its relay, and all that it has here; of a device that another one has replaced only that. Who wrote
 * what is not handled hears that it failed.
 * @returns whether the relay has removed its account
 */
export async function leave(parts: Parts, options: LeaveOptions): Promise<boolean> {
  const { store, link, sync, files } = parts;
  await sync().catch((error: unknown) => {
    // Where the relay cannot be asked to, nothing is given up here either.
    const code = error instanceof AgentError ? error.code : "internal";
    if (["relay_unreachable", "other_relay", "aborted"].includes(code)) throw error;
  });
  const relay = await store.read((tx) => get(tx, "meta/relay"));
  const wasThere = relay?.stopped === undefined && (await leaveRelay(parts, options));
  await files();
  await link.stop(0);
  await erase(store);
  await store.scrub();
  return wasThere;
}

async function leaveRelay({ store, account, link }: Parts, { release, ...wait }: LeaveOptions): Promise<boolean> {
  await failAllWaiting(store, "unregistered");
  await endUploads(store);
  const soon = { timeout: LEAVE_MS, signal: wait.signal };
  const isSaid = async () => (await receiptsAreOut(store)) === true && (await blobsAreGone(store));
  await waitFor(store, link, "the last receipts", async () => (await isSaid()) || undefined, soon).catch(
    () => undefined,
  );
  try {
    await ask(store, link, { type: "unregister", data: release === undefined ? {} : { release } }, wait);
    return true;
  } catch (error) {
    // A process that died here before has done this already, or somebody else.
    if (!isForgotten(error) || account.server !== account.relay.server) throw error;
    return false;
  }
}

/** What has not left never will: its files are not brought, and what is up of them is not kept by the relay until that forgets it. */
async function endUploads(store: ClientStore): Promise<void> {
  await store.write(async (tx) => {
    for await (const [key] of rowsUnder(tx, "out-file/")) {
      const row = await find(tx, "out/", key.split("/")[1] ?? "");
      if (row?.state === "queued") await giveUp(tx, row, "unregistered");
      else if (row !== undefined) await endFiles(tx, row);
    }
  });
}

async function blobsAreGone(store: ClientStore): Promise<boolean> {
  return store.read(async (tx) => (await tx.list({ prefix: "blob/drop/", limit: 1 })).length === 0);
}

/** True when the relay has all that was to be said of what has been received; undefined until then. */
function receiptsAreOut(store: ClientStore): Promise<true | undefined> {
  return store.read(async (tx) => {
    if ((await tx.list({ prefix: "owed/", limit: 1 })).length > 0) return undefined;
    for (const [key] of await tx.list({ prefix: "queue/" })) {
      const row = await get(tx, "out/", key.slice(key.lastIndexOf("/") + 1));
      if (row?.kind === "receipt") return undefined;
    }
    return true;
  });
}
