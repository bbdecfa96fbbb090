import { type FSWatcher, watch } from "node:fs";
import { readdir, readFile, rename, stat, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "../log.ts";
import { makeFolder } from "../store/sqlite/lock.ts";
import type { Deed, DeedDone } from "../store/store.ts";
import { namesOf, type Reply, Request, requestsFolder } from "./request.ts";

/** A look without having been told: where the system does not tell of new files. */
const INTERVAL_MS = 1_000;
/** Files that nobody has fetched. */
const FORGOTTEN_MS = 600_000;

/**
 * Where a running relay takes the requests of administrators' processes. They come as files beside the database and not in
 * it: a second writer could fail the relay's transactions, each of which holds the messages of many.
 */
export async function openDesk(
  db: string,
  perform: (deed: Deed) => Promise<DeedDone>,
  clock: () => number,
  log: Log,
): Promise<AsyncDisposable> {
  const folder = requestsFolder(db);
  let running: Promise<void> | undefined;
  let again = false;
  let open = true;

  async function run(): Promise<void> {
    do {
      again = false;
      for (const file of await filesIn(folder)) {
        const [, id, ending] = /^([\w-]+)\.(\w+)$/.exec(file) ?? [];
        if (id !== undefined && ending === "asked" && open) await serve(folder, id, perform);
        else await forget(join(folder, file), clock());
      }
    } while (again && open);
  }

  function look(): void {
    again = true;
    running ??= run()
      .catch((error: unknown) => log.error({ err: error }, "requests of administrators cannot be read"))
      .finally(() => (running = undefined));
  }

  makeFolder(folder);
  const watcher = watchOrNot(folder, look);
  const timer = setInterval(look, INTERVAL_MS);
  timer.unref();
  look();
  return {
    async [Symbol.asyncDispose]() {
      open = false;
      clearInterval(timer);
      watcher?.close();
      await running;
    },
  };
}

/** Somebody may be at work to move or delete all of it: whoever leaves the next request makes the folder again. */
async function filesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

async function serve(folder: string, id: string, perform: (deed: Deed) => Promise<DeedDone>): Promise<void> {
  const names = namesOf(folder, id);
  try {
    await rename(names.asked, names.taken);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  const reply = await decide(names.taken, perform);
  if (reply !== undefined) {
    await writeFile(names.draft, JSON.stringify(reply), { flag: "wx", mode: 0o600 });
    await rename(names.draft, names.reply);
  }
  await unlink(names.taken);
}

/** What is answered; undefined if nobody waits for it any more. */
async function decide(file: string, perform: (deed: Deed) => Promise<DeedDone>): Promise<Reply | undefined> {
  try {
    const { until, ...deed } = Request.parse(JSON.parse(await readFile(file, "utf8")));
    if (Date.now() > until) return undefined;
    return { outcome: (await perform(deed)).outcome };
  } catch (error) {
    return { failed: error instanceof Error ? error.message : String(error) };
  }
}

/** Removes what an administrator's process has left that ended before its time. */
async function forget(path: string, now: number): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found !== undefined && now - found.mtimeMs > FORGOTTEN_MS) await unlink(path).catch(() => {});
}

function watchOrNot(folder: string, look: () => void): FSWatcher | undefined {
  try {
    return watch(folder, { persistent: false }, look).on("error", () => {});
  } catch {
    return undefined;
  }
}
