// @module-tag long
/** A message that ends while its files are under way: nothing of them stays, here, at the relay, or in a store. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { Agent } from "../../src/node/index.ts";
import { allGone, eventually, FileWorld, isSame, MIB, next, saved } from "./world.ts";

const KEY = /"(?:key|read_token|token)":"[A-Za-z0-9+/=]{20,}"/;

/** Alice, of whose two files one is up and the other is held at the proxy. */
async function halfUp(options: { expiresIn?: number } = {}) {
  const world = await FileWorld.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await bob.sync();
  await (await alice.send("bob", "hello")).received();
  const paths = [world.file("small", 1000), world.file("large", 12 * MIB)];
  world.proxy.cutUpIn = 3 * MIB;
  const sent = await alice.send("bob", "x", { files: paths, ...options });
  await eventually("one is up", async () => (await sent.status()).files?.[0]?.state === "up");
  world.proxy.hold();
  await eventually("the other is held", () => world.proxy.held > 0);
  return { world, alice, bob, paths, sent };
}

/** Nothing is to be done for any file, and no key of one is kept. */
async function nothingStays(world: FileWorld, ...agents: string[]): Promise<void> {
  await allGone(world);
  for (const agent of agents) {
    await eventually(`${agent} has nothing to do`, async () => (await world.records(agent, "blob/")).length === 0);
    const rows = [...(await world.records(agent, "out-file/")), ...(await world.records(agent, "in/"))];
    expect(rows.filter(([, value]) => KEY.test(value))).toEqual([]);
  }
}

describe("a message with files that are half up", () => {
  test("is discarded", async () => {
    const { world: opened, alice, bob, sent } = await halfUp();
    await using world = opened;
    await alice.outbox.discard(sent.id);
    world.proxy.letGo();
    await nothingStays(world, "alice");
    expect([(await sent.status()).state, (await bob.inbox()).length]).toEqual(["failed", 1]);
    expect(await alice.outbox.drained()).toBe(0);
  });

  test("is for somebody who is blocked meanwhile", async () => {
    const { world: opened, alice, bob, sent } = await halfUp();
    await using world = opened;
    await alice.block("bob");
    world.proxy.letGo();
    await nothingStays(world, "alice");
    expect([(await sent.status()).reason, (await bob.inbox()).length]).toEqual(["blocked", 1]);
  });

  test("expires meanwhile", async () => {
    const { world: opened, alice, bob, sent } = await halfUp({ expiresIn: 3_000 });
    await using world = opened;
    await expect(sent.stored()).rejects.toMatchObject({ code: "expired" });
    world.proxy.letGo();
    await nothingStays(world, "alice");
    expect((await bob.inbox()).length).toBe(1);
    await alice.close();
  });

  test("is of an agent that is removed", async () => {
    const { world: opened, alice } = await halfUp();
    await using world = opened;
    expect(await alice.unregister()).toBe(true);
    expect(world.names("home")).toEqual(["bob"]);
    await allGone(world);
  });

  test("is sent once more as another message, with its files, when its owner asks for that", async () => {
    const { world: opened, alice, bob, sent, paths } = await halfUp();
    await using world = opened;
    await alice.block("bob");
    world.proxy.letGo();
    await alice.allow("bob");
    const again = await alice.outbox.retry(sent.id);
    expect(again.id).not.toBe(sent.id);
    await again.received();
    await (await next(bob)).handled();
    const { files } = await next(bob);
    for (const [index, file] of files.entries())
      expect(isSame(await file.save(world.path("in")), paths[index]!)).toBe(true);
    await nothingStays(world, "alice", "bob");
  });
});

async function waiting() {
  const world = await FileWorld.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await bob.requests.setPolicy("contacts");
  await bob.sync();
  const path = world.file("a", MIB);
  const sent = await alice.send("bob", "x", { files: [path] });
  await sent.received();
  return { world, alice, bob, path, sent };
}

describe("a message with files that waits for consent", () => {
  test("has them when it is accepted", async () => {
    const { world: opened, bob, path } = await waiting();
    await using world = opened;
    expect((await bob.requests.show("alice"))[0]?.files).toMatchObject([{ name: "a", bytes: MIB }]);
    await bob.requests.accept("alice");
    expect(isSame(await saved(bob, (await next(bob)).id, world.path("in")), path)).toBe(true);
    await nothingStays(world, "alice", "bob");
  });

  test("and is refused leaves nothing at the relay", async () => {
    const { world: opened, bob, sent } = await waiting();
    await using world = opened;
    await bob.requests.refuse("alice");
    await expect(sent.handled()).rejects.toMatchObject({ code: "refused" });
    await nothingStays(world, "alice", "bob");
  });
});

/** Waits until a store has been swept at the present time. */
async function swept(world: FileWorld, agent: Agent, prefix: string, count: number): Promise<void> {
  await agent.sync();
  await eventually(`${count} records are left of ${prefix}`, async () => {
    return (await world.records(agent.username, prefix)).length === count;
  });
}

