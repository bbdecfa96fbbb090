/** When a group gets new keys by itself. */
import { expect, onTestFinished, test, vi } from "vitest";
import { list } from "../../src/records/records.ts";
import { eventually, follow, numbered, SAME_CLOCK, World } from "./world.ts";

async function team(world: World) {
  const [alice, bob, carol] = [await world.open("alice"), await world.open("bob"), await world.open("carol")];
  const got = [alice, bob, carol].map((agent) => follow(agent));
  for (const agent of [alice, bob, carol]) await agent.sync();
  await alice.groups.create("team", ["bob", "carol"]);
  for (const agent of [bob, carol])
    await eventually("all are in it", async () => (await agent.groups.list()).length === 1);
  const groupOf = async (name: string) => (await world.memory(name).read((tx) => list(tx, "team-group/")))[0];
  return { alice, bob, carol, got, groupOf };
}

test(
  "a group begins another epoch when one member has sent a thousand messages in one, and nothing is lost or doubled [P-15.11]",
  { tags: ["long"] },
  async () => {
    await using world = await World.create({ noLimits: true });
    const { bob, got, groupOf } = await team(world);
    const texts = numbered(1_050);
    const sent = [];
    for (const text of texts) sent.push(await bob.send("@team", text));
    await Promise.all(sent.map((one) => one.handled({ timeout: 150_000 })));
    for (const at of [0, 2]) expect(got[at]?.map(({ body }) => body)).toEqual(texts);
    await eventually("all are in the next epoch", async () => {
      const epochs = await Promise.all(["alice", "bob", "carol"].map(groupOf));
      return epochs.every((group) => group?.epoch === 3);
    });
  },
);

test("each member gives itself new keys when its slot comes, and all follow [P-15.11]", async () => {
  await using world = await World.create({ noLimits: true, ...SAME_CLOCK });
  const { alice, bob, groupOf } = await team(world);
  const before = (await groupOf("alice"))?.epoch ?? 0;
  expect((await groupOf("bob"))?.healed).toBeUndefined();
  const now = Date.now;
  let offset = 0;
  const spy = vi.spyOn(Date, "now").mockImplementation(() => now() + offset);
  onTestFinished(() => spy.mockRestore());
  const names = ["alice", "bob", "carol"];
  const healed = async () => (await Promise.all(names.map(groupOf))).filter((group) => group?.healed === true).length;
  let jumped = -Infinity;
  await eventually("all have new keys", async () => {
    if ((await healed()) === names.length) return true;
    // The first round has four slots, a tenth of six hours each. After the Update of another one each waits for half a minute: until the next jump.
    if (performance.now() - jumped < 1_500) return false;
    jumped = performance.now();
    offset += 3 * 3_600_000;
    world.proxy.cut();
    return false;
  });
  await (await alice.send("@team", "healed")).handled();
  await (await bob.send("@team", "so are we")).handled();
  const epochs = (await Promise.all(names.map(groupOf))).map((group) => group?.epoch);
  expect(Math.min(...epochs.map((epoch) => epoch ?? 0))).toBeGreaterThanOrEqual(before + 3);
});
