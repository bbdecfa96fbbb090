/** What the programs of lab have in common as commands. */
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";

/** The command line is wrong; the message says what. */
export class UsageError extends Error {}

/** Runs a program. Its exit code is 2, and `usage` is printed, if its command line is wrong; it is 1 if it fails. */
export async function main(usage: string, program: (args: string[]) => Promise<void>): Promise<void> {
  const args = process.argv.slice(2);
  if (args.includes("--help")) return void process.stdout.write(`${usage}\n`);
  try {
    await program(args);
  } catch (error) {
    if (error instanceof UsageError) fail(`${error.message}\n${usage}`, 2);
    fail(error instanceof Error ? `${error.stack}` : String(error));
  }
}

/** Says what is wrong, and ends this process whatever still goes on in it. */
export function fail(text: string, exitCode = 1): never {
  process.stderr.write(`error: ${text}\n`);
  process.exit(exitCode);
}

/** @throws UsageError */
export function parse<T extends ParseArgsOptionsConfig>(args: string[], options: T) {
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** The whole number that a flag was given. @throws UsageError */
export function whole(flag: string, text: string, { least, most }: { least: number; most?: number }): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= least && number <= (most ?? Number.MAX_SAFE_INTEGER)) return number;
  const range = most === undefined ? `, at least ${least},` : ` from ${least} to ${most},`;
  throw new UsageError(`--${flag} needs a whole number${range} not '${text}'`);
}

/** Says how far it is: in one line that changes in a terminal, in a line each elsewhere. */
export function progress(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\u{1b}[K${text}` : `${text}\n`);
}

/** Removes what {@link progress} has left in a terminal. */
export function endProgress(): void {
  if (process.stderr.isTTY) progress("");
}
