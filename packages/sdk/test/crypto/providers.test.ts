import { getCiphersuiteFromName } from "ts-mls";
import { describe, expect, it } from "vitest";
import type { CryptoProvider } from "../../src/crypto/primitives.ts";
import { defaultCryptoProvider } from "../../src/crypto/mls/group.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { CIPHER_SUITE } from "../../src/protocol/index.ts";
import { Random, seed } from "../random.ts";
import { pair, receiveText, send, update } from "./pair.ts";

const names = [CIPHER_SUITE, "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"] as const;

describe.each(names)("the node:crypto provider and the default agree on %s", (name) => {
  const suites = () =>
    Promise.all(
      [nodeCryptoProvider, defaultCryptoProvider].map((provider) =>
        provider.getCiphersuiteImpl(getCiphersuiteFromName(name)),
      ),
    ) as Promise<[Suite, Suite]>;
  type Suite = Awaited<ReturnType<CryptoProvider["getCiphersuiteImpl"]>>;

  it(`in hash, HMAC and HKDF (seed ${seed})`, async () => {
    const [ours, theirs] = await suites();
    const random = new Random();
    for (let round = 0; round < 100; round++) {
      const data = random.bytes(random.int(600));
      const key = random.bytes(1 + random.int(200));
      expect(await ours.hash.digest(data)).toEqual(await theirs.hash.digest(data));
      const tag = await ours.hash.mac(key, data);
      expect(tag).toEqual(await theirs.hash.mac(key, data));
      expect(await theirs.hash.verifyMac(key, tag, data)).toBe(true);
      expect(await ours.hash.verifyMac(key, tag, data)).toBe(true);
      expect(await ours.hash.verifyMac(key, tag.slice(1), data)).toBe(false);
      tag[random.int(tag.length)]! ^= 1;
      expect(await ours.hash.verifyMac(key, tag, data)).toBe(false);
      // The default takes only salts of the hash's size, or none.
      const salt = random.bytes(ours.kdf.size);
      const prk = await ours.kdf.extract(salt, data);
      expect(prk).toEqual(await theirs.kdf.extract(salt, data));
      const length = 1 + random.int(300);
      expect(await ours.kdf.expand(prk, data, length)).toEqual(await theirs.kdf.expand(prk, data, length));
    }
    const nothing = new Uint8Array();
    expect(await ours.kdf.extract(nothing, nothing)).toEqual(await theirs.kdf.extract(nothing, nothing));
    expect(ours.kdf.size).toBe(theirs.kdf.size);
  });

  it(`in AEAD, and both refuse what was changed (seed ${seed})`, async () => {
    const [ours, theirs] = await suites();
    const random = new Random();
    for (let round = 0; round < 100; round++) {
      const key = random.bytes(ours.hpke.keyLength);
      const nonce = random.bytes(ours.hpke.nonceLength);
      const data = round % 3 === 0 ? undefined : random.bytes(random.int(100));
      const plaintext = random.bytes(random.int(1000));
      const sealed = await ours.hpke.encryptAead(key, nonce, data, plaintext);
      expect(sealed).toEqual(await theirs.hpke.encryptAead(key, nonce, data, plaintext));
      expect(await ours.hpke.decryptAead(key, nonce, data, sealed)).toEqual(plaintext);
      expect(await theirs.hpke.decryptAead(key, nonce, data, sealed)).toEqual(plaintext);
      const changed = sealed.slice();
      changed[random.int(changed.length)]! ^= 1 << random.int(8);
      const short = sealed.slice(0, random.int(sealed.length));
      for (const { hpke } of [ours, theirs]) {
        await expect(hpke.decryptAead(key, nonce, data, changed)).rejects.toThrow();
        await expect(hpke.decryptAead(key, nonce, data, short)).rejects.toThrow();
      }
    }
  });

  it(`in Ed25519, with keys of either (seed ${seed})`, async () => {
    const [ours, theirs] = await suites();
    const random = new Random();
    for (const maker of [ours, theirs]) {
      const { signKey, publicKey } = await maker.signature.keygen();
      for (let round = 0; round < 30; round++) {
        const message = random.bytes(random.int(500));
        const signature = await ours.signature.sign(signKey, message);
        expect(signature).toEqual(await theirs.signature.sign(signKey, message));
        expect(signature).toEqual(await ours.signature.sign(signKey.slice(-32), message));
        for (const { signature: scheme } of [ours, theirs]) {
          expect(await scheme.verify(publicKey, message, signature)).toBe(true);
          const wrong = signature.slice();
          wrong[random.int(64)]! ^= 1 << random.int(8);
          expect(await scheme.verify(publicKey, message, wrong)).toBe(false);
        }
      }
    }
  });
});

const sides: [string, CryptoProvider, CryptoProvider][] = [
  ["node:crypto opens, the default joins", nodeCryptoProvider, defaultCryptoProvider],
  ["the default opens, node:crypto joins", defaultCryptoProvider, nodeCryptoProvider],
];

it.each(sides)("%s: messages and commits both ways", async (_name, first, second) => {
  const { alice, bob } = await pair(first, second);
  for (let epoch = 0; epoch < 3; epoch++) {
    for (const [from, to] of [
      [alice, bob],
      [bob, alice],
    ] as const) {
      for (const text of ["", "hello", "\u{1f44b}".repeat(100)])
        expect(await receiveText(to, await send(from, text))).toBe(text);
      await update(from, to);
      expect(await receiveText(to, await send(from, "after the commit"))).toBe("after the commit");
      expect(await receiveText(from, await send(to, "and back"))).toBe("and back");
    }
  }
});
