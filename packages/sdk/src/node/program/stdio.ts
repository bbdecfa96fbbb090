import { fstatSync, writeFileSync } from "node:fs";
import type { Writable } from "node:stream";

/** What may wait for the reader of a log that does not read, in bytes. */
const MOST_WAITING = 2 ** 20;

/**
 * Has stdout and stderr of this process fail without ending it. Each write reports its own failure; without a listener the
 * stream would report it a second time, as a crash.
 */
export function guardStdio(): void {
  for (const stream of [process.stdout, process.stderr]) guard(stream);
}

/**
 * Prints the whole of a text to stdout or stderr, or to what stands for them.
 * @throws The system's error (`EPIPE`: nobody reads any more) if it has not taken all of it.
 */
export function print(stream: Writable, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const file = fileOf(stream);
    if (file === undefined) stream.write(text, (error) => (error ? reject(error) : resolve()));
    else resolve(writeFileSync(file, text));
  });
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
        // What a full disk has cut off stays a line of its own.
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

function guard(stream: Writable): void {
  if (!stream.listeners("error").includes(ignore)) stream.on("error", ignore);
}

function ignore(): void {}
