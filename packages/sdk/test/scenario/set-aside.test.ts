/** Records on which a turn fails by itself: each is set aside alone, and the link goes on. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import { GroupCrypto } from "../../src/crypto/mls/group.ts";
import type { Opened } from "../../src/crypto/mls/seam.ts";
import { AgentError } from "../../src/errors.ts";
import { MemoryFolder, MemoryStore } from "../../src/store/memory.ts";
import { owed } from "../../src/records/owed.ts";
import { pad, put } from "../../src/records/records.ts";
import type { WriteTransaction } from "../../src/store/store.ts";
import { alertKinds, eventually, follow, peersAreTold, World } from "./world.ts";

/** A row to bob as `send` writes it, at a place of its own. */
async function plantMessage(tx: WriteTransaction, seq: number, more: object, to = "bob"): Promise<void> {
  const row = { seq, id: `planted-${seq}`, kind: "message", to, content_type: "text/plain", state: "queued" };
  await tx.put(`out/${pad(seq)}`, JSON.stringify({ ...row, created_at: 1, updated_at: 1, attempt: 0, ...more }));
  await tx.put(`out-body/${pad(seq)}`, "planted");
  await tx.put(`out-id/planted-${seq}`, String(seq));
  await tx.put(`queue/${to}/${pad(seq)}`, "");
}

const BROKEN = "{no JSON";

async function replaceFirst(tx: WriteTransaction, prefix: string, value?: Uint8Array): Promise<void> {
  const [[key] = [""]] = await tx.list({ prefix });
  expect(key).not.toBe("");
  await (value === undefined ? tx.delete(key) : tx.put(key, value));
}

/** What is planted in alice's store, where she and a peer have written to each other in a group. */
const plants: Record<string, (tx: WriteTransaction, peer: string, group: string) => Promise<unknown>> = {
  "a message whose expiry is a fraction": (tx, peer) =>
    plantMessage(tx, 900, { expires_at: Date.now() + 1_000_000.5 }, peer),
  "a message whose expiry is no number": (tx, peer) => plantMessage(tx, 900, { expires_at: "soon" }, peer),
  "a message without an id": (tx, peer) => plantMessage(tx, 900, { id: null }, peer),
  "a message that is no JSON": async (tx, peer) => {
    await plantMessage(tx, 900, {}, peer);
    await tx.put(`out/${pad(900)}`, BROKEN);
  },
  "a message of which only the expiry can be read": async (tx) => {
    await tx.put(`expiry/${pad(1)}/${pad(900)}`, "");
    await tx.put(`out/${pad(900)}`, "null");
  },
  "a ciphertext that is no JSON": (tx) => tx.put(`wire/${pad(1)}`, BROKEN),
  "a ciphertext whose frame is no JSON": async (tx, peer, group) => {
    await plantMessage(tx, 900, { group, counter: 77 }, peer);
    await put(tx, "wire/", pad(900), { group, epoch: 1, counter: 77, frame: "{" });
  },
  "what became of a message that is no JSON": (tx, peer) => tx.put(owed(peer, "done", pad(1)), BROKEN),
  "the rest of a receipt that is no JSON": (tx, peer) => tx.put(`report/${peer}/${pad(1)}`, BROKEN),
  "the rest of a receipt of another shape": (tx, peer) =>
    tx.put(`report/${peer}/${pad(1)}`, `{"received":{},"handled":7}`),
  "what is to be sent again that is no JSON": (tx, _peer, group) => tx.put(`again/${group}`, BROKEN),
  "a receipt in the outbox that is no JSON": async (tx, peer) => {
    await plantMessage(tx, 900, { kind: "receipt" }, peer);
    await tx.put(`out/${pad(900)}`, BROKEN);
  },
  "a received message that is no JSON": (tx) => tx.put(`in/${pad(1)}`, BROKEN),
  "a conversation that is no JSON": (tx, _peer, group) => tx.put(`group/${group}`, BROKEN),
  "a conversation whose state is not one": (tx, _peer, group) => tx.put(`mls/${group}`, new Uint8Array(7)),
  "a conversation whose tree is none": (tx, _peer, group) => replaceFirst(tx, `tree/${group}/`, new Uint8Array(7)),
  "a conversation whose ratchets are none": (tx, _peer, group) =>
    replaceFirst(tx, `ratchet/${group}/`, new Uint8Array(7)),
  "a conversation without its ratchets": (tx, _peer, group) => replaceFirst(tx, `ratchet/${group}/`),
  "a commit that is no JSON": (tx, _peer, group) => tx.put(`commit/${group}`, BROKEN),
  "a commit whose frame is no JSON": (tx, _peer, group) =>
    put(tx, "commit/", group, {
      group,
      commit_id: "c",
      kind: "update",
      epoch: 1,
      frame: "{",
      rows: [],
      created_at: Date.now(),
    }),
  "a commit of another shape": (tx, _peer, group) => tx.put(`commit/${group}`, "{}"),
  "a contact that is no JSON, and is owed a receipt": async (tx, peer) => {
    await tx.put(`contact/${peer}`, BROKEN);
    await tx.put(`owed/${peer}/done/${pad(1)}`, JSON.stringify({ id: "one" }));
  },
  "a held message that is no JSON": async (tx, peer) => {
    await tx.put(`held/guard/${peer}/${pad(900)}`, BROKEN);
    await tx.put(`holding/guard/${peer}`, BROKEN);
  },
  "limits of the guards that are no JSON": (tx) => tx.put("meta/guards", BROKEN),
  "what the guards count that is no JSON": async (tx, peer) => {
    await tx.put(`heard/${peer}`, BROKEN);
    await tx.put(`answered/${peer}`, BROKEN);
  },
  "a contact that is no JSON": (tx, peer) => tx.put(`contact/${peer}`, BROKEN),
  "a request that is no JSON": (tx) => tx.put("ask/1", BROKEN),
  "a request that nobody knows": (tx) => tx.put("ask/1", `{"id":"1","type":"unheard_of","data":{},"at":${Date.now()}}`),
  "a key package that is no JSON": (tx) => tx.put("key/1", BROKEN),
  "what the relay was told of peers that is no JSON": (tx) => tx.put("meta/peers", BROKEN),
  "a renewal of keys that is no JSON": (tx) => tx.put("meta/renewal", BROKEN),
  "an alert that is no JSON": (tx) => tx.put(`alert/${pad(1)}`, BROKEN),
};

