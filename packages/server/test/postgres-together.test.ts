// What one relay's store does while another one does something else to the same rows.
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { database, hasPostgres } from "../../../test/postgres.ts";
import { eventually } from "../../../test/waiting.ts";
import { BlockedGroups } from "../src/store/blocked-groups.ts";
import { DAY_MS, dayOf } from "../src/store/days.ts";
import { checkTables } from "../src/store/postgres/check.ts";
import { parseAddress } from "../src/store/postgres/link/address.ts";
import { Link } from "../src/store/postgres/link/link.ts";
import { openPostgresStore } from "../src/store/postgres/postgres.ts";
import type { SharedStore } from "../src/store/shared.ts";
import type { StoreLimits } from "../src/store/store.ts";
import { accepted, StoreWorld } from "../src/testing/store-world.ts";

const open = (url: string, limits: Partial<StoreLimits> = {}): Promise<StoreWorld> =>
  StoreWorld.open(async (options) => await openPostgresStore({ ...options, url }), limits);

/** A store whose clock moves whenever it looks at it. */
const openHasty = (url: string): Promise<StoreWorld> =>
  StoreWorld.open(async ({ limits, clock = Date.now }) => {
    let ticks = 0;
    return await openPostgresStore({ limits, clock: () => clock() + ticks++, url });
  });

const many = <T>(count: number, make: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at));
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text.padEnd(32));
const stays = async (url: string): Promise<void> => expect(await checkTables(url, "aimessage")).toEqual([]);
const file = (mailbox: number, requestId: string) => ({
  mailbox,
  requestId,
  bytes: 70_000,
  readers: 1,
  readHash: bytes("read"),
  tokenHash: bytes("token"),
  ttl: undefined,
});

/** What another relay does: it has a mailbox, and has read what lies there. */
async function anotherRelay(url: string, mailbox: number) {
  const link = new Link(parseAddress(url), { settings: { search_path: "aimessage" } });
  const sql = await link.use();
  await sql("BEGIN");
  await sql("SELECT 1 FROM mailboxes WHERE mailbox = $1 FOR NO KEY UPDATE", [mailbox]);
  return { sql, [Symbol.asyncDispose]: () => link.end() };
}

describe.runIf(hasPostgres)("a large decision comes to an end", () => {
  test("a sweep that finds messages of many for many", async () => {
    const url = await database();
    await using world = await openHasty(url);
    const agents = await Promise.all(many(60, (at) => world.agent(`agent${at}`)));
    for (const [at, from] of agents.entries()) {
      const to = agents[(at + 1) % agents.length]!;
      accepted(await world.open(from, to, `g${at}`));
      const group = { groupId: `g${at}`, epoch: 1, expiresAt: world.now + 3_600_000 };
      accepted(await world.send(from, to.username, group));
    }
    world.now += DAY_MS;
    await expect(world.store.sweep()).resolves.toMatchObject({ expired: 60, unnoticed: 0 });
    await stays(url);
  });

  test("a team of many, and who of them is there when somebody has left it", async () => {
    const url = await database();
    await using world = await openHasty(url);
    const [founder, leaver, ...others] = await Promise.all(many(70, (at) => world.agent(`agent${at}`)));
    accepted(await world.found(founder!, [leaver!, ...others], "t".repeat(64)));
    const request = { sender: leaver!.mailbox, groupId: "t".repeat(64), kind: "leave", statement: "bGVhdmU=" } as const;
    await expect(world.store.keepStatement(request)).resolves.toBeUndefined();
    await world.store.listen(others[0]!.mailbox);
    await expect(world.store.offers([others[0]!.mailbox])).resolves.toMatchObject({ offers: [{ username: "agent1" }] });
    await stays(url);
  });
});

