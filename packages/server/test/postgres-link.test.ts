// One connection to PostgreSQL, through everything that happens to connections.
import { once } from "node:events";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import { PLANS } from "../src/store/postgres/lane/settings.ts";
import { parseAddress } from "../src/store/postgres/link/address.ts";
import { Link, LinkError, type LinkOptions, patience } from "../src/store/postgres/link/link.ts";
import { hasPostgres } from "../../../test/postgres.ts";
import { BadNetwork, type Postgres, startPostgres } from "./postgres-for-tests.ts";

let postgres: Postgres;

function open(options: Partial<LinkOptions> = {}, address = postgres.address): Link {
  const link = new Link(address, { settings: {}, ...options });
  onTestFinished(() => link.end());
  return link;
}

const linkError = (kind: LinkError["kind"]) => expect.objectContaining({ name: "LinkError", kind });

describe.skipIf(!hasPostgres)("a link", () => {
  beforeAll(async () => void (postgres = await startPostgres()));
  afterAll(() => postgres.stop());

  test("asks without waiting for what was asked before, and is answered in order", async () => {
    const sql = await open().use();
    const order: number[] = [];
    const asked = [1, 2, 3].map((n) =>
      sql<{ n: number }>("SELECT $1::int8 AS n, pg_sleep(0.01)", [n]).then(([row]) => order.push(row?.n ?? 0)),
    );
    await Promise.all(asked);
    expect(order).toEqual([1, 2, 3]);
  });

  test("gives numbers of 64 bits as numbers, bytes as bytes, and how many rows there are", async () => {
    const sql = await open().use();
    const values = [2 ** 53 - 1, [1, null, 2 ** 40], new Uint8Array([0, 255]), null, ["a\\\"',{}", "b"]];
    const rows = await sql("SELECT $1::int8 a, $2::int8[] b, $3::bytea c, $4::text d, $5::text[] e", values);
    const bytes = Buffer.from([0, 255]);
    expect([...rows]).toEqual([{ a: values[0], b: values[1], c: bytes, d: null, e: values[4] }]);
    expect(rows.count).toBe(1);
    expect((await sql("CREATE TEMP TABLE t (n int); INSERT INTO t VALUES (1), (2)")).count).toBe(2);
  });

  test("has the parameters that it was given", async () => {
    const link = open({
      settings: { search_path: "a_schema", lock_timeout: 1234, application_name: "a relay \\ of ours" },
    });
    const sql = await link.use();
    const name = "current_setting('search_path') AS path, current_setting('lock_timeout') AS timeout";
    const [row] = await sql(`SELECT ${name}, current_setting('application_name') AS name`, []);
    expect(row).toEqual({ path: "a_schema", timeout: "1234ms", name: "a relay \\ of ours" });
  });

  test("plans statements anew behind one that took long: what is best for a table that is empty reads all of it later", async () => {
    const sql = await open({ settings: PLANS }).use();
    await sql("CREATE TEMP TABLE held (a bigint, b bigint, PRIMARY KEY (a, b)); ANALYZE held");
    const text = "SELECT h.b FROM unnest($1::bigint[], $2::bigint[]) x(a, b) JOIN held h ON h.a = x.a AND h.b = x.b";
    const readsWhole = async (): Promise<boolean> => {
      await sql(text, [[], []]);
      const [known] = await sql<{ name: string }>(
        `SELECT name FROM pg_prepared_statements WHERE statement = '${text}'`,
      );
      const rows = await sql<{ "QUERY PLAN": string }>(`EXPLAIN EXECUTE ${known?.name}('{}', '{}')`);
      return !rows.some((row) => row["QUERY PLAN"].includes("Index Cond"));
    };
    expect(await readsWhole()).toBe(true);
    await sql("INSERT INTO held SELECT i, i FROM generate_series(1, 10000) i");
    expect(await readsWhole()).toBe(true);
    const start = performance.now();
    const clock = vi.spyOn(performance, "now").mockImplementation(() => start + 2_001);
    onTestFinished(() => clock.mockRestore());
    expect(await readsWhole()).toBe(true);
    let now = start + 2_001;
    clock.mockImplementation(() => (now += 101));
    await sql(text, [[], []]);
    expect(await readsWhole()).toBe(false);
  });

  test("says at once that it cannot send a value, and sends nothing", async () => {
    const sql = await open().use();
    for (const value of [{}, [[{}]], () => 1, Symbol("s"), new Date()])
      expect(() => sql("SELECT $1::text", [value])).toThrow(TypeError);
  });

  test("fails what was asked when its backend dies, and is made again for the next", async () => {
    const opened: unknown[] = [];
    const link = open({ opened: async (sql) => opened.push(await sql("SELECT 1", [])) });
    const sql = await link.use();
    const asked = [sql("SELECT pg_sleep(60)", []), sql("SELECT 1", [])];
    const [row] = await (
      await open().use()
    )<{ done: boolean }>(
      "SELECT bool_and(pg_terminate_backend(pid)) AS done FROM pg_stat_activity WHERE query LIKE '%sleep(60)%' AND pid <> pg_backend_pid()",
    );
    expect(row?.done).toBe(true);
    for (const each of asked) await expect(each).rejects.toEqual(linkError("broken"));
    await expect((await link.use())("SELECT 1", [])).resolves.toHaveLength(1);
    // The old one stays broken.
    await expect(sql("SELECT 1", [])).rejects.toEqual(linkError("broken"));
    expect(opened).toHaveLength(2);
  });

  test("is made once for many who want it at the same time", async () => {
    let opened = 0;
    const link = open({ opened: async () => void (opened += 1) });
    await Promise.all(Array.from({ length: 20 }, () => link.use()));
    expect(opened).toBe(1);
  });

  test("goes on after an error that is only a statement's", async () => {
    const sql = await open().use();
    const asked = [sql("SELECT 1 / $1::int", [0]), sql("SELECT nothing FROM nowhere", []), sql("SELECT 1", [])];
    await expect(asked[0]).rejects.toMatchObject({ code: "22012" });
    await expect(asked[1]).rejects.toMatchObject({ code: "42P01" });
    await expect(asked[2]).resolves.toHaveLength(1);
  });

  test("gives up waiting, and ends a connection that does not answer", async () => {
    await using network = new BadNetwork(postgres.port);
    const link = open({}, await network.listen());
    const sql = await link.use();
    network.hold();
    const asked = sql("SELECT 1", []);
    await expect(patience(asked, 30)).rejects.toEqual(linkError("timeout"));
    link.cut();
    await expect(asked).rejects.toEqual(linkError("broken"));
    await expect((await link.use())("SELECT 1", [])).resolves.toHaveLength(1);
  });

  test("uses the one of several hosts that answers, and says of each why it does not", async () => {
    const nowhere = "127.0.0.1:1";
    const link = open({}, parseAddress(postgres.url.replace("@", `@${nowhere},`)));
    await expect((await link.use())("SELECT 1", [])).resolves.toHaveLength(1);
    const lost = open({}, parseAddress(`postgres://postgres:s3cret@${nowhere},127.0.0.1:${postgres.port}/not_there`));
    const error = await lost.use().catch((error: unknown) => error as LinkError);
    expect(error).toEqual(linkError("unreachable"));
    expect((error as LinkError).message).toMatch(/127\.0\.0\.1:1: .*ECONNREFUSED.*"not_there" does not exist/);
    expect((error as LinkError).message).not.toContain("s3cret");
  });

  test("is used no more when it was ended, not even by whoever is about to", async () => {
    const link = open();
    const using = link.use();
    await link.end();
    await expect(using).rejects.toEqual(linkError("closed"));
    await expect(link.use()).rejects.toEqual(linkError("closed"));
  });

  test.each(["", "HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "220 mail ESMTP\r\n", "\0"])(
    "survives whatever is there and speaks no PostgreSQL: %j",
    async (greeting) => {
      for (const isOpen of [false, true]) {
        const server = createServer((socket) => {
          socket.on("error", () => {});
          socket.once("data", () => (isOpen ? socket.write(greeting) : socket.end(greeting)));
        }).listen(0, "127.0.0.1");
        onTestFinished(() => void server.close());
        await once(server, "listening");
        const { port } = server.address() as { port: number };
        const link = open({ openMs: 50 }, parseAddress(`postgres://postgres@127.0.0.1:${port}/d`));
        await expect(link.use()).rejects.toEqual(linkError("unreachable"));
      }
    },
  );

  test("survives backends that die at any moment, also while it connects", async () => {
    const killer = await open().use();
    const links = Array.from({ length: 3 }, () => open({ settings: { application_name: "victim" } }));
    let isOver = false;
    let answers = 0;
    const users = links.map(async (link) => {
      while (!isOver) {
        try {
          await (
            await link.use()
          )("SELECT 1", []);
          answers += 1;
        } catch (error) {
          expect(error).toBeInstanceOf(LinkError);
        }
      }
    });
    let killed = 0;
    await eventually("200 have died", async () => {
      const kill =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim' OR state IS NULL AND usename = 'postgres'";
      killed += (await killer(kill)).count;
      return killed >= 200;
    });
    isOver = true;
    await Promise.all(users);
    expect(answers).toBeGreaterThan(0);
  });
});
