import { fingerprint as fingerprintOf, readableFingerprint } from "../crypto/identity.ts";
import { lineId, newCode } from "../crypto/pairing.ts";
import { AgentError } from "../errors.ts";
import type { Link } from "../link/link.ts";
import { relayName, usernameKey } from "../protocol/index.ts";
import { owe } from "../records/owed.ts";
import { isFinal } from "../records/outbox-records.ts";
import type { Account } from "../records/own-account.ts";
import { get, list, pad, put } from "../records/records.ts";
import type { LineRecord, PairingRecord } from "../records/pairing-records.ts";
import type { ClientStore, ReadTransaction, WriteTransaction } from "../store/store.ts";
import { settleAlerts } from "../trust/alerts.ts";
import { isBlocked, isOpen, verified } from "../trust/pairing.ts";
import type { AddressBook, Contact } from "./address-book.ts";
import { parseName } from "./address.ts";
import { check } from "./arguments.ts";
import { ask } from "./asks.ts";
import { enqueue } from "./enqueue.ts";
import { formatPairingLine, type PairingLine, readPairingLine, relayInLine } from "./pairing-line.ts";
import { Taken } from "./taken-line.ts";
import { type Wait, waitFor } from "./waiting.ts";

/** How long a line is good, and as long its use may take to arrive. Milliseconds. */
const HOUR_MS = 3_600_000;
/** Lines that are open at once. */
const MOST_OPEN = 16;

export interface PairOptions {
  /** Nobody else may use it, and who has this name is not asked about. */
  for?: string | undefined;
  /** The owner is not asked about whoever uses it. */
  yes?: boolean | undefined;
  /** Of the relay, for whoever reads the line and is not registered there. */
  invite?: string | undefined;
}

/** A line that this agent has made, and what became of it. Times in Unix milliseconds. */
export interface OwnLine {
  id: string;
  expiresAt: number;
  /** asked: `by` has used it, and {@link Pairing.accept} or {@link Pairing.refuse} is waited for. expired: nobody has in time. */
  state: "open" | "asked" | "paired" | "refused" | "withdrawn" | "expired";
  by?: { username: string; fingerprint: string };
  /** Only this agent may use it; who is `by` and is another has read what was not for it. */
  for?: string;
  /** Of one that was used: whether its owner knows how it has ended, by {@link Pairing.used}, `accept` or `refuse`. */
  heard: boolean;
}

interface Parts {
  store: ClientStore;
  link: Link;
  account: Account;
  book: AddressBook;
}

