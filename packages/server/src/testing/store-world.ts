import { BlockedGroups } from "../store/blocked-groups.ts";
import { strict as assert } from "node:assert";
import { defaultLimits } from "../config/limits.ts";
import type { StoreOptions } from "../store/options.ts";
import type {
  CommitRequest,
  Deed,
  Entry,
  KeyAccount,
  NamedDevice,
  NewDevice,
  NewInvite,
  PeersChange,
  Refused,
  RelayStore,
  SendRequest,
  TokenAccount,
} from "../store/store.ts";

/** Opens an empty store. */
export type OpenStore = (options: StoreOptions) => RelayStore | Promise<RelayStore>;

/** A case of the acceptance suite: a sentence, and a promise that rejects if the store does not do it. */
export interface StoreCase {
  name: string;
  run: (open: OpenStore) => Promise<void>;
}

/** A store with a clock that cases move, and short ways to fill it. */
export class StoreWorld implements AsyncDisposable {
  now = 1_700_000_000_000;
  /** From where accounts are registered next; empty: from nowhere that is known. */
  address = "";
  readonly store: RelayStore;
  /** What the store has announced as durable. */
  readonly stored: Entry[] = [];
  #ids = 0;

  private constructor(store: RelayStore) {
    this.store = store;
    store.watch((entries) => this.stored.push(...entries));
  }

  static async open(open: OpenStore, limits: Partial<StoreOptions["limits"]> = {}): Promise<StoreWorld> {
    const world: StoreWorld = new StoreWorld(
      await open({ limits: { ...defaultLimits(), ...limits }, clock: () => world.now }),
    );
    return world;
  }

  async token(username: string): Promise<TokenAccount> {
    return accepted(await this.store.registerToken(username, new Uint8Array(32), this.address));
  }

  newDevice(username: string, counter = 1, identity = username): NewDevice {
    return {
      username,
      identityKey: bytes(identity),
      device: {
        id: `${username}-${counter}`,
        key: bytes(`key ${username} ${counter}`),
        certificate: bytes("c"),
        counter,
      },
      keyPackages: [bytes(`package 1 ${username} ${counter}`), bytes(`package 2 ${username} ${counter}`)],
      lastResort: bytes(`last resort ${username} ${counter}`),
      address: this.address,
    };
  }

  async agent(username: string, counter = 1): Promise<KeyAccount> {
    return accepted(await this.store.registerDevice(this.newDevice(username, counter))).account;
  }

  send(from: { mailbox: number }, to: string, extra: Partial<SendRequest> = {}, blocked = new BlockedGroups()) {
    const empty = { sessionId: undefined, groupId: undefined, epoch: undefined, expiresAt: undefined };
    const messageId = `m${++this.#ids}`;
    return this.store.send({ sender: from.mailbox, to, message: messageId, messageId, ...empty, ...extra }, blocked);
  }

  open(from: KeyAccount, to: KeyAccount, groupId: string, messages: string[] = []) {
    return this.store.commit({
      sender: from.mailbox,
      commitId: `open-${groupId}`,
      groupId,
      epoch: 0,
      members: [from, to].map(({ username, device }) => ({ username, device: device.id })),
      commit: undefined,
      welcomes: [{ to: to.username, device: to.device.id, welcome: "welcome" }],
      messages: messages.map((id) => ({ to: to.username, message: id, messageId: id, expiresAt: undefined })),
    });
  }

  commit(from: KeyAccount, groupId: string, epoch: number, commitId: string, commit = commitId) {
    const { mailbox: sender } = from;
    return this.store.commit({
      sender,
      commitId,
      groupId,
      epoch,
      members: undefined,
      commit,
      welcomes: [],
      messages: [],
    });
  }

