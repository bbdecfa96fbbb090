// What is only read from a PostgreSQL that is away for a while.
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { Proxy } from "../../../lab/shared/proxy.ts";
import { database, hasPostgres } from "../../../test/postgres.ts";
import { eventually } from "../../../test/waiting.ts";
import { defaultConfig } from "../src/config/config.ts";
import { defaultLimits } from "../src/config/limits.ts";
import { createLogTo } from "../src/log.ts";
import { engineLog } from "../src/storage-log.ts";
import { openPostgresStore } from "../src/store/postgres/postgres.ts";
import { Reads } from "../src/store/postgres/reads.ts";
import type { SharedStore } from "../src/store/shared.ts";

/** A store, and the network between it and its engine. */
async function openAcross(enginePatience: number): Promise<{ store: SharedStore; network: Proxy }> {
  const url = new URL(await database());
  const network = await Proxy.start({ port: 0, to: Number(url.port) });
  url.port = String(network.port);
  const store = await openPostgresStore({ url: url.href, limits: defaultLimits(), enginePatience });
  onTestFinished(async () => {
    await store[Symbol.asyncDispose]();
    await network[Symbol.asyncDispose]();
  });
  return { store, network };
}

function goAway(network: Proxy): void {
  network.refuse();
  network.cut();
}

describe.runIf(hasPostgres)("while the engine is away", () => {
  test("what is asked waits, and is answered when it is back", async () => {
    const { store, network } = await openAcross(10_000);
    goAway(network);
    const asked = [store.account("alice"), store.look(1), store.entries(1, 0, { messages: 10, bytes: 1000 })];
    await delay(300);
    await network.admit();
    await expect(Promise.all(asked)).resolves.toMatchObject([undefined, { highWater: 0 }, { entries: [] }]);
  });

  test("what was asked just before the connection broke is asked again", async () => {
    const { store, network } = await openAcross(10_000);
    const asked = store.account("alice");
    network.cut();
    await expect(asked).resolves.toBeUndefined();
  });

  test("nothing waits for longer than it may", async () => {
    const { store, network } = await openAcross(300);
    goAway(network);
    const away = { name: "StorageError", reason: "internal", isAway: true };
    await expect(store.account("alice")).rejects.toMatchObject(away);
    await expect(store.isBlocked("alice", "bob")).rejects.toMatchObject(away);
    await network.admit();
    await expect(store.account("alice")).resolves.toBeUndefined();
  });
});

async function mailboxOf(store: SharedStore): Promise<number> {
  const account = await store.registerToken("alice", new Uint8Array(32), "");
  if ("refused" in account) throw new Error(account.refused);
  return account.mailbox;
}

/** Of a second ago it may be. */
const online = (store: SharedStore, names: string[]): Promise<unknown> =>
  eventually("who is online", async () => String(await store.online()) === String(names));

describe.runIf(hasPostgres)("nobody is said to listen", () => {
  test("who has left while the engine was away for long", async () => {
    const { store, network } = await openAcross(300);
    const mailbox = await mailboxOf(store);
    const { claim } = await store.listen(mailbox);
    await online(store, ["alice"]);
    goAway(network);
    const left = store.unlisten(mailbox, claim);
    await expect(store.look(mailbox)).rejects.toMatchObject({ isAway: true });
    await delay(300);
    await network.admit();
    await expect(left).resolves.toBe(true);
    await online(store, []);
  });

  test("by a relay that has ended, which tries it no more", async () => {
    const { store, network } = await openAcross(300);
    goAway(network);
    const left = expect(store.unlisten(1, 1)).rejects.toMatchObject({ name: "StorageError" });
    await store[Symbol.asyncDispose]();
    await left;
  });

  test("who was told that it does not, since its key packages could not be counted", async () => {
    const { store } = await openAcross(10_000);
    const mailbox = await mailboxOf(store);
    vi.spyOn(Reads.prototype, "countKeys").mockRejectedValueOnce(new Error("not now"));
    await expect(store.listen(mailbox)).rejects.toThrow("not now");
    await online(store, []);
    const { claim } = await store.listen(mailbox);
    await online(store, ["alice"]);
    await expect(store.unlisten(mailbox, claim)).resolves.toBe(true);
  });
});

test("an engine that is away is named in the log once, and once more when it is back", () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const store = { isReady: true };
  const lines: string[] = [];
  const log = createLogTo("text", { write: (line: string) => lines.push(line.slice("00:00:00 ".length)) });
  using _ = engineLog(store, log, defaultConfig);
  vi.advanceTimersByTime(5_000);
  store.isReady = false;
  vi.advanceTimersByTime(20_000);
  store.isReady = true;
  vi.advanceTimersByTime(5_000);
  expect(lines).toEqual([
    "error: PostgreSQL does not answer: this relay is not ready, and what is asked of it waits for up to 15 s\n",
    "warning: PostgreSQL answers again, 20 s later\n",
  ]);
});
