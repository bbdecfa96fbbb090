// @module-tag long
/** What happens to a file when connections, processes and relays end while it is under way: it goes on from where it was. */
import { cpSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { Sent } from "../../src/index.ts";
import { blobLength } from "../../src/records/files.ts";
import { allGone, eventually, FileWorld, isSame, MIB, next, saved } from "./world.ts";

const PIECE = 8 * MIB;
/** Of three pieces. */
const SIZE = 2 * PIECE + MIB;
/** Of several segments, in one piece: where it does not matter when it is cut. */
const SMALL = 3 * MIB;

/** What a file takes at the relay. */
const sealed = (bytes: number) => blobLength({ bytes });

/** Alice, who sends a file to Bob that is under way until the world's proxy cuts it, or lets it go. */
async function sending(bytes = SIZE) {
  const world = await FileWorld.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await bob.sync();
  const path = world.file("large", bytes);
  return { world, alice, bob, path };
}

function copyStore(world: FileWorld): void {
  cpSync(join(world.home, "alice"), world.path("copy"), { recursive: true });
}

function putBack(world: FileWorld): void {
  rmSync(join(world.home, "alice"), { recursive: true });
  cpSync(world.path("copy"), join(world.home, "alice"), { recursive: true });
}

/** A file that is sent, up to `end`, of which Alice's store knows nothing any more but that it is to be sent. @returns the message's id */
async function sentBeforeCopy(
  { world, alice, path }: Omit<Awaited<ReturnType<typeof sending>>, "bob">,
  end: (sent: Sent) => Promise<unknown>,
): Promise<string> {
  world.proxy.hold();
  const { id } = await alice.send("bob", "x", { files: [path] });
  await eventually("it is to begin", () => world.proxy.held > 0);
  await alice.close();
  copyStore(world);
  world.proxy.letGo();
  const newer = await world.open("alice");
  await end((await newer.sent(id))!);
  await newer.close();
  putBack(world);
  return id;
}

describe("a file on its way to the relay", () => {
  test("goes on where it was when its connection is cut, again and again", { tags: ["long"] }, async () => {
    const { world: opened, alice, bob, path } = await sending();
    await using world = opened;
    world.proxy.cutUpIn = 5 * MIB + 77;
    const sent = await alice.send("bob", "x", { files: [path] });
    for (const after of [1, MIB, 3 * MIB, 2 * PIECE]) {
      await eventually("it was cut", () => world.proxy.cutUpIn === Infinity);
      world.proxy.cutUpIn = after;
    }
    await sent.received();
    const message = await next(bob);
    expect(isSame(await message.files[0]!.save(world.path("in")), path)).toBe(true);
    // One blob, of which what was under way left twice.
    expect([world.proxy.sent.size, world.proxy.conflicts]).toEqual([1, []]);
    expect(world.proxy.up).toBeLessThan(sealed(SIZE) + 5 * MIB);
  });

  test("goes on in another process when its own closes, and what has left does not leave again", async () => {
    const { world: opened, alice, bob, path } = await sending();
    await using world = opened;
    const link = await world.open("alice");
    await link.sync();
    world.proxy.bytesPerMs = 20_000;
    const sent = await alice.send("bob", "x", { files: [path] });
    await eventually("half of it is up", () => world.proxy.up > SIZE / 2);
    await alice.close();
    world.proxy.bytesPerMs = Infinity;
    await (await link.sent(sent.id))!.received();
    expect(isSame(await saved(bob, (await next(bob)).id, world.path("in")), path)).toBe(true);
    expect([world.proxy.sent.size, world.proxy.conflicts]).toEqual([1, []]);
    expect(world.proxy.up).toBeLessThanOrEqual(sealed(SIZE) + 2 * PIECE);
  });

  test("goes on with the next command when nobody is there", async () => {
    const { world: opened, alice, bob, path } = await sending();
    await using world = opened;
    world.proxy.bytesPerMs = 20_000;
    const { id } = await alice.send("bob", "x", { files: [path] });
    await eventually("a part of it is up", () => world.proxy.up > PIECE + MIB);
    await alice.close();
    world.proxy.bytesPerMs = Infinity;
    const again = await world.open("alice");
    await (await again.sent(id))!.received();
    expect(isSame(await saved(bob, (await next(bob)).id, world.path("in")), path)).toBe(true);
    expect([world.proxy.sent.size, world.proxy.conflicts]).toEqual([1, []]);
    expect(world.proxy.up).toBeLessThanOrEqual(sealed(SIZE) + 2 * PIECE);
  });

  test("goes on when the relay was away, and has forgotten what it had not answered", async () => {
    const { world: opened, alice, bob, path } = await sending();
    await using world = opened;
    world.proxy.bytesPerMs = 20_000;
    const sent = await alice.send("bob", "x", { files: [path] });
    await eventually("a part of it is up", () => world.proxy.up > PIECE + MIB);
    await world.stopRelay();
    world.proxy.bytesPerMs = Infinity;
    await world.startRelay();
    await sent.received();
    expect(isSame(await saved(bob, (await next(bob)).id, world.path("in")), path)).toBe(true);
    expect([world.proxy.sent.size, world.proxy.conflicts]).toEqual([1, []]);
  });

  test(
    "[P-14.4] goes on where the relay says, however much that has lost, and what is sent once more is the same",
    { tags: ["long"] },
    async () => {
      const { world: opened, alice, bob } = await sending(SMALL);
      await using world = opened;
      const path = world.file("larger", 40 * MIB);
      await (await alice.send("bob", "hello")).received();
      const sent = await alice.send("bob", "x", { files: [path] });
      world.proxy.bytesPerMs = 20_000;
      await eventually("a piece is up", () => world.proxy.up > PIECE + MIB);
      world.proxy.cut();
      world.proxy.hold();
      await world.stopRelay();
      cpSync(world.relayFolder, world.path("older"), { recursive: true });
      await world.startRelay();
      world.proxy.letGo();
      await eventually("much more of it is", () => world.proxy.up > 32 * MIB);
      await world.stopRelay();
      rmSync(world.relayFolder, { recursive: true });
      cpSync(world.path("older"), world.relayFolder, { recursive: true });
      world.proxy.bytesPerMs = Infinity;
      world.proxy.up = 0;
      await world.startRelay();
      await sent.received();
      expect(isSame(await saved(bob, (await bob.inbox()).at(-1)!.id, world.path("in")), path)).toBe(true);
      expect([world.proxy.sent.size, world.proxy.conflicts]).toEqual([1, []]);
      expect(world.proxy.up).toBeGreaterThan(22 * MIB);
    },
  );

  test("goes on by another token when its own is void", async () => {
    const { world: opened, alice, bob, path } = await sending(SMALL);
    await using world = opened;
    let refusals = 2;
    world.proxy.answer = ({ method }) => (method === "PATCH" && refusals-- > 0 ? { status: 404 } : undefined);
    const sent = await alice.send("bob", "x", { files: [path] });
    await sent.received();
    expect(isSame(await saved(bob, (await next(bob)).id, world.path("in")), path)).toBe(true);
    const tokens = new Set(
      world.proxy.requests.filter(({ method }) => method === "PATCH").map(({ headers }) => headers.authorization),
    );
    expect([world.proxy.sent.size, tokens.size]).toEqual([1, 3]);
  });

  test("is brought in smaller pieces where a proxy takes no larger ones", async () => {
    const { world: opened, alice, bob, path } = await sending(SMALL);
    await using world = opened;
    world.proxy.answer = ({ headers }) =>
      Number(headers["content-length"] ?? 0) > MIB ? { status: 413, isForeign: true } : undefined;
    const sent = await alice.send("bob", "x", { files: [path] });
    await sent.received();
    expect(isSame(await saved(bob, (await next(bob)).id, world.path("in")), path)).toBe(true);
    expect(world.proxy.sent.size).toBe(1);
  });

  test("[R-19] is not taken for one that is up by an answer that makes no sense", { tags: ["long"] }, async () => {
    const { world: opened, alice, bob, path } = await sending();
    await using world = opened;
    const lies = ["", "x", "-1", String(10 * SIZE), "0"];
    world.proxy.answer = ({ method }) => {
      const lie = method === "PATCH" ? lies.pop() : undefined;
      return lie === undefined ? undefined : { status: 204, headers: { "upload-offset": lie } };
    };
    const sent = await alice.send("bob", "x", { files: [path] });
    await sent.received();
    expect(isSame(await saved(bob, (await next(bob)).id, world.path("in")), path)).toBe(true);
    expect(lies).toEqual([]);
  });

  test("begins anew under another key when an old copy of the store is put back", async () => {
    const { world: opened, alice, bob, path } = await sending();
    await using world = opened;
    world.proxy.bytesPerMs = 20_000;
    const { id } = await alice.send("bob", "x", { files: [path] });
    await eventually("it has begun", () => world.proxy.up > MIB);
    await alice.close();
    copyStore(world);
    const newer = await world.open("alice");
    world.proxy.bytesPerMs = 20_000;
    await (await newer.sent(id))!.status();
    await eventually("more has left", () => world.proxy.up > 14 * MIB);
    await newer.close();
    world.proxy.bytesPerMs = Infinity;
    putBack(world);
    const older = await world.open("alice");
    await (await older.sent(id))!.received();
    expect(isSame(await saved(bob, (await next(bob)).id, world.path("in")), path)).toBe(true);
    expect([world.proxy.sent.size, world.proxy.conflicts]).toEqual([2, []]);
    await allGone(world);
  });

  test("is sent again when an old copy of a store is put back that does not know that it was sent", async () => {
    const { world: opened, alice, bob, path } = await sending(SMALL);
    await using world = opened;
    const id = await sentBeforeCopy({ world, alice, path }, (sent) => sent.received());
    const older = await world.open("alice");
    const message = await next(bob);
    await (await older.sent(id))!.received();
    expect(isSame(await saved(bob, message.id, world.path("in")), path)).toBe(true);
    expect([(await bob.inbox()).length, world.proxy.conflicts]).toEqual([1, []]);
    await allGone(world);
  });
});

test("a file of which an old copy of a store knows nothing is told of anew, although its message is handled meanwhile", async () => {
  const { world: opened, alice, bob, path } = await sending(SMALL);
  await using world = opened;
  const id = await sentBeforeCopy({ world, alice, path }, (sent) => sent.stored());
  const message = await next(bob);
  world.proxy.hold();
  const older = await world.open("alice");
  await (await older.send("bob", "I am another device now")).received();
  await message.handled();
  await (await older.sent(id))!.handled();
  const other = await older.send("bob", "another", { files: [world.file("small", 1000)] });
  world.proxy.letGo();
  await other.received();
  expect(isSame(await saved(bob, message.id, world.path("in")), path)).toBe(true);
  await saved(bob, (await bob.inbox()).at(-1)!.id, world.path("in"));
  await allGone(world);
  expect(world.proxy.conflicts).toEqual([]);
});

test("an old copy is known by a message that waited for its file in it, although it has tried to log in more often since", async () => {
  const { world: opened, alice, bob, path } = await sending(SMALL);
  await using world = opened;
  await (await alice.send("bob", "hello")).received();
  world.proxy.hold();
  const { id } = await alice.send("bob", "x", { files: [path] });
  await eventually("it is to begin", () => world.proxy.held > 0);
  await alice.close();
  copyStore(world);
  world.proxy.letGo();
  const newer = await world.open("alice");
  await (await newer.sent(id))!.stored();
  await newer.close();
  putBack(world);
  await world.look("alice", (store) =>
    store.write(async (tx) => {
      const relay = JSON.parse((await tx.get("meta/relay")) as string) as { login_counter: number };
      await tx.put("meta/relay", JSON.stringify({ ...relay, login_counter: relay.login_counter + 5 }));
    }),
  );
  const older = await world.open("alice");
  await (await older.send("bob", "after it")).received();
  expect((await older.alerts()).map(({ kind }) => kind)).toContain("old_copy");
  await (await older.sent(id))!.received();
  expect((await bob.inbox()).map(({ body }) => body)).toEqual(["hello", "x", "after it"]);
});

describe("a file on its way to its reader", () => {
  test("goes on where it was when its connection is cut, in another process, too", async () => {
    const { world: opened, alice, bob, path } = await sending();
    await using world = opened;
    await alice.send("bob", "x", { files: [path] });
    const { id, files } = await next(bob);
    for (const after of [1, MIB, 10 * MIB]) {
      world.proxy.cutDownIn = after;
      await eventually("it was cut", async () => {
        const saving = files[0]!.save(world.path("in"), { signal: AbortSignal.timeout(200) }).catch(() => undefined);
        return (await saving) !== undefined || world.proxy.cutDownIn === Infinity;
      });
    }
    world.proxy.down = 0;
    world.proxy.bytesPerMs = 20_000;
    const saving = files[0]!.save(world.path("in")).catch((error: { code?: string }) => error.code);
    await eventually("more of it is there", () => world.proxy.down > 4 * MIB || world.names("in").includes("large"));
    await bob.close();
    world.proxy.bytesPerMs = Infinity;
    expect(["aborted", world.path("in", "large")]).toContain(await saving);
    const again = await world.open("bob");
    expect(isSame(await saved(again, id, world.path("in")), path)).toBe(true);
    expect(world.names("in")).toEqual(["large"]);
    await allGone(world);
  });

  test(
    "goes on when it is cut behind its header, and in the midst of its first segment",
    { tags: ["long"] },
    async () => {
      const { world: opened, alice, bob, path } = await sending();
      await using world = opened;
      await alice.send("bob", "x", { files: [path] });
      const { files } = await next(bob);
      const saving = files[0]!.save(world.path("in"));
      for (const after of [100_000, MIB - 1, MIB + 1]) {
        world.proxy.cutDownIn = after;
        await eventually("it was cut", () => world.proxy.cutDownIn === Infinity);
      }
      expect(isSame(await saving, path)).toBe(true);
      expect(world.proxy.sent.size).toBe(1);
    },
  );

  test("is fetched once by two processes, and by two who ask in one", async () => {
    const { world: opened, alice, bob, path } = await sending(SMALL);
    await using world = opened;
    await alice.send("bob", "x", { files: [path] });
    const { id, files } = await next(bob);
    const other = await world.open("bob");
    world.proxy.down = 0;
    const paths = await Promise.all([
      files[0]!.save(world.path("in")),
      files[0]!.save(world.path("in")),
      (await other.message(id)).files[0]!.save(world.path("in")),
    ]);
    expect(new Set(paths)).toEqual(new Set([world.path("in", "large")]));
    expect(world.names("in")).toEqual(["large"]);
    expect(world.proxy.down).toBeLessThan(sealed(SMALL) + MIB);
  });

  test("is there once when a process takes it over from one that lives, since the clock was set", async () => {
    const { world: opened, alice, bob, path } = await sending(SMALL);
    await using world = opened;
    await alice.send("bob", "x", { files: [path] });
    const { id, files } = await next(bob);
    const other = await world.open("bob");
    world.proxy.hold();
    const first = files[0]!.save(world.path("in"));
    await eventually("it is under way", () => world.proxy.held > 0);
    const now = Date.now;
    const clock = vi.spyOn(Date, "now").mockImplementation(() => now() + 3_600_000);
    onTestFinished(() => clock.mockRestore());
    const second = (await other.message(id)).files[0]!.save(world.path("in"));
    await eventually("the other has it, too", () => world.proxy.held > 1);
    world.proxy.letGo();
    expect(await Promise.all([first, second])).toEqual(Array(2).fill(world.path("in", "large")));
    expect(world.names("in")).toEqual(["large"]);
    expect(isSame(world.path("in", "large"), path)).toBe(true);
  });

  test("ends when nobody waits for it any more, and when its agent closes", async () => {
    const { world: opened, alice, bob, path } = await sending(SMALL);
    await using world = opened;
    await alice.send("bob", "x", { files: [path] });
    const { files } = await next(bob);
    world.proxy.hold();
    const abort = new AbortController();
    const saving = files[0]!.save(world.path("in"), { signal: abort.signal });
    await eventually("it is under way", () => world.proxy.held > 0);
    abort.abort();
    await expect(saving).rejects.toMatchObject({ code: "aborted" });
    const another = files[0]!.save(world.path("in")).catch((error: { code?: string }) => error.code);
    await bob.close();
    expect(await another).toBe("aborted");
    await expect(files[0]!.save(world.path("in"))).rejects.toMatchObject({ code: /aborted|closed/ });
  });

  test("has its whole content in its name, or none", async () => {
    const { world: opened, alice, bob, path } = await sending(PIECE);
    await using world = opened;
    await alice.send("bob", "x", { files: [path] });
    const { files } = await next(bob);
    world.proxy.bytesPerMs = 20_000;
    const saving = files[0]!.save(world.path("in"));
    let looks = 0;
    for (let isOver = false; !isOver; looks++) {
      isOver = await Promise.race([
        saving.then(() => true),
        new Promise<false>((resolve) => setTimeout(resolve, 20, false)),
      ]);
      if (!isOver && world.names("in").includes("large"))
        expect(readFileSync(world.path("in", "large")).length).toBe(PIECE);
    }
    expect(looks).toBeGreaterThan(3);
    expect(isSame(await saving, path)).toBe(true);
  });
});
