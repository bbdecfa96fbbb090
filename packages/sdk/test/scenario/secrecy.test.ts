import { randomBytes } from "node:crypto";
import { cpSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { ClientStore } from "../../src/store/store.ts";
import { readWith, steal } from "./attacker.ts";
import { atRest, bodies, eventually, follow, temporaryFolder, World } from "./world.ts";

/** The bytes of all files below a folder. */
function bytesOf(folder: string): Buffer {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Buffer.concat(files.map((file) => readFileSync(join(file.parentPath, file.name))));
}

/** Resolves when nothing that was overwritten is left in the files of a store. */
function logIsEmpty(folder: string): Promise<true> {
  return eventually("the log is empty", () => statSync(join(folder, "agent.db-wal")).size === 0);
}

/** Pieces of 32 bytes of what a store held, without those that it holds still. */
function gone(before: Uint8Array[], now: Uint8Array[]): Buffer[] {
  const kept = Buffer.concat(now);
  return before.flatMap((value) => {
    const pieces: Buffer[] = [];
    for (let at = 0; at + 32 <= value.length; at += 16) {
      const piece = Buffer.from(value.subarray(at, at + 32));
      if (kept.indexOf(piece) === -1 && new Set(piece).size > 8) pieces.push(piece);
    }
    return pieces;
  });
}

async function secrets(store: ClientStore): Promise<Uint8Array[]> {
  const { rows, packages } = await steal(store);
  return [...rows, ...packages];
}

/** Alice and Bob with stores in files talk in both directions; one message is lost in between, and sent again. */
async function conversation(lose: boolean) {
  const world = await World.create();
  const folders = { alice: world.folder(), bob: world.folder() };
  const stores = { alice: await world.sqlite(folders.alice), bob: await world.sqlite(folders.bob) };
  const alice = await world.open("alice", stores.alice);
  const bob = await world.open("bob", stores.bob);
  follow(alice);
  follow(bob);
  const earlier = { alice: await secrets(stores.alice), bob: await secrets(stores.bob) };
  const before = await steal(stores.bob);
  let middle = before;
  for (let index = 0; index < 8; index++) {
    if (index === 3) middle = await steal(stores.bob);
    let once = lose && index === 5;
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (!once || agent !== "bob" || toRelay || frame.data?.kind !== "application") return undefined;
      once = false;
      return [];
    };
    const sent = [await alice.send("bob", `to bob ${index}`), await alice.send("bob", `more to bob ${index}`)];
    await Promise.all(sent.map((one) => one.handled()));
    await (await bob.send("alice", `to alice ${index}`)).handled();
    for (const name of ["alice", "bob"] as const) earlier[name].push(...(await secrets(stores[name])));
  }
  await eventually("bob has read all", async () => (await bob.inbox()).length === 16);
  return { world, folders, stores, earlier, before, middle };
}

describe("forward secrecy", () => {
  test.each([
    ["", false],
    [", also with one lost in between", true],
  ])("nothing in the files of both agents opens a message that was read%s", async (_, lose) => {
    const { world: opened, folders, stores, earlier, before, middle } = await conversation(lose);
    await using world = opened;
    const frames = world.proxy.recorded.map(({ frame }) => frame);
    const messages = frames.filter(({ data }) => data?.kind === "application" || data?.kind === "welcome");
    expect(messages.length).toBeGreaterThan(25);
    // What was stolen earlier opens what came later, so the attack works.
    expect((await readWith(before, frames)).some((id) => id.startsWith("welcome"))).toBe(true);
    expect((await readWith(middle, frames)).length).toBeGreaterThan(5);
    // Overwritten states are removed in the first pause, while the agents go on.
    for (const folder of Object.values(folders)) await logIsEmpty(folder);
    for (const name of ["alice", "bob"] as const) {
      const copy = world.folder();
      cpSync(folders[name], copy, { recursive: true });
      await using stolen = await world.sqlite(copy);
      const loot = await steal(stolen);
      expect(loot.states.length).toBeGreaterThan(0);
      expect(loot.packages.length).toBeGreaterThan(5);
      expect(await readWith(loot, frames)).toEqual([]);
      const pieces = gone(earlier[name], await secrets(stores[name]));
      expect(pieces.length).toBeGreaterThan(50);
      const raw = bytesOf(folders[name]);
      expect(pieces.filter((piece) => raw.includes(piece)).length).toBe(0);
    }
  });
});

test("what was overwritten before a connection was lost goes when there is another one", async () => {
  await using world = await World.create();
  const folder = world.folder();
  const store = await world.sqlite(folder);
  const alice = await world.open("alice", store);
  await alice.users();
  await logIsEmpty(folder);
  await store.write((tx) => tx.put("meta/test", "as the last turn of a connection might have"));
  expect(statSync(join(folder, "agent.db-wal")).size).toBeGreaterThan(0);
  world.proxy.cut("alice");
  await logIsEmpty(folder);
});

describe("the relay is blind", () => {
  test("neither its files nor its frames hold the text: raw, in base64 or in hex", async () => {
    const db = temporaryFolder();
    await using world = await World.create({ store: "sqlite", db });
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const secret = `the launch code is ${randomBytes(16).toString("hex")} and nobody else may know`;
    follow(bob, async (message) => {
      await message.reply(`re: ${message.body}`, { contentType: "text/x-secret-type", thread: "secret-thread" });
      await message.handled();
    });
    follow(alice, (message) => message.failed("secret reason of the handler"));
    await (await alice.send("bob", secret)).handled();
    await (await alice.send("bob", secret.repeat(100))).handled();
    await bodies(alice, 2);
    await (await alice.send("carol", secret)).stored().catch(() => undefined);
    await (await alice.send("bob", secret)).handled();
    await atRest(world, alice, bob);
    const frames = Buffer.from(JSON.stringify(world.proxy.recorded));
    const files = bytesOf(db);
    expect(files.length).toBeGreaterThan(10_000);
    for (const text of [secret, "text/x-secret-type", "secret-thread", "secret reason of the handler"])
      for (const form of forms(text)) {
        expect(frames.includes(form), `frames hold ${form}`).toBe(false);
        expect(files.includes(form), `files hold ${form}`).toBe(false);
      }
  });
});

/** A text as it could stand somewhere: raw, in hex, and in base64 behind 0, 1 or 2 other bytes. */
function forms(text: string): string[] {
  const bytes = Buffer.from(text);
  const base64 = [0, 1, 2].map((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes])
      .toString("base64")
      .replace(/=+$/, "");
    // The first and last characters depend on what is around it.
    return encoded.slice(before === 0 ? 0 : 4, -2);
  });
  return [text, bytes.toString("hex"), bytes.toString("hex").toUpperCase(), ...base64];
}
