// @module-tag long
import { setImmediate, setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Proxy } from "../../../lab/shared/proxy.ts";
import { database, hasPostgres } from "../../../test/postgres.ts";
import { defaultLimits } from "../src/config/limits.ts";
import { checkTables } from "../src/store/postgres/check.ts";
import { joinCluster } from "../src/store/postgres/cluster.ts";
import { PLANS } from "../src/store/postgres/lane/settings.ts";
import { parseAddress } from "../src/store/postgres/link/address.ts";
import { Link } from "../src/store/postgres/link/link.ts";
import { openPostgresStore } from "../src/store/postgres/postgres.ts";
import type { KeyAccount } from "../src/store/store.ts";
import { relayStoreCases } from "../src/testing/index.ts";
import { accepted, StoreWorld } from "../src/testing/store-world.ts";
import { notingStatements } from "./asked-statements.ts";
import { readWhole } from "./engine-plans.ts";
import { fillTables } from "./large-tables.ts";

describe.runIf(hasPostgres)("the PostgreSQL store", () => {
  const asked = new Set<string>();

  for (const { name: sentence, run } of relayStoreCases)
    test(sentence, async () => {
      const url = await database();
      await notingStatements(asked, () => run((options) => openPostgresStore({ ...options, url })));
      expect(await checkTables(url, "aimessage")).toEqual([]);
    });

  test("what is answered by a relay that has seen nothing of an account before is whole", async () => {
    const url = await database();
    await using one = await StoreWorld.open((options) => openPostgresStore({ ...options, url }));
    const [alice, bob] = [await one.agent("alice"), await one.agent("bob")];
    const clock = (): number => one.now;
    await using other = await openPostgresStore({ limits: defaultLimits(), clock, url });
    const { account } = accepted(await other.claimKeys(alice.mailbox, "bob", false));
    expect(readable(account)).toEqual(readable(bob));
    const { account: again } = accepted(await other.registerDevice(one.newDevice("alice")));
    expect(readable(again)).toEqual(readable(alice));
  });

  test("what is only read is read again when the connection to the engine breaks meanwhile", async () => {
    const url = new URL(await database());
    await using proxy = await Proxy.start({ port: 0, to: Number(url.port) });
    url.port = String(proxy.port);
    await using store = await openPostgresStore({ limits: defaultLimits(), url: url.href });
    await store.depth();
    proxy.weather = { kind: "stall" };
    const found = store.entries(1, 0, { messages: 1, bytes: 1 });
    // It is asked in this turn, with all others that are to be read.
    await setImmediate();
    proxy.cut();
    proxy.weather = { kind: "fair" };
    expect(await found).toEqual({ entries: [], more: false });
  });

  test("how much waits is told while mail comes without a pause", async () => {
    const url = await database();
    await using world = await StoreWorld.open((options) => openPostgresStore({ ...options, url }));
    const bob = await world.token("bob");
    let isOver = false;
    const talk = async (): Promise<void> => {
      while (!isOver) await world.send(bob, "bob");
    };
    const talks = [talk(), talk(), talk()];
    const told = await Promise.race([world.store.depth(), delay(5_000)]);
    isOver = true;
    await Promise.all(talks);
    expect(told).toBeGreaterThanOrEqual(0);
  });

  test("what was to be deleted soon is not counted any more", async () => {
    const url = await database();
    await using world = await StoreWorld.open((options) => openPostgresStore({ ...options, url }));
    const bob = await world.token("bob");
    await Promise.all([world.send(bob, "bob"), world.send(bob, "bob")]);
    const [first, last] = (await world.store.entries(bob.mailbox, 0, { messages: 2, bytes: 1_000 })).entries;
    world.store.receivedSoon(bob.mailbox, first?.seq ?? 0, () => {});
    expect(await world.store.depth()).toBe(1);
    world.store.receivedSoon(bob.mailbox, last?.seq ?? 0, () => {});
    await delay(6);
    expect(await world.store.depth()).toBe(0);
  });

  test("however many ask who is online, it is looked up once a second", async () => {
    const url = await database();
    await using store = await openPostgresStore({ limits: defaultLimits(), url });
    const asked = [store.online(), store.online()];
    expect(asked[0]).toBe(asked[1]);
    expect(await asked[0]).toEqual([]);
  });

  test("what takes long is decided by one time, though the clock goes on meanwhile", async () => {
    let now = Date.now();
    const url = await database();
    await using store = await openPostgresStore({ limits: defaultLimits(), clock: () => ++now, url });
    expect(await store.sweep()).toEqual({ expired: 0, unnoticed: 0, more: false, next: Infinity });
    expect(await store.offers([1])).toEqual({ offers: [], next: Infinity });
  });

  test("however much is in its tables, whatever it asks is found by an index, or is as short as it is meant", async ({
    skip,
  }) => {
    if (asked.size === 0) skip("what it looks at is asked by the tests before it");
    const address = parseAddress(await database());
    await joinCluster(address, "aimessage", false);
    await using link = new Link(address, { settings: { search_path: "aimessage", ...PLANS } });
    const sql = await link.use();
    await fillTables(sql);
    const statements = [...asked].filter((text) => /^\s*(SELECT|UPDATE|DELETE|INSERT|WITH)\b/.test(text));
    expect(statements.length).toBeGreaterThan(100);
    const found = new Map<string, string[]>();
    for (const text of statements) {
      const tables = (await readWhole(sql, text)).filter((table) => !SHORT.has(table));
      if (tables.length > 0 && !MEANT.some((meant) => meant.test(text))) found.set(text, tables);
    }
    expect([...found]).toEqual([]);
  });
});

/** Tables of a row or a few. */
const SHORT = new Set(["relays", "meta", "blocks", "mailbox_numbers"]);
/** The first of an index in its order; sums and what is folded, once a second or a minute; and few requests, of which {@link file://./postgres-requests.test.ts} says how few. */
const MEANT = [
  /^SELECT mailbox, name, closed FROM mailboxes WHERE closed IS NOT NULL AND NOT drained ORDER BY mailbox LIMIT 1$/,
  /^SELECT mailbox, seq, expires_at FROM entries WHERE expires_at IS NOT NULL ORDER BY expires_at LIMIT/,
  /^SELECT \* FROM statements ORDER BY due_at LIMIT/,
  /^SELECT \* FROM audit ORDER BY number DESC LIMIT/,
  /^SELECT count\(\*\) AS count FROM entries$/,
  /^SELECT count\(\*\) AS count, .* FROM blobs$/s,
  /^WITH gone AS \(DELETE FROM charges c WHERE relay <> 0/,
  /^SELECT at FROM requests ORDER BY at DESC OFFSET/,
];

/** An account, with bytes as text, whatever kind of bytes they are. */
function readable(account: KeyAccount): unknown {
  const { identityKey, device, ...rest } = account;
  const bytes = [identityKey, device.key, device.certificate].map((each) => Buffer.from(each).toString("hex"));
  const { id, mailbox, counter, loginCounter } = device;
  return { ...rest, bytes, device: { id, mailbox, counter, loginCounter } };
}
