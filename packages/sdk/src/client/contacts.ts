import { looksLike, skeleton } from "../crypto/identity.ts";
import { type DeviceCertificate, toBase64, usernameKey } from "../protocol/index.ts";
import type { ReadTransaction, WriteTransaction } from "../store/store.ts";
import { alike, noteName } from "./lookalikes.ts";
import type { ContactRecord } from "./records.ts";
import { pin, type Turn } from "./turn.ts";

/** Groups that are kept for one contact, and that the next one may replace. [P-9.10] */
export const GROUPS_PER_CONTACT = 3;
/** Contacts that strangers may become by opening a conversation with us, in a day. */
const STRANGERS_A_DAY = 1_000;
/** Names without a conversation to whom we owe word of what we could not read, in a day: anybody may write in them. */
const UNKNOWN_A_DAY = 200;
const DAY_MS = 86_400_000;

/** Why nothing is sent to whom the relay shows in the place of a contact. */
export type Stop = "identity_changed" | "device_changed";
/** What checking a certificate against the pin came to. */
export type Trust = "trusted" | Stop | "too_many_strangers";

/** How a certificate came to us: in a Welcome, which anybody may push, or as the relay's answer to our own question. */
type ShownBy = "welcome" | "relay";

/**
 * Checks a verified certificate against what is pinned for its username, and keeps what is new in it: pins at first use,
 * and takes a device with a higher counter. A changed identity key, a lower counter, or another key under the same
 * counter is refused, and the owner hears of it. That ends what it was shown for and nothing else: only the pinned
 * identity could prove that it has ended, so a relay that has lied once stops no contact.
 */
export async function meet(turn: Turn, certificate: DeviceCertificate, shownBy: ShownBy): Promise<Trust> {
  const known = await turn.contact(certificate.username);
  if (known === undefined) {
    if (shownBy === "welcome" && (await turn.isStranger(certificate.username)) && !(await countStranger(turn)))
      return "too_many_strangers";
    await warnOfLookalikes(turn, certificate.username);
    await noteName(turn.tx, certificate.username);
    const stranger = shownBy === "welcome" ? ({ stranger: true } as const) : {};
    turn.saveContact({ ...pin(certificate.username, certificate, turn.now), ...stranger });
    return "trusted";
  }
  if (known.identity_key !== toBase64(certificate.identityKey)) {
    await refuse(turn, known, "identity_changed", certificate, shownBy);
    return "identity_changed";
  }
  const sameKey = known.device_key === toBase64(certificate.deviceKey) && known.device_id === certificate.deviceId;
  if (certificate.counter < known.device_counter || (certificate.counter === known.device_counter && !sameKey)) {
    await refuse(turn, known, "device_changed", certificate, shownBy);
    return "device_changed";
  }
  const { stopped: _stopped, new_identity_key: _newKey, ...shownAgain } = known;
  if (known.stopped !== undefined) turn.saveContact(shownAgain);
  if (certificate.counter > known.device_counter) {
    turn.saveContact({
      ...shownAgain,
      device_id: certificate.deviceId,
      device_key: toBase64(certificate.deviceKey),
      device_counter: certificate.counter,
    });
    await turn.alert(
      "device_added",
      known.username,
      `${known.username} has a new device (number ${certificate.counter})`,
    );
  }
  return "trusted";
}

async function refuse(
  turn: Turn,
  known: ContactRecord,
  why: Stop,
  certificate: DeviceCertificate,
  shownBy: ShownBy,
): Promise<void> {
  // Where the owner looks for what `trust` would accept. A Welcome says nothing of what the relay shows.
  if (shownBy === "relay")
    turn.saveContact({ ...known, stopped: why, new_identity_key: toBase64(certificate.identityKey) });
  await turn.alert(
    why,
    known.username,
    why === "identity_changed"
      ? `${known.username} shows another identity key than the pinned one; nothing is sent to that or read from it until you trust it`
      : `${known.username} shows an older device than before; somebody may be using an old copy`,
  );
}

/** A contact that shows up without an identity key (as a token account) is a changed key as well. @returns whether it is one */
export async function refuseWithoutKey(turn: Turn, username: string): Promise<boolean> {
  const known = await turn.contact(username);
  if (known === undefined) return false;
  const { new_identity_key: _newKey, ...rest } = known;
  turn.saveContact({ ...rest, stopped: "identity_changed" });
  await turn.alert("identity_changed", username, `${username} shows up without its identity key`);
  return true;
}

/** Whether a name that is no contact may still be written to today, to say that its message was not readable. */
export async function mayAnswer(turn: Turn, username: string): Promise<boolean> {
  if (!(await turn.isStranger(username))) return true;
  const today = String(Math.floor(turn.now / DAY_MS));
  const [day, ...before] = String((await turn.tx.get("meta/unknown")) ?? "").split(" ");
  const names = day === today ? before : [];
  if (names.includes(username)) return true;
  if (names.length >= UNKNOWN_A_DAY) return false;
  await turn.tx.put("meta/unknown", [today, ...names, username].join(" "));
  return true;
}

/** Counts one more stranger. @returns whether it may still cost us anything today */
async function countStranger(turn: Turn): Promise<boolean> {
  const { day, today } = await strangers(turn);
  if (today === STRANGERS_A_DAY)
    await turn.alert(
      "too_many_strangers",
      undefined,
      `more than ${STRANGERS_A_DAY} strangers wrote today; the rest is refused`,
    );
  await turn.tx.put("meta/strangers", `${day} ${today + 1}`);
  return today < STRANGERS_A_DAY;
}

async function strangers(turn: Turn): Promise<{ day: number; today: number }> {
  const day = Math.floor(turn.now / DAY_MS);
  const [counted, count] = String((await turn.tx.get("meta/strangers")) ?? "0 0")
    .split(" ")
    .map(Number);
  return { day, today: counted === day ? (count ?? 0) : 0 };
}

async function warnOfLookalikes(turn: Turn, username: string): Promise<void> {
  const contacts = await alike(turn.tx, username);
  const isOwn = looksLike(usernameKey(turn.account.identity.username), username);
  const names = [...(isOwn ? ["your own name"] : []), ...contacts.map((name) => `your contact ${name}`)];
  if (names.length === 0) return;
  // The first of them is one whom the owner knows, if any is.
  const known = isOwn || !(await turn.isStranger(contacts[0] ?? ""));
  const text = `${username} looks like ${names.join(" and ")}, but is another agent`;
  await turn.alert("lookalike", username, text, { name: skeleton(username), known });
}

/** The next group with a contact names this one as replaced. Of more than it may name the newest are. */
export async function nameReplaced(tx: WriteTransaction, contact: string, group: string): Promise<void> {
  const names = [...(await replacedGroups(tx, contact)), group];
  await tx.put(`replaces/${contact}`, names.slice(-GROUPS_PER_CONTACT).join(" "));
}

/** The groups that the next one with a contact names as replaced. */
export async function replacedGroups(tx: ReadTransaction, contact: string): Promise<string[]> {
  const names = ((await tx.get(`replaces/${contact}`)) ?? "") as string;
  return names.split(" ").filter((id) => id !== "");
}
