/** What callers of the SDK give is checked where they give it: by a code and a hint, and nothing is stored. */
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import { bodies, follow, rejection, World } from "./world.ts";

let world: World;
let alice: Agent;
beforeAll(async () => {
  world = await World.create();
  alice = await world.open("alice");
});
afterAll(() => world[Symbol.asyncDispose]());

/** As somebody does who has no types. */
const wrong = (value: unknown) => value as never;
const NUMBERS = [1100.5, Number.NaN, Number.POSITIVE_INFINITY, 1e300, 2 ** 53, 0, -1, "5", null, {}, 5n];

const calls: [what: string, code: string, call: () => Promise<unknown>][] = [
  ...NUMBERS.map((number) => [
    `send, expiresIn ${inspect(number)}`,
    "usage",
    () => alice.send("bob", "x", { expiresIn: wrong(number) }),
  ]),
  ...[{}, null, undefined, 7, [1, 2], new Uint16Array(2), new Date(0)].map((body) => [
    `send, body ${inspect(body)}`,
    "usage",
    () => alice.send("bob", wrong(body)),
  ]),
  ...[
    { contentType: 7 },
    { contentType: "a\nb" },
    { thread: "x".repeat(65) },
    { replyTo: "?" },
    { messageId: "a--1" },
  ].map((options) => [`send, ${JSON.stringify(options)}`, "usage", () => alice.send("bob", "x", wrong(options))]),
  ["send, options null", "usage", () => alice.send("bob", "x", wrong(null))],
  ...[7, null, undefined, {}].map((name) => [`send, to ${inspect(name)}`, "usage", () => alice.send(wrong(name), "x")]),
  ["status, no id", "usage", () => alice.status(wrong(7))],
  ["sent, no id", "usage", () => alice.sent(wrong(undefined))],
  ["trust, no name", "usage", () => alice.trust(wrong({}))],
  ["block, no name", "usage", () => alice.block(wrong(undefined))],
  ["allow, no name", "usage", () => alice.allow(wrong(null))],
  ["verify, no name", "bad_username", () => alice.verify("b d")],
  ["inbox, last 0", "usage", () => alice.inbox({ last: 0 })],
  ["inbox, last 1.5", "usage", () => alice.inbox({ last: 1.5 })],
  ["outbox.list, all 7", "usage", () => alice.outbox.list({ all: wrong(7) })],
  ["outbox.retry, no id", "usage", () => alice.outbox.retry(wrong({}))],
  ["outbox.discard, no id", "usage", () => alice.outbox.discard(wrong(null))],
  ["outbox.changes, id 7", "usage", () => alice.outbox.changes({ id: wrong(7) }).next()],
  ["deadLetters.show, no id", "usage", () => alice.deadLetters.show(wrong(7))],
  ...[Number.NaN, -1, "5", Number.POSITIVE_INFINITY].map((timeout) => [
    `users, timeout ${inspect(timeout)}`,
    "usage",
    () => alice.users({ timeout: wrong(timeout) }),
  ]),
  ["users, no signal", "usage", () => alice.users({ signal: wrong("now") })],
  ["messages, from 7", "usage", () => alice.messages({ from: wrong(7) }).next()],
  ["messages, from no name", "bad_username", () => alice.messages({ from: "b d" }).next()],
  ["messages, share 7", "usage", () => alice.messages({ share: wrong(7) }).next()],
  ["handle, no handler", "usage", () => alice.handle(wrong("log"))],
  ...["attempts", "concurrency", "firstRetryMs", "lastRetryMs"].map((name) => [
    `handle, ${name} 1.5`,
    "usage",
    () => alice.handle(() => undefined, { [name]: 1.5 }),
  ]),
  ["handle, concurrency 0", "usage", () => alice.handle(() => undefined, { concurrency: 0 })],
  ["unregister, release 7", "usage", () => alice.unregister({ release: wrong(7) })],
] as [string, string, () => Promise<unknown>][];

describe("an argument that is none is refused with a code, a hint, and nothing done:", () => {
  test.each(calls)("%s", async (_what, code, call) => {
    const error = await rejection(call());
    expect(error.code).toBe(code);
    expect(error.hint).not.toBe(undefined);
    expect(await alice.outbox.list({ all: true })).toEqual([]);
  });
});

test("a handler's word on a message is checked like any other argument", async () => {
  const bob = await world.open("bob");
  const results: string[] = [];
  follow(bob, async (message) => {
    for (const delay of [Number.NaN, 1.5, -1, 1e300])
      results.push((await rejection(message.retry("later", delay))).code);
    results.push((await rejection(message.failed(wrong(undefined)))).code);
    results.push((await rejection(message.reply(wrong({})))).code);
    await message.handled();
  });
  await (await alice.send("bob", "hello")).handled();
  expect(results).toEqual(["usage", "usage", "usage", "usage", "usage", "usage"]);
  expect(await bodies(bob, 1)).toEqual(["hello"]);
});
