/** MLS groups of many: founded, joined, changed, and written in. */
import { describe, expect, it } from "vitest";
import { GroupError } from "../../src/crypto/mls/seam.ts";
import { stateOf } from "../../src/crypto/mls/state.ts";
import { defaultCryptoProvider } from "../../src/crypto/mls/group.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { fromUtf8, utf8 } from "../../src/protocol/index.ts";
import {
  anyone,
  change,
  commit,
  cryptoOf,
  follow,
  groupId,
  hear,
  join,
  type Member,
  now,
  outsider,
  quickProvider,
  say,
  team,
} from "./team.ts";
import { Thief } from "./thief.ts";

const quick = await cryptoOf(quickProvider);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const names = (member: Member) => quick.teams.leaves(member.group).map(({ certificate }) => text(certificate));
const authenticators = (members: Member[]) =>
  new Set(members.map(({ group }) => Buffer.from(quick.teams.authenticator(group)).toString("hex")));

describe.each([
  ["node:crypto", nodeCryptoProvider],
  ["what browsers use", defaultCryptoProvider],
])("a team by %s", (_name, provider) => {
  it("is founded in epoch 2, and each of its members has a Welcome of its own, as long in any team", async () => {
    const crypto = await cryptoOf(provider);
    const members = await Promise.all(["alice", "bob", "carol"].map((name) => outsider(crypto, name)));
    const [alice, bob, carol] = members as [Member, Member, Member];
    const { group, invitation } = await crypto.teams.found({
      groupId,
      leaf: alice.leaf,
      settings: new Uint8Array(25),
      members: [bob.keyPackage.public, carol.keyPackage.public],
      now,
      authenticate: anyone,
    });
    expect(invitation.welcomes.map(({ ref }) => ref)).toEqual([bob.keyPackage.ref, carol.keyPackage.ref]);
    expect(invitation.welcomes.map(({ welcome }) => welcome.length)).toEqual([1_744, 1_744]);
    expect(crypto.pairs.welcomeRefs(invitation.welcomes[0]!.welcome)).toEqual([bob.keyPackage.ref]);
    const all = [{ ...alice, group }, await join(crypto, bob, invitation), await join(crypto, carol, invitation)];
    expect(stateOf(group).groupContext.epoch).toBe(2n);
    expect(authenticators(all).size).toBe(1);
    expect(names(all[1]!)).toEqual(["alice", "bob", "carol"]);
    expect(await crypto.teams.export(group, "for a test", 32)).toEqual(
      await crypto.teams.export(all[2]!.group, "for a test", 32),
    );
    const read = await hear(crypto, all[2]!, await say(crypto, all[1]!, "hello"));
    expect([text(read.plaintext), read.sender.index, text(read.sender.certificate)]).toEqual(["hello", 1, "bob"]);
  });
});

