/** Files to groups: brought once, fetched by each of their members. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { Program } from "../../../../test/processes/processes.ts";
import { makeBackup, readBackup, restoreBackup } from "../../src/agent/backup.ts";
import type { Agent, Sent } from "../../src/node/index.ts";
import { randomId } from "../../src/protocol/index.ts";
import { owed } from "../../src/records/owed.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { get, put } from "../../src/records/records.ts";
import { MemoryFolder, MemoryStore } from "../../src/store/memory.ts";
import { allGone, eventually, FileWorld, isSame, MIB, next, saved } from "./world.ts";

/** Agents of these names, of which the first has founded a group of all. */
async function team<T extends string>(world: FileWorld, ...names: T[]): Promise<Record<T, Agent>> {
  const agents = new Map<string, Agent>();
  for (const name of names) {
    const agent = await world.open(name);
    await agent.sync();
    agents.set(name, agent);
  }
  const [founder, ...others] = names as string[];
  await agents.get(founder!)!.groups.create("team", others);
  for (const name of others)
    await eventually(`${name} is in it`, async () => (await agents.get(name)!.groups.list()).length === 1);
  return Object.fromEntries(agents) as Record<T, Agent>;
}

/** Waits until the sender has heard that these have all files of a message. */
function heard(sent: Sent, ...names: string[]): Promise<true> {
  const isSo = async () => (await sent.recipients()).fetched?.join() === names.join();
  return eventually(`its sender hears of ${names.join(" and ")}`, isSo);
}

