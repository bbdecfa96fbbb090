/** The state of a group in parts: what is written when, and that they are the same state. */
import { encodeGroupState, type ClientState } from "ts-mls";
import { describe, expect, it } from "vitest";
import { type Group, GroupError } from "../../src/crypto/mls/seam.ts";
import { Random, seed } from "../random.ts";
import { Disk } from "./disk.ts";
import { removeLast, team, unruled } from "./forger.ts";
import { pair, receive, send, type Side, update } from "./pair.ts";

/** A state as the library encodes it, but for what it keeps at the parents of the secret tree, which nobody uses. */
function wholeOf(group: Group): Buffer {
  const state = group.state as ClientState;
  const nothing = { secret: new Uint8Array(), generation: 0, unusedGenerations: {} };
  const leaves = <T extends { secretTree: ClientState["secretTree"] }>(data: T): T => ({
    ...data,
    secretTree: data.secretTree.map((node, index) =>
      index % 2 === 1 ? { handshake: nothing, application: nothing } : node,
    ),
  });
  const past = [...state.historicalReceiverData].map(([epoch, data]) => [epoch, leaves(data)] as const);
  return Buffer.from(encodeGroupState({ ...leaves(state), historicalReceiverData: new Map(past) }));
}

const onePage = { put: [expect.stringMatching(/^ratchet\/\d+\/\d+$/)], removed: [] };
const names = ({ put, removed }: ReturnType<Disk["save"]>) => ({ put: [...put.keys()].toSorted(), removed });

describe("the state of a conversation in parts", () => {
  it("is written whole when it is new, and one page of it for a message that is sent or received", async () => {
    const { alice, bob } = await pair();
    const disk = new Disk(alice);
    expect([...disk.rows.keys()].toSorted()).toEqual(["mls", "ratchet/1/0", "tree/1"]);
    for (let round = 0; round < 3; round++) {
      const message = await send(alice, "sent");
      expect(names(disk.save(alice.group))).toEqual(onePage);
      await receive(bob, message);
      await receive(alice, await send(bob, "received"));
      expect(names(disk.save(alice.group))).toEqual(onePage);
      expect(names(disk.save(alice.group))).toEqual({ put: [], removed: [] });
    }
  });

  it("is written whole for a commit, whoever makes it, and what is two epochs old goes", async () => {
    const { alice, bob } = await pair();
    const disk = new Disk(alice);
    for (let epoch = 2; epoch < 8; epoch++) {
      const late = await send(bob, "on its way");
      await (epoch % 2 === 0 ? update(alice, bob) : update(bob, alice));
      const { put, removed } = names(disk.save(alice.group));
      // The commit of the other one has moved a ratchet of the epoch that it ends.
      const expected = ["mls", `ratchet/${epoch}/0`, `tree/${epoch}`];
      expect(put.filter((name) => name !== `ratchet/${epoch - 1}/0`)).toEqual(expected);
      expect(removed.toSorted()).toEqual(epoch === 2 ? [] : [`ratchet/${epoch - 2}/0`, `tree/${epoch - 2}`]);
      await receive(alice, late);
      expect(names(disk.save(alice.group))).toEqual({ put: [`ratchet/${epoch - 1}/0`], removed: [] });
      expect(disk.rows.size).toBe(5);
    }
  });

  it(`is the state that was never kept, after any messages, commits and restarts (seed ${seed})`, async () => {
    const random = new Random();
    const sides = await pair();
    // Of each side one that is never kept, and one that is kept after each step.
    const both = [sides.alice, sides.bob].map((side) => ({ side, disk: new Disk(side), kept: { ...side } }));
    const each = async (at: number, work: (side: Side) => Promise<unknown>) => {
      const { side, kept, disk } = both[at]!;
      for (const one of [side, kept]) await work(one);
      disk.save(kept.group);
      expect(wholeOf(kept.group).equals(wholeOf(side.group))).toBe(true);
      expect(wholeOf((await disk.read())!).equals(wholeOf(side.group))).toBe(true);
      // As after a restart.
      if (random.int(4) === 0) kept.group = await disk.load();
    };
    const under: Uint8Array[][] = [[], []];
    const deliver = async (to: number) => {
      for (const message of under[to]!.splice(0))
        if (random.int(5) > 0) await each(to, (side) => receive(side, message));
    };
    for (let step = 0; step < 150; step++) {
      const at = random.int(2);
      const other = 1 - at;
      if (random.int(12) > 0) {
        let message: Uint8Array | undefined;
        await each(at, async (side) => (message = await send(side, `step ${step}`)));
        under[other]!.push(message!);
        if (random.int(3) === 0) await deliver(other);
        continue;
      }
      const { pending, commit } = await both[at]!.kept.crypto.update(both[at]!.kept.group);
      await each(other, (side) => receive(side, commit));
      await each(at, async (side) => (side.group = side.crypto.applyUpdate(side.group, pending)));
      // What was sent before it is read after it, of one epoch at most.
      await deliver(at);
      await deliver(other);
    }
  });

  it("is none where a part is missing, cut off, too long, or random, and nothing where there is none", async () => {
    const { alice, bob } = await pair();
    await update(bob, alice);
    const disk = new Disk(alice);
    const random = new Random();
    for (const [name, bytes] of new Map(disk.rows)) {
      const longer = Uint8Array.from([...bytes, 0]);
      const wrong = [bytes.slice(0, -1), longer, random.bytes(100), new Uint8Array(), undefined];
      for (const other of name === "mls" ? wrong.slice(0, -1) : wrong) {
        if (other === undefined) disk.rows.delete(name);
        else disk.rows.set(name, other);
        await expect(disk.read(), name).rejects.toThrow(GroupError);
      }
      disk.rows.set(name, bytes);
    }
    expect(await disk.read()).toBeDefined();
    disk.rows.clear();
    expect(await disk.read()).toBeUndefined();
  });

  it("is no state in one piece, nor is that one in parts", async () => {
    const { alice } = await pair();
    const disk = new Disk(alice);
    for (const bytes of disk.rows.values()) expect(() => alice.crypto.decode(bytes)).toThrow(GroupError);
    disk.rows.set("mls", alice.crypto.encode(alice.group));
    await expect(disk.read()).rejects.toThrow(GroupError);
  });

  it("writes as much for a message after any number of epochs", async () => {
    const { alice, bob } = await pair();
    const disk = new Disk(alice);
    const sizes = new Set<number>();
    for (let epoch = 0; epoch < 20; epoch++) {
      await (epoch % 2 === 0 ? update(alice, bob) : update(bob, alice));
      disk.save(alice.group);
      const message = await send(alice, "sent");
      sizes.add([...disk.save(alice.group).put.values()].reduce((sum, length) => sum + length));
      await receive(bob, message);
    }
    expect([...sizes]).toEqual([expect.any(Number)]);
    expect(Math.max(...sizes)).toBeLessThan(300);
  });
});

