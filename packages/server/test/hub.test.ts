// [P-5.5], [P-5.6]: which connection has a mailbox, of those at several relays.
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Delivery, type DeliveryOptions, type Recipient } from "../src/delivery/delivery.ts";
import { Hub } from "../src/delivery/hub.ts";
import { alone } from "../src/store/bus.ts";
import { type Entry, type Listening, StorageError } from "../src/store/store.ts";

const MAILBOX = 1;

/** Relays that share a store, of which one mailbox is looked at. */
class Cluster {
  readonly relays: FakeRelay[] = [];
  /** Who has it by what the store knows. */
  owner: FakeRelay | undefined;
  claim = 0;
  #seq = 0;

  relay(): FakeRelay {
    const relay = new FakeRelay(this);
    this.relays.push(relay);
    return relay;
  }

  /** @returns who is pushed what is sent now: their names */
  async readers(): Promise<string[]> {
    const seq = ++this.#seq;
    const none = { device: undefined, sessionId: undefined, groupId: undefined, epoch: undefined };
    const entry = { ...none, from: "alice", kind: "application", message: "text", storedAt: 0, bytes: 10, seq };
    for (const { hub } of this.relays) hub.stored([{ ...entry, mailbox: MAILBOX, messageId: `m${seq}` } as Entry]);
    await turn();
    return this.relays.flatMap(({ clients }) => clients.filter(({ got }) => got.includes(seq)).map(({ name }) => name));
  }
}

class FakeRelay {
  readonly clients: Client[] = [];
  readonly hub: Hub;
  /** What holds the store's questions back, or its answers. */
  questions: Promise<void> | undefined;
  answers: Promise<void> | undefined;
  /** What the store says instead. */
  failure: Error | undefined;
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    const others = (): FakeRelay[] => cluster.relays.filter((relay) => relay !== this);
    const bus = { ...alone, freed: (mailbox: number) => others().forEach(({ hub }) => hub.freed(mailbox)) };
    const unlisten = async (_: number, claim: number): Promise<boolean> => {
      const had = cluster.owner === this && cluster.claim === claim;
      if (had) cluster.owner = undefined;
      return had;
    };
    this.hub = new Hub({ connections: 10, bus, store: { listen: () => this.take(), unlisten } });
  }

  async take(): Promise<Listening> {
    if (this.failure !== undefined) throw this.failure;
    await this.questions;
    const { owner } = this.#cluster;
    const claim = ++this.#cluster.claim;
    this.#cluster.owner = this;
    if (owner !== this) owner?.hub.superseded(MAILBOX, claim);
    await this.answers;
    return { claim, logId: "log", highWater: 0, lastSeq: 0, keyPackages: 0, lastRequest: undefined };
  }

  async connect(name: string, kind: "token" | "key" = "token"): Promise<Client> {
    const client = new Client(name, kind, this.hub);
    this.clients.push(client);
    await client.listen(await this.take());
    return client;
  }
}

class Client {
  readonly name: string;
  readonly got: number[] = [];
  /** What else has become of it. */
  readonly heard: string[] = [];
  readonly #hub: Hub;
  readonly #session: Recipient;

  constructor(name: string, kind: "token" | "key", hub: Hub) {
    this.name = name;
    this.#hub = hub;
    this.#session = {
      isOpen: true,
      login: { kind, mailbox: MAILBOX },
      write: (text: string) => this.got.push((JSON.parse(text) as { data: { seq: number } }).data.seq),
      pingUpTo: () => {},
      superseded: () => this.heard.push("superseded"),
      close: () => this.heard.push("closed"),
    } as unknown as Recipient;
    hub.join(this.#session);
  }

