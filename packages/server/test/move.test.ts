// @module-tag long
import { randomBytes, randomInt } from "node:crypto";
import { hostname } from "node:os";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { database, hasPostgres } from "../../../test/postgres.ts";
import { check } from "../src/admin/check.ts";
import { defaultLimits } from "../src/config/limits.ts";
import { createRelay, openSqliteStore, type RelayOptions } from "../src/index.ts";
import { checkTables } from "../src/store/postgres/check.ts";
import { parseAddress } from "../src/store/postgres/link/address.ts";
import { Link } from "../src/store/postgres/link/link.ts";
import { openPostgresStore, SCHEMA } from "../src/store/postgres/postgres.ts";
import type { RelayStore } from "../src/store/store.ts";
import { Agent } from "./agent.ts";
import { aimessageServer, commandHere } from "./console.ts";
import { fill, type Filled, whatIsIn } from "./crowd.ts";
import { folder } from "./folder.ts";
import { RawClient } from "./raw-client.ts";
import { relayProcess } from "./relay-process.ts";
import { askRoom, type Blob, bring, fetchBlob, head, uploaded } from "./uploader.ts";

const seed = Number(process.env["SEED"] ?? randomInt(2 ** 31));
const limits = { ...defaultLimits(), groupMembers: 1000 };

const inFolder = (db: string): RelayStore => openSqliteStore(db, { limits });
const inCluster = (url: string): Promise<RelayStore> => openPostgresStore({ limits, url });

async function filled(size: number): Promise<{ db: string; of: Filled }> {
  const db = folder();
  await using store = inFolder(db);
  return { db, of: await fill(store, { size, seed }) };
}

/** What is in a store, which is closed then. */
async function contents(store: RelayStore, of: Filled): Promise<unknown> {
  await using opened = store;
  return await whatIsIn(opened, of);
}

async function sql(url: string, text: string): Promise<Record<string, unknown>[]> {
  await using link = new Link(parseAddress(url), { settings: { search_path: SCHEMA } });
  return (await link.use())(text);
}

/** A relay that starts, and is stopped at once. */
async function start(...words: string[]): Promise<string> {
  const { code, stderr } = await aimessageServer(["--port", "0", "--drain", "0s", ...words]);
  return code === 0 ? "started" : stderr;
}