describe("a file to a group", () => {
  test("is brought once, fetched by each member, and gone from the relay when the last one has it", async () => {
    await using world = await FileWorld.create();
    const { alice, bob, carol } = await team(world, "alice", "bob", "carol");
    const paths = [world.file("report.pdf", 2 * MIB), world.file("note.txt", "hello")];
    const sent = await alice.send("@team", "numbers", { files: paths });
    const [atBob, atCarol] = [await next(bob), await next(carol)];
    expect([atBob.group, atBob.body, ...atBob.files.map(({ name }) => name)]).toEqual([
      "team",
      "numbers",
      "report.pdf",
      "note.txt",
    ]);
    expect(world.blobs.length).toBe(2);
    using relay = new DatabaseSync(join(world.relayFolder, "relay.db"), { readOnly: true });
    expect(relay.prepare("SELECT readers FROM blobs").all()).toEqual([{ readers: 2 }, { readers: 2 }]);
    for (const [index, file] of atBob.files.entries())
      expect(isSame(await file.save(world.path("bob")), paths[index]!)).toBe(true);
    await atBob.handled();
    await heard(sent, "bob");
    expect((await sent.status()).files).toMatchObject([
      { name: "report.pdf", state: "up", fetched: 1 },
      { name: "note.txt", state: "up", fetched: 1 },
    ]);
    await atCarol.files[1]!.save(world.path("carol"));
    await eventually("one is gone", () => world.blobs.length === 1);
    expect(isSame(await atCarol.files[0]!.save(world.path("carol")), paths[0]!)).toBe(true);
    await atCarol.handled();
    await sent.handled();
    await allGone(world);
    await heard(sent, "bob", "carol");
    expect((await sent.status()).files).toMatchObject([
      { state: "fetched", fetched: 2 },
      { state: "fetched", fetched: 2 },
    ]);
  });

  test("lets other messages overtake its own, and goes with an answer to all", async () => {
    await using world = await FileWorld.create();
    const { alice, bob, carol } = await team(world, "alice", "bob", "carol");
    world.proxy.hold();
    const sent = await alice.send("@team", "first", { files: [world.file("large", MIB)] });
    await eventually("it is under way", () => world.proxy.held > 0);
    await (await alice.send("@team", "second")).received();
    world.proxy.letGo();
    await sent.received();
    const [second, first] = await bob.inbox();
    expect([second?.body, first?.body]).toEqual(["second", "first"]);
    const path = world.file("answer", "for all");
    const answer = await (await bob.message(first!.id)).reply("here", { files: [path] });
    await answer.received();
    for (const [name, agent] of [
      ["alice", alice],
      ["carol", carol],
    ] as const) {
      const entry = (await agent.inbox()).find(({ body }) => body === "here");
      const [file] = (await agent.message(entry!.id)).files;
      expect(isSame(await file!.save(world.path(name)), path)).toBe(true);
    }
    await heard(answer, "alice", "carol");
  });

  test("is not kept for whoever is removed, also when its message was handled long before", async () => {
    await using world = await FileWorld.create();
    const { alice, bob, carol } = await team(world, "alice", "bob", "carol");
    const sent = await alice.send("@team", "for two", { files: [world.file("a", "content")] });
    await (await next(carol)).handled();
    const message = await next(bob);
    await message.files[0]!.save(world.path("in"));
    await message.handled();
    await sent.handled();
    await heard(sent, "bob");
    expect(world.blobs.length).toBe(1);
    await alice.groups.remove("team", ["carol"]);
    await allGone(world);
    expect((await sent.status()).files).toMatchObject([{ state: "fetched", fetched: 1 }]);
    expect((await world.records("alice", "sent/")).length).toBe(0);
  });

  test("is nothing to whoever has not accepted the invitation, and is fetched when that is done", async () => {
    await using world = await FileWorld.create();
    const carol = await world.open("carol");
    await carol.requests.setPolicy("contacts");
    const { alice, bob } = await team(world, "alice", "bob", "carol");
    const path = world.file("a", 300_000);
    const sent = await alice.send("@team", "welcome", { files: [path] });
    const message = await next(bob);
    await message.files[0]!.save(world.path("bob"));
    await message.handled();
    await heard(sent, "bob");
    expect((await world.records("carol", "in/")).length).toBe(0);
    expect((await world.records("carol", "held/")).length).toBe(0);
    await carol.groups.accept("team");
    // What was kept for her tells of the same blob.
    const again = await next(carol);
    expect(world.blobs.length).toBe(1);
    expect(isSame(await again.files[0]!.save(world.path("carol")), path)).toBe(true);
    await again.handled();
    await sent.handled();
    await allGone(world);
    expect(world.proxy.sent.size).toBe(1);
  });

  test("stays for the others when its sender leaves", async () => {
    await using world = await FileWorld.create();
    const { alice, bob, carol } = await team(world, "alice", "bob", "carol");
    const path = world.file("a", "content");
    const sent = await bob.send("@team", "goodbye", { files: [path] });
    const [atAlice, atCarol] = [await next(alice), await next(carol)];
    await sent.received();
    await bob.groups.leave("team");
    await bob.sync();
    expect(world.blobs.length).toBe(1);
    for (const message of [atAlice, atCarol])
      expect(isSame(await message.files[0]!.save(world.path("in")), path)).toBe(true);
  });

  test("is in what a member is sent again that was restored from a backup", async () => {
    await using world = await FileWorld.create();
    const { bob, carol } = await team(world, "alice", "bob", "carol");
    const backup = await world.look("carol", makeBackup);
    await carol.close();
    const path = world.file("a", 300_000);
    const sent = await bob.send("@team", "in between", { files: [path] });
    await sent.stored();
    const store = new MemoryStore(new MemoryFolder());
    await restoreBackup(store, readBackup(JSON.stringify(backup)), nodeCryptoProvider);
    const restored = await world.openOver("carol", store);
    const message = await next(restored);
    expect(isSame(await message.files[0]!.save(world.path("carol")), path)).toBe(true);
    await heard(sent, "carol");
    expect(world.proxy.sent.size).toBe(1);
  });

  test("is not kept for whoever has blocked its sender", async () => {
    await using world = await FileWorld.create();
    const { alice, bob, carol } = await team(world, "alice", "bob", "carol");
    await carol.verify("alice");
    await carol.block("alice");
    const sent = await alice.send("@team", "for one", { files: [world.file("a", "content")] });
    const message = await next(bob);
    await message.files[0]!.save(world.path("in"));
    await message.handled();
    await allGone(world);
    await heard(sent, "bob");
    expect((await sent.recipients()).failed).toMatchObject([{ name: "carol", reason: "blocked" }]);
  });

  test("that one member cannot have is had by the others first, then brought anew, and that one is told", async () => {
    await using world = await FileWorld.create();
    const { alice, bob, carol } = await team(world, "alice", "bob", "carol");
    await (await world.open("dave")).sync();
    const path = world.file("a", 2 * MIB);
    const sent = await alice.send("@team", "damaged on its way to bob", { files: [path] });
    const [atBob, atCarol] = [await next(bob), await next(carol)];
    world.proxy.edit = (_passing, chunk) => chunk.map((byte) => byte ^ 1) as Buffer;
    await expect(atBob.files[0]!.save(world.path("bob"))).rejects.toMatchObject({ reason: "file_damaged" });
    world.proxy.edit = undefined;
    const unfetched = async () => (await sent.recipients()).unfetched ?? [];
    await eventually("its sender hears of bob", async () => (await unfetched()).length === 1);
    expect(await unfetched()).toEqual([{ name: "bob", file: 0, reason: "file_damaged" }]);
    // The blob is as it was for the others.
    expect([world.proxy.sent.size, world.blobs.length]).toEqual([1, 1]);
    await alice.groups.add("team", ["dave"]);
    const before = await world.records("dave", "in/");
    expect(isSame(await atCarol.files[0]!.save(world.path("carol")), path)).toBe(true);
    expect(isSame(await saved(bob, atBob.id, world.path("bob")), path)).toBe(true);
    await allGone(world);
    await heard(sent, "bob", "carol");
    expect((await sent.status()).files).toMatchObject([{ state: "fetched", fetched: 2 }]);
    expect(world.proxy.sent.size).toBe(2);
    expect(await world.records("alice", "queue/")).toEqual([]);
    expect(await world.records("dave", "in/")).toEqual(before);
  });

  test("is not brought anew for whoever could not have it and is removed", async () => {
    await using world = await FileWorld.create();
    const { alice, bob, carol } = await team(world, "alice", "bob", "carol");
    const path = world.file("a", "content");
    const sent = await alice.send("@team", "damaged on its way to bob", { files: [path] });
    const [atBob, atCarol] = [await next(bob), await next(carol)];
    world.proxy.edit = (_passing, chunk) => chunk.map((byte) => byte ^ 1) as Buffer;
    await expect(atBob.files[0]!.save(world.path("bob"))).rejects.toMatchObject({ reason: "file_damaged" });
    world.proxy.edit = undefined;
    await atBob.handled();
    await eventually("its sender hears so", async () => (await sent.recipients()).unfetched?.length === 1);
    await alice.groups.remove("team", ["bob"]);
    expect(isSame(await atCarol.files[0]!.save(world.path("carol")), path)).toBe(true);
    await allGone(world);
    expect(world.proxy.sent.size).toBe(1);
  });

  test("stays for the others whatever a member says of it again, and whatever somebody says whom it was not for", async () => {
    await using world = await FileWorld.create();
    const { alice, bob, carol } = await team(world, "alice", "bob", "carol");
    const dave = await world.open("dave");
    await dave.sync();
    const path = world.file("a", "content");
    const sent = await alice.send("@team", "for bob and carol", { files: [path] });
    await (await next(bob)).files[0]!.save(world.path("bob"));
    await heard(sent, "bob");
    await alice.groups.add("team", ["dave"]);
    await eventually("dave is in it", async () => (await dave.groups.list()).length === 1);
    const [[key] = [""]] = await world.records("alice", "team/");
    const to = `@${key.slice("team/".length)}.alice`;
    // What programs of theirs would say that keep to no rule.
    for (const [name, agent] of [
      ["bob", bob],
      ["dave", dave],
    ] as const) {
      await world.look(name, (store) =>
        store.write(async (tx) => {
          for (const file of [0, 0, 15])
            await tx.put(owed(to, "file", randomId()), JSON.stringify({ id: sent.id, file }));
          await tx.put(owed(to, "file", "x"), JSON.stringify({ id: sent.id, file: 0, reason: "fetched" }));
        }),
      );
      await agent.sync();
      await eventually("it is said", async () => (await world.records(name, "owed/")).length === 0);
    }
    await (await dave.send("@team", "is that all?")).received();
    expect((await sent.status()).files).toMatchObject([{ state: "up", fetched: 1 }]);
    expect((await sent.recipients()).fetched).toEqual(["bob"]);
    expect(isSame(await (await next(carol)).files[0]!.save(world.path("carol")), path)).toBe(true);
    await allGone(world);
  });

  test(
    "that nobody can have is brought anew three times, and then its sender is told who is without",
    { tags: ["long"] },
    async () => {
      await using world = await FileWorld.create();
      const { alice, bob, carol } = await team(world, "alice", "bob", "carol");
      const sent = await alice.send("@team", "damaged", { files: [world.file("a", "content")] });
      const messages = [
        [bob, await next(bob)],
        [carol, await next(carol)],
      ] as const;
      world.proxy.edit = (_passing, chunk) => chunk.map((byte) => byte ^ 1) as Buffer;
      const isOver = async (): Promise<boolean> => {
        for (const [agent, { id }] of messages)
          await expect((await agent.message(id)).files[0]!.save(world.path("in"))).rejects.toMatchObject({
            reason: "file_damaged",
          });
        return (await sent.status()).files?.[0]?.state === "failed";
      };
      await eventually("nothing is tried any more", isOver);
      expect((await sent.recipients()).unfetched).toEqual([
        { name: "bob", file: 0, reason: "file_damaged" },
        { name: "carol", file: 0, reason: "file_damaged" },
      ]);
      expect(world.proxy.sent.size).toBe(4);
      await allGone(world);
    },
  );

  test("comes whole, once, when its sender is killed while it is brought", { tags: ["long"] }, async () => {
    await using world = await FileWorld.create();
    const { alice, bob, carol } = await team(world, "alice", "bob", "carol");
    await alice.close();
    const path = world.file("large.bin", 8 * MIB);
    const child = fileURLToPath(new URL("file-child.ts", import.meta.url));
    const sender = new Program(["--conditions=@aimessage/source", child, "send", world.home, "alice", "@team", path]);
    try {
      for (const part of [MIB, 3 * MIB]) {
        world.proxy.bytesPerMs = 4_000;
        sender.start();
        await eventually("some has passed", () => world.proxy.up > part);
        await sender.end("SIGKILL");
      }
      world.proxy.bytesPerMs = Infinity;
      sender.start();
      for (const [name, agent] of [
        ["bob", bob],
        ["carol", carol],
      ] as const) {
        const message = await next(agent);
        expect(isSame(await message.files[0]!.save(world.path(name)), path)).toBe(true);
        await message.handled();
      }
      await eventually("its sender hears of it", () => sender.lines.length === 1);
      await allGone(world);
      expect([world.proxy.sent.size, world.proxy.conflicts]).toEqual([1, []]);
    } finally {
      await sender.end("SIGTERM");
    }
  });

  test("that was not there when it was to be brought goes with its message by outbox retry", async () => {
    await using world = await FileWorld.create();
    const { alice, bob } = await team(world, "alice", "bob", "carol");
    await world.stopRelay();
    const path = world.file("a", "content");
    const sent = await alice.send("@team", "again", { files: [path] });
    rmSync(path);
    await world.startRelay();
    await expect(sent.stored()).rejects.toMatchObject({ reason: "file_gone" });
    world.file("a", "content");
    const again = await alice.outbox.retry(sent.id);
    expect(again.to).toBe("@team");
    await again.stored();
    expect(isSame(await (await next(bob)).files[0]!.save(world.path("in")), path)).toBe(true);
  });

  test("ends with its message, and nothing of it stays, when its sender is removed before it is there", async () => {
    await using world = await FileWorld.create();
    const { alice, bob } = await team(world, "alice", "bob", "carol");
    world.proxy.hold();
    const sent = await bob.send("@team", "too late", { files: [world.file("a", MIB)] });
    await eventually("it is under way", () => world.proxy.held > 0);
    await alice.groups.remove("team", ["bob"]);
    await eventually("bob knows", async () => (await bob.groups.list()).length === 0);
    world.proxy.letGo();
    await expect(sent.stored()).rejects.toMatchObject({ reason: "not_a_member" });
    await allGone(world);
    expect(await world.records("bob", "queue/")).toEqual([]);
  });

  test("is refused where a relay takes no files", async () => {
    await using world = await FileWorld.create();
    const { alice } = await team(world, "alice", "bob", "carol");
    // As one of before says nothing of them.
    await world.look("alice", (store) =>
      store.write(async (tx) => put(tx, "meta/relay", "", { ...(await get(tx, "meta/relay"))!, blob_bytes: 0 })),
    );
    const files = [world.file("a", "content")];
    await expect(alice.send("@team", "in vain", { files })).rejects.toMatchObject({
      code: "bad_file",
      reason: "no_files",
    });
  });
});
