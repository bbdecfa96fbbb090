import { AgentError, type ErrorCode, localErrors } from "../errors.ts";
import type { ClientStore, ReadTransaction } from "../store/store.ts";
import type { Link } from "../link/link.ts";
import { filesOf } from "../records/files.ts";
import { type OutgoingFile, outgoingFiles } from "./file-info.ts";
import { isRefusal } from "../records/outbox-records.ts";
import { get, pad } from "../records/records.ts";
import type { MessageState, OutboxRecord } from "../records/tables.ts";
import { teamsByName } from "../records/team-names.ts";
import { check } from "./arguments.ts";
import { enough, mayBeEnough, type Recipients, recipientsOf } from "./recipients.ts";
import { type Wait, waitFor } from "./waiting.ts";

/** What is known of a message that was sent. Times in Unix milliseconds. */
export interface MessageStatus {
  id: string;
  to: string;
  state: MessageState;
  /** Why it is expired, refused or failed: a stable word, or what the other side's handler said. */
  reason?: string;
  /** The relay handed it to a listening connection at once. */
  delivered?: boolean;
  createdAt: number;
  updatedAt: number;
  expiresAt?: number;
  /** Its files, in their order. */
  files?: OutgoingFile[];
}

/** Until when to wait, where a message is for several. */
export interface Reach extends Wait {
  /** Of a message to a group: so many of its members are enough; all of them if not given. */
  atLeast?: number | undefined;
}

const ORDER: MessageState[] = ["queued", "stored", "received", "handled"];

/** Whom a message is for, as one types it. */
function toOf({ to, to_name: name }: OutboxRecord): string {
  return name ?? to;
}

/** What is known of a message, and of its files. */
export async function statusOf(tx: ReadTransaction, row: OutboxRecord): Promise<MessageStatus> {
  if (row.files === undefined) return toStatus(row);
  return { ...toStatus(row), files: outgoingFiles(await filesOf(tx, row.seq), row.recipients) };
}

function toStatus(row: OutboxRecord): MessageStatus {
  return {
    id: row.id,
    to: toOf(row),
    state: row.state,
    ...(row.reason === undefined ? {} : { reason: row.reason }),
    ...(row.delivered === undefined ? {} : { delivered: row.delivered }),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    ...(row.expires_at === undefined ? {} : { expiresAt: row.expires_at }),
  };
}

/** A message in the outbox. It is sent, and its state kept, whether or not anybody waits here. */
export class Sent {
  readonly id: string;
  readonly to: string;
  /** It was sent before: see `sameWithin`. */
  readonly repeated: boolean;
  readonly #seq: number;
  readonly #store: ClientStore;
  readonly #link: Link;

  constructor(store: ClientStore, link: Link, row: OutboxRecord, repeated = false) {
    this.id = row.id;
    this.repeated = repeated;
    this.to = toOf(row);
    this.#seq = row.seq;
    this.#store = store;
    this.#link = link;
  }

  /** Resolves when it is on the relay's disk. The relay's word. @throws AgentError as {@link handled} */
  stored(wait?: Wait): Promise<MessageStatus> {
    return this.#reach("stored", wait);
  }

  /** Resolves when it is decrypted and on the recipient's disk: its encrypted receipt. @throws AgentError as {@link handled} */
  received(reach?: Reach): Promise<MessageStatus> {
    return this.#reach("received", reach);
  }

  /**
   * Resolves when the recipient's handler has succeeded: its encrypted receipt.
   * @throws AgentError refused, expired, failed, identity_changed, device_changed, fingerprint_mismatch: it will never
   * be; timeout, relay_unreachable, aborted: it may still be; usage: `atLeast` of a message that is for one agent
   */
  handled(reach?: Reach): Promise<MessageStatus> {
    return this.#reach("handled", reach);
  }