describe.runIf(hasPostgres)(`the database of a relay; SEED=${seed}`, () => {
  test("moves into a cluster and back with all that is in it", async () => {
    const { db, of } = await filled(40);
    const store = await database();
    const all = await contents(inFolder(db), of);
    const moved = await commandHere("migrate", "--db", db, "--store", store);
    expect(moved).toMatchObject({ code: 0, stderr: "" });
    expect(moved.stdout).toContain(`has moved to ${store} in `);
    expect(await checkTables(store, SCHEMA)).toEqual([]);
    expect(await contents(await inCluster(store), of)).toEqual(all);
    const back = folder();
    expect(await commandHere("migrate", "--back", "--db", back, "--store", store, "--json")).toMatchObject({ code: 0 });
    expect(check(back, 0).problems).toEqual([]);
    expect(await contents(inFolder(back), of)).toEqual(all);
  });

  test("is in one place: where it was nothing starts any more, and says where it is, without a password", async () => {
    const { db } = await filled(3);
    const store = await database();
    const secret = store.replace("@", ":secret@");
    const migrate = () => aimessageServer(["migrate", "--db", db], { AIMESSAGE_STORE: secret });
    expect(await migrate()).toMatchObject({ code: 0 });
    const gone = `Error: The database in ${db} has moved to ${store}\nHint: it goes on there: aimessage-server --store ${store}\n`;
    expect(await start("--db", db)).toBe(gone);
    for (const command of [["stats"], ["user", "list"], ["user", "disable", "alice"]])
      expect((await commandHere(...command, "--db", db)).stderr).toBe(gone);
    expect(await start("--store", store)).toBe("started");
    expect((await migrate()).stdout).toContain("only the last step was left");

    const back = folder();
    expect(await commandHere("migrate", "--back", "--db", back, "--store", store)).toMatchObject({ code: 0 });
    const left = `Error: This cluster has moved to ${back} on ${hostname()}\nHint: it goes on there: aimessage-server --db ${back}\n`;
    expect(await start("--store", store)).toBe(left);
    expect((await commandHere("stats", "--store", store)).stderr).toBe(left);
    expect(await start("--db", back)).toBe("started");
    // And once more: what is left of the cluster makes room.
    expect(await commandHere("migrate", "--db", back, "--store", store)).toMatchObject({ code: 0 });
    expect(await start("--store", store)).toBe("started");
  });

  test("stays where it is while somebody uses it, or something else is where it would go", async () => {
    const { db } = await filled(3);
    const store = (await database()) as `postgres://${string}`;
    const [to, from] = [
      () => commandHere("migrate", "--db", db, "--store", store),
      (where: string) => commandHere("migrate", "--back", "--db", where, "--store", store),
    ];
    {
      await using _ = inFolder(db);
      expect((await to()).stderr).toContain(`A relay runs on ${db}`);
    }
    expect((await from(folder())).stderr).toContain("There is no cluster in");
    {
      await using _ = await createRelay({ port: 0, log: "silent", store, drain: 0 });
      expect((await to()).stderr).toContain("A relay lives on this store");
    }
    // Nobody has ever used it: it makes room.
    expect(await to()).toMatchObject({ code: 0 });
    const { db: other } = await filled(2);
    expect((await commandHere("migrate", "--db", other, "--store", store)).stderr).toContain("There is a cluster in");
    {
      await using _ = await createRelay({ port: 0, log: "silent", store, drain: 0 });
      expect((await from(folder())).stderr).toContain("A relay lives on this store");
    }
    expect((await from(other)).stderr).toContain(`There is a database in ${other} already`);
    expect(await commandHere("migrate", "--db", db)).toMatchObject({ code: 2 });
    expect(await start("--db", other)).toBe("started");
    expect(await start("--store", store)).toBe("started");
  });

  test("arrives when a relay starts, or `migrate` does, though the last step was not made", async () => {
    const { db } = await filled(3);
    const store = await database();
    const again = () => commandHere("migrate", "--db", db, "--store", store);
    await again();
    const unfinish = "UPDATE meta SET key = 'arriving' WHERE key = 'arrived'";
    await sql(store, unfinish);
    expect(await start("--store", store)).toBe("started");
    // On another machine nobody can look into the folder.
    await sql(store, `${unfinish}; UPDATE meta SET value = replace(value, '${hostname()}', 'elsewhere')`);
    expect(await start("--store", store)).toContain(`What moves here from ${db} on elsewhere has not arrived`);
    expect((await again()).stdout).toContain("only the last step was left");
    expect(await start("--store", store)).toBe("started");

    const back = folder();
    const home = () => commandHere("migrate", "--back", "--db", back, "--store", store);
    await home();
    const [mark] = await sql(store, "SELECT value FROM meta WHERE key = 'moved'");
    const { id } = JSON.parse(String(mark?.["value"])) as { id: string };
    const unfinished = new DatabaseSync(join(back, "relay.db"));
    unfinished.prepare("INSERT INTO meta VALUES ('arriving', ?)").run(JSON.stringify({ id, store }));
    unfinished.close();
    expect(await start("--db", back)).toContain(`The database in ${back} has not arrived from ${store}`);
    expect((await home()).stdout).toContain("only the last step was left");
    expect(await start("--db", back)).toBe("started");
  });

  test("takes its encrypted files along, or leaves them where they are", async () => {
    const [db, shared] = [folder(), join(folder(), "files")];
    const store = (await database()) as `postgres://${string}`;
    const bytes = [randomBytes(3_000_000), randomBytes(10)];
    const common: RelayOptions = { port: 0, log: "silent", publicUrls: ["ws://relay.test"], drain: 0 };
    const files = await (async () => {
      await using relay = await createRelay({ ...common, db });
      const agent = new Agent(relay.url, "alice");
      agent.relay = "relay.test";
      using stranger = await RawClient.open(relay.url);
      await stranger.ask("register", agent.registration());
      using alice = await agent.connect();
      const whole = [];
      for (const each of bytes) whole.push(await uploaded(relay.url, alice, each));
      const part = await askRoom(alice, 1000);
      expect((await bring(relay.url, part, 0, randomBytes(400))).status).toBe(204);
      return { whole, part };
    })();
    const words = ["migrate", "--db", db, "--store", store, "--json"];
    expect((await commandHere(...words)).stderr).toContain("There are encrypted files");
    expect(await start("--db", db)).toBe("started");
    const moved = await commandHere(...words, "--files", shared);
    expect(JSON.parse(moved.stdout)).toMatchObject({ files: 2, file_bytes: 3_000_010, missing_files: 0 });
    {
      await using relay = await createRelay({ ...common, store, files: { folder: shared } });
      for (const [at, file] of files.whole.entries())
        expect((await fetchBlob(relay.url, file)).body.equals(bytes[at] ?? Buffer.alloc(0))).toBe(true);
      // Of what was not whole nothing has come along: it is brought from its beginning.
      expect((await head(relay.url, files.part)).headers["upload-offset"]).toBe("0");
      expect((await bring(relay.url, files.part, 0, randomBytes(1000))).status).toBe(204);
    }
    const back = folder();
    expect(await commandHere("migrate", "--back", "--db", back, "--store", store, "--files", shared)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/Encrypted files.*: 3, /),
    });
    expect(check(back, 0).problems).toEqual([]);
    await using relay = await createRelay({ ...common, db: back });
    expect((await fetchBlob(relay.url, files.whole[0] as Blob)).body.equals(bytes[0] as Buffer)).toBe(true);
  });

  test("stays where it is if its connection ends in the middle, and moves the next time", async () => {
    const { db, of } = await filled(60);
    const store = await database();
    const all = await contents(inFolder(db), of);
    let isOver = false;
    const migrating = commandHere("migrate", "--db", db, "--store", store).finally(() => (isOver = true));
    const cut = `SELECT count(pg_terminate_backend(pid)) AS cut FROM pg_stat_activity
      WHERE application_name = 'aimessage migrate' AND datname = current_database() AND query LIKE 'INSERT INTO entries%'`;
    while (!isOver && (await sql(store, cut))[0]?.["cut"] === 0) await delay(1);
    const { code, stderr } = await migrating;
    // It may have been too fast to be cut.
    if (code !== 0) {
      expect(stderr).toContain("The connection to the engine has ended");
      expect(await start("--store", store)).toContain("has not arrived");
      expect(await contents(inFolder(db), of)).toEqual(all);
      expect(await commandHere("migrate", "--db", db, "--store", store)).toMatchObject({ code: 0 });
    }
    expect(await contents(await inCluster(store), of)).toEqual(all);
  });

  test("stays where it is if what has come is not what was sent", async () => {
    const { db } = await filled(5);
    const store = await database();
    await sql(
      store,
      `CREATE FUNCTION public.lose() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
          IF to_regclass('aimessage.invites') IS NOT NULL AND NOT EXISTS (SELECT 1 FROM pg_rules WHERE rulename = 'lost') THEN
            CREATE RULE lost AS ON INSERT TO aimessage.invites DO INSTEAD NOTHING;
          END IF;
        END $$;
        CREATE EVENT TRIGGER losing ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION public.lose()`,
    );
    const refused = await commandHere("migrate", "--db", db, "--store", store);
    expect(refused.stderr).toContain("What has come is not what was sent: invites.rows: 1 there, 0 here");
    expect(await start("--db", db)).toBe("started");
    await sql(store, "DROP EVENT TRIGGER losing");
    expect(await commandHere("migrate", "--db", db, "--store", store)).toMatchObject({ code: 0 });
  });

  test("moves with ten thousand accounts, and back", { tags: ["long"], timeout: 900_000 }, async () => {
    const { db, of } = await filled(10_000);
    const store = await database();
    const all = await contents(inFolder(db), of);
    const back = folder();
    const moves = [
      ["migrate", "--db", db, "--store", store],
      ["migrate", "--back", "--db", back, "--store", store],
    ];
    for (const words of moves) {
      const { code, stdout, stderr } = await commandHere(...words);
      process.stdout.write(stdout);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(words[1] === "--back" ? check(back, 0).problems : await checkTables(store, SCHEMA)).toEqual([]);
      expect(await contents(words[1] === "--back" ? inFolder(back) : await inCluster(store), of)).toEqual(all);
    }
  });

  test("is whole in one place, whenever `migrate` is killed", () => killed(4, 60));
  test("is whole in one place, however often `migrate` is killed", { tags: ["long"], timeout: 900_000 }, () =>
    killed(60, 400),
  );
});