describe.runIf(hasPostgres)("two stores", () => {
  test("one that has begun just now is woken by the other, and known to listen", async () => {
    const url = await database();
    await using world = await open(url);
    const [tick, tack] = [await world.token("tick"), await world.token("tack")];
    await using other = await open(url);
    const woken: number[] = [];
    const ears = { wake: (mailboxes: number[]) => void woken.push(...mailboxes) };
    (other.store as SharedStore).bus.hear(ears as never);
    await other.store.listen(tack.mailbox);
    expect(accepted(await world.send(tick, "tack")).listening).toBe(true);
    await eventually("the other one is woken", () => woken.includes(tack.mailbox));
  });

  test("give up a mailbox that is theirs, and none that the other has taken over", async () => {
    const url = await database();
    await using world = await open(url);
    await using other = await open(url);
    const { mailbox } = await world.token("tick");
    const [before, after] = [await world.store.listen(mailbox), await other.store.listen(mailbox)];
    await expect(world.store.unlisten(mailbox, before.claim)).resolves.toBe(false);
    await expect(other.store.unlisten(mailbox, after.claim)).resolves.toBe(true);
  });

  test("one that is declared dead gives up what it had at once, and says that it had nothing", async () => {
    const url = await database();
    await using world = await open(url);
    const { mailbox } = await world.token("tick");
    await using other = await open(url);
    const { claim } = await other.store.listen(mailbox);
    await using link = new Link(parseAddress(url), { settings: { search_path: "aimessage" } });
    await (
      await link.use()
    )("DELETE FROM relays WHERE relay = (SELECT max(relay) FROM relays)", []);
    await expect(other.store.unlisten(mailbox, claim)).resolves.toBe(false);
  });

  test("give back all files of an account that is removed, also those of just now", async () => {
    const url = await database();
    await using world = await open(url);
    await using other = await open(url);
    const { mailbox } = await world.agent("anna");
    for (const [at, { store }] of [other, world, other, world].entries())
      accepted(await store.blobs.reserve(file(mailbox, `request ${at}`)));
    await other.store.removeAccount(mailbox, true);
    await stays(url);
  });

  test("set a name free once", async () => {
    const url = await database();
    await using world = await open(url);
    await using other = await open(url);
    world.address = "192.0.2.1";
    for (const at of many(10, (each) => each)) {
      await world.token(`name${at}`);
      await world.administer("remove", `name${at}`);
      const done = await Promise.all([world, other].map((each) => each.administer("remove", `name${at}`, true)));
      expect(done.map(({ outcome }) => outcome).toSorted()).toEqual(["done", "unknown_user"]);
    }
    await stays(url);
  });

  test("know nothing against whoever listens at the other one: it is offered what waits in its turn", async () => {
    const url = await database();
    await using world = await open(url);
    await using other = await open(url);
    const [leaver, one, two, three] = await Promise.all(many(4, (at) => world.agent(`agent${at}`)));
    const groupId = "t".repeat(64);
    accepted(await world.found(one!, [leaver!, two!, three!], groupId));
    for (const { mailbox } of [one!, two!]) {
      await world.store.listen(mailbox);
      await world.store.received(mailbox, 0);
    }
    await other.store.listen(three!.mailbox);
    await world.store.keepStatement({ sender: leaver!.mailbox, groupId, kind: "leave", statement: "bGVhdmU=" });
    const takers = new Set<number | undefined>();
    for (let tries = 0; tries < 3; tries++) {
      takers.add((await world.store.offers()).offers[0]?.mailbox);
      world.now += 31_000;
    }
    expect(takers).toEqual(new Set([one!, two!, three!].map(({ mailbox }) => mailbox)));
  });

  test("make an invite once", async () => {
    const url = await database();
    await using world = await open(url);
    await using other = await open(url);
    for (const at of many(10, (each) => each)) {
      const done = await Promise.all(
        [world, other].map(({ store, now }, which) => {
          const invite = { hash: `${at} of ${which}`, uses: 1, expiresAt: now + DAY_MS };
          return store.administer({ who: "root", what: "invite", target: `invite${at}`, release: false, invite });
        }),
      );
      expect(done.map(({ outcome }) => outcome).toSorted()).toEqual(["done", "unchanged"]);
    }
  });

  test("find that a statement is over once", async () => {
    const url = await database();
    await using world = await open(url);
    await using other = await open(url);
    const agents = await Promise.all(many(20, (at) => world.agent(`agent${at}`)));
    for (const [at, leaver] of agents.slice(1).entries()) {
      const groupId = `${at}`.padEnd(64, "t");
      accepted(await world.found(agents[0]!, [leaver], groupId));
      await world.store.keepStatement({ sender: leaver.mailbox, groupId, kind: "leave", statement: "bGVhdmU=" });
    }
    world.now += 1000 * DAY_MS;
    other.now = world.now;
    await world.sweep();
    await Promise.all([world, other, world, other].map(({ store }) => store.offers()));
    await stays(url);
  });

  test("reserve room once for a request that comes twice at once", async () => {
    const url = await database();
    await using world = await open(url);
    await using other = await open(url);
    const { mailbox } = await world.agent("anna");
    const answers = await Promise.all(
      [world, world, other].map(({ store }) => store.blobs.reserve(file(mailbox, "one"))),
    );
    expect(new Set(answers.map((answer) => accepted(answer).id)).size).toBe(1);
    await stays(url);
  });
});