/** Pairing by one line: its maker gives it to one other agent, which shows it once, inside the encryption. */
export class Pairing {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** This agent's card: its name, relay and fingerprint in a line, for everybody. Undefined if its relay's address cannot stand in one. */
  async card(): Promise<string | undefined> {
    const relay = relayInLine(this.#parts.account.server);
    return relay === undefined ? undefined : formatPairingLine(await this.#own(relay));
  }

  /** Takes an agent among the contacts by its card, if the relay shows it as the card does. @throws AgentError bad_line, fingerprint_mismatch */
  async add(card: string, wait?: Wait): Promise<Contact> {
    const { username, relay, fingerprint } = readPairingLine(card);
    await this.#checkRelay(relay);
    return this.#parts.book.add(usernameKey(username), fingerprint, wait);
  }

  /** Makes a line, good for an hour and one other agent. It is a secret, and shown this once. @throws AgentError usage, bad_username */
  async open(options: PairOptions = {}): Promise<OwnLine & { line: string }> {
    check("pair", options, "options");
    const { account, store, link } = this.#parts;
    const relay = relayInLine(account.server);
    if (relay === undefined)
      throw new AgentError("usage", `the relay's address cannot stand in a line: ${account.server}`, {
        hint: "reach the relay by a name, and at the path /ws",
      });
    const code = newCode();
    const id = await lineId(code);
    const name = options.for === undefined ? undefined : parseName(options.for);
    const now = Date.now();
    const record: LineRecord = {
      id,
      code,
      relay,
      made_at: now,
      expires_at: now + HOUR_MS,
      ...(name === undefined ? {} : { for: name }),
      ...(options.yes === true ? { yes: true } : {}),
      state: "open",
    };
    await link.begin();
    await store.write(async (tx) => {
      if ((await list(tx, "line/")).filter((line) => isOpen(line, now)).length >= MOST_OPEN)
        throw new AgentError("usage", `${MOST_OPEN} lines are open already`, {
          hint: "wait until one was used or an hour is over, or withdraw them (aimessage pair --withdraw)",
        });
      await put(tx, "line/", id, record);
    });
    link.start();
    const { invite } = options;
    const own = { ...(await this.#own(relay)), code, ...(invite === undefined ? {} : { invite }) };
    return { ...(await show(record)), line: formatPairingLine(own) };
  }

  /** Lines of this agent that are not forgotten, oldest first. */
  async lines(): Promise<OwnLine[]> {
    const records = await this.#parts.store.read((tx) => list(tx, "line/"));
    return Promise.all(records.toSorted((one, other) => one.made_at - other.made_at).map(show));
  }

  /**
   * Resolves when a line is not open any more: somebody has used it, or nobody can. Waits for as long as it is open if nothing is said.
   * @throws AgentError unknown_line, timeout, relay_unreachable, aborted
   */
  async used(id: string, wait: Wait = {}): Promise<OwnLine> {
    const { store, link } = this.#parts;
    link.start();
    const look = async () => {
      const line = await show(await store.read((tx) => lineOf(tx, id)));
      return line.state === "open" ? undefined : line;
    };
    const { expires_at } = await store.read((tx) => lineOf(tx, id));
    const left = Math.max(0, expires_at - Date.now()) + 1;
    const within = { ...wait, timeout: Math.min(left, wait.timeout ?? left) };
    const line = await waitFor(store, link, "somebody to use the line", look, within).catch(async (error: unknown) => {
      const line = await look();
      if (line === undefined) throw error;
      return line;
    });
    if (line.state === "paired" || line.state === "refused")
      await store
        .write(async (tx) => put(tx, "line/", id, { ...(await lineOf(tx, id)), heard: true }))
        // It is used, whatever the disk says now; it is told once more.
        .catch(() => undefined);
    return line;
  }

  /** The agent that has used a line is the one that it was given to: both are verified for each other. @throws AgentError unknown_line, blocked */
  async accept(id: string): Promise<Contact> {
    const { username } = await this.#settle(id, async (tx, line, by) => {
      if (line.state === "paired") return;
      const contact = await get(tx, "contact/", by.username);
      if (line.state !== "asked" || contact?.identity_key !== by.identity_key) throw unknownLine();
      if (await isBlocked(tx, contact))
        throw new AgentError("blocked", `${by.username} is blocked here`, {
          hint: `aimessage contacts allow ${by.username}`,
        });
      await put(tx, "contact/", by.username, await verified(tx, contact));
      await put(tx, "line/", id, { ...line, state: "paired", heard: true });
      await settleAlerts(tx, by.username);
      await owe(tx, { ...by, from: by.username, state: "handled" });
    });
    return this.#contact(username);
  }

  /** It is somebody else. The line is of no use any more. @throws AgentError unknown_line */
  async refuse(id: string): Promise<void> {
    await this.#settle(id, async (tx, line, by) => {
      if (line.state === "refused") return;
      if (line.state !== "asked") throw unknownLine();
      await put(tx, "line/", id, { ...line, state: "refused", heard: true });
      await settleAlerts(tx, by.username);
      await owe(tx, { ...by, from: by.username, state: "failed", reason: "pairing_refused" });
    });
  }

