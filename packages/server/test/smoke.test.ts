import { expect, test } from "vitest";
import { createRelay } from "../src/index.ts";
import { newAgent, randomGroup } from "./agent.ts";
import { RawClient, loginToken, tokenClient } from "./raw-client.ts";

test("token accounts exchange messages", async () => {
  await using relay = await createRelay({ port: 0, store: "memory" });
  using a = await tokenClient(relay.url, "alice");
  using b = await tokenClient(relay.url, "bob");
  expect((await a.ask("send", { to: "bob", message: "hi" })).data).toMatchObject({ status: "delivered" });
  expect(await b.read()).toMatchObject({ type: "message", data: { from: "alice", message: "hi" } });
  await b.close();
  for (let i = 0; i < 300; i++) a.write("send", { to: "bob", message: `m${i}` });
  for (let i = 0; i < 300; i++) expect((await a.read()).data.status).toBe("stored_offline");
  using again = await RawClient.open(relay.url);
  const frames = await loginToken(again, b.user);
  expect(frames.length).toBe(301);
  expect(frames.slice(0, 300).map((frame) => frame.data.message)).toEqual(
    Array.from({ length: 300 }, (_, i) => `m${i}`),
  );
});

test("agents open a group", async () => {
  await using relay = await createRelay({ port: 0, store: "memory" });
  const alice = await newAgent(relay.url, "alice");
  const bob = await newAgent(relay.url, "bob");
  using a = await alice.connect();
  using b = await bob.connect();
  const group = randomGroup();
  expect(await a.ask("claim_keys", { username: "bob" })).toMatchObject({ type: "keys" });
  expect(await a.ask("commit", alice.opening(bob, group, [{ message_id: "m1" }]))).toMatchObject({
    data: { status: "committed", high_water: 0 },
  });
  const listening = await b.ask("listen");
  expect(listening.data).toMatchObject({ status: "listening", key_packages: 7 });
  const welcome = await b.read();
  const first = await b.read();
  expect([welcome, first]).toMatchObject([
    { type: "offline_message", data: { kind: "welcome", epoch: 1 } },
    { type: "offline_message", data: { kind: "application", epoch: 1, message_id: "m1" } },
  ]);
  expect(
    (await a.ask("send", { to: "bob", message: "eA==", group_id: group, epoch: 1, message_id: "m2" })).data,
  ).toMatchObject({ status: "delivered", message_id: "m2" });
  const live = await b.read();
  expect(live).toMatchObject({ type: "message", data: { message_id: "m2" } });
  expect((await b.ask("received", { log_id: listening.data.log_id, seq: live.data.seq })).data).toMatchObject({
    status: "received",
  });
});
