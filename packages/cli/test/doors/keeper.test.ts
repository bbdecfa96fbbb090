/** The agent behind an assistant's tools, whose link may end for good. */
import { AgentError, type Agent } from "@aimessage/sdk/node";
import { expect, test } from "vitest";
import { eventually } from "../../../../test/waiting.ts";
import { Keeper } from "../../src/doors/mcp/keeper.ts";

/** An agent whose link ends when it is told so, and which is slow to close, or fails to. */
function standIn(closing: Promise<void>) {
  const link = Promise.withResolvers<never>();
  link.promise.catch(() => undefined);
  const seen = { closes: 0 };
  const agent = {
    seen,
    end: () => link.reject(new AgentError("device_replaced", "another device has taken its place")),
    onLink: () => () => undefined,
    sync: async () => undefined,
    async *news({ signal }: { signal: AbortSignal }) {
      yield* [];
      const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      await Promise.race([link.promise, aborted]);
    },
    async close() {
      seen.closes += 1;
      await closing;
    },
  };
  return agent as typeof agent & Agent;
}

test.each([
  ["slowly", () => new Promise<void>((resolve) => setTimeout(resolve, 20))],
  ["in vain", async () => Promise.reject(new Error("no space left"))],
])(
  "calls at once behind the end of a link that closes %s share one new agent, which stays open",
  async (_, closing) => {
    const closed = closing();
    closed.catch(() => undefined);
    const [first, second] = [standIn(closed), standIn(Promise.resolve())];
    const opened: boolean[] = [];
    const keeper = new Keeper(async () => {
      opened.push(first.seen.closes > 0);
      return opened.length === 1 ? first : second;
    });
    expect(await keeper.agent()).toBe(first);
    first.end();
    await eventually("it is known", () => keeper.relay.includes("another device"));
    const got = await Promise.all([keeper.agent(), keeper.agent(), keeper.agent()]);
    expect(got.map((agent) => agent === second)).toEqual([true, true, true]);
    // The one before is out of the way first.
    expect(opened).toEqual([false, true]);
    expect([first.seen.closes, second.seen.closes]).toEqual([1, 0]);
    await keeper.close();
    expect([first.seen.closes, second.seen.closes]).toEqual([1, 1]);
  },
);
