/** The other end of worker.ts: what a process of a run can be asked to do. */
type Tasks = Record<string, (argument: never) => unknown>;

interface Request {
  id: number;
  task: string;
  argument: never;
}

/** Serves tasks to the process that started this one, and ends with it. Each process can be asked for `memory`, `resident` and `cpu`. */
export function serve(tasks: Tasks): void {
  const all: Tasks = { memory, resident: () => process.memoryUsage.rss(), cpu, ...tasks };
  process.on("message", (request: Request) => {
    void run(all, request).then((answer) => process.send?.({ id: request.id, ...answer }));
  });
  process.on("disconnect", () => process.kill(process.pid, "SIGTERM"));
}

async function run(tasks: Tasks, { task, argument }: Request): Promise<{ result: unknown } | { error: string }> {
  try {
    return { result: await tasks[task]?.(argument) };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

/** Resident bytes after a garbage collection that gives room which is only kept ready back to the system. */
function memory(): number {
  // The first collection runs finalizers that free more.
  for (let round = 0; round < 2; round++) globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
  return process.memoryUsage.rss();
}

/** Microseconds of all cores that this process has used so far. */
function cpu(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
