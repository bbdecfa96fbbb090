/** HPKE over X-Wing: by node:crypto, by the library, and by the vectors for other languages. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { getCiphersuiteFromName } from "ts-mls";
import { describe, expect, it, test } from "vitest";
import { bytesOf, hexOf, vectorsWith } from "../../../../test/vectors.ts";
import { defaultCryptoProvider } from "../../src/crypto/mls/group.ts";
import type { CryptoProvider, Hpke } from "../../src/crypto/primitives.ts";
import { nodeCryptoProvider, providerWhere } from "../../src/node/provider.ts";
import { hasXWing, publicKeyOf } from "../../src/node/x-wing.ts";
import { CIPHER_SUITE } from "../../src/protocol/index.ts";
import { Random, seed } from "../random.ts";
import { pair, receiveText, send, update } from "./pair.ts";

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const withByteChanged = (bytes: Uint8Array, at: number) => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));
const neverAsked = () => {
  throw new Error("asked");
};

const suite = getCiphersuiteFromName(CIPHER_SUITE);
const hpkeOf = async (provider: CryptoProvider) => (await provider.getCiphersuiteImpl(suite)).hpke;
const [ours, theirs] = await Promise.all([hpkeOf(nodeCryptoProvider), hpkeOf(defaultCryptoProvider)]);
const both: [string, Hpke][] = [
  ["node:crypto", ours],
  ["the library", theirs],
];
const ways: [string, Hpke, Hpke][] = [
  ["node:crypto seals, the library opens", ours, theirs],
  ["the library seals, node:crypto opens", theirs, ours],
];

/** A key pair as raw bytes, which is how a store has it. */
async function rawPair(hpke: Hpke) {
  const { privateKey, publicKey } = await hpke.generateKeyPair();
  return { secret: await hpke.exportPrivateKey(privateKey), open: await hpke.exportPublicKey(publicKey) };
}

test.skipIf(process.versions["bun"] !== undefined)("Node has X-Wing, so node:crypto's is what is tested", () =>
  expect(hasXWing()).toBe(true),
);

interface Seed {
  seed: string;
  public_key_sha256: string;
}
test.runIf(hasXWing()).each(vectorsWith<Seed>("x-wing", "seed"))("a seed is its public key [P-9.1]: $what", (vector) =>
  expect(sha256(publicKeyOf(bytesOf(vector.seed)))).toBe(vector.public_key_sha256),
);

interface Message {
  private_key: string;
  encapsulated: string;
  info: string;
  associated_data: string;
  ciphertext: string;
  plaintext: string;
  exporter_context: string;
  exported: string;
}
interface Changed {
  change: { field: "encapsulated" | "ciphertext" } & ({ at: number; bytes: string } | { length: number });
}
const messages = vectorsWith<Message>("x-wing", "ciphertext");

/** The first message, as it was changed. */
function changedMessage({ change }: Changed): Message {
  const message = messages[0]!;
  const text = message[change.field];
  const value =
    "length" in change
      ? text.slice(0, 2 * change.length)
      : text.slice(0, 2 * change.at) + change.bytes + text.slice(2 * change.at + change.bytes.length);
  return { ...message, [change.field]: value };
}

