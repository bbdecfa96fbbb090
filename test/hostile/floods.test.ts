// @module-tag long
/** Floods: what strangers and single accounts may hold, and that others are served meanwhile. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { createRelay, type RelayOptions } from "@aimessage/server";
import { expect, test } from "vitest";
import { Agent, newAgent, randomGroup } from "../../packages/server/test/agent.ts";
import { loginToken, onBun, RawClient, registerToken, tokenClient } from "../../packages/server/test/raw-client.ts";
import { eventually, within } from "../waiting.ts";

const start = (options: RelayOptions = {}) => createRelay({ port: 0, store: "memory", noLimits: true, ...options });

/** A client frame of RFC 6455, section 5.2, masked with zeros; its payload may be shorter than it announces. */
function frame(opcode: number, payload: Buffer, announced = payload.length): Buffer {
  const head = Buffer.alloc(14);
  head[0] = opcode;
  head[1] = 0x80 | 127;
  head.writeBigUInt64BE(BigInt(announced), 2);
  return Buffer.concat([head, payload]);
}

/** The TCP connection below a client's WebSocket. */
function tcp(client: RawClient): Socket {
  return Reflect.get(client.socket, "_socket") as Socket;
}

test.skipIf(onBun)("a message in very many pieces ends its connection [P-1.3]", async () => {
  await using relay = await start();
  using client = await RawClient.open(relay.url);
  const pieces = Array.from({ length: 300 }, (_, index) => frame(index === 0 ? 0x01 : 0x00, Buffer.from(" ")));
  tcp(client).write(Buffer.concat(pieces));
  expect((await client.closed).code).toBe(1008);
});

test.skipIf(onBun)("[A-8] of a stranger's frame that is never whole little is held [P-1.3]", async () => {
  await using relay = await start();
  using client = await RawClient.open(relay.url);
  tcp(client).write(frame(0x81, Buffer.alloc(400_000, " "), 1_000_000));
  expect((await client.read()).data.reason).toBe("message_too_large");
  expect((await client.closed).code).toBe(1009);
});

test("[A-8] a stranger over its rate is refused by the ids of its frames, and sent away after a hundred frames [P-11.2]", async () => {
  await using relay = await start({ noLimits: false });
  using client = await RawClient.open(relay.url);
  const large = { filler: "x".repeat(5_000) };
  for (let count = 0; count < 400; count++) client.write("heartbeat", count < 50 ? large : {});
  expect((await client.closed).code).toBe(4003);
  const refused = client.unread.filter(({ data }) => data.reason === "rate_limited");
  expect(refused.length).toBeGreaterThanOrEqual(100);
  expect(client.unread.length).toBeLessThan(300);
  expect(refused.filter(({ reply_to }) => reply_to === undefined)).toEqual([]);
});

test("large frames count for more [P-11.2]", async () => {
  await using relay = await start({ noLimits: false, limits: { framesPerSecond: 1, framesBurst: 20 } });
  using client = await tokenClient(relay.url, "alice");
  const message = "x".repeat(900_000);
  const answers = [await client.ask("send", { to: "bob", message }), await client.ask("send", { to: "bob", message })];
  expect(answers.map(({ data }) => data.status ?? data.reason)).toEqual(["stored_offline", "rate_limited"]);
});

test("[A-8] connections without a login are bounded for each address, the oldest give way, and a login makes room", async () => {
  await using relay = await start({ limits: { addressStrangers: 3 } });
  using first = await RawClient.open(relay.url);
  await loginToken(first, await registerToken(first, "alice"));
  const strangers: RawClient[] = [];
  for (let count = 0; count < 5; count++) strangers.push(await RawClient.open(relay.url));
  await Promise.all(strangers.slice(0, 2).map((stranger) => stranger.closed));
  for (const client of [first, ...strangers.slice(2)]) expect((await client.ask("heartbeat")).data.status).toBe("ok");
  for (const stranger of strangers) stranger.socket.terminate();
});

/** Clients at different addresses. */
const from = (url: string, address: string) => new RawClient(url, { headers: { "x-forwarded-for": address } });
/** @returns the HTTP status of an attempt to connect */
async function attempt({ socket }: RawClient): Promise<number> {
  const refused = once(socket, "unexpected-response") as Promise<[unknown, { statusCode: number }]>;
  // One that was made together with another may be open by now.
  const opened = socket.readyState === socket.OPEN ? Promise.resolve() : once(socket, "open");
  const answered = Promise.race([opened.then(() => 101), refused.then(([, { statusCode }]) => statusCode)]);
  return within("the relay answers a request for a WebSocket", answered);
}

