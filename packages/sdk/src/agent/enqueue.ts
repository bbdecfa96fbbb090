import { FILE_ROOM, largestBody } from "../crypto/content.ts";
import { AgentError } from "../errors.ts";
import { randomId, utf8 } from "../protocol/index.ts";
import type { ReadTransaction, WriteTransaction } from "../store/store.ts";
import type { AddressBook } from "./address-book.ts";
import { parseAddress } from "./address.ts";
import { check } from "./arguments.ts";
import { readAddress, teamAddress } from "../records/addresses.ts";
import { nameOfTeam } from "../records/team-names.ts";
import type { TeamRecord } from "../records/team-records.ts";
import { teamNamed, teamToSend } from "./team-lookup.ts";
import { span } from "../records/clock.ts";
import type { FileClaim, GivenFile, OutFileRecord } from "../records/file-records.ts";
import { blobLength, newSecrets, sendFile } from "../records/files.ts";
import { find, get, nextSeq, pad, put } from "../records/records.ts";
import type { FileProgress, FileToSend } from "../files/host.ts";
import { raiseAlert } from "../trust/alerts.ts";
import { type Tier, tierOf } from "../records/tier.ts";
import { countAnswer, countTeamAnswer, excessText, goOn, guardLimits } from "../trust/guards.ts";
import { stoppedError } from "./sent.ts";
import { isForPerson, letIn } from "../trust/standing.ts";
import { letHeldIn } from "../trust/held.ts";
import type { ContactRecord, InboxRecord, OutboxRecord } from "../records/tables.ts";

/** Readers of one file of which a relay may be told. */
const MOST_READERS = 1000;

export interface SendOptions {
  /** Default `text/plain` for text, `application/octet-stream` for bytes. */
  contentType?: string;
  /** Id of the message that this one answers, as it is known here or to its sender. */
  replyTo?: string;
  thread?: string;
  /** A small map for frameworks, encrypted as the body is: 16 keys at most, 2,048 bytes as JSON. */
  headers?: Record<string, string>;
  /** Whole milliseconds after which it is not handled any more; at most what the relay keeps messages for. */
  expiresIn?: number;
  /** An id of one's own, 1 to 60 of `A-Za-z0-9_-`, not ending in `--` and one or two digits, unique among this agent's messages. */
  messageId?: string;
  /**
   * A person has written it, and its recipient sees that: guards against loops are counted anew here, and also there if this agent's fingerprint
   * was compared, ten times a day. A program never says it of what it has written itself.
   */
  byPerson?: boolean;
  /**
   * Id (as it is known here) of the received message that it is sent because of. To its sender it is an answer to it then, unless that
   * waits for a reply, which is another thing.
   */
  cause?: string;
  /** `exchange` of a message of another agent of the same owner, that it is sent because of: the guards count on from there. */
  exchange?: number;
  /** The same message, sent no more than so many milliseconds ago, an hour at most, is this one: it is not sent again. */
  sameWithin?: number;
  /** Files that go with it, 16 at most: paths, or streams that are kept until they have been sent. */
  files?: FileToSend[];
  /** Told how far its files are, as far as this process sends them. */
  onProgress?: (progress: FileProgress) => void;
}

/** The received message for which an agent runs, which may be another agent's. */
export type Because = Pick<SendOptions, "cause" | "exchange">;

/** A message as its sender gives it. */
export interface Letter {
  to: string;
  body: string | Uint8Array;
  options: SendOptions;
  /** It is for a team, by its key, whatever `to` says. */
  team?: string;
  /** It is for this identity alone, whoever has the name meanwhile. */
  identityKey?: string | undefined;
  /** It is a question. */
  expectsReply?: boolean;
  /** Its files, looked at. */
  given?: { files: GivenFile[]; claim: FileClaim };
  /** It shows a pairing line, which its body names. */
  pairs?: boolean;
}

/**
 * Puts a message into the outbox of the agent `own`. It is on disk when the transaction is.
 * @throws AgentError bad_username, bad_fingerprint, message_too_large, bad_file, identity_changed, device_changed,
 * fingerprint_mismatch, blocked, refused (its recipient waits for consent), usage, disk_full, device_replaced
 */
