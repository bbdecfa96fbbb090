import { largestBody } from "../crypto/content.ts";
import type { GroupCrypto } from "../crypto/mls/group.ts";
import { fingerprint, formatFingerprint } from "../crypto/identity.ts";
import { usernameKey } from "../protocol/index.ts";
import type { ClientStore, LinkHolder } from "../store/store.ts";
import { AddressBook, type Contact, type TrustOptions } from "./address-book.ts";
import { parseAddress, parseName } from "./address.ts";
import { followAlerts } from "../trust/alerts.ts";
import { check } from "./arguments.ts";
import { ask, type AskType } from "./asks.ts";
import { caughtUp, contactsTold } from "./caught-up.ts";
import { type Transport, webTransport } from "../wire/connect.ts";
import { Conversations } from "./conversations.ts";
import { DeadLetters } from "./dead-letters.ts";
import { diagnose, type Diagnosis } from "./diagnosis.ts";
import { type Because, enqueue, type Letter, type SendOptions } from "./enqueue.ts";
import { enqueueOnce } from "./repeats.ts";
import { inboxIdOf, type InboxOptions, listInbox, listPending, type PendingOptions, readById } from "./inbox.ts";
import { handleAll, type HandleOptions, type Handler } from "./handle.ts";
import { Groups } from "./groups.ts";
import { Guard } from "./guard.ts";
import { Files, linkWays, type Ways } from "./files.ts";
import { type Handles, handlesOf } from "./handles.ts";
import { leave, type LeaveOptions } from "./leave.ts";
import { Link } from "../link/link.ts";
import { followLink, type LinkEvent } from "./link-events.ts";
import { listen, type ListenOptions } from "./listen.ts";
import type { InboxEntry, IncomingMessage, Message } from "./message.ts";
import { followNews } from "./news.ts";
import type { News } from "../records/news.ts";
import { rowById } from "../records/outbox-records.ts";
import { Outbox } from "./outbox.ts";
import { Pairing } from "./pairing.ts";
import { Requests } from "./requests.ts";
import type { Tier } from "../records/tier.ts";
import type { Account } from "../records/own-account.ts";
import { list } from "../records/records.ts";
import { ASK_MS, type AskOptions, Asked, findQuestion, listQuestions, type Question } from "./questions.ts";
import { isStop, type MessageStatus, Sent, statusOf } from "./sent.ts";
import type { AlertRecord, InboxRecord, OutboxRecord } from "../records/tables.ts";
import type { Wait } from "./waiting.ts";

/** What happened that the owner should know: a changed key, a lost message, a relay that contradicts itself. */
export type Alert = AlertRecord;

/** However long it takes, whoever is in a hurry has a signal. Milliseconds. */
const ONCE_MS = 86_400_000;

/** An agent: sends and receives end-to-end encrypted messages. Everything it is given is on disk before it answers. */
export class Agent implements AsyncDisposable {
  readonly username: string;
  /** All 256 bits, in groups of four. */
  readonly fingerprint: string;
  readonly server: string;
  readonly outbox: Outbox;
  readonly deadLetters: DeadLetters;
  readonly requests: Requests;
  readonly groups: Groups;
  readonly guard: Guard;
  readonly pairing: Pairing;
  readonly conversations: Conversations;
  readonly #store: ClientStore;
  readonly #crypto: GroupCrypto;
  readonly #account: Account;
  readonly #link: Link;
  readonly #transport: Transport;
  readonly #book: AddressBook;
  readonly #files: Files;
  #closed: Promise<void> | undefined;
  /** For the guards, whatever it sends. */
  protected because: Because = {};

