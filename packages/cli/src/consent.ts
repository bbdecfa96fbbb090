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
 * Whoever types a fingerprint or a line at a terminal has it from its owner, and is not asked besides; elsewhere a message may have brought it.
 * @throws UsageError
 */
export function refuseUnlessMeant({ context }: Call, { yes, what }: Omit<Matter, "question">): void {
  if (yes !== true && !isByPerson(context))
    throw new UsageError(`${what} is for a person to say`, "give --yes if it is meant");
}

/** @returns whether it is meant @throws UsageError where nobody can be asked */
export async function agreed(call: Call, matter: Matter): Promise<boolean> {
  refuseUnlessMeant(call, matter);
  if (matter.yes === true) return true;
  const { context, out } = call;
  const { ask } = await import("./prompt.ts");
  const answer = await ask(context, `${matter.question} [y/N] `);
  const meant = /^y(es)?$/i.test(answer?.trim() ?? "");
  if (!meant) out.note("Nothing was changed.");
  return meant;
}
