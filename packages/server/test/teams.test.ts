// Teams as the wire has them: groups of any number of devices. [P-6.9] to [P-6.12]
import { createHash, hash } from "node:crypto";
import { expect, onTestFinished, test, vi } from "vitest";
import { createRelay, type RelayOptions } from "../src/index.ts";
import { type Agent, newAgent, randomGroup } from "./agent.ts";
import { folder } from "./folder.ts";
import type { Frame, RawClient } from "./raw-client.ts";
import { askRoom, bring, drop, fetchBlob } from "./uploader.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** Alice, Bob and Carol, who listen, at a relay of their own. */
async function three(options: RelayOptions = {}) {
  const relay = await createRelay({ port: 0, store: "memory", noLimits: true, ...options });
  onTestFinished(() => relay[Symbol.asyncDispose]());
  const agents: Agent[] = [];
  for (const name of ["alice", "bob", "carol"]) agents.push(await newAgent(relay.url, name));
  const [alice, bob, carol] = agents as [Agent, Agent, Agent];
  return { relay, alice, bob, carol };
}

async function listening(agent: Agent): Promise<RawClient> {
  const client = await agent.connect();
  onTestFinished(() => client[Symbol.dispose]());
  await client.ask("listen");
  return client;
}

/** The three in a team that Alice has founded, all of them listening. */
async function team(options: RelayOptions = {}) {
  const { relay, alice, bob, carol } = await three(options);
  const clients = [await listening(alice), await listening(bob), await listening(carol)] as const;
  const groupId = randomGroup();
  const founded = await clients[0].ask("commit", alice.founding([bob, carol], groupId));
  expect(founded.data).toMatchObject({ status: "committed", delivered: true });
  for (const client of clients.slice(1)) await pushed(client);
  return { relay, alice, bob, carol, clients, groupId };
}

const pushed = (client: RawClient): Promise<Frame> => client.read(({ type }) => type === "message", "mail is pushed");

const say = (client: RawClient, group_id: string, epoch: number, text: string, more: Record<string, unknown> = {}) =>
  client.ask("send", { group_id, epoch, message: base64(text), message_id: text, ...more });

test("[P-6.9] a message to a team is pushed to all of its members, with its place", async () => {
  const { clients, groupId } = await team();
  const [alice, bob, carol] = clients;
  expect((await say(alice, groupId, 2, "one")).data).toEqual({
    status: "delivered",
    message_id: "one",
    pos: 1,
    offline: 0,
  });
  carol.socket.terminate();
  await carol.closed;
  await vi.waitFor(async () => expect((await alice.ask("list_users")).data.users).toEqual(["bob"]));
  expect((await say(alice, groupId, 2, "two", { expires_at: Date.now() + 60_000 })).data).toMatchObject({
    status: "stored_offline",
    pos: 2,
    offline: 1,
  });
  const { data } = await pushed(bob);
  expect(data).toEqual({
    seq: data.seq,
    from: "alice",
    device: "alice-1",
    kind: "application",
    group_id: groupId,
    epoch: 2,
    message_id: "one",
    timestamp: expect.any(Number),
    pos: 1,
    message: base64("one"),
  });
  expect((await pushed(bob)).data).toMatchObject({ pos: 2, expires_at: expect.any(Number) });
});

test("[P-6.9] a message of any length is one frame for each of its members, with what was written before and behind it", async () => {
  const { clients, groupId } = await team();
  const [alice, bob, carol] = clients;
  const lengths = [3, 12_000, 12_300, 40_000, 60_000, 700_000, 1];
  for (const [index, length] of lengths.entries()) {
    const message = Buffer.alloc(length, index).toString("base64");
    const sent = { group_id: groupId, epoch: 2, message, message_id: `m${index}` };
    expect((await alice.ask("send", sent)).data.status).toBe("delivered");
    if (index % 2 === 0) bob.write("heartbeat");
  }
  for (const client of [bob, carol])
    for (const [index, length] of lengths.entries()) {
      const { data } = await pushed(client);
      expect([data.pos, data.message]).toEqual([index + 1, Buffer.alloc(length, index).toString("base64")]);
    }
});

test("[P-6.9] a direct frame goes to one member", async () => {
  const { clients, groupId } = await team();
  const [alice, bob, carol] = clients;
  expect((await say(alice, groupId, 2, "to-bob", { to: "bob", direct: true })).data.status).toBe("delivered");
  expect((await pushed(bob)).data).toMatchObject({ kind: "direct", message_id: "to-bob" });
  await say(alice, groupId, 2, "to-all");
  expect((await pushed(carol)).data).toMatchObject({ message_id: "to-all", pos: 1 });
});