describe.each(both)("%s", (_name, hpke) => {
  interface Derived {
    material: string;
    private_key: string;
    public_key_sha256: string;
  }
  test.each(vectorsWith<Derived>("x-wing", "material"))("derives as said [P-9.1]: $what", async (vector) => {
    const { privateKey, publicKey } = await hpke.deriveKeyPair(bytesOf(vector.material));
    expect(hexOf(await hpke.exportPrivateKey(privateKey))).toBe(vector.private_key);
    expect(sha256(await hpke.exportPublicKey(publicKey))).toBe(vector.public_key_sha256);
  });

  async function open(message: Message): Promise<string> {
    const key = await hpke.importPrivateKey(bytesOf(message.private_key));
    const [encapsulated, ciphertext] = [bytesOf(message.encapsulated), bytesOf(message.ciphertext)];
    return hexOf(
      await hpke.open(key, encapsulated, ciphertext, bytesOf(message.info), bytesOf(message.associated_data)),
    );
  }

  test.each(messages)("opens as said [P-9.1]: $what", async (message) =>
    expect(await open(message)).toBe(message.plaintext),
  );

  test.each(messages)("exports as said [P-9.1]: $what", async (message) => {
    const key = await hpke.importPrivateKey(bytesOf(message.private_key));
    const [encapsulated, context] = [bytesOf(message.encapsulated), bytesOf(message.exporter_context)];
    expect(hexOf(await hpke.importSecret(key, context, encapsulated, 100, bytesOf(message.info)))).toBe(
      message.exported,
    );
  });

  test.each(vectorsWith<Changed>("x-wing", "change"))("refuses [P-9.1]: $what", async (vector) => {
    await expect(open(changedMessage(vector))).rejects.toThrow();
  });

  it("refuses keys of wrong lengths, and one kind of key in the place of the other", async () => {
    for (const length of [0, 31, 33, 1215, 1217]) {
      await expect(hpke.importPrivateKey(new Uint8Array(length))).rejects.toThrow();
      await expect(hpke.importPublicKey(new Uint8Array(length))).rejects.toThrow();
    }
    const { privateKey, publicKey } = await hpke.generateKeyPair();
    const nothing = new Uint8Array();
    await expect(hpke.seal(privateKey, nothing, nothing)).rejects.toThrow();
    await expect(hpke.open(publicKey, new Uint8Array(1120), new Uint8Array(16), nothing)).rejects.toThrow();
    await expect(hpke.exportPrivateKey(publicKey)).rejects.toThrow();
    await expect(hpke.exportPublicKey(privateKey)).rejects.toThrow();
  });

  it("seals to no public key that is malformed", async () => {
    const { open } = await rawPair(hpke);
    const beyond = open.slice();
    beyond.fill(0xff, 0, 3); // FIPS 203, section 7.2: two numbers of 4095, where 3328 is the largest.
    const ofSmallOrder = open.slice();
    ofSmallOrder.fill(0, 1184);
    for (const raw of [beyond, ofSmallOrder]) {
      const sealing = async () => hpke.seal(await hpke.importPublicKey(raw), Uint8Array.of(1), new Uint8Array());
      await expect(sealing()).rejects.toThrow();
    }
  });

  it("exports no more than HKDF gives", async () => {
    const { publicKey } = await hpke.generateKeyPair();
    const nothing = new Uint8Array();
    await expect(hpke.exportSecret(publicKey, nothing, 255 * 64 + 1, nothing)).rejects.toThrow();
  });
});

describe.each(ways)("%s", (_name, from, to) => {
  it(`a thousand messages, and a secret of each tenth (seed ${seed})`, { tags: ["long"] }, () => exchange(1000));
  it(`messages, and secrets (seed ${seed})`, () => exchange(50));

  async function exchange(count: number): Promise<void> {
    const random = new Random();
    for (let round = 0; round < count; round++) {
      const { secret, open } = await rawPair(random.int(2) === 0 ? from : to);
      const [publicKey, privateKey] = [await from.importPublicKey(open), await to.importPrivateKey(secret)];
      const [info, plaintext] = [random.bytes(random.int(300)), random.bytes(random.int(600))];
      const aad = random.int(3) === 0 ? undefined : random.bytes(random.int(80));
      const { ct, enc } = await from.seal(publicKey, plaintext, info, aad);
      expect(await to.open(privateKey, enc, ct, info, aad)).toEqual(plaintext);
      if (round % 10 > 0) continue;
      const length = 1 + random.int(255);
      const exported = await from.exportSecret(publicKey, aad ?? info, length, info);
      expect(await to.importSecret(privateKey, aad ?? info, exported.enc, length, info)).toEqual(exported.secret);
    }
  }

  it(`a byte that was changed anywhere is refused (seed ${seed})`, async () => {
    const random = new Random();
    const { secret, open } = await rawPair(to);
    const privateKey = await to.importPrivateKey(secret);
    const info = random.bytes(40);
    const { ct, enc } = await from.seal(await from.importPublicKey(open), random.bytes(30), info);
    for (let at = 0; at < ct.length; at++)
      await expect(to.open(privateKey, enc, withByteChanged(ct, at), info)).rejects.toThrow();
    // Each of them by node:crypto; for that the library takes seconds.
    for (let at = 0; at < enc.length; at += to === ours ? 1 : 40)
      await expect(to.open(privateKey, withByteChanged(enc, at), ct, info)).rejects.toThrow();
  });
});

