import { looksLike, skeleton } from "../crypto/identity.ts";
import { type DeviceCertificate, toBase64, usernameKey } from "../protocol/index.ts";
import type { WriteTransaction } from "../store/store.ts";
import type { About } from "./alerts.ts";
import { pin, type Stop } from "./contact-records.ts";
import { alike, noteName } from "./lookalikes.ts";
import { hasOpenLine } from "./pairing.ts";
import type { Account } from "../records/own-account.ts";
import type { ContactRecord } from "../records/tables.ts";

/** Contacts that strangers may become by opening a conversation with us, in a day. */
const STRANGERS_A_DAY = 1_000;
/** Names without a conversation to whom we owe word of what we could not read, in a day: anybody may write in them. */
const UNKNOWN_A_DAY = 200;
const DAY_MS = 86_400_000;

/** What checking a certificate against the pin came to. */
export type Trust = "trusted" | Stop | "too_many_strangers";

/** In what a certificate is met: a turn of the link, or a change of the address book. */
export interface Meeting {
  readonly tx: WriteTransaction;
  readonly account: Account;
  /** Our clock, Unix milliseconds. */
  readonly now: number;
  contact(username: string): Promise<ContactRecord | undefined>;
  saveContact(record: ContactRecord): void;
  /** Whether the owner has neither written to somebody nor accepted or blocked it. */
  isStranger(username: string): Promise<boolean>;
  alert(kind: string, contact: string | undefined, text: string, about?: About): Promise<void>;
}

/** How a certificate came to us: in a Welcome, which anybody may push, or as the relay's answer to our own question. */
type ShownBy = "welcome" | "relay";

/**
 * Checks a verified certificate against what is pinned for its username, and keeps what is new in it: pins at first use,
 * and takes a device with a higher counter. A changed identity key, a lower counter, or another key under the same
 * counter is refused, and the owner hears of it. That ends what it was shown for and nothing else: only the pinned
 * identity could prove that it has ended, so a relay that has lied once stops no contact.
 */
export async function meet(meeting: Meeting, certificate: DeviceCertificate, shownBy: ShownBy): Promise<Trust> {
  const known = await meeting.contact(certificate.username);
  if (known === undefined) {
    if (shownBy === "welcome" && (await meeting.isStranger(certificate.username)) && !(await countStranger(meeting)))
      return "too_many_strangers";
    await warnOfLookalikes(meeting, certificate.username);
    await noteName(meeting.tx, certificate.username);
    const stranger = shownBy === "welcome" ? ({ stranger: true } as const) : {};
    meeting.saveContact({ ...pin(certificate.username, certificate, meeting.now), ...stranger });
    return "trusted";
  }
  if (known.identity_key !== toBase64(certificate.identityKey)) {
    await refuse(meeting, known, { why: "identity_changed", certificate, shownBy });
    return "identity_changed";
  }
  const sameKey = known.device_key === toBase64(certificate.deviceKey) && known.device_id === certificate.deviceId;
  if (certificate.counter < known.device_counter || (certificate.counter === known.device_counter && !sameKey)) {
    await refuse(meeting, known, { why: "device_changed", certificate, shownBy });
    return "device_changed";
  }
  const { stopped: _stopped, new_identity_key: _newKey, ...shownAgain } = known;
  if (known.stopped !== undefined) meeting.saveContact(shownAgain);
  if (certificate.counter > known.device_counter) {
    meeting.saveContact({
      ...shownAgain,
      device_id: certificate.deviceId,
      device_key: toBase64(certificate.deviceKey),
      device_counter: certificate.counter,
    });
    await meeting.alert(
      "device_added",
      known.username,
      `${known.username} has a new device (number ${certificate.counter})`,
    );
  }
  return "trusted";
}

async function refuse(
  meeting: Meeting,
  known: ContactRecord,
  { why, certificate, shownBy }: { why: Stop; certificate: DeviceCertificate; shownBy: ShownBy },
): Promise<void> {
  // Where the owner looks for what `trust` would accept. A Welcome says nothing of what the relay shows.
  if (shownBy === "relay")
    meeting.saveContact({ ...known, stopped: why, new_identity_key: toBase64(certificate.identityKey) });
  await meeting.alert(
    why,
    known.username,
    why === "identity_changed"
      ? `${known.username} shows another identity key than the pinned one; nothing is sent to that or read from it until you trust it`
      : `${known.username} shows an older device than before; somebody may be using an old copy`,
  );
}

/** A contact that shows up without an identity key (as a token account) is a changed key as well. @returns whether it is one */
export async function refuseWithoutKey(meeting: Meeting, username: string): Promise<boolean> {
  const known = await meeting.contact(username);
  if (known === undefined) return false;
  const { new_identity_key: _newKey, ...rest } = known;
  meeting.saveContact({ ...rest, stopped: "identity_changed" });
  await meeting.alert("identity_changed", username, `${username} shows up without its identity key`);
  return true;
}

/** Whether a name that is no contact may still be written to today, to say that its message was not readable. */
export async function mayAnswer(meeting: Meeting, username: string): Promise<boolean> {
  if (!(await meeting.isStranger(username))) return true;
  const today = String(Math.floor(meeting.now / DAY_MS));
  const [day, ...before] = String((await meeting.tx.get("meta/unknown")) ?? "").split(" ");
  const names = day === today ? before : [];
  if (names.includes(username)) return true;
  if (names.length >= UNKNOWN_A_DAY) return false;
  await meeting.tx.put("meta/unknown", [today, ...names, username].join(" "));
  return true;
}

/** Counts one more stranger. @returns whether it may still cost us anything today */
async function countStranger(meeting: Meeting): Promise<boolean> {
  const { day, today } = await strangers(meeting);
  if (today === STRANGERS_A_DAY)
    await meeting.alert(
      "too_many_strangers",
      undefined,
      `more than ${STRANGERS_A_DAY} strangers wrote today; the rest is refused`,
    );
  await meeting.tx.put("meta/strangers", `${day} ${today + 1}`);
  return today < STRANGERS_A_DAY || (today < 2 * STRANGERS_A_DAY && (await hasOpenLine(meeting.tx, meeting.now)));
}

async function strangers(meeting: Meeting): Promise<{ day: number; today: number }> {
  const day = Math.floor(meeting.now / DAY_MS);
  const [counted, count] = String((await meeting.tx.get("meta/strangers")) ?? "0 0")
    .split(" ")
    .map(Number);
  return { day, today: counted === day ? (count ?? 0) : 0 };
}

async function warnOfLookalikes(meeting: Meeting, username: string): Promise<void> {
  const contacts = await alike(meeting.tx, username);
  const isOwn = looksLike(usernameKey(meeting.account.identity.username), username);
  const names = [...(isOwn ? ["your own name"] : []), ...contacts.map((name) => `your contact ${name}`)];
  if (names.length === 0) return;
  // The first of them is one whom the owner knows, if any is.
  const known = isOwn || !(await meeting.isStranger(contacts[0] ?? ""));
  const text = `${username} looks like ${names.join(" and ")}, but is another agent`;
  await meeting.alert("lookalike", username, text, { name: skeleton(username), known });
}
