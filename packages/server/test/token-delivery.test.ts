// [P-5.4], [P-5.5], [P-6.1], [P-6.2] of docs/protocol.md.

import { expect, test } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import { createRelay } from "../src/index.ts";
import { type Frame, loginToken, onBun, RawClient, registerToken, seal, tokenClient } from "./raw-client.ts";

const relayForTest = (limits = {}) => createRelay({ port: 0, store: "memory", noLimits: true, limits });
const bodies = (frames: Frame[]) => frames.map(({ data }) => data.message);
const numbered = (count: number, from = 0) => Array.from({ length: count }, (_, index) => `m${from + index}`);

const sendAll = (client: RawClient, to: string, messages: string[]) =>
  Promise.all(messages.map((message) => sendOne(client, to, message)));
const sendOne = async (client: RawClient, to: string, message: string): Promise<string> =>
  (await client.ask("send", { to, message })).data.status;

test.skipIf(onBun)("a message to a user who is online is delivered, to one who is not it is stored", async () => {
  await using relay = await relayForTest();
  using a = await tokenClient(relay.url, "alice");
  using b = await tokenClient(relay.url, "Bob");
  expect((await a.ask("send", { to: "bob", message: "hi", session_id: "s" })).data.status).toBe("delivered");
  expect(await b.read()).toMatchObject({
    type: "message",
    data: { from: "alice", message: "hi", session_id: "s", kind: "application" },
  });
  await b.close();
  expect((await a.ask("send", { to: "bob", message: "later" })).data.status).toBe("stored_offline");
  using again = await RawClient.open(relay.url);
  const frames = await loginToken(again, b.user);
  expect(frames.map(({ type }) => type)).toEqual(["offline_message", "ack"]);
  expect(frames[0]?.data).toMatchObject({ from: "alice", message: "later" });
});

test("300 messages that waited all arrive, in order, before the answer to the login", async () => {
  await using relay = await relayForTest();
  using a = await tokenClient(relay.url, "alice");
  using b = await RawClient.open(relay.url);
  const bob = await registerToken(b, "bob");
  expect(new Set(await sendAll(a, "bob", numbered(300)))).toEqual(new Set(["stored_offline"]));
  const frames = await loginToken(b, bob);
  expect(frames.at(-1)?.data.status).toBe("authenticated");
  expect(bodies(frames.slice(0, -1))).toEqual(numbered(300));
});

test("a client that stops reading and dies loses nothing", async () => {
  await using relay = await relayForTest({ inFlightMessages: 10 });
  using a = await tokenClient(relay.url, "alice");
  const b = await tokenClient(relay.url, "bob");
  b.socket.pause();
  await sendAll(a, "bob", numbered(100));
  b.socket.terminate();
  await eventually("bob is offline", async () => (await a.ask("list_users")).data.users.length === 0);
  using again = await RawClient.open(relay.url);
  const frames = await loginToken(again, b.user);
  expect(bodies(frames.slice(0, -1))).toEqual(numbered(100));
});

test.skipIf(onBun)("what a pong has acknowledged does not come again; other pongs acknowledge nothing", async () => {
  await using relay = await relayForTest();
  using a = await tokenClient(relay.url, "alice");
  const b = await tokenClient(relay.url, "bob");
  await sendOne(a, "bob", "read");
  await b.read();
  await b.close();
  const deaf = await RawClient.open(relay.url, { autoPong: false });
  expect(await loginToken(deaf, b.user)).toHaveLength(1);
  await sendOne(a, "bob", "unread");
  const { data } = await deaf.read();
  for (const payload of ["", `seq:${data.seq + 1}`, "seq:", `${data.seq}`]) deaf.socket.pong(payload);
  expect((await deaf.ask("heartbeat")).data.status).toBe("ok");
  deaf.socket.terminate();
  using again = await RawClient.open(relay.url);
  expect(bodies((await loginToken(again, b.user)).slice(0, -1))).toEqual(["unread"]);
});

