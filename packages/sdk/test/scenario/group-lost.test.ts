/** Messages of a group that never came, and never will. */
import { describe, expect, test } from "vitest";
import { caughtUp, eventually, follow, jump, SAME_CLOCK, World } from "./world.ts";

/** Carol, who lacks two messages of Bob's in a group, however often he sends them again. */
async function lacking() {
  const world = await World.create({ noLimits: true, ...SAME_CLOCK });
  const [alice, bob, carol] = [await world.open("alice"), await world.open("bob"), await world.open("carol")];
  for (const agent of [alice, bob, carol]) follow(agent);
  await Promise.all([alice.sync(), bob.sync(), carol.sync()]);
  await alice.groups.create("team", ["bob", "carol"]);
  await (await bob.send("@team", "one")).handled();
  let count = 2;
  world.proxy.rule = ({ agent, toRelay, frame: { data } }) => {
    if (agent !== "carol" || toRelay || data.from !== "bob") return undefined;
    return data.kind === "direct" || (data.kind === "application" && count-- > 0) ? [] : undefined;
  };
  for (const text of ["two", "three", "four"]) await (await bob.send("@team", text)).stored();
  await eventually("carol has the last", async () => (await carol.inbox()).some(({ body }) => body === "four"));
  await caughtUp(carol);
  const lost = async () => (await carol.alerts()).filter(({ kind }) => kind === "lost").map(({ text }) => text);
  return { world, alice, bob, carol, lost };
}

describe("[P-15.15] messages of a member that never came", () => {
  test("are lost when it is no member any more, and the owner hears how many", async () => {
    const { world: opened, bob, lost } = await lacking();
    await using _ = opened;
    await bob.groups.leave("team");
    await eventually("carol's owner is told", async () => (await lost()).length > 0);
    expect(await lost()).toEqual(["2 of its messages in a group never came, and bob is no member any more"]);
  });

  test("are lost when it has been silent for as long as the relay keeps a message", async () => {
    const { world: opened, alice, bob, lost } = await lacking();
    await using world = opened;
    await bob.close();
    await caughtUp(alice);
    world.proxy.cut();
    jump(15.5 * 86_400_000);
    await eventually("carol's owner is told", async () => (await lost()).length > 0);
    expect(await lost()).toEqual([
      "2 of its messages in a group never came, and bob has said nothing there for as long as the relay keeps a message",
    ]);
  });
});
