/** A stranger founds one group after another with an agent, all by one key package that it was given once. */
import { expect, test } from "vitest";
import { createDevice } from "../../src/crypto/identity.ts";
import { GroupCrypto } from "../../src/crypto/mls/group.ts";
import { TeamCrypto } from "../../src/crypto/mls/team.ts";
import { groupIdOf } from "../../src/crypto/mls/state.ts";
import { foundTeam } from "../../src/crypto/team/changes.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { fromBase64, randomId, toBase64 } from "../../src/protocol/index.ts";
import { list } from "../../src/records/records.ts";
import { caughtUp, follow, World } from "./world.ts";

const random = (bytes: number) => globalThis.crypto.getRandomValues(new Uint8Array(bytes));

const LEAVES = 4;
const TEAMS = 6;

test("by one package of last resort a stranger opens three groups, however many it founds", async () => {
  await using world = await World.create({ noLimits: true });
  const alice = await world.open("alice");
  follow(alice);
  await alice.sync();
  const crypto = await GroupCrypto.load(nodeCryptoProvider);
  const teams = await TeamCrypto.load(nodeCryptoProvider);
  const lastResort = world.proxy.recorded
    .flatMap(({ frame, toRelay }) =>
      toRelay && typeof frame.data?.["last_resort"] === "string" ? [frame.data["last_resort"]] : [],
    )
    .at(0)!;
  const made = async (username: string) =>
    createDevice(crypto, { username, ...(await crypto.generateKeys()) }, 1, Date.now());
  const mallory = await made("mallory");
  const others: Uint8Array[] = [];
  for (let at = 0; at < LEAVES; at++)
    others.push((await crypto.makeKeyPackage(await made(`nobody${at}`), Date.now())).public);
  for (let at = 0; at < TEAMS; at++) {
    const settings = {
      key: random(16),
      name: `ops${at}`,
      about: "",
      foundedAt: Date.now(),
      admins: ["mallory"],
      replaces: "",
    };
    const { group, invitation } = await foundTeam(teams, settings, {
      groupId: random(32),
      leaf: mallory,
      members: [fromBase64(lastResort), ...others],
      now: Date.now(),
    });
    const timestamp = Math.floor(Date.now() / 1000);
    const tree = toBase64(invitation.tree);
    world.proxy.push("alice", {
      type: "message",
      timestamp,
      data: {
        kind: "welcome",
        from: "mallory",
        device: mallory.id,
        group_id: groupIdOf(group),
        epoch: 2,
        timestamp,
        message_id: randomId(),
        message: toBase64(invitation.welcomes[0]!.welcome),
        tree,
      },
    });
    await caughtUp(alice);
  }
  const joined = await world.memory("alice").read(async (tx) => (await list(tx, "team-group/")).length);
  expect(joined).toBe(3);
});
