/** Who is in a team: what the certificates in the leaves of its tree say. */
import { equal, readCertificate } from "../../protocol/index.ts";
import type { Authenticate } from "../mls/seam.ts";
import type { Leaf } from "../mls/team-seam.ts";
import type { Primitives } from "../primitives.ts";

/** What a certificate says of whom it is of. */
export interface Certified {
  /** Lower case. */
  name: string;
  device: string;
  /** Rises with each device of an identity. */
  counter: number;
  identityKey: Uint8Array;
  deviceKey: Uint8Array;
  certificate: Uint8Array;
}

export interface TeamMember extends Certified {
  leaf: number;
}

/** Decides about a leaf by the certificate in it: it must be right, and the leaf signs by the key that it is for. */
export function certified({ signature }: Primitives): Authenticate {
  return async (certificate, signatureKey) => {
    const read = await readCertificate(certificate, (...signed) => signature.verify(...signed)).catch(() => undefined);
    return read !== undefined && equal(read.deviceKey, signatureKey);
  };
}

const read = new WeakMap<Uint8Array, Certified>();

/**
 * What a certificate says, or undefined if it is none. Whether it is signed is not looked at again: whoever is in a tree has been let in by
 * {@link certified}, and reading a thousand of them must be quick.
 */
export async function certifiedBy(certificate: Uint8Array): Promise<Certified | undefined> {
  let known = read.get(certificate);
  if (known !== undefined) return known;
  const parsed = await readCertificate(certificate, () => true);
  if (parsed === undefined) return undefined;
  const { username, deviceId, counter, identityKey, deviceKey } = parsed;
  known = { name: username, device: deviceId, counter, identityKey, deviceKey, certificate };
  read.set(certificate, known);
  return known;
}

/** The members of a group, by leaf. Leaves without a certificate are none. */
export async function rosterOf(leaves: readonly Leaf[]): Promise<TeamMember[]> {
  const roster: TeamMember[] = [];
  for (const leaf of leaves) {
    const member = await memberAt(leaf);
    if (member !== undefined) roster.push(member);
  }
  return roster;
}

/** Who a leaf is of: a member, or whoever has sent a message or a commit. */
export async function memberAt({ index, certificate }: Leaf): Promise<TeamMember | undefined> {
  const said = await certifiedBy(certificate);
  return said && { ...said, leaf: index };
}
