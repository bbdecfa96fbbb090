import { type ChildProcessWithoutNullStreams, spawn, type SpawnOptions } from "node:child_process";
import { constants } from "node:os";
import { dirname } from "node:path";
import type { Writable } from "node:stream";
import type { IncomingMessage, Message } from "@aimessage/sdk/node";
import type { SavedFile } from "../saving.ts";
import { FilesFirst } from "./files-first.ts";
import { Leftover } from "./leftover.ts";
import { Watchdog } from "./watchdog.ts";
import type { Ended, Handle } from "./work.ts";

/** Exit codes with a meaning of their own (sysexits.h): try again, and never again. */
const TEMPFAIL = 75;
const DATAERR = 65;
/** Characters of what a command says at its end. */
const LAST_LINE = 500;
/** From the word that a command shall end to its end. Milliseconds. */
const GRACE_MS = 2_000;
/** From a command's end on its output is read to its end, or so often if something holds it open that has left the group. Milliseconds. */
const LOOK_MS = 100;
const LOOKS = 5;
const KILLED = constants.signals.SIGKILL;

interface CommandOptions {
  /** For a shell. */
  command: string;
  /** Milliseconds. */
  timeout: number;
  /** Bytes of output that it may have; undefined: nobody reads it, and none of it is kept. */
  largest: number | undefined;
}

interface CommandRun extends CommandOptions {
  input: string | Uint8Array;
  /** All of its environment: see {@link inherited}. */
  env: NodeJS.ProcessEnv;
  /** What may run of the same already, and has to end first. */
  leftover?: Leftover;
}

interface HandlingOptions extends CommandOptions {
  env: NodeJS.ProcessEnv;
  /** The agent's. */
  folder: string;
  /** Below it lie the files that it may send; undefined: it has no root. */
  filesRoot: string | undefined;
  /** Saves the files of a message before its command starts; undefined: they are left where they are. */
  save: ((message: IncomingMessage, signal: AbortSignal) => Promise<readonly SavedFile[]>) | undefined;
}

/** A command that handles messages. Those that run are ended when this process is killed. */
export function byCommand({
  env,
  folder,
  filesRoot,
  save,
  ...options
}: HandlingOptions): { handle: Handle } & Disposable {
  const commands = new Commands();
  const first = save === undefined ? undefined : new FilesFirst(save);
  Leftover.sweep(folder);
  return {
    handle: async (message, { signal, isAnswered }) => {
      const files = (await first?.of(message, signal)) ?? [];
      if (!Array.isArray(files)) return files;
      const leftover = new Leftover(folder, message.id);
      const largest = isAnswered ? options.largest : undefined;
      const home = {
        AIMESSAGE_HOME: dirname(folder),
        ...(filesRoot === undefined ? {} : { AIMESSAGE_FILES_ROOT: filesRoot }),
        ...(files.length === 0 ? {} : { AIMESSAGE_FILES: files.join("\n") }),
      };
      const run = {
        ...options,
        largest,
        input: message.bytes,
        env: { ...environment(message, env), ...home },
        leftover,
      };
      return commands.run(run, signal);
    },
    [Symbol.dispose]: () => commands[Symbol.dispose](),
  };
}

/** Commands of a shell, which end with this process however it ends. */
export class Commands implements Disposable {
  readonly #watchdog = new Watchdog();

  /** Runs one with an input. Whatever it starts and leaves behind in its group ends with it. */
  run({ command, input, env, timeout, largest, leftover }: CommandRun, signal: AbortSignal): Promise<Ended> {
    const watchdog = this.#watchdog;
    return new Promise((resolve) => {
      const child = start(command, env);
      const { pid } = child;
      const output: Buffer[] = [];
      let size = 0;
      let last = "";
      let ended: "late" | "large" | "aborted" | undefined;
      const end = (why: typeof ended) => {
        if (ended !== undefined || pid === undefined) return;
        ended = why;
        kill(pid, "SIGTERM");
        killing = setTimeout(() => kill(pid, "SIGKILL"), GRACE_MS).unref();
      };
      let killing: NodeJS.Timeout | undefined;
      const abort = () => end("aborted");
      const late = setTimeout(() => end("late"), timeout);
      signal.addEventListener("abort", abort, { once: true });
      if (signal.aborted) abort();
      child.stdout.on("data", (part: Buffer) => {
        if (largest === undefined) return;
        size += part.length;
        if (size <= largest) output.push(part);
        else end("large");
      });
      child.stderr.on("data", (part: Buffer) => (last = (last + part.toString("utf8")).slice(-4 * LAST_LINE)));
      // A command need not read what it is given.
      child.stdin.on("error", () => undefined);
      child.stdin.end(input);
      let finished = false;
      const finish = (result: Ended) => {
        if (finished) return;
        finished = true;
        clearTimeout(late);
        clearTimeout(killing);
        signal.removeEventListener("abort", abort);
        if (pid !== undefined) {
          kill(pid, "SIGKILL");
          watchdog.remove(pid);
          leftover?.forget(pid);
        }
        child.stdout.destroy();
        child.stderr.destroy();
        resolve(result);
      };
      const close = (code: number | null, by: NodeJS.Signals | null) => {
        if (ended === "aborted") return finish({ kind: "given up" });
        if (ended === "late")
          return finish({ kind: "again", reason: `no end after ${timeout / 1000} s`, counts: true });
        if (ended === "large") return finish({ kind: "never", reason: `an output of more than ${largest} bytes` });
        finish(meaningOf(code, by, lastLine(last), Buffer.concat(output)));
      };
      child.on("error", (error) => finish({ kind: "again", reason: error.message, counts: true }));
      child.on("exit", (code, by) => {
        // How it ended is said; what it has left behind is not waited for. What had to be ended has its grace.
        clearTimeout(late);
        signal.removeEventListener("abort", abort);
        if (ended === undefined && pid !== undefined) kill(pid, "SIGKILL");
        const left = LOOKS + (ended === undefined ? 0 : GRACE_MS / LOOK_MS);
        // In turns, each of which reads what is there: a moment alone might pass before this process comes to reading.
        const look = (looks: number) =>
          looks === 0 ? close(code, by) : setTimeout(() => finished || look(looks - 1), LOOK_MS);
        look(left);
      });
      child.on("close", close);
      if (pid === undefined) return;
      try {
        leftover?.end();
        leftover?.note(pid);
        watchdog.add(pid, () => (child.stdio[GATE] as Writable | null)?.end("\n"));
      } catch (error) {
        // A full disk, or what another user has left: it has not begun.
        finish({ kind: "again", reason: (error as Error).message, counts: false });
      }
    });
  }

