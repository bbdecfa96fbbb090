import { AgentError } from "../errors.ts";
import { check } from "./arguments.ts";

/** Characters of a message id that are enough to name it, where people type it. */
export const ENOUGH = 6;
/** Ids that are named where several are meant. */
const NAMED = 5;

/**
 * The id that is meant by its beginning. What is none of these comes back as it is, so that it is refused like any other.
 * @throws AgentError usage if it is the beginning of several
 */
export function idMeantBy(typed: string, ids: Iterable<string>): string {
  check("text", { text: typed }, "message id");
  const found = new Set<string>();
  for (const id of ids) {
    if (id === typed) return id;
    if (typed.length >= ENOUGH && id.startsWith(typed)) found.add(id);
  }
  const [only, ...others] = found;
  if (only === undefined) return typed;
  if (others.length === 0) return only;
  const some = [only, ...others].slice(0, NAMED).join(", ");
  throw new AgentError("usage", `${typed} is the beginning of ${found.size} message ids`, {
    hint: `give more of it: ${some}${found.size > NAMED ? ", ..." : ""}`,
  });
}
