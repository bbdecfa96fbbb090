/** What somebody can do who has copies of a member's store, the library, and none of our rules: tries everything upon everything. */
import { decodeGroupSecrets } from "ts-mls/groupSecrets.js";
import { type ClientState, decodeMlsMessage, emptyPskIndex, type PrivateMessage, processPrivateMessage } from "ts-mls";
import { decryptWithLabel } from "ts-mls/crypto/hpke.js";
import { unprotectPrivateMessage } from "ts-mls/messageProtection.js";
import { mlsExporter } from "ts-mls/keySchedule.js";
import { decryptGroupInfo } from "ts-mls/welcome.js";
import { DIRECT, DIRECT_BYTES, directData, directKey, type DirectPlace } from "../../src/crypto/team/direct.ts";
import { openTree } from "../../src/crypto/team/sealed-tree.ts";
import { fileAssociatedData, HEADER_BYTES, opening } from "../../src/crypto/streaming.ts";
import { nodeCipher } from "../../src/node/segment-cipher.ts";
import { splitLengthPrefixed } from "../../src/protocol/index.ts";
import { privateMessageOf, stateOf, suite } from "../crypto/thief.ts";
import type { Copies } from "./copied-store.ts";
import { nameOf, type Sealed } from "./group-evidence.ts";

const NONCE = 12;
const SIGNATURE = 64;

export class GroupAttack {
  readonly #group: string;
  readonly #copies: Copies;
  /** By their epochs, in the order in which they came: who has followed has fewer keys of an epoch with each message. */
  readonly #states = new Map<number, ClientState[]>();
  /** Of direct frames. */
  readonly #exported = new Set<Uint8Array>();
  readonly #keys: Set<Uint8Array>;
  readonly #directKeys = new Map<Uint8Array, Map<string, Uint8Array>>();

  private constructor(group: string, copies: Copies) {
    this.#group = group;
    this.#copies = copies;
    this.#keys = new Set(copies.keys.values());
  }

  /** @param copies Of the store of somebody who was once in that group. */
  static async by(copies: Copies, group: string): Promise<GroupAttack> {
    const attack = new GroupAttack(group, copies);
    for (const encoded of copies.states.values()) {
      const state = stateOf(encoded);
      if (Buffer.from(state.groupContext.groupId).toString("hex") === group) await attack.#has(state);
    }
    return attack;
  }

  get states(): number {
    return [...this.#states.values()].flat().length;
  }

  get epochs(): number[] {
    return [...this.#states.keys()].toSorted((a, b) => a - b);
  }

  async #has(state: ClientState): Promise<void> {
    const epoch = Number(state.groupContext.epoch);
    const known = this.#states.get(epoch);
    known?.push(state);
    if (known !== undefined) return;
    this.#states.set(epoch, [state]);
    this.#exported.add(
      await mlsExporter(state.keySchedule.exporterSecret, DIRECT, new Uint8Array(), DIRECT_BYTES, suite),
    );
  }

  /** Names of what opens. Welcomes come first, since they have keys of trees, and commits in their order, since they may lead on. */
  async on(all: Sealed[]): Promise<Set<string>> {
    const kinds: Record<Sealed["kind"], (sealed: Sealed) => Promise<boolean>> = {
      welcome: (sealed) => this.#welcome(sealed),
      tree: (sealed) => this.#tree(sealed),
      commit: (sealed) => this.#message(sealed),
      message: (sealed) => this.#message(sealed),
      direct: (sealed) => this.#direct(sealed),
      file: (sealed) => this.#file(sealed),
    };
    const opened = new Set<string>();
    for (const [kind, open] of Object.entries(kinds))
      for (const sealed of all.filter((one) => one.kind === kind).toSorted((a, b) => a.epoch - b.epoch))
        if (await open(sealed)) opened.add(nameOf(sealed));
    return opened;
  }

  /** Every state is tried, and the first of each epoch also as if the message were of each epoch of which that has keys. */
  async #message({ bytes }: Sealed): Promise<boolean> {
    const message = privateMessageOf(bytes);
    for (const states of this.#states.values())
      for (const [index, state] of states.entries())
        for (const keys of [state.groupContext.epoch, ...state.historicalReceiverData.keys()])
          for (const epoch of index === 0 && keys !== message.epoch ? [message.epoch, keys] : [message.epoch])
            if (await opens(state, keys, { ...message, epoch })) {
              await this.#follow(state, message);
              return true;
            }
    return false;
  }