test.runIf(hasPostgres)(
  "a package that was handed out as soon as it was published is not handed out again",
  async () => {
    await using world = await open(await database());
    const [anna, berta] = [await world.agent("anna"), await world.agent("berta")];
    const publish = () => world.store.publishKeys(anna.mailbox, [bytes("new")], undefined, false);
    const claim = async () => accepted(await world.store.claimKeys(berta.mailbox, "anna", true));
    const [, ...claimed] = await Promise.all([publish(), claim(), claim(), claim()]);
    expect(claimed.map(({ lastResort }) => lastResort)).toEqual([false, false, false]);
    await publish();
    expect((await claim()).lastResort).toBe(true);
  },
);

test.runIf(hasPostgres)("a device takes no more of another's key packages by asking two relays at once", async () => {
  const url = await database();
  await using one = await open(url, { claimsPerHour: 3 });
  await using other = await open(url, { claimsPerHour: 3 });
  const [, berta] = [await one.agent("anna"), await one.agent("berta")];
  const claims = many(8, (at) => (at % 2 === 0 ? one : other).store.claimKeys(berta.mailbox, "anna", true));
  const refused = (await Promise.all(claims)).filter((asked) => "refused" in asked && asked.refused === "rate_limited");
  expect(refused).toHaveLength(5);
});

describe.runIf(hasPostgres)("a sweep, while somebody has the lock of a mailbox", () => {
  test("leaves its key packages alone", async () => {
    const url = await database();
    await using world = await open(url, { unusedAccountAge: 1e15 });
    const { mailbox } = await world.agent("anna");
    world.now += 100 * DAY_MS;
    await using other = await anotherRelay(url, mailbox);
    const left = async () =>
      (await other.sql<{ count: number }>("SELECT count(*) AS count FROM key_packages", []))[0]?.count;
    await world.sweep();
    expect(await left()).toBe(2);
    await other.sql("COMMIT");
    await world.sweep();
    expect(await left()).toBe(0);
    await stays(url);
  });

  test("waits whether its groups are used", async () => {
    const url = await database();
    await using world = await open(url, { unusedAccountAge: 1e15 });
    const [anna, berta] = [await world.agent("anna"), await world.agent("berta")];
    accepted(await world.open(anna, berta, "old"));
    await world.store.received(berta.mailbox, Number.MAX_SAFE_INTEGER);
    world.now += 1000 * DAY_MS;
    await using other = await anotherRelay(url, anna.mailbox);
    const swept = world.store.sweep();
    await delay(100);
    await other.sql("UPDATE groups SET used = $1", [dayOf(world.now)]);
    await other.sql("COMMIT");
    await swept;
    expect(accepted(await world.send(anna, "berta", { groupId: "old", epoch: 1 })).waiting).toBe(true);
  });
});

test.runIf(hasPostgres)("a package that is claimed and used at once is charged to nobody any more", async () => {
  const url = await database();
  await using world = await open(url);
  world.address = "192.0.2.1";
  const [anna, berta] = [await world.agent("anna"), await world.agent("berta")];
  for (const groupId of ["one", "two"])
    await Promise.all([world.store.claimKeys(berta.mailbox, "anna", true), world.open(berta, anna, groupId)]);
  await stays(url);
});

