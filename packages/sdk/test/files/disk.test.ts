/** What the disk says of a file that is sent or saved: whatever may be otherwise the next time ends nothing. */
import fs, { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { isTaken } from "../../src/files/claim.ts";
import { nodeFileHost } from "../../src/node/file-host.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { allGone, eventually, FileWorld, isSame, MIB, next, saved } from "./world.ts";

async function* some(bytes: number) {
  yield new Uint8Array(bytes).fill(7);
}

/** Has a function of the system fail, once it is called with this for its first argument. */
function failing(name: "openSync" | "readdirSync", path: string, code: string): () => number {
  const real = fs[name] as (...args: unknown[]) => unknown;
  let calls = 0;
  const fake = (...args: unknown[]): unknown => {
    if (args[0] !== path) return real(...args);
    calls += 1;
    throw Object.assign(new Error(code), { code, syscall: name });
  };
  const set = (value: unknown): void => {
    Object.assign(fs, { [name]: value });
    syncBuiltinESMExports();
  };
  set(fake);
  onTestFinished(() => set(real));
  return () => calls;
}

/** Alice, of whose stream the spool is there and nothing has left. */
async function held() {
  const world = await FileWorld.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await bob.sync();
  world.proxy.hold();
  const sent = await alice.send("bob", "x", { files: [{ stream: some(3 * MIB), name: "a" }] });
  await eventually("it is to begin", () => world.proxy.held > 0);
  const [name] = world.names("home", "alice", "spool");
  const reason = async () => (await sent.status()).files?.[0]?.reason;
  return { world, alice, bob, sent, spool: world.path("home", "alice", "spool", name!), reason };
}

describe("what a stream gave", () => {
  test("and cannot be read for now is sent when it can, and its sender sees the system's word meanwhile", async () => {
    const { world: opened, bob, sent, spool, reason } = await held();
    await using world = opened;
    renameSync(spool, `${spool}.away`);
    symlinkSync(spool, spool);
    world.proxy.cut();
    world.proxy.letGo();
    await eventually("it waits", async () => (await reason()) === "ELOOP");
    rmSync(spool);
    renameSync(`${spool}.away`, spool);
    await sent.received();
    const path = await saved(bob, (await next(bob)).id, world.path("in"));
    expect(readFileSync(path).equals(Buffer.alloc(3 * MIB, 7))).toBe(true);
  });

  test("and is damaged here ends its message, since there is no other copy", async () => {
    const { world: opened, sent, spool } = await held();
    await using world = opened;
    const content = readFileSync(spool);
    content[2 * MIB]! ^= 1;
    writeFileSync(spool, content);
    world.proxy.cut();
    world.proxy.letGo();
    await expect(sent.stored()).rejects.toMatchObject({ code: "failed", reason: "file_damaged" });
    await allGone(world);
  });
});

test("a file is sent although whoever is told how far it is throws", async () => {
  await using world = await FileWorld.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  const path = world.file("a", MIB);
  let calls = 0;
  const onProgress = (): never => {
    calls += 1;
    throw new Error("of the caller");
  };
  await (await alice.send("bob", "x", { files: [path], onProgress })).stored();
  expect(isSame(await saved(bob, (await next(bob)).id, world.path("in")), path)).toBe(true);
  expect(calls).toBe(1);
});

test("a file that cannot be opened for now is not taken for one that is gone", async () => {
  await using world = await FileWorld.create();
  const host = nodeFileHost({ agent: world.path("agent"), home: world.path("home") });
  const path = world.file("a", 10);
  const calls = failing("openSync", path, "EMFILE");
  await expect(host.look([path])).rejects.toMatchObject({ code: "EMFILE" });
  expect(calls()).toBe(1);
  await expect(host.look([world.path("none")])).rejects.toMatchObject({ code: "bad_file", reason: "missing" });
});

describe("a folder in which a file is saved", () => {
  test("is the same one by whatever path", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    await alice.send("bob", "x", { files: [world.file("a", 1000)] });
    const { files } = await next(bob);
    mkdirSync(world.path("real"));
    symlinkSync(world.path("real"), world.path("link"));
    expect(await files[0]!.save(world.path("link"))).toBe(world.path("real", "a"));
    expect(await files[0]!.save(world.path("real"))).toBe(world.path("real", "a"));
    expect(await files[0]!.save(world.path("link", "..", "real"))).toBe(world.path("real", "a"));
    expect(world.names("real")).toEqual(["a"]);
  });

  test("and cannot be made is said to be so", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    await alice.send("bob", "x", { files: [world.file("a", 1000)] });
    const { files } = await next(bob);
    const failure = files[0]!.save(join(world.path("out", "a"), "below a file"));
    await expect(failure).rejects.toMatchObject({ code: "file_failed", reason: "unwritable" });
  });

  test("and cannot be looked at leaves nothing open", async ({ skip }) => {
    if (process.platform !== "linux") skip("descriptors are counted by /proc");
    await using world = await FileWorld.create();
    const host = nodeFileHost({ agent: world.path("agent"), home: world.path("home") });
    const folder = host.folder(world.path("in"), undefined);
    const part = host.newPart("a");
    await using first = await host.save(folder, "a", { part, root: undefined });
    await first.close();
    fs.linkSync(join(folder, part), join(folder, "a"));
    const before = readdirSync("/proc/self/fd").length;
    failing("readdirSync", folder, "EIO");
    await expect(host.save(folder, "a", { part, root: undefined })).rejects.toMatchObject({ code: "EIO" });
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });
});

test("a claim holds although the clock is set back by half a minute, and one that is far ahead does not", () => {
  const store = new MemoryStore();
  const claim = { by: "another", until: Date.now() + 20_000 };
  expect(isTaken(store, { ...claim, until: claim.until + 30_000 }, { by: "this" })).toBe(true);
  expect(isTaken(store, { ...claim, until: claim.until + 3_600_000 }, { by: "this" })).toBe(false);
});