export async function enqueue(
  tx: WriteTransaction,
  book: AddressBook,
  own: string,
  letter: Letter,
): Promise<OutboxRecord> {
  const { body, options, expectsReply, pairs, given } = letter;
  check("body", { body });
  check("send", options, "options");
  const bytes = typeof body === "string" ? utf8(body) : body;
  const { to, toName, readers, fingerprint, identityKey, tier } = await recipientOf(tx, book, own, letter);
  await checkRelay(tx, bytes, letter);
  const id = options.messageId ?? randomId();
  if ((await tx.get(`out-id/${id}`)) !== undefined)
    throw usage(`message id ${id} was used before`, "choose another one");
  const now = Date.now();
  const { answered, cause } = await causesOf(tx, to, letter);
  const exchange = await count(tx, letter, { to, toName, tier, now, answered, cause });
  const answers = answered ?? (cause !== undefined && isAnswered(cause, to) ? cause : undefined);
  const replyTo =
    options.replyTo === undefined
      ? answers?.expects_reply === true
        ? undefined
        : answers?.id
      : (answered?.id ?? options.replyTo);
  const expiresAt = options.expiresIn === undefined ? undefined : now + options.expiresIn;
  const seq = await nextSeq(tx, "out");
  const record: OutboxRecord = {
    seq,
    id,
    kind: pairs === true ? "pairing" : "message",
    to,
    content_type: options.contentType ?? (typeof body === "string" ? "text/plain" : "application/octet-stream"),
    created_at: now,
    updated_at: now,
    state: "queued",
    attempt: 0,
    ...(toName === undefined ? {} : { to_name: toName }),
    ...(fingerprint === undefined ? {} : { fingerprint }),
    ...(identityKey === undefined ? {} : { identity_key: identityKey }),
    ...(replyTo === undefined ? {} : { reply_to: replyTo }),
    ...(options.thread === undefined ? {} : { thread: options.thread }),
    ...(options.headers === undefined ? {} : { headers: options.headers }),
    ...(expectsReply === true ? { expects_reply: true as const } : {}),
    ...(options.byPerson === true ? { human: true as const } : {}),
    ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
    ...(exchange === undefined ? {} : { exchange }),
    ...(given === undefined ? {} : { files: given.files.length }),
  };
  await put(tx, "out/", pad(seq), record);
  await tx.put(`out-body/${pad(seq)}`, bytes);
  await tx.put(`out-id/${id}`, String(seq));
  if (given === undefined) await tx.put(`queue/${to}/${pad(seq)}`, "");
  else await addFiles(tx, { seq, ...(readers === undefined ? {} : { readers }) }, given);
  // A program that only answers says nothing of whom the owner wants to hear.
  // A pairing lets its other side in when that has shown who it is.
  if (readAddress(to).kind === "pair" && pairs !== true && (options.byPerson === true || answers === undefined))
    await letIn(tx, to);
  if (expectsReply === true)
    await put(tx, "question/", id, {
      id,
      seq,
      to,
      ...(toName === undefined ? {} : { to_name: toName }),
      asked_at: now,
      deadline: expiresAt ?? now,
      state: "open",
    });
  if (expiresAt !== undefined) await tx.put(`expiry/${pad(expiresAt)}/${pad(seq)}`, "");
  return record;
}

interface Recipient {
  /** As the rows of the outbox have it. */
  to: string;
  toName?: string;
  fingerprint?: string | undefined;
  identityKey?: string | undefined;
  /** Of a team: how many others are in it. */
  readers?: number;
  tier: Tier;
}