  /** Of a message to a group: how it is at each of its members. Of others, and while it has not left, nobody is named. */
  recipients(): Promise<Recipients> {
    return this.#store.read(async (tx) => {
      const row = await get(tx, "out/", pad(this.#seq));
      return recipientsOf(tx, row);
    });
  }

  async status(): Promise<MessageStatus> {
    const row = await this.#row();
    if (row === undefined) throw new AgentError("unknown_message", `message ${this.id} is not known any more`);
    return this.#store.read((tx) => statusOf(tx, row));
  }

  #row(): Promise<OutboxRecord | undefined> {
    return this.#store.read((tx) => get(tx, "out/", pad(this.#seq)));
  }

  async #reach(state: "stored" | "received" | "handled", { atLeast, ...wait }: Reach = {}): Promise<MessageStatus> {
    check("reach", { atLeast });
    if (atLeast !== undefined && atLeast > 1 && !this.to.startsWith("@"))
      throw new AgentError("usage", `a message to ${this.to} has one recipient, and no ${atLeast}`, {
        hint: "leave atLeast out, or send to a group",
      });
    return waitFor(
      this.#store,
      this.#link,
      `message ${this.id} to be ${state}${atLeast === undefined ? "" : ` by ${atLeast}`}`,
      async () => {
        const row = await this.#row();
        if (row === undefined) throw new AgentError("unknown_message", `message ${this.id} is not known any more`);
        if (state !== "stored" && atLeast !== undefined && row.recipients !== undefined && row.state !== "queued") {
          if (enough(row.recipients, state, atLeast)) return this.#store.read((tx) => statusOf(tx, row));
          if (!mayBeEnough(row.recipients, state, atLeast)) throw neverBy(row, state, atLeast);
        }
        const reached = ORDER.indexOf(row.state);
        if (reached === -1) throw await this.#store.read((tx) => whyNeverHere(tx, row));
        return reached >= ORDER.indexOf(state) ? this.#store.read((tx) => statusOf(tx, row)) : undefined;
      },
      wait,
    );
  }
}

/** By reason: words of the relay and of the other side among them. */
const WAYS_OUT = new Map([
  ["mailbox_full", "the recipient must read its messages first"],
  ["storage_quota", "others must read what you, or others of your address, have sent; or ask the relay's operator"],
  ["unknown_user", "check the spelling of the name; it may have been unregistered"],
  ["undecryptable", "the recipient could not read it, four times over; send it again"],
  [
    "account_disabled",
    "the relay's operator has disabled the recipient's account: ask the recipient, or send it again later",
  ],
  ["blocked", "the recipient does not take messages from you"],
  ["refused", "the recipient's owner did not want it"],
  ["closed", "the recipient takes messages only of those whom its owner has written to or accepted"],
  [
    "requests_full",
    "too much waits for the recipient's consent already: try again later, or ask its owner to write first",
  ],
  ["guard", "it was more than the recipient's guards let through, and its owner has not released it"],
  ["unregistered", "the recipient was removed before it handled the message"],
  ["file_changed", "a file changed while it was sent, twice, or is gone: send it when nobody writes to it"],
  ["blob_too_large", "a file is larger than the relay takes: split it, or ask the relay's operator"],
  ["expired", "send it again with a later expiry"],
  ["gone", "nobody of those whom it was for is in the group any more: aimessage group info says who is"],
  ["not_a_member", "this agent is not in the group any more: an admin of it can add it, and then it can be sent anew"],
  ["clock", "check this machine's clock, and have the recipient check theirs (aimessage doctor); then send it again"],
]);

function partial({ id }: OutboxRecord): string {
  return `some have handled it: aimessage status ${id} says who has not, and why`;
}

/** So many recipients will never be as far, though some may be. */
function neverBy(row: OutboxRecord, state: string, atLeast: number): AgentError {
  const { all = 0, failed = 0, gone = 0 } = row.recipients ?? {};
  const lost = state === "handled" ? failed + gone : gone;
  const why = lost === 0 ? "" : `, ${lost} of whom have failed or are gone`;
  const text = `message ${row.id} to ${toOf(row)} will never be ${state} by ${atLeast}: it was for ${all}${why}`;
  return new AgentError("failed", text, { reason: "partial", hint: partial(row) });
}

