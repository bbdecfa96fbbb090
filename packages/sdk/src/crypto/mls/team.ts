/** Teams: MLS groups (RFC 9420) of many, behind the same seam as pairs. States are values here, too. */
import type { CiphersuiteImpl, ClientState } from "ts-mls";
import { createGroup } from "ts-mls/clientState.js";
import { createCommit } from "ts-mls/createCommit.js";
import { createApplicationMessage } from "ts-mls/createMessage.js";
import { getCiphersuiteFromName } from "ts-mls/crypto/ciphersuite.js";
import { encodeMlsMessage } from "ts-mls/message.js";
import { mlsExporter } from "ts-mls/keySchedule.js";
import { hex } from "../hex.ts";
import { CIPHER_SUITE, equal, splitLengthPrefixed } from "../../protocol/index.ts";
import type { CryptoProvider, Primitives } from "../primitives.ts";
import { openTree } from "../team/sealed-tree.ts";
import { decodeWhole, readPrivateMessage } from "./bytes.ts";
import { defaultCryptoProvider } from "./group.ts";
import { checkLifetime, generatePackage, privatePackage, readKeyPackage, SETTINGS } from "./key-package.ts";
import { type Authenticate, type Group, GroupError, type LeafKeys } from "./seam.ts";
import { afterOwn, stateOf } from "./state.ts";
import { guard } from "./guard.ts";
import { readMessage } from "./team-messages.ts";
import { describeCommit, followCommit, makeCommit } from "./team-commits.ts";
import { joinFrom } from "./team-join.ts";
import { certificateIn } from "./tree-check.ts";
import type { Change, Followed, Invitation, Judge, Leaf, OwnCommit, TeamCommit, TeamMessage } from "./team-seam.ts";
import { checkTeam, leafNodeOf, leafOf, settingsExtension, settingsIn, teamConfig } from "./team-state.ts";

/** What a team is founded with. */
export interface Founding {
  groupId: Uint8Array;
  leaf: LeafKeys;
  settings: Uint8Array;
  /** Key packages of all others. */
  members: readonly Uint8Array[];
  /** Unix milliseconds. */
  now: number;
  authenticate: Authenticate;
}

export class TeamCrypto {
  /** The cipher suite's, for what a team encrypts and signs beside MLS. */
  readonly primitives: Primitives;
  readonly #suite: CiphersuiteImpl;

  private constructor(primitives: Primitives) {
    this.primitives = primitives;
    // In our words its keys are no CryptoKeys; they come from whoever takes them.
    this.#suite = primitives as CiphersuiteImpl;
  }

  /** Loads the protocol's cipher suite, with a faster provider where the runtime has one. */
  static async load(provider: CryptoProvider = defaultCryptoProvider): Promise<TeamCrypto> {
    return new TeamCrypto(await provider.getCiphersuiteImpl(getCiphersuiteFromName(CIPHER_SUITE)));
  }

  /** Upon the suite that pairs use. */
  static over(primitives: Primitives): TeamCrypto {
    return new TeamCrypto(primitives);
  }

  /** To be awaited before anything is opened, joined or read: what cannot be loaded must not look like bad input. */
  async prepare(): Promise<void> {
    await this.primitives.prepare?.();
  }

