/** To whom a message was written stands in its row: whoever has the name later gets none of it, and has no say on it. */
import { expect, onTestFinished, test, vi } from "vitest";
import { GroupCrypto } from "../../src/crypto/mls/group.ts";
import { type OutcomeRecord } from "../../src/records/tables.ts";
import { owed } from "../../src/records/owed.ts";
import { pad } from "../../src/records/records.ts";
import { MemoryFolder, MemoryStore } from "../../src/store/memory.ts";
import { bodies, eventually, follow, rejection, World } from "./world.ts";

/** Alice and Bob, who have talked; what she writes to him is held back when `hold` is called. */
async function talking() {
  const world = await World.create({ noLimits: true });
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  const fromBob = follow(alice, async () => undefined);
  follow(bob);
  await (await alice.send("bob", "hello")).handled();
  await (await bob.send("alice", "a question")).received();
  return { world, alice, bob, fromBob };
}

/** Nothing that Alice encrypts gets through. */
function hold({ proxy }: World): void {
  const held = new Set(["send", "commit"]);
  proxy.rule = ({ agent, toRelay, frame }) => (agent === "alice" && toRelay && held.has(frame.type) ? [] : undefined);
}

function letGo({ proxy }: World): void {
  proxy.rule = undefined;
  proxy.cut("alice");
}

/** Bob's name is another one's from now on. */
async function successor(world: World, bob: { unregister(options: { release: true }): Promise<boolean> }) {
  await bob.unregister({ release: true });
  const folder = new MemoryFolder();
  const other = await world.open("bob", new MemoryStore(folder));
  const got = follow(other);
  /** What it says of Alice's messages, in a receipt of its making. */
  const say = async (lost: string[], outcomes: OutcomeRecord[]) => {
    await new MemoryStore(folder).write(async (tx) => {
      for (const id of lost) await tx.put(owed("alice", "lost", id), "");
      for (const [place, outcome] of outcomes.entries())
        await tx.put(owed("alice", "done", pad(place)), JSON.stringify(outcome));
    });
    await (await other.send("alice", "a word")).received();
  };
  return { other, got, say };
}

test.each(["NAME", "NAME#FINGERPRINT"])(
  "what waits for %s when the owner trusts another identity fails as fingerprint_mismatch, and never leaves",
  async (how) => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    hold(world);
    const sent = await alice.send(how === "NAME" ? "bob" : `bob#${bob.fingerprint}`, "for the old bob alone");
    const { other, got } = await successor(world, bob);
    await alice.trust(`bob#${other.fingerprint}`);
    letGo(world);
    expect(await rejection(sent.handled())).toMatchObject({ code: "fingerprint_mismatch" });
    expect(await sent.status()).toMatchObject({ state: "failed", reason: "fingerprint_mismatch" });
    await (await alice.send("bob", "for the new one")).handled();
    expect(got.map(({ body }) => body)).toEqual(["for the new one"]);
    // That it shall be sent again is the owner's word: to whoever has the name now, but past no fingerprint.
    if (how === "NAME") await (await alice.outbox.retry(sent.id)).handled();
    else expect((await rejection(alice.outbox.retry(sent.id))).code).toBe("fingerprint_mismatch");
  },
);

test("what was written to one who was not met yet is for the first who was encrypted to, also when it is sent again", async () => {
  await using world = await World.create({ noLimits: true });
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  hold(world);
  const sent = await alice.send("bob", "for the first bob");
  await eventually("it is encrypted", () => world.proxy.sentBy("alice", "commit").length > 0);
  const { other, got } = await successor(world, bob);
  await alice.trust(`bob#${other.fingerprint}`);
  letGo(world);
  expect(await rejection(sent.handled())).toMatchObject({ code: "fingerprint_mismatch" });
  expect(got).toEqual([]);
});

test("a trusted successor that asks for what was sent to the one before does not get it, nor is its word on it taken", async () => {
  const { world: opened, alice, bob } = await talking();
  await using world = opened;
  await bob.close();
  const [asked, handled, failed] = [
    await alice.send("bob", "1 for the old bob"),
    await alice.send("bob", "2 for the old bob"),
    await alice.send("bob", "3 for the old bob"),
  ];
  await Promise.all([asked, handled, failed].map((one) => one.stored()));
  const store = world.memory("alice");
  const rows = await store.read(async (tx) => [
    ...(await tx.list({ prefix: "out/" })),
    ...(await tx.list({ prefix: "out-body/" })),
  ]);
  const { other, got, say } = await successor(world, await world.open("bob"));
  await alice.trust(`bob#${other.fingerprint}`);
  // As if the one before had been gone without a word on them.
  await store.write(async (tx) => {
    for (const [key, value] of rows) await tx.put(key, value);
  });
  await say([asked.id], [{ id: handled.id }, { id: failed.id, failed: "as I say" }]);
  await (await alice.send("bob", "for the new one")).handled();
  expect(got.map(({ body }) => body)).toEqual(["for the new one"]);
  for (const one of [handled, failed]) expect((await one.status()).reason).not.toBe("as I say");
  expect((await handled.status()).state).not.toBe("handled");
});

test("an answer to what one identity has written goes to no other", async () => {
  const { world: opened, alice, bob, fromBob } = await talking();
  await using world = opened;
  const { other, got } = await successor(world, bob);
  await alice.trust(`bob#${other.fingerprint}`);
  expect((await rejection(fromBob[0]!.reply("an answer"))).code).toBe("fingerprint_mismatch");
  await (await alice.send("bob", "no answer")).handled();
  expect(await bodies(other, 1)).toEqual(["no answer"]);
  expect(got).toHaveLength(1);
});

test("what became of the messages of one identity is told to no other, whether or not it was on its way already", async () => {
  const { world: opened, alice, bob, fromBob } = await talking();
  await using world = opened;
  await (await bob.send("alice", "another question")).received();
  hold(world);
  const before = world.proxy.sentBy("alice", "send").length;
  await fromBob[0]!.failed("a word on the first");
  await eventually("it is on its way", () => world.proxy.sentBy("alice", "send").length > before);
  const { other } = await successor(world, bob);
  await alice.trust(`bob#${other.fingerprint}`);
  await fromBob[1]!.failed("a word on the second");
  const decrypt = Reflect.get(GroupCrypto.prototype, "decrypt");
  const read: string[] = [];
  const spy = vi.spyOn(GroupCrypto.prototype, "decrypt").mockImplementation(async function (
    this: GroupCrypto,
    ...input
  ) {
    const result = await decrypt.apply(this, input);
    if (result.kind === "application") read.push(new TextDecoder().decode(result.plaintext));
    return result;
  });
  onTestFinished(() => spy.mockRestore());
  letGo(world);
  const answered = await other.send("alice", "hello from the new one");
  const [third] = await Promise.all([alice.send("bob", "to the new one"), answered.received()]);
  await third.handled();
  await eventually("it is there", () => fromBob.length === 3);
  await fromBob[2]!.handled();
  await answered.handled();
  expect(read.join()).toContain("to the new one");
  expect(read.join()).not.toContain("a word on the");
  expect(read.filter((text) => text.includes(fromBob[0]!.id) || text.includes(fromBob[1]!.id))).toEqual([]);
});