describe("nothing that lies in an agent's store keeps its link from working:", () => {
  let world: World;
  let carol: Agent;
  let peers = 0;
  beforeAll(async () => {
    world = await World.create();
    carol = await world.open("carol");
    follow(carol);
  });
  afterAll(() => world[Symbol.asyncDispose]());

  test.each(Object.entries(plants))("%s", async (_name, plant) => {
    const peer = await world.open(`peer-${(peers += 1)}`);
    const before = await world.open("alice");
    await (await before.send(peer.username, "hello")).stored();
    await (await peer.send("alice", "to be read later")).received();
    await before.close();
    await world.memory("alice").write(async (tx) => {
      const prefix = `contact-group/${peer.username}/`;
      const [group] = await tx.list({ prefix });
      await plant(tx, peer.username, group?.[0].slice(prefix.length) ?? "");
      // Whatever it is, it comes to it.
      await plantMessage(tx, 901, {}, peer.username);
    });

    const alice = await world.open("alice");
    const sent = await alice.send("carol", "one");
    await (await carol.send("alice", "two")).received();
    await sent.handled();
    expect(await alice.users()).toContain("carol");
    const planted = () => world.memory("alice").read((tx) => tx.list({ prefix: `queue/${peer.username}/${pad(900)}` }));
    await eventually("what was planted waits no more", async () => (await planted()).length === 0);
    await alice.close();
    await peer.close();
  });
});

test("a message on which encrypting fails has failed alone, with a reason and an alert; those around it arrive", async () => {
  await using world = await World.create();
  const [bob, first] = [await world.open("bob"), await world.open("alice")];
  const got = follow(bob);
  await (await first.send("bob", "1")).handled();
  await first.close();
  await world.memory("alice").write((tx) => plantMessage(tx, 500, { expires_at: Date.now() + 1_000_000.5 }));
  const alice = await world.open("alice");
  for (const body of ["2", "3"]) await (await alice.send("bob", body)).handled();
  expect(await alice.status("planted-500")).toMatchObject({ state: "failed", reason: "internal" });
  expect(await alertKinds(alice)).toEqual(["internal"]);
  expect((await alice.alerts())[0]?.text).toContain("planted-500");
  expect(got.map(({ body }) => body)).toEqual(["1", "2", "3"]);
  await eventually("nothing is left of it to try", async () =>
    world.memory("alice").read(async (tx) => (await tx.list({ prefix: "queue/" })).length === 0),
  );
});

test("what the relay is to hear of peers in the turn that such a message fails is said all the same", async () => {
  await using world = await World.create();
  const [bob, first] = [await world.open("bob"), await world.open("alice")];
  follow(bob);
  await (await first.send("bob", "1")).handled();
  await first.close();
  await world.memory("alice").write(async (tx) => {
    await plantMessage(tx, 500, { expires_at: Date.now() + 1_000_000.5 });
    for (const prefix of ["peer/", "peer-due/"]) await tx.put(`${prefix}carol`, "allow");
  });
  const alice = await world.open("alice");
  await (await alice.send("bob", "2")).handled();
  expect(await alertKinds(alice)).toEqual(["internal"]);
  await peersAreTold(world, "alice");
  expect(world.proxy.sentBy("alice", "peers").at(-1)?.data).toEqual({ allow: ["carol"], block: [] });
});

