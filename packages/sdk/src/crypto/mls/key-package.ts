/** Key packages: what they are made of, and when they may be used. */
import type { CiphersuiteImpl, KeyPackage } from "ts-mls";
import { generateKeyPackageWithKey } from "ts-mls/keyPackage.js";
import { CIPHER_SUITE, splitLengthPrefixed } from "../../protocol/index.ts";
import { decodeWhole } from "./bytes.ts";
import { GroupError, type LeafKeys } from "./seam.ts";

const DAY = 86_400;

/** GroupContext extension of a team's settings. Whoever announces it in a leaf (RFC 9420, section 7.2) can be added to one. */
export const SETTINGS = 0xf0a1;

/** Types of extensions that our key packages announce. */
export const CAPS: readonly number[] = [SETTINGS];

const KEY_PACKAGE_DAYS = 90;

export const LONGEST_LIFETIME = BigInt((KEY_PACKAGE_DAYS + 1) * DAY);

/** A key package of a device, valid from a day before `now` (Unix milliseconds). */
export function generatePackage(leaf: LeafKeys, now: number, suite: CiphersuiteImpl) {
  const notBefore = BigInt(Math.floor(now / 1000) - DAY);
  return generateKeyPackageWithKey(
    { credentialType: "basic", identity: leaf.certificate },
    {
      versions: ["mls10"],
      ciphersuites: [CIPHER_SUITE],
      extensions: [...CAPS],
      proposals: [],
      credentials: ["basic"],
    },
    { notBefore, notAfter: notBefore + BigInt(KEY_PACKAGE_DAYS * DAY) },
    [],
    { signKey: leaf.privateKey, publicKey: leaf.publicKey },
    suite,
  );
}

export function readKeyPackage(bytes: Uint8Array): KeyPackage {
  const message = decodeWhole(bytes);
  if (message?.wireformat !== "mls_key_package") throw new GroupError("malformed key package");
  if (message.keyPackage.cipherSuite !== CIPHER_SUITE) throw new GroupError("key package of another cipher suite");
  return message.keyPackage;
}

/** Whether a key package that was made at `made` may be used at `now`, with a day for clocks to differ. Unix milliseconds. */
export function isInLifetime(made: number, now: number): boolean {
  return now >= made - DAY * 1_000 && now < made + (KEY_PACKAGE_DAYS - 2) * DAY * 1_000;
}

/** RFC 9420, section 7.2: now within the lifetime, and its length bounded. The library checks the first only. */
export function checkLifetime(keyPackage: KeyPackage, now: number): void {
  const { notBefore, notAfter } = keyPackage.leafNode.lifetime;
  const seconds = BigInt(Math.floor(now / 1000));
  if (notAfter - notBefore > LONGEST_LIFETIME) throw new GroupError("key package lives too long");
  if (seconds < notBefore || seconds > notAfter) throw new GroupError("key package is out of its lifetime");
}

export function privatePackage(secret: Uint8Array, leaf: LeafKeys) {
  const [, init, hpke] = splitLengthPrefixed(secret) ?? [];
  if (init === undefined || hpke === undefined) throw new GroupError("malformed key package secret");
  return { initPrivateKey: init, hpkePrivateKey: hpke, signaturePrivateKey: leaf.privateKey };
}
