import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compare, type Plan, type Result } from "../compare.ts";
import { startRelay } from "../servers.ts";

const aimessage = fileURLToPath(new URL("../../packages/cli/bin/aimessage.js", import.meta.url));

/** A whole `aimessage send` process to a conversation that is open, beside a process that does nothing. */
export async function send({ folder, progress }: Plan): Promise<Result[]> {
  await using relay = await startRelay(join(folder, "relay"));
  const command = (...args: string[]) => time([aimessage, "--home", folder, ...args]);
  for (const name of ["alice", "bob"]) await command("register", "-u", name, "-s", `ws://localhost:${relay.port}`);
  const sendOne = () => command("send", "-u", "alice", "-t", "bob", "-m", "hello");
  await sendOne();
  const result = await compare(
    { figure: "send", title: "whole `aimessage send` process", unit: " ms", aim: { atMost: 5 } },
    progress,
    { value: sendOne, floor: () => time(["-e", "0"]) },
    10,
  );
  return [result];
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
