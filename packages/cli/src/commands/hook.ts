import { Option, type Command } from "commander";
import type { Act, Call } from "../call.ts";
import type { HookCall } from "../hook/call.ts";
import { answerHook } from "../hook/hook.ts";
import { hosts } from "../hook/hosts.ts";

const EXAMPLE = `
Example:
  aimessage -u alice hook Stop --for claude

\`aimessage install HOST\` sets hooks up. The event is the host's own name for it. The host's JSON comes on stdin, and what the host takes is printed:
at the end of a turn a nudge for each new batch of messages, once for each session; at its start, and after tools, the same beside the conversation.
Counts and names, no texts. It reads and takes nothing, and says nothing to subagents, when there is nothing new, or when anything is wrong. A wrong
call ends with 1 here: by 2 a host would make the turn go on.
`;

export function configure(command: Command, act: Act): void {
  command
    .description("Say to an assistant that messages wait. Called by its host, as `install` sets it up.")
    .argument("<event>", "what has happened, by the host's name for it")
    .addOption(new Option("--for <host>", "whose hook it is").choices(Object.keys(hosts)).makeOptionMandatory())
    .addHelpText("after", EXAMPLE)
    .action(act(hook));
}

async function hook(
  { context, settings, out }: Call,
  options: { for: HookCall["host"] },
  event: string,
): Promise<void> {
  const { home, username } = settings;
  const answer = await answerHook({ event, host: options.for, home, username }, context.stdin, context);
  if (answer !== undefined) await out.data([JSON.stringify(answer)], answer);
}