describe("what is kept of files", () => {
  test("goes when their messages do, and their keys when the relay forgets them; a part that nobody goes on with is removed", async () => {
    const day = 86_400_000;
    await using world = await FileWorld.create({ clock: () => Date.now(), uptime: () => Date.now() });
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const paths = ["one", "two", "three", "four"].map((name) => world.file(name, 2 * MIB));
    await alice.send("bob", "x", { files: paths });
    const message = await next(bob);
    await message.files[0]!.save(world.path("in"));
    world.proxy.cutDownIn = MIB + 5000;
    const abort = new AbortController();
    const saving = message.files[1]!.save(world.path("in"), { signal: abort.signal }).catch(() => "aborted");
    await eventually("it was cut", () => world.proxy.cutDownIn === Infinity);
    world.proxy.hold();
    abort.abort();
    expect(await saving).toBe("aborted");
    expect(world.names("in").length).toBe(2);
    world.proxy.letGo();
    await message.handled();
    await eventually("alice knows", async () => (await alice.outbox.list({ all: true }))[0]?.state === "handled");
    const keys = async () => (await world.records("bob", "in/")).filter(([, value]) => KEY.test(value)).length;
    expect(await keys()).toBe(1);
    await Promise.all([alice.close(), bob.close()]);
    const now = Date.now;
    let ahead = 8 * day;
    const clock = vi.spyOn(Date, "now").mockImplementation(() => now() + ahead);
    onTestFinished(() => clock.mockRestore());
    const later = [await world.open("alice"), await world.open("bob")] as const;
    await later[1].sync();
    await eventually("the body is gone", async () => (await world.records("bob", "in-body/")).length === 0);
    await eventually("the part is gone", () => world.names("in").length === 1);
    await eventually("nothing is known of it", async () => (await world.records("bob", "part/")).length === 0);
    const again = (await later[1].message(message.id)).files;
    expect(isSame(await again[3]!.save(world.path("in")), paths[3]!)).toBe(true);
    expect(await again[0]!.save(world.path("in"))).toBe(world.path("in", "one"));
    await Promise.all(later.map((agent) => agent.close()));
    ahead = 16 * day;
    const late = await world.open("bob");
    await late.sync();
    await eventually("their keys are gone", async () => (await keys()) === 0);
    await expect((await late.message(message.id)).files[2]!.save(world.path("in"))).rejects.toMatchObject({
      reason: "file_expired",
    });
    await late.close();
    ahead = 40 * day;
    const last = [await world.open("alice"), await world.open("bob")] as const;
    await swept(world, last[1], "in-file/", 0);
    await swept(world, last[0], "out-file/", 0);
    await allGone(world);
  });

  test("is no key, in no file of any agent, when all of them are fetched; and nothing but sizes at the relay", async () => {
    await using world = await FileWorld.create({ logLevel: "debug" } as object);
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    const name = "geheimer Bericht.geheim";
    const content = Buffer.alloc(2 * MIB, "a text that nobody else may read");
    world.file(name, content);
    await alice.send("bob", "x", {
      files: [
        { path: world.path("out", name), type: "application/x-geheim" },
        { stream: once(content), name: "strom.geheim" },
      ],
    });
    const message = await next(bob);
    const before = [...(await world.records("alice", "out-file/")), ...(await world.records("bob", "in/"))];
    const secrets = before.flatMap(([, value]) =>
      [...value.matchAll(/"(?:key|token|read_token|sha256)":"([A-Za-z0-9+/=]{20,})"/g)].map((match) => match[1]!),
    );
    const spoolKey = before.flatMap(([, value]) =>
      [...value.matchAll(/spool:[0-9a-f]+:([\w-]+)/g)].map((match) => match[1]!),
    );
    expect(secrets.length).toBeGreaterThan(7);
    const relay = bytesBelow(world.relayFolder);
    for (const secret of [...secrets, "geheim", content.toString("latin1", 0, 64)])
      for (const form of [secret, Buffer.from(secret, "base64").toString("latin1")])
        if (form.length > 3) expect(relay.includes(Buffer.from(form, "latin1")), secret).toBe(false);
    // Nor for whom they are.
    using db = new DatabaseSync(join(world.relayFolder, "relay.db"), { readOnly: true });
    const rows = db.prepare("SELECT * FROM blobs").all();
    expect([rows.length, rows.filter((row) => Object.values(row).includes("bob"))]).toEqual([2, []]);
    for (const file of message.files) await file.save(world.path("in"));
    await message.handled();
    await nothingStays(world, "alice", "bob");
    const keys = before.flatMap(([, value]) =>
      [...value.matchAll(/"(?:key|read_token)":"([A-Za-z0-9+/=]{40,})"/g)].map((match) => match[1]!),
    );
    for (const agent of ["alice", "bob"])
      await eventually(`${agent} has forgotten them`, () => {
        const found = bytesBelow(join(world.home, agent));
        return ![...keys, ...spoolKey].some((key) => found.includes(Buffer.from(key)));
      });
  });
});

async function* once(content: Uint8Array) {
  yield content;
}

function bytesBelow(folder: string): Buffer {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Buffer.concat(files.map((file) => readFileSync(join(file.parentPath, file.name))));
}

test("a file that never ends up leaves no rejection behind that nobody handles", async () => {
  const unhandled = vi.fn();
  process.on("unhandledRejection", unhandled);
  const { world: opened, alice } = await halfUp();
  await using world = opened;
  await alice.close();
  world.proxy.letGo();
  await new Promise((resolve) => setTimeout(resolve, 50));
  process.off("unhandledRejection", unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});
