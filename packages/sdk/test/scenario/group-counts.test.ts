/** A receipt speaks by the counters of one device in one group: to another one, or in another group, these are of other messages. [P-15.10] */
import { cpSync, rmSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { readReceipt } from "../../src/conversation/receipt.ts";
import { countsOf } from "../../src/conversation/team-direct.ts";
import { flushReceipt } from "../../src/delivery/receipts.ts";
import { utf8 } from "../../src/protocol/index.ts";
import { directAddress } from "../../src/records/addresses.ts";
import { owed } from "../../src/records/owed.ts";
import { get, list, nextSeq, pad, put, toBytes } from "../../src/records/records.ts";
import type { OutboxRecord } from "../../src/records/tables.ts";
import { teamMember, teamOf } from "../../src/turn/groups.ts";
import { gathered, groupOf } from "./members.ts";
import { turns } from "./turns.ts";
import { atRest, caughtUp, eventually, follow, SAME_CLOCK, World } from "./world.ts";

test("what a member had to say to a device that is gone, its next one does not take for its own", async () => {
  const world = await World.create({ noLimits: true, ...SAME_CLOCK });
  onTestFinished(() => world[Symbol.asyncDispose]());
  const { alice, carol } = await gathered(world, "alice", "carol");
  const [folder, copy] = [world.folder(), world.folder()];
  const open = async () => world.open("bob", await world.sqlite(folder));
  const first = await open();
  follow(first);
  await first.sync();
  await alice.agent.groups.add("team", ["bob"]);
  await eventually("bob is in", async () => (await first.groups.list()).length === 1);
  await (await first.send("@team", "hello")).handled();
  await atRest(world, alice.agent, carol.agent, first);
  await first.close();
  cpSync(folder, copy, { recursive: true });
  // The device of Bob that has sent this is gone when Alice says that she has it.
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent !== "alice" || !toRelay || frame.type !== "send" || frame.data["to"] !== "bob") return undefined;
    const { message_id } = frame.data;
    const data = { code: 409, message: "replaced", reason: "device_replaced", username: "bob", message_id };
    world.proxy.answer("alice", frame.id ?? "", { type: "error", data } as never);
    return [];
  };
  const second = await open();
  follow(second);
  await (await second.send("@team", "before")).handled({ atLeast: 1 });
  await eventually("alice has it", () => alice.got.length === 2);
  await atRest(world, alice.agent, carol.agent, second);
  await second.close();
  rmSync(folder, { recursive: true });
  cpSync(copy, folder, { recursive: true });
  const { epoch = 0 } = (await groupOf(world, "alice")) ?? {};
  const third = await open();
  follow(third);
  await eventually("bob is taken in again", async () => (await groupOf(world, "alice"))!.epoch > epoch);
  await atRest(world, alice.agent, carol.agent, third);
  await alice.agent.close();
  world.proxy.rule = undefined;
  const one = await third.send("@team", "now or never", { expiresIn: 1_000 });
  await eventually("its time is over", async () => (await one.recipients()).failed.length > 0, 15_000);
  const again = await world.open("alice");
  follow(again);
  await (await third.send("@team", "afterwards")).handled();
  await atRest(world, again, carol.agent, third);
  expect(await one.recipients()).toMatchObject({
    handled: ["carol"],
    failed: [{ name: "alice", reason: "expired" }],
  });
  expect((await one.status()).state).toBe("failed");
});

