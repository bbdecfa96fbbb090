import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";

/** Stands in Node in the place of bytes of an argument that are no UTF-8. */
const REPLACEMENT = "\u{fffd}";

/**
 * An argument that is not what was typed, since that was no UTF-8 text; undefined if none is. One in which U+FFFD was typed is
 * as it should be, where the system can tell.
 */
export function garbledArgument(
  argv: readonly string[],
  typed: () => Uint8Array | undefined = commandLine,
): string | undefined {
  const suspect = argv.find((word) => word.includes(REPLACEMENT));
  if (suspect === undefined) return undefined;
  const bytes = typed();
  return bytes !== undefined && isUtf8(bytes) ? undefined : suspect;
}

/** The command line of this process, byte by byte; undefined where there is no /proc. */
function commandLine(): Uint8Array | undefined {
  try {
    return readFileSync("/proc/self/cmdline");
  } catch {
    return undefined;
  }
}

/**
 * A command line that asks for help by a word, as one that asks by the flag: `help send`, and `backup help`, which would make a
 * file of that name.
 * @param isHelp Whether `help` behind this command can be nothing else.
 */
export function withHelpFlag(argv: readonly string[], isHelp: (command: string) => boolean): string[] {
  const [first = "", second, ...rest] = argv;
  if (first === "help") return [...argv.slice(1), "--help"];
  return second === "help" && isHelp(first) ? [first, ...rest, "--help"] : [...argv];
}

/** An error of commander's as a sentence and what to do: what it takes for meant, or `otherwise`. */
export function explainParser(said: string, otherwise: string): { message: string; hint: string } {
  const [message = "", suggestion] = said.replace(/^error: /, "").split("\n");
  const choice = /^command-argument value '(.*)' is invalid for argument '(.*)'\. Allowed choices are (.*)\.$/s.exec(
    message,
  );
  if (choice !== null) return { message: `'${choice[1]}' is no ${choice[2]}`, hint: `it is one of ${choice[3]}` };
  return { message, hint: suggestion?.replace(/^\(Did you mean (.*)\?\)$/, "did you mean $1?") ?? otherwise };
}
