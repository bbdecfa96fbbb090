import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Violation } from "./violation.ts";

export const honestNames = ["honest-a", "honest-b"];

/** What has become of the honest pair's messages. */
export interface HonestResult {
  sent: number;
  stored: number;
  received: number;
  /** Sentences about what was lost, came twice, or in another order. */
  wrong: string[];
}

const START_MS = 60_000;

/** Two agents of the SDK that talk with each other all the time: for them nothing may be lost, whatever others send. */
export class HonestPair implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = once(child, "exit").then(() => {
      throw new Violation("the honest pair's process has ended");
    });
    this.#ended.catch(() => {});
  }

  /** Resolves when messages go both ways. */
  static async start(port: number, home: string): Promise<HonestPair> {
    const file = fileURLToPath(new URL("honest.ts", import.meta.url));
    const child = fork(file, [`ws://127.0.0.1:${port}/ws`, home], { execArgv: ["--conditions=@aimessage/source"] });
    const pair = new HonestPair(child);
    const [ready] = (await once(child, "message", { signal: AbortSignal.timeout(START_MS) })) as [unknown];
    if (ready !== "ready") throw new Error(`the honest pair says ${JSON.stringify(ready)}`);
    return pair;
  }

  /** Milliseconds from `send` to the listener, of what has arrived since the last mark. */
  async mark(): Promise<number[]> {
    return ((await this.#ask("mark")) as { latencies: number[] }).latencies;
  }

  /** Sends nothing more, and waits for what is on its way. */
  async stop(): Promise<HonestResult> {
    const { result } = (await this.#ask("stop")) as { result: HonestResult };
    await this.#ended.catch(() => {});
    return result;
  }

  async #ask(message: string): Promise<unknown> {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.#child.once("message", resolve);
    this.#child.send(message);
    return Promise.race([promise, this.#ended]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await this.#ended.catch(() => {});
  }
}