/** Bob's first message, which Alice has not got, and what Bob takes from a receipt of hers that has waited; `counts`: by whose counters it speaks. */
async function takenFrom(counts: (group: string, bob: string, alice: string) => string | undefined) {
  const world = await World.create({ noLimits: true, ...SAME_CLOCK });
  onTestFinished(() => world[Symbol.asyncDispose]());
  const { alice, bob } = await gathered(world, "alice", "bob");
  for (const { agent } of [alice, bob]) await (await agent.send("@team", "hello")).handled();
  await atRest(world, alice.agent, bob.agent);
  await alice.agent.close();
  await world.memory("alice").write(async (tx) => {
    const [{ group, key } = { group: "", key: "" }] = await list(tx, "team/");
    const [devices, own] = [await get(tx, "team-member/", `${group}/bob`), await get(tx, "meta/device")];
    const by = counts(group, devices?.device ?? "", own?.id ?? "");
    const [seq, to, now] = [await nextSeq(tx, "out"), directAddress(key, "bob"), Date.now()];
    const waiting = { kind: "receipt", content_type: "application/json", state: "queued", attempt: 0 } as const;
    const row = { seq, id: "a-receipt", to, ...waiting, created_at: now, updated_at: now };
    await put(tx, "out/", pad(seq), by === undefined ? row : { ...row, counts: by });
    await tx.put(`out-body/${pad(seq)}`, utf8(JSON.stringify({ received: { [group]: 2 } })));
    await tx.put(`out-id/${row.id}`, String(seq));
    await tx.put(`queue/${to}/${pad(seq)}`, "");
  });
  world.proxy.rule = ({ agent, toRelay, frame }) =>
    agent === "alice" && !toRelay && frame.type.endsWith("message") ? [] : undefined;
  const one = await bob.agent.send("@team", "the one");
  await one.stored();
  const heard = world.proxy.pushedTo("bob", "direct").length;
  const again = await world.open("alice");
  const got = follow(again);
  await eventually("bob has it", () => world.proxy.pushedTo("bob", "direct").length > heard);
  await caughtUp(bob.agent);
  const { received } = await one.recipients();
  world.proxy.rule = undefined;
  world.proxy.cut("alice");
  await one.handled();
  expect(got.map(({ body }) => body)).toEqual(["the one"]);
  return received;
}

test("what a receipt says by the counters of those who are there is taken from it", async () => {
  expect(await takenFrom((...all) => all.join("/"))).toEqual(["alice"]);
});

test.each([
  ["another device of the sender", (group: string, _bob: string, alice: string) => [group, "another", alice].join("/")],
  ["another device of its own", (group: string, bob: string) => [group, bob, "another"].join("/")],
  ["another group", (_group: string, ...both: string[]) => ["another", ...both].join("/")],
  ["nobody", () => undefined],
])("what a receipt says by the counters of %s is not said", async (_whose, counts) => {
  expect(await takenFrom(counts)).toEqual([]);
});

test("under which counters nothing is to come, and what was said of direct frames, is not said by those of others", async () => {
  const world = await World.create({ noLimits: true });
  onTestFinished(() => world[Symbol.asyncDispose]());
  const { alice, bob } = await gathered(world, "alice", "bob");
  for (const { agent } of [alice, bob]) await (await agent.send("@team", "hello")).handled();
  await atRest(world, alice.agent, bob.agent);
  await alice.agent.close();
  const { run } = await turns(world.memory("alice"));
  const said = await run(async (turn) => {
    const [{ group, key } = { group: "", key: "" }] = await list(turn.tx, "team/");
    const to = directAddress(key, "bob");
    const counts = countsOf(
      turn,
      { record: { id: group } },
      await teamMember(turn, (await teamOf(turn, group))!, "bob"),
    );
    await turn.tx.put(owed(to, "free", pad(3)), counts);
    await turn.tx.put(owed(to, "free", pad(4)), `another${counts}`);
    await turn.tx.put(owed(to, "direct", "told"), `5 ${counts}`);
    await turn.tx.put(owed(to, "direct", "unheard"), `6 another${counts}`);
    await flushReceipt(turn, to);
    const [row] = (await list(turn.tx, "out/", { reverse: true, limit: 1 })) as [OutboxRecord];
    expect(await turn.tx.list({ prefix: `owed/${to}/` })).toEqual([]);
    return readReceipt(toBytes((await turn.tx.get(`out-body/${pad(row.seq)}`)) ?? ""));
  });
  expect(said).toMatchObject({ freed: [3], told: 5 });
  expect(said).not.toHaveProperty("unheard");
});
