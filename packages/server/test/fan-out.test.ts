// What is said to all members of a team is charged by how many they are.
import { expect, test } from "vitest";
import { FanOut } from "../src/socket/fan-out.ts";
import { Buckets } from "../src/socket/rate-limit.ts";
import type { Sent } from "../src/store/store.ts";

const ONE = { team: "t", bytes: 10 };
/** Buckets that hardly fill again while a test runs. */
const rates = (frames: number, bytes = 1e9) => {
  const all = new Buckets(1e-6, frames);
  return { frames: all, fanOut: new FanOut(all, new Buckets(1e-6, bytes)) };
};
const reached = (recipients: number, lapsed: string[] = []): Sent => ({
  messageId: "m",
  waiting: true,
  listening: true,
  team: { pos: 1, offline: 0, recipients, lapsed },
});

test("[P-11.2] by what the team had last, before it is stored, and then by what it has", async () => {
  const { frames, fanOut } = rates(100);
  const stored = Promise.withResolvers<Sent>();
  const first = fanOut.charged("alice", ONE, () => stored.promise);
  const supposed = frames.taken("alice");
  expect(supposed).toBeGreaterThan(0);
  stored.resolve(
    reached(
      600,
      Array.from({ length: 40 }, (_, at) => `away${at}`),
    ),
  );
  await first;
  expect(Math.round(frames.taken("alice"))).toBe(10);
  const unanswered = Array.from({ length: 8 }, () => fanOut.charged("alice", ONE, () => new Promise(() => {})));
  expect(unanswered).toHaveLength(8);
  expect(Math.round(frames.taken("alice"))).toBe(90);
});

test("[P-11.2] what was refused, or could not be stored, has cost no more than its frame", async () => {
  const { frames, fanOut } = rates(100, 1000);
  await fanOut.charged("alice", ONE, async () => ({ refused: "stale_epoch" }) as never);
  const away = fanOut.charged("alice", ONE, () => Promise.reject(new Error("the engine is away")));
  await expect(away).rejects.toThrow("away");
  expect(Math.round(frames.taken("alice"))).toBe(0);
  expect(fanOut.wait("alice")).toBe(0);
  // What is refused buys nothing, however much it would have been.
  const huge = { team: "t", bytes: 1e9 };
  const { fanOut: small } = rates(100, 1000);
  await small.charged("bob", { team: "t", bytes: 10 }, async () => reached(100));
  expect(small.wait("bob")).toBeGreaterThan(0);
  await small.charged("bob", huge, async () => ({ refused: "stale_epoch" }) as never);
  expect(small.wait("bob")).toBeGreaterThan(0);
  await fanOut.charged("alice", { team: "t", bytes: 100 }, async () => reached(100));
  expect(fanOut.wait("alice")).toBeGreaterThan(0);
});
