/** Vectors for other languages, as tests read them. */
import { readFileSync } from "node:fs";

/** A field of signed bytes, as `vectors/README.md` has it. */
export type VectorField = { text: string } | { number: number } | { hex: string } | { list: VectorField[] };

/** The vectors of a file that have something, by that. */
export function vectorsWith<T>(file: string, name: keyof T & string): (T & { clause: string; what: string })[] {
  const text = readFileSync(new URL(`../vectors/${file}.json`, import.meta.url), "utf8");
  const found = (JSON.parse(text) as (T & { clause: string; what: string })[]).filter((vector) => name in vector);
  if (found.length === 0) throw new Error(`vectors/${file}.json has nothing with ${name}`);
  return found;
}

export const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Signed bytes of fields [P-2.6], by nothing of ours. */
export function encoded(fields: readonly VectorField[]): Buffer {
  return Buffer.concat(
    fields.flatMap((field) => {
      const bytes = contentOf(field);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return [length, bytes];
    }),
  );
}

function contentOf(field: VectorField): Buffer {
  if ("text" in field) return Buffer.from(field.text);
  if ("hex" in field) return Buffer.from(field.hex, "hex");
  if ("list" in field) return encoded(field.list);
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(field.number));
  return bytes;
}
