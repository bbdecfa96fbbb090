import type { Output } from "@aimessage/sdk/program";
import type { Context } from "./context.ts";
import type { Settings } from "./settings.ts";

/** What a command has in hand when it runs. */
export interface Call {
  readonly context: Context;
  readonly settings: Settings;
  readonly out: Output;
}

/** Runs with the command's options and arguments; a number is the exit code, nothing is 0. */
export type Handler<O, A extends unknown[]> = (call: Call, options: O, ...args: A) => Promise<number | void>;

/** Makes a handler the action of the command that is being configured. */
export type Act = <O, A extends unknown[]>(handler: Handler<O, A>) => (...parameters: unknown[]) => Promise<void>;
