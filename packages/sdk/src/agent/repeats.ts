/** The same message, sent again by whoever has not heard that it was sent. */
import type { GroupCrypto } from "../crypto/mls/group.ts";
import { lengthPrefixed, utf8 } from "../protocol/index.ts";
import { isFinal, LATELY_MS, rowById } from "../records/outbox-records.ts";
import { pad, rowsUnder } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import type { ReadTransaction, WriteTransaction } from "../store/store.ts";
import type { AddressBook } from "./address-book.ts";
import { parseAddress } from "./address.ts";
import { check } from "./arguments.ts";
import { type Because, enqueue, type Letter } from "./enqueue.ts";

interface Means {
  book: AddressBook;
  crypto: GroupCrypto;
  /** The agent's own name. */
  own: string;
  /** What all that it sends is sent because of. */
  because: Because;
}

/**
 * As {@link enqueue}, unless the same message was put there within `sameWithin`, in whatever process, and may still be
 * handled: then that is the message.
 */
export async function enqueueOnce(
  tx: WriteTransaction,
  { book, crypto, own, because }: Means,
  given: Letter,
): Promise<{ row: OutboxRecord; repeated: boolean }> {
  check("send", given.options, "options");
  const letter = { ...given, options: { ...because, ...given.options } };
  const { sameWithin } = letter.options;
  if (sameWithin === undefined) return { row: await enqueue(tx, book, own, letter), repeated: false };
  check("body", { body: letter.body });
  const digest = await crypto.digest(essence(letter));
  const now = Date.now();
  const before = await sentLately(tx, digest, now - sameWithin);
  if (before !== undefined) return { row: before, repeated: true };
  const row = await enqueue(tx, book, own, letter);
  await tx.put(`lately/${pad(now)}/${row.id}`, digest);
  return { row, repeated: false };
}

/** The first of the messages since `begin` that are the same, and have not ended in vain. */
async function sentLately(tx: ReadTransaction, digest: string, begin: number): Promise<OutboxRecord | undefined> {
  const now = Date.now();
  for await (const [key, value] of rowsUnder(tx, "lately/", `lately/${pad(Math.max(0, begin))}`)) {
    const [, at, id = ""] = key.split("/");
    // From when our clock was ahead nothing is taken for lately.
    if (value !== digest || Number(at) > now + LATELY_MS) continue;
    const row = await rowById(tx, id);
    const inVain =
      row === undefined || (isFinal(row.state) && row.state !== "handled") || (row.expires_at ?? now) < now;
    if (!inVain) return row;
  }
  return undefined;
}

/** Whatever makes a message another one. */
function essence({ to, team, body, options, expectsReply, given }: Letter): Uint8Array {
  const { username, fingerprint } = to.startsWith("@") ? { username: to } : parseAddress(to);
  const { contentType, replyTo, thread, headers } = options;
  const files = given?.files.map(({ name, path, stamp }) => [name, path, stamp]);
  const marks = [team, username, fingerprint, contentType, typeof body, replyTo, thread, headers, expectsReply, files];
  return lengthPrefixed(JSON.stringify(marks), typeof body === "string" ? utf8(body) : body);
}
