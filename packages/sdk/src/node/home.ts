/** Where agents are kept, by names alone: nothing of the SDK is behind it. */
import { existsSync, readdirSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { isAbsolute, join } from "node:path";
import { usernameKey } from "../protocol/username-key.ts";

/** In an agent's folder: what was announced to whom, a file each. See `announce`. */
export const ANNOUNCED = "announced";
/** In an agent's folder: marks of the processes that share its inbox. See `Mark`. */
export const PROCESSES = "processes";
/** In an agent's folder: commands that run for its messages, a file each, which the command line writes. */
export const COMMANDS = "commands";

/** The folder of all agents of this user: of `AIMESSAGE_HOME`, or `~/.aimessage`; undefined if the user has no home. */
export function homeFolder(): string | undefined {
  const named = process.env["AIMESSAGE_HOME"];
  if (named !== undefined && named !== "") return named;
  const home = userHome();
  return home === undefined ? undefined : join(home, ".aimessage");
}

/** By a path that is not whole, as of an empty HOME, or no UTF-8 text, keys would land where nobody means them to. */
export function userHome(): string | undefined {
  for (const ask of [homedir, () => userInfo().homedir])
    try {
      const home = ask();
      if (isAbsolute(home) && !home.includes("\u{fffd}")) return home;
    } catch {
      // A user id that has no name, as in containers.
    }
  return undefined;
}

/** The folders of all agents of a home, by default this user's. */
export function agentFolders(home: string | undefined = homeFolder()): string[] {
  try {
    const folders = home === undefined ? [] : readdirSync(home).map((name) => join(home, name));
    return folders.filter(isAgents);
  } catch {
    return [];
  }
}

function isAgents(folder: string): boolean {
  return existsSync(join(folder, "agent.db"));
}

/** The folder of an agent, of the only one if none is named; undefined if there is none, or it is not clear which. */
export function agentFolder(home: string, username?: string): string | undefined {
  if (username !== undefined && !/^[\w-]+$/.test(username)) return undefined;
  const named = username === undefined ? undefined : join(home, usernameKey(username));
  const found = named === undefined ? agentFolders(home) : [named].filter(isAgents);
  return found.length === 1 ? found[0] : undefined;
}
