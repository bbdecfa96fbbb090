/** What one addresses, as rows of the outbox have it: a contact by name, a team as `@KEY`, one of its members as `@KEY.NAME`. */
export type Address =
  | { kind: "pair"; name: string }
  | { kind: "team"; key: string }
  | { kind: "direct"; key: string; name: string };

export function teamAddress(key: string): string {
  return `@${key}`;
}

export function directAddress(key: string, name: string): string {
  return `@${key}.${name}`;
}

export function readAddress(to: string): Address {
  if (!to.startsWith("@")) return { kind: "pair", name: to };
  const [key = "", name] = to.slice(1).split(".");
  return name === undefined ? { kind: "team", key } : { kind: "direct", key, name };
}