  protected constructor(
    store: ClientStore,
    crypto: GroupCrypto,
    account: Account,
    plainFingerprint: string,
    role: string,
    { transport = webTransport, files }: Ways,
  ) {
    this.#store = store;
    this.#crypto = crypto;
    this.#account = account;
    this.username = account.identity.username;
    this.fingerprint = formatFingerprint(plainFingerprint);
    this.server = account.server;
    this.#link = new Link(store, crypto, role, account, linkWays(transport, files));
    this.#transport = transport;
    const bring = (...files: Parameters<Files["bring"]>): void => this.#files.bring(...files);
    this.outbox = new Outbox(store, this.#link, { send: (letter) => this.#send(letter), bring });
    this.deadLetters = new DeadLetters(store, this.username);
    this.groups = new Groups(store, this.#link, crypto, this.username);
    this.requests = new Requests(store, this.username);
    this.guard = new Guard(store);
    this.conversations = new Conversations(store, this.username);
    this.#book = new AddressBook(store, crypto, account, (username, wait) => this.#ask("lookup", { username }, wait));
    this.pairing = new Pairing({ store, account, link: this.#link, book: this.#book });
    this.#files = new Files({ store, link: this.#link, server: account.server, host: files });
  }

  /** For whoever has a store and an account: see `openAgent`. */
  static async over(
    store: ClientStore,
    crypto: GroupCrypto,
    account: Account,
    role: string,
    { transport, files }: Ways = {},
  ): Promise<Agent> {
    const { username, publicKey } = account.identity;
    return new this(store, crypto, account, await fingerprint(username, publicKey), role, { transport, files });
  }

  /**
   * Puts a message into the outbox; it is on disk when this resolves, and is sent as soon as the relay can be reached.
   * `to` is a username, or `NAME#FINGERPRINT`, which pins before first contact, or `@GROUP`.
   * @throws AgentError bad_username, bad_fingerprint, message_too_large, identity_changed, device_changed,
   * fingerprint_mismatch, blocked, usage, disk_full, device_replaced
   */
  async send(to: string, body: string | Uint8Array, options: SendOptions = {}): Promise<Sent> {
    return this.#send({ to, body, options });
  }

  async #send(asked: Letter): Promise<Sent> {
    await this.#link.begin();
    const means = { book: this.#book, crypto: this.#crypto, own: usernameKey(this.username), because: this.because };
    const { row, repeated } = await this.#files.put(asked, (letter) => {
      const put = () => this.#withLink(this.#store.write((tx) => enqueueOnce(tx, means, letter)));
      return put().catch(async (error: unknown) => {
        if (!isStop(error)) throw error;
        if (letter.to.startsWith("@")) throw error;
        await this.#book.findAgain(parseAddress(letter.to).username);
        return put();
      });
    });
    this.#link.start();
    return new Sent(this.#store, this.#link, row, repeated);
  }

  /**
   * Messages as they come, the unhandled ones of before first. Several listeners of one agent each get every message,
   * unless they `share`: then each message goes to one of them.
   */
  async *messages(options: ListenOptions = {}): AsyncGenerator<IncomingMessage, void, undefined> {
    check("listen", options, "options");
    await this.#link.begin();
    if (options.once === true) await this.sync({ timeout: ONCE_MS, signal: options.signal });
    for await (const { row, message } of listen(this.#store, this.#link, this.username, options))
      yield { ...message, ...this.#handles(row) };
  }

  /** News of what waits to be handled, and then of each batch that comes, told once: how much, and of whom. Consumes nothing. */
  news({ signal }: { signal?: AbortSignal } = {}): AsyncGenerator<News, void, undefined> {
    return followNews(this.#store, this.#link, signal);
  }

  /** One message of the inbox, whoever listens. @throws AgentError unknown_message */
  async message(id: string): Promise<IncomingMessage & InboxEntry> {
    check("text", { text: id }, "message id");
    await this.#link.begin();
    const { row, entry } = await readById(this.#store, this.username, id);
    return { ...entry, ...this.#handles(row) };
  }

  /** What may be done with a message. */
  #handles(row: InboxRecord): Handles {
    return handlesOf(row, {
      store: this.#store,
      crypto: this.#crypto,
      send: (letter) => this.#send(letter),
      sent: (id) => this.sent(id),
      writing: (work) => this.#withLink(work),
      enqueue: async (tx, letter) => {
        const row = await enqueue(tx, this.#book, usernameKey(this.username), letter);
        this.#link.start();
        return row;
      },
      files: this.#files,
    });
  }

  /**
   * Sends a question, and waits for its reply, which counts as handled then. A process that dies meanwhile loses nothing:
   * see {@link asked}.
   * @throws AgentError as {@link send}; expired, refused, failed: no reply will come
   */
  async ask(to: string, body: string | Uint8Array, options: AskOptions = {}): Promise<Message> {
    const { signal } = options;
    return (await this.question(to, body, options)).reply(signal === undefined ? {} : { signal });
  }

  /** The same in two steps: the question is on disk when this resolves, and its reply is waited for as one likes. */
  async question(to: string, body: string | Uint8Array, options: AskOptions = {}): Promise<Asked> {
    const { timeout = ASK_MS, signal: _signal, ...more } = options;
    check("ask", { timeout }, "options");
    const letter = { to, body, options: { ...more, expiresIn: timeout }, expectsReply: true };
    const { id, repeated } = await this.#send(letter);
    return new Asked(this.#store, this.#link, this.username, { ...(await findQuestion(this.#store, id)), repeated });
  }

  /** A question that this agent has asked, in whatever process. @throws AgentError unknown_message, usage */
  async asked(id: string): Promise<Asked> {
    const record = await findQuestion(this.#store, id);
    this.#link.start();
    return new Asked(this.#store, this.#link, this.username, record);
  }

  /** What this agent has asked, and what came of it, oldest first. */
  questions(): Promise<Question[]> {
    return listQuestions(this.#store);
  }

  /**
   * Gives each message to `handler`: handled when it resolves. When it rejects it is tried again with back-off, and at
   * last a dead letter whose sender hears the error's message. Any number of processes may do so; they take turns.
   */
  async handle(handler: Handler, options: HandleOptions = {}): Promise<void> {
    check("handler", { handler });
    check("handle", options, "options");
    return handleAll((listening) => this.messages(listening), handler, options);
  }

  /** The largest body that the relay takes, as it said last, in bytes. */
  get largestBody(): number {
    return largestBody(this.#account.relay.frame_bytes);
  }

  /** What is known of a message that this agent sent; undefined if nothing is. */
  async status(id: string): Promise<MessageStatus | undefined> {
    const row = await this.#row(id);
    return row === undefined ? undefined : this.#store.read((tx) => statusOf(tx, row));
  }

  /** A message in the outbox, to wait for. */
  async sent(id: string): Promise<Sent | undefined> {
    const row = await this.#row(id);
    if (row === undefined) return undefined;
    this.#link.start();
    return new Sent(this.#store, this.#link, row);
  }

  /** Looks into the inbox, oldest first, and consumes nothing. @throws AgentError unknown_message */
  async inbox(options: InboxOptions = {}): Promise<InboxEntry[]> {
    check("look", options, "options");
    return listInbox(this.#store, this.username, options);
  }

  /** The id of a message in the inbox by its beginning. @throws AgentError usage if it is the beginning of several */
  inboxId(typed: string): Promise<string> {
    return inboxIdOf(this.#store, typed);
  }

  /**
   * Messages that wait for a handler, the oldest first, some at a time; consumes nothing. What its asker takes is not among
   * them, and what has come too late ends.
   * @throws AgentError unknown_message
   */
  async pending(options: PendingOptions = {}): ReturnType<typeof listPending> {
    check("pending", options, "options");
    return listPending(this.#store, this.username, options, this.#link.hasJumped, this.conversations);
  }

  /** Messages that have come and wait for a handler. */
  unhandled(): Promise<number> {
    return this.#store.read(async (tx) => (await tx.list({ prefix: "unhandled/" })).length);
  }

  /** Who is online at the relay, without oneself. @throws AgentError refused, timeout, relay_unreachable */
  async users(wait?: Wait): Promise<string[]> {
    const { users } = await this.#ask("list_users", {}, wait);
    return users as string[];
  }

  contacts(): Promise<Contact[]> {
    return this.#book.list();
  }

  /** One contact; undefined if it is none. @throws AgentError bad_username */
  async contact(username: string): Promise<Contact | undefined> {
    return this.#book.find(parseName(username));
  }

  /** Accepts what a stopped contact shows now; with `NAME#FINGERPRINT`, which the owner has compared, only if it matches. */
  async trust(address: string, options?: TrustOptions): Promise<Contact> {
    const { username, fingerprint: compared } = parseAddress(address);
    return this.#book.trust(username, compared, options);
  }

  async block(username: string): Promise<Contact> {
    return this.#book.setBlocked(parseName(username), true);
  }

  async allow(username: string): Promise<Contact> {
    return this.#book.setBlocked(parseName(username), false);
  }

  /**
   * Says how far the owner trusts a contact. Only a person should.
   * @throws AgentError unknown_contact, usage (above `known` it has to be verified first)
   */
  async setTier(username: string, tier: Exclude<Tier, "unknown">): Promise<Contact> {
    check("tier", { tier });
    return this.#book.setTier(parseName(username), tier);
  }

  /**
   * Without a fingerprint: the contact, looked up and pinned if it is new. With one: compares, and marks it as verified.
   * @throws AgentError fingerprint_mismatch, refused (unknown_user), bad_fingerprint
   */
  async verify(username: string, typed?: string, wait?: Wait): Promise<Contact> {
    const address = parseAddress(typed === undefined ? username : `${username}#${typed}`);
    return this.#book.verify(address.username, address.fingerprint, wait);
  }

  /** The process that holds the link of this agent to its relay, by the role that it has told. */
  linkHolder(): Promise<LinkHolder | undefined> {
    return this.#store.linkHolder();
  }

  /**
   * Resolves when everything that had waited at the relay, receipts too, is in the store.
   * @throws AgentError relay_unreachable, timeout, aborted, and what ended the link
   */
  sync(wait?: Wait): Promise<void> {
    return caughtUp(this.#store, this.#link, wait);
  }

  /**
   * Resolves when the relay has heard whom the owner has written to, accepted or blocked. It hears of it sooner or later anyway.
   * @throws AgentError relay_unreachable, timeout, aborted, and what ended the link
   */
  contactsTold(wait?: Wait): Promise<void> {
    return contactsTold(this.#store, this.#link, wait);
  }

  /**
   * Removes the agent at its relay, and everything that it has here. Who wrote what is not handled hears that it failed.
   * Of a device that another one has replaced only what is here is removed.
   * @returns whether the relay has removed its account
   */
  async unregister(options: LeaveOptions = {}): Promise<boolean> {
    check("leave", options, "options");
    const sync = () => this.sync(options);
    const files = () => this.#files.leave();
    return leave({ store: this.#store, account: this.#account, link: this.#link, sync, files }, options);
  }

  /** Looks at everything that may be wrong. Reports, never throws for what it can report. */
  diagnose(wait?: Wait): Promise<Diagnosis> {
    const ask = (type: AskType, within: Wait | undefined) => this.#ask(type, {}, within);
    const [store, account, link, transport] = [this.#store, this.#account, this.#link, this.#transport];
    return diagnose({ store, account, link, ask, transport }, wait);
  }

  alerts(): Promise<Alert[]> {
    return this.#store.read((tx) => list(tx, "alert/"));
  }

  /** Calls `listener` with each alert from now on. */
  onAlert(listener: (alert: Alert) => void): () => void {
    return followAlerts(this.#store, listener);
  }

  onLink(listener: (event: LinkEvent) => void): () => void {
    return followLink(this.#link, this.server, listener);
  }

  /** Calls `listener` after each change of what this agent has, by whichever process, and now and then without one. */
  onChange(listener: () => void): () => void {
    return this.#store.onChange(listener);
  }

  /** Sends what waits, as far as the relay takes it within seconds, and lets go. What is left waits on disk. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      await this.#files.stop();
      await this.#link.stop(5_000);
      await this.#store.close();
    })();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What is being written gives the link something to do: its turn shares the commit. */
  #withLink<T>(writing: Promise<T>): Promise<T> {
    this.#link.wake();
    return writing;
  }

  async #row(id: string): Promise<OutboxRecord | undefined> {
    check("text", { text: id }, "message id");
    return this.#store.read((tx) => rowById(tx, id));
  }

  #ask(type: AskType, data: Record<string, unknown>, wait?: Wait): Promise<Record<string, unknown>> {
    return ask(this.#store, this.#link, { type, data }, wait);
  }
}
