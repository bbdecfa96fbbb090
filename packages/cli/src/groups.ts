import type { Command } from "commander";
import type { Act, Call, Handler } from "./call.ts";
import { UsageError } from "./errors.ts";
import { together } from "./names.ts";
import { nearest } from "./nearest.ts";

/** Makes a command that has commands of its own list where none is named, and refuse one that it does not have. */
export function listUnlessNamed<O>(command: Command, act: Act, list: Handler<O, []>): Command {
  const listOrRefuse = (call: Call, options: O, named: string | undefined): Promise<number | void> => {
    if (named === undefined) return list(call, options);
    const [name, names] = [command.name(), command.commands.map((each) => each.name())];
    const near = nearest(named, names);
    const meant = near === undefined ? "" : `did you mean: aimessage ${name} ${near}; `;
    const all = `${name} has the commands ${together(names)}`;
    throw new UsageError(`unknown command '${name} ${named}'`, meant + all);
  };
  return (
    command
      .helpCommand(false)
      .usage("[options] [command]")
      .argument("[command]")
      // Of a command that is not there its arguments say nothing.
      .allowExcessArguments()
      .action(act(listOrRefuse))
  );
}
