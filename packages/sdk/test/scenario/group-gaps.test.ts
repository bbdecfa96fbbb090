/** What has not come to one member of a team: nobody is told that it has, and nobody that it never will, before that is so. */
import { describe, expect, onTestFinished, test } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import { list } from "../../src/records/records.ts";
import { gathered, online, records } from "./members.ts";
import { edit, type Frame } from "./proxy.ts";
import { alertKinds, atRest, caughtUp, eventually, follow, jump, never, numbered, SAME_CLOCK, World } from "./world.ts";

/** Alice, Bob and Carol, online in a team; and what has come to Carol. */
async function team(options: Parameters<typeof World.create>[0] = {}) {
  const world = await World.create({ noLimits: true, ...options });
  onTestFinished(() => world[Symbol.asyncDispose]());
  const members = await gathered(world, "alice", "bob", "carol");
  const [alice, bob, carol] = [members.alice.agent, members.bob.agent, members.carol.agent];
  await (await alice.send("@team", "hello")).handled();
  return { world, alice, bob, carol, got: members.carol.got };
}

const isFor = (who: string, frame: Frame) =>
  frame.type === "send" && frame.data.direct === true && frame.data["to"] === who;

/** The relay's word in the place of an answer. */
function refuse(world: World, agent: string, frame: Frame, reason: string): Frame[] {
  const message = reason.replaceAll("_", " ");
  world.proxy.answer(agent, frame.id ?? "", {
    type: "error",
    data: { code: 409, message, reason, message_id: frame.data.message_id! },
  });
  return [];
}

async function atCarol(sent: Awaited<ReturnType<Agent["send"]>>[]): Promise<{ received: number; failed: unknown[] }> {
  const all = await Promise.all(sent.map((one) => one.recipients()));
  return {
    received: all.filter(({ received }) => received?.includes("carol")).length,
    failed: all.flatMap(({ failed }) => failed.filter(({ name }) => name === "carol")),
  };
}

test(
  "[P-15.14] of what is said before an invitation is taken nothing is lost, however much it is",
  { tags: ["long"] },
  async () => {
    await using world = await World.create({ noLimits: true });
    const members = await online(world, "alice", "bob", "carol");
    const { agent: alice } = members.alice;
    const { agent: carol, got } = members.carol;
    await carol.requests.setPolicy("contacts");
    await alice.groups.create("team", ["bob", "carol"]);
    await eventually("carol's owner is told", async () => (await alertKinds(carol)).includes("invited"));
    // A hundred of them are kept, and not all of the others can be named at once.
    const texts = numbered(550);
    const sent = [];
    for (const text of texts) sent.push(await alice.send("@team", text));
    await Promise.all(sent.map((one) => one.stored()));
    await caughtUp(carol);
    await carol.groups.accept("team");
    const last = await alice.send("@team", "and one more");
    for (const one of [...sent, last]) await one.handled({ timeout: 50_000 });
    expect(new Set(got.map(({ body }) => body))).toEqual(new Set([...texts, "and one more"]));
  },
);

test(
  "[P-15.10] who comes back gets all that has passed it by, and is said to have nothing before it has",
  { tags: ["long"] },
  async () => {
    const limits = { mailboxMessages: 400, framesPerSecond: 50, framesBurst: 100 };
    const { world, alice, carol } = await team({ noLimits: false, limits });
    await caughtUp(carol);
    await carol.close();
    const texts = numbered(700);
    const sent: Awaited<ReturnType<Agent["send"]>>[] = [];
    for (const text of texts) {
      sent.push(await alice.send("@team", text));
      if (sent.length % 40 === 0) await sent.at(-1)!.handled({ atLeast: 1 });
    }
    await sent.at(-1)!.handled({ atLeast: 1 });
    const again = await world.open("carol");
    // They are read, and nobody settles them: no word of a handler makes up for one that was not said.
    const got = follow(again, () => new Promise(() => {}));
    const inbox = async () => new Set((await again.inbox()).map(({ body }) => body));
    await eventually("carol is back", () => got.length > 0, 60_000);
    for (let count = 0; count < 40; count++) {
      await alice.send("@team", `after ${count}`);
      const { received, failed } = await atCarol(sent);
      expect(failed.filter((one) => JSON.stringify(one).includes("undecryptable"))).toEqual([]);
      expect(received).toBeLessThanOrEqual((await inbox()).size);
      if (received === texts.length) break;
      await caughtUp(again);
      await new Promise((done) => setTimeout(done, 1_000));
    }
    expect((await atCarol(sent)).received).toBe(texts.length);
    const there = await inbox();
    expect(texts.filter((text) => !there.has(text))).toEqual([]);
  },
);

