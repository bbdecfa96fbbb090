import { userInfo } from "node:os";
import { describe, expect, test } from "vitest";
import { database, hasPostgres } from "../../../test/postgres.ts";
import { createRelay, type Relay, type RelayOptions } from "../src/index.ts";
import { Agent, randomGroup } from "./agent.ts";
import { aimessageServer } from "./console.ts";
import { folder } from "./folder.ts";
import { RawClient, tokenClient } from "./raw-client.ts";

const lines = (text: string): unknown[] => text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));

interface Where {
  /** Of a relay, and of a command. */
  options: Pick<RelayOptions, "db" | "store">;
  words: string[];
}

const places: [name: string, isHere: boolean, make: () => Promise<Where>][] = [
  [
    "a folder",
    true,
    async () => {
      const db = folder();
      return { options: { db }, words: ["--db", db] };
    },
  ],
  [
    "a cluster",
    hasPostgres,
    async () => {
      const store = (await database()) as `postgres://${string}`;
      return { options: { store }, words: ["--store", store] };
    },
  ],
];

/** A relay that stops at once. */
const relayOn = ({ options }: Where): Promise<Relay> =>
  createRelay({ port: 0, log: "silent", publicUrls: ["ws://relay.test"], tokenAccounts: "on", drain: 0, ...options });

/** An agent that knows the relay by the name that it has for all. */
async function agent(url: string, username: string): Promise<Agent> {
  const made = new Agent(url, username);
  made.relay = "relay.test";
  using client = await RawClient.open(url);
  await client.ask("register", made.registration());
  return made;
}

describe.each(places)("administrators of a relay on %s", (_, isHere, make) => {
  async function start() {
    const where = await make();
    const relay = await relayOn(where);
    const command = async (...words: string[]) => aimessageServer([...words, ...where.words]);
    return { where, relay, command, [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose]() };
  }

  test.runIf(isHere)("list accounts, and see what waits", async () => {
    await using world = await start();
    const { relay, command } = world;
    const [alice, bob] = [await agent(relay.url, "Alice"), await agent(relay.url, "bob")];
    using a = await alice.connect();
    await a.ask("commit", alice.opening(bob, randomGroup(), [{ message_id: "m1" }]));
    await (await tokenClient(relay.url, "bobby")).close();
    const user = { kind: "key", disabled: false, devices: 1, entries: 0, bytes: 0, login_counter: 1 };
    const all = lines((await command("user", "list", "--json")).stdout);
    expect(all).toEqual([
      { ...user, username: "Alice" },
      { ...user, username: "bob", entries: 2, bytes: expect.any(Number), login_counter: 0 },
      { ...user, username: "bobby", kind: "token", devices: 0, login_counter: null },
    ]);
    expect(lines((await command("user", "list", "BOB", "--json")).stdout)).toEqual(all.slice(1));
    expect((await command("user", "list", "--limit", "1")).stderr).toBe("2 more: see --limit\n");
    const device = { id: "bob-1", counter: 1, login_counter: 0, state: "open", entries: 2, bytes: expect.any(Number) };
    expect(lines((await command("user", "show", "BOB", "--json")).stdout)).toEqual([
      {
        ...(all[1] as object),
        oldest_entry: expect.any(Number),
        key_packages: expect.any(Number),
        groups: 1,
        all_devices: [device],
      },
    ]);
    expect(await command("user", "show", "nobody")).toMatchObject({
      code: 1,
      stderr: "Error: There is no account nobody\nHint: aimessage-server user list names all\n",
    });
    expect(lines((await command("stats", "--json")).stdout)).toEqual([
      {
        accounts: { key: 2, token: 1, removed: 0, disabled: 0 },
        devices: 2,
        mailboxes_with_mail: 1,
        entries: 2,
        bytes: expect.any(Number),
        oldest_entry: expect.any(Number),
        groups: 1,
        key_packages: expect.any(Number),
        files: 0,
        file_bytes: 0,
        files_to_come: 0,
        database_bytes: expect.any(Number),
        fullest: [
          expect.objectContaining({ username: "bob", device: "bob-1", entries: 2, mailbox: expect.any(Number) }),
        ],
      },
    ]);
    expect(await command("check")).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Nothing is wrong/) });
  });

  test.runIf(isHere)("disable an account at once, and enable it again; all of it is written down", async () => {
    await using world = await start();
    const { relay, command } = world;
    using bob = await tokenClient(relay.url, "bob");
    expect(await command("user", "disable", "BOB")).toEqual({ code: 0, stdout: "BOB is disabled\n", stderr: "" });
    expect(await bob.closed).toEqual({ code: 4005, reason: "account_disabled" });
    expect((await command("user", "disable", "bob")).stdout).toBe("bob is disabled already\n");
    using late = await RawClient.open(relay.url);
    expect((await late.ask("authenticate", { username: "bob" })).data.reason).toBe("account_disabled");
    expect(await command("user", "enable", "bob", "--json")).toMatchObject({
      stdout: '{"username":"bob","what":"enable","outcome":"done"}\n',
    });
    expect((await late.ask("authenticate", { username: "bob" })).type).not.toBe("error");
    const deed = { kind: "deed", who: userInfo().username, at: expect.any(Number) };
    expect(lines((await command("audit", "--only", "deed", "--json")).stdout)).toEqual([
      { ...deed, what: "disable", target: "BOB", outcome: "done" },
      { ...deed, what: "disable", target: "bob", outcome: "unchanged" },
      { ...deed, what: "enable", target: "bob", outcome: "done" },
    ]);
    expect(lines((await command("audit", "--last", "1", "--json")).stdout)).toHaveLength(1);
  });

  test.runIf(isHere)("remove an account: whoever has written to it hears so", async () => {
    await using world = await start();
    const { relay, command } = world;
    const [alice, bob] = [await agent(relay.url, "alice"), await agent(relay.url, "bob")];
    using a = await alice.connect();
    await a.ask("commit", alice.opening(bob, randomGroup(), [{ message_id: "m1" }]));
    await a.ask("listen");
    using b = await bob.connect();
    const removed = await command("user", "remove", "bob", "--release");
    expect(removed.stdout).toBe("bob is removed; the name can be registered again\n");
    expect((await b.closed).code).toBe(4002);
    const notice = { kind: "notice", status: "dropped", reason: "unregistered", message_id: "m1" };
    expect((await a.read()).data).toMatchObject(notice);
    expect((await command("user", "remove", "bob")).stderr).toContain("There is no account bob");
    expect(await command("check")).toMatchObject({ code: 0 });
  });

  test.runIf(isHere)("make invites, list them and take them back", async () => {
    await using world = await start();
    const { command } = world;
    const made = lines((await command("invite", "create", "--uses", "2", "--json")).stdout)[0] as { id: string };
    const listed = { id: made.id, uses: 2, used: 0, created_at: expect.any(Number), expires_at: expect.any(Number) };
    expect(lines((await command("invite", "list", "--json")).stdout)).toEqual([{ ...listed, state: "open" }]);
    expect((await command("invite", "revoke", made.id)).stdout).toBe(`Invite ${made.id} is revoked\n`);
    expect((await command("invite", "revoke", made.id)).stdout).toBe(`Invite ${made.id} was revoked before\n`);
    expect(lines((await command("invite", "list", "--json")).stdout)).toEqual([{ ...listed, state: "revoked" }]);
    expect(await command("invite", "revoke", "nothing")).toMatchObject({ code: 1 });
  });
});

