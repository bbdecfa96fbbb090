import { expect, test } from "vitest";
import { Agent, newAgent, randomGroup } from "./agent.ts";
import { commandHere as command } from "./console.ts";
import { folder } from "./folder.ts";
import { loginToken, RawClient, tokenClient } from "./raw-client.ts";
import { runningRelay } from "./relay-process.ts";

const lines = (text: string): unknown[] => text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));

test("accounts are listed with what waits for them, by a prefix and up to a limit", { tags: ["long"] }, async () => {
  const db = folder();
  using relay = await runningRelay(db);
  const alice = await newAgent(relay.url, "Alice");
  const bob = await newAgent(relay.url, "bob", { packages: 3 });
  using a = await alice.connect();
  await a.ask("commit", alice.opening(bob, randomGroup(), [{ message_id: "m1" }]));
  using token = await tokenClient(relay.url, "bobby");
  await token.ask("heartbeat");

  const all = lines((await command("user", "list", "--db", db, "--json")).stdout);
  expect(all).toEqual([
    { username: "Alice", kind: "key", disabled: false, devices: 1, entries: 0, bytes: 0, login_counter: 1 },
    {
      username: "bob",
      kind: "key",
      disabled: false,
      devices: 1,
      entries: 2,
      bytes: expect.any(Number),
      login_counter: 0,
    },
    { username: "bobby", kind: "token", disabled: false, devices: 0, entries: 0, bytes: 0, login_counter: null },
  ]);
  expect(lines((await command("user", "list", "BOB", "--db", db, "--json")).stdout)).toEqual(all.slice(1));
  const one = await command("user", "list", "--limit", "1", "--db", db);
  expect(one.stdout).toMatch(/^NAME +KIND .*\nAlice +key .*\n$/);
  expect(one.stderr).toBe("2 more: see --limit\n");

  expect(lines((await command("user", "show", "BOB", "--db", db, "--json")).stdout)).toEqual([
    {
      ...(all[1] as object),
      oldest_entry: expect.any(Number),
      key_packages: 3,
      groups: 1,
      all_devices: [
        { id: "bob-1", counter: 1, login_counter: 0, state: "open", entries: 2, bytes: expect.any(Number) },
      ],
    },
  ]);
  expect(await command("user", "show", "nobody", "--db", db)).toEqual({
    code: 1,
    stdout: "",
    stderr: "Error: There is no account nobody\nHint: aimessage-server user list names all\n",
  });

  expect(lines((await command("stats", "--db", db, "--json")).stdout)).toEqual([
    {
      accounts: { key: 2, token: 1, removed: 0, disabled: 0 },
      devices: 2,
      mailboxes_with_mail: 1,
      entries: 2,
      bytes: expect.any(Number),
      oldest_entry: expect.any(Number),
      groups: 1,
      key_packages: 11,
      files: 0,
      file_bytes: 0,
      files_to_come: 0,
      database_bytes: expect.any(Number),
      fullest: [expect.objectContaining({ username: "bob", device: "bob-1", entries: 2 })],
    },
  ]);
});

test("a running relay disables an account at once, and enabling it brings everything back", async () => {
  const db = folder();
  using relay = await runningRelay(db);
  const alice = await newAgent(relay.url, "alice");
  const bob = await newAgent(relay.url, "bob");
  const group = randomGroup();
  using a = await alice.connect();
  await a.ask("commit", alice.opening(bob, group, [{ message_id: "m1" }]));
  using b = await bob.connect();
  using other = await bob.connect();
  expect(await command("user", "disable", "BOB", "--db", db)).toEqual({
    code: 0,
    stdout: "BOB is disabled\n",
    stderr: "",
  });
  for (const client of [b, other]) expect(await client.closed).toEqual({ code: 4005, reason: "account_disabled" });

  const message = { to: "bob", message: "eA==", group_id: group, epoch: 1, message_id: "m2", resume: true };
  const refused = { code: 403, reason: "account_disabled" };
  expect((await a.ask("send", message)).data).toMatchObject({ ...refused, message_id: "m2" });
  expect((await a.ask("claim_keys", { username: "bob" })).data).toMatchObject(refused);
  using late = await RawClient.open(relay.url);
  await expect(bob.challenge(late)).rejects.toThrow("account_disabled");
  expect((await late.ask("register", bob.registration())).data).toMatchObject(refused);

  expect(await command("user", "enable", "bob", "--db", db, "--json")).toEqual({
    code: 0,
    stdout: '{"username":"bob","what":"enable","outcome":"done"}\n',
    stderr: "",
  });
  expect((await a.ask("send", message)).data.status).toBe("stored_offline");
  using again = await bob.connect();
  await again.ask("listen");
  const kinds = [await again.read(), await again.read(), await again.read()].map(({ data }) => data.message_id);
  expect(kinds.slice(1)).toEqual(["m1", "m2"]);
});

