// [P-5.1] to [P-5.9] of docs/protocol.md.

import { expect, test } from "vitest";
import { createRelay } from "../src/index.ts";
import { newAgent, randomGroup } from "./agent.ts";

async function conversation(limits = {}, clock = Date.now) {
  const relay = await createRelay({ port: 0, store: "memory", noLimits: true, limits, clock, uptime: clock });
  const alice = await newAgent(relay.url, "alice");
  const bob = await newAgent(relay.url, "bob");
  {
    using b = await bob.connect();
    await b.ask("peers", { allow: ["alice", "carol"] });
    await b.close();
  }
  const a = await alice.connect();
  const group = randomGroup();
  await a.ask("commit", alice.opening(bob, group));
  let sent = 0;
  const send = async (extra: object = {}) =>
    (
      await a.ask("send", {
        to: "bob",
        message: "eA==",
        group_id: group,
        epoch: 1,
        message_id: `m${++sent}`,
        resume: true,
        ...extra,
      })
    ).data;
  return { relay, alice, bob, a, group, send, [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose]() };
}

test("the answer to listen comes first, then what has waited, then what is live", async () => {
  await using c = await conversation();
  await c.send();
  using b = await c.bob.connect();
  b.write("listen");
  const listening = await b.read();
  expect(listening.data).toMatchObject({ status: "listening", log_id: expect.any(String), key_packages: 8 });
  expect(listening.data.high_water).toBeGreaterThan(0);
  expect((await c.send()).status).toBe("delivered");
  const frames = [await b.read(), await b.read(), await b.read()];
  expect(frames.map(({ type, data }) => [type, data.message_id])).toEqual([
    ["offline_message", expect.stringContaining("open-")],
    ["offline_message", "m1"],
    ["message", "m2"],
  ]);
  expect(frames[1]?.data.seq).toBe(listening.data.high_water);
});

test("nothing is pushed before listen, and a message then counts as stored", async () => {
  await using c = await conversation();
  using b = await c.bob.connect();
  expect((await c.send()).status).toBe("stored_offline");
  await b.ask("heartbeat");
  expect(b.unread).toEqual([]);
});

test("received deletes up to what was pushed on this connection, and refuses anything beyond", async () => {
  await using c = await conversation();
  await c.send();
  await c.send();
  using b = await c.bob.connect();
  const received = async (log_id: string, seq: number) => (await b.ask("received", { log_id, seq })).data;
  expect((await received("x", 0)).reason).toBe("not_listening");
  const { log_id, high_water } = (await b.ask("listen")).data;
  for (let count = 0; count < 3; count++) await b.read();
  expect(await received(log_id, high_water + 1)).toMatchObject({ code: 400, reason: "received_out_of_range" });
  expect((await received("other", high_water)).reason).toBe("received_out_of_range");
  expect((await received(log_id, high_water - 1)).status).toBe("received");
  await b.close();

  using again = await c.bob.connect();
  await again.ask("listen");
  expect((await again.read()).data).toMatchObject({ seq: high_water, message_id: "m2" });
  // Without an id it is not answered.
  again.socket.send(JSON.stringify({ type: "received", data: { log_id, seq: high_water } }));
  expect((await again.ask("heartbeat")).data.status).toBe("ok");
  expect(again.unread).toEqual([]);
  again.socket.send(JSON.stringify({ type: "received", data: { log_id, seq: high_water + 5 } }));
  expect((await again.read()).data.reason).toBe("received_out_of_range");
  expect((await again.ask("listen")).data.high_water).toBe(0);
});

test("a newer connection takes over the mailbox, with everything that is not acknowledged", async () => {
  await using c = await conversation();
  await c.send();
  using older = await c.bob.connect();
  await older.ask("listen");
  expect([(await older.read()).data.kind, (await older.read()).data.kind]).toEqual(["welcome", "application"]);
  using newer = await c.bob.connect();
  const { log_id } = (await newer.ask("listen")).data;
  expect((await older.read()).data).toMatchObject({ code: 409, reason: "listen_superseded" });
  expect([(await newer.read()).data.kind, (await newer.read()).data.message_id]).toEqual(["welcome", "m1"]);
  await c.send();
  expect((await newer.read()).data.message_id).toBe("m2");
  await older.ask("heartbeat");
  expect(older.unread).toEqual([]);
  expect((await older.ask("received", { log_id, seq: 2 })).data.status).toBe("received");
  expect((await older.ask("listen")).data.status).toBe("listening");
  expect((await newer.read()).data.reason).toBe("listen_superseded");
  expect((await older.read()).data.message_id).toBe("m2");
});

