import { blobLimits, ModelBlobs } from "./blob-model.ts";
import { DAY } from "./days.ts";
import type { Account, Entry, Group, Mailbox, Package, Past, Payer, RoomKind } from "./records.ts";
import { ModelTeams } from "./team-model.ts";

/** Small, so that they are met. */
export const limits = {
  mailboxMessages: 32,
  handshakeMessages: 32,
  unknownUserMessages: 2,
  mailboxAge: 14 * DAY,
  peers: 2,
  groupMembers: 3,
  accountGroups: 3,
  ...blobLimits,
};
const REMEMBERED_MS = 2 * DAY;
const KEYS_MS = 88 * DAY;
const UNUSED_MS = 90 * DAY;
/** Groups are judged by whole days. */
const GROUP_DAYS = 90;
const ENDED_DAYS = 15;

/** What a relay's store is to keep, in maps: written from docs/protocol.md, and slow. */
export class Model {
  now = 1_700_000_000_000;
  seq = 0;
  mailboxes = 0;
  readonly accounts = new Map<string, Account>();
  readonly boxes = new Map<number, Mailbox>();
  entries: Entry[] = [];
  readonly requests = new Map<string, Past>();
  readonly last = new Map<number, string>();
  readonly groups = new Map<string, Group>();
  readonly stocks = new Map<number, { left: Package[]; lastResort: Package | undefined }>();
  readonly claims = new Map<string, Package & { claimed: number }>();
  /** Whom each name has let in (false) or blocked (true), in the order in which it has said so. */
  readonly peers = new Map<string, Map<string, boolean>>();
  /** Of each mailbox's one connection. */
  readonly blocked = new Map<number, Set<string>>();
  readonly blobs = new ModelBlobs();
  readonly teams = new ModelTeams();
  /** Mailboxes that are being pushed. */
  readonly listening = new Set<number>();

  get today(): number {
    return Math.floor(this.now / DAY);
  }

  /** What a new account has beside what it was given. */
  fresh(address: string): Pick<Account, "address" | "seen" | "entered"> {
    return { address, seen: this.today, entered: false };
  }

  account(name: string): Account | undefined {
    return this.accounts.get(name.toLowerCase());
  }

  /** The account that a mailbox is the present one of. */
  active(mailbox: number): Account | undefined {
    const account = this.accounts.get(this.boxes.get(mailbox)?.name ?? "");
    return account !== undefined && account.kind !== "removed" && account.mailbox === mailbox ? account : undefined;
  }

  name(mailbox: number): string {
    return this.boxes.get(mailbox)?.name ?? "";
  }

  deviceOf(mailbox: number): string {
    return `${this.name(mailbox)}-${this.boxes.get(mailbox)?.counter}`;
  }

  createBox(name: string, counter: number | undefined): number {
    this.boxes.set(++this.mailboxes, { name, counter, closed: undefined, drained: false });
    return this.mailboxes;
  }

  /** The mailbox in which messages wait for a name that nobody has. */
  unknownBox(name: string): number | undefined {
    const found = [...this.boxes].findLast(([, box]) => box.name === name && box.counter === undefined);
    return found !== undefined && found[1].closed === undefined ? found[0] : undefined;
  }

  waiting(mailbox: number): Entry[] {
    return this.entries.filter((entry) => entry.mailbox === mailbox);
  }

  /** The highest position of what may still be pushed: of a message to a team a stub is. */
  highWater(mailbox: number): number {
    const lives = ({ expires, pos }: Entry) => expires === undefined || expires > this.now || pos !== undefined;
    return this.waiting(mailbox).findLast(lives)?.seq ?? 0;
  }

  add(entry: Omit<Entry, "seq" | "at">): number {
    this.entries.push({ ...entry, seq: ++this.seq, at: this.now });
    return this.seq;
  }

  /** Lets in or blocks, and forgets the oldest of too many. */
  setPeers(owner: string, names: string[], blocked: boolean): void {
    const list = this.peers.get(owner) ?? new Map<string, boolean>();
    this.peers.set(owner, list);
    for (const name of names.map((own) => own.toLowerCase())) {
      if (list.get(name) === blocked) continue;
      list.delete(name);
      list.set(name, blocked);
    }
    const kind = [...list].filter(([, is]) => is === blocked);
    for (const [name] of kind.slice(0, Math.max(0, kind.length - limits.peers))) list.delete(name);
  }

