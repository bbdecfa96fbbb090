import { Option, type Command } from "commander";
import { openAgent } from "../agent.ts";
import type { Act, Call } from "../call.ts";
import { interruptedExit } from "../context.ts";
import { fetchWaiting } from "../fresh.ts";
import { UsageError } from "../errors.ts";
import { table } from "@aimessage/sdk/program";
import { clock, localTime } from "../times.ts";
import { filesInLine } from "../reaching.ts";
import { living } from "../recipients.ts";
import { statusJson, statusWithFiles } from "../status.ts";
import { fileSize } from "../units.ts";
import { patience } from "../values.ts";
import type { Agent, MessageState, MessageStatus, Recipients } from "@aimessage/sdk/node";

interface Options {
  follow?: true;
  timeout?: number;
}

const STATES = `
States: queued (here, in the outbox), stored (on the relay's disk), received (on the recipient's disk), handled (its handler
succeeded); or, with a reason, expired, refused, failed.

Examples:
  aimessage status 1f0c9a52b7d84e3f
  aimessage status 1f0c9a52 --follow    until it has ended: 0 if it was handled
  aimessage status --follow --json      each change of each message, a line each
`;

/** Receipts of these may wait at the relay. */
const WAITING: ReadonlySet<MessageState> = new Set(["queued", "stored", "received"]);

export function configure(command: Command, act: Act): void {
  command
    .description("Say what became of a message that was sent from here. Fetches the receipts that wait at the relay.")
    .argument("[message-id]", "the id that send printed, or the first six characters of it; with --follow not needed")
    .option("-f, --follow", "print each change of state as it comes")
    .addOption(new Option("--timeout <time>", "stop following after this time").argParser(patience))
    .addHelpText("after", STATES)
    .action(act(status));
}

async function status(call: Call, options: Options, typed: string | undefined): Promise<number> {
  const { follow } = options;
  if (typed === undefined && follow !== true)
    throw new UsageError("a message id is required", "name it, or follow all: status --follow");
  if (typed?.startsWith("@") === true)
    throw new UsageError(`${typed} is a group, and status is of a message`, `see: aimessage group info ${typed}`);
  const { context } = call;
  await using agent = await openAgent(call, "status");
  const id = typed === undefined ? undefined : await agent.outbox.idOf(typed);
  if (id === undefined || follow === true) return await followChanges(call, agent, options, id);
  let found = await agent.status(id);
  if (found !== undefined && WAITING.has(found.state)) {
    await fetchWaiting(call, agent);
    found = await agent.status(id);
  }
  if (found === undefined) {
    const { AgentError } = await import("@aimessage/sdk/node");
    const hint = "check the id; messages that are done are forgotten after a while";
    throw new AgentError("unknown_message", `no message ${id} was sent from here`, { hint });
  }
  const recipients = found.to.startsWith("@") ? await (await agent.sent(found.id))?.recipients() : undefined;
  const rows = [
    ["Message:", found.id],
    ["To:", found.to],
    ["Status:", found.state],
    ["Reason:", found.reason ?? ""],
    ...(recipients === undefined ? [] : recipientRows(recipients)),
    ["Files:", filesRow(found, recipients)],
    ["Without:", recipients === undefined ? "" : withoutRow(found, recipients)],
    ["Sent:", localTime(found.createdAt)],
    ["Since:", localTime(found.updatedAt)],
    ["Expires:", found.expiresAt === undefined ? "" : localTime(found.expiresAt)],
  ];
  const json = { ...statusWithFiles(found), ...(recipients === undefined ? {} : { recipients }) };
  await call.out.data(table(rows.filter(([, value]) => value !== "")), json);
  return context.interrupted.aborted ? interruptedExit(context) : 0;
}

/** How a message to a group is at its members. */
function recipientRows(recipients: Recipients): string[][] {
  const { received, handled, failed, waiting, gone } = recipients;
  const all = living(recipients);
  const counts = all === 0 ? "" : `received ${received.length}/${all}, handled ${handled.length}/${all}`;
  return [
    ["Members:", counts],
    ["Waiting:", waiting.join(", ")],
    ["Failed:", failed.map(({ name, reason }) => `${name} (${reason.replaceAll("_", " ")})`).join(", ")],
    ["Gone:", gone.join(", ")],
  ];
}

/** Members of a group who could not have a file of a message so far. */
function withoutRow({ files = [] }: MessageStatus, { unfetched = [] }: Recipients): string {
  const said = unfetched.map(
    ({ name, file, reason }) => `${name} (${files[file]?.name ?? "a file"}: ${reason.replaceAll("_", " ")})`,
  );
  return said.join(", ");
}

function filesRow(found: MessageStatus, recipients: Recipients | undefined): string {
  const waiting = filesInLine(found);
  if (waiting !== "") return waiting;
  return (found.files ?? [])
    .map(({ name, bytes, state, reason, fetched }) => {
      const isThere = fetched === undefined ? state === "fetched" : fetched > 0;
      const by = recipients === undefined || fetched === undefined ? "" : ` by ${fetched}/${living(recipients)}`;
      const ended = isThere ? `fetched${by}` : state === "failed" ? reason?.replaceAll("_", " ") : undefined;
      return `${name} ${fileSize(bytes)}${ended === undefined ? "" : `, ${ended}`}`;
    })
    .join("; ");
}

async function followChanges(
  { context, out }: Call,
  agent: Agent,
  { timeout }: Options,
  id: string | undefined,
): Promise<number> {
  const overdue = timeout === undefined ? undefined : AbortSignal.timeout(timeout);
  const signal = overdue === undefined ? context.interrupted : AbortSignal.any([context.interrupted, overdue]);
  let last: MessageState | undefined;
  for await (const change of agent.outbox.changes({ ...(id === undefined ? {} : { id }), signal })) {
    await out.data([line(change)], statusJson(change), { until: signal });
    last = change.state;
  }
  if (id !== undefined && last === "handled") return 0;
  if (context.interrupted.aborted) return interruptedExit(context);
  // Says why it will not be handled, or that the time is out.
  if (id !== undefined) await (await agent.sent(id))?.handled({ timeout: 1 });
  return 0;
}

function line({ id, to, state, reason, updatedAt }: MessageStatus): string {
  return `[${clock(updatedAt)}] ${id} to ${to}: ${state}${reason === undefined ? "" : ` (${reason})`}`;
}
