import { describe, expect, test } from "vitest";
import { GroupCrypto } from "../../src/crypto/mls/group.ts";
import { createDevice } from "../../src/crypto/identity.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { fromBase64, toBase64 } from "../../src/protocol/index.ts";
import { statesIn } from "./attacker.ts";
import { foreignWelcome } from "./forge.ts";
import { edit, type Frame } from "./proxy.ts";
import { alertKinds, bodies, caughtUp, eventually, follow, World } from "./world.ts";

/** Alice and Bob with an open conversation, both online. */
async function talking() {
  const world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  const [toAlice, toBob] = [follow(alice), follow(bob)];
  await (await alice.send("bob", "hello")).handled();
  await (await bob.send("alice", "hello yourself")).handled();
  return { world, alice, bob, toAlice, toBob };
}

/** An alert of this kind comes; then everything still works, and nothing came twice. */
async function survives(
  { world, alice, bob }: Awaited<ReturnType<typeof talking>>,
  kind: string,
  expected: string[],
): Promise<void> {
  await eventually(`bob is told of ${kind}`, async () => (await alertKinds(bob)).includes(kind));
  world.proxy.rule = undefined;
  await (await alice.send("bob", "and on")).handled();
  await (await bob.send("alice", "and back")).handled();
  expect((await bodies(bob, expected.length + 1)).toSorted()).toEqual(["and on", ...expected].toSorted());
}

describe("a relay that lies about openings", () => {
  test("[R-7] a Welcome that is replayed changes nothing", async () => {
    const all = await talking();
    await using world = all.world;
    const [welcome] = world.proxy.pushedTo("bob", "welcome");
    const states = await groupStates(all);
    world.proxy.push("bob", welcome!);
    await survives(all, "welcome_replayed", ["hello"]);
    expect([...(await groupStates(all)).keys()]).toEqual([...states.keys()]);
  });

  test("a Welcome that names a known conversation, and holds another, opens nothing", async () => {
    const all = await talking();
    await using world = all.world;
    const [welcome] = world.proxy.pushedTo("bob", "welcome");
    const forged = await foreignWelcome(world, { from: "carol", to: "bob", leaves: 2 });
    const before = await groupStates(all);
    world.proxy.push("bob", edit(welcome!, { from: "carol", device: forged.device, message: forged.welcome }));
    await eventually("bob is told", async () => (await alertKinds(all.bob)).includes("welcome_replayed"));
    expect([...(await groupStates(all)).keys()]).toEqual([...before.keys()]);
    await survives(all, "welcome_replayed", ["hello"]);
  });

  test("[A-1] a Welcome with a third leaf is refused", async () => {
    const all = await talking();
    await using world = all.world;
    const [welcome] = world.proxy.pushedTo("bob", "welcome");
    const forged = await foreignWelcome(world, { from: "carol", to: "bob", leaves: 3 });
    const before = await groupStates(all);
    world.proxy.push(
      "bob",
      edit(welcome!, {
        from: "carol",
        // Both devices in it are Carol's, and the relay does not say which of them made it.
        device: undefined,
        group_id: forged.groupId,
        message: forged.welcome,
      }),
    );
    await survives(all, "bad_welcome", ["hello"]);
    expect([...(await groupStates(all)).keys()]).toEqual([...before.keys()]);
  });

  test.each([
    ["name", { from: "carol" }],
    ["device", { device: "another" }],
  ])(
    "[R-7] a Welcome under another %s than its maker's is refused, and the message arrives by another opening",
    async (_, lie) => {
      await using world = await World.create();
      const [alice, bob] = [await world.open("alice"), await world.open("bob")];
      await world.open("carol");
      follow(bob);
      let once = true;
      world.proxy.rule = ({ agent, toRelay, frame }) => {
        if (agent !== "bob" || toRelay || frame.data?.kind !== "welcome" || !once) return undefined;
        once = false;
        return [edit(frame, lie)];
      };
      const sent = await alice.send("bob", "from alice");
      expect((await sent.handled()).state).toBe("handled");
      expect(await bodies(bob, 1)).toEqual(["from alice"]);
      expect((await bob.inbox())[0]?.from).toBe("alice");
      expect(await alertKinds(bob)).toContain("bad_welcome");
      expect((await bob.contacts()).map(({ username }) => username)).toEqual(["alice"]);
    },
  );
});

