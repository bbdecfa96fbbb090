// [P-3.8] of docs/protocol.md, [A-7] of SECURITY.md.

import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import { createRelay, openSqliteStore, type RelayOptions } from "../src/index.ts";
import { namesOf, requestsFolder } from "../src/admin/request.ts";
import { defaultLimits } from "../src/config/limits.ts";
import { lockFolder } from "../src/store/sqlite/lock.ts";
import { SCHEMA_VERSION, schemaVersion } from "../src/store/sqlite/migrations.ts";
import { Agent } from "./agent.ts";
import { aimessageServer } from "./console.ts";
import { folder } from "./folder.ts";
import { withoutFiles } from "./older.ts";
import { RawClient } from "./raw-client.ts";
import { runningRelay } from "./relay-process.ts";

const command = (...words: string[]) => aimessageServer(words);
const lines = (text: string) => text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));

/** A relay, and a client that has not logged in. */
async function relayWith(options: RelayOptions) {
  const relay = await createRelay({ port: 0, store: "memory", ...options });
  const client = await RawClient.open(relay.url);
  return {
    client,
    register: (name: string, invite?: string) => client.ask("register", { username: name, invite }),
    registerAgent: (agent: Agent, invite?: string) => client.ask("register", { ...agent.registration(), invite }),
    agent: (name: string, options: ConstructorParameters<typeof Agent>[2] = {}) => new Agent(relay.url, name, options),
    async [Symbol.asyncDispose]() {
      client.socket.terminate();
      await relay[Symbol.asyncDispose]();
    },
  };
}

test("a relay that is closed registers nobody who is new, and says so", async () => {
  await using relay = await relayWith({ registration: "closed" });
  for (const answer of [await relay.register("alice"), await relay.registerAgent(relay.agent("bob"), "ABC")])
    expect(answer.data).toMatchObject({ code: 403, reason: "registration_closed" });
});

test("an open relay asks nobody for an invite", async () => {
  await using relay = await relayWith({});
  expect((await relay.register("alice", "whatever")).type).toBe("registered");
  expect((await relay.registerAgent(relay.agent("bob"))).type).toBe("registered");
});

test("what is no invite is refused before anything is said of the name, and costs its address dearly", async () => {
  await using relay = await relayWith({ registration: "invite", limits: { registrationsBurst: 25 } });
  expect((await relay.register("alice")).data.reason).toBe("invite_required");
  expect((await relay.registerAgent(relay.agent("bob"), "A".repeat(26))).data.reason).toBe("invite_invalid");
  expect((await relay.register("alice", "A".repeat(26))).data.reason).toBe("invite_invalid");
  expect((await relay.register("alice", "A".repeat(26))).data).toMatchObject({
    reason: "rate_limited",
    retry_after_ms: expect.any(Number),
  });
});

test("a text that is far too long, or holds what no invite does, is none", async () => {
  await using relay = await relayWith({ registration: "invite" });
  for (const text of ["A".repeat(129), "A B", "A.B", ""])
    expect((await relay.register("alice", text)).data.reason).toBe("invalid_data");
});

test("an invite that the relay does not take is not printed", async () => {
  const db = folder();
  await (await runningRelay(db)).end("SIGTERM");
  // Here stands somebody in for a relay that has it already.
  const lock = lockFolder(db);
  try {
    const made = command("invite", "create", "--json", "--db", db);
    const asked = await eventually("it has asked", () => {
      const names = existsSync(requestsFolder(db)) ? readdirSync(requestsFolder(db)) : [];
      return names.find((name) => name.endsWith(".asked")) ?? false;
    });
    const { draft, reply } = namesOf(requestsFolder(db), asked.slice(0, -".asked".length));
    writeFileSync(draft, JSON.stringify({ outcome: "unchanged" }));
    renameSync(draft, reply);
    const { code, stdout, stderr } = await made;
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(JSON.parse(stderr)).toMatchObject({
      message: expect.stringContaining("has not taken the invite (unchanged)") as string,
      hint: expect.stringContaining("run it again") as string,
    });
  } finally {
    lock.close();
  }
});

