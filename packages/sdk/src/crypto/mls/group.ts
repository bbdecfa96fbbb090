/**
 * MLS (RFC 9420) behind our own seam: the only room that imports the library. States are values: every function takes one
 * and returns the next, with the secrets that it used up. The caller commits the next state to its store, then sends,
 * then wipes.
 */
// By its parts: the whole brings all cryptography that the library knows.
import type { CiphersuiteImpl, MlsPrivateMessage } from "ts-mls";
import { createGroup, decodeGroupState, encodeGroupState, joinGroup } from "ts-mls/clientState.js";
import { createCommit } from "ts-mls/createCommit.js";
import { createApplicationMessage } from "ts-mls/createMessage.js";
import { getCiphersuiteFromName } from "ts-mls/crypto/ciphersuite.js";
import { makeKeyPackageRef } from "ts-mls/keyPackage.js";
import { encodeMlsMessage } from "ts-mls/message.js";
import { processPrivateMessage } from "ts-mls/processMessages.js";
import { emptyPskIndex } from "ts-mls/pskIndex.js";
import { hex } from "../hex.ts";
import { CIPHER_SUITE, equal, lengthPrefixed, splitLengthPrefixed } from "../../protocol/index.ts";
import type { CryptoProvider, Primitives } from "../primitives.ts";
import { decodeWhole, readPrivateMessage } from "./bytes.ts";
import { configOf, settled } from "./config.ts";
import { guard } from "./guard.ts";
import { CAPS, checkLifetime, generatePackage, privatePackage, readKeyPackage } from "./key-package.ts";
import { assembleParts, decodeExactly, partsOf } from "./parts.ts";
import {
  type Authenticate,
  EPOCH_MESSAGES,
  type Group,
  GroupError,
  type KeyPackagePair,
  type LeafKeys,
  type Opened,
  type PartReader,
  type PartsChanged,
} from "./seam.ts";
import { stepsTo } from "./steps.ts";
import { afterOwn, checkTwoLeaves, ownNodeIndex, secretTreeOf, stateOf } from "./state.ts";

/** The library's own, loaded with the first suite that is asked of it: on Node most never need it. */
export const defaultCryptoProvider: CryptoProvider = {
  async getCiphersuiteImpl(suite) {
    const library = await import("ts-mls/crypto/implementation/default/provider.js");
    const provider: CryptoProvider = library.defaultCryptoProvider;
    return provider.getCiphersuiteImpl(suite);
  },
};

export class GroupCrypto {
  /** The cipher suite's. */
  readonly primitives: Primitives;
  readonly #suite: CiphersuiteImpl & Pick<Primitives, "prepare">;

  private constructor(primitives: Primitives) {
    this.primitives = primitives;
    // In our words its keys are no CryptoKeys; they come from whoever takes them.
    this.#suite = primitives as CiphersuiteImpl;
  }

  /** Loads the protocol's cipher suite, with a faster provider where the runtime has one. */
  static async load(provider: CryptoProvider = defaultCryptoProvider): Promise<GroupCrypto> {
    return new GroupCrypto(await provider.getCiphersuiteImpl(getCiphersuiteFromName(CIPHER_SUITE)));
  }

  /** To be awaited before anything is opened, joined or decrypted: what cannot be loaded must not look like bad input. */
  async prepare(): Promise<void> {
    await this.#suite.prepare?.();
  }

  /** A new Ed25519 key pair as raw 32-byte keys. */
  async generateKeys(): Promise<{ privateKey: Uint8Array; publicKey: Uint8Array }> {
    const { signKey, publicKey } = await this.#suite.signature.keygen();
    // Some providers give PKCS #8 (RFC 8410), which ends in the seed.
    return { privateKey: signKey.slice(-32), publicKey };
  }

  /** A digest by the suite's hash, in hex. */
  async digest(bytes: Uint8Array): Promise<string> {
    return hex(await this.#suite.hash.digest(bytes));
  }

  /** Ed25519 (RFC 8032). */
  sign(privateKey: Uint8Array, message: Uint8Array): Promise<Uint8Array> {
    return this.#suite.signature.sign(privateKey, message);
  }

  /** Ed25519 (RFC 8032). False for anything that is not a valid signature, malformed keys included. */
  async verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
    try {
      return await this.#suite.signature.verify(publicKey, message, signature);
    } catch {
      return false;
    }
  }