describe("a relay that lies about messages", () => {
  const lies: [string, (frame: Frame) => Frame["data"]][] = [
    ["sender", () => ({ from: "carol" })],
    ["expiry", () => ({ expires_at: Date.now() + 3_600_000 })],
    ["id", (frame) => ({ message_id: `${String(frame.data.message_id)}-7` })],
    ["sending's id", (frame) => ({ message_id: `${String(frame.data.message_id)}--7` })],
  ];

  test.each(lies)(
    "[R-4] a message under another %s is reported and not shown; sent again, it arrives once",
    async (_, lie) => {
      const all = await talking();
      await using world = all.world;
      await world.open("carol");
      let once = true;
      world.proxy.rule = ({ agent, toRelay, frame }) => {
        if (agent !== "bob" || toRelay || frame.data?.kind !== "application" || !once) return undefined;
        once = false;
        return [edit(frame, lie(frame))];
      };
      const sent = await all.alice.send("bob", "who am I?");
      await survives(all, "relay_mismatch", ["hello", "who am I?"]);
      expect((await sent.handled()).state).toBe("handled");
      expect((await all.bob.inbox()).every(({ from }) => from === "alice")).toBe(true);
    },
  );

  test("[R-4] two messages whose ids were swapped are both reported and both arrive once", async () => {
    const all = await talking();
    await using world = all.world;
    const held: Frame[] = [];
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (agent !== "bob" || toRelay || frame.data?.kind !== "application" || held.length >= 2) return undefined;
      held.push(frame);
      if (held.length < 2) return [];
      const [one, two] = held as [Frame, Frame];
      return [edit(one, { message_id: two.data.message_id! }), edit(two, { message_id: one.data.message_id! })];
    };
    const sent = [await all.alice.send("bob", "one"), await all.alice.send("bob", "two")];
    await Promise.all(sent.map((message) => message.handled()));
    expect((await bodies(all.bob, 3)).toSorted()).toEqual(["hello", "one", "two"]);
    expect((await all.bob.alerts()).map(({ kind, count }) => [kind, count])).toEqual([["relay_mismatch", 2]]);
  });

  test("[R-2] a message that is repeated, also under a later place in the mailbox, is shown once", async () => {
    const all = await talking();
    await using world = all.world;
    world.proxy.rule = ({ agent, toRelay, frame }) =>
      agent === "bob" && !toRelay && frame.data?.kind === "application" ? [frame, frame] : undefined;
    await (await all.alice.send("bob", "once")).handled();
    world.proxy.rule = undefined;
    const push = world.proxy.pushedTo("bob", "application").at(-1);
    await eventually("bob is back", () => world.proxy.isConnected("bob"));
    world.proxy.push("bob", push!);
    await caughtUp(all.bob);
    await (await all.alice.send("bob", "twice")).handled();
    expect(await bodies(all.bob, 3)).toEqual(["hello", "once", "twice"]);
    expect(await alertKinds(all.bob)).toEqual(["relay_order"]);
  });

  test("a message with one bit flipped is asked for again and arrives once", async () => {
    const all = await talking();
    await using world = all.world;
    let once = true;
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (agent !== "bob" || toRelay || frame.data?.kind !== "application" || !once) return undefined;
      once = false;
      const bytes = fromBase64(frame.data.message!);
      bytes[bytes.length - 20]! ^= 1;
      return [edit(frame, { message: toBase64(bytes) })];
    };
    await (await all.alice.send("bob", "dented")).handled();
    expect(await bodies(all.bob, 2)).toEqual(["hello", "dented"]);
  });

  test("[R-15] rubbish in every field of a push is survived", async () => {
    const all = await talking();
    await using world = all.world;
    const push = world.proxy.pushedTo("bob", "application").at(-1)!;
    const rubbish: Frame["data"][] = [
      { message: "" },
      { message: "not base64 !" },
      { message: "AAAA" },
      { group_id: "0".repeat(64) },
      { kind: "commit", message: "AAAA", group_id: "0".repeat(64) },
      { kind: "welcome", message: "AAAA", group_id: "0".repeat(64) },
      { kind: "notice", message: "", status: "expired", message_id: "unheard-of" },
      { from: "" },
      { from: "../../etc/passwd" },
      { epoch: 4_000_000_000 },
    ];
    for (const change of rubbish) world.proxy.push("bob", edit(push, { message_id: "x", ...change }));
    world.proxy.rule = undefined;
    await (await all.alice.send("bob", "still here")).handled();
    expect(await bodies(all.bob, 2)).toEqual(["hello", "still here"]);
  });
});

