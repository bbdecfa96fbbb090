import { expect, test } from "vitest";
import type { Line } from "../../src/index.ts";
import { eventually, follow, rejection, World } from "./world.ts";

const text = ({ own, message }: Line): string => `${own ? "I" : message.to}: ${message.body}`;

test("a conversation has both sides by time, and states of what was sent", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await (await alice.send("bob", "one")).stored();
  await bob.sync();
  await (await bob.send("alice", "two")).received();
  await (await alice.message((await alice.inbox())[0]!.id)).handled();
  await alice.send("carol", "elsewhere");
  const lines = await alice.conversations.lines("bob");
  expect(lines.map(text)).toEqual(["I: one", "alice: two"]);
  expect((await alice.conversations.list()).map(({ with: name }) => name)).toEqual(["carol", "bob"]);
  expect((await bob.conversations.list())[0]).toMatchObject({ with: "alice", messages: 2, unhandled: 1 });
  // Its text is kept, also when it is handled.
  await (await bob.message((await bob.inbox())[0]!.id)).handled();
  await eventually(
    "it is handled",
    async () => (await alice.conversations.lines("bob"))[0]?.message.state === "handled",
  );
  expect((await alice.conversations.lines("bob"))[0]?.message.body).toBe("one");
});

test("a long conversation is read from its end, some messages at a time, and once each", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  follow(bob);
  for (let at = 0; at < 25; at++) await alice.send("bob", `message ${at}`);
  const seen: string[] = [];
  let before: string | undefined;
  for (;;) {
    const lines = await alice.conversations.lines("bob", { last: 10, ...(before === undefined ? {} : { before }) });
    if (lines.length === 0) break;
    seen.unshift(...lines.map(({ message }) => message.body));
    before = lines[0]?.message.id;
  }
  expect(seen).toEqual(Array.from({ length: 25 }, (_, at) => `message ${at}`));
  const [some] = await alice.conversations.some("bob", [before!]);
  expect(some?.message.body).toBe("message 0");
  expect(await rejection(alice.conversations.lines("bob", { before: "nothing" }))).toMatchObject({
    code: "unknown_message",
  });
  await alice.outbox.drained();
});

test("what is searched is found in bodies that are kept, of both sides and of groups, whatever its case", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await alice.groups.create("team", ["bob"]);
  await alice.send("bob", "The Deploy is at noon");
  await (await alice.send("@team", "who DEPLOYS? (a.*b)")).stored();
  await (await bob.send("alice", "nothing of it")).received();
  const found = await alice.conversations.search("deploy");
  // Both may have been sent in one millisecond.
  const shown = found.map(({ with: name, excerpt, from, to }) => [name, excerpt.slice(from, to)]);
  expect(shown.toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1))).toEqual([
    ["@team", "DEPLOY"],
    ["bob", "Deploy"],
  ]);
  expect(await alice.conversations.search("(a.*b)")).toHaveLength(1);
  expect(await alice.conversations.search("")).toEqual([]);
  expect(await alice.conversations.search("NOTHING", { last: 1 })).toMatchObject([{ with: "bob", own: false }]);
  const [line] = await alice.conversations.lines("@team");
  expect(line).toMatchObject({ own: true, message: { counts: { all: 1 } } });
  expect(await alice.conversations.passed(Date.now() - 60_000)).toHaveLength(3);
  expect(await alice.conversations.passed(Date.now() + 60_000)).toHaveLength(0);
});
