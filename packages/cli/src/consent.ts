/** Trust and consent are a person's to give: at a terminal they are asked for, elsewhere only --yes says that it is meant. */
import type { Command } from "commander";
import type { Call } from "./call.ts";
import { UsageError } from "./errors.ts";
import { isByPerson } from "./sender.ts";

/** Whoever says it to a command that asks nothing may do so. */
export function addYesFlag(command: Command): Command {
  return command.option("-y, --yes", "do not ask");
}

interface Matter {
  yes: true | undefined;
  /** The decision, as in `accepting carol`. */
  what: string;
  question: string;
}

/**
 * Whoever types a fingerprint at a terminal has compared it, and is not asked besides; elsewhere a message may have brought it.
 * @throws UsageError
 */
export function agreedByFingerprint({ context }: Call, { yes, what }: Omit<Matter, "question">): void {
  if (yes !== true && !isByPerson(context))
    throw new UsageError(`${what} is for a person to say`, "give --yes if it is meant");
}

/** @returns whether it is meant @throws UsageError where nobody can be asked */
export async function agreed({ context, out }: Call, { yes, what, question }: Matter): Promise<boolean> {
  if (yes === true) return true;
  if (!isByPerson(context)) throw new UsageError(`${what} is for a person to say`, "give --yes if it is meant");
  const { ask } = await import("./prompt.ts");
  const answer = await ask(context, `${question} [y/N] `);
  const meant = /^y(es)?$/i.test(answer?.trim() ?? "");
  if (!meant) out.note("Nothing was changed.");
  return meant;
}
