// @module-tag long
/** A blob that is not what was sealed, or is not there any more: its sender hears so, and sends it again as another one. */
import { appendFileSync, copyFileSync, existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { AgentError } from "../../src/index.ts";
import type { Agent } from "../../src/node/index.ts";
import { allGone, eventually, FileWorld, isSame, MIB, next, saved } from "./world.ts";

async function received(bytes = 3 * MIB, count = 1) {
  const world = await FileWorld.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  const paths = Array.from({ length: count }, (_, index) => world.file(`file ${index}`, bytes));
  const sent = await alice.send("bob", "x", { files: paths });
  const message = await next(bob);
  return { world, alice, bob, paths, path: paths[0]!, sent, message };
}

/** The relay gives out something else for a blob, once for each that is sent. */
function lie(world: FileWorld, change: (chunk: Buffer, at: number) => Buffer, times: number): () => number {
  const hit = new Set<string>();
  world.proxy.edit = ({ blob, method }, chunk, at) => {
    if (method !== "GET" || (!hit.has(blob) && hit.size >= times)) return chunk;
    hit.add(blob);
    return change(chunk, at);
  };
  return () => hit.size;
}

function keyOf(files: string[], path: string): string {
  return files.find((file) => file.endsWith(path)) ?? "";
}

/** What an agent says of its own files. */
function stateOf(agent: Agent, id: string): Promise<unknown> {
  return agent.status(id).then((status) => status?.files?.map(({ state, reason }) => reason ?? state));
}

describe("a file that is damaged", () => {
  test.each([
    [
      "a bit of it",
      (chunk: Buffer, at: number) => (at <= 5000 && 5000 < at + chunk.length ? flip(chunk, 5000 - at) : chunk),
    ],
    ["its header", (chunk: Buffer, at: number) => (at === 0 ? flip(chunk, 3) : chunk)],
    ["its last byte", (chunk: Buffer) => flip(chunk, chunk.length - 1)],
    ["two of its segments, which change places", (chunk: Buffer) => Buffer.from(chunk.toReversed())],
  ])("in %s is sent again as another blob, and then it is whole", async (_, change) => {
    const { world: opened, alice, bob, path, sent, message } = await received();
    await using world = opened;
    const hits = lie(world, change, 1);
    const failure = message.files[0]!.save(world.path("in"));
    await expect(failure).rejects.toMatchObject({ code: "file_failed", reason: "file_damaged" });
    // An answer of its sender is owed.
    expect(await failure.catch((error: AgentError) => error.shouldRetry())).toBe(true);
    expect([world.names("in"), await bob.unhandled()]).toEqual([[], 1]);
    expect(isSame(await saved(bob, message.id, world.path("in")), path)).toBe(true);
    expect([hits(), world.proxy.sent.size, world.proxy.conflicts]).toEqual([1, 2, []]);
    await allGone(world);
    await eventually("its sender knows", async () => String(await stateOf(alice, sent.id)) === "fetched");
  });

  test("is sent again three times, and then its sender gives it up", async () => {
    const { world: opened, alice, bob, sent, message } = await received();
    await using world = opened;
    const hits = lie(world, (chunk) => flip(chunk, 100), 99);
    await eventually("it is given up", async () => {
      await (await bob.message(message.id)).files[0]!.save(world.path("in")).catch(() => undefined);
      return String(await stateOf(alice, sent.id)) === "file_damaged";
    });
    expect([hits(), world.proxy.sent.size]).toEqual([4, 4]);
    await allGone(world);
    const again = (await bob.message(message.id)).files[0]!.save(world.path("in"));
    await expect(again).rejects.toMatchObject({ code: "file_failed", reason: "file_damaged" });
    expect(world.names("in")).toEqual([]);
  });

  test("beside others is sent again alone, and those are not fetched twice", async () => {
    const { world: opened, bob, paths, message } = await received(100_000, 3);
    await using world = opened;
    await message.files[0]!.save(world.path("in"));
    lie(world, (chunk) => flip(chunk, 100), 1);
    await expect(message.files[1]!.save(world.path("in"))).rejects.toMatchObject({ reason: "file_damaged" });
    const found = [1, 2].map((index) => saved(bob, message.id, world.path("in"), index));
    for (const [index, path] of (await Promise.all(found)).entries())
      expect(isSame(path, paths[index + 1]!)).toBe(true);
    expect([world.names("in").length, world.proxy.sent.size]).toEqual([3, 4]);
    await allGone(world);
  });

  test("[R-18] by being cut, swapped with another, or lost on the relay's disk is never saved", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    for (const [count, harm] of [
      (one: string) => truncateSync(one, readFileSync(one).length - 1000),
      (one: string) => appendFileSync(one, "more"),
      (one: string, other: string) => copyFileSync(other, one),
      (one: string) => writeFileSync(one, ""),
      (one: string) => rmSync(one),
    ].entries()) {
      const paths = [1, 2].map((number) => world.file(`file ${number} of ${count}`, 2 * MIB));
      const folder = world.path(`in ${count}`);
      await alice.send("bob", String(count), { files: paths });
      const message = await next(bob);
      const row = (await world.records("bob", "in/")).find(([, text]) => text.includes(message.id));
      const { files } = JSON.parse(row?.[1] ?? "") as { files: { blob: string }[] };
      const [offer, other] = files.map(({ blob }) => keyOf(world.blobs, blob));
      expect([existsSync(offer!), existsSync(other!)]).toEqual([true, true]);
      harm(offer!, other!);
      await expect(message.files[0]!.save(folder)).rejects.toMatchObject({
        code: "file_failed",
        reason: /file_damaged|file_expired/,
      });
      expect(world.names(`in ${count}`)).toEqual([]);
      expect(isSame(await saved(bob, message.id, folder), paths[0]!)).toBe(true);
      await message.handled();
    }
  });
});

