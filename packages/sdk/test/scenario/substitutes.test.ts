/** Keys that a relay hands out in place of those of a contact. Rows of SECURITY.md, "A relay that lies". */
import { cpSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import { GroupCrypto } from "../../src/crypto/mls/group.ts";
import { verifyCertificate } from "../../src/crypto/identity.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { encodeCertificate, fromBase64, toBase64 } from "../../src/protocol/index.ts";
import { edit, type Frame } from "./proxy.ts";
import { alertKinds, bodies, eventually, follow, rejection, World } from "./world.ts";

/** The first `keys` for this agent are others: `lie` says what is different in them. */
function lieOnce(world: World, agent: string, lie: (frame: Frame) => Frame["data"]): void {
  let once = true;
  world.proxy.rule = (passage) => {
    if (passage.agent !== agent || passage.toRelay || passage.frame.type !== "keys" || !once) return undefined;
    once = false;
    return [edit(passage.frame, lie(passage.frame))];
  };
}

/** A device of the relay's own, under Bob's name and identity key. What it cannot make is the signature. */
async function forgedDevice(genuine: string) {
  const crypto = await GroupCrypto.load(nodeCryptoProvider);
  const certificate = await verifyCertificate(crypto, fromBase64(genuine));
  if (certificate === undefined) throw new Error("the relay has no certificate of bob");
  const keys = await crypto.generateKeys();
  const body = { ...certificate, deviceId: "forged", deviceKey: keys.publicKey, counter: certificate.counter + 1 };
  const encoded = encodeCertificate(body, new Uint8Array(64).fill(1));
  const { public: keyPackage } = await crypto.makeKeyPackage({ ...keys, certificate: encoded }, Date.now());
  return {
    device: { id: "forged", key: toBase64(keys.publicKey), certificate: toBase64(encoded) },
    key_package: toBase64(keyPackage),
  };
}

/** Devices of Bob to which Alice has sent Welcomes. */
function welcomed(world: World): string[] {
  return world.proxy
    .sentBy("alice", "commit")
    .flatMap(({ data }) => data.welcomes ?? [])
    .map(({ device }) => device);
}

function genuineDevice(world: World): { id: string; certificate: string } {
  return world.proxy.sentBy("bob", "register")[0]?.data.device as { id: string; certificate: string };
}

describe("a device that its identity has not signed", () => {
  test.each([["before first contact", false] as const, ["under a pinned identity key", true] as const])(
    "[R-5] is sent nothing and pinned nowhere, %s, and the owner is told",
    async (_, pinned) => {
      await using world = await World.create();
      const [alice, bob] = [await world.open("alice"), await world.open("bob")];
      follow(bob);
      if (pinned) await alice.verify("bob", bob.fingerprint);
      const genuine = genuineDevice(world);
      const forged = await forgedDevice(genuine.certificate);
      lieOnce(world, "alice", () => forged);
      await (await alice.send("bob", "for bob alone")).handled();
      expect(new Set(welcomed(world))).toEqual(new Set([genuine.id]));
      expect((await alice.contacts()).map(({ fingerprint, deviceCounter }) => [fingerprint, deviceCounter])).toEqual([
        [bob.fingerprint, 1],
      ]);
      expect(await alertKinds(alice)).toEqual(["bad_key_package"]);
      expect(await bodies(bob, 1)).toEqual(["for bob alone"]);
    },
  );
});

test("[R-5] an older device of a contact than it has shown before is sent nothing, until the newer one is shown again", async () => {
  await using world = await World.create();
  const [folder, copy] = [world.folder(), world.folder()];
  const visit = async (path: string): Promise<Agent> => {
    const bob = await world.open("bob", await world.sqlite(path));
    await bob.users();
    await bob.close();
    return bob;
  };
  await visit(folder);
  cpSync(folder, copy, { recursive: true });
  await visit(folder);
  const carol = await world.open("carol");
  await (await carol.send("bob", "to the first device")).stored();
  const older = world.proxy.recorded.find(({ frame }) => frame.type === "keys")?.frame;
  // The copy notices what it is, and goes on as the second device.
  const bob = await visit(copy);
  const alice = await world.open("alice");
  expect(await alice.verify("bob", bob.fingerprint)).toMatchObject({ deviceCounter: 2 });
  world.proxy.rule = ({ agent, toRelay, frame }) =>
    agent === "alice" && !toRelay && ["keys", "agent"].includes(frame.type) ? [edit(frame, older!.data)] : undefined;
  const sent = await alice.send("bob", "to the second device");
  expect(await rejection(sent.stored())).toMatchObject({ code: "device_changed" });
  expect((await rejection(alice.send("bob", "again"))).code).toBe("device_changed");
  expect(await alertKinds(alice)).toEqual(["device_changed"]);
  expect(welcomed(world)).toEqual([]);
  world.proxy.rule = undefined;
  await (await alice.send("bob", "to the device that is there")).stored();
  expect(welcomed(world)).not.toEqual([]);
});

test("[R-5] a contact that is known, but has never been written to, is stopped where it shows up as a token account", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await alice.verify("bob", bob.fingerprint);
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent !== "alice" || toRelay || frame.type !== "keys") return undefined;
    const data = { code: 409, message: "bob is a token account", reason: "encryption_required" };
    return [{ ...frame, type: "error", data }];
  };
  const sent = await alice.send("bob", "in plain text?");
  expect((await rejection(sent.stored())).code).toBe("identity_changed");
  expect(await alertKinds(alice)).toEqual(["identity_changed"]);
  expect((await rejection((await alice.send("bob", "again")).stored())).code).toBe("identity_changed");
});

