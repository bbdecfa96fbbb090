/** Invitations into groups, which wait for an owner's word. */
import { describe, expect, test } from "vitest";
import type { RelayOptions } from "@aimessage/server";
import { leaveIfTooLarge } from "../../src/conversation/strange-teams.ts";
import { list, put } from "../../src/records/records.ts";
import { turns } from "./turns.ts";
import { alertKinds, caughtUp, eventually, follow, jump, numbered, SAME_CLOCK, World } from "./world.ts";

/** Carol, whose owner has not said yet whether it wants to be in the group of Alice and Bob. */
async function invited(options: RelayOptions = {}) {
  const world = await World.create({ noLimits: true, ...options });
  const [alice, bob, carol] = [await world.open("alice"), await world.open("bob"), await world.open("carol")];
  const got = follow(carol);
  for (const agent of [alice, bob]) follow(agent);
  await Promise.all([alice.sync(), bob.sync(), carol.sync()]);
  await carol.requests.setPolicy("contacts");
  await alice.groups.create("team", ["bob", "carol"]);
  await eventually("carol's owner is told", async () => (await alertKinds(carol)).includes("invited"));
  const count = async (prefix: string) => (await world.memory("carol").read((tx) => tx.list({ prefix }))).length;
  return { world, alice, bob, carol, got, count };
}

describe("[P-15.14] an invitation that waits for its owner", () => {
  test("keeps what comes meanwhile, though its sender may be gone when it is taken; nobody hears of it before", async () => {
    const { world: opened, alice, bob, carol, got, count } = await invited();
    await using world = opened;
    const sent = await alice.send("@team", "one");
    await bob.send("@team", "good bye");
    await eventually("both are kept", async () => (await count("team-held/")) === 2);
    await bob.groups.leave("team");
    await eventually("carol follows", async () => !(await carol.groups.find("team")).members.includes("bob"));
    await caughtUp(carol);
    const said = world.proxy.recorded.filter(
      ({ agent, toRelay, frame }) => agent === "carol" && toRelay && frame.type === "send",
    );
    expect(said).toEqual([]);
    expect(got).toEqual([]);
    await carol.groups.accept("team");
    await sent.handled();
    expect(got.map(({ from, group, body }) => `@${group} ${from}: ${body}`).toSorted()).toEqual([
      "@team alice: one",
      "@team bob: good bye",
    ]);
    expect(await count("team-held")).toBe(0);
    expect(await count("team-taken/")).toBe(0);
  });

  test("keeps a mebibyte of it, and asks for the rest when it is taken", async () => {
    const { world: opened, alice, carol, got, count } = await invited();
    await using _ = opened;
    const sent = [];
    for (const letter of "abc") sent.push(await alice.send("@team", letter.repeat(400_000)));
    await Promise.all(sent.map((one) => one.stored()));
    await caughtUp(carol);
    expect(await count("team-held/")).toBe(2);
    await carol.groups.accept("team");
    await Promise.all(sent.map((one) => one.handled()));
    expect(got.map(({ body }) => body.slice(0, 1)).toSorted()).toEqual(["a", "b", "c"]);
  });

  test("is over after a week: the agent leaves, and keeps nothing of it", async () => {
    const { world: opened, alice, carol, count } = await invited(SAME_CLOCK);
    await using world = opened;
    await alice.send("@team", "is anybody there?");
    await eventually("it is kept", async () => (await count("team-held/")) === 1);
    jump(7.1 * 86_400_000);
    // At the next login both sides agree that it is so late.
    world.proxy.cut();
    await eventually("carol has left", async () => (await carol.groups.list()).length === 0);
    await eventually("the others know", async () => !(await alice.groups.find("team")).members.includes("carol"));
    expect(await count("team-held")).toBe(0);
  });
});

test("[A-11] of groups to which strangers add an agent those of one have a quarter of what the others leave, and none that its owner wants counts", async () => {
  await using world = await World.create({ noLimits: true });
  const [bob, mallory, carol] = [await world.open("bob"), await world.open("mallory"), await world.open("carol")];
  for (const agent of [bob, mallory, carol]) follow(agent);
  await Promise.all([bob.sync(), mallory.sync(), carol.sync()]);
  const names = async () => (await bob.groups.list()).map(({ name }) => name).toSorted();
  const isIn = (...all: string[]) =>
    eventually(`bob is in ${all.join(", ")}`, async () => (await names()).join() === all.join());
  for (const name of ["large", "small"]) await mallory.groups.create(name, ["bob"]);
  await isIn("large", "small");
  // As if it were as large as what a stranger may have.
  await world.memory("bob").write(async (tx) => {
    const large = (await list(tx, "team/")).find(({ name }) => name === "large")!;
    await put(tx, "team/", large.key, { ...large, members: numbered(4_094, "member") });
  });
  await mallory.groups.create("second", ["bob"]);
  await eventually("bob's owner is told", async () => (await alertKinds(bob)).includes("stranger_quota"));
  await eventually("bob has left it", async () => (await mallory.groups.find("second")).members.join() === "mallory");
  await carol.groups.create("carols", ["bob"]);
  await isIn("carols", "large", "small");
  await mallory.groups.add("small", ["carol"]);
  await isIn("carols", "large");
  await bob.groups.accept("large");
  await mallory.groups.create("third", ["bob"]);
  await isIn("carols", "large", "third");
  // However often it grows before it is left: that is asked for once.
  await bob.close();
  const third = (await world.memory("bob").read((tx) => list(tx, "team/"))).find(({ name }) => name === "third")!;
  const grown = { ...third, members: numbered(4_097, "member") };
  await world.memory("bob").write((tx) => put(tx, "team/", third.key, grown));
  const { run } = await turns(world.memory("bob"));
  for (const _ of [1, 2]) await run((turn) => leaveIfTooLarge(turn, grown));
  expect((await world.memory("bob").read((tx) => list(tx, "op/"))).map(({ kind }) => kind)).toEqual(["leave"]);
});