test("a part that was damaged here while nobody worked on it is fetched anew, and its sender hears of nothing but that it is there", async () => {
  const { world: opened, alice, bob, path, sent, message } = await received(6 * MIB);
  await using world = opened;
  world.proxy.cutDownIn = 4 * MIB;
  const abort = new AbortController();
  const saving = message.files[0]!.save(world.path("in"), { signal: abort.signal }).catch(() => "aborted");
  await eventually("it was cut", () => world.proxy.cutDownIn === Infinity);
  world.proxy.hold();
  abort.abort();
  expect(await saving).toBe("aborted");
  world.proxy.letGo();
  await bob.close();
  const [part] = world.names("in");
  const content = readFileSync(world.path("in", part!));
  expect(content.length).toBeGreaterThan(MIB);
  writeFileSync(world.path("in", part!), flip(content, 1000), { mode: 0o600 });
  rmSync(path);
  const again = await world.open("bob");
  const there = await (await again.message(message.id)).files[0]!.save(world.path("in"));
  expect(readFileSync(there).subarray(0, content.length).equals(content)).toBe(true);
  expect(world.names("in")).toEqual(["file 0"]);
  await eventually("its sender knows", async () => String(await stateOf(alice, sent.id)) === "fetched");
  expect(world.proxy.sent.size).toBe(1);
});

describe("[P-14.3] what no relay answers, but something on the way", () => {
  test.each([
    ["no file", { status: 404 }],
    ["a page", { status: 200, headers: { "content-type": "text/html" } }],
  ])("%s, says nothing of a file that is fetched", { tags: ["long"] }, async (_, answer) => {
    const { world: opened, alice, bob, path, sent, message } = await received();
    await using world = opened;
    world.proxy.answer = ({ method }) => (method === "GET" ? { ...answer, isForeign: true } : undefined);
    const failure = message.files[0]!.save(world.path("in"));
    await expect(failure).rejects.toMatchObject({ code: "relay_unreachable", reason: "not_the_relay" });
    world.proxy.answer = undefined;
    expect(isSame(await saved(bob, message.id, world.path("in")), path)).toBe(true);
    expect(world.proxy.sent.size).toBe(1);
    await eventually("its sender knows", async () => String(await stateOf(alice, sent.id)) === "fetched");
  });

  test("says nothing of a file that is sent, and its sender sees why it waits", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    await bob.sync();
    world.proxy.answer = () => ({ status: 404, isForeign: true });
    const sent = await alice.send("bob", "x", { files: [world.file("a", 1000)] });
    const reason = async () => (await sent.status()).files?.[0]?.reason;
    await eventually("it waits", async () => (await reason()) === "not_the_relay");
    world.proxy.answer = undefined;
    await sent.received();
    expect(world.proxy.sent.size).toBe(1);
  });
});

describe("a file that has expired", () => {
  test("is sent again once, and that may be fetched", async () => {
    const { world: opened, alice, bob, path, sent, message } = await received();
    await using world = opened;
    let gone = true;
    world.proxy.answer = ({ method }) => (method === "GET" && gone ? { status: 404 } : undefined);
    const failure = message.files[0]!.save(world.path("in"));
    await expect(failure).rejects.toMatchObject({ code: "file_failed", reason: "file_expired" });
    // However often it is asked for meanwhile: that is one time.
    await expect(message.files[0]!.save(world.path("in"))).rejects.toMatchObject({ reason: "file_expired" });
    gone = false;
    expect(isSame(await saved(bob, message.id, world.path("in")), path)).toBe(true);
    expect(world.proxy.sent.size).toBe(2);
    await allGone(world);
    await eventually("its sender knows", async () => String(await stateOf(alice, sent.id)) === "fetched");
  });

  test("twice is given up", async () => {
    const { world: opened, alice, bob, sent, message } = await received();
    await using world = opened;
    world.proxy.answer = ({ method }) => (method === "GET" ? { status: 404 } : undefined);
    await eventually("it is given up", async () => {
      await (await bob.message(message.id)).files[0]!.save(world.path("in")).catch(() => undefined);
      return String(await stateOf(alice, sent.id)) === "file_expired";
    });
    expect(world.proxy.sent.size).toBe(2);
    await allGone(world);
  });

  test("is not sent again where it is not there any more, and its message is as it was", async () => {
    const { world: opened, alice, bob, path, sent, message } = await received();
    await using world = opened;
    await message.handled();
    await sent.handled();
    rmSync(path);
    let gone = true;
    world.proxy.answer = ({ method }) => (method === "GET" && gone ? { status: 404 } : undefined);
    await expect(message.files[0]!.save(world.path("in"))).rejects.toMatchObject({ reason: "file_expired" });
    gone = false;
    await eventually("it is given up", async () => String(await stateOf(alice, sent.id)) === "file_gone");
    expect((await sent.status()).state).toBe("handled");
    await allGone(world);
    await bob.close();
  });

  test("is sent again to whom the message waits for consent still", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    await bob.requests.setPolicy("contacts");
    await bob.sync();
    const path = world.file("a", MIB);
    const sent = await alice.send("bob", "x", { files: [path] });
    await sent.received();
    // An old copy of its sender's would say anew where it is; so does one that was asked to send it again.
    await bob.requests.accept("alice");
    expect(isSame(await saved(bob, (await next(bob)).id, world.path("in")), path)).toBe(true);
  });
});

function flip(chunk: Buffer, at: number): Buffer {
  const changed = Buffer.from(chunk);
  changed[Math.min(at, chunk.length - 1)]! ^= 1;
  return changed;
}