describe("the state of a team in parts", () => {
  /** The most that a message may write: a page of 8 leaves, each with two ratchets of 71 bytes. */
  const PAGE_BYTES = 8 * 2 * 71 + 8;

  it.each([3, 7, 9, 17, 130])("writes one page for a message to or from %s members", async (count) => {
    const { founder, member } = await team(count);
    for (const [from, to] of [
      [founder, member],
      [member, founder],
    ] as const) {
      const disks = [new Disk(from), new Disk(to)] as const;
      for (let round = 0; round < 2; round++) {
        const message = await send(from, "to all");
        await receive(to, message);
        for (const [disk, side] of [[disks[0], from] as const, [disks[1], to] as const]) {
          const saved = disk.save(side.group);
          expect(names(saved)).toEqual(onePage);
          expect(Math.max(...saved.put.values())).toBeLessThanOrEqual(PAGE_BYTES);
          expect(wholeOf((await disk.read())!).equals(wholeOf(side.group))).toBe(true);
        }
      }
    }
  });

  it("has pages of the epochs that it has, also after it became smaller", async () => {
    const { founder } = await team(40);
    const disk = new Disk(founder);
    const pages = (epoch: number) =>
      [...disk.rows.keys()].filter((name) => name.startsWith(`ratchet/${epoch}/`)).length;
    const before = unruled(founder).groupContext.epoch;
    expect(pages(Number(before))).toBe(8);
    for (let round = 1; round <= 2; round++) {
      founder.group = await removeLast(founder, round === 1 ? 30 : 1);
      disk.save(founder.group);
      expect(pages(Number(before) + round)).toBe(2);
      expect(wholeOf((await disk.read())!).equals(wholeOf(founder.group))).toBe(true);
    }
    expect(pages(Number(before))).toBe(0);
  });

  it("holds no secret of a parent", async () => {
    const { founder } = await team(5);
    const { secretTree } = founder.group.state as ClientState;
    const rows = new Disk(founder).bytes;
    const secrets = (odd: number) =>
      secretTree
        .filter((_, index) => index % 2 === odd)
        .flatMap((node) => [node.handshake.secret, node.application.secret]);
    expect(secrets(0).filter((secret) => !rows.includes(Buffer.from(secret)))).toEqual([]);
    expect(secrets(1).length).toBeGreaterThan(5);
    expect(secrets(1).filter((secret) => rows.includes(Buffer.from(secret)))).toEqual([]);
  });
});
