/** How this program is called by another: the words that are written into configurations, and stay right when it is updated. */
import { accessSync, constants, realpathSync } from "node:fs";
import { delimiter, join, sep } from "node:path";

export interface Surroundings {
  env: Readonly<Record<string, string | undefined>>;
  /** The executable of this process, and the script that it runs; of a program that is one file the latter is missing. */
  execPath: string;
  script: string | undefined;
}

/**
 * `aimessage` where the user's PATH finds this very program by it; else whole paths. What npx and npm have put into PATH for the time
 * of one command does not count.
 */
export function programWords({ env, execPath, script }: Surroundings): string[] {
  const own = real(script ?? execPath);
  const folders = (env["PATH"] ?? "")
    .split(delimiter)
    .filter((folder) => folder !== "" && !folder.split(sep).includes("node_modules"));
  const names = process.platform === "win32" ? ["aimessage.cmd", "aimessage.exe"] : ["aimessage"];
  for (const folder of folders)
    for (const name of names)
      if (isExecutable(join(folder, name)))
        return isSame(join(folder, name), own) ? ["aimessage"] : [execPath, ...rest(script)];
  return [execPath, ...rest(script)];
}

function rest(script: string | undefined): string[] {
  return script === undefined ? [] : [real(script)];
}

/** On Windows a name in PATH is a script of npm's, which leads here. */
function isSame(path: string, own: string): boolean {
  return process.platform === "win32" || real(path) === own;
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Words as a line for a shell, or for what splits lines as one does. */
export function shellLine(words: readonly string[]): string {
  return words.map(quoted).join(" ");
}

function quoted(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return process.platform === "win32" ? `"${word}"` : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
