// @module-tag long
/** No room: at the relay, of an account, on the relay's disk, at the receiver. What waits goes on when there is some. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { smallDisk } from "../../../../test/small-disk.ts";
import { blobLength } from "../../src/records/files.ts";
import { eventually, FileWorld, isSame, MIB, next, saved } from "./world.ts";

async function* endless() {
  for (;;) yield new Uint8Array(MIB);
}

/** Why the first file of a message waits. */
async function reasonOf(sent: { status: () => Promise<{ files?: { reason?: string; state: string }[] }> }) {
  return (await sent.status()).files?.[0]?.reason;
}

describe("a file for which there is no room", () => {
  test("at the relay waits, and its sender sees why, until another was fetched", async () => {
    const accountBlobs = blobLength({ bytes: 4 * MIB }) + 200_000;
    await using world = await FileWorld.create({ limits: { accountBlobs } });
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const paths = ["one", "two"].map((name) => world.file(name, 4 * MIB));
    await (await alice.send("bob", "one", { files: [paths[0]!] })).stored();
    const sent = await alice.send("bob", "two", { files: [paths[1]!] });
    await eventually("it waits for room", async () => (await reasonOf(sent)) === "blob_quota");
    expect((await alice.outbox.list()).at(-1)?.files).toMatchObject([{ state: "waits", reason: "blob_quota" }]);
    // What needs less goes before it, and messages do.
    await (await alice.send("bob", "small", { files: [world.file("small", 10)] })).stored();
    await (await alice.send("bob", "none")).stored();
    expect(isSame(await (await next(bob)).files[0]!.save(world.path("in")), paths[0]!)).toBe(true);
    await sent.stored();
    expect((await bob.inbox()).map(({ body }) => body).slice(0, 3)).toEqual(["one", "small", "none"]);
    await eventually("it has come", async () => (await bob.inbox()).length === 4);
    expect(isSame(await saved(bob, (await bob.inbox())[3]!.id, world.path("in")), paths[1]!)).toBe(true);
  });

  test("is asked for at once when its owner says so", async () => {
    await using world = await FileWorld.create({ limits: { accountBlobs: MIB } });
    const alice = await world.open("alice");
    await world.open("bob");
    const sent = await alice.send("bob", "x", { files: [world.file("a", 4 * MIB)] });
    await eventually("it waits for room", async () => (await reasonOf(sent)) === "blob_quota");
    await world.stopRelay();
    await world.startRelay({ limits: { accountBlobs: 100 * MIB } });
    await alice.sync();
    await alice.outbox.retry(sent.id);
    await sent.stored();
  });

  test("keeps no others from being sent, however many wait, nor its link busy", async () => {
    await using world = await FileWorld.create({ limits: { accountBlobs: MIB } });
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    await bob.sync();
    const large = world.file("large", 4 * MIB);
    for (let count = 0; count < 7; count++)
      await alice.send("bob", "large", { files: Array.from({ length: 16 }, () => large) });
    const waits = async () => (await world.records("alice", "blob/later/")).length;
    await eventually("all wait", async () => (await waits()) === 112);
    const sent = await alice.send("bob", "small", { files: [world.file("small", 1000)] });
    await sent.received();
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const { user, system } = process.cpuUsage(before);
    // A link that is busy takes all of a core.
    expect((user + system) / 1e6).toBeLessThan(0.8);
  });

  test("that is larger than the relay takes is refused, with what was sent with it", async () => {
    await using world = await FileWorld.create({ limits: { blobBytes: 2 * MIB } });
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    await alice.sync();
    const [small, large] = [world.file("small", 10), world.file("large", 3 * MIB)];
    await expect(alice.send("bob", "x", { files: [small, large] })).rejects.toMatchObject({
      code: "bad_file",
      reason: "too_large",
    });
    await world.stopRelay();
    await world.startRelay({ limits: { blobBytes: MIB } });
    const sent = await alice.send("bob", "x", { files: [small, world.file("middle", 1.5 * MIB)] });
    await expect(sent.stored()).rejects.toMatchObject({ code: "refused", reason: "blob_too_large" });
    await eventually(
      "nothing of it stays",
      async () => world.blobs.length === 0 && (await world.records("alice", "blob/")).length === 0,
    );
    expect(await bob.inbox()).toEqual([]);
  });

  test("on the relay's disk waits, and is sent when there is some", async ({ skip }) => {
    using disk = smallDisk("400m") ?? skip("no right to mount a small disk");
    await using world = await FileWorld.create({ db: join(disk.path, "relay") });
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    await bob.sync();
    const path = world.file("a", 12 * MIB);
    world.proxy.bytesPerMs = 20_000;
    const sent = await alice.send("bob", "x", { files: [path] });
    await eventually("it has begun", () => world.proxy.up > 2 * MIB);
    disk.fill();
    world.proxy.bytesPerMs = Infinity;
    await eventually("it waits for room", async () => (await reasonOf(sent)) === "storage_full");
    disk.free();
    await sent.received();
    expect(isSame(await saved(bob, (await next(bob)).id, world.path("in")), path)).toBe(true);
    expect(world.proxy.conflicts).toEqual([]);
  });

  test("at its receiver leaves no part, and its message as it was, and can be saved when there is some", async ({
    skip,
  }) => {
    using disk = smallDisk("8m") ?? skip("no right to mount a small disk");
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const path = world.file("a", 6 * MIB);
    await alice.send("bob", "x", { files: [path] });
    const message = await next(bob);
    const folder = join(disk.path, "in");
    // Said before anything is fetched.
    disk.fill(4 * MIB);
    await expect(message.files[0]!.save(folder)).rejects.toMatchObject({ code: "disk_full" });
    disk.free();
    // And when another has taken the room meanwhile.
    world.proxy.bytesPerMs = 5_000;
    const saving = message.files[0]!.save(folder);
    await eventually("it is under way", () => world.proxy.down > MIB);
    disk.fill();
    await expect(saving).rejects.toMatchObject({ code: "disk_full" });
    disk.free();
    world.proxy.bytesPerMs = Infinity;
    expect(world.names("in")).toEqual([]);
    expect(await world.records("bob", "part/")).toEqual([]);
    expect(await bob.unhandled()).toBe(1);
    expect(isSame(await message.files[0]!.save(folder), path)).toBe(true);
    await message.handled();
  });

  test("to say that it is there, is there once all the same", async ({ skip }) => {
    using disk = smallDisk("16m") ?? skip("no right to mount a small disk");
    await using world = await FileWorld.create();
    const alice = await world.open("alice");
    const home = join(disk.path, "home");
    const bob = await world.open("bob", { home });
    const path = world.file("a", MIB);
    await alice.send("bob", "x", { files: [path] });
    const message = await next(bob);
    let full = false;
    const onProgress = ({ done, bytes }: { done: number; bytes: number }): void => {
      if (done < bytes || full) return;
      disk.fill();
      full = true;
    };
    await expect(message.files[0]!.save(world.path("in"), { onProgress })).rejects.toMatchObject({ code: "disk_full" });
    // What has come need not come again.
    expect([full, world.names("in").length]).toEqual([true, 1]);
    disk.free();
    world.proxy.down = 0;
    expect(await message.files[0]!.save(world.path("in"))).toBe(world.path("in", "a"));
    expect([world.names("in"), world.proxy.down]).toEqual([["a"], 0]);
    await bob.close();
  });

  test("for the spool of a stream says so, and leaves nothing", async ({ skip }) => {
    using disk = smallDisk("16m") ?? skip("no right to mount a small disk");
    await using world = await FileWorld.create();
    const alice = await world.open("alice", { home: join(disk.path, "home") });
    await alice.sync();
    await expect(alice.send("bob", "x", { files: [{ stream: endless(), name: "a" }] })).rejects.toMatchObject({
      code: "disk_full",
    });
    await (await alice.send("bob", "y").catch(() => undefined))?.status();
    await alice.close();
  });

  test("that is more than its receiver wants is not fetched, until that says otherwise", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const path = world.file("a", 2 * MIB);
    await alice.send("bob", "x", { files: [path] });
    const message = await next(bob);
    world.proxy.requests.length = 0;
    await expect(message.files[0]!.save(world.path("in"), { maxBytes: MIB })).rejects.toMatchObject({
      code: "file_failed",
      reason: "too_large",
    });
    expect([world.names("in"), world.proxy.requests, await bob.unhandled()]).toEqual([[], [], 1]);
    expect(isSame(await message.files[0]!.save(world.path("in"), { maxBytes: Infinity }), path)).toBe(true);
  });
});
