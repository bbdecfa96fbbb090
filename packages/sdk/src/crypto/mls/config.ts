/** What we ask of the library in every group. */
import type { ClientConfig, GroupState } from "ts-mls";
import { defaultKeyPackageEqualityConfig } from "ts-mls/keyPackageEqualityConfig.js";
import { equal } from "../../protocol/index.ts";
import { LONGEST_LIFETIME } from "./key-package.ts";
import { type Authenticate, EPOCH_MESSAGES, type Group } from "./seam.ts";
import { leavesOf } from "./state.ts";

/** After the opening nobody's name, identity or device key may change: a leaf is one that the group has already. */
export function settled(state: GroupState): Group {
  const members = leavesOf(state);
  const known: Authenticate = (credential, key) =>
    Promise.resolve(members.some((leaf) => equal(leaf.credential, credential) && equal(leaf.signatureKey, key)));
  return { state: { ...state, clientConfig: configOf(known) } };
}

/** @param most Messages that a member encrypts in one epoch. */
export function configOf(authenticate: Authenticate, most: number = EPOCH_MESSAGES): ClientConfig {
  return {
    // A skipped generation's ratchet secret would open all that follow it (RFC 9420, section 9.2).
    keyRetentionConfig: {
      retainKeysForGenerations: 0,
      retainKeysForEpochs: 1,
      maximumForwardRatchetSteps: most - 1,
    },
    lifetimeConfig: { maximumTotalLifetime: LONGEST_LIFETIME, validateLifetimeOnReceive: false },
    keyPackageEqualityConfig: defaultKeyPackageEqualityConfig,
    paddingConfig: { kind: "padUntilLength", padUntilLength: 0 },
    authService: {
      validateCredential: (credential, key) =>
        credential.credentialType === "basic" ? authenticate(credential.identity, key) : Promise.resolve(false),
    },
  };
}
