/** Messages in the inbox that the owner does not want handed out any more: its policy has changed since they came, or a block has. */
import type { ClientStore, ReadTransaction, WriteTransaction } from "../store/store.ts";
import { find, get, pad } from "../records/records.ts";
import type { InboxRecord } from "../records/tables.ts";
import { holdFromInbox } from "../trust/held.ts";
import { policyOf, standingOf } from "../trust/standing.ts";
import { settleRow } from "./settling.ts";

/** Rows that are looked at in one transaction: others want to write, too. */
const AT_ONCE = 200;

/** The owner's word on a message that is about to be handed out, as it is now. */
export async function wordOn(tx: ReadTransaction, { from }: InboxRecord): Promise<"give" | "wait" | "refuse"> {
  const standing = await standingOf(tx, from);
  if (standing !== undefined) return standing === "allow" ? "give" : "refuse";
  return (await policyOf(tx)) === "open" ? "give" : "wait";
}

/** Lets a message wait for consent, or ends it: where its sender is blocked, and where there is no room. */
export async function endUnwanted(tx: WriteTransaction, row: InboxRecord): Promise<undefined> {
  const isBlocked = (await wordOn(tx, row)) === "refuse";
  if (!isBlocked && (await holdFromInbox(tx, row))) return;
  // The owner has ended it, so it is no dead letter.
  await settleRow(tx, row, { state: "failed", reason: isBlocked ? "blocked" : "requests_full", late: true });
}

/** Those of some messages, as they are now, that are not to be handed out. */
export async function unwantedOf(tx: ReadTransaction, rows: InboxRecord[]): Promise<Set<InboxRecord>> {
  const words = new Map<string, Awaited<ReturnType<typeof wordOn>>>();
  const unwanted = new Set<InboxRecord>();
  for (const row of rows) {
    const word = words.get(row.from) ?? (await wordOn(tx, row));
    words.set(row.from, word);
    if (word !== "give") unwanted.add(row);
  }
  return unwanted;
}

/** The same of messages as they were: one may have waited for the owner since, which has it come anew. What others have handled is shown all the same. */
export async function unwantedNow(tx: ReadTransaction, rows: InboxRecord[]): Promise<Set<InboxRecord>> {
  const unwanted = await unwantedOf(tx, rows);
  for (const row of rows) if ((await find(tx, "in/", pad(row.seq))) === undefined) unwanted.add(row);
  return unwanted;
}

/** Settles messages that are not to be handed out, unless another listener has them in hand. */
export async function endThese(store: ClientStore, unwanted: Set<InboxRecord>): Promise<void> {
  const open = [...unwanted].filter(({ state }) => state === "unhandled");
  if (open.length === 0) return;
  await store.write(async (tx) => {
    for (const { seq, from } of open) await endAt(tx, pad(seq), from);
  });
}

/** Goes through all that waits for a handler, after the owner has said who may write. */
export async function endAllUnwanted(store: ClientStore): Promise<void> {
  for (let after: string | undefined, more = true; more;)
    ({ after, more } = await store.write(async (tx) => {
      const keys = (await tx.list({ prefix: "unhandled/", after, limit: AT_ONCE })).map(([key]) => key);
      for (const key of keys) await endAt(tx, key.slice("unhandled/".length));
      return { after: keys.at(-1), more: keys.length === AT_ONCE };
    }));
}

async function endAt(tx: WriteTransaction, place: string, from?: string): Promise<void> {
  const row = await get(tx, "in/", place);
  if (row?.state !== "unhandled" || row.claim !== undefined || (from !== undefined && row.from !== from)) return;
  if ((await wordOn(tx, row)) !== "give") await endUnwanted(tx, row);
}