describe("a team", () => {
  it("goes on after updates, settings, removes and adds, and all agree about it", async () => {
    const members = await team(quick, 5);
    await change(quick, members, members[3]!);
    await change(quick, members, members[1]!, { settings: utf8("others") });
    expect(members.map(({ group }) => text(quick.teams.settings(group)))).toEqual(Array(5).fill("others"));
    const [erin] = await change(quick, members, members[0]!, { remove: [2], joining: [await outsider(quick, "erin")] });
    expect(names(erin!)).toEqual(["m0", "m1", "erin", "m3", "m4"]);
    expect(text(quick.teams.settings(erin!.group))).toBe("others");
    expect(authenticators(members).size).toBe(1);
    expect(members.map((member) => names(member).join())).toEqual(Array(5).fill("m0,m1,erin,m3,m4"));
    expect(members.map(({ group }) => quick.teams.ownLeaf(group))).toEqual([0, 1, 3, 4, 2]);
    expect(quick.teams.width(erin!.group)).toBe(8);
  });

  it("is as it was when it has been stored", async () => {
    const members = await team(quick, 3);
    members[1]!.group = quick.pairs.decode(quick.pairs.encode(members[1]!.group));
    await change(quick, members, members[0]!, { joining: [await outsider(quick, "late")] });
    members[1]!.group = quick.pairs.decode(quick.pairs.encode(members[1]!.group));
    await change(quick, members, members[1]!);
    expect(authenticators(members).size).toBe(1);
    expect(text((await hear(quick, members[1]!, await say(quick, members[3]!, "hi"))).plaintext)).toBe("hi");
  });

  it("reads messages of this epoch and the one before, and says in whose name they are", async () => {
    const members = await team(quick, 4);
    const [a, b, c] = members as [Member, Member, Member];
    const [first, second] = [await say(quick, b, "one"), await say(quick, c, "two")];
    await change(quick, members, a);
    const read = await hear(quick, a, second);
    expect([read.sender.index, read.epoch, text(read.plaintext)]).toEqual([2, 2, "two"]);
    expect(fromUtf8(read.authenticatedData)).toBe("bound");
    await change(quick, members, c);
    await expect(hear(quick, a, first)).rejects.toThrow("message of another epoch");
    await expect(hear(quick, a, second)).rejects.toThrow(GroupError);
  });

  it("keeps no key of a message that was overtaken", async () => {
    const [a, b] = (await team(quick, 3)) as [Member, Member];
    const [first, second] = [await say(quick, a, "one"), await say(quick, a, "two")];
    await hear(quick, b, second);
    await expect(hear(quick, b, first)).rejects.toThrow("does not decrypt");
  });

  it("names the sender's leaf of then, also if another has it now", async () => {
    const members = await team(quick, 3);
    const message = await say(quick, members[2]!, "bye");
    await change(quick, members, members[0]!, { remove: [2], joining: [await outsider(quick, "new")] });
    const { sender } = await hear(quick, members[0]!, message);
    expect([sender.index, text(sender.certificate)]).toEqual([2, "m2"]);
  });

  it("takes a commit that was made before other messages of its sender", async () => {
    const members = await team(quick, 3);
    const [a, b] = members as [Member, Member];
    const made = await commit(quick, a);
    for (const word of ["one", "two"]) await hear(quick, b, await say(quick, a, word));
    expect((await follow(quick, b, made.commit)).kind).toBe("applied");
    a.group = quick.teams.apply(a.group, made.pending);
    expect(authenticators([a, b]).size).toBe(1);
    expect(text((await hear(quick, b, await say(quick, a, "three"))).plaintext)).toBe("three");
  });

  it("keeps nothing of the epoch that ends in a pending commit, and reads what was under way when it is applied", async () => {
    const crypto = await cryptoOf(nodeCryptoProvider);
    const members = await team(crypto, 3);
    const [a, b] = members as [Member, Member];
    const made = await commit(crypto, a);
    const underWay = await say(crypto, b, "under way");
    expect(await new Thief(crypto.pairs.encode(made.pending)).read(underWay)).toBeUndefined();
    expect(await new Thief(crypto.pairs.encode(a.group)).read(underWay)).toBe("under way");
    a.group = crypto.teams.apply(a.group, made.pending);
    expect(text((await hear(crypto, a, underWay)).plaintext)).toBe("under way");
    expect(() => crypto.teams.apply(a.group, made.pending)).toThrow("commit of another epoch");
    const [other] = await team(crypto, 2, utf8("settings"), new Uint8Array(32));
    expect(() => crypto.teams.apply(other!.group, made.pending)).toThrow("commit of another group");
  });

  it("tells what a commit would do before it is done, and leaves one alone that is not to be", async () => {
    const members = await team(quick, 4);
    const [a, b] = members as [Member, Member];
    const late = await outsider(quick, "late");
    const made = await commit(quick, a, { remove: [1, 3], add: [late.keyPackage.public] }, utf8("data"));
    const before = quick.pairs.encode(b.group);
    const followed = await follow(quick, b, made.commit, async () => "not_today");
    expect(followed).toMatchObject({ kind: "refused", reason: "not_today" });
    expect(followed.kind === "refused" && followed.commit).toEqual({
      epoch: 2,
      committer: quick.teams.leaves(b.group)[0],
      path: "same",
      proposals: [
        { kind: "remove", leaf: 1, node: quick.teams.leafNode(b.group, 1) },
        { kind: "remove", leaf: 3, node: quick.teams.leafNode(b.group, 3) },
        { kind: "add", certificate: utf8("late"), signatureKey: late.leaf.publicKey },
      ],
      authenticatedData: utf8("data"),
      removesUs: true,
    });
    expect(quick.pairs.encode(b.group)).toEqual(before);
    expect(await quick.teams.describe(a.group, made.commit)).toMatchObject({ removesUs: false, epoch: 2 });
  });

  it("takes no commit of another epoch, in its own name, changed, or of another group", async () => {
    const members = await team(quick, 3);
    const [a, b, c] = members as [Member, Member, Member];
    const made = await commit(quick, a);
    await expect(follow(quick, a, made.commit)).rejects.toThrow("in our own name");
    const changed = made.commit.slice();
    changed[changed.length - 1]! ^= 1;
    await expect(follow(quick, b, changed)).rejects.toThrow(GroupError);
    await follow(quick, b, made.commit);
    await expect(follow(quick, b, made.commit)).rejects.toThrow("not a commit of this epoch");
    await expect(hear(quick, c, made.commit)).rejects.toThrow("not a message");
    await expect(follow(quick, c, await say(quick, a, "no commit"))).rejects.toThrow("not a commit");
  });

  it("adds nobody whose key package is old, or who knows no settings", async () => {
    const members = await team(quick, 3);
    const late = await outsider(quick, "late");
    const { teams } = quick;
    const add = { add: [late.keyPackage.public] };
    await expect(
      teams.commit(members[0]!.group, add, utf8(""), { now: now + 91 * 86_400_000, authenticate: anyone }),
    ).rejects.toThrow("out of its lifetime");
    await expect(
      teams.commit(members[0]!.group, add, utf8(""), { now, authenticate: async () => false }),
    ).rejects.toThrow("commit refused");
  });

  it("lets a new member read nothing of before, and a removed one nothing of after", async () => {
    const crypto = await cryptoOf(nodeCryptoProvider);
    const members = await team(crypto, 4);
    const gone = members[3]!;
    const early = await say(crypto, members[1]!, "early");
    const made = await commit(crypto, members[0]!, { remove: [3] });
    const removed = new Thief(crypto.pairs.encode(gone.group));
    for (const member of members.slice(1)) await follow(crypto, member, made.commit);
    members.pop();
    members[0]!.group = crypto.teams.apply(members[0]!.group, made.pending);
    const [late] = await change(crypto, members, members[1]!, { joining: [await outsider(crypto, "late")] });
    const after = await say(crypto, members[2]!, "after");
    expect(await removed.read(early)).toBe("early");
    await removed.read(made.commit);
    expect(await removed.read(after)).toBeUndefined();
    expect(await new Thief(crypto.pairs.encode(late!.group)).read(early)).toBeUndefined();
    expect(text((await hear(crypto, late!, after)).plaintext)).toBe("after");
  });
});
