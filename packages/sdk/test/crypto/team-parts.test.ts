/** What a team encrypts, signs and says beside MLS. */
import { describe, expect, it } from "vitest";
import { type CommitData, decodeCommitData, encodeCommitData } from "../../src/crypto/team/commit-data.ts";
import {
  DIRECT,
  DIRECT_BYTES,
  type DirectPlace,
  directKey,
  openDirect,
  sealDirect,
} from "../../src/crypto/team/direct.ts";
import { openTree, sealTree } from "../../src/crypto/team/sealed-tree.ts";
import { decodeSettings, encodeSettings, type TeamSettings } from "../../src/crypto/team/settings.ts";
import { isSignedBy, readStatement, signStatement, type Statement } from "../../src/crypto/team/statements.ts";
import { hashAt, isSameSeen, SEEN_BYTES } from "../../src/crypto/team/transcript.ts";
import { concat, lengthPrefixed, utf8 } from "../../src/protocol/index.ts";
import { Random, seed } from "../random.ts";
import { cryptoOf, hear, none, quickProvider, team } from "./team.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { defaultCryptoProvider } from "../../src/crypto/mls/group.ts";

const crypto = await cryptoOf(quickProvider);
const { primitives } = crypto.teams;
const group = "ab".repeat(32);

/** The bytes with one of them changed, cut, or one more. */
function* changedOf(bytes: Uint8Array, random: Random, count = 60): Generator<Uint8Array> {
  yield bytes.slice(0, -1);
  yield concat(bytes, new Uint8Array(1));
  yield new Uint8Array();
  for (let round = 0; round < count; round++) {
    const changed = bytes.slice();
    changed[random.int(bytes.length)]! ^= 1 + random.int(255);
    yield changed;
  }
}

describe("settings [P-15.2]", () => {
  const settings: TeamSettings = {
    key: new Uint8Array(16).fill(7),
    name: "team_1-x",
    about: "release crew, é",
    foundedAt: 1_790_000_000_000,
    admins: ["alice", "bob"],
    replaces: "",
  };

  it("are read as they were written", () => {
    const admins = Array.from({ length: 100 }, (_, at) => `admin${at}`);
    const most = { ...settings, name: "x".repeat(32), about: "x".repeat(512), admins };
    for (const one of [settings, { ...settings, name: "xy", about: "", replaces: group }, most])
      expect(decodeSettings(encodeSettings(one))).toEqual(one);
  });

  it.each<[string, Partial<TeamSettings>]>([
    ["a key of another length", { key: new Uint8Array(15) }],
    ["a name of one character", { name: "x" }],
    ["a name of 33", { name: "x".repeat(33) }],
    ["a name in capitals", { name: "Team" }],
    ["a line break", { about: "a\nb" }],
    ["too long a text", { about: "é".repeat(257) }],
    ["no admin", { admins: [] }],
    ["101 admins", { admins: Array.from({ length: 101 }, (_, at) => `admin${at}`) }],
    ["an admin twice", { admins: ["alice", "alice"] }],
    ["an admin in capitals", { admins: ["Alice"] }],
    ["a replaced group that is none", { replaces: "abc" }],
  ])("are none with %s", (_name, change) => {
    expect(decodeSettings(encodeSettings({ ...settings, ...change }))).toBeUndefined();
  });

  it(`are read strictly: what is read is written so again (seed ${seed})`, () => {
    for (const changed of changedOf(encodeSettings(settings), new Random(), 500)) {
      const read = decodeSettings(changed);
      if (read !== undefined) expect(encodeSettings(read)).toEqual(changed);
    }
    expect(decodeSettings(lengthPrefixed("aimessage group 2"))).toBeUndefined();
  });
});

describe("the data of a commit [P-15.4]", () => {
  const data: CommitData = {
    commitId: "c-1",
    added: [{ name: "carol", device: "d1" }],
    removed: [
      { name: "dave", device: "d2" },
      { name: "erin", device: "d3" },
    ],
    statements: [utf8("one"), utf8("two")],
  };

  it("are read as they were written", () => {
    const empty = { commitId: "c", added: [], removed: [], statements: [] };
    for (const one of [data, empty]) expect(decodeCommitData(encodeCommitData(one))).toEqual(one);
  });

  it(`are read strictly (seed ${seed})`, () => {
    for (const changed of changedOf(encodeCommitData(data), new Random(), 500)) {
      const read = decodeCommitData(changed);
      if (read !== undefined) expect(encodeCommitData(read)).toEqual(changed);
    }
    for (const wrong of [
      { ...data, commitId: "" },
      { ...data, added: [{ name: "Carol", device: "d1" }] },
    ])
      expect(decodeCommitData(encodeCommitData(wrong))).toBeUndefined();
    const three = lengthPrefixed(lengthPrefixed("carol", "d1", "more"));
    const bytes = lengthPrefixed("aimessage commit 2", "c", three, none, none);
    expect(decodeCommitData(bytes)).toBeUndefined();
  });
});

