import type { Command } from "commander";
import type { Act, Call } from "../call.ts";
import { addPlaceFlags, carryOut, homeOf, type PlaceFlags, placeOf, unlessUneditable } from "../install/command.ts";
import type { Host } from "../hook/hosts.ts";

const EXAMPLE = `
Example:
  aimessage uninstall claude

Nothing but what \`install\` has written is taken out; what nobody else has changed since is then as it was before, byte for byte. No old copy is put
back.
`;

export function configure(command: Command, act: Act): void {
  addPlaceFlags(command, "the assistant's program")
    .description("Take out what `install` has put into an assistant's settings.")
    .option("--print", "show what would be taken out, and write nothing")
    .addHelpText("after", EXAMPLE)
    .action(act(uninstall));
}

async function uninstall(call: Call, options: PlaceFlags & { print?: true }, host: Host): Promise<void> {
  const place = placeOf(call, options);
  const { planFor } = await import("../install/hosts.ts");
  const { uninstalling } = await import("../install/install.ts");
  const { InstallRecord } = await import("../install/record.ts");
  const { skillFile } = await import("../install/skill.ts");
  // The agent's name does not matter: whatever it is, the entries are ours.
  const plan = planFor(host, place, ["aimessage"], skillFile());
  const record = new InstallRecord(await homeOf(call));
  await unlessUneditable(async () => {
    const changes = [];
    // The other way round: folders that were made for several of them go with the last.
    for (const wanted of plan.files.toReversed()) changes.push(await uninstalling(wanted, record));
    await carryOut(call, { host, place, changes, print: options.print === true });
  });
}