test("what was pushed on a connection can be acknowledged there, also after it listens again", async () => {
  let now = Date.now();
  await using c = await conversation({}, () => now);
  await c.send();
  await c.send({ expires_at: now + 1000 });
  using older = await c.bob.connect();
  const { log_id } = (await older.ask("listen")).data;
  const [first, , last] = [await older.read(), await older.read(), await older.read()];
  using newer = await c.bob.connect();
  await newer.ask("listen");
  expect((await older.read()).data.reason).toBe("listen_superseded");
  older.write("listen");
  expect((await older.ask("received", { log_id, seq: first.data.seq })).data.status).toBe("received");
  // What has expired is not pushed again, and all that is pushed is older.
  now += 1000;
  await newer.ask("listen");
  await older.ask("listen");
  expect((await older.ask("received", { log_id, seq: last.data.seq })).data.status).toBe("received");
});

test("only so many messages are in flight; an acknowledgement brings the next", async () => {
  await using c = await conversation({ inFlightMessages: 3 });
  using b = await c.bob.connect();
  const { log_id } = (await b.ask("listen")).data;
  for (let count = 0; count < 10; count++) await c.send();
  await b.ask("heartbeat");
  expect(b.unread).toHaveLength(3);
  const seen: string[] = [];
  while (seen.length < 11) {
    const { data } = await b.read();
    seen.push(data.message_id);
    b.socket.send(JSON.stringify({ type: "received", data: { log_id, seq: data.seq } }));
  }
  expect(seen.slice(1)).toEqual(Array.from({ length: 10 }, (_, index) => `m${index + 1}`));
});

test("bytes in flight are bounded too, but a single large message passes", async () => {
  await using c = await conversation({ inFlightBytes: 1000 });
  using b = await c.bob.connect();
  const { log_id } = (await b.ask("listen")).data;
  const large = "x".repeat(4000);
  for (let count = 0; count < 3; count++) await c.send({ message: large });
  const welcome = await b.read();
  await b.ask("heartbeat");
  expect(b.unread).toHaveLength(0);
  b.write("received", { log_id, seq: welcome.data.seq });
  for (let count = 1; count <= 3; count++) {
    const { data } = await b.read(({ type }) => type !== "ack");
    expect(data.message_id).toBe(`m${count}`);
    b.write("received", { log_id, seq: data.seq });
  }
});

test("a message that has expired is refused, never delivered, and its sender is told", async () => {
  let now = Date.now();
  await using c = await conversation({}, () => now);
  expect(await c.send({ expires_at: now })).toMatchObject({ code: 410, reason: "expired", message_id: "m1" });
  expect((await c.send({ expires_at: now + 1000 })).status).toBe("stored_offline");
  expect((await c.send()).status).toBe("stored_offline");
  await c.a.ask("listen");
  now += 2000;
  using b = await c.bob.connect();
  await b.ask("listen");
  expect([(await b.read()).data.kind, (await b.read()).data.message_id]).toEqual(["welcome", "m3"]);
  expect((await c.a.read()).data).toMatchObject({
    kind: "notice",
    from: "bob",
    message_id: "m2",
    status: "expired",
    reason: "expired",
    group_id: c.group,
  });
});

test("[A-4] one peer may take a quarter of what the others leave of a mailbox", async () => {
  await using c = await conversation({ mailboxMessages: 40 });
  for (let count = 0; count < 10; count++) expect((await c.send()).status).toBe("stored_offline");
  expect(await c.send()).toMatchObject({ code: 507, reason: "mailbox_full", message_id: "m11" });
  const carol = await newAgent(c.relay.url, "carol");
  using client = await carol.connect();
  const messages = Array.from({ length: 7 }, (_, index) => ({ message_id: `c${index}` }));
  expect(
    (await client.ask("commit", carol.opening(c.bob, randomGroup(), [...messages, { message_id: "c7" }]))).data,
  ).toMatchObject({ reason: "mailbox_full" });
  // 40 - 10 of Alice's leave 30, a quarter of it is 7. The Welcome has room of its own.
  expect((await client.ask("commit", carol.opening(c.bob, randomGroup(), messages))).data.status).toBe("committed");

  using b = await c.bob.connect();
  const { log_id } = (await b.ask("listen")).data;
  const last = await b.read(({ data }) => data.message_id === "c6");
  await b.ask("received", { log_id, seq: last.data.seq });
  expect((await c.send()).status).toBe("delivered");
});

