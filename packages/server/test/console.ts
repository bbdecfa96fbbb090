import { Writable } from "node:stream";
import { commands } from "../src/config/commands.ts";
import { run } from "../src/program.ts";

const stopped = () => Promise.resolve("SIGTERM" as const);

/** Runs a command line of the relay's program in this process, as a terminal would. A relay that it starts is stopped at once. */
export async function aimessageServer(
  words: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const printed = { stdout: "", stderr: "" };
  const stream = (name: "stdout" | "stderr") =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        printed[name] += chunk.toString();
        done();
      },
    });
  const [stdout, stderr] = [stream("stdout"), stream("stderr")];
  const code = await run([...words], { stdout, stderr, env, stopped, onHangUp: () => undefined });
  return { code, ...printed };
}

/** Runs a command of an administrator, as `command` of relay-process.ts does in a process of its own. */
export const commandHere = (...words: string[]) => aimessageServer(words);

/** The words of each command of administrators, by its name. */
export const adminCommands: Record<string, string[]> = Object.fromEntries(
  Object.keys(commands).map((name) => [name, name.split(" ")]),
);