  [Symbol.dispose](): void {
    this.#watchdog[Symbol.dispose]();
  }
}

/** Where a command waits for its word to begin: a file descriptor. */
const GATE = 3;
/** It begins when the watchdog knows it, and not at all if this process ends before. */
const AT_THE_GATE = `read -r _ <&${GATE} || exit ${TEMPFAIL}; exec ${GATE}<&-; exec /bin/sh -c "$1"`;

function start(command: string, env: NodeJS.ProcessEnv): ChildProcessWithoutNullStreams {
  const options: SpawnOptions = { detached: true, stdio: ["pipe", "pipe", "pipe", "pipe"], env };
  const child =
    process.platform === "win32"
      ? spawn(command, { ...options, shell: true, stdio: "pipe" })
      : spawn("/bin/sh", ["-c", AT_THE_GATE, "sh", command], options);
  (child.stdio[GATE] as Writable | null | undefined)?.on("error", () => undefined);
  return child as ChildProcessWithoutNullStreams;
}

function meaningOf(code: number | null, by: NodeJS.Signals | null, said: string, output: Buffer): Ended {
  if (code === 0) return { kind: "done", output };
  const how = by === null ? `exit code ${code}` : `ended by ${by}`;
  const reason = said === "" ? how : `${said} (${how})`;
  if (code === DATAERR) return { kind: "never", reason };
  // A shell says by 128 and more that its command was ended so.
  const wasEnded = by !== null || (code !== null && code > 128 && code <= 128 + KILLED + 22);
  return { kind: "again", reason, counts: code !== TEMPFAIL && !wasEnded };
}

/** What a command has said last; a hint behind it, as this program has them, with lines that are indented, is no reason. */
function lastLine(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const said = lines.filter((_, at) => !isOfHint(lines, at));
  return (said.at(-1) ?? lines.at(-1) ?? "").trim().slice(0, LAST_LINE);
}

function isOfHint(lines: readonly string[], at: number): boolean {
  let from = at;
  while (from > 0 && lines[from]?.startsWith("    ") === true) from -= 1;
  return lines[from]?.startsWith("Hint: ") === true;
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Its group has ended.
  }
}

/** An environment without some variables, and no passphrase at all. */
export function inherited(from: Readonly<NodeJS.ProcessEnv>, without: object): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(from))
    if (!name.startsWith("AIMESSAGE_PASSPHRASE") && !Object.hasOwn(without, name)) env[name] = value;
  return env;
}

/** Nothing of a message is inherited from an outer one. */
function environment(message: Message, from: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const env = inherited(from, VARIABLES);
  for (const [name, read] of Object.entries(VARIABLES)) {
    const value = read(message);
    if (value !== undefined) env[name] = printable(value);
  }
  return env;
}

const VARIABLES: Record<string, (message: Message) => string | undefined> = {
  /** What it runs of this program is for the agent that the message is for. */
  AIMESSAGE_USERNAME: ({ to }) => to,
  AIMESSAGE_FROM: ({ from }) => from,
  AIMESSAGE_GROUP: ({ group }) => group,
  AIMESSAGE_ID: ({ id }) => id,
  AIMESSAGE_THREAD: ({ thread }) => thread,
  AIMESSAGE_REPLY_TO: ({ replyTo }) => replyTo,
  AIMESSAGE_CONTENT_TYPE: ({ contentType }) => contentType,
  AIMESSAGE_VERIFIED: ({ verified }) => (verified ? "true" : "false"),
  AIMESSAGE_TRUST: ({ trust }) => trust,
  AIMESSAGE_ATTEMPT: ({ attempt }) => String(attempt),
  AIMESSAGE_EXCHANGE: ({ exchange }) => String(exchange),
  AIMESSAGE_EXPECTS_REPLY: ({ expectsReply }) => (expectsReply ? "true" : "false"),
  AIMESSAGE_HUMAN: ({ human }) => (human ? "true" : "false"),
  /** Set beside these, as they are: paths. */
  AIMESSAGE_FILES: () => undefined,
};

/** A peer's word as a value: no control character, and no more than a shell takes easily. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, (character) => encodeURIComponent(character)).slice(0, 1_024);
}