test("[A-4] a mailbox is bounded in bytes", async () => {
  await using c = await conversation({ mailboxBytes: 40_000 });
  expect((await c.send({ message: "x".repeat(9_000) })).status).toBe("stored_offline");
  expect((await c.send({ message: "x".repeat(9_000) })).reason).toBe("mailbox_full");
});

test("[A-4] notices have room of their own, which others do not share and which is bounded", async () => {
  let now = Date.now();
  await using c = await conversation({ mailboxMessages: 40, noticeMessages: 8 }, () => now);
  for (let count = 0; count < 10; count++)
    expect((await c.send({ expires_at: now + 1_000 })).status).toBe("stored_offline");
  now += 1_000;
  using b = await c.bob.connect();
  await b.ask("listen");
  await c.a.ask("listen");
  for (let count = 0; count < 8; count++) expect((await c.a.read()).data.kind).toBe("notice");
  // Nobody is told of the other two; what is sent now finds room again.
  expect((await c.send()).status).toBe("delivered");
  expect(c.a.unread).toEqual([]);
});

test("Welcomes and commits have a bounded room of their own", async () => {
  await using c = await conversation({ handshakeMessages: 8 });
  expect((await c.a.ask("commit", c.alice.opening(c.bob, randomGroup()))).data.status).toBe("committed");
  expect((await c.a.ask("commit", c.alice.opening(c.bob, randomGroup()))).data.reason).toBe("mailbox_full");
  expect((await c.send()).status).toBe("stored_offline");
});

test("[A-4] strangers share half of a mailbox, by address and by account [P-5.9]", async () => {
  await using c = await conversation({ mailboxMessages: 160 });
  const taken: number[] = [];
  for (let index = 0; index < 5; index++) {
    const eve = await newAgent(c.relay.url, `eve-${index}`);
    using client = await eve.connect();
    const group = randomGroup();
    await client.ask("commit", eve.opening(c.bob, group));
    const junk = { to: "bob", message: "eA==", group_id: group, epoch: 1, resume: true };
    for (let count = 0; ; count++) {
      const { data } = await client.ask("send", { ...junk, message_id: `m${count}` });
      if (data.status !== undefined) continue;
      expect(data.reason).toBe("mailbox_full");
      taken.push(count);
      break;
    }
  }
  expect(taken).toEqual([10, 5, 2, 1, 1]);
  // 160 - 19 of the strangers leave 141 to each other, and a quarter of it is 35.
  for (let count = 0; count < 35; count++) expect((await c.send()).status).toBe("stored_offline");
  expect((await c.send()).reason).toBe("mailbox_full");
});

test("peers are named by whoever is logged in, at a rate, and a frame holds 500 of a kind at most [P-7.5]", async () => {
  await using c = await conversation({ peersPerSecond: 1, peersBurst: 10 });
  expect((await c.a.ask("peers")).data.reason).toBe("invalid_data");
  expect((await c.a.ask("peers", {})).data).toEqual({ status: "peers" });
  expect((await c.a.ask("peers", { allow: ["no name"] })).data.reason).toBe("invalid_data");
  const many = Array.from({ length: 501 }, (_, index) => `name-${index}`);
  expect((await c.a.ask("peers", { block: many })).data.reason).toBe("invalid_data");
  expect((await c.a.ask("peers", { clear: "some" })).data.reason).toBe("invalid_data");
  expect((await c.a.ask("peers", { allow: many.slice(0, 9) })).data.reason ?? "peers").toBe("peers");
  expect((await c.a.ask("peers", { block: ["x-1", "x-2"] })).data).toMatchObject({
    reason: "rate_limited",
    retry_after_ms: expect.any(Number),
  });
});

test("who is blocked is refused its sends, commits and claims, with the reason `blocked` [P-7.5]", async () => {
  await using c = await conversation();
  using b = await c.bob.connect();
  await b.ask("peers", { block: ["Alice"] });
  expect(await c.send()).toMatchObject({ code: 403, reason: "blocked", message_id: "m1" });
  expect((await c.a.ask("claim_keys", { username: "bob" })).data.reason).toBe("blocked");
  expect((await c.a.ask("commit", c.alice.opening(c.bob, randomGroup()))).data.reason).toBe("blocked");
  await b.ask("peers", { allow: ["alice"] });
  expect((await c.send()).status).toBe("stored_offline");
});
