import { expect, test } from "vitest";
import { createRelay } from "@aimessage/server";
import { Agent, newAgent, randomGroup } from "../../packages/server/test/agent.ts";
import { loginToken, RawClient, registerToken, seal, tokenClient } from "../../packages/server/test/raw-client.ts";

const start = () => createRelay({ port: 0, store: "memory", noLimits: true });

test("[A-6] an answer to a challenge is good once, on its own connection, for its own user and device", async () => {
  await using relay = await start();
  const [alice, bob] = [await newAgent(relay.url, "alice"), await newAgent(relay.url, "bob")];
  using first = await RawClient.open(relay.url);
  using second = await RawClient.open(relay.url);
  const reasons: string[] = [];
  const attempt = async (client: RawClient, answer: Record<string, unknown>): Promise<void> => {
    const { data } = await client.ask("authenticate", answer);
    reasons.push(data.reason ?? data.status);
  };

  const stolen = alice.answer(await alice.challenge(first));
  await attempt(second, stolen);
  await alice.challenge(second);
  await attempt(second, stolen);
  // Bob asks, Alice's answer comes; a new challenge replaces the old one.
  await bob.challenge(second);
  await attempt(second, stolen);
  await attempt(second, alice.answer(await bob.challenge(second)));
  const outdated = alice.answer(await alice.challenge(second));
  await alice.challenge(second);
  await attempt(second, outdated);
  // Signed by another device key, or for another relay.
  const impostor = Object.assign(new Agent(relay.url, "alice"), { deviceId: alice.deviceId });
  await attempt(second, impostor.answer(await alice.challenge(second), 99));
  await attempt(second, { ...alice.answer(await alice.challenge(second)), relay: "other.example" });
  expect(reasons).toEqual([
    "challenge_invalid",
    "challenge_response",
    "challenge_invalid",
    "challenge_invalid",
    "challenge_response",
    "challenge_response",
    "wrong_relay_name",
  ]);

  reasons.length = 0;
  await attempt(first, { ...stolen, username: "ALICE" });
  await attempt(first, stolen);
  await attempt(first, bob.answer("x"));
  expect(reasons).toEqual(["authenticated", "challenge_invalid", "already_authenticated"]);
});

test("a token's challenge is no use on another connection, and case does not make another user", async () => {
  await using relay = await start();
  using first = await RawClient.open(relay.url);
  const user = await registerToken(first, "Tess");
  using second = await RawClient.open(relay.url);
  const { data } = await first.ask("authenticate", { username: "tESS" });
  const answer = seal(user.key, data.challenge);
  expect((await second.ask("authenticate", { username: "Tess", challenge: answer })).data.reason).toBe(
    "challenge_invalid",
  );
  expect((await first.ask("authenticate", { username: "TESS", challenge: answer })).data.status).toBe("authenticated");
  expect((await first.ask("authenticate", { username: "Tess", challenge: answer })).data.reason).toBe(
    "challenge_invalid",
  );
});

test("a second unregister right behind the first does not remove who takes the name in between", async () => {
  await using relay = await start();
  const old = await newAgent(relay.url, "name");
  const next = new Agent(relay.url, "name");
  using leaving = await old.connect();
  using coming = await RawClient.open(relay.url);
  leaving.write("unregister", { release: true });
  leaving.write("unregister", { release: true });
  for (;;) if ((await coming.ask("register", next.registration())).type === "registered") break;
  expect((await leaving.closed).code).toBe(4002);
  expect((await next.login(coming)).data.status).toBe("authenticated");
});

test("a removed account's connections send nothing more, and its name starts anew", async () => {
  await using relay = await start();
  using sender = await tokenClient(relay.url, "sender");
  using bob = await tokenClient(relay.url, "bob");
  using other = await RawClient.open(relay.url);
  await loginToken(other, bob.user);
  for (let count = 0; count < 200; count++) sender.write("send", { to: "bob", message: "x", message_id: `m${count}` });
  expect((await bob.ask("unregister", { release: true })).data.status).toBe("unregistered");
  expect((await other.closed).code).toBe(4002);
  await sender.ask("heartbeat");

  using again = await RawClient.open(relay.url);
  const user = await registerToken(again, "bob");
  const waiting = await loginToken(again, user);
  // What came after the removal waited for the name; what came before went with the old account.
  const repeat = await sender.ask("send", { to: "bob", message: "x", message_id: "m0" });
  expect(repeat.type).toBe("ack");
  expect(waiting.filter(({ data }) => data.message_id === "m0")).toHaveLength(0);
  expect((await sender.ask("send", { to: "bob", message: "new", message_id: "new" })).data.status).toBe("delivered");
});

test("what one may not do in a group, one cannot do by any way round", async () => {
  await using relay = await start();
  const [alice, bob, eve] = [
    await newAgent(relay.url, "alice"),
    await newAgent(relay.url, "bob"),
    await newAgent(relay.url, "eve"),
  ];
  using a = await alice.connect();
  using e = await eve.connect();
  const group = randomGroup();
  const commit = Buffer.from("c").toString("base64");
  const opening = alice.opening(bob, group);
  const [self, peer] = opening.members as [object, object];
  const refused = [
    { ...opening, members: [self, self] },
    { ...opening, members: [peer, peer] },
    { ...opening, members: [self, peer, peer] },
    { ...opening, members: [{ username: "eve", device: eve.deviceId }, peer] },
    { ...opening, welcomes: [] },
    { ...opening, welcomes: [...opening.welcomes, ...opening.welcomes] },
    { ...opening, welcomes: [{ ...opening.welcomes[0], to: "alice", device: alice.deviceId }] },
    { ...opening, commit },
    alice.opening(
      bob,
      group,
      Array.from({ length: 101 }, (_, index) => ({ message_id: `m${index}` })),
    ),
    alice.opening(bob, group, [{ message_id: "same" }, { message_id: "same" }]),
  ];
  for (const data of refused) expect(await reason(a, data)).not.toBe("committed");

  // Twice in one turn: one opens, whoever is first.
  const twice = ["one", "two"].map((commit_id) => reason(a, { ...opening, commit_id }));
  expect((await Promise.all(twice)).toSorted()).toEqual(["committed", "group_exists"]);
  expect(await reason(e, { ...eve.opening(bob, group), commit_id: "e1" })).toBe("group_exists");
  expect(await reason(e, { commit_id: "e2", group_id: group, epoch: 1, commit })).toBe("not_a_member");
  expect((await e.ask("send", { to: "bob", message: "", group_id: group, epoch: 1 })).data.reason).toBe("not_a_member");
  const racing = ["r1", "r2"].map((commit_id) => reason(a, { commit_id, group_id: group, epoch: 1, commit }));
  expect((await Promise.all(racing)).toSorted()).toEqual(["committed", "epoch_taken"]);
});

/** Why the relay refused a commit, or that it took it. */
async function reason(client: RawClient, data: Record<string, unknown>): Promise<string> {
  const answer = await client.ask("commit", data);
  return answer.data.reason ?? answer.data.status;
}