  /** A key package (RFC 9420, section 10), valid from a day before `now` (Unix milliseconds) for 90 days. */
  async makeKeyPackage(leaf: LeafKeys, now: number): Promise<KeyPackagePair> {
    const { publicPackage, privatePackage } = await generatePackage(leaf, now, this.#suite);
    const encoded = encodeMlsMessage({ version: "mls10", wireformat: "mls_key_package", keyPackage: publicPackage });
    return {
      ref: hex(await makeKeyPackageRef(publicPackage, this.#suite.hash)),
      caps: CAPS,
      public: encoded,
      secret: lengthPrefixed(encoded, privatePackage.initPrivateKey, privatePackage.hpkePrivateKey),
    };
  }

  /**
   * Opens a group with exactly one other member (RFC 9420, section 11). The group that is returned is in epoch 1, the
   * epoch that the Welcome opens.
   * @throws GroupError if the package is malformed, of another suite, out of its lifetime, or not authentic.
   */
  async open(
    groupId: Uint8Array,
    leaf: LeafKeys,
    peerPackage: Uint8Array,
    now: number,
    authenticate: Authenticate,
  ): Promise<{ group: Group; welcome: Uint8Array }> {
    const keyPackage = readKeyPackage(peerPackage);
    checkLifetime(keyPackage, now);
    if (equal(keyPackage.leafNode.signaturePublicKey, leaf.publicKey)) throw new GroupError("own key package");
    const own = await this.makeKeyPackage(leaf, now);
    const alone = await createGroup(
      groupId,
      readKeyPackage(own.public),
      privatePackage(own.secret, leaf),
      [],
      this.#suite,
      configOf(authenticate),
    );
    const result = await guard("key package refused", () =>
      createCommit(
        { state: alone, cipherSuite: this.#suite },
        { extraProposals: [{ proposalType: "add", add: { keyPackage } }], ratchetTreeExtension: true },
      ),
    );
    if (result.welcome === undefined) throw new GroupError("no Welcome was made");
    const state = { ...result.newState, historicalReceiverData: new Map() };
    checkTwoLeaves(state);
    return {
      group: settled(state),
      welcome: encodeMlsMessage({ version: "mls10", wireformat: "mls_welcome", welcome: result.welcome }),
    };
  }

  /** The references (hex) of the key packages that a Welcome is for; none if it is malformed. */
  welcomeRefs(welcome: Uint8Array): string[] {
    const message = decodeWhole(welcome);
    return message?.wireformat === "mls_welcome" ? message.welcome.secrets.map((secret) => hex(secret.newMember)) : [];
  }

  /**
   * Joins by a Welcome (RFC 9420, section 12.4.3.1).
   * @throws GroupError if it is malformed, not for this package, not authentic, or of other than two members.
   */
  async join(welcome: Uint8Array, secret: Uint8Array, leaf: LeafKeys, authenticate: Authenticate): Promise<Group> {
    const message = decodeWhole(welcome);
    const [encoded] = splitLengthPrefixed(secret) ?? [];
    if (message?.wireformat !== "mls_welcome" || encoded === undefined) throw new GroupError("malformed Welcome");
    const keyPackage = readKeyPackage(encoded);
    const state = await guard("Welcome refused", () =>
      joinGroup(
        message.welcome,
        keyPackage,
        privatePackage(secret, leaf),
        emptyPskIndex,
        this.#suite,
        undefined,
        undefined,
        configOf(authenticate),
      ),
    );
    if (state.groupContext.epoch !== 1n || state.groupContext.extensions.length > 0)
      throw new GroupError("not a new two-party group");
    checkTwoLeaves(state);
    return settled(state);
  }

  /** Encrypts an application message (RFC 9420, section 6.3). */
  async encrypt(
    group: Group,
    plaintext: Uint8Array,
    authenticatedData: Uint8Array,
  ): Promise<{ group: Group; message: Uint8Array; consumed: Uint8Array[] }> {
    const result = await createApplicationMessage(stateOf(group), plaintext, this.#suite, authenticatedData);
    const message = encodeMlsMessage({
      version: "mls10",
      wireformat: "mls_private_message",
      privateMessage: result.privateMessage,
    });
    return { group: { state: result.newState }, message, consumed: result.consumed };
  }

  /**
   * Decrypts a PrivateMessage of the other member: an application message of this or the previous epoch, or a commit
   * with an UpdatePath and no proposals.
   * @throws GroupError for everything else; the group is unchanged then.
   */
  async decrypt(group: Group, bytes: Uint8Array): Promise<Opened> {
    return this.#decrypt(group, readPrivateMessage(bytes), this.#suite);
  }

  /**
   * Application messages, each decrypted in the state behind the one before, while their signatures are verified beside each other. Nothing of them is
   * known to the caller before those are.
   * @returns those before the first that {@link decrypt} would not take, or that is something else; none where the runtime verifies nothing beside
   */
  async decryptAll(group: Group, messages: readonly Uint8Array[]): Promise<Opened[]> {
    const { verifyBeside, ...signature } = this.#suite.signature as Primitives["signature"];
    if (verifyBeside === undefined) return [];
    const opened: Opened[] = [];
    const checks: Promise<boolean>[] = [];
    try {
      for (const bytes of messages) {
        const message = readPrivateMessage(bytes);
        if (message.privateMessage.contentType !== "application") break;
        let check: Promise<boolean> | undefined;
        const verify: typeof verifyBeside = async (...args) => {
          check = verifyBeside(...args).catch(() => false);
          return true;
        };
        const one = await this.#decrypt(opened.at(-1)?.group ?? group, message, {
          ...this.#suite,
          signature: { ...signature, verify },
        });
        if (one.kind !== "application" || check === undefined) break;
        opened.push(one);
        checks.push(check);
      }
    } catch {
      // What is wrong with it is told by the attempt that is made of it alone.
    }
    const invalid = (await Promise.all(checks)).indexOf(false);
    return invalid === -1 ? opened : opened.slice(0, invalid);
  }

  async #decrypt(group: Group, message: MlsPrivateMessage, suite: CiphersuiteImpl): Promise<Opened> {
    const before = secretTreeOf(stateOf(group), message.privateMessage.epoch);
    if (!equal(message.privateMessage.groupId, stateOf(group).groupContext.groupId) || before === undefined)
      throw new GroupError("message of another group or epoch");
    const result = await guard("message does not decrypt", () =>
      processPrivateMessage(stateOf(group), message.privateMessage, emptyPskIndex, suite, (incoming) =>
        incoming.kind === "commit" && incoming.proposals.length === 0 ? "accept" : "reject",
      ),
    ).catch(async (error: GroupError) => {
      error.steps = await stepsTo(this.#suite, stateOf(group), message.privateMessage, EPOCH_MESSAGES);
      throw error;
    });
    if (result.kind === "newState") {
      if (result.actionTaken === "reject") throw new GroupError("commit with proposals, or a proposal");
      if (result.newState.groupContext.epoch !== stateOf(group).groupContext.epoch + 1n)
        throw new GroupError("not a commit");
      checkTwoLeaves(result.newState);
      return { kind: "commit", group: { state: result.newState }, consumed: result.consumed };
    }
    // The library does not say which leaf sent a message, but its ratchet is the one that moved.
    const own = ownNodeIndex(stateOf(group));
    if (secretTreeOf(result.newState, message.privateMessage.epoch)?.[own] !== before[own])
      throw new GroupError("message in our own name");
    return {
      kind: "application",
      group: { state: result.newState },
      plaintext: result.message,
      authenticatedData: message.privateMessage.authenticatedData,
      consumed: result.consumed,
    };
  }

  /**
   * Makes an Update commit: new keys for our leaf and the path above it. `pending` is the group after it, to be applied
   * when the relay has admitted it. It holds no keys of the present epoch: those may still be used, and then be gone.
   */
  async update(group: Group): Promise<{ pending: Uint8Array; commit: Uint8Array }> {
    const { newState, commit } = await createCommit({ state: stateOf(group), cipherSuite: this.#suite });
    return {
      pending: encodeGroupState({ ...newState, historicalReceiverData: new Map() }),
      commit: encodeMlsMessage(commit),
    };
  }

  /** The group after its own admitted commit. Receives what is under way of the epoch that ends. */
  applyUpdate(group: Group, pending: Uint8Array): Group {
    return { state: afterOwn(stateOf(group), stateOf(this.decode(pending))) };
  }

  /** All of it in one piece. */
  encode(group: Group): Uint8Array {
    return encodeGroupState(stateOf(group));
  }

  /** @throws GroupError if the bytes are not a whole state. */
  decode(bytes: Uint8Array): Group {
    return settled(decodeExactly(decodeGroupState, bytes, "all of it"));
  }

  /** What of a group is to be written where `before` is kept; all of it where nothing is. */
  parts(group: Group, before?: Group): PartsChanged {
    return partsOf(stateOf(group), before === undefined ? undefined : stateOf(before));
  }

  /**
   * The group that `parts` have made, undefined where there is none.
   * @throws GroupError if they are not a whole state
   */
  async assemble(read: PartReader): Promise<Group | undefined> {
    const state = await assembleParts(read);
    return state === undefined ? undefined : settled(state);
  }
}
