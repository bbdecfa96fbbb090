import { cpSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { RelayOptions } from "@aimessage/server";
import { expect, test } from "vitest";
import { MemoryFolder, MemoryStore } from "../../src/store/memory.ts";
import type { WriteTransaction } from "../../src/store/store.ts";
import {
  alertKinds,
  bodies,
  eventually,
  follow,
  jump,
  never,
  numbered,
  refuseNext,
  rejection,
  SAME_CLOCK,
  temporaryFolder,
  World,
} from "./world.ts";

/** Alice and Bob, who have talked. */
async function talking(options: RelayOptions = {}) {
  const world = await World.create({ noLimits: true, ...options });
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  follow(bob);
  await (await alice.send("bob", "hello")).handled();
  await eventually("bob has committed", () => world.proxy.pushedTo("alice", "commit").length > 0);
  return { world, alice, bob };
}

test.each([
  { reason: "rate_limited", code: 429, arrive: ["1", "2", "3"] },
  { reason: "expired", code: 410, arrive: ["2", "3"] },
])("order holds when a refusal ($reason) arrives and those behind it are lost", async ({ reason, code, arrive }) => {
  const { world: opened, alice, bob } = await talking();
  await using world = opened;
  const ids: (string | undefined)[] = [];
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent !== "alice") return undefined;
    if (toRelay && frame.type === "send" && ids.length < 3) {
      ids.push(frame.id);
      // The relay refuses the first one, and with it what follows in the group.
      return ids.length === 1 ? [{ ...frame, data: { ...frame.data, epoch: 99 } }] : undefined;
    }
    if (toRelay || frame.type !== "error" || !ids.includes(frame.reply_to)) return undefined;
    if (frame.reply_to === ids[0]) return [{ ...frame, data: { ...frame.data, reason, code, retry_after_ms: 300 } }];
    if (frame.reply_to === ids[2]) world.proxy.cut("alice");
    return [];
  };
  const sent = await Promise.all(["1", "2", "3"].map((text) => alice.send("bob", text)));
  await Promise.all(sent.slice(-arrive.length).map((one) => one.handled()));
  expect(await bodies(bob, 1 + arrive.length)).toEqual(["hello", ...arrive]);
});

/** A store that takes so many milliseconds longer over each transaction that changes nothing. */
class SluggishStore extends MemoryStore {
  sluggish = 0;

  override async write<T>(work: (tx: WriteTransaction) => Promise<T>): Promise<T> {
    let changed = false;
    const end = this.onChange(() => (changed = true));
    const value = await super.write(work);
    end();
    if (!changed) await delay(this.sluggish);
    return value;
  }
}

test("a pause after a refusal that ends while a turn is under way is not slept over", { tags: ["long"] }, async () => {
  await using world = await World.create();
  const folder = new MemoryFolder();
  world.folders.set("alice", folder);
  const store = new SluggishStore(folder);
  const [alice, bob] = [await world.openFrom("alice", store), await world.open("bob")];
  follow(bob);
  await (await alice.send("bob", "hello")).handled();
  const refused = refuseNext(world, "alice", 3_000);
  await alice.send("bob", "refused");
  await eventually("it is refused", refused);
  // Long enough for what else the link does after a while, and shorter than the pause.
  const sends = world.proxy.sentBy("alice", "send").length;
  await never("it is sent again at once", () => world.proxy.sentBy("alice", "send").length > sends, 600);
  store.sluggish = 3_000;
  await (await alice.send("bob", "behind it")).handled();
});

