// [P-6.3] to [P-6.5], [P-6.7] of docs/protocol.md.

import { expect, test } from "vitest";
import { createRelay } from "../src/index.ts";
import { type Agent, newAgent, randomGroup } from "./agent.ts";
import { type RawClient, tokenClient } from "./raw-client.ts";

/** Alice and Bob, both online, and a group that Alice has opened. */
async function conversation(limits = {}) {
  const relay = await createRelay({ port: 0, store: "memory", noLimits: true, limits });
  const alice = await newAgent(relay.url, "alice");
  const bob = await newAgent(relay.url, "bob");
  const a = await alice.connect();
  const b = await bob.connect();
  const group = randomGroup();
  expect((await a.ask("commit", alice.opening(bob, group))).data.status).toBe("committed");
  const send = async (client: RawClient, to: Agent, id: string, epoch: number, extra = {}) =>
    (await client.ask("send", { to: to.username, message: "eA==", group_id: group, epoch, message_id: id, ...extra }))
      .data;
  const commit = async (client: RawClient, id: string, epoch: number, extra = {}) =>
    (await client.ask("commit", { commit_id: id, group_id: group, epoch, commit: "Yw==", ...extra })).data;
  return { relay, alice, bob, a, b, group, send, commit, [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose]() };
}

test("opening a group delivers the Welcome and its first messages, in order", async () => {
  await using c = await conversation();
  const group = randomGroup();
  const messages = [{ message_id: "m1" }, { message_id: "m2" }];
  expect((await c.b.ask("commit", c.bob.opening(c.alice, group, messages))).data).toEqual({
    status: "committed",
    commit_id: `open-${group.slice(0, 8)}`,
    // Alice's Welcome waits for Bob.
    high_water: expect.any(Number),
    delivered: false,
  });
  await c.a.ask("listen");
  for (const [kind, message_id] of [
    ["welcome", `open-${group.slice(0, 8)}`],
    ["application", "m1"],
    ["application", "m2"],
  ])
    expect((await c.a.read()).data).toMatchObject({
      kind,
      message_id,
      from: "bob",
      device: c.bob.deviceId,
      group_id: group,
      epoch: 1,
    });
});

test("what opens a group must name exactly its two devices", async () => {
  await using c = await conversation();
  await using other = await createRelay({ port: 0, store: "memory" });
  const carol = await newAgent(c.relay.url, "carol");
  using token = await tokenClient(c.relay.url, "token-user");
  const stranger = await newAgent(other.url, "nobody");
  const good = c.alice.opening(c.bob, randomGroup());
  const [self, peer] = good.members;
  const ask = async (change: object) => (await c.a.ask("commit", { ...good, ...change })).data.reason;
  expect(await ask({ members: [self] })).toBe("invalid_data");
  expect(await ask({ members: [self, peer, { username: "carol", device: carol.deviceId }] })).toBe("invalid_data");
  expect(await ask({ members: [peer, { username: "carol", device: carol.deviceId }] })).toBe("not_a_member");
  expect(await ask({ members: [self, self] })).toBe("self_send");
  expect(await ask({ members: [self, { username: "bob", device: "old" }] })).toBe("device_replaced");
  expect(await ask({ members: [self, { username: "token-user", device: "x" }] })).toBe("encryption_required");
  expect(await ask({ members: [self, { username: stranger.username, device: "x" }] })).toBe("unknown_user");
  expect(await ask({ welcomes: [] })).toBe("invalid_data");
  expect(await ask({ welcomes: [{ ...good.welcomes[0], to: "carol" }] })).toBe("invalid_data");
  expect(await ask({ commit: "Yw==" })).toBe("invalid_data");
  expect(await ask({ messages: [{ to: "carol", message: "eA==", message_id: "m" }] })).toBe("not_a_member");
  expect(await ask({ group_id: c.group })).toBe("group_exists");
  expect((await token.ask("commit", good)).data.reason).toBe("token_account");
  // Nothing of all that was stored.
  expect(await ask({})).toBeUndefined();
});

test("one commit ends each epoch; the loser is told, and finds the winner in its mailbox", async () => {
  await using c = await conversation();
  expect(await c.commit(c.a, "c1", 1)).toMatchObject({ status: "committed", high_water: 0 });
  expect(await c.commit(c.b, "c2", 1)).toMatchObject({ code: 409, reason: "epoch_taken", commit_id: "c2" });
  expect((await c.commit(c.b, "c2", 3)).reason).toBe("stale_epoch");
  await c.b.ask("listen");
  expect((await c.b.read()).data.kind).toBe("welcome");
  const winner = await c.b.read();
  expect(winner.data).toMatchObject({ kind: "commit", epoch: 1, message_id: "c1", message: "Yw==" });
  expect(await c.commit(c.b, "c2", 2)).toMatchObject({ status: "committed", high_water: winner.data.seq });
});

