/** What members of a team say of files that were sent to all of them: one blob each, which stays until every member has had its word. */
import type { OutFileRecord } from "../records/file-records.ts";
import { endFile, fileKey, filesOf } from "../records/files.ts";
import { isFinal } from "../records/outbox-records.ts";
import { find, get, pad, put, rowsUnder } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import type { ToRecord } from "../records/team-records.ts";
import { bringAnew, isUnfetched, type Unfetched } from "./file-reports.ts";
import { unlink } from "../turn/outbox-rows.ts";
import type { Turn } from "../turn/turn.ts";

interface Word {
  name: string;
  file: number;
  /** `fetched`, or why it never will be. */
  word: string;
}

/**
 * A member of those whom a message was for has a file of it, or does not get it: its first word counts, unless that is that it could not have it. Nothing is brought anew while others may need the blob,
 * for whom it may be as it was.
 * @returns the message as it is then
 */
export async function fileAtMember(turn: Turn, row: OutboxRecord, { name, file, word }: Word): Promise<OutboxRecord> {
  const { recipients, seq } = row;
  const record = await find(turn.tx, "out-file/", fileKey({ seq, index: file }));
  if (recipients === undefined || record === undefined || hasEnded(record)) return row;
  const at = `${pad(seq)}/${name}`;
  const before = (await get(turn.tx, "to/", at)) ?? { state: "missing" };
  const known = before.files?.[file];
  // Who could not have it may have it after all, or never want it.
  if (known !== undefined && (!isUnfetched(known) || isUnfetched(word))) return row;
  await put(turn.tx, "to/", at, { ...before, files: { ...before.files, [file]: word } });
  const { fetched = 0, ended = 0 } = recipients.files?.[file] ?? {};
  const counts = { fetched: fetched + Number(word === FETCHED), ended: ended + Number(known === undefined) };
  const after = { ...row, recipients: { ...recipients, files: { ...recipients.files, [file]: counts } } };
  await put(turn.tx, "out/", pad(seq), after);
  if (counts.ended < recipients.all) return after;
  const isThere = counts.fetched > 0;
  const again = await bringAgain(turn, after, record);
  if (again !== undefined) return again;
  await endFile(turn.tx, record, isThere ? { state: "fetched" } : { state: "failed", reason: word });
  // Who is gone is not asked any more.
  if (isFinal(row.state) && recipients.expired === 0 && !(await awaitsFetching(turn, row))) await unlink(turn, row);
  return after;
}

export const FETCHED = "fetched";

/** All have had their word: those who did not get it are told where it lies when it has been brought anew. @returns the message, if it is */
async function bringAgain(turn: Turn, row: OutboxRecord, file: OutFileRecord): Promise<OutboxRecord | undefined> {
  const { recipients, seq } = row;
  const without: { at: string; to: ToRecord; word: Unfetched }[] = [];
  for await (const [key] of rowsUnder(turn.tx, `to/${pad(seq)}/`)) {
    const at = key.slice("to/".length);
    const to = await get(turn.tx, "to/", at);
    const word = to?.files?.[file.index] ?? "";
    if (to !== undefined && isUnfetched(word)) without.push({ at, to, word });
  }
  const [first] = without;
  const counts = recipients?.files?.[file.index];
  if (recipients === undefined || counts === undefined || first === undefined) return undefined;
  const isDamaged = without.some(({ word }) => word === "file_damaged");
  if (!(await bringAnew(turn.tx, file, isDamaged ? "file_damaged" : first.word))) return undefined;
  for (const { at, to } of without) {
    const { [file.index]: _word, ...files } = to.files ?? {};
    await put(turn.tx, "to/", at, { ...to, files });
  }
  const ended = counts.ended - without.length;
  const now = {
    ...row,
    recipients: { ...recipients, files: { ...recipients.files, [file.index]: { ...counts, ended } } },
  };
  await put(turn.tx, "out/", pad(seq), now);
  return now;
}

/** A member never fetches any of a message's files. @returns the message as it is then */
export async function filesWithout(turn: Turn, row: OutboxRecord, name: string, word: string): Promise<OutboxRecord> {
  let now = row;
  for (let file = 0; file < (row.files ?? 0); file++) now = await fileAtMember(turn, now, { name, file, word });
  return now;
}

/** Whether somebody may still fetch files of a message, or become one who does not. */
export async function awaitsFetching({ tx }: Turn, { seq, files }: OutboxRecord): Promise<boolean> {
  return files !== undefined && (await filesOf(tx, seq)).some((file) => !hasEnded(file));
}

function hasEnded({ state }: { state: string }): boolean {
  return state === "fetched" || state === "failed";
}