test("[R-15] a relay that pushes without end is left, and what is real arrives on the next connection", async () => {
  const all = await talking();
  await using world = all.world;
  const push = world.proxy.pushedTo("bob", "application").at(-1)!;
  const logins = () => world.proxy.sentBy("bob", "listen").length;
  const before = logins();
  // Bob's store is slow: nothing that comes is processed meanwhile.
  const { promise, resolve: release } = Promise.withResolvers<void>();
  void world.memory("bob").write(() => promise);
  for (let index = 0; index < 12_000; index++) world.proxy.push("bob", edit(push, { message: "", message_id: "x" }));
  await eventually("bob has left", () => !world.proxy.isConnected("bob")).finally(release);
  await (await all.alice.send("bob", "real")).handled();
  expect(logins()).toBeGreaterThan(before);
  expect(await bodies(all.bob, 2)).toEqual(["hello", "real"]);
});

/** MLS states in Bob's store, by group. */
function groupStates({ world }: { world: World }): Promise<Map<string, unknown>> {
  return world.memory("bob").read(statesIn);
}

describe("a relay that lies about positions and devices", () => {
  test("[R-14] an absurd place in the mailbox makes nobody deaf: the next login tells, and nothing is lost", async () => {
    const all = await talking();
    await using world = all.world;
    const [known] = world.proxy.pushedTo("bob", "application");
    let once = true;
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (agent !== "bob" || toRelay || frame.data?.kind !== "application" || !once) return undefined;
      once = false;
      return [edit(known!, { seq: Number.MAX_SAFE_INTEGER }), frame];
    };
    const sent = await all.alice.send("bob", "still heard?");
    expect((await sent.handled()).state).toBe("handled");
    await survives(all, "relay_order", ["hello", "still heard?"]);
  });

  test.each(["no certificate", "its own certificate", "a newer one that another identity has signed"])(
    "[R-13] that a device was replaced is not believed with %s",
    async (shown) => {
      const all = await talking();
      await using world = all.world;
      const own = world.proxy.sentBy("bob", "register")[0]!.data.device as { certificate: string };
      const crypto = await GroupCrypto.load(nodeCryptoProvider);
      const mallory = { username: "bob", ...(await crypto.generateKeys()) };
      const forged = await createDevice(crypto, mallory, 2, Date.now());
      const certificate = shown === "its own certificate" ? own.certificate : toBase64(forged.certificate);
      let lies = 0;
      world.proxy.rule = ({ agent, toRelay, frame }) => {
        if (agent !== "bob" || toRelay || frame.type !== "challenge" || lies >= 2) return undefined;
        lies += 1;
        const data = { code: 409, message: "Device replaced by a newer one", reason: "device_replaced" };
        return [{ ...frame, type: "error", data: shown === "no certificate" ? data : { ...data, certificate } }];
      };
      world.proxy.cut("bob");
      await eventually("bob was lied to", () => lies === 2);
      expect((await (await all.alice.send("bob", "not replaced")).handled()).state).toBe("handled");
    },
  );

  test(
    "[R-13] a relay that calls a store an old copy at each login makes it no new device each time",
    { tags: ["long"] },
    async () => {
      const all = await talking();
      await using world = all.world;
      world.proxy.rule = ({ agent, toRelay, frame }) =>
        agent === "bob" && !toRelay && frame.data?.status === "listening"
          ? [edit(frame, { last_request: "never-sent" })]
          : undefined;
      world.proxy.cut("bob");
      await eventually("bob was called old", async () => (await alertKinds(all.bob)).includes("old_copy"));
      const logins = () => world.proxy.sentBy("bob", "listen").length;
      const before = logins();
      await eventually("bob was called old twice more", () => logins() >= before + 3);
      const devices = world.proxy.sentBy("bob", "register").map(({ data }) => data.device);
      expect(devices.length).toBeLessThanOrEqual(2);
      world.proxy.rule = undefined;
      expect((await (await all.alice.send("bob", "again")).handled()).state).toBe("handled");
    },
  );
});
