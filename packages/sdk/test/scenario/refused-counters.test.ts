/** Counters of messages that the relay refuses for good: no other message has them, and nobody waits for them. */
import { expect, test } from "vitest";
import { gathered, online } from "./members.ts";
import type { Frame, Rule } from "./proxy.ts";
import { atRest, eventually, World } from "./world.ts";

const isToAll = ({ data }: Frame): boolean =>
  data.group_id !== undefined && data["direct"] === undefined && data.to === undefined;

/** The first of alice's messages of a kind is delivered, but refused; of the second she hears that it is stored, and nobody gets it. */
function lie(reason: string, isOf: (frame: Frame) => boolean): Rule {
  let [first, second]: (string | undefined)[] = [];
  return ({ agent, toRelay, frame }) => {
    const id = frame.data?.message_id;
    if (agent === "alice" && toRelay && frame.type === "send" && isOf(frame)) {
      if (first === undefined) first = id;
      else if (id !== first) second ??= id;
    } else if (agent === "alice" && !toRelay && frame.type === "ack" && first !== undefined && id === first)
      return [{ ...frame, type: "error", data: { code: 400, reason, message: "no", message_id: first } }];
    else if (agent !== "alice" && !toRelay && second !== undefined && id === second) return [];
    return undefined;
  };
}

test.each(["expired", "message_too_large", "a reason that is not known"])(
  "between two, what is lost behind a message that was delivered and refused (%s) is not called received",
  async (reason) => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob } = await online(world, "alice", "bob");
    await (await alice.agent.send("bob", "hello")).handled();
    await (await bob.agent.send("alice", "hello yourself")).handled();
    await atRest(world, alice.agent, bob.agent);
    world.proxy.rule = lie(reason, ({ data }) => data.to === "bob");
    const one = await alice.agent.send("bob", "one");
    await eventually("one is settled", async () => !["queued", "stored"].includes((await one.status()).state));
    const two = await alice.agent.send("bob", "two");
    await eventually("two is stored", async () => (await two.status()).state !== "queued");
    await atRest(world, alice.agent, bob.agent);
    world.proxy.rule = undefined;
    await (await alice.agent.send("bob", "three")).handled();
    await two.handled();
    expect(bob.got.filter(({ body }) => body === "two")).toHaveLength(1);
  },
);

test("in a group, what is lost behind a message that was delivered and refused is not called received", async () => {
  await using world = await World.create({ noLimits: true });
  const { alice, bob, carol } = await gathered(world, "alice", "bob", "carol");
  await (await alice.agent.send("@team", "hello")).handled();
  await atRest(world, alice.agent, bob.agent, carol.agent);
  world.proxy.rule = lie("expired", isToAll);
  const one = await alice.agent.send("@team", "one");
  await eventually("one is settled", async () => !["queued", "stored"].includes((await one.status()).state));
  const two = await alice.agent.send("@team", "two");
  await eventually("two is stored", async () => (await two.status()).state !== "queued");
  await atRest(world, alice.agent, bob.agent, carol.agent);
  world.proxy.rule = undefined;
  await (await alice.agent.send("@team", "three")).handled();
  await two.handled();
  for (const { got } of [bob, carol]) expect(got.filter(({ body }) => body === "two")).toHaveLength(1);
});

/** What of alice's messages her recipient's store waits for. */
async function gapsAt(world: World, name: string): Promise<number[]> {
  return world.memory(name).read(async (tx) => {
    const gaps: number[] = [];
    for (const prefix of ["member/", "team-member/"])
      for (const [key, value] of await tx.list({ prefix }))
        if (key.endsWith("/alice")) gaps.push(...((JSON.parse(value as string) as { gaps?: number[] }).gaps ?? []));
    return gaps;
  });
}

test("nobody waits for a message that the relay refused for good, between two or in a group", async () => {
  await using world = await World.create({ noLimits: true });
  const { alice, bob, carol } = await gathered(world, "alice", "bob", "carol");
  await (await alice.agent.send("bob", "hello")).handled();
  await (await alice.agent.send("@team", "hello")).handled();
  for (const [to, isOf] of [
    ["bob", ({ data }: Frame) => data.to === "bob" && data["direct"] === undefined],
    ["@team", isToAll],
  ] as const) {
    const held: Frame[] = [];
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (agent !== "alice" || !toRelay || frame.type !== "send" || !isOf(frame) || held.length > 0) return undefined;
      held.push(frame);
      return [];
    };
    const refused = await alice.agent.send(to, "refused");
    await eventually("it has left", () => held.length > 0);
    const behind = await alice.agent.send(to, "behind it");
    const [{ id, data } = { id: "", data: {} }] = held;
    world.proxy.answer("alice", id!, {
      type: "error",
      data: { code: 400, reason: "expired", message: "too late", message_id: data.message_id! },
    });
    await eventually("it is refused", async () => (await refused.status()).state === "expired");
    world.proxy.rule = undefined;
    world.proxy.cut("alice");
    await behind.handled();
    // Whoever lacks it says so with its next word.
    await (await alice.agent.send(to, "next")).handled();
    for (const name of ["bob", "carol"])
      await eventually(`${name} waits for nothing`, async () => (await gapsAt(world, name)).length === 0);
    await atRest(world, alice.agent, bob.agent, carol.agent);
  }
});
