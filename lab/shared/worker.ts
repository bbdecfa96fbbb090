import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { end } from "./ending.ts";

/** A process of a run. It ends with `await using`, and by itself if this process is gone. */
export interface Worker extends AsyncDisposable {
  /** Has the process do something that it serves by this name (see serve.ts). */
  ask<T>(task: string, argument?: unknown): Promise<T>;
}

export interface WorkerOptions {
  args?: string[];
  /** Options of Node. */
  execArgv?: string[];
  /** File descriptor that takes stdout and stderr. */
  log?: number;
}

/** Starts a program. What it imports is what is built, and not the sources. */
export async function startWorker(file: URL, { args = [], execArgv = [], log }: WorkerOptions = {}): Promise<Worker> {
  const output = log ?? "inherit";
  const child = fork(fileURLToPath(file), args, {
    execArgv: ["--expose-gc", ...execArgv],
    stdio: ["ignore", log === undefined ? "ignore" : output, output, "ipc"],
  });
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  let next = 0;
  child.on("message", ({ id, result, error }: { id: number; result: never; error?: string }) => {
    const { resolve, reject } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (error === undefined) resolve?.(result);
    else reject?.(new Error(error));
  });
  child.on("exit", (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`${file.pathname} ended early (${signal ?? code})`));
  });
  await once(child, "spawn");
  return {
    ask: (task, argument) =>
      new Promise((resolve, reject) => {
        const id = ++next;
        waiting.set(id, { resolve, reject });
        child.send({ id, task, argument }, (error) => error !== null && reject(error));
      }),
    [Symbol.asyncDispose]: () => end(child, "SIGTERM"),
  };
}
