/** What the relay refuses of what goes to members of a group. */
import { expect, test } from "vitest";
import type { Frame } from "./proxy.ts";
import { eventually, follow, rejection, World } from "./world.ts";

/** The relay's answer to a frame that it takes another time. */
function busy(ack: Frame): Frame {
  const { message_id = "" } = ack.data;
  return { ...ack, type: "error", data: { code: 429, reason: "recipient_busy", message: "it reads", message_id } };
}

test("[P-6.5] a direct frame that is refused holds up nothing else of its group, and is sent again as it was", async () => {
  await using world = await World.create({ noLimits: true });
  const [alice, bob, carol] = [await world.open("alice"), await world.open("bob"), await world.open("carol")];
  for (const agent of [alice, bob, carol]) follow(agent);
  await Promise.all([alice.sync(), bob.sync(), carol.sync()]);
  await alice.groups.create("team", ["bob", "carol"]);
  await (await alice.send("@team", "one")).handled();
  await (await carol.send("@team", "two")).handled();
  // Bob's receipts to Alice are refused, of which the relay has stored none.
  const direct: Frame[] = [];
  let refuses = true;
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent !== "bob" || !refuses) return undefined;
    if (toRelay && frame.type === "send" && frame.data["to"] === "alice" && frame.data["direct"] === true) {
      direct.push(frame);
      return [{ ...frame, type: "lookup", data: { username: "alice" } }];
    }
    const sent = direct.find(({ id }) => id !== undefined && id === frame.reply_to);
    return sent === undefined || toRelay
      ? undefined
      : [busy({ ...frame, data: { message_id: sent.data.message_id! } })];
  };
  const three = await alice.send("@team", "three");
  await eventually("the receipt is refused", () => direct.length > 0);
  const four = await bob.send("@team", "four");
  await four.handled();
  await (await carol.send("@team", "five")).handled();
  expect((await three.recipients()).waiting).toEqual(["bob"]);
  refuses = false;
  await three.handled();
  const again = world.proxy.recorded.filter(
    ({ agent, toRelay, frame }) => agent === "bob" && toRelay && frame.data.message_id === direct[0]?.data.message_id,
  );
  expect(new Set(again.map(({ frame }) => frame.data.message)).size).toBe(1);
  expect(again.some(({ frame }) => frame.data["resume"] === true)).toBe(false);
});

test("[P-6.9] a message that expires is so at all who have not taken it, by one word of the relay", async () => {
  await using world = await World.create({ noLimits: true });
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  for (const agent of [alice, bob]) follow(agent);
  await Promise.all([alice.sync(), bob.sync()]);
  for (const name of ["carol", "dave", "erin"]) await (await world.open(name)).close();
  await alice.groups.create("team", ["bob", "carol", "dave", "erin"]);
  const sent = await alice.send("@team", "for today", { expiresIn: 1_500 });
  await eventually("bob has handled it", async () => (await sent.recipients()).handled.length === 1);
  await eventually("it has expired", async () => (await sent.recipients()).failed.length === 3);
  expect((await sent.recipients()).failed).toEqual(
    ["carol", "dave", "erin"].map((name) => ({ name, state: "expired", reason: "expired" })),
  );
  expect(await rejection(sent.handled())).toMatchObject({ reason: "partial" });
  const notices = world.proxy.recorded.filter(({ frame }) => frame.data.kind === "notice");
  expect(notices).toHaveLength(1);
});

test.each([
  { reason: "expired", state: "expired" },
  { reason: "message_too_large", state: "refused" },
])("a message that the relay refuses as $reason is awaited of nobody", async ({ reason, state }) => {
  await using world = await World.create({ noLimits: true });
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  follow(bob);
  await Promise.all([alice.sync(), bob.sync()]);
  await (await world.open("carol")).close();
  await alice.groups.create("team", ["bob", "carol"]);
  await (await alice.send("@team", "one")).stored();
  const refused: Frame[] = [];
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent !== "alice") return undefined;
    if (toRelay && frame.type === "send") {
      refused.push(frame);
      return [{ ...frame, type: "lookup", data: { username: "bob" } }];
    }
    const sent = refused.find(({ id }) => id !== undefined && id === frame.reply_to);
    const { message_id = "" } = sent?.data ?? {};
    return sent === undefined || toRelay
      ? undefined
      : [{ ...frame, type: "error", data: { code: 400, reason, message: "it says so", message_id } }];
  };
  const two = await alice.send("@team", "two");
  await eventually("it is refused", async () => (await two.status())?.state === state);
  expect(await two.recipients()).toEqual({
    received: [],
    handled: [],
    failed: ["bob", "carol"].map((name) => ({ name, state, reason })),
    waiting: [],
    gone: [],
  });
});
