/**
 * The primitives of a cipher suite, in the shape in which the MLS library takes them, and in our own words: who uses our types needs
 * neither the library's nor a browser's.
 */

/** A key of HPKE, as the implementation that made it holds it. */
export interface HpkeKey {
  readonly type: string;
}

/** A key pair of HPKE. */
export interface HpkeKeyPair {
  privateKey: HpkeKey;
  publicKey: HpkeKey;
}

/** HPKE (RFC 9180) and its AEAD. */
export interface Hpke {
  open(
    key: HpkeKey,
    encapsulated: Uint8Array,
    ciphertext: Uint8Array,
    info: Uint8Array,
    aad?: Uint8Array,
  ): Promise<Uint8Array>;
  seal(
    key: HpkeKey,
    plaintext: Uint8Array,
    info: Uint8Array,
    aad?: Uint8Array,
  ): Promise<{ ct: Uint8Array; enc: Uint8Array }>;
  importPrivateKey(raw: Uint8Array): Promise<HpkeKey>;
  importPublicKey(raw: Uint8Array): Promise<HpkeKey>;
  exportPublicKey(key: HpkeKey): Promise<Uint8Array>;
  exportPrivateKey(key: HpkeKey): Promise<Uint8Array>;
  encryptAead(
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array | undefined,
    plaintext: Uint8Array,
  ): Promise<Uint8Array>;
  decryptAead(
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array | undefined,
    ciphertext: Uint8Array,
  ): Promise<Uint8Array>;
  exportSecret(
    key: HpkeKey,
    context: Uint8Array,
    length: number,
    info: Uint8Array,
  ): Promise<{ enc: Uint8Array; secret: Uint8Array }>;
  importSecret(
    key: HpkeKey,
    context: Uint8Array,
    encapsulated: Uint8Array,
    length: number,
    info: Uint8Array,
  ): Promise<Uint8Array>;
  deriveKeyPair(material: Uint8Array): Promise<HpkeKeyPair>;
  generateKeyPair(): Promise<HpkeKeyPair>;
  /** Of the AEAD, in bytes. */
  keyLength: number;
  nonceLength: number;
}

/** A cipher suite's primitives. `prepare` loads what is loaded late, so that it is there in the midst of a transaction. */
export interface Primitives {
  name: string;
  hash: {
    digest(data: Uint8Array): Promise<Uint8Array>;
    mac(key: Uint8Array, data: Uint8Array): Promise<Uint8Array>;
    verifyMac(key: Uint8Array, mac: Uint8Array, data: Uint8Array): Promise<boolean>;
  };
  kdf: {
    extract(salt: Uint8Array, material: Uint8Array): Promise<Uint8Array>;
    expand(key: Uint8Array, info: Uint8Array, length: number): Promise<Uint8Array>;
    /** Of its hash, in bytes. */
    size: number;
  };
  hpke: Hpke;
  signature: {
    sign(key: Uint8Array, message: Uint8Array): Promise<Uint8Array>;
    verify(key: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean>;
    /** The same on another thread, where the runtime has one for it: several can go on at once. */
    verifyBeside?: (key: Uint8Array, message: Uint8Array, signature: Uint8Array) => Promise<boolean>;
    keygen(): Promise<{ publicKey: Uint8Array; signKey: Uint8Array }>;
  };
  rng: { randomBytes(count: number): Uint8Array };
  prepare?: () => Promise<void>;
}

/** Which algorithms a cipher suite has, by their names (RFC 9420, section 17.1). */
export interface Suite {
  name: string;
  hash: string;
  hpke: { kem: string; kdf: string; aead: string };
  signature: string;
}

/** Where the primitives of a cipher suite come from. */
export interface CryptoProvider {
  getCiphersuiteImpl(suite: Suite): Promise<Primitives>;
}
