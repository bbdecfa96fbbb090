/** Members of a group that are away for too long, or whose clock is wrong, and several processes of one. */
import { describe, expect, test } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import type { IncomingMessage } from "../../src/agent/message.ts";
import { list } from "../../src/records/records.ts";
import { edit } from "./proxy.ts";
import { eventually, follow, jump, rejection, World } from "./world.ts";

/** Agents of these names in one group, which the first has founded. */
async function together<T extends string>(world: World, ...names: T[]) {
  const members = {} as Record<T, { agent: Agent; got: IncomingMessage[] }>;
  for (const name of names) {
    const agent = await world.open(name);
    members[name] = { agent, got: follow(agent) };
    await agent.sync();
  }
  const [first, ...others] = names;
  await members[first as T].agent.groups.create("team", others);
  for (const name of names)
    await eventually(`${name} is in it`, async () => (await members[name].agent.groups.list()).length === 1);
  return members;
}

function expiredAt(...names: string[]): object[] {
  return names.map((name) => ({ name, state: "expired", reason: "expired" }));
}

describe("a group", () => {
  test("has a member back that had a change of its settings under way when it lapsed", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob } = await together(world, "alice", "bob", "carol");
    await alice.agent.groups.promote("team", ["bob"]);
    await eventually("bob knows", async () => (await bob.agent.groups.find("team")).admins.includes("bob"));
    let isLost = true;
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (agent !== "bob" || !isLost) return undefined;
      // A commit without a path, which the relay does not get.
      if (toRelay && frame.type === "commit") return [];
      if (toRelay || frame.data.kind !== "application") return undefined;
      isLost = false;
      return [edit(frame, { kind: "notice", status: "dropped", reason: "lapsed" })];
    };
    const renamed = bob.agent.groups.rename("team", "ops");
    await eventually("it is under way", () => world.proxy.sentBy("bob", "commit").length > 0);
    const sent = await alice.agent.send("@team", "are you there?");
    await sent.handled();
    world.proxy.cut("bob");
    await renamed;
    await (await bob.agent.send("@ops", "yes")).handled();
    expect(bob.got.map(({ body }) => body)).toEqual(["are you there?"]);
  });

  test("does not have a message that ran out of time on its way, and its sender is told so", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob } = await together(world, "alice", "bob", "carol");
    world.proxy.rule = ({ agent, toRelay, frame }) =>
      agent === "alice" && toRelay && frame.type === "send" && frame.data["direct"] !== true ? "cut" : undefined;
    const sent = await alice.agent.send("@team", "now or never", { expiresIn: 300 });
    await eventually("it has left", () => world.proxy.sentBy("alice", "send").length > 0);
    await eventually("its time is over", async () => Date.now() > ((await sent.status()).expiresAt ?? 0));
    world.proxy.rule = undefined;
    expect(await rejection(sent.handled())).toMatchObject({ code: "expired", reason: "expired" });
    expect(await sent.recipients()).toMatchObject({ waiting: [], failed: expiredAt("bob", "carol") });
    await (await alice.agent.send("@team", "on we go")).handled();
    expect(bob.got.map(({ body }) => body)).toEqual(["on we go"]);
  });

  test("does not have a message that ran out of time while its sender waited for another epoch", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice } = await together(world, "alice", "bob", "carol");
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      const { message_id, direct } = frame.data ?? {};
      if (agent !== "alice" || !toRelay || frame.type !== "send" || direct === true) return undefined;
      const data = { code: 409, reason: "stale_epoch", message: "it has ended", message_id: message_id! };
      world.proxy.answer("alice", frame.id!, { type: "error", data });
      return [];
    };
    const sent = await alice.agent.send("@team", "now or never", { expiresIn: 300 });
    expect(await rejection(sent.handled())).toMatchObject({ code: "expired", reason: "expired" });
    expect(await sent.recipients()).toMatchObject({ waiting: [], failed: expiredAt("bob", "carol") });
  });

  test("is changed by two processes of one agent at once, each change once", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob } = await together(world, "alice", "bob", "carol");
    for (const name of ["dave", "erin"]) await (await world.open(name)).sync();
    const other = await world.open("alice");
    await Promise.all([
      alice.agent.groups.add("team", ["dave"]),
      other.groups.add("team", ["erin"]),
      alice.agent.groups.promote("team", ["bob"]),
      other.groups.promote("team", ["carol"]),
    ]);
    await other.groups.rename("team", "ops");
    await eventually("bob sees all of it", async () => (await bob.agent.groups.list())[0]?.name === "ops");
    expect((await bob.agent.groups.find("ops")).members).toEqual(["alice", "bob", "carol", "dave", "erin"]);
    expect((await bob.agent.groups.find("ops")).admins.toSorted()).toEqual(["alice", "bob", "carol"]);
    const [group] = await world.memory("bob").read((tx) => list(tx, "team-group/"));
    expect(group?.epoch).toBe(2 + 5);
  });

  test.each([1, -1])("goes on where the clock of its members is %i hours off", async (hours) => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await together(world, "alice", "bob", "carol");
    jump(hours * 3_600_000);
    world.proxy.cut();
    await (await alice.agent.send("@team", "what time is it?")).handled();
    await (await world.open("dave")).sync();
    await alice.agent.groups.add("team", ["dave"]);
    await alice.agent.groups.promote("team", ["bob"]);
    await eventually("bob knows", async () => (await bob.agent.groups.find("team")).admins.includes("bob"));
    await bob.agent.groups.remove("team", ["carol"]);
    await (await bob.agent.send("@team", "too late")).stored();
    await eventually("alice hears it", () => alice.got.length === 1);
    await eventually("carol is out", async () => (await carol.agent.groups.list()).length === 0);
    expect(carol.got.map(({ body }) => body)).toEqual(["what time is it?"]);
  });
});
