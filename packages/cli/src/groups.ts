import type { Command } from "commander";
import type { Act, Call, Handler } from "./call.ts";
import { UsageError } from "./errors.ts";

/** Makes a command that has commands of its own list where none is named, and refuse one that it does not have. */
export function listUnlessNamed<O>(command: Command, act: Act, list: Handler<O, []>): Command {
  const listOrRefuse = (call: Call, options: O, named: string | undefined): Promise<number | void> => {
    if (named === undefined) return list(call, options);
    const names = command.commands.map((each) => each.name());
    const all = `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
    throw new UsageError(`unknown command '${command.name()} ${named}'`, `${command.name()} has the commands ${all}`);
  };
  return command.helpCommand(false).usage("[options] [command]").argument("[command]").action(act(listOrRefuse));
}
