/** A member of a team who has the library, but none of our rules, and perhaps a suite that lies. */
import {
  type CiphersuiteImpl,
  type ClientState,
  createCommit,
  type CreateCommitOptions,
  type CreateCommitResult,
  encodeMlsMessage,
  type KeyPackage,
  type Proposal,
} from "ts-mls";
import { stateOf } from "../../src/crypto/mls/state.ts";
import { utf8 } from "../../src/protocol/index.ts";
import type { Crypto, Member } from "./team.ts";

/** The suite as the library takes it. */
export const suiteOf = ({ teams }: Crypto): CiphersuiteImpl => teams.primitives as CiphersuiteImpl;

/** The group of somebody who takes every certificate. */
export function trusting(member: Pick<Member, "group">): ClientState {
  const state = stateOf(member.group);
  return { ...state, clientConfig: { ...state.clientConfig, authService: { validateCredential: async () => true } } };
}

export async function lawless(
  crypto: Crypto,
  by: Pick<Member, "group">,
  options: CreateCommitOptions = {},
  cipherSuite: CiphersuiteImpl = suiteOf(crypto),
): Promise<CreateCommitResult & { bytes: Uint8Array }> {
  const made = await createCommit({ state: trusting(by), cipherSuite }, options);
  return { ...made, bytes: encodeMlsMessage(made.commit) };
}

export function add(keyPackage: KeyPackage): Proposal {
  return { proposalType: "add", add: { keyPackage } };
}

export function remove(removed: number): Proposal {
  return { proposalType: "remove", remove: { removed } };
}

export function settings(text: string): Proposal {
  const extensions = [{ extensionType: 0xf0a1, extensionData: utf8(text) }];
  return { proposalType: "group_context_extensions", groupContextExtensions: { extensions } };
}
