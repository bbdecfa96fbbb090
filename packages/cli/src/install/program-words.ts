/** How this program is called by another: the words that are written into configurations, and stay right when it is updated. */
import { accessSync, constants, realpathSync } from "node:fs";
import { basename, delimiter, isAbsolute, join, sep } from "node:path";

const isWindows = process.platform === "win32";

export interface Surroundings {
  env: Readonly<Record<string, string | undefined>>;
  /** The executable of this process, and the script that it runs; of a program that is one file the latter is missing. */
  execPath: string;
  script: string | undefined;
  /** Whether a program that PATH finds runs at all: its Node, which PATH finds, too, may be too old. */
  runs: (program: string, folders: readonly string[]) => boolean;
}

/**
 * `aimessage` where the user's PATH finds this very program by it, and it runs; else whole paths. What npx and npm have put into PATH for the time
 * of one command does not count.
 */
export function programWords({ env, execPath, script, runs }: Surroundings): string[] {
  const own = real(script ?? execPath);
  const folders = (env["PATH"] ?? "")
    .split(delimiter)
    .filter((folder) => folder !== "" && !folder.split(sep).includes("node_modules"));
  const names = isWindows ? ["aimessage.cmd", "aimessage.exe"] : ["aimessage"];
  for (const folder of folders)
    for (const name of names)
      if (isExecutable(join(folder, name)))
        return isSame(join(folder, name), own) && runs(join(folder, name), folders)
          ? ["aimessage"]
          : [execPath, ...rest(script)];
  return [execPath, ...rest(script)];
}

/** Whether it runs, as far as that can be seen without starting it: the first Node there is the one that runs this. */
export function hasThisNode(_program: string, folders: readonly string[]): boolean {
  const names = process.platform === "win32" ? ["node.exe"] : ["node"];
  const found = folders.flatMap((folder) => names.map((name) => join(folder, name))).find(isExecutable);
  return found !== undefined && real(found) === real(process.execPath);
}

function rest(script: string | undefined): string[] {
  return script === undefined ? [] : [real(script)];
}

/** On Windows a name in PATH is a script of npm's, which leads here. */
function isSame(path: string, own: string): boolean {
  return isWindows || real(path) === own;
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
  return isWindows ? `"${word}"` : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** A word of a line that calls one program, as {@link shellLine} writes it, or a person who quotes in another way. */
const WORD = isWindows
  ? /[ \t]*((?:[\w@%+=:,./\\-]|"[^"]*")+)/y
  : /[ \t]*((?:[\w@%+=:,./-]|'[^']*'|"[^"\\$`]*"|\\[^\n])+)/y;

/** The words of a line that calls one program and does nothing else; undefined if a shell might make anything else of it. */
export function wordsOf(line: string): string[] | undefined {
  const words: string[] = [];
  let end = (WORD.lastIndex = 0);
  for (let found = WORD.exec(line); found !== null; found = WORD.exec(line)) {
    words.push(unquoted(found[1] ?? ""));
    end = WORD.lastIndex;
  }
  return line.slice(end).trim() === "" ? words : undefined;
}

function unquoted(word: string): string {
  if (isWindows) return word.replaceAll('"', "");
  return word.replaceAll(/'([^']*)'|"([^"]*)"|\\([^])/g, "$1$2$3");
}

/**
 * What follows `-u NAME` in words by which this program is called for an agent, whichever, and by whichever of its versions; undefined
 * if they call anything else.
 */
export function commandOf(words: readonly string[]): readonly string[] | undefined {
  const [first = "", second = ""] = words;
  const program = first === "aimessage" || isOwn(first) ? 1 : isRuntime(first) && isOwn(second) ? 2 : undefined;
  if (program === undefined) return undefined;
  const agent = program + (words[program] === "--home" ? 2 : 0);
  return words[agent] === "-u" ? words.slice(agent + 2) : undefined;
}

function isOwn(path: string): boolean {
  return isAbsolute(path) && /^aimessage(\.(js|cmd|exe))?$/.test(basename(path));
}

function isRuntime(path: string): boolean {
  return isAbsolute(path) && /^(node|nodejs|bun)[\d.]*(\.exe)?$/.test(basename(path));
}
