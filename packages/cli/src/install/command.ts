/** Common ground of `install` and `uninstall`: whose files, which agent, and what is said. */
import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { type Command, Argument } from "commander";
import type { Call } from "../call.ts";
import { UsageError } from "../errors.ts";
import { asWriteError, wholePath } from "../files.ts";
import { hosts } from "../hook/hosts.ts";
import { UneditableError } from "./edit.ts";
import type { Place } from "./hosts.ts";
import type { Change } from "./install.ts";
import { programWords } from "./program-words.ts";

export interface PlaceFlags {
  user?: true;
  project?: true;
}

export function addPlaceFlags(command: Command, what: string): Command {
  return command
    .addArgument(new Argument("<host>", what).choices(Object.keys(hosts)))
    .option("--user", "in this user's settings, for all projects (the default)")
    .option("--project", "in the settings of the project in the working folder");
}

/** @throws UsageError */
export function placeOf({ context }: Call, { user, project }: PlaceFlags): Place {
  if (user === true && project === true) throw new UsageError("--user and --project exclude each other", "give one");
  const scope = project === true ? "project" : "user";
  return { scope, cwd: scope === "project" ? wholePath(context, ".") : "/", env: context.env };
}

export async function homeOf({ settings }: Call): Promise<string> {
  const { defaultHome } = await import("@aimessage/sdk/node");
  return settings.home ?? defaultHome();
}

/** The words by which a host calls this program as the agent that is meant. @throws AgentError not_registered, several_agents */
export async function agentWords(call: Call): Promise<{ words: string[]; agent: string; home: string }> {
  const { findAgent } = await import("@aimessage/sdk/node");
  const home = await homeOf(call);
  const agent = await findAgent(call.settings.username, home);
  const { env, program } = call.context;
  const words = programWords({ env, ...program, runs: startsAtAll });
  const isUsual = home === join(homedir(), ".aimessage");
  return { words: [...words, ...(isUsual ? [] : ["--home", home]), "-u", agent], agent, home };
}

/** Starts it once. */
function startsAtAll(program: string, folders: readonly string[]): boolean {
  const isWindows = process.platform === "win32";
  const { status } = spawnSync(isWindows ? `"${program}"` : program, ["--version"], {
    env: { ...process.env, PATH: folders.join(delimiter) },
    shell: isWindows,
    stdio: "ignore",
    timeout: 20_000,
  });
  return status === 0;
}

interface Outcome {
  host: string;
  agent?: string;
  place: Place;
  changes: Change[];
  print: boolean;
}

const DONE = { create: "written", change: "changed", remove: "removed", none: "as it was" } as const;
const TO_DO = {
  create: "to be written",
  change: "to be changed",
  remove: "to be removed",
  none: "stays as it is",
} as const;

/** Does what was planned, unless it is only to be shown, and says what. */
export async function carryOut({ out }: Call, { host, agent, place, changes, print }: Outcome): Promise<void> {
  if (!print)
    for (const change of changes)
      try {
        change.write(place.scope === "user" ? 0o600 : 0o644);
      } catch (error) {
        if (error instanceof UneditableError) throw new UneditableError(`${change.path}: ${error.message}`);
        const { written = change.path } = error as { written?: string };
        throw await asWriteError(error, written, "free some space there, and do it again: what was written is whole");
      }
  const lines = changes.flatMap(({ path, kind, lines, note }) => [
    `${path}: ${said((print ? TO_DO : DONE)[kind], kind === "none", note)}`,
    ...(print ? lines.map((line) => ({ line: "    ", body: line })) : []),
  ]);
  const files = changes.map(({ path, kind, lines, note }) => ({
    path,
    change: kind,
    note,
    ...(print ? { lines } : {}),
  }));
  await out.data(lines, { host, agent, scope: place.scope, printed: print, files });
}

function said(done: string, nothing: boolean, note: string | undefined): string {
  if (note === undefined) return done;
  return nothing ? note : `${done}; ${note}`;
}

/** A file of somebody else's that is not as it should be is for its owner to mend. @throws UsageError in its place */
export async function unlessUneditable(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof UneditableError)) throw error;
    throw new UsageError(error.message, "nothing was written to it; mend it, or set it up by hand: docs/doors.md");
  }
}
