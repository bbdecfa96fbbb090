/** What a member signs so that any other one may commit it: that it leaves, or that it is to be added anew in its own place. [P-15.5] */
import { concat, equal, fromUint64, fromUtf8, lengthPrefixed } from "../../protocol/index.ts";
import type { Primitives } from "../primitives.ts";
import { fieldsOf, sha256 } from "./fields.ts";

export interface Statement {
  kind: "leave" | "rejoin";
  /** The group's id in hex. */
  group: string;
  /** Lower case. */
  name: string;
  device: string;
  epoch: number;
  /** SHA-256 of the leaf node that it speaks of. It dies with that. */
  leaf: Uint8Array;
}

/** Epochs in which a statement holds, from the one that it names on. */
export const STATEMENT_EPOCHS = 64;

const CONTEXTS = { leave: "aimessage leave 1", rejoin: "aimessage rejoin 1" } as const;

/** The bytes that are signed. */
export function statementBytes({ kind, group, name, device, epoch, leaf }: Statement): Uint8Array {
  return lengthPrefixed(CONTEXTS[kind], group, name, device, epoch, leaf);
}

/** @param privateKey Of the device that is in the group, or is to be. */
export async function signStatement(
  primitives: Primitives,
  statement: Statement,
  privateKey: Uint8Array,
): Promise<Uint8Array> {
  const bytes = statementBytes(statement);
  return concat(bytes, lengthPrefixed(await primitives.signature.sign(privateKey, bytes)));
}

/** What a leaf node is called in statements. */
export const leafDigest: (leafNode: Uint8Array) => Promise<Uint8Array> = sha256;

/** A statement and its signature, which is not verified, or undefined if the bytes are none. */
export function readStatement(bytes: Uint8Array): (Statement & { signature: Uint8Array }) | undefined {
  for (const kind of ["leave", "rejoin"] as const) {
    const [group, name, device, epoch, leaf, signature] = fieldsOf(bytes, CONTEXTS[kind], 6) ?? [];
    if (!group || !name || !device || !epoch || !leaf || !signature) continue;
    const [groupText, nameText, deviceText] = [fromUtf8(group), fromUtf8(name), fromUtf8(device)];
    const epochNumber = fromUint64(epoch);
    if (groupText === undefined || nameText === undefined || deviceText === undefined) return undefined;
    if (epochNumber === undefined || leaf.length !== 32 || signature.length !== 64) return undefined;
    return { kind, group: groupText, name: nameText, device: deviceText, epoch: epochNumber, leaf, signature };
  }
  return undefined;
}

/** Whether the holder of a device key has signed a statement. */
export async function isSignedBy(
  primitives: Primitives,
  statement: Statement & { signature: Uint8Array },
  deviceKey: Uint8Array,
): Promise<boolean> {
  try {
    return await primitives.signature.verify(deviceKey, statementBytes(statement), statement.signature);
  } catch {
    return false;
  }
}

/** Whether a statement holds for a leaf in a commit that ends an epoch. */
export function holdsFor(
  statement: Statement,
  kind: Statement["kind"],
  member: { name: string; device: string },
  place: { group: string; epoch: number; leaf: Uint8Array },
): boolean {
  const age = place.epoch - statement.epoch;
  return (
    statement.kind === kind &&
    statement.group === place.group &&
    statement.name === member.name &&
    statement.device === member.device &&
    age >= 0 &&
    age < STATEMENT_EPOCHS &&
    equal(statement.leaf, place.leaf)
  );
}
