/** Files from one agent to another. */
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { AgentError } from "../../src/index.ts";
import { MemoryFolder, MemoryStore } from "../../src/store/memory.ts";
import { hostileNames } from "./hostile-names.ts";
import { allGone, eventually, FileWorld, isSame, MIB, next, sha256 } from "./world.ts";

async function* hello() {
  yield Buffer.from("hello");
}

function fromStream() {
  return { stream: hello(), name: "a" };
}

async function* broken() {
  yield Buffer.from("hello");
  throw new Error("the source is gone");
}

describe("files", () => {
  test("come with their message, equal, and are gone from the relay when all are fetched", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const paths = [world.file("report.pdf", 3_000_000), world.file("empty", 0), world.file("Bericht (ä).txt", "Grüße")];
    const sent = await alice.send("bob", "numbers", { files: paths });
    const message = await next(bob);
    expect(message.body).toBe("numbers");
    expect(message.files).toMatchObject([
      { name: "report.pdf", bytes: 3_000_000, sha256: sha256(readFileSync(paths[0]!)) },
      { name: "empty", bytes: 0 },
      { name: "Bericht (ä).txt", bytes: 7 },
    ]);
    expect(world.blobs.length).toBe(3);
    for (const [index, file] of message.files.entries())
      expect(isSame(await file.save(world.path("in")), paths[index]!)).toBe(true);
    expect(world.names("in")).toEqual(["Bericht (ä).txt", "empty", "report.pdf"]);
    await message.handled();
    await sent.handled();
    await allGone(world);
    const fetched = async () => (await sent.status()).files?.every(({ state }) => state === "fetched");
    await eventually("the sender knows that all are fetched", fetched);
    // What is there is not fetched again.
    expect(await message.files[0]!.save(world.path("in"))).toBe(world.path("in", "report.pdf"));
  });

  test("keep a handler waiting that cannot have them yet, which is no attempt of it", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const stop = new AbortController();
    let calls = 0;
    const handling = bob.handle(
      ({ body }) => {
        calls += 1;
        if (body === "in vain") throw new Error("it will not be");
        if (calls < 5) throw new AgentError("disk_full", "there is no room");
      },
      { attempts: 2, firstRetryMs: 5, lastRetryMs: 10, signal: stop.signal },
    );
    await (await alice.send("bob", "late", { files: [world.file("a", "content")] })).handled();
    expect(calls).toBe(5);
    calls = 0;
    const sent = await alice.send("bob", "in vain", { files: [world.file("b", "content")] });
    await expect(sent.handled()).rejects.toMatchObject({ code: "failed", message: /it will not be/ });
    expect(calls).toBe(2);
    stop.abort();
    await handling;
  });

  test("are sixteen at most", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const files = Array.from({ length: 17 }, (_, index) => world.file(`${index}`, `content of ${index}`));
    await expect(alice.send("bob", "too many", { files })).rejects.toMatchObject({ code: "usage" });
    await alice.send("bob", "many", { files: files.slice(0, 16) });
    const message = await next(bob);
    const paths = await Promise.all(message.files.map((file) => file.save(world.path("in"))));
    expect(paths.map((path) => readFileSync(path, "utf8"))).toEqual(paths.map((_, index) => `content of ${index}`));
    await allGone(world);
  });

  test("let messages overtake theirs, and tell how far they are", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    world.proxy.hold();
    await bob.sync();
    const path = world.file("large", 3 * MIB);
    const [up, down]: [number[], number[]] = [[], []];
    const sent = await alice.send("bob", "first", { files: [path], onProgress: ({ done }) => up.push(done) });
    await eventually("it is under way", () => world.proxy.held > 0);
    await (await alice.send("bob", "second")).received();
    expect((await sent.status()).files).toMatchObject([{ name: "large", bytes: 3 * MIB, state: "waits" }]);
    world.proxy.letGo();
    await sent.received();
    expect((await bob.inbox()).map(({ body }) => body)).toEqual(["second", "first"]);
    const message = (await bob.inbox())[1]!;
    await (
      await bob.message(message.id)
    ).files[0]!.save(world.path("in"), { onProgress: ({ done }) => down.push(done) });
    for (const told of [up, down]) {
      expect(told).toEqual(told.toSorted((a, b) => a - b));
      expect(told.at(-1)).toBe(3 * MIB);
    }
  });

  test("can be streams, of which nothing stays", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const content = Buffer.alloc(3 * MIB + 17, "stream");
    async function* stream() {
      for (let at = 0; at < content.length; at += 100_001) yield content.subarray(at, at + 100_001);
    }
    await alice.send("bob", "a stream", { files: [{ stream: stream(), name: "dump.sql", type: "application/sql" }] });
    const message = await next(bob);
    expect(message.files).toMatchObject([{ name: "dump.sql", bytes: content.length, type: "application/sql" }]);
    expect(readFileSync(await message.files[0]!.save(world.path("in"))).equals(content)).toBe(true);
    await eventually("nothing is kept of it", () => world.names("home", "alice", "spool").length === 0);
  });

  test("that are not sent after all leave nothing of streams behind", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const attempts = [
      alice.send("bob", "x", { files: [fromStream(), world.path("nowhere")] }),
      alice.send("bob", "x", { files: [fromStream(), { stream: broken(), name: "b" }] }),
      alice.send("alice", "to itself", { files: [fromStream()] }),
      alice.send("bob", "x".repeat(2 ** 22), { files: [fromStream()] }),
    ];
    expect((await Promise.allSettled(attempts)).map(({ status }) => status)).toEqual(Array(4).fill("rejected"));
    expect(world.names("home", "alice", "spool")).toEqual([]);
    // One that is given up while it waits, too.
    world.proxy.hold();
    const sent = await alice.send("bob", "later", { files: [fromStream()] });
    await eventually("it is under way", () => world.proxy.held > 0);
    expect(world.names("home", "alice", "spool").length).toBe(1);
    await alice.outbox.discard(sent.id);
    world.proxy.letGo();
    await eventually("nothing is kept of it", () => world.names("home", "alice", "spool").length === 0);
    await allGone(world);
    await bob.close();
  });

  test("sent again within a time are sent once, unless one has changed", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const path = world.file("a.txt", "one");
    const send = () => alice.send("bob", "same", { files: [path], sameWithin: 60_000 });
    const [first, second] = [await send(), await send()];
    expect([second.id, second.repeated]).toEqual([first.id, true]);
    world.append(path, " and two");
    expect((await send()).id).not.toBe(first.id);
    await next(bob);
  });

  test("come with the reply by which a message is handled, once, also from a process without the link", async () => {
    await using world = await FileWorld.create();
    const [alice, link] = [await world.open("alice"), await world.open("bob")];
    await link.sync();
    const bob = await world.open("bob");
    await alice.send("bob", "send me the numbers");
    const asked = await next(bob);
    const path = world.file("numbers.csv", 2 * MIB);
    const progress: number[] = [];
    await asked.handled({
      body: "here",
      options: { files: [path], onProgress: ({ done }) => progress.push(done) },
    });
    await asked.handled({ body: "here", options: { files: [path] } });
    const reply = await next(alice);
    expect(isSame(await reply.files[0]!.save(world.path("in")), path)).toBe(true);
    // This process brings what it was given.
    expect(progress.at(-1)).toBe(2 * MIB);
    expect((await alice.inbox()).length).toBe(1);
  });

  test("go between sealed stores, and between stores that cannot tell who lives", async () => {
    await using world = await FileWorld.create();
    const sealed = await world.open("alice", { passphrase: "a passphrase of many words", seal: true });
    const folder = new MemoryFolder();
    const memory = await world.openOver("bob", new MemoryStore(folder));
    const path = world.file("a", 1_500_000);
    await sealed.send("bob", "to memory", { files: [path] });
    const message = await next(memory);
    expect(isSame(await message.files[0]!.save(world.path("in")), path)).toBe(true);
    await message.handled({ body: "back", options: { files: [path] } });
    const reply = await next(sealed);
    expect(isSame(await reply.files[0]!.save(world.path("in")), path)).toBe(true);
    expect(world.names("in")).toEqual(["a", "a (2)"]);
    await allGone(world);
  });

  test("cannot be what belongs to agents, nor what is no file", async () => {
    await using world = await FileWorld.create();
    const alice = await world.open("alice");
    symlinkSync(join(world.home, "alice", "agent.db"), world.path("innocent"));
    for (const path of [
      join(world.home, "alice", "agent.db"),
      world.path("innocent"),
      world.folder,
      world.path("none"),
    ])
      await expect(alice.send("bob", "x", { files: [path] })).rejects.toMatchObject({ code: "bad_file" });
  });
});

