/** An agent of the soak in a process of its own, its store on disk: sends at its pace, handles what comes, and sleeps. */
import { setTimeout as delay } from "node:timers/promises";
import { Agent, AgentError, type Sent } from "@aimessage/sdk/node";
import { post } from "../shared/letter.ts";
import { serve } from "../shared/serve.ts";
import { EVERY_MS, FAILS, isTimed, letterOf, PRESENCE_MS } from "./load.ts";
import { Reporter } from "./samples.ts";

const FIRST_RETRY_MS = 200;
/** Longer than anything here takes that ever arrives. */
const PATIENCE_MS = 60_000;

interface Options {
  server: string;
  home: string;
  username: string;
}

const reporter = new Reporter();
let options: Options;
let agent: Agent;
let stopHandling: () => Promise<void>;
let stopSending: () => Promise<void> = () => Promise.resolve();
let number = 0;

serve({
  open: (given: Options) => ((options = given), wake()),
  wake,
  sleep,
  send,
  stop: () => stopSending(),
  report: () => reporter.take(),
  /** What waits in the outbox or for its outcome. */
  unfinished: async () => (await agent.outbox.list()).map(({ id, state }) => `${id} is ${state}`),
});

/** Opens the store, handles what comes, and has what waited when this resolves. */
async function wake(): Promise<void> {
  const started = performance.now();
  agent = await Agent.open(options);
  const ending = new AbortController();
  const handling = agent
    .handle(
      ({ peerId, body, attempt }) => {
        if (body.startsWith(FAILS) && attempt === 1) throw new Error("the first time it fails");
        reporter.handled(peerId);
      },
      { firstRetryMs: FIRST_RETRY_MS, signal: ending.signal },
    )
    .catch(fail);
  stopHandling = () => (ending.abort(), handling);
  await agent.sync();
  reporter.timed("waking", started);
}

/** Closes the store. What a handler has in hand is settled before, so that it is not given out again. */
async function sleep(): Promise<void> {
  await stopSending();
  await stopHandling();
  await agent.close();
}

/** Sends from now on, and asks who is there. */
function send(): void {
  const mail = setInterval(() => void sendNext().catch(fail), EVERY_MS);
  const presence = setInterval(() => void agent.users().catch(fail), PRESENCE_MS);
  stopSending = async () => {
    clearInterval(mail);
    clearInterval(presence);
    // For what is being put into the outbox.
    await delay(EVERY_MS);
  };
}

async function sendNext(): Promise<void> {
  const from = options.username;
  const letter = letterOf(from, number++);
  const { id, to, expiresIn } = letter;
  const started = performance.now();
  const sent = await post(agent, letter);
  reporter.posted({ id, from, to, expires: expiresIn !== undefined });
  if (!isTimed(letter)) return;
  await reach(sent, "stored", started);
  await reach(sent, "handled", started);
}

async function reach(sent: Sent, state: "stored" | "handled", started: number): Promise<void> {
  await sent[state]({ timeout: PATIENCE_MS });
  reporter.timed(state, started);
}

function fail(error: unknown): void {
  // Closing the agent ends whoever waits; what becomes of the message is seen in the stores.
  if (error instanceof AgentError && (error.code === "closed" || error.code === "aborted")) return;
  reporter.failed(error);
}
