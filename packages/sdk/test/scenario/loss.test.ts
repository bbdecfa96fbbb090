import { describe, expect, test } from "vitest";
import type { MemberRecord } from "../../src/records/group-records.ts";
import { list } from "../../src/records/records.ts";
import { type Frame, type Passage, Proxy } from "./proxy.ts";
import { alertKinds, atRest, bodies, caughtUp, eventually, follow, numbered, rejection, World } from "./world.ts";

const isPush = ({ toRelay, frame }: Passage, kind: string) => !toRelay && frame.data?.kind === kind;

/** Does something to the first frames that match, and nothing afterwards. */
function first(proxy: Proxy, count: number, matches: (passage: Passage) => boolean, verdict: Frame[] | "cut"): void {
  let left = count;
  proxy.rule = (passage) => (left > 0 && matches(passage) && left-- > 0 ? verdict : undefined);
}

async function talking() {
  const world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  follow(alice);
  follow(bob);
  await (await alice.send("bob", "hello")).handled();
  return { world, alice, bob };
}

describe("a message that the relay loses", () => {
  test("is asked for by its number when the next one comes, and arrives once", async () => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    first(world.proxy, 1, (passage) => passage.agent === "bob" && isPush(passage, "application"), []);
    const lost = await alice.send("bob", "lost");
    await lost.stored();
    const next = await alice.send("bob", "next");
    await Promise.all([lost.handled(), next.handled()]);
    expect((await bodies(bob, 3)).toSorted()).toEqual(["hello", "lost", "next"]);
  });

  test("a receipt that is lost is asked for as well", async () => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    first(world.proxy, 1, (passage) => passage.agent === "alice" && isPush(passage, "application"), []);
    const sent = await alice.send("bob", "one");
    await eventually("bob has it", async () => (await bob.inbox()).length === 2);
    await (await alice.send("bob", "two")).handled();
    expect((await sent.handled()).state).toBe("handled");
  });

  test("is not taken for received when the receipt that asks for it is lost as well", async () => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    const lost = await alice.send("bob", "lost");
    let toBob = 1;
    let toAlice = 0;
    world.proxy.rule = (passage) => {
      if (!isPush(passage, "application")) return undefined;
      if (passage.agent === "bob" && toBob-- > 0) {
        toAlice = 1;
        return [];
      }
      return passage.agent === "alice" && toAlice-- > 0 ? [] : undefined;
    };
    await lost.stored();
    const others = [];
    for (const text of numbered(3)) {
      others.push(await alice.send("bob", text));
      await atRest(world, alice, bob);
    }
    await Promise.all([lost, ...others].map((one) => one.handled()));
    expect((await bodies(bob, 5)).toSorted()).toEqual(["hello", "lost", ...numbered(3)].toSorted());
  });

  test("a receipt that cannot be decrypted is sent again, though nothing follows it", async () => {
    const { world: opened, alice } = await talking();
    await using world = opened;
    // What handlers say is gathered, so the second receipt says that it was handled.
    let seen = 0;
    world.proxy.rule = (passage) => {
      if (passage.agent !== "alice" || !isPush(passage, "application") || ++seen > 2) return undefined;
      return [{ ...passage.frame, data: { ...passage.frame.data, message: "AAAA" } }];
    };
    expect((await (await alice.send("bob", "one")).handled()).state).toBe("handled");
  });

  test("[R-3] after four sendings that could not be read it has failed as undecryptable", async () => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    const sent = await alice.send("bob", "unlucky");
    const broken: string[] = [];
    world.proxy.rule = (passage) => {
      const { frame } = passage;
      if (passage.agent !== "bob" || !isPush(passage, "application")) return undefined;
      if (!frame.data.message_id?.startsWith(sent.id)) return undefined;
      broken.push(frame.data.message_id);
      return [{ ...frame, data: { ...frame.data, message: "AAAA" } }];
    };
    expect(await rejection(sent.handled())).toMatchObject({ code: "failed", reason: "undecryptable" });
    expect(broken).toEqual([sent.id, `${sent.id}--1`, `${sent.id}--2`, `${sent.id}--3`]);
    world.proxy.rule = undefined;
    await (await alice.send("bob", "luckier")).handled();
    expect(await bodies(bob, 2)).toEqual(["hello", "luckier"]);
  });

  test("a long gap is filled", async () => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    first(world.proxy, 60, (passage) => passage.agent === "bob" && isPush(passage, "application"), []);
    const sent = [];
    for (const text of numbered(80)) sent.push(await alice.send("bob", text));
    await Promise.all(sent.map((one) => one.handled()));
    expect((await bodies(bob, 81)).toSorted()).toEqual(["hello", ...numbered(80)].toSorted());
    expect(await alertKinds(bob)).toEqual([]);
  });

  test("a Welcome that is lost: the conversation is opened anew, and the messages arrive once", async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    follow(bob);
    first(world.proxy, 1, (passage) => passage.agent === "bob" && isPush(passage, "welcome"), []);
    const sent = [await alice.send("bob", "one"), await alice.send("bob", "two")];
    await Promise.all(sent.map((one) => one.handled()));
    expect((await bodies(bob, 2)).toSorted()).toEqual(["one", "two"]);
  });
});