const crowds = [
  ["a few addresses", (index: number) => `192.0.2.${index % 3}`],
  ["one customer's networks", (index: number) => `2001:db8:1:${index.toString(16)}::1`],
] as const;

test.each(crowds)(
  "[A-8] connections of others that never log in keep nobody out, and end no login: %s",
  async (_, addressOf) => {
    const limits = { strangers: 12, addressStrangers: 4 };
    await using relay = await start({ trustProxy: true, tokenAccounts: "on", limits });
    const crowd: RawClient[] = [];
    const come = async (count: number): Promise<void> => {
      for (const end = crowd.length + count; crowd.length < end;) {
        const stranger = from(relay.url, addressOf(crowd.length));
        crowd.push(stranger);
        expect(await attempt(stranger)).toBe(101);
      }
    };
    await come(30);
    using alice = from(relay.url, "198.51.100.1");
    using bob = from(relay.url, "2001:db8:2::1");
    for (const client of [alice, bob]) expect(await attempt(client)).toBe(101);
    const user = await registerToken(alice, "alice");
    await come(60);
    await loginToken(alice, user);
    await come(60);
    for (const client of [alice, bob]) expect((await client.ask("heartbeat")).data.status).toBe("ok");
    for (const stranger of crowd) stranger.socket.terminate();
  },
);

test.each(crowds)("[A-8] addresses that connect without end use up nobody else's rate: %s", async (_, addressOf) => {
  const limits = { connectionsPerSecond: 0.01, connectionsBurst: 60 };
  await using relay = await start({ trustProxy: true, limits });
  const statuses: number[] = [];
  const connect = async (address: string): Promise<number> => {
    using client = from(relay.url, address);
    return await attempt(client);
  };
  for (let index = 0; statuses.at(-1) !== 429; index++) statuses.push(await connect(addressOf(index)));
  expect(statuses.length).toBeGreaterThan(40);
  for (const host of [1, 2, 3]) expect(await connect(`198.51.100.${host}`)).toBe(101);
  expect(await connect(addressOf(0))).toBe(429);
});

test("[A-8] accounts of one address that hold every connection leave room to others", async () => {
  await using relay = await start({ trustProxy: true, tokenAccounts: "on", limits: { maxConnections: 4 } });
  const eve: RawClient[] = [];
  while (eve.length < 4) {
    const client = from(relay.url, "192.0.2.1");
    eve.push(client);
    expect(await attempt(client)).toBe(101);
  }
  const user = await registerToken(eve[0] as RawClient, "eve");
  for (const client of eve) await loginToken(client, user);
  using one = from(relay.url, "198.51.100.1");
  using two = from(relay.url, "198.51.100.2");
  for (const client of [one, two]) expect(await attempt(client)).toBe(101);
  await Promise.all(eve.slice(2).map((client) => client.closed));
  using more = from(relay.url, "192.0.2.1");
  expect(await attempt(more)).toBe(503);
  for (const client of [one, two, ...eve.slice(0, 2)]) expect((await client.ask("heartbeat")).data.status).toBe("ok");
  for (const client of eve) client.socket.terminate();
});

test("[A-9] a list of all who are online counts for what it costs [P-11.2]", async () => {
  await using relay = await start({ limits: { framesPerSecond: 0.01, framesBurst: 8 } });
  const online: RawClient[] = [];
  for (let count = 0; count < 66; count++) {
    const agent = await newAgent(relay.url, `agent-${count}`, { packages: 0 });
    online.push(await agent.connect());
  }
  const [first] = online as [RawClient];
  const outcomes: string[] = [];
  for (let count = 0; count < 5; count++) {
    const { type, data } = await first.ask("list_users");
    outcomes.push(data.reason ?? type);
  }
  expect(outcomes).toEqual([...Array(4).fill("user_list"), "rate_limited"]);
  for (const client of online) client.socket.terminate();
});

test("[A-8] a further login of an account ends its oldest connection [P-1.6]", async () => {
  await using relay = await start({ limits: { accountConnections: 2 } });
  using first = await tokenClient(relay.url, "alice");
  const others = [await RawClient.open(relay.url), await RawClient.open(relay.url)];
  for (const client of others) await loginToken(client, first.user);
  expect((await first.closed).code).toBe(4004);
  using bob = await tokenClient(relay.url, "bob");
  expect((await bob.ask("send", { to: "alice", message: "hello" })).data.status).toBe("delivered");
  expect((await others[1]?.read())?.data.message).toBe("hello");
  for (const client of others) client.socket.terminate();
});

