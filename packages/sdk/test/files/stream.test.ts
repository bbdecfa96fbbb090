/** Files that are read as streams, and files that are saved in a second folder. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { AgentError, IncomingFile } from "../../src/index.ts";
import { allGone, eventually, FileWorld, isSame, MIB, next } from "./world.ts";

async function received(content: number | string = 3 * MIB + 17) {
  const world = await FileWorld.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  const path = world.file("data", content);
  const sent = await alice.send("bob", "x", { files: [path] });
  const message = await next(bob);
  return { world, alice, bob, path, sent, message, file: message.files[0]! };
}

async function read(file: IncomingFile, options = {}): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of file.stream(options)) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe("a file that is streamed", () => {
  test("is whole, and stays at the relay until its message is handled", async () => {
    const { world: opened, alice, bob, path, sent, message, file } = await received();
    await using world = opened;
    const told: number[] = [];
    const content = readFileSync(path);
    expect((await read(file, { onProgress: ({ done }: { done: number }) => told.push(done) })).equals(content)).toBe(
      true,
    );
    expect(told.at(-1)).toBe(content.length);
    // A process that dies before it has handled the message has lost nothing.
    const other = await world.open("bob");
    expect((await read((await other.message(message.id)).files[0]!)).equals(content)).toBe(true);
    await bob.sync();
    await alice.sync();
    expect(world.blobs.length).toBe(1);
    await message.handled();
    await allGone(world);
    const state = async () => (await sent.status()).files?.[0]?.state;
    await eventually("its sender knows", async () => (await state()) === "fetched");
    await expect(read(file)).rejects.toMatchObject({ code: "file_failed", reason: "file_expired" });
    expect(world.names("in")).toEqual([]);
  });

  test("of a message that was handled before counts as fetched at once", async () => {
    const { world: opened, path, message, file } = await received();
    await using world = opened;
    await message.handled();
    expect((await read(file)).equals(readFileSync(path))).toBe(true);
    await allGone(world);
  });

  test("is given no faster than it is taken, and let go of when nobody takes more", async () => {
    const { world: opened, bob, file } = await received(24 * MIB);
    await using world = opened;
    let done = 0;
    for await (const piece of file.stream({ onProgress: (progress) => (done = progress.done) })) {
      expect(piece.length).toBeLessThanOrEqual(MIB);
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(done).toBeLessThan(12 * MIB);
      break;
    }
    await bob.close();
    expect(world.blobs.length).toBe(1);
  });

  test("goes on where it was when its connection is lost", async () => {
    const { world: opened, path, file } = await received(8 * MIB);
    await using world = opened;
    let cuts = 0;
    world.proxy.edit = ({ method }, chunk, at) => {
      if (method === "GET" && at > 3 * MIB && cuts === 0) {
        cuts += 1;
        world.proxy.cut();
      }
      return chunk;
    };
    expect((await read(file)).equals(readFileSync(path))).toBe(true);
    expect(cuts).toBe(1);
  });

  test("fails where it is damaged, is sent again, and then it is whole", async () => {
    const { world: opened, bob, path, message, file } = await received();
    await using world = opened;
    let hit = 0;
    world.proxy.edit = ({ method }, chunk) => {
      if (method === "GET" && hit++ === 0) chunk[100]! ^= 1;
      return chunk;
    };
    await expect(read(file)).rejects.toMatchObject({ code: "file_failed", reason: "file_damaged" });
    const content = readFileSync(path);
    await eventually("it is there again", async () => {
      const bytes = await read((await bob.message(message.id)).files[0]!).catch(() => undefined);
      return bytes?.equals(content) === true;
    });
  });

  test("is refused when it is too large, when it is aborted, and when the agent is closed", async () => {
    const { world: opened, bob, file } = await received(24 * MIB);
    await using world = opened;
    await expect(read(file, { maxBytes: 10 })).rejects.toMatchObject({ code: "file_failed", reason: "too_large" });
    await expect(read(file, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "aborted" });
    expect(() => file.stream({ maxBytes: -1 })).toThrow(expect.objectContaining({ code: "usage" }));
    const stream = file.stream()[Symbol.asyncIterator]();
    await stream.next();
    await bob.close();
    await expect(drain(stream)).rejects.toMatchObject({ code: "aborted" });
    expect(world.names("in")).toEqual([]);
  });

  test("of nothing is nothing", async () => {
    const { world: opened, message, file } = await received("");
    await using world = opened;
    expect((await read(file)).length).toBe(0);
    await message.handled();
    await allGone(world);
  });
});

describe("a file that was saved", () => {
  test("is copied into another folder, and streamed from where it is", async () => {
    const { world: opened, path, file } = await received();
    await using world = opened;
    const first = await file.save(world.path("a"));
    await allGone(world);
    const second = await file.save(world.path("b"));
    expect([first, second]).toEqual([world.path("a", "data"), world.path("b", "data")]);
    expect(isSame(second, path) && isSame(first, path)).toBe(true);
    expect(await file.save(world.path("b"))).toBe(second);
    expect((await read(file)).equals(readFileSync(path))).toBe(true);
    rmSync(second);
    const gone = { code: "file_failed", reason: "file_gone", hint: expect.not.stringContaining(first) };
    await expect(file.save(world.path("c"))).rejects.toMatchObject(gone);
    expect(await file.save(world.path("c")).catch((error: AgentError) => error.shouldRetry())).toBe(false);
  });

  test("and changed since is not taken for what was sent", async () => {
    const { world: opened, file } = await received();
    await using world = opened;
    const path = await file.save(world.path("a"));
    writeFileSync(path, Buffer.alloc(readFileSync(path).length));
    await expect(file.save(world.path("b"))).rejects.toMatchObject({ code: "file_failed", reason: "file_changed" });
    await expect(read(file)).rejects.toMatchObject({ reason: "file_changed" });
    expect(world.names("b")).toEqual([]);
    expect((await world.records("bob", "part/")).length).toBe(0);
  });
});

async function drain(stream: AsyncIterator<Uint8Array>): Promise<void> {
  for (let done = false; !done;) done = (await stream.next()).done === true;
}