/** Whom a letter is for. @throws AgentError */
async function recipientOf(tx: ReadTransaction, book: AddressBook, own: string, letter: Letter): Promise<Recipient> {
  check("text", { text: letter.to }, "name");
  if (letter.team !== undefined || letter.to.startsWith("@")) {
    const team = letter.team === undefined ? await teamNamed(tx, letter.to) : await teamToSend(tx, letter.team);
    const toName = `@${(await nameOfTeam(tx, team.key)) ?? team.name}`;
    return { to: teamAddress(team.key), toName, readers: readersOf(team), tier: "known" };
  }
  const { username: to, fingerprint } = parseAddress(letter.to);
  if (to === own) throw usage("an agent cannot send to itself", "choose another recipient");
  const contact = await get(tx, "contact/", to);
  const identityKey = await checkRecipient(tx, book, letter, contact);
  return { to, fingerprint, identityKey, tier: tierOf(contact, true) };
}

/** What a relay is told of how many fetch a file: it wants to hear of one at least, and of so many at most. */
function readersOf({ members }: TeamRecord): number {
  return Math.min(Math.max(1, members.length - 1), MOST_READERS);
}

/** The message waits until they are up: others overtake it. */
async function addFiles(
  tx: WriteTransaction,
  message: Pick<OutFileRecord, "seq" | "readers">,
  { files, claim }: NonNullable<Letter["given"]>,
): Promise<void> {
  for (const [index, file] of files.entries())
    await sendFile(tx, { ...message, index, ...file, ...newSecrets(), state: "waits", claim });
}

/** @throws AgentError message_too_large, bad_file, device_replaced, usage */
async function checkRelay(tx: ReadTransaction, bytes: Uint8Array, { options, given }: Letter): Promise<void> {
  const { expiresIn = 0 } = options;
  const files = given?.files ?? [];
  const relay = await get(tx, "meta/relay");
  const largest = Math.max(0, largestBody(relay?.frame_bytes ?? 0) - FILE_ROOM * files.length);
  if (relay?.stopped !== undefined) throw new AgentError("device_replaced", "another device has taken this agent over");
  if (largest > 0 && bytes.length > largest)
    throw new AgentError(
      "message_too_large",
      `the message has ${bytes.length} bytes; this relay takes up to ${largest}`,
      {
        hint: "send it as a file (-f FILE)",
      },
    );
  for (const file of files) checkSize(file, relay?.blob_bytes);
  const kept = relay?.mailbox_age_ms ?? Infinity;
  if (expiresIn > kept)
    throw usage(
      `this relay keeps no message for ${span(expiresIn)}`,
      `it gives up what nobody has fetched after ${span(kept)}: choose an earlier expiry, or none`,
    );
}

/** @param most What the relay takes, if it has said so. @throws AgentError bad_file */
function checkSize(file: GivenFile, most: number = Infinity): void {
  const { name } = file;
  if (most === 0)
    throw new AgentError("bad_file", `this relay takes no files: ${name} cannot be sent`, {
      reason: "no_files",
      hint: "use another relay, or ask its operator",
    });
  if (blobLength(file) > most)
    throw new AgentError("bad_file", `${name} has ${file.bytes} bytes; this relay takes files of some ${most}`, {
      reason: "too_large",
      hint: "split it, or ask the relay's operator (--blob-bytes)",
    });
}

/** @returns the identity that the message is for, if it is known @throws AgentError */
async function checkRecipient(
  tx: ReadTransaction,
  book: AddressBook,
  { to, options, identityKey, pairs }: Letter,
  contact: ContactRecord | undefined,
): Promise<string | undefined> {
  const { username, fingerprint } = parseAddress(to);
  if (contact?.stopped !== undefined) throw stoppedError(contact.stopped, username);
  if (contact?.blocked === true)
    throw new AgentError("blocked", `${username} is blocked here`, {
      hint: `aimessage contacts allow ${username}`,
    });
  // Only a person lets in what waits, and whoever writes to somebody lets it in.
  const why = options.byPerson === true || pairs === true ? undefined : await isForPerson(tx, username);
  if (why === "waits")
    throw new AgentError("refused", `${username} waits for the owner's consent, and no program writes to it before`, {
      reason: "consent",
      hint: `aimessage requests show ${username}, and then accept, refuse or block it`,
    });
  if (why === "refused" && contact?.verified !== true)
    throw new AgentError("refused", `the owner has refused ${username}, and no program writes to it`, {
      reason: "consent",
      hint: `aimessage contacts allow ${username}, or write to it at a terminal`,
    });
  const meantFor = identityKey ?? contact?.identity_key;
  const isMeant = contact === undefined || meantFor === contact.identity_key;
  if (!isMeant || (contact !== undefined && !(await book.matches(contact, fingerprint))))
    throw stoppedError("fingerprint_mismatch", username);
  return meantFor;
}

