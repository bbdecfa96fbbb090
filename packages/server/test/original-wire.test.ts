// [P-2], [P-3.2], [P-4.1], [P-4.2], [P-6.6] of docs/protocol.md.

import { expect, test } from "vitest";
import { createRelay } from "../src/index.ts";
import { type Frame, loginToken, RawClient, registerToken, seal, tokenClient } from "./raw-client.ts";

const relayForTest = () => createRelay({ port: 0, store: "memory", noLimits: true });

test("a registration answers a token of 32 bytes and a salt of 16", async () => {
  await using relay = await relayForTest();
  using client = await RawClient.open(relay.url);
  const { type, data, timestamp, id } = await client.ask("register", { username: "test_agent_1" });
  expect(type).toBe("registered");
  expect(data.username).toBe("test_agent_1");
  expect(data.token).toMatch(/^[A-Za-z0-9_-]{43}=$/);
  expect(Buffer.from(data.salt, "base64")).toHaveLength(16);
  expect(Math.abs(timestamp - Date.now() / 1000)).toBeLessThan(60);
  expect(id).toBeTypeOf("string");
});

test("a name is registered once, whatever its case", async () => {
  await using relay = await relayForTest();
  using client = await RawClient.open(relay.url);
  await registerToken(client, "Alice");
  for (const username of ["Alice", "alice"])
    expect((await client.ask("register", { username })).data).toMatchObject({
      code: 409,
      message: `Registration failed: user ${username} already exists`,
      reason: "username_taken",
    });
});

test("the original's words for bad names and bad frames", async () => {
  await using relay = await relayForTest();
  using client = await RawClient.open(relay.url);
  const error = async (type: string, data?: unknown) => {
    const answer = await client.ask(type, data);
    expect(answer.type).toBe("error");
    return `${answer.data.code} ${answer.data.message}`;
  };
  expect(await error("register", { username: "ab" })).toBe("400 Username must be 3-32 characters");
  expect(await error("register", {})).toBe("400 Username must be 3-32 characters");
  expect(await error("register", { username: "x".repeat(33) })).toBe("400 Username must be 3-32 characters");
  expect(await error("register", { username: "bad name!" })).toBe("400 Username contains invalid characters");
  expect(await error("register", { username: 5 })).toBe("400 Invalid registration data");
  expect(await error("authenticate", { username: [] })).toBe("400 Invalid authentication data");
  expect(await error("authenticate", { username: "nobody" })).toBe("401 Invalid credentials");
  expect(await error("send", { to: "test_user", message: "test message" })).toBe("401 Not authenticated");
  expect(await error("send", { to: 1 })).toBe("401 Not authenticated");
  expect(await error("key_exchange", {})).toBe("401 Not authenticated");
  expect(await error("listen")).toBe("401 Not authenticated");
  expect(await error("list_users")).toBe("401 Not authenticated");
  expect(await error("no_such_frame", {})).toBe("400 Unknown message type");
  await loginToken(client, await registerToken(client, "alice"));
  expect(await error("send", { to: 1 })).toBe("400 Invalid send data");
  expect(await error("key_exchange", { to: 1 })).toBe("400 Invalid key exchange data");
  expect(await error("key_exchange", { to: "nobody", public_key: "k", session_id: "s" })).toBe(
    "404 User not found or offline",
  );
  for (const text of ["invalid json", "[]", "5", '{"type":5}', "{}", ""]) {
    client.socket.send(text);
    expect((await client.read()).data).toMatchObject({ code: 400, message: "Invalid message format" });
  }
  client.socket.send(Buffer.from([1, 2, 3]));
  expect((await client.read()).data).toMatchObject({ code: 400, message: "Invalid message format" });
});

test("a challenge is answered once, on its connection, for its user, with the right key", async () => {
  await using relay = await relayForTest();
  using client = await RawClient.open(relay.url);
  const alice = await registerToken(client, "alice");
  const bob = await registerToken(client, "bob");
  const answer = async (username: string, challenge: string) =>
    (await client.ask("authenticate", { username, challenge })).data;
  const challengeOf = async (username: string): Promise<string> =>
    (await client.ask("authenticate", { username, token: "" })).data.challenge;

  expect(await answer("alice", seal(alice.key, "guess"))).toMatchObject({
    code: 401,
    message: "Challenge expired or invalid",
  });
  const first = await challengeOf("alice");
  expect(await answer("alice", seal(bob.key, first))).toMatchObject({
    code: 401,
    message: "Invalid challenge response",
  });
  expect(await answer("alice", seal(alice.key, first))).toMatchObject({ reason: "challenge_invalid" });
  expect(await answer("alice", "AAAA")).toMatchObject({ reason: "challenge_invalid" });
  const forAlice = await challengeOf("alice");
  expect(await answer("bob", seal(bob.key, forAlice))).toMatchObject({ reason: "challenge_invalid" });
  const second = await challengeOf("alice");
  expect(await answer("alice", seal(alice.key, second))).toEqual({ status: "authenticated" });
});

test("a stranger's authenticate spoils nobody's login", async () => {
  await using relay = await relayForTest();
  using client = await RawClient.open(relay.url);
  using stranger = await RawClient.open(relay.url);
  const { username, key } = await registerToken(client, "alice");
  const { data } = await client.ask("authenticate", { username });
  await stranger.ask("authenticate", { username });
  await stranger.ask("authenticate", { username, challenge: seal(Buffer.alloc(32), data.challenge) });
  expect((await client.ask("authenticate", { username, challenge: seal(key, data.challenge) })).data.status).toBe(
    "authenticated",
  );
});

