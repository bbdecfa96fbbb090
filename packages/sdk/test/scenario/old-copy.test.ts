import { cpSync, rmSync } from "node:fs";
import type { Frame } from "./proxy.ts";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { keptOf } from "./attacker.ts";
import { get, pad, put } from "../../src/records/records.ts";
import type { OutboxRecord } from "../../src/records/tables.ts";
import { alertKinds, atRest, bodies, eventually, follow, rejection, World } from "./world.ts";

/** Alice with a store in files and Bob, who have talked; `copy` is her closed store as it was then. */
async function copied() {
  const world = await World.create();
  const folder = world.folder();
  const copy = world.folder();
  const bob = await world.open("bob");
  follow(bob);
  const alice = await world.open("alice", await world.sqlite(folder));
  follow(alice);
  await (await alice.send("bob", "before the copy")).handled();
  await (await bob.send("alice", "to the first")).handled();
  await alice.close();
  cpSync(folder, copy, { recursive: true });
  return { world, folder, copy, bob };
}

/** From now on the clock of all agents is ahead, until it is set back. */
function ahead(milliseconds: number) {
  const now = Date.now;
  const spy = vi.spyOn(Date, "now").mockImplementation(() => now() + milliseconds);
  onTestFinished(() => spy.mockRestore());
  return { mockRestore: () => spy.mockRestore() };
}

