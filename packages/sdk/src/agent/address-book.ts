import type { GroupCrypto } from "../crypto/mls/group.ts";
import { fingerprint, readableFingerprint, verifyCertificate } from "../crypto/identity.ts";
import { AgentError } from "../errors.ts";
import { type DeviceCertificate, fromBase64, toBase64, usernameKey } from "../protocol/index.ts";
import type { ClientStore, ReadTransaction, WriteTransaction } from "../store/store.ts";
import { raiseAlert, settleAlerts } from "../trust/alerts.ts";
import { type Tier, tierOf } from "../records/tier.ts";
import { pin } from "../trust/contact-records.ts";
import { meet, type Meeting } from "../trust/contacts.ts";
import { waits } from "../trust/held.ts";
import { noteName } from "../trust/lookalikes.ts";
import type { Account } from "../records/own-account.ts";
import { find as findRecord, get, list, pad, put, readable, rowsUnder } from "../records/records.ts";
import { giveUp, isFinal } from "../records/outbox-records.ts";
import { mismatch, stoppedError } from "./sent.ts";
import { endAllUnwanted } from "./unwanted.ts";
import { setStanding, standingOf } from "../trust/standing.ts";
import type { ContactRecord, OutboxRecord } from "../records/tables.ts";
import type { Wait } from "./waiting.ts";

export interface TrustOptions extends Wait {
  /** The fingerprint that the owner was shown, and has not compared with anything: another one is not accepted, and this one is not verified by it. */
  shown?: string | undefined;
}

/** Another agent, as this one knows it. */
export interface Contact {
  username: string;
  /** Of the pinned identity key, in groups of four. */
  fingerprint: string;
  verified: boolean;
  /** How far the owner trusts it. */
  tier: Tier;
  blocked: boolean;
  /** The relay showed something else in its place last than what is pinned: nothing is sent to that until `trust`. */
  stopped?: "identity_changed" | "device_changed";
  /** What it shows now, if its identity changed. */
  newFingerprint?: string;
  /** Unix milliseconds. */
  pinnedAt: number;
  deviceCounter: number;
  /** When something readable came of it last, to the day. Unix milliseconds. */
  heardAt?: number;
}

/** How long who sends to a contact that is stopped waits for the relay's word on it. Milliseconds. */
const FIND_MS = 5_000;

type Lookup = (username: string, wait: Wait | undefined) => Promise<Record<string, unknown>>;

/** Contacts and their pins. */
export class AddressBook {
  readonly #store: ClientStore;
  readonly #crypto: GroupCrypto;
  readonly #account: Account;
  readonly #lookup: Lookup;

  constructor(store: ClientStore, crypto: GroupCrypto, account: Account, lookup: Lookup) {
    this.#store = store;
    this.#crypto = crypto;
    this.#account = account;
    this.#lookup = lookup;
  }