test("[R-5] a device of another identity than the relay says goes for none, though the one it says is the one expected", async () => {
  await using world = await World.create();
  await using elsewhere = await World.create();
  const expected = await elsewhere.open("bob");
  const impostor = await world.open("bob");
  const got = follow(impostor);
  const alice = await world.open("alice");
  const identity_key = elsewhere.proxy.sentBy("bob", "register")[0]?.data["identity_key"];
  world.proxy.rule = ({ agent, toRelay, frame }) =>
    agent === "alice" && !toRelay && frame.type === "keys" ? [edit(frame, { identity_key })] : undefined;
  const sent = await alice.send(`bob#${expected.fingerprint}`, "for bob alone");
  await eventually("alice is told", async () => (await alertKinds(alice)).includes("bad_key_package"));
  expect(welcomed(world)).toEqual([]);
  world.proxy.rule = undefined;
  expect((await rejection(sent.stored())).code).toBe("fingerprint_mismatch");
  expect(got).toEqual([]);
});

test("[R-5] what the pinned identity says in its own conversation is read, whatever the relay shows in its place", async () => {
  await using world = await World.create();
  await using elsewhere = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await elsewhere.open("bob");
  const { device, identity_key } = elsewhere.proxy.sentBy("bob", "register")[0]!.data;
  follow(alice);
  follow(bob);
  await (await alice.send("bob", "hello")).handled();
  world.proxy.rule = ({ agent, toRelay, frame }) =>
    agent === "alice" && !toRelay && ["keys", "agent"].includes(frame.type)
      ? [edit(frame, { device, identity_key })]
      : undefined;
  expect((await rejection(alice.trust(`bob#${bob.fingerprint}`))).code).toBe("fingerprint_mismatch");
  expect((await rejection(alice.send("bob", "is that you?"))).code).toBe("identity_changed");
  await (await bob.send("alice", "it is me")).handled();
  expect(await bodies(alice, 1)).toEqual(["it is me"]);
  await (await alice.send("bob", "now I can see that")).handled();
});

test.each(["of another agent", "that was altered"])(
  "[R-6] a key package %s is refused with an alert, and another one is asked for",
  async (kind) => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob"), await world.open("eve")];
    follow(bob);
    const [others] = world.proxy.sentBy("eve", "register")[0]!.data["key_packages"] as string[];
    lieOnce(world, "alice", ({ data }) => {
      const bytes = fromBase64(data["key_package"] as string);
      bytes[bytes.length - 20]! ^= 1;
      return { key_package: kind === "of another agent" ? others : toBase64(bytes) };
    });
    await (await alice.send("bob", "by another one")).handled();
    expect(await alertKinds(alice)).toEqual(["bad_key_package"]);
    expect(world.proxy.sentBy("alice", "claim_keys").map(({ data }) => data["another"])).toEqual([undefined, true]);
    expect(await alertKinds(bob)).toEqual([]);
    expect(await bodies(bob, 1)).toEqual(["by another one"]);
  },
);
