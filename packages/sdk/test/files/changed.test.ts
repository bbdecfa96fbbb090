/** A file that changes while it is sent, at any moment and in any way: the relay never sees one key and nonce with two texts. */
import { readFileSync, renameSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Random, seed } from "../random.ts";
import { allGone, eventually, FileWorld, isSame, MIB, next, saved } from "./world.ts";

const SIZE = 20 * MIB;

/** Writes other bytes into a file. `secretly`: neither size nor time tell of it. */
function edit(path: string, random: Random, secretly: boolean): string {
  const before = statSync(path);
  const content = readFileSync(path);
  const ways = {
    byte: () => (content[random.int(content.length)]! ^= 1 + random.int(255)),
    tail: () => (content[content.length - 1 - random.int(1000)]! ^= 1),
    head: () => (content[random.int(1000)]! ^= 1),
    segment: () => content.set(random.bytes(1000), random.int(content.length - 1000)),
  };
  const names = Object.keys(ways) as (keyof typeof ways)[];
  const name = names[random.int(names.length)]!;
  ways[name]();
  writeFileSync(path, content);
  if (secretly) utimesSync(path, before.atimeMs / 1000, before.mtimeMs / 1000);
  return name;
}

/** Has the record of Alice's file say that it is as it is now: as where size, time and inode are the same although the content is another. */
async function forgeStamp(world: FileWorld, path: string): Promise<void> {
  const { size, mtimeNs, ino, dev } = statSync(path, { bigint: true });
  await world.look("alice", (store) =>
    store.write(async (tx) => {
      for (const [key, value] of await tx.list({ prefix: "out-file/" }))
        await tx.put(
          key,
          JSON.stringify({ ...JSON.parse(value as string), stamp: `${size} ${mtimeNs} ${ino} ${dev}` }),
        );
    }),
  );
}

describe("a file that changes", () => {
  test("once while it is sent is sent as it is then, twice and its message fails, and nothing of it stays", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const other = world.file("other", 1000);
    const path = world.file("a", 5 * MIB);
    world.proxy.hold();
    const sent = await alice.send("bob", "x", { files: [other, path] });
    await eventually("both have begun", () => world.proxy.held > 1);
    world.append(path, "more");
    world.proxy.cut();
    await eventually("they are cut", () => world.proxy.held === 0);
    await eventually("both have begun again", () => world.proxy.held > 1);
    world.proxy.letGo();
    await sent.stored();
    const { files } = await next(bob);
    expect(isSame(await files[1]!.save(world.path("in")), path)).toBe(true);

    world.proxy.hold();
    const again = await alice.send("bob", "y", { files: [other, path] });
    for (const more of ["one", "two"]) {
      await eventually("it has begun", () => world.proxy.held > 1);
      world.append(path, more);
      world.proxy.cut();
      await eventually("it is cut", () => world.proxy.held === 0);
    }
    await again.stored().catch(() => undefined);
    world.proxy.letGo();
    await expect(again.stored()).rejects.toMatchObject({ code: "failed", reason: "file_changed" });
    await files[0]!.save(world.path("in"));
    await allGone(world);
    expect(world.proxy.conflicts).toEqual([]);
  });

  test("its place, is removed, or becomes something else, is no file that could be sent", async () => {
    await using world = await FileWorld.create();
    const alice = await world.open("alice");
    await world.open("bob");
    world.proxy.hold();
    for (const change of [(path: string) => rmSync(path), (path: string) => renameSync(path, `${path} moved`)]) {
      const path = world.file("a", 5 * MIB);
      const sent = await alice.send("bob", "x", { files: [path] });
      await eventually("it has begun", () => world.proxy.held > 0);
      change(path);
      world.proxy.cut();
      await eventually("it is cut", () => world.proxy.held === 0);
      await expect(sent.stored()).rejects.toMatchObject({ code: "failed", reason: "file_gone" });
    }
    world.proxy.letGo();
    await allGone(world);
  });

  test("and is cut short while it is read, is not sent half", async () => {
    await using world = await FileWorld.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const path = world.file("a", 30 * MIB);
    world.proxy.bytesPerMs = 30_000;
    const sent = await alice.send("bob", "x", { files: [path] });
    await eventually("a part has left", () => world.proxy.up > 9 * MIB);
    truncateSync(path, 21 * MIB + 5);
    world.proxy.bytesPerMs = Infinity;
    await sent.stored();
    const { files } = await next(bob);
    expect(readFileSync(await files[0]!.save(world.path("in"))).length).toBe(21 * MIB + 5);
    expect([world.proxy.sent.size, world.proxy.conflicts]).toEqual([2, []]);
  });

  test(
    `between one process and the next, in whatever way, is sent whole as it is then (SEED=${seed})`,
    { tags: ["long"] },
    async () => {
      const random = new Random();
      await using world = await FileWorld.create();
      const bob = await world.open("bob");
      for (let round = 0; round < 6; round++) {
        const path = world.file(`file ${round}`, SIZE);
        const alice = await world.open("alice");
        world.proxy.up = 0;
        world.proxy.bytesPerMs = 40_000;
        const until = random.int(SIZE - MIB);
        const sent = await alice.send("bob", `${round}`, { files: [path] });
        await eventually("some of it has left", () => world.proxy.up > until);
        // At any moment: while it is read, or when nobody sends it.
        if (random.int(2) === 0) await alice.close();
        const secretly = random.int(3) > 0;
        edit(path, random, secretly);
        if (random.int(2) === 0) world.proxy.cut();
        await alice.close();
        if (secretly) await forgeStamp(world, path);
        world.proxy.bytesPerMs = Infinity;
        const later = await world.open("alice");
        await (await later.sent(sent.id))!.stored();
        await later.close();
      }
      let count = 0;
      for await (const { id, body } of bob.messages()) {
        const path = await saved(bob, id, world.path("in"));
        // What had left before it was edited, and is the same in both, need not be sent again.
        expect(isSame(path, world.path("out", `file ${body}`))).toBe(true);
        if ((count += 1) === 6) break;
      }
      await (await world.open("alice")).sync();
      expect(world.proxy.conflicts).toEqual([]);
      await allGone(world);
    },
  );
});
