import { formatFingerprint } from "../crypto/identity.ts";
import { AgentError } from "../errors.ts";
import type { Link } from "../link/link.ts";
import { isFinal } from "../records/outbox-records.ts";
import { get, pad, put } from "../records/records.ts";
import type { PairingRecord } from "../records/pairing-records.ts";
import type { MessageState, OutboxRecord } from "../records/tables.ts";
import type { ClientStore } from "../store/store.ts";
import type { Contact } from "./address-book.ts";
import { whyNever } from "./sent.ts";
import { type Wait, waitFor } from "./waiting.ts";

interface Parts {
  store: ClientStore;
  link: Link;
  contact: (username: string) => Promise<Contact>;
}

/** The line of another agent, which was shown to it. */
export class Taken {
  readonly username: string;
  /** Of the agent that the line is of, in groups of four. */
  readonly fingerprint: string;
  readonly #parts: Parts;
  readonly #record: PairingRecord;

  constructor(parts: Parts, record: PairingRecord) {
    this.username = record.username;
    this.fingerprint = formatFingerprint(record.fingerprint);
    this.#parts = parts;
    this.#record = record;
  }

  /** How far it is: `received` when the other agent has it, and its owner is asked. */
  async state(): Promise<MessageState> {
    return (await this.#row()).state;
  }

  /** Resolves when the other agent has it, and perhaps its owner is asked. @throws AgentError as {@link paired} */
  async received(wait?: Wait): Promise<void> {
    await this.#reach(["received", "handled"], "to have the line", wait);
  }

  /**
   * Resolves when the other side has paired with this agent: both are verified for each other.
   * @throws AgentError pairing_stopped: somebody else has used the line, or is in between; pairing_refused: it has expired, is for
   * another agent, or its owner does not want to; fingerprint_mismatch, identity_changed, expired, refused, failed, blocked: as of a message; timeout,
   * relay_unreachable, aborted: it may still be
   */
  async paired(wait?: Wait): Promise<Contact> {
    await this.#reach(["handled"], "to pair", wait);
    return this.#parts.contact(this.username);
  }

  async #reach(states: MessageState[], what: string, wait: Wait | undefined): Promise<void> {
    const { store, link } = this.#parts;
    link.start();
    const look = async () => {
      const row = await this.#row();
      if (isFinal(row.state)) await this.#heard();
      if (["expired", "refused", "failed"].includes(row.state)) throw whyNot(row);
      return states.includes(row.state) ? true : undefined;
    };
    await waitFor(store, link, `${this.username} ${what}`, look, wait);
  }

  /** Nobody needs to be told again how it has ended; whatever the disk says now, so it has. */
  async #heard(): Promise<void> {
    const { id, seq } = this.#record;
    const note = this.#parts.store.write(async (tx) => {
      const record = await get(tx, "pairing/", id);
      if (record?.seq === seq && record.heard !== true) await put(tx, "pairing/", id, { ...record, heard: true });
    });
    await note.catch(() => undefined);
  }

  async #row(): Promise<OutboxRecord> {
    const row = await this.#parts.store.read((tx) => get(tx, "out/", pad(this.#record.seq)));
    if (row === undefined) throw new AgentError("unknown_line", "this line is not known any more");
    return row;
  }
}

const ANOTHER = "have another line made: `aimessage pair` on the other side";

/** Why a line does not pair. */
function whyNot(row: OutboxRecord): AgentError {
  const { to, reason = row.state } = row;
  const refuse = (message: string) => new AgentError("pairing_refused", message, { reason, hint: ANOTHER });
  const stop = (message: string) =>
    new AgentError("pairing_stopped", message, {
      reason,
      hint: `tell the owner of ${to}, by another way than this relay; nothing was marked as verified`,
    });
  switch (reason) {
    case "pairing_used":
      return stop(`somebody else has used this line of ${to} before: it was read on its way`);
    case "pairing_wrong":
      return stop(`${to} was not shown what this agent has sent: the line was altered, or somebody is in between`);
    case "pairing_unknown":
      return refuse(`${to} knows no such line: it was altered, or is an old one`);
    case "pairing_expired":
      return refuse(`this line of ${to} has expired`);
    case "pairing_other":
      return refuse(`this line of ${to} is for another agent`);
    case "pairing_refused":
      return refuse(`the owner of ${to} has refused`);
    case "expired":
      return new AgentError("expired", `${to} was not there before the line expired`, { reason, hint: ANOTHER });
    default:
      return whyNever(row);
  }
}
