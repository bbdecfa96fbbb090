/** What is left of a group at a member that is no member any more. */
import { describe, expect, test } from "vitest";
import { list, pad, put } from "../../src/records/records.ts";
import { gathered, records } from "./members.ts";
import type { Frame } from "./proxy.ts";
import { caughtUp, eventually, follow, World } from "./world.ts";

describe("a member that was removed", () => {
  test("waits for nobody's word on what it had sent, and keeps nothing that cannot leave any more", async () => {
    await using world = await World.create({ noLimits: true });
    const [alice, bob, carol] = [await world.open("alice"), await world.open("bob"), await world.open("carol")];
    const [, got] = [alice, bob, carol].map((agent) => follow(agent));
    for (const agent of [alice, bob, carol]) await agent.sync();
    await alice.groups.create("team", ["bob", "carol"]);
    await (await alice.send("@team", "hello")).handled();
    await carol.close();
    const sent = await bob.send("@team", "anybody?");
    await eventually("alice has handled it", async () => (await sent.recipients()).handled.length === 1);
    // What bob owes alice, and what it sends, waits until it hears that it is out.
    world.proxy.rule = ({ agent, toRelay, frame }) =>
      agent === "bob" && toRelay && frame.type === "send" ? [] : undefined;
    const last = await alice.send("@team", "you are out");
    await eventually("bob has it", () => got?.length === 2);
    const late = await bob.send("@team", "am I?");
    await alice.groups.remove("team", ["bob"]);
    world.proxy.rule = undefined;
    world.proxy.cut("bob");
    await caughtUp(bob);
    await sent.handled();
    expect(await sent.recipients()).toMatchObject({ handled: ["alice"], waiting: [], gone: ["carol"] });
    await eventually("its last message is refused", async () => (await late.status()).state === "refused");
    expect((await late.status()).reason).toBe("not_a_member");
    expect((await last.recipients()).gone).toEqual(["bob"]);
    const left = () =>
      world
        .memory("bob")
        .read(async (tx) => [...(await tx.list({ prefix: "queue/@" })), ...(await tx.list({ prefix: "owed/@" }))]);
    await eventually("nothing waits", async () => (await left()).length === 0);
  });

  test.each(["comes late", "gets lost"])(
    "knows who has a message of which the relay's answer %s, behind the commit that removes it",
    async (how) => {
      await using world = await World.create({ noLimits: true });
      const { alice, bob } = await gathered(world, "alice", "bob", "carol");
      const acks: Frame[] = [];
      world.proxy.rule = ({ agent, toRelay, frame }) => {
        if (agent !== "bob" || toRelay || frame.data["pos"] === undefined) return undefined;
        acks.push(structuredClone(frame));
        return [];
      };
      const sent = await bob.agent.send("@team", "last word");
      await eventually("both have said so", () => world.proxy.pushedTo("bob", "direct").length === 2);
      await alice.agent.groups.remove("team", ["bob"]);
      await eventually("bob is out", async () => (await bob.agent.groups.list()).length === 0);
      world.proxy.rule = undefined;
      if (how === "gets lost") world.proxy.cut("bob");
      else for (const ack of acks) world.proxy.raw("bob", JSON.stringify(ack));
      await sent.handled();
      expect((await sent.recipients()).handled).toEqual(["alice", "carol"]);
      expect(await records(world, "bob", "queue/@")).toEqual([]);
    },
  );
});

test("a member that was made an admin while it left is demoted and let go by another one", async () => {
  await using world = await World.create({ noLimits: true });
  const [alice, bob, carol] = [await world.open("alice"), await world.open("bob"), await world.open("carol")];
  for (const agent of [alice, bob, carol]) {
    follow(agent);
    await agent.sync();
  }
  await alice.groups.create("team", ["bob", "carol"]);
  await eventually("carol is in it", async () => (await carol.groups.list()).length === 1);
  await alice.groups.promote("team", ["carol"]);
  await eventually("carol knows", async () => (await carol.groups.find("team")).admins.includes("carol"));
  // Carol's will to leave was written down before it heard so.
  await world.memory("carol").write(async (tx) => {
    const [team] = await list(tx, "team/");
    const { key = "", group = "" } = team ?? {};
    await put(tx, "op/", pad(99), { seq: 99, kind: "leave", key, group, names: [], at: Date.now() });
  });
  await carol.sync();
  await eventually("carol has left", async () => (await carol.groups.list()).length === 0);
  for (const agent of [alice, bob])
    await eventually("it is gone", async () => (await agent.groups.find("team")).members.join() === "alice,bob");
  expect((await bob.groups.find("team")).admins).toEqual(["alice"]);
  await (await bob.send("@team", "farewell")).handled();
});

test("what was sent to a group is shown as of it where it comes after its recipient was removed, and is no other group's", async () => {
  await using world = await World.create({ noLimits: true });
  const { alice, bob } = await gathered(world, "alice", "bob", "carol");
  await bob.agent.close();
  await (await alice.agent.send("@team", "for three")).stored();
  await alice.agent.groups.remove("team", ["bob"]);
  const again = await world.open("bob");
  const got = follow(again);
  await eventually("bob has it", () => got.length === 1);
  await eventually("bob is out", async () => (await again.groups.list()).length === 0);
  const groupsOf = async () => (await again.inbox()).map(({ group }) => group);
  expect(await groupsOf()).toEqual(["team"]);
  await again.groups.create("team", ["carol"]);
  expect(await groupsOf()).toEqual(["team~2"]);
});
