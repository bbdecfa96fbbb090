/** The vectors for other languages that are signed, by each provider: that of Node, and that of browsers. */
import { describe, expect, test } from "vitest";
import { bytesOf, encoded, hexOf, type VectorField, vectorsWith } from "../../../../test/vectors.ts";
import { verifyCertificate } from "../../src/crypto/identity.ts";
import { defaultCryptoProvider, GroupCrypto } from "../../src/crypto/mls/group.ts";
import type { CryptoProvider } from "../../src/crypto/primitives.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { certificateBody, encodeCertificate, fromBase64 } from "../../src/protocol/index.ts";

interface Key {
  name: string;
  seed: string;
  public_key: string;
}
interface Signed {
  bytes: string;
  key: string;
  signature: string;
}
interface Certificate {
  bytes: string;
  certificate?: {
    identity_key: string;
    username: string;
    device_id: string;
    device_key: string;
    counter: number;
    issued_at: number;
  };
  fields?: VectorField[];
  body?: string;
  signature?: string;
}

const keys = vectorsWith<Key>("keys", "seed");
const seedOf = (publicKey: string) => bytesOf(keys.find(({ public_key }) => public_key === publicKey)?.seed ?? "");
const providers: [string, CryptoProvider][] = [
  ["node:crypto", nodeCryptoProvider],
  ["what browsers use", defaultCryptoProvider],
];

describe.each(providers)("%s", (_name, provider) => {
  const loading = GroupCrypto.load(provider);

  test.each(vectorsWith<Signed>("signed", "signature"))("signs as said: $what", async ({ bytes, key, signature }) => {
    const crypto = await loading;
    expect(hexOf(await crypto.sign(seedOf(key), bytesOf(bytes)))).toBe(signature);
    expect(await crypto.verify(bytesOf(key), bytesOf(bytes), bytesOf(signature))).toBe(true);
    expect(await crypto.verify(bytesOf(key), bytesOf(`${bytes}00`), bytesOf(signature))).toBe(false);
  });

  test.each(vectorsWith<Certificate>("certificates", "bytes"))("reads certificates: $what", async (vector) => {
    const { certificate, fields = [], body = "", signature = "" } = vector;
    const crypto = await loading;
    const read = await verifyCertificate(crypto, bytesOf(vector.bytes));
    if (certificate === undefined) return expect(read).toBeUndefined();
    const expected = {
      identityKey: bytesOf(certificate.identity_key),
      username: certificate.username,
      deviceId: certificate.device_id,
      deviceKey: bytesOf(certificate.device_key),
      counter: certificate.counter,
      issuedAt: certificate.issued_at,
    };
    expect(read).toEqual(expected);
    expect([hexOf(encoded(fields)), hexOf(certificateBody(expected))]).toEqual([body, body]);
    expect(hexOf(await crypto.sign(seedOf(certificate.identity_key), bytesOf(body)))).toBe(signature);
    expect(hexOf(encodeCertificate(expected, bytesOf(signature)))).toBe(vector.bytes);
  });

  interface Registration {
    frame: { data: { identity_key: string; device: { certificate: string } } };
    answer: { type: string };
  }
  test.each(vectorsWith<Registration>("registrations", "frame"))(
    "reads that of a registration: $what",
    async (vector) => {
      const { device, identity_key } = vector.frame.data;
      const read = await verifyCertificate(await loading, fromBase64(device.certificate));
      if (vector.answer.type === "registered") expect(read?.identityKey).toEqual(fromBase64(identity_key));
    },
  );
});
