// @module-tag long
import { describe, expect, test } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import { GroupCrypto } from "../../src/crypto/mls/group.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { fromBase64, toBase64 } from "../../src/protocol/index.ts";
import { moveOn } from "../../../../test/clocks.ts";
import { readWith, steal } from "./attacker.ts";
import type { Frame } from "./proxy.ts";
import { alertKinds, atRest, bodies, caughtUp, eventually, follow, jump, numbered, World } from "./world.ts";

/** Alice and Bob, who have talked; both have the keys of the joiner's first commit. */
async function talking() {
  const world = await World.create({ noLimits: true });
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  follow(alice);
  follow(bob);
  await (await alice.send("bob", "hello")).handled();
  await eventually("alice has bob's first commit", () => world.proxy.pushedTo("alice", "commit").length > 0);
  await (await alice.send("bob", "on we go")).handled();
  return { world, alice, bob };
}

async function sendAll(from: Agent, to: string, texts: string[]): Promise<void> {
  const sent = [];
  for (const text of texts) sent.push(await from.send(to, text));
  await Promise.all(sent.map((one) => one.handled()));
}

const updates = (world: World, name: string) =>
  world.proxy.sentBy(name, "commit").filter(({ data }) => data.epoch !== 0);

describe("healing", () => {
  test("the joiner commits first thing, and after 100 messages both have committed", async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    follow(bob);
    follow(alice);
    await (await alice.send("bob", "hello")).handled();
    await eventually("bob commits", () => updates(world, "bob").length === 1);
    const first = world.proxy.recorded.find(
      ({ agent, toRelay, frame }) => agent === "bob" && toRelay && ["send", "commit"].includes(frame.type),
    );
    expect(first?.frame.type).toBe("commit");
    await sendAll(alice, "bob", numbered(110));
    await eventually("alice has committed", () => updates(world, "alice").length > 0);
    await eventually("bob has committed again", () => updates(world, "bob").length > 1);
    expect([...(await alertKinds(alice)), ...(await alertKinds(bob))]).toEqual([]);
  });

  test.each(["bob", "alice"])("stolen state of %s reads nothing any more after its own next commit", async (victim) => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    await atRest(world, alice, bob);
    const loot = await steal(world.memory(victim));
    const since = world.proxy.recorded.length;
    const own = updates(world, victim).length;
    // Alice only sends, Bob only receives: what Alice gets are receipts.
    for (let sent = 0; sent < 250; sent += 50) await sendAll(alice, "bob", numbered(50, `${sent}`));
    await eventually(`${victim} has committed`, () => updates(world, victim).length > own);
    await sendAll(alice, "bob", numbered(10, "healed"));
    const commit = updates(world, victim)[own]?.data.epoch ?? Infinity;
    const frames = world.proxy.recorded
      .slice(since)
      .filter(({ agent, toRelay, frame }) => agent === victim && !toRelay && frame.data?.kind !== undefined)
      .map(({ frame }) => frame);
    const before = frames.filter(({ data }) => data.epoch! <= commit);
    const after = frames.filter(({ data }) => data.epoch! > commit);
    expect((await readWith(loot, before)).length).toBeGreaterThan(0);
    expect(after.length).toBeGreaterThan(5);
    const opened2 = new Set(await readWith(loot, frames));
    expect(after.filter(({ data }) => opened2.has(data.message_id!))).toEqual([]);
    expect([...(await alertKinds(alice)), ...(await alertKinds(bob))]).toEqual([]);
  });

  test("a day after their last commit both have new keys, however little they say", async () => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    const before = [updates(world, "alice").length, updates(world, "bob").length];
    await (await alice.send("bob", "the same day")).handled();
    expect([updates(world, "alice").length, updates(world, "bob").length]).toEqual(before);
    jump(24 * 3_600_000);
    await (await alice.send("bob", "a day later")).handled();
    await eventually("alice has committed", () => updates(world, "alice").length > before[0]!);
    await eventually("bob has committed", () => updates(world, "bob").length > before[1]!);
    await (await bob.send("alice", "and on")).handled();
    expect([...(await alertKinds(alice)), ...(await alertKinds(bob))]).toEqual([]);
  });

  test("[R-9] a relay that does not admit new keys loses the conversation after 200 messages and a minute", async () => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    world.proxy.rule = ({ toRelay, frame }) =>
      toRelay && frame.type === "commit" && frame.data.epoch !== 0 ? [] : undefined;
    for (let sent = 0; sent < 220; sent += 55) await sendAll(alice, "bob", numbered(55, `${sent}`));
    expect(await alertKinds(alice)).toEqual([]);
    for (let passed = 0; passed < 80_000; passed += 10_000) {
      await caughtUp(alice);
      moveOn(10_000);
    }
    await (await alice.send("bob", "in another conversation")).handled();
    expect([...(await alertKinds(alice)), ...(await alertKinds(bob))]).toContain("healing_blocked");
    expect((await bodies(bob, 223)).at(-1)).toBe("in another conversation");
  });

  test(
    "1,000 messages in both directions, one side offline for long stretches: nothing is lost to epochs",
    { tags: ["long"] },
    async () => {
      await using world = await World.create({ noLimits: true });
      const names = ["alice", "bob"];
      for (const name of names) await (await world.open(name)).close();
      for (let round = 0; round < 4; round++) {
        const [sender, sleeper] = round % 2 === 0 ? names : names.toReversed();
        const awake = await world.open(sender!);
        follow(awake);
        const sent = [];
        for (const text of numbered(250, `round ${round}`)) sent.push(await awake.send(sleeper!, text));
        await Promise.all(sent.map((one) => one.stored({ timeout: 60_000 })));
        const other = await world.open(sleeper!);
        follow(other);
        await Promise.all(sent.map((one) => one.handled({ timeout: 60_000 })));
        await Promise.all([awake.close(), other.close()]);
      }
      const [alice, bob] = [await world.open("alice"), await world.open("bob")];
      expect(await bodies(bob, 500)).toEqual([...numbered(250, "round 0"), ...numbered(250, "round 2")]);
      expect(await bodies(alice, 500)).toEqual([...numbered(250, "round 1"), ...numbered(250, "round 3")]);
      expect([...(await alertKinds(alice)), ...(await alertKinds(bob))]).toEqual([]);
      expect(world.proxy.pushedTo("bob", "welcome").length + world.proxy.pushedTo("alice", "welcome").length).toBe(1);
    },
  );
});