test("[A-17] names that mean harm are saved in the folder, over nothing and through nothing", async () => {
  await using world = await FileWorld.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  const [folder, elsewhere] = [world.path("root", "in"), world.path("root", "elsewhere")];
  mkdirSync(folder, { recursive: true });
  mkdirSync(elsewhere);
  writeFileSync(join(elsewhere, "target"), "kept");
  const taken = new Set<string>();
  for (const [index, [, name]] of hostileNames.entries()) {
    if (taken.has(name) || index % 2 === 0) continue;
    if (index % 4 === 1)
      symlinkSync(join(elsewhere, index % 8 === 1 ? "target" : `nowhere ${index}`), join(folder, name));
    else writeFileSync(join(folder, name), "kept");
    taken.add(name);
  }
  const path = world.file("source", "of a stranger");
  const given = hostileNames.filter(([name]) => name !== "");
  for (let at = 0; at < given.length; at += 16)
    await alice.send("bob", `${at}`, { files: given.slice(at, at + 16).map(([name]) => ({ path, name })) });
  let count = 0;
  for await (const message of bob.messages()) {
    const first = Number(message.body);
    for (const [index, file] of message.files.entries()) {
      const saved = await file.save(folder);
      count += 1;
      expect([given[first + index]?.[0], saved.slice(0, saved.lastIndexOf("/")), readFileSync(saved, "utf8")]).toEqual([
        given[first + index]?.[0],
        folder,
        "of a stranger",
      ]);
    }
    await message.handled();
    if (count === given.length) break;
  }
  expect(count).toBeGreaterThan(60);
  expect(readdirSync(folder).length).toBe(taken.size + count);
  expect([world.names("root"), world.names("root", "elsewhere")]).toEqual([["elsewhere", "in"], ["target"]]);
  expect(readFileSync(join(elsewhere, "target"), "utf8")).toBe("kept");
  expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
});