test("a commit may carry messages of the epoch that it opens", async () => {
  await using c = await conversation();
  await c.commit(c.a, "c1", 1, { messages: [{ to: "bob", message: "eA==", message_id: "m1" }] });
  await c.b.ask("listen");
  const frames = [await c.b.read(), await c.b.read(), await c.b.read()];
  expect(frames.map(({ data }) => [data.kind, data.epoch])).toEqual([
    ["welcome", 1],
    ["commit", 1],
    ["application", 2],
  ]);
  expect((await c.send(c.a, c.bob, "m1", 2)).status).toBe("delivered");
  expect((await c.send(c.a, c.bob, "m1", 1)).reason).toBe("message_id_reused");
});

test("messages of the current and the previous epoch are admitted, no others", async () => {
  await using c = await conversation();
  expect((await c.send(c.a, c.bob, "m0", 0)).reason).toBe("stale_epoch");
  expect((await c.send(c.a, c.bob, "m1", 1, { resume: true })).status).toBe("stored_offline");
  await c.commit(c.b, "c1", 1);
  expect((await c.send(c.a, c.bob, "m2", 1)).status).toBe("stored_offline");
  expect((await c.send(c.a, c.bob, "m3", 2)).status).toBe("stored_offline");
  await c.commit(c.a, "c2", 2);
  expect((await c.send(c.a, c.bob, "m4", 1)).reason).toBe("stale_epoch");
  expect((await c.send(c.b, c.alice, "m5", 4)).reason).toBe("stale_epoch");
});

test("a repeated commit is answered the same and delivered once; its id is not for other bytes", async () => {
  await using c = await conversation();
  const first = await c.commit(c.a, "c1", 1);
  expect(await c.commit(c.a, "c1", 1)).toEqual(first);
  expect(await c.commit(c.a, "c1", 1, { commit: "ZA==" })).toMatchObject({ reason: "message_id_reused" });
  const open = c.alice.opening(c.bob, c.group);
  expect((await c.a.ask("commit", open)).data.status).toBe("committed");
  await c.b.ask("listen");
  await c.b.ask("heartbeat");
  expect(c.b.unread.map(({ data }) => data.kind)).toEqual(["welcome", "commit"]);
});

test("only members send and commit in a group", async () => {
  await using c = await conversation();
  const carol = await newAgent(c.relay.url, "carol");
  using client = await carol.connect();
  expect((await c.send(client, c.bob, "m1", 1)).reason).toBe("not_a_member");
  expect((await c.send(c.a, carol, "m1", 1)).reason).toBe("not_a_member");
  expect((await c.commit(client, "c1", 1)).reason).toBe("not_a_member");
  expect((await client.ask("send", { to: "bob", message: "x", group_id: randomGroup(), epoch: 1 })).data.reason).toBe(
    "not_a_member",
  );
});

test("full agents send in groups only, and not to themselves; the kinds do not mix", async () => {
  await using c = await conversation();
  using token = await tokenClient(c.relay.url, "token-user");
  expect((await c.a.ask("send", { to: "bob", message: "plain" })).data).toMatchObject({
    reason: "invalid_data",
    message: "Invalid send data",
  });
  expect((await c.send(c.a, c.alice, "m1", 1)).reason).toBe("self_send");
  expect((await c.a.ask("send", { to: "token-user", message: "x" })).data).toMatchObject({
    code: 403,
    reason: "encryption_required",
  });
  expect((await token.ask("send", { to: "alice", message: "x" })).data.reason).toBe("encryption_required");
  expect((await token.ask("key_exchange", { to: "alice", public_key: "k" })).data.reason).toBe("encryption_required");
  expect((await c.a.ask("send", { to: "nobody", message: "x" })).data).toMatchObject({
    code: 404,
    reason: "unknown_user",
  });
});

test("after a refusal nothing more is stored in that group until the sender resumes", async () => {
  await using c = await conversation();
  const other = randomGroup();
  await c.a.ask("commit", c.alice.opening(c.bob, other));
  expect((await c.send(c.a, c.bob, "m1", 9)).reason).toBe("stale_epoch");
  expect(await c.send(c.a, c.bob, "m2", 1)).toMatchObject({ code: 409, reason: "send_blocked", message_id: "m2" });
  expect((await c.send(c.a, c.bob, "m3", 1, { group_id: other })).status).toBe("stored_offline");
  using second = await c.alice.connect();
  expect((await c.send(second, c.bob, "m4", 1)).status).toBe("stored_offline");
  expect((await c.send(c.a, c.bob, "m1", 1, { resume: true })).status).toBe("stored_offline");
  expect((await c.send(c.a, c.bob, "m2", 1)).status).toBe("stored_offline");
});

test("a send with bad data blocks its group as well", async () => {
  await using c = await conversation();
  expect((await c.send(c.a, c.bob, "bad id!", 1)).reason).toBe("invalid_data");
  expect((await c.send(c.a, c.bob, "m1", 1)).reason).toBe("send_blocked");
});

test("of pipelined messages none is stored behind a refused one", async () => {
  await using c = await conversation();
  const ids = Array.from({ length: 20 }, (_, index) => `m${index}`);
  const answers = await Promise.all(ids.map((id, index) => c.send(c.a, c.bob, id, index === 10 ? 7 : 1)));
  expect(answers.map(({ status, reason }) => status ?? reason)).toEqual([
    ...Array.from({ length: 10 }, () => "stored_offline"),
    "stale_epoch",
    ...Array.from({ length: 9 }, () => "send_blocked"),
  ]);
});
