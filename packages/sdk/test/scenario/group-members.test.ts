/** What an agent knows of the members of its groups. */
import { expect, test } from "vitest";
import { caughtUp, eventually, follow, World } from "./world.ts";

test("an agent knows of each member its role, its trust, its device, when it was heard and how old its keys are", async () => {
  await using world = await World.create({ noLimits: true });
  const alice = await world.open("alice");
  const bob = await world.open("bob");
  await world.open("carol").then((carol) => carol.close());
  follow(bob);
  await alice.verify("bob", bob.fingerprint);
  const before = Date.now();
  await alice.groups.create("team", ["bob", "carol"]);
  await (await alice.send("@team", "hello")).handled({ atLeast: 1 });
  const members = await alice.groups.members("@team");
  expect(members.map(({ name }) => name)).toEqual(["alice", "bob", "carol"]);
  expect(members).toMatchObject([
    { isAdmin: true, isSelf: true, verified: true, deviceCounter: 1, isKeyOld: false, isLapsed: false },
    { isAdmin: false, isSelf: false, verified: true, trust: "verified", isChanged: false, deviceCounter: 1 },
    { verified: false, heardAt: undefined, deviceCounter: 1 },
  ]);
  expect(members[1]?.heardAt).toBeGreaterThan(before - 86_400_000);
  for (const { keysAt } of members) expect(keysAt).toBeGreaterThanOrEqual(before);

  // Who is no contact is a stranger, whoever has added it.
  await eventually("bob is in it", async () => (await bob.groups.list()).length === 1);
  expect(await bob.groups.members("team")).toMatchObject([{ name: "alice" }, { isSelf: true }, { trust: "unknown" }]);

  await alice.groups.remove("team", ["carol"]);
  await alice.groups.promote("team", ["bob"]);
  expect((await alice.groups.members("team")).map(({ isAdmin }) => isAdmin)).toEqual([true, true]);
  await caughtUp(bob);
  expect((await bob.groups.find("team")).waiting).toEqual([]);
});

test("a change that the relay has not heard of yet is shown as waiting", { tags: ["long"] }, async () => {
  await using world = await World.create({ noLimits: true });
  const alice = await world.open("alice");
  await world.open("bob");
  await alice.sync();
  world.proxy.rule = ({ toRelay, frame }) => (toRelay && frame.type === "claim_keys" ? [] : undefined);
  await expect(alice.groups.create("team", ["bob"], { timeout: 50 })).rejects.toMatchObject({ code: "timeout" });
  expect(await alice.groups.list()).toMatchObject([
    { name: "team", state: "founding", members: ["alice", "bob"], waiting: [{ kind: "create", names: ["bob"] }] },
  ]);
});
