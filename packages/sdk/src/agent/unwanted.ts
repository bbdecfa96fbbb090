/** Messages in the inbox that the owner does not want handed out any more: its policy has changed since they came, or a block has. */
import type { ClientStore, ReadTransaction, WriteTransaction } from "../store/store.ts";
import { find, pad, rowsUnder } from "../records/records.ts";
import type { InboxRecord } from "../records/tables.ts";
import { holdFromInbox } from "../trust/held.ts";
import { policyOf, standingOf } from "../trust/standing.ts";
import { settleRow } from "./settling.ts";

/** Rows that are ended in one transaction, unless one sender has more: others want to write, too. */
const AT_ONCE = 200;

/** The owner's word on a message that is about to be handed out, as it is now. */
export async function wordOn(tx: ReadTransaction, { from, team }: InboxRecord): Promise<"give" | "wait" | "refuse"> {
  const standing = await standingOf(tx, from);
  if (standing !== undefined) return standing === "allow" ? "give" : "refuse";
  // Whoever is in a group that the owner has taken part in needs no other consent.
  if (team !== undefined) return "give";
  return (await policyOf(tx)) === "open" ? "give" : "wait";
}

/** Lets a message wait for consent, or ends it: where its sender is blocked, and where there is no room. */
export async function endUnwanted(tx: WriteTransaction, row: InboxRecord): Promise<undefined> {
  const isBlocked = (await wordOn(tx, row)) === "refuse";
  if (!isBlocked && (await holdFromInbox(tx, row))) return;
  // The owner has ended it, so it is no dead letter.
  await settleRow(tx, row, { state: "failed", reason: isBlocked ? "blocked" : "requests_full", late: true });
}

/**
 * Those of some messages that are not to be handed out. Where some have left the inbox since they were read, each is looked for:
 * one may have waited for the owner since, which has it come anew. What others have handled is shown all the same.
 */
export async function unwantedOf(tx: ReadTransaction, rows: InboxRecord[], isGone = false): Promise<Set<InboxRecord>> {
  const words = new Map<string, Awaited<ReturnType<typeof wordOn>>>();
  const unwanted = new Set<InboxRecord>();
  for (const row of rows) {
    const whose = row.team === undefined ? row.from : `${row.from} in a group`;
    const word = words.get(whose) ?? (await wordOn(tx, row));
    words.set(whose, word);
    if (word !== "give" || (isGone && (await tx.get(`in/${pad(row.seq)}`)) === undefined)) unwanted.add(row);
  }
  return unwanted;
}

/** Settles messages that are not to be handed out. @returns those that another listener has in hand, and those that are wanted by now */
export function endThese(
  store: ClientStore,
  unwanted: InboxRecord[],
): Promise<{ claimed: string[]; wanted: Set<InboxRecord> }> {
  return store.write(async (tx) => {
    const claimed: string[] = [];
    const wanted = new Set<InboxRecord>();
    for (const row of unwanted) {
      const now = await find(tx, "in/", pad(row.seq));
      if (now?.state !== "unhandled" || now.local_id !== row.local_id) continue;
      if (now.claim !== undefined) claimed.push(pad(row.seq));
      else if ((await wordOn(tx, now)) === "give") wanted.add(row);
      else await endUnwanted(tx, now);
    }
    return { claimed, wanted };
  });
}

/**
 * Goes through all that waits for a handler, after the owner has said who may write. What one has sent is done in one
 * transaction: whoever is let in meanwhile keeps its order.
 */
export async function endAllUnwanted(store: ClientStore): Promise<void> {
  const ofSenders = await store.read(async (tx) => {
    const rows: InboxRecord[] = [];
    for await (const [key] of rowsUnder(tx, "unhandled/")) {
      const row = await find(tx, "in/", key.slice("unhandled/".length));
      if (row !== undefined) rows.push(row);
    }
    return [...Map.groupBy(await unwantedOf(tx, rows), ({ from }) => from).values()];
  });
  for (let batch: InboxRecord[]; ofSenders.length > 0; await endThese(store, batch))
    for (batch = []; ofSenders.length > 0 && batch.length < AT_ONCE;) batch.push(...(ofSenders.shift() ?? []));
}