test("[R-11] the end of a conversation that the relay lost is sent again when the conversation is replaced", async () => {
  const { world: opened, alice, bob } = await talking();
  await using world = opened;
  await eventually("alice has bob's first commit", () => world.proxy.pushedTo("alice", "commit").length > 0);
  let lost = true;
  world.proxy.rule = (passage) => (passage.agent === "bob" && lost && isPush(passage, "application") ? [] : undefined);
  const tail = await alice.send("bob", "the last one here");
  await tail.stored();
  await caughtUp(bob);
  lost = false;
  const welcome = world.proxy.pushedTo("bob", "welcome")[0]!;
  // A commit that is not valid ends the conversation at Bob's end.
  const { epoch } = world.proxy.sentBy("alice", "send").at(-1)!.data;
  world.proxy.push("bob", { ...welcome, data: { ...welcome.data, kind: "commit", epoch: epoch!, message: "AAAA" } });
  await eventually("bob is told", async () => (await alertKinds(bob)).includes("bad_commit"));
  const next = await alice.send("bob", "the next");
  await Promise.all([tail.handled(), next.handled()]);
  expect((await bodies(bob, 3)).toSorted()).toEqual(["hello", "the last one here", "the next"]);
});

describe("an answer that is lost", () => {
  const answers: [string, (passage: Passage) => boolean][] = [
    ["the opening commit", ({ frame }) => frame.data?.status === "committed"],
    ["a send", ({ frame }) => ["delivered", "stored_offline"].includes(frame.data?.status ?? "")],
    ["a send, on its way there", ({ toRelay, frame }) => toRelay && frame.type === "send"],
    ["the opening commit, on its way there", ({ toRelay, frame }) => toRelay && frame.type === "commit"],
  ];
  test.each(answers)("the connection is cut at %s: nothing is lost or doubled", async (_, matches) => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    follow(alice);
    follow(bob);
    first(world.proxy, 1, (passage) => passage.agent === "alice" && matches(passage), "cut");
    const sent = [];
    for (const text of numbered(5)) sent.push(await alice.send("bob", text));
    await sent[0]?.handled();
    for (const text of numbered(40, "later")) sent.push(await alice.send("bob", text));
    await Promise.all(sent.map((one) => one.handled()));
    expect(await bodies(bob, 45)).toEqual([...numbered(5), ...numbered(40, "later")]);
  });

  test("a message that is asked for again before its lost ack has been repeated arrives once", async () => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    const sent = await alice.send("bob", "twice unlucky");
    let broken = false;
    world.proxy.rule = (passage) => {
      const { agent, frame, toRelay } = passage;
      if (frame.data?.message_id !== sent.id) return undefined;
      // Its ack never reaches Alice, however often she repeats it, until Bob's negative receipt has.
      if (agent === "alice" && !toRelay && frame.type === "ack") return [];
      if (agent !== "bob" || !isPush(passage, "application")) return undefined;
      broken = true;
      return [{ ...frame, data: { ...frame.data, message: "AAAA" } }];
    };
    await eventually("bob could not read it", () => broken);
    await atRest(world, alice, bob);
    world.proxy.cut("alice");
    expect((await sent.handled()).state).toBe("handled");
    expect(await bodies(bob, 2)).toEqual(["hello", "twice unlucky"]);
  });
});

