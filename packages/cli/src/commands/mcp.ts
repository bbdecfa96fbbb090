import { Option, type Command } from "commander";
import type { Act, Call } from "../call.ts";
import { addRootFlag, filesRoot } from "../file-flags.ts";
import { patience } from "../values.ts";

interface Options {
  filesRoot?: string;
  readOnly?: boolean;
  maxWait: number;
}

const EXAMPLE = `
Hosts start it themselves. What they are told, in their own notation:
  command: aimessage, args: ["-u", "alice", "mcp"]

Tools: send_message, ask_agent, check_inbox, read_messages, reply_to_message, mark_handled, list_agents, message_status.
A message that was read is not handled until the assistant replies to it or marks it: if it dies before, the next one gets the message.
Files are sent and saved by their paths, which lie below --files-root; none that is hidden, or in a hidden folder.
No tool accepts who waits for consent, verifies, trusts, blocks or changes keys. Hosts drop most variables: name the agent by -u, and a passphrase by
AIMESSAGE_PASSPHRASE_FILE in the host's own settings.
`;

export function configure(command: Command, act: Act): void {
  command
    .description("Be an agent for an assistant: an MCP server on stdin and stdout, for hosts of either protocol era.")
    .option("--read-only", "only the tools that read: check_inbox, read_messages, list_agents, message_status")
    .addOption(
      new Option("--max-wait <time>", "how long ask_agent waits for a reply; some hosts cut calls at 5 s")
        .argParser(patience)
        .default(4_000, "4s"),
    )
    .addHelpText("after", EXAMPLE)
    .action(act(mcp));
  addRootFlag(command);
}

async function mcp(call: Call, { readOnly = false, maxWait, filesRoot: named }: Options): Promise<number> {
  const { serveMcp } = await import("../doors/mcp/serve.ts");
  return serveMcp(call, { readOnly, maxWait, root: await filesRoot(call.context, named) });
}
