/** A relay refuses what it has given to its recipient, or what stands before something that it has taken: no later message may be lost by that. */
import { test } from "vitest";
import type { Sent } from "../../src/agent/sent.ts";
import { gathered, type Member, online } from "./members.ts";
import type { Frame, Proxy } from "./proxy.ts";
import { atRest, eventually, World } from "./world.ts";

const idOf = ({ data }: Frame) => data.message_id ?? "";

/** The relay refuses the first message after it has given six behind it; of five that follow it gives the first to anybody. */
async function swallow(proxy: Proxy, alice: Member, to: string, others: Member[], rest: () => Promise<void>) {
  const isSend = (frame: Frame) =>
    frame.type === "send" &&
    (to.startsWith("@") ? frame.data["direct"] === undefined && frame.data.to === undefined : frame.data.to === to);
  // The relay loses the first, and does not answer it; what follows on it is taken and delivered.
  let lost: Frame | undefined;
  // What the others say of it comes to her behind the refusal.
  const held: Frame[] = [];
  proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent === "alice" && !toRelay && frame.type === "message") return (held.push(frame), []);
    if (agent !== "alice" || !toRelay || !isSend(frame) || lost !== undefined) return undefined;
    lost = frame;
    return [];
  };
  const first = await alice.agent.send(to, "lost");
  await eventually("it has left", () => lost !== undefined);
  const taken: Sent[] = [];
  for (let at = 1; at <= 6; at++) taken.push(await alice.agent.send(to, `taken ${at}`));
  for (const { got } of others)
    await eventually("all have it", () => taken.every((_, at) => got.some(({ body }) => body === `taken ${at + 1}`)));
  for (const one of taken) await one.stored();
  proxy.answer("alice", lost!.id!, {
    type: "error",
    data: { code: 400, reason: "expired", message: "too late", message_id: idOf(lost!) },
  });
  await eventually("it is refused", async () => (await first.status()).state === "expired");
  proxy.rule = undefined;
  for (const frame of held) proxy.push("alice", frame);
  for (const one of taken) await one.handled();
  // From now on it takes all, and gives only the first of it to anybody.
  const passes = new Set<string>();
  proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent !== "alice" || !toRelay || !isSend(frame)) return undefined;
    passes.add(idOf(frame));
    if (passes.size === 1) return undefined;
    proxy.answer("alice", frame.id!, {
      type: "ack",
      data: {
        status: "stored_offline",
        message_id: idOf(frame),
        ...(to.startsWith("@") ? { pos: 100 + passes.size } : {}),
      },
    });
    return [];
  };
  const dropped: Sent[] = [];
  for (let at = 1; at <= 5; at++) {
    dropped.push(await alice.agent.send(to, `after ${at}`));
    await eventually("it has left", async () => (await dropped.at(-1)!.status()).state !== "queued");
  }
  await rest();
  proxy.rule = undefined;
  // The lie is over. What is said next is heard.
  await (await alice.agent.send(to, "at last")).handled();
  await rest();
}

test("between two, what is sent after a late refusal is lost without a word nowhere", async () => {
  await using world = await World.create({ noLimits: true });
  const { alice, bob } = await online(world, "alice", "bob");
  await (await alice.agent.send("bob", "hello")).handled();
  await (await bob.agent.send("alice", "hello yourself")).handled();
  await atRest(world, alice.agent, bob.agent);
  await swallow(world.proxy, alice, "bob", [bob], () => atRest(world, alice.agent, bob.agent));
  for (let at = 1; at <= 5; at++)
    await eventually(`bob has "after ${at}"`, () => bob.got.some(({ body }) => body === `after ${at}`), 3_000);
});

test("in a group, what is sent after a late refusal is lost without a word nowhere", async () => {
  await using world = await World.create({ noLimits: true });
  const { alice, bob, carol } = await gathered(world, "alice", "bob", "carol");
  await (await alice.agent.send("@team", "hello")).handled();
  await atRest(world, alice.agent, bob.agent, carol.agent);
  await swallow(world.proxy, alice, "@team", [bob, carol], () => atRest(world, alice.agent, bob.agent, carol.agent));
  for (let at = 1; at <= 5; at++)
    await eventually(`bob has "after ${at}"`, () => bob.got.some(({ body }) => body === `after ${at}`), 3_000);
});

test("between two, what the relay says to have taken behind a refused one, and has not, is sent again", async () => {
  await using world = await World.create({ noLimits: true });
  const { alice, bob } = await online(world, "alice", "bob");
  await (await alice.agent.send("bob", "hello")).handled();
  await (await bob.agent.send("alice", "hello yourself")).handled();
  await atRest(world, alice.agent, bob.agent);
  const seen: Frame[] = [];
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent !== "alice" || !toRelay || frame.type !== "send" || frame.data.to !== "bob" || seen.length >= 2)
      return undefined;
    seen.push(frame);
    return [];
  };
  const [one, two] = [await alice.agent.send("bob", "one"), await alice.agent.send("bob", "two")];
  await eventually("both have left", () => seen.length === 2);
  world.proxy.rule = undefined;
  world.proxy.answer("alice", seen[1]!.id!, {
    type: "ack",
    data: { status: "stored_offline", message_id: idOf(seen[1]!) },
  });
  await eventually("two is stored", async () => (await two.status()).state === "stored");
  world.proxy.answer("alice", seen[0]!.id!, {
    type: "error",
    data: { code: 400, reason: "expired", message: "too late", message_id: idOf(seen[0]!) },
  });
  await eventually("one has expired", async () => (await one.status()).state === "expired");
  for (let at = 1; at <= 5; at++) await (await alice.agent.send("bob", `after ${at}`)).handled();
  await atRest(world, alice.agent, bob.agent);
  await eventually("bob has two", () => bob.got.some(({ body }) => body === "two"), 3_000);
});
