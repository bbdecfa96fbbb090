import { AgentError } from "../errors.ts";

/**
 * Work on one record, or on one thing that the relay has pushed, has failed by itself: whenever it is tried again, it fails
 * again. `at` is the record's key. Outside of the link, which sets it aside, it is an internal error like any other.
 */
export class Fault extends AgentError {
  override name = "AgentError";
  readonly at: string;

  constructor(at: string, cause: unknown) {
    super("internal", `${at}: ${textOf(cause)}`, { hint: "this is a fault of aimessage: please report it", cause });
    this.at = at;
  }
}

/** The parser's error quotes what is no JSON, and the content of a record is nobody's to read in a log. */
function textOf(cause: unknown): string {
  if (cause instanceof SyntaxError) return "the record cannot be read";
  return cause instanceof Error ? `${cause.name}: ${cause.message}`.slice(0, 200) : "an error without a name";
}

/** Errors of ours have been judged where they arose; those with a number are SQLite's or the system's. */
export function isFromBelow(error: unknown): boolean {
  if (error instanceof AgentError) return true;
  const { errcode, errno } = (error ?? {}) as { errcode?: unknown; errno?: unknown };
  return errcode !== undefined || errno !== undefined;
}