  /** A commit may lead to an epoch of which there is no copy. */
  async #follow(state: ClientState, message: PrivateMessage): Promise<void> {
    if (message.contentType !== "commit" || this.#states.has(Number(message.epoch) + 1)) return;
    const result = await processPrivateMessage(state, message, emptyPskIndex, suite).catch(() => undefined);
    if (result?.kind === "newState") await this.#has(result.newState);
  }

  async #direct({ bytes, id, epoch, from, to }: Sealed): Promise<boolean> {
    const place = { group: this.#group, epoch, from: from!, to: to!, messageId: id };
    const [nonce, ciphertext] = [bytes.slice(0, NONCE), bytes.slice(NONCE, -SIGNATURE)];
    return anyOf([...this.#exported, ...this.#keys], async (secret) => {
      const key = await this.#directKey(secret, place);
      await suite.hpke.decryptAead(key, nonce, directData(place), ciphertext);
    });
  }

  async #directKey(secret: Uint8Array, place: Pick<DirectPlace, "from" | "to">): Promise<Uint8Array> {
    const pair = `${place.from.name} ${place.to.name}`;
    const known = this.#directKeys.get(secret) ?? new Map<string, Uint8Array>();
    this.#directKeys.set(secret, known);
    const key = known.get(pair) ?? (await directKey(suite, secret, place));
    known.set(pair, key);
    return key;
  }

  /** By every key package, whosoever's it is made for. */
  async #welcome({ bytes }: Sealed): Promise<boolean> {
    const message = decodeMlsMessage(bytes, 0)?.[0];
    if (message?.wireformat !== "mls_welcome") throw new Error("not a Welcome");
    const { encryptedGroupInfo, secrets } = message.welcome;
    const { kemOutput, ciphertext } = secrets[0]!.encryptedGroupSecrets;
    return anyOf([...this.#copies.packages.values()], async (secret) => {
      for (const raw of (splitLengthPrefixed(secret) ?? []).slice(1)) {
        const key = await suite.hpke.importPrivateKey(raw);
        const open = decryptWithLabel(key, "Welcome", encryptedGroupInfo, kemOutput, ciphertext, suite.hpke);
        const encoded = await open.catch(() => undefined);
        if (encoded === undefined) continue;
        const { joinerSecret } = decodeGroupSecrets(encoded, 0)![0];
        const noPsk = new Uint8Array(suite.kdf.size);
        const info = await decryptGroupInfo(message.welcome, joinerSecret, noPsk, suite);
        for (const { extensionData } of info?.extensions ?? []) this.#keys.add(extensionData);
        return;
      }
      throw new Error("this one does not open it");
    });
  }

  #tree({ bytes, epoch }: Sealed): Promise<boolean> {
    return anyOf([...this.#exported, ...this.#keys], async (key) => {
      if ((await openTree(suite, bytes, key, { group: this.#group, epoch })) === undefined) throw new Error("closed");
    });
  }

  /** Of a file that has one segment. */
  #file({ bytes, id }: Sealed): Promise<boolean> {
    const header = bytes.slice(0, HEADER_BYTES);
    return anyOf([...this.#exported, ...this.#keys], async (key) => {
      const stream = await opening({ key, header, aad: fileAssociatedData(id), cipherOf: nodeCipher });
      await stream.open(0, bytes.slice(HEADER_BYTES), true);
    });
  }
}

/** Whether a message can be read by the keys of an epoch that a state has. */
async function opens(state: ClientState, keys: bigint, message: PrivateMessage): Promise<boolean> {
  const { keySchedule, clientConfig } = state;
  const past = state.historicalReceiverData.get(keys);
  const { secretTree, ratchetTree, groupContext, senderDataSecret } = past ?? { ...state, ...keySchedule };
  try {
    const { keyRetentionConfig } = clientConfig;
    const tree = [secretTree, ratchetTree, groupContext] as const;
    await unprotectPrivateMessage(senderDataSecret, message, ...tree, keyRetentionConfig, suite);
    return true;
  } catch {
    return false;
  }
}

async function anyOf<T>(all: T[], open: (one: T) => Promise<void>): Promise<boolean> {
  for (const one of all)
    try {
      await open(one);
      return true;
    } catch {
      // This one does not open it.
    }
  return false;
}
