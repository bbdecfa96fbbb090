/** What one lie of a relay leaves behind: nothing. Rows of SECURITY.md, "A relay that lies". */
import { cpSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Connection, type Socket } from "../../src/wire/connection.ts";
import { foreignWelcome } from "./forge.ts";
import { edit, type Frame } from "./proxy.ts";
import { alertKinds, bodies, eventually, follow, rejection, talking, World } from "./world.ts";

const refusal = (frame: Frame, reason: string): Frame => ({
  ...frame,
  type: "error",
  data: { code: 403, message: reason, reason },
});

/** Both ways, and nobody is stopped. */
async function goesOn({ world, alice, bob }: Awaited<ReturnType<typeof talking>>): Promise<void> {
  world.proxy.rule = undefined;
  await (await alice.send("bob", "and on")).handled();
  await (await bob.send("alice", "and back")).handled();
  expect((await alice.contacts())[0]).toMatchObject({ username: "bob", fingerprint: bob.fingerprint });
  expect((await alice.contacts())[0]?.stopped).toBeUndefined();
}

describe("a forged Welcome under the name of a pinned contact", () => {
  test("[R-5] is dropped with one alert, however often it comes; what is pinned and works goes on, both ways", async () => {
    const all = await talking();
    await using world = all.world;
    await using elsewhere = await World.create();
    const { welcome, groupId, device } = await foreignWelcome(world, {
      from: "bob",
      to: "alice",
      leaves: 2,
      at: elsewhere,
    });
    const [genuine] = world.proxy.pushedTo("bob", "welcome");
    const forged = edit(genuine!, { from: "bob", device, group_id: groupId, message: welcome });
    for (let count = 0; count < 3; count++) world.proxy.push("alice", forged);
    const counts = async () => (await all.alice.alerts()).map(({ kind, contact, count }) => [kind, contact, count]);
    await eventually("alice was told of all", async () => (await counts())[0]?.[2] === 3);
    expect(await counts()).toEqual([["identity_changed", "bob", 3]]);
    const openings = () => world.proxy.sentBy("alice", "commit").filter(({ data }) => data.epoch === 0).length;
    const before = openings();
    await goesOn(all);
    expect(openings()).toBe(before);
  });

  test("[R-5] stops nobody who was never written to, and has no conversation yet", async () => {
    await using world = await World.create();
    await using elsewhere = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    await alice.verify("bob", bob.fingerprint);
    const { welcome, groupId, device } = await foreignWelcome(world, {
      from: "bob",
      to: "alice",
      leaves: 2,
      at: elsewhere,
    });
    world.proxy.push("alice", {
      type: "message",
      data: {
        from: "bob",
        device,
        kind: "welcome",
        group_id: groupId,
        message: welcome,
        message_id: "w",
        timestamp: 1,
      },
    });
    await eventually("alice is told", async () => (await alertKinds(alice)).includes("identity_changed"));
    follow(alice);
    follow(bob);
    await (await alice.send("bob", "are you there?")).handled();
    await (await bob.send("alice", "I am")).handled();
    expect((await alice.contacts())[0]).toMatchObject({ verified: true, fingerprint: bob.fingerprint });
  });
});

test("[R-7] a Welcome in an agent's own name opens nothing, and makes it no contact of itself", async () => {
  await using world = await World.create();
  await using elsewhere = await World.create();
  const alice = await world.open("alice");
  await alice.sync();
  const { welcome, groupId, device } = await foreignWelcome(world, {
    from: "alice",
    to: "alice",
    leaves: 2,
    at: elsewhere,
  });
  world.proxy.push("alice", {
    type: "message",
    data: {
      from: "alice",
      device,
      kind: "welcome",
      group_id: groupId,
      message: welcome,
      message_id: "w",
      timestamp: 1,
    },
  });
  await eventually("alice is told", async () => (await alice.alerts()).length > 0);
  expect(await alertKinds(alice)).toEqual(["bad_welcome"]);
  expect(await alice.contacts()).toEqual([]);
});

test("[R-5] another identity that a relay shows once ends what waits then, and nothing else", async () => {
  await using world = await World.create();
  await using elsewhere = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await alice.verify("bob", bob.fingerprint);
  await elsewhere.open("bob");
  const { device, identity_key } = elsewhere.proxy.sentBy("bob", "register")[0]!.data;
  world.proxy.rule = ({ agent, toRelay, frame }) =>
    agent === "alice" && !toRelay && frame.type === "keys" ? [edit(frame, { device, identity_key })] : undefined;
  const error = await rejection((await alice.send("bob", "for the pinned bob")).stored());
  expect(error.code).toBe("identity_changed");
  expect(error.hint).toContain("contacts trust bob#");
  expect((await alice.contacts())[0]?.stopped).toBe("identity_changed");
  expect(world.proxy.sentBy("alice", "commit")).toEqual([]);
  // The relay is honest from here on.
  world.proxy.rule = undefined;
  follow(bob);
  follow(alice);
  await goesOn({ world, alice, bob });
  expect(await bodies(bob, 1)).toEqual(["and on"]);
  expect((await alice.alerts()).map(({ kind, count }) => [kind, count])).toEqual([["identity_changed", 1]]);
});

