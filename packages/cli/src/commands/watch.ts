import type { News } from "@aimessage/sdk/node";
import { Option, type Command } from "commander";
import { followOutages, openAgent } from "../agent.ts";
import type { Act, Call } from "../call.ts";
import { interruptedExit } from "../context.ts";
import { sayWhoWaits } from "../requests.ts";
import { newsJson, newsText } from "../hook/news.ts";
import { count, patience } from "../values.ts";

interface Options {
  count?: number;
  timeout?: number;
  exec?: string;
  execTimeout: number;
}

const EXAMPLES = `
Examples:
  aimessage watch
  aimessage watch --count 1 --timeout 10m && echo "there is mail"
  aimessage watch --exec 'notify-send "$AIMESSAGE_NEWS"'

--exec: the line is its input, and AIMESSAGE_NEWS; AIMESSAGE_TO, _MESSAGES, _REPLIES and _SENDERS (names, with commas) are in its environment. What
comes while it runs is one batch more. If it fails, that is said on stderr, and it is not run again for the same.

Nothing is consumed: \`inbox\` shows what waits, \`listen\` takes it. JSON keys: to, messages, replies, requests (strangers that wait for consent),
more, from (username, trust, messages), replies_from.
`;

export function configure(command: Command, act: Act): void {
  command
    .description(
      "Print a line for what waits, and for each new batch that comes: how many messages, and of whom. Consumes none.",
    )
    .addOption(new Option("--count <n>", "stop after so many lines").argParser(count))
    .addOption(
      new Option("--timeout <time>", "stop after this time; exit 7 if --count is not reached").argParser(patience),
    )
    .option("--exec <command>", "run a shell command instead of printing")
    .addOption(
      new Option("--exec-timeout <time>", "how long a command may take").argParser(patience).default(60_000, "1m"),
    )
    .addHelpText("after", EXAMPLES)
    .action(act(watch));
}

async function watch(call: Call, options: Options): Promise<number> {
  const { context, out } = call;
  const overdue = options.timeout === undefined ? undefined : AbortSignal.timeout(options.timeout);
  const signal = overdue === undefined ? context.interrupted : AbortSignal.any([context.interrupted, overdue]);
  // A line of this may be what a model reads: strangers who wait are a number there, too.
  await using agent = await openAgent(call, "watch", ["request", "invited"]);
  agent.onAlert(({ kind }) => void ((kind === "request" || kind === "invited") && sayWhoWaits(agent, out)));
  const isBounded = options.count !== undefined && options.timeout !== undefined;
  const outage = followOutages(agent, isBounded ? undefined : out, signal);
  await using running = await tellerOf(call, options, signal);
  let missing = options.count ?? Number.POSITIVE_INFINITY;
  for await (const news of agent.news({ signal })) {
    await running.tell(news, agent.username);
    missing -= 1;
    if (missing === 0) return 0;
  }
  if (context.interrupted.aborted) return interruptedExit(context);
  if (outage.error !== undefined) throw outage.error;
  if (options.count === undefined) return 0;
  const { AgentError } = await import("@aimessage/sdk/node");
  throw new AgentError("timeout", "time ran out: nothing more has come", {
    hint: "what comes later is shown by the next watch",
  });
}

interface Teller extends AsyncDisposable {
  tell(news: News, agent: string): Promise<void>;
}

async function tellerOf({ context, out }: Call, { exec, execTimeout }: Options, signal: AbortSignal): Promise<Teller> {
  if (exec === undefined)
    return {
      tell: (news, agent) => out.data([newsText(news, agent)], newsJson(news, agent), { until: signal }),
      [Symbol.asyncDispose]: async () => undefined,
    };
  const { Commands, inherited } = await import("../doors/command.ts");
  const commands = new Commands();
  return {
    async tell(news, agent) {
      const facts = factsOf(news, agent);
      const end = await commands.run(
        {
          command: exec,
          timeout: execTimeout,
          largest: MOST_OUTPUT,
          input: `${facts.AIMESSAGE_NEWS}\n`,
          env: { ...inherited(context.env, facts), ...facts },
        },
        signal,
      );
      if (end.kind === "done" && end.output.length > 0) await out.text(end.output.toString("utf8"));
      if (end.kind === "again" || end.kind === "never") out.warn(`the command has failed: ${end.reason}`);
    },
    [Symbol.asyncDispose]: async () => commands[Symbol.dispose](),
  };
}

/** Of what a command prints. Bytes. */
const MOST_OUTPUT = 2 ** 20;
/** Of the names of senders, and of groups. Characters. */
const MOST_NAMES = 1_024;

function factsOf(news: News, agent: string) {
  return {
    AIMESSAGE_NEWS: newsText(news, agent),
    AIMESSAGE_TO: agent,
    AIMESSAGE_MESSAGES: String(news.messages),
    AIMESSAGE_REPLIES: String(news.replies),
    AIMESSAGE_GROUPS: news.groups
      .map(({ name }) => name)
      .join(",")
      .slice(0, MOST_NAMES),
    AIMESSAGE_SENDERS: [...new Set([...news.senders.map(({ name }) => name), ...news.repliers])]
      .join(",")
      .slice(0, MOST_NAMES),
  };
}