test("[P-6.5] direct frames hold up nothing, and are not held up", async () => {
  const { clients, groupId } = await team();
  const [alice, bob] = clients;
  await bob.ask("rejoin", { group_id: groupId, statement: base64("signed") });
  const direct = { to: "bob", direct: true };
  expect((await say(alice, groupId, 2, "to-bob", direct)).data.reason).toBe("member_lapsed");
  expect((await say(alice, groupId, 2, "to-all")).data).toMatchObject({ status: "delivered", lapsed: ["bob"] });
  expect((await say(alice, groupId, 9, "too-soon")).data.reason).toBe("stale_epoch");
  expect((await say(alice, groupId, 2, "behind")).data.reason).toBe("send_blocked");
  expect((await say(alice, groupId, 2, "to-carol", { ...direct, to: "carol" })).data.status).toBe("delivered");
});

test("[P-6.9] what has expired is a stub also for whoever listens before it was swept", async () => {
  let ahead = 0;
  const clock = (): number => Date.now() + ahead;
  const { clients, carol, groupId } = await team({ clock, uptime: clock });
  const [alice, , before] = clients;
  await before.close();
  await say(alice, groupId, 2, "soon", { expires_at: clock() + 30_000 });
  await say(alice, groupId, 2, "soon-too", { expires_at: clock() + 30_000 });
  ahead = 30_001;
  const client = await listening(carol);
  const places: unknown[] = [];
  for (let count = 0; count < 3; count++) {
    const { data } = await client.read(({ type }) => type === "offline_message");
    places.push([data.kind, data.message_id, data.pos, data.sha256, data.message]);
  }
  expect(places.slice(1)).toEqual(
    ["soon", "soon-too"].map((text, index) => ["stub", text, index + 1, hash("sha256", text, "base64"), undefined]),
  );
});

test("[P-6.10] a commit that adds and removes says so to all, and each newcomer gets its Welcome and the tree", async () => {
  const { relay, alice, bob, clients, groupId } = await team();
  const dave = await newAgent(relay.url, "dave");
  const daves = await listening(dave);
  const [alices, bobs, carols] = clients;
  const change = alice.change(groupId, 2, { add: [dave], remove: [bob] });
  expect((await alices.ask("commit", change)).data).toMatchObject({ status: "committed", delivered: true });
  for (const client of [bobs, carols])
    expect((await pushed(client)).data).toMatchObject({
      kind: "commit",
      epoch: 2,
      body: base64("commit of 2"),
      add: [{ username: "dave", device: "dave-1" }],
      remove: [{ username: "bob", device: "bob-1" }],
    });
  expect((await pushed(daves)).data).toMatchObject({
    kind: "welcome",
    epoch: 3,
    message: base64("welcome dave"),
    tree: base64("tree"),
  });
  const refused = await bobs.ask("commit", bob.change(groupId, 3));
  expect(refused.data).toMatchObject({ reason: "not_a_member" });
});

test("[P-6.10] nobody is taken in who cannot be, and the refusal says who", async () => {
  const { alice, clients, groupId, relay } = await team();
  const dave = await newAgent(relay.url, "dave");
  using daves = await dave.connect();
  await daves.ask("peers", { block: ["alice"] });
  const change = alice.change(groupId, 2, { add: [dave] });
  expect((await clients[0].ask("commit", change)).data).toMatchObject({ reason: "blocked", username: "dave" });
});

test("[P-6.10] a tree that is too large for a frame is a file, which the relay keeps for as long as somebody needs it", async () => {
  const { relay, alice, bob, carol } = await three({ store: "sqlite", db: folder() });
  const [alices, bobs] = [await listening(alice), await listening(bob)];
  const tree = Buffer.alloc(100_000, 7);
  const file = await askRoom(alices, tree.length, { readers: 1 });
  const { blob } = file;
  const sha256 = createHash("sha256").update(tree).digest("base64");
  const said = { blob, token: file.readToken, bytes: tree.length, sha256 };
  const groupId = randomGroup();
  const founding = (more: object = {}) => alice.founding([bob, carol], groupId, { tree: { ...said, ...more } });
  // Not whole yet, and then not as it is said to be.
  expect((await alices.ask("commit", founding())).data.reason).toBe("unknown_blob");
  await bring(relay.url, file, 0, tree);
  for (const more of [{ bytes: 99_999 }, { sha256: base64("x".repeat(32)) }, { token: base64("y".repeat(32)) }])
    expect((await alices.ask("commit", founding(more))).data.reason).toBe("unknown_blob");
  expect((await alices.ask("commit", founding())).data.status).toBe("committed");
  const { data } = await pushed(bobs);
  expect(data.tree).toEqual(said);
  // Its uploader has no say in it any more, and it may be fetched as often as it is needed.
  expect((await alices.ask("blob_delete", { blob })).data.reason).toBe("unknown_blob");
  expect((await drop(relay.url, file)).status).toBe(404);
  for (let count = 0; count < 6; count++) expect((await fetchBlob(relay.url, file)).body.equals(tree)).toBe(true);
  await bobs.ask("received", { log_id: await logOf(bobs), seq: data.seq });
  expect((await fetchBlob(relay.url, file)).status).toBe(200);
  const carols = await listening(carol);
  const welcome = await carols.read(({ type }) => type === "offline_message");
  await carols.ask("received", { log_id: await logOf(carols), seq: welcome.data.seq });
  // Whoever has acknowledged it and ended before it was there comes for it once more, for a day.
  expect((await fetchBlob(relay.url, file)).status).toBe(200);
  expect((await alices.ask("blob_delete", { blob })).data.reason).toBe("unknown_blob");
  // Who has not heard that it was taken asks once more.
  expect((await alices.ask("commit", founding())).data.status).toBe("committed");
});