  async listen(listening: Listening): Promise<void> {
    const store = { entries: async () => ({ entries: [], more: false }) };
    const options = { inFlightMessages: 100, inFlightBytes: 10_000, clock: () => 0, onUnread: () => {}, store };
    const pushed = { ...listening, mailbox: MAILBOX };
    const delivery = new Delivery(this.#session, pushed, options as unknown as DeliveryOptions);
    this.#session.delivery = delivery;
    this.#hub.listen(delivery);
    await delivery.start();
  }

  async leave(): Promise<void> {
    this.#hub.leave(this.#session);
    for (let turns = 0; turns < 5; turns++) await turn();
  }
}

test("the newest connection keeps its mail when an older one of another relay closes", async () => {
  const cluster = new Cluster();
  const [a, b, c] = [cluster.relay(), cluster.relay(), cluster.relay()];
  await c.connect("at a third relay");
  await a.connect("oldest");
  const older = await a.connect("older");
  await b.connect("newest");
  await older.leave();
  await expect(cluster.readers()).resolves.toEqual(["newest"]);
  const [oldest] = a.clients;
  await oldest?.leave();
  await expect(cluster.readers()).resolves.toEqual(["newest"]);
});

test("when the newest connection closes the one before gets the mail, here or at another relay", async () => {
  const cluster = new Cluster();
  const [a, b] = [cluster.relay(), cluster.relay()];
  await a.connect("oldest");
  await b.connect("older");
  const newer = await b.connect("newer");
  const newest = await b.connect("newest");
  await expect(cluster.readers()).resolves.toEqual(["newest"]);
  await newest.leave();
  await expect(cluster.readers()).resolves.toEqual(["newer"]);
  await newer.leave();
  await expect(cluster.readers()).resolves.toEqual(["older"]);
  await b.clients[0]?.leave();
  await expect(cluster.readers()).resolves.toEqual(["oldest"]);
  await a.clients[0]?.leave();
  expect(cluster.owner).toBeUndefined();
});

describe.for(["token", "key"] as const)("of two relays that claim a mailbox of a %s account at once", (kind) => {
  test("the later one has it, which hears of the earlier one before its own answer", async () => {
    const cluster = new Cluster();
    const [a, b] = [cluster.relay(), cluster.relay()];
    const one = await a.connect("one", kind);
    const { promise, resolve } = Promise.withResolvers<void>();
    a.questions = promise;
    a.hub.claim(MAILBOX);
    const other = await b.connect("other", kind);
    resolve();
    await turn();
    await expect(cluster.readers()).resolves.toEqual(["one"]);
    expect([one.heard, other.heard]).toEqual(kind === "token" ? [[], []] : [[], ["superseded"]]);
  });

  test("the earlier one gives way, whose answer comes late", async () => {
    const cluster = new Cluster();
    const [a, b] = [cluster.relay(), cluster.relay()];
    const one = await a.connect("one", kind);
    const { promise, resolve } = Promise.withResolvers<void>();
    a.answers = promise;
    a.hub.claim(MAILBOX);
    await turn();
    const other = await b.connect("other", kind);
    resolve();
    await turn();
    await expect(cluster.readers()).resolves.toEqual(["other"]);
    expect([one.heard, other.heard]).toEqual(kind === "token" ? [[], []] : [["superseded"], []]);
  });
});

test("a connection that is gone when its answer comes leaves the mailbox to the one before", async () => {
  const cluster = new Cluster();
  const [a, b] = [cluster.relay(), cluster.relay()];
  await b.connect("before");
  const gone = await a.connect("gone");
  const listening = await a.take();
  await gone.leave();
  await gone.listen(listening);
  await turn();
  await expect(cluster.readers()).resolves.toEqual(["before"]);
});

test("a claim that cannot be made while the engine is away ends no connection", async () => {
  const cluster = new Cluster();
  const a = cluster.relay();
  const one = await a.connect("one");
  a.failure = new StorageError("internal", new Error("away"), true);
  a.hub.claim(MAILBOX);
  await turn();
  expect(one.heard).toEqual([]);
  a.failure = new Error("another one");
  a.hub.claim(MAILBOX);
  await turn();
  expect(one.heard).toEqual(["closed"]);
});