/** Why a message will never be handled; where it was for a name that only a group has here, that says so. */
export async function whyNeverHere(tx: ReadTransaction, row: OutboxRecord): Promise<AgentError> {
  const error = whyNever(row);
  if (error.reason !== "unknown_user" || !(await teamsByName(tx)).has(row.to)) return error;
  const hint = `a group is called so here, and is written to as @${row.to}`;
  return new AgentError(error.code, error.message, { reason: error.reason, hint });
}

/** Why a message will never be handled. */
export function whyNever(row: OutboxRecord): AgentError {
  const reason = row.reason ?? row.state;
  if (reason === "identity_changed" && row.to_name !== undefined) return teamStoppedError(row.to_name.slice(1));
  if (reason === "identity_changed" || reason === "device_changed" || reason === "fingerprint_mismatch")
    return stoppedError(reason, row.to);
  const code: ErrorCode = Object.hasOwn(localErrors, row.state) ? (row.state as ErrorCode) : "failed";
  const said =
    row.state === "expired"
      ? reason === "clock"
        ? "came too late, by the recipient's clock"
        : "expired before it was received"
      : row.state === "refused"
        ? `was refused by ${isRefusal(reason) ? toOf(row) : "the relay"}: ${reason.replaceAll("_", " ")}`
        : `failed: ${reason}`;
  const hint = reason === "partial" ? partial(row) : WAYS_OUT.get(reason);
  return new AgentError(code, `message ${row.id} to ${toOf(row)} ${said}`, { reason, hint });
}

/** The fingerprint that was given is not the contact's, and nothing was to be sent. */
export function mismatch(contact: string): AgentError {
  return new AgentError(
    "fingerprint_mismatch",
    `${contact} has another fingerprint than the one given: this may be somebody else`,
    {
      reason: "fingerprint_mismatch",
      hint: `aimessage verify ${contact} shows the one known here; ask its owner, over another channel, for the right one`,
    },
  );
}

/** Whether it says that nothing was sent since the relay showed somebody else in the place of a contact. */
export function isStop(error: unknown): boolean {
  return error instanceof AgentError && (error.code === "identity_changed" || error.code === "device_changed");
}

/** Somebody is in a team under another identity than the pinned one, and so a message was not sent. Says the way out. */
export function teamStoppedError(team: string, who = "a member"): AgentError {
  return new AgentError(
    "identity_changed",
    `${who} is in @${team} under another identity key than the pinned one: this may be somebody else; nothing was sent`,
    {
      reason: "identity_changed",
      hint: `ask its owner, over another channel, for its fingerprint; if it is right: aimessage contacts trust ${who === "a member" ? "NAME" : who}#FINGERPRINT; else have an admin remove it from @${team}`,
    },
  );
}

/** A contact is stopped, or is not who it was expected to be, and so a message was not sent. Says the way out. */
export function stoppedError(
  why: "identity_changed" | "device_changed" | "fingerprint_mismatch",
  contact: string,
): AgentError {
  if (why === "fingerprint_mismatch")
    return new AgentError(
      "fingerprint_mismatch",
      `${contact} has another fingerprint than the one that this was meant for; nothing was sent`,
      {
        reason: why,
        hint: `ask its owner, over another channel, for the right one; if it is the one given: aimessage contacts trust ${contact}#FINGERPRINT`,
      },
    );
  return new AgentError(
    why,
    why === "identity_changed"
      ? `the identity key of ${contact} has changed: this may be somebody else; nothing was sent`
      : `${contact} shows an older device than before: this may be a copy; nothing was sent`,
    {
      reason: why,
      hint: `ask its owner, over another channel, for its fingerprint; if it is right: aimessage contacts trust ${contact}#FINGERPRINT`,
    },
  );
}
