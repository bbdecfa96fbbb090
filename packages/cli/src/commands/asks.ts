import { table } from "@aimessage/sdk/program";
import type { Command } from "commander";
import { openAgent } from "../agent.ts";
import { shortId } from "../ids.ts";
import type { Act, Call } from "../call.ts";
import { localTime } from "../times.ts";

const WAITING = new Set(["open", "answered"]);

export function configure(command: Command, act: Act): void {
  command
    .description("List the questions that this agent has asked and that are open, or answered and not taken.")
    .option("--all", "also those that have ended")
    .addHelpText("after", "\nExample:\n  aimessage asks --all\n")
    .action(act(asks));
}

async function asks(call: Call, { all }: { all?: true }): Promise<void> {
  await using agent = await openAgent(call, "asks");
  const questions = (await agent.questions()).filter(({ state }) => all === true || WAITING.has(state));
  const rows = questions.map(({ id, state, to, askedAt, deadline, reason = "" }) => [
    shortId(id),
    state,
    localTime(askedAt),
    localTime(deadline),
    to,
    reason,
  ]);
  const lines =
    rows.length === 0 ? ["No questions."] : table([["ID", "STATE", "ASKED", "UNTIL", "TO", "REASON"], ...rows]);
  await call.out.data(lines, {
    questions: questions.map(({ id, to, state, reason, askedAt, deadline }) => ({
      message_id: id,
      to,
      state,
      reason,
      asked_at: askedAt,
      deadline,
    })),
  });
}
