/** A secret, which nobody but its reader may know: it comes from a file, from stdin or from the terminal, and never from the command line. */
import { addAbortSignal } from "node:stream";
import type { Command } from "commander";
import type { Call } from "./call.ts";
import type { Context } from "./context.ts";
import { UsageError } from "./errors.ts";
import { readNamed, wholePath } from "./files.ts";
import { ask, type HasMore } from "./prompt.ts";

/** Longer than any of them. Bytes. */
const MOST = 4_096;

/** A flag that names where a secret is: `@FILE`, `-` for stdin, or alone: whoever sits at the terminal is asked. */
export type Where = string | true;

/** How a secret is asked for. */
interface Question {
  /** The flag, as it is typed. */
  flag: string;
  /** The question at the terminal. */
  text: string;
  hidden?: boolean;
  hasMore?: HasMore;
}

/** @throws UsageError, AbortError */
export async function readSecret(
  context: Context,
  where: Where,
  { flag, text, hidden, hasMore }: Question,
): Promise<string> {
  const atTerminal = context.stdin.isTTY === true && (where === true || where === "-");
  const given = atTerminal
    ? await ask(context, text, { hidden: hidden === true, hasMore })
    : where === true || where === "-"
      ? await readStdin(context)
      : await readFile(context, where, flag);
  const secret = (given ?? "").trim();
  if (secret === "") throw new UsageError(`${flag}: nothing was given`, `${flag} @FILE, or ${flag} - and a pipe`);
  if (secret.length > MOST) throw new UsageError(`${flag}: that is too long`, "check what it was taken from");
  return secret;
}

async function readFile(context: Context, where: string, flag: string): Promise<string> {
  refuseOpenSecret(where, flag);
  return readNamed(wholePath(context, where.slice(1)));
}

/** @throws UsageError if it is the secret itself and not where it is */
export function refuseOpenSecret(where: Where, flag: string): void {
  if (where === true || where === "-" || where.startsWith("@")) return;
  throw new UsageError(
    `${flag}: a secret on the command line can be read by others`,
    `write it into a file, and give ${flag} @FILE`,
  );
}

/** All of stdin, as far as a secret is long. */
export async function readStdin({ stdin, interrupted }: Context): Promise<string> {
  addAbortSignal(interrupted, stdin);
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of stdin) {
    parts.push(Buffer.from(part as string));
    length += parts.at(-1)?.length ?? 0;
    if (length > MOST) break;
  }
  return Buffer.concat(parts).toString("utf8");
}

/** An option of commands that may register. */
export interface Invited {
  invite?: Where;
}

export function addInviteFlag(command: Command): Command {
  return command.option(
    "--invite [where]",
    "the relay's invite, where it registers by invite: @FILE, - for stdin, or nothing to be asked",
  );
}

/** @throws UsageError */
export async function readInvite({ context }: Call, invite: Where | undefined): Promise<string | undefined> {
  if (invite === undefined) return undefined;
  return readSecret(context, invite, { flag: "--invite", text: "The relay's invite: ", hidden: true });
}
