/** A relay says of a message to a group that it has expired, which all members have. */
import { expect, test } from "vitest";
import { type Frame } from "./proxy.ts";
import { groupOf } from "./members.ts";
import { atRest, caughtUp, eventually, follow, World } from "./world.ts";

for (const order of ["before", "behind"] as const)
  test(`the relay's word that a message has expired, ${order} the receipts, is outweighed by them`, async () => {
    await using world = await World.create({ noLimits: true });
    const names = ["alice", "bob", "carol"] as const;
    const agents = Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await world.open(name)] as const)),
    ) as Record<(typeof names)[number], Awaited<ReturnType<World["open"]>>>;
    // Bob and Carol read, and have not handled it yet.
    for (const name of names) {
      follow(agents[name], async () => undefined);
      await agents[name].sync();
    }
    await agents.alice.groups.create("team", ["bob", "carol"]);
    for (const name of ["bob", "carol"] as const)
      await eventually(`${name} is in`, async () => (await agents[name].groups.list()).length === 1);
    const group = (await groupOf(world, "alice"))!.id;
    const held: Frame[] = [];
    if (order === "before")
      world.proxy.rule = ({ agent, toRelay, frame }) => {
        if (agent !== "alice" || toRelay || frame.data?.kind !== "direct") return undefined;
        held.push(frame);
        return [];
      };
    const sent = await agents.alice.send("@team", "something");
    await sent.stored();
    await atRest(world, agents.alice, agents.bob, agents.carol);
    if (order === "behind") await eventually("it is received", async () => (await sent.status()).state === "received");
    else await eventually("they have said so", () => held.length >= 2, 15_000);
    const messageId = world.proxy
      .sentBy("alice", "send")
      .findLast(({ data }) => data.group_id === group && data.to === undefined)!.data.message_id!;
    const timestamp = Math.floor(Date.now() / 1000);
    world.proxy.push("alice", {
      type: "message",
      timestamp,
      data: {
        kind: "notice",
        from: "",
        group_id: group,
        message_id: messageId,
        status: "expired",
        reason: "expired",
        timestamp,
      },
    });
    await caughtUp(agents.alice);
    world.proxy.rule = undefined;
    for (const frame of held) world.proxy.push("alice", frame);
    await caughtUp(agents.alice);
    await atRest(world, agents.alice, agents.bob, agents.carol);
    const status = await sent.status();
    expect((await sent.recipients()).received).toEqual(["bob", "carol"]);
    expect(status.state).toBe("received");
  });
