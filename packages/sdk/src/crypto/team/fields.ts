/** Reading of length-prefixed fields [P-2.6]. */
import { equal, fromUtf8, splitLengthPrefixed, utf8 } from "../../protocol/index.ts";

/** The fields behind a context, if there are exactly so many; undefined if the bytes are anything else. */
export function fieldsOf(bytes: Uint8Array, context: string, count: number): Uint8Array[] | undefined {
  const [first, ...fields] = splitLengthPrefixed(bytes) ?? [];
  return first !== undefined && equal(first, utf8(context)) && fields.length === count ? fields : undefined;
}

/** A list of texts in one field. */
export function textsIn(field: Uint8Array): string[] | undefined {
  const texts = splitLengthPrefixed(field)?.map((text) => fromUtf8(text));
  return texts?.every((text) => text !== undefined) === true ? texts : undefined;
}

export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await globalThis.crypto.subtle.digest("SHA-256", new Uint8Array(bytes)));
}