  async list(): Promise<Contact[]> {
    const found = await this.#store.read(async (tx) => {
      const all = [];
      for (const record of await list(tx, "contact/")) all.push({ record, more: await beside(tx, record.username) });
      return all;
    });
    return Promise.all(found.map(({ record, more }) => show(record, more)));
  }

  async find(username: string): Promise<Contact | undefined> {
    const record = await this.#store.read((tx) => findRecord(tx, "contact/", username));
    return record === undefined ? undefined : this.#show(record);
  }

  /** Whether a contact's fingerprint is the one that is expected, if one is. */
  async matches(record: ContactRecord, expected: string | undefined): Promise<boolean> {
    return expected === undefined || expected === (await fingerprint(record.username, fromBase64(record.identity_key)));
  }

  async verify(username: string, expected: string | undefined, wait: Wait | undefined): Promise<Contact> {
    this.#refuseSelf(username);
    const known = await this.#store.read((tx) => get(tx, "contact/", username));
    const record = known ?? (await this.#meet(username, await this.#certificate(username, wait)));
    if (expected === undefined) return this.#show(record);
    if (!(await this.matches(record, expected))) throw mismatch(username);
    return this.#change(username, (before) => ({ ...before, verified: true }), { accepts: false });
  }

  /** Pins who has this fingerprint, and nobody else. */
  async add(username: string, expected: string, wait: Wait | undefined): Promise<Contact> {
    this.#refuseSelf(username);
    const known = await this.#store.read((tx) => get(tx, "contact/", username));
    if (known !== undefined && !(await this.matches(known, expected))) throw mismatch(username);
    if (known === undefined) {
      const certificate = await this.#certificate(username, wait);
      if ((await fingerprint(username, certificate.identityKey)) !== expected) throw mismatch(username);
      await this.#meet(username, certificate);
    }
    return this.#change(username, (record) => record);
  }

  /**
   * Asks the relay once more for a contact in whose place it has shown another one: it may have lied.
   * @throws AgentError identity_changed, device_changed if the contact is not shown again
   */
  async findAgain(username: string): Promise<void> {
    const stopped = () => this.#store.read(async (tx) => (await get(tx, "contact/", username))?.stopped);
    const certificate = await this.#certificate(username, { timeout: FIND_MS }).catch(() => undefined);
    if (certificate !== undefined) await this.#meet(username, certificate);
    const why = await stopped();
    if (why !== undefined) throw stoppedError(why, username);
  }

  async setBlocked(username: string, blocked: boolean): Promise<Contact> {
    return this.#change(username, (record) => ({ ...record, blocked }));
  }

  /** @throws AgentError unknown_contact; usage, where a tier above `known` is asked for one that is not verified */
  async setTier(username: string, tier: Exclude<Tier, "unknown">): Promise<Contact> {
    return this.#change(username, ({ trusted: _trusted, ...record }) => {
      if (tier !== "known" && !record.verified)
        throw new AgentError("usage", `the fingerprint of ${username} was never compared`, {
          hint: `ask its owner, over another channel, for it: aimessage verify ${username} FINGERPRINT`,
        });
      return { ...record, verified: tier !== "known", ...(tier === "trusted" ? { trusted: true as const } : {}) };
    });
  }

  async trust(username: string, compared: string | undefined, options: TrustOptions = {}): Promise<Contact> {
    this.#refuseSelf(username);
    const expected = compared ?? options.shown;
    const certificate = await this.#certificate(username, options);
    const shown = await fingerprint(username, certificate.identityKey);
    const before = await this.#store.read((tx) => get(tx, "contact/", username));
    if (expected !== undefined && shown !== expected) {
      if (before !== undefined) await this.#meet(username, certificate);
      throw mismatch(username);
    }
    const key = toBase64(certificate.identityKey);
    const same = before?.identity_key === key;
    const seen = before?.stopped !== undefined && before.new_identity_key === key;
    if (before !== undefined && !seen && (same || compared === undefined)) {
      // The owner has seen nothing that trust could accept; what it shows now goes the way of every certificate.
      await this.#meet(username, certificate);
      const contact = await this.#change(
        username,
        (record) => {
          if (record.stopped !== undefined) throw stoppedError(record.stopped, username);
          return { ...record, verified: record.verified || compared !== undefined };
        },
        { accepts: false },
      );
      await this.#store.write((tx) => settleAlerts(tx, username));
      return contact;
    }
    const after = await this.#store.write(async (tx) => {
      const pinnedAt = same && before !== undefined ? before.pinned_at : await behindAllGroups(tx, username);
      const verified = compared !== undefined || (same && before.verified);
      const record = {
        ...pin(username, certificate, pinnedAt),
        verified,
        blocked: before?.blocked ?? false,
        ...(same && before.trusted === true ? { trusted: true as const } : {}),
      };
      await put(tx, "contact/", username, record);
      await noteName(tx, username);
      await settleAlerts(tx, username);
      // Messages that wait for it are tried at once.
      await tx.put(`retry/${username}`, "");
      await stand(tx, record, { accepts: record.blocked });
      return record;
    });
    return this.#show(after);
  }

  /** An agent is no contact of its own: what the relay shows under its name would say nothing. */
  #refuseSelf(username: string): void {
    const own = this.#account.identity.username;
    if (username !== usernameKey(own)) return;
    const hint = `aimessage whoami -u ${own} shows your own fingerprint`;
    throw new AgentError("usage", `${own}: this is you`, { hint });
  }

  #meet(username: string, certificate: DeviceCertificate): Promise<ContactRecord> {
    return this.#store.write(async (tx) => {
      const now = Date.now();
      let record = await get(tx, "contact/", username);
      const meeting: Meeting = {
        tx,
        account: this.#account,
        now,
        contact: async () => record,
        saveContact: (changed) => void (record = changed),
        isStranger: async (name) => (await standingOf(tx, name)) === undefined,
        alert: (kind, contact, text, about) => raiseAlert(tx, now, { kind, contact, text, about }),
      };
      await meet(meeting, certificate, "relay");
      if (record === undefined) throw unknown(username);
      await put(tx, "contact/", username, record);
      return record;
    });
  }

  async #certificate(username: string, wait: Wait | undefined): Promise<DeviceCertificate> {
    const agent = (await this.#lookup(username, wait)) as { kind?: string; device?: { certificate: string } };
    const encoded = agent.device?.certificate;
    const certificate = encoded === undefined ? undefined : await verifyCertificate(this.#crypto, fromBase64(encoded));
    if (certificate === undefined || certificate.username !== usernameKey(username))
      throw new AgentError("refused", `${username} has no identity key at this relay`, {
        reason: "encryption_required",
        hint: "only full agents can be verified",
      });
    return certificate;
  }

  /** @param accepts Whether it lets in what of the contact waits for consent. */
  async #change(
    username: string,
    change: (record: ContactRecord) => ContactRecord,
    { accepts = true } = {},
  ): Promise<Contact> {
    const record = await this.#store.write(async (tx) => {
      const before = await get(tx, "contact/", username);
      if (before === undefined) throw unknown(username);
      const after = change(before);
      await put(tx, "contact/", username, after);
      // Each change here is the owner's word on this contact.
      await stand(tx, after, { accepts });
      return after;
    });
    if (record.blocked) {
      await giveUpAllTo(this.#store, username);
      await endAllUnwanted(this.#store);
    }
    return this.#show(record);
  }

  async #show(record: ContactRecord): Promise<Contact> {
    return show(record, await this.#store.read((tx) => beside(tx, record.username)));
  }
}

