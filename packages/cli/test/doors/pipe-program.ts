import { PassThrough } from "node:stream";
import { eventually } from "../../../../test/waiting.ts";
import { Recorder } from "../console.ts";
import type { World } from "../world.ts";

export interface Answer {
  id?: number | null;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { code: number; message: string; data?: Record<string, unknown> };
}

/** A program that talks to `pipe`. */
export function program(world: World, name: string) {
  const [stdin, stdout] = [new PassThrough(), new Recorder()];
  const done = world.cli(["-u", name, "pipe"], { terminal: stdin, stdout });
  let last = 0;
  const lines = (): Answer[] =>
    stdout.text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Answer);
  const call = async (method: string, params: object = {}): Promise<Answer> => {
    const id = ++last;
    stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
    await eventually(`${method} is answered`, () => lines().some((line) => line.id === id));
    return lines().find((line) => line.id === id) as Answer;
  };
  const told = (method: string) => lines().flatMap((line) => (line.method === method ? [line.params ?? {}] : []));
  const end = async () => {
    stdin.end();
    return (await done).exit;
  };
  return { call, told, end, stdin, lines };
}
