// What is read of the mailboxes of a PostgreSQL: however many ask, and whatever waits, no answer is large.
import { expect, onTestFinished, test } from "vitest";
import { database, hasPostgres } from "../../../test/postgres.ts";
import { joinCluster } from "../src/store/postgres/cluster.ts";
import { PLANS } from "../src/store/postgres/lane/settings.ts";
import { parseAddress } from "../src/store/postgres/link/address.ts";
import { Link, type Rows, type Sql } from "../src/store/postgres/link/link.ts";
import { Reads } from "../src/store/postgres/reads.ts";
import { rowsOf, stepsDone } from "./engine-plans.ts";

const MIB = 2 ** 20;
const WINDOW = { messages: 256, bytes: 8 * MIB };

/** A network in which nothing comes back. */
const NEVER = (): Promise<Sql> => new Promise(() => {});

interface Asked {
  text: string;
  values: readonly unknown[];
  bytes: number;
}

/** Tables, one who reads them, and what that one has asked the engine. */
async function openReads(): Promise<{ sql: Sql; reads: Reads; asked: Asked[] }> {
  const address = parseAddress(await database());
  await joinCluster(address, "aimessage", false);
  const link = new Link(address, { settings: { search_path: "aimessage", ...PLANS } });
  onTestFinished(() => link.end());
  const asked: Asked[] = [];
  const watched = async <R extends object>(text: string, values: readonly unknown[] = []): Promise<Rows<R>> => {
    const rows = await (await link.use())<R>(text, values);
    asked.push({ text, values, bytes: sizeOf(rows) });
    return rows;
  };
  const use = async (): Promise<Sql> => watched;
  const reads = new Reads({
    link: { use, cut: () => {} } as Link,
    clock: Date.now,
    deletedUpTo: () => 0,
    patienceMs: undefined,
  });
  return { sql: await link.use(), reads, asked };
}

function sizeOf(rows: object[]): number {
  let bytes = 0;
  for (const row of rows) for (const value of Object.values(row)) bytes += typeof value === "string" ? value.length : 8;
  return bytes;
}

/** Mailboxes from 1 on, each with so many entries that take so much. */
async function fill(sql: Sql, of: { mailboxes: number; entries: number; bytes: number; body?: number }): Promise<void> {
  const { mailboxes, entries, bytes, body = null } = of;
  await sql(
    "INSERT INTO mailboxes (mailbox, name, device) SELECT m, 'n' || m, 'd' FROM generate_series(1, $1::int) m",
    [mailboxes],
  );
  await sql(
    `INSERT INTO entries (mailbox, seq, sender, from_name, kind, message_id, stored_at, bytes, unknown, stranger, body, message)
      SELECT m, s, 'alice', 'Alice', 'application', 'id', 0, $3::bigint, false, false, $4::bigint, to_json(repeat('x', $3::int))
      FROM generate_series(1, $1::int) m, generate_series(1, $2::int) s`,
    [mailboxes, entries, bytes, body],
  );
}

test.runIf(hasPostgres)("of large entries as many are fetched as fit into the window", async () => {
  const { sql, reads, asked } = await openReads();
  await fill(sql, { mailboxes: 1, entries: 40, bytes: MIB });
  const { entries, more } = await reads.entries(1, 0, WINDOW);
  expect([entries.length, more]).toEqual([8, true]);
  expect(asked.map(({ bytes }) => bytes < 9 * MIB)).toEqual([true]);
  const last = await reads.entries(1, 39, { messages: 256, bytes: 1 });
  expect([last.entries.map(({ seq }) => seq), last.more]).toEqual([[40], false]);
});

test.runIf(hasPostgres)("what many are told is fetched once, though all of them ask for it", async () => {
  const { sql, reads, asked } = await openReads();
  await sql("INSERT INTO bodies VALUES (7, repeat('y', $1::int), false)", [MIB]);
  await fill(sql, { mailboxes: 400, entries: 1, bytes: 100, body: 7 });
  const found = await Promise.all(Array.from({ length: 400 }, (_, at) => reads.entries(at + 1, 0, WINDOW)));
  expect(found.every(({ entries: [only], more }) => only?.body?.text.length === MIB && !more)).toBe(true);
  expect(asked.length).toBeLessThan(10);
  for (const { bytes } of asked) expect(bytes).toBeLessThan(1.3 * MIB);
});

test.runIf(hasPostgres)("mailboxes that are full of large entries are read one after the other", async () => {
  const { sql, reads, asked } = await openReads();
  await fill(sql, { mailboxes: 10, entries: 5, bytes: MIB });
  const seen: number[][] = await Promise.all(
    Array.from({ length: 10 }, async (_, at) => {
      const seqs: number[] = [];
      for (let more = true; more;) {
        const next = await reads.entries(at + 1, seqs.at(-1) ?? 0, WINDOW);
        expect(next.entries.length).toBeGreaterThan(0);
        seqs.push(...next.entries.map(({ seq }) => seq));
        more = next.more;
      }
      return seqs;
    }),
  );
  expect(seen).toEqual(Array.from({ length: 10 }, () => [1, 2, 3, 4, 5]));
  for (const { bytes } of asked) expect(bytes).toBeLessThan(10 * MIB);
});

test.runIf(hasPostgres)("thousands that ask at once are not answered by one statement", async () => {
  const { sql, reads, asked } = await openReads();
  await fill(sql, { mailboxes: 1_000, entries: 1, bytes: 10 });
  const found = await Promise.all(Array.from({ length: 1_200 }, (_, at) => reads.entries(at + 1, 0, WINDOW)));
  expect(found.map(({ entries }) => entries.length)).toEqual(Array.from({ length: 1_200 }, (_, at) => +(at < 1_000)));
  for (const { values } of asked) expect((values[0] as unknown[]).length).toBeLessThan(200);
});

test.runIf(hasPostgres)("of a mailbox no more is looked at than was asked for, by its index", async () => {
  const { sql, reads, asked } = await openReads();
  await fill(sql, { mailboxes: 20, entries: 1_000, bytes: 10 });
  await reads.entries(3, 500, { messages: 9, bytes: MIB });
  const { text = "", values = [] } = asked[0] ?? {};
  const looks = (await stepsDone(sql, text, values)).filter((step) => step["Relation Name"]?.startsWith("entries"));
  expect(new Set(looks.map((step) => step["Node Type"]))).toEqual(new Set(["Index Scan"]));
  expect(rowsOf(looks)).toBe(10);
});

test("who asks waits for the engine no longer than its patience, also where connecting takes long", async () => {
  const reads = new Reads({
    link: { use: NEVER, cut: () => {} } as unknown as Link,
    clock: Date.now,
    deletedUpTo: () => 0,
    patienceMs: 200,
  });
  const began = performance.now();
  const away = { name: "StorageError", reason: "internal", isAway: true };
  await expect(reads.account("alice")).rejects.toMatchObject(away);
  await expect(reads.entries(1, 0, WINDOW)).rejects.toMatchObject(away);
  expect(performance.now() - began).toBeLessThan(2_000);
});