describe("a statement [P-15.5]", () => {
  const statement: Statement = {
    kind: "leave",
    group,
    name: "carol",
    device: "d1",
    epoch: 5,
    leaf: new Uint8Array(32).fill(3),
  };

  it("is of whom its signature is", async () => {
    const { signKey, publicKey } = await primitives.signature.keygen();
    for (const kind of ["leave", "rejoin"] as const) {
      const bytes = await signStatement(primitives, { ...statement, kind }, signKey);
      const read = readStatement(bytes)!;
      expect(read).toMatchObject({ ...statement, kind });
      expect(await isSignedBy(primitives, read, publicKey)).toBe(true);
      expect(await isSignedBy(primitives, read, (await primitives.signature.keygen()).publicKey)).toBe(false);
      expect(await isSignedBy(primitives, read, new Uint8Array())).toBe(false);
    }
  });

  it("is none with fields of another length, or no texts", () => {
    const bytes = (change: Record<string, Uint8Array>) => {
      const [group, name, device, epoch] = [utf8(statement.group), utf8("carol"), utf8("d1"), new Uint8Array(8)];
      const all = { group, name, device, epoch, leaf: statement.leaf, signature: new Uint8Array(64), ...change };
      return lengthPrefixed("aimessage leave 1", ...Object.values(all));
    };
    expect(readStatement(bytes({}))).toMatchObject({ ...statement, epoch: 0 });
    for (const name of ["leaf", "epoch", "signature"])
      for (const length of [31, 33]) expect(readStatement(bytes({ [name]: new Uint8Array(length) }))).toBeUndefined();
    for (const name of ["group", "name", "device"])
      expect(readStatement(bytes({ [name]: Uint8Array.of(0xff) }))).toBeUndefined();
    expect(readStatement(concat(bytes({}), lengthPrefixed("")))).toBeUndefined();
  });

  it(`is none, or not signed, with any byte changed (seed ${seed})`, async () => {
    const { signKey, publicKey } = await primitives.signature.keygen();
    const bytes = await signStatement(primitives, statement, signKey);
    for (const changed of changedOf(bytes, new Random())) {
      const read = readStatement(changed);
      if (read !== undefined) expect(await isSignedBy(primitives, read, publicKey)).toBe(false);
    }
  });
});

describe.each([
  ["node:crypto", nodeCryptoProvider],
  ["what browsers use", defaultCryptoProvider],
])("a direct frame by %s [P-15.7]", (_name, provider) => {
  it(`is opened by whom it is for, in its place, and by no other (seed ${seed})`, async () => {
    const { teams } = await cryptoOf(provider);
    const { signKey, publicKey } = await teams.primitives.signature.keygen();
    const secret = new Random().bytes(DIRECT_BYTES);
    const place: DirectPlace = {
      group,
      epoch: 9,
      from: { name: "Alice", device: "a1" },
      to: { name: "bob", device: "b1" },
      messageId: "m1",
    };
    const sealed = await sealDirect(teams.primitives, utf8("between us"), place, { secret, privateKey: signKey });
    const open = (bytes: Uint8Array, where = place, keys = { secret, deviceKey: publicKey }) =>
      openDirect(teams.primitives, bytes, where, keys);
    expect(await open(sealed)).toEqual(utf8("between us"));
    expect(await open(sealed, { ...place, from: { name: "alice", device: "a1" } })).toEqual(utf8("between us"));
    for (const other of [
      { ...place, group: "cd".repeat(32) },
      { ...place, epoch: 10 },
      { ...place, from: { name: "alice", device: "a2" } },
      { ...place, from: { name: "carol", device: "a1" } },
      { ...place, to: { name: "bob", device: "b2" } },
      { ...place, from: place.to, to: place.from },
      { ...place, messageId: "m2" },
    ])
      expect(await open(sealed, other)).toBeUndefined();
    const stranger = await teams.primitives.signature.keygen();
    expect(await open(sealed, place, { secret, deviceKey: stranger.publicKey })).toBeUndefined();
    expect(await open(sealed, place, { secret: secret.with(0, 1 ^ secret[0]!), deviceKey: publicKey })).toBeUndefined();
    for (const changed of changedOf(sealed, new Random())) expect(await open(changed)).toBeUndefined();
  });

  it("has a key for each direction", async () => {
    const { teams } = await cryptoOf(provider);
    const secret = new Uint8Array(32);
    const [from, to] = [
      { name: "alice", device: "a1" },
      { name: "bob", device: "b1" },
    ];
    const there = await directKey(teams.primitives, secret, { from, to });
    expect(there).toHaveLength(32);
    expect(await directKey(teams.primitives, secret, { from: to, to: from })).not.toEqual(there);
  });
});