test.runIf(hasPostgres)("what comes twice at once waits once, and both hear so", async () => {
  await using world = await open(await database());
  const [tick, tack] = [await world.token("tick"), await world.token("tack")];
  const one = { messageId: "one", message: "once" };
  const answers = await Promise.all([world.send(tick, "tack", one), world.send(tick, "tack", one)]);
  expect(answers).toMatchObject([{ waiting: true }, { waiting: true }]);
  await expect(world.ids(tack.mailbox)).resolves.toEqual(["one"]);
});

test.runIf(hasPostgres)(
  "a file goes with the text that names it, also while it is said again that all of it has come",
  async () => {
    const url = await database();
    await using world = await open(url);
    const [anna, berta] = [await world.agent("anna"), await world.agent("berta")];
    const groupId = "t".repeat(64);
    accepted(await world.found(anna, [berta], groupId));
    const { id } = accepted(await world.store.blobs.reserve(file(anna.mailbox, "one")));
    await world.store.blobs.seal(id);
    const team = { add: [], remove: [], body: { blob: id } as never, tree: undefined };
    accepted(await world.change(anna, groupId, 2, { team }));
    await Promise.all([world.store.blobs.seal(id), world.store.received(berta.mailbox, Number.MAX_SAFE_INTEGER)]);
    await stays(url);
  },
);

test.runIf(hasPostgres)("a name that is none costs others nothing", async () => {
  await using world = await open(await database());
  const tick = await world.token("tick");
  await world.token("tack");
  const answers = await Promise.all([world.send(tick, "a\0b"), world.send(tick, "tack")]);
  expect(answers).toMatchObject([{ refused: "unknown_user" }, { waiting: true }]);
});

describe.runIf(hasPostgres)("whoever is refused elsewhere while the store decides", () => {
  const inGroup = { groupId: "g", epoch: 1 };

  test("is refused what comes behind, in the same group and until it goes on [P-6.5]", async () => {
    await using world = await open(await database());
    const [anna, berta] = [await world.agent("anna"), await world.agent("berta")];
    accepted(await world.open(anna, berta, "g"));
    accepted(await world.open(anna, berta, "h"));
    const blocked = new BlockedGroups();
    const other = world.send(anna, "berta", { groupId: "h", epoch: 1 }, blocked);
    blocked.add("g");
    accepted(await other);
    expect(await world.send(anna, "berta", inGroup, blocked)).toMatchObject({ refused: "send_blocked" });
    accepted(await world.send(anna, "berta", { ...inGroup, resume: true }, blocked));
    accepted(await world.send(anna, "berta", inGroup, blocked));
  });

  test("has stored what was asked before, and in its order", async () => {
    await using world = await open(await database());
    const [anna, berta] = [await world.agent("anna"), await world.agent("berta")];
    accepted(await world.open(anna, berta, "g"));
    const blocked = new BlockedGroups();
    const say = (messageId: string, more = {}) =>
      world.send(anna, "berta", { ...inGroup, messageId, ...more }, blocked);
    const before = [say("m1"), say("m2")];
    blocked.add("g");
    const behind = say("m3");
    for (const each of before) accepted(await each);
    expect(await behind).toMatchObject({ refused: "send_blocked" });
    accepted(await say("m3", { resume: true }));
    const ids = await world.ids(berta.mailbox);
    expect(ids.filter((id) => id.startsWith("m"))).toEqual(["m1", "m2", "m3"]);
  });

  test("is refused what comes behind a request to go on that is older than the refusal", async () => {
    await using world = await open(await database());
    const [anna, berta] = [await world.agent("anna"), await world.agent("berta")];
    accepted(await world.open(anna, berta, "g"));
    const blocked = new BlockedGroups(["g"]);
    const going = world.send(anna, "berta", { ...inGroup, resume: true }, blocked);
    blocked.add("g");
    const behind = world.send(anna, "berta", inGroup, blocked);
    accepted(await going);
    expect(await behind).toMatchObject({ refused: "send_blocked" });
    expect(await world.send(anna, "berta", inGroup, blocked)).toMatchObject({ refused: "send_blocked" });
  });
});

test.runIf(hasPostgres)("statements are offered, however many begin to listen at once", async () => {
  await using world = await open(await database());
  const { mailbox } = await world.agent("anna");
  await expect(world.store.offers(many(1000, (at) => mailbox + at))).resolves.toMatchObject({ offers: [] });
});
