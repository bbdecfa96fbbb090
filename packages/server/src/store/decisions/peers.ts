import { usernameKey } from "@aimessage/sdk/protocol";
import { ROW_BYTES } from "../charges.ts";
import type { PeersChange, Refused } from "../store.ts";
import { senderOf } from "./payer.ts";
import { hasSpace } from "./room.ts";
import type { Tables } from "./tables.ts";

/** Changes whom an account has let in and blocked. [P-7.5] */
export function setPeers(tables: Tables, mailbox: number, { clear, allow, block }: PeersChange): Refused | undefined {
  const owner = senderOf(tables, mailbox);
  if (owner === undefined) return { refused: "device_replaced" };
  const { name, address } = owner;
  if (!hasSpace(tables, { sender: name, address }, ROW_BYTES * (allow.length + block.length)))
    return { refused: "storage_quota" };
  tables.peers.change(name, address, { clear, allow: allow.map(usernameKey), block: block.map(usernameKey) });
  return undefined;
}