describe("a store restored from an old copy", () => {
  test("goes on as a new device: messages arrive in both directions, and nothing is sent in an old group", async () => {
    const { world: opened, folder, copy, bob } = await copied();
    await using world = opened;
    const between = await world.open("alice", await world.sqlite(folder));
    follow(between);
    await (await between.send("bob", "after the copy")).handled();
    await (await bob.send("alice", "to the second")).handled();
    await between.close();
    rmSync(folder, { recursive: true });
    cpSync(copy, folder, { recursive: true });

    const oldGroups = new Set(world.proxy.recorded.map(({ frame }) => frame.data?.group_id));
    const sent = await bob.send("alice", "sent while she was away");
    await sent.stored();
    const since = world.proxy.recorded.length;
    const store = await world.sqlite(folder);
    const alice = await world.open("alice", store);
    const got = follow(alice);
    await (await alice.send("bob", "after the restore")).handled();
    await sent.handled();
    await (await bob.send("alice", "to the third")).handled();
    expect(await bodies(bob, 3)).toEqual(["before the copy", "after the copy", "after the restore"]);
    expect(got.map(({ body }) => body)).toEqual(["sent while she was away", "to the third"]);
    expect(await alertKinds(alice)).toContain("old_copy");
    expect(await alertKinds(bob)).toEqual(["device_added"]);
    const kept = (await store.read(keptOf)).map((groups) => groups.filter((id) => oldGroups.has(id)));
    expect(kept).toEqual([[], [], []]);
    const [contact] = await bob.contacts();
    expect(contact).toMatchObject({ username: "alice", deviceCounter: 2 });
    expect(contact?.stopped).toBeUndefined();
    const encrypted = world.proxy.recorded
      .slice(since)
      .filter(({ agent, toRelay, frame }) => agent === "alice" && toRelay && ["send", "commit"].includes(frame.type));
    expect(encrypted.length).toBeGreaterThan(0);
    expect(encrypted.filter(({ frame }) => oldGroups.has(frame.data.group_id))).toEqual([]);
  });

  test(
    "what goes to its new device does not overtake what is unanswered in the old conversation",
    { tags: ["long"] },
    async () => {
      const { world: opened, folder, copy, bob } = await copied();
      await using world = opened;
      const between = await world.open("alice", await world.sqlite(folder));
      await (await between.send("bob", "after the copy")).stored();
      await between.close();
      rmSync(folder, { recursive: true });
      cpSync(copy, folder, { recursive: true });

      const held: Frame[] = [];
      let holds = true;
      world.proxy.rule = ({ agent, toRelay, frame }) => {
        if (agent !== "bob" || !toRelay) return undefined;
        if (!holds) return [...held.splice(0), frame];
        if (frame.type !== "send") return undefined;
        held.push(frame);
        return [];
      };
      const ids = [(await bob.send("alice", "first")).id, (await bob.send("alice", "second")).id];
      const left = (id: string) => held.some(({ data }) => data.message_id === id);
      await eventually("both are on their way", () => ids.every(left));
      const alice = await world.open("alice", await world.sqlite(folder));
      const got = follow(alice);
      await alice.send("bob", "from the new device");
      await bodies(bob, 3);
      await bob.send("alice", "third");
      await atRest(world, alice, bob);
      holds = false;
      await bob.users();
      await eventually("all have arrived", () => got.length === 3);
      expect(got.map(({ body }) => body)).toEqual(["first", "second", "third"]);
    },
  );

  test("is noticed when the copy was taken in the middle of a session, too", async () => {
    await using world = await World.create();
    const [folder, copy] = [world.folder(), world.folder()];
    const bob = await world.open("bob");
    follow(bob);
    const first = await world.open("alice", await world.sqlite(folder));
    await (await first.send("bob", "before the copy")).handled();
    cpSync(folder, copy, { recursive: true });
    await (await first.send("bob", "after the copy")).handled();
    await first.close();
    const groups = new Set(world.proxy.sentBy("alice", "send").map(({ data }) => data.group_id));
    const since = world.proxy.recorded.length;
    const restored = await world.open("alice", await world.sqlite(copy));
    await (await restored.send("bob", "after the restore")).handled();
    expect(await alertKinds(restored)).toContain("old_copy");
    expect(await bodies(bob, 3)).toEqual(["before the copy", "after the copy", "after the restore"]);
    // Not one message was encrypted from the state that the other store has used since.
    const sent = world.proxy.recorded.slice(since).filter(({ agent, toRelay }) => agent === "alice" && toRelay);
    expect(sent.filter(({ frame }) => groups.has(frame.data?.group_id))).toEqual([]);
  });

  test("is talked to by those whose clock was set back since they knew it", async () => {
    const { mockRestore } = ahead(3_600_000);
    const { world: opened, folder, copy, bob } = await copied();
    await using world = opened;
    const between = await world.open("alice", await world.sqlite(folder));
    await (await between.send("bob", "after the copy")).handled();
    await between.close();
    mockRestore();
    const alice = await world.open("alice", await world.sqlite(copy));
    follow(alice);
    await (await alice.send("bob", "after the restore")).handled();
    await (await bob.send("alice", "and back")).handled();
  });

  test("is replaced once more where the clock was set back since it was replaced", { tags: ["long"] }, async () => {
    const { mockRestore } = ahead(3_600_000);
    const { world: opened, copy, folder, bob } = await copied();
    await using world = opened;
    const between = await world.open("alice", await world.sqlite(folder));
    await between.users();
    await between.close();
    const again = world.folder();
    const replaced = await world.open("alice", await world.sqlite(copy));
    await (await replaced.send("bob", "by the second device")).handled();
    await replaced.close();
    cpSync(copy, again, { recursive: true });
    const next = await world.open("alice", await world.sqlite(copy));
    await (await next.send("bob", "after the second copy")).handled();
    await next.close();
    mockRestore();
    const last = await world.open("alice", await world.sqlite(again));
    await (await last.send("bob", "by the third device")).handled();
    expect((await bob.contacts())[0]).toMatchObject({ deviceCounter: 3 });
  });

  test("is no old copy if its last request was taken and the answer lost", async () => {
    await using world = await World.create({ noLimits: true });
    const bob = await world.open("bob");
    follow(bob);
    for (let round = 0; round < 8; round++) {
      const alice = await world.open("alice");
      follow(alice);
      await (await alice.send("bob", `round ${round}`)).received();
      await bob.send("alice", `and back ${round}`);
      // Somewhere between a request and its answer, the last of them a receipt.
      let left = round;
      world.proxy.rule = ({ agent, toRelay, frame }) =>
        agent === "alice" && !toRelay && frame.type === "ack" && left-- <= 0 ? "cut" : undefined;
      let passed = -1;
      await eventually("it is cut, or has no more to say", () => {
        const before = passed;
        passed = world.proxy.recorded.length;
        return left < 0 || passed === before;
      });
      await alice.close();
      world.proxy.rule = undefined;
    }
    const alice = await world.open("alice");
    await (await alice.send("bob", "the end")).handled();
    expect([...(await alertKinds(alice)), ...(await alertKinds(bob))]).toEqual([]);
  });

  test("what waited in its outbox is sent by the new device", async () => {
    await using world = await World.create();
    const folder = world.folder();
    const copy = world.folder();
    const bob = await world.open("bob");
    const first = await world.open("alice", await world.sqlite(folder));
    const sent = await first.send("bob", "stored, not received");
    await sent.stored();
    await first.close();
    cpSync(folder, copy, { recursive: true });
    const second = await world.open("alice", await world.sqlite(folder));
    await second.users();
    await second.close();
    const restored = await world.open("alice", await world.sqlite(copy));
    await restored.users();
    follow(bob);
    expect((await (await restored.sent(sent.id))?.handled())?.state).toBe("handled");
    expect(await bodies(bob, 1)).toEqual(["stored, not received"]);
  });

  test("says once more what became of the newest messages: a sender that had asked again hears nothing else of the rest", async () => {
    const { world: opened, folder, copy, bob } = await copied();
    await using world = opened;
    const [sent] = await bob.outbox.list({ all: true });
    // What she has said of it is confirmed, and not in her outbox any more, when the copy is made.
    const first = await world.open("alice", await world.sqlite(folder));
    follow(first);
    for (const text of ["and this", "and that"]) await (await bob.send("alice", text)).handled();
    await atRest(world, first, bob);
    await first.close();
    rmSync(copy, { recursive: true });
    cpSync(folder, copy, { recursive: true });
    // As Bob knows it whose own store was put back, who has sent it again, and heard that it was received, and no more.
    const store = world.memory("bob");
    await store.write(async (tx) => {
      const seq = Number(await tx.get(`out-id/${sent?.id}`));
      const { settled_at: _at, ...row } = (await get(tx, "out/", pad(seq)))! as OutboxRecord & { settled_at?: number };
      await put(tx, "out/", pad(seq), { ...row, state: "received" });
    });
    const between = await world.open("alice", await world.sqlite(folder));
    await between.users();
    await between.close();
    const alice = await world.open("alice", await world.sqlite(copy));
    await alice.users();
    await eventually("bob knows", async () => (await bob.status(sent?.id ?? ""))?.state === "handled");
    expect(await alertKinds(alice)).toContain("old_copy");
  });

  test("takes nothing for expired for good that had left before: a receipt that comes still tells", async () => {
    const { world: opened, folder, copy, bob } = await copied();
    await using world = opened;
    await bob.close();
    const first = await world.open("alice", await world.sqlite(folder));
    const sent = await first.send("bob", "read in time", { expiresIn: 60_000 });
    await sent.stored();
    await first.close();
    rmSync(copy, { recursive: true });
    cpSync(folder, copy, { recursive: true });
    const again = await world.open("alice", await world.sqlite(folder));
    await again.users();
    await again.close();
    const reader = await world.open("bob");
    const got = follow(reader);
    await eventually("bob has read it", () => got.length > 0);
    await atRest(world, reader);
    ahead(120_000);
    const alice = await world.open("alice", await world.sqlite(copy));
    await alice.users();
    await eventually("it has expired here", async () => (await alice.status(sent.id))?.state === "expired");
    await (await alice.send("bob", "hello again")).handled();
    await eventually("alice knows", async () => (await alice.status(sent.id))?.state === "handled");
  });

  test(
    "a second copy in use at the same time ends the older one with device_replaced",
    { tags: ["long"] },
    async () => {
      const { world: opened, folder, copy, bob } = await copied();
      await using world = opened;
      const older = await world.open("alice", await world.sqlite(folder));
      follow(older);
      await (await older.send("bob", "by the older")).handled();
      const newer = await world.open("alice", await world.sqlite(copy));
      follow(newer);
      await (await newer.send("bob", "by the newer")).handled();
      await eventually("the older is told", async () => {
        const error = await rejection(older.users({ timeout: 500 }));
        return error.code === "device_replaced";
      });
      expect((await rejection(older.send("bob", "no more"))).code).toBe("device_replaced");
      await (await bob.send("alice", "to the newer")).handled();
      expect((await newer.inbox()).at(-1)?.body).toBe("to the newer");
      await older.close();
      const again = await world.open("alice", await world.sqlite(folder));
      expect((await rejection(again.users())).code).toBe("device_replaced");
      await (await newer.send("bob", "still here")).handled();
    },
  );
});