async function hasCluster(url: string): Promise<boolean> {
  const [row] = await sql(url, `SELECT to_regclass('${SCHEMA}.meta') IS NOT NULL AS there`);
  return row?.["there"] === true;
}

/** Moves a database to and fro, and kills the process that does it at some moment. */
async function killed(times: number, size: number): Promise<void> {
  const { db, of } = await filled(size);
  const store = await database();
  const all = await contents(inFolder(db), of);
  let way: "in" | "out" = "in";
  /** About how long it takes: most of that is the start of its process. */
  let longest = 800;
  const found = new Map<string, number>();
  for (let time = 0; time < times; time++) {
    const words = way === "in" ? ["migrate"] : ["migrate", "--back"];
    const began = performance.now();
    using migrating = relayProcess([...words, "--db", db, "--store", store]);
    await Promise.race([delay(longest * (0.4 + 0.8 * Math.random())), migrating.exited]);
    migrating.child.kill("SIGKILL");
    const isDone = (await migrating.exited) === 0;
    longest = isDone ? performance.now() - began : longest * 1.1;
    // One of the two can be started, and has everything; the other one cannot.
    const isInFolder = existsSync(join(db, "relay.db")) && (await start("--db", db)) === "started";
    const isInCluster = (await hasCluster(store)) && (await start("--store", store)) === "started";
    expect([isInFolder, isInCluster].filter(Boolean)).toEqual([true]);
    expect(await contents(isInFolder ? inFolder(db) : await inCluster(store), of)).toEqual(all);
    const hasMoved = isInCluster === (way === "in");
    const outcome = `${way}, ${isDone ? "done" : "killed"}, ${hasMoved ? "moved" : "stayed"}`;
    found.set(outcome, (found.get(outcome) ?? 0) + 1);
    if (!hasMoved) continue;
    if (way === "in") for (const ending of ["", "-wal", "-shm"]) rmSync(join(db, `relay.db${ending}`), { force: true });
    way = way === "in" ? "out" : "in";
  }
  process.stdout.write(`migrations: ${JSON.stringify(Object.fromEntries(found))}\n`);
}
