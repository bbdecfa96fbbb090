import { expect, test } from "vitest";
import { createRelay } from "@aimessage/server";
import { newAgent, randomGroup } from "../../packages/server/test/agent.ts";
import { loginToken, RawClient, registerToken, tokenClient } from "../../packages/server/test/raw-client.ts";

const start = () => createRelay({ port: 0, store: "memory", noLimits: true });
const TEXTS = [
  "a\0b",
  "\0",
  "\ud800x",
  "x\udfff",
  "\ufeffx",
  "\u2028\u0085\r\n",
  "\u{1f600}",
  "e\u0301",
  "\ufffe",
  "\u001b[2J",
];

test("any text arrives as it was sent, live and stored; lone surrogates become U+FFFD in both", async () => {
  await using relay = await start();
  using alice = await tokenClient(relay.url, "alice");
  using bob = await RawClient.open(relay.url);
  const user = await registerToken(bob, "bob");
  const wanted = TEXTS.map((text) => text.toWellFormed());
  for (const text of TEXTS)
    expect((await alice.ask("send", { to: "bob", message: text, session_id: text })).data.status).toBe(
      "stored_offline",
    );
  const stored = (await loginToken(bob, user)).slice(0, -1);
  expect(stored.map(({ data }) => data.message)).toEqual(wanted);
  expect(stored.map(({ data }) => data.session_id)).toEqual(wanted);
  for (const text of TEXTS) {
    await alice.ask("send", { to: "bob", message: text });
    expect((await bob.read(({ type }) => type === "message")).data.message).toBe(text.toWellFormed());
  }
});

test("strange names, ids and shapes are refused in every field, and the connection stays", async () => {
  await using relay = await start();
  const alice = await newAgent(relay.url, "alice");
  using client = await alice.connect();
  const groupId = randomGroup();
  const send = { to: "bob", message: "", group_id: groupId, epoch: 1, message_id: "m" };
  const strange = [
    null,
    1,
    true,
    [],
    {},
    "",
    "\0",
    "\ud800",
    "a b",
    "é".repeat(40),
    "x".repeat(1000),
    "../../x",
    "<script>",
  ];
  for (const value of strange)
    for (const field of ["message_id", "group_id", "epoch", "expires_at", "to"]) {
      if (field === "epoch" && value === 1) continue;
      const { type, data } = await client.ask("send", { ...send, [field]: value, resume: true });
      expect([type, data.reason]).not.toEqual(["error", "internal"]);
      expect(type).toBe("error");
    }
  for (const number of [-1, 0.5, 2 ** 53, 1e308, -0.1, "1", Number.MAX_SAFE_INTEGER])
    for (const field of ["epoch", "expires_at"])
      expect((await client.ask("send", { ...send, [field]: number, resume: true })).type).toBe("error");
  expect((await client.ask("received", { log_id: "x", seq: Number.MAX_SAFE_INTEGER })).data.reason).toBe(
    "not_listening",
  );
  await client.ask("listen");
  for (const seq of [-1, 0.5, 2 ** 53, 1e308, null, "0"])
    expect((await client.ask("received", { log_id: "x", seq })).data.reason).toBe("invalid_data");
});

test("deep nesting, long numbers and repeated keys do no harm", async () => {
  await using relay = await start();
  using client = await tokenClient(relay.url, "alice");
  const deep = 400_000;
  const texts = [
    "[".repeat(deep) + "]".repeat(deep),
    `{"type":"send","id":"x","data":{"to":"bob","message":${"[".repeat(deep)}${"]".repeat(deep)}}}`,
    `{"type":"heartbeat","id":"x","data":${'{"a":'.repeat(deep / 4)}1${"}".repeat(deep / 4)}}`,
    `{"type":"heartbeat","id":"x","data":{"a":${"9".repeat(900_000)}}}`,
    `{"type":"heartbeat","id":"x",${'"data":null,'.repeat(50_000)}"timestamp":1}`,
    `{"type":"heartbeat","__proto__":{"type":"unregister"},"constructor":{"prototype":{"login":1}}}`,
    `{"type":"__proto__"}`,
    `{"type":"hasOwnProperty","data":{}}`,
    `{"type":"send","data":{"__proto__":{"to":"alice","message":"x"}}}`,
  ];
  for (const text of texts) {
    client.socket.send(text);
    expect((await client.read()).data.reason).not.toBe("internal");
  }
  expect((await client.ask("heartbeat")).data.status).toBe("ok");
  expect(({} as Record<string, unknown>)["login"]).toBeUndefined();
});

test("names that programs trip over are names like others", async () => {
  await using relay = await start();
  for (const name of ["__proto__", "constructor", "toString", "---", "___", "0000", "null", "x".repeat(32)]) {
    using client = await tokenClient(relay.url, name);
    const message = await client.ask("send", { to: name.toUpperCase(), message: "to myself" });
    expect(message.data.status).toBe("delivered");
    expect((await client.read(({ type }) => type === "message")).data).toMatchObject({
      from: name,
      message: "to myself",
    });
    using other = await RawClient.open(relay.url);
    expect((await other.ask("register", { username: name.toUpperCase() })).data.reason).toBe("username_taken");
  }
});

test("refusals in ever new groups do not fill the relay's memory", async () => {
  await using relay = await createRelay({ port: 0, store: "memory", noLimits: true });
  const alice = await newAgent(relay.url, "alice");
  using client = await alice.connect();
  for (let count = 0; count < 12_000; count++)
    client.write("send", { to: "bob", message: "", group_id: randomGroup() });
  expect((await client.closed).code).toBe(4003);
});

test("ten thousand tiny frames are all answered, in order", async () => {
  await using relay = await start();
  using client = await tokenClient(relay.url, "alice");
  const ids = Array.from({ length: 10_000 }, (_, index) => `t${index}`);
  for (const [index, id] of ids.entries()) {
    if (index % 3 === 0) client.write("send", { to: "nobody!", message: "" }, id);
    else client.write(index % 3 === 1 ? "heartbeat" : "x", undefined, id);
  }
  await client.ask("heartbeat");
  expect(client.unread.map(({ reply_to }) => reply_to)).toEqual(ids);
});
