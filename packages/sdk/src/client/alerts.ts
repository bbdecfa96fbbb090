/** Alerts: what the owner should know. There is one for each kind and contact, on which repeats are counted. */
import type { ClientStore, WriteTransaction } from "../store/store.ts";
import { type AlertRecord, get, nextSeq, pad, parse, put, readable, remove } from "./records.ts";

const DAY_MS = 86_400_000;
/**
 * Contacts that have an alert of their own of one kind. What the others cause is counted on one more, so that nobody makes
 * the list grow, and no alert goes because of another one.
 */
const ROOM = 100;
/** Those who follow alerts hear of a repeat this long after they heard of it last. Milliseconds. */
const AGAIN_MS = DAY_MS;
/** Whether there is room again is looked at after so long. Milliseconds. */
const COUNT_AGAIN_MS = 3_600_000;
/** An alert that was not repeated for so long is forgotten. Milliseconds. */
const KEPT_MS = 90 * DAY_MS;

/** Raises an alert, or counts it as a repeat. `now` in Unix milliseconds. */
export async function raiseAlert(
  tx: WriteTransaction,
  now: number,
  { kind, contact, text }: { kind: string; contact?: string | undefined; text: string },
): Promise<void> {
  const about = contact === undefined || (await hasRoom(tx, now, kind, contact)) ? contact : undefined;
  const index = indexOf(kind, about);
  const known = (await tx.get(index)) as string | undefined;
  const before = known === undefined ? undefined : await get(tx, "alert/", known);
  const repeat = before !== undefined && Math.abs(now - before.announced_at) < AGAIN_MS;
  if (known !== undefined && !repeat) await remove(tx, "alert/", known);
  const seq = known !== undefined && repeat ? known : pad(await nextSeq(tx, "alert"));
  await tx.put(index, seq);
  await put(tx, "alert/", seq, {
    at: now,
    kind,
    ...(about === undefined ? {} : { contact: about }),
    text,
    count: (before?.count ?? 0) + 1,
    first_at: before?.first_at ?? now,
    announced_at: repeat ? before.announced_at : now,
  });
}

/** Forgets alerts that have not come again for long. */
export async function sweepAlerts(tx: WriteTransaction, now: number): Promise<void> {
  for (const [key, value] of await tx.list({ prefix: "alert/" })) {
    const { at, kind, contact } = parse(key, value) as AlertRecord;
    if (now - at < KEPT_MS) continue;
    await tx.delete(key);
    await tx.delete(indexOf(kind, contact));
  }
}

async function hasRoom(tx: WriteTransaction, now: number, kind: string, contact: string): Promise<boolean> {
  if ((await tx.get(indexOf(kind, contact))) !== undefined) return true;
  // A flood is counted without counting its list for each.
  const fullAt = (await tx.get(`alerts-full/${kind}`)) as string | undefined;
  if (fullAt !== undefined && Math.abs(now - Number(fullAt)) < COUNT_AGAIN_MS) return false;
  if ((await tx.list({ prefix: indexOf(kind, undefined), limit: ROOM })).length < ROOM) return true;
  await tx.put(`alerts-full/${kind}`, String(now));
  return false;
}

function indexOf(kind: string, contact: string | undefined): string {
  return `alert-of/${kind}/${contact ?? ""}`;
}

/** Calls `listener` with each alert from now on, whichever process raised it; with a repeat once a day. */
export function followAlerts(store: ClientStore, listener: (alert: AlertRecord) => void): () => void {
  let last: string | undefined;
  let tail: Promise<void> = Promise.resolve();
  const look = async (quietly: boolean) => {
    const news = await store.read((tx) => tx.list({ prefix: "alert/", after: last }));
    last = news.at(-1)?.[0] ?? last;
    const alerts = news.map(([, text]) => readable(text) as AlertRecord | undefined);
    if (!quietly) for (const alert of alerts) if (alert !== undefined) listener(alert);
  };
  const next = (quietly: boolean) => {
    tail = tail.then(() => look(quietly)).catch(() => undefined);
  };
  next(true);
  return store.onChange(() => next(false));
}
