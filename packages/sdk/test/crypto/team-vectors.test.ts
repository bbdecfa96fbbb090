/** The vectors of teams for other languages, by each provider. */
import { describe, expect, test } from "vitest";
import { bytesOf, encoded, hexOf, type VectorField, vectorsWith } from "../../../../test/vectors.ts";
import { defaultCryptoProvider } from "../../src/crypto/mls/group.ts";
import { TeamCrypto } from "../../src/crypto/mls/team.ts";
import type { CryptoProvider } from "../../src/crypto/primitives.ts";
import { decodeCommitData, encodeCommitData } from "../../src/crypto/team/commit-data.ts";
import { directData, directKey, directSigned, openDirect, sealDirect } from "../../src/crypto/team/direct.ts";
import { openTree, sealTree, treeData } from "../../src/crypto/team/sealed-tree.ts";
import { decodeSettings, encodeSettings } from "../../src/crypto/team/settings.ts";
import {
  isSignedBy,
  readStatement,
  signStatement,
  type Statement,
  statementBytes,
} from "../../src/crypto/team/statements.ts";
import { hashAt, SEEN_BYTES } from "../../src/crypto/team/transcript.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";

interface Signed {
  fields: VectorField[];
  bytes: string;
}
interface Key {
  seed: string;
  public_key: string;
}
const keys = vectorsWith<Key>("keys", "seed");
const named = ([name, device]: [string, string]) => ({ name, device });
const seedOf = (publicKey: string) => bytesOf(keys.find(({ public_key }) => public_key === publicKey)?.seed ?? "");

test.each(vectorsWith<Signed>("teams", "fields").filter(({ bytes }) => bytes !== undefined))(
  "the bytes of $what are those of their fields",
  ({ fields, bytes }) => {
    expect(hexOf(encoded(fields))).toBe(bytes);
  },
);

interface Settings extends Signed {
  settings: { key: string; name: string; about: string; founded_at: number; admins: string[]; replaces: string } | null;
}
test.each(vectorsWith<Settings>("teams", "settings"))("$clause: $what", ({ settings, bytes }) => {
  const read = decodeSettings(bytesOf(bytes));
  if (settings === null) return expect(read).toBeUndefined();
  const { founded_at: foundedAt, key, ...others } = settings;
  expect(read).toEqual({ ...others, foundedAt, key: bytesOf(key) });
  expect(hexOf(encodeSettings(read!))).toBe(bytes);
});

interface Data extends Signed {
  commit_data: { commit_id: string; added: [string, string][]; removed: [string, string][]; statements: string[] };
}
test.each(vectorsWith<Data>("teams", "commit_data"))("$clause: $what", ({ commit_data: data, bytes }) => {
  const read = decodeCommitData(bytesOf(bytes))!;
  expect(read).toEqual({
    commitId: data.commit_id,
    added: data.added.map(named),
    removed: data.removed.map(named),
    statements: data.statements.map(bytesOf),
  });
  expect(hexOf(encodeCommitData(read))).toBe(bytes);
});

interface Chain {
  authenticator: string;
  transcript: { pos: number; sender: string; message_id: string; sha256: string }[];
  hashes: string[];
  seen: string[];
}
test.each(vectorsWith<Chain>("teams", "transcript"))("$clause: $what", async (vector) => {
  let hash = bytesOf(vector.authenticator);
  for (const [at, { pos, sender, message_id: messageId, sha256 }] of vector.transcript.entries()) {
    hash = await hashAt(hash, { pos, sender, messageId, digest: bytesOf(sha256) });
    expect(hexOf(hash)).toBe(vector.hashes[at]);
    expect(hexOf(hash.slice(0, SEEN_BYTES))).toBe(vector.seen[at]);
  }
});

const providers: [string, CryptoProvider][] = [
  ["node:crypto", nodeCryptoProvider],
  ["what browsers use", defaultCryptoProvider],
];
describe.each(providers)("%s", (_name, provider) => {
  const loading = TeamCrypto.load(provider).then(({ primitives }) => primitives);

  interface Said extends Signed {
    statement: Omit<Statement, "leaf"> & { leaf: string };
    key: string;
    signature: string;
    signed: string;
  }
  test.each(vectorsWith<Said>("teams", "statement"))("$clause: $what", async (vector) => {
    const statement = { ...vector.statement, leaf: bytesOf(vector.statement.leaf) };
    expect(hexOf(statementBytes(statement))).toBe(vector.bytes);
    expect(hexOf(await signStatement(await loading, statement, seedOf(vector.key)))).toBe(vector.signed);
    const read = readStatement(bytesOf(vector.signed))!;
    expect(read).toEqual({ ...statement, signature: bytesOf(vector.signature) });
    expect(await isSignedBy(await loading, read, bytesOf(vector.key))).toBe(true);
  });

  interface Tree {
    tree: string;
    group: string;
    epoch: number;
    key: string;
    nonce: string;
    associated_data: string;
    sealed: string;
  }
  test.each(vectorsWith<Tree>("teams", "tree"))("$clause: $what", async ({ group, epoch, ...vector }) => {
    const [key, nonce, tree] = [bytesOf(vector.key), bytesOf(vector.nonce), bytesOf(vector.tree)];
    expect(hexOf(treeData({ group, epoch }))).toBe(vector.associated_data);
    expect(hexOf(await sealTree(await loading, tree, { key, nonce }, { group, epoch }))).toBe(vector.sealed);
    expect(await openTree(await loading, bytesOf(vector.sealed), key, { group, epoch })).toEqual(tree);
  });

  interface Direct {
    direct: { group: string; epoch: number; from: [string, string]; to: [string, string]; message_id: string };
    exported: string;
    key: string;
    nonce: string;
    plaintext: string;
    associated_data: string;
    signed: string;
    device_key: string;
    message: string;
  }
  test.each(vectorsWith<Direct>("teams", "direct"))("$clause: $what", async ({ direct, ...vector }) => {
    const { group, epoch, message_id: messageId } = direct;
    const place = { group, epoch, from: named(direct.from), to: named(direct.to), messageId };
    const [secret, nonce, plaintext] = [bytesOf(vector.exported), bytesOf(vector.nonce), bytesOf(vector.plaintext)];
    expect(hexOf(await directKey(await loading, secret, place))).toBe(vector.key);
    expect(hexOf(directData(place))).toBe(vector.associated_data);
    const privateKey = seedOf(vector.device_key);
    const message = await sealDirect(await loading, plaintext, place, { secret, privateKey, nonce });
    expect(hexOf(message)).toBe(vector.message);
    expect(hexOf(directSigned(place, nonce, message.slice(12, -64)))).toBe(vector.signed);
    const deviceKey = bytesOf(vector.device_key);
    expect(await openDirect(await loading, message, place, { secret, deviceKey })).toEqual(plaintext);
  });
});