  /** Nobody can use the lines that are open any more, or the one that is named. @returns how many there were */
  withdraw(id?: string): Promise<number> {
    return this.#parts.store.write(async (tx) => {
      const now = Date.now();
      const lines = (await list(tx, "line/")).filter((line) => id === undefined || line.id === id);
      const open = lines.filter((line) => isOpen(line, now));
      for (const line of open) await put(tx, "line/", line.id, { ...line, state: "withdrawn" });
      return open.length;
    });
  }

  /**
   * Shows the line of another agent to it: it is on disk when this resolves, and goes on whether or not anybody waits.
   * The same line again is the same pairing.
   * @throws AgentError bad_line, other_relay, fingerprint_mismatch, identity_changed, device_changed, blocked, usage
   */
  async take(line: PairingLine): Promise<Taken> {
    const { store, link, account, book } = this.#parts;
    const { code, relay, fingerprint } = line;
    const username = usernameKey(line.username);
    const own = usernameKey(account.identity.username);
    if (code === undefined)
      throw new AgentError("bad_line", `this is the card of ${username}, and no pairing line`, {
        hint: "aimessage contacts add takes cards; `aimessage pair` on the other side prints a line",
      });
    if (username === own)
      throw new AgentError("usage", "this line is your own", { hint: "it is for the agent that shall pair with you" });
    const id = await lineId(code);
    await link.begin();
    await this.#checkRelay(relay);
    const record = await store.write(async (tx) => {
      const before = await get(tx, "pairing/", id);
      if (before !== undefined && !(await mayTryAgain(tx, before))) return before;
      const letter = {
        to: `${username}#${fingerprint}`,
        body: id,
        options: { expiresIn: HOUR_MS },
        pairs: true,
      };
      const { seq } = await enqueue(tx, book, own, letter);
      const taken: PairingRecord = { id, code, relay, username, fingerprint, seq, at: Date.now() };
      await put(tx, "pairing/", id, taken);
      return taken;
    });
    link.wake();
    link.start();
    return this.#taken(record);
  }

  /** Lines of others that were shown to them, of which they have not said a word, or nobody here has heard it yet. */
  async taken(): Promise<Taken[]> {
    const records = await this.#parts.store.read(async (tx) => {
      const open: PairingRecord[] = [];
      for (const record of await list(tx, "pairing/")) {
        const row = await get(tx, "out/", pad(record.seq));
        if (row !== undefined && (!isFinal(row.state) || record.heard !== true)) open.push(record);
      }
      return open;
    });
    return records.map((record) => this.#taken(record));
  }

  #taken(record: PairingRecord): Taken {
    const { store, link } = this.#parts;
    return new Taken({ store, link, contact: (username) => this.#contact(username) }, record);
  }

  async #contact(username: string): Promise<Contact> {
    const contact = await this.#parts.book.find(username);
    if (contact === undefined) throw new AgentError("unknown_contact", `${username} is not among the contacts`);
    return contact;
  }

  async #own(relay: string): Promise<PairingLine> {
    const { username, publicKey } = this.#parts.account.identity;
    return { username, relay, fingerprint: await fingerprintOf(username, publicKey) };
  }

  /** A relay may have several names. */
  async #checkRelay(relay: string): Promise<void> {
    const { account, store, link } = this.#parts;
    const here = relayName(new URL(account.server));
    if (here === relay) return;
    const { names } = (await ask(store, link, { type: "info" })) as { names?: string[] };
    if (names?.includes(relay) === true) return;
    throw new AgentError("other_relay", `the line is for ${relay}, and ${account.identity.username} is at ${here}`, {
      hint: "register another agent there: aimessage pair --line -u NAME",
    });
  }

  async #settle(
    id: string,
    change: (tx: WriteTransaction, line: LineRecord, by: NonNullable<LineRecord["by"]>) => Promise<void>,
  ): Promise<{ username: string }> {
    const { store, link } = this.#parts;
    await link.begin();
    const by = await store.write(async (tx) => {
      const line = await lineOf(tx, id);
      if (line.by === undefined) throw unknownLine();
      await change(tx, line, line.by);
      return line.by;
    });
    link.wake();
    link.start();
    return by;
  }
}

/** A pairing that has ended without a word of the other side's may be tried again, and one that has such a word asks for it again. */
async function mayTryAgain(tx: ReadTransaction, { seq }: PairingRecord): Promise<boolean> {
  const row = await get(tx, "out/", pad(seq));
  return row === undefined || (isFinal(row.state) && row.state !== "handled");
}

async function lineOf(tx: ReadTransaction, id: string): Promise<LineRecord> {
  const line = await get(tx, "line/", id);
  if (line === undefined) throw unknownLine();
  return line;
}

function unknownLine(): AgentError {
  return new AgentError("unknown_line", "there is no such line, or nobody has used it", {
    hint: "aimessage pair makes another one",
  });
}

async function show(line: LineRecord): Promise<OwnLine> {
  const { id, expires_at, state, by, for: name } = line;
  const isOver = state === "open" && !isOpen(line, Date.now());
  return {
    id,
    expiresAt: expires_at,
    state: isOver ? "expired" : state,
    ...(by === undefined
      ? {}
      : { by: { username: by.username, fingerprint: await readableFingerprint(by.username, by.identity_key) } }),
    ...(name === undefined ? {} : { for: name }),
    heard: line.heard === true,
  };
}
