/** RFC 9420's official passive-client vectors (github.com/mlswg/mls-implementations), each whole, by both providers. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  acceptAll,
  bytesToBase64,
  type CryptoProvider,
  decodeMlsMessage,
  defaultCryptoProvider,
  getCiphersuiteFromName,
  joinGroup,
  makePskIndex,
  type MLSMessage,
  processMessage,
} from "ts-mls";
import { defaultClientConfig } from "ts-mls/clientConfig.js";
import { decodeRatchetTree } from "ts-mls/ratchetTree.js";
import { describe, expect, it } from "vitest";
import { nodeCryptoProvider } from "../../src/node/provider.ts";

interface Vector {
  cipher_suite: number;
  external_psks: { psk_id: string; psk: string }[];
  key_package: string;
  encryption_priv: string;
  init_priv: string;
  signature_priv: string;
  welcome: string;
  ratchet_tree: string | null;
  initial_epoch_authenticator: string;
  epochs: { proposals: string[]; commit: string; epoch_authenticator: string }[];
}

const FOLDER = process.env["MLS_VECTORS"] ?? fileURLToPath(new URL("../../../../../shared/vectors", import.meta.url));
const SUITE = getCiphersuiteFromName("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519");
const names = ["welcome", "handling-commit", "random"];
const fileOf = (name: string) => `${FOLDER}/passive-client-${name}.json`;
const missing = names.some((name) => !existsSync(fileOf(name)));
if (missing)
  process.stderr.write(
    "MLS vectors skipped: set MLS_VECTORS to a folder with passive-client-*.json of mls-implementations\n",
  );

const providers: [string, CryptoProvider][] = [
  ["node:crypto", nodeCryptoProvider as CryptoProvider],
  ["the library's default", defaultCryptoProvider],
];

describe.skipIf(missing).each(providers)("official MLS vectors, %s", (_name, provider) => {
  for (const name of names) {
    // The longest has 200 epochs of a group of changing size.
    const tags = name === "random" ? ["long"] : [];
    it(name, { timeout: 180_000, tags }, async () => {
      const vectors = (JSON.parse(readFileSync(fileOf(name), "utf8")) as Vector[]).filter(
        (vector) => vector.cipher_suite === 1,
      );
      expect(vectors.length).toBeGreaterThan(0);
      for (const vector of vectors) await follow(vector, provider);
    });
  }
});

/** Joins, then processes every epoch, comparing the epoch authenticator each time. */
async function follow(vector: Vector, provider: CryptoProvider): Promise<void> {
  const suite = await provider.getCiphersuiteImpl(SUITE);
  const psks = Object.fromEntries(
    vector.external_psks.map(({ psk_id, psk }) => [bytesToBase64(bytes(psk_id)), bytes(psk)]),
  );
  const keyPackage = decode(vector.key_package, "mls_key_package");
  const welcome = decode(vector.welcome, "mls_welcome");
  let state = await joinGroup(
    welcome.welcome,
    keyPackage.keyPackage,
    {
      initPrivateKey: bytes(vector.init_priv),
      hpkePrivateKey: bytes(vector.encryption_priv),
      signaturePrivateKey: bytes(vector.signature_priv),
    },
    makePskIndex(undefined, psks),
    suite,
    vector.ratchet_tree === null ? undefined : decodeRatchetTree(bytes(vector.ratchet_tree), 0)?.[0],
    undefined,
    defaultClientConfig,
  );
  expect(hex(state.keySchedule.epochAuthenticator)).toBe(vector.initial_epoch_authenticator);
  for (const epoch of vector.epochs) {
    for (const text of [...epoch.proposals, epoch.commit]) {
      const message = decode(text, "mls_public_message", "mls_private_message");
      state = (await processMessage(message, state, makePskIndex(state, psks), acceptAll, suite)).newState;
    }
    expect(hex(state.keySchedule.epochAuthenticator)).toBe(epoch.epoch_authenticator);
  }
}

function decode<T extends MLSMessage["wireformat"]>(text: string, ...formats: T[]): MLSMessage & { wireformat: T } {
  const message = decodeMlsMessage(bytes(text), 0)?.[0];
  if (message === undefined || !(formats as string[]).includes(message.wireformat)) throw new Error("malformed vector");
  return message as MLSMessage & { wireformat: T };
}

const bytes = (text: string) => new Uint8Array(Buffer.from(text, "hex"));
const hex = (value: Uint8Array) => Buffer.from(value).toString("hex");
