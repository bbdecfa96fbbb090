import type { Command } from "commander";
import type { Act, Call } from "../call.ts";
import { openOptions } from "../agent.ts";
import { isAgentError, UsageError } from "../errors.ts";
import { addPlaceFlags, agentWords, carryOut, type PlaceFlags, placeOf, unlessUneditable } from "../install/command.ts";
import type { Host } from "../hook/hosts.ts";

const EXAMPLES = `
Examples:
  aimessage -u alice install claude
  aimessage -u alice install codex --print
  aimessage -u alice install cursor --project

It writes three things where the host looks for them: the MCP server (\`aimessage -u alice mcp\`), hooks that say once when messages wait
(\`aimessage -u alice hook ...\`), and a skill that teaches the commands. All that is there already stays as it is, comments too. Again it changes nothing;
\`aimessage uninstall HOST\` takes it out again.
`;

export function configure(command: Command, act: Act): void {
  addPlaceFlags(command, "the assistant's program")
    .description("Set an assistant up to send and read messages as an agent: tools, hooks and a skill.")
    .option("--print", "show what would be written, and write nothing")
    .addHelpText("after", EXAMPLES)
    .action(act(install));
}

async function install(call: Call, options: PlaceFlags & { print?: true }, host: Host): Promise<void> {
  const place = placeOf(call, options);
  const { words, agent, home } = await agentWords(call);
  const program = words.slice(
    0,
    words.findIndex((word) => word.startsWith("-")),
  );
  if (program.some((word) => word.split(/[\\/]/).includes("_npx")))
    throw new UsageError("this program lies in npx's cache, which is emptied at times", "install it, or use a clone");
  const { planFor } = await import("../install/hosts.ts");
  const { installing } = await import("../install/install.ts");
  const { InstallRecord } = await import("../install/record.ts");
  const { skillFile } = await import("../install/skill.ts");
  const plan = planFor(host, place, words, skillFile(words));
  const record = new InstallRecord(home);
  await unlessUneditable(async () => {
    // All of it is known before anything is written.
    const changes = [];
    for (const wanted of plan.files) changes.push(await installing(wanted, record));
    await carryOut(call, { host, agent, place, changes, print: options.print === true });
    const changed = changes.some(({ kind }) => kind !== "none");
    if (changed && options.print !== true) {
      call.out.note(plan.next);
      if (await isSealed(call, agent))
        call.out.note(
          `The store of ${agent} is sealed, and hosts pass no variables on: name AIMESSAGE_PASSPHRASE_FILE in the env of the server that was written.`,
        );
    }
  });
}

/** Whether a server needs a passphrase, which whoever installs it may have in its own environment. */
async function isSealed(call: Call, username: string): Promise<boolean> {
  const { Agent } = await import("@aimessage/sdk/node");
  const { AIMESSAGE_PASSPHRASE, AIMESSAGE_PASSPHRASE_FILE } = call.context.env;
  try {
    await using _ = await Agent.open({ ...openOptions(call, "install"), username, create: false });
    return (AIMESSAGE_PASSPHRASE ?? AIMESSAGE_PASSPHRASE_FILE ?? "") !== "";
  } catch (error) {
    return isAgentError(error) && error.code === "wrong_passphrase";
  }
}
