/** A character that ends a text in a list, or begins another meaning. */
const SPECIAL = /["\\]/g;

/**
 * A value as the engine takes it. Lists are written here, in one pass (https://www.postgresql.org/docs/15/arrays.html#ARRAYS-IO):
 * the library takes three, and most of what is sent are lists.
 * @throws TypeError for what is none of null, undefined, string, number, bigint, boolean, bytes, and lists of these. The library would find out while
 * it sends: then a batch lacks one of its statements, and is committed.
 */
export function parameterOf(value: unknown): unknown {
  if (!Array.isArray(value)) {
    if (!isPlain(value)) throw strange(value);
    return value;
  }
  let text = "{";
  for (let at = 0; at < value.length; at++) text += at === 0 ? elementOf(value[at]) : `,${elementOf(value[at])}`;
  return `${text}}`;
}

function elementOf(value: unknown): string {
  switch (typeof value) {
    case "number":
    case "bigint":
      return String(value);
    case "string":
      return `"${value.replace(SPECIAL, "\\$&")}"`;
    case "boolean":
      return value ? "t" : "f";
    case "undefined":
      return "NULL";
    default:
      if (value === null) return "NULL";
      if (!ArrayBuffer.isView(value)) throw strange(value);
      return `"\\\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex")}"`;
  }
}

function isPlain(value: unknown): boolean {
  return (
    value === null ||
    ["undefined", "string", "number", "bigint", "boolean"].includes(typeof value) ||
    ArrayBuffer.isView(value)
  );
}

function strange(value: unknown): TypeError {
  return new TypeError(`A statement was given a value that it cannot take: ${typeof value}`);
}
