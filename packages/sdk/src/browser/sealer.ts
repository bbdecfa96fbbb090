import { scryptAsync } from "@noble/hashes/scrypt.js";
import { type Kdf, type Sealer, spelled } from "../crypto/passphrase.ts";
import { fromBase64, utf8 } from "../protocol/index.ts";

const KEY_BYTES = 32;
const NONCE_BYTES = 12;

/** Browsers have no scrypt of their own: in pieces, so that the page does not stand still, it takes some seconds. */
export const browserSealer: Sealer = {
  keyOf: (passphrase, { N, r, p, salt }: Kdf) =>
    scryptAsync(utf8(spelled(passphrase)), fromBase64(salt), { N, r, p, dkLen: KEY_BYTES, maxmem: 256 * N * r }),
  async seal(key, plaintext, associated) {
    const iv = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const ciphertext = await crypto.subtle.encrypt(how(iv, associated), await keyFor(key), new Uint8Array(plaintext));
    const sealed = new Uint8Array(NONCE_BYTES + ciphertext.byteLength);
    sealed.set(iv);
    sealed.set(new Uint8Array(ciphertext), NONCE_BYTES);
    return sealed;
  },
  async unseal(key, sealed, associated) {
    const [iv, ciphertext] = [sealed.slice(0, NONCE_BYTES), sealed.slice(NONCE_BYTES)];
    const opened = crypto.subtle.decrypt(how(iv, associated), await keyFor(key), ciphertext);
    return opened.then(
      (plaintext) => new Uint8Array(plaintext),
      () => undefined,
    );
  },
};

function how(iv: Uint8Array<ArrayBuffer>, associated: string): AesGcmParams {
  return { name: "AES-GCM", iv, additionalData: new Uint8Array(utf8(associated)) };
}

function keyFor(key: Uint8Array): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", new Uint8Array(key), "AES-GCM", false, ["encrypt", "decrypt"]);
}
