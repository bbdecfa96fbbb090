/** Persons' words, as their senders mark them: some in a day have the guards of their receiver count anew. [P-9.19] */
import type { WriteTransaction } from "../store/store.ts";
import { put } from "../records/records.ts";
import { DAY_MS, isOver, type Judged } from "./guards.ts";

/** Of one contact in a day. A program that marks what it writes has so many times as much as the guards let through, and no more. */
const WORDS = 10;

/**
 * A contact whose fingerprint was compared says that a person has written: what comes of it, and what is answered, is counted anew.
 * @param judged Of that contact, and changed. `now`: Unix milliseconds
 * @returns false if it has had its words of this day, and nothing has changed
 */
export async function goOnByWord(
  tx: WriteTransaction,
  username: string,
  judged: Judged,
  now: number,
): Promise<boolean> {
  const { heard, answered } = judged;
  const words = (answered?.words ?? []).filter((at) => !isOver(at, DAY_MS, now));
  if (words.length >= WORDS) return false;
  // The link alone writes what was heard. In one turn much has come at the same moment, which `renewed_at` cannot tell apart.
  Object.assign(heard, { hour_since: now, messages: 0, day_since: now, bytes: 0 });
  judged.answered = { since: now, answers: 0, heard: heard.count, renewed_at: now, words: [...words, now] };
  await put(tx, "answered/", username, judged.answered);
  return true;
}
