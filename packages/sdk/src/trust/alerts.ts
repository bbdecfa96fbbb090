/**
 * Alerts: what the owner should know. There is one for each kind and contact, on which repeats are counted. Whom the owner
 * knows has room of its own, whatever comes; names that anybody can make up share what they have.
 */
import type { ClientStore, WriteTransaction } from "../store/store.ts";
import { get, nextSeq, pad, parse, put, readable, remove } from "../records/records.ts";
import { followRows } from "../records/follow.ts";
import { standingOf } from "./standing.ts";
import type { AlertRecord } from "../records/tables.ts";

const DAY_MS = 86_400_000;
/**
 * Strangers that have an alert of their own of one kind. What the others cause is counted on one more, so that nobody makes
 * the list grow, and no alert goes because of another one.
 */
const ROOM = 100;
/** Of those that share an alert, so many of the first and of the latest are named. */
const NAMED = 5;
/** Those who follow alerts hear of a repeat this long after they heard of it last. Milliseconds. */
const AGAIN_MS = DAY_MS;
/** Whether there is room again is looked at after so long. Milliseconds. */
const COUNT_AGAIN_MS = 3_600_000;
/** An alert that was not repeated for so long is forgotten. Milliseconds. */
const KEPT_MS = 90 * DAY_MS;

/** News for the owner, and of whom. `about`: all that is about this is one alert, whoever causes it. */
export interface News {
  kind: string;
  contact?: string | undefined;
  text: string;
  about?: About | undefined;
}

/** Something that many names may be about, and whether the owner knows it. */
export interface About {
  name: string;
  known: boolean;
}

/** Raises an alert, or counts it as a repeat. `now` in Unix milliseconds. */
export async function raiseAlert(
  tx: WriteTransaction,
  now: number,
  { kind, contact, text, about }: News,
): Promise<void> {
  const place = await placeFor(tx, now, { kind, contact, about });
  const index = indexOf(place);
  const found = (await tx.get(index)) as string | undefined;
  const before = found === undefined ? undefined : await get(tx, "alert/", found);
  const isShared = contact !== undefined && (about !== undefined || place.contact === undefined);
  const named = before?.names ?? [];
  // The first of them might be there to hide the one that matters.
  const isNew = isShared && place.about !== undefined && named.length < NAMED && !named.includes(contact);
  const repeat = before !== undefined && !isNew && Math.abs(now - before.announced_at) < AGAIN_MS;
  if (found !== undefined && !repeat) await remove(tx, "alert/", found);
  const seq = found !== undefined && repeat ? found : pad(await nextSeq(tx, "alert"));
  const others = named.filter((name) => name !== contact);
  await tx.put(index, seq);
  await put(tx, "alert/", seq, {
    at: now,
    ...place,
    text: isShared && others.length > 0 ? `${text}; before it ${others.join(", ")}` : text,
    ...(isShared ? { names: [...others.slice(0, NAMED), ...others.slice(NAMED).slice(1 - NAMED), contact] } : {}),
    count: (before?.count ?? 0) + 1,
    first_at: before?.first_at ?? now,
    announced_at: repeat ? before.announced_at : now,
  });
}

/** The place of an alert in its index. */
type Place = Pick<AlertRecord, "kind" | "contact" | "about" | "known">;

async function placeFor(
  tx: WriteTransaction,
  now: number,
  { kind, contact, about }: Omit<News, "text">,
): Promise<Place> {
  if (contact === undefined) return { kind };
  const known = about?.known ?? (await standingOf(tx, contact)) !== undefined;
  const place = {
    kind,
    contact,
    ...(about === undefined ? {} : { about: about.name }),
    ...(known ? { known: true as const } : {}),
  };
  return known || (await hasRoom(tx, now, place)) ? place : { kind };
}

/** What the owner decides by trusting what a contact shows, or by a word on a stranger, or on who has used a pairing line. */
const DECIDED = ["identity_changed", "device_changed", "device_added", "pairing_asked", "request"];

/** The owner has accepted what a contact shows: what was to be decided about it is, and is an alert again if it comes again. */
export async function settleAlerts(tx: WriteTransaction, contact: string): Promise<void> {
  for (const kind of DECIDED)
    for (const place of [
      { kind, contact },
      { kind, contact, known: true as const },
    ]) {
      const seq = (await tx.get(indexOf(place))) as string | undefined;
      if (seq === undefined) continue;
      await remove(tx, "alert/", seq);
      await tx.delete(indexOf(place));
    }
}

/** Forgets alerts that have not come again for long. */
export async function sweepAlerts(tx: WriteTransaction, now: number): Promise<void> {
  for (const [key, value] of await tx.list({ prefix: "alert/" })) {
    const alert = parse(key, value) as AlertRecord;
    if (now - alert.at < KEPT_MS) continue;
    await tx.delete(key);
    await tx.delete(indexOf(alert));
  }
}

async function hasRoom(tx: WriteTransaction, now: number, place: Place): Promise<boolean> {
  if ((await tx.get(indexOf(place))) !== undefined) return true;
  const { kind } = place;
  // A flood is counted without counting its list for each.
  const fullAt = (await tx.get(`alerts-full/${kind}`)) as string | undefined;
  if (fullAt !== undefined && Math.abs(now - Number(fullAt)) < COUNT_AGAIN_MS) return false;
  if ((await tx.list({ prefix: indexOf({ kind }), limit: ROOM })).length < ROOM) return true;
  await tx.put(`alerts-full/${kind}`, String(now));
  return false;
}

function indexOf({ kind, contact, about, known }: Place): string {
  return `${known === true ? "alert-known" : "alert-of"}/${kind}/${about ?? contact ?? ""}`;
}

/** Calls `listener` with each alert from now on, whichever process raised it; with a repeat once a day. */
export function followAlerts(store: ClientStore, listener: (alert: AlertRecord) => void): () => void {
  return followRows(store, "alert/", async (_tx, text) => readable(text) as AlertRecord | undefined, listener);
}
