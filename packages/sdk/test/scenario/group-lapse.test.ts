/** A member of a group whose mailbox has no room. */
import { expect, test } from "vitest";
import type { Sent } from "../../src/agent/sent.ts";
import { edit } from "./proxy.ts";
import { alertKinds, caughtUp, eventually, follow, numbered, World } from "./world.ts";

test("a group has a member back whose mailbox was full, without an admin, with all that was sent meanwhile", async () => {
  await using world = await World.create({ noLimits: true, limits: { mailboxMessages: 60 } });
  const [alice, bob, carol] = [await world.open("alice"), await world.open("bob"), await world.open("carol")];
  const [, heard] = [alice, bob, carol].map((agent) => follow(agent));
  for (const agent of [alice, bob, carol]) await agent.sync();
  await alice.groups.create("team", ["bob", "carol"]);
  await (await alice.send("@team", "before")).handled();
  await caughtUp(carol);
  await carol.close();
  const texts = numbered(30);
  const sent: Sent[] = [];
  for (const text of texts) sent.push(await bob.send("@team", text));
  await eventually("the relay has no room for carol", async () =>
    (await sent[29]?.recipients())?.failed.some(({ name, reason }) => name === "carol" && reason === "lapsed"),
  );
  // Bob alone takes it in: no admin is there.
  await alice.close();
  const again = await world.open("carol");
  const got = follow(again);
  await eventually("carol has all of it", () => got.length >= texts.length);
  await eventually("bob hears so", async () => {
    const all = await Promise.all(sent.map((one) => one.recipients()));
    return all.every(({ handled }) => handled.includes("carol"));
  });
  expect(got.map(({ body }) => body).toSorted()).toEqual(texts.toSorted());
  expect(await alertKinds(again)).toContain("lapsed");
  await (await again.send("@team", "back again")).stored();
  await eventually("bob hears carol", () => heard?.at(-1)?.body === "back again");
});

test("a member that had lapsed hears what became of what it had sent before, where others said so meanwhile", async () => {
  await using world = await World.create({ noLimits: true });
  const [alice, bob, carol] = [await world.open("alice"), await world.open("bob"), await world.open("carol")];
  for (const agent of [alice, bob, carol]) {
    follow(agent);
    await agent.sync();
  }
  await alice.groups.create("team", ["bob", "carol"]);
  await eventually("carol is in it", async () => (await carol.groups.list()).length === 1);
  // As the relay answers where carol has lapsed.
  let away = true;
  let refusals = 0;
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (!away || agent !== "bob") return undefined;
    if (toRelay && frame.data["direct"] === true) return [edit(frame, { to: "nobody" })];
    if (frame.data["reason"] !== "unknown_user") return undefined;
    refusals += 1;
    return [edit(frame, { reason: "member_lapsed" })];
  };
  const sent = await carol.send("@team", "a question");
  await eventually("bob has said so", () => refusals > 0);
  expect((await sent.recipients()).handled).not.toContain("bob");
  away = false;
  await sent.handled();
});
