/** What a relay can try that no other test here does. Rows of SECURITY.md, "A relay that lies". */
import { expect, test } from "vitest";
import { fromBase64, toBase64 } from "../../src/protocol/index.ts";
import { edit, type Frame } from "./proxy.ts";
import { alertKinds, bodies, caughtUp, eventually, follow, numbered, rejection, talking, World } from "./world.ts";

test("[R-1] what it drops is asked for and arrives; what it withholds is never called received", async () => {
  const { world: opened, alice, bob } = await talking();
  await using world = opened;
  const dropped = new Set<string>();
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    const id = frame.data?.message_id;
    if (agent !== "bob" || toRelay || frame.data?.kind !== "application" || dropped.size >= 3) return undefined;
    return dropped.add(String(id)) ? [] : undefined;
  };
  const sent = await Promise.all(numbered(6).map((text) => alice.send("bob", text)));
  for (const one of sent) expect((await one.handled()).state).toBe("handled");
  expect((await bodies(bob, 7)).toSorted()).toEqual(["hello", ...numbered(6)].toSorted());

  const held: Frame[] = [];
  world.proxy.rule = ({ agent, toRelay, frame }) =>
    agent === "bob" && !toRelay && frame.data?.kind === "application" ? (held.push(frame), []) : undefined;
  const late = await alice.send("bob", "late");
  await late.stored();
  expect(await rejection(late.received({ timeout: 300 }))).toMatchObject({ code: "timeout" });
  world.proxy.rule = undefined;
  world.proxy.cut("bob");
  expect((await late.handled()).state).toBe("handled");
});

test("[R-2] what it pushes in another order arrives once", async () => {
  const { world: opened, alice, bob } = await talking();
  await using world = opened;
  const held: Frame[] = [];
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent !== "bob" || toRelay || frame.data?.kind !== "application" || held.length > 2) return undefined;
    held.push(frame);
    if (held.length < 3) return [];
    const seqs = held.map(({ data }) => data.seq!);
    return held.toReversed().map((one, index) => edit(one, { seq: seqs[index]! }));
  };
  const sent = await Promise.all(["one", "two", "three"].map((text) => alice.send("bob", text)));
  for (const one of sent) await one.handled();
  expect((await bodies(bob, 4)).toSorted()).toEqual(["hello", "one", "three", "two"]);
});

test("[R-2] what it pushes once more on another connection, a Welcome too, is dropped unseen", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  follow(bob);
  // The relay does not hear what Bob has received.
  world.proxy.rule = ({ agent, toRelay, frame }) =>
    agent === "bob" && toRelay && frame.type === "received" ? [] : undefined;
  await (await alice.send("bob", "once")).handled();
  world.proxy.cut("bob");
  await eventually("all of it comes again", () => world.proxy.pushedTo("bob", "application").length > 1);
  await (await alice.send("bob", "twice")).handled();
  expect(world.proxy.pushedTo("bob", "welcome").length).toBe(2);
  expect(await bodies(bob, 2)).toEqual(["once", "twice"]);
  expect(await alertKinds(bob)).toEqual([]);
});

test("[R-2] what was read, and is sent again since its receipt was withheld, is shown once", async () => {
  const { world: opened, alice, bob } = await talking();
  await using world = opened;
  world.proxy.rule = ({ agent, toRelay, frame }) =>
    agent === "alice" && !toRelay && frame.data?.kind === "application" ? [] : undefined;
  const sent = await alice.send("bob", "once");
  await bodies(bob, 2);
  // A commit that is not valid ends the conversation at Alice's end, which sends in another one what nobody has confirmed.
  const { group_id, epoch } = world.proxy.sentBy("alice", "send").at(-1)!.data;
  const data = { from: "bob", kind: "commit", message: "AAAA", message_id: "c", timestamp: 1 };
  world.proxy.push("alice", { type: "message", data: { ...data, group_id: group_id!, epoch: epoch! } });
  await eventually("it is sent again", () => world.proxy.pushedTo("bob", "welcome").length > 1);
  world.proxy.rule = undefined;
  expect((await sent.handled()).state).toBe("handled");
  const inside = world.proxy.sentBy("alice", "commit").at(-1)?.data.messages ?? [];
  expect(inside.map(({ message_id }) => message_id)).toContain(`${sent.id}--1`);
  expect(await bodies(bob, 2)).toEqual(["hello", "once"]);
  expect(await alertKinds(alice)).toEqual(["bad_commit"]);
});