test("[R-5] receipts for a contact in whose place another one is shown are kept, and leave when it is shown again", async () => {
  const all = await talking();
  await using world = all.world;
  await using elsewhere = await World.create();
  await elsewhere.open("bob");
  const { device, identity_key } = elsewhere.proxy.sentBy("bob", "register")[0]!.data;
  // What was handled is said nowhere but in a receipt, and the relay lies wherever that could leave.
  let lies = 0;
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent !== "alice" || toRelay) return undefined;
    if (frame.type === "keys" && ++lies) return [edit(frame, { device, identity_key })];
    return frame.type === "ack" && frame.data.message_id !== undefined ? [refusal(frame, "not_a_member")] : undefined;
  };
  const sent = await all.bob.send("alice", "handled?");
  // The relay may have passed on what it says it has refused: until she believes the lie, what she writes would fail by it.
  await eventually("alice believes it", async () => lies > 0 && (await alertKinds(all.alice)).length > 0);
  world.proxy.rule = undefined;
  world.proxy.cut("alice");
  expect((await sent.handled()).state).toBe("handled");
  await goesOn(all);
});

test.each([
  ["send", (frame: Frame) => frame.type === "ack" && frame.data.message_id !== undefined],
  ["look-up", (frame: Frame) => frame.type === "agent"],
])("[R-5] a contact that a relay calls a token account once, in its answer to a %s, goes on", async (what, isLied) => {
  const all = await talking();
  await using world = all.world;
  let lies = 0;
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent !== "alice" || toRelay || !isLied(frame) || lies > 0) return undefined;
    lies += 1;
    if (what === "send") return [{ ...refusal(frame, "encryption_required") }];
    return [{ ...frame, data: { username: "bob", kind: "token" } }];
  };
  const act =
    what === "send"
      ? (await all.alice.send("bob", "lied about")).handled()
      : all.alice.trust(`bob#${all.bob.fingerprint}`);
  expect((await rejection(act)).code).toBe(what === "send" ? "identity_changed" : "refused");
  expect(lies).toBe(1);
  await goesOn(all);
});

test("[R-5] an older device of a contact, which a relay shows once, stops nothing that works", async () => {
  await using world = await World.create({ noLimits: true });
  const [folder, copy] = [world.folder(), world.folder()];
  const visit = async (path: string) => world.open("bob", await world.sqlite(path));
  const first = await visit(folder);
  await first.users();
  await first.close();
  cpSync(folder, copy, { recursive: true });
  const second = await visit(folder);
  await second.users();
  await second.close();
  const alice = await world.open("alice");
  const older = world.proxy.recorded.findLast(({ agent, frame }) => agent === "bob" && frame.type === "register")!;
  // The copy notices what it is, and goes on as the second device.
  const bob = await visit(copy);
  follow(alice);
  follow(bob);
  await (await alice.send("bob", "to the second device")).handled();
  expect((await alice.contacts())[0]?.deviceCounter).toBe(2);
  const { identity_key, device } = older.frame.data;
  world.proxy.rule = ({ agent, toRelay, frame }) =>
    agent === "alice" && !toRelay && frame.type === "agent" ? [edit(frame, { identity_key, device })] : undefined;
  expect((await rejection(alice.trust(`bob#${bob.fingerprint}`))).code).toBe("device_changed");
  world.proxy.rule = undefined;
  await (await alice.send("bob", "and on")).handled();
  await (await bob.send("alice", "and back")).handled();
});

test("[R-13] that a device was replaced is believed nowhere without proof, and ends no agent for good", async () => {
  const all = await talking();
  await using world = all.world;
  let lies = 0;
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent !== "alice" || toRelay || frame.data?.status !== "listening" || lies > 0) return undefined;
    lies += 1;
    return [refusal(frame, "device_replaced")];
  };
  world.proxy.cut("alice");
  await eventually("alice was lied to", () => lies > 0);
  await goesOn(all);
  await all.alice.close();
  const again = await world.open("alice");
  follow(again);
  await (await again.send("bob", "still me")).handled();
});

test("a relay that says to wait for a year is waited for no longer than an hour", async () => {
  const listeners = new Map<string, (event: never) => void>();
  const sent: Frame[] = [];
  const socket: Socket = {
    send: (text) => void sent.push(JSON.parse(text) as Frame),
    close: () => undefined,
    addEventListener: (type: string, listener: (event: never) => void) => void listeners.set(type, listener),
  };
  const opening = Connection.over(socket, new URL("ws://localhost"), () => undefined);
  listeners.get("open")?.({} as never);
  const connection = await opening;
  const answer = connection.ask("list_users", {});
  const data = { code: 429, reason: "rate_limited", message: "", retry_after_ms: 365 * 86_400_000 };
  const frame = { type: "error", reply_to: sent[0]?.id, timestamp: 1, data };
  listeners.get("message")?.({ data: JSON.stringify(frame) } as never);
  expect(await answer).toMatchObject({ refusal: { reason: "rate_limited", retry_after_ms: 3_600_000 } });
  connection.close();
});
