/** A contact that makes this agent work for nothing. Rows of SECURITY.md, "A peer that lies, a client that floods". */
import { expect, onTestFinished, test, vi } from "vitest";
import { readAccount } from "../../src/records/own-account.ts";
import { authenticatedData } from "../../src/crypto/content.ts";
import { EPOCH_MESSAGES } from "../../src/crypto/mls/seam.ts";
import { GroupCrypto } from "../../src/crypto/mls/group.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { toBase64, utf8 } from "../../src/protocol/index.ts";
import { statesIn } from "./attacker.ts";
import type { Frame } from "./proxy.ts";
import { bodies, eventually, follow, rejection, withoutPeers, World } from "./world.ts";

/** Bob, whose contacts Mallory and Carol have both talked to him, and what he tries to decrypt from now on. */
async function talking() {
  const world = await World.create({ noLimits: true });
  const [bob, mallory, carol] = [await world.open("bob"), await world.open("mallory"), await world.open("carol")];
  follow(bob);
  for (const agent of [mallory, carol]) {
    follow(agent);
    await (await agent.send("bob", "hello")).handled();
    // The joiner's first commit comes before anything else.
    await (await agent.send("bob", "hello again")).handled();
  }
  const decrypt = vi.spyOn(GroupCrypto.prototype, "decrypt");
  onTestFinished(() => decrypt.mockRestore());
  return { world, bob, mallory, carol, decrypt };
}

/** Frames that name the farthest generation that is still tried, and do not decrypt: each differs from the others. */
async function ahead(world: World, from: string, count: number): Promise<Frame[]> {
  const store = world.memory(from);
  const account = (await store.read((tx) => readAccount(tx)))!;
  const [[id, state]] = [...(await store.read(statesIn))] as [[string, Uint8Array]];
  const crypto = await GroupCrypto.load(nodeCryptoProvider);
  let group = crypto.decode(state);
  const known = world.proxy.pushedTo("bob", "application").findLast(({ data }) => data.from === from)!;
  const bound = authenticatedData({
    messageId: "x",
    from,
    fromDevice: account.device.id,
    to: "bob",
    toDevice: "y",
    expiresAt: undefined,
  });
  let message: Uint8Array = new Uint8Array();
  for (let step = 0; step < EPOCH_MESSAGES - 50; step++)
    ({ group, message } = await crypto.encrypt(group, utf8("nothing"), bound));
  return Array.from({ length: count }, (_, index) => {
    const bytes = message.slice();
    // The tag alone: what names sender and generation is still in order.
    new DataView(bytes.buffer).setUint32(bytes.length - 4, index);
    return {
      ...known,
      data: {
        ...known.data,
        group_id: id,
        message: toBase64(bytes),
        message_id: `junk-${index}`,
      },
    };
  });
}

test("[A-3] a flood of messages that name a far generation is tried a few times; another's mail behind it comes at once", async () => {
  const { world: opened, bob, mallory, carol, decrypt } = await talking();
  await using world = opened;
  // Fewer than a stranger is told of at once: else what of the honest one below waits for the next that is read.
  for (const frame of await ahead(world, "mallory", 190)) world.proxy.push("bob", frame);
  await (await carol.send("bob", "behind it")).handled();
  expect(decrypt.mock.calls.length).toBeLessThan(100);
  // What came from Mallory meanwhile was not lost: it is read, or asked for again.
  const honest = await mallory.send("bob", "meant well");
  await eventually("it is dealt with", async () => {
    const again = world.proxy.sentBy("mallory", "send").some(({ data }) => data.message_id === `${honest.id}--1`);
    return again || (await honest.status()).state === "handled";
  });
  expect(await bodies(bob, 5)).toContain("behind it");
});

test("[A-3] the same ciphertext under other ids is tried once", async () => {
  const { world: opened, carol, decrypt } = await talking();
  await using world = opened;
  const [frame] = await ahead(world, "mallory", 1);
  for (let count = 0; count < 20; count++)
    world.proxy.push("bob", { ...frame!, data: { ...frame!.data, message_id: `again-${count}` } });
  await (await carol.send("bob", "behind them")).handled();
  const tried = decrypt.mock.calls.filter(([, bytes]) => toBase64(bytes) === frame!.data.message);
  expect(tried).toHaveLength(1);
});

test("[A-3] what a blocked contact sends is not tried at all, and it is told", async () => {
  const { world: opened, bob, mallory, carol, decrypt } = await talking();
  await using world = opened;
  withoutPeers(world);
  await bob.block("mallory");
  const sent = await mallory.send("bob", "can you hear me?");
  for (const frame of await ahead(world, "mallory", 20)) world.proxy.push("bob", frame);
  expect(await rejection(sent.handled())).toMatchObject({ code: "refused", reason: "blocked" });
  await (await carol.send("bob", "behind them")).handled();
  const toBob = new Set(
    world.proxy
      .pushedTo("bob", "application")
      .filter(({ data }) => data.from === "mallory")
      .map(({ data }) => data.message),
  );
  const since = decrypt.mock.calls.map(([, bytes]) => toBase64(bytes));
  expect(since.filter((message) => toBob.has(message))).toEqual([]);
  await bob.allow("mallory");
  await (await mallory.send("bob", "and now?")).handled();
});
