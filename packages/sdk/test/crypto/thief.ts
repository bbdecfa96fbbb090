/** What someone can do who has a copy of a state and the library, but none of our rules. */
import {
  type CiphersuiteImpl,
  type ClientState,
  decodeGroupState,
  decodeMlsMessage,
  emptyPskIndex,
  getCiphersuiteFromName,
  type PrivateMessage,
  processPrivateMessage,
} from "ts-mls";
import { defaultClientConfig } from "ts-mls/clientConfig.js";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { CIPHER_SUITE } from "../../src/protocol/index.ts";

export const suite = (await nodeCryptoProvider.getCiphersuiteImpl(
  getCiphersuiteFromName(CIPHER_SUITE),
)) as CiphersuiteImpl;

export function stateOf(encoded: Uint8Array): ClientState {
  const decoded = decodeGroupState(encoded.slice(), 0);
  if (decoded === undefined) throw new Error("not a state");
  const keyRetentionConfig = {
    retainKeysForGenerations: 9999,
    retainKeysForEpochs: 9999,
    maximumForwardRatchetSteps: 9999,
  };
  return { ...decoded[0], clientConfig: { ...defaultClientConfig, keyRetentionConfig } };
}

export function privateMessageOf(bytes: Uint8Array): PrivateMessage {
  const message = decodeMlsMessage(bytes, 0)?.[0];
  if (message?.wireformat !== "mls_private_message") throw new Error("not a PrivateMessage");
  return message.privateMessage;
}

export class Thief {
  #state: ClientState;

  constructor(stolen: Uint8Array) {
    this.#state = stateOf(stolen);
  }

  /** The text of a message, "commit" for a commit that could be followed, undefined if nothing could be read. */
  async read(message: Uint8Array): Promise<string | undefined> {
    try {
      const result = await processPrivateMessage(this.#state, privateMessageOf(message), emptyPskIndex, suite);
      this.#state = result.newState;
      return result.kind === "applicationMessage" ? new TextDecoder().decode(result.message) : "commit";
    } catch {
      return undefined;
    }
  }
}
