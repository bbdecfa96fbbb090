/** What is wrong with a PostgreSQL, or with what was said of it. Its driver is not loaded for that. */
export function explainEngine(
  error: Error & { hint?: unknown; code?: string },
): [message: string, hint: string] | undefined {
  const { name, message, hint } = error;
  const { code = "" }: { code?: string } = name === "LinkError" ? (error.cause ?? {}) : error;
  const [, advice] = ENGINE_ADVICE.find(([codes]) => codes.test(code)) ?? [];
  if (name === "AddressError") return [message, "check --store or AIMESSAGE_STORE"];
  if (name === "EngineError") return [message, String(hint)];
  if (name === "LinkError")
    return [message, advice ?? "check --store, and that PostgreSQL runs there with this database and user"];
  return advice === undefined ? undefined : [`PostgreSQL says: ${message}`, advice];
}

/** By the engine's codes (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
const ENGINE_ADVICE: [codes: RegExp, advice: string][] = [
  [/^28/, "check the user in --store, and PGPASSWORD or the file in PGPASSFILE"],
  [/^3D/, "make the database first: createdb aimessage"],
  [/^25006$/, "it is not to be read only for the user of --store"],
  [/^(42501|3F000)$/, "the user of --store must own its database, or may make schemas in it"],
  [/^53/, "give PostgreSQL more room, or more connections: each relay takes three"],
];
