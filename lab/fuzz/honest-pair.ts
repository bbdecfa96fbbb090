import { within } from "../../test/waiting.ts";
import { startWorker } from "../shared/worker.ts";
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
export interface HonestPair extends AsyncDisposable {
  /** Resolves when messages go both ways. */
  ready(): Promise<void>;
  /** Milliseconds from `send` to the listener, of what has arrived since the last mark. */
  mark(): Promise<number[]>;
  /** Sends nothing more, and waits for what is on its way. */
  stop(): Promise<HonestResult>;
}

export async function startHonestPair(port: number, home: string): Promise<HonestPair> {
  const worker = await startWorker(new URL("honest.ts", import.meta.url), {
    args: [`ws://127.0.0.1:${port}/ws`, home],
    execArgv: ["--conditions=@aimessage/source"],
  });
  const ask = <T>(task: string): Promise<T> =>
    worker.ask<T>(task).catch((error: unknown) => {
      throw new Violation(`the honest pair: ${String(error)}`);
    });
  return {
    ready: () => within("the honest pair's messages go both ways", ask("ready"), START_MS),
    mark: () => ask("mark"),
    stop: () => ask("stop"),
    [Symbol.asyncDispose]: () => worker[Symbol.asyncDispose](),
  };
}
