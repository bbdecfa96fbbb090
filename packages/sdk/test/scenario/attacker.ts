import { verifyCertificate } from "../../src/crypto/identity.ts";
import { GroupCrypto } from "../../src/crypto/mls/group.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { readPart, STATE_TABLES } from "../../src/records/group-state.ts";
import { readAccount } from "../../src/records/own-account.ts";
import { fromBase64 } from "../../src/protocol/index.ts";
import type { ReadTransaction } from "../../src/store/store.ts";
import type { Frame } from "./proxy.ts";

/** What a thief finds in a store: MLS states, pending ones, private parts of key packages, and the device's keys. */
export interface Loot {
  /** Each in one piece, as the library has it. */
  states: Uint8Array[];
  /** Everything of the states as it lies there. */
  rows: Uint8Array[];
  packages: Uint8Array[];
  account: NonNullable<Awaited<ReturnType<typeof readAccount>>>;
}

export async function steal(store: { read<T>(work: (tx: ReadTransaction) => Promise<T>): Promise<T> }): Promise<Loot> {
  return store.read(async (tx) => {
    const values = async (prefix: string) =>
      (await tx.list({ prefix })).map(([, value]) => (value as Uint8Array).slice());
    const account = await readAccount(tx);
    if (account === undefined) throw new Error("there is no agent");
    const pending = await values("next/");
    const rows = (await Promise.all(STATE_TABLES.map(values))).flat();
    return {
      states: [...(await statesIn(tx)).values(), ...pending],
      rows: [...rows, ...pending],
      packages: await values("key-secret/"),
      account,
    };
  });
}

/** The MLS states of a store in one piece each, by group. */
export async function statesIn(tx: ReadTransaction): Promise<Map<string, Uint8Array>> {
  const crypto = await GroupCrypto.load(nodeCryptoProvider);
  const states = new Map<string, Uint8Array>();
  for (const [key] of await tx.list({ prefix: "mls/" })) {
    const id = key.slice("mls/".length);
    const group = await crypto.assemble((name) => readPart(tx, id, name));
    if (group !== undefined) states.set(id, crypto.encode(group));
  }
  return states;
}

/** Groups of whose MLS state anything is kept, table by table. */
export function keptOf(tx: ReadTransaction): Promise<string[][]> {
  const groupsIn = async (prefix: string) => new Set((await tx.list({ prefix })).map(([key]) => key.split("/")[1]!));
  return Promise.all(STATE_TABLES.map((prefix) => groupsIn(prefix).then((groups) => Array.from(groups))));
}

/**
 * What of the recorded frames the loot opens, by `message_id` (or `commit_id`): every state is tried on every message in
 * order, and goes on as far as commits carry it; every key package on every Welcome.
 */
export async function readWith(loot: Loot, frames: Frame[]): Promise<string[]> {
  const crypto = await GroupCrypto.load(nodeCryptoProvider);
  const opened = new Set<string>();
  for (const bytes of loot.states) {
    let group = crypto.decode(bytes);
    for (const { data } of frames)
      for (const text of [data.message, data.commit, ...(data.messages ?? []).map(({ message }) => message)]) {
        if (text === undefined || text === "") continue;
        try {
          const result = await crypto.decrypt(group, fromBase64(text));
          group = result.group;
          if (result.kind === "application") opened.add(String(data.message_id));
        } catch {
          // This state does not open it.
        }
      }
  }
  for (const secret of loot.packages)
    for (const { data } of frames)
      for (const text of [data.message, ...(data.welcomes ?? []).map(({ welcome }) => welcome)]) {
        if (text === undefined || text === "") continue;
        try {
          await crypto.join(
            fromBase64(text),
            secret,
            loot.account.device,
            async (credential) => (await verifyCertificate(crypto, credential)) !== undefined,
          );
          opened.add(`welcome ${String(data.message_id ?? data.commit_id)}`);
        } catch {
          // This key package does not open it.
        }
      }
  return [...opened];
}
