/** Sends what the driver orders, and prints what the SDK promises of it: node sender.ts HOME USERNAME SERVER */
import { setTimeout as delay } from "node:timers/promises";
import { Agent, AgentError, type Sent } from "@aimessage/sdk/node";
import { type Letter, post } from "../shared/letter.ts";
import { make, nameOf } from "./groups/changes.ts";
import { type Order, print, type Watched } from "./orders.ts";
import { end, patiently, RETRY_MS } from "./patience.ts";

const [home, username, server] = process.argv.slice(2) as [string, string, string];
/** Longer than any run: who waits for a promise here gives up only with its process. */
const FOR_EVER_MS = 2 ** 31;

/** Refusals of a message to a team that is not, or no longer, one of this agent's under that name. */
const OUT = new Set(["unknown_group", "not_a_member"]);

process.on("message", (order: Order) => {
  // What is sent meanwhile does not wait for it.
  if (order.kind === "change") void make(agent, order.change).catch(end);
  else if (order.kind === "send") next(() => send(order.messages));
  else if (order.kind === "watch") next(() => watchAll(order.messages));
});

// It lives for as long as it may be ordered to send something.
process.channel?.ref();

let tail: Promise<void> = Promise.resolve();
function next(work: () => Promise<void>): void {
  tail = tail.then(work).catch(end);
}

const agent = await Agent.open({ home, username, server, create: false, role: "sender" }).catch(end);
print({ kind: "ready" });
process.once("SIGTERM", () => void agent.close().then(() => process.exit(0), end));

async function send(messages: Letter[]): Promise<void> {
  for (const letter of messages) {
    const sent = await patiently(async () => (await agent.sent(letter.id)) ?? (await postTo(letter)));
    if (sent === undefined) continue;
    print({ kind: "queued", id: letter.id });
    void watch(sent, "stored");
    // Each promise looks into the store at each change, so only some are waited for to the end.
    if (letter.id.endsWith("0")) void watch(sent, "handled");
  }
}

/** Undefined: to a team in which this agent is not. */
async function postTo(letter: Letter): Promise<Sent | undefined> {
  if (!letter.to.startsWith("@")) return post(agent, letter);
  for (;;) {
    const name = await nameOf(agent, letter.to.slice(1));
    try {
      if (name !== undefined) return await post(agent, { ...letter, to: `@${name}` });
      print({ kind: "unsent", id: letter.id, reason: "unknown_group" });
      return undefined;
    } catch (error) {
      if (error instanceof AgentError && error.reason === "no_members") {
        print({ kind: "unsent", id: letter.id, reason: error.reason });
        return undefined;
      }
      // It may be called something else since.
      if (!(error instanceof AgentError && OUT.has(error.code))) throw error;
      await delay(RETRY_MS);
    }
  }
}

async function watchAll(messages: Watched[]): Promise<void> {
  for (const { id, toTheEnd } of messages) {
    const sent = await patiently(() => agent.sent(id));
    if (sent === undefined) print({ kind: "lost", id });
    else void watch(sent, toTheEnd ? "handled" : "stored");
  }
}

async function watch(sent: Sent, state: "stored" | "handled"): Promise<void> {
  for (;;) {
    try {
      await sent[state]({ timeout: FOR_EVER_MS });
      return print({ kind: state, id: sent.id });
    } catch (error) {
      if (!(error instanceof AgentError)) return end(error);
      const { code, reason } = error;
      if (code === "closed" || code === "aborted") return;
      if (["expired", "refused", "failed"].includes(code) && reason !== undefined)
        return print({ kind: "ended", id: sent.id, code, reason });
      if (!error.shouldRetry()) return end(error);
      await delay(RETRY_MS);
    }
  }
}
