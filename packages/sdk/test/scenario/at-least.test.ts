/** How many members of a group a message has reached. */
import { expect, test } from "vitest";
import { eventually, follow, rejection, World } from "./world.ts";

test("a wait for so many members of a group ends when as many are as far, or never can be", async () => {
  await using world = await World.create({ noLimits: true });
  const alice = await world.open("alice");
  const bob = await world.open("bob");
  const carol = await world.open("carol");
  await world.open("dave").then((dave) => dave.close());
  follow(bob);
  follow(carol, (message) => message.failed("no time"));
  await alice.groups.create("team", ["bob", "carol", "dave"]);
  const sent = await alice.send("@team", "who can?");
  expect((await sent.handled({ atLeast: 1 })).state).toBe("stored");
  await sent.received({ atLeast: 2 });
  const soon = { timeout: 50 };
  expect(await rejection(sent.handled({ atLeast: 2, ...soon }))).toMatchObject({ code: "timeout" });
  await eventually("carol has failed", async () => (await sent.recipients()).failed.length === 1);
  expect(await rejection(sent.handled({ atLeast: 3 }))).toMatchObject({
    code: "failed",
    reason: "partial",
    message: `message ${sent.id} to @team will never be handled by 3: it was for 3, 1 of whom have failed or are gone`,
  });
  expect(await rejection(sent.received({ atLeast: 4 }))).toMatchObject({ code: "failed" });
  expect(await rejection(sent.handled({ atLeast: 0 }))).toMatchObject({ code: "usage" });
  const toOne = await alice.send("bob", "hello");
  expect((await toOne.handled({ atLeast: 1 })).state).toBe("handled");
  expect(await rejection(toOne.handled({ atLeast: 2 }))).toMatchObject({ code: "usage" });
});
