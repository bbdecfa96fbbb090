/** What every body says of itself, so that whoever gets it can tell whether it was meant for them. */
export interface Marker {
  /** Lower-case name of the recipient. */
  to: string;
  /** Lower-case name of the sender. */
  from: string;
  /** Group in which it was sent. */
  group: string | undefined;
}

const PREFIX = "fuzz";
let count = 0;

/** A body in base64, of `size` more bytes: no two are the same. */
export function mark({ to, from, group }: Marker, size = 0): string {
  const text = JSON.stringify([PREFIX, to.toLowerCase(), from, group ?? "", ++count, "x".repeat(size)]);
  return Buffer.from(text).toString("base64");
}

/** Undefined if a body is none of ours. */
export function readMarker(body: unknown): Marker | undefined {
  // The beginning of the prefix in base64.
  if (typeof body !== "string" || !body.startsWith("WyJmdXp6I")) return undefined;
  try {
    const [, to, from, group] = JSON.parse(Buffer.from(body, "base64").toString()) as [string, string, string, string];
    return { to, from, group: group === "" ? undefined : group };
  } catch {
    return undefined;
  }
}