test("[A-8] when all clients together leave too much unread, the worst of them go [P-1.6]", async () => {
  await using relay = await start({ limits: { bufferedBytesOfAll: 2 ** 21, pingInterval: 200 } });
  using alice = await tokenClient(relay.url, "alice");
  using bob = await tokenClient(relay.url, "bob");
  bob.socket.pause();
  for (let count = 0; count < 12; count++) await alice.ask("send", { to: "bob", message: "x".repeat(1_000_000) });
  bob.socket.resume();
  await bob.closed;
  expect((await alice.ask("heartbeat")).data.status).toBe("ok");
});

test("[A-8] who leaves too much unread of what it is pushed is cut off", async () => {
  await using relay = await start({ limits: { bufferedBytes: 2 ** 20, inFlightBytes: 2 ** 26 } });
  using alice = await tokenClient(relay.url, "alice");
  using bob = await tokenClient(relay.url, "bob");
  bob.socket.pause();
  for (let count = 0; count < 24; count++) await alice.ask("send", { to: "bob", message: "x".repeat(1_000_000) });
  bob.socket.resume();
  await bob.closed;
  expect((await alice.ask("heartbeat")).data.status).toBe("ok");
});

test.skipIf(onBun)("who reads its mail slowly is heard meanwhile, and stays", async () => {
  // Longer than a busy machine keeps this process from running.
  const readDeadline = 2_000;
  await using relay = await start({ limits: { readDeadline, pingInterval: readDeadline / 10 } });
  const bob = await newAgent(relay.url, "bob");
  const eve = await newAgent(relay.url, "eve");
  using e = await eve.connect();
  const group = randomGroup();
  await e.ask("commit", eve.opening(bob, group));
  const send = (index: number) =>
    e.ask("send", { to: "bob", message: "A".repeat(700_000), group_id: group, epoch: 1, message_id: `m${index}` });
  for (let count = 0; count < 10; count++) expect((await send(count)).data.status).toBe("stored_offline");
  using b = await bob.connect();
  tcp(b).pause();
  b.write("listen");
  for (const end = performance.now() + 1.3 * readDeadline; performance.now() < end; await delay(readDeadline / 20)) {
    // Each of them is a sign of life.
    b.write("heartbeat");
  }
  tcp(b).resume();
  for (let count = 0; count < 10; count++) await b.read(({ data }) => data.message_id === `m${count}`);
});

test.skipIf(onBun)(
  "[A-8] of who does not read its answers nothing more is read, and all is answered once it does",
  async () => {
    await using relay = await start({ limits: { bufferedBytes: 2 ** 23 } });
    using client = await tokenClient(relay.url, "alice");
    client.socket.pause();
    const info = client.write("info");
    // Several times what the system and the relay hold for it.
    for (let count = 0; count < 40_000; count++) client.write("info");
    const last = client.write("heartbeat");
    let left = -1;
    await eventually("the relay reads no more", () => left === (left = client.socket.bufferedAmount));
    client.socket.resume();
    await client.read(({ reply_to }) => reply_to === last);
    expect(client.unread.length).toBe(40_001);
    expect(client.unread[0]?.reply_to).toBe(info);
  },
);

test.skipIf(onBun)("[A-8] who is over its rate is not read for a while: less is refused than is sent", async () => {
  await using relay = await start({ noLimits: false, limits: { framesPerSecond: 20, framesBurst: 5 } });
  using client = await tokenClient(relay.url, "alice");
  // Each of them fills what is read at once.
  const filler = "x".repeat(60_000);
  const ids = Array.from({ length: 60 }, () => client.write("list_users", { filler }));
  await client.read(({ reply_to }) => reply_to === ids.at(-1));
  const refused = client.unread.filter(({ data }) => data.reason === "rate_limited");
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.length).toBeLessThan(45);
});

test("nobody is cut off by keys that it has not asked for [P-6.6]", async () => {
  await using relay = await start({ limits: { bufferedBytes: 2 ** 20 } });
  using eve = await tokenClient(relay.url, "eve");
  using victim = await tokenClient(relay.url, "victim");
  victim.socket.pause();
  const reasons = new Set<string>();
  for (let count = 0; count < 1_500; count++) {
    const { data } = await eve.ask("key_exchange", { to: "victim", public_key: "x".repeat(8_000), session_id: "s" });
    reasons.add(data.status ?? data.reason);
  }
  expect([...reasons].sort()).toEqual(["key_exchange_initiated", "unreachable_user"]);
  victim.socket.resume();
  expect((await victim.ask("heartbeat")).data.status).toBe("ok");
  expect((await eve.ask("key_exchange", { to: "victim", public_key: "x".repeat(9_000) })).data.reason).toBe(
    "invalid_data",
  );
});