test("a token account that is disabled is closed and cannot log in; its mail waits, over a restart too", async () => {
  const db = folder();
  const first = await runningRelay(db);
  using alice = await tokenClient(first.url, "alice");
  using bob = await tokenClient(first.url, "bob");
  await command("user", "disable", "bob", "--db", db);
  expect((await bob.closed).code).toBe(4005);
  expect((await alice.ask("send", { to: "bob", message: "x" })).data.reason).toBe("account_disabled");
  await command("user", "enable", "bob", "--db", db);
  expect((await alice.ask("send", { to: "bob", message: "waits" })).data.status).toBe("stored_offline");
  await command("user", "disable", "bob", "--db", db);
  await first.end("SIGTERM");

  const second = await runningRelay(db);
  using refused = await RawClient.open(second.url);
  expect((await refused.ask("authenticate", { username: "bob" })).data.reason).toBe("account_disabled");
  await second.end("SIGKILL");
  // No relay runs: the command does it itself, and the next relay knows.
  expect(await command("user", "enable", "bob", "--db", db)).toMatchObject({ code: 0, stdout: "bob is enabled\n" });
  using third = await runningRelay(db);
  using again = await RawClient.open(third.url);
  expect((await loginToken(again, bob.user))[0]?.data.message).toBe("waits");
});

test("senders hear of what waited for an account that an operator removes, running or not", async () => {
  const db = folder();
  const first = await runningRelay(db, "--public-url", "ws://relay.test", "--token-accounts", "on");
  const [alice, bob, carol] = [
    await agentOf(first.url, "alice"),
    await agentOf(first.url, "bob"),
    await agentOf(first.url, "carol"),
  ];
  using a = await alice.connect();
  await a.ask("commit", alice.opening(bob, randomGroup(), [{ message_id: "for-bob" }]));
  await a.ask("commit", alice.opening(carol, randomGroup(), [{ message_id: "for-carol" }]));
  await a.ask("listen");
  using b = await bob.connect();
  expect(await command("user", "remove", "bob", "--db", db)).toMatchObject({
    code: 0,
    stdout: "bob is removed; the name stays reserved\n",
  });
  expect((await b.closed).code).toBe(4002);
  const dropped = { kind: "notice", status: "dropped", reason: "unregistered" };
  expect((await a.read()).data).toMatchObject({ ...dropped, message_id: "for-bob" });
  await first.end("SIGTERM");

  expect(await command("user", "remove", "carol", "--release", "--db", db)).toMatchObject({
    code: 0,
    stdout: "carol is removed; the name can be registered again\n",
  });
  using second = await runningRelay(db, "--public-url", "ws://relay.test", "--token-accounts", "on");
  alice.url = second.url;
  using again = await alice.connect();
  await again.ask("listen");
  await again.read(({ data }) => data.message_id === "for-bob");
  expect((await again.read()).data).toMatchObject({ ...dropped, message_id: "for-carol" });
  using late = await RawClient.open(second.url);
  expect((await late.ask("register", { username: "bob" })).data.reason).toBe("username_taken");
  expect((await late.ask("register", { username: "carol" })).type).toBe("registered");
  expect(await command("check", "--db", db)).toMatchObject({ code: 0 });
});

/** An agent whose relay keeps its name over restarts. */
async function agentOf(url: string, username: string) {
  const agent = new Agent(url, username);
  agent.relay = "relay.test";
  using client = await RawClient.open(url);
  await client.ask("register", agent.registration());
  return agent;
}
