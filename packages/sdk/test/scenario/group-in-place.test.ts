/** A member that another one puts in its own place anew, though it could follow: it was a member all the time, and stays what it was. [P-15.7] */
import { expect, onTestFinished, test } from "vitest";
import { gathered, groupOf, records } from "./members.ts";
import { alertKinds, atRest, eventually, SAME_CLOCK, World } from "./world.ts";

/** Alice has never heard Carol, and is told once more, late, that Carol wants to be taken in again; Bob has heard her. */
async function team() {
  const world = await World.create({ noLimits: true, ...SAME_CLOCK });
  onTestFinished(() => world[Symbol.asyncDispose]());
  const { alice, bob, carol } = await gathered(world, "alice", "bob", "carol");
  await (await bob.agent.send("@team", "hello")).handled();
  await (await bob.agent.send("@team", "hello again")).handled();
  const all = [alice.agent, bob.agent, carol.agent] as const;
  await atRest(world, ...all);
  const { id: group = "", epoch = 0 } = (await groupOf(world, "carol")) ?? {};
  const putInPlace = async () => {
    const data = { group_id: group, kind: "rejoin", username: "carol", statement: "" };
    world.proxy.push("alice", { type: "statement", data });
    await eventually("all are in the next epoch", async () => {
      const epochs = await Promise.all(
        ["alice", "bob", "carol"].map(async (name) => (await groupOf(world, name))?.epoch),
      );
      return epochs.every((one) => (one ?? 0) > epoch);
    });
    await atRest(world, ...all);
  };
  return { world, alice, bob, carol, all, putInPlace };
}

test("what it says to members alone is heard by those who had heard it", async () => {
  const { world, bob, carol, all, putInPlace } = await team();
  await putInPlace();
  const one = await bob.agent.send("@team", "to the same");
  await one.handled();
  await atRest(world, ...all);
  expect(carol.got.map(({ body }) => body)).toEqual(["hello", "hello again", "to the same"]);
  for (const agent of all) expect(await alertKinds(agent)).toEqual([]);
});

test("what waits to be said there is said, and its owner hears of no change", async () => {
  const { world, bob, carol, all, putInPlace } = await team();
  const before = await records(world, "carol", "team-news/");
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent !== "carol" || !toRelay || frame.type !== "send" || frame.data.direct === true) return undefined;
    const data = { code: 429, message: "slower", reason: "rate_limited", retry_after_ms: 100 };
    world.proxy.answer("carol", frame.id ?? "", { type: "error", data });
    return [];
  };
  const said = await Promise.all(["one", "two"].map((text) => carol.agent.send("@team", text)));
  await putInPlace();
  world.proxy.rule = undefined;
  for (const one of said) await one.handled();
  await atRest(world, ...all);
  expect(bob.got.map(({ body }) => body)).toEqual(["one", "two"]);
  expect(await records(world, "carol", "team-news/")).toEqual(before);
  expect(await carol.agent.groups.list()).toMatchObject([
    { name: "team", state: "active", members: ["alice", "bob", "carol"], isLapsed: false },
  ]);
});

test("what it has sent there is waited for", { tags: ["long"] }, async () => {
  const { world, bob, carol, all, putInPlace } = await team();
  // Alice does not get what Carol says, and Bob's word on it does not leave.
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent === "alice" && !toRelay && frame.type === "message" && frame.data.from === "carol") return [];
    if (agent !== "bob" || !toRelay || frame.type !== "send" || frame.data["to"] !== "carol") return undefined;
    const data = { code: 429, message: "slower", reason: "rate_limited", retry_after_ms: 100 };
    world.proxy.answer("bob", frame.id ?? "", { type: "error", data });
    return [];
  };
  const one = await carol.agent.send("@team", "one");
  await eventually("bob has it", () => bob.got.length === 1);
  await one.stored();
  world.proxy.rule = undefined;
  await putInPlace();
  await (await carol.agent.send("@team", "two")).handled();
  await one.handled();
  await atRest(world, ...all);
  expect((await one.recipients()).handled).toEqual(["alice", "bob"]);
});
