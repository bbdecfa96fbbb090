import { type Command, InvalidArgumentError, Option } from "commander";
import { openAgent } from "../agent.ts";
import type { Act, Call } from "../call.ts";
import { addYesFlag, agreed } from "../consent.ts";
import { listUnlessNamed } from "../groups.ts";
import { counted } from "../counted.ts";
import { localTime } from "../times.ts";
import { table } from "@aimessage/sdk/program";
import { usernameKey } from "@aimessage/sdk/protocol";
import type { GuardLimits } from "@aimessage/sdk/node";

const EXAMPLES = `
Examples:
  aimessage guard                        limits, and whose messages wait
  aimessage guard release bob
  aimessage guard set --answers-per-exchange 20 --yes

Two programs that answer each other would do so for ever. What no person has written is counted: 50 answers in one exchange, of both sides or
of a ring, each because of the one before; and for each contact 10000 answers of ours in a day however they hang together; and of what comes 100000 messages in an hour, 4 GiB in a day. A trusted
contact may have ten times as much. Beyond it what comes waits, a thousand messages of a contact for 7 days, and you are told. What a person sends or
answers at a terminal counts anew. Answers to questions (ask) are not counted.
`;

/** Flags by the limit that they set. */
const FLAGS: Record<keyof GuardLimits, { flag: string; about: string }> = {
  answers_per_exchange: {
    flag: "--answers-per-exchange <n>",
    about: "answers in one exchange without a person",
  },
  answers_per_day: { flag: "--answers-per-day <n>", about: "answers of ours to one contact in a day without a person" },
  messages_per_hour: { flag: "--messages-per-hour <n>", about: "messages of one contact in an hour" },
  bytes_per_day: { flag: "--bytes-per-day <n>", about: "bytes of one contact's messages in a day" },
};

export function configure(command: Command, act: Act): void {
  listUnlessNamed(command, act, list)
    .description("Limits that stop programs which answer each other without end. Without a command: list.")
    .addHelpText("after", EXAMPLES);
  command
    .command("list")
    .description("Show the limits, and whose messages wait since they were reached.")
    .addHelpText("after", "\nExample:\n  aimessage guard list --json\n")
    .action(act(list));
  addYesFlag(command.command("release <name>"))
    .description("Let in what of a contact waits, and count anew.")
    .addHelpText("after", "\nExample:\n  aimessage guard release bob\n")
    .action(act(release));
  const set = addYesFlag(command.command("set"))
    .description("Change limits.")
    .addHelpText("after", "\nExample:\n  aimessage guard set --messages-per-hour 100\n")
    .action(act(change));
  for (const { flag, about } of Object.values(FLAGS))
    set.addOption(new Option(flag, `${about}; or default`).argParser(limit));
}

async function list(call: Call): Promise<void> {
  await using agent = await openAgent(call, "guard");
  const [limits, waiting] = [await agent.guard.limits(), await agent.guard.list()];
  const rows = waiting.map(({ username, messages, lastAt }) => [username, String(messages), localTime(lastAt)]);
  const names = Object.keys(FLAGS) as (keyof GuardLimits)[];
  await call.out.data(
    [
      ...(rows.length === 0 ? ["Nothing waits."] : table([["NAME", "MESSAGES", "LAST"], ...rows])),
      "",
      ...table(names.map((name) => [name.replaceAll("_", " "), String(limits[name])])),
    ],
    {
      limits,
      waiting: waiting.map(({ username, messages, firstAt, lastAt }) => ({
        username,
        messages,
        first_at: firstAt,
        last_at: lastAt,
      })),
    },
  );
}

async function release(call: Call, { yes }: { yes?: true }, name: string): Promise<number> {
  await using agent = await openAgent(call, "guard");
  const waiting = (await agent.guard.list()).find(({ username }) => usernameKey(username) === usernameKey(name));
  const some = counted(waiting?.messages ?? 0);
  const question = `Let in ${some} of ${name}, and count anew?`;
  if (!(await agreed(call, { yes, what: `releasing what ${name} has sent`, question }))) return 1;
  const messages = await agent.guard.release(name);
  await call.out.confirm([`${counted(messages)} of ${name} in the inbox now; the guards count anew.`], {
    username: name,
    messages,
  });
  return 0;
}

type Wanted = Partial<Record<string, number | "default">> & { yes?: true };

async function change(call: Call, { yes, ...wanted }: Wanted): Promise<number> {
  await using agent = await openAgent(call, "guard");
  const limits: Partial<Record<keyof GuardLimits, number | null>> = {};
  for (const name of Object.keys(FLAGS) as (keyof GuardLimits)[]) {
    const value = wanted[name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())];
    if (value !== undefined) limits[name] = value === "default" ? null : value;
  }
  const question = "Change what one contact may send, and be answered?";
  if (!(await agreed(call, { yes, what: "changing a guard", question }))) return 1;
  const after = await agent.guard.set(limits);
  await call.out.confirm(
    table(Object.entries(after).map(([name, value]) => [name.replaceAll("_", " "), String(value)])),
    after,
  );
  return 0;
}

function limit(text: string): number | "default" {
  if (text === "default") return text;
  if (!/^(0|[1-9][0-9]{0,14})$/.test(text)) throw new InvalidArgumentError("Write a whole number, or default.");
  return Number(text);
}
