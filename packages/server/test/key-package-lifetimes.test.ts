// [P-8.4] of docs/protocol.md.

import { expect, test } from "vitest";
import { GroupCrypto } from "../../sdk/src/crypto/mls/group.ts";
import { createDevice } from "../../sdk/src/crypto/identity.ts";
import { nodeCryptoProvider } from "../../sdk/src/node/provider.ts";
import { createRelay } from "../src/index.ts";
import { lifetimeOf } from "../src/store/package-lifetime.ts";
import { newAgent } from "./agent.ts";

const DAY = 24 * 3600 * 1000;

/** What makes real key packages, as at a clock that may be wrong. */
async function maker() {
  const crypto = await GroupCrypto.load(nodeCryptoProvider);
  const identity = { username: "bob", ...(await crypto.generateKeys()) };
  const device = await createDevice(crypto, identity, 1, Date.now());
  return async (at: number) => (await crypto.makeKeyPackage(device, at)).public;
}
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

test("the lifetime of a key package is read as it was made, and of nothing else", async () => {
  const make = await maker();
  const now = Math.floor(Date.now() / 1000) * 1000;
  const bytes = await make(now);
  expect(lifetimeOf(bytes)).toEqual({ notBefore: now - DAY, notAfter: now + 89 * DAY });
  // As a part of something larger, too.
  const larger = Buffer.concat([Buffer.alloc(7), bytes, Buffer.alloc(9)]);
  expect(lifetimeOf(larger.subarray(7, 7 + bytes.length))).toEqual(lifetimeOf(bytes));
  const read = Array.from({ length: bytes.length }, (_, length) => lifetimeOf(bytes.subarray(0, length)));
  const known = read.findIndex((lifetime) => lifetime !== undefined);
  expect(read.slice(0, known).every((lifetime) => lifetime === undefined)).toBe(true);
  for (const lifetime of read.slice(known)) expect(lifetime).toEqual(lifetimeOf(bytes));
  for (const other of [new Uint8Array(), new Uint8Array(100), new Uint8Array(100).fill(0xff)])
    expect(lifetimeOf(other)).toBeUndefined();
});

test("a vector that is longer than all there is ends the reading", () => {
  const head = [0, 1, 0, 5, 0, 1, 0, 83];
  for (const length of [
    [0x3f],
    [0x7f, 0xff],
    [0xbf, 0xff, 0xff, 0xff],
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  ])
    expect(lifetimeOf(Uint8Array.from([...head, ...length, 1, 2, 3]))).toBeUndefined();
});

test("only key packages that are valid by the relay's clock are taken, and the answer counts them", async () => {
  await using relay = await createRelay({ port: 0, store: "memory", noLimits: true });
  const make = await maker();
  const [bob, alice] = [await newAgent(relay.url, "bob", { packages: 0 }), await newAgent(relay.url, "alice")];
  using b = await bob.connect();
  using a = await alice.connect();
  const publish = async (...at: number[]) => {
    const key_packages = (await Promise.all(at.map(make))).map(base64);
    return (await b.ask("publish_keys", { key_packages })).data;
  };
  const now = Date.now();
  // A clock that is off by 800 days, either way; one that ends tomorrow; one that begins in an hour.
  expect(await publish(now - 800 * DAY, now + 800 * DAY, now - 88.5 * DAY, now + DAY + 3_600_000)).toEqual({
    status: "published",
    key_packages: 0,
  });
  const lastResort = base64(await make(now + 800 * DAY));
  await b.ask("publish_keys", { last_resort: lastResort });
  const claim = async () => (await a.ask("claim_keys", { username: "bob", another: true })).data;
  expect(await claim()).toMatchObject({ last_resort: true, key_package: bob.lastResort });
  expect(await publish(now, now - 40 * DAY)).toMatchObject({ key_packages: 2 });
  expect((await b.ask("listen")).data.key_packages).toBe(2);
});

test("a key package is handed out until a day before its lifetime ends", async () => {
  let now = Date.now();
  const clock = () => now;
  await using relay = await createRelay({ port: 0, store: "memory", noLimits: true, clock, uptime: clock });
  const make = await maker();
  const [bob, alice] = [await newAgent(relay.url, "bob", { packages: 0 }), await newAgent(relay.url, "alice")];
  using b = await bob.connect();
  using a = await alice.connect();
  const key_packages = [base64(await make(now - 40 * DAY)), base64(await make(now))];
  await b.ask("publish_keys", { key_packages });
  const claim = async () => (await a.ask("claim_keys", { username: "bob", another: true })).data;
  now += 48 * DAY + 3_600_000;
  expect((await b.ask("listen")).data.key_packages).toBe(1);
  expect(await claim()).toMatchObject({ last_resort: false, key_package: key_packages[1] });
  expect(await claim()).toMatchObject({ last_resort: true });
});