/** To know somebody is not to let it in: what waits is accepted by itself, unless the change `accepts`. */
async function stand(tx: WriteTransaction, contact: ContactRecord, { accepts }: { accepts: boolean }): Promise<void> {
  const { username, blocked } = contact;
  if (accepts || !(await waits(tx, "consent", username))) await setStanding(tx, username, blocked ? "block" : "allow");
}

/** What is known of a contact beside its record. */
interface Beside {
  known: boolean;
  heardAt: number | undefined;
}

async function beside(tx: ReadTransaction, username: string): Promise<Beside> {
  return { known: (await standingOf(tx, username)) === "allow", heardAt: await heardFrom(tx, username) };
}

/** When something readable came of a contact last, to the day. Unix milliseconds. */
async function heardFrom(tx: ReadTransaction, username: string): Promise<number | undefined> {
  let last: number | undefined;
  for (const [key] of await tx.list({ prefix: `contact-group/${username}/` })) {
    const group = key.slice(key.lastIndexOf("/") + 1);
    const at = (await findRecord(tx, "member/", `${group}/${username}`))?.heard_at;
    if (at !== undefined && at > (last ?? 0)) last = at;
  }
  return last;
}

/** Messages that are given up in one transaction: others want to write, too. */
const AT_ONCE = 500;

/** Nothing is sent to a blocked contact, and nothing of what it says about what was sent before is read. */
async function giveUpAllTo(store: ClientStore, username: string): Promise<void> {
  const isOpen = (row: OutboxRecord | undefined) =>
    row?.to === username && row.kind !== "receipt" && !isFinal(row.state);
  const open = await store.read(async (tx) => {
    const seqs: number[] = [];
    for await (const [, value] of rowsUnder(tx, "out/")) {
      const row = readable(value) as OutboxRecord | undefined;
      if (row !== undefined && isOpen(row)) seqs.push(row.seq);
    }
    return seqs;
  });
  for (let done = 0; done < open.length; done += AT_ONCE)
    await store.write(async (tx) => {
      for (const seq of open.slice(done, done + AT_ONCE)) {
        const row = await findRecord(tx, "out/", pad(seq));
        if (row !== undefined && isOpen(row)) await giveUp(tx, row, "blocked");
      }
    });
}

function unknown(username: string): AgentError {
  return new AgentError("unknown_contact", `${username} is not among the contacts`, {
    hint: `aimessage verify ${username} looks it up`,
  });
}

async function show(record: ContactRecord, { known, heardAt }: Beside): Promise<Contact> {
  return {
    username: record.username,
    fingerprint: await readableFingerprint(record.username, record.identity_key),
    verified: record.verified,
    tier: tierOf(record, known),
    blocked: record.blocked,
    ...(heardAt === undefined ? {} : { heardAt }),
    ...(record.stopped === undefined ? {} : { stopped: record.stopped }),
    ...(record.new_identity_key === undefined || record.stopped === undefined
      ? {}
      : { newFingerprint: await readableFingerprint(record.username, record.new_identity_key) }),
    pinnedAt: record.pinned_at,
    deviceCounter: record.device_counter,
  };
}

/** Now, unless our clock has been set back: conversations with the identity that was trusted before end here. Unix ms. */
async function behindAllGroups(tx: ReadTransaction, username: string): Promise<number> {
  const groups = (await list(tx, "group/")).filter(({ contact }) => contact === username);
  return Math.max(Date.now(), ...groups.map(({ created_at }) => created_at + 1));
}