  /**
   * Founds a team, in epoch 2. A commit that only adds has no path, and a tree without keys makes all that follows twice as long; so a leaf of nobody
   * is added, and the commit that removes it adds the members.
   * @throws GroupError if a key package is malformed, of another suite, out of its lifetime, not authentic, or announces no settings.
   */
  async found(founding: Founding): Promise<{ group: Group; invitation: Invitation }> {
    const { leaf, now, authenticate, members } = founding;
    if (members.length === 0) throw new GroupError("a team of nobody else");
    checkPackages(members, now);
    const [own, dummy] = [
      await generatePackage(leaf, now, this.#suite),
      await generatePackage(await this.#nobody(), now, this.#suite),
    ];
    const nobody = dummy.publicPackage.leafNode.signaturePublicKey;
    const alone = await guard("founding refused", () =>
      createGroup(
        founding.groupId,
        own.publicPackage,
        own.privatePackage,
        settingsExtension(founding.settings),
        this.#suite,
        teamConfig(async (certificate, key) => equal(key, nobody) || authenticate(certificate, key)),
      ),
    );
    const add = { proposalType: "add" as const, add: { keyPackage: dummy.publicPackage } };
    const { newState } = await createCommit({ state: alone, cipherSuite: this.#suite }, { extraProposals: [add] });
    const second = { ...newState, historicalReceiverData: new Map() };
    const { pending, invitation } = await guard("founding refused", () =>
      makeCommit(this.#suite, second, { remove: [1], add: members }, new Uint8Array()),
    );
    return { group: pending, invitation: invitation! };
  }

  /**
   * Joins by a Welcome and the tree beside it (RFC 9420, section 12.4.3.1). Its inviter has signed for what the group is.
   * @throws GroupError if they are malformed, not for this package, not authentic, or do not fit each other.
   */
  async join(
    invited: { welcome: Uint8Array; tree: Uint8Array },
    secret: Uint8Array,
    leaf: LeafKeys,
    authenticate: Authenticate,
  ): Promise<{ group: Group; inviter: Leaf }> {
    const message = decodeWhole(invited.welcome);
    const [encoded] = splitLengthPrefixed(secret) ?? [];
    if (message?.wireformat !== "mls_welcome" || encoded === undefined) throw new GroupError("malformed Welcome");
    const { state, signer } = await guard("Welcome refused", () =>
      joinFrom(this.#suite, {
        welcome: message.welcome,
        keyPackage: readKeyPackage(encoded),
        keys: privatePackage(secret, leaf),
        authenticate,
        config: teamConfig(authenticate),
        treeOf: async ({ groupContext, extensions }) => {
          const { groupId, epoch } = groupContext;
          const keys = extensions.filter(({ extensionType }) => extensionType === SETTINGS);
          const key = keys.length === 1 ? keys[0]!.extensionData : new Uint8Array();
          const tree = await openTree(this.primitives, invited.tree, key, {
            group: hex(groupId),
            epoch: Number(epoch),
          });
          if (tree === undefined) throw new GroupError("another tree than the Welcome's");
          return tree;
        },
      }),
    );
    checkTeam(state);
    return { group: { state }, inviter: leafOf(state.ratchetTree, signer)! };
  }

  /** What stands in the leaf of a key package. @throws GroupError if it is malformed, or of another suite */
  keyPackageLeaf(keyPackage: Uint8Array): Omit<Leaf, "index"> {
    const { leafNode } = readKeyPackage(keyPackage);
    return { certificate: certificateIn(leafNode), signatureKey: leafNode.signaturePublicKey };
  }

  /** Who is in the group, by leaf. */
  leaves(group: Group): Leaf[] {
    const { ratchetTree } = stateOf(group);
    return ratchetTree.flatMap((_, node) => (node % 2 === 0 ? (leafOf(ratchetTree, node / 2) ?? []) : []));
  }

  ownLeaf(group: Group): number {
    return stateOf(group).privatePath.leafIndex;
  }

  /** The bytes of a leaf node, as the group has it now, or undefined if that leaf is blank. */
  leafNode(group: Group, leaf: number): Uint8Array | undefined {
    return leafNodeOf(stateOf(group).ratchetTree, leaf);
  }

  /** How many leaves the tree has room for: a power of two. */
  width(group: Group): number {
    return (stateOf(group).ratchetTree.length + 1) / 2;
  }

  settings(group: Group): Uint8Array {
    return settingsIn(stateOf(group).groupContext.extensions) ?? new Uint8Array();
  }

  /** Equal at two members if, and only if, they agree about everything that the group is (RFC 9420, section 8.7). */
  authenticator(group: Group): Uint8Array {
    return stateOf(group).keySchedule.epochAuthenticator.slice();
  }

  /** A secret of the epoch for another use (RFC 9420, section 8.5), with an empty context. */
  export(group: Group, label: string, bytes: number): Promise<Uint8Array> {
    const { exporterSecret } = stateOf(group).keySchedule;
    return mlsExporter(exporterSecret, label, new Uint8Array(), bytes, this.#suite);
  }

  /**
   * Makes a commit from the group, which stays as it is: an Update if nothing is to change.
   * @throws GroupError if it is none that could be made, or a key package may not be used.
   */
  async commit(
    group: Group,
    change: Change,
    authenticatedData: Uint8Array,
    { now, authenticate }: { now: number; authenticate: Authenticate },
  ): Promise<OwnCommit> {
    checkPackages(change.add ?? [], now);
    return guard("commit refused", () =>
      makeCommit(this.#suite, this.#state(group, authenticate), change, authenticatedData),
    );
  }

  /** The group after its own admitted commit. */
  apply(group: Group, pending: Group): Group {
    return { state: afterOwn(this.#state(group), stateOf(pending)) };
  }

  /** What a commit of the present epoch would do, our own included. @throws GroupError if it does not open */
  describe(group: Group, commit: Uint8Array): Promise<TeamCommit> {
    const { privateMessage } = readPrivateMessage(commit);
    return guard("commit does not open", () =>
      describeCommit(this.#suite, this.#of(group, privateMessage.groupId), privateMessage),
    );
  }

  /** Follows another member's commit. @throws GroupError if it does not open; the group is unchanged unless it was applied. */
  follow(group: Group, commit: Uint8Array, judge: Judge, authenticate: Authenticate): Promise<Followed> {
    const { privateMessage } = readPrivateMessage(commit);
    const state = this.#state({ state: this.#of(group, privateMessage.groupId) }, authenticate);
    return guard("commit does not open", () => followCommit(this.#suite, state, privateMessage, judge));
  }

  /** Encrypts an application message (RFC 9420, section 6.3). */
  async encrypt(
    group: Group,
    plaintext: Uint8Array,
    authenticatedData: Uint8Array,
  ): Promise<{ group: Group; message: Uint8Array; consumed: Uint8Array[] }> {
    const result = await createApplicationMessage(this.#state(group), plaintext, this.#suite, authenticatedData);
    const { privateMessage } = result;
    const message = encodeMlsMessage({ version: "mls10", wireformat: "mls_private_message", privateMessage });
    return { group: { state: result.newState }, message, consumed: result.consumed };
  }

  /**
   * Reads an application message of another member, of this epoch or the one before.
   * @throws GroupError for everything else; the group is unchanged then.
   */
  decrypt(group: Group, bytes: Uint8Array): Promise<TeamMessage> {
    const { privateMessage } = readPrivateMessage(bytes);
    return readMessage(this.#suite, this.#of(group, privateMessage.groupId), privateMessage);
  }

  /** The state with rules of ours, wherever it was loaded. Whom it takes is asked when a commit is made or followed, and then only. */
  #state(group: Group, authenticate: Authenticate = async () => false): ClientState {
    return { ...stateOf(group), clientConfig: teamConfig(authenticate) };
  }

  #of(group: Group, groupId: Uint8Array): ClientState {
    const state = this.#state(group);
    if (!equal(state.groupContext.groupId, groupId)) throw new GroupError("message of another group");
    return state;
  }

  async #nobody(): Promise<LeafKeys> {
    const { signKey, publicKey } = await this.#suite.signature.keygen();
    return { privateKey: signKey.slice(-32), publicKey, certificate: new Uint8Array() };
  }
}

function checkPackages(packages: readonly Uint8Array[], now: number): void {
  for (const bytes of packages) checkLifetime(readKeyPackage(bytes), now);
}