test("an invite that an administrator makes while the relay runs registers one agent, and nothing keeps it", async () => {
  const db = folder();
  using relay = await runningRelay(db, "--registration", "invite");
  expect(await relay.lines(5)).toContain("Registration: invite");
  const made = await command("invite", "create", "--db", db);
  expect(made).toEqual({
    code: 0,
    stdout: expect.stringMatching(/^[A-Z2-7]{26}\n$/),
    stderr: expect.stringMatching(
      /^Invite [0-9a-f]{8} to the relay on .*, for 1 name, until .* UTC\. It is not shown again\.\n$/,
    ),
  });
  const invite = made.stdout.trim();
  using client = await RawClient.open(relay.url);
  const bob = new Agent(relay.url, "bob");
  const register = (agent: Agent, shown?: string) => client.ask("register", { ...agent.registration(), invite: shown });
  expect((await register(bob)).data.reason).toBe("invite_required");
  const answer = await register(bob, invite);
  expect(answer).toMatchObject({ type: "registered", data: { username: "bob", device: "bob-1" } });
  // The answer was lost: the same again, also without the invite, which is used up.
  for (const shown of [invite, undefined]) expect((await register(bob, shown)).data).toEqual(answer.data);
  expect((await register(new Agent(relay.url, "carol"), invite)).data.reason).toBe("invite_invalid");
  const next = new Agent(relay.url, "bob", { identity: bob.identity, counter: 2 });
  expect((await register(next)).data).toMatchObject({ username: "bob", device: "bob-2" });

  const [listed] = lines((await command("invite", "list", "--db", db, "--json")).stdout);
  expect(listed).toMatchObject({ uses: 1, used: 1, state: "used_up" });
  for (const name of readdirSync(db, { recursive: true, encoding: "utf8" }))
    if (/relay\.db/.test(name)) expect(readFileSync(join(db, name)).includes(invite)).toBe(false);
  expect(relay.output.stdout + relay.output.stderr).not.toContain(invite);
  expect((await command("audit", "--db", db)).stdout).not.toContain(invite);
});

test("invites are listed and revoked by their ids, with a relay and without", async () => {
  const db = folder();
  const relay = await runningRelay(db, "--registration", "invite");
  const create = async (...more: string[]) =>
    lines((await command("invite", "create", "--json", "--db", db, ...more)).stdout)[0];
  const one = await create("--uses", "3", "--expires", "1h");
  expect(one).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{8}$/),
    invite: expect.stringMatching(/^[A-Z2-7]{26}$/),
    uses: 3,
    expires_at: expect.any(Number),
  });
  const revoke = (id: string) => command("invite", "revoke", id, "--db", db);
  expect(await revoke(one.id)).toMatchObject({ code: 0, stdout: `Invite ${one.id} is revoked\n` });
  await relay.end("SIGTERM");
  const two = await create();
  expect(await revoke(one.id)).toMatchObject({ code: 0, stdout: `Invite ${one.id} was revoked before\n` });
  expect(await revoke("nothing")).toMatchObject({ code: 1, stderr: expect.stringContaining("There is no invite") });
  const listed = lines((await command("invite", "list", "--db", db, "--json")).stdout);
  expect(listed.map(({ id, state }) => [id, state])).toEqual([
    [one.id, "revoked"],
    [two.id, "open"],
  ]);
  expect((await command("invite", "list", "--db", db)).stdout).toMatch(/^ID .*\n[0-9a-f]{8} +revoked +0 of 3 /);
  using again = await runningRelay(db, "--registration", "invite");
  using client = await RawClient.open(again.url);
  const register = (name: string, invite: string) => client.ask("register", { username: name, invite });
  expect((await register("alice", one.invite)).data.reason).toBe("invite_invalid");
  expect((await register("alice", two.invite)).type).toBe("registered");
});

test.each([
  [["--expires", "soon"], "--expires needs a time such as 12h or 7d, ten years at most, not 'soon'"],
  [["--expires", "0d"], "--expires needs a time"],
  [["--expires", "4000d"], "--expires needs a time"],
  [["--uses", "0"], "option '--uses <number>' argument '0' is invalid"],
])("invite create %j is wrong usage", async (flags, message) => {
  const { code, stderr } = await command("invite", "create", ...flags, "--db", folder());
  expect(code).toBe(2);
  expect(stderr).toContain(message);
});

test("a database of before invites is lifted, and keeps its accounts", async () => {
  const db = folder();
  {
    await using store = openSqliteStore(db, { limits: defaultLimits() });
    await store.registerToken("bob", new Uint8Array(32), "");
  }
  const file = join(db, "relay.db");
  const before = new DatabaseSync(file);
  before.exec(`${withoutFiles} DROP TABLE invites; PRAGMA user_version = 7`);
  before.close();
  expect(await command("invite", "create", "--db", db)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("start the relay of this version on it once"),
  });
  using relay = await runningRelay(db, "--registration", "invite");
  const { stdout } = await command("invite", "create", "--db", db);
  using client = await RawClient.open(relay.url);
  const register = (username: string) => client.ask("register", { username, invite: stdout.trim() });
  expect((await register("bob")).data.reason).toBe("username_taken");
  expect((await register("alice")).type).toBe("registered");
  await relay.end("SIGTERM");
  const after = new DatabaseSync(file, { readOnly: true });
  expect(schemaVersion(after)).toBe(SCHEMA_VERSION);
  after.close();
});