test(
  "waiting for a relay whose disk is full spends no keys, and all of it arrives in order",
  { tags: ["long"] },
  async () => {
    const { world: opened, alice, bob } = await talking();
    await using world = opened;
    let full = true;
    let tried = 0;
    const ids = new Set<string>();
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (agent !== "alice") return undefined;
      if (toRelay && full && (frame.type === "send" || frame.type === "commit")) {
        tried += 1;
        ids.add(frame.id!);
        return [{ ...frame, data: { ...frame.data, epoch: 99 } }];
      }
      if (toRelay || frame.type !== "error" || !ids.has(frame.reply_to!) || frame.data.reason === "send_blocked")
        return undefined;
      return [{ ...frame, data: { ...frame.data, code: 507, reason: "storage_full" } }];
    };
    const texts = numbered(150);
    const sent = await Promise.all(texts.map((text) => alice.send("bob", text)));
    let before = -1;
    await eventually("a window of them is refused", () => before === (before = tried));
    // Then one at a time, less and less often.
    await eventually("one is tried again", () => tried > before);
    await eventually("another is tried", () => tried > before + 1);
    expect(tried).toBeLessThan(140);
    full = false;
    await Promise.all(sent.map((one) => one.handled()));
    expect(await bodies(bob, 151)).toEqual(["hello", ...texts]);
    expect(world.proxy.sentBy("alice", "send").filter(({ data }) => /--\d$/.test(data.message_id!))).toEqual([]);
    expect([...(await alertKinds(alice)), ...(await alertKinds(bob))]).toEqual([]);
  },
);

test.each(["queued", "under way", "in an opening"])(
  "what a relay does not take any more, since its limit shrank, is refused and stops nothing else (%s)",
  async (kind) => {
    await using world = await World.create({ noLimits: true, store: "sqlite", db: temporaryFolder() });
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    follow(bob);
    await alice.users();
    if (kind !== "in an opening") await (await alice.send("bob", "hello")).handled();
    if (kind === "queued") await world.stopRelay();
    let lost = 0;
    world.proxy.rule = ({ agent, toRelay, frame }) =>
      agent === "alice" && toRelay && ["send", "commit"].includes(frame.type) && ++lost ? "cut" : undefined;
    const large = await alice.send("bob", "x".repeat(300_000));
    const small = await alice.send("bob", "small");
    if (kind !== "queued") await eventually("it has left", () => lost > 0);
    if (kind !== "queued") await world.stopRelay();
    world.proxy.rule = undefined;
    await world.startRelay({ limits: { frameBytes: 131_072 } });
    await small.handled();
    expect(await rejection(large.stored())).toMatchObject({ code: "refused", reason: "message_too_large" });
    expect((await bodies(bob, kind === "in an opening" ? 1 : 2)).at(-1)).toBe("small");
    await (await alice.send("bob", "and on")).handled();
    expect((await large.status()).state).toBe("refused");
  },
);

test("a message whose time ran out before we heard that the relay had it is not called expired", async () => {
  const { world: opened, alice, bob } = await talking(SAME_CLOCK);
  await using world = opened;
  let away = false;
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent === "bob") return away && toRelay && frame.type === "send" ? "cut" : undefined;
    away ||= !toRelay && frame.type === "ack" && frame.data.status === "delivered";
    return away ? "cut" : undefined;
  };
  const sent = await alice.send("bob", "read in time", { expiresIn: 30_000 });
  await eventually("bob has it", async () => (await bob.inbox()).some((entry) => entry.body === "read in time"));
  jump(31_000);
  world.proxy.rule = undefined;
  expect((await sent.handled()).state).toBe("handled");
});

test("what was stored for a device that has been replaced is sent to the new one, even if we never heard of it", async () => {
  await using world = await World.create();
  const alice = await world.open("alice");
  const [folder, copy] = [world.folder(), world.folder()];
  const visit = async (path: string) => {
    const bob = await world.openFrom("bob", await world.sqlite(path));
    await bob.users();
    await bob.close();
  };
  await visit(folder);
  cpSync(folder, copy, { recursive: true });
  await visit(folder);
  let away = false;
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent !== "alice") return undefined;
    if (!toRelay && frame.type === "ack" && frame.data.status === "committed") away = true;
    return away ? "cut" : undefined;
  };
  const sent = await alice.send("bob", "for whoever you are now");
  await eventually("the relay has stored it", () => away);
  // The old copy notices what it is, and becomes a new device.
  const bob = await world.openFrom("bob", await world.sqlite(copy));
  follow(bob);
  await eventually("bob is a new device", async () => (await alertKinds(bob)).includes("old_copy"));
  world.proxy.rule = undefined;
  await sent.handled();
  expect(await bodies(bob, 1)).toEqual(["for whoever you are now"]);
});
