import {
  accessSync,
  constants,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import type { Writable } from "node:stream";
import { systemError } from "./system-error.ts";

/** So much may wait for the reader of a log that does not read, in bytes. */
const MOST_WAITING = 2 ** 20;

/** How long a reader that is slow may still take what is printed after the wish to end. Milliseconds. */
const GRACE_MS = 100;

/**
 * Has stdout and stderr of this process fail without ending it, and never stand still in the midst of a write. Each write
 * reports its own failure; without a listener the stream would report it a second time, as a crash.
 */
export function guardStdio(): void {
  for (const stream of [process.stdout, process.stderr]) {
    guard(stream);
    neverBlock(stream);
  }
}

/** How a text is printed. */
export interface Printing {
  /** From then on a reader that does not read is not waited for. */
  until?: AbortSignal | undefined;
  /** A file's disk must have it: what is printed is gone elsewhere then. */
  onDisk?: boolean | undefined;
}

/**
 * Prints the whole of a text to stdout or stderr, or to what stands for them.
 * @throws The system's error (`EPIPE`: nobody reads any more) if it has not taken all of it; `ETIMEDOUT`: it is not read.
 */
export async function print(stream: Writable, text: string, { until, onDisk = false }: Printing = {}): Promise<void> {
  const file = fileOf(stream);
  if (file !== undefined) return appendWhole(file, text, onDisk);
  let overdue: NodeJS.Timeout | undefined;
  let giveUp: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      giveUp = () => (overdue = setTimeout(() => reject(systemError("ETIMEDOUT", "it is not read")), GRACE_MS));
      if (until?.aborted === true) giveUp();
      else until?.addEventListener("abort", giveUp);
      stream.write(text, (error) => (error ? reject(error) : resolve()));
    });
  } finally {
    clearTimeout(overdue);
    if (giveUp !== undefined) until?.removeEventListener("abort", giveUp);
  }
}

/** Lines that may be lost, as those of a log: what they tell of must go on without them. */
export interface LossyLines {
  /** Writes a line with its end, or gives it up: a full disk, a reader that is gone, or one that does not read. */
  write(line: string): void;
}

/** @param onLost Told of each line that was given up. */
export function lossyLines(stream: Writable, onLost: () => void = ignore): LossyLines {
  const file = fileOf(stream);
  guard(stream);
  let cut = false;
  return {
    write(line) {
      if (file === undefined) {
        if (stream.writableLength > MOST_WAITING) onLost();
        else stream.write(line, (error) => (error ? onLost() : undefined));
        return;
      }
      try {
        // A line that a full disk has cut off stays one of its own.
        writeFileSync(file, cut ? `\n${line}` : line);
        cut = false;
      } catch {
        cut = true;
        onLost();
      }
    },
  };
}

/** The descriptor of a stream that writes to a file: of a short write, as on a full disk, Node says nothing there. */
function fileOf(stream: Writable & { fd?: unknown }): number | undefined {
  const { fd } = stream;
  if (typeof fd !== "number") return undefined;
  try {
    return fstatSync(fd).isFile() ? fd : undefined;
  } catch {
    return undefined;
  }
}

/** Writes the whole of a text to a file that is open. A part that has no end would spoil what is appended later. */
function appendWhole(file: number, text: string, onDisk: boolean): void {
  const bytes = Buffer.from(text);
  const before = fstatSync(file).size;
  let written = 0;
  try {
    while (written < bytes.length) written += writeSome(file, bytes, written);
    if (onDisk) fdatasyncSync(file);
  } catch (error) {
    // Unless somebody else has written meanwhile; and elsewhere than at the end, that would leave a hole.
    if (written > 0 && appends(file) && fstatSync(file).size === before + written) ftruncateSync(file, before);
    throw error;
  }
}

function writeSome(file: number, bytes: Uint8Array, from: number): number {
  const count = writeSync(file, bytes, from);
  if (count === 0) throw systemError("ENOSPC", "nothing more is taken");
  return count;
}

/** Whether a file was opened to be appended to, as by `>>`; false where the system does not tell. */
function appends(file: number): boolean {
  try {
    const [, flags = "0"] = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${file}`, "utf8")) ?? [];
    return (Number.parseInt(flags, 8) & constants.O_APPEND) !== 0;
  } catch {
    return false;
  }
}

/**
 * A terminal that is stopped (Ctrl+S), or whose other end is not read, would hold the process in the midst of a write: Node
 * has writes to terminals block. Not where the terminal may not be opened again, and so is shared with other processes.
 */
function neverBlock(stream: Terminal): void {
  if (stream.isTTY !== true) return;
  try {
    accessSync(readlinkSync(`/proc/self/fd/${stream.fd}`), constants.R_OK | constants.W_OK);
    // Node has no other way in.
    // oxlint-disable-next-line no-underscore-dangle
    stream._handle?.setBlocking?.(false);
  } catch {
    // Another user's, or a system without /proc.
  }
}

type Terminal = Writable & { isTTY?: boolean; fd?: number; _handle?: { setBlocking?: (blocking: boolean) => void } };

function guard(stream: Writable): void {
  if (!stream.listeners("error").includes(ignore)) stream.on("error", ignore);
}

function ignore(): void {}
