/** The PostgreSQL that tests get: one that all share, and those of one's own, which may be killed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isAlive } from "../lab/shared/descendants.ts";
import { Postgres } from "../lab/shared/postgres.ts";
import { findPostgres } from "../lab/shared/postgres-programs.ts";
import { psql } from "../lab/shared/psql.ts";
import { folder } from "../packages/server/test/folder.ts";
import { database, hasPostgres } from "./postgres.ts";
import { eventually, never } from "./waiting.ts";

const OWNER = `
import { Postgres } from ${JSON.stringify(new URL("../lab/shared/postgres.ts", import.meta.url).href)};
const { pid, folder } = await Postgres.create();
console.log(JSON.stringify({ pid, folder }));
setInterval(() => undefined, 1000);
`;

test.runIf(hasPostgres)("databases of tests are in one server, empty, and know nothing of each other", async () => {
  const [one, other] = await Promise.all([database(), database()]);
  expect(new URL(one).port).toBe(new URL(other).port);
  await psql(one, "CREATE TABLE kept (n int)");
  const tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
  expect([await psql(one, tables), await psql(other, tables)]).toEqual(["1", "0"]);
});

describe.runIf(hasPostgres)("a server of one's own", () => {
  let server: Postgres;
  beforeAll(async () => {
    server = await Postgres.create();
    await server.query("CREATE TABLE kept (n int)");
  });
  afterAll(() => server?.[Symbol.asyncDispose]());
  const kept = (of = server) => of.query("SELECT string_agg(n::text, ' ' ORDER BY n) FROM kept");

  test("writes to its disk, and is at most so large", async () => {
    const settings = ["fsync", "synchronous_commit", "shared_buffers", "max_connections"];
    expect(await server.query(settings.map((name) => `SHOW ${name};`).join(""))).toBe("on\non\n128MB\n100");
  });

  test("drops a database that somebody still uses", async () => {
    const lent = await server.database();
    const asleep = psql(lent.url, "SELECT pg_sleep(60)").catch(String);
    const sleepers = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    await eventually("somebody uses it", async () => (await server.query(sleepers)) === "1");
    await lent[Symbol.asyncDispose]();
    expect(await asleep).toContain("terminating connection");
    await expect(psql(lent.url, "SELECT 1")).rejects.toThrow("does not exist");
  });

  test("has what was committed when it was killed, and starts again at the same port", async () => {
    await server.query("INSERT INTO kept VALUES (1)");
    const { pid, url } = server;
    await server.kill();
    expect([server.isRunning, isAlive(pid)]).toEqual([false, false]);
    await expect(server.query("SELECT 1")).rejects.toThrow("Connection refused");
    await server.start();
    expect([server.url, await kept()]).toEqual([url, "1"]);
    expect(server.log).toContain("automatic recovery in progress");
  });

  test("answers nothing while it is frozen, and then what it was asked", async () => {
    server.freeze();
    let isAnswered = false;
    const answer = server.query("SELECT 7").finally(() => (isAnswered = true));
    await never("it is answered", () => isAnswered);
    server.thaw();
    expect(await answer).toBe("7");
  });

  test("is followed by a synchronous standby, which takes its place", async () => {
    await using standby = await server.standby({ synchronous: true });
    await server.query("INSERT INTO kept VALUES (2)");
    await expect(standby.query("INSERT INTO kept VALUES (3)")).rejects.toThrow("read-only");
    await server.kill();
    await standby.promote();
    await standby.query("INSERT INTO kept VALUES (3)");
    expect(await kept(standby)).toBe("1 2 3");
  });
});

test.runIf(hasPostgres)("nothing of a server is left when its owner is killed", async () => {
  const owner = spawn(process.execPath, ["--input-type=module", "-e", OWNER], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(createInterface(owner.stdout), "line")) as [string];
  const { pid, folder } = JSON.parse(line) as { pid: number; folder: string };
  expect([isAlive(pid), existsSync(folder)]).toEqual([true, true]);
  owner.kill("SIGKILL");
  await eventually("the server ends", () => !isAlive(pid));
  await eventually("its folder is removed", () => !existsSync(folder));
});

test("one on the PATH is taken, unless it is too old or a part of it is missing", () => {
  const room = folder();
  const has = (version: number, programs: string[]) => {
    const bin = join(room, `${version} ${programs.length}`);
    mkdirSync(bin);
    for (const name of programs) {
      writeFileSync(join(bin, name), `#!/bin/sh\necho "${name} (PostgreSQL) ${version}.4 (Debian)"\n`);
      chmodSync(join(bin, name), 0o755);
    }
    return bin;
  };
  const all = ["postgres", "initdb", "psql", "pg_basebackup"];
  const old = has(14, all);
  const part = has(16, all.slice(0, 2));
  const whole = has(15, all);
  expect(findPostgres(`${old}:${part}:${whole}`)).toBe(whole);
  expect(findPostgres(`${old}:${part}`) ?? "").not.toMatch(room);
});