async function logOf(client: RawClient): Promise<string> {
  return (await client.ask("listen")).data.log_id as string;
}

test("[P-6.11] a statement is handed to a member that listens, and its commit ends it", async () => {
  const { carol, bob, clients, groupId } = await team();
  const [alices, bobs, carols] = clients;
  const statement = base64("signed");
  expect((await carols.ask("leave", { group_id: groupId, statement })).data).toEqual({ status: "left" });
  const { groups } = (await carols.ask("groups")).data as { groups: object[] };
  expect(groups).toMatchObject([{ group_id: groupId, leaves: true }]);
  expect((await alices.read(({ type }) => type === "statement")).data).toEqual({
    group_id: groupId,
    kind: "leave",
    username: "carol",
    statement,
  });
  expect((await say(carols, groupId, 2, "still-here")).data.reason).toBe("not_a_member");
  expect((await bobs.ask("commit", bob.change(groupId, 2, { remove: [carol] }))).data.status).toBe("committed");
  expect((await carols.ask("groups")).data).toEqual({ groups: [] });
  // Whoever was removed is told another thing than whoever's team is gone.
  expect((await carols.ask("rejoin", { group_id: groupId, statement })).data.reason).toBe("not_a_member");
  const gone = { group_id: randomGroup(), statement };
  for (const frame of ["rejoin", "leave"]) expect((await carols.ask(frame, gone)).data.reason).toBe("unknown_group");
  for (const more of [{}, { to: "bob", direct: true }])
    expect((await say(carols, gone.group_id, 2, "nowhere", { ...more, resume: true })).data.reason).toBe(
      "unknown_group",
    );
  expect((await bobs.ask("commit", bob.change(gone.group_id, 9))).data.reason).toBe("unknown_group");
});

test("[P-6.12] an account hears in which teams it is, by which device, and whether that has lapsed", async () => {
  const { relay, bob, clients, groupId } = await team();
  expect((await clients[1].ask("groups")).data).toEqual({
    groups: [{ group_id: groupId, epoch: 2, device: "bob-1", lapsed: false }],
  });
  const next = await newAgent(relay.url, "bob", { identity: bob.identity, counter: 2 });
  using bobs = await next.connect();
  expect((await bobs.ask("groups")).data.groups).toMatchObject([{ device: "bob-1", lapsed: true }]);
  const rejoin = { group_id: groupId, statement: base64("signed") };
  expect((await bobs.ask("rejoin", rejoin)).data).toEqual({ status: "rejoining" });
  expect((await bobs.ask("rejoin", rejoin)).data).toMatchObject({
    reason: "rate_limited",
    retry_after_ms: expect.any(Number),
  });
  expect((await clients[0].read(({ type }) => type === "statement")).data).toMatchObject({ kind: "rejoin" });
});

test("[P-8.2] key packages of several are claimed at once; those that cannot be had are named", async () => {
  const { alice } = await three();
  using alices = await alice.connect();
  const { type, data } = await alices.ask("claim_keys", { usernames: ["bob", "nobody", "alice", "Carol"] });
  expect(type).toBe("key_list");
  expect(data.keys.map(({ username, last_resort }: Frame["data"]) => [username, last_resort])).toEqual([
    ["bob", false],
    ["carol", false],
  ]);
  expect(data.refused).toEqual([
    { username: "nobody", reason: "unknown_user" },
    { username: "alice", reason: "self_send" },
  ]);
});

test("[P-11.2] commits in teams have a rate of their own, and what is sent to many counts as often", async () => {
  const limits = { groupCommits: 2, fanOutBytes: 1, fanOutBytesBurst: 100, framesPerSecond: 0 };
  const { alice, clients, groupId } = await team({ noLimits: false, limits });
  const [alices] = clients;
  expect((await alices.ask("commit", alice.change(groupId, 2))).data.status).toBe("committed");
  expect((await alices.ask("commit", alice.change(groupId, 3))).data.reason).toBe("rate_limited");
  // Two members, so a hundred bytes are two hundred.
  expect((await say(alices, groupId, 3, "x".repeat(60))).data.status).toBe("delivered");
  expect((await say(alices, groupId, 3, "second")).data.reason).toBe("rate_limited");
  expect((await say(alices, groupId, 3, "third", { to: "bob", direct: true })).data.status).toBe("delivered");
});

test("a relay that knows teams says so", async () => {
  const { alice } = await three();
  using alices = await alice.connect();
  const { data } = await alices.ask("info");
  expect(data.features).toEqual(expect.arrayContaining(["groups", "leave", "rejoin"]));
});