describe("commits that meet", () => {
  test(
    "our commit was admitted unheard, and the other side has made the next: both are applied",
    { tags: ["long"] },
    async () => {
      const { world: opened, alice, bob } = await talking();
      await using world = opened;
      let away = false;
      world.proxy.rule = ({ agent, toRelay, frame }) => {
        if (agent !== "alice") return undefined;
        if (!toRelay && frame.type === "ack" && frame.data.status === "committed") away = true;
        return away ? "cut" : undefined;
      };
      for (const text of numbered(101, "alice")) await alice.send("bob", text);
      await eventually("alice has committed", () => away);
      const hers = updates(world, "alice").at(-1)?.data.epoch ?? 0;
      for (const text of numbered(120, "bob")) await bob.send("alice", text);
      await eventually("bob has committed after her", () =>
        updates(world, "bob").some(({ data }) => (data.epoch ?? 0) > hers),
      );
      world.proxy.rule = undefined;
      await bodies(alice, 120);
      await bodies(bob, 103);
      expect([...(await alertKinds(alice)), ...(await alertKinds(bob))]).toEqual([]);
    },
  );

  test("both commit at the same time: one wins, both heal, and the loser does not try the lost epoch again", async () => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    const held = new Map<string, Frame>();
    let released = false;
    let late = true;
    let loser: string | undefined;
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      // The winner's commit takes its time to reach the loser, and so does all that the relay pushes behind it.
      if (!toRelay && frame.data?.kind === "commit" && released && loser === undefined) {
        loser = agent;
        return [];
      }
      if (agent === loser && late && !toRelay && frame.data?.kind !== undefined) return [];
      // Until the loser has been told that it comes too late.
      if (agent === loser && late && !toRelay && frame.type === "error") {
        late = false;
        void Promise.resolve().then(() => world.proxy.cut(agent));
      }
      if (!toRelay || frame.type !== "commit" || released) return undefined;
      held.set(agent, frame);
      if (held.size < 2) return [];
      released = true;
      for (const [name, commit] of held) world.proxy.toRelay(name, commit);
      return [];
    };
    const before = [updates(world, "alice").length, updates(world, "bob").length];
    await sendAll(alice, "bob", numbered(130));
    await eventually(
      "both have committed",
      () => updates(world, "alice").length > before[0]! && updates(world, "bob").length > before[1]!,
    );
    await sendAll(bob, "alice", numbered(20));
    expect(held.get("alice")?.data.epoch).toBe(held.get("bob")?.data.epoch);
    const tries = ["alice", "bob"].map(
      (name) => updates(world, name).filter(({ data }) => data.epoch === held.get(name)?.data.epoch).length,
    );
    expect(Math.max(...tries)).toBeLessThanOrEqual(2);
    const admitted = (name: string) =>
      world.proxy.recorded.filter(
        ({ agent, toRelay, frame }) => agent === name && !toRelay && frame.data?.status === "committed",
      ).length;
    await eventually("both have healed", () => admitted("alice") >= 2 && admitted("bob") >= 2);
    expect((await bodies(bob, 132)).slice(2)).toEqual(numbered(130));
    expect([...(await alertKinds(alice)), ...(await alertKinds(bob))]).toEqual([]);
  });

  test("[R-9] a second commit for an epoch closes the conversation with an alert; it is opened anew and nothing is lost", async () => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    await atRest(world, alice, bob);
    const [state] = (await steal(world.memory("alice"))).states;
    const crypto = await GroupCrypto.load(nodeCryptoProvider);
    const { commit } = await crypto.update(crypto.decode(state!));
    const epoch = world.proxy.sentBy("alice", "send").at(-1)!.data.epoch!;
    await sendAll(alice, "bob", numbered(110));
    await eventually("alice has committed", () => updates(world, "alice").length > 0);
    await (await alice.send("bob", "in the new epoch")).handled();
    const group = world.proxy.sentBy("alice", "send").at(-1)!.data.group_id!;
    world.proxy.push("bob", {
      ...world.proxy.pushedTo("bob", "commit").at(-1)!,
      data: { ...world.proxy.pushedTo("bob", "commit").at(-1)!.data, epoch, message: toBase64(commit) },
    });
    await eventually("bob is told", async () => (await alertKinds(bob)).includes("relay_fork"));
    await sendAll(alice, "bob", numbered(5, "after"));
    await sendAll(bob, "alice", numbered(5, "after"));
    expect((await bodies(bob, 118)).toSorted()).toEqual(
      ["hello", "on we go", ...numbered(110), "in the new epoch", ...numbered(5, "after")].toSorted(),
    );
    expect(world.proxy.sentBy("alice", "send").at(-1)!.data.group_id).not.toBe(group);
  });

  test("[R-9] a commit that is not valid closes the conversation with an alert; it is opened anew and nothing is lost", async () => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    let once = true;
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (agent !== "bob" || toRelay || frame.data?.kind !== "commit" || !once) return undefined;
      once = false;
      const bytes = fromBase64(frame.data.message!);
      bytes[bytes.length - 20]! ^= 1;
      return [{ ...frame, data: { ...frame.data, message: toBase64(bytes) } }];
    };
    await sendAll(alice, "bob", numbered(150));
    expect(once).toBe(false);
    expect(await alertKinds(bob)).toContain("bad_commit");
    await sendAll(bob, "alice", numbered(5));
    expect((await bodies(bob, 152)).toSorted()).toEqual(["hello", "on we go", ...numbered(150)].toSorted());
  });
});