/** Registration takes the first frames. */
const frames = Array.from({ length: 16 }, (_, index) => index + 4);
const cuts: [string, string, number[], { tags?: string[] }][] = [
  ["alice", "some frames", frames.filter((frame) => frame % 4 === 0), {}],
  ["bob", "some frames", frames.filter((frame) => frame % 4 === 2), {}],
  ["alice", "every frame", frames, { tags: ["long"] }],
  ["bob", "every frame", frames, { tags: ["long"] }],
];
for (const [victim, which, at, options] of cuts)
  test(
    `the connection of ${victim} is cut at ${which} of a conversation's opening: nothing is lost or doubled`,
    options,
    async () => {
      await using world = await World.create({ noLimits: true });
      const passed = new Map<string, number>();
      world.proxy.rule = ({ agent }) => {
        const [name, place] = agent.split("-");
        // The first frames have no name yet.
        if (name !== victim) return undefined;
        passed.set(agent, (passed.get(agent) ?? 0) + 1);
        return passed.get(agent) === Number(place) ? "cut" : undefined;
      };
      const cutAt = async (frame: number): Promise<void> => {
        const [alice, bob] = [await world.open(`alice-${frame}`), await world.open(`bob-${frame}`)];
        follow(alice);
        follow(bob, async (message) => {
          await message.reply(`re: ${message.body}`);
          await message.handled();
        });
        const sent = [];
        for (const text of numbered(3)) sent.push(await alice.send(bob.username, text));
        await Promise.all(sent.map((one) => one.handled()));
        expect(await bodies(bob, 3), `cut at frame ${frame}`).toEqual(numbered(3));
        expect(await bodies(alice, 3), `cut at frame ${frame}`).toEqual(numbered(3).map((text) => `re: ${text}`));
        expect([...(await alertKinds(alice)), ...(await alertKinds(bob))]).toEqual([]);
        await Promise.all([alice.close(), bob.close()]);
      };
      for (let next = 0; next < at.length; next += 8)
        await Promise.all(at.slice(next, next + 8).map((frame) => cutAt(frame)));
    },
  );

/** The other side of the conversations of an agent with its one contact, as it is stored. */
function members(world: World, name: string): Promise<MemberRecord[]> {
  return world.memory(name).read((tx) => list(tx, "member/"));
}

test("losses that were made good are not named for ever", async () => {
  const { world: opened, alice, bob } = await talking();
  await using world = opened;
  let lose = false;
  world.proxy.rule = (passage) => (lose && passage.agent === "bob" && isPush(passage, "application") ? [] : undefined);
  for (let round = 0; round < 3; round++) {
    lose = true;
    const sent = await Promise.all(numbered(30, `round ${round}`).map((text) => alice.send("bob", text)));
    await Promise.all(sent.map((one) => one.stored()));
    lose = false;
    await (await alice.send("bob", "end")).handled();
    await Promise.all(sent.map((one) => one.handled()));
  }
  // What Alice sends says what of Bob's receipts she has read.
  await eventually("bob knows that alice knows", async () => {
    await (await alice.send("bob", "more")).handled();
    return (await members(world, "bob")).every(({ gaps = [] }) => gaps.length === 0);
  });
  expect((await bodies(bob, 94)).filter((body) => body.startsWith("round"))).toHaveLength(90);
});

test("receipts that were read do not pile up, though their reader sends no receipts for them", async () => {
  const { world: opened, alice } = await talking();
  await using world = opened;
  for (let sent = 0; sent < 40; sent++) await (await alice.send("bob", `message ${sent}`)).handled();
  const waiting = (await world.memory("bob").read((tx) => tx.list({ prefix: "out/" }))).length;
  expect(waiting).toBeLessThan(10);
});

test("who loses more than can be named gets what is unread in another conversation", async () => {
  const { world: opened, alice, bob } = await talking();
  await using world = opened;
  const lost = await alice.send("bob", "lost at first");
  await lost.handled();
  await alice.close();
  // Alice's counters jump, as if 1,000 messages had been lost.
  const folder = world.folders.get("alice")!;
  for (const [key, value] of folder.records)
    if (key.startsWith("group/")) {
      const record = JSON.parse(value as string) as { send_counter: number };
      folder.records.set(key, JSON.stringify({ ...record, send_counter: record.send_counter + 1_000 }));
    }
  const again = await world.open("alice");
  follow(again);
  await (await again.send("bob", "after the jump")).handled();
  await eventually("bob has given it up", async () => (await alertKinds(bob)).includes("too_many_lost"));
  await (await again.send("bob", "in another conversation")).handled();
  expect(await bodies(bob, 4)).toEqual(["hello", "lost at first", "after the jump", "in another conversation"]);
  for (const { gaps = [] } of await members(world, "bob")) expect(gaps.length).toBeLessThanOrEqual(400);
});