  /** What a name is to the owner of a mailbox. */
  standing(mailbox: number, name: string): "peer" | "blocked" | "stranger" {
    const owner = this.name(mailbox);
    if (owner === name) return "peer";
    const blocked = this.active(mailbox) === undefined ? undefined : this.peers.get(owner)?.get(name);
    return blocked === undefined ? "stranger" : blocked ? "blocked" : "peer";
  }

  /** Who is charged for what a sender leaves in a mailbox. */
  payer(mailbox: number, sender: string): Payer {
    const address = this.accounts.get(sender)?.address ?? sender;
    return { sender, address, stranger: this.standing(mailbox, sender) !== "peer" };
  }

  hasRoom(mailbox: number, kind: RoomKind, { sender, stranger, address }: Payer, count: number): boolean {
    if (count === 0) return true;
    const room = this.waiting(mailbox).filter((entry) => this.teams.roomOf(entry) === kind);
    const own = room.filter((entry) => entry.sender === sender).length;
    if (kind === "commit" && !stranger && own + count <= 4) return true;
    if (kind === "welcome" && own + count > 16) return false;
    const isMail = kind === "application" || kind === "group";
    const all = isMail ? limits.mailboxMessages : limits.handshakeMessages;
    if (!stranger) return own + count <= Math.floor((all - (room.length - own)) / 4);
    const theirs = room.filter((entry) => entry.stranger);
    const here = theirs.filter((entry) => entry.address === address).length;
    const part = Math.min(Math.floor(all / 2), all - (room.length - theirs.length));
    const ofAddress = Math.floor((part - (theirs.length - here)) / 4);
    return own + count <= Math.floor((ofAddress - Math.max(0, here - own)) / 2);
  }

  past(mailbox: number, kind: "message" | "commit", id: string): Past | undefined {
    return this.requests.get(`${mailbox}/${kind}/${id}`);
  }

  remember(mailbox: number, kind: "message" | "commit", id: string, past: Omit<Past, "at">): void {
    this.requests.set(`${mailbox}/${kind}/${id}`, { ...past, at: this.now });
  }

  close(mailbox: number, reason: "device_replaced" | "unregistered"): void {
    const box = this.boxes.get(mailbox);
    if (box !== undefined) Object.assign(box, { closed: reason, drained: false });
    this.teams.lapseAll(mailbox, this.now);
  }

  stock(mailbox: number): Package[] {
    return (this.stocks.get(mailbox)?.left ?? []).filter(({ at }) => at > this.now - KEYS_MS);
  }

  lastResort(mailbox: number): Package | undefined {
    const found = this.stocks.get(mailbox)?.lastResort;
    return found !== undefined && found.at > this.now - KEYS_MS ? found : undefined;
  }

  claimed(claimant: number, mailbox: number): Package | undefined {
    const found = this.claims.get(`${claimant}/${mailbox}`);
    return found !== undefined && found.at > this.now - KEYS_MS && found.claimed > this.now - DAY ? found : undefined;
  }

  removeKeys(mailbox: number): void {
    this.stocks.delete(mailbox);
    for (const key of this.claims.keys()) if (key.split("/").includes(String(mailbox))) this.claims.delete(key);
  }

  /** Messages to teams whose senders have been told that they expired. */
  readonly #told = new Set<string>();

  /** They are over, and end with the next sweep. */
  removeGroups(mailbox: number): void {
    for (const group of this.groups.values()) {
      if (!group.members.includes(mailbox)) continue;
      group.members = [];
      group.ended ??= Infinity;
    }
  }

  /** An account goes, and its mail with the next sweep. */
  remove(mailbox: number, release: boolean): void {
    const own = this.name(mailbox);
    const account = this.accounts.get(own);
    for (const [box, { name }] of this.boxes) {
      if (name !== own) continue;
      this.close(box, "unregistered");
      this.teams.removeAll(own, this.now);
      this.removeGroups(box);
    }
    this.removeKeys(mailbox);
    this.peers.delete(own);
    this.blobs.disown(own);
    if (release || account === undefined) this.accounts.delete(own);
    else this.accounts.set(own, { ...account, kind: "removed" });
  }

