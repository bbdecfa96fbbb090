import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { builtRelay } from "../../test/built.ts";
import { eachLine } from "../../test/processes/processes.ts";
import { end } from "../shared/ending.ts";
import { portOf } from "../shared/relay.ts";
import { Violation } from "./violation.ts";

/**
 * Rates would only slow the fuzzer down; room is small, so that it runs out: but for agents whose mailboxes are read, and
 * those are the ones that must lose nothing.
 */
const LIMITS = [
  "--no-limits",
  "--mailbox-messages",
  "4000",
  "--unknown-user-messages",
  "200",
  "--handshake-messages",
  "2000",
  // Frames ask for room, too: what they get is not to be the whole disk.
  "--blob-bytes",
  "8MiB",
  "--account-blobs",
  "16MiB",
];

/** A relay as it is built, in a process of its own, with its database in a folder. */
export class RelayProcess implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** `fail` is told of everything in its log that must not be there, and of its end. */
  static async start(folder: string, fail: (violation: Violation) => void): Promise<RelayProcess> {
    const args = [builtRelay(), "--port", "0", "--db", join(folder, "db"), "--log-format", "json", ...LIMITS];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    const port = new Promise<number>((resolve, reject) => {
      eachLine(child.stdout, (line) => {
        const found = portOf(line);
        if (found !== undefined) resolve(found);
        if (isTrouble(line)) fail(new Violation(`the relay's log: ${line.slice(0, 2000)}`));
      });
      child.once("close", (code) => reject(new Error(`the relay has ended with ${code}`)));
    });
    child.stderr
      .setEncoding("utf8")
      .on("data", (text: string) => fail(new Violation(`the relay's stderr: ${text.slice(0, 2000)}`)));
    child.once("exit", (code, signal) => {
      if (code !== 0) fail(new Violation(`the relay has ended with ${signal ?? code}`));
    });
    return new RelayProcess(child, await port);
  }

  /** Resident bytes; undefined where the system does not tell. */
  get residentBytes(): number | undefined {
    try {
      const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.#child.pid}/status`, "utf8")) ?? [];
      return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
    } catch {
      return undefined;
    }
  }

  /** Sockets that it has open; undefined where the system does not tell. */
  get sockets(): number | undefined {
    const folder = `/proc/${this.#child.pid}/fd`;
    try {
      return readdirSync(folder).filter((fd) => targetOf(join(folder, fd)).startsWith("socket:")).length;
    } catch {
      return undefined;
    }
  }

  /** The metrics by their names with labels. */
  async metrics(): Promise<Map<string, number>> {
    const response = await fetch(`http://127.0.0.1:${this.port}/metrics`);
    const lines = (await response.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return new Map(
      lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]),
    );
  }

  /** Ends it as an operator does. @throws Violation if it does not end well */
  async stop(): Promise<void> {
    await end(this.#child, "SIGTERM");
    const code = this.#child.exitCode;
    if (code !== 0) throw new Violation(`the relay ended with ${code} after SIGTERM`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return end(this.#child, "SIGKILL");
  }
}

function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    // It was closed meanwhile.
    return "";
  }
}

/** Errors, and warnings: the fuzzer reads what it is sent, so nobody is to be dropped as a slow reader. */
function isTrouble(line: string): boolean {
  if (!line.startsWith("{")) return true;
  const { level } = JSON.parse(line) as { level: number };
  return level >= 40;
}