/** What is known of a message when it is counted. */
interface Counted {
  to: string;
  /** Of a team. */
  toName: string | undefined;
  tier: Tier;
  now: number;
}

/** Received messages for which one of ours is there. */
interface Causes {
  /** Its recipient's, which it answers. */
  answered: InboxRecord | undefined;
  /** The one that it is sent because of, which may be of somebody else. */
  cause: InboxRecord | undefined;
}

/** Counts a message for the guards. @returns which answer it is in its exchange, if in any */
async function count(
  tx: WriteTransaction,
  { options, pairs }: Letter,
  { to, toName, tier, now, answered, cause }: Counted & Causes,
): Promise<number | undefined> {
  // What is said in a team because of somebody's message there is counted as said to that one.
  const who = to.startsWith("@") ? (answered?.from ?? cause?.from ?? to) : to;
  if (options.byPerson === true) {
    for (const one of new Set([who, to])) await goOn(tx, one, now);
    await letHeldIn(tx, "guard", who);
  }
  if (options.byPerson === true || pairs === true || (await isAskedFor(tx, answered))) return undefined;
  const causes = [answered, cause].filter((row) => row !== undefined);
  const theirs = who === to ? tier : tierOf(await find(tx, "contact/", who), true);
  const counted = { now, causes, before: options.exchange };
  const byOne = await countAnswer(tx, who, { ...counted, tier: theirs });
  const byAll = readAddress(to).kind === "team" ? await countTeamAnswer(tx, to, counted) : {};
  const exchange = Math.max(byOne.exchange ?? 0, byAll.exchange ?? 0) || undefined;
  const excess = byOne.excess ?? byAll.excess;
  if (excess !== undefined)
    await raiseAlert(tx, now, {
      kind: "guard",
      ...(who === to && toName !== undefined ? {} : { contact: who }),
      text: excessText(who === to ? (toName ?? to) : who, excess, { limits: await guardLimits(tx), tier: theirs }),
    });
  return exchange;
}

/** Whether it is the reply that a question asks for: the first one. */
async function isAskedFor(tx: WriteTransaction, answered: InboxRecord | undefined): Promise<boolean> {
  if (answered?.expects_reply !== true || answered.replied === true) return false;
  await put(tx, "in/", pad(answered.seq), { ...answered, replied: true });
  return true;
}

async function causesOf(
  tx: WriteTransaction,
  to: string,
  { to: sender, options: { replyTo, cause } }: Letter,
): Promise<Causes> {
  const rowAt = async (place: string): Promise<InboxRecord | undefined> => {
    const seq = await tx.get(place);
    return seq === undefined ? undefined : find(tx, "in/", pad(Number(seq)));
  };
  // Both ids are shown, and a program may give either: ours counts where its sender has not chosen the same. What answers all of a team
  // names the one who has sent there.
  const seen = async (from: string): Promise<InboxRecord | undefined> => rowAt(`seen/${from}/${replyTo}`);
  const answered =
    replyTo === undefined
      ? undefined
      : ((await seen(to)) ??
        (to.startsWith("@") ? await seen(sender) : undefined) ??
        (await rowAt(`in-id/${replyTo}`)));
  return {
    answered: answered !== undefined && isAnswered(answered, to) ? answered : undefined,
    cause: cause === undefined ? undefined : await rowAt(`in-id/${cause}`),
  };
}

/** Whether what goes there may answer a message: to its sender, or to all of its team. */
function isAnswered({ from, team }: InboxRecord, to: string): boolean {
  return from === to || (team !== undefined && teamAddress(team) === to);
}

function usage(message: string, hint: string): AgentError {
  return new AgentError("usage", message, { hint });
}
