// [P-11.5] of docs/protocol.md.
import { expect, test } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import { createRelay } from "../src/index.ts";
import { Line, Turns } from "../src/socket/turns.ts";
import { tokenClient } from "./raw-client.ts";

const LARGE = 100_000;

/** A connection whose messages are noted when they are read. */
function lineOf(turns: Turns, address: string, read: string[]) {
  const waits = { now: false };
  const line = new Line({
    turns,
    address,
    mayAsk: () => true,
    read: (bytes) => void read.push(`${address} ${bytes.length}`),
    onWait: (now) => (waits.now = now),
  });
  const add = (size: number) => line.add(Buffer.alloc(size), false);
  return { line, add, waits };
}

test("a small message is read at once, also while many large ones wait", async () => {
  const turns = new Turns();
  const read: string[] = [];
  for (let index = 0; index < 100; index++) lineOf(turns, "flood", read).add(LARGE);
  lineOf(turns, "small", read).add(100);
  expect(read).toEqual(["small 100"]);
  await eventually("all are read", () => read.length === 101);
});

test("addresses take turns, however many connections one of them has", async () => {
  const turns = new Turns();
  const read: string[] = [];
  for (let index = 0; index < 50; index++) lineOf(turns, "flood", read).add(LARGE);
  lineOf(turns, "one", read).add(LARGE);
  lineOf(turns, "other", read).add(LARGE);
  await eventually("all are read", () => read.length === 52);
  expect(read.indexOf(`one ${LARGE}`)).toBeLessThan(4);
  expect(read.indexOf(`other ${LARGE}`)).toBeLessThan(4);
});

test("what one connection sends is read in its order, small or large", async () => {
  const turns = new Turns();
  const read: string[] = [];
  const { add, waits } = lineOf(turns, "a", read);
  const sizes = [1, LARGE, 2, LARGE + 1, LARGE + 2, 3];
  for (const size of sizes) add(size);
  expect(waits.now).toBe(true);
  await eventually("all are read", () => read.length === sizes.length);
  expect(read).toEqual(sizes.map((size) => `a ${size}`));
  expect(waits.now).toBe(false);
});

test("a large message is let in before it comes, and whoever is slow is not waited for", async () => {
  const turns = new Turns();
  const read: string[] = [];
  const slow = Array.from({ length: 20 }, () => lineOf(turns, "slow", read));
  for (const { line } of slow) line.expect(LARGE, 0);
  expect(slow.every(({ waits }) => waits.now)).toBe(true);
  const quick = lineOf(turns, "quick", read);
  quick.line.expect(LARGE, 0);
  await eventually("it may come", () => !quick.waits.now);
  quick.add(LARGE);
  expect(read).toEqual([`quick ${LARGE}`]);
  await eventually("all slow ones may come", () => slow.every(({ waits }) => !waits.now));
  for (const { add } of slow) add(LARGE);
  await eventually("what was slow is read", () => read.length === 21);
});

/** Turns of the event loop until something is so. */
async function loopsUntil(isSo: () => boolean): Promise<number> {
  for (let loops = 0; ; loops++) {
    if (isSo()) return loops;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test.each([
  ["in one frame", LARGE],
  ["in fragments, of which the first is small", 2 ** 14],
])("the loop turns in proportion to what comes, announced %s", async (_, announced) => {
  const turns = new Turns();
  const read: string[] = [];
  const senders = Array.from({ length: 40 }, () => lineOf(turns, "many", read));
  for (const { line } of senders) line.expect(announced, 0);
  const loops = await loopsUntil(() => {
    for (const sender of senders)
      if (!sender.waits.now) {
        sender.line.expect(LARGE, LARGE);
        sender.add(LARGE);
        senders.splice(senders.indexOf(sender), 1);
      }
    return senders.length === 0;
  });
  expect(loops).toBeGreaterThan((36 * LARGE) / 2 ** 13);
});

test("what is announced and does not come costs others a few turns of the loop, and whoever asks no more, none", async () => {
  const turns = new Turns();
  for (let index = 0; index < 3; index++) lineOf(turns, `empty ${index}`, []).line.expect(2 ** 20, 0);
  const gone = lineOf(turns, "gone", []).line;
  gone.expect(2 ** 20, 0);
  gone.end();
  const read: string[] = [];
  lineOf(turns, "one", read).add(LARGE);
  expect(await loopsUntil(() => read.length > 0)).toBeLessThan(20);
});

test("a connection that is gone has no turn for what will not come, and one for what has come", async () => {
  const turns = new Turns();
  const read: string[] = [];
  const lines = Array.from({ length: 50 }, () => lineOf(turns, "gone", read).line);
  for (const line of lines) line.expect(LARGE, 0);
  const sent = lineOf(turns, "sent", read);
  sent.add(LARGE);
  for (const line of [...lines, sent.line]) line.end();
  await eventually("what has come is read", () => read.length > 0);
  expect(read).toEqual([`sent ${LARGE}`]);
});

test("what a connection that ends has waiting is dropped", async () => {
  const turns = new Turns();
  const read: string[] = [];
  const ends = lineOf(turns, "ends", read);
  ends.add(LARGE);
  ends.line.clear();
  lineOf(turns, "stays", read).add(LARGE);
  await eventually("the other is read", () => read.length > 0);
  expect(read).toEqual([`stays ${LARGE}`]);
});

const from = (address: string) => ({ headers: { "X-Forwarded-For": address } });

test("whoever has much refused is read later, and others of other addresses are not", async () => {
  await using relay = await createRelay({
    port: 0,
    store: "memory",
    trustProxy: true,
    tokenAccounts: "on",
    limits: { addressRefusedBytesPerSecond: 100_000, addressRefusedBytesBurst: 100_000, mailboxBytes: 1000 },
  });
  using sleeper = await tokenClient(relay.url, "sleeper");
  using flood = await tokenClient(relay.url, "flood", from("192.0.2.1"));
  using honest = await tokenClient(relay.url, "honest", from("192.0.2.2"));
  const message = "x".repeat(100_000);
  for (let count = 0; count < 3; count++) flood.write("send", { to: "sleeper", message }, `f${count}`);
  const last = flood.ask("heartbeat");
  let isRead = false;
  void last.then(() => (isRead = true));
  expect((await flood.read(({ reply_to }) => reply_to === "f0")).data.reason).toBe("mailbox_full");
  for (let count = 0; count < 5; count++) expect((await honest.ask("heartbeat")).data.status).toBe("ok");
  expect(isRead).toBe(false);
  expect((await last).data.status).toBe("ok");
  expect((await sleeper.ask("heartbeat")).data.status).toBe("ok");
});