test("[R-3] a body that is cut off, or put into another conversation, is shown nowhere and arrives where it belongs", async () => {
  const { world: opened, alice, bob } = await talking();
  await using world = opened;
  const carol = await world.open("carol");
  follow(carol);
  await (await carol.send("bob", "hello from carol")).handled();
  const held: Frame[] = [];
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent !== "bob" || toRelay || !/^m-\d$/.test(String(frame.data?.message_id))) return undefined;
    held.push(frame);
    if (held.length === 1) return [edit(frame, { message: toBase64(fromBase64(frame.data.message!).slice(0, -5)) })];
    if (held.length === 2) return [];
    const [, one, two] = held as [Frame, Frame, Frame];
    return [edit(one, { message: two.data.message! }), edit(two, { message: one.data.message! })];
  };
  const sent = [await alice.send("bob", "cut off", { messageId: "m-1" })];
  await eventually("it was cut off", () => held.length === 1);
  sent.push(await alice.send("bob", "for bob, by alice", { messageId: "m-2" }));
  sent.push(await carol.send("bob", "for bob, by carol", { messageId: "m-3" }));
  for (const one of sent) expect((await one.handled()).state).toBe("handled");
  const got = (await bob.inbox()).map(({ from, body }) => `${from}: ${body}`);
  expect(got.toSorted()).toEqual(
    [
      "alice: hello",
      "carol: hello from carol",
      "alice: cut off",
      "alice: for bob, by alice",
      "carol: for bob, by carol",
    ].toSorted(),
  );
});

test("[R-6] key packages of somebody else, and one that is handed out twice, open nothing and lose nothing", async () => {
  await using world = await World.create({ noLimits: true });
  const [alice, bob, eve] = [await world.open("alice"), await world.open("bob"), await world.open("eve")];
  follow(bob);
  await bob.users();
  let lies = 0;
  let first: Frame | undefined;
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (toRelay || frame.type !== "keys") return undefined;
    if (agent === "eve") first = frame;
    // Alice is told that what Eve was given is hers, too.
    if (agent !== "alice" || lies > 0 || first === undefined) return undefined;
    lies += 1;
    return [edit(frame, { key_package: first.data["key_package"] })];
  };
  await (await eve.send("bob", "eve was first")).handled();
  expect((await (await alice.send("bob", "alice was second")).handled()).state).toBe("handled");
  expect(lies).toBe(1);
  expect((await bob.inbox()).map(({ from, body }) => `${from}: ${body}`).toSorted()).toEqual([
    "alice: alice was second",
    "eve: eve was first",
  ]);
  expect(await alertKinds(bob)).toContain("welcome_without_key");
});

test.each([
  { more: 5, what: "before another one follows" },
  { more: 120, what: "and another one follows" },
])(
  "[R-9] a commit that it keeps back ends the conversation, $what, and nothing is lost",
  async ({ more }) => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    let kept = 0;
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (agent !== "bob" || toRelay || frame.data?.kind !== "commit" || kept > 0) return undefined;
      kept += 1;
      return [];
    };
    for (const texts of [numbered(110), numbered(more, "more")]) {
      const sent = [];
      for (const text of texts) sent.push(await alice.send("bob", text));
      for (const one of sent) expect((await one.handled({ timeout: 60_000 })).state).toBe("handled");
      expect(kept).toBe(1);
    }
    expect(new Set(await bodies(bob, 111 + more)).size).toBe(111 + more);
  },
  90_000,
);

test(
  "[R-10] a relay that calls every epoch stale is left behind by a new conversation, or its messages wait",
  { tags: ["long"] },
  async () => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    let lies = 0;
    const [group] = world.proxy.sentBy("alice", "commit").map(({ data }) => data.group_id);
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (agent !== "alice" || !toRelay || frame.type !== "send" || frame.data.group_id !== group) return undefined;
      lies += 1;
      const id = (frame as unknown as { id: string }).id;
      const data = { code: 409, message: "Epoch is too old or unknown", reason: "stale_epoch" };
      world.proxy.answer(
        "alice",
        id,
        edit({ type: "error", data: {} }, { ...data, message_id: frame.data.message_id! }),
      );
      return [];
    };
    expect((await (await alice.send("bob", "stale?")).handled({ timeout: 60_000 })).state).toBe("handled");
    expect(lies).toBeGreaterThan(0);
    expect(await alertKinds(alice)).toContain("stale_epoch");
    expect(await bodies(bob, 2)).toEqual(["hello", "stale?"]);
  },
);

test("[R-12] its word that a message has expired is outweighed by the recipient's receipt", async () => {
  const { world: opened, alice } = await talking();
  await using world = opened;
  const sent = await alice.send("bob", "not expired");
  await sent.stored();
  const notice = { from: "bob", kind: "notice", message: "", message_id: sent.id, status: "expired", timestamp: 1 };
  world.proxy.push("alice", { type: "message", data: notice });
  await eventually("the receipt outweighs it", async () => (await sent.status()).state === "handled");
});

test("[R-15] a hundred thousand tiny frames keep nobody from what is real", async () => {
  const { world: opened, alice, bob } = await talking();
  await using world = opened;
  for (let round = 0; round < 100; round++) {
    for (let count = 0; count < 1_000; count++) world.proxy.raw("bob", "{}");
    await caughtUp(bob);
  }
  expect((await (await alice.send("bob", "still here")).handled({ timeout: 30_000 })).state).toBe("handled");
  expect(await bodies(bob, 2)).toEqual(["hello", "still here"]);
});