test("two logins on one connection crash nothing, and another user's is refused", async () => {
  await using relay = await relayForTest();
  using client = await tokenClient(relay.url, "alice");
  expect((await loginToken(client, client.user)).at(-1)?.data.status).toBe("authenticated");
  const bob = await registerToken(client, "bob");
  expect((await client.ask("authenticate", { username: bob.username })).data).toMatchObject({
    code: 403,
    reason: "already_authenticated",
  });
  expect((await client.ask("heartbeat")).data.status).toBe("ok");
});

/** Of each pushed frame whether it has a session_id, and which. */
function sessions(frames: Frame[]) {
  return frames.map(({ type, data }) => [type, Object.hasOwn(data, "session_id"), data.session_id]);
}

test("a message without a session has no session_id, also where its sender wrote an empty one", async () => {
  await using relay = await relayForTest();
  using alice = await tokenClient(relay.url, "alice");
  using bob = await tokenClient(relay.url, "bob");
  const sendAll = async () => {
    for (const session of [{}, { session_id: "" }, { session_id: "s" }])
      await alice.ask("send", { to: "bob", message: "hi", ...session });
  };
  await sendAll();
  expect(sessions([await bob.read(), await bob.read(), await bob.read()])).toEqual([
    ["message", false, undefined],
    ["message", false, undefined],
    ["message", true, "s"],
  ]);
  await bob.close();
  await sendAll();
  using again = await RawClient.open(relay.url);
  const waited = (await loginToken(again, bob.user)).filter(({ type }) => type !== "ack");
  expect(sessions(waited.slice(-3))).toEqual([
    ["offline_message", false, undefined],
    ["offline_message", false, undefined],
    ["offline_message", true, "s"],
  ]);
});

test("30 users at once never get each other's credentials", async () => {
  await using relay = await relayForTest();
  const names = Array.from({ length: 30 }, (_, index) => `concurrent_user_${index}`);
  const clients = await Promise.all(names.map((name) => tokenClient(relay.url, name)));
  await Promise.all(
    clients.map((client, index) =>
      client.ask("send", { to: names[(index + 1) % 30], message: `from ${names[index]}` }),
    ),
  );
  await Promise.all(
    clients.map(async (client, index) => {
      const from = names[(index + 29) % 30];
      expect((await client.read()).data).toMatchObject({ from, message: `from ${from}` });
    }),
  );
  expect(new Set(clients.map(({ user }) => user.key.toString("hex"))).size).toBe(30);
  for (const client of clients) client[Symbol.dispose]();
});

test("the user list names who is online, without oneself", async () => {
  await using relay = await relayForTest();
  using a = await tokenClient(relay.url, "user_list_1");
  using b = await tokenClient(relay.url, "User_List_2");
  using c = await tokenClient(relay.url, "user_list_3");
  const list = async () => (await a.ask("list_users")).data.users.sort();
  expect(await list()).toEqual(["User_List_2", "user_list_3"]);
  await b.close();
  expect(await list()).toEqual(["user_list_3"]);
  expect((await c.ask("list_users")).data.users).toEqual(["user_list_1"]);
});

test("heartbeat and listen are acknowledged; data may be missing or null", async () => {
  await using relay = await relayForTest();
  using client = await RawClient.open(relay.url);
  expect(await client.ask("heartbeat")).toMatchObject({ type: "ack", data: { status: "ok" } });
  expect((await client.ask("heartbeat", null)).data.status).toBe("ok");
  await loginToken(client, await registerToken(client, "alice"));
  expect((await client.ask("listen")).data.status).toBe("listening");
});

test("a key exchange passes both ways, with the sender's name", async () => {
  await using relay = await relayForTest();
  using a = await tokenClient(relay.url, "alice");
  using b = await tokenClient(relay.url, "bob");
  const request = await a.ask("key_exchange", { to: "bob", public_key: "cHVi", session_id: "s1" });
  expect(request.data.status).toBe("key_exchange_initiated");
  expect(await b.read()).toMatchObject({
    type: "key_request",
    data: { from: "alice", to: "bob", public_key: "cHVi", session_id: "s1" },
  });
  const response = await b.ask("key_response", { to: "alice", public_key: "cHVj", session_id: "s1" });
  expect(response.data.status).toBe("key_response_forwarded");
  expect(await a.read()).toMatchObject({ type: "key_response", data: { from: "bob", public_key: "cHVj" } });
  expect((await b.ask("peers", { block: ["alice"] })).data.status).toBe("peers");
  expect((await a.ask("key_exchange", { to: "bob", public_key: "cHVi" })).data.reason).toBe("blocked");
});

test("answers leave in the order of the requests, whether they wait for the disk or not", async () => {
  await using relay = await relayForTest();
  using client = await tokenClient(relay.url, "alice");
  const expected: string[] = [];
  for (let round = 0; round < 20; round++) {
    expected.push(client.write("send", { to: "alice", message: `${round}` }));
    expected.push(client.write("heartbeat"));
    expected.push(client.write("list_users"));
    expected.push(client.write("nonsense"));
  }
  const answers: (string | undefined)[] = [];
  while (answers.length < expected.length) {
    const frame = await client.read();
    if (frame.reply_to !== undefined) answers.push(frame.reply_to);
  }
  expect(answers).toEqual(expected);
});

test("both paths of the original take connections, no other does", async () => {
  await using relay = await relayForTest();
  const base = `ws://localhost:${relay.port}`;
  for (const path of ["/ws", "/", "", "/ws?x=1"]) {
    using client = await RawClient.open(base + path);
    expect((await client.ask("heartbeat")).type).toBe("ack");
  }
  const refused = new RawClient(`${base}/other`);
  expect((await refused.closed).code).toBe(1006);
});