test.skipIf(onBun)("either of two connections of one user may close; the newest gets the messages", async () => {
  await using relay = await relayForTest();
  using a = await tokenClient(relay.url, "alice");
  using older = await tokenClient(relay.url, "bob");
  const newer = await RawClient.open(relay.url);
  await loginToken(newer, older.user);
  await sendOne(a, "bob", "1");
  expect((await newer.read()).data.message).toBe("1");
  await newer.close();
  expect(await sendOne(a, "bob", "2")).toBe("delivered");
  expect((await older.read()).data.message).toBe("2");
  using third = await RawClient.open(relay.url);
  await loginToken(third, older.user);
  await older.close();
  expect(await sendOne(a, "bob", "3")).toBe("delivered");
  expect((await third.read()).data.message).toBe("3");
  expect((await a.ask("list_users")).data.users).toEqual(["bob"]);
});

test("a frame of 1,024 bytes works, and so does the largest that is allowed", async () => {
  await using relay = await relayForTest();
  using a = await tokenClient(relay.url, "alice");
  using b = await tokenClient(relay.url, "bob");
  const { frame_bytes } = (await a.ask("info")).data.limits;
  const overhead = JSON.stringify({
    type: "send",
    id: "c9",
    timestamp: 1_700_000_000,
    data: { to: "bob", message: "" },
  });
  for (const size of [1024, frame_bytes]) {
    const message = "x".repeat(size - overhead.length);
    const text = JSON.stringify({ type: "send", id: "c9", timestamp: 1_700_000_000, data: { to: "bob", message } });
    expect(text).toHaveLength(size);
    a.socket.send(text);
    expect((await a.read()).data.status).toBe("delivered");
    expect((await b.read()).data.message).toBe(message);
  }
});

test("a message arrives exactly as it was", async () => {
  await using relay = await relayForTest();
  using a = await tokenClient(relay.url, "alice");
  const messages = ["", "x", "\0\n\r\t\u2028\u2029", "\u{1F600} \u202E", '"\\', "e\u0301"];
  for (const message of messages) {
    await a.ask("send", { to: "alice", message });
  }
  using b = await tokenClient(relay.url, "bob");
  for (const message of messages) await b.ask("send", { to: "alice", message });
  for (const message of messages) expect((await a.read(({ data }) => data.from === "bob")).data.message).toBe(message);
});

test("a message to a name that nobody has waits for it, under a small quota", async () => {
  await using relay = await relayForTest({ unknownUserMessages: 2 });
  using a = await tokenClient(relay.url, "alice");
  expect(await sendOne(a, "non_existent_user", "1")).toBe("stored_offline");
  expect(await sendOne(a, "other_user", "2")).toBe("stored_offline");
  expect((await a.ask("send", { to: "non_existent_user", message: "3" })).data).toMatchObject({
    code: 507,
    reason: "sender_quota",
  });
  expect((await a.ask("send", { to: "x!", message: "3" })).data.reason).toBe("unknown_user");
  using late = await RawClient.open(relay.url);
  const frames = await loginToken(late, await registerToken(late, "Non_Existent_User"));
  expect(bodies(frames.slice(0, -1))).toEqual(["1"]);
  expect(await sendOne(a, "third_user", "4")).toBe("stored_offline");
});

test("a message with an id is stored once", async () => {
  await using relay = await relayForTest();
  using a = await tokenClient(relay.url, "alice");
  using b = await RawClient.open(relay.url);
  const bob = await registerToken(b, "bob");
  const message = { to: "bob", message: "once", message_id: "id-1" };
  expect((await a.ask("send", message)).data).toEqual({ status: "stored_offline", message_id: "id-1" });
  expect((await a.ask("send", message)).data).toEqual({ status: "stored_offline", message_id: "id-1" });
  expect((await a.ask("send", { ...message, message: "other" })).data).toMatchObject({
    code: 409,
    reason: "message_id_reused",
    message_id: "id-1",
  });
  const frames = await loginToken(b, bob);
  expect(frames.map(({ data }) => data.message_id ?? data.status)).toEqual(["id-1", "authenticated"]);
});

test("a connection that closes while it logs in is not online", async () => {
  await using relay = await relayForTest();
  using a = await tokenClient(relay.url, "alice");
  const bob = await tokenClient(relay.url, "bob");
  await bob.close();
  for (let round = 0; round < 10; round++) {
    const client = await RawClient.open(relay.url);
    const { data } = await client.ask("authenticate", { username: "bob" });
    client.write("authenticate", { username: "bob", challenge: seal(bob.user.key, data.challenge) });
    client.write("listen");
    client.socket.terminate();
  }
  await eventually("nobody is online", async () => (await a.ask("list_users")).data.users.length === 0);
  expect(await sendOne(a, "bob", "later")).toBe("stored_offline");
});