it(`both derive the same keys (seed ${seed})`, async () => {
  const random = new Random();
  for (let round = 0; round < 20; round++) {
    const material = random.bytes(random.int(100));
    const [one, other] = [await ours.deriveKeyPair(material), await theirs.deriveKeyPair(material)];
    expect(await ours.exportPrivateKey(one.privateKey)).toEqual(await theirs.exportPrivateKey(other.privateKey));
    expect(await ours.exportPublicKey(one.publicKey)).toEqual(await theirs.exportPublicKey(other.publicKey));
  }
});

it("a key goes on working after others were made, and its bytes are those that were given", async () => {
  const { secret, open } = await rawPair(ours);
  const info = new Uint8Array();
  const publicKey = await ours.importPublicKey(open);
  expect(await ours.exportPublicKey(publicKey)).toEqual(open);
  await rawPair(ours);
  for (let round = 0; round < 3; round++) {
    const { ct, enc } = await ours.seal(publicKey, Uint8Array.of(round), info);
    // Another array with the same bytes, as a store reads it, and the same array again.
    for (const raw of [secret, secret.slice()])
      expect(await ours.open(await ours.importPrivateKey(raw), enc, ct, info)).toEqual(Uint8Array.of(round));
  }
});

describe("where a runtime has no X-Wing", () => {
  const without = providerWhere(() => false);

  it.runIf(hasXWing())("HPKE is the library's", async () => {
    const hpke = await hpkeOf(without);
    const { privateKey } = await hpke.generateKeyPair();
    await expect(ours.exportPrivateKey(privateKey)).rejects.toThrow();
    expect(await theirs.exportPrivateKey(privateKey)).toHaveLength(32);
  });

  it("that is asked when HPKE is first needed, and not before", async () => {
    let asked = 0;
    const primitives = await providerWhere(() => ++asked < 0).getCiphersuiteImpl(suite);
    await primitives.hash.digest(new Uint8Array());
    expect(asked).toBe(0);
    await primitives.prepare?.();
    expect(asked).toBe(1);
  });

  it("another suite has the library's, and nothing is asked", async () => {
    const name = "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519";
    const { hpke } = await providerWhere(neverAsked).getCiphersuiteImpl(getCiphersuiteFromName(name));
    expect(await hpke.exportPublicKey((await hpke.generateKeyPair()).publicKey)).toHaveLength(32);
  });

  it("a conversation goes on with the store of one that has, and back", async () => {
    const { alice, bob } = await pair(nodeCryptoProvider, without);
    for (let round = 0; round < 2; round++) {
      await update(alice, bob);
      expect(await receiveText(bob, await send(alice, "hello"))).toBe("hello");
      await update(bob, alice);
      // Each gets the other's provider, with the state that its own has written.
      [alice.crypto, bob.crypto] = [bob.crypto, alice.crypto];
      for (const side of [alice, bob]) side.group = side.crypto.decode(side.crypto.encode(side.group));
      expect(await receiveText(alice, await send(bob, "back"))).toBe("back");
    }
  });
});

it.runIf(hasXWing())("the library's cryptography is not loaded where ours is used", () => {
  const program = `
    import { registerHooks } from "node:module";
    const loaded = [];
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
    const { nodeCryptoProvider } = await import("./packages/sdk/src/node/provider.ts");
    const { GroupCrypto } = await import("./packages/sdk/src/crypto/mls/group.ts");
    const crypto = await GroupCrypto.load(nodeCryptoProvider);
    await crypto.prepare();
    const leaf = { ...(await crypto.generateKeys()), certificate: Uint8Array.of(1) };
    const { public: own } = await crypto.makeKeyPackage(leaf, Date.now());
    const other = { ...(await crypto.generateKeys()), certificate: Uint8Array.of(2) };
    await crypto.open(new Uint8Array(32), other, own, Date.now(), async () => true);
    console.log(loaded.filter((url) => /x-wing\\.ts$|@hpke|@noble|mlkem/.test(url)).length);`;
  const root = new URL("../../../..", import.meta.url);
  const parameters = ["--conditions=@aimessage/source", "--input-type=module", "--eval", program];
  expect(execFileSync(process.execPath, parameters, { cwd: root, encoding: "utf8" }).trim()).toBe("1");
});
