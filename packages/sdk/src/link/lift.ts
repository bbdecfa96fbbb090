import type { GroupCrypto } from "../crypto/mls/group.ts";
import { type Group, GroupError } from "../crypto/mls/seam.ts";
import { isLifted, sayLifted } from "../records/format.ts";
import { saveState } from "../records/group-state.ts";
import type { GroupRecord, MemberRecord } from "../records/group-records.ts";
import { put, readable, rowsUnder, toBytes } from "../records/records.ts";
import type { ClientStore, Value, WriteTransaction } from "../store/store.ts";

/** Of a group's record, what has a record of its own now: what was known of its other side. */
const OF_PEER = ["receive_counter", "gaps", "heard_at", "confirmed", "receipts_out", "said_at_commit"] as const;

/**
 * Lifts a store of the version before, once: `mls/` had whole states, and `group/` what is known of the other side. What cannot be read stays as it
 * is, and is set aside when it is needed.
 */
export async function liftStore(store: ClientStore, crypto: GroupCrypto): Promise<void> {
  if (await store.read(isLifted)) return;
  await store.write(async (tx) => {
    for await (const [key, value] of rowsUnder(tx, "mls/")) {
      const group = stateIn(crypto, toBytes(value));
      if (group !== undefined) await saveState(tx, key.slice("mls/".length), crypto.parts(group));
    }
    for await (const [key, value] of rowsUnder(tx, "group/")) await liftPeer(tx, key, value);
    await sayLifted(tx);
  });
}

async function liftPeer(tx: WriteTransaction, key: string, value: Value): Promise<void> {
  const { peer_device: device, ...record } = (readable(value) ?? {}) as GroupRecord & Partial<OldPeer>;
  if (device === undefined) return;
  const peer: MemberRecord = { name: record.contact, device, receive_counter: 0 };
  for (const field of OF_PEER) {
    Object.assign(peer, { [field]: record[field] });
    delete record[field];
  }
  await put(tx, "member/", `${record.id}/${peer.name}`, peer);
  await tx.put(key, JSON.stringify(record));
}

type OldPeer = Pick<MemberRecord, (typeof OF_PEER)[number]> & { peer_device: string };

function stateIn(crypto: GroupCrypto, bytes: Uint8Array): Group | undefined {
  try {
    return crypto.decode(bytes);
  } catch (error) {
    if (error instanceof GroupError) return undefined;
    throw error;
  }
}
