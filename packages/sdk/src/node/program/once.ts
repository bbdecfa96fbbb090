/** The part of commander's `Command` that is needed here; commander is the programs' own. */
interface Parser {
  readonly options: readonly ParsedOption[];
  readonly commands: readonly Parser[];
  on(event: string, listener: () => void): unknown;
  error(message: string): never;
}

interface ParsedOption {
  readonly flags: string;
  /** Takes several values, also each behind the option's name again. */
  readonly variadic: boolean;
  /** May be given again, with a value each time. */
  readonly repeatable?: boolean;
  name(): string;
  attributeName(): string;
}

/**
 * Has a command, and those below it, refuse an option that is given again, before or after a command's name: of two values one
 * would be dropped without a word. To be called when the options are there. `seen` is of one command line.
 */
export function eachOptionOnce(command: Parser, seen: Set<string>): void {
  for (const option of command.options) {
    if (option.variadic || option.repeatable === true) continue;
    command.on(`option:${option.name()}`, () => {
      if (seen.has(option.attributeName()))
        command.error(`error: option '${option.flags}' is given more than once\ngive it once`);
      seen.add(option.attributeName());
    });
  }
  for (const below of command.commands) eachOptionOnce(below, seen);
}
