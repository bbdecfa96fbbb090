import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { builtCli } from "../../../test/built.ts";
import { startRelay } from "../../shared/relay.ts";
import { compare, type Plan, type Result } from "../compare.ts";

/** Messages of a round by pipe. */
const BY_PIPE = 20;

/**
 * A whole `aimessage send` process to a conversation that is open, beside a process that does nothing; and the same message by a
 * pipe that is open, beside such a process.
 */
export async function send({ folder, progress }: Plan): Promise<Result[]> {
  await using relay = await startRelay(join(folder, "relay"));
  const command = (...args: string[]) => time([builtCli(), "--home", folder, ...args]);
  for (const name of ["alice", "bob", "carol"])
    await command("register", "-u", name, "-s", `ws://localhost:${relay.port}`);
  const sendOne = () => command("send", "-u", "alice", "-t", "bob", "-m", "hello");
  await sendOne();
  const process = await compare(
    { figure: "send", title: "whole `aimessage send` process", unit: " ms", aim: { atMost: 5 } },
    progress,
    { value: sendOne, floor: () => time(["-e", "0"]) },
    10,
  );
  // Of another agent: a process of its own agent would do the work of the cold one.
  await using pipe = await openPipe([builtCli(), "--home", folder, "-u", "carol", "pipe"]);
  const byPipe = await compare(
    { figure: "send", title: "send by pipe, beside that process", unit: " ms", aim: { atMost: 0.1 } },
    progress,
    { value: () => pipe.send("bob", BY_PIPE), floor: sendOne },
    10,
  );
  return [process, byPipe];
}

/** Runs Node once. @returns milliseconds from start to exit */
async function time(args: string[]): Promise<number> {
  const started = performance.now();
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`node ${args.join(" ")} ended with ${code}: ${said}`);
  return performance.now() - started;
}

interface Line {
  id?: string;
  method?: string;
  params?: { message_id: string; status?: string };
}

/** An agent by `aimessage pipe`. */
async function openPipe(args: string[]) {
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  await once(child, "spawn");
  let heard: ((line: Line) => void) | undefined;
  createInterface({ input: child.stdout }).on("line", (line) => heard?.(JSON.parse(line) as Line));
  return {
    /**
     * Sends so many messages, the next when the one before is answered: is on the disk here.
     * @returns milliseconds until all are on the relay's disk, for each
     */
    async send(to: string, messages: number): Promise<number> {
      const ids = Array.from({ length: messages }, () => randomBytes(16).toString("hex"));
      const [unanswered, unstored] = [new Set(ids), new Set(ids)];
      const next = (): void => {
        const [id] = unanswered;
        const request = { jsonrpc: "2.0", id, method: "send", params: { to, body: "hello", message_id: id } };
        if (id !== undefined) child.stdin.write(`${JSON.stringify(request)}\n`);
      };
      const started = performance.now();
      await new Promise<void>((resolve) => {
        heard = ({ id, method, params }) => {
          if (id !== undefined && unanswered.delete(id)) next();
          if (method === "state" && params?.status === "stored") unstored.delete(params.message_id);
          if (unanswered.size + unstored.size === 0) resolve();
        };
        next();
      });
      return (performance.now() - started) / messages;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      const ended = once(child, "exit");
      child.stdin.end();
      await ended;
    },
  };
}