it("direct frames of a team open at its members in its epoch, and move nothing", async () => {
  const members = await team(crypto, 3);
  const secrets = await Promise.all(members.map((member) => crypto.teams.export(member.group, DIRECT, DIRECT_BYTES)));
  expect(new Set(secrets.map((secret) => Buffer.from(secret).toString("hex"))).size).toBe(1);
  const place = {
    group,
    epoch: 2,
    from: { name: "m0", device: "d0" },
    to: { name: "m1", device: "d1" },
    messageId: "m",
  };
  const { privateKey, publicKey } = members[0]!.leaf;
  const sealed = await sealDirect(primitives, utf8("hi"), place, { secret: secrets[0]!, privateKey });
  expect(await openDirect(primitives, sealed, place, { secret: secrets[1]!, deviceKey: publicKey })).toEqual(
    utf8("hi"),
  );
  await expect(hear(crypto, members[1]!, sealed)).rejects.toThrow();
});

describe("a sealed tree [P-15.6]", () => {
  it(`opens under its key, in its place (seed ${seed})`, async () => {
    const [random, place] = [new Random(), { group, epoch: 3 }];
    const [tree, key] = [random.bytes(300), random.bytes(32)];
    const sealed = await sealTree(primitives, tree, { key }, place);
    expect(sealed).toHaveLength(tree.length + 28);
    expect(await openTree(primitives, sealed, key, place)).toEqual(tree);
    expect(await openTree(primitives, sealed, random.bytes(32), place)).toBeUndefined();
    expect(await openTree(primitives, sealed, key.slice(1), place)).toBeUndefined();
    expect(await openTree(primitives, sealed, key, { ...place, epoch: 4 })).toBeUndefined();
    expect(await openTree(primitives, sealed, key, { ...place, group: "cd".repeat(32) })).toBeUndefined();
    for (const changed of changedOf(sealed, random))
      expect(await openTree(primitives, changed, key, place)).toBeUndefined();
  });
});

const digest = (pos: number) => new Uint8Array(32).fill(pos % 256);

describe("a transcript [P-15.8]", () => {
  const messageAt = (pos: number) => ({ pos, sender: "Alice", messageId: `m${pos}`, digest: digest(pos) });
  async function upTo(pos: number, change: (at: number) => object = () => ({})): Promise<Uint8Array[]> {
    const hashes: Uint8Array[] = [new Uint8Array(64).fill(1)];
    for (let at = 1; at <= pos; at++) hashes.push(await hashAt(hashes.at(-1)!, { ...messageAt(at), ...change(at) }));
    return hashes;
  }

  it("is the same at all who have seen the same, by its first 16 bytes", async () => {
    const [ours, theirs] = [await upTo(20), await upTo(15)];
    expect(isSameSeen(ours[15]!, theirs[15]!.slice(0, SEEN_BYTES))).toBe(true);
    expect(isSameSeen(ours[16]!, theirs[15]!.slice(0, SEEN_BYTES))).toBe(false);
    expect(isSameSeen(ours[15]!, theirs[15]!)).toBe(false);
  });

  it.each([
    ["sender", { sender: "mallory" }],
    ["id", { messageId: "other" }],
    ["ciphertext", { digest: digest(99) }],
    ["place", { pos: 11 }],
  ])("is another one from a place on where a message has another %s", async (_name, change) => {
    const [ours, theirs] = [await upTo(20), await upTo(20, (at) => (at === 10 ? change : {}))];
    expect(isSameSeen(ours[20]!, theirs[20]!.slice(0, SEEN_BYTES))).toBe(false);
    expect(isSameSeen(ours[9]!, theirs[9]!.slice(0, SEEN_BYTES))).toBe(true);
  });
});