describe.runIf(hasPostgres)("administrators of a cluster", () => {
  test("end a connection wherever it is, and work when no relay runs", async () => {
    const store = (await database()) as `postgres://${string}`;
    const where = { options: { store }, words: [] };
    {
      await using first = await relayOn(where);
      await using second = await relayOn(where);
      using alice = await tokenClient(first.url, "alice");
      using bob = await tokenClient(second.url, "bob");
      for (const name of ["alice", "bob"]) await aimessageServer(["user", "disable", name, "--store", store]);
      for (const client of [alice, bob]) expect((await client.closed).code).toBe(4005);
    }
    expect(await aimessageServer(["user", "enable", "bob"], { AIMESSAGE_STORE: store })).toMatchObject({
      stdout: "bob is enabled\n",
    });
    await using third = await relayOn(where);
    using bob = await RawClient.open(third.url);
    expect((await bob.ask("authenticate", { username: "bob" })).type).not.toBe("error");
  });

  test("hear what is wrong with the address, never with its password", async () => {
    const url = await database();
    const secret = url.replace("postgres://postgres@", "postgres://postgres:secret@");
    expect(secret).not.toBe(url);
    expect(await aimessageServer(["stats"], { AIMESSAGE_STORE: secret })).toEqual({
      code: 1,
      stdout: "",
      stderr: `Error: There is no cluster in ${url} that this user may see\nHint: name the user that its relays have; a relay that is started with this --store makes one\n`,
    });
    const away = await aimessageServer(["stats"], { AIMESSAGE_STORE: "postgres://u:secret@127.0.0.1:1/d" });
    expect((await aimessageServer(["stats", "--store", secret])).stderr).toMatch(/^(?!.*secret).*in an argument/s);
    expect(away).toMatchObject({ code: 1, stderr: expect.stringContaining("The engine cannot be reached") });
    expect(away.stderr).not.toContain("secret");
    expect(await aimessageServer(["stats", "--store", "nonsense"])).toMatchObject({ code: 1 });
  });

  test.each(["backup", "restore"])("are told who does a %s", async (word) => {
    expect(await aimessageServer([word, "/tmp/x", "--store", "postgres://u@127.0.0.1:1/d"])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("docs/cluster.md"),
    });
  });
});

test("a database is named by a folder or by a URL, and a flag outweighs a variable", async () => {
  const db = folder();
  expect(await aimessageServer(["stats", "--db", db, "--store", "postgres://u@h/d"])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--store and --db exclude each other"),
  });
  const variables = { AIMESSAGE_STORE: "postgres://u@127.0.0.1:1/d", DB_PATH: db };
  expect(await aimessageServer(["stats"], variables)).toMatchObject({ code: 2 });
  expect(await aimessageServer(["stats", "--db", db], variables)).toMatchObject({
    stderr: expect.stringContaining(`There is no database in ${db}`),
  });
});