test("many such messages in front of an opening fail, each alone", { tags: ["long"] }, async () => {
  await using world = await World.create();
  const [bob, first] = [await world.open("bob"), await world.open("alice")];
  follow(bob);
  await first.close();
  await world.memory("alice").write(async (tx) => {
    for (let seq = 500; seq < 540; seq++)
      await plantMessage(tx, seq, seq % 2 === 0 ? { expires_at: Date.now() + 1_000_000.5 } : {});
  });
  const alice = await world.open("alice");
  await (await alice.send("bob", "last")).handled();
  // Receipts of those before it may be applied by a later turn.
  await eventually("the outbox is empty", async () => (await alice.outbox.list()).length === 0);
  const ended = (await alice.outbox.list({ all: true })).map(({ state }) => state);
  expect(ended.filter((state) => state === "failed")).toHaveLength(20);
  expect(ended.filter((state) => state === "handled")).toHaveLength(21);
});

const isPoison = (opened: Opened): boolean =>
  opened.kind === "application" && new TextDecoder().decode(opened.plaintext).includes("poison");

test("pushed messages on which processing fails end as failed for their sender; those around them arrive once", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  const got = follow(bob);
  await (await alice.send("bob", "0")).handled();
  const decrypt = Reflect.get(GroupCrypto.prototype, "decrypt");
  const spy = vi.spyOn(GroupCrypto.prototype, "decrypt").mockImplementation(async function (
    this: GroupCrypto,
    ...input
  ) {
    const opened = await decrypt.apply(this, input);
    if (isPoison(opened)) throw new TypeError("stumbles over it");
    return opened;
  });
  const decryptAll = Reflect.get(GroupCrypto.prototype, "decryptAll");
  const together = vi.spyOn(GroupCrypto.prototype, "decryptAll").mockImplementation(async function (
    this: GroupCrypto,
    ...input
  ) {
    const all = await decryptAll.apply(this, input);
    return all.slice(0, [...all.map(isPoison), true].indexOf(true));
  });
  onTestFinished(() => {
    spy.mockRestore();
    together.mockRestore();
  });
  const sent = await Promise.all(
    Array.from({ length: 12 }, (_, index) => alice.send("bob", [3, 4, 9].includes(index) ? "poison" : `${index}`)),
  );
  const ends = await Promise.allSettled(sent.map((message) => message.handled()));
  expect(ends.flatMap(({ status }, index) => (status === "rejected" ? [index] : []))).toEqual([3, 4, 9]);
  expect(await sent[3]?.status()).toMatchObject({ state: "failed", reason: "undecryptable" });
  expect(got.map(({ body }) => body)).toEqual(["0", "0", "1", "2", "5", "6", "7", "8", "10", "11"]);
  expect(await alertKinds(bob)).toContain("internal");
});

test("that the disk has no room fails no message", { tags: ["long"] }, async () => {
  await using world = await World.create();
  const folder = new MemoryFolder();
  world.folders.set("alice", folder);
  const store = new FullStore(folder);
  const [alice, bob] = [await world.open("alice", store), await world.open("bob")];
  follow(bob);
  await (await alice.send("bob", "1")).handled();
  store.refusals = 3;
  await (await alice.send("bob", "2")).handled();
  expect(store.refusals).toBe(0);
  expect(await alice.alerts()).toEqual([]);
});

test("the longer a disk is full, the less often its agent logs in", { tags: ["long"] }, async () => {
  await using world = await World.create();
  const store = new FullStore();
  const [alice, bob] = [await world.openFrom("alice", store), await world.open("bob")];
  follow(bob);
  await (await alice.send("bob", "1")).handled();
  store.refusals = 4;
  const started = performance.now();
  await (await alice.send("bob", "2")).handled();
  // The pauses are 0.2, 0.4, 0.8 and 1.6 s, or half of that.
  expect(performance.now() - started).toBeGreaterThan(1_400);
});

/** Some times over has no room for a ciphertext. */
class FullStore extends MemoryStore {
  refusals = 0;

  override write<T>(work: (tx: WriteTransaction) => Promise<T>): Promise<T> {
    return super.write((tx) =>
      work({
        get: (key) => tx.get(key),
        list: (range) => tx.list(range),
        delete: (key) => tx.delete(key),
        put: async (key, value) => {
          if (!key.startsWith("wire/") || this.refusals === 0) return tx.put(key, value);
          this.refusals -= 1;
          throw new AgentError("disk_full", "no space left");
        },
      }),
    );
  }
}