test("[P-15.10] a message is sent to one member three times, and what has not left yet is none of these", async () => {
  const { world, alice, carol, got } = await team(SAME_CLOCK);
  let [isGarbled, isBusy] = [false, true];
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (!isGarbled && agent === "carol" && !toRelay && frame.data?.kind === "application") {
      isGarbled = true;
      return [edit(frame, { message: "AAAA" })];
    }
    return isBusy && agent === "alice" && toRelay && isFor("carol", frame)
      ? refuse(world, agent, frame, "recipient_busy")
      : undefined;
  };
  const one = await alice.send("@team", "the one");
  for (const count of [1, 2, 3, 4, 5, 6]) {
    await (await alice.send("@team", `more ${count}`)).handled();
    await atRest(world, carol);
    jump(11_000);
  }
  expect((await atCarol([one])).failed).toEqual([]);
  isBusy = false;
  await one.handled();
  expect(got.filter(({ body }) => body === "the one")).toHaveLength(1);
});

describe("[P-15.7] what is said to one member", () => {
  test("and is refused for good leaves no hole that the relay would be accused of", async () => {
    const { world, alice } = await team();
    let isOver = false;
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (isOver || agent !== "bob" || !toRelay || !isFor("alice", frame)) return undefined;
      isOver = true;
      return refuse(world, agent, frame, "invalid_message");
    };
    await (await alice.send("@team", "one")).handled({ atLeast: 1 });
    await eventually("it was refused", () => isOver);
    await (await alice.send("@team", "two")).handled();
    await never("the relay is accused", async () => (await alertKinds(alice)).includes("withheld"), 1_000);
  });

  test("waits where its account is disabled, and comes when it is enabled", async () => {
    const { world, alice } = await team();
    let count = 0;
    world.proxy.rule = ({ agent, toRelay, frame }) =>
      agent === "bob" && toRelay && isFor("alice", frame) && count++ < 1
        ? refuse(world, agent, frame, "account_disabled")
        : undefined;
    await (await alice.send("@team", "one")).handled();
    expect(count).toBeGreaterThan(1);
  });

  test("and is too large since the relay takes less is told of for that one, and for no other message", async () => {
    const { world, alice, bob } = await team();
    const small = await bob.send("@team", "small");
    await small.handled();
    let [isGarbled, isLow] = [false, false];
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (!isGarbled && agent === "carol" && !toRelay && frame.data?.kind === "application") {
        isGarbled = true;
        return [edit(frame, { message: "AAAA" })];
      }
      if (agent === "alice" && toRelay && isFor("carol", frame) && !isLow) return [];
      return isLow && agent === "alice" && !toRelay && frame.type === "info"
        ? [edit(frame, { limits: { ...(frame.data["limits"] as object), frame_bytes: 200_000 } })]
        : undefined;
    };
    // Of the same number as the frame to Carol alone.
    const sentBefore = (await records(world, "alice", "sent/")).length;
    const large = await alice.send("@team", "x".repeat(400_000));
    await eventually("it waits for carol", async () =>
      world.memory("alice").read(async (tx) => (await list(tx, "wire/")).some(({ direct }) => direct === "carol")),
    );
    isLow = true;
    world.proxy.cut("alice");
    await eventually("it failed", async () => (await atCarol([large])).failed.length > 0);
    expect(await atCarol([large])).toMatchObject({ failed: [{ name: "carol", reason: "message_too_large" }] });
    expect((await records(world, "alice", "sent/")).length).toBe(sentBefore);
    expect((await large.recipients()).handled).toEqual(["bob"]);
  });
});

test("[P-15.10] a counter under which a message waits to leave again is free for nobody", async () => {
  const { world, alice, bob, carol, got } = await team();
  await alice.groups.promote("team", ["bob"]);
  await eventually("bob knows", async () => (await bob.groups.find("team")).admins.includes("bob"));
  let [isRefused, isDropping] = [false, false];
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (!isRefused && agent === "alice" && toRelay && frame.type === "send" && frame.data.direct !== true) {
      isRefused = true;
      return refuse(world, agent, frame, "stale_epoch");
    }
    if (!isDropping || agent !== "carol" || toRelay || frame.data?.kind !== "application") return undefined;
    isDropping = false;
    return [];
  };
  const [one] = await Promise.all([alice.send("@team", "the one"), alice.send("@team", "the two")]);
  await eventually("carol has two", () => got.some(({ body }) => body === "the two"));
  await atRest(world, alice, carol);
  isDropping = true;
  await bob.groups.rename("team", "crew");
  await one.stored();
  await (await alice.send("@crew", "three")).handled();
  await one.handled();
  expect(got.map(({ body }) => body)).toContain("the one");
});