  /** Whether anything was ever done with an account. */
  #isUsed(own: string, { kind, mailbox, entered }: Account): boolean {
    if (kind === "removed" || (kind === "token" && entered)) return true;
    const talks = [...this.groups.values()].some(({ members }) => members.includes(mailbox));
    return talks || this.teams.has(mailbox) || this.last.has(mailbox) || (this.peers.get(own)?.size ?? 0) > 0;
  }

  /** Everything that sweeps do until there is no more to do. */
  sweep(): void {
    const expired = this.entries.filter(({ expires }) => expires !== undefined && expires <= this.now);
    for (const entry of expired.sort((a, b) => (a.expires ?? 0) - (b.expires ?? 0) || a.seq - b.seq))
      if (entry.pos === undefined) this.#drop(entry, "expired");
      else {
        this.#notice(entry, "expired");
        this.teams.toStub(entry);
      }
    for (const [key, { at }] of this.requests) if (at < this.now - REMEMBERED_MS) this.requests.delete(key);
    for (;;) {
      for (const entry of this.entries.filter(({ at }) => at < this.now - limits.mailboxAge))
        if (!this.#isNeeded(entry)) {
          this.teams.lose(this, entry);
          this.#drop(entry, "mailbox_age");
        }
      for (const [id, { used, ended }] of this.groups)
        if (used < this.today - GROUP_DAYS || (ended ?? Infinity) < this.today - ENDED_DAYS) this.groups.delete(id);
      this.teams.forget(this.today - GROUP_DAYS);
      for (const [own, account] of this.accounts)
        if (!this.#isUsed(own, account) && account.seen < Math.floor((this.now - UNUSED_MS) / DAY))
          this.remove(account.mailbox, true);
      const next = [...this.boxes].find(([, { closed, drained }]) => closed !== undefined && !drained);
      if (next === undefined) return;
      const [mailbox, box] = next;
      for (const entry of this.waiting(mailbox)) this.#drop(entry, box.closed ?? "");
      this.last.delete(mailbox);
      if (box.closed === "unregistered") {
        for (const group of this.groups.values()) if (group.ended === Infinity) group.ended = this.today;
        this.boxes.delete(mailbox);
      } else box.drained = true;
    }
  }

  /** A Welcome or commit, as long as messages of its group follow. [P-5.8] */
  #isNeeded({ kind, mailbox, group, seq }: Entry): boolean {
    if ((kind !== "welcome" && kind !== "commit") || this.teams.all.has(group ?? "")) return false;
    return this.waiting(mailbox).some(
      (other) => other.kind === "application" && other.group === group && other.seq > seq,
    );
  }

  /** The sender of an application message is told. [P-5.7] */
  #drop(entry: Entry, reason: string): void {
    this.entries = this.entries.filter((other) => other !== entry);
    const box = this.boxes.get(entry.mailbox);
    const isUnknown = box?.counter === undefined && this.accounts.get(box?.name ?? "")?.kind !== "token";
    if (isUnknown && box?.closed === undefined && this.waiting(entry.mailbox).length === 0)
      this.boxes.delete(entry.mailbox);
    this.#notice(entry, reason);
  }

  #notice(entry: Entry, reason: string): void {
    const isForAll = entry.pos !== undefined && (reason === "expired" || reason === "mailbox_age");
    const message = `${entry.group}/${entry.epoch}/${entry.pos}`;
    // Of a message to a team its sender hears once.
    if (isForAll && this.#told.has(message)) return;
    if (isForAll && entry.kind === "application") this.#told.add(message);
    const sender = this.accounts.get(entry.from.toLowerCase());
    if (entry.kind !== "application" || sender?.kind !== "key") return;
    // Whoever has the name now may be somebody else.
    const isDevice = ({ name, counter, closed }: Mailbox): boolean =>
      closed !== "unregistered" && `${name}-${counter}` === entry.device;
    if (![...this.boxes.values()].some(isDevice)) return;
    const name = this.name(entry.mailbox);
    const from = isForAll ? "" : (this.accounts.get(name)?.username ?? name);
    const { id, group } = entry;
    const rest = { expires: undefined, unknown: false, stranger: false, address: sender.address, reason };
    const charged = sender.username.toLowerCase();
    this.add({ mailbox: sender.mailbox, sender: charged, from, kind: "notice", id, group, ...rest });
  }
}