test("[A-5] stocks of key packages are published at a rate, beyond which they are not parsed, and a package has a largest size [P-8.1]", async () => {
  await using relay = await start({ noLimits: false, limits: { publishesPerHour: 4 } });
  const alice = await newAgent(relay.url, "alice");
  using client = await alice.connect();
  const tooLarge = { last_resort: "A".repeat(16_388) };
  expect((await client.ask("publish_keys", tooLarge)).data.reason).toBe("invalid_data");
  const answers: string[] = [];
  for (let count = 0; count < 4; count++) {
    const { data } = await client.ask("publish_keys", {
      key_packages: [Buffer.from(`key ${count}`).toString("base64")],
    });
    answers.push(data.status ?? data.reason);
  }
  expect(answers).toEqual(["published", "published", "published", "rate_limited"]);
  expect((await client.ask("publish_keys", tooLarge)).data.reason).toBe("rate_limited");
});

test("[A-4] of one stranger sixteen Welcomes wait, however much room there is, and they take nobody else's [P-5.9]", async () => {
  await using relay = await start({ limits: { handshakeMessages: 400, mailboxMessages: 8 } });
  const [bob, alice, eve] = await agents(relay.url, ["bob", "alice", "eve"]);
  using b = await bob.connect();
  await b.ask("peers", { allow: ["alice"] });
  using a = await alice.connect();
  using e = await eve.connect();
  const outcomes: string[] = [];
  for (let count = 0; count < 20; count++) {
    const { data } = await e.ask("commit", eve.opening(bob, randomGroup()));
    outcomes.push(data.status ?? data.reason);
  }
  expect(outcomes).toEqual([...Array(16).fill("committed"), ...Array(4).fill("mailbox_full")]);
  const opening = alice.opening(bob, randomGroup(), [{ message_id: "m1" }, { message_id: "m2" }]);
  expect((await a.ask("commit", opening)).data.status).toBe("committed");
});

test("[A-4] for four commits of a peer there is room in any case [P-5.9]", async () => {
  await using relay = await start({ limits: { handshakeMessages: 4 } });
  const [bob, alice] = await agents(relay.url, ["bob", "alice"]);
  using a = await alice.connect();
  using b = await bob.connect();
  await b.ask("peers", { allow: ["alice"] });
  const group = randomGroup();
  expect((await a.ask("commit", alice.opening(bob, group))).data.status).toBe("committed");
  const outcomes: string[] = [];
  for (let epoch = 1; epoch <= 5; epoch++) {
    const commit = { commit_id: `c${epoch}`, group_id: group, epoch, commit: "A".repeat(8_000) };
    const { data } = await a.ask("commit", commit);
    outcomes.push(data.status ?? data.reason);
  }
  expect(outcomes).toEqual([...Array(4).fill("committed"), "mailbox_full"]);
});

test("[A-10] what accounts of one address leave lying at a relay is bounded, and nobody else's [P-11.4]", async () => {
  await using relay = await start({ trustProxy: true, limits: { addressBytes: 2 ** 20 } });
  let left = 0;
  const refusals: string[] = [];
  for (let account = 0; account < 30; account++) {
    const eve = new Agent(relay.url, `eve-${account}`);
    using client = await RawClient.open(relay.url, { headers: { "x-forwarded-for": "192.0.2.1" } });
    const { type, data } = await client.ask("register", eve.registration());
    if (type === "error") {
      refusals.push(data.reason);
      continue;
    }
    await eve.login(client);
    const key_packages = Array.from({ length: 100 }, () => randomBytes(6_000).toString("base64"));
    const published = await client.ask("publish_keys", { key_packages });
    if (published.type === "error") refusals.push(published.data.reason);
    else left += published.data.key_packages * 6_000;
  }
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThan(2 ** 20);
  expect(new Set(refusals)).toEqual(new Set(["storage_quota"]));
  await (await newAgent(relay.url, "alice")).connect();
});

async function agents<const N extends string[]>(url: string, names: N): Promise<{ [I in keyof N]: Agent }> {
  return (await Promise.all(names.map((name) => newAgent(url, name)))) as { [I in keyof N]: Agent };
}
