/** The authenticated data of a team's commit: what it says of itself outside of its encryption, where the relay can read it. [P-15.4] */
import { fromUtf8, Id, lengthPrefixed, splitLengthPrefixed, Username, usernameKey } from "../../protocol/index.ts";
import { fieldsOf, textsIn } from "./fields.ts";

/** A device of somebody. The name is in lower case. */
export interface NamedDevice {
  name: string;
  device: string;
}

export interface CommitData {
  commitId: string;
  /** In the order of the proposals, as `removed`. */
  added: readonly NamedDevice[];
  removed: readonly NamedDevice[];
  /** As their makers signed them. */
  statements: readonly Uint8Array[];
}

const CONTEXT = "aimessage commit 2";

export function encodeCommitData({ commitId, added, removed, statements }: CommitData): Uint8Array {
  return lengthPrefixed(CONTEXT, commitId, encodeDevices(added), encodeDevices(removed), lengthPrefixed(...statements));
}

/** The data, or undefined if the bytes are none. */
export function decodeCommitData(bytes: Uint8Array): CommitData | undefined {
  const [id, added, removed, statements] = fieldsOf(bytes, CONTEXT, 4) ?? [];
  if (!id || !added || !removed || !statements) return undefined;
  const data = {
    commitId: fromUtf8(id) ?? "",
    added: decodeDevices(added),
    removed: decodeDevices(removed),
    statements: splitLengthPrefixed(statements),
  };
  if (!Id.safeParse(data.commitId).success) return undefined;
  return data.added && data.removed && data.statements && (data as CommitData);
}

function encodeDevices(devices: readonly NamedDevice[]): Uint8Array {
  return lengthPrefixed(...devices.map(({ name, device }) => lengthPrefixed(name, device)));
}

function decodeDevices(field: Uint8Array): NamedDevice[] | undefined {
  const devices: NamedDevice[] = [];
  for (const one of splitLengthPrefixed(field) ?? [new Uint8Array(1)]) {
    const [name, device, ...others] = textsIn(one) ?? [];
    if (name === undefined || device === undefined || others.length > 0) return undefined;
    if (!Username.safeParse(name).success || name !== usernameKey(name) || !Id.safeParse(device).success)
      return undefined;
    devices.push({ name, device });
  }
  return devices;
}
