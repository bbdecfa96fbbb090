// Relays that share a store tell each other of connections.
import { closeCodes } from "@aimessage/sdk/protocol";
import { expect, onTestFinished, test, vi } from "vitest";
import { type Bus, createRelay, type Ears, openMemoryStore, type Relay, type RelayStore } from "../src/index.ts";
import type { Entry } from "../src/store/store.ts";
import { Agent, randomGroup } from "./agent.ts";
import { RawClient, registerToken, tokenClient } from "./raw-client.ts";

/** Where several relays hear each other. */
function sharedBus(): () => Bus {
  const all: Ears[] = [];
  return () => {
    let own: Ears | undefined;
    const others = (): Ears[] => all.filter((ears) => ears !== own);
    return {
      hear: (ears) => void all.push((own = ears)),
      evict: (...of) => others().forEach((ears) => ears.evict(...of)),
      superseded: (...of) => others().forEach((ears) => ears.superseded(...of)),
      freed: (mailbox) => others().forEach((ears) => ears.freed(mailbox)),
      signed: () => others().forEach((ears) => ears.signed()),
      wake: (mailboxes) => others().forEach((ears) => ears.wake(mailboxes)),
      hand: async (...of) => others().some((ears) => ears.hand(...of)),
    };
  };
}

/** Two relays upon one store. What one of them has stored is announced to the first, which wakes the other. */
async function twoRelays(): Promise<[Relay, Relay]> {
  const join = sharedBus();
  let store: RelayStore | undefined;
  let isWatched = false;
  const first = join();
  const start = async (bus: Bus): Promise<Relay> => {
    const relay = await createRelay({
      port: 0,
      noLimits: true,
      tokenAccounts: "on",
      bus,
      publicUrls: ["ws://relay.example"],
      store: async (options) => {
        store ??= openMemoryStore(options);
        const shared: RelayStore = store;
        const watch = (stored: (entries: Entry[]) => void): void => {
          if (isWatched) return;
          isWatched = true;
          shared.watch((entries) => {
            stored(entries);
            first.wake(entries.map(({ mailbox }) => mailbox));
          });
        };
        return { ...shared, watch, [Symbol.asyncDispose]: async () => {} };
      },
    });
    onTestFinished(() => relay[Symbol.asyncDispose]());
    return relay;
  };
  return [await start(first), await start(join())];
}

async function registered({ url }: Relay, username: string, options: ConstructorParameters<typeof Agent>[2] = {}) {
  const agent = new Agent(url, username, options);
  agent.relay = "relay.example";
  using client = await RawClient.open(url);
  expect((await client.ask("register", agent.registration())).type).toBe("registered");
  return agent;
}

async function listening(agent: Agent, { url }: Relay): Promise<RawClient> {
  agent.url = url;
  const client = await agent.connect();
  onTestFinished(() => client[Symbol.dispose]());
  await client.ask("listen");
  return client;
}

test("what one relay stores is pushed by the other, to whose connection it is said to go", async () => {
  const [one, other] = await twoRelays();
  const [alice, bob] = [await registered(one, "alice"), await registered(one, "bob")];
  const [sender, reader] = [await listening(alice, one), await listening(bob, other)];
  const group = randomGroup();
  const { data } = await sender.ask("commit", alice.opening(bob, group));
  expect(data).toMatchObject({ status: "committed", delivered: true });
  expect((await reader.read(({ type }) => type === "message")).data).toMatchObject({ kind: "welcome" });
});

test("a mailbox is taken over from a connection of another relay", async () => {
  const [one, other] = await twoRelays();
  const alice = await registered(one, "alice");
  const before = await listening(alice, one);
  await listening(alice, other);
  expect((await before.read(({ type }) => type === "error")).data).toMatchObject({ reason: "listen_superseded" });
  expect((await before.ask("received", { log_id: "x", seq: 1 })).data).toMatchObject({
    reason: "received_out_of_range",
  });
});

test("connections end at every relay when a device is replaced, or an account removed", async () => {
  const [one, other] = await twoRelays();
  const [alice, bob] = [await registered(one, "alice"), await registered(one, "bob")];
  const [replaced, removed] = [await listening(alice, one), await listening(bob, one)];
  await registered(other, "alice", { identity: alice.identity, counter: 2 });
  expect(await replaced.closed).toMatchObject({ code: closeCodes.deviceReplaced });
  await (await listening(bob, other)).ask("unregister", {});
  expect(await removed.closed).toMatchObject({ code: closeCodes.removed });
});

test("the owner of a stock that runs low hears of it at another relay", async () => {
  const [one, other] = await twoRelays();
  const [alice, bob] = [await registered(one, "alice"), await registered(one, "bob", { packages: 3 })];
  const [claimant, owner] = [await listening(alice, one), await listening(bob, other)];
  expect((await claimant.ask("claim_keys", { username: "bob" })).type).toBe("keys");
  expect((await owner.read(({ type }) => type === "keys_low")).data).toEqual({ remaining: 2 });
});

test("what a member has signed at a relay that is no more is handed out by another", async () => {
  const [one, other] = await twoRelays();
  const [alice, bob, carol] = [
    await registered(one, "alice"),
    await registered(one, "bob"),
    await registered(one, "carol"),
  ];
  const [founder, leaver] = [await listening(alice, one), await listening(carol, one)];
  const group_id = randomGroup();
  await founder.ask("commit", alice.founding([bob, carol], group_id));
  // The other relay has looked, and found that nothing waits.
  const before = await listening(bob, other);
  await before.ask("list_users");
  for (const client of [founder, before]) client.socket.terminate();
  await vi.waitFor(async () => expect((await leaver.ask("list_users")).data.users).toEqual([]));
  const statement = Buffer.from("signed").toString("base64");
  expect((await leaver.ask("leave", { group_id, statement })).data).toEqual({ status: "left" });
  await one[Symbol.asyncDispose]();
  const back = await listening(bob, other);
  const handed = await back.read(({ type }) => type === "statement", "it is handed out");
  expect(handed.data).toEqual({ group_id, kind: "leave", username: "carol", statement });
});

test("token accounts exchange keys between relays", async () => {
  const [one, other] = await twoRelays();
  const [alice, bob] = [await tokenClient(one.url, "alice"), await tokenClient(other.url, "bob")];
  const half = { to: "bob", public_key: "k", session_id: "s" };
  for (const client of [alice, bob]) onTestFinished(() => client[Symbol.dispose]());
  expect((await alice.ask("key_exchange", half)).data).toMatchObject({
    status: "key_exchange_initiated",
  });
  expect((await bob.read(({ type }) => type === "key_request")).data).toMatchObject({ from: "alice" });
  await registerToken(bob, "carol");
  expect((await alice.ask("key_exchange", { ...half, to: "carol" })).data.reason).toBe("unreachable_user");
});
