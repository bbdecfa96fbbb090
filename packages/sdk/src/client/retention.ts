import { closeConversation } from "./conversations.ts";
import { sweepKeyPackages } from "./key-packages.ts";
import { get, list, remove } from "./records.ts";
import { deleteRow, settle } from "./outbox-rows.ts";
import { isFinal } from "./sent.ts";
import type { Turn } from "./turn.ts";

const DAY_MS = 86_400_000;
/** Bodies of handled messages. */
const BODY_MS = 7 * DAY_MS;
/** Ids of messages that were received: longer than a relay keeps a message. */
const SEEN_MS = 30 * DAY_MS;
/** Rows of messages that are settled. */
const ROW_MS = 30 * DAY_MS;
/** A message lives at a relay so long at most: nothing comes in a replaced group after that. */
const MAILBOX_MS = 14 * DAY_MS;
/** Closed conversations: longer than any key package lives by which somebody could be welcomed to one again. */
const CLOSED_MS = 120 * DAY_MS;
/** Rows that one sweep looks at, so that no turn takes long. */
const AT_ONCE = 500;

/** Deletes what is kept no longer. Goes round the tables from sweep to sweep, some rows at a time. */
export async function sweep(turn: Turn): Promise<void> {
  const { tx, now } = turn;
  await sweepKeyPackages(turn);
  for (const [key] of await tx.list({ prefix: "seen-at/", limit: 10 * AT_ONCE })) {
    const [, at, from, id] = key.split("/");
    if (now - Number(at) < SEEN_MS) break;
    await tx.delete(`seen/${from}/${id}`);
    await tx.delete(key);
  }
  await round(turn, "in/", async (seq) => {
    const row = await get(tx, "in/", seq);
    if (row?.settled_at === undefined) return;
    // Dead letters are kept for as long as they are known.
    const age = now - row.settled_at;
    if (age > ROW_MS || (age > BODY_MS && row.state === "handled")) await tx.delete(`in-body/${seq}`);
    if (age > ROW_MS) {
      await tx.delete(`dead/${seq}`);
      await remove(tx, "in/", seq);
    }
  });
  await round(turn, "out/", async (seq) => {
    const row = await get(tx, "out/", seq);
    if (row === undefined || row.state === "queued") return;
    const age = now - row.updated_at;
    if (isFinal(row.state) && age > BODY_MS) await tx.delete(`out-body/${seq}`);
    if (row.kind === "receipt" ? age > MAILBOX_MS : age > ROW_MS && row.state !== "stored") await deleteRow(turn, row);
    // No relay keeps it so long, and this one has not said what became of it.
    else if (age > ROW_MS) await settle(turn, row, "expired", "mailbox_age", true);
  });
  for (const group of await list(tx, "group/")) {
    if (group.state === "replaced" && now - group.created_at > 2 * MAILBOX_MS) {
      const conversation = await turn.conversation(group.id);
      if (conversation !== undefined) await closeConversation(turn, conversation);
    }
    if (group.state === "closed" && now - group.created_at > CLOSED_MS) await remove(tx, "group/", group.id);
  }
}

/** Brings the conversations in which new keys are due by age into memory, where healing looks. */
export async function wakeHealing(turn: Turn): Promise<void> {
  for (const group of await list(turn.tx, "group/"))
    if (group.state === "open" && turn.now - group.committed_at >= DAY_MS) await turn.conversation(group.id);
}

async function round(turn: Turn, prefix: string, visit: (seq: string) => Promise<void>): Promise<void> {
  const mark = `meta/swept-${prefix.slice(0, -1)}`;
  const after = (await turn.tx.get(mark)) as string | undefined;
  const rows = await turn.tx.list({ prefix, after, limit: AT_ONCE });
  for (const [key] of rows) await visit(key.slice(prefix.length));
  const last = rows.at(-1)?.[0];
  const next = rows.length < AT_ONCE || last === undefined ? prefix : last;
  if (next !== (after ?? prefix)) await turn.tx.put(mark, next);
}
