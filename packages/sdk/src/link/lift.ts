import type { GroupCrypto } from "../crypto/mls/group.ts";
import { type Group, GroupError } from "../crypto/mls/seam.ts";
import { isLifted, sayLifted } from "../records/format.ts";
import { saveState } from "../records/group-state.ts";
import { rowsUnder, toBytes } from "../records/records.ts";
import type { ClientStore } from "../store/store.ts";

/** Lifts a store of the version before, once: `mls/` had whole states. What is none stays as it is, and is set aside when it is needed. */
export async function liftStates(store: ClientStore, crypto: GroupCrypto): Promise<void> {
  if (await store.read(isLifted)) return;
  await store.write(async (tx) => {
    for await (const [key, value] of rowsUnder(tx, "mls/")) {
      const group = stateIn(crypto, toBytes(value));
      if (group !== undefined) await saveState(tx, key.slice("mls/".length), crypto.parts(group));
    }
    await sayLifted(tx);
  });
}

function stateIn(crypto: GroupCrypto, bytes: Uint8Array): Group | undefined {
  try {
    return crypto.decode(bytes);
  } catch (error) {
    if (error instanceof GroupError) return undefined;
    throw error;
  }
}