  /** Founds a team by somebody, with others. */
  found(by: KeyAccount, others: KeyAccount[], groupId: string, extra: Partial<CommitRequest> = {}) {
    return this.store.commit({
      sender: by.mailbox,
      commitId: `found-${groupId}`,
      groupId,
      epoch: 1,
      members: [by, ...others].map(named),
      team: { add: [], remove: [], body: undefined, tree: "tree" },
      commit: undefined,
      welcomes: others.map(welcomed),
      messages: [],
      ...extra,
    });
  }

  /** Ends an epoch of a team. */
  change(
    by: KeyAccount,
    groupId: string,
    epoch: number,
    { add = [], remove = [], ...extra }: { add?: KeyAccount[]; remove?: KeyAccount[] } & Partial<CommitRequest> = {},
  ) {
    return this.store.commit({
      sender: by.mailbox,
      commitId: `commit-${groupId}-${epoch}-${by.name}`,
      groupId,
      epoch,
      members: undefined,
      team: {
        add: add.map(named),
        remove: remove.map(named),
        body: `commit of ${epoch}`,
        tree: add.length > 0 ? "tree" : undefined,
      },
      commit: undefined,
      welcomes: add.map(welcomed),
      messages: [],
      ...extra,
    });
  }

  /** Says something to a team. */
  say(from: KeyAccount, groupId: string, epoch: number, messageId: string, extra: Partial<SendRequest> = {}) {
    const { mailbox: sender } = from;
    const rest = { to: undefined, message: messageId, sessionId: undefined, expiresAt: undefined };
    return this.store.send({ sender, groupId, epoch, messageId, ...rest, ...extra }, new BlockedGroups());
  }

  /** Lets these in, and blocks those. */
  async peers(of: { mailbox: number }, change: Partial<PeersChange>): Promise<void> {
    const all = { clear: undefined, allow: [], block: [], ...change };
    assert.equal(await this.store.setPeers(of.mailbox, all), undefined);
  }

  /** Sends until the mailbox is full; returns how many were taken. */
  async fill(from: { mailbox: number }, to: string, extra: Partial<SendRequest> = {}): Promise<number> {
    for (let count = 0; ; count++) {
      const result = await this.send(from, to, extra);
      if (!("refused" in result)) continue;
      assertRefused(result, "mailbox_full");
      return count;
    }
  }

  administer(what: Deed["what"], target: string, release = false) {
    return this.store.administer({ who: "root", what, target, release });
  }

  /** Makes an invite. @returns what stands for it */
  async invite(id: string, more: Partial<NewInvite> = {}): Promise<string> {
    const hash = Buffer.from(id.padEnd(32)).toString("hex");
    const invite = { hash, uses: 1, expiresAt: this.now + 3_600_000, ...more };
    const done = await this.store.administer({ who: "root", what: "invite", target: id, release: false, invite });
    assert.equal(done.outcome, "done");
    return hash;
  }

  async waiting(mailbox: number): Promise<Entry[]> {
    return (await this.store.entries(mailbox, 0, { messages: 10_000, bytes: 1e9 })).entries;
  }

  async ids(mailbox: number): Promise<string[]> {
    return (await this.waiting(mailbox)).map(({ messageId }) => messageId);
  }

  async sweep(): Promise<void> {
    while ((await this.store.sweep()).more);
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.store[Symbol.asyncDispose]();
  }
}

function named({ username, device }: KeyAccount): NamedDevice {
  return { username, device: device.id };
}

function welcomed({ username, device }: KeyAccount): CommitRequest["welcomes"][0] {
  return { to: username, device: device.id, welcome: `welcome ${username}` };
}

/** 32 bytes that stand for a key. */
function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text.padEnd(32).slice(0, 32));
}

/** What was accepted; fails the case if it was refused. */
export function accepted<T extends object>(result: T | Refused): T {
  if ("refused" in result) return assert.fail(`refused: ${result.refused}`);
  return result;
}

/** Fails the case unless the store refused, and for this reason, if one is given. */
export function assertRefused(result: object | undefined, reason?: string): void {
  const { refused } = (result ?? {}) as Partial<Refused>;
  assert.equal(refused, reason ?? refused ?? "a reason");
}
