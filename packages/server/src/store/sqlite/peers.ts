import type { DatabaseSync } from "node:sqlite";
import type { Addresses } from "./addresses.ts";
import { ROW_BYTES } from "../charges.ts";
import type { Standing } from "../decisions/work.ts";
import type { PeersChange } from "../store.ts";

/** Pairs that are remembered; beyond them all are forgotten, and read again. */
const REMEMBERED = 20_000;

export type Peers = ReturnType<typeof peersTable>;

/** Whom the owners of accounts have let in, and whom they have blocked. Names in lower case. [P-7.5] */
export function peersTable(db: DatabaseSync, addresses: Addresses, capacity: number) {
  const select = db.prepare("SELECT blocked FROM peers WHERE owner = ? AND peer = ?");
  // A new number: of too many the newest are kept.
  const insert = db.prepare("INSERT INTO peers (owner, peer, blocked, address) VALUES (?, ?, ?, ?)");
  const remove = db.prepare("DELETE FROM peers WHERE owner = ? AND peer = ? RETURNING address");
  const clear = db.prepare("DELETE FROM peers WHERE owner = ? AND blocked = ? RETURNING address");
  const trim = db.prepare(
    `DELETE FROM peers WHERE number IN (SELECT number FROM peers
      WHERE owner = ? AND blocked = ? ORDER BY number DESC LIMIT -1 OFFSET ?) RETURNING address`,
  );
  /** By owner and peer: each message asks. */
  const known = new Map<string, Map<string, Standing>>();
  let pairs = 0;

  function forget(): void {
    known.clear();
    pairs = 0;
  }

  function remember(owner: string, peer: string): Standing {
    if (++pairs > REMEMBERED) forget();
    const standing = read(owner, peer);
    const peers = known.get(owner);
    if (peers === undefined) known.set(owner, new Map([[peer, standing]]));
    else peers.set(peer, standing);
    return standing;
  }

  function read(owner: string, peer: string): Standing {
    const row = select.get(owner, peer) as { blocked: number } | undefined;
    return row === undefined ? "stranger" : row.blocked === 1 ? "blocked" : "peer";
  }

  function add(owner: string, peers: string[], blocked: boolean, address: number | undefined): void {
    const standing = blocked ? "blocked" : "peer";
    const fresh = peers.filter((peer) => read(owner, peer) !== standing);
    for (const peer of fresh) {
      giveBack(remove.all(owner, peer));
      insert.run(owner, peer, Number(blocked), address ?? null);
      addresses.charge(address, ROW_BYTES);
    }
    if (fresh.length > 0) giveBack(trim.all(owner, Number(blocked), capacity));
  }

  function giveBack(rows: unknown[]): void {
    for (const { address } of rows as { address: number | null }[]) addresses.charge(address ?? undefined, -ROW_BYTES);
  }

  return {
    forget,

    standing(owner: string, peer: string): Standing {
      // Nobody needs leave to write to oneself.
      if (owner === peer) return "peer";
      return known.get(owner)?.get(peer) ?? remember(owner, peer);
    },

    /** @param address Of the owner, to which the rows are charged. */
    change(owner: string, address: number | undefined, { clear: list, allow, block }: PeersChange): void {
      if (list === "allow" || list === "all") giveBack(clear.all(owner, 0));
      if (list === "block" || list === "all") giveBack(clear.all(owner, 1));
      add(owner, allow, false, address);
      add(owner, block, true, address);
      // Everything that was remembered is read again: that costs less than to look for the names.
      forget();
    },

    removeAll(owner: string): void {
      this.change(owner, undefined, { clear: "all", allow: [], block: [] });
    },
  };
}
