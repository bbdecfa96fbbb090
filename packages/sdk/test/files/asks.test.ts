/** What the link asks the relay for files, and what becomes of it when that says no, nothing, or nothing yet. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { openAgent } from "../../src/agent/open.ts";
import { askForBlobs, untilAsk } from "../../src/link/blobs.ts";
import { nodeFileHost } from "../../src/node/file-host.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { nodeTransport } from "../../src/node/transport.ts";
import type { OutFileRecord } from "../../src/records/file-records.ts";
import { fileKey, newSecrets, sendFile } from "../../src/records/files.ts";
import { find, pad, put } from "../../src/records/records.ts";
import type { OutboxRecord } from "../../src/records/tables.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { Connection, Refusal } from "../../src/wire/connection.ts";
import { FileWorld } from "./world.ts";
import { eventually, jump, World } from "../scenario/world.ts";

const FILE: OutFileRecord = {
  ...newSecrets(),
  seq: 1,
  index: 0,
  name: "a",
  bytes: 10,
  path: "/a",
  stamp: "",
  state: "waits",
};
const ROW: OutboxRecord = {
  seq: 1,
  id: "m",
  kind: "message",
  to: "bob",
  content_type: "text/plain",
  created_at: 0,
  updated_at: 0,
  state: "queued",
  attempt: 0,
  files: 1,
};

/** A relay that answers all that it is asked in one way. */
function answering(answer: { refusal: Refusal } | { data: object }): Connection {
  const whole = "refusal" in answer ? answer : { frame: { type: "ack", data: answer.data } };
  return { ask: async () => whole } as unknown as Connection;
}

function refusing(reason: string, more: Partial<Refusal> = {}): Connection {
  return answering({ refusal: { code: 507, reason, message: reason, ...more } });
}

async function storeWith(row: Partial<OutboxRecord> = {}, file: Partial<OutFileRecord> = {}): Promise<MemoryStore> {
  const store = new MemoryStore();
  await store.write(async (tx) => {
    await put(tx, "out/", pad(1), { ...ROW, ...row });
    await sendFile(tx, { ...FILE, ...file });
  });
  return store;
}

const fileIn = (store: MemoryStore) => store.read((tx) => find(tx, "out-file/", fileKey(FILE)));

describe("room for a file", () => {
  test("of which the relay does not say where it is, is asked for again, and its sender sees that it waits", async () => {
    const store = await storeWith();
    await askForBlobs(store, answering({ data: { status: "blob" } }));
    expect(await fileIn(store)).toMatchObject({ state: "waits", reason: "relay_unreachable" });
    const wait = await store.read(untilAsk);
    expect([wait > 0, wait < 60_000]).toEqual([true, true]);
    jump(60_000);
    expect(await store.read(untilAsk)).toBe(0);
    await askForBlobs(store, answering({ data: { status: "blob", blob: "ab".repeat(16), token: "x", expires_at: 1 } }));
    expect(await fileIn(store)).toMatchObject({ token: "x", blob: "ab".repeat(16) });
  });

  test("that is refused for good to one whose message has left ends it, and says why", async () => {
    const store = await storeWith({ state: "handled" }, { resent: true });
    await askForBlobs(store, refusing("blob_too_large"));
    expect(await fileIn(store)).toMatchObject({ state: "failed", reason: "blob_too_large" });
  });
});

test("a file for somebody whom the relay does not know is not brought, and its message is refused", async () => {
  await using world = await FileWorld.create();
  const alice = await world.open("alice");
  const path = world.file("a", 1000);
  const sent = await alice.send("bobb", "x", { files: [path] });
  await expect(sent.stored()).rejects.toMatchObject({ code: "refused", reason: "unknown_user" });
  expect(await world.records("alice", "blob/")).toEqual([]);
  expect(await world.records("alice", "peer/")).toEqual([]);
  expect([world.proxy.requests, world.blobs]).toEqual([[], []]);
});

test("what a relay does not delete for now is asked of it more and more rarely, and never before it says", async () => {
  const store = new MemoryStore();
  await store.write((tx) => tx.put(`blob/drop/${"ab".repeat(16)}`, ""));
  const [waits, now] = [[] as number[], Date.now];
  let ahead = 0;
  const clock = vi.spyOn(Date, "now").mockImplementation(() => now() + ahead);
  onTestFinished(() => clock.mockRestore());
  for (const more of [{}, {}, {}, { retry_after_ms: 50_000 }]) {
    expect(await store.read(untilAsk)).toBe(0);
    await askForBlobs(store, refusing("storage_full", more));
    waits.push(Math.round((await store.read(untilAsk)) / 1000));
    ahead += 59_000;
  }
  expect(waits).toEqual([2, 4, 8, 50]);
});

test("mail goes on while the relay does not answer whether it has room for a file", { tags: ["long"] }, async () => {
  await using world = await World.create({ noLimits: true });
  const folder = mkdtempSync(join(tmpdir(), "aimessage asks "));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "a"), "content");
  const files = nodeFileHost({ agent: join(folder, "agent"), home: join(folder, "home") });
  const node = { provider: nodeCryptoProvider, transport: nodeTransport, files };
  await using alice = await openAgent({
    store: world.memory("alice"),
    username: "alice",
    server: world.server,
    ...node,
  });
  const bob = await world.open("bob");
  await bob.sync();
  world.proxy.rule = ({ frame, toRelay }) => (toRelay && frame.type === "blob" ? [] : undefined);
  await alice.send("bob", "x", { files: [join(folder, "a")] });
  await eventually("it was asked", () => world.proxy.sentBy("alice", "blob").length > 0);
  await (await alice.send("bob", "hello")).received();
  expect(world.proxy.sentBy("alice", "blob").length).toBe(1);
});
